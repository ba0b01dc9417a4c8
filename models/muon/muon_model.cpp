// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "models/framework/declared_model.hpp"
#include "models/muon/closed_forms.hpp"
#include "models/muon/findings.hpp"
#include "models/muon/learning_rates.hpp"
#include "models/muon/problem.hpp"
#include "models/muon/simulation.hpp"
#include "models/muon/theory.hpp"
#include "settings/theory_source.hpp"
#include "settings/words.hpp"
#include "spectra/kinds.hpp"

namespace edgewise::models::muon {

const Model& matrix_least_squares_model();

namespace {

using settings::Description;
using settings::Parameter;
using settings::Table;
using settings::Values;

const std::vector<Parameter>& theory_keys() {
  static const std::vector<Parameter> parameters = {
      settings::text("method", "recursion: step by step, at finite eta; ode: its limit, at any horizon")
          .one_of({"recursion", "ode"})
          .otherwise(std::string("recursion")),
      settings::text(
          "coefficients",
          "fixed-point: deterministic equivalents; idealised: large batch, m >= n; null: measured from draws "
          "of the gradient without signal, for any map")
          .one_of({"fixed-point", "idealised", "null"})
          .computed("fixed-point; null for newton-schulz and general"),
      settings::text("sign_noise",
                     "signsgd in the Hadamard basis: exact arcsine law of their correlations, or linearised")
          .where("coefficients", {"fixed-point"})
          .one_of({"auto", "arcsine", "linear"})
          .otherwise(std::string("auto")),
      settings::boolean("dressed",
                        "correct the drift for the signal's own variance (recursion; approximate, see docs/muon.md)")
          .computed("on where theory meets simulation by the recursion and the correction is known, else off"),
      settings::integer("null_draws", "draws for coefficients = \"null\" and for the columns of `edgewise modes`")
          .at_least(0)
          .at_most(1e6)
          .computed("64 where they are needed, else 0"),
      settings::integer("regression_draws", "adds to `edgewise modes` the drift by regression at the start")
          .at_least(0)
          .at_most(1e6)
          .otherwise(std::int64_t{0}),
      settings::number("resolutions",
                       "times of its own (real numbers of steps, as many as [time] points) from m/(20 B) to this "
                       "multiple of the resolution time, in place of [time]; 0: the recorded steps")
          .where("method", {"ode"})
          .at_least(0)
          .otherwise(0.0),
      settings::numbers("powers", "columns j whose |Delta u_j|^2 is an observable, e.g. [1, 4, 16]")
          .at_least(1)
          .otherwise(std::vector<double>{}),
      settings::number("rtol", "relative tolerance").above(0).below(1).otherwise(1e-8),
      settings::number("atol", "absolute tolerance").where("method", {"ode"}).at_least(0).otherwise(0.0),
      settings::number("scale_drift", "factor on hhat, to see what a run would notice").above(0).otherwise(1.0),
      settings::number("scale_noise", "factor on Q, to see what a run would notice").at_least(0).otherwise(1.0)};
  return parameters;
}

const std::vector<Parameter>& data_keys() {
  static const std::vector<Parameter> parameters = {
      settings::integer("outputs", "m, rows of the weight matrix").at_least(1).at_most(1e15).computed("n"),
      settings::text("labels",
                     "bilinear: y = a' W* c + eps, a ~ N(0, Sigma); vector: y = W* c + e in R^m, theory where noise "
                     "dominates (P/m << sigma^2)")
          .one_of({"bilinear", "vector"})
          .otherwise(std::string("bilinear")),
      settings::text("rotation",
                     "basis in which signsgd takes signs: hadamard (flat diagonal, n a power of two), haar, none (the "
                     "eigenbasis, where signs do precondition)")
          .one_of({"hadamard", "haar", "none"})
          .otherwise(std::string("hadamard")),
      settings::integer("rotation_seed", "of haar").where("rotation", {"haar"}).at_least(0).otherwise(std::int64_t{1}),
      settings::number("output_alpha", "Sigma has eigenvalues k^(-2 output_alpha), k = 1..m (bilinear)")
          .at_least(0)
          .otherwise(0.0),
      settings::numbers("output_eigenvalues", "of Sigma instead; as many as divide m, each for m/length directions")
          .above(0)
          .otherwise(std::vector<double>{})};
  return parameters;
}

const std::vector<Parameter>& noise_keys() {
  static const std::vector<Parameter> parameters = {
      settings::text("law", "of the label noise").one_of({"none", "gaussian"}).otherwise(std::string("gaussian")),
      settings::number("variance", "sigma^2 (vector labels: of every output)").in("label^2").at_least(0).otherwise(0.0),
      settings::number("relative_variance", "sigma^2/P_0 instead").at_least(0).computed("variance / P_0")};
  return parameters;
}

const settings::Words<Protocol> protocols = {{"constant", Protocol::constant},
                                             {"adaptive", Protocol::adaptive},
                                             {"constant-optimal", Protocol::constant_optimal},
                                             {"local-equilibrium", Protocol::local_equilibrium}};

std::vector<Parameter> rate_keys(bool scale_free) {
  std::vector<Parameter> out = {
      settings::text(
          "protocol",
          "how the learning rate is set. constant: raw eta; adaptive: eta = gamma sqrt(V); constant-optimal: "
          "the best constant eta of every horizon (ode); local-equilibrium (conjecture): eta follows the "
          "floor of what is resolved")
          .one_of(scale_free ? settings::words_of(protocols) : std::vector<std::string>{"constant"})
          .otherwise(std::string("constant")),
      settings::number("learning_rate", "eta")
          .in("per step")
          .where("protocol", {"constant"})
          .above(0)
          .computed("required by the protocol constant")};
  if (scale_free) {
    out.push_back(settings::number("gamma", "give this or gamma_fraction")
                      .where("protocol", {"adaptive"})
                      .in("1")
                      .above(0)
                      .computed("gamma_fraction gamma_max"));
    out.push_back(settings::number("gamma_fraction", "gamma/gamma_max, gamma_max = 2/N")
                      .where("protocol", {"adaptive", "local-equilibrium"})
                      .above(0)
                      .otherwise(0.5));
  }
  out.push_back(settings::integer("batch", "B, examples per step; at most 1e8 in a simulation")
                    .in("samples")
                    .at_least(1)
                    .at_most(1e15)
                    .computed("n"));
  out.push_back(
      settings::number("momentum", "mu of M' = mu M + G, S(M); simulation only").at_least(0).below(1).otherwise(0.0));
  return out;
}

/// In the order of UpdateMap.
std::vector<Description> maps() {
  const auto source = [](const char* where) { return settings::theory_source("muon-phases", where); };
  std::vector<Parameter> general = rate_keys(true);
  general.push_back(
      settings::text("map", "s(sigma) for sigma > 0, a formula in sigma, e.g. \"sigma/(0.1 + sigma)\"").must());
  general.push_back(settings::boolean("normalise", "sigma of G/|G|_F: the map has no scale then").otherwise(false));
  return {{"signsvd", "stochastic SignSVD, Muon's idealisation: the orthogonal polar factor of the gradient",
           "G = U diag(s) V', S = U V' over s > 1e-10 s_max\n"
           "hhat_j = (1/m) E[((Ghat'Ghat)^(1/2))_jj], Q_j = lambda_j/(lambda_j + kappa): fixed points",
           source("3"), rate_keys(true)},
          {"signsgd", "stochastic SignSGD: the sign of every entry of the gradient in the coordinate basis",
           "S = sign(G H') H, K = H diag(lambda) H' in coordinates\n"
           "flat diagonal: hhat_j = sqrt(B) phi_B lambda_j/sqrt(tr K/n), Q_j = m u_j' (2/pi) arcsin(corr K) u_j",
           source("4"), rate_keys(true)},
          {"newton-schulz", "Muon as it is run: five quintic Newton-Schulz iterations of the gradient (ns5)",
           "X = G/|G|_F; five times A = X X', X <- 3.4445 X + (-4.7750 A + 2.0315 A^2) X",
           source("1, 3.3") + "; coefficients from null draws", rate_keys(true)},
          {"general", "any odd map of the singular values: S = U diag(s(sigma)) V'",
           "hhat_j(V) = (1/m) E[sigma s(sigma)]_jj at G = sqrt(V)/B Ghat, Q_j(V) = E[s(sigma)^2]_jj: null draws",
           source("2, 3.3"), std::move(general)},
          {"sgd", "plain SGD, for reference; its recursion is exact at any size", "S = G", "", rate_keys(false)}};
}

/// Below this rank, on spectra whose tr K/|K| is below that, errors of O(1/rank) exceed 5%.
constexpr double large_rank = 8, flat_dimension = 4;

class MatrixProblem final : public Problem {
 public:
  /// \param dressed  whether the drift is; empty: where theory meets simulation
  MatrixProblem(std::shared_ptr<const MatrixLeastSquares> problem, MatrixTheory theory, std::optional<bool> dressed,
                std::uint64_t null_draws, std::uint64_t regression_draws)
      : problem_(std::move(problem)),
        theory_(std::move(theory)),
        dressed_(dressed),
        null_draws_(null_draws),
        regression_draws_(regression_draws) {}

