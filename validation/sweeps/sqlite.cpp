// Built at -O1: nothing here takes time.
#include "validation/sweeps/sqlite.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "settings/settings.hpp"

namespace edgewise::validation {

using settings::Error;

namespace {

std::string uri(const std::string& path, bool immutable) {
  std::error_code ignored;
  std::string out = "file:";
  for (const char c : std::filesystem::absolute(path, ignored).string()) {
    if (c == '?' || c == '#' || c == '%')
      out += fmt::format("%{:02X}", static_cast<unsigned>(c));
    else
      out += c;
  }
  return out + (immutable ? "?immutable=1" : "");
}

}  // namespace

Database::Database(const std::string& path, Mode mode, double patience) : path_(path), patience_(patience) {
  const int flags = (mode == Mode::read ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_URI;
  std::error_code ignored;
  // Without a log nobody is writing: read as it is, with no files beside it, also in a folder that may not be written.
  const bool at_rest = mode == Mode::read && !std::filesystem::exists(path + "-wal", ignored);
  const int code = sqlite3_open_v2(uri(path, at_rest).c_str(), &handle_, flags, nullptr);
  try {
    check(code);
    check(sqlite3_busy_timeout(handle_, static_cast<int>(1000 * patience)));
    // The file may be anybody's: nothing in it is run, and no value in it is long.
    for (const auto& [option, value] : {std::pair{SQLITE_DBCONFIG_DEFENSIVE, 1},
                                        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
                                        {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
                                        {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0}})
      check(sqlite3_db_config(handle_, option, value, nullptr));
    constexpr int longest_value = 1 << 26;
    sqlite3_limit(handle_, SQLITE_LIMIT_LENGTH, longest_value);
    check(sqlite3_exec(handle_, "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0", nullptr, nullptr, nullptr));
  } catch (...) {
    sqlite3_close(handle_);
    throw;
  }
}

Database::~Database() {
  sqlite3_close(handle_);
}

void Database::check(int code) const {
  if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return;
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw Error(
          fmt::format("{}: is locked by another process, for more than {:g} s; end it, or use another store "
                      "(--store)",
                      path_, patience_));
    case SQLITE_FULL:
      throw Error(
          fmt::format("{}: cannot be written, the disk is full; what was finished before is kept: make room and "
                      "run the same command again",
                      path_));
    case SQLITE_IOERR:
      throw Error(
          fmt::format("{}: cannot be written or read; is the disk full, or a limit on the size of files reached? What "
                      "was finished before is kept",
                      path_));
    case SQLITE_READONLY:
      throw Error(fmt::format("{}: may not be written", path_));
    case SQLITE_CANTOPEN:
      throw Error(
          fmt::format("{}: cannot be opened or created; is there such a folder, and may it be written to?", path_));
    case SQLITE_NOTADB:
      throw Error(fmt::format("{}: is not a store of a sweep, and is left alone", path_));
    case SQLITE_CORRUPT:
      throw Error(fmt::format("{}: is damaged", path_));
    case SQLITE_NOMEM:
      throw Error(fmt::format("{}: there is not enough memory for it", path_));
    default:
      throw Error(fmt::format("{}: is damaged, or no store of this program (SQLite's number {})", path_, code));
  }
}

void Database::execute(const std::string& sql) {
  check(sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr));
}

std::string Database::text(const std::string& sql) {
  Statement statement(*this, sql);
  if (!statement.step()) throw Error(fmt::format("{}: is not a store of a sweep, or is damaged", path_));
  return statement.text(0);
}

std::int64_t Database::integer(const std::string& sql) {
  Statement statement(*this, sql);
  if (!statement.step()) throw Error(fmt::format("{}: is not a store of a sweep, or is damaged", path_));
  return statement.integer(0);
}

Statement::Statement(Database& database, const std::string& sql) : database_(database) {
  database_.check(sqlite3_prepare_v3(database.handle_, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &handle_, nullptr));
}
Statement::~Statement() {
  sqlite3_finalize(handle_);
}
void Statement::bind(int parameter, std::int64_t value) {
  database_.check(sqlite3_bind_int64(handle_, parameter + 1, value));
}
void Statement::bind(int parameter, double value) {
  database_.check(sqlite3_bind_double(handle_, parameter + 1, value));
}
void Statement::bind(int parameter, const std::string& value) {
  database_.check(
      sqlite3_bind_text(handle_, parameter + 1, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT));
}
bool Statement::step() {
  const int code = sqlite3_step(handle_);
  database_.check(code);
  return code == SQLITE_ROW;
}
void Statement::reset() {
  sqlite3_reset(handle_);
}
std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(handle_, column);
}
double Statement::number(int column) const {
  const int type = sqlite3_column_type(handle_, column);
  if (type == SQLITE_NULL) return std::numeric_limits<double>::quiet_NaN();
  if (type != SQLITE_FLOAT && type != SQLITE_INTEGER)
    throw Error(fmt::format("{}: is damaged: a text stands where a number must", database_.path()));
  return sqlite3_column_double(handle_, column);
}
std::string Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(handle_, column));
  return data ? std::string(data, static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))) : std::string();
}

Transaction::Transaction(Database& database) : database_(database) {
  // The write lock at once: a transaction that has read cannot wait for it.
  database_.execute("BEGIN IMMEDIATE");
}
Transaction::~Transaction() {
  if (!open_) return;
  try {
    database_.execute("ROLLBACK");
  } catch (const Error&) {
    // A full disk has rolled back already.
  }
}
void Transaction::commit() {
  database_.execute("COMMIT");
  open_ = false;
}

}  // namespace edgewise::validation
