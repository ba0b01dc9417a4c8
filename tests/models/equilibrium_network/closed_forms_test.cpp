#include "tests/models/framework/closed_form_check.hpp"

using edgewise::models::testing::ClosedFormCheck;

namespace {
const ClosedFormCheck forms("equilibrium-network", ".*", 191);
}  // namespace

TEST_CASE("every closed form of equilibrium networks comes out") {
  forms.run(EDGEWISE_TEST_DATA);
}
