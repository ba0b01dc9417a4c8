#include "tests/models/framework/closed_form_check.hpp"

using edgewise::models::testing::ClosedFormCheck;

namespace {
const ClosedFormCheck forms("quadratic-regression", ".*", 120);
}  // namespace

TEST_CASE("every closed form of quadratic regression comes out") {
  forms.run(EDGEWISE_TEST_DATA);
}
