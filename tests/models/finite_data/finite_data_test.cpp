#include "models/finite_data/finite_data.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <numeric>
#include <string>
#include <variant>
#include <vector>

#include "models/finite_data/kernel_norms.hpp"
#include "models/finite_data/loss_variance.hpp"
#include "models/framework/rate_objective.hpp"
#include "models/ingredients/noise.hpp"
#include "random/random.hpp"
#include "spectra/dataset.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/defaults.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using namespace edgewise::models;
using namespace edgewise::models::finite_data;
using namespace edgewise::models::ingredients;
using edgewise::tests::Approx;
using models::testing::column;
using models::testing::error_of;
using models::testing::holds;
using models::testing::prepare;

namespace {

std::string experiment(const std::string& optimizer, const std::string& data = "samples = 12",
                       const std::string& more = "",
                       const std::string& spectrum = "kind = 'isotropic'\ndimension = 20") {
  return "model = 'finite-data'\n[spectrum]\n" + spectrum + "\n[data]\n" + data + "\n[optimizer]\n" + optimizer +
         "\n[time]\nat = [1, 10, 40]\n" + more;
}

/// Of every observable at a step: mean, standard error and standard deviation over `replicas` replicas, and its median.
struct Sampled {
  std::vector<double> mean, sem, std, median;
};
Sampled sampled(const Simulation& simulation, std::uint64_t step, std::uint64_t replicas) {
  const std::size_t n = simulation.observables().size();
  std::vector<std::vector<double>> values(n);
  std::vector<double> out(n);
  for (std::uint64_t r = 0; r < replicas; ++r) {
    const auto replica = simulation.replica(5, r);
    replica->advance(step);
    replica->observe(out);
    for (std::size_t i = 0; i < n; ++i) values[i].push_back(out[i]);
  }
  Sampled all;
  const auto count = static_cast<double>(replicas);
  for (std::vector<double>& v : values) {
    const double mean = std::accumulate(v.begin(), v.end(), 0.0) / count;
    double square = 0;
    for (const double x : v) square += (x - mean) * (x - mean);
    all.mean.push_back(mean);
    all.std.push_back(std::sqrt(square / count));
    all.sem.push_back(all.std.back() / std::sqrt(count));
    std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
    all.median.push_back(v[v.size() / 2]);
  }
  return all;
}

template <class Value>
Value finding(const Problem& problem, const std::string& name) {
  return models::testing::finding<Value>(problem.stability(), name);
}

}  // namespace

TEST_CASE("variance that a spectrum leaves unexplained is noise of fresh data, too") {
  const auto solved = [](const std::string& noise) {
    return prepare(experiment("learning_rate = 0.06\nbatch = 2", "samples = 9", "[noise]\n" + noise,
                              "kind = 'list'\neigenvalues = [1.3, 0.7]\ntarget_power = [0.9, 1.7]\n"
                              "unexplained_variance = 0.2"))
        ->solve();
  };
  const Trajectory t = solved("law = 'gaussian'\nvariance = 0.1");
  for (std::size_t k = 0; k < t.steps.size(); ++k)
    CHECK(column(t, "risk")[k] == Approx((column(t, "excess_mse")[k] + 0.3) / 2).epsilon(1e-13));
  // Where that is infinite there is no risk, and the rest is as it was.
  const Trajectory heavy = solved("law = 'cauchy'\nscale = 0.1");
  REQUIRE(heavy.columns.size() == 2);
  CHECK(heavy.columns[0].observable.name == "loss");
  CHECK(heavy.columns[1].observable.name == "excess_mse");
}

TEST_CASE("the exact theory is the mean of the algorithm, under every fresh sampling, with and without a schedule") {
  // 54 comparisons at 5.3 standard errors: a right program fails with probability 6e-6, and the seed is fixed.
  for (const char* sampling : {"without-replacement", "with-replacement", "bernoulli"})
    for (const char* schedule : {"constant", "cosine"}) {
      CAPTURE(sampling);
      CAPTURE(schedule);
      const auto problem = prepare(
          experiment("learning_rate = 0.1\nbatch = 3\nsampling = '" + std::string(sampling) + "'", "samples = 12",
                     "[noise]\nvariance = 0.5\n[schedule]\nkind = '" + std::string(schedule) + "'"));
      const Trajectory theory = problem->solve();
      CHECK(theory.exact);
      REQUIRE(theory.columns.size() == 3);
      const auto simulation = problem->simulate();
      for (std::size_t k = 1; k < theory.steps.size(); ++k) {
        const Sampled found = sampled(*simulation, static_cast<std::uint64_t>(theory.steps[k]), 10000);
        for (std::size_t c = 0; c < 3; ++c) {
          CAPTURE(theory.columns[c].observable.name);
          CHECK(std::abs(found.mean[c] - theory.columns[c].value[k]) < 5.3 * found.sem[c]);
        }
      }
    }
}

TEST_CASE("the standard deviation of the loss is exact") {
  // That of a sample of R has the relative error sqrt((kurtosis - 1)/(4 R)), below 0.013 here (kurtosis below 15).
  for (const char* sampling : {"without-replacement", "with-replacement", "bernoulli"}) {
    CAPTURE(sampling);
    const auto problem =
        prepare(experiment("learning_rate = 0.1\nbatch = 3\nsampling = '" + std::string(sampling) + "'", "samples = 8",
                           "", "kind = 'isotropic'\ndimension = 6"));
    const Trajectory theory = problem->reference();
    REQUIRE(theory.columns[0].std.size() == theory.steps.size());
    CHECK(theory.columns[1].std.empty());
    CHECK(theory.columns[0].std[0] == 0);
    const auto simulation = problem->simulate();
    for (std::size_t k = 1; k < theory.steps.size(); ++k)
      CHECK(sampled(*simulation, static_cast<std::uint64_t>(theory.steps[k]), 20000).std[0] ==
            Approx(theory.columns[0].std[k]).epsilon(0.065));
  }
}

