// What `edgewise stability` says of the reduced model, and which bands its claims have, by formulas worked out by hand.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <complex>
#include <string>
#include <vector>

#include "models/self_stabilization/tuners.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using models::testing::column;
using models::testing::flag;
using models::testing::number;
using models::testing::prepare;
using models::testing::there;

namespace {

const std::string steps_only = "model = 'self-stabilisation'\n[time]\nsteps = 30\n";
const std::string valley = "[landscape]\nsharpening = 0.02\nstabilization = 3.0\n";
const std::string off_edge = "[initial]\nx = 0.1\nsharpness = 1.5\n";

const models::Prediction& claim(const std::vector<models::Prediction>& claims, const std::string& name) {
  for (const models::Prediction& p : claims)
    if (p.name == name) return p;
  FAIL("no claim " << name);
  return claims.front();
}

}  // namespace

TEST_CASE("self-stabilisation: findings at a constant rate are the map of second moments, written out") {
  // q' = (1 + Y)^2 q + n, Y' = Y + eps (1 - q): trace 2 - n and determinant 1 - n + 2 eps sqrt(1 - n) at its fixed point.
  const double eps = 1e-3;
  for (const double n : {.01, .1, .3}) {
    CAPTURE(n);
    const auto found = prepare(steps_only + fmt::format("[landscape]\nepsilon = {}\nnoise = {}\n[optimizer]\n"
                                                        "learning_rate = 0.8\n",
                                                        eps, n))
                           ->stability();
    const double root = std::sqrt(1 - n), det = 1 - n + 2 * eps * root;
    const std::complex<double> apart = std::sqrt(std::complex<double>(std::pow(1 - n / 2, 2) - det));
    const std::complex<double> larger = 1 - n / 2 + apart;
    CHECK(number(found, "epsilon") == Approx(eps).epsilon(1e-13));
    CHECK(number(found, "n") == Approx(n).epsilon(1e-13));
    CHECK(number(found, "fixed_point_Y") == Approx(root - 1).epsilon(1e-13));
    CHECK(number(found, "multiplier_modulus") == Approx(std::abs(larger)).epsilon(1e-13));
    CHECK(number(found, "multiplier_angle") == Approx(std::arg(larger)).epsilon(1e-10));
    const bool small = n <= .2;
    CHECK(number(found, "mean_offset") ==
          Approx(small ? -(n + .003 + n * n / 4) / 2 : root - 1 - .0015).epsilon(1e-13));
    CHECK(number(found, "sharpness_gap") == Approx(small ? n / 1.6 : (1 - root + .0015) / .8).epsilon(1e-13));
    // Where the determinant is 1 the 2-cycle turns stable.
    const double edge = number(found, "noise_threshold");
    CHECK(edge == Approx(2 * eps * std::sqrt(1 - edge)).epsilon(1e-13));
    CHECK(flag(found, "stable"));
  }
  const auto at = [&](double n) {
    return prepare(steps_only + fmt::format("[landscape]\nepsilon = 1e-3\nnoise = {}\n", n))->stability();
  };
  CHECK(!flag(at(.0019), "stable"));
  CHECK(flag(at(.0021), "stable"));
  // No fixed point from n = 1 on, no offset without noise.
  CHECK(!there(at(1.0), "fixed_point_Y"));
  for (const double n : {1.0, 1.5}) {
    CHECK(!flag(at(n), "stable"));
    CHECK(!there(at(n), "mean_offset"));
    CHECK(!there(at(n), "sharpness_gap"));
  }
  // Runs of a NumPy rendering of (1.5) at eps = 1e-3 average to -.3696 and -.6861.
  CHECK(number(at(.6), "mean_offset") == Approx(-.3696).epsilon(.005));
  CHECK(number(at(.9), "mean_offset") == Approx(-.6861).epsilon(.005));
  CHECK(there(at(0.999), "fixed_point_Y"));
  const auto silent = prepare(steps_only + "[landscape]\nepsilon = 1e-3\n")->stability();
  CHECK(!there(silent, "mean_offset"));
  CHECK(number(silent, "fixed_point_Y") == 0);
}

