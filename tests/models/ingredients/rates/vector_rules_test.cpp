// Rules that step along averaged gradients (MoMo) or move the whole vector (Mechanic, COCOB): every sampler against the
// algorithms as they are written, on explicit samples.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/framework/experiment.hpp"
#include "models/framework/model.hpp"
#include "random/random.hpp"
#include "spectra/dataset.hpp"
#include "tests/approx.hpp"
#include "tests/goodness_of_fit.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/least_squares/three_modes.hpp"

using namespace edgewise;
using namespace edgewise::tests;
using namespace edgewise::tests::three_modes;
using edgewise::tests::Approx;
using models::Trajectory;
using models::testing::error_with;
using models::testing::prepare;

namespace {

/// theta_0 = 0, so that v_0 = -theta*; here with v, whose sign no law knows.
struct Algorithm {
  virtual ~Algorithm() = default;
  /// What is added to v. \param x  theta - theta_0
  virtual Vector move(const Vector& g, double loss, const Vector& x, double factor) = 0;
  std::vector<double> columns;  // learning rate, memory
};

struct Momo final : Algorithm {
  bool first = true;
  Vector d{};
  double f = 0, gamma = 0;
  Vector move(const Vector& g, double loss, const Vector& x, double factor) override {
    const double w = first ? 1 : 0.3;
    first = false;
    for (std::size_t i = 0; i < 3; ++i) d[i] = (1 - w) * d[i] + w * g[i];
    f = (1 - w) * f + w * loss;
    gamma = (1 - w) * gamma + w * inner(g, x);
    const double tau = factor * std::min(1.5, std::max(f + inner(d, x) - gamma - 0.02, 0.0) / inner(d, d));
    columns = {tau, f + inner(d, x) - gamma, tau * inner(d, d)};
    return {-tau * d[0], -tau * d[1], -tau * d[2]};
  }
};

struct Mechanic final : Algorithm {
  bool kept;
  explicit Mechanic(bool k) : kept(k) {}
  std::array<double, 6> m{}, v{}, r{}, s{};
  Vector delta{};
  double sum = 0;
  Vector move(const Vector& g, double, const Vector& x, double factor) override {
    if (!kept)
      for (std::size_t i = 0; i < 3; ++i) delta[i] = x[i] / (sum + 1e-8);
    const double pull = 0.05 * sum * std::sqrt(inner(g, g)) / (std::sqrt(inner(x, x)) + 1e-8);
    double h = 0;
    for (std::size_t i = 0; i < 3; ++i) h -= (g[i] + pull * x[i]) * delta[i];
    const double betas[6] = {0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999};
    for (std::size_t b = 0; b < 6; ++b) {
      const double old = m[b], clipped = h > old ? old : h < -old ? -old : h;
      m[b] = std::max(betas[b] * m[b], std::abs(h) + 1e-8);
      v[b] = betas[b] * betas[b] * v[b] + h * h;
      r[b] = betas[b] * r[b] + clipped * s[b];
      s[b] = (0.3 * m[b] / 6 + std::max(0.0, r[b])) / (std::sqrt(v[b]) + 1e-8);
    }
    sum = s[0] + s[1] + s[2] + s[3] + s[4] + s[5];
    Vector out{};
    for (std::size_t i = 0; i < 3; ++i) {
      delta[i] -= factor * g[i];
      out[i] = sum * delta[i] - x[i];
    }
    columns = {std::sqrt(inner(out, out) / inner(g, g)), sum};
    return out;
  }
};

struct Cocob final : Algorithm {
  Vector L{0.1, 0.1, 0.1}, G{}, reward{}, theta{};
  Vector move(const Vector& g, double, const Vector& x, double factor) override {
    Vector out{};
    double wealth = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      L[i] = std::max(L[i], std::abs(g[i]));
      G[i] += std::abs(g[i]);
      reward[i] = std::max(reward[i] - g[i] * x[i], 0.0);
      theta[i] -= g[i];
      const double beta = theta[i] / (L[i] * std::max(G[i] + L[i], 3 * L[i]));
      out[i] = factor * (beta * (L[i] + reward[i]) - x[i]);
      wealth += L[i] + reward[i];
    }
    columns = {std::sqrt(inner(out, out) / inner(g, g)), wealth};
    return out;
  }
};

