#include "cli/inputs.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "cli/results/output_file.hpp"
#include "spectra/csv.hpp"
#include "spectra/dataset.hpp"

namespace edgewise::cli {

namespace {

void add_named_files(const settings::Table& table, std::vector<std::string>& out) {
  for (const std::string& key : table.keys()) {
    for (const settings::Table& section : table.tables(key)) add_named_files(section, out);
    const settings::Value* value = table.find(key);
    const auto* given = value && key == "path" ? std::get_if<std::string>(value) : nullptr;
    if (!given) continue;
    const std::string beside = (std::filesystem::path(table.origin()).parent_path() / *given).string();
    out.push_back(table.path() == "spectrum" ? spectra::found_file(beside, *given) : beside);
  }
}

}  // namespace

std::vector<std::string> inputs_of(const settings::Table& experiment) {
  std::vector<std::string> out = {experiment.origin()};
  add_named_files(experiment, out);
  try {
    if (const auto dataset = spectra::dataset_of(experiment))
      for (const std::string& file : spectra::files_of(*dataset)) out.push_back(file);
  } catch (const settings::Error&) {
    // What is wrong with the section is told when it is read.
  }
  return out;
}

void keep_inputs(const Targets& targets, const std::vector<std::string>& inputs, const std::string& reader) {
  for (const Target& target : targets)
    for (const std::string& input : inputs)
      if (target.path && same_file(*target.path, input))
        throw settings::Error(fmt::format("{}: is read by {}; give --output another name", *target.path, reader));
}

}  // namespace edgewise::cli
