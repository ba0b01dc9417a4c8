#pragma once
/// When a stepper reads its system again.
#include <doctest/doctest.h>

#include "systems.hpp"

namespace edgewise::solvers::test {

/// `stepper`, which has stepped through a system of two modes with tolerance 1e-8, steps as a new one does through another
/// system of as many modes, and through that one changed after a reset.
template <class DenseOutput>
void check_rereads(DenseOutput& stepper) {
  LeastSquares other({1.0, 0.3}, {0.2, 0.1}, 0.5);
  const auto steps_alike = [&] {
    DenseOutput anew({1e-8});
    for (DenseOutput* each : {&stepper, &anew}) {
      each->initialize({4, 1}, 7, 0.1);
      each->do_step(other);
    }
    CHECK(stepper.current_state() == anew.current_state());
    CHECK(stepper.current_shared()[0] == anew.current_shared()[0]);
  };
  steps_alike();
  other.A = {0.6, 0.9};
  other.b = {0.1, 0.4};
  stepper.reset();
  steps_alike();
}

}  // namespace edgewise::solvers::test
