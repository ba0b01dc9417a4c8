// Coupled modes followed by every method: plain loops, exponentials, and what does not fit.
#include "models/ingredients/coupled_law.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using namespace edgewise::models;
using namespace edgewise::models::ingredients;
using edgewise::models::testing::column;
using edgewise::tests::Approx;

namespace {

const std::vector<double> weight{1, 0.4}, start{2, 3};
constexpr double source = 0.6, learning_rate = 0.2;

/// M_i' = (1 - eta l_i) M_i + (eta/2)^2 n_i (p + source), l = (0.5, 0.1), n = (0.3, 0.8): three things are read.
CoupledLaw law(const std::string& schedule = "", double horizon = 100) {
  const auto coefficients = [](std::size_t i, double eta) {
    return i == 0 ? ModeCoefficients{0.5 * eta, eta * eta / 4 * 0.3} : ModeCoefficients{0.1 * eta, eta * eta / 4 * 0.8};
  };
  CoupledLaw out =
      risk_driven_law(weight, start, source, learning_rate,
                      read_schedule(settings::read_text(schedule, "x.toml"), "schedule", horizon), coefficients);
  out.scale = 4;
  out.exact = true;
  out.readings = {{{"p", "", ""}}, {{"sum", "", ""}, {}, {1, 2}}, {{"ratio", "", ""}, [](auto p, auto M) {
                                                                     return M[1] / (p[0] + M[0]);
                                                                   }}};
  return out;
}

/// The three readings at every step, by eta_k = learning_rate s_k.
template <class Schedule>
std::vector<std::vector<double>> stepped(std::uint64_t steps, Schedule s) {
  std::vector<std::vector<double>> out;
  double a = start[0], b = start[1];
  for (std::uint64_t k = 0;; ++k) {
    const double p = a + 0.4 * b, eta = learning_rate * s(static_cast<double>(k));
    out.push_back({p, a + 2 * b, b / (p + a)});
    if (k == steps) return out;
    a += -0.5 * eta * a + eta * eta / 4 * 0.3 * (p + source);
    b += -0.1 * eta * b + eta * eta / 4 * 0.8 * (p + source);
  }
}

Following by(Following::Method method) {
  Following out;
  out.method = method;
  return out;
}

std::string refused(const CoupledLaw& law, Following::Method method) {
  try {
    follow(law, {10, {0, 10}}, by(method));
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("the recursion is the loop, under a schedule too; what is read is p, sums, and functions of both") {
  const Time time{100, {0, 1, 7, 100}};
  for (const bool linear : {false, true}) {
    const Trajectory found =
        follow(law(linear ? "[schedule]\nkind = 'linear'" : ""), time, by(Following::Method::recursion));
    const auto known = stepped(100, [&](double k) { return linear ? 1 - k / 100 : 1; });
    CHECK(found.method == "recursion");
    CHECK(found.exact);
    CHECK_FALSE(found.diverged_at);
    CHECK(found.steps == std::vector<double>{0, 1, 7, 100});
    for (std::size_t t = 0; t < 4; ++t)
      for (std::size_t o = 0; o < 3; ++o)
        CHECK(found.columns[o].value[t] == Approx(known[time.at[t]][o]).epsilon(1e-12));
  }
}

TEST_CASE("a jump is the recursion, from early steps to late ones, by sums alone and all modes at once") {
  const Time time{4000, {0, 1, 7, 500, 4000}};
  const auto known = stepped(4000, [](double) { return 1; });
  for (const bool sums : {true, false}) {
    CoupledLaw of = law();
    if (sums) of.readings.pop_back();
    const Trajectory found = follow(of, time, by(Following::Method::jump));
    CHECK(found.method == "jump");
    CHECK(found.exact);
    CHECK(found.steps == std::vector<double>{0, 1, 7, 500, 4000});
    for (std::size_t t = 0; t < 5; ++t)
      for (std::size_t o = 0; o < of.readings.size(); ++o)
        CHECK(found.columns[o].value[t] == Approx(known[time.at[t]][o]).epsilon(1e-9));
    CHECK(found.report[0].first == "transform_evaluations");
  }
}

TEST_CASE("exact is what steps are and the law is") {
  const Time time{2000, {0, 1, 2000}};
  CoupledLaw of = law();
  CHECK_FALSE(follow(of, time, by(Following::Method::ode)).exact);
  // The same numbers as rates of a flow: from its first time on, and not exact.
  of.rank_one->kind = solvers::RankOneSystem::Kind::flow;
  const Trajectory flow = follow(of, time, by(Following::Method::jump)),
                   integrated = follow(of, time, by(Following::Method::ode));
  CHECK_FALSE(flow.exact);
  CHECK(flow.steps == std::vector<double>{0, 1, 2000});
  for (std::size_t t = 0; t < 3; ++t)
    for (std::size_t o = 0; o < 3; ++o)
      CHECK(flow.columns[o].value[t] == Approx(integrated.columns[o].value[t]).epsilon(1e-6));
  CoupledLaw closure = law();
  closure.exact = false;
  CHECK_FALSE(follow(closure, time, by(Following::Method::recursion)).exact);
  CHECK_FALSE(follow(closure, time, by(Following::Method::jump)).exact);
}

TEST_CASE("the flow: exponentials of one mode, in pieces under a schedule that jumps, and from a late first step") {
  // M' = -r M + i (w M + c): to the fixed point i c/(r - i w) at the rate r - i w.
  const auto of = [](const std::string& schedule) {
    CoupledLaw out =
        risk_driven_law({0.5}, {3}, 0.6, 0.2, read_schedule(settings::read_text(schedule, "x.toml"), "schedule", 40),
                        [](std::size_t, double eta) {
                          return ModeCoefficients{0.5 * eta, eta * eta};
                        });
    out.readings = {{{"p", "", ""}}};
    out.scale = 1;
    return out;
  };
  const auto moved = [](double M, double eta, double t) {
    const double r = 0.5 * eta, i = eta * eta, rate = r - 0.5 * i, fixed = i * 0.6 / rate;
    return fixed + (M - fixed) * std::exp(-rate * t);
  };
  for (const auto integrator : {solvers::Integrator::automatic, solvers::Integrator::sdirk4, solvers::Integrator::etd,
                                solvers::Integrator::explicit_}) {
    Following how = by(Following::Method::ode);
    how.integrator = integrator;
    how.rtol = 1e-9;
    const Trajectory found = follow(of(""), {40, {0, 3, 40}}, how);
    for (std::size_t t = 0; t < 3; ++t)
      CHECK(found.columns[0].value[t] == Approx(0.5 * moved(3, 0.2, found.steps[t])).epsilon(1e-7));
    CHECK_FALSE(found.exact);
    CHECK(found.method == "ode, " + std::string(integrator == solvers::Integrator::automatic ? "auto"
                                                : integrator == solvers::Integrator::sdirk4  ? "sdirk4"
                                                : integrator == solvers::Integrator::etd     ? "etd"
                                                                                             : "explicit"));
    std::vector<std::string> names;
    for (const auto& [name, value] : found.report) {
      names.push_back(name);
      CHECK(value >= 0);
    }
    CHECK(names == std::vector<std::string>{"solver_steps", "solver_rejected", "solver_evaluations", "solver_solves",
                                            "solver_last_step"});
  }
  // A table of 1 and 0.25, half of the time each.
  const Trajectory halves =
      follow(of("[schedule]\nkind = 'table'\nvalues = [1, 0.25]"), {40, {10, 20, 40}}, by(Following::Method::ode));
  CHECK(halves.steps == std::vector<double>{10, 20, 40});
  const double half = moved(3, 0.2, 20);
  CHECK(halves.columns[0].value[0] == Approx(0.5 * moved(3, 0.2, 10)).epsilon(1e-6));
  CHECK(halves.columns[0].value[1] == Approx(0.5 * half).epsilon(1e-6));
  CHECK(halves.columns[0].value[2] == Approx(0.5 * moved(half, 0.05, 20)).epsilon(1e-6));
}

TEST_CASE("the mean over paths is the flow, and says how far it may be off") {
  CoupledLaw of = law();
  of.multiplicity = {2, 5};
  Following how = by(Following::Method::sde);
  how.paths = 4000;
  how.time_step = 0.5;
  how.seed = 5;
  const Time time{40, {0, 10, 40}};
  const Trajectory mean = follow(of, time, how), flow = follow(of, time, by(Following::Method::ode));
  CHECK(mean.method == "sde, euler-maruyama");
  CHECK(testing::column(mean, "p_sde_sem").size() == 3);
  REQUIRE(mean.columns.size() == 6);
  CHECK(mean.report == std::vector<std::pair<std::string, double>>{{"sde_paths", 4000}, {"sde_time_step", 0.5}});
  for (std::size_t o = 0; o < 2; ++o) {
    CHECK(mean.columns[o].value[0] == Approx(flow.columns[o].value[0]).epsilon(1e-12));
    for (std::size_t t = 1; t < 3; ++t) {
      const double error = mean.columns[3 + o].value[t];
      // 4 comparisons at 5 standard errors, and the scheme's own error of some h/2 rate: false alarms below 3e-6.
      CHECK(std::abs(mean.columns[o].value[t] - flow.columns[o].value[t]) <
            5 * error + 0.005 * flow.columns[o].value[t]);
      CHECK(error < 0.02 * mean.columns[o].value[t]);
      CHECK(error > 0.0005 * mean.columns[o].value[t]);
    }
  }
  // The law of a chi square: M_0 of two coordinates that start at (1, 1). Its variance by the flow of fourth moments,
  // dE M^2 = (-2 r E M^2 + 2 s E M + (4/n) s E M) dt at constant s, and p constant too where feedback is small.
  CoupledLaw alone = risk_driven_law(
      {1}, {2}, 1e6, 0.2, read_schedule(settings::read_text("", "x.toml"), "schedule", 0), [](std::size_t, double) {
        return ModeCoefficients{0.1, 0.3e-6};
      });
  alone.readings = {{{"p", "", ""}}};
  alone.multiplicity = {2};
  alone.scale = 1e6;
  how.time_step = 0.2;
  const Trajectory late = follow(alone, {60, {0, 60}}, how);
  // In the end n coordinates of variance s/(n r): mean 3, variance 2 (s/r)^2/n = 9.
  CHECK(late.columns[0].value[1] == Approx(3).epsilon(5 * 3 / std::sqrt(4000.0) / 3));
  CHECK(late.columns[1].value[1] == Approx(3 / std::sqrt(4000.0)).epsilon(0.15));
}

TEST_CASE("where a law diverges, by every method") {
  // M' = M + 0.5 (M + 1): 1.5^k up to 1e100 times the scale.
  CoupledLaw of = risk_driven_law({2}, {1}, 2, 1, read_schedule(settings::read_text("", "x.toml"), "schedule", 0),
                                  [](std::size_t, double) {
                                    return ModeCoefficients{0, 0.25};
                                  });
  of.readings = {{{"p", "", ""}}};
  of.scale = 3;
  double M = 1, first = 0;
  while (2 * M <= 3e100) {
    M += 0.25 * (2 * M + 2);
    ++first;
  }
  const Time time{2000, {0, 10, 2000}};
  const Trajectory map = follow(of, time, by(Following::Method::recursion));
  REQUIRE(map.diverged_at);
  CHECK(*map.diverged_at == first);
  CHECK(map.steps == std::vector<double>{0, 10});
  const Trajectory jump = follow(of, time, by(Following::Method::jump));
  REQUIRE(jump.diverged_at);
  CHECK(*jump.diverged_at == first);
  // The flow: 2 M + 2 = 4 e^(t/2).
  const Trajectory flow = follow(of, time, by(Following::Method::ode));
  REQUIRE(flow.diverged_at);
  CHECK(*flow.diverged_at == Approx(2 * std::log(3e100 / 4)).epsilon(0.02));
  CHECK(flow.steps == std::vector<double>{0, 10});
}

TEST_CASE("what does not fit is refused") {
  CHECK(refused(law("[schedule]\nkind = 'linear'"), Following::Method::jump) ==
        "theory.method: no jump, for the schedule changes the learning rate; use recursion or ode");
  CoupledLaw other = law();
  other.rank_one.reset();
  CHECK(refused(other, Following::Method::jump) == "theory.method: no jump, for the coefficients change along the way");
  CoupledLaw fast = risk_driven_law({1}, {1}, 0, 1, read_schedule(settings::read_text("", "x.toml"), "schedule", 0),
                                    [](std::size_t, double) {
                                      return ModeCoefficients{1.5, 0.1};
                                    });
  fast.readings = {{{"p", "", ""}}};
  CHECK(refused(fast, Following::Method::jump) ==
        "theory.method: no jump, for a mode oscillates at this learning rate; use recursion or ode");
  CoupledLaw parts = law();
  parts.multiplicity = {2, 1.5};
  const std::string whole = "theory.method: sde needs whole multiplicities; use recursion or ode";
  CHECK(refused(parts, Following::Method::sde) == whole);
  parts.multiplicity = {2, 0};
  CHECK(refused(parts, Following::Method::sde) == whole);
  const std::string most = "theory.method: sde follows single coordinates, 1e+06 at most; use recursion or ode";
  parts.multiplicity = {2};
  CHECK(refused(parts, Following::Method::sde) == most);
  parts.multiplicity = {2, 1e6 - 1};
  CHECK(refused(parts, Following::Method::sde) == most);
  const std::string incomplete = "a coupled law needs modes, a start of their number and something to read";
  CoupledLaw none = law();
  none.readings.clear();
  CHECK(refused(none, Following::Method::recursion) == incomplete);
  none = law();
  none.start.pop_back();
  CHECK(refused(none, Following::Method::recursion) == incomplete);
  none = law();
  none.modes.reset();
  CHECK(refused(none, Following::Method::recursion) == incomplete);
}

TEST_CASE("the coefficients of all modes at once, and by one") {
  const auto all =
      risk_driven_law(weight, start, source, learning_rate,
                      read_schedule(settings::read_text("[schedule]\nkind = 'linear'", "x.toml"), "schedule", 100),
                      [](double eta, std::span<ModeCoefficients> out) {
                        out[0] = {0.5 * eta, eta * eta / 4 * 0.3};
                        out[1] = {0.1 * eta, eta * eta / 4 * 0.8};
                      });
  std::vector<double> rate(2), input(2), u(2);
  const std::vector<double> p{1.4};
  for (const auto& of : {all, law("[schedule]\nkind = 'linear'")}) {
    of.modes->coefficients(25, p, rate, input);
    const double eta = 0.15;
    CHECK(rate[0] == Approx(0.5 * eta).epsilon(1e-14));
    CHECK(rate[1] == Approx(0.1 * eta).epsilon(1e-14));
    CHECK(input[0] == Approx(eta * eta / 4 * 0.3 * 2).epsilon(1e-14));
    CHECK(input[1] == Approx(eta * eta / 4 * 0.8 * 2).epsilon(1e-14));
    of.modes->sensitivity(75, p, start, u);
    CHECK(u[0] == Approx(0.05 * 0.05 / 4 * 0.3).epsilon(1e-14));
    CHECK(u[1] == Approx(0.05 * 0.05 / 4 * 0.8).epsilon(1e-14));
    CHECK(of.modes->affine());
    CHECK_FALSE(of.modes->autonomous());
    CHECK_FALSE(of.rank_one);
  }
  CHECK(law().modes->autonomous());
}

TEST_CASE("the keys of [theory]") {
  const auto read = [](const std::string& theory) {
    Experiment experiment;
    experiment.table = settings::read_text("[theory]\n" + theory, "x.toml");
    experiment.monte_carlo.seed = 9;
    return read_following(experiment);
  };
  const Following usual = read("");
  CHECK(usual.method == Following::Method::recursion);
  CHECK(usual.rtol == 1e-8);
  CHECK(usual.atol == 0);
  CHECK(usual.seed == 9);
  const Following given = read("method = 'sde'\npaths = 30\ntime_step = 0.25");
  CHECK(given.method == Following::Method::sde);
  CHECK(given.paths == 30);
  CHECK(given.time_step == 0.25);
  CHECK(read("method = 'ode'\nintegrator = 'etd'\nrtol = 1e-5").integrator == solvers::Integrator::etd);
  const auto said = [&](const std::string& theory) {
    try {
      read(theory);
    } catch (const settings::Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  CHECK(testing::holds(said("rtol = 0"), "theory.rtol: must be > 0"));
  CHECK(testing::holds(said("method = 'sde'\npaths = 1"), "theory.paths: must be >= 2"));
  CHECK(testing::holds(said("paths = 10"), "theory.paths: "));
}
