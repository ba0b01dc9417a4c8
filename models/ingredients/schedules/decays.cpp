#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "models/ingredients/schedules/shape.hpp"

namespace edgewise::models::ingredients {

namespace {

using settings::Parameter;
using settings::Values;

Shape polynomial(double horizon, double power, double floor) {
  return smooth(horizon, [=](double x) { return floor + (1 - floor) * std::pow(1 - x, power); });
}

double cosine_half(double x) {
  return 0.5 * (1 + std::cos(std::numbers::pi * x));
}

/// A way down from 1 at z = 0 to 0 at z = 1.
using Descent = double (*)(double z, double power);

/// By their names.
const std::vector<std::pair<std::string, Descent>>& descents() {
  static const std::vector<std::pair<std::string, Descent>> all = {
      {"linear", [](double z, double) { return 1 - z; }},
      {"1-sqrt", [](double z, double) { return 1 - std::sqrt(z); }},
      {"cosine", [](double z, double) { return cosine_half(z); }},
      {"power", [](double z, double power) { return std::pow(1 - z, power); }}};
  return all;
}

/// The key that names one of them.
Parameter descent_parameter(std::string name, std::string doc) {
  std::vector<std::string> names;
  for (const auto& [called, at] : descents()) names.push_back(called);
  return settings::text(std::move(name), std::move(doc)).one_of(names).otherwise(names.front());
}

Descent descent(const std::string& name) {
  return std::ranges::find(descents(), name, &std::pair<std::string, Descent>::first)->second;
}

Shape inverse_power(double start, double exponent) {
  return {[=](double t) { return std::pow(1 + t / start, -exponent); }, {}, false};
}

Shape stages(double horizon, double factor, std::int64_t count) {
  const auto n = static_cast<double>(count);
  Shape shape;
  shape.at = [=](double t) { return std::pow(factor, static_cast<double>(stage_at(t, n, horizon))); };
  for (std::int64_t i = 1; i < count; ++i) shape.breaks.push_back(static_cast<double>(i) * horizon / n);
  return shape;
}

Parameter floor_parameter() {
  return settings::number("floor", "value f that the decay ends at").at_least(0).at_most(1).otherwise(0.0);
}

}  // namespace

std::vector<ScheduleKind> decays() {
  std::vector<ScheduleKind> all;
  all.push_back(schedule_family("constant", "no decay", "s = 1", {}, [](const Values&, double) {
    return Shape{[](double) { return 1.0; }, {}, true};
  }));
  all.push_back(schedule_family("linear", "straight line to a floor", "s(x) = 1 - (1 - f) x,  x = k/T",
                                {floor_parameter()},
                                [](const Values& v, double T) { return polynomial(T, 1, v.number("floor")); }));
  all.push_back(
      schedule_family("polynomial", "power of the remaining time", "s(x) = f + (1 - f)(1 - x)^p,  x = k/T",
                      {settings::number("power", "exponent p").above(0).otherwise(1.0), floor_parameter()},
                      [](const Values& v, double T) { return polynomial(T, v.number("power"), v.number("floor")); }));
  all.push_back(schedule_family(
      "cosine", "half a cosine, several, or a power of them", "s(x) = f + (1 - f) ((1 + cos n pi x)/2)^p,  x = k/T",
      {floor_parameter(), settings::number("power", "exponent p").above(0).otherwise(1.0),
       settings::number("half_waves", "n; 3 falls, rises and falls again").above(0).at_most(1e6).otherwise(1.0)},
      [](const Values& v, double T) {
        const double floor = v.number("floor"), power = v.number("power"), n = v.number("half_waves");
        return smooth(T, [=](double x) { return floor + (1 - floor) * std::pow(cosine_half(n * x), power); });
      }));
  all.push_back(
      schedule_family("warmup-stable-decay", "constant, then a cooldown at the end",
                      "s(x) = 1 for x < 1 - c;  else with z = (x - 1 + c)/c:\n"
                      "linear 1 - z,  1-sqrt 1 - sqrt z,  cosine (1 + cos pi z)/2,  power (1 - z)^p;  x = k/T",
                      {settings::number("cooldown", "fraction c of the horizon").above(0).at_most(1).otherwise(0.2),
                       descent_parameter("shape", "shape of the cooldown"),
                       settings::number("power", "exponent p").where("shape", {"power"}).above(0).otherwise(2.0)},
                      [](const Values& v, double T) {
                        const double part = v.number("cooldown"), start = 1 - part, power = v.number("power");
                        const auto of_x = [=, down = descent(v.text("shape"))](double x) {
                          return x < start ? 1.0 : down(std::min(1.0, (x - start) / part), power);
                        };
                        return smooth(T, of_x, {start});
                      }));
  all.push_back(
      schedule_family("inverse-square-root", "inverse square root of time", "s = (1 + k/t0)^(-1/2)",
                      {settings::number("t0", "time at which the decay sets in").in("optimizer steps").above(0).must()},
                      [](const Values& v, double) { return inverse_power(v.number("t0"), 0.5); }));
  all.push_back(schedule_family(
      "inverse-power", "inverse power of time", "s = (1 + k/t0)^(-q)",
      {settings::number("t0", "time at which the decay sets in").in("optimizer steps").above(0).must(),
       settings::number("exponent", "q; 1/2 inverse square root, 1 inverse time").above(0).otherwise(1.0)},
      [](const Values& v, double) { return inverse_power(v.number("t0"), v.number("exponent")); }));
  all.push_back(schedule_family(
      "step", "equal stages, each lower by a factor", "s(x) = f^floor(n x),  x = k/T",
      {settings::number("factor", "f, from one stage to the next").above(0).at_most(1).otherwise(0.1),
       settings::integer("stages", "number n of equal stages").at_least(1).at_most(1e6).otherwise(std::int64_t{3})},
      [](const Values& v, double T) { return stages(T, v.number("factor"), v.integer("stages")); }));
  all.push_back(schedule_family("exponential", "exponential decay", "s(x) = exp(-r x),  x = k/T",
                                {settings::number("rate", "r, per horizon").at_least(0).otherwise(5.0)},
                                [](const Values& v, double T) {
                                  return smooth(T, [rate = v.number("rate")](double x) { return std::exp(-rate * x); });
                                }));
  all.push_back(schedule_family(
      "rex", "reflected exponential", "s(x) = (1 - x)/(1 - b x),  x = k/T",
      {settings::number("b", "1/2 is the standard one, 0 is linear, below 0 convex").below(1).otherwise(0.5),
       settings::number("beta", "instead of b: 1 - b, as it is also written").above(0).computed("1 - b")},
      [](const Values& v, double T) {
        if (v.given("b") && v.given("beta")) throw v.error("beta", "give either b or beta, not both");
        const double b = v.given("beta") ? 1 - v.number("beta") : v.number("b");
        return smooth(T, [b](double x) { return (1 - x) / (1 - b * x); });
      }));
  all.push_back(schedule_family("square-root", "square root of the remaining time, or a power of it",
                                "s(x) = (1 - x^2)^(a/2),  x = k/T;  with warmup_mode = first times the last of w > 1 "
                                "steps of warm-up, (w - 1)/w of a linear one",
                                {settings::number("a", "1 is a quarter of a circle, 0 is constant, 2 is 1 - x^2")
                                     .at_least(0)
                                     .at_most(2)
                                     .otherwise(1.0)},
                                [](const Values& v, double T) {
                                  Shape shape = smooth(
                                      T, [a = v.number("a")](double x) { return std::pow((1 - x) * (1 + x), a / 2); });
                                  shape.from_last_warmup = true;
                                  return shape;
                                }));
  return all;
}

}  // namespace edgewise::models::ingredients
