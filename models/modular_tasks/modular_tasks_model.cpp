// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <utility>

#include "models/framework/declared_model.hpp"
#include "models/framework/simulation_of.hpp"
#include "models/ingredients/learning_curves/regression_keys.hpp"
#include "models/modular_tasks/closed_forms.hpp"
#include "models/modular_tasks/simulation.hpp"
#include "models/modular_tasks/task_levels.hpp"
#include "numerics/constants.hpp"
#include "numerics/whole.hpp"
#include "settings/section.hpp"

namespace edgewise::models::modular_tasks {

const Model& modular_tasks_model();

namespace {

using namespace ingredients::learning_curves;
using settings::Parameter;
using settings::Table;
using settings::Values;

const std::vector<Parameter>& data_keys() {
  static const std::vector<Parameter> keys = {
      settings::number("dimension", "d of x on the sphere in R^d; whole for a simulation")
          .at_least(2)
          .at_most(1e9)
          .must()};
  return keys;
}
struct TaskWords {
  TaskFamily::Codes codes = TaskFamily::Codes::cluster;
  bool parity = false;
};
const settings::Section<TaskWords>& task_words() {
  static const settings::Section<TaskWords> words([](settings::Section<TaskWords>& s) {
    s.words("codes", &TaskWords::codes,
            "cluster: `count` unit vectors of one `overlap`; tree: {+-1}^depth/sqrt(depth), 2^depth leaves",
            {{"cluster", TaskFamily::Codes::cluster}, {"tree", TaskFamily::Codes::tree}});
    s.words("functions", &TaskWords::parity,
            "independent: one for every task; parity: of a tree, one times the product of the signs",
            {{"independent", false}, {"parity", true}})
        .where("codes", {"tree"});
  });
  return words;
}
const std::vector<Parameter>& task_keys() {
  static const std::vector<Parameter> keys = {
      task_words().parameters()[0],
      settings::integer("count", "T, how many clusters")
          .at_least(1)
          .at_most(1e9)
          .otherwise(std::int64_t{4})
          .where("codes", {"cluster"}),
      settings::number("overlap", "b = <c_j, c_l> of two clusters")
          .at_least(0)
          .below(1)
          .otherwise(0.0)
          .where("codes", {"cluster"}),
      settings::integer("depth", "h of a tree")
          .at_least(1)
          .at_most(16)
          .otherwise(std::int64_t{2})
          .where("codes", {"tree"}),
      settings::number("bias", "kernel at (bias + <c, c'> + <x, x'>)/(2 + bias)")
          .at_least(0)
          .computed("0 for clusters, 1 for trees"),
      task_words().parameters()[1],
      settings::numbers("powers", "v_0^2, v_1^2, .. of every task's function, zonal in a direction of its own")
          .at_least(0)
          .otherwise(std::vector<double>{0, 0.5, 0.5})};
  return keys;
}
const std::vector<Parameter>& kernel_keys() {
  static const auto keys = [] {
    std::vector<Parameter> out;
    for (Parameter& key : kernel_parameters())
      if (key.name != "bias" && key.name != "max_degree") out.push_back(std::move(key));
    out.push_back(settings::integer("max_degree", "levels up to this degree; the rest acts as a ridge")
                      .at_least(0)
                      .at_most(1000)
                      .computed("all of a kernel of one hidden ReLU layer where codes are told apart by degree 192; of "
                                "others as many as hold all but 1e-4 of its trace, 24 to 192"));
    out.push_back(ridge_parameter().otherwise(0.01));
    return out;
  }();
  return keys;
}

const std::vector<Observable>& all_observables() {
  static const std::vector<Observable> all = {
      {"excess_mse", "label^2", "of one machine on the mixture of all tasks"},
      {"modular_excess_mse", "label^2", "of a machine for each task, on floor(n/T) samples each, averaged"},
      {"kappa", "kernel", "effective ridge of the one machine"}};
  return all;
}

class ModularTasks final : public Problem {
 public:
  ModularTasks(std::shared_ptr<const TaskSetting> setting, std::optional<std::size_t> max_degree)
      : setting_(std::move(setting)),
        mono_(monolithic_levels(setting_->family, *setting_->kernel, max_degree), setting_->ridge, setting_->noise),
        single_(single_task_levels(setting_->family, *setting_->kernel, max_degree), setting_->ridge, setting_->noise) {
  }

