// Replicas of kernel regression, number by number: samples, labels and test points drawn as documented, their kernel written
// out, one ridge regression.
#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "models/ingredients/learning_curves/kernel_ridge.hpp"
#include "random/random.hpp"
#include "settings/settings.hpp"
#include "tests/approx.hpp"
#include "tests/models/ingredients/learning_curves/drawn_regressions.hpp"
#include "tests/temporary_folder.hpp"

using namespace edgewise;
using namespace edgewise::tests;
using edgewise::models::ingredients::learning_curves::ridge_errors;
using edgewise::models::ingredients::learning_curves::RidgeErrors;

namespace {

void check(const std::vector<double>& seen, const RidgeErrors& expected) {
  REQUIRE(seen.size() == 2);
  CHECK(seen[0] == Approx(expected.excess).epsilon(1e-9));
  CHECK(seen[1] == Approx(expected.train).epsilon(1e-9));
}

void add_noise(std::vector<double>& labels, double variance) {
  random::Stream stream(5, 3, 0, random::Purpose::labels);
  for (double& y : labels) y += std::sqrt(variance) * stream.normal();
}

}  // namespace

TEST_CASE("on the sphere: uniform points, a zonal target along the first coordinate") {
  const std::string text =
      "model = 'kernel-regression'\n[data]\ndimension = 5\n[target]\npowers = [0.2, 0.3, 0.5]\n[kernel]\nkind = "
      "'taylor'\ncoefficients = [0.5, 0.2, 0.3]\nridge = 0.3\n[noise]\nvariance = 0.4\n[samples]\nat = [7, "
      "11]\n[monte_carlo]\ntest_samples = 13\n";
  random::Stream stream(5, 3, 0, random::Purpose::data);
  const Points x = directions(stream, 5, 11), z = directions(stream, 5, 13);
  // 5 and 14 harmonics of degrees 1 and 2.
  const auto f = [](const std::vector<double>& point) {
    const double t = point[0];
    return std::sqrt(0.2) + std::sqrt(0.3 * 5) * t + std::sqrt(0.5 * 14) * (5 * t * t - 1) / 4;
  };
  std::vector<double> labels, truth;
  for (const auto& point : x) labels.push_back(f(point));
  for (const auto& point : z) truth.push_back(f(point));
  add_noise(labels, 0.4);
  const RidgeData all = data(
      labels, truth, [&](std::size_t i, std::size_t j) { return taylor_kernel(dot(x[i], x[j])); },
      [&](std::size_t i, std::size_t j) { return taylor_kernel(dot(x[i], z[j])); });
  for (const std::size_t n : {7, 11}) check(observed(text, n), ridge_errors(all, n, 0.3));
}

TEST_CASE("Gaussian features: the target along the first coordinate of every eigenvalue, what it misses as noise") {
  const std::string text =
      "model = 'kernel-regression'\n[data]\nkind = 'features'\n[spectrum]\nkind = 'list'\neigenvalues = [2, 0.5, "
      "0.1]\nmultiplicities = [1, 3, 2]\ntarget_power = [0.4, 3, 0.7]\nunexplained_variance = 0.2\n[kernel]\nridge = "
      "0.3\n[noise]\nvariance = 0.4\n[samples]\nat = [4, 9]\n[monte_carlo]\ntest_samples = 13\n";
  random::Stream stream(5, 3, 0, random::Purpose::data);
  const double deviation[] = {std::sqrt(2),   std::sqrt(0.5), std::sqrt(0.5),
                              std::sqrt(0.5), std::sqrt(0.1), std::sqrt(0.1)},
               theta[] = {std::sqrt(0.4), std::sqrt(3), 0, 0, std::sqrt(0.7), 0};
  Points all(22, std::vector<double>(6));
  std::vector<double> value(22);
  for (std::size_t i = 0; i < 22; ++i)
    for (std::size_t c = 0; c < 6; ++c) {
      all[i][c] = deviation[c] * stream.normal();
      value[i] += theta[c] * all[i][c];
    }
  std::vector<double> labels(value.begin(), value.begin() + 9);
  const std::vector<double> truth(value.begin() + 9, value.end());
  add_noise(labels, 0.6);
  const RidgeData drawn = data(
      labels, truth, [&](std::size_t i, std::size_t j) { return dot(all[i], all[j]); },
      [&](std::size_t i, std::size_t j) { return dot(all[i], all[9 + j]); });
  for (const std::size_t n : {4, 9}) check(observed(text, n), ridge_errors(drawn, n, 0.3));
}

