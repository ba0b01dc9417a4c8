// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "models/framework/absent.hpp"
#include "models/framework/declared_model.hpp"
#include "models/framework/simulation_of.hpp"
#include "models/ingredients/learning_curves/regression_keys.hpp"
#include "models/kernel_regression/closed_forms.hpp"
#include "models/kernel_regression/population.hpp"
#include "models/kernel_regression/targets.hpp"
#include "numerics/constants.hpp"
#include "settings/section.hpp"

namespace edgewise::models::kernel_regression {

const Model& kernel_regression_model();

namespace {

using namespace ingredients::learning_curves;
using settings::Parameter;
using settings::Table;
using settings::Values;

/// Degrees whose remaining power has an observable.
constexpr std::size_t shown_degrees = 9;

/// Coefficients of the kernel's own series in the table of modes.
constexpr std::size_t listed_coefficients = 257;

/// Of the target's power, what a simulation may miss and still be judged.
constexpr double max_rare_share = 0.01;

const std::vector<Observable>& all_observables() {
  static const auto all = [] {
    std::vector<Observable> out = {
        {"excess_mse", "label^2", "E (f - predictor)^2 on fresh inputs, without the noise of labels"},
        {"train_mse", "label^2", "mean squared residual on the training set, with its noise; with a ridge"},
        {"kappa", "kernel", "effective ridge: levels of eigenvalue above it are learned"},
        {"overfitting", "1", "E0 = n/(n - sum m L^2): what is not learned acts as noise E0 - 1 times"}};
    for (std::size_t k = 0; k < shown_degrees; ++k)
      out.push_back(
          {fmt::format("unlearned_{}", k), "label^2",
           fmt::format("(1 - L_{0})^2 v_{0}^2, what is left of the target in degree {0} (inputs on a sphere)", k)});
    return out;
  }();
  return all;
}

/// The part of a problem that its replicas share.
struct Setting : RegressionSetting {
  std::unique_ptr<Population> population;
  bool on_sphere = false;
  double dimension = 0;  ///< of the sphere
  double draws = 0;      ///< of inputs by all replicas
};

/// Of ridge/(n kappa), for a claim about training errors on a sphere of fewer dimensions than that.
constexpr double least_ridge_share = 0.1, many_dimensions = 10;
/// Of the theory's training error of one sample, relative.
constexpr double largest_change_of_one = 0.1;

enum class DataKind { sphere, features, images, file };
struct DataWords {
  DataKind kind = DataKind::sphere;
};
const settings::Section<DataWords>& data_words() {
  static const settings::Section<DataWords> words([](settings::Section<DataWords>& s) {
    s.words("kind", &DataWords::kind,
            "sphere: uniform on S^(d-1); features: Gaussian with [spectrum], kernel <x, x'>; fashion-mnist and "
            "file: rows as unit vectors, the kernel's spectrum measured",
            {{"sphere", DataKind::sphere},
             {"features", DataKind::features},
             {"fashion-mnist", DataKind::images},
             {"file", DataKind::file}});
  });
  return words;
}

class RidgeReplica final : public Replica {
 public:
  RidgeReplica(std::shared_ptr<const Setting> setting, std::uint64_t seed, std::uint64_t index)
      : setting_(std::move(setting)),
        data_(setting_->population->draw(seed, index, setting_->time.steps, setting_->tests)) {
    random::Stream stream(seed, index, 0, random::Purpose::labels);
    for (double& y : data_.labels) y += std::sqrt(setting_->noise) * stream.normal();
  }
  // A regression starts anew with every number of samples: it is run where it is observed, not on the way there.
  void advance(std::uint64_t n) override { samples_ = n; }
  void observe(std::span<double> out) const override {
    const RidgeErrors errors = ridge_errors(data_, samples_, setting_->ridge);
    out[0] = errors.excess;
    if (setting_->ridge > 0) out[1] = samples_ > 0 ? errors.train : absent;
  }

