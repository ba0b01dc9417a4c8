#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using models::testing::flag;
using models::testing::number;
using models::testing::prepare;
using models::testing::words;

TEST_CASE("findings of SGD on two modes by hand") {
  // eta = .15, B = 2: kappa = sum n eta lambda/(2B - eta lambda (B + 1)), as a step's fixed point tells.
  const auto problem = prepare(
      "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.4]\nmultiplicities = [2, 3]\n"
      "target_power = [1.0, 0.5]\n[noise]\nlaw = 'gaussian'\nvariance = 0.2\n[time]\nsteps = 5\n[optimizer]\n"
      "learning_rate = 0.15\nbatch = 2\n");
  const auto findings = problem->stability();
  double kappa = 0;
  for (const auto& [l, n] : {std::pair{1.0, 2.0}, {0.4, 3.0}}) {
    const double x = 0.15 * l;
    kappa += n * x * x / 2 / (1 - (1 - x) * (1 - x) - x * x / 2);
  }
  CHECK(number(findings, "learning_rate") == 0.15);
  CHECK(number(findings, "gamma") == Approx(0.15 * 3.2).epsilon(1e-14));
  CHECK(number(findings, "batch") == 2);
  CHECK(number(findings, "trace") == Approx(3.2).epsilon(1e-14));
  CHECK(number(findings, "noise_variance") == Approx(0.2).epsilon(1e-14));
  CHECK(number(findings, "kernel_norm") == Approx(kappa).epsilon(1e-13));
  const double steady = 0.2 * kappa / (1 - kappa);
  CHECK(number(findings, "steady_excess_mse") == Approx(steady).epsilon(1e-13));
  CHECK(number(findings, "steady_risk") == Approx((steady + 0.2) / 2).epsilon(1e-13));
  CHECK(flag(findings, "stable"));
  CHECK(words(findings, "reason") == "stable");
  CHECK_FALSE(flag(findings, "heavy_tailed"));
  // The larger eigenvalue of the 2 x 2 map of (D_1, D_2).
  double map[2][2];
  const double l[] = {1, 0.4}, n[] = {2, 3};
  for (int a = 0; a < 2; ++a)
    for (int b = 0; b < 2; ++b)
      map[a][b] = (a == b ? std::pow(1 - 0.15 * l[a], 2) + std::pow(0.15 * l[a], 2) / 2 : 0) +
                  0.15 * 0.15 / 2 * n[a] * l[a] * l[b];
  const double trace = map[0][0] + map[1][1], det = map[0][0] * map[1][1] - map[0][1] * map[1][0];
  CHECK(number(findings, "growth_factor") == Approx(trace / 2 + std::sqrt(trace * trace / 4 - det)).epsilon(1e-12));
  // Where kappa passes 1.
  const auto at = [&](double eta) {
    double out = 0;
    for (int a = 0; a < 2; ++a)
      out += n[a] * eta * eta * l[a] * l[a] / 2 / (1 - std::pow(1 - eta * l[a], 2) - eta * eta * l[a] * l[a] / 2);
    return out;
  };
  CHECK(at(number(findings, "eta_max")) == Approx(1).epsilon(1e-11));
}

