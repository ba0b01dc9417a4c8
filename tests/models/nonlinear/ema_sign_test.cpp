// The sign of an exponential average: its drift and the noise of its signs, against their limits and against sampling.
#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <stdexcept>
#include <vector>

#include "models/nonlinear/ema_sign.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using edgewise::tests::Approx;

namespace {

struct Estimate {
  double mean = 0, error = 0;
};

Estimate estimate(const std::vector<double>& values) {
  Estimate out;
  for (const double v : values) out.mean += v / static_cast<double>(values.size());
  double square = 0;
  for (const double v : values) square += (v - out.mean) * (v - out.mean);
  out.error = std::sqrt(square) / static_cast<double>(values.size());
  return out;
}

/// Draws of X_k of law chi^2_B, one row per sample, given to `use`.
template <class Use>
std::vector<double> sampled(std::size_t samples, std::size_t terms, std::size_t batch, const Use& use) {
  std::vector<double> normals(terms * batch), squares(terms), out;
  random::Stream stream(11, 0, 0, random::Purpose::data);
  for (std::size_t n = 0; n < samples; ++n) {
    stream.seek(n);
    stream.normals(normals);
    for (std::size_t k = 0; k < terms; ++k) {
      squares[k] = 0;
      for (std::size_t b = 0; b < batch; ++b) squares[k] += normals[k * batch + b] * normals[k * batch + b];
    }
    out.push_back(use(squares));
  }
  return out;
}

}  // namespace

TEST_CASE("drift and noise are those of sampled averages (scores below 5: p < 1e-6 each)") {
  for (const std::size_t batch : {1u, 3u})
    for (const double beta : {0.4, 0.85}) {
      CAPTURE(batch);
      CAPTURE(beta);
      const std::size_t half = static_cast<std::size_t>(std::ceil(std::log(1e-6) / std::log(beta)));
      const auto gain = estimate(sampled(20000, 2 * half, batch, [&](const std::vector<double>& x) {
        double n = 0, d = 0;
        for (std::size_t k = 0; k < x.size(); ++k) {
          const double w = (1 - beta) * std::pow(beta, static_cast<double>(k));
          n += w * x[k];
          d += w * w * x[k];
        }
        return std::sqrt(2 / std::numbers::pi) * n / std::sqrt(d);
      }));
      CHECK(std::abs(models::nonlinear::ema_sign_gain(beta, static_cast<double>(batch)) - gain.mean) < 5 * gain.error);
      // Given one factor of every product the averages are Gaussian: E sign sign = (2/pi) arcsin of their correlation.
      const auto noise = estimate(sampled(5000, 2 * half, batch, [&](const std::vector<double>& x) {
        double start = 0;
        for (std::size_t k = 0; k < half; ++k) start = beta * beta * start + x[k];
        double sum = 0, now = start, power = 1;
        for (std::size_t k = half; k < 2 * half; ++k) {
          now = beta * beta * now + x[k];
          power *= beta;
          sum += std::asin(power * std::sqrt(start / now));
        }
        return 1 + 4 / std::numbers::pi * sum;
      }));
      CHECK(noise.error < 0.01 * noise.mean);
      CHECK(std::abs(models::nonlinear::ema_sign_noise(beta, static_cast<double>(batch)) - noise.mean) <
            5 * noise.error);
    }
}

TEST_CASE("many examples or a long memory give the published constants") {
  for (const double beta : {0.1, 0.6, 0.95}) {
    CHECK(models::nonlinear::ema_sign_gain(beta, 1e12) * 1e-6 ==
          Approx(models::nonlinear::ema_sign_gain(beta)).epsilon(1e-10));
    CHECK(models::nonlinear::ema_sign_noise(beta, 1e12) ==
          Approx(models::nonlinear::ema_sign_noise(beta)).epsilon(1e-8));
  }
  // The excess goes like 1 - beta.
  const double far = models::nonlinear::ema_sign_noise(0.999, 1) / models::nonlinear::ema_sign_noise(0.999) - 1;
  const double near = models::nonlinear::ema_sign_noise(0.9999, 1) / models::nonlinear::ema_sign_noise(0.9999) - 1;
  CHECK(far == Approx(7e-4).epsilon(0.1));
  CHECK(near == Approx(far / 10).epsilon(0.05));
  // One gradient: no memory.
  CHECK(models::nonlinear::ema_sign_gain(0, 1) == Approx(2 / std::numbers::pi).epsilon(1e-12));
  CHECK(models::nonlinear::ema_sign_noise(0, 1) == 1);
}

