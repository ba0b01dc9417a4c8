#include "tests/models/framework/closed_form_check.hpp"

using edgewise::models::testing::ClosedFormCheck;

namespace {
const ClosedFormCheck forms("kernel-regression", ".*", 141);
}  // namespace

TEST_CASE("every closed form of kernel regression comes out") {
  forms.run(EDGEWISE_TEST_DATA);
}
