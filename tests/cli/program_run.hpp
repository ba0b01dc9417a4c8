#pragma once
/// Runs the program inside the test's process, in a folder of its own that goes away with it.
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "cli/program.hpp"
#include "tests/temporary_folder.hpp"

namespace edgewise::cli::testing {

using temporary::Folder;

inline std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

struct Run {
  int status = -1;
  std::string out, err;
  /// True when there is exactly one line on standard error and it is an error message.
  bool one_line() const {
    return err.starts_with("edgewise: ") && err.ends_with("\n") && err.find('\n') == err.size() - 1;
  }
  bool says(const std::string& text) const { return err.find(text) != std::string::npos; }
};

inline Run run(const std::vector<std::string>& arguments) {
  std::ostringstream out, err;
  Run r;
  r.status = cli::run(arguments, out, err);
  r.out = out.str();
  r.err = err.str();
  return r;
}

/// A small experiment that takes milliseconds and agrees.
inline const char* const small_experiment = R"(title = "Two eigenvalues"
model = "least-squares"
[spectrum]
kind = "list"
eigenvalues = [1.0, 0.1]
multiplicities = [20, 30]
target_power = [1.0, 1.0]
[noise]
law = "gaussian"
variance = 0.01
[optimizer]
kind = "sgd"
learning_rate = 0.01
[time]
steps = 300
points = 12
[monte_carlo]
replicas = 400
seed = 1
)";

}  // namespace edgewise::cli::testing