/// Algorithm 4 of the paper on Prodigy, line by line.
struct ProdigyAdam final : Algorithm {
  double d = 0.1, r = 0;
  Vector m{}, v{}, s{};
  Vector move(const Vector& g, double, const Vector& x, double gamma) override {
    const double b1 = 0.8, b2 = 0.95, eps = 1e-3, b = std::sqrt(b2);
    Vector out{};
    for (std::size_t i = 0; i < 3; ++i) {
      m[i] = b1 * m[i] + (1 - b1) * d * g[i];
      v[i] = b2 * v[i] + (1 - b2) * d * d * g[i] * g[i];
      s[i] = b * s[i] + (1 - b) * gamma * d * d * g[i];
      out[i] = -gamma * d * m[i] / (std::sqrt(v[i]) + d * eps);
    }
    r = b * r - (1 - b) * gamma * d * d * inner(g, x);
    d = std::max(d, r / (std::abs(s[0]) + std::abs(s[1]) + std::abs(s[2])));
    columns = {std::sqrt(inner(out, out) / inner(g, g)), d};
    return out;
  }
};

/// Algorithm 5 of the paper on D-Adaptation.
struct DAdaptAdam final : Algorithm {
  double d = 0.1, r = 0;
  Vector m{}, v{}, s{};
  Vector move(const Vector& g, double, const Vector&, double gamma) override {
    const double b1 = 0.8, b2 = 0.95, eps = 1e-3, b = std::sqrt(b2);
    Vector out{}, A{};
    double product = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      m[i] = b1 * m[i] + (1 - b1) * d * gamma * g[i];
      v[i] = b2 * v[i] + (1 - b2) * g[i] * g[i];
      A[i] = std::sqrt(v[i]) + eps;
      out[i] = -m[i] / A[i];
      product += g[i] * s[i] / A[i];
    }
    r = b * r + (1 - b) * d * gamma * product;
    for (std::size_t i = 0; i < 3; ++i) s[i] = b * s[i] + (1 - b) * d * gamma * g[i];
    d = std::max(d, r / ((1 - b) * (std::abs(s[0]) + std::abs(s[1]) + std::abs(s[2]))));
    columns = {std::sqrt(inner(out, out) / inner(g, g)), d};
    return out;
  }
};

/// Algorithm 3 of the paper on MoMo.
struct MomoAdam final : Algorithm {
  int k = 0;
  double f = 0, gamma = 0;
  Vector d{}, v{};
  Vector move(const Vector& g, double loss, const Vector& x, double factor) override {
    const double b1 = 0.8, b2 = 0.95, eps = 1e-3, rho = 1 - std::pow(b1, ++k);
    Vector D{}, out{};
    double square = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      d[i] = (1 - b1) * g[i] + b1 * d[i];
      v[i] = b2 * v[i] + (1 - b2) * g[i] * g[i];
      D[i] = eps + std::sqrt(v[i] / (1 - std::pow(b2, k)));
      square += d[i] * d[i] / D[i];
    }
    f = (1 - b1) * loss + b1 * f;
    gamma = (1 - b1) * inner(g, x) + b1 * gamma;
    const double tau = std::min(0.3 / rho, std::max(f + inner(d, x) - gamma - rho * 0.02, 0.0) / square);
    for (std::size_t i = 0; i < 3; ++i) out[i] = -factor * tau * d[i] / D[i];
    columns = {std::sqrt(inner(out, out) / inner(g, g)), tau};
    return out;
  }
};

/// Adam with Nesterov's step and decoupled weight decay.
struct NadamW final : Algorithm {
  int k = 0;
  Vector m{}, v{};
  Vector move(const Vector& g, double, const Vector& x, double factor) override {
    ++k;
    Vector out{};
    double largest = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      m[i] = 0.8 * m[i] + 0.2 * g[i];
      v[i] = 0.95 * v[i] + 0.05 * g[i] * g[i];
      const double ahead = 0.8 * m[i] / (1 - std::pow(0.8, k + 1)) + 0.2 * g[i] / (1 - std::pow(0.8, k));
      out[i] = -factor * 0.05 * (ahead / (std::sqrt(v[i] / (1 - std::pow(0.95, k))) + 1e-3) + 0.3 * x[i]);
      largest = std::max(largest, std::abs(out[i]));
    }
    columns = {std::sqrt(inner(out, out) / inner(g, g)), largest};
    return out;
  }
};

