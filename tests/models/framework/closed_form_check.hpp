#pragma once
// The closed forms of one model, each to its own tolerance.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::testing {

/// Closed forms that one test case evaluates. Stands at namespace scope: tests/models/closed_forms_test.cpp sees that all of
/// them together leave no closed form out.
struct ClosedFormCheck {
  std::string model;
  std::string names;      ///< regular expression of the names
  std::size_t least = 0;  ///< how many there are, so that none is lost

  static std::vector<ClosedFormCheck>& all() {
    static std::vector<ClosedFormCheck> checks;
    return checks;
  }

  ClosedFormCheck(std::string of, std::string those, std::size_t count)
      : model(std::move(of)), names(std::move(those)), least(count) {
    all().push_back(*this);
  }

  bool takes(const std::string& name) const { return std::regex_match(name, std::regex(names)); }

  /// \param data  the folder data/ of the checkout, beside which the pages stand
  void run(const std::filesystem::path& data) const {
    const Model* found = find_model(model);
    REQUIRE(found);
    std::set<std::string> seen;
    for (const ClosedForm& form : found->closed_forms()) {
      if (!takes(form.name)) continue;
      CAPTURE(form.name);
      CHECK(seen.insert(form.name).second);
      CHECK(form.formula.find(" 1 steps") == std::string::npos);
      CHECK_FALSE(std::regex_search(form.name, std::regex("[0-9]{19}")));  // a count below 0
      const std::string page = form.source.substr(0, form.source.find_first_of(", "));
      CAPTURE(page);
      CHECK(page.starts_with("docs/"));
      CHECK(std::filesystem::is_regular_file(data.parent_path() / page));
      const auto result = form.evaluate();
      const double value = result.first, computed = result.second;
      CAPTURE(value);
      CAPTURE(computed);
      if (value == computed) continue;  // infinities
      CHECK(std::abs(computed - value) <= form.tolerance * (value == 0 ? 1 : std::abs(value)));
    }
    CHECK(seen.size() >= least);
  }
};

}  // namespace edgewise::models::testing
