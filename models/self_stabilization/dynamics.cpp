#include "models/self_stabilization/dynamics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "models/framework/absent.hpp"
#include "models/framework/simulation_of.hpp"
#include "models/ingredients/stepping_replica.hpp"

namespace edgewise::models::self_stabilization {

State stepped(const Landscape& land, State state, double eta) {
  const double before = state.x;
  state.x *= 1 - eta * state.sharpness;
  if (land.noise > 0) state.x = std::copysign(std::hypot(state.x, eta * std::sqrt(land.noise)), state.x);
  const double x = land.x_first ? state.x : before;
  state.sharpness += eta * (land.sharpening - 0.5 * land.stabilization * x * x);
  if (land.bulk_moves) state.bulk *= (1 - eta * land.bulk_curvature) * (1 - eta * land.bulk_curvature);
  return state;
}

ingredients::StepObservation seen(const Landscape& land, const State& state) {
  const double g = state.sharpness * state.x;
  ingredients::StepObservation out;
  out.loss = 0.5 * g * state.x + land.floor;
  out.squared_gradient = out.descent = g * g + state.bulk;
  out.curvature_along = state.sharpness * g * g + land.bulk_curvature * state.bulk;
  out.sharpness = state.sharpness;
  return out;
}

bool rests(const Landscape& land, const State& state, const ingredients::RateRule& rule) {
  // A bulk that stays with a gradient and no curvature has no such end: there the rate itself is without bound.
  const bool falls = land.bulk_moves || state.bulk == 0;
  return falls && rule.greedy_multiple().low > 0 &&
         seen(land, state).curvature_along < std::numeric_limits<double>::min();
}

bool broken(const Landscape& land, const State& start, const State& state) {
  double scale = std::abs(start.x);
  if (land.sharpening > 0 && land.stabilization > 0)
    scale = std::max(scale, std::sqrt(land.sharpening / land.stabilization));
  return !(state.sharpness > 0) || !std::isfinite(state.sharpness) || !(std::abs(state.x) <= 1e8 * scale);
}

Orbit::Orbit(const Landscape& land, const State& start, double learning_rate, const ingredients::RateRule* rule)
    : land_(land), start_(start), state_(start), x_(start.x), rate_(rule ? 0 : learning_rate), rule_(rule) {
  if (rule) run_.emplace(*rule);
}

void Orbit::step() {
  if (run_) rate_ = rests(land_, state_, *rule_) ? 0 : run_->step(seen(land_, state_), 1);
  const double factor = 1 - rate_ * state_.sharpness;
  state_ = stepped(land_, state_, rate_);
  if (land_.noise > 0) return;
  int shift = 0;
  x_ = std::frexp(x_ * factor, &shift);
  exponent_ += shift;
  state_.x = std::ldexp(x_, exponent_);
}

void Orbit::round(random::Stream& stream) {
  using Limits = std::numeric_limits<double>;
  const auto roundings = [&] { return 4 * Limits::epsilon() * (stream.uniform() - 0.5); };
  // The smallest numbers have fewer digits, and the last of them is not left by factors above a half.
  exponent_ = std::max(exponent_, Limits::min_exponent - Limits::digits);
  x_ *= 1 + std::ldexp(roundings(), std::max(0, Limits::min_exponent - exponent_));
  state_.x = std::ldexp(x_, exponent_);
  if (state_.bulk > 0) state_.bulk = std::max(state_.bulk * (1 + roundings()), Limits::min());
  // A run holds the sharpness as a sum of its start and a change.
  state_.sharpness += roundings() * std::max(start_.sharpness, state_.sharpness);
}

const std::vector<Observable>& state_observables() {
  static const std::vector<Observable> all = {
      {"x_squared", "parameter^2", "x^2 along the top eigenvector; its mean in the theory of noise"},
      {"sharpness", "1/rate", "lambda"},
      {"learning_rate", "rate", "eta of the last step; 0 before the first of a rate rule"},
      {"eta_sharpness", "1", "that rate times the sharpness; the edge is 2"}};
  return all;
}

void observe_state(const State& state, double rate, std::span<double> out) {
  out[0] = state.x * state.x;
  out[1] = state.sharpness;
  out[2] = rate;
  out[3] = rate * state.sharpness;
}

namespace {

struct DescentParts {
  Landscape land;
  State start;
  double learning_rate;
  std::shared_ptr<const ingredients::RateRule> rule;
  std::uint64_t burn_in;
};

class DescentReplica final : public ingredients::SteppingReplica {
 public:
  DescentReplica(const DescentParts& parts, std::uint64_t seed, std::uint64_t index)
      : SteppingReplica(1),
        parts_(parts),
        stream_(seed, index),
        x_(parts.start.x),
        b_(std::sqrt(parts.land.stabilization)),
        a_(parts.land.sharpening / b_),
        w_(parts.land.bulk_curvature > 0 ? std::sqrt(parts.start.bulk) / parts.land.bulk_curvature : 0),
        rate_(parts.rule ? 0 : parts.learning_rate) {
    if (parts.rule) run_.emplace(*parts.rule);
  }

