#include "models/quadratic_regression/simulation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <mutex>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <utility>

#include "models/framework/perturbed.hpp"
#include "models/ingredients/kernel_stability.hpp"
#include "models/quadratic_regression/curvature_record.hpp"
#include "models/quadratic_regression/hessian_edge.hpp"
#include "models/quadratic_regression/ntk_eigenvalues.hpp"
#include "models/quadratic_regression/sharpening_record.hpp"
#include "models/quadratic_regression/tuned_steps.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::quadratic_regression {

using ingredients::annealed_kernel_norm;
using ingredients::exact_kernel_norm;

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// A norm beyond its pole, eta beta lambda_1 >= 2, is infinite, but the run is finite: it must not count as diverged.
constexpr double largest_norm = 1000;

/// A run and what is followed along it.
class QuadraticRun {
 public:
  /// \param sign  of the curvature
  /// \param off   by which theta is moved at the start; empty: not
  QuadraticRun(const QuadraticProblem& problem, const QuadraticInstance& instance, double sign, std::uint64_t seed,
               std::uint64_t index, std::span<const double> off)
      : problem_(problem),
        z0_(instance.z0),
        sign_(sign),
        state_(instance, sign),
        largest_loss_(quadratic_divergence * state_.loss()),
        largest_(problem.eigenvalues),
        noise_(seed, index, 0, random::Purpose::other) {
    if (!off.empty()) state_.displace(off);
    if (problem.traces) curvature_.emplace(problem.rule);
    if (problem.sharpening_modes > 0) sharpening_.emplace(state_.jacobian(), problem.sharpening_modes);
    if (problem.every_step) edge_.emplace(problem.burn_in, problem.base.edge_factor());
    if (problem.turned())
      tuned_.emplace(problem.rate.get(), problem.base, problem.full_batch(), problem.law.parameters);
  }

  /// Adds the run's next step to those that are taken together, unless it has come to its end.
  void leave(JointSteps& steps, std::uint64_t step, std::span<const std::size_t> batch) {
    if (tuned_ && tuned_->ended()) return;
    EdgeRecord* edge = edge_ ? &*edge_ : nullptr;
    if (tuned_)
      tuned_->prepare(problem_.learning_rate(static_cast<double>(step)), edge);
    else if (edge)
      edge->leaves(state_);
    if (problem_.rule.kind == StepKind::weight_noise) {
      noise_.seek(2 * step);
      noise_.normals(drawn(xi_));
    }
    steps.add(state_, batch, tuned_ ? &*tuned_ : nullptr, xi_);
  }

  /// To be called after each step with their number. Whether the run goes on.
  bool arrived(std::uint64_t step) {
    if (tuned_ && tuned_->ended()) return true;
    if (edge_) edge_->took(step - 1, tuned_ ? tuned_->last() : problem_.learning_rate(static_cast<double>(step - 1)));
    if (sharpening_ && step <= SharpeningRecord::last_step) sharpening_->note(step, state_.jacobian());
    return state_.loss() <= largest_loss_;  // false for what is not a number, too
  }

