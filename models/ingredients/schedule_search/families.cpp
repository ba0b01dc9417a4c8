#include "models/ingredients/schedule_search/families.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <stdexcept>

#include "models/ingredients/schedule_search/best_rates.hpp"
#include "models/ingredients/schedules.hpp"
#include "numerics/simplex.hpp"
#include "random/random.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::ingredients {

namespace {

/// A parameter that a search moves within [low, high]: u^power of its range, u uniform; small values may need care.
struct Free {
  const char* key;
  double low = 0, high = 1;
  double spread = 0.15;  ///< of the children of a first round, over the range
  double power = 1;
};

/// A family: a kind of schedule, what is kept of it, and what is tuned, a parameter on a grid or several by a search.
struct Family {
  const char* name;
  const char* kind;
  std::vector<std::pair<const char*, settings::Value>> kept = {};
  const char* key = nullptr;
  std::vector<double> grid = {};
  bool in_horizons = false;  ///< the grid is in fractions of T
  std::vector<Free> free = {};
};

const std::vector<Family>& families() {
  const auto text = [](const char* word) { return settings::Value(std::string(word)); };
  const std::vector<double> cooldowns = {.1, .2, .3, .4, .5, .6, .7, .8, .9, 1}, times = {.01, .03, .1, .3, 1};
  const std::vector<Free> points = {{"y0"}, {"x1", 0, 1, 0.105},      {"y1", 0.2, 1}, {"x2", 0, 1, 0.105},
                                    {"y2"}, {"y3", 0, 0.09, 0.015, 2}};
  const std::vector<Free> broken = {{"y1"}, {"d1"}, {"dy2"}, {"d2"}, {"y_end"}};
  static const std::vector<Family> all = {
      {"constant", "constant"},
      {"linear", "linear"},
      {"cosine", "cosine"},
      {"cosine-power", "cosine", {}, "power", {.5, .75, 1, 1.25, 1.5, 2}},
      {"polynomial", "polynomial", {}, "power", {.5, .75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3}},
      {"rex", "rex", {}, "b", {-8, -6, -5, -4, -3, -2, -1, 0, .5, .75, .9}},
      {"square-root", "square-root", {}, "a", {.25, .5, .75, 1}},
      {"cooldown-linear", "warmup-stable-decay", {{"shape", text("linear")}}, "cooldown", cooldowns},
      {"cooldown-1-sqrt", "warmup-stable-decay", {{"shape", text("1-sqrt")}}, "cooldown", cooldowns},
      {"cooldown-cosine", "warmup-stable-decay", {{"shape", text("cosine")}}, "cooldown", cooldowns},
      {"cooldown-square", "warmup-stable-decay", {{"shape", text("power")}, {"power", 2.0}}, "cooldown", cooldowns},
      {"step", "step", {{"stages", std::int64_t{3}}}, "factor", {.1, .2, .25, .3, .4, .5}},
      {"exponential", "exponential", {}, "rate", {1, 2, 3, 3.5, 4, 4.5, 5, 6}},
      {"inverse-time", "inverse-power", {{"exponent", 1.0}}, "t0", times, true},
      {"inverse-square-root", "inverse-square-root", {}, "t0", times, true},
      {"two-point-linear", "two-point", {{"interpolate", text("linear")}}, nullptr, {}, false, points},
      {"two-point-spline", "two-point", {{"interpolate", text("pchip")}}, nullptr, {}, false, points},
      {"stick-breaking-linear", "stick-breaking", {{"interpolate", text("linear")}}, nullptr, {}, false, broken},
      {"stick-breaking-spline", "stick-breaking", {{"interpolate", text("pchip")}}, nullptr, {}, false, broken},
      {"smooth",
       "smooth",
       {},
       nullptr,
       {},
       false,
       {{"y_start"}, {"y_end"}, {"x_peak"}, {"y1"}, {"d1"}, {"y2"}, {"d2"}}}};
  return all;
}

const Family& family_of(const std::string& name) {
  for (const Family& family : families())
    if (family.name == name) return family;
  throw std::invalid_argument("there is no family of schedules called " + name);
}

/// The curves with an own rise need no warm-up beside it.
bool rises_by_itself(const Family& family) {
  return std::string(family.kind) == "two-point" || std::string(family.kind) == "smooth";
}

using Parameters = std::vector<std::pair<std::string, double>>;

settings::Table section_of(const Family& family, const ScheduleSearch& options, const Parameters& parameters,
                           double warmup) {
  settings::Table table("", "");
  settings::Table& schedule = table.make_table("schedule");
  schedule.set("kind", std::string(family.kind));
  for (const auto& [key, value] : family.kept) schedule.set(key, value);
  for (const auto& [key, value] : parameters) schedule.set(key, value);
  if (warmup > 0) schedule.set("warmup", warmup);
  if (warmup > 0 && options.warmup_mode != "multiply") schedule.set("warmup_mode", options.warmup_mode);
  return table;
}

/// At these times. \throws settings::Error outside of the family's domain.
std::vector<double> multipliers(const settings::Table& section, double horizon, std::span<const double> times) {
  const auto schedule = read_schedule(section, "schedule", horizon);
  std::vector<double> out;
  out.reserve(times.size());
  for (const double t : times) out.push_back(schedule->at(t));
  return out;
}

/// The losses of a search, and the times at which they want the rates.
struct Losses {
  const RateObjective& J;
  double horizon;
  std::vector<double> times;
};

std::vector<double> all_steps(std::size_t steps) {
  std::vector<double> out(steps);
  std::iota(out.begin(), out.end(), 0.0);
  return out;
}

/// The estimate of J by rates in the middle of stretches, which are shortest at both ends of the run.
class Estimated final : public RateObjective {
 public:
  explicit Estimated(const RateObjective& J) : RateObjective(J.facts()), J_(J) {
    constexpr std::uint64_t many_steps = 4096, per_octave = 8;
    const std::uint64_t T = J.steps();
    if (T <= many_steps) return;
    for (std::uint64_t k = 0; k < T;) {
      const std::uint64_t m = std::bit_floor(std::max<std::uint64_t>(1, std::min(k, T - k) / per_octave));
      run_.push_back({m, 0});
      middles_.push_back(static_cast<double>(k) + static_cast<double>(m - 1) / 2);
      k += m;
    }
    if (!J.estimate(run_)) run_.clear();
    facts_.steps = run_.size();
  }
  bool known() const { return !run_.empty(); }
  const std::vector<double>& middles() const { return middles_; }

