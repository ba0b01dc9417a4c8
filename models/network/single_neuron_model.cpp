// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <utility>

#include "models/framework/declared_model.hpp"
#include "models/framework/recorder.hpp"
#include "models/framework/simulation_of.hpp"
#include "models/ingredients/curvature_part.hpp"
#include "models/ingredients/schedules.hpp"
#include "models/ingredients/stepping_replica.hpp"
#include "models/network/edge.hpp"
#include "models/network/sampled_neuron.hpp"
#include "models/network/simulation.hpp"
#include "models/network/updates.hpp"
#include "numerics/constants.hpp"
#include "numerics/sums.hpp"
#include "settings/section.hpp"

namespace edgewise::models::network {

const Model& single_neuron_model();

namespace {

using ingredients::CurvaturePart;
using settings::Description;
using settings::Parameter;

constexpr const char* page = "docs/theory/curvature-dynamics.md, section 5.3";
/// Examples per parameter from which on a batch's step is taken for the population's, and what is claimed then.
constexpr double large_batch = 1000, claimed = 0.05;
/// Examples within 3 widths of a bend below which a mean of what is there alone (phi'', and phi' of erf) is that of a few rare ones: its
/// spread over runs is no guide to its error.
constexpr double fewest_at_kink = 20;
/// Distance from the population's path, relative, beyond which a mean over runs is not taken for what is there: it is off by some
/// times the square.
constexpr double near_the_path = 0.1;
/// Loss over the size of its terms below which its digits, and those of tr NME, are not all known.
constexpr double smallest_loss = 1e-9;
/// Numbers that a batch may take.
constexpr double most_numbers = 1e8;

struct NeuronProblem {
  NeuronKind kind = NeuronKind::erf;
  double beta = 1;
  std::vector<double> start, teacher;
  UpdateRule rule;
  double learning_rate = 0;
  std::size_t batch = 1, examples = 1;  ///< of a step, and of what is recorded
  std::shared_ptr<const ingredients::Schedule> schedule;
  Time time;

