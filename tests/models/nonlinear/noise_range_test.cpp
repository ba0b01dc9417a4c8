// Noise laws over their whole range of parameters: averages of residuals against quadrature over the laws' densities, which
// knows nothing of mixtures, in panels that resolve every length; and what the averages cost.
#include <doctest/doctest.h>

#include <algorithm>
#include <boost/math/distributions/laplace.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "models/ingredients/noise.hpp"
#include "models/nonlinear/adam.hpp"
#include "models/nonlinear/criteria.hpp"
#include "models/nonlinear/laws.hpp"
#include "models/nonlinear/nonlinearities.hpp"
#include "tests/approx.hpp"

using namespace edgewise::models;
using namespace edgewise::models::nonlinear;
using namespace edgewise::models::ingredients;
using edgewise::tests::Approx;

namespace {

using Function = std::function<double(double)>;

/// 2 int_0^end density(e) f(e) de of an even law: panels of a factor e, and of width 1 around `place`.
double integral(const Function& density, const Function& f, double scale, double place, double end) {
  std::vector<double> edges{0, end};
  for (double e = std::min(scale, 1.0) * 1e-14; e < end; e *= std::exp(1.0)) edges.push_back(e);
  for (double away = -12; away <= 12; away += 1)
    if (place + away > 0 && place + away < end) edges.push_back(place + away);
  std::sort(edges.begin(), edges.end());
  double sum = 0;
  for (std::size_t i = 0; i + 1 < edges.size(); ++i)
    sum += boost::math::quadrature::gauss_kronrod<double, 31>::integrate([&](double e) { return density(e) * f(e); },
                                                                         edges[i], edges[i + 1], 0);
  return 2 * sum;
}

/// Pr(|z - e| < h), z standard normal.
double inside(double e, double h) {
  const double root = std::sqrt(2.0);
  return e > h ? 0.5 * (std::erfc((e - h) / root) - std::erfc((e + h) / root))
               : 0.5 * (std::erf((h + e) / root) + std::erf((h - e) / root));
}

struct Law {
  std::string name;
  std::shared_ptr<const Noise> noise;
  Function density;
  double scale, end;
};

std::vector<Law> laws() {
  std::vector<Law> out;
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double scale : {1e-6, 0.1, 1.0, 30.0, 1e6}) {
    const auto text = [scale](const char* name, double dof) {
      return std::string(name) + " " + std::to_string(dof) + " at " + std::to_string(scale);
    };
    out.push_back({text("laplace", 0), laplace_noise(2 * scale * scale),
                   [d = boost::math::laplace_distribution<double>(0, scale)](double e) { return pdf(d, e); }, scale,
                   infinity});
    out.push_back(
        {text("uniform", 0), uniform_noise(scale * scale / 3), [scale](double) { return 0.5 / scale; }, scale, scale});
    for (const double dof : {0.05, 0.6, 1.0, 3.0, 30.0, 400.0, 1e3, 1e4, 5e5, 1e6, 1e9, 1e15, 1e300})
      out.push_back({text("student-t", dof), student_noise(dof, scale),
                     [d = boost::math::students_t_distribution<double>(dof), scale](double e) {
                       return pdf(d, e / scale) / scale;
                     },
                     scale, infinity});
  }
  return out;
}

}  // namespace

