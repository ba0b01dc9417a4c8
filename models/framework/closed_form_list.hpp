#pragma once
/// \file
/// How a model collects its closed forms and reference values.
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models {

/// The closed forms whose names begin with one prefix ("least-squares/"), and whose sources stand in one page of docs/theory.
class ClosedFormList {
 public:
  using Pair = std::pair<double, double>;

  ClosedFormList(std::string prefix, std::string page) : prefix_(std::move(prefix)), page_(std::move(page)) {}

  /// `section`: of the page, e.g. "4.1" or "3 and 6"; or a whole source, "docs/theory/...". `evaluate` gives the formula's
  /// value and the computed one; for `tolerance` see ClosedForm.
  void add(std::string_view name, std::string formula, std::string_view section, double tolerance,
           std::function<Pair()> evaluate);
  /// A reference value: a number that was pinned, not derived.
  void add_reference(std::string_view name, std::string formula, std::string_view section, double tolerance,
                     std::function<Pair()> evaluate);
  /// A reference value printed with `decimals` decimals: half a unit of the last, and a little.
  void printed(std::string_view name, std::string formula, std::string_view section, double value, int decimals,
               std::function<double()> compute);

  std::vector<ClosedForm> take() { return std::move(forms_); }

 private:
  std::string prefix_, page_;
  std::vector<ClosedForm> forms_;
};

/// The problem of an experiment that is written as a user would write it. \throws settings::Error.
std::unique_ptr<Problem> written_problem(const std::string& text);

}  // namespace edgewise::models
