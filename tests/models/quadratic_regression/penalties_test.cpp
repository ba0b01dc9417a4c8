// SAM's two paths, penalties and weight noise on quadratic regression: steps against their definitions written in
// parameter space, the reference runs of docs/theory/curvature-dynamics.md, section 5.1, through experiments, findings.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "models/ingredients/quadratic_objective.hpp"
#include "models/quadratic_regression/steps.hpp"
#include "numerics/sums.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using linear_algebra::Matrix;
using models::ingredients::CurvaturePart;
using models::ingredients::QuadraticInstance;
using models::quadratic_regression::QuadraticRule;
using models::quadratic_regression::QuadraticState;
using models::quadratic_regression::StepKind;
using models::testing::error_of;
using models::testing::holds;
using models::testing::prepare;
using Rows = std::vector<std::size_t>;
using Vector = std::vector<double>;

namespace {

QuadraticInstance drawn(std::size_t outputs, std::size_t parameters) {
  models::ingredients::QuadraticLaw law;
  law.outputs = outputs;
  law.parameters = parameters;
  law.curvature = 3;
  return models::ingredients::draw_instance(law, 9, 0, models::ingredients::CurvatureTensor::Storage::stored);
}

/// Residual and gradients of the batch, entry by entry.
struct Definition {
  const QuadraticInstance& x;
  const Rows& batch;

