#include "models/framework/checked_problem.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

namespace edgewise::models {

namespace {

class Checked final : public Problem {
 public:
  Checked(std::unique_ptr<Problem> problem, const settings::Table& experiment)
      : problem_(std::move(problem)), origin_(experiment.origin(), "") {}

  Trajectory solve() const override { return checked(problem_->solve()); }
  Trajectory reference() const override { return checked(problem_->reference()); }
  std::vector<Prediction> predictions() const override { return problem_->predictions(); }
  std::unique_ptr<Simulation> simulate() const override { return problem_->simulate(); }
  std::vector<Finding> stability() const override { return problem_->stability(); }
  std::vector<ModeColumn> mode_table() const override { return problem_->mode_table(); }
  std::vector<std::string> warnings() const override { return problem_->warnings(); }

 private:
  Trajectory checked(Trajectory trajectory) const {
    try {
      return up_to_overflow(std::move(trajectory));
    } catch (const std::runtime_error& error) {
      throw origin_.error("", error.what());
    }
  }
  std::unique_ptr<Problem> problem_;
  settings::Table origin_;
};

}  // namespace

Trajectory up_to_overflow(Trajectory trajectory) {
  std::size_t end = trajectory.steps.size();
  bool any = trajectory.columns.empty() || end == 0;
  for (const Column& column : trajectory.columns) {
    // An exponent needs a step before it.
    const bool begins_later = column.observable.name.ends_with("_exponent");
    bool number = false;
    for (std::size_t k = 0; k < std::min(end, column.value.size()); ++k) {
      const double value = column.value[k];
      if (k == 0 && std::isnan(value) && !begins_later)
        throw std::runtime_error("the theory's " + column.observable.name +
                                 " is not a number at the start: the parameters are out of range");
      if (number && !std::isfinite(value)) end = k;
      number = number || std::isfinite(value);
    }
    any = any || number;
  }
  if (!any) throw std::runtime_error("the theory overflows at the start: the parameters are out of range");
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

std::unique_ptr<Problem> checked(std::unique_ptr<Problem> problem, const settings::Table& experiment) {
  return std::make_unique<Checked>(std::move(problem), experiment);
}

}  // namespace edgewise::models
