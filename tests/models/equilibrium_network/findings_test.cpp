// What `edgewise stability` says of equilibrium networks, by formulas worked out by hand.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "models/framework/prediction.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using models::testing::column;
using models::testing::flag;
using models::testing::number;
using models::testing::prepare;
using models::testing::report;
using models::testing::there;

namespace {

const double pi = std::acos(-1);

std::string network(const std::string& family, const std::string& activation, const std::string& scale) {
  return "model = 'equilibrium-network'\n[depth]\nat = [1, 2, 5]\n[network]\nfamily = '" + family +
         "'\nactivation = '" + activation + "'\nscale = " + scale + "\nwidth = 50\n";
}

/// E relu(u) relu(u')/q of two Gaussian variables of variance q and correlation rho, twice.
double relu_overlap(double rho) {
  return (std::sqrt(1 - rho * rho) + rho * (pi - std::acos(rho))) / pi;
}

}  // namespace

TEST_CASE("equilibrium network: findings of linear networks are the moments of the resolvent") {
  // Of the semicircle of radius 2g = .6: gamma = (1 - .8)/.18, m1 = -gamma'(1) = (1/.8 - 1)/.18, m2 = .64^(-5/2).
  const double gamma = .2 / .18, m1 = .25 / .18, m2 = std::pow(.64, -2.5);
  const std::string text = network("goe", "linear", "0.3") + "[input]\npower = 0.5\ncorrelation = 0.7\n";
  const auto problem = prepare(text);
  const auto found = problem->stability();
  CHECK(flag(found, "in_phase"));
  CHECK(number(found, "edge_scale") == Approx(.5).epsilon(1e-13));
  CHECK(number(found, "iteration_rate") == Approx(.6).epsilon(1e-13));
  CHECK(flag(found, "iteration_converges"));
  CHECK(number(found, "gamma") == Approx(gamma).epsilon(1e-12));
  CHECK(number(found, "length_map") == Approx(m1).epsilon(1e-12));
  CHECK(number(found, "second_moment") == Approx(m2).epsilon(1e-12));
  CHECK(number(found, "kurtosis") == Approx(m2 / (m1 * m1)).epsilon(1e-12));
  CHECK(number(found, "smallest_singular_value") == Approx(.4).epsilon(1e-12));
  CHECK(number(found, "equilibrium_std") == Approx(.5 * std::sqrt(2 * (m2 - m1 * m1) / 52)).epsilon(1e-11));
  CHECK(number(found, "tangent_kernel") == Approx(.09 * m1 * m1 * .5 * .7).epsilon(1e-12));
  const auto one = prepare(network("goe", "linear", "0.3") + "[input]\npower = 0.5\n");
  CHECK(number(one->stability(), "tangent_kernel") == Approx(.09 * m1 * m1 * .5).epsilon(1e-12));
  CHECK(number(prepare(text, {"input.law='gaussian'"})->stability(), "equilibrium_std") ==
        Approx(.5 * std::sqrt(2 * m2 / 50)).epsilon(1e-12));

  const auto theory = problem->solve();
  CHECK(report(theory, "length_map") == Approx(m1).epsilon(1e-12));
  CHECK(report(theory, "kurtosis") == Approx(m2 / (m1 * m1)).epsilon(1e-12));
  CHECK(theory.warnings.empty());
  // |W^k|^2 of symmetric weights is the radius to the 2k. z_1 = h, z_2 = h + W h, and at n = 50 E |W h|^2 = g^2 (1 + 1/n) |h|^2,
  // E |W^2 h|^2 = g^4 (2 + 5/n + 5/n^2) |h|^2.
  for (std::size_t k = 0; k < theory.steps.size(); ++k) {
    CHECK(column(theory, "worst_transient")[k] == Approx(std::pow(.36, theory.steps[k])).epsilon(1e-12));
    CHECK(column(theory, "overlap")[k] == Approx(.7 * column(theory, "length")[k]).epsilon(1e-13));
    CHECK(column(theory, "equilibrium_overlap")[k] ==
          Approx(.7 * column(theory, "equilibrium_length")[k]).epsilon(1e-13));
    CHECK(column(theory, "equilibrium_length")[k] == Approx(.5 * number(found, "length_map_at_width")).epsilon(1e-13));
  }
  const std::size_t first = theory.steps[0] == 0 ? 1 : 0;
  CHECK(column(theory, "length")[first] == Approx(.5).epsilon(1e-13));
  CHECK(column(theory, "length")[first + 1] == Approx(.5 * (1 + .09 * 1.02)).epsilon(1e-13));
  CHECK(column(theory, "residual")[first] == Approx(.5 * .09 * 1.02).epsilon(1e-13));
  CHECK(column(theory, "residual")[first + 1] == Approx(.5 * (2 + 5. / 50 + 5. / 2500) * .0081).epsilon(1e-12));

  // Antisymmetric weights have an equilibrium at any scale, and an iteration that converges below 1/2 only.
  CHECK(flag(prepare(network("anti", "linear", "0.49"))->stability(), "iteration_converges"));
  const auto spun = prepare(network("anti", "linear", "0.51"));
  CHECK(!flag(spun->stability(), "iteration_converges"));
  CHECK(std::isinf(number(spun->stability(), "edge_scale")));
  CHECK(spun->solve().warnings.size() == 1);
}

