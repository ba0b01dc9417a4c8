#include "tests/models/framework/closed_form_check.hpp"

using edgewise::models::testing::ClosedFormCheck;

namespace {
const ClosedFormCheck forms("network", ".*", 358);
}  // namespace

TEST_CASE("every closed form of networks and of the single neuron comes out") {
  forms.run(EDGEWISE_TEST_DATA);
}
