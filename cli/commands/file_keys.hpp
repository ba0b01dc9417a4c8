#pragma once
/// \file
/// What files of experiments, sweeps and comparisons may hold, section by section, gathered from where each is declared.
/// From this come `describe`, `new`, `schema` and `completion`.
#include <string>
#include <string_view>
#include <vector>

#include "models/framework/model.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

/// A section of a file.
struct FileSection {
  std::string name;                             ///< "optimizer"; in another section "optimizer.phase"
  std::string about;                            ///< one line, without the name
  std::vector<settings::Parameter> parameters;  ///< keys that it has whatever is chosen
  std::string chosen_by = {};                   ///< the key whose word picks one of `kinds`; empty: there is none
  std::string usual = {};                       ///< the kind where that key is left out; empty: it is required
  std::vector<const settings::Description*> kinds = {};
  bool repeated = false;  ///< [[name]], any number of times

  /// The key `chosen_by` as a parameter.
  settings::Parameter choice() const;
  /// The kind of that name, or null.
  const settings::Description* kind(std::string_view word) const;
};

/// What a section that several models read is about; empty where nothing is written down.
std::string section_summary(const std::string& name);
/// [spectrum], [noise], [rate] and [schedule], which choose among kinds that belong to no model.
const std::vector<FileSection>& shared_choices();
/// [verdict], [schedule_search] and [collapse], of experiments whose model has a use for them (models::reads_section).
const std::vector<FileSection>& common_sections();
/// Whether one of those has the name.
bool is_common(std::string_view name);
/// All sections that an experiment of the model may have, in the order in which a file gives them.
std::vector<FileSection> sections_of(const models::Model& model);
/// Reads the sections that commands read, not the model's problem: [verdict], [schedule_search], [collapse] and [tune].
/// \throws settings::Error for a slip in one, which only its own command would notice.
void check_command_sections(const settings::Table& experiment);
/// Those of a sweep file, and those of a comparison, beside [experiment].
const std::vector<FileSection>& sweep_file_sections();
const std::vector<FileSection>& comparison_sections();

/// What stands for a default: its value in TOML, how it is computed, "required" or "none".
std::string default_text(const settings::Parameter& parameter);
/// Type, default, range, unit and where it is read, in one line.
std::string facts_text(const settings::Parameter& parameter);

/// Every line of `text` behind `indent`, words wrapped at `width`; lines that are indented themselves are kept.
std::string paragraph(const std::string& text, const std::string& indent, std::size_t width = 110);

}  // namespace edgewise::cli
