// What a problem needs against what there is.
#include "models/ingredients/memory.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>

using namespace edgewise::models::ingredients;

TEST_CASE("memory is told in its largest unit, and refused beyond what there is") {
  CHECK(memory_text(512) == "0.5 KiB");
  CHECK(memory_text(3.0 * 1024 * 1024) == "3 MiB");
  CHECK(memory_text(2.5 * 1024 * 1024 * 1024) == "2.5 GiB");
  const double gib = 1024.0 * 1024 * 1024;
  CHECK(too_much_memory(4 * gib, 1.5 * gib) == "4 GiB of memory, more than the 1.5 GiB there are");
  CHECK_FALSE(too_much_memory(gib, gib));
  CHECK_FALSE(too_much_memory(1e300, std::nullopt));
  CHECK(too_much_memory(1e30));  // whatever the machine
}

TEST_CASE("bytes of a number of GiB never overflow") {
  CHECK(bytes_of_gibibytes(1) == 1073741824);
  CHECK(bytes_of_gibibytes(0.5) == 536870912);
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  for (const double gib : {17179869184.0, 2e10, 1e12, 1e300}) CHECK(bytes_of_gibibytes(gib) == most);
  CHECK(bytes_of_gibibytes(17179869183.0) == 18446744072635809792ull);
}

TEST_CASE("what there is ends at the address space that is allowed") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_AS, &before) == 0);
  const auto free = available_memory();
  REQUIRE(free);
  // 64 MiB above what is taken.
  std::ifstream in("/proc/self/statm");
  rlim_t pages = 0;
  REQUIRE(static_cast<bool>(in >> pages));
  constexpr rlim_t more = 64 << 20;
  rlimit less = before;
  less.rlim_cur = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + more;
  if (before.rlim_cur != RLIM_INFINITY) less.rlim_cur = std::min(less.rlim_cur, before.rlim_cur);
  REQUIRE(::setrlimit(RLIMIT_AS, &less) == 0);
  const auto left = available_memory();
  REQUIRE(::setrlimit(RLIMIT_AS, &before) == 0);
  REQUIRE(left);
  CHECK(*left <= static_cast<double>(more));
  CHECK(*left >= 0);
}
