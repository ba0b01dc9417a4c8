#include "models/nonlinear/laws.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <boost/math/special_functions/binomial.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <limits>
#include <mutex>
#include <numbers>
#include <stdexcept>

#include "models/nonlinear/adam.hpp"
#include "models/nonlinear/criteria.hpp"
#include "models/nonlinear/custom_nonlinearity.hpp"
#include "models/nonlinear/ema_sign.hpp"
#include "numerics/chebyshev.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::nonlinear {

namespace {

/// Beyond it the binomial coefficients of majority_weights lose their digits.
constexpr double most_majority = 50;
const double root_two_over_pi = std::sqrt(2 / pi);

void require_positive(double P) {
  if (!(P > 0)) throw std::invalid_argument("the laws need P > 0");
}

/// Gamma(x + 1/2)/Gamma(x), x > 0.
double gamma_ratio(double x) {
  if (x < 1000) return boost::math::tgamma_delta_ratio(x + 0.5, -0.5);
  const double y = 1 / (8 * x);
  return std::sqrt(x) * (1 - y * (1 - y * (0.5 + y * (2.5 - y * 2.625))));
}

/// int_0^inf t^power g(t)^B dt/t with g(t) = E exp(-t r^2) for power < B/2, as a logarithm. In x = log 2tP the integrand
/// is analytic for |Im x| < pi/2: a trapezoid rule, from where g falls like t^(-1/2) down to where t^power alone, which
/// bounds it, is nothing beside what was found.
double log_late_integral(const ingredients::Noise& noise, double P, double batch, double power) {
  constexpr double step = 0.2, negligible = 1e-17;
  const double log_P = std::log(P);
  double largest = -std::numeric_limits<double>::infinity(), sum = 0;  // of e^(exponent - largest)
  double x = 80 / (batch / 2 - power);
  for (; sum == 0 || power * x - std::log(power * step) > largest + std::log(negligible * sum); x -= step) {
    const double wide = x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));  // log(1 + 2tP)
    const double widened = log_P + wide - x;                                             // log(P + 1/2t)
    const double exponent = power * x + batch * (noise.log_exponential_average_at(widened) - 0.5 * wide);
    if (!(exponent > -1e300)) continue;
    if (exponent > largest) {
      sum *= std::exp(largest - exponent);
      largest = exponent;
    }
    sum += std::exp(exponent - largest);
  }
  return largest + std::log(sum * step) - power * (std::log(2.0) + log_P);
}

}  // namespace

ResidualCoefficients residual_coefficients(const ResidualNonlinearity& chi, const ingredients::Noise& noise, double P) {
  require_positive(P);
  // The second moment of a heavy tail is known better than its quadrature.
  if (chi.identity()) return {1, P + noise.variance(), 2};
  ResidualCoefficients out;
  for (const ingredients::MixtureNode& node :
       noise.nodes({std::sqrt(P), chi.kinks(), chi.joints(), 2 * chi.growth()})) {
    const ResidualCoefficients one = chi.gaussian(-node.mean, P + node.variance);
    out.mu += node.probability * one.mu;
    out.q += node.probability * one.q;
    out.c2 += node.probability * one.c2;
  }
  return out;
}

ingredients::DensitySlope residual_density(const ingredients::Noise& noise, double P, double r) {
  return noise.blurred_density(std::sqrt(P), r, 0);
}

double sign_phi(const ingredients::Noise& noise, double P) {
  require_positive(P);
  return 2 / pi * noise.exponential_average(P);
}

double late_drift(const ingredients::Noise& noise, double P, double batch) {
  require_positive(P);
  if (batch == 1) return sign_phi(noise, P) / std::sqrt(P);
  if (noise.gaussian()) return 2 / std::sqrt(pi) * gamma_ratio(batch / 2) / std::sqrt(P + noise.variance());
  return std::numbers::sqrt2 / pi * std::exp(std::log(batch - 1) + log_late_integral(noise, P, batch, 0.5));
}

double late_coupling(const ingredients::Noise& noise, double P, double batch) {
  require_positive(P);
  if (batch == 1) return 0;
  if (noise.gaussian()) return 2 / pi * (batch - 1) / (P + noise.variance());
  if (batch == 2) return pi / 2 * std::pow(late_drift(noise, P, 1), 2);
  return 2 / pi * std::exp(std::log(batch - 1) + std::log(batch - 2) + log_late_integral(noise, P, batch, 1));
}

