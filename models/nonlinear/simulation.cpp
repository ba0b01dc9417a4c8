#include "models/nonlinear/simulation.hpp"

#include <fmt/format.h>

#include <cmath>
#include <optional>
#include <stdexcept>
#include <vector>

#include "models/framework/simulation_of.hpp"
#include "models/ingredients/batch_weights.hpp"
#include "models/nonlinear/replicas.hpp"
#include "models/nonlinear/theory.hpp"

namespace edgewise::models::nonlinear {

namespace {

std::string chosen(const NonlinearProblem& problem, const std::string& name) {
  if (name == "rows" && !problem.dataset)
    throw std::invalid_argument("monte_carlo.sampler: 'rows' needs data.law = \"rows\"");
  if (problem.dataset) {
    if (name != "rows" && name != "auto")
      throw std::invalid_argument("monte_carlo.sampler: '" + name +
                                  "' cannot draw data.law = \"rows\"; use rows or auto, or data.law = \"gaussian\"");
    if (problem.covariance.diagonal)
      throw std::invalid_argument("data.basis: rows come in their own coordinates; use \"natural\"");
    return "rows";
  }
  if (name == "batch" && problem.method.needs_examples())
    throw std::invalid_argument("monte_carlo.sampler: 'batch' cannot sample '" + problem.method.word() +
                                "', which acts on every example; use naive or auto");
  return name == "naive" || problem.method.needs_examples() ? "naive" : "batch";
}

void check(const NonlinearProblem& problem) {
  if (problem.batch > ingredients::most_examples)
    throw std::invalid_argument(
        fmt::format("optimizer.batch: {} examples a step are more than can be drawn one by one (at most {})",
                    problem.batch, ingredients::most_examples));
  if (!problem.covariance.count.empty())
    throw std::invalid_argument(
        "spectrum.multiplicities: must be whole numbers to be simulated, and the spectrum not compressed");
}

/// What the replicas share.
struct Setup {
  std::shared_ptr<const NonlinearProblem> problem;
  DataCoordinates coordinates;
  std::optional<DataRows> rows;
};

std::vector<Observable> observables_of(const NonlinearProblem& problem) {
  std::vector<Observable> out{excess_observable};
  if (std::isfinite(label_variance(problem))) out.push_back(risk_observable);
  if (problem.greedy)
    for (Observable& o : ingredients::rate_observables(ingredients::line_search_rule())) out.push_back(std::move(o));
  return out;
}

}  // namespace

std::unique_ptr<Simulation> simulate_nonlinear(std::shared_ptr<const NonlinearProblem> problem,
                                               const std::string& sampler) {
  check(*problem);
  const std::string choice = chosen(*problem, sampler);
  const auto setup = std::make_shared<Setup>(Setup{problem, {*problem, choice == "rows"}, {}});
  if (choice == "rows") setup->rows.emplace(*problem);
  return simulation_of({observables_of(*problem), choice, [setup, batch = choice == "batch"](auto seed, auto index) {
                          if (batch) return batch_replica(*setup->problem, setup->coordinates, seed, index);
                          return example_replica(*setup->problem, setup->coordinates,
                                                 setup->rows ? &*setup->rows : nullptr, seed, index);
                        }});
}

}  // namespace edgewise::models::nonlinear
