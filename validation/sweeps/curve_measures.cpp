// Built at -O1: nothing here takes time.
/// Measures that read a recorded curve: an observable of a theory or of a simulation along the steps.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "numerics/constants.hpp"
#include "settings/shown.hpp"
#include "validation/sweeps/exponent_fit.hpp"
#include "validation/sweeps/measure_kinds.hpp"
#include "validation/sweeps/recorded_curve.hpp"

namespace edgewise::validation {

using settings::Expression;
using settings::Parameter;

namespace {

// ---- the curve ------------------------------------------------------------------------------------------------------

std::vector<Parameter> curve_parameters() {
  return {
      settings::text("observable", "the observable whose curve is read").computed("the model's first"),
      settings::text("source", "whose curve").one_of({"theory", "simulation"}).computed("theory where it is solved"),
      settings::text("statistic", "of the theory: mean or std; of a simulation any, over its replicas")
          .otherwise(std::string("mean"))
          .one_of({"mean", "std", "sem", "q05", "q50", "q95"})};
}

const std::vector<double>& statistic_of(const Sample& sample, const std::string& name) {
  if (name == "std") return sample.std;
  if (name == "sem") return sample.sem;
  if (name == "q05") return sample.q05;
  if (name == "q50") return sample.q50;
  if (name == "q95") return sample.q95;
  return sample.mean;
}

/// Copies a curve out of what a variant gave.
///
/// Of a run that ended early the steps that it has not reached follow, infinite where it diverged and NaN where that is
/// not known: what is read there is never an earlier value.
struct Curve {
  std::vector<double> steps, values;
  const Sample* sample = nullptr;  ///< of a simulation's mean: for errors from its replicas
  std::size_t offset = 0;          ///< of the observable in the sample's arrays
  RecordedCurve recorded() const { return {steps, values}; }
};

class CurveSource {
 public:
  explicit CurveSource(const MeasureTable& table) : measure_(table.name), values_(table.values) {
    table.require({"solve", "simulate", "validate"}, "kind");
    if (table.values.given("source"))
      simulated_ = table.values.text("source") == "simulation";
    else
      simulated_ = table.what == "simulate";
    if (table.what != "validate" && simulated_ != (table.what == "simulate"))
      table.require({"validate", simulated_ ? "simulate" : "solve"}, "source");
    statistic_ = table.values.text("statistic");
    if (!simulated_ && statistic_ != "mean" && statistic_ != "std")
      throw table.values.error("statistic",
                               fmt::format("a theory has mean and std, not '{}'", settings::shown(statistic_)));
    if (table.values.has("observable")) observable_ = table.values.text("observable");
  }

  bool simulated() const { return simulated_; }
  std::string described() const {
    std::string out = observable_.empty() ? "first observable" : observable_;
    if (statistic_ != "mean") out += fmt::format(" ({})", statistic_);
    return out;
  }

  void check(const KnownObservables& known) const {
    const std::vector<std::string>& names = simulated_ ? known.simulation : known.theory;
    if (!observable_.empty() && std::find(names.begin(), names.end(), observable_) == names.end())
      throw values_.error("observable", unknown(names, simulated_ ? "simulation" : "theory"));
  }

  /// No steps where there is nothing.
  Curve of(const VariantRun& run) const {
    Curve out;
    if (simulated_) {
      if (!run.sample || run.sample->replicas == 0) return out;
      const Sample& sample = *run.sample;
      std::vector<std::string> names;
      for (const models::Observable& o : sample.observables) names.push_back(o.name);
      out.steps.assign(sample.steps.begin(), sample.steps.end());
      out.offset = index_in(names, "simulation") * out.steps.size();
      const auto begin = statistic_of(sample, statistic_).begin() + static_cast<std::ptrdiff_t>(out.offset);
      out.values.assign(begin, begin + static_cast<std::ptrdiff_t>(out.steps.size()));
      if (statistic_ == "mean") out.sample = &sample;
      // Of the quantiles beyond a divergence nothing is kept.
      const bool infinite = sample.diverged > 0 && statistic_[0] != 'q';
      for (const std::uint64_t step : sample.later_steps) {
        out.steps.push_back(static_cast<double>(step));
        out.values.push_back(infinite ? infinity : nan);
      }
    } else if (run.theory) {
      std::vector<std::string> names;
      for (const models::Column& c : run.theory->columns) names.push_back(c.observable.name);
      const models::Column& column = run.theory->columns[index_in(names, "theory")];
      const std::vector<double>& values = statistic_ == "std" ? column.std : column.value;
      if (values.size() != run.theory->steps.size()) return out;
      out.steps = run.theory->steps;
      out.values = values;
      if (run.theory->diverged_at) diverge(out, run.asked, *run.theory->diverged_at);
    }
    return out;
  }

