#include "validation/sweeps/sweep_run.hpp"

#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

namespace edgewise::validation {

struct SweepPool::Impl {
  const Sweep& sweep;
  std::atomic<bool> stopped{false};
  // Within a cell there is one thread: cells are what is parallel.
  tbb::global_control one_thread{tbb::global_control::max_allowed_parallelism, 1};
  mutable std::mutex mutex;
  std::condition_variable work, news;
  std::deque<std::size_t> queue;
  std::vector<FinishedCell> finished;
  std::size_t running = 0, computed = 0;
  double seconds = 0;  // spent on `computed` cells
  bool closed = false;
  std::vector<std::thread> threads;

  explicit Impl(const Sweep& the_sweep) : sweep(the_sweep) {}

  void loop() {
    std::unique_lock lock(mutex);
    for (;;) {
      work.wait(lock, [&] { return closed || !queue.empty(); });
      if (closed) return;
      FinishedCell done{queue.front(), {}};
      queue.pop_front();
      ++running;
      lock.unlock();
      done.result = sweep.compute(done.cell, &stopped);
      lock.lock();
      --running;
      ++computed;
      seconds += done.result.seconds;
      if (done.result.state != CellState::pending) finished.push_back(std::move(done));
      news.notify_one();
    }
  }
};

SweepPool::SweepPool(const Sweep& sweep, unsigned threads) {
  const unsigned count =
      threads > 0 ? threads : static_cast<unsigned>(std::max(1, tbb::this_task_arena::max_concurrency()));
  impl_ = std::make_unique<Impl>(sweep);
  for (unsigned i = 0; i < count; ++i) impl_->threads.emplace_back([this] { impl_->loop(); });
}

SweepPool::~SweepPool() {
  stop();
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->closed = true;
  }
  impl_->work.notify_all();
  for (std::thread& thread : impl_->threads) thread.join();
}

std::size_t SweepPool::threads() const {
  return impl_->threads.size();
}

void SweepPool::give(const std::vector<std::size_t>& cells) {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->queue.insert(impl_->queue.end(), cells.begin(), cells.end());
  }
  impl_->work.notify_all();
}

void SweepPool::stop() {
  impl_->stopped = true;
  const std::lock_guard lock(impl_->mutex);
  impl_->queue.clear();
}

std::vector<FinishedCell> SweepPool::take(std::chrono::milliseconds patience) {
  std::unique_lock lock(impl_->mutex);
  impl_->news.wait_for(lock, patience, [&] { return !impl_->finished.empty(); });
  return std::exchange(impl_->finished, {});
}

std::size_t SweepPool::wanted() const {
  // Enough to last while somebody else is asked for more.
  constexpr double ahead_seconds = 0.02;
  constexpr double most_per_thread = 16;
  const std::lock_guard lock(impl_->mutex);
  const std::size_t threads = impl_->threads.size();
  std::size_t target = threads;
  if (impl_->computed > 0 && !impl_->stopped) {
    const double mean = impl_->seconds / static_cast<double>(impl_->computed);
    target += threads * static_cast<std::size_t>(std::min(most_per_thread, ahead_seconds / std::max(mean, 1e-9)));
  }
  const std::size_t there = impl_->running + impl_->queue.size();
  return target - std::min(target, there);
}

bool SweepPool::idle() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->queue.empty() && impl_->running == 0 && impl_->finished.empty();
}

std::size_t run_sweep(const Sweep& sweep, SweepStore& store, const std::vector<std::size_t>& cells, SweepTable& table,
                      const SweepRunOptions& options) {
  // Commits come at most this often, so that short cells share one; long ones are kept at once.
  constexpr std::chrono::milliseconds between(10);
  // How long to wait for a thread: others that ask for cells must not wait long.
  const std::chrono::milliseconds patience(options.peers ? 1 : 20);
  SweepPool pool(sweep, options.threads);
  std::size_t given = 0, done = 0;
  bool stopped = false;
  const auto next = [&](std::size_t most) {
    const std::size_t count = stopped ? 0 : std::min(most, cells.size() - given);
    const auto from = cells.begin() + static_cast<std::ptrdiff_t>(given);
    given += count;
    return std::vector<std::size_t>(from, from + static_cast<std::ptrdiff_t>(count));
  };
  std::vector<FinishedCell> finished;
  auto last = std::chrono::steady_clock::now() - between;
  for (;;) {
    if (options.stop && options.stop->load(std::memory_order_relaxed) && !stopped) {
      stopped = true;
      pool.stop();
      if (options.peers) options.peers->stop();
    }
    // With peers, only a little ahead of the threads, so that the rest stays free for them.
    pool.give(next(options.peers ? pool.wanted() : cells.size()));
    std::vector<FinishedCell> ours = pool.take(patience);
    std::move(ours.begin(), ours.end(), std::back_inserter(finished));
    if (options.peers) {
      std::vector<FinishedCell> theirs = options.peers->exchange(next);
      std::move(theirs.begin(), theirs.end(), std::back_inserter(finished));
    }
    const bool over =
        (given == cells.size() || stopped) && pool.idle() && (!options.peers || options.peers->outstanding() == 0);
    if (!finished.empty() && (over || std::chrono::steady_clock::now() - last >= between)) {
      store.add(finished);
      done += finished.size();
      for (FinishedCell& cell : finished) table.cells[cell.cell] = std::move(cell.result);
      finished.clear();
      last = std::chrono::steady_clock::now();
    }
    if (options.progress) options.progress(done);
    if (over) return done;
    if (stopped && finished.empty() && options.give_up) options.give_up(done);
    // Cells much shorter than this would wake the loop for each.
    if (!options.peers && !finished.empty()) std::this_thread::sleep_for(between / 2);
  }
}

}  // namespace edgewise::validation
