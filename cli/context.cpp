#include "cli/context.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "cli/commands/file_keys.hpp"
#include "cli/inputs.hpp"
#include "cli/results/csv.hpp"
#include "cli/results/json.hpp"
#include "cli/results/netcdf.hpp"
#include "cli/results/output_file.hpp"
#include "settings/failure.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"
#include "settings/text_file.hpp"

namespace edgewise::cli {

using settings::Error;
namespace fs = std::filesystem;

void Context::say(const std::string& line) const {
  if (!quiet) err << settings::shown(line, longest_message) << std::endl;
}

void Context::warn(const std::vector<std::string>& warnings) const {
  for (const std::string& w : warnings) say("  warning: " + w);
}

void Context::print(const std::string& text) const {
  out << text << std::flush;
  if (!out)
    throw Error("standard output: cannot be written; is the disk full, or the size of files limited (ulimit -f)?");
}

namespace {

/// ", did you mean 'X'?" for the nearest experiment beside a path that does not exist.
std::string nearest_file(const std::string& path) {
  std::vector<std::string> names;
  std::error_code ignored;
  const fs::path folder = fs::path(path).parent_path();
  for (const auto& entry : fs::directory_iterator(folder.empty() ? "." : folder, ignored))
    if (entry.path().extension() == fs::path(path).extension() && entry.exists(ignored))
      names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return settings::suggestion(fs::path(path).filename().string(), names);
}

}  // namespace

void require_file(const std::string& path) {
  if (path.empty()) throw Error("the path of a file is empty");
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found && fs::is_symlink(fs::symlink_status(path, error)))
    throw Error(fmt::format("{}: cannot be read: it is a symbolic link to a file that is not there", path));
  if (status.type() == fs::file_type::not_found)
    throw Error(fmt::format("{}: no such file{}", path, nearest_file(path)));
  if (status.type() == fs::file_type::none) throw Error(fmt::format("{}: cannot be read: {}", path, error.message()));
  if (fs::is_directory(status)) throw Error(fmt::format("{}: is a folder, not a file", path));
}

namespace {

/// rtol and atol of section [theory], given or default.
std::vector<std::pair<std::string, double>> tolerances(const models::Model& model,
                                                       const models::Experiment& experiment) {
  std::vector<std::pair<std::string, double>> out;
  const settings::Table theory = experiment.table.table_or_empty("theory");
  for (const settings::Parameter& p : model.theory_parameters()) {
    if (p.name != "rtol" && p.name != "atol") continue;
    const settings::Value* value = theory.find(p.name);
    if (!value && p.fallback) value = &*p.fallback;
    if (!value) continue;
    if (const double* number = std::get_if<double>(value)) out.emplace_back(p.name, *number);
    if (const std::int64_t* number = std::get_if<std::int64_t>(value))
      out.emplace_back(p.name, static_cast<double>(*number));
  }
  return out;
}

Json result_json(const Result& result) {
  Json out = Json::object();
  for (const Attribute& a : result.provenance)
    out[a.name] = a.number ? json_number(std::strtod(a.text.c_str(), nullptr)) : Json(a.text);
  Json columns = Json::object();
  const auto numbers = [](const std::vector<double>& values) {
    Json list = Json::array();
    for (const double x : values) list.push_back(json_number(x));
    return list;
  };
  columns[result.axis->name] = numbers(result.steps);
  for (std::size_t o = 0; o < result.observables.size(); ++o)
    for (const Field& f : result.fields)
      if (!f.values[o].empty())
        columns[result.observables[o].name + (f.name.empty() ? "" : "_" + f.name)] = numbers(f.values[o]);
  out["columns"] = std::move(columns);
  return out;
}

/// The last value of the axis where `at` does not list it.
std::optional<std::uint64_t> added_step(const models::Experiment& experiment) {
  const settings::Values time =
      settings::read(experiment.table.table_or_empty(experiment.axis->section), models::parameters(*experiment.axis));
  if (!time.given("at") || !time.given(experiment.axis->last)) return std::nullopt;
  for (const double step : time.numbers("at"))
    if (step == static_cast<double>(experiment.time.steps)) return std::nullopt;
  return experiment.time.steps;
}

}  // namespace

namespace {

/// Of a model whose optimizers have a learning rate, and no rule for it.
bool lacks_rate(const settings::Table& experiment) {
  const settings::Table optimizer = experiment.table_or_empty("optimizer");
  const settings::Value* name = experiment.find("model");
  const auto* word = name ? std::get_if<std::string>(name) : nullptr;
  const models::Model* model = word ? models::find_model(*word) : nullptr;
  if (!model || experiment.has("rate") || optimizer.has("learning_rate") || optimizer.has("gamma")) return false;
  return std::ranges::any_of(model->optimizers(), [](const settings::Description* one) {
    return std::ranges::count(one->parameters, "learning_rate", &settings::Parameter::name) > 0;
  });
}

}  // namespace

