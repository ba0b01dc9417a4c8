#include "models/nonlinear/adam.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "models/ingredients/gamma_rule.hpp"
#include "models/nonlinear/laws.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::nonlinear {

namespace {

/// Points of the polynomials that read a curve between the points of its grid, those left of the place among them.
constexpr std::size_t points = 10, left_points = 5;

/// Lagrange's polynomials of the points 0 to 9 at `place`.
std::array<double, points> lagrange(double place) {
  std::array<double, points> out{};
  double binomial = 1, sum = 0;  // C(9, a) with alternating sign
  for (std::size_t a = 0; a < points; ++a) {
    const double away = place - static_cast<double>(a);
    if (away == 0) {
      out.fill(0);
      out[a] = 1;
      return out;
    }
    out[a] = binomial / away;
    sum += out[a];
    binomial *= -static_cast<double>(points - 1 - a) / static_cast<double>(a + 1);
  }
  for (double& weight : out) weight /= sum;
  return out;
}

/// A smooth function on the points first + i step.
struct Curve {
  double first = 0, step = 0;
  std::vector<double> value{};
};

/// Reads curves a fixed number of grid steps off their points.
class Shifted {
 public:
  explicit Shifted(double steps) : steps_(steps) {
    const double whole = std::floor(steps);
    weight_ = lagrange(left_points - 1 + steps - whole);
    offset_ = static_cast<std::ptrdiff_t>(whole) - static_cast<std::ptrdiff_t>(left_points - 1);
  }
  /// At point i plus the shift; beyond the grid by the slope at its end.
  double operator()(const std::vector<double>& y, std::size_t i) const {
    const double place = static_cast<double>(i) + steps_, last = static_cast<double>(y.size() - 1);
    if (place < 0) return y[0] + place * (y[1] - y[0]);
    if (place > last) return y.back() + (place - last) * (y.back() - y[y.size() - 2]);
    const std::ptrdiff_t centred = static_cast<std::ptrdiff_t>(i) + offset_;
    const auto start = std::clamp(centred, std::ptrdiff_t{0}, static_cast<std::ptrdiff_t>(y.size() - points));
    if (start == centred) return sum(y, start, weight_);
    return sum(y, start, lagrange(place - static_cast<double>(start)));
  }

 private:
  static double sum(const std::vector<double>& y, std::ptrdiff_t start, const std::array<double, points>& weight) {
    return std::inner_product(weight.begin(), weight.end(), y.begin() + start, 0.0);
  }

  double steps_;
  std::array<double, points> weight_{};
  std::ptrdiff_t offset_;
};

/// The memories, with a grid in x = log((1 - beta2) t) whose step fits the decay of beta2 per training step.
struct Memory {
  double beta1 = 0, beta2 = 0, decay = 0, step = 0;
  std::size_t block = 1;  ///< training steps per grid step, or
  std::size_t lag = 1;    ///< grid steps per training step

  Memory(double first, double second, double finest) : beta1(first), beta2(second), decay(-std::log(second)) {
    if (decay < finest / 2) {
      block = static_cast<std::size_t>(std::round(finest / decay));
      step = static_cast<double>(block) * decay;
    } else {
      lag = static_cast<std::size_t>(std::ceil(decay / finest));
      step = decay / static_cast<double>(lag);
    }
  }

  double t(double x) const { return std::exp(x) / (1 - beta2); }

