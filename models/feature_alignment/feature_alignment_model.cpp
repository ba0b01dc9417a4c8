// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "models/feature_alignment/alignment_sections.hpp"
#include "models/feature_alignment/closed_forms.hpp"
#include "models/feature_alignment/deep_linear.hpp"
#include "models/feature_alignment/network_alignment.hpp"
#include "models/feature_alignment/quadratic_net.hpp"
#include "models/framework/declared_model.hpp"
#include "models/framework/simulation_of.hpp"
#include "models/ingredients/networks/network_section.hpp"

namespace edgewise::models::feature_alignment {

const Model& feature_alignment_model();

namespace {

using settings::Description;
using settings::Parameter;
using settings::Table;
using settings::Values;

constexpr const char* page = "docs/theory/networks-and-kernels.md, section ";

/// Of a correlation: where more must be allowed, nothing is claimed.
constexpr double largest_allowance = 0.2;

/// How far the means of draws at dimension d may lie from the limit: O(1/d), more where a few readouts or labels carry the
/// sums. Of examples of a rank-one teacher the limit keeps the noise, tau(A^4) = c^2 (2 + c E y^4); the teacher adds
/// 4/d, and alone it makes rho_C 1.
struct FiniteSize {
  explicit FiniteSize(const QuadraticNet& net) {
    const std::vector<double> a = readout_moments(net), y = label_moments(net);
    const auto d = static_cast<double>(net.dimension);
    centred = std::max({1.0, net.width_ratio * a[8] / 20, net.examples_ratio * y[4] / 20}) / d;
    uncentred = (1 + net.width_ratio * (a[4] - 1) / 3) / d;
    if (const double c = net.examples_ratio; net.label == LabelKind::rank_one && c > 0)
      centred += (1 - limit(net).centred) * std::min(1.0, 4 / (d * c * c * (2 + c * y[4])));
  }
  double centred = 0, uncentred = 0;
};

Prediction start_prediction(const std::string& observable, double nominal, double allowed) {
  Prediction out;
  out.name = observable + "_start";
  out.observable = observable;
  out.quantity = observable + " at step 0";
  out.runs = "start";
  out.nominal = nominal;
  out.low = nominal - allowed;
  out.high = nominal + allowed;
  out.centre = Centre::mean;
  out.statistic = [observable](const RecordedReplica& run) -> std::optional<double> {
    const auto value = run.values(observable);
    return value.empty() ? std::nullopt : std::optional(value.front());
  };
  return out;
}

/// What the three kinds have in common.
class AlignmentProblem : public Problem {
 public:
  std::vector<Finding> stability() const override {
    std::vector<Finding> out;
    for (const Column& column : solve().columns)
      out.push_back({column.observable.name, column.value.front(), "at step 0: " + column.observable.doc});
    return out;
  }
};

class QuadraticProblem final : public AlignmentProblem {
 public:
  QuadraticProblem(QuadraticNet net, Correlation kind, Values values)
      : net_(std::make_shared<const QuadraticNet>(std::move(net))), kind_(kind), values_(std::move(values)) {}

