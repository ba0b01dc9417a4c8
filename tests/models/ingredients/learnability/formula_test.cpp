#include "models/ingredients/learnability/formula.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <stdexcept>

#include "tests/approx.hpp"

using namespace edgewise::models::ingredients::learnability;
using edgewise::tests::Approx;

namespace {

/// With x = 2, y = 3 and w_1 = 5.
double value(const Formula& f) {
  const auto argument = [&](std::size_t k) { return value(f.arguments.at(k)); };
  switch (f.kind) {
    case Formula::Kind::number:
      return f.value;
    case Formula::Kind::variable:
      return f.name == "x" ? 2 : f.name == "y" ? 3 : 5;
    case Formula::Kind::add:
      return argument(0) + argument(1);
    case Formula::Kind::subtract:
      return argument(0) - argument(1);
    case Formula::Kind::multiply:
      return argument(0) * argument(1);
    case Formula::Kind::divide:
      return argument(0) / argument(1);
    case Formula::Kind::power:
      return std::pow(argument(0), argument(1));
    case Formula::Kind::function:
      if (f.name == "exp") return std::exp(argument(0));
      if (f.name == "log") return std::log(argument(0));
      if (f.name == "sqrt") return std::sqrt(argument(0));
      if (f.name == "sum") return argument(0) + argument(1) + argument(2);
  }
  return NAN;
}

std::string message(const std::string& text) {
  try {
    read_formula(text);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int k = 0; k < times; ++k) out += text;
  return out;
}

}  // namespace

TEST_CASE("precedence, association and signs are those of arithmetic") {
  struct Case {
    const char* text;
    double expected;
  };
  for (const Case& c : {Case{"x + y * 2", 8},
                        {"(x + y) * 2", 10},
                        {"x - y - 1", -2},
                        {"12 / x / y", 2},
                        {"12 / x * y", 18},
                        {"x ^ y ^ 2", 512},
                        {"-x ^ 2", -4},
                        {"(-x) ^ 2", 4},
                        {"x ^ -1", 0.5},
                        {"y * -x", -6},
                        {"+x - -y", 5},
                        {"2 - x * y", -4},
                        {" 1.5e1+.5 ", 15.5},
                        {"w_1 / 2", 2.5},
                        {"2 * pi", 2 * std::numbers::pi},
                        {"exp(x - 2)", 1},
                        {"sqrt(y * 3) + 1", 4},
                        {"sum(x, y, x + y) ^ 2", 100}}) {
    CAPTURE(c.text);
    CHECK(value(read_formula(c.text)) == Approx(c.expected).epsilon(1e-14));
  }
}

TEST_CASE("variables, each once, in the order in which they come") {
  CHECK(read_formula("y + x * exp(z - y) / pi").variables() == std::vector<std::string>{"y", "x", "z"});
  CHECK(read_formula("3").variables().empty());
}

TEST_CASE("what cannot be read is refused with its place") {
  CHECK(message("x +") == "at letter 4: the formula ends where a number, a name or a parenthesis is expected");
  CHECK(message("x y") == "at letter 3: 'y' is not expected here");
  CHECK(message("(x") == "at letter 3: a closing parenthesis is missing");
  CHECK(message("exp(x") == "at letter 6: a closing parenthesis is missing");
  CHECK(message("2 * )") == "at letter 5: a number, a name or a parenthesis is expected");
  CHECK(message(".") == "at letter 1: a number is expected");
  CHECK(message("1e999") == "at letter 1: a number is expected");
  CHECK(message("expp(x)").find("there is no function 'expp', did you mean 'exp'?") != std::string::npos);
  CHECK(message("x(2)").find("there is no function 'x'") != std::string::npos);
}

TEST_CASE("nesting and length are bounded, depth alone is not length") {
  CHECK(message(repeated("(", 90) + "x" + repeated(")", 90)) == "accepted");
  CHECK(message(repeated("(", 300) + "x" + repeated(")", 300)).find("inside each other") != std::string::npos);
  CHECK(message(repeated("-", 300) + "x").find("inside each other") != std::string::npos);
  CHECK(message("x" + repeated("+x", 1000)) == "accepted");
  CHECK(message("x" + repeated("+(x)", 1000)) == "accepted");
  CHECK(message("x" + repeated("+x", 5000)) == "the formula is longer than 10000 letters");
  CHECK(message("x" + repeated("+x", 4999)) == "accepted");
}
