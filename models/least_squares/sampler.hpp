#pragma once
/// \file
/// How a mini-batch step is sampled (docs/theory/least-squares-sgd.md, section 2), and which ways are exact in law.
#include "settings/words.hpp"

namespace edgewise::models::least_squares {

struct LeastSquares;

/// exact: O(d) for Gaussian data and noise (2.1); block: O(modes) in the powers rho_a; batch: O(B + d), any noise;
/// naive: B x d explicit samples, any data law; rows: rows of the data set, drawn with replacement; automatic: the
/// cheapest that is exact in law; descent: there is nothing to sample, B = inf.
enum class Sampler { automatic, exact, block, batch, naive, rows, descent };

/// As the key monte_carlo.sampler takes them, and descent.
const settings::Words<Sampler>& samplers();

/// The sampler to use where `asked` was asked for at batch size `batch`; where `family`, of the methods beyond plain SGD,
/// whose workers are sampled coordinate by coordinate. \throws std::invalid_argument when it is not exact in law for the
/// problem, or the problem cannot be simulated.
Sampler chosen_sampler(const LeastSquares& problem, double batch, Sampler asked, bool family);

}  // namespace edgewise::models::least_squares
