#include "models/softmax_temperature/margin.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

#include "numerics/constants.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models::softmax_temperature;
using edgewise::tests::Approx;

TEST_CASE("u + e^u = c is solved for any c") {
  for (const double c : {-1e300, -1e4, -40.0, -1.0, 0.0, 0.5, 1.0, 1.5, 30.0, 1e6, 1e300}) {
    CAPTURE(c);
    const double u = log_lambert(c);
    CHECK(std::isfinite(u));
    if (c > 1)
      CHECK(u == Approx(std::log(c - u)).epsilon(1e-14));
    else
      CHECK(std::abs(u + std::exp(u) - c) <= 1e-14 * std::max(1.0, std::abs(c)));
  }
  CHECK(std::abs(log_lambert(1)) < 1e-16);
}

TEST_CASE("the margin follows its equation, and stands still where it is confident") {
  for (const double classes : {1.0, 2.0, 10.0})
    for (const double u0 : {-6.0, 0.0, 2.0}) {
      // The classical Runge-Kutta method on du/dT.
      const auto rate = [=](double u) {
        return classes == 1 ? 1 / (1 + std::exp(u)) : classes / (classes - 1 + std::exp(u));
      };
      double u = u0;
      const double h = 1e-2;
      for (int k = 0; k < 700; ++k) {
        const double a = rate(u), b = rate(u + h / 2 * a), c = rate(u + h / 2 * b), d = rate(u + h * c);
        u += h / 6 * (a + 2 * b + 2 * c + d);
      }
      CHECK(margin_after(7, u0, classes) == Approx(u).epsilon(1e-9));
    }
  CHECK(margin_after(0, -3, 1) == Approx(-3).epsilon(1e-15));
  CHECK(margin_after(5, 800, 1) == 800);
  CHECK(margin_after(1e9, 1e300, 7) == 1e300);
  CHECK(margin_after(1e300, -1e300, 1) < 800);
  CHECK(std::isfinite(loss_of_margin(-1e300, 4)));
  CHECK(loss_of_margin(1e300, 4) == 0);
}

TEST_CASE("population curves are means over points") {
  constexpr int points = 20000;
  for (const double classes : {1.0, 4.0})
    for (const double s : {0.05, 1.0, 30.0}) {
      const double g = 0.4;
      const std::array<std::uint64_t, 2> steps{3, 40};
      const std::vector<PopulationPoint> theory = population_descended(steps, g, s, classes);
      random::Stream stream(7, 0);
      std::vector<double> u0(points);
      stream.normals(u0);
      for (std::size_t k = 0; k < 2; ++k) {
        double loss = 0, square = 0, right = 0, flow = 0;
        for (const double x : u0) {
          const double u = margin_descended(steps[k], g, s * x, classes), l = loss_of_margin(u, classes);
          loss += l / points;
          square += l * l / points;
          right += (u > 0 ? 1.0 : 0.0) / points;
          flow += loss_of_margin(margin_after(g * static_cast<double>(steps[k]), s * x, classes), classes) / points;
        }
        // Twelve comparisons at 5 standard errors: a false alarm in 1e5.
        const double sem = theory[k].loss_deviation / std::sqrt(points) + 1e-12;
        CHECK(std::abs(loss - theory[k].loss) < 5 * sem);
        CHECK(square - loss * loss == Approx(std::pow(theory[k].loss_deviation, 2)).epsilon(0.05));
        CHECK(std::abs(right - theory[k].accuracy) < 5 * std::sqrt(0.25 / points));
        CHECK(std::abs(flow - population_at(g * static_cast<double>(steps[k]), s, classes).loss) < 5 * sem);
      }
    }
}

TEST_CASE("averages over the population are resolved where margins turn, of any number of classes") {
  // The trapezoidal rule in u_0, with steps well below the width 1 of the turn.
  const auto literal = [](double s, const auto& loss) {
    const double h = std::min(0.2, s / 50);
    double sum = 0;
    for (double u0 = -9 * s; u0 <= 9 * s; u0 += h) sum += loss(u0) * std::exp(-u0 * u0 / (2 * s * s));
    return sum * h / (s * std::sqrt(2 * pi));
  };
  for (const double classes : {1.0, 2.0, 3.0, 10.0}) {
    CAPTURE(classes);
    for (const double s : {0.3, 3.0, 1e3})
      for (const double T : {0.5 * s, 1.7 * s}) {
        CAPTURE(T);
        const double direct =
            literal(s, [=](double u0) { return loss_of_margin(margin_after(T, u0, classes), classes); });
        CHECK(std::abs(population_at(T, s, classes).loss / direct - 1) < 1e-12);
      }
    // By gradient descent at every recorded step, not at the last one alone.
    const std::array<std::uint64_t, 3> steps{10, 50, 100};
    const std::vector<PopulationPoint> descended = population_descended(steps, 1, 100, classes);
    for (std::size_t k = 0; k < steps.size(); ++k) {
      const double direct =
          literal(100, [&](double u0) { return loss_of_margin(margin_descended(steps[k], 1, u0, classes), classes); });
      CHECK(std::abs(descended[k].loss / direct - 1) < 1e-8);
    }
  }
}

