#pragma once
/// \file
/// Streaming SGD on high-dimensional least squares (docs/theory/least-squares-sgd.md): the problem and its
/// coefficients.
///
///     g_k = (1/B) sum_b x_b (<x_b, v_k> - eps_b),     v_{k+1} = v_k - eta_k g_k,      v = theta - theta*
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/framework/experiment.hpp"
#include "models/framework/model.hpp"
#include "models/ingredients/batch_weights.hpp"
#include "models/ingredients/noise.hpp"
#include "models/ingredients/rate_rules.hpp"
#include "models/ingredients/schedules.hpp"
#include "spectra/dataset.hpp"
#include "spectra/spectrum.hpp"

namespace edgewise::models::least_squares {

/// Law of the data x = K^(1/2) z: z iid in the eigenbasis, or real rows.
struct DataLaw {
  std::string name = "gaussian";  ///< gaussian, rademacher, uniform, laplace (iid z of unit variance), or rows
  double excess_kurtosis = 0;     ///< c4 = E z^4 - 3
  bool gaussian() const { return name == "gaussian"; }
};

/// Everything the theory and the simulation of SGD on least squares need.
struct LeastSquares {
  spectra::Spectrum spectrum;         ///< merged: one mode per distinct eigenvalue
  std::vector<double> initial_power;  ///< rho_a(0) = sum of v_0^2 over eigenspace a
  /// v_0 = alignment * theta* where that holds (-1 for theta_0 = 0); empty when the start is not a multiple of theta*
  std::optional<double> alignment = -1.0;
  std::shared_ptr<const ingredients::Noise> noise;
  double label_noise_variance = 0;  ///< of the noise law alone
  DataLaw data;
  double learning_rate = 0;  ///< eta, the raw rate per step at schedule value 1
  double batch = 1;          ///< B, whole >= 1, or infinite (gradient descent)
  std::shared_ptr<const ingredients::Schedule> schedule;
  std::shared_ptr<const ingredients::RateRule> rate_rule;  ///< may be null; learning_rate is then a factor on its rates
  std::optional<spectra::DatasetOptions> dataset;          ///< when the spectrum was measured from one
  Time time;

  /// sigma^2: label noise plus what no linear function explains.
  double noise_variance() const { return label_noise_variance + spectrum.unexplained_variance; }
  double rate_at(double step) const { return learning_rate * schedule->at(step); }
};

/// Label noise of one replica. \param unexplained false to leave the unexplained part out (real rows bring their own).
ingredients::LabelNoise label_noise(const LeastSquares& problem, std::uint64_t seed, std::uint64_t replica,
                                    bool unexplained = true);
/// Batch weights of one replica; see ingredients::BatchWeights.
ingredients::BatchWeights batch_weights(const LeastSquares& problem, bool collapsed, std::uint64_t seed,
                                        std::uint64_t replica);

/// Observables of every least-squares problem, in this order:
///
///     risk = (P + sigma^2)/2,   excess_mse = P = v'Kv,   parameter_error = |v|^2
const std::vector<Observable>& least_squares_observables();
/// Those, and what a rate rule adds to them.
std::vector<Observable> observables(const LeastSquares& problem);

/// How a mini-batch step is sampled (docs/theory/least-squares-sgd.md, section 2).
/// exact: O(d) for Gaussian data and noise (2.1); block: O(modes) in the powers rho_a; batch: O(B + d), any noise;
/// naive: B x d explicit samples, any data law; rows: rows of the data set, drawn with replacement; auto picks the
/// cheapest that is exact in law.
std::unique_ptr<Simulation> simulate_sgd(std::shared_ptr<const LeastSquares> problem, const std::string& sampler);

}  // namespace edgewise::models::least_squares
