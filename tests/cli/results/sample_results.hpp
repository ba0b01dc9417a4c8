#pragma once
/// Results of every kind, with numbers that are hard to write.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "cli/results/results.hpp"

namespace edgewise::cli::testing {

inline Result sample_result(ResultKind kind) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinite = std::numeric_limits<double>::infinity();
  const std::vector<double> numbers = {0.1,       1.0 / 3, 5e-324, 1.7976931348623157e308, -0.0, infinite,
                                       -infinite, 1e22,    2e-5,   123456789012345680.0};
  Result out;
  out.kind = kind;
  out.provenance = {attribute("kind", name(kind)),
                    attribute("title", "π, \"quoted\" and: a colon"),
                    attribute("empty", ""),
                    attribute("bar", "|"),
                    attribute("rtol", 1e-8),
                    attribute("missing", nan),
                    attribute("experiment", "a = 1\n\n[b]\n  c = 2")};
  out.steps = {0, 1, 7.5, 100000, 9007199254740991.0};
  out.observables = {{"risk", "", "(P + sigma^2)/2"}, {"excess_mse", "MSE", "P = v'Kv: the excess"}};
  out.fields = fields_of(kind);
  std::size_t next = 0;
  for (Field& field : out.fields)
    for (std::size_t o = 0; o < 2; ++o) {
      field.values.emplace_back();
      // A standard deviation of one observable only.
      if (field.name == "std" && o == 1) continue;
      for (std::size_t t = 0; t < out.steps.size(); ++t)
        field.values.back().push_back(numbers[next++ % numbers.size()]);
    }
  if (kind == ResultKind::validation)
    // One observable was not compared at one step.
    for (Field& field : out.fields) field.values[1][2] = nan;
  return out;
}

inline bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](double x, double y) {
    return (std::isnan(x) && std::isnan(y)) || std::bit_cast<std::uint64_t>(x) == std::bit_cast<std::uint64_t>(y);
  });
}

inline bool same(const Result& a, const Result& b) {
  if (a.kind != b.kind || !same_bits(a.steps, b.steps) || a.observables.size() != b.observables.size() ||
      a.fields.size() != b.fields.size())
    return false;
  for (std::size_t o = 0; o < a.observables.size(); ++o)
    if (a.observables[o].name != b.observables[o].name || a.observables[o].unit != b.observables[o].unit ||
        a.observables[o].doc != b.observables[o].doc)
      return false;
  for (std::size_t f = 0; f < a.fields.size(); ++f) {
    if (a.fields[f].name != b.fields[f].name || a.fields[f].values.size() != b.fields[f].values.size()) return false;
    for (std::size_t o = 0; o < a.observables.size(); ++o)
      if (!same_bits(a.fields[f].values[o], b.fields[f].values[o])) return false;
  }
  return true;
}

}  // namespace edgewise::cli::testing
