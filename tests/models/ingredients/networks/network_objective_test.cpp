// What is read of a network's loss where its activation has a kink, against sums written out.
#include "models/ingredients/networks/network_objective.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "models/framework/absent.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"

using namespace edgewise;
using namespace edgewise::models::ingredients::networks;
using edgewise::tests::Approx;
using linear_algebra::Matrix;
using models::ingredients::CurvaturePart;

namespace {

constexpr std::size_t inputs = 2, width = 3, examples = 5;

std::shared_ptr<const Examples> data() {
  auto out = std::make_shared<Examples>(Examples{Matrix(inputs, examples), Matrix(1, examples)});
  for (std::size_t i = 0; i < examples; ++i) {
    for (std::size_t j = 0; j < inputs; ++j)
      out->inputs(j, i) = std::cos(1.0 + 2 * static_cast<double>(i) + static_cast<double>(j));
    out->targets(0, i) = std::sin(static_cast<double>(i));
  }
  return out;
}

/// f = v.phi(W x), without biases; W column by column, then v.
const std::vector<double> theta{0.4, -0.9, 0.02, 1.1, 0.3, -0.05, 0.7, -1.2, 0.5};

std::unique_ptr<NetworkObjective> objective(const Activation& phi) {
  Architecture a{inputs, {{width, phi, false}, {1, {}, false}}};
  auto out = std::make_unique<NetworkObjective>(std::make_shared<const Network>(a), Loss{}, data());
  out->move_to(theta);
  return out;
}

double preactivation(const Examples& d, std::size_t j, std::size_t i) {
  return theta[j] * d.inputs(0, i) + theta[width + j] * d.inputs(1, i);
}

}  // namespace

TEST_CASE("a synthetic phi'' is relu's loss and gradient with the GELU's part in the Hessian") {
  const double beta = 6;
  const auto plain = objective({ActivationKind::relu}), with = objective({ActivationKind::relu, 1, beta});
  std::vector<double> g(theta.size()), h(theta.size()), v{.3, 1, -.5, .2, .8, -.4, .1, .6, -.7};
  plain->gradient(g);
  with->gradient(h);
  CHECK(g == h);
  CHECK(plain->neglected_trace() == 0);
  // sum_i c_i sum_j v_j phi''(z_ij) |x_i|^2, and along a direction d: (d_j.x_i)^2 in its place.
  const auto d = data();
  const std::vector<double> c = plain->cotangent();
  double trace = 0, along = 0;
  for (std::size_t i = 0; i < examples; ++i)
    for (std::size_t j = 0; j < width; ++j) {
      const double t = beta * preactivation(*d, j, i);
      const double bend = beta * std::exp(-t * t / 2) / std::sqrt(2 * M_PI) * (2 - t * t);
      const double weight = c[i] * theta[inputs * width + j] * bend;
      trace += weight * (std::pow(d->inputs(0, i), 2) + std::pow(d->inputs(1, i), 2));
      along += weight * std::pow(v[j] * d->inputs(0, i) + v[width + j] * d->inputs(1, i), 2);
    }
  CHECK(with->neglected_trace() == Approx(trace).epsilon(1e-13));
  const auto bend_along = [&](CurvaturePart part) {
    return curvature_along(*with, part, v) - curvature_along(*plain, part, v);
  };
  CHECK(bend_along(CurvaturePart::neglected) == Approx(along).epsilon(1e-12));
  CHECK(std::abs(bend_along(CurvaturePart::gauss_newton)) < 1e-14);
}

TEST_CASE("the share of units and examples where phi'' is near 0") {
  const auto d = data();
  for (const double beta : {0.5, 4.0, 40.0}) {
    double flat = 0;
    for (std::size_t i = 0; i < examples; ++i)
      for (std::size_t j = 0; j < width; ++j) {
        const double t = beta * preactivation(*d, j, i);
        flat += std::abs(std::exp(-t * t / 2) * (1 - t * t / 2)) <= 0.01;
      }
    CHECK(objective({ActivationKind::beta_gelu, beta})->flat_share() == flat / (width * examples));
    CHECK(objective({ActivationKind::relu, 1, beta})->flat_share() == flat / (width * examples));
  }
  CHECK(objective({ActivationKind::beta_gelu, 40})->flat_share() > 0.5);
  CHECK(objective({ActivationKind::tanh})->flat_share() == 0);
  CHECK(objective({ActivationKind::relu})->flat_share() == 1);
  Architecture linear{inputs, {{1, {}, false}}};
  NetworkObjective none(std::make_shared<const Network>(linear), Loss{}, data());
  none.move_to(std::vector<double>{1, 2});
  CHECK(models::is_absent(none.flat_share()));
}

TEST_CASE("keys of networks and data that mean nothing are named") {
  using models::testing::error_of;
  using models::testing::holds;
  const auto text = [](const std::string& sections) {
    return "model = 'network'\n[time]\nat = [1]\n[optimizer]\nlearning_rate = 0.1\n" + sections;
  };
  const auto error = [&](const std::string& sections) { return error_of(text(sections)); };
  CHECK(holds(error("[network]\nactivation = 'tanh'\nsynthetic_beta = 3\n"), "synthetic_beta"));
  CHECK(holds(error("[network]\nactivation = 'relu'\nsynthetic_beta = -3\n"), "synthetic_beta"));
  CHECK(holds(error("[data]\ntargets = 'classes'\ntarget_scale = 2\n"), "data.target_scale: is read where targets"));
  CHECK(holds(error("[data]\ntargets = 'random-classes'\nnoise = 2\n"), "data.noise: is read where targets"));
  CHECK_NOTHROW(models::testing::prepare(text("[network]\nactivation = 'relu'\nsynthetic_beta = 3\n")));
}
