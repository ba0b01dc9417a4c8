#include "cli/commands/commands.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/commands/at_work.hpp"
#include "cli/commands/replicas.hpp"
#include "cli/inputs.hpp"
#include "settings/counted.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"
#include "spectra/csv.hpp"
#include "spectra/dataset.hpp"

namespace edgewise::cli {

using settings::Error;

Status measure(const Context& context, const MeasureOptions& options) {
  const std::vector<std::string> known = {"fashion-mnist"};
  if (std::find(known.begin(), known.end(), options.dataset) == known.end())
    throw Error(fmt::format("measure: there is no data set '{}'{}; accepted: {}", settings::shown(options.dataset),
                            settings::suggestion(options.dataset, known), settings::join(known)));
  const Targets targets = targets_of(context, {"csv"}, {"csv"}, "csv");
  spectra::DatasetOptions dataset;
  dataset.name = options.dataset;
  if (!options.folder.empty()) dataset.folder = options.folder;
  if (!options.target.empty()) dataset.target = options.target;
  dataset.rows = options.rows;
  keep_inputs(targets, spectra::files_of(dataset), "this command");
  const Watch watch;
  const auto measured =
      at_work(context, "measure " + options.dataset, "measure", [&] { return spectra::measure(dataset); });
  write_all(context, targets, [&](const Target&) { return spectra::csv_text(measured->spectrum); });
  context.say(fmt::format("{}: {}, {}{}", options.dataset, settings::counted(measured->spectrum.modes(), "eigenvalue"),
                          seconds_text(watch.seconds()), written(targets)));
  return done;
}

}  // namespace edgewise::cli