TEST_CASE("the extrapolation beyond beta = 0.97 joins the sum") {
  const auto excess = [](double beta) {
    return (models::nonlinear::ema_sign_noise(beta, 1) / models::nonlinear::ema_sign_noise(beta) - 1) / (1 - beta);
  };
  CHECK(excess(0.97 + 1e-9) == Approx(excess(0.97)).epsilon(1e-6));
  // Computed without it.
  CHECK(models::nonlinear::ema_sign_noise(0.99, 1) == Approx(138.8888467).epsilon(5e-7));
  CHECK(models::nonlinear::ema_sign_noise(0.995, 1) == Approx(277.5320878).epsilon(5e-7));
}

TEST_CASE("sums over a long memory are the plain sums, term by term") {
  for (const double beta : {0.5, 0.97, 0.9701, 0.99, 0.998}) {
    CAPTURE(beta);
    for (const double c : {1.0, -1.0, 0.99999, 0.97, 0.3, -1e-6, 1e-300, 0.0}) {
      CAPTURE(c);
      long double sum = 0;
      for (long double power = beta; power > 1e-22L; power *= beta) sum += std::asin(c * power);
      CHECK(std::abs(models::nonlinear::arcsine_sum(c, beta) - static_cast<double>(sum)) <=
            1e-13 * std::abs(static_cast<double>(sum)));
    }
    // E N D^(-1/2) = (2/sqrt(pi)) int_0^inf E N e^(-D t^2) dt, the ratio being free of the scale of the weights.
    for (const double batch : {1.0, 3.0, 1e6}) {
      CAPTURE(batch);
      std::vector<double> w;
      for (double power = 1 / std::sqrt(batch / (1 - beta * beta)); power > 1e-18; power *= beta) w.push_back(power);
      double total = 0;
      constexpr double step = 0.1;
      for (double x = -34; x < 12; x += step) {
        const double twice = 2 * std::exp(2 * x);
        double log = 0, mean = 0;
        for (const double weight : w) {
          log += std::log1p(twice * weight * weight);
          mean += batch * weight / (1 + twice * weight * weight);
        }
        total += step * std::exp(x - batch / 2 * log) * mean;
      }
      const double gain = std::sqrt(2 / std::numbers::pi) * 2 / std::sqrt(std::numbers::pi) * total;
      CHECK(models::nonlinear::ema_sign_gain(beta, batch) == Approx(gain).epsilon(2e-12));
    }
  }
}

TEST_CASE("an average that hardly forgets has the constants of the limit") {
  double before = 1;
  for (const double left : {1e-4, 1e-8, 1e-12}) {
    CAPTURE(left);
    const double beta = 1 - left, forgotten = 1 - beta;
    const double noise = models::nonlinear::ema_sign_noise(beta, 1) * forgotten / (2 * std::numbers::ln2) - 1;
    const double gain = models::nonlinear::ema_sign_gain(beta, 1) * std::sqrt(forgotten * std::numbers::pi) / 2 - 1;
    CHECK(std::abs(noise) < forgotten + 1e-13);
    CHECK(std::abs(gain) < forgotten + 1e-13);
    CHECK(std::abs(noise) < before);
    before = std::max(std::abs(noise), 1e-13);
    // sum_l f(l rate), f = arcsin(e^-x) = pi/2 - sqrt(2 x) + ...: ln 2 pi/2 / rate - pi/4 - sqrt(2 rate) zeta(-1/2).
    const double rate = -std::log1p(-forgotten), half = std::numbers::pi / 2;
    CHECK(std::abs(models::nonlinear::arcsine_sum(1, beta) * rate -
                   (half * std::numbers::ln2 - half / 2 * rate + std::sqrt(2 * rate) * rate * 0.2078862249773546)) <
          0.02 * rate * rate * std::sqrt(rate) + 1e-14);
  }
}

TEST_CASE("bad arguments") {
  CHECK_THROWS_AS(models::nonlinear::arcsine_sum(0.5, 1), std::invalid_argument);
  CHECK_THROWS_AS(models::nonlinear::ema_sign_gain(1, 1), std::invalid_argument);
  CHECK_THROWS_AS(models::nonlinear::ema_sign_gain(-0.1, 1), std::invalid_argument);
  CHECK_THROWS_AS(models::nonlinear::ema_sign_noise(0.5, 0), std::invalid_argument);
  CHECK_THROWS_AS(models::nonlinear::ema_sign_noise(1, 1), std::invalid_argument);
}