TEST_CASE("counts of a batch by enumeration of all batches") {
  // N = 5, B = 4: 625 sequences of indices, of which 120 do not repeat any.
  const std::array<std::size_t, 5> expected_pairs{6, 3, 2, 1, 0};
  const std::array<std::array<std::size_t, 4>, 5> tuples{
      {{0, 0, 0, 0}, {0, 0, 0, 1}, {0, 0, 1, 1}, {0, 0, 1, 2}, {0, 1, 2, 3}}};
  for (const Sampling sampling : {Sampling::without_replacement, Sampling::with_replacement}) {
    const CountMoments moments = count_moments(sampling, 5, 4);
    for (std::size_t t = 0; t < tuples.size(); ++t)
      for (std::size_t m = 1; m <= 4; ++m) {
        std::size_t pairs = 0;
        for (std::size_t a = 0; a < m; ++a)
          for (std::size_t b = 0; b < a; ++b) pairs += tuples[t][a] == tuples[t][b] ? 1 : 0;
        if (m == 4) CHECK(pairs == expected_pairs[t]);
        double sum = 0, batches = 0;
        for (std::size_t sequence = 0; sequence < 625; ++sequence) {
          std::array<double, 5> counts{};
          for (std::size_t k = 0, rest = sequence; k < 4; ++k, rest /= 5) ++counts[rest % 5];
          if (sampling == Sampling::without_replacement && *std::ranges::max_element(counts) > 1) continue;
          double product = 1;
          for (std::size_t k = 0; k < m; ++k) product *= counts[tuples[t][k]];
          sum += product;
          ++batches;
        }
        CHECK(moments[m][pairs] == Approx(sum / batches).epsilon(1e-13));
      }
  }
}

TEST_CASE("beyond the threshold the mean is carried by rare replicas, and early steps are still met") {
  const std::string spectrum = "kind = 'isotropic'\ndimension = 80";
  const auto problem =
      prepare("model = 'finite-data'\n[spectrum]\n" + spectrum +
              "\n[data]\nsamples = 40\n[optimizer]\nlearning_rate = 0.0247\nsampling = 'with-replacement'\n"
              "[time]\nat = [1, 10, 1000]\n");
  const double ratio = 0.0247 / finding<double>(*problem, "eta_max");
  CHECK(ratio > 1.05);
  CHECK(finding<std::string>(*problem, "outcome") == "noise diverges");
  const Trajectory theory = problem->solve();
  const auto simulation = problem->simulate();
  // 2 comparisons at 5 standard errors.
  for (const std::size_t k : {1, 2}) {
    const Sampled early = sampled(*simulation, static_cast<std::uint64_t>(theory.steps[k]), 10000);
    CHECK(std::abs(early.mean[0] - theory.columns[0].value[k]) < 5 * early.sem[0]);
  }
  const Sampled late = sampled(*simulation, 1000, 2000);
  CHECK(late.median[0] < 0.02 * theory.columns[0].value[3]);
  CHECK(late.mean[0] < 0.8 * theory.columns[0].value[3]);
}

TEST_CASE("the least stable batch, and the edge that is left at a full batch") {
  const std::string spectrum = "kind = 'isotropic'\ndimension = 80";
  const auto at = [&](double eta, int batch) {
    return prepare(experiment("learning_rate = " + std::to_string(eta) + "\nbatch = " + std::to_string(batch),
                              "samples = 40", "", spectrum));
  };
  const double edge = finding<double>(*at(0.1, 1), "eta_max_mean");
  const double eta = 0.5 * edge;
  const auto least = static_cast<int>(finding<double>(*at(eta, 1), "least_stable_batch"));
  REQUIRE(least > 1);
  CHECK(finding<std::string>(*at(eta, least), "outcome") == "converges");
  CHECK(finding<std::string>(*at(eta, least - 1), "outcome") == "noise diverges");
  CHECK(finding<std::string>(*at(1.01 * edge, 40), "outcome") == "mean diverges");
  CHECK(std::isinf(finding<double>(*at(1.01 * edge, 40), "least_stable_batch")));
  CHECK(finding<double>(*at(eta, 40), "eta_max") == Approx(edge));
  CHECK(finding<double>(*at(0.9999 * edge, 1), "least_stable_batch") == 40);
  CHECK(finding<double>(*at(eta, 39), "eta_max") == Approx(edge).epsilon(0.01));
}

TEST_CASE("many samples of few dimensions: streaming's threshold but for its Wick term" * doctest::test_suite("slow")) {
  // As N -> inf at p fixed: (eta/B) sum lambda/(2 - eta lambda (1 - 1/B)) without the Wick term, p + 2 for p with it; the
  // sample's covariance is off by some 1/sqrt(N), here 4%.
  const auto problem =
      prepare(experiment("learning_rate = 0.1\nbatch = 2\nsampling = 'with-replacement'", "samples = 600",
                         "[theory]\nmethod = 'closure'", "kind = 'isotropic'\ndimension = 3"));
  CHECK(finding<double>(*problem, "kernel_norm") == Approx(0.05 * 5 / (2 - 0.05)).epsilon(0.06));
  CHECK(finding<double>(*problem, "kernel_norm_mean_field") == Approx(0.05 * 3 / (2 - 0.05)).epsilon(0.06));
  CHECK(finding<double>(*problem, "kernel_norm") > finding<double>(*problem, "kernel_norm_mean_field"));
}

