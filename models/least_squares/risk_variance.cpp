#include "models/least_squares/risk_variance.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <boost/math/quadrature/gauss.hpp>
#include <cmath>
#include <complex>
#include <optional>
#include <stdexcept>

#include "linear_algebra/lu.hpp"
#include "numerics/constants.hpp"
#include "numerics/roots.hpp"
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
  double s2, B;
  BatchMoments m;

  Coefficients(const Array& lambda, double batch, double eta) : x(eta * lambda), B(batch), m(batch) {
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
  // What one step adds to the covariance of rho_a and rho_b through D_a D_b, and through D_a Q n_b lambda_b (over Q n_b
  // lambda_b): differences of the coefficients above and of the products of means, worked out so that nothing cancels.
  double from_means(Eigen::Index a, Eigen::Index b) const {
    const double xa = x[a], xb = x[b], both = xa * xb;
    const double of_batch = 8 * both - 8 * m.m2 * both * (xa + xb) + m.m2 * both * both * (8 + 24 / B);  // B Cov
    const double of_directions = -4 * both * (1 - m.m2 * (xa + xb) + m.m3 * both);
    const double second = 4 * both * (xa + xb) - 8 * m.m2 * both * both - both * both + 3 * m.m2 * both * both;
    return (of_batch + of_directions + second / B) / B;
  }
  Array from_residuals(double eta) const { return eta * eta / B * (x * ((4 + 6 / B) * x - 4) / B); }
  Matrix decays(const Array& lambda, double eta) const {
    const Eigen::Index n = lambda.size();
    const double scale = eta * eta / B;
    Matrix result(n, n);
    for (Eigen::Index a = 0; a < n; ++a)
      for (Eigen::Index b = 0; b <= a; ++b) result(a, b) = result(b, a) = decay(lambda, scale, a, b);
    return result;
  }
};

struct Modes {
  Array lambda, n, D;  // D: at the start, until it is moved
  double B, sigma2;
  explicit Modes(const VarianceProblem& p)
      : lambda(array(p.eigenvalue)),
        n(array(p.multiplicity)),
        D(array(p.initial_power)),
        B(p.batch),
        sigma2(p.noise_variance) {
    if (lambda.size() == 0 || n.size() != lambda.size() || D.size() != lambda.size())
      throw std::invalid_argument("variance of the risk: one multiplicity and power per eigenvalue are needed");
  }
};

// Rounding may leave a variance slightly negative; overflow leaves it infinite.
double clipped(double variance) {
  return std::isfinite(variance) ? std::max(0.0, variance) : infinity;
}

}  // namespace

// ---- recursion --------------------------------------------------------------------------------------------------

struct VarianceRecursion::State : Modes {
  Matrix C, decay, added;  // covariance of the rho_a, what is lost of it in a step, what comes of D_a D_b
  Array from_residuals;
  double eta = nan;
  std::optional<Coefficients> c;
  explicit State(const VarianceProblem& problem) : Modes(problem), C(Matrix::Zero(D.size(), D.size())) {}
};

VarianceRecursion::VarianceRecursion(const VarianceProblem& problem) : state_(std::make_unique<State>(problem)) {}
VarianceRecursion::~VarianceRecursion() = default;
VarianceRecursion::VarianceRecursion(VarianceRecursion&&) noexcept = default;

void VarianceRecursion::step(double eta) {
  State& s = *state_;
  if (eta != s.eta) {
    s.eta = eta;
    s.c.emplace(s.lambda, s.B, eta);
    s.decay = s.c->decays(s.lambda, eta);
    s.from_residuals = s.c->from_residuals(eta);
    s.added.resize(s.decay.rows(), s.decay.cols());
    for (Eigen::Index a = 0; a < s.added.rows(); ++a)
      for (Eigen::Index b = 0; b < s.added.cols(); ++b) s.added(a, b) = s.c->from_means(a, b);
  }
  // (4.1) for C = R - D D': linear in C with rQ -> C lambda and Q2 -> lambda' C lambda, plus the noise of one step.
  const Coefficients& c = *s.c;
  const double P = (s.lambda * s.D).sum(), Q = P + s.sigma2;
  const Array r = (s.C * s.lambda.matrix()).array(), nl = s.n * s.lambda;
  const double q = (s.lambda * r).sum(), noise = eta * eta / s.B;
  const Array along = c.slope * r + s.from_residuals * s.D * Q;
  const Array diagonal = 2 * c.s2 * (s.n * s.lambda.square() * (q + Q * Q) - 2 * s.lambda.cube() * (r + s.D * Q)) +
                         4 * c.e20 * s.lambda * (r + s.D * Q);
  s.C.array() -= s.decay.array() * s.C.array();
  s.C.array() += s.added.array() * (s.D.matrix() * s.D.matrix().transpose()).array();
  s.C += along.matrix() * nl.matrix().transpose() + nl.matrix() * along.matrix().transpose() +
         (c.s2 * q + 2 * noise * noise / s.B * Q * Q) * nl.matrix() * nl.matrix().transpose();
  s.C.diagonal().array() += diagonal;
  s.D = s.D * ((1 - c.x).square() + noise * s.lambda.square()) + noise * nl * Q;
}

