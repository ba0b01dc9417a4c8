// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <utility>

#include "models/finite_data/finite_data.hpp"
#include "models/finite_data/loss_variance.hpp"
#include "models/framework/declared_model.hpp"
#include "models/ingredients/learning_rate.hpp"
#include "models/ingredients/memory.hpp"
#include "models/ingredients/noise.hpp"
#include "numerics/constants.hpp"
#include "random/random.hpp"
#include "settings/section.hpp"
#include "spectra/coordinates.hpp"
#include "spectra/dataset.hpp"
#include "spectra/kinds.hpp"

namespace edgewise::models::finite_data {

const Model& finite_data_model();

namespace {

using settings::Section;
using settings::Table;

/// Up to here the exact second moments are the default: a step costs N^3.
constexpr std::size_t exact_by_default = 256;
/// Where the samples come from.
enum class Law { gaussian, rows, list, kernel };

/// Section [data].
struct DataKeys {
  std::optional<std::size_t> samples;
  Law law = Law::gaussian;
  std::uint64_t seed = 1;
  std::optional<settings::Matrix> inputs;
  std::optional<std::vector<double>> targets;
};

const Section<DataKeys>& data_section() {
  static const Section<DataKeys> section([](Section<DataKeys>& s) {
    s.key("samples", &DataKeys::samples, "N, how many; drawn once, the same for every replica")
        .in("samples")
        .at_least(1)
        .at_most(20000)
        .computed("the rows of `inputs`");
    s.words("law", &DataKeys::law,
            "gaussian: x ~ N(0, K), y = <x, theta*> + noise; rows: of the data set, without repetition; list: "
            "`inputs` and `targets`; kernel: Theta has the eigenvalues of [spectrum] and eigenvectors in random "
            "directions, the residuals are standard normal",
            {{"gaussian", Law::gaussian}, {"rows", Law::rows}, {"list", Law::list}, {"kernel", Law::kernel}});
    s.key("seed", &DataKeys::seed, "of the draw of the data").at_least(0);
    s.key("inputs", &DataKeys::inputs, "one row per sample").where("law", {"list"}).in("input");
    s.key("targets", &DataKeys::targets, "y, one per sample").where("law", {"list"}).in("label");
  });
  return section;
}

const Section<FiniteDataMethod>& theory_section() {
  using Method = FiniteDataMethod;
  static const Section<Method> section([](Section<Method>& s) {
    s.words("method", &Method::level,
            "exact: N x N second moments of the residual, N^3 a step; closure: their diagonal in the "
            "kernel's eigenbasis; mean-field: that with delocalised eigenvectors",
            {{"exact", Level::exact}, {"closure", Level::closure}, {"mean-field", Level::mean_field}})
        .computed("exact up to N = 256, else closure");
    s.key("bands", &Method::bands,
          "add the exact standard deviation of the loss of one run, from the N^4 fourth moments of the "
          "residual; N^5 operations a step (method exact)");
  });
  return section;
}

/// Section [monte_carlo], beside what every model reads there.
struct MonteCarloKeys {
  Sampler sampler = Sampler::automatic;
};

const Section<MonteCarloKeys>& monte_carlo_section() {
  static const Section<MonteCarloKeys> section([](Section<MonteCarloKeys>& s) {
    s.words("sampler", &MonteCarloKeys::sampler,
            "the same algorithm in parameters, O(B p) a step, or in residuals, O(B N)",
            {{"auto", Sampler::automatic}, {"parameters", Sampler::parameters}, {"kernel", Sampler::kernel}});
  });
  return section;
}

class FiniteDataProblem final : public Problem {
 public:
  FiniteDataProblem(std::shared_ptr<const FiniteData> data, FiniteDataMethod method, Sampler sampler)
      : data_(std::move(data)), method_(method), sampler_(sampler) {}

  Trajectory solve() const override { return solve_finite_data(*data_, kernel(), method_); }
  Trajectory reference() const override {
    FiniteDataMethod method = method_;
    const double cost = FourthMoments::cost(data_->samples(), static_cast<double>(data_->time.steps));
    method.bands = method.level == Level::exact && !data_->shuffled() && (method.bands || cost < 5e9);
    return solve_finite_data(*data_, kernel(), method);
  }
  std::unique_ptr<Simulation> simulate() const override { return simulate_finite_data(data_, sampler_); }
  std::vector<Finding> stability() const override { return finite_data_stability(*data_, kernel()); }
  std::vector<std::string> warnings() const override {
    if (!data_->shuffled()) return {};
    return {"the theory takes fresh batches; shuffled passes make them depend on each other"};
  }

