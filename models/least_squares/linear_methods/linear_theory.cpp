#include "models/least_squares/linear_methods/linear_theory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "models/framework/divergence.hpp"
#include "models/least_squares/linear_methods/linear_bands.hpp"
#include "models/least_squares/linear_methods/linear_flow.hpp"
#include "models/least_squares/sgd_flow.hpp"
#include "models/least_squares/sgd_modes.hpp"
#include "numerics/constants.hpp"
#include "numerics/power_of_two.hpp"
#include "solvers/contour.hpp"

namespace edgewise::models::least_squares {

namespace {

/// Periods up to this many steps keep their phases when nothing depends on time.
constexpr std::uint64_t longest_cached_period = 256;
/// Shorter runs are stepped. Larger maps of moments take memory.
constexpr std::uint64_t shortest_leap = 1 << 14;
constexpr std::size_t largest_leap = 256;

}  // namespace

double risk_limit(const LinearProblem& problem) {
  const std::vector<double>& lambda = problem.data->spectrum.eigenvalue;
  return divergence_limit(std::inner_product(lambda.begin(), lambda.end(), problem.data->initial_power.begin(),
                                             problem.data->noise_variance()));
}

bool is_plain_sgd(const LinearProblem& problem) {
  const Hyperparameters& h = problem.hyperparameters;
  return problem.method->plain && !h.has("inner_steps") && !(h.base("weight_decay") > 0) && !h.scheduled("batch");
}

BalancedProblem balanced(const LinearProblem& problem) {
  BalancedProblem out{problem, 1};
  const double largest = problem.data->spectrum.largest();
  if (!problem.method->rule || !(largest > 0)) return out;
  const double root = numerics::power_of_two(std::sqrt(largest)), unit = out.unit = root * root;
  auto data = std::make_shared<LeastSquares>(*problem.data);
  for (double& lambda : data->spectrum.eigenvalue) lambda /= unit;
  for (double& power : data->spectrum.target_power) power *= unit;
  for (double& power : data->initial_power) power *= unit;
  out.problem.data = std::move(data);
  auto method = std::make_shared<LinearMethod>(method_of_rule(
      problem.method->description,
      [rule = problem.method->rule, unit](const Hyperparameters& h, std::uint64_t step) {
        Rule scaled = rule(h, step);
        scaled.learning_rate *= unit;
        scaled.coupled_decay /= unit;
        scaled.decoupled_decay /= unit;
        return scaled;
      },
      problem.method->time_invariant));
  method->plain = problem.method->plain;
  out.problem.own_method = std::move(method);
  out.problem.method = out.problem.own_method.get();
  return out;
}

LinearProblem with_scaled_noise(const LinearProblem& problem, double factor) {
  LinearProblem out = problem;
  if (factor == 1) return out;
  auto data = std::make_shared<LeastSquares>(*problem.data);
  data->label_noise_variance *= factor;
  data->spectrum.unexplained_variance *= factor;
  out.data = std::move(data);
  return out;
}

std::vector<std::string> linear_warnings(const LinearProblem& problem) {
  std::vector<std::string> out;
  const Hyperparameters& h = problem.hyperparameters;
  if (!h.has("inner_steps")) return out;
  const auto H = static_cast<std::uint64_t>(h.base("inner_steps"));
  const Rule rule = problem.method->rule(h, 0);
  const double x = h.base("learning_rate") * problem.data->spectrum.largest();
  if (!rule.has_momentum && x > 2)
    out.push_back(H % 2 == 0
                      ? fmt::format("eta lambda_max = {:.4g} > 2 with an even number of inner steps: the stiffest mode "
                                    "grows at every outer_learning_rate > 0",
                                    x)
                      : fmt::format("eta lambda_max = {:.4g} > 2: with an odd number of inner steps this can be stable "
                                    "in theory, but the inner loop grows on the way",
                                    x));
  if (!h.scheduled("inner_steps") && problem.data->time.steps % H != 0)
    out.push_back(fmt::format("time.steps = {} is no whole number of rounds of {}: the last sync is at step {}",
                              problem.data->time.steps, H, problem.data->time.steps / H * H));
  return out;
}

LinearProblem sgd_problem(const LeastSquares& problem) {
  LinearProblem out;
  out.data = {std::shared_ptr<const void>(), &problem};
  out.method = &linear_methods().front();
  out.hyperparameters.set("learning_rate", problem.learning_rate);
  out.hyperparameters.set("batch", problem.batch);
  out.hyperparameters.schedule("learning_rate", problem.schedule);
  return out;
}

solvers::LinearModes linear_modes(const LeastSquares& problem, double noise_variance, double feedback, bool null) {
  solvers::LinearModes modes;
  const auto& s = problem.spectrum;
  const double own = 1 + problem.data.excess_kurtosis;
  for (std::size_t a = 0; a < s.modes(); ++a) {
    if (s.eigenvalue[a] == 0 && !null) continue;
    modes.x.push_back(s.eigenvalue[a]);
    modes.feedback.push_back(feedback * s.multiplicity[a] * s.eigenvalue[a]);
    modes.own.push_back(own * s.eigenvalue[a] * s.eigenvalue[a]);
  }
  modes.weight = modes.x;
  modes.source = noise_variance;
  return modes;
}

std::vector<Observable> linear_observables(const LinearProblem& problem) {
  std::vector<Observable> out = least_squares_observables();
  const Layout layout = problem.method->layout(problem.hyperparameters);
  for (std::size_t i = 1; i < layout.readouts.size(); ++i)
    out.push_back({layout.readouts[i].name + "_excess_mse", "label^2", layout.readouts[i].doc});
  return out;
}

LinearRecursion::LinearRecursion(const LinearProblem& problem, const Parts& parts)
    : LinearRecursion(balanced(problem), parts) {
  limit_ = risk_limit(problem);
}

LinearRecursion::LinearRecursion(BalancedProblem problem, const Parts& parts)
    : problem_(std::move(problem.problem)),
      unit_(problem.unit),
      layout_(problem_.method->layout(problem_.hyperparameters)),
      parts_(parts) {
  const LeastSquares& data = *problem_.data;
  const auto& s = data.spectrum;
  const double sigma2 = parts.label_noise && parts.gradient_noise ? data.noise_variance() : 0;
  state_ = std::make_unique<solvers::LinearPhases>(linear_modes(data, sigma2, parts.feedback), layout_.sizes());
  weight_ = s.eigenvalue;
  ones_.assign(s.modes(), 1.0);
  start(parts);
  before_sync_.resize(layout_.readouts.size());
  for (std::size_t i = 0; i < layout_.readouts.size(); ++i) before_sync_[i] = read(i, false);
  const Hyperparameters& h = problem_.hyperparameters;
  cached_ = h.constant() && problem_.method->time_invariant && problem_.method->period(h) <= longest_cached_period;
  steps_.resize(cached_ ? problem_.method->period(h) : 1);
  for (std::uint64_t i = 0; cached_ && i < steps_.size(); ++i) problem_.method->phases(h, i, i, steps_[i]);
}

std::vector<BlockStart> starts(const LinearProblem& problem, const Layout& layout) {
  const LeastSquares& data = *problem.data;
  std::vector<BlockStart> out;
  for (const auto& block : layout.blocks) {
    // Every coordinate starts at a multiple of the error, or, with theta* in it, of theta*.
    const bool of_target = std::ranges::any_of(block, [](const Coordinate& c) { return c.from_target != 0; });
    if (of_target && !data.alignment)
      throw std::invalid_argument(
          "initial.error_power: this method carries theta* itself, so the start must be initial.scale * theta*");
    BlockStart start{{}, of_target ? data.spectrum.target_power : data.initial_power};
    for (const Coordinate& c : block)
      start.factor.push_back(of_target ? c.from_error * *data.alignment + c.from_target : c.from_error);
    out.push_back(std::move(start));
  }
  return out;
}

std::vector<std::vector<double>> coordinates_of(std::span<const BlockStart> blocks) {
  std::vector<std::vector<double>> out;
  for (const BlockStart& block : blocks) {
    out.emplace_back();
    for (const double factor : block.factor)
      for (const double power : block.power) out.back().push_back(factor * std::sqrt(power));
  }
  return out;
}

void set_moments(std::span<const BlockStart> blocks, solvers::LinearPhases& state) {
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const auto& [factor, power] = blocks[b];
    for (std::size_t i = 0; i < factor.size(); ++i)
      for (std::size_t j = i; j < factor.size(); ++j)
        for (std::size_t a = 0; a < power.size(); ++a) state.moment(b, i, j)[a] = factor[i] * factor[j] * power[a];
  }
}

