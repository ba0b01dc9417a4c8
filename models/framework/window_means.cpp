#include "models/framework/window_means.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace edgewise::models {

namespace {

class MeansReplica final : public Replica {
 public:
  MeansReplica(std::unique_ptr<Replica> replica, std::size_t observables, const std::vector<std::size_t>& chosen,
               const std::vector<std::uint64_t>& at)
      : replica_(std::move(replica)), chosen_(chosen), at_(at), now_(observables), sums_(chosen.size()) {
    note();
  }
  void advance(std::uint64_t step) override {
    while (step_ < step) {
      // A window ends at a recorded step, wherever calls end.
      if (std::ranges::binary_search(at_, step_)) {
        std::ranges::fill(sums_, 0);
        count_ = 0;
      }
      replica_->advance(++step_);
      note();
    }
  }
  void observe(std::span<double> out) const override {
    std::ranges::copy(now_, out.begin());
    for (std::size_t k = 0; k < sums_.size(); ++k) out[now_.size() + k] = sums_[k] / count_;
  }

 private:
  void note() {
    replica_->observe(now_);
    ++count_;
    for (std::size_t k = 0; k < chosen_.size(); ++k) sums_[k] += now_[chosen_[k]];
  }
  std::unique_ptr<Replica> replica_;
  const std::vector<std::size_t>& chosen_;
  const std::vector<std::uint64_t>& at_;
  std::vector<double> now_, sums_;
  double count_ = 0;
  std::uint64_t step_ = 0;
};

class MeansSimulation final : public Simulation {
 public:
  MeansSimulation(std::unique_ptr<Simulation> simulation, const std::vector<std::string>& names,
                  std::vector<std::uint64_t> at)
      : simulation_(std::move(simulation)), observables_(simulation_->observables()), at_(std::move(at)) {
    own_ = observables_.size();
    for (const std::string& name : names) {
      const auto found = std::ranges::find(observables_, name, &Observable::name);
      if (found == observables_.end()) throw std::invalid_argument("no observable " + name);
      chosen_.push_back(static_cast<std::size_t>(found - observables_.begin()));
    }
    for (const std::size_t k : chosen_) observables_.push_back(window_mean_of(observables_[k]));
  }
  const std::vector<Observable>& observables() const override { return observables_; }
  std::unique_ptr<Replica> replica(std::uint64_t seed, std::uint64_t index) const override {
    return std::make_unique<MeansReplica>(simulation_->replica(seed, index), own_, chosen_, at_);
  }
  std::string sampler() const override { return simulation_->sampler(); }
  std::string announcement() const override { return simulation_->announcement(); }
  std::vector<std::string> warnings() const override { return simulation_->warnings(); }

 private:
  std::unique_ptr<Simulation> simulation_;
  std::vector<Observable> observables_;
  std::size_t own_ = 0;
  std::vector<std::size_t> chosen_;
  std::vector<std::uint64_t> at_;
};

}  // namespace

Observable window_mean_of(const Observable& observable) {
  return {"mean_" + observable.name, observable.unit,
          observable.doc + "; mean over the steps since the last recorded one"};
}

std::unique_ptr<Simulation> with_window_means(std::unique_ptr<Simulation> simulation,
                                              const std::vector<std::string>& names, const Time& time) {
  return std::make_unique<MeansSimulation>(std::move(simulation), names, time.at);
}

}  // namespace edgewise::models
