// Units: with K -> c K, theta* -> a theta*, and learning rates, thresholds and noise in their units, every finding and every
// entry of the table of modes is the old one times a power of c and a power of a; dimensionless ones stay. Every model and
// every method it offers is tried, over sixty powers of ten either way.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "models/framework/model.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using edgewise::tests::Approx;

namespace {

using FindingValue = decltype(models::Finding::value);

/// A number in units: value c^of_c a^of_a.
struct Sized {
  double value = 0, of_c = 0, of_a = 0;
};
struct Units {
  double c = 1, a = 1;
  double operator()(const Sized& s) const { return s.value * std::pow(c, s.of_c) * std::pow(a, s.of_a); }
};

/// Keys of [optimizer] beside its kind.
using Keys = std::vector<std::pair<std::string, Sized>>;
struct Method {
  Sized learning_rate;
  Keys sized;
  std::string plain;  // keys without units
};

const Sized per_curvature(double value) {
  return {value, -1, 0};
}
const Sized of_parameters(double value) {
  return {value, 0, 1};
}

const std::map<std::string, std::map<std::string, Method>>& methods() {
  const std::string momentum = "momentum = 0.8\nmomentum_kind = 'nesterov'\n";
  static const std::map<std::string, std::map<std::string, Method>> all{
      {"sum-of-powers", {}},  // has no optimizer
      {"modular-tasks", {}},
      {"kernel-regression", {}},
      {"equilibrium-network", {}},
      {"equilibrium-training", {{"gd", {{0.1, 0, 0}, {}, ""}}}},  // dimensionless
      {"softmax-temperature", {{"gd", {{0.1, -1, 2}, {}, ""}}}},  // a: of logits
      {"least-squares",
       {{"sgd", {per_curvature(0.1), {}, ""}},
        {"momentum", {per_curvature(0.02), {{"weight_decay", {0.05, 1, 0}}}, momentum}},
        {"ema", {per_curvature(0.1), {}, ""}},
        {"tail-average", {per_curvature(0.1), {}, ""}},
        {"lookahead", {per_curvature(0.1), {{"weight_decay", {0.05, 1, 0}}}, "inner_steps = 40\n"}},
        {"la-diloco", {per_curvature(0.1), {}, ""}},
        {"sla",
         {per_curvature(0.02), {}, momentum + "outer_momentum = 0.5\nouter_momentum_kind = 'nesterov'\nworkers = 2\n"}},
        {"diloco", {per_curvature(0.002), {}, ""}},
        {"custom", {{}, {}, ""}}}},
      {"residual-sgd",
       {{"sgd", {per_curvature(0.05), {}, ""}},
        {"clip", {per_curvature(0.05), {{"threshold", {1.5, 1, 1}}}, ""}},
        {"huber", {per_curvature(0.05), {{"threshold", {0.5, 0.5, 1}}}, ""}},
        {"lad", {{0.05, -0.5, 1}, {}, ""}},
        {"quantile", {{0.05, -0.5, 1}, {}, ""}},
        {"reject", {per_curvature(0.05), {{"threshold", {1.5, 0.5, 1}}}, ""}},
        {"custom", {per_curvature(0.05), {}, "chi = 'r'\n"}},
        {"mean-clip", {per_curvature(0.05), {{"threshold", {1.5, 1, 1}}}, "batch = 4\n"}}}},
      {"sign-sgd",
       {{"sign-late", {of_parameters(0.01), {}, ""}},
        {"sign-early", {of_parameters(0.01), {}, "batch = 4\n"}},
        {"sign-majority", {of_parameters(0.01), {}, "batch = 4\n"}},
        {"sign-ema", {of_parameters(0.01), {}, ""}},
        {"ema-sign", {of_parameters(0.01), {}, ""}},
        {"adam", {of_parameters(0.01), {}, ""}},
        {"per-example-adam", {of_parameters(0.01), {{"floor", {1e-8, 1, 1}}}, "batch = 4\n"}}}},
      {"matrix-least-squares",
       {{"signsvd", {of_parameters(0.01), {}, "batch = 8\n"}},
        {"signsgd", {of_parameters(0.01), {}, "batch = 8\n"}},
        {"newton-schulz", {of_parameters(0.01), {}, "batch = 8\n"}},
        {"general", {of_parameters(0.01), {}, "batch = 8\nmap = 'sqrt(sigma)'\nnormalise = true\n"}},
        {"sgd", {per_curvature(0.01), {}, "batch = 8\n"}}}},
      {"finite-data", {{"multi-pass-sgd", {per_curvature(0.3), {}, "batch = 1\nsampling = 'with-replacement'\n"}}}},
      // z has the unit a of the target, a parameter the unit a/sqrt(c): J has sqrt(c), Q has c/a.
      {"quadratic-map",
       {{"gd", {per_curvature(1), {}, ""}},
        {"sam", {per_curvature(1), {{"rho", {0.05, -1, 0}}}, ""}},
        {"normalized-sam", {per_curvature(1), {{"rho", {0.01, -0.5, 1}}}, ""}}}},
      {"quadratic-regression",
       {{"gd", {per_curvature(0.3), {}, ""}},
        {"sgd", {per_curvature(0.3), {}, "batch = 2\nmomentum = 0.3\n"}},
        {"rmsprop", {{1e-3, -.5, 1}, {{"epsilon", {1e-8, .5, 1}}}, ""}},
        {"adam", {{1e-3, -.5, 1}, {{"epsilon", {1e-8, .5, 1}}}, ""}},
        {"sam", {per_curvature(0.1), {{"rho", {0.3, -1, 0}}}, ""}},
        {"functional-sam", {per_curvature(0.1), {{"rho", {0.3, -1, 0}}}, ""}},
        {"logit-sam", {per_curvature(0.1), {{"rho", {0.3, -.5, 1}}}, "normalised = true\n"}},
        {"gradient-penalty", {per_curvature(0.1), {{"rho", {0.3, -1, 0}}}, ""}},
        {"weight-noise", {per_curvature(0.1), {{"deviation", {0.1, -.5, 1}}}, ""}},
        {"gauss-newton-trace", {per_curvature(0.1), {{"deviation", {0.1, -.5, 1}}}, ""}},
        {"hessian-trace", {per_curvature(0.1), {{"deviation", {0.1, -.5, 1}}}, ""}}}},
      {"single-neuron",  // of inputs and an activation of unit 1
       {{"sgd", {{0.1, 0, 0}, {}, ""}},
        {"sam", {{0.1, 0, 0}, {{"rho", {0.3, 0, 0}}}, ""}},
        {"gradient-penalty", {{0.1, 0, 0}, {{"rho", {0.3, 0, 0}}}, ""}}}},
      {"feature-alignment",
       {{"gd", {{0.1, -.5, -1}, {}, ""}},
        {"sgd", {{0.1, -.5, -1}, {}, "batch = 2\n"}},
        {"slo", {{0.1, -.25, .5}, {}, "speeds = [1, 2]\n"}}}},
      {"network",
       {{"gd", {per_curvature(0.1), {}, "momentum = 0.5\n"}},
        {"sgd", {per_curvature(0.1), {}, "batch = 2\n"}},
        {"rmsprop", {{1e-3, -.5, 1}, {{"epsilon", {1e-8, .5, 1}}}, ""}},
        {"adam", {{1e-3, -.5, 1}, {{"epsilon", {1e-8, .5, 1}}}, ""}},
        {"sam", {per_curvature(0.1), {{"rho", {0.3, -.5, 1}}}, ""}},
        {"functional-sam", {per_curvature(0.1), {{"rho", {0.3, -1, 0}}}, "normalised = false\n"}},
        {"logit-sam", {per_curvature(0.1), {{"rho", {0.3, -.5, 1}}}, ""}},
        {"gradient-penalty", {per_curvature(0.1), {{"rho", {0.3, -1, 0}}}, ""}},
        {"weight-noise", {per_curvature(0.1), {{"deviation", {0.1, -.5, 1}}}, ""}},
        {"gauss-newton-trace", {per_curvature(0.1), {{"deviation", {0.1, -.5, 1}}}, ""}},
        {"hessian-trace", {per_curvature(0.1), {{"deviation", {0.1, -.5, 1}}}, ""}}}},
      {"self-stabilisation", {{"gd", {per_curvature(0.5), {}, ""}}}},
      {"mini-batch-cdat", {{"sgd", {{}, {}, "batch = 20\n"}}}}};
  return all;
}

std::string experiment(const std::string& model, const std::string& kind, const Method& method, const Units& unit) {
  const auto number = [&](double value, double of_c, double of_a) {
    return fmt::format("{:.17e}", unit({value, of_c, of_a}));
  };
  std::string text = "model = '" + model + "'\n[time]\nat = [1, 10, 100]\n[optimizer]\nkind = '" + kind + "'\n";
  if (method.learning_rate.value > 0) text += fmt::format("learning_rate = {:.17e}\n", unit(method.learning_rate));
  for (const auto& [key, value] : method.sized) text += fmt::format("{} = {:.17e}\n", key, unit(value));
  text += method.plain;
  if (kind == "custom" && model == "least-squares")
    text += fmt::format(
        "start = [1, 0]\nreadout = [1, 0]\n[[optimizer.phase]]\nT0 = [[1, {0}], [0, 0.8]]\nT1 = [[{1}, 0], [1, 0]]\nn "
        "= "
        "[{1}, 1]\ne = [1, 0]\n",
        number(-0.02 * 0.8, -1, 0), number(-0.02, -1, 0));
  if (model == "finite-data") {
    const auto row = [&](double x, double y, double z) {
      return "[" + number(x, .5, 0) + ", " + number(y, .5, 0) + ", " + number(z, .5, 0) + "]";
    };
    return text + "[data]\nlaw = 'list'\ninputs = [" + row(1, .3, .2) + ", " + row(.2, 1, -.4) + ", " +
           row(.1, .5, .9) + ", " + row(-.6, .2, .1) + "]\ntargets = [" + number(1, .5, 1) + ", " + number(1, .5, 1) +
           ", 0.0, " + number(-.5, .5, 1) + "]\n";
  }
  if (model == "quadratic-map")
    return text + "[data]\ncurvature = [" + number(1, 1, -1) + ", " + number(-.02, 1, -1) +
           "]\n[initial]\nresidual = " + number(-.1, 0, 1) + "\njacobian = [" + number(1, .5, 0) + ", " +
           number(1.05, .5, 0) + "]\n";
  if (model == "self-stabilisation")
    return text + "[landscape]\nsharpening = " + number(.01, 2, 0) + "\nstabilization = " + number(4, 3, -2) +
           "\ngradient_variance = " + number(.0001, 1, 2) + "\n[initial]\nx = " + number(.1, -.5, 1) +
           "\nsharpness = " + number(3.9, 1, 0) + "\n";
  if (model == "mini-batch-cdat")  // of inputs of unit 1
    return text + "[data]\ndimension = 20\nnoise_variance = " + number(.1, 0, 2) +
           "\ninitial_excess = " + number(1, 0, 2) + "\n[rate]\nkind = 'cdat'\nsigma = 1.2\n";
  if (model == "network")  // linear, so that inputs of unit sqrt(c) and targets of unit a make parameters of a/sqrt(c)
    return text + "[data]\nexamples = 5\ninputs = 3\noutputs = 2\ninput_scale = " + number(1, .5, 0) +
           "\ntarget_scale = " + number(1, 0, 1) +
           "\n[network]\nhidden = []\nbias = false\nweight_variance = " + number(1, -1, 2) + "\n";
  if (model == "feature-alignment")  // homogeneous layers, two of them: weights of sqrt(a/sqrt(c))
    return text + "[alignment]\nkind = 'network'\n[data]\nexamples = 5\ninputs = 3\noutputs = 2\ninput_scale = " +
           number(1, .5, 0) + "\ntarget_scale = " + number(1, 0, 1) +
           "\n[network]\nhidden = [4]\nactivation = 'relu'\nbias = false\nweight_variance = " + number(1, -.5, 1) +
           "\n";
  if (model == "equilibrium-training") return text;
  if (model == "single-neuron") return text + "[data]\nteacher = [1, -0.4]\n[neuron]\nstart = [0.3, 0.7]\n";
  if (model == "softmax-temperature")
    return text + "[task]\neigenvalue = " + number(1, 1, 0) + "\n[initial]\ndeviation = " + number(2, 0, 1) +
           "\n[loss]\ninverse_temperature = " + number(3, 0, -1) + "\n";
  if (model == "quadratic-regression")
    return text + "[data]\noutputs = 5\nparameters = 10\ncurvature = " + number(4, 2, -2) +
           "\nresidual_variance = " + number(1, 0, 2) + "\njacobian_variance = " + number(1, 1, 0) + "\n";
  text += "[spectrum]\nkind = 'list'\nmultiplicities = [1, 2, 3]\neigenvalues = [" + number(1, 1, 0) + ", " +
          number(.5, 1, 0) + ", " + number(.1, 1, 0) + "]\ntarget_power = [" + number(1, 0, 2) + ", " +
          number(.7, 0, 2) + ", " + number(2, 0, 2) + "]\n[noise]\nvariance = " + number(.1, 1, 2) + "\n";
  if (model == "matrix-least-squares") text += "[data]\noutputs = 6\n";
  if (model == "least-squares" && kind != "custom")
    text += "[tune]\nevaluations = 8\nlearning_rate = [" + number(1e-4, -1, 0) + ", " + number(1e-2, -1, 0) + "]\n";
  return text;
}

/// Everything dimensionful or not that is said of an experiment, by name.
std::map<std::string, FindingValue> said(const std::string& text, bool tuned) {
  const models::Experiment experiment = models::read_experiment(settings::read_text(text, "e.toml"));
  const auto problem = models::find(experiment).prepare(experiment);
  std::map<std::string, FindingValue> out;
  for (const models::Finding& f : problem->stability()) out["stability." + f.name] = f.value;
  try {
    for (const models::ModeColumn& column : problem->mode_table())
      for (std::size_t i = 0; i < column.value.size(); ++i)
        out[fmt::format("modes.{}.{}", column.name, i)] = column.value[i];
  } catch (const settings::Error& e) {
    out["modes"] = std::string("refused");
  }
  if (tuned)
    for (const models::Finding& f : models::find(experiment).tune(experiment)) out["tune." + f.name] = f.value;
  return out;
}

}  // namespace

