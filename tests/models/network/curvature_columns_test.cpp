// Every curvature that is found or observed of a network, from central differences of its loss and outputs.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/ingredients/networks/training_data.hpp"
#include "models/network/simulation.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"
#include "tests/models/ingredients/networks/literal_network.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using linear_algebra::Matrix;
using models::testing::flag;
using models::testing::number;
using models::testing::prepare;
using models::testing::there;
using Vector = std::vector<double>;
namespace nets = models::ingredients::networks;

namespace {

const std::string three_by_two =
    "model = 'network'\n[time]\nat = [1]\n[data]\nexamples = 6\ninputs = 3\noutputs = 2\ntargets = 'teacher'\nnoise = "
    "0.5\n[network]\nhidden = [3]\nactivation = 'erf'\nparametrisation = 'ntk'\n";

struct Differences {
  double loss = 0, norm = 0;
  Vector gradient;
  Matrix hessian, gauss_newton, kernel;
};

nets::Architecture shape() {
  return {3, {{3, {nets::ActivationKind::erf}}, {2, {}}}, nets::Parametrisation::ntk};
}

/// f - y of the literal rendering at theta, example by example.
Vector residuals(const nets::TrainingData& data, const Vector& theta) {
  Vector out;
  for (std::size_t k = 0; k < data.train->size(); ++k) {
    const Vector f = literal::outputs(shape(), theta, data.train->inputs.column(k));
    for (std::size_t c = 0; c < f.size(); ++c) out.push_back(f[c] - data.train->targets.column(k)[c]);
  }
  return out;
}

/// Their Jacobian, by central differences.
Matrix jacobian_of(const nets::TrainingData& data, const Vector& theta) {
  Matrix out(2 * data.train->size(), theta.size());
  for (std::size_t i = 0; i < theta.size(); ++i) {
    Vector up = theta, down = theta;
    up[i] += 1e-5;
    down[i] -= 1e-5;
    const Vector f = residuals(data, up), g = residuals(data, down);
    for (std::size_t a = 0; a < f.size(); ++a) out(a, i) = (f[a] - g[a]) / 2e-5;
  }
  return out;
}

/// Of the network of `three_by_two` at theta, by differences of its literal rendering.
Differences differences(const nets::TrainingData& data, const Vector& theta) {
  const nets::Architecture a = shape();
  const std::size_t p = theta.size(), n = 6;
  const double h = 1e-4;
  const auto loss_at = [&](std::size_t i, double x, std::size_t j, double y) {
    Vector t = theta;
    t[i] += x;
    t[j] += y;
    return literal::mean_loss(a, {}, *data.train, t);
  };
  Differences out;
  out.loss = literal::mean_loss(a, {}, *data.train, theta);
  out.gradient.resize(p);
  out.hessian = Matrix(p, p);
  out.gauss_newton = Matrix(p, p);
  const Matrix jacobian = jacobian_of(data, theta);
  for (std::size_t i = 0; i < p; ++i) {
    out.gradient[i] = (loss_at(i, 1e-5, i, 0) - loss_at(i, -1e-5, i, 0)) / 2e-5;
    out.norm = std::hypot(out.norm, out.gradient[i]);
    for (std::size_t j = 0; j < p; ++j)
      out.hessian(i, j) =
          (loss_at(i, h, j, h) - loss_at(i, h, j, -h) - loss_at(i, -h, j, h) + loss_at(i, -h, j, -h)) / (4 * h * h);
  }
  for (std::size_t i = 0; i < p; ++i)
    for (std::size_t j = 0; j < p; ++j)
      for (std::size_t k = 0; k < 2 * n; ++k)
        out.gauss_newton(i, j) += jacobian(k, i) * jacobian(k, j) / static_cast<double>(n);
  return out;
}

double diagonal_sum(const Matrix& m) {
  double out = 0;
  for (std::size_t i = 0; i < m.rows(); ++i) out += m(i, i);
  return out;
}
double form(const Vector& x, const Matrix& m, const Vector& y) {
  double out = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    for (std::size_t j = 0; j < y.size(); ++j) out += x[i] * m(i, j) * y[j];
  return out;
}
Vector times(const Matrix& m, const Vector& x) {
  Vector out(x.size());
  for (std::size_t i = 0; i < x.size(); ++i)
    for (std::size_t j = 0; j < x.size(); ++j) out[i] += m(i, j) * x[j];
  return out;
}
double dot(const Vector& x, const Vector& y) {
  double out = 0;
  for (std::size_t i = 0; i < x.size(); ++i) out += x[i] * y[i];
  return out;
}
Matrix less(const Matrix& a, const Matrix& b) {
  Matrix out = a;
  for (std::size_t k = 0; k < out.size(); ++k) out.data()[k] -= b.data()[k];
  return out;
}
/// The largest eigenvalue of P^(-1/2) H P^(-1/2).
double preconditioned(const Matrix& hessian, const Vector& scale) {
  Matrix out = hessian;
  for (std::size_t i = 0; i < scale.size(); ++i)
    for (std::size_t j = 0; j < scale.size(); ++j) out(i, j) /= std::sqrt(scale[i] * scale[j]);
  return linear_algebra::symmetric_eigenvalues(out).back();
}

/// |(J(theta + e) - J)'(f(theta + e) - f)|/n at e = ratio g, and |sum_a (J e)_a grad^2 f_a e|/n.
struct SamRest {
  double size = 0, leading = 0;
};
SamRest sam_rest(const nets::TrainingData& data, const Vector& theta, const Vector& g, double ratio) {
  const auto moved = [&](double by) {
    Vector out = theta;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += by * g[i];
    return out;
  };
  const Vector ahead = residuals(data, moved(ratio)), here = residuals(data, theta), up = residuals(data, moved(1e-5)),
               down = residuals(data, moved(-1e-5));
  const Matrix J = jacobian_of(data, theta), J_ahead = jacobian_of(data, moved(ratio)),
               bent = less(jacobian_of(data, moved(1e-3)), jacobian_of(data, moved(-1e-3)));
  const auto n = static_cast<double>(data.train->size());
  SamRest out;
  for (std::size_t i = 0; i < theta.size(); ++i) {
    double whole = 0, second = 0;
    for (std::size_t a = 0; a < here.size(); ++a) {
      whole += (J_ahead(a, i) - J(a, i)) * (ahead[a] - here[a]) / n;
      second += ratio * bent(a, i) / 2e-3 * ratio * (up[a] - down[a]) / 2e-5 / n;
    }
    out.size = std::hypot(out.size, whole);
    out.leading = std::hypot(out.leading, second);
  }
  return out;
}

Vector drawn(std::uint64_t seed, std::uint64_t replica) {
  random::Stream stream(seed, replica, 0, random::Purpose::initial);
  return nets::Network(shape()).draw(stream);
}

}  // namespace

