// One neuron's loss on drawn examples, and runs on fresh batches, example by example.
#include "models/network/sampled_neuron.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <functional>
#include <numbers>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using models::ingredients::CurvaturePart;
using models::network::NeuronKind;
using models::network::SampledNeuron;
using Vector = std::vector<double>;

namespace {

const Vector teacher{0.5, -0.4, 0.6}, start{0.8, 0.3, -0.2};

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// phi and its derivatives by s.
std::array<double, 3> erf_at(double s) {
  const double bell = std::sqrt(2 / std::numbers::pi) * std::exp(-s * s / 2);
  return {std::erf(s / std::numbers::sqrt2), bell, -s * bell};
}
std::array<double, 3> relu_at(double s) {
  return {s > 0 ? s : 0, s > 0 ? 1. : 0, 0};
}
/// s Phi(beta s), beta = 1.5.
std::array<double, 3> gelu_at(double s) {
  const double b = 1.5, Phi = std::erfc(-b * s / std::numbers::sqrt2) / 2,
               bell = b * std::exp(-b * b * s * s / 2) / std::sqrt(2 * std::numbers::pi);
  return {s * Phi, Phi + s * bell, 2 * bell - b * b * s * s * bell};
}

std::vector<Vector> examples(random::Stream& stream, std::size_t count) {
  Vector all(3 * count);
  stream.normals(all);
  std::vector<Vector> out;
  for (std::size_t i = 0; i < count; ++i) out.emplace_back(all.begin() + 3 * i, all.begin() + 3 * i + 3);
  return out;
}

struct Sums {
  double loss = 0, ggn_trace = 0, nme_trace = 0, spread = 0;
  Vector gradient = Vector(3), ggn = Vector(3), nme = Vector(3);  ///< products with v
};
Sums summed(const std::vector<Vector>& x, const Vector& w, const Vector& v, bool kink,
            const std::function<std::array<double, 3>(double)>& phi) {
  Sums out;
  double squares = 0;
  const auto n = static_cast<double>(x.size());
  for (const Vector& one : x) {
    const auto [value, first, second] = phi(dot(one, w));
    const double z = value - phi(dot(one, teacher))[0];
    Vector at = one;
    double weight = z * second;
    if (kink) {  // phi'' = delta(w.x): z at the projection onto w.x = 0, whose density there is 1/(sqrt(2 pi) |w|)
      for (std::size_t i = 0; i < 3; ++i) at[i] -= dot(one, w) / dot(w, w) * w[i];
      weight = (phi(0)[0] - phi(dot(at, teacher))[0]) / std::sqrt(2 * std::numbers::pi * dot(w, w));
    }
    out.loss += z * z / 2 / n;
    out.ggn_trace += first * first * dot(one, one) / n;
    out.nme_trace += weight * dot(at, at) / n;
    squares += std::pow(weight * dot(at, at), 2) / n;
    for (std::size_t i = 0; i < 3; ++i) {
      out.gradient[i] += z * first * one[i] / n;
      out.ggn[i] += first * first * dot(one, v) * one[i] / n;
      out.nme[i] += weight * dot(at, v) * at[i] / n;
    }
  }
  out.spread = std::sqrt(squares - out.nme_trace * out.nme_trace);
  return out;
}

}  // namespace

TEST_CASE("a neuron's loss on drawn examples is their mean, with all that is taken of it") {
  const Vector v{0.3, -1, 0.5};
  struct Case {
    NeuronKind kind;
    std::function<std::array<double, 3>(double)> phi;
  };
  for (const Case& c : {Case{NeuronKind::erf, erf_at},
                        {NeuronKind::relu, relu_at},
                        {NeuronKind::relu_true, relu_at},
                        {NeuronKind::beta_gelu, gelu_at}}) {
    CAPTURE(static_cast<int>(c.kind));
    random::Stream stream(3, 0), same(3, 0);
    SampledNeuron neuron(c.kind, teacher, 1.5);
    neuron.draw(stream, 5);
    const Sums expected = summed(examples(same, 5), start, v, c.kind == NeuronKind::relu_true, c.phi);
    CHECK(neuron.move_to(start) == Approx(expected.loss).epsilon(1e-13));
    Vector seen(3);
    const auto check = [&](double a, double b) {
      for (std::size_t i = 0; i < 3; ++i)
        CHECK(seen[i] == Approx(a * expected.ggn[i] + b * expected.nme[i]).epsilon(1e-12).scale(1e-14));
    };
    neuron.product(CurvaturePart::hessian, v, seen);
    check(1, 1);
    neuron.product(CurvaturePart::gauss_newton, v, seen);
    check(1, 0);
    neuron.product(CurvaturePart::neglected, v, seen);
    check(0, 1);
    neuron.gradient(seen);
    for (std::size_t i = 0; i < 3; ++i) CHECK(seen[i] == Approx(expected.gradient[i]).epsilon(1e-12));
    const auto traces = neuron.traces();
    CHECK(traces.gauss_newton == Approx(expected.ggn_trace).epsilon(1e-13));
    CHECK(traces.neglected == Approx(expected.nme_trace).epsilon(1e-13));
    CHECK(traces.spread == Approx(expected.spread).epsilon(1e-12));
  }
}

TEST_CASE("a neuron's replica: a fresh batch a step, fresh examples a record") {
  const auto problem = models::testing::prepare(
      "model = 'single-neuron'\n[time]\nsteps = 6\n[data]\nteacher = [0.5, -0.4, 0.6]\n[neuron]\nstart = [0.8, 0.3, "
      "-0.2]\nactivation = 'erf'\n[optimizer]\nkind = 'sgd'\nbatch = 4\nlearning_rate = 0.3\n[schedule]\nkind = "
      "'linear'\n[monte_carlo]\nexamples = 9\n");
  const auto simulation = problem->simulate();
  const auto replica = simulation->replica(5, 2);
  random::Stream batches(5, 2, 0, random::Purpose::batch), records(5, 2, 0, random::Purpose::gradient);
  Vector w = start, row(simulation->observables().size());
  for (std::uint64_t step = 0; step < 6; ++step) {
    batches.seek(step);
    const Sums now = summed(examples(batches, 4), w, w, false, erf_at);
    for (std::size_t i = 0; i < 3; ++i) w[i] -= 0.3 * (1 - static_cast<double>(step) / 6) * now.gradient[i];
    replica->advance(step + 1);
    replica->observe(row);
    records.seek(step + 1);
    const Sums seen = summed(examples(records, 9), w, w, false, erf_at);
    const double norm = std::sqrt(dot(w, w));
    const double expected[] = {seen.loss,
                               norm,
                               dot(w, teacher) / norm / std::sqrt(dot(teacher, teacher)),
                               seen.ggn_trace + seen.nme_trace,
                               seen.ggn_trace,
                               seen.nme_trace,
                               seen.spread};
    REQUIRE(row.size() == 7);
    for (std::size_t o = 0; o < 7; ++o) {
      CAPTURE(simulation->observables()[o].name);
      CHECK(row[o] == Approx(expected[o]).epsilon(1e-11));
    }
  }
}
