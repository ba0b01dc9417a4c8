#include "models/ingredients/coupled_law.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "models/framework/recorder.hpp"
#include "models/ingredients/jumps.hpp"
#include "numerics/constants.hpp"
#include "numerics/whole.hpp"
#include "settings/section.hpp"
#include "solvers/integrate.hpp"
#include "solvers/linear_phases.hpp"
#include "solvers/recursion.hpp"
#include "solvers/sde_ensemble.hpp"

namespace edgewise::models::ingredients {

namespace {

const settings::Words<Following::Method> following_methods = {{"recursion", Following::Method::recursion},
                                                              {"ode", Following::Method::ode},
                                                              {"jump", Following::Method::jump},
                                                              {"sde", Following::Method::sde}};
const settings::Words<solvers::Integrator> following_integrators = {{"auto", solvers::Integrator::automatic},
                                                                    {"sdirk4", solvers::Integrator::sdirk4},
                                                                    {"etd", solvers::Integrator::etd},
                                                                    {"explicit", solvers::Integrator::explicit_}};

/// Coordinates of an sde.
constexpr double max_coordinates = 1e6;

/// One run of one law.
class Follower {
 public:
  Follower(const CoupledLaw& law, const Time& time, const Following& how)
      : law_(law), time_(time), how_(how), recorder_(law.scale) {
    for (const auto& reading : law.readings) handles_.push_back(recorder_.add(reading.observable));
    out().method = settings::word_of(following_methods, how.method);
  }

  Trajectory run() {
    switch (how_.method) {
      case Following::Method::recursion:
        recursion();
        break;
      case Following::Method::ode:
        flow();
        break;
      case Following::Method::jump:
        jump();
        break;
      case Following::Method::sde:
        sde();
        break;
    }
    return recorder_.take();
  }

 private:
  Trajectory& out() { return recorder_.trajectory(); }

  void record(double step, std::span<const double> p, std::span<const double> M) {
    if (out().diverged_at || !recorder_.alive(step, p[0])) return;
    recorder_.row(step);
    for (std::size_t o = 0; o < handles_.size(); ++o) recorder_.set(handles_[o], reading_of(law_.readings[o], p, M));
  }

  static double reading_of(const CoupledLaw::Reading& reading, std::span<const double> p, std::span<const double> M) {
    if (reading.value) return reading.value(p, M);
    return reading.weights.empty() ? p[0] : solvers::dot(reading.weights, M);
  }

  /// The solvers measure divergence by the largest p_l(0), or by 1 where that is 0.
  double solver_limit() const {
    std::vector<double> p(law_.modes->shared());
    solvers::shared_scalars(*law_.modes, law_.start, p);
    double largest = 0;
    for (const double value : p) largest = std::max(largest, std::abs(value));
    return recorder_.limit() / (largest > 0 ? largest : 1);
  }

  void recursion() {
    out().exact = law_.exact;
    solvers::RecursionOptions options;
    options.divergence_limit = solver_limit();
    options.observer = [&](std::uint64_t step, std::span<const double> p, std::span<const double> M) {
      record(static_cast<double>(step), p, M);
    };
    const solvers::RecursionSolution solution = solvers::follow(*law_.modes, law_.start, time_.at, options);
    if (solution.diverged_at && !out().diverged_at) out().diverged_at = static_cast<double>(*solution.diverged_at);
  }

  void flow() {
    solvers::Options options;
    options.integrator = how_.integrator;
    options.rtol = how_.rtol;
    options.atol = how_.atol;
    options.breaks = law_.breaks;
    options.divergence_limit = solver_limit();
    std::vector<double> times(time_.at.begin(), time_.at.end());
    const bool later = times.front() > 0;
    if (later) times.insert(times.begin(), 0.0);
    options.observer = [&](std::size_t index, double t, std::span<const double> p, std::span<const double> M) {
      if (!later || index > 0) record(t, p, M);
    };
    const solvers::Solution solution = solvers::integrate(*law_.modes, law_.start, times, options);
    if (solution.diverged_at && !out().diverged_at) out().diverged_at = solution.diverged_at;
    out().method = "ode, " + settings::word_of(following_integrators, how_.integrator);
    const solvers::Statistics& s = solution.statistics;
    out().report = {{"solver_steps", static_cast<double>(s.steps)},
                    {"solver_rejected", static_cast<double>(s.rejected)},
                    {"solver_evaluations", static_cast<double>(s.evaluations)},
                    {"solver_solves", static_cast<double>(s.solves)},
                    {"solver_last_step", s.last_step}};
  }

