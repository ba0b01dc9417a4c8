// Built at -O1: nothing here takes time.
#include "validation/sweeps/sweep_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "validation/sweeps/sqlite.hpp"
#include "validation/sweeps/sweep_changes.hpp"
#include "validation/sweeps/sweep_file.hpp"

namespace edgewise::validation {

using settings::Error;
namespace fs = std::filesystem;

namespace {

/// Marks the database file as a store ("edgw"), and which layout its tables have.
constexpr std::int64_t application_id = 0x65646777;
constexpr int layout = 1;

std::string quoted(const std::string& name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

/// Two sweeps on one store would compute everything twice; the second one is told.
class Lock {
 public:
  Lock(const std::string& store, double patience) : path_(store + "-lock") {
    const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(patience);
    for (;;) {
      file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
      if (file_ < 0) throw Error(fmt::format("{}: cannot be written: {}", store, std::strerror(errno)));
      if (::flock(file_, LOCK_EX | LOCK_NB) == 0) {
        // Whoever held it before may have removed the file meanwhile; then the lock is on nothing.
        struct stat here {
        }, there{};
        if (::fstat(file_, &here) == 0 && ::stat(path_.c_str(), &there) == 0 && here.st_ino == there.st_ino) return;
      } else if (errno != EWOULDBLOCK && errno != EINTR) {
        return;  // a file system without locks
      } else if (std::chrono::steady_clock::now() >= until) {
        ::close(file_);
        throw Error(
            fmt::format("{}: another sweep is working on it; wait for it, or use another store (--store)", store));
      }
      ::close(file_);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  ~Lock() {
    ::unlink(path_.c_str());
    ::close(file_);
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  std::string path_;
  int file_ = -1;
};

void put_meta(Database& database, const std::string& name, const std::string& value) {
  Statement statement(database, "INSERT OR REPLACE INTO meta VALUES (?, ?)");
  statement.bind(0, name);
  statement.bind(1, value);
  statement.step();
}

std::string meta(Database& database, const std::string& name) {
  return database.text("SELECT value FROM meta WHERE name = '" + name + "'");
}

void check_layout(Database& database) {
  if (database.integer("PRAGMA application_id") != application_id)
    throw Error(fmt::format("{}: is not a store of a sweep, and is left alone", database.path()));
  const std::int64_t found = database.integer("PRAGMA user_version");
  if (found != layout)
    throw Error(fmt::format("{}: is a store of another version of edgewise (layout {}, this one reads {})",
                            database.path(), found, layout));
}

std::vector<MeasureInfo> read_infos(Database& database) {
  std::vector<MeasureInfo> out;
  Statement statement(database, "SELECT name, unit, doc FROM measures ORDER BY position");
  while (statement.step()) out.push_back({statement.text(0), statement.text(1), statement.text(2)});
  return out;
}

bool same_names(const std::vector<MeasureInfo>& a, const std::vector<MeasureInfo>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].name != b[i].name) return false;
  return true;
}

/// Fills the cells that are in the store.
void read_cells(Database& database, SweepTable& table) {
  std::string sql = "SELECT cell, state, label, reason, seconds";
  for (const MeasureInfo& info : table.measures) sql += ", " + quoted(info.name);
  Statement statement(database, sql + " FROM cells");
  while (statement.step()) {
    const auto cell = static_cast<std::size_t>(statement.integer(0));
    if (cell >= table.cells.size())
      throw Error(fmt::format("{}: is damaged: cell {} is not in the grid", database.path(), cell));
    CellResult& result = table.cells[cell];
    const std::string state = statement.text(1);
    if (state != "failed" && state != "finished")
      throw Error(fmt::format("{}: is damaged: cell {} is neither finished nor failed", database.path(), cell));
    result.state = state == "failed" ? CellState::failed : CellState::finished;
    result.label = statement.text(2);
    result.failure = statement.text(3);
    result.seconds = statement.number(4);
    result.measures.resize(table.measures.size());
    for (std::size_t m = 0; m < result.measures.size(); ++m)
      result.measures[m] = statement.number(static_cast<int>(5 + m));
  }
}

}  // namespace

struct SweepStore::Impl {
  std::string path;
  const Sweep& sweep;
  StoreOptions options;
  Lock lock;
  Database database;
  SweepTable table;
  std::unique_ptr<Statement> insert;

  Impl(const std::string& the_path, const Sweep& the_sweep, const StoreOptions& the_options)
      : path(the_path),
        sweep(the_sweep),
        options(the_options),
        lock(the_path, the_options.patience),
        database(the_path, Database::Mode::write, the_options.patience),
        table(the_sweep.table()) {
    const bool fresh = database.integer("SELECT count(*) FROM sqlite_master") == 0;
    if (!fresh) check_layout(database);
    try {
      database.execute("PRAGMA journal_mode = WAL");
      // In WAL mode a commit survives the death of the process; only a loss of power may undo the last ones.
      database.execute("PRAGMA synchronous = NORMAL");
      if (fresh || options.restart)
        create();
      else
        take_over();
      prepare();
    } catch (...) {
      if (fresh) remove_files();
      throw;
    }
  }

  /// A store that could not even be begun leaves nothing.
  void remove_files() const {
    std::error_code ignored;
    for (const char* ending : {"", "-wal", "-shm"}) fs::remove(path + ending, ignored);
  }

  void create() {
    const SweepPlan& plan = sweep.plan();
    Transaction transaction(database);
    database.execute(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {};", application_id, layout));
    database.execute(
        "DROP TABLE IF EXISTS cells; DROP TABLE IF EXISTS measures; DROP TABLE IF EXISTS meta;"
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
        "CREATE TABLE measures (position INTEGER PRIMARY KEY, name TEXT, unit TEXT, doc TEXT);");
    std::string columns = "cell INTEGER PRIMARY KEY, state TEXT NOT NULL";
    for (const SweepAxis& axis : table.axes)
      columns += ", " + quoted(axis.name) + (axis.words.empty() ? " REAL" : " TEXT");
    for (const MeasureInfo& info : table.measures) columns += ", " + quoted(info.name) + " REAL";
    database.execute("CREATE TABLE cells (" + columns + ", label TEXT, reason TEXT, seconds REAL, version TEXT)");
    put_meta(database, "definition", plan.definition.text());
    put_meta(database, "presentation", plan.presentation.text());
    put_meta(database, "files", text_of(plan.files));
    put_meta(database, "version", options.version);
    put_meta(database, "file", plan.file);
    Statement statement(database, "INSERT INTO measures VALUES (?, ?, ?, ?)");
    for (std::size_t m = 0; m < table.measures.size(); ++m) {
      statement.bind(0, static_cast<std::int64_t>(m));
      statement.bind(1, table.measures[m].name);
      statement.bind(2, table.measures[m].unit);
      statement.bind(3, table.measures[m].doc);
      statement.step();
      statement.reset();
    }
    transaction.commit();
  }

  void take_over() {
    const SweepPlan& plan = sweep.plan();
    const std::string before = meta(database, "definition");
    if (before != plan.definition.text()) refuse(changes(read_kept(before, path), plan.definition));
    const std::string files = meta(database, "files");
    if (files != text_of(plan.files)) refuse(file_changes(files, text_of(plan.files)));
    const bool measures_differ = !same_names(read_infos(database), table.measures);
    if (!measures_differ) read_cells(database, table);
    bool complete = !measures_differ;
    for (const CellResult& cell : table.cells) complete = complete && cell.state == CellState::finished;
    const std::string version = meta(database, "version");
    if (measures_differ && version == options.version) refuse("the measures that it keeps are others");
    if (measures_differ || (!complete && version != options.version))
      refuse(fmt::format("it was begun by {}, this is {}", version, options.version));
    if (meta(database, "presentation") != plan.presentation.text()) relabel();
  }

  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(
        fmt::format("{}: holds cells of another sweep: {}; use another store (--store FILE), or --restart to "
                    "discard what is there",
                    path, what));
  }

  /// Labels follow from measures, which the same definition leaves as they are.
  void relabel() {
    Transaction transaction(database);
    put_meta(database, "presentation", sweep.plan().presentation.text());
    Statement update(database, "UPDATE cells SET label = ? WHERE cell = ?");
    for (std::size_t i = 0; i < table.cells.size(); ++i) {
      CellResult& cell = table.cells[i];
      if (cell.state != CellState::finished) continue;
      cell.label = sweep.label(i, cell.measures);
      update.bind(0, cell.label);
      update.bind(1, static_cast<std::int64_t>(i));
      update.step();
      update.reset();
    }
    transaction.commit();
  }

  void prepare() {
    const std::size_t columns = 2 + table.axes.size() + table.measures.size() + 4;
    std::string sql = "INSERT OR REPLACE INTO cells VALUES (?";
    for (std::size_t i = 1; i < columns; ++i) sql += ", ?";
    insert = std::make_unique<Statement>(database, sql + ")");
  }

  void add(std::span<const FinishedCell> cells) {
    Transaction transaction(database);
    for (const auto& [index, result] : cells) {
      int at = 0;
      insert->reset();
      insert->bind(at++, static_cast<std::int64_t>(index));
      insert->bind(at++, std::string(result.state == CellState::failed ? "failed" : "finished"));
      const std::vector<std::size_t> place = table.place(index);
      for (std::size_t a = 0; a < place.size(); ++a) {
        const SweepAxis& axis = table.axes[a];
        if (axis.words.empty())
          insert->bind(at++, axis.numbers[place[a]]);
        else
          insert->bind(at++, axis.words[place[a]]);
      }
      for (const double x : result.measures) insert->bind(at++, x);
      insert->bind(at++, result.label);
      insert->bind(at++, result.failure);
      insert->bind(at++, result.seconds);
      insert->bind(at++, options.version);
      insert->step();
    }
    insert->reset();
    transaction.commit();
  }
};

SweepStore::SweepStore(const std::string& path, const Sweep& sweep, const StoreOptions& options) {
  std::error_code error;
  const fs::file_status there = fs::status(path, error);
  if (there.type() == fs::file_type::none) throw Error(fmt::format("{}: cannot be opened: {}", path, error.message()));
  if (fs::is_directory(there)) throw Error(fmt::format("{}: is a folder, not a store", path));
  if (fs::exists(there) && !fs::is_regular_file(there))
    throw Error(fmt::format("{}: is no regular file, so it cannot be a store", path));
  impl_ = std::make_unique<Impl>(path, sweep, options);
}
SweepStore::~SweepStore() = default;

const std::string& SweepStore::path() const {
  return impl_->path;
}

SweepTable SweepStore::table() const {
  return impl_->table;
}

void SweepStore::add(std::span<const FinishedCell> cells) {
  if (!cells.empty()) impl_->add(cells);
}

bool is_sweep_store(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return false;
  try {
    Database database(path, Database::Mode::read, 1);
    return database.integer("PRAGMA application_id") == application_id;
  } catch (const Error&) {
    return false;
  }
}

SweepTable read_sweep_store(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) throw Error(fmt::format("{}: no such file", path));
  constexpr double patience = 10;
  Database database(path, Database::Mode::read, patience);
  check_layout(database);
  SweepTable table =
      read_grid(read_kept(meta(database, "definition"), path), read_kept(meta(database, "presentation"), path));
  table.measures = read_infos(database);
  std::size_t cells = 1;
  for (const SweepAxis& axis : table.axes) cells *= axis.size();
  // Of a store that says it is large, much must be there.
  constexpr std::size_t always_read = 1'000'000, most_per_row = 1000;
  if (cells > always_read &&
      cells / most_per_row > static_cast<std::size_t>(database.integer("SELECT count(*) FROM cells")))
    throw Error(fmt::format("{}: of its {} cells too few are there to be read", path, cells));
  table.cells.resize(cells);
  read_cells(database, table);
  check_table(table, path);
  table.provenance = {{"file", meta(database, "file")},
                      {"sweep", meta(database, "presentation") + "\n" + meta(database, "definition")},
                      {"version", meta(database, "version")}};
  return table;
}

}  // namespace edgewise::validation