 private:
  /// Goes on to the last step asked for, or at least to where it diverged.
  static void diverge(Curve& curve, const std::vector<std::uint64_t>& asked, double diverged_at) {
    const double reached = curve.steps.empty() ? -1 : curve.steps.back();
    for (const std::uint64_t step : asked)
      if (static_cast<double>(step) > reached) curve.steps.push_back(static_cast<double>(step));
    if ((curve.steps.empty() || curve.steps.back() == reached) && diverged_at > reached)
      curve.steps.push_back(diverged_at);
    curve.values.resize(curve.steps.size(), infinity);
  }

  std::size_t index_in(const std::vector<std::string>& names, const char* whose) const {
    if (names.empty()) throw settings::Error(fmt::format("measure {}: the {} has no observables", measure_, whose));
    if (observable_.empty()) return 0;
    const auto found = std::find(names.begin(), names.end(), observable_);
    if (found == names.end()) throw settings::Error(fmt::format("measure {}: {}", measure_, unknown(names, whose)));
    return static_cast<std::size_t>(found - names.begin());
  }
  std::string unknown(const std::vector<std::string>& names, const char* whose) const {
    return fmt::format("the {} has no observable '{}'{}; it has {}", whose, settings::shown(observable_),
                       settings::suggestion(observable_, names), settings::join(names));
  }

  std::string measure_, observable_, statistic_;
  settings::Values values_;
  bool simulated_ = false;
};

/// Values of all names that a formula about `curve` may use.
std::vector<double> axis_of(std::span<const double> variables, const RecordedCurve& curve) {
  std::vector<double> out(variables.begin(), variables.end());
  out.push_back(curve.values.front());
  const auto first = std::find_if(curve.steps.begin(), curve.steps.end(), [](double step) { return step > 0; });
  out.push_back(first == curve.steps.end() ? nan : *first);
  out.push_back(curve.steps.back());
  return out;
}

/// One curve, read by the subclass.
class CurveMeasure : public Measure {
 public:
  explicit CurveMeasure(const MeasureTable& table) : name_(table.name), source_(table), variant_(table.variant) {}

  std::vector<MeasureInfo> infos() const override { return {{name_, "", doc()}}; }
  bool reads_simulation() const final { return source_.simulated(); }
  void check(std::size_t variant, const KnownObservables& known) const final {
    if (variant == variant_) source_.check(known);
  }

  void evaluate(std::span<const VariantRun> runs, std::span<const double> variables,
                std::span<double> out) const final {
    std::fill(out.begin(), out.end(), nan);
    const Curve curve = source_.of(runs[variant_]);
    if (!curve.steps.empty()) read(curve, axis_of(variables, curve.recorded()), out);
  }

 protected:
  virtual std::string doc() const = 0;
  virtual void read(const Curve& curve, const std::vector<double>& names, std::span<double> out) const = 0;

  std::string name_;
  CurveSource source_;

 private:
  std::size_t variant_;
};

// ---- values ---------------------------------------------------------------------------------------------------------

class Final : public CurveMeasure {
 public:
  using CurveMeasure::CurveMeasure;

 protected:
  std::string doc() const override { return source_.described() + " at the last recorded step"; }
  void read(const Curve& curve, const std::vector<double>&, std::span<double> out) const override {
    out[0] = curve.values.back();
  }
};

class At : public CurveMeasure {
 public:
  explicit At(const MeasureTable& table) : CurveMeasure(table), step_(formula(table, "step", curve_names())) {
    require_step(table, "step", step_);
  }

 protected:
  std::string doc() const override { return fmt::format("{} at step {}", source_.described(), step_.formula()); }
  void read(const Curve& curve, const std::vector<double>& names, std::span<double> out) const override {
    out[0] = value_at(curve.recorded(), step_(names));
  }

 private:
  Expression step_;
};

class OverWindow : public CurveMeasure {
 public:
  enum class Which { minimum, maximum, mean, median };
  OverWindow(const MeasureTable& table, Which which) : CurveMeasure(table), which_(which), window_(table) {}