  double value(std::span<const double> rates) const override {
    std::vector<RateStretch> run = run_;
    for (std::size_t i = 0; i < run.size(); ++i) run[i].rate = rates[i];
    return *J_.estimate(run);
  }
  double gradient(std::span<const double>, std::span<double>) const override {
    throw std::logic_error("an estimate has no gradient");
  }
  RatePath path(std::span<const double>) const override { throw std::logic_error("an estimate has no path"); }

 private:
  const RateObjective& J_;
  std::vector<RateStretch> run_;
  std::vector<double> middles_;
};

/// Of few steps the loss has many minima along the base, above all with large batches, and a member's neighbour says little
/// of its own: members are then looked for on the whole grid, those of searches and those of grids.
constexpr std::uint64_t few_steps = 16, some_steps = 128;

/// The best member found so far, and how members are made and tried.
class Tuner {
 public:
  /// \param rough  finds about where bases lie; may be null
  Tuner(const Losses& of, const Family& family, const ScheduleSearch& options, std::span<const double> optimum,
        Tuner* rough = nullptr)
      : of_(of), J_(of.J), family_(family), options_(options), optimum_(optimum), rough_(rough) {
    best_.name = family.name;
    best_.loss = std::numeric_limits<double>::infinity();
  }

  settings::Table section(const Parameters& parameters, double warmup) const {
    return section_of(family_, options_, parameters, warmup);
  }

  /// The shape; nothing where these parameters are none (x1 beyond x2), or it is 0 all along.
  std::optional<std::vector<double>> shape(const Parameters& parameters, double warmup) const {
    try {
      std::vector<double> out = multipliers(section(parameters, warmup), of_.horizon, of_.times);
      if (*std::ranges::max_element(out) > 0) return out;
    } catch (const settings::Error&) {
      // Outside of the family's domain.
    }
    return std::nullopt;
  }

  /// The best base, looked for between low and high, or on the whole grid where high is 0.
  BestBase score(const Parameters& parameters, double warmup, double low, double high, int bits) {
    const auto s = shape(parameters, warmup);
    if (!s) return {0, std::numeric_limits<double>::infinity(), false};
    high = std::min(high, options_.max_rate / *std::ranges::max_element(*s));
    const bool near = high > 0 && low < high && J_.steps() > few_steps;
    const BestBase base = near ? best_base_between(J_, *s, low, high, bits) : on_whole_grid(parameters, warmup, *s);
    if (!near) several_ = base.minima > 1;
    note(parameters, warmup, *s, base);
    return base;
  }

