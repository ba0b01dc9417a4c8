// Powers of functions with poles, against integrals in closed form and by substitutions that take the pole away.
#include "models/ingredients/learning_curves/zonal_projection.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "tests/approx.hpp"

using namespace edgewise::models::ingredients::learning_curves;
using edgewise::tests::Approx;

namespace {

double power_of(double d, const std::function<double(double)>& g) {
  return zonal_projection(d, 16, g).mean_square;
}

std::string refusal(double d, const std::function<double(double)>& g) {
  try {
    return "taken: " + std::to_string(power_of(d, g));
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
}

}  // namespace

TEST_CASE("poles inside, of any power that is square integrable, anywhere") {
  // In three dimensions t is uniform.
  for (const double a : {0.3, 1.0 / 3, -0.7123, 0.5, 0.9999, 0.0})
    for (const double p : {0.1, 0.25, 0.35, 0.4, 0.45, 0.49, 0.499}) {
      CAPTURE(a);
      CAPTURE(p);
      const double q = 1 - 2 * p;
      CHECK(power_of(3, [=](double t) { return std::pow(std::abs(t - a), -p); }) ==
            Approx((std::pow(1 - a, q) + std::pow(1 + a, q)) / (2 * q)).epsilon(1e-6));
    }
  // E |t|^(-2p) = Gamma(1/2 - p) Gamma(d/2)/(Gamma(1/2) Gamma(d/2 - p)).
  for (const double d : {2.0, 4.0, 17.5, 300.0})
    CHECK(power_of(d, [](double t) { return std::pow(std::abs(t), -0.45); }) ==
          Approx(std::exp(std::lgamma(0.05) + std::lgamma(d / 2) - std::lgamma(0.5) - std::lgamma(d / 2 - 0.45)))
              .epsilon(1e-6));
  // One side alone.
  CHECK(power_of(3, [](double t) { return t > 0.3 ? std::pow(t - 0.3, -0.4) : 0; }) ==
        Approx(std::pow(0.7, 0.2) / 0.4).epsilon(1e-6));
  // Two poles, by x = v^5 on either side of t = .3, Simpson's rule.
  double two = 0;
  for (const auto& [side, length] : {std::pair{1.0, 0.7}, {-1.0, 0.3}}) {
    const double end = std::pow(length, 0.2);
    for (int k = 0; k <= 2000; ++k)
      two += (k == 0 || k == 2000 ? 1
              : k % 2 == 1        ? 4
                                  : 2) *
             end / 6000 * 5 * std::pow(0.6 + side * std::pow(end * k / 2000, 5), -0.8);
  }
  CHECK(power_of(3, [](double t) { return std::pow(std::abs(t * t - 0.09), -0.4); }) == Approx(two).epsilon(1e-6));
}

TEST_CASE("poles at the ends, up to (d - 1)/4, and the coefficients of one") {
  const auto of_pole = [](double d, double p) {
    const double a = (d - 1) / 2;
    return std::exp(-2 * p * std::log(2.0) + std::lgamma(a - 2 * p) + std::lgamma(2 * a) - std::lgamma(a) -
                    std::lgamma(2 * a - 2 * p));
  };
  for (const auto& [d, p] : {std::pair{2.0, 0.2},
                             {2.0, 0.24},
                             {3.0, 0.45},
                             {5.0, 0.8},
                             {5.0, 0.99},
                             {10.0, 2.2},
                             {20.0, 4.7},
                             {50.0, 12.2},
                             {200.0, 49.0},
                             {1000.0, 200.0}})
    for (const double end : {1.0, -1.0}) {
      const double power = p;
      CAPTURE(power);
      CHECK(power_of(d, [=](double t) { return std::pow(std::abs(end - t), -power); }) ==
            Approx(of_pole(d, p)).epsilon(1e-6));
    }
  // E (1 - t)^s P_k in three dimensions is 2^s (-s)_k/(s + 1)_(k + 1).
  const double s = -0.45;
  const ZonalProjection found = zonal_projection(3, 12, [=](double t) { return std::pow(1 - t, s); });
  double coefficient = std::pow(2, s) / (s + 1);
  for (std::size_t k = 0; k <= 12; ++k) {
    CHECK(found.coefficient[k] == Approx(coefficient).epsilon(1e-6));
    coefficient *= (-s + static_cast<double>(k)) / (s + 2 + static_cast<double>(k));
  }
}

TEST_CASE("rare inputs: the share of a pole's power within a probability") {
  const double p = 0.4;
  const ZonalProjection found = zonal_projection(3, 4, [=](double t) { return std::pow(std::abs(t), -p); });
  // |t| is uniform on [0, 1]: E g^2 within probability x is x^(1 - 2p)/(1 - 2p). The nodes' own probabilities are seen.
  for (const double x : {1e-9, 1e-6, 1e-3, 0.1})
    CHECK(found.rare_share(x) == Approx(std::pow(x, 1 - 2 * p)).epsilon(0.02));
  CHECK(found.rare_share(1) == Approx(1));
  CHECK(zonal_projection(3, 4, [](double) { return 2.0; }).rare_share(0.25) == Approx(0.25));
}

TEST_CASE("what has no power is refused with its cause") {
  const auto says = [](const std::string& said, const char* part) {
    CAPTURE(said);
    CHECK(said.find(part) != std::string::npos);
  };
  for (const double a : {0.3, -0.7123, 0.5, 0.0})
    for (const double p : {0.5, 0.7, 1.0})
      says(refusal(3, [=](double t) { return std::pow(std::abs(t - a), -p); }),
           "is not square integrable: it grows as");
  says(refusal(3, [](double t) { return std::pow(std::abs(t - 0.3), -0.7); }), "|t - a|^-0.7 near t = 0.3");
  says(refusal(3, [](double t) { return std::pow(1 - t, -0.5); }), "|t - a|^-0.5 near t = 1");
  says(refusal(5, [](double t) { return std::pow(1 - t, -1.0); }), "is not square integrable");
  says(refusal(2, [](double t) { return std::pow(1 - t, -0.25); }), "is not square integrable");
  says(refusal(3, [](double t) { return std::sqrt(t); }), "is no number at t = -");
  says(refusal(3, [](double t) { return std::exp(800 * t); }), "overflows a double");
  says(refusal(1000, [](double t) { return std::pow(1 - t, -249); }), "overflows a double near t = 1");
  says(refusal(3, [](double t) { return std::sin(1e5 * t); }), "turns too often");
  says(refusal(3, [](double t) { return std::log(std::abs(t - 0.3)) * std::pow(std::abs(t - 0.3), -0.45); }),
       "too irregular near its pole at t = 0.3");
}
