// Model single-neuron: the population's runs against the reference values of docs/theory/curvature-dynamics.md, section 5.3,
// drawn examples against it, findings, and every bad input.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/framework/model.hpp"
#include "models/network/sampled_neuron.hpp"
#include "numerics/sums.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using models::ingredients::CurvaturePart;
using models::network::neglected_spread;
using models::network::NeuronKind;
using models::network::NeuronLoss;
using models::network::SampledNeuron;
using models::testing::error_of;
using models::testing::holds;
using models::testing::prepare;
using Vector = std::vector<double>;

namespace {

const Vector start{.8, .3, -.2, .1, 0}, teacher{.5, -.4, .6, 0, .2};

std::string experiment(const std::string& neuron, const std::string& optimizer = "kind = 'sgd'\n",
                       const std::string& w = "[0.8, 0.3, -0.2, 0.1, 0.0]",
                       const std::string& labels = "[0.5, -0.4, 0.6, 0.0, 0.2]") {
  return "model = 'single-neuron'\n[time]\nat = [50]\n[data]\nteacher = " + labels + "\n[neuron]\nstart = " + w + "\n" +
         neuron + "[optimizer]\nlearning_rate = 0.1\n" + optimizer;
}

double finding(const std::string& text, const std::string& name) {
  return models::testing::number(prepare(text)->stability(), name);
}

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// E (f - f*)^2/2 of erf, by E phi(u.x) phi(v.x) = (2/pi) asin(u.v/sqrt((1 + u.u)(1 + v.v))).
double erf_loss(const Vector& w) {
  const auto kernel = [](const Vector& u, const Vector& v) {
    return std::asin(dot(u, v) / std::sqrt((1 + dot(u, u)) * (1 + dot(v, v)))) * 2 / std::acos(-1);
  };
  return kernel(w, w) / 2 - kernel(w, teacher) + kernel(teacher, teacher) / 2;
}

/// Its gradient and Hessian by central differences, and GGN = E phi'^2 x x' = (2/pi) (I - 2 w w'/(1 + 2 q))/sqrt(1 + 2 q).
Vector erf_gradient(const Vector& w) {
  Vector out;
  for (std::size_t i = 0; i < w.size(); ++i) {
    Vector up = w, down = w;
    up[i] += 1e-5;
    down[i] -= 1e-5;
    out.push_back((erf_loss(up) - erf_loss(down)) / 2e-5);
  }
  return out;
}
struct ErfCurvature {
  linear_algebra::Matrix hessian, ggn, nme;
};
ErfCurvature erf_curvature(const Vector& w) {
  const std::size_t d = w.size();
  ErfCurvature out{{d, d}, {d, d}, {d, d}};
  const double q = dot(w, w);
  for (std::size_t j = 0; j < d; ++j) {
    Vector up = w, down = w;
    up[j] += 1e-3;
    down[j] -= 1e-3;
    const Vector above = erf_gradient(up), below = erf_gradient(down);
    for (std::size_t i = 0; i < d; ++i) {
      out.hessian(i, j) = (above[i] - below[i]) / 2e-3;
      out.ggn(i, j) = 2 / std::acos(-1) / std::sqrt(1 + 2 * q) * ((i == j) - 2 * w[i] * w[j] / (1 + 2 * q));
      out.nme(i, j) = out.hessian(i, j) - out.ggn(i, j);
    }
  }
  return out;
}

/// The spread of z phi''(w.x) |x|^2 of erf over the plane of w and w*, |x|^2 off it being chi-squared of d - 2 degrees.
double erf_spread(const Vector& w) {
  const double length = std::sqrt(dot(w, w)), along = dot(w, teacher) / length, pi = std::acos(-1),
               across = std::sqrt(dot(teacher, teacher) - along * along), k = static_cast<double>(w.size()) - 2;
  double mean = 0, square = 0;
  for (double v = -8; v < 8; v += 0.05)
    for (double u = -8; u < 8; u += 0.05) {
      const double s = length * v, plane = u * u + v * v, weight = 0.0025 * std::exp(-plane / 2) / (2 * pi);
      const double one = (std::erf(s / std::sqrt(2.)) - std::erf((along * v + across * u) / std::sqrt(2.))) * -s *
                         std::sqrt(2 / pi) * std::exp(-s * s / 2);
      mean += weight * one * (plane + k);
      square += weight * one * one * (plane * plane + 2 * plane * k + k * (k + 2));
    }
  return std::sqrt(square - mean * mean);
}

}  // namespace

