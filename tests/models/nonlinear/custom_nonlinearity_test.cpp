// A user's nonlinearity: kinks found, averages against closed forms, and what is refused.
#include "models/nonlinear/custom_nonlinearity.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "models/nonlinear/laws.hpp"
#include "tests/approx.hpp"

using namespace edgewise::models;
using namespace edgewise::models::nonlinear;
using namespace edgewise::models::ingredients;
using edgewise::tests::Approx;

namespace {

void check_same(const std::string& formula, const ResidualNonlinearity& exact) {
  const auto custom = custom_nonlinearity(formula);
  for (const auto& noise :
       {std::shared_ptr<const Noise>(gaussian_noise(0.25)), std::shared_ptr<const Noise>(cauchy_noise(0.5)),
        std::shared_ptr<const Noise>(laplace_noise(0.5))})
    for (const double P : {1e-4, 0.3, 20.0}) {
      CAPTURE(formula);
      CAPTURE(noise->name());
      CAPTURE(P);
      const auto a = residual_coefficients(*custom, *noise, P), b = residual_coefficients(exact, *noise, P);
      CHECK(a.mu == Approx(b.mu).epsilon(1e-9));
      CHECK(a.q == Approx(b.q).epsilon(1e-9));
      CHECK(std::abs(a.c2 - b.c2) < 1e-8 * (std::abs(b.c2) + b.q / P));
      CHECK(custom->quadrature_error(*noise, P) < 1e-8);
    }
}

std::string refusal(const std::string& formula) {
  try {
    custom_nonlinearity(formula);
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "nothing thrown";
}

bool holds(const std::string& text, const char* part) {
  if (text.find(part) == std::string::npos) MESSAGE(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("kinks and jumps anywhere: the closed forms come out") {
  check_same("max(-0.7, min(0.7, r))", *huber_nonlinearity(0.7));
  check_same("sign(r)", *sign_nonlinearity());
  check_same("abs(r) < 1.3 ? r : 0", *rejection_nonlinearity(1.3));
  check_same("(r > 0) - 0.3", *quantile_nonlinearity(0.3));
  // On the edges that the line is cut at, and next to them.
  for (const double h : {0.25, 0.5, 1.0, 1.0000001, 1.5, 3.0, 64.0}) {
    check_same(fmt::format("max(-{0:.17g}, min({0:.17g}, r))", h), *huber_nonlinearity(h));
    check_same(fmt::format("abs(r) < {:.17g} ? r : 0", h), *rejection_nonlinearity(h));
  }
  const auto unit = custom_nonlinearity("max(-1, min(1, r))");
  const auto kinks = unit->kinks();
  REQUIRE(kinks.size() == 2);
  CHECK(kinks[0] == -1);
  CHECK(kinks[1] == 1);
}

TEST_CASE("what is narrow beside a wide constant is not hidden by it") {
  // Of residuals far wider than chi: E chi^2 by midpoints.
  for (const auto& [formula, chi] : {std::pair<std::string, std::function<double(double)>>{
                                         "r * exp(-r^2)", [](double r) { return r * std::exp(-r * r); }},
                                     {"r * exp(-abs(r))", [](double r) { return r * std::exp(-std::abs(r)); }}}) {
    const std::string text = formula;
    CAPTURE(text);
    const auto custom = custom_nonlinearity(formula);
    for (const double deviation : {1.0, 30.0, 1000.0}) {
      double q = 0;
      constexpr int n = 400000;
      for (int k = 0; k < n; ++k) {
        const double r = -40 + 80 * (k + 0.5) / n, z = r / deviation;
        q += chi(r) * chi(r) * std::exp(-z * z / 2) * 80 / n / (deviation * std::sqrt(2 * std::acos(-1.0)));
      }
      CHECK(residual_coefficients(*custom, *gaussian_noise(0.75 * deviation * deviation), 0.25 * deviation * deviation)
                .q == Approx(q).epsilon(1e-7));
    }
  }
}

TEST_CASE("bands of a hundredth of their place are found, on one side or on both") {
  // Midpoints between the jumps: E chi w and E chi^2 for r ~ N(0, 1.25) and E[w|r] = r P/1.25, P = 1.
  const auto averages = [](const auto& chi, std::vector<double> jumps) {
    jumps.insert(jumps.begin(), -15);
    jumps.push_back(15);
    double mu = 0, q = 0;
    for (std::size_t i = 0; i + 1 < jumps.size(); ++i) {
      constexpr int n = 20000;
      const double h = (jumps[i + 1] - jumps[i]) / n;
      for (int k = 0; k < n; ++k) {
        const double r = jumps[i] + (k + 0.5) * h, mass = h * std::exp(-r * r / 2.5) / std::sqrt(2.5 * std::acos(-1.0));
        mu += mass * chi(r) * r / 1.25;
        q += mass * chi(r) * chi(r);
      }
    }
    return std::pair(mu, q);
  };
  struct Band {
    const char* formula;
    std::function<double(double)> chi;
    std::vector<double> jumps;
  };
  const auto in = [](double r, double at, double half) { return std::abs(r - at) < half; };
  const Band bands[] = {{"abs(abs(r) - 1.7321) < 0.03 ? 20 * sign(r) : r",
                         [&](double r) { return in(std::abs(r), 1.7321, 0.03) ? std::copysign(20, r) : r; },
                         {-1.7621, -1.7021, 1.7021, 1.7621}},
                        {"abs(abs(r) - 1.7321) < 0.03 ? 0 : r",
                         [&](double r) { return in(std::abs(r), 1.7321, 0.03) ? 0 : r; },
                         {-1.7621, -1.7021, 1.7021, 1.7621}},
                        {"r + (abs(abs(r) - 0.3) < 0.01 ? 100 * sign(r) : 0)",
                         [&](double r) { return r + (in(std::abs(r), 0.3, 0.01) ? std::copysign(100, r) : 0); },
                         {-0.31, -0.29, 0.29, 0.31}},
                        {"abs(abs(r) - 0.3) < 0.03 ? 30 * sign(r) : 0",
                         [&](double r) { return in(std::abs(r), 0.3, 0.03) ? std::copysign(30, r) : 0; },
                         {-0.33, -0.27, 0.27, 0.33}},
                        {"r + (abs(r - 0.7) < 0.005 ? 50 : 0)",
                         [&](double r) { return r + (in(r, 0.7, 0.005) ? 50 : 0); },
                         {0.695, 0.705}}};
  for (const Band& band : bands) {
    const std::string formula = band.formula;
    CAPTURE(formula);
    const auto custom = custom_nonlinearity(formula);
    const auto noise = gaussian_noise(0.25);
    const auto found = residual_coefficients(*custom, *noise, 1);
    const auto expected = averages(band.chi, band.jumps);
    CHECK(found.mu == Approx(expected.first).epsilon(1e-6));
    CHECK(found.q == Approx(expected.second).epsilon(1e-6));
    CHECK(custom->quadrature_error(*noise, 1) < 1e-8);
  }
  CHECK_FALSE(custom_nonlinearity("r + (abs(r - 0.7) < 0.005 ? 50 : 0)")->odd());
}

TEST_CASE("the quadrature's error is that of the residual's law, whichever of its parts is noise") {
  const auto custom = custom_nonlinearity("r/(1 + abs(r))");
  const double whole = custom->quadrature_error(*no_noise(), 0.8);
  CHECK(whole > 0);
  CHECK(custom->quadrature_error(*gaussian_noise(0.3), 0.5) == Approx(whole).epsilon(1e-2));
}

TEST_CASE("a pole is seen from either side, where chi is bounded on the other") {
  CHECK(holds(refusal("r > 0.3 ? 1/(r - 0.3) : r"), "is unbounded near r = 0.3"));
  CHECK(holds(refusal("r < 0.3 ? 1/(r - 0.3) : r"), "is unbounded near r = 0.3"));
}

TEST_CASE("of a residual that hardly moves about an atom of the noise, chi there is averaged") {
  // q = chi(1)^2, mu = chi'(1), c2 = 2 chi'(1)^2 + 2 chi(1) chi''(1), but for terms of order Q.
  const auto clip = custom_nonlinearity("max(-0.5, min(0.5, r))"), soft = custom_nonlinearity("r / (1 + abs(r))");
  for (const double Q : {1e-8, 1e-20, 1e-33, 1e-40, 1e-60}) {
    CAPTURE(Q);
    CHECK(clip->gaussian(1, Q).q == Approx(0.25).epsilon(1e-7));
    CHECK(soft->gaussian(1, Q).q == Approx(0.25).epsilon(1e-7));
  }
  // What is cut off does not move, to the last digit.
  CHECK(clip->gaussian(1, 1e-40).mu == 0);
  CHECK(clip->gaussian(1, 1e-40).c2 == 0);
  // Of 1 + s z doubles keep 1e-16/s.
  CHECK(soft->gaussian(1, 1e-8).mu == Approx(0.25).epsilon(1e-7));
  CHECK(soft->gaussian(1, 1e-8).c2 == Approx(-0.125).epsilon(1e-6));
}

TEST_CASE("few pieces, odd or not, and growth") {
  const auto soft = custom_nonlinearity("r / (1 + abs(r))");
  CHECK(soft->odd());
  CHECK(soft->growth() == 0);
  CHECK(std::ranges::find(soft->joints(), 0.0) != soft->joints().end());
  // Polynomials between kinks are one piece each, however far they reach. A bend is seen
  // until the last of 18 Chebyshev coefficients, a 300th of its size, are 1e-12 of chi.
  const auto pieces = [](const std::string& formula, std::vector<double> kinks) {
    CAPTURE(formula);
    const auto custom = custom_nonlinearity(formula);
    kinks.insert(kinks.begin(), -std::exp2(100));
    kinks.push_back(std::exp2(100));
    REQUIRE(custom->joints().size() == kinks.size());
    for (std::size_t i = 0; i < kinks.size(); ++i) CHECK(custom->joints()[i] == Approx(kinks[i]).epsilon(1e-9));
  };
  pieces("max(min(r, 1), -1)", {-1, 1});
  pieces("sign(r)", {0});
  pieces("abs(r) < 0.7 ? r : (abs(r) < 3 ? 0.7 * sign(r) : 0)", {-3, -0.7, 0.7, 3});
  CHECK(custom_nonlinearity("r + r^2")->growth() == Approx(2).epsilon(1e-6));
  CHECK(!custom_nonlinearity("r + r^2")->odd());
}

TEST_CASE("what has no averages is refused by name") {
  CHECK(holds(refusal("r +"), "optimizer.chi: "));
  CHECK(holds(refusal("x"), "optimizer.chi: "));
  CHECK(holds(refusal("1 / r"), "is inf at r = 0"));
  CHECK(holds(refusal("r / (r - 1)^2 "), "is inf at r = 1"));
  CHECK(holds(refusal("exp(r)"), "grows faster than any power"));
  CHECK(holds(refusal("0 * r"), "vanishes everywhere"));
  CHECK_THROWS_AS(custom_nonlinearity("r")->require_finite(*cauchy_noise(1)), std::invalid_argument);
  custom_nonlinearity("r")->require_finite(*student_noise(2.5, 1));
  custom_nonlinearity("sign(r) * abs(r)^0.4")->require_finite(*cauchy_noise(1));
}

TEST_CASE("laws of one formula are averaged once") {
  int calls = 0;
  const auto laws = [&](const std::string& name) {
    NonlinearProblem p;
    p.covariance.d = 1;
    p.covariance.eigenvalue = {1};
    p.covariance.target = {1};
    p.noise = student_noise(4, 0.4);
    p.method = "custom";
    p.nonlinearity = std::make_shared<const CustomNonlinearity>(
        [&](double r) {
          ++calls;
          return std::tanh(2 * r);
        },
        name);
    const ScalarLaws found = scalar_laws(p);
    calls = 0;
    return found(0.37).a;
  };
  const double first = laws("tanh(2*r), counted");
  CHECK(calls > 1000);
  CHECK(laws("tanh(2*r), counted") == first);
  CHECK(calls == 0);
  CHECK(laws("") == first);  // without a name there is nothing to share it by
  CHECK(calls > 1000);
}
