// Built at -O1: nothing here takes time.
#include "validation/comparisons/comparison_store.hpp"

#include <fmt/format.h>

#include <limits>

#include "settings/settings.hpp"
#include "validation/sweeps/sqlite.hpp"

namespace edgewise::validation {

namespace {

/// Marks the file as a store of a comparison ("edgc").
constexpr std::int64_t comparison_id = 0x65646763;
constexpr double seconds_to_wait = 10;

std::int64_t bits(const ComparedRun& run) {
  return (run.trusted ? 1 : 0) + (run.on_edge ? 2 : 0);
}

}  // namespace

struct ComparisonStore::Impl {
  mutable Database database;
  explicit Impl(const std::string& path, bool restart) : database(path, Database::Mode::write, seconds_to_wait) {
    const std::int64_t id = database.integer("PRAGMA application_id");
    const bool empty = database.integer("SELECT COUNT(*) FROM sqlite_master") == 0;
    if (id != comparison_id && !empty)
      throw settings::Error(fmt::format("{}: is not a store of a comparison, and is left alone", path));
    if (empty) {
      database.execute("PRAGMA journal_mode = WAL");
      database.execute(fmt::format("PRAGMA application_id = {}", comparison_id));
      database.execute(
          "CREATE TABLE runs (job TEXT PRIMARY KEY, value REAL, error REAL, rate REAL, flags INTEGER) WITHOUT ROWID");
    }
    if (restart) database.execute("DELETE FROM runs");
  }
};

ComparisonStore::ComparisonStore(const std::string& path, bool restart)
    : impl_(std::make_unique<Impl>(path, restart)) {}
ComparisonStore::~ComparisonStore() = default;

std::optional<ComparedRun> ComparisonStore::find(const std::string& job) const {
  Statement statement(impl_->database, "SELECT value, error, rate, flags FROM runs WHERE job = ?");
  statement.bind(0, job);
  if (!statement.step()) return std::nullopt;
  const std::int64_t flags = statement.integer(3);
  return ComparedRun{statement.number(0), statement.number(1), statement.number(2), (flags & 1) != 0, (flags & 2) != 0};
}

void ComparisonStore::add(const std::string& job, const ComparedRun& run) {
  Statement statement(impl_->database, "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?)");
  statement.bind(0, job);
  statement.bind(1, run.value);
  statement.bind(2, run.error);
  statement.bind(3, run.rate);
  statement.bind(4, bits(run));
  statement.step();
}

}  // namespace edgewise::validation
