#pragma once
/// \file
/// Everything that has a name: models, optimizers, spectra, noise laws, schedules, closed forms, and the sections of an
/// experiment file and of a sweep file. What `list` and `describe` print.
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "settings/settings.hpp"

namespace edgewise::cli {

/// One named thing.
struct Entry {
  std::string group;  ///< one of groups(); "sections", "sweep-sections" for sections of an experiment or a sweep file
  settings::Description description;
  std::vector<std::string> models;  ///< those that offer it, of an optimizer; empty where it belongs to none
  /// Further named lists to show, e.g. observables of a model or the kinds that a section accepts.
  struct Detail {
    std::string title;
    std::vector<std::pair<std::string, std::string>> items;
  };
  std::vector<Detail> details;
  /// Further parameter lists, e.g. those of the section [theory] that only this model reads.
  std::vector<std::pair<std::string, std::vector<settings::Parameter>>> more_parameters;
};

/// Groups that `list` accepts, in its order: models, optimizers, spectra, noise, schedules, closed-forms.
const std::vector<std::string>& groups();

/// All entries, group by group in the order of `groups()`, then sections and what stands in them.
/// \param closed_forms  whether they are among them: thousands, all with a / in their names, that take most of the time
std::vector<Entry> catalog(bool closed_forms = true);

/// Every group on one screen: models with their summaries, the names of all others, optimizers model by model, how many
/// closed forms there are.
std::string overview_text(const std::vector<Entry>& entries);
/// One line per name of one group: name and summary, in columns; optimizers under the names of their models.
std::string list_text(const std::vector<Entry>& entries);
/// Columns group,name,summary.
std::string list_csv(const std::vector<Entry>& entries);
nlohmann::ordered_json list_json(const std::vector<Entry>& entries);

std::string describe_text(const Entry& entry);
/// Columns of the parameters: section,name,type,default,range,unit,meaning.
std::string describe_csv(const Entry& entry);
nlohmann::ordered_json describe_json(const Entry& entry);

}  // namespace edgewise::cli
