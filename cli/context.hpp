#pragma once
/// \file
/// What every command is given: its common options and where it prints.
#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "cli/results/results.hpp"
#include "models/framework/model.hpp"

namespace edgewise::cli {

/// Exit statuses of the program.
enum Status { done = 0, disagrees = 1, failed = 2, inconclusive = 3 };

struct Context {
  std::ostream& out;  ///< results
  std::ostream& err;  ///< what is said to people: summaries, warnings, progress
  std::optional<std::string> output = {};
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

/// An experiment that has been read, overridden and checked.
struct Loaded {
  Provenance provenance;
  std::unique_ptr<models::Problem> problem;
};

/// \throws settings::Error for anything wrong with the file or its values.
Loaded load(const Context& context, const std::string& path);

/// Where and how a command writes.
struct Target {
  std::optional<std::string> path;  ///< standard output when absent
  std::string form;                 ///< "csv", "nc", "json", "txt"
};

/// Decides the form: of a file by its ending, else by --format; of standard output by --format, else `usual`.
/// Checks that the file can be written, so that nothing is computed in vain.
/// \param to_file, to_stdout  forms that this command has
/// \throws settings::Error naming the accepted ones.
Target target_of(const Context& context, const std::vector<std::string>& to_file,
                 const std::vector<std::string>& to_stdout, const std::string& usual);

/// Writes a result where `target` says.
void write_result(const Context& context, const Target& target, const Result& result);
/// Writes text where `target` says.
void write_output(const Context& context, const Target& target, const std::string& text);

/// Reads a result, CSV or NetCDF whatever its ending. \throws settings::Error.
Result read_result(const std::string& path);

}  // namespace edgewise::cli