TEST_CASE("the approximate thresholds are off by more where the spectrum decays") {
  // exact/mean-field over six draws of 40 samples. Inputs z_j: the draw of docs/theory/least-squares-sgd.md, section 9
  // has .894; j^(-1/2) z_j: .733, and its thresholds .374, .312, .274 are a draw from the same law as these.
  double flat = 0, decaying = 0;
  for (int seed = 1; seed <= 6; ++seed) {
    const std::string data = "samples = 40\nseed = " + std::to_string(seed);
    const auto ratio = [&](const std::string& spectrum) {
      const auto problem = prepare(
          experiment("learning_rate = 0.1\nsampling = 'with-replacement'", data, "", "dimension = 80\n" + spectrum));
      const double exact = finding<double>(*problem, "eta_max"), closure = finding<double>(*problem, "eta_max_closure"),
                   field = finding<double>(*problem, "eta_max_mean_field");
      CHECK(exact < closure);
      CHECK(closure < field);
      return exact / field;
    };
    flat += ratio("kind = 'isotropic'") / 6;
    decaying += ratio("kind = 'power-law'\nalpha = 0.5\nbeta = 1") / 6;
  }
  // A draw strays by .03: three standard errors of the difference from the six of that page.
  CHECK(std::abs(flat - 0.9) < 0.05);
  // O(1/N): the draw there has .959 at three times the size.
  const auto larger = prepare(experiment("learning_rate = 0.004\nsampling = 'with-replacement'", "samples = 120", "",
                                         "kind = 'isotropic'\ndimension = 240"));
  CHECK(finding<double>(*larger, "eta_max") / finding<double>(*larger, "eta_max_mean_field") ==
        Approx(1 - (1 - flat) / 3).epsilon(0.01));
  CHECK(decaying == Approx(0.75).epsilon(0.05));
}

TEST_CASE("the closure reaches any step at once as it gets there step by step, excess risk included") {
  for (const char* method : {"closure", "mean-field"})
    for (const int dimension : {20, 7}) {  // 7 leaves null modes, which drive the others
      const auto solve = [&](const std::string& schedule) {
        return prepare(
                   experiment("learning_rate = 0.06\nbatch = 2", "samples = 12",
                              "[noise]\nvariance = 0.3\n[theory]\nmethod = '" + std::string(method) + "'\n" + schedule,
                              "kind = 'power-law'\nalpha = 0.4\nbeta = 1\ndimension = " + std::to_string(dimension)))
            ->solve();
      };
      std::string ones = "[schedule]\nkind = 'table'\nvalues = [1, 1.0000000000000002]\n";
      const Trajectory jumped = solve(""), walked = solve(ones);
      for (std::size_t c = 0; c < 3; ++c)
        for (std::size_t k = 0; k < jumped.steps.size(); ++k)
          CHECK(jumped.columns[c].value[k] == Approx(walked.columns[c].value[k]).epsilon(1e-11));
    }
}

TEST_CASE("the excess risk keeps its digits where the kernel is nearly singular") {
  // Full batch: no noise, so that the theory is one run of the algorithm. mu spans 11 decades.
  const auto problem = prepare(experiment("learning_rate = 0.5\nbatch = 12", "samples = 12", "",
                                          "kind = 'power-law'\nalpha = 5\nbeta = 1\ndimension = 14"));
  const Trajectory theory = problem->solve();
  const auto simulation = problem->simulate();
  const auto replica = simulation->replica(1, 0);
  std::vector<double> out(3);
  for (std::size_t k = 0; k < theory.steps.size(); ++k) {
    replica->advance(static_cast<std::uint64_t>(theory.steps[k]));
    replica->observe(out);
    for (std::size_t c = 0; c < 3; ++c) CHECK(theory.columns[c].value[k] == Approx(out[c]).epsilon(1e-10));
  }
}

