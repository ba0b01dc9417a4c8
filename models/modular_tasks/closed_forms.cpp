// Built at -O1: nothing here takes time.
#include "models/modular_tasks/closed_forms.hpp"

#include <fmt/format.h>

#include <cmath>
#include <string>
#include <utility>

#include "models/framework/closed_form_list.hpp"
#include "models/ingredients/learning_curves/harmonics.hpp"
#include "models/modular_tasks/task_levels.hpp"

namespace edgewise::models::modular_tasks {

namespace {

using namespace ingredients::learning_curves;

constexpr std::size_t table_degree = 14;
constexpr double table_ridge = 0.01;

TaskFamily clusters(double tasks, double overlap) {
  TaskFamily out;
  out.tasks = tasks;
  out.overlap = overlap;
  out.dimension = 6;
  out.power = {0, 0.5, 0.5};
  return out;
}
TaskFamily tree(std::size_t depth, double bias, bool parity) {
  TaskFamily out = clusters(std::exp2(static_cast<double>(depth)), 0);
  out.codes = TaskFamily::Codes::tree;
  out.depth = depth;
  out.bias = bias;
  out.parity = parity;
  return out;
}
LearningCurve mono(const TaskFamily& family, const std::string& kernel = "ntk") {
  return {monolithic_levels(family, *kernel_named(kernel, false), table_degree), table_ridge, 0};
}
LearningCurve single(const TaskFamily& family) {
  return {single_task_levels(family, *kernel_named("ntk", false), table_degree), table_ridge, 0};
}

void add_errors(ClosedFormList& list) {
  struct Row {
    TaskFamily family;
    double n, excess;
    const char* name;
  };
  const Row rows[] = {{clusters(1, 0), 150, 0.0077935284, "T1-n150"},
                      {clusters(2, 0), 300, 0.0301809144, "T2-n300"},
                      {clusters(4, 0), 300, 0.1288502041, "T4-n300"},
                      {clusters(4, 0), 800, 0.0245051722, "T4-n800"},
                      {clusters(4, 0.5), 300, 0.1502978638, "T4-b.5-n300"},
                      {clusters(4, 0.8), 800, 0.0623233638, "T4-b.8-n800"},
                      {clusters(8, 0), 800, 0.0950674731, "T8-n800"},
                      {tree(2, 1, false), 400, 0.0759053307, "tree2-n400"},
                      {tree(2, 0, false), 400, 0.4941651368, "tree2-no-bias-n400"},
                      {tree(3, 1, false), 800, 0.1065204662, "tree3-n800"},
                      {tree(2, 1, true), 400, 0.1317710870, "parity2-n400"},
                      {tree(2, 0, true), 400, 0.6816477903, "parity2-no-bias-n400"},
                      {tree(3, 1, true), 800, 0.2510566959, "parity3-n800"}};
  for (const Row& r : rows)
    list.printed(fmt::format("monolithic-{}", r.name), "one machine on the mixture, ntk, d = 6", "5", r.excess, 10,
                 [family = r.family, n = r.n] { return mono(family).at(n).excess; });
  const std::pair<double, double> modular[] = {
      {150, 0.0077935284}, {75, 0.0397743376}, {200, 0.0038912559}, {100, 0.0204693416}};
  for (const auto& row : modular)
    list.printed(fmt::format("modular-n{}", row.first), "a machine for each task, n/T samples", "5", row.second, 10,
                 [n = row.first] { return single(clusters(1, 0)).at(n).excess; });
}

void add_samples(ClosedFormList& list) {
  list.printed("samples-modular", "n at excess .1 of one task", "5", 48.734739, 6,
               [] { return single(clusters(1, 0)).samples_for(0.1); });
  struct Row {
    double tasks, samples[3];
    int decimals[3];
  };
  const Row rows[] = {{2, {147.65635, 164.00685, 331.58130}, {5, 5, 5}},
                      {4, {357.64318, 404.30904, 850.03150}, {5, 5, 5}},
                      {8, {773.82195, 874.35087, 1807.752}, {5, 5, 3}},
                      {16, {1602.2162, 1800.2203, 3640.188}, {4, 4, 3}}};
  const double overlaps[] = {0, 0.5, 0.9};
  for (const Row& r : rows)
    for (int i = 0; i < 3; ++i)
      list.printed(fmt::format("samples-T{}-b{}", r.tasks, overlaps[i]), "n at excess .1 of the mixture", "5",
                   r.samples[i], r.decimals[i],
                   [tasks = r.tasks, b = overlaps[i]] { return mono(clusters(tasks, b)).samples_for(0.1); });
  const double penalties[2][4] = {{1.51, 1.83, 1.98, 2.05}, {3.40, 4.36, 4.64, 4.67}};
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 4; ++j)
      list.printed(
          fmt::format("penalty-T{}-b{}", 2 << j, i == 0 ? 0.0 : 0.9), "samples of the mixture over T of one task", "5",
          penalties[i][j], 2, [b = i == 0 ? 0.0 : 0.9, tasks = 2 << j] {
            return mono(clusters(tasks, b)).samples_for(0.1) / (tasks * single(clusters(1, 0)).samples_for(0.1));
          });
  const double leaves[] = {135.2231, 337.0571, 834.5913, 2125.964}, parity[] = {184.3799, 473.1301, 1530.842, 4788.015};
  const int digits[2][4] = {{4, 4, 4, 3}, {4, 4, 3, 3}};
  for (std::size_t h = 1; h <= 4; ++h) {
    list.printed(fmt::format("samples-tree{}", h), "n at excess .1, independent leaves, bias 1", "5", leaves[h - 1],
                 digits[0][h - 1], [h] { return mono(tree(h, 1, false)).samples_for(0.1); });
    list.printed(fmt::format("samples-parity{}", h), "n at excess .1, parity, bias 1", "5", parity[h - 1],
                 digits[1][h - 1], [h] { return mono(tree(h, 1, true)).samples_for(0.1); });
  }
}

void add_identities(ClosedFormList& list) {
  for (const bool is_tree : {false, true})
    list.add(is_tree ? "trace-tree" : "trace-clusters", "sum m lambda = kap(1), up to the tail of degrees", "5", 1e-9,
             [is_tree] {
               const TaskFamily family = is_tree ? tree(3, 1, false) : clusters(5, 0.4);
               // A polynomial kernel has no tail.
               const auto kernel = taylor_kernel({0.5, 1, 0.25, 0.125}, false);
               const Levels levels = monolithic_levels(family, *kernel, 6);
               double trace = 0;
               for (std::size_t i = 0; i < levels.eigenvalue.size(); ++i)
                 trace += levels.multiplicity[i] * levels.eigenvalue[i];
               return std::pair(kernel->at(1), trace);
             });
  list.add("one-leaf-pair", "a tree of depth 1 is two clusters of overlap -1", "5", 1e-10, [] {
    TaskFamily two = clusters(2, -1);
    two.bias = 1;
    return std::pair(mono(two).at(200).excess, mono(tree(1, 1, false)).at(200).excess);
  });
  list.add("linear-kernel-floor",
           "a linear kernel learns the tasks' common degree-1 part alone: (T-1)/T of v_1^2 stays", "5", 1e-10, [] {
             TaskFamily family = clusters(4, 0.3);
             family.power = {0, 1};
             const auto kernel = taylor_kernel({0, 1}, false);
             return std::pair(0.75, monolithic_levels(family, *kernel, 6).unlearnable_power());
           });
  list.add("parity-obstruction", "bias 0: levels of q + k odd and > 1 have eigenvalue 0; h = 2, k = 1: q = 2", "5",
           1e-12, [] {
             TaskFamily family = tree(2, 0, true);
             family.power = {0, 1};
             return std::pair(1.0, mono(family).levels().unlearnable_power());
           });
  list.add("one-task", "T = 1 is the single task", "5", 1e-13,
           [] { return std::pair(single(clusters(1, 0)).at(150).excess, mono(clusters(1, 0.7)).at(150).excess); });
  list.add("merged-codes", "b -> 1 freezes the differential levels: (T-1)/T of the power stays", "5", 1e-6, [] {
    double left = 0;
    const Levels levels = monolithic_levels(clusters(4, 1 - 1e-9), *kernel_named("gauss", false), table_degree);
    const LearningCurve curve(levels, table_ridge, 0);
    const std::vector<double> rest = curve.remaining(curve.at(500).kappa);
    for (std::size_t i = rest.size() / 2; i < rest.size(); ++i) left += rest[i];
    return std::pair(0.75, left);
  });
}

}  // namespace

std::vector<ClosedForm> modular_tasks_closed_forms() {
  ClosedFormList list("modular-tasks/", "networks-and-kernels");
  add_errors(list);
  add_samples(list);
  add_identities(list);
  return list.take();
}

}  // namespace edgewise::models::modular_tasks