  double dimension() const { return static_cast<double>(start.size()); }
  /// Whether so many examples see what phi'' is at such a |w|.
  bool see_kink(std::size_t drawn, double length) const {
    if (kind == NeuronKind::relu || kind == NeuronKind::relu_true) return true;
    const double width = 1 / ((kind == NeuronKind::erf ? 1 : beta) * length);  // of w.x/|w|
    return static_cast<double>(drawn) * std::min(1.0, 6 * width / std::sqrt(2 * pi)) >= fewest_at_kink;
  }
  /// Of erf phi' is there, too.
  bool see_slope(std::size_t drawn, double length) const { return kind != NeuronKind::erf || see_kink(drawn, length); }
  double rate_at(std::uint64_t step) const { return learning_rate * schedule->at(static_cast<double>(step)); }
  double scale() const {
    NeuronLoss neuron(kind, teacher, beta);
    const double loss = neuron.move_to(start);
    return loss > 0 ? loss : 1;
  }
};

const std::vector<Observable>& neuron_observables() {
  static const std::vector<Observable> all{
      {"loss", "1", "E (f - f*)^2/2; of the record's examples in a simulation, as all traces"},
      {"weight_norm", "1", "|w|"},
      {"alignment", "1", "w.w*/(|w||w*|); absent at w = 0"},
      {"hessian_trace", "1", "tr H"},
      {"ggn_trace", "1", "tr GGN, GGN = E phi'^2 x x'"},
      {"nme_trace", "1", "tr NME, NME = E (f - f*) phi'' x x', the distributional part of relu as asked"},
      {"nme_spread", "1", "standard deviation of an example's tr NME; absent with the distributional part"}};
  return all;
}
/// Of the population alone.
const std::vector<Observable>& population_observables() {
  static const std::vector<Observable> all{{"gradient_norm", "1", "|g| of the population's loss"},
                                           {"sharpness", "1", "the largest eigenvalue of H"},
                                           {"hessian_min", "1", "the smallest one"}};
  return all;
}

double norm(std::span<const double> x) {
  return std::sqrt(numerics::squared_norm_in_order(x));
}

/// |w| and the alignment.
std::pair<double, double> position(const NeuronProblem& p, std::span<const double> w) {
  const double length = norm(w);
  return {length, length > 0 ? numerics::dot_in_order(w, p.teacher) / (length * norm(p.teacher)) : absent};
}

linear_algebra::Matrix part_of(const NeuronLoss& neuron, CurvaturePart part) {
  const std::size_t d = neuron.parameters();
  linear_algebra::Matrix out(d, d);
  std::vector<double> unit(d);
  for (std::size_t k = 0; k < d; ++k) {
    unit[k] = 1;
    neuron.product(part, unit, out.column(k));
    unit[k] = 0;
  }
  return out;
}

double spread_of(const NeuronProblem& p, std::span<const double> w) {
  return p.kind == NeuronKind::relu_true ? absent : neglected_spread(p.kind, p.beta, w, p.teacher);
}

/// Along the population's loss.
Trajectory follow_population(const NeuronProblem& p) {
  NeuronLoss neuron(p.kind, p.teacher, p.beta);
  Updates updates(p.rule, p.start.size(), 1, 0);
  std::vector<double> w = p.start;
  Recorder recorder(p.scale());
  std::vector<Recorder::Handle> columns;
  for (const auto* list : {&neuron_observables(), &population_observables()})
    for (const Observable& o : *list) columns.push_back(recorder.add(o));
  std::uint64_t step = 0;
  for (const std::uint64_t target : p.time.at) {
    bool alive = true;
    for (; step < target && alive; ++step) {
      neuron.move_to(w);
      move(updates.direction(neuron, w, step), p.rate_at(step), w);
      alive = recorder.alive(static_cast<double>(step + 1), neuron.move_to(w));
    }
    if (!alive) break;
    const double loss = neuron.move_to(w);
    const ingredients::EstimatedTraces traces = traces_by_columns(neuron);
    const auto [length, alignment] = position(p, w);
    std::vector<double> g(w.size());
    neuron.gradient(g);
    const std::vector<double> q = linear_algebra::symmetric_eigenvalues(part_of(neuron, CurvaturePart::hessian));
    recorder.row(static_cast<double>(target));
    const double values[] = {
        loss,    length,   alignment, traces.hessian, traces.gauss_newton, traces.neglected, spread_of(p, w),
        norm(g), q.back(), q.front()};
    for (std::size_t k = 0; k < columns.size(); ++k) recorder.set(columns[k], values[k]);
  }
  Trajectory out = recorder.take();
  out.method = "descent on the population's loss";
  return out;
}

/// The population with the noise of a batch, of the covariance that `batch` examples have, from a few of them.
class NoisyNeuron final : public ingredients::CurvedObjective {
 public:
  NoisyNeuron(const NeuronProblem& p, random::Stream stream)
      : population_(p.kind, p.teacher, p.beta),
        sampled_(p.kind, p.teacher, p.beta),
        stream_(stream),
        drawn_(std::min<std::size_t>(p.batch, 100)),
        share_(std::sqrt(static_cast<double>(drawn_) / static_cast<double>(p.batch))),
        other_(p.start.size()) {}

  void draw(std::uint64_t step) {
    stream_.seek(step);
    sampled_.draw(stream_, drawn_);
  }
  std::size_t parameters() const override { return other_.size(); }
  double move_to(std::span<const double> w) override {
    sampled_.move_to(w);
    return population_.move_to(w);
  }
  void gradient(std::span<double> out) const override {
    population_.gradient(out);
    sampled_.gradient(other_);
    mix(out);
  }
  void product(CurvaturePart part, std::span<const double> v, std::span<double> out) const override {
    population_.product(part, v, out);
    sampled_.product(part, v, other_);
    mix(out);
  }

 private:
  void mix(std::span<double> out) const {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += share_ * (other_[i] - out[i]);
  }