TEST_CASE("equilibrium network: the fourth free cumulant, and traces of words whose sums are lengths") {
  // (1/n) tr (WW')^2 is 2 g^4 of iid weights, g^4 of orthogonal ones.
  CHECK(number(prepare(network("iid", "linear", "0.6"))->stability(), "free_cumulant") == 0);
  CHECK(number(prepare(network("haar", "linear", "0.6"))->stability(), "free_cumulant") ==
        Approx(-.1296).epsilon(1e-12));
  CHECK(number(prepare(network("bi-invariant", "linear", "0.6") + "kurtosis = 3.5\n")->stability(), "free_cumulant") ==
        Approx(1.5 * .1296).epsilon(1e-12));
  CHECK(!there(prepare(network("goe", "linear", "0.3"))->stability(), "free_cumulant"));
  // Of symmetric weights c_ij are Catalan's numbers, to the depth asked for and to 12 at most.
  const double catalan[] = {1, 1, 2, 5, 14, 42};
  const auto modes = prepare(network("goe", "linear", "0.3"))->mode_table();
  REQUIRE(modes.size() == 3);
  REQUIRE(modes[2].value.size() == 21);
  for (std::size_t row = 0; row < 21; ++row) {
    const auto power = static_cast<int>(modes[0].value[row] + modes[1].value[row]);
    CHECK(modes[0].value[row] <= modes[1].value[row]);
    CHECK(modes[2].value[row] == Approx(power % 2 == 0 ? catalan[power / 2] * std::pow(.3, power) : 0).epsilon(1e-12));
  }
  CHECK(prepare(network("goe", "linear", "0.3"), {"depth.at=[1000000]"})->mode_table()[2].value.size() == 91);
  CHECK_THROWS_WITH_AS(prepare(network("iid", "tanh", "0.3"))->mode_table(), doctest::Contains("network.activation"),
                       std::exception);
}