  Trajectory solve() const override {
    const StartAlignment now = limit(*net_);
    Trajectory out;
    out.steps = {0};
    out.columns = {{readings()[0], {now.centred}, {}}, {readings()[1], {now.uncentred}, {}}};
    out.method = "sums over non-crossing partitions";
    return out;
  }
  /// Means of draws are judged by the predictions, to O(1/d), and not as a trajectory.
  Trajectory reference() const override {
    Trajectory out;
    out.method = "predictions about whole runs, no trajectory";
    const FiniteSize allowed(*net_);
    std::string unclaimed = allowed.centred < largest_allowance ? "" : "centred";
    if (!(allowed.uncentred < largest_allowance)) unclaimed += unclaimed.empty() ? "uncentred" : " and uncentred";
    if (!unclaimed.empty())
      out.warnings.push_back(fmt::format(
          "at dimension {} draws may lie so far from the limit that nothing is claimed of their {} correlation",
          net_->dimension, unclaimed));
    return out;
  }
  std::vector<Prediction> predictions() const override {
    const StartAlignment now = limit(*net_);
    const FiniteSize allowed(*net_);
    std::vector<Prediction> out;
    // At a dimension so small that O(1/d) allows nearly everything the limit says nothing.
    if (allowed.centred < largest_allowance) out.push_back(start_prediction("rho_c_1", now.centred, allowed.centred));
    if (allowed.uncentred < largest_allowance)
      out.push_back(start_prediction("rho_u_1", now.uncentred, allowed.uncentred));
    for (Prediction& p : out) {
      p.statement = fmt::format("{} at the start is that of d -> infinity, to {:.2g} at this d", p.observable,
                                p.high - p.nominal);
      p.source = std::string(page) + "2.3";
    }
    return out;
  }
  std::vector<Finding> stability() const override {
    std::vector<Finding> out = AlignmentProblem::stability();
    for (const auto& [name, value] : traces(*net_))
      out.push_back({name, value, "limit of (1/d) tr of the word; W, S, M = (1/m) sum a^e w w', e = 0, 1, 2"});
    return out;
  }
  std::unique_ptr<Simulation> simulate() const override {
    if (net_->label == LabelKind::moments)
      throw values_.error("labels", "moments are no law to draw from; take values, or the theory alone");
    const auto d = static_cast<double>(net_->dimension);
    double entries = d * d;
    for (const char* key : {"examples_ratio", "width_ratio"}) {
      const double ratio = values_.number(key);
      if (ratio > 2 * d)
        throw values_.error("dimension",
                            fmt::format("must be at least {:g} to draw with {} = {:g}", ratio / 2, key, ratio));
      if (ratio > 0) entries = std::max(entries, d * d / ratio);
    }
    if (entries > 2e7)
      throw values_.error("dimension",
                          fmt::format("{} makes a matrix of {:.1e} entries, at most 2e7", net_->dimension, entries));
    return simulation_of({readings(), "weights, data and readouts drawn at finite dimension",
                          [net = net_, kind = kind_](auto seed, auto index) {
                            return std::make_unique<Draw>(draw(*net, kind, seed, index));
                          }});
  }

 private:
  static const std::vector<Observable>& readings() {
    static const std::vector<Observable> all{{"rho_c_1", "1", "centred correlation of the derivative"},
                                             {"rho_u_1", "1", "uncentred correlation"}};
    return all;
  }
  class Draw final : public Replica {
   public:
    explicit Draw(StartAlignment start) : start_(start) {}
    void advance(std::uint64_t) override {}
    void observe(std::span<double> out) const override {
      out[0] = start_.centred;
      out[1] = start_.uncentred;
    }

   private:
    StartAlignment start_;
  };

  std::shared_ptr<const QuadraticNet> net_;
  Correlation kind_;
  Values values_;
};

class DeepLinearProblem final : public AlignmentProblem {
 public:
  DeepLinearProblem(DeepLinear net, Time time) : net_(std::move(net)), time_(std::move(time)) {}
  Trajectory solve() const override { return solve_deep_linear(net_, time_.at); }
  Trajectory reference() const override {
    Trajectory out = solve();
    if (net_.flow)
      out.warnings.push_back("a flow is gradient descent at eta -> 0; theory.method = \"descent\" is exact");
    return out;
  }
  std::unique_ptr<Simulation> simulate() const override { return simulate_deep_linear(net_); }
  std::vector<Finding> stability() const override {
    const auto layers = static_cast<double>(net_.layers);
    const double step = net_.learning_rate * layers * std::pow(*std::ranges::max_element(net_.target), 2 - 2 / layers);
    std::vector<Finding> out = AlignmentProblem::stability();
    out.push_back(
        {"eta_sharpness", step, "eta L sigma^(2 - 2/L) of the largest sigma, at the target; the edge is at 2"});
    out.push_back({"stable", step < 2, "the target is stable"});
    std::vector<double> end;
    for (const double s : net_.target) end.push_back(std::pow(s, 1 / layers));
    if (*std::ranges::max_element(end) > 0)
      out.push_back({"rho_u_1_end", deep_uncentred(net_, 1, end), "rho_u_1 at the target"});
    return out;
  }

