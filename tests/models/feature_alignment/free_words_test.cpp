#include "models/feature_alignment/free_words.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models::feature_alignment;
using edgewise::tests::Approx;

namespace {

double at(const RatioPolynomial& p, double c_n, double c_m) {
  double out = 0;
  for (const auto& [power, x] : p) out += x * std::pow(c_n, power.first) * std::pow(c_m, power.second);
  return out;
}

double binomial(int n, int k) {
  return k == 0 ? 1 : binomial(n - 1, k - 1) * n / k;
}

}  // namespace

TEST_CASE("non-crossing partitions are counted by Catalan numbers, and by blocks by Narayana's") {
  const std::size_t catalan[] = {1, 1, 2, 5, 14, 42, 132, 429, 1430};
  for (std::size_t n = 0; n < 9; ++n) CHECK(non_crossing_partitions(n).size() == catalan[n]);
  CHECK_THROWS_AS(non_crossing_partitions(11), std::invalid_argument);
  // tau((W W'/m)^k) of a Wishart matrix: sum_r N(k, r) c^(k - r).
  const auto one = [](const std::string&) { return RatioPolynomial{{{0, 0}, 1}}; };
  for (int k = 1; k <= 6; ++k) {
    double narayana = 0;
    for (int r = 1; r <= k; ++r) narayana += binomial(k, r) * binomial(k, r - 1) / k * std::pow(0.3, k - r);
    const std::vector<FreeFactor> factors(static_cast<std::size_t>(k), FreeFactor{2, ""});
    CHECK(at(network_word(factors, std::vector<double>(13, 1.0), one), 1, 0.3) == Approx(narayana));
    CHECK(at(label_word(std::string(static_cast<std::size_t>(k), 'B'), std::vector<double>{1}), 0.3, 1) ==
          Approx(narayana));
  }
  // Between projections of trace 1/2: tau(W P W P) = s_1^2 tau(P) + c s_2 tau(P)^2.
  const auto half = [](const std::string&) { return RatioPolynomial{{{0, 0}, 0.5}}; };
  const std::vector<FreeFactor> pair{{2, "B"}, {2, "B"}};
  CHECK(at(network_word(pair, std::vector<double>{1, 0, 1, 0, 3}, half), 1, 0.3) == Approx(0.5 + 0.3 * 3 * 0.25));
}

TEST_CASE("words of labels that are fair signs, and of a semicircle") {
  // networks-and-kernels.md, section 2.3.
  const std::vector<double> signs{1, 0, 1, 0, 1, 0, 1};
  for (const double c : {0.3, 1.0, 4.0}) {
    const auto word = [&](const char* letters) { return at(label_word(letters, signs), c, 1); };
    CHECK(word("") == 1);
    CHECK(word("A") == 0);
    CHECK(word("AA") == Approx(c));
    CHECK(word("AAB") == Approx(c + c * c));
    CHECK(word("AAAA") == Approx(2 * c * c + c * c * c));
    CHECK(word("AAAAB") == Approx(2 * c * c + 4 * std::pow(c, 3) + std::pow(c, 4)));
    CHECK(word("AABAAB") == Approx(2 * c * c + 8 * std::pow(c, 3) + 7 * std::pow(c, 4) + std::pow(c, 5)));
  }
  const double moments[] = {1, 0, 1, 0, 2, 0, 5, 0, 14};
  for (std::size_t k = 0; k <= 8; ++k) CHECK(at(semicircular_word(std::string(k, 'A') + "BB"), 0.3, 0.7) == moments[k]);
}

TEST_CASE("ratios of words where a ratio of dimensions is 0: limits, c_N first") {
  const RatioPolynomial p{{{1, 0}, 2}, {{2, 0}, 1}}, q{{{1, 0}, 4}}, r{{{1, 0}, 1}, {{1, 1}, 3}};
  CHECK(ratio_at(p, q, r, 0.5, 2) == Approx((1 + 0.25) / std::sqrt(2 * (0.5 + 3))));
  CHECK(ratio_at(p, q, r, 0, 2) == Approx(2 / std::sqrt(4 * 7.0)));
  CHECK(ratio_at(p, q, r, 0, 0) == Approx(1));
  CHECK_THROWS_AS(ratio_at(p, RatioPolynomial{}, r, 1, 1), std::domain_error);
  // Powers of either ratio that are left: 2 c_N^2 c_m^3/sqrt(4 c_N c_m^2 c_N^2 c_m) = c_N^(1/2) c_m^(3/2).
  const RatioPolynomial top{{{2, 3}, 2}}, left{{{1, 2}, 4}}, right{{{2, 1}, 1}};
  CHECK(ratio_at(top, left, right, 0.4, 3) == Approx(std::sqrt(0.4 * 27)).epsilon(1e-14));
  CHECK(ratio_at(top, left, right, 0, 3) == 0);
  CHECK(ratio_at(top, left, right, 0.4, 0) == 0);
  CHECK(ratio_at(RatioPolynomial{}, left, right, 0.4, 3) == 0);
}
