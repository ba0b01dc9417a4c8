#include "cli/commands/commands.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/commands/catalog.hpp"
#include "cli/results/json.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"

namespace edgewise::cli {

using settings::Error;

Status list(const Context& context, const std::string& group) {
  if (!group.empty() && std::find(groups().begin(), groups().end(), group) == groups().end())
    throw Error(fmt::format("list: there is no '{}'{}; accepted: {}", settings::shown(group),
                            settings::suggestion(group, groups()), settings::join(groups())));
  const Targets targets = targets_of(context, {"csv", "json", "txt"}, {"csv", "json", "txt"}, "txt");
  std::vector<Entry> entries;
  for (Entry& e : catalog(group.empty() || group == "closed-forms"))
    if (group.empty() ? std::find(groups().begin(), groups().end(), e.group) != groups().end() : e.group == group)
      entries.push_back(std::move(e));
  write_all(context, targets, [&](const Target& target) {
    if (target.form == "json") return json_text(list_json(entries));
    if (target.form == "csv") return list_csv(entries);
    return group.empty() ? overview_text(entries) : list_text(entries);
  });
  return done;
}

Status describe(const Context& context, const std::string& name) {
  const Targets targets = targets_of(context, {"csv", "json", "txt"}, {"csv", "json", "txt"}, "txt");
  std::string wanted = name;
  if (wanted.size() > 2 && wanted.front() == '[' && wanted.back() == ']') wanted = wanted.substr(1, wanted.size() - 2);
  std::vector<Entry> found;
  std::vector<std::string> names;
  const auto look = [&](bool closed_forms) {
    names.clear();
    for (Entry& e : catalog(closed_forms)) {
      bool here = e.description.name == wanted;
      names.push_back(e.description.name);
      for (const std::string& model : e.models) {
        names.push_back(model + "/" + e.description.name);
        here = here || names.back() == wanted;
      }
      if (here) found.push_back(std::move(e));
    }
  };
  look(wanted.find('/') != std::string::npos);
  if (found.empty()) look(true);
  if (found.empty())
    throw Error(fmt::format("describe: there is no '{}'{}; `edgewise list` shows every name", settings::shown(name),
                            settings::suggestion(wanted, names)));
  write_all(context, targets, [&](const Target& target) {
    if (target.form == "json") {
      Json all = Json::array();
      for (const Entry& e : found) all.push_back(describe_json(e));
      return json_text(all.size() == 1 ? all[0] : all);
    }
    std::string text;
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (target.form == "csv")
        text += describe_csv(found[i]);
      else
        text += (i > 0 ? "\n" : "") + describe_text(found[i]);
    }
    return text;
  });
  return done;
}

}  // namespace edgewise::cli
