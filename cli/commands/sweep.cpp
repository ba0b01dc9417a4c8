#include "cli/commands/sweep.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "cli/commands/at_work.hpp"
#include "cli/commands/file_keys.hpp"
#include "cli/commands/sweep_ranks.hpp"
#include "cli/inputs.hpp"
#include "cli/interrupt.hpp"
#include "cli/progress.hpp"
#include "cli/results/output_file.hpp"
#include "cli/results/sweep_output.hpp"
#include "models/ingredients/schedule_search/report.hpp"
#include "settings/counted.hpp"
#include "settings/failure.hpp"
#include "settings/settings.hpp"
#include "validation/sweeps/boundaries.hpp"
#include "validation/sweeps/sweep.hpp"
#include "validation/sweeps/sweep_file.hpp"
#include "validation/sweeps/sweep_run.hpp"
#include "validation/sweeps/sweep_store.hpp"

namespace edgewise::cli {

using settings::Error;
using validation::CellResult;
using validation::CellState;
using validation::SweepTable;
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

validation::Sweep read(const Context& context, const std::string& path) {
  require_file(path);
  validation::SweepPlan plan = validation::read_sweep_file(settings::read_file(path), context.overrides, context.seed);
  for (const validation::SweepPlan::Variant& variant : plan.variants) check_command_sections(variant.experiment);
  return validation::Sweep(std::move(plan), {models::ingredients::searched_findings,
                                             models::ingredients::searched_finding_names, give_any_rate});
}

/// \throws settings::Error when it would be one of the files that are read or written.
std::string store_path(const Context& context, const std::string& path, const SweepOptions& options) {
  std::string store = options.store;
  if (store.empty())
    store = with_ending(context.outputs.empty() ? fs::path(path).filename().string() : context.outputs.front(), ".db");
  if (same_file(store, path)) throw Error(fmt::format("{}: --store: this is the sweep's own file", store));
  for (const std::string& output : context.outputs)
    if (same_file(store, output))
      throw Error(
          fmt::format("{}: --store and --output name the same file; the output would take the store's place", store));
  return store;
}

/// The files that a sweep and its experiments name.
std::vector<std::string> inputs_of_sweep(const validation::SweepPlan& plan, const std::string& path) {
  std::vector<std::string> out = {path};
  const auto add = [&](const settings::Table& experiment) {
    for (std::string& input : inputs_of(experiment)) out.push_back(std::move(input));
  };
  for (const auto& variant : plan.variants) {
    add(variant.experiment);
    for (const validation::SweepAxis& axis : plan.axes)
      for (const std::string& word : axis.words) {
        if (!axis.key.ends_with(".path") && !axis.key.ends_with(".folder")) break;
        settings::Table named = variant.experiment;
        const std::size_t dot = axis.key.find('.');
        named.make_table(axis.key.substr(0, dot)).set(axis.key.substr(dot + 1), word);
        add(named);
      }
  }
  return out;
}

std::vector<std::size_t> cells_to_compute(const SweepTable& table, bool retry_failed) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < table.cells.size(); ++i) {
    const CellState state = table.cells[i].state;
    if (state == CellState::pending || (retry_failed && state == CellState::failed)) out.push_back(i);
  }
  return out;
}

std::string place_text(const SweepTable& table, std::size_t cell) {
  const std::vector<std::size_t> place = table.place(cell);
  std::string out;
  for (std::size_t a = 0; a < place.size(); ++a) {
    const validation::SweepAxis& axis = table.axes[a];
    out += fmt::format("{}{} = {}", a > 0 ? ", " : "", axis.name,
                       axis.words.empty() ? fmt::format("{:.6g}", axis.numbers[place[a]]) : axis.words[place[a]]);
  }
  return out;
}

struct Reason {
  std::size_t count = 0, first = 0;  ///< cells that failed for it, and the first of them
  std::string text;
};

/// Why cells failed, the commonest first.
std::vector<Reason> failure_reasons(const SweepTable& table) {
  std::map<std::string, Reason> by_text;
  for (std::size_t i = 0; i < table.cells.size(); ++i) {
    if (table.cells[i].state != CellState::failed) continue;
    Reason& reason = by_text[table.cells[i].failure];
    if (reason.count++ == 0) reason.first = i;
  }
  std::vector<Reason> reasons;
  for (auto& [text, reason] : by_text) {
    reason.text = text;
    reasons.push_back(reason);
  }
  std::stable_sort(reasons.begin(), reasons.end(), [](const Reason& a, const Reason& b) { return a.count > b.count; });
  return reasons;
}

std::vector<std::string> failure_lines(const SweepTable& table) {
  const std::vector<Reason> reasons = failure_reasons(table);
  constexpr std::size_t shown = 3;
  std::vector<std::string> out;
  for (std::size_t i = 0; i < std::min(shown, reasons.size()); ++i)
    out.push_back(fmt::format("  failed: {}, first {}: {}", settings::counted(reasons[i].count, "cell"),
                              place_text(table, reasons[i].first), reasons[i].text));
  if (reasons.size() > shown)
    out.push_back(
        fmt::format("  failed: {}, see the column `reason`", settings::counted(reasons.size() - shown, "more reason")));
  return out;
}

