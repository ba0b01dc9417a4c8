// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "models/finite_data/finite_data.hpp"
#include "models/finite_data/loss_variance.hpp"
#include "models/ingredients/learning_rate.hpp"
#include "models/ingredients/noise.hpp"
#include "random/random.hpp"
#include "spectra/dataset.hpp"
#include "spectra/kinds.hpp"

namespace edgewise::models::finite_data {

const Model& finite_data_model();

namespace {

using settings::Parameter;
using settings::Table;
using settings::Values;

/// Up to here the exact second moments are the default: a step costs N^3.
constexpr std::size_t exact_by_default = 256;
const std::vector<Parameter>& data_keys() {
  static const std::vector<Parameter> parameters = {
      settings::integer("samples", "N, how many; drawn once, the same for every replica")
          .in("samples")
          .at_least(1)
          .at_most(20000)
          .computed("the rows of `inputs`"),
      settings::text(
          "law",
          "gaussian: x ~ N(0, K), y = <x, theta*> + noise; rows: of the data set, without repetition; list: "
          "`inputs` and `targets`; kernel: Theta has the eigenvalues of [spectrum] and eigenvectors in random "
          "directions, the residuals are standard normal")
          .one_of({"gaussian", "rows", "list", "kernel"})
          .otherwise(std::string("gaussian")),
      settings::integer("seed", "of the draw of the data").at_least(0).otherwise(std::int64_t{1}),
      settings::matrix("inputs", "one row per sample").where("law", {"list"}).in("input"),
      settings::numbers("targets", "y, one per sample").where("law", {"list"}).in("label")};
  return parameters;
}

const std::vector<Parameter>& theory_keys() {
  static const std::vector<Parameter> parameters = {
      settings::text("method",
                     "exact: N x N second moments of the residual, N^3 a step; closure: their diagonal in the "
                     "kernel's eigenbasis; mean-field: that with delocalised eigenvectors")
          .one_of({"exact", "closure", "mean-field"})
          .computed("exact up to N = 256, else closure"),
      settings::boolean("bands",
                        "add the exact standard deviation of the loss of one run, from the N^4 fourth moments of the "
                        "residual; N^5 operations a step (method exact)")
          .otherwise(false)};
  return parameters;
}

const std::vector<Parameter>& monte_carlo_keys() {
  static const std::vector<Parameter> parameters = {
      settings::text("sampler", "the same algorithm in parameters, O(B p) a step, or in residuals, O(B N)")
          .one_of({"auto", "parameters", "kernel"})
          .otherwise(std::string("auto"))};
  return parameters;
}

class FiniteDataProblem final : public Problem {
 public:
  FiniteDataProblem(std::shared_ptr<const FiniteData> data, FiniteDataMethod method, std::string sampler,
                    const Table& table)
      : data_(std::move(data)), method_(std::move(method)), sampler_(std::move(sampler)), table_(table) {}

  Trajectory solve() const override { return solve(method_); }
  Trajectory reference() const override {
    FiniteDataMethod method = method_;
    const double cost = FourthMoments::cost(data_->samples(), static_cast<double>(data_->time.steps));
    method.bands = method.name == "exact" && data_->sampling != Sampling::shuffle && (method.bands || cost < 5e9);
    return solve(method);
  }
  std::unique_ptr<Simulation> simulate() const override { return simulate_finite_data(data_, sampler_); }
  std::vector<Finding> stability() const override { return finite_data_stability(*data_, kernel()); }

  std::unique_ptr<RateObjective> rate_objective(const std::string& observable) const override {
    if (!observable.empty() && observable != "loss")
      throw Table(table_.origin(), "schedule_search").error("observable", "must be loss for this model");
    return settings::naming(table_, "", [&] { return finite_data_rate_objective(*data_, kernel(), method_); });
  }

