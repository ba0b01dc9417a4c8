#include "solvers/product_covariance.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

namespace edgewise::solvers {

namespace {

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

/// Of a tensor whose indices have R values the entries of which all are below r: what it says of the state alone.
std::vector<double> of_state(const std::vector<double>& all, std::size_t rank, std::size_t r, std::size_t R) {
  std::vector<double> out;
  const std::size_t outer = rank == 4 ? r * r : 1;
  for (std::size_t ij = 0; ij < outer; ++ij)
    for (std::size_t k = 0; k < r; ++k) {
      const auto row = all.begin() + static_cast<std::ptrdiff_t>(((ij / r * R + ij % r) * R + k) * R);
      out.insert(out.end(), row, row + static_cast<std::ptrdiff_t>(r));
    }
  return out;
}

}  // namespace

ProductCovariance::ProductCovariance(GramProblem problem, const InputMoments& inputs)
    : problem_(std::move(problem)), inputs_(inputs), r_(problem_.factor.size()) {
  const std::size_t n = modes();
  if (n == 0 || r_ == 0 || problem_.multiplicity.size() != n || problem_.power.size() != n)
    throw std::invalid_argument("variance of the risk: one multiplicity and power per eigenvalue");
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

double ProductCovariance::others(std::size_t c, std::size_t a) const {
  return problem_.multiplicity[c] - (c == a ? 1 : 0);
}

std::vector<std::vector<double>> ProductCovariance::turn(const GramPhase& phase, std::size_t sources) {
  const std::size_t n = modes(), r = r_, R = r + sources;
  std::vector<std::vector<double>> by(n), push(n);
  for (std::size_t a = 0; a < n; ++a) {
    const double lambda = problem_.eigenvalue[a], root = std::sqrt(lambda);
    for (std::size_t i = 0; i < r * r; ++i) by[a].push_back(phase.T0[i] + lambda * phase.T1[i]);
    for (std::size_t w = 0; w < sources; ++w)
      for (std::size_t i = 0; i < r; ++i) {
        by[a].push_back(root * phase.e[w][i]);
        push[a].push_back(root * phase.n[w][i]);
      }
  }
  for (std::size_t a = 0; a < n; ++a) {
    const auto own = [&](std::size_t) -> const std::vector<double>& { return by[a]; };
    second_[a] = turned(std::move(second_[a]), 2, r, R, own);
    fourth_[a] = turned(std::move(fourth_[a]), 4, r, R, own);
    for (std::size_t b = a; b < n; ++b) {
      pair(a, b) = turned(std::move(pair(a, b)), 4, r, R,
                          [&](std::size_t pass) -> const std::vector<double>& { return by[pass < 2 ? a : b]; });
      if (b > a) mirror(a, b, R * R);
    }
  }
  return push;
}

void ProductCovariance::mirror(std::size_t a, std::size_t b, std::size_t size) {
  auto& out = pair(b, a);
  out.resize(size * size);
  for (std::size_t i = 0; i < size; ++i)
    for (std::size_t j = 0; j < size; ++j) out[j * size + i] = pair(a, b)[i * size + j];
}

ProductCovariance::Noise ProductCovariance::noise_of(std::vector<std::vector<double>> push, std::size_t sources,
                                                     double batch) const {
  const std::size_t n = modes(), r = r_, R = r + sources;
  const double sigma2 = problem_.noise_variance;
  const auto at2 = [&](std::size_t i, std::size_t j) { return i * R + j; };
  Noise noise{sources, R, batch, std::move(push), {}, {}, {}, {}};
  noise.Q.assign(sources, sigma2);
  noise.QQ.resize(sources * sources);
  noise.fourths.resize(sources);
  noise.with.assign(n * sources, std::vector<double>(R * R));
  for (std::size_t w = 0; w < sources; ++w) {
    const std::size_t ww = at2(r + w, r + w);
    for (std::size_t c = 0; c < n; ++c) {
      noise.Q[w] += problem_.multiplicity[c] * second_[c][ww];
      noise.fourths[w] += problem_.multiplicity[c] * fourth_[c][ww * R * R + ww];
      auto& sum = noise.with[c * sources + w];
      for (std::size_t i = 0; i < R * R; ++i) sum[i] = sigma2 * second_[c][i] + fourth_[c][i * R * R + ww];
      for (std::size_t d = 0; d < n; ++d)
        if (const double many = others(d, c); many != 0)
          for (std::size_t i = 0; i < R * R; ++i) sum[i] += many * pair(c, d)[i * R * R + ww];
    }
    for (std::size_t v = 0; v < sources; ++v) {
      double& square = noise.QQ[v * sources + w];
      square = sigma2 * noise.Q[w];
      for (std::size_t c = 0; c < n; ++c)
        square += problem_.multiplicity[c] * noise.with[c * sources + w][at2(r + v, r + v)];
    }
  }
  return noise;
}

void ProductCovariance::own_after(const Noise& noise, std::size_t a, std::vector<double>& second,
                                  std::vector<double>& fourth) const {
  const std::size_t r = r_, R = noise.R, sources = noise.sources;
  const double B = noise.batch, k4 = inputs_.fourth, k6 = inputs_.sixth, k8 = inputs_.eighth;
  const auto at2 = [&](std::size_t i, std::size_t j) { return i * R + j; };
  const auto at4 = [&](std::size_t i, std::size_t j, std::size_t k, std::size_t l) {
    return ((i * R + j) * R + k) * R + l;
  };
  const auto to4 = [&](std::size_t i, std::size_t j, std::size_t k, std::size_t l) {
    return ((i * r + j) * r + k) * r + l;
  };
  const auto &S = second_[a], &F = fourth_[a];
  // E xi^2, E xi^3 and E xi^4 of a source beside what else stands there. Of four places any two are a source's.
  std::vector<double> squares(sources), rest(sources * r * r);
  for (std::size_t w = 0; w < sources; ++w) {
    const double* p = &noise.push[a][w * r];
    const std::size_t x = r + w, xx = at2(x, x);
    const std::vector<double>& A = noise.with[a * sources + w];
    squares[w] = (noise.Q[w] + (k4 - 2) * S[xx]) / B;
    const double square = noise.QQ[w * sources + w];
    const double whole = ((k8 - 10 * k6 + (24 - k4) * k4 - 9) * F[at4(x, x, x, x)] + (6 * k6 - 18 * k4 + 6) * A[xx] +
                          k4 * (3 * square + (k4 - 3) * noise.fourths[w] + problem_.noise_excess) +
                          3 * (B - 1) * (square + 2 * (k4 - 2) * A[xx] + (k4 - 2) * (k4 - 2) * F[at4(x, x, x, x)])) /
                         (B * B * B);
    const auto cube = [&](std::size_t s) {
      return ((k6 - 6 * k4 + 5) * F[at4(s, x, x, x)] + 3 * (k4 - 1) * A[at2(s, x)]) / (B * B);
    };
    for (std::size_t s = 0; s < r; ++s)
      for (std::size_t t = 0; t < r; ++t) {
        double& sum = rest[(w * r + s) * r + t];
        sum = (A[at2(s, t)] + (k4 - 2) * F[at4(s, t, x, x)]) / B + (p[s] * cube(t) + p[t] * cube(s)) / 3 +
              p[s] * p[t] * whole / 6;
        for (std::size_t v = 0; v < sources; ++v) {
          if (v == w) continue;
          const std::size_t y = r + v, yy = at2(y, y);
          const double* q = &noise.push[a][v * r];
          sum += q[s] * q[t] / 2 *
                 (noise.QQ[v * sources + w] + (k4 - 2) * (A[yy] + noise.with[a * sources + v][xx]) +
                  (k4 - 2) * (k4 - 2) * F[at4(x, x, y, y)]) /
                 (B * B);
        }
      }
  }
  second = of_state(S, 2, r, R);
  fourth = of_state(F, 4, r, R);
  for (std::size_t w = 0; w < sources; ++w) {
    const double* p = &noise.push[a][w * r];
    for (std::size_t i = 0; i < r; ++i)
      for (std::size_t j = 0; j < r; ++j) {
        const double both = p[i] * p[j];
        if (both == 0) continue;
        second[i * r + j] += both * squares[w];
        for (std::size_t k = 0; k < r; ++k)
          for (std::size_t l = 0; l < r; ++l)
            for (const std::size_t at :
                 {to4(i, j, k, l), to4(i, k, j, l), to4(i, k, l, j), to4(k, i, j, l), to4(k, i, l, j), to4(k, l, i, j)})
              fourth[at] += both * rest[(w * r + k) * r + l];
      }
  }
}

std::vector<double> ProductCovariance::pair_after(const Noise& noise, std::size_t a, std::size_t b) const {
  const std::size_t r = r_, R = noise.R, sources = noise.sources;
  const double B = noise.batch, k4 = inputs_.fourth, k6 = inputs_.sixth;
  const auto at2 = [&](std::size_t i, std::size_t j) { return i * R + j; };
  const auto at4 = [&](std::size_t i, std::size_t j, std::size_t k, std::size_t l) {
    return ((i * R + j) * R + k) * R + l;
  };
  const auto to4 = [&](std::size_t i, std::size_t j, std::size_t k, std::size_t l) {
    return ((i * r + j) * r + k) * r + l;
  };
  const auto &Fa = fourth_[a], &Fb = fourth_[b], &X = pair(a, b);
  std::vector<double> out = of_state(X, 4, r, R);
  if (a == b && others(b, a) == 0) return out;  // there are no two of them
  // The places of a source: both of the first coordinate, both of the second, or one of each.
  std::vector<double> first(sources * r * r), last(sources * r * r), mixed(sources * r * r);
  for (std::size_t w = 0; w < sources; ++w) {
    const double *p = &noise.push[a][w * r], *q = &noise.push[b][w * r];
    const std::size_t x = r + w, xx = at2(x, x);
    const std::vector<double>&Aa = noise.with[a * sources + w], &Ab = noise.with[b * sources + w];
    const double square = noise.QQ[w * sources + w], sides = Aa[xx] + Ab[xx];
    const double whole = ((k6 - 9 * k4 + 12) * (Fa[at4(x, x, x, x)] + Fb[at4(x, x, x, x)]) +
                          ((6 * k4 - 22) * k4 + 21) * X[at4(x, x, x, x)] + (6 * k4 - 11) * sides + 3 * square +
                          (k4 - 3) * noise.fourths[w] + problem_.noise_excess +
                          (B - 1) * (square + (k4 - 2) * sides + ((k4 - 2) * (k4 - 2) + 2) * X[at4(x, x, x, x)])) /
                         (B * B * B);
    // xi of the one coordinate twice and of the other once, beside a y of that.
    const auto first_cube = [&](std::size_t s) {
      return ((k4 - 3) * Fb[at4(s, x, x, x)] + (2 * k4 - 4) * X[at4(x, x, s, x)] + 2 * Ab[at2(s, x)]) / (B * B);
    };
    const auto last_cube = [&](std::size_t s) {
      return ((k4 - 3) * Fa[at4(s, x, x, x)] + (2 * k4 - 4) * X[at4(s, x, x, x)] + 2 * Aa[at2(s, x)]) / (B * B);
    };
    for (std::size_t s = 0; s < r; ++s)
      for (std::size_t t = 0; t < r; ++t) {
        const std::size_t st = (w * r + s) * r + t;
        first[st] = (Ab[at2(s, t)] + (k4 - 2) * X[at4(x, x, s, t)]) / B + q[s] * first_cube(t) + q[t] * first_cube(s) +
                    q[s] * q[t] * whole;
        last[st] = (Aa[at2(s, t)] + (k4 - 2) * X[at4(s, t, x, x)]) / B + p[s] * last_cube(t) + p[t] * last_cube(s);
        mixed[st] = X[at4(s, x, t, x)] / B;
        for (std::size_t v = 0; v < sources; ++v) {
          if (v == w) continue;
          const std::size_t y = r + v, yy = at2(y, y);
          const double *p2 = &noise.push[a][v * r], *q2 = &noise.push[b][v * r];
          first[st] += q2[s] * q2[t] *
                       (noise.QQ[v * sources + w] + (k4 - 2) * (noise.with[a * sources + v][xx] + Ab[yy]) +
                        (k4 - 2) * (k4 - 2) * X[at4(x, x, y, y)]) /
                       (B * B);
          mixed[st] += p2[s] * q2[t] / 2 * X[at4(x, y, x, y)] / (B * B);
        }
      }
  }
  for (std::size_t w = 0; w < sources; ++w) {
    const double *p = &noise.push[a][w * r], *q = &noise.push[b][w * r];
    for (std::size_t i = 0; i < r; ++i)
      for (std::size_t j = 0; j < r; ++j) {
        if (p[i] * p[j] == 0) continue;  // both push the same
        for (std::size_t k = 0; k < r; ++k)
          for (std::size_t l = 0; l < r; ++l) {
            const std::size_t kl = (w * r + k) * r + l;
            out[to4(i, j, k, l)] += p[i] * p[j] * first[kl];
            out[to4(k, l, i, j)] += q[i] * q[j] * last[kl];
            for (const std::size_t at : {to4(i, k, j, l), to4(i, k, l, j), to4(k, i, j, l), to4(k, i, l, j)})
              out[at] += p[i] * q[j] * mixed[kl];
          }
      }
  }
  return out;
}

void ProductCovariance::apply(const GramPhase& phase) {
  const std::size_t n = modes(), r = r_;
  if (phase.r != r || phase.T0.size() != r * r || phase.T1.size() != r * r || phase.e.size() != phase.n.size())
    throw std::invalid_argument("variance of the risk: a phase of other coordinates");
  const std::size_t sources = std::isfinite(phase.batch) ? phase.e.size() : 0;
  std::vector<std::vector<double>> push = turn(phase, sources);
  if (sources == 0) return;
  const Noise noise = noise_of(std::move(push), sources, phase.batch);
  auto second = second_, fourth = fourth_, pairs = pairs_;
  for (std::size_t a = 0; a < n; ++a) {
    own_after(noise, a, second[a], fourth[a]);
    for (std::size_t b = a; b < n; ++b) pairs[a * n + b] = pair_after(noise, a, b);
  }
  second_.swap(second);
  fourth_.swap(fourth);
  pairs_.swap(pairs);
  for (std::size_t a = 0; a < n; ++a)
    for (std::size_t b = a + 1; b < n; ++b) mirror(a, b, r * r);
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
      if (const double many = problem_.multiplicity[a] * others(b, a); many != 0)
        square += many * weight(a) * weight(b) * twice(pair(a, b));
  }
  const double mean = this->mean(form), variance = square - mean * mean;
  if (!std::isfinite(variance)) return std::numeric_limits<double>::infinity();
  return variance > rounding * square ? variance : 0;
}

double ProductCovariance::work(const GramPhase& phase, double modes) {
  const auto r = static_cast<double>(phase.r), R = r + static_cast<double>(phase.e.size());
  double turns = 0, pushes = 0;
  for (std::size_t i = 0; i < phase.T0.size(); ++i) turns += phase.T0[i] != 0 || phase.T1[i] != 0;
  const auto entries = [](const std::vector<double>& x) {
    return static_cast<double>(x.size()) - static_cast<double>(std::ranges::count(x, 0.0));
  };
  for (std::size_t w = 0; w < phase.e.size(); ++w) {
    turns += entries(phase.e[w]);
    pushes += entries(phase.n[w]) * entries(phase.n[w]);
  }
  // A turn, a mirrored pair, the sums over coordinates, and the pushes.
  return modes * modes * (turns * (r + R) * (r * r + R * R) + R * R * R * R + R * R * (R - r) + 6 * r * r * pushes);
}

double ProductCovariance::size(double r, double sources, double modes) {
  return modes * modes * std::pow(r + sources, 4);
}

}  // namespace edgewise::solvers
