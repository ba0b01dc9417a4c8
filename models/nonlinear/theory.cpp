#include "models/nonlinear/theory.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "models/nonlinear/coordinate_drift.hpp"
#include "models/nonlinear/criteria.hpp"
#include "numerics/constants.hpp"
#include "numerics/roots.hpp"

namespace edgewise::models::nonlinear {

namespace {

// A table over the steps as a schedule: linear in between, constant after its end.
class Replay final : public ingredients::Schedule {
 public:
  explicit Replay(std::vector<double> values) : values_(std::move(values)) {}
  double at(double t) const override {
    const double last = static_cast<double>(values_.size() - 1);
    const double x = std::clamp(t, 0.0, last), left = std::floor(x);
    const auto i = static_cast<std::size_t>(left);
    if (i + 1 >= values_.size()) return values_.back();
    if (x == left) return values_[i];  // it may be infinite
    return values_[i] + (x - left) * (values_[i + 1] - values_[i]);
  }

 private:
  std::vector<double> values_;
};

}  // namespace

ingredients::StepObservation line_search_view(const LawValues& law, const DriftPowers& powers, double S) {
  ingredients::StepObservation now;
  now.slope = law.a * (powers.Q / S);
  now.curvature = law.b + law.c * (powers.T / S);
  return now;
}

double efficiency(const LawValues& law, double mean_square, double batch) {
  // a sqrt(mean_square/B) is of order 1, its factors need not have squares.
  const double pull = law.a * std::sqrt(mean_square) / std::sqrt(batch);
  return pull * pull / law.b;
}

double greedy_rate(const LawValues& law, const DriftPowers& powers, double S) {
  return ingredients::line_search_rule().rate({}, line_search_view(law, powers, S));
}

DriftPowers start_powers(const ModeSystem& modes, Steps steps) {
  DriftPowers out = drift_powers(modes.kappa, modes.initial);
  if (steps == Steps::small) out.T = 0;
  return out;
}

RunningLaw::RunningLaw(const ScalarLaws& laws, const NonlinearProblem& problem)
    : laws_(laws),
      problem_(problem),
      sigma2_(problem.method == Method::adam ? effective_noise(problem)->variance() : 0) {}

LawValues RunningLaw::at(double P) const {
  LawValues law = laws_(P);
  if (P == 0) law = {0, law.b * step_at_optimum(problem_).share, 0};
  if (problem_.method != Method::adam || !std::isfinite(sigma2_)) return law;
  const double beta = problem_.ema_square, total = P + sigma2_;
  const double second = (beta * second_ + (1 - beta) * total) / (1 - std::pow(beta, static_cast<double>(steps_ + 1)));
  law.a *= std::sqrt(total / second);
  law.b *= total / second;
  return law;
}

void RunningLaw::step(double P) {
  second_ = problem_.ema_square * second_ + (1 - problem_.ema_square) * (P + sigma2_);
  ++steps_;
}

NonlinearFlow::NonlinearFlow(const ModeSystem& modes, const ScalarLaws& laws, const NonlinearProblem& problem)
    : modes_(modes), laws_(laws), problem_(problem), greedy_(problem.greedy), trace_(modes.noise_trace()) {
  for (const double k : modes.kappa) square_.push_back(k * k);
}

double NonlinearFlow::rate(double t, std::span<const double> p, const LawValues& law) const {
  const double eta = problem_.rate_at(t);
  return greedy_ ? eta * greedy_rate(law, {.Q = p[1]}, trace_) : eta;
}

void NonlinearFlow::coefficients(double t, std::span<const double> p, std::span<double> rates,
                                 std::span<double> source) const {
  const LawValues law = laws_(p[0]);
  const double eta = rate(t, p, law);
  for (std::size_t i = 0; i < rates.size(); ++i) {
    rates[i] = 2 * eta * law.a * modes_.kappa[i];
    source[i] = eta * eta * law.b * modes_.s[i];
  }
}

void NonlinearFlow::sensitivity(double t, std::span<const double> p, std::span<const double> M,
                                std::span<double> u) const {
  const double P = std::max(p[0], 1e-300);
  const LawValues law = laws_(P), by_log = laws_.derivative(P), slope{by_log.a / P, by_log.b / P, 0};
  const double eta = rate(t, p, law);
  const std::size_t n = size();
  for (std::size_t i = 0; i < n; ++i)
    u[i] = -2 * eta * slope.a * modes_.kappa[i] * M[i] + eta * eta * slope.b * modes_.s[i];
  if (!greedy_) return;
  const double per_P = eta * (slope.a / law.a - slope.b / law.b);
  const double per_Q = problem_.rate_at(t) * (law.a / law.b) / trace_;
  for (std::size_t i = 0; i < n; ++i) {
    const double per_rate = -2 * law.a * modes_.kappa[i] * M[i] + 2 * eta * law.b * modes_.s[i];
    u[i] += per_rate * per_P;
    u[n + i] = per_rate * per_Q;
  }
}

NonlinearRecursion::NonlinearRecursion(const ModeSystem& modes, const ScalarLaws& laws, const NonlinearProblem& problem)
    : modes_(modes),
      law_(laws, problem),
      problem_(problem),
      trace_(modes.noise_trace()),
      P_(modes.excess_mse()),
      M_(modes.initial) {}

double NonlinearRecursion::rate() const {
  const double eta = problem_.rate_at(static_cast<double>(steps_));
  return problem_.greedy ? eta * greedy_rate(law(), drift_powers(), trace_) : eta;
}

bool NonlinearRecursion::step() {
  const LawValues law = this->law();
  const double eta = rate();
  const double decay = 2 * eta * law.a, curvature = eta * eta * law.c, noise = eta * eta * law.b;
  if (!modes_.kappa.empty()) {
    const double k = modes_.kappa.front(), left = 1 - decay * k + curvature * k * k;
    // Means of signs leave -1/(B - 1) of a mode at its best step: less than the noise that they bring.
    if (left < 0 && (curvature == 0 || left * M_.front() + noise * modes_.s.front() < 0)) return false;
  }
  double P = 0;
  bool moved = false;
  for (std::size_t i = 0; i < M_.size(); ++i) {
    const double k = modes_.kappa[i], before = M_[i];
    M_[i] += noise * modes_.s[i] - (decay - curvature * k) * k * M_[i];
    moved = moved || M_[i] != before;
    P += k * M_[i];
  }
  at_rest_ = !moved && P == P_ && problem_.schedule->constant() && problem_.method != Method::adam;
  pull_ += eta * law.a;
  last_rate_ = eta;
  law_.step(P_);
  P_ = P;
  ++steps_;
  return true;
}

void NonlinearRecursion::rest(std::uint64_t steps) {
  pull_ += static_cast<double>(steps) * rate() * law().a;
  steps_ += steps;
}

ModeSystem modes_of(const NonlinearProblem& problem) {
  if (!problem.coordinatewise()) return merged(class_one_modes(problem.covariance));
  // Modes of equal kappa stay apart where their starts differ, so that single coordinates can be told.
  return merged(class_two_modes(problem.covariance, noise_kernel(problem)), true);
}

std::vector<double> steady_parts(const NonlinearProblem& problem, const ModeSystem& modes, const LawValues& law,
                                 Steps steps) {
  const double eta = problem.learning_rate;
  std::vector<double> out;
  for (std::size_t i = 0; i < modes.kappa.size(); ++i) {
    const double decay = 2 * law.a - (steps == Steps::finite ? eta * law.c * modes.kappa[i] : 0);
    out.push_back(decay > 0 ? eta * law.b * modes.s[i] / decay : infinity);
  }
  return out;
}

std::vector<double> steady_states(const NonlinearProblem& problem, const ModeSystem& modes, const ScalarLaws& laws,
                                  Steps steps) {
  const double eta = problem.learning_rate, level = std::log(eta) + std::log(modes.noise_power());
  // log P less that of sum_i eta b s_i/(2 a - eta c kappa_i): positive where the drift wins. Where some mode grows at any
  // noise it loses by more than any number that the logarithms of P can make.
  constexpr double lost = -1e4;
  const auto excess = [&](double log_P) {
    const LawValues law = laws.exact(std::exp(log_P));
    if (steps == Steps::small || law.c == 0) return std::log(2 * law.a) + log_P - std::log(law.b) - level;
    double sum = 0;
    for (const double part : steady_parts(problem, modes, law, steps)) sum += part;
    return std::isinf(sum) ? lost : log_P - std::log(sum);
  };
  const auto root = [&](double left, double right, double at_left, double at_right) {
    return std::exp(numerics::root(excess, left, right, at_left, at_right, 50));
  };
  const std::shared_ptr<const ingredients::Noise> noise = effective_noise(problem);
  // Sizes of P that mean something, as logarithms.
  std::vector<double> sizes;
  if (const double P = modes.excess_mse(); P > 0) sizes.push_back(std::log(P));
  for (const double size : noise->sizes())
    if (size > 0) sizes.push_back(2 * std::log(size));
  constexpr double farthest = 690;  // beyond it P is no number; a root below is 0
  if (problem.coordinatewise()) {
    // 2 a P/b grows from 0 without end: one root. Away from where the noise's own length, eta sum s, is that of P.
    double here = std::clamp(2 * level, -farthest, farthest), at_here = excess(here), step = at_here < 0 ? 2 : -2;
    while (std::abs(here) <= farthest + 1) {
      const double next = std::clamp(here + step, -farthest - 2, farthest + 2), at_next = excess(next);
      if (std::isfinite(at_here) && std::isfinite(at_next) && at_here * at_next <= 0)
        return {step > 0 ? root(here, next, at_here, at_next) : root(next, here, at_next, at_here)};
      here = next;
      at_here = at_next;
      step *= 2;
    }
    return at_here > 0 ? std::vector<double>{0} : std::vector<double>{};
  }
  const double h =
      threshold_at_risk(problem.method, "constant", problem.threshold, problem.covariance.trace(), *noise, 1);
  if (std::isfinite(h) && h > 0) sizes.push_back(2 * std::log(h));
  if (sizes.empty()) sizes.push_back(0);
  // eta tr K is a number: it moves P by powers of it.
  const double first = std::max(*std::ranges::min_element(sizes) + 2 * std::min(level, 0.0) - 20, -farthest);
  const double last = std::min(*std::ranges::max_element(sizes) + 2 * std::max(level, 0.0) + 20, farthest);
  std::vector<double> roots;
  double left = first, at_left = excess(left);
  const bool noiseless = noise->gaussian() && noise->variance() == 0;
  // Where the drift still wins P settles below: the noise of a mean of many examples, or of rare errors, has no such size.
  for (double reach = 20; at_left > 0 && !noiseless && left > -farthest; reach *= 2) {
    left = std::max(left - reach, -farthest);
    at_left = excess(left);
  }
  if (at_left > 0) roots.push_back(0);
  for (double right = left + 0.5; right <= last; right += 0.5) {
    const double at_right = excess(right);
    if (at_left * at_right <= 0 && std::isfinite(at_left) && std::isfinite(at_right) && at_left != 0)
      roots.push_back(root(left, right, at_left, at_right));
    left = right;
    at_left = at_right;
  }
  return roots;
}

double residual_width(const ingredients::Noise& noise, double P) {
  return 2 / pi / (sign_phi(noise, P) / std::sqrt(P));
}

double divergence_scale(const ingredients::Noise& noise, double excess) {
  if (std::isfinite(noise.variance())) return excess + noise.variance();
  return excess > 0 ? std::pow(residual_width(noise, excess), 2) : 0;
}

double root_of_averaged_examples(const NonlinearProblem& problem) {
  const double beta = problem.method == Method::sign_ema ? problem.ema : 0;
  return std::sqrt(problem.batch) * std::sqrt((1 + beta) / (1 - beta));
}

std::string localisation_name(const NonlinearProblem& problem) {
  return problem.method == Method::sign_ema ? "sqrt(B (1+ema)/(1-ema)) max |rho_i|" : "sqrt(B) max |rho_i|";
}

double localisation(const NonlinearProblem& problem) {
  const double P = problem.covariance.signal();
  if (P <= 0) return 0;
  return largest_pull(problem.covariance) / residual_width(*effective_noise(problem), P) *
         root_of_averaged_examples(problem);
}

double localisation(const NonlinearProblem& problem, const ModeSystem& modes, std::span<const double> M, double pull,
                    double P) {
  if (!(P > 0)) return 0;
  double most = 0;  // of E (Kv)_i^2/K_ii
  if (!modes.coordinates) {
    for (std::size_t i = 0; i < M.size(); ++i) most = std::max(most, modes.kappa[i] * M[i] / modes.count[i]);
  } else {
    const SignCoordinates& at = *modes.coordinates;
    const std::size_t d = at.scale.size();
    std::vector<double> mean(d, 0.0), spread(d, 0.0);
    for (std::size_t j = 0; j < M.size(); ++j) {
      const double path = at.start[j] * std::exp(-modes.kappa[j] * pull), rest = std::max(M[j] - path * path, 0.0);
      const double square = modes.kappa[j] * modes.kappa[j] * rest;
      const std::span<const double> column = at.rotation.column(j);
      for (std::size_t i = 0; i < d; ++i) {
        mean[i] += column[i] * modes.kappa[j] * path;
        spread[i] += column[i] * column[i] * square;
      }
    }
    // rotation = Dg^(1/4) U, and (Kv)_i/sqrt(K_ii) = (Dg^(-1/4) U kappa z)_i.
    for (std::size_t i = 0; i < d; ++i)
      most = std::max(most, (mean[i] * mean[i] + spread[i]) / (at.scale[i] * at.scale[i]));
  }
  return root_of_averaged_examples(problem) * std::sqrt(most) / residual_width(*effective_noise(problem), P);
}

std::shared_ptr<const NonlinearProblem> replayable(std::shared_ptr<const NonlinearProblem> problem,
                                                   const ModeSystem& modes) {
  if (problem->threshold_rule == "constant") return problem;
  if (problem->time.steps > 5'000'000)
    throw std::invalid_argument(
        "time.steps: a threshold that follows the risk is replayed from a table of at most 5e6 steps");
  const ScalarLaws laws = scalar_laws(*problem);
  const std::shared_ptr<const ingredients::Noise> noise = effective_noise(*problem);
  // One law of P, tabulated like the others; by its inverse, which is 0 where it is best not to cut at all.
  const ScalarLaws inverse([&](double P) { return LawValues{1 / threshold_at_risk(*problem, *noise, P), 1, 0}; });
  NonlinearRecursion recursion(modes, laws, *problem);
  std::vector<double> thresholds;
  for (std::uint64_t k = 0; k <= problem->time.steps; ++k) {
    const double cut = inverse(recursion.excess_mse()).a;
    thresholds.push_back(cut > 0 ? 1 / cut : infinity);
    if (!recursion.step()) break;
  }
  auto out = std::make_shared<NonlinearProblem>(*problem);
  out->threshold_schedule = std::make_shared<Replay>(std::move(thresholds));
  return out;
}

}  // namespace edgewise::models::nonlinear