TEST_CASE("equilibrium network: findings of a ReLU network") {
  // c = 0, q = q_h/(1 - g^2/2) = 3, E z^2 = q/2, S = g^2/2.
  const std::string text = network("iid", "relu", "1.0") + "[input]\npower = 1.5\n";
  const auto problem = prepare(text);
  const auto found = problem->stability();
  CHECK(flag(found, "in_phase"));
  CHECK(number(found, "edge_scale") == Approx(std::sqrt(2)).epsilon(1e-9));
  CHECK(number(found, "iteration_rate") == Approx(std::sqrt(.5)).epsilon(1e-10));
  CHECK(flag(found, "iteration_converges"));
  CHECK(number(found, "stability_number") == Approx(.5).epsilon(1e-10));
  CHECK(number(found, "drive_variance") == Approx(3).epsilon(1e-10));
  CHECK(number(found, "response") == Approx(.5).epsilon(1e-10));
  CHECK(number(found, "memory") == 0);
  CHECK(number(found, "mean_square_state") == Approx(1.5).epsilon(1e-10));
  CHECK(number(found, "mean_square_slope") == Approx(.5).epsilon(1e-10));
  CHECK(number(found, "mean_fourth_slope") == Approx(.5).epsilon(1e-10));
  // (1/n) tr XX' = 1/(1 - S). With B = W D of bi-invariant W, D^2 = D, (1/n) tr (XX')^2 by its first terms is below.
  CHECK(number(found, "jacobian_first_moment") == Approx(2).epsilon(1e-9));
  const double m2 = number(found, "jacobian_second_moment");
  CHECK(number(found, "kurtosis") == Approx(m2 / 4).epsilon(1e-9));
  CHECK(!there(found, "overlap"));
  // Sigma = E z^2, Sigma_dot = 1/2.
  CHECK(number(found, "tangent_kernel_of_preactivation") == Approx(1.5 / .5).epsilon(1e-9));
  CHECK(number(found, "tangent_kernel") == Approx(1.5 * .5 / .5).epsilon(1e-9));

  // rho q = rho_h q_h + g^2 q k(rho)/2.
  const auto two = prepare(text + "correlation = 0.5\n");
  double low = -1, high = 1;
  for (int k = 0; k < 100; ++k) {
    const double rho = (low + high) / 2;
    (3 * rho < .75 + 1.5 * relu_overlap(rho) ? low : high) = rho;
  }
  const auto pair = two->stability();
  CHECK(number(pair, "drive_correlation") == Approx(low).epsilon(1e-8));
  const double overlap = 1.5 * relu_overlap(low), slopes = (pi - std::acos(low)) / (2 * pi);
  CHECK(number(pair, "overlap") == Approx(overlap).epsilon(1e-8));
  CHECK(number(pair, "tangent_kernel_of_preactivation") == Approx(overlap / (1 - slopes)).epsilon(1e-8));
  CHECK(number(pair, "tangent_kernel") == Approx(overlap * slopes / (1 - slopes)).epsilon(1e-8));
  CHECK(column(two->solve(), "equilibrium_overlap").back() == Approx(overlap).epsilon(1e-8));
  CHECK(report(two->solve(), "stability_number") == Approx(.5).epsilon(1e-10));
  CHECK(report(two->solve(), "iteration_rate") == Approx(std::sqrt(.5)).epsilon(1e-10));
}

