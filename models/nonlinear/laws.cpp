#include "models/nonlinear/laws.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/constants/constants.hpp>
#include <boost/math/special_functions/binomial.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <stdexcept>

#include "models/nonlinear/adam.hpp"
#include "models/nonlinear/criteria.hpp"
#include "models/nonlinear/custom_nonlinearity.hpp"
#include "models/nonlinear/ema_sign.hpp"

namespace edgewise::models::nonlinear {

namespace {

constexpr double pi = boost::math::constants::pi<double>();
/// Beyond it the binomial coefficients of majority_weights lose their digits.
constexpr double most_majority = 50;
const double root_two_over_pi = std::sqrt(2 / pi);

void require_positive(double P) {
  if (!(P > 0)) throw std::invalid_argument("the laws need P > 0");
}

ResidualCoefficients averaged(const ResidualNonlinearity& chi, std::span<const ingredients::MixtureNode> nodes,
                              double P) {
  ResidualCoefficients out;
  for (const ingredients::MixtureNode& node : nodes) {
    const ResidualCoefficients one = chi.gaussian(-node.mean, P + node.variance);
    out.mu += node.probability * one.mu;
    out.q += node.probability * one.q;
    out.c2 += node.probability * one.c2;
  }
  return out;
}

double median_variance(std::span<const ingredients::MixtureNode> nodes) {
  std::vector<std::pair<double, double>> sorted;
  for (const ingredients::MixtureNode& node : nodes)
    sorted.emplace_back(node.variance + node.mean * node.mean, node.probability);
  std::sort(sorted.begin(), sorted.end());
  double total = 0;
  for (const auto& [variance, probability] : sorted) {
    total += probability;
    if (total >= 0.5) return variance;
  }
  return sorted.back().first;
}

}  // namespace

ResidualCoefficients residual_coefficients(const ResidualNonlinearity& chi, const ingredients::Noise& noise, double P) {
  require_positive(P);
  // The second moment of a heavy tail is known better than its quadrature.
  if (chi.identity()) return {1, P + noise.variance(), 2};
  return averaged(chi, noise.nodes(std::sqrt(P)), P);
}

ResidualDensity residual_density(std::span<const ingredients::MixtureNode> nodes, double P, double r) {
  ResidualDensity out;
  for (const ingredients::MixtureNode& node : nodes) {
    const double s2 = P + node.variance, z = r + node.mean;
    const double density = node.probability * std::exp(-z * z / (2 * s2)) / std::sqrt(2 * pi * s2);
    out.value += density;
    out.slope -= z / s2 * density;
  }
  return out;
}

double sign_phi(const ingredients::Noise& noise, double P) {
  require_positive(P);
  return 2 / pi * noise.exponential_average(P);
}

double late_drift(const ingredients::Noise& noise, double P, double batch) {
  require_positive(P);
  if (batch == 1) return sign_phi(noise, P) / std::sqrt(P);
  if (noise.gaussian())
    return 2 / std::sqrt(pi) * boost::math::tgamma_delta_ratio((batch + 1) / 2, -0.5) / std::sqrt(P + noise.variance());
  // a = sqrt(2/pi) (B/sqrt pi) int_0^inf t^(-1/2) (g + 2 t g') g^(B-1) dt, g(t) = E exp(-t r^2), t = e^y / scale.
  const std::vector<ingredients::MixtureNode> nodes = noise.nodes(std::sqrt(P));
  const double scale = P + median_variance(nodes);
  double sum = 0;
  for (int i = -600; i <= 600; ++i) {
    const double t = std::exp(0.1 * i) / scale;
    double g = 0, drift = 0;
    for (const ingredients::MixtureNode& node : nodes) {
      const double wide = 1 + 2 * t * (P + node.variance), square = t * node.mean * node.mean / wide;
      const double part = node.probability * std::exp(-square) / std::sqrt(wide);
      g += part;
      drift += part * (1 - 2 * square) / wide;
    }
    sum += 0.1 * std::sqrt(t) * drift * std::pow(g, batch - 1);
  }
  return root_two_over_pi * batch / std::sqrt(pi) * sum;
}

double majority_gain(double batch) {
  // E|S_B| = B C(B-1, floor((B-1)/2)) / 2^(B-1) for a walk of B signs.
  const double n = batch - 1, k = std::floor(n / 2);
  return batch * std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) - n * std::log(2.0));
}

