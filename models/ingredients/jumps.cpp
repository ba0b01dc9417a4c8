#include "models/ingredients/jumps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "solvers/linear_phases.hpp"

namespace edgewise::models::ingredients {

namespace {

/// Of the contour, which costs no more for many digits.
constexpr double contour_rtol = 1e-11;
/// A relative accuracy of p with which nothing can be judged any more.
constexpr double lost_accuracy = 1e-4;
/// Steps of a map that cost as much as one term of the contour's rule.
constexpr double steps_of_a_node = 16;

}  // namespace

Jumps::Jumps(solvers::RankOneSystem system, double rtol)
    : kind_(system.kind),
      weight_(system.weight),
      start_(system.initial),
      rtol_(rtol),
      contour_(std::move(system), std::min(rtol, contour_rtol)) {}

double Jumps::worthwhile() const {
  return std::max(contour_.earliest(), steps_of_a_node * static_cast<double>(contour_.nodes()));
}

void Jumps::read(double t, std::span<const std::vector<double>> rows, std::span<double> out) {
  if (t == 0) {
    out[0] = solvers::dot(weight_, start_);
    for (std::size_t r = 0; r < rows.size(); ++r) out[r + 1] = solvers::dot(rows[r], start_);
    return;
  }
  if (contour_.functionals(t, rows, out) > lost_accuracy && !valid_until_) valid_until_ = last_;
  last_ = t;
  for (double& value : out)
    if (value < 0) value = 0;
}

void Jumps::state(double t, std::span<double> s) const {
  if (t == 0)
    std::ranges::copy(start_, s.begin());
  else
    contour_.state(t, s);
  for (double& value : s) value = std::max(0.0, value);
}

double Jumps::crossing(double good, double bad, double limit) const {
  const bool map = kind_ == solvers::RankOneSystem::Kind::map;
  good = std::max(good, contour_.earliest());
  while (map ? bad > good + 1 : bad - good > 1e-6 * bad) {
    double middle = good + (bad - good) / 2;
    if (map) middle = std::floor(middle);
    (std::abs(contour_.shared(middle)) <= limit ? good : bad) = middle;
  }
  return bad;
}

void Jumps::report(Trajectory& out) const {
  if (contour_.evaluations() == 0) return;
  const double error = contour_.error_estimate();
  out.report.emplace_back("transform_evaluations", static_cast<double>(contour_.evaluations()));
  out.report.emplace_back("growth_rate", contour_.growth_rate());
  out.report.emplace_back("contour_error_estimate", error);
  out.valid_until = valid_until_;
  if (error > lost_accuracy)
    out.warnings.push_back(
        "at the latest steps P is so far below its early values that rounding hides it; they are shown, not judged");
  else if (error > rtol_)
    out.warnings.push_back(
        fmt::format("at the latest steps P is so far below its early values that only a relative accuracy of "
                    "about {:.1g} is left",
                    error));
}

}  // namespace edgewise::models::ingredients
