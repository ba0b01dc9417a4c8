// Built at -O1: nothing here takes time.
#include "validation/verdicts/predictions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <cmath>
#include <limits>

#include "numerics/constants.hpp"
#include "settings/counted.hpp"
#include "settings/shown.hpp"
#include "validation/monte_carlo/statistics.hpp"
#include "validation/verdicts/joint_test.hpp"
#include "validation/verdicts/rounding.hpp"

namespace edgewise::validation {

namespace {

using models::Centre;
using models::Prediction;

/// The probability within one standard deviation of a normal law.
constexpr double one_sigma = 0.682689492137086;
/// P(Binomial(n, 1/2) >= k).
double sign_tail(std::size_t k, std::size_t n) {
  if (k == 0) return 1;
  const boost::math::binomial_distribution<> law(static_cast<double>(n), 0.5);
  return boost::math::cdf(boost::math::complement(law, static_cast<double>(k) - 1));
}

/// What a sample of one prediction shows, whichever centre it is about.
struct Estimate {
  double value = 0, error = 0;
  double below = 0, above = 0;            ///< scores of the centre lying below `low`, above `high`; 0 inside
  double miss_below = 0, miss_above = 0;  ///< distance from either end that would be detected
};

/// Quantile at `level` between order statistics at i/(n+1); infinite beyond them.
double reachable_quantile(std::span<const double> sorted, double level) {
  const double place = level * (static_cast<double>(sorted.size()) + 1) - 1;
  if (place < 0) return -infinity;
  if (place > static_cast<double>(sorted.size()) - 1) return infinity;
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

/// Half the width of the shortest symmetric interval of order statistics that holds the median with at least 68%.
double median_error(std::span<const double> sorted) {
  const std::size_t n = sorted.size();
  // The median lies between order statistics j and n-1-j unless j or fewer values, or all but so many, are below it.
  for (std::size_t j = n / 2; j-- > 0;)
    if (1 - 2 * sign_tail(n - j, n) >= one_sigma) return 0.5 * (sorted[n - 1 - j] - sorted[j]);
  return n > 1 ? 0.5 * (sorted.back() - sorted.front()) : infinity;
}

Estimate of_median(std::vector<double> values, const Prediction& prediction, double side_alarm, double power) {
  std::ranges::sort(values);
  const std::size_t n = values.size();
  Estimate out;
  out.value = quantile(values, 0.5);
  out.error = median_error(values);
  const auto below = static_cast<std::size_t>(std::ranges::lower_bound(values, prediction.low) - values.begin());
  const auto above = static_cast<std::size_t>(values.end() - std::ranges::upper_bound(values, prediction.high));
  if (out.value < prediction.low) out.below = std::max(0.0, -normal_quantile(sign_tail(below, n)));
  if (out.value > prediction.high) out.above = std::max(0.0, -normal_quantile(sign_tail(above, n)));
  std::size_t needed = n + 1;  // values outside for a rejection
  while (sign_tail(needed - 1, n) <= side_alarm) --needed;
  out.miss_below = out.miss_above = infinity;
  if (needed > n) return out;
  // So probable must a value outside be.
  const double share = boost::math::ibeta_inv(static_cast<double>(needed), static_cast<double>(n - needed) + 1, power);
  out.miss_below = reachable_quantile(values, share) - out.value;
  out.miss_above = out.value - reachable_quantile(values, 1 - share);
  return out;
}

Estimate of_mean(std::span<const double> values, const Prediction& prediction, double critical, double power) {
  const Moments m = moments(values);
  const auto n = static_cast<double>(values.size());
  Estimate out;
  out.value = m.mean;
  out.error = values.size() > 1 ? m.sem : infinity;
  out.miss_below = out.miss_above = infinity;
  // One number, or the same from all although runs fluctuate: nothing is known of the spread.
  if (!(m.std > rounding_spread * std::abs(m.mean))) return out;
  // So few know neither their spread nor their skewness.
  if (values.size() < least_replicas) return out;
  // A small sample's skewness is noise: it may be the sample's, or that shrunk towards 0 with a spread of 1/2.
  const double skewness = m.skewness * 0.25 / (0.25 + 6 / n);
  const double least = std::min(skewness, m.skewness), most = std::max(skewness, m.skewness);
  const auto score = [&](double gap) { return normal_score_studentized(gap / m.sem, least, most, n); };
  if (m.mean < prediction.low) out.below = -score(m.mean - prediction.low);
  if (m.mean > prediction.high) out.above = score(m.mean - prediction.high);
  // The mean must be beyond t sem by `reserve` standard deviations of (mean - t sem). The sem fluctuates too, and along
  // with the mean of a skewed law; of the fourth moment a gamma law's is taken.
  const double reserve = normal_quantile(power);
  const auto miss = [&](double t, double skew) {
    const double spread = 1 + t * t * (2 + 1.5 * skew * skew) / (4 * n) - t * skew / std::sqrt(n);  // above 1/3
    return (t + reserve * std::sqrt(spread)) * m.sem;
  };
  out.miss_above = miss(studentized(critical, least, most, n), skewness);
  out.miss_below = miss(-studentized(-critical, least, most, n), -skewness);
  return out;
}

/// Whether any observable at any step differs between two replicas.
bool fluctuates(const Sample& sample) {
  const auto differs = [](const std::vector<double>& cell) {
    const Moments m = moments(cell);
    return std::isfinite(m.mean) ? m.std > rounding_spread * std::abs(m.mean)
                                 : std::ranges::any_of(cell, [](double x) { return std::isfinite(x); });
  };
  return std::ranges::any_of(sample.values, differs) || std::ranges::any_of(sample.later_values, differs);
}

std::string number(double x) {
  return fmt::format("{:.4g}", x);
}

std::string interval_text(const Prediction& p) {
  if (p.low == -infinity) return fmt::format("at most {}", number(p.high));
  if (p.high == infinity) return fmt::format("at least {}", number(p.low));
  return fmt::format("{} to {}", number(p.low), number(p.high));
}

double scale_of(const Prediction& p) {
  if (p.nominal != 0) return std::abs(p.nominal);
  double scale = 0;
  for (const double end : {p.low, p.high})
    if (std::isfinite(end)) scale = std::max(scale, std::abs(end));
  return scale > 0 ? scale : 1;
}

void compare_as_it_is(PredictionVerdict& verdict, const std::vector<double>& values) {
  const Prediction& p = verdict.prediction;
  verdict.estimate = quantile(values, 0.5);
  verdict.error = 0;
  verdict.detectable = 0;
  const double slack = deterministic_tolerance * scale_of(p);
  if (verdict.estimate >= p.low - slack && verdict.estimate <= p.high + slack) {
    verdict.outcome = Outcome::agree;
    verdict.reason = "every replica is the same run, and its number lies in the interval";
    return;
  }
  verdict.outcome = Outcome::disagree;
  verdict.z = verdict.estimate < p.low ? -infinity : infinity;
  verdict.p_value = 0;
  verdict.reason = fmt::format("every replica is the same run, and its number, {}, lies outside the interval ({})",
                               number(verdict.estimate), interval_text(p));
}

/// The verdict's own numbers where there are no curves.
void take_statistics(Verdict& verdict, std::size_t shares) {
  double least_p = 1;
  verdict.detectable = 0;
  for (const PredictionVerdict& p : verdict.predictions) {
    if (!p.judged) continue;
    verdict.effective_comparisons += 1;
    if (verdict.critical_z == 0 || std::abs(p.z) > verdict.max_z) {
      verdict.max_z = std::abs(p.z);
      verdict.critical_z = p.critical_z;
    }
    least_p = std::min(least_p, p.p_value);
    verdict.detectable = std::max(verdict.detectable, p.detectable);
    for (const double outside : {p.prediction.low - p.estimate, p.estimate - p.prediction.high})
      verdict.largest_gap = std::max(verdict.largest_gap, outside / scale_of(p.prediction));
  }
  if (verdict.effective_comparisons == 0) verdict.detectable = infinity;
  verdict.p_value = std::min(1.0, static_cast<double>(shares) * least_p);
}

/// What the sample shows of the observables that predictions name, where no curve is compared.
void show_observables(Verdict& verdict, const Sample& sample) {
  for (const PredictionVerdict& p : verdict.predictions) {
    const std::string& name = p.prediction.observable;
    const auto is_shown = [&](const Comparison& row) { return row.observable == name; };
    if (name.empty() || std::ranges::any_of(verdict.rows, is_shown) || std::ranges::any_of(verdict.shown, is_shown))
      continue;
    for (std::size_t o = 0; o < sample.observables.size(); ++o) {
      if (sample.observables[o].name != name) continue;
      for (std::size_t t = 0; t < sample.steps.size(); ++t) {
        const Moments m = moments(sample.values[o * sample.steps.size() + t]);
        verdict.shown.push_back({sample.steps[t], name, std::numeric_limits<double>::quiet_NaN(), m.mean, m.sem, m.std,
                                 std::numeric_limits<double>::quiet_NaN()});
      }
    }
  }
}

void add_reason(std::string& all, const std::string& reason) {
  all += (all.empty() ? "" : "; ") + reason;
}

/// Of predictions that agree: the one's own, or the sum of several.
std::string reason_of(const std::vector<const PredictionVerdict*>& holding) {
  if (holding.size() == 1) return holding[0]->prediction.name + ": " + holding[0]->reason;
  double worst = 0;
  for (const PredictionVerdict* p : holding) worst = std::max(worst, p->detectable);
  return fmt::format("{} predictions hold; a distance of {} from any one's interval would have been detected",
                     holding.size(), percent(worst));
}

}  // namespace

void check_predictions(const settings::Table& experiment, std::span<const Prediction> made,
                       const VerdictOptions& options) {
  std::vector<std::string> names;
  for (const Prediction& p : made) names.push_back(p.name);
  for (const std::string& wanted : options.predictions)
    if (std::ranges::find(names, wanted) == names.end())
      throw experiment.table_or_empty("verdict").error(
          "predictions",
          names.empty()
              ? fmt::format("nothing is predicted about whole runs here, so not '{}'", settings::shown(wanted))
              : fmt::format("'{}' is not predicted here{}; predicted: {}", settings::shown(wanted),
                            settings::suggestion(wanted, names), settings::join(names)));
}

PredictionVerdict judge_prediction(const Prediction& prediction, const Sample& sample, const VerdictOptions& options,
                                   double false_alarm) {
  PredictionVerdict verdict;
  verdict.prediction = prediction;
  verdict.required = std::ranges::find(options.predictions, prediction.name) != options.predictions.end();
  const auto& last = sample.later_steps.empty() ? sample.steps : sample.later_steps;
  if (!last.empty()) verdict.step = static_cast<double>(last.back());
  std::vector<std::string> names;
  for (const models::Observable& o : sample.observables) names.push_back(o.name);
  std::vector<double> values;
  for (std::size_t r = 0; r < sample.replicas; ++r) {
    const models::RecordedReplica record = record_of(sample, names, r);
    if (record.steps.empty()) continue;
    if (const auto value = prediction.statistic(record); value && !std::isnan(*value)) values.push_back(*value);
  }
  verdict.runs = values.size();
  const double sides = (std::isfinite(prediction.low) ? 1 : 0) + (std::isfinite(prediction.high) ? 1 : 0);
  const double side_alarm = false_alarm / std::max(1.0, sides);
  const bool is_mean = prediction.centre == Centre::mean;
  const double widening = is_mean && !values.empty() ? widening_of_few(static_cast<double>(values.size())) : 1;
  verdict.critical_z = -normal_quantile(side_alarm) * widening;
  verdict.judged = verdict.required;
  if (values.empty()) {
    verdict.reason = fmt::format("no run of the kind: that {}", prediction.runs);
    return verdict;
  }
  // Numbers that are the same to the last bit may be those of a law that seldom has another.
  const Moments m = moments(values);
  const bool one_number = m.std > 0 && m.std <= rounding_spread * std::abs(m.mean);
  if ((sample.replicas > 1 && !fluctuates(sample)) || one_number) {
    verdict.judged = true;
    compare_as_it_is(verdict, values);
    return verdict;
  }
  const Estimate estimate = is_mean ? of_mean(values, prediction, verdict.critical_z, options.power)
                                    : of_median(values, prediction, side_alarm, options.power);
  verdict.estimate = estimate.value;
  verdict.error = estimate.error;
  verdict.z = estimate.above > 0 ? estimate.above : estimate.below > 0 ? -estimate.below : 0.0;
  if (verdict.z != 0) verdict.p_value = sides * normal_tail(std::abs(verdict.z) / widening);
  const double missed = std::max(std::isfinite(prediction.low) ? estimate.miss_below : 0.0,
                                 std::isfinite(prediction.high) ? estimate.miss_above : 0.0);
  verdict.detectable = missed / scale_of(prediction);
  verdict.judged = verdict.required || std::isfinite(verdict.detectable);
  if (std::abs(verdict.z) > verdict.critical_z) {
    verdict.judged = true;
    verdict.outcome = Outcome::disagree;
    verdict.reason = fmt::format("the {} of {}, {} +- {} of {} runs, lies outside the interval ({}; p = {:.2g})",
                                 models::name(prediction.centre), prediction.quantity, number(verdict.estimate),
                                 number(verdict.error), verdict.runs, interval_text(prediction), verdict.p_value);
  } else if (!std::isfinite(verdict.detectable)) {
    verdict.reason =
        m.std == 0
            ? fmt::format("{} of the kind have the same number, which tells nothing of its spread: those that {}",
                          settings::counted(verdict.runs, "run"), prediction.runs)
            : fmt::format("{} of the kind {} too few to detect anything: those that {}",
                          settings::counted(verdict.runs, "run"), verdict.runs == 1 ? "is" : "are", prediction.runs);
  } else if (verdict.detectable > options.resolution) {
    const auto [detectable, resolution] = distinct_percent(verdict.detectable, options.resolution);
    verdict.reason = fmt::format(
        "{} of the kind could have missed a distance from the interval of {}, more than "
        "the resolution of {} asked",
        settings::counted(verdict.runs, "run"), detectable, resolution);
  } else {
    verdict.outcome = Outcome::agree;
    const auto [z, critical] = distinct(std::abs(verdict.z), verdict.critical_z);
    verdict.reason = fmt::format("{}; a distance of {} from the interval would have been detected",
                                 verdict.z == 0 ? "it lies in the interval"
                                                : fmt::format("it lies {} standard errors outside the interval, "
                                                              "below {}",
                                                              z, critical),
                                 percent(verdict.detectable));
  }
  return verdict;
}

Verdict judge(const models::Trajectory& theory, const Sample& sample, std::span<const Prediction> predictions,
              const VerdictOptions& options, std::uint64_t seed) {
  if (predictions.empty()) return judge(theory, sample, options, seed);
  VerdictOptions shared = options;
  const std::size_t shares = predictions.size() + (theory.columns.empty() ? 0 : 1);
  shared.false_alarm = options.false_alarm / static_cast<double>(shares);
  Verdict verdict = judge(theory, sample, shared, seed);
  if (sample.replicas < 2) return verdict;
  for (const Prediction& p : predictions)
    verdict.predictions.push_back(judge_prediction(p, sample, options, shared.false_alarm));
  show_observables(verdict, sample);
  const bool curves = !verdict.rows.empty();
  std::string disagreeing, open, agreeing;
  if (curves)
    add_reason(verdict.outcome == Outcome::disagree       ? disagreeing
               : verdict.outcome == Outcome::inconclusive ? open
                                                          : agreeing,
               verdict.reason);
  else
    take_statistics(verdict, shares);
  std::string unasked;
  std::vector<const PredictionVerdict*> holding;
  for (const PredictionVerdict& p : verdict.predictions) {
    if (!p.judged) {
      add_reason(unasked, p.prediction.name + ": " + p.reason);
      continue;
    }
    if (p.outcome == Outcome::agree) {
      holding.push_back(&p);
      continue;
    }
    add_reason(p.outcome == Outcome::disagree ? disagreeing : open, p.prediction.name + ": " + p.reason);
  }
  if (!holding.empty()) add_reason(agreeing, reason_of(holding));
  if (!disagreeing.empty()) {
    verdict.outcome = Outcome::disagree;
    verdict.reason = disagreeing;
  } else if (!open.empty() || agreeing.empty()) {
    verdict.outcome = Outcome::inconclusive;
    verdict.reason = open.empty() ? "there is no curve to compare, and no prediction can be judged: " + unasked : open;
  } else {
    verdict.outcome = Outcome::agree;
    verdict.reason = agreeing;
  }
  return verdict;
}

std::string summary(const PredictionVerdict& verdict) {
  const Prediction& p = verdict.prediction;
  if (verdict.runs == 0)
    return fmt::format("{}: {}: {}", p.name, verdict.reason, verdict.judged ? "inconclusive" : "not judged");
  const std::string error = std::isfinite(verdict.error) ? fmt::format(" +- {:.2g}", verdict.error) : "";
  std::string out = fmt::format("{}: {} of {} {}{} of {} run{}, predicted {} ({}): ", p.name, models::name(p.centre),
                                p.quantity, number(verdict.estimate), error, verdict.runs, verdict.runs == 1 ? "" : "s",
                                number(p.nominal), interval_text(p));
  if (!verdict.judged)
    return out + (verdict.runs > 1 && verdict.error == 0 ? "not judged, every run has the same number"
                                                         : "not judged, too few runs");
  switch (verdict.outcome) {
    case Outcome::agree:
      return out + "agrees";
    case Outcome::disagree:
      return out + "disagrees";
    case Outcome::inconclusive:
      return out + "inconclusive: " + verdict.reason;
  }
  return out;
}

}  // namespace edgewise::validation