  double q(std::size_t a, std::size_t i, std::size_t j) const { return x.curvature.at(a, i, j); }
  Vector row(const Vector& theta, std::size_t a) const {
    Vector out(theta.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = x.j0(a, i);
      for (std::size_t k = 0; k < out.size(); ++k) out[i] += q(a, i, k) * theta[k];
    }
    return out;
  }
  double residual(const Vector& theta, std::size_t a) const {
    const Vector j = row(theta, a);
    double z = x.z0[a];
    for (std::size_t i = 0; i < theta.size(); ++i) z += 0.5 * (x.j0(a, i) + j[i]) * theta[i];
    return z;
  }
  /// J(at)'z(of).
  Vector gradient(const Vector& at, const Vector& of) const {
    Vector g(at.size());
    for (const std::size_t a : batch) {
      const Vector j = row(at, a);
      const double z = residual(of, a);
      for (std::size_t i = 0; i < g.size(); ++i) g[i] += j[i] * z;
    }
    return g;
  }
  Vector product(CurvaturePart part, const Vector& theta, const Vector& v) const {
    Vector out(v.size());
    for (const std::size_t a : batch) {
      const Vector j = row(theta, a);
      const double z = residual(theta, a), jv = numerics::dot_in_order(j, v);
      for (std::size_t i = 0; i < v.size(); ++i) {
        if (part != CurvaturePart::neglected) out[i] += j[i] * jv;
        for (std::size_t k = 0; part != CurvaturePart::gauss_newton && k < v.size(); ++k)
          out[i] += z * q(a, i, k) * v[k];
      }
    }
    return out;
  }
  double trace(CurvaturePart part, const Vector& theta) const {
    double sum = 0;
    for (const std::size_t a : batch) {
      if (part != CurvaturePart::neglected) sum += numerics::squared_norm_in_order(row(theta, a));
      for (std::size_t i = 0; part != CurvaturePart::gauss_newton && i < theta.size(); ++i)
        sum += residual(theta, a) * q(a, i, i);
    }
    return sum;
  }
  Vector direction(const QuadraticRule& rule, const Vector& theta, const Vector& noise) const {
    Vector out = gradient(theta, theta);
    const Vector g = out;
    const double rho = rule.normalised ? rule.rho / std::sqrt(numerics::squared_norm_in_order(g)) : rule.rho;
    const auto moved = [&](double t, const Vector& along) {
      Vector there = theta;
      for (std::size_t i = 0; i < there.size(); ++i) there[i] += t * along[i];
      return there;
    };
    if (rule.kind == StepKind::functional_sam) return gradient(moved(rho, g), theta);
    if (rule.kind == StepKind::logit_sam) return gradient(theta, moved(rho, g));
    if (rule.kind == StepKind::weight_noise)
      return gradient(moved(rule.deviation, noise), moved(rule.deviation, noise));
    if (rule.kind == StepKind::penalty) {
      const Vector more = product(rule.part, theta, g);
      for (std::size_t i = 0; i < out.size(); ++i) out[i] += rho * more[i];
      return out;
    }
    for (std::size_t i = 0; i < out.size(); ++i) {  // tr A is of second order in theta at most: no error
      const double h = 0.5;
      Vector unit(theta.size());
      unit[i] = 1;
      out[i] += 0.5 * rule.deviation * rule.deviation *
                (trace(rule.part, moved(h, unit)) - trace(rule.part, moved(-h, unit))) / (2 * h);
    }
    return out;
  }
};

const std::string portable =
    "model = 'quadratic-regression'\n[data]\nensemble = 'portable'\noutputs = 8\nparameters = 16\n"
    "[theory]\nmethod = 'none'\n[time]\nat = [10, 100]\n[monte_carlo]\nreplicas = 1\nseed = 2\nevery_step = true\n"
    "[optimizer]\nlearning_rate = 0.1\n";

/// Of replica 0 at its recorded steps.
std::vector<std::vector<double>> record(const std::string& text, const std::vector<std::string>& names) {
  const auto problem = prepare(text);
  const auto simulation = problem->simulate();
  std::vector<std::vector<double>> out;
  const auto replica = simulation->replica(2, 0);
  for (const std::uint64_t step : {10, 100}) {
    replica->advance(step);
    std::vector<double> row(simulation->observables().size());
    replica->observe(row);
    out.emplace_back();
    for (const std::string& name : names)
      for (std::size_t k = 0; k < row.size(); ++k)
        if (simulation->observables()[k].name == name) out.back().push_back(row[k]);
  }
  return out;
}

template <class T>
T finding(const std::string& text, const std::string& name) {
  return models::testing::finding<T>(prepare(text)->stability(), name);
}

std::string scalar(double start, double rho, const std::string& part, double bend = 1) {
  // L = (t^2/2 - 1)^2/2 from t = start, in units in which Q = bend.
  const double root = std::sqrt(bend);
  return "model = 'quadratic-regression'\n[data]\nensemble = 'given'\nz0 = [" + std::to_string(start * start / 2 - 1) +
         "]\nJ0 = [[" + std::to_string(start * root) + "]]\nQ = [[" + std::to_string(bend) +
         "]]\n[theory]\nmethod = 'none'\n[time]\nsteps = 4000\n[optimizer]\nkind = 'gradient-penalty'\nlearning_rate "
         "= " +
         std::to_string(0.05 / bend) + "\nrho = " + std::to_string(rho / bend) + "\npart = '" + part + "'\n";
}

}  // namespace

TEST_CASE("every kind of step is its definition, on all outputs and on batches") {
  const QuadraticInstance x = drawn(5, 9);
  const Rows all{0, 1, 2, 3, 4}, some{1, 4};
  Vector noise(9);
  for (std::size_t i = 0; i < 9; ++i) noise[i] = std::cos(1.0 + static_cast<double>(i));
  std::vector<QuadraticRule> rules;
  for (const StepKind kind : {StepKind::functional_sam, StepKind::logit_sam})
    for (const bool normalised : {false, true}) rules.push_back({0.1, 0.2, normalised, kind});
  for (const CurvaturePart part : {CurvaturePart::hessian, CurvaturePart::gauss_newton, CurvaturePart::neglected}) {
    for (const bool normalised : {false, true}) rules.push_back({0.1, 0.2, normalised, StepKind::penalty, part});
    rules.push_back({0.1, 0, false, StepKind::trace, part, 0.4});
  }
  rules.push_back({0.1, 0, false, StepKind::weight_noise, CurvaturePart::hessian, 0.3});
  for (const QuadraticRule& rule : rules)
    for (const Rows& batch : {all, some}) {
      CAPTURE(static_cast<int>(rule.kind));
      CAPTURE(static_cast<int>(rule.part));
      QuadraticState state(x);
      Vector theta(9);
      for (int t = 0; t < 3; ++t) {
        state.step(rule, batch.size() == 5 ? Rows{} : batch, noise);
        const Vector along = Definition{x, batch}.direction(rule, theta, noise);
        for (std::size_t i = 0; i < 9; ++i) theta[i] -= 0.1 * along[i];
        for (std::size_t i = 0; i < 9; ++i) CHECK(state.theta()[i] == Approx(theta[i]).epsilon(1e-12));
      }
    }
}