double read_moments(const Readout& readout, const solvers::LinearPhases& moments, std::span<const double> weight) {
  double total = 0;
  for (std::size_t b = 0; b < readout.selector.size(); ++b) {
    const std::vector<double>& selector = readout.selector[b];
    for (std::size_t i = 0; i < selector.size(); ++i)
      for (std::size_t j = i; j < selector.size(); ++j) {
        const double factor = selector[i] * selector[j] * (i == j ? 1 : 2);
        if (factor != 0) total += factor * moments.sum(b, i, j, weight);
      }
  }
  return total < 0 ? 0 : total;  // a sum of squares, but for rounding
}

void LinearRecursion::start(const Parts& parts) {
  const Hyperparameters& h = problem_.hyperparameters;
  const bool noiseless = parts.contraction == 1 &&
                         (!parts.gradient_noise || (std::isinf(h.value_or("batch", 1)) && !h.scheduled("batch")));
  const std::size_t modes = weight_.size();
  if (noiseless)
    for (const auto& block : layout_.blocks) mean_.emplace_back(block.size() * modes, 0.0);
  if (!parts.start) return;
  const std::vector<BlockStart> blocks = starts(problem_, layout_);
  if (noiseless)
    mean_ = coordinates_of(blocks);
  else
    set_moments(blocks, *state_);
}

