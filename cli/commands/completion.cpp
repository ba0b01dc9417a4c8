#include "cli/commands/completion.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cli/commands/catalog.hpp"
#include "cli/commands/file_keys.hpp"
#include "models/framework/declared_model.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

const std::vector<std::string>& shells() {
  static const std::vector<std::string> all = {"bash", "zsh", "fish"};
  return all;
}

std::vector<std::string> assignable_keys() {
  std::set<std::string> out;
  const auto add = [&](const std::string& section, const std::vector<settings::Parameter>& keys) {
    for (const settings::Parameter& p : keys) out.insert(fmt::format("{}.{}=", section, p.name));
  };
  for (const models::Model* model : models::all())
    for (const FileSection& section : sections_of(*model)) {
      if (section.repeated) continue;
      add(section.name, section.parameters);
      if (!section.kinds.empty()) add(section.name, {section.choice()});
      for (const settings::Description* kind : section.kinds) add(section.name, kind->parameters);
    }
  return {out.begin(), out.end()};
}

namespace {

std::vector<std::string> names_in_catalog() {
  std::set<std::string> out;
  for (const Entry& entry : catalog(false)) out.insert(entry.description.name);
  return {out.begin(), out.end()};
}

void add_models(CommandWords& command) {
  for (const models::Model* model : models::all()) {
    const std::string& name = model->description().name;
    command.words.push_back(name);
    if (const models::DeclaredModel* declared = models::declared(*model)) command.after[name] = declared->kinds();
  }
}

}  // namespace

void add_operands(CommandWords& command) {
  static const std::map<std::string, std::vector<std::string>> endings = {{"plot", {"csv", "nc", "db"}},
                                                                          {"collapse", {"csv", "toml", "db", "nc"}}};
  const std::string& name = command.name;
  if (name == "list") {
    command.words = groups();
  } else if (name == "describe") {
    command.words = names_in_catalog();
  } else if (name == "new") {
    add_models(command);
  } else if (name == "completion") {
    command.words = shells();
  } else if (name == "measure") {
    command.words = {"fashion-mnist"};
  } else if (const auto found = endings.find(name); found != endings.end()) {
    command.endings = found->second;
  } else if (name != "schema" && name != "closed-forms" && name != "learnability") {
    command.endings = {"toml"};
  }
}

namespace {

std::string listed(const std::vector<std::string>& words) {
  return settings::join(words, " ");
}

/// Lines of a case statement, the same for bash and zsh: what stands in `offers`, `endings` and `any` is offered.
std::string cases(const std::vector<CommandWords>& commands) {
  std::map<std::string, std::string> patterns;  // by what is offered, which is long and often the same
  const auto offer = [&](const std::string& what, const std::string& command, const std::string& before) {
    std::string& all = patterns[what];
    all += fmt::format("{}'{} {}'", all.empty() ? "" : "|", command, before);
  };
  std::string operands, values;
  for (const CommandWords& command : commands) {
    std::vector<std::string> options;
    for (const OptionWords& option : command.options) {
      options.insert(options.end(), option.names.begin(), option.names.end());
      for (const std::string& name : option.has_value ? option.names : std::vector<std::string>())
        offer(option.path ? "any=1" : fmt::format("offers='{}'", listed(option.words)), command.name, name);
    }
    for (const auto& [word, next] : command.after)
      offer(fmt::format("offers='{}'; options='{}'", listed(next), listed(options)), command.name, word);
    operands += fmt::format("      {}) offers='{}'; endings='{}'; options='{}';;\n", command.name,
                            listed(command.words), listed(command.endings), listed(options));
  }
  for (const auto& [what, all] : patterns) values += fmt::format("    {}) {};;\n", all, what);
  return "  case \"$command $before\" in\n" + values + "    *) case \"$command\" in\n" + operands +
         "      esac;;\n  esac\n";
}

std::string command_names_of(const std::vector<CommandWords>& commands) {
  std::string out;
  for (const CommandWords& command : commands) out += command.name + " ";
  return out + "--help --version";
}

std::string bash_script(const std::vector<CommandWords>& commands) {
  return R"sh(# Completion of edgewise in bash: source <(edgewise completion bash)
_edgewise() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
  local offers='' endings='' options='' any='' ending reply
  COMPREPLY=()
  if ((COMP_CWORD < 2)); then
    offers=')sh" +
         command_names_of(commands) + R"sh('
  else
)sh" + cases(commands) +
         R"sh(  fi
  [[ $word == -* && -n $options ]] && offers=$options endings=''
  while IFS= read -r reply; do COMPREPLY+=("$reply"); done < <(compgen -W "$offers" -- "$word")
  [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
  [[ -n $any ]] && while IFS= read -r reply; do COMPREPLY+=("$reply"); done < <(compgen -f -- "$word")
  for ending in $endings; do
    while IFS= read -r reply; do COMPREPLY+=("$reply"); done < <(compgen -f -X "!*.$ending" -- "$word")
  done
  [[ -n $endings ]] && while IFS= read -r reply; do COMPREPLY+=("$reply"); done < <(compgen -d -- "$word")
  [[ -n $any$endings ]] && compopt -o filenames 2>/dev/null
  return 0
}
complete -F _edgewise edgewise
)sh";
}

