#include "models/ingredients/rate_rules.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "models/ingredients/rates/kinds.hpp"

namespace edgewise::models::ingredients {

namespace {

RateRuleKind constant() {
  return {{"constant", "the optimizer's own learning rate", "eta_k = eta s_k", "", {}}, {}, {}};
}

RateRuleKind with_multiplier(RateRuleKind kind) {
  kind.description.parameters.push_back(
      settings::number("multiplier", "c, factor on the rule's rate, beside the schedule").above(0).otherwise(1.0));
  return kind;
}

}  // namespace

const std::vector<Observable>& RateRule::memory() const {
  static const std::vector<Observable> none;
  return none;
}

RateRun::RateRun(const RateRule& rule) : rule_(rule), memory_(rule.memory().size()) {
  rule.start(memory_);
}

double RateRun::step(const StepObservation& now, double factor) {
  last_ = factor * rule_.multiplier * rule_.rate(memory_, now);
  rule_.update(memory_, now, last_);
  return last_;
}

void RateRun::observe(std::span<double> out) const {
  out[0] = last_;
  std::ranges::copy(memory_, out.begin() + 1);
}

std::vector<Observable> rate_observables(const RateRule& rule) {
  std::vector<Observable> out{{"learning_rate", "1/eigenvalue", "rate of the last step taken; 0 before the first"}};
  out.insert(out.end(), rule.memory().begin(), rule.memory().end());
  return out;
}

std::span<const RateRuleKind> rate_rule_kinds() {
  static const std::vector<RateRuleKind> kinds = [] {
    std::vector<RateRuleKind> out{constant()};
    for (RateRuleKind (*kind)() :
         {adagrad_norm, polyak, stochastic_polyak, line_search, dog, dowg, d_adaptation, prodigy})
      out.push_back(with_multiplier(kind()));
    return out;
  }();
  return kinds;
}

std::shared_ptr<const RateRule> read_rate_rule(const settings::Table& experiment, std::optional<double> start_norm) {
  std::vector<const settings::Description*> descriptions;
  for (const RateRuleKind& kind : rate_rule_kinds()) descriptions.push_back(&kind.description);
  const settings::Choice choice = settings::read_choice(experiment, "rate", descriptions, "constant");
  const RateRuleKind& kind = rate_rule_kinds()[choice.index];
  if (!kind.build) return nullptr;
  std::shared_ptr<RateRule> rule = kind.build(choice.values, start_norm);
  rule->multiplier = choice.values.number("multiplier");
  return rule;
}

}  // namespace edgewise::models::ingredients
