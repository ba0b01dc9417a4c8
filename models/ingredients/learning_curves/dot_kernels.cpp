#include "models/ingredients/learning_curves/dot_kernels.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "models/ingredients/learning_curves/harmonics.hpp"

namespace edgewise::models::ingredients::learning_curves {

namespace {

using settings::Values;

/// Up to here every degree has its own level where the kernel has a formula for all of them.
constexpr std::size_t exact_degrees = 256;
/// By quadrature.
constexpr std::size_t usual_degrees = 100;
/// Half the width of a node beyond, relative to its degree.
constexpr double node_width = 0.005;
constexpr double most_harmonics = 1e18;
/// A tail below this share of the trace is rounding.
constexpr double least_tail = 1e-13;
/// exp(rho/s2) must be a number.
constexpr double largest_exponent = 600;
/// The square of a kernel must be a number.
constexpr double largest_sum = 1e150;

/// The nodes of one parity from degree `low` on, and what is beyond them as a power law.
void add_nodes(SphereSpectrum& s, const std::function<double(double)>& eigenvalue, double d, double low) {
  double trace = 0, at = 0, slope = 2;  // of m lambda per degree, where it was last, and its falling exponent
  double high = low;
  while (multiplicity_up_to(d, low - 2) < most_harmonics) {
    const double half = std::floor(node_width * low), count = 2 * half + 1, middle = low + 2 * half;
    high = low + 4 * half;
    const double m = multiplicity_up_to(d, high) - multiplicity_up_to(d, low - 2);
    const double lambda = eigenvalue(middle);
    if (!(lambda > 0)) return;  // the other parity
    const double here = m * lambda / count;
    if (trace > 0) slope = std::log(trace / here) / std::log(middle / at);
    trace = here;
    at = middle;
    s.degree.push_back(middle);
    s.eigenvalue.push_back(lambda);
    s.multiplicity.push_back(m);
    s.degrees.push_back(count);
    low = high + 2;
  }
  s.tail += trace * std::pow(at / (high + 1), slope) * (high + 1) / (2 * (slope - 1));
}

}  // namespace

std::vector<double> DotKernel::taylor(std::size_t size) const {
  if (!bias_) return plain_taylor(size);
  const std::size_t terms = 4 * size + 200;
  const std::vector<double> b = plain_taylor(terms);
  std::vector<double> out(size, 0.0);
  for (std::size_t i = 0; i < size; ++i) {
    // binom(n, k)/2^n is largest at n = 2k.
    const auto k = static_cast<double>(i);
    const double top = std::exp(std::lgamma(2 * k + 1) - 2 * std::lgamma(k + 1) - 2 * k * std::log(2.0));
    double weight = top;
    for (std::size_t n = 2 * i; n < terms; ++n) {
      out[i] += b[n] * weight;
      const auto m = static_cast<double>(n);
      weight *= (m + 1) / (2 * (m + 1 - k));
    }
    weight = top;
    for (std::size_t n = 2 * i; n > i; --n) {
      const auto m = static_cast<double>(n);
      weight *= 2 * (m - k) / m;
      out[i] += b[n - 1] * weight;
    }
  }
  return out;
}

std::vector<double> DotKernel::eigenvalues(double d, std::size_t max_degree) const {
  std::vector<double> out =
      ZonalQuadrature(d, max_degree).coefficients([this](double t) { return (*this)(std::clamp(t, -1.0, 1.0)); });
  for (double& x : out) x = std::max(x, 0.0);
  return out;
}

std::optional<double> DotKernel::far_eigenvalue(double, double) const {
  return std::nullopt;
}

std::optional<std::size_t> DotKernel::last_degree(double) const {
  return std::nullopt;
}

std::optional<double> DotKernel::contracted_eigenvalue(double, double, double) const {
  return std::nullopt;
}

void add_far_degrees(SphereSpectrum& spectrum, const std::function<double(double)>& eigenvalue, double dimension,
                     std::size_t last, double trace) {
  const std::size_t listed = spectrum.degree.size();
  for (const std::size_t first : {last + 1, last + 2})
    add_nodes(spectrum, eigenvalue, dimension, static_cast<double>(first));
  if (multiplicity_up_to(dimension, static_cast<double>(exact_degrees)) < most_harmonics) return;
  // So many harmonics at degrees so low that no power law is in sight.
  spectrum.tail = trace;
  for (std::size_t i = listed; i < spectrum.degree.size(); ++i)
    spectrum.tail -= spectrum.multiplicity[i] * spectrum.eigenvalue[i];
  spectrum.tail = std::max(0.0, spectrum.tail);
}

SphereSpectrum sphere_spectrum(const DotKernel& kernel, double d, std::optional<std::size_t> max_degree,
                               std::size_t least_degree) {
  SphereSpectrum s;
  const auto end = kernel.last_degree(d);
  const bool nodes = !max_degree && multiplicity_up_to(d, static_cast<double>(exact_degrees)) < most_harmonics &&
                     kernel.far_eigenvalue(d, static_cast<double>(exact_degrees));
  const bool formula = end || kernel.exact_zeros();
  const std::size_t last =
      max_degree.value_or(std::max(least_degree, end ? *end : (formula ? exact_degrees : usual_degrees)));
  const std::vector<double> lambda = kernel.eigenvalues(d, last), m = multiplicities(d, last);
  double trace = 0;
  for (std::size_t k = 0; k < lambda.size(); ++k) {
    if (lambda[k] == 0 && !kernel.exact_zeros()) continue;
    s.degree.push_back(static_cast<double>(k));
    s.eigenvalue.push_back(lambda[k]);
    s.multiplicity.push_back(m[k]);
    s.degrees.push_back(1);
    trace += m[k] * lambda[k];
  }
  s.finite_rank = kernel.exact_zeros() && end && *end <= last;
  if (nodes) {
    add_far_degrees(
        s, [&](double k) { return *kernel.far_eigenvalue(d, k); }, d, last, kernel(1) - trace);
    return s;
  }
  const double all = kernel(1);
  if (!(end && *end <= last) || lambda.size() < last + 1) s.tail = std::max(0.0, all - trace);
  if (s.tail < least_tail * all) s.tail = 0;
  return s;
}

std::vector<settings::Parameter> kernel_parameters() {
  return {
      settings::text("kind",
                     "of unit vectors with rho = <x, x'>: arc0 and arc1, arc-cosine; ntk, arc1 + rho arc0, the tangent "
                     "kernel of one hidden ReLU layer; ntk1, rho arc0; deep-ntk, of `layers` hidden layers; gauss, "
                     "exp((rho - 1)/s2); exp, exp(rho/s2); taylor, sum of `coefficients` times rho^k")
          .one_of({"arc0", "arc1", "ntk", "ntk1", "deep-ntk", "gauss", "exp", "taylor"})
          .otherwise(std::string("ntk")),
      settings::boolean("bias", "take the kernel at (1 + rho)/2").otherwise(false),
      settings::number("s2", "of gauss and exp")
          .at_least(1e-6)
          .at_most(1e6)
          .otherwise(1.0)
          .where("kind", {"gauss", "exp"}),
      settings::integer("layers", "hidden layers of deep-ntk")
          .at_least(1)
          .at_most(100)
          .otherwise(std::int64_t{2})
          .where("kind", {"deep-ntk"}),
      settings::numbers("coefficients", "of taylor: b_0, b_1, ..")
          .at_least(0)
          .computed("required for taylor")
          .where("kind", {"taylor"}),
      settings::integer("max_degree",
                        "levels up to this degree; the trace beyond acts as a ridge, which holds while kappa exceeds "
                        "the eigenvalues there")
          .at_least(0)
          .at_most(20000)
          .computed("as far as the kernel's formula goes; 100 for deep-ntk")};
}

std::unique_ptr<DotKernel> read_kernel(const Values& v) {
  const std::string& kind = v.text("kind");
  const bool bias = v.has("bias") && v.flag("bias");
  if (kind == "deep-ntk") return deep_tangent_kernel(static_cast<std::size_t>(v.integer("layers")), bias);
  if (kind == "taylor") {
    if (!v.given("coefficients")) throw v.error("coefficients", "is required for kind = \"taylor\"");
    const std::vector<double>& b = v.numbers("coefficients");
    if (b.size() > 2000 || std::ranges::all_of(b, [](double x) { return x == 0; }) ||
        !std::ranges::all_of(b, [](double x) { return std::isfinite(x); }))
      throw v.error("coefficients", "must be 1 to 2000 finite numbers >= 0, not all 0");
    if (!(std::accumulate(b.begin(), b.end(), 0.0) <= largest_sum))
      throw v.error("coefficients", "must add up to at most 1e150, else what is computed of the kernel overflows");
    return taylor_kernel(b, bias);
  }
  const double s2 = v.number("s2");
  if (kind == "exp" && 1 / s2 > largest_exponent)
    throw v.error("s2",
                  "of kind = \"exp\" must be at least 1/600, else exp(1/s2) is no number; gauss is the same kernel "
                  "normalised");
  return kernel_named(kind, bias, s2);
}

std::unique_ptr<DotKernel> kernel_named(const std::string& name, bool bias, double s2) {
  if (name == "gauss" || name == "exp") return exponential_kernel(s2, name == "gauss", bias);
  return relu_kernel(name, bias);
}

}  // namespace edgewise::models::ingredients::learning_curves
