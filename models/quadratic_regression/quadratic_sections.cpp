// Built at -O1: nothing here takes time.
#include "models/quadratic_regression/quadratic_sections.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "models/framework/perturbed.hpp"
#include "models/ingredients/curvature_part.hpp"
#include "models/quadratic_regression/sharpening_record.hpp"
#include "numerics/constants.hpp"
#include "settings/section.hpp"

namespace edgewise::models::quadratic_regression {

using ingredients::CurvaturePart;
using settings::Description;
using settings::Parameter;
using settings::Table;
using settings::Values;

namespace {

/// Largest D at which Kx, of cost D^4 at every recorded step, and Kn, of cost D^3, are observed without being asked
/// for.
constexpr std::size_t usual_exact = 100, usual_annealed = 1000;

Parameter learning_rate() {
  return settings::number("learning_rate", "eta; the loss is a sum over outputs, |z|^2/2, without 1/B")
      .in("per step")
      .above(0)
      .computed("required, but where [rate] sets it");
}

Parameter any_batch() {
  return settings::number("batch", "B, outputs per step; whole, 1..D")
      .in("outputs")
      .at_least(1)
      .computed("D: all outputs");
}

constexpr const char* functional_source = "docs/theory/curvature-dynamics.md, section 6";
constexpr const char* penalty_source = "docs/theory/curvature-dynamics.md, section 5";

std::vector<Parameter> ascent_keys() {
  return {learning_rate(), settings::number("rho", "length of the ascent, in units of the gradient").at_least(0).must(),
          settings::boolean("normalised", "ascent by rho along the gradient's direction").otherwise(false),
          any_batch()};
}

linear_algebra::Matrix read_matrix(const Values& values, const char* key) {
  const settings::Matrix& rows = values.matrix(key);
  const std::size_t columns = rows.empty() ? 0 : rows.front().size();
  linear_algebra::Matrix out(rows.size(), columns);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].size() != columns) throw values.error(key, "its rows must be of one length");
    for (std::size_t j = 0; j < columns; ++j) {
      if (!std::isfinite(rows[i][j])) throw values.error(key, "its entries must be finite");
      out(i, j) = rows[i][j];
    }
  }
  return out;
}

void read_given(const Values& data, QuadraticProblem& problem) {
  if (!data.given("J0")) throw data.error("J0", "is required when ensemble = \"given\"");
  const bool z_given = data.given("z0"), q_given = data.given("Q");
  if (q_given && !z_given) throw data.error("z0", "is required where Q is given");
  for (const char* key : {"residual_variance", "fix_residual_norm", "shared_initial"})
    if (z_given && data.given(key)) throw data.error(key, "is of a z0 that is drawn; it is given here");
  if (q_given && data.given("curvature")) throw data.error("curvature", "is of a Q that is drawn; it is given here");
  const linear_algebra::Matrix j0 = read_matrix(data, "J0");
  problem.law.outputs = j0.rows();
  problem.law.parameters = j0.columns();
  if (j0.size() == 0) throw data.error("J0", "needs at least one row and one column");
  std::vector<double> z0;
  if (z_given) z0 = data.numbers("z0");
  if (z_given && z0.size() != j0.rows())
    throw data.error("z0", fmt::format("needs one number per row of J0: {}, got {}", j0.rows(), z0.size()));
  for (const double z : z0)
    if (!std::isfinite(z)) throw data.error("z0", "its numbers must be finite");
  for (const auto& [key, size] : {std::pair{"outputs", j0.rows()}, std::pair{"parameters", j0.columns()}})
    if (data.given(key) && data.whole(key) != size)
      throw data.error(key, fmt::format("J0 has {} of them; leave it out", size));
  if (!q_given) {
    problem.given_z0 = z0;
    problem.given_j0 = j0;
    return;
  }
  problem.given = settings::naming(data, "Q", [&] {
    return std::make_shared<const QuadraticInstance>(
        QuadraticInstance{z0, j0, CurvatureTensor(j0.rows(), j0.columns(), read_matrix(data, "Q"))});
  });
}

/// Beyond it products of a few of them, which loss, kernel and edges are, leave the range of numbers.
constexpr double largest_variance = 1e130;

