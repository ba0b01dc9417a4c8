#include "tests/models/framework/closed_form_check.hpp"

using edgewise::models::testing::ClosedFormCheck;

namespace {
const ClosedFormCheck forms("finite-data", ".*", 52);
}  // namespace

TEST_CASE("every closed form of finite data comes out") {
  forms.run(EDGEWISE_TEST_DATA);
}
