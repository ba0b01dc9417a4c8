#include "models/least_squares/rate_theory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>

#include "models/framework/recorder.hpp"
#include "models/least_squares/rate_average.hpp"
#include "models/least_squares/rate_moments.hpp"
#include "models/least_squares/rate_spread.hpp"
#include "models/least_squares/sgd_modes.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::least_squares {

namespace {

/// The moments of every mode: the means m = E v and m - 1 over v_0, and n = E d of a rule's average of gradients over v_0, each
/// with its own digits; and the covariances, of v with itself (which is that of v - v_0) and with d, summed over the
/// eigenspace. Exact gradients have none, and nothing cancels.
class Moments {
 public:
  Moments(const LeastSquares& problem, const LeastSquaresTheory& theory, bool distances)
      : modes_(problem), theory_(theory), distances_(distances), of_(modes_.power.size()) {}

  StepSums sums() const {
    StepSums out;
    for (std::size_t a = 0; a < of_.size(); ++a) {
      const double lambda = modes_.eigenvalue[a], once = lambda * square(a), twice = lambda * once;
      const double mean = lambda * of_[a].mean * of_[a].mean * modes_.power[a];
      out.excess += once;
      out.slope += twice;
      out.curvature += lambda * twice;
      out.excess_of_mean += mean;
      out.slope_of_mean += lambda * mean;
    }
    if (std::isfinite(modes_.batch)) add_shape(out);
    for (std::size_t a = 0; distances_ && a < of_.size(); ++a) {
      const auto& [v, way, n, vv, vd, dd] = of_[a];
      const double lambda = modes_.eigenvalue[a], start = modes_.power[a];
      const double distance = start * way * way + vv, product = lambda * (start * way * v + vv);
      out.distance += distance;
      out.distance_excess += lambda * distance;
      out.distance_slope += lambda * lambda * distance;
      out.distance_curvature += lambda * lambda * lambda * distance;
      out.product += product;
      out.slope_product += lambda * product;
      out.curvature_product += lambda * lambda * product;
    }
    return out;
  }

  /// Takes the gradient at v into the average that the steps follow. \param drive P + sigma^2
  StepSums::Direction average(double weight, double drive) {
    StepSums::Direction out{.weight = weight};
    const double kept = 1 - weight, own = modes_.own_noise / modes_.batch;
    for (std::size_t a = 0; a < of_.size(); ++a) {
      auto& [v, way, n, vv, vd, dd] = of_[a];
      const double lambda = modes_.eigenvalue[a], start = modes_.power[a];
      out.descent_before += lambda * (start * n * v + vd);
      out.excess_before += lambda * (start * n * n + dd);
      dd = kept * kept * dd + 2 * kept * weight * lambda * vd +
           weight * weight *
               (lambda * lambda * (vv + own * square(a)) + theory_.scale_feedback * modes_.feedback(a, 1) * drive);
      vd = kept * vd + weight * lambda * vv;
      n = kept * n + weight * lambda * v;
      const double squared = start * n * n + dd;
      out.square += squared;
      out.descent += lambda * (start * n * v + vd);
      out.excess += lambda * squared;
    }
    return out;
  }

  /// The step along that average.
  void follow(double eta) {
    for (std::size_t a = 0; a < of_.size(); ++a) {
      auto& [v, way, n, vv, vd, dd] = of_[a];
      vv += eta * (eta * dd - 2 * vd) - (theory_.scale_contraction - 1) * 2 * eta * (modes_.power[a] * n * v + vd);
      v -= eta * n;
      way -= eta * n;
      vd -= eta * dd;
    }
  }

  /// \param drive P + sigma^2
  void step(const MeanMove& move, double drive) {
    for (std::size_t a = 0; a < of_.size(); ++a) {
      auto& [v, way, n, vv, vd, dd] = of_[a];
      const double lambda = modes_.eigenvalue[a], x = lambda * move.rate_at(lambda), D = square(a);
      const double own = lambda * lambda * move.scatter_at(lambda);
      vv = (1 - x) * (1 - x) * vv + own * D +
           theory_.scale_feedback * modes_.multiplicity[a] * lambda * move.feedback_at(lambda) * drive -
           (theory_.scale_contraction - 1) * (x * (2 - x) - own) * D;
      way -= x * v;
      v *= 1 - x;
    }
  }

