#include "spectra/spectrum.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>
#include <vector>

#include "spectra/kinds.hpp"
#include "tests/approx.hpp"

using namespace edgewise::spectra;
using edgewise::tests::Approx;

namespace {

Spectrum make(std::vector<double> lambda, std::vector<double> n, std::vector<double> rho) {
  Spectrum s;
  s.eigenvalue = std::move(lambda);
  s.multiplicity = std::move(n);
  s.target_power = std::move(rho);
  return s;
}

/// Few distinct eigenvalues, so that merging has something to do.
Spectrum random_spectrum() {
  Spectrum s;
  const int n = *rc::gen::inRange(1, 30);
  for (int a = 0; a < n; ++a) {
    s.eigenvalue.push_back(a == 0 ? 1.0 : *rc::gen::inRange(0, 6) / 4.0);
    s.multiplicity.push_back(*rc::gen::inRange(1, 9) / 2.0);
    s.target_power.push_back(*rc::gen::inRange(0, 5) / 8.0);
  }
  return s;
}

}  // namespace

TEST_CASE("sums of a small spectrum by hand") {
  const Spectrum s = make({2, 0.5, 0}, {1, 4, 3}, {0.25, 3, 7});
  CHECK(s.dimension() == 8);
  CHECK(s.trace() == 4);
  CHECK(s.trace_of_square() == 5);
  CHECK(s.largest() == 2);
  CHECK(s.smallest_positive() == 0.5);
  CHECK(s.intrinsic_dimension() == 2);
  CHECK(s.signal() == 2);
  CHECK(s.whole_multiplicities());
  CHECK_FALSE(make({1}, {1.5}, {0}).whole_multiplicities());
}

TEST_CASE("checked sorts, largest first, and keeps triples together") {
  CHECK(rc::check([] {
    const Spectrum s = random_spectrum(), sorted = checked(s);
    RC_ASSERT(std::is_sorted(sorted.eigenvalue.begin(), sorted.eigenvalue.end(), std::greater<>()));
    RC_ASSERT(sorted.modes() == s.modes());
    // Sums of products of quarters and halves are exact in any order.
    RC_ASSERT(sorted.trace() == s.trace());
    RC_ASSERT(sorted.signal() == s.signal());
    RC_ASSERT(sorted.trace_of_square() == s.trace_of_square());
  }));
}

TEST_CASE("merged joins equal eigenvalues and keeps every sum") {
  CHECK(rc::check([] {
    const Spectrum s = random_spectrum(), joined = merged(s);
    RC_ASSERT(std::adjacent_find(joined.eigenvalue.begin(), joined.eigenvalue.end(), std::less_equal<>()) ==
              joined.eigenvalue.end());
    RC_ASSERT(joined.dimension() == s.dimension());
    RC_ASSERT(joined.trace() == s.trace());
    RC_ASSERT(joined.signal() == s.signal());
  }));
}

