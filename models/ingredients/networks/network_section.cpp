// Built at -O1: nothing here takes time.
#include "models/ingredients/networks/network_section.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "numerics/whole.hpp"

namespace edgewise::models::ingredients::networks {

namespace {

std::size_t place(const std::vector<std::string>& names, const std::string& name) {
  return static_cast<std::size_t>(std::ranges::find(names, name) - names.begin());
}

}  // namespace

const std::vector<settings::Parameter>& network_parameters() {
  static const std::vector<settings::Parameter> keys{
      settings::numbers("hidden", "widths of the hidden layers; [] for none").otherwise(std::vector<double>{32, 32}),
      settings::text("activation", "of the hidden layers; gelu s Phi(s), beta-gelu s Phi(beta s), erf erf(s/sqrt 2)")
          .one_of(activation_names())
          .otherwise(std::string("tanh")),
      settings::number("beta", "its beta").where("activation", {"beta-gelu"}).above(0).otherwise(1.0),
      settings::number("synthetic_beta",
                       "of relu: phi'' of the GELU with this beta stands for relu's, which is 0, in all that knows the "
                       "Hessian; outputs and gradients stay. 0: none does")
          .where("activation", {"relu"})
          .at_least(0)
          .otherwise(0.0),
      settings::boolean("bias", "whether layers have biases").otherwise(true),
      settings::text(
          "parametrisation",
          "standard: z = W h + b, W ~ N(0, v/fan-in); ntk: z = W h/sqrt(fan-in) + b, W ~ N(0, v); mean-field: as "
          "ntk, 1/fan-in in the last layer")
          .one_of(parametrisation_names())
          .otherwise(std::string("standard")),
      settings::number("weight_variance", "v, of the weights at the start").at_least(0).otherwise(1.0),
      settings::number("bias_variance", "of the biases at the start").at_least(0).otherwise(0.0)};
  return keys;
}

std::shared_ptr<const Network> read_network(const settings::Values& values, const Examples& examples) {
  Activation phi{static_cast<ActivationKind>(place(activation_names(), values.text("activation"))),
                 values.number("beta"), values.has("synthetic_beta") ? values.number("synthetic_beta") : 0};
  for (const char* key : {"activation", "beta", "synthetic_beta"})
    if (values.given(key) && values.numbers("hidden").empty())
      throw values.error(key, "is of hidden layers, and hidden = [] has none; leave it out");
  if (values.given("bias_variance") && !values.flag("bias"))
    throw values.error("bias_variance", "is of biases, and bias = false has none; leave it out");
  Architecture a;
  a.inputs = examples.inputs.rows();
  a.parametrisation = static_cast<Parametrisation>(place(parametrisation_names(), values.text("parametrisation")));
  a.weight_variance = values.number("weight_variance");
  a.bias_variance = values.number("bias_variance");
  double parameters = 0;
  const auto add = [&](double width, const Activation& activation) {
    const double fan_in = a.layers.empty() ? static_cast<double>(a.inputs) : static_cast<double>(a.layers.back().width);
    parameters += width * (fan_in + 1);
    a.layers.push_back({static_cast<std::size_t>(width), activation, values.flag("bias")});
  };
  for (const double width : values.numbers("hidden")) {
    if (!numerics::is_whole(width) || width < 1 || width > 1e5)
      throw values.error("hidden", fmt::format("widths must be whole numbers from 1 to 100000, got {}", width));
    add(width, phi);
  }
  add(static_cast<double>(examples.targets.rows()), {});
  if (parameters > 1e7)
    throw values.error("hidden", fmt::format("{:.0f} parameters; a small network has at most 10 million", parameters));
  return std::make_shared<const Network>(std::move(a));
}

}  // namespace edgewise::models::ingredients::networks
