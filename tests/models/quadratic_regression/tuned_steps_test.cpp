// Rate rules on second-order regression: the tables of docs/theory/curvature-dynamics.md, section 3.3, the same rules in
// parameter space from their definition, ends, and bad input.
#include "models/quadratic_regression/tuned_steps.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/framework/absent.hpp"
#include "models/quadratic_regression/simulation.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using linear_algebra::Matrix;
using models::ingredients::QuadraticInstance;
using models::testing::error_of;
using models::testing::holds;
using models::testing::prepare;

namespace {

/// Recorded rows of a replica, by observable.
std::map<std::string, std::vector<double>> recorded(const models::Problem& problem, const std::vector<int>& at,
                                                    std::uint64_t seed = 1, std::uint64_t index = 0) {
  const auto simulation = problem.simulate();
  const auto replica = simulation->replica(seed, index);
  std::map<std::string, std::vector<double>> out;
  std::vector<double> row(simulation->observables().size());
  for (const int step : at) {
    replica->advance(static_cast<std::uint64_t>(step));
    replica->observe(row);
    for (std::size_t k = 0; k < row.size(); ++k) out[simulation->observables()[k].name].push_back(row[k]);
  }
  return out;
}

const std::string head = "model = 'quadratic-regression'\n[time]\nat = [1, 2, 5, 6, 20, 21]\n";
const std::string portable = "[data]\nensemble = 'portable'\noutputs = 8\nparameters = 16\n";

/// z, J, L, g and H of the definition, entry by entry, of the rows that count.
struct Definition {
  const QuadraticInstance& x;
  Matrix jacobian(const std::vector<double>& theta) const {
    Matrix j = x.j0;
    for (std::size_t a = 0; a < j.rows(); ++a)
      for (std::size_t i = 0; i < j.columns(); ++i)
        for (std::size_t k = 0; k < j.columns(); ++k) j(a, i) += x.curvature.at(a, i, k) * theta[k];
    return j;
  }
  std::vector<double> residual(const std::vector<double>& theta, const std::vector<double>& counts) const {
    const Matrix j = jacobian(theta);
    std::vector<double> z = x.z0;
    for (std::size_t a = 0; a < z.size(); ++a) {
      for (std::size_t i = 0; i < theta.size(); ++i) z[a] += 0.5 * (x.j0(a, i) + j(a, i)) * theta[i];
      z[a] *= counts[a];
    }
    return z;
  }
  double loss(const std::vector<double>& theta, const std::vector<double>& counts) const {
    double sum = 0;
    for (const double z : residual(theta, counts)) sum += z * z / 2;
    return sum;
  }
  std::vector<double> gradient(const std::vector<double>& theta, const std::vector<double>& counts) const {
    const Matrix j = jacobian(theta);
    const std::vector<double> z = residual(theta, counts);
    std::vector<double> g(theta.size());
    for (std::size_t i = 0; i < g.size(); ++i)
      for (std::size_t a = 0; a < z.size(); ++a) g[i] += j(a, i) * z[a];
    return g;
  }
  Matrix hessian(const std::vector<double>& theta, const std::vector<double>& counts) const {
    const Matrix j = jacobian(theta);
    const std::vector<double> z = residual(theta, counts);
    const std::size_t p = theta.size();
    Matrix h(p, p);
    for (std::size_t a = 0; a < z.size(); ++a)
      for (std::size_t i = 0; i < p; ++i)
        for (std::size_t k = 0; k < p; ++k) h(i, k) += counts[a] * j(a, i) * j(a, k) + z[a] * x.curvature.at(a, i, k);
    return h;
  }
};

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double along(const Matrix& h, const std::vector<double>& u) {
  double sum = 0;
  for (std::size_t i = 0; i < u.size(); ++i)
    for (std::size_t k = 0; k < u.size(); ++k) sum += u[i] * h(i, k) * u[k];
  return sum;
}

/// A random instance of curvature 3 whose tensor is held.
QuadraticInstance stored_instance(std::size_t outputs, std::size_t parameters) {
  models::ingredients::QuadraticLaw law;
  law.outputs = outputs;
  law.parameters = parameters;
  law.curvature = 3;
  return models::ingredients::draw_instance(law, 4, 0, models::ingredients::CurvatureTensor::Storage::stored);
}

}  // namespace

