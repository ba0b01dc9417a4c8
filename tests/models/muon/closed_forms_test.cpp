#include "tests/models/framework/closed_form_check.hpp"

using edgewise::models::testing::ClosedFormCheck;

namespace {
const ClosedFormCheck forms("matrix-least-squares", ".*", 114);
}  // namespace

TEST_CASE("every closed form of Muon and its kin comes out") {
  forms.run(EDGEWISE_TEST_DATA);
}