TEST_CASE("runs of the population end where the page says") {
  const std::string penalty = "kind = 'gradient-penalty'\nrho = 2\n", gn = penalty + "part = 'gauss-newton'\n",
                    erf = "activation = 'erf'\n", relu = "activation = 'relu'\n",
                    kink = relu + "distributional = true\n";
  struct Run {
    std::string neuron, optimizer;
    std::array<double, 3> end;  // L, |w|, |g|
  };
  for (const Run& r : {Run{erf, "", {.00427882112546, .761627884509, .0553695645291}},
                       Run{erf, penalty, {4.02853268226e-4, .865645180594, .0168539331667}},
                       Run{erf, gn, {4.84641168997e-4, .827568923137, .014122111244}},
                       Run{relu, "", {.00499764598801, .823824455741, .0690500365358}},
                       Run{relu, penalty, {2.57542659976e-5, .894222747878, .00506804067046}},
                       Run{kink, penalty, {1.13959807896e-4, .888449145312, .0106425016926}}}) {
    const auto end = prepare(experiment(r.neuron, r.optimizer))->solve();
    CHECK(end.find("loss")->value.back() == Approx(r.end[0]).epsilon(1e-11));
    CHECK(end.find("weight_norm")->value.back() == Approx(r.end[1]).epsilon(1e-11));
    CHECK(end.find("gradient_norm")->value.back() == Approx(r.end[2]).epsilon(1e-11));
  }
}

TEST_CASE("findings: traces, their slopes at the teacher, what a penalty of a ReLU neuron is") {
  const std::string erf = experiment("activation = 'erf'\n");
  CHECK(finding(erf, "ggn_trace") == Approx(1.74697418003).epsilon(1e-11));
  CHECK(finding(erf, "nme_trace") == Approx(-.793491168723).epsilon(1e-11));
  CHECK(finding(erf, "sharpness") == Approx(.307311018624).epsilon(1e-9));
  const std::string there = experiment("activation = 'erf'\n", "", "[0.5, -0.4, 0.6, 0.0, 0.2]");
  CHECK(finding(there, "hessian_trace_slope") == Approx(-1.87682189).epsilon(1e-7));
  CHECK(finding(there, "ggn_trace_slope") == Approx(-1.25121459).epsilon(1e-7));
  CHECK(std::abs(finding(there, "squared_gradient_slope")) < 1e-8);
  CHECK(finding(experiment("activation = 'relu'\n", "kind = 'gradient-penalty'\nrho = 2\n"), "equivalent_rate") ==
        Approx(.2));
  CHECK(finding(experiment("activation = 'relu'\ndistributional = true\n"), "nme_trace") ==
        Approx(-.794334635005).epsilon(1e-11));
  CHECK(finding(experiment("activation = 'beta-gelu'\nbeta = 4\n"), "relu_nme_trace") ==
        Approx(-.794334635005).epsilon(1e-11));
  const auto modes = prepare(erf)->mode_table();
  CHECK(numerics::squared_norm_in_order(modes[0].value) > 0);
  double sum = 0;
  for (const double q : modes[2].value) sum += q;
  CHECK(sum == Approx(-.793491168723).epsilon(1e-11));
}