/// Section [data]; what of it is asked whether it was given is read by its name.
enum class Ensemble { goe, portable, given };
struct Data {
  Ensemble ensemble = Ensemble::goe;
  double outputs = 0, parameters = 0;
  double curvature = 1, residual_variance = 1, jacobian_variance = 1;
  bool fix_residual_norm = true, shared_instance = false, shared_initial = false;
  std::vector<double> z0;
  settings::Matrix J0, Q;
};

const settings::Section<Data>& data_section() {
  static const settings::Section<Data> section([](settings::Section<Data>& s) {
    s.words("ensemble", &Data::ensemble,
            "goe: random, as in the equations; portable: of a generator that a few lines write anywhere, with "
            "the diagonal of Q no larger than the rest; given: J0 stands in the file, and z0 and Q unless they "
            "are to be drawn",
            {{"goe", Ensemble::goe}, {"portable", Ensemble::portable}, {"given", Ensemble::given}});
    s.key("outputs", &Data::outputs, "D, data points; whole")
        .at_least(1)
        .at_most(1e6)
        .computed("rows of J0 when given");
    s.key("parameters", &Data::parameters, "P; whole").at_least(1).at_most(1e6).computed("columns of J0 when given");
    s.key("curvature", &Data::curvature, "kappa: Q_aij has variance kappa/P^2, twice that for i = j; 0: linear model")
        .at_least(0)
        .at_most(largest_variance);
    s.key("residual_variance", &Data::residual_variance, "sz2, of the entries of z0")
        .above(0)
        .at_most(largest_variance);
    s.key("jacobian_variance", &Data::jacobian_variance, "sJ2, P times that of the entries of J0")
        .where("ensemble", {"goe", "portable"})
        .above(0)
        .at_most(largest_variance);
    s.key("fix_residual_norm", &Data::fix_residual_norm, "z0 is rescaled to |z0|^2 = D sz2")
        .where("ensemble", {"goe", "given"});
    s.key("shared_instance", &Data::shared_instance,
          "all replicas run on one instance (z0, J0, Q) and differ in the batches only; one tensor")
        .where("ensemble", {"goe", "portable"});
    s.key("shared_initial", &Data::shared_initial,
          "all replicas start from the z0 and J0 of replica 0; each has its own Q and batches");
    s.key("z0", &Data::z0, "residuals at theta = 0, D numbers").where("ensemble", {"given"}).computed("drawn");
    s.key("J0", &Data::J0, "Jacobian at theta = 0, D rows of P").where("ensemble", {"given"}).computed("drawn");
    s.key("Q", &Data::Q, "curvature: D symmetric P x P matrices below each other, D P rows of P")
        .where("ensemble", {"given"})
        .computed("drawn");
  });
  return section;
}

void read_data(const Values& values, QuadraticProblem& problem) {
  const Data data = data_section().from(values);
  problem.law.curvature = data.curvature;
  problem.law.residual_variance = data.residual_variance;
  problem.law.jacobian_variance = data.jacobian_variance;
  problem.law.fix_residual_norm = data.fix_residual_norm;
  problem.shared_instance = data.shared_instance;
  problem.shared_initial = data.shared_initial;
  if (problem.shared_instance && problem.shared_initial)
    throw values.error("shared_initial", "a shared instance has one start already; leave one of the two out");
  if (data.ensemble == Ensemble::given) {
    read_given(values, problem);
    return;
  }
  problem.law.portable = data.ensemble == Ensemble::portable;
  for (const char* key : {"outputs", "parameters"})
    if (!values.given(key)) throw values.error(key, "is required (a whole number, >= 1)");
  problem.law.outputs = values.whole("outputs");
  problem.law.parameters = values.whole("parameters");
}

void read_rate(const Table& table, QuadraticProblem& problem) {
  problem.rate = ingredients::read_rate_rule(table, 0.0);
  if (!problem.rate) return;
  problem.rate_kind = ingredients::rate_rule_kinds()[ingredients::read_rate_choice(table).index].description.name;
}