double VarianceRecursion::excess_mse() const {
  return (state_->lambda * state_->D).sum();
}

double VarianceRecursion::excess_mse_variance() const {
  return clipped((state_->lambda * (state_->C * state_->lambda.matrix()).array()).sum());
}

double VarianceRecursion::parameter_error_variance() const {
  return clipped(state_->C.sum());
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
  const double at_from = determinant_sign(from), at_to = determinant_sign(to);
  if (!(at_from < 0)) return from;  // so weakly coupled that the root is nearer still to the slowest mode
  if (!(at_to > 0)) return to;
  return numerics::root(determinant_sign, from, to, at_from, at_to, 48);
}

// Spectral radius of a nonnegative matrix to a relative 1e-13, by power iteration with Collatz-Wielandt bounds.
double perron_root(const Matrix& A) {
  Eigen::VectorXd v = Eigen::VectorXd::Ones(A.rows());
  double low = 0, high = 0;
  constexpr int max_iterations = 5000;
  for (int iteration = 0; iteration < max_iterations; ++iteration) {
    const Eigen::VectorXd moved = A * v;
    low = infinity;
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
  const Matrix decay = c.decays(lambda, eta);
  if (decay.minCoeff() <= 0) return infinity;
  const Eliminated<double> e(0.0, lambda, n, decay, c);
  const Matrix full = e.L + e.q_gain.matrix() * lambda.matrix().transpose();
  return perron_root(full);
}

}  // namespace

struct VarianceContour::State : Modes {
  Coefficients c;
  Matrix decay;
  double eta, radius;
  std::size_t nodes;
  double shift = 0;  // of the second moments that the start leaves
  solvers::Contour mean;
  std::vector<std::vector<double>> ones;

  State(const VarianceProblem& problem, double rate, double rtol)
      : Modes(problem),
        c(lambda, B, rate),
        decay(c.decays(lambda, rate)),
        eta(rate),
        radius(elimination_radius(lambda, n, B, rate)),
        nodes(solvers::contour_nodes(-std::log10(std::clamp(rtol, 1e-13, 1e-4))) + 1),
        mean({solvers::RankOneSystem::Kind::map, vector(c.x * (2 - c.x * (1 + 1 / B))),
              vector(rate * rate / B * n * lambda), vector(lambda), vector(D), sigma2},
             1e-14),
        ones{std::vector<double>(problem.eigenvalue.size(), 1.0)} {
    // The moments that the start leaves die out exponentially: follow the leading eigenvalue to keep relative accuracy.
    if (radius < 1)
      shift = std::log1p(leading_eigenvalue_minus_one(lambda, n, decay, c, -decay.minCoeff() * (1 - 1e-9), 0));
  }

  /// The second moments split by linearity, each part with the rate at which it dies out: what the start leaves alone,
  /// what label noise makes of the means that the start leaves, and what label noise makes alone.
  enum class Part { start, start_with_noise, noise };
  /// E[P^2] and E[|v|^4] of a part, and their errors.
  Eigen::Array4d raw(Part part, double k) const;
};

VarianceContour::VarianceContour(const VarianceProblem& problem, double eta, double rtol)
    : state_(std::make_unique<State>(problem, eta, rtol)) {}
VarianceContour::~VarianceContour() = default;

bool VarianceContour::converges() const {
  return state_->radius < 1;
}
double VarianceContour::earliest() const {
  return 2.0 * static_cast<double>(state_->nodes) + 4;
}

