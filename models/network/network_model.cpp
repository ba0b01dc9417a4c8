// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <utility>

#include "models/framework/declared_model.hpp"
#include "models/framework/perturbed.hpp"
#include "models/framework/window_means.hpp"
#include "models/ingredients/curvature_part.hpp"
#include "models/ingredients/networks/network_section.hpp"
#include "models/network/closed_forms.hpp"
#include "models/network/predictions.hpp"
#include "models/network/simulation.hpp"
#include "models/network/theory.hpp"
#include "numerics/constants.hpp"
#include "numerics/sums.hpp"
#include "numerics/whole.hpp"
#include "settings/section.hpp"

namespace edgewise::models::network {

namespace {

using ingredients::CurvaturePart;
using ingredients::networks::Loss;
using ingredients::networks::LossKind;
using ingredients::networks::network_parameters;
using ingredients::networks::read_network;
using ingredients::networks::TrainingData;
using settings::Description;
using settings::Parameter;
using settings::Table;
using settings::Values;

/// Examples up to which the exact kernel norm is observed without being asked for.
constexpr std::size_t usual_norms = 200;
/// Entries of a tangent kernel's matrix of gradients.
constexpr double most_gradients = 1e8;

/// Section [loss].
const settings::Section<Loss>& loss_section() {
  static const settings::Section<Loss> section([](settings::Section<Loss>& s) {
    s.words("kind", &Loss::kind,
            "squared: mean of |f - y|^2/2 over examples; cross-entropy: mean of -log softmax(beta f)",
            {{"squared", LossKind::squared}, {"cross-entropy", LossKind::cross_entropy}});
    s.key("inverse_temperature", &Loss::inverse_temperature, "beta").where("kind", {"cross-entropy"}).above(0);
  });
  return section;
}

/// Of all sections that are the model's own, named with their section.
std::vector<Parameter> all_keys() {
  return settings::with_sections({{"data", ingredients::networks::data_parameters()},
                                  {"network", ingredients::networks::network_parameters()},
                                  {"loss", loss_section().parameters()}});
}

Parameter learning_rate() {
  return settings::number("learning_rate", "eta")
      .in("per step")
      .above(0)
      .computed("required, but where [rate] sets it");
}
Parameter batch() {
  return settings::number("batch", "B, examples per step without replacement; whole, 1..n")
      .in("examples")
      .at_least(1)
      .computed("n: all examples");
}
Parameter every() {
  return settings::number("every", "k: at every k-th step only, k times as strong; whole").at_least(1).otherwise(1.0);
}

/// Key of an ascent's length.
struct AscentNorm {
  bool preconditioner = false;
};
const settings::Section<AscentNorm>& norm_section() {
  static const settings::Section<AscentNorm> section([](settings::Section<AscentNorm>& s) {
    s.words("norm", &AscentNorm::preconditioner,
            "|u| of a preconditioned ascent: euclidean, or preconditioner, sqrt(u'M u)",
            {{"euclidean", false}, {"preconditioner", true}});
  });
  return section;
}

std::vector<Parameter> ascent_keys() {
  return {learning_rate(),
          settings::number("rho", "length of the ascent e").at_least(0).must(),
          settings::boolean("normalised", "e = rho u/|u|; else rho u").otherwise(true),
          every(),
          settings::boolean("preconditioned",
                            "u = M^-1 g, M = sqrt(v/(1 - .9^(k+1))) + 1e-3, v = .9 v + .1 g^2; else u = g")
              .otherwise(false),
          norm_section().parameters()[0],
          ingredients::momentum_parameter(),
          batch()};
}

constexpr const char* functional_source = "docs/theory/curvature-dynamics.md, section 6";
constexpr const char* penalty_source = "docs/theory/curvature-dynamics.md, section 5";

struct Kind {
  Description description;
  UpdateKind update;
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{
      {{"gd",
        "gradient descent on all examples",
        "theta' = theta - eta g; the sharpness rises to 2/eta and is held there",
        "docs/theory/curvature-dynamics.md, section 1",
        {learning_rate(), ingredients::momentum_parameter()}},
       UpdateKind::plain},
      {{"sgd",
        "SGD on batches drawn without replacement",
        "theta' = theta - eta g_B",
        "docs/theory/quadratic-regression.md, section 4",
        {learning_rate(), ingredients::momentum_parameter(), batch()}},
       UpdateKind::plain},
      {ingredients::adaptive_optimizer(false, learning_rate(), batch()), UpdateKind::plain},
      {ingredients::adaptive_optimizer(true, learning_rate(), batch()), UpdateKind::plain},
      {{"sam", "sharpness-aware minimisation",
        "g_sam = J(theta+e)'c(theta+e), e = rho u/|u|; edge at eta (lambda + (rho/|g|) lambda^2) = 2",
        functional_source, ascent_keys()},
       UpdateKind::sam},
      {{"functional-sam", "SAM whose ascent moves the Jacobian alone: the path of the neglected part of the Hessian",
        "g_func = J(theta+e)'c(theta) = g + NME e + O(|e|^2)", functional_source, ascent_keys()},
       UpdateKind::functional_sam},
      {{"logit-sam", "SAM whose ascent moves the outputs' cotangent alone: the path of the Gauss-Newton part",
        "g_logit = J(theta)'c(theta+e) = g + GGN e + O(|e|^2)", functional_source, ascent_keys()},
       UpdateKind::logit_sam},
      {{"gradient-penalty", "gradient descent on L + (rho/2)|g|^2, or with a part of the Hessian in its gradient",
        "theta' = theta - eta (g + rho A g), A = H, GGN or NME; edge at eta lambda (1 + rho u'A u) = 2", penalty_source,
        ingredients::penalty_parameters(learning_rate(), {every(), ingredients::momentum_parameter(), batch()})},
       UpdateKind::penalty},
      {{"weight-noise",
        "the gradient at noisy parameters",
        "theta' = theta - eta grad L(theta + s xi), xi ~ N(0, I): on average L + (s^2/2) tr H + O(s^4)",
        penalty_source,
        {learning_rate(), ingredients::deviation_parameter(),
         settings::boolean("antithetic", "the mean of the gradients at xi and at -xi").otherwise(false),
         ingredients::momentum_parameter(), batch()}},
       UpdateKind::weight_noise},
      {{"gauss-newton-trace",
        "gradient descent on L + (s^2/2) tr GGN, by one probe a step; squared loss",
        "E |J'xi|^2/n = tr GGN, xi signs: its gradient is (2/n) sum_a xi_a grad^2 f_a (J'xi)",
        penalty_source,
        {learning_rate(), ingredients::deviation_parameter(), every(), ingredients::momentum_parameter(), batch()}},
       UpdateKind::gauss_newton_trace},
      {{"hessian-trace",
        "gradient descent on L + (s^2/2) tr H, by one probe a step",
        "E xi'H xi = tr H, xi signs: its gradient by a second difference of g along xi",
        penalty_source,
        {learning_rate(), ingredients::deviation_parameter(), every(), ingredients::momentum_parameter(), batch()}},
       UpdateKind::hessian_trace}};
  return all;
}

std::vector<Description> optimizers_of_model() {
  std::vector<Description> out;
  for (const Kind& kind : kinds()) out.push_back(kind.description);
  return out;
}

/// Section [theory].
struct Theory {
  bool central_flow = false;
};

const settings::Section<Theory>& theory_section() {
  static const settings::Section<Theory> section([](settings::Section<Theory>& s) {
    s.words("method", &Theory::central_flow,
            "linearised: the network linearised at its start; central-flow: the mean path of gradient descent at its "
            "edge, of "
            "one start (monte_carlo.shared_start)",
            {{"linearised", false}, {"central-flow", true}});
  });
  return section;
}

/// Section [monte_carlo].
struct Run {
  Traces traces = Traces::none;
  double probes = 10;
  std::optional<bool> kernel_norm = {};  ///< empty: where it is cheap
  bool every_step = false, shared_start = false;
  double perturbation = 0;
};

const settings::Section<Run>& run_section() {
  static const settings::Section<Run> section([](settings::Section<Run>& s) {
    s.words("traces", &Run::traces,
            "of H, GGN and NME: exact (a pass per unit below a curved layer), hutchinson (with `probes`), or none",
            {{"none", Traces::none}, {"exact", Traces::exact}, {"hutchinson", Traces::hutchinson}});
    s.key("probes", &Run::probes, "how many; whole").where("traces", {"hutchinson"}).at_least(1).at_most(1e6);
    s.words("kernel_norm", &Run::kernel_norm,
            "observe the exact kernel norm of mini-batches (one output, squared loss): a decomposition of n x n "
            "at every recorded step",
            {{"auto", std::optional<bool>()}, {"none", false}, {"exact", true}});
    s.key("every_step", &Run::every_step,
          "the sharpness is found at every step, and of `edge` so far the share below 2 and the median");
    s.key("shared_start", &Run::shared_start,
          "all replicas start from the weights of replica 0, and differ in their batches and noise alone");
    s.key("perturbation", &Run::perturbation, perturbation_doc).in("parameter").at_least(0).at_most(1);
  });
  return section;
}

Loss read_loss(const Values& values, const TrainingData& data) {
  const Loss loss = loss_section().from(values);
  const bool classes = loss.kind == LossKind::cross_entropy;
  if (classes && !data.classes)
    throw values.error("kind", "cross-entropy is of classes: data.targets must be classes, or images");
  return loss;
}

void read_optimizer(const settings::Choice& choice, NetworkProblem& problem) {
  const Values& values = choice.values;
  UpdateRule& rule = problem.rule;
  rule.kind = kinds()[choice.index].update;
  if (problem.rate && values.given("learning_rate"))
    throw values.error("learning_rate",
                       "the rule of [rate] sets the rate; leave this out ([rate] multiplier scales it)");
  if (!problem.rate && !values.given("learning_rate")) throw values.error("learning_rate", "is required (> 0)");
  problem.learning_rate = problem.rate ? 1 : values.number("learning_rate");
  rule.base = ingredients::read_base_update(values);
  if (values.has("rho")) rule.rho = values.number("rho");
  if (values.has("normalised")) rule.normalised = values.flag("normalised");
  if (values.has("every")) rule.every = values.whole("every");
  if (values.has("preconditioned")) {
    rule.preconditioned = values.flag("preconditioned");
    rule.norm_of_preconditioner = norm_section().from(values).preconditioner;
    if (rule.norm_of_preconditioner && !rule.preconditioned)
      throw values.error("norm", "belongs to preconditioned = true");
    if (rule.norm_of_preconditioner && !rule.normalised) throw values.error("norm", "belongs to normalised = true");
  }
  rule.part = ingredients::read_curvature_part(values, rule.part);
  if (values.has("deviation")) rule.deviation = values.number("deviation");
  if (values.has("antithetic")) rule.antithetic = values.flag("antithetic");
  if (rule.kind == UpdateKind::gauss_newton_trace && problem.loss.kind != LossKind::squared)
    throw values.error("kind", "gauss-newton-trace is offered for the squared loss; hessian-trace for both");
  problem.batch = problem.examples();
  if (!values.has("batch")) return;
  const double asked = values.number("batch");
  if (asked > static_cast<double>(problem.examples()))
    throw values.error("batch", fmt::format("must be at most the number of examples, {}", problem.examples()));
  problem.batch = values.whole("batch");
}

void read_simulation(const Values& values, NetworkProblem& problem) {
  const Run run = run_section().from(values);
  problem.traces = run.traces;
  problem.probes = values.whole("probes");
  const double gradients = static_cast<double>(problem.examples()) * static_cast<double>(problem.network->parameters());
  const bool defined = problem.loss.kind == LossKind::squared && problem.network->outputs() == 1 &&
                       !problem.full_batch() && !problem.rate && gradients <= most_gradients;
  if (run.kernel_norm.value_or(false) && !defined)
    throw values.error(
        "kernel_norm",
        "is of mini-batches, one output, the squared loss, no [rate], and at most 1e8 examples x parameters");
  problem.every_step = run.every_step;
  problem.shared_start = run.shared_start;
  problem.kernel_norms = defined && run.kernel_norm.value_or(problem.examples() <= usual_norms);
}

/// |log| of a scale that is given, as a number of either kind; of 0 there is none to blame.
double distance_from_one(const settings::Value* scale) {
  if (!scale) return 0;
  const auto* whole = std::get_if<std::int64_t>(scale);
  const auto* real = std::get_if<double>(scale);
  const double x = whole ? static_cast<double>(*whole) : real ? *real : 0;
  return x > 0 ? std::abs(std::log(x)) : 0;
}

/// The loss at the start of replica 0 and the squares of its derivatives, the second along a vector, are to be numbers; to blame
/// is the scale farthest from 1.
void check_start(const Table& table, const NetworkProblem& problem) {
  ingredients::networks::NetworkObjective objective(problem.network, problem.loss, problem.data.train);
  const double loss = objective.move_to(problem.start(problem.seed, 0));
  std::vector<double> gradient(objective.parameters()), product(objective.parameters());
  objective.gradient(gradient);
  objective.product(CurvaturePart::hessian, std::vector<double>(product.size(), 1.0), product);
  if (std::isfinite(loss) && std::isfinite(numerics::squared_norm_in_order(gradient)) &&
      std::isfinite(numerics::squared_norm_in_order(product)))
    return;
  std::pair<const char*, const char*> worst{"data", "input_scale"};
  double farthest = 0;
  for (const auto& [section, key] :
       {worst, std::pair{"data", "target_scale"}, std::pair{"data", "noise"}, std::pair{"loss", "inverse_temperature"},
        std::pair{"network", "weight_variance"}, std::pair{"network", "bias_variance"}}) {
    const double distance = distance_from_one(table.table_or_empty(section).find(key));
    if (!(distance > farthest)) continue;
    farthest = distance;
    worst = {section, key};
  }
  throw table.table_or_empty(worst.first)
      .error(worst.second, "the loss at the start, or its derivatives, are no numbers; bring this scale nearer to 1");
}

class NetworkExperiment final : public Problem {
 public:
  /// \param perturbation  of the second run of every replica; 0: none
  NetworkExperiment(std::shared_ptr<const NetworkProblem> problem, bool central_flow, double perturbation)
      : problem_(std::move(problem)), central_flow_(central_flow), perturbation_(perturbation) {}

