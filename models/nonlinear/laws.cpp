#include "models/nonlinear/laws.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/constants/constants.hpp>
#include <boost/math/quadrature/gauss.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <stdexcept>

#include "models/nonlinear/adam.hpp"
#include "models/nonlinear/criteria.hpp"

namespace edgewise::models {

namespace {

constexpr double pi = boost::math::constants::pi<double>();
const double root_two_over_pi = std::sqrt(2 / pi);

double normal_pdf(double x) {
  return std::exp(-x * x / 2) / std::sqrt(2 * pi);
}
double upper_tail(double x) {
  return std::erfc(x / std::sqrt(2.0)) / 2;
}

/// Of r ~ N(mean, s^2) inside [-h, h].
struct Truncated {
  double mass = 0, outside = 0;  ///< probability inside and outside
  double second = 0;             ///< E r^2 1{|r| < h}
  double edges = 0;              ///< p(h) + p(-h)
  double slopes = 0;             ///< p'(h) - p'(-h)
};

Truncated truncated(double mean, double s, double h) {
  Truncated t;
  const double m = std::abs(mean);  // every part is even in the mean
  if (std::isinf(h)) {
    t.mass = 1;
    t.second = m * m + s * s;
    return t;
  }
  const double upper = (h - m) / s, lower = (-h - m) / s;
  const double at_upper = normal_pdf(upper), at_lower = normal_pdf(lower);
  t.edges = (at_upper + at_lower) / s;
  t.slopes = (-upper * at_upper + lower * at_lower) / (s * s);
  t.outside = upper_tail(upper) + upper_tail(-lower);
  if (h < s / 2) {
    // The closed forms cancel where the interval is narrow; there the density is smooth on it.
    using Rule = boost::math::quadrature::gauss<double, 20>;
    t.mass = Rule::integrate([&](double r) { return normal_pdf((r - m) / s) / s; }, -h, h);
    t.second = Rule::integrate([&](double r) { return r * r * normal_pdf((r - m) / s) / s; }, -h, h);
  } else {
    t.mass = upper > 0 ? 1 - t.outside : upper_tail(-upper) - upper_tail(-lower);
    t.second =
        (m * m + s * s) * t.mass - 2 * m * s * (at_upper - at_lower) - s * s * (upper * at_upper - lower * at_lower);
  }
  return t;
}

class Identity final : public ResidualNonlinearity {
 public:
  double operator()(double r) const override { return r; }
  ResidualCoefficients gaussian(double mean, double variance) const override { return {1, mean * mean + variance, 2}; }
};

class Huber final : public ResidualNonlinearity {
 public:
  explicit Huber(double h) : h_(h) {}
  double operator()(double r) const override { return std::clamp(r, -h_, h_); }
  ResidualCoefficients gaussian(double mean, double variance) const override {
    const Truncated t = truncated(mean, std::sqrt(variance), h_);
    if (std::isinf(h_)) return {t.mass, t.second, 2};
    return {t.mass, t.second + h_ * h_ * t.outside, 2 * t.mass - 2 * h_ * t.edges};
  }

 private:
  double h_;
};

class Sign final : public ResidualNonlinearity {
 public:
  double operator()(double r) const override { return r > 0 ? 1 : r < 0 ? -1 : 0; }
  ResidualCoefficients gaussian(double mean, double variance) const override {
    const double s = std::sqrt(variance);
    return {2 * normal_pdf(mean / s) / s, 1, 0};
  }
};

class Quantile final : public ResidualNonlinearity {
 public:
  explicit Quantile(double tau) : tau_(tau) {}
  double operator()(double r) const override { return (r > 0 ? 1.0 : 0.0) - tau_; }
  ResidualCoefficients gaussian(double mean, double variance) const override {
    const double s = std::sqrt(variance), z = mean / s, density = normal_pdf(z) / s;
    const double positive = upper_tail(-z), negative = upper_tail(z);
    return {density, (1 - tau_) * (1 - tau_) * positive + tau_ * tau_ * negative, -(1 - 2 * tau_) * z / s * density};
  }

 private:
  double tau_;
};

class Rejection final : public ResidualNonlinearity {
 public:
  explicit Rejection(double h) : h_(h) {}
  double operator()(double r) const override { return std::abs(r) < h_ ? r : 0; }
  ResidualCoefficients gaussian(double mean, double variance) const override {
    const Truncated t = truncated(mean, std::sqrt(variance), h_);
    if (std::isinf(h_)) return {t.mass, t.second, 2};
    return {t.mass - h_ * t.edges, t.second, 2 * t.mass - 2 * h_ * t.edges + h_ * h_ * t.slopes};
  }