  /// Writes the observables after `step` steps.
  void observe(std::uint64_t step, std::span<double> out) const {
    const Matrix& j = state_.jacobian();
    const auto d = static_cast<double>(j.rows());
    const double eta = problem_.rate ? tuned_->last() : problem_.learning_rate(static_cast<double>(step));
    std::size_t o = 0;
    out[o++] = state_.loss() / d;
    out[o++] = numerics::squared_norm_in_order(state_.theta()) / static_cast<double>(j.columns());
    out[o++] = numerics::squared_norm_in_order(j.entries()) / d;
    const bool norms = problem_.kernel_norms != KernelNorms::none;
    const bool decompose = norms && problem_.batch < problem_.law.outputs;
    linear_algebra::SymmetricEigen kernel;
    std::vector<double> lambda(problem_.eigenvalues);
    if (decompose) {
      kernel = linear_algebra::symmetric_eigen(linear_algebra::product(j, j, Transposed::no, Transposed::yes));
      std::copy_n(kernel.values.rbegin(), lambda.size(), lambda.begin());
    } else {
      std::ranges::copy(largest_(j), lambda.begin());
    }
    out[o++] = lambda[0];
    out[o++] = eta * lambda[0];
    if (problem_.has_sam_edge()) out[o++] = eta * lambda[0] * (1 + problem_.rule.rho * lambda[0]);
    if (norms)
      out[o++] = decompose ? std::min(largest_norm, annealed_kernel_norm(kernel.values, eta, problem_.batch)) : 0.0;
    if (problem_.kernel_norms == KernelNorms::exact)
      out[o++] = decompose ? std::min(largest_norm, exact_kernel_norm(kernel, eta, problem_.batch)) : 0.0;
    out[o++] = overlap();
    for (std::size_t k = 1; k < lambda.size(); ++k) out[o++] = lambda[k];
    if (sharpening_) {
      sharpening_->write(out.subspan(o));
      o += sharpening_observables(problem_.sharpening_modes).size();
    }
    if (edge_) {
      edge_->write(state_, out.subspan(o));
      o += edge_observables(problem_.base).size();
    }
    if (curvature_) {
      std::vector<double> xi;
      if (problem_.rule.deviation > 0) {
        noise_.seek(2 * step + 1);
        noise_.normals(drawn(xi));
      }
      curvature_->write(state_, xi, out.subspan(o));
      o += curvature_observables(problem_.rule).size();
    }
    if (problem_.rate) tuned_->write(state_, out.subspan(o));
  }

 private:
  /// Room for a xi, of which the steps take the even places of the stream and the record the odd ones.
  std::span<double> drawn(std::vector<double>& xi) const {
    xi.resize(problem_.law.parameters);
    return xi;
  }
  double overlap() const {
    const double square = numerics::squared_norm_in_order(z0_);
    if (square == 0) return absent;
    return sign_ * numerics::dot_in_order(z0_, state_.residual()) / square;
  }

  const QuadraticProblem& problem_;
  const std::vector<double>& z0_;
  double sign_;
  QuadraticState state_;
  double largest_loss_;
  mutable LargestNtkEigenvalues largest_;
  std::optional<SharpeningRecord> sharpening_;
  std::optional<EdgeRecord> edge_;
  std::optional<TunedSteps> tuned_;
  std::optional<CurvatureRecord> curvature_;
  mutable random::Stream noise_;
  std::vector<double> xi_;
};

/// A replica: one run, or the pair on Q and -Q, of which the observables are the means.
struct QuadraticReplica {
  QuadraticReplica(const QuadraticProblem& problem, const QuadraticInstance& instance, std::uint64_t seed,
                   std::uint64_t index, std::span<const double> off)
      : masks(problem.law.outputs, problem.batch, seed, index) {
    runs.reserve(2);
    runs.emplace_back(problem, instance, 1.0, seed, index, off);
    if (problem.antithetic) runs.emplace_back(problem, instance, -1.0, seed, index, off);
  }

  void observe(std::uint64_t step, std::span<double> out) const {
    if (diverged) {
      std::ranges::fill(out, std::numeric_limits<double>::infinity());
      return;
    }
    runs[0].observe(step, out);
    if (runs.size() == 1) return;
    std::vector<double> other(out.size());
    runs[1].observe(step, other);
    for (std::size_t o = 0; o < out.size(); ++o) out[o] = 0.5 * (out[o] + other[o]);
  }

  RowMasks masks;
  std::vector<QuadraticRun> runs;
  bool diverged = false;
};

/// Replicas on one instance, whose steps read its tensor once for all of them.
class QuadraticGroup final : public ReplicaGroup {
 public:
  QuadraticGroup(std::shared_ptr<const QuadraticProblem> problem, std::shared_ptr<const QuadraticInstance> instance,
                 std::uint64_t seed, std::uint64_t first, std::uint64_t count, std::span<const double> off)
      : problem_(std::move(problem)), instance_(std::move(instance)) {
    replicas_.reserve(count);
    for (std::uint64_t r = 0; r < count; ++r) replicas_.emplace_back(*problem_, *instance_, seed, first + r, off);
  }

