#include "tests/models/framework/closed_form_check.hpp"

using edgewise::models::testing::ClosedFormCheck;

namespace {
const ClosedFormCheck forms("quadratic-map", ".*", 138);
}  // namespace

TEST_CASE("every closed form of quadratic maps comes out") {
  forms.run(EDGEWISE_TEST_DATA);
}