  /// The loss at this base, or at the highest below it that does not diverge: what lies beyond that edge is as the edge
  /// itself, so that a search goes on along it.
  BestBase score_at(const Parameters& parameters, double warmup, double base) {
    const auto s = shape(parameters, warmup);
    if (!s) return {0, std::numeric_limits<double>::infinity(), false};
    base = std::min(base, options_.max_rate / *std::ranges::max_element(*s));
    const BestBase found = highest_finite_base(J_, *s, base);
    note(parameters, warmup, *s, found);
    return found;
  }

  /// The same for one of many alike: first near the base of the one before, on the whole grid where that is not enough.
  void score_next(const Parameters& parameters, double warmup) {
    constexpr double around = 3, end = 1.05;
    if (last_base_ > 0 && !several_ && J_.steps() > some_steps) {
      const BestBase near =
          (rough_ ? *rough_ : *this).score(parameters, warmup, last_base_ / around, last_base_ * around, 12);
      if (near.base > last_base_ / around * end && near.base < last_base_ * around / end) {
        last_base_ = rough_ ? score_at(parameters, warmup, near.base).base : near.base;
        return;
      }
      if (!rough_) {
        best_.tried.pop_back();
        --best_.shapes;
      }
    }
    last_base_ = score(parameters, warmup, 0, 0, 0).base;
  }

  /// The best member, its base once more on the whole grid and to all bits.
  TunedFamily take() {
    if (!std::isfinite(best_.loss)) return best_;
    const std::uint64_t shapes = best_.shapes;
    best_.base_at_edge = score(Parameters(best_.parameters), best_.warmup, 0, 0, 0).at_edge;
    best_.shapes = shapes;
    best_.tried.pop_back();
    std::ranges::stable_sort(best_.tried, {}, &FamilyMember::loss);
    if (std::isfinite(best_.distance)) {
      std::vector<double> rates = *shape(best_.nearest.parameters, best_.nearest.warmup);
      for (double& rate : rates) rate *= best_.nearest.base;
      best_.nearest.loss = J_.value(rates);
    }
    best_.rates = *shape(best_.parameters, best_.warmup);
    for (double& rate : best_.rates) rate *= best_.base;
    best_.section = section(best_.parameters, best_.warmup).text();
    return best_;
  }
  void restarted(double loss) { best_.restarts.push_back(loss); }

 private:
  /// best_base, but where one minimum is known roughly, from there on.
  BestBase on_whole_grid(const Parameters& parameters, double warmup, const std::vector<double>& s) {
    constexpr double around = 1.1, end = 1.01;
    constexpr int bits = 24;
    if (rough_) {
      const BestBase about = rough_->score(parameters, warmup, 0, 0, 0);
      const double low = about.base / around, high = about.base * around;
      if (std::isfinite(about.loss) && about.minima == 1 && high * *std::ranges::max_element(s) < options_.max_rate) {
        BestBase found = best_base_between(J_, s, low, high, bits);
        found.at_edge = about.at_edge;
        if (std::isfinite(found.loss) && found.base > low * end && found.base < high / end) return found;
      }
    }
    return best_base(J_, s, options_.max_rate);
  }

  void note(const Parameters& parameters, double warmup, const std::vector<double>& s, const BestBase& base) {
    ++best_.shapes;
    best_.tried.push_back({parameters, warmup, base.base, base.loss});
    fit(parameters, warmup, s);
    if (!(base.loss < best_.loss)) return;
    best_.parameters = parameters;
    best_.warmup = warmup;
    best_.base = base.base;
    best_.loss = base.loss;
    best_.base_at_edge = base.at_edge;
  }

  void fit(const Parameters& parameters, double warmup, const std::vector<double>& s) {
    const double square = std::inner_product(s.begin(), s.end(), s.begin(), 0.0);
    const double length = std::inner_product(optimum_.begin(), optimum_.end(), optimum_.begin(), 0.0);
    if (!(length > 0) || !(square > 0)) return;
    const double base = std::inner_product(s.begin(), s.end(), optimum_.begin(), 0.0) / square;
    double apart = 0;
    for (std::size_t k = 0; k < s.size(); ++k) apart += std::pow(optimum_[k] - base * s[k], 2);
    const double distance = std::sqrt(apart / length);
    if (!(distance < best_.distance)) return;
    best_.distance = distance;
    best_.nearest = {parameters, warmup, base, 0};
  }

