// Built at -O1: nothing here takes time.
#include "models/feature_alignment/closed_forms.hpp"

#include <fmt/format.h>

#include <cmath>
#include <string>
#include <utility>

#include "models/feature_alignment/deep_linear.hpp"
#include "models/feature_alignment/free_words.hpp"
#include "models/feature_alignment/network_alignment.hpp"
#include "models/feature_alignment/quadratic_net.hpp"
#include "models/framework/closed_form_list.hpp"
#include "random/random.hpp"

namespace edgewise::models::feature_alignment {

namespace {

using ingredients::networks::ActivationKind;
using ingredients::networks::Architecture;
using ingredients::networks::Examples;
using ingredients::networks::Layer;
using ingredients::networks::Network;
using ingredients::networks::NetworkObjective;
using Pair = ClosedFormList::Pair;

StartAlignment start_limit(double c_n, double c_m, LabelKind label = LabelKind::signs,
                           ReadoutKind readout = ReadoutKind::signs) {
  QuadraticNet net;
  net.examples_ratio = c_n;
  net.width_ratio = c_m;
  net.label = label;
  net.readout = readout;
  return limit(net);
}

double polynomial(const std::vector<double>& coefficients, double x) {
  double out = 0, power = 1;
  for (const double c : coefficients) {
    out += c * power;
    power *= x;
  }
  return out;
}

/// rho_C(0) of fair signs at infinite width, and of a GOE teacher in the population.
double structural(double c) {
  return polynomial({2, 4, 1}, c) / std::sqrt(polynomial({2, 1}, c) * polynomial({2, 8, 7, 1}, c));
}

double word_at(const std::string& word, double c) {
  double out = 0;
  for (const auto& [power, x] : label_word(word, std::vector<double>{1, 0, 1, 0, 1}))
    out += x * std::pow(c, power.first);
  return out;
}

void add_quadratic(ClosedFormList& list) {
  const std::pair<const char*, std::vector<double>> words[] = {{"AA", {0, 1}},
                                                               {"B", {1}},
                                                               {"AAB", {0, 1, 1}},
                                                               {"AAAA", {0, 0, 2, 1}},
                                                               {"AAAAB", {0, 0, 2, 4, 1}},
                                                               {"AABAAB", {0, 0, 2, 8, 7, 1}}};
  for (const auto& [word, coefficients] : words) {
    const double value = polynomial(coefficients, 0.7);
    list.add(fmt::format("word-{}", word), "tau of a word in A and B, labels +-1, c_N = .7", "2.3", 1e-13,
             [value, w = std::string(word)] { return Pair(value, word_at(w, 0.7)); });
  }
  for (const double c : {0.1, std::sqrt(2.0), 10.0}) {
    list.add(fmt::format("structural-{:.1f}", c), "(2 + 4c + c^2)/sqrt((2 + c)(2 + 8c + 7c^2 + c^3)), c_m = 0", "2.3",
             1e-13, [c] { return Pair(structural(c), start_limit(c, 0).centred); });
    list.add(fmt::format("duality-{:.1f}", c), "rho_C(2/c) = rho_C(c), c_m = 0", "2.3", 1e-13,
             [c] { return Pair(start_limit(c, 0).centred, start_limit(2 / c, 0).centred); });
    list.add(fmt::format("goe-teacher-{:.1f}", c), "a = +-1, B = I: the same of c = c_m", "2.3", 1e-13,
             [c] { return Pair(structural(c), start_limit(0, c, LabelKind::goe_teacher).centred); });
    list.add(fmt::format("goe-teacher-normal-{:.1f}", c),
             "normal a: (2 + 12c + 15c^2)/sqrt((2 + 3c)(2 + 24c + 87c^2 + 105c^3))", "2.3", 1e-13, [c] {
               return Pair(
                   polynomial({2, 12, 15}, c) / std::sqrt(polynomial({2, 3}, c) * polynomial({2, 24, 87, 105}, c)),
                   start_limit(0, c, LabelKind::goe_teacher, ReadoutKind::gaussian).centred);
             });
    list.add(fmt::format("rank-one-{:.1f}", c), "rho_C(0) = 1 at every width", "2.3", 1e-13,
             [c] { return Pair(1, start_limit(0, c, LabelKind::rank_one).centred); });
    list.add(fmt::format("uncentred-ones-{:.1f}", c),
             "a = 1, N = inf: (1 + 3c + c^2)/sqrt((1 + c)(1 + 6c + 6c^2 + c^3))", "2.3", 1e-13, [c] {
               return Pair(polynomial({1, 3, 1}, c) / std::sqrt(polynomial({1, 1}, c) * polynomial({1, 6, 6, 1}, c)),
                           start_limit(0, c, LabelKind::signs, ReadoutKind::ones).uncentred);
             });
    list.add(fmt::format("uncentred-wide-{:.1f}", c), "a = 1, c_m = 0: 1/sqrt(1 + c_N)", "2.3", 1e-13, [c] {
      return Pair(1 / std::sqrt(1 + c), start_limit(c, 0, LabelKind::signs, ReadoutKind::ones).uncentred);
    });
    for (const double c_m : {0.0, 0.5, 2.0})
      list.add(fmt::format("uncentred-signs-{:.1f}-{}", c, c_m), "a = +-1 fair: sqrt((1 + c_m)/(2 + c_m + c_N))", "2.3",
               1e-13, [c, c_m] { return Pair(std::sqrt((1 + c_m) / (2 + c_m + c)), start_limit(c, c_m).uncentred); });
  }
  struct Row {
    double c_n, c_m, centred, uncentred;
  };
  for (const Row& row : {Row{0.5, 0.5, 0.9418762136, 0.8642416215},
                         {2, 0.5, 0.9416186758, 0.7056503290},
                         {1, 0, 0.9525793444, 0.7071067812},
                         {0.5, 2, 0.9416186758, 0.9026709338},
                         {2, 2, 0.9372008850, 0.8001322642}}) {
    list.printed(fmt::format("rho-c-{}-{}", row.c_n, row.c_m), "rho_C(0), labels and a = +-1", "2.3", row.centred, 10,
                 [row] { return start_limit(row.c_n, row.c_m).centred; });
    list.printed(fmt::format("rho-u-{}-{}", row.c_n, row.c_m), "rho_U(0), a = 1", "2.3", row.uncentred, 10,
                 [row] { return start_limit(row.c_n, row.c_m, LabelKind::signs, ReadoutKind::ones).uncentred; });
  }
  list.printed("rho-u-0-0.5", "rho_U(0), a = 1, N = inf", "2.3", 0.9467292624, 10,
               [] { return start_limit(0, 0.5, LabelKind::signs, ReadoutKind::ones).uncentred; });
  for (const auto& [c, value] : {std::pair(0.25, 0.9675031670), {1.0, 0.9525793444}, {4.0, 0.9578414887}})
    list.printed(fmt::format("goe-teacher-reference-{}", c), "GOE teacher, a = +-1, c_m", "2.3", value, 10,
                 [at = c] { return start_limit(0, at, LabelKind::goe_teacher).centred; });
  list.printed("rho-c-normal", "normal a, (c_N, c_m) = (.5, 2)", "2.3", 0.8721, 4,
               [] { return start_limit(0.5, 2, LabelKind::signs, ReadoutKind::gaussian).centred; });
  list.printed("least", "rho_C(0) at c = sqrt 2, c_m = 0", "2.3", 0.9519, 4,
               [] { return start_limit(std::sqrt(2.0), 0).centred; });
}

DeepLinear deep(std::size_t layers, bool flow, double rate) {
  DeepLinear net;
  net.layers = layers;
  net.target = {3, 2, 1, 0.5};
  net.start = {0.01, 0.01, 0.01, 0.01};
  net.learning_rate = rate;
  net.flow = flow;
  return net;
}

double deep_rho(const DeepLinear& net, std::uint64_t step, std::size_t layer = 1) {
  return deep_uncentred(net, layer, layer_values(net, {0, step}).back());
}

void add_deep_linear(ClosedFormList& list) {
  const std::pair<std::uint64_t, std::vector<double>> values[] = {
      {50, {0.18884156, 0.07160318, 0.02672363, 0.01627604}}, {400, {2.99999997, 1.99995521, 0.96785670, 0.26350929}}};
  for (const auto& [step, s] : values)
    for (std::size_t i = 0; i < s.size(); ++i)
      list.printed(fmt::format("deep-s{}-{}", i + 1, step), "s_i(t), two layers, sigma = (3, 2, 1, .5), s_0 = .01",
                   "2.4", s[i], 8, [i, at = step] {
                     const double w = layer_values(deep(2, true, 0.01), {0, at}).back()[i];
                     return w * w;
                   });
  for (const auto& [step, rho] : {std::pair<std::uint64_t, double>{50, 0.9674327106},
                                  {100, 0.9825967517},
                                  {200, 0.9789225391},
                                  {400, 0.9702494588}})
    list.printed(fmt::format("deep-rho-{}", step), "rho_U, two layers", "2.4", rho, 10,
                 [at = step] { return deep_rho(deep(2, true, 0.01), at); });
  list.printed("deep-rho-descent", "the same by gradient descent at eta/10", "2.4", 0.98260, 5,
               [] { return deep_rho(deep(2, false, 0.001), 1000); });
  list.add("deep-one-component", "rho = 1 for one component", "2.4", 1e-14, [] {
    DeepLinear net = deep(3, false, 0.01);
    net.target = {2};
    net.start = {0.1};
    return Pair(1, deep_rho(net, 77));
  });
  for (const std::size_t layers : {1, 2, 3, 5})
    list.add(fmt::format("deep-flow-{}", layers),
             "ds/dt = L s^(2 - 2/L) (sigma - s): gradient descent at eta -> 0, extrapolated", "2.4", 1e-6, [layers] {
               const auto w = [&](double rate, std::uint64_t step) {
                 DeepLinear net = deep(layers, false, rate);
                 net.start = {0.3, 0.2, 0.1, 0.4};
                 return layer_values(net, {step}).back()[1];
               };
               DeepLinear flow = deep(layers, true, 0.001);
               flow.start = {0.3, 0.2, 0.1, 0.4};
               const double one = w(0.001, 500), two = w(0.0005, 1000), four = w(0.00025, 2000);
               return Pair((8 * four - 6 * two + one) / 3, layer_values(flow, {0, 500}).back()[1]);
             });
}

/// A random network of scalar or several outputs on random data, where it starts.
struct RandomStart {
  RandomStart(std::vector<std::size_t> widths, ActivationKind activation, std::size_t inputs, std::size_t n) {
    random::Stream stream(5, widths.size(), 0, random::Purpose::initial);
    Architecture a;
    a.inputs = inputs;
    for (std::size_t l = 0; l < widths.size(); ++l)
      a.layers.push_back({widths[l], {l + 1 < widths.size() ? activation : ActivationKind::identity}, true});
    a.bias_variance = 0.1;
    network = std::make_shared<const Network>(a);
    Examples all{linear_algebra::Matrix(inputs, n), linear_algebra::Matrix(widths.back(), n)};
    for (double& x : all.inputs.entries()) x = 0.3 + stream.normal();  // a mean that is not 0
    for (double& y : all.targets.entries()) y = stream.normal();
    theta = network->draw(stream);
    objective = std::make_unique<NetworkObjective>(network, ingredients::networks::Loss{},
                                                   std::make_shared<const Examples>(std::move(all)));
    objective->move_to(theta);
  }
  std::shared_ptr<const Network> network;
  std::vector<double> theta;
  std::unique_ptr<NetworkObjective> objective;
};

void add_identities(ClosedFormList& list) {
  struct Row {
    const char* name;
    std::vector<std::size_t> widths;
    ActivationKind activation;
  };
  for (const Row& row : {Row{"tanh", {7, 1}, ActivationKind::tanh},
                         {"relu", {9, 6, 1}, ActivationKind::relu},
                         {"gelu-classes", {8, 5, 3}, ActivationKind::gelu}})
    for (std::size_t l = 0; l + 1 < row.widths.size(); ++l)
      for (const Correlation kind : {Correlation::cosine, Correlation::pearson})
        list.add(fmt::format("early-{}-{}-{}", row.name, l + 1, kind == Correlation::cosine ? "cosine" : "pearson"),
                 "rho_C(0) by X'R PTK R X and X'R PTK^2 R X/N", "2.2", 1e-12, [row, l, kind] {
                   const RandomStart at(row.widths, row.activation, 6, 20);
                   return Pair(early_correlation(*at.objective, l, kind),
                               layer_correlations(*at.objective, at.theta, kind).centred[l]);
                 });
  for (const Correlation kind : {Correlation::cosine, Correlation::pearson})
    list.add(fmt::format("linear-scalar-{}", kind == Correlation::cosine ? "cosine" : "pearson"),
             "rho_C(0) = 1 of a linear net of one output", "2.3", 1e-12, [kind] {
               const RandomStart at({7, 5, 1}, ActivationKind::identity, 6, 20);
               return Pair(1, layer_correlations(*at.objective, at.theta, kind).centred[0]);
             });
}

}  // namespace

std::vector<ClosedForm> feature_alignment_closed_forms() {
  ClosedFormList list("feature-alignment/", "networks-and-kernels");
  add_quadratic(list);
  add_deep_linear(list);
  add_identities(list);
  return list.take();
}

}  // namespace edgewise::models::feature_alignment
