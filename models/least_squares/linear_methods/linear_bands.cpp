#include "models/least_squares/linear_methods/linear_bands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "models/least_squares/product_variance.hpp"
#include "numerics/constants.hpp"
#include "numerics/whole.hpp"
#include "settings/counted.hpp"
#include "spectra/compression.hpp"

namespace edgewise::models::least_squares {

namespace {

/// Covariances kept: 128 MB, twice.
constexpr double most_covariances = 1.6e7;
/// Relative errors of nodes that stand for many eigenvalues: asked of them, and accepted of their mean.
constexpr double node_tolerance = 1e-7, accepted_error = 1e-3;

/// All workers' coordinates, one worker after another behind those that they share, for a method whose blocks are the
/// workers' mean and the deviation from it.
class WorkerCoordinates {
 public:
  WorkerCoordinates(const Layout& layout, std::size_t workers) : own_(layout.of_worker), workers_(workers) {
    for (std::size_t i = 0; i < layout.blocks.front().size(); ++i)
      if (std::ranges::find(own_, i) == own_.end()) shared_.push_back(i);
  }
  std::size_t size() const { return shared_.size() + workers_ * own_.size(); }

  std::vector<double> start(const std::vector<double>& mean) const {
    std::vector<double> out;
    for (std::size_t i = 0; i < size(); ++i) out.push_back(mean[in_mean(i)]);
    return out;
  }

  /// What reads the mean by `mean` and the deviation of the worker `w` by `deviation`.
  std::vector<double> selector(std::span<const double> mean, std::span<const double> deviation, std::size_t w) const {
    std::vector<double> out;
    for (std::size_t i = 0; i < size(); ++i)
      out.push_back(worker(i) == none ? mean[in_mean(i)] : spread(mean[in_mean(i)], deviation[own(i)], worker(i) == w));
    return out;
  }

  solvers::GramPhase phase(const solvers::Phase& in, double batch) const {
    const solvers::PhaseBlock& mean = in.blocks.front();
    const solvers::PhaseBlock* deviation = in.blocks.size() > 1 ? &in.blocks[1] : nullptr;
    const double share = 1 / static_cast<double>(workers_);
    const auto entry = [&](bool first, std::size_t i, std::size_t j) {
      const auto& of_mean = first ? mean.T0 : mean.T1;
      const double both = of_mean[in_mean(i) * mean.r + in_mean(j)];
      if (worker(j) == none) return both;
      if (worker(i) == none) return share * both;
      const auto& of_deviation = first ? deviation->T0 : deviation->T1;
      return spread(both, of_deviation[own(i) * deviation->r + own(j)], worker(i) == worker(j));
    };
    solvers::GramPhase out;
    out.r = size();
    for (std::size_t i = 0; i < out.r; ++i)
      for (std::size_t j = 0; j < out.r; ++j) {
        out.T0.push_back(entry(true, i, j));
        out.T1.push_back(entry(false, i, j));
      }
    if (in.noise_scale == 0) return out;
    out.batch = batch;
    for (std::size_t w = 0; w < workers_; ++w) {
      out.e.push_back(selector(mean.e, deviation ? std::span<const double>(deviation->e) : mean.e, w));
      out.n.emplace_back();
      for (std::size_t i = 0; i < out.r; ++i)
        out.n.back().push_back(worker(i) == none ? share * mean.n[in_mean(i)]
                                                 : spread(mean.n[in_mean(i)], deviation->n[own(i)], worker(i) == w));
    }
    return out;
  }

  solvers::GramForm form(const Readout& readout, bool by_eigenvalue) const {
    const std::size_t r = size();
    solvers::GramForm out{std::vector<double>(r * r, 0.0), by_eigenvalue};
    const auto add = [&](const std::vector<double>& s, double factor) {
      for (std::size_t i = 0; i < r; ++i)
        for (std::size_t j = 0; j < r; ++j) out.A[i * r + j] += factor * s[i] * s[j];
    };
    const std::vector<double> still(own_.size(), 0.0), no_mean(shared_.size() + own_.size(), 0.0);
    add(selector(readout.selector.front(), still, none), 1);
    if (readout.selector.size() > 1)
      for (std::size_t w = 0; w < workers_; ++w)
        add(selector(no_mean, readout.selector[1], w), 1 / static_cast<double>(workers_));
    return out;
  }

 private:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  std::size_t worker(std::size_t i) const { return i < shared_.size() ? none : (i - shared_.size()) / own_.size(); }
  std::size_t own(std::size_t i) const { return (i - shared_.size()) % own_.size(); }
  std::size_t in_mean(std::size_t i) const { return i < shared_.size() ? shared_[i] : own_[own(i)]; }
  /// mean/M + deviation (1 - 1/M) for a worker's own, without the second 1 for another's; exact where they are equal.
  double spread(double mean, double deviation, bool same) const {
    return (mean - deviation) / static_cast<double>(workers_) + (same ? deviation : 0.0);
  }