TEST_CASE("every finding of every model and method is the same in all units" * doctest::test_suite("slow")) {
  for (const models::Model* model : models::all()) {
    const std::string& name = model->description().name;
    CAPTURE(name);
    REQUIRE(methods().contains(name));
    for (const settings::Description* optimizer : model->optimizers()) {
      CAPTURE(optimizer->name);
      REQUIRE(methods().at(name).contains(optimizer->name));
      const Method& method = methods().at(name).at(optimizer->name);
      const bool tuned = name == "least-squares" && optimizer->name != "custom";
      const auto in = [&](const Units& units) { return said(experiment(name, optimizer->name, method, units), tuned); };
      const auto plain = in({1, 1}), by_c = in({4, 1}), by_a = in({1, 2});
      // The powers of each number, from units that change no digit.
      std::map<std::string, Sized> power;
      for (const auto& entry : plain) {
        const auto& key = entry.first;
        const auto& value = entry.second;
        const double* x = std::get_if<double>(&value);
        if (!x || *x == 0 || !std::isfinite(*x)) continue;
        CAPTURE(key);
        REQUIRE(by_c.contains(key));
        REQUIRE(by_a.contains(key));
        const double c = std::log2(std::get<double>(by_c.at(key)) / *x) / 2,
                     a = std::log2(std::get<double>(by_a.at(key)) / *x);
        CHECK(std::abs(2 * c - std::round(2 * c)) < 1e-9);
        CHECK(std::abs(2 * a - std::round(2 * a)) < 1e-9);
        power[key] = {*x, std::round(2 * c) / 2, std::round(2 * a) / 2};
      }
      for (const Units& units : {Units{1e-60, 1}, {1, 1e60}, {1e60, 1e60}, {1e-60, 1e-60}, {65025, 3}}) {
        CAPTURE(units.c);
        CAPTURE(units.a);
        const auto here = in(units);
        CHECK(here.size() == plain.size());
        for (const auto& entry : plain) {
          const auto& key = entry.first;
          const auto& value = entry.second;
          CAPTURE(key);
          REQUIRE(here.contains(key));
          // Rounding, and words that hold numbers.
          if (key == "stability.invariant_drift" || key == "stability.quadrature_error" || key == "stability.protocol")
            continue;
          const double *x = std::get_if<double>(&value), *y = std::get_if<double>(&here.at(key));
          if (!x) {
            CHECK(value == here.at(key));
          } else if (!power.contains(key)) {
            CHECK((*x == *y || (std::isnan(*x) && std::isnan(*y))));
          } else {
            const double expected = units(power.at(key));
            if (std::abs(expected) < 1e300 && std::abs(expected) > 1e-300) CHECK(*y == Approx(expected).epsilon(1e-9));
          }
        }
      }
    }
  }
}
