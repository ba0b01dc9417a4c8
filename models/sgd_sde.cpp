#include "models/sgd_sde.hpp"
#include <stdexcept>
namespace edgewise::models {
SdeResult homogenized_sde(const LeastSquares&, const LeastSquaresTheory&) {
  throw std::invalid_argument("theory.method: sde");
}
}  // namespace edgewise::models