  NeuronLoss population_;
  SampledNeuron sampled_;
  random::Stream stream_;
  std::size_t drawn_;
  double share_;
  mutable std::vector<double> other_;
};

/// How far a few runs are from the population's path at the end, relative, root mean squares: w and tr H.
struct Distance {
  double weights = 0, hessian = 0;
};
Distance distance_of_runs(const NeuronProblem& p) {
  const auto end_of = [&p](auto& objective, std::uint64_t run, auto&& draw) {
    Updates updates(p.rule, p.start.size(), 1, run);
    std::vector<double> w = p.start;
    for (std::uint64_t step = 0; step < p.time.steps; ++step) {
      draw(step);
      objective.move_to(w);
      move(updates.direction(objective, w, step), p.rate_at(step), w);
    }
    return w;
  };
  NeuronLoss population(p.kind, p.teacher, p.beta);
  const std::vector<double> path = end_of(population, 0, [](std::uint64_t) {});
  population.move_to(path);
  const double trace = traces_by_columns(population).hessian;
  Distance out;
  constexpr int runs = 4;
  for (int run = 0; run < runs; ++run) {
    NoisyNeuron noisy(p, random::Stream(0, run, 0, random::Purpose::batch));
    std::vector<double> w = end_of(noisy, run, [&noisy](std::uint64_t step) { noisy.draw(step); });
    population.move_to(w);
    out.hessian = std::hypot(out.hessian, traces_by_columns(population).hessian / trace - 1);
    for (std::size_t i = 0; i < w.size(); ++i) w[i] -= path[i];
    out.weights = std::hypot(out.weights, norm(w) / norm(path));
  }
  out.hessian /= std::sqrt(runs);
  out.weights /= std::sqrt(runs);
  return out;
}

class NeuronReplica final : public ingredients::ScheduledReplica {
 public:
  NeuronReplica(std::shared_ptr<const NeuronProblem> problem, std::uint64_t seed, std::uint64_t index)
      : ScheduledReplica(network_divergence * problem->scale(), problem->learning_rate, *problem->schedule),
        problem_(std::move(problem)),
        w_(problem_->start),
        training_(problem_->kind, problem_->teacher, problem_->beta),
        measured_(training_),
        updates_(problem_->rule, w_.size(), seed, index),
        batches_(seed, index, 0, random::Purpose::batch),
        records_(seed, index, 0, random::Purpose::gradient) {}

 private:
  double descend_once(std::uint64_t step, double rate) override {
    batches_.seek(step);
    training_.draw(batches_, problem_->batch);
    const double loss = training_.move_to(w_);
    move(updates_.direction(training_, w_, step), rate, w_);
    step_ = step + 1;
    return loss;
  }
  void measure(std::span<double> out) const override {
    records_.seek(step_);
    measured_.draw(records_, problem_->examples);
    out[0] = measured_.move_to(w_);
    std::tie(out[1], out[2]) = position(*problem_, w_);
    const SampledNeuron::Traces traces = measured_.traces();
    out[3] = traces.gauss_newton + traces.neglected;
    out[4] = traces.gauss_newton;
    out[5] = traces.neglected;
    out[6] = problem_->kind == NeuronKind::relu_true ? absent : traces.spread;
  }

  std::shared_ptr<const NeuronProblem> problem_;
  std::vector<double> w_;
  SampledNeuron training_;
  mutable SampledNeuron measured_;
  Updates updates_;
  random::Stream batches_;
  mutable random::Stream records_;
  std::uint64_t step_ = 0;
};

/// Claimed of the mean of an observable in the first or the last row.
Prediction claim(const Trajectory& theory, const char* observable, bool first, double spread) {
  Prediction out;
  const auto of = [first](std::span<const double> values) { return first ? values.front() : values.back(); };
  out.name = fmt::format("{}_{}", observable, first ? "at_start" : "at_end");
  out.statement = first ? "the mean over examples is the closed form's" : "large batches follow the population";
  out.source = page;
  out.quantity = fmt::format("{} at the {}", observable, first ? "start" : "end");
  out.runs = "did not diverge";
  out.observable = observable;
  out.nominal = of(theory.find(observable)->value);
  out.low = out.nominal - spread;
  out.high = out.nominal + spread;
  out.centre = Centre::mean;
  out.statistic = [observable, of](const RecordedReplica& run) -> std::optional<double> {
    if (run.diverged) return std::nullopt;
    return of(run.values(observable));
  };
  return out;
}

class NeuronExperiment final : public Problem {
 public:
  explicit NeuronExperiment(std::shared_ptr<const NeuronProblem> problem) : problem_(std::move(problem)) {}