TEST_CASE("accuracy by the turning start and by counting are one, and s = 0 has no spread") {
  const std::array<std::uint64_t, 3> steps{0, 1, 5};
  const auto rising = population_descended(steps, 3.9, 2, 1), counted = population_descended(steps, 4.1, 2, 1);
  CHECK(rising[0].accuracy == Approx(0.5));
  CHECK(rising[2].accuracy == Approx(counted[2].accuracy).epsilon(0.03));
  const auto still = population_descended(steps, 0.5, 0, 1);
  CHECK(still[0].accuracy == 0);
  CHECK(still[1].accuracy == 1);
  CHECK(still[0].loss == Approx(std::log(2.0)));
  CHECK(still[2].loss == Approx(loss_of_margin(margin_descended(5, 0.5, 0, 1), 1)).epsilon(1e-14));
  CHECK(population_at(0, 0, 1).accuracy == 0);
  CHECK(population_at(1e-9, 0, 1).accuracy == 1);
  CHECK(std::isfinite(population_at(1e9, 1e60, 1).loss));
  CHECK(std::isfinite(population_at(1e9, 1e-60, 1).loss));
  CHECK(time_to_accuracy(0.5, 3, 1) == 0);
}

TEST_CASE("narrow and wide populations keep their deviation, and their accuracy") {
  const auto ratio = [](double x) { return Approx(x).epsilon(1e-5); };
  for (const double classes : {1.0, 4.0}) {
    CAPTURE(classes);
    const double K = classes == 1 ? 1 : classes - 1;
    for (const double s : {1e-6, 1e-9}) {
      CAPTURE(s);
      for (const double T : {0.0, 1.0, 50.0}) {
        // du/du_0 is that of K u + e^u at either end, dl/du = -K/(K + e^u).
        const double u = margin_after(T, 0, classes), slope = K / (K + std::exp(u)) * (K + 1) / (K + std::exp(u));
        CHECK(population_at(T, s, classes).loss_deviation / s == ratio(slope));
      }
      const std::uint64_t steps[] = {0, 1};
      // One step of g = .1: dl/du_0 at u_0 = 0 by hand.
      const double speed = classes == 1 ? 1 : classes, u = 0.1 * speed / (K + 1),
                   slope = K / (K + std::exp(u)) * (1 - 0.1 * speed / std::pow(K + 1, 2));
      const auto descended = population_descended(steps, 0.1, s, classes);
      CHECK(descended[0].loss_deviation / s == ratio(K / (K + 1)));
      CHECK(descended[1].loss_deviation / s == ratio(slope));
    }
    for (const double s : {1e-200, 1e-9, 1e-3}) {
      CHECK(population_at(0, s, classes).accuracy == Approx(0.5).epsilon(1e-14));
      // (K + 1) u_0 = -scale T turns at T, of small numbers: a tenth of a deviation.
      const double T = 0.1 * s * (K + 1) / (classes == 1 ? 1 : classes);
      CHECK(population_at(T, s, classes).accuracy == Approx(0.539827837277029).epsilon(1e-4));
    }
    // Of the very wrong and the very right the loss is -u or 0.
    for (const double s : {1e10, 1e155, 1e250})
      CHECK(population_at(1, s, classes).loss_deviation / s == ratio(std::sqrt(0.5 - 0.5 / pi)));
  }
}

TEST_CASE("a population: after so long that those that began right beyond it are what spreads") {
  // From the trapezoid rule on 20001 starts in 80-bit numbers, the margin by bisection.
  struct Row {
    double classes, loss, spread;
  };
  for (const Row& r : {Row{10, 7.0038065438891705e-10, 3.6303207e-10},
                       {1, 7.5475122280585564e-10, 4.1789523e-10},
                       {1000, 8.2022443605406994e-10, 3.7142255e-10}}) {
    CAPTURE(r.classes);
    const PopulationPoint at = population_at(1e9, 30, r.classes);
    CHECK(at.loss == Approx(r.loss).epsilon(1e-13));
    CHECK(at.loss_deviation == Approx(r.spread).epsilon(1e-7));
  }
}