TEST_CASE("the portable instance is the page's, section 3.3") {
  models::ingredients::QuadraticLaw law;
  law.outputs = 8;
  law.parameters = 16;
  law.portable = true;
  using Storage = models::ingredients::CurvatureTensor::Storage;
  const QuadraticInstance x = models::ingredients::draw_instance(law, 2, 0, Storage::stored);
  CHECK(x.z0[0] == Approx(0.903796279765866).epsilon(1e-14));
  CHECK(x.z0[7] == Approx(-0.731055177157876).epsilon(1e-14));
  CHECK(x.j0(0, 0) == Approx(0.312294505414977).epsilon(1e-14));
  CHECK(x.curvature.at(0, 0, 0) == Approx(-0.0224419409491462).epsilon(1e-14));
  CHECK(x.curvature.at(0, 0, 1) == Approx(0.002099755655111).epsilon(1e-12));
  CHECK(x.curvature.at(7, 15, 15) == Approx(-0.0105742755699088).epsilon(1e-14));
  // Of seed + replica; its variances scale every part.
  const QuadraticInstance next = models::ingredients::draw_instance(law, 1, 1, Storage::stored);
  CHECK(next.z0 == x.z0);
  law.residual_variance = 4;
  law.jacobian_variance = 9;
  law.curvature = 16;
  const QuadraticInstance larger = models::ingredients::draw_instance(law, 2, 0, Storage::stored);
  CHECK(larger.z0[7] == Approx(2 * x.z0[7]).epsilon(1e-14));
  CHECK(larger.j0(5, 3) == Approx(3 * x.j0(5, 3)).epsilon(1e-14));
  CHECK(larger.curvature.at(3, 9, 4) == Approx(4 * x.curvature.at(3, 9, 4)).epsilon(1e-14));
  CHECK_THROWS_AS(models::ingredients::draw_instance(law, 2, 0, Storage::streamed), std::invalid_argument);
  const auto findings =
      prepare(head + portable + "[rate]\nkind = 'cdat'\nsigma = 1.5\n[monte_carlo]\nseed = 2\n")->stability();
  CHECK(models::testing::number(findings, "late_eta_lambda") ==
        Approx(2 / (1 + models::testing::number(findings, "ntk_min") / models::testing::number(findings, "ntk_max")))
            .epsilon(1e-14));
}

TEST_CASE("tuners on the portable instance: L, eta and lambda of section 3.3") {
  struct Row {
    const char* rule;
    double at[9];  // L_k, eta_k, lambda_k at k = 1, 5, 20
  };
  for (const Row& row :
       {Row{"[optimizer]\nlearning_rate = 0.25\n[monte_carlo]\nevery_step = true\n",
            {3.08628075204, .25, 2.73795219953, .979830425728, .25, 3.92934936745, .0220214991807, .25, 5.72566253424}},
        {"[rate]\nkind = 'cdat'\nsigma = 1\n[monte_carlo]\n",
         {1.98103472569, .75611512001, 3.62424365271, .257795260545, .409599823309, 4.99209806345, .00223124679176,
          .271463107399, 6.06480359155}},
        {"[rate]\nkind = 'cdat'\nsigma = 2\n[monte_carlo]\n",
         {9.21807647624, .465985050322, 6.40380176772, 2.12116808781, .519347341176, 5.15863540046, 1.57842819353,
          .389450748751, 5.43329549803}},
        {"[rate]\nkind = 'cdat'\nsigma = 2\nema = 0.9\n[monte_carlo]\n",
         {9.21807647624, .78471753354, 6.40380176772, 1.41395956365, .515295194887, 3.92972912791, .108546813949,
          .43909824476, 4.68167591304}},
        {"[rate]\nkind = 'armijo'\nc = 1e-4\nshrink = 0.8\ngrow = 1.5\neta_init = 0.25\neta_max = "
         "1000\n[monte_carlo]\n",
         {3.08628075204, .375, 2.73795219953, .318065640185, .3981312, 5.72676300386, .00425725036226, .337221095184,
          6.0135970938}},
        {"[rate]\nkind = 'stochastic-polyak'\nc = 1\neta_max = 1\n[monte_carlo]\n",
         {2.13525131029, .981242750682, 3.09057110017, .243682561416, .282497129136, 5.13537562843, .000257352773905,
          .21753394246, 6.12652948072}}}) {
    CAPTURE(row.rule);
    const auto problem = prepare(head + portable + row.rule + "seed = 2\n");
    const auto run = recorded(*problem, {1, 2, 5, 6, 20, 21}, 2);
    for (std::size_t k = 0; k < 3; ++k) {
      CHECK(8 * run.at("loss")[2 * k] == Approx(row.at[3 * k]).epsilon(1e-9));
      CHECK(run.at("sharpness")[2 * k] == Approx(row.at[3 * k + 2]).epsilon(1e-9));
      CHECK(run.at("eta_lambda")[2 * k + 1] == Approx(row.at[3 * k + 1] * row.at[3 * k + 2]).epsilon(2e-9));
      if (run.count("learning_rate"))
        CHECK(run.at("learning_rate")[2 * k + 1] == Approx(row.at[3 * k + 1]).epsilon(1e-9));
    }
  }
}