TEST_CASE("self-stabilisation: findings with x first are of the map that moves the sharpness by x'") {
  const auto found = [](double eps, double n) {
    return prepare(steps_only + fmt::format("[landscape]\nepsilon = {}\nnoise = {}\n[optimizer]\nlearning_rate = 0.8\n"
                                            "gauss_seidel = true\n",
                                            eps, n))
        ->stability();
  };
  // Without noise areas are kept: e^(+-i theta), cos theta = 1 - eps.
  const auto silent = found(.003, 0);
  CHECK(number(silent, "multiplier_modulus") == 1);
  CHECK(number(silent, "multiplier_angle") == Approx(std::acos(.997)).epsilon(1e-12));
  CHECK(!flag(silent, "stable"));
  CHECK(!there(silent, "energy_gain"));
  CHECK(!there(silent, "noise_threshold"));
  for (const auto& given : {std::pair{.0035557, .13}, {.001, .3}, {3.0, .2}}) {
    const double eps = given.first, n = given.second;
    // q' = (1 + Y)^2 q + n, Y' = Y + eps (1 - q'), slopes by central differences.
    const double Y = std::sqrt(1 - n) - 1, h = 1e-6;
    const auto map = [&](double q, double y) {
      const double next = (1 + y) * (1 + y) * q + n;
      return std::pair(next, y + eps * (1 - next));
    };
    const auto slope = [&](double dq, double dY) {
      const auto [a, b] = map(1 + dq, Y + dY);
      const auto [c, d] = map(1 - dq, Y - dY);
      return std::pair((a - c) / (2 * h), (b - d) / (2 * h));
    };
    const auto [qq, Yq] = slope(h, 0);
    const auto [qY, YY] = slope(0, h);
    const double half = (qq + YY) / 2;
    const std::complex<double> apart = std::sqrt(std::complex<double>(half * half - (qq * YY - qY * Yq)));
    const double modulus = std::max(std::abs(half + apart), std::abs(half - apart));
    CHECK(number(found(eps, n), "multiplier_modulus") == Approx(modulus).epsilon(1e-8));
    CHECK(flag(found(eps, n), "stable") == (modulus < 1));
  }
  // 4000 runs of a NumPy rendering average to -.06559, -.05074 and -.10512, within 1e-4.
  for (const auto& [eps, n, mean] : {std::tuple{.0035557, .13, -.06559}, {.001, .1, -.05074}, {.001, .2, -.10512}})
    CHECK(number(found(eps, n), "mean_offset") == Approx(mean).epsilon(.007));
}

TEST_CASE("self-stabilisation: the flow's orbit, its period and what the map gains along it") {
  const double eps = 1e-4, p0 = .2, Y0 = .003;
  const auto found = prepare(steps_only + fmt::format("[landscape]\nepsilon = {}\n[initial]\np = {}\nY = {}\n"
                                                      "[optimizer]\nlearning_rate = 0.5\n",
                                                      eps, p0, Y0))
                         ->stability();
  CHECK(number(found, "energy") ==
        Approx(2 * ((1 + Y0) * std::log(1 + Y0) - Y0) + eps * (p0 - 1 - std::log(p0))).epsilon(1e-10));
  // Once around by small steps of the midpoint rule, from q = log p at its smallest, where Y = 0.
  const double low = std::log(number(found, "p_min"));
  double q = low, Y = 0, t = 0, highest = q, most = 0, squares = 0;
  const double h = .02;
  const auto rate = [&](double a, double b) { return std::pair(2 * std::log1p(b), eps * (1 - std::exp(a))); };
  for (int turn = 0; turn < 2;) {
    const auto [a, b] = rate(q, Y);
    const auto [c, d] = rate(q + h * a / 2, Y + h * b / 2);
    const double before = Y;
    // What a step of the map adds to the energy, to second order: (dY)^2 + eps p (d log p)^2/2.
    squares += h * (eps * eps * std::pow(1 - std::exp(q), 2) + 2 * eps * std::exp(q) * Y * Y);
    q += h * c;
    Y += h * d;
    t += h;
    highest = std::max(highest, q);
    most = std::max(most, Y);
    if ((before > 0) != (Y > 0) && t > 1) ++turn;
  }
  CHECK(number(found, "p_max") == Approx(std::exp(highest)).epsilon(1e-5));
  // alpha = eps/eta^2, and beta = 4 where nothing else is asked for.
  CHECK(number(found, "x_max") == Approx(std::sqrt(2 * 4e-4 * std::exp(highest) / 4)).epsilon(1e-5));
  CHECK(number(found, "Y_max") == Approx(most).epsilon(1e-5));
  CHECK(number(found, "period") == Approx(t).epsilon(1e-4));
  CHECK(number(found, "energy_gain") == Approx(squares).epsilon(1e-3));
}

