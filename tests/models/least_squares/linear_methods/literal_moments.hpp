#pragma once
// A linear method as it is written, on few coordinates, and the fourth moments of its state by integration.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

namespace edgewise::tests {

/// The algorithm of docs/theory/two-phase.md, section 1, as it stands there, on d coordinates with standard normal data
/// `draws` (per step and worker: batch examples of d inputs and a label's noise).
struct LiteralRun {
  std::vector<double> lambda, target;
  double sigma = 0;
  std::size_t workers = 1, batch = 1, inner_steps = 1;
  double eta = 0.1, q0 = 1, q1 = 0, bi = 0, xi = 1, p0 = 1, p1 = 0, bo = 0;
  double coupled = 0, decoupled = 0;
  bool rounds = false, persistent = false;
  std::function<double(std::size_t)> rate = [](std::size_t) { return 1.0; };
  std::function<double(std::size_t)> average;  ///< weight of the newest iterate, where there is an average
  /// Label noise over sigma, and inputs over sqrt(lambda), by their draws.
  std::function<double(double)> label = [](double draw) { return draw; }, input = label;

  std::size_t dim() const { return lambda.size(); }
  // v and u of every worker, then the outer parameters and their momentum or the average, of d numbers each.
  std::size_t size() const { return dim() * (2 * workers + (rounds ? 2 : average ? 1 : 0)); }
  std::size_t outer() const { return rounds ? 2 * workers : 0; }
  std::size_t draws() const { return workers * batch * (dim() + 1); }

  std::vector<double> start(const std::vector<double>& v0) const {
    std::vector<double> z(size(), 0.0);
    for (std::size_t i = 0; i < dim(); ++i) {
      for (std::size_t w = 0; w < workers; ++w) z[2 * w * dim() + i] = v0[i];
      if (rounds || average) z[2 * workers * dim() + i] = v0[i];
    }
    return z;
  }

  void inner(std::vector<double>& z, std::size_t step, const double* draw) const {
    const std::size_t d = dim();
    const double eta_now = eta * rate(step);
    for (std::size_t w = 0; w < workers; ++w) {
      double *v = z.data() + 2 * w * d, *u = v + d;
      std::vector<double> g(d, 0.0);
      for (std::size_t b = 0; b < batch; ++b, draw += d + 1) {
        double residual = -sigma * label(draw[d]);
        for (std::size_t i = 0; i < d; ++i) residual += std::sqrt(lambda[i]) * input(draw[i]) * v[i];
        for (std::size_t i = 0; i < d; ++i)
          g[i] += residual * std::sqrt(lambda[i]) * input(draw[i]) / static_cast<double>(batch);
      }
      for (std::size_t i = 0; i < d; ++i) {
        const double theta = v[i] + target[i];
        g[i] += coupled * theta;
        u[i] = bi * u[i] + g[i];
        v[i] -= eta_now * (q0 * g[i] + q1 * u[i] + decoupled * theta);
      }
    }
    for (std::size_t i = 0; average && i < d; ++i) z[2 * d + i] += average(step) * (z[i] - z[2 * d + i]);
  }

  void sync(std::vector<double>& z) const {
    const std::size_t d = dim();
    for (std::size_t i = 0; i < d; ++i) {
      double mean = 0, &V = z[2 * workers * d + i], &m = z[(2 * workers + 1) * d + i];
      for (std::size_t w = 0; w < workers; ++w) mean += z[2 * w * d + i] / static_cast<double>(workers);
      const double delta = mean - V;
      m = bo * m + delta;
      V += xi * (p0 * delta + p1 * m);
      for (std::size_t w = 0; w < workers; ++w) {
        z[2 * w * d + i] = V;
        if (!persistent) z[(2 * w + 1) * d + i] = 0;
      }
    }
  }
};

/// E[Z Z Z Z] of Z = (state, 1), moved by integrating over all normals of a step: exact with five nodes each, for a step
/// is a polynomial of degree 2 in every draw.
class FourthMoments {
 public:
  FourthMoments(const LiteralRun& run, std::vector<double> start) : run_(run), D_(start.size() + 1) {
    start.push_back(1);
    E_.resize(D_ * D_ * D_ * D_);
    std::size_t at = 0;
    for (const double i : start)
      for (const double j : start)
        for (const double k : start)
          for (const double l : start) E_[at++] = i * j * k * l;
  }

