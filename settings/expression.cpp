#include "settings/expression.hpp"

#include <fmt/format.h>
#include <muParser.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <mutex>
#include <numbers>
#include <stdexcept>

#include "settings/settings.hpp"
#include "settings/shown.hpp"

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

/// sum of j^-s for j = 1..n (n rounded down, or infinite for s > 1), by Euler and Maclaurin's formula; good to rounding
/// for -2 < s < 12.
double harmonic(double n, double s) {
  constexpr double direct = 40;
  constexpr double coefficients[] = {1.0 / 12, -1.0 / 720, 1.0 / 30240};
  n = std::floor(n);
  if (std::isnan(n) || std::isnan(s)) return std::numeric_limits<double>::quiet_NaN();
  if (n < 1) return 0;
  if (std::isinf(n) && s <= 1) return std::numeric_limits<double>::infinity();
  double sum = 0;
  for (double j = 1; j < std::min(n + 1, direct); ++j) sum += std::pow(j, -s);
  if (n < direct) return sum;
  const double power = 1 - s, scale = std::pow(direct, power);
  if (std::isinf(n))
    sum += -scale / power;
  else
    sum += power == 0 ? std::log(n / direct) : scale * std::expm1(power * std::log(n / direct)) / power;
  sum += (std::pow(direct, -s) + std::pow(n, -s)) / 2;
  double rising = s;  // s (s+1) ... (s+m-1), m the order of the derivative
  double order = 1;
  for (const double c : coefficients) {
    sum += c * rising * (std::pow(direct, -s - order) - std::pow(n, -s - order));
    rising *= (s + order) * (s + order + 1);
    order += 2;
  }
  return sum;
}

/// The parser would take "a = 1" for an assignment.
void refuse_assignment(const std::string& formula) {
  char before = 0;
  for (std::size_t i = 0; i < formula.size(); before = formula[i++]) {
    if (formula[i] != '=') continue;
    const bool first = formula[i + 1] == '=';  // 0 behind the end
    if (!first && std::string_view("=!<>").find(before) == std::string_view::npos)
      throw std::invalid_argument(
          fmt::format("\"{}\" cannot be read: a single = at position {}; write == to compare", shown(formula, 120), i));
    if (first) ++i;
  }
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
    refuse_assignment(formula);
    try {
      // Its folding of constants takes 0.5 && 1 for 0.
      parser.EnableOptimizer(false);
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
      parser.DefineFun("harmonic", harmonic);
      parser.DefineInfixOprt("!", negation);
      for (std::size_t i = 0; i < variables.size(); ++i) parser.DefineVar(variables[i], &values[i]);
      parser.SetExpr(formula);
      parser.Eval();
      if (parser.GetNumResults() != 1)
        throw std::invalid_argument(fmt::format("\"{}\" cannot be read: it has {} values, separated by commas",
                                                shown(formula, 120), parser.GetNumResults()));
    } catch (const mu::Parser::exception_type& error) {
      throw std::invalid_argument(message(error));
    }
  }

  /// In our own words: the parser's name its internals.
  std::string message(const mu::Parser::exception_type& error) const {
    const std::string token = shown(error.GetToken()), whole = shown(formula, 120);
    const auto unread = [&](const std::string& why) { return fmt::format("\"{}\" cannot be read: {}", whole, why); };
    const std::string where = fmt::format(" at position {}", error.GetPos());
    switch (error.GetCode()) {
      case mu::ecUNASSIGNABLE_TOKEN:
        return fmt::format("'{}' in \"{}\" is not known here; known: {}{}", token, whole, join(variables),
                           suggestion(error.GetToken(), variables));
      case mu::ecUNEXPECTED_EOF:
        return unread("it ends where something must follow");
      case mu::ecMISSING_PARENS:
        return unread("a ( is not closed");
      case mu::ecUNEXPECTED_PARENS:
        return unread(fmt::format("'{}'{} has no counterpart or no place there", token, where));
      case mu::ecTOO_MANY_PARAMS:
      case mu::ecTOO_FEW_PARAMS:
        return unread(fmt::format("'{}' is given too {} values", token,
                                  error.GetCode() == mu::ecTOO_FEW_PARAMS ? "few" : "many"));
      case mu::ecUNEXPECTED_ARG_SEP:
        return unread("a comma" + where + " has no place there");
      case mu::ecUNEXPECTED_OPERATOR:
      case mu::ecUNEXPECTED_VAL:
      case mu::ecUNEXPECTED_VAR:
      case mu::ecUNEXPECTED_FUN:
      case mu::ecUNEXPECTED_ARG:
        return unread(fmt::format("'{}'{} has no place there; is an operator or a value missing?", token, where));
      case mu::ecUNEXPECTED_STR:
      case mu::ecUNTERMINATED_STRING:
      case mu::ecSTR_RESULT:
      case mu::ecSTRING_EXPECTED:
      case mu::ecVAL_EXPECTED:
        return unread("texts have no place in a formula");
      case mu::ecMISSING_ELSE_CLAUSE:
      case mu::ecMISPLACED_COLON:
      case mu::ecUNEXPECTED_CONDITIONAL:
        return unread("a choice is written condition ? value : other value");
      case mu::ecEXPRESSION_TOO_LONG:
      case mu::ecIDENTIFIER_TOO_LONG:
        return unread("it is too long");
      case mu::ecINVALID_CHARACTERS_FOUND:
        return unread("it holds letters that no formula has");
      default:
        return unread(token.empty() ? "no formula is written so" : fmt::format("at '{}'{}", token, where));
    }
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
