#include "models/network/simulation.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "models/framework/absent.hpp"
#include "models/framework/simulation_of.hpp"
#include "models/ingredients/kernel_stability.hpp"
#include "models/ingredients/plateau.hpp"
#include "models/ingredients/stepping_replica.hpp"
#include "models/network/edge.hpp"
#include "numerics/constants.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::network {

namespace {

using ingredients::CurvaturePart;
using ingredients::networks::NetworkObjective;

/// A norm beyond its pole is infinite, but the run is finite: it must not count as diverged.
constexpr double largest_norm = 1000;
/// Of the first loss and the first |g|^2 of all examples, below which the ratios of cdat and armijo mean nothing: they rest.
constexpr double learned = 1e-24, at_rest = 1e-28;

class NetworkReplica final : public ingredients::ScheduledReplica {
 public:
  NetworkReplica(std::shared_ptr<const NetworkProblem> problem, std::uint64_t seed, std::uint64_t index)
      : NetworkReplica(problem, problem->start(seed, index), seed, index) {}

 private:
  NetworkReplica(std::shared_ptr<const NetworkProblem> problem, std::vector<double> start, std::uint64_t seed,
                 std::uint64_t index)
      : ScheduledReplica(network_divergence * scale(*problem, start), problem->learning_rate, *problem->schedule,
                         problem->rate.get()),
        problem_(std::move(problem)),
        limit_(network_divergence * scale(*problem_, start)),
        theta_(std::move(start)),
        start_(theta_),
        training_(problem_->network, problem_->loss, problem_->data.train),
        measured_(problem_->network, problem_->loss, problem_->data.train),
        updates_(problem_->rule, theta_.size(), seed, index),
        batches_(seed, index, 0, random::Purpose::batch),
        probes_(seed, index, 0, random::Purpose::gradient),
        order_(problem_->examples()) {
    if (problem_->data.test) test_.emplace(problem_->network, problem_->loss, problem_->data.test);
    std::iota(order_.begin(), order_.end(), std::size_t{0});
  }

  static double scale(const NetworkProblem& problem, std::span<const double> start) {
    const double loss = NetworkObjective(problem.network, problem.loss, problem.data.train).move_to(start);
    return loss > 0 ? loss : 1;
  }

  /// The batch of a step, its loss and what the step moves along; once a step.
  void see(std::uint64_t step) {
    if (seen_ == step + 1) return;
    seen_ = step + 1;
    if (!problem_->full_batch()) {
      batches_.seek(step);
      for (std::size_t k = 0; k < problem_->batch; ++k)
        std::swap(order_[k], order_[k + batches_.below(order_.size() - k)]);
      training_.use({order_.data(), problem_->batch});
    }
    loss_ = training_.move_to(theta_);
    if (rests()) return;
    along_ = updates_.direction(training_, theta_, step);
  }

  /// Whether a rule that lives by the loss along its own step is done.
  bool rests() {
    if (!problem_->rate || !problem_->rate->needs().own_loss || problem_->rate->needs().sharpness ||
        !problem_->full_batch())
      return false;
    std::vector<double> g(theta_.size());
    training_.gradient(g);
    const double square = numerics::squared_norm_in_order(g);
    if (first_square_ < 0) {
      first_loss_ = loss_;
      first_square_ = square;
    }
    resting_ = loss_ <= learned * first_loss_ || square <= at_rest * first_square_;
    return resting_;
  }

  ingredients::StepObservation look(std::uint64_t step) override {
    see(step);
    ingredients::StepObservation out;
    if (!(loss_ <= limit_) || resting_) return out;  // the run ends or rests, whatever the rate is
    const double beta = problem_->rate->averaging();
    out = observe_step(training_, theta_, loss_, along_, problem_->rate->needs(), updates_.preconditioner());
    if (problem_->rate->needs().own_loss) return out;
    std::vector<double> g = along_;
    if (beta > 0) {
      out.weight = step > 0 ? 1 - beta : 1;
      average_.resize(theta_.size());
      for (std::size_t k = 0; k < g.size(); ++k) average_[k] += out.weight * (g[k] - average_[k]);
      along_ = average_;
    }
    for (std::size_t k = 0; k < g.size(); ++k) {
      const double away = start_[k] - theta_[k];
      out.squared_distance += away * away;
      out.toward_start += g[k] * away;
    }
    out.squared_direction = numerics::squared_norm_in_order(along_);
    return out;
  }

  double descend_once(std::uint64_t step, double rate) override {
    see(step);
    if (resting_) return loss_;
    if (problem_->every_step && loss_ <= limit_) {
      // P is this step's: `see` has made it, at the first step too.
      measured_.move_to(theta_);
      products_.push_back(rate * every_.preconditioned(measured_, updates_.preconditioner()) /
                          problem_->rule.base.edge_factor());
    }
    if (ruled() && ruled()->whole_vector() && loss_ <= limit_) {
      std::vector<double> moved(theta_.size());
      for (std::size_t k = 0; k < moved.size(); ++k) moved[k] = theta_[k] - start_[k];
      ruled()->step(along_, loss_, rate, moved);
      for (std::size_t k = 0; k < moved.size(); ++k) theta_[k] = start_[k] + moved[k];
    } else {
      move(along_, rate, theta_);
    }
    rate_ = rate;
    step_ = step + 1;
    return loss_;
  }

