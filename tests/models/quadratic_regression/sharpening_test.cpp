// What the runs do, against the theory: early sharpening, the limit with memory, edges of stability, SAM.
// Seeds are fixed; thresholds are five standard errors, beside the stated systematic allowance.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "models/ingredients/kernel_stability.hpp"
#include "models/quadratic_regression/early_time.hpp"
#include "models/quadratic_regression/memory.hpp"
#include "models/quadratic_regression/simulation.hpp"
#include "tests/approx.hpp"
#include "tests/models/quadratic_regression/run_classes.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using linear_algebra::Matrix;
using linear_algebra::Transposed;
using models::quadratic_regression::QuadraticProblem;

namespace {

QuadraticProblem problem_of(std::size_t outputs, std::size_t parameters, double curvature, double eta,
                            std::size_t batch) {
  QuadraticProblem p;
  p.law.outputs = outputs;
  p.law.parameters = parameters;
  p.law.curvature = curvature;
  p.rule.learning_rate = eta;
  p.batch = batch;
  return p;
}

std::vector<std::uint64_t> every(std::uint64_t interval, std::uint64_t last) {
  std::vector<std::uint64_t> out;
  for (std::uint64_t t = 0; t <= last; t += interval) out.push_back(t);
  return out;
}

/// One replica's record, an array per observable.
struct Record {
  std::vector<double> step;
  std::vector<std::vector<double>> value;
  bool diverged = false;
};

Record record(const QuadraticProblem& p, std::uint64_t seed, std::uint64_t index,
              const std::vector<std::uint64_t>& at) {
  const auto simulation = models::quadratic_regression::simulate_quadratic(std::make_shared<const QuadraticProblem>(p));
  const auto replica = simulation->replica(seed, index);
  std::vector<double> now(simulation->observables().size());
  Record out;
  out.value.resize(now.size());
  for (const std::uint64_t t : at) {
    replica->advance(t);
    replica->observe(now);
    out.diverged = !std::isfinite(now[0]);
    if (out.diverged) break;
    out.step.push_back(static_cast<double>(t));
    for (std::size_t o = 0; o < now.size(); ++o) out.value[o].push_back(now[o]);
  }
  return out;
}

tests::RunClass classify(const Record& r, const QuadraticProblem& p) {
  const bool norms = p.kernel_norms == models::quadratic_regression::KernelNorms::exact;
  return tests::classify_run({r.step, r.value[0], r.value[4],
                              norms ? std::span<const double>(r.value[6]) : std::span<const double>(), r.diverged},
                             p.law.outputs, p.batch);
}

struct Mean {
  double mean = 0, se = 0;
};

Mean mean_of(const std::vector<double>& x) {
  const auto n = static_cast<double>(x.size());
  Mean out;
  out.mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
  double square = 0;
  for (const double v : x) square += (v - out.mean) * (v - out.mean);
  out.se = std::sqrt(square / (n - 1) / n);
  return out;
}

/// Second difference of K along the initial eigenvectors, over all pairs of one-row batches (B = 1) or the full batch,
/// averaged over the pair Q, -Q.
class Differences {
 public:
  Differences(std::size_t d, std::size_t p) : d_(d), p_(p) {
    models::ingredients::QuadraticLaw law;
    law.outputs = d;
    law.parameters = p;
    law.curvature = 0;
    const models::ingredients::QuadraticInstance start =
        models::ingredients::draw_instance(law, 21, 0, models::ingredients::CurvatureTensor::Storage::stored);
    z0_ = start.z0;
    j0_ = start.j0;
    kernel_ = linear_algebra::product(j0_, j0_, Transposed::no, Transposed::yes);
    eigen_ = linear_algebra::symmetric_eigen(kernel_);
  }

  models::quadratic_regression::EarlyTimeState state(double variance) const { return {z0_, kernel_, p_, variance}; }
  const linear_algebra::SymmetricEigen& eigen() const { return eigen_; }

