#include "models/least_squares/least_squares.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "models/framework/model.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using models::testing::error_of;
using models::testing::prepare;

namespace {

const std::string head = "model = 'least-squares'\n[time]\nsteps = 10\n";
const std::string isotropic = "[spectrum]\nkind = 'isotropic'\ndimension = 10\n";

double value(const models::Problem& problem, const std::string& name) {
  for (const auto& f : problem.stability())
    if (f.name == name) {
      if (const auto* b = std::get_if<bool>(&f.value)) return *b;
      return std::get<double>(f.value);
    }
  FAIL("no such finding: ", name);
  return 0;
}

}  // namespace

TEST_CASE("learning rate by eta or by gamma") {
  const auto by_rate = prepare(head + isotropic + "[optimizer]\nlearning_rate = 0.05\n");
  const auto by_gamma = prepare(head + isotropic + "[optimizer]\ngamma = 0.5\n");
  CHECK(value(*by_rate, "gamma") == Approx(0.5));
  CHECK(value(*by_gamma, "learning_rate") == Approx(0.05));
  CHECK(error_of(head + isotropic).find("x.toml: optimizer.learning_rate: is required") == 0);
  CHECK(error_of(head + isotropic + "[optimizer]\ngamma=1\nlearning_rate=1\n").find("give either") !=
        std::string::npos);
}

TEST_CASE("bad sections are refused by name") {
  const std::string optimizer = "[optimizer]\nlearning_rate = 0.05\n";
  CHECK(
      error_of(head + isotropic + "[optimizer]\nlearning_rate = -1\n").find("optimizer.learning_rate: must be >= 0") !=
      std::string::npos);
  CHECK(error_of(head + isotropic + "[optimizer]\nlearning_rate = 1\nbatch = 0\n")
            .find("optimizer.batch: must be >= 1") != std::string::npos);
  CHECK(error_of(head + isotropic + "[optimizer]\nlerning_rate = 1\n").find("did you mean 'learning_rate'?") !=
        std::string::npos);
  CHECK(error_of(head + isotropic + optimizer + "[initial]\nerror_power = [1, 2]\n").find("one number per distinct") !=
        std::string::npos);
  CHECK(error_of(head + isotropic + optimizer + "[data]\nlaw = 'rows'\n").find("rows needs [spectrum] kind") !=
        std::string::npos);
  CHECK(error_of(head + isotropic + optimizer + "[monte_carlo]\nsampler = 'blok'\n").find("did you mean 'block'?") !=
        std::string::npos);
  CHECK(error_of(head + optimizer).find("spectrum") != std::string::npos);
  CHECK(error_of(head + isotropic + optimizer + "[theory]\nbandz = true\n").find("did you mean 'bands'?") !=
        std::string::npos);
}

TEST_CASE("the start: theta_0 = scale * theta*, or the error's power") {
  const auto P0 = [&](const std::string& initial) {
    return prepare(head + isotropic + "[optimizer]\nlearning_rate = 0.05\n" + initial)
        ->solve()
        .find("excess_mse")
        ->value[0];
  };
  CHECK(P0("") == Approx(1));
  CHECK(P0("[initial]\nscale = 1\n") == Approx(0));
  CHECK(P0("[initial]\nscale = -1\n") == Approx(4));
  CHECK(P0("[initial]\nerror_power = [2.5]\n") == Approx(2.5));
}

TEST_CASE("zero eigenvalues never move and do not disturb the rest") {
  const std::string list =
      "[spectrum]\nkind = 'list'\neigenvalues = [1, 0.5, 0]\nmultiplicities = [2, 3, 4]\n"
      "target_power = [1, 1, 7]\n[optimizer]\nlearning_rate = 0.1\n[theory]\n";
  for (const char* method : {"method = 'recursion'", "method = 'ode'", "method='ode'\nintegrator='sdirk4'"}) {
    const auto t = prepare("model = 'least-squares'\n[time]\nat = [10, 100000]\n" + list + method)->solve();
    CHECK(t.find("parameter_error")->value.back() == Approx(7).epsilon(1e-6));
    CHECK(t.find("excess_mse")->value.back() < 1e-6);
  }
}

TEST_CASE("stability says what is undefined instead of printing it") {
  const auto unstable =
      prepare(head + isotropic + "[noise]\nlaw='gaussian'\nvariance=1\n[optimizer]\nlearning_rate = 0.5\n");
  CHECK(value(*unstable, "stable") == 0);
  CHECK(std::isinf(value(*unstable, "steady_excess_mse")));
  CHECK(value(*unstable, "growth_factor") > 1);
  CHECK(value(*unstable, "heavy_tailed") == 1);
  const auto edge = prepare(head + isotropic + "[optimizer]\nlearning_rate = 0.16\n");  // between eta_4 and eta_max
  CHECK(value(*edge, "stable") == 1);
  CHECK(value(*edge, "heavy_tailed") == 1);
  const auto descent = prepare(head + isotropic + "[optimizer]\nlearning_rate = 1.9\nbatch = inf\n");
  CHECK(value(*descent, "eta_max") == Approx(2));
  CHECK(value(*descent, "stable") == 1);
}

TEST_CASE("models are found by name") {
  CHECK(error_of("model = 'least-squars'\n[time]\nsteps = 1\n").find("did you mean 'least-squares'?") !=
        std::string::npos);
}
