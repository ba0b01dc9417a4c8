#include "models/ingredients/schedule_search/best_rates.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

#include "numerics/lbfgs.hpp"
#include "numerics/roots.hpp"
#include "numerics/scan.hpp"
#include "random/random.hpp"
#include "settings/counted.hpp"

namespace edgewise::models::ingredients {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// The grid of bases, in multiples of 1/lambda_max.
constexpr double lowest_base = 1e-4, highest_base = 10;
constexpr int grid_points = 33;
constexpr double farthest = 300 * 6;  // beyond the grid, either way, in its steps: 300 decades and more
constexpr double narrowest = 1e-4, minima_apart = 16;  // of its refinement: in log base, and over the number of steps
constexpr std::size_t dense_steps = 128;               // up to so many, points lie as close as minima may
constexpr double useless_loss = 1e12;                  // times the loss of the lowest base
constexpr double lost_log = 1000;                      // what stands for the logarithm of an infinite loss
constexpr int base_bits = 24;

constexpr std::uint64_t most_steps = 10'000'000;

/// A pass that lowers the loss by less ends a search.
constexpr double least_fall = 1e-13;
constexpr int most_passes = 1000;
/// How often a search by L-BFGS is taken up again.
constexpr int most_starts = 3;
/// Of log J over a log rate: above it a point is no minimum.
constexpr double steepest_minimum = 1e-4;
/// Losses that agree to this are the same, and rates that differ by less than that of the peak.
constexpr double same_loss = 1e-8, same_rate = 0.01;
/// Shares of the loss at rates 0 that are but rounding.
constexpr double rounding = 1e-28;
/// Of the log rates, relative to 1/lambda_max: what stands for 0.
constexpr double floor_rate = 1e-9;

double largest_of(std::span<const double> values) {
  return values.empty() ? 0 : *std::ranges::max_element(values);
}

std::vector<double> times(std::span<const double> shape, double base) {
  std::vector<double> out(shape.begin(), shape.end());
  for (double& x : out) x *= base;
  return out;
}

/// log J, within what a parabola can be laid through.
double log_loss(const RateObjective& J, std::span<const double> shape, double base) {
  const double loss = J.value(times(shape, base));
  return std::isfinite(loss) ? std::log(std::max(loss, std::numeric_limits<double>::min())) : lost_log;
}

struct Search {
  std::vector<double> rates;
  SearchFrom report;
  std::size_t idle = 0;  ///< rates that do not move the loss
};

double loss_of(const Search& search) {
  return search.report.loss;
}

/// Sets to 0 the rates on which the loss does not depend, e.g. those after the last sync: any would do.
void set_idle_to_0(const RateObjective& J, Search& search) {
  std::vector<double> slope(search.rates.size()), again(search.rates.size()), other = search.rates;
  if (!(search.report.loss > 0) || !std::isfinite(J.gradient(search.rates, slope))) return;
  // A minimum may have a slope of exactly 0 as well, but not at half the rate.
  for (std::size_t k = 0; k < other.size(); ++k)
    if (slope[k] == 0) other[k] /= 2;
  if (other == search.rates || !std::isfinite(J.gradient(other, again))) return;
  for (std::size_t k = 0; k < other.size(); ++k)
    if (other[k] != search.rates[k] && again[k] == 0) {
      search.rates[k] = 0;
      ++search.idle;
    }
}

/// Whether a second search ended with the least loss.
bool met_again(const std::vector<Search>& searches, double told_apart) {
  const double least = std::ranges::min(searches, {}, loss_of).report.loss;
  return std::ranges::count_if(searches, [&](const Search& search) {
           return loss_of(search) <= std::max(least * (1 + same_loss), told_apart);
         }) > 1;
}

Search by_sweeps(const RateObjective& J, std::vector<double> rates, double cap, const std::function<bool()>& stop) {
  Search out{std::move(rates), {}};
  const std::vector<double> start = out.rates;
  const double before_all = J.value(start);
  double now = before_all;
  std::vector<double> finite = start;  // the last rates that are known not to diverge on their way
  for (int pass = 0; pass < most_passes && !stop(); ++pass) {
    std::vector<double> before = out.rates;
    const double next = J.sweep(out.rates, cap).value();
    if (!std::isfinite(next)) break;
    finite = std::move(before);
    ++out.report.passes;
    out.report.converged = !(now - next > least_fall * now);
    now = next;
    if (out.report.converged) break;
  }
  out.report.loss = J.value(out.rates);
  if (!std::isfinite(out.report.loss)) {
    out.rates = std::move(finite);
    out.report.loss = J.value(out.rates);
    out.report.converged = false;
  }
  // What passes know of their falls is lost where the loss itself is but rounding.
  if (!(out.report.loss <= before_all)) {
    out.rates = start;
    out.report.loss = before_all;
  }
  return out;
}

/// What L-BFGS moves: the rates, or, where the states of the run bound these, their shares of the bounds. Else steps would
/// fail beside the bounds, wherever the loss still falls along them.
class Moved {
 public:
  Moved(const RateObjective& J, double cap)
      : J_(J), shares_(J.shares(cap)), unit_(shares_ ? 1 : J.natural_rate()), cap_(shares_ ? 1 : cap) {}
  double unit() const { return unit_; }
  double cap() const { return cap_; }
  double gradient(std::span<const double> x, std::span<double> slope) const {
    return shares_ ? shares_->gradient(x, slope) : J_.gradient(x, slope);
  }
  std::vector<double> of(std::vector<double> rates) const { return shares_ ? shares_->of(rates) : rates; }
  std::vector<double> rates(std::vector<double> x) const { return shares_ ? shares_->rates(x) : x; }

