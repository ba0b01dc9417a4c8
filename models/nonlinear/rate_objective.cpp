#include "models/nonlinear/rate_objective.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>
#include <vector>

#include "models/ingredients/coupled_rates.hpp"
#include "models/nonlinear/laws.hpp"
#include "models/nonlinear/theory.hpp"
#include "solvers/mode_sums.hpp"

namespace edgewise::models::nonlinear {

namespace {

/// P below which the laws are not asked.
constexpr double least_asked = 1e-300;

/// M' = M - (2 eta a kappa - eta^2 c kappa^2) M + eta^2 b s, which does not hold where the largest mode is thrown beyond its
/// optimum.
class RatedModes final : public solvers::ControlledModes {
 public:
  RatedModes(std::shared_ptr<const ModeSystem> modes, std::shared_ptr<const ScalarLaws> laws,
             std::span<const double> rates)
      : modes_(std::move(modes)), laws_(std::move(laws)), rates_(rates.begin(), rates.end()) {}
  std::size_t size() const override { return modes_->kappa.size(); }
  std::span<const double> weights(std::size_t) const override { return modes_->kappa; }
  bool affine() const override { return false; }
  bool autonomous() const override { return false; }

  void coefficients(double t, std::span<const double> p, std::span<double> rate,
                    std::span<double> source) const override {
    const LawValues law = (*laws_)(p[0]);
    const double eta = at(t);
    for (std::size_t i = 0; i < rate.size(); ++i) {
      const double x = eta * modes_->kappa[i];
      rate[i] = 2 * x * law.a - x * x * law.c;
      source[i] = rate[i] > 1 ? std::numeric_limits<double>::infinity() : eta * eta * law.b * modes_->s[i];
    }
  }

  void sensitivity(double t, std::span<const double> p, std::span<const double> M, std::span<double> u) const override {
    const double P = std::max(p[0], least_asked), eta = at(t);
    const LawValues by_log = laws_->derivative(P);
    for (std::size_t i = 0; i < u.size(); ++i) {
      const double x = eta * modes_->kappa[i];
      u[i] = (-(2 * x * by_log.a - x * x * by_log.c) * M[i] + eta * eta * by_log.b * modes_->s[i]) / P;
    }
  }

  void pull_back(double t, std::span<const double> p, std::span<const double> M, std::span<const double> a,
                 std::span<double> by_control, std::span<double>) const override {
    const LawValues law = (*laws_)(p[0]);
    const double eta = at(t);
    by_rate_.resize(M.size());
    for (std::size_t i = 0; i < M.size(); ++i) {
      const double k = modes_->kappa[i];
      by_rate_[i] = -(2 * law.a * k - 2 * eta * law.c * k * k) * M[i] + 2 * eta * law.b * modes_->s[i];
    }
    by_control[0] += solvers::dot(a.data(), by_rate_.data(), M.size());
  }

 private:
  double at(double t) const { return rates_[static_cast<std::size_t>(t)]; }
  std::shared_ptr<const ModeSystem> modes_;
  std::shared_ptr<const ScalarLaws> laws_;
  std::vector<double> rates_;
  mutable std::vector<double> by_rate_;  // of one step; an object belongs to one thread
};

}  // namespace

std::unique_ptr<RateObjective> nonlinear_rate_objective(const NonlinearProblem& problem, ModeSystem modes) {
  if (problem.greedy)
    throw std::invalid_argument(
        "optimizer.learning_rate_rule: greedy sets the rates; leave it out to look for the best");
  if (problem.method.averages_squares() || problem.ema > 0)
    throw std::invalid_argument("optimizer: no gradient by the learning rates is known where gradients are averaged");
  const double P = modes.excess_mse();
  if (!(modes.largest() > 0))
    throw std::invalid_argument("spectrum: without a positive eigenvalue no learning rate matters");
  if (!(P > 0))
    throw std::invalid_argument("the run starts at the target, where the theory of nonlinear gradients does not hold");
  const auto laws = std::make_shared<const ScalarLaws>(scalar_laws(problem));
  ingredients::CoupledRatesLaw law;
  law.start = modes.initial;
  law.steps = problem.time.steps;
  law.observable = {"excess_mse", "label^2", "P = v'Kv"};
  law.natural_rate = 1 / ((*laws)(P).a * modes.largest());
  law.scale = divergence_scale(*effective_noise(problem), P);
  const auto shared = std::make_shared<const ModeSystem>(std::move(modes));
  law.at = [shared, laws](std::span<const double> rates) { return std::make_unique<RatedModes>(shared, laws, rates); };
  return std::make_unique<ingredients::CoupledRates>(std::move(law));
}

}  // namespace edgewise::models::nonlinear
