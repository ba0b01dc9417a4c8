#pragma once
/// \file
/// Scripts by which shells complete the program's command line.
#include <map>
#include <string>
#include <vector>

namespace edgewise::cli {

struct OptionWords {
  std::vector<std::string> names;  ///< "-o", "--output"
  std::string about;
  bool has_value = false;
  bool path = false;                    ///< its value is a file
  std::vector<std::string> words = {};  ///< what its value may be; one that ends in = goes on
};

struct CommandWords {
  std::string name, about;
  std::vector<OptionWords> options;
  std::vector<std::string> words = {};    ///< what its operands may be
  std::vector<std::string> endings = {};  ///< of files that its operands may be, without the dot
  /// What may follow an operand.
  std::map<std::string, std::vector<std::string>> after = {};
};

/// Shells that have one: bash, zsh, fish.
const std::vector<std::string>& shells();
/// \param shell  one of shells()
std::string completion_script(const std::string& shell, const std::vector<CommandWords>& commands);

/// Fills in what the operands of the command of that name may be: groups, names, models and their kinds, files.
void add_operands(CommandWords& command);
/// "section.key=" of every key that an experiment of some model may have.
std::vector<std::string> assignable_keys();

}  // namespace edgewise::cli