  Trajectory solve() const override { return follow_population(*problem_); }
  /// What is claimed is the start, where w is known and means are exact, and the end, to what batches cost.
  Trajectory reference() const override {
    Trajectory out = solve();
    out.claim_from(infinity);
    return out;
  }
  std::vector<Prediction> predictions() const override {
    const NeuronProblem& p = *problem_;
    const Trajectory theory = solve();
    std::vector<Prediction> out;
    const auto add = [&](const char* name, bool first) {
      const std::vector<double>& value = theory.find(name)->value;
      if (!first)
        out.push_back(claim(theory, name, false, claimed * std::abs(value.back())));
      else if (value.front() != 0)
        out.push_back(claim(theory, name, true, 0));
    };
    const std::vector<double>& lengths = theory.find("weight_norm")->value;
    const double first = lengths.front(), longest = *std::ranges::max_element(lengths);
    NeuronLoss at_start(p.kind, p.teacher, p.beta);
    const bool apart = at_start.move_to(p.start) > smallest_loss * at_start.size_of_terms();
    if (apart) add("loss", true);
    if (p.see_slope(p.examples, first)) add("ggn_trace", true);
    if (apart && p.see_kink(p.examples, first)) add("nme_trace", true);
    const bool goes_by_kink = p.rule.kind == UpdateKind::penalty && p.rule.part != CurvaturePart::gauss_newton;
    if (theory.diverged_at || static_cast<double>(p.batch) < large_batch * p.dimension() ||
        !p.see_slope(p.batch, longest) || (goes_by_kink && !p.see_kink(p.batch, longest)))
      return out;
    const Distance distance = distance_of_runs(p);
    if (!(distance.weights <= near_the_path)) return out;
    add("weight_norm", false);
    if (p.see_kink(p.examples, lengths.back()) && distance.hessian <= near_the_path) add("hessian_trace", false);
    return out;
  }
  std::unique_ptr<Simulation> simulate() const override {
    return simulation_of({neuron_observables(), "a fresh batch of Gaussian examples a step",
                          [problem = problem_](auto seed, auto index) {
                            return std::make_unique<NeuronReplica>(problem, seed, index);
                          }});
  }
  std::vector<Finding> stability() const override;
  std::vector<ModeColumn> mode_table() const override {
    NeuronLoss neuron(problem_->kind, problem_->teacher, problem_->beta);
    neuron.move_to(problem_->start);
    const auto column = [&](const char* name, CurvaturePart part, const char* doc) {
      return ModeColumn{name, "1", doc, linear_algebra::symmetric_eigenvalues(part_of(neuron, part))};
    };
    return {
        column("hessian", CurvaturePart::hessian, "eigenvalues of H at the start, each part's from the smallest up"),
        column("ggn", CurvaturePart::gauss_newton, "of its Gauss-Newton part"),
        column("nme", CurvaturePart::neglected, "of what that neglects")};
  }

