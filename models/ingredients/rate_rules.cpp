#include "models/ingredients/rate_rules.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "models/ingredients/rates/kinds.hpp"

namespace edgewise::models::ingredients {

namespace {

RateRuleKind constant() {
  return {{"constant", "the optimizer's own learning rate", "eta_k = eta s_k", "", {}}, {}, {}};
}

class VectorRule final : public RateRule {
 public:
  VectorRule(std::string_view why, std::function<std::unique_ptr<VectorRun>()> start)
      : why_(why), start_(std::move(start)) {}
  RateNeeds needs() const override { return {.gradient = true, .distance = true}; }
  std::unique_ptr<VectorRun> vector_run() const override { return start_(); }
  std::string_view without_closure() const override { return why_; }

 private:
  std::string_view why_;
  std::function<std::unique_ptr<VectorRun>()> start_;
};

RateRuleKind with_multiplier(RateRuleKind kind) {
  kind.description.parameters.push_back(
      settings::number("multiplier", "c, factor on the rule's rate, beside the schedule").above(0).otherwise(1.0));
  return kind;
}

}  // namespace

std::unique_ptr<RateRule> vector_rule(std::string_view why, std::function<std::unique_ptr<VectorRun>()> start) {
  return std::make_unique<VectorRule>(why, std::move(start));
}

RateRun::RateRun(const RateRule& rule)
    : rule_(rule), vector_(rule.vector_run()), memory_(vector_ ? 0 : rule.memory().size()) {
  rule.start(memory_);
}

double RateRun::step(const StepObservation& now, double factor) {
  take(now, factor * rule_.multiplier * rule_.held(rule_.rate(memory_, now)));
  return last_;
}

void RateRun::take(const StepObservation& now, double rate) {
  last_ = rate;
  rule_.update(memory_, now, rate);
}

void RateRun::step(std::span<const double> gradient, double loss, double factor, std::span<double> from_start) {
  const auto norm = [](std::span<const double> x) {
    double largest = 0, sum = 0;
    for (const double value : x) largest = std::max(largest, std::abs(value));
    if (!(largest > 0)) return largest;
    for (const double value : x) sum += (value / largest) * (value / largest);
    return largest * std::sqrt(sum);
  };
  last_ = 0;
  const double length = norm(gradient);
  if (!(length > 0)) return;
  before_.assign(from_start.begin(), from_start.end());
  vector_->step(gradient, loss, factor * rule_.multiplier, from_start);
  for (std::size_t i = 0; i < before_.size(); ++i) before_[i] -= from_start[i];
  last_ = norm(before_) / length;
}

void RateRun::observe(std::span<double> out) const {
  out[0] = last_;
  if (vector_)
    vector_->observe(out.subspan(1));
  else
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
         {adagrad_norm, polyak, stochastic_polyak, line_search, dog, dowg, d_adaptation, prodigy, momo, mechanic, cocob,
          prodigy_adam, d_adaptation_adam, momo_adam, nadamw, cdat, armijo, inverse_sharpness})
      out.push_back(with_multiplier(kind()));
    return out;
  }();
  return kinds;
}

settings::Choice read_rate_choice(const settings::Table& experiment) {
  std::vector<const settings::Description*> descriptions;
  for (const RateRuleKind& kind : rate_rule_kinds()) descriptions.push_back(&kind.description);
  return settings::read_choice(experiment, "rate", descriptions, "constant");
}

std::shared_ptr<const RateRule> read_rate_rule(const settings::Table& experiment, std::optional<double> start_norm) {
  const settings::Choice choice = read_rate_choice(experiment);
  const RateRuleKind& kind = rate_rule_kinds()[choice.index];
  if (!kind.build) return nullptr;
  std::shared_ptr<RateRule> rule = kind.build(choice.values, start_norm);
  rule->columns.insert(rule->columns.begin(), kind.memory.begin(), kind.memory.end());
  for (const settings::Parameter& key : kind.description.parameters)
    if (key.name == "eta_max") rule->largest = choice.values.number("eta_max");
  rule->multiplier = choice.values.number("multiplier");
  return rule;
}

settings::Parameter rate_kind(std::vector<std::string> words) {
  settings::Parameter out = settings::text("kind", "which rule").one_of(std::move(words));
  return std::ranges::count(out.accepted, "constant") ? out.otherwise("constant") : out.must();
}

std::vector<std::string> rates_without_own_loss() {
  std::vector<std::string> out;
  for (const RateRuleKind& kind : rate_rule_kinds()) {
    const settings::Values usual = settings::read(settings::Table(), kind.description.parameters);
    if (!kind.build || !kind.build(usual, 0.0)->needs().own_loss) out.push_back(kind.description.name);
  }
  return out;
}

}  // namespace edgewise::models::ingredients
