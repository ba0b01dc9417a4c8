#include "validation/comparisons/comparison.hpp"

#include <fmt/format.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>
#include <tuple>

#include "models/framework/model.hpp"
#include "numerics/constants.hpp"
#include "settings/failure.hpp"
#include "validation/comparisons/tuned_rate.hpp"
#include "validation/file_digests.hpp"
#include "validation/monte_carlo/monte_carlo.hpp"

namespace edgewise::validation {

namespace {

/// Of a list of observables the one that is compared. \throws settings::Error.
template <class List, class Name>
std::size_t index_of(const settings::Table& table, const std::string& observable, const List& list, const Name& name) {
  std::vector<std::string> known;
  for (const auto& item : list) known.push_back(name(item));
  const auto found = std::ranges::find(known, observable);
  if (found == known.end())
    throw settings::Error(fmt::format("{}: compare.observable: there is no {}{}; known: {}", table.origin(), observable,
                                      settings::suggestion(observable, known), settings::join(known)));
  return static_cast<std::size_t>(found - known.begin());
}

ComparedRun solved(const settings::Table& table, const std::string& observable) {
  const models::Experiment experiment = models::read_experiment(table);
  const models::Trajectory theory = models::find(experiment).prepare(experiment)->solve();
  const std::size_t column =
      index_of(table, observable, theory.columns, [](const models::Column& c) { return c.observable.name; });
  ComparedRun out;
  const bool ended = stopped_early(theory, experiment.time.steps) || theory.columns[column].value.empty();
  out.value = ended ? infinity : theory.columns[column].value.back();
  out.trusted = !theory.valid_until.has_value();
  return out;
}

ComparedRun simulated(const settings::Table& table, const std::string& observable) {
  const models::Experiment experiment = models::read_experiment(table);
  const auto problem = models::find(experiment).prepare(experiment);
  const auto simulation = problem->simulate();
  const std::size_t column =
      index_of(table, observable, simulation->observables(), [](const models::Observable& o) { return o.name; });
  const Sample sample = run(*simulation, experiment, {.threads = 1});
  ComparedRun out;
  if (sample.diverged > 0 || sample.steps.empty()) {
    out.value = infinity;
  } else {
    const std::size_t last = column * sample.steps.size() + sample.steps.size() - 1;
    out.value = sample.mean[last];
    out.error = sample.sem[last];
  }
  return out;
}

ComparedRun tuned(const settings::Table& table, const ComparisonPlan& plan) {
  settings::Table trial = table;
  const TunedRate found = tune_rate(
      [&](double rate) {
        trial.make_table("optimizer").set("learning_rate", rate);
        return solved(trial, plan.observable).value;
      },
      plan.from, plan.to);
  ComparedRun out;
  out.value = found.loss;
  out.rate = found.rate;
  out.on_edge = found.on_edge;
  return out;
}

std::string place(const std::string& what, const std::string& workload) {
  return fmt::format("{}, workload {}", what, workload);
}

struct Job {
  std::string key, name;  ///< name: for messages
  std::function<ComparedRun()> compute;
  ComparedRun* result;
};

/// Every job on some thread. False when stopped.
bool run_all(std::vector<Job>& jobs, const ComparisonOptions& options) {
  std::vector<Job*> todo;
  for (Job& job : jobs) {
    const auto known = options.store ? options.store->find(job.key) : std::nullopt;
    if (known)
      *job.result = *known;
    else
      todo.push_back(&job);
  }
  const tbb::global_control one_thread{tbb::global_control::max_allowed_parallelism, 1};
  std::mutex mutex;
  std::size_t next = 0, done = jobs.size() - todo.size();
  std::exception_ptr failure;
  const auto stopped = [&] { return options.stop && *options.stop; };
  const auto work = [&] {
    for (;;) {
      Job* job = nullptr;
      {
        const std::lock_guard lock(mutex);
        if (failure || stopped() || next == todo.size()) return;
        job = todo[next++];
      }
      try {
        const ComparedRun result = job->compute();
        const std::lock_guard lock(mutex);
        *job->result = result;
        if (options.store) options.store->add(job->key, result);
        ++done;
        if (options.progress) options.progress(done, jobs.size());
      } catch (const std::exception& e) {
        const std::lock_guard lock(mutex);
        if (!failure)
          failure = std::make_exception_ptr(settings::Error(fmt::format("{} ({})", settings::said_by(e), job->name)));
      }
    }
  };
  const unsigned cores = static_cast<unsigned>(std::max(1, tbb::this_task_arena::max_concurrency()));
  const std::size_t count = std::min<std::size_t>(options.threads > 0 ? options.threads : cores, todo.size());
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < count; ++i) others.emplace_back(work);
  work();
  for (std::thread& thread : others) thread.join();
  if (failure) std::rethrow_exception(failure);
  return done == jobs.size();
}

}  // namespace

bool stopped_early(const models::Trajectory& theory, std::uint64_t steps) {
  if (theory.diverged_at || theory.steps.empty()) return true;
  const double last = theory.steps.back();
  return theory.valid_until && last <= *theory.valid_until && last < static_cast<double>(steps);
}

std::size_t MethodComparison::best_baseline(std::size_t workload) const {
  std::size_t best = 0;
  for (std::size_t b = 1; b < baselines.size(); ++b)
    if (baselines[b][workload].value < baselines[best][workload].value) best = b;
  return best;
}

double MethodComparison::baseline(std::size_t workload) const {
  return baselines[best_baseline(workload)][workload].value;
}

double MethodComparison::ratio(std::size_t method, std::size_t setting, std::size_t workload) const {
  const double value = runs[method][setting][workload].value, base = baseline(workload);
  if (!(value < infinity)) return infinity;
  if (!(value > 0)) return base > 0 ? 0 : 1;
  return value / base;
}

