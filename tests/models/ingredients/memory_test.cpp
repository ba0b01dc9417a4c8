#include "models/ingredients/memory.hpp"

#include <doctest/doctest.h>

using namespace edgewise::models::ingredients;

TEST_CASE("memory in the unit of its size") {
  CHECK(memory_text(512) == "0.5 KiB");
  CHECK(memory_text(1536) == "1.5 KiB");
  CHECK(memory_text(3.5 * 1048576) == "3.5 MiB");
  CHECK(memory_text(2.25 * 1073741824) == "2.25 GiB");
  CHECK(memory_text(17.0 * 1073741824) == "17 GiB");
}

TEST_CASE("the memory of the machine is some") {
  CHECK(available_memory().value_or(1) > 0);
}