 private:
  std::shared_ptr<const NeuronProblem> problem_;
};

std::vector<Finding> NeuronExperiment::stability() const {
  const NeuronProblem& p = *problem_;
  NeuronLoss neuron(p.kind, p.teacher, p.beta);
  const double loss = neuron.move_to(p.start);
  std::vector<double> g(p.start.size());
  neuron.gradient(g);
  const ingredients::LargestCurvature top = largest_curvature(neuron, CurvaturePart::hessian);
  const ingredients::EstimatedTraces traces = traces_by_columns(neuron);
  std::vector<Finding> out{{"loss", loss, "of the population at the start, as all below"},
                           {"gradient_norm", norm(g), "|g|"},
                           {"sharpness", top.value, "lambda, the largest eigenvalue of H"},
                           {"hessian_trace", traces.hessian, "tr H"},
                           {"ggn_trace", traces.gauss_newton, "tr GGN"},
                           {"nme_trace", traces.neglected, "tr NME"}};
  if (p.kind != NeuronKind::relu_true)
    out.push_back({"nme_spread", spread_of(p, p.start), "standard deviation of an example's tr NME"});
  if (p.kind == NeuronKind::beta_gelu && norm(p.start) > 0) {
    NeuronLoss kink(NeuronKind::relu_true, p.teacher);
    kink.move_to(p.start);
    out.push_back({"relu_nme_trace", traces_by_columns(kink).neglected, "tr NME of relu, which beta to infinity has"});
  }
  if (norm(p.start) > 0) {
    const double h = 1e-4;  // error h^2
    ingredients::EstimatedTraces side[2];
    double square[2];
    for (const int up : {0, 1}) {
      std::vector<double> w = p.start;
      for (double& x : w) x *= std::exp(up ? h : -h);
      neuron.move_to(w);
      side[up] = traces_by_columns(neuron);
      neuron.gradient(g);
      square[up] = numerics::squared_norm_in_order(g);
    }
    out.push_back({"hessian_trace_slope", (side[1].hessian - side[0].hessian) / (2 * h), "d tr H/d log|w|"});
    out.push_back({"ggn_trace_slope", (side[1].gauss_newton - side[0].gauss_newton) / (2 * h), "d tr GGN/d log|w|"});
    out.push_back({"squared_gradient_slope", (square[1] - square[0]) / (2 * h),
                   "d |g|^2/d log|w|: at the teacher a gradient penalty sees nothing, a trace penalty does"});
    neuron.move_to(p.start);
  }
  const double eta = p.rate_at(0),
               ratio = p.rule.kind == UpdateKind::plain
                           ? 0
                           : p.rule.ratio(out[1].value.index() == 0 ? std::get<double>(out[1].value) : 0);
  const CurvaturePart part = p.rule.kind == UpdateKind::penalty ? p.rule.part : CurvaturePart::hessian;
  const double edge = edge_ratio(eta, top.value, ratio, curvature_along(neuron, part, top.vector), 0);
  out.push_back({"edge", edge, "eta lambda (1 + r u'A u), 2 at the edge"});
  out.push_back({"stable", edge < 2, "linearised, along the leading eigenvector"});
  if (p.kind == NeuronKind::relu && p.rule.kind == UpdateKind::penalty && !p.rule.normalised)
    out.push_back({"equivalent_rate", eta * (1 + (part == CurvaturePart::neglected ? 0 : p.rule.rho / 2)),
                   "plain gradient descent at this rate is the same: GGN = I/2, and nothing is regularised"});
  return out;
}

struct Neuron {
  int activation = 0;
  double beta = 1;
  bool distributional = false;
  std::vector<double> start;
};

const settings::Section<Neuron>& neuron_section() {
  static const settings::Section<Neuron> section([](settings::Section<Neuron>& s) {
    s.words("activation", &Neuron::activation, "phi: erf erf(s/sqrt 2), relu, gelu s Phi(s), beta-gelu s Phi(beta s)",
            {{"erf", 0}, {"relu", 1}, {"gelu", 2}, {"beta-gelu", 3}});
    s.key("beta", &Neuron::beta, "of beta-gelu").where("activation", {"beta-gelu"}).above(0);
    s.key("distributional", &Neuron::distributional,
          "of relu: the Hessian has the part of phi'' = delta, which automatic differentiation does not see")
        .where("activation", {"relu"});
    s.key("start", &Neuron::start, "w at the start, d numbers").must();
  });
  return section;
}

const std::vector<Parameter>& data_keys() {
  static const std::vector<Parameter> keys{
      settings::numbers("teacher", "w*, d numbers; labels are phi(w*.x), x ~ N(0, I)").must()};
  return keys;
}

std::vector<Description> neuron_optimizers() {
  const auto rate = [] { return settings::number("learning_rate", "eta").in("per step").above(0).must(); };
  const auto batch = [] {
    return settings::number("batch", "B, fresh examples a step of the simulation; whole")
        .at_least(1)
        .otherwise(10000.0);
  };
  return {{"sgd", "gradient descent on the population, or on fresh batches", "w' = w - eta g", page, {rate(), batch()}},
          {"sam",
           "sharpness-aware minimisation",
           "w' = w - eta g(w + e), e = rho g/|g|",
           page,
           {rate(), settings::number("rho", "length of the ascent").at_least(0).must(),
            settings::boolean("normalised", "e = rho g/|g|; else rho g").otherwise(true), batch()}},
          {"gradient-penalty", "gradient descent on L + (rho/2)|g|^2, or with a part of the Hessian in its gradient",
           "w' = w - eta (g + rho A g), A = H, GGN or NME", page, ingredients::penalty_parameters(rate(), {batch()})}};
}

void read_neuron_optimizer(const settings::Choice& choice, NeuronProblem& p) {
  constexpr UpdateKind kinds[] = {UpdateKind::plain, UpdateKind::sam, UpdateKind::penalty};
  const settings::Values& values = choice.values;
  p.rule.kind = kinds[choice.index];
  p.learning_rate = values.number("learning_rate");
  if (values.has("rho")) p.rule.rho = values.number("rho");
  if (values.has("normalised")) p.rule.normalised = values.flag("normalised");
  p.rule.part = ingredients::read_curvature_part(values, p.rule.part);
  p.batch = values.whole("batch");
  if (values.number("batch") * p.dimension() > most_numbers)
    throw values.error("batch", fmt::format("times d must be at most {:g}", most_numbers));
}

/// Section [monte_carlo].
const std::vector<Parameter>& run_keys() {
  static const std::vector<Parameter> keys{
      settings::number("examples", "fresh ones at every recorded step, of loss and traces; whole")
          .at_least(2)
          .at_most(1e7)
          .otherwise(10000.0)};
  return keys;
}

std::unique_ptr<Problem> build_neuron(const Experiment& experiment, std::span<const Description* const> optimizers) {
  const settings::Table& table = experiment.table;
  auto p = std::make_shared<NeuronProblem>();
  p->time = experiment.time;
  const settings::Values data = settings::read(table.table_or_empty("data"), data_keys());
  const settings::Values values = settings::read(table.table_or_empty("neuron"), neuron_section().parameters());
  const Neuron neuron = neuron_section().from(values);
  p->teacher = data.numbers("teacher");
  p->start = neuron.start;
  if (p->teacher.empty() || !(norm(p->teacher) > 0)) throw data.error("teacher", "must not be 0");
  if (p->start.size() != p->teacher.size())
    throw values.error("start", fmt::format("needs one number per number of data.teacher: {}", p->teacher.size()));
  constexpr double longest = 1e60;  // curvatures fall as its powers and must stay numbers
  if (!(norm(p->teacher) <= longest)) throw data.error("teacher", fmt::format("must be no longer than {:g}", longest));
  if (!(norm(p->start) <= longest)) throw values.error("start", fmt::format("must be no longer than {:g}", longest));
  constexpr NeuronKind kinds[] = {NeuronKind::erf, NeuronKind::relu, NeuronKind::beta_gelu, NeuronKind::beta_gelu};
  p->kind = neuron.distributional ? NeuronKind::relu_true : kinds[neuron.activation];
  p->beta = neuron.beta;
  if (neuron.activation == 1 && !(norm(p->start) > 0))
    throw values.error("start", "must not be 0 with relu, which has no gradient there");
  read_neuron_optimizer(settings::read_choice(table, "optimizer", optimizers, "sgd"), *p);
  p->schedule = ingredients::read_schedule(table, "schedule", static_cast<double>(experiment.time.steps));
  const settings::Values run = read_monte_carlo(table, run_keys());
  p->examples = run.whole("examples");
  if (static_cast<double>(p->examples) * p->dimension() > most_numbers)
    throw run.error("examples", fmt::format("times d must be at most {:g}", most_numbers));
  return std::make_unique<NeuronExperiment>(std::move(p));
}

}  // namespace

const Model& single_neuron_model() {
  static const DeclaredModel model({
      .description =
          {"single-neuron", "one neuron that learns another, in closed form: what penalties see of its Hessian",
           "f = phi(w.x), labels phi(w*.x), x ~ N(0, I),  L = E (f - f*)^2/2 = l(|w|^2, w.w*)\n"
           "GGN = E phi'^2 x x',  NME = E (f - f*) phi'' x x';  relu: phi'' = 0 to automatic differentiation, delta "
           "to\n"
           "the population (neuron.distributional)\n"
           "predicted: the means of loss and traces at the start; at batches of 1000 d and more |w| and tr H at the "
           "end",
           "Dauphin, Agarwala, Mobahi 2024; docs/theory/curvature-dynamics.md, section 5.3",
           settings::with_sections({{"data", data_keys()}, {"neuron", neuron_section().parameters()}})},
      .sections = {"data", "neuron", "optimizer", "schedule", "monte_carlo"},
      .optimizers = neuron_optimizers(),
      .observables = neuron_observables(),
      .monte_carlo = run_keys(),
      .build = build_neuron,
      .start = R"(data.teacher = [0.5, -0.4, 0.6]
neuron.start = [0.8, 0.3, -0.2]
optimizer.learning_rate = 0.1
time.steps = 50
monte_carlo.replicas = 8)",
      .start_of = {{"sam", R"(optimizer.rho = 0.1)"}, {"gradient-penalty", R"(optimizer.rho = 1)"}},
  });
  return model;
}

}  // namespace edgewise::models::network