TEST_CASE("self-stabilisation: findings of tuners") {
  const auto with = [&](const std::string& rate) {
    return prepare(steps_only + valley + off_edge + rate)->stability();
  };
  const std::string late = "[rate]\nkind = 'inverse-sharpness'\n";

  const auto frozen = with(late + "sigma = 1.9\n");
  CHECK(number(frozen, "mean_delay") == 0);
  CHECK(number(frozen, "frozen_Y") == Approx(-.1).epsilon(1e-13));
  // lambda^2 = 2.25 + 2 1.9 .02 30 - 3 .01/.1 (1 - .9^60) + .95 .02 log(1 + 2.28/2.25).
  CHECK(number(frozen, "unchecked_sharpness") ==
        Approx(std::sqrt(2.25 + 2.28 - .3 * (1 - std::pow(.9, 60)) + .019 * std::log(1 + 2.28 / 2.25))).epsilon(1e-13));
  CHECK(!there(frozen, "crossover_sharpness"));
  CHECK(!there(with(late + "sigma = 2.0\n"), "unchecked_sharpness"));
  CHECK(number(with(late + "sigma = 2.0\n"), "frozen_Y") == 0);

  const auto below = with(late + "sigma = 1.9\nema = 0.75\n");
  CHECK(number(below, "mean_delay") == Approx(3).epsilon(1e-13));
  CHECK(number(below, "crossover_sharpness") == Approx(1.9 * std::sqrt(3 * .2)).epsilon(1e-13));
  CHECK(number(below, "edge_growth") == Approx(std::log(2 / 1.9) / 3).epsilon(1e-13));
  CHECK(!there(below, "restored_sharpness"));
  CHECK(!there(below, "frozen_Y"));

  // p_0 = 3 .01/.04 = .75.
  const auto delayed = with(late + "sigma = 2.0\ndelay = 2\n");
  CHECK(number(delayed, "mean_delay") == 2);
  const double phi = std::acos(-1) / 8;
  CHECK(number(delayed, "epsilon_threshold") == Approx(std::pow(std::sin(phi), 2) / std::sin(2 * phi)).epsilon(1e-13));
  const double end = 1.5 * std::pow(.75, -1. / 8);
  CHECK(number(delayed, "restored_sharpness") == Approx(end).epsilon(1e-13));
  CHECK(number(delayed, "epsilon") == Approx(.08 / (end * end)).epsilon(1e-13));
  CHECK(!there(delayed, "crossover_sharpness"));
  const auto averaged = with(late + "sigma = 2.0\nema = 0.8\n");
  CHECK(number(averaged, "mean_delay") == Approx(4).epsilon(1e-13));
  CHECK(number(averaged, "epsilon_threshold") == Approx(.125).epsilon(1e-13));
  CHECK(number(averaged, "restored_sharpness") == Approx(1.5 * std::pow(.75, -1. / 16)).epsilon(1e-13));
  const auto both = with(late + "sigma = 2.0\ndelay = 1\nema = 0.5\n");
  CHECK(number(both, "epsilon_threshold") == Approx(.25).epsilon(1e-12));
  CHECK(number(both, "mean_delay") == Approx(2).epsilon(1e-13));
}

TEST_CASE(
    "self-stabilisation: a largest rate has the edge of a constant one, or lets the sharpness come to the rule's") {
  const auto at = [](double sharpness, double p, const std::string& rate, const std::string& time) {
    return prepare(fmt::format("model = 'self-stabilisation'\n[landscape]\nsharpening = 1e-4\n[initial]\np = {}\n"
                               "sharpness = {}\n[rate]\nkind = 'inverse-sharpness'\neta_max = 0.5\n",
                               p, sharpness) +
                   rate + "[time]\n" + time);
  };
  // Beyond sigma = 2 a 2-cycle at 2/eta_max = 4 with the multipliers 1 +- i (2 eps)^(1/2), eps = 1e-4/4, late or not.
  for (const char* rate : {"sigma = 2.5\n", "sigma = 2.5\ndelay = 3\nema = 0.5\n"}) {
    const auto found = at(3.9, .9, rate, "steps = 1\n")->stability();
    CHECK(number(found, "cap_sharpness") == Approx(5).epsilon(1e-13));
    CHECK(number(found, "capped_edge") == 4);
    CHECK(number(found, "capped_epsilon") == Approx(2.5e-5).epsilon(1e-13));
    CHECK(number(found, "capped_modulus") == Approx(std::sqrt(1 + 5e-5)).epsilon(1e-13));
    CHECK(number(found, "capped_angle") == Approx(std::atan(std::sqrt(5e-5))).epsilon(1e-10));
    CHECK(!there(found, "epsilon_threshold"));
    // Once around: the distance from the point has grown by modulus^(2 pi/angle).
    const double around = 2 * std::acos(-1.) / number(found, "capped_angle");
    const auto lambda = column(
        at(4, 1.01, rate, fmt::format("at = [0, {0:.0f}, {1:.0f}]\n", around, 2 * around))->solve(), "x_squared");
    const double scale = 2 * 1e-4 / 4, first = lambda[0] / scale - 1, later = lambda[2] / scale - 1;
    CHECK(later / first == Approx(std::pow(number(found, "capped_modulus"), 2 * std::round(around))).epsilon(.01));
  }
  // On edge p falls on the flow's orbit under eta_max, and p/lambda^(4 m) is conserved from 2/eta_max on; p - 1 - log p = E/eps.
  for (const auto& [sharpness, p] : {std::pair{3.97, .8}, {4.2, 8.0}}) {
    const double m = 4, below = sharpness < 4 ? sharpness : 4, from = p * std::pow(below / sharpness, 4 * m);
    const double Y = below / 2 - 2, eps = 2.5e-5;
    const double e = 2 * ((1 + Y) * std::log1p(Y) - Y) / eps + from - 1 - std::log(from);
    double low = 1e-300;
    for (int k = 0; k < 200; ++k) low = std::exp(low - 1 - e);
    const auto found = at(sharpness, p, "ema = 0.8\n", "steps = 1\n")->stability();
    CHECK(number(found, "restored_sharpness") == Approx(4 * std::pow(low, -1 / (4 * m))).epsilon(1e-12));
    const auto run = column(at(sharpness, p, "ema = 0.8\n", "at = [2000000]\n")->solve(), "sharpness");
    CHECK(run.back() == Approx(number(found, "restored_sharpness")).epsilon(.02));
    CHECK(std::abs(run.back() / (sharpness * std::pow(p, -1 / (4 * m))) - 1) > .05);
  }
  // At once, below 2: linearly up to sigma/eta_max, less what x takes, then as without a largest rate.
  const auto rising = at(2, 100, "sigma = 1.5\n", "steps = 100000\n");
  const double start = 2 - 4 * 100 * 5e-5 / (2 * 2 * (2 - 1)), until = (3 - start) / 5e-5,
               driven = 3e-4 * (1e5 - until);
  const double end = std::sqrt(9 + driven + .75e-4 * std::log1p(driven / 9));
  CHECK(number(rising->stability(), "unchecked_sharpness") == Approx(end).epsilon(1e-12));
  CHECK(column(rising->solve(), "sharpness").back() == Approx(end).epsilon(1e-4));
  CHECK(number(at(2, 100, "sigma = 1.5\n", "steps = 1000\n")->stability(), "unchecked_sharpness") ==
        Approx(start + .05).epsilon(1e-12));
  // One step of the map: lambda + eta (alpha - beta x^2/2).
  CHECK(number(at(1, .5, "sigma = 1.5\n", "at = [1]\n")->stability(), "unchecked_sharpness") ==
        Approx(1 + .5 * (1e-4 - 5e-5)).epsilon(1e-14));
  CHECK(!there(at(2, 1e6, "sigma = 1.5\n", "steps = 10\n")->stability(), "unchecked_sharpness"));
  // On edge at once |x| freezes at the edge of eta_max.
  const auto frozen = at(3.99, .8, "", "at = [20000]\n");
  const double p_end = number(frozen->stability(), "frozen_p");
  CHECK(4 * column(frozen->solve(), "x_squared").back() / 2e-4 == Approx(p_end).epsilon(.02));
  CHECK(p_end < .5);
  CHECK(number(at(4.1, .8, "", "steps = 1\n")->stability(), "frozen_p") == Approx(.8).epsilon(1e-12));
  // What never meets it is claimed as without.
  CHECK(at(4.1, .5, "delay = 1\n", "steps = 2000000\n")->predictions().size() == 2);
  CHECK(at(4.1, 1.5, "delay = 1\n", "steps = 2000000\n")->predictions().empty());
  CHECK(at(3.9, .5, "delay = 1\n", "steps = 2000000\n")->predictions().empty());
}