TEST_CASE("losses and excess risks that fall by many decades keep their digits") {
  // One sample of one parameter: P falls by (1 - .4)^2 a step.
  const auto one = prepare(
      "model = 'finite-data'\n[spectrum]\nkind = 'isotropic'\ndimension = 1\n[data]\nsamples = 1\n"
      "law = 'gaussian'\nseed = 2\n[optimizer]\ngamma = 0.4\n[time]\nat = [1, 10, 30, 60]\n");
  const Trajectory theory = one->solve();
  // The target is rounded, and with it where v is 0.
  for (std::size_t k = 0; k < theory.steps.size(); ++k)
    CHECK(std::sqrt(column(theory, "excess_mse")[k]) ==
          Approx(std::pow(0.6, theory.steps[k])).epsilon(1e-9).scale(1e-6));
  // Batches of one of four samples in two dimensions, fitted exactly: M = E v v' of the parameters' error v, by the mean
  // over the samples, written out. In second moments of the residual nothing of it would be left after 60 steps.
  const double x[4][2] = {{1, 0.5}, {-0.3, 0.8}, {0.7, -0.6}, {0.2, 0.9}}, v[2] = {1.5, -0.7}, eta = 0.6;
  std::string rows, targets;
  for (const auto& row : x) {
    rows += fmt::format("{}[{}, {}]", rows.empty() ? "" : ", ", row[0], row[1]);
    targets += fmt::format("{}{:.17g}", targets.empty() ? "" : ", ", row[0] * v[0] + row[1] * v[1]);
  }
  const auto problem = prepare(fmt::format(
      "model = 'finite-data'\n[data]\nlaw = 'list'\ninputs = [{}]\ntargets = [{}]\n[optimizer]\nlearning_rate = {}\n"
      "batch = 1\n[theory]\nbands = true\n[time]\nat = [1, 10, 60, 200]\n",
      rows, targets, eta));
  const Trajectory exact = problem->solve();
  double M[2][2][2][2], S[2][2];  // E v v v v, E v v'
  for (int i = 0; i < 16; ++i)
    M[i & 1][i >> 1 & 1][i >> 2 & 1][i >> 3] = v[i & 1] * v[i >> 1 & 1] * v[i >> 2 & 1] * v[i >> 3];
  for (int i = 0; i < 4; ++i) S[i & 1][i >> 1] = v[i & 1] * v[i >> 1];
  std::size_t at = 0;
  for (int k = 1; at < exact.steps.size(); ++k) {
    double next[2][2][2][2] = {}, second[2][2] = {};
    for (const auto& row : x) {
      const auto A = [&](int i, int j) { return (i == j) - eta * row[i] * row[j]; };
      for (int i = 0; i < 16; ++i)
        for (int j = 0; j < 16; ++j)
          next[i & 1][i >> 1 & 1][i >> 2 & 1][i >> 3] += A(i & 1, j & 1) * A(i >> 1 & 1, j >> 1 & 1) *
                                                         A(i >> 2 & 1, j >> 2 & 1) * A(i >> 3, j >> 3) *
                                                         M[j & 1][j >> 1 & 1][j >> 2 & 1][j >> 3] / 4;
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) second[i & 1][i >> 1] += A(i & 1, j & 1) * A(i >> 1, j >> 1) * S[j & 1][j >> 1] / 4;
    }
    std::copy_n(&next[0][0][0][0], 16, &M[0][0][0][0]);
    std::copy_n(&second[0][0], 4, &S[0][0]);
    while (exact.steps[at] < k) ++at;
    if (k < exact.steps[at]) continue;
    double loss = 0, square = 0;
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j) {
        double H = 0, G = 0;
        for (const auto& row : x) {
          H += row[i & 1] * row[i >> 1] / 8;
          G += row[j & 1] * row[j >> 1] / 8;
        }
        square += H * G * M[i & 1][i >> 1][j & 1][j >> 1];
        if (j == 0) loss += H * S[i & 1][i >> 1];
      }
    CAPTURE(k);
    // The targets are rounded, which leaves some 1e-33.
    CHECK(column(exact, "loss")[at] == Approx(loss).epsilon(1e-9).scale(1e-23));
    CHECK(exact.find("loss")->std[at] == Approx(std::sqrt(square - loss * loss)).epsilon(1e-6));
    ++at;
  }
}

TEST_CASE("parameters and residuals are the same run") {
  for (const char* sampling : {"without-replacement", "with-replacement", "bernoulli", "shuffle"}) {
    std::array<std::vector<double>, 2> seen;
    for (const std::size_t k : {0, 1}) {
      seen[k].resize(3);
      const auto problem = prepare(
          experiment("learning_rate = 0.1\nbatch = 3\nsampling = '" + std::string(sampling) + "'", "samples = 12",
                     "[monte_carlo]\nsampler = '" + std::string(k ? "kernel" : "parameters") + "'"));
      const auto simulation = problem->simulate();
      CHECK(simulation->sampler() == (k ? "kernel" : "parameters"));
      const auto replica = simulation->replica(1, 4);
      replica->advance(40);
      replica->observe(seen[k]);
    }
    for (std::size_t c = 0; c < 3; ++c) CHECK(seen[0][c] == Approx(seen[1][c]).epsilon(1e-12));
  }
}

TEST_CASE("shuffled passes are not what the theory says, and it warns") {
  const auto problem = prepare(experiment("learning_rate = 0.2\nbatch = 3\nsampling = 'shuffle'"));
  const Trajectory theory = problem->solve();
  CHECK_FALSE(theory.exact);
  CHECK(problem->warnings() ==
        std::vector<std::string>{"the theory takes fresh batches; shuffled passes make them depend on each other"});
  // What it says of itself: the method is exact for batches that these runs do not take.
  const auto method = [&](const std::string& section) {
    const Trajectory t =
        prepare(experiment("learning_rate = 0.2\nbatch = 3\nsampling = 'shuffle'", "samples = 12", section))->solve();
    CHECK(!t.exact);
    return t.method;
  };
  CHECK(method("[theory]\nmethod = 'exact'") == "fresh batches");
  CHECK(method("[theory]\nmethod = 'closure'") == "closure, fresh batches");
  // But a shuffled full batch is the full batch.
  const Trajectory full = prepare(experiment("learning_rate = 0.2\nbatch = 12\nsampling = 'shuffle'"))->solve();
  CHECK(full.exact);
  CHECK(prepare(experiment("learning_rate = 0.2\nbatch = 12\nsampling = 'shuffle'"))->warnings().empty());
  CHECK(full.warnings.empty());
  const Sampled found = sampled(*problem->simulate(), 40, 4000);
  CHECK(std::abs(found.mean[0] - theory.columns[0].value[3]) > 8 * found.sem[0]);
}

