// One neuron and its teacher: the explicit Hessian of docs/theory/curvature-dynamics.md (5.3), and averages over inputs.
#include "models/network/neuron.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "models/ingredients/networks/network_objective.hpp"
#include "numerics/constants.hpp"
#include "numerics/sums.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models::network;
using edgewise::tests::Approx;
using models::ingredients::CurvaturePart;

namespace {

const std::vector<double> w{.8, .3, -.2, .1, 0}, teacher{.5, -.4, .6, 0, .2};

}  // namespace

TEST_CASE("the Hessian of an erf neuron is that of (5.3)") {
  double q = 0, r = 0, t = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    q += w[i] * w[i];
    r += w[i] * teacher[i];
    t += teacher[i] * teacher[i];
  }
  const double d = (1 + q) * (1 + t) - r * r, a = 1 / ((1 + q) * std::sqrt(1 + 2 * q)),
               b = r / ((1 + q) * std::sqrt(d));
  const double slope = -a * (1 / (1 + q) + 1 / (1 + 2 * q));
  NeuronLoss neuron(NeuronKind::erf, teacher);
  neuron.move_to(w);
  std::vector<double> e(5), column(5), ggn(5);
  for (std::size_t j = 0; j < 5; ++j) {
    e[j] = 1;
    neuron.product(CurvaturePart::hessian, e, column);
    neuron.product(CurvaturePart::gauss_newton, e, ggn);
    e[j] = 0;
    const auto dc = [&](std::size_t i) { return -std::pow(d, -1.5) * ((1 + t) * w[i] - r * teacher[i]); };
    const auto db = [&](std::size_t i) {
      return teacher[i] / ((1 + q) * std::sqrt(d)) - 2 * r * w[i] / ((1 + q) * (1 + q) * std::sqrt(d)) +
             r * dc(i) / (1 + q);
    };
    for (std::size_t i = 0; i < 5; ++i) {
      const double one = i == j ? 1 : 0;
      CHECK(column[i] == Approx(2 / pi * ((a + b) * one + 2 * slope * w[i] * w[j] - teacher[i] * dc(j) + w[i] * db(j)))
                             .epsilon(1e-12));
      CHECK(ggn[i] == Approx(2 / pi / std::sqrt(1 + 2 * q) * (one - 2 * w[i] * w[j] / (1 + 2 * q))).epsilon(1e-13));
    }
  }
}

TEST_CASE("gradients of neurons are differences of their losses, Hessians of their gradients") {
  const double h = 1e-5;
  for (const NeuronKind kind : {NeuronKind::erf, NeuronKind::relu_true, NeuronKind::beta_gelu}) {
    NeuronLoss neuron(kind, teacher, 2.5);
    std::vector<double> g(5), up(5), down(5), v{.3, -.2, .5, .1, .7}, hv(5);
    neuron.move_to(w);
    neuron.gradient(g);
    neuron.product(CurvaturePart::hessian, v, hv);
    const auto moved = [&](double step) {
      std::vector<double> out = w;
      for (std::size_t i = 0; i < 5; ++i) out[i] += step * v[i];
      return out;
    };
    const double above = neuron.move_to(moved(h));
    neuron.gradient(up);
    const double below = neuron.move_to(moved(-h));
    neuron.gradient(down);
    CHECK((above - below) / (2 * h) == Approx(numerics::dot_in_order(g, v)).epsilon(1e-9));
    for (std::size_t i = 0; i < 5; ++i) CHECK((up[i] - down[i]) / (2 * h) == Approx(hv[i]).epsilon(1e-8));
  }
}

TEST_CASE("neurons in closed form are the averages of networks of one unit over Gaussian inputs") {
  using namespace models::ingredients::networks;
  const std::size_t n = 40000;
  auto examples = std::make_shared<Examples>(Examples{linear_algebra::Matrix(5, n), linear_algebra::Matrix(1, n)});
  random::Stream stream(3, 0, 0, random::Purpose::data);
  for (double& x : examples->inputs.entries()) x = stream.normal();
  struct Case {
    NeuronKind kind;
    Activation activation;
    double neglected_spread;  // standard deviation per sample, of the page or measured
  };
  for (const Case& c : {Case{NeuronKind::erf, {ActivationKind::erf}, 1.6},
                        {NeuronKind::relu, {ActivationKind::relu}, 0},
                        {NeuronKind::beta_gelu, {ActivationKind::gelu}, 2.28},
                        {NeuronKind::beta_gelu, {ActivationKind::beta_gelu, 4}, 4.95}}) {
    for (std::size_t i = 0; i < n; ++i)
      examples->targets(0, i) =
          evaluate(c.activation, numerics::dot_in_order(teacher, examples->inputs.column(i))).value;
    const auto network = std::make_shared<const Network>(Architecture{5, {{1, c.activation, false}}});
    NetworkObjective sample(network, {}, examples);
    NeuronLoss exact(c.kind, teacher, c.activation.beta);
    const double root = std::sqrt(static_cast<double>(n));
    // 4.5 standard errors each; losses and slopes spread by less than 1 and 4.
    CHECK(std::abs(sample.move_to(w) - exact.move_to(w)) < 4.5 * 1 / root);
    const double ggn = traces_by_columns(exact).gauss_newton, nme = traces_by_columns(exact).neglected;
    CHECK(std::abs(sample.gauss_newton_trace() - ggn) < 4.5 * 4 / root);
    CHECK(std::abs(sample.neglected_trace() - nme) <= 4.5 * c.neglected_spread / root);
    std::vector<double> g(5), mean(5);
    exact.gradient(g);
    sample.gradient(mean);
    for (std::size_t i = 0; i < 5; ++i) CHECK(std::abs(mean[i] - g[i]) < 4.5 * 1.2 / root);
  }
}

