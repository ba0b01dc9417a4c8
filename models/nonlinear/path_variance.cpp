#include "models/nonlinear/path_variance.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "models/nonlinear/criteria.hpp"
#include "models/nonlinear/custom_nonlinearity.hpp"
#include "models/nonlinear/nonlinearities.hpp"

namespace edgewise::models::nonlinear {

namespace {

/// Beyond it `pair` and a^2 agree to too many digits.
constexpr double most_examples = 1e6;

/// E chi^3 w and E chi^4 at P, w in units of `width` and chi in those of `size`.
ScalarLaws high_moments(const NonlinearProblem& problem, double width, double size) {
  const std::shared_ptr<const ingredients::Noise> noise = effective_noise(problem);
  std::shared_ptr<const ResidualNonlinearity> chi = problem.nonlinearity;
  if (!chi) chi = method_nonlinearity(problem.method, threshold_at_risk(problem, *noise, 1));
  if (!(4 * chi->growth() < noise->tail_index()))
    throw std::invalid_argument(fmt::format(
        "theory.bands: E chi(r)^4 is infinite under the tails of {}, and so is the spread of P", noise->name()));
  std::vector<double> cuts(chi->kinks().begin(), chi->kinks().end());
  cuts.insert(cuts.end(), chi->joints().begin(), chi->joints().end());
  const auto power = [&](int n) -> std::shared_ptr<const ResidualNonlinearity> {
    return general_nonlinearity([chi, size, n](double r) { return std::pow((*chi)(r) / size, n); }, cuts,
                                n * chi->growth());
  };
  return ScalarLaws([noise, width, square = power(2), cube = power(3)](double P) {
    return LawValues{P / width * residual_coefficients(*cube, *noise, P).mu,
                     residual_coefficients(*square, *noise, P).q, 0};
  });
}

/// pair at P.
ScalarLaws pairs(const NonlinearProblem& problem, const ScalarLaws& laws) {
  const double batch = problem.batch;
  if (problem.method != Method::sign_late)
    return ScalarLaws([batch, &laws](double P) {
      const double a = laws.exact(P).a;
      return LawValues{(1 - 1 / batch) * a * a, 0, 0};
    });
  if (batch > most_examples)
    throw std::invalid_argument(
        fmt::format("theory.bands: of the sign of a mean of at most {:.0f} examples", most_examples));
  return ScalarLaws([batch, noise = effective_noise(problem)](double P) {
    return LawValues{late_coupling(*noise, P, batch), 0, 0};
  });
}

/// The size of P, for units.
double size_of_risk(const NonlinearProblem& problem, double start) {
  if (start > 0) return start;
  double most = 0;
  for (const double size : effective_noise(problem)->sizes()) most = std::max(most, size);
  return most > 0 ? most * most : 1;
}

}  // namespace

PathVariance::PathVariance(const ModeSystem& modes, const ScalarLaws& laws, const NonlinearProblem& problem)
    : modes_(modes),
      laws_(laws),
      problem_(problem),
      unit_(size_of_risk(problem, modes.excess_mse())),
      chi_(std::sqrt(laws.exact(unit_).b * problem.batch)),
      covariance_(modes.kappa.size(), modes.kappa.size()) {
  const Method method = problem.method;
  if (method == Method::sign_ema || method == Method::ema_sign || problem.method.averages_squares())
    throw std::invalid_argument("theory.bands: not known for '" + method.word() +
                                "', whose steps remember earlier ones");
  if (method == Method::mean_clip) throw std::invalid_argument("theory.bands: not known for 'mean-clip'");
  if (problem.threshold_rule != "constant") throw std::invalid_argument("theory.bands: needs a constant threshold");
  if (!problem.norm_spread.empty()) throw std::invalid_argument("theory.bands: not known with norm_spread");
  moments_ = std::make_unique<ScalarLaws>(problem.coordinatewise() ? pairs(problem, laws)
                                                                   : high_moments(problem, std::sqrt(unit_), chi_));
  if (problem.method == Method::sign_early) squares_ = 2 * (1 - 1 / problem.batch);
  // Ties move no coordinate, of those that are uncorrelated each by itself.
  const double tie = problem.method == Method::sign_majority ? majority_tie(problem.batch) : 0;
  if (tie > 0) squares_ = tie / (1 - tie);
  if (!modes.coordinates) return;
  noise_ = modes.coordinates->mode_noise();
  second_ = linear_algebra::Matrix(noise_.rows(), noise_.columns());
  const std::vector<double>& z = modes.coordinates->start;
  const std::size_t n = modes.kappa.size();  // null modes come last
  for (std::size_t j = 0; j < n; ++j)
    for (std::size_t i = 0; i < n; ++i) {
      const double root = std::sqrt(modes.kappa[i] * modes.kappa[j]);
      noise_(i, j) *= root;
      second_(i, j) = root / unit_ * z[i] * z[j];
    }
  linear_algebra::Matrix root = modes.coordinates->rotation;
  for (std::size_t j = 0; j < root.columns(); ++j)
    for (double& entry : root.column(j)) entry *= j < n ? std::sqrt(modes.kappa[j]) : 0;
  const SquareSpread spread = spread_of_squares(
      linear_algebra::product(root, root, linear_algebra::Transposed::no, linear_algebra::Transposed::yes),
      modes.coordinates->noise, problem.method, problem.batch);
  squares_ = spread.variance;
  estimated_ = spread.estimated;
}

PathVariance::Chance PathVariance::sign_chance(double eta, double P, const LawValues& law) const {
  Chance out;
  out.pull2 = 4 * eta * eta * ((*moments_)(P).a - law.a * law.a);
  // s_i per coordinate is kappa_i where the covariance is diagonal.
  if (!modes_.coordinates) out.across = 4 * eta * eta * (law.b / unit_);
  out.squares = squares_;
  return out;
}

PathVariance::Chance PathVariance::residual_chance(double eta, double risk, const LawValues& law) const {
  const LawValues high = (*moments_)(risk);
  // chi w has the unit chi_ sqrt(unit_), mu that of chi/w.
  const double rate = eta * (chi_ / std::sqrt(unit_)), scale = std::sqrt(unit_) / chi_;
  const double B = problem_.batch, P = risk / unit_, b = law.b / chi_ / chi_, c = law.c * scale * scale;
  const double mu = law.a * scale, q = b * B, c2 = B * (c - (1 - 1 / B) * mu * mu);
  const double var_S = (P * P * c2 + P * q - mu * P * mu * P) / B, cov_ST = (high.a - mu * P * q) / (B * B);
  const double var_T = (high.b - q * q) / (B * B * B);
  Chance out;
  out.pull2 = 4 * rate * rate * (var_S / (P * P) - b / P);
  out.cross = -2 * rate * rate * rate * cov_ST / P;
  out.noise2 = std::pow(rate, 4) * var_T;
  out.across = 4 * rate * rate * b;
  out.alone = 2 * std::pow(rate, 4) * (var_T + b * b);
  return out;
}

PathVariance::Chance PathVariance::optimum_chance(double eta, const LawValues& law,
                                                  const StepAtOptimum& optimum) const {
  Chance out;
  const double square = std::pow(eta, 4) * (law.b / unit_) * (law.b / unit_);
  out.noise2 = square * optimum.spread;
  if (!problem_.coordinatewise()) out.alone = 2 * square * (optimum.spread + 1);
  out.squares = problem_.method == Method::sign_majority && !modes_.coordinates ? optimum.squares : squares_;
  return out;
}

void PathVariance::step(double eta, double P, std::span<const double> M) {
  const bool start = P == 0;  // where there is nothing to pull, and no run has strayed
  const StepAtOptimum optimum = start ? step_at_optimum(problem_) : StepAtOptimum{};
  P = std::max(P, 1e-100 * unit_);  // at the optimum itself, where shares of P have their limits
  const LawValues law = start ? LawValues{0, laws_(P).b * optimum.share, 0} : laws_(P);
  const LawValues slope = start ? LawValues{} : laws_.derivative(P);
  const Chance chance = optimum.share != 1          ? optimum_chance(eta, law, optimum)
                        : problem_.coordinatewise() ? sign_chance(eta, P, law)
                                                    : residual_chance(eta, P, law);
  const std::size_t n = modes_.kappa.size();
  const std::vector<double>& kappa = modes_.kappa;
  // Chance meets what the mean step leaves of v, v - eta a K v; not where the squares of a step are certain, as of one sign.
  const double share = problem_.coordinatewise() && problem_.method != Method::sign_early ? 0 : eta * law.a;
  std::vector<double> g(n), u(n), q(n), met(n), noise(n), y(n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    const double k = kappa[i];
    g[i] = 1 - 2 * eta * law.a * k + eta * eta * law.c * k * k;
    q[i] = k * (k / unit_ * M[i]);
    met[i] = (1 - share * k) * q[i];
    noise[i] = k * modes_.s[i];
    // By P in its unit; slopes are by log P.
    u[i] = (-2 * eta * slope.a * q[i] + eta * eta * (slope.b / unit_ * noise[i] + slope.c * k * q[i])) / (P / unit_);
  }
  // A greedy rate a Q/(b S + c T) follows P, through the laws, and by w Q and T.
  std::vector<double> v(n, 0.0), w(n, 0.0), z(n, 0.0);
  if (problem_.greedy) {
    double Q = 0, T = 0, S = 0;
    for (std::size_t i = 0; i < n; ++i) {
      Q += q[i];
      T += kappa[i] * q[i];
      S += noise[i] / unit_;
    }
    const double curvature = law.b * S + law.c * T;
    const double per_P = slope.a / law.a - (slope.b * S + slope.c * T) / curvature;
    for (std::size_t i = 0; i < n; ++i) {
      v[i] = -2 * eta * law.a * q[i] + 2 * eta * eta * (law.b / unit_ * noise[i] + law.c * kappa[i] * q[i]);
      u[i] += v[i] * per_P / (P / unit_);
      w[i] = kappa[i] / Q - law.c * kappa[i] * kappa[i] / curvature;
    }
  }
  const double per_pair = eta * eta * (law.b / unit_);
  double total = 0, both = 0, power = 0;
  for (std::size_t j = 0; j < n; ++j) {
    const std::span<const double> column = covariance_.column(j);
    for (std::size_t i = 0; i < n; ++i) {
      y[i] += column[i];
      z[i] += w[j] * column[i];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    total += y[i];
    both += z[i];
    power += w[i] * z[i];
  }
  for (std::size_t j = 0; j < n; ++j) {
    const std::span<double> column = covariance_.column(j);
    const double per_g = g[j], per_y = u[j], per_u = g[j] * y[j] + total * u[j] + both * v[j];
    const double per_z = v[j], per_v = g[j] * z[j] + both * u[j] + power * v[j];
    const double per_q = chance.pull2 * met[j] + chance.cross * noise[j],
                 per_n = chance.cross * met[j] + chance.noise2 * noise[j];
    for (std::size_t i = 0; i < n; ++i)
      column[i] = g[i] * (per_g * column[i] + per_y * y[i] + per_z * z[i]) + per_u * u[i] + per_v * v[i] +
                  per_q * met[i] + per_n * noise[i];
    if (noise_.size() == 0)
      column[j] += kappa[j] * (chance.across * (1 - share * kappa[j]) * met[j] + chance.alone * kappa[j] * noise[j]) +
                   chance.squares * (per_pair * kappa[j] * kappa[j]) * (per_pair * noise[j]);
  }
  if (noise_.size() == 0) return;
  for (std::size_t j = 0; j < n; ++j) {
    const std::span<double> column = covariance_.column(j), pair = second_.column(j);
    const std::span<const double> kick = noise_.column(j);
    for (std::size_t i = 0; i < n; ++i) {
      const double own = per_pair * kick[i];
      column[i] += 4 * own * pair[i] * (1 - share * kappa[i]) * (1 - share * kappa[j]) + chance.squares * own * own;
      pair[i] *= 1 - eta * law.a * (kappa[i] + kappa[j]) + eta * eta * law.c * kappa[i] * kappa[j];
      pair[i] += own;
    }
  }
}

double PathVariance::deviation() const {
  double sum = 0;
  for (std::size_t j = 0; j < modes_.kappa.size(); ++j)
    for (const double covariance : covariance_.column(j)) sum += covariance;
  return unit_ * std::sqrt(std::max(sum, 0.0));
}

SquareSpread spread_of_squares(linear_algebra::Matrix K, const linear_algebra::Matrix& N, Method method, double batch) {
  using linear_algebra::Matrix;
  const std::size_t d = K.rows();
  double largest = 0;
  for (std::size_t i = 0; i < d; ++i) largest = std::max(largest, K(i, i));
  for (double& entry : K.entries()) entry /= largest;
  const double tie = method == Method::sign_majority ? majority_tie(batch) : 0, b = 1 - tie;
  const double share = method == Method::sign_early ? 1 / batch : 1;  // fourth cumulants of a mean are so much smaller
  // Cumulants of u/sqrt(b): aaaa and aaab in N, aabc in N N.
  const double alike = 1 / b - 3, pair = (tie > 0 ? 1 / (2 * batch * (batch - 1) * tie * tie) : 0) - 2;
  const auto two_pairs = [&](std::size_t i, std::size_t j) {
    const double correlation = K(i, j) / std::sqrt(K(i, i) * K(j, j));
    const double tied = tie > 0 ? majority_ties(batch, arcsine_kernel(std::clamp(correlation, -1.0, 1.0))) : 0;
    return (tied - tie * tie) / (b * b) - 2 * N(i, j) * N(i, j);
  };
  Matrix others = N;
  for (std::size_t i = 0; i < d; ++i) others(i, i) = 0;
  const Matrix KN = linear_algebra::product(K, N), Kn = linear_algebra::product(K, others);
  double power = 0, known = 0, estimated = 0;
  for (std::size_t i = 0; i < d; ++i) {
    double with = 0, with2 = 0, ends = 0, chain = 0;
    known += alike * K(i, i) * K(i, i);
    for (std::size_t j = 0; j < d; ++j) {
      power += KN(i, j) * KN(j, i);
      if (i == j) continue;
      const double both = K(i, j) * N(i, j), n2 = N(i, j) * N(i, j);
      known += 4 * alike * K(i, i) * both + two_pairs(i, j) * (K(i, i) * K(j, j) + 2 * K(i, j) * K(i, j));
      with += both;
      with2 += both * both;
      ends += N(i, j) * Kn(j, i) - K(j, j) * n2;
      chain += both * N(i, j) * (Kn(j, i) - K(j, j) * N(j, i));
    }
    known += 2 * pair * K(i, i) * ends + 4 * pair * (with * with - with2);
    estimated += 2 * pair * (with * ends - 2 * chain);
  }
  const double variance = 2 + share * (known + estimated) / power;
  return {std::max(variance, 0.0), share * std::abs(estimated) / power / std::abs(variance)};
}

}  // namespace edgewise::models::nonlinear