TEST_CASE("an erf neuron from the arcsines of its loss: every column, claim, mode and finding") {
  const std::string erf = "activation = 'erf'\n";
  const auto problem = prepare(experiment(erf, "batch = 5000\n"));
  const auto theory = problem->solve();
  REQUIRE(theory.steps == Vector{0, 50});
  Vector w = start;
  for (std::size_t row = 0; row < 2; ++row) {
    for (int k = 0; row == 1 && k < 50; ++k) {
      const Vector g = erf_gradient(w);
      for (std::size_t i = 0; i < 5; ++i) w[i] -= 0.1 * g[i];
    }
    const ErfCurvature at = erf_curvature(w);
    const Vector q = linear_algebra::symmetric_eigenvalues(at.hessian), g = erf_gradient(w);
    const double length = std::sqrt(dot(w, w));
    const auto seen = [&](const char* name) { return models::testing::column(theory, name)[row]; };
    CHECK(seen("loss") == Approx(erf_loss(w)).epsilon(1e-7));
    CHECK(seen("weight_norm") == Approx(length).epsilon(1e-8));
    CHECK(seen("alignment") == Approx(dot(w, teacher) / length / std::sqrt(dot(teacher, teacher))).epsilon(1e-8));
    CHECK(seen("gradient_norm") == Approx(std::sqrt(dot(g, g))).epsilon(1e-7));
    CHECK(seen("hessian_trace") == Approx(linear_algebra::trace(at.hessian)).epsilon(1e-5));
    CHECK(seen("ggn_trace") == Approx(linear_algebra::trace(at.ggn)).epsilon(1e-8));
    CHECK(seen("nme_trace") == Approx(linear_algebra::trace(at.nme)).epsilon(1e-4));
    CHECK(seen("nme_spread") == Approx(erf_spread(w)).epsilon(1e-7));
    CHECK(seen("sharpness") == Approx(q.back()).epsilon(1e-5));
    CHECK(seen("hessian_min") == Approx(q.front()).epsilon(1e-5));
  }
  const ErfCurvature first = erf_curvature(start), last = erf_curvature(w);
  const auto claims = problem->predictions();
  REQUIRE(claims.size() == 5);
  const double nominal[] = {erf_loss(start), linear_algebra::trace(first.ggn), linear_algebra::trace(first.nme),
                            std::sqrt(dot(w, w)), linear_algebra::trace(last.hessian)};
  for (std::size_t k = 0; k < 5; ++k) {
    CAPTURE(claims[k].name);
    const double spread = k < 3 ? 0 : 0.05 * std::abs(nominal[k]);
    CHECK(claims[k].nominal == Approx(nominal[k]).epsilon(1e-5));
    CHECK(claims[k].low == Approx(nominal[k] - spread).epsilon(1e-5));
    CHECK(claims[k].high == Approx(nominal[k] + spread).epsilon(1e-5));
  }
  // Each is read off the first or the last row of its own observable.
  models::RecordedReplica recorded;
  const std::vector<std::string> observed{"loss", "ggn_trace", "nme_trace", "weight_norm", "hessian_trace"};
  recorded.names = observed;
  recorded.steps = {0, 20, 50};
  recorded.rows = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}, {10, 11, 12}, {13, 14, 15}};
  const double read_off[] = {1, 4, 7, 12, 15};
  for (std::size_t k = 0; k < 5; ++k) CHECK(claims[k].statistic(recorded) == read_off[k]);
  for (const auto& c : problem->reference().columns) CHECK(std::isinf(c.valid_from));
  const auto modes = problem->mode_table();
  const linear_algebra::Matrix* parts[] = {&first.hessian, &first.ggn, &first.nme};
  for (std::size_t c = 0; c < 3; ++c) {
    const Vector q = linear_algebra::symmetric_eigenvalues(*parts[c]);
    for (std::size_t k = 0; k < 5; ++k) CHECK(modes.at(c).value.at(k) == Approx(q[k]).epsilon(1e-5));
  }
  CHECK(modes[0].name == "hessian");
  CHECK(modes[1].name == "ggn");
  CHECK(modes[2].name == "nme");

  const Vector g = erf_gradient(start);
  Vector hw(5);
  for (std::size_t i = 0; i < 5; ++i)
    for (std::size_t j = 0; j < 5; ++j) hw[i] += first.hessian(i, j) * start[j];
  CHECK(finding(experiment(erf), "loss") == Approx(erf_loss(start)).epsilon(1e-12));
  CHECK(finding(experiment(erf), "gradient_norm") == Approx(std::sqrt(dot(g, g))).epsilon(1e-8));
  CHECK(finding(experiment(erf), "hessian_trace") == Approx(linear_algebra::trace(first.hessian)).epsilon(1e-5));
  CHECK(finding(experiment(erf), "nme_spread") == Approx(erf_spread(start)).epsilon(1e-8));
  CHECK(finding(experiment(erf), "squared_gradient_slope") == Approx(2 * dot(g, hw)).epsilon(1e-5));
}