void give_any_rate(settings::Table& experiment) {
  if (lacks_rate(experiment)) experiment.make_table("optimizer").set("learning_rate", 1e-9);
}

Loaded load(const Context& context, const std::string& path, const Targets& targets, std::optional<std::int64_t> steps,
            bool any_rate) {
  require_file(path);
  settings::Table table = settings::read_file(path);
  Loaded out;
  for (const std::string& assignment : context.overrides) {
    settings::override_value(table, assignment);
    out.provenance.overrides.push_back("--set " + assignment);
  }
  if (context.seed) {
    table.make_table("monte_carlo").set("seed", static_cast<std::int64_t>(*context.seed));
    out.provenance.overrides.push_back(fmt::format("--seed {}", *context.seed));
  }
  if (const settings::Table time = table.table_or_empty("time"); steps && !time.has("steps") && !time.has("at"))
    table.make_table("time").set("steps", *steps);
  if (any_rate) give_any_rate(table);
  keep_inputs(targets, inputs_of(table), "this experiment");
  out.provenance.file = path;
  out.provenance.experiment = models::read_experiment(std::move(table));
  if (out.provenance.experiment.title.empty()) out.provenance.experiment.title = fs::path(path).stem().string();
  const models::Model& model = models::find(out.provenance.experiment);
  check_command_sections(out.provenance.experiment.table);
  out.problem = model.prepare(out.provenance.experiment);
  out.provenance.tolerances = tolerances(model, out.provenance.experiment);
  out.provenance.warnings = out.problem->warnings();
  const models::Axis& axis = *out.provenance.experiment.axis;
  if (const auto added = added_step(out.provenance.experiment))
    out.provenance.warnings.push_back(
        fmt::format("{0} {1}, the last by {2}.{3}, is recorded beside those that {2}.at lists", axis.name, *added,
                    axis.section, axis.last));
  return out;
}

namespace {

bool has(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

Target file_target(const Context& context, const std::string& path, const std::vector<std::string>& forms) {
  if (path.empty()) throw Error("--output: the path of a file is empty");
  std::string form = ending(path);
  if (!form.empty()) form.erase(0, 1);
  if (!has(forms, form)) {
    if (context.format.empty() || !has(forms, context.format))
      throw Error(fmt::format("{}: --output: unknown ending '{}'; accepted: .{}", path, settings::shown(ending(path)),
                              settings::join(forms, ", .")));
    form = context.format;
  }
  require_writable(path);
  return {path, form};
}

}  // namespace

Targets targets_of(const Context& context, const std::vector<std::string>& to_file,
                   const std::vector<std::string>& to_stdout, const std::string& usual) {
  Targets out;
  for (const std::string& path : context.outputs) out.push_back(file_target(context, path, to_file));
  if (!out.empty() && !context.format.empty() && !std::ranges::count(out, context.format, &Target::form))
    throw Error(fmt::format("--format: {} is the ending of no --output, {}; leave one of them out", context.format,
                            settings::join(context.outputs)));
  if (!out.empty()) return out;
  if (context.format.empty()) return {{std::nullopt, usual}};
  if (has(to_stdout, context.format)) return {{std::nullopt, context.format}};
  if (has(to_file, context.format))
    throw Error(fmt::format("--format: {0} needs a file, give -o FILE.{0}", context.format));
  throw Error(fmt::format("--format: this command has no {}; accepted: {}", context.format, settings::join(to_stdout)));
}

void write_all(const Context& context, const Targets& targets, const std::function<std::string(const Target&)>& bytes) {
  std::vector<std::string> failures;
  for (const Target& target : targets) try {
      if (target.path)
        write_file(*target.path, bytes(target));
      else
        context.print(bytes(target));
    } catch (const std::exception& e) {
      const std::string said = settings::said_by(e);
      const bool named = !target.path || said.find(*target.path) != std::string::npos;
      failures.push_back(named ? said : fmt::format("{} (for {})", said, *target.path));
    }
  if (!failures.empty()) throw Error(settings::join(failures, "; "));
}

void write_result(const Context& context, const Targets& targets, const Result& result) {
  write_all(context, targets, [&](const Target& target) {
    if (target.form == "nc") return netcdf_bytes(result, *target.path);
    return target.form == "json" ? json_text(result_json(result)) : csv_text(result);
  });
}

std::string files_of(const Targets& targets) {
  std::vector<std::string> paths;
  for (const Target& target : targets)
    if (target.path) paths.push_back(*target.path);
  return settings::join(paths, " and ");
}

Result read_result(const std::string& path) {
  require_file(path);
  constexpr std::size_t signature = 8;
  std::ifstream in(path, std::ios::binary);
  std::string start(signature, '\0');
  // A pipe can be read once only; NetCDF comes in files.
  if (fs::is_regular_file(path)) in.read(start.data(), signature);
  if (start.starts_with("\x89HDF") || start.starts_with("CDF")) return read_netcdf(path);
  return read_csv(settings::read_text_file(path), path);
}

}  // namespace edgewise::cli