  Trajectory solve() const override { return central_flow_ ? flow() : solve_linearised(*problem_); }
  /// Nothing is claimed of the trajectory.
  Trajectory reference() const override {
    Trajectory out;
    out.method = "predictions about whole runs, no trajectory";
    if (!central_flow_) {
      if (const std::string why = edge_unclaimed(*problem_); !why.empty())
        out.warnings.push_back("no edge is claimed: " + why);
      return out;
    }
    if (!problem_->shared_start)
      throw std::invalid_argument(
          "monte_carlo.shared_start: the central flow is of the start of replica 0; set it to true, for all runs to "
          "have it");
    out = flow();
    out.claim_from(infinity);
    return out;
  }
  std::vector<Prediction> predictions() const override {
    if (!central_flow_) return network_predictions(*problem_);
    return problem_->shared_start ? central_flow_claims(flow()) : std::vector<Prediction>{};
  }
  std::unique_ptr<Simulation> simulate() const override {
    auto simulation = simulate_network(problem_);
    if (perturbation_ > 0) {
      auto moved = std::make_shared<NetworkProblem>(*problem_);
      moved->perturbation = perturbation_;
      simulation = with_change(std::move(simulation), simulate_network(std::move(moved)), "loss");
    }
    return central_flow_ ? with_window_means(std::move(simulation), {"loss"}, problem_->time) : std::move(simulation);
  }
  std::vector<Finding> stability() const override { return network_stability(*problem_); }