struct Method {
  std::string lines;
  std::unique_ptr<Algorithm> (*make)();
};
const std::vector<Method>& methods() {
  static const std::vector<Method> all = {
      {momo, []() -> std::unique_ptr<Algorithm> { return std::make_unique<Momo>(); }},
      {"kind = \"mechanic\"\ns0 = 0.3\nlambda = 0.05",
       []() -> std::unique_ptr<Algorithm> { return std::make_unique<Mechanic>(true); }},
      {"kind = \"mechanic\"\ns0 = 0.3\nlambda = 0.05\ndisplacement = \"recomputed\"",
       []() -> std::unique_ptr<Algorithm> { return std::make_unique<Mechanic>(false); }},
      {"kind = \"cocob\"\nalpha = 3\nepsilon = 0.1",
       []() -> std::unique_ptr<Algorithm> { return std::make_unique<Cocob>(); }},
      {"kind = \"prodigy-adam\"\nd0 = 0.1\nbeta1 = 0.8\nbeta2 = 0.95\nepsilon = 1e-3",
       []() -> std::unique_ptr<Algorithm> { return std::make_unique<ProdigyAdam>(); }},
      {"kind = \"d-adaptation-adam\"\nd0 = 0.1\nbeta1 = 0.8\nbeta2 = 0.95\nepsilon = 1e-3",
       []() -> std::unique_ptr<Algorithm> { return std::make_unique<DAdaptAdam>(); }},
      {"kind = \"momo-adam\"\neta_max = 0.3\nf_min = 0.02\nbeta1 = 0.8\nbeta2 = 0.95\nepsilon = 1e-3",
       []() -> std::unique_ptr<Algorithm> { return std::make_unique<MomoAdam>(); }},
      {"kind = \"nadamw\"\nlearning_rate = 0.05\nweight_decay = 0.3\nbeta1 = 0.8\nbeta2 = 0.95\nepsilon = 1e-3",
       []() -> std::unique_ptr<Algorithm> { return std::make_unique<NadamW>(); }}};
  return all;
}

/// A first bet is a third whatever the gradient: ties that rounding must not break.
double rounded(double x) {
  return std::round(1e9 * x);
}

double excess(const Vector& v) {
  double P = 0;
  for (std::size_t i = 0; i < 3; ++i) P += lambda[i] * v[i] * v[i];
  return P;
}

/// P, |v|^2 and the algorithm's columns after step k.
std::vector<double> columns_after(const Algorithm& algorithm, const Vector& v) {
  std::vector<double> out{excess(v), inner(v, v)};
  out.insert(out.end(), algorithm.columns.begin(), algorithm.columns.end());
  return out;
}

Vector away(const Vector& v) {
  return {v[0] - start[0], v[1] - start[1], v[2] - start[2]};
}

/// One run of B explicit samples a step, after steps 1 and 4.
std::vector<std::vector<double>> explicit_run(const Method& method, double batch, random::Stream& stream) {
  Vector v = start;
  const auto algorithm = method.make();
  std::vector<std::vector<double>> out;
  for (int k = 1; k <= 4; ++k) {
    Vector g{};
    double loss = 0;
    for (double b = 0; b < batch; ++b) {
      Vector x{};
      double residual = -0.5 * stream.normal();
      for (std::size_t i = 0; i < 3; ++i) {
        x[i] = std::sqrt(lambda[i]) * stream.normal();
        residual += x[i] * v[i];
      }
      loss += residual * residual / (2 * batch);
      for (std::size_t i = 0; i < 3; ++i) g[i] += residual * x[i] / batch;
    }
    const Vector step = algorithm->move(g, loss, away(v), 1);
    for (std::size_t i = 0; i < 3; ++i) v[i] += step[i];
    if (k == 1 || k == 4) out.push_back(columns_after(*algorithm, v));
  }
  return out;
}

}  // namespace