 private:
  std::shared_ptr<const Setting> setting_;
  RidgeData data_;
  std::size_t samples_ = 0;
};

class KernelRegression final : public Problem {
 public:
  explicit KernelRegression(std::shared_ptr<const Setting> setting) : setting_(std::move(setting)) {}

  Trajectory solve() const override {
    const LearningCurve& theory = curve();
    const Levels& levels = theory.levels();
    const double total = levels.total_power();
    Trajectory out;
    out.method = "self-consistent effective ridge";
    for (const Observable& o : all_observables()) out.columns.push_back({o, {}, {}});
    std::vector<double> largest, of_constant;  // E0 that is claimed, and what the constant changes
    for (const double n : setting_->shown) {
      const CurvePoint p = point(n);
      largest.push_back(largest_overfitting(p, setting_->dimension));
      of_constant.push_back(change_by_constant(theory, p, n));
      check_excess(n, p.overfitting);  // infinite there too where nothing is left to learn
      limit_validity(out, p.excess, total);
      limit_truncation(out, p.truncation);
      if (n > setting_->population->most_judged() && !out.valid_until) {
        out.valid_until = out.steps.empty() ? 0 : out.steps.back();
        out.warnings.push_back(
            fmt::format("beyond {:g} samples, a tenth of the rows whose spectrum was measured, it is "
                        "not that of the inputs: shown, not judged",
                        setting_->population->most_judged()));
      }
      out.steps.push_back(n);
      const std::vector<double> left = theory.remaining(p.kappa);
      const double row[] = {p.excess, p.train, p.kappa, p.overfitting};
      for (std::size_t c = 0; c < 4; ++c) out.columns[c].value.push_back(row[c]);
      for (std::size_t k = 0; k < shown_degrees; ++k) {
        const auto level = std::ranges::find(levels.degree, static_cast<double>(k));
        out.columns[4 + k].value.push_back(
            level == levels.degree.end() ? 0 : left[static_cast<std::size_t>(level - levels.degree.begin())]);
      }
    }
    if (setting_->on_sphere) {
      limit_overfitting(out, out.columns[3].value, largest);
      if (setting_->ridge > 0 && setting_->dimension < many_dimensions) limit_training(out);
      limit_constant(out, of_constant, std::array<std::string_view, 2>{"excess_mse", "train_mse"});
      if (setting_->ridge > 0) limit_single_sample(out);
    }
    begin_later(out, std::array<std::string_view, 2>{"train_mse", "kappa"});
    std::erase_if(out.columns, [&](const Column& c) {
      return (c.observable.name == "train_mse" && setting_->ridge == 0) ||
             (c.observable.name.starts_with("unlearned_") &&
              (!setting_->on_sphere || std::ranges::all_of(c.value, [](double x) { return x == 0; })));
    });
    if (const double rare = setting_->population->rare_share(setting_->draws); rare > max_rare_share) {
      out.valid_until = 0;
      out.warnings.push_back(fmt::format(
          "{:.2g}% of the target's power lies where so few inputs are that {:g} draws are not expected to meet one: "
          "shown, not judged",
          100 * rare, setting_->draws));
    }
    if (total == 0 && setting_->noise == 0)
      out.warnings.push_back("the target is 0 and so is its noise: nothing is learned");
    return out;
  }

  std::unique_ptr<Simulation> simulate() const override {
    const std::size_t n = setting_->time.steps;
    check_samples(*setting_, true);
    if (const std::string why = setting_->population->obstacle(n, setting_->tests); !why.empty())
      throw std::invalid_argument("data: " + why);
    std::vector<Observable> seen = {all_observables()[0]};
    if (setting_->ridge > 0) seen.push_back(all_observables()[1]);
    return simulation_of(
        {seen, "kernel ridge regression by Cholesky factors",
         [setting = setting_](auto seed, auto index) { return std::make_unique<RidgeReplica>(setting, seed, index); }});
  }