TEST_CASE("self-stabilisation: what a late tuner conserves is claimed once its memory has passed, too") {
  // An average over 100 steps: 2 m eps = .25 a step at a fourth of the threshold, but (z - 1)(z - .99) = -.0025 has |z| = .9963.
  const auto at = [](int steps) {
    return prepare(
        "model = 'self-stabilisation'\n[landscape]\nsharpening = 3.15e-4\n[initial]\np = 6.5e-4\nsharpness = 1.0\n"
        "[rate]\nkind = 'inverse-sharpness'\nsigma = 2.0\nema = 0.99\n[time]\nat = [" +
        std::to_string(steps) + "]\n");
  };
  CHECK(at(84)->predictions().empty());
  CHECK(at(5300)->predictions().empty());
  const auto late = at(5400);
  REQUIRE(late->predictions().size() == 2);
  const double end = std::pow(6.5e-4, -1. / 396);
  CHECK(column(late->solve(), "sharpness").back() == Approx(end).epsilon(.004));
  CHECK(std::abs(column(at(84)->solve(), "sharpness").back() / end - 1) > .03);
}

TEST_CASE("self-stabilisation: claims of tuners end where what they leave out is as large as their bands allow") {
  const auto claims = [](double sharpening, double x, const std::string& rate, int steps) {
    return prepare(fmt::format("model = 'self-stabilisation'\n[landscape]\nsharpening = {}\nstabilization = 4.0\n"
                               "[initial]\nx = {}\nsharpness = 1.0\n[rate]\nkind = 'inverse-sharpness'\n{}[time]\n"
                               "at = [{}]\n",
                               sharpening, x, rate, steps))
        ->predictions()
        .size();
  };
  // pushed = beta x^2/(2 - sigma) = 8 x^2 of lambda^2 = 1: pushed (pushed + alpha/(2 - sigma)) + 4 sigma alpha^2 up to .002 of
  // lambda_end^2 = 1.3 - pushed, which is at pushed = .0499.
  CHECK(claims(1e-4, std::sqrt(.0494 / 8), "sigma = 1.5\n", 1000) == 1);
  CHECK(claims(1e-4, std::sqrt(.0504 / 8), "sigma = 1.5\n", 1000) == 0);
  // The larger of eps = 4 alpha and eps_end = eps p^(1/2) times |log p|/10 + .15 |p - 1| up to .004; p = 2 x^2/alpha.
  for (const auto& [p, largest] : {std::pair{20.0, std::sqrt(20.0)}, {.01, 1.0}})
    for (const double share : {.99, 1.01}) {
      const double alpha = share * .004 / (.1 * std::abs(std::log(p)) + .15 * std::abs(p - 1)) / (4 * largest);
      CHECK(claims(alpha, std::sqrt(p * alpha / 2), "delay = 1\n", 1000000) == (share < 1 ? 2 : 0));
    }
  // From x = 0 the sharpness is never restored; where nothing is said of the start p is 1/2.
  const auto start = [](const std::string& initial) {
    return prepare("model = 'self-stabilisation'\n[landscape]\nsharpening = 0.01\nstabilization = 4.0\n" + initial +
                   "[rate]\nkind = 'inverse-sharpness'\ndelay = 1\n[time]\nat = [0, 1]\n");
  };
  CHECK(!there(start("[initial]\nx = 0.0\n")->stability(), "restored_sharpness"));
  CHECK(column(start("")->solve(), "x_squared")[0] == Approx(2 * .01 / 4 * .5).epsilon(1e-14));
}