  std::unique_ptr<RateObjective> rate_objective(const std::string& observable) const override {
    if (!observable.empty() && observable != "loss")
      throw std::invalid_argument("schedule_search.observable: must be loss for this model");
    return finite_data_rate_objective(*data_, kernel(), method_);
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
  const Kernel& kernel() const {
    std::call_once(once_, [this] { kernel_ = kernel_of(*data_); });
    return kernel_;
  }

  std::shared_ptr<const FiniteData> data_;
  FiniteDataMethod method_;
  Sampler sampler_;
  mutable std::once_flag once_;
  mutable Kernel kernel_;
};

std::size_t asked_samples(const Table& table, const DataKeys& keys) {
  if (!keys.samples)
    throw table.table_or_empty("data").error("samples", "is required (a whole number, >= 1) for this law");
  return *keys.samples;
}

/// \throws settings::Error where `samples` rows of `parameters` numbers, their copy as the kernel is found, and what
/// belongs to it are more than there is memory for, before any of it is allocated.
void check_memory(const Table& table, double parameters, double samples) {
  const auto said = ingredients::too_much_memory(sizeof(double) *
                                                 (2 * parameters * samples + 10 * parameters + 6 * samples * samples));
  if (!said) return;
  const bool wide = parameters >= samples;
  const Table section = table.table_or_empty(wide ? "spectrum" : "data");
  const char* const key = wide ? "dimension" : "samples";
  throw section.error(section.has(key) ? key : "",
                      fmt::format("{:.15g} samples of {:.15g} coordinates need {}", samples, parameters, *said));
}

/// The spectrum's coordinates, for as many samples. \throws settings::Error where it has none, or memory ends.
spectra::Coordinates coordinates(const Table& table, const spectra::Spectrum& spectrum, std::size_t samples) {
  if (spectrum.compressed || !spectrum.whole_multiplicities())
    throw table.table_or_empty("spectrum").error("kind", "a compressed spectrum is for theory only");
  check_memory(table, spectrum.dimension(), static_cast<double>(samples));
  return spectra::coordinates_of(spectrum);
}

// x = K^(1/2) g in K's eigenbasis; the target spreads evenly over each eigenspace. z = -y at theta = 0.
void draw_gaussian(const Table& table, const DataKeys& keys, FiniteData& data) {
  const spectra::Spectrum spectrum = spectra::build(table);
  std::vector<double> root, target;
  const std::size_t N = asked_samples(table, keys);
  const spectra::Coordinates of = coordinates(table, spectrum, N);
  for (const double lambda : of.eigenvalue) root.push_back(std::sqrt(lambda));
  for (const double power : of.power) target.push_back(std::sqrt(power));
  const std::unique_ptr<ingredients::Noise> noise = ingredients::read_noise(table);
  const std::size_t p = root.size();
  const double unexplained = std::sqrt(spectrum.unexplained_variance);
  data.inputs = linear_algebra::Matrix(p, N);
  data.residual.assign(N, 0);
  data.population = Population{root, target, noise->variance() + spectrum.unexplained_variance};
  for (double& x : data.population->eigenvalue) x *= x;
  for (std::size_t i = 0; i < N; ++i) {
    random::Stream inputs(keys.seed, 0, i, random::Purpose::data), labels(keys.seed, 0, i, random::Purpose::labels);
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

void draw_rows(const Table& table, const DataKeys& keys, FiniteData& data) {
  const auto options = spectra::dataset_of(table);
  if (!options) throw table.table_or_empty("data").error("law", "rows needs [spectrum] kind = \"dataset\"");
  std::shared_ptr<const spectra::Dataset> dataset;
  try {
    dataset = spectra::load(*options);
  } catch (const std::runtime_error& e) {
    throw table.table_or_empty("spectrum").error("name", e.what());
  }
  const std::size_t N = asked_samples(table, keys);
  if (N > dataset->rows)
    throw table.table_or_empty("data").error("samples",
                                             fmt::format("the data set has {} rows, fewer than {}", dataset->rows, N));
  check_memory(table, static_cast<double>(dataset->columns), static_cast<double>(N));
  const std::unique_ptr<ingredients::Noise> noise = ingredients::read_noise(table);
  random::Stream choice(keys.seed, 0, 0, random::Purpose::data), labels(keys.seed, 0, 0, random::Purpose::labels);
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
void draw_kernel(const Table& table, const DataKeys& keys, FiniteData& data) {
  if (!table.table_or_empty("noise").keys().empty())
    throw table.table_or_empty("noise").error("", "law = \"kernel\" does not read this section; leave it out");
  const spectra::Spectrum spectrum = spectra::build(table);
  constexpr std::size_t most = 4000;
  if (spectrum.dimension() > most)
    throw table.table_or_empty("spectrum").error("dimension", fmt::format("at most {} for law = \"kernel\"", most));
  const std::vector<double> mu =
      coordinates(table, spectrum, static_cast<std::size_t>(spectrum.dimension())).eigenvalue;
  const std::size_t N = mu.size();
  if (keys.samples && *keys.samples != N)
    throw table.table_or_empty("data").error("samples", fmt::format("[spectrum] has {} eigenvalues; leave it out", N));
  linear_algebra::Matrix V(N, N);
  for (std::size_t a = 0; a < N; ++a) {
    random::Stream normals(keys.seed, 0, a, random::Purpose::data);
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
  random::Stream residuals(keys.seed, 0, 0, random::Purpose::initial);
  for (std::size_t i = 0; i < N; ++i) data.residual.push_back(residuals.normal());
}

void read_list(const Table& table, const DataKeys& keys, FiniteData& data) {
  for (const char* unused : {"spectrum", "noise"})
    if (!table.table_or_empty(unused).keys().empty())
      throw table.table_or_empty(unused).error("", "law = \"list\" does not read this section; leave it out");
  const Table section = table.table_or_empty("data");
  if (!keys.inputs) throw section.error("inputs", "is required for law = \"list\"");
  if (!keys.targets) throw section.error("targets", "is required for law = \"list\"");
  const settings::Matrix& rows = *keys.inputs;
  const std::vector<double>& targets = *keys.targets;
  if (rows.empty() || rows.front().empty()) throw section.error("inputs", "needs at least one row and one column");
  if (rows.size() != targets.size())
    throw section.error("targets",
                        fmt::format("needs one number per row of inputs: {}, got {}", rows.size(), targets.size()));
  if (keys.samples && *keys.samples != rows.size())
    throw section.error("samples", fmt::format("inputs has {} rows", rows.size()));
  data.inputs = linear_algebra::Matrix(rows.front().size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].size() != rows.front().size()) throw section.error("inputs", "every row needs the same length");
    std::copy(rows[i].begin(), rows[i].end(), data.inputs.column(i).begin());
    data.residual.push_back(-targets[i]);
  }
}

settings::Description multi_pass_sgd() {
  return {"multi-pass-sgd",
          "mini-batch SGD on a fixed data set",
          "theta' = theta - (eta/B) sum_{i in I} x_i (<x_i, theta> - y_i)",
          "docs/theory/least-squares-sgd.md, section 9",
          {settings::number("learning_rate", "eta, of the loss |z|^2/(2N)").in("per step").above(0),
           settings::number("gamma", "eta tr Theta; instead of learning_rate").above(0),
           settings::integer(
               "batch", "B, indices per step, at most N unless with replacement; their mean number under bernoulli")
               .in("samples")
               .at_least(1)
               .otherwise(std::int64_t{1}),
           settings::text("sampling",
                          "fresh at every step: B distinct indices, B with replacement, or each with probability B/N; "
                          "shuffle: passes over a permutation, simulated but not in the theory")
               .one_of(sampling_names())
               .otherwise(std::string("without-replacement"))}};
}

std::shared_ptr<FiniteData> drawn(const Table& table) {
  auto data = std::make_shared<FiniteData>();
  const DataKeys keys = data_section().read(table.table_or_empty("data"));
  if (keys.law == Law::gaussian) draw_gaussian(table, keys, *data);
  if (keys.law == Law::rows) draw_rows(table, keys, *data);
  if (keys.law == Law::list) read_list(table, keys, *data);
  if (keys.law == Law::kernel) draw_kernel(table, keys, *data);
  return data;
}

void read_optimizer(const Table& table, const settings::Values& values, FiniteData& data) {
  data.batch = static_cast<std::size_t>(values.integer("batch"));
  const auto& names = sampling_names();
  data.sampling = static_cast<Sampling>(std::ranges::find(names, values.text("sampling")) - names.begin());
  if (data.batch > data.samples() && data.sampling != Sampling::with_replacement)
    throw values.error("batch", fmt::format("{} is more than the {} samples there are; only sampling = "
                                            "\"with-replacement\" draws more",
                                            data.batch, data.samples()));
  double trace = 0;  // of Theta
  for (const double x : data.inputs.entries()) trace += x * x / static_cast<double>(data.samples());
  if (!std::isfinite(trace))
    throw table.error("data", "the inputs are so large that the kernel's trace is not finite; scale them");
  if (!(trace > 0) && values.given("gamma"))
    throw values.error("gamma", "the inputs are all 0, and so is tr Theta; give learning_rate");
  data.learning_rate = ingredients::read_learning_rate(values, trace, infinity);
}

std::unique_ptr<Problem> build(const Experiment& experiment, std::span<const settings::Description* const> optimizers) {
  const Table& table = experiment.table;
  const std::shared_ptr<FiniteData> data = drawn(table);
  read_optimizer(table, settings::read_choice(table, "optimizer", optimizers, optimizers.front()->name).values, *data);
  data->schedule = ingredients::read_schedule(table, "schedule", static_cast<double>(experiment.time.steps));
  data->time = experiment.time;

  const Table theory = table.table_or_empty("theory");
  FiniteDataMethod method = theory_section().read(theory);
  if (!theory.has("method") && data->samples() > exact_by_default) method.level = Level::closure;
  if (method.bands && method.level != Level::exact) throw theory.error("bands", "only method = \"exact\" has them");
  if (method.bands && data->shuffled()) throw theory.error("bands", "are of fresh batches; shuffled passes have none");
  const MonteCarloKeys monte_carlo =
      monte_carlo_section().from(read_monte_carlo(table, monte_carlo_section().parameters()));
  return std::make_unique<FiniteDataProblem>(data, method, monte_carlo.sampler);
}

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

BatchMoments batch_moments(const FiniteData& data) {
  const auto N = static_cast<double>(data.samples()), B = static_cast<double>(data.batch);
  switch (data.sampling) {
    case Sampling::with_replacement:
      return {N / B, (B - 1) / B};
    case Sampling::bernoulli:
      return {(N - B) / B, 1};
    default:
      if (N == 1) return {0, 1};
      return {N * (N - B) / (B * (N - 1)), N * (B - 1) / (B * (N - 1))};
  }
}

const Model& finite_data_model() {
  static const DeclaredModel model({
      .description =
          {"finite-data", "SGD on a fixed data set, linear regression, many passes",
           "z = X theta - y in R^N,  L = |z|^2/(2N),  Theta = X X'/N = V diag(mu) V',  S = E[z z']\n"
           "exact:      S' = S - eta (Theta S + S Theta) + eta^2 Theta (c2 S + c1 diag(S)) Theta\n"
           "closure:    p_a' = (1 - 2 eta mu_a + eta^2 c2 mu_a^2) p_a + eta^2 c1 mu_a^2 sum_b C_ab p_b,  p = "
           "diag(V'SV)\n"
           "C_ab = sum_i V_ia^2 V_ib^2;  mean-field: C = 1/N;  c1, c2 by the sampling\n"
           "Of samples drawn from [spectrum], also P = (theta - theta*)' K (theta - theta*), by E y and E y y', "
           "theta = X'V y/N",
           "Agarwala, Pennington 2024; docs/theory/least-squares-sgd.md, section 9",
           settings::with_sections({{"data", data_section().parameters()}})},
      .sections = {"spectrum", "noise", "data", "optimizer", "schedule", "theory", "monte_carlo", "schedule_search"},
      .optimizers = {multi_pass_sgd()},
      .observables = finite_data_observables(),
      .closed_forms = finite_data_closed_forms,
      .theory = theory_section().parameters(),
      .monte_carlo = monte_carlo_section().parameters(),
      .build = build,
      .start = R"(spectrum = { kind = "isotropic", dimension = 40 }
data.samples = 20
optimizer.learning_rate = 0.01
time.steps = 100)",
  });
  return model;
}

}  // namespace edgewise::models::finite_data
