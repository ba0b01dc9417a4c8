#include <fmt/format.h>

#include <array>
#include <cmath>
#include <functional>
#include <string>

#include "models/framework/closed_form_list.hpp"
#include "models/network/closed_form_steps.hpp"
#include "models/network/closed_forms.hpp"
#include "models/network/neuron.hpp"

namespace edgewise::models::network {

namespace {

using ingredients::CurvaturePart;

const std::vector<double> neuron_start{.8, .3, -.2, .1, 0}, neuron_teacher{.5, -.4, .6, 0, .2};

void add_neurons(ClosedFormList& table) {
  const auto at = [&](const char* name, NeuronKind kind, double value, double tolerance,
                      std::function<double(NeuronLoss&, double)> read, double beta = 1) {
    table.add_reference(fmt::format("neuron/{}", name), "of one neuron and its teacher at w, w* of the page", "5.3",
                        tolerance, [=] {
                          NeuronLoss neuron(kind, neuron_teacher, beta);
                          const double loss = neuron.move_to(neuron_start);
                          return std::pair{value, read(neuron, loss)};
                        });
  };
  const auto loss = [](NeuronLoss&, double l) { return l; };
  const auto gradient = [](NeuronLoss& n, double) { return gradient_length(n); };
  const auto ggn = [](NeuronLoss& n, double) { return traces_by_columns(n).gauss_newton; };
  const auto nme = [](NeuronLoss& n, double) { return traces_by_columns(n).neglected; };
  const auto top = [](NeuronLoss& n, double) { return largest_curvature(n, CurvaturePart::hessian).value; };
  at("erf-loss", NeuronKind::erf, .235251643482, twelve_digits, loss);
  at("erf-gradient", NeuronKind::erf, .352881939385, twelve_digits, gradient);
  at("erf-trace-GGN", NeuronKind::erf, 1.74697418003, twelve_digits, ggn);
  at("erf-trace-NME", NeuronKind::erf, -.793491168723, twelve_digits, nme);
  at("erf-sharpness", NeuronKind::erf, .307311018624, twelve_digits, top);
  at("relu-loss", NeuronKind::relu, .228422632055, twelve_digits, loss);
  at("relu-gradient", NeuronKind::relu, .352831516538, twelve_digits, gradient);
  at("relu-trace-NME", NeuronKind::relu, 0, 1e-15, nme);
  at("relu-true-trace-NME", NeuronKind::relu_true, -.794334635005, twelve_digits, nme);
  at("relu-true-sharpness", NeuronKind::relu_true, .5, 1e-12, top);
  // Simulated: the page's values and four of their standard errors.
  at("gelu-trace-NME", NeuronKind::beta_gelu, -.496, .016 / .496, nme, 1);
  at("beta-gelu-4-trace-NME", NeuronKind::beta_gelu, -.847, .032 / .847, nme, 4);
  at("beta-gelu-16-trace-NME", NeuronKind::beta_gelu, -.811, .064 / .811, nme, 16);
  at("beta-gelu-64-trace-NME", NeuronKind::beta_gelu, -.792, .124 / .792, nme, 64);
  table.add("neuron/beta-gelu-limit", "tr NME of beta-GELU tends to ReLU's true one, distributional part included",
            "5.3", 1e-6, [] {
              NeuronLoss kink(NeuronKind::relu_true, neuron_teacher);
              kink.move_to(neuron_start);
              const auto at_beta = [](double beta) {
                NeuronLoss neuron(NeuronKind::beta_gelu, neuron_teacher, beta);
                neuron.move_to(neuron_start);
                return traces_by_columns(neuron).neglected;
              };
              // It differs by O(1/beta), which the difference of two takes away.
              return std::pair{traces_by_columns(kink).neglected, 2 * at_beta(4000) - at_beta(2000)};
            });
  struct Path {
    const char* name;
    NeuronKind kind;
    UpdateRule rule;
    std::array<double, 3> end;
  };
  const UpdateRule full = penalty(CurvaturePart::hessian, 2), gn = penalty(CurvaturePart::gauss_newton, 2);
  const std::vector<Path> paths{
      {"erf-none", NeuronKind::erf, {}, {.00427882112546, .761627884509, .0553695645291}},
      {"erf-full", NeuronKind::erf, full, {4.02853268226e-4, .865645180594, .0168539331667}},
      {"erf-gn", NeuronKind::erf, gn, {4.84641168997e-4, .827568923137, .014122111244}},
      {"relu-none", NeuronKind::relu, {}, {.00499764598801, .823824455741, .0690500365358}},
      {"relu-autodiff", NeuronKind::relu, full, {2.57542659976e-5, .894222747878, .00506804067046}},
      {"relu-true", NeuronKind::relu_true, full, {1.13959807896e-4, .888449145312, .0106425016926}}};
  const auto end = [](NeuronKind kind, const UpdateRule& rule, double eta) {
    NeuronLoss neuron(kind, neuron_teacher);
    std::vector<double> w = neuron_start;
    const double l = follow(neuron, w, rule, eta, 50);
    return std::array{l, length(w), gradient_length(neuron)};
  };
  for (const Path& p : paths)
    for (std::size_t k = 0; k < 3; ++k) {
      static constexpr std::array<const char*, 3> what{"L", "|w|", "|g|"};
      table.add_reference(fmt::format("neuron/{}-{}", p.name, k),
                          fmt::format("{} after 50 steps, eta = .1, rho = 2", what[k]), "5.3", 1e-11, [=] {
                            return std::pair{p.end[k], end(p.kind, p.rule, .1)[k]};
                          });
    }
  table.add("neuron/relu-penalty-is-a-step",
            "a ReLU neuron's gradient penalty by automatic differentiation = gradient descent at eta (1 + rho/2)",
            "5.3", 1e-12, [=] {
              return std::pair{end(NeuronKind::relu, {}, .2)[0], end(NeuronKind::relu, full, .1)[0]};
            });
  const auto slope = [](double (*read)(NeuronLoss&)) {
    const auto at_scale = [read](double factor) {
      NeuronLoss neuron(NeuronKind::erf, neuron_teacher);
      std::vector<double> w = neuron_teacher;
      for (double& x : w) x *= factor;
      neuron.move_to(w);
      return read(neuron);
    };
    const double h = 1e-4;  // error h^2
    return (at_scale(std::exp(h)) - at_scale(std::exp(-h))) / (2 * h);
  };
  table.add_reference("neuron/slope-trace-H", "d tr H/d log|w| at the teacher, erf", "5.3", 2e-7, [=] {
    return std::pair{-1.87682189, slope([](NeuronLoss& n) { return traces_by_columns(n).hessian; })};
  });
  table.add_reference("neuron/slope-trace-GGN", "d tr GGN/d log|w| at the teacher, erf", "5.3", 2e-7, [=] {
    return std::pair{-1.25121459, slope([](NeuronLoss& n) { return traces_by_columns(n).gauss_newton; })};
  });
  table.add("neuron/slope-gradient", "d |g|^2/d log|w| at the teacher, erf", "5.3", 1e-8, [=] {
    return std::pair{0.0, slope([](NeuronLoss& n) { return std::pow(gradient_length(n), 2); })};
  });
}

}  // namespace

std::vector<ClosedForm> neuron_closed_forms() {
  ClosedFormList table("network/", "curvature-dynamics");
  add_neurons(table);
  return table.take();
}

}  // namespace edgewise::models::network
