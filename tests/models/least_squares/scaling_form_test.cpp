#include "models/least_squares/scaling_form.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <variant>

#include "models/framework/scaling_law.hpp"
#include "numerics/constants.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"

using namespace edgewise;
using namespace edgewise::models;
using edgewise::tests::Approx;
using least_squares::ScalingForm;

namespace {

struct Sized {
  Experiment experiment;
  std::unique_ptr<Problem> problem;
};

Sized sized(int dimension, const std::string& schedule, std::uint64_t steps, const std::string& more = "") {
  Sized out{
      read_experiment(settings::read_text(
          fmt::format("model = 'least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = {}\nalpha = 1\nbeta = "
                      "0.5\ntail = 'noise'\n[optimizer]\nlearning_rate = 0.2\n[schedule]\nkind = '{}'\n[time]\n"
                      "steps = {}\n[monte_carlo]\nreplicas = 20000\n{}",
                      dimension, schedule, steps, more),
          "e.toml")),
      nullptr};
  out.problem = find(out.experiment).prepare(out.experiment);
  return out;
}

}  // namespace

TEST_CASE("f is the limit of the sums that it stands for, and z f' its derivative") {
  // p^b (sum_j j^-(1+b) exp(-2 tau j^(-2 alpha)) + tail) at p = 1e5, whose error is O(1/p).
  for (const auto& [alpha, beta] : {std::pair(1.0, 0.5), std::pair(0.75, 0.25), std::pair(1.5, 0.5)}) {
    const ScalingForm form{alpha, beta};
    const double p = 1e5, z = 0.4, tau = z * std::pow(p, 2 * alpha);
    double sum = std::pow(p + 0.5, -form.b()) / form.b();
    for (double j = 1; j <= p; ++j) sum += std::pow(j, -1 - form.b()) * std::exp(-2 * tau * std::pow(j, -2 * alpha));
    CHECK(std::pow(p, form.b()) * sum == Approx(form.f(z)).epsilon(2e-5));
    const double h = 1e-5;
    CHECK(form.slope(z) == Approx((form.f(z * (1 + h)) - form.f(z * (1 - h))) / (2 * h)).epsilon(1e-8));
    // Least at fixed p tau: p^-b f(tau p^(-2 alpha)) along p tau = const.
    const double z_star = form.horizon();
    const double a = alpha;  // clang 14 captures no structured bindings
    const auto loss = [&](double q) { return std::pow(q, -form.b()) * form.f(z_star * std::pow(q, -1 - 2 * a)); };
    CHECK(loss(1) < loss(1.01));
    CHECK(loss(1) < loss(0.99));
    CHECK((loss(1 + h) - loss(1 - h)) / (2 * h) == Approx(0).epsilon(1e-9).scale(1));
  }
  // alpha = 1.5, beta = .5: (4.2) is e^(-2z) (1/(24 z) + 1/3) = 1/4.
  const double z = ScalingForm{1.5, 0.5}.horizon();
  CHECK(std::exp(-2 * z) * (1 / (24 * z) + 1.0 / 3) == Approx(0.25).epsilon(1e-13));
}

