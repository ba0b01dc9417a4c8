// Classes of runs, on records made by hand.
#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <vector>

#include "tests/models/quadratic_regression/run_classes.hpp"

using namespace edgewise;
using tests::RunEdge;
using tests::RunOutcome;

namespace {

struct Record {
  std::vector<double> step{0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100};
  std::vector<double> loss, lambda, norm;
  bool diverged = false;

  // The last quarter starts at step 75: three records.
  Record(double last_loss, double peak, double tail, double tail_norm) : loss(11, 1.0), lambda(11, 1.0), norm(11, 0.2) {
    loss.back() = last_loss;
    lambda[5] = peak;
    for (std::size_t t = 8; t < 11; ++t) {
      lambda[t] = tail;
      norm[t] = tail_norm;
    }
  }
  tests::RunClass classify(std::size_t batch) const {
    return tests::classify_run({step, loss, lambda, norm, diverged}, 40, batch);
  }
};

}  // namespace

TEST_CASE("how a run ended") {
  CHECK(Record(0.9e-6, 1, 1, 0).classify(40).outcome == RunOutcome::converged);
  CHECK(Record(1.1e-6, 1, 1, 0).classify(40).outcome == RunOutcome::slow);
  CHECK(Record(2e-3, 1, 1, 0).classify(40).outcome == RunOutcome::persistent_oscillation);
  CHECK(Record(2e-3, 1, 1, 0).classify(20).outcome == RunOutcome::slow);
  Record diverged(1, 3, 2, 1);
  diverged.diverged = true;
  CHECK(diverged.classify(40).outcome == RunOutcome::diverged);
  CHECK(diverged.classify(40).edge == RunEdge::none);
}

TEST_CASE("at which edge it sits") {
  CHECK(Record(1e-9, 2.1, 1.95, 0).classify(40).edge == RunEdge::eos);
  CHECK(Record(1e-9, 1.99, 1.95, 0).classify(40).edge == RunEdge::none);
  CHECK(Record(1e-9, 2.1, 1.85, 0).classify(40).edge == RunEdge::none);
  CHECK(Record(1e-2, 2.6, 2.4, 0).classify(40).edge == RunEdge::eos);  // oscillating
  CHECK(Record(1e-5, 5.0, 4.9, 1.0).classify(4).edge == RunEdge::stochastic_eos);
  CHECK(Record(1e-5, 5.0, 4.9, 0.92).classify(4).edge == RunEdge::none);
  CHECK(Record(1e-5, 5.0, 4.9, 1.12).classify(4).edge == RunEdge::none);
  CHECK(Record(1e-5, 5.0, 4.9, 1.0).classify(40).edge == RunEdge::none);
  // B = 20 of 40: what counts is eta beta lambda with beta = 19/39.
  CHECK(Record(1e-5, 4.2, 4.1, 0.5).classify(20).edge == RunEdge::eos);
  const tests::RunClass found = Record(1e-5, 5.0, 4.9, 1.0).classify(4);
  CHECK(found.tail_eta_lambda_max == 4.9);
  CHECK(found.tail_kernel_norm == 1.0);
}

TEST_CASE("records that are none, and names") {
  const Record r(1, 1, 1, 1);
  CHECK_THROWS_AS(tests::classify_run({}, 40, 4), std::invalid_argument);
  CHECK_THROWS_AS(tests::classify_run({r.step, r.loss, std::span(r.lambda).first(3), r.norm}, 40, 4),
                  std::invalid_argument);
  const tests::RunClass found = tests::classify_run({r.step, r.loss, r.lambda, {}}, 40, 4);
  CHECK(found.edge == RunEdge::none);
  CHECK(std::isnan(found.tail_kernel_norm));
}