double majority_tie(double batch) {
  const double half = batch / 2;
  if (half != std::floor(half)) return 0;
  return std::exp(std::lgamma(batch + 1) - 2 * std::lgamma(half + 1) - batch * std::log(2.0));
}

std::vector<double> majority_weights(double batch) {
  // Of n = B signs a set of k, j of them negative, and m of the others: the Fourier coefficient of the majority at k.
  const auto n = static_cast<int>(batch);
  const auto choose = [](int a, int b) {
    return std::round(boost::math::binomial_coefficient<double>(static_cast<unsigned>(a), static_cast<unsigned>(b)));
  };
  std::vector<double> weight;
  for (int k = 0; k <= n; ++k) {
    double sum = 0;
    for (int j = 0; j <= k; ++j)
      for (int m = 0; m <= n - k; ++m) {
        const int total = n - 2 * (j + m);
        sum += choose(k, j) * choose(n - k, m) * (j % 2 == 0 ? 1 : -1) * ((total > 0) - (total < 0));
      }
    const double coefficient = std::ldexp(sum, -n);
    weight.push_back(choose(n, k) * coefficient * coefficient);
  }
  return weight;
}

MeanClipFactors mean_clip_factors(double tau2, double batch, double c, double trace) {
  if (std::isinf(c)) return {1, 1};
  const double x0 = c * batch / std::sqrt(trace * tau2), u = x0 * x0 / 2;
  const double inside = boost::math::gamma_p(batch / 2 + 1, u);
  MeanClipFactors out;
  out.mu = inside + x0 / batch * std::sqrt(2.0) * std::exp(std::lgamma((batch + 1) / 2) - std::lgamma(batch / 2)) *
                        boost::math::gamma_q((batch + 1) / 2, u);
  out.nu = inside + x0 * x0 / batch * boost::math::gamma_q(batch / 2, u);
  return out;
}

const ScalarLaws::Panel& ScalarLaws::panel(double log_P, double& x) const {
  const double floor = std::floor(log_P);
  x = 2 * (log_P - floor) - 1;
  const auto [it, fresh] = panels_.try_emplace(static_cast<int>(floor));
  if (!fresh) return it->second;
  std::array<std::array<double, order>, 3> sample{};
  for (std::size_t j = 0; j < order; ++j) {
    const double node = std::cos(pi * (static_cast<double>(j) + 0.5) / order);
    const LawValues v = exact_(std::exp(floor + (node + 1) / 2));
    sample[0][j] = v.a;
    sample[1][j] = v.b;
    sample[2][j] = v.c;
  }
  for (std::size_t k = 0; k < 3; ++k) {
    Curve& curve = it->second[k];
    curve.logarithmic = std::all_of(sample[k].begin(), sample[k].end(), [](double v) { return v > 0; });
    if (curve.logarithmic)
      for (double& v : sample[k]) v = std::log(v);
    for (std::size_t n = 0; n < order; ++n) {
      double sum = 0;
      for (std::size_t j = 0; j < order; ++j)
        sum += sample[k][j] * std::cos(pi * static_cast<double>(n) * (static_cast<double>(j) + 0.5) / order);
      curve.coefficient[n] = (n == 0 ? 1.0 : 2.0) / order * sum;
    }
  }
  return it->second;
}

