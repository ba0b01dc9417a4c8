// Built at -O1: nothing here takes time.
#include "models/self_stabilization/claims.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "models/self_stabilization/normal_form.hpp"
#include "models/self_stabilization/tuners.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::self_stabilization {

namespace {

constexpr const char* page = "docs/theory/curvature-dynamics.md, section ";

/// What the mean field was held against (1.4), and rounding: it is 1% off at n = .25, 1.3% at eps = .003, n = 2 sqrt(eps), and
/// 4.5% at eps = .01.
constexpr double largest_epsilon = 1e-3 * (1 + 1e-9), largest_noise = 0.2 * (1 + 1e-9);

void add_normal_form(const Setup& s, std::vector<Finding>& out) {
  const double eps = s.epsilon(), n = s.noise(), Y = s.learning_rate * s.start.sharpness - 2;
  out.push_back({"epsilon", eps, "eta^2 alpha"});
  out.push_back({"n", n, "eta^2 Var(g_noise) beta/(2 alpha)"});
  const bool x_first = s.land.x_first;
  if (!x_first) out.push_back({"noise_threshold", noise_threshold(eps), "the 2-cycle is stable for n above it"});
  if (n < 1) {
    const FixedPoint point = fixed_point(eps, n, x_first);
    out.push_back({"fixed_point_Y", point.Y, "eta lambda - 2 at p = 1, second moments closed"});
    out.push_back({"multiplier_modulus", point.modulus, "of the 2-cycle, a step"});
    out.push_back({"multiplier_angle", std::abs(std::arg(point.multiplier)), "radians a step"});
    out.push_back({"stable", point.stable(), "multiplier_modulus < 1"});
    if (n > 0 && n <= largest_noise) {
      out.push_back({"mean_offset", mean_offset(eps, n, x_first),
                     x_first ? "E Y = -(n - eps + n^2/4)/2, where sqrt(eps) <~ n"
                             : "E Y = -(n + 3 eps + n^2/4)/2, where sqrt(eps) <~ n"});
      out.push_back({"sharpness_gap", n / (2 * s.learning_rate), "2/eta - E lambda to first order, n/(2 eta)"});
    } else if (n > 0) {
      const double offset = point.Y + (x_first ? 0.5 : -1.5) * eps;
      out.push_back({"mean_offset", offset,
                     x_first ? "E Y = (1 - n)^(1/2) - 1 + eps/2: at the fixed point, large noise"
                             : "E Y = (1 - n)^(1/2) - 1 - 3 eps/2: at the fixed point, large noise"});
      out.push_back({"sharpness_gap", -offset / s.learning_rate, "2/eta - E lambda, of that"});
    }
  } else {
    out.push_back({"stable", false, "n >= 1: p' = (1 + Y)^2 p + n has no fixed point at p = 1, and no run stays"});
  }
  const double p = s.start.p(s.land);
  if (!(p > 0) || !std::isfinite(p) || !(Y > -1)) return;
  const double E = energy(eps, p, Y);
  out.push_back({"energy", E, "2 ((1+Y) log(1+Y) - Y) + eps (p - 1 - log p), conserved by the flow"});
  const auto orbit = closed_orbit(eps, E);
  if (!orbit) return;
  out.push_back({"p_min", orbit->p_min, "along the flow's orbit"});
  out.push_back({"p_max", orbit->p_max, "the map's is larger by O(sqrt eps)"});
  out.push_back({"x_max", std::sqrt(2 * s.land.sharpening * orbit->p_max / s.land.stabilization),
                 "the amplitude along it, sqrt(2 alpha p_max/beta)"});
  out.push_back({"Y_max", orbit->Y_max, "about sqrt(E)"});
  out.push_back({"period", orbit->period, "steps, of the flow's orbit"});
  if (!x_first)
    out.push_back({"energy_gain", orbit->energy_gain, "of the map in an orbit without noise, to first order"});
}

/// eta lambda that the rule itself would take in a state that stays.
double asked(const Setup& s, const State& state) {
  const ingredients::StepObservation now = seen(s.land, state);
  const double rate = s.tuner == Tuner::cdat                ? now.descent / now.curvature_along
                      : s.tuner == Tuner::stochastic_polyak ? (now.loss - s.least_loss) / now.squared_gradient
                                                            : 1 / now.sharpness;
  return s.sigma * rate * state.sharpness;
}

/// Where the largest rate, 2 over the sharpness, is less than the rule's at p = 1 the edge is that of a constant rate.
void add_largest_rate(const Setup& s, std::vector<Finding>& out) {
  if (s.tuner == Tuner::inverse_sharpness)
    out.push_back({"cap_sharpness", s.sigma / s.largest_rate,
                   "sigma/eta_max: the rate is eta_max where the sharpness that it goes by is below it"});
  if (!(s.land.sharpening > 0 && s.land.stabilization > 0) || s.softened) return;
  const State edge{std::sqrt(2 * s.land.sharpening / s.land.stabilization), 2 / s.largest_rate,
                   s.land.bulk_moves ? 0 : s.start.bulk};
  if (!(asked(s, edge) > 2 * (1 + 1e-12))) return;  // of a rule on edge it is 2 up to rounding
  const double eps = s.largest_rate * s.largest_rate * s.land.sharpening;
  const FixedPoint point = fixed_point(eps, 0);
  out.push_back({"capped_edge", edge.sharpness, "2/eta_max, the sharpness of a 2-cycle at p = 1 under eta_max"});
  out.push_back({"capped_epsilon", eps, "eta_max^2 alpha"});
  out.push_back({"capped_modulus", point.modulus, "(1 + 2 epsilon)^(1/2), of its multipliers: it repels, slowly"});
  out.push_back({"capped_angle", std::abs(std::arg(point.multiplier)), "radians a step"});
}

void add_inverse_sharpness(const Setup& s, double steps, std::vector<Finding>& out) {
  const double m = s.mean_delay(), alpha = s.land.sharpening;
  const double cap = s.sigma / s.largest_rate;
  const bool from_below = s.start.sharpness < cap;
  out.push_back({"mean_delay", m, "delay + ema/(1 - ema), steps"});
  if (s.sigma > 2 && from_below) return;  // at the edge of the largest rate, which is below
  if (m == 0) {
    out.push_back({"frozen_Y", s.sigma - 2,
                   from_below ? "eta lambda - 2 above cap_sharpness, for ever: nothing stabilises"
                              : "eta lambda - 2 for ever: nothing stabilises"});
    if (s.sigma == 2 && alpha > 0 && s.land.stabilization > 0) {
      const double p = from_below ? p_at_edge(s.land, s.start, s.largest_rate) : s.start.p(s.land);
      if (std::isfinite(p))
        out.push_back({"frozen_p", p, "beta x^2/(2 alpha): the sharpness grows where it is below 1"});
    }
    if (s.sigma < 2) {
      const double end = unchecked_sharpness(s.land, s.start, s.sigma, steps, s.largest_rate);
      if (std::isfinite(end))
        out.push_back({"unchecked_sharpness", end, "at the last step; ~ (2 sigma alpha t)^(1/2)"});
    }
    return;
  }
  const double threshold = late_threshold(s.delay, s.average);
  // Below 2 the edge is held while 4 alpha/lambda^2 is below the threshold and lambda below the crossover: nowhere, far below,
  // nor where a largest rate is in force up to it.
  const double crossover = s.sigma < 2 ? s.sigma * std::sqrt(m * alpha / (2 - s.sigma)) : infinity;
  const bool held = s.sigma >= 2 || (4 * (2 - s.sigma) < s.sigma * s.sigma * m * threshold && crossover > cap);
  if (s.sigma < 2 && held)
    out.push_back({"crossover_sharpness", crossover,
                   "near the edge below it; above it eta lambda is sigma and the sharpness grows unchecked"});
  if (s.sigma != 2 && held)
    out.push_back({"edge_growth", std::log(2 / s.sigma) / m,
                   "d log(lambda)/dt near the edge, where the rate is sigma over the sharpness of m steps ago"});
  if (s.sigma >= 2) out.push_back({"epsilon_threshold", threshold, "4 alpha/lambda^2 below which the edge is held"});
  if (s.sigma != 2) return;
  if (const double end = restored_sharpness(s.land, s.start, m, s.largest_rate); std::isfinite(end) && end > 0) {
    const bool capped = end != restored_sharpness(s.land, s.start, m);
    out.push_back({"restored_sharpness", end,
                   capped ? "2/eta_max p^(-1/(4 m)), p where eta_max has let the sharpness rise to that edge"
                          : "lambda_0 p_0^(-1/(4 m)): p/lambda^(4 m) is conserved, p -> 1"});
    out.push_back({"epsilon", 4 * alpha / (end * end), "4 alpha/lambda^2 there"});
  }
}

void add_ratio(const RatioPoint& point, std::vector<Finding>& out) {
  if (point.exists()) {
    out.push_back({"ratio", point.ratio, "lambda^2 x^2/G2 where top and bulk fall alike, lambda held"});
    out.push_back({"ratio_eta_lambda", point.product, "eta lambda there: 2, or 2/(1 + h/lambda) where the bulk moves"});
    if (point.memory == 0) out.push_back({"multiplier", point.multiplier, "of the ratio there, a step"});
    out.push_back({"multiplier_modulus", point.modulus(), "of the ratio and the averages there, a step"});
  }
  out.push_back({"stable", point.stable(), "there is such a point, and it attracts"});
}

/// The last value of an observable of a run that went to its end.
std::function<std::optional<double>(const RecordedReplica&)> last_of(std::string name) {
  return [name = std::move(name)](const RecordedReplica& run) -> std::optional<double> {
    if (run.diverged || run.values(name).empty()) return std::nullopt;
    return run.values(name).back();
  };
}

Prediction near(std::string name, std::string statement, const char* section, std::string quantity,
                std::string observable, double nominal, double share,
                std::function<std::optional<double>(const RecordedReplica&)> statistic) {
  Prediction out;
  out.name = std::move(name);
  out.statement = std::move(statement);
  out.source = std::string(page) + section;
  out.quantity = std::move(quantity);
  out.runs = "did not diverge";
  out.observable = std::move(observable);
  out.nominal = nominal;
  out.low = nominal - share * std::abs(nominal);
  out.high = nominal + share * std::abs(nominal);
  out.centre = Centre::mean;
  out.statistic = std::move(statistic);
  return out;
}

/// Share of its own spread from run to run by which a mean may be off because averaging began too early: a tenth of the
/// standard error of 10000 runs.
constexpr double negligible = 1e-3;
/// The largest spread of mean_p from run to run.
constexpr double largest_spread = 0.1;

/// Whether averages over the steps from `burn_in` on are those of the stationary state. Over T steps, exactly,
///
///     mean_p - 1 = -[Y]/(eps T),     n (identity - 1) = (2 [Y] - [p] - [Y^2]/eps)/T + a martingale,    [f] = f_end - f_begin.
///
/// Where stationary [f] has mean 0, and the two spread by (2 Var Y)^(1/2)/(eps T), Var Y = eps, and 2/(n T)^(1/2). Before that
/// the means of Y, p and Y^2 are off by what is left of the start's distance from the fixed point.
bool stationary(const Setup& s, double steps, double burn_in) {
  const double eps = s.epsilon(), n = s.noise(), T = steps - burn_in;
  if (!(T > 0) || std::sqrt(2 / eps) / T > largest_spread) return false;
  const FixedPoint point = fixed_point(eps, n);
  const auto distance_of = [&](const State& state) {
    return std::hypot(std::sqrt(eps / 2) * (state.p(s.land) - 1), s.learning_rate * state.sharpness - 2 - point.Y);
  };
  // From afar the map of second moments, near the fixed point its linearisation.
  const double near = std::max(n / 4, std::sqrt(eps) / 2);
  State state = s.start;
  double step = 0;
  for (; step < burn_in && distance_of(state) > near; ++step) state = stepped(s.land, state, s.learning_rate);
  const double distance = distance_of(state) + std::abs(mean_offset(eps, n));
  if (!(distance_of(state) <= near)) return false;
  const double left = left_of_deviation(eps, n, burn_in - step), off = distance * left;
  const double p_off = off * std::sqrt(2 / eps);
  const double Y_squared_off = off * (n + off) + eps * left * left;
  return off <= negligible * std::sqrt(2 * eps) &&
         2 * off + p_off + Y_squared_off / eps <= negligible * 2 * std::sqrt(n * T);
}

/// E p = 1 and E Y = -(n + eps Var p + E Y^2 p)/2, exact where the run is stationary, and the mean field.
void predict_noise(const Setup& s, double steps, double burn_in, std::vector<Prediction>& out) {
  const double eps = s.epsilon(), n = s.noise();
  if (!(n > noise_threshold(eps)) || !(n < 1) || s.land.x_first || !stationary(s, steps, burn_in)) return;
  out.push_back(
      near("mean_square", "E p = 1 in the stationary state", "1.4", "mean_p", "mean_p", 1, 0, last_of("mean_p")));
  out.push_back(
      near("identity", "-2 E Y = n + eps Var p + E Y^2 p in the stationary state", "1.4",
           "(-2 mean_Y - eps (mean_p_squared - 1) - mean_Y_squared_p)/n", "", 1, 0,
           [eps, n](const RecordedReplica& run) -> std::optional<double> {
             if (run.diverged || run.values("mean_Y").empty()) return std::nullopt;
             const auto at_end = [&](const char* name) { return run.values(name).back(); };
             return (-2 * at_end("mean_Y") - eps * (at_end("mean_p_squared") - 1) - at_end("mean_Y_squared_p")) / n;
           }));
  if (n >= std::sqrt(eps) && eps <= largest_epsilon && n <= largest_noise)
    out.push_back(near("sharpness_gap", "E Y = -(n + 3 eps + n^2/4)/2: the stochastic sharpness gap", "1.4", "mean_Y",
                       "mean_Y", mean_offset(eps, n), n >= 2 * std::sqrt(eps) ? 0.01 : 0.02, last_of("mean_Y")));
}

/// Whether (2.2) is to be taken for lambda after so many steps, within 5e-4 (2e-4 measured):
/// x has died out, it has not moved lambda^2 by more than
/// a tenth, and what the sum over steps leaves out is small beside lambda^2 at the end.
bool unchecked_holds(const Setup& s, double steps, double end) {
  const double square = s.start.sharpness * s.start.sharpness, alpha = s.land.sharpening;
  const double pushed = s.land.stabilization * s.start.x * s.start.x / (2 - s.sigma);
  const double left_out = pushed * (pushed + alpha / (2 - s.sigma)) / square + 4 * s.sigma * alpha * alpha / square;
  return std::isfinite(end) && std::pow(1 - s.sigma, 2 * steps) <= 1e-6 && pushed <= 0.1 * square &&
         left_out <= 2e-3 * end * end;
}

}  // namespace