TEST_CASE("pairing and invariants of the tensor read every entry once, whatever its blocks are") {
  for (const std::size_t p : {1, 5, 70}) {
    const QuadraticInstance x = drawn(3, p);
    Vector out(p), scratch, expected(p), traces(3);
    x.curvature.pair(x.j0, out, scratch);
    const auto got = x.curvature.invariants(scratch);
    double squares = 0;
    for (std::size_t a = 0; a < 3; ++a)
      for (std::size_t i = 0; i < p; ++i)
        for (std::size_t j = 0; j < p; ++j) {
          const double q = x.curvature.at(a, i, j);
          expected[i] += q * x.j0(a, j);
          squares += q * q;
          if (i == j) traces[a] += q;
        }
    for (std::size_t i = 0; i < p; ++i) CHECK(out[i] == Approx(expected[i]).epsilon(1e-12));
    for (std::size_t a = 0; a < 3; ++a) CHECK(got.traces[a] == Approx(traces[a]).epsilon(1e-12));
    CHECK(got.squares == Approx(squares).epsilon(1e-12));
  }
}

TEST_CASE("the reference runs under penalties and trace penalties") {
  struct Run {
    std::string optimizer;
    std::array<double, 6> end;  // L, |g|^2, lambda after 10 and 100 steps, section 5.1
  };
  const std::string s2 = "deviation = 0.31622776601683794\n", penalty = "kind = 'gradient-penalty'\nrho = 0.1\n";
  for (const Run& r :
       {Run{penalty, {1.22059403571, 1.04092051343, 3.70271484669, 4.82202868753e-4, 2.33989890482e-4, 6.02129527663}},
        Run{penalty + "part = 'gauss-newton'\n",
            {1.21711470647, 1.04426035376, 3.70496427282, 4.37139270554e-4, 2.1155645158e-4, 5.99817818724}},
        Run{penalty + "part = 'neglected'\n",
            {1.28089286636, 1.14363305028, 3.62710386185, 6.88895276246e-4, 3.36330982112e-4, 6.00302636899}},
        Run{"kind = 'hessian-trace'\n" + s2,
            {1.32933536343, 1.21493299448, 3.57870019234, .0272537302664, .0352354656842, 5.46404473122}},
        Run{"kind = 'gauss-newton-trace'\n" + s2,
            {1.3342451511, 1.2160242401, 3.57600674445, .0282719137372, .0371117869995, 5.45953636134}}}) {
    const auto got = record(portable + r.optimizer, {"loss", "gradient_norm", "sharpness"});
    for (std::size_t k = 0; k < 2; ++k) {
      CHECK(8 * got[k][0] == Approx(r.end[3 * k]).epsilon(2e-11));
      CHECK(got[k][1] * got[k][1] == Approx(r.end[3 * k + 1]).epsilon(2e-11));
      CHECK(got[k][2] == Approx(r.end[3 * k + 2]).epsilon(2e-11));
    }
  }
}

