// Stability on a fixed data set against the second moments of the parameters, E (1 - eta H) theta theta' (1 - eta H),
// written out: H the mean of x x' over a batch. Where the samples are alike, few or of very different scales.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <string>
#include <vector>

#include "models/finite_data/finite_data.hpp"
#include "models/finite_data/kernel_norms.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using namespace edgewise::models;
using namespace edgewise::models::finite_data;
using namespace edgewise::models::ingredients;
using edgewise::tests::Approx;
using linear_algebra::Matrix;
using models::testing::error_of;
using models::testing::finding;
using models::testing::holds;
using models::testing::prepare;

namespace {

FiniteData data_of(Matrix inputs, Sampling sampling, std::size_t batch, double rate) {
  FiniteData data;
  data.residual.assign(inputs.columns(), 1.0);
  data.inputs = std::move(inputs);
  data.sampling = sampling;
  data.batch = batch;
  data.learning_rate = rate;
  data.schedule = read_schedule(settings::Table("test", ""), "schedule", 0);
  return data;
}

/// Spectral radius of theta theta' -> E (1 - eta H) theta theta' (1 - eta H), for samples that span all parameters.
double literal_growth(const FiniteData& data) {
  const std::size_t p = data.parameters(), N = data.samples();
  const auto n = static_cast<double>(N), B = static_cast<double>(data.batch);
  const double eta = data.learning_rate;
  Matrix mean(p, p), own(p * p, p * p);  // E h, E h (x) h of one sample
  for (std::size_t i = 0; i < N; ++i) {
    const auto x = data.inputs.column(i);
    for (std::size_t a = 0; a < p; ++a)
      for (std::size_t b = 0; b < p; ++b) {
        mean(a, b) += x[a] * x[b] / n;
        for (std::size_t c = 0; c < p; ++c)
          for (std::size_t d = 0; d < p; ++d) own(a * p + c, b * p + d) += x[a] * x[b] * x[c] * x[d] / n;
      }
  }
  // E H (x) H = once E h (x) h + pairs (E h) (x) (E h).
  double once = 1 / B, pairs = 1 - 1 / B;
  if (data.sampling == Sampling::bernoulli) {
    once = 1 / B - 1 / n;
    pairs = 1;
  } else if (data.sampling != Sampling::with_replacement && N > 1) {
    pairs = (B - 1) / B * n / (n - 1);
    once = 1 / B - (B - 1) / (B * (n - 1));
  }
  Matrix map(p * p, p * p);
  for (std::size_t a = 0; a < p; ++a)
    for (std::size_t b = 0; b < p; ++b)
      for (std::size_t c = 0; c < p; ++c)
        for (std::size_t d = 0; d < p; ++d)
          map(a * p + c, b * p + d) = (a == b && c == d ? 1 : 0) -
                                      eta * ((c == d) * mean(a, b) + (a == b) * mean(c, d)) +
                                      eta * eta * (once * own(a * p + c, b * p + d) + pairs * mean(a, b) * mean(c, d));
  double radius = 0;
  for (const std::complex<double>& x : linear_algebra::eigenvalues(map)) radius = std::max(radius, std::abs(x));
  return radius;
}

const std::vector<Sampling> fresh = {Sampling::without_replacement, Sampling::with_replacement, Sampling::bernoulli};

}  // namespace

TEST_CASE("growth and threshold are those of the parameters' second moments, for samples that repeat each other") {
  CHECK(rc::check("samples of few directions, any batch, any units", [] {
    const std::size_t p = *rc::gen::inRange<std::size_t>(1, 4), different = *rc::gen::inRange<std::size_t>(p, 5);
    const std::size_t N = *rc::gen::inRange<std::size_t>(different, 41);
    const Sampling sampling = *rc::gen::elementOf(fresh);
    const std::size_t batch =
        *rc::gen::inRange<std::size_t>(1, (sampling == Sampling::with_replacement ? 3 * N : N) + 1);
    const double unit = std::pow(10.0, *rc::gen::inRange(-30, 31));
    // One-hot axes first, so that the samples span all parameters; then copies and other small vectors.
    Matrix inputs(p, N);
    for (std::size_t i = 0; i < N; ++i) {
      const std::size_t kind = i % different;
      for (std::size_t j = 0; j < p; ++j)
        inputs(j, i) =
            unit * (kind < p ? (j == kind ? 1.0 + static_cast<double>(kind) : 0.0) : (j % 2 == 0 ? 0.5 : -1.0));
    }
    FiniteData data = data_of(inputs, sampling, batch, 0);
    const Kernel kernel = kernel_of(data);
    RC_ASSERT(kernel.rank == p);
    const double edge = std::min(threshold(data, kernel, NormLevel::exact), 2 / kernel.eigenvalue.front());
    for (const double share : {0.1, 0.9, 0.999, 1.001, 3.0}) {
      data.learning_rate = share * edge;
      const double growth = literal_growth(data);
      RC_ASSERT(std::abs(growth_factor(data, kernel) - growth) <= 1e-10 * growth);
      RC_ASSERT((growth < 1) == (share < 1));
    }
    const std::vector<Finding> found = finite_data_stability(data, kernel);
    RC_ASSERT(std::abs(finding<double>(found, "eta_max") - edge) <= 1e-12 * edge);
    RC_ASSERT(!finding<bool>(found, "stable"));
  }));
}