  std::vector<Finding> stability() const override {
    const LearningCurve& theory = curve();
    const Levels& levels = theory.levels();
    const auto n = static_cast<double>(setting_->time.steps);
    double trace = levels.tail, freedom = 0;
    const CurvePoint last = point(n);
    for (std::size_t i = 0; i < levels.eigenvalue.size(); ++i) {
      trace += levels.multiplicity[i] * levels.eigenvalue[i];
      if (levels.eigenvalue[i] > 0 && n > 0)
        freedom += levels.multiplicity[i] * (levels.eigenvalue[i] / (levels.eigenvalue[i] + last.kappa));
    }
    std::vector<Finding> out = {
        {"target_power", levels.total_power(), "E f^2"},
        {"unlearnable_power", levels.unlearnable_power(),
         "in levels of eigenvalue 0: the floor that no number of samples takes away"},
        {"power_beyond", levels.power_beyond, "beyond the levels that are followed: counted as not learned"},
        {"kernel_trace", setting_->population->trace().value_or(trace), "E K(x, x)"},
        {"tail_trace", levels.tail, "of it beyond the levels: acts as a ridge"},
        {"excess_mse", last.excess, fmt::format("at the last number of samples, {:g}", n)},
        {"kappa", last.kappa, "effective ridge there"},
        {"degrees_of_freedom", freedom, "sum m L there"},
        {"overfitting", last.overfitting, "E0 there"}};
    if (levels.total_power() == 0) return out;  // of which there are no shares
    for (const double error : setting_->errors) {
      const double samples = theory.samples_for(error * levels.total_power());
      out.push_back({"samples_for_" + settings::text_of(error), samples,
                     samples_text(samples, "samples at which the excess first is this share of the target's power")});
    }
    return out;
  }

  std::vector<ModeColumn> mode_table() const override {
    const LearningCurve& theory = curve();
    const Levels& levels = theory.levels();
    const double kappa = point(static_cast<double>(setting_->time.steps)).kappa;
    ModeColumn learned{"learned", "1", "L = lambda/(lambda + kappa) at the last number of samples", {}};
    for (const double lambda : levels.eigenvalue) learned.value.push_back(lambda > 0 ? lambda / (lambda + kappa) : 0);
    std::vector<ModeColumn> out = {
        {"degree", "1", "of the harmonics; of other inputs the number of the level", levels.degree},
        {"eigenvalue", "kernel", "lambda", levels.eigenvalue},
        {"multiplicity", "1", "m, how many share it", levels.multiplicity},
        {"target_power", "label^2", "v^2 of the whole level", levels.power},
        std::move(learned),
        {"unlearned_power", "label^2", "(1 - L)^2 v^2", theory.remaining(kappa)}};
    if (std::vector<double> b = setting_->population->taylor(listed_coefficients); !b.empty()) {
      ModeColumn coefficient{
          "coefficient",
          "kernel",
          fmt::format("b_k of the kernel as sum b_k rho^k; listed below degree {}, beyond it nan", listed_coefficients),
          {}};
      for (const double k : levels.degree)
        coefficient.value.push_back(k < static_cast<double>(listed_coefficients) ? b[static_cast<std::size_t>(k)]
                                                                                 : nan);
      out.push_back(std::move(coefficient));
    }
    return out;
  }

  std::vector<std::string> warnings() const override {
    std::vector<std::string> out = setting_->population->warnings();
    if (setting_->population->measured()) return out;  // which are asked for before anything is computed
    const LearningCurve& theory = curve();
    const Levels& levels = theory.levels();
    const double total = levels.total_power(), lost = levels.unlearnable_power();
    if (lost > 1e-12 * total)
      out.push_back(fmt::format(
          "{:.3g} of the target's power {:.3g} lies in levels of eigenvalue 0: it is never learned", lost, total));
    if (levels.power_beyond > 1e-6 * total)
      out.push_back(
          fmt::format("{:.3g} of the target's power {:.3g} lies beyond the levels that are followed and counts as "
                      "not learned",
                      levels.power_beyond, total));
    const auto n = static_cast<double>(setting_->time.steps);
    warn_of_truncation(out, n, theory.at(n).truncation);
    return out;
  }