  Trajectory solve() const override { return solve(dressed_.value_or(false)); }

  Trajectory reference() const override {
    if (theory_.resolutions > 0)
      throw std::invalid_argument("theory.resolutions: a simulation runs whole steps; leave it out");
    return solve(dressed_.value_or(theory_.method == "recursion" && !dynamics()->no_dressing() &&
                                   theory_.coefficients.source != CoefficientSource::idealised));
  }

  std::unique_ptr<Simulation> simulate() const override {
    return simulate_matrix(problem_, follows_coefficients(*problem_) ? dynamics() : nullptr, theory_.powers);
  }

  std::vector<Finding> stability() const override { return matrix_findings(*problem_, *dynamics(), theory_); }

  std::vector<ModeColumn> mode_table() const override {
    return matrix_modes(*problem_, *dynamics(), null_draws_, regression_draws_, theory_.coefficients.seed);
  }

  std::vector<std::string> warnings() const override {
    std::vector<std::string> out;
    const MatrixLeastSquares& p = *problem_;
    const double P = p.spectrum.signal();
    if (p.map != UpdateMap::sgd && p.labels == Labels::vector && P > 0.1 * p.outputs * p.noise_variance)
      out.push_back(
          fmt::format("vector labels: P/m = {:.3g} at the start is not far below sigma^2 = {:.3g}, where the "
                      "theory takes the gradient as noise",
                      P / p.outputs, p.noise_variance));
    if (p.map == UpdateMap::signsvd && theory_.coefficients.source == CoefficientSource::fixed_point &&
        p.rank() < large_rank && p.spectrum.intrinsic_dimension() < flat_dimension)
      out.push_back(fmt::format(
          "rank min(m, n, B) = {:g} on a steep spectrum: the deterministic equivalent is for large ranks, and "
          "off by some 10% in the drift and 25% in the noise; coefficients = \"null\" measures them",
          p.rank()));
    else if (p.map == UpdateMap::signsgd && std::min(p.outputs, p.inputs()) < large_rank)
      out.push_back(
          fmt::format("min(m, n) = {:g}: the theory is of large matrices; with one output of 64 inputs the risk was "
                      "17% off, with one input 40%",
                      std::min(p.outputs, p.inputs())));
    else if (p.map != UpdateMap::signsgd && p.map != UpdateMap::sgd && p.rank() < large_rank)
      out.push_back(
          fmt::format("rank min(m, n, B) = {:g}: the theory is of large matrices; at ranks of 2 to 4 risks were 4 to "
                      "16% off",
                      p.rank()));
    if (p.protocol == Protocol::local_equilibrium) out.push_back("the protocol local-equilibrium is a conjecture");
    if (p.map == UpdateMap::newton_schulz || p.map == UpdateMap::general)
      out.push_back("this map's coefficients are measured; its dressed correction is SignSVD's");
    if (p.map == UpdateMap::signsgd && p.rotation == Rotation::haar)
      out.push_back("a random rotation does not make the diagonal flat where single modes dominate the trace");
    if (p.map == UpdateMap::signsgd && p.rotation == Rotation::hadamard && !p.spectrum.compressed &&
        !p.has_hadamard_basis())
      out.push_back(
          fmt::format("there is no Hadamard basis of {} inputs (a power of two): the theory is that of a "
                      "basis with a flat diagonal and small correlations, linearised",
                      p.inputs()));
    return out;
  }

