#include "models/equilibrium_network/simulation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>
#include <utility>

#include "linear_algebra/lu.hpp"
#include "models/framework/divergence.hpp"
#include "models/framework/simulation_of.hpp"
#include "models/ingredients/memory.hpp"
#include "numerics/constants.hpp"
#include "numerics/sums.hpp"
#include "random/random.hpp"

namespace edgewise::models::equilibrium_network {

namespace {

using linear_algebra::Lu;
using linear_algebra::Matrix;
using numerics::dot_in_order;
using numerics::squared_norm_in_order;

constexpr double nearly_singular = 1e-6;
/// An attempt is given up once the state is so many times the input, or once a window of iterations has not brought
/// its change down.
constexpr double blown_up = 1e8;
constexpr std::uint64_t window = 200;
constexpr int power_iterations = 40;
/// Where no draw of a replica has a fixed point.
constexpr std::uint64_t max_redraws = 100;
/// Of an iteration's change, relative to its length: rounding.
constexpr double settled_change = 1e-31;

void multiply_into(const Matrix& w, std::span<const double> x, std::span<double> out) {
  linear_algebra::multiply(w.rows(), 1, w.columns(), 1, w.data(), w.rows(), linear_algebra::Transposed::no, x.data(),
                           x.size(), linear_algebra::Transposed::no, 0, out.data(), out.size());
}

std::vector<double> states_of(const StateFunction& phi, std::span<const double> u) {
  std::vector<double> z(u.size());
  std::ranges::transform(u, z.begin(), phi.value);
  return z;
}

/// I - W D, D = diag phi'(u).
Matrix stability_matrix(const StateFunction& phi, const Matrix& w, std::span<const double> u) {
  Matrix a = w;
  for (std::size_t j = 0; j < a.columns(); ++j) {
    const double slope = phi.slope(u[j]);
    for (double& x : a.column(j)) x *= -slope;
    a(j, j) += 1;
  }
  return a;
}

/// By inverse iteration on a a'.
double smallest_singular_value(const Matrix& a, const Lu<double>& factors) {
  Matrix transposed(a.columns(), a.rows());
  for (std::size_t j = 0; j < a.columns(); ++j)
    for (std::size_t i = 0; i < a.rows(); ++i) transposed(j, i) = a(i, j);
  const Lu<double> other(a.rows(), transposed.entries());
  std::vector<double> v(a.rows());
  random::Stream(0, 0).normals(v);
  double value = 0;
  for (int k = 0; k < power_iterations; ++k) {
    factors.solve(v);
    other.solve(v);
    const double norm = std::sqrt(squared_norm_in_order(v));
    if (!std::isfinite(norm)) return 0;
    for (double& x : v) x /= norm;
    value = 1 / std::sqrt(norm);
  }
  return value;
}

/// Of the draws of one replica.
double centre(std::vector<double> values, Estimator estimator) {
  const std::size_t n = values.size();
  std::ranges::sort(values);
  if (estimator == Estimator::median) return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
  const std::size_t cut = estimator == Estimator::trimmed_mean ? n / 10 : 0;
  double sum = 0;
  for (std::size_t i = cut; i < n - cut; ++i) sum += values[i];
  return sum / static_cast<double>(n - 2 * cut);
}

class EquilibriumReplica final : public Replica {
 public:
  EquilibriumReplica(std::shared_ptr<const EquilibriumProblem> problem, std::uint64_t seed, std::uint64_t index)
      : problem_(std::move(problem)), limit_(divergence_limit(problem_->input_power)) {
    std::vector<std::vector<double>> found;
    std::uint64_t drawn = 0;
    for (; drawn < problem_->draws; ++drawn) add_draw(seed, index, drawn, found);
    const double failed = static_cast<double>(drawn - found.size()) / static_cast<double>(drawn);
    // Others take the place of none at all.
    for (std::uint64_t more = 0; more < max_redraws && found.empty(); ++more) add_draw(seed, index, drawn++, found);
    const std::size_t lengths = h_.size(), observed = equilibrium_observables(*problem_).size() - 2 - (lengths - 1);
    for (std::size_t o = 0; o + 1 < observed; ++o) {
      std::vector<double> values;
      for (const std::vector<double>& draw : found) values.push_back(draw[o]);
      equilibrium_.push_back(values.empty() ? infinity
                                            : centre(values, o < lengths ? problem_->estimator : Estimator::mean));
    }
    equilibrium_.push_back(failed);
    if (drawn > 1) draw_network(seed, index, 0);  // the one that is iterated
    z_.assign(h_.size(), std::vector<double>(problem_->width, 0.0));
    next_ = z_;
    iterate();
  }