  void step(std::size_t k) {
    const double inner = std::sqrt(5 - std::sqrt(10.0)), outer = std::sqrt(5 + std::sqrt(10.0));
    const std::array<double, 5> node{-outer, -inner, 0, inner, outer};
    const double heavy = (7 + 2 * std::sqrt(10.0)) / 60, light = (7 - 2 * std::sqrt(10.0)) / 60;
    const std::array<double, 5> weight{light, heavy, 8.0 / 15, heavy, light};
    std::vector<std::size_t> index(run_.draws(), 0);
    std::vector<double> draw(index.size()), total(E_.size(), 0.0);
    for (;;) {
      double share = 1;
      for (std::size_t i = 0; i < index.size(); ++i) {
        draw[i] = node[index[i]];
        share *= weight[index[i]];
      }
      add_moved([&](std::vector<double>& z) { run_.inner(z, k, draw.data()); }, share, total);
      std::size_t i = 0;
      while (i < index.size() && ++index[i] == 5) index[i++] = 0;
      if (i == index.size()) break;
    }
    E_ = std::move(total);
    if (run_.rounds && (k + 1) % run_.inner_steps == 0) {
      std::vector<double> synced(E_.size(), 0.0);
      add_moved([&](std::vector<double>& z) { run_.sync(z); }, 1, synced);
      E_ = std::move(synced);
    }
  }

  /// Standard deviation of sum over coordinates i and the states `at` (in units of d numbers) of weight_i z^2, times
  /// `share`.
  double std(const std::vector<std::size_t>& at, const std::vector<double>& weight, double share) const {
    std::vector<std::pair<std::size_t, double>> terms;
    for (const std::size_t s : at)
      for (std::size_t i = 0; i < run_.dim(); ++i) terms.emplace_back(s * run_.dim() + i, share * weight[i]);
    double mean = 0, square = 0;
    for (const auto& [i, a] : terms) {
      mean += a * E_[((i * D_ + i) * D_ + D_ - 1) * D_ + D_ - 1];
      for (const auto& [j, b] : terms) square += a * b * E_[((i * D_ + i) * D_ + j) * D_ + j];
    }
    return std::sqrt(std::max(0.0, square - mean * mean));
  }

 private:
  /// Adds `share` times E[AZ AZ AZ AZ] for the affine map that `move` is.
  template <class Move>
  void add_moved(Move move, double share, std::vector<double>& total) const {
    std::vector<double> A(D_ * D_, 0.0), base(D_ - 1, 0.0);
    move(base);
    A[D_ * D_ - 1] = 1;
    for (std::size_t j = 0; j + 1 < D_; ++j) {
      std::vector<double> z(D_ - 1, 0.0);
      z[j] = 1;
      move(z);
      for (std::size_t i = 0; i + 1 < D_; ++i) A[i * D_ + j] = z[i] - base[i];
    }
    for (std::size_t i = 0; i + 1 < D_; ++i) A[i * D_ + D_ - 1] = base[i];
    // One index after the other: each pass moves the first and turns it to the back.
    std::vector<double> now = E_, next(E_.size());
    const std::size_t rest = D_ * D_ * D_;
    for (int pass = 0; pass < 4; ++pass) {
      std::fill(next.begin(), next.end(), 0.0);
      for (std::size_t i = 0; i < D_; ++i)
        for (std::size_t j = 0; j < D_; ++j) {
          const double a = A[i * D_ + j];
          if (a == 0) continue;
          for (std::size_t k = 0; k < rest; ++k) next[k * D_ + i] += a * now[j * rest + k];
        }
      now.swap(next);
    }
    for (std::size_t i = 0; i < total.size(); ++i) total[i] += share * now[i];
  }

  const LiteralRun& run_;
  std::size_t D_;
  std::vector<double> E_;
};

}  // namespace edgewise::tests