TEST_CASE("rows of a file: those that were not measured, in an order of their own, as centred directions") {
  const temporary::Folder folder;
  const std::string path = folder / "rows.csv";
  const double rows[12][3] = {{1, 4, 2}, {3, 1, -1}, {2, 2, 0.5}, {5, 7, 3}, {2, 8, 1}, {6, 3, 2},
                              {7, 2, 9}, {1, 1, 4},  {4, 4, -3},  {8, 5, 1}, {3, 9, 2}, {6, 1, 0}};
  double mean[3] = {};
  {
    std::ofstream file(path);
    for (const auto& row : rows) {
      file << row[0] << ',' << row[1] << ',' << row[2] << '\n';
      for (int c = 0; c < 3; ++c) mean[c] += row[c] / 12;
    }
  }
  const auto text = [&](int samples, int tests) {
    return "model = 'kernel-regression'\n[data]\nkind = 'file'\npath = '" + path +
           "'\nmeasured = 3\n[kernel]\nkind = 'taylor'\ncoefficients = [0.5, 0.2, 0.3]\nridge = 0.3\n[noise]\nvariance "
           "= 0.4\n[samples]\nmax = " +
           std::to_string(samples) + "\n[monte_carlo]\ntest_samples = " + std::to_string(tests) + "\n";
  };
  random::Stream stream(5, 3, 0, random::Purpose::data);
  std::vector<std::size_t> order{3, 4, 5, 6, 7, 8, 9, 10, 11};
  for (std::size_t k = 0; k < 9; ++k) std::swap(order[k], order[k + stream.below(9 - k)]);
  Points x;
  std::vector<double> labels, truth;
  for (const std::size_t i : order) {
    const double a = rows[i][0] - mean[0], b = rows[i][1] - mean[1], norm = std::hypot(a, b);
    x.push_back({a / norm, b / norm});
    (labels.size() < 5 ? labels : truth).push_back(rows[i][2] - mean[2]);
  }
  add_noise(labels, 0.4);
  const RidgeData all = data(
      labels, truth, [&](std::size_t i, std::size_t j) { return taylor_kernel(dot(x[i], x[j])); },
      [&](std::size_t i, std::size_t j) { return taylor_kernel(dot(x[i], x[5 + j])); });
  const std::vector<double> seen = observed(text(5, 4), 5);  // all rows there are
  const RidgeErrors expected = ridge_errors(all, 5, 0.3);
  CHECK(seen[0] == Approx(expected.excess).epsilon(1e-5));  // directions are kept in single precision
  CHECK(seen[1] == Approx(expected.train).epsilon(1e-5));
  const auto refused = [&](int samples, int tests) {
    try {
      observed(text(samples, tests), 1);
    } catch (const settings::Error& e) {
      return std::string(e.what()).find("more than the 9 rows that were not measured") != std::string::npos;
    }
    return false;
  };
  CHECK(refused(5, 5));
  CHECK(refused(6, 4));
  CHECK(!refused(6, 3));
  const auto said = [](const std::string& one) {
    const models::Experiment e = models::read_experiment(settings::read_text(one, "e.toml"));
    return models::find(e).prepare(e)->warnings();
  };
  CHECK(said(text(2, 2)) ==
        std::vector<std::string>{"the spectrum is that of 3 rows: good for numbers of samples well below that"});
  std::string all_rows = text(2, 2);
  all_rows.replace(all_rows.find("measured = 3"), 12, "measured = 12");
  CHECK_THROWS_WITH(said(all_rows),
                    doctest::Contains("data.measured: must be at least 2 and below the 12 rows there are"));
  all_rows.replace(all_rows.find("measured = 12"), 13, "measured = 11");
  CHECK_NOTHROW(said(all_rows));
}
