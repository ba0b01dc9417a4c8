// The mean of single signs at finite dimension: orthants of the plane, the algorithm's own steps, and the table of modes.
#include "models/nonlinear/coordinate_drift.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "models/nonlinear/criteria.hpp"
#include "models/nonlinear/laws.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"

using namespace edgewise;
using namespace edgewise::models;
using namespace edgewise::models::nonlinear;
using namespace edgewise::models::ingredients;
using edgewise::tests::Approx;

namespace {

const double pi = std::acos(-1.0);

const std::vector<double>& column(const std::vector<ModeColumn>& table, const std::string& name) {
  for (const ModeColumn& c : table)
    if (c.name == name) return c.value;
  FAIL("no column " << name);
  return table.front().value;
}

}  // namespace

TEST_CASE("one sign: arcsin under Gaussian noise, its slope under any") {
  for (const double k : {0.0, 0.1, -0.3, 0.54}) {
    CHECK(one_sign_drift(*gaussian_noise(0.2), 0.3, k) ==
          Approx(2 / pi * std::asin(k / std::sqrt(0.5))).epsilon(1e-12));
    CHECK(one_sign_drift(*contaminated_noise(0.1, 2, 0.3), 0.3, k) ==
          Approx(0.7 * 2 / pi * std::asin(k / std::sqrt(0.31)) + 0.3 * 2 / pi * std::asin(k / std::sqrt(4.3)))
              .epsilon(1e-12));
  }
  for (const auto& noise : std::vector<std::shared_ptr<const Noise>>{laplace_noise(0.5), uniform_noise(3),
                                                                     rademacher_noise(0.4), cauchy_noise(0.7)}) {
    CAPTURE(noise->name());
    CHECK(one_sign_drift(*noise, 0.3, 1e-5) / 1e-5 == Approx(late_drift(*noise, 0.3, 1)).epsilon(1e-8));
  }
  // The whole residual in one coordinate, no noise: its sign.
  CHECK(one_sign_drift(*no_noise(), 0.3, std::sqrt(0.3)) == Approx(1).epsilon(1e-7));
}

TEST_CASE("signs of every placement have the drift of their coordinate, far from linear response") {
  // x = (k/P) w + z with z independent of w; 2^18 draws, seed fixed, 5 standard errors.
  const double P = 0.3, k = 0.4, rest = std::sqrt(1 - k * k / P);
  struct Case {
    const char* method;
    std::shared_ptr<const Noise> noise;
    int batch;
  };
  for (const Case& c :
       {Case{"sign-late", gaussian_noise(0.1), 4}, Case{"sign-late", uniform_noise(0.5), 1},
        Case{"sign-late", rademacher_noise(0.2), 1}, Case{"sign-early", laplace_noise(0.3), 3},
        Case{"sign-majority", three_point_noise(1, 0.4), 3}, Case{"sign-majority", cauchy_noise(0.2), 4}}) {
    CAPTURE(c.method);
    CAPTURE(c.batch);
    NonlinearProblem p;
    p.method = c.method;
    p.batch = c.batch;
    random::Stream stream(9, 0);
    const int draws = 1 << 18;
    double s1 = 0, s2 = 0;
    for (int i = 0; i < draws; ++i) {
      double gradient = 0, signs = 0;
      for (int b = 0; b < c.batch; ++b) {
        const double w = std::sqrt(P) * stream.normal(), x = k / P * w + rest * stream.normal();
        const double g = (w - c.noise->draw(stream)) * x;
        gradient += g;
        signs += (g > 0) - (g < 0);
      }
      const std::string method = c.method;
      const double u = method == "sign-late"    ? (gradient > 0) - (gradient < 0)
                       : method == "sign-early" ? signs / c.batch
                                                : (signs > 0) - (signs < 0);
      s1 += u;
      s2 += u * u;
    }
    s1 /= draws, s2 /= draws;
    const auto drift = exact_drift(p, *c.noise, P, k);
    REQUIRE(drift);
    CHECK(std::abs(*drift - s1) < 5 * std::sqrt((s2 - s1 * s1) / draws));
    CHECK(std::abs(*drift) < 1);
  }
  NonlinearProblem p;
  p.method = "sign-late";
  p.batch = 2;
  CHECK(!exact_drift(p, *laplace_noise(0.3), P, k));
  p.method = "sign-ema";
  CHECK(!exact_drift(p, *gaussian_noise(0.3), P, k));
}