  /// One sample per draw of Q: [draw][mode], divided by eta^2 when `second`.
  std::vector<std::vector<double>> sample(double variance, double eta, std::size_t batch, std::size_t draws) const {
    std::vector<std::vector<double>> out;
    models::ingredients::QuadraticLaw law;
    law.outputs = d_;
    law.parameters = p_;
    law.curvature = variance * static_cast<double>(p_ * p_);
    for (std::size_t n = 0; n < draws; ++n) {
      const models::ingredients::CurvatureTensor q(law, 22, n, models::ingredients::CurvatureTensor::Storage::stored);
      std::vector<double> sum(d_, 0.0);
      for (const double sign : {1.0, -1.0}) {
        Matrix rows(d_ * p_, p_);
        for (std::size_t a = 0; a < d_; ++a)
          for (std::size_t i = 0; i < p_; ++i)
            for (std::size_t j = 0; j < p_; ++j) rows(a * p_ + i, j) = sign * q.at(a, i, j);
        const models::ingredients::QuadraticInstance x{z0_, j0_, models::ingredients::CurvatureTensor(d_, p_, rows)};
        const std::size_t pairs = batch == d_ ? 1 : d_ * d_;
        for (std::size_t k = 0; k < pairs; ++k) {
          const std::vector<std::size_t> one{k / d_}, two{k % d_};
          models::quadratic_regression::QuadraticState s(x);
          s.step({eta}, batch == d_ ? std::span<const std::size_t>() : one);
          const std::vector<double> k1 = modes(s.jacobian());
          s.step({eta}, batch == d_ ? std::span<const std::size_t>() : two);
          const std::vector<double> k2 = modes(s.jacobian());
          for (std::size_t m = 0; m < d_; ++m)
            sum[m] += (k2[m] - 2 * k1[m] + eigen_.values[m]) / (2 * static_cast<double>(pairs) * eta * eta);
        }
      }
      out.push_back(sum);
    }
    return out;
  }

 private:
  /// |J' v|^2 for every initial eigenvector v.
  std::vector<double> modes(const Matrix& j) const {
    const Matrix along = linear_algebra::product(j, eigen_.vectors, Transposed::yes, Transposed::no);
    std::vector<double> out(d_, 0.0);
    for (std::size_t m = 0; m < d_; ++m)
      for (const double x : along.column(m)) out[m] += x * x;
    return out;
  }

  std::size_t d_, p_;
  std::vector<double> z0_;
  Matrix j0_, kernel_;
  linear_algebra::SymmetricEigen eigen_;
};

std::vector<double> column(const std::vector<std::vector<double>>& sample, std::size_t mode) {
  std::vector<double> out;
  for (const auto& row : sample) out.push_back(row[mode]);
  return out;
}

}  // namespace

TEST_CASE("progressive sharpening: the kernel accelerates, as much as predicted") {
  const Differences start(6, 12);
  const double variance = 0.01, eta = 1e-4;  // gradient flow to 1e-3
  const auto sample = start.sample(variance, eta, 6, 500);
  std::vector<double> trace;
  for (const auto& row : sample) trace.push_back(std::accumulate(row.begin(), row.end(), 0.0));
  const Mean mc = mean_of(trace);
  const double theory = models::quadratic_regression::trace_acceleration(start.state(variance));
  CHECK(mc.mean > 10 * mc.se);
  CHECK(std::abs(mc.mean - theory) < 5 * mc.se + 1e-3 * theory);
  const std::vector<double> modes = models::quadratic_regression::projected_acceleration(start.state(variance));
  for (std::size_t m = 0; m < 6; ++m) {
    const Mean k = mean_of(column(sample, m));
    CHECK(std::abs(k.mean - modes[m]) < 5 * k.se + 1e-3 * modes[m]);
  }
}

