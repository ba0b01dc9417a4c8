#pragma once
/// \file
/// Formulas of the learnability calculator, as trees.
#include <cstddef>
#include <string>
#include <vector>

namespace edgewise::models::ingredients::learnability {

/// A node: a number, a variable, an operation or a named function of its arguments.
struct Formula {
  enum class Kind { number, variable, add, subtract, multiply, divide, power, function };
  Kind kind = Kind::number;
  double value = 0;  ///< of a number
  std::string name;  ///< of a variable or a function
  std::vector<Formula> arguments;

  /// Names of the variables, each once, in the order in which they come.
  std::vector<std::string> variables() const;
};

/// Grammar: + - * / ^, parentheses, numbers, pi, names (every other name is a variable: <w, x> with |w| = 1), and the
/// functions of `function_names`. \throws std::invalid_argument "at N: what is wrong".
Formula read_formula(const std::string& text);

/// exp, log, sqrt, sin, cos, sinh, cosh, and what tasks are made of (bound.hpp).
const std::vector<std::string>& function_names();

}  // namespace edgewise::models::ingredients::learnability
