#include "tests/models/framework/closed_form_check.hpp"

using edgewise::models::testing::ClosedFormCheck;

namespace {
const ClosedFormCheck forms("feature-alignment", ".*", 82);
}  // namespace

TEST_CASE("every closed form of feature alignment comes out") {
  forms.run(EDGEWISE_TEST_DATA);
}
