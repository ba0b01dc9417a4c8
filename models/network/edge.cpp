#include "models/network/edge.hpp"

#include <cmath>
#include <stdexcept>

namespace edgewise::models::network {

double edge_ratio(double learning_rate, double lambda, double r, double along, double momentum) {
  return learning_rate * lambda * (1 + r * along) / (1 + momentum);
}

double edge_sharpness(double learning_rate, double r, double momentum) {
  if (!(learning_rate > 0) || !(r >= 0)) throw std::invalid_argument("an edge needs a positive rate and an r >= 0");
  const double reach = 2 * (1 + momentum) / learning_rate;
  return 2 * reach / (1 + std::sqrt(1 + 4 * r * reach));  // nothing cancels as r -> 0
}

}  // namespace edgewise::models::network
