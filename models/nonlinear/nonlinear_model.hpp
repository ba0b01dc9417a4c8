#pragma once
/// \file
/// What the two models of nonlinear gradients share: reading an experiment, theory, simulation, stability, warnings.
#include <functional>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "models/nonlinear/problem.hpp"

namespace edgewise::models::nonlinear {

/// One class of methods (docs/theory/sign-and-clip.md, section 1).
struct NonlinearClass {
  settings::Description description;
  std::vector<settings::Description> methods;  ///< optimizers; their names are those of NonlinearProblem::method
  std::function<std::vector<ClosedForm>()> closed_forms;
};

/// Parameters of every method: learning_rate, gamma, learning_rate_rule, batch.
std::vector<settings::Parameter> rate_parameters();

class NonlinearModel final : public Model {
 public:
  explicit NonlinearModel(NonlinearClass the_class);
  const settings::Description& description() const override { return class_.description; }
  std::span<const std::string> sections() const override;
  std::span<const settings::Description* const> optimizers() const override { return methods_; }
  std::span<const Observable> observables() const override;
  std::vector<ClosedForm> closed_forms() const override { return class_.closed_forms(); }
  std::span<const settings::Parameter> theory_parameters() const override;
  std::span<const settings::Parameter> monte_carlo_parameters() const override;
  std::unique_ptr<Problem> build(const Experiment& experiment) const override;

 private:
  NonlinearClass class_;
  std::vector<const settings::Description*> methods_;
};

}  // namespace edgewise::models::nonlinear
