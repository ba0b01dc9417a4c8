// Built at -O1: nothing here takes time.
#include "models/ingredients/learnability/formula.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "numerics/constants.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"

namespace edgewise::models::ingredients::learnability {

namespace {

using Kind = Formula::Kind;

constexpr std::size_t longest_formula = 10000;
constexpr int deepest_formula = 200;

class FormulaReader {
 public:
  explicit FormulaReader(const std::string& text) : text_(text) {
    if (text.size() > longest_formula) throw std::invalid_argument("the formula is longer than 10000 letters");
  }

  Formula all() {
    Formula out = sum();
    if (next() != '\0') fail(fmt::format("'{}' is not expected here", settings::shown(text_.substr(at_, 1))));
    return out;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw std::invalid_argument(fmt::format("at letter {}: {}", at_ + 1, what));
  }
  char next() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char c) {
    if (next() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  static Formula joined(Kind kind, Formula a, Formula b) {
    Formula out;
    out.kind = kind;
    out.arguments = {std::move(a), std::move(b)};
    return out;
  }

  Formula sum() {
    if (++depth_ > deepest_formula) fail("too many parentheses inside each other");
    Formula out = product();
    while (true) {
      if (take('+'))
        out = joined(Kind::add, std::move(out), product());
      else if (take('-'))
        out = joined(Kind::subtract, std::move(out), product());
      else
        break;
    }
    --depth_;
    return out;
  }
  Formula product() {
    Formula out = signed_power();
    while (true) {
      if (take('*'))
        out = joined(Kind::multiply, std::move(out), signed_power());
      else if (take('/'))
        out = joined(Kind::divide, std::move(out), signed_power());
      else
        return out;
    }
  }
  Formula signed_power() {
    if (++depth_ > deepest_formula) fail("too many signs or powers inside each other");
    Formula out;
    if (take('-')) {
      out = joined(Kind::subtract, Formula{}, signed_power());
    } else {
      take('+');
      out = primary();
      if (take('^')) out = raised(std::move(out), signed_power());
    }
    --depth_;
    return out;
  }
  /// What has a variable in the exponent is exp(exponent log(base)).
  static Formula raised(Formula base, Formula exponent) {
    if (exponent.variables().empty()) return joined(Kind::power, std::move(base), std::move(exponent));
    const auto function = [](const char* name, Formula of) {
      Formula out;
      out.kind = Kind::function;
      out.name = name;
      out.arguments.push_back(std::move(of));
      return out;
    };
    return function("exp", joined(Kind::multiply, std::move(exponent), function("log", std::move(base))));
  }
  Formula primary() {
    const char c = next();
    if (take('(')) {
      Formula out = sum();
      if (!take(')')) fail("a closing parenthesis is missing");
      return out;
    }
    Formula out;
    if (std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '.') {
      char* end = nullptr;
      out.value = std::strtod(text_.c_str() + at_, &end);
      const auto stop = static_cast<std::size_t>(end - text_.c_str());
      if (stop == at_ || !std::isfinite(out.value)) fail("a number is expected");
      at_ = stop;
      return out;
    }
    if (std::isalpha(static_cast<unsigned char>(c)) == 0 && c != '_')
      fail(c == '\0' ? std::string("the formula ends where a number, a name or a parenthesis is expected")
                     : "a number, a name or a parenthesis is expected");
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_'))
      out.name += text_[at_++];
    if (out.name == "pi") {
      out.value = pi;
      return out;
    }
    out.kind = Kind::variable;
    if (!take('(')) return out;
    out.kind = Kind::function;
    if (std::ranges::find(function_names(), out.name) == function_names().end())
      fail(fmt::format("there is no function '{}'{}; functions: {}", settings::shown(out.name),
                       settings::suggestion(out.name, function_names()), settings::join(function_names())));
    do out.arguments.push_back(sum());
    while (take(','));
    if (!take(')')) fail("a closing parenthesis is missing");
    return out;
  }

  const std::string& text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

void collect(const Formula& f, std::vector<std::string>& names) {
  if (f.kind == Kind::variable && std::ranges::find(names, f.name) == names.end()) names.push_back(f.name);
  for (const Formula& argument : f.arguments) collect(argument, names);
}

}  // namespace

std::vector<std::string> Formula::variables() const {
  std::vector<std::string> names;
  collect(*this, names);
  return names;
}

const std::vector<std::string>& function_names() {
  static const std::vector<std::string> names = {
      "exp",       "log",           "sqrt",  "sin", "cos",       "sinh",     "cosh", "linear", "quadratic",
      "distance2", "inverse_power", "force", "sum", "indicator", "clusters", "tree", "parity"};
  return names;
}

Formula read_formula(const std::string& text) {
  return FormulaReader(text).all();
}

}  // namespace edgewise::models::ingredients::learnability