/// The kind of step of an optimizer, and where that is fixed the part of the Hessian.
QuadraticRule rule_of(const std::string& kind) {
  QuadraticRule rule;
  if (kind == "functional-sam") rule.kind = StepKind::functional_sam;
  if (kind == "logit-sam") rule.kind = StepKind::logit_sam;
  if (kind == "gradient-penalty") rule.kind = StepKind::penalty;
  if (kind == "weight-noise") rule.kind = StepKind::weight_noise;
  if (kind == "gauss-newton-trace" || kind == "hessian-trace") rule.kind = StepKind::trace;
  if (kind == "gauss-newton-trace") rule.part = CurvaturePart::gauss_newton;
  return rule;
}

void read_optimizer(const settings::Choice& choice, QuadraticProblem& problem) {
  const Values& values = choice.values;
  const std::string& kind = quadratic_optimizers()[choice.index].name;
  problem.rule = rule_of(kind);
  problem.sam = values.has("rho");
  if (problem.rate) {
    if (problem.sam || values.has("deviation"))
      throw values.error(
          "kind",
          fmt::format("the rule of [rate] sets the rate of the others; {} takes learning_rate and no [rate]", kind));
    if (values.given("learning_rate"))
      throw values.error("learning_rate",
                         "the rule of [rate] sets the rate; leave this out ([rate] multiplier scales it)");
  } else if (!values.given("learning_rate")) {
    throw values.error("learning_rate", "is required (> 0)");
  }
  problem.rule.learning_rate = problem.rate ? 1 : values.number("learning_rate");
  problem.base = ingredients::read_base_update(values);
  if (problem.sam) problem.rule.rho = values.number("rho");
  if (values.has("normalised")) problem.rule.normalised = values.flag("normalised");
  problem.rule.part = ingredients::read_curvature_part(values, problem.rule.part);
  if (values.has("deviation")) problem.rule.deviation = values.number("deviation");
  problem.batch = problem.law.outputs;
  if (!values.has("batch")) return;
  if (values.number("batch") > static_cast<double>(problem.law.outputs))
    throw values.error("batch", fmt::format("must be at most the number of outputs, {}", problem.law.outputs));
  problem.batch = values.whole("batch");
}

/// Section [monte_carlo], as [data].
struct Run {
  TensorStorage tensor = TensorStorage::automatic;
  double memory_limit = 0;                       ///< GiB
  std::optional<KernelNorms> kernel_norms = {};  ///< empty: as the problem's size suggests
  std::optional<bool> traces = {};               ///< empty: with optimizers that go by parts of the Hessian
  bool every_step = false;
  std::uint64_t burn_in = 0;
  double eigenvalues = 1;
  bool antithetic = false;
  double sharpening_modes = 0;
  double perturbation = 0;
};

const settings::Section<Run>& run_section() {
  static const settings::Section<Run> section([](settings::Section<Run>& s) {
    s.words(
        "tensor", &Run::tensor,
        "the curvature tensor: stored, or streamed (drawn anew at every step, to the same bits); auto "
        "stores it when it fits in memory",
        {{"auto", TensorStorage::automatic}, {"stored", TensorStorage::stored}, {"streamed", TensorStorage::streamed}});
    s.key("memory_limit", &Run::memory_limit, "what the tensors of all replicas that run at a time may take")
        .in("GiB")
        .above(0)
        .computed("80% of the memory available");
    s.words("kernel_norms", &Run::kernel_norms,
            "observe the kernel norms of the frozen kernel: annealed costs D^3, exact D^4 per recorded step",
            {{"auto", std::optional<KernelNorms>()},
             {"none", KernelNorms::none},
             {"annealed", KernelNorms::annealed},
             {"exact", KernelNorms::exact}});
    s.words("traces", &Run::traces,
            "observe both parts of the Hessian: their traces, along the gradient, and of SAM the residual of its two "
            "paths, at a reading of the tensor; auto: with functional-sam, logit-sam and penalties",
            {{"auto", std::optional<bool>()}, {"none", false}, {"exact", true}});
    s.key("every_step", &Run::every_step,
          "the Hessian's largest eigenvalue is found at every step (a second reading of the tensor): of eta "
          "lambda the median and the share of steps below 2")
        .computed("true with [rate], momentum, rmsprop and adam");
    s.key("burn_in", &Run::burn_in, "steps that this median and share leave out").in("optimizer steps").at_least(0);
    s.key("eigenvalues", &Run::eigenvalues,
          "m: the m largest eigenvalues of K are observed, ntk_max and ntk_2 ... ntk_m")
        .at_least(1);
    s.key("antithetic", &Run::antithetic,
          "a replica is the mean of two runs, on Q and on -Q, with the same batches: noise odd in Q drops out");
    s.key("sharpening_modes", &Run::sharpening_modes,
          "m: the differences of K over the first two steps are observed along the m leading eigenvectors "
          "of the initial K, from step 2 on; 0: not")
        .at_least(0);
    s.key("perturbation", &Run::perturbation, perturbation_doc).in("parameter").at_least(0).at_most(1);
  });
  return section;
}