TEST_CASE("averages over every law agree with quadrature over its density" * doctest::test_suite("slow")) {
  for (const Law& law : laws()) {
    CAPTURE(law.name);
    // P = 1; thresholds below, at and above the residual's width.
    for (const double h : {1e-3, 1.0, 40.0}) {
      CAPTURE(h);
      const double end = std::min(law.end, h + 12);
      const double mu = integral(
          law.density, [h](double e) { return inside(e, h); }, law.scale, h, end);
      const ResidualCoefficients found = residual_coefficients(*huber_nonlinearity(h), *law.noise, 1);
      CHECK(found.mu == Approx(mu).epsilon(2e-11));
      if (h != 1.0) continue;
      // q = 2 int_0^h t Pr(|r| > t) dt
      const double q = boost::math::quadrature::gauss_kronrod<double, 15>::integrate(
          [&](double t) {
            return 2 * t *
                   (1 -
                    integral(
                        law.density, [t](double e) { return inside(e, t); }, law.scale, t, std::min(law.end, t + 12)));
          },
          0.0, h, 0);
      CHECK(found.q == Approx(q).epsilon(1e-10));
    }
    const auto normal = [](double e) { return std::exp(-e * e / 2) / std::sqrt(2 * std::acos(-1.0)); };
    const double density = integral(law.density, normal, law.scale, 0, std::min(law.end, 12.0));
    CHECK(residual_density(*law.noise, 1, 0).value == Approx(density).epsilon(2e-11));
    // phi of P = 1: (2/pi) sqrt(2 pi) p_r(0).
    CHECK(sign_phi(*law.noise, 1) ==
          Approx(2 / std::acos(-1.0) * std::sqrt(2 * std::acos(-1.0)) * density).epsilon(2e-11));
  }
}

TEST_CASE("many degrees of freedom are Gaussian up to 1/dof") {
  // Student's density is phi(x) (1 + (x^4 - 2 x^2 - 1)/(4 dof) + O(dof^-2)); p_r(0) of unit scale at P = 1 is then
  // (4 pi)^(-1/2) (1 + (3/4 - 1 - 1)/(4 dof)).
  for (const double dof : {1e4, 1e6, 1e9}) {
    const double expected = (1 - 1.25 / (4 * dof)) / std::sqrt(4 * std::acos(-1.0));
    CHECK(std::abs(residual_density(*student_noise(dof, 1), 1, 0).value / expected - 1) < 3 / (dof * dof) + 1e-13);
    CHECK(student_noise(dof, 1)->density(0.7) ==
          Approx(std::exp(-0.245) / std::sqrt(2 * std::acos(-1.0)) * (1 + (0.2401 - 0.98 - 1) / (4 * dof)))
              .epsilon(3 / (dof * dof) + 1e-12));
    CHECK(clipping_gain(*student_noise(dof, 1), 0.1) == Approx(1).epsilon(1 / dof));
  }
}

TEST_CASE("units of the labels") {
  // A law scaled by k, at k^2 P and k h, has the same mu, mu^2/q (P + ...) and J P; 1e-60 to 1e60 and to the end of the range.
  const double P = 0.3, h = 0.6;
  const auto check = [&](const std::function<std::shared_ptr<const Noise>(double)>& law) {
    const auto unit = law(1);
    CAPTURE(unit->name());
    const ResidualCoefficients one = residual_coefficients(*huber_nonlinearity(h), *unit, P);
    const double J = residual_information(*unit, P), best = optimal_threshold(*unit, P).threshold;
    for (const double k : {1e-120, 1e-60, 1e-3, 1e60, 1e120}) {
      CAPTURE(k);
      const auto noise = law(k);
      const ResidualCoefficients scaled = residual_coefficients(*huber_nonlinearity(k * h), *noise, k * k * P);
      CHECK(scaled.mu == Approx(one.mu).epsilon(1e-11));
      CHECK(scaled.q / k / k == Approx(one.q).epsilon(1e-11));
      CHECK(std::abs(scaled.c2 - one.c2) < 1e-10);
      if (k == 1e-3 || std::abs(std::log10(k)) == 60) continue;  // they are dear
      CHECK(residual_information(*noise, k * k * P) * k * k == Approx(J).epsilon(1e-9));
      if (std::isinf(best))
        CHECK(std::isinf(optimal_threshold(*noise, k * k * P).threshold));
      else
        CHECK(optimal_threshold(*noise, k * k * P).threshold / k == Approx(best).epsilon(1e-6));
      CHECK(residual_quantile(*noise, k * k * P, 0.7) / k == Approx(residual_quantile(*unit, P, 0.7)).epsilon(1e-10));
      for (const double batch : {1.0, 2.0, 3.0, 8.0, 1e3}) {
        CHECK(late_drift(*noise, k * k * P, batch) * k == Approx(late_drift(*unit, P, batch)).epsilon(1e-10));
        CHECK(late_coupling(*noise, k * k * P, batch) * k * k == Approx(late_coupling(*unit, P, batch)).epsilon(1e-10));
      }
    }
  };
  check([](double k) { return gaussian_noise(0.5 * k * k); });
  check([](double k) { return laplace_noise(0.5 * k * k); });
  check([](double k) { return student_noise(2.5, 0.7 * k); });
  check([](double k) { return student_noise(1e6, 0.7 * k); });
  check([](double k) { return cauchy_noise(0.5 * k); });
  check([](double k) { return uniform_noise(0.5 * k * k); });
  check([](double k) { return rademacher_noise(0.5 * k * k); });
  check([](double k) { return contaminated_noise(0.2 * k, 5 * k, 0.1); });
  check([](double k) { return three_point_noise(2 * k, 0.25); });
}