  const Losses& of_;
  const RateObjective& J_;
  const Family& family_;
  const ScheduleSearch& options_;
  std::span<const double> optimum_;
  Tuner* rough_;
  TunedFamily best_;
  double last_base_ = 0;
  bool several_ = false;  ///< the last whole grid had several minima
};

/// A member of a searched family.
struct Individual {
  std::vector<double> places;  ///< of each parameter in its range, 0 to 1
  double warmup = 0, base = 0, loss = 0;
  std::uint64_t line = 0;  ///< the random shape that it comes from
};

Parameters parameters_at(const Family& family, std::span<const double> places) {
  Parameters out;
  for (std::size_t f = 0; f < family.free.size(); ++f) {
    const Free& free = family.free[f];
    out.emplace_back(free.key, free.low + (free.high - free.low) * std::pow(places[f], free.power));
  }
  // Two places of points on [0, 1] are sorted.
  const auto of = [&](const char* key) { return std::ranges::find(out, key, &std::pair<std::string, double>::first); };
  const auto x1 = of("x1"), x2 = of("x2");
  if (x1 != out.end() && x2 != out.end() && x1->second > x2->second) std::swap(x1->second, x2->second);
  return out;
}

/// By a simplex over the parameters and the base together. \param width  of the first one, over the ranges
Individual polished(Tuner& tuner, const Family& family, const Individual& from, double width, double tolerance,
                    std::size_t most) {
  std::vector<double> start = from.places, widths;
  for (const Free& free : family.free) widths.push_back(width * free.spread / Free{}.spread);
  start.push_back(0.5);
  widths.push_back(width / 2);
  constexpr double span = 4;  // of the log base
  const auto base = [&](double place) { return from.base * std::exp(span * (place - 0.5)); };
  const numerics::SimplexMinimum found = numerics::simplex_minimum(
      [&](std::span<const double> x) {
        return tuner.score_at(parameters_at(family, x.first(x.size() - 1)), from.warmup, base(x.back())).loss;
      },
      std::move(start), std::move(widths), tolerance, static_cast<int>(most));
  Individual out = from;
  out.places.assign(found.at.begin(), found.at.end() - 1);
  out.base = base(found.at.back());
  out.loss = found.value;
  return out;
}

/// One seeded search of a family with several parameters: random shapes, of which the best eight have children, round after
/// round, ever nearer, at most two of one line; then simplices from the best of every line.
class Evolution {
 public:
  /// \param base  about where best bases lie; 0: not known
  Evolution(Tuner& tuner, const Family& family, const ScheduleSearch& options, double base, std::uint64_t restart)
      : tuner_(tuner), family_(family), options_(options), base_(base), restart_(restart) {}

  /// The best that it found.
  Individual run() {
    std::vector<Individual> members = random_shapes();
    keep_best(members);
    if (options_.search != "evolution") return members.front();
    double width = 1;
    for (std::uint64_t round = 1; round <= rounds; ++round, width *= 0.6) {
      const std::vector<Individual> parents = members;
      for (std::size_t p = 0; p < parents.size(); ++p)
        for (std::uint64_t c = 0; c < children; ++c)
          members.push_back(child(parents[p], width, stream(p * children + c, round)));
      keep_best(members);
    }
    const std::size_t most_tries = 60 * (family_.free.size() + 1);
    std::vector<Individual> ends;
    for (const Individual& member : members)
      if (std::isfinite(member.loss) && std::ranges::find(ends, member.line, &Individual::line) == ends.end())
        ends.push_back(polished(tuner_, family_, member, 0.05, 1e-4, most_tries));
    if (ends.empty()) return members.front();
    return polished(tuner_, family_, *std::ranges::min_element(ends, {}, &Individual::loss), 0.02, 1e-6,
                    2 * most_tries);
  }

 private:
  static constexpr std::uint64_t rounds = 6, children = 6;
  /// Bases are looked for within this factor of where they are expected.
  static constexpr double around = 8;

  static void keep_best(std::vector<Individual>& members) {
    constexpr std::size_t kept = 8;
    constexpr std::ptrdiff_t of_one_line = 2;
    std::ranges::stable_sort(members, {}, &Individual::loss);
    std::vector<Individual> best;
    for (Individual& member : members)
      if (best.size() < kept && std::ranges::count(best, member.line, &Individual::line) < of_one_line)
        best.push_back(std::move(member));
    members = std::move(best);
  }

  random::Stream stream(std::uint64_t i, std::uint64_t round) const {
    constexpr std::uint64_t apart = 10'000'000;  // more than there are random shapes
    return {options_.seed, restart_ * apart + i, round, random::Purpose::other};
  }