 private:
  double h_;
};

class General final : public ResidualNonlinearity {
 public:
  General(std::function<double(double)> chi, std::vector<double> kinks)
      : chi_(std::move(chi)), kinks_(std::move(kinks)) {}
  double operator()(double r) const override { return chi_(r); }
  ResidualCoefficients gaussian(double mean, double variance) const override {
    using Rule = boost::math::quadrature::gauss<double, 30>;
    const double s = std::sqrt(variance), reach = 12;
    // Panels of two standard deviations, cut at the kinks.
    std::vector<double> cuts;
    for (double z = -reach; z <= reach; z += 2) cuts.push_back(z);
    for (const double kink : kinks_)
      if (const double z = (kink - mean) / s; std::abs(z) < reach) cuts.push_back(z);
    std::sort(cuts.begin(), cuts.end());
    ResidualCoefficients out;
    for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
      if (cuts[i + 1] - cuts[i] < 1e-15) continue;
      out.mu += Rule::integrate([&](double z) { return chi_(mean + s * z) * z * normal_pdf(z); }, cuts[i], cuts[i + 1]);
      out.q += Rule::integrate(
          [&](double z) {
            const double chi = chi_(mean + s * z);
            return chi * chi * normal_pdf(z);
          },
          cuts[i], cuts[i + 1]);
      out.c2 += Rule::integrate(
          [&](double z) {
            const double chi = chi_(mean + s * z);
            return chi * chi * (z * z - 1) * normal_pdf(z);
          },
          cuts[i], cuts[i + 1]);
    }
    out.mu /= s;
    out.c2 /= variance;
    return out;
  }

 private:
  std::function<double(double)> chi_;
  std::vector<double> kinks_;
};

void require_positive(double P) {
  if (!(P > 0)) throw std::invalid_argument("the laws need P > 0");
}

ResidualCoefficients averaged(const ResidualNonlinearity& chi, std::span<const MixtureNode> nodes, double P) {
  ResidualCoefficients out;
  for (const MixtureNode& node : nodes) {
    const ResidualCoefficients one = chi.gaussian(-node.mean, P + node.variance);
    out.mu += node.probability * one.mu;
    out.q += node.probability * one.q;
    out.c2 += node.probability * one.c2;
  }
  return out;
}

double median_variance(std::span<const MixtureNode> nodes) {
  std::vector<std::pair<double, double>> sorted;
  for (const MixtureNode& node : nodes) sorted.emplace_back(node.variance + node.mean * node.mean, node.probability);
  std::sort(sorted.begin(), sorted.end());
  double total = 0;
  for (const auto& [variance, probability] : sorted) {
    total += probability;
    if (total >= 0.5) return variance;
  }
  return sorted.back().first;
}

}  // namespace

std::unique_ptr<ResidualNonlinearity> identity_nonlinearity() {
  return std::make_unique<Identity>();
}
std::unique_ptr<ResidualNonlinearity> huber_nonlinearity(double h) {
  return std::make_unique<Huber>(h);
}
std::unique_ptr<ResidualNonlinearity> sign_nonlinearity() {
  return std::make_unique<Sign>();
}
std::unique_ptr<ResidualNonlinearity> quantile_nonlinearity(double tau) {
  return std::make_unique<Quantile>(tau);
}
std::unique_ptr<ResidualNonlinearity> rejection_nonlinearity(double h) {
  return std::make_unique<Rejection>(h);
}
std::unique_ptr<ResidualNonlinearity> general_nonlinearity(std::function<double(double)> chi,
                                                           std::vector<double> kinks) {
  return std::make_unique<General>(std::move(chi), std::move(kinks));
}

ResidualCoefficients residual_coefficients(const ResidualNonlinearity& chi, const Noise& noise, double P) {
  require_positive(P);
  // The second moment of a heavy tail is known better than its quadrature.
  if (dynamic_cast<const Identity*>(&chi)) return {1, P + noise.variance(), 2};
  return averaged(chi, noise.nodes(std::sqrt(P)), P);
}

ResidualDensity residual_density(std::span<const MixtureNode> nodes, double P, double r) {
  ResidualDensity out;
  for (const MixtureNode& node : nodes) {
    const double s2 = P + node.variance, z = r + node.mean;
    const double density = node.probability * std::exp(-z * z / (2 * s2)) / std::sqrt(2 * pi * s2);
    out.value += density;
    out.slope -= z / s2 * density;
  }
  return out;
}

double sign_phi(const Noise& noise, double P) {
  require_positive(P);
  return 2 / pi * noise.exponential_average(P);
}

