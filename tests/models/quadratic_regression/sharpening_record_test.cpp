// First and second differences of the kernel along a run, against their definition.
#include "models/quadratic_regression/sharpening_record.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "models/framework/absent.hpp"
#include "models/quadratic_regression/simulation.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using linear_algebra::Matrix;
using linear_algebra::Transposed;

namespace {

Matrix kernel_of(const models::quadratic_regression::QuadraticState& state) {
  return linear_algebra::product(state.jacobian(), state.jacobian(), Transposed::no, Transposed::yes);
}

double along(const Matrix& kernel, std::span<const double> v) {
  double sum = 0;
  for (std::size_t a = 0; a < v.size(); ++a)
    for (std::size_t c = 0; c < v.size(); ++c) sum += v[a] * kernel(a, c) * v[c];
  return sum;
}

}  // namespace

TEST_CASE("differences are those of K along its initial eigenvectors, from the largest eigenvalue down") {
  const std::size_t d = 6, modes = 4;
  models::quadratic_regression::QuadraticProblem p;
  p.law.outputs = d;
  p.law.parameters = 9;
  p.law.curvature = 2;
  p.rule.learning_rate = 0.1;
  p.batch = 2;
  p.sharpening_modes = modes;
  const auto simulation = models::quadratic_regression::simulate_quadratic(
      std::make_shared<const models::quadratic_regression::QuadraticProblem>(p));
  const auto& names = simulation->observables();
  const auto value = [&](const std::vector<double>& out, const std::string& name) {
    const auto found = std::ranges::find(names, name, &models::Observable::name);
    REQUIRE(found != names.end());
    return out[static_cast<std::size_t>(found - names.begin())];
  };
  for (const bool antithetic : {false, true}) {
    p.antithetic = antithetic;
    const auto now = models::quadratic_regression::simulate_quadratic(
        std::make_shared<const models::quadratic_regression::QuadraticProblem>(p));
    const auto replica = now->replica(3, 1);
    std::vector<double> out(names.size());
    replica->observe(out);
    CHECK(models::is_absent(value(out, "sharpening_first_1")));
    CHECK(models::is_absent(value(out, "sharpening_second_ntk_max")));
    replica->advance(2);
    replica->observe(out);

    // The run, and that on the negated curvature: entries of Q are negated through a given tensor.
    const auto drawn =
        models::ingredients::draw_instance(p.law, 3, 1, models::ingredients::CurvatureTensor::Storage::stored);
    std::vector<double> first(modes, 0.0), second(modes, 0.0);
    double mean_first = 0, mean_second = 0, top = 0, loss = 0, overlap = 0;
    const std::vector<double> signs = antithetic ? std::vector<double>{1, -1} : std::vector<double>{1};
    for (const double sign : signs) {
      Matrix rows(d * 9, 9);
      for (std::size_t a = 0; a < d; ++a)
        for (std::size_t i = 0; i < 9; ++i)
          for (std::size_t j = 0; j < 9; ++j) rows(a * 9 + i, j) = sign * drawn.curvature.at(a, i, j);
      const models::ingredients::QuadraticInstance instance{drawn.z0, drawn.j0,
                                                            models::ingredients::CurvatureTensor(d, 9, rows)};
      models::quadratic_regression::QuadraticState state(instance);
      models::quadratic_regression::RowMasks masks(d, 2, 3, 1);
      std::array<Matrix, 3> k;
      k[0] = kernel_of(state);
      for (const std::size_t t : {1u, 2u}) {
        state.step(p.rule, masks.rows(t - 1));
        k[t] = kernel_of(state);
      }
      const auto eigen = linear_algebra::symmetric_eigen(k[0]);
      const double share = 1 / static_cast<double>(signs.size());
      for (std::size_t m = 0; m < modes; ++m) {
        const auto v = eigen.vectors.column(d - 1 - m);
        first[m] += share * (along(k[1], v) - along(k[0], v));
        second[m] += share * (along(k[2], v) - 2 * along(k[1], v) + along(k[0], v));
      }
      for (std::size_t a = 0; a < d; ++a) {
        mean_first += share * (k[1](a, a) - k[0](a, a)) / d;
        mean_second += share * (k[2](a, a) - 2 * k[1](a, a) + k[0](a, a)) / d;
        overlap += share * instance.z0[a] * state.residual()[a] / d;  // |z0|^2 = D
      }
      const auto lambda = [&](std::size_t t) { return linear_algebra::symmetric_eigenvalues(k[t]).back(); };
      top += share * (lambda(2) - 2 * lambda(1) + lambda(0));
      loss += share * state.loss() / d;
    }
    const double digits = 1e-11;
    for (std::size_t m = 0; m < modes; ++m) {
      const std::string number = std::to_string(m + 1);
      CHECK(value(out, "sharpening_first_" + number) == Approx(first[m]).epsilon(digits));
      CHECK(value(out, "sharpening_second_" + number) == Approx(second[m]).epsilon(digits));
    }
    CHECK(value(out, "sharpening_first_ntk_mean") == Approx(mean_first).epsilon(digits));
    CHECK(value(out, "sharpening_second_ntk_mean") == Approx(mean_second).epsilon(digits));
    CHECK(value(out, "sharpening_second_ntk_max") == Approx(top).epsilon(1e-9));
    CHECK(value(out, "loss") == Approx(loss).epsilon(digits));
    CHECK(value(out, "residual_overlap") == Approx(overlap).epsilon(digits));

    const std::vector<double> at_two = out;
    replica->advance(5);
    replica->observe(out);
    for (const auto& name : names)
      CHECK((value(out, name.name) == value(at_two, name.name)) == name.name.starts_with("sharpening"));
  }
}