TEST_CASE("rules on batches are those of parameter space, from their definition") {
  constexpr std::size_t d = 6, p = 9, steps = 12;
  const QuadraticInstance x = stored_instance(d, p);
  const Definition definition{x};
  struct Seen {
    std::vector<double> theta, counts, g;
    Matrix h;
  };
  struct Case {
    const char* rule;
    std::function<double(const Seen&)> rate;  // of the next step
  };
  double n = 0, c = 0, accepted = 0, average = 0;
  bool first = true;
  const auto cdat = [&](const Seen& s) {
    n = first ? dot(s.g, s.g) : .6 * n + .4 * dot(s.g, s.g);
    c = first ? std::abs(along(s.h, s.g)) : .6 * c + .4 * std::abs(along(s.h, s.g));
    return 1.4 * n / c;
  };
  const auto armijo = [&](const Seen& s) {
    double eta = first ? .9 : std::min(1.3 * accepted, 1.0);
    const double here = definition.loss(s.theta, s.counts);
    for (;; eta *= .7) {
      std::vector<double> there = s.theta;
      for (std::size_t i = 0; i < p; ++i) there[i] -= eta * s.g[i];
      if (definition.loss(there, s.counts) <= here - .3 * eta * dot(s.g, s.g)) break;
    }
    accepted = eta;
    return eta;
  };
  const auto inverse = [&](const Seen& s) {
    const double lambda = linear_algebra::symmetric_eigenvalues(s.h).back();
    average = first ? lambda : .5 * average + .5 * lambda;
    return 1.2 / average;
  };
  const auto polyak = [&](const Seen& s) { return definition.loss(s.theta, s.counts) / (.5 * dot(s.g, s.g)); };
  for (const std::size_t batch : {d, std::size_t{4}})
    for (const Case& one : {Case{"kind = 'cdat'\nsigma = 1.4\nema = 0.6\n", cdat},
                            Case{"kind = 'armijo'\nc = 0.3\nshrink = 0.7\ngrow = 1.3\neta_init = 0.9\n", armijo},
                            Case{"kind = 'inverse-sharpness'\nsigma = 1.2\nema = 0.5\n", inverse},
                            Case{"kind = 'stochastic-polyak'\n", polyak}}) {
      CAPTURE(one.rule);
      CAPTURE(batch);
      first = true;
      const auto problem = prepare(
          "model = 'quadratic-regression'\n[data]\noutputs = 6\nparameters = 9\ncurvature = 3\n[optimizer]\nkind = "
          "'sgd'\nbatch = " +
          std::to_string(batch) + "\n[time]\nsteps = 12\n[schedule]\nkind = 'linear'\n[rate]\n" + one.rule);
      models::quadratic_regression::RowMasks masks(d, batch, 4, 0);
      const auto simulation = problem->simulate();
      const auto replica = simulation->replica(4, 0);
      std::vector<double> row(simulation->observables().size()), theta(p);
      const auto place = [&](const std::string& name) {
        for (std::size_t k = 0; k < row.size(); ++k)
          if (simulation->observables()[k].name == name) return k;
        FAIL(name);
        return row.size();
      };
      const std::vector<double> all(d, 1.0);
      std::vector<double> products;
      for (std::size_t k = 0; k < steps; ++k) {
        Seen seen{theta, std::vector<double>(d, batch == d ? 1.0 : 0.0), {}, {}};
        for (const std::size_t a : masks.rows(k)) seen.counts[a] = 1;
        seen.g = definition.gradient(theta, seen.counts);
        seen.h = definition.hessian(theta, seen.counts);
        const double eta = one.rate(seen) * (1 - static_cast<double>(k) / steps);
        accepted = eta;
        first = false;
        products.push_back(eta * linear_algebra::symmetric_eigenvalues(definition.hessian(theta, all)).back());
        for (std::size_t i = 0; i < p; ++i) theta[i] -= eta * seen.g[i];
        replica->advance(k + 1);
        replica->observe(row);
        CHECK(row[place("learning_rate")] == Approx(eta).epsilon(1e-9));
        CHECK(row[place("loss")] == Approx(definition.loss(theta, all) / d).epsilon(1e-9));
        CHECK(row[place("eta_lambda")] == Approx(products.back()).epsilon(1e-9));
        CHECK(row[place("sharpness")] ==
              Approx(linear_algebra::symmetric_eigenvalues(definition.hessian(theta, all)).back()).epsilon(1e-9));
      }
      const auto below = std::ranges::count_if(products, [](double v) { return v < 2; });
      CHECK(row[place("share_below_edge")] == Approx(static_cast<double>(below) / steps).epsilon(1e-14));
      std::ranges::sort(products);
      CHECK(row[place("median_eta_lambda")] == Approx((products[5] + products[6]) / 2).epsilon(1e-9));
    }
}

