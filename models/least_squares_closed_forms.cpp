#include "models/least_squares_closed_forms.hpp"
namespace edgewise::models {
std::vector<ClosedForm> least_squares_closed_forms() {
  return {};
}
}  // namespace edgewise::models
