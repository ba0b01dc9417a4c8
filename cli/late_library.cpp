#include "cli/late_library.hpp"

#include <dlfcn.h>

#include "settings/settings.hpp"

namespace edgewise::cli {

void* LateLibrary::symbol(const char* name) const {
  // Global, since MPI's own plug-ins look for its symbols there. It stays until the program ends.
  void* library = dlopen(file_.c_str(), RTLD_NOW | RTLD_GLOBAL);
  void* address = library ? dlsym(library, name) : nullptr;
  if (!address) {
    const char* said = dlerror();
    throw settings::Error(file_ + " cannot be loaded; is it installed? (" + (said ? said : name) + ")");
  }
  return address;
}

}  // namespace edgewise::cli
