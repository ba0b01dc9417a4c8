#include "tests/models/framework/closed_form_check.hpp"

using edgewise::models::testing::ClosedFormCheck;

namespace {
const ClosedFormCheck plain("least-squares", "least-squares/(?!(rate|schedule)/).*", 310);
const ClosedFormCheck linear("least-squares", "linear/.*|least-squares/schedule/.*", 276);
const ClosedFormCheck rates("least-squares", "least-squares/rate/(?!adagrad-norm-noiseless).*", 44);
const ClosedFormCheck late_rates("least-squares", "least-squares/rate/adagrad-norm-noiseless.*", 5);
}  // namespace

TEST_CASE("every closed form of SGD comes out") {
  plain.run(EDGEWISE_TEST_DATA);
}

TEST_CASE("every closed form of linear methods and of schedules comes out") {
  linear.run(EDGEWISE_TEST_DATA);
}

TEST_CASE("every closed form of rates that are rules comes out") {
  rates.run(EDGEWISE_TEST_DATA);
}

TEST_CASE("the closed forms of AdaGrad-Norm without noise, late, come out" * doctest::test_suite("slow")) {
  late_rates.run(EDGEWISE_TEST_DATA);
}
