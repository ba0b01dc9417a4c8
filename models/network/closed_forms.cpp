#include "models/network/closed_forms.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <iterator>
#include <memory>
#include <numbers>
#include <string>

#include "models/framework/closed_form_list.hpp"
#include "models/ingredients/quadratic_objective.hpp"
#include "models/network/closed_form_steps.hpp"
#include "models/network/edge.hpp"
#include "models/network/reference_problems.hpp"
#include "models/network/updates.hpp"
#include "numerics/roots.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::network {

namespace {

using ingredients::CurvaturePart;
using ingredients::CurvedObjective;
using ingredients::QuadraticObjective;

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
                FunctionalSamToy toy(true);
                return std::pair{sam_residual(toy.objective, toy.theta, ascent(UpdateKind::sam, rho)).size,
                                 sam_residual(rho)};
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

/// Adds the gradient of (1/2) tr GGN, sum_a Q_a J_a, and of (1/2) tr NME, (1/2) J'(tr Q_a)_a, times the factors.
void add_trace_gradients(const QuadraticObjective& objective, double gauss_newton, double neglected,
                         std::span<double> out) {
  const ingredients::CurvatureTensor curvature = portable_quadratic()->curvature;
  std::vector<double> scratch, paired(out.size()), pulled(out.size());
  curvature.pair(objective.jacobian(), paired, scratch);
  objective.pull_back(curvature.invariants(scratch).traces, pulled);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += gauss_newton * paired[i] + 0.5 * neglected * pulled[i];
}

/// E L(theta + e), e ~ N(0, s^2 I), (5.1).
double noisy_loss(const QuadraticObjective& objective, double s2) {
  std::vector<double> scratch;
  const auto q = portable_quadratic()->curvature.invariants(scratch);
  const std::vector<double> z = objective.cotangent();
  return 0.5 * numerics::squared_norm_in_order(z) +
         0.5 * s2 *
             (numerics::squared_norm_in_order(objective.jacobian().entries()) + numerics::dot_in_order(z, q.traces)) +
         s2 * s2 / 8 * (numerics::squared_norm_in_order(q.traces) + 2 * q.squares);
}

void add_quadratic(ClosedFormList& table) {
  const auto drawn = [&](const char* what, double value,
                         std::function<double(const ingredients::QuadraticInstance&)> read) {
    table.add_reference(fmt::format("penalty/portable-{}", what), "of the portable generator, seed 2, D = 8, P = 16",
                        "3.3", 1e-13, [=] {
                          return std::pair{value, read(*portable_quadratic())};
                        });
  };
  drawn("z0", 0.903796279765866, [](const auto& p) { return p.z0[0]; });
  drawn("z7", -0.731055177157876, [](const auto& p) { return p.z0[7]; });
  drawn("J00", 0.312294505414977, [](const auto& p) { return p.j0(0, 0); });
  drawn("Q000", -0.0224419409491462, [](const auto& p) { return p.curvature.at(0, 0, 0); });
  drawn("Q001", 0.002099755655111, [](const auto& p) { return p.curvature.at(0, 0, 1); });
  drawn("Q7", -0.0105742755699088, [](const auto& p) { return p.curvature.at(7, 15, 15); });
  const auto at = [&](const char* what, double value, double tolerance,
                      std::function<double(QuadraticObjective&, double)> read) {
    table.add_reference(fmt::format("penalty/quadratic-{}", what), fmt::format("{} at theta_i = .3 cos(1 + i)", what),
                        "5.1", tolerance, [=] {
                          QuadraticObjective p(portable_quadratic());
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
  at("noisy-loss", 4.63974609252, twelve_digits, [](auto& p, double) { return noisy_loss(p, 0.04); });

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
      QuadraticObjective objective(portable_quadratic());
      std::vector<double> theta(16), g(16);
      double loss = 0;
      if (p.noise_gauss_newton == 0) {
        loss = follow(objective, theta, p.rule, .1, steps);
      } else {
        for (std::uint64_t k = 0; k < steps; ++k) {
          objective.move_to(theta);
          objective.gradient(g);
          add_trace_gradients(objective, p.noise_gauss_newton, p.noise_neglected, g);
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
  QuadraticObjective objective(scalar_saddle());
  std::vector<double> t{start};
  follow(objective, t, rule, .05, 4000);
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
    QuadraticObjective objective(scalar_saddle());
    const double away = 1e-7, rho = .7, eta = .4;
    std::vector<double> t{std::numbers::sqrt2 + away};
    follow(objective, t, penalty(CurvaturePart::hessian, rho), eta, 1);
    return std::pair{1 - eta * 2 * (1 + rho * 2), (t[0] - std::numbers::sqrt2) / away};
  });
  table.add("saddle/edge", "eta lambda (1 + rho lambda) = 2 at lambda_edge", "5.2", 1e-15, [] {
    const double lambda = edge_sharpness(.1, .3, 0);
    return std::pair{2.0, edge_ratio(.1, lambda, .3, lambda, 0)};
  });
}

}  // namespace

std::vector<ClosedForm> network_closed_forms() {
  ClosedFormList table("network/", "curvature-dynamics");
  add_functional_sam(table);
  add_quadratic(table);
  add_saddle(table);
  std::vector<ClosedForm> out = table.take();
  std::ranges::move(neuron_closed_forms(), std::back_inserter(out));
  std::ranges::move(tuner_closed_forms(), std::back_inserter(out));
  return out;
}

}  // namespace edgewise::models::network
