#pragma once
/// \file
/// The program `edgewise`: its command line.
#include <ostream>
#include <string>
#include <vector>

namespace edgewise::cli {

/// Runs the program on `arguments` (without its own name). Results go to `out`; summaries, warnings and errors to
/// `err`. Never throws. Returns the exit status: 0 done (and agrees), 1 disagrees, 2 bad input or failure (exactly one
/// line on `err` says what), 3 inconclusive.
int run(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err);

}  // namespace edgewise::cli