 protected:
  std::string doc() const override {
    static constexpr const char* words[] = {"minimum", "maximum", "mean", "median"};
    return fmt::format("{} of {} over steps {} to {}", words[static_cast<int>(which_)], source_.described(),
                       window_.from(), window_.to());
  }
  void read(const Curve& curve, const std::vector<double>& names, std::span<double> out) const override {
    const auto [from, to] = window_.ends(names);
    const CurveWindow window = window_of(curve.recorded(), from, to);
    if (window.empty()) return;
    // Of a run that diverged the least and the middle value are early ones.
    const bool ended = std::ranges::any_of(window.values, [](double x) { return std::isinf(x); });
    if (ended && (which_ == Which::minimum || which_ == Which::median)) return;
    switch (which_) {
      case Which::minimum:
        out[0] = *std::min_element(window.values.begin(), window.values.end());
        break;
      case Which::maximum:
        out[0] = *std::max_element(window.values.begin(), window.values.end());
        break;
      case Which::mean:
        out[0] = mean_over(window);
        break;
      case Which::median:
        out[0] = median_over(window);
        break;
    }
  }

 private:
  Which which_;
  FormulaWindow window_;
};

// ---- exponents ------------------------------------------------------------------------------------------------------

/// Standard error of a slope from replicas left out in turn (delete-a-group jackknife).
double jackknife_error(const Curve& curve, double asymptote, const ExponentOptions& window) {
  constexpr std::size_t most_groups = 40;
  if (!curve.sample) return nan;
  const std::size_t times = curve.sample->steps.size();
  const std::size_t replicas = curve.sample->values[curve.offset].size();
  const std::size_t groups = std::min(replicas, most_groups);
  if (groups < 3) return nan;
  std::vector<double> slopes, values(times);
  for (std::size_t g = 0; g < groups; ++g) {
    for (std::size_t t = 0; t < times; ++t) {
      const std::vector<double>& all = curve.sample->values[curve.offset + t];
      double sum = 0;
      std::size_t count = 0;
      for (std::size_t r = 0; r < replicas; ++r)
        if (r % groups != g) {
          sum += all[r];
          ++count;
        }
      values[t] = sum / static_cast<double>(count) - asymptote;
    }
    slopes.push_back(fit_exponent(std::span(curve.steps).first(times), values, window).exponent);
  }
  double mean = 0, squares = 0;
  for (const double s : slopes) mean += s / static_cast<double>(groups);
  for (const double s : slopes) squares += (s - mean) * (s - mean);
  return std::sqrt(squares * static_cast<double>(groups - 1) / static_cast<double>(groups));
}

class Slope : public CurveMeasure {
 public:
  explicit Slope(const MeasureTable& table)
      : CurveMeasure(table),
        window_(table),
        subtract_(formula(table, "subtract", curve_names())),
        tolerance_(table.values.number("tolerance")) {}

  std::vector<MeasureInfo> infos() const override {
    return {{name_, "", doc()},
            {name_ + "_se", "",
             fmt::format("standard error of {}: {}", name_,
                         source_.simulated() ? "replicas left out in turn" : "scatter of the residuals")},
            {name_ + "_curvature", "", fmt::format("change of the local exponent over the window of {}", name_)},
            {name_ + "_curved", "",
             fmt::format("1 where that change is significant and beyond {}, else 0", settings::text_of(tolerance_))}};
  }

 protected:
  std::string doc() const override {
    std::string what = source_.described();
    if (subtract_.formula() != "0") what = fmt::format("({} - {})", what, subtract_.formula());
    return fmt::format("exponent d log {} / d log step over steps {} to {}", what, window_.from(), window_.to());
  }

  void read(const Curve& curve, const std::vector<double>& names, std::span<double> out) const override {
    const auto [from, to] = window_.ends(names);
    const double asymptote = subtract_(names);
    // A window that the record does not cover is another window.
    constexpr double rounding = 1e-9;
    if (!(from <= to) || !(to <= curve.steps.back() * (1 + rounding))) return;
    const ExponentOptions window{from * (1 - rounding), to * (1 + rounding), tolerance_};
    for (std::size_t i = 0; i < curve.steps.size(); ++i)
      if (curve.steps[i] >= window.from && curve.steps[i] <= window.to && !std::isfinite(curve.values[i])) return;
    std::vector<double> values = curve.values;
    for (double& y : values) y -= asymptote;
    // Points of a simulation weigh the same as those of a theory: where the curve bends, other weights would be another
    // slope.
    const ExponentFit fit = fit_exponent(curve.steps, values, window);
    out[0] = fit.exponent;
    out[1] = fit.standard_error;
    if (curve.sample) {
      const double from_replicas = jackknife_error(curve, asymptote, window);
      if (!std::isnan(from_replicas)) out[1] = from_replicas;
    }
    out[2] = fit.curvature;
    if (!std::isnan(fit.curvature_p)) out[3] = fit.curved ? 1 : 0;
  }

