#pragma once
/// \file
/// How the kinds of measures are made from their [[measure]] tables; for measures.cpp.
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "settings/expression.hpp"
#include "settings/settings.hpp"
#include "validation/sweeps/measures.hpp"

namespace edgewise::validation {

/// One measure as its table asks for it.
struct MeasureTable {
  settings::Values values;
  std::string name;                    ///< with the variant's name where it is taken of each
  std::size_t variant = 0;             ///< index, of kinds that look at one variant
  std::vector<std::string> variants;   ///< all names
  std::vector<std::string> variables;  ///< that formulas may use, without those of a curve
  std::string what;                    ///< what the sweep does

  /// Index of the variant that `key` names. \throws settings::Error.
  std::size_t variant_named(const std::string& key) const;
  /// \throws settings::Error at `key` unless the sweep does one of `accepted`.
  void require(const std::vector<std::string>& accepted, const std::string& key) const;
};

struct MeasureKind {
  settings::Description description;
  bool one_variant = true;            ///< it looks at one variant
  std::vector<std::string> formulas;  ///< keys that take a formula or a number
  std::unique_ptr<Measure> (*make)(const MeasureTable&) = nullptr;
};

/// A formula at `key`, whose errors name the key.
/// \param more  names it may use beside the table's variables
settings::Expression formula(const MeasureTable& table, const std::string& key,
                             const std::vector<std::string>& more = {});

/// \throws settings::Error at `key` when the step is known before any cell is computed, and below 0.
void require_step(const MeasureTable& table, const std::string& key, const settings::Expression& step);

/// A window of steps between two formulas, at the keys `from` and `to`.
class FormulaWindow {
 public:
  /// \throws settings::Error when they are plain numbers, and reversed or below 0.
  explicit FormulaWindow(const MeasureTable& table);
  const std::string& from() const { return from_.formula(); }
  const std::string& to() const { return to_.formula(); }
  /// Both ends, NaN where one is not defined. \throws settings::Error when they are reversed.
  std::pair<double, double> ends(std::span<const double> names) const;

 private:
  std::string name_;
  settings::Values values_;
  settings::Expression from_, to_;
};

/// Names that formulas about a curve may use: initial, first, last.
const std::vector<std::string>& curve_names();

/// Those that read a recorded curve (curve_measures.cpp).
std::span<const MeasureKind> curve_measure_kinds();
/// Those that read anything else (outcome_measures.cpp).
std::span<const MeasureKind> outcome_measure_kinds();

}  // namespace edgewise::validation