TEST_CASE("rates over eigenvalues as small as doubles are") {
  // In units of 1/lambda the findings of lambda = 1; beyond the doubles they are infinite.
  const auto of = [](const char* eigenvalue) {
    return prepare(
               fmt::format("model = 'least-squares'\n[spectrum]\nkind = 'isotropic'\ndimension = 50\neigenvalue = {}\n"
                           "[noise]\nlaw = 'gaussian'\nvariance = 0.1\n[time]\nsteps = 5\n[optimizer]\n"
                           "learning_rate = 0.002\nbatch = 2\n",
                           eigenvalue))
        ->stability();
  };
  const auto one = of("1.0");
  const char* rates[] = {"eta_max", "eta_variance", "eta_typical", "eta_best"};
  for (const auto& given : {std::pair{"1e-300", 1e-300}, {"1e-307", 1e-307}}) {
    const char* text = given.first;
    const double value = given.second;
    CAPTURE(text);
    const auto small = of(text);
    for (const char* rate : rates) {
      CAPTURE(rate);
      CHECK(number(small, rate) * value == Approx(number(one, rate)).epsilon(1e-9));
    }
    CHECK(number(small, "growth_factor_best") == Approx(number(one, "growth_factor_best")).epsilon(1e-12));
  }
  for (const char* text : {"5e-324", "5e-323", "1e-320", "1e-310"}) {
    CAPTURE(text);
    const auto none = of(text);
    for (const char* rate : rates) CHECK(number(none, rate) == std::numeric_limits<double>::infinity());
    CHECK(number(none, "growth_factor") == 1);
    CHECK(number(none, "growth_factor_best") == Approx(number(one, "growth_factor_best")).epsilon(1e-12));
    CHECK(flag(none, "stable"));
  }
}

TEST_CASE("the variance of the risk of one Gaussian coordinate diverges where its fourth moment does") {
  // v' = v (1 - eta lambda m), m a mean of B squares: E (1 - x m)^4 = 1, E m^k = prod_j (B + 2j)/B over j < k.
  for (const double B : {1.0, 3.0, 20.0}) {
    const auto growth = [&](double x) {
      const double binomial[] = {1, -4, 6, -4, 1};
      double moment = 1, sum = 0;
      for (int k = 0; k <= 4; ++k) {
        sum += binomial[k] * std::pow(x, k) * moment;
        moment *= (B + 2 * k) / B;
      }
      return sum;
    };
    double low = 1e-3, high = 2;
    for (int k = 0; k < 200; ++k) (growth((low + high) / 2) < 1 ? low : high) = (low + high) / 2;
    const auto at = [&](double eta) {
      return prepare(fmt::format("model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [2.0]\n"
                                 "target_power = [1.0]\n[time]\nsteps = 5\n[optimizer]\nlearning_rate = {:.17g}\n"
                                 "batch = {}\n",
                                 eta, B))
          ->stability();
    };
    CAPTURE(B);
    CHECK(number(at(.01), "eta_variance") == Approx(low / 2).epsilon(1e-7));
    CHECK(!flag(at(.999 * low / 2), "heavy_tailed"));
    CHECK(flag(at(1.001 * low / 2), "heavy_tailed"));
    CHECK(flag(at(1.001 * low / 2), "stable"));
  }
}

