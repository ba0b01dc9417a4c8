#include "settings/failure.hpp"

#include <doctest/doctest.h>

#include <new>
#include <optional>
#include <stdexcept>

#include "settings/settings.hpp"

using namespace edgewise::settings;

TEST_CASE("what this program says is handed on, what a library says is not") {
  CHECK(said_by(Error("x.toml: a.b: must be > 0")) == "x.toml: a.b: must be > 0");
  CHECK(said_by(std::runtime_error("did not converge")) == "did not converge");
  CHECK(said_by(std::domain_error("unstable")) == "unstable");
  CHECK(said_by(std::bad_alloc()) == "needs more memory than there is");
  struct OfLibrary : std::overflow_error {
    OfLibrary() : std::overflow_error("Overflow Error") {}
  };
  const std::string meant =
      "a number on the way is too large, too small or not defined; are all of the file's values meant so?";
  CHECK(said_by(OfLibrary()) == meant);
  CHECK(said_by(std::length_error("vector::_M_default_append")) == meant);
  CHECK(said_by(std::out_of_range("vector::_M_range_check")) == meant);
  CHECK(said_by(std::bad_optional_access()) == meant);
  // Built without its own classes of exceptions, boost throws the plain ones.
  CHECK(said_by(std::domain_error("Error in function boost::math::f<%1%>(%1%): 3")) == meant);
  CHECK(said_by(std::logic_error("basic_string: construction from null is not valid")) == meant);
  CHECK(said_by(std::runtime_error("")) == meant);
}
