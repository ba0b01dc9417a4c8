// The worked example of docs/developer.md: SGD whose every coordinate takes part in a step with probability q.
//
// In the eigenbasis of K = diag(lambda), B = 1, x ~ N(0, K), r = x'v - eps:   v_i' = v_i - eta m_i r x_i, m_i ~ Bernoulli(q).
// E m^2 = E m = q and E r^2 x_i^2 = lambda_i (P + sigma^2) + 2 lambda_i^2 E v_i^2, so that, exactly at any dimension,
//
//     D_i' = (1 - 2 q eta lambda_i + 2 q eta^2 lambda_i^2) D_i + q eta^2 n_i lambda_i (P + sigma^2),   P = sum lambda_i D_i.
#include "tests/models/example/masked_sgd.hpp"

#include <cmath>
#include <numeric>

#include "models/framework/declared_model.hpp"
#include "models/framework/divergence.hpp"
#include "models/framework/simulation_of.hpp"
#include "models/ingredients/coupled_law.hpp"
#include "models/ingredients/learning_rate.hpp"
#include "models/ingredients/noise.hpp"
#include "models/ingredients/stepping_replica.hpp"
#include "numerics/constants.hpp"
#include "spectra/coordinates.hpp"
#include "spectra/kinds.hpp"

namespace edgewise::models::masked_sgd {

namespace {

const std::vector<Observable>& readings() {
  static const std::vector<Observable> all = {{"excess_mse", "label^2", "P = v'Kv"},
                                              {"parameter_error", "parameter^2", "|v|^2"}};
  return all;
}

struct Masked {
  spectra::Spectrum spectrum;
  double learning_rate, kept, noise;  // eta, q, sigma^2
  std::shared_ptr<const ingredients::Schedule> schedule;
  Time time;
  ingredients::Following how;
};

/// Coordinate by coordinate, as the algorithm is written.
class MaskedReplica final : public ingredients::ScheduledReplica {
 public:
  MaskedReplica(const Masked& problem, std::uint64_t seed, std::uint64_t index)
      : ScheduledReplica(divergence_limit(problem.spectrum.signal() + problem.noise), problem.learning_rate,
                         *problem.schedule),
        problem_(problem),
        stream_(seed, index) {
    const spectra::Coordinates at = spectra::coordinates_of(problem.spectrum);
    lambda_ = at.eigenvalue;
    for (const double power : at.power) v_.push_back(std::sqrt(power));
    x_.resize(v_.size());
  }

 private:
  double descend_once(std::uint64_t step, double eta) override {
    stream_.seek(step);
    double residual = std::sqrt(problem_.noise) * stream_.normal();
    for (std::size_t i = 0; i < v_.size(); ++i) {
      x_[i] = std::sqrt(lambda_[i]) * stream_.normal();
      residual += x_[i] * v_[i];
    }
    for (std::size_t i = 0; i < v_.size(); ++i)
      if (stream_.uniform() < problem_.kept) v_[i] -= eta * residual * x_[i];
    double now[2];
    measure(now);
    return now[0];
  }
  void measure(std::span<double> out) const override {
    out[0] = out[1] = 0;
    for (std::size_t i = 0; i < v_.size(); ++i) {
      out[0] += lambda_[i] * v_[i] * v_[i];
      out[1] += v_[i] * v_[i];
    }
  }

  const Masked& problem_;
  random::Stream stream_;
  std::vector<double> lambda_, v_, x_;
};

class MaskedProblem final : public Problem {
 public:
  explicit MaskedProblem(Masked problem) : problem_(std::move(problem)) {}
  Trajectory solve() const override { return ingredients::follow(law(), problem_.time, problem_.how); }
  std::unique_ptr<Simulation> simulate() const override {
    return simulation_of({readings(), "one example a step, coordinate by coordinate", [this](auto seed, auto index) {
                            return std::make_unique<MaskedReplica>(problem_, seed, index);
                          }});
  }
  std::vector<Finding> stability() const override {
    const Masked& p = problem_;
    double norm = 0;
    for (std::size_t i = 0; i < p.spectrum.modes(); ++i) {
      const double step = p.learning_rate * p.spectrum.eigenvalue[i];
      norm += step < 1 ? step * p.spectrum.multiplicity[i] / (2 - 2 * step) : infinity;
    }
    return {{"kernel_norm", norm, "sum of n eta lambda / (2 - 2 eta lambda): the same for every q"},
            {"stable", norm < 1, "kernel_norm < 1"}};
  }

 private:
  ingredients::CoupledLaw law() const {
    const Masked& p = problem_;
    ingredients::CoupledLaw law = ingredients::risk_driven_law(
        p.spectrum.eigenvalue, p.spectrum.target_power, p.noise, p.learning_rate, p.schedule,
        [&p](std::size_t i, double eta) {
          const double step = eta * p.spectrum.eigenvalue[i];
          return ingredients::ModeCoefficients{2 * p.kept * step * (1 - step),
                                               p.kept * eta * step * p.spectrum.multiplicity[i]};
        });
    law.multiplicity = p.spectrum.multiplicity;
    law.scale = p.spectrum.signal() + p.noise;
    law.exact = true;
    law.readings = {{readings()[0], [](auto P, auto) { return P[0]; }},
                    {readings()[1], [](auto, auto D) { return std::accumulate(D.begin(), D.end(), 0.0); }}};
    return law;
  }

  Masked problem_;
};

std::unique_ptr<Problem> build(const Experiment& experiment, std::span<const settings::Description* const>) {
  static const std::vector<settings::Parameter> keys = {
      settings::number("learning_rate", "eta").above(0),
      settings::number("kept", "q").above(0).at_most(1).otherwise(1.0)};
  const settings::Table& table = experiment.table;
  const settings::Values values = settings::read(table.table_or_empty("optimizer"), keys);
  return std::make_unique<MaskedProblem>(
      Masked{spectra::merged(spectra::build(table)), values.number("learning_rate"), values.number("kept"),
             ingredients::read_noise(table)->variance(),
             ingredients::read_schedule(table, "schedule", static_cast<double>(experiment.time.steps)), experiment.time,
             ingredients::read_following(experiment)});
}

}  // namespace

const Model& masked_sgd_model() {
  static const DeclaredModel model(
      {.description = {"masked-sgd", "SGD that moves a random part of the coordinates", "", "", {}},
       .sections = {"spectrum", "noise", "optimizer", "schedule", "theory", "monte_carlo"},
       .observables = readings(),
       .theory = ingredients::following_parameters(),
       .build = build});
  return model;
}

}  // namespace edgewise::models::masked_sgd
