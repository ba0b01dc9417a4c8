#include "validation/sweeps/sweep_run.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <thread>

#include "tests/validation/sweeps/sweep_support.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using namespace edgewise::validation::testing;

namespace {

const StoreOptions now{false, 1, "edgewise 1"};

std::vector<std::size_t> all(const Sweep& sweep) {
  std::vector<std::size_t> out(sweep.cells());
  std::iota(out.begin(), out.end(), std::size_t{0});
  return out;
}

bool same(const SweepTable& a, const SweepTable& b) {
  return std::equal(a.cells.begin(), a.cells.end(), b.cells.begin(), b.cells.end(),
                    [](const CellResult& x, const CellResult& y) {
                      return x.state == y.state && x.label == y.label && x.failure == y.failure &&
                             std::equal(x.measures.begin(), x.measures.end(), y.measures.begin(), y.measures.end(),
                                        [](double p, double q) {
                                          return std::bit_cast<std::uint64_t>(p) == std::bit_cast<std::uint64_t>(q);
                                        });
                    });
}

/// Others that are slow, and one of which goes away with its cells.
class Elsewhere final : public SweepPeers {
 public:
  Elsewhere(const Sweep& sweep, bool loses) : sweep_(sweep), loses_(loses) {}
  std::vector<FinishedCell> exchange(const std::function<std::vector<std::size_t>(std::size_t)>& next) override {
    std::vector<FinishedCell> out;
    for (const std::size_t cell : held_)
      if (!loses_) out.push_back({cell, sweep_.compute(cell)});
    held_ = next(2);
    taken += held_.size();
    return out;
  }
  std::size_t outstanding() const override { return loses_ ? 0 : held_.size(); }
  void stop() override { stopped = true; }
  std::size_t taken = 0;
  bool stopped = false;

 private:
  const Sweep& sweep_;
  bool loses_;
  std::vector<std::size_t> held_;
};

}  // namespace

TEST_CASE("the same bits for any number of threads, with others or without; the store has what the table has" *
          doctest::test_suite("threads")) {
  const Folder folder;
  const Sweep sweep = sweep_of(small_sweep);
  SweepTable alone = sweep.table();
  for (std::size_t i = 0; i < sweep.cells(); ++i) alone.cells[i] = sweep.compute(i);
  for (const unsigned threads : {1U, 2U, 5U})
    for (const bool peers : {false, true}) {
      CAPTURE(threads);
      CAPTURE(peers);
      const std::string path = folder / ("s" + std::to_string(threads) + (peers ? "p" : "") + ".db");
      Elsewhere elsewhere(sweep, false);
      SweepTable table = sweep.table();
      std::size_t last = 0;
      {
        SweepStore store(path, sweep, now);
        SweepRunOptions options;
        options.threads = threads;
        options.peers = peers ? &elsewhere : nullptr;
        options.progress = [&](std::size_t done) {
          CHECK(done >= last);
          last = done;
        };
        CHECK(run_sweep(sweep, store, all(sweep), table, options) == sweep.cells());
      }
      CHECK(last == sweep.cells());
      CHECK(same(table, alone));
      CHECK(same(read_sweep_store(path), alone));
      if (peers) CHECK(elsewhere.taken > 0);
    }
}

TEST_CASE("cells that others lose are missing, not wrong" * doctest::test_suite("threads")) {
  const Folder folder;
  const Sweep sweep = sweep_of(small_sweep);
  Elsewhere elsewhere(sweep, true);
  SweepTable table = sweep.table();
  SweepStore store(folder / "s.db", sweep, now);
  SweepRunOptions options;
  options.threads = 1;
  options.peers = &elsewhere;
  const std::size_t done = run_sweep(sweep, store, all(sweep), table, options);
  CHECK(done == sweep.cells() - elsewhere.taken);
}

TEST_CASE("a stop keeps what is finished" * doctest::test_suite("threads")) {
  const Folder folder;
  const Sweep sweep = sweep_of(small_sweep, {"axis.eta.count=2000"});
  std::atomic<bool> stop{false};
  SweepTable table = sweep.table();
  std::size_t done = 0;
  {
    SweepStore store(folder / "s.db", sweep, now);
    SweepRunOptions options;
    options.threads = 2;
    options.stop = &stop;
    options.progress = [&](std::size_t so_far) { stop = so_far > 50; };
    done = run_sweep(sweep, store, all(sweep), table, options);
  }
  CHECK(done > 50);
  CHECK(done < sweep.cells());
  const SweepTable kept = read_sweep_store(folder / "s.db");
  const auto finished = std::count_if(kept.cells.begin(), kept.cells.end(),
                                      [](const CellResult& c) { return c.state != CellState::pending; });
  CHECK(static_cast<std::size_t>(finished) == done);
  CHECK(same(kept, table));
}

TEST_CASE("a pool asks for as many cells as it can use" * doctest::test_suite("threads")) {
  const Sweep sweep = sweep_of(small_sweep);
  SweepPool pool(sweep, 3);
  CHECK(pool.threads() == 3);
  CHECK(pool.wanted() == 3);
  CHECK(pool.idle());
  pool.give({0, 1, 2, 3});
  std::size_t seen = 0;
  while (seen < 4) seen += pool.take(std::chrono::milliseconds(50)).size();
  CHECK(pool.idle());
  // These cells are short: some are wanted ahead.
  CHECK(pool.wanted() > 3);
  pool.stop();
  pool.give({4});
  CHECK(pool.take(std::chrono::milliseconds(20)).empty());
  CHECK(pool.idle());
}

TEST_CASE("a pool that has been given cells is not idle before they are taken back" * doctest::test_suite("threads")) {
  // Before a thread has woken, while it computes, and while what it made lies there.
  const Sweep sweep = sweep_of(small_sweep);
  SweepPool pool(sweep, 1);
  for (int round = 0; round < 50; ++round) {
    pool.give({0, 1, 2});
    CHECK_FALSE(pool.idle());
    std::size_t seen = 0;
    while (seen < 3) {
      CHECK_FALSE(pool.idle());
      seen += pool.take(std::chrono::milliseconds(50)).size();
    }
    CHECK(pool.idle());
  }
}