TEST_CASE("a ReLU neuron on the line of its teacher has no neglected part but rounding's, which is not taken") {
  // sin th = 0 on both sides: as the angle is pi the rounding of r/q was left, 1e-17.
  const std::vector<double> one{.0024660976869807}, five{.31, -.17, .23, .071, .113};
  for (const auto& line : {one, five})
    for (const double along : {-12.777777, -1.0, -.3, .7, 3.1}) {
      std::vector<double> at = line, out(line.size());
      for (double& x : at) x *= along;
      NeuronLoss neuron(NeuronKind::relu_true, line);
      const double loss = neuron.move_to(at);
      CHECK(traces_by_columns(neuron).neglected == 0);
      // E (phi(a s) - phi(s))^2/2 over s ~ N(0, |w*|^2): (1 - a)^2/4 on one side, (1 + a^2)/4 on two.
      double t = 0;
      for (const double x : line) t += x * x;
      CHECK(loss == Approx(t / 4 * (along > 0 ? (1 - along) * (1 - along) : 1 + along * along)).epsilon(1e-12));
    }
}

TEST_CASE("neurons at the teacher, along it, at nothing") {
  for (const NeuronKind kind : {NeuronKind::erf, NeuronKind::relu_true, NeuronKind::beta_gelu}) {
    NeuronLoss neuron(kind, teacher);
    CHECK(std::abs(neuron.move_to(teacher)) < 1e-14);
    std::vector<double> g(5), half = teacher;
    neuron.gradient(g);
    for (const double x : g) CHECK(std::abs(x) < 1e-14);
    for (double& x : half) x *= 0.5;
    const double loss = neuron.move_to(half);
    CHECK(loss > 0);
    CHECK(std::isfinite(curvature_along(neuron, CurvaturePart::hessian, w)));
  }
  NeuronLoss relu(NeuronKind::relu, teacher), smooth(NeuronKind::beta_gelu, teacher);
  CHECK_THROWS_AS(relu.move_to(std::vector<double>(5)), std::domain_error);
  CHECK(smooth.move_to(std::vector<double>(5)) > 0);
  CHECK_THROWS_AS(NeuronLoss(NeuronKind::erf, {0, 0}), std::invalid_argument);
  CHECK_THROWS_AS(NeuronLoss(NeuronKind::beta_gelu, teacher, 0), std::invalid_argument);
}

TEST_CASE("a beta-GELU neuron's loss, Gauss-Newton part and spread are averages over the plane of neuron and teacher") {
  constexpr double beta = 1.7, h = 0.05;
  const double pi_ = std::acos(-1.0);
  const auto normal = [&](double x) { return std::exp(-x * x / 2) / std::sqrt(2 * pi_); };
  const auto below = [](double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; };
  const auto phi = [&](double x) { return x * below(beta * x); };
  const auto slope = [&](double x) { return below(beta * x) + beta * x * normal(beta * x); };
  const auto bend = [&](double x) { return (2 - beta * beta * x * x) * beta * normal(beta * x); };
  double q = 0, r = 0, t = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    q += w[i] * w[i];
    r += w[i] * teacher[i];
    t += teacher[i] * teacher[i];
  }
  // R = |x|^2 off the plane is chi-squared of three degrees: of mean 3 and mean square 15.
  const double along = r / std::sqrt(q), across = std::sqrt(t - along * along);
  double loss = 0, ggn = 0, ggn_along = 0, mean = 0, square = 0;
  for (double v = -9; v < 9; v += h)
    for (double u = -9; u < 9; u += h) {
      const double s = std::sqrt(q) * v, weight = h * h * normal(u) * normal(v);
      const double z = phi(s) - phi(along * v + across * u), one = z * bend(s), plane = u * u + v * v;
      loss += weight * z * z / 2;
      ggn += weight * slope(s) * slope(s);
      ggn_along += weight * slope(s) * slope(s) * v * v;
      mean += weight * one * (plane + 3);
      square += weight * one * one * (plane * plane + 6 * plane + 15);
    }
  NeuronLoss neuron(NeuronKind::beta_gelu, teacher, beta);
  CHECK(neuron.move_to(w) == Approx(loss).epsilon(1e-10));
  std::vector<double> out(5), other{.3, -.8, 0, 0, 2};  // at right angles to w
  neuron.product(CurvaturePart::gauss_newton, w, out);
  for (std::size_t i = 0; i < 5; ++i) CHECK(out[i] == Approx(ggn_along * w[i]).epsilon(1e-10));
  neuron.product(CurvaturePart::gauss_newton, other, out);
  for (std::size_t i = 0; i < 5; ++i) CHECK(out[i] == Approx(ggn * other[i]).epsilon(1e-10));
  CHECK(traces_by_columns(neuron).neglected == Approx(mean).epsilon(1e-9));
  CHECK(neglected_spread(NeuronKind::beta_gelu, beta, w, teacher) ==
        Approx(std::sqrt(square - mean * mean)).epsilon(1e-9));
}

