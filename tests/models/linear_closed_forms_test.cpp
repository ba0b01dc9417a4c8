#include "models/linear_methods/closed_forms.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

using namespace edgewise::models;

TEST_CASE("every closed form of the linear family comes out") {
  std::set<std::string> names;
  for (const ClosedForm& form : linear_closed_forms()) {
    CAPTURE(form.name);
    CHECK(names.insert(form.name).second);
    const auto result = form.evaluate();
    const double value = result.first, computed = result.second;
    const double error = std::abs(computed - value) / (value == 0 ? 1 : std::abs(value));
    CAPTURE(value);
    CAPTURE(computed);
    CHECK(error <= form.tolerance);
  }
}