TEST_CASE("mixtures stay small, their probabilities add up, and they have the law's size") {
  const std::vector<double> kinks{-1, 0, 1};
  for (const double dof : {1e-300, 1e-6, 0.02, 0.5, 2.0, 1e2, 1e7, 1e308})
    for (const double scale : {1e-150, 1e-3, 1.0, 1e60, 1e150})
      for (const double growth : {0.0, 0.9 * std::min(dof, 4.0)}) {
        CAPTURE(dof);
        CAPTURE(scale);
        const auto nodes = student_noise(dof, scale)->nodes({.width = 1, .kinks = kinks, .growth = growth});
        CHECK(nodes.size() < 15000);
        double total = 0;
        for (const MixtureNode& node : nodes) {
          total += node.probability;
          CHECK(std::isfinite(node.variance));
        }
        CHECK(total == Approx(1).epsilon(1e-12));
      }
  for (const double variance : {1e-300, 1e-20, 1.0, 1e20, 1e300}) {
    double total = 0, second = 0;
    const auto nodes = uniform_noise(variance)->nodes({.width = 1, .kinks = kinks});
    for (const MixtureNode& node : nodes) {
      total += node.probability;
      second += node.probability * (node.mean / std::sqrt(variance)) * (node.mean / std::sqrt(variance));
    }
    CHECK(nodes.size() < 1000);
    CHECK(total == Approx(1).epsilon(1e-13));
    CHECK(second == Approx(1).epsilon(1e-13));
  }
}

TEST_CASE("moments close to the last that the tails have") {
  // E |eps|^p of Student's t: dof^(p/2) Gamma((p+1)/2) Gamma((dof-p)/2)/(sqrt(pi) Gamma(dof/2)); p up to dof - 0.002.
  for (const double dof : {2.5, 4.1, 1.0})
    for (const double away : {1.0, 0.1, 0.002}) {
      const double p = dof - away;
      CAPTURE(dof);
      CAPTURE(p);
      double sum = 0;
      const double absolute = std::pow(2, p / 2) * std::tgamma((p + 1) / 2) / std::sqrt(std::acos(-1.0));  // E |z|^p
      for (const MixtureNode& node : student_noise(dof, 1)->nodes({.growth = p}))
        sum += node.probability * absolute * std::pow(node.variance, p / 2);
      CHECK(sum == Approx(std::pow(dof, p / 2) * std::tgamma((p + 1) / 2) * std::tgamma((dof - p) / 2) /
                          (std::sqrt(std::acos(-1.0)) * std::tgamma(dof / 2)))
                       .epsilon(1e-10));
    }
}