TEST_CASE("beta of a beta-GELU neuron: its loss over the plane of w and w*") {
  const double length = std::sqrt(dot(start, start)), along = dot(start, teacher) / length, pi = std::acos(-1),
               across = std::sqrt(dot(teacher, teacher) - along * along);
  const auto phi = [](double s) { return s * std::erfc(-1.7 * s / std::sqrt(2.)) / 2; };
  double loss = 0;
  for (double v = -9; v < 9; v += 0.05)
    for (double u = -9; u < 9; u += 0.05)
      loss += 0.0025 * std::exp(-(u * u + v * v) / 2) / (2 * pi) *
              std::pow(phi(length * v) - phi(along * v + across * u), 2) / 2;
  const std::string text = experiment("activation = 'beta-gelu'\nbeta = 1.7\n");
  CHECK(finding(text, "loss") == Approx(loss).epsilon(1e-9));
  CHECK(models::testing::column(prepare(text)->solve(), "loss").front() == Approx(loss).epsilon(1e-9));
}

TEST_CASE("a neuron's edge: eta lambda (1 + r u'A u) of what the optimizer ascends by") {
  const ErfCurvature at = erf_curvature(start);
  const auto eigen = linear_algebra::symmetric_eigen(at.hessian);
  const double lambda = eigen.values.back();
  const auto along = [&](const linear_algebra::Matrix& a) {
    double out = 0;
    for (std::size_t i = 0; i < 5; ++i)
      for (std::size_t j = 0; j < 5; ++j) out += eigen.vectors(i, 4) * a(i, j) * eigen.vectors(j, 4);
    return out;
  };
  const Vector g = erf_gradient(start);
  const auto edge = [](const std::string& optimizer) {
    return finding(experiment("activation = 'erf'\n", optimizer), "edge");
  };
  CHECK(edge("") == Approx(0.1 * lambda).epsilon(1e-5));
  CHECK(edge("kind = 'sam'\nrho = 0.7\n") ==
        Approx(0.1 * lambda * (1 + 0.7 / std::sqrt(dot(g, g)) * lambda)).epsilon(1e-5));
  CHECK(edge("kind = 'sam'\nrho = 0.7\nnormalised = false\n") ==
        Approx(0.1 * lambda * (1 + 0.7 * lambda)).epsilon(1e-5));
  const std::string penalty = "kind = 'gradient-penalty'\nrho = 0.7\n";
  CHECK(edge(penalty) == Approx(0.1 * lambda * (1 + 0.7 * lambda)).epsilon(1e-5));
  CHECK(edge(penalty + "part = 'gauss-newton'\n") == Approx(0.1 * lambda * (1 + 0.7 * along(at.ggn))).epsilon(1e-5));
  CHECK(edge(penalty + "part = 'neglected'\n") == Approx(0.1 * lambda * (1 + 0.7 * along(at.nme))).epsilon(1e-4));
  // At 2 of gradient descent.
  for (const double times : {0.999, 1.001}) {
    std::string text = experiment("activation = 'erf'\n");
    text.replace(text.find("= 0.1\n"), 6, "= " + std::to_string(times * 2 / lambda) + "\n");
    CHECK(models::testing::flag(prepare(text)->stability(), "stable") == (times < 1));
  }
}

