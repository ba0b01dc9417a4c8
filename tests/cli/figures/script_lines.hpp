#pragma once
/// \file
/// Parts of the commands of a figure.
#include <functional>
#include <sstream>
#include <string>

namespace edgewise::cli::testing {

/// The lines of `script` that are wanted; each is asked for once, from the first on.
inline std::string lines_where(const std::string& script, const std::function<bool(const std::string&)>& wanted) {
  std::istringstream in(script);
  std::string out;
  for (std::string line; std::getline(in, line);)
    if (wanted(line)) out += line + "\n";
  return out;
}

}  // namespace edgewise::cli::testing