namespace {

// Sum of Chebyshev polynomials and its derivative in x.
template <std::size_t n>
std::pair<double, double> chebyshev(const std::array<double, n>& c, double x) {
  double value = c[0] + c[1] * x, slope = c[1];
  double t0 = 1, t1 = x, u0 = 1, u1 = 2 * x;  // T_k' = k U_{k-1}
  for (std::size_t k = 2; k < n; ++k) {
    const double t2 = 2 * x * t1 - t0;
    value += c[k] * t2;
    slope += c[k] * static_cast<double>(k) * u1;
    const double u2 = 2 * x * u1 - u0;
    t0 = t1;
    t1 = t2;
    u0 = u1;
    u1 = u2;
  }
  return {value, slope};
}

}  // namespace

LawValues ScalarLaws::operator()(double P) const {
  double x = 0;
  const Panel& p = panel(std::log(std::max(P, 1e-300)), x);
  const auto value = [x](const Curve& curve) {
    const double v = chebyshev(curve.coefficient, x).first;
    return curve.logarithmic ? std::exp(v) : v;
  };
  return {value(p[0]), value(p[1]), value(p[2])};
}

LawValues ScalarLaws::derivative(double P) const {
  P = std::max(P, 1e-300);
  double x = 0;
  const Panel& p = panel(std::log(P), x);
  const auto slope = [x, P](const Curve& curve) {
    const auto [v, dv] = chebyshev(curve.coefficient, x);
    return 2 * dv / P * (curve.logarithmic ? std::exp(v) : 1.0);  // dx/dP = 2/P
  };
  return {slope(p[0]), slope(p[1]), slope(p[2])};
}

namespace {

/// The mixture of a noise, kept while P stays within a factor e: it serves all P above the one it was made for.
class MixtureCache {
 public:
  explicit MixtureCache(std::shared_ptr<const ingredients::Noise> noise) : noise_(std::move(noise)) {}

  std::span<const ingredients::MixtureNode> at(double P) {
    const double power = std::floor(std::log(P));
    if (nodes_.empty() || power != power_) {
      nodes_ = noise_->nodes(std::exp(0.5 * power));
      power_ = power;
    }
    return nodes_;
  }

