#include "cli/commands/at_work.hpp"

#include <fmt/format.h>

#include <exception>

#include "settings/failure.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

void rethrow_naming(const std::string& path) {
  try {
    throw;
  } catch (const settings::Error& e) {
    const std::string said = e.what();
    if (said.find(path) != std::string::npos || said.starts_with("--") || said.starts_with("interrupted")) throw;
    throw settings::Error(fmt::format("{}: {}", path, said));
  } catch (const std::exception& e) {
    throw settings::Error(fmt::format("{}: {}", path, settings::said_by(e)));
  }
}

}  // namespace edgewise::cli
