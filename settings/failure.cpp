#include "settings/failure.hpp"

#include <new>
#include <stdexcept>
#include <string_view>
#include <typeinfo>

#include "settings/settings.hpp"

namespace edgewise::settings {

namespace {

/// Libraries derive their own classes, or speak of their own functions.
bool thrown_here(const std::exception& e) {
  if (dynamic_cast<const Error*>(&e)) return true;
  bool known = false;
  for (const std::type_info* type : {&typeid(std::runtime_error), &typeid(std::invalid_argument),
                                     &typeid(std::domain_error), &typeid(std::logic_error), &typeid(std::range_error)})
    known = known || typeid(e) == *type;
  const std::string_view words = e.what();
  return known && !words.empty() && !words.starts_with("Error in function ") && !words.starts_with("basic_string");
}

}  // namespace

std::string said_by(const std::exception& exception) {
  if (thrown_here(exception)) return exception.what();
  if (dynamic_cast<const std::bad_alloc*>(&exception)) return "needs more memory than there is";
  return "a number on the way is too large, too small or not defined; are all of the file's values meant so?";
}

}  // namespace edgewise::settings
