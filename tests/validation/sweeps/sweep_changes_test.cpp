#include "validation/sweeps/sweep_changes.hpp"

#include <doctest/doctest.h>

using namespace edgewise;
using validation::changes;
using validation::file_changes;

namespace {

std::string between(const std::string& before, const std::string& now) {
  return changes(settings::read_text(before, "a.toml"), settings::read_text(now, "b.toml"));
}

}  // namespace

TEST_CASE("what changed, is new or is gone, by the names of a sweep's parts") {
  CHECK(between("[sweep]\nstore = 3", "[sweep]\nstore = 4") == "sweep.store was 3 and is 4");
  CHECK(between("title = 'x'", "title = 'x'\n[sweep]\nstore = 4") == "sweep.store is new, 4");
  CHECK(between("[sweep]\nstore = 4\nmore = 1", "[sweep]\nstore = 4") == "sweep.more was 1 and is gone");
  // The experiment's own sections are named as they are in an experiment.
  CHECK(between("[experiment.time]\nsteps = 3", "[experiment.time]\nsteps = 4") == "time.steps was 3 and is 4");
  CHECK(between("[[axis]]\nname = 'alpha'\ncount = 64", "[[axis]]\nname = 'alpha'\ncount = 16") ==
        "axis 'alpha': count was 64 and is 16");
  CHECK(between("[[axis]]\nkey = 'a.b'\ncount = 64", "[[axis]]\nkey = 'a.b'\ncount = 16") ==
        "axis 'a.b': count was 64 and is 16");
  CHECK(between("[[label]]\nwhen = '1'\n[[label]]\nwhen = '2'", "[[label]]\nwhen = '1'\n[[label]]\nwhen = '3'")
            .starts_with("label 2: when was "));
  CHECK(between("a = 1\nb = 2", "b = 2\na = 1") == "the order of its parts differs");
}

TEST_CASE("the first three differences are named, the others counted; long values are cut") {
  CHECK(between("[a]\nb = 1\nc = 1\nd = 1\ne = 1\nf = 1", "[a]\nb = 2\nc = 2\nd = 2\ne = 2\nf = 2") ==
        "a.b was 1 and is 2, a.c was 1 and is 2, a.d was 1 and is 2, and 2 more differences");
  CHECK(between("[a]\nb = 1\nc = 1\nd = 1", "[a]\nb = 2\nc = 2\nd = 2") ==
        "a.b was 1 and is 2, a.c was 1 and is 2, a.d was 1 and is 2");
  const std::string long_value(200, 'x');
  const std::string said = between("[a]\nb = 1", "[a]\nb = '" + long_value + "'");
  CHECK(said.size() < 100);
  CHECK(said.ends_with("..."));
  const std::string sixty = between("[a]\nb = 1", "[a]\nb = '" + std::string(50, 'x') + "'");
  CHECK(sixty.find(std::string(50, 'x')) != std::string::npos);
}

TEST_CASE("files: other contents, new, gone; blanks in a path belong to it") {
  CHECK(file_changes("a b.csv 123\n", "a b.csv 124\n") == "the file a b.csv has other contents");
  CHECK(file_changes("a.csv 1\nb.csv 2\n", "b.csv 2\n") == "the file a.csv is not there any more");
  CHECK(file_changes("b.csv 2\n", "a.csv 1\nb.csv 2\n") == "the file a.csv is new");
  CHECK(file_changes("b.csv 2\na.csv 1\n", "a.csv 1\nb.csv 2\n") == "the order of its parts differs");
}
