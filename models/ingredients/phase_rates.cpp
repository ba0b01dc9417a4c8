#include "models/ingredients/phase_rates.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>

#include "solvers/adjoint.hpp"

namespace edgewise::models::ingredients {

namespace {

using solvers::ControlDependence;
using solvers::LinearPhases;
using solvers::Phase;

/// A run whose loss exceeds this many times what it started from is of no use to a search
/// (docs/theory/schedules-and-collapse.md, section 1).
constexpr double useless = 1e12;
constexpr double diverged = std::numeric_limits<double>::infinity();

/// The rate within [0, cap] at which the quadratic is least, `now` where it is flat.
double best_rate(const ControlDependence& by_rate, double now, double cap) {
  if (!(by_rate.quadratic > 0)) return now;
  return std::clamp(0.0 - by_rate.linear / (2 * by_rate.quadratic), 0.0, cap);  // no -0
}

void fill(LinearPhases& state, const std::vector<std::vector<double>>& selector, std::span<const double> weight) {
  std::ranges::fill(state.contents(), 0.0);
  for (std::size_t b = 0; b < selector.size(); ++b)
    for (std::size_t i = 0; i < selector[b].size(); ++i)
      for (std::size_t j = i; j < selector[b].size(); ++j) {
        const double factor = selector[b][i] * selector[b][j];
        if (factor == 0) continue;
        const std::span<double> A = state.moment(b, i, j);
        for (std::size_t a = 0; a < weight.size(); ++a) A[a] = factor * weight[a];
      }
}

}  // namespace

double PhaseRates::read(const LinearPhases& state) const {
  double total = 0;
  for (std::size_t b = 0; b < law_.selector.size(); ++b) {
    const std::vector<double>& e = law_.selector[b];
    for (std::size_t i = 0; i < e.size(); ++i)
      for (std::size_t j = i; j < e.size(); ++j)
        if (e[i] * e[j] != 0) total += e[i] * e[j] * (i == j ? 1 : 2) * state.sum(b, i, j, law_.weight);
  }
  return total < 0 ? 0 : total;  // a sum of squares, but for rounding
}

LinearPhases PhaseRates::adjoint_at_end() const {
  LinearPhases out(solvers::adjoint_modes(law_.start.linear_modes()), law_.start.sizes());
  fill(out, law_.selector, law_.weight);
  return out;
}

double PhaseRates::advance(LinearPhases& state, std::uint64_t k, double rate, Phase& scratch) const {
  const RatedStep step = law_.step(k);
  solvers::phase_at(*step.noisy, rate, scratch);
  const double p = state.apply(scratch);
  if (step.after) state.apply(*step.after);
  return std::abs(p) <= useless * law_.scale ? p : diverged;
}

std::uint64_t PhaseRates::alike(std::uint64_t k, std::uint64_t end) const {
  const RatedStep step = law_.step(k);
  std::uint64_t next = k + 1;
  for (bool after = step.after; !after && next < end; ++next) {
    const RatedStep other = law_.step(next);
    if (other.noisy != step.noisy) break;
    after = other.after;
  }
  return next;
}

bool PhaseRates::run(LinearPhases& state, std::uint64_t first, std::uint64_t end, std::span<const double> rates,
                     solvers::RunPlace place) const {
  const std::size_t size = place.kept ? state.contents().size() : 0;
  for (std::uint64_t k = first; k < end;) {
    const RatedStep step = law_.step(k);
    const std::uint64_t next = alike(k, end), count = next - k;
    if (solvers::apply_run(state, *step.noisy, rates.subspan(k, count), useless * law_.scale, place) < count)
      return false;
    place.states += count * size;
    if (place.shared) place.shared += count;
    if (const Phase* after = law_.step(next - 1).after) state.apply(*after, place.states, place.states);
    k = next;
  }
  return true;
}

double PhaseRates::value(std::span<const double> rates) const {
  LinearPhases state = law_.start;
  if (!run(state, 0, steps(), rates, {state.contents().data()})) return diverged;
  const double J = read(state);
  return J <= useless * law_.scale ? J : diverged;
}

std::optional<double> PhaseRates::estimate(std::span<const RateStretch> run) const {
  LinearPhases state = law_.start;
  std::uint64_t k = 0;
  for (const RateStretch& stretch : run) {
    const RatedStep step = law_.step(k);
    if (step.after || step.noisy != law_.step(0).noisy || !solvers::has_stretches(state, *step.noisy))
      return std::nullopt;
    if (!(std::abs(solvers::apply_stretch(state, *step.noisy, stretch.rate, stretch.steps)) <= useless * law_.scale))
      return diverged;
    k += stretch.steps;
  }
  const double J = read(state);
  return J <= useless * law_.scale ? J : diverged;
}

double PhaseRates::there_and_back(std::span<const double> rates, const Back& back) const {
  const std::uint64_t T = steps();
  LinearPhases state = law_.start;
  const std::span<double> moments = state.contents();
  const solvers::Checkpoints checkpoints(T, moments.size());
  std::vector<double> shared(T);
  for (std::uint64_t k = 0; k < T;) {
    const std::uint64_t end = checkpoints.all() ? T : std::min(T, k + checkpoints.stride());
    std::ranges::copy(moments, checkpoints.at(k));
    const bool kept = checkpoints.all();
    if (!run(state, k, end, rates, {kept ? checkpoints.at(0) : moments.data(), kept, shared.data() + k}))
      return diverged;
    if (kept) std::copy_n(checkpoints.at(T), moments.size(), moments.begin());
    k = end;
  }
  const double J = read(state);
  if (!(J <= useless * law_.scale)) return diverged;
  LinearPhases adjoint = adjoint_at_end();
  checkpoints.backwards(
      [&](std::uint64_t first, std::uint64_t end, double* states) {
        run(state, first, end - 1, rates, {states, true, shared.data() + first, true});
      },
      [&](std::uint64_t first, std::uint64_t end, const double* states) {
        back({first, end, states, shared.data() + first}, state, adjoint);
      });
  return J;
}

double PhaseRates::visited(std::span<const double> rates, const Visit& visit, std::vector<double>* injected) const {
  Phase scratch, back;
  return there_and_back(rates, [&](const Stretch& of, const LinearPhases& state, LinearPhases& adjoint) {
    const std::size_t size = state.contents().size();
    for (std::uint64_t k = of.end; k-- > of.first;) {
      const double p = of.shared[k - of.first];
      const RatedStep step = law_.step(k);
      if (step.after) {
        solvers::adjoint_phase(*step.after, back);
        adjoint.apply(back);
      }
      const std::span<const double> moments(of.states + (k - of.first) * size, size);
      const double rate = visit(k, solvers::control_dependence(adjoint, state, moments, *step.noisy, p));
      solvers::phase_at(*step.noisy, rate, scratch);
      solvers::adjoint_phase(scratch, back);
      const double sensitivity = adjoint.apply(back) * back.blocks[0].omega;
      if (injected) (*injected)[k] = scratch.noise_scale * sensitivity * (p + state.linear_modes().source);
    }
  });
}

double PhaseRates::gradient(std::span<const double> rates, std::span<double> slope) const {
  Phase back;
  return there_and_back(rates, [&](const Stretch& of, const LinearPhases& state, LinearPhases& adjoint) {
    for (std::uint64_t end = of.end; end > of.first;) {
      std::uint64_t k = end - 1;
      const RatedStep step = law_.step(k);
      for (; k > of.first; --k)
        if (const RatedStep before = law_.step(k - 1); before.after || before.noisy != step.noisy) break;
      if (step.after) {
        solvers::adjoint_phase(*step.after, back);
        adjoint.apply(back);
      }
      const std::uint64_t from = k - of.first;
      solvers::carry_back(adjoint, state, *step.noisy, rates.subspan(k, end - k),
                          of.states + from * state.contents().size(), of.shared + from, slope.subspan(k, end - k));
      end = k;
    }
  });
}

std::optional<double> PhaseRates::sweep(std::span<double> rates, double cap) const {
  std::vector<double> next(rates.begin(), rates.end());
  double fall = 0;
  const double J = visited(
      rates,
      [&](std::uint64_t k, const ControlDependence& by_rate) {
        const double old = rates[k], now = best_rate(by_rate, old, cap);
        fall += (old - now) * (by_rate.linear + by_rate.quadratic * (old + now));
        return next[k] = now;
      },
      nullptr);
  if (!std::isfinite(J)) return J;
  std::ranges::copy(next, rates.begin());
  // The difference has the last digits where there is little of it, the run itself where there is much.
  return fall < 0.1 * J ? J - std::max(0.0, fall) : value(rates);
}

std::optional<double> PhaseRates::greedy(std::span<double> rates, double cap) const {
  LinearPhases state = law_.start;
  const LinearPhases end = adjoint_at_end();
  Phase scratch, back;
  for (std::uint64_t k = 0; k < steps(); ++k) {
    const RatedStep step = law_.step(k);
    ControlDependence by_rate;
    const double p = state.shared(step.noisy->rest);
    if (step.after) {
      LinearPhases adjoint = end;
      solvers::adjoint_phase(*step.after, back);
      adjoint.apply(back);
      by_rate = solvers::control_dependence(adjoint, state, state.contents(), *step.noisy, p);
    } else {
      by_rate = solvers::control_dependence(end, state, state.contents(), *step.noisy, p);
    }
    if (!(by_rate.quadratic > 0) && read(state) > 0) return std::nullopt;  // the step's own rate does not show at once
    rates[k] = best_rate(by_rate, 0, cap);
    if (advance(state, k, rates[k], scratch) == diverged) return diverged;
  }
  return read(state);
}

RatePath PhaseRates::path(std::span<const double> rates) const {
  RatePath out;
  LinearPhases state = law_.start;
  Phase scratch;
  for (std::uint64_t k = 0; k < steps(); ++k) {
    out.loss.push_back(read(state));
    if (advance(state, k, rates[k], scratch) == diverged)
      throw std::runtime_error("the run at these learning rates diverges");
  }
  out.loss.push_back(read(state));
  out.injected.assign(steps(), 0.0);
  visited(
      rates, [&](std::uint64_t k, const ControlDependence&) { return rates[k]; }, &out.injected);
  return out;
}

}  // namespace edgewise::models::ingredients
