#pragma once
/// \file
/// What every command is given: its common options and where it prints.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "cli/results/results.hpp"
#include "models/framework/model.hpp"

namespace edgewise::cli {

/// A message in one line takes at most so many bytes.
inline constexpr std::size_t longest_message = 1500;

/// Exit statuses of the program.
enum Status { done = 0, disagrees = 1, failed = 2, inconclusive = 3 };

struct Context {
  std::ostream& out;                        ///< results
  std::ostream& err;                        ///< what is said to people: summaries, warnings, progress
  std::vector<std::string> outputs = {};    ///< of --output, in order
  std::vector<std::string> overrides = {};  ///< "section.key=value"
  unsigned threads = 0;
  std::optional<std::uint64_t> seed = {};
  bool quiet = false;
  std::string format = {};  ///< csv, nc, json; empty when not given

  /// A line for people, on standard error; not with --quiet.
  void say(const std::string& line) const;
  void warn(const std::vector<std::string>& warnings) const;
  /// Writes to standard output. \throws settings::Error when it cannot be written.
  void print(const std::string& text) const;
};

/// \throws settings::Error, with the nearest name beside it, when there is no such file.
void require_file(const std::string& path);

/// An experiment that has been read, overridden and checked.
struct Loaded {
  Provenance provenance;
  std::unique_ptr<models::Problem> problem;
};

/// Puts some learning rate into an experiment of a model whose optimizers have one, where it has none and no rule for it:
/// what looks for learning rates does not read it.
void give_any_rate(settings::Table& experiment);

/// A place that a command writes to, and how.
struct Target {
  std::optional<std::string> path;  ///< standard output when absent
  std::string form;                 ///< "csv", "nc", "json", "txt", "svg", ...
};
using Targets = std::vector<Target>;

/// \param targets  what will be written
/// \param steps    of an experiment that names none, for a command that does not run along them; else they are required
/// \param any_rate  the command looks for learning rates: give_any_rate
/// \throws settings::Error for anything wrong with the file or its values, or where a target is a file that is read.
Loaded load(const Context& context, const std::string& path, const Targets& targets,
            std::optional<std::int64_t> steps = std::nullopt, bool any_rate = false);

/// Decides the form: of a file by its ending, else by --format; of standard output by --format, else `usual`.
/// Checks that the files can be written, so that nothing is computed in vain.
/// \param to_file, to_stdout  forms that this command has
/// \throws settings::Error naming the accepted ones.
Targets targets_of(const Context& context, const std::vector<std::string>& to_file,
                   const std::vector<std::string>& to_stdout, const std::string& usual);

/// Writes what `bytes` makes of every target. One that fails does not keep the others from what they get.
/// \throws settings::Error, after the last, with every failure in one line.
void write_all(const Context& context, const Targets& targets, const std::function<std::string(const Target&)>& bytes);
/// Writes a result, CSV, NetCDF or JSON.
void write_result(const Context& context, const Targets& targets, const Result& result);
/// "a.csv and b.nc"; empty for standard output.
std::string files_of(const Targets& targets);

/// Reads a result, CSV or NetCDF whatever its ending. \throws settings::Error.
Result read_result(const std::string& path);

}  // namespace edgewise::cli
