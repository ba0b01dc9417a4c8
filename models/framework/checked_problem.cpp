// Built at -O1: nothing here takes time.
#include "models/framework/checked_problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "models/framework/rate_objective.hpp"
#include "models/framework/scaling_law.hpp"
#include "numerics/whole.hpp"
#include "settings/failure.hpp"

namespace edgewise::models {

namespace {

class Checked final : public Problem {
 public:
  Checked(std::unique_ptr<Problem> problem, const settings::Table& experiment, bool scaled)
      : problem_(std::move(problem)),
        origin_(experiment.origin(), ""),
        scaled_(scaled),
        out_of_memory_(out_of_memory(experiment)) {}

  Trajectory solve() const override {
    return named([&] { return warned(up_to_overflow(problem_->solve())); });
  }
  Trajectory reference() const override {
    return named([&] { return warned(up_to_overflow(problem_->reference())); });
  }
  std::vector<Prediction> predictions() const override {
    return named([&] { return problem_->predictions(); });
  }
  std::unique_ptr<Simulation> simulate() const override {
    return named([&] { return problem_->simulate(); });
  }
  std::vector<Finding> stability() const override {
    return named([&] { return problem_->stability(); });
  }
  std::vector<ModeColumn> mode_table() const override {
    return named([&] { return problem_->mode_table(); });
  }
  std::unique_ptr<RateObjective> rate_objective(const std::string& observable) const override {
    return named([&] { return problem_->rate_objective(observable); });
  }
  std::unique_ptr<ScalingLaw> scaling_law() const override {
    return named([&] { return problem_->scaling_law(); });
  }
  std::vector<std::string> warnings() const override {
    return named([&] { return problem_->warnings(); });
  }

 private:
  Trajectory warned(Trajectory trajectory) const {
    if (scaled_)
      trajectory.warnings.push_back(
          "coefficients of the theory are scaled by the keys theory.scale_*: this is not the theory");
    return trajectory;
  }
  /// Errors that do not name the experiment yet do.
  template <class Work>
  auto named(const Work& work) const -> decltype(work()) {
    try {
      return work();
    } catch (const settings::Error&) {
      throw;
    } catch (const std::bad_alloc&) {
      throw origin_.error("", out_of_memory_);
    } catch (const std::exception& error) {
      throw origin_.error("", settings::said_by(error));
    }
  }
  std::unique_ptr<Problem> problem_;
  settings::Table origin_;
  bool scaled_;
  std::string out_of_memory_;
};

/// Adds the whole numbers of the table and of those in it, seeds left out, by their paths.
void add_sizes(const settings::Table& table, std::vector<std::pair<double, std::string>>& out) {
  constexpr double least = 1000;
  for (const std::string& key : table.keys()) {
    const std::string path = table.path().empty() ? key : table.path() + "." + key;
    if (const settings::Value* value = table.find(key)) {
      const auto* integer = std::get_if<std::int64_t>(value);
      const auto* number = std::get_if<double>(value);
      const double size = integer ? static_cast<double>(*integer) : number ? *number : 0;
      if (size >= least && numerics::is_whole(size) && !key.ends_with("seed")) out.emplace_back(size, path);
    } else if (const settings::Table* section = table.table(key)) {
      add_sizes(*section, out);
    }
  }
}

}  // namespace

std::string out_of_memory(const settings::Table& experiment) {
  std::vector<std::pair<double, std::string>> sizes;
  add_sizes(experiment, sizes);
  std::ranges::stable_sort(sizes, std::greater{}, &std::pair<double, std::string>::first);
  constexpr std::size_t named = 3;
  if (sizes.size() > named) sizes.resize(named);
  std::string out = "needs more memory than there is";
  for (const auto& [size, path] : sizes)
    out += (&path == &sizes.front().second ? "; its largest numbers are " : ", ") + path + " = " +
           fmt::format("{:.15g}", size);
  return out;
}

Trajectory up_to_overflow(Trajectory trajectory) {
  std::size_t end = trajectory.steps.size();
  if (end == 0 && trajectory.diverged_at)
    throw std::runtime_error("the theory diverges at its start: the parameters are out of range");
  for (const Column& column : trajectory.columns) {
    // Others than the first, which says what is solved for, may begin later.
    if (&column == &trajectory.columns.front() && !column.value.empty() && std::isnan(column.value.front()))
      throw std::runtime_error("the theory's " + column.observable.name +
                               " is not a number at the start: the parameters are out of range");
    if (end > 0 && !column.value.empty() && std::isinf(column.value.front()))
      throw std::runtime_error("the theory's " + column.observable.name +
                               " overflows at the start: the parameters are out of range");
    bool number = false;
    for (std::size_t k = 0; k < std::min(end, column.value.size()); ++k) {
      const double value = column.value[k];
      // What is not claimed yet may have no value; an infinite one has overflowed all the same.
      const bool undefined =
          std::isnan(value) && &column != &trajectory.columns.front() && trajectory.steps[k] < column.valid_from;
      if (number && !std::isfinite(value) && !undefined) end = k;
      number = number || std::isfinite(value);
    }
  }
  if (end < trajectory.steps.size()) {
    trajectory.diverged_at = std::min(trajectory.diverged_at.value_or(trajectory.steps[end]), trajectory.steps[end]);
    trajectory.steps.resize(end);
  }
  for (Column& column : trajectory.columns) {
    if (column.value.size() > end) column.value.resize(end);
    if (column.std.size() > end) column.std.resize(end);
    for (double& std : column.std)
      if (std::isnan(std)) std = std::numeric_limits<double>::infinity();
  }
  return trajectory;
}

std::unique_ptr<Problem> checked(std::unique_ptr<Problem> problem, const settings::Table& experiment, bool scaled) {
  return std::make_unique<Checked>(std::move(problem), experiment, scaled);
}

}  // namespace edgewise::models
