#include "cli/commands/at_work.hpp"

#include <fmt/format.h>

#include <exception>
#include <new>
#include <stdexcept>
#include <typeinfo>

#include "settings/settings.hpp"

namespace edgewise::cli {

namespace {

/// Whether an exception is one that this program throws, whose text is for the user. Libraries derive their own classes.
bool own(const std::exception& e) {
  for (const std::type_info* type : {&typeid(std::runtime_error), &typeid(std::invalid_argument),
                                     &typeid(std::domain_error), &typeid(std::logic_error), &typeid(std::range_error)})
    if (typeid(e) == *type) return true;
  return false;
}

}  // namespace

void rethrow_naming(const std::string& path) {
  try {
    throw;
  } catch (const settings::Error& e) {
    const std::string said = e.what();
    if (said.find(path) != std::string::npos || said.starts_with("--") || said.starts_with("interrupted")) throw;
    throw settings::Error(fmt::format("{}: {}", path, said));
  } catch (const std::bad_alloc&) {
    throw settings::Error(fmt::format("{}: needs more memory than there is", path));
  } catch (const std::exception& e) {
    throw settings::Error(
        fmt::format("{}: {}", path,
                    own(e) ? e.what()
                           : "a number on the way is too large, too small or not defined; are all of the file's values "
                             "meant so?"));
  }
}

}  // namespace edgewise::cli