 private:
  const RateObjective& J_;
  std::unique_ptr<RateShares> shares_;
  double unit_, cap_;
};

Search by_lbfgs(const RateObjective& J, std::vector<double> rates, double cap, const std::function<bool()>& stop) {
  const Moved moved(J, cap);
  const double low = std::log(floor_rate), high = std::log(moved.cap() / moved.unit());
  std::vector<double> u = moved.of(std::move(rates));
  for (double& x : u) x = std::max(std::log(x / moved.unit()), low);
  std::vector<double> x(u.size()), slope(u.size());
  const auto set = [&](std::span<const double> logs) {
    for (std::size_t k = 0; k < x.size(); ++k) x[k] = std::min(moved.unit() * std::exp(logs[k]), moved.cap());
  };
  const auto log_of = [&](std::span<const double> logs, std::span<double> g) {
    if (stop()) return infinity;
    set(logs);
    const double loss = moved.gradient(x, g);
    for (std::size_t k = 0; k < x.size(); ++k) g[k] *= x[k] / loss;
    return std::log(loss);
  };
  Search out;
  // In a narrow valley a step may fall by nothing before the slope is gone: from there with a fresh memory.
  double before = infinity;
  for (int again = 0; again < most_starts && !stop(); ++again) {
    const numerics::MinimumOfMany found =
        numerics::lbfgs(log_of, std::move(u), low, std::min(high, 700.0), 1e-14, 5000);
    u = found.at;
    set(u);
    const double loss = moved.gradient(x, slope);
    bool flat = true;
    for (std::size_t k = 0; k < x.size() && loss > 0; ++k) {
      const bool held = (u[k] <= low && slope[k] > 0) || (x[k] >= moved.cap() && slope[k] < 0);
      flat = flat && (held || !(std::abs(slope[k]) * x[k] > steepest_minimum * loss));
    }
    out.report.passes += found.iterations;
    out.report.converged = found.converged && flat;
    if (flat || !found.converged || !(loss < before * (1 - same_loss))) break;
    before = loss;
  }
  set(u);
  out.rates = moved.rates(std::move(x));
  out.report.loss = J.value(out.rates);
  return out;
}

/// One search, by the method that the loss and the options allow.
Search searched(const RateObjective& J, const ScheduleSearch& options, bool quadratic, const std::vector<double>& from,
                const std::function<bool()>& stop) {
  const double cap = options.max_rate;
  Search out = quadratic ? by_sweeps(J, from, cap, stop) : by_lbfgs(J, from, cap, stop);
  if (quadratic && options.method == "auto" && !out.report.converged && !stop()) {
    // Sweeps creep along narrow valleys, and end where a large rate overflows on their way.
    Search together = by_lbfgs(J, out.rates, cap, stop);
    together.report.passes += out.report.passes;
    if (loss_of(together) < loss_of(out)) out = std::move(together);
  }
  set_idle_to_0(J, out);
  return out;
}

using Start = NamedRates::value_type;

/// Of best base; nothing where every base diverges.
std::optional<Start> tuned(const RateObjective& J, double max_rate, const std::string& name,
                           const std::vector<double>& shape) {
  const BestBase best = best_base(J, shape, max_rate);
  if (!std::isfinite(best.loss)) return std::nullopt;
  return Start{name, times(shape, best.base)};
}

/// Start i of its kind: a constant rate disturbed by a factor 1/2 to 2 a step; the mean is tuned, so that the run stays finite.
std::optional<Start> disturbed(const RateObjective& J, const ScheduleSearch& options, std::uint64_t i) {
  random::Stream stream(options.seed, i, 0, random::Purpose::initial);
  std::vector<double> shape(J.steps());
  for (double& x : shape) x = std::exp2(2 * stream.uniform() - 1);
  return tuned(J, options.max_rate, fmt::format("disturbed constant rate {}", i + 1), shape);
}

/// Where the searches begin, `starts` of them or fewer, before disturbed ones.
NamedRates starting_points(const RateObjective& J, const ScheduleSearch& options) {
  const std::size_t T = J.steps();
  NamedRates out;
  const auto add = [&](std::optional<Start> start) {
    if (start) out.push_back(std::move(*start));
  };
  std::vector<double> linear(T);
  for (std::size_t k = 0; k < T; ++k) linear[k] = 1 - static_cast<double>(k) / static_cast<double>(T);
  add(tuned(J, options.max_rate, "tuned linear decay", linear));
  if (out.size() < options.starts) add(tuned(J, options.max_rate, "tuned constant rate", std::vector<double>(T, 1.0)));
  if (std::vector<double> greedy(T); out.size() < options.starts) {
    const std::optional<double> loss = J.greedy(greedy, options.max_rate);
    if (loss && std::isfinite(*loss)) out.emplace_back("greedy rates", std::move(greedy));
  }
  return out;
}

/// How many of the rates are the largest that the states of their run allow, in words; empty where none is.
std::string at_bounds(const RateObjective& J, std::span<const double> rates, double cap) {
  const auto shares = J.shares(infinity);
  if (!shares) return "";
  constexpr double near = 1e-6;
  const std::vector<double> of = shares->of(rates);
  std::uint64_t bound = 0;
  for (std::size_t k = 0; k < of.size(); ++k) bound += of[k] >= 1 - near && rates[k] < cap ? 1 : 0;
  if (bound == 0) return "";
  return fmt::format(
      "{} of {} rates are the largest at which the theory holds in the state that they meet: it sets them, not the "
      "loss",
      bound, of.size());
}

/// How far losses are apart, of which the largest is 1 + spread times the least.
std::string apart_text(double spread) {
  return spread < 10 ? fmt::format("{:.3g}% apart", 100 * spread) : fmt::format("a factor {:.3g} apart", 1 + spread);
}

/// \param told_apart  losses below it are rounding
std::string stated(const RateObjective& J, Optimum& found, const ScheduleSearch& options, double told_apart) {
  const auto& known = J.facts().uniqueness;
  const double cap = options.max_rate;
  double apart = 0, apart_at_best = 0;
  bool all = true;
  std::size_t at_best = 0;
  for (const SearchFrom& search : found.searches) {
    apart = std::max(apart, search.apart);
    all = all && search.converged;
    if (search.loss > std::max(found.loss * (1 + same_loss), told_apart)) continue;
    apart_at_best = std::max(apart_at_best, search.apart);
    ++at_best;
  }
  if (found.idle == found.rates.size()) {
    found.identifiable = false;
    return "the schedule is not identifiable: no rate moves the loss at the end";
  }
  const bool at_cap = std::ranges::all_of(found.rates, [&](double rate) { return rate >= cap * (1 - 1e-12); });
  if (at_cap && found.loss > 0 && found.spread <= same_loss)
    return "every rate is at max_rate: the cap alone sets the schedule";
  if (known.first == Uniqueness::none) {
    found.identifiable = false;
    return "the schedule is not identifiable: " + known.second;
  }
  if (known.first == Uniqueness::proved) return "the optimum is proved unique: " + known.second;
  if (found.least) {
    found.identifiable = !(apart_at_best > same_rate);
    return std::string("a global optimum: no rates get below its loss") +
           (found.identifiable ? "" : ", and not these alone attain it: the schedule is not identifiable");
  }
  const std::string starts = settings::counted(found.searches.size(), "start");
  if (found.loss <= told_apart) {
    found.identifiable = found.searches.size() < 2 || !(apart > same_rate);
    return "nothing but rounding is left of the loss" +
           std::string(found.identifiable ? "" : ", by different rates: the schedule is not identifiable");
  }
  if (!all)
    found.warnings.push_back(
        "a search ended where it had not converged, which may be beside rates that diverge: lower losses are near");
  if (found.spread > same_loss) {
    found.identifiable = options.starts == 1 || (at_best > 1 && !(apart_at_best > same_rate));
    return fmt::format("{} ended in local minima whose losses are up to {}; {}", starts, apart_text(found.spread),
                       options.starts == 1  ? "this is the best of them"
                       : found.identifiable ? fmt::format("{} of them in the best, which this is", at_best)
                       : at_best > 1 ? "the best loss is met by different rates: the schedule is not identifiable"
                                     : "no other ended in the best: the rates depend on the start");
  }
  if (apart > same_rate) {
    found.identifiable = false;
    return fmt::format(
        "the schedule is not identifiable: {} ended with the same loss (to {:.1g}) and rates that differ by up to "
        "{:.2g} of "
        "the peak",
        starts, found.spread, apart);
  }
  return found.searches.size() < 2
             ? "a local minimum: only one start was tried, and that it is unique is not proved"
             : fmt::format(
                   "the same minimum from {} (losses to {:.1g}, rates to {:.1g} of the peak); that it is unique is "
                   "not proved",
                   starts, found.spread, apart);
}

}  // namespace