 private:
  /// Followed once: it takes as long as many runs.
  const Trajectory& flow() const {
    std::call_once(once_, [this] { flow_ = solve_central_flow(*problem_); });
    return flow_;
  }

  std::shared_ptr<const NetworkProblem> problem_;
  bool central_flow_;
  double perturbation_;
  mutable std::once_flag once_;
  mutable Trajectory flow_;
};

std::unique_ptr<Problem> build(const Experiment& experiment, std::span<const Description* const> optimizers) {
  const Table& table = experiment.table;
  auto problem = std::make_shared<NetworkProblem>();
  problem->time = experiment.time;
  problem->seed = experiment.monte_carlo.seed;
  problem->data = ingredients::networks::read_training_data(table);
  problem->network =
      read_network(settings::read(table.table_or_empty("network"), network_parameters()), *problem->data.train);
  problem->loss = read_loss(settings::read(table.table_or_empty("loss"), loss_section().parameters()), problem->data);
  problem->rate =
      ingredients::read_rate_rule(table, std::sqrt(numerics::squared_norm_in_order(problem->start(problem->seed, 0))));
  read_optimizer(settings::read_choice(table, "optimizer", optimizers, "gd"), *problem);
  problem->schedule = ingredients::read_schedule(table, "schedule", static_cast<double>(experiment.time.steps));
  ingredients::check_base_of_rate(table, problem->rate.get(), problem->rule.base);
  const Values run = read_monte_carlo(table, run_section().parameters());
  read_simulation(run, *problem);
  check_start(table, *problem);
  return std::make_unique<NetworkExperiment>(std::move(problem),
                                             theory_section().read(table.table_or_empty("theory")).central_flow,
                                             run.number("perturbation"));
}

std::vector<Observable> observables_of_model() {
  NetworkProblem everything;
  everything.data.classes = true;
  everything.data.test = std::make_shared<const ingredients::networks::Examples>();
  everything.traces = Traces::exact;
  everything.kernel_norms = true;
  everything.every_step = true;
  everything.rule.base.adaptive = true;
  everything.rule.kind = UpdateKind::sam;
  everything.rule.rho = 1;
  std::vector<Observable> out = network_observables(everything);
  out.push_back(change_of(out.front()));
  return out;
}

}  // namespace

const Model& network_model() {
  static const DeclaredModel model({
      .description =
          {"network", "training of a small dense network: sharpness, both parts of its Hessian, edges of stability",
           "f = W_L phi(... phi(W_1 x + b_1) ...) + b_L,   L = mean loss(f, y),   H = GGN + NME\n"
           "GGN = J'(d2loss/df2)J,   NME = sum_a (dloss/df_a) grad^2 f_a\n"
           "edge of an optimizer that knows the part A of H: eta lambda (1 + r u'A u)/(1 + momentum) = 2, r = rho or "
           "rho/|g|\n"
           "theory: the loss linearised at the start, shown and not judged; or the central flow, the mean path at the "
           "edge\n"
           "predicted of whole runs that reached their edge (validate judges them; [verdict] predictions demands "
           "them):\n"
           "squared loss, all examples, constant rate, no momentum: edge_plateau (edge ends at 2); one output, B <= "
           "n/4: "
           "norm_plateau\n"
           "(the kernel norm ends near 1); piecewise linear activations, exact traces: nme_vanishes (tr NME = 0);\n"
           "[rate] cdat with sigma = 2, all examples: on_edge (eta lambda ends at 2);\n"
           "central flow: central_loss (the mean loss after the edge)",
           "Dauphin, Agarwala, Mobahi 2024; Singh, Mobahi, Agarwala et al. 2025; docs/theory/curvature-dynamics.md,\n"
           "sections 1, 5, 6 and 8",
           all_keys()},
      .sections = {"data", "network", "loss", "optimizer", "schedule", "rate", "theory", "monte_carlo"},
      .optimizers = optimizers_of_model(),
      .observables = observables_of_model(),
      .closed_forms = network_closed_forms,
      .theory = theory_section().parameters(),
      .monte_carlo = run_section().parameters(),
      .build = build,
      .start = R"(data = { examples = 50, inputs = 10 }
network.hidden = [16]
optimizer.learning_rate = 0.1
time = { steps = 50, points = 20 }
monte_carlo.replicas = 8)",
      .start_of = ingredients::curvature_starts(0.05, 0.01),
  });
  return model;
}

}  // namespace edgewise::models::network