 private:
  DeepLinear net_;
  Time time_;
};

class NetworkProblem final : public AlignmentProblem {
 public:
  explicit NetworkProblem(std::shared_ptr<const NetworkAlignment> problem) : problem_(std::move(problem)) {}
  Trajectory solve() const override { return solve_network_alignment(*problem_); }
  std::vector<Finding> stability() const override {
    std::vector<Finding> out = AlignmentProblem::stability();
    for (Finding& f : out) f.doc = "of replica 0, " + f.doc;  // each has a start of its own
    return out;
  }
  std::vector<Prediction> predictions() const override {
    const auto& layers = problem_->network->architecture().layers;
    const bool linear = std::ranges::all_of(layers, [](const auto& layer) {
      return layer.activation.kind == ingredients::networks::ActivationKind::identity;
    });
    if (!linear || problem_->network->outputs() != 1) return {};
    Prediction out = start_prediction("rho_c_1", 1, 1e-9);
    out.statement = "the gradient of a linear net of one output has rank one: its centred correlation is 1";
    out.source = std::string(page) + "2.3";
    return {out};
  }
  std::unique_ptr<Simulation> simulate() const override { return simulate_network_alignment(problem_); }

 private:
  std::shared_ptr<const NetworkAlignment> problem_;
};

const std::vector<Parameter>& theory_keys() {
  static const std::vector<Parameter> all{
      settings::text("method", "of deep-linear: descent, exact; flow, its limit eta -> 0")
          .one_of({"descent", "flow"})
          .otherwise(std::string("descent")),
      settings::number("rtol", "of the flow of three layers or more").above(0).below(1).otherwise(1e-10)};
  return all;
}

/// Nothing here is measured on held-out examples, and nothing knows a Hessian.
std::vector<Parameter> without(std::vector<Parameter> keys, std::string_view name) {
  std::erase_if(keys, [&](const Parameter& p) { return p.name == name; });
  return keys;
}
const std::vector<Parameter>& data_keys() {
  static const std::vector<Parameter> keys = without(ingredients::networks::data_parameters(), "test_examples");
  return keys;
}
const std::vector<Parameter>& network_keys() {
  static const std::vector<Parameter> keys = without(ingredients::networks::network_parameters(), "synthetic_beta");
  return keys;
}

std::shared_ptr<const NetworkAlignment> read_network_alignment(const Experiment& experiment, const Values& values,
                                                               const settings::Choice& optimizer) {
  const Table& table = experiment.table;
  auto out = std::make_shared<NetworkAlignment>();
  out->data = ingredients::networks::read_training_data(table, data_keys());
  out->network = ingredients::networks::read_network(settings::read(table.table_or_empty("network"), network_keys()),
                                                     *out->data.train);
  out->correlation = read_correlation(values);
  out->centred_output = values.flag("centred_output");
  out->time = experiment.time;
  out->seed = experiment.monte_carlo.seed;
  const std::size_t layers = out->network->layers();
  for (std::size_t l = 0; l < layers; ++l)
    if (out->network->fan_in(l) == 1 && out->correlation == Correlation::pearson)
      throw values.error("correlation",
                         fmt::format("pearson is not defined in layer {}, which has one input; take cosine", l + 1));
  AlignmentTraining& how = out->training;
  const Values& keys = optimizer.values;
  how.learning_rate = keys.number("learning_rate");
  if (keys.has("batch")) how.batch = keys.whole("batch");
  if (keys.has("speeds")) {
    how.speeds = keys.numbers("speeds");
    how.floor = keys.number("eps");
    if (how.speeds.size() != layers || !std::ranges::all_of(how.speeds, [](double c) { return c > 0; }))
      throw keys.error("speeds", fmt::format("must be {} numbers > 0, one for each layer", layers));
  }
  how.schedule = ingredients::read_schedule(table, "schedule", static_cast<double>(experiment.time.steps));
  return out;
}

std::unique_ptr<Problem> build(const Experiment& experiment, std::span<const Description* const> optimizers) {
  const Table& table = experiment.table;
  std::vector<const Description*> kinds;
  for (const Description& kind : alignment_kinds()) kinds.push_back(&kind);
  const settings::Choice choice = settings::read_choice(table, "alignment", kinds, "quadratic");
  const auto kind = static_cast<AlignmentKind>(choice.index);
  const Values theory = settings::read(table.table_or_empty("theory"), theory_keys());
  for (const char* section : {"data", "network", "schedule", "optimizer"})
    if (table.table(section) && kind != AlignmentKind::network &&
        (kind == AlignmentKind::quadratic || section != std::string("optimizer")))
      throw table.error(section, "alignment.kind = \"" + alignment_kinds()[choice.index].name +
                                     "\" does not read this section; leave it out");
  for (const char* key : {"method", "rtol"})
    if (theory.given(key) && kind != AlignmentKind::deep_linear)
      throw theory.error(key, "belongs to alignment.kind = \"deep-linear\"");
  if (kind == AlignmentKind::quadratic) {
    if (experiment.time.steps > 0)
      throw table.error("time", "alignment of kind quadratic is that of the start: steps = 0");
    return std::make_unique<QuadraticProblem>(read_quadratic(choice.values), read_correlation(choice.values),
                                              choice.values);
  }
  const settings::Choice optimizer = settings::read_choice(table, "optimizer", optimizers, "gd");
  if (kind == AlignmentKind::deep_linear) {
    if (optimizer.index != 0) throw optimizer.values.error("kind", "of deep-linear is gd");
    DeepLinear net = read_deep_linear(choice.values);
    net.learning_rate = optimizer.values.number("learning_rate");
    net.flow = theory.text("method") == "flow";
    if (theory.given("rtol") && (!net.flow || net.layers < 3))
      throw theory.error("rtol", net.flow ? "is of three layers or more; the flow of fewer is in closed form"
                                          : "belongs to method = \"flow\"");
    net.rtol = theory.number("rtol");
    return std::make_unique<DeepLinearProblem>(std::move(net), experiment.time);
  }
  return std::make_unique<NetworkProblem>(read_network_alignment(experiment, choice.values, optimizer));
}

std::vector<Parameter> all_keys() {
  std::vector<Parameter> out{settings::text("alignment.kind", "quadratic, deep-linear or network")
                                 .one_of({"quadratic", "deep-linear", "network"})
                                 .otherwise(std::string("quadratic"))};
  const auto add = [&](const std::string& section, const std::string& of, const std::vector<Parameter>& keys) {
    for (Parameter key : keys) {
      key.name = section + key.name;
      if (!of.empty()) key.doc = of + ": " + key.doc;
      if (key.required) {  // of one kind only
        key.required = false;
        key.fallback_text = "required by " + of;
      }
      if (std::ranges::none_of(out, [&](const Parameter& p) { return p.name == key.name; }))
        out.push_back(std::move(key));
    }
  };
  for (const Description& kind : alignment_kinds()) add("alignment.", kind.name, kind.parameters);
  add("data.", "network", data_keys());
  add("network.", "network", network_keys());
  return out;
}

}  // namespace

const Model& feature_alignment_model() {
  const std::string network_start = R"(alignment.kind = "network"
data = { examples = 50, inputs = 10 }
network.hidden = [16]
optimizer.learning_rate = 0.05
time = { steps = 50, points = 20 })";
  static const DeclaredModel model({
      .description =
          {"feature-alignment", "how weights align with the average gradient outer product of their layer",
           "rho_U = corr(W'W, W'Kf W),   rho_C = corr(Wb'Wb, Wb'Kf Wb),   Wb = W - W_0,   Kf = (1/N) sum g g',   g = "
           "df/dh\n"
           "t -> 0, any network:  Wdot'Wdot = X'R PTK R X,   Wdot'Kf Wdot = X'R PTK^2 R X/N,   R = diag(y)/N\n"
           "[alignment] kind = quadratic (limits of random matrices), deep-linear (exact), network (real ones)",
           "Beaglehole, Mitliagkas, Agarwala 2024; docs/theory/networks-and-kernels.md, section 2", all_keys()},
      .sections = {"alignment", "data", "network", "optimizer", "schedule", "theory", "monte_carlo"},
      .dimension = {"alignment", "dimension"},
      .optimizers = alignment_optimizers(),
      .observables = network_alignment_observables(3),
      .closed_forms = feature_alignment_closed_forms,
      .theory = theory_keys(),
      .build = build,
      .start = R"(time.steps = 0
monte_carlo.replicas = 8)",
      .start_of = {{"quadratic", R"(alignment = { kind = "quadratic", dimension = 50 })"},
                   {"deep-linear", R"(alignment = { kind = "deep-linear", target = [3, 2, 1] }
optimizer.learning_rate = 0.01
time.steps = 100)"},
                   {"network", network_start},
                   {"gd", network_start},
                   {"sgd", network_start},
                   {"slo", network_start + "\noptimizer.speeds = [1, 1]"}},
  });
  return model;
}

}  // namespace edgewise::models::feature_alignment
