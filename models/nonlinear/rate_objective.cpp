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
#include "solvers/mode_kernels.hpp"

namespace edgewise::models::nonlinear {

namespace {

/// P below which the laws are not asked.
constexpr double least_asked = 1e-300;

/// Above a rate that holds by this much, relatively, it does not: a share of 1 is one that holds.
constexpr double beyond = 1e-9;

/// M' = M - (2 eta a kappa - eta^2 c kappa^2) M + eta^2 b s. Where the second moments are approximate (c = 0), it does not
/// hold where the drift throws the largest mode beyond its optimum. Of adam a further mode is the average of P + sigma^2
/// that its denominators remember (RunningLaw).
class RatedModes final : public solvers::ControlledModes {
 public:
  struct Fixed {
    ModeSystem modes;
    ScalarLaws laws;
    bool bounded = false;          ///< the state bounds the rate
    std::optional<double> memory;  ///< beta2 of adam
    double noise_variance = 0;
    std::vector<double> weight, of_memory;  ///< over the modes and the memory
    double largest = 0;                     ///< max kappa
  };
  /// \param cap  given where the numbers are shares of the largest rates that hold, none of which is above it
  RatedModes(std::shared_ptr<const Fixed> fixed, std::span<const double> numbers, std::optional<double> cap)
      : fixed_(std::move(fixed)), numbers_(numbers.begin(), numbers.end()), cap_(cap) {}
  std::size_t size() const override { return fixed_->weight.size(); }
  std::size_t shared() const override { return fixed_->memory ? 2 : 1; }
  std::span<const double> weights(std::size_t l) const override { return l == 0 ? fixed_->weight : fixed_->of_memory; }

  void step(std::uint64_t k, std::span<const double> p, std::span<const double> M, std::span<double> to,
            std::span<double> next) const override {
    const LawValues law = law_at(k, p, false).value;
    const double eta = rate_at(k, law);
    if (fixed_->memory) {
      const double forgets = 1 - *fixed_->memory;
      next[1] = to.back() = M.back() + (forgets * (p[0] + fixed_->noise_variance) - forgets * M.back());
    }
    next[0] = solvers::kernels::drift_step(modes(), fixed_->modes.kappa.data(), fixed_->modes.s.data(), M.data(), eta,
                                           law.a, eta * eta * law.b, law.c, to.data());
    if (fixed_->bounded && !(eta <= bound(law) * (1 + beyond))) next[0] = std::numeric_limits<double>::infinity();
  }

  void step_back(std::uint64_t k, std::span<const double> p, std::span<const double> M, std::span<const double> lift,
                 std::span<double> a, std::span<double> slope, std::span<double> by_control,
                 std::span<double>) const override {
    const Law law = law_at(k, p, true);
    const LawValues& at = law.value;
    const double eta = rate_at(k, at);
    const solvers::kernels::DriftSums sum = solvers::kernels::drift_step_back(
        modes(), fixed_->modes.kappa.data(), fixed_->modes.s.data(), M.data(), lift[0], eta, at.a, at.c, a.data());
    // sum_i a_i d rhs_i/d eta
    const double by_rate = 2 * (eta * (at.c * sum.second + at.b * sum.noise) - at.a * sum.first);
    by_control[0] += by_rate * (cap_ ? std::min(bound(at), *cap_) : 1);
    const bool follows = cap_ && eta < *cap_ * numbers_[k];
    for (std::size_t l = 0; l < shared(); ++l) {
      const LawValues& by = law.by[l];
      slope[l] += eta * (eta * (by.c * sum.second + by.b * sum.noise) - 2 * by.a * sum.first);
      if (follows) slope[l] -= by_rate * eta * by.a / at.a;  // the rate itself, with the bound
    }
    if (!fixed_->memory) return;
    a.back() += lift[1];
    slope[0] += a.back() * (1 - *fixed_->memory);
    a.back() *= *fixed_->memory;
  }

  /// The largest rate that holds.
  double bound_at(std::uint64_t k, std::span<const double> p) const { return bound(law_at(k, p, false).value); }