 private:
  std::shared_ptr<const ingredients::Noise> noise_;
  double power_ = 0;
  std::vector<ingredients::MixtureNode> nodes_;
};

ResidualCoefficients bent_residual(const CustomNonlinearity* custom, const std::string& method, double h,
                                   const ingredients::Noise& noise, double P) {
  if (custom) return residual_coefficients(*custom, noise, P);
  return residual_coefficients(*method_nonlinearity(method, h), noise, P);
}

/// Examples whose norms spread (docs/theory/sign-and-clip.md, section 5.5): x = sqrt(k) N(0, K), k one of `spread`,
/// equally likely. Norm clipping sees the residual at h/sqrt(k).
ScalarLaws::Function spread_laws(const NonlinearProblem& problem,
                                 const std::shared_ptr<const ingredients::Noise>& noise) {
  const std::string method = problem.method;
  const double batch = problem.batch, trace = problem.covariance.trace();
  return [=, custom = problem.nonlinearity, spread = problem.norm_spread, rule = problem.threshold_rule,
          threshold = problem.threshold](double P) {
    const double h = threshold_at_risk(method, rule, threshold, trace, *noise, P);
    ResidualCoefficients sum;
    for (const double k : spread) {
      const double bound = method == "clip" ? h / std::sqrt(k) : h;
      const ResidualCoefficients r = bent_residual(custom.get(), method, bound, *noise, k * P);
      sum.mu += k * r.mu;
      sum.q += k * r.q;
      sum.c2 += k * k * r.c2;
    }
    const double n = static_cast<double>(spread.size()), mu = sum.mu / n;
    return LawValues{mu, sum.q / n / batch, sum.c2 / n / batch + (1 - 1 / batch) * mu * mu};
  };
}

ScalarLaws::Function residual_laws(const NonlinearProblem& problem) {
  const std::string method = problem.method;
  const double batch = problem.batch, trace = problem.covariance.trace();
  const std::shared_ptr<const ingredients::Noise> noise = effective_noise(problem);
  if (problem.nonlinearity) problem.nonlinearity->require_finite(*noise);
  const bool bounded = problem.nonlinearity || method == "lad" || method == "quantile" ||
                       (method != "sgd" && (std::isfinite(problem.threshold) || problem.threshold_rule != "constant"));
  if (!bounded && !std::isfinite(noise->variance()))
    throw std::invalid_argument(
        fmt::format("noise.law: the variance of {} is infinite, so that SGD without clipping has no theory; choose a "
                    "bounded nonlinearity",
                    noise->name()));
  if (method == "mean-clip") {
    if (!noise->gaussian())
      throw std::invalid_argument(
          "optimizer.kind: the theory of mean-clip is known for Gaussian noise only; it can be simulated");
    if (!problem.norm_spread.empty())
      throw std::invalid_argument("theory.norm_spread: corrects examples, which mean-clip does not look at");
    const double c = problem.threshold;
    return [=](double P) {
      const double tau2 = P + noise->variance();
      const MeanClipFactors f = mean_clip_factors(tau2, batch, c, trace);
      // b takes the second moment whole; the part along the mean is of order 1/intdim like the error of mu and nu.
      return LawValues{f.mu, f.nu * tau2 / batch, 0};
    };
  }
  if (!problem.norm_spread.empty()) return spread_laws(problem, noise);
  return [=, custom = problem.nonlinearity, rule = problem.threshold_rule, threshold = problem.threshold,
          mixture = std::make_shared<MixtureCache>(noise)](double P) {
    const double h = threshold_at_risk(method, rule, threshold, trace, *noise, P);
    require_positive(P);
    const auto chi = custom ? nullptr : method_nonlinearity(method, h);
    const ResidualCoefficients r =
        !chi || chi->identity() ? bent_residual(custom.get(), method, h, *noise, P) : averaged(*chi, mixture->at(P), P);
    return LawValues{r.mu, r.q / batch, r.c2 / batch + (1 - 1 / batch) * r.mu * r.mu};
  };
}

/// Adam's laws under noise that is not Gaussian: found by simulation at whole powers of e, a cubic between.
class SimulatedAdam {
 public:
  SimulatedAdam(double beta1, double beta2, double batch, std::shared_ptr<const ingredients::Noise> noise)
      : beta1_(beta1), beta2_(beta2), batch_(batch), noise_(std::move(noise)) {}

  LawValues operator()(double P) {
    const double x = std::log(P), floor = std::floor(x), t = x - floor;
    std::array<std::array<double, 2>, 4> y{};
    for (int j = 0; j < 4; ++j) y[static_cast<std::size_t>(j)] = at(static_cast<int>(floor) + j - 1);
    const auto value = [&](std::size_t c) {
      const double slope1 = (y[2][c] - y[0][c]) / 2, slope2 = (y[3][c] - y[1][c]) / 2, step = y[2][c] - y[1][c];
      return std::exp(y[1][c] +
                      t * (slope1 + t * ((3 * step - 2 * slope1 - slope2) + t * (slope1 + slope2 - 2 * step))));
    };
    return {value(0), value(1), 0};
  }

 private:
  const std::array<double, 2>& at(int power) {
    const auto it = known_.find(power);
    if (it != known_.end()) return it->second;
    const AdamCoefficients c = adam_laws_at(beta1_, beta2_, batch_, *noise_, std::exp(power));
    return known_[power] = {std::log(c.drift), std::log(c.noise)};
  }

