#include "models/equilibrium_network/training.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "models/equilibrium_network/linear_iteration.hpp"
#include "models/equilibrium_network/linear_theory.hpp"
#include "models/equilibrium_network/nonlinear_theory.hpp"
#include "models/equilibrium_network/simulation.hpp"
#include "models/framework/simulation_of.hpp"
#include "models/ingredients/stepping_replica.hpp"
#include "numerics/constants.hpp"
#include "numerics/sums.hpp"
#include "random/random.hpp"

namespace edgewise::models::equilibrium_network {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// A run has diverged when its loss exceeds so many times that of f = 0, or of 1.
constexpr double training_divergence = 1e6;
/// Kernels that change by less from one iteration to the next, relative, have come to rest.
constexpr double settled_kernel = 1e-14;

double divergence_of(const TrainingProblem& problem) {
  const double still = numerics::squared_norm_in_order(problem.targets) / 2 / static_cast<double>(problem.examples());
  return training_divergence * std::max(still, problem.network.input_power);
}

class TrainingReplica final : public ingredients::SteppingReplica {
 public:
  TrainingReplica(std::shared_ptr<const TrainingProblem> problem, std::uint64_t seed, std::uint64_t index)
      : SteppingReplica(divergence_of(*problem)),
        problem_(std::move(problem)),
        weights_(draw_weights(*problem_, seed, index)),
        pass_(tied_pass(*problem_, weights_)) {}

 private:
  double take_step(std::uint64_t, bool) override {
    const double n = static_cast<double>(problem_->network.width), g = problem_->network.g;
    const double of_w = problem_->learning_rate * g * g / n;
    for (std::size_t k = 0; k < weights_.w.size(); ++k) weights_.w.data()[k] -= of_w * pass_.w.data()[k];
    for (std::size_t k = 0; k < weights_.readout.size(); ++k)
      weights_.readout[k] -= problem_->learning_rate * pass_.readout[k];
    pass_ = tied_pass(*problem_, weights_);
    return pass_.loss;
  }
  void measure(std::span<double> out) const override {
    out[0] = pass_.loss;
    out[1] = pass_.length;
    out[2] = pass_.unconverged;
  }

  std::shared_ptr<const TrainingProblem> problem_;
  TiedWeights weights_;
  TiedPass pass_;
};

/// Of a pair of examples: E z_k z'_k, and the tangent kernel of W.
struct PairKernels {
  double states = 0, weights = 0;
};

/// Nonlinear bi-invariant networks, layer by layer: T_(s+1) = g^2 (E z_s z'_s + E phi'(u_s) phi'(u'_s) T_s) is the kernel of u_(s+1).
/// \param lengths  E z_s^2, s = 1, 2, ..., as far as they change; grown by the first pair, which must be of equal inputs
PairKernels layered_kernels(const TrainingProblem& problem, double rho, std::vector<double>& lengths) {
  const EquilibriumProblem& p = problem.network;
  const bool first = lengths.empty();
  double q = p.input_power, covariance = rho * q, tangent = 0;
  PairKernels out;
  for (std::uint64_t s = 1; s <= problem.iterations; ++s) {
    const PairMoments pair = pair_moments(p.phi, q, 0, std::clamp(covariance / q, -1.0, 1.0));
    const double unmoved = settled_kernel * (std::abs(out.weights) + std::abs(pair.states));
    const bool still =
        std::abs(pair.states - out.states) < unmoved && std::abs(pair.slopes * tangent - out.weights) < unmoved;
    out = {pair.states, pair.slopes * tangent};
    if (first) lengths.push_back(pair.states);
    if (still) break;
    tangent = p.g * p.g * (pair.states + out.weights);
    covariance = p.input_power * rho + p.g * p.g * pair.states;
    q = p.input_power + p.g * p.g * lengths[std::min<std::size_t>(s, lengths.size()) - 1];
  }
  return out;
}

/// Covariance of f at the start, and tangent kernel, of all pairs of examples: after the iterations asked, of more than
/// longest_kernel of the fixed point.
struct WideKernels {
  Matrix start, tangent;
};
WideKernels wide_kernels(const TrainingProblem& problem) {
  const EquilibriumProblem& p = problem.network;
  const std::size_t N = problem.examples();
  const auto d = static_cast<double>(problem.inputs.rows());
  WideKernels out{Matrix(N, N), Matrix(N, N)};
  if (!p.phi.linear() && !p.family.bi_invariant())
    throw std::invalid_argument(
        "network.family: the tangent kernel of nonlinear networks is known for bi-invariant families");
  const bool at_rest = problem.iterations > longest_kernel;
  const LinearMoments m = p.phi.linear() ? linear_moments(p.family, p.g) : LinearMoments{};
  const Equilibrium at = p.phi.linear() ? Equilibrium{} : equilibrium(p.family, p.phi, p.input_power, p.g);
  PairKernels linear{m.m1, std::pow(p.g * m.m1, 2)};
  if (p.phi.linear() && !at_rest)
    linear = {iteration_lengths(p.family, p.g, std::array{problem.iterations}).front(),
              iteration_kernel(p.family, p.g, problem.iterations)};
  std::vector<double> lengths;
  for (std::size_t i = 0; i < N; ++i)
    for (std::size_t j = i + 1; j-- > 0;) {  // equal inputs first
      const double rho =
          i == j
              ? 1
              : std::clamp(numerics::dot_in_order(problem.inputs.column(i), problem.inputs.column(j)) / d, -1.0, 1.0);
      PairKernels pair{p.input_power * rho * linear.states, p.input_power * rho * linear.weights};
      if (!p.phi.linear() && at_rest) {
        const PairEquilibrium rest = pair_equilibrium(p.phi, p.input_power, rho, at);
        pair = {rest.overlap, tangent_kernels(rest, p.g).of_state};
      } else if (!p.phi.linear()) {
        pair = layered_kernels(problem, rho, lengths);
      }
      out.start(i, j) = out.start(j, i) = pair.states;
      out.tangent(i, j) = out.tangent(j, i) = pair.states + pair.weights;
    }
  return out;
}

}  // namespace