double LinearRecursion::apply(const solvers::Phase& phase) {
  if (mean_.empty()) return state_->apply(phase);
  const double p = read(0, false);
  mean_ = solvers::moved_means(phase, weight_, mean_);
  return p;
}

std::vector<solvers::Phase> LinearRecursion::phases_of_period() const {
  std::vector<solvers::Phase> out;
  for (const StepPhases& step : steps_) {
    out.push_back(step.noisy);
    if (step.has_sync) out.push_back(step.sync);
  }
  return out;
}

std::vector<double> LinearRecursion::contractions() const {
  const Hyperparameters& h = problem_.hyperparameters;
  const double eta = h("learning_rate") * unit_, own = (1 + problem_.data->data.excess_kurtosis) / h("batch");
  std::vector<double> out;
  for (const double lambda : weight_) out.push_back(eta * lambda * (2 - eta * lambda * (1 + own)));
  return out;
}

void LinearRecursion::allow_jumps(double rtol) {
  if (!is_plain_sgd(problem_) || !cached_ || !mean_.empty()) return;
  const Hyperparameters& h = problem_.hyperparameters;
  const solvers::LinearModes& modes = state_->linear_modes();
  const std::vector<double> decay = contractions();
  const double eta = h("learning_rate") * unit_;
  solvers::RankOneSystem system;
  system.kind = solvers::RankOneSystem::Kind::map;
  system.source = modes.source;
  for (std::size_t a = 0; a < weight_.size(); ++a) {
    if (weight_[a] == 0) continue;
    system.decay.push_back(parts_.contraction * decay[a]);
    system.input.push_back(eta * eta / h("batch") * modes.feedback[a]);
    system.weight.push_back(weight_[a]);
    system.initial.push_back(state_->moment(0, 0, 0)[a]);
  }
  if (solvers::invertible(system)) jumps_.emplace(std::move(system), rtol);
}

void LinearRecursion::jump(std::uint64_t target) {
  // What is not of the system never moves.
  double still = 0;
  for (std::size_t a = 0; a < weight_.size(); ++a)
    if (weight_[a] == 0) still += state_->moment(0, 0, 0)[a];
  const auto moving = static_cast<std::size_t>(std::ranges::count_if(weight_, [](double x) { return x != 0; }));
  const std::vector<std::vector<double>> ones{std::vector<double>(moving, 1.0)};
  jumped_.emplace();
  jumps_->read(static_cast<double>(target), ones, *jumped_);
  (*jumped_)[1] += still;
  diverged_ = !((*jumped_)[0] <= limit_);
  step_ = diverged_ ? static_cast<std::uint64_t>(
                          jumps_->crossing(static_cast<double>(step_), static_cast<double>(target), limit_))
                    : target;
}