TEST_CASE("sharp neurons: no part of NME is the rounding of larger ones") {
  // By Gauss-Legendre panels that end at the bends, in NumPy. As H - GGN the first two were 16 and 1.4 times as large: of 24 and 64 runs of
  // 40000 and 10000 examples the means were -1.58(9)e-10 and 4.6(4)e-9.
  struct Row {
    NeuronKind kind;
    double beta;
    std::size_t d;
    double length, along, across;                      // of w; the teacher's parts
    double trace, spread, rest, first, mixed, second;  // first, second: along w, across it
  };
  const Row rows[] = {{NeuronKind::beta_gelu, 30, 1, 50, 14.672003550946897, 0, -1.590650562735517e-10,
                       6.833405453982967e-09, -2.944151675830811e-05, -1.590650562735517e-10, 0, 0},
                      {NeuronKind::beta_gelu, 100, 1, 5, -10.109466105348721, 0, 5.2277401350573996e-09,
                       3.1496061584280145e-07, 8.385697448808153e-07, 5.2277401350573996e-09, 0, 0},
                      {NeuronKind::beta_gelu, 30, 5, 20, 3, 0.4, -0.016256790087820397, 1.3290791851344368,
                       -0.0032656400290424826, 5.821714676946738e-09, 6.652472641303417e-08, -0.006459875822407578},
                      {NeuronKind::beta_gelu, 30, 3, 20, -1, 2, -0.04793185446377327, 4.716407246871557,
                       -0.016007082310702896, 4.120734133732344e-08, -2.210762202502041e-08, -0.03192481336041166},
                      {NeuronKind::beta_gelu, 30, 2, 20, 15, 0.2, -0.0032760036605726838, 0.3707399599022493,
                       -0.0016512313913817703, 1.6764100748926237e-09, 3.279916777535044e-07, -0.003276005336982759},
                      {NeuronKind::erf, 1, 3, 50, 2, 1.5, -0.01763676860247247, 0.21233366850832058,
                       -0.008716395888870835, -8.656895015684328e-06, 0.00021159659052471562, -0.00891171581858595},
                      {NeuronKind::erf, 1, 1, 50, 30, 0, -1.8346989630884882e-06, 1.0241495023793923e-05,
                       -0.0024514821084591167, -1.8346989630884882e-06, 0, 0},
                      {NeuronKind::beta_gelu, 2.5, 5, 0.9, 0.3, 0.7, -0.6346308278874375, 3.004492535983616,
                       -0.11849615396480995, -0.017172948614603077, 0.0040820487215679786, -0.2619694173784046}};
  for (const Row& row : rows) {
    CAPTURE(row.length);
    CAPTURE(row.along);
    std::vector<double> start(row.d), to(row.d), e(row.d), column(row.d);
    start[0] = row.length;
    to[0] = row.along;
    if (row.d > 1) to[1] = row.across;
    NeuronLoss neuron(row.kind, to, row.beta);
    neuron.move_to(start);
    CHECK(traces_by_columns(neuron).neglected == Approx(row.trace).epsilon(1e-9));
    CHECK(neglected_spread(row.kind, row.beta, start, to) == Approx(row.spread).epsilon(1e-8));
    for (std::size_t j = 0; j < row.d; ++j) {
      e.assign(row.d, 0.0);
      e[j] = 1;
      neuron.product(CurvaturePart::neglected, e, column);
      CHECK(column[j] == Approx(j == 0 ? row.first : j == 1 ? row.second : row.rest).epsilon(1e-9));
      if (j == 0 && row.d > 1) CHECK(column[1] == Approx(row.mixed).epsilon(1e-9));
      if (j == 1) CHECK(column[0] == Approx(row.mixed).epsilon(1e-9));
    }
  }
}