TEST_CASE("columns and findings: both parts of H, the loss under noise, the residual of SAM's two paths") {
  // theta_i = .3 cos(1 + i), section 5.1: the given instance that the portable one is from there.
  models::ingredients::QuadraticLaw law;
  law.outputs = 8;
  law.parameters = 16;
  law.portable = true;
  const auto x = models::ingredients::draw_instance(law, 2, 0, models::ingredients::CurvatureTensor::Storage::stored);
  Vector theta(16), scratch;
  for (std::size_t i = 0; i < 16; ++i) theta[i] = 0.3 * std::cos(1 + static_cast<double>(i));
  const Rows all{0, 1, 2, 3, 4, 5, 6, 7};
  const Definition definition{x, all};
  std::string z0 = "z0 = [", j0 = "J0 = [", q = "Q = [";
  const auto text = [](double value) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.17g,", value);
    return std::string(buffer);
  };
  for (std::size_t a = 0; a < 8; ++a) {
    z0 += text(definition.residual(theta, a));
    j0 += "[";
    for (const double j : definition.row(theta, a)) j0 += text(j);
    j0 += "],";
    for (std::size_t i = 0; i < 16; ++i) {
      q += "[";
      for (std::size_t j = 0; j < 16; ++j) q += text(x.curvature.at(a, i, j));
      q += "],";
    }
  }
  const std::string there =
      "model = 'quadratic-regression'\n[theory]\nmethod = 'none'\n[time]\nsteps = 10\n[data]\n"
      "ensemble = 'given'\n" +
      z0 + "]\n" + j0 + "]\n" + q + "]\n[optimizer]\nlearning_rate = 0.1\n";
  const std::string noisy = there + "kind = 'weight-noise'\ndeviation = 0.2\n";
  CHECK(std::pow(finding<double>(noisy, "gradient_norm"), 2) == Approx(10.2621590711).epsilon(1e-11));
  CHECK(finding<double>(noisy, "ggn_trace") == Approx(9.02287082952).epsilon(1e-11));
  CHECK(finding<double>(noisy, "nme_trace") == Approx(.331119498685).epsilon(1e-11));
  CHECK(finding<double>(noisy, "hessian_trace") == Approx(9.02287082952 + .331119498685).epsilon(1e-11));
  CHECK(finding<double>(noisy, "logit_share") == Approx(17.7916825987 / 10.2621590711).epsilon(1e-10));
  CHECK(finding<double>(noisy, "functional_share") == Approx(1.1023005699 / 10.2621590711).epsilon(1e-10));
  CHECK(8 * finding<double>(noisy, "noisy_loss") == Approx(4.63974609252).epsilon(1e-11));
  // |g_sam - g_func - g_logit + g| of the three gradients themselves.
  const Vector g = definition.gradient(theta, theta);
  Vector moved = theta;
  for (std::size_t i = 0; i < 16; ++i) moved[i] += 0.1 * g[i];
  const Vector sam = definition.gradient(moved, moved), func = definition.gradient(moved, theta),
               logit = definition.gradient(theta, moved);
  Vector rest(16), hg = definition.product(CurvaturePart::hessian, theta, g),
                   ng = definition.product(CurvaturePart::neglected, theta, g);
  for (std::size_t i = 0; i < 16; ++i) rest[i] = sam[i] - func[i] - logit[i] + g[i];
  const std::string ascent = there + "kind = 'functional-sam'\nrho = 0.1\n";
  CHECK(finding<double>(ascent, "sam_residual") ==
        Approx(std::sqrt(numerics::squared_norm_in_order(rest))).epsilon(1e-10));
  CHECK(finding<double>(ascent, "delta_func") ==
        Approx(numerics::dot_in_order(hg, ng) / numerics::squared_norm_in_order(hg)).epsilon(1e-10));
}