TEST_CASE("equilibrium network: bands of claims are ten times the moments' ratio over the width") {
  // iid, linear: m1 = 1/(1 - g^2), to 1/n times 1 + (2/n) g^2 m1^2, m2/m1 = (1 - g^2)^-3 = 64/27 at g = 1/2; tanh: S in place
  // of g^2.
  const auto linear = prepare(network("iid", "linear", "0.5"), {"network.width=500", "depth.at=[1, 5, 9, 12]"});
  const auto claims = linear->predictions();
  REQUIRE(claims.size() == 2);
  const double length = 4. / 3 * (1 + 8. / 9 / 500);
  CHECK(claims[0].nominal == Approx(length).epsilon(1e-12));
  CHECK(claims[0].low == Approx(length * (1 - 640. / 27 / 500)).epsilon(1e-12));
  CHECK(claims[0].high == Approx(length * (1 + 640. / 27 / 500)).epsilon(1e-12));
  CHECK(claims[1].nominal == .5);
  CHECK(claims[1].low == Approx(.475).epsilon(1e-12));
  CHECK(claims[1].high == Approx(.525).epsilon(1e-12));
  const auto curved = prepare(network("iid", "tanh", "0.9"), {"network.width=500", "depth.at=[1, 5, 9, 12]"});
  const double S = number(curved->stability(), "stability_number");
  const auto of_curved = curved->predictions();
  REQUIRE(of_curved.size() == 2);
  CHECK(of_curved[0].nominal == Approx(.451165143161 + .149453101478 / 500).epsilon(1e-9));
  CHECK(number(curved->stability(), "mean_square_state_at_width") == Approx(of_curved[0].nominal).epsilon(1e-12));
  CHECK(column(curved->solve(), "equilibrium_length").back() == Approx(of_curved[0].nominal).epsilon(1e-12));
  CHECK(number(curved->stability(), "equilibrium_std") == Approx(std::sqrt(.0924210538985 / 500)).epsilon(1e-8));
  // |z_1|^2/n of |h|^2 = n q_h: E z^4 - (E z^2)^2 - 2 (q_h d(E z^2)/dq_h)^2 over n.
  double square = 0, fourth = 0, rise = 0;
  for (double x = -9; x < 9.01; x += 0.05) {
    const double weight = 0.05 * std::exp(-x * x / 2) / std::sqrt(2 * pi), z2 = std::pow(std::tanh(x), 2);
    square += weight * z2;
    fourth += weight * z2 * z2;
    rise += weight * z2 * (x * x - 1) / 2;
  }
  const auto spread = curved->solve();
  CHECK(spread.columns.front().observable.name == "length");  // the one that is drawn
  CHECK(column(spread, "length_std")[0] == 0);
  CHECK(column(spread, "length_std")[1] ==
        Approx(std::sqrt((fourth - square * square - 2 * rise * rise) / 500)).epsilon(0.03));
  const auto deep = prepare(network("iid", "tanh", "0.9"), {"network.width=500", "depth.at=[1000]"});
  CHECK(column(deep->solve(), "length_std").back() ==
        Approx(number(deep->stability(), "equilibrium_std")).epsilon(1e-9));
  CHECK(of_curved[0].high == Approx(of_curved[0].nominal * (1 + 10 * std::pow(1 - S, -3) / 500)).epsilon(1e-12));
  CHECK(of_curved[1].nominal == Approx(std::sqrt(S)).epsilon(1e-9));

  // Of a run: the last length, and the fall of the residual between the last two depths, from 5 on, above rounding.
  const std::vector<std::string> names{"length", "residual", "equilibrium_length"};
  models::RecordedReplica run;
  run.names = names;
  run.steps = {1, 5, 9, 12};
  run.rows = {{2, 2, 2, 2}, {7, 8, 3, 3 * std::pow(.6, 6)}, {5, 5, 5, 1.5}};
  CHECK(*claims[0].statistic(run) == 1.5);
  CHECK(*claims[1].statistic(run) == Approx(.6).epsilon(1e-12));
  run.rows[1][3] = 3 * std::pow(.7, 6);
  CHECK(*claims[1].statistic(run) == Approx(.7).epsilon(1e-12));
  run.rows[1] = {7, 3, 0, 0};
  CHECK(!claims[1].statistic(run));
}

TEST_CASE("equilibrium network: second moments of the Jacobian are those of drawn matrices") {
  // Draws of W D, D a half of ones.
  const auto found = prepare(network("iid", "relu", "0.7"))->stability();
  const std::size_t n = 80;
  double first = 0, second = 0;
  std::uint64_t state = 12345;
  const auto uniform = [&] {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (static_cast<double>(state >> 11) + .5) / 9007199254740992.0;
  };
  const auto normal = [&] { return std::sqrt(-2 * std::log(uniform())) * std::cos(2 * pi * uniform()); };
  const int draws = 12;
  for (int r = 0; r < draws; ++r) {
    // X = sum_k (W D)^k.
    std::vector<double> b(n * n), x(n * n, 0.0), power(n * n, 0.0);
    for (std::size_t j = 0; j < n; ++j) {
      const bool on = uniform() < .5;
      for (std::size_t i = 0; i < n; ++i) {
        const double w = .7 * normal() / std::sqrt(static_cast<double>(n));
        b[i * n + j] = on ? w : 0;
      }
      power[j * n + j] = 1;
    }
    for (int k = 0; k < 30; ++k) {
      std::vector<double> next(n * n, 0.0);
      for (std::size_t i = 0; i < n * n; ++i) x[i] += power[i];
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t l = 0; l < n; ++l)
          for (std::size_t j = 0; j < n; ++j) next[i * n + j] += b[i * n + l] * power[l * n + j];
      power = next;
    }
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        double entry = 0;
        for (std::size_t l = 0; l < n; ++l) entry += x[i * n + l] * x[j * n + l];
        second += entry * entry / static_cast<double>(n * draws);
        if (i == j) first += entry / static_cast<double>(n * draws);
      }
  }
  CHECK(number(found, "jacobian_first_moment") == Approx(first).epsilon(.02));
  CHECK(number(found, "jacobian_second_moment") == Approx(second).epsilon(.05));
}