TEST_CASE("averaged gradients and whole vectors: every sampler has the law of the algorithm on explicit samples" *
          doctest::test_suite("slow")) {
  constexpr std::size_t runs = 4000;
  for (std::size_t m = 0; m < methods().size(); ++m)
    for (const double batch : {1.0, 3.0}) {
      std::vector<std::vector<std::vector<double>>> expected;  // [run][step][column]
      for (std::size_t i = 0; i < runs; ++i) {
        random::Stream stream(77, i + runs * m);
        expected.push_back(explicit_run(methods()[m], batch, stream));
      }
      for (const std::string sampler : {"exact", "batch", "naive"}) {
        CAPTURE(methods()[m].lines);
        CAPTURE(batch);
        CAPTURE(sampler);
        const auto simulation = prepare(problem_text + "[rate]\n" + methods()[m].lines,
                                        {"optimizer.batch=" + std::to_string(batch), "monte_carlo.sampler=" + sampler})
                                    ->simulate();
        const std::size_t columns = simulation->observables().size() - 1;
        REQUIRE(columns == expected[0][0].size());
        std::vector<std::vector<double>> seen(2 * columns);
        std::vector<double> out(columns + 1);
        for (std::size_t i = 0; i < runs; ++i) {
          const auto replica = simulation->replica(5, i);
          for (std::size_t t = 0; t < 2; ++t) {
            replica->advance(t == 0 ? 1 : 4);
            replica->observe(out);
            for (std::size_t c = 0; c < columns; ++c) seen[t * columns + c].push_back(rounded(out[c + 1]));
          }
        }
        for (std::size_t c = 0; c < seen.size(); ++c) {
          CAPTURE(c);
          std::vector<double> written;
          for (const auto& run : expected) written.push_back(rounded(run[c / columns][c % columns]));
          if (std::ranges::max(written) - std::ranges::min(written) < 1e-12)
            CHECK(seen[c].front() == written.front());
          else
            CHECK(ks_test(seen[c], written) > false_alarm);
        }
      }
    }
}

TEST_CASE("averaged gradients and whole vectors: exact gradients give the same numbers, under a schedule too") {
  for (const Method& method : methods())
    for (const bool cosine : {false, true}) {
      CAPTURE(method.lines);
      CAPTURE(cosine);
      const auto problem = prepare(problem_text + "[rate]\n" + method.lines,
                                   {"optimizer.batch=inf", "time.at=[1, 5, 10]",
                                    std::string("schedule.kind=") + (cosine ? "cosine" : "constant")});
      const auto simulation = problem->simulate();
      const auto replica = simulation->replica(1, 0);
      const auto algorithm = method.make();
      const bool closure = method.lines.find("\"momo\"") != std::string::npos;
      Trajectory theory;
      if (closure) theory = problem->solve();
      CHECK(theory.exact == closure);
      Vector v = start;
      std::vector<double> out(simulation->observables().size());
      std::size_t row = 1;
      for (int k = 1; k <= 10; ++k) {
        const Vector g{lambda[0] * v[0], lambda[1] * v[1], lambda[2] * v[2]};
        const double factor = cosine ? 0.5 * (1 + std::cos(M_PI * (k - 1) / 10)) : 1;
        const Vector step = algorithm->move(g, 0.5 * (excess(v) + 0.25), away(v), factor);
        for (std::size_t i = 0; i < 3; ++i) v[i] += step[i];
        if (k != 1 && k != 5 && k != 10) continue;
        const std::vector<double> expected = columns_after(*algorithm, v);
        replica->advance(static_cast<std::uint64_t>(k));
        replica->observe(out);
        for (std::size_t c = 0; c < expected.size(); ++c) {
          CAPTURE(c);
          // The rate of a whole vector is a difference of vectors of size 1 over a gradient that becomes small; the others
          // are squares of what is known to 1e-15.
          CHECK(out[c + 1] == Approx(expected[c])
                                  .epsilon(c == 2 && !closure ? 1e-4 : 1e-10)
                                  .scale(c == 2 ? 0 : 1e-5 * std::sqrt(std::abs(expected[c]))));
          if (closure) CHECK(theory.columns[c + 1].value[row] == Approx(expected[c]).epsilon(1e-10));
        }
        ++row;
      }
    }
}