  void jump() {
    if (!law_.rank_one) throw std::invalid_argument("theory.method: no jump, for " + law_.why_no_jump);
    if (!solvers::invertible(*law_.rank_one))
      throw std::invalid_argument(
          "theory.method: no jump, for a mode oscillates at this learning rate; use recursion or ode");
    const bool map = law_.rank_one->kind == solvers::RankOneSystem::Kind::map;
    Jumps jumps(*law_.rank_one, how_.rtol);
    // A map's first steps are iterated: the contour cannot reach them.
    Time early = time_;
    std::erase_if(early.at, [&](std::uint64_t step) { return static_cast<double>(step) > jumps.earliest(); });
    if (!map) early.at.clear();
    if (!early.at.empty()) {
      Following iterate = how_;
      iterate.method = Following::Method::recursion;
      out() = Follower(law_, early, iterate).run();
      if (out().diverged_at) return;
    }
    out().method = settings::word_of(following_methods, Following::Method::jump);
    out().exact = law_.exact && map;
    // All at once where sums over the modes are all that is read.
    const bool whole = std::ranges::any_of(law_.readings, [](const auto& reading) { return bool(reading.value); });
    std::vector<std::vector<double>> rows;
    for (const auto& reading : law_.readings)
      if (!whole) rows.push_back(reading.weights.empty() ? law_.rank_one->weight : reading.weights);
    std::vector<double> M(whole ? law_.start.size() : 0), sums(1 + rows.size());
    for (std::size_t i = early.at.size(); i < time_.at.size(); ++i) {
      const auto step = static_cast<double>(time_.at[i]);
      jumps.read(step, rows, sums);
      if (!recorder_.alive(step, sums[0])) {
        out().diverged_at = jumps.crossing(i == 0 ? 0 : static_cast<double>(time_.at[i - 1]), step, recorder_.limit());
        break;
      }
      if (whole) {
        jumps.state(step, M);
        record(step, sums, M);
        continue;
      }
      recorder_.row(step);
      for (std::size_t o = 0; o < handles_.size(); ++o) recorder_.set(handles_[o], sums[o + 1]);
    }
    jumps.report(out());
  }

  void sde() {
    double dimension = 0;
    for (const double n : law_.multiplicity) {
      if (!(n >= 1) || !numerics::is_whole(n))
        throw std::invalid_argument("theory.method: sde needs whole multiplicities; use recursion or ode");
      dimension += n;
    }
    if (law_.multiplicity.size() != law_.start.size() || dimension > max_coordinates)
      throw std::invalid_argument(fmt::format(
          "theory.method: sde follows single coordinates, {:g} at most; use recursion or ode", max_coordinates));
    const std::size_t n = law_.start.size(), m = law_.modes->shared();
    std::vector<std::size_t> first{0};
    std::vector<double> start;
    for (std::size_t i = 0; i < n; ++i) {
      const auto copies = static_cast<std::size_t>(law_.multiplicity[i]);
      first.push_back(first.back() + copies);
      start.insert(start.end(), copies, std::sqrt(law_.start[i] / law_.multiplicity[i]));
    }
    std::vector<double> M(n), p(m), rate(n), source(n);
    const auto coefficients = [&](double t, std::span<const double> z) {
      for (std::size_t i = 0; i < n; ++i) {
        M[i] = 0;
        for (std::size_t j = first[i]; j < first[i + 1]; ++j) M[i] += z[j] * z[j];
      }
      solvers::shared_scalars(*law_.modes, M, p);
      law_.modes->coefficients(t, p, rate, source);
    };
    solvers::Sde equation;
    equation.dimension = equation.noises = start.size();
    equation.drift = [&](double t, std::span<const double> z, std::span<double> out) {
      coefficients(t, z);
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = first[i]; j < first[i + 1]; ++j) out[j] = -rate[i] / 2 * z[j];
    };
    equation.noise = [&](double t, std::span<const double> z, std::span<const double> w, std::span<double> out) {
      coefficients(t, z);
      for (std::size_t i = 0; i < n; ++i) {
        const double level = std::sqrt(source[i] / law_.multiplicity[i]);
        for (std::size_t j = first[i]; j < first[i + 1]; ++j) out[j] = level * w[j];
      }
    };
    const std::size_t readings = law_.readings.size();
    const std::vector<double> times(time_.at.begin(), time_.at.end());
    const auto read = [&](double t, std::span<const double> z, std::span<double> out) {
      coefficients(t, z);
      for (std::size_t o = 0; o < readings; ++o) out[o] = reading_of(law_.readings[o], p, M);
      return std::abs(p[0]) <= recorder_.limit();
    };
    const solvers::Ensemble paths =
        solvers::average_paths(equation, start, times, readings, read,
                               {solvers::SdeScheme::euler_maruyama, how_.time_step, how_.paths, how_.seed});
    for (std::size_t t = 0; t < paths.mean.size(); ++t) {
      recorder_.row(times[t]);
      for (std::size_t o = 0; o < readings; ++o) recorder_.set(handles_[o], paths.mean[t][o]);
    }
    for (std::size_t o = 0; o < readings; ++o) {
      const Observable& of = law_.readings[o].observable;
      out().columns.push_back({{of.name + "_sde_sem", of.unit, "standard error of the SDE's mean of " + of.name},
                               paths.standard_errors(o, how_.paths),
                               {}});
    }
    out().diverged_at = paths.diverged_at;
    out().method = "sde, euler-maruyama";
    out().report = {{"sde_paths", static_cast<double>(how_.paths)}, {"sde_time_step", how_.time_step}};
  }

