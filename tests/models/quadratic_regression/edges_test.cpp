#include "models/quadratic_regression/edges.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "models/ingredients/kernel_stability.hpp"
#include "models/ingredients/sam_mean_square.hpp"
#include "models/quadratic_regression/early_time.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using namespace edgewise::models::quadratic_regression;
using namespace edgewise::models::ingredients;
using edgewise::tests::Approx;
using linear_algebra::Matrix;
using models::testing::column;
using models::testing::flag;
using models::testing::number;
using models::testing::there;

namespace {

// J_0 = [[1, .2, 0], [.3, .8, -.4]]: K = J J' = [[1.04, .46], [.46, .89]], and z_0 = (.7, -.5).
std::unique_ptr<models::Problem> given(const std::string& optimizer) {
  return models::testing::prepare(
      "model = 'quadratic-regression'\n[data]\nensemble = 'given'\nJ0 = [[1, 0.2, 0], [0.3, 0.8, -0.4]]\nz0 = [0.7, "
      "-0.5]\ncurvature = 2.0\n[time]\nsteps = 4\n[optimizer]\n" +
      optimizer);
}
constexpr double k11 = 1.04, k12 = 0.46, k22 = 0.89, trace = k11 + k22;
const double spread = std::sqrt((k11 - k22) * (k11 - k22) / 4 + k12 * k12), top = trace / 2 + spread,
             bottom = trace / 2 - spread;
Matrix kernel() {
  return Matrix(2, 2, std::vector<double>{k11, k12, k12, k22});
}

/// The spectral radius of the average over both masks of (z z') -> (I - eta K P)(z z')(I - eta K P)', on the three
/// entries of a symmetric matrix; rho > 0: K (I + rho P K P) in place of K.
double growth(double eta, double rho) {
  const double k[2][2] = {{k11, k12}, {k12, k22}};
  Matrix map(3, 3);
  const int of[3][2] = {{0, 0}, {0, 1}, {1, 1}};
  for (int mask = 0; mask < 2; ++mask) {
    double step[2][2] = {{1, 0}, {0, 1}};
    for (int i = 0; i < 2; ++i) step[i][mask] -= eta * k[i][mask] * (1 + rho * k[mask][mask]);
    for (int to = 0; to < 3; ++to)
      for (int from = 0; from < 3; ++from) {
        const int i = of[to][0], j = of[to][1], x = of[from][0], y = of[from][1];
        map(to, from) += 0.5 * (step[i][x] * step[j][y] + (x == y ? 0 : step[i][y] * step[j][x]));
      }
  }
  double out = 0;
  for (const auto& z : linear_algebra::eigenvalues(map)) out = std::max(out, std::abs(z));
  return out;
}

}  // namespace

TEST_CASE("findings of GD and SGD on a given Jacobian, by its two eigenvalues and both batches of one row") {
  const auto gd = given("learning_rate = 0.3")->stability();
  CHECK(number(gd, "ntk_max") == Approx(top).epsilon(1e-13));
  CHECK(number(gd, "eta_lambda_max") == Approx(0.3 * top).epsilon(1e-13));
  CHECK(number(gd, "eta_max") == Approx(2 / top).epsilon(1e-12));
  CHECK(number(gd, "eta_mean") == Approx(2 / top).epsilon(1e-12));
  CHECK(flag(gd, "stable"));
  CHECK_FALSE(there(gd, "lambda_sam"));
  const auto sgd = given("kind = 'sgd'\nlearning_rate = 0.3\nbatch = 1")->stability();
  CHECK(number(sgd, "eta_mean") == Approx(4 / top).epsilon(1e-12));
  CHECK(number(sgd, "kernel_norm") == Approx(annealed_kernel_norm(std::vector{bottom, top}, 0.3, 1)).epsilon(1e-12));
  // The larger eigenvalue of G_ac = sum_xy V_ax V_ay V_cx V_cy eta l_x l_y/(l_x + l_y), beta being 0.
  const double angle = 0.5 * std::atan2(2 * k12, k11 - k22), c = std::cos(angle), s = std::sin(angle);
  const double l[2] = {top, bottom}, v[2][2] = {{c, -s}, {s, c}};
  double g[2][2] = {};
  for (int a = 0; a < 2; ++a)
    for (int b = 0; b < 2; ++b)
      for (int x = 0; x < 2; ++x)
        for (int y = 0; y < 2; ++y)
          g[a][b] += v[a][x] * v[a][y] * v[b][x] * v[b][y] * 0.3 * l[x] * l[y] / (l[x] + l[y]);
  CHECK(number(sgd, "kernel_norm_exact") ==
        Approx((g[0][0] + g[1][1]) / 2 + std::hypot((g[0][0] - g[1][1]) / 2, g[0][1])).epsilon(1e-10));
  CHECK(number(sgd, "eta_annealed") == Approx(annealed_critical_rate(std::vector{bottom, top}, 1)).epsilon(1e-12));
  const double edge = number(sgd, "eta_max");
  CHECK(growth(edge, 0) == Approx(1).epsilon(1e-9));
  CHECK(growth(0.99 * edge, 0) < 1);
  for (const double eta : {0.9 * edge, 1.1 * edge}) {
    const auto at = given(fmt::format("kind = 'sgd'\nlearning_rate = {}\nbatch = 1", eta))->stability();
    CHECK(flag(at, "stable") == (eta < edge));
    CHECK((number(at, "kernel_norm_exact") < 1) == (eta < edge));
  }
}

