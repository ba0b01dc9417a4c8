#pragma once
/// \file
/// Where a sweep keeps its finished cells: an SQLite database in WAL mode, one row a cell.
///
/// Tables: `meta` (name, value), `measures` (position, name, unit, doc) and `cells` with the columns cell, state
/// ("finished" or "failed"), one per axis, one per measure, label, reason, seconds, version. Numbers keep every bit;
/// not-a-number is NULL. The process may be killed at any moment: what `add` has returned from is kept.
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "validation/sweeps/sweep.hpp"

namespace edgewise::validation {

struct FinishedCell {
  std::size_t cell = 0;
  CellResult result;
};

struct StoreOptions {
  bool restart = false;  ///< forget the cells that are there
  double patience = 10;  ///< seconds to wait for a lock of somebody else
  std::string version;   ///< of the program, kept with every cell
};

class SweepStore {
 public:
  /// Opens the store of this sweep, or creates it. A store whose sweep gives other numbers is refused, with what
  /// differs; one where only labels, boundaries or the title differ takes over the new ones, labels computed again from
  /// the measures that are kept.
  /// \throws settings::Error, one line, when that is so, or the file is no store, locked, full or unwritable.
  SweepStore(const std::string& path, const Sweep& sweep, const StoreOptions& options);
  ~SweepStore();
  SweepStore(const SweepStore&) = delete;
  SweepStore& operator=(const SweepStore&) = delete;

  const std::string& path() const;
  /// The grid with the cells that were there when the store was opened.
  SweepTable table() const;
  /// Keeps cells, all or none of them. \throws settings::Error when the disk is full or the store locked.
  void add(std::span<const FinishedCell> cells);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// True when the file is a store of a sweep. \throws nothing; false for a file that cannot be read.
bool is_sweep_store(const std::string& path);
/// Reads a store, finished or not, without changing it; it may be in use. \throws settings::Error.
SweepTable read_sweep_store(const std::string& path);

}  // namespace edgewise::validation