double late_drift(const Noise& noise, double P, double batch) {
  require_positive(P);
  if (batch == 1) return sign_phi(noise, P) / std::sqrt(P);
  if (noise.gaussian())
    return 2 / std::sqrt(pi) * boost::math::tgamma_delta_ratio((batch + 1) / 2, -0.5) / std::sqrt(P + noise.variance());
  // a = sqrt(2/pi) (B/sqrt pi) int_0^inf t^(-1/2) (g + 2 t g') g^(B-1) dt, g(t) = E exp(-t r^2), t = e^y / scale.
  const std::vector<MixtureNode> nodes = noise.nodes(std::sqrt(P));
  const double scale = P + median_variance(nodes);
  double sum = 0;
  for (int i = -600; i <= 600; ++i) {
    const double t = std::exp(0.1 * i) / scale;
    double g = 0, drift = 0;
    for (const MixtureNode& node : nodes) {
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

double ema_sign_noise(double beta) {
  double sum = 0;
  for (double power = beta; power > 1e-17; power *= beta) sum += std::asin(power);
  return 1 + 4 / pi * sum;
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

using Chi = std::unique_ptr<ResidualNonlinearity>;

Chi nonlinearity(const std::string& method, double threshold) {
  if (method == "sgd") return identity_nonlinearity();
  if (method == "lad") return sign_nonlinearity();
  if (method == "quantile") return quantile_nonlinearity(threshold);
  if (method == "reject") return rejection_nonlinearity(threshold);
  return huber_nonlinearity(threshold);
}

ScalarLaws::Function residual_laws(const NonlinearProblem& problem) {
  const std::string method = problem.method;
  const double batch = problem.batch, trace = problem.covariance.trace();
  const std::shared_ptr<const Noise> noise = effective_noise(problem);
  const bool bounded = method == "lad" || method == "quantile" ||
                       (method != "sgd" && (std::isfinite(problem.threshold) || problem.threshold_rule != "constant"));
  if (!bounded && !std::isfinite(noise->variance()))
    throw std::invalid_argument(
        fmt::format("noise.law: the variance of {} is infinite, so that SGD without clipping has no theory; choose a "
                    "bounded nonlinearity",
                    noise->name()));
  if (method == "mean-clip") {
    if (!noise->gaussian())
      throw std::invalid_argument("optimizer.kind: the theory of mean-clip is known for Gaussian noise only");
    const double c = problem.threshold;
    return [=](double P) {
      const double tau2 = P + noise->variance();
      const MeanClipFactors f = mean_clip_factors(tau2, batch, c, trace);
      // b takes the second moment whole; the part along the mean is of order 1/intdim like the error of mu and nu.
      return LawValues{f.mu, f.nu * tau2 / batch, 0};
    };
  }
  return [=, rule = problem.threshold_rule, threshold = problem.threshold](double P) {
    const double h = threshold_at_risk(method, rule, threshold, trace, *noise, P);
    const ResidualCoefficients r = residual_coefficients(*nonlinearity(method, h), *noise, P);
    return LawValues{r.mu, r.q / batch, r.c2 / batch + (1 - 1 / batch) * r.mu * r.mu};
  };
}

ScalarLaws::Function sign_laws(const NonlinearProblem& problem) {
  const std::string& method = problem.method;
  const double batch = problem.batch, beta = problem.ema;
  const std::shared_ptr<const Noise> noise = effective_noise(problem);
  if (method == "sign-late" || method == "ema-sign")
    return [=](double P) { return LawValues{late_drift(*noise, P, batch), 1, 0}; };
  if (method == "sign-early")
    return [=](double P) {
      const double a = sign_phi(*noise, P) / std::sqrt(P);
      return LawValues{a, 1 / batch, (1 - 1 / batch) * a * a};
    };
  if (method == "sign-majority") {
    if (!problem.covariance.diagonal && batch > 1)
      throw std::invalid_argument(
          "optimizer.kind: the theory of sign-majority is known for a diagonal covariance only");
    const double gain = majority_gain(batch), b = 1 - majority_tie(batch);
    return [=](double P) { return LawValues{gain * sign_phi(*noise, P) / std::sqrt(P), b, 0}; };
  }
  if (method == "sign-ema") {
    if (!noise->gaussian() || batch != 1)
      throw std::invalid_argument(
          "optimizer.kind: the theory of sign-ema is known for Gaussian noise and batch 1 only");
    if (!problem.covariance.diagonal)
      throw std::invalid_argument("optimizer.kind: the theory of sign-ema is known for a diagonal covariance only");
    const double gain = std::sqrt(2 / pi * (1 + beta) / (1 - beta)), N = ema_sign_noise(beta);
    return [=](double P) { return LawValues{gain / std::sqrt(P + noise->variance()), N, 0}; };
  }
  if (method == "adam") {
    if (!noise->gaussian() || batch != 1)
      throw std::invalid_argument("optimizer.kind: the theory of adam is known for Gaussian noise and batch 1 only");
    if (!problem.covariance.diagonal)
      throw std::invalid_argument("optimizer.kind: the theory of adam is known for a diagonal covariance only");
    const AdamCoefficients c = adam_coefficients(beta, problem.ema_square);
    return [=](double P) { return LawValues{c.drift / std::sqrt(P + noise->variance()), c.noise, 0}; };
  }
  throw std::invalid_argument(fmt::format("optimizer.kind: no laws for '{}'", method));
}

}  // namespace

std::shared_ptr<const Noise> effective_noise(const NonlinearProblem& problem) {
  if (problem.covariance.unexplained_variance == 0) return problem.noise;
  return blurred_noise(problem.noise, problem.covariance.unexplained_variance);
}

ScalarLaws scalar_laws(const NonlinearProblem& problem) {
  return ScalarLaws(problem.coordinatewise() ? sign_laws(problem) : residual_laws(problem));
}

}  // namespace edgewise::models