TEST_CASE("findings of SAM, full batch and single rows") {
  const auto full = given("kind = 'sam'\nlearning_rate = 0.3\nrho = 0.4")->stability();
  // eta lambda (1 + rho lambda) = 2.
  CHECK(number(full, "sam_mean_rate") == Approx(0.3 * top * (1 + 0.4 * top)).epsilon(1e-12));
  CHECK(number(full, "eta_mean") == Approx(2 / (top * (1 + 0.4 * top))).epsilon(1e-12));
  CHECK(number(full, "eta_max") == Approx(2 / (top * (1 + 0.4 * top))).epsilon(1e-9));
  const double edge = number(full, "lambda_sam");
  CHECK(0.3 * edge * (1 + 0.4 * edge) == Approx(2).epsilon(1e-12));
  CHECK(models::testing::words(given("kind = 'sam'\nlearning_rate = 0.3\nrho = 0.4\nnormalised = true")->stability(),
                               "sam") == "no edge: rho/|g| grows as the gradient g vanishes");
  const auto rows = given("kind = 'sam'\nlearning_rate = 0.3\nrho = 0.4\nbatch = 1")->stability();
  CHECK(growth(number(rows, "eta_max"), 0.4) == Approx(1).epsilon(1e-8));
  // The mean over both rows of K P (I + rho P K P): half of K (I + rho diag K).
  const double a = k11 * (1 + 0.4 * k11), d = k22 * (1 + 0.4 * k22), bc = k12 * (1 + 0.4 * k22) * k12 * (1 + 0.4 * k11);
  const double mean = 0.5 * ((a + d) / 2 + std::sqrt((a - d) * (a - d) / 4 + bc));
  CHECK(number(rows, "sam_mean_rate") == Approx(0.3 * mean).epsilon(1e-12));
  CHECK(number(rows, "eta_mean") == Approx(2 / mean).epsilon(1e-12));
}

TEST_CASE("findings of bases with a memory, and of tuned rates") {
  for (const double times : {0.99, 1.01}) {
    const auto ball = given(fmt::format("learning_rate = {}\nmomentum = 0.5", times * 3 / top))->stability();
    CHECK(number(ball, "edge") == Approx(3));
    CHECK(number(ball, "eta_lambda_max") == Approx(times * 3).epsilon(1e-12));
    CHECK(flag(ball, "stable") == (times < 1));
    CHECK(!there(ball, "eta_max"));
  }
  const auto batches = given("kind = 'sgd'\nbatch = 1\nlearning_rate = 0.1\nmomentum = 0.5")->stability();
  CHECK(number(batches, "edge") == Approx(3));
  CHECK(!there(batches, "stable"));
  const auto adam = given("kind = 'adam'\nlearning_rate = 0.1\nbeta1 = 0.6")->stability();
  CHECK(number(adam, "edge") == Approx(2 * 1.6 / 0.4));
  CHECK(!there(adam, "eta_lambda_max"));
  for (const double sigma : {1.3, 1.8}) {
    const auto tuned = given(fmt::format("kind = 'gd'\n[rate]\nkind = 'cdat'\nsigma = {}\n", sigma))->stability();
    CHECK(number(tuned, "ntk_max") == Approx(top).epsilon(1e-12));
    CHECK(number(tuned, "ntk_min") == Approx(bottom).epsilon(1e-12));
    CHECK(number(tuned, "late_eta_lambda") == Approx(std::max(sigma, 2 / (1 + bottom / top))).epsilon(1e-12));
  }
  CHECK(2 / (1 + bottom / top) > 1.3);
  CHECK(2 / (1 + bottom / top) < 1.8);
  CHECK(!there(given("momentum = 0.5\n[rate]\nkind = 'cdat'\nsigma = 1.3\n")->stability(), "late_eta_lambda"));
  // Of K = J J' with more outputs than parameters the smallest eigenvalue of J'J = [[2, 1], [1, 5]].
  const auto tall = models::testing::prepare(
                        "model = 'quadratic-regression'\n[data]\nensemble = 'given'\nJ0 = [[1, 0], [1, 1], [0, "
                        "2]]\nz0 = [1, 1, 1]\ncurvature = 2.0\n[time]\nsteps = 4\n[rate]\nkind = 'cdat'\n")
                        ->stability();
  CHECK(number(tall, "ntk_min") == Approx(3.5 - std::sqrt(2.25 + 1)).epsilon(1e-12));
}