TEST_CASE("self-stabilisation: what sees a bulk has a largest rate's edge where its own rate there is larger") {
  // r = lambda^2 2 alpha/(beta G2) = 16 5e-5/G2 at 2/eta_max = 4.
  const auto found = [](const std::string& bulk, const std::string& rate) {
    return prepare("model = 'self-stabilisation'\n[landscape]\nsharpening = 1e-4\n" + bulk +
                   "[initial]\np = 0.9\nsharpness = 3.0\n[rate]\neta_max = 0.5\n" + rate + "[time]\nsteps = 1\n")
        ->stability();
  };
  // sigma (r + 1)/(r + kappa) > 2: at sigma = 1.2 where r < 1.5, G2 > 5.33e-4.
  const std::string cdat = "kind = 'cdat'\nsigma = 1.2\n";
  CHECK(there(found("bulk_gradient = 5.5e-4\n", cdat), "capped_edge"));
  CHECK(!there(found("bulk_gradient = 5.2e-4\n", cdat), "capped_edge"));
  CHECK(!there(found("bulk_gradient = 5.5e-4\nbulk_curvature = 1.0\n", cdat), "capped_edge"));
  // On edge itself, without a bulk, it is 2 whatever the rounding.
  for (const char* rate :
       {"eta_max = 0.7\n", "eta_max = 1.1\n", "eta_max = 2.1\n", "eta_max = 2.9\n", "eta_max = 3.3\n"})
    for (const char* sharpening : {"7e-4", "1e-3", "3e-3"})
      CHECK(!there(prepare(std::string("model = 'self-stabilisation'\n[landscape]\nsharpening = ") + sharpening +
                           "\n[initial]\np = 0.01\nsharpness = 1.0\n[rate]\nkind = 'cdat'\nsigma = 2.0\n" + rate +
                           "[time]\nsteps = 1\n")
                       ->stability(),
                   "capped_edge"));
  // s (8e-4/8 + F)/(8e-4 + G2) > 1/2 at s = 1 where F > 3e-4 + G2/2.
  const std::string polyak = "kind = 'stochastic-polyak'\nc = 1.0\n";
  CHECK(there(found("bulk_gradient = 1e-4\nfloor = 3.6e-4\n", polyak), "capped_edge"));
  CHECK(!there(found("bulk_gradient = 1e-4\nfloor = 3.4e-4\n", polyak), "capped_edge"));
}

TEST_CASE("self-stabilisation: off sigma = 2 a late tuner's sharpness grows at edge_growth, up to the crossover") {
  struct Case {
    std::string rate;
    double sigma;
  };
  for (const Case& one : {Case{"delay = 4\n", 1.998}, {"ema = 0.9\n", 1.999}, {"ema = 0.9\n", 2.01}}) {
    const double sigma = one.sigma;
    CAPTURE(one.rate);
    CAPTURE(sigma);
    const auto at = [&](double start, const std::string& time) {
      return prepare(
          fmt::format("model = 'self-stabilisation'\n[landscape]\nsharpening = 1e-4\n[initial]\np = 0.9\n"
                      "sharpness = {}\n[rate]\nkind = 'inverse-sharpness'\nsigma = {}\n{}[time]\n{}",
                      start, sigma, one.rate, time));
    };
    const auto found = at(1, "steps = 1\n")->stability();
    const double growth = number(found, "edge_growth"), from = std::abs(.2 / growth);
    // From .1 lambda_c on: beyond 2 there is no crossover, and from higher p takes longer to settle than lambda to fall.
    const double lambda_c = sigma < 2 ? number(found, "crossover_sharpness") : 2;
    const auto lambda =
        column(at(.1 * lambda_c, fmt::format("at = [{:.0f}, {:.0f}]\n", from, 2 * from))->solve(), "sharpness");
    CHECK(std::log(lambda[1] / lambda[0]) / (std::round(2 * from) - std::round(from)) == Approx(growth).epsilon(.05));
    CHECK(there(found, "epsilon_threshold") == (sigma > 2));
    if (sigma > 2) continue;
    // Without x eta lambda = sigma (1 + m sigma alpha/lambda^2), which comes half-way from 2 to sigma at 2^(1/2) lambda_c.
    const auto eta_lambda = [&](double times) {
      return column(at(times * lambda_c, "at = [300]\n")->solve(), "eta_sharpness").back();
    };
    CHECK(std::abs(2 - eta_lambda(.5)) < .3 * (2 - sigma));
    CHECK(2 - eta_lambda(2) > .7 * (2 - sigma));
  }
  // Far below 2 eta lambda falls to sigma at once, from any sharpness at which a delayed edge would hold (eps < 1/2).
  const std::string late = "[rate]\nkind = 'inverse-sharpness'\nsigma = 1.6\ndelay = 1\n";
  const auto far = [&](double sharpness) {
    return prepare(
        fmt::format("model = 'self-stabilisation'\n[landscape]\nsharpening = 1e-4\n[initial]\np = 0.9\nsharpness "
                    "= {}\n[time]\nat = [60]\n",
                    sharpness) +
        late);
  };
  CHECK(!there(far(.03)->stability(), "crossover_sharpness"));
  CHECK(!there(far(.03)->stability(), "edge_growth"));
  for (const double sharpness : {.03, .06}) CHECK(column(far(sharpness)->solve(), "eta_sharpness").back() < 1.65);
}