TEST_CASE("the closure is near the exact theory, and its thresholds above") {
  const std::string optimizer = "learning_rate = 0.005\nbatch = 1\nsampling = 'with-replacement'";
  const std::string data = "samples = 40", spectrum = "kind = 'isotropic'\ndimension = 80";
  const auto problem = prepare(experiment(optimizer, data, "", spectrum));
  const double exact = finding<double>(*problem, "eta_max"), closure = finding<double>(*problem, "eta_max_closure"),
               field = finding<double>(*problem, "eta_max_mean_field");
  // Another draw of the data than that of docs/theory/least-squares-sgd.md, section 9: .02523, .02454, .02256 there.
  CHECK(exact < closure);
  CHECK(closure < field);
  CHECK(exact == Approx(0.0226).epsilon(0.05));
  CHECK(field == Approx(0.0252).epsilon(0.05));
  const auto solve = [&](const std::string& method) {
    return prepare(experiment(optimizer, data, "[theory]\nmethod = '" + method + "'", spectrum))->solve();
  };
  for (const std::size_t c : {0, 2}) {
    const double exactly = solve("exact").columns[c].value.back();
    const double closed = solve("closure").columns[c].value.back(),
                 field_value = solve("mean-field").columns[c].value.back();
    CHECK(closed == Approx(exactly).epsilon(0.02));  // of order 1/N
    CHECK(std::abs(closed - exactly) < std::abs(field_value - exactly));
    CHECK(field_value == Approx(exactly).epsilon(0.02));
  }
}

TEST_CASE("beyond the threshold the second moments grow, below it they fall") {
  const auto data = std::make_shared<FiniteData>();
  data->inputs = linear_algebra::Matrix(6, 4);
  for (std::size_t k = 0; k < data->inputs.size(); ++k) {
    const auto x = static_cast<double>(k);
    data->inputs.data()[k] = std::sin(1 + 3 * x + x * x);
  }
  data->residual = {1, -1, 2, 0.5};
  data->sampling = Sampling::with_replacement;
  data->schedule = read_schedule(settings::Table("test", ""), "schedule", 0);
  data->time.at = {600, 601};
  const Kernel kernel = kernel_of(*data);
  const double critical = threshold(*data, kernel, NormLevel::exact);
  for (const double factor : {0.97, 1.03}) {
    data->learning_rate = factor * critical;
    CHECK((kernel_norm(*data, kernel, NormLevel::exact, data->learning_rate) < 1) == (factor < 1));
    const Trajectory out = solve_finite_data(*data, kernel, {});
    REQUIRE(out.columns[0].value.size() == 2);
    CHECK(out.columns[0].value[1] / out.columns[0].value[0] == Approx(growth_factor(*data, kernel)).epsilon(1e-9));
    CHECK((growth_factor(*data, kernel) < 1) == (factor < 1));
  }
  data->learning_rate = 50 * critical;
  CHECK(solve_finite_data(*data, kernel, {}).diverged_at.has_value());
}

TEST_CASE("a run whose residuals grow beyond the limit has diverged, long before they overflow") {
  // One sample of norm 1, of fewer or more parameters than samples: the residual is multiplied by -99 a step, and is 1e119 after 60.
  for (const char* inputs : {"[[1], [1]]", "[[1, 0, 0], [1, 0, 0]]"}) {
    const auto problem =
        prepare(std::string("model = 'finite-data'\n[data]\nlaw = 'list'\ninputs = ") + inputs +
                "\ntargets = [1, 1]\n[optimizer]\nlearning_rate = 100\nbatch = 1\n[time]\nat = [20, 60]\n");
    const auto simulation = problem->simulate();
    const auto replica = simulation->replica(1, 0);
    double loss = 0;
    replica->advance(20);
    replica->observe({&loss, 1});
    CHECK(loss == Approx(std::pow(99.0, 40) / 2).epsilon(1e-12));
    replica->advance(60);
    replica->observe({&loss, 1});
    CHECK(std::isinf(loss));
  }
}

TEST_CASE("data may be given row by row") {
  const std::string text =
      "model = 'finite-data'\n[data]\nlaw = 'list'\ninputs = [[1, 0], [0, 2]]\ntargets = [1, 1]\n[optimizer]\n"
      "learning_rate = 0.5\nbatch = 2\n[time]\nat = [1]\n";
  // Full batch: z_1 = -1 (1 - .25), z_2 = -1 (1 - 1).
  const Trajectory theory = prepare(text)->solve();
  CHECK(theory.columns[0].value[1] == Approx(0.75 * 0.75 / 4).epsilon(1e-14));
  CHECK(theory.columns.size() == 1);  // no population is known
  const auto modes = prepare(text)->mode_table();
  REQUIRE(modes.size() == 3);
  CHECK(modes[0].value[0] == Approx(2));
  CHECK(modes[2].value[0] == Approx(2));
}

