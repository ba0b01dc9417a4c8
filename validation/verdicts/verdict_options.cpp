// Built at -O1: nothing here takes time.
#include "validation/verdicts/verdict.hpp"

namespace edgewise::validation {

std::string_view name(Outcome outcome) {
  switch (outcome) {
    case Outcome::agree:
      return "agree";
    case Outcome::disagree:
      return "disagree";
    case Outcome::inconclusive:
      return "inconclusive";
  }
  return "";
}

const std::vector<settings::Parameter>& verdict_parameters() {
  static const VerdictOptions defaults;
  static const std::vector<settings::Parameter> parameters{
      settings::number("false_alarm", "probability of `disagree` when the theory is right")
          .at_least(1e-9)
          .at_most(0.5)
          .otherwise(defaults.false_alarm),
      settings::number("resolution", "relative discrepancies of this size must be detectable, else inconclusive")
          .above(0)
          .at_most(1)
          .otherwise(defaults.resolution),
      settings::number("power", "probability with which they must be detected")
          .at_least(0.5)
          .at_most(0.999)
          .otherwise(defaults.power),
      settings::number("allowed", "relative model error that is accepted; 0 where the theory is exact")
          .at_least(0)
          .below(1)
          .otherwise(defaults.allowed),
      settings::numbers("dimensions",
                        "for a theory of d -> infinity: run at each of these instead of spectrum.dimension, and judge "
                        "the gap extrapolated to infinite dimension; [verdict.scaling] says what follows the "
                        "dimension, as SECTION.KEY = exponent (e.g. optimizer.learning_rate = -1, time.steps = 1)")
          .at_least(1)
          .computed("spectrum.dimension alone"),
      settings::number("gap_exponent", "p of a gap that decays like d^(-p), where it is known")
          .at_least(0.1)
          .at_most(4)
          .computed("0.5 to 2, whatever the dimensions do not contradict"),
      settings::texts("predictions",
                      "predictions about whole runs that must be judged: without enough runs of their kind the verdict "
                      "is inconclusive; `edgewise describe MODEL` tells what is predicted")
          .computed("judged where there are enough runs")};
  return parameters;
}

VerdictOptions read_verdict_options(const settings::Table& experiment) {
  const auto values =
      settings::read(experiment.table_or_empty("verdict"), verdict_parameters(), std::vector<std::string>{"scaling"});
  VerdictOptions options;
  options.false_alarm = values.number("false_alarm");
  options.resolution = values.number("resolution");
  options.power = values.number("power");
  options.allowed = values.number("allowed");
  if (values.given("predictions")) options.predictions = values.texts("predictions");
  return options;
}

}  // namespace edgewise::validation