std::string labels_text(const SweepTable& table) {
  std::map<std::string, std::size_t> counts;
  for (const CellResult& cell : table.cells)
    if (cell.state == CellState::finished) ++counts[cell.label];
  std::string out;
  for (const validation::LabelRule& rule : table.labels)
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", rule.name, counts[rule.name]);
  if (const std::size_t none = counts[""]; none > 0) out += fmt::format(", none of them {}", none);
  return out;
}

/// Computes what is missing; the table gets it.
std::size_t compute(const Context& context, const validation::Sweep& sweep, validation::SweepStore& store,
                    validation::SweepPeers* others, unsigned threads, const std::vector<std::size_t>& todo,
                    SweepTable& table, const std::function<void(std::size_t)>& give_up) {
  Progress progress(context.err, settings::counted(todo.size(), "cell"), !context.quiet && is_terminal(context.err));
  const auto start = Clock::now();
  validation::SweepRunOptions run;
  run.threads = threads;
  run.stop = &interrupted();
  run.peers = others;
  run.give_up = [&](std::size_t done) {
    if (out_of_patience()) give_up(done);
  };
  run.progress = [&](std::size_t done) {
    const double seconds = seconds_since(start);
    progress.update(static_cast<double>(done) / static_cast<double>(todo.size()),
                    done > 0 && seconds > 0 ? fmt::format("{:.3g} cells/s", static_cast<double>(done) / seconds) : "");
  };
  return validation::run_sweep(sweep, store, todo, table, run);
}

Status run_root(const Context& context, const Ranks& ranks, const validation::Sweep& sweep, const std::string& path,
                const SweepOptions& options, const std::string& store_at, const Targets& targets) {
  const auto start = Clock::now();
  const auto others = ranks.others(sweep);
  validation::StoreOptions how;
  how.restart = options.restart;
  how.version = "edgewise " EDGEWISE_VERSION;
  SweepTable table;
  std::size_t had = 0, computed = 0;
  {
    std::optional<validation::SweepStore> store(std::in_place, store_at, sweep, how);
    table = store->table();
    const std::vector<std::size_t> todo = cells_to_compute(table, options.retry_failed);
    had = table.cells.size() - todo.size();
    if (!todo.empty()) {
      const auto interruption = [&](std::size_t done) {
        return fmt::format(
            "interrupted with {} of {} done; they are kept in {}, and the same command goes on from "
            "there",
            had + done, settings::counted(table.cells.size(), "cell"), store_at);
      };
      const Interruptible scope(
          fmt::format("; what is done is kept in {}, and the same command goes on from there", store_at));
      computed = compute(context, sweep, *store, others.get(), ranks.threads(context.threads), todo, table,
                         [&](std::size_t done) {
                           const std::string said = interruption(done);
                           store.reset();
                           leave(said);
                         });
      if (computed < todo.size()) throw Error(interruption(computed));
    }
  }
  const auto failed_cells = static_cast<std::size_t>(std::count_if(
      table.cells.begin(), table.cells.end(), [](const CellResult& c) { return c.state == CellState::failed; }));
  if (failed_cells == table.cells.size())
    throw Error(fmt::format("{}: every cell failed, most often with: {}", path, failure_reasons(table).front().text));
  const double seconds = seconds_since(start);
  table.provenance.emplace_back("version", how.version);
  table.provenance.emplace_back("store", store_at);
  std::string failure;
  try {
    write_sweep(context, path, table, targets);
  } catch (const Error& e) {
    failure = e.what();
  }
  context.say(fmt::format(
      "{}: {}{}, {} failed, {:.2g} s; kept in {}", table.title, settings::counted(table.cells.size(), "cell"),
      had > 0 ? fmt::format(" ({} of them were there)", had) : "", failed_cells, seconds, store_at));
  if (!table.labels.empty()) context.say("  labels: " + labels_text(table));
  if (!context.quiet)
    for (const std::string& line : validation::compare(table).lines()) context.say("  " + line);
  for (const std::string& line : failure_lines(table)) context.say(line);
  // What was computed is told first: it is kept, whatever became of the outputs.
  if (!failure.empty()) throw Error(failure);
  for (const Target& target : targets)
    if (target.path) context.say("  written to " + *target.path);
  return done;
}

}  // namespace

void check_sweep(const Context& context, const std::string& path) {
  read(context, path).check();
}

Status sweep(const Context& context, const std::string& path, const SweepOptions& options) {
  const Ranks ranks;
  Targets targets;
  std::string store_at;
  std::optional<validation::Sweep> read_sweep;
  std::string failure;
  try {
    if (ranks.rank() == 0) {
      targets = sweep_targets(context);
      store_at = store_path(context, path, options);
    }
    read_sweep = read(context, path);
    if (ranks.rank() == 0) keep_inputs(targets, inputs_of_sweep(read_sweep->plan(), path), "this sweep");
    if (ranks.rank() == 0) at_work(context, path, "checking", [&] { read_sweep->check(); });
  } catch (const std::exception& e) {
    failure = settings::said_by(e);
  }
  if (!ranks.agree(failure, read_sweep ? read_sweep->plan().definition.text() : "")) return done;
  if (ranks.rank() == 0) return run_root(context, ranks, *read_sweep, path, options, store_at, targets);
  const Interruptible until_told;
  ranks.work(*read_sweep, ranks.threads(context.threads));
  return done;
}

}  // namespace edgewise::cli
