#include "settings/counted.hpp"

#include <doctest/doctest.h>

using edgewise::settings::counted;

TEST_CASE("one is told from several") {
  CHECK(counted(0, "cell") == "0 cells");
  CHECK(counted(1, "cell") == "1 cell");
  CHECK(counted(2, "replica") == "2 replicas");
}
