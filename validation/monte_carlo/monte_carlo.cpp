#include "validation/monte_carlo/monte_carlo.hpp"

#include <fmt/format.h>
#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <mutex>
#include <new>
#include <optional>

#include "models/framework/absent.hpp"
#include "models/framework/checked_problem.hpp"
#include "settings/counted.hpp"
#include "validation/monte_carlo/statistics.hpp"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#define EDGEWISE_THREAD_SANITIZER
#endif
#endif

namespace edgewise::validation {

namespace {

using Clock = std::chrono::steady_clock;

/// Tells clang's thread sanitizer, which cannot see into TBB, what tasks wait for and what waits for them. The order of
/// tasks among each other stays unknown to it. Elsewhere it does nothing.
class Ordered {
 public:
#ifdef EDGEWISE_THREAD_SANITIZER
  Ordered() {
    __tsan_release(&begun_);
  }
  ~Ordered() {
    __tsan_acquire(&done_);
  }
  struct Task {
    explicit Task(Ordered& tasks) : tasks_(tasks) { __tsan_acquire(&tasks_.begun_); }
    ~Task() { __tsan_release(&tasks_.done_); }
    Ordered& tasks_;
  };

 private:
  char begun_ = 0, done_ = 0;
#else
  struct Task {
    explicit Task(Ordered&) {}
    ~Task() {}
  };
#endif
};

/// work(0) .. work(count - 1), each a task: they are long, and their lengths may differ.
template <class Work>
void in_parallel(tbb::task_arena& arena, std::size_t count, const Work& work) {
  Ordered tasks;
  arena.execute([&] {
    tbb::parallel_for(
        tbb::blocked_range<std::size_t>(0, count, 1),
        [&](const tbb::blocked_range<std::size_t>& range) {
          const Ordered::Task task(tasks);
          for (std::size_t i = range.begin(); i < range.end(); ++i) work(i);
        },
        tbb::simple_partitioner());
  });
}

/// Observations are kept, for quantiles and verdicts; beyond this the run is refused.
constexpr double largest_bytes = 2147483648.0;
/// A replica is advanced in pieces of about this time, so that a stop is noticed soon. They do not change its bits.
constexpr std::chrono::milliseconds shortest_piece(5), longest_piece(50);
constexpr std::uint64_t most_steps = std::uint64_t{1} << 40U;

/// Reports the fraction done from whichever thread gets there, one at a time and not too often.
class Progress {
 public:
  Progress(const std::function<void(double)>& report, double total) : report_(report), total_(total) {}
  void add(std::uint64_t steps) {
    if (!report_) return;
    const double done = static_cast<double>(done_.fetch_add(steps, std::memory_order_relaxed) + steps);
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock) return;
    const auto now = Clock::now();
    if (now - last_ < std::chrono::milliseconds(50)) return;
    last_ = now;
    shown_ = std::max(shown_, done / total_);
    report_(shown_);
  }

 private:
  const std::function<void(double)>& report_;
  double total_;
  std::atomic<std::uint64_t> done_{0};
  std::mutex mutex_;
  Clock::time_point last_ = Clock::now();
  double shown_ = 0;
};

enum class State : char { dropped, finished };

/// Of an observation of a run that has not diverged.
bool goes_on(double x) {
  return std::isfinite(x) || models::is_absent(x);
}

class Engine {
 public:
  Engine(const models::Simulation& simulation, const models::Experiment& experiment, const RunOptions& options,
         Sample& sample)
      : simulation_(simulation),
        seed_(experiment.monte_carlo.seed),
        group_size_(std::max<std::uint64_t>(1, simulation.group_size())),
        options_(options),
        sample_(sample),
        times_(sample.steps.size()),
        states_(experiment.monte_carlo.replicas, State::dropped),
        progress_(options.progress,
                  static_cast<double>(experiment.monte_carlo.replicas) * static_cast<double>(sample.steps.back())) {}

