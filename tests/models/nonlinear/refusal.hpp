#pragma once
/// What the simulation of a nonlinear problem says when it refuses it.
#include <memory>
#include <stdexcept>
#include <string>

#include "models/nonlinear/simulation.hpp"

namespace edgewise::models::testing {

inline std::string refusal(const nonlinear::NonlinearProblem& problem, const std::string& sampler = "auto") {
  try {
    nonlinear::simulate_nonlinear(std::make_shared<nonlinear::NonlinearProblem>(problem), sampler);
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "nothing thrown";
}

}  // namespace edgewise::models::testing