  double beta1_, beta2_, batch_;
  std::shared_ptr<const ingredients::Noise> noise_;
  std::map<int, std::array<double, 2>> known_;
};

ScalarLaws::Function adam_laws(const NonlinearProblem& problem, std::shared_ptr<const ingredients::Noise> noise) {
  const double batch = problem.batch;
  if (noise->gaussian()) {
    const AdamCoefficients c = adam_coefficients(problem.ema, problem.ema_square, batch);
    return [=](double P) { return LawValues{c.drift * std::sqrt(batch / (P + noise->variance())), c.noise, 0}; };
  }
  if (!problem.covariance.diagonal)
    throw std::invalid_argument(
        "optimizer.kind: for noise that is not Gaussian the theory of adam is known for a diagonal covariance only, "
        "for "
        "how the noise of two coordinates correlates would depend on the risk; it can be simulated");
  adam_coefficients(problem.ema, problem.ema_square, batch);  // checks its range
  return [laws = std::make_shared<SimulatedAdam>(problem.ema, problem.ema_square, batch, std::move(noise))](double P) {
    return (*laws)(P);
  };
}

ScalarLaws::Function sign_laws(const NonlinearProblem& problem) {
  const std::string& method = problem.method;
  const double batch = problem.batch, beta = problem.ema;
  const std::shared_ptr<const ingredients::Noise> noise = effective_noise(problem);
  if (method == "sign-late" || method == "ema-sign")
    return [=](double P) { return LawValues{late_drift(*noise, P, batch), 1, 0}; };
  if (method == "sign-early")
    return [=](double P) {
      const double a = sign_phi(*noise, P) / std::sqrt(P);
      return LawValues{a, 1 / batch, (1 - 1 / batch) * a * a};
    };
  if (method == "sign-majority") {
    const double gain = majority_gain(batch), b = 1 - majority_tie(batch);
    return [=](double P) { return LawValues{gain * sign_phi(*noise, P) / std::sqrt(P), b, 0}; };
  }
  if (method == "sign-ema") {
    if (!noise->gaussian())
      throw std::invalid_argument(
          "optimizer.kind: the theory of sign-ema is known for Gaussian noise only; it can be simulated");
    const double gain = ema_sign_gain(beta, batch), N = ema_sign_noise(beta, batch);
    return [=](double P) { return LawValues{gain / std::sqrt(P + noise->variance()), N, 0}; };
  }
  if (method == "adam") return adam_laws(problem, noise);
  throw std::invalid_argument(fmt::format("optimizer.kind: no laws for '{}'", method));
}

}  // namespace

std::unique_ptr<ResidualNonlinearity> method_nonlinearity(const std::string& method, double threshold) {
  if (method == "sgd") return identity_nonlinearity();
  if (method == "lad") return sign_nonlinearity();
  if (method == "quantile") return quantile_nonlinearity(threshold);
  if (method == "reject") return rejection_nonlinearity(threshold);
  return huber_nonlinearity(threshold);
}

std::shared_ptr<const ingredients::Noise> effective_noise(const NonlinearProblem& problem) {
  if (problem.covariance.unexplained_variance == 0) return problem.noise;
  return ingredients::blurred_noise(problem.noise, problem.covariance.unexplained_variance);
}

NoiseKernel noise_kernel(const NonlinearProblem& problem) {
  const double batch = problem.batch, beta = problem.ema;
  if (problem.covariance.diagonal || (batch == 1 && problem.method == "sign-majority")) return arcsine_kernel;
  if (problem.method == "sign-majority") {
    if (batch > most_majority)
      throw std::invalid_argument(fmt::format(
          "optimizer.batch: the theory of sign-majority beyond a diagonal covariance sums over all splits of "
          "the batch, of at most {} examples; it can be simulated",
          most_majority));
    return [weight = majority_weights(batch), total = 1 - majority_tie(batch)](double c) {
      const double tau = arcsine_kernel(c);
      double sum = 0;
      for (std::size_t k = weight.size(); k-- > 0;) sum = sum * tau + weight[k];
      return sum / total;
    };
  }
  if (problem.method == "sign-ema")
    return [beta, total = ema_sign_noise(beta)](double c) {
      double sum = arcsine_kernel(c);
      for (double power = beta; power > 1e-17; power *= beta) sum += 2 * arcsine_kernel(c * power);
      return sum / total;
    };
  if (problem.method == "adam") return adam_noise_kernel(beta, problem.ema_square, batch);
  return arcsine_kernel;
}

ScalarLaws scalar_laws(const NonlinearProblem& problem) {
  return ScalarLaws(problem.coordinatewise() ? sign_laws(problem) : residual_laws(problem));
}

}  // namespace edgewise::models::nonlinear
