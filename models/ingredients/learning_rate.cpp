// Built at -O1: nothing here takes time.
#include "models/ingredients/learning_rate.hpp"

namespace edgewise::models::ingredients {

double read_learning_rate(const settings::Values& values, double trace) {
  const bool gamma = values.given("gamma"), rate = values.given("learning_rate");
  if (gamma && rate) throw values.error("learning_rate", "give either learning_rate or gamma (= learning_rate * tr K)");
  if (!gamma && !rate)
    throw values.error("learning_rate", "is required (a number), unless gamma (= learning_rate * tr K) is given");
  return gamma ? values.number("gamma") / trace : values.number("learning_rate");
}

}  // namespace edgewise::models::ingredients
