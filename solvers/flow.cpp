#include "solvers/flow.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/numeric/odeint/stepper/controlled_runge_kutta.hpp>
#include <boost/numeric/odeint/stepper/dense_output_runge_kutta.hpp>
#include <boost/numeric/odeint/stepper/runge_kutta_dopri5.hpp>
#include <cmath>
#include <stdexcept>

namespace edgewise::solvers {

namespace odeint = boost::numeric::odeint;

namespace {

using State = std::vector<double>;
using Stepper = odeint::runge_kutta_dopri5<State>;

/// The largest error of a step over what is allowed, as Odeint asks for it.
class ErrorChecker {
 public:
  using value_type = double;
  using algebra_type = Stepper::algebra_type;
  using operations_type = Stepper::operations_type;

  explicit ErrorChecker(const FlowOptions& options) : options_(&options) {}
  double error(const algebra_type& /*algebra*/, const State& x, const State& rate, const State& errors,
               double dt) const {
    State size(x.size());
    if (options_->sizes)
      options_->sizes(x, size);
    else
      for (std::size_t i = 0; i < x.size(); ++i) size[i] = std::abs(x[i]) + std::abs(dt) * std::abs(rate[i]);
    double largest = 0;
    for (std::size_t i = 0; i < x.size(); ++i)
      largest = std::max(largest, std::abs(errors[i]) / (options_->atol + options_->rtol * size[i]));
    return largest;
  }

 private:
  const FlowOptions* options_;
};

}  // namespace

FlowSolution integrate_flow(const std::function<void(std::span<const double> x, std::span<double> rate)>& rate,
                            std::span<const double> x0, std::span<const double> times, const FlowOptions& options) {
  if (!rate || x0.empty() || times.empty()) throw std::invalid_argument("a flow needs a rate, a state and times");
  if (std::adjacent_find(times.begin(), times.end(), std::greater_equal<>()) != times.end())
    throw std::invalid_argument("times must increase");
  if (!(options.rtol > 0) || !(options.atol >= 0)) throw std::invalid_argument("tolerances must be positive");
  const auto bounded = [&](const State& x) {
    if (options.diverged) return !options.diverged(x);
    return std::all_of(x.begin(), x.end(), [&](double v) { return std::abs(v) <= options.divergence_limit; });
  };
  const auto system = [&](const State& x, State& dxdt, double) { rate(x, dxdt); };

  FlowSolution out;
  State state(x0.begin(), x0.end()), first_rate(x0.size());
  if (!bounded(state)) {
    out.diverged_at = times.front();
    return out;
  }
  out.times.push_back(times.front());
  out.states.push_back(state);
  if (times.size() == 1) return out;
  rate(state, first_rate);
  double size = 0, speed = 0;
  for (std::size_t i = 0; i < state.size(); ++i) {
    size = std::max(size, std::abs(state[i]));
    speed = std::max(speed, std::abs(first_rate[i]));
  }
  const double span = times.back() - times.front();
  const double first_step = speed > 0 && size > 0 ? std::min(span, 1e-3 * size / speed) : span;
  using Controlled = odeint::controlled_runge_kutta<Stepper, ErrorChecker>;
  odeint::dense_output_runge_kutta<Controlled> stepper(Controlled{ErrorChecker(options)});
  stepper.initialize(state, times.front(), first_step);
  for (std::size_t next = 1; next < times.size();) {
    if (out.steps++ == options.max_steps)
      throw std::runtime_error(fmt::format(
          "{} steps of the integrator reached only t = {:.6g} of {:.6g}; a larger theory.rtol may take fewer",
          options.max_steps, stepper.current_time(), times.back()));
    stepper.do_step(system);
    if (!bounded(stepper.current_state())) {
      out.diverged_at = stepper.current_time();
      return out;
    }
    for (; next < times.size() && times[next] <= stepper.current_time(); ++next) {
      stepper.calc_state(times[next], state);
      out.times.push_back(times[next]);
      out.states.push_back(state);
    }
  }
  return out;
}

}  // namespace edgewise::solvers
