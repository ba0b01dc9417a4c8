#include "models/nonlinear/simulation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <vector>

#include "models/ingredients/batch_weights.hpp"
#include "models/nonlinear/replicas.hpp"

namespace edgewise::models::nonlinear {

namespace {

enum class Sampler { batch, naive, rows };

Sampler chosen(const NonlinearProblem& problem, const std::string& name) {
  const std::vector<std::string> names{"auto", "batch", "naive", "rows"};
  if (std::ranges::find(names, name) == names.end())
    throw std::invalid_argument("monte_carlo.sampler: unknown sampler '" + name + "'" +
                                settings::suggestion(name, names) + "; accepted: " + settings::join(names));
  if (name == "rows" && !problem.dataset)
    throw std::invalid_argument("monte_carlo.sampler: 'rows' needs data.law = \"rows\"");
  if (problem.dataset) {
    if (name != "rows" && name != "auto")
      throw std::invalid_argument("monte_carlo.sampler: '" + name +
                                  "' cannot draw data.law = \"rows\"; use rows or auto, or data.law = \"gaussian\"");
    if (problem.covariance.diagonal)
      throw std::invalid_argument("data.basis: rows come in their own coordinates; use \"natural\"");
    return Sampler::rows;
  }
  if (name == "batch" && problem.method.needs_examples())
    throw std::invalid_argument("monte_carlo.sampler: 'batch' cannot sample '" + problem.method.word() +
                                "', which acts on every example; use naive or auto");
  return name == "naive" || problem.method.needs_examples() ? Sampler::naive : Sampler::batch;
}

void check(const NonlinearProblem& problem) {
  const double batch = problem.batch;
  if (!(batch >= 1) || !std::isfinite(batch) || batch != std::floor(batch))
    throw std::invalid_argument(
        fmt::format("optimizer.batch: must be a whole number >= 1, got {}", settings::text_of(batch)));
  if (batch > ingredients::most_examples)
    throw std::invalid_argument(
        fmt::format("optimizer.batch: {} examples a step are more than can be drawn one by one (at most {})", batch,
                    ingredients::most_examples));
  const Covariance& k = problem.covariance;
  if (!k.count.empty())
    throw std::invalid_argument(
        "spectrum.multiplicities: must be whole numbers to be simulated, and the spectrum not compressed");
  if (k.d == 0 || k.target.size() != k.d || (k.diagonal ? k.eigenvalue.size() != k.d : k.matrix.size() != k.d * k.d))
    throw std::invalid_argument("covariance: its parts differ in size");
  if (!(problem.ema >= 0 && problem.ema < 1))
    throw std::invalid_argument(fmt::format("optimizer.ema: must be >= 0 and < 1, got {}", problem.ema));
  if (problem.threshold_rule != "constant" && !problem.threshold_schedule)
    throw std::invalid_argument("optimizer.threshold_rule: '" + problem.threshold_rule +
                                "' follows the theory, which has not been solved");
  const bool cuts = problem.cuts_residuals() || problem.method == Method::mean_clip;
  if (cuts && problem.threshold_rule == "constant" && !(problem.threshold > 0))
    throw std::invalid_argument(
        fmt::format("optimizer.threshold: must be > 0, got {}", settings::text_of(problem.threshold)));
  if (problem.method == Method::per_example_adam) {
    if (!(problem.zeta >= 0))
      throw std::invalid_argument(fmt::format("optimizer.zeta: must be >= 0, got {}", settings::text_of(problem.zeta)));
    if (problem.lacks_examples())
      throw std::invalid_argument("optimizer.batch: a variance over examples needs at least 2, got 1");
    if (!(problem.ema_square >= 0 && problem.ema_square < 1))
      throw std::invalid_argument(
          fmt::format("optimizer.beta2: must be >= 0 and < 1, got {}", settings::text_of(problem.ema_square)));
    if (problem.zeta < 1 / batch && !(problem.floor > 0))
      throw std::invalid_argument("optimizer.floor: must be > 0 where zeta < 1/B, for n may vanish");
  }
  if (problem.method == Method::custom && !problem.nonlinearity)
    throw std::invalid_argument("optimizer.chi: is required");
  if (problem.method == Method::quantile && !(problem.threshold > 0 && problem.threshold < 1))
    throw std::invalid_argument(fmt::format("optimizer.threshold: a quantile is between 0 and 1, got {}",
                                            settings::text_of(problem.threshold)));
}

class NonlinearSimulation final : public Simulation {
 public:
  NonlinearSimulation(std::shared_ptr<const NonlinearProblem> problem, Sampler sampler)
      : problem_(std::move(problem)),
        sampler_(sampler),
        coordinates_(*problem_, sampler == Sampler::rows),
        observables_{{"excess_mse", "label^2", "P = v'Kv"}} {
    if (sampler == Sampler::rows) rows_.emplace(*problem_);
    if (std::isfinite(label_variance(*problem_)))
      observables_.push_back({"risk", "label^2", "population loss with noise, (P + sigma^2)/2"});
    if (problem_->greedy)
      for (Observable& o : ingredients::rate_observables(ingredients::line_search_rule()))
        observables_.push_back(std::move(o));
  }

  const std::vector<Observable>& observables() const override { return observables_; }

  std::unique_ptr<Replica> replica(std::uint64_t seed, std::uint64_t index) const override {
    if (sampler_ != Sampler::batch)
      return example_replica(*problem_, coordinates_, rows_ ? &*rows_ : nullptr, seed, index);
    return batch_replica(*problem_, coordinates_, seed, index);
  }

  std::string sampler() const override {
    return sampler_ == Sampler::batch ? "batch" : (sampler_ == Sampler::naive ? "naive" : "rows");
  }

 private:
  std::shared_ptr<const NonlinearProblem> problem_;
  Sampler sampler_;
  DataCoordinates coordinates_;
  std::optional<DataRows> rows_;
  std::vector<Observable> observables_;
};

}  // namespace

std::unique_ptr<Simulation> simulate_nonlinear(std::shared_ptr<const NonlinearProblem> problem,
                                               const std::string& sampler) {
  check(*problem);
  return std::make_unique<NonlinearSimulation>(problem, chosen(*problem, sampler));
}

}  // namespace edgewise::models::nonlinear