TEST_CASE("the table of modes: moments of the residual's powers, and eigenvectors that are known") {
  // sum_a mu_a^k (V'z)_a^2 = z' Theta^k z for every k, Theta = X X'/N of rank 2 here: N moments fix N powers.
  const std::vector<std::array<double, 2>> x{{1, 2}, {-1, 0.5}, {3, 1}};
  const std::array<double, 3> y{0.7, -1.1, 0.4};
  const auto modes = prepare(
                         "model = 'finite-data'\n[data]\nlaw = 'list'\ninputs = [[1, 2], [-1, 0.5], [3, 1]]\n"
                         "targets = [0.7, -1.1, 0.4]\n[optimizer]\nlearning_rate = 0.1\n[time]\nat = [1]\n")
                         ->mode_table();
  const std::vector<double>&mu = column(modes, "eigenvalue"), &power = column(modes, "residual_power");
  REQUIRE(power.size() == 3);
  std::array<double, 3> image = y;
  for (int k = 0; k < 3; ++k) {
    double expected = 0, found = 0;
    for (std::size_t i = 0; i < 3; ++i) expected += y[i] * image[i];
    for (std::size_t a = 0; a < 3; ++a) found += std::pow(mu[a], k) * power[a];
    CAPTURE(k);
    CHECK(found == Approx(expected).epsilon(1e-12));
    std::array<double, 3> next{};
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t j = 0; j < 3; ++j) next[i] += (x[i][0] * x[j][0] + x[i][1] * x[j][1]) / 3 * image[j];
    image = next;
  }
  // Theta = [[.5, .3], [.3, .5]]: (1, 1)/sqrt 2 and (1, -1)/sqrt 2, flat; mu = .8 and .2.
  const auto flat = prepare(
                        "model = 'finite-data'\n[data]\nlaw = 'list'\ninputs = [[1, 0], [0.6, 0.8]]\n"
                        "targets = [1, 3]\n[optimizer]\nlearning_rate = 0.1\n[time]\nat = [1]\n")
                        ->mode_table();
  CHECK(column(flat, "eigenvalue")[0] == Approx(0.8).epsilon(1e-14));
  CHECK(column(flat, "residual_power")[0] == Approx(8).epsilon(1e-13));
  CHECK(column(flat, "residual_power")[1] == Approx(2).epsilon(1e-13));
  for (const double flatness : column(flat, "localisation")) CHECK(flatness == Approx(1).epsilon(1e-13));
}

TEST_CASE("bad data sets are refused, and the message says how") {
  CHECK(holds(error_of(experiment("learning_rate = 0.1", "")), "samples"));
  CHECK(holds(error_of(experiment("batch = 1")), "learning_rate"));
  CHECK(holds(error_of(experiment("learning_rate = -1")), "learning_rate"));
  CHECK(holds(error_of(experiment("learning_rate = 0.1\nbatch = 13")), "more than the 12 samples"));
  CHECK(holds(error_of(experiment("learning_rate = 0.1\nbatch = 0")), "batch"));
  CHECK(holds(error_of(experiment("learning_rate = 0.1\nsampling = 'wrong'")), "sampling"));
  CHECK(holds(error_of(experiment("learning_rate = 0.1", "samples = 5\nlaw = 'rows'")), "dataset"));
  CHECK(holds(error_of(experiment("learning_rate = 0.1", "samples = 5\ntargets = [1]")), "list"));
  CHECK(holds(error_of(experiment("learning_rate = 0.1", "law = 'list'")), "leave it out"));
  CHECK(holds(error_of(experiment("learning_rate = 0.1", "samples = 5", "[initial]\nscale = 0")), "leave it out"));
  CHECK(holds(error_of(experiment("learning_rate = 0.1\ngamma = 1")), "either learning_rate or gamma"));
  CHECK(holds(error_of(experiment("learning_rate = 0.1", "samples = 5", "[schedule]\nkind = 'cosin'")), "cosine"));
  CHECK(holds(error_of(experiment("learning_rate = 0.1", "samples = 5", "[theory]\nmethod = 'closure'\nbands = true")),
              "bands"));
  CHECK(
      holds(error_of(experiment("learning_rate = 0.1\nsampling = 'shuffle'", "samples = 5", "[theory]\nbands = true")),
            "fresh batches"));
  CHECK(holds(error_of(experiment("learning_rate = 0.1", "samples = 250", "[theory]\nbands = true"), true),
              "cost too much"));
  const std::string list =
      "model = 'finite-data'\n[optimizer]\nlearning_rate = 0.1\n[time]\nsteps = 1\n[data]\nlaw = 'list'\n";
  CHECK(holds(error_of(list + "targets = [1]"), "inputs"));
  CHECK(holds(error_of(list + "inputs = [[1], [2]]\ntargets = [1]"), "one number per row"));
  CHECK(holds(error_of(list + "inputs = [[1], [2]]\ntargets = [1, 2]\nsamples = 3"), "2 rows"));
}

TEST_CASE("real rows: drawn one after the other without replacement, with their targets and label noise on top") {
  // Twelve images of two pixels, in the files of Fashion-MNIST.
  const auto folder = std::filesystem::temp_directory_path() / ("edgewise-rows-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  {
    std::string images("\0\0\x08\x03\0\0\0\x0c\0\0\0\x01\0\0\0\x02", 16), labels("\0\0\x08\x01\0\0\0\x0c", 8);
    for (int i = 0; i < 12; ++i) {
      images += static_cast<char>(17 * i % 100);
      images += static_cast<char>(i * i % 90);
      labels += static_cast<char>(i % 3);
    }
    std::ofstream(folder / "train-images-idx3-ubyte.gz", std::ios::binary) << images;
    std::ofstream(folder / "train-labels-idx1-ubyte.gz", std::ios::binary) << labels;
  }
  spectra::DatasetOptions options;
  options.folder = folder.string();
  const auto dataset = spectra::load(options);
  const std::string spectrum = "kind = 'dataset'\nfolder = '" + folder.string() + "'";
  for (const int samples : {12, 5}) {
    // The rows by a shuffle from the front.
    random::Stream choice(3, 0, 0, random::Purpose::data), label(3, 0, 0, random::Purpose::labels);
    std::vector<std::size_t> order(12);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::vector<std::array<double, 2>> x;
    std::vector<double> y;
    for (std::size_t i = 0; i < static_cast<std::size_t>(samples); ++i) {
      std::swap(order[i], order[i + choice.below(12 - i)]);
      x.push_back({dataset->row(order[i])[0], dataset->row(order[i])[1]});
      y.push_back(dataset->targets[order[i]] + 0.5 * label.normal());
    }
    const Trajectory found = prepare(experiment("learning_rate = 0.7\nbatch = " + std::to_string(samples),
                                                "law = 'rows'\nseed = 3\nsamples = " + std::to_string(samples),
                                                "[noise]\nvariance = 0.25\n", spectrum))
                                 ->solve();
    // Gradient descent on them.
    double theta[2] = {0, 0};
    std::size_t at = 0;
    for (int k = 0; k <= 40; ++k) {
      double loss = 0, gradient[2] = {0, 0};
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double r = x[i][0] * theta[0] + x[i][1] * theta[1] - y[i];
        loss += r * r / (2.0 * samples);
        for (int j = 0; j < 2; ++j) gradient[j] += r * x[i][j] / samples;
      }
      if (found.steps[at] == k) CHECK(column(found, "loss")[at++] == Approx(loss).epsilon(1e-10));
      for (int j = 0; j < 2; ++j) theta[j] -= 0.7 * gradient[j];
    }
    CHECK(at == 4);
  }
  CHECK(error_of(experiment("learning_rate = 0.1", "law = 'rows'\nsamples = 13", "", spectrum)) ==
        "x.toml: data.samples: the data set has 12 rows, fewer than 13");
  CHECK(holds(error_of(experiment("learning_rate = 0.1", "law = 'rows'\nsamples = 3", "",
                                  "kind = 'dataset'\nfolder = '/nowhere'")),
              "x.toml: spectrum.name: "));
  std::filesystem::remove_all(folder);
}

