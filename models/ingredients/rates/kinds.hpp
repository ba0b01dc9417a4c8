#pragma once
/// \file
/// The kinds of rate rules, each in a file of this folder, and what several of them share.
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/ingredients/rate_rules.hpp"

namespace edgewise::models::ingredients {

RateRuleKind adagrad_norm();
RateRuleKind polyak();
RateRuleKind stochastic_polyak();
RateRuleKind line_search();
RateRuleKind dog();
RateRuleKind dowg();
RateRuleKind d_adaptation();
RateRuleKind prodigy();
RateRuleKind momo();
RateRuleKind mechanic();
RateRuleKind cocob();
RateRuleKind prodigy_adam();
RateRuleKind d_adaptation_adam();
RateRuleKind momo_adam();
RateRuleKind nadamw();
RateRuleKind cdat();
RateRuleKind armijo();
RateRuleKind inverse_sharpness();

/// That a pull toward theta = 0 of strength `key` is 0 or from theta_0 = 0, as rules that know theta - theta_0 alone need.
/// \throws settings::Error
inline void check_pull(const settings::Values& values, std::string_view key, std::optional<double> start_norm) {
  if (!(values.number(key) > 0) || start_norm == 0.0) return;
  throw values.error(key, "its pull is toward theta = 0, and theta_0 is not known to be 0 here; give " +
                              std::string(key) + " = 0 (or, where the model has a section [initial], a start at 0)");
}

/// A kind whose rules are Rule(values).
template <class Rule>
RateRuleKind rule_kind(settings::Description description, std::vector<Observable> memory) {
  return {std::move(description), std::move(memory),
          [](const settings::Values& values, std::optional<double>) { return std::make_unique<Rule>(values); }};
}

/// A kind that moves the whole vector, whose runs start as Run(values). \param why  it has no closure;  \param pull  key of a
/// pull toward theta = 0, if it has one
template <class Run>
RateRuleKind vector_kind(settings::Description description, std::vector<Observable> memory, std::string_view why,
                         std::string_view pull = {}) {
  return {std::move(description), std::move(memory),
          [why, pull](const settings::Values& values, std::optional<double> start_norm) {
            if (!pull.empty()) check_pull(values, pull, start_norm);
            return vector_rule(why, [first = Run(values)] { return std::make_unique<Run>(first); });
          }};
}

inline settings::Parameter largest_rate(double otherwise = std::numeric_limits<double>::infinity()) {
  return settings::number("eta_max", "largest rate").above(0).or_infinite().otherwise(otherwise);
}

inline settings::Parameter least_loss() {
  return settings::number("f_min", "the least loss that a batch is taken to reach").at_least(0).otherwise(0.0);
}

/// The keys of what Adam remembers, after a kind's own.
inline std::vector<settings::Parameter> with_adam(std::vector<settings::Parameter> own) {
  own.push_back(settings::number("beta1", "memory of the gradient").at_least(0).below(1).otherwise(0.9));
  own.push_back(settings::number("beta2", "memory of its square").above(0).below(1).otherwise(0.999));
  own.push_back(settings::number("epsilon", "added to the root of the square").above(0).otherwise(1e-8));
  return own;
}

}  // namespace edgewise::models::ingredients
