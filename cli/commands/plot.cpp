#include "cli/commands/commands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "cli/commands/at_work.hpp"
#include "cli/commands/sweep_input.hpp"
#include "cli/commands/theory_curve.hpp"
#include "cli/figures/diagram.hpp"
#include "cli/figures/figures.hpp"
#include "cli/inputs.hpp"
#include "cli/results/output_file.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

using settings::Error;
namespace fs = std::filesystem;

Status plot(const Context& context, const std::vector<std::string>& paths, const PlotOptions& options) {
  for (const std::string& path : paths) require_file(path);
  Context with_default = context;
  if (context.outputs.empty())
    with_default.outputs.push_back(with_ending(paths.front(), "." + (context.format.empty() ? "svg" : context.format)));
  const Targets targets = targets_of(with_default, {"svg", "png", "pdf"}, {}, "");
  keep_inputs(targets, paths, "this command");
  const auto draw_all = [&](const auto& draw) {
    write_all(context, targets, [&](const Target& target) { return draw("." + target.form); });
    context.say("figure written to " + files_of(targets));
    return done;
  };
  if (std::any_of(paths.begin(), paths.end(), is_sweep)) {
    if (paths.size() > 1) throw Error("plot: a sweep is drawn alone, and here are several files");
    if (!options.guides.empty()) throw Error("--guide: a sweep has no curves along the step to guide");
    const std::string& path = paths.front();
    const validation::SweepTable table = at_work(context, path, "reading", [&] { return read_sweep(path); });
    return draw_all([&](const std::string& form) {
      return at_work(context, path, "drawing", [&] {
        return drawn_sweep(table, {options.observables, options.slices, options.title}, form);
      });
    });
  }
  if (!options.slices.empty()) throw Error("--slice: these results are no sweep, they have no axes to hold");
  std::vector<Result> results;
  for (const std::string& path : paths)
    results.push_back(at_work(context, path, "reading", [&] {
      Result result = read_result(path);
      result.curve = theory_curve(result);
      return result;
    }));
  std::vector<std::string> labels;
  std::set<std::string> titles;
  for (const Result& r : results) titles.emplace(r.get("title"));
  for (std::size_t i = 0; i < paths.size(); ++i)
    labels.push_back(titles.size() == paths.size() && !results[i].get("title").empty()
                         ? std::string(results[i].get("title"))
                         : fs::path(paths[i]).stem().string());
  return draw_all([&](const std::string& form) {
    return at_work(context, paths.size() > 1 ? std::string() : paths.front(), "drawing", [&] {
      return drawn(results, labels, {options.observables, options.guides, options.title, paths}, form);
    });
  });
}

}  // namespace edgewise::cli