  std::vector<std::size_t> shared_, own_;  // places in the block of the mean
  std::size_t workers_;
};

std::size_t workers_of(const LinearProblem& problem) {
  return static_cast<std::size_t>(problem.hyperparameters.value_or("workers", 1));
}

double scale_of_errors(const LinearProblem& problem, const spectra::Spectrum& start) {
  const double scale = std::inner_product(start.eigenvalue.begin(), start.eigenvalue.end(), start.target_power.begin(),
                                          problem.data->noise_variance());
  return scale > 0 ? scale : 1;
}

/// The spectrum with the powers of the start in place of the target's.
spectra::Spectrum with_start(const LinearProblem& problem) {
  spectra::Spectrum out = problem.data->spectrum;
  out.target_power = starts(problem, problem.method->layout(problem.hyperparameters)).front().power;
  return out;
}

spectra::Spectrum in_units(spectra::Spectrum spectrum, double unit) {
  for (double& lambda : spectrum.eigenvalue) lambda /= unit;
  for (double& power : spectrum.target_power) power *= unit;
  return spectrum;
}

solvers::GramProblem gram_problem(const LinearProblem& problem, const spectra::Spectrum& spectrum) {
  const Layout layout = problem.method->layout(problem.hyperparameters);
  solvers::GramProblem out;
  const double scale = scale_of_errors(problem, spectrum);
  for (std::size_t a = 0; a < spectrum.modes(); ++a) {
    if (spectrum.eigenvalue[a] == 0) continue;  // without noise
    out.eigenvalue.push_back(spectrum.eigenvalue[a]);
    out.multiplicity.push_back(spectrum.multiplicity[a]);
    out.power.push_back(spectrum.target_power[a] / scale);
  }
  out.factor = WorkerCoordinates(layout, workers_of(problem)).start(starts(problem, layout).front().factor);
  out.noise_variance = problem.data->noise_variance() / scale;
  const double labels = problem.data->label_noise_variance / scale;
  if (!problem.data->noise->gaussian()) out.noise_excess = (problem.data->noise->kurtosis() - 3) * labels * labels;
  out.sources = workers_of(problem);
  out.own = layout.of_worker.size();
  return out;
}

std::variant<solvers::GramCovariance, solvers::ProductCovariance> covariance_of(const LinearProblem& problem,
                                                                                const spectra::Spectrum& spectrum) {
  if (const std::string why = LinearVariance::unknown(problem); !why.empty()) throw std::invalid_argument(why);
  if (problem.data->data.gaussian()) return solvers::GramCovariance(gram_problem(problem, spectrum));
  const ingredients::EvenMoments z = ingredients::even_moments(problem.data->data.law);
  return solvers::ProductCovariance(gram_problem(problem, spectrum), {z.fourth, z.sixth, z.eighth});
}

}  // namespace

std::string LinearVariance::unknown(const LinearProblem& problem) {
  const LeastSquares& data = *problem.data;
  const Hyperparameters& h = problem.hyperparameters;
  if (data.data.rows()) return "the variance is not known for data.law = \"rows\"";
  if (!data.noise->gaussian() && !std::isfinite(data.noise->kurtosis()))
    return "the variance needs label noise of a finite fourth moment (noise.law is \"" + data.noise->name() + "\")";
  if (h.scheduled("workers")) return "the variance is known for a constant number of workers only";
  if (h.has("workers") && !numerics::is_whole(h.base("workers")))
    return "the variance is known for a whole number of workers only";
  if (problem.method->rule) return "";
  const Layout layout = problem.method->layout(h);
  const std::string custom = "the variance of a custom method is known for one block and omega = 1 only";
  if (layout.blocks.size() != 1) return custom;
  const solvers::PeriodicPhases system = periodic(problem);
  for (const solvers::PhaseRun& run : system.period)
    if (run.phase.noise_scale != 0 && std::isfinite(h("batch")) &&
        std::abs(run.phase.blocks[0].omega * h("batch") - 1) > 1e-12)
      return custom;
  return "";
}

LinearVariance::LinearVariance(const LinearProblem& problem, const spectra::Spectrum* nodes)
    : LinearVariance(balanced(problem), nodes) {}

LinearVariance::LinearVariance(BalancedProblem problem, const spectra::Spectrum* nodes)
    : problem_(std::move(problem.problem)),
      unit_(problem.unit),
      layout_(problem_.method->layout(problem_.hyperparameters)),
      workers_(workers_of(problem_)),
      state_(covariance_of(problem_, nodes ? in_units(*nodes, unit_) : with_start(problem_))) {
  scale_ = scale_of_errors(problem_, nodes ? in_units(*nodes, unit_) : with_start(problem_));
  const WorkerCoordinates coordinates(layout_, workers_);
  for (const Readout& readout : layout_.readouts) forms_.push_back(coordinates.form(readout, true));
  forms_.push_back(coordinates.form(layout_.readouts.front(), false));
  before_sync_.assign(layout_.readouts.size(), 0.0);
}

double LinearVariance::deviation(std::size_t form) const {
  // Of numbers that have lost digits, and then stand still, nothing is left.
  const double variance = std::visit([&](const auto& state) { return state.variance(forms_[form]); }, state_);
  return std::abs(variance) < std::numeric_limits<double>::min() ? 0 : scale_ * std::sqrt(variance);
}

double LinearVariance::excess_mse() const {
  return scale_ * std::visit([&](const auto& state) { return state.mean(forms_.front()); }, state_);
}

std::vector<solvers::GramPhase> LinearVariance::phases(std::uint64_t step, std::uint64_t begin) {
  const LinearMethod& method = *problem_.method;
  Hyperparameters& h = problem_.hyperparameters;
  h.seek(static_cast<double>(begin), true);
  end_ = begin + method.period(h);
  if (step > begin) h.seek(static_cast<double>(step), false);
  const WorkerCoordinates coordinates(layout_, workers_);
  StepPhases now;
  method.phases(h, step, step - begin, now);
  std::vector<solvers::GramPhase> out{coordinates.phase(now.noisy, h("batch"))};
  if (now.has_sync) out.push_back(coordinates.phase(now.sync, h("batch")));
  return out;
}

void LinearVariance::advance(std::uint64_t target) {
  for (; step_ < target; ++step_) {
    if (step_ >= end_) begins_.push_back(step_);
    const std::vector<solvers::GramPhase> now = phases(step_, begins_.back());
    apply(now.front());
    if (step_ + 1 == target)
      for (std::size_t i = 0; i < before_sync_.size(); ++i)
        if (layout_.readouts[i].before_sync) before_sync_[i] = deviation(i);
    if (now.size() > 1) apply(now.back());
  }
}

void LinearVariance::apply(const solvers::GramPhase& phase) {
  std::visit([&](auto& state) { state.apply(phase); }, state_);
}

void LinearVariance::trace_back(std::uint64_t from, std::uint64_t to, std::vector<double>& sensitivity) {
  while (from-- > to) {
    const std::vector<solvers::GramPhase> now = phases(from, *std::prev(std::ranges::upper_bound(begins_, from)));
    for (std::size_t i = now.size(); i-- > 0;) sensitivity = gram().sensitivity_before(now[i], sensitivity);
  }
}

std::vector<double> LinearVariance::std() const {
  const double excess = deviation(0);
  std::vector<double> out{excess / 2, excess, deviation(layout_.readouts.size()) / unit_};
  for (std::size_t i = 1; i < layout_.readouts.size(); ++i)
    out.push_back(layout_.readouts[i].before_sync ? before_sync_[i] : deviation(i));
  return out;
}

double LinearVariance::work(const LinearProblem& problem, double steps, double modes) {
  const LinearMethod& method = *problem.method;
  Hyperparameters h = problem.hyperparameters;
  h.seek(0);
  const Layout layout = method.layout(h);
  const WorkerCoordinates coordinates(layout, workers_of(problem));
  const solvers::GramCovariance one(
      {{1}, {1}, {1}, std::vector<double>(coordinates.size(), 1.0), 0, workers_of(problem), layout.of_worker.size()});
  const auto of = [&](const solvers::Phase& phase) {
    const solvers::GramPhase now = coordinates.phase(phase, h("batch"));
    return problem.data->data.gaussian() ? one.work(now) * modes * modes : solvers::ProductCovariance::work(now, modes);
  };
  const std::uint64_t period = method.period(h);
  StepPhases last;
  method.phases(h, period - 1, period - 1, last);
  double work = of(last.noisy);
  if (last.has_sync) work += of(last.sync) / static_cast<double>(period);
  return work * steps;
}

double LinearVariance::size(const LinearProblem& problem, double modes) {
  const Layout layout = problem.method->layout(problem.hyperparameters);
  const auto own = static_cast<double>(layout.of_worker.size());
  const double shared = static_cast<double>(layout.blocks.front().size()) - own;
  const double workers = problem.hyperparameters.value_or("workers", 1), r = shared + own * workers;
  return problem.data->data.gaussian() ? solvers::GramCovariance::size(r, modes)
                                       : solvers::ProductCovariance::size(r, workers, modes);
}

std::optional<std::string> add_linear_bands(Trajectory& out, const LinearProblem& problem, double most_work) {
  if (out.steps.empty()) return std::nullopt;
  const Hyperparameters& h = problem.hyperparameters;
  const std::size_t count = linear_observables(problem).size();
  const auto steps = static_cast<std::uint64_t>(out.steps.back());
  if (std::isinf(h.base("batch")) && !h.scheduled("batch")) {
    for (std::size_t c = 0; c < count; ++c) out.columns[c].std.assign(out.steps.size(), 0.0);
    return std::nullopt;
  }
  if (const std::string why = LinearVariance::unknown(problem); !why.empty()) return why;
  const auto affordable = [&](std::size_t modes) {
    const auto n = static_cast<double>(modes);
    return LinearVariance::size(problem, n) <= most_covariances &&
           LinearVariance::work(problem, out.steps.back(), n) <= most_work;
  };
  const bool whole = affordable(problem.data->spectrum.modes());
  spectra::Spectrum nodes;
  if (!whole && affordable(1)) {
    const spectra::Spectrum start = with_start(problem);
    nodes = spectra::compress(start, node_tolerance).spectrum;
    if (!problem.data->data.gaussian() && unlike_squares(nodes, start) > alike_squares)
      return fmt::format(
          "{} are too many, and nodes cannot stand for them: under data.law = \"{}\" the square of every mode's power "
          "counts, and "
          "powers of neighbours differ; ask for fewer steps, or a smaller dimension",
          settings::counted(start.modes(), "mode"), problem.data->data.name());
  }
  if (!whole && !(nodes.modes() > 0 && affordable(nodes.modes())))
    return fmt::format(
        "the covariances of {} over {} steps cost too much; ask for fewer steps{}, or a smaller dimension",
        settings::counted(problem.data->spectrum.modes(), "mode"), steps,
        h.value_or("workers", 1) > 1 ? ", workers" : "");
  LinearVariance run(problem, whole ? nullptr : &nodes);
  LinearRecursion exact(problem);
  std::vector<std::vector<double>> std(count);
  for (const double step : out.steps) {
    run.advance(static_cast<std::uint64_t>(step));
    if (!whole) {
      exact.advance(static_cast<std::uint64_t>(step));
      const double error = std::abs(run.excess_mse() - exact.excess_mse());
      if (!(error <= accepted_error * exact.excess_mse()))
        return fmt::format(
            "{} that stand for {} modes miss the mean at step {} by {:.2g} of it; ask for a smaller dimension",
            settings::counted(nodes.modes(), "node"), problem.data->spectrum.modes(), step, error / exact.excess_mse());
    }
    const std::vector<double> now = run.std();
    for (std::size_t c = 0; c < count; ++c) std[c].push_back(now[c]);
  }
  for (std::size_t c = 0; c < count; ++c) out.columns[c].std = std::move(std[c]);
  return std::nullopt;
}

std::optional<ScalingLaw::Fluctuations> linear_fluctuations(const LinearProblem& problem,
                                                            std::span<const std::uint64_t> steps) {
  const auto modes = static_cast<double>(problem.data->spectrum.modes());
  if (!LinearVariance::unknown(problem).empty() || !problem.data->data.gaussian() ||
      problem.data->spectrum.compressed || std::isinf(problem.hyperparameters.base("batch")) ||
      LinearVariance::size(problem, modes) > most_covariances ||
      LinearVariance::work(problem, static_cast<double>(steps.back()), modes) > 1e10)
    return std::nullopt;
  LinearVariance run(problem);
  ScalingLaw::Fluctuations out;
  // Forward: the covariances of P with all second moments. Backward: given those at a step, the mean of P at the end is
  // affine in them.
  std::vector<std::vector<double>> with_moments;
  for (const std::uint64_t step : steps) {
    run.advance(step);
    out.std.push_back(run.std().front());
    with_moments.push_back(run.covariances());
  }
  out.correlation.assign(steps.size(), nan);
  const std::vector<double> now = run.sensitivity();
  std::vector<double> later = now;
  double end = 0;
  for (std::size_t i = steps.size(); i-- > 0;) {
    if (i + 1 < steps.size()) run.trace_back(steps[i + 1], steps[i], later);
    double covariance = 0, variance = 0;
    for (std::size_t j = 0; j < later.size(); ++j) {
      covariance += with_moments[i][j] * later[j];
      variance += with_moments[i][j] * now[j];
    }
    if (i + 1 == steps.size()) end = variance;
    const double scale = std::sqrt(std::max(0.0, variance)) * std::sqrt(std::max(0.0, end));
    // What does not fluctuate yet, before a first sync, goes with nothing.
    if (scale == 0) out.correlation[i] = 0;
    if (scale > 0) out.correlation[i] = std::clamp(covariance / scale, -1.0, 1.0);
  }
  return out;
}

}  // namespace edgewise::models::least_squares