TEST_CASE("the table of modes: every difference along every eigenvector, and the first by hand") {
  constexpr double eta = 0.3, variance = 2.0 / 9;  // kappa/P^2
  const auto table = given("kind = 'sgd'\nlearning_rate = 0.3\nbatch = 1")->mode_table();
  // J' = J - eta Q g, g = J' P z: K moves by eta^2 (kappa/P^2)(P + 1) E |g|^2, |g|^2 = z_a^2 K_aa for row a.
  const double first = eta * eta * variance * 4 * 0.5 * (0.49 * k11 + 0.25 * k22);
  const ModeDifferences d = sgd_mode_differences({{0.7, -0.5}, kernel(), 3, variance}, eta, 1);
  const std::vector<double> lambda{bottom, top};
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(column(table, "eigenvalue")[i] == Approx(lambda[i]).epsilon(1e-13));
    CHECK(column(table, "first_difference")[i] == Approx(first).epsilon(1e-12));
    CHECK(column(table, "second_difference_order2")[i] == Approx(d.order2[i]).epsilon(1e-11));
    CHECK(column(table, "second_difference_order3")[i] == Approx(d.order3[i]).epsilon(1e-11));
    CHECK(column(table, "ratio")[i] == Approx(1 + d.order3[i] / d.order2[i]).epsilon(1e-11));
    // (lambda''/lambda)^(-1/2), averaged over z ~ N(0, 1).
    const auto averaged = averaged_mode_differences(kernel(), 3, variance, 1, 1e-3, 2);
    CHECK(column(table, "sharpening_time")[i] ==
          Approx(1 / std::sqrt(averaged.order2[i] / 1e-6 / lambda[i])).epsilon(1e-9));
  }
  // A residual that is drawn is averaged over.
  const auto drawn =
      models::testing::prepare(
          "model = 'quadratic-regression'\n[data]\nensemble = 'given'\nJ0 = [[1, 0.2, 0], [0.3, 0.8, -0.4]]\n"
          "residual_variance = 1.5\ncurvature = 2.0\n[time]\nsteps = 4\n[optimizer]\nkind = 'sgd'\n"
          "learning_rate = 0.3\nbatch = 1\n")
          ->mode_table();
  CHECK(column(drawn, "first_difference")[0] == Approx(eta * eta * variance * 4 * 0.5 * 1.5 * trace).epsilon(1e-12));
}

TEST_CASE("the bytes of a stored tensor: half of D P^2 numbers and a little") {
  const auto bytes = [](int parameters) {
    return number(
        models::testing::prepare(
            fmt::format("model = 'quadratic-regression'\n[data]\noutputs = 3\nparameters = {}\n[time]\nsteps = "
                        "4\n[optimizer]\nkind = 'sam'\nrho = 0.1\nlearning_rate = 0.1\n",
                        parameters))
            ->stability(),
        "tensor_bytes");
  };
  const double half = 8 * 3 * 500.0 * 501 / 2;
  CHECK(bytes(500) >= half);
  CHECK(bytes(500) < 1.2 * half);
  CHECK(bytes(5) == 8 * 3 * 5 * 5);  // one block, which is not halved
}