double majority_gain(double batch) {
  // E|S_B| = B C(B-1, floor((B-1)/2)) / 2^(B-1) for a walk of B signs, with C(2m, m)/4^m = Gamma(m+1/2)/(sqrt(pi) m!).
  const double m = std::ceil((batch - 1) / 2);
  return batch / (std::sqrt(pi) * gamma_ratio(m + 0.5));
}

double majority_tie(double batch) {
  const double half = batch / 2;
  if (half != std::floor(half)) return 0;
  return 1 / (std::sqrt(pi) * gamma_ratio(half + 0.5));
}

double majority_ties(double batch, double tau) {
  // By the Fourier integral of both sums, (cos s cos t - tau sin s sin t)^B, term by term.
  double weight = std::pow(majority_tie(batch), 2), sum = 0;
  for (double k = 0; weight != 0; k += 2) {
    sum += weight;
    if (k == batch) break;
    weight *= tau * tau * (batch - k) * (k + 1) / ((k + 2) * (batch - k - 1));
  }
  return sum;
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
  if (std::isinf(u)) return {1, 1};
  const double inside = boost::math::gamma_p(batch / 2 + 1, u);
  MeanClipFactors out;
  out.mu = inside + x0 / batch * std::sqrt(2.0) * gamma_ratio(batch / 2) * boost::math::gamma_q((batch + 1) / 2, u);
  out.nu = inside + x0 * x0 / batch * boost::math::gamma_q(batch / 2, u);
  return out;
}

struct ScalarLaws::Table {
  std::mutex mutex;
  std::map<Place, std::shared_ptr<const Panel>> panels;
};

namespace {

std::shared_ptr<ScalarLaws::Table> table_of(const std::string& key) {
  if (key.empty()) return std::make_shared<ScalarLaws::Table>();
  constexpr std::size_t most = 1000;  // some 10 kB each
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<ScalarLaws::Table>> known;
  const std::lock_guard lock(mutex);
  if (known.size() >= most) known.clear();
  auto& table = known[key];
  if (!table) table = std::make_shared<ScalarLaws::Table>();
  return table;
}

}  // namespace

ScalarLaws::ScalarLaws(Function exact, double width, double error, const std::string& key)
    : exact_(std::move(exact)), width_(width), error_(error), table_(table_of(key)) {}

const ScalarLaws::Panel& ScalarLaws::panel(double log_P, double& x, double& width) const {
  width = width_;
  for (int level = 0;; ++level, width /= 2) {
    const double number = std::floor(log_P / width), first = number * width;
    const Place place(level, static_cast<int>(number));
    auto& mine = panels_[place];
    if (!mine) {
      const std::lock_guard lock(table_->mutex);
      auto& shared = table_->panels[place];
      if (!shared) shared = std::make_shared<const Panel>(made(level, first, width));
      mine = shared;
    }
    if (mine->halved) continue;
    x = 2 * (log_P - first) / width - 1;
    return *mine;
  }
}

ScalarLaws::Panel ScalarLaws::made(int level, double first, double width) const {
  constexpr int deepest = 10;
  Panel out;
  std::array<std::array<double, order>, 3> sample{};
  for (std::size_t j = 0; j < order; ++j) {
    const LawValues v = exact_(std::exp(first + width * (numerics::chebyshev_nodes<order>()[j] + 1) / 2));
    sample[0][j] = v.a;
    sample[1][j] = v.b;
    sample[2][j] = v.c;
  }
  const double largest_a = std::ranges::max(sample[0]);
  for (std::size_t k = 0; k < 3; ++k) {
    Curve& curve = out.curve[k];
    // c counts beside a^2.
    double size = k == 2 ? largest_a * largest_a : 0;
    for (const double v : sample[k]) size = std::max(size, std::abs(v));
    curve.logarithmic = std::all_of(sample[k].begin(), sample[k].end(), [](double v) { return v > 0; });
    if (curve.logarithmic)
      for (double& v : sample[k]) v = std::log(v);
    curve.coefficient = numerics::chebyshev_series(sample[k]);
    for (std::size_t n = order - 3; n < order; ++n)
      if (std::abs(curve.coefficient[n]) > error_ * (curve.logarithmic ? 1 : size)) out.halved = level < deepest;
  }
  return out;
}

LawValues ScalarLaws::operator()(double P) const {
  double x = 0, width = 0;
  const Panel& p = panel(std::log(std::max(P, 1e-300)), x, width);
  const auto value = [x](const Curve& curve) {
    const double v = numerics::chebyshev_sum(curve.coefficient, x).first;
    return curve.logarithmic ? std::exp(v) : v;
  };
  return {value(p.curve[0]), value(p.curve[1]), value(p.curve[2])};
}

