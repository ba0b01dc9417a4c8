#include "validation/sweeps/sqlite.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "settings/settings.hpp"

using namespace edgewise;
using namespace edgewise::validation;

namespace {

/// A folder of its own for every case.
struct Folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("edgewise-sqlite-test-" + std::to_string(::getpid()));
  Folder() {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string operator()(const std::string& name) const { return (path / name).string(); }
};

std::string complaint(const std::string& path, Database::Mode mode, const std::string& sql) {
  try {
    Database database(path, mode, 0);
    database.text(sql);
  } catch (const settings::Error& error) {
    return error.what();
  }
  return "none";
}

}  // namespace

TEST_CASE("what is written is read, in files of any name") {
  const Folder folder;
  const std::string path = folder("100% of #1, what?.db");
  const double least = std::numeric_limits<double>::denorm_min();
  {
    Database database(path, Database::Mode::write, 1);
    CHECK(database.path() == path);
    database.execute("CREATE TABLE t (i INTEGER, x REAL, s TEXT)");
    Statement insert(database, "INSERT INTO t VALUES (?, ?, ?)");
    insert.bind(0, std::int64_t{-7});
    insert.bind(1, least);
    insert.bind(2, std::string("it's \0 all", 10));
    CHECK_FALSE(insert.step());
    insert.reset();
    insert.bind(0, std::int64_t{1} << 62);
    insert.bind(1, std::nan(""));
    insert.bind(2, std::string());
    CHECK_FALSE(insert.step());
  }
  CHECK(std::filesystem::exists(path));
  Database database(path, Database::Mode::read, 1);
  Statement select(database, "SELECT i, x, s FROM t ORDER BY i");
  REQUIRE(select.step());
  CHECK(select.integer(0) == -7);
  CHECK(select.number(1) == least);
  CHECK(select.text(2) == std::string("it's \0 all", 10));
  REQUIRE(select.step());
  CHECK(select.integer(0) == std::int64_t{1} << 62);
  CHECK(std::isnan(select.number(1)));
  CHECK(select.text(2).empty());
  CHECK_THROWS_WITH_AS(select.number(2), doctest::Contains("a text stands where a number must"), settings::Error);
  CHECK_FALSE(select.step());
  CHECK(database.integer("SELECT count(*) FROM t") == 2);
  CHECK(database.text("SELECT s FROM t WHERE i = -7") == std::string("it's \0 all", 10));
  CHECK_THROWS_WITH_AS(database.integer("SELECT i FROM t WHERE i = 5"), doctest::Contains("is not a store"),
                       settings::Error);
  CHECK_THROWS_AS(database.execute("DELETE FROM t"), settings::Error);
}

TEST_CASE("a transaction is all or nothing") {
  const Folder folder;
  Database database(folder("t.db"), Database::Mode::write, 0);
  database.execute("CREATE TABLE t (i INTEGER)");
  {
    Transaction lost(database);
    database.execute("INSERT INTO t VALUES (1)");
  }
  CHECK(database.integer("SELECT count(*) FROM t") == 0);
  {
    Transaction kept(database);
    database.execute("INSERT INTO t VALUES (1)");
    kept.commit();
  }
  CHECK(database.integer("SELECT count(*) FROM t") == 1);
  // Somebody else's lock.
  Transaction held(database);
  Database other(folder("t.db"), Database::Mode::write, 0);
  CHECK_THROWS_WITH_AS(Transaction{other}, doctest::Contains("is locked by another process"), settings::Error);
}

TEST_CASE("what is no database says so, with its path") {
  const Folder folder;
  std::ofstream(folder("text.db")) << std::string(5000, 'x');
  CHECK(complaint(folder("text.db"), Database::Mode::read, "SELECT 1 FROM sqlite_master")
            .find("is not a store of a sweep") != std::string::npos);
  CHECK(complaint(folder("none.db"), Database::Mode::read, "SELECT 1").find("cannot be opened") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(folder("none.db")));
  CHECK(complaint(folder("no/such/folder.db"), Database::Mode::write, "SELECT 1")
            .starts_with(folder("no/such/folder.db") + ": "));
}

TEST_CASE("nothing that stands in a file is run: no views") {
  const Folder folder;
  {
    Database database(folder("v.db"), Database::Mode::write, 0);
    database.execute("CREATE TABLE t (i INTEGER); INSERT INTO t VALUES (3)");
    CHECK_THROWS_AS(database.execute("CREATE VIEW v AS SELECT i FROM t; SELECT * FROM v"), settings::Error);
  }
  CHECK(complaint(folder("v.db"), Database::Mode::read, "SELECT i FROM t") == "none");
  CHECK(complaint(folder("v.db"), Database::Mode::read, "SELECT i FROM v") != "none");
}
