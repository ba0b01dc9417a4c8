#pragma once
/// \file
/// What the steppers of this folder need in order to be Boost.Odeint steppers, without including Boost.
#include <type_traits>

namespace boost::numeric::odeint {
struct error_stepper_tag;
struct controlled_stepper_tag;
struct dense_output_stepper_tag;
}  // namespace boost::numeric::odeint

namespace edgewise::solvers {

/// Outcome of a trial step; converts to Odeint's `controlled_step_result` (success = 0, fail = 1).
struct StepResult {
  bool accepted;
  template <class Enum>
  requires std::is_enum_v<Enum>
  operator Enum() const { return static_cast<Enum>(accepted ? 0 : 1); }
  template <class Enum>
  requires std::is_enum_v<Enum>
  friend bool operator==(StepResult result, Enum value) { return static_cast<Enum>(result) == value; }
};

}  // namespace edgewise::solvers
