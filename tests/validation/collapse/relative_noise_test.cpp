// The relative noise model on runs that it was made for, on SGD itself, and on bad input.
#include "validation/collapse/relative_noise.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "models/framework/model.hpp"
#include "numerics/pchip.hpp"
#include "settings/settings.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using edgewise::tests::Approx;
using models::testing::holds;

namespace {

/// Runs of the model itself, L = g(tau) + .21 rate S(tau), S = 3/(1 + tau), tau the sum of the rates of the steps before,
/// as rows of a table, every so many steps.
std::string made_of_it(const std::string& schedule, int steps, double (*rate)(double), double size = 1, int every = 1) {
  std::string out;
  double tau = 0;
  for (int k = 0; k <= steps; ++k) {
    const double eta = rate(static_cast<double>(k) / steps), noise = 3 / (1 + tau);
    if (k % every == 0)
      out += fmt::format("{},{},{},{:.17g},{:.17g},{:.17g}\n", schedule, size, k,
                         1 + 2 * std::exp(-tau) + 0.21 * eta * noise, eta, noise);
    tau += eta;
  }
  return out;
}

double constant_rate(double) {
  return 0.01;
}
double falling_rate(double x) {
  return 0.01 * (1 - x);
}

constexpr const char* head = "schedule,size,step,loss,rate,noise\n";

RelativeNoise fit(const std::string& text, const std::string& reference) {
  return fit_relative_noise(read_loss_curves(std::vector{CurveTable{"c.csv", text}}), reference);
}

std::string said(const std::string& text, const std::string& reference) {
  try {
    fit(text, reference);
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("the relative form's one factor by least squares") {
  const std::vector<double> reference = {3, 2, 1.5}, difference = {0.1, -0.2, 0.05}, noise = {5, 4, 3};
  std::vector<double> loss;
  for (std::size_t i = 0; i < 3; ++i) loss.push_back(reference[i] + 0.21 * difference[i] * noise[i]);
  CHECK(relative_noise_factor(loss, reference, difference, noise) == Approx(0.21).epsilon(1e-13));
  CHECK(std::isnan(relative_noise_factor(loss, reference, std::vector<double>(3, 0.0), noise)));
}

TEST_CASE("runs made of the relative model give back its factor, at several sizes") {
  const std::string text = head + made_of_it("constant", 400, constant_rate) + made_of_it("linear", 800, falling_rate) +
                           made_of_it("constant", 400, constant_rate, 4) + made_of_it("linear", 400, falling_rate, 4);
  const RelativeNoise noise = fit(text, "constant");
  CHECK(noise.factor == Approx(0.21).epsilon(1e-3));  // tau by the trapezoidal rule, losses interpolated
  REQUIRE(noise.runs.size() == 2);
  for (const RelativeRun& run : noise.runs) {
    CHECK(run.rms < 1e-5);
    CHECK(run.rms_none > 5e-4);
    CHECK(run.tau.back() <= 4.0 + 1e-9);
  }
  CHECK(noise.notes.empty());
}

TEST_CASE("tau is the sum of the rates before a row, of rows that are apart too") {
  // Rates of .1: half a difference of rates in tau would move the factor by |L'|/(2 S), up to a third of it.
  const auto constant = [](double) { return 0.1; };
  const auto linear = [](double x) { return 0.1 * (1 - x); };
  for (const int every : {1, 3, 4}) {
    CAPTURE(every);
    const RelativeNoise noise =
        fit(head + made_of_it("constant", 1200, constant) + made_of_it("linear", 240, linear, 1, every), "constant");
    CHECK(noise.factor == Approx(0.21).epsilon(2e-2));  // losses interpolated in tau, .1 apart
    CHECK(noise.runs.at(0).tau.at(1) == Approx(0.1 * every - 0.1 * every * (every - 1) / 480).epsilon(1e-12));
  }
}

TEST_CASE("a reference whose rate is not constant is told") {
  const RelativeNoise noise =
      fit(head + made_of_it("constant", 400, constant_rate) + made_of_it("linear", 400, falling_rate), "linear");
  REQUIRE(noise.notes.size() == 1);
  CHECK(holds(noise.notes[0], "the rate of schedule 'linear' at size 1 is not constant (0 to 0.01)"));
}

TEST_CASE("SGD on least squares has a factor near 1/4 of the gradients' covariance") {
  std::string text = head;
  for (const char* schedule : {"kind = 'constant'", "kind = 'linear'", "kind = 'linear'\nlast_fraction = 0.3"}) {
    const std::string name = std::string(schedule).substr(8, 3) + (std::string(schedule).size() > 20 ? "late" : "");
    const auto problem = models::testing::prepare(
        std::string(
            "model = 'least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 100\nalpha = 1.0\nbeta = 0.5\n"
            "[noise]\nvariance = 0.3\n[optimizer]\nlearning_rate = 0.2\nbatch = 4\n[schedule]\n") +
        schedule + "\n[time]\nsteps = 600\npoints = 601\n");
    const models::Trajectory theory = problem->solve();
    const models::Column* excess = theory.find("excess_mse");
    REQUIRE(excess);
    double trace = 0;
    for (int i = 1; i <= 100; ++i) trace += std::pow(i, -2.0);
    for (std::size_t k = 0; k + 1 < theory.steps.size(); ++k) {
      const double x = theory.steps[k] / 600, late = name.ends_with("late") ? std::max(0.0, (x - 0.7) / 0.3) : x;
      const double rate = 0.2 * (name == "con" ? 1 : 1 - late), V = excess->value[k] + 0.3;
      text += fmt::format("{},1,{},{:.17g},{:.17g},{:.17g}\n", name, theory.steps[k], V / 2, rate, trace * V / 4);
    }
  }
  const RelativeNoise noise = fit(text, "con");
  // The adiabatic limit is 1/4; a power law's slow modes keep some of the noise in a cooldown.
  CHECK(noise.factor == Approx(0.25).epsilon(0.3));
  REQUIRE(noise.runs.size() == 2);
  for (const RelativeRun& run : noise.runs) {
    CHECK(run.rms < 0.02);
    CHECK(run.rms < 0.5 * run.rms_none);
  }
}

TEST_CASE("what the relative model lacks is named") {
  CHECK(holds(said("schedule,size,step,loss\na,1,1,1\na,1,2,1\n", "a"), "c.csv: line 2: has no column rate"));
  const std::string two = head + made_of_it("constant", 40, constant_rate) + made_of_it("linear", 40, falling_rate, 2);
  CHECK(holds(said(two, "constant"), "schedule 'constant' has no run of size 2"));
  CHECK(holds(said(two, "constnt"), "there is no schedule 'constnt', did you mean 'constant'?"));
  CHECK(holds(said(head + made_of_it("a", 40, constant_rate) + made_of_it("b", 40, constant_rate), "a"),
              "no run of another schedule has another rate"));
  const RelativeNoise noise =
      fit("schedule,size,step,loss,rate\na,1,0,2,.1\na,1,9,1,.1\nb,1,0,2,.1\nb,1,9,.9,.05\n", "a");
  REQUIRE(noise.notes.size() == 1);
  CHECK(holds(noise.notes[0], "the loss stands for it"));
}

TEST_CASE("a reference at logarithmic steps gives the factor of the data, or a note that it cannot") {
  // L = (1 + tau)^-1/2 + .2 + a rate S, S = 2 (1 + tau)^-1/2 + .4, a = .3: an effect of .3% of the loss.
  const auto table = [](int last, const std::vector<int>& constant) {
    std::string out = head;
    double tau = 0;
    const auto add = [&](const char* schedule, int k, double eta) {
      const double power = 1 / std::sqrt(1 + tau), noise = 2 * power + 0.4;
      out +=
          fmt::format("{},100,{},{:.17g},{:.17g},{:.17g}\n", schedule, k, power + 0.2 + 0.3 * eta * noise, eta, noise);
    };
    for (const int k : constant) {
      tau = 0.01 * k;
      add("constant", k, 0.01);
    }
    tau = 0;
    for (int k = 0; k <= last; ++k) {
      const double eta = falling_rate(static_cast<double>(k) / last);
      if (k % 10 == 0) add("linear", k, eta);
      tau += eta;
    }
    return out;
  };
  std::vector<int> logarithmic = {0};
  for (double k = 1; k <= 2000; k *= std::pow(10, 0.125))
    if (static_cast<int>(k) > logarithmic.back()) logarithmic.push_back(static_cast<int>(k));
  logarithmic.push_back(2000);
  const RelativeNoise fine = fit(table(2000, logarithmic), "constant");
  CHECK(fine.factor == Approx(0.3).epsilon(0.01));
  CHECK(fine.notes.empty());
  const RelativeNoise coarse = fit(table(2000, {0, 1, 3, 10, 30, 100, 300, 1000, 2000}), "constant");
  CHECK(coarse.factor == Approx(0.3).epsilon(0.2));  // straight lines between its records made it 2.2
  REQUIRE(coarse.notes.size() == 1);
  CHECK(holds(coarse.notes[0], "with every other record of 'constant' a is"));
}

TEST_CASE("seeds that share few records, none, or no tau with the reference are told") {
  const std::string csv = "schedule,size,seed,step,loss,rate,noise\n";
  const auto rows = [](const std::string& of, double rate, const std::vector<int>& steps) {
    std::string out;
    for (const int k : steps) out += fmt::format("{},{},{},{},{}\n", of, k, 1 + 1.0 / (1 + k), rate, 1);
    return out;
  };
  const std::string reference = rows("a,1,0", 0.1, {0, 1, 2, 3, 4});
  CHECK(holds(said(csv + reference + rows("b,1,0", 0.05, {0, 2}) + rows("b,1,1", 0.05, {1, 3}), "a"),
              "the runs of schedule 'b' at size 1 have no recorded step in common"));
  const RelativeNoise noise = fit(csv + reference + rows("b,1,0", 0.05, {0, 2, 4}) + rows("b,1,1", 0.05, {0, 1, 2, 3}) +
                                      rows("far,1,0", 0.05, {50, 60}),
                                  "a");
  REQUIRE(noise.notes.size() >= 2);
  CHECK(holds(noise.notes[0], "'b' at size 1 have 2 of 3 recorded steps in common"));
  CHECK(holds(noise.notes[1], "schedule 'far' at size 1 is left out"));
  CHECK(noise.runs.size() == 1);
}

TEST_CASE(
    "a, its runs and their residuals written out: seeds with few shared steps, gaps, a start after 0, rates of 0") {
  struct Rows {
    std::vector<int> step;
    std::vector<double> rate;
    double scale;  // of the losses and the noise
  };
  // Losses and noise of no law, other ones for every seed.
  const auto loss = [](double size, double scale, int step, int seed) {
    return scale * (1 + 2 / std::sqrt(1.0 + step) + 0.3 / size) + 0.01 * seed + 0.002 * (step % 3);
  };
  const auto noise = [](double size, int step, int seed) { return 0.4 + size / (2.0 + step) + 0.1 * seed; };
  const Rows reference{{0, 1, 3, 4, 8, 9, 12, 20, 21, 25}, {.1, .1, .09, .1, .1, .1, .1, 0, 0, 0}, 1};
  const Rows falling{{2, 3, 5, 6, 10, 11, 17, 40}, {.2, .15, .15, .1, .05, .02, .01, 0}, 0.97};
  const Rows rising{{0, 2, 4, 30}, {.02, .06, .1, .1}, 1.02};
  std::string text = "schedule,size,seed,step,loss,rate,noise\n";
  const auto add = [&](const std::string& name, const Rows& rows, double size, int seeds) {
    for (int w = 0; w < seeds; ++w)
      for (std::size_t i = 0; i < rows.step.size(); ++i) {
        if (w == 1 && i == 2) continue;  // a step that one seed lacks
        const int k = rows.step[i];
        text += fmt::format("{},{},{},{},{:.17g},{:.17g},{:.17g}\n", name, size, w, k, loss(size, rows.scale, k, w),
                            rows.rate[i] * (1 + 0.1 * w), noise(size, k, w));
      }
  };
  add("a", reference, 2, 1);
  add("a", reference, 5, 2);
  add("falling", falling, 2, 3);
  add("falling", falling, 5, 2);
  add("rising", rising, 5, 1);
  const RelativeNoise fitted = fit(text, "a");

  struct Mean {
    std::vector<double> step, tau, loss, rate, noise;
  };
  const auto mean = [&](const Rows& rows, double size, int seeds) {
    Mean out;
    for (std::size_t i = 0; i < rows.step.size(); ++i) {
      if (seeds > 1 && i == 2) continue;
      const int k = rows.step[i];
      double l = 0, n = 0, r = 0;
      for (int w = 0; w < seeds; ++w) {
        l += loss(size, rows.scale, k, w) / seeds;
        n += noise(size, k, w) / seeds;
        r += rows.rate[i] * (1 + 0.1 * w) / seeds;
      }
      // Step by step: rates lie on straight lines, and before the first record are what they are there.
      double tau = out.step.empty() ? 0 : out.tau.back();
      const int begin = out.step.empty() ? 0 : static_cast<int>(out.step.back());
      for (int at = begin; at < k; ++at)
        tau += out.step.empty() ? r : out.rate.back() + (r - out.rate.back()) * (at - begin) / (k - begin);
      out.step.push_back(k);
      out.tau.push_back(tau);
      out.loss.push_back(l);
      out.noise.push_back(n);
      out.rate.push_back(r);
    }
    return out;
  };
  const auto reference_loss = [](const Mean& of, std::size_t every) {
    std::vector<double> x, y;
    const double unit = of.tau[1];
    for (std::size_t i = 0; i < of.tau.size(); ++i) {
      if (i % every != 0 && i + 1 != of.tau.size()) continue;
      if (!x.empty() && std::log1p(of.tau[i] / unit) <= x.back()) continue;
      x.push_back(std::log1p(of.tau[i] / unit));
      y.push_back(of.loss[i]);
    }
    return [curve = numerics::Pchip(x, y), unit](double tau) { return curve(std::log1p(tau / unit)); };
  };
  double xy = 0, xx = 0, half_xy = 0, half_xx = 0;
  struct Row {
    double x, y;
  };
  std::vector<std::vector<Row>> runs;
  std::size_t r = 0, left_out = 0;
  REQUIRE(fitted.runs.size() == 3);
  for (const auto& [rows, size, seeds] :
       {std::tuple(&falling, 2.0, 3), std::tuple(&falling, 5.0, 2), std::tuple(&rising, 5.0, 1)}) {
    const Mean of = mean(reference, size, size == 2 ? 1 : 2), run = mean(*rows, size, seeds);
    const auto at = reference_loss(of, 1), half = reference_loss(of, 2);
    const RelativeRun& found = fitted.runs[r++];
    CHECK(found.schedule == (rows == &falling ? "falling" : "rising"));
    CHECK(found.size == size);
    std::size_t row = 0;
    double own_xy = 0, own_xx = 0;
    auto& list = runs.emplace_back();
    for (std::size_t i = 0; i < run.step.size(); ++i) {
      if (run.tau[i] > of.tau.back()) {
        ++left_out;
        continue;
      }
      double rate = of.rate[0];
      for (std::size_t k = 1; k < of.tau.size() && of.tau[k - 1] < run.tau[i]; ++k)
        rate =
            of.rate[k - 1] + (of.rate[k] - of.rate[k - 1]) * (run.tau[i] - of.tau[k - 1]) / (of.tau[k] - of.tau[k - 1]);
      const double known = at(run.tau[i]), difference = run.rate[i] - rate;
      REQUIRE(row < found.step.size());
      CHECK(found.step[row] == run.step[i]);
      CHECK(found.tau[row] == Approx(run.tau[i]).epsilon(1e-12));
      CHECK(found.loss[row] == Approx(run.loss[i]).epsilon(1e-12));
      CHECK(found.noise[row] == Approx(run.noise[i]).epsilon(1e-12));
      CHECK(found.reference[row] == Approx(known).epsilon(1e-11));
      CHECK(found.rate_difference[row] == Approx(difference).epsilon(1e-10).scale(1e-3));
      ++row;
      const double x = difference * run.noise[i] / run.loss[i];
      list.push_back({x, (run.loss[i] - known) / run.loss[i]});
      own_xy += x * list.back().y;
      own_xx += x * x;
      half_xy += x * (run.loss[i] - half(run.tau[i])) / run.loss[i];
      half_xx += x * x;
    }
    CHECK(found.step.size() == row);
    CHECK(found.factor == Approx(own_xy / own_xx).epsilon(1e-9));
    xy += own_xy;
    xx += own_xx;
  }
  CHECK(left_out > 0);
  CHECK(fitted.factor == Approx(xy / xx).epsilon(1e-9));
  CHECK(fitted.factor_halved == Approx(half_xy / half_xx).epsilon(1e-9));
  for (std::size_t i = 0; i < 3; ++i) {
    double squares = 0, none = 0;
    for (const Row& row : runs[i]) {
      squares += std::pow(row.y - xy / xx * row.x, 2) / static_cast<double>(runs[i].size());
      none += row.y * row.y / static_cast<double>(runs[i].size());
    }
    CHECK(fitted.runs[i].rms == Approx(std::sqrt(squares)).epsilon(1e-9));
    CHECK(fitted.runs[i].rms_none == Approx(std::sqrt(none)).epsilon(1e-9));
  }
}

TEST_CASE(
    "halving the reference's records is told where it moves a by more than 15%, a rate that moves by a millionth") {
  // a from two rows: the reference's records at tau = 0, 1, 2, 3, 4, of which every other one leaves the row at tau = 1 to the
  // cubic. Its loss there is what a hangs on.
  const auto notes = [](double bend, double rate) {
    std::string text = head;
    for (int k = 0; k <= 4; ++k)
      text += fmt::format("a,1,{},{:.17g},{:.17g},1\n", k, k == 1 ? 2 + bend : 2.0, k == 3 ? rate : 1.0);
    text += "b,1,0,2,1,1\nb,1,1,1.9,0.5,1\nb,1,2,2,1,1\n";
    return fit(text, "a");
  };
  // Halved: the straight 2, y = 1 - 2/1.9. Whole: 2 + bend. At tau = 1 alone b has another rate.
  const RelativeNoise flat = notes(0, 1);
  CHECK(flat.factor == Approx(flat.factor_halved).epsilon(1e-12));
  CHECK(flat.factor == Approx((1.9 - 2) / -0.5).epsilon(1e-12));
  // a = (1.9 - 2 - bend)/-.5: .2 + 2 bend, halved .2; told where 2 bend > .15 (.2 + 2 bend): bend > .03/1.7.
  CHECK(notes(0.99 * 0.03 / 1.7, 1).notes.empty());
  REQUIRE(notes(1.01 * 0.03 / 1.7, 1).notes.size() == 1);
  CHECK(
      holds(notes(1.01 * 0.03 / 1.7, 1).notes[0], "with every other record of 'a' a is 0.2, not 0.2356: its records"));
  CHECK(notes(0, 1 - 0.9e-6).notes.empty());
  CHECK(notes(0, 1 - 1.1e-6).notes.size() == 1);
  CHECK(notes(0, 1 + 1.1e-6).notes.size() == 1);
}
