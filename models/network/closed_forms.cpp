#include "models/network/closed_forms.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <functional>
#include <memory>
#include <numbers>
#include <string>

#include "models/framework/closed_form_list.hpp"
#include "models/network/edge.hpp"
#include "models/network/neuron.hpp"
#include "models/network/reference_problems.hpp"
#include "models/network/updates.hpp"
#include "numerics/roots.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::network {

namespace {

using ingredients::CurvaturePart;
using ingredients::CurvedObjective;

/// Of values printed with twelve digits.
constexpr double twelve_digits = 6e-12;

double length(std::span<const double> x) {
  return std::sqrt(numerics::squared_norm_in_order(x));
}

UpdateRule ascent(UpdateKind kind, double rho, bool preconditioned = false) {
  UpdateRule rule;
  rule.kind = kind;
  rule.rho = rho;
  rule.preconditioned = preconditioned;
  return rule;
}

UpdateRule penalty(CurvaturePart part, double rho) {
  UpdateRule rule;
  rule.kind = UpdateKind::penalty;
  rule.rho = rho;
  rule.normalised = false;
  rule.part = part;
  return rule;
}

/// `steps` steps of a rule from theta; the objective is at the end then. Its loss there.
double follow(CurvedObjective& objective, std::vector<double>& theta, const UpdateRule& rule, double rate,
              std::uint64_t steps) {
  Updates updates(rule, theta.size(), 1, 0);
  for (std::uint64_t k = 0; k < steps; ++k) {
    objective.move_to(theta);
    updates.move(updates.direction(objective, theta, k), rate, theta);
  }
  return objective.move_to(theta);
}

double gradient_length(const CurvedObjective& objective) {
  std::vector<double> g(objective.parameters());
  objective.gradient(g);
  return length(g);
}

double share(const CurvedObjective& objective, CurvaturePart part) {
  std::vector<double> g(objective.parameters());
  objective.gradient(g);
  return curvature_along(objective, part, g) / numerics::squared_norm_in_order(g);
}

// --- section 6 -------------------------------------------------------------------------------------------------------

std::vector<double> sam_direction(bool deep, UpdateKind kind, double rho) {
  FunctionalSamToy toy(deep);
  toy.objective.move_to(toy.theta);
  return Updates(ascent(kind, rho), toy.theta.size(), 1, 0).direction(toy.objective, toy.theta, 0);
}

/// |g_sam - g_func - g_logit + g|.
double sam_residual(double rho) {
  const std::vector<double> sam = sam_direction(true, UpdateKind::sam, rho),
                            func = sam_direction(true, UpdateKind::functional_sam, rho),
                            logit = sam_direction(true, UpdateKind::logit_sam, rho),
                            plain = sam_direction(true, UpdateKind::plain, 0);
  std::vector<double> rest(sam.size());
  for (std::size_t k = 0; k < rest.size(); ++k) rest[k] = sam[k] - func[k] - logit[k] + plain[k];
  return length(rest);
}

/// |(J(theta+e) - J(theta))'(c(theta+e) - c(theta))|.
double sam_residual_by_parts(double rho) {
  FunctionalSamToy toy(true);
  std::vector<double> g(toy.theta.size()), at = toy.theta, here(g.size()), there(g.size());
  toy.objective.move_to(toy.theta);
  toy.objective.gradient(g);
  std::vector<double> c = toy.objective.cotangent();
  const double size = length(g);
  for (std::size_t k = 0; k < at.size(); ++k) at[k] += rho / size * g[k];
  toy.objective.move_to(at);
  const std::vector<double> moved = toy.objective.cotangent();
  for (std::size_t a = 0; a < c.size(); ++a) c[a] = moved[a] - c[a];
  toy.objective.pull_back(c, there);
  toy.objective.move_to(toy.theta);
  toy.objective.pull_back(c, here);
  for (std::size_t k = 0; k < here.size(); ++k) there[k] -= here[k];
  return length(there);
}

void add_functional_sam(ClosedFormList& table) {
  struct Start {
    const char* name;
    bool deep;
    double loss, gradient, logit, functional, sam, func, by_logits;
  };
  static constexpr std::array<Start, 2> starts{
      {{"lin", false, 1.15819441304, .237417445966, .248134767, 0, .26217930663, .237417445966, .26217930663},
       {"deep", true, 1.0834238575, .172874526227, .42369693, .0711701948, .225609257447, .180554736464,
        .21687146303}}};
  for (const Start& s : starts) {
    const auto add = [&](const char* what, const char* formula, double value, double tolerance,
                         std::function<double()> compute) {
      table.add_reference(fmt::format("functional-sam/{}-{}", s.name, what),
                          fmt::format("{} of the toy `{}` at its start", formula, s.name), "6", tolerance,
                          [value, compute] {
                            return std::pair{value, compute()};
                          });
    };
    const auto at_start = [deep = s.deep](double (*read)(FunctionalSamToy&)) {
      return [deep, read] {
        FunctionalSamToy toy(deep);
        toy.objective.move_to(toy.theta);
        return read(toy);
      };
    };
    add("loss", "L", s.loss, twelve_digits, at_start([](FunctionalSamToy& t) { return t.objective.move_to(t.theta); }));
    add("gradient", "|g|", s.gradient, twelve_digits,
        at_start([](FunctionalSamToy& t) { return gradient_length(t.objective); }));
    add("logit-share", "g'GGN g/|g|^2", s.logit, 2e-9,
        at_start([](FunctionalSamToy& t) { return share(t.objective, CurvaturePart::gauss_newton); }));
    add("functional-share", "g'NME g/|g|^2", s.functional, s.functional == 0 ? 1e-15 : 1e-9,
        at_start([](FunctionalSamToy& t) { return share(t.objective, CurvaturePart::neglected); }));
    const auto norm_of = [deep = s.deep](UpdateKind kind) {
      return [deep, kind] { return length(sam_direction(deep, kind, 0.1)); };
    };
    add("sam-norm", "|g_sam|, rho = .1", s.sam, twelve_digits, norm_of(UpdateKind::sam));
    add("func-norm", "|g_func|, rho = .1", s.func, twelve_digits, norm_of(UpdateKind::functional_sam));
    add("logit-norm", "|g_logit|, rho = .1", s.by_logits, twelve_digits, norm_of(UpdateKind::logit_sam));
  }
  for (const auto& [rho, value] : {std::pair{.1, .003515478884}, {.05, 8.681346307e-4}, {.025, 2.156209173e-4}}) {
    table.add_reference(fmt::format("functional-sam/residual-{}", rho), "|g_sam - g_func - g_logit + g| of `deep`", "6",
                        3e-10, [rho = rho, value = value] {
                          return std::pair{value, sam_residual(rho)};
                        });
    table.add(fmt::format("functional-sam/identity-{}", rho),
              "g_sam - g_func - g_logit + g = (J(theta+e) - J(theta))'(c(theta+e) - c(theta))", "6", 1e-11,
              [rho = rho] {
                return std::pair{sam_residual_by_parts(rho), sam_residual(rho)};
              });
  }
  struct Path {
    bool deep;
    UpdateKind kind;
    bool preconditioned;
    double loss, size;
  };
  static constexpr std::array<Path, 12> paths{{{false, UpdateKind::plain, false, 1.03668965894, .97134944612},
                                               {false, UpdateKind::functional_sam, false, 1.03668965894, .97134944612},
                                               {false, UpdateKind::functional_sam, true, 1.03668965894, .97134944612},
                                               {false, UpdateKind::sam, false, 1.03670415133, .976906135521},
                                               {false, UpdateKind::logit_sam, false, 1.03670415133, .976906135521},
                                               {false, UpdateKind::sam, true, 1.03673244309, .98043355859},
                                               {true, UpdateKind::plain, false, 1.03802846586, 1.9675661097},
                                               {true, UpdateKind::sam, false, 1.03901887073, 1.91255085495},
                                               {true, UpdateKind::sam, true, 1.03952884608, 1.91344196226},
                                               {true, UpdateKind::functional_sam, false, 1.03917668779, 1.90837716945},
                                               {true, UpdateKind::functional_sam, true, 1.03952817718, 1.90897658124},
                                               {true, UpdateKind::logit_sam, false, 1.0370726104, 1.98649700789}}};
  const auto add_path = [&](const Path& p) {
    static constexpr std::array<const char*, 4> names{"gd", "sam", "func", "logit"};
    const auto path = [p] {
      FunctionalSamToy toy(p.deep);
      const double loss = follow(toy.objective, toy.theta, ascent(p.kind, 0.2, p.preconditioned), 0.5, 50);
      return std::pair{loss, length(toy.theta)};
    };
    const std::string name = fmt::format("functional-sam/{}-{}{}", p.deep ? "deep" : "lin",
                                         names[static_cast<std::size_t>(p.kind)], p.preconditioned ? "-prec" : "");
    const std::string words = "after 50 steps, eta = .5, rho = .2";
    table.add_reference(name + "-loss", "L " + words, "6", twelve_digits, [p, path] {
      return std::pair{p.loss, path().first};
    });
    table.add_reference(name + "-size", "|theta| " + words, "6", twelve_digits, [p, path] {
      return std::pair{p.size, path().second};
    });
  };
  for (const Path& p : paths) add_path(p);
  add_path({true, UpdateKind::logit_sam, true, 1.03746518056, 1.96814172891});
}

// --- section 5.1 -----------------------------------------------------------------------------------------------------

void add_quadratic(ClosedFormList& table) {
  const auto problem = [] { return PortableQuadratic(2, 8, 16); };
  const auto drawn = [&](const char* what, double value, std::function<double(const PortableQuadratic&)> read) {
    table.add_reference(fmt::format("penalty/portable-{}", what), "of the portable generator, seed 2, D = 8, P = 16",
                        "3.3", 1e-13, [=] {
                          return std::pair{value, read(problem())};
                        });
  };
  drawn("z0", 0.903796279765866, [](const auto& p) { return p.z0()[0]; });
  drawn("z7", -0.731055177157876, [](const auto& p) { return p.z0()[7]; });
  drawn("J00", 0.312294505414977, [](const auto& p) { return p.j0()(0, 0); });
  drawn("Q000", -0.0224419409491462, [](const auto& p) { return p.curvature(0, 0, 0); });
  drawn("Q001", 0.002099755655111, [](const auto& p) { return p.curvature(0, 0, 1); });
  drawn("Q7", -0.0105742755699088, [](const auto& p) { return p.curvature(7, 15, 15); });
  const auto at = [&](const char* what, double value, double tolerance,
                      std::function<double(PortableQuadratic&, double)> read) {
    table.add_reference(fmt::format("penalty/quadratic-{}", what), fmt::format("{} at theta_i = .3 cos(1 + i)", what),
                        "5.1", tolerance, [=] {
                          PortableQuadratic p = problem();
                          std::vector<double> theta(16);
                          for (std::size_t i = 0; i < 16; ++i) theta[i] = 0.3 * std::cos(1 + static_cast<double>(i));
                          const double loss = p.move_to(theta);
                          return std::pair{value, read(p, loss)};
                        });
  };
  at("loss", 4.44952606667, twelve_digits, [](auto&, double loss) { return loss; });
  at("squared-gradient", 10.2621590711, twelve_digits, [](auto& p, double) { return std::pow(gradient_length(p), 2); });
  at("trace-GGN", 9.02287082952, twelve_digits, [](auto& p, double) { return traces_by_columns(p).gauss_newton; });
  at("trace-NME", .331119498685, twelve_digits, [](auto& p, double) { return traces_by_columns(p).neglected; });
  at("g-GGN-g", 17.7916825987, twelve_digits,
     [](auto& p, double) { return share(p, CurvaturePart::gauss_newton) * std::pow(gradient_length(p), 2); });
  at("g-NME-g", 1.1023005699, 5e-11,
     [](auto& p, double) { return share(p, CurvaturePart::neglected) * std::pow(gradient_length(p), 2); });
  at("noisy-loss", 4.63974609252, twelve_digits, [](auto& p, double) { return p.noisy_loss(0.04); });

  struct Path {
    const char* name;
    UpdateRule rule;
    double noise_gauss_newton, noise_neglected;  // s^2 of trace penalties
    std::array<double, 6> end;                   // L, |g|^2, lambda after 10 steps and after 100
  };
  const std::vector<Path> paths{
      {"none",
       {},
       0,
       0,
       {1.27794881653, 1.14590766113, 3.63158410469, 6.18483636023e-4, 3.02077096532e-4, 5.97867709461}},
      {"full",
       penalty(CurvaturePart::hessian, .1),
       0,
       0,
       {1.22059403571, 1.04092051343, 3.70271484669, 4.82202868753e-4, 2.33989890482e-4, 6.02129527663}},
      {"gn",
       penalty(CurvaturePart::gauss_newton, .1),
       0,
       0,
       {1.21711470647, 1.04426035376, 3.70496427282, 4.37139270554e-4, 2.1155645158e-4, 5.99817818724}},
      {"nme",
       penalty(CurvaturePart::neglected, .1),
       0,
       0,
       {1.28089286636, 1.14363305028, 3.62710386185, 6.88895276246e-4, 3.36330982112e-4, 6.00302636899}},
      {"wn_full",
       {},
       .1,
       .1,
       {1.32933536343, 1.21493299448, 3.57870019234, .0272537302664, .0352354656842, 5.46404473122}},
      {"wn_gn", {}, .1, 0, {1.3342451511, 1.2160242401, 3.57600674445, .0282719137372, .0371117869995, 5.45953636134}}};
  for (const Path& p : paths) {
    const auto end = [p](std::uint64_t steps) {
      PortableQuadratic objective(2, 8, 16);
      std::vector<double> theta(16), g(16);
      double loss = 0;
      if (p.noise_gauss_newton == 0) {
        loss = follow(objective, theta, p.rule, .1, steps);
      } else {
        for (std::uint64_t k = 0; k < steps; ++k) {
          objective.move_to(theta);
          objective.gradient(g);
          objective.add_trace_gradients(p.noise_gauss_newton, p.noise_neglected, g);
          for (std::size_t i = 0; i < 16; ++i) theta[i] -= .1 * g[i];
        }
        loss = objective.move_to(theta);
      }
      return std::array{loss, std::pow(gradient_length(objective), 2),
                        largest_curvature(objective, CurvaturePart::hessian).value};
    };
    for (std::size_t k = 0; k < 6; ++k) {
      static constexpr std::array<const char*, 3> what{"L", "|g|^2", "lambda"};
      const std::uint64_t steps = k < 3 ? 10 : 100;
      table.add_reference(
          fmt::format("penalty/{}-{}-{}", p.name, steps, k % 3),
          fmt::format("{} of portable quadratic regression after {} steps, eta = .1, rho = .1 or s^2 = .1", what[k % 3],
                      steps),
          "5.1", 2e-11, [p, end, steps, k] {
            return std::pair{p.end[k], end(steps)[k % 3]};
          });
    }
  }
}

// --- section 5.2 -----------------------------------------------------------------------------------------------------

double saddle_end(const UpdateRule& rule, double start) {
  ScalarSaddle saddle;
  std::vector<double> t{start};
  follow(saddle, t, rule, .05, 4000);
  return t[0];
}

void add_saddle(ClosedFormList& table) {
  const auto basin = [](double rho) { return std::sqrt(2.0 / 3 * (1 - 1 / rho)); };
  for (const double rho : {1.5, 3.0}) {
    table.add(fmt::format("saddle/basin-{}", rho),
              "L = (t^2/2 - 1)^2/2: the full penalty draws |t| < sqrt((2/3)(1 - 1/rho)) to the worst point", "5.2",
              1e-9, [=] {
                const auto escapes = [rho](double t) {
                  return saddle_end(penalty(CurvaturePart::hessian, rho), t) > 0.1;
                };
                return std::pair{basin(rho), numerics::threshold(escapes, 0.1, 1.2, 1e-10)};
              });
    for (const double times : {.99, 1.01})
      for (const bool full : {true, false})
        table.add(fmt::format("saddle/{}-{}-{}", full ? "full" : "gn", rho, times),
                  "where .99 and 1.01 times the edge of the basin lead in 4000 steps, eta = .05", "5.2", 1e-6, [=] {
                    const CurvaturePart part = full ? CurvaturePart::hessian : CurvaturePart::gauss_newton;
                    return std::pair{full && times < 1 ? 0.0 : std::numbers::sqrt2,
                                     saddle_end(penalty(part, rho), times * basin(rho))};
                  });
  }
  for (const bool full : {true, false})
    table.add(fmt::format("saddle/{}-below", full ? "full" : "gn"), "rho = .9 < 1 traps nothing", "5.2", 1e-9, [=] {
      const CurvaturePart part = full ? CurvaturePart::hessian : CurvaturePart::gauss_newton;
      return std::pair{std::numbers::sqrt2, saddle_end(penalty(part, .9), .01)};
    });
  // At the minimum q = 2: a small displacement is multiplied by 1 - eta q (1 + rho q).
  table.add("saddle/multiplier", "1 - eta q (1 + rho q) at the minimum, q = 2", "5.2", 1e-6, [] {
    ScalarSaddle saddle;
    const double away = 1e-7, rho = .7, eta = .4;
    std::vector<double> t{std::numbers::sqrt2 + away};
    follow(saddle, t, penalty(CurvaturePart::hessian, rho), eta, 1);
    return std::pair{1 - eta * 2 * (1 + rho * 2), (t[0] - std::numbers::sqrt2) / away};
  });
  table.add("saddle/edge", "eta lambda (1 + rho lambda) = 2 at lambda_edge", "5.2", 1e-15, [] {
    const double lambda = edge_sharpness(.1, .3, 0);
    return std::pair{2.0, edge_ratio(.1, lambda, .3, lambda, 0)};
  });
}

// --- section 5.3 -----------------------------------------------------------------------------------------------------

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

std::vector<ClosedForm> network_closed_forms() {
  ClosedFormList table("network/", "curvature-dynamics");
  add_functional_sam(table);
  add_quadratic(table);
  add_saddle(table);
  add_neurons(table);
  return table.take();
}

}  // namespace edgewise::models::network