  /// S_i = sum_k ratio^k y(x_i - k decay), the ratio by its logarithm, which has more digits near 1, for the places
  /// first, first + stride, ... of a grid on which y goes like
  /// e^{growth x} below; the last few, which lack neighbours, are left as they are.
  void sum(std::vector<double>& y, double log_ratio, double growth, std::size_t first = 0, std::size_t stride = 1,
           std::size_t count = 0) const {
    if (count == 0) count = y.size();
    const auto at = [&](std::size_t i) -> double& { return y[first + i * stride]; };
    const double ratio = std::exp(log_ratio), series = 1 / -std::expm1(log_ratio - growth * decay);
    if (ratio == 0) return;
    if (block == 1) {
      for (std::size_t i = 0; i < count; ++i) at(i) = i < lag ? at(i) * series : at(i) + ratio * at(i - lag);
      return;
    }
    std::array<double, points> weight{};
    double power = 1;
    for (std::size_t k = 0; k < block && power > 1e-20; ++k, power *= ratio) {
      const auto one = lagrange(left_points - static_cast<double>(k) / static_cast<double>(block));
      for (std::size_t a = 0; a < points; ++a) weight[a] += power * one[a];
    }
    const double whole = std::pow(ratio, static_cast<double>(block));
    std::vector<double> out(count);
    for (std::size_t i = 0; i + points - left_points <= count; ++i) {
      if (i < left_points) {
        out[i] = at(i) * series;
        continue;
      }
      out[i] = whole * out[i - 1];
      for (std::size_t a = 0; a < points; ++a) out[i] += weight[a] * at(i - left_points + a);
    }
    for (std::size_t i = 0; i + points - left_points <= count; ++i) at(i) = out[i];
  }
};

/// sum_{l >= 0} ratio^l f(l) for a smooth f that settles, by every `stride`th term and Gregory's correction.
double sum_of_lags(const std::function<double(double)>& f, double ratio, double stride) {
  constexpr int settled = 3;  // values alike, after which the series is geometric
  std::array<double, 6> head{};
  double sum = 0, last = 0;
  int alike = 0;
  for (std::size_t j = 0;; ++j) {
    const double lag = stride * static_cast<double>(j), value = f(lag), term = std::pow(ratio, lag) * value;
    if (j < head.size()) head[j] = term;
    sum += term;
    alike = std::abs(value - last) <= 1e-11 * std::abs(value) ? alike + 1 : 0;
    last = value;
    if (j < head.size()) continue;
    if (!(std::abs(term) >= 1e-12 * std::abs(sum))) break;
    if (alike < settled) continue;
    sum += term / std::expm1(-stride * std::log(ratio));
    break;
  }
  std::array<double, 6> d = head;  // differences of every order at 0
  for (std::size_t order = 1; order < d.size(); ++order)
    for (std::size_t j = d.size(); j-- > order;) d[j] -= d[j - 1];
  const double slope = d[1] - d[2] / 2 + d[3] / 3 - d[4] / 4 + d[5] / 5, third = d[3] - 1.5 * d[4] + 1.75 * d[5];
  const double m2 = stride * stride;
  return stride * sum - (stride - 1) / 2 * head[0] + (m2 - 1) / (12 * stride) * slope -
         (m2 * m2 - 1) / (720 * m2 * stride) * third;
}

/// Integrated autocovariance of the moves of two coordinates: sum over all lags l of
///
///     E x_0 y_l = (beta1^l/pi) int_0^inf ds s^(-1/2) e^(F(s) - F(s beta2^l)) J(s beta2^l),
///     J(sigma) = int_0^inf dt t^(-1/2) E[m m' e^(-t n - sigma n')],  F(s) = log E e^(-s n)
///
/// from F and log J as functions of x, J on every `stride`th point of F. As s -> 0, F goes like s^power.
double integrated(const Memory& memory, const Curve& F, const Curve& log_J, std::size_t stride, double power) {
  std::vector<double> root(log_J.value.size());
  for (std::size_t j = 0; j < root.size(); ++j)
    root[j] = std::sqrt(memory.t(log_J.first + log_J.step * static_cast<double>(j)));
  // Its lowest places have lost what lies below the grid; from `least` down the terms follow a power.
  const auto least = static_cast<std::size_t>(std::min(12 / log_J.step, static_cast<double>(root.size()) / 4));
  const auto covariance = [&](double lag) {  // without beta1^lag
    const Shifted in_F(-lag * memory.decay / F.step), in_J(-lag * memory.decay / log_J.step);
    double sum = 0;
    for (std::size_t j = root.size(); j-- > least;) {
      const double gained = lag == 0 ? 0 : F.value[j * stride] - in_F(F.value, j * stride);
      const double term = root[j] * std::exp(gained + in_J(log_J.value, j));
      sum += term;
      if (j == least) sum += term / std::expm1(power * log_J.step);
      // Below, the root alone remains.
      if (term < 1e-14 * sum && gained > -1e-3) break;
    }
    return log_J.step * sum / pi;
  };
  const double none = covariance(0);
  if (memory.beta1 == 0) return none;
  const double apart = std::max(1.0, std::floor(0.1 / std::max(1 - memory.beta1, memory.decay)));
  return 2 * sum_of_lags(covariance, memory.beta1, apart) - none;
}

/// F beyond which e^F is nothing.
constexpr double faintest = -60;
constexpr double finest = 0.1;  ///< grid

/// Powers of t with which F may start: what counts spreads over 1/power in log t.
constexpr double least_power = 0.09;

struct Process {
  double drift = 0, noise = 0;
  Curve F;
};

/// With f(t) = E e^(-t r^2)^B, `log_f` of log t, a mean gradient g = R z, R^2 = sum_b r_b^2/B^2, has
///
///     L(t) = E e^(-t g^2) = E_z f(t z^2/B^2),     M(t) = E[g^2 e^(-t g^2)] = E_z[(1 - z^2) f]/(2t)
///     D(t) = E[pull e^(-t g^2)],  D + 2t D' = E_z[z^2 (1 - (3 - z^2)/B) f],   pull = sum_b r_b w_b/(B P)
///
/// (z standard normal; derivatives by t are derivatives by z, moved onto its density), and with w_k = (1 - beta2)
/// beta2^k, F(t) = sum_k log L(w_k t), n^(-1/2) = pi^(-1/2) int t^(-1/2) e^(-tn) dt
///
///     drift = pi^(-1/2) int_0^inf dt t^(-1/2) e^F (1 - beta1) sum_k beta1^k (D + 2tD')/L (w_k t)
///     E[m^2 e^(-tn)] = e^F (1 - beta1)^2 sum_k beta1^2k M/L (w_k t).
Process process(const Memory& memory, double batch, const std::function<double(double)>& log_f) {
  const double h = memory.step, to_t = -2 * std::log(batch);
  const double top = -to_t + 13 + std::sqrt(200 * memory.decay);
  // Where F is of order 1, by the power that log f follows there.
  double bottom = top;
  for (double here = log_f(bottom + to_t); bottom > top - 2000; bottom -= 1) {
    const double lower = log_f(bottom - 1 + to_t), power = std::clamp(std::log(here / lower), 1e-3, 1.0);
    if (-here < power * memory.decay) break;
    here = lower;
  }
  bottom -= 60;
  const auto size = static_cast<std::size_t>((top - bottom) / h) + points;

  // Averages over z = e^y on a grid of half the step are convolutions.
  constexpr double lowest = -34, highest = 2.3;
  const auto reach = static_cast<std::size_t>((highest - lowest) / (h / 2));
  std::vector<double> f(size + reach), deficit(size + reach);  // and 1 - f
  for (std::size_t i = 0; i < f.size(); ++i) {
    const double log = log_f(bottom + to_t + 2 * lowest + h * static_cast<double>(i));
    f[i] = std::exp(log);
    deficit[i] = -std::expm1(log);
  }
  std::vector<double> missing(size, 0.0), L(size, 0.0), s1(size, 0.0), s2(size, 0.0);  // missing is 1 - L
  for (std::size_t j = 0; j < reach; ++j) {
    const double z = std::exp(lowest + h / 2 * static_cast<double>(j)), z2 = z * z;
    const double w0 = std::sqrt(2 / pi) * std::exp(-z2 / 2) * z * h / 2, w1 = w0 * z2 * (1 - (3 - z2) / batch);
    const double w2 = w0 * (z2 - 1) / 2;
    for (std::size_t i = 0; i < size; ++i) {
      missing[i] += w0 * deficit[i + j];
      L[i] += w0 * f[i + j];
      s1[i] += w1 * f[i + j];
      s2[i] += w2 * deficit[i + j];
    }
  }
  std::vector<double> log_L(size), response(size), square(size);
  const double middle = (bottom + top) / 2;  // log t in whose units M is a number from end to end
  for (std::size_t i = 0; i < size; ++i) {
    L[i] += std::sqrt(2 / pi) * std::exp(lowest) * f[i];
    log_L[i] = missing[i] < 0.5 ? std::log1p(-missing[i]) : std::log(L[i]);
    response[i] = s1[i] / L[i];
    square[i] = s2[i] / L[i] * std::exp(middle - (bottom + h * static_cast<double>(i)));
  }

  const double beta1 = memory.beta1, measured = std::log(log_L[8] / log_L[0]) / (8 * h);
  const double power = std::abs(measured - 1) < 1e-12 ? 1 : measured;  // rounding, which a long memory would see
  if (power < least_power)
    throw std::invalid_argument(fmt::format(
        "noise.law: the theory of adam does not reach tails this heavy, where Pr(|eps| > x) falls more slowly than "
        "x^(-{:g}); simulate it",
        2 * least_power));
  if (!(2 * std::log(beta1) + (1 - power) * memory.decay < 0))
    throw std::invalid_argument(
        "noise.law: the theory of adam needs steps of finite variance, and under tails this heavy E m^2/n is infinite: "
        "n forgets a large gradient before m does; a smaller beta1 or a larger beta2 helps, or simulate it");
  memory.sum(log_L, 0, power);
  memory.sum(response, std::log(beta1), 0);
  memory.sum(square, 2 * std::log(beta1), power - 1);

  Process out;
  std::size_t count = 0;
  while (count < size - points && log_L[count] > faintest) ++count;
  // H and J from here on in units of that t, in which they and it are numbers from end to end; the noise has none.
  const double first = bottom - middle;
  Curve log_H{first, h, {}};
  for (std::size_t i = 0; i < count; ++i) {
    const double t = memory.t(first + h * static_cast<double>(i));
    out.drift += h / std::sqrt(pi) * std::sqrt(t) * std::exp(log_L[i]) * (1 - beta1) * response[i];
    log_H.value.push_back(log_L[i] + std::log((1 - beta1) * (1 - beta1) * square[i]));
  }
  log_L.resize(count);
  out.F = {bottom, h, std::move(log_L)};
  out.drift *= std::exp(middle / 2);

  // log(sigma + t) lies log(1 + e^-distance) above the larger of their logarithms.
  const auto stride = static_cast<std::size_t>(std::max(1.0, std::floor(2 * finest / h)));
  Curve log_J{first, h * static_cast<double>(stride), {}};
  const std::size_t places = (count - 1) / stride + 1;
  std::vector<Shifted> above;
  std::vector<double> root(places);
  for (std::size_t d = 0; d < places; ++d) {
    above.emplace_back(std::log1p(std::exp(-log_J.step * static_cast<double>(d))) / h);
    root[d] = std::exp((first + log_J.step * static_cast<double>(d)) / 2);
  }
  for (std::size_t i = 0; i < places && out.F.value[i * stride] > faintest + 10; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < places; ++j)
      sum += (j == 0 ? root[0] / -std::expm1(-log_J.step / 2) : root[j]) *  // with all below
             std::exp(above[j > i ? j - i : i - j](log_H.value, std::max(i, j) * stride));
    log_J.value.push_back(std::log(sum * log_J.step / std::sqrt(1 - memory.beta2)));
  }
  out.noise = integrated(memory, out.F, log_J, stride, power);
  return out;
}