  void advance(std::uint64_t depth) override {
    for (; depth_ < depth && !diverged_ && !settled_; ++depth_) {
      std::swap(z_, next_);
      iterate();
      // A state that has come back goes on as it did: only the place in the cycle matters.
      if (next_ == mark_) {
        const std::uint64_t period = depth_ + 1 - marked_at_;
        depth_ = depth - 1 - (depth - 1 - depth_) % period;
        marked_at_ = depth_ + 1;
      } else if (depth_ + 1 >= 2 * marked_at_) {
        mark_ = next_;
        marked_at_ = depth_ + 1;
      }
    }
    depth_ = std::max(depth_, depth);
  }

  void observe(std::span<double> out) const override {
    const auto n = static_cast<double>(problem_->width);
    std::size_t o = 0;
    out[o++] = diverged_ ? infinity : squared_norm_in_order(z_[0]) / n;
    out[o++] = diverged_ ? infinity : change_;
    if (z_.size() > 1) out[o++] = diverged_ ? infinity : dot_in_order(z_[0], z_[1]) / n;
    for (const double value : equilibrium_) out[o++] = value;
  }

 private:
  void add_draw(std::uint64_t seed, std::uint64_t index, std::uint64_t number,
                std::vector<std::vector<double>>& found) {
    draw_network(seed, index, number);
    if (auto values = equilibrium_of_draw()) found.push_back(*std::move(values));
  }

  void draw_network(std::uint64_t seed, std::uint64_t index, std::uint64_t number) {
    const std::size_t n = problem_->width, inputs = problem_->correlation ? 2 : 1;
    w_ = draw(problem_->family, n, problem_->g, seed, index, number);
    h_.assign(inputs, std::vector<double>(n));
    random::Stream stream(seed, index, number, random::Purpose::data);
    for (std::vector<double>& h : h_) stream.normals(h);
    if (!problem_->gaussian_input) normalise();
    if (inputs == 2) {
      const double rho = *problem_->correlation, across = std::sqrt((1 - rho) * (1 + rho));
      for (std::size_t i = 0; i < n; ++i) h_[1][i] = rho * h_[0][i] + across * h_[1][i];
    }
    for (std::vector<double>& h : h_)
      for (double& x : h) x *= std::sqrt(problem_->input_power);
  }

  /// To |h_0|^2 = |h_1|^2 = n and h_0.h_1 = 0, so that correlations are exact too.
  void normalise() {
    for (std::size_t a = 0; a < h_.size(); ++a) {
      if (a == 1) {
        const double along = dot_in_order(h_[0], h_[1]) / squared_norm_in_order(h_[0]);
        for (std::size_t i = 0; i < h_[1].size(); ++i) h_[1][i] -= along * h_[0][i];
      }
      const double square = squared_norm_in_order(h_[a]);
      // In one dimension nothing is orthogonal to the first input.
      const double factor = square > 0 ? std::sqrt(static_cast<double>(h_[a].size()) / square) : 0;
      for (double& x : h_[a]) x *= factor;
    }
  }

  /// next = phi(W z + h).
  void iterate() {
    double change = 0, size = 0;
    settled_ = true;
    for (std::size_t a = 0; a < z_.size(); ++a) {
      double moved = 0;
      multiply_into(w_, z_[a], next_[a]);
      for (std::size_t i = 0; i < next_[a].size(); ++i) {
        next_[a][i] = problem_->phi.value(next_[a][i] + h_[a][i]);
        const double step = next_[a][i] - z_[a][i];
        moved += step * step;
        size = std::max(size, std::abs(next_[a][i]));
      }
      if (a == 0) change = moved;
      settled_ = settled_ && moved <= settled_change * squared_norm_in_order(next_[a]);
    }
    change_ = change / static_cast<double>(problem_->width);
    diverged_ = !(size * size <= limit_);
  }

  /// What is observed of it, lengths (and overlaps) first; empty without a fixed point.
  std::optional<std::vector<double>> equilibrium_of_draw() const {
    std::vector<double> out;
    const auto n = static_cast<double>(problem_->width);
    std::vector<std::vector<double>> z;
    SolvedState first;
    bool all_solved = true;
    double iterations = 0;
    for (const std::vector<double>& h : h_) {
      SolvedState found = solve_state(*problem_, w_, h);
      all_solved = all_solved && found.solved;
      iterations = std::max(iterations, static_cast<double>(found.iterations));
      z.push_back(states_of(problem_->phi, found.u));
      if (first.u.empty()) first = std::move(found);
    }
    if (!all_solved && !problem_->phi.linear()) return {};
    Lu<double> factors;
    Matrix a;
    if (problem_->phi.linear() || problem_->singular_values) {
      a = stability_matrix(problem_->phi, w_, first.u);
      factors.factor(problem_->width, a.entries());
    }
    if (problem_->phi.linear()) {  // directly, whether or not the iteration finds it
      z = h_;
      for (std::vector<double>& x : z) factors.solve(x);
    }
    out.push_back(squared_norm_in_order(z[0]) / n);
    if (z.size() > 1) out.push_back(dot_in_order(z[0], z[1]) / n);
    out.push_back(iterations);
    if (problem_->singular_values) {
      out.push_back(smallest_singular_value(a, factors));
      out.push_back(out.back() < nearly_singular ? 1 : 0);
    }
    return out;
  }

