#include <algorithm>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "models/finite_data/finite_data.hpp"
#include "models/ingredients/full_batch_rates.hpp"
#include "models/ingredients/phase_rates.hpp"
#include "models/ingredients/rescaled_rates.hpp"
#include "numerics/power_of_two.hpp"

namespace edgewise::models::finite_data {

// (9.2) with C = 1/N is a linear phase of one coordinate a mode: p <- (1 - eta mu)^2 p + eta^2 mu^2 ((c2 - 1) p + (c1/N) sum p).
std::unique_ptr<RateObjective> finite_data_rate_objective(const FiniteData& data, const Kernel& kernel,
                                                          const FiniteDataMethod& method) {
  if (method.level != Level::mean_field)
    throw std::invalid_argument(
        "theory.method: the best learning rates are known for mean-field, whose modes meet in one number");
  if (kernel.rank == 0) throw std::invalid_argument("data: the inputs are all 0, so that no learning rate matters");
  const BatchMoments c = batch_moments(data);
  const auto N = static_cast<double>(data.samples());
  const double unit = numerics::power_of_two(kernel.eigenvalue.front());
  solvers::LinearModes modes;
  for (const double mu : kernel.eigenvalue) modes.x.push_back(mu / unit);
  modes.weight.assign(data.samples(), 1.0);
  double loss = 0;
  std::vector<double> power = kernel.along(data.residual);
  for (double& p : power) loss += (p *= p) / (2 * N);
  for (const double mu : modes.x) {
    modes.feedback.push_back(c.c1 / N * mu * mu);
    modes.own.push_back((c.c2 - 1) * mu * mu);
  }
  solvers::LinearPhases start(std::move(modes), {1});
  std::copy(power.begin(), power.end(), start.moment(0, 0, 0).begin());
  ingredients::PhaseLaw law{std::move(start), {{1}}, std::vector<double>(data.samples(), 1 / (2 * N))};
  law.facts.steps = data.time.steps;
  law.facts.observable = finite_data_observables().front();
  law.facts.natural_rate = unit / kernel.eigenvalue.front();
  law.scale = loss;
  if (!(loss > 0))
    law.facts.uniqueness = {Uniqueness::none, "the run starts without a residual: any schedule leaves it there"};
  if (c.c1 == 0 && c.c2 == 1) {
    law.facts.uniqueness = {Uniqueness::none,
                            "full batches: the loss depends on which learning rates there are, not on their order"};
    law.facts.optimum = ingredients::best_full_batch_rates(std::span(law.start.linear_modes().x).first(power.size()),
                                                           power, law.facts.steps);
  }
  solvers::ControlledPhase step;
  step.rest.blocks.resize(1);
  step.rest.noise_scale = 1;
  step.slope = step.rest;
  step.rest.blocks[0].T0[0] = step.rest.blocks[0].e[0] = 1;
  step.slope.blocks[0].T1[0] = step.slope.blocks[0].n[0] = -1;
  const auto kept = std::make_shared<const solvers::ControlledPhase>(std::move(step));
  law.step = [kept](std::uint64_t) { return ingredients::RatedStep{kept.get(), nullptr}; };
  return ingredients::in_units(std::make_unique<ingredients::PhaseRates>(std::move(law)), unit);
}

}  // namespace edgewise::models::finite_data