  void measure(std::span<double> out) const override {
    const double loss = measured_.move_to(theta_);
    if (!(loss <= limit_)) {
      std::ranges::fill(out, infinity);
      return;
    }
    const NetworkProblem& p = *problem_;
    const CurvatureRecord now = read_(p, measured_);
    const double eta = p.rate ? rate_ : p.rate_at(static_cast<double>(step_));
    const bool none = p.rate && step_ == 0;  // no rate before the first step of a rule
    std::size_t o = 0;
    out[o++] = loss;
    if (p.data.classes) out[o++] = measured_.accuracy();
    out[o++] = now.gradient_norm;
    out[o++] = now.sharpness;
    out[o++] = now.ggn_sharpness;
    out[o++] = none ? absent : eta * now.sharpness;
    if (p.rule.base.adaptive) {
      const double preconditioned = read_.preconditioned(measured_, scale());
      out[o++] = none ? absent : eta * preconditioned / p.rule.base.edge_factor();
      out[o++] = preconditioned;
    } else {
      out[o++] = none ? absent
                      : edge_ratio(eta, now.sharpness, p.rule.ratio(now.gradient_norm), now.ascent_along,
                                   p.rule.base.momentum);
    }
    if (p.every_step) {
      const ingredients::EdgeShare share = ingredients::edge_share(products_);
      out[o++] = share.below;
      out[o++] = share.median;
    }
    out[o++] = now.logit_share;
    out[o++] = now.functional_share;
    out[o++] = now.delta_func;
    if (p.paths_known()) {
      const SamResidual rest = sam_residual(measured_, theta_, p.rule);
      out[o++] = rest.size;
      out[o++] = rest.leading;
    }
    if (p.traces == Traces::exact) {
      const double ggn = measured_.gauss_newton_trace(), nme = measured_.neglected_trace();
      out[o++] = ggn + nme;
      out[o++] = ggn;
      out[o++] = nme;
    } else if (p.traces == Traces::hutchinson) {
      probes_.seek(step_);
      const ingredients::EstimatedTraces traces = hutchinson_traces(measured_, p.probes, probes_);
      out[o++] = traces.hessian;
      out[o++] = traces.gauss_newton;
      out[o++] = traces.neglected;
    }
    if (p.traces != Traces::none) out[o++] = measured_.flat_share();
    if (p.kernel_norms) {
      const linear_algebra::SymmetricEigen kernel =
          linear_algebra::symmetric_eigen(p.network->tangent_kernel(theta_, measured_.pass()));
      // Gradients are means over the batch: eta/B is the rate of the sums.
      const double rate = eta / static_cast<double>(p.batch);
      out[o++] = std::min(largest_norm, ingredients::exact_kernel_norm(kernel, rate, p.batch));
    }
    if (test_) {
      out[o++] = test_->move_to(theta_);
      if (p.data.classes) out[o++] = test_->accuracy();
    }
    if (ruled()) ruled()->observe(out.subspan(o));
  }

  /// P of the last step; before the first that of the first.
  std::vector<double> scale() const {
    const auto last = updates_.preconditioner();
    if (last.empty()) return first_preconditioner(measured_, problem_->rule.base.epsilon);
    return {last.begin(), last.end()};
  }

  std::shared_ptr<const NetworkProblem> problem_;
  double limit_;
  std::vector<double> theta_, start_;
  NetworkObjective training_;
  mutable NetworkObjective measured_;
  mutable std::optional<NetworkObjective> test_;
  mutable CurvatureReader read_, every_;
  std::vector<double> products_;  // `edge` of every step
  Updates updates_;
  random::Stream batches_;
  mutable random::Stream probes_;
  std::vector<std::size_t> order_;
  std::uint64_t seen_ = 0, step_ = 0;
  double loss_ = 0, rate_ = 0;
  double first_loss_ = 0, first_square_ = -1;
  bool resting_ = false;
  std::vector<double> along_, average_;  // what a step moves along, and a rule's average of it
};

}  // namespace

