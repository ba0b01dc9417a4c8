// Scalar laws of nonlinear gradients: closed forms against quadrature, tables against the laws, what has no theory.
#include "models/nonlinear/laws.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>

#include "models/nonlinear/criteria.hpp"
#include "tests/approx.hpp"

using namespace edgewise::models;
using namespace edgewise::models::nonlinear;
using namespace edgewise::models::ingredients;
using edgewise::tests::Approx;

namespace {

NonlinearProblem problem(const std::string& method, std::shared_ptr<const Noise> noise, double batch = 1,
                         double threshold = 0.7) {
  NonlinearProblem p;
  p.covariance.d = 3;
  p.covariance.eigenvalue = {2, 1, 0.5};
  p.covariance.target = {1, 1, 1};
  p.noise = std::move(noise);
  p.method = method;
  p.batch = batch;
  p.threshold = threshold;
  p.ema = 0.9;
  return p;
}

std::string error_of(const NonlinearProblem& p) {
  try {
    scalar_laws(p);
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "no error";
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("coefficients in closed form are those of quadrature") {
  const double h = 0.8, tau = 0.3;
  struct Case {
    std::string name;
    std::unique_ptr<ResidualNonlinearity> closed;
    std::unique_ptr<ResidualNonlinearity> quadrature;
  };
  std::vector<Case> cases;
  const auto add = [&](std::string name, std::unique_ptr<ResidualNonlinearity> closed, std::vector<double> kinks) {
    const ResidualNonlinearity* chi = closed.get();
    auto general = general_nonlinearity([chi](double r) { return (*chi)(r); }, std::move(kinks));
    cases.push_back({std::move(name), std::move(closed), std::move(general)});
  };
  add("identity", identity_nonlinearity(), {});
  add("huber", huber_nonlinearity(h), {-h, h});
  add("sign", sign_nonlinearity(), {0});
  add("quantile", quantile_nonlinearity(tau), {0});
  add("reject", rejection_nonlinearity(h), {-h, h});
  for (const Case& c : cases)
    for (const double mean : {-3.0, -0.4, 0.0, 0.9, 2.5})
      for (const double variance : {0.01, 0.5, 3.0, 400.0}) {
        CAPTURE(c.name);
        CAPTURE(mean);
        CAPTURE(variance);
        const ResidualCoefficients exact = c.closed->gaussian(mean, variance);
        const ResidualCoefficients numeric = c.quadrature->gaussian(mean, variance);
        CHECK(std::abs(exact.mu - numeric.mu) < 1e-11);
        CHECK(std::abs(exact.q - numeric.q) < 1e-11 * (1 + exact.q));
        CHECK(std::abs(exact.c2 - numeric.c2) < 1e-9);
      }
}

TEST_CASE("narrow thresholds lose no digits, under tails of any weight") {
  // h -> 0: mu/h -> 2 p_r(0), q/h^2 -> 1.
  for (const double dof : {0.3, 1.0, 2.5}) {
    const auto noise = student_noise(dof, 0.5);
    const double h = 1e-6, density = residual_density(*noise, 0.2, 0).value;
    const ResidualCoefficients r = residual_coefficients(*huber_nonlinearity(h), *noise, 0.2);
    CHECK(r.mu / h == Approx(2 * density).epsilon(1e-10));
    CHECK(r.q / (h * h) == Approx(1 - 4.0 / 3 * density * h).epsilon(1e-10));
  }
}

TEST_CASE("a threshold beyond all residuals bends nothing, however large") {
  for (const double h : {1e10, 1e160, 1e300}) {
    CAPTURE(h);
    for (const auto& noise : {gaussian_noise(0.25), three_point_noise(0.5, 1)}) {
      for (const auto& chi : {huber_nonlinearity(h), rejection_nonlinearity(h)}) {
        const ResidualCoefficients r = residual_coefficients(*chi, *noise, 0.7);
        CHECK(r.mu == Approx(1).epsilon(1e-14));
        CHECK(r.q == Approx(0.95).epsilon(1e-12));
        CHECK(r.c2 == Approx(2).epsilon(1e-12));
      }
    }
  }
}

TEST_CASE("tables are as good as the laws, and so are their slopes") {
  const std::vector<NonlinearProblem> problems = {
      problem("huber", cauchy_noise(0.5)),        problem("clip", three_point_noise(2, 0.25), 4),
      problem("reject", laplace_noise(0.3)),      problem("quantile", student_noise(3, 0.5), 1, 0.3),
      problem("sign-late", uniform_noise(0.3)),   problem("sign-late", contaminated_noise(0.2, 5, 0.1), 8),
      problem("sign-early", gaussian_noise(0.2)), problem("sgd", gaussian_noise(0.2), 3)};
  for (const NonlinearProblem& p : problems) {
    const ScalarLaws laws = scalar_laws(p);
    for (double P = 1e-7; P < 1000; P *= 1.3) {
      CAPTURE(p.method);
      CAPTURE(P);
      const LawValues exact = laws.exact(P), table = laws(P);
      CHECK(table.a == Approx(exact.a).epsilon(1e-11));
      CHECK(table.b == Approx(exact.b).epsilon(1e-11));
      CHECK(std::abs(table.c - exact.c) <= 1e-10 * (exact.a * exact.a + std::abs(exact.c)));
    }
    for (const double P : {0.0123, 0.3, 1.0, 77.0}) {
      CAPTURE(p.method);
      CAPTURE(P);
      const LawValues slope = laws.derivative(P), value = laws(P), beside = laws.with_derivative(P).first;
      CHECK(beside.a == value.a);
      CHECK(beside.b == value.b);
      CHECK(beside.c == value.c);
      const double step = 1e-5 * P;
      const LawValues up = laws.exact(P + step), down = laws.exact(P - step);
      CHECK(slope.a == Approx((up.a - down.a) / (2e-5)).epsilon(1e-6).scale(1e-4));
      CHECK(std::abs(slope.b - (up.b - down.b) / (2e-5)) < 1e-6 * (1e-2 + std::abs(slope.b)));
    }
  }
}

TEST_CASE("late signs: drift and coupling are averages over the residuals of a batch") {
  // a = sqrt(2/pi) E[h]/P and coupling = (2/pi) (E h^2/P - 1)/P with h = sum_b r_b w_b/|r|; 2^18 batches, seed fixed, 5
  // standard errors.
  const double pi = std::acos(-1.0), P = 0.3;
  for (const auto& noise : std::vector<std::shared_ptr<const Noise>>{laplace_noise(0.5), three_point_noise(2, 0.25),
                                                                     cauchy_noise(0.5), uniform_noise(2)})
    for (const int batch : {2, 3, 8}) {
      CAPTURE(noise->name());
      CAPTURE(batch);
      edgewise::random::Stream stream(3, 0);
      const int draws = 1 << 18;
      double s1 = 0, s2 = 0, s4 = 0;
      for (int i = 0; i < draws; ++i) {
        double product = 0, square = 0;
        for (int b = 0; b < batch; ++b) {
          const double w = std::sqrt(P) * stream.normal(), r = w - noise->draw(stream);
          product += r * w;
          square += r * r;
        }
        const double h = product / std::sqrt(square);
        s1 += h;
        s2 += h * h;
        s4 += h * h * h * h;
      }
      s1 /= draws, s2 /= draws, s4 /= draws;
      CHECK(std::abs(std::sqrt(2 / pi) * s1 / P - late_drift(*noise, P, batch)) <
            5 * std::sqrt(2 / pi) / P * std::sqrt((s2 - s1 * s1) / draws));
      CHECK(std::abs(2 / pi * (s2 / P - 1) / P - late_coupling(*noise, P, batch)) <
            5 * 2 / pi / P / P * std::sqrt((s4 - s2 * s2) / draws));
    }
  // Gaussian noise has both in closed form; the integrals know nothing of it in a mixture of two equal parts.
  for (const double batch : {2.0, 3.0, 4.0, 50.0, 1e6}) {
    const auto mixed = contaminated_noise(0.6, 0.6, 0.3), plain = gaussian_noise(0.36);
    CHECK(late_drift(*mixed, P, batch) == Approx(late_drift(*plain, P, batch)).epsilon(1e-11));
    CHECK(late_coupling(*mixed, P, batch) == Approx(late_coupling(*plain, P, batch)).epsilon(1e-11));
    CHECK(late_coupling(*plain, P, batch) == Approx(2 / pi * (batch - 1) / 0.66).epsilon(1e-14));
  }
  CHECK(late_coupling(*laplace_noise(0.5), P, 1) == 0);
}

TEST_CASE("majority: gain and ties are the sums over the binomial law") {
  for (const int batch : {1, 2, 3, 4, 7, 12}) {
    double gain = 0, tie = 0;
    for (int k = 0; k <= batch; ++k) {
      const double p =
          std::exp(std::lgamma(batch + 1) - std::lgamma(k + 1) - std::lgamma(batch - k + 1)) / std::pow(2, batch);
      gain += p * std::abs(2 * k - batch);
      if (2 * k == batch) tie += p;
    }
    CHECK(majority_gain(batch) == Approx(gain).epsilon(1e-12));
    CHECK(majority_tie(batch) == Approx(tie).epsilon(1e-12));
  }
}

TEST_CASE("a covariance's unexplained variance is label noise") {
  NonlinearProblem with = problem("sign-late", gaussian_noise(0.2)),
                   without = problem("sign-late", gaussian_noise(0.5));
  with.covariance.unexplained_variance = 0.3;
  CHECK(scalar_laws(with)(0.4).a == Approx(scalar_laws(without)(0.4).a).epsilon(1e-13));
  const auto blurred = blurred_noise(laplace_noise(0.2), 0.3);
  CHECK(blurred->variance() == Approx(0.5));
  double average = 0;
  for (const auto& node : blurred->nodes({.width = std::sqrt(0.7)}))
    average += node.probability * std::sqrt(0.7 / (0.7 + node.variance));
  CHECK(blurred->exponential_average(0.7) == Approx(average).epsilon(1e-12));
}

TEST_CASE("norms that spread: averages over k of the residual at k P, clipped at h/sqrt(k) by norm") {
  const double P = 0.8;
  const std::shared_ptr<const Noise> noise = laplace_noise(0.5);
  for (const std::string method : {"clip", "huber", "reject"}) {
    CAPTURE(method);
    NonlinearProblem p = problem(method, noise, 4);
    p.norm_spread = {0.4, 0.9, 1.7};
    const double h = threshold_at_risk(p, *noise, P);
    double mu = 0, q = 0, c2 = 0;
    for (const double k : p.norm_spread) {
      const double bound = method == "clip" ? h / std::sqrt(k) : h;
      const auto r = residual_coefficients(*method_nonlinearity(p.method, bound), *noise, k * P);
      mu += k * r.mu / 3;
      q += k * r.q / 3;
      c2 += k * k * r.c2 / 3;
    }
    const LawValues seen = scalar_laws(p).exact(P), expected = law_of_batch({mu, q, c2}, 4);
    CHECK(seen.a == Approx(expected.a).epsilon(1e-12));
    CHECK(seen.b == Approx(expected.b).epsilon(1e-12));
    CHECK(seen.c == Approx(expected.c).epsilon(1e-12));
    p.norm_spread = {1};
    NonlinearProblem plain = problem(method, noise, 4);
    CHECK(scalar_laws(p).exact(P).b == Approx(scalar_laws(plain).exact(P).b).epsilon(1e-12));
  }
  NonlinearProblem mean = problem("mean-clip", gaussian_noise(0.5), 4);
  mean.norm_spread = {1};
  CHECK(holds(error_of(mean), "theory.norm_spread: corrects examples"));
}

TEST_CASE("what has no theory is refused") {
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(holds(error_of(problem("sgd", cauchy_noise(1))), "variance of cauchy is infinite"));
  CHECK(holds(error_of(problem("huber", student_noise(2, 1), 1, inf)), "variance of student-t is infinite"));
  CHECK(holds(error_of(problem("mean-clip", laplace_noise(1))), "mean-clip is known for Gaussian noise only"));
  CHECK(holds(error_of(problem("sign-ema", laplace_noise(1))), "sign-ema is known for Gaussian noise only"));
  NonlinearProblem dense = problem("sign-majority", gaussian_noise(1), 4);
  dense.covariance.diagonal = false;
  CHECK(error_of(dense) == "no error");
  dense.batch = 51;
  CHECK_THROWS_AS(noise_kernel(dense), std::invalid_argument);
  CHECK(holds(error_of(problem("per-example-adam", gaussian_noise(1))), "no laws for 'per-example-adam'"));
  CHECK_THROWS_AS(residual_coefficients(*sign_nonlinearity(), *gaussian_noise(1), 0), std::invalid_argument);
}

TEST_CASE("majority beyond a diagonal covariance: weights of its Fourier levels") {
  for (const double batch : {1.0, 3.0, 8.0}) {
    double total = 0;
    for (const double w : majority_weights(batch)) total += w;
    CHECK(total == Approx(1 - majority_tie(batch)).epsilon(1e-12));
  }
  // Three signs: 3/4 on single ones, 1/4 on their product.
  const auto w = majority_weights(3);
  CHECK(w[1] == Approx(0.75));
  CHECK(w[3] == Approx(0.25));
}

TEST_CASE("centred residuals have the averages of those off centre by nothing") {
  // A mean of 1e-200 takes the general formulas, with quadrature where the interval is narrow.
  for (double ratio = 1e-6; ratio < 40; ratio *= 1.7)
    for (const auto& chi : {huber_nonlinearity(0.7), rejection_nonlinearity(0.7)}) {
      CAPTURE(ratio);
      const double s = 0.7 / ratio;
      const ResidualCoefficients centred = chi->gaussian(0, s * s), general = chi->gaussian(1e-200, s * s);
      CHECK(centred.mu == Approx(general.mu).epsilon(1e-13));
      CHECK(centred.q == Approx(general.q).epsilon(1e-13));
      CHECK(centred.c2 == Approx(general.c2).epsilon(1e-12).scale(std::min(ratio * ratio * ratio, 1.0)));
    }
}

TEST_CASE("thresholds below nearly all residuals keep the digits of what little is left") {
  // E chi' of rejection = int r^2 p / s^2 over [-h, h] -> sqrt(2/pi) (h/s)^3 / 3, off centre too; E (chi^2)'' of clipping
  // is twice that, which steps of 1/h multiply by their square.
  for (const double s : {1e3, 1e8, 1e15})
    for (const double mean : {0.0, 1e-200}) {
      CAPTURE(s);
      CHECK(rejection_nonlinearity(1)->gaussian(mean, s * s).mu ==
            Approx(std::sqrt(2 / 3.14159265358979324) / (3 * s * s * s)).epsilon(1e-6));
      CHECK(huber_nonlinearity(1)->gaussian(mean, s * s).c2 ==
            Approx(2 * std::sqrt(2 / 3.14159265358979324) / (3 * s * s * s)).epsilon(1e-6));
    }
}

TEST_CASE("the mixture kept over a factor e of P gives the laws of one made afresh") {
  for (const std::shared_ptr<const Noise>& noise :
       {std::shared_ptr<const Noise>(uniform_noise(0.5)), std::shared_ptr<const Noise>(laplace_noise(0.5)),
        std::shared_ptr<const Noise>(cauchy_noise(0.5))}) {
    CAPTURE(noise->name());
    NonlinearProblem p;
    p.covariance.d = 1;
    p.covariance.eigenvalue = p.covariance.target = {1};
    p.noise = noise;
    p.method = "huber";
    p.threshold = 0.6;
    p.batch = 1;
    const ScalarLaws laws = scalar_laws(p);
    // Up and down, so that the mixture is remade.
    for (const double P : {0.3, 0.37, 0.9, 0.01, 0.35, 4.0}) {
      const ResidualCoefficients fresh = residual_coefficients(*huber_nonlinearity(0.6), *p.noise, P);
      CHECK(laws.exact(P).a == Approx(fresh.mu).epsilon(1e-12));
      CHECK(laws.exact(P).b == Approx(fresh.q).epsilon(1e-12));
      CHECK(laws.exact(P).c == Approx(fresh.c2).epsilon(1e-11));
    }
  }
}
