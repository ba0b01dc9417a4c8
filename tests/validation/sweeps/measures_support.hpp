#pragma once
/// Measures from text, and made-up runs that they are evaluated on.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "random/random.hpp"
#include "settings/settings.hpp"
#include "validation/sweeps/measures.hpp"

namespace edgewise::validation::testing {

inline settings::Table parsed(const std::string& text) {
  return settings::read_text(text, "sweep.toml");
}

inline std::vector<double> log_steps(double last, std::size_t count) {
  std::vector<double> out = {0};
  for (std::size_t i = 0; i < count; ++i)
    out.push_back(std::pow(last, static_cast<double>(i) / static_cast<double>(count - 1)));
  return out;
}

/// P = c step^-p from P_0 = c at step 0, risk = P/2.
inline models::Trajectory power_law(double c, double p, double last = 1e6, std::size_t count = 121) {
  models::Trajectory out;
  out.steps = log_steps(last, count);
  out.columns = {{{"excess_mse", "", ""}, {}, {}}, {{"risk", "", ""}, {}, {}}};
  for (const double step : out.steps) {
    const double value = step > 0 ? c * std::pow(step, -p) : c;
    out.columns[0].value.push_back(value);
    out.columns[1].value.push_back(value / 2);
    out.columns[0].std.push_back(value / 10);
  }
  return out;
}

inline VariantRun theory(models::Trajectory trajectory) {
  VariantRun out;
  out.theory = std::move(trajectory);
  return out;
}

/// Reads the measures of `text` and evaluates them in order.
inline std::map<std::string, double> evaluated(const std::string& text, const std::vector<VariantRun>& runs,
                                               const std::string& what = "solve",
                                               const std::vector<std::string>& variants = {""},
                                               const std::vector<std::string>& names = {"alpha", "n"},
                                               std::vector<double> values = {1.5, 1000}) {
  std::map<std::string, double> out;
  for (const auto& measure : read_measures(parsed(text), variants, names, what)) {
    const auto infos = measure->infos();
    std::vector<double> numbers(infos.size(), -99);
    measure->evaluate(runs, values, numbers);
    for (std::size_t i = 0; i < infos.size(); ++i) out[infos[i].name] = numbers[i];
    values.insert(values.end(), numbers.begin(), numbers.end());
  }
  return out;
}

inline void refuses(const std::string& text, const std::string& message, const std::string& what = "solve",
                    const std::vector<std::string>& variants = {""}) {
  CAPTURE(text);
  CHECK_THROWS_WITH_AS(read_measures(parsed(text), variants, {"alpha", "n"}, what), doctest::Contains(message.c_str()),
                       settings::Error);
}

/// Replicas whose every value is exp(noise_r(t)) / step, independent from step to step.
inline Sample noisy(std::size_t replicas, double scatter, std::uint64_t seed) {
  Sample s;
  s.observables = {{"excess_mse", "", ""}, {"risk", "", ""}};
  s.replicas = replicas;
  for (const double step : log_steps(1e4, 25)) s.steps.push_back(static_cast<std::uint64_t>(std::round(step)));
  s.steps.erase(std::unique(s.steps.begin(), s.steps.end()), s.steps.end());
  random::Stream stream(seed, 0);
  for (std::size_t o = 0; o < 2; ++o)
    for (const std::uint64_t step : s.steps) {
      std::vector<double> values;
      double sum = 0, squares = 0;
      for (std::size_t r = 0; r < replicas; ++r) {
        values.push_back((1 + scatter * stream.normal()) / std::max(1.0, static_cast<double>(step)));
        sum += values.back();
      }
      const double mean = sum / static_cast<double>(replicas);
      for (const double v : values) squares += (v - mean) * (v - mean);
      s.mean.push_back(mean);
      s.std.push_back(std::sqrt(squares / static_cast<double>(replicas - 1)));
      s.sem.push_back(s.std.back() / std::sqrt(static_cast<double>(replicas)));
      s.q05.push_back(0.5 * mean);
      s.q50.push_back(0.9 * mean);
      s.q95.push_back(2 * mean);
      s.values.push_back(std::move(values));
    }
  return s;
}

}  // namespace edgewise::validation::testing
