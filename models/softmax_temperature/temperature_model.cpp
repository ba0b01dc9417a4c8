// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "models/framework/declared_model.hpp"
#include "models/softmax_temperature/closed_forms.hpp"
#include "models/softmax_temperature/margin.hpp"
#include "models/softmax_temperature/simulation.hpp"
#include "models/softmax_temperature/temperature_settings.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::softmax_temperature {

namespace {

/// Rounding of a sum whose terms cancel, as a share of them: some 45 units in the last place, which hundreds of steps reach.
constexpr double cancelled_share = 1e-14;
/// Where margins and logits begin among the observables.
constexpr std::size_t margin_column = 2;

class TemperatureExperiment final : public Problem {
 public:
  explicit TemperatureExperiment(std::shared_ptr<const TemperatureProblem> problem) : problem_(std::move(problem)) {}

  Trajectory solve() const override {
    const TemperatureProblem& p = *problem_;
    Trajectory out;
    out.steps.assign(p.time.at.begin(), p.time.at.end());
    out.method = p.linear ? "linear, the stage of small logits" : p.flow ? "flow" : "gd";
    out.exact = !p.flow && !p.linear && p.kind != TaskKind::network;
    if (p.linear) {
      out.valid_until = 0;
      out.warnings.push_back(
          "the linear stage holds while logits are small, eta beta^2 lambda_max t << 1: shown, not judged");
    }
    for (const Observable& o : temperature_observables(p)) out.columns.push_back({o, {}, {}});
    if (p.kind == TaskKind::population) {
      solve_population(out);
    } else {
      // Of finite width nothing is known but that it tends to the wide network.
      if (p.kind == TaskKind::network) out.columns.resize(out.columns.size() - 2);
      const std::vector<linear_algebra::Matrix> logits = solve_logits();
      for (const linear_algebra::Matrix& z : logits) {
        const std::vector<double> values = observe_logits(p.logits, z);
        for (std::size_t o = 0; o < values.size(); ++o) out.columns[o].value.push_back(values[o]);
        // Logits that are 0 by symmetry, and margins that are, hold the rounding of the others.
        double largest = 0;
        for (const double entry : z.entries()) largest = std::max(largest, std::abs(entry));
        for (std::size_t o = margin_column; o < values.size(); ++o)
          out.columns[o].rounding = std::max(
              out.columns[o].rounding, cancelled_share * largest * (o == margin_column ? p.inverse_temperature : 1));
      }
    }
    if (const double g = largest_time_per_step(); g >= stability_threshold(p.classes))
      out.warnings.push_back(fmt::format(
          "eta beta^2 lambda_max = {:.4g} is beyond the edge {:g} of gradient descent near uniform outputs{}", g,
          stability_threshold(p.classes), p.flow ? ", which the flow does not know" : ""));
    return out;
  }

  std::unique_ptr<Simulation> simulate() const override { return simulate_temperature(problem_); }

  std::vector<Finding> stability() const override {
    const TemperatureProblem& p = *problem_;
    const double g = largest_time_per_step(), edge = stability_threshold(p.classes), beta = p.inverse_temperature;
    std::vector<Finding> out{
        {"time_per_step", g, "eta beta^2 lambda_max(K): T = this times steps; runs of equal T and beta z_0 are one"},
        {"edge", edge, "of eta beta^2 lambda_max(K) near uniform outputs: 2C, or 8 of one logit"},
        {"stable", g < edge, "whether gradient descent is stable there"},
        {"edge_learning_rate", p.learning_rate * edge / g, "eta at the edge"},
        {"time_scale", 1 / g, "steps in which small logits learn, 1/(eta beta^2 lambda_max)"}};
    if (p.kind == TaskKind::population) {
      const double s = p.start_spread();
      out.push_back({"start_spread", s, "s = beta std z_0"});
      // du/dT at u = -infinity and at 0: 1 and 1/2 of one logit, C/(C - 1) and 1 of classes.
      const double wrong = p.classes > 1 ? static_cast<double>(p.classes) / static_cast<double>(p.classes - 1) : 1,
                   near = p.classes > 1 ? 1 : 0.5;
      out.push_back({"unlearning_time", p.start_deviation / (p.learning_rate * beta * p.eigenvalue) / wrong,
                     p.classes > 1
                         ? "steps in which wrong logits are unlearned, (C-1)/C std z_0/(eta beta k) = (C-1)/C s/g"
                         : "steps in which wrong logits are unlearned, std z_0/(eta beta k) = s/g"});
      for (const double accuracy : p.accuracies) {
        const std::string percent = settings::text_of(std::round(accuracy * 1e14) / 1e12);
        const double T = time_to_accuracy(accuracy, s, p.classes);
        out.push_back({"rescaled_time_to_" + percent, T, "T at which " + percent + "% of the points are right"});
        out.push_back(
            {"steps_to_" + percent, T / g, "steps until " + percent + "% of the points are right, by the flow"});
      }
      out.push_back({"regime",
                     std::string(s < 0.3 ? "linear"
                                 : s < 3 ? "crossover"
                                         : "unlearning"),
                     fmt::format("T_90 in units of |u_*|, u_* = s Phi^-1(.1): {:.4g} in the linear, {:.4g} in the "
                                 "unlearning one",
                                 1 / near, 1 / wrong)});
    } else {
      out.push_back({"slowest_time_scale", slowest_time_scale(), "steps, 1/(eta beta^2 lambda_min) over lambda > 0"});
      const double start = std::sqrt(mean_square_start());
      out.push_back({"start_spread", beta * start, "beta times the root mean square of z_0"});
      out.push_back(
          {"unlearning_time", start * beta / g, "steps in which wrong logits are unlearned along lambda_max"});
    }
    if (p.kind == TaskKind::network) {
      const double root = std::sqrt(static_cast<double>(p.network->width(0)));
      out.push_back({"lazy_parameter", 1 / (beta * root), "1/(beta sqrt m): small where the kernel stands still"});
    }
    return out;
  }

