#include "spectra/compression.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <boost/math/special_functions/digamma.hpp>
#include <boost/math/special_functions/trigamma.hpp>
#include <boost/math/special_functions/zeta.hpp>
#include <cmath>
#include <numbers>
#include <numeric>
#include <stdexcept>

#include "linear_algebra/dense.hpp"
#include "spectra/csv.hpp"
#include "spectra/marchenko_pastur.hpp"
#include "tests/approx.hpp"

using namespace edgewise::spectra;
using edgewise::linear_algebra::Matrix;
using edgewise::tests::Approx;

namespace {

Spectrum power_law(std::size_t d, double alpha, double beta) {
  Spectrum s;
  for (std::size_t i = 0; i < d; ++i) {
    const auto j = static_cast<double>(i + 1);
    s.eigenvalue.push_back(std::pow(j, -2 * alpha));
    s.multiplicity.push_back(1);
    s.target_power.push_back(std::pow(j, -2 * beta));
  }
  return s;
}

Spectrum flat_target(std::vector<double> lambda) {
  Spectrum s;
  s.multiplicity.assign(lambda.size(), 1.0);
  s.target_power.assign(lambda.size(), 1.0 / static_cast<double>(lambda.size()));
  s.eigenvalue = std::move(lambda);
  return s;
}

/// F and H on a logarithmic grid of times, by a plain loop of its own.
struct Curves {
  std::vector<double> tau, bias, kernel;
};

Curves curves(const Spectrum& s, std::vector<double> tau) {
  Curves c;
  for (const double t : tau) {
    double bias = 0, kernel = 0;
    for (std::size_t a = 0; a < s.modes(); ++a) {
      const double decayed = s.eigenvalue[a] * std::exp(-t * s.eigenvalue[a]);
      bias += s.target_power[a] * decayed;
      kernel += s.multiplicity[a] * s.eigenvalue[a] * decayed;
    }
    c.bias.push_back(bias);
    c.kernel.push_back(kernel);
  }
  c.tau = std::move(tau);
  return c;
}

Curves curves(const Spectrum& whole, int points) {
  const double first = std::log(0.1 / whole.largest()), last = std::log(5 / whole.smallest_positive());
  std::vector<double> tau;
  for (int k = 0; k < points; ++k) tau.push_back(std::exp(first + (last - first) * k / (points - 1)));
  return curves(whole, tau);
}

/// Largest relative error of F and H against every eigenvalue.
double direct_error(const Spectrum& nodes, const Curves& whole) {
  const Curves c = curves(nodes, whole.tau);
  double worst = 0;
  for (std::size_t k = 0; k < c.tau.size(); ++k)
    worst = std::max({worst, std::abs(c.bias[k] / whole.bias[k] - 1), std::abs(c.kernel[k] / whole.kernel[k] - 1)});
  return worst;
}

/// (eta/B) sum n lambda / (2 - eta lambda (1 + 1/B)), the kernel norm of SGD (docs/theory/least-squares-sgd.md (1.2)).
double kernel_norm(const Spectrum& s, double eta, double batch) {
  double sum = 0;
  for (std::size_t a = 0; a < s.modes(); ++a)
    sum += s.multiplicity[a] * s.eigenvalue[a] / (2 - eta * s.eigenvalue[a] * (1 + 1 / batch));
  return eta / batch * sum;
}

struct Phase {
  double alpha, beta;
};
// One point of each phase of docs/theory/least-squares-sgd.md, section 7, and a steep and a flat spectrum.
const Phase phases[] = {{1, 0.5}, {0.4, 0.7}, {0.75, 1.2}, {0.35, 0.8}, {2, 0.3}, {0.2, 0.4}, {1, -0.25}};

}  // namespace