TEST_CASE("conservative sharpening: small batches slow the second difference, the top modes most") {
  const Differences start(6, 12);
  const double variance = 0.01, eta = 0.02;
  // Against the same draws of Q without noise, of which b^2 is left: the difference is the term of order eta^3.
  const auto noisy_sample = start.sample(variance, eta, 1, 500), quiet_sample = start.sample(variance, 1e-4, 6, 500);
  const models::quadratic_regression::ModeDifferences theory =
      models::quadratic_regression::sgd_mode_differences(start.state(variance), eta, 1);
  for (std::size_t m = 0; m < 6; ++m) {
    std::vector<double> difference;
    for (std::size_t n = 0; n < 500; ++n) difference.push_back(noisy_sample[n][m] - quiet_sample[n][m] / 36);
    const Mean mc = mean_of(difference);
    const double order2 = theory.order2[m] / (eta * eta), order3 = theory.order3[m] / (eta * eta);
    CHECK(std::abs(mc.mean - order3) < 5 * mc.se + 0.01 * order2);  // the next order: (eta lambda)^2
    CHECK(mc.mean < -5 * mc.se);
  }
  // At one effective time tau = eta b the deficit is c + c' lambda^2, c' = 2 sQ2 sz2 (P + 2) tau^3 / b (averaged over
  // z).
  const linear_algebra::SymmetricEigen& e = start.eigen();
  Matrix kernel = start.state(variance).kernel;
  const double tau = 0.01;
  for (const std::size_t batch : {1u, 2u, 3u}) {
    const double b = static_cast<double>(batch) / 6;
    const models::quadratic_regression::ModeDifferences noisy =
        models::quadratic_regression::averaged_mode_differences(kernel, 12, variance, 1, tau / b, batch);
    for (std::size_t m = 1; m < 6; ++m) {
      const double slope =
          (noisy.order3[m] - noisy.order3[0]) / (e.values[m] * e.values[m] - e.values[0] * e.values[0]);
      CHECK(slope == Approx(-2 * variance * 14 * tau * tau * tau / b).epsilon(1e-9));
    }
    // The first difference is noise: it grows as 1/b, the same along every mode.
    CHECK(noisy.first ==
          Approx(tau * tau / b * variance * 13 * std::accumulate(e.values.begin(), e.values.end(), 0.0)).epsilon(1e-9));
  }
}

TEST_CASE("the first difference is that of the theory (averaged over everything, exact at finite D and P)") {
  // E tr(K_1 - K_0)/D = eta^2 sQ2 (P + 1) b sz2 tr K.
  QuadraticProblem p = problem_of(10, 20, 4, 0.3, 2);
  std::vector<double> change;
  for (std::uint64_t r = 0; r < 3000; ++r) {
    const Record x = record(p, 4, r, {0, 1});
    change.push_back(x.value[2][1] - x.value[2][0]);
  }
  const Mean mc = mean_of(change);
  CHECK(std::abs(mc.mean - 0.09 * 0.01 * 21 * 0.2 * 10) < 5 * mc.se);
}

TEST_CASE("the limit with memory describes trajectories before the edge") {
  struct Case {
    std::size_t outputs, parameters;
    double eta, curvature;
    std::size_t batch, replicas;
    std::vector<std::uint64_t> at;
  };
  for (const Case& c : {Case{60, 120, 0.3, 2, 12, 24, {5, 25, 60}}, Case{60, 120, 0.2, 4, 60, 24, {2, 5, 10}},
                        Case{100, 50, 0.2, 1, 50, 24, {5, 30}}, Case{40, 160, 0.4, 2, 20, 24, {5, 10}}}) {
    const QuadraticProblem p = problem_of(c.outputs, c.parameters, c.curvature, c.eta, c.batch);
    models::quadratic_regression::QuadraticMemoryProblem limit;
    limit.ensemble.delta = static_cast<double>(c.outputs) / static_cast<double>(c.parameters);
    limit.ensemble.kappa = c.curvature;
    limit.batch_fraction = p.batch_fraction();
    limit.learning_rate = {c.eta};
    limit.steps = c.at.back();
    const models::quadratic_regression::QuadraticMemorySolution theory =
        models::quadratic_regression::solve_quadratic_memory(limit);
    CHECK_FALSE(theory.post_eos);
    std::vector<Record> records;
    for (std::uint64_t r = 0; r < c.replicas; ++r) records.push_back(record(p, 6, r, c.at));
    const auto d = static_cast<double>(c.outputs);
    for (std::size_t t = 0; t < c.at.size(); ++t) {
      const std::size_t step = c.at[t];
      const double predicted[] = {theory.loss[step], theory.q[step], theory.kernel_mean[step]};
      for (std::size_t o = 0; o < 3; ++o) {
        std::vector<double> values;
        for (const Record& r : records) values.push_back(r.value[o][t]);
        const Mean mc = mean_of(values);
        CAPTURE(step);
        CAPTURE(o);
        CHECK(std::abs(mc.mean - predicted[o]) < 5 * mc.se + (o == 0 ? 6 : 3) / d * predicted[o]);
      }
    }
  }
}

