#include "models/ingredients/curved_objective.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "linear_algebra/largest_eigenvalues.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::ingredients {

namespace {

[[noreturn]] void no_outputs() {
  throw std::logic_error("this loss is known without its outputs");
}

}  // namespace

std::vector<double> CurvedObjective::cotangent() const {
  no_outputs();
}

std::vector<double> CurvedObjective::moved_cotangent(std::span<const double>) const {
  no_outputs();
}

void CurvedObjective::pull_back(std::span<const double>, std::span<double>) const {
  no_outputs();
}

void CurvedObjective::weighted_curvature(std::span<const double>, std::span<const double>, std::span<double>) const {
  no_outputs();
}

std::vector<double> CurvedObjective::root_probe(random::Stream&) const {
  no_outputs();
}

LargestCurvature largest_curvature(const CurvedObjective& objective, CurvaturePart part,
                                   const linear_algebra::Matrix& start, double tolerance, std::span<const double> P) {
  std::vector<double> scaled(P.size());
  const auto apply = [&](std::span<const double> x, std::span<double> y) {
    if (P.empty()) return objective.product(part, x, y);
    for (std::size_t k = 0; k < P.size(); ++k) scaled[k] = x[k] / std::sqrt(P[k]);
    objective.product(part, scaled, y);
    for (std::size_t k = 0; k < P.size(); ++k) y[k] /= std::sqrt(P[k]);
  };
  const linear_algebra::LargestEigen top =
      linear_algebra::largest_eigenvalues(objective.parameters(), 1, apply, start, {.tolerance = tolerance});
  const auto vector = top.vectors.column(0);
  return {top.values[0], {vector.begin(), vector.end()}, top.next_start};
}

double curvature_along(const CurvedObjective& objective, CurvaturePart part, std::span<const double> v) {
  std::vector<double> moved(v.size());
  objective.product(part, v, moved);
  return numerics::dot_in_order(v, moved);
}

EstimatedTraces hutchinson_traces(const CurvedObjective& objective, std::size_t probes, random::Stream& stream) {
  if (probes == 0) throw std::invalid_argument("an estimate of traces needs at least one probe");
  std::vector<double> v(objective.parameters());
  // Means and sums of squared deviations, updated probe by probe: of H, GGN, NME.
  double mean[3] = {}, spread[3] = {};
  for (std::size_t k = 0; k < probes; ++k) {
    for (double& x : v) x = stream.uniform() < 0.5 ? -1 : 1;
    const double gauss_newton = curvature_along(objective, CurvaturePart::gauss_newton, v),
                 neglected = curvature_along(objective, CurvaturePart::neglected, v);
    const double now[3] = {gauss_newton + neglected, gauss_newton, neglected};
    for (int a = 0; a < 3; ++a) {
      const double step = now[a] - mean[a];
      mean[a] += step / static_cast<double>(k + 1);
      spread[a] += step * (now[a] - mean[a]);
    }
  }
  const auto n = static_cast<double>(probes);
  const auto sem = [&](int a) { return probes > 1 ? std::sqrt(spread[a] / (n * (n - 1))) : 0.0; };
  return {mean[0], mean[1], mean[2], sem(0), sem(1), sem(2)};
}

EstimatedTraces traces_by_columns(const CurvedObjective& objective) {
  std::vector<double> v(objective.parameters()), moved(v.size());
  EstimatedTraces out;
  for (std::size_t k = 0; k < v.size(); ++k) {
    v[k] = 1;
    objective.product(CurvaturePart::gauss_newton, v, moved);
    out.gauss_newton += moved[k];
    objective.product(CurvaturePart::neglected, v, moved);
    out.neglected += moved[k];
    v[k] = 0;
  }
  out.hessian = out.gauss_newton + out.neglected;
  return out;
}

}  // namespace edgewise::models::ingredients
