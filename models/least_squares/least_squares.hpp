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
#include "models/ingredients/data_draw.hpp"
#include "models/ingredients/noise.hpp"
#include "models/ingredients/rate_rules.hpp"
#include "models/ingredients/schedules.hpp"
#include "models/least_squares/sampler.hpp"
#include "spectra/dataset.hpp"
#include "spectra/spectrum.hpp"

namespace edgewise::models::least_squares {

/// Law of the data x = K^(1/2) z: z iid in the eigenbasis, or real rows.
struct DataLaw {
  ingredients::InputLaw law = ingredients::InputLaw::gaussian;
  double excess_kurtosis = 0;  ///< c4 = E z^4 - 3
  bool gaussian() const { return law == ingredients::InputLaw::gaussian; }
  bool rows() const { return law == ingredients::InputLaw::rows; }
  const std::string& name() const { return settings::word_of(ingredients::input_laws(), law); }
};

/// Everything the theory and the simulation of SGD on least squares need.
struct LeastSquares {
  /// One mode per distinct eigenvalue; of a rate rule that moves coordinate by coordinate, as it was given.
  spectra::Spectrum spectrum;
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

/// Whether a rate rule moves every coordinate by itself, so that those of one eigenspace are not alike.
inline bool by_coordinates(const LeastSquares& problem) {
  return problem.rate_rule && problem.rate_rule->vector_run() != nullptr;
}

/// Observables of every least-squares problem, in this order:
///
///     risk = (P + sigma^2)/2,   excess_mse = P = v'Kv,   parameter_error = |v|^2
const std::vector<Observable>& least_squares_observables();
/// Those, and what a rate rule adds to them.
std::vector<Observable> observables(const LeastSquares& problem);

std::unique_ptr<Simulation> simulate_sgd(std::shared_ptr<const LeastSquares> problem, Sampler sampler);

}  // namespace edgewise::models::least_squares
