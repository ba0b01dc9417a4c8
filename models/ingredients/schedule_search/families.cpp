#include "models/ingredients/schedule_search/families.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <stdexcept>

#include "models/ingredients/schedule_search/best_rates.hpp"
#include "models/ingredients/schedules.hpp"
#include "random/random.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::ingredients {

namespace {

/// A parameter that a search moves: uniform in [low, high], to the power `power` where small values need care.
struct Free {
  const char* key;
  double low = 0, high = 1;
  double spread = 0.15;  ///< of the children of a first round
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

/// Of every step. \throws settings::Error outside of the family's domain.
std::vector<double> multipliers(const settings::Table& section, std::size_t steps) {
  const auto schedule = read_schedule(section, "schedule", static_cast<double>(steps));
  std::vector<double> out;
  for (std::size_t k = 0; k < steps; ++k) out.push_back(schedule->at(static_cast<double>(k)));
  return out;
}

/// Of few steps the loss has many minima along the base, above all with large batches, and a member's neighbour says little
/// of its own: members are then looked for on the whole grid, those of searches and those of grids.
constexpr std::uint64_t few_steps = 16, some_steps = 128;

/// The best member found so far, and how members are made and tried.
class Tuner {
 public:
  Tuner(const RateObjective& J, const Family& family, const ScheduleSearch& options, std::span<const double> optimum)
      : J_(J), family_(family), options_(options), optimum_(optimum) {
    best_.name = family.name;
    best_.loss = std::numeric_limits<double>::infinity();
  }

  settings::Table section(const Parameters& parameters, double warmup) const {
    return section_of(family_, options_, parameters, warmup);
  }