TEST_CASE("power-law nodes meet the asked tolerance against direct sums at d = 1e6" * doctest::test_suite("slow")) {
  for (const Phase& phase : phases) {
    const double alpha = phase.alpha, beta = phase.beta;
    CAPTURE(alpha);
    CAPTURE(beta);
    const Spectrum whole = power_law(1'000'000, alpha, beta);
    const Curves direct = curves(whole, 23);
    for (const double tolerance : {1e-3, 1e-6, 1e-10}) {
      CAPTURE(tolerance);
      const Compressed c = power_law_nodes(1e6, alpha, beta, tolerance);
      CHECK(c.spectrum.compressed);
      CHECK(c.error.worst() <= tolerance);
      // The grid of this test lies between the points of the grid on which the rule was chosen.
      CHECK(direct_error(c.spectrum, direct) <= tolerance);
      CHECK(c.spectrum.dimension() == Approx(1e6).epsilon(1e-12));
      CHECK(c.spectrum.trace() == Approx(whole.trace()).epsilon(tolerance));
      CHECK(c.spectrum.trace_of_square() == Approx(whole.trace_of_square()).epsilon(tolerance));
    }
  }
}

TEST_CASE("the reported error is the error against every eigenvalue") {
  const Spectrum whole = power_law(100'000, 0.75, 1.2);
  const Compressed c = power_law_nodes(1e5, 0.75, 1.2, 1e-5);
  const CompressionError direct = compression_error(c.spectrum, whole);
  CHECK(direct.bias == Approx(c.error.bias).epsilon(1e-3));
  CHECK(direct.kernel == Approx(c.error.kernel).epsilon(1e-3));
  CHECK(direct.sums == Approx(c.error.sums).epsilon(1e-3));
  CHECK(c.error.worst() > 1e-7);  // a tolerance of 1e-5 is made use of
}

TEST_CASE("the number of power-law nodes grows with the decades only, up to d = 1e15") {
  for (const Phase& phase : {Phase{1, 0.5}, Phase{0.4, 0.7}}) {
    const double alpha = phase.alpha, beta = phase.beta;
    CAPTURE(alpha);
    const auto nodes = [&](double d) {
      return static_cast<double>(power_law_nodes(d, alpha, beta, 1e-6).spectrum.modes());
    };
    const double at_1e6 = nodes(1e6), at_1e9 = nodes(1e9), at_1e12 = nodes(1e12), at_1e15 = nodes(1e15);
    CHECK(at_1e6 < 150);
    CHECK(at_1e15 < 400);
    const double three_decades = at_1e9 - at_1e6;
    CHECK(three_decades > 0);
    CHECK(std::abs(at_1e12 - at_1e9) < 2 * three_decades);
    CHECK(std::abs(at_1e15 - at_1e12) < 2 * three_decades);
  }
}

TEST_CASE("power-law sums at d = 1e15 are those of zeta and Euler-Maclaurin") {
  // sum_1^d j^-s = zeta(s) - d^(1-s)/(s-1) + d^-s/2 - ...
  const double d = 1e15;
  for (const double alpha : {1.0, 0.35, 0.75}) {
    CAPTURE(alpha);
    const double s = 2 * alpha;
    const double expected = boost::math::zeta(s) - std::pow(d, 1 - s) / (s - 1) + std::pow(d, -s) / 2;
    const Spectrum nodes = power_law_nodes(d, alpha, 0.3, 1e-10).spectrum;
    CHECK(nodes.trace() == Approx(expected).epsilon(1e-10));
    CHECK(nodes.dimension() == Approx(d).epsilon(1e-13));
  }
}

TEST_CASE("the kernel norm of SGD carries over, near the stability threshold too") {
  const Spectrum whole = power_law(200'000, 0.75, 0.5);
  for (const double tolerance : {1e-4, 1e-8}) {
    const Spectrum nodes = power_law_nodes(2e5, 0.75, 0.5, tolerance).spectrum;
    const Spectrum generic = compress(whole, tolerance).spectrum;
    for (const double batch : {1.0, 16.0, 1024.0})
      for (const double share : {0.1, 0.5, 0.95}) {
        const double eta = share * 2 / (1 + 1 / batch), expected = kernel_norm(whole, eta, batch);
        CHECK(kernel_norm(nodes, eta, batch) == Approx(expected).epsilon(tolerance));
        CHECK(kernel_norm(generic, eta, batch) == Approx(expected).epsilon(tolerance));
      }
  }
}

TEST_CASE("few indices are kept as they are") {
  const Compressed c = power_law_nodes(5, 1, 0.5, 1e-8);
  CHECK_FALSE(c.spectrum.compressed);
  CHECK(c.spectrum.modes() == 5);
  CHECK(c.spectrum.eigenvalue[4] == Approx(0.04).epsilon(1e-15));
  CHECK(c.error.worst() == 0);
  CHECK(power_law_nodes(1, 1, 0.5, 1e-8).spectrum.modes() == 1);
}

TEST_CASE("a list of eigenvalues is compressed within the tolerance") {
  std::vector<Spectrum> wholes{
      power_law(20'000, 1, 0.5), power_law(20'000, 0.4, 0.7), flat_target(marchenko_pastur_quantiles(0.5, 5000)),
      flat_target(marchenko_pastur_quantiles(1.0, 5000)), read_csv(EDGEWISE_TEST_DATA "/fashion-mnist.csv")};
  // Of Marchenko and Pastur's law, whose lower edge is where late times look, 72 nodes.
  const double size_limit[] = {0.01, 0.005, 0.016, 0.025, 0.3};
  for (std::size_t k = 0; k < wholes.size(); ++k) {
    CAPTURE(k);
    const Spectrum& whole = wholes[k];
    const Curves direct = curves(whole, 41);
    for (const double tolerance : {1e-3, 1e-6, 1e-9}) {
      CAPTURE(tolerance);
      const Compressed c = compress(whole, tolerance);
      CHECK(c.error.worst() <= tolerance);
      CHECK(direct_error(c.spectrum, direct) <= tolerance);
      CHECK(c.spectrum.unexplained_variance == whole.unexplained_variance);
      if (tolerance >= 1e-6) {
        CHECK(c.spectrum.compressed);
        CHECK(static_cast<double>(c.spectrum.modes()) < size_limit[k] * static_cast<double>(whole.modes()));
      }
    }
  }
}

TEST_CASE("compression keeps the sums to rounding, whatever the spectrum") {
  CHECK(rc::check([] {
    Spectrum whole;
    const auto n = *rc::gen::inRange<std::size_t>(1, 400);
    for (std::size_t a = 0; a < n; ++a) {
      whole.eigenvalue.push_back(std::exp(-*rc::gen::inRange(0, 20'000) / 1000.0));
      whole.multiplicity.push_back(*rc::gen::inRange(1, 20) / 4.0);
      whole.target_power.push_back(*rc::gen::inRange(0, 8) / 4.0);
    }
    const Compressed c = compress(whole, 1e-4);
    const Spectrum& s = c.spectrum;
    const auto close = [](double a, double b) { return std::abs(a - b) <= 1e-11 * std::abs(b); };
    RC_ASSERT(s.modes() <= n);
    RC_ASSERT(c.error.worst() <= 1e-4);
    RC_ASSERT(close(s.dimension(), whole.dimension()));
    RC_ASSERT(close(s.trace(), whole.trace()));
    RC_ASSERT(close(s.trace_of_square(), whole.trace_of_square()));
    RC_ASSERT(close(s.signal(), whole.signal()));
    RC_ASSERT(s.largest() == whole.largest());
  }));
}

TEST_CASE("zero eigenvalues become one mode and keep their target power") {
  Spectrum whole = power_law(2000, 0.6, 0.5);
  for (int k = 0; k < 3; ++k) {
    whole.eigenvalue.push_back(0);
    whole.multiplicity.push_back(2);
    whole.target_power.push_back(0.5);
  }
  const Spectrum s = compress(whole, 1e-6).spectrum;
  CHECK(s.compressed);
  CHECK(s.eigenvalue.back() == 0);
  CHECK(s.multiplicity.back() == 6);
  CHECK(s.target_power.back() == 1.5);
  CHECK(s.eigenvalue[s.modes() - 2] > 0);
  CHECK(s.dimension() == Approx(2006).epsilon(1e-12));
}

TEST_CASE("errors of a compression by hand, beside an eigenvalue 0 that has target power") {
  Spectrum whole;
  whole.eigenvalue = {4, 1, 0};
  whole.multiplicity = {1, 1, 1};
  whole.target_power = {1, 1, 5};
  CHECK(compression_error(whole, whole).worst() == 0);
  // One more mode at 1 is all of the kernel late, a third of the dimension, and nothing of the bias.
  Spectrum more = whole;
  more.multiplicity[1] = 2;
  const CompressionError kernel = compression_error(more, whole);
  CHECK(kernel.bias == 0);
  CHECK(kernel.kernel == Approx(1).epsilon(1e-12));
  CHECK(kernel.sums == Approx(1 / 3.0).epsilon(1e-12));
  // A tenth of the power at 1 is a tenth of the bias late, .1/7 of all power and .1/5 of the signal.
  Spectrum stronger = whole;
  stronger.target_power[1] = 1.1;
  const CompressionError bias = compression_error(stronger, whole);
  CHECK(bias.bias == Approx(0.1).epsilon(1e-12));
  CHECK(bias.kernel == 0);
  CHECK(bias.sums == Approx(0.02).epsilon(1e-12));
  CHECK(bias.worst() == bias.bias);
}

TEST_CASE("errors of a compression: each of the sums over multiplicities counts by itself") {
  Spectrum whole = flat_target({4, 3, 2.2, 1.5, 0.7, 0.2});
  whole.multiplicity.assign(6, 10.0);
  // Dimension, trace, trace of the square, and the kernel norm at these shares of the largest rate.
  Matrix weight(6, 6);
  for (std::size_t a = 0; a < 6; ++a) {
    const double lambda = whole.eigenvalue[a];
    std::size_t row = 0;
    for (const double x : {1.0, lambda, lambda * lambda}) weight(row++, a) = x;
    for (const double share : {0.5, 0.9, 0.99}) weight(row++, a) = lambda / (1 - share * lambda / 4);
  }
  const Matrix sums = product(weight, Matrix(6, 1, whole.multiplicity));
  for (std::size_t k = 0; k < 6; ++k) {
    CAPTURE(k);
    Matrix change(6, 1);
    change(k, 0) = 0.01 * sums(k, 0);
    change = solve(weight, change);
    Spectrum nodes = whole;
    for (std::size_t a = 0; a < 6; ++a) nodes.multiplicity[a] += change(a, 0);
    CHECK(compression_error(nodes, whole).sums == Approx(0.01).epsilon(1e-6));
  }
}

TEST_CASE("bins narrow towards the slowest mode that the bias has, at about the cost of two compressions") {
  Spectrum whole = power_law(5000, 0.5, 0.5), fast = power_law(500, 0.5, 0.5);
  const std::size_t all = compress(whole, 1e-8).spectrum.modes(), first = compress(fast, 1e-8).spectrum.modes();
  for (std::size_t a = 500; a < 5000; ++a) whole.target_power[a] = 0;
  CHECK(2 * compress(whole, 1e-8).spectrum.modes() < 3 * (all + first));
}

TEST_CASE("isolated eigenvalues and a single mode are left alone") {
  Spectrum s = flat_target({3, 1, 0.1});
  const Compressed c = compress(s, 1e-6);
  CHECK_FALSE(c.spectrum.compressed);
  CHECK(c.spectrum.eigenvalue == s.eigenvalue);
  CHECK(c.error.worst() == 0);
  CHECK(compress(flat_target({2}), 1e-3).spectrum.modes() == 1);
}

TEST_CASE("a target that lives on few modes is not smeared over its bin") {
  Spectrum whole = power_law(5000, 0.5, 0.5);
  for (std::size_t a = 0; a < whole.modes(); ++a)
    if (a % 617 != 5) whole.target_power[a] = 0;
  const Compressed c = compress(whole, 1e-6);
  CHECK(c.spectrum.modes() < 1000);
  CHECK(compression_error(c.spectrum, whole).worst() <= 1e-6);
}

TEST_CASE("bad tolerances, dimensions and exponents are refused") {
  const Spectrum s = flat_target({1, 2});
  CHECK_THROWS_WITH_AS(compress(s, 0), "compress must be > 0 and < 1, got 0", std::invalid_argument);
  CHECK_THROWS_AS(compress(s, 1), std::invalid_argument);
  CHECK_THROWS_AS(compress(s, std::nan("")), std::invalid_argument);
  CHECK_THROWS_WITH_AS(power_law_nodes(0, 1, 1, 1e-6), "dimension must be a whole number from 1 to 1e15, got 0",
                       std::invalid_argument);
  CHECK_THROWS_AS(power_law_nodes(10.5, 1, 1, 1e-6), std::invalid_argument);
  CHECK_THROWS_WITH_AS(power_law_nodes(10, 0, 1, 1e-6), "alpha must be > 0, got 0", std::invalid_argument);
}

TEST_CASE("the stated error holds however far the bias has fallen") {
  // (alpha, beta) = (.5, -1): P_0 is dominated by the slowest modes, and only they are left at 1e-24 of it and below.
  const std::size_t d = 20000;
  for (const auto& exponents : {std::pair(0.5, -1.0), std::pair(1.0, 0.5), std::pair(0.3, 0.2)}) {
    const double alpha = exponents.first, beta = exponents.second;
    const Spectrum whole = power_law(d, alpha, beta);
    std::vector<double> tau;
    for (const double e : {0.5, 5.0, 20.0, 55.0, 150.0, 590.0}) tau.push_back(e / whole.smallest_positive());
    const Curves exact = curves(whole, tau);
    for (const double tolerance : {1e-4, 1e-8}) {
      const Compressed of_law = power_law_nodes(static_cast<double>(d), alpha, beta, tolerance);
      const Compressed of_modes = compress(whole, tolerance);
      CHECK(of_law.spectrum.modes() < 700);
      CHECK(of_modes.spectrum.modes() < 900);
      for (const Spectrum* nodes : {&of_law.spectrum, &of_modes.spectrum}) {
        const Curves c = curves(*nodes, tau);
        for (std::size_t k = 0; k < tau.size(); ++k) {
          CAPTURE(alpha);
          CAPTURE(tau[k] * whole.smallest_positive());
          CHECK(std::abs(c.bias[k] / exact.bias[k] - 1) <= tolerance);
          CHECK(std::abs(c.kernel[k] / exact.kernel[k] - 1) <= tolerance);
        }
      }
    }
  }
}

TEST_CASE("errors of a compression: up to e^-600 of the slowest mode, and close to the largest stable rate") {
  Spectrum whole;
  whole.eigenvalue = {4, 1};
  whole.multiplicity = {1, 1};
  whole.target_power = {1, 1};
  // A slowest mode 1e-4 too fast: at 600/lambda its bias and kernel are (1 + 1e-4)^k e^-0.06 of what they are.
  Spectrum faster = whole;
  faster.eigenvalue[1] = 1.0001;
  const CompressionError late = compression_error(faster, whole);
  CHECK(late.bias == Approx(1 - 1.0001 * std::exp(-0.06)).epsilon(1e-9));
  CHECK(late.kernel == Approx(1 - 1.0001 * 1.0001 * std::exp(-0.06)).epsilon(1e-9));
  // The bias is looked at up to its own slowest mode.
  Spectrum powerless = whole, shifted = faster;
  powerless.target_power[1] = shifted.target_power[1] = 0;
  shifted.eigenvalue[0] = 4.0004;
  const CompressionError early = compression_error(shifted, powerless);
  CHECK(early.bias == Approx(1 - 1.0001 * std::exp(-0.06)).epsilon(1e-9));
  // A tenth more of the largest eigenvalue counts most where the kernel norm is nearest to its pole: 1/(1 - .99) = 100.
  Spectrum heavier = whole;
  heavier.multiplicity[0] = 1.1;
  CHECK(compression_error(heavier, whole).sums == Approx(0.1 * 400 / (400 + 1 / (1 - 0.99 / 4))).epsilon(1e-12));
  // A tenth less of the target's power, of which 1/(1 + 4) is the signal, and half all.
  Spectrum weaker = whole;
  weaker.target_power[1] = 0.9;
  CHECK(compression_error(weaker, whole).sums == Approx(0.05).epsilon(1e-12));
  Spectrum lighter = whole;
  lighter.multiplicity[1] = 0.9;
  CHECK(compression_error(lighter, whole).sums == Approx(0.05).epsilon(1e-12));
}

TEST_CASE("the eight largest eigenvalues are kept, whatever becomes of the others") {
  const Spectrum whole = power_law(3000, 0.6, 0.4), s = compress(whole, 1e-4).spectrum;
  REQUIRE(s.compressed);
  for (std::size_t a = 0; a < 8; ++a) {
    CHECK(s.eigenvalue[a] == whole.eigenvalue[a]);
    CHECK(s.multiplicity[a] == 1);
    CHECK(s.target_power[a] == whole.target_power[a]);
  }
  CHECK(compress(whole, 1e-4).spectrum.provenance.starts_with("; 3000 eigenvalues compressed to "));
  // The Gauss rules keep the sums of powers of the list to rounding.
  for (const int k : {0, 1, 2, 3}) {
    CAPTURE(k);
    double all = 0, nodes = 0;
    for (std::size_t a = 0; a < whole.modes(); ++a) all += std::pow(whole.eigenvalue[a], k);
    for (std::size_t a = 0; a < s.modes(); ++a) nodes += s.multiplicity[a] * std::pow(s.eigenvalue[a], k);
    CHECK(nodes == Approx(all).epsilon(1e-12));
  }
}

TEST_CASE("nodes of a power law keep d, tr K and tr K^2, at any dimension and tolerance") {
  for (const double tolerance : {1e-2, 1e-4, 1e-6, 1e-8})
    for (const double d : {1e3, 1e6, 1e9}) {
      CAPTURE(tolerance);
      CAPTURE(d);
      const Spectrum s = power_law_nodes(d, 0.5, -1, tolerance).spectrum;
      REQUIRE(s.compressed);
      // alpha = 1/2: the harmonic numbers of order 1 and 2.
      CHECK(s.dimension() == Approx(d).epsilon(1e-13));
      CHECK(s.trace() == Approx(boost::math::digamma(d + 1) + std::numbers::egamma).epsilon(2e-14));
      CHECK(s.trace_of_square() == Approx(boost::math::zeta(2.0) - boost::math::trigamma(d + 1)).epsilon(1e-13));
      // beta = -1: the Gauss rule of equal points keeps sum theta*_j^2 = sum j^2.
      CHECK(std::accumulate(s.target_power.begin(), s.target_power.end(), 0.0) ==
            Approx(d * (d + 1) * (2 * d + 1) / 6).epsilon(1e-12));
    }
}

TEST_CASE("full-batch descent at a rate gamma/tr K: the bias of every eigenvalue, down to e^-600") {
  // P(t) = sum lambda rho (1 - eta lambda)^(2t), the error of eta = gamma/tr K included: at late times it counts 2 eta t
  // lambda times.
  const auto log_bias = [](const Spectrum& s, double gamma, double t) {
    const double eta = gamma / s.trace();
    std::vector<double> exponent;
    for (std::size_t a = 0; a < s.modes(); ++a) {
      const double x = eta * s.eigenvalue[a], factor = x < 0.5 ? std::log1p(-x) : std::log(std::abs(1 - x));
      exponent.push_back(std::log(s.eigenvalue[a] * s.target_power[a]) + 2 * t * factor);
    }
    const double most = *std::max_element(exponent.begin(), exponent.end());
    double sum = 0;
    for (const double e : exponent) sum += std::exp(e - most);
    return most + std::log(sum);
  };
  struct Case {
    std::size_t d;
    double alpha, beta;
  };
  for (const Case& c : {Case{3000, 0.5, -1}, {300, 0.15, 3}, {3000, 2, -2}, {20000, 0.9, 0.3}}) {
    CAPTURE(c.alpha);
    const Spectrum whole = power_law(c.d, c.alpha, c.beta);
    for (const double tolerance : {1e-4, 1e-6, 1e-8}) {
      CAPTURE(tolerance);
      const Spectrum of_law = power_law_nodes(static_cast<double>(c.d), c.alpha, c.beta, tolerance).spectrum;
      const Spectrum of_modes = compress(whole, tolerance).spectrum;
      for (const double gamma : {0.1, 1.9}) {
        // 2 eta t lambda_d from 1e-4 to 590, off the grid on which the nodes were chosen.
        const double unit = whole.trace() / gamma / whole.smallest_positive() / 2;
        double worst_of_law = 0, worst_of_modes = 0;
        for (double e = 1e-4; e < 590; e *= 1.37) {
          const double t = std::round(e * unit), exact = log_bias(whole, gamma, t);
          worst_of_law = std::max(worst_of_law, std::abs(std::expm1(log_bias(of_law, gamma, t) - exact)));
          worst_of_modes = std::max(worst_of_modes, std::abs(std::expm1(log_bias(of_modes, gamma, t) - exact)));
        }
        CHECK(worst_of_law <= tolerance);
        CHECK(worst_of_modes <= tolerance);
      }
    }
  }
}

TEST_CASE("errors of a compression: that of tr K counts for the last of the e-folds of a rate gamma/tr K") {
  Spectrum whole = flat_target({4, 1}), heavier = whole;
  heavier.multiplicity[1] = 1 + 1e-6;
  CHECK(compression_error(heavier, whole).rate == Approx(600 * 1e-6 / 5).epsilon(1e-6));
  CHECK(compression_error(heavier, whole).worst() == compression_error(heavier, whole).rate);
  heavier.multiplicity[1] = std::nextafter(1.0, 2.0);  // rounding
  CHECK(compression_error(heavier, whole).rate == 0);
}

TEST_CASE("F and H are within the tolerance between the times at which they were compared") {
  for (const auto& exponents : {std::pair(0.5, 0.5), std::pair(2.0, -2.0), std::pair(1.0, -0.25)}) {
    const double alpha = exponents.first, beta = exponents.second;
    CAPTURE(alpha);
    const Spectrum whole = power_law(2000, alpha, beta);
    const double first = std::log(0.1 / whole.largest()), last = std::log(600 / whole.smallest_positive());
    std::vector<double> tau;
    for (double x = first; x < last; x += 0.021) tau.push_back(std::exp(x));
    const Curves exact = curves(whole, tau);
    for (const double tolerance : {1e-3, 1e-6, 1e-9}) {
      CAPTURE(tolerance);
      CHECK(direct_error(power_law_nodes(2000, alpha, beta, tolerance).spectrum, exact) <= tolerance);
      CHECK(direct_error(compress(whole, tolerance).spectrum, exact) <= tolerance);
    }
  }
}

TEST_CASE("errors of a compression know no unit of the eigenvalues") {
  // The largest is a thousandth off, which shows in F and H until it has decayed beside the smallest.
  const auto errors = [](double unit) {
    return compression_error(flat_target({1.001 * unit, 1e-6 * unit}), flat_target({unit, 1e-6 * unit}));
  };
  const CompressionError one = errors(1);
  CHECK(one.bias > 5e-3);
  CHECK(one.kernel > 5e-3);
  for (const double unit : {0x1p-200, 0x1p-7, 0x1p200}) {
    CAPTURE(unit);
    const CompressionError other = errors(unit);
    CHECK(other.bias == Approx(one.bias).epsilon(1e-9));
    CHECK(other.kernel == Approx(one.kernel).epsilon(1e-9));
    CHECK(other.sums == Approx(one.sums).epsilon(1e-9));
  }
}
