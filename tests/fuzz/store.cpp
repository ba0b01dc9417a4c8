/// Stores of sweeps (SQLite): any bytes at all, or a store whose layout is right and whose contents are anything.
#include <fuzzer/FuzzedDataProvider.h>
#include <sqlite3.h>

#include <filesystem>
#include <string>
#include <vector>

#include "cli/commands/sweep_input.hpp"
#include "cli/results/sweep_output.hpp"
#include "tests/fuzz/reader.hpp"
#include "tests/temporary_folder.hpp"

using namespace edgewise;

namespace {

const char* const definition = R"(
[sweep]
do = "solve"
[[axis]]
key = "a.b"
values = [1.0, 2.0]
[[axis]]
key = "a.c"
values = ["x", "y"]
[experiment]
model = "m"
)";
const char* const presentation = R"(
title = "t"
[[label]]
name = "l"
when = "risk > 1"
)";

struct Database {
  explicit Database(const std::string& path) { sqlite3_open(path.c_str(), &handle); }
  ~Database() { sqlite3_close(handle); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  void execute(const std::string& sql) { sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr); }
  sqlite3* handle = nullptr;
};

/// A value of any type, as a literal of SQL.
std::string literal(FuzzedDataProvider& bytes) {
  const auto quoted = [](const std::string& text) {
    std::string out = "'";
    for (const char c : text)
      if (c == '\'')
        out += "''";
      else if (c != '\0')
        out += c;
    return out + "'";
  };
  switch (bytes.ConsumeIntegralInRange(0, 4)) {
    case 0:
      return std::to_string(bytes.ConsumeIntegralInRange(0, 4));
    case 1:
      return std::to_string(bytes.ConsumeIntegral<std::int64_t>());
    case 2:
      return "1.5e" + std::to_string(bytes.ConsumeIntegralInRange(-320, 320));
    case 3:
      return "NULL";
    default:
      return quoted(bytes.ConsumeRandomLengthString(300));
  }
}

void write(FuzzedDataProvider& bytes, const std::string& path) {
  Database database(path);
  const auto or_literal = [&](const std::string& usual) {
    return bytes.ConsumeIntegral<std::uint8_t>() < 200 ? "'" + usual + "'" : literal(bytes);
  };
  database.execute("PRAGMA synchronous = OFF; PRAGMA application_id = 1701078903;");
  database.execute("PRAGMA user_version = " + std::string(bytes.ConsumeIntegral<std::uint8_t>() < 250 ? "1" : "2"));
  database.execute(
      "CREATE TABLE meta (name TEXT PRIMARY KEY, value); CREATE TABLE measures (position, name, unit, doc);");
  database.execute("INSERT INTO meta VALUES ('definition', " + or_literal(definition) + ")");
  database.execute("INSERT INTO meta VALUES ('presentation', " + or_literal(presentation) + ")");
  for (const char* name : {"files", "version", "file"})
    if (bytes.ConsumeIntegral<std::uint8_t>() < 240)
      database.execute("INSERT INTO meta VALUES ('" + std::string(name) + "', " + or_literal("1") + ")");
  for (int count = bytes.ConsumeIntegralInRange(0, 2); count > 0; --count)
    database.execute("INSERT INTO measures VALUES (" + literal(bytes) + ", " + or_literal("risk") + ", " +
                     literal(bytes) + ", " + literal(bytes) + ")");
  database.execute("CREATE TABLE cells (cell, state, b, c, risk, label, reason, seconds, version)");
  for (int count = bytes.ConsumeIntegralInRange(0, 4); count > 0; --count) {
    std::string row = literal(bytes) + ", " + or_literal("finished");
    for (int column = 2; column < 9; ++column) row += ", " + literal(bytes);
    database.execute("INSERT INTO cells VALUES (" + row + ")");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const temporary::Folder folder;
  const std::string path = folder / "input.db";
  std::filesystem::remove(path);
  FuzzedDataProvider bytes(data, size);
  if (bytes.ConsumeIntegral<std::uint8_t>() < 64)
    folder.file("input.db", bytes.ConsumeRemainingBytesAsString());
  else
    write(bytes, path);
  fuzz::take_or_refuse("input.db", [&] {
    if (cli::is_sweep(path)) cli::sweep_csv_text(cli::read_sweep(path));
  });
  return 0;
}
