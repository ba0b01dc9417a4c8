#include "models/nonlinear/rate_objective.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
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
/// optimum. Of adam a further mode is the average of P + sigma^2 that its denominators remember (RunningLaw).
class RatedModes final : public solvers::ControlledModes {
 public:
  struct Fixed {
    ModeSystem modes;
    ScalarLaws laws;
    std::optional<double> memory;  ///< beta2 of adam
    double noise_variance = 0;
    std::vector<double> weight, of_memory;  ///< over the modes and the memory
  };
  RatedModes(std::shared_ptr<const Fixed> fixed, std::span<const double> rates)
      : fixed_(std::move(fixed)), rates_(rates.begin(), rates.end()) {}
  std::size_t size() const override { return fixed_->weight.size(); }
  std::size_t shared() const override { return fixed_->memory ? 2 : 1; }
  std::span<const double> weights(std::size_t l) const override { return l == 0 ? fixed_->weight : fixed_->of_memory; }
  bool affine() const override { return false; }
  bool autonomous() const override { return false; }

  void coefficients(double t, std::span<const double> p, std::span<double> rate,
                    std::span<double> source) const override {
    const LawValues law = law_at(t, p).value;
    const double eta = at(t);
    for (std::size_t i = 0; i < modes(); ++i) {
      const double x = eta * fixed_->modes.kappa[i];
      rate[i] = 2 * x * law.a - x * x * law.c;
      source[i] = rate[i] > 1 ? std::numeric_limits<double>::infinity() : eta * eta * law.b * fixed_->modes.s[i];
    }
    if (!fixed_->memory) return;
    rate.back() = 1 - *fixed_->memory;
    source.back() = rate.back() * (p[0] + fixed_->noise_variance);
  }

  void sensitivity(double t, std::span<const double> p, std::span<const double> M, std::span<double> u) const override {
    const Law law = law_at(t, p);
    const double eta = at(t);
    const std::size_t n = size();
    for (std::size_t l = 0; l < shared(); ++l) {
      const LawValues& by = law.by[l];
      for (std::size_t i = 0; i < modes(); ++i) {
        const double x = eta * fixed_->modes.kappa[i];
        u[l * n + i] = -(2 * x * by.a - x * x * by.c) * M[i] + eta * eta * by.b * fixed_->modes.s[i];
      }
      if (fixed_->memory) u[l * n + n - 1] = l == 0 ? 1 - *fixed_->memory : 0;
    }
  }

  void pull_back(double t, std::span<const double> p, std::span<const double> M, std::span<const double> a,
                 std::span<double> by_control, std::span<double>) const override {
    const LawValues law = law_at(t, p).value;
    const double eta = at(t);
    by_rate_.resize(modes());
    for (std::size_t i = 0; i < modes(); ++i) {
      const double k = fixed_->modes.kappa[i];
      by_rate_[i] = -(2 * law.a * k - 2 * eta * law.c * k * k) * M[i] + 2 * eta * law.b * fixed_->modes.s[i];
    }
    by_control[0] += solvers::dot(a.data(), by_rate_.data(), modes());
  }

 private:
  /// a, b, c of the step, and their derivatives by P and by the memory.
  struct Law {
    LawValues value;
    std::array<LawValues, 2> by{};
  };
  Law law_at(double t, std::span<const double> p) const {
    const double P = std::max(p[0], least_asked);
    const LawValues by_log = fixed_->laws.derivative(P);
    Law out{fixed_->laws(p[0]), {}};
    out.by[0] = {by_log.a / P, by_log.b / P, by_log.c / P};
    if (!fixed_->memory) return out;
    // The squares that adam has seen are total/ratio, not those of now.
    const double beta = *fixed_->memory, total = P + fixed_->noise_variance;
    const double seen = beta * p[1] + (1 - beta) * total, ratio = total * (1 - std::pow(beta, t + 1)) / seen;
    const double root = std::sqrt(ratio), by_P = 1 / total - (1 - beta) / seen, by_memory = -beta / seen;
    out.by[0] = {root * (out.by[0].a + out.value.a * by_P / 2), ratio * (out.by[0].b + out.value.b * by_P),
                 out.by[0].c};
    out.value.a *= root;
    out.value.b *= ratio;
    out.by[1] = {out.value.a * by_memory / 2, out.value.b * by_memory, 0};
    return out;
  }
  std::size_t modes() const { return fixed_->modes.kappa.size(); }
  double at(double t) const { return rates_[static_cast<std::size_t>(t)]; }
  std::shared_ptr<const Fixed> fixed_;
  std::vector<double> rates_;
  mutable std::vector<double> by_rate_;  // of one step; an object belongs to one thread
};

/// What the theory of gradients that are remembered leaves out; empty where none are.
std::string caution_of(const NonlinearProblem& problem) {
  const double beta = problem.ema;
  if (!(beta > 0)) return "";
  return fmt::format(
      "the theory takes the memory of the gradients, {:.3g} steps, as short: of rates that change within it only their "
      "average means something, and the last so many are not to be believed",
      1 / (1 - beta));
}

}  // namespace

std::unique_ptr<RateObjective> nonlinear_rate_objective(const NonlinearProblem& problem, ModeSystem modes) {
  if (problem.greedy)
    throw std::invalid_argument(
        "optimizer.learning_rate_rule: greedy sets the rates; leave it out to look for the best");
  if (problem.method == Method::per_example_adam)
    throw std::invalid_argument(
        "optimizer: no gradient by the learning rates is known of per-example-adam, where the rate of every mode "
        "follows "
        "its own second moment, not numbers that all modes share");
  const double P = modes.excess_mse();
  if (!(modes.largest() > 0))
    throw std::invalid_argument("spectrum: without a positive eigenvalue no learning rate matters");
  if (!(P > 0))
    throw std::invalid_argument("the run starts at the target, where the theory of nonlinear gradients does not hold");
  ScalarLaws laws = scalar_laws(problem);
  const std::shared_ptr<const ingredients::Noise> noise = effective_noise(problem);
  ingredients::CoupledRatesLaw law;
  law.start = modes.initial;
  law.steps = problem.time.steps;
  law.observable = {"excess_mse", "label^2", "P = v'Kv"};
  law.natural_rate = 1 / (laws(P).a * modes.largest());
  law.scale = divergence_scale(*noise, P);
  law.caution = caution_of(problem);
  const std::vector<double> kappa = modes.kappa;
  auto fixed =
      std::make_shared<RatedModes::Fixed>(RatedModes::Fixed{std::move(modes), std::move(laws), {}, 0, kappa, {}});
  if (problem.method == Method::adam && std::isfinite(noise->variance())) {
    fixed->memory = problem.ema_square;
    fixed->noise_variance = noise->variance();
    fixed->weight.push_back(0);
    fixed->of_memory.assign(kappa.size(), 0.0);
    fixed->of_memory.push_back(1);
    law.start.push_back(0);
  }
  law.at = [fixed = std::shared_ptr<const RatedModes::Fixed>(std::move(fixed))](std::span<const double> rates) {
    return std::make_unique<RatedModes>(fixed, rates);
  };
  return std::make_unique<ingredients::CoupledRates>(std::move(law));
}

}  // namespace edgewise::models::nonlinear
