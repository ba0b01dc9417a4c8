#include "models/least_squares/linear_methods/rate_objective.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "models/ingredients/full_batch_rates.hpp"
#include "models/ingredients/noiseless_rates.hpp"
#include "models/ingredients/phase_rates.hpp"
#include "models/ingredients/rescaled_rates.hpp"
#include "models/least_squares/additive_noise.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::least_squares {

namespace {

/// So many steps that differ are kept.
constexpr std::uint64_t most_kept = 200000;

/// The steps of a method, each a function of its learning rate.
class RatedSteps {
 public:
  /// \param unit  a learning rate of the problem's own size, in its units
  RatedSteps(const BalancedProblem& of, double unit) : method_(of.problem.own_method), units_(of.unit), unit_(unit) {
    const LinearProblem& problem = of.problem;
    if (!method_) method_ = {std::shared_ptr<void>(), problem.method};
    Hyperparameters h = problem.hyperparameters;
    h.schedule("learning_rate", nullptr);
    for (const char* name : {"inner_steps", "workers"})
      if (h.scheduled(name))
        throw std::invalid_argument(std::string("schedule.") + name +
                                    ": the best learning rates are known for rounds that stay alike; leave it out");
    h.seek(0);
    const std::uint64_t steps = problem.data->time.steps, period = method_->period(h);
    const bool alike = h.constant() && method_->time_invariant;
    count_ = alike ? std::min(period, steps) : steps;
    if (count_ > most_kept)
      throw std::invalid_argument("time.steps: at most " + std::to_string(most_kept) +
                                  " of them where more than the learning rate differs from step to step");
    for (std::uint64_t k = 0; k < count_; ++k) {
      h.seek(static_cast<double>(k));
      kept_.push_back(at(h, k, k % period));
      // Of steps in a row that are alike the first stands for all.
      Step& now = kept_.back();
      now.like = k > 0 && kept_[kept_[k - 1].like].noisy == now.noisy ? kept_[k - 1].like : k;
    }
  }

  ingredients::RatedStep operator()(std::uint64_t k) const {
    const Step& step = kept_[k % count_];
    return {&kept_[step.like].noisy, step.given.has_sync ? &step.given.sync : nullptr};
  }

 private:
  struct Step {
    solvers::ControlledPhase noisy;
    StepPhases given;      ///< at one learning rate
    std::size_t like = 0;  ///< the step whose noisy phase is this one's
  };

  Step at(Hyperparameters h, std::uint64_t k, std::uint64_t position) const {
    Step out;
    const auto phase = [&](double rate) {
      h.set("learning_rate", rate / units_);
      method_->phases(h, k, position, out.given);
      return out.given.noisy;
    };
    out.noisy = solvers::controlled_phase(phase(0), phase(unit_), phase(2 * unit_), unit_);
    return out;
  }

  std::shared_ptr<const LinearMethod> method_;
  double units_, unit_;
  std::uint64_t count_ = 1;
  std::vector<Step> kept_;
};

const Readout& readout_of(const LinearProblem& problem, const Layout& layout, const std::string& observable) {
  const Readout* found = &layout.readouts.front();
  std::vector<std::string> names{"excess_mse"};
  for (std::size_t i = 1; i < layout.readouts.size(); ++i) {
    if (layout.readouts[i].before_sync) continue;
    names.push_back(layout.readouts[i].name + "_excess_mse");
    if (names.back() == observable) found = &layout.readouts[i];
  }
  if (!observable.empty() && std::ranges::find(names, observable) == names.end())
    throw std::invalid_argument("schedule_search.observable: '" + observable + "' is not one of " +
                                settings::join(names) + ", of which optimizer " + problem.method->description.name +
                                " has a gradient" + settings::suggestion(observable, names));
  return *found;
}

std::pair<Uniqueness, std::string> known_of_optimum(const LinearProblem& problem, double scale) {
  const LeastSquares& data = *problem.data;
  if (!(scale > 0))
    return {Uniqueness::none, "the run starts at the target without noise: any schedule leaves it there"};
  if (!is_plain_sgd(problem)) return {Uniqueness::unknown, ""};
  if (data.time.steps == 1) return {Uniqueness::proved, "one step: the loss is a parabola of its rate"};
  if (std::isinf(problem.hyperparameters.base("batch")))
    return {Uniqueness::none,
            "batch = inf: the loss depends on which learning rates there are, not on their order; the best ones are "
            "the inverse roots of the conjugate gradients' polynomial"};
  double only = 0;
  for (const double lambda : data.spectrum.eigenvalue) {
    if (lambda > 0 && only > 0) return {Uniqueness::unknown, ""};
    only = std::max(only, lambda);
  }
  return {Uniqueness::proved, "one eigenvalue: every step has one best rate, whatever the others are"};
}

/// Small steps and label noise alone, rates up to `cap` (of the balanced problem); nothing where that is no theory of this one.
std::vector<Finding> additive_noise_predictions(const BalancedProblem& balanced, double cap) {
  const LinearProblem& problem = balanced.problem;
  const LeastSquares& data = *problem.data;
  const double noise = data.noise_variance() / problem.hyperparameters.base("batch");
  if (!is_plain_sgd(problem) || !(noise > 0)) return {};
  std::vector<double> eigenvalue, multiplicity, power;
  for (std::size_t a = 0; a < data.spectrum.modes(); ++a) {
    if (!(data.spectrum.eigenvalue[a] > 0)) continue;
    eigenvalue.push_back(data.spectrum.eigenvalue[a]);
    multiplicity.push_back(data.spectrum.multiplicity[a]);
    power.push_back(data.initial_power[a]);
  }
  try {
    const AdditiveNoise theory(std::move(eigenvalue), std::move(multiplicity), std::move(power), noise);
    const auto T = static_cast<double>(data.time.steps);
    const AdditiveNoise::Optimum best = theory.optimum(T, cap);
    std::vector<Finding> out{
        {"additive_noise_loss", best.loss, "loss of the best schedule for small steps and label noise alone (3.7)"},
        {"additive_noise_first_rate", best.first / balanced.unit, "its first rate"},
        {"additive_noise_last_rate", best.last / balanced.unit, "its last rate"},
        {"additive_noise_exponent", best.exponent, "x of its loss ~ T^-x, from its slope at this number of steps"}};
    if (std::isfinite(cap)) out.push_back({"additive_noise_capped", best.capped, "share of its time at max_rate"});
    return out;
  } catch (const std::domain_error&) {
    return {};
  }
}

}  // namespace