BestBase best_base_between(const RateObjective& J, std::span<const double> shape, double low, double high, int bits) {
  if (!(low < high)) return {high, J.value(times(shape, high)), false};
  // In the problem's own unit: the bits are of the logarithm itself.
  const double unit = J.natural_rate();
  const numerics::Minimum found = numerics::minimum([&](double u) { return log_loss(J, shape, unit * std::exp(u)); },
                                                    std::log(low / unit), std::log(high / unit), bits);
  const double base = unit * std::exp(found.at);
  return {base, J.value(times(shape, base)), false};
}

BestBase highest_finite_base(const RateObjective& J, std::span<const double> shape, double base) {
  constexpr double lowest_part = 1.0 / 8, near = 1e-4;
  BestBase out{base, J.value(times(shape, base))};
  if (std::isfinite(out.loss)) return out;
  out = {base * lowest_part, J.value(times(shape, base * lowest_part))};
  for (double high = base; std::isfinite(out.loss) && high - out.base > near * high;) {
    const double middle = std::sqrt(out.base * high);
    if (const double loss = J.value(times(shape, middle)); std::isfinite(loss))
      out = {middle, loss};
    else
      high = middle;
  }
  return out;
}

BestBase best_base(const RateObjective& J, std::span<const double> shape, double max_rate) {
  const double unit = J.natural_rate(), cap = std::log(max_rate / largest_of(shape) / unit);
  const double start = J.value(std::vector<double>(shape.size()));
  numerics::Scan scan{std::log(lowest_base), std::log(highest_base), grid_points};
  const double step = (scan.high - scan.low) / (grid_points - 1);
  scan.lowest = scan.low - farthest * step;
  scan.highest = std::min(scan.high + farthest * step, cap);
  // J is a polynomial of degree 2T in the base where the method is linear: it has at most T minima.
  scan.finest = std::clamp(1 / (minima_apart * static_cast<double>(shape.size())), narrowest, 1.0 / 256);
  if (shape.size() <= dense_steps) {
    scan.dense_from = std::log(0.1 / largest_of(shape));
    scan.dense = 1.0 / 64;
  }
  // Where the fastest mode is gone after one step, full batches may leave next to nothing.
  if (shape.size() <= dense_steps)
    for (const double s : shape)
      if (s > 0) scan.also.push_back(-std::log(s));
  scan.lost = lost_log;
  scan.rise = std::log(useless_loss);
  scan.enough = std::log(std::max(rounding * start, std::numeric_limits<double>::min()));
  scan.bits = base_bits;
  const numerics::ScannedMinimum found =
      numerics::scanned_minimum([&](double u) { return log_loss(J, shape, unit * std::exp(u)); }, scan);
  const bool beyond = found.at < scan.low - step / 2 || found.at > scan.high + step / 2;
  if (found.value >= lost_log) return {0, infinity, beyond, 0};
  const double base = unit * std::exp(found.at);
  return {base, J.value(times(shape, base)), beyond, found.minima};
}

