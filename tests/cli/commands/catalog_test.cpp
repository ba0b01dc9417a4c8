// Where the program says that its formulas come from.
#include "cli/commands/catalog.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/cli/program_run.hpp"
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

TEST_CASE("describe keeps every word, in order, and wraps what is long") {
  // Spaces and line ends are one space.
  const auto squeezed = [](const std::string& text) {
    std::string out;
    for (const char c : text) {
      const bool space = c == ' ' || c == '\n';
      if (!space || (!out.empty() && out.back() != ' ')) out += space ? ' ' : c;
    }
    while (!out.empty() && out.back() == ' ') out.pop_back();
    return out;
  };
  std::size_t wrapped = 0;
  for (const Entry& entry : catalog()) {
    if (entry.group == "closed-forms") continue;
    const auto run = testing::run({"describe", entry.description.name});
    CAPTURE(entry.description.name);
    REQUIRE(run.status == 0);
    const std::string out = squeezed(run.out);
    // A name may stand in two groups.
    CHECK(out.find(squeezed(entry.description.summary)) != std::string::npos);
    CHECK(out.find(squeezed(entry.description.equations)) != std::string::npos);
    CHECK(out.find(squeezed(entry.description.source)) != std::string::npos);
    for (const auto& p : entry.description.parameters) CHECK(out.find(squeezed(p.doc)) != std::string::npos);
    for (std::size_t at = 0; at < entry.description.equations.size();) {
      const std::size_t end = std::min(entry.description.equations.find('\n', at), entry.description.equations.size());
      wrapped += end - at > 110;
      at = end + 1;
    }
  }
  CHECK(wrapped > 0);
}