  double squared_error() const {
    double sum = modes_.null_power;
    for (std::size_t a = 0; a < of_.size(); ++a) sum += square(a);
    return sum;
  }

 private:
  /// E v^2 of the eigenspace.
  double square(std::size_t a) const { return modes_.power[a] * of_[a].mean * of_[a].mean + of_[a].vv; }

  // Cov(v'K^p v, v'K^q v) = sum lambda^(p+q) (2 V^2 + 4 M V)/n, V + M = D the random part and that of the mean; here as
  // shares of P, in units of the largest eigenvalue, and less what goes with P.
  void add_shape(StepSums& out) const {
    if (!(out.excess > 0)) return;
    const double top = largest_eigenvalue(modes_);
    std::array<double, 5> c{};  // by p + q - 2
    for (std::size_t a = 0; a < of_.size(); ++a) {
      const double share = modes_.eigenvalue[a] / out.excess;
      const double mean = share * of_[a].mean * of_[a].mean * modes_.power[a];
      const double random = std::max(share * of_[a].vv, 0.0), x = modes_.eigenvalue[a] / top;
      double term = (2 * random + 4 * mean) * random / modes_.multiplicity[a];
      for (double& sum : c) {
        sum += term;
        term *= x;
      }
    }
    if (!(c[0] > 0)) return;
    const double slope = std::max(c[2] - c[1] * c[1] / c[0], 0.0), both = c[3] - c[1] * c[2] / c[0];
    const double curvature = std::max(c[4] - c[2] * c[2] / c[0], 0.0);
    const double with = slope > 0 ? std::min(both / std::sqrt(slope), std::sqrt(curvature)) : 0;
    out.slope_spread = top * std::sqrt(slope) * out.excess;
    out.curvature_with_slope = top * top * with * out.excess;
    out.curvature_spread = top * top * std::sqrt(std::max(curvature - with * with, 0.0)) * out.excess;
  }

  struct Mode {
    double mean = 1, way = 0, direction = 0;  // E v, E v - v_0 and E d, over v_0
    double vv = 0, vd = 0, dd = 0;            // covariances of the eigenspace
  };

  SgdModes modes_;
  const LeastSquaresTheory& theory_;
  bool distances_;
  std::vector<Mode> of_;
};

/// How far the closure holds, told step by step.
class Trust {
 public:
  /// \param spread of the rate at step k, \param bias of its mean; the step led from `before` to `after`
  void add(double k, double spread, double bias, double eta, const BatchLaw& law, const StepSums& before,
           const StepSums& after) {
    if (!(spread > 0)) return;
    // What of P hangs on the rate: its change in as many steps as are past; where gradient noise holds P up, that;
    // and in one large step all that it adds and takes away.
    const double fall = 2 * eta * BatchLaw::descent(before), rise = eta * eta * law.direction_curvature(before);
    const double past = (k + 1) * std::abs(after.excess - before.excess) / std::min(after.excess, before.excess);
    const double held = (1 - before.excess_of_mean / before.excess) * std::min(1.0, rise / fall);
    const double leverage = std::max({past, held, (fall + rise) / after.excess});
    const double by_spread = leverage * spread, by_both = std::sqrt(by_spread * by_spread + leverage * bias);
    const double moved = std::isfinite(by_both) ? by_both : infinity;
    largest_ = std::max(largest_, moved);
    if (!lost_at_ && moved > largest_closure_spread) lost_at_ = k;
  }
  double largest() const { return largest_; }
  std::optional<double> lost_at() const { return lost_at_; }

