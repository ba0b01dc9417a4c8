#pragma once
/// \file
/// The little of SQLite that a store needs, with errors that say what to do.
#include <cstdint>
#include <optional>
#include <string>

struct sqlite3;
struct sqlite3_stmt;

namespace edgewise::validation {

class Statement;

/// An open database. \throws settings::Error from every member, with the path.
class Database {
 public:
  enum class Mode { read, write };
  /// \param patience  seconds to wait for somebody else's lock
  Database(const std::string& path, Mode mode, double patience);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void execute(const std::string& sql);
  /// First column of the first row. \throws settings::Error also when there is none.
  std::string text(const std::string& sql);
  std::int64_t integer(const std::string& sql);
  const std::string& path() const { return path_; }
  /// \throws settings::Error for the result code of an SQLite function, unless it is a success.
  void check(int code) const;

 private:
  friend class Statement;
  std::string path_;
  double patience_;
  sqlite3* handle_ = nullptr;
};

/// A prepared statement. Columns and parameters count from 0.
class Statement {
 public:
  Statement(Database& database, const std::string& sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  void bind(int parameter, std::int64_t value);
  void bind(int parameter, double value);  ///< NaN as NULL
  void bind(int parameter, const std::string& value);
  /// True when there is a row.
  bool step();
  /// Ready to be bound and stepped again.
  void reset();

  std::int64_t integer(int column) const;
  double number(int column) const;  ///< NULL as NaN
  std::string text(int column) const;

 private:
  Database& database_;
  sqlite3_stmt* handle_ = nullptr;
};

/// All or nothing: rolls back unless committed.
class Transaction {
 public:
  explicit Transaction(Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace edgewise::validation
