#include "models/ingredients/learnability/normal_form.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::models::ingredients::learnability;
using edgewise::tests::Approx;

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

TEST_CASE("what cancels between terms is taken off up to the last degree, and the rest is bounded") {
  // exp(s) - s, s = (x_1 + ... + x_8)/8: 1 + s^2/2 + ..., of which eight variables leave degrees up to 4 known. Beyond, the
  // terms are at most M(y) = e^y - 1 + y in absolute values, and M(r)/r^5 is least at 6 of the sizes that are tried; of the
  // slope y M'(y) = y e^y + y, at 4.
  Algebra algebra;
  Sum s;
  for (int i = 0; i < 8; ++i) s = algebra.sum(s, algebra.variable("x" + std::to_string(i)), 0.125);
  const Jet jet = algebra.jet(algebra.sum(algebra.function("exp", s), s, -1));
  CHECK(jet.origin == 1);
  CHECK(jet.rise == Approx(1 / 2.0 + 1 / 6.0 + 1 / 24.0 + (std::exp(6) + 5) / std::pow(6, 5)).epsilon(1e-13));
  CHECK(jet.slope == Approx(1 + 1 / 2.0 + 1 / 6.0 + (4 * std::exp(4) + 4) / std::pow(4, 5)).epsilon(1e-13));
  CHECK(jet.rise > std::exp(1) - 2);
  // Of one variable 200 degrees are known, and the rest is below rounding.
  Algebra one;
  const Sum x = one.variable("x");
  const Jet known = one.jet(one.sum(one.function("exp", x), x, -1));
  CHECK(known.rise == Approx(std::exp(1) - 2).epsilon(1e-13));
  CHECK(known.slope == Approx(std::exp(1) - 1).epsilon(1e-13));
}