TEST_CASE("what a problem says of its scaling") {
  const auto one = sized(50, "linear", 1000);
  const auto law = one.problem->scaling_law();
  CHECK(law->floor() == 0);
  CHECK(law->horizon() == Approx(0.383265888744 * 2500 / 0.2).epsilon(1e-11));
  CHECK(law->limit(1) == Approx(1).epsilon(1e-12));
  for (const Finding& f : one.problem->stability())
    if (f.name == "compute_optimal_steps") CHECK(std::get<double>(f.value) == law->horizon());
  // (4.3) with z of these 1000 steps, tau(x)/tau(1) by the schedule's own sums.
  double tau = 0, half = 0;
  for (int k = 0; k < 1000; ++k) {
    if (k == 500) half = tau;
    tau += 0.2 * (1 - k / 1000.0);
  }
  const ScalingForm form{1, 0.5};
  const double rho = 0.2 * pi * pi / 12;
  CHECK(law->limit(0.5) == Approx(form.normalised(tau / 2500, half / tau, rho * 0.5, rho * 0.001)).epsilon(1e-10));
  CHECK(law->caution().empty());
  // From alpha = 1/2 on tr K grows with the size.
  const auto flat = testing::prepare(
      "model = 'least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 50\nalpha = 0.3\nbeta = 0.4\ntail = "
      "'noise'\n[optimizer]\nlearning_rate = 0.02\n[time]\nsteps = 10\n");
  CHECK(flat->scaling_law()->caution().starts_with("alpha <= 1/2"));
  for (const Finding& f : flat->stability())
    if (f.name == "compute_optimal_steps") CHECK(f.doc.find("not to be believed") != std::string::npos);
  // Label noise breaks the limit, momentum and rules have none; the floor is theirs too.
  const auto noisy = sized(50, "linear", 1000, "[noise]\nvariance = 0.1\n");
  CHECK(noisy.problem->scaling_law()->floor() == Approx(0.05));
  CHECK(std::isnan(noisy.problem->scaling_law()->limit(0.5)));
}

TEST_CASE(
    "between two steps the intrinsic time is interpolated, and the rate is that of the step; nothing else has a law") {
  const std::string text =
      "model = 'least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 8\nalpha = 1\nbeta = 0.5\ntail = 'noise'\n"
      "[optimizer]\nlearning_rate = 0.2\nbatch = 3\n[schedule]\nkind = 'linear'\n[time]\nsteps = 10\n";
  const auto of = [&](const std::vector<std::string>& overrides) { return testing::prepare(text, overrides); };
  const auto plain = of({});
  const auto law = plain->scaling_law();
  // Sums of 1 - k/10 before step 3 and 4: 2.7 and 3.4; of all 5.5. Of the rates rho = eta zeta(2)/(2 B).
  const ScalingForm form{1, 0.5};
  const auto rho = [](double s) { return 0.2 * s * pi * pi / 6 / 6; };
  CHECK(law->limit(0.37) ==
        Approx(form.normalised(0.2 * 5.5 / 64, (2.7 + 0.7 * 0.7) / 5.5, rho(0.7), rho(0.1))).epsilon(1e-12));
  CHECK(law->limit(0.98) ==
        Approx(form.normalised(0.2 * 5.5 / 64, (5.4 + 0.8 * 0.1) / 5.5, rho(0.1), rho(0.1))).epsilon(1e-12));
  CHECK(law->fluctuations(std::vector<std::uint64_t>{2, 10}));
  // Horizons of plain descent from 0 on the spectrum with its tail alone; limits without label noise, above alpha = 1/2.
  struct Case {
    std::vector<std::string> overrides;
    bool horizon, limit;
  };
  for (const Case& c : {Case{{}, true, true},
                        {{"initial.scale=0.5"}, false, false},
                        {{"spectrum.tail=none"}, false, false},
                        {{"optimizer.kind=momentum"}, false, false},
                        {{"noise.variance=0.1"}, true, false},
                        {{"spectrum.alpha=0.5"}, true, false},
                        {{"spectrum.alpha=0.51"}, true, true}}) {
    const auto problem = of(c.overrides);
    CAPTURE(c.overrides.size());
    CHECK(std::isfinite(problem->scaling_law()->horizon()) == c.horizon);
    CHECK(std::isfinite(problem->scaling_law()->limit(0.5)) == c.limit);
  }
  const auto ruled = testing::prepare(
      "model = 'least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 8\nalpha = 1\nbeta = 0.5\ntail = 'noise'\n"
      "[rate]\nkind = 'polyak'\n[time]\nsteps = 10\n");
  CHECK(std::isnan(ruled->scaling_law()->horizon()));
  CHECK_FALSE(ruled->scaling_law()->fluctuations(std::vector<std::uint64_t>{2, 10}));
}
