#include "models/muon/constant_optimal.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "solvers/integrate.hpp"

namespace edgewise::models::muon {

namespace {

/// log P at the times, of every rate that was tried.
class Trials {
 public:
  Trials(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics, const MatrixTheory& theory,
         std::span<const double> times)
      : problem_(problem), dynamics_(dynamics), theory_(theory), times_(times) {
    options_.rtol = std::max(theory.rtol, 1e-7);
  }
  /// Integrates up to times[last]; log P there.
  double attempt(double log_rate, std::size_t last) {
    const double rate = std::exp(log_rate);
    const MatrixFlow flow(problem_, dynamics_, theory_,
                          {[rate](double) { return rate; }, [rate](double) { return rate * rate; }, false, true});
    const solvers::Solution s = solvers::integrate(flow, dynamics_.initial, times_.first(last + 1), options_);
    steps_ += s.statistics.steps;
    std::vector<double>& curve = curves_[log_rate];
    curve.assign(last + 1, std::numeric_limits<double>::infinity());
    for (std::size_t t = 0; t < s.shared.size(); ++t)
      if (s.shared[t][0] >= 0) curve[t] = std::log(s.shared[t][0]);
    return curve.back();
  }
  /// (log eta, log P) at times[t], of the rates that were followed so far, from the lowest on.
  std::vector<std::pair<double, double>> at(std::size_t t) const {
    std::vector<std::pair<double, double>> out;
    for (const auto& [log_rate, curve] : curves_)
      if (t < curve.size()) out.emplace_back(log_rate, curve[t]);
    return out;
  }
  std::size_t rates() const { return curves_.size(); }
  std::size_t steps() const { return steps_; }

 private:
  const MatrixLeastSquares& problem_;
  const MatrixDynamics& dynamics_;
  const MatrixTheory& theory_;
  std::span<const double> times_;
  solvers::Options options_;
  std::map<double, std::vector<double>> curves_;  // by log eta
  std::size_t steps_ = 0;
};

}  // namespace

BestConstantRates best_constant_rates(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics,
                                      const MatrixTheory& theory, std::span<const double> times) {
  constexpr double grid = 0.07;  // of log eta
  constexpr double section = 0.381966;
  constexpr std::size_t most_rates = 1000, most_refinements = 100;
  const std::size_t last = times.size() - 1;
  Trials trials(problem, dynamics, theory, times);
  // The floor of the first is at the start's excess. Downwards until that of the longest horizon rises: its best rate
  // is the smallest.
  const double P0 = dynamics.excess(dynamics.initial), N = dynamics.noise_to_drift();
  if (P0 == 0) return {std::vector<BestConstantRate>(last), 0, 0};  // at its best without a step
  double log_rate = std::log(4 * P0 / (N * std::sqrt(problem.residual_variance(P0))));
  double before = std::numeric_limits<double>::infinity();
  for (int rising = 0; rising < 8 && trials.rates() < most_rates; log_rate -= grid) {
    const double now = trials.attempt(log_rate, last);
    rising = now > before ? rising + 1 : 0;
    before = now;
  }
  BestConstantRates out;
  out.of.resize(last);
  for (std::size_t t = last; t > 0; --t)
    for (std::size_t k = 0;; ++k) {
      const auto tried = trials.at(t);
      const auto best =
          std::ranges::min_element(tried, {}, [](const std::pair<double, double>& trial) { return trial.second; });
      out.of[t - 1] = {std::exp(best->first), std::exp(best->second)};
      if (k == most_refinements) break;
      if (best == tried.begin() || best + 1 == tried.end()) {
        trials.attempt(best->first + (best == tried.begin() ? -grid : grid), t);
        continue;
      }
      const auto& [low, low_value] = *(best - 1);
      const auto& [high, high_value] = *(best + 1);
      if (std::max(low_value, high_value) - best->second < 1e-5 || high - low < 1e-7) break;
      const double left = best->first - low, right = high - best->first;
      trials.attempt(right > left ? best->first + section * right : best->first - section * left, t);
    }
  out.rates = trials.rates();
  out.solver_steps = trials.steps();
  return out;
}

}  // namespace edgewise::models::muon