TEST_CASE("equilibrium training: findings at the start") {
  // One example: E z_j^2 = 1.5 (1 - 2^-j), T_(j+1) = E z_j^2 + T_j/2, Theta = E z_20^2 + T_20/2 -> 3, eta < 2/Theta.
  double kernel = 0;
  for (int j = 1; j < 20; ++j) kernel = 1.5 * (1 - std::pow(.5, j)) + kernel / 2;
  const double theta = 1.5 * (1 - std::pow(.5, 20)) + kernel / 2;
  const std::string text =
      "model = 'equilibrium-training'\n[time]\nat = [1, 4]\n[network]\nfamily = 'iid'\nactivation = 'relu'\nscale = "
      "1.0\nwidth = 40\n[training]\ninput_power = 1.5\nexamples = 1\niterations = 20\n[optimizer]\nlearning_rate = "
      "0.1\n";
  const auto problem = prepare(text);
  const auto found = problem->stability();
  CHECK(number(found, "scale") == 1);
  CHECK(number(found, "edge_scale") == Approx(std::sqrt(2)).epsilon(1e-9));
  CHECK(flag(found, "in_phase"));
  CHECK(number(found, "relative_scale") == Approx(std::sqrt(.5)).epsilon(1e-9));
  CHECK(number(found, "iteration_rate") == Approx(std::sqrt(.5)).epsilon(1e-9));
  CHECK(number(found, "edge_learning_rate") == Approx(2 / theta).epsilon(1e-10));
  const auto theory = problem->solve();
  // Its residual falls by 1 - eta Theta a step.
  CHECK(column(theory, "loss").back() / column(theory, "loss").front() ==
        Approx(std::pow(1 - .1 * theta, 2 * (theory.steps.back() - theory.steps.front()))).epsilon(1e-8));
  const auto outside = prepare(text, {"network.scale=1.5"})->stability();
  CHECK(!flag(outside, "in_phase"));
  CHECK(!there(outside, "iteration_rate"));
  CHECK(!there(outside, "edge_learning_rate"));
}

TEST_CASE("equilibrium network: findings with memory solve the self-consistent equations") {
  // u = xi + c tanh(u), xi ~ N(0, q); q = q_h + g^2 E z^2, c = tau g^2 chi, chi = E phi'/(1 - c phi'), and
  // S = g^2 E (phi'/(1 - c phi'))^2: a plain iteration on a fine grid of xi.
  const double g = .8, tau = .5, power = .7;
  double q = power, c = 0, chi = 0, square = 0, stability = 0, slope2 = 0, slope4 = 0;
  for (int k = 0; k < 80; ++k) {
    chi = square = stability = slope2 = slope4 = 0;
    for (double x = -8; x < 8.001; x += .02) {
      const double weight = .02 * std::exp(-x * x / 2) / std::sqrt(2 * pi), xi = std::sqrt(q) * x;
      double u = xi;
      for (int newton = 0; newton < 20; ++newton)
        u -= (u - xi - c * std::tanh(u)) / (1 - c * (1 - std::pow(std::tanh(u), 2)));
      const double z = std::tanh(u), slope = 1 - z * z, answer = slope / (1 - c * slope);
      chi += weight * answer;
      square += weight * z * z;
      stability += weight * g * g * answer * answer;
      slope2 += weight * slope * slope;
      slope4 += weight * std::pow(slope, 4);
    }
    q = power + g * g * square;
    c = tau * g * g * chi;
  }
  const auto found = prepare(network("elliptic", "tanh", "0.8"), {"network.tau=0.5", "input.power=0.7"})->stability();
  CHECK(number(found, "scale") == .8);
  CHECK(number(found, "memory") == Approx(c).epsilon(1e-9));
  CHECK(number(found, "response") == Approx(chi).epsilon(1e-9));
  CHECK(number(found, "drive_variance") == Approx(q).epsilon(1e-9));
  CHECK(number(found, "mean_square_state") == Approx(square).epsilon(1e-9));
  CHECK(number(found, "stability_number") == Approx(stability).epsilon(1e-9));
  CHECK(number(found, "mean_square_slope") == Approx(slope2).epsilon(1e-9));
  CHECK(number(found, "mean_fourth_slope") == Approx(slope4).epsilon(1e-9));
  // The radius of W is g (1 + tau).
  const auto by_radius =
      prepare(
          "model = 'equilibrium-network'\n[depth]\nat = [1]\n[network]\nfamily = 'elliptic'\ntau = 0.5\nradius = "
          "0.9\n")
          ->stability();
  CHECK(number(by_radius, "scale") == Approx(.6).epsilon(1e-14));
}