TEST_CASE("weight noise has the Hessian's trace penalty as its mean, and its loss the mean that is told") {
  // 2000 draws at the start: |mean - exact| < 5 standard errors, false alarm 6e-7 each.
  const QuadraticInstance x = drawn(3, 4);
  random::Stream stream(5, 0, 0, random::Purpose::other);
  const QuadraticRule noisy{1, 0, false, StepKind::weight_noise, CurvaturePart::hessian, 0.5},
      mean{1, 0, false, StepKind::trace, CurvaturePart::hessian, 0.5};
  QuadraticState exact(x);
  exact.step(mean);
  Vector sum(4), squares(4), xi(4);
  for (int k = 0; k < 2000; ++k) {
    stream.normals(xi);
    QuadraticState state(x);
    state.step(noisy, {}, xi);
    for (std::size_t i = 0; i < 4; ++i) {
      sum[i] += state.theta()[i] / 2000;
      squares[i] += state.theta()[i] * state.theta()[i] / 2000;
    }
  }
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(std::abs(sum[i] - exact.theta()[i]) < 5 * std::sqrt((squares[i] - sum[i] * sum[i]) / 2000));
}

TEST_CASE("a full penalty traps descent beside a saddle, up to where it says, and the Gauss-Newton part does not") {
  struct Case {
    std::string part;
    double rho, basin;  // |t| of L = (t^2/2 - 1)^2/2; 0: none
  };
  for (const Case& c : {Case{"full", 1.5, std::sqrt(2.0 / 9)}, Case{"full", 3, 2.0 / 3}, Case{"full", 0.9, 0},
                        Case{"neglected", 1.5, std::sqrt(2.0 / 3)}, Case{"gauss-newton", 3, 0}})
    for (const double bend : {1.0, 4.0})
      for (const double times : {0.99, 1.01}) {
        CAPTURE(c.part);
        const double start = c.basin > 0 ? times * c.basin : 0.1, root = std::sqrt(bend);
        const auto problem = prepare(scalar(start, c.rho, c.part, bend));
        const auto claims = problem->predictions();
        REQUIRE(claims.size() == 1);
        CHECK(claims[0].name == "saddle_end");
        const double end = c.basin > 0 && times < 1 ? start : std::sqrt(2.0) - start;
        CHECK(claims[0].nominal == Approx(end * end / bend).epsilon(1e-4));
        const auto simulation = problem->simulate();
        const auto replica = simulation->replica(1, 0);
        std::vector<double> row(simulation->observables().size());
        replica->advance(4000);
        replica->observe(row);
        CHECK(row[1] == Approx(claims[0].nominal).epsilon(1e-4));
        if (c.basin == 0) continue;
        const std::string text = scalar(start, c.rho, c.part, bend);
        CHECK(finding<double>(text, "saddle") == Approx(-start / root).epsilon(1e-4));
        CHECK(finding<double>(text, "trap_high") == Approx((c.basin - start) / root).epsilon(1e-3));
        CHECK(finding<double>(text, "trap_low") == Approx((-c.basin - start) / root).epsilon(1e-3));
      }
  // At the saddle itself, curvature -1: |1 - eta q (1 + rho q)|.
  CHECK(finding<double>(scalar(0, 3, "full"), "critical_factor") == Approx(1 - 0.05 * 2));
  CHECK(finding<double>(scalar(0, 3, "full"), "trapping_rho") == Approx(1));
  CHECK(finding<double>(scalar(0, 3, "gauss-newton"), "critical_factor") == Approx(1.05));
  CHECK(std::isinf(finding<double>(scalar(0, 3, "gauss-newton"), "trapping_rho")));
  CHECK(prepare(scalar(0, 3, "full"))->predictions().at(0).name == "sam_plateau");  // no side to leave to
}