 private:
  /// Harmonics are no Gaussian features: what a small ridge leaves of the labels is more than the theory's, at d = 3 (arc0,
  /// ridge/(n kappa) = .03) 1.9 times, at d = 8 (exp, .008) 1.3 times as much, and from a tenth on within 10% of it. At d = 10 to 100 some 60 training
  /// errors, down to .0001, were within 10% beside their standard errors.
  void limit_training(Trajectory& out) const {
    std::size_t until = out.steps.size();
    while (until > 0 && setting_->ridge >= least_ridge_share * out.steps[until - 1] * out.columns[2].value[until - 1])
      --until;
    if (until == 0 || out.steps[until - 1] == 0 || out.valid_until == 0) return;
    Column& train = out.columns[1];
    train.valid_from = std::max(train.valid_from, until < out.steps.size() ? out.steps[until] : infinity);
    out.warnings.push_back(
        fmt::format("up to {:g} samples the ridge is below a tenth of n kappa, and the labels nearly interpolated: "
                    "training errors, "
                    "more than the theory's in few dimensions, are shown, not judged",
                    out.steps[until - 1]));
  }

  /// One sample's residual is ridge/(ridge + K(x, x)) of its label, and K(x, x) is the same for all: the theory's features,
  /// whose squares fluctuate, leave 1 + 3 sum m L^2 times that, to first order.
  static void limit_single_sample(Trajectory& out) {
    const auto single = std::ranges::find(out.steps, 1.0);
    if (single == out.steps.end() || out.valid_until == 0) return;
    const auto at = static_cast<std::size_t>(single - out.steps.begin());
    if (3 * (1 - 1 / out.columns[3].value[at]) <= largest_change_of_one) return;
    Column& train = out.columns[1];
    if (train.valid_from > 1) return;
    train.valid_from = at + 1 < out.steps.size() ? out.steps[at + 1] : infinity;
    out.warnings.push_back(
        "of 1 sample train_mse is shown, not judged: it is (ridge/(ridge + K(x, x)))^2 E y^2, and what the theory "
        "says, "
        "more");
  }

  const LearningCurve& curve() const {
    std::call_once(once_, [this] {
      try {
        curve_ = std::make_unique<LearningCurve>(setting_->population->levels(), setting_->ridge, setting_->noise);
      } catch (const std::invalid_argument& e) {
        throw std::invalid_argument(std::string("kernel: ") + e.what());
      }
    });
    return *curve_;
  }
  CurvePoint point(double n) const {
    const CurvePoint out = curve().at(n);
    check_excess(n, out.excess);
    return out;
  }