/// The integrated cross-covariance of two coordinates whose data correlate by c, Gaussian residuals; F of one of them. In
/// units in which g = R z, R^2 = chi^2_B/B, the pair is Gaussian given R:
///
///     L = E_R det^(-1/2),  M = E[g g' e^(-t g^2 - s g'^2)] = E_R R^2 c det^(-3/2),
///     det = 1 + 2 R^2 (t + s) + 4 R^4 t s (1 - c^2)
double cross(const Memory& memory, double batch, double c, const Curve& F) {
  const double h = memory.step;
  const std::size_t count = F.value.size() + points - left_points;
  // Below e^-30 of its mean R^2 is as good as 0 to all t that matter.
  const std::vector<ingredients::GammaNode> sizes = ingredients::log_gamma_rule(batch / 2, 0, 0, -30);
  std::vector<double> t(count);
  for (std::size_t i = 0; i < count; ++i) t[i] = std::exp(F.first + h * static_cast<double>(i));
  std::vector<double> log_L(count * count), pair(count * count), L(count), missing(count), product(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::ranges::fill(L, 0.0);
    std::ranges::fill(missing, 0.0);
    std::ranges::fill(product, 0.0);
    for (const auto& [u, probability] : sizes) {
      const double R2 = std::exp(u), a = 2 * R2 * t[i];
      for (std::size_t j = 0; j <= i; ++j) {
        const double b = 2 * R2 * t[j], more = a + b + a * b * (1 - c * c), det = 1 + more, root = 1 / std::sqrt(det);
        L[j] += probability * root;
        missing[j] += probability * (more / (det * (1 + root)));
        product[j] += probability * R2 * c * root / det;
      }
    }
    for (std::size_t j = 0; j <= i; ++j) {
      log_L[i * count + j] = log_L[j * count + i] = missing[j] < 0.5 ? std::log1p(-missing[j]) : std::log(L[j]);
      pair[i * count + j] = pair[j * count + i] = product[j] / L[j];
    }
  }
  for (std::size_t start = 0; start < 2 * count - 1; ++start) {
    const std::size_t row = start < count ? start : 0, column = start < count ? 0 : start - count + 1;
    const std::size_t length = count - std::max(row, column);
    if (length < points) continue;
    memory.sum(log_L, 0, 1, row * count + column, count + 1, length);
    memory.sum(pair, 2 * std::log(memory.beta1), 0, row * count + column, count + 1, length);
  }
  const double weight = (1 - memory.beta1) * (1 - memory.beta1);
  Curve log_J{F.first, h, {}};
  for (std::size_t i = 0; i < F.value.size() && F.value[i] > faintest + 10; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < F.value.size(); ++j)
      sum += std::sqrt(t[j]) * std::exp(log_L[i * count + j]) * weight * pair[i * count + j];
    log_J.value.push_back(std::log(sum * h / std::sqrt(1 - memory.beta2)));
  }
  return integrated(memory, F, log_J, 1, 1);
}

