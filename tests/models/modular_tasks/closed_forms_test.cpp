#include "tests/models/framework/closed_form_check.hpp"

using edgewise::models::testing::ClosedFormCheck;

namespace {
const ClosedFormCheck forms("modular-tasks", ".*", 53);
}  // namespace

TEST_CASE("every closed form of modular tasks comes out") {
  forms.run(EDGEWISE_TEST_DATA);
}