TEST_CASE("the closure, the mean field and the trace on orthogonal samples, by hand") {
  // Rows e_j sqrt(mu_j N): Theta is diagonal, eigenvectors are the samples' axes, and the closure is exact: of each alone
  // eta c1 mu/(2 - eta c2 mu), the mean field their mean.
  const std::size_t N = 4;
  const double mu[] = {1.5, .9, .4, .2}, eta = .7;
  Matrix inputs(N, N);
  for (std::size_t j = 0; j < N; ++j) inputs(j, j) = std::sqrt(mu[j] * static_cast<double>(N));
  for (const std::size_t batch : {1, 2, 3}) {
    const FiniteData data = data_of(inputs, Sampling::without_replacement, batch, eta);
    const std::vector<Finding> found = finite_data_stability(data, kernel_of(data));
    // E w_i^2 and E w_i w_j of w = N/B times who is in the batch.
    const double n = 4, B = static_cast<double>(batch);
    const double second = n / B, pair = n * (B - 1) / (B * (n - 1));
    double closure = 0, mean = 0, trace = 0, most = 0;
    for (const double m : mu) {
      const double gain = eta * (second - pair) * m / (2 - eta * pair * m);
      closure = std::max(closure, gain);
      mean += gain / n;
      trace += eta * m / (2 * B);
      most = std::max(most, 1 - 2 * eta * m + eta * eta * m * m * second);
    }
    CAPTURE(batch);
    CHECK(finding<double>(found, "kernel_norm_closure") == Approx(closure).epsilon(1e-12));
    CHECK(finding<double>(found, "kernel_norm") == Approx(closure).epsilon(1e-12));
    CHECK(finding<double>(found, "kernel_norm_mean_field") == Approx(mean).epsilon(1e-12));
    CHECK(finding<double>(found, "kernel_norm_trace") == Approx(trace).epsilon(1e-12));
    CHECK(finding<double>(found, "normalized_sharpness") == Approx(1.05).epsilon(1e-12));
    CHECK(finding<double>(found, "eta_max_mean") == Approx(2 / 1.5).epsilon(1e-12));
    // Each coordinate alone: E (1 - eta mu w)^2.
    CHECK(finding<double>(found, "growth_factor") == Approx(most).epsilon(1e-12));
    CHECK(finding<double>(found, "eta_max") == Approx(2 / (1.5 * second)).epsilon(1e-10));
    CHECK(finding<double>(found, "eta_max_closure") == Approx(2 / (1.5 * second)).epsilon(1e-10));
  }
}