TEST_CASE("equilibrium network: a formula of the user's") {
  // phi = u/2: q = q_h + g^2 q/4 and E z^2 = q/4; one of two slopes is 1 above its kink and 1/5 below: E phi^2 = .52 q.
  const auto found = [](const std::string& formula) {
    return prepare(network("iid", "formula", "0.8") + formula + "[input]\npower = 0.5\n")->stability();
  };
  CHECK(number(found("formula = 'u / 2'\n"), "mean_square_state") == Approx(.125 / (1 - .16)).epsilon(1e-10));
  CHECK(number(found("formula = 'max(u, u / 5)'\nkinks = [0]\n"), "mean_square_state") ==
        Approx(.26 / (1 - .64 * .52)).epsilon(1e-9));
  // Averages of a slope that jumps are known where they are cut at its jump, and warned of where they are not.
  const std::string step = network("iid", "formula", "0.0") + "formula = 'max(u - 0.3, 0)'\n[input]\npower = 0.5\n";
  const auto cut = [&](const char* at) { return prepare(step, {std::string("network.kinks=") + at}); };
  CHECK(number(cut("[0.3]")->stability(), "mean_square_slope") == Approx(std::erfc(.3) / 2).epsilon(1e-12));
  CHECK(cut("[0.3]")->warnings().empty());
  CHECK(cut("[0.31]")->warnings().size() == 1);
}

TEST_CASE("equilibrium training: losses of two examples by the examples themselves") {
  // h'.h = q rho, and k iterations of haar weights: E z z' = q rho sum_(j < k) g^2j = q rho a_k, T_(s+1) = g^2 (q rho a_s + T_s);
  // f starts with covariance E z z'. Along (1, +-1)/sqrt 2 the kernel is Theta(1) +- Theta(rho), over N = 2.
  const double g2 = .49, power = 1.5, rate = .2;
  double states = 0, weights = 0;
  for (int s = 0; s < 6; ++s) {
    weights = g2 * (states + weights);
    states = 1 + g2 * states;
  }
  for (const bool random : {false, true}) {
    const auto problem = prepare(
        "model = 'equilibrium-training'\n[time]\nat = [0, 2, 5]\n[network]\nfamily = 'haar'\nscale = 0.7\nwidth = "
        "30\n[training]\nseed = 5\ninput_power = 1.5\nexamples = 2\ninputs = 3\niterations = 6\ntargets = '" +
        std::string(random ? "random" : "linear") + "'\n[optimizer]\nlearning_rate = 0.2\n");
    // The teacher, then each example and a random target, in the order in which they are drawn.
    random::Stream stream(5, 0, 0, random::Purpose::data);
    std::vector<double> teacher(3), y;
    std::vector<std::vector<double>> x(2, std::vector<double>(3));
    for (double& v : teacher) v = stream.normal();
    for (auto& one : x) {
      double square = 0, along = 0;
      for (double& v : one) {
        v = stream.normal();
        square += v * v;
      }
      for (std::size_t k = 0; k < 3; ++k) {
        one[k] /= std::sqrt(square);
        along += teacher[k] * one[k];
      }
      const double drawn = stream.normal();
      y.push_back(random ? drawn : along);
    }
    const double rho = x[0][0] * x[1][0] + x[0][1] * x[1][1] + x[0][2] * x[1][2];
    const auto theory = problem->solve();
    for (std::size_t k = 0; k < 3; ++k) {
      double loss = 0;
      for (const double sign : {1., -1.}) {
        const double share = power * (1 + sign * rho);
        loss += (share * states + std::pow(y[0] + sign * y[1], 2) / 2) / 4 *
                std::pow(1 - rate * share * (states + weights) / 2, 2 * theory.steps[k]);
      }
      CHECK(column(theory, "loss")[k] == Approx(loss).epsilon(1e-11));
    }
    CHECK(number(problem->stability(), "edge_learning_rate") ==
          Approx(4 / (power * (1 + std::abs(rho)) * (states + weights))).epsilon(1e-11));
  }
}

