#include "models/least_squares/linear_methods/linear_flow.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "models/framework/recorder.hpp"
#include "solvers/flow.hpp"

namespace edgewise::models::least_squares {

namespace {

/// The noisy phase of every step.
solvers::Phase only_phase(const LinearProblem& problem) {
  const LinearMethod& method = *problem.method;
  Hyperparameters h = problem.hyperparameters;
  h.seek(0);
  StepPhases only;
  const auto refuse = [&](const char* why) {
    return std::invalid_argument(
        fmt::format("theory.method: the ode of optimizer {} {}; use recursion", method.description.name, why));
  };
  if (!problem.hyperparameters.constant()) throw refuse("needs constant hyperparameters");
  if (!method.time_invariant) throw refuse("is not known: its average counts steps");
  method.phases(h, 0, 0, only);
  if (method.period(h) != 1 || only.has_sync) throw refuse("is not known: it works in rounds");
  return only.noisy;
}

/// A of the phase with T = I + A, noiseless.
solvers::Phase drift_of(const solvers::Phase& phase) {
  solvers::Phase out = phase;
  out.noise_scale = 0;
  for (solvers::PhaseBlock& block : out.blocks)
    for (std::size_t i = 0; i < block.r; ++i) block.T0[i * block.r + i] -= 1;
  return out;
}

}  // namespace

Trajectory follow_linear_flow(const LinearProblem& given, const LeastSquaresTheory& theory) {
  const auto [problem, unit] = balanced(given);
  const solvers::Phase phase = only_phase(problem), drift = drift_of(phase);
  const LeastSquares& data = *problem.data;
  const Layout layout = problem.method->layout(problem.hyperparameters);
  const std::vector<double>& lambda = data.spectrum.eigenvalue;
  const std::vector<double> ones(lambda.size(), 1.0);
  solvers::LinearPhases moments(linear_modes(data, data.noise_variance()), layout.sizes());
  set_moments(starts(problem, layout), moments);
  const auto put = [&](std::span<const double> C) { std::ranges::copy(C, moments.contents().begin()); };
  const auto excess = [&](std::span<const double> C, std::size_t readout = 0) {
    put(C);
    return read_moments(layout.readouts[readout], moments, lambda);
  };

  const bool homog = theory.level == FlowLevel::homog;
  const auto rate = [&](std::span<const double> C, std::span<double> out) {
    put(C);
    moments.apply(phase);
    for (std::size_t i = 0; i < C.size(); ++i) out[i] = moments.contents()[i] - C[i];
    if (!homog) return;
    put(C);
    moments.apply(drift);
    for (std::size_t i = 0; i < C.size(); ++i) out[i] -= moments.contents()[i];
  };

  std::vector<double> times;
  if (data.time.at.front() > 0) times.push_back(0);
  for (const std::uint64_t step : data.time.at) times.push_back(static_cast<double>(step));
  const std::vector<double> start(moments.contents().begin(), moments.contents().end());
  const double limit = risk_limit(given);
  solvers::FlowOptions options;
  options.rtol = theory.rtol;
  // Of what is 0 and stays so.
  options.atol = 1e-30 * theory.rtol * std::max(1e-200, *std::ranges::max_element(start));
  // A moment may vanish beside those of its two coordinates, and a coordinate before the first step gives it a value.
  options.sizes = [&](std::span<const double> C, std::span<double> size) {
    put(C);
    moments.apply(phase);
    const auto place = [&](std::size_t b, std::size_t i, std::size_t j) {
      return static_cast<std::size_t>(moments.moment(b, i, j).data() - moments.contents().data());
    };
    const auto extent = [&](std::size_t at) { return std::sqrt(std::max({C[at], moments.contents()[at], 0.0})); };
    for (std::size_t b = 0; b < layout.blocks.size(); ++b)
      for (std::size_t i = 0; i < layout.blocks[b].size(); ++i)
        for (std::size_t j = i; j < layout.blocks[b].size(); ++j)
          for (std::size_t a = 0; a < lambda.size(); ++a)
            size[place(b, i, j) + a] = extent(place(b, i, i) + a) * extent(place(b, j, j) + a);
  };
  options.diverged = [&](std::span<const double> C) { return !(excess(C) <= limit); };
  const solvers::FlowSolution path = solvers::integrate_flow(rate, start, times, options);

  Trajectory out;
  out.method = fmt::format("ode, level {}, explicit", homog ? "homog" : "diff");
  out.diverged_at = path.diverged_at;
  for (const Observable& observable : linear_observables(given)) out.columns.push_back({observable, {}, {}});
  for (std::size_t k = times.size() - data.time.at.size(); k < path.times.size(); ++k) {
    const double P = excess(path.states[k]);
    out.steps.push_back(path.times[k]);
    out.columns[0].value.push_back((P + data.noise_variance()) / 2);
    out.columns[1].value.push_back(P);
    out.columns[2].value.push_back(read_moments(layout.readouts[0], moments, ones) / unit);
    for (std::size_t i = 1; i < layout.readouts.size(); ++i)
      out.columns[2 + i].value.push_back(excess(path.states[k], i));
  }
  out.report.emplace_back("integration_steps", static_cast<double>(path.steps));
  return out;
}

}  // namespace edgewise::models::least_squares