  std::vector<Individual> random_shapes() {
    const std::vector<double> warmups = rises_by_itself(family_) ? std::vector<double>{0} : options_.warmups;
    std::vector<Individual> out;
    for (std::uint64_t i = 0; i < options_.shapes; ++i) {
      random::Stream numbers = stream(i, 0);
      Individual member{{}, warmups[i % warmups.size()], 0, 0, i};
      for (std::size_t f = 0; f < family_.free.size(); ++f) member.places.push_back(numbers.uniform());
      constexpr int bits = 5;
      const BestBase best =
          tuner_.score(parameters_at(family_, member.places), member.warmup, base_ / around, base_ * around, bits);
      member.base = best.base;
      member.loss = best.loss;
      out.push_back(std::move(member));
    }
    return out;
  }

  Individual child(Individual of, double width, random::Stream numbers) {
    for (std::size_t f = 0; f < of.places.size(); ++f)
      of.places[f] = std::clamp(of.places[f] + width * family_.free[f].spread * numbers.normal(), 0.0, 1.0);
    constexpr double spread = 0.2;  // of the log base
    const BestBase best = tuner_.score_at(parameters_at(family_, of.places), of.warmup,
                                          of.base * std::exp(width * spread * numbers.normal()));
    of.base = best.base;
    of.loss = best.loss;
    return of;
  }

  Tuner& tuner_;
  const Family& family_;
  const ScheduleSearch& options_;
  double base_;
  std::uint64_t restart_;
};

}  // namespace

std::vector<std::string> schedule_family_names() {
  std::vector<std::string> out;
  for (const Family& family : families()) out.emplace_back(family.name);
  return out;
}

std::vector<std::pair<std::string, double>> grid_members(const std::string& name, double steps) {
  const Family& family = family_of(name);
  std::vector<std::pair<std::string, double>> out;
  for (const double value : family.grid)
    out.emplace_back(name + " " + settings::text_of(value), value * (family.in_horizons ? steps : 1));
  return out;
}

std::vector<double> shape_of(const std::string& family, const FamilyMember& member, const ScheduleSearch& options,
                             std::size_t steps) {
  return multipliers(section_of(family_of(family), options, member.parameters, member.warmup),
                     static_cast<double>(steps), all_steps(steps));
}

TunedFamily tune_family(const RateObjective& J, const std::string& name, const ScheduleSearch& options,
                        std::span<const double> optimum) {
  const Family& family = family_of(name);
  const auto horizon = static_cast<double>(J.steps());
  const Losses exact{J, horizon, all_steps(J.steps())};
  const Estimated estimate(J);
  const Losses about{estimate, horizon, estimate.middles()};
  Tuner by_estimate(about, family, options, {});
  Tuner tuner(exact, family, options, optimum, estimate.known() ? &by_estimate : nullptr);
  if (!family.free.empty()) {
    const double base = optimum.empty() ? 0 : *std::ranges::max_element(optimum);
    Individual best{{}, 0, 0, std::numeric_limits<double>::infinity()};
    for (std::uint64_t i = 0; options.search != "none" && i < options.restarts; ++i) {
      Individual end = Evolution(estimate.known() ? by_estimate : tuner, family, options, base, i).run();
      if (estimate.known()) {
        constexpr double around = 1.3;
        const BestBase found =
            tuner.score(parameters_at(family, end.places), end.warmup, end.base / around, end.base * around, 8);
        end.base = found.base;
        end.loss = found.loss;
      }
      tuner.restarted(end.loss);
      if (end.loss < best.loss) best = std::move(end);
    }
    if (estimate.known() && options.search == "evolution" && std::isfinite(best.loss))
      polished(tuner, family, best, 0.005, 1e-6, 10 * family.free.size());
    return tuner.take();
  }
  for (const double warmup : options.warmups) {
    if (!family.key) tuner.score_next({}, warmup);
    for (const auto& [member, value] : grid_members(name, horizon)) tuner.score_next({{family.key, value}}, warmup);
  }
  return tuner.take();
}

std::vector<OneMoved> move_one_at_a_time(const RateObjective& J, const TunedFamily& tuned,
                                         const ScheduleSearch& options) {
  const Family& family = family_of(tuned.name);
  const Losses exact{J, static_cast<double>(J.steps()), all_steps(J.steps())};
  std::vector<OneMoved> out;
  for (const Free& free : family.free)
    for (const double part : {-0.25, -0.25 / 3, 0.25 / 3, 0.25}) {
      Tuner tuner(exact, family, options, {});
      Parameters parameters = tuned.parameters;
      for (auto& [key, value] : parameters)
        if (key == free.key) {
          value = std::clamp(value + part * (free.high - free.low), free.low, free.high);
          out.push_back({key, value, 0});
        }
      out.back().loss = tuner.score(parameters, tuned.warmup, tuned.base / 8, tuned.base * 8, 12).loss;
    }
  return out;
}

}  // namespace edgewise::models::ingredients
