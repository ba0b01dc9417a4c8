#include "models/least_squares/risk_variance.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <boost/math/quadrature/gauss.hpp>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <complex>
#include <limits>
#include <stdexcept>

#include "linear_algebra/lu.hpp"
#include "solvers/contour.hpp"

namespace edgewise::models::least_squares {
namespace {

using Array = Eigen::ArrayXd;
using Matrix = Eigen::MatrixXd;
using Complex = std::complex<double>;

Array array(const std::vector<double>& values) {
  return Eigen::Map<const Array>(values.data(), static_cast<Eigen::Index>(values.size()));
}

std::vector<double> vector(const Array& a) {
  return {a.data(), a.data() + a.size()};
}

// E c^r / B^r for c ~ chi^2_B: the moments of the batch's mean square residual, relative to its variance.
struct BatchMoments {
  double m1 = 1, m2, m3, m4;
  explicit BatchMoments(double B) : m2(1 + 2 / B), m3(m2 * (1 + 4 / B)), m4(m3 * (1 + 6 / B)) {}
};

// The coefficients of (4.1) at one learning rate, with x_a = eta lambda_a (so that alpha_a c = x_a c/B).
struct Coefficients {
  Array x, e20, slope;  // E20_a, E20_a - S2 lambda_a^2
  double s2;
  BatchMoments m;

