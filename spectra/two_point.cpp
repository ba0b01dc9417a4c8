#include <fmt/format.h>

#include <cmath>

#include "spectra/kinds.hpp"

namespace edgewise::spectra {

namespace {

std::vector<double> multiplicities(const settings::Values& values) {
  const bool listed = values.given("multiplicities");
  if (listed && (values.given("dimension") || values.given("fraction")))
    throw values.error("multiplicities", "give either multiplicities or dimension (with fraction), not both");
  if (listed) {
    const std::vector<double>& n = values.numbers("multiplicities");
    if (n.size() != 2) throw values.error("multiplicities", fmt::format("must be two numbers, got {}", n.size()));
    return n;
  }
  if (!values.given("dimension")) throw values.error("dimension", "give dimension (with fraction) or multiplicities");
  const auto d = static_cast<double>(values.integer("dimension"));
  const double large = std::round(values.number("fraction") * d);
  if (large < 1 || large > d - 1)
    throw values.error("fraction", fmt::format("{} of {} coordinates leaves one of the two eigenspaces empty",
                                               values.number("fraction"), d));
  return {large, d - large};
}

Spectrum build_two_point(const settings::Values& values) {
  Spectrum s;
  s.eigenvalue = {values.number("large"), values.number("small")};
  if (s.eigenvalue[1] > s.eigenvalue[0])
    throw values.error("small", fmt::format("must be at most large = {}, got {}", s.eigenvalue[0], s.eigenvalue[1]));
  s.multiplicity = multiplicities(values);
  if (values.given("target_power")) {
    s.target_power = values.numbers("target_power");
    if (s.target_power.size() != 2)
      throw values.error("target_power", fmt::format("must be two numbers, got {}", s.target_power.size()));
  } else {
    for (const double n : s.multiplicity) s.target_power.push_back(n / s.dimension());
  }
  s.provenance = fmt::format("two-point, eigenvalues {} and {} with multiplicities {} and {}", s.eigenvalue[0],
                             s.eigenvalue[1], s.multiplicity[0], s.multiplicity[1]);
  return s;
}

}  // namespace

Kind two_point_kind() {
  settings::Description d;
  d.name = "two-point";
  d.summary = "Two eigenvalues, each with its multiplicity and target power.";
  d.equations =
      "K = diag(large x n_1, small x n_2),  target_power = (rho_1, rho_2) with rho_a = |theta*|^2 in eigenspace a";
  d.source = "docs/theory/least-squares-sgd.md, sections 1.4 and 13";
  d.parameters = {
      settings::number("large", "the larger eigenvalue").otherwise(1.0).above(0),
      settings::number("small", "the smaller eigenvalue").must().at_least(0),
      settings::numbers("multiplicities", "coordinates with the large and with the small eigenvalue")
          .above(0)
          .computed("from dimension and fraction"),
      settings::integer("dimension", "number of coordinates d")
          .at_least(2)
          .at_most(1e15)
          .computed("from multiplicities"),
      settings::number("fraction", "share of the coordinates with the large eigenvalue, rounded to whole coordinates")
          .otherwise(0.5)
          .above(0)
          .below(1),
      settings::numbers("target_power", "target power in the two eigenspaces")
          .at_least(0)
          .computed("squared norm 1, spread evenly over the coordinates"),
  };
  return {d, build_two_point};
}

}  // namespace edgewise::spectra