TEST_CASE("full batch: runs that cross 2/eta come back to it and stop slightly below") {
  const QuadraticProblem p = problem_of(40, 80, 4, 0.3, 40);
  std::size_t crossed = 0;
  for (std::uint64_t r = 0; r < 6; ++r) {
    const Record x = record(p, 1, r, every(25, 2000));
    REQUIRE_FALSE(x.diverged);
    const tests::RunClass found = classify(x, p);
    if (*std::ranges::max_element(x.value[4]) < 2 || found.outcome != tests::RunOutcome::converged) continue;
    ++crossed;
    CHECK(found.edge == tests::RunEdge::eos);
    CHECK(found.tail_eta_lambda_max > 1.88);
    CHECK(found.tail_eta_lambda_max < 2.0);
  }
  CHECK(crossed >= 3);
}

TEST_CASE("small batches: the exact kernel norm stays at 1 while eta lambda_max is far above 2") {
  QuadraticProblem p = problem_of(40, 80, 4, 0.7, 4);
  p.kernel_norms = models::quadratic_regression::KernelNorms::exact;
  std::size_t at_edge = 0;
  for (std::uint64_t r = 0; r < 4; ++r) {
    const Record x = record(p, 1, r, every(100, 1600));
    const tests::RunClass found = classify(x, p);
    if (found.outcome == tests::RunOutcome::diverged) continue;
    CHECK(found.edge == tests::RunEdge::stochastic_eos);
    CHECK(std::abs(found.tail_kernel_norm - 1) < 0.06);
    CHECK(found.tail_eta_lambda_max > 4);
    ++at_edge;
  }
  CHECK(at_edge >= 2);
  // With all rows the same rate diverges.
  p.batch = 40;
  for (std::uint64_t r = 0; r < 3; ++r) CHECK(record(p, 1, r, {500}).diverged);
}

TEST_CASE("a run whose kernel norm passes its pole is not one that diverged") {
  // eta beta lambda_1 > 2 at B = 38 of 40, where the norm is infinite and full batch oscillates.
  QuadraticProblem p = problem_of(40, 80, 4, 0.35, 38);
  p.kernel_norms = models::quadratic_regression::KernelNorms::exact;
  bool beyond = false;
  for (std::uint64_t r = 0; r < 3; ++r) {
    const Record x = record(p, 1, r, every(20, 200));
    CHECK_FALSE(x.diverged);
    for (const double norm : x.value[6]) beyond = beyond || norm == 1000;
  }
  CHECK(beyond);
}

TEST_CASE("SAM holds the largest eigenvalue at lambda_SAM" * doctest::test_suite("slow")) {
  struct Case {
    double eta, rho;
  };
  std::size_t settled = 0;
  for (const Case& c : {Case{0.1, 0.3}, Case{0.1, 0.4}, Case{0.2, 0.05}, Case{0.2, 0.1}}) {
    QuadraticProblem p = problem_of(40, 80, 4, c.eta, 40);
    p.rule.rho = c.rho;
    const double edge = models::ingredients::sam_edge(c.eta, c.rho);
    for (std::uint64_t r = 0; r < 2; ++r) {
      const Record x = record(p, 1, r, every(50, 2000));
      if (x.diverged) continue;
      const bool exceeded = *std::ranges::max_element(x.value[3]) > edge;
      if (!exceeded || x.value[0].back() > 1e-6 * x.value[0].front()) continue;
      ++settled;
      CHECK(std::abs(x.value[3].back() / edge - 1) < 0.02);
      CHECK(x.value[3].back() < 1.01 * edge);
      CHECK(x.value[5].back() == Approx(2).epsilon(0.04));
    }
  }
  CHECK(settled >= 4);
}
