// Built at -O1: nothing here takes time.
#include <stdexcept>
#include <tuple>
#include <utility>

#include "models/least_squares/linear_methods/linear_method.hpp"
#include "settings/theory_source.hpp"
#include "settings/words.hpp"

namespace edgewise::models::least_squares {

namespace {

using settings::Description;
using settings::Parameter;

std::string spine(const char* sections) {
  return settings::theory_source("least-squares-sgd", sections);
}
std::string two_phase(const char* sections) {
  return settings::theory_source("two-phase", sections);
}

// ---- parameters -------------------------------------------------------------------------------------------------

std::vector<Parameter> descent() {
  return {
      settings::number("learning_rate", "eta; give this or gamma")
          .in("1/eigenvalue, per step")
          .at_least(0)
          .computed("gamma / tr K"),
      settings::number("gamma", "eta tr K; gives eta = gamma / tr K").in("1").at_least(0).computed("eta tr K"),
      settings::number("batch", "B, samples per step (and worker); whole for a simulation, inf for gradient descent")
          .in("samples")
          .at_least(1)
          .or_infinite()
          .otherwise(1.0)};
}

std::vector<Parameter> decay() {
  return {
      settings::number("weight_decay", "w of the penalty w |theta|^2 / 2").in("eigenvalue").at_least(0).otherwise(0.0),
      settings::boolean("decoupled", "decay the parameters directly, not through the gradient (and its momentum)")
          .otherwise(false),
      settings::boolean("independent",
                        "decay the parameters by w itself at every step, whatever the learning rate; w < 1")
          .otherwise(false)};
}

enum class MomentumKind { none, heavy_ball, nesterov, custom };

const settings::Words<MomentumKind>& momentum_kinds() {
  static const settings::Words<MomentumKind> words = {{"none", MomentumKind::none},
                                                      {"heavy-ball", MomentumKind::heavy_ball},
                                                      {"nesterov", MomentumKind::nesterov},
                                                      {"custom", MomentumKind::custom}};
  return words;
}

std::vector<std::string> with_buffer() {
  return {"heavy-ball", "nesterov", "custom"};
}

// A momentum kind: gradient weight, buffer weight.
std::vector<Parameter> momentum(const std::string& prefix, const std::string& symbol, MomentumKind kind,
                                double parameter) {
  const auto& kinds = momentum_kinds();
  return {settings::text(prefix + "momentum_kind", "heavy-ball: (0, 1); nesterov: (1, " + symbol +
                                                       "); custom: weights of gradient and buffer given")
              .one_of(settings::words_of(kinds))
              .otherwise(settings::word_of(kinds, kind)),
          settings::number(prefix + "momentum", symbol + ", what the buffer keeps per step")
              .at_least(0)
              .below(1)
              .where(prefix + "momentum_kind", with_buffer())
              .otherwise(parameter),
          settings::number(prefix + "gradient_weight", "weight of the newest gradient (or sync's move)")
              .where(prefix + "momentum_kind", {"custom"})
              .otherwise(1.0),
          settings::number(prefix + "buffer_weight", "weight of the new buffer")
              .where(prefix + "momentum_kind", {"custom"})
              .otherwise(0.0)};
}

std::vector<Parameter> outer(double xi, double workers, std::int64_t inner_steps) {
  std::vector<Parameter> out{settings::number("outer_learning_rate", "xi; 1 takes the workers' average as it is")
                                 .in("1")
                                 .at_least(0)
                                 .otherwise(xi),
                             settings::integer("inner_steps", "H, steps of a round, between syncs")
                                 .in("steps")
                                 .at_least(1)
                                 .at_most(1e9)
                                 .otherwise(inner_steps)};
  if (workers > 0)
    out.push_back(settings::number("workers", "M, each with its own fresh samples; whole for a simulation")
                      .at_least(1)
                      .otherwise(workers));
  return out;
}

std::vector<Parameter> joined(std::vector<std::vector<Parameter>> lists) {
  std::vector<Parameter> out;
  for (auto& list : lists)
    for (auto& parameter : list) out.push_back(std::move(parameter));
  return out;
}

// ---- rules ------------------------------------------------------------------------------------------------------

MomentumKind momentum_kind(const Hyperparameters& h, const std::string& prefix) {
  const std::string key = prefix + "momentum_kind";
  return h.values().has(key) ? settings::value_of(momentum_kinds(), h.values().text(key)) : MomentumKind::none;
}

// (gradient weight, buffer weight) of a momentum kind.
std::pair<double, double> weights(const Hyperparameters& h, const std::string& prefix, MomentumKind kind, double b) {
  switch (kind) {
    case MomentumKind::heavy_ball:
      return {0, 1};
    case MomentumKind::nesterov:
      return {1, b};
    case MomentumKind::custom:
      return {h(prefix + "gradient_weight"), h(prefix + "buffer_weight")};
    case MomentumKind::none:
      break;
  }
  return {1, 0};
}

Rule descent_rule(const Hyperparameters& h) {
  Rule rule;
  rule.learning_rate = h("learning_rate");
  rule.batch = h("batch");
  if (const MomentumKind kind = momentum_kind(h, ""); kind != MomentumKind::none) {
    rule.has_momentum = true;
    rule.bi = h("momentum");
    std::tie(rule.q0, rule.q1) = weights(h, "", kind, rule.bi);
  }
  const double w = h.value_or("weight_decay", 0);
  if (h.has("weight_decay")) {
    rule.has_decay = h.base("weight_decay") > 0;
    const bool independent = h.flag_or("independent", false);
    if (independent && h.flag_or("decoupled", false))
      throw std::invalid_argument("optimizer.independent: give either decoupled or independent, not both");
    if (independent && !(w < 1))
      throw std::invalid_argument("optimizer.weight_decay: must be < 1 where it is independent");
    (independent                     ? rule.independent_decay
     : h.flag_or("decoupled", false) ? rule.decoupled_decay
                                     : rule.coupled_decay) = w;
  }
  return rule;
}

Rule two_phase_rule(const Hyperparameters& h) {
  Rule rule = descent_rule(h);
  rule.has_outer = true;
  rule.xi = h("outer_learning_rate");
  rule.inner_steps = static_cast<std::uint64_t>(h("inner_steps"));
  rule.persistent = h.flag_or("persistent", false);
  if (const MomentumKind kind = momentum_kind(h, "outer_"); kind != MomentumKind::none) {
    rule.has_outer_momentum = true;
    rule.bo = h("outer_momentum");
    std::tie(rule.p0, rule.p1) = weights(h, "outer_", kind, rule.bo);
  }
  rule.workers = h.value_or("workers", 1);
  rule.has_workers = h.base("workers") > 1 || h.scheduled("workers");
  if (rule.has_workers && rule.has_momentum && rule.persistent && h.scheduled("workers"))
    throw std::invalid_argument(
        "schedule.workers: the number of workers cannot change while their momentum buffers persist");
  return rule;
}

const char* descent_equations =
    "g_k = (1/B) sum_b x_b (<x_b, v_k> - eps_b)\n"
    "v_{k+1} = v_k - eta_k g_k";

const char* momentum_equations =
    "g_k = (1/B) sum_b x_b (<x_b, v_k> - eps_b) (+ w theta_k)\n"
    "u_{k+1} = b u_k + g_k,   v_{k+1} = v_k - eta (q0 g_k + q1 u_{k+1})\n"
    "heavy ball (q0, q1) = (0, 1), Nesterov (1, b)";

const char* two_phase_equations =
    "round: each worker starts at Theta and takes H steps on its own fresh samples,\n"
    "  u <- bi u + g,  theta <- theta - eta (q0 g + q1 u)\n"
    "sync: Delta = mean over workers of theta - Theta,  m <- bo m + Delta,  Theta <- Theta + xi (p0 Delta + p1 m)\n"
    "heavy ball (0, 1), Nesterov (1, b), none (1, 0)";

std::vector<Parameter> persistent(bool value) {
  return {settings::boolean("persistent", "the inner momentum buffers live on from round to round")
              .where("momentum_kind", with_buffer())
              .otherwise(value)};
}

std::vector<LinearMethod> make_methods() {
  std::vector<LinearMethod> all;
  const auto row = [&](std::string name, std::string summary, std::string equations, std::string source,
                       std::vector<Parameter> parameters, auto rule, bool time_invariant = true) {
    all.push_back(method_of_rule(
        {std::move(name), std::move(summary), std::move(equations), std::move(source), std::move(parameters)}, rule,
        time_invariant));
  };
  const auto plain = [](const Hyperparameters& h, std::uint64_t) { return descent_rule(h); };
  const auto rounds = [](const Hyperparameters& h, std::uint64_t) { return two_phase_rule(h); };

  row("sgd", "mini-batch stochastic gradient descent, fresh samples every step", descent_equations, spine("1 and 6"),
      joined({descent(), decay()}), plain);
  all.back().plain = true;
  row("momentum", "SGD with heavy-ball, Nesterov or custom momentum", momentum_equations, spine("5"),
      joined({descent(), momentum("", "b", MomentumKind::heavy_ball, 0.9), decay()}), plain);
  row("ema", "SGD (with momentum) whose iterates are averaged with exponential weights",
      std::string(momentum_equations) + "\na_{k+1} = d a_k + (1 - d) v_{k+1},   a_0 = v_0",
      spine("6") + "; " + two_phase("2"),
      joined({descent(),
              momentum("", "b", MomentumKind::none, 0.9),
              decay(),
              {settings::number("average_decay", "d, what the average keeps per step")
                   .at_least(0)
                   .below(1)
                   .otherwise(0.99)}}),
      [](const Hyperparameters& h, std::uint64_t) {
        Rule rule = descent_rule(h);
        rule.has_average = true;
        rule.average = 1 - h("average_decay");
        return rule;
      });
  row(
      "tail-average", "SGD (with momentum) whose iterates from a step on are averaged with equal weights",
      std::string(momentum_equations) + "\na_k = mean of v_j over j = k0..k;   a_k = v_k before k0",
      spine("6") + "; " + two_phase("2"),
      joined({descent(),
              momentum("", "b", MomentumKind::none, 0.9),
              decay(),
              {settings::integer("average_from", "k0, the first step that is averaged")
                   .in("steps")
                   .at_least(0)
                   .otherwise(std::int64_t{0})}}),
      [](const Hyperparameters& h, std::uint64_t step) {
        Rule rule = descent_rule(h);
        rule.has_average = true;
        const double beyond = static_cast<double>(step) + 1 - h("average_from");
        rule.average = beyond <= 0 ? 1 : 1 / (1 + beyond);
        return rule;
      },
      false);
  row("lookahead", "SGD in rounds of H steps, of which the slow parameters take a fraction", two_phase_equations,
      two_phase("3"), joined({descent(), decay(), outer(0.5, 0, 8)}), rounds);
  all.back().plain = true;
  row("la-diloco", "lookahead with M workers on their own samples (local SGD when xi = 1)", two_phase_equations,
      two_phase("3 and 6"), joined({descent(), decay(), outer(0.5, 4, 8)}), rounds);
  all.back().plain = true;
  row("sla", "lookahead with momentum inside, outside or both", two_phase_equations, two_phase("1 and 4"),
      joined({descent(), momentum("", "bi", MomentumKind::none, 0.9), decay(), outer(0.5, 1, 8),
              momentum("outer_", "bo", MomentumKind::none, 0.9), persistent(false)}),
      rounds);
  row("diloco", "DiLoCo as practised: outer Nesterov, inner buffers that persist", two_phase_equations, two_phase("1"),
      joined({descent(), momentum("", "bi", MomentumKind::nesterov, 0.9), decay(), outer(0.7, 4, 16),
              momentum("outer_", "bo", MomentumKind::nesterov, 0.9), persistent(true)}),
      rounds);
  all.push_back(custom_method());
  return all;
}

}  // namespace

std::span<const LinearMethod> linear_methods() {
  static const std::vector<LinearMethod> all = make_methods();
  return all;
}

}  // namespace edgewise::models::least_squares