Optimum best_rates(const RateObjective& J, const ScheduleSearch& options, const std::function<bool()>& stop,
                   const NamedRates& also) {
  if (J.steps() == 0) throw std::invalid_argument("time.steps: a schedule needs at least one step");
  if (J.steps() > most_steps)
    throw std::invalid_argument(fmt::format("time.steps: at most {} for a search over all of their rates", most_steps));
  NamedRates starts = starting_points(J, options);
  if (std::vector<double> known = J.facts().optimum;
      !known.empty() && largest_of(known) <= options.max_rate && std::isfinite(J.value(known)))
    starts.insert(starts.begin(), {"closed form", std::move(known)});
  if (starts.empty()) throw std::invalid_argument("optimizer: the run diverges at every learning rate that was tried");
  std::vector<double> probe = starts.front().second;
  const bool quadratic = options.method != "lbfgs" && J.sweep(probe, options.max_rate).has_value();
  if (options.method == "sweep" && !quadratic)
    throw std::invalid_argument(
        "schedule_search.method: sweep needs a loss that is quadratic in every single rate, which this one is not; use "
        "lbfgs");
  Optimum out;
  out.method = quadratic ? "coordinate sweep" : "L-BFGS";
  std::vector<Search> searches;
  const auto search = [&](const Start& start) {
    if (stop() && searches.empty()) throw std::runtime_error("interrupted");
    if (stop()) return;
    searches.push_back(searched(J, options, quadratic, start.second, stop));
    searches.back().report.start = start.first;
  };
  for (const Start& start : starts) search(start);
  for (const Start& start : also) search(start);
  const double told_apart = rounding * J.value(std::vector<double>(J.steps()));
  const Uniqueness uniqueness = J.facts().uniqueness.first;
  // What one search alone has found may be one of very many local minima: then there are more of them.
  const std::uint64_t most = options.starts > 1 && uniqueness == Uniqueness::unknown ? 5 * options.starts : 0;
  for (std::uint64_t i = 0; !stop(); ++i) {
    const std::uint64_t wanted = met_again(searches, told_apart) ? options.starts : std::max(options.starts, most);
    if (searches.size() >= wanted) break;
    const auto start = disturbed(J, options, i);
    if (!start) break;
    search(*start);
  }
  const Search& best = *std::ranges::min_element(searches, {}, loss_of);
  out.rates = best.rates;
  out.loss = best.report.loss;
  out.idle = best.idle;
  const double peak = largest_of(out.rates);
  for (Search& one : searches) {
    for (std::size_t k = 0; k < out.rates.size() && peak > 0; ++k)
      one.report.apart = std::max(one.report.apart, std::abs(one.rates[k] - out.rates[k]) / peak);
    if (out.loss > 0 && one.report.loss > told_apart)
      out.spread = std::max(out.spread, one.report.loss / std::max(out.loss, told_apart) - 1);
    out.searches.push_back(one.report);
  }
  out.least = out.loss == 0;
  if (const std::optional<double> least = J.facts().least; least && !out.least)
    out.least = out.loss <= *least * (1 + same_loss) + told_apart;
  out.statement = stated(J, out, options, told_apart);
  if (out.idle > 0)
    out.warnings.push_back(fmt::format("{} of {} rates, which are shown as 0, do not move the loss at the end",
                                       out.idle, out.rates.size()));
  if (std::string text = at_bounds(J, out.rates, options.max_rate); !text.empty())
    out.warnings.push_back(std::move(text));
  const double size = peak / J.natural_rate();
  if (size > 2 && (out.identifiable || out.spread > same_loss) && !out.least && uniqueness == Uniqueness::unknown) {
    const auto at = std::ranges::max_element(out.rates) - out.rates.begin();
    out.warnings.push_back(fmt::format(
        "the rate of step {} is {:.3g} over the largest eigenvalue: above 2 a step throws the stiffest mode further "
        "away, so that this is a local minimum of a few giant steps",
        at, size));
  }
  return out;
}

}  // namespace edgewise::models::ingredients