  std::vector<ModeColumn> mode_table() const override {
    const Kernel& k = kernel();
    ModeColumn eigenvalue{"eigenvalue", "input^2", "mu_a of the kernel Theta = X X'/N", k.eigenvalue};
    ModeColumn power{"residual_power", "label^2", "(V'z)_a^2 at the start", {}};
    ModeColumn localisation{"localisation", "1", "N sum_i V_ia^4: 1 of a flat eigenvector, near 3 of a random one", {}};
    const auto N = static_cast<double>(data_->samples());
    const std::vector<double> along = k.along(data_->residual);
    for (std::size_t a = 0; a < data_->samples(); ++a) {
      power.value.push_back(along[a] * along[a]);
      double fourth = 0;
      for (const double x : k.vectors.column(a)) fourth += x * x * x * x;
      localisation.value.push_back(N * fourth);
    }
    return {eigenvalue, power, localisation};
  }

 private:
  Trajectory solve(const FiniteDataMethod& method) const {
    return settings::naming(table_, "", [&] { return solve_finite_data(*data_, kernel(), method); });
  }
  const Kernel& kernel() const {
    std::call_once(once_, [this] { kernel_ = kernel_of(*data_); });
    return kernel_;
  }

  std::shared_ptr<const FiniteData> data_;
  FiniteDataMethod method_;
  std::string sampler_;
  Table table_;
  mutable std::once_flag once_;
  mutable Kernel kernel_;
};

std::size_t asked_samples(const Values& data) {
  if (!data.given("samples")) throw data.error("samples", "is required (a whole number, >= 1) for this law");
  return static_cast<std::size_t>(data.integer("samples"));
}

// x = K^(1/2) g in K's eigenbasis; the target spreads evenly over each eigenspace. z = -y at theta = 0.
void draw_gaussian(const Table& table, const Values& values, FiniteData& data) {
  const spectra::Spectrum spectrum = spectra::build(table);
  if (spectrum.compressed || !spectrum.whole_multiplicities())
    throw table.table_or_empty("spectrum").error("kind", "a compressed spectrum is for theory only");
  std::vector<double> root, target;
  for (std::size_t a = 0; a < spectrum.modes(); ++a) {
    const auto copies = static_cast<std::size_t>(spectrum.multiplicity[a]);
    root.insert(root.end(), copies, std::sqrt(spectrum.eigenvalue[a]));
    target.insert(target.end(), copies, std::sqrt(spectrum.target_power[a] / spectrum.multiplicity[a]));
  }
  const std::unique_ptr<ingredients::Noise> noise = ingredients::read_noise(table);
  const std::size_t N = asked_samples(values), p = root.size();
  const auto seed = static_cast<std::uint64_t>(values.integer("seed"));
  const double unexplained = std::sqrt(spectrum.unexplained_variance);
  data.inputs = linear_algebra::Matrix(p, N);
  data.residual.assign(N, 0);
  data.population = Population{root, target, noise->variance() + spectrum.unexplained_variance};
  for (double& x : data.population->eigenvalue) x *= x;
  for (std::size_t i = 0; i < N; ++i) {
    random::Stream inputs(seed, 0, i, random::Purpose::data), labels(seed, 0, i, random::Purpose::labels);
    double y = noise->draw(labels);
    if (unexplained > 0) y += unexplained * labels.normal();
    const auto x = data.inputs.column(i);
    for (std::size_t j = 0; j < p; ++j) {
      x[j] = root[j] * inputs.normal();
      y += x[j] * target[j];
    }
    data.residual[i] = -y;
  }
}

void draw_rows(const Table& table, const Values& values, FiniteData& data) {
  const auto options = spectra::dataset_of(table);
  if (!options) throw values.error("law", "rows needs [spectrum] kind = \"dataset\"");
  std::shared_ptr<const spectra::Dataset> dataset;
  try {
    dataset = spectra::load(*options);
  } catch (const std::runtime_error& e) {
    throw table.table_or_empty("spectrum").error("name", e.what());
  }
  const std::size_t N = asked_samples(values);
  if (N > dataset->rows)
    throw values.error("samples", fmt::format("the data set has {} rows, fewer than {}", dataset->rows, N));
  const std::unique_ptr<ingredients::Noise> noise = ingredients::read_noise(table);
  const auto seed = static_cast<std::uint64_t>(values.integer("seed"));
  random::Stream choice(seed, 0, 0, random::Purpose::data), labels(seed, 0, 0, random::Purpose::labels);
  std::vector<std::size_t> order(dataset->rows);
  std::iota(order.begin(), order.end(), std::size_t{0});
  data.inputs = linear_algebra::Matrix(dataset->columns, N);
  data.residual.assign(N, 0);
  for (std::size_t i = 0; i < N; ++i) {
    std::swap(order[i], order[i + choice.below(order.size() - i)]);
    const auto row = dataset->row(order[i]);
    std::copy(row.begin(), row.end(), data.inputs.column(i).begin());
    data.residual[i] = -(dataset->targets[order[i]] + noise->draw(labels));
  }
}

// Theta = X'X/N with X = (N mu)^(1/2) V', V from N normal vectors made orthogonal one after the other: uniformly
// distributed. z ~ N(0, 1).
void draw_kernel(const Table& table, const Values& values, FiniteData& data) {
  if (!table.table_or_empty("noise").keys().empty())
    throw table.table_or_empty("noise").error("", "law = \"kernel\" does not read this section; leave it out");
  const spectra::Spectrum spectrum = spectra::build(table);
  if (spectrum.compressed || !spectrum.whole_multiplicities())
    throw table.table_or_empty("spectrum").error("kind", "a compressed spectrum is for theory only");
  std::vector<double> mu;
  for (std::size_t a = 0; a < spectrum.modes(); ++a)
    mu.insert(mu.end(), static_cast<std::size_t>(spectrum.multiplicity[a]), spectrum.eigenvalue[a]);
  const std::size_t N = mu.size();
  constexpr std::size_t most = 4000;
  if (N > most)
    throw table.table_or_empty("spectrum").error("dimension", fmt::format("at most {} for law = \"kernel\"", most));
  if (values.given("samples") && static_cast<std::size_t>(values.integer("samples")) != N)
    throw values.error("samples", fmt::format("[spectrum] has {} eigenvalues; leave it out", N));
  const auto seed = static_cast<std::uint64_t>(values.integer("seed"));
  linear_algebra::Matrix V(N, N);
  for (std::size_t a = 0; a < N; ++a) {
    random::Stream normals(seed, 0, a, random::Purpose::data);
    const auto v = V.column(a);
    for (double& x : v) x = normals.normal();
    for (int twice = 0; twice < 2; ++twice)
      for (std::size_t b = 0; b < a; ++b) {
        const auto known = V.column(b);
        const double along = std::inner_product(v.begin(), v.end(), known.begin(), 0.0);
        for (std::size_t i = 0; i < N; ++i) v[i] -= along * known[i];
      }
    const double length = std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
    for (double& x : v) x /= length;
  }
  data.inputs = linear_algebra::Matrix(N, N);
  for (std::size_t a = 0; a < N; ++a)
    for (std::size_t i = 0; i < N; ++i) data.inputs(a, i) = std::sqrt(static_cast<double>(N) * mu[a]) * V(i, a);
  random::Stream residuals(seed, 0, 0, random::Purpose::initial);
  for (std::size_t i = 0; i < N; ++i) data.residual.push_back(residuals.normal());
}

void read_list(const Table& table, const Values& values, FiniteData& data) {
  for (const char* unused : {"spectrum", "noise"})
    if (!table.table_or_empty(unused).keys().empty())
      throw table.table_or_empty(unused).error("", "law = \"list\" does not read this section; leave it out");
  for (const char* key : {"inputs", "targets"})
    if (!values.given(key)) throw values.error(key, "is required for law = \"list\"");
  const settings::Matrix& rows = values.matrix("inputs");
  const std::vector<double>& targets = values.numbers("targets");
  if (rows.empty() || rows.front().empty()) throw values.error("inputs", "needs at least one row and one column");
  if (rows.size() != targets.size())
    throw values.error("targets",
                       fmt::format("needs one number per row of inputs: {}, got {}", rows.size(), targets.size()));
  if (values.given("samples") && static_cast<std::size_t>(values.integer("samples")) != rows.size())
    throw values.error("samples", fmt::format("inputs has {} rows", rows.size()));
  data.inputs = linear_algebra::Matrix(rows.front().size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].size() != rows.front().size()) throw values.error("inputs", "every row needs the same length");
    std::copy(rows[i].begin(), rows[i].end(), data.inputs.column(i).begin());
    data.residual.push_back(-targets[i]);
  }
}