TEST_CASE("self-stabilisation: the snowball's sharpness parts growth from fall, wherever the ratio is held") {
  const auto at = [](double sigma, double ema, double h, double sharpness) {
    const double G2 = .005, x = std::sqrt(G2 * (sigma - 2 * h / sharpness) / (2 - sigma)) / sharpness;
    return prepare(
        fmt::format("model = 'self-stabilisation'\n[landscape]\nsharpening = 0.001\nbulk_gradient = {}\n"
                    "bulk_curvature = {}\n[initial]\nx = {}\nsharpness = {}\n[rate]\nkind = 'cdat'\n"
                    "sigma = {}\nema = {}\n[time]\nat = [0, 100]\n",
                    G2, h, x, sharpness, sigma, ema));
  };
  struct Case {
    double sigma, ema, h;
  };
  for (const Case& c : {Case{1.5, 0, 0}, {1.5, 0, .2}, {1.5, 0, .6}, {1.5, 0, 1.2}, {1, 0, 0}, {.7, .5, 0}}) {
    CAPTURE(c.sigma);
    CAPTURE(c.h);
    const double edge = number(at(c.sigma, c.ema, c.h, 6)->stability(), "snowball_sharpness");
    for (const double times : {.98, 1.02}) {
      const auto lambda = column(at(c.sigma, c.ema, c.h, times * edge)->solve(), "sharpness");
      CHECK((lambda[1] > lambda[0]) == (times > 1));
    }
  }
  // At sigma = .7 without averages the ratio flips: runs from .9 of what would be the edge grow more than tenfold.
  CHECK(!there(at(.7, 0, 0, 6)->stability(), "snowball_sharpness"));
}

TEST_CASE("self-stabilisation: the ratio of tuners that see a bulk, from the maps of it") {
  // r = lambda^2 x^2/G2 with lambda held: its fixed point and slope by central differences of the map itself.
  const double lambda = 1.5, h = .3, F = .2, G2 = .05;
  const auto found = [&](const std::string& rate) {
    const std::string seen = rate.find("cdat") != std::string::npos ? "bulk_curvature = 0.3\n" : "floor = 0.2\n";
    return prepare(steps_only + valley + "bulk_gradient = 0.05\n" + seen + off_edge + rate)->stability();
  };
  const auto held_to = [&](const std::vector<models::Finding>& f, const auto& rate_of) {
    const auto map = [&](double r) { return r * std::pow(1 - lambda * rate_of(r), 2); };
    const double r = number(f, "ratio");
    CHECK(lambda * rate_of(r) == Approx(2).epsilon(1e-12));
    CHECK(number(f, "multiplier") == Approx((map(r + 1e-5) - map(r - 1e-5)) / 2e-5).epsilon(1e-8));
    CHECK(flag(f, "stable") == (std::abs(number(f, "multiplier")) < 1));
  };
  for (const double sigma : {1.4, 1.8, 1.2}) {
    CAPTURE(sigma);
    held_to(found(fmt::format("[rate]\nkind = 'cdat'\nsigma = {}\n", sigma)),
            [&](double r) { return sigma * (r + 1) / (lambda * r + h); });
  }
  for (const double c : {.3, .4, .6}) {  // Polyak's f/(c |g|^2)
    CAPTURE(c);
    const auto polyak = found(fmt::format("[rate]\nkind = 'stochastic-polyak'\nc = {}\n", c));
    held_to(polyak, [&](double r) { return (r * G2 / (2 * lambda) + F) / (c * (r + 1) * G2); });
    const double top = number(polyak, "ratio") * G2 / (2 * lambda);
    CHECK(number(polyak, "top_share") == Approx(top / (top + F)).epsilon(1e-12));
  }
  // A floor without a gradient: eta lambda = s (1/2 + F/(lambda x^2)) is 2 where x holds s/4 of the loss.
  const auto floor = [&](const std::string& time) {
    return prepare("model = 'self-stabilisation'\n[landscape]\nsharpening = 0\nstabilization = 0\nfloor = 0.2\n" +
                   off_edge + "[rate]\nkind = 'stochastic-polyak'\nc = 0.4\n[time]\n" + time);
  };
  const auto alone = floor("steps = 1\n")->stability();
  CHECK(number(alone, "multiplier") == Approx(-.5).epsilon(1e-13));
  CHECK(number(alone, "top_share") == Approx(.625).epsilon(1e-13));
  const double held = .5 * lambda * column(floor("at = [0, 200]\n")->solve(), "x_squared").back();
  CHECK(held / (held + F) == Approx(.625).epsilon(1e-12));
  CHECK(!there(found("[rate]\nkind = 'cdat'\nsigma = 2.0\n"), "ratio"));
  CHECK(!flag(found("[rate]\nkind = 'cdat'\nsigma = 2.0\n"), "stable"));
  // A largest rate leaves the point be as long as it is above 2/lambda = 1.333; an epsilon moves it.
  for (const std::string rate :
       {"[rate]\nkind = 'cdat'\nsigma = 1.4\n", "[rate]\nkind = 'stochastic-polyak'\nc = 0.4\n"}) {
    const auto free = found(rate), tight = found(rate + "eta_max = 1.3\n");
    CHECK(there(free, "ratio"));
    CHECK(there(found(rate + "eta_max = 1.4\n"), "ratio"));
    CHECK(number(found(rate + "eta_max = 1000\n"), "multiplier") == number(free, "multiplier"));
    CHECK(!there(tight, "ratio"));
    CHECK(!there(tight, "stable"));
  }
  CHECK(there(found("[rate]\nkind = 'cdat'\nsigma = 0.7\neta_max = 0.7\nmultiplier = 2.0\n"), "ratio"));
  CHECK(found("[rate]\nkind = 'cdat'\nsigma = 1.4\nepsilon = 0.1\n").empty());
  CHECK(!there(found("[rate]\nkind = 'cdat'\nsigma = 2.0\n"), "snowball_sharpness"));
}