TEST_CASE("network: findings at the start are those of the loss by differences") {
  const auto data = nets::read_training_data(settings::read_text(three_by_two, "e.toml"));
  const Vector theta = drawn(4, 0);
  const Differences at = differences(data, theta);
  const double lambda = linear_algebra::symmetric_eigenvalues(at.hessian).back();
  const auto found = [&](const std::string& optimizer) {
    return prepare(three_by_two + "[optimizer]\n" + optimizer + "[monte_carlo]\nseed = 4\n")->stability();
  };
  const auto plain = found("kind = 'gd'\nlearning_rate = 0.4\nmomentum = 0.6\n");
  CHECK(number(plain, "parameters") == static_cast<double>(theta.size()));
  CHECK(number(plain, "loss") == Approx(at.loss).epsilon(1e-12));
  CHECK(number(plain, "gradient_norm") == Approx(at.norm).epsilon(1e-8));
  CHECK(number(plain, "sharpness") == Approx(lambda).epsilon(1e-6));
  CHECK(number(plain, "ggn_sharpness") ==
        Approx(linear_algebra::symmetric_eigenvalues(at.gauss_newton).back()).epsilon(1e-7));
  CHECK(number(plain, "ggn_trace") == Approx(diagonal_sum(at.gauss_newton)).epsilon(1e-8));
  CHECK(number(plain, "nme_trace") == Approx(diagonal_sum(less(at.hessian, at.gauss_newton))).epsilon(1e-5));
  const Matrix neglected = less(at.hessian, at.gauss_newton);
  const Vector along = times(at.hessian, at.gradient);
  const double square = at.norm * at.norm;
  CHECK(number(plain, "logit_share") == Approx(form(at.gradient, at.gauss_newton, at.gradient) / square).epsilon(1e-6));
  CHECK(number(plain, "functional_share") == Approx(form(at.gradient, neglected, at.gradient) / square).epsilon(1e-5));
  CHECK(number(plain, "delta_func") ==
        Approx(dot(along, times(neglected, at.gradient)) / dot(along, along)).epsilon(1e-5));
  CHECK(number(plain, "edge_sharpness") == Approx(2 * 1.6 / .4).epsilon(1e-13));
  CHECK(number(plain, "edge") == Approx(.4 * lambda / 1.6).epsilon(1e-6));
  CHECK(flag(plain, "stable"));
  CHECK(!there(plain, "ascent_edge_sharpness"));
  const auto fast = found("kind = 'gd'\nlearning_rate = 40.0\n");
  CHECK(!flag(fast, "stable"));

  // SAM: lambda (1 + rho lambda) along the leading eigenvector, and the root of l + rho l^2 = 2/eta.
  const auto sam = found("kind = 'sam'\nlearning_rate = 0.4\nrho = 0.3\nnormalised = false\n");
  CHECK(number(sam, "edge") == Approx(.4 * lambda * (1 + .3 * lambda)).epsilon(1e-6));
  const double l = number(sam, "ascent_edge_sharpness");
  CHECK(l + .3 * l * l == Approx(5).epsilon(1e-12));
  CHECK(number(sam, "edge_sharpness") == Approx(5).epsilon(1e-13));
  const SamRest rest = sam_rest(data, theta, at.gradient, .3);
  CHECK(number(sam, "sam_residual") == Approx(rest.size).epsilon(1e-6));
  CHECK(number(sam, "sam_residual_leading") == Approx(rest.leading).epsilon(1e-5));
  // Normalised: r = rho/|g|.
  const auto unit = found("kind = 'sam'\nlearning_rate = 0.4\nrho = 0.3\nnormalised = true\n");
  const double u = number(unit, "ascent_edge_sharpness");
  CHECK(u + .3 / at.norm * u * u == Approx(5).epsilon(1e-7));
  CHECK(number(unit, "edge") == Approx(.4 * lambda * (1 + .3 / at.norm * lambda)).epsilon(1e-6));

  // P of the first step of Adam is |g| + epsilon.
  Vector scale;
  for (const double g : at.gradient) scale.push_back(std::abs(g) + .01);
  const auto adam = found("kind = 'adam'\nlearning_rate = 0.4\nbeta1 = 0.8\nepsilon = 0.01\n");
  CHECK(number(adam, "preconditioned_sharpness") == Approx(preconditioned(at.hessian, scale)).epsilon(1e-5));
  CHECK(number(adam, "edge_sharpness") == Approx(2 * 1.8 / .2 / .4).epsilon(1e-12));
  CHECK(!there(adam, "stable"));
}

