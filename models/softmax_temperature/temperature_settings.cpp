// Built at -O1: nothing here takes time.
#include "models/softmax_temperature/temperature_settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "models/ingredients/networks/training_data.hpp"
#include "numerics/sums.hpp"
#include "numerics/whole.hpp"
#include "random/random.hpp"
#include "settings/section.hpp"

namespace edgewise::models::softmax_temperature {

namespace {

using linear_algebra::Matrix;
using settings::Parameter;
using settings::Values;

/// Multiplications of the theory's gradient descent, beyond which the flow is asked for.
constexpr double most_work = 1e11;

enum class Coupling { identity, powers, list };
struct TaskWords {
  TaskKind kind = TaskKind::population;
  Coupling kernel = Coupling::identity;
  bool erf = false;
};
const settings::Section<TaskWords>& task_words() {
  static const settings::Section<TaskWords> words([](settings::Section<TaskWords>& s) {
    s.words("kind", &TaskWords::kind,
            "population: independent points; kernel: N points coupled by K; network: a two-layer network "
            "a.phi(W x)/sqrt m on N points of the unit sphere, its theory that of m -> infinity",
            {{"population", TaskKind::population}, {"kernel", TaskKind::kernel}, {"network", TaskKind::network}});
    s.words("kernel", &TaskWords::kernel, "identity; powers: base^|i-j|; list: matrix",
            {{"identity", Coupling::identity}, {"powers", Coupling::powers}, {"list", Coupling::list}})
        .where("kind", {"kernel"});
    s.words("activation", &TaskWords::erf, "of a network; erf erf(s/sqrt 2)", {{"tanh", false}, {"erf", true}})
        .where("kind", {"network"});
  });
  return words;
}

const std::vector<Parameter>& task_keys() {
  static const std::vector<Parameter> keys{
      task_words().parameters()[0],
      settings::number("classes", "C; 1: one logit and labels +-1; whole").at_least(1).at_most(1000).otherwise(1.0),
      settings::number("eigenvalue", "k, of each point of a population")
          .above(0)
          .otherwise(1.0)
          .where("kind", {"population"}),
      task_words().parameters()[1],
      settings::number("base", "of powers").above(-1).below(1).otherwise(0.5).where("kernel", {"powers"}),
      settings::matrix("matrix", "K of list: rows, symmetric, no negative eigenvalue")
          .computed("none")
          .where("kernel", {"list"}),
      settings::numbers("labels", "of a kernel's points: +-1, or classes 1..C")
          .computed("required by kernel")
          .where("kind", {"kernel"}),
      settings::number("points", "N, of a network; whole")
          .at_least(1)
          .at_most(2000)
          .otherwise(20.0)
          .where("kind", {"network"}),
      settings::number("inputs", "d, of a network; whole")
          .at_least(1)
          .at_most(1e5)
          .otherwise(10.0)
          .where("kind", {"network"}),
      settings::number("width", "m, of a network; whole")
          .at_least(1)
          .at_most(1e6)
          .otherwise(1024.0)
          .where("kind", {"network"}),
      task_words().parameters()[2],
      settings::integer("seed", "of a network's inputs and labels, which all replicas share")
          .at_least(0)
          .otherwise(std::int64_t{1})
          .where("kind", {"network"})};
  return keys;
}

const std::vector<Parameter>& initial_keys() {
  static const std::vector<Parameter> keys{
      settings::number("deviation", "std of z_0, a population's").in("logit").at_least(0).otherwise(0.0),
      settings::numbers("logits", "z_0 of a kernel's points; of C classes point after point")
          .in("logit")
          .computed("0")};
  return keys;
}

const std::vector<Parameter>& temperature_loss_keys() {
  static const std::vector<Parameter> keys{
      settings::number("inverse_temperature", "beta").in("1/logit").above(0).otherwise(1.0)};
  return keys;
}

Matrix read_kernel(const Values& task, std::size_t n) {
  Matrix k(n, n);
  const Coupling kind = task_words().from(task).kernel;
  if (kind == Coupling::list) {
    if (!task.given("matrix")) throw task.error("matrix", "is required with kernel = \"list\"");
    const auto& rows = task.matrix("matrix");
    if (rows.size() != n) throw task.error("matrix", fmt::format("needs a row for each of the {} labels", n));
    if (!std::ranges::all_of(rows, [n](const auto& row) { return row.size() == n; }))
      throw task.error("matrix", fmt::format("needs {} columns in every row", n));
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        k(i, j) = rows[i][j];
        if (!std::isfinite(k(i, j)) || rows[i][j] != rows[j][i])
          throw task.error("matrix", fmt::format("must be symmetric, see row {}, column {}", i + 1, j + 1));
      }
    const std::vector<double> values = linear_algebra::symmetric_eigenvalues(k);
    if (!(values.back() > 0) || values.front() < -1e-12 * values.back())
      throw task.error("matrix", fmt::format("must have no negative eigenvalue and some positive one; they go from "
                                             "{:.6g} to {:.6g}",
                                             values.front(), values.back()));
    return k;
  }
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      k(i, j) = i == j ? 1
                : kind == Coupling::identity
                    ? 0
                    : std::pow(task.number("base"), std::abs(static_cast<double>(i) - static_cast<double>(j)));
  return k;
}

void read_points(const Values& task, TemperatureProblem& problem) {
  if (!task.given("labels") || task.numbers("labels").empty())
    throw task.error("labels", "is required with kind = \"kernel\": +-1, or classes 1..C");
  const std::vector<double>& labels = task.numbers("labels");
  const auto C = static_cast<std::size_t>(problem.classes);
  Matrix y(C, labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (C == 1 && std::abs(labels[i]) != 1)
      throw task.error("labels", fmt::format("of one logit are 1 or -1, got {}", labels[i]));
    if (C > 1 && (!numerics::is_whole(labels[i]) || labels[i] < 1 || labels[i] > problem.classes))
      throw task.error("labels", fmt::format("are classes from 1 to {}, got {}", C, labels[i]));
    if (C == 1)
      y(0, i) = labels[i];
    else
      y(static_cast<std::size_t>(labels[i]) - 1, i) = 1;
  }
  problem.logits.targets = std::move(y);
  problem.logits.kernel = read_kernel(task, labels.size());
}

void read_sphere(const Values& task, TemperatureProblem& problem) {
  if (problem.classes != 1) throw task.error("classes", "of a network is 1: one logit and labels +-1");
  const std::size_t n = task.whole("points"), d = task.whole("inputs");
  random::Stream stream(static_cast<std::uint64_t>(task.integer("seed")), 0, 0, random::Purpose::data);
  Matrix x(d, n), y(1, n);
  for (std::size_t i = 0; i < n; ++i) {
    for (double& v : x.column(i)) v = stream.normal();
    const double norm = std::sqrt(numerics::squared_norm_in_order(x.column(i)));
    for (double& v : x.column(i)) v /= norm;
    y(0, i) = stream.uniform() < 0.5 ? -1 : 1;
  }
  const bool erf = task_words().from(task).erf;
  problem.logits.targets = std::move(y);
  problem.logits.kernel = wide_kernel(x, erf);
  using ingredients::networks::ActivationKind;
  ingredients::networks::Architecture a;
  a.inputs = d;
  a.parametrisation = ingredients::networks::Parametrisation::ntk;
  a.layers = {{task.whole("width"), {erf ? ActivationKind::erf : ActivationKind::tanh}, false}, {1, {}, false}};
  problem.network = std::make_shared<const ingredients::networks::Network>(std::move(a));
  // The network divides by sqrt d.
  for (double& v : x.entries()) v *= std::sqrt(static_cast<double>(d));
  problem.inputs = std::move(x);
}

void refuse_foreign_keys(const Values& initial, TaskKind kind) {
  if (kind != TaskKind::population && initial.given("deviation"))
    throw initial.error("deviation", "belongs to task.kind = \"population\"");
  if (kind != TaskKind::kernel && initial.given("logits"))
    throw initial.error("logits", "belongs to task.kind = \"kernel\"");
}

void read_start(const Values& initial, TemperatureProblem& problem) {
  Matrix start(static_cast<std::size_t>(problem.classes), problem.logits.points());
  if (initial.given("logits")) {
    const std::vector<double>& z = initial.numbers("logits");
    if (z.size() != start.size())
      throw initial.error("logits", fmt::format("needs {} numbers: points times classes", start.size()));
    for (const double x : z)
      if (!std::isfinite(x)) throw initial.error("logits", "must be finite");
    std::ranges::copy(z, start.data());
  }
  problem.logits.start = std::move(start);
}

}  // namespace

