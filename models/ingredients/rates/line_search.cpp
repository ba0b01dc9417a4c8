#include "models/ingredients/rates/kinds.hpp"

namespace edgewise::models::ingredients {

namespace {

class LineSearch final : public RateRule {
 public:
  RateNeeds needs() const override { return {.descent = true}; }
  double rate(std::span<const double>, const StepObservation& now) const override {
    return now.curvature > 0 ? now.slope / now.curvature : 0;
  }
};

}  // namespace

const RateRule& line_search_rule() {
  static const LineSearch rule;
  return rule;
}

RateRuleKind line_search() {
  return {{"line-search",
           "the rate that lowers the expected risk most in one step, known to an oracle (greedy)",
           "eta_k = v'K E g_k / E g_k' K g_k,   E over the batch at theta_k: least E P_{k+1}",
           "docs/theory/schedules-and-collapse.md, sections 3.2 and 6",
           {}},
          {},
          [](const settings::Values&, std::optional<double>) { return std::make_unique<LineSearch>(); }};
}

}  // namespace edgewise::models::ingredients
