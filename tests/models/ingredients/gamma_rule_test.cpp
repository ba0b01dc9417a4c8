#include "models/ingredients/gamma_rule.hpp"

#include <doctest/doctest.h>

#include <boost/math/special_functions/digamma.hpp>
#include <boost/math/special_functions/trigamma.hpp>
#include <cmath>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::models::ingredients;
using edgewise::tests::Approx;

namespace {

template <class Function>
double mean(const std::vector<GammaNode>& rule, Function f) {
  double sum = 0;
  for (const auto& [u, probability] : rule) sum += probability * f(u);
  return sum;
}

/// E (Y/shape)^s = Gamma(shape + s) / (Gamma(shape) shape^s).
double moment(double shape, double s) {
  return std::exp(std::lgamma(shape + s) - std::lgamma(shape) - s * std::log(shape));
}

}  // namespace

TEST_CASE("the mean and variance of the logarithm of a Gamma variable") {
  for (const double shape : {0.2, 0.7, 1.0, 3.5, 20.0, 400.0, 1e6}) {
    CAPTURE(shape);
    const std::vector<GammaNode> rule = log_gamma_rule(shape);
    const double u = mean(rule, [](double x) { return x; });
    CHECK(mean(rule, [](double) { return 1.0; }) == Approx(1).epsilon(1e-14));
    // log(shape) - digamma(shape) cancels at large shapes.
    CHECK(u == Approx(boost::math::digamma(shape) - std::log(shape)).epsilon(1e-11).scale(1e-3 + std::abs(u)));
    CHECK(mean(rule, [&](double x) { return (x - u) * (x - u); }) ==
          Approx(boost::math::trigamma(shape)).epsilon(1e-11));
    for (std::size_t k = 1; k < rule.size(); ++k) CHECK(rule[k].u > rule[k - 1].u);
    for (const GammaNode& node : rule) CHECK(node.probability >= 0);
  }
}

TEST_CASE("powers of a Gamma variable, as far as the rule was asked to reach") {
  for (const double shape : {0.7, 1.0, 3.5, 20.0, 100.0}) {
    CAPTURE(shape);
    for (const double s : {1.0, 2.0, 0.5}) {
      CAPTURE(s);
      CHECK(mean(log_gamma_rule(shape, 0, 3), [s](double u) { return std::exp(s * u); }) ==
            Approx(moment(shape, s)).epsilon(1e-12));
    }
    for (const double part : {0.3, 0.6}) {
      CAPTURE(part);
      const double s = part * shape;
      CHECK(mean(log_gamma_rule(shape, s), [s](double u) { return std::exp(-s * u); }) ==
            Approx(moment(shape, -s)).epsilon(1e-11));
    }
  }
}

TEST_CASE("one node stands for all far to the left, for the probability and for what grows there") {
  const double shape = 0.4, left = 0.3, first = std::log(1e-9);
  const std::vector<GammaNode> all = log_gamma_rule(shape, left), few = log_gamma_rule(shape, left, 0, first);
  CHECK(few.size() < all.size());
  // Below u the density is that of a power of e^u, but for e^u itself.
  CHECK(few.front().probability == Approx(std::pow(shape * 1e-9, shape) / std::tgamma(shape + 1)).epsilon(0.07));
  CHECK(mean(few, [=](double u) { return std::exp(-left * u); }) == Approx(moment(shape, -left)).epsilon(1e-8));
  CHECK(mean(few, [](double u) { return std::exp(0.5 * u); }) == Approx(moment(shape, 0.5)).epsilon(1e-8));
}