bool LinearRecursion::leap(std::uint64_t periods) {
  const std::size_t size = solvers::PhasePowers::size(*state_), period = steps_.size();
  const double steps = static_cast<double>(periods) * static_cast<double>(period);
  if (!leaps_ || parts_.contraction != 1 || steps < static_cast<double>(shortest_leap)) return false;
  const auto mean = mean_;
  const std::vector<double> moments(state_->contents().begin(), state_->contents().end());
  if (!mean_.empty()) {
    for (std::size_t b = 0; b < mean_.size(); ++b)
      solvers::advance_means(phases_of_period(), b, weight_, periods, mean_[b]);
  } else {
    // A step takes as long as some 50 multiplications and half a one for every moment; a column of the map far more.
    double cost = solvers::PhasePowers::cost(powers_.get(), size, periods);
    if (!powers_) cost += 150.0 * static_cast<double>(size * period * weight_.size());
    if (size > largest_leap || 4 * cost > steps * static_cast<double>(100 + size)) return false;
    if (!powers_) powers_ = std::make_unique<solvers::PhasePowers>(*state_, phases_of_period());
    leaps_ = powers_->advance(*state_, periods);
  }
  // What diverges is stepped, to tell where.
  if (leaps_ && read(0, false) <= limit_) return true;
  mean_ = mean;
  std::ranges::copy(moments, state_->contents().begin());
  return leaps_ = false;
}

double LinearRecursion::read(std::size_t readout, bool parameters) const {
  if (jumped_) return (*jumped_)[parameters ? 1 : 0];
  const Readout& r = layout_.readouts[readout];
  const std::vector<double>& weight = parameters ? ones_ : weight_;
  return mean_.empty() ? read_moments(r, *state_, weight) : solvers::squared_means(r.selector, weight, mean_);
}

void LinearRecursion::advance(std::uint64_t target) {
  const LinearMethod& method = *problem_.method;
  Hyperparameters& h = problem_.hyperparameters;
  if (jumps_ && step_ < target && !diverged_ && static_cast<double>(target) > jumps_->worthwhile()) return jump(target);
  std::vector<double> before;
  while (step_ < target && !diverged_) {
    if (!cached_) h.seek(static_cast<double>(step_), position_ == 0);
    if (position_ == 0) period_ = method.period(h);
    // The last period is stepped, for what is read within it.
    if (cached_ && position_ == 0) {
      const std::uint64_t periods = (target - 1 - step_) / period_;
      if (periods > 0 && leap(periods)) {
        step_ += periods * period_;
        continue;
      }
    }
    const bool last = position_ + 1 >= period_;
    StepPhases& phases = steps_[cached_ ? position_ : 0];
    if (!cached_) method.phases(h, step_, position_, phases);
    if (parts_.contraction != 1) before.assign(state_->moment(0, 0, 0).begin(), state_->moment(0, 0, 0).end());
    const double p = apply(phases.noisy);
    if (parts_.contraction != 1) {
      const std::vector<double> m = contractions();
      for (std::size_t a = 0; a < m.size(); ++a)
        state_->moment(0, 0, 0)[a] -= (parts_.contraction - 1) * m[a] * before[a];
    }
    ++iterated_;
    if (!(std::abs(p) <= limit_)) {
      diverged_ = true;
      return;
    }
    if (step_ + 1 == target)
      for (std::size_t i = 0; i < before_sync_.size(); ++i) before_sync_[i] = read(i, false);
    if (phases.has_sync) apply(phases.sync);
    ++step_;
    position_ = last ? 0 : position_ + 1;
  }
  if (step_ > 0 && !(std::abs(excess_mse()) <= limit_)) diverged_ = true;
}

void LinearRecursion::observe(std::span<double> out) const {
  const double P = read(0, false);
  out[0] = (P + problem_.data->noise_variance()) / 2;
  out[1] = P;
  out[2] = read(0, true) / unit_;
  for (std::size_t i = 1; i < layout_.readouts.size(); ++i)
    out[2 + i] = layout_.readouts[i].before_sync ? before_sync_[i] : read(i, false);
}

