// Highway's own library, which a file of the program asks at its first vector loop which instructions there are: it times
// the clock when it is loaded, for a third of what a short command takes. In the program these take the place of its two
// functions, so that it is loaded then.
#include <hwy/targets.h>

#include "cli/late_library.hpp"

namespace hwy {

int64_t SupportedTargets() {
  static const edgewise::cli::LateLibrary library(EDGEWISE_HIGHWAY_LIBRARY);
  static const auto targets = edgewise::cli::late_function<int64_t (*)()>(library, "_ZN3hwy16SupportedTargetsEv");
  return targets();
}

ChosenTarget& GetChosenTarget() {
  static ChosenTarget chosen;
  return chosen;
}

}  // namespace hwy