class FiniteDataModel final : public Model {
 public:
  const settings::Description& description() const override {
    static const settings::Description description = {
        "finite-data", "SGD on a fixed data set, linear regression, many passes",
        "z = X theta - y in R^N,  L = |z|^2/(2N),  Theta = X X'/N = V diag(mu) V',  S = E[z z']\n"
        "exact:      S' = S - eta (Theta S + S Theta) + eta^2 Theta (c2 S + c1 diag(S)) Theta\n"
        "closure:    p_a' = (1 - 2 eta mu_a + eta^2 c2 mu_a^2) p_a + eta^2 c1 mu_a^2 sum_b C_ab p_b,  p = diag(V'SV)\n"
        "C_ab = sum_i V_ia^2 V_ib^2;  mean-field: C = 1/N;  c1, c2 by the sampling\n"
        "Of samples drawn from [spectrum], also P = (theta - theta*)' K (theta - theta*), by E y and E y y', "
        "theta = X'V y/N",
        "Agarwala, Pennington 2024; docs/theory/least-squares-sgd.md, section 9", all_keys()};
    return description;
  }
  std::span<const std::string> sections() const override {
    static const std::vector<std::string> names = {"spectrum", "noise",  "data",       "optimizer",
                                                   "schedule", "theory", "monte_carlo"};
    return names;
  }
  std::span<const settings::Description* const> optimizers() const override {
    static const std::vector<const settings::Description*> list = {&optimizer()};
    return list;
  }
  std::span<const Observable> observables() const override { return finite_data_observables(); }
  std::vector<ClosedForm> closed_forms() const override { return finite_data_closed_forms(); }
  std::span<const Parameter> theory_parameters() const override { return theory_keys(); }
  std::span<const Parameter> monte_carlo_parameters() const override { return monte_carlo_keys(); }