std::vector<double> MethodComparison::ratios(std::size_t method, std::size_t setting) const {
  std::vector<double> out;
  for (std::size_t w = 0; w < plan.workloads.size(); ++w) out.push_back(ratio(method, setting, w));
  return out;
}

double MethodComparison::score(const std::vector<double>& ratios) const {
  double sum = 0;
  for (const double r : ratios) sum += std::clamp((plan.limit - r) / (plan.limit - 1), 0.0, 1.0);
  return sum / static_cast<double>(ratios.size());
}

std::size_t MethodComparison::calibrated(std::size_t method) const {
  // Where scores are the same, all of them 0 perhaps, fewer infinite ratios, then the smaller product of the others.
  const auto standing = [&](std::size_t s) {
    const std::vector<double> all = ratios(method, s);
    double diverged = 0, logarithm = 0;
    for (const double r : all) std::isfinite(r) ? logarithm += std::log(r) : ++diverged;
    return std::tuple(score(all), -diverged, -logarithm);
  };
  std::size_t best = 0;
  for (std::size_t s = 1; s < runs[method].size(); ++s)
    if (standing(s) > standing(best)) best = s;
  return best;
}

std::vector<double> MethodComparison::oracle(std::size_t method) const {
  std::vector<double> out = ratios(method, 0);
  for (std::size_t s = 1; s < runs[method].size(); ++s)
    for (std::size_t w = 0; w < out.size(); ++w) out[w] = std::min(out[w], ratio(method, s, w));
  return out;
}

bool MethodComparison::trusted(std::size_t method, std::size_t setting) const {
  return std::ranges::all_of(runs[method][setting], [](const ComparedRun& run) { return run.trusted; });
}

double profile(const std::vector<double>& ratios, double u) {
  return static_cast<double>(std::ranges::count_if(ratios, [u](double r) { return r <= u; })) /
         static_cast<double>(ratios.size());
}

void check_comparison(const ComparisonPlan& plan) {
  const auto check = [&](const std::string& what, const std::vector<settings::Table>& experiments) {
    for (std::size_t w = 0; w < experiments.size(); ++w) try {
        const models::Experiment experiment = models::read_experiment(experiments[w]);
        if (experiment.time.steps == 0) throw experiments[w].error("time", "a comparison needs at least one step");
        models::find(experiment).prepare(experiment);
      } catch (const std::exception& e) {
        throw settings::Error(fmt::format("{} ({})", settings::said_by(e), place(what, plan.workloads[w])));
      }
  };
  for (const BaselineSchedule& baseline : plan.baselines) {
    std::vector<settings::Table> experiments = baseline.experiments;
    for (settings::Table& table : experiments) table.make_table("optimizer").set("learning_rate", plan.from);
    check("baseline " + baseline.name, experiments);
  }
  for (const ComparedMethod& method : plan.methods)
    for (const ComparedSetting& setting : method.settings)
      check(fmt::format("method {}, {}", method.name, setting.name), setting.experiments);
}

std::optional<MethodComparison> compare_methods(const ComparisonPlan& plan, const ComparisonOptions& options) {
  check_comparison(plan);
  MethodComparison out{plan, {}, {}};
  const std::size_t workloads = plan.workloads.size();
  out.baselines.assign(plan.baselines.size(), std::vector<ComparedRun>(workloads));
  for (const ComparedMethod& method : plan.methods)
    out.runs.emplace_back(method.settings.size(), std::vector<ComparedRun>(workloads));
  // Of the same program, experiment and files the result is the same.
  const auto key = [&](const std::string& what, const settings::Table& experiment) {
    FileDigests files;
    add_digests(experiment, files);
    return fmt::format("{}\n{}\n{}{}", options.version, what, text_of(files), experiment.text());
  };
  std::vector<Job> jobs;
  for (std::size_t b = 0; b < plan.baselines.size(); ++b)
    for (std::size_t w = 0; w < workloads; ++w) {
      const settings::Table& table = plan.baselines[b].experiments[w];
      jobs.push_back(
          {key(fmt::format("tuned {} {} {}", plan.observable, settings::text_of(plan.from), settings::text_of(plan.to)),
               table),
           place("baseline " + plan.baselines[b].name, plan.workloads[w]),
           [&plan, &table] { return tuned(table, plan); }, &out.baselines[b][w]});
    }
  for (std::size_t m = 0; m < plan.methods.size(); ++m)
    for (std::size_t s = 0; s < plan.methods[m].settings.size(); ++s)
      for (std::size_t w = 0; w < workloads; ++w) {
        const ComparedMethod& method = plan.methods[m];
        const settings::Table& table = method.settings[s].experiments[w];
        const bool by_simulation = method.simulated;
        jobs.push_back({key(fmt::format("{} {}", by_simulation ? "simulated" : "solved", plan.observable), table),
                        place(fmt::format("method {}, {}", method.name, method.settings[s].name), plan.workloads[w]),
                        [&plan, &table, by_simulation] {
                          return by_simulation ? simulated(table, plan.observable) : solved(table, plan.observable);
                        },
                        &out.runs[m][s][w]});
      }
  if (!run_all(jobs, options)) return std::nullopt;
  for (std::size_t w = 0; w < workloads; ++w)
    if (!(out.baseline(w) < infinity))
      throw settings::Error(
          fmt::format("{}: compare.rates: on workload {} every rate of every baseline diverged; give "
                      "smaller ones",
                      plan.file, plan.workloads[w]));
  return out;
}

}  // namespace edgewise::validation