TEST_CASE("what a step near a critical point is multiplied by, of several parameters") {
  // H = diag(2, -1/2), GGN = diag(1, 0), eta = .1, rho = 3: full |1 - .1 (-1/2)(1 - 3/2)| = .975 and 1 - .2 (7) = -.4.
  const std::string text =
      "model = 'quadratic-regression'\n[data]\nensemble = 'given'\nz0 = [-1]\nJ0 = [[1, 0]]\nQ = [[-1, 0], [0, 0.5]]\n"
      "[theory]\nmethod = 'none'\n[time]\nsteps = 10\n[optimizer]\nkind = 'gradient-penalty'\nlearning_rate = 0.1\nrho "
      "= 3\n";
  CHECK(finding<double>(text, "sharpness") == Approx(2));
  CHECK(finding<double>(text, "hessian_min") == Approx(-0.5));
  CHECK(finding<double>(text, "critical_factor") == Approx(0.975));
  CHECK(finding<double>(text, "trapping_rho") == Approx(2));
  CHECK(finding<double>(text + "part = 'gauss-newton'\n", "critical_factor") == Approx(1.05));
  // NME = diag(1, -1/2): I + rho NME = diag(4, -1/2), 1 - .1 (2)(4) = .2 and 1 - .1 (-1/2)(-1/2) = .975.
  CHECK(finding<double>(text + "part = 'neglected'\n", "critical_factor") == Approx(0.975));
  CHECK(finding<double>(text + "part = 'neglected'\n", "critical_angle") == 0);
}

TEST_CASE("a penalty by the neglected part spirals near a saddle where I + rho NME is indefinite") {
  // NME = [[0, 2], [2, 0]] and GGN = diag(1, 0): eigenvalues x of (I + 3 NME) H = [[13, 2], [8, 12]] are 8.469 and 16.531;
  // with NME = [[-3, 2], [2, 2]] they are those of [[28, -4], [2, 26]], 27 +- i sqrt 7.
  const auto with = [](const std::string& q, const std::string& rate) {
    return "model = 'quadratic-regression'\n[data]\nensemble = 'given'\nz0 = [-1]\nJ0 = [[1, 0]]\nQ = " + q +
           "\n[theory]\nmethod = 'none'\n[time]\nsteps = 10\n[optimizer]\nkind = 'gradient-penalty'\npart = "
           "'neglected'\nrho = 3\nlearning_rate = " +
           rate + "\n";
  };
  const std::string real = with("[[0, -2], [-2, 0]]", "0.2");
  CHECK(finding<double>(real, "critical_factor") == Approx(0.2 * (12.5 + std::sqrt(16.25)) - 1));
  CHECK(finding<double>(real, "critical_angle") == Approx(std::numbers::pi));
  const std::string spiral = with("[[3, -2], [-2, -2]]", "0.01");
  CHECK(finding<double>(spiral, "critical_factor") == Approx(std::hypot(0.73, 0.01 * std::sqrt(7))));
  CHECK(finding<double>(spiral, "critical_angle") == Approx(std::atan2(0.01 * std::sqrt(7), 0.73)));
}

TEST_CASE("bad input of penalties is named") {
  const auto error = [](const std::string& more) { return error_of(portable + more); };
  CHECK(holds(error("kind = 'gradient-penalty'\n"), "rho"));
  CHECK(holds(error("kind = 'gradient-penalty'\nrho = -1\n"), "rho"));
  CHECK(holds(error("kind = 'gradient-penalty'\nrho = 1\npart = 'none'\n"), "part"));
  CHECK(holds(error("kind = 'weight-noise'\ndeviation = -1\n"), "deviation"));
  CHECK(holds(error("kind = 'weight-noise'\nrho = 1\ndeviation = 1\n"), "rho"));
  CHECK(holds(error("kind = 'hessian-trace'\ndeviation = 0.1\n[rate]\nkind = 'cdat'\n"), "takes learning_rate"));
  CHECK(holds(error_of("model = 'quadratic-regression'\n[data]\noutputs = 8\nparameters = 16\n[time]\nsteps = 10\n"
                       "[optimizer]\nkind = 'weight-noise'\nlearning_rate = 0.1\ndeviation = 0.1\n",
                       true),
              "has no theory here"));
}