 private:
  double sharpness() const { return parts_.start.sharpness + b_ * m_; }
  State state() const {
    const double bulk = parts_.land.bulk_curvature * w_;
    return {x_, sharpness(), parts_.land.bulk_moves ? bulk * bulk : parts_.start.bulk};
  }

  double take_step(std::uint64_t step, bool) override {
    const Landscape& land = parts_.land;
    if (run_) rate_ = rests(land, state(), *parts_.rule) ? 0 : run_->step(seen(land, state()), 1);
    if (step >= parts_.burn_in && land.noise > 0) average();
    double along_x = sharpness() * x_;
    if (land.noise > 0) {
      stream_.seek(step);
      along_x -= std::sqrt(land.noise) * stream_.normal();
    }
    const double before = x_;
    x_ -= rate_ * along_x;
    const double x = land.x_first ? x_ : before;
    m_ -= rate_ * (0.5 * b_ * x * x - a_);
    if (land.bulk_moves) w_ -= rate_ * land.bulk_curvature * w_;
    return broken(land, parts_.start, state()) ? std::numeric_limits<double>::infinity() : 0;
  }

  void average() {
    const double p = state().p(parts_.land), Y = rate_ * sharpness() - 2;
    const double now[] = {p, Y, p * p, Y * Y * p};
    ++averaged_;
    for (std::size_t k = 0; k < 4; ++k) means_[k] += (now[k] - means_[k]) / averaged_;
  }

  void measure(std::span<double> out) const override {
    observe_state(state(), rate_, out);
    for (std::size_t k = 4; k < out.size(); ++k) out[k] = averaged_ > 0 ? means_[k - 4] : absent;
  }

  const DescentParts& parts_;
  random::Stream stream_;
  double x_, m_ = 0, b_, a_, w_, rate_;
  std::optional<ingredients::RateRun> run_;
  double means_[4] = {0, 0, 0, 0}, averaged_ = 0;
};

}  // namespace

std::unique_ptr<Simulation> simulate_descent(const Landscape& land, const State& start, double learning_rate,
                                             std::shared_ptr<const ingredients::RateRule> rule, std::uint64_t burn_in) {
  std::vector<Observable> observables = state_observables();
  if (land.noise > 0)
    for (const auto& [name, doc] :
         {std::pair{"mean_p", "of p = beta x^2/(2 alpha), over all steps after burn_in; absent before"},
          {"mean_Y", "of Y = eta lambda - 2, likewise"},
          {"mean_p_squared", "of p^2"},
          {"mean_Y_squared_p", "of Y^2 p"}})
      observables.push_back({name, "1", doc});
  auto parts = std::make_shared<const DescentParts>(DescentParts{land, start, learning_rate, std::move(rule), burn_in});
  return simulation_of({std::move(observables), "gradient descent on (S0 + b m) x^2/2 - a m",
                        [parts](std::uint64_t seed, std::uint64_t index) {
                          return std::make_unique<DescentReplica>(*parts, seed, index);
                        }});
}

}  // namespace edgewise::models::self_stabilization