TEST_CASE("drawn examples have the population's loss, gradient and Hessian as their mean, and its spread") {
  // 64 sets of 2000: |mean - exact| < 5 standard errors of 64 means, false alarm below 1e-5 each, 3e-3 in all.
  struct Case {
    NeuronKind kind;
    double beta;
  };
  const Vector v{.3, -1, .5, .2, .7};
  for (const Case& c : {Case{NeuronKind::erf, 1},
                        {NeuronKind::relu, 1},
                        {NeuronKind::relu_true, 1},
                        {NeuronKind::beta_gelu, 1},
                        {NeuronKind::beta_gelu, 4}}) {
    CAPTURE(static_cast<int>(c.kind));
    CAPTURE(c.beta);
    NeuronLoss exact(c.kind, teacher, c.beta);
    SampledNeuron drawn(c.kind, teacher, c.beta);
    random::Stream stream(3, 0, 0, random::Purpose::batch);
    const auto row_of = [&](models::ingredients::CurvedObjective& objective, double loss) {
      Vector out{loss}, part(5);
      objective.gradient(part);
      out.insert(out.end(), part.begin(), part.end());
      for (const CurvaturePart a : {CurvaturePart::hessian, CurvaturePart::gauss_newton, CurvaturePart::neglected}) {
        objective.product(a, v, part);
        out.insert(out.end(), part.begin(), part.end());
      }
      return out;
    };
    const Vector expected = row_of(exact, exact.move_to(start));
    Vector sum(expected.size()), squares(expected.size());
    double traces = 0, trace_squares = 0, spread = 0;
    for (int k = 0; k < 64; ++k) {
      drawn.draw(stream, 2000);
      const Vector row = row_of(drawn, drawn.move_to(start));
      for (std::size_t i = 0; i < row.size(); ++i) {
        sum[i] += row[i] / 64;
        squares[i] += row[i] * row[i] / 64;
      }
      const auto t = drawn.traces();
      traces += t.neglected / 64;
      trace_squares += t.neglected * t.neglected / 64;
      spread += t.spread * t.spread / 64;
    }
    for (std::size_t i = 0; i < sum.size(); ++i)
      CHECK(std::abs(sum[i] - expected[i]) <= 5 * std::sqrt(std::max(squares[i] - sum[i] * sum[i], 0.0) / 63) + 1e-15);
    const double trace = traces_by_columns(exact).neglected;
    CHECK(std::abs(traces - trace) <= 5 * std::sqrt(std::max(trace_squares - traces * traces, 0.0) / 63) + 1e-15);
    if (c.kind == NeuronKind::relu_true) continue;
    CHECK(std::sqrt(spread) == Approx(neglected_spread(c.kind, c.beta, start, teacher)).epsilon(0.05));  // of 128000
  }
}

TEST_CASE("one example's spread grows like sqrt beta; in one dimension and at w = 0 it is what it is") {
  const auto at = [](double beta) { return neglected_spread(NeuronKind::beta_gelu, beta, start, teacher); };
  CHECK(at(64) == Approx(19.7).epsilon(0.05));  // simulated, section 5.3
  CHECK(at(4096) / at(1024) == Approx(2).epsilon(2e-3));
  // w = 0: phi''(0) = sqrt(2/pi) of GELU, z = -phi(w*.x). d = 1: E (z phi'' x^2)^2 by itself, x by the trapezoid rule.
  const auto gelu = [](double s) { return s * 0.5 * std::erfc(-s / std::sqrt(2.0)); };
  double mean = 0, square = 0;
  for (int k = -2000; k <= 2000; ++k) {
    const double x = 0.005 * k, one = -gelu(0.7 * x) * std::sqrt(2 / 3.14159265358979323846) * x * x,
                 weight = 0.005 * std::exp(-x * x / 2) / std::sqrt(2 * 3.14159265358979323846);
    mean += weight * one;
    square += weight * one * one;
  }
  CHECK(neglected_spread(NeuronKind::beta_gelu, 1, Vector{0}, Vector{0.7}) ==
        Approx(std::sqrt(square - mean * mean)).epsilon(1e-9));
}

