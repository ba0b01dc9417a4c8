#pragma once
/// \file
/// One oscillating direction and the sharpness that it lowers (docs/theory/curvature-dynamics.md, sections 1 and 2): the
/// loss near a point with top eigenvector u, x along u, expanded to third order. At the rate eta of the step
///
///     x' = (1 - eta lambda) x + eta g_noise,   lambda' = lambda + eta (alpha - (beta/2) x^2)
#include <optional>
#include <string_view>
#include <vector>

#include "models/framework/model.hpp"
#include "models/ingredients/rate_rules.hpp"
#include "random/random.hpp"

namespace edgewise::models::self_stabilization {

struct Landscape {
  double sharpening = 0;     ///< alpha >= 0, by which the loss across u drives the sharpness
  double stabilization = 0;  ///< beta >= 0
  double noise = 0;          ///< variance of the batch gradient along u, a step
  // What a tuner sees of the other directions, beside their squared gradient G2, which is in the state.
  double bulk_curvature = 0;  ///< h
  bool bulk_moves = false;    ///< G2' = (1 - eta h)^2 G2; otherwise it stays
  double floor = 0;           ///< F, their loss
  /// lambda moves by x' instead of x ("gauss_seidel"): area-preserving, not gradient descent.
  bool x_first = false;
};

struct State {
  double x = 0, sharpness = 0, bulk = 0;  ///< bulk: G2
  /// beta x^2/(2 alpha), 1 where the sharpness stands still.
  double p(const Landscape& land) const { return land.stabilization * x * x / (2 * land.sharpening); }
};

/// One step at rate eta. With noise, x is the root of its mean square, and the sharpness is taken for its mean: closed
/// at second moments, exact without noise.
State stepped(const Landscape& land, State state, double eta);
/// What a rate rule sees there: the gradient lambda x and the bulk's, which it steps along.
ingredients::StepObservation seen(const Landscape& land, const State& state);
/// Whether all that CDAT without a bound sees has underflowed, top and bulk: its rate is 0/0, and the run rests at a rate of 0.
bool rests(const Landscape& land, const State& state, const ingredients::RateRule& rule);
/// Where the expansion, and with it the run, ends: lambda <= 0, or |x| > 1e8 times its own scale, or no numbers.
bool broken(const Landscape& land, const State& start, const State& state);

/// An orbit under the constant rate or a rule. Without noise x is followed below the smallest number of double precision: far
/// below the edge it falls there, and beyond the edge it comes back.
class Orbit {
 public:
  Orbit(const Landscape& land, const State& start, double learning_rate, const ingredients::RateRule* rule);
  const State& state() const { return state_; }
  double rate() const { return rate_; }  ///< of the last step, 0 before the first of a rule
  bool alive() const { return !broken(land_, start_, state_); }
  void step();
  /// What arithmetic may do at every step of a run: moves the state by up to two roundings, and holds x and G2 at the smallest
  /// number. Never under noise.
  void round(random::Stream& stream);

 private:
  Landscape land_;
  State start_, state_;
  double x_;  ///< times 2^exponent_
  int exponent_ = 0;
  double rate_;
  const ingredients::RateRule* rule_;
  std::optional<ingredients::RateRun> run_;
};

/// x_squared, sharpness, learning_rate and eta_sharpness: of theory and simulation alike.
const std::vector<Observable>& state_observables();
/// Their values. \param rate  of the last step
void observe_state(const State& state, double rate, std::span<double> out);

/// Gradient descent itself on L(x, m, w) = (S0 + b m) x^2/2 - a m + h w^2/2, with b^2 = beta and a b = alpha: lambda = S0
/// + b m, G2 = (h w)^2 where the bulk moves. Noisy runs also average over their steps from `burn_in` on (Y = eta lambda -
/// 2): mean_p, mean_Y, mean_p_squared and mean_Y_squared_p.
/// \param rule  null: the constant rate; shared with the simulation
std::unique_ptr<Simulation> simulate_descent(const Landscape& land, const State& start, double learning_rate,
                                             std::shared_ptr<const ingredients::RateRule> rule, std::uint64_t burn_in);

}  // namespace edgewise::models::self_stabilization