/// Beyond it the law of a mean gradient, in units of its own, is as good as its limit, and arguments of log f would underflow.
constexpr double endless_batch = 1e200;

void check(double beta1, double beta2) {
  if (!(beta1 >= 0 && beta1 < 1)) throw std::invalid_argument("optimizer.beta1: must be >= 0 and < 1");
  if (!(beta2 > 0 && beta2 <= 1 - 1e-7))
    throw std::invalid_argument("optimizer.beta2: the theory of adam needs 0 < beta2 <= 1 - 1e-7; it can be simulated");
}

/// f(key), found once.
template <class Key, class Value, class F>
Value remembered(std::map<Key, Value>& known, std::mutex& mutex, const Key& key, F f) {
  const std::lock_guard lock(mutex);
  const auto it = known.find(key);
  if (it != known.end()) return it->second;
  return known.emplace(key, f()).first->second;
}

using Key = std::tuple<double, double, double>;

}  // namespace

AdamCoefficients adam_coefficients(double beta1, double beta2, double batch) {
  check(beta1, beta2);
  static std::mutex mutex;
  static std::map<Key, AdamCoefficients> known;
  return remembered(known, mutex, Key(beta1, beta2, batch), [&] {
    const double examples = std::min(batch, endless_batch);
    AdamCoefficients out = adam_laws_at(beta1, beta2, examples, *ingredients::no_noise(), 1);
    out.drift /= std::sqrt(examples);
    return out;
  });
}

