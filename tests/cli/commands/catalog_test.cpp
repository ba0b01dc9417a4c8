// Where the program says that its formulas come from.
#include "cli/commands/catalog.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/temporary_folder.hpp"

using namespace edgewise::cli;
using edgewise::temporary::Folder;

namespace {

const std::string check = EDGEWISE_TEST_DATA "/../.ci/check_citations";

bool resolve(const std::string& sources) {
  const Folder folder;
  return std::system(("python3 '" + check + "' " + folder.file("sources.txt", sources)).c_str()) == 0;
}

}  // namespace

TEST_CASE("every source that is printed names a page of docs/theory that exists, and sections that it has" *
          doctest::skip(std::system("python3 -c '' 2>/dev/null") != 0)) {
  std::string sources;
  std::size_t forms = 0;
  for (const Entry& entry : catalog()) {
    const std::string& source = entry.description.source;
    sources += source + "\n";
    if (entry.group != "closed-forms") continue;
    ++forms;
    CAPTURE(entry.description.name);
    // By which `edgewise describe` knows that a name may be one's.
    CHECK(entry.description.name.find('/') != source.npos);
    CHECK(source.starts_with("docs/theory/"));
    CHECK((source.find(".md, section") != source.npos || source.find(".md (") != source.npos));
  }
  CHECK(forms > 800);
  CHECK(resolve(sources));
  // Put together here, so that the check does not find them in this file.
  CHECK(!resolve(sources + "docs/theory/" + "sign-and-clip.md, section 99\n"));
  CHECK(!resolve(sources + "theory" + " note sign-and-clip, 2\n"));
}

TEST_CASE("without closed forms the catalog is what is left of it") {
  std::vector<std::string> all, without;
  for (const Entry& entry : catalog())
    if (entry.group != "closed-forms") all.push_back(describe_text(entry));
  for (const Entry& entry : catalog(false)) without.push_back(describe_text(entry));
  CHECK(without == all);
}
