#pragma once
/// \file
/// Computes the cells of a sweep on threads, and on other processes where there are any; keeps each as it finishes.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "validation/sweeps/sweep.hpp"
#include "validation/sweeps/sweep_store.hpp"

namespace edgewise::validation {

/// Threads that take cells from one queue. A cell's result depends on nothing but the cell.
class SweepPool {
 public:
  /// \param threads  0: all cores
  SweepPool(const Sweep& sweep, unsigned threads);
  /// Drops what is waiting and waits for what is running.
  ~SweepPool();
  SweepPool(const SweepPool&) = delete;
  SweepPool& operator=(const SweepPool&) = delete;

  std::size_t threads() const;
  void give(const std::vector<std::size_t>& cells);
  /// Drops the cells that are waiting, and those that are running as far as they can be given up.
  void stop();
  /// What has finished since the last call; waits for something up to `patience`.
  std::vector<FinishedCell> take(std::chrono::milliseconds patience);
  /// How many cells it could use: one for every idle thread, and a few more where cells are short.
  std::size_t wanted() const;
  /// True when every cell given has been taken or dropped.
  bool idle() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Other processes that compute cells of the same sweep.
class SweepPeers {
 public:
  virtual ~SweepPeers() = default;
  /// Never waits. Hands out cells from `next`, which gives at most so many, to whoever asks, and returns what has
  /// come back.
  virtual std::vector<FinishedCell> exchange(const std::function<std::vector<std::size_t>(std::size_t)>& next) = 0;
  /// Cells that were handed out and are not back.
  virtual std::size_t outstanding() const = 0;
  /// Asks everybody to drop what they have not begun; never waits.
  virtual void stop() = 0;
};

struct SweepRunOptions {
  unsigned threads = 0;                            ///< 0: all cores
  std::function<void(std::size_t)> progress = {};  ///< called now and then with the cells done so far
  const std::atomic<bool>* stop = nullptr;         ///< when it becomes true, the run ends soon
  SweepPeers* peers = nullptr;
  /// Called now and then once stopped, with the cells done, all of them in the store: cells may still run that cannot be
  /// stopped, and it may end the program without waiting for them.
  std::function<void(std::size_t)> give_up = {};
};

/// Computes these cells and keeps each in the store within a few hundredths of a second.
/// \param table  gets the results as well
/// \returns how many were computed; fewer than asked when stopped. \throws settings::Error of the store.
std::size_t run_sweep(const Sweep& sweep, SweepStore& store, const std::vector<std::size_t>& cells, SweepTable& table,
                      const SweepRunOptions& options);

}  // namespace edgewise::validation
