#include "cli/results/trial_run.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>

#include "settings/settings.hpp"

using namespace edgewise;
using cli::try_first;

namespace {

std::string refusal(const std::function<void()>& work) {
  try {
    try_first("x.nc", work);
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("work that kills its process is told, and leaves this one alone") {
  const std::string damaged = "x.nc: is damaged: the library that reads such files does not survive it";
  CHECK(refusal([] { std::raise(SIGSEGV); }) == damaged);
  CHECK(refusal([] { std::abort(); }) == damaged);
  CHECK(refusal([] { std::_Exit(3); }) == damaged);
  CHECK(refusal([] {
          for (volatile bool on = true; on;) continue;
        }) == damaged);
}

TEST_CASE("what the work throws is told in its words, and nothing of what it does is kept") {
  int done = 0;
  CHECK(refusal([&] { done = 1; }).empty());
  CHECK(done == 0);
  const std::string longer_than_a_pipe(200000, 'x');
  CHECK(refusal([&] { throw std::runtime_error(longer_than_a_pipe); }) == "x.nc: " + longer_than_a_pipe);
}

TEST_CASE("memory beyond what a small file can need is not to be had" * doctest::skip(!cli::trial_memory_is_limited)) {
  CHECK(refusal([] {
          volatile std::size_t size = std::size_t{8} << 30U;
          ::operator delete(::operator new(size));
        }) == "x.nc: there is not enough memory for it, or it is damaged");
}
