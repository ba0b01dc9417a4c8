#include "tests/models/framework/closed_form_check.hpp"

using edgewise::models::testing::ClosedFormCheck;

namespace {
const ClosedFormCheck forms("mini-batch-cdat", ".*", 46);
}  // namespace

TEST_CASE("every closed form of CDAT on mini-batches comes out") {
  forms.run(EDGEWISE_TEST_DATA);
}