double Setup::noise() const {
  if (land.noise == 0) return 0;
  return learning_rate * learning_rate * land.noise * land.stabilization / (2 * land.sharpening);
}

std::vector<Finding> findings_of(const Setup& s, double steps) {
  std::vector<Finding> out;
  if (s.constant() && s.land.sharpening > 0) add_normal_form(s, out);
  if (s.tuner == Tuner::inverse_sharpness) add_inverse_sharpness(s, steps, out);
  if (!s.constant() && s.largest_rate < infinity) add_largest_rate(s, out);
  if (s.tuner == Tuner::cdat && s.start.bulk > 0) {
    const RatioPoint point =
        split_point(s.sigma, s.land.bulk_curvature / s.start.sharpness, s.average, s.land.bulk_moves);
    if (s.takes(point.product, s.start.sharpness)) add_ratio(point, out);
    if (s.land.sharpening > 0 && s.sigma < 2 && !s.land.bulk_moves) {
      const double stays = snowball_sharpness(s.land, s.start.bulk, s.sigma);
      // Where it repels nothing holds the ratio.
      if (split_point(s.sigma, s.land.bulk_curvature / stays, s.average).modulus() <= 1 && s.takes(2, stays))
        out.push_back({"snowball_sharpness", stays,
                       "beta x^2 = 2 alpha at the ratio: the sharpness grows above it and falls below"});
    }
  }
  const double left = s.land.floor - s.least_loss;
  if (s.tuner == Tuner::stochastic_polyak && (s.start.bulk > 0 || left > 0)) {
    // A bulk that moves leaves its loss behind: no ratio stays, or (F = f_min) none attracts.
    const RatioPoint point = s.land.bulk_moves && s.start.bulk > 0
                                 ? RatioPoint{}
                                 : polyak_point(s.sigma, s.start.sharpness * left / s.start.bulk);
    const bool taken = s.takes(point.product, s.start.sharpness);
    if (taken) add_ratio(point, out);
    if (taken && point.exists())
      out.push_back({"top_share", s.sigma / 4 / (1 + 1 / point.ratio), "of the loss above f_min in x, at that point"});
  }
  return out;
}