  std::shared_ptr<const Setting> setting_;
  mutable std::once_flag once_;
  mutable std::unique_ptr<LearningCurve> curve_;
};

std::unique_ptr<Problem> build(const Experiment& experiment, std::span<const settings::Description* const>) {
  const Table& table = experiment.table;
  auto setting = std::make_shared<Setting>();
  setting->population = read_population(table);
  const Values kernel = settings::read(table.table_or_empty("kernel"), kernel_section_parameters());
  static_cast<RegressionSetting&>(*setting) = read_regression(experiment, kernel);
  setting->noise += setting->population->noise();
  const Values data = settings::read(table.table_or_empty("data"), data_parameters());
  setting->on_sphere = data_words().from(data).kind == DataKind::sphere;
  if (setting->on_sphere) setting->dimension = data.number("dimension");
  setting->draws =
      static_cast<double>(experiment.monte_carlo.replicas) * static_cast<double>(setting->time.steps + setting->tests);
  return std::make_unique<KernelRegression>(std::move(setting));
}

}  // namespace

const std::vector<Parameter>& data_parameters() {
  static const std::vector<std::string> rows{"fashion-mnist", "file"};
  static const std::vector<Parameter> keys = {
      data_words().parameters().front(),
      settings::number("dimension", "d of the sphere in R^d; whole for a simulation")
          .at_least(2)
          .at_most(1e9)
          .computed("required for a sphere")
          .where("kind", {"sphere"}),
      settings::text("target", "of fashion-mnist: label (class number, standardised) or class-K (+-1, centred)")
          .otherwise(std::string("class-0"))
          .where("kind", {"fashion-mnist"}),
      settings::integer("rows", "of fashion-mnist: images that are read")
          .at_least(10)
          .at_most(60000)
          .otherwise(std::int64_t{20000})
          .where("kind", {"fashion-mnist"}),
      settings::integer("measured",
                        "of rows: the first so many give the spectrum; the others are samples and test points")
          .at_least(2)
          .at_most(8000)
          .computed("half of the rows, at most 1500")
          .where("kind", rows),
      settings::text("path", "of file: a table of numbers (CSV), a row an example, the label last; centred when read")
          .computed("required for a file")
          .where("kind", {"file"}),
      settings::text("folder", "of fashion-mnist: where its files are")
          .computed("that of Debian's package")
          .where("kind", {"fashion-mnist"})};
  return keys;
}

const std::vector<Parameter>& kernel_section_parameters() {
  static const auto keys = [] {
    auto out = kernel_parameters();
    out.push_back(ridge_parameter().otherwise(0.0));
    return out;
  }();
  return keys;
}

std::unique_ptr<Population> read_population(const Table& table) {
  const Values data = settings::read(table.table_or_empty("data"), data_parameters());
  const Values kernel = settings::read(table.table_or_empty("kernel"), kernel_section_parameters());
  const DataKind kind = data_words().from(data).kind;
  if (kind == DataKind::file && !data.given("path")) throw data.error("path", "is required for kind = \"file\"");
  if (kind != DataKind::sphere && table.has("target"))
    throw table.error("target", "belongs to data.kind = \"sphere\"; leave it out");
  if (kind != DataKind::features && table.has("spectrum"))
    throw table.error("spectrum", "belongs to data.kind = \"features\"; leave it out");
  if (kind == DataKind::sphere) return sphere_population(table, data, kernel);
  if (kind != DataKind::features) return row_population(data, kernel, kind == DataKind::images);
  for (const char* key : {"kind", "bias", "s2", "layers", "coefficients", "max_degree"})
    if (kernel.given(key)) throw kernel.error(key, "features have the kernel <x, x'>; leave it out");
  return feature_population(table);
}

const Model& kernel_regression_model() {
  static const DeclaredModel model({
      .description = {"kernel-regression", "learning curves of kernel ridge regression, level by level",
                      "predictor k(x)'(K + ridge I)^-1 y of n samples, y = f + noise\n"
                      "n = sum m L + (ridge + tail)/kappa,  L = lambda/(lambda + kappa)\n"
                      "excess_mse = E0 (sum (1 - L)^2 v^2 + sigma^2) - sigma^2,  E0 = n/(n - sum m L^2)\n"
                      "An asymptotic theory: 10% are usual while the excess is above 1% of the target's power "
                      "([verdict] allowed = "
                      "0.1)",
                      "Agarwala, Das, Panigrahy, Zhang 2020; docs/theory/networks-and-kernels.md, section 4",
                      settings::with_sections({{"data", data_parameters()},
                                               {"kernel", kernel_section_parameters()},
                                               {"target", target_parameters()},
                                               {"noise", noise_parameters()}})},
      .sections = {"data", "kernel", "target", "noise", "spectrum", "monte_carlo"},
      .axis = &samples_axis(),
      .observables = all_observables(),
      .closed_forms = kernel_regression_closed_forms,
      .theory = error_parameters(),
      .monte_carlo = test_parameters(),
      .build = build,
      .start = R"(data.dimension = 8
kernel = { kind = "ntk", ridge = 0.1 }
target.powers = [0, 0.5, 0.5]
samples.max = 400
monte_carlo.replicas = 8)",
  });
  return model;
}

}  // namespace edgewise::models::kernel_regression