  std::shared_ptr<const EquilibriumProblem> problem_;
  Matrix w_;
  double limit_;
  std::vector<std::vector<double>> h_, z_, next_;  ///< one per input
  std::vector<double> equilibrium_;
  double change_ = 0;
  std::uint64_t depth_ = 0;
  std::vector<std::vector<double>> mark_;  ///< `next_` at depth marked_at_, the last power of two
  std::uint64_t marked_at_ = 1;
  bool diverged_ = false, settled_ = false;
};

}  // namespace

SolvedState solve_state(const EquilibriumProblem& problem, const Matrix& w, std::span<const double> h) {
  const std::size_t n = h.size();
  const double unit = std::sqrt(squared_norm_in_order(h) / static_cast<double>(n));
  SolvedState out;
  std::vector<double> next(n);
  std::vector<double> attempts{1, 0.3, 0.1, 0.03, 0.01};
  if (problem.damping) attempts = {*problem.damping};
  for (const double a : attempts) {
    out.u.assign(h.begin(), h.end());
    out.damping = a;
    double before = infinity;
    for (std::uint64_t k = 0; k < problem.max_iterations; ++k) {
      multiply_into(w, states_of(problem.phi, out.u), next);
      double change = 0, size = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const double moved = (1 - a) * out.u[i] + a * (next[i] + h[i]);
        change = std::max(change, std::abs(moved - out.u[i]));
        out.u[i] = moved;
        size = std::max(size, std::abs(moved));
      }
      ++out.iterations;
      if (!(size <= blown_up * unit)) break;
      if (k % window == 0) {
        if (change > 0.99 * before) break;
        before = change;
      }
      if (change <= problem.tolerance * unit) {
        out.solved = true;
        return out;
      }
    }
  }
  return out;
}

std::vector<Observable> equilibrium_observables(const EquilibriumProblem& problem) {
  std::vector<Observable> out{{"length", "input^2", "|z_k|^2/n after k iterations from z = 0"},
                              {"residual", "input^2", "|z_{k+1} - z_k|^2/n"}};
  if (problem.correlation) out.push_back({"overlap", "input^2", "z_k.z'_k/n of two inputs"});
  out.push_back({"equilibrium_length", "input^2",
                 "|z|^2/n of the fixed point, the same at every depth; over `draws`; infinite where no solver finds "
                 "that of any draw"});
  if (problem.correlation) out.push_back({"equilibrium_overlap", "input^2", "z.z'/n of the fixed points"});
  out.push_back({"solver_iterations", "iterations", "until u changes by less than the tolerance, in all attempts"});
  if (problem.singular_values) {
    out.push_back({"smallest_singular_value", "1", "of I - W diag phi'(u) at the fixed point"});
    out.push_back({"near_singular", "1", "1 where that is below 1e-6, else 0"});
  }
  out.push_back(
      {"failed_draws", "1", "share of the draws whose fixed point was not found; the others make up the rest"});
  return out;
}

void require_drawable(const EquilibriumProblem& problem) {
  if (problem.width > widest_drawn)
    throw std::invalid_argument(
        fmt::format("network.width: must be at most {} for a simulation, got {}; the theory has no limit", widest_drawn,
                    problem.width));
}

std::unique_ptr<Simulation> simulate_equilibria(std::shared_ptr<const EquilibriumProblem> problem) {
  require_drawable(*problem);
  const auto n = static_cast<double>(problem->width);
  // W of a replica and, beside it, the matrix of its fixed point with what it is factored in.
  if (const auto said = ingredients::too_much_memory(sizeof(double) * 3 * n * n))
    throw std::invalid_argument(
        fmt::format("network.width: {} x {} matrices of one replica need {}", problem->width, problem->width, *said));
  return simulation_of({equilibrium_observables(*problem),
                        fmt::format("W and h drawn, n = {:.0f}; plain iteration, and the fixed point{}", n,
                                    problem->phi.linear() ? " directly" : ""),
                        [problem](std::uint64_t seed, std::uint64_t index) {
                          return std::make_unique<EquilibriumReplica>(problem, seed, index);
                        }});
}

}  // namespace edgewise::models::equilibrium_network