  Trajectory solve() const override {
    Trajectory out;
    out.method = "self-consistent effective ridge";
    for (const Observable& o : all_observables()) out.columns.push_back({o, {}, {}});
    std::vector<double> overfitting, largest, of_mixture, of_each;  // the last two: what the constant changes
    for (const double n : setting_->shown) {
      const double each = std::floor(n / setting_->family.tasks);
      const auto mixture = mono_.at(n), alone = single_.at(each);
      check_excess(n, std::max(mixture.overfitting, alone.overfitting));
      const auto most = [&](const CurvePoint& p) { return largest_overfitting(p, setting_->family.dimension); };
      const auto strain = [&](const CurvePoint& p) { return (p.overfitting - 1) / (most(p) - 1); };
      const CurvePoint& worse = strain(mixture) < strain(alone) ? alone : mixture;
      overfitting.push_back(worse.overfitting);
      largest.push_back(most(worse));
      of_mixture.push_back(change_by_constant(mono_, mixture, n));
      of_each.push_back(change_by_constant(single_, alone, each));
      limit_validity(out, std::min(mixture.excess, alone.excess), power());
      limit_truncation(out, std::max(mixture.truncation, alone.truncation));
      out.steps.push_back(n);
      out.columns[0].value.push_back(mixture.excess);
      out.columns[1].value.push_back(alone.excess);
      out.columns[2].value.push_back(mixture.kappa);
    }
    limit_overfitting(out, overfitting, largest);
    limit_constant(out, of_mixture, std::array<std::string_view, 1>{"excess_mse"});
    limit_constant(out, of_each, std::array<std::string_view, 1>{"modular_excess_mse"});
    begin_later(out, std::array<std::string_view, 1>{"kappa"});
    return out;
  }

  std::unique_ptr<Simulation> simulate() const override {
    check_samples(*setting_, true);
    if (!numerics::is_whole(setting_->family.dimension) || setting_->family.dimension > 1e4)
      throw std::invalid_argument("data.dimension: must be whole, and at most 10000, for a simulation");
    if (setting_->family.tasks > 65536)
      throw std::invalid_argument("tasks.count: at most 65536 tasks can be simulated");
    return simulation_of({{all_observables()[0], all_observables()[1]},
                          "kernel ridge regression by Cholesky factors",
                          [setting = setting_](auto seed, auto index) { return task_replica(setting, seed, index); }});
  }

  std::vector<Finding> stability() const override {
    const double T = setting_->family.tasks, lost = mono_.levels().unlearnable_power();
    std::vector<Finding> out = {
        {"tasks", T, "T"},
        {"target_power", power(), "E f^2 of a task's function"},
        {"unlearnable_power", lost,
         "of it in levels of the one machine whose eigenvalue is 0 to rounding: the floor that no number of samples "
         "takes "
         "away"},
        {"modular_unlearnable_power", single_.levels().unlearnable_power(), "the same for a machine of its own"},
        {"last_degree", std::ranges::max(mono_.levels().degree), "of the levels that are followed"},
        {"tail_trace", mono_.levels().tail, "E K(x, x) beyond them: acts as a ridge"},
        {"truncation", truncation(),
         "bound on the relative change of the excess by what is learned beyond, at the last number of samples"}};
    for (const double error : setting_->errors) {
      const double mixture = mono_.samples_for(error * power()), alone = T * single_.samples_for(error * power());
      const std::string of = settings::text_of(error);
      out.push_back(
          {"samples_for_" + of, mixture,
           samples_text(mixture, "of the mixture, at which the one machine's excess is this share of the power")});
      out.push_back({"modular_samples_for_" + of, alone,
                     samples_text(alone, "of all tasks together, for machines of their own")});
      if (!std::isinf(alone) && alone != 0)
        out.push_back({"penalty_" + of, mixture / alone,
                       samples_text(mixture / alone, "samples of the one machine over those of separate machines")});
    }
    return out;
  }

  std::vector<ModeColumn> mode_table() const override {
    const auto& levels = mono_.levels();
    const double kappa = mono_.at(static_cast<double>(setting_->time.steps)).kappa;
    ModeColumn group{"code_level",
                     "1",
                     "clusters: 0 common, 1 differential; tree: q, how many signs it depends on; then, one more, all "
                     "of them together in high degrees",
                     {}};
    // Every level of codes begins with degree 0; what goes on beyond their last degree is of all of them.
    const auto codes = static_cast<std::size_t>(std::ranges::count(levels.degree, 0.0));
    const std::size_t degrees =
        codes < 2 ? levels.degree.size()
                  : static_cast<std::size_t>(std::find(levels.degree.begin() + 1, levels.degree.end(), 0.0) -
                                             levels.degree.begin());
    for (std::size_t i = 0; i < levels.degree.size(); ++i)
      group.value.push_back(static_cast<double>(std::min(i / degrees, codes)));
    const auto& own = single_.levels();
    ModeColumn alone{"own_eigenvalue", "kernel", "A_k, lambda of the same degree for a machine of one task", {}};
    for (const double k : levels.degree) {
      const auto at = std::ranges::find(own.degree, k);
      alone.value.push_back(at == own.degree.end() ? nan
                                                   : own.eigenvalue[static_cast<std::size_t>(at - own.degree.begin())]);
    }
    return {std::move(group),
            {"degree", "1", "k of the harmonics in x", levels.degree},
            {"eigenvalue", "kernel", "lambda", levels.eigenvalue},
            {"multiplicity", "1", "m, how many share it", levels.multiplicity},
            {"target_power", "label^2", "v^2 of the whole level", levels.power},
            {"unlearned_power", "label^2", "(1 - L)^2 v^2 at the last number of samples", mono_.remaining(kappa)},
            std::move(alone)};
  }