Eigen::Array4d VarianceContour::State::raw(Part part, double k) const {
  using Cx = Eigen::ArrayXcd;
  const double at = part == Part::start              ? shift
                    : part == Part::start_with_noise ? std::max(shift, std::min(0.0, mean.growth_rate()))
                                                     : 0.0;
  const double noise = eta * eta / B;
  const Array mean_decay = c.x * (2 - c.x * (1 + 1 / B));
  const Cx begin = part == Part::noise ? Cx::Zero(D.size()) : Cx(D.cast<Complex>());
  Eigen::Array4d out = Eigen::Array4d::Zero();
  for (std::size_t j = 0; j < nodes; ++j) {
    const auto [w, factor] = solvers::contour_node(solvers::RankOneSystem::Kind::map, j, nodes, k, at);  // w = z - 1
    const Eliminated<Complex> e(w, lambda, n, decay, c);
    const Cx l = lambda.cast<Complex>(), nl = (n * lambda).cast<Complex>();
    // First moments, where they drive the second ones.
    Cx sD = Cx::Zero(lambda.size());
    Complex known_q = 0;
    if (part != Part::start) {
      const Complex forced = part == Part::noise ? sigma2 / w : 0.0;
      const Cx resolvent = (mean_decay.cast<Complex>() + w).inverse();
      const Complex f = (l * begin * resolvent).sum(), g = noise * (l * nl * resolvent).sum();
      const Complex P = (f + g * forced) / (1.0 - g);
      sD = sigma2 * resolvent * (begin + noise * (P + forced) * nl);
      known_q = sigma2 * (2.0 * P + forced);
    }
    Eigen::VectorXcd y = ((e.L * sD.matrix()).array() + known_q * e.q_gain).matrix();
    if (part == Part::start)
      y = (begin * (e.G * (l * begin).matrix()).array()).matrix();  // sum_b lambda_b G_ab R_ab(0)
    lu_of<Complex>(e.matrix(lambda)).solve({y.data(), static_cast<std::size_t>(y.size())});
    const Complex lRl = (l * y.array()).sum();
    // sum_ab R_ab from the solved y and Q2.
    const Cx r = y.array() + sD, drift = c.slope.cast<Complex>() * r;
    const Complex q = lRl + known_q;
    const Cx row = (e.G * nl.matrix()).array();
    Complex total =
        2.0 * (drift * row).sum() + c.s2 * q * (nl * row).sum() +
        (e.G.diagonal().array() * (2 * c.s2 * ((n * lambda.square()).cast<Complex>() * q - 2.0 * l.cube() * r) +
                                   4.0 * (c.e20 * lambda).cast<Complex>() * r))
            .sum();
    if (part == Part::start) total += (begin.matrix().transpose() * e.G * begin.matrix()).value();
    out += Eigen::Array4d((factor * lRl).imag(), (factor * total).imag(), std::abs(factor * lRl),
                          std::abs(factor * total));
  }
  // Of the terms: rounding, that of the dense solve, and the rule's own error.
  constexpr double per_term = 1e-13;
  out.tail<2>() *= per_term;
  return out * std::exp(at * k);
}

VarianceContour::Variances VarianceContour::at(double k) const {
  const State& s = *state_;
  using Part = State::Part;
  Eigen::Array4d raw = s.raw(Part::start, k);
  if (s.sigma2 > 0)
    for (const Part part : {Part::start_with_noise, Part::noise}) raw += s.raw(part, k);
  double mean[2];
  const double of_mean = s.mean.functionals(k, s.ones, mean);
  // A variance that is not well above the rounding of what is subtracted is not known.
  const auto centred = [&](double square, double centre, double error) {
    const double variance = square - centre * centre;
    error += 2 * of_mean * centre * centre;
    return variance > 100 * error ? variance : nan;
  };
  return {centred(raw[0], mean[0], raw[2]), centred(raw[1], mean[1], raw[3])};
}

double variance_threshold(const VarianceProblem& problem, double eta_max) {
  const Modes modes(problem);
  if (std::isinf(problem.batch)) return eta_max;
  const auto excess = [&](double eta) {
    const double radius = elimination_radius(modes.lambda, modes.n, modes.B, eta);
    return std::isfinite(radius) ? radius - 1 : 1e3;
  };
  if (excess(eta_max) <= 0) return eta_max;
  double low = eta_max / 2;
  while (excess(low) > 0) low /= 2;
  return numerics::root(excess, low, eta_max, 44);
}

// ---- large dimension ----------------------------------------------------------------------------------------------

std::vector<double> linear_noise_variance(const VarianceProblem& problem, double eta, std::span<const double> times) {
  const Modes modes(problem);
  const Array& lambda = modes.lambda;
  const double B = modes.B, sigma2 = modes.sigma2;
  const Array q0 = lambda * modes.D, b = eta * eta / B * modes.n * lambda.square();
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