 private:
  Trajectory solve(bool dressed) const {
    MatrixTheory theory = theory_;
    theory.dressed = dressed;
    return solve_matrix(*problem_, *dynamics(), theory);
  }

  std::shared_ptr<const MatrixDynamics> dynamics() const {
    const std::lock_guard lock(mutex_);
    if (!dynamics_) dynamics_ = std::make_shared<MatrixDynamics>(*problem_, theory_.coefficients);
    return dynamics_;
  }

  std::shared_ptr<const MatrixLeastSquares> problem_;
  MatrixTheory theory_;
  std::optional<bool> dressed_;
  std::uint64_t null_draws_, regression_draws_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const MatrixDynamics> dynamics_;
};

bool is_power_law(const Table& spectrum) {
  const settings::Value* kind = spectrum.find("kind");
  return kind && *kind == settings::Value(std::string("power-law"));
}

/// The power law behind a spectrum, if it is one.
std::optional<PowerLaw> power_law_of(const Table& section, double n) {
  if (!is_power_law(section)) return std::nullopt;
  const auto kind = std::ranges::find(spectra::kinds(), "power-law", [](const auto& k) { return k.description.name; });
  const Values values = settings::read(section, kind->description.parameters, section.keys());
  return PowerLaw{values.number("alpha"), values.number("beta"), n};
}

/// The spectrum. Nodes of a power law take longer to find than to use, and the variants of a sweep's cell share them.
spectra::Spectrum read_spectrum(const Table& table) {
  const Table section = table.table_or_empty("spectrum");
  if (!is_power_law(section)) return spectra::merged(spectra::build(table));
  thread_local std::string last_text;
  thread_local spectra::Spectrum last;
  std::string text = section.text();
  if (text != last_text) {
    last_text.clear();
    last = spectra::build(table);
    last_text = std::move(text);
  }
  return last;
}

void read_outputs(const Values& data, MatrixLeastSquares& problem) {
  problem.outputs = data.given("outputs") ? static_cast<double>(data.integer("outputs")) : std::round(problem.inputs());
  spectra::Spectrum& s = problem.output_spectrum;
  const double alpha = data.number("output_alpha");
  const std::vector<double>& list = data.numbers("output_eigenvalues");
  if (alpha > 0 && !list.empty())
    throw data.error("output_eigenvalues", "give either output_alpha or output_eigenvalues, not both");
  problem.isotropic_outputs = alpha == 0 && list.empty();
  if (problem.isotropic_outputs) {
    s.eigenvalue = {1};
    s.multiplicity = {problem.outputs};
  } else {
    constexpr double most = 4096;
    if (problem.outputs > most) throw data.error("outputs", fmt::format("anisotropic outputs are limited to {}", most));
    const auto m = static_cast<std::size_t>(problem.outputs);
    if (!list.empty() && m % list.size() != 0)
      throw data.error("output_eigenvalues", fmt::format("{} values do not divide {} outputs", list.size(), m));
    s.eigenvalue = list;
    s.multiplicity.assign(list.size(), list.empty() ? 0 : problem.outputs / static_cast<double>(list.size()));
    if (list.empty())
      for (std::size_t k = 1; k <= m; ++k) {
        s.eigenvalue.push_back(std::pow(static_cast<double>(k), -2 * alpha));
        s.multiplicity.push_back(1);
      }
  }
  s.target_power.assign(s.eigenvalue.size(), 0.0);
  try {
    if (!problem.isotropic_outputs) s = spectra::merged(spectra::checked(s));
  } catch (const std::invalid_argument& error) {
    throw data.error(list.empty() ? "output_alpha" : "output_eigenvalues", error.what());
  }
  problem.labels = data.text("labels") == "vector" ? Labels::vector : Labels::bilinear;
  if (problem.labels == Labels::vector && !problem.isotropic_outputs)
    throw data.error("output_alpha", "vector labels have no Sigma; use bilinear");
  const std::string& rotation = data.text("rotation");
  problem.rotation = rotation == "hadamard" ? Rotation::hadamard : rotation == "haar" ? Rotation::haar : Rotation::none;
  problem.rotation_seed = static_cast<std::uint64_t>(data.integer("rotation_seed"));
}

void read_rates(const Values& values, MatrixLeastSquares& problem) {
  problem.batch = values.given("batch") ? static_cast<double>(values.integer("batch")) : std::round(problem.inputs());
  problem.momentum = values.number("momentum");
  problem.protocol = settings::value_of(protocols, values.text("protocol"));
  const bool constant = problem.protocol == Protocol::constant;
  if (constant && !values.given("learning_rate"))
    throw values.error("learning_rate", "is required (a number, > 0) by the protocol constant");
  if (constant) problem.learning_rate = values.number("learning_rate");
  if (!values.has("gamma_fraction")) return;
  problem.gamma_fraction = values.number("gamma_fraction");
  if (values.given("gamma")) {
    if (values.given("gamma_fraction")) throw values.error("gamma", "give either gamma or gamma_fraction, not both");
    problem.gamma = values.number("gamma");
  }
}

void read_noise_variance(const Table& table, MatrixLeastSquares& problem) {
  const Values noise = settings::read(table.table_or_empty("noise"), noise_keys());
  if (noise.given("variance") && noise.given("relative_variance"))
    throw noise.error("variance", "give either variance or relative_variance, not both");
  problem.noise_variance = noise.number("variance");
  if (noise.given("relative_variance"))
    problem.noise_variance = noise.number("relative_variance") * problem.spectrum.signal();
  if (noise.text("law") == "none" && problem.noise_variance > 0) throw noise.error("law", "none has no variance");
  problem.noise_variance += problem.spectrum.unexplained_variance;
}

std::unique_ptr<Problem> build(const Experiment& experiment, std::span<const Description* const> optimizers) {
  const Table& table = experiment.table;
  auto problem = std::make_shared<MatrixLeastSquares>();
  problem->time = experiment.time;
  problem->spectrum = read_spectrum(table);
  const Values data = settings::read(table.table_or_empty("data"), data_keys());
  read_outputs(data, *problem);
  read_noise_variance(table, *problem);
  const settings::Choice choice = settings::read_choice(table, "optimizer", optimizers, "signsvd");
  problem->map = static_cast<UpdateMap>(choice.index);
  const bool signs = problem->map == UpdateMap::signsgd;
  if (!signs && data.given("rotation"))
    throw data.error("rotation", "is the basis of signsgd; no other map knows one: leave it out");
  read_rates(choice.values, *problem);
  if (problem->map == UpdateMap::general) {
    problem->normalise = choice.values.flag("normalise");
    problem->spectral_map = settings::naming(choice.values, "map", [&] {
      return std::make_shared<settings::Expression>(choice.values.text("map"), std::vector<std::string>{"sigma"});
    });
  }
  problem->schedule = ingredients::read_schedule(table, "schedule", static_cast<double>(experiment.time.steps));
  if (!problem->schedule->constant() && problem->protocol != Protocol::constant &&
      problem->protocol != Protocol::adaptive)
    throw table.table_or_empty("schedule").error("kind", "this protocol sets the learning rate itself");

  const Values values = settings::read(table.table_or_empty("theory"), theory_keys());
  const Values time = settings::read(table.table_or_empty("time"), time_parameters());
  MatrixTheory theory;
  theory.method = values.text("method");
  if (values.given("sign_noise") && !(signs && problem->rotation == Rotation::hadamard))
    throw values.error("sign_noise", "belongs to signsgd with rotation = hadamard; leave it out");
  const bool by_draws = problem->map == UpdateMap::newton_schulz || problem->map == UpdateMap::general;
  if (values.given("coefficients") && values.text("coefficients") == "idealised" && problem->rotation == Rotation::none)
    throw values.error("coefficients",
                       "idealised signs are those of a flat basis; use fixed-point with rotation = none");
  const std::string source =
      values.given("coefficients") ? values.text("coefficients") : (by_draws ? "null" : "fixed-point");
  theory.coefficients.source = source == "null"        ? CoefficientSource::null
                               : source == "idealised" ? CoefficientSource::idealised
                                                       : CoefficientSource::fixed_point;
  for (const char* key : {"null_draws", "regression_draws"})
    if (values.given(key) && values.integer(key) == 1)
      throw values.error(key, "at least 2 draws are needed for a standard error, got 1");
  const bool given = values.given("null_draws");
  const auto draws = given ? static_cast<std::uint64_t>(values.integer("null_draws")) : 0;
  theory.coefficients.draws = given ? draws : 64;
  theory.coefficients.seed = experiment.monte_carlo.seed;
  theory.coefficients.sign_noise = values.text("sign_noise");
  theory.rtol = values.number("rtol");
  theory.atol = values.number("atol");
  theory.scale_drift = values.number("scale_drift");
  theory.scale_noise = values.number("scale_noise");
  theory.resolutions = values.number("resolutions");
  theory.points = static_cast<std::size_t>(std::max<std::int64_t>(time.integer("points"), 3));
  for (const double j : values.numbers("powers")) {
    if (j != std::floor(j)) throw values.error("powers", "columns are whole numbers");
    theory.powers.push_back(static_cast<std::size_t>(j));
    if (j > problem->inputs())
      throw values.error("powers", fmt::format("there is no column {} of {}", j, problem->inputs()));
  }
  theory.power_law = power_law_of(table.table_or_empty("spectrum"), problem->inputs());
  std::optional<bool> dressed;
  if (values.given("dressed")) dressed = values.flag("dressed");
  return std::make_unique<MatrixProblem>(problem, std::move(theory), dressed, draws,
                                         static_cast<std::uint64_t>(values.integer("regression_draws")));
}

}  // namespace

const Model& matrix_least_squares_model() {
  static const DeclaredModel model({
      .description =
          {"matrix-least-squares", "Muon and signSGD: matrix-valued least squares with a spectral or a sign update",
           "Delta = W - W*, m x n;  r_i = a_i' Delta c_i - eps_i, a ~ N(0, Sigma), c ~ N(0, K);  G = (1/B) sum r_i a_i "
           "c_i'\n"
           "Delta' = Delta - eta_k S(G),  P = tr(Sigma Delta K Delta'),  V = P + sigma^2\n"
           "D_j(k+1) = D_j(k) - 2 eta_k hhat_j D_j(k)/sqrt(V_k) + eta_k^2 Q_j,   P = sum_j lambda_j D_j\n"
           "E[S u_j] = (hhat_j/sqrt V) Delta u_j, Q_j = E|S u_j|^2 under the null law (r_i -> sqrt(V) g_i)\n"
           "start: |Delta u_j|^2 = the target power of the spectrum, in random directions",
           "Paquette, Marshall, Benigni, Wang, Agarwala, Paquette 2026 (setting and phases); coefficients and lines: "
           "docs/theory/muon-phases.md",
           settings::with_sections({{"data", data_keys()}, {"noise", noise_keys()}})},
      .sections = {"spectrum", "noise", "data", "optimizer", "schedule", "theory", "monte_carlo"},
      .optimizers = maps(),
      .observables = matrix_observables({}),
      .closed_forms = matrix_closed_forms,
      .theory = theory_keys(),
      .build = build,
      .start = R"(spectrum = { kind = "power-law", dimension = 32, alpha = 0.4, beta = 0.3 }
noise.relative_variance = 0.25
optimizer.learning_rate = 0.02
time.steps = 100
monte_carlo.replicas = 8)",
      .start_of = {{"general", "optimizer.map = 'sigma / (0.1 + sigma)'"}},
  });
  return model;
}

}  // namespace edgewise::models::muon