TEST_CASE("base updates, tuned and at a given rate, are those of parameter space, from their definition") {
  constexpr std::size_t d = 6, p = 9, steps = 10;
  const QuadraticInstance x = stored_instance(d, p);
  const Definition definition{x};
  struct Base {
    std::string kind, keys;
    double momentum, beta1, beta2, edge;  // beta2 = 0: not adaptive
  };
  for (const std::size_t batch : {d, std::size_t{4}})
    for (const Base& base : {Base{batch == d ? "gd" : "sgd", "momentum = 0.6\n", .6, 0, 0, 1.6},
                             Base{"rmsprop", "beta2 = 0.9\nepsilon = 0.01\n", 0, 0, .9, 1},
                             Base{"adam", "beta1 = 0.8\nbeta2 = 0.9\nepsilon = 0.01\n", 0, .8, .9, 9}})
      for (const std::string rate : {"", "cdat", "inverse-sharpness"}) {
        CAPTURE(batch);
        CAPTURE(base.kind);
        CAPTURE(rate);
        const std::string tuned = rate.empty()     ? "learning_rate = 0.03\n[monte_carlo]\nburn_in = 2\n"
                                  : rate == "cdat" ? "[rate]\nkind = 'cdat'\nsigma = 1.4\n"
                                                   : "[rate]\nkind = 'inverse-sharpness'\nsigma = 1.2\n";
        const auto problem = prepare(
            "model = 'quadratic-regression'\n[data]\noutputs = 6\nparameters = 9\ncurvature = 3\n[time]\nsteps = "
            "10\n[schedule]\nkind = 'linear'\n[optimizer]\nkind = '" +
            base.kind + "'\n" + base.keys + (batch == d ? "" : "batch = 4\n") + tuned);
        models::quadratic_regression::RowMasks masks(d, batch, 4, 0);
        const auto simulation = problem->simulate();
        const auto replica = simulation->replica(4, 0);
        std::vector<double> row(simulation->observables().size());
        const auto seen = [&](const std::string& name) {
          for (std::size_t k = 0; k < row.size(); ++k)
            if (simulation->observables()[k].name == name) return row[k];
          FAIL(name);
          return 0.0;
        };
        std::vector<double> theta(p), m(p), v(p), u(p), P(p, 1.0), products;
        const auto scaled = [&](Matrix h) {
          for (std::size_t i = 0; i < p; ++i)
            for (std::size_t k = 0; k < p; ++k) h(i, k) /= std::sqrt(P[i] * P[k]);
          return linear_algebra::symmetric_eigenvalues(h).back();
        };
        const std::vector<double> all(d, 1.0);
        for (std::size_t k = 0; k < steps; ++k) {
          std::vector<double> counts(d, batch == d ? 1.0 : 0.0);
          for (const std::size_t a : masks.rows(k)) counts[a] = 1;
          const std::vector<double> g = definition.gradient(theta, counts);
          const double age = static_cast<double>(k) + 1;
          for (std::size_t i = 0; i < p; ++i) {
            m[i] = base.beta2 > 0 ? base.beta1 * m[i] + (1 - base.beta1) * g[i] : base.momentum * m[i] + g[i];
            v[i] = base.beta2 * v[i] + (1 - base.beta2) * g[i] * g[i];
            if (base.beta2 > 0) P[i] = std::sqrt(v[i] / (1 - std::pow(base.beta2, age))) + .01;
            u[i] = m[i] / P[i] / (base.beta1 > 0 ? 1 - std::pow(base.beta1, age) : 1);
          }
          const Matrix h = definition.hessian(theta, counts);
          const double own = rate.empty()     ? .03
                             : rate == "cdat" ? 1.4 * std::max(dot(g, u), 0.0) / std::abs(along(h, u))
                                              : 1.2 / scaled(h);
          const double eta = own * (1 - static_cast<double>(k) / steps);
          products.push_back(eta * scaled(definition.hessian(theta, all)) / base.edge);
          for (std::size_t i = 0; i < p; ++i) theta[i] -= eta * u[i];
          replica->advance(k + 1);
          replica->observe(row);
          CHECK(models::is_absent(seen("median_eta_lambda")) == (rate.empty() && k < 2));  // burn_in
          CHECK(models::is_absent(seen("share_below_edge")) == (rate.empty() && k < 2));
          CHECK(seen("loss") == Approx(definition.loss(theta, all) / d).epsilon(1e-8));
          CHECK(seen("parameter_power") == Approx(dot(theta, theta) / p).epsilon(1e-8));
          CHECK(seen("eta_lambda") == Approx(products.back()).epsilon(1e-8));
          if (!rate.empty()) CHECK(seen("learning_rate") == Approx(eta).epsilon(1e-8));
        }
        if (rate.empty()) products.erase(products.begin(), products.begin() + 2);
        const auto below = std::ranges::count_if(products, [](double value) { return value < 2; });
        CHECK(seen("share_below_edge") ==
              Approx(static_cast<double>(below) / static_cast<double>(products.size())).epsilon(1e-14));
      }
}

TEST_CASE("the sharpening toy is a given instance: L, eta and lambda of section 3.2") {
  // theta = (1.1, 0, 0) + what is moved: z = (x (1 + m1) - 1, .03 (m1 + m2) - 1).
  const std::string toy =
      "model = 'quadratic-regression'\n[data]\nensemble = 'given'\nz0 = [0.1, -1]\nJ0 = [[1, 1.1, 0], [0, 0.03, "
      "0.03]]\n"
      "Q = [[0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]\n[time]\nsteps = 60\n";
  struct Row {
    const char* rule;
    double at[9];
  };
  for (const Row& row : {Row{"[optimizer]\nlearning_rate = 0.8\n[monte_carlo]\nevery_step = true\n",
                             {.5022258592, .8, 1.87188179, .4906621656, .8, 2.062726651, .4431242709, .8, 3.510383619}},
                         {"[rate]\nkind = 'cdat'\nsigma = 1\n",
                          {.5007967851, 134.8184561, 2.049820619, .3358044556, .3723376944, 8.5913258, .3242281549,
                           .2934847819, 10.00117388}},
                         {"[rate]\nkind = 'cdat'\nsigma = 2\nema = 0.9\n",
                          {.5037893345, .9556393709, 1.800224558, .4921405861, 1.010565991, 2.338864947, .4784349161,
                           .8581776789, 2.991152531}}}) {
    CAPTURE(row.rule);
    const auto run = recorded(*prepare(toy + row.rule), {1, 2, 10, 11, 50, 51});
    for (std::size_t k = 0; k < 3; ++k) {
      CHECK(2 * run.at("loss")[2 * k] == Approx(row.at[3 * k]).epsilon(1e-9));
      CHECK(run.at("sharpness")[2 * k] == Approx(row.at[3 * k + 2]).epsilon(1e-9));
      CHECK(run.at("eta_lambda")[2 * k + 1] == Approx(row.at[3 * k + 1] * row.at[3 * k + 2]).epsilon(2e-9));
    }
  }
}