TEST_CASE("one parameter: growth and threshold in closed form") {
  const std::string text =
      "model = 'finite-data'\n[spectrum]\nkind = 'isotropic'\ndimension = 1\n[data]\nsamples = 20\n[optimizer]\n"
      "learning_rate = 0.5\nbatch = 2\n[time]\nsteps = 20\n";
  const std::vector<Finding> found = prepare(text)->stability();
  CHECK(finding<bool>(found, "stable"));
  CHECK(finding<double>(found, "eta_max") == Approx(0.7615).epsilon(1e-4));
  CHECK(finding<double>(found, "growth_factor") == Approx(0.571).epsilon(1e-3));
  CHECK(finding<std::string>(found, "outcome") == "converges");
  // y = x theta* without noise: one parameter fits them all.
  CHECK(finding<double>(found, "loss_floor") == 0);
  CHECK(finding<double>(found, "steady_loss") == 0);

  // E (1 - eta mean x^2)^2 of batches of two of 30 samples, the last 20 alike.
  Matrix inputs(1, 30, 1.5);
  double second = 0, fourth = 0;
  for (std::size_t i = 0; i < 30; ++i) {
    if (i < 10) inputs(0, i) = static_cast<double>(i) / 5;
    second += std::pow(inputs(0, i), 2) / 30;
    fourth += std::pow(inputs(0, i), 4) / 30;
  }
  const double square = fourth / 2 + (30 * second * second - fourth) / (2 * 29);
  const FiniteData data = data_of(inputs, Sampling::without_replacement, 2, 0.4);
  CHECK(growth_factor(data, kernel_of(data)) == Approx(1 - 0.8 * second + 0.16 * square).epsilon(1e-12));
  CHECK(threshold(data, kernel_of(data), NormLevel::exact) == Approx(2 * second / square).epsilon(1e-12));
}

TEST_CASE("features of very different scales") {
  // Without its second parameter the first moves alone: 1 - 2 eta E x^2 + eta^2 E x^4.
  const std::string text =
      "model = 'finite-data'\n[data]\nlaw = 'list'\ninputs = [[1e8, 0.3], [0.2, 1.0], [0.1, 0.5]]\n"
      "targets = [1.0, 1.0, 0.0]\n[optimizer]\nlearning_rate = 1e-6\nbatch = 1\nsampling = 'with-replacement'\n"
      "[time]\nat = [1, 2, 5]\n";
  const std::vector<Finding> found = prepare(text)->stability();
  CHECK(finding<std::string>(found, "outcome") == "mean diverges");
  CHECK(finding<double>(found, "eta_max") == Approx(2e-16).epsilon(1e-12));
  CHECK(finding<double>(found, "growth_factor") == Approx(1e20 / 3).epsilon(1e-9));
  // The second mode is there, sixteen decades below the first: in exact arithmetic 0.41666666616666666 (the determinant
  // of the 2 x 2 covariance over its trace), and what both leave of the targets is 1/30.
  CHECK(prepare(text)->mode_table()[0].value[1] == Approx(0.41666666616666666).epsilon(1e-7));
  CHECK(finding<double>(found, "loss_floor") == Approx(1.0 / 30).epsilon(1e-7));
  CHECK(std::isinf(finding<double>(found, "kernel_norm")) == false);
  CHECK(finding<double>(found, "normalized_sharpness") == Approx(1e10 / 3).epsilon(1e-12));
  for (const double scale : {1e3, 1e5}) {
    Matrix inputs(2, 3);
    const double rows[3][2] = {{scale, 0.3}, {0.2, 1}, {0.1, 0.5}};
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t j = 0; j < 2; ++j) inputs(j, i) = rows[i][j];
    for (const double rate : {0.5 / (scale * scale), 1e-3, 1.0}) {
      const FiniteData data = data_of(inputs, Sampling::with_replacement, 1, rate);
      CHECK(growth_factor(data, kernel_of(data)) == Approx(literal_growth(data)).epsilon(1e-10));
    }
  }
}

TEST_CASE("small eigenvalues are known, and rounding is not one") {
  // Orthogonal features of sizes 1, 1e-2, .. 1e-8, each among its own samples: mu_j = 1e-4j/N exactly.
  Matrix inputs(5, 12);
  for (std::size_t j = 0; j < 5; ++j) inputs(j, 2 * j) = std::pow(10.0, -2.0 * static_cast<double>(j));
  // A rotation of the samples leaves the spectrum and puts rounding everywhere.
  Matrix mixed = linear_algebra::product(inputs, linear_algebra::orthonormal_columns([] {
                                           Matrix m(12, 12);
                                           for (std::size_t k = 0; k < m.size(); ++k)
                                             m.data()[k] = std::sin(1.0 + 7.0 * static_cast<double>(k * k));
                                           return m;
                                         }()));
  const Kernel kernel = kernel_of(data_of(mixed, Sampling::with_replacement, 1, 1));
  CHECK(kernel.rank == 5);
  for (std::size_t j = 0; j < 5; ++j)
    CHECK(kernel.eigenvalue[j] == Approx(std::pow(10.0, -4.0 * static_cast<double>(j)) / 12).epsilon(1e-8));
  for (std::size_t j = 5; j < 12; ++j) CHECK(kernel.eigenvalue[j] == 0);
  CHECK(std::abs(kernel.along(kernel.vectors.column(11))[11] - 1) < 1e-14);
  CHECK(std::abs(kernel.along(kernel.vectors.column(3))[9]) < 1e-14);
}

