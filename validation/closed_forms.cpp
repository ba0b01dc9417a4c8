// Built at -O1: nothing here takes time.
#include "validation/closed_forms.hpp"

#include <cmath>
#include <exception>
#include <limits>

namespace edgewise::validation {

namespace {

/// Glob match of the whole of `name`: on a mismatch, the last * takes one more character.
bool matches(std::string_view name, std::string_view pattern) {
  std::size_t n = 0, p = 0, star = std::string_view::npos, taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace

bool fits(std::string_view name, std::string_view pattern) {
  if (pattern.find_first_of("*?") == std::string_view::npos) return name.find(pattern) != std::string_view::npos;
  return matches(name, pattern);
}

ClosedFormResult evaluate(const models::ClosedForm& form) {
  ClosedFormResult result;
  result.name = form.name;
  result.formula = form.formula;
  result.source = form.source;
  result.tolerance = form.tolerance;
  result.reference = form.reference;
  try {
    const auto [value, computed] = form.evaluate();
    result.value = value;
    result.computed = computed;
    result.error = std::abs(computed - value);
    if (value != 0) result.error /= std::abs(value);
    if (value == computed) result.error = 0;  // infinities included
  } catch (const std::exception& exception) {
    result.value = result.computed = result.error = std::numeric_limits<double>::quiet_NaN();
    result.failure = exception.what();
  }
  result.pass = result.error <= result.tolerance;
  return result;
}

std::vector<ClosedFormResult> closed_forms(std::span<const models::Model* const> models, std::string_view pattern,
                                           const std::function<void(double)>& progress) {
  std::vector<models::ClosedForm> chosen;
  for (const auto* model : models)
    for (auto& form : model->closed_forms())
      if (fits(form.name, pattern)) chosen.push_back(std::move(form));
  std::vector<ClosedFormResult> results;
  for (const auto& form : chosen) {
    results.push_back(evaluate(form));
    if (progress) progress(static_cast<double>(results.size()) / static_cast<double>(chosen.size()));
  }
  return results;
}

std::vector<ClosedFormResult> closed_forms(std::string_view pattern, const std::function<void(double)>& progress) {
  return closed_forms(models::all(), pattern, progress);
}

}  // namespace edgewise::validation