  Coefficients(const Array& lambda, double B, double eta) : x(eta * lambda), m(B) {
    const double scale = eta * eta / B;  // (eta^2/B^2) E[c ...] = (eta^2/B) E[(c/B) ...]
    e20 = scale * (m.m1 - 2 * m.m2 * x + m.m3 * x.square());
    s2 = scale * scale * m.m2;
    slope = e20 - s2 * lambda.square();
  }
  // 1 - (coefficient of R_ab), without cancellation for slow modes.
  double decay(const Array& lambda, double scale, Eigen::Index a, Eigen::Index b) const {
    const double xa = x[a], xb = x[b], la = lambda[a], lb = lambda[b];
    const double one_minus_e22 = 2 * m.m1 * (xa + xb) - m.m2 * (xa * xa + xb * xb + 4 * xa * xb) +
                                 2 * m.m3 * xa * xb * (xa + xb) - m.m4 * xa * xa * xb * xb;
    const double e11 = scale * (m.m1 - m.m2 * (xa + xb) + m.m3 * xa * xb);
    return one_minus_e22 + e20[a] * lb * lb + e20[b] * la * la + 4 * e11 * la * lb - 3 * s2 * la * la * lb * lb;
  }
  Matrix decays(const Array& lambda, double B, double eta) const {
    const Eigen::Index n = lambda.size();
    const double scale = eta * eta / B;
    Matrix result(n, n);
    for (Eigen::Index a = 0; a < n; ++a)
      for (Eigen::Index b = 0; b <= a; ++b) result(a, b) = result(b, a) = decay(lambda, scale, a, b);
    return result;
  }
};

void check(const VarianceProblem& p) {
  const std::size_t n = p.eigenvalue.size();
  if (n == 0 || p.multiplicity.size() != n || p.initial_power.size() != n)
    throw std::invalid_argument("variance of the risk: one multiplicity and power per eigenvalue are needed");
}

}  // namespace

// ---- recursion --------------------------------------------------------------------------------------------------

struct VarianceRecursion::State {
  Array lambda, n, D;
  Matrix R, decay;
  double B, sigma2, eta = std::numeric_limits<double>::quiet_NaN();
  std::unique_ptr<Coefficients> c;
};

VarianceRecursion::VarianceRecursion(VarianceProblem problem) : state_(std::make_unique<State>()) {
  check(problem);
  State& s = *state_;
  s.lambda = array(problem.eigenvalue);
  s.n = array(problem.multiplicity);
  s.D = array(problem.initial_power);
  s.R = s.D.matrix() * s.D.matrix().transpose();
  s.B = problem.batch;
  s.sigma2 = problem.noise_variance;
}
VarianceRecursion::~VarianceRecursion() = default;
VarianceRecursion::VarianceRecursion(VarianceRecursion&&) noexcept = default;

void VarianceRecursion::step(double eta) {
  State& s = *state_;
  if (eta != s.eta) {
    s.eta = eta;
    s.c = std::make_unique<Coefficients>(s.lambda, s.B, eta);
    s.decay = s.c->decays(s.lambda, s.B, eta);
  }
  const Coefficients& c = *s.c;
  const Array rQ = (s.R * s.lambda.matrix()).array() + s.sigma2 * s.D;
  const double P = (s.lambda * s.D).sum();
  const double Q2 =
      (s.lambda.matrix().transpose() * s.R * s.lambda.matrix()).value() + 2 * s.sigma2 * P + s.sigma2 * s.sigma2;
  const Array nl = s.n * s.lambda, drift = c.slope * rQ;
  s.R.array() -= s.decay.array() * s.R.array();
  s.R += drift.matrix() * nl.matrix().transpose() + nl.matrix() * drift.matrix().transpose() +
         c.s2 * Q2 * nl.matrix() * nl.matrix().transpose();
  s.R.diagonal().array() +=
      2 * c.s2 * (s.n * s.lambda.square() * Q2 - 2 * s.lambda.cube() * rQ) + 4 * c.e20 * s.lambda * rQ;
  const double noise = eta * eta / s.B;
  s.D = s.D * ((1 - c.x).square() + noise * s.lambda.square()) + noise * nl * (P + s.sigma2);
}

namespace {
// Rounding may leave a variance slightly negative; overflow leaves it infinite.
double clipped(double variance) {
  return std::isfinite(variance) ? std::max(0.0, variance) : std::numeric_limits<double>::infinity();
}
}  // namespace

double VarianceRecursion::excess_mse() const {
  return (state_->lambda * state_->D).sum();
}

double VarianceRecursion::excess_mse_variance() const {
  const State& s = *state_;
  const Array centred = ((s.R - s.D.matrix() * s.D.matrix().transpose()) * s.lambda.matrix()).array();
  return clipped((s.lambda * centred).sum());
}

double VarianceRecursion::parameter_error_variance() const {
  const State& s = *state_;
  return clipped((s.R - s.D.matrix() * s.D.matrix().transpose()).sum());
}

// ---- contour ----------------------------------------------------------------------------------------------------

namespace {

// Weighted sums over b of the resolvent 1/(w + decay_ab) that the eliminated system needs, for one w.
template <class Scalar>
struct Eliminated {
  using M = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>;
  using V = Eigen::Array<Scalar, Eigen::Dynamic, 1>;
  M G;       // resolvent
  M L;       // y = L r + (sources), r = y + sigma^2 D,  y_a = sum_b lambda_b R_ab
  V q_gain;  // response of y to Q2, apart from its own lambda'y