TEST_CASE("what a spectrum cannot give, and an objective that is not there, are refused") {
  const std::string rate = "learning_rate = 0.1";
  CHECK(error_of(experiment(rate, "samples = 5", "", "kind = 'power-law'\nalpha = 1\nbeta = 1\ndimension = 1e9")) ==
        "x.toml: spectrum.kind: a compressed spectrum is for theory only");
  CHECK(error_of(experiment(rate, "law = 'kernel'", "", "kind = 'isotropic'\ndimension = 4001")) ==
        "x.toml: spectrum.dimension: at most 4000 for law = \"kernel\"");
  // Of arrays of 1e15 x 20 numbers, and of their coordinates alone, nothing is allocated.
  for (const char* law : {"gaussian", "kernel"})
    for (const char* size : {"10000000000000", "1000000000000000"}) {
      CAPTURE(size);
      const std::string said = error_of(experiment(rate, std::string("law = '") + law + "'\nsamples = 20", "",
                                                   std::string("kind = 'isotropic'\ndimension = ") + size));
      CHECK(holds(said, law[0] == 'k' ? "x.toml: spectrum.dimension: at most 4000 for law"
                                      : "x.toml: spectrum.dimension: 20 samples of 1"));
      if (law[0] == 'g') CHECK(holds(said, " coordinates need "));
      if (law[0] == 'g') CHECK(holds(said, " GiB of memory, more than the "));
    }
  CHECK(error_of(experiment(rate, "law = 'kernel'\nsamples = 7", "", "kind = 'isotropic'\ndimension = 8")) ==
        "x.toml: data.samples: [spectrum] has 8 eigenvalues; leave it out");
  CHECK(error_of(experiment(rate, "law = 'kernel'\nsamples = 8", "", "kind = 'isotropic'\ndimension = 8")) ==
        "no error");
  const auto problem = prepare(experiment(rate, "samples = 5", "[theory]\nmethod = 'mean-field'\n"));
  CHECK_THROWS_WITH_AS(problem->rate_objective("excess_mse"),
                       "x.toml: schedule_search.observable: must be loss for this model", settings::Error);
  CHECK(problem->rate_objective("loss"));
  // Targets of 0 are met at the start.
  const auto still = prepare(
      "model = 'finite-data'\n[data]\nlaw = 'list'\ninputs = [[1, 0.5], [0.3, 1]]\ntargets = [0, 0]\n[optimizer]\n"
      "learning_rate = 0.1\n[theory]\nmethod = 'mean-field'\n[time]\nsteps = 3\n");
  const auto facts = still->rate_objective("")->facts();
  CHECK(facts.uniqueness.first == Uniqueness::none);
  CHECK(facts.uniqueness.second == "the run starts without a residual: any schedule leaves it there");
}

TEST_CASE("labels without a signal are the draws of the noise law, of the seed that is given") {
  // The loss at the start is sum_i eps_i^2/(2N).
  for (const auto& [keys, noise] :
       {std::pair<std::string, std::shared_ptr<const Noise>>{"law = 'cauchy'\nscale = 0.3", cauchy_noise(0.3)},
        {"law = 'laplace'\nvariance = 0.7", laplace_noise(0.7)},
        {"law = 'three-point'\nscale = 0.4\nprobability = 0.5", three_point_noise(0.4, 0.5)}}) {
    const std::string& law = keys;
    CAPTURE(law);
    double sum = 0;
    for (std::uint64_t i = 0; i < 12; ++i) {
      random::Stream labels(29, 0, i, random::Purpose::labels);
      const double drawn = noise->draw(labels);
      sum += drawn * drawn;
    }
    const auto problem = prepare(experiment("learning_rate = 0.01", "samples = 12\nseed = 29", "[noise]\n" + law,
                                            "kind = 'list'\neigenvalues = [1.0, 0.5]\ntarget_power = [0.0, 0.0]"));
    CHECK(column(problem->solve(), "loss")[0] == Approx(sum / 24).epsilon(1e-13));
  }
}

