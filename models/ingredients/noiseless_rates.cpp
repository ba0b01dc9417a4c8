#include "models/ingredients/noiseless_rates.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "numerics/constants.hpp"
#include "solvers/phase_powers.hpp"

namespace edgewise::models::ingredients {

namespace {

/// As of PhaseRates: a run whose loss exceeds this many times what it started from is of no use to a search.
constexpr double useless_loss = 1e12;

solvers::Phase phase_of(const solvers::ControlledPhase& step, double rate) {
  solvers::Phase out;
  solvers::phase_at(step, rate, out);
  return out;
}

}  // namespace

NoiselessRates::Blocks NoiselessRates::moved(const solvers::Phase& phase, const Blocks& z, bool transposed) const {
  return solvers::moved_means(phase, law_.start.linear_modes().x, z, transposed);
}

NoiselessRates::Blocks NoiselessRates::selectors() const {
  Blocks out;
  for (const std::vector<double>& selector : law_.selector) {
    out.emplace_back();
    for (const double factor : selector) out.back().insert(out.back().end(), law_.weight.size(), factor);
  }
  return out;
}

double NoiselessRates::read(const Blocks& z) const {
  return solvers::squared_means(law_.selector, law_.weight, z);
}

std::vector<NoiselessRates::Blocks> NoiselessRates::forward(std::span<const double> rates) const {
  std::vector<Blocks> out{start_};
  for (std::uint64_t k = 0; k < steps(); ++k) {
    const RatedStep step = law_.step(k);
    Blocks next = moved(phase_of(*step.noisy, rates[k]), out.back());
    if (step.after) next = moved(*step.after, next);
    if (!(read(next) <= useless_loss * law_.scale)) return out;
    out.push_back(std::move(next));
  }
  return out;
}

double NoiselessRates::ByRate::best(double now, double cap) const {
  return quadratic > 0 ? std::clamp(0.0 - cross / quadratic, 0.0, cap) : now;
}

NoiselessRates::ByRate NoiselessRates::by_rate(const solvers::ControlledPhase& step, const Blocks& reader,
                                               const Blocks& before) const {
  const Blocks rest = moved(step.rest, before), slope = moved(step.slope, before);
  const std::size_t n = law_.weight.size();
  ByRate out;
  for (std::size_t block = 0; block < before.size(); ++block)
    for (std::size_t a = 0; a < n; ++a) {
      double still = 0, by = 0;
      for (std::size_t i = a; i < reader[block].size(); i += n) {
        still += reader[block][i] * rest[block][i];
        by += reader[block][i] * slope[block][i];
      }
      out.cross += law_.weight[a] * still * by;
      out.quadratic += law_.weight[a] * by * by;
    }
  return out;
}

double NoiselessRates::value(std::span<const double> rates) const {
  const std::vector<Blocks> run = forward(rates);
  return run.size() > steps() ? read(run.back()) : infinity;
}

double NoiselessRates::gradient(std::span<const double> rates, std::span<double> slope) const {
  const std::vector<Blocks> run = forward(rates);
  if (run.size() <= steps()) return infinity;
  Blocks reader = selectors();
  for (std::uint64_t k = steps(); k-- > 0;) {
    const RatedStep step = law_.step(k);
    if (step.after) reader = moved(*step.after, reader, true);
    const ByRate now = by_rate(*step.noisy, reader, run[k]);
    slope[k] = 2 * (now.cross + rates[k] * now.quadratic);
    reader = moved(phase_of(*step.noisy, rates[k]), reader, true);
  }
  return read(run.back());
}

std::optional<double> NoiselessRates::sweep(std::span<double> rates, double cap) const {
  const std::vector<Blocks> run = forward(rates);
  if (run.size() <= steps()) return infinity;
  Blocks reader = selectors();
  std::vector<double> next(rates.begin(), rates.end());
  for (std::uint64_t k = steps(); k-- > 0;) {
    const RatedStep step = law_.step(k);
    if (step.after) reader = moved(*step.after, reader, true);
    next[k] = by_rate(*step.noisy, reader, run[k]).best(rates[k], cap);
    reader = moved(phase_of(*step.noisy, next[k]), reader, true);
  }
  const double before = read(run.back()), after = value(next);
  if (!(after <= before)) return before;  // by rounding
  std::ranges::copy(next, rates.begin());
  return after;
}

std::optional<double> NoiselessRates::greedy(std::span<double> rates, double cap) const {
  Blocks z = start_;
  for (std::uint64_t k = 0; k < steps(); ++k) {
    const RatedStep step = law_.step(k);
    const Blocks reader = step.after ? moved(*step.after, selectors(), true) : selectors();
    const ByRate now = by_rate(*step.noisy, reader, z);
    if (!(now.quadratic > 0) && read(z) > 0) return std::nullopt;  // the step's own rate does not show at once
    rates[k] = now.best(0, cap);
    z = moved(phase_of(*step.noisy, rates[k]), z);
    if (step.after) z = moved(*step.after, z);
  }
  return read(z);
}

RatePath NoiselessRates::path(std::span<const double> rates) const {
  const std::vector<Blocks> run = forward(rates);
  if (run.size() <= steps()) throw std::runtime_error("the run at these learning rates diverges");
  RatePath out;
  for (const Blocks& z : run) out.loss.push_back(read(z));
  out.injected.assign(steps(), 0.0);
  return out;
}

}  // namespace edgewise::models::ingredients
