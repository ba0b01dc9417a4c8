#include "tests/models/framework/closed_form_check.hpp"

using edgewise::models::testing::ClosedFormCheck;

namespace {
const ClosedFormCheck forms("self-stabilisation", ".*", 243);
}  // namespace

TEST_CASE("every closed form of self-stabilization comes out") {
  forms.run(EDGEWISE_TEST_DATA);
}