TEST_CASE("self-stabilisation: the ratio's stability under averages and a bulk that moves is that of the run") {
  // alpha = beta = 0 holds lambda, so that the map is that of the ratio and the averages. From 1e-6 off the point a run comes
  // nearer by the modulus a step, or leaves; where it comes, it ends there.
  const double lambda = 2.1;
  struct Case {
    double sigma, h, ema;
    bool moves;
  };
  for (const Case& one : {Case{.6, .01, .5, false},
                          {1.4, .3, .9, false},
                          {.6, .01, 0, false},
                          {.9, .01, .05, false},
                          {1.4, .3, 0, true},
                          {1.4, .3, .4, true},
                          {.9, .02, .3, true},
                          {1.2, .3, .8, true}}) {
    const double sigma = one.sigma, h = one.h, ema = one.ema;
    const bool moves = one.moves;
    CAPTURE(sigma);
    CAPTURE(ema);
    CAPTURE(moves);
    const std::string land = fmt::format(
        "[landscape]\nsharpening = 0\nstabilization = 0\nbulk_gradient = 0.02\nbulk_curvature = {}\nbulk_moves = {}\n"
        "[rate]\nkind = 'cdat'\nsigma = {}\nema = {}\n",
        h, moves, sigma, ema);
    const auto at = [&](double x, const std::string& steps) {
      return prepare("model = 'self-stabilisation'\n[time]\n" + steps + land +
                     fmt::format("[initial]\nx = {}\nsharpness = {}\n", x, lambda));
    };
    const auto found = at(.1, "steps = 30\n")->stability();
    CHECK(!there(found, "snowball_sharpness"));
    if (!there(found, "ratio")) {
      // The bulk shrinks faster than the averages forget: by ((1 - kappa)/(1 + kappa))^2, kappa = 1/7.
      CHECK(moves);
      CHECK(ema > std::pow(.75, 2));
      CHECK(!flag(found, "stable"));
      continue;
    }
    CHECK(there(found, "multiplier") == (ema == 0));
    const double r = number(found, "ratio"), product = number(found, "ratio_eta_lambda");
    CHECK(product == Approx(moves ? 2 / (1 + h / lambda) : 2).epsilon(1e-13));
    CHECK(sigma * (r + 1) / (r + h / lambda) == Approx(product).epsilon(1e-12));
    const auto run = at(std::sqrt(r * .02) / lambda * (1 + 1e-6), "steps = 60\n")->solve();
    const auto away = [&](std::size_t k) { return std::abs(column(run, "eta_sharpness")[k] - product); };
    const auto largest = [&](std::size_t first, std::size_t last) {
      double out = 0;
      for (std::size_t k = first; k < last; ++k) out = std::max(out, away(k));
      return out;
    };
    const double growth = std::pow(largest(30, 40) / largest(10, 20), 1. / 20);
    const bool leaves = largest(30, 40) > 1e-9 && growth > 1;
    CHECK(flag(found, "stable") == !leaves);
    if (!leaves && largest(30, 40) > 1e-13) CHECK(growth == Approx(number(found, "multiplier_modulus")).epsilon(.03));
  }
  // Polyak's rate counts its losses from f_min: at the floor it has no such point, 2.1 .05/.02 above it one.
  const auto polyak = [&](const std::string& more, const std::string& moves = "") {
    return prepare(steps_only + "[landscape]\nsharpening = 0\nstabilization = 0\nbulk_gradient = 0.02\nfloor = 0.05\n" +
                   moves + "[initial]\nx = 0.1\nsharpness = 2.1\n[rate]\nkind = 'stochastic-polyak'\nc = 0.4\n" + more)
        ->stability();
  };
  CHECK(number(polyak(""), "ratio") == Approx((2.5 * 5.25 - 2) / .75).epsilon(1e-12));
  CHECK(flag(polyak(""), "stable"));
  CHECK(!there(polyak("f_min = 0.05\n"), "ratio"));
  CHECK(!flag(polyak("f_min = 0.05\n"), "stable"));
  CHECK(!flag(polyak("", "bulk_curvature = 0.3\nbulk_moves = true\n"), "stable"));
}