  std::unique_ptr<Problem> build(const Experiment& experiment) const override {
    const Table& table = experiment.table;
    const Values values = settings::read(table.table_or_empty("data"), data_keys());
    auto data = std::make_shared<FiniteData>();
    const std::string& law = values.text("law");
    if (law != "list")
      for (const char* key : {"inputs", "targets"})
        if (values.given(key)) throw values.error(key, "belongs to law = \"list\" only");
    if (law == "gaussian") draw_gaussian(table, values, *data);
    if (law == "rows") draw_rows(table, values, *data);
    if (law == "list") read_list(table, values, *data);
    if (law == "kernel") draw_kernel(table, values, *data);

    const settings::Choice choice = settings::read_choice(table, "optimizer", optimizers(), optimizer().name);
    data->batch = static_cast<std::size_t>(choice.values.integer("batch"));
    const auto& names = sampling_names();
    const auto sampling = std::find(names.begin(), names.end(), choice.values.text("sampling"));
    data->sampling = static_cast<Sampling>(sampling - names.begin());
    if (data->batch > data->samples() && data->sampling != Sampling::with_replacement)
      throw choice.values.error("batch", fmt::format("{} is more than the {} samples there are; only sampling = "
                                                     "\"with-replacement\" draws more",
                                                     data->batch, data->samples()));
    double trace = 0;  // of Theta
    for (const double x : data->inputs.entries()) trace += x * x / static_cast<double>(data->samples());
    if (!std::isfinite(trace))
      throw table.error("data", "the inputs are so large that the kernel's trace is not finite; scale them");
    if (!(trace > 0) && choice.values.given("gamma"))
      throw choice.values.error("gamma", "the inputs are all 0, and so is tr Theta; give learning_rate");
    data->learning_rate =
        ingredients::read_learning_rate(choice.values, trace, std::numeric_limits<double>::infinity());
    data->schedule = ingredients::read_schedule(table, "schedule", static_cast<double>(experiment.time.steps));
    data->time = experiment.time;

    const Values theory = settings::read(table.table_or_empty("theory"), theory_keys());
    FiniteDataMethod method;
    method.name =
        theory.given("method") ? theory.text("method") : (data->samples() <= exact_by_default ? "exact" : "closure");
    method.bands = theory.flag("bands");
    if (method.bands && method.name != "exact") throw theory.error("bands", "only method = \"exact\" has them");
    if (method.bands && data->sampling == Sampling::shuffle)
      throw theory.error("bands", "are of fresh batches; shuffled passes have none");
    const Values monte_carlo = read_monte_carlo(table, monte_carlo_keys());
    return std::make_unique<FiniteDataProblem>(std::move(data), method, monte_carlo.text("sampler"), table);
  }