 private:
  FormulaWindow window_;
  Expression subtract_;
  double tolerance_;
};

// ---- first passages -------------------------------------------------------------------------------------------------

class Passage : public CurveMeasure {
 public:
  explicit Passage(const MeasureTable& table)
      : CurveMeasure(table),
        level_(formula(table, "level", curve_names())),
        falling_(table.values.text("direction") == "below") {}

 protected:
  std::string doc() const override {
    return fmt::format("first step at which {} is {} {}", source_.described(), falling_ ? "below" : "above",
                       level_.formula());
  }
  void read(const Curve& curve, const std::vector<double>& names, std::span<double> out) const override {
    out[0] = first_passage(curve.recorded(), level_(names), falling_);
  }

 private:
  Expression level_;
  bool falling_;
};

/// ln(T_a/T_b) over a range of levels (docs/theory/muon-phases.md, section 7.1).
class PassageRatio : public Measure {
 public:
  explicit PassageRatio(const MeasureTable& table)
      : name_(table.name),
        source_(table),
        from_(formula(table, "from", curve_names())),
        to_(formula(table, "to", curve_names())),
        normalizer_(formula(table, "normalizer", curve_names())),
        count_(static_cast<std::size_t>(table.values.integer("count"))) {
    const std::vector<std::string>& two = table.values.texts("variants");
    if (two.size() != 2) throw table.values.error("variants", "must be the names of two variants");
    for (std::size_t i = 0; i < 2; ++i) {
      const auto found = std::find(table.variants.begin(), table.variants.end(), two[i]);
      if (found == table.variants.end())
        throw table.values.error(
            "variants", fmt::format("there is no variant '{}'{}; known: {}", settings::shown(two[i]),
                                    settings::suggestion(two[i], table.variants), settings::join(table.variants)));
      variants_[i] = static_cast<std::size_t>(found - table.variants.begin());
    }
    names_ = two;
  }

  bool reads_simulation() const override { return source_.simulated(); }
  void check(std::size_t variant, const KnownObservables& known) const override {
    if (variant == variants_[0] || variant == variants_[1]) source_.check(known);
  }

  std::vector<MeasureInfo> infos() const override {
    const std::string what = fmt::format("ln(T_{}/T_{}) / ({}), T the first step with {} below a level", names_[0],
                                         names_[1], normalizer_.formula(), source_.described());
    const std::string levels = fmt::format("{} levels from {} to {}", count_, from_.formula(), to_.formula());
    return {{name_ + "_min", "", fmt::format("least {}, over {}", what, levels)},
            {name_ + "_max", "", fmt::format("largest {}, over {}", what, levels)},
            {name_ + "_missed", "", "levels that not both variants reach"}};
  }

  void evaluate(std::span<const VariantRun> runs, std::span<const double> variables,
                std::span<double> out) const override {
    std::fill(out.begin(), out.end(), nan);
    const Curve a = source_.of(runs[variants_[0]]), b = source_.of(runs[variants_[1]]);
    if (a.steps.empty() || b.steps.empty()) return;
    const std::vector<double> names = axis_of(variables, a.recorded());
    const double from = from_(names), to = to_(names), normalizer = normalizer_(names);
    if (!(from > 0) || !(to > 0) || !std::isfinite(from) || !std::isfinite(to) || !std::isfinite(normalizer)) return;
    double least = nan, largest = nan, missed = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      const double f = count_ > 1 ? static_cast<double>(i) / static_cast<double>(count_ - 1) : 0;
      const double level = i + 1 == count_ && count_ > 1 ? to : from * std::exp(f * std::log(to / from));
      const double ratio =
          std::log(first_passage(a.recorded(), level) / first_passage(b.recorded(), level)) / normalizer;
      if (!std::isfinite(ratio)) {
        ++missed;
        continue;
      }
      least = std::fmin(least, ratio);
      largest = std::fmax(largest, ratio);
    }
    out[0] = least;
    out[1] = largest;
    out[2] = missed;
  }