TEST_CASE("the closure keeps the digits of the excess risk where eigenvalues span many decades") {
  // At a full batch the theory is one run of the algorithm; mu spans 16 decades.
  const auto problem = prepare(
      "model = 'finite-data'\n[spectrum]\nkind = 'power-law'\nalpha = 7\nbeta = 1\ndimension = 14\n[data]\nsamples = "
      "12\n"
      "[optimizer]\nlearning_rate = 0.5\nbatch = 12\n[theory]\nmethod = 'closure'\n[time]\nat = [1, 10, 400]\n");
  const Trajectory theory = problem->solve();
  const auto simulation = problem->simulate();
  const auto replica = simulation->replica(1, 0);
  std::vector<double> out(3);
  for (std::size_t k = 0; k < theory.steps.size(); ++k) {
    replica->advance(static_cast<std::uint64_t>(theory.steps[k]));
    replica->observe(out);
    for (std::size_t c = 0; c < 3; ++c) CHECK(theory.columns[c].value[k] == Approx(out[c]).epsilon(1e-9));
  }
}

TEST_CASE("inputs that are all 0, and inputs too large for a kernel") {
  const auto text = [](const std::string& input, const std::string& rate) {
    return "model = 'finite-data'\n[data]\nlaw = 'list'\ninputs = [[" + input + "], [" + input +
           "]]\ntargets = [1, 2]\n[optimizer]\n" + rate + "\n[time]\nsteps = 3\n";
  };
  const auto problem = prepare(text("0", "learning_rate = 1"));
  const std::vector<Finding> found = problem->stability();
  CHECK(finding<std::string>(found, "outcome") == "converges");
  CHECK(std::isinf(finding<double>(found, "eta_max")));
  CHECK(finding<double>(found, "growth_factor") == 1);
  CHECK(finding<double>(found, "loss_floor") == Approx(1.25));
  CHECK(problem->solve().columns[0].value.back() == Approx(1.25));
  CHECK(holds(error_of(text("0", "gamma = 1")), "optimizer.gamma"));
  CHECK(holds(error_of(text("1e200", "learning_rate = 1")), "x.toml: data: the inputs are so large"));
}

TEST_CASE("batches larger than the data set, with replacement") {
  const auto text = [](int batch, const std::string& sampling) {
    return "model = 'finite-data'\n[spectrum]\nkind = 'isotropic'\ndimension = 8\n[data]\nsamples = 5\n[optimizer]\n"
           "learning_rate = 0.3\nbatch = " +
           std::to_string(batch) + "\nsampling = '" + sampling + "'\n[time]\nat = [1, 6]\n";
  };
  CHECK(holds(error_of(text(6, "without-replacement")), "more than the 5 samples"));
  CHECK(holds(error_of(text(6, "bernoulli")), "with-replacement"));
  CHECK(holds(error_of(text(6, "shuffle")), "more than the 5 samples"));
  const auto problem = prepare(text(12, "with-replacement"));
  const Trajectory theory = problem->reference();
  const auto simulation = problem->simulate();
  std::vector<double> out(3);
  for (std::size_t k = 0; k < 2; ++k) {
    // 2 comparisons at 5 standard errors, which the theory predicts: a right program fails with probability 1e-6.
    double sum = 0;
    for (std::uint64_t r = 0; r < 4000; ++r) {
      const auto replica = simulation->replica(3, r);
      replica->advance(static_cast<std::uint64_t>(theory.steps[k + 1]));
      replica->observe(out);
      sum += out[0] / 4000;
    }
    CHECK(std::abs(sum - theory.columns[0].value[k + 1]) < 5 * theory.columns[0].std[k + 1] / std::sqrt(4000));
  }
  // The noise never vanishes with replacement: the least stable batch may exceed N.
  FiniteData data = data_of(Matrix::identity(5, 5), Sampling::with_replacement, 1, 0);
  const Kernel kernel = kernel_of(data);
  data.learning_rate = 9.4;  // eta mu = 1.88
  const auto least =
      static_cast<std::size_t>(finding<double>(finite_data_stability(data, kernel), "least_stable_batch"));
  CHECK(least > 5);
  for (const std::size_t batch : {least - 1, least}) {
    // A sample alone: E (1 - eta n/B)^2 with n binomial.
    const auto B = static_cast<double>(batch);
    const double growth = 1 - 2 * 9.4 / 5 + 9.4 * 9.4 * (0.2 * 0.8 / B + 0.04);
    CHECK((growth < 1) == (batch == least));
    data.batch = batch;
    CHECK(growth_factor(data, kernel) == Approx(growth).epsilon(1e-11));
  }
}

