#pragma once
/// \file
/// What `solve`, `simulate` and `validate` hand back: one shape for all three, written as CSV or NetCDF and read again.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/framework/model.hpp"
#include "validation/monte_carlo/monte_carlo.hpp"
#include "validation/verdicts/verdict.hpp"

namespace edgewise::cli {

/// A line of provenance. Numbers keep their exact text; in NetCDF they become attributes of type double.
struct Attribute {
  std::string name;
  std::string text;  ///< may have several lines, no final line end
  bool number = false;
  /// Whether the attribute is a number is lost in CSV, where all is text.
  bool operator==(const Attribute& other) const { return name == other.name && text == other.text; }
};

Attribute attribute(std::string name, std::string_view text);
Attribute attribute(std::string name, double value);

enum class ResultKind { solution, simulation, validation };
std::string_view name(ResultKind kind);

/// A quantity known of every observable, e.g. "mean" or "theory".
struct Field {
  std::string name;  ///< "" is the observable itself; else what stands behind NAME_ (or a column of a validation)
  std::string doc;
  bool dimensionless = false;  ///< z-scores have no unit; all other fields have their observable's
  /// [observable][step]; an empty inner list where this observable has no such quantity.
  std::vector<std::vector<double>> values;
};

/// What the column of a field is called, but for validations: "risk", "risk_mean".
std::string column_name(const models::Observable& observable, const Field& field);

/// Theory on a grid of its own, denser than the recorded steps; empty inner lists where an observable has none.
struct TheoryCurve {
  std::vector<double> steps;
  std::vector<std::vector<double>> value, std;  ///< [observable][step]
};

/// A table over steps and observables with its provenance.
///
/// solution: fields "" and "std". simulation: mean, sem, q05, q50, q95. validation: theory, mc_mean, mc_sem, z,
/// theory_std, mc_q05, mc_q50, mc_q95; there a step at which an observable was not compared holds NaN.
struct Result {
  ResultKind kind = ResultKind::solution;
  std::vector<Attribute> provenance;
  const models::Axis* axis = &models::step_axis();  ///< what the rows run along
  std::vector<double> steps;                        ///< values of the axis
  std::vector<models::Observable> observables;
  std::vector<Field> fields;
  std::optional<TheoryCurve> curve;  ///< for figures; not written to files

  const Field* find(std::string_view field) const;
  /// Text of the attribute, or "".
  std::string_view get(std::string_view attribute) const;
  /// Index of the observable, or -1.
  int index(std::string_view observable) const;
};

/// What the program knows about a run beside its numbers.
struct Provenance {
  models::Experiment experiment;
  std::string file;                                        ///< the experiment's path as given
  std::vector<std::string> overrides;                      ///< as given by --set, --seed
  std::vector<std::string> warnings;                       ///< of the problem
  std::vector<std::pair<std::string, double>> tolerances;  ///< of section [theory], defaults included
  double seconds = 0;                                      ///< wall time
};

/// Names of the predictions about whole runs that a validation judged.
std::vector<std::string> prediction_names(const Result& result);

/// The fields of a kind of result, in order, without values.
std::vector<Field> fields_of(ResultKind kind);

/// What a table of modes says of where it comes from; no time, for the same experiment gives the same file.
std::vector<Attribute> mode_provenance(const Provenance& provenance);

Result solution(const models::Trajectory& trajectory, const Provenance& provenance);
Result simulation(const validation::Sample& sample, const Provenance& provenance);
Result validation_result(const models::Trajectory& theory, const validation::Sample& sample,
                         const validation::Verdict& verdict, const validation::VerdictOptions& options,
                         const Provenance& provenance);

}  // namespace edgewise::cli