TEST_CASE("what a rule is shown of a step is the batch's own loss along it, for every rate") {
  constexpr std::size_t d = 6, p = 9;
  models::ingredients::QuadraticLaw law;
  law.outputs = d;
  law.parameters = p;
  law.curvature = 3;
  const QuadraticInstance x =
      models::ingredients::draw_instance(law, 4, 0, models::ingredients::CurvatureTensor::Storage::stored);
  const Definition definition{x};
  struct Probe final : models::ingredients::RateRule {
    models::ingredients::RateNeeds needs() const override { return {.own_loss = true, .sharpness = true}; }
    double rate(std::span<const double>, const models::ingredients::StepObservation& now) const override {
      seen = now;
      for (const double eta : {0.0, .2, 1.7, -.4}) after.push_back(now.loss_after(eta));
      return .3;
    }
    mutable models::ingredients::StepObservation seen;
    mutable std::vector<double> after;
  } probe;
  models::quadratic_regression::QuadraticState state(x);
  models::quadratic_regression::TunedSteps tuned(&probe, {}, false, p);
  std::vector<double> theta(p);
  for (const std::vector<std::size_t>& batch :
       {std::vector<std::size_t>{1, 4, 5}, {0, 2}, {}, {3}, std::vector<std::size_t>{0, 1, 2, 3}}) {
    std::vector<double> counts(d, batch.empty() ? 1.0 : 0.0);
    for (const std::size_t a : batch) counts[a] = 1;
    const std::vector<double> g = definition.gradient(theta, counts);
    const Matrix h = definition.hessian(theta, counts);
    probe.after.clear();
    models::quadratic_regression::JointSteps steps;
    steps.add(state, batch, &tuned);
    steps.take({});
    CHECK(probe.seen.loss == Approx(definition.loss(theta, counts)).epsilon(1e-12));
    CHECK(probe.seen.descent == Approx(dot(g, g)).epsilon(1e-12));
    CHECK(probe.seen.curvature_along == Approx(along(h, g)).epsilon(1e-11));
    CHECK(probe.seen.sharpness == Approx(linear_algebra::symmetric_eigenvalues(h).back()).epsilon(1e-10));
    CHECK(probe.seen.squared_distance == Approx(dot(theta, theta)).epsilon(1e-12));
    CHECK(probe.seen.toward_start == Approx(-dot(g, theta)).epsilon(1e-11));
    std::size_t k = 0;
    for (const double eta : {0.0, .2, 1.7, -.4}) {
      std::vector<double> there = theta;
      for (std::size_t i = 0; i < p; ++i) there[i] -= eta * g[i];
      CHECK(probe.after[k++] == Approx(definition.loss(there, counts)).epsilon(1e-11));
    }
    for (std::size_t i = 0; i < p; ++i) theta[i] -= .3 * g[i];
    CHECK(tuned.last() == .3);
  }
}

TEST_CASE("whole vectors, averages and distances: rules that know more than a rate descend too") {
  for (const std::string kind : {"dog", "dowg", "adagrad-norm", "momo", "mechanic", "cocob", "prodigy", "d-adaptation",
                                 "prodigy-adam", "polyak", "line-search"}) {
    CAPTURE(kind);
    const auto problem = prepare(
        "model = 'quadratic-regression'\n[data]\noutputs = 4\nparameters = 8\n[time]\nsteps = 60\n[rate]\nkind = '" +
        kind + "'\n");
    const auto run = recorded(*problem, {0, 30, 60});
    CHECK(run.at("loss")[2] < run.at("loss")[0]);
    CHECK(run.at("learning_rate")[2] > 0);
    // z is that of theta: |theta|^2/P and z0'z/|z0|^2 stay finite and bounded.
    CHECK(run.at("parameter_power")[2] < 100);
  }
}