 private:
  double largest_ = 0;
  std::optional<double> lost_at_;
};

void check(const LeastSquaresTheory& theory) {
  if (theory.method != TheoryMethod::recursion)
    throw std::invalid_argument("theory.method: under a [rate] rule only the recursion is known, here " +
                                settings::word_of(theory_methods(), theory.method));
  if (theory.bands) throw std::invalid_argument("theory.bands: they are not known under a [rate] rule");
  if (theory.decomposition)
    throw std::invalid_argument("theory.decomposition: under a [rate] rule P is not the sum of its parts");
}

/// Warnings, labels and validity.
void say(Trajectory& out, const LeastSquares& problem, const Trust& trust, const std::vector<double>& spread) {
  if (out.exact) return;
  out.report.emplace_back("closure_spread", trust.largest());
  out.labels.emplace_back("self_averaging", trust.lost_at() ? "no, simulation only" : "yes");
  const double from = trust.lost_at().value_or(infinity);
  if (trust.lost_at()) {
    double until = 0;
    for (const auto step : problem.time.at)
      if (static_cast<double>(step) <= from) until = static_cast<double>(step);
    out.valid_until = until;
    out.warnings.push_back(fmt::format(
        "not self-averaging, simulation only: from step {:.0f} on the rates of single runs differ so much (log P by "
        "{:.2g} over the run) that the closure of means is wrong; its curve is shown, and judged up to step {:.0f}",
        from, trust.largest(), until));
  } else if (trust.largest() > 0.1) {
    out.warnings.push_back(fmt::format(
        "the theory replaces what the rule observes by its mean; the spread of the rate over runs moves log P by up to "
        "{:.2g}, so that P may be some {:.2g}% off",
        trust.largest(), 100 * trust.largest() * trust.largest()));
  }
  // The mean of the rate is claimed from the first recorded step on after which its spread stays small.
  std::size_t first = spread.size();
  while (first > 0 && spread[first - 1] <= largest_rate_spread) --first;
  const double claimed = first < out.steps.size() ? out.steps[first] : infinity;
  for (std::size_t c = least_squares_observables().size(); c < out.columns.size(); ++c)
    out.columns[c].valid_from = claimed;
  if (claimed > 0)
    out.labels.emplace_back("rates_claimed",
                            std::isfinite(claimed) ? fmt::format("from step {:.0f}", claimed) : "never");
}

/// The closure along the recorded steps.
Trajectory followed(const LeastSquares& problem, const LeastSquaresTheory& theory) {
  const ingredients::RateRule& rule = *problem.rate_rule;
  if (!rule.without_closure().empty())
    throw std::invalid_argument(fmt::format("rate.kind: this rule is known by simulation alone, since {}; use simulate",
                                            rule.without_closure()));
  BatchLaw law(problem);
  law.noise_variance *= theory.scale_label_noise;
  const bool noisy = std::isfinite(problem.batch);
  Moments moments(problem, theory, rule.needs().distance);
  ingredients::RateRun run(rule);
  RateSpread spreads(rule, law);
  Trust trust;

  StepSums sums = moments.sums();
  Recorder recorder(std::max(sums.excess + law.noise_variance, std::numeric_limits<double>::min()));
  std::vector<Recorder::Handle> columns;
  for (const Observable& o : observables(problem)) columns.push_back(recorder.add(o));
  std::vector<double> values(columns.size()), spread_at;
  double last_spread = 0;
  auto recorded = problem.time.at.begin();
  for (std::uint64_t k = 0;; ++k) {
    // Below 0 only where a mean over batches has none.
    if (!recorder.alive(static_cast<double>(k), sums.excess >= 0 ? sums.excess : nan)) break;
    if (*recorded == k) {
      recorder.row(static_cast<double>(k));
      values[0] = (sums.excess + law.noise_variance) / 2;
      values[1] = sums.excess;
      values[2] = moments.squared_error();
      run.observe(std::span(values).subspan(3));
      for (std::size_t c = 0; c < values.size(); ++c) recorder.set(columns[c], values[c]);
      spread_at.push_back(last_spread);
      if (++recorded == problem.time.at.end()) break;
    }
    const double factor = problem.rate_at(static_cast<double>(k));
    if (rule.averaging() > 0)
      sums.direction = moments.average(k == 0 ? 1 : 1 - rule.averaging(), sums.excess + law.noise_variance);
    const std::vector<double> memory(run.memory().begin(), run.memory().end());
    double eta = 0;
    MeanMove move;
    if (noisy && rule.by_batch_alone()) {
      const RateAverage average = rate_average(rule, law, sums, memory, factor);
      move = average.move;
      run.take(law.observation(sums), average.rate);
      eta = move.rate_at(sums.curvature / sums.slope);
      last_spread = spreads.step(sums, memory, factor, eta, &average);
    } else {
      eta = run.step(law.observation(sums), factor);
      move = move_at(eta, law);
      if (noisy) last_spread = spreads.step(sums, memory, factor, eta);
    }
    const StepSums before = sums;
    if (sums.direction)
      moments.follow(eta);
    else
      moments.step(move, sums.excess + law.noise_variance);
    sums = moments.sums();
    if (noisy) trust.add(static_cast<double>(k), last_spread, spreads.bias(), eta, law, before, sums);
  }
  Trajectory out = recorder.take();
  out.method = "recursion, rate by closure";
  out.exact = !noisy && !theory.scaled() && !problem.data.rows();
  say(out, problem, trust, spread_at);
  return out;
}

/// Where a run that is exact but for its rounding has lost its digits to it: a second one, from a start that differs in the
/// last of them, tells.
void check_rounding(Trajectory& out, const LeastSquares& problem, const LeastSquaresTheory& theory) {
  constexpr double nudge = 64 * std::numeric_limits<double>::epsilon(), same = 1e-9;
  LeastSquares nudged = problem;
  for (std::size_t a = 0; a < nudged.initial_power.size(); ++a)
    nudged.initial_power[a] *= a % 2 == 0 ? 1 + nudge : 1 - nudge;
  const Trajectory other = followed(nudged, theory);
  std::size_t agreed = 0;
  const auto agree = [&](std::size_t i) {
    return i < other.steps.size() && std::ranges::all_of(out.columns, [&](const Column& column) {
             const double here = column.value[i], there = other.find(column.observable.name)->value[i];
             return std::abs(here - there) <= same * std::abs(here);
           });
  };
  while (agreed < out.steps.size() && agree(agreed)) ++agreed;
  if (agreed == out.steps.size()) return;
  out.valid_until = agreed > 0 ? out.steps[agreed - 1] : 0;
  out.labels.emplace_back("rounding", fmt::format("amplified, from step {:.0f}", out.steps[agreed]));
  out.warnings.push_back(
      fmt::format("from step {:.0f} on the rule has amplified rounding: a start that differs in its last digits leads "
                  "to another run, "
                  "and this one is judged up to step {:.0f}",
                  out.steps[agreed], *out.valid_until));
}

}  // namespace