TEST_CASE("self-stabilisation: bands of claims") {
  const std::string run = "model = 'self-stabilisation'\n[time]\nsteps = 30000\n[landscape]\n";
  // n >= 2 sqrt(eps) has 1%, from sqrt(eps) on 2%.
  for (const auto& [n, share] : {std::pair{.1, .01}, {.05, .02}}) {
    const auto claims = prepare(run + fmt::format("epsilon = 1e-3\nnoise = {}\n", n))->predictions();
    const models::Prediction& gap = claim(claims, "sharpness_gap");
    const double offset = -(n + .003 + n * n / 4) / 2;
    CHECK(gap.nominal == Approx(offset).epsilon(1e-13));
    CHECK(gap.low == Approx(offset * (1 + share)).epsilon(1e-13));
    CHECK(gap.high == Approx(offset * (1 - share)).epsilon(1e-13));
    for (const char* name : {"mean_square", "identity"}) {
      CHECK(claim(claims, name).nominal == 1);
      CHECK(claim(claims, name).low == 1);
      CHECK(claim(claims, name).high == 1);
    }
  }
  // p_0 = .01 and lambda_0 = 1.
  const std::string late = run + "sharpening = 1e-3\n[initial]\np = 0.01\n[rate]\nkind = 'inverse-sharpness'\n";
  const auto held = prepare(late + "delay = 1\n")->predictions();
  const double end = std::pow(.01, -.25);
  CHECK(claim(held, "conserved").nominal == Approx(end).epsilon(1e-13));
  CHECK(claim(held, "conserved").low == Approx(.996 * end).epsilon(1e-13));
  CHECK(claim(held, "conserved").high == Approx(1.004 * end).epsilon(1e-13));
  CHECK(claim(held, "edge_held").nominal == 2);
  CHECK(claim(held, "edge_held").high == Approx(2 + 2e-8).epsilon(1e-13));
  // What x may have moved lambda^2 by, beta x^2/(2 - sigma), is held against lambda_0^2: 4 against a tenth of 100 (and
  // what is left out, 4^2/100 and more, against lambda^2 = 100 + 2 sigma alpha t at the end).
  const std::string far = run +
                          "sharpening = 0.1\nstabilization = 2.0\n[initial]\nsharpness = 10.0\nx = 1.0\n[rate]\n"
                          "kind = 'inverse-sharpness'\nsigma = 1.5\n";
  CHECK(claim(prepare(far)->predictions(), "unchecked_growth").nominal > 0);
  CHECK(prepare(far, {"initial.x=1.7"})->predictions().empty());
  const auto grown = prepare(late + "sigma = 1.9\n")->predictions();
  // beta = 4, x_0^2 = 2 alpha .01/beta = 5e-6.
  const double square = 1 + 3.8e-3 * 30000 - 4 * 5e-6 / .1 + .95e-3 * std::log(1 + 3.8e-3 * 30000);
  CHECK(claim(grown, "unchecked_growth").nominal == Approx(std::sqrt(square)).epsilon(1e-13));
  CHECK(claim(grown, "unchecked_growth").high == Approx(1.0005 * std::sqrt(square)).epsilon(1e-13));

  // What is read off a run: the last value; the identity of the averages; nothing of runs that diverged.
  const auto noisy = prepare(run + "epsilon = 1e-3\nnoise = 0.1\n")->predictions();
  const std::vector<std::string> names{"mean_p",           "mean_Y",    "mean_p_squared",
                                       "mean_Y_squared_p", "sharpness", "eta_sharpness"};
  models::RecordedReplica of_run;
  of_run.names = names;
  of_run.steps = {0, 30000};
  of_run.rows = {{0, 1.25}, {0, -.0625}, {0, 3}, {0, .015625}, {1, 2.5}, {1, 1.75}};
  CHECK(*claim(noisy, "mean_square").statistic(of_run) == 1.25);
  CHECK(*claim(noisy, "sharpness_gap").statistic(of_run) == -.0625);
  CHECK(*claim(noisy, "identity").statistic(of_run) == Approx((.125 - 1e-3 * 2 - .015625) / .1).epsilon(1e-12));
  CHECK(*claim(grown, "unchecked_growth").statistic(of_run) == 2.5);
  CHECK(*claim(held, "conserved").statistic(of_run) == 2.5);
  CHECK(*claim(held, "edge_held").statistic(of_run) == 1.75);
  of_run.diverged = true;
  for (const models::Prediction& p : noisy) CHECK(!p.statistic(of_run));
}