// 300 runs: the estimate of a standard deviation has a standard error of 4% for a normal law, of 8% for tails as heavy as
// those of the exponential's, so that the bounds, 5 of these away from what was measured with others, are missed at < 1e-5.
TEST_CASE(
    "inside Adam: the estimate of the distance keeps its spread as the dimension grows, and loses it as the batch "
    "does") {
  // Relative standard deviation over runs of the estimate, once its ramp is over.
  const auto spread = [](const std::string& kind, int dimension, int batch, int steps) {
    const auto problem = prepare(
        "model = 'least-squares'\n[spectrum]\nkind = 'power-law'\nalpha = 0.25\nbeta = 0.25\ndimension = "
        "1\n[noise]\nlaw "
        "= 'gaussian'\nvariance = 1.0\n[time]\nat = [1]\n",
        {"rate.kind=" + kind, "spectrum.dimension=" + std::to_string(dimension),
         "optimizer.batch=" + std::to_string(batch), "time.at=[" + std::to_string(steps) + "]"});
    const auto simulation = problem->simulate();
    const auto& names = simulation->observables();
    const auto column = static_cast<std::size_t>(
        std::ranges::find(names, "distance_estimate", &models::Observable::name) - names.begin());
    std::vector<double> out(names.size());
    double sum = 0, squares = 0;
    constexpr int runs = 300;
    for (int w = 0; w < runs; ++w) {
      const auto replica = simulation->replica(11, static_cast<std::uint64_t>(w));
      replica->advance(static_cast<std::uint64_t>(steps));
      replica->observe(out);
      sum += out[column] / runs;
      squares += out[column] * out[column] / runs;
    }
    return std::sqrt(squares / (sum * sum) - 1);
  };
  for (const std::string kind : {"prodigy-adam", "d-adaptation-adam"}) {
    CAPTURE(kind);
    // Sixteen times the coordinates would leave a quarter of what averages out. Measured .19 and .21, .22 and .17.
    const double small = spread(kind, 50, 40, 60), large = spread(kind, 800, 40, 120);
    CHECK(large > 0.5 * small);
    CHECK(large > 0.1);
    // A hundred times the batch leaves a tenth. Measured .04 and .02.
    CHECK(spread(kind, 800, 4000, 120) < 0.4 * large);
  }
}

// 200 runs: the mean of P has a relative standard error below 1%; the closure of Adam is 3% off here.
TEST_CASE("momo inside Adam: while its cap binds it is Adam at that rate, whose theory another model has") {
  const std::string common =
      "[spectrum]\nkind = 'power-law'\nalpha = 0.25\nbeta = 0.25\ndimension = 200\n[noise]\nlaw = 'gaussian'\nvariance "
      "= "
      "1.0\n[time]\nat = [100, 400]\n";
  const auto adam = [&](const std::string& rate) {
    return prepare("model = 'sign-sgd'\n" + common +
                   "[optimizer]\nkind = 'adam'\nbeta2 = 0.999\nlearning_rate = " + rate)
        ->solve()
        .find("excess_mse")
        ->value;
  };
  const auto simulation =
      prepare("model = 'least-squares'\n" + common + "[optimizer]\nbatch = 1\n[rate]\nkind = 'momo-adam'")->simulate();
  std::vector<double> out(simulation->observables().size()), mean(2);
  for (std::uint64_t w = 0; w < 200; ++w) {
    const auto replica = simulation->replica(5, w);
    for (std::size_t i = 0; i < 2; ++i) {
      replica->advance(i == 0 ? 100 : 400);
      replica->observe(out);
      mean[i] += out[1] / 200;
    }
  }
  const std::vector<double> theory = adam("0.01"), faster = adam("0.0125");
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(mean[i] == Approx(theory[i + 1]).epsilon(0.07));
    CHECK(mean[i] > 1.07 * faster[i + 1]);
  }
}

TEST_CASE(
    "real rows: averages that forget at once are Polyak's stochastic rate, and Mechanic's two displacements are one" *
    doctest::skip(!std::filesystem::exists(spectra::DatasetOptions{}.folder))) {
  const std::string rows =
      "model = \"least-squares\"\n[spectrum]\nkind = \"dataset\"\nname = \"fashion-mnist\"\nrows = 75\n"
      "[data]\nlaw = \"rows\"\n[optimizer]\nbatch = 4\n[time]\nsteps = 30\npoints = 2\n[rate]\n";
  const auto end = [&](const std::string& rate) {
    const auto simulation = prepare(rows + rate)->simulate();
    const auto replica = simulation->replica(1, 0);
    std::vector<double> out(simulation->observables().size());
    replica->advance(30);
    replica->observe(out);
    return out[1];
  };
  CHECK(end("kind = \"momo\"\nbeta = 1e-13") ==
        Approx(end("kind = \"stochastic-polyak\"\nc = 1.0\neta_max = 1.0")).epsilon(1e-9));
  const double kept = end("kind = \"mechanic\"\ns0 = 0.1");
  CHECK(kept == Approx(end("kind = \"mechanic\"\ns0 = 0.1\ndisplacement = \"recomputed\"")).epsilon(1e-4));
  CHECK(std::abs(kept - end("kind = \"mechanic\"\ns0 = 1e-12")) > 0.1);  // it has moved
}