std::vector<Parameter> temperature_parameters() {
  return settings::with_sections(
      {{"task", task_keys()}, {"initial", initial_keys()}, {"loss", temperature_loss_keys()}});
}

const std::vector<Parameter>& temperature_theory_parameters() {
  static const std::vector<Parameter> keys{
      settings::text("method",
                     "gd: step by step as it is run, exact; flow: continuous time, any horizon; linear: of a kernel or "
                     "a network, the stage of small logits, in closed form")
          .one_of({"gd", "flow", "linear"})
          .computed("gd where it takes few operations, else flow"),
      settings::number("rtol", "of the flow of a kernel").above(0).below(1).otherwise(1e-9),
      settings::numbers("accuracies", "shares of a population's points for which `stability` tells when they are right")
          .at_least(0.5)
          .otherwise(std::vector<double>{0.9})};
  return keys;
}

const std::vector<Parameter>& temperature_monte_carlo_parameters() {
  static const std::vector<Parameter> keys{
      settings::number("points", "of each replica of a population; whole").at_least(1).at_most(1e8).otherwise(1000.0)};
  return keys;
}

settings::Description descent_description() {
  return {"gd",
          "gradient descent on the softmax loss summed over points",
          "z' = z + eta beta K (Y - softmax(beta z))",
          "docs/theory/networks-and-kernels.md, section 3.1",
          {settings::number("learning_rate", "eta, of the loss summed over points").in("per step").above(0).must(),
           settings::boolean("rescaled", "divide it by beta^2, so that temperatures are compared at equal g")
               .otherwise(false)}};
}