 private:
  std::string name_;
  CurveSource source_;
  Expression from_, to_, normalizer_;
  std::size_t count_;
  std::size_t variants_[2] = {0, 0};
  std::vector<std::string> names_;
};

// ---- the list -------------------------------------------------------------------------------------------------------

template <class Kind>
std::unique_ptr<Measure> make(const MeasureTable& table) {
  return std::make_unique<Kind>(table);
}
template <OverWindow::Which which>
std::unique_ptr<Measure> make_over_window(const MeasureTable& table) {
  return std::make_unique<OverWindow>(table, which);
}

std::vector<Parameter> with_curve(std::vector<Parameter> own) {
  std::vector<Parameter> out = curve_parameters();
  out.insert(out.end(), own.begin(), own.end());
  return out;
}

Parameter formula_key(const std::string& name, const std::string& doc) {
  return settings::text(name, doc + " (formula or number)");
}

std::vector<Parameter> window(const std::string& from) {
  return {formula_key("from", "first step of the window").otherwise(from),
          formula_key("to", "last step of the window").otherwise(std::string("last"))};
}

MeasureKind kind(const std::string& name, const std::string& summary, const std::string& equations,
                 std::vector<Parameter> own, std::vector<std::string> formulas,
                 std::unique_ptr<Measure> (*maker)(const MeasureTable&), const std::string& source = "") {
  return {{name, summary, equations, source, with_curve(std::move(own))}, true, std::move(formulas), maker};
}

std::vector<MeasureKind> curve_kinds() {
  using Which = OverWindow::Which;
  const std::vector<std::string> ends = {"from", "to"};
  const std::string quarter = "0.75*last";
  std::vector<MeasureKind> out;
  out.push_back(kind("final", "an observable at the last recorded step", "", {}, {}, make<Final>));
  out.push_back(kind("at", "an observable at a step",
                     "Between recorded steps a power law through both neighbours; nothing is extrapolated.",
                     {formula_key("step", "the step").must()}, {"step"}, make<At>));
  out.push_back(kind("minimum", "the least value over a window of steps", "", window("0"), ends,
                     make_over_window<Which::minimum>));
  out.push_back(kind("maximum", "the largest value over a window of steps", "", window("0"), ends,
                     make_over_window<Which::maximum>));
  out.push_back(kind("mean", "the average over a window of steps", "Trapezoidal rule in the step.", window(quarter),
                     ends, make_over_window<Which::mean>));
  out.push_back(kind("median", "the median over a window of steps",
                     "The value that the curve is below for half of the window's steps.", window(quarter), ends,
                     make_over_window<Which::median>));
  std::vector<Parameter> of_slope = window("last/100");
  of_slope.push_back(
      formula_key("subtract", "subtracted from the observable first, e.g. its limit").otherwise(std::string("0")));
  of_slope.push_back(
      settings::number("tolerance", "change of the local exponent over the window that passes as straight")
          .otherwise(0.05)
          .at_least(0));
  out.push_back(
      kind("slope", "the exponent of a power law over a window of steps",
           "NAME, NAME_se, NAME_curvature, NAME_curved.\n"
           "Least squares of log y on log step over the recorded steps of the window. NAME_se of a theory: from\n"
           "the residuals with their effective number n (1-r)/(1+r), r the correlation of neighbours; of a\n"
           "simulation's mean: from leaving out replicas. NAME_curvature: the change of the local exponent over\n"
           "the window, from a parabola; NAME_curved: 1 where it exceeds `tolerance` and is significant (1%).",
           of_slope, {"from", "to", "subtract"}, make<Slope>));
  out.push_back(kind("passage", "the first step at which an observable is at a level or beyond it",
                     "Interpolated between recorded steps as by `at`; nan when it never gets there.",
                     {formula_key("level", "the level, e.g. initial/100").must(),
                      settings::text("direction", "on which side of the level")
                          .otherwise(std::string("below"))
                          .one_of({"below", "above"})},
                     {"level"}, make<Passage>));
  MeasureKind ratio =
      kind("passage-ratio", "how much longer one variant takes than another to reach the same levels",
           "NAME_min, NAME_max: least and largest ln(T_a/T_b)/normalizer over `count` logarithmically spaced levels, "
           "with T\n"
           "the first step at which the observable is below the level; levels that not both reach are left out and\n"
           "counted in NAME_missed. initial, first and last are those of the first variant.",
           {settings::texts("variants", "the two variants a and b").must(),
            formula_key("from", "the highest level").must(), formula_key("to", "the lowest level").must(),
            settings::integer("count", "number of levels").otherwise(std::int64_t{40}).at_least(1),
            formula_key("normalizer", "what the logarithm is divided by").otherwise(std::string("1"))},
           {"from", "to", "normalizer"}, make<PassageRatio>, "docs/theory/muon-phases.md, section 7.1");
  ratio.one_variant = false;
  out.push_back(std::move(ratio));
  return out;
}

}  // namespace

std::span<const MeasureKind> curve_measure_kinds() {
  static const std::vector<MeasureKind> kinds = curve_kinds();
  return kinds;
}

}  // namespace edgewise::validation
