#include "validation/sweeps/sweep_changes.hpp"

#include <doctest/doctest.h>

#include <string>

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

TEST_CASE(
    "values of up to sixty characters are shown whole; parts are called by their name before their key, else counted") {
  // Quotes are a part of the text.
  CHECK(between("[a]\nb = 1", "[a]\nb = '" + std::string(58, 'x') + "'") ==
        "a.b was 1 and is \"" + std::string(58, 'x') + "\"");
  CHECK(between("[a]\nb = 1", "[a]\nb = '" + std::string(59, 'x') + "'") ==
        "a.b was 1 and is \"" + std::string(56, 'x') + "...");
  CHECK(between("[a]\nb = '" + std::string(59, 'x') + "'", "[a]\nc = '" + std::string(59, 'y') + "'") ==
        "a.b was \"" + std::string(56, 'x') + "... and is gone, a.c is new, \"" + std::string(56, 'y') + "...");
  CHECK(between("[[axis]]\nkey = 'a.b'\nname = 'c'\ncount = 1", "[[axis]]\nkey = 'a.b'\nname = 'c'\ncount = 2") ==
        "axis 'c': count was 1 and is 2");
  CHECK(between("[[axis]]\nname = 3\ncount = 1", "[[axis]]\nname = 3\ncount = 2") == "axis 1: count was 1 and is 2");
  // Only the sweep's own section of that name is dropped from what is said.
  CHECK(between("[a.experiment]\nb = 1", "[a.experiment]\nb = 2") == "a.experiment.b was 1 and is 2");
  CHECK(between("[a]\nb = 1\nc = 1\nd = 1\ne = 1", "[a]\nb = 2\nc = 2\nd = 2\ne = 2")
            .ends_with("a.d was 1 and is 2, and 1 more differences"));
  CHECK(file_changes("a 1\nb 2\nc 3\n", "a 2\nc 3\nd 4\n") ==
        "the file a has other contents, the file b is not there any more, the file d is new");
}