AdamCoefficients adam_laws_at(double beta1, double beta2, double batch, const ingredients::Noise& noise, double P) {
  check(beta1, beta2);
  if (batch > endless_batch && std::isfinite(noise.variance())) {
    AdamCoefficients out = adam_laws_at(beta1, beta2, endless_batch, noise, P);
    out.drift *= std::sqrt(batch / endless_batch);
    return out;
  }
  // t in units of 1/(2P).
  const Process found = process({beta1, beta2, finest}, batch, [&](double log_t) {
    const double wide = log_t > 0 ? log_t + std::log1p(std::exp(-log_t)) : std::log1p(std::exp(log_t));
    const double widened = std::log(P) + wide - log_t;  // log(P + 1/2t)
    return batch * (noise.log_exponential_average_at(widened) - 0.5 * wide);
  });
  return {found.drift / std::sqrt(2 * P), found.noise};
}

NoiseKernel adam_noise_kernel(double beta1, double beta2, double batch) {
  check(beta1, beta2);
  batch = std::min(batch, endless_batch);
  static std::mutex mutex;
  static std::map<Key, std::array<double, 3>> known;
  const std::array<double, 3> f = remembered(known, mutex, Key(beta1, beta2, batch), [&] {
    // A coarser grid, for it is that of a plane.
    const Memory memory(beta1, beta2, 2 * finest);
    const Process one =
        process(memory, batch, [&](double log_t) { return -0.5 * batch * std::log1p(std::exp(log_t)); });
    Curve F = one.F;
    F.first -= std::log(2 * batch);  // process() has g^2 = R^2 z^2/(2B)
    return std::array{one.noise, cross(memory, batch, std::sqrt(0.75), F), cross(memory, batch, 0.5, F)};
  });
  // f(c)/c at c^2 = 1, 3/4, 1/4 is a quadratic in c^2.
  const double at1 = 1, at2 = f[1] / f[0] / std::sqrt(0.75), at3 = f[2] / f[0] / 0.5;
  return [=](double c) {
    const double x = c * c;
    return c * (at1 * (x - 0.75) * (x - 0.25) / (0.25 * 0.75) + at2 * (x - 1) * (x - 0.25) / (-0.25 * 0.5) +
                at3 * (x - 1) * (x - 0.75) / (-0.75 * -0.5));
  };
}

}  // namespace edgewise::models::nonlinear