 private:
  static std::vector<Parameter> all_keys() {
    std::vector<Parameter> out = data_keys();
    for (Parameter& p : out) p.name = "data." + p.name;
    return out;
  }

  static const settings::Description& optimizer() {
    static const settings::Description description = {
        "multi-pass-sgd",
        "mini-batch SGD on a fixed data set",
        "theta' = theta - (eta/B) sum_{i in I} x_i (<x_i, theta> - y_i)",
        "docs/theory/least-squares-sgd.md, section 9",
        {settings::number("learning_rate", "eta, of the loss |z|^2/(2N)").in("per step").above(0),
         settings::number("gamma", "eta tr Theta; instead of learning_rate").above(0),
         settings::integer("batch",
                           "B, indices per step, at most N unless with replacement; their mean number under bernoulli")
             .in("samples")
             .at_least(1)
             .otherwise(std::int64_t{1}),
         settings::text("sampling",
                        "fresh at every step: B distinct indices, B with replacement, or each with probability B/N; "
                        "shuffle: passes over a permutation, simulated but not in the theory")
             .one_of(sampling_names())
             .otherwise(std::string("without-replacement"))}};
    return description;
  }
};

}  // namespace

const std::vector<std::string>& sampling_names() {
  static const std::vector<std::string> names = {"without-replacement", "with-replacement", "bernoulli", "shuffle"};
  return names;
}

const std::vector<Observable>& finite_data_observables() {
  static const std::vector<Observable> observables = {
      {"loss", "label^2", "|z|^2/(2N), on the data set"},
      {"risk", "label^2", "(P + sigma^2)/2, on fresh data of the population"},
      {"excess_mse", "label^2", "P = (theta - theta*)' K (theta - theta*)"}};
  return observables;
}

const std::vector<Observable>& finite_data_observables(const FiniteData& data) {
  static const std::vector<Observable> loss = {finite_data_observables().front()};
  static const std::vector<Observable> heavy = {finite_data_observables().front(), finite_data_observables().back()};
  return !data.population ? loss : data.has_risk() ? finite_data_observables() : heavy;
}

BatchMoments batch_moments(Sampling sampling, std::size_t samples, std::size_t batch) {
  const auto N = static_cast<double>(samples), B = static_cast<double>(batch);
  switch (sampling) {
    case Sampling::with_replacement:
      return {N / B, (B - 1) / B};
    case Sampling::bernoulli:
      return {(N - B) / B, 1};
    default:
      if (samples == 1) return {0, 1};
      return {N * (N - B) / (B * (N - 1)), N * (B - 1) / (B * (N - 1))};
  }
}

const Model& finite_data_model() {
  static const FiniteDataModel model;
  return model;
}

}  // namespace edgewise::models::finite_data
