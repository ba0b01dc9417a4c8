// Built at -O1: nothing here takes time.
#include "models/feature_alignment/alignment_sections.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>

#include "models/ingredients/networks/training_data.hpp"

namespace edgewise::models::feature_alignment {

namespace {

using settings::Description;
using settings::Parameter;
using settings::Values;

constexpr const char* sections_of = "docs/theory/networks-and-kernels.md, section ";

Parameter correlation_key(const char* standard) {
  return settings::text("correlation", "pearson: matrices less their mean entry; cosine: as they are")
      .one_of({"cosine", "pearson"})
      .otherwise(std::string(standard));
}

Parameter learning_rate() {
  return settings::number("learning_rate", "eta").in("per step").above(0).must();
}

template <class Kind>
Kind kind_of(const Values& values, const char* key, std::initializer_list<const char*> names) {
  const std::string& text = values.text(key);
  return static_cast<Kind>(std::ranges::find(names, text) - names.begin());
}

}  // namespace

const std::vector<Description>& alignment_kinds() {
  static const std::vector<Description> all{
      {"quadratic",
       "a quadratic net on Gaussian inputs, where it starts: limit of d, N, m -> infinity and draws",
       "f = (1/sqrt m) sum_j a_j (w_j.x)^2/2,   rho as sums over non-crossing partitions",
       std::string(sections_of) + "2.3",
       {settings::number("examples_ratio", "c_N = d/N; 0: the population").at_least(0).at_most(1e12).otherwise(0.5),
        settings::number("width_ratio", "c_m = d/m; 0: infinite width").at_least(0).at_most(1e12).otherwise(0.5),
        settings::text(
            "labels",
            "independent of x: signs +-1, gaussian, values (of label_values), moments (label_moments; theory "
            "alone); of a teacher: goe-teacher x'Tx - tr T, rank-one (theta.x)^2 - |theta|^2")
            .one_of({"signs", "gaussian", "values", "moments", "goe-teacher", "rank-one"})
            .otherwise(std::string("signs")),
        settings::numbers("label_values", "equally likely labels; repeat one to make it likelier")
            .otherwise(std::vector<double>{})
            .where("labels", {"values"}),
        settings::numbers("label_moments", "E y, E y^2, E y^3, E y^4")
            .otherwise(std::vector<double>{})
            .where("labels", {"moments"}),
        settings::text("readout", "a: signs +-1, ones, gaussian, values (of readout_values)")
            .one_of({"signs", "ones", "gaussian", "values"})
            .otherwise(std::string("signs")),
        settings::numbers("readout_values", "equally likely a")
            .otherwise(std::vector<double>{})
            .where("readout", {"values"}),
        settings::number("dimension", "d of the simulation; whole").at_least(1).at_most(2000).otherwise(250.0),
        correlation_key("cosine")}},
      {"deep-linear",
       "a balanced deep linear net on whitened inputs",
       "w' = w + eta (sigma - w^L) w^(L-1) in every layer and component;  rho_U = sum p^(L+1)/sqrt(sum p^2 sum "
       "p^(2L)), p = w^2",
       std::string(sections_of) + "2.4",
       {settings::number("layers", "L; whole").at_least(1).at_most(50).otherwise(2.0),
        settings::numbers("target", "sigma_i, singular values of T; >= 0").must(),
        settings::numbers("start", "s_i(0) of W_L ... W_1, one or as many as of the target; > 0")
            .otherwise(std::vector<double>{0.01}),
        settings::number("width", "of all layers in the simulation; whole")
            .at_least(1)
            .at_most(1000)
            .computed("as many as the target has")}},
      {"network",
       "a real network, of [data], [network] and [optimizer]; layer by layer",
       "rho_U = corr(W'W, W'Kf W), rho_C of W - W_0 instead of W;  Kf = (1/N) sum g g' over examples and outputs, g = "
       "df/dh",
       std::string(sections_of) + "2.1, 2.2 and 2.5",
       {correlation_key("pearson"),
        settings::boolean("centred_output", "train f - f(start), whose first residual is -y; else f")
            .otherwise(true)}}};
  return all;
}

const std::vector<Description>& alignment_optimizers() {
  static const std::vector<Description> all{
      {"gd",
       "gradient descent on all examples",
       "theta' = theta - eta g",
       std::string(sections_of) + "2.1",
       {learning_rate()}},
      {"sgd",
       "SGD on batches drawn with replacement",
       "theta' = theta - eta g_B",
       std::string(sections_of) + "2.1",
       {learning_rate(), settings::number("batch", "B, examples per step; whole")
                             .in("examples")
                             .at_least(1)
                             .at_most(1e7)
                             .otherwise(1.0)}},
      {"slo",
       "speed-limited optimisation: every layer at a speed of its own",
       "W_l' = W_l - eta C_l g_l/(eps + |g_l|)",
       std::string(sections_of) + "2.5",
       {learning_rate(), settings::numbers("speeds", "C_l, the first layer's first; > 0").must(),
        settings::number("eps", "what |g_l| is not alone divided by").at_least(0).otherwise(1e-12),
        settings::number("batch", "B, drawn with replacement; whole")
            .in("examples")
            .at_least(1)
            .at_most(1e7)
            .computed("all examples")}}};
  return all;
}

Correlation read_correlation(const Values& values) {
  return values.text("correlation") == "pearson" ? Correlation::pearson : Correlation::cosine;
}

QuadraticNet read_quadratic(const Values& values) {
  QuadraticNet net;
  net.examples_ratio = values.number("examples_ratio");
  net.width_ratio = values.number("width_ratio");
  net.label =
      kind_of<LabelKind>(values, "labels", {"signs", "gaussian", "values", "moments", "goe-teacher", "rank-one"});
  net.readout = kind_of<ReadoutKind>(values, "readout", {"signs", "ones", "gaussian", "values"});
  net.dimension = values.whole("dimension");
  net.label_values = values.numbers("label_values");
  net.label_moments = values.numbers("label_moments");
  net.readout_values = values.numbers("readout_values");
  for (const auto& [key, belongs, to] :
       {std::tuple{"label_values", net.label == LabelKind::values, "labels = \"values\""},
        {"label_moments", net.label == LabelKind::moments, "labels = \"moments\""},
        {"readout_values", net.readout == ReadoutKind::values, "readout = \"values\""}}) {
    if (belongs && values.numbers(key).empty()) throw values.error(key, std::string("is required by ") + to);
  }
  if (net.label == LabelKind::moments && net.label_moments.size() != 4)
    throw values.error("label_moments", "must be four: E y, E y^2, E y^3, E y^4");
  settings::naming(values, net.label == LabelKind::moments ? "label_moments" : "label_values",
                   [&] { return label_moments(net); });
  settings::naming(values, "readout_values", [&] { return readout_moments(net); });
  // Correlations do not depend on the units of y and a; powers do.
  for (std::vector<double>* list : {&net.label_values, &net.readout_values}) {
    double size = 0;
    for (const double x : *list) size = std::max(size, std::abs(x));
    for (double& x : *list) x /= size;
  }
  return net;
}

DeepLinear read_deep_linear(const Values& values) {
  DeepLinear net;
  net.layers = values.whole("layers");
  net.target = values.numbers("target");
  net.start = values.numbers("start");
  const auto in_range = [](double low) { return [low](double x) { return x >= low; }; };
  if (net.target.empty() || !std::ranges::all_of(net.target, in_range(0)))
    throw values.error("target", "must be singular values >= 0, at least one");
  if (net.start.size() == 1) net.start.resize(net.target.size(), net.start[0]);
  if (net.start.size() != net.target.size() || !std::ranges::all_of(net.start, in_range(1e-300)))
    throw values.error("start",
                       fmt::format("must be one number > 0, or one for each of the target's {}", net.target.size()));
  net.width = values.given("width") ? values.whole("width") : net.target.size();
  if (net.width < net.target.size())
    throw values.error("width",
                       fmt::format("must be at least {}, the singular values of the target", net.target.size()));
  return net;
}

}  // namespace edgewise::models::feature_alignment
