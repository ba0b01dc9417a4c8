#include "models/muon/learning_rates.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"

using namespace edgewise::models;
using namespace edgewise::models::muon;
using edgewise::tests::Approx;

TEST_CASE("local equilibrium: the conjectured cost of J resolved modes") {
  // T ~ J^max(1, alpha) for SignSVD and J^(2 alpha) for SignSGD, alpha > 1/2; below it J^(2 alpha) and J^min(1, 4
  // alpha) (docs/theory/muon-phases.md (7.3)). J is resolved at progress u = 1/(2 h_J).
  // Corrections are powers of J/n, (J/n)^(1 - 2 alpha) the slowest: modes up to 1000 one by one, then in bins up to
  // 1e15.
  std::vector<double> index, width;
  for (double from = 0.5; from < 1e15;) {
    const double to = from < 1000 ? from + 1 : 1.02 * from;
    index.push_back(from < 1000 ? from + 0.5 : std::sqrt(from * to));
    width.push_back(to - from);
    from = to;
  }
  const double n = std::accumulate(width.begin(), width.end(), 0.0);
  for (const double alpha : {0.15, 0.4, 0.75, 1.5, 2.0})
    for (const UpdateMap map : {UpdateMap::signsvd, UpdateMap::signsgd}) {
      MatrixLeastSquares problem;
      for (std::size_t j = 0; j < index.size(); ++j) {
        problem.spectrum.eigenvalue.push_back(std::pow(index[j], -2 * alpha));
        problem.spectrum.multiplicity.push_back(width[j]);
        problem.spectrum.target_power.push_back(1);
      }
      problem.outputs = problem.batch = n;
      problem.output_spectrum.eigenvalue = problem.output_spectrum.multiplicity = {1};
      problem.output_spectrum.target_power = {0};
      problem.map = map;
      CoefficientOptions options;
      options.source = CoefficientSource::idealised;
      const MatrixDynamics dynamics(problem, options);
      const LocalEquilibrium local(dynamics, 0.5);
      const auto cost = [&](std::size_t node) { return local.time(1 / (2 * dynamics.drift[node])); };
      const std::size_t a = 1300, b = a + 70;
      const double slope = std::log(cost(b) / cost(a)) / std::log(index[b] / index[a]);
      CAPTURE(alpha);
      CAPTURE(static_cast<int>(map));
      const double svd = alpha < 0.5 ? 2 * alpha : std::max(1.0, alpha);
      const double sign = alpha < 0.5 ? std::min(1.0, 4 * alpha) : 2 * alpha;
      CHECK(slope == Approx(map == UpdateMap::signsvd ? svd : sign).epsilon(0.05));
      for (const double u : {1e-3, 1.0, 1e3}) CHECK(local.progress(local.time(u)) == Approx(u).epsilon(1e-9));
    }
}

TEST_CASE(
    "local equilibrium: the excess is that of the unresolved signal until noise that is remembered limits SignSVD") {
  // P ~ J^(-g), g = 2 alpha + 2 beta - 1, as conjectured, where T ~ J^(2 alpha) for SignSGD. SignSVD keeps its noise in
  // all unresolved modes alike, sum_{j > J} lambda_j ~ J^(1 - 2 alpha): P ~ J^(-min(g, 2 alpha - 1)), T ~ J^alpha.
  for (const double alpha : {1.5, 2.0})
    for (const double beta : {-0.2, 0.0, 0.25, 0.75})
      for (const bool svd : {true, false}) {
        CAPTURE(alpha);
        CAPTURE(beta);
        CAPTURE(svd);
        const auto problem = testing::prepare(
            "model = 'matrix-least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 100000\ncompress = "
            "1e-4\nalpha = " +
            std::to_string(alpha) + "\nbeta = " + std::to_string(beta) + "\n[optimizer]\nkind = '" +
            (svd ? "signsvd" : "signsgd") +
            "'\nprotocol = 'local-equilibrium'\n[time]\nsteps = 1\npoints = 100\n[theory]\nmethod = 'ode'\n"
            "coefficients = 'idealised'\nresolutions = 3\n");
        const Trajectory out = problem->solve();
        const std::vector<double>& excess = out.find("excess_mse")->value;
        const auto at = [&](double power) {
          const double step = std::pow(out.steps.back(), power);
          return static_cast<std::size_t>(std::lower_bound(out.steps.begin(), out.steps.end(), step) -
                                          out.steps.begin());
        };
        const std::size_t a = at(0.45), b = at(0.6);
        const double slope = std::log(excess[b] / excess[a]) / std::log(out.steps[b] / out.steps[a]);
        const double g = 2 * alpha + 2 * beta - 1;
        CHECK(-slope == Approx(svd ? std::min(g, 2 * alpha - 1) / alpha : g / (2 * alpha)).epsilon(0.06));
      }
}

TEST_CASE("the best constant rate of every horizon is one that was followed, and none nearby is better") {
  const auto text = [](const std::string& protocol, const std::string& kind) {
    return "model = 'matrix-least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 16\nalpha = 0.3\nbeta = 1.0\n"
           "[data]\noutputs = 16\n[optimizer]\nkind = '" +
           kind + "'\nbatch = 64\n" + protocol + "\n[time]\nat = [3, 300, 2000]\n[theory]\nmethod = 'ode'\n";
  };
  for (const std::string kind : {"signsvd", "signsgd"}) {
    CAPTURE(kind);
    const Trajectory best = testing::prepare(text("protocol = 'constant-optimal'", kind))->solve();
    const std::vector<double>& excess = best.find("excess_mse")->value;
    const std::vector<double>& rate = best.find("best_learning_rate")->value;
    CHECK(rate[0] == 0);
    // A kink, where the floor meets what has not converged; a fine scan finds 1.270e-6 at 3.856e-4.
    if (kind == "signsvd") {
      CHECK(excess[3] == Approx(1.270e-6).epsilon(1e-3));
      CHECK(rate[3] == Approx(3.856e-4).epsilon(1e-3));
    }
    for (std::size_t t = 1; t < 4; ++t) {
      CAPTURE(t);
      const auto with = [&](double eta) {
        return testing::prepare(text("learning_rate = " + edgewise::settings::text_of(eta), kind))
            ->solve()
            .find("excess_mse")
            ->value[t];
      };
      CHECK(with(rate[t]) == Approx(excess[t]).epsilon(1e-5));
      for (const double factor : {0.5, 0.8, 0.95, 0.99, 0.999, 1.001, 1.01, 1.05, 1.2, 2.0})
        CHECK(with(factor * rate[t]) > excess[t] * (1 - 1e-5));
    }
  }
}