TEST_CASE("the sign of a mean of very many examples under any noise") {
  // a -> sqrt(2B/pi)/sqrt(P + sigma^2), up to 1/B, where g^B only sees 1 - g.
  for (const auto& noise : std::vector<std::shared_ptr<const Noise>>{
           laplace_noise(0.5), student_noise(5, 1), uniform_noise(2), three_point_noise(3, 0.1),
           contaminated_noise(0.1, 3, 0.02), rademacher_noise(1e-8), uniform_noise(1e8)}) {
    CAPTURE(noise->name());
    const double P = 0.3, total = P + noise->variance();
    const double tails = std::max(noise->fourth_moment() / (total * total), 3.0);
    for (const double B : {1e6, 1e10, 1e15})
      CHECK(std::abs(late_drift(*noise, P, B) * std::sqrt(std::acos(-1.0) / 2 / B * total) - 1) <
            5 * tails / B + 1e-10);
  }
  // A majority of very many signs gains sqrt(2B/pi); ties have sqrt(2/(pi B)).
  for (const double B : {1e4, 1e9, 1e15}) {
    CHECK(majority_gain(B) == Approx(std::sqrt(2 * B / std::acos(-1.0))).epsilon(1 / B + 1e-13));
    CHECK(majority_tie(B) == Approx(std::sqrt(2 / (std::acos(-1.0) * B))).epsilon(1 / B + 1e-13));
  }
}

TEST_CASE("signs and Adam under noise at the end of the range, and contamination of one scale") {
  const double pi = std::acos(-1.0);
  for (const auto& noise :
       std::vector<std::shared_ptr<const Noise>>{uniform_noise(1e300), laplace_noise(1e300), rademacher_noise(1e300)})
    for (const double B : {1e6, 1e9, 1e12}) {
      CAPTURE(noise->name());
      CAPTURE(B);
      CHECK(late_drift(*noise, 1, B) * 1e150 == Approx(std::sqrt(2 * B / pi)).epsilon(1e-5));
    }
  // In units of the noise the same as at 1e100, where nothing overflows.
  const AdamCoefficients huge = adam_laws_at(0.9, 0.99, 1, *uniform_noise(1e294), 1),
                         large = adam_laws_at(0.9, 0.99, 1, *uniform_noise(1e100), 1);
  CHECK(huge.drift * 1e147 == Approx(large.drift * 1e50).epsilon(1e-8));
  CHECK(huge.noise == Approx(large.noise).epsilon(1e-8));
  // Very heavy tails: of the risk, which is nothing beside them, the noise of Adam's steps does not know.
  const AdamCoefficients heavy = adam_laws_at(0.9, 0.99, 1, *student_noise(0.2, 1), 1);
  CHECK(adam_laws_at(0.9, 0.99, 1, *student_noise(0.2, 1), 1.1).noise == Approx(heavy.noise).epsilon(2e-6));
  CHECK_THROWS_AS(adam_laws_at(0.9, 0.99, 1, *student_noise(0.01, 1), 1), std::invalid_argument);
  for (const auto& noise : {contaminated_noise(2, 5, 0), contaminated_noise(5, 2, 1), contaminated_noise(2, 2, 0.3)}) {
    CHECK(noise->gaussian());
    CHECK(noise->variance() == 4);
    CHECK(noise->name() == "contaminated");
  }
  CHECK(contaminated_noise(5, 0, 1)->sizes().empty());
}

TEST_CASE("tiny and huge noise beside the risk") {
  // sign_phi -> (2/pi) sqrt(2 pi P) f(0) under wide noise, 2/pi under narrow, for ratios to the end of the range.
  const double pi = std::acos(-1.0);
  for (const double ratio : {1e10, 1e30, 1e100}) {
    const double near = std::max(3 / ratio, 1e-12), P = 1 / ratio / ratio;  // P far below the noise of size 1
    CHECK(sign_phi(*laplace_noise(2), P) == Approx(2 / pi * std::sqrt(2 * pi * P) * 0.5).epsilon(near));
    CHECK(sign_phi(*student_noise(2, 1), P) == Approx(2 / pi * std::sqrt(2 * pi * P) / std::sqrt(8)).epsilon(near));
    CHECK(sign_phi(*uniform_noise(1.0 / 3), P) == Approx(2 / pi * std::sqrt(2 * pi * P) * 0.5).epsilon(1e-12));
    const double large = ratio * ratio;
    for (const auto& noise : std::vector<std::shared_ptr<const Noise>>{laplace_noise(2), student_noise(2.5, 1),
                                                                       uniform_noise(1), rademacher_noise(1)})
      CHECK(sign_phi(*noise, large) == Approx(2 / pi).epsilon(near));
  }
}
