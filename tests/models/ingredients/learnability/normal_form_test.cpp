#include "models/ingredients/learnability/normal_form.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <vector>

using namespace edgewise::models::ingredients::learnability;
using doctest::Approx;

namespace {

using Series = std::vector<double>;

Jet jet_of(const Series& f) {
  Jet out{f[0], 0, 0};
  for (std::size_t k = 1; k < f.size(); ++k) {
    out.rise += std::abs(f[k]);
    out.slope += static_cast<double>(k) * std::abs(f[k]);
  }
  return out;
}

Series times_series(const Series& f, const Series& g) {
  Series out(f.size() + g.size() - 1, 0.0);
  for (std::size_t i = 0; i < f.size(); ++i)
    for (std::size_t j = 0; j < g.size(); ++j) out[i + j] += f[i] * g[j];
  return out;
}

void check(const Jet& jet, const Series& series) {
  const Jet expected = jet_of(series);
  CHECK(jet.origin == Approx(expected.origin).epsilon(1e-14));
  CHECK(jet.rise == Approx(expected.rise).epsilon(1e-14));
  CHECK(jet.slope == Approx(expected.slope).epsilon(1e-14));
}

}  // namespace

TEST_CASE("jets of multiples, products and powers are those of the series multiplied out") {
  const std::vector<Series> all = {{2, 0.5, 0, 3}, {0, 0.25, 0.7}, {1.5}, {0}, {0.3, 0, 2}};
  for (const Series& f : all) {
    CHECK(jet_of(f).one() == Approx(f[0] + jet_of(f).rise).epsilon(1e-15));
    Series multiple = f;
    for (double& c : multiple) c *= -1.7;
    check(scaled(-1.7, jet_of(f)), multiple);
    for (const Series& g : all) check(product(jet_of(f), jet_of(g)), times_series(f, g));
    Series power{1};
    for (int p = 0; p < 5; ++p) {
      CAPTURE(p);
      if (jet_of(f).one() > 0) check(whole_power(jet_of(f), p), power);
      power = times_series(power, f);
    }
  }
  // A value below 0 at the origin: sizes count, the origin's sign stays.
  check(product(jet_of({-2, 0.5}), jet_of({3, 0.25})), {-6, 2, 0.125});
}