CurvatureRecord CurvatureReader::operator()(const NetworkProblem& problem,
                                            const ingredients::CurvedObjective& objective) {
  CurvatureRecord out;
  ingredients::LargestCurvature top = largest_curvature(objective, CurvaturePart::hessian, hessian_start_);
  hessian_start_ = std::move(top.next_start);
  out.sharpness = top.value;
  ingredients::LargestCurvature ggn = largest_curvature(objective, CurvaturePart::gauss_newton, ggn_start_);
  ggn_start_ = std::move(ggn.next_start);
  out.ggn_sharpness = ggn.value;
  if (problem.has_ascent()) out.ascent_along = curvature_along(objective, problem.ascent_part(), top.vector);
  std::vector<double> g(objective.parameters()), ggn_g(g.size()), nme_g(g.size());
  objective.gradient(g);
  const double square = numerics::squared_norm_in_order(g);
  out.gradient_norm = std::sqrt(square);
  if (square == 0) return out;
  for (double& x : g) x /= out.gradient_norm;
  objective.product(CurvaturePart::gauss_newton, g, ggn_g);
  objective.product(CurvaturePart::neglected, g, nme_g);
  out.logit_share = numerics::dot_in_order(g, ggn_g);
  out.functional_share = numerics::dot_in_order(g, nme_g);
  double whole = 0, functional = 0;
  for (std::size_t k = 0; k < g.size(); ++k) {
    const double h = ggn_g[k] + nme_g[k];
    whole += h * h;
    functional += h * nme_g[k];
  }
  if (whole > 0) out.delta_func = functional / whole;
  return out;
}

double CurvatureReader::preconditioned(const ingredients::CurvedObjective& objective, std::span<const double> P) {
  ingredients::LargestCurvature top = largest_curvature(objective, CurvaturePart::hessian, scaled_start_, 1e-6, P);
  scaled_start_ = std::move(top.next_start);
  return top.value;
}

std::vector<Observable> network_observables(const NetworkProblem& p) {
  std::vector<Observable> out{{"loss", "1", "on all training examples"}};
  if (p.data.classes) out.push_back({"accuracy", "1", "share of the training examples that are told right"});
  out.push_back({"gradient_norm", "1", "|g| of the loss on all training examples, as all below"});
  out.push_back({"sharpness", "1", "lambda, the largest eigenvalue of the Hessian H"});
  out.push_back({"ggn_sharpness", "1", "the largest eigenvalue of its Gauss-Newton part"});
  out.push_back(
      {"eta_sharpness", "1",
       "eta lambda; the edge of stability of gradient descent is at 2. Absent before the first step of a rule, as "
       "`edge`"});
  out.push_back(
      {"edge", "1",
       "eta lambda (1 + r u'A u)/(1 + momentum), 2 at the edge: r = rho, or rho/|g| where normalised, and A = "
       "H, GGN or NME, what the optimizer's ascent or penalty goes by; r = 0 without. Of rmsprop and adam eta "
       "lambda_max(P^-1 H)(1 - beta1)/(1 + beta1), P of the last step, at step 0 of the first"});
  if (p.rule.base.adaptive)
    out.push_back({"preconditioned_sharpness", "1", "the largest eigenvalue of P^-1 H, P of the last step"});
  if (p.every_step) {
    out.push_back({"share_below_edge", "1",
                   "of the steps so far, those with `edge` below 2 (r = 0, P of the step itself); absent of none"});
    out.push_back(
        {"median_edge", "1", "of `edge` over the steps so far (r = 0, P of the step itself); absent of none"});
  }
  out.push_back({"logit_share", "1", "g'GGN g/|g|^2"});
  out.push_back({"functional_share", "1", "g'NME g/|g|^2, NME = H - GGN"});
  out.push_back({"delta_func", "1", "(Hg).(NME g)/|Hg|^2, the functional share of the gradient of |g|^2/2"});
  if (p.paths_known()) {
    out.push_back(
        {"sam_residual", "1",
         "|g_sam - g_func - g_logit + g| at e = rho g/|g| (or rho g), of second order: SAM less its two paths"});
    out.push_back({"sam_residual_leading", "1", "|sum_a ((d2loss/df2) J e)_a grad^2 f_a e|, what it is for small rho"});
  }
  if (p.traces != Traces::none) {
    out.push_back({"hessian_trace", "1", "tr H"});
    out.push_back({"ggn_trace", "1", "tr GGN"});
    out.push_back({"nme_trace", "1", "tr NME"});
    out.push_back({"flat_share", "1",
                   "of hidden units times examples, those with |phi''| at most 1% of its largest, where tr NME has "
                   "nothing to see; absent without hidden units"});
  }
  if (p.kernel_norms)
    out.push_back({"kernel_norm", "1",
                   "exact kernel norm of SGD on the frozen tangent kernel; 1 is the mean-square edge, 1000 stands for "
                   "infinite"});
  if (p.data.test) out.push_back({"test_loss", "1", "on the test examples"});
  if (p.data.test && p.data.classes) out.push_back({"test_accuracy", "1", "on the test examples"});
  if (p.rate) std::ranges::copy(rate_observables(*p.rate), std::back_inserter(out));
  return out;
}

std::unique_ptr<Simulation> simulate_network(std::shared_ptr<const NetworkProblem> problem) {
  return simulation_of(
      {network_observables(*problem), "training of the network itself",
       [problem](auto seed, auto index) { return std::make_unique<NetworkReplica>(problem, seed, index); }});
}

}  // namespace edgewise::models::network