TEST_CASE("whole vectors: nothing moves at the optimum, and huge or tiny units stay numbers") {
  for (const Method& method : methods()) {
    CAPTURE(method.lines);
    const std::string text =
        problem_text + "[rate]\n" + method.lines + (method.lines.find("mechanic") == std::string::npos ? "" : "\n");
    std::string pulled = text;
    for (const std::string pull : {"lambda = 0.05", "weight_decay = 0.3"})
      if (const auto at = pulled.find(pull); at != std::string::npos)
        pulled.replace(at, pull.size(), pull.substr(0, pull.find('=')) + "= 0.0");
    const auto still = prepare(pulled, {"initial.scale=1", "noise.variance=0.0", "optimizer.batch=2"});
    const auto simulation = still->simulate();
    const auto replica = simulation->replica(1, 0);
    std::vector<double> out(simulation->observables().size());
    replica->advance(4);
    replica->observe(out);
    CHECK(out[1] == 0);
    for (const char* scale : {"1e-60", "1e60"}) {
      const auto there = prepare(text, {std::string("spectrum.target_power=[") + scale + ", " + scale + ", 0.0]",
                                        "noise.variance=0.0", "optimizer.batch=2"});
      const auto run = there->simulate();
      const auto one = run->replica(1, 0);
      one->advance(4);
      one->observe(out);
      for (const double x : out) CHECK_FALSE(std::isnan(x));
    }
  }
}

TEST_CASE("what is known by simulation alone says so") {
  const std::string mechanic = problem_text + "[rate]\nkind = \"mechanic\"";
  CHECK(error_with(mechanic, {}) ==
        "x.toml: rate.kind: this rule is known by simulation alone, since its scales follow a running largest value; "
        "use simulate");
  CHECK(error_with(problem_text + "[rate]\nkind = \"cocob\"", {}).find("x.toml: rate.kind: this rule is known by") ==
        0);
  CHECK(error_with(problem_text + "[rate]\nkind = \"nadamw\"", {"initial.scale=0.5"})
            .find("x.toml: rate.weight_decay: its pull is toward theta = 0") == 0);
  CHECK(error_with(mechanic, {"initial.scale=0.5"}).find("x.toml: rate.lambda: its pull is toward theta = 0") == 0);
  CHECK_THROWS_AS(prepare(mechanic)->stability(), settings::Error);
}

TEST_SUITE("slow") {
  // Section 6.2: d = 400, B = 40, T = 500, 8 seeds: .0537(20), with cosine on top .1532(59). Here 64 seeds; z of the
  // difference below 3, a false alarm in 0.3%.
  TEST_CASE("Mechanic has the section's measured errors") {
    const std::string text = R"(
model = "least-squares"
[spectrum]
kind = "power-law"
dimension = 400
alpha = 0.25
beta = 0.25
[noise]
law = "gaussian"
variance = 1.0
[optimizer]
batch = 40
[time]
steps = 500
points = 2
[rate]
kind = "mechanic"
)";
    for (const bool cosine : {false, true}) {
      const auto simulation =
          prepare(text, {std::string("schedule.kind=") + (cosine ? "cosine" : "constant")})->simulate();
      double sum = 0, squares = 0;
      constexpr int seeds = 64;
      for (int i = 0; i < seeds; ++i) {
        const auto replica = simulation->replica(1, static_cast<std::uint64_t>(i));
        replica->advance(500);
        std::vector<double> out(simulation->observables().size());
        replica->observe(out);
        sum += out[1];
        squares += out[1] * out[1];
      }
      const double mean = sum / seeds, variance = (squares / seeds - mean * mean) / (seeds - 1);
      const double printed = cosine ? 0.1532 : 0.0537, error = cosine ? 0.0059 : 0.0020;
      CHECK(std::abs(mean - printed) < 3 * std::sqrt(variance + error * error));
    }
  }
}
