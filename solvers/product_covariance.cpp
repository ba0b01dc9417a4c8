#include "solvers/product_covariance.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

namespace edgewise::solvers {

namespace {

constexpr std::size_t none = static_cast<std::size_t>(-1);
/// Of a square, what the difference to the square of the mean loses.
constexpr double rounding = 1e-14;

/// The tensor with each of its `rank` indices, of `from` values, turned by the rows of L, `to` of them. Every pass turns the first
/// index and puts it last. \param turn  L of an index
template <class Turn>
std::vector<double> turned(std::vector<double> tensor, std::size_t rank, std::size_t from, std::size_t to, Turn turn) {
  for (std::size_t pass = 0; pass < rank; ++pass) {
    const std::vector<double>& L = turn(pass);
    const std::size_t rest = tensor.size() / from;
    std::vector<double> next(rest * to, 0.0);
    for (std::size_t i = 0; i < to; ++i)
      for (std::size_t j = 0; j < from; ++j)
        if (const double l = L[i * from + j]; l != 0)
          for (std::size_t k = 0; k < rest; ++k) next[k * to + i] += l * tensor[j * rest + k];
    tensor.swap(next);
  }
  return tensor;
}

}  // namespace

ProductCovariance::ProductCovariance(GramProblem problem, const InputMoments& inputs)
    : problem_(std::move(problem)), inputs_(inputs), r_(problem_.factor.size()) {
  const std::size_t n = modes();
  if (n == 0 || r_ == 0 || problem_.multiplicity.size() != n || problem_.power.size() != n || problem_.sources != 1)
    throw std::invalid_argument("variance of the risk: one multiplicity and power per eigenvalue, and one source");
  const auto& f = problem_.factor;
  std::vector<double> two, four;
  for (const double i : f)
    for (const double j : f) two.push_back(i * j);
  for (const double i : two)
    for (const double j : two) four.push_back(i * j);
  const auto times = [](std::vector<double> x, double factor) {
    for (double& value : x) value *= factor;
    return x;
  };
  for (std::size_t a = 0; a < n; ++a) {
    const double own = problem_.power[a] / problem_.multiplicity[a];
    second_.push_back(times(two, own));
    fourth_.push_back(times(four, own * own));
    for (std::size_t b = 0; b < n; ++b)
      pairs_.push_back(times(four, own * problem_.power[b] / problem_.multiplicity[b]));
  }
}

double ProductCovariance::others(std::size_t c, std::size_t a, std::size_t b) const {
  return problem_.multiplicity[c] - (c == a ? 1 : 0) - (c == b ? 1 : 0);
}

void ProductCovariance::apply(const GramPhase& phase) {
  const std::size_t n = modes(), r = r_;
  if (phase.r != r || phase.T0.size() != r * r || phase.T1.size() != r * r || phase.e.size() != phase.n.size() ||
      phase.e.size() > 1)
    throw std::invalid_argument("variance of the risk: a phase of other coordinates");
  const bool noisy = !phase.e.empty() && std::isfinite(phase.batch);
  // What moves, and of noisy phases w = sqrt(lambda) e'z behind it: z' = y + push gbar, gbar the mean of x (x'w - eps).
  const std::size_t R = noisy ? r + 1 : r;
  std::vector<std::vector<double>> turn(n), push(n);
  for (std::size_t a = 0; a < n; ++a) {
    const double lambda = problem_.eigenvalue[a], root = std::sqrt(lambda);
    for (std::size_t i = 0; i < r; ++i)
      for (std::size_t j = 0; j < r; ++j)
        turn[a].push_back(phase.T0[i * r + j] + lambda * phase.T1[i * r + j] -
                          (noisy ? lambda * phase.n[0][i] * phase.e[0][j] : 0.0));
    for (std::size_t j = 0; noisy && j < r; ++j) turn[a].push_back(root * phase.e[0][j]);
    for (std::size_t i = 0; noisy && i < r; ++i) push[a].push_back(root * phase.n[0][i]);
  }
  for (std::size_t a = 0; a < n; ++a) {
    const auto own = [&](std::size_t) -> const std::vector<double>& { return turn[a]; };
    second_[a] = turned(std::move(second_[a]), 2, r, R, own);
    fourth_[a] = turned(std::move(fourth_[a]), 4, r, R, own);
    for (std::size_t b = 0; b < n; ++b)
      pair(a, b) = turned(std::move(pair(a, b)), 4, r, R,
                          [&](std::size_t pass) -> const std::vector<double>& { return turn[pass < 2 ? a : b]; });
  }
  if (!noisy) return;

  const std::size_t w = r;
  const auto at2 = [&](std::size_t i, std::size_t j) { return i * R + j; };
  const auto at4 = [&](std::size_t i, std::size_t j, std::size_t k, std::size_t l) {
    return ((i * R + j) * R + k) * R + l;
  };
  const double B = phase.batch, sigma2 = problem_.noise_variance, excess = problem_.noise_excess;
  const double k4 = inputs_.fourth, k6 = inputs_.sixth, k8 = inputs_.eighth;
  const double b1 = B - 1, b2 = b1 * (B - 2), b3 = b2 * (B - 3);
  const std::size_t ww = at2(w, w), wwww = at4(w, w, w, w);
  // Sums over all coordinates, of which one of mode a (and one of mode b) is then left out.
  double first_sum = 0, fourths = 0, products = 0;
  std::vector<double> beside(n, 0.0);  // E w_i^2 w_j^2 over all j but i, i of that mode
  std::vector<std::vector<double>> with(n, std::vector<double>(R * R));  // E z_i z_i w_j^2
  for (std::size_t c = 0; c < n; ++c) {
    for (std::size_t d = 0; d < n; ++d) {
      const double many = others(d, c, none);
      if (many == 0) continue;
      beside[c] += many * pair(c, d)[wwww];
      for (std::size_t i = 0; i < R; ++i)
        for (std::size_t j = 0; j < R; ++j) with[c][at2(i, j)] += many * pair(c, d)[at4(i, j, w, w)];
    }
    first_sum += problem_.multiplicity[c] * second_[c][ww];
    fourths += problem_.multiplicity[c] * fourth_[c][wwww];
    products += problem_.multiplicity[c] * beside[c];
  }
  struct Left {
    double square, fourths;    // E A^2, A = sigma^2 + sum w^2 over what is left; the sum of E w^4
    std::vector<double> with;  // E z z A, z of the coordinate of mode a
  };
  const auto left_out = [&](std::size_t a, std::size_t b) {
    Left out{sigma2 * sigma2, fourths - fourth_[a][wwww], with[a]};
    double first = first_sum - second_[a][ww], twice = products - 2 * beside[a];
    if (b != none) {
      first -= second_[b][ww];
      out.fourths -= fourth_[b][wwww];
      twice += 2 * pair(a, b)[wwww] - 2 * beside[b];
      for (std::size_t i = 0; i < R; ++i)
        for (std::size_t j = 0; j < R; ++j) out.with[at2(i, j)] -= pair(a, b)[at4(i, j, w, w)];
    }
    out.square += 2 * sigma2 * first + out.fourths + twice;
    for (std::size_t i = 0; i < R * R; ++i) out.with[i] += sigma2 * second_[a][i];
    return out;
  };

  auto second = second_, fourth = fourth_, pairs = pairs_;
  for (std::size_t a = 0; a < n; ++a) {
    const auto& S = second_[a];
    const auto& F = fourth_[a];
    const auto& p = push[a];
    const Left left = left_out(a, none);
    const std::vector<double>& A = left.with;
    const double square = ((k4 + b1 - 1) * S[ww] + first_sum + sigma2) / B;
    const double whole =
        ((k8 + 4 * b1 * k6 + 3 * b1 * k4 * k4 + 6 * b2 * k4 + b3) * F[wwww] + (6 * k6 + 18 * b1 * k4 + 6 * b2) * A[ww] +
         3 * (k4 + b1) * left.square + k4 * ((k4 - 3) * left.fourths + excess)) /
        (B * B * B);
    // E of the y of `kept` times so many gbar.
    const auto mean = [&](const std::array<std::size_t, 4>& kept, std::size_t many) {
      const auto entry = [&](std::size_t k) { return k < 4 - many ? kept[k] : w; };
      const double plain = F[at4(entry(0), entry(1), entry(2), entry(3))];
      if (many < 2) return plain;
      if (many == 2) return ((k4 + b1) * plain + A[at2(kept[0], kept[1])]) / B;
      if (many == 3) return ((k6 + 3 * b1 * k4 + b2) * plain + 3 * (k4 + b1) * A[at2(kept[0], w)]) / (B * B);
      return whole;
    };
    second[a].assign(r * r, 0.0);
    fourth[a].assign(r * r * r * r, 0.0);
    std::size_t at = 0;
    for (std::size_t i = 0; i < r; ++i)
      for (std::size_t j = 0; j < r; ++j)
        second[a][i * r + j] = S[at2(i, j)] + p[i] * S[at2(j, w)] + p[j] * S[at2(i, w)] + p[i] * p[j] * square;
    for (std::size_t i = 0; i < r; ++i)
      for (std::size_t j = 0; j < r; ++j)
        for (std::size_t k = 0; k < r; ++k)
          for (std::size_t l = 0; l < r; ++l, ++at) {
            const std::array<std::size_t, 4> index{i, j, k, l};
            for (unsigned chosen = 0; chosen < 16; ++chosen) {
              std::array<std::size_t, 4> kept{};
              std::size_t many = 0, ys = 0;
              double factor = 1;
              for (unsigned c = 0; c < 4; ++c)
                if (chosen >> c & 1)
                  ++many, factor *= p[index[c]];
                else
                  kept[ys++] = index[c];
              if (factor != 0) fourth[a][at] += factor * mean(kept, many);
            }
          }
  }
  for (std::size_t a = 0; a < n; ++a)
    for (std::size_t b = 0; b < n; ++b) {
      const auto &Fa = fourth_[a], &Fb = fourth_[b], &X = pair(a, b);
      const auto &p = push[a], &q = push[b];
      auto& out = pairs[a * n + b];
      out.assign(r * r * r * r, 0.0);
      if (a == b && others(b, a, none) <= 0) continue;  // there are no two of them
      const Left left = left_out(a, b);
      const std::vector<double>&Aa = left.with, Ab = left_out(b, a).with;
      const double whole = ((k6 + 3 * b1 * k4 + b2) * (Fa[wwww] + Fb[wwww]) +
                            (6 * k4 * k4 + b1 * (12 * k4 + k4 * k4 + 9) + b2 * (2 * k4 + 8) + b3) * X[wwww] +
                            (6 * k4 + b1 * (k4 + 7) + b2) * (Aa[ww] + Ab[ww]) + (3 + b1) * left.square +
                            (k4 - 3) * left.fourths + excess) /
                           (B * B * B);
      const double three = 3 * k4 + b1 * (k4 + 4) + b2;
      std::size_t at = 0;
      for (std::size_t i = 0; i < r; ++i)
        for (std::size_t j = 0; j < r; ++j)
          for (std::size_t k = 0; k < r; ++k)
            for (std::size_t l = 0; l < r; ++l, ++at) {
              // By how many gbar of the first coordinate and of the second.
              double sum = X[at4(i, j, k, l)] + p[i] * X[at4(w, j, k, l)] + p[j] * X[at4(i, w, k, l)] +
                           q[k] * X[at4(i, j, w, l)] + q[l] * X[at4(i, j, k, w)];
              sum += (B + 1) / B *
                     (p[i] * (q[k] * X[at4(w, j, w, l)] + q[l] * X[at4(w, j, k, w)]) +
                      p[j] * (q[k] * X[at4(i, w, w, l)] + q[l] * X[at4(i, w, k, w)]));
              const auto first = [&](std::size_t s, std::size_t t) {  // two of the first, y_s y_t of the second
                return ((k4 + b1) * X[at4(w, w, s, t)] + Fb[at4(s, t, w, w)] + Ab[at2(s, t)]) / B;
              };
              const auto last = [&](std::size_t s, std::size_t t) {
                return ((k4 + b1) * X[at4(s, t, w, w)] + Fa[at4(s, t, w, w)] + Aa[at2(s, t)]) / B;
              };
              const auto first_and = [&](std::size_t s) {  // two of the first, one of the second, y_s of the second
                return ((k4 + b1) * Fb[at4(s, w, w, w)] + three * X[at4(w, w, s, w)] + (B + 2) * Ab[at2(s, w)]) /
                       (B * B);
              };
              const auto last_and = [&](std::size_t s) {
                return ((k4 + b1) * Fa[at4(s, w, w, w)] + three * X[at4(s, w, w, w)] + (B + 2) * Aa[at2(s, w)]) /
                       (B * B);
              };
              sum += p[i] * p[j] * (first(k, l) + q[k] * first_and(l) + q[l] * first_and(k)) +
                     q[k] * q[l] * (last(i, j) + p[i] * last_and(j) + p[j] * last_and(i)) +
                     p[i] * p[j] * q[k] * q[l] * whole;
              out[at] = sum;
            }
    }
  second_.swap(second);
  fourth_.swap(fourth);
  pairs_.swap(pairs);
}

double ProductCovariance::mean(const GramForm& form) const {
  double sum = 0;
  for (std::size_t a = 0; a < modes(); ++a)
    for (std::size_t i = 0; i < r_ * r_; ++i)
      sum += problem_.multiplicity[a] * (form.by_eigenvalue ? problem_.eigenvalue[a] : 1) * form.A[i] * second_[a][i];
  return sum;
}

double ProductCovariance::variance(const GramForm& form) const {
  const std::size_t n = modes(), size = r_ * r_;
  const auto weight = [&](std::size_t a) { return form.by_eigenvalue ? problem_.eigenvalue[a] : 1; };
  const auto twice = [&](const std::vector<double>& moments) {
    double sum = 0;
    for (std::size_t i = 0; i < size; ++i)
      for (std::size_t j = 0; j < size; ++j) sum += form.A[i] * form.A[j] * moments[i * size + j];
    return sum;
  };
  double square = 0;
  for (std::size_t a = 0; a < n; ++a) {
    square += problem_.multiplicity[a] * weight(a) * weight(a) * twice(fourth_[a]);
    for (std::size_t b = 0; b < n; ++b)
      if (const double many = problem_.multiplicity[a] * others(b, a, none); many > 0)
        square += many * weight(a) * weight(b) * twice(pair(a, b));
  }
  const double mean = this->mean(form), variance = square - mean * mean;
  if (!std::isfinite(variance)) return std::numeric_limits<double>::infinity();
  return variance > rounding * square ? variance : 0;
}

double ProductCovariance::work(double r, double modes) {
  return 60 * modes * modes * std::pow(r + 1, 4);
}

}  // namespace edgewise::solvers
