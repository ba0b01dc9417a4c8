#pragma once
/// What a test asks of a refusal.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/cli/program_run.hpp"

namespace edgewise::cli::testing {

/// Every bad input ends with status 2 and one line on standard error, nothing on standard output.
inline void check_refused(const std::vector<std::string>& arguments, const std::vector<std::string>& words) {
  const Run r = run(arguments);
  CAPTURE(r.err);
  CHECK(r.status == 2);
  CHECK(r.one_line());
  CHECK(r.out.empty());
  for (const std::string& word : words) {
    CAPTURE(word);
    CHECK(r.says(word));
  }
}

}  // namespace edgewise::cli::testing
