// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <cmath>
#include <stdexcept>
#include <utility>

#include "models/framework/closed_form_list.hpp"
#include "models/framework/declared_model.hpp"
#include "models/framework/scaling_law.hpp"
#include "models/sum_of_powers/sum_of_powers.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::sum_of_powers {

const Model& sum_of_powers_model();

namespace {

constexpr const char* papers = "What the papers themselves do";

const std::vector<settings::Parameter>& power_keys() {
  static const std::vector<settings::Parameter> keys = {
      settings::matrix("terms", "rows [a, mu, nu]: a t^-mu p^-nu").must(),
      settings::number("floor", "L0, the loss that no size gets below").in("loss").at_least(0).otherwise(0.0),
      settings::number("size", "p").above(0).otherwise(100.0)};
  return keys;
}

class PowersScaling final : public ScalingLaw {
 public:
  PowersScaling(const SumOfPowers& sum, double size, double steps)
      : sum_(sum), law_(sum.law()), horizon_(sum.horizon(size)), steps_(steps) {}
  double floor() const override { return sum_.floor; }
  bool simulated() const override { return false; }
  double horizon() const override { return horizon_; }
  /// Where the run ends at another multiple of the horizon, as at that multiple of every size's.
  double limit(double x) const override {
    HorizonLaw law = law_;
    // Not steps/size^g, which of a late third term is far from kappa at any size that can be written down.
    law.prefactor *= steps_ / horizon_;
    return normalised_limit(law, x);
  }
  std::optional<Fluctuations> fluctuations(std::span<const std::uint64_t>) const override { return std::nullopt; }

 private:
  SumOfPowers sum_;
  HorizonLaw law_;
  double horizon_, steps_;
};

Observable observable() {
  return {"loss", "loss", "L0 + sum a t^-mu p^-nu"};
}

class PowersProblem final : public Problem {
 public:
  PowersProblem(SumOfPowers sum, double size, Time time) : sum_(std::move(sum)), size_(size), time_(std::move(time)) {}

  Trajectory solve() const override {
    Trajectory out;
    Column loss{observable(), {}, {}};
    for (const std::uint64_t step : time_.at) {
      // No power of 0 steps is finite.
      if (step == 0) continue;
      out.steps.push_back(static_cast<double>(step));
      loss.value.push_back(sum_.loss(static_cast<double>(step), size_));
    }
    out.columns.push_back(std::move(loss));
    out.method = "formula";
    out.exact = true;
    return out;
  }
  std::unique_ptr<Simulation> simulate() const override {
    throw std::invalid_argument("model: a sum of powers is a formula: there is nothing to simulate");
  }
  std::vector<Finding> stability() const override {
    const HorizonLaw law = sum_.law();
    return {
        {"compute_optimal_steps", sum_.horizon(size_), "t* of this size"},
        {"horizon_exponent", law.exponent, "g of t* ~ kappa p^g as p grows"},
        {"horizon_prefactor", law.prefactor, "kappa"},
        {"frontier_exponent", law.frontier_exponent, "d of L - L0 ~ (t p)^-d; minus the slope of log l at x = 1"},
        {"tied_terms", static_cast<double>(law.tied.size()), "terms that are of the order of the loss at t*"},
        {"correction_exponent", law.correction_exponent, "the normalised curves differ by p^-this; inf: by nothing"}};
  }
  std::unique_ptr<ScalingLaw> scaling_law() const override {
    return std::make_unique<PowersScaling>(sum_, size_, static_cast<double>(time_.steps));
  }

