// Built at -O1: nothing here takes time.
#include "settings/section.hpp"
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

namespace {

const settings::Section<VerdictOptions>& verdict_section() {
  using Options = VerdictOptions;
  static const settings::Section<Options> keys([](settings::Section<Options>& s) {
    s.key("false_alarm", &Options::false_alarm, "probability of `disagree` when the theory is right")
        .at_least(1e-9)
        .at_most(0.5);
    s.key("resolution", &Options::resolution,
          "relative discrepancies of this size must be detectable, else inconclusive")
        .above(0)
        .at_most(1);
    s.key("power", &Options::power, "probability with which they must be detected").at_least(0.5).at_most(0.999);
    s.key("allowed", &Options::allowed, "relative model error that is accepted; 0 where the theory is exact")
        .at_least(0)
        .below(1);
    s.key("dimensions", &Options::dimensions,
          "for a theory of d -> infinity: run at each of these instead of the model's dimension, and judge the gap "
          "extrapolated to infinite dimension; [verdict.scaling] says what follows the dimension, as SECTION.KEY = "
          "exponent (e.g. optimizer.learning_rate = -1, time.steps = 1)")
        .at_least(1)
        .computed("that of the experiment alone");
    s.key("gap_exponent", &Options::gap_exponent, "p of a gap that decays like d^(-p), where it is known")
        .at_least(0.1)
        .at_most(4)
        .computed("0.5 to 2, whatever the dimensions do not contradict");
    s.key("predictions", &Options::predictions,
          "predictions about whole runs that must be judged: without enough runs of their kind the verdict is "
          "inconclusive; `edgewise describe MODEL` tells what is predicted")
        .computed("judged where there are enough runs");
  });
  return keys;
}

}  // namespace

const std::vector<settings::Parameter>& verdict_parameters() {
  return verdict_section().parameters();
}

VerdictOptions read_verdict_options(const settings::Table& experiment) {
  return verdict_section().read(experiment.table_or_empty("verdict"), std::vector<std::string>{"scaling"});
}

}  // namespace edgewise::validation