Trajectory solve_rate_rule(const LeastSquares& problem, const LeastSquaresTheory& theory) {
  check(theory);
  Trajectory out = followed(problem, theory);
  if (out.exact) check_rounding(out, problem, theory);
  if (theory.exponents) add_local_exponent(out);
  return out;
}

std::vector<Finding> rate_rule_findings(const LeastSquares& problem) {
  const Trajectory run = solve_rate_rule(problem, {});
  const SgdModes modes(problem);
  const double rate = run.find("learning_rate")->value.back(), eta_max = largest_learning_rate(modes);
  std::vector<Finding> out{
      {"learning_rate", rate, "of the last step, by the theory"},
      {"gamma", rate * problem.spectrum.trace(), "learning_rate tr K"},
      {"batch", problem.batch, "B"},
      {"trace", problem.spectrum.trace(), "tr K"},
      {"noise_variance", modes.noise_variance, "sigma^2, label noise and unexplained variance"},
      {"kernel_norm", kernel_norm(modes, rate), "kappa of the last rate, if it stayed"},
      {"eta_max", eta_max, "learning rate at which kappa reaches 1"},
      {"stable", !run.diverged_at && rate < eta_max, "did not diverge, and ends below eta_max"},
      {"self_averaging", run.exact || !run.valid_until, "the closure of means holds over the whole run"}};
  for (const auto& [name, value] : run.report)
    if (name == "closure_spread")
      out.push_back({name, value, "how far the spread of the rate over runs moves log P; above 0.45 simulate"});
  return out;
}

}  // namespace edgewise::models::least_squares
