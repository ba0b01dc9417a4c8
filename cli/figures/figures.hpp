#pragma once
/// \file
/// Figures of results, drawn by gnuplot: theory as a line, simulation as points with error bars and a quantile band.
#include <string>
#include <vector>

#include "cli/results/results.hpp"

namespace edgewise::cli {

struct FigureOptions {
  /// One panel each; empty: the first of the first result; of one result alone, also those that predictions about whole
  /// runs name, and where it has a single step, all of them beside each other (step_figure.hpp).
  std::vector<std::string> observables = {};
  std::vector<double> guides = {};      ///< exponents p: a dashed line proportional to step^p beside the last curve
  std::string title = {};               ///< empty: the result's title when all results share it
  std::vector<std::string> files = {};  ///< of the results, for messages; empty: the labels stand for them
};

/// A gnuplot script that draws `results` (named by `labels`) with the terminal for `ending` (".svg", ".png" or ".pdf").
/// Axes are logarithmic where the data are positive and span more than one decade.
/// \throws settings::Error when an observable is unknown or there is nothing to draw.
std::string figure_script(const std::vector<Result>& results, const std::vector<std::string>& labels,
                          const FigureOptions& options, const std::string& ending);

/// The bytes of the figure. \throws settings::Error also when gnuplot is missing or fails.
std::string drawn(const std::vector<Result>& results, const std::vector<std::string>& labels,
                  const FigureOptions& options, const std::string& ending);

/// Band of one run around the predicted mean: mean +- 2 std, or the log-normal law of that mean and standard deviation
/// between the same quantiles (docs/theory/least-squares-sgd.md, section 4b: fair beyond std/mean = 0.3, where the risk
/// is skewed).
std::pair<double, double> predicted_band(double mean, double std, bool log_normal);

}  // namespace edgewise::cli