TEST_CASE("the loss at the start is that of the spectrum's inputs and targets, drawn by hand") {
  struct Drawn {
    std::string spectrum;
    std::vector<double> eigenvalue, target;
  };
  const double split = std::sqrt(0.6 / 2);
  for (const Drawn& row :
       {Drawn{"kind = 'power-law'\ndimension = 3\nalpha = 0.7\nbeta = 0.4",
              {1, std::pow(2, -1.4), std::pow(3, -1.4)},
              {1, std::pow(2, -0.4), std::pow(3, -0.4)}},
        {"kind = 'list'\neigenvalues = [1.5, 0.2]\nmultiplicities = [1, 2]\ntarget_power = [0.3, 0.6]",
         {1.5, 0.2, 0.2},
         {std::sqrt(0.3), split, split}},
        {"kind = 'two-point'\nlarge = 1.7\nsmall = 0.3\nmultiplicities = [2, 1]\ntarget_power = [0.6, 0.8]",
         {1.7, 1.7, 0.3},
         {split, split, std::sqrt(0.8)}}}) {
    CAPTURE(row.spectrum);
    double sum = 0;
    for (std::uint64_t i = 0; i < 12; ++i) {
      random::Stream inputs(3, 0, i, random::Purpose::data);
      double y = 0;
      for (std::size_t j = 0; j < 3; ++j) y += std::sqrt(row.eigenvalue[j]) * inputs.normal() * row.target[j];
      sum += y * y;
    }
    const auto problem = prepare(experiment("learning_rate = 0.01", "samples = 12\nseed = 3", "", row.spectrum));
    CHECK(column(problem->solve(), "loss")[0] == Approx(sum / 24).epsilon(1e-12));
  }
}

TEST_CASE("schedules: one sample of one parameter contracts by 1 - eta s(k) mu") {
  for (const auto& [keys, values] :
       {std::pair<std::string, std::array<double, 4>>{
            "'square-root'\na = 1.5", {1, std::pow(15.0 / 16, 0.75), std::pow(0.75, 0.75), std::pow(7.0 / 16, 0.75)}},
        {"'step'\nfactor = 0.5\nstages = 2", {1, 1, 0.5, 0.5}},
        {"'rex'\nb = 0.2", {1, 0.75 / 0.95, 0.5 / 0.9, 0.25 / 0.85}},
        {"'table'\nvalues = [1, 0.4]", {1, 1, 0.4, 0.4}},
        {"'constant'\nwarmup = 0.75", {1.0 / 3, 2.0 / 3, 1, 1}}}) {
    const std::string& schedule = keys;
    CAPTURE(schedule);
    double z = 2;
    for (const double s : values) z *= 1 - 0.3 * s * 1.44;
    const auto problem = prepare(
        "model = 'finite-data'\n[data]\nlaw = 'list'\ninputs = [[1.2]]\ntargets = [2]\n[optimizer]\nlearning_rate = "
        "0.3\n[time]\nat = [4]\n[schedule]\nkind = " +
        schedule + "\n");
    CHECK(column(problem->solve(), "loss")[1] == Approx(z * z / 2).epsilon(1e-12));
  }
}

TEST_CASE("finite data: what is left out is what the description says") {
  const std::string sgd = "learning_rate = 0.4", noise = "[noise]\nvariance = 0.2\n";
  const auto check = [](const std::string& text, const char* key, const char* usual, const char* other) {
    models::testing::check_default(text, key, usual, other);
  };
  check(experiment(sgd, "samples = 6", noise), "noise.law", "'gaussian'", "'laplace'");
  check(experiment(sgd, "samples = 6"), "data.seed", "1", "2");
  check(experiment(sgd, "samples = 6"), "optimizer.batch", "1", "2");
  check(experiment(sgd, "samples = 6"), "optimizer.sampling", "'without-replacement'", "'bernoulli'");
  check(experiment(sgd, "samples = 6"), "theory.method", "'exact'", "'closure'");
  check(experiment(sgd, "samples = 6"), "theory.bands", "false", "true");
  check(experiment(sgd, "samples = 6"), "monte_carlo.sampler", "'auto'", "'parameters'");
}

TEST_CASE("before a step the risk on fresh data is the signal and the noise of the experiment's laws") {
  // theta = 0: E y^2/2. Of a power law |theta*|_K^2 = sum j^(-2 alpha - 2 beta).
  double signal = 0;
  for (int j = 1; j <= 9; ++j) signal += std::pow(j, -2 * (0.6 + 0.3));
  struct Row {
    std::string keys;
    double variance;
  };
  const Row rows[] = {{"law = 'gaussian'\nvariance = 0.2", 0.2},
                      {"law = 'contaminated'\nscale = 0.3\nprobability = 0.1\noutlier_scale = 4.0", 0.9 * 0.09 + 1.6},
                      {"law = 'three-point'\nscale = 0.7\nprobability = 0.3", 0.3 * 0.49},
                      {"law = 'student-t'\nscale = 0.3\ndof = 6", 0.09 * 6 / 4},
                      {"law = 'laplace'\nvariance = 0.4", 0.4}};
  for (const Row& row : rows) {
    const std::string keys = row.keys;
    CAPTURE(keys);
    const Trajectory found =
        prepare(experiment("kind = 'multi-pass-sgd'\nlearning_rate = 0.1", "samples = 4", "[noise]\n" + keys + "\n",
                           "kind = 'power-law'\ndimension = 9\nalpha = 0.6\nbeta = 0.3"))
            ->solve();
    CHECK(column(found, "risk").front() == Approx((signal + row.variance) / 2).epsilon(1e-12));
  }
}