void read_simulation(const Values& values, QuadraticProblem& problem) {
  const Run run = run_section().from(values);
  problem.tensor = run.tensor;
  if (problem.law.portable && run.tensor == TensorStorage::streamed)
    throw values.error("tensor", "the portable tensor is drawn once and stored: auto or stored");
  problem.every_step = values.given("every_step") ? run.every_step : problem.turned();
  problem.burn_in = run.burn_in;
  if (values.given("burn_in") && !problem.every_step) throw values.error("burn_in", "belongs to every_step = true");
  if (problem.burn_in > 0 && problem.burn_in >= problem.time.steps)
    throw values.error("burn_in", fmt::format("leaves no step of {} to average over", problem.time.steps));
  problem.memory_limit = gibibyte * run.memory_limit;
  problem.traces = run.traces.value_or(problem.rule.kind != StepKind::sam);
  const bool frozen = !problem.rule.turns() && !problem.turned();  // the norms are of z' = (I - eta K P) z
  if (run.kernel_norms) {
    if (!frozen && run.kernel_norms != KernelNorms::none)
      throw values.error(
          "kernel_norms",
          "are those of SGD's frozen kernel; SAM has none, nor have penalties, [rate] and other base updates");
    problem.kernel_norms = *run.kernel_norms;
  } else if (frozen) {
    const std::size_t d = problem.law.outputs;
    problem.kernel_norms = d <= usual_exact      ? KernelNorms::exact
                           : d <= usual_annealed ? KernelNorms::annealed
                                                 : KernelNorms::none;
  }
  problem.eigenvalues = values.whole("eigenvalues");
  problem.sharpening_modes = values.whole("sharpening_modes");
  for (const auto& [key, count] :
       {std::pair{"eigenvalues", problem.eigenvalues}, std::pair{"sharpening_modes", problem.sharpening_modes}})
    if (count > problem.law.outputs)
      throw values.error(key, fmt::format("K has {} eigenvalues, one per output", problem.law.outputs));
  const auto early = [](std::uint64_t step) { return step == 1; };
  if (problem.sharpening_modes > 0 && std::ranges::any_of(problem.time.at, early))
    throw values.error("sharpening_modes", "second differences are known from step 2 on: record no step 1 ([time] at)");
  if (problem.sharpening_modes > 0 && problem.time.steps < SharpeningRecord::last_step)
    throw values.error("sharpening_modes", "second differences need two steps ([time])");
  problem.perturbation = run.perturbation;
  problem.antithetic = run.antithetic;
  if (run.antithetic && problem.fixed_curvature())
    throw values.error("antithetic", "is of a Q that every replica draws");
}

}  // namespace

const std::vector<Parameter>& data_parameters() {
  return data_section().parameters();
}

const std::vector<Parameter>& simulation_parameters() {
  return run_section().parameters();
}

