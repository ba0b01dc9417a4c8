#include "cli/commands/at_work.hpp"

#include <doctest/doctest.h>

#include <new>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "settings/settings.hpp"

using namespace edgewise;
using namespace edgewise::cli;

namespace {

template <class Exception>
std::string told(const Exception& exception) {
  std::ostringstream out, err;
  const Context context{out, err};
  try {
    at_work(context, "dir/x.toml", "solve", [&]() -> int { throw exception; });
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("whatever goes wrong is told with the file, in words of this program") {
  CHECK(told(settings::Error("dir/x.toml: a.b: must be > 0")) == "dir/x.toml: a.b: must be > 0");
  CHECK(told(settings::Error("the learning rate must be > 0")) == "dir/x.toml: the learning rate must be > 0");
  CHECK(told(std::invalid_argument("theory.method: no")) == "dir/x.toml: theory.method: no");
  CHECK(told(std::runtime_error("did not converge")) == "dir/x.toml: did not converge");
  CHECK(told(settings::Error("--set a.b: no")) == "--set a.b: no");
  CHECK(told(std::bad_alloc()) == "dir/x.toml: needs more memory than there is");
  struct OfLibrary : std::overflow_error {
    OfLibrary() : std::overflow_error("Error in function boost::math::f<%1%>(%1%): Overflow Error") {}
  };
  for (const std::string& said :
       {told(OfLibrary()), told(std::out_of_range("vector::_M_range_check")), told(std::bad_optional_access())}) {
    CHECK(said.starts_with("dir/x.toml: a number on the way is too large"));
    CHECK(said.find("::") == std::string::npos);
  }
}

TEST_CASE("what the work gives is handed through") {
  std::ostringstream out, err;
  const Context context{out, err};
  CHECK(at_work(context, "x", "solve", [] { return 7; }) == 7);
  int done = 0;
  at_work(context, "x", "solve", [&] { done = 1; });
  CHECK(done == 1);
}