TEST_CASE("no learning rate is too large to be judged") {
  for (const char* batch : {"1", "2", "12"})
    for (const char* rate : {"1e160", "1e308"})
      for (const char* sampling : {"with-replacement", "without-replacement", "bernoulli"}) {
        const auto problem = prepare(
            "model = 'finite-data'\n[spectrum]\nkind = 'isotropic'\ndimension = 8\n[data]\nsamples = 12\n"
            "[optimizer]\nlearning_rate = " +
            std::string(rate) + "\nbatch = " + batch + "\nsampling = '" + sampling + "'\n[time]\nat = [1, 5]\n");
        const std::vector<Finding> found = problem->stability();
        CHECK(finding<std::string>(found, "outcome") == "mean diverges");
        CHECK(std::isinf(finding<double>(found, "growth_factor")));
        CHECK(finding<double>(found, "eta_max") < 10);
        CHECK(problem->solve().diverged_at == 1);
      }
}

TEST_CASE("labels of infinite variance have no risk, and are simulated and solved all the same") {
  const auto problem = prepare(
      "model = 'finite-data'\n[spectrum]\nkind = 'isotropic'\ndimension = 8\n[noise]\nlaw = 'cauchy'\nscale = "
      "0.1\n[data]\nsamples "
      "= 5\n"
      "[optimizer]\nlearning_rate = 0.05\nbatch = 5\n[time]\nat = [1, 6]\n");
  const Trajectory theory = problem->solve();
  REQUIRE(theory.columns.size() == 2);
  CHECK(theory.columns[1].observable.name == "excess_mse");
  const auto simulation = problem->simulate();
  REQUIRE(simulation->observables().size() == 2);
  const auto replica = simulation->replica(1, 0);
  std::vector<double> out(2);
  for (std::size_t k = 0; k < theory.steps.size(); ++k) {
    replica->advance(static_cast<std::uint64_t>(theory.steps[k]));
    replica->observe(out);
    // A full batch: the theory is the run.
    for (std::size_t c = 0; c < 2; ++c) CHECK(theory.columns[c].value[k] == Approx(out[c]).epsilon(1e-10));
  }
}

TEST_CASE("the loss comes to its steady value as fast as approach_factor says") {
  const auto of = prepare(
      "model = 'finite-data'\n[data]\nlaw = 'list'\ninputs = [[1, 0.3], [0.2, 1], [1, -1.5], [0.7, 0.1], [0.1, 0.4]]\n"
      "targets = [1, 1, 0, 2, 3]\n[optimizer]\nlearning_rate = 0.2\n[time]\nat = [200, 201]\n");
  const auto findings = of->stability();
  const auto loss = models::testing::column(of->solve(), "loss");
  const double steady = models::testing::number(findings, "steady_loss");
  const double found = models::testing::number(findings, "approach_factor");
  CHECK((loss[2] - steady) / (loss[1] - steady) == Approx(found).epsilon(1e-4));
  CHECK(found > models::testing::number(findings, "growth_factor") + 0.05);
}

TEST_CASE("where no input says anything the loss stays where it is") {
  const auto of = prepare(
      "model = 'finite-data'\n[data]\nlaw = 'list'\ninputs = [[0, 0], [0, 0], [0, 0]]\ntargets = [1, 2, -1]\n"
      "[optimizer]\nlearning_rate = 0.1\n[time]\nsteps = 5\n");
  const auto findings = of->stability();
  for (const char* name : {"loss_floor", "steady_loss", "approach_factor"})
    CHECK(models::testing::number(findings, name) == 1);
  const Trajectory solved = of->solve();
  for (const double loss : models::testing::column(solved, "loss")) CHECK(loss == 1);
}
