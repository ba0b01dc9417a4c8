#include "tests/models/framework/closed_form_check.hpp"

using edgewise::models::testing::ClosedFormCheck;

namespace {
const ClosedFormCheck residual("residual-sgd", "(?!.*/custom-).*", 85);
const ClosedFormCheck custom("residual-sgd", ".*/custom-.*", 19);
const ClosedFormCheck sign("sign-sgd", ".*", 70);
}  // namespace

TEST_CASE("every closed form of the step rules of class I comes out") {
  residual.run(EDGEWISE_TEST_DATA);
}

TEST_CASE("every closed form of a nonlinearity of one's own comes out") {
  custom.run(EDGEWISE_TEST_DATA);
}

TEST_CASE("every closed form of sign SGD comes out") {
  sign.run(EDGEWISE_TEST_DATA);
}
