#include <fmt/format.h>

#include "models/muon/gradient.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/muon/literal.hpp"

using namespace edgewise;
using namespace edgewise::models::muon;
using edgewise::tests::Approx;
using linear_algebra::Matrix;

namespace {

struct Run {
  std::string optimizer, data;  // lines of the sections
  std::size_t outputs, batch;
  double momentum = 0, gamma = 0;  // gamma > 0: the adaptive protocol
  bool vector = false;
  std::vector<double> sig = {};
};

/// Follows three steps, and compares every observable with W' = W - eta_k S(M), M' = mu M + G by plain loops.
template <class Map>
void follow(const Run& run, const Map& map) {
  const auto problem = models::testing::prepare(
      "model = 'matrix-least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [2.0, 0.7, 0.1]\nmultiplicities = [1, "
      "2, "
      "1]\ntarget_power = [0.9, 0.5, 0.04]\n[noise]\nvariance = 0.3\n[schedule]\nkind = 'linear'\n[time]\nat = [1, 2, "
      "3]\n[theory]\npowers = [1, 3]\n" +
      fmt::format("[data]\noutputs = {}\n{}\n[optimizer]\n{}\nbatch = {}\n", run.outputs, run.data, run.optimizer,
                  run.batch));
  const auto simulation = problem->simulate();
  REQUIRE(simulation->observables().size() == 4);
  const auto replica = simulation->replica(17, 3);
  const std::vector<double>& lambda = literal::four_values;
  const std::vector<double> sig = run.sig.empty() ? std::vector<double>(run.outputs, 1.0) : run.sig;
  Matrix delta = literal::start(literal::four_powers, run.outputs, 17, 3), velocity(run.outputs, 4);
  for (std::uint64_t step = 0; step <= 3; ++step) {
    CAPTURE(step);
    const double P = literal::excess(delta, lambda, sig);
    double powers[4] = {}, out[4];
    for (std::size_t j = 0; j < 4; ++j)
      for (std::size_t k = 0; k < run.outputs; ++k) powers[j] += delta(k, j) * delta(k, j);
    replica->advance(step);
    replica->observe(out);
    CHECK(out[0] == Approx(P).epsilon(1e-12));
    CHECK(out[1] == Approx((P + (run.vector ? static_cast<double>(run.outputs) : 1) * 0.3) / 2).epsilon(1e-12));
    CHECK(out[2] == Approx(powers[0]).epsilon(1e-12));
    CHECK(out[3] == Approx((powers[1] + powers[2]) / 2).epsilon(1e-12));
    const literal::Samples s = literal::samples(lambda, sig, run.batch, 17, 3, step);
    const Matrix g = literal::gradient(s, delta, std::sqrt(0.3), run.vector);
    for (std::size_t i = 0; i < velocity.size(); ++i)
      velocity.entries()[i] = run.momentum * velocity.entries()[i] + g.entries()[i];
    const double V = run.vector ? 0.3 : P + 0.3;
    const double eta = (1 - static_cast<double>(step) / 3) * (run.gamma > 0 ? run.gamma * std::sqrt(V) : 0.05);
    const Matrix update = map(velocity);
    for (std::size_t i = 0; i < delta.size(); ++i) delta.entries()[i] -= eta * update.entries()[i];
  }
}

Matrix hadamard_signs(const Matrix& g) {
  return literal::signs(g, literal::hadamard(4));
}

}  // namespace

TEST_CASE("three steps of every map by plain loops, with and without momentum") {
  for (const double momentum : {0.0, 0.6})
    for (const std::size_t batch : {2u, 9u}) {
      CAPTURE(momentum);
      CAPTURE(batch);
      const auto run = [&](const std::string& kind, std::size_t outputs, const std::string& data = "") {
        return Run{fmt::format("kind = '{}'\nlearning_rate = 0.05\nmomentum = {}", kind, momentum), data, outputs,
                   batch, momentum};
      };
      follow(run("signsvd", 2), literal::polar_of_two_rows);
      follow(run("signsgd", 3), hadamard_signs);
      follow(run("signsgd", 3, "rotation = 'none'"),
             [](const Matrix& g) { return literal::signs(g, Matrix::identity(4, 4)); });
      follow(run("signsgd", 3, "rotation = 'haar'\nrotation_seed = 5"),
             [](const Matrix& g) { return literal::signs(g, haar_basis(4, 5)); });
      follow(run("newton-schulz", 3), literal::newton_schulz);
      follow(run("newton-schulz", 7), literal::newton_schulz);
      follow(run("general'\nmap = 'sigma - sigma^3/6", 3), literal::cubic);
      follow(run("general'\nnormalise = true\nmap = 'sigma - sigma^3/6", 3),
             [](const Matrix& g) { return literal::cubic(literal::scaled(g, 1 / literal::frobenius(g))); });
      follow(run("sgd", 3), [](const Matrix& g) { return g; });
      Run aniso = run("signsvd", 2, "output_eigenvalues = [1.6, 0.4]");
      aniso.sig = {1.6, 0.4};
      follow(aniso, literal::polar_of_two_rows);
      aniso.optimizer.replace(aniso.optimizer.find("signsvd"), 7, "signsgd");
      follow(aniso, hadamard_signs);
      Run vector = run("signsgd", 3, "labels = 'vector'");
      vector.vector = true;
      follow(vector, hadamard_signs);
      Run adaptive = run("signsgd", 3);
      adaptive.gamma = 0.04;
      adaptive.optimizer =
          fmt::format("kind = 'signsgd'\nprotocol = 'adaptive'\ngamma = 0.04\nmomentum = {}", momentum);
      follow(adaptive, hadamard_signs);
    }
}