 private:
  SumOfPowers sum_;
  double size_;
  Time time_;
};

std::unique_ptr<Problem> build(const Experiment& experiment, std::span<const settings::Description* const>) {
  const settings::Values values = settings::read(experiment.table.table_or_empty("powers"), power_keys());
  SumOfPowers sum{values.number("floor"), {}};
  for (const std::vector<double>& row : values.matrix("terms")) {
    if (row.size() != 3 || !(row[0] > 0) || !(row[1] >= 0) || !(row[2] >= 0) || !(row[1] + row[2] > 0) ||
        !std::isfinite(row[0] + row[1] + row[2]))
      throw values.error("terms", "rows are [a, mu, nu] with a > 0, mu and nu >= 0 and not both 0");
    sum.terms.push_back({row[0], row[1], row[2]});
  }
  try {
    sum.law();
  } catch (const std::domain_error& e) {
    throw values.error("terms", e.what());
  }
  return std::make_unique<PowersProblem>(std::move(sum), values.number("size"), experiment.time);
}

/// Delta at x over p = 10 .. 1e9 in decades at t ~ p^g, optimal at p = 10.
double spread_of_powers(const SumOfPowers& sum, double g, double x) {
  std::vector<double> l;
  double mean = 0, squares = 0;
  for (int k = 1; k <= 9; ++k) {
    const double p = std::pow(10.0, k), t = sum.horizon(10) * std::pow(p / 10, g);
    l.push_back((sum.loss(x * t, p) - sum.floor) / (sum.loss(t, p) - sum.floor));
    mean += l.back() / 9;
  }
  for (const double value : l) squares += (value - mean) * (value - mean) / 9;
  return std::sqrt(squares) / mean;
}

std::vector<ClosedForm> closed_forms() {
  ClosedFormList list("sum-of-powers/", "schedules-and-collapse");
  const SumOfPowers halves{0.3, {{1, 0.5, 0}, {1, 0, 0.5}}};
  const std::pair<double, double> l[] = {{0.1, 2.081139}, {0.3, 1.412871}, {0.5, 1.207107}, {0.9, 1.027046}};
  const std::pair<double, double> spread[] = {{0.1, 0.081927}, {0.3, 0.043602}, {0.5, 0.024889}, {0.9, 0.003696}};
  for (const auto& [x, value] : l)
    list.printed(fmt::format("limit-{}", x), "l(x) of t^-.5 + p^-.5", papers, value, 6,
                 [halves, at = x] { return normalised_limit(halves.law(), at); });
  for (const auto& [x, value] : spread)
    list.printed(fmt::format("wrong-exponent-{}", x), "Delta of t^-.5 + p^-.5 at 1.1 g*", papers, value, 6,
                 [halves, at = x] { return spread_of_powers(halves, 1.1, at); });
  // t^-mu + p^-nu: t* = r^(-1/mu) p^(nu/mu), r = nu/mu, and l = (r x^-mu + 1)/(r + 1) for every p.
  const double mu = 0.41, nu = 0.37, r = nu / mu;
  const SumOfPowers pair{3.134, {{1, mu, 0}, {1, 0, nu}}};
  list.add("horizon", "t* = r^(-1/mu) p^(nu/mu)", papers, 1e-12,
           [=] { return std::pair(std::pow(r, -1 / mu) * std::pow(1e6, nu / mu), pair.horizon(1e6)); });
  list.add("horizon-exponent", "g = nu/mu", papers, 1e-12, [=] { return std::pair(nu / mu, pair.law().exponent); });
  list.add("frontier-exponent", "d = mu nu/(mu + nu)", papers, 1e-12,
           [=] { return std::pair(mu * nu / (mu + nu), pair.law().frontier_exponent); });
  list.add("normalised", "(r x^-mu + 1)/(r + 1), any p", papers, 1e-12, [=] {
    const double p = 37, t = pair.horizon(p);
    return std::pair((r * std::pow(0.2, -mu) + 1) / (r + 1),
                     (pair.loss(0.2 * t, p) - pair.floor) / (pair.loss(t, p) - pair.floor));
  });
  list.add("end-slope", "d log l/d log x = -d at x = 1", papers, 1e-7, [=] {
    const HorizonLaw law = pair.law();
    const double h = 1e-4;
    return std::pair(-law.frontier_exponent, (normalised_limit(law, 1 + h) - normalised_limit(law, 1 - h)) / (2 * h));
  });
  // A third term joins late: the normalised curves approach the limit as p^-eps.
  const SumOfPowers three{0, {{1, 0.5, 0}, {1, 0, 0.5}, {1, 0.4, 0.3}}};
  list.add("correction-exponent", "eps = min over the other terms of mu g + nu - b", papers, 1e-12,
           [three] { return std::pair(0.2, three.law().correction_exponent); });
  list.add("correction", "l(p) - l ~ p^-eps: slope between p = 1e14 and 1e16", papers, 2e-2, [three] {
    const auto gap = [&](double p) {
      const double t = three.horizon(p);
      return std::abs(three.loss(0.2 * t, p) / three.loss(t, p) - normalised_limit(three.law(), 0.2));
    };
    return std::pair(-0.2, std::log(gap(1e16) / gap(1e14)) / std::log(100.0));
  });
  return list.take();
}

}  // namespace

const Model& sum_of_powers_model() {
  static const DeclaredModel model({
      .description = {"sum-of-powers", "losses that are sums of powers of steps and size",
                      "L(t, p) = L0 + sum_i a_i t^-mu_i p^-nu_i\n"
                      "compute-optimal: sum_i a_i (mu_i - nu_i) t^-mu_i p^-nu_i = 0; t* ~ kappa p^g with the two "
                      "smallest mu_i g + "
                      "nu_i tied\n"
                      "l(x) -> sum_tied w_i x^-mu_i / sum_tied w_i,   w_i = a_i kappa^-mu_i",
                      "Qiu, Xiao, Wilson, Pennington, Agarwala 2025; docs/theory/schedules-and-collapse.md",
                      settings::with_sections({{"powers", power_keys()}})},
      .sections = {"powers"},
      .observables = {observable()},
      .closed_forms = closed_forms,
      .build = build,
      .start = R"(powers.terms = [[1, 0.5, 0], [1, 0, 0.5]]
time.steps = 1000)",
  });
  return model;
}

}  // namespace edgewise::models::sum_of_powers
