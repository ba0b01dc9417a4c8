#include "settings/expression.hpp"

#include <fmt/format.h>
#include <muParser.h>

#include <cctype>
#include <cmath>
#include <limits>
#include <mutex>
#include <numbers>
#include <stdexcept>

#include "settings/settings.hpp"

namespace edgewise::settings {

namespace {

double sign_of(double x) {
  return x > 0 ? 1.0 : x < 0 ? -1.0 : x;
}
double error_function(double x) {
  return std::erf(x);
}
double complementary_error_function(double x) {
  return std::erfc(x);
}
double floor_of(double x) {
  return std::floor(x);
}
double round_of(double x) {
  return std::round(x);
}
double is_finite(double x) {
  return std::isfinite(x) ? 1 : 0;
}
double is_nan(double x) {
  return std::isnan(x) ? 1 : 0;
}
double negation(double x) {
  return x == 0 ? 1 : 0;
}

}  // namespace

struct Expression::Impl {
  std::string formula;
  std::vector<std::string> variables;
  std::vector<double> values;
  mu::Parser parser;
  std::mutex mutex;  // the parser reads its variables through pointers

  Impl(std::string the_formula, std::vector<std::string> names)
      : formula(std::move(the_formula)), variables(std::move(names)), values(variables.size()) {
    if (formula.find_first_not_of(" \t\n") == std::string::npos) throw std::invalid_argument("the formula is empty");
    try {
      // Constants that muparser writes _pi and _e.
      parser.ClearConst();
      parser.DefineConst("pi", std::numbers::pi);
      parser.DefineConst("e", std::numbers::e);
      parser.DefineConst("inf", std::numeric_limits<double>::infinity());
      parser.DefineConst("nan", std::numeric_limits<double>::quiet_NaN());
      parser.DefineFun("sign", sign_of);
      parser.DefineFun("erf", error_function);
      parser.DefineFun("erfc", complementary_error_function);
      parser.DefineFun("floor", floor_of);
      parser.DefineFun("round", round_of);
      parser.DefineFun("isfinite", is_finite);
      parser.DefineFun("isnan", is_nan);
      parser.DefineInfixOprt("!", negation);
      for (std::size_t i = 0; i < variables.size(); ++i) parser.DefineVar(variables[i], &values[i]);
      parser.SetExpr(formula);
      parser.Eval();
    } catch (const mu::Parser::exception_type& error) {
      throw std::invalid_argument(message(error));
    }
  }

  std::string message(const mu::Parser::exception_type& error) const {
    if (error.GetCode() == mu::ecUNASSIGNABLE_TOKEN)
      return fmt::format("'{}' in \"{}\" is not known here; known: {}{}", error.GetToken(), formula, join(variables),
                         suggestion(error.GetToken(), variables));
    std::string text = error.GetMsg();
    while (!text.empty() && (text.back() == '.' || text.back() == '\n')) text.pop_back();
    return fmt::format("\"{}\" cannot be read: {}", formula, text);
  }
};

Expression::Expression(std::string formula, std::vector<std::string> variables)
    : impl_(std::make_unique<Impl>(std::move(formula), std::move(variables))) {}
Expression::~Expression() = default;
Expression::Expression(Expression&&) noexcept = default;
Expression& Expression::operator=(Expression&&) noexcept = default;

double Expression::operator()(std::span<const double> values) const {
  if (values.size() != impl_->values.size())
    throw std::invalid_argument(
        fmt::format("the formula takes {} values, got {}", impl_->values.size(), values.size()));
  const std::lock_guard lock(impl_->mutex);
  std::copy(values.begin(), values.end(), impl_->values.begin());
  try {
    return impl_->parser.Eval();
  } catch (const mu::Parser::exception_type& error) {
    throw std::invalid_argument(impl_->message(error));
  }
}

const std::string& Expression::formula() const {
  return impl_->formula;
}
const std::vector<std::string>& Expression::variables() const {
  return impl_->variables;
}

std::vector<std::string> Expression::used() const {
  std::vector<std::string> out;
  const std::lock_guard lock(impl_->mutex);
  for (const auto& [name, where] : impl_->parser.GetUsedVar())
    if (where) out.push_back(name);
  return out;
}

bool is_variable_name(std::string_view name) {
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name.front()))) return false;
  for (const char c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_') return false;
  return name != "pi" && name != "e" && name != "inf" && name != "nan";
}

}  // namespace edgewise::settings