TEST_CASE("equilibrium network: singular values so few that they mix few dimensions claim no curves and no rate") {
  const std::string text =
      "model = 'equilibrium-network'\n[depth]\nat = [1, 2, 5, 7]\n[network]\nscale = 0.4\nwidth = 60\n";
  const auto problem = [&](const std::string& family) { return prepare(text + "family = " + family + "\n"); };
  // W = g sqrt(60) u v', whose powers grow with v'u: its mean residuals are not g^2k.
  const auto one = problem("'bi-invariant'\nkurtosis = 60");
  CHECK(one->solve().valid_until == 1);  // |W h|^2 = g^2 |h|^2 on average at any kurtosis
  CHECK(one->solve().warnings[0].find("beyond depth 1 their mean residual is not known") != std::string::npos);
  CHECK(one->predictions().empty());
  const auto third = problem("'bi-invariant'\nkurtosis = 3");
  CHECK(third->solve().valid_until == 2);  // Gaussian ones of width 60/(3 - 1): 1 + 2/30^2, then 1 + 10/30^2
  CHECK(third->predictions().size() == 2);
  CHECK_FALSE(problem("'iid'")->solve().valid_until);
  CHECK_FALSE(problem("'haar'")->solve().valid_until);
}

TEST_CASE(
    "equilibrium network: beyond the depth that is known at a width, lengths go to its fixed point as the limit's go "
    "to theirs") {
  // Of iid weights the limit's way, sum g^2j over j >= k, falls by g^2 = 1/4 a depth; at width 80 depth 8 is the last known.
  const auto theory =
      prepare("model = 'equilibrium-network'\n[depth]\nat = [8, 9, 12]\n[network]\nscale = 0.5\nwidth = 80\n")->solve();
  REQUIRE(theory.valid_until == 8);
  const std::size_t first = theory.steps[0] == 0 ? 1 : 0;
  const double rest = column(theory, "equilibrium_length").back();
  const auto way = [&](std::size_t k) { return rest - column(theory, "length")[first + k]; };
  const auto residual = [&](std::size_t k) { return column(theory, "residual")[first + k]; };
  CHECK(way(0) > 0);
  CHECK(way(1) / way(0) == Approx(1. / 4).epsilon(1e-8));
  CHECK(way(2) / way(0) == Approx(1. / 256).epsilon(1e-8));
  CHECK(residual(1) / residual(0) == Approx(1. / 4).epsilon(1e-8));
  CHECK(residual(2) / residual(0) == Approx(1. / 256).epsilon(1e-8));
}

TEST_CASE("equilibrium network: the rate of the iteration is read where no run has come to rounding") {
  const auto predicted = [](const std::string& at) {
    const auto all =
        prepare(
            "model = 'equilibrium-network'\n[network]\nactivation = 'relu'\nscale = 0.5\nwidth = 400\n[depth]\nat = " +
            at + "\n")
            ->predictions();
    std::string out;
    for (const auto& p : all)
      if (p.name == "iteration_rate") out = p.quantity;
    return out;
  };
  // sqrt S = .3536, of draws .85 times that: its 44th power is 1e-23, its 46th below 1e-24. Some runs are there at depth 30, slow ones.
  CHECK(predicted("[1, 5, 7, 30]").ends_with("from depth 5 to 7"));
  CHECK(predicted("[5, 22, 23]").ends_with("from depth 5 to 22"));
  CHECK(predicted("[1, 4, 7, 30]").empty());
  // A run is judged by what is left there, if it is nothing.
  const auto all =
      prepare("model = 'equilibrium-network'\n[network]\nfamily = 'haar'\nscale = 0.4\n[depth]\nat = [1, 5, 7]\n")
          ->predictions();
  const auto rate = std::ranges::find(all, std::string("iteration_rate"), &models::Prediction::name);
  REQUIRE(rate != all.end());
  const std::vector<std::string> names{"residual"};
  models::RecordedReplica run{{1, 5, 7}, names, {{1, std::pow(.4, 10), std::pow(.4, 14)}}};
  CHECK(rate->statistic(run).value() == Approx(.4));
  run.rows[0][2] = 0;
  CHECK(rate->statistic(run).value() == 0);
  run.steps = {1, 5};
  run.rows[0].resize(2);
  CHECK_FALSE(rate->statistic(run));
}