  void advance(std::uint64_t target) override {
    QuadraticRule rule = problem_->rule;
    const auto goes_on = [](const QuadraticReplica& r) { return !r.diverged; };
    for (; step_ < target && std::ranges::any_of(replicas_, goes_on); ++step_) {
      rule.learning_rate = problem_->learning_rate(static_cast<double>(step_));
      for (QuadraticReplica& replica : replicas_) {
        if (replica.diverged) continue;
        const std::span<const std::size_t> batch = replica.masks.rows(step_);
        for (QuadraticRun& run : replica.runs) run.leave(steps_, step_, batch);
      }
      steps_.take(rule);
      for (QuadraticReplica& replica : replicas_) {
        if (replica.diverged) continue;
        for (QuadraticRun& run : replica.runs) replica.diverged = !run.arrived(step_ + 1) || replica.diverged;
      }
    }
    step_ = target;
  }

  void observe(std::size_t index, std::span<double> out) const override { replicas_[index].observe(step_, out); }

 private:
  std::shared_ptr<const QuadraticProblem> problem_;
  std::shared_ptr<const QuadraticInstance> instance_;
  std::vector<QuadraticReplica> replicas_;
  JointSteps steps_;
  std::uint64_t step_ = 0;
};

/// A group of one.
class SingleReplica final : public Replica {
 public:
  explicit SingleReplica(std::unique_ptr<ReplicaGroup> group) : group_(std::move(group)) {}
  void advance(std::uint64_t step) override { group_->advance(step); }
  void observe(std::span<double> out) const override { group_->observe(0, out); }

 private:
  std::unique_ptr<ReplicaGroup> group_;
};

class QuadraticSimulation final : public Simulation {
 public:
  /// \param perturbed  whether it starts `perturbation` off
  QuadraticSimulation(std::shared_ptr<const QuadraticProblem> problem, bool perturbed)
      : problem_(std::move(problem)),
        perturbed_(perturbed),
        plan_(plan_tensors(*problem_)),
        observables_(quadratic_observables(*problem_)) {}

  const std::vector<Observable>& observables() const override { return observables_; }

  std::unique_ptr<Replica> replica(std::uint64_t seed, std::uint64_t index) const override {
    return std::make_unique<SingleReplica>(group(seed, index, 1));
  }

  std::uint64_t group_size() const override {
    if (!problem_->given && !problem_->shared_instance) return 1;
    // Larger groups gain little more, and leave threads without work.
    constexpr std::uint64_t largest = 8;
    const std::uint64_t threads = run_threads(*problem_);
    return std::clamp<std::uint64_t>(problem_->replicas / threads, 1, largest);
  }

  std::unique_ptr<ReplicaGroup> group(std::uint64_t seed, std::uint64_t first, std::uint64_t count) const override {
    if (count > group_size()) throw std::invalid_argument("the group is too large");
    std::vector<double> off;
    if (perturbed_) off = perturbation(problem_->law.parameters, problem_->perturbation, seed);
    return std::make_unique<QuadraticGroup>(problem_, instance(seed, first), seed, first, count, off);
  }

  std::string sampler() const override { return "residual space, " + plan_.text(); }
  std::string announcement() const override { return plan_.text(); }

  std::vector<std::string> warnings() const override {
    std::vector<std::string> out;
    const bool one_curvature = problem_->fixed_curvature() || problem_->law.curvature == 0;
    const bool noiseless = problem_->rule.deviation == 0 || problem_->rule.kind != StepKind::weight_noise;
    if (one_curvature && noiseless && problem_->fixed_residual() && problem_->fixed_jacobian() &&
        problem_->batch == problem_->law.outputs && problem_->replicas > 1)
      out.push_back("every replica is the same run: one instance, and nothing random in the steps");
    if (plan_.storage == CurvatureTensor::Storage::streamed && problem_->tensor == TensorStorage::automatic)
      out.push_back(fmt::format("the curvature tensors do not fit in memory and are drawn anew at every step ({})",
                                plan_.text()));
    return out;
  }

