// Built at -O1: nothing here takes time.
#include "models/ingredients/learning_rate.hpp"

#include <fmt/format.h>

namespace edgewise::models::ingredients {

double read_learning_rate(const settings::Values& values, double trace, double max_gamma) {
  const bool gamma = values.given("gamma"), rate = values.given("learning_rate");
  if (gamma && rate) throw values.error("learning_rate", "give either learning_rate or gamma (= learning_rate * tr K)");
  if (!gamma && !rate)
    throw values.error("learning_rate", "is required (a number), unless gamma (= learning_rate * tr K) is given");
  const double eta = gamma ? values.number("gamma") / trace : values.number("learning_rate");
  if (eta * trace > max_gamma)
    throw values.error(gamma ? "gamma" : "learning_rate",
                       fmt::format("must be at most {:g}, where learning_rate * tr K is {:g}, got {:g}",
                                   gamma ? max_gamma : max_gamma / trace, max_gamma,
                                   values.number(gamma ? "gamma" : "learning_rate")));
  return eta;
}

}  // namespace edgewise::models::ingredients