TEST_CASE("claims: the start exactly, the end at large batches alone") {
  const auto names = [](const std::string& more, const std::string& phi = "activation = 'erf'\n") {
    std::string out;
    for (const auto& p : prepare(experiment(phi, more))->predictions()) out += p.name + " ";
    return out;
  };
  CHECK(names("batch = 100\n") == "loss_at_start ggn_trace_at_start nme_trace_at_start ");
  CHECK(names("batch = 5000\n") ==
        "loss_at_start ggn_trace_at_start nme_trace_at_start weight_norm_at_end hessian_trace_at_end ");
  // 10000 examples, |w| = .883: 10000 (6/(beta |w| sqrt(2 pi))) = 20 at beta = 1355; 5000 of a batch at 678.
  const auto gelu = [&](const char* beta, const std::string& more) {
    return names("batch = 5000\n" + more, std::string("activation = 'beta-gelu'\nbeta = ") + beta + "\n");
  };
  CHECK(gelu("1340", "").find("nme_trace_at_start weight_norm_at_end hessian_trace_at_end") != std::string::npos);
  // The end is at a |w| of its own: w* has 0.9.
  CHECK(gelu("1370", "").find("nme_trace_at_start") == std::string::npos);
  CHECK(gelu("4000", "") == "loss_at_start ggn_trace_at_start weight_norm_at_end ");
  // A long erf neuron is a step: GGN and NME are where |w.x| < 3; 10000 (6/(|w| sqrt(2 pi))) = 20 at |w| = 1197.
  const auto erf = [&](const char* length) {
    std::string out;
    const std::string from = std::string("[") + length + ", 0, 0, 0, 0]";
    for (const auto& p : prepare(experiment("activation = 'erf'\n", "batch = 5000\n", from))->predictions())
      out += p.name + " ";
    return out;
  };
  CHECK(erf("1190").find("loss_at_start ggn_trace_at_start nme_trace_at_start") == 0);
  CHECK(erf("1190").find("end") == std::string::npos);  // a batch of 5000 sees it below 598
  CHECK(erf("590").find("end") != std::string::npos);
  CHECK(erf("1200") == "loss_at_start ");
  const std::string penalty = "kind = 'gradient-penalty'\nrho = 1\n";
  CHECK(gelu("670", penalty).find("weight_norm_at_end") != std::string::npos);
  CHECK(gelu("690", penalty) == "loss_at_start ggn_trace_at_start nme_trace_at_start ");
  CHECK(gelu("690", penalty + "part = 'gauss-newton'\n").find("weight_norm_at_end") != std::string::npos);
}

TEST_CASE("next to the teacher a neuron's loss is the rounding of its terms, and is not claimed") {
  // To second order in w - w* = (delta, 0, ...) the loss is delta^2/2 E phi'^2 x_1^2 > 0.
  const auto at = [](double delta, const char* phi) {
    return prepare(experiment(phi, "", fmt::format("[{:.17g}, -0.4, 0.6, 0, 0.2]", .5 + delta)));
  };
  for (const char* phi : {"activation = 'erf'\n", "activation = 'relu'\n", "activation = 'beta-gelu'\nbeta = 30\n"}) {
    const auto names = [&](double delta) {
      std::string out;
      for (const auto& p : at(delta, phi)->predictions()) out += p.name + " ";
      return out;
    };
    for (const double delta : {0.0, 1e-10, -1e-10})
      CHECK(names(delta) == "ggn_trace_at_start weight_norm_at_end hessian_trace_at_end ");
    CHECK(names(1e-3).find("loss_at_start ggn_trace_at_start ") == 0);
    for (const double delta : {0.0, 1e-10, -1e-10}) CHECK(at(delta, phi)->solve().find("loss")->value.front() >= 0);
  }
}

