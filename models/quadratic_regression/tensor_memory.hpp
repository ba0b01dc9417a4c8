#pragma once
/// \file
/// Whether the curvature tensors of a simulation fit in memory: decided, stated and refused before any is allocated.
#include <optional>
#include <string>

#include "models/ingredients/memory.hpp"
#include "models/quadratic_regression/problem.hpp"

namespace edgewise::models::quadratic_regression {

struct TensorPlan {
  CurvatureTensor::Storage storage = CurvatureTensor::Storage::stored;
  double bytes = 0;        ///< of one replica's tensor, or two where a perturbed run is beside it
  unsigned at_a_time = 1;  ///< tensors alive at a time
  double limit = 0;        ///< bytes that they may take together
  /// "tensor stored: 1.1 MiB for each of 2 replicas at a time".
  std::string text() const;
};

/// Threads that run replicas at a time.
unsigned run_threads(const QuadraticProblem& problem);

/// \param available  what `memory_limit` defaults to 80% of; infinite when the machine does not say.
/// \throws std::invalid_argument when the tensors are to be stored and do not fit, with what would help.
TensorPlan plan_tensors(const QuadraticProblem& problem,
                        std::optional<double> available = ingredients::available_memory());

}  // namespace edgewise::models::quadratic_regression
