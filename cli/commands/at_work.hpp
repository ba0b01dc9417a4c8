#pragma once
/// \file
/// What surrounds every computation that may take long: a sign of life, and messages that name the experiment.
#include <string>

#include "cli/context.hpp"
#include "cli/progress.hpp"

namespace edgewise::cli {

/// Throws the exception that is being handled again, as a settings::Error that names `path` and holds no words of a
/// library.
[[noreturn]] void rethrow_naming(const std::string& path);

/// Runs `work` for the experiment at `path`. On a terminal a line says that it is at work, once that takes a second.
/// \throws settings::Error naming `path`, whatever `work` throws.
template <class Work>
auto at_work(const Context& context, const std::string& path, const std::string& what, const Work& work)
    -> decltype(work()) {
  try {
    const SignOfLife sign(context.err, what, !context.quiet && is_terminal(context.err));
    return work();
  } catch (...) {
    rethrow_naming(path);
  }
}

}  // namespace edgewise::cli