  const CoupledLaw& law_;
  const Time& time_;
  const Following& how_;
  Recorder recorder_;
  std::vector<Recorder::Handle> handles_;
};

class RiskDrivenModes final : public solvers::CoupledModes {
 public:
  RiskDrivenModes(std::vector<double> weight, double source, double learning_rate,
                  std::shared_ptr<const Schedule> schedule,
                  std::function<void(double, std::span<ModeCoefficients>)> coefficients)
      : weight_(std::move(weight)),
        source_(source),
        learning_rate_(learning_rate),
        schedule_(std::move(schedule)),
        coefficients_(std::move(coefficients)),
        at_(weight_.size()) {}
  std::size_t size() const override { return weight_.size(); }
  std::span<const double> weights(std::size_t) const override { return weight_; }
  bool affine() const override { return true; }
  bool autonomous() const override { return schedule_->constant(); }
  void coefficients(double t, std::span<const double> p, std::span<double> rate,
                    std::span<double> source) const override {
    refresh(t);
    for (std::size_t i = 0; i < at_.size(); ++i) {
      rate[i] = at_[i].rate;
      source[i] = at_[i].input * (p[0] + source_);
    }
  }
  void sensitivity(double t, std::span<const double>, std::span<const double>, std::span<double> u) const override {
    refresh(t);
    for (std::size_t i = 0; i < at_.size(); ++i) u[i] = at_[i].input;
  }

 private:
  /// Coefficients are asked for anew where the learning rate has changed.
  void refresh(double t) const {
    const double eta = learning_rate_ * schedule_->at(t);
    if (eta == eta_) return;
    coefficients_(eta, at_);
    eta_ = eta;
  }

  std::vector<double> weight_;
  double source_, learning_rate_;
  std::shared_ptr<const Schedule> schedule_;
  std::function<void(double, std::span<ModeCoefficients>)> coefficients_;
  mutable std::vector<ModeCoefficients> at_;
  mutable double eta_ = nan;
};

}  // namespace

CoupledLaw risk_driven_law(std::vector<double> weight, std::vector<double> start, double source, double learning_rate,
                           std::shared_ptr<const Schedule> schedule,
                           std::function<ModeCoefficients(std::size_t, double)> coefficients) {
  std::function<void(double, std::span<ModeCoefficients>)> all = [one = std::move(coefficients)](
                                                                     double eta, std::span<ModeCoefficients> out) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = one(i, eta);
  };
  return risk_driven_law(std::move(weight), std::move(start), source, learning_rate, std::move(schedule),
                         std::move(all));
}

CoupledLaw risk_driven_law(std::vector<double> weight, std::vector<double> start, double source, double learning_rate,
                           std::shared_ptr<const Schedule> schedule,
                           std::function<void(double, std::span<ModeCoefficients>)> coefficients) {
  CoupledLaw law;
  law.breaks = schedule->breaks();
  if (schedule->constant()) {
    solvers::RankOneSystem system;
    system.kind = solvers::RankOneSystem::Kind::map;
    system.weight = weight;
    system.initial = start;
    system.source = source;
    std::vector<ModeCoefficients> at(weight.size());
    coefficients(learning_rate * schedule->at(0), at);
    for (const ModeCoefficients& c : at) {
      system.decay.push_back(c.rate);
      system.input.push_back(c.input);
    }
    law.rank_one = std::move(system);
  } else {
    law.why_no_jump = "the schedule changes the learning rate; use recursion or ode";
  }
  law.start = std::move(start);
  law.modes = std::make_shared<RiskDrivenModes>(std::move(weight), source, learning_rate, std::move(schedule),
                                                std::move(coefficients));
  return law;
}

namespace {

const settings::Section<Following>& following_section() {
  static const settings::Section<Following> keys([](settings::Section<Following>& s) {
    s.words(
        "method", &Following::method,
        "recursion: step by step; ode: the flow; jump: any step at once where nothing changes along the way; sde: the "
        "mean over paths",
        following_methods);
    s.words("integrator", &Following::integrator, "auto is explicit until its steps are held down, then sdirk4",
            following_integrators)
        .where("method", {"ode"});
    s.key("rtol", &Following::rtol, "relative tolerance").above(0).below(1);
    s.key("atol", &Following::atol, "absolute tolerance").at_least(0);
    s.key("paths", &Following::paths, "how many are averaged").where("method", {"sde"}).at_least(2).at_most(1e7);
    s.key("time_step", &Following::time_step, "of the paths").where("method", {"sde"}).in("step").above(0);
  });
  return keys;
}

}  // namespace

const std::vector<settings::Parameter>& following_parameters() {
  return following_section().parameters();
}

Following read_following(const Experiment& experiment) {
  Following out = following_section().read(experiment.table.table_or_empty("theory"));
  out.seed = experiment.monte_carlo.seed;
  return out;
}

Trajectory follow(const CoupledLaw& law, const Time& time, const Following& how) {
  if (law.readings.empty() || !law.modes || law.start.size() != law.modes->size())
    throw std::invalid_argument("a coupled law needs modes, a start of their number and something to read");
  return Follower(law, time, how).run();
}

}  // namespace edgewise::models::ingredients
