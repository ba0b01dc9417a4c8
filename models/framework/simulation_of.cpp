// Built at -O1: nothing here takes time.
#include "models/framework/simulation_of.hpp"

#include <utility>

namespace edgewise::models {

namespace {

class SimulationOfParts final : public Simulation {
 public:
  explicit SimulationOfParts(SimulationParts parts) : parts_(std::move(parts)) {}
  const std::vector<Observable>& observables() const override { return parts_.observables; }
  std::unique_ptr<Replica> replica(std::uint64_t seed, std::uint64_t index) const override {
    return parts_.replica(seed, index);
  }
  std::string sampler() const override { return parts_.sampler; }
  std::string announcement() const override { return parts_.announcement; }
  std::vector<std::string> warnings() const override { return parts_.warnings; }

 private:
  SimulationParts parts_;
};

}  // namespace

std::unique_ptr<Simulation> simulation_of(SimulationParts parts) {
  return std::make_unique<SimulationOfParts>(std::move(parts));
}

}  // namespace edgewise::models