std::vector<Prediction> predictions_of(const Setup& s, double steps, double burn_in) {
  std::vector<Prediction> out;
  if (s.constant() && s.land.noise > 0) predict_noise(s, steps, burn_in, out);
  if (s.tuner != Tuner::inverse_sharpness || s.land.noise > 0 || !(s.land.sharpening > 0)) return out;
  const double m = s.mean_delay(), eps = 4 * s.land.sharpening / (s.start.sharpness * s.start.sharpness);
  const double p = s.start.p(s.land);
  // A largest rate is never met by a sharpness that grows from above where it is in force.
  if (s.largest_rate < infinity && !(s.takes(s.sigma, s.start.sharpness) && p < 1)) return out;
  if (m == 0 && s.sigma < 2 && 4 * steps * eps >= 1) {
    const double end = unchecked_sharpness(s.land, s.start, s.sigma, steps);
    if (unchecked_holds(s, steps, end))
      out.push_back(near("unchecked_growth", "lambda^2 = lambda_0^2 + 2 sigma alpha t + ...: eta lambda < 2 frozen",
                         "2.1", "sharpness at the end", "sharpness", end, 5e-4, last_of("sharpness")));
  }
  if (m > 0 && s.sigma == 2 && p > 0) {
    const double end = restored_sharpness(s.land, s.start, m), eps_end = 4 * s.land.sharpening / (end * end);
    // p tends to 1 at the rate 2 m eps a step, but where memory is longer than that at that of memory: the multipliers' is at least
    // `rate` up to a fourth of the threshold. After 20 of its times to e^-20. To O(eps): the largest difference measured over delays
    // of 1 to 8 and averages of .3 to .98 is below the sum that is held to .004.
    const double rate = std::min(2 * m * eps_end, 0.375 / (m + 1));
    const double largest = std::max(eps, eps_end);
    if (!std::isfinite(end) || largest > std::min(0.01, late_threshold(s.delay, s.average) / 4) || steps * rate < 20 ||
        !(largest * (0.1 * std::abs(std::log(p)) + 0.15 * std::abs(p - 1)) <= 0.004))
      return out;
    out.push_back(near("conserved", "p/lambda^(4 m) is conserved and p -> 1: lambda ends at lambda_0 p_0^(-1/(4 m))",
                       "2.2", "sharpness at the end", "sharpness", end, 0.004, last_of("sharpness")));
    out.push_back(near("edge_held", "a late tuner on edge ends at eta lambda = 2", "2.2", "eta_sharpness at the end",
                       "eta_sharpness", 2, 1e-8, last_of("eta_sharpness")));
  }
  return out;
}

}  // namespace edgewise::models::self_stabilization