  Eliminated(Scalar w, const Array& lambda, const Array& n, const Matrix& decay, const Coefficients& c) {
    G = (decay.cast<Scalar>().array() + w).inverse().matrix();
    const V nl2 = (n * lambda.square()).cast<Scalar>();
    const V g = (G * nl2.matrix()).array();
    const V nl = (n * lambda).cast<Scalar>(), ls = (lambda * c.slope).cast<Scalar>();
    L = nl.matrix().asDiagonal() * G * ls.matrix().asDiagonal();
    const V own = c.slope.cast<Scalar>() * g + lambda.cast<Scalar>() * G.diagonal().array() *
                                                   (4 * c.e20 * lambda - 4 * c.s2 * lambda.cube()).cast<Scalar>();
    L.diagonal().array() += own;
    q_gain = Scalar(c.s2) * (nl * g + 2.0 * (n * lambda.cube()).cast<Scalar>() * G.diagonal().array());
  }
  M matrix(const Array& lambda) const {
    return M::Identity(L.rows(), L.cols()) - L - q_gain.matrix() * lambda.cast<Scalar>().matrix().transpose();
  }
};

template <class Scalar>
linear_algebra::Lu<Scalar> lu_of(const typename Eliminated<Scalar>::M& m) {
  return {static_cast<std::size_t>(m.rows()), {m.data(), static_cast<std::size_t>(m.size())}};
}

// Largest w > -min decay at which the eliminated system is singular: the leading eigenvalue minus 1.
// The system is (entrywise) positive, so its determinant is positive to the right of the root.
double leading_eigenvalue_minus_one(const Array& lambda, const Array& n, const Matrix& decay, const Coefficients& c,
                                    double from, double to) {
  const auto determinant_sign = [&](double w) {
    const Eliminated<double> e(w, lambda, n, decay, c);
    const auto determinant = lu_of<double>(e.matrix(lambda)).log_determinant();
    return determinant.phase * std::exp(std::clamp(determinant.log_magnitude, -600.0, 600.0));
  };
  std::uintmax_t iterations = 100;
  const auto root = boost::math::tools::toms748_solve(determinant_sign, from, to,
                                                      boost::math::tools::eps_tolerance<double>(48), iterations);
  return (root.first + root.second) / 2;
}

// Spectral radius of a nonnegative matrix to a relative 1e-13, by power iteration with Collatz-Wielandt bounds.
double perron_root(const Matrix& A) {
  Eigen::VectorXd v = Eigen::VectorXd::Ones(A.rows());
  double low = 0, high = 0;
  for (int iteration = 0; iteration < 5000; ++iteration) {
    const Eigen::VectorXd moved = A * v;
    low = std::numeric_limits<double>::infinity();
    high = 0;
    for (Eigen::Index i = 0; i < v.size(); ++i) {
      if (v[i] <= 0) continue;
      low = std::min(low, moved[i] / v[i]);
      high = std::max(high, moved[i] / v[i]);
    }
    if (high - low <= 1e-13 * high) break;
    v = moved / moved.maxCoeff();
  }
  return (low + high) / 2;
}

// The spectral radius of the eliminated system at w = 0 (z = 1): the variance converges iff it is below 1.
double elimination_radius(const Array& lambda, const Array& n, double B, double eta) {
  const Coefficients c(lambda, B, eta);
  const Matrix decay = c.decays(lambda, B, eta);
  if (decay.minCoeff() <= 0) return std::numeric_limits<double>::infinity();
  const Eliminated<double> e(0.0, lambda, n, decay, c);
  const Matrix full = e.L + e.q_gain.matrix() * lambda.matrix().transpose();
  return perron_root(full);
}

}  // namespace

struct VarianceContour::State {
  Array lambda, n, D0;
  Matrix decay;
  std::unique_ptr<Coefficients> c;
  double B, sigma2, eta, radius;
  std::size_t nodes;
  double shift = 0;
  std::unique_ptr<solvers::Contour> mean;
  std::vector<std::vector<double>> ones;
};

VarianceContour::VarianceContour(VarianceProblem problem, double eta, double rtol) : state_(std::make_unique<State>()) {
  check(problem);
  State& s = *state_;
  s.lambda = array(problem.eigenvalue);
  s.n = array(problem.multiplicity);
  s.D0 = array(problem.initial_power);
  s.B = problem.batch;
  s.sigma2 = problem.noise_variance;
  s.eta = eta;
  s.c = std::make_unique<Coefficients>(s.lambda, s.B, eta);
  s.decay = s.c->decays(s.lambda, s.B, eta);
  s.radius = elimination_radius(s.lambda, s.n, s.B, eta);
  s.nodes = solvers::contour_nodes(-std::log10(std::clamp(rtol, 1e-13, 1e-4))) + 1;
  const double noise = eta * eta / s.B;
  s.mean = std::make_unique<solvers::Contour>(
      solvers::RankOneSystem{solvers::RankOneSystem::Kind::map, vector(s.c->x * (2 - s.c->x * (1 + 1 / s.B))),
                             vector(noise * s.n * s.lambda), vector(s.lambda), vector(s.D0), s.sigma2},
      1e-14);
  s.ones = {std::vector<double>(problem.eigenvalue.size(), 1.0)};
  if (s.sigma2 == 0 && s.radius < 1) {
    // Without label noise the moments die out exponentially: follow the leading eigenvalue to keep relative accuracy.
    const double lowest = s.decay.minCoeff();
    s.shift = leading_eigenvalue_minus_one(s.lambda, s.n, s.decay, *s.c, -lowest * (1 - 1e-9), 0);
    s.shift = std::log1p(s.shift);
  }
}
VarianceContour::~VarianceContour() = default;

bool VarianceContour::converges() const {
  return state_->radius < 1;
}
double VarianceContour::earliest() const {
  return 2.0 * static_cast<double>(state_->nodes) + 4;
}

VarianceContour::Variances VarianceContour::at(double k) const {
  const State& s = *state_;
  const Coefficients& c = *s.c;
  using Cx = Eigen::ArrayXcd;
  // Raw second moments of P and |v|^2, to be centred with the means from their own contour.
  double raw_P = 0, raw_N = 0;
  const double noise = s.eta * s.eta / s.B;
  const Array mean_decay = c.x * (2 - c.x * (1 + 1 / s.B));
  for (std::size_t j = 0; j < s.nodes; ++j) {
    const auto [w, factor] =
        solvers::contour_node(solvers::RankOneSystem::Kind::map, j, s.nodes, k, s.shift);  // w = z - 1
    // First moments.
    const Cx resolvent = (mean_decay.cast<Complex>() + w).inverse();
    const Complex f = (s.lambda * s.D0).cast<Complex>().cwiseProduct(resolvent).sum();
    const Complex g = noise * (s.n * s.lambda.square()).cast<Complex>().cwiseProduct(resolvent).sum();
    const Complex P = (f + g * s.sigma2 / w) / (1.0 - g), Q = P + s.sigma2 / w;
    const Cx D = resolvent * (s.D0.cast<Complex>() + noise * Q * (s.n * s.lambda).cast<Complex>());
    // Second moments.
    const Eliminated<Complex> e(w, s.lambda, s.n, s.decay, c);
    const Cx sD = s.sigma2 * D;
    const Complex known_q = 2 * s.sigma2 * P + s.sigma2 * s.sigma2 / w;
    const Cx start = s.D0.cast<Complex>() *
                     (e.G * (s.lambda * s.D0).cast<Complex>().matrix()).array();  // sum_b lambda_b G_ab R_ab(0)
    Eigen::VectorXcd y = (start + (e.L * sD.matrix()).array() + known_q * e.q_gain).matrix();
    lu_of<Complex>(e.matrix(s.lambda)).solve({y.data(), static_cast<std::size_t>(y.size())});
    const Complex lRl = s.lambda.cast<Complex>().matrix().cwiseProduct(y).sum();
    raw_P += (factor * lRl).imag();
    // sum_ab R_ab from the solved y and Q2.
    const Cx r = y.array() + sD;
    const Complex q = lRl + known_q;
    const Cx nl = (s.n * s.lambda).cast<Complex>(), drift = c.slope.cast<Complex>() * r;
    const Cx row = (e.G * nl.matrix()).array();
    const Complex total =
        (s.D0.cast<Complex>().matrix().transpose() * e.G * s.D0.cast<Complex>().matrix()).value() +
        2.0 * (drift * row).sum() + c.s2 * q * (nl * row).sum() +
        (e.G.diagonal().array() *
         (2 * c.s2 * ((s.n * s.lambda.square()).cast<Complex>() * q - 2.0 * s.lambda.cube().cast<Complex>() * r) +
          4.0 * (c.e20 * s.lambda).cast<Complex>() * r))
            .sum();
    raw_N += (factor * total).imag();
  }
  const double growth = std::exp(s.shift * k);
  double mean[2];
  s.mean->functionals(k, s.ones, mean);
  return {std::max(0.0, raw_P * growth - mean[0] * mean[0]), std::max(0.0, raw_N * growth - mean[1] * mean[1])};
}

double variance_threshold(const VarianceProblem& problem, double eta_max) {
  check(problem);
  const Array lambda = array(problem.eigenvalue), n = array(problem.multiplicity);
  if (std::isinf(problem.batch)) return eta_max;
  const auto excess = [&](double eta) {
    const double radius = elimination_radius(lambda, n, problem.batch, eta);
    return std::isfinite(radius) ? radius - 1 : 1e3;
  };
  if (excess(eta_max) <= 0) return eta_max;
  double low = eta_max / 2;
  while (excess(low) > 0) low /= 2;
  std::uintmax_t iterations = 100;
  const auto root = boost::math::tools::toms748_solve(excess, low, eta_max,
                                                      boost::math::tools::eps_tolerance<double>(44), iterations);
  return (root.first + root.second) / 2;
}

// ---- large dimension ----------------------------------------------------------------------------------------------

std::vector<double> linear_noise_variance(const VarianceProblem& problem, double eta, std::span<const double> times) {
  check(problem);
  const Array lambda = array(problem.eigenvalue), n = array(problem.multiplicity);
  const Array q0 = lambda * array(problem.initial_power), b = eta * eta / problem.batch * n * lambda.square();
  const double B = problem.batch, sigma2 = problem.noise_variance;
  const Array ones = Array::Ones(lambda.size());
  using solvers::RankOneSystem;
  const solvers::Contour forward(
      {RankOneSystem::Kind::flow, vector(2 * eta * lambda), vector(b), vector(ones), vector(q0), sigma2});
  // The adjoint w(tau) = exp(J' tau) 1, J = -diag(2 eta lambda) + b 1': the roles of input and weight exchanged.
  const solvers::Contour adjoint(
      {RankOneSystem::Kind::flow, vector(2 * eta * lambda), vector(ones), vector(b), vector(ones), 0});
  const auto noise = [&](double s, double tau) {
    std::vector<double> q(static_cast<std::size_t>(lambda.size())), w(q.size());
    if (s > 0)
      forward.state(s, q);
    else
      q = vector(q0);
    if (tau > 0)
      adjoint.state(tau, w);
    else
      w = vector(ones);
    const Array qa = array(q), wa = array(w);
    const double Q = qa.sum() + sigma2;
    const Array drift = -2 * eta * lambda * qa + b * Q;
    const double along = (wa * lambda * qa).sum(), moved = (wa * drift).sum();
    return 4 * eta * eta / B * ((wa.square() * lambda.square() * qa).sum() * Q - along * along) + 2 / B * moved * moved;
  };
  // Var P(t) = int_0^t w(t-s)' N(s) w(t-s) ds: logarithmic panels from both ends, where the integrand is steep.
  std::vector<double> result;
  const double fastest = 2 * eta * lambda.maxCoeff();
  using Gauss = boost::math::quadrature::gauss<double, 10>;
  for (const double t : times) {
    if (t <= 0) {
      result.push_back(0);
      continue;
    }
    const double first = std::min(t / 2, 0.5 / fastest);
    std::vector<double> edges = {0, first};
    while (edges.back() < t / 2) edges.push_back(std::min(t / 2, edges.back() * 3));
    double total = 0;
    for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
      total += Gauss::integrate([&](double s) { return noise(s, t - s); }, edges[i], edges[i + 1]);
      total += Gauss::integrate([&](double tau) { return noise(t - tau, tau); }, edges[i], edges[i + 1]);
    }
    result.push_back(std::max(0.0, total));
  }
  return result;
}

}  // namespace edgewise::models::least_squares