std::unique_ptr<RateObjective> linear_rate_objective(const LinearProblem& given, const std::string& observable,
                                                     const std::optional<ScalingForm>& power_law) {
  const BalancedProblem own = balanced(given);
  const LinearProblem& problem = own.problem;
  const LeastSquares& data = *problem.data;
  if (!problem.hyperparameters.has("learning_rate"))
    throw std::invalid_argument("optimizer: it has no learning_rate whose schedule could be looked for");
  const Layout layout = problem.method->layout(problem.hyperparameters);
  const Readout& readout = readout_of(problem, layout, observable);
  const double largest = data.spectrum.largest();
  if (!(largest > 0)) throw std::invalid_argument("spectrum: without a positive eigenvalue no learning rate matters");

  solvers::LinearPhases start(linear_modes(data, data.noise_variance()), layout.sizes());
  const std::vector<BlockStart> blocks = starts(problem, layout);
  set_moments(blocks, start);
  ingredients::PhaseLaw law{std::move(start), readout.selector, data.spectrum.eigenvalue};
  law.facts.steps = data.time.steps;
  const std::string name = readout.name.empty() ? "excess_mse" : readout.name + "_excess_mse";
  for (const Observable& o : linear_observables(problem))
    if (o.name == name) law.facts.observable = o;
  law.facts.natural_rate = 1 / largest;
  law.scale = data.noise_variance();
  std::vector<double> excess;  // of every mode at the start
  for (std::size_t a = 0; a < data.spectrum.modes(); ++a) {
    excess.push_back(data.spectrum.eigenvalue[a] * data.initial_power[a]);
    law.scale += excess.back();
  }
  // A method that carries theta* is drawn away from it: by weight decay, towards 0.
  for (std::size_t b = 0; b < blocks.size(); ++b)
    if (std::ranges::any_of(layout.blocks[b], [](const Coordinate& c) { return c.from_target != 0; }))
      for (std::size_t a = 0; a < data.spectrum.modes(); ++a)
        law.scale += data.spectrum.eigenvalue[a] * blocks[b].power[a];
  law.facts.uniqueness = known_of_optimum(problem, law.scale);
  if (power_law && power_law->alpha > 0.25 && power_law->beta > 0 && is_plain_sgd(problem) &&
      data.noise_variance() > 0 && std::isfinite(problem.hyperparameters.base("batch"))) {
    const auto [alpha, beta] = *power_law;
    law.facts.predictions = {{"optimum_exponent", (2 * alpha + 2 * beta - 1) / (2 * alpha + 2 * beta),
                              "x of the best loss ~ T^-x for many steps and dimensions (3.8)"},
                             {"cooldown_exponent", 4 * alpha - 1, "y of its rates ~ (1 - t/T)^y towards the end"},
                             {"peak_exponent", beta / (alpha + beta), "z of its largest rate ~ T^-z"}};
  }
  law.facts.capped = [own](double max_rate) { return additive_noise_predictions(own, max_rate); };
  if (law.scale > 0 && is_plain_sgd(problem) && std::isinf(problem.hyperparameters.base("batch"))) {
    law.facts.optimum = ingredients::best_full_batch_rates(data.spectrum.eigenvalue, excess, data.time.steps);
  }
  law.step = RatedSteps(own, law.facts.natural_rate);
  const Hyperparameters& h = problem.hyperparameters;
  const auto noisy = [&] {
    return ingredients::in_units(std::make_unique<ingredients::PhaseRates>(std::move(law)), own.unit);
  };
  if (!std::isinf(h.base("batch")) || h.scheduled("batch") || is_plain_sgd(problem)) return noisy();
  if (problem.method->rule && !(h.base("weight_decay") > 0)) {
    if (const double least = ingredients::least_full_batch_loss(data.spectrum.eigenvalue, excess, data.time.steps);
        least >= 0) {
      law.facts.least = least;
      law.facts.predictions.push_back(
          {"conjugate_gradients_loss", least, "what no learning rates get below: the conjugate gradients' loss"});
    }
  }
  std::vector<std::vector<double>> coordinates = coordinates_of(blocks);
  double numbers = 0;
  for (const auto& block : coordinates) numbers += static_cast<double>(block.size() * law.facts.steps);
  if (numbers > ingredients::NoiselessRates::most_numbers) return noisy();
  return ingredients::in_units(std::make_unique<ingredients::NoiselessRates>(std::move(law), std::move(coordinates)),
                               own.unit);
}

}  // namespace edgewise::models::least_squares
