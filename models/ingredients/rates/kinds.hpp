#pragma once
/// \file
/// The kinds of rate rules, each in a file of this folder.
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

}  // namespace edgewise::models::ingredients