std::string zsh_script(const std::vector<CommandWords>& commands) {
  return R"sh(#compdef edgewise
# Completion of edgewise in zsh: source <(edgewise completion zsh)
_edgewise() {
  local before=${words[CURRENT-1]} command=${words[2]} offers='' endings='' options='' any=''
  if (( CURRENT < 3 )); then
    compadd -- )sh" +
         command_names_of(commands) + R"sh(
    return
  fi
)sh" + cases(commands) +
         R"sh(  if [[ $PREFIX == -* && -n $options ]]; then
    compadd -- ${=options}
    return
  fi
  if [[ $offers == *= ]]; then compadd -S '' -- ${=offers}
  elif [[ -n $offers ]]; then compadd -- ${=offers}
  fi
  if [[ -n $any ]]; then _files
  elif [[ -n $endings ]]; then _files -g "*.(${endings// /|})"
  fi
}
compdef _edgewise edgewise
)sh";
}

/// In single quotes of fish.
std::string fish_quoted(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return "'" + out + "'";
}

std::string fish_options(const CommandWords& command, const std::string& when) {
  std::string out;
  for (const OptionWords& option : command.options) {
    out += when;
    for (const std::string& name : option.names)
      out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    if (option.has_value) out += option.path ? " -r -F" : " -x";
    if (!option.words.empty()) out += " -a " + fish_quoted(listed(option.words));
    out += " -d " + fish_quoted(option.about) + "\n";
  }
  return out;
}

std::string fish_script(const std::vector<CommandWords>& commands) {
  std::string out =
      "# Completion of edgewise in fish: edgewise completion fish | source\n"
      "complete -c edgewise -f\n"
      "complete -c edgewise -n __fish_use_subcommand -l help -d 'print help'\n"
      "complete -c edgewise -n __fish_use_subcommand -l version -d 'print the version'\n";
  for (const CommandWords& command : commands) {
    const std::string when = fmt::format("complete -c edgewise -n '__fish_seen_subcommand_from {}'", command.name);
    out += fmt::format("complete -c edgewise -n __fish_use_subcommand -a {} -d {}\n", command.name,
                       fish_quoted(command.about));
    if (!command.words.empty()) out += when + " -a " + fish_quoted(listed(command.words)) + "\n";
    for (const std::string& ending : command.endings)
      out += fmt::format("{} -a '(__fish_complete_suffix .{})'\n", when, ending);
    for (const auto& [word, next] : command.after)
      out += fmt::format(
          "complete -c edgewise -n '__fish_seen_subcommand_from {}; and __fish_seen_subcommand_from {}' "
          "-a {}\n",
          command.name, word, fish_quoted(listed(next)));
    out += fish_options(command, when);
  }
  return out;
}

}  // namespace

std::string completion_script(const std::string& shell, const std::vector<CommandWords>& commands) {
  if (shell == "zsh") return zsh_script(commands);
  if (shell == "fish") return fish_script(commands);
  return bash_script(commands);
}

}  // namespace edgewise::cli