  std::vector<ModeColumn> mode_table() const override {
    const TemperatureProblem& p = *problem_;
    if (p.kind == TaskKind::population) return {};
    ModeColumn values{"eigenvalue", "1", "of K", linear_algebra::symmetric_eigenvalues(p.logits.kernel)};
    ModeColumn scales{"time_scale", "steps", "1/(eta beta^2 lambda)", {}};
    for (const double lambda : values.value)
      scales.value.push_back(lambda > 0 ? 1 / (p.time_per_step() * lambda) : infinity);
    return {std::move(values), std::move(scales)};
  }

 private:
  void solve_population(Trajectory& out) const {
    const TemperatureProblem& p = *problem_;
    const double g = p.time_per_step(), s = p.start_spread(), draws = static_cast<double>(p.draws);
    std::vector<PopulationPoint> points;
    if (p.flow)
      for (const std::uint64_t step : p.time.at)
        points.push_back(population_at(g * static_cast<double>(step), s, p.classes));
    else
      points = population_descended(p.time.at, g, s, p.classes);
    for (const PopulationPoint& point : points) {
      out.columns[0].value.push_back(point.loss);
      out.columns[0].std.push_back(point.loss_deviation / std::sqrt(draws));
      out.columns[1].value.push_back(point.accuracy);
      out.columns[1].std.push_back(std::sqrt(point.accuracy * (1 - point.accuracy) / draws));
    }
    // One point of all: of fewer that are expected on the other side none need be seen.
    out.columns[1].rounding = 1 / (draws * static_cast<double>(p.replicas));
  }

  std::vector<linear_algebra::Matrix> solve_logits() const {
    const TemperatureProblem& p = *problem_;
    if (p.linear) return small_logits(p.logits, p.time.at);
    if (!p.flow) return descended_logits(p.logits, p.time.at);
    try {
      return flown_logits(p.logits, p.time.at, p.rtol);
    } catch (const std::runtime_error&) {
      throw std::invalid_argument("theory.method: the flow takes too many steps here; take gd, or fewer steps");
    }
  }

  double largest_time_per_step() const {
    const TemperatureProblem& p = *problem_;
    if (p.kind == TaskKind::population) return p.time_per_step();
    return p.time_per_step() * linear_algebra::symmetric_eigenvalues(p.logits.kernel).back();
  }
  double slowest_time_scale() const {
    const TemperatureProblem& p = *problem_;
    const std::vector<double> values = linear_algebra::symmetric_eigenvalues(p.logits.kernel);
    for (const double lambda : values)
      if (lambda > 1e-12 * values.back()) return 1 / (p.time_per_step() * lambda);
    return infinity;
  }
  double mean_square_start() const {
    double sum = 0;
    for (const double z : problem_->logits.start.entries()) sum += z * z;
    return sum / static_cast<double>(problem_->logits.start.size());
  }

  std::shared_ptr<const TemperatureProblem> problem_;
};

std::vector<Observable> observables_of_model() {
  TemperatureProblem p;
  p.kind = TaskKind::network;
  p.logits.start = linear_algebra::Matrix(1, most_logits_shown + 1);
  return temperature_observables(p);
}

std::unique_ptr<Problem> build(const Experiment& experiment, std::span<const settings::Description* const> optimizers) {
  return std::make_unique<TemperatureExperiment>(read_temperature(experiment, optimizers));
}

}  // namespace

const Model& softmax_temperature_model();
const Model& softmax_temperature_model() {
  static const DeclaredModel model({
      .description =
          {"softmax-temperature", "learning with a softmax loss at inverse temperature beta",
           "loss = -sum_i log softmax(beta z_i)[y_i];  z' = z + eta beta K (Y - softmax(beta z))\n"
           "v = beta z, g = eta beta^2: v' = v + g K (Y - softmax(v)): beta matters through g and beta z_0 alone\n"
           "one point: u + e^u = u_0 + e^u_0 + T, u = beta y z;  C classes: (C-1) u + e^u = (C-1) u_0 + e^u_0 + C T",
           "Agarwala, Pennington, Dauphin, Schoenholz 2020; docs/theory/networks-and-kernels.md, section 3",
           temperature_parameters()},
      .sections = {"task", "initial", "loss", "optimizer", "theory", "monte_carlo"},
      .optimizers = {descent_description()},
      .observables = observables_of_model(),
      .closed_forms = temperature_closed_forms,
      .theory = temperature_theory_parameters(),
      .monte_carlo = temperature_monte_carlo_parameters(),
      .build = build,
      .start = R"(optimizer.learning_rate = 0.1
time.steps = 100
monte_carlo.replicas = 8)",
  });
  return model;
}

}  // namespace edgewise::models::softmax_temperature