void LinearRecursion::report(Trajectory& out) const {
  out.report.emplace_back("iterated_steps", static_cast<double>(iterated_));
  if (jumps_) jumps_->report(out);
}

namespace {

Trajectory solve_flow(const LinearProblem& problem) {
  const LeastSquares& data = *problem.data;
  if (!problem.hyperparameters.constant())
    throw std::invalid_argument("theory.method: the inner-flow limit needs constant hyperparameters; use recursion");
  const auto H = static_cast<std::uint64_t>(problem.hyperparameters("inner_steps"));
  const std::vector<double> P = inner_flow(problem, data.time.steps / H);
  Trajectory out;
  out.method = "ode, inner flow";
  out.columns.push_back({least_squares_observables()[0], {}, {}});
  out.columns.push_back({least_squares_observables()[1], {}, {}});
  for (const std::uint64_t step : data.time.at) {
    const double value = P.at(step / H);
    if (!std::isfinite(value)) {
      out.diverged_at = static_cast<double>(step);
      break;
    }
    out.steps.push_back(static_cast<double>(step));
    out.columns[0].value.push_back((value + data.noise_variance()) / 2);
    out.columns[1].value.push_back(value);
  }
  return out;
}

}  // namespace

std::vector<std::vector<double>> label_noise_parts(const LinearProblem& problem, std::span<const std::uint64_t> steps) {
  LinearRecursion run(problem, {.start = false});
  std::vector<double> values(linear_observables(problem).size());
  std::vector<std::vector<double>> out(values.size());
  for (const std::uint64_t step : steps) {
    run.advance(step);
    run.observe(values);
    values[0] = values[1] / 2;  // the noise in the risk itself is not sampled
    for (std::size_t i = 0; i < out.size(); ++i) out[i].push_back(values[i]);
  }
  return out;
}

Trajectory follow_recursion(const LinearProblem& problem, const Parts& parts, double rtol) {
  LinearRecursion run(problem, parts);
  run.allow_jumps(rtol);
  Trajectory out;
  out.method = "recursion";
  for (const auto& observable : linear_observables(problem)) out.columns.push_back({observable, {}, {}});
  std::vector<double> values(out.columns.size());
  for (const std::uint64_t step : problem.data->time.at) {
    run.advance(step);
    if (run.diverged()) {
      out.diverged_at = static_cast<double>(run.step());
      break;
    }
    run.observe(values);
    out.steps.push_back(static_cast<double>(step));
    for (std::size_t i = 0; i < values.size(); ++i) out.columns[i].value.push_back(values[i]);
  }
  run.report(out);
  return out;
}

void add_parts(Trajectory& out, const std::array<Observable, 3>& names, const Trajectory& first,
               const Trajectory& noiseless, const Trajectory& labels) {
  std::array<Column, 3> columns;
  const std::string& excess = least_squares_observables()[1].name;
  const auto P = [&](const Trajectory& of, std::size_t i) { return of.find(excess)->value.at(i); };
  for (std::size_t i = 0; i < out.steps.size(); ++i) {
    columns[0].value.push_back(P(first, i));
    columns[1].value.push_back(std::max(0.0, P(noiseless, i) - P(first, i)));
    columns[2].value.push_back(P(labels, i));
  }
  for (std::size_t c = 0; c < columns.size(); ++c) {
    columns[c].observable = names[c];
    out.columns.push_back(std::move(columns[c]));
  }
}