  std::vector<std::string> warnings() const override {
    std::vector<std::string> out;
    const double lost = mono_.levels().unlearnable_power();
    if (lost > 1e-12 * power())
      out.push_back(
          fmt::format("{:.3g} of the tasks' power {:.3g} lies in levels of the one machine whose eigenvalue is 0: it "
                      "is never learned{}",
                      lost, power(),
                      setting_->family.codes == TaskFamily::Codes::tree && setting_->family.bias == 0
                          ? " (without a bias a kernel lacks a parity; tasks.bias = 1 has both)"
                          : ""));
    if (mono_.levels().power_beyond > 1e-12 * power())
      out.push_back(fmt::format("{:.3g} of the tasks' power lies beyond kernel.max_degree and counts as not learned",
                                mono_.levels().power_beyond));
    warn_of_truncation(out, static_cast<double>(setting_->time.steps), truncation());
    return out;
  }

 private:
  /// At the last number of samples, of both machines.
  double truncation() const {
    const auto n = static_cast<double>(setting_->time.steps);
    return std::max(mono_.at(n).truncation, single_.at(std::floor(n / setting_->family.tasks)).truncation);
  }
  double power() const { return std::accumulate(setting_->family.power.begin(), setting_->family.power.end(), 0.0); }
  std::shared_ptr<const TaskSetting> setting_;
  LearningCurve mono_, single_;
};

TaskFamily read_family(const Table& table) {
  TaskFamily family;
  family.dimension = settings::read(table.table_or_empty("data"), data_keys()).number("dimension");
  const Values v = settings::read(table.table_or_empty("tasks"), task_keys());
  const TaskWords words = task_words().from(v);
  const bool tree = words.codes == TaskFamily::Codes::tree;
  family.parity = words.parity;
  family.codes = words.codes;
  family.depth = tree ? static_cast<std::size_t>(v.integer("depth")) : 0;
  family.tasks = tree ? std::exp2(static_cast<double>(family.depth)) : static_cast<double>(v.integer("count"));
  family.overlap = v.number("overlap");
  family.bias = v.given("bias") ? v.number("bias") : (tree ? 1 : 0);
  family.power = v.numbers("powers");
  if (family.power.empty() || family.power.size() > 1001) throw v.error("powers", "must list 1 to 1001 numbers");
  for (const double x : family.power)
    if (!std::isfinite(x)) throw v.error("powers", "must be finite");
  if (std::ranges::all_of(family.power, [](double x) { return x == 0; }))
    throw v.error("powers", "must not all be 0: there would be nothing to learn");
  return family;
}

std::unique_ptr<Problem> build(const Experiment& experiment, std::span<const settings::Description* const>) {
  const Table& table = experiment.table;
  auto setting = std::make_shared<TaskSetting>();
  setting->family = read_family(table);
  const Values kernel = settings::read(table.table_or_empty("kernel"), kernel_keys());
  setting->kernel = read_kernel(kernel);
  static_cast<RegressionSetting&>(*setting) = read_regression(experiment, kernel);
  std::optional<std::size_t> max_degree;
  if (kernel.given("max_degree")) max_degree = static_cast<std::size_t>(kernel.integer("max_degree"));
  return std::make_unique<ModularTasks>(std::move(setting), max_degree);
}

}  // namespace

const Model& modular_tasks_model() {
  static const DeclaredModel model({
      .description =
          {"modular-tasks", "one kernel machine for many tasks against a machine for each",
           "inputs (code c_j, x), kernel kap((bias + <c, c'> + <x, x'>)/(2 + bias)), learning curve as "
           "kernel-regression\n"
           "clusters: common (A_k + (T-1) B_k)/T, differential (A_k - B_k)/T, of kap((1+t)/2) and kap((b+t)/2)\n"
           "trees: levels (q, k) by Krawtchouk polynomials of the codes' distances\n"
           "An asymptotic theory: 15% are usual ([verdict] allowed = 0.15)",
           "Agarwala, Das, Juba, Panigrahy, Sharan, Wang, Zhang 2021; docs/theory/networks-and-kernels.md, section 5",
           settings::with_sections({{"data", data_keys()},
                                    {"tasks", task_keys()},
                                    {"kernel", kernel_keys()},
                                    {"noise", noise_parameters()}})},
      .sections = {"data", "tasks", "kernel", "noise", "monte_carlo"},
      .axis = &samples_axis(),
      .observables = all_observables(),
      .closed_forms = modular_tasks_closed_forms,
      .theory = error_parameters(),
      .monte_carlo = test_parameters(),
      .build = build,
      .start = R"(data.dimension = 6
kernel = { kind = "ntk", ridge = 0.01 }
samples.max = 400
monte_carlo.replicas = 8)",
  });
  return model;
}

}  // namespace edgewise::models::modular_tasks
