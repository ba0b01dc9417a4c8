#include "cli/late_library.hpp"

#include <doctest/doctest.h>

#include <string>

#include "settings/settings.hpp"

using edgewise::cli::late_function;
using edgewise::cli::LateLibrary;

TEST_CASE("a function of a library that was not linked") {
  const LateLibrary mathematics("libm.so.6");
  CHECK(late_function<double (*)(double)>(mathematics, "trunc")(2.5) == 2);
}

TEST_CASE("a library or a function that is not there is one clear line") {
  const auto error_of = [](const char* file, const char* name) -> std::string {
    try {
      LateLibrary(file).symbol(name);
    } catch (const edgewise::settings::Error& e) {
      return e.what();
    }
    return "";
  };
  const std::string file = error_of("libnot-there.so.1", "nc_open"), symbol = error_of("libm.so.6", "nc_open");
  CHECK(file.find("libnot-there.so.1 cannot be loaded; is it installed?") == 0);
  CHECK(symbol.find("libm.so.6 cannot be loaded; is it installed?") == 0);
  CHECK(symbol.find("nc_open") != std::string::npos);
  CHECK(file.find('\n') == std::string::npos);
}