TEST_CASE("the table of modes says what every coordinate does") {
  const auto signs = testing::prepare(R"(
model = "sign-sgd"
[spectrum]
kind = "power-law"
dimension = 5
alpha = 0.5
beta = 0.5
[noise]
law = "gaussian"
variance = 0.25
[optimizer]
kind = "sign-late"
learning_rate = 0.01
batch = 4
[time]
steps = 1
)");
  const auto table = signs->mode_table();
  double P = 0;
  for (int j = 1; j <= 5; ++j) P += 1.0 / j / j;
  for (int j = 1; j <= 5; ++j) {
    const auto i = static_cast<std::size_t>(j - 1);
    const double rho = -1.0 / j / std::sqrt(P + 0.25), a = 2 / std::sqrt(pi) * 1.329340388179137 / std::sqrt(P + 0.25);
    CHECK(column(table, "variance")[i] == Approx(1.0 / j).epsilon(1e-13));
    CHECK(column(table, "error")[i] == Approx(-std::pow(j, -0.5)).epsilon(1e-13));
    CHECK(column(table, "correlation")[i] == Approx(rho).epsilon(1e-12));
    // Gamma(5/2)/Gamma(2) = 1.3293...
    CHECK(column(table, "linear_drift")[i] == Approx(-a / j).epsilon(1e-12));
    CHECK(column(table, "exact_drift")[i] == Approx(exact_sign_drift(4, rho)).epsilon(1e-12));
    const double mean = rho / std::sqrt(1 + rho * rho);
    CHECK(column(table, "late_snr_squared")[i] == Approx(late_snr_squared(mean, 4)).epsilon(1e-12));
    CHECK(column(table, "early_snr_squared")[i] == Approx(early_snr_squared(mean, 4)).epsilon(1e-12));
  }

  const auto plain = testing::prepare(R"(
model = "residual-sgd"
[spectrum]
kind = "list"
eigenvalues = [2, 0.5]
multiplicities = [1, 3]
target_power = [0.5, 6]
[noise]
law = "gaussian"
variance = 0.25
[optimizer]
kind = "sgd"
learning_rate = 0.01
batch = 4
[time]
steps = 1
)");
  const auto modes = plain->mode_table();
  // P = 4, b = (P + 0.25)/4, c = 2/4 + 3/4; P settles at the sum of eta b s/(2 - eta c kappa).
  const double large = 0.01 / 4 * 2 / (2 - 0.01 * 1.25 * 2), small = 0.01 / 4 * 1.5 / (2 - 0.01 * 1.25 * 0.5);
  const double steady = 0.25 * (large + small) / (1 - large - small);
  CHECK(column(modes, "kappa")[1] == 0.5);
  CHECK(column(modes, "multiplicity")[1] == 3);
  CHECK(column(modes, "start")[1] == Approx(6));
  CHECK(column(modes, "excess_mse")[0] == Approx(1));
  CHECK(column(modes, "decay")[0] == Approx(2 * 0.01 * 2 - 1e-4 * 1.25 * 4).epsilon(1e-12));
  CHECK(column(modes, "noise")[1] == Approx(1e-4 * 4.25 / 4 * 1.5).epsilon(1e-12));
  CHECK(column(modes, "steady_excess_mse")[0] == Approx((steady + 0.25) * large).epsilon(1e-9));
}

TEST_CASE("the table of modes of a start without error holds what the theory takes there") {
  const auto table = [](const std::string& model, const std::string& optimizer, const std::string& noise) {
    return testing::prepare("model = '" + model + "'\n[optimizer]\nlearning_rate = 0.1\n" + optimizer +
                            "\n[spectrum]\nkind = 'list'\neigenvalues = [1, 0.5]\ntarget_power = [0, 0]\n[noise]\n" +
                            noise + "\n[time]\nsteps = 1\n")
        ->mode_table();
  };
  // Without a pull every sign is as often above 0 as below.
  for (const char* noise : {"law = 'laplace'\nvariance = 0.25", "variance = 0"})
    for (const char* kind : {"sign-late", "sign-early", "sign-majority"}) {
      CAPTURE(kind);
      const auto signs = table("sign-sgd", std::string("kind = '") + kind + "'\nbatch = 3", noise);
      for (const char* name : {"correlation", "linear_drift", "exact_drift", "late_snr_squared", "early_snr_squared"})
        CHECK(column(signs, name) == std::vector<double>{0, 0});
    }
  const auto adam = table("sign-sgd", "kind = 'per-example-adam'\nbatch = 4\nzeta = 2\nfloor = 0.5", "variance = 0.25");
  for (std::size_t i = 0; i < 2; ++i) {
    const double second = 2 * 0.25 * (i == 0 ? 1 : 0.5);
    CHECK(column(adam, "second_moment")[i] == Approx(second).epsilon(1e-12));
    CHECK(column(adam, "preconditioner")[i] == Approx(1 / (std::sqrt(second) + 0.5)).epsilon(1e-12));
  }
  // Clipping feels the label noise alone: mu = P(|eps| < h), q = E min(eps^2, h^2), c2 = E (chi^2)'' = 2 (mu - 2 h p(h)). Laplace's scale is s, h the threshold over sqrt(tr K).
  const double s = std::sqrt(0.125), h = 1 / std::sqrt(1.5), tail = std::exp(-h / s), mu = 1 - tail,
               q = 2 * s * s - 2 * s * (h + s) * tail;
  const auto clip = table("residual-sgd", "kind = 'clip'\nthreshold = 1", "law = 'laplace'\nvariance = 0.25");
  CHECK(column(clip, "decay")[1] == Approx(0.1 * 0.5 * (2 * mu - 0.1 * 2 * (mu - h / s * tail) * 0.5)).epsilon(1e-7));
  CHECK(column(clip, "noise")[1] == Approx(0.01 * q * 0.5).epsilon(1e-7));
}

TEST_CASE("the table of modes of a method that never settles says so, where a limit is asked for") {
  const auto table = [](const std::string& optimizer) {
    return testing::prepare(
               "model = 'residual-sgd'\n[spectrum]\nkind = 'isotropic'\ndimension = 4\n[noise]\n"
               "variance = 0.25\n[time]\nsteps = 1\n[optimizer]\n" +
               optimizer)
        ->mode_table();
  };
  // eta (2 + 4)/2 < 1 is stable at B = 1: P settles at eta sigma^2 d/(2 - eta (d + 2)).
  CHECK(column(table("kind = 'sgd'\nlearning_rate = 0.1"), "steady_excess_mse")[0] ==
        Approx(0.1 * 0.25 * 4 / (2 - 0.1 * 6)).epsilon(1e-9));
  for (const char* rate : {"0.34", "1e9"})
    CHECK_THROWS_WITH_AS(table(std::string("kind = 'sgd'\nlearning_rate = ") + rate),
                         "x.toml: the steady state of an unstable method is undefined; `edgewise stability` says why",
                         settings::Error);
}