TiedWeights draw_weights(const TrainingProblem& problem, std::uint64_t seed, std::uint64_t replica) {
  const EquilibriumProblem& p = problem.network;
  TiedWeights out;
  out.w = draw(p.family, p.width, p.g, seed, replica);
  random::Stream stream(seed, replica, 0, random::Purpose::data);
  Matrix u(p.width, problem.inputs.rows());
  stream.normals(u.entries());
  out.h = linear_algebra::product(u, problem.inputs);
  for (double& x : out.h.entries()) x *= std::sqrt(p.input_power / static_cast<double>(problem.inputs.rows()));
  stream.seek(1);
  out.readout.resize(p.width);
  stream.normals(out.readout);
  return out;
}

TiedPass tied_pass(const TrainingProblem& problem, const TiedWeights& weights) {
  const StateFunction& phi = problem.network.phi;
  const std::size_t n = problem.network.width, N = problem.examples();
  const double root = std::sqrt(static_cast<double>(n)), count = static_cast<double>(N);
  std::vector<Matrix> states{Matrix(n, N)}, slopes;
  for (std::uint64_t k = 0; k < problem.iterations; ++k) {
    Matrix u = weights.h;
    linear_algebra::multiply(1, weights.w, Transposed::no, states.back(), Transposed::no, 1, u);
    Matrix slope(n, N);
    for (std::size_t i = 0; i < u.size(); ++i) {
      slope.data()[i] = phi.slope(u.data()[i]);
      u.data()[i] = phi.value(u.data()[i]);
    }
    slopes.push_back(std::move(slope));
    states.push_back(std::move(u));
  }
  TiedPass out;
  out.w = Matrix(n, n);
  out.readout.assign(n, 0.0);
  const Matrix& z = states.back();
  const Matrix& before = states[states.size() - 2];
  Matrix back(n, N);  // dL/dz_k
  double change = 0;
  for (std::size_t i = 0; i < N; ++i) {
    const double residual = numerics::dot_in_order(weights.readout, z.column(i)) / root - problem.targets[i];
    out.loss += residual * residual / (2 * count);
    for (std::size_t a = 0; a < n; ++a) {
      out.readout[a] += residual * z(a, i) / (root * count);
      back(a, i) = residual * weights.readout[a] / (root * count);
      change += std::pow(z(a, i) - before(a, i), 2);
    }
  }
  const double size = numerics::squared_norm_in_order(z.entries());
  out.length = size / (count * static_cast<double>(n));
  out.unconverged = size > 0 ? change / size : 0;
  for (std::size_t k = problem.iterations; k-- > 0;) {
    for (std::size_t i = 0; i < back.size(); ++i) back.data()[i] *= slopes[k].data()[i];
    linear_algebra::multiply(1, back, Transposed::no, states[k], Transposed::yes, 1, out.w);
    if (k > 0) back = linear_algebra::product(weights.w, back, Transposed::yes);
  }
  return out;
}

std::vector<Observable> training_observables() {
  return {{"loss", "target^2", "mean (f - y)^2/2"},
          {"length", "input^2", "mean |z_k|^2/n over examples"},
          {"unconverged", "1", "|z_k - z_{k-1}|^2/|z_k|^2: how far the last iteration is from the fixed point"}};
}

std::unique_ptr<Simulation> simulate_training(std::shared_ptr<const TrainingProblem> problem) {
  require_drawable(problem->network);
  if (static_cast<double>(problem->network.width * problem->examples()) * static_cast<double>(problem->iterations) >
      1e9)
    throw std::invalid_argument(
        "training.iterations: times examples times network.width is more than the 1e9 states that are kept");
  return simulation_of({training_observables(), "gradient descent through all iterations",
                        [problem](std::uint64_t seed, std::uint64_t index) {
                          return std::make_unique<TrainingReplica>(problem, seed, index);
                        }});
}

std::vector<double> lazy_losses(const TrainingProblem& problem) {
  const WideKernels kernels = wide_kernels(problem);
  const linear_algebra::SymmetricEigen eigen = linear_algebra::symmetric_eigen(kernels.tangent);
  const std::size_t N = problem.examples();
  const auto count = static_cast<double>(N);
  // f ~ N(0, start) at the start: E (e.(f - y))^2 along an eigenvector e.
  std::vector<double> square;
  const Matrix turned = linear_algebra::product(kernels.start, eigen.vectors);
  for (std::size_t a = 0; a < N; ++a)
    square.push_back(numerics::dot_in_order(eigen.vectors.column(a), turned.column(a)) +
                     std::pow(numerics::dot_in_order(eigen.vectors.column(a), problem.targets), 2));
  std::vector<double> out;
  for (const std::uint64_t step : problem.network.depth.at) {
    double loss = 0;
    for (std::size_t a = 0; a < N; ++a)
      loss += square[a] * std::pow(1 - problem.learning_rate * eigen.values[a] / count, 2 * static_cast<double>(step)) /
              (2 * count);
    out.push_back(loss);
  }
  return out;
}

double lazy_edge(const TrainingProblem& problem) {
  return 2 * static_cast<double>(problem.examples()) /
         linear_algebra::symmetric_eigenvalues(wide_kernels(problem).tangent).back();
}

}  // namespace edgewise::models::equilibrium_network