TEST_CASE("every rate rule along a run is the rule alone, shown what it may see") {
  using namespace models::ingredients;
  const std::string adam = "beta1 = 0.7\nbeta2 = 0.9\nepsilon = 1e-3\n";
  const std::string rules[] = {
      "kind = 'adagrad-norm'\neta0 = 0.7\nb0 = 0.4\n",
      "kind = 'polyak'\nmultiplier = 0.6\n",
      "kind = 'stochastic-polyak'\nc = 0.9\nf_min = 0.03\n",
      "kind = 'stochastic-polyak'\neta_max = 0.02\n",
      "kind = 'line-search'\nmultiplier = 0.9\n",
      "kind = 'dog'\nr_eps = 0.05\nepsilon = 0.1\nmultiplier = 0.8\n",
      "kind = 'dowg'\nr_eps = 0.2\nepsilon = 0.01\nform = 'root'\n",
      "kind = 'd-adaptation'\nd0 = 0.02\nprior = 0.3\n",
      "kind = 'prodigy'\nd0 = 0.03\nprior = 0.2\n",
      "kind = 'momo'\nbeta = 0.6\neta_max = 0.1\nf_min = 0.02\n",
      "kind = 'mechanic'\ns0 = 0.2\nlambda = 0.03\ndisplacement = 'recomputed'\nmultiplier = 0.3\n",
      "kind = 'cocob'\nalpha = 20\nepsilon = 0.01\n",
      "kind = 'prodigy-adam'\nd0 = 0.02\n" + adam,
      "kind = 'd-adaptation-adam'\nd0 = 0.02\n" + adam,
      "kind = 'momo-adam'\neta_max = 0.1\nf_min = 0.03\n" + adam,
      "kind = 'nadamw'\nlearning_rate = 0.02\nweight_decay = 0.1\n" + adam,
      "kind = 'cdat'\nsigma = 1.3\nema = 0.6\nepsilon = 0.05\nmultiplier = 0.9\n",
      "kind = 'cdat'\neta_max = 0.05\n",
      "kind = 'armijo'\nc = 0.3\nshrink = 0.7\ngrow = 1.2\neta_init = 3.0\neta_max = 4.0\n",
      "kind = 'inverse-sharpness'\nsigma = 1.4\ndelay = 1\nema = 0.3\neta_max = 0.5\n"};
  const QuadraticInstance x = stored_instance(6, 9);
  const Definition definition{x};
  const std::vector<double> all(6, 1.0);
  for (const std::string& lines : rules) {
    CAPTURE(lines);
    const auto problem = prepare(
        "model = 'quadratic-regression'\n[time]\nat = [1, 2, 3, 4, 5]\n[data]\noutputs = 6\nparameters = 9\ncurvature "
        "= "
        "3\n[theory]\nmethod = 'none'\n[rate]\n" +
        lines);
    const auto rows = recorded(*problem, {0, 1, 2, 3, 4, 5}, 4);
    const auto rule = read_rate_rule(settings::read_text("[rate]\n" + lines, "r.toml"), 0.0);
    RateRun rates(*rule);
    std::vector<double> theta(9), average(9);
    for (std::size_t step = 0; step < 6; ++step) {
      CAPTURE(step);
      CHECK(rows.at("loss")[step] == Approx(definition.loss(theta, all) / 6).epsilon(1e-9));
      const auto names = rate_observables(*rule);
      std::vector<double> shown(names.size());
      rates.observe(shown);
      for (std::size_t k = 0; k < shown.size(); ++k) {
        CAPTURE(names[k].name);
        CHECK(rows.at(names[k].name)[step] == Approx(shown[k]).epsilon(1e-6).scale(1e-12));
      }
      const std::vector<double> g = definition.gradient(theta, all);
      const Matrix h = definition.hessian(theta, all);
      StepObservation seen;
      seen.loss = definition.loss(theta, all);
      seen.excess_mse = 2 * seen.loss;
      const double beta = rule->averaging();
      seen.weight = step == 0 ? 1 : 1 - beta;
      for (std::size_t k = 0; k < 9; ++k) average[k] += seen.weight * (g[k] - average[k]);
      const std::vector<double> direction = beta > 0 ? average : g;
      seen.squared_gradient = seen.mean_squared_gradient = seen.slope = seen.descent = dot(g, g);
      seen.squared_direction = dot(direction, direction);
      seen.curvature_along = along(h, g);
      seen.curvature = std::abs(seen.curvature_along);
      seen.squared_distance = dot(theta, theta);
      seen.toward_start = -dot(g, theta);
      seen.sharpness = linear_algebra::symmetric_eigenvalues(h).back();
      seen.loss_after = [&](double eta) {
        std::vector<double> there = theta;
        for (std::size_t k = 0; k < 9; ++k) there[k] -= eta * g[k];
        return definition.loss(there, all);
      };
      if (rates.whole_vector()) {
        rates.step(g, seen.loss, 1, theta);
      } else {
        const double eta = rates.step(seen, 1);
        for (std::size_t k = 0; k < 9; ++k) theta[k] -= eta * direction[k];
      }
    }
  }
}

TEST_CASE("on a linear model CDAT on edge keeps the loss, the greedy rate takes (g'g)^2/(2 g'Hg) from it") {
  const std::string linear = "[data]\noutputs = 8\nparameters = 16\ncurvature = 0\n";
  const auto edge = recorded(*prepare(head + linear + "[rate]\nkind = 'cdat'\nsigma = 2\n"), {0, 1, 5, 20});
  for (const double loss : edge.at("loss")) CHECK(loss == Approx(edge.at("loss")[0]).epsilon(1e-13));
  const auto greedy = recorded(*prepare(head + linear + "[rate]\nkind = 'cdat'\nsigma = 1\n"), {0, 1, 2, 5});
  const auto search = recorded(*prepare(head + linear + "[rate]\nkind = 'line-search'\n"), {0, 1, 2, 5});
  for (std::size_t k = 0; k < 4; ++k) CHECK(greedy.at("loss")[k] == Approx(search.at("loss")[k]).epsilon(1e-12));
  CHECK(greedy.at("loss")[1] < greedy.at("loss")[0]);
}

TEST_CASE("a run that has learned stands still, from 1e-24 of its loss on; nothing to learn is no error") {
  for (const std::string rule : {"kind = 'cdat'\nsigma = 1.5\n", "kind = 'armijo'\n", "kind = 'stochastic-polyak'\n",
                                 "kind = 'inverse-sharpness'\nsigma = 1\n"}) {
    CAPTURE(rule);
    const auto run = recorded(
        *prepare(
            "model = 'quadratic-regression'\n[data]\noutputs = 4\nparameters = 40\n[time]\nsteps = 4000\n[rate]\n" +
            rule),
        {0, 1000, 4000});
    CHECK(run.at("loss")[1] < 1e-24 * run.at("loss")[0]);
    CHECK(run.at("loss")[1] > 1e-33 * run.at("loss")[0]);
    CHECK(run.at("loss")[2] == run.at("loss")[1]);
    CHECK(run.at("learning_rate")[2] == run.at("learning_rate")[1]);
    const auto still =
        recorded(*prepare("model = 'quadratic-regression'\n[data]\nensemble = 'given'\nz0 = [0, 0]\nJ0 = "
                          "[[1, 0], [0, 2]]\n[time]\nsteps = 10\n[rate]\n" +
                          rule),
                 {0, 10});
    CHECK(still.at("loss")[1] == 0);
    CHECK(still.at("learning_rate")[1] == 0);
  }
}

