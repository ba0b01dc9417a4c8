#include "models/framework/prediction.hpp"

#include <doctest/doctest.h>

using namespace edgewise::models;

TEST_CASE("the rows of a recorded replica are found by the observable's name") {
  const std::vector<std::string> names{"risk", "sharpness"};
  RecordedReplica replica;
  replica.names = names;
  replica.steps = {0, 5};
  replica.rows = {{4, 3}, {1, 2}};
  const auto values = [&](std::string_view name) {
    const auto row = replica.values(name);
    return std::vector<double>(row.begin(), row.end());
  };
  CHECK(values("risk") == std::vector<double>{4, 3});
  CHECK(values("sharpness") == std::vector<double>{1, 2});
  CHECK(values("ris").empty());
  CHECK(values("").empty());
}

TEST_CASE("centres by name; a prediction claims nothing until it is given an interval") {
  CHECK(name(Centre::mean) == "mean");
  CHECK(name(Centre::median) == "median");
  const Prediction claim;
  CHECK(claim.low == -std::numeric_limits<double>::infinity());
  CHECK(claim.high == std::numeric_limits<double>::infinity());
}
