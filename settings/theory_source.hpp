#pragma once
/// \file
/// How sources are cited: by the page of docs/theory and the section, which .ci/check_citations holds to what is there.
#include <string>
#include <string_view>

namespace edgewise::settings {

/// theory_source("two-phase", "9.5") is "docs/theory/two-phase.md, section 9.5"; of several sections, "3 and 6" or
/// "3.1, 10", it speaks in the plural.
inline std::string theory_source(std::string_view page, std::string_view sections) {
  const bool several = sections.find_first_of(",") != sections.npos || sections.find(" and ") != sections.npos;
  return std::string("docs/theory/").append(page).append(several ? ".md, sections " : ".md, section ").append(sections);
}

}  // namespace edgewise::settings