const std::vector<Description>& quadratic_optimizers() {
  static const std::vector<Description> all{
      Description{"gd",
                  "gradient descent on all outputs",
                  "theta' = theta - eta J'z;  exactly z' = z - eta J g + (eta^2/2) Q(g,g), J' = J - eta Q g, g = J'z",
                  "docs/theory/quadratic-regression.md, section 0",
                  {learning_rate(), ingredients::momentum_parameter()}},
      Description{"sgd",
                  "SGD on B of the D outputs, drawn without replacement at every step",
                  "theta' = theta - eta J' P_t z, P_t a diagonal 0/1 mask of B ones. Mean-batch convention: B eta",
                  "docs/theory/quadratic-regression.md, section 0",
                  {learning_rate(), ingredients::momentum_parameter(),
                   settings::number("batch", "B, outputs per step; whole, 1..D").in("outputs").at_least(1).must()}},
      ingredients::adaptive_optimizer(false, learning_rate(), any_batch()),
      ingredients::adaptive_optimizer(true, learning_rate(), any_batch()),
      Description{"sam", "sharpness-aware minimisation: the gradient at theta + rho grad L(theta)",
                  "theta' = theta - eta grad L(theta + rho grad L(theta)), the same mask in both passes; edge at\n"
                  "eta lambda (1 + rho lambda) = 2, i.e. lambda_SAM = (sqrt(1 + 8 rho/eta) - 1)/(2 rho)",
                  "docs/theory/quadratic-regression.md, sections 0 and 5", ascent_keys()},
      Description{"functional-sam",
                  "SAM whose ascent moves the Jacobian alone: the path of the neglected part of the Hessian",
                  "g_func = J(theta+e)'z(theta) = g + NME e exactly, e = rho g; edge at eta lambda = 2",
                  functional_source, ascent_keys()},
      Description{"logit-sam", "SAM whose ascent moves the residual alone: the path of the Gauss-Newton part",
                  "g_logit = J(theta)'z(theta+e) = g + GGN e + O(|e|^2), e = rho g; edge as SAM's", functional_source,
                  ascent_keys()},
      Description{"gradient-penalty",
                  "gradient descent on L + (rho/2)|g|^2, or with a part of the Hessian in its gradient",
                  "theta' = theta - eta (g + rho A g), A = H, GGN or NME; edge at eta lambda (1 + rho u'A u) = 2;\n"
                  "A = H draws to critical points with curvature q < -1/rho, GGN to none with q < 0",
                  penalty_source, ingredients::penalty_parameters(learning_rate(), {any_batch()})},
      Description{"weight-noise",
                  "the gradient at noisy parameters",
                  "theta' = theta - eta grad L(theta + s xi), xi ~ N(0, I): its mean is the gradient of L + (s^2/2) tr "
                  "H, exactly",
                  penalty_source,
                  {learning_rate(), ingredients::deviation_parameter(), any_batch()}},
      Description{"gauss-newton-trace",
                  "gradient descent on L + (s^2/2) tr GGN",
                  "theta' = theta - eta (g + s^2 sum_a Q_a J_a)",
                  penalty_source,
                  {learning_rate(), ingredients::deviation_parameter(), any_batch()}},
      Description{"hessian-trace",
                  "gradient descent on L + (s^2/2) tr H, the mean of weight noise",
                  "theta' = theta - eta (g + s^2 sum_a Q_a J_a + (s^2/2) J'(tr Q_a)_a)",
                  penalty_source,
                  {learning_rate(), ingredients::deviation_parameter(), any_batch()}}};
  return all;
}

std::shared_ptr<const QuadraticProblem> read_quadratic_problem(const Experiment& experiment,
                                                               std::span<const Description* const> optimizers) {
  const Table& table = experiment.table;
  auto problem = std::make_shared<QuadraticProblem>();
  problem->time = experiment.time;
  problem->replicas = experiment.monte_carlo.replicas;
  problem->seed = experiment.monte_carlo.seed;
  read_data(settings::read(table.table_or_empty("data"), data_parameters()), *problem);
  read_rate(table, *problem);
  read_optimizer(settings::read_choice(table, "optimizer", optimizers, "gd"), *problem);
  if (problem->rate && !problem->full_batch() && (problem->rate->needs().nearness || problem->rate->needs().descent))
    throw table.error("rate",
                      problem->rate_kind +
                          " is an oracle's mean over the batch, which is known here with all outputs a step only "
                          "(optimizer.batch)");
  ingredients::check_base_of_rate(table, problem->rate.get(), problem->base);
  std::unique_ptr<ingredients::Schedule> schedule =
      ingredients::read_schedule(table, "schedule", static_cast<double>(experiment.time.steps));
  if (!schedule->constant()) problem->schedule = std::move(schedule);
  read_simulation(read_monte_carlo(table, simulation_parameters()), *problem);
  return problem;
}

}  // namespace edgewise::models::quadratic_regression