Trajectory solve_linear(const LinearProblem& problem, const LeastSquaresTheory& theory) {
  const bool rounds = problem.method->plain && problem.hyperparameters.has("inner_steps");
  if (theory.method == TheoryMethod::ode) return rounds ? solve_flow(problem) : follow_linear_flow(problem, theory);
  if (theory.method != TheoryMethod::recursion)
    throw std::invalid_argument(fmt::format("theory.method: {} is not offered for optimizer {}; use recursion",
                                            settings::word_of(theory_methods(), theory.method),
                                            problem.method->description.name));
  const LinearProblem scaled = with_scaled_noise(problem, theory.scale_label_noise);
  Trajectory out = follow_recursion(scaled, {}, theory.rtol);
  out.exact = !problem.data->data.rows() && !theory.scaled();
  if (theory.decomposition)
    add_parts(out,
              {{{"excess_mse_signal", "label^2", "the part of P without any gradient noise"},
                {"excess_mse_multiplicative", "label^2", "the part that the sampling of x adds to the signal"},
                {"excess_mse_label_noise", "label^2", "the part that label noise excites"}}},
              follow_recursion(scaled, {.gradient_noise = false, .label_noise = false}, theory.rtol),
              follow_recursion(scaled, {.label_noise = false}, theory.rtol),
              follow_recursion(scaled, {.start = false}, theory.rtol));
  if (theory.exponents) add_local_exponent(out);
  if (theory.bands)
    if (const auto why = add_linear_bands(out, scaled, most_bands))
      throw std::invalid_argument("theory.bands: " + *why);
  return out;
}

std::vector<double> inner_flow(const LinearProblem& problem, std::uint64_t rounds) {
  const Hyperparameters& h = problem.hyperparameters;
  if (h.base("weight_decay") > 0)
    throw std::invalid_argument("theory.method: the inner-flow limit is without weight decay; use recursion");
  const double eta = h("learning_rate"), H = h("inner_steps"), xi = h("outer_learning_rate");
  const double M = h.value_or("workers", 1);
  SgdModes modes(*problem.data);
  modes.batch = h("batch");
  const std::size_t n = modes.eigenvalue.size();
  std::vector<ingredients::ModeCoefficients> at(n);
  flow_coefficients({modes, {}, modes.noise_variance, FlowLevel::homog, 1, 1, eta, nullptr}, eta, at);
  solvers::RankOneSystem round;
  round.source = modes.noise_variance;
  round.weight.assign(n, 1.0);
  for (std::size_t a = 0; a < n; ++a) {
    round.decay.push_back(at[a].rate);
    round.input.push_back(at[a].input);
    round.initial.push_back(modes.eigenvalue[a] * modes.power[a]);
  }
  std::vector<double> out, end(n);
  for (std::uint64_t k = 0;; ++k) {
    double P = 0;
    for (const double q : round.initial) P += q;
    out.push_back(P);
    if (k == rounds) return out;
    if (!std::isfinite(P)) {
      out.resize(rounds + 1, infinity);
      return out;
    }
    solvers::Contour(round).state(H, end);
    for (std::size_t a = 0; a < n; ++a) {
      const double x = eta * H * modes.eigenvalue[a], kept = 1 + xi * std::expm1(-x);
      round.initial[a] = kept * kept * round.initial[a] + xi * xi / M * (end[a] - std::exp(-2 * x) * round.initial[a]);
    }
  }
}

solvers::PeriodicPhases periodic(const LinearProblem& problem, std::size_t readout) {
  const Layout layout = problem.method->layout(problem.hyperparameters);
  Hyperparameters h = problem.hyperparameters;
  h.seek(0);
  solvers::PeriodicPhases out;
  out.modes = linear_modes(*problem.data, 0, 1, false);
  out.sizes = layout.sizes();
  const std::uint64_t period = problem.method->period(h);
  for (std::uint64_t i = 0, repeat; i < period; i += repeat) {
    repeat = problem.method->repeats(h, i);
    StepPhases last;
    problem.method->phases(h, i + repeat - 1, i + repeat - 1, last);
    out.period.push_back({std::move(last.noisy), repeat});
    if (last.has_sync) out.period.push_back({std::move(last.sync)});
  }
  out.readout = layout.readouts.at(readout).selector;
  out.before_last = layout.readouts[readout].before_sync;
  const std::optional<double>& alignment = problem.data->alignment;
  for (std::size_t b = 0; b < layout.blocks.size(); ++b) {
    out.rest.emplace_back();
    for (std::size_t i = 0; i < layout.blocks[b].size(); ++i) {
      const Coordinate& at = layout.blocks[b][i];
      out.rest[b].push_back(at.constant ? 0 : at.from_error);
      if (at.constant)
        out.constants.push_back({b, i, alignment ? at.from_error * *alignment + at.from_target : at.from_error});
    }
  }
  return out;
}

}  // namespace edgewise::models::least_squares
