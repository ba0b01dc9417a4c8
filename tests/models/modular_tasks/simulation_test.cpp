// Replicas of many tasks, number by number: directions, tasks, samples and test points drawn as documented.
#include "models/modular_tasks/simulation.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "models/ingredients/learning_curves/kernel_ridge.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"
#include "tests/models/ingredients/learning_curves/drawn_regressions.hpp"

using namespace edgewise;
using namespace edgewise::tests;
using edgewise::models::ingredients::learning_curves::ridge_errors;

TEST_CASE("a machine of the mixture, and machines of their own on floor(n/T) samples") {
  struct Case {
    std::string keys;
    std::size_t tasks;
    double bias;
    bool tree, parity;
  };
  for (const Case& c : {Case{"count = 3\noverlap = 0.4\nbias = 0.7\n", 3, 0.7, false, false},
                        Case{"codes = 'tree'\ndepth = 2\n", 4, 1, true, false},
                        Case{"codes = 'tree'\ndepth = 2\nfunctions = 'parity'\nbias = 0.5\n", 4, 0.5, true, true}}) {
    CAPTURE(c.keys);
    const std::string text = "model = 'modular-tasks'\n[data]\ndimension = 4\n[tasks]\npowers = [0.2, 0.3, 0.5]\n" +
                             c.keys +
                             "[kernel]\nkind = 'taylor'\ncoefficients = [0.5, 0.2, 0.3]\nridge = "
                             "0.3\n[noise]\nvariance = 0.4\n[samples]\nat "
                             "= [11, 14]\n[monte_carlo]\ntest_samples = 13\n";
    random::Stream stream(5, 3, 0, random::Purpose::data);
    const Points along = directions(stream, 4, c.parity ? 1 : c.tasks);
    // 4 and 9 harmonics of degrees 1 and 2; of a parity a sign for every bit of the task's number.
    const auto f = [&](std::size_t task, const std::vector<double>& point) {
      const double t = dot(along[c.parity ? 0 : task], point);
      const double value = std::sqrt(0.2) + std::sqrt(0.3 * 4) * t + std::sqrt(0.5 * 9) * (4 * t * t - 1) / 3;
      return c.parity && std::popcount(task) % 2 == 1 ? -value : value;
    };
    const auto kernel = [&](std::size_t j, std::size_t l, double product) {
      const double overlap = c.tree ? 1 - std::popcount(j ^ l) : (j == l ? 1 : 0.4);  // of two signs each
      return taylor_kernel((c.bias + overlap + product) / (2 + c.bias));
    };
    const auto draw = [&](const std::vector<std::size_t>& task, const std::vector<std::size_t>& test) {
      const Points x = directions(stream, 4, task.size()), z = directions(stream, 4, test.size());
      std::vector<double> labels, truth;
      for (std::size_t i = 0; i < task.size(); ++i)
        labels.push_back(f(task[i], x[i]) + std::sqrt(0.4) * stream.normal());
      for (std::size_t i = 0; i < test.size(); ++i) truth.push_back(f(test[i], z[i]));
      return data(
          labels, truth, [&](std::size_t i, std::size_t j) { return kernel(task[i], task[j], dot(x[i], x[j])); },
          [&](std::size_t i, std::size_t j) { return kernel(task[i], test[j], dot(x[i], z[j])); });
    };
    std::vector<std::size_t> task(14), test(13);
    for (std::size_t& j : task) j = stream.below(c.tasks);
    for (std::size_t& j : test) j = stream.below(c.tasks);
    const RidgeData mixture = draw(task, test);
    std::vector<RidgeData> alone;
    for (std::size_t j = 0; j < c.tasks; ++j)
      alone.push_back(draw(std::vector<std::size_t>(14 / c.tasks, j), std::vector<std::size_t>(13 / c.tasks, j)));
    for (const std::size_t n : {11, 14}) {
      const std::vector<double> seen = observed(text, n);
      REQUIRE(seen.size() == 2);
      CHECK(seen[0] == Approx(ridge_errors(mixture, n, 0.3).excess).epsilon(1e-9));
      double mean = 0;
      for (const RidgeData& one : alone)
        mean += ridge_errors(one, n / c.tasks, 0.3).excess / static_cast<double>(c.tasks);
      CHECK(seen[1] == Approx(mean).epsilon(1e-9));
    }
  }
}