  /// How many groups there are, and one of them run to its end.
  std::size_t groups() const { return (states_.size() + group_size_ - 1) / group_size_; }
  void run_group(std::size_t index) {
    if (stopped()) return;
    const std::size_t first = index * group_size_, count = std::min(group_size_, states_.size() - first);
    const auto group = simulation_.group(seed_, first, count);
    std::vector<double> now(sample_.observables.size());
    std::vector<bool> finite(count, true);
    std::size_t running = count;
    std::uint64_t piece = 1;
    for (std::size_t t = 0, done = 0; t < times_; ++t) {
      const std::uint64_t target = sample_.steps[t];
      // A replica that has diverged is not looked at further, nor a group run further once all have; the rest is not a
      // number.
      for (std::uint64_t step = done; running > 0 && step < target;) {
        if (stopped()) return;
        const std::uint64_t next = target - step > piece ? step + piece : target;
        const auto before = Clock::now();
        group->advance(next);
        const auto took = Clock::now() - before;
        if (took > longest_piece)
          piece = std::max<std::uint64_t>(1, piece / 2);
        else if (took < shortest_piece && next - step == piece && piece < most_steps)
          piece *= 2;
        progress_.add(count * (next - step));
        step = next;
      }
      done = target;
      for (std::size_t r = 0; r < count; ++r) {
        if (finite[r]) {
          group->observe(r, now);
          finite[r] = std::all_of(now.begin(), now.end(), goes_on);
          if (!finite[r]) --running;
        } else {
          std::fill(now.begin(), now.end(), std::numeric_limits<double>::quiet_NaN());
        }
        for (std::size_t o = 0; o < now.size(); ++o) sample_.values[o * times_ + t][first + r] = now[o];
      }
    }
    std::fill_n(states_.begin() + static_cast<std::ptrdiff_t>(first), count, State::finished);
  }

  /// Removes the replicas that were dropped.
  void keep_finished() {
    sample_.replicas = static_cast<std::uint64_t>(std::count(states_.begin(), states_.end(), State::finished));
    sample_.interrupted = sample_.replicas < states_.size();
    if (!sample_.interrupted) return;
    for (auto& cell : sample_.values) {
      std::size_t kept = 0;
      for (std::size_t r = 0; r < states_.size(); ++r)
        if (states_[r] == State::finished) cell[kept++] = cell[r];
      cell.resize(kept);
    }
  }

 private:
  bool stopped() const { return options_.stop && options_.stop->load(std::memory_order_relaxed); }

  const models::Simulation& simulation_;
  std::uint64_t seed_;
  std::size_t group_size_;
  const RunOptions& options_;
  Sample& sample_;
  std::size_t times_;
  std::vector<State> states_;
  Progress progress_;
};

/// Counts the replicas that left the finite numbers, and cuts the record before the first that did.
void cut_at_divergence(Sample& sample) {
  const std::size_t times = sample.steps.size(), observables = sample.observables.size();
  std::size_t finite_times = times;
  for (std::size_t r = 0; r < sample.replicas; ++r) {
    std::size_t t = 0;
    const auto finite_at = [&](std::size_t time) {
      for (std::size_t o = 0; o < observables; ++o)
        if (!goes_on(sample.values[o * times + time][r])) return false;
      return true;
    };
    while (t < times && finite_at(t)) ++t;
    if (t < times) ++sample.diverged;
    finite_times = std::min(finite_times, t);
  }
  if (sample.diverged == 0) return;
  sample.warnings.push_back(fmt::format("{} of {} replicas diverged, the first by step {}; statistics end before it",
                                        sample.diverged, sample.replicas, sample.steps[finite_times]));
  std::vector<std::vector<double>> kept;
  for (std::size_t o = 0; o < observables; ++o)
    for (std::size_t t = 0; t < times; ++t)
      (t < finite_times ? kept : sample.later_values).push_back(std::move(sample.values[o * times + t]));
  sample.values = std::move(kept);
  sample.later_steps.assign(sample.steps.begin() + static_cast<std::ptrdiff_t>(finite_times), sample.steps.end());
  sample.steps.resize(finite_times);
}

/// Share of the sample variance that one replica carries; tends to 0 with the number of replicas when the variance is
/// finite, and stays near 1 when it is not. In units of the standard deviation, whose square may be no double.
double largest_share(std::span<const double> sorted, double mean, double std) {
  double total = 0, largest = 0;
  for (const double x : sorted) {
    const double square = std::pow((x - mean) / std, 2);
    total += square;
    largest = std::max(largest, square);
  }
  return largest / total;
}

void summarise(Sample& sample, tbb::task_arena& arena) {
  const std::size_t cells = sample.values.size(), times = sample.steps.size();
  for (auto* column : {&sample.mean, &sample.sem, &sample.std, &sample.skewness, &sample.q05, &sample.q50, &sample.q95})
    column->resize(cells);
  std::vector<double> share(cells);
  // Each cell is reduced by one thread in the order of the replicas, so that the bits do not depend on the threads.
  in_parallel(arena, cells, [&](std::size_t cell) {
    std::vector<double> sorted = sample.values[cell];
    std::erase_if(sorted, models::is_absent);
    const Moments m = moments(sorted);
    sample.mean[cell] = m.mean;
    sample.sem[cell] = m.sem;
    sample.std[cell] = m.std;
    sample.skewness[cell] = m.skewness;
    std::sort(sorted.begin(), sorted.end());
    sample.q05[cell] = quantile(sorted, 0.05);
    sample.q50[cell] = quantile(sorted, 0.5);
    sample.q95[cell] = quantile(sorted, 0.95);
    share[cell] = m.std > 1e-12 * std::abs(m.mean) ? largest_share(sorted, m.mean, m.std) : 0.0;
  });
  constexpr std::uint64_t enough = 30;  // with fewer, one replica may carry half the variance of a normal sample
  if (sample.replicas < enough) return;
  for (std::size_t o = 0; o < sample.observables.size(); ++o)
    for (std::size_t t = 0; t < times; ++t)
      if (share[o * times + t] > 0.5) {
        sample.warnings.push_back(
            fmt::format("heavy tails: at {} {} one replica of {} carries {:.0f}% of the variance of {}; prefer the "
                        "quantiles to means and standard errors",
                        sample.axis->name, sample.steps[t], sample.replicas, 100 * share[o * times + t],
                        sample.observables[o].name));
        return;
      }
}

/// Name and doc of the first observable that some replica has no number of at the first of the later steps.
std::string first_not_finite(const Sample& sample) {
  for (std::size_t o = 0; o < sample.observables.size(); ++o)
    if (!std::ranges::all_of(sample.later_values[o * sample.later_steps.size()], goes_on))
      return fmt::format("{} ({})", sample.observables[o].name, sample.observables[o].doc);
  return "none";
}

}  // namespace

