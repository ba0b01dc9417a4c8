#pragma once
/// \file
/// The kinds of rate rules, each in a file of this folder.
#include <optional>
#include <string>
#include <string_view>

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

}  // namespace edgewise::models::ingredients
