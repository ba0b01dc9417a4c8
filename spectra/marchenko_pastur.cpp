#include "spectra/marchenko_pastur.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "linear_algebra/dense.hpp"
#include "numerics/roots.hpp"
#include "random/random.hpp"
#include "spectra/kinds.hpp"

namespace edgewise::spectra {

double marchenko_pastur_above(double ratio, double phi) {
  const double root = std::sqrt(ratio);
  // tan(phi/2) is infinite at phi = pi, where atan2 still knows the answer.
  const double angle = std::atan2(std::abs(1 - root) * std::sin(phi / 2), (1 + root) * std::cos(phi / 2));
  return 2 / std::numbers::pi *
         ((1 + ratio) * phi / (4 * ratio) - std::sin(phi) / (2 * root) - std::abs(1 - ratio) * angle / (2 * ratio));
}

std::vector<double> marchenko_pastur_quantiles(double ratio, std::size_t count) {
  const double total = std::min(1.0, 1 / ratio), root = std::sqrt(ratio);
  std::vector<double> quantiles(count);
  double low = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double above = total * (static_cast<double>(i) + 0.5) / static_cast<double>(count);
    const auto excess = [&](double phi) { return marchenko_pastur_above(ratio, phi) - above; };
    const double phi = numerics::root(excess, low, std::numbers::pi, excess(low), excess(std::numbers::pi), 50);
    // (1 - sqrt c)^2 + 4 sqrt c cos^2(phi/2) is exact at the lower edge, where 1 + c + 2 sqrt c cos(phi) cancels.
    const double half = std::cos(phi / 2);
    quantiles[i] = (1 - root) * (1 - root) + 4 * root * half * half;
    low = phi;
  }
  return quantiles;
}

std::vector<double> wishart_eigenvalues(std::size_t n, std::size_t d, std::uint64_t seed) {
  using linear_algebra::Matrix;
  const std::size_t rows = std::min(n, d);
  Matrix x(rows, std::max(n, d));
  random::Stream stream(seed, 0, 0, random::Purpose::data);
  stream.normals(x.entries());
  // X'X and XX' have the same positive eigenvalues: the smaller of the two is decomposed.
  Matrix gram(rows, rows);
  linear_algebra::rank_update(1 / static_cast<double>(n), x, linear_algebra::Transposed::no, gram);
  std::vector<double> out = linear_algebra::symmetric_eigenvalues(gram);
  std::ranges::reverse(out);
  for (double& lambda : out) lambda = std::max(lambda, 0.0);
  return out;
}

namespace {

constexpr double largest_sample = 2e8;  // entries of X; the matrix that is decomposed has a side of at most their root
constexpr double largest_quantiles = 1e7;

Spectrum build_marchenko_pastur(const settings::Values& values) {
  const double ratio = values.number("ratio");
  const auto d = static_cast<double>(values.integer("dimension"));
  const double n = std::max(1.0, std::round(d / ratio));
  const bool sampled = values.text("method") == "sample";
  const double positive = std::min(d, n);
  if (sampled && n * d > largest_sample)
    throw values.error("dimension",
                       fmt::format("a sample of {} x {} numbers is too large; use method = \"quantiles\"", n, d));
  if (positive > largest_quantiles)
    throw values.error("dimension",
                       fmt::format("at most {} quantiles are computed, got {}", largest_quantiles, positive));
  if (values.integer("seed") != 0 && !sampled) throw values.error("seed", "is for method = \"sample\" only");
  Spectrum s;
  const auto count = static_cast<std::size_t>(positive);
  s.eigenvalue = sampled ? wishart_eigenvalues(static_cast<std::size_t>(n), static_cast<std::size_t>(d),
                                               static_cast<std::uint64_t>(values.integer("seed")))
                         : marchenko_pastur_quantiles(ratio, count);
  for (double& lambda : s.eigenvalue) lambda *= values.number("variance");
  const double power = values.number("target_power") / d;
  s.multiplicity.assign(count, 1.0);
  s.target_power.assign(count, power);
  if (d > n) {
    s.eigenvalue.push_back(0);
    s.multiplicity.push_back(d - n);
    s.target_power.push_back(power * (d - n));
  }
  s.provenance = fmt::format("Marchenko-Pastur, ratio d/n = {}, d = {}, {}", ratio, d,
                             sampled ? fmt::format("sampled with seed {}", values.integer("seed")) : "quantiles");
  return s;
}

}  // namespace

Kind marchenko_pastur_kind() {
  settings::Description d;
  d.name = "marchenko-pastur";
  d.summary = "Spectrum of a sample covariance of white noise, by the law's quantiles or sampled.";
  d.equations =
      "K = variance X'X / n, X n x d standard normal, c = d/n\n"
      "density sqrt((b - x)(x - a)) / (2 pi c x) on a = (1 - sqrt c)^2 .. b = (1 + sqrt c)^2 (variance 1),\n"
      "mass 1 - 1/c at zero when c > 1; the target is spread evenly over all d coordinates";
  d.source = "Marchenko and Pastur, Math. USSR Sb. 1 (1967) 457";
  d.parameters = {
      settings::integer("dimension", "number of coordinates d").must().at_least(1).at_most(1e15),
      settings::number("ratio", "aspect ratio c = d/n").must().at_least(1e-6).at_most(1e6),
      settings::text("method", "quantiles: deterministic, the limit law; sample: eigenvalues of one random matrix")
          .otherwise(std::string("quantiles"))
          .one_of({"quantiles", "sample"}),
      settings::integer("seed", "of method sample").otherwise(std::int64_t{0}).at_least(0),
      settings::number("variance", "variance of the entries").otherwise(1.0).above(0),
      settings::number("target_power", "squared norm of the target, |theta*|^2").otherwise(1.0).at_least(0),
  };
  return {d, build_marchenko_pastur};
}

}  // namespace edgewise::spectra
