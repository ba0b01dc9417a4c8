#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spectra/compressed.hpp"
#include "spectra/compression.hpp"
#include "spectra/formulas.hpp"
#include "spectra/kinds.hpp"

namespace edgewise::spectra {

namespace {

constexpr double default_tolerance = 1e-8;

/// sum_{j > d} j^-s, s > 1, by Euler and Maclaurin from some terms on, the later the steeper; relative error below 1e-14.
double power_tail(double d, double s) {
  double sum = 0, from = d + 1;
  for (const double first = std::min(30 + 4 * s, 1000.0); from < first; ++from) sum += std::pow(from, -s);
  const double last = std::pow(from, -s), ratio = s / from, square = 1 / (from * from);
  return sum + last * (from / (s - 1) + 0.5 +
                       ratio / 12 *
                           (1 - (s + 1) * (s + 2) * square / 60 *
                                    (1 - (s + 3) * (s + 4) * square / 42 * (1 - (s + 5) * (s + 6) * square / 40))));
}

Spectrum unscaled(const settings::Values& values) {
  const std::int64_t dimension = values.integer("dimension");
  const double alpha = values.number("alpha"), beta = values.number("beta");
  const std::string& nodes = values.text("nodes");
  const bool asked = values.given("compress");
  if (nodes == "exact" && asked) throw values.error("compress", "contradicts nodes = \"exact\"");
  if (2 * std::max(alpha, std::abs(beta)) * std::log10(static_cast<double>(dimension)) > 300)
    throw values.error("dimension", fmt::format("d^(-2 alpha) or d^(-2 beta) leaves the range of double precision at "
                                                "d = {}, alpha = {}, beta = {}",
                                                dimension, alpha, beta));
  const bool compressed =
      nodes == "compressed" || (nodes == "auto" && (asked || static_cast<double>(dimension) > largest_kept_by_default));
  if (compressed)
    return power_law_nodes(static_cast<double>(dimension), alpha, beta,
                           asked ? values.number("compress") : default_tolerance)
        .spectrum;
  if (static_cast<double>(dimension) > largest_exact)
    throw values.error("nodes",
                       fmt::format("\"exact\" keeps every eigenvalue and is limited to dimension <= {:.0f}, got "
                                   "{}; use \"compressed\"",
                                   largest_exact, dimension));
  return power_law(dimension, alpha, beta);
}

Spectrum build_power_law(const settings::Values& values) {
  Spectrum out = unscaled(values);
  if (values.text("tail") != "none") {
    const double s = 2 * values.number("alpha") + 2 * values.number("beta");
    if (!(s > 1))
      throw values.error("tail",
                         fmt::format("\"noise\" needs alpha + beta > 1/2: the target's power beyond d is infinite "
                                     "at 2 alpha + 2 beta = {}",
                                     settings::text_of(s)));
    out.unexplained_variance = power_tail(static_cast<double>(values.integer("dimension")), s);
    out.provenance += ", the target beyond as noise";
  }
  if (!values.given("signal")) return out;
  double signal = 0;
  for (std::size_t a = 0; a < out.modes(); ++a) signal += out.eigenvalue[a] * out.target_power[a];
  for (double& power : out.target_power) power *= values.number("signal") / signal;
  out.unexplained_variance *= values.number("signal") / signal;
  out.provenance += fmt::format(", target scaled to sum lambda theta*^2 = {}", values.number("signal"));
  return out;
}

}  // namespace

Spectrum power_law(std::int64_t dimension, double alpha, double beta) {
  Spectrum s;
  const auto d = static_cast<std::size_t>(dimension);
  s.eigenvalue.resize(d);
  s.multiplicity.assign(d, 1.0);
  s.target_power.resize(d);
  for (std::size_t i = 0; i < d; ++i) {
    const auto j = static_cast<double>(i + 1);
    s.eigenvalue[i] = std::pow(j, -2 * alpha);
    s.target_power[i] = std::pow(j, -2 * beta);
  }
  s.provenance = fmt::format("power law j^(-2 alpha), alpha = {}, beta = {}, d = {}", alpha, beta, dimension);
  return s;
}

Kind power_law_kind() {
  settings::Description d;
  d.name = "power-law";
  d.summary = "Power-law eigenvalues and target coefficients, at any dimension.";
  d.equations =
      "lambda_j = j^(-2 alpha),  theta*_j = j^(-beta),  j = 1..d\n"
      "alpha > 1/2: tr K stays finite as d grows; beta > alpha: SGD's noise limits the decay of the risk";
  d.source = "docs/theory/least-squares-sgd.md, sections 7 and 7b";
  d.parameters = {
      settings::integer("dimension", "number of coordinates d").must().at_least(1).at_most(1e15),
      settings::number("alpha", "half the exponent of the eigenvalues").must().above(0),
      settings::number("beta", "exponent of the target's coefficients").must(),
      settings::text("nodes",
                     "exact: every eigenvalue; compressed: Gauss nodes, at a cost independent of d; auto: exact up to "
                     "d = 200000 unless compress is given")
          .otherwise(std::string("auto"))
          .one_of({"auto", "exact", "compressed"}),
      settings::number("signal", "sum_j lambda_j theta*_j^2, to which the target is scaled")
          .above(0)
          .computed("not scaled"),
      settings::text("tail",
                     "what becomes of the target beyond dimension d: none, it ends there; noise: it goes on, and what "
                     "a model of size d misses, sum_{j > d} j^(-2 alpha - 2 beta), acts as label noise")
          .otherwise(std::string("none"))
          .one_of({"none", "noise"}),
  };
  return {d, build_power_law};
}

}  // namespace edgewise::spectra