TEST_CASE("equilibrium network: the theory is of any width, and a scale is also told by the length map") {
  const std::string text = "model = 'equilibrium-network'\n[depth]\nat = [1, 2, 5]\n[network]\nfamily = 'goe'\n";
  const auto wide = prepare(text + "scale = 0.4\nwidth = 1000000000\n");
  CHECK(number(wide->stability(), "length_map_at_width") ==
        Approx(number(wide->stability(), "length_map")).epsilon(1e-7));
  CHECK(wide->solve().columns[0].value.back() > 1);
  CHECK_THROWS_WITH(wide->simulate(), doctest::Contains("network.width: must be at most 20000 for a simulation"));
  const auto matched = prepare(text + "length_map = 10\n")->stability();
  CHECK(number(matched, "length_map") == Approx(10).epsilon(1e-9));
  CHECK(number(matched, "kurtosis") == Approx(68.754545154).epsilon(1e-9));
  CHECK_THROWS_WITH(prepare(text + "length_map = 0.9\n"), doctest::Contains("network.length_map: must be at least 1"));
  CHECK_THROWS_WITH(prepare(text + "length_map = 2\nradius = 0.5\n"), doctest::Contains("not two of them"));
}

TEST_CASE("equilibrium networks: lengths and their spread are in units of the input's power, however small") {
  // tanh is linear there, and every length is a multiple of the power.
  const auto last = [](const char* power, const char* observable, const std::string& phi = "tanh") {
    const auto theory =
        models::testing::prepare(std::string("model = 'equilibrium-network'\n[network]\nfamily = 'iid'\nactivation = "
                                             "'" +
                                             phi + "'\nscale = 0.9\nwidth = 100\n[input]\npower = ") +
                                 power + "\n[depth]\nat = [3]\n")
            ->solve();
    const models::Column* column = theory.find(observable);
    REQUIRE(column != nullptr);
    return column->value.back();
  };
  for (const char* observable : {"length", "residual", "equilibrium_length", "length_std"}) {
    CAPTURE(observable);
    const double plain = last("1e-60", observable) * 1e60;
    CHECK(plain > 0);
    CHECK(last("1e-120", observable) * 1e120 == Approx(plain).epsilon(1e-9));
    CHECK(last("1e-300", observable) * 1e300 == Approx(plain).epsilon(1e-9));
    // ReLU is the same at any power.
    CHECK(last("1e300", observable, "relu") / 1e300 == Approx(last("1.0", observable, "relu")).epsilon(1e-9));
  }
}

TEST_CASE("orthogonal weights of width 1 are a sign, which a few replicas may share: not judged") {
  const auto until = [](const char* width) {
    return prepare(network("haar", "linear", "0.3"), {std::string("network.width=") + width})->solve().valid_until;
  };
  CHECK(until("1") == 0);
  CHECK_FALSE(until("2"));
}

TEST_CASE("an input power beyond the range of what is made of it is named") {
  for (const char* power : {"1.7e308", "1.1e100"})
    CHECK(models::testing::holds(
        models::testing::error_of(std::string("model = 'equilibrium-training'\n[time]\nsteps = 2\n[network]\nscale = "
                                              "0.5\n[optimizer]\nlearning_rate = 0.3\n[training]\ninput_power = ") +
                                  power),
        "x.toml: training.input_power: must be "));
}