TEST_CASE("power laws: both terms of the late risk by their integrals over the modes") {
  // P ~ int dj j^(-2 alpha - 2 beta) e^(-2 eta lambda t), and the kernel (eta^2/B) int dj lambda^2 e^(-2 eta lambda t)
  // times sum_k F_k = sum_j j^(-2 beta)/(eta (2 - eta lambda_j (1 + 1/B))); the whole kernel's mass kappa multiplies where
  // 2 alpha > 1.
  struct Row {
    double alpha, beta;
    const char* phase;
  };
  for (const Row& row : {Row{0.4, 0.3, "bias-limited"}, Row{0.8, 0.9, "kernel-limited"}, Row{0.8, 0.6, "bias-limited"},
                         Row{0.4, 0.7, "kernel-limited"}}) {
    CAPTURE(row.alpha);
    CAPTURE(row.beta);
    constexpr double eta = 0.02, B = 3;
    const auto findings =
        prepare(fmt::format("model = 'least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 50\nalpha = {}\n"
                            "beta = {}\n[time]\nsteps = 5\n[optimizer]\nlearning_rate = {}\nbatch = {}\n",
                            row.alpha, row.beta, eta, B))
            ->stability();
    const double kappa = number(findings, "kernel_norm");
    // int_0^inf dj j^(-s) exp(-2 eta j^(-2 alpha)) with j = e^x.
    const auto integral = [&](double s) {
      double sum = 0;
      for (double x = -60; x < 400; x += 0.01)
        sum += 0.01 * std::exp((1 - s) * x - 2 * eta * std::exp(-2 * row.alpha * x));
      return sum;
    };
    const double resummed = row.alpha > 0.5 ? 1 / (1 - kappa) : 1;
    CHECK(words(findings, "phase") == row.phase);
    CHECK(number(findings, "bias_exponent") ==
          Approx((2 * row.alpha + 2 * row.beta - 1) / (2 * row.alpha)).epsilon(1e-13));
    CHECK(number(findings, "bias_constant") == Approx(resummed * integral(2 * row.alpha + 2 * row.beta)).epsilon(1e-6));
    if (row.beta <= 0.5) {
      CHECK(number(findings, "kernel_exponent") == 0);
      CHECK(number(findings, "kernel_constant") == 0);
      continue;
    }
    CHECK(number(findings, "kernel_exponent") == Approx(2 - 1 / (2 * row.alpha)).epsilon(1e-13));
    // sum j^(-s), its tail from N on by Euler and Maclaurin.
    const double s = 2 * row.beta, N = 2000;
    double zeta = std::pow(N, 1 - s) / (s - 1) + 0.5 * std::pow(N, -s) + s / 12 * std::pow(N, -s - 1);
    for (double j = 1; j < N; ++j) zeta += std::pow(j, -s);
    double driven = zeta / (2 * eta);
    for (double j = 1; j <= 50; ++j)
      driven += std::pow(j, -s) * (1 / (eta * (2 - eta * std::pow(j, -2 * row.alpha) * (1 + 1 / B))) - 1 / (2 * eta));
    CHECK(number(findings, "kernel_constant") ==
          Approx(resummed * resummed * eta * eta / B * integral(4 * row.alpha) * driven).epsilon(1e-6));
  }
}

TEST_CASE("power laws: the late risk of runs from any start, of any signal, inputs and label noise") {
  const auto experiment = [](const std::string& spectrum, const std::string& more) {
    return prepare("model = 'least-squares'\n[time]\nat = [100000000]\n[spectrum]\nkind = 'power-law'\n" + spectrum +
                   "\n" + more);
  };
  const std::string steep = "dimension = 1000000000\nalpha = 1.0\nbeta = ";
  for (const auto& row : std::vector<std::pair<std::string, std::string>>{
           {steep + "1.5", "[optimizer]\nlearning_rate = 0.4\nbatch = 2\n"},
           {steep + "1.5\nsignal = 7", "[optimizer]\nlearning_rate = 0.4\n[initial]\nscale = -1\n"},
           {steep + "0.3", "[optimizer]\nlearning_rate = 0.3\n[initial]\nscale = 0.5\n"},
           {steep + "0.8\nsignal = 0.1", "[optimizer]\nlearning_rate = 0.3\nbatch = 4\n[data]\nlaw = 'laplace'\n"},
           {steep + "1.2", "[optimizer]\nlearning_rate = 0.5\n[noise]\nvariance = 2.0\n"}}) {
    CAPTURE(row.first);
    CAPTURE(row.second);
    const auto problem = experiment(row.first, row.second);
    const auto findings = problem->stability();
    const auto term = [&](const std::string& name) {
      return number(findings, name + "_constant") * std::pow(1e8, -number(findings, name + "_exponent"));
    };
    const bool noisy = number(findings, "noise_variance") > 0;
    const double P = problem->solve().find("excess_mse")->value.back();
    const double terms = term("bias") + term("kernel");
    // Ratios: the numbers are small.
    if (noisy)
      CHECK((number(findings, "steady_excess_mse") - P) / (term("floor") - terms) == Approx(1).epsilon(1e-4));
    else
      CHECK(P / terms == Approx(1).epsilon(1e-4));
  }
  // The plateau (eta/(2 B)) zeta(2 beta) sum lambda^2 of alpha <= 1/4, zeta(1.6) = 2.285765664.
  const auto flat =
      experiment("dimension = 1000\nalpha = 0.2\nbeta = 0.8", "[optimizer]\nlearning_rate = 1e-9\nbatch = 3\n");
  double squares = 0;
  for (double j = 1; j <= 1000; ++j) squares += std::pow(j, -0.8);
  CHECK(words(flat->stability(), "phase") == "kernel-limited (a plateau)");
  CHECK(number(flat->stability(), "kernel_exponent") == 0);
  CHECK(number(flat->stability(), "kernel_constant") / (1e-9 / 6 * 2.285765664 * squares) == Approx(1).epsilon(1e-7));
  // No law where there is none.
  const std::string small = "dimension = 20\nalpha = 1\nbeta = 0.4";
  for (const auto& [more, phase] : std::vector<std::pair<std::string, std::string>>{
           {"[optimizer]\nlearning_rate = 5\n", "no power law (unstable)"},
           {"[optimizer]\nlearning_rate = 2.1\nbatch = inf\n", "no power law (unstable)"},
           {"[optimizer]\nlearning_rate = 0\n", "no power law (nothing moves)"},
           {"[optimizer]\nlearning_rate = 0.1\n[initial]\nerror_power = [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]\n",
            "no power law (the start is not a multiple of the target)"}}) {
    const auto findings = experiment(small, more)->stability();
    CHECK(words(findings, "phase") == phase);
    CHECK(number(findings, "bias_constant") == 0);
    CHECK(number(findings, "kernel_constant") == 0);
  }
  // Where both terms are equal.
  const auto both = experiment(steep + "1.5", "[optimizer]\nlearning_rate = 0.01\n")->stability();
  const double t = number(both, "crossover_steps");
  CHECK(number(both, "bias_constant") * std::pow(t, -number(both, "bias_exponent")) /
            (number(both, "kernel_constant") * std::pow(t, -number(both, "kernel_exponent"))) ==
        Approx(1).epsilon(1e-9));
}