TEST_CASE("nothing is claimed of an end that batches do not lead to") {
  const auto claims = [](const std::string& text) {
    std::string out;
    for (const auto& p : prepare(text)->predictions()) out += p.name + " ";
    return out;
  };
  // From -w* the population goes along the line through 0, batches of 6089 around it: |w| ends at .0567(5), not .0463.
  const auto sam = [&](const char* w) {
    return claims(
        "model = 'single-neuron'\n[time]\nat = [44]\n[data]\nteacher = [-0.041, -0.0034, 0.0277, 0.0153, "
        "0.0297]\n[neuron]\nactivation = 'erf'\nstart = " +
        std::string(w) + "\n[optimizer]\nkind = 'sam'\nlearning_rate = 0.4575\nrho = 0.11437\nbatch = 6089\n");
  };
  CHECK(sam("[0.041, 0.0034, -0.0277, -0.0153, -0.0297]") == "loss_at_start ggn_trace_at_start nme_trace_at_start ");
  // Passing the kink, 50 runs of a batch of 5508: tr H 2.155(56), of the population 2.486, |w| .3001(10), .2984.
  const auto kink = claims(
      "model = 'single-neuron'\n[time]\nat = [2]\n[data]\nteacher = [-9.2, 2.3, -5.4, -3.7, -2.5]\n[neuron]\nstart = "
      "[0, "
      "0, 0, 0, 0]\nactivation = 'beta-gelu'\nbeta = 39\n[optimizer]\nlearning_rate = 0.034\nbatch = 5508\n");
  CHECK(kink.find("weight_norm_at_end") != std::string::npos);
  CHECK(kink.find("hessian_trace_at_end") == std::string::npos);
}

TEST_CASE("a neuron's claims are read off the first and the last row; at w = 0 there are no slopes") {
  const auto problem = prepare(experiment("activation = 'erf'\n", "batch = 5000\n"));
  const auto theory = problem->solve();
  const std::vector<std::string> names{"loss", "weight_norm"};
  models::RecordedReplica run;
  run.names = names;
  run.steps = {0, 20, 50};
  run.rows = {{3, 2, 1}, {6, 5, 4}};
  const auto claims = problem->predictions();
  CHECK(claims.at(0).statistic(run) == 3.0);
  CHECK(claims.at(0).nominal == theory.find("loss")->value.front());
  CHECK(claims.at(0).low == claims[0].high);
  CHECK(claims.at(3).statistic(run) == 4.0);
  const double end = theory.find("weight_norm")->value.back();
  CHECK(claims[3].nominal == end);
  CHECK(claims[3].high - end == Approx(end - claims[3].low).epsilon(1e-9));
  run.diverged = true;
  CHECK(!claims[0].statistic(run));
  const auto nothing =
      prepare(experiment("activation = 'beta-gelu'\nbeta = 4\n", "kind = 'sgd'\n", "[0.0, 0.0, 0.0, 0.0, 0.0]"))
          ->stability();
  CHECK(!models::testing::there(nothing, "relu_nme_trace"));
  CHECK(!models::testing::there(nothing, "hessian_trace_slope"));
}

TEST_CASE("bad input of a neuron is named") {
  CHECK(holds(error_of(experiment("", "", "[0.8]")), "start: needs one number per number of data.teacher: 5"));
  CHECK(holds(error_of(experiment("", "", "[0, 0, 0, 0, 0]", "[0, 0, 0, 0, 0]")), "teacher: must not be 0"));
  CHECK(holds(error_of(experiment("", "", "[0, 2e60, 0, 0, 0]")), "neuron.start: must be no longer than 1e+60"));
  CHECK(holds(error_of(experiment("", "", "[1, 0, 0, 0, 0]", "[1e200, 0, 0, 0, 0]")),
              "data.teacher: must be no longer than 1e+60"));
  CHECK(finding(experiment("", "", "[1e59, 0, 0, 0, 0]"), "sharpness") > 0);
  CHECK(holds(error_of(experiment("activation = 'relu'\n", "", "[0, 0, 0, 0, 0]")), "no gradient there"));
  CHECK(holds(error_of(experiment("activation = 'erf'\nbeta = 2\n")), "beta"));
  CHECK(holds(error_of(experiment("activation = 'erf'\ndistributional = true\n")), "distributional"));
  CHECK(holds(error_of(experiment("", "batch = 1e9\n")), "times d must be at most"));
  CHECK(prepare(experiment("activation = 'erf'\n", "", "[0, 0, 0, 0, 0]"))->solve().find("loss")->value.back() > 0);
}