models::RecordedReplica record_of(const Sample& sample, std::span<const std::string> names, std::size_t replica) {
  models::RecordedReplica out;
  out.names = names;
  out.rows.resize(sample.observables.size());
  const auto append = [&](const std::vector<std::uint64_t>& steps, const std::vector<std::vector<double>>& values) {
    for (std::size_t t = 0; t < steps.size() && !out.diverged; ++t) {
      for (std::size_t o = 0; o < out.rows.size(); ++o)
        out.diverged = out.diverged || !goes_on(values[o * steps.size() + t][replica]);
      if (out.diverged) return;
      out.steps.push_back(static_cast<double>(steps[t]));
      for (std::size_t o = 0; o < out.rows.size(); ++o) out.rows[o].push_back(values[o * steps.size() + t][replica]);
    }
  };
  append(sample.steps, sample.values);
  append(sample.later_steps, sample.later_values);
  return out;
}

Sample run(const models::Simulation& simulation, const models::Experiment& experiment, const RunOptions& options) {
  const auto start = Clock::now();
  Sample sample;
  sample.axis = experiment.axis;
  sample.steps = experiment.time.at;
  sample.observables = simulation.observables();
  sample.sampler = simulation.sampler();
  sample.warnings = simulation.warnings();
  const std::uint64_t replicas = experiment.monte_carlo.replicas;
  const std::size_t cells = sample.observables.size() * sample.steps.size();
  const double bytes = 8.0 * static_cast<double>(replicas) * static_cast<double>(cells);
  if (bytes > largest_bytes)
    throw experiment.table.error(
        "monte_carlo.replicas",
        fmt::format("{} replicas of {} observables at {} need {:.1f} GiB, more than the {:.0f} GiB allowed; ask "
                    "for fewer replicas, or fewer points in [{}]",
                    replicas, sample.observables.size(), settings::counted(sample.steps.size(), experiment.axis->one),
                    bytes / 1073741824.0, largest_bytes / 1073741824.0, experiment.axis->section));
  if (sample.steps.empty() || replicas == 0) return sample;
  sample.values.assign(cells, std::vector<double>(replicas));

  // More threads than cores is the caller's choice; oneTBB would cut it down with a warning.
  std::optional<tbb::global_control> more_threads;
  if (options.threads > static_cast<unsigned>(tbb::this_task_arena::max_concurrency()))
    more_threads.emplace(tbb::global_control::max_allowed_parallelism, options.threads);
  tbb::task_arena arena(options.threads == 0 ? static_cast<int>(tbb::task_arena::automatic)
                                             : static_cast<int>(options.threads));
  Engine engine(simulation, experiment, options, sample);
  try {
    in_parallel(arena, engine.groups(), [&](std::size_t group) { engine.run_group(group); });
  } catch (const std::bad_alloc&) {
    throw experiment.table.error("", models::out_of_memory(experiment.table));
  }
  engine.keep_finished();
  cut_at_divergence(sample);
  if (sample.replicas > 0 && sample.steps.empty())
    throw experiment.table.error(
        "",
        fmt::format("{} of {} replicas are not finite at the first step recorded, {}: the parameters are out of range, "
                    "or these runs have no such value: {}",
                    sample.diverged, sample.replicas, sample.later_steps.front(), first_not_finite(sample)));
  summarise(sample, arena);
  if (options.progress && !sample.interrupted) options.progress(1.0);
  sample.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return sample;
}

}  // namespace edgewise::validation