TEST_CASE("CDAT's end: both ends of the spectrum fall alike, eta lambda_1 = sigma where that is more") {
  // D = 20, P = 40: 2/(1 + ratio) is 1.9; D = 20, P = 200: 1.5.
  for (const auto& [parameters, sigma] : {std::pair{40, 1.0}, {40, 1.5}, {200, 1.8}}) {
    const auto problem = prepare("model = 'quadratic-regression'\n[data]\noutputs = 20\ncurvature = 4\nparameters = " +
                                 std::to_string(parameters) + "\n[time]\nsteps = 400\n[rate]\nkind = 'cdat'\nsigma = " +
                                 std::to_string(sigma) + "\n[theory]\nmethod = 'none'\n");
    const auto run = recorded(*problem, {0, 400});
    const double largest = run.at("ntk_max")[1], ratio = run.at("ntk_min")[1] / largest;
    CHECK(run.at("mean_rate")[1] * largest == Approx(std::max(sigma, 2 / (1 + ratio))).epsilon(2e-3));
    const auto predictions = problem->predictions();
    REQUIRE(predictions.size() == (sigma > 1 ? 2 : 1));
    CHECK(predictions[0].name == "extremes_balanced");
  }
  const auto names = [](const std::string& rate, int steps = 200) {
    std::string out;
    for (const auto& q : prepare("model = 'quadratic-regression'\n[time]\nsteps = " + std::to_string(steps) +
                                 "\n[data]\noutputs = 8\nparameters = 16\n[rate]\n" + rate)
                             ->predictions())
      out += q.name + " ";
    return out;
  };
  CHECK(names("kind = 'cdat'\nsigma = 2\n") == "on_edge ");
  CHECK(names("kind = 'cdat'\nsigma = 1.5\n") == "extremes_balanced below_edge ");
  CHECK(names("kind = 'cdat'\nsigma = 1.5\nema = 0.5\n").empty());
  CHECK(names("kind = 'cdat'\nsigma = 1.5\nmultiplier = 2\n").empty());
  CHECK(names("kind = 'cdat'\nsigma = 1.5\neta_max = 0.1\n").empty());
  CHECK(names("kind = 'armijo'\n") == "below_edge ");
  CHECK(names("kind = 'dog'\n").empty());
  CHECK(names("kind = 'cdat'\nsigma = 2\n[optimizer]\nmomentum = 0.9\n") == "on_edge ");
  CHECK(names("kind = 'cdat'\nsigma = 2\n[optimizer]\nkind = 'adam'\n") == "on_edge ");
  CHECK(names("kind = 'cdat'\nsigma = 1.5\n[optimizer]\nmomentum = 0.9\n").empty());
  CHECK(names("kind = 'constant'\n[optimizer]\nlearning_rate = 0.1\nmomentum = 0.9\n").empty());
  // First steps are beyond the edge: of D = 20, P = 40, curvature 4 the median of eta lambda is 4.4 after one (sigma = 1.95) and 2.05
  // after 100 at sigma = 1.99; with momentum .99 it is 1.2 after 100 and 1.84 after 1000.
  const std::string edge = "kind = 'cdat'\nsigma = 2\n", momentum = edge + "[optimizer]\nmomentum = ";
  CHECK(names(edge, 100) == "on_edge ");
  CHECK(names(edge, 99).empty());
  CHECK(names("kind = 'armijo'\n", 99).empty());
  CHECK(names("kind = 'cdat'\nsigma = 1.95\n", 100) == "extremes_balanced below_edge ");
  CHECK(names("kind = 'cdat'\nsigma = 1.99\n", 499) == "extremes_balanced ");
  CHECK(names("kind = 'cdat'\nsigma = 1.99\n", 500) == "extremes_balanced below_edge ");
  CHECK(names(momentum + "0.9\n", 199).empty());
  CHECK(names(momentum + "0.97\n", 660).empty());
  CHECK(names(momentum + "0.97\n", 667) == "on_edge ");
  CHECK(names(momentum + "0.98\n", 100000).empty());
  CHECK(names(edge + "[optimizer]\nkind = 'adam'\nbeta1 = 0.95\n", 399).empty());
}