TEST_CASE("the steady state of what does not settle: infinite where it is fed and grows, else unknown") {
  const auto steady = [](const std::string& noise, const std::string& power, const std::string& optimizer) {
    return number(
        prepare("model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.4]\ntarget_power = " +
                power + "\n" + noise + "[time]\nsteps = 5\n[optimizer]\n" + optimizer)
            ->stability(),
        "steady_excess_mse");
  };
  const std::string noise = "[noise]\nvariance = 0.2\n", fast = "learning_rate = 3.0\nbatch = ";
  CHECK(std::isinf(steady(noise, "[1.0, 0.5]", fast + "2\n")));
  CHECK(std::isinf(steady(noise, "[0.0, 0.0]", fast + "2\n")));
  CHECK(std::isinf(steady("", "[0.0, 0.5]", fast + "2\n")));
  CHECK(std::isnan(steady("", "[0.0, 0.0]", fast + "2\n")));
  CHECK(std::isinf(steady("", "[1.0, 0.5]", fast + "inf\n")));
  CHECK(std::isnan(steady("", "[0.0, 0.5]", fast + "inf\n")));  // what grows is not there
  CHECK(std::isnan(steady(noise, "[1.0, 0.5]", "learning_rate = 0\nbatch = 2\n")));
}

TEST_CASE("power laws at their borders: none without a finite signal, and two terms of one exponent") {
  const auto phase = [](const std::string& alpha, const std::string& beta) {
    return words(prepare("model = 'least-squares'\n[time]\nsteps = 5\n[spectrum]\nkind = 'power-law'\ndimension = 20\n"
                         "alpha = " +
                         alpha + "\nbeta = " + beta + "\n[optimizer]\nlearning_rate = 0.05\n")
                     ->stability(),
                 "phase");
  };
  CHECK(phase("0.2", "0.2") == "no power law (alpha + beta <= 1/2)");
  CHECK(phase("0.3", "0.25") != "no power law (alpha + beta <= 1/2)");
  // p = (2 alpha + 2 beta - 1)/(2 alpha) is q = 2 - 1/(2 alpha) where beta = alpha.
  for (const char* both : {"0.7", "0.75", "1.0", "1.3"}) CHECK(phase(both, both) == "boundary");
}