TEST_CASE("checked names what is wrong") {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::nan("");
  CHECK_THROWS_WITH_AS(checked({}), "the spectrum is empty", std::invalid_argument);
  CHECK_THROWS_WITH_AS(checked(make({1, -2}, {1, 1}, {1, 1})),
                       "eigenvalue 2 is -2: eigenvalues must be finite and >= 0", std::invalid_argument);
  CHECK_THROWS_WITH_AS(checked(make({nan}, {1}, {1})), "eigenvalue 1 is nan: eigenvalues must be finite and >= 0",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(checked(make({inf}, {1}, {1})), "eigenvalue 1 is inf: eigenvalues must be finite and >= 0",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(checked(make({1}, {0}, {1})), "multiplicity 1 is 0: multiplicities must be finite and > 0",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(checked(make({1}, {1}, {-1})), "target power 1 is -1: target powers must be finite and >= 0",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(checked(make({1, 2}, {1}, {1, 1})), "2 eigenvalues but 1 multiplicities: give one for each",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(checked(make({1}, {1}, {1, 1})), "1 eigenvalues but 2 target powers: give one for each",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(checked(make({0, 0}, {1, 1}, {1, 1})), "no eigenvalue is positive", std::invalid_argument);
  CHECK_THROWS_AS(checked(make({1e200}, {1}, {1})), std::invalid_argument);
  Spectrum s = make({1}, {1}, {1});
  s.unexplained_variance = -0.5;
  CHECK_THROWS_WITH_AS(checked(s), "unexplained_variance is -0.5: it must be finite and >= 0", std::invalid_argument);
}

TEST_CASE("sorting moves triples, equal eigenvalues keep their order, and merging adds them up") {
  Spectrum s = make({1, 3, 2, 3, 0}, {1, 2, 3, 4, 5}, {0.5, 0.25, 0.125, 2, 7});
  s.unexplained_variance = 0.5;
  s.provenance = "here";
  const Spectrum sorted = checked(s), joined = merged(s);
  CHECK(sorted.eigenvalue == std::vector<double>{3, 3, 2, 1, 0});
  CHECK(sorted.multiplicity == std::vector<double>{2, 4, 3, 1, 5});
  CHECK(sorted.target_power == std::vector<double>{0.25, 2, 0.125, 0.5, 7});
  CHECK(joined.eigenvalue == std::vector<double>{3, 2, 1, 0});
  CHECK(joined.multiplicity == std::vector<double>{6, 3, 1, 5});
  CHECK(joined.target_power == std::vector<double>{2.25, 0.125, 0.5, 7});
  for (const Spectrum* one : {&sorted, &joined}) {
    CHECK(one->unexplained_variance == 0.5);
    CHECK(one->provenance == "here");
  }
  CHECK(s.largest() == 3);
  CHECK(s.smallest_positive() == 1);
  CHECK(s.trace() == 25);
  CHECK(s.intrinsic_dimension() == Approx(25 / 3.0).epsilon(1e-15));
}

TEST_CASE("rounding below 0: where it ends, and sums that leave the range of doubles") {
  // 1e-12 of the largest, or 4 n eps where that is more: from n = 1126 on.
  const auto cleared = [](double lambda, std::size_t n, double largest) {
    std::vector<double> all(n, 0.5 * largest);
    all[0] = largest;
    all.back() = lambda;
    clear_rounding(all);
    CHECK(all[0] == largest);
    return all.back();
  };
  const double eps = std::numeric_limits<double>::epsilon(), inf = std::numeric_limits<double>::infinity();
  CHECK(cleared(-1e-12, 2, 1) == 0);
  CHECK(cleared(-1.01e-12, 2, 1) == -1.01e-12);
  CHECK(cleared(-1e-10, 2, 100) == 0);
  CHECK(cleared(-1.01e-10, 2, 100) == -1.01e-10);
  CHECK(cleared(-0.99 * 4 * 2000 * eps, 2000, 1) == 0);
  CHECK(cleared(-1.01 * 4 * 2000 * eps, 2000, 1) == -1.01 * 4 * 2000 * eps);
  CHECK(cleared(1e-13, 2, 1) == 1e-13);
  std::vector<double> odd{inf, 1, -1e-12, -1e-11, -inf};
  clear_rounding(odd);
  CHECK(odd == std::vector<double>{inf, 1, 0, -1e-11, -inf});
  CHECK(checked(make({1, -1e-13}, {1, 1}, {1, 1})).eigenvalue == std::vector<double>{1, 0});
  const char* const overflow =
      "the sums of the spectrum overflow: eigenvalues, multiplicities or target powers are too large";
  CHECK_THROWS_WITH_AS(checked(make({1e200}, {1}, {1})), overflow, std::invalid_argument);
  CHECK_THROWS_WITH_AS(checked(make({1e100}, {1e200}, {1})), overflow, std::invalid_argument);
  CHECK_THROWS_WITH_AS(checked(make({1e150}, {1}, {1e200})), overflow, std::invalid_argument);
  CHECK(checked(make({1e100}, {1e100}, {1e200})).modes() == 1);
  Spectrum s = make({1}, {1}, {1});
  for (const double bad : {inf, std::nan("")}) {
    s.unexplained_variance = bad;
    CHECK_THROWS_AS(checked(s), std::invalid_argument);
    CHECK_THROWS_AS(checked(make({1}, {bad}, {1})), std::invalid_argument);
    CHECK_THROWS_AS(checked(make({1}, {1}, {bad})), std::invalid_argument);
  }
  CHECK(checked(make({1, 0}, {0.5, 2}, {0, 0})).dimension() == 2.5);
}