TEST_CASE("CDAT on edge keeps a quadratic loss along any base's steps, and a heavy ball comes to its own edge") {
  const auto at = [](const std::string& optimizer, const std::string& rate, const std::string& curvature = "0.0") {
    return prepare(
        "model = 'quadratic-regression'\n[time]\nsteps = 400\n[data]\noutputs = 8\nparameters = 16\ncurvature = " +
        curvature + "\n[rate]\nkind = 'cdat'\n" + rate + "[optimizer]\n" + optimizer);
  };
  const auto names = [](const auto& problem) {
    std::string out;
    for (const models::Prediction& p : problem->predictions()) out += p.name + " ";
    return out;
  };
  for (const std::string base : {"momentum = 0.9\n", "momentum = 0.5\n", "kind = 'rmsprop'\n", "kind = 'adam'\n"}) {
    CAPTURE(base);
    const auto problem = at(base, "sigma = 2.0\n");
    CHECK(names(problem) == "conserved_loss on_edge ");
    const auto run = recorded(*problem, {0, 400});
    CHECK(run.at("loss")[1] == Approx(run.at("loss")[0]).epsilon(1e-11));
    // A NumPy heavy ball on plain quadratics comes to eta lambda = 2 (1 + momentum), whatever the other modes are.
    if (base.starts_with("momentum")) CHECK(run.at("eta_lambda")[1] == Approx(2).epsilon(1e-6));
  }
  CHECK(names(at("momentum = 0.9\n", "sigma = 1.9\n")).find("conserved_loss") == std::string::npos);
  CHECK(names(at("momentum = 0.9\n", "sigma = 2.0\nema = 0.5\n")).empty());
  CHECK(names(at("momentum = 0.9\n", "sigma = 2.0\nepsilon = 0.1\n")).empty());
  CHECK(names(at("momentum = 0.9\n", "sigma = 2.0\n", "1.0")) == "on_edge ");
}

TEST_CASE("what the sections refuse under a rule") {
  const std::string data = "[data]\noutputs = 4\nparameters = 8\n";
  const auto refused = [&](const std::string& text, bool solve = false) { return error_of(head + text, solve, solve); };
  CHECK(holds(refused(data + "[optimizer]\nkind = 'gd'\n"), "optimizer.learning_rate: is required (> 0)"));
  CHECK(holds(refused(data + "[optimizer]\nlearning_rate = 0.1\n[rate]\nkind = 'cdat'\n"), "the rule of [rate]"));
  CHECK(
      holds(refused(data + "[optimizer]\nkind = 'sam'\nrho = 0.1\n[rate]\nkind = 'cdat'\n"), "the rate of the others"));
  for (const std::string kind : {"polyak", "line-search"})
    CHECK(
        holds(refused(data + "[optimizer]\nkind = 'sgd'\nbatch = 2\n[rate]\nkind = '" + kind + "'\n"), "all outputs"));
  CHECK(holds(refused(data + "[rate]\nkind = 'cdat'\n[monte_carlo]\nkernel_norms = 'exact'\n"), "kernel_norms"));
  CHECK(holds(refused(data + "[optimizer]\nlearning_rate = 0.1\n[monte_carlo]\nburn_in = 3\n"), "every_step = true"));
  CHECK(holds(refused(data + "[rate]\nkind = 'cdat'\n[monte_carlo]\nburn_in = 1000000\n"), "leaves no step of"));
  CHECK(holds(refused(data + "[optimizer]\nmomentum = 0.5\n[rate]\nkind = 'dog'\n"), "optimizer.momentum"));
  CHECK(holds(refused(data + "[optimizer]\nkind = 'adam'\nlearning_rate = 0.1\n", true), "goes by coordinates"));
  CHECK(holds(refused(data + "[optimizer]\nmomentum = 0.5\nlearning_rate = 0.1\n[theory]\nmethod = 'flow'\n", true),
              "memory of momentum too"));
  CHECK(holds(refused(data + "[optimizer]\nkind = 'adam'\nlearning_rate = 0.1\nbatch = 5\n"), "optimizer.batch"));
  CHECK(
      holds(refused(data + "[optimizer]\nkind = 'sam'\nlearning_rate = 0.1\nrho = 0.1\nmomentum = 0.5\n"), "momentum"));
  CHECK(holds(refused(data + "[rate]\nkind = 'armijo'\n", true), "runs part there: it has a simulation only"));
  CHECK(holds(refused(portable + "fix_residual_norm = false\n[optimizer]\nlearning_rate = 0.1\n"),
              "fix_residual_norm: is read where"));
  CHECK(holds(refused(portable + "[optimizer]\nlearning_rate = 0.1\n[monte_carlo]\ntensor = 'streamed'\n"), "stored"));
  for (const std::string method : {"flow", "early-time", "linear-mean", "central-flow"})
    CHECK(holds(refused(data + "[rate]\nkind = 'cdat'\n[theory]\nmethod = '" + method + "'\n", true), "memory alone"));
  CHECK(
      holds(refused(data + "[optimizer]\nkind = 'sgd'\nbatch = 2\n[rate]\nkind = 'cdat'\n", true), "simulation only"));
  for (const std::string kind : {"inverse-sharpness", "momo", "cocob"})
    CHECK(holds(refused(data + "[rate]\nkind = '" + kind + "'\n", true), kind + " has a simulation only"));
  CHECK(holds(refused(data + "[rate]\nkind = 'dog'\n[theory]\nmethod = 'none'\n", true), "no prediction"));
  CHECK(holds(refused(portable + "[optimizer]\nlearning_rate = 0.1\n[theory]\nmethod = 'early-time'\n", true), "goe"));
  CHECK(holds(error_of(head + "[data]\nensemble = 'given'\nz0 = [1e120]\nJ0 = [[1e120]]\n[rate]\nkind = 'cdat'\n"),
              "no error"));
  const auto huge = prepare(head + "[data]\nensemble = 'given'\nz0 = [1e60]\nJ0 = [[1e60]]\n[rate]\nkind = 'cdat'\n");
  CHECK_THROWS_AS(huge->simulate()->replica(1, 0)->advance(3), std::runtime_error);
  CHECK(holds(refused(data + "jacobian_variance = 1e200\n[rate]\nkind = 'cdat'\n", true), "data.jacobian_variance"));
}