std::pair<LawValues, LawValues> ScalarLaws::with_derivative(double P) const {
  double x = 0, width = 0;
  const Panel& p = panel(std::log(std::max(P, 1e-300)), x, width);
  const auto both = [x, per_log = 2 / width](const Curve& curve) {
    const auto [v, dv] = numerics::chebyshev_sum(curve.coefficient, x);
    const double value = curve.logarithmic ? std::exp(v) : v;
    return std::pair(value, per_log * dv * (curve.logarithmic ? value : 1.0));
  };
  const auto a = both(p.curve[0]), b = both(p.curve[1]), c = both(p.curve[2]);
  return {{a.first, b.first, c.first}, {a.second, b.second, c.second}};
}

namespace {

ScalarLaws::Function residual_laws(const NonlinearProblem& problem) {
  const Method method = problem.method;
  const double batch = problem.batch, trace = problem.covariance.trace();
  const std::shared_ptr<const ingredients::Noise> noise = effective_noise(problem);
  if (problem.nonlinearity) problem.nonlinearity->require_finite(*noise);
  const bool bounded =
      problem.nonlinearity || method == Method::lad || method == Method::quantile ||
      (method != Method::sgd && (std::isfinite(problem.threshold) || problem.threshold_rule != "constant"));
  if (!bounded && !std::isfinite(noise->variance()))
    throw std::invalid_argument(
        fmt::format("noise.law: the variance of {} is infinite, so that SGD without clipping has no theory; choose a "
                    "bounded nonlinearity",
                    noise->name()));
  if (method == Method::mean_clip) {
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
  // Examples whose norms spread (docs/theory/sign-and-clip.md, section 5.5): x = sqrt(k) N(0, K), k one of `spread`, equally
  // likely. Norm clipping sees the residual at h/sqrt(k).
  std::vector<double> spread = problem.norm_spread;
  if (spread.empty()) spread = {1};
  return [=, custom = problem.nonlinearity, rule = problem.threshold_rule, threshold = problem.threshold](double P) {
    const double h = threshold_at_risk(method, rule, threshold, trace, *noise, P);
    ResidualCoefficients sum;
    for (const double k : spread) {
      std::shared_ptr<const ResidualNonlinearity> chi = custom;
      if (!chi) chi = method_nonlinearity(method, method == Method::clip ? h / std::sqrt(k) : h);
      const ResidualCoefficients r = residual_coefficients(*chi, *noise, k * P);
      sum.mu += k * r.mu;
      sum.q += k * r.q;
      sum.c2 += k * k * r.c2;
    }
    const double n = static_cast<double>(spread.size());
    return law_of_batch({sum.mu / n, sum.q / n, sum.c2 / n}, batch);
  };
}

ScalarLaws::Function adam_laws(const NonlinearProblem& problem, std::shared_ptr<const ingredients::Noise> noise) {
  const double batch = problem.batch;
  if (noise->gaussian()) {
    const AdamCoefficients c = adam_coefficients(problem.ema, problem.ema_square, batch);
    return [=](double P) { return LawValues{c.drift * std::sqrt(batch / (P + noise->variance())), c.noise, 0}; };
  }
  if (!problem.covariance.diagonal)
    throw std::invalid_argument(
        "optimizer.kind: for noise that is not Gaussian the theory of adam is known for a diagonal covariance only, "
        "for how the noise of two coordinates correlates would depend on the risk; it can be simulated");
  return [=, beta1 = problem.ema, beta2 = problem.ema_square](double P) {
    const AdamCoefficients c = adam_laws_at(beta1, beta2, batch, *noise, P);
    return LawValues{c.drift, c.noise, 0};
  };
}

ScalarLaws::Function sign_laws(const NonlinearProblem& problem) {
  const Method method = problem.method;
  const double batch = problem.batch, beta = problem.ema;
  const std::shared_ptr<const ingredients::Noise> noise = effective_noise(problem);
  if (method == Method::sign_late || method == Method::ema_sign)
    return [=](double P) { return LawValues{late_drift(*noise, P, batch), 1, 0}; };
  if (method == Method::sign_early)
    return [=](double P) {
      const double a = sign_phi(*noise, P) / std::sqrt(P);
      return LawValues{a, 1 / batch, (1 - 1 / batch) * a * a};
    };
  if (method == Method::sign_majority) {
    const double gain = majority_gain(batch), b = 1 - majority_tie(batch);
    return [=](double P) { return LawValues{gain * sign_phi(*noise, P) / std::sqrt(P), b, 0}; };
  }
  if (method == Method::sign_ema) {
    if (!noise->gaussian())
      throw std::invalid_argument(
          "optimizer.kind: the theory of sign-ema is known for Gaussian noise only; it can be simulated");
    const double gain = ema_sign_gain(beta, batch), N = ema_sign_noise(beta, batch);
    return [=](double P) { return LawValues{gain / std::sqrt(P + noise->variance()), N, 0}; };
  }
  if (method == Method::adam) return adam_laws(problem, noise);
  throw std::invalid_argument(fmt::format("optimizer.kind: no laws for '{}'", method.word()));
}

/// All that the laws depend on; empty where that has no name.
std::string key_of(const NonlinearProblem& p) {
  if ((p.nonlinearity && p.nonlinearity->name().empty()) || !p.norm_spread.empty()) return {};
  const std::shared_ptr<const ingredients::Noise> noise = effective_noise(p);
  const bool norms = p.method == Method::clip || p.method == Method::mean_clip;
  std::string key = fmt::format("{} {} {:a} {:a} {:a} {:a} {:a}; {} {:a} {:a}", p.method.word(), p.threshold_rule,
                                p.threshold, norms ? p.covariance.trace() : 0.0, p.batch, p.ema, p.ema_square,
                                noise->name(), noise->variance(), noise->tail_index());
  for (const double size : noise->sizes()) key += fmt::format(" {:a}", size);
  if (p.nonlinearity) key += "; " + p.nonlinearity->name();
  return key;
}

}  // namespace

LawValues law_of_batch(const ResidualCoefficients& example, double batch) {
  const double mu = example.mu;
  return {mu, example.q / batch, example.c2 / batch + (1 - 1 / batch) * mu * mu};
}

std::unique_ptr<ResidualNonlinearity> method_nonlinearity(Method method, double threshold) {
  if (method == Method::sgd) return identity_nonlinearity();
  if (method == Method::lad) return sign_nonlinearity();
  if (method == Method::quantile) return quantile_nonlinearity(threshold);
  if (method == Method::reject) return rejection_nonlinearity(threshold);
  return huber_nonlinearity(threshold);
}

std::shared_ptr<const ingredients::Noise> effective_noise(const NonlinearProblem& problem) {
  if (problem.covariance.unexplained_variance == 0) return problem.noise;
  return ingredients::blurred_noise(problem.noise, problem.covariance.unexplained_variance);
}

NoiseKernel noise_kernel(const NonlinearProblem& problem) {
  const double batch = problem.batch, beta = problem.ema;
  if (problem.covariance.diagonal || (batch == 1 && problem.method == Method::sign_majority)) return arcsine_kernel;
  if (problem.method == Method::sign_majority) {
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
  if (problem.method == Method::sign_ema)
    return [beta, total = ema_sign_noise(beta)](double c) {
      return (arcsine_kernel(c) + 4 / pi * arcsine_sum(c, beta)) / total;
    };
  if (problem.method == Method::adam) return adam_noise_kernel(beta, problem.ema_square, batch);
  return arcsine_kernel;
}

namespace {

/// The majority of `batch` signs, each 0 with probability `zero`, by how many are not: E of its square, and of the square of
/// that given their number.
std::pair<double, double> majority_squares(double batch, double zero) {
  const double mean = batch * (1 - zero), reach = 40 + 12 * std::sqrt(mean), odds = (1 - zero) / zero;
  const double first = std::max(0.0, std::floor(mean - reach)), last = std::min(batch, std::ceil(mean + reach));
  const double middle = std::clamp(std::round(mean), first, last);
  double total = 0;  // of the binomial law, in units of its weight in the middle
  std::pair<double, double> out;
  const auto add = [&](double m, double weight) {
    const double moves = m > 0 ? 1 - majority_tie(m) : 0;
    total += weight;
    out.first += weight * moves;
    out.second += weight * moves * moves;
  };
  double weight = 1;
  for (double m = middle; m <= last; weight *= (batch - m) / (m + 1) * odds, ++m) add(m, weight);
  weight = 1;
  for (double m = middle; m > first; --m) add(m - 1, weight *= m / (batch - m + 1) / odds);
  out.first /= total;
  out.second /= total;
  return out;
}

}  // namespace

StepAtOptimum step_at_optimum(const NonlinearProblem& problem) {
  constexpr double near = 1e-300;  // as P falls to 0
  const std::shared_ptr<const ingredients::Noise> noise = effective_noise(problem);
  const double B = problem.batch;
  const Method method = problem.method;
  if (method == Method::per_example_adam || method == Method::mean_clip) return {};
  const auto atom = [&](double place) { return std::isinf(noise->density(place)); };
  if (problem.coordinatewise()) {
    if (!atom(0)) return {};
    const double zero = noise->exponential_average(near), moves = -std::expm1(B * std::log(zero));
    if (moves == 0) return {.share = 0};
    const double lag = (1 - moves) / moves;
    if (method == Method::sign_early)
      return {.share = 1 - zero, .spread = zero / (1 - zero) / B, .lag = zero / (1 - zero) / B, .missed = zero};
    if (method != Method::sign_majority) return {.share = moves, .spread = lag, .lag = lag, .missed = 1 - moves};
    const auto [b, square] = majority_squares(B, zero);
    return {.share = b / (1 - majority_tie(B)),
            .spread = square / b / b - 1,
            .squares = (b - square) / b / b,
            .lag = lag,
            .missed = std::abs(1 - b / (1 - majority_tie(B)))};
  }
  std::shared_ptr<const ResidualNonlinearity> chi = problem.nonlinearity;
  if (!chi) chi = method_nonlinearity(method, threshold_at_risk(problem, *noise, near));
  if (chi->identity()) return {};
  const std::vector<ingredients::MixtureNode> nodes =
      noise->nodes({std::sqrt(near), chi->kinks(), chi->joints(), 2 * chi->growth()});
  const auto certain = [&](const ingredients::MixtureNode& node) { return node.variance == 0 && atom(node.mean); };
  // E f(r) of a power of chi: at atoms f there, elsewhere averaged by `beside`.
  const auto mean = [&](int power, const ResidualNonlinearity& beside) {
    double sum = 0;
    for (const ingredients::MixtureNode& node : nodes)
      sum += node.probability * (certain(node) ? std::pow((*chi)(-node.mean), power)
                                               : beside.gaussian(-node.mean, near + node.variance).q);
    return sum;
  };
  // What the laws read at P = 0, and what chi is beside an atom, from which they may not tell residuals so near to it.
  const double read = residual_coefficients(*chi, *noise, near).q, q = mean(2, *chi);
  double limit = q;
  for (const ingredients::MixtureNode& node : nodes) {
    if (!certain(node)) continue;
    const double place = -node.mean, aside = std::max(std::abs(place) * 1e-9, std::sqrt(near));
    limit += node.probability * ((std::pow((*chi)(place + aside), 2) + std::pow((*chi)(place - aside), 2)) / 2 -
                                 std::pow((*chi)(place), 2));
  }
  if (std::abs(q - limit) <= 1e-7 * limit) return {};
  if (q == 0) return {.share = 0};
  std::vector<double> cuts(chi->kinks().begin(), chi->kinks().end());
  cuts.insert(cuts.end(), chi->joints().begin(), chi->joints().end());
  const double square =
      mean(4, *general_nonlinearity([&](double r) { return std::pow((*chi)(r), 2); }, cuts, 2 * chi->growth()));
  const double spread = std::max(square / q / q - 1, 0.0) / B;
  return {.share = q / read, .spread = spread, .lag = spread, .missed = std::abs(1 - q / limit)};
}

double memory_lag(const NonlinearProblem& problem) {
  const double beta = problem.ema, beta2 = problem.ema_square;
  if (problem.method == Method::ema_sign) return 2 * beta / (1 - beta) - beta * beta / (1 - beta * beta);
  if (problem.method == Method::sign_ema) return beta > 0 ? 1.4 / (1 - beta) : 0;
  if (problem.method != Method::adam) return 0;
  // n is stationary after its memory, heavy tails have it rule every step until then.
  const double kurtosis = 3 + (effective_noise(problem)->kurtosis() - 3) / problem.batch;
  return (beta > 0 ? 1.4 / (1 - beta) : 0) + std::min(kurtosis / 30, 2.1) / (1 - beta2);
}

bool endless_drift_at_optimum(const ScalarLaws& laws) {
  const LawValues at = laws(1e-300), before = laws(1e-250);
  return std::abs(at.a) > 1e3 * std::abs(before.a) || std::abs(at.c) > 1e3 * (std::abs(before.c) + before.a * before.a);
}

ScalarLaws scalar_laws(const NonlinearProblem& problem) {
  // Those of adam are costly; they and the place of a maximum are known to fewer digits.
  const bool adam = problem.method == Method::adam, rough = adam || problem.threshold_rule == "optimal";
  return ScalarLaws(problem.coordinatewise() ? sign_laws(problem) : residual_laws(problem), adam ? 3 : 1,
                    rough ? 1e-6 : 1e-9, key_of(problem));
}

}  // namespace edgewise::models::nonlinear
