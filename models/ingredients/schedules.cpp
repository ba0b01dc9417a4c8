// Built at -O1: nothing here takes time.
#include "models/ingredients/schedules.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>

#include "models/ingredients/schedules/shape.hpp"

namespace edgewise::models::ingredients {

namespace {

using settings::Description;
using settings::Parameter;
using settings::Values;

/// How the rate rises: of z in [0, 1].
std::function<double(double)> ramp(const Values& values) {
  const std::string& shape = values.text("warmup_shape");
  if (shape == "cosine") return [](double z) { return 0.5 * (1 - std::cos(std::numbers::pi * z)); };
  if (shape == "exponential") return [g = values.number("warmup_rate")](double z) { return -std::expm1(-g * z); };
  if (shape == "polynomial") return [q = values.number("warmup_power")](double z) { return std::pow(z, q); };
  return [](double z) { return z; };
}

/// A shape times a warm-up factor, ramp((t + 1)/w) while that is short of its end.
class WarmedShape final : public Schedule {
 public:
  WarmedShape(Shape shape, double warmup_steps, std::function<double(double)> ramp)
      : shape_(std::move(shape)), warmup_(warmup_steps), ramp_(std::move(ramp)) {
    breaks_ = shape_.breaks;
    if (warmup_ > 1) breaks_.push_back(warmup_ - 1);
    std::sort(breaks_.begin(), breaks_.end());
    breaks_.erase(std::unique(breaks_.begin(), breaks_.end()), breaks_.end());
  }
  double at(double t) const override {
    const double value = shape_.at(t);
    return t + 1 < warmup_ ? value * ramp_((t + 1) / warmup_) : value;
  }
  bool constant() const override { return shape_.constant && warmup_ <= 1; }
  std::vector<double> breaks() const override { return breaks_; }

 private:
  Shape shape_;
  double warmup_;
  std::function<double(double)> ramp_;
  std::vector<double> breaks_;
};

/// w whole steps of ramp(t/w), then the shape with a clock of its own.
class RampThenShape final : public Schedule {
 public:
  RampThenShape(Shape shape, double warmup_steps, std::function<double(double)> ramp)
      : shape_(std::move(shape)), warmup_(warmup_steps), ramp_(std::move(ramp)) {}
  double at(double t) const override {
    if (t < warmup_) return ramp_(t / warmup_);
    return shape_.at(t - warmup_) * (shape_.from_last_warmup && warmup_ > 1 ? ramp_((warmup_ - 1) / warmup_) : 1);
  }
  bool constant() const override { return shape_.constant && warmup_ == 0; }
  std::vector<double> breaks() const override {
    std::vector<double> out;
    if (warmup_ > 0) out.push_back(warmup_);
    for (const double t : shape_.breaks)
      if (t > 0) out.push_back(warmup_ + t);
    return out;
  }

 private:
  Shape shape_;
  double warmup_;
  std::function<double(double)> ramp_;
};

/// A shape on the last steps of a horizon alone: before them it is what it starts with.
Shape begun_late(const ShapeBuilder& shape, const Values& values, double horizon) {
  const double begin = (1 - values.number("last_fraction")) * horizon;
  Shape out = shape(values, horizon - begin);
  if (!(begin > 0)) return out;
  for (double& t : out.breaks) t += begin;
  if (!out.constant) out.breaks.push_back(begin);
  out.at = [begin, at = std::move(out.at)](double t) { return at(std::max(0.0, t - begin)); };
  return out;
}

std::vector<Parameter> warmup_parameters() {
  return {
      settings::number("last_fraction",
                       "f: the whole shape stands on the last f of the horizon (of what a warm-up that comes first "
                       "leaves of it); before, it is what it starts with")
          .above(0)
          .at_most(1)
          .otherwise(1.0),
      settings::number("warmup", "fraction wu of the horizon over which the multiplier rises")
          .at_least(0)
          .below(1)
          .otherwise(0.0),
      settings::text(
          "warmup_mode",
          "multiply: the shape, from step 0 on, times the ramp at (k+1)/(wu T) while that is below 1, then the shape "
          "alone; first: the ramp at k/w for w = wu T, rounded to whole steps, then the shape on the T - w that "
          "are left")
          .one_of({"multiply", "first"})
          .otherwise(std::string("multiply")),
      settings::text(
          "warmup_shape",
          "the ramp: linear z, cosine (1 - cos pi z)/2, exponential 1 - exp(-g z), which ends short of the shape "
          "by exp(-g), polynomial z^q")
          .one_of({"linear", "cosine", "exponential", "polynomial"})
          .otherwise(std::string("linear")),
      settings::number("warmup_rate", "g of the exponential ramp")
          .where("warmup_shape", {"exponential"})
          .above(0)
          .otherwise(5.0),
      settings::number("warmup_power", "q of the polynomial ramp")
          .where("warmup_shape", {"polynomial"})
          .above(0)
          .otherwise(2.0)};
}

const std::vector<ScheduleKind>& schedule_kind_list() {
  static const std::vector<ScheduleKind> all = [] {
    std::vector<ScheduleKind> kinds;
    for (auto list : {decays(), curves_by_knots(), schedules_by_list()})
      for (ScheduleKind& kind : list) kinds.push_back(std::move(kind));
    return kinds;
  }();
  return all;
}

}  // namespace

ScheduleKind schedule_family(std::string name, std::string summary, std::string equations,
                             std::vector<Parameter> parameters, ShapeBuilder shape) {
  for (Parameter& p : warmup_parameters()) parameters.push_back(std::move(p));
  ScheduleKind result;
  result.description = Description{std::move(name), std::move(summary), std::move(equations),
                                   "docs/theory/schedules-and-collapse.md, section 2", std::move(parameters)};
  result.build = [shape = std::move(shape)](const Values& values, double horizon) -> std::unique_ptr<Schedule> {
    for (const char* key : {"warmup_mode", "warmup_shape", "warmup_rate", "warmup_power"})
      if (values.given(key) && !values.given("warmup"))
        throw values.error(key, "is read where `warmup` is given, and here it is not; leave it out");
    const double steps = values.number("warmup") * horizon;
    if (values.text("warmup_mode") == "multiply")
      return std::make_unique<WarmedShape>(begun_late(shape, values, horizon), steps, ramp(values));
    const double whole = std::round(steps);
    return std::make_unique<RampThenShape>(begun_late(shape, values, horizon - whole), whole, ramp(values));
  };
  return result;
}

std::span<const ScheduleKind> schedule_kinds() {
  return schedule_kind_list();
}

std::unique_ptr<Schedule> read_schedule(const settings::Table& experiment, const std::string& section, double horizon,
                                        std::span<const std::string> others) {
  std::vector<const Description*> descriptions;
  for (const auto& one : schedule_kind_list()) descriptions.push_back(&one.description);
  const auto dot = section.rfind('.');
  const settings::Table parent =
      dot == std::string::npos ? settings::Table() : experiment.table_or_empty(section.substr(0, dot));
  const auto choice = dot == std::string::npos
                          ? settings::read_choice(experiment, section, descriptions, "constant", others)
                          : settings::read_choice(parent, section.substr(dot + 1), descriptions, "constant", others);
  return schedule_kind_list()[choice.index].build(choice.values, horizon);
}

}  // namespace edgewise::models::ingredients
