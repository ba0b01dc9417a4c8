// Built at -O1: nothing here takes time.
#include "models/kernel_regression/closed_forms.hpp"

#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <string>
#include <utility>

#include "models/framework/closed_form_list.hpp"
#include "models/ingredients/learning_curves/dot_kernels.hpp"
#include "models/ingredients/learning_curves/harmonics.hpp"
#include "models/ingredients/learning_curves/learning_curve.hpp"
#include "models/kernel_regression/targets.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::kernel_regression {

namespace {

using namespace ingredients::learning_curves;

constexpr std::size_t table_degree = 60, newton_degree = 400;

LearningCurve curve_of(const DotKernel& kernel, double d, std::size_t max_degree, const SphereTarget& target,
                       double ridge, double noise) {
  const SphereSpectrum s = sphere_spectrum(kernel, d, max_degree);
  Levels levels{s.eigenvalue, s.multiplicity, target.power, s.degree, s.tail, target.beyond};
  levels.power.resize(s.degree.size(), 0.0);
  return {std::move(levels), ridge, noise};
}

/// The table's target: powers 1/3 in degrees 1, 2, 3, on S^7.
LearningCurve table_curve(const std::string& kernel, double s2, double ridge, double noise) {
  const double third = 1.0 / 3;
  return curve_of(*kernel_named(kernel, false, s2), 8, table_degree, zonal_powers(8, {0, third, third, third}), ridge,
                  noise);
}

LearningCurve newton_curve(const std::string& kernel, double r) {
  SphereTarget target = point_sources(3, {{1}, {r}, {}, false});
  target.power.resize(newton_degree + 1, 0.0);
  return curve_of(*kernel_named(kernel, false), 3, newton_degree, target, 1e-6, 0);
}

/// Smooth kernels end; of ReLU's the sum over high degrees is by nodes, whose error falls as theirs do.
double trace_tolerance(const std::string& kernel) {
  if (kernel == "gauss" || kernel == "exp") return 1e-12;
  return kernel == "arc1" ? 1e-10 : 1e-5;
}

void add_kernels(ClosedFormList& list) {
  const double series[] = {0.94233111, 0.75855482, 0.15314692, 0.03062938, 0.01871796};
  for (std::size_t k = 0; k < 5; ++k)
    list.printed(fmt::format("taylor-ntk-bias-{}", k), "b'_k = sum b_n binom(n, k)/2^n", "4.1", series[k], 8,
                 [k] { return relu_kernel("ntk", true)->taylor(5)[k]; });
  list.printed("taylor-ntk1-far", "b_k k^(3/2) at k = 40000", "4.1", 0.2539857, 7,
               [] { return relu_kernel("ntk1", false)->taylor(40001)[40000] * std::pow(40000.0, 1.5); });
  list.add("taylor-ntk1-limit", "b_k k^(3/2) -> sqrt(2)/pi^(3/2), a relative 3/(4 k) above", "4.1", 1e-5, [] {
    const double b = relu_kernel("ntk1", false)->taylor(40001)[40000] * std::pow(40000.0, 1.5);
    return std::pair(std::sqrt(2.0) / std::pow(pi, 1.5), b / (1 + 1.75 / 40000));
  });
  for (const char* name : {"arc0", "arc1", "ntk", "ntk1", "gauss", "exp"})
    for (const bool bias : {false, true})
      for (const double d : {2.0, 3.0, 8.0, 1000.0})
        list.add(fmt::format("trace-{}{}-d{}", name, bias ? "-bias" : "", d), "sum m_k lambda_k = K(1)", "4.2",
                 trace_tolerance(name), [=, kernel = std::string(name)] {
                   const auto k = kernel_named(kernel, bias, 0.5);
                   const SphereSpectrum s = sphere_spectrum(*k, d, {});
                   double trace = s.tail;
                   for (std::size_t i = 0; i < s.degree.size(); ++i) trace += s.multiplicity[i] * s.eigenvalue[i];
                   return std::pair((*k)(1), trace);
                 });
  list.printed("trace-ntk-400", "sum_{k <= 400} m_k lambda_k of ntk, d = 5", "4.2", 1.99881, 5, [] {
    const SphereSpectrum s = sphere_spectrum(*relu_kernel("ntk", false), 5, 400);
    return 2 - s.tail;
  });
  const std::pair<std::size_t, double> ntk[] = {
      {0, 0.3811330728}, {1, 0.125}, {2, 0.0130704072}, {4, 0.0002117190}, {6, 0.0000186382}};
  for (const auto& entry : ntk)
    list.printed(fmt::format("eigenvalue-ntk-{}", entry.first), "lambda_k of arc1 + rho arc0, d = 8", "4.3",
                 entry.second, 10, [k = entry.first] { return relu_kernel("ntk", false)->eigenvalues(8, 6)[k]; });
  const double gauss[] = {0.3914547731, 0.0483326524, 0.0047935543, 0.0003971096};
  for (std::size_t k = 0; k < 4; ++k)
    list.printed(fmt::format("eigenvalue-gauss-{}", k), "Gamma(d/2)(2 s2)^(d/2-1) e^(-1/s2) I_{k+d/2-1}(1/s2)", "4.3",
                 gauss[k], 10, [k] { return kernel_named("gauss", false)->eigenvalues(8, 6)[k]; });
  for (const char* name : {"arc0", "arc1", "ntk", "ntk1", "gauss"})
    for (const bool bias : {false, true})
      list.add(fmt::format("quadrature-{}{}", name, bias ? "-bias" : ""),
               "lambda_k = E K(t) P_k(t), k = 3 and 4 together", "4.2", 2e-12, [=, kernel = std::string(name)] {
                 const auto k = kernel_named(kernel, bias, 0.5);
                 const std::vector<double> by_rule = k->DotKernel::eigenvalues(5, 4), exact = k->eigenvalues(5, 4);
                 return std::pair(by_rule[3] + by_rule[4], exact[3] + exact[4]);
               });
  list.add("deep-one-layer", "deep NTK of one layer is arc1 + rho arc0", "4.1", 1e-13,
           [] { return std::pair((*relu_kernel("ntk", true))(0.37), (*deep_tangent_kernel(1, true))(0.37)); });
}

void add_curves(ClosedFormList& list) {
  struct Row {
    const char* kernel;
    double s2, ridge, noise, n, excess;
  };
  const Row rows[] = {{"ntk", 1, 1e-3, 0, 50, 0.6741649053},      {"ntk", 1, 1e-3, 0, 200, 0.4454152800},
                      {"ntk", 1, 1e-3, 0, 600, 0.4144248973},     {"ntk", 1, 0.1, 0.25, 200, 0.4882950609},
                      {"gauss", 1, 1e-3, 0, 50, 0.5829826953},    {"gauss", 1, 1e-3, 0, 200, 0.0471302253},
                      {"gauss", 1, 1e-3, 0, 600, 0.0004079588},   {"gauss", 1, 0.1, 0.25, 200, 0.2856230269},
                      {"gauss", 0.1, 1e-3, 0, 200, 0.5780019956}, {"gauss", 0.1, 1e-3, 0, 600, 0.2535623799}};
  for (const Row& r : rows)
    list.printed(fmt::format("curve-{}{}-{}{}", r.kernel, r.s2 == 1 ? "" : "-0.1", r.n, r.noise > 0 ? "-noise" : ""),
                 "excess = E0 (sum (1 - L)^2 v^2 + sigma^2) - sigma^2, d = 8", "4.3", r.excess, 10,
                 [=] { return table_curve(r.kernel, r.s2, r.ridge, r.noise).at(r.n).excess; });
  list.printed("kappa-ntk", "n = sum m L + (delta + tail)/kappa, n = 200", "4.3", 0.0009499472098, 13,
               [] { return table_curve("ntk", 1, 1e-3, 0).at(200).kappa; });
  list.printed("kappa-gauss", "n = sum m L + (delta + tail)/kappa, n = 200", "4.3", 0.0001264577765, 13,
               [] { return table_curve("gauss", 1, 1e-3, 0).at(200).kappa; });
  list.add("floor-ntk", "excess -> v_3^2 of an odd degree > 1 as n -> inf", "4.3", 1e-7,
           [] { return std::pair(1.0 / 3, table_curve("ntk", 1, 1e-3, 0).at(1e17).excess); });
  const std::pair<double, double> half[] = {{30, 4.497161e-3}, {100, 3.699677e-3}, {300, 3.554964e-3}};
  for (const auto& entry : half)
    list.printed(fmt::format("newton-ntk-half-{}", entry.first), "1/|x - source|, r = .5, ntk", "4.4", entry.second, 9,
                 [n = entry.first] { return newton_curve("ntk", 0.5).at(n).excess; });
  const std::pair<double, double> near[] = {{30, 0.1075812}, {100, 0.08371207}, {300, 0.07904604}};
  for (const auto& entry : near)
    list.printed(fmt::format("newton-ntk-near-{}", entry.first), "1/|x - source|, r = .8, ntk", "4.4", entry.second,
                 entry.first == 30 ? 7 : 8, [n = entry.first] { return newton_curve("ntk", 0.8).at(n).excess; });
  list.printed("newton-gauss-near-300", "1/|x - source|, r = .8, gauss", "4.4", 2.920290e-3, 9,
               [] { return newton_curve("gauss", 0.8).at(300).excess; });
}

void add_targets(ClosedFormList& list) {
  for (const double r : {0.3, 0.5, 0.8, 0.99})
    list.add(fmt::format("newton-power-{}", r), "sum r^(2k)/(2k+1) = atanh(r)/r", "4.4", 1e-12, [r] {
      return std::pair(std::atanh(r) / r, point_sources(3, {{1}, {r}, {}, false}).total());
    });
  list.printed("newton-two-sources", "sum q_i q_j (r_i r_j)^k P_k(<b_i, b_j>)/(2k+1)", "4.4", 0.2337427961, 10, [] {
    return point_sources(3, {{1, -0.7}, {0.5, 0.6}, {{1, 0.3}, {0.3, 1}}, false}).total();
  });
  for (const double d : {2.0, 4.0, 7.0, 30.0})
    for (const bool force : {false, true})
      list.add(fmt::format("{}-power-d{}", force ? "force" : "newton", d),
               "E f^2 of the source's potential (force) by quadrature = sum over degrees", "4.4", 1e-10, [=] {
                 const SphereTarget target = point_sources(d, {{1}, {0.6}, {}, force});
                 const double square = ZonalQuadrature(d, 8).mean_square([&](double t) {
                   const double x[] = {t, 0};
                   return target.value(std::span<const double>(x, 1));
                 });
                 return std::pair(square, target.total());
               });
  list.add("newton-general-d", "v_k^2 = (r^k binom(k+d-3, k))^2/m_k, d = 7, k = 4", "4.4", 1e-12, [] {
    const double binomial = 8.0 * 7 * 6 * 5 / 24;  // binom(8, 4)
    return std::pair(std::pow(std::pow(0.6, 4) * binomial, 2) / multiplicities(7, 4)[4],
                     point_sources(7, {{1}, {0.6}, {}, false}).power[4]);
  });
  list.add("zonal-exponential", "v_k^2 = m_k lambda_k^2 of g = exp(t)", "4.3", 1e-10, [] {
    const double lambda = kernel_named("exp", false)->eigenvalues(6, 3)[3];
    return std::pair(multiplicities(6, 3)[3] * lambda * lambda,
                     zonal_function(6, 8, [](double t) { return std::exp(t); }).power[3]);
  });
}

}  // namespace

std::vector<ClosedForm> kernel_regression_closed_forms() {
  ClosedFormList list("kernel-regression/", "networks-and-kernels");
  add_kernels(list);
  add_curves(list);
  add_targets(list);
  add_learnability_closed_forms(list);
  return list.take();
}

}  // namespace edgewise::models::kernel_regression