 private:
  /// a, b, c of the step, and, where asked for, their derivatives by P and by the memory.
  struct Law {
    LawValues value;
    std::array<LawValues, 2> by{};
  };
  Law law_at(std::uint64_t k, std::span<const double> p, bool slopes) const {
    const double P = std::max(p[0], least_asked);
    Law out;
    if (slopes) {
      const auto [value, by_log] = fixed_->laws.with_derivative(P);
      out = {value, {LawValues{by_log.a / P, by_log.b / P, by_log.c / P}}};
    } else {
      out.value = fixed_->laws(P);
    }
    if (!fixed_->memory) return out;
    // The squares that adam has seen are total/ratio, not those of now.
    const double beta = *fixed_->memory, total = P + fixed_->noise_variance;
    const double seen = beta * p[1] + (1 - beta) * total;
    const double ratio = total * (1 - std::pow(beta, static_cast<double>(k) + 1)) / seen;
    const double root = std::sqrt(ratio), by_P = 1 / total - (1 - beta) / seen, by_memory = -beta / seen;
    out.by[0] = {root * (out.by[0].a + out.value.a * by_P / 2), ratio * (out.by[0].b + out.value.b * by_P),
                 out.by[0].c};
    out.value.a *= root;
    out.value.b *= ratio;
    out.by[1] = {out.value.a * by_memory / 2, out.value.b * by_memory, 0};
    return out;
  }
  std::size_t modes() const { return fixed_->modes.kappa.size(); }
  double bound(const LawValues& law) const { return 1 / (2 * law.a * fixed_->largest); }
  double rate_at(std::uint64_t k, const LawValues& law) const {
    return cap_ ? numbers_[k] * std::min(bound(law), *cap_) : numbers_[k];
  }
  std::shared_ptr<const Fixed> fixed_;
  std::vector<double> numbers_;
  std::optional<double> cap_;  ///< of shares
};

/// Whether the theory's second moments are those of the steps, which no rate makes negative; else they are those of steps
/// whose means are small.
bool has_own_second_moments(const NonlinearProblem& problem) {
  const Method method = problem.method;
  if (method == Method::mean_clip || method == Method::ema_sign || method == Method::sign_ema || method == Method::adam)
    return false;
  return problem.batch == 1 || (method != Method::sign_late && method != Method::sign_majority);
}

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
    throw std::invalid_argument("spectrum: the run starts at the target, which no learning rate can improve on");
  ScalarLaws laws = scalar_laws(problem);
  const std::shared_ptr<const ingredients::Noise> noise = effective_noise(problem);
  ingredients::CoupledRatesLaw law;
  law.start = modes.initial;
  law.facts.steps = problem.time.steps;
  law.facts.observable = excess_observable;
  law.facts.natural_rate = 1 / (laws(P).a * modes.largest());
  law.scale = divergence_scale(*noise, P);
  law.facts.caution = caution_of(problem);
  const bool bounded = !has_own_second_moments(problem);
  const std::vector<double> kappa = modes.kappa;
  const double largest = modes.largest();
  auto fixed = std::make_shared<RatedModes::Fixed>(
      RatedModes::Fixed{std::move(modes), std::move(laws), bounded, {}, 0, kappa, {}, largest});
  if (problem.method == Method::adam && std::isfinite(noise->variance())) {
    fixed->memory = problem.ema_square;
    fixed->noise_variance = noise->variance();
    fixed->weight.push_back(0);
    fixed->of_memory.assign(kappa.size(), 0.0);
    fixed->of_memory.push_back(1);
    law.start.push_back(0);
  }
  const std::shared_ptr<const RatedModes::Fixed> of = std::move(fixed);
  law.modes = [of](std::span<const double> numbers, std::optional<double> cap) {
    return std::make_unique<RatedModes>(of, numbers, cap);
  };
  if (bounded)
    law.bound = [of](std::uint64_t k, std::span<const double> p) { return RatedModes(of, {}, {}).bound_at(k, p); };
  return std::make_unique<ingredients::CoupledRates>(std::move(law));
}

}  // namespace edgewise::models::nonlinear
