#pragma once
// Systems with known solutions, shared by the tests of the solvers.
#include <algorithm>
#include <boost/math/quadrature/gauss.hpp>
#include <cmath>
#include <functional>
#include <numbers>
#include <span>
#include <vector>

#include "solvers/coupled_modes.hpp"

namespace edgewise::solvers::test {

/// dq/dt = eta(t) [-A q] + eta(t)^2 b (p + shift): least squares; eta = 1 unless given.
struct LeastSquares : CoupledModes {
  std::vector<double> A, b, w;
  double shift = 0;
  std::function<double(double)> eta;
  LeastSquares() = default;
  LeastSquares(std::vector<double> rates, std::vector<double> couplings, double sigma2 = 0)
      : A(std::move(rates)), b(std::move(couplings)), w(A.size(), 1.0), shift(sigma2) {}
  std::size_t size() const override { return A.size(); }
  std::span<const double> weights(std::size_t) const override { return w; }
  double at(double t) const { return eta ? eta(t) : 1.0; }
  void coefficients(double t, std::span<const double> p, std::span<double> rate,
                    std::span<double> source) const override {
    const double e = at(t);
    for (std::size_t i = 0; i < A.size(); ++i) {
      rate[i] = e * A[i];
      source[i] = e * e * b[i] * (p[0] + shift);
    }
  }
  void sensitivity(double t, std::span<const double>, std::span<const double>, std::span<double> u) const override {
    const double e = at(t);
    for (std::size_t i = 0; i < A.size(); ++i) u[i] = e * e * b[i];
  }
  bool affine() const override { return true; }
  bool autonomous() const override { return !eta; }
};

/// The same system made to look nonlinear, so that the general path of a solver runs.
struct Disguised : LeastSquares {
  using LeastSquares::LeastSquares;
  bool affine() const override { return false; }
};

/// q' = -q - log q, whose end is the omega constant W(1) = 0.567...
struct Logarithm : LeastSquares {
  Logarithm() : LeastSquares({1.0}, {1.0}) {}
  void coefficients(double, std::span<const double> p, std::span<double> rate,
                    std::span<double> source) const override {
    rate[0] = 1;
    source[0] = -std::log(p[0]);
  }
  void sensitivity(double, std::span<const double> p, std::span<const double>, std::span<double> u) const override {
    u[0] = -1 / p[0];
  }
  bool affine() const override { return false; }
};

/// Noiseless signSGD on K = I (docs/theory/sign-and-clip.md, section 2.5): a(P) = (2/pi)/sqrt(P), d coordinates in
/// `size` modes.
struct IsotropicSign : CoupledModes {
  double eta, d;
  std::vector<double> w;
  IsotropicSign(double eta_, double d_, std::size_t modes) : eta(eta_), d(d_), w(modes, 1.0) {}
  std::size_t size() const override { return w.size(); }
  std::span<const double> weights(std::size_t) const override { return w; }
  void coefficients(double, std::span<const double> p, std::span<double> rate,
                    std::span<double> source) const override {
    const double a = 2 / std::numbers::pi / std::sqrt(p[0]);
    std::fill(rate.begin(), rate.end(), 2 * eta * a);
    std::fill(source.begin(), source.end(), eta * eta * d / static_cast<double>(w.size()));
  }
  void sensitivity(double, std::span<const double> p, std::span<const double> M, std::span<double> u) const override {
    const double slope = -0.5 * 2 / std::numbers::pi * std::pow(p[0], -1.5);
    for (std::size_t i = 0; i < M.size(); ++i) u[i] = -2 * eta * slope * M[i];
  }
  bool affine() const override { return false; }
  bool autonomous() const override { return true; }
};

/// Power law of docs/theory/least-squares-sgd.md, section 7b: n << d nodes, B = 1, level homog, eta = 2 kappa / tr K.
struct PowerLaw {
  LeastSquares system;
  std::vector<double> q0;
  double eta = 0;
  PowerLaw(double alpha, double beta, double d, std::size_t exact, double kappa, double sigma2 = 0,
           double per_decade = 8) {
    std::vector<double> lambda, multiplicity, power;
    const auto node = [&](double j, double n) {
      lambda.push_back(std::pow(j, -2 * alpha));
      multiplicity.push_back(n);
      power.push_back(n * std::pow(j, -2 * alpha - 2 * beta));
    };
    const auto verbatim = static_cast<std::size_t>(std::min(static_cast<double>(exact), d));
    for (std::size_t j = 1; j <= verbatim; ++j) node(static_cast<double>(j), 1);
    if (d > static_cast<double>(exact)) {
      const double lo = std::log(static_cast<double>(exact) + 0.5), hi = std::log(d + 0.5);
      const double bins = std::ceil((hi - lo) / std::log(10.0) * 2 * alpha * per_decade / 8);
      using Gauss = boost::math::quadrature::gauss<double, 8>;
      for (double k = 0; k < bins; ++k)
        for (std::size_t i = 0; i < 8; ++i) {
          const double x = i < 4 ? Gauss::abscissa()[i] : -Gauss::abscissa()[i - 4];
          const double width = (hi - lo) / bins;
          const double j = std::exp(lo + width * (k + (x + 1) / 2));
          node(j, Gauss::weights()[i % 4] * width / 2 * j);
        }
    }
    double trace = 0;
    for (std::size_t i = 0; i < lambda.size(); ++i) trace += multiplicity[i] * lambda[i];
    eta = 2 * kappa / trace;
    std::vector<double> A, b;
    for (std::size_t i = 0; i < lambda.size(); ++i) {
      A.push_back(2 * eta * lambda[i]);
      b.push_back(eta * eta * multiplicity[i] * lambda[i] * lambda[i]);
    }
    system = LeastSquares(A, b, sigma2);
    q0 = power;
  }
};

/// Closed form of two modes: q' = M q + shift b with a 2 x 2 matrix M of real eigenvalues
/// (docs/theory/least-squares-sgd.md, section 1.4).
struct TwoModes {
  double A1, A2, b1, b2, shift, q1, q2;
  LeastSquares system() const { return LeastSquares({A1, A2}, {b1, b2}, shift); }
  std::vector<double> start() const { return {q1, q2}; }
  std::array<double, 2> at(double t) const {
    const double m11 = -A1 + b1, m12 = b1, m21 = b2, m22 = -A2 + b2;
    const double trace = m11 + m22, det = A1 * A2 - A1 * b2 - A2 * b1;
    const double slow = -det / (std::sqrt(trace * trace / 4 - det) - trace / 2);
    const double fast = trace - slow;
    const double kappa = b1 / A1 + b2 / A2, Q = shift / (1 - kappa);
    const double f1 = b1 / A1 * Q, f2 = b2 / A2 * Q;
    const double d1 = q1 - f1, d2 = q2 - f2;
    // e^{Mt} = [e^{slow t}(M - fast) - e^{fast t}(M - slow)]/(slow - fast)
    const double es = std::exp(slow * t) / (slow - fast), ef = std::exp(fast * t) / (slow - fast);
    return {f1 + es * ((m11 - fast) * d1 + m12 * d2) - ef * ((m11 - slow) * d1 + m12 * d2),
            f2 + es * (m21 * d1 + (m22 - fast) * d2) - ef * (m21 * d1 + (m22 - slow) * d2)};
  }
};

inline std::vector<double> logarithmic(double first, double last, std::size_t count) {
  std::vector<double> t{0.0};
  for (std::size_t i = 0; i < count; ++i)
    t.push_back(first * std::pow(last / first, static_cast<double>(i) / static_cast<double>(count - 1)));
  return t;
}

}  // namespace edgewise::solvers::test