TEST_CASE("network: columns of curvature are those of the loss by differences") {
  // At the start of replica 1, and after a step of descent from there.
  const auto data = nets::read_training_data(settings::read_text(three_by_two, "e.toml"));
  for (const std::string kind : {"gd", "sam", "adam"}) {
    CAPTURE(kind);
    const auto problem = prepare(three_by_two + "[optimizer]\nkind = '" + kind + "'\nlearning_rate = 0.2\n" +
                                 (kind == "sam" ? "rho = 0.3\nnormalised = false\n" : "") +
                                 (kind == "adam" ? "epsilon = 0.01\n" : "") + "[monte_carlo]\ntraces = 'exact'\n");
    const auto simulation = problem->simulate();
    const auto replica = simulation->replica(4, 1);
    Vector theta = drawn(4, 1);
    Vector scale;
    for (std::uint64_t step = 0; step < (kind == "gd" ? 2 : 1); ++step) {
      const Differences at = differences(data, theta);
      const Matrix neglected = less(at.hessian, at.gauss_newton);
      const double lambda = linear_algebra::symmetric_eigenvalues(at.hessian).back(), square = at.norm * at.norm;
      const Vector along = times(at.hessian, at.gradient);
      replica->advance(step);
      Vector row(simulation->observables().size());
      replica->observe(row);
      const auto seen = [&](const std::string& name) {
        for (std::size_t o = 0; o < row.size(); ++o)
          if (simulation->observables()[o].name == name) return row[o];
        FAIL("no column " << name);
        return 0.0;
      };
      CAPTURE(step);
      CHECK(seen("loss") == Approx(at.loss).epsilon(1e-7));
      CHECK(seen("gradient_norm") == Approx(at.norm).epsilon(1e-7));
      CHECK(seen("sharpness") == Approx(lambda).epsilon(1e-6));
      CHECK(seen("ggn_sharpness") ==
            Approx(linear_algebra::symmetric_eigenvalues(at.gauss_newton).back()).epsilon(1e-7));
      CHECK(seen("eta_sharpness") == Approx(.2 * lambda).epsilon(1e-6));
      CHECK(seen("logit_share") == Approx(form(at.gradient, at.gauss_newton, at.gradient) / square).epsilon(1e-6));
      CHECK(seen("functional_share") == Approx(form(at.gradient, neglected, at.gradient) / square).epsilon(1e-5));
      CHECK(seen("delta_func") == Approx(dot(along, times(neglected, at.gradient)) / dot(along, along)).epsilon(1e-5));
      CHECK(seen("hessian_trace") == Approx(diagonal_sum(at.hessian)).epsilon(1e-6));
      CHECK(seen("ggn_trace") == Approx(diagonal_sum(at.gauss_newton)).epsilon(1e-7));
      CHECK(seen("nme_trace") == Approx(diagonal_sum(neglected)).epsilon(1e-5));
      if (kind == "gd") CHECK(seen("edge") == Approx(.2 * lambda).epsilon(1e-6));
      if (kind == "sam") {
        CHECK(seen("edge") == Approx(.2 * lambda * (1 + .3 * lambda)).epsilon(1e-6));
        const SamRest rest = sam_rest(data, theta, at.gradient, .3);
        CHECK(seen("sam_residual") == Approx(rest.size).epsilon(1e-6));
        CHECK(seen("sam_residual_leading") == Approx(rest.leading).epsilon(1e-5));
      }
      // Hidden units times examples where |phi''| = sqrt(2/pi) |s| e^(-s^2/2) is at most 1% of its largest, at s = 1.
      double flat = 0;
      for (std::size_t k = 0; k < 6; ++k)
        for (std::size_t j = 0; j < 3; ++j) {
          double s = theta[9 + j];
          for (std::size_t i = 0; i < 3; ++i) s += theta[3 * i + j] * data.train->inputs(i, k) / std::sqrt(3);
          flat += std::abs(s) * std::exp(-s * s / 2) <= .01 * std::exp(-.5);
        }
      CHECK(seen("flat_share") == Approx(flat / 18));
      if (kind == "adam") {
        for (const double g : at.gradient) scale.push_back(std::abs(g) + .01);
        const double top = preconditioned(at.hessian, scale);
        CHECK(seen("preconditioned_sharpness") == Approx(top).epsilon(1e-5));
        CHECK(seen("edge") == Approx(.2 * top * .1 / 1.9).epsilon(1e-5));
      }
      for (std::size_t k = 0; k < theta.size(); ++k) theta[k] -= .2 * at.gradient[k];
    }
  }
}