  /// The shape; nothing where these parameters are none (x1 beyond x2), or it is 0 all along.
  std::optional<std::vector<double>> shape(const Parameters& parameters, double warmup) const {
    try {
      std::vector<double> out = multipliers(section(parameters, warmup), J_.steps());
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
    const BestBase base = near ? best_base_between(J_, *s, low, high, bits) : best_base(J_, *s, options_.max_rate);
    if (!near) several_ = base.minima > 1;
    ++best_.shapes;
    best_.tried.push_back({parameters, warmup, base.base, base.loss});
    fit(parameters, warmup, *s);
    if (base.loss < best_.loss) {
      best_.parameters = parameters;
      best_.warmup = warmup;
      best_.base = base.base;
      best_.loss = base.loss;
      best_.base_at_edge = base.at_edge;
    }
    return base;
  }

  /// The same for one of many alike: first near the base of the one before, on the whole grid where that is not enough.
  void score_next(const Parameters& parameters, double warmup) {
    constexpr double around = 3, end = 1.05;
    if (last_base_ > 0 && !several_ && J_.steps() > some_steps) {
      const BestBase near = score(parameters, warmup, last_base_ / around, last_base_ * around, 12);
      if (near.base > last_base_ / around * end && near.base < last_base_ * around / end) {
        last_base_ = near.base;
        return;
      }
      best_.tried.pop_back();
      --best_.shapes;
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
  const TunedFamily& best() const { return best_; }

 private:
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

  const RateObjective& J_;
  const Family& family_;
  const ScheduleSearch& options_;
  std::span<const double> optimum_;
  TunedFamily best_;
  double last_base_ = 0;
  bool several_ = false;  ///< the last whole grid had several minima
};

/// Seeded random shapes, of which the best eight have children, round after round, ever nearer.
class Evolution {
 public:
  Evolution(Tuner& tuner, const Family& family, const ScheduleSearch& options, double base)
      : tuner_(tuner), family_(family), options_(options), base_(base) {}

  void run() {
    constexpr int kept = 8, rounds = 6, children = 6;
    const std::vector<double> warmups = rises_by_itself(family_) ? std::vector<double>{0} : options_.warmups;
    std::vector<Individual> members;
    for (std::uint64_t i = 0; i < options_.shapes; ++i) {
      random::Stream stream(options_.seed, i, 0, random::Purpose::other);
      Individual member{{}, warmups[i % warmups.size()], 0};
      for (const Free& f : family_.free)
        member.values.push_back(f.low + (f.high - f.low) * std::pow(stream.uniform(), f.power));
      judge(member, base_, 8, 8);
      members.push_back(std::move(member));
    }
    const auto keep_best = [&] {
      std::ranges::stable_sort(members, {}, &Individual::loss);
      members.resize(std::min<std::size_t>(members.size(), kept));
    };
    keep_best();
    double width = 1;
    for (std::uint64_t round = 1; options_.search == "evolution" && round <= rounds; ++round, width *= 0.6) {
      const std::vector<Individual> parents = members;
      for (std::size_t p = 0; p < parents.size(); ++p)
        for (std::uint64_t c = 0; c < children; ++c) {
          random::Stream stream(options_.seed, p * children + c, round, random::Purpose::other);
          Individual child = parents[p];
          for (std::size_t f = 0; f < family_.free.size(); ++f) {
            const Free& free = family_.free[f];
            child.values[f] = std::clamp(child.values[f] + width * free.spread * stream.normal(), free.low, free.high);
          }
          judge(child, base_, 8, 8);
          members.push_back(std::move(child));
        }
      keep_best();
    }
    if (options_.search == "evolution") polish();
  }

 private:
  struct Individual {
    std::vector<double> values;
    double warmup = 0, loss = 0;
  };

  /// Each parameter by itself, up and down, in ever smaller steps.
  void polish() {
    constexpr double first = 0.1, last = 0.002;
    for (double step = first; step > last;) {
      const double before = tuner_.best().loss;
      for (const Free& free : family_.free)
        for (const double sign : {-1.0, 1.0}) {
          const TunedFamily best = tuner_.best();
          if (!std::isfinite(best.loss)) return;
          Individual moved{{}, best.warmup, 0};
          for (std::size_t f = 0; f < family_.free.size(); ++f) {
            const Free& own = family_.free[f];
            const double by = own.key == free.key ? sign * step * own.spread / 0.15 : 0;
            moved.values.push_back(
                std::clamp(best.parameters[f].second + by * (own.high - own.low), own.low, own.high));
          }
          judge(moved, best.base, 1.5, 12);
        }
      if (!(tuner_.best().loss < before * (1 - 1e-5))) step /= 2;
    }
  }

  /// The base is looked for around `base`, up and down by a factor.
  void judge(Individual& member, double base, double factor, int bits) {
    Parameters parameters;
    for (std::size_t f = 0; f < family_.free.size(); ++f)
      parameters.emplace_back(family_.free[f].key, member.values[f]);
    // Two places of points on [0, 1] are sorted.
    const auto place = [&](const char* key) {
      return std::ranges::find(parameters, key, &std::pair<std::string, double>::first);
    };
    const auto x1 = place("x1"), x2 = place("x2");
    if (x1 != parameters.end() && x2 != parameters.end() && x1->second > x2->second) std::swap(x1->second, x2->second);
    member.loss = base > 0 ? tuner_.score(parameters, member.warmup, base / factor, base * factor, bits).loss
                           : tuner_.score(parameters, member.warmup, 0, 0, 0).loss;
  }

  Tuner& tuner_;
  const Family& family_;
  const ScheduleSearch& options_;
  double base_;
};

}  // namespace

std::vector<std::string> schedule_family_names() {
  std::vector<std::string> out;
  for (const Family& family : families()) out.emplace_back(family.name);
  return out;
}

std::vector<double> shape_of(const std::string& family, const FamilyMember& member, const ScheduleSearch& options,
                             std::size_t steps) {
  return multipliers(section_of(family_of(family), options, member.parameters, member.warmup), steps);
}

TunedFamily tune_family(const RateObjective& J, const std::string& name, const ScheduleSearch& options,
                        std::span<const double> optimum) {
  const Family& family = family_of(name);
  Tuner tuner(J, family, options, optimum);
  if (!family.free.empty()) {
    if (options.search != "none")
      Evolution(tuner, family, options, optimum.empty() ? 0 : *std::ranges::max_element(optimum)).run();
    return tuner.take();
  }
  const double unit = family.in_horizons ? static_cast<double>(J.steps()) : 1;
  for (const double warmup : options.warmups) {
    if (!family.key) tuner.score_next({}, warmup);
    for (const double value : family.grid) tuner.score_next({{family.key, value * unit}}, warmup);
  }
  return tuner.take();
}

std::vector<OneMoved> move_one_at_a_time(const RateObjective& J, const TunedFamily& tuned,
                                         const ScheduleSearch& options) {
  const Family& family = family_of(tuned.name);
  std::vector<OneMoved> out;
  for (const Free& free : family.free)
    for (const double part : {-0.25, -0.25 / 3, 0.25 / 3, 0.25}) {
      Tuner tuner(J, family, options, {});
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
