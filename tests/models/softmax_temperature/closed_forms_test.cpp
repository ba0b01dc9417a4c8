#include "tests/models/framework/closed_form_check.hpp"

using edgewise::models::testing::ClosedFormCheck;

namespace {
const ClosedFormCheck forms("softmax-temperature", ".*", 74);
}  // namespace

TEST_CASE("every closed form of the softmax's temperature comes out") {
  forms.run(EDGEWISE_TEST_DATA);
}
