#include "tests/models/framework/closed_form_check.hpp"

using edgewise::models::testing::ClosedFormCheck;

namespace {
const ClosedFormCheck forms("sum-of-powers", ".*", 15);
}  // namespace

TEST_CASE("every closed form of sums of powers comes out") {
  forms.run(EDGEWISE_TEST_DATA);
}