 private:
  std::shared_ptr<const QuadraticInstance> instance(std::uint64_t seed, std::uint64_t index) const {
    if (problem_->given) return problem_->given;
    const auto draw = [&](std::uint64_t replica) {
      QuadraticStart start = quadratic_start(*problem_, seed, replica);
      return std::make_shared<const QuadraticInstance>(QuadraticInstance{
          std::move(start.z0), std::move(start.j0), CurvatureTensor(problem_->law, seed, replica, plan_.storage)});
    };
    if (!problem_->shared_instance) return draw(index);
    const std::scoped_lock lock(mutex_);
    if (!shared_ || shared_seed_ != seed) {
      shared_ = draw(0);
      shared_seed_ = seed;
    }
    return shared_;
  }

  std::shared_ptr<const QuadraticProblem> problem_;
  bool perturbed_;
  TensorPlan plan_;
  std::vector<Observable> observables_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const QuadraticInstance> shared_;
  mutable std::uint64_t shared_seed_ = 0;
};

}  // namespace

RowMasks::RowMasks(std::size_t outputs, std::size_t batch, std::uint64_t seed, std::uint64_t replica)
    : batch_(batch), order_(outputs), stream_(seed, replica, 0, random::Purpose::batch) {}

std::span<const std::size_t> RowMasks::rows(std::uint64_t step) {
  if (batch_ == order_.size()) return {};
  stream_.seek(step);
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  for (std::size_t k = 0; k < batch_; ++k) std::swap(order_[k], order_[k + stream_.below(order_.size() - k)]);
  return {order_.data(), batch_};
}

std::vector<Observable> quadratic_observables(const QuadraticProblem& problem) {
  std::vector<Observable> out = {{"loss", "label^2", "|z|^2/(2D), per output"},
                                 {"parameter_power", "1", "|theta|^2/P"},
                                 {"ntk_mean", "1", "tr K/D, K = J J'"},
                                 {"ntk_max", "1", "largest eigenvalue of K"},
                                 {"eta_lambda_max", "1",
                                  problem.rate ? "eta of the last step times the largest eigenvalue of K"
                                               : "eta times the largest eigenvalue of K"}};
  if (problem.has_sam_edge())
    out.push_back({"sam_edge", "1",
                   "eta lambda (1 + rho lambda) of the largest eigenvalue; the edge of SAM and of penalties by H or "
                   "GGN is at 2"});
  if (problem.kernel_norms != KernelNorms::none)
    out.push_back(
        {"kernel_norm", "1", "annealed kernel norm Kn of the frozen kernel; 0 at full batch, 1000 from its pole on"});
  if (problem.kernel_norms == KernelNorms::exact)
    out.push_back({"kernel_norm_exact", "1",
                   "kernel norm Kx of the frozen kernel; 1 is the mean-square edge, 1000 stands for infinite"});
  out.push_back({"residual_overlap", "1", "z0'z/|z0|^2, the part of the initial residual that remains"});
  for (std::size_t k = 2; k <= problem.eigenvalues; ++k)
    out.push_back({fmt::format("ntk_{}", k), "1", fmt::format("eigenvalue {} of K, from the largest down", k)});
  if (problem.sharpening_modes > 0)
    std::ranges::copy(sharpening_observables(problem.sharpening_modes), std::back_inserter(out));
  if (problem.every_step) std::ranges::copy(edge_observables(problem.base), std::back_inserter(out));
  if (problem.traces) std::ranges::copy(curvature_observables(problem.rule), std::back_inserter(out));
  if (problem.rate) std::ranges::copy(tuned_observables(*problem.rate), std::back_inserter(out));
  return out;
}

std::unique_ptr<Simulation> simulate_quadratic(std::shared_ptr<const QuadraticProblem> problem) {
  auto simulation = std::make_unique<QuadraticSimulation>(problem, false);
  if (problem->perturbation == 0) return simulation;
  return with_change(std::move(simulation), std::make_unique<QuadraticSimulation>(std::move(problem), true), "loss");
}

}  // namespace edgewise::models::quadratic_regression
