#include "models/framework/perturbed.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "models/framework/simulation_of.hpp"
#include "random/random.hpp"

namespace edgewise::models {

namespace {

class PairedReplica final : public Replica {
 public:
  PairedReplica(std::unique_ptr<Replica> run, std::unique_ptr<Replica> other, std::size_t compared)
      : run_(std::move(run)), other_(std::move(other)), compared_(compared) {}
  void advance(std::uint64_t step) override {
    run_->advance(step);
    other_->advance(step);
  }
  void observe(std::span<double> out) const override {
    std::vector<double> there(out.size() - 1);
    run_->observe(out.first(there.size()));
    other_->observe(there);
    const double a = out[compared_], b = there[compared_], larger = std::max(a, b);
    out.back() = !std::isfinite(a) ? a : !std::isfinite(b) ? 1 : larger > 0 ? std::abs(a - b) / larger : 0;
  }

 private:
  std::unique_ptr<Replica> run_, other_;
  std::size_t compared_;
};

}  // namespace

std::vector<double> perturbation(std::size_t n, double length, std::uint64_t seed) {
  random::Stream stream(seed, 0, 1, random::Purpose::initial);
  std::vector<double> out(n);
  double square = 0;
  for (double& x : out) {
    x = stream.normal();
    square += x * x;
  }
  for (double& x : out) x *= length / std::sqrt(square);
  return out;
}

Observable change_of(const Observable& observable) {
  return {observable.name + "_change", "1",
          "difference of the " + observable.name +
              " in a run whose start is perturbed, over the larger of the two; 1 where that run has diverged"};
}

std::unique_ptr<Simulation> with_change(std::unique_ptr<Simulation> simulation, std::unique_ptr<Simulation> perturbed,
                                        const std::string& name) {
  std::vector<Observable> observables = simulation->observables();
  const auto found = std::ranges::find(observables, name, &Observable::name);
  if (found == observables.end()) throw std::invalid_argument("no observable " + name);
  const auto compared = static_cast<std::size_t>(found - observables.begin());
  observables.push_back(change_of(observables[compared]));
  const std::string sampler = simulation->sampler(), announcement = simulation->announcement();
  std::vector<std::string> warnings = simulation->warnings();
  const auto share = [](std::unique_ptr<Simulation> s) { return std::shared_ptr<const Simulation>(std::move(s)); };
  return simulation_of({std::move(observables), sampler,
                        [run = share(std::move(simulation)), other = share(std::move(perturbed)), compared](
                            std::uint64_t seed, std::uint64_t index) {
                          return std::make_unique<PairedReplica>(run->replica(seed, index), other->replica(seed, index),
                                                                 compared);
                        },
                        announcement, std::move(warnings)});
}

}  // namespace edgewise::models
