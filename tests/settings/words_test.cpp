#include "settings/words.hpp"

#include <doctest/doctest.h>

using namespace edgewise;

namespace {
enum class Colour { red, green, blue };
const settings::Words<Colour> colours = {{"rot", Colour::red}, {"green", Colour::green}};
}  // namespace

TEST_CASE("words and values, in the order in which they are listed") {
  CHECK(settings::word_of(colours, Colour::green) == "green");
  CHECK(settings::value_of(colours, "rot") == Colour::red);
  CHECK(settings::words_of(colours) == std::vector<std::string>{"rot", "green"});
  CHECK_THROWS_AS(settings::word_of(colours, Colour::blue), std::logic_error);
  CHECK_THROWS_AS(settings::value_of(colours, "red"), std::logic_error);
}
