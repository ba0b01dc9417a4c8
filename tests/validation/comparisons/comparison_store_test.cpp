#include "validation/comparisons/comparison_store.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "settings/settings.hpp"
#include "tests/temporary_folder.hpp"
#include "validation/sweeps/sqlite.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using temporary::Folder;

TEST_CASE("a store gives back every part of a run, and the last of the same job") {
  const Folder folder;
  const std::string path = folder / "c.db";
  const double infinite = std::numeric_limits<double>::infinity();
  {
    ComparisonStore store(path);
    store.add("a", {1.5, 0.25, 0.125, true, false});
    store.add("b", {infinite, 5e-324, 1.0 / 3, false, true});
    store.add("c", {1, 2, 3, true, true});
    store.add("c", {4, 5, 6, false, false});
    CHECK_FALSE(store.find("d"));
  }
  const ComparisonStore again(path);
  const auto check = [&](const char* job, const ComparedRun& expected) {
    CAPTURE(job);
    const auto found = again.find(job);
    REQUIRE(found);
    CHECK(found->value == expected.value);
    CHECK(found->error == expected.error);
    CHECK(found->rate == expected.rate);
    CHECK(found->trusted == expected.trusted);
    CHECK(found->on_edge == expected.on_edge);
  };
  check("a", {1.5, 0.25, 0.125, true, false});
  check("b", {infinite, 5e-324, 1.0 / 3, false, true});
  check("c", {4, 5, 6, false, false});
}

TEST_CASE("a restart forgets; another program's database is left alone") {
  const Folder folder;
  const std::string path = folder / "c.db";
  ComparisonStore(path).add("a", {1, 0, 0});
  CHECK(ComparisonStore(path, false).find("a"));
  CHECK_FALSE(ComparisonStore(path, true).find("a"));
  CHECK_FALSE(ComparisonStore(path).find("a"));
  const std::string other = folder / "other.db";
  Database(other, Database::Mode::write, 1).execute("CREATE TABLE runs (x)");
  for (const bool restart : {false, true})
    CHECK_THROWS_WITH_AS(ComparisonStore(other, restart),
                         (other + ": is not a store of a comparison, and is left alone").c_str(), settings::Error);
}
