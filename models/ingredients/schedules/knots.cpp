#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "models/ingredients/schedules/shape.hpp"
#include "numerics/pchip.hpp"

namespace edgewise::models::ingredients {

namespace {

using settings::Parameter;
using settings::Values;

struct Knot {
  double t, y;
};

/// Through knots. Of two at one time straight lines keep both, a jump; a monotone cubic keeps the first.
Shape through(std::vector<Knot> knots, bool spline) {
  std::ranges::stable_sort(knots, {}, &Knot::t);
  Shape shape;
  for (const Knot& knot : knots) shape.breaks.push_back(knot.t);
  if (spline) {
    std::vector<double> t, y;
    for (const Knot& knot : knots)
      if (t.empty() || knot.t > t.back()) {
        t.push_back(knot.t);
        y.push_back(knot.y);
      }
    shape.at = numerics::Pchip(std::move(t), std::move(y));
    return shape;
  }
  shape.at = [knots = std::move(knots)](double t) {
    std::size_t i = 0;  // the last knot at or before t
    while (i + 1 < knots.size() && knots[i + 1].t <= t) ++i;
    if (i + 1 == knots.size() || t < knots[i].t) return knots[i].y;
    const double part = (t - knots[i].t) / (knots[i + 1].t - knots[i].t);
    return knots[i].y + (knots[i + 1].y - knots[i].y) * part;
  };
  return shape;
}

/// To [minimum, maximum].
Shape clipped(Shape shape, const Values& values) {
  const double low = values.number("minimum"), high = values.number("maximum");
  if (low > high) throw values.error("minimum", "must be at most maximum");
  shape.at = [at = std::move(shape.at), low, high](double t) { return std::clamp(at(t), low, high); };
  return shape;
}

/// Over its largest value on the steps 0..T-1, which, the curve being monotone between its knots, stands beside one.
Shape over_its_maximum(Shape shape, const Values& values, double horizon) {
  double largest = shape.at(0);
  for (const double knot : shape.breaks)
    for (const double k : {std::floor(knot), std::ceil(knot)})
      if (const double last = std::ceil(horizon) - 1; last >= 0)
        largest = std::max(largest, shape.at(std::min(k, last)));
  if (!(largest > 0)) throw values.error("y0", "the curve is 0 at every step; give it a positive value");
  shape.at = [at = std::move(shape.at), largest](double t) { return at(t) / largest; };
  return shape;
}

Parameter unit_number(std::string name, std::string doc, double value) {
  return settings::number(std::move(name), std::move(doc)).at_least(0).at_most(1).otherwise(value);
}

Parameter interpolation() {
  return settings::text("interpolate", "straight lines, or a monotone cubic (PCHIP)")
      .one_of({"linear", "pchip"})
      .otherwise(std::string("pchip"));
}

}  // namespace

std::vector<ScheduleKind> curves_by_knots() {
  const auto height = [](const char* name, double value) {
    return settings::number(name, "height").at_least(0).otherwise(value);
  };
  std::vector<ScheduleKind> all;
  all.push_back(schedule_family(
      "two-point", "a curve through two free points and two ends",
      "through (0, y0), (x1, y1), (x2, y2), (1, y3), over its largest value;  x = k/T",
      {height("y0", 0.6), unit_number("x1", "place of the first point", 0.1), height("y1", 1),
       unit_number("x2", "place of the second point", 0.6), height("y2", 0.3), height("y3", 0.02), interpolation()},
      [](const Values& v, double T) {
        const double x1 = v.number("x1"), x2 = v.number("x2");
        if (!(0 < x1 && x1 < x2 && x2 < 1)) throw v.error("x2", "the points need 0 < x1 < x2 < 1");
        const std::vector<Knot> knots = {
            {0, v.number("y0")}, {x1 * T, v.number("y1")}, {x2 * T, v.number("y2")}, {T, v.number("y3")}};
        return over_its_maximum(through(knots, v.text("interpolate") == "pchip"), v, T);
      }));
  all.push_back(schedule_family(
      "stick-breaking", "a curve through two points, each placed in what the one before has left",
      "x1 = d1,  x2 = x1 + d2 (1 - x1),  y2 = dy2 y1:  through (0, 1), (x1, y1), (x2, y2), (1, y_end y2) at whole "
      "steps,\n"
      "clipped to [minimum, maximum];  x = k/T, meant for warmup_mode = first",
      {unit_number("y1", "height of the first point", 0.7), unit_number("d1", "its place", 0.3),
       unit_number("dy2", "height of the second point, over y1", 0.3), unit_number("d2", "its place", 0.5),
       unit_number("y_end", "height of the end, over y2", 0), unit_number("minimum", "lowest value", 0),
       settings::number("maximum", "highest value").above(0).otherwise(1.0), interpolation()},
      [](const Values& v, double T) {
        const double x1 = v.number("d1"), x2 = x1 + v.number("d2") * (1 - x1), y2 = v.number("dy2") * v.number("y1");
        const auto step = [T](double x) { return std::floor(x * T + 1e-9); };
        const Knot first{step(x1), v.number("y1")}, second{step(x2), y2}, end{T, v.number("y_end") * y2};
        return clipped(through({{0, 1}, first, second, end}, v.text("interpolate") == "pchip"), v);
      }));
  all.push_back(schedule_family(
      "smooth", "a smooth curve with its peak anywhere, that may rise again",
      "monotone cubic through (0, y_start), (d1, y1), (d1 + (1 - d1) d2, y2), (x_peak, 1), (1, y_end), sorted;  x = "
      "k/T",
      {unit_number("y_start", "value at the start", 0), unit_number("y_end", "value at the end", 0),
       unit_number("x_peak", "place of the peak", 0.2), unit_number("y1", "height of the first point", 0.8),
       unit_number("d1", "its place", 0.1), unit_number("y2", "height of the second point", 0.3),
       unit_number("d2", "its place in what the first has left", 0.7)},
      [](const Values& v, double T) {
        const double d1 = v.number("d1"), d2 = d1 + (1 - d1) * v.number("d2"), peak = v.number("x_peak");
        const Knot start{0, v.number("y_start")}, first{d1 * T, v.number("y1")}, second{d2 * T, v.number("y2")};
        return through({start, first, second, {peak * T, 1}, {T, v.number("y_end")}}, true);
      }));
  return all;
}

}  // namespace edgewise::models::ingredients