std::shared_ptr<const TemperatureProblem> read_temperature(const Experiment& experiment,
                                                           std::span<const settings::Description* const> optimizers) {
  const settings::Table& table = experiment.table;
  auto problem = std::make_shared<TemperatureProblem>();
  const Values task = settings::read(table.table_or_empty("task"), task_keys());
  const Values initial = settings::read(table.table_or_empty("initial"), initial_keys());
  const Values loss = settings::read(table.table_or_empty("loss"), temperature_loss_keys());
  const Values optimizer = settings::read_choice(table, "optimizer", optimizers, "gd").values;
  const Values theory = settings::read(table.table_or_empty("theory"), temperature_theory_parameters());
  const Values monte_carlo = read_monte_carlo(table, temperature_monte_carlo_parameters());

  problem->kind = task_words().from(task).kind;
  refuse_foreign_keys(initial, problem->kind);
  problem->classes = static_cast<double>(task.whole("classes"));
  const double beta = loss.number("inverse_temperature");
  problem->inverse_temperature = beta;
  problem->learning_rate = optimizer.number("learning_rate") / (optimizer.flag("rescaled") ? beta * beta : 1);
  problem->eigenvalue = task.number("eigenvalue");
  problem->start_deviation = initial.number("deviation");
  problem->time = experiment.time;
  problem->rtol = theory.number("rtol");
  problem->draws = monte_carlo.whole("points");
  problem->replicas = experiment.monte_carlo.replicas;
  if (problem->kind != TaskKind::population && monte_carlo.given("points"))
    throw monte_carlo.error("points", "belongs to task.kind = \"population\"");
  if (problem->kind == TaskKind::kernel) read_points(task, *problem);
  if (problem->kind == TaskKind::network) read_sphere(task, *problem);
  double work = 1000 * problem->classes;
  if (problem->kind != TaskKind::population) {
    read_start(initial, *problem);
    problem->logits.inverse_temperature = beta;
    problem->logits.learning_rate = problem->learning_rate;
    work = static_cast<double>(problem->logits.kernel.size()) * problem->classes + 1000;
  }
  work *= static_cast<double>(experiment.time.steps);
  const double g = problem->learning_rate * beta * beta;
  if (!std::isfinite(g * problem->eigenvalue) || !(g > 0))
    throw optimizer.error("learning_rate", "makes eta beta^2 overflow or vanish");
  if (!std::isfinite(problem->start_spread())) throw initial.error("deviation", "makes beta z_0 overflow");
  problem->flow = theory.given("method") ? theory.text("method") == "flow" : work > most_work / 100;
  problem->linear = theory.given("method") && theory.text("method") == "linear";
  if (problem->linear && problem->kind == TaskKind::population)
    throw theory.error("method", "linear is of points coupled by a kernel; a population's flow is in closed form");
  problem->accuracies = theory.numbers("accuracies");
  if (!std::ranges::all_of(problem->accuracies, [](double a) { return a < 1; }))
    throw theory.error("accuracies", "must be below 1: in no finite time are all points right");
  if (theory.given("accuracies") && problem->kind != TaskKind::population)
    throw theory.error("accuracies", "belongs to task.kind = \"population\"");
  if (!problem->flow && !problem->linear && work > most_work)
    throw theory.error("method", "gd would take too many operations over this horizon; take flow");
  if (theory.given("rtol") && (!problem->flow || problem->kind == TaskKind::population))
    throw theory.error("rtol", problem->flow
                                   ? "is of points coupled by a kernel; a population's flow is in closed form"
                                   : fmt::format("is read where method = flow, and here it is {}; leave it out",
                                                 problem->linear ? "linear" : "gd"));
  return problem;
}

}  // namespace edgewise::models::softmax_temperature
