#include <doctest/doctest.h>
#include <hwy/targets.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/least_squares/least_squares.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"
#include "tests/goodness_of_fit.hpp"

using namespace edgewise::models;
using namespace edgewise::models::least_squares;
using namespace edgewise::models::ingredients;
using namespace edgewise::tests;
using edgewise::random::Stream;
using edgewise::tests::Approx;
namespace spectra = edgewise::spectra;

namespace {

constexpr std::uint64_t seed = 11;
constexpr double infinity = std::numeric_limits<double>::infinity();

class Flat final : public Schedule {
 public:
  double at(double) const override { return 1; }
  bool constant() const override { return true; }
};

class Harmonic final : public Schedule {
 public:
  double at(double t) const override { return 1 / (1 + t / 5); }
};

struct Setting {
  std::vector<double> eigenvalue{1, 0.2};
  std::vector<double> multiplicity{5, 40};
  std::vector<double> power{2, 10};
  double rate = 0.08, batch = 2, variance = 0.25, unexplained = 0;
  bool gaussian_noise = true;
  InputLaw data = InputLaw::gaussian;
  double excess_kurtosis = 0;
};

std::shared_ptr<LeastSquares> problem(const Setting& s) {
  auto p = std::make_shared<LeastSquares>();
  p->spectrum.eigenvalue = s.eigenvalue;
  p->spectrum.multiplicity = s.multiplicity;
  p->spectrum.target_power = s.power;
  p->spectrum.unexplained_variance = s.unexplained;
  p->initial_power = s.power;
  p->learning_rate = s.rate;
  p->batch = s.batch;
  p->label_noise_variance = s.variance;
  if (!s.gaussian_noise) p->noise = rademacher_noise(s.variance);
  p->data = {s.data, s.excess_kurtosis};
  p->schedule = std::make_shared<Flat>();
  return p;
}

/// The recursion (1.1), with the kurtosis term for data that are not Gaussian: P_k at the steps asked for.
std::vector<double> recursion(const LeastSquares& p, const std::vector<std::uint64_t>& at) {
  auto power = p.initial_power;
  const auto& spectrum = p.spectrum;
  std::vector<double> result;
  std::uint64_t k = 0;
  for (const auto step : at) {
    for (;; ++k) {
      double excess = 0;
      for (std::size_t a = 0; a < power.size(); ++a) excess += spectrum.eigenvalue[a] * power[a];
      if (k == step) {
        result.push_back(excess);
        break;
      }
      const double eta = p.rate_at(static_cast<double>(k));
      for (std::size_t a = 0; a < power.size(); ++a) {
        const double x = eta * spectrum.eigenvalue[a];
        power[a] =
            ((1 - x) * (1 - x) + x * x * (1 + p.data.excess_kurtosis) / p.batch) * power[a] +
            eta * eta / p.batch * spectrum.multiplicity[a] * spectrum.eigenvalue[a] * (excess + p.noise_variance());
      }
    }
  }
  return result;
}

Sampler called(const std::string& word) {
  return edgewise::settings::value_of(samplers(), word);
}

/// P and |v|^2 of every replica at the steps asked for: [step][observable] -> sample.
std::vector<std::array<std::vector<double>, 2>> sample(const std::shared_ptr<const LeastSquares>& p,
                                                       const std::string& sampler, const std::vector<std::uint64_t>& at,
                                                       std::size_t replicas, std::uint64_t the_seed = seed) {
  const auto simulation = simulate_sgd(p, called(sampler));
  std::vector<std::array<std::vector<double>, 2>> result(at.size());
  for (std::size_t r = 0; r < replicas; ++r) {
    const auto replica = simulation->replica(the_seed, r);
    for (std::size_t t = 0; t < at.size(); ++t) {
      std::array<double, 3> seen{};
      replica->advance(at[t]);
      replica->observe(seen);
      CHECK(seen[0] == 0.5 * (seen[1] + p->noise_variance()));
      for (std::size_t o = 0; o < 2; ++o) result[t][o].push_back(seen[o + 1]);
    }
  }
  return result;
}

/// For a spectrum of two eigenvalues P and |v|^2 give the powers rho_1, rho_2: compares the laws of P, |v|^2, rho_1,
/// rho_2 and rho_1 rho_2 between two samplers.
void check_same_law(const std::shared_ptr<const LeastSquares>& p, const std::string& sampler, std::size_t replicas) {
  const std::vector<std::uint64_t> at{1, 4};
  const auto a = sample(p, "naive", at, replicas, seed + 1), b = sample(p, sampler, at, replicas);
  const double l1 = p->spectrum.eigenvalue[0], l2 = p->spectrum.eigenvalue[1];
  const std::vector<std::function<double(double, double)>> functionals{
      [](double excess, double) { return excess; }, [](double, double square) { return square; },
      [=](double excess, double square) { return (excess - l2 * square) / (l1 - l2); },
      [=](double excess, double square) { return (l1 * square - excess) / (l1 - l2); },
      [=](double excess, double square) {
        return (excess - l2 * square) * (l1 * square - excess) / ((l1 - l2) * (l1 - l2));
      }};
  for (std::size_t t = 0; t < at.size(); ++t)
    for (std::size_t f = 0; f < functionals.size(); ++f) {
      CAPTURE(sampler);
      CAPTURE(p->batch);
      CAPTURE(at[t]);
      CAPTURE(f);
      std::array<std::vector<double>, 2> values;
      for (std::size_t r = 0; r < replicas; ++r) {
        values[0].push_back(functionals[f](a[t][0][r], a[t][1][r]));
        values[1].push_back(functionals[f](b[t][0][r], b[t][1][r]));
      }
      CHECK(ks_test(values[0], values[1]) > false_alarm);
    }
}

/// z-scores of the sample means of P against the recursion, by the sample's own standard deviation.
void check_mean(const std::shared_ptr<const LeastSquares>& p, const std::string& sampler,
                const std::vector<std::uint64_t>& at, std::size_t replicas) {
  const auto exact = recursion(*p, at);
  const auto seen = sample(p, sampler, at, replicas);
  for (std::size_t t = 0; t < at.size(); ++t) {
    CAPTURE(sampler);
    CAPTURE(at[t]);
    const double error = std::sqrt(central_moment(seen[t][0], 2) / static_cast<double>(replicas));
    CHECK(std::abs(mean(seen[t][0]) - exact[t]) < z_limit * error);
    CHECK(error < 0.05 * exact[t]);
  }
}

/// Observables after `steps`, going there in the given pieces.
std::array<double, 3> run(const Simulation& simulation, std::uint64_t index, std::vector<std::uint64_t> pieces) {
  const auto replica = simulation.replica(seed, index);
  std::array<double, 3> out{};
  for (const auto step : pieces) replica->advance(step);
  replica->observe(out);
  return out;
}

bool dataset_installed() {
  return std::filesystem::exists(spectra::DatasetOptions{}.folder);
}

std::shared_ptr<LeastSquares> rows_problem(double batch, double rate) {
  spectra::DatasetOptions options;
  options.rows = 75;
  const auto measured = spectra::measure(options);
  auto p = problem({});
  p->spectrum = spectra::merged(measured->spectrum);
  p->initial_power = p->spectrum.target_power;
  p->data.law = InputLaw::rows;
  p->dataset = options;
  p->label_noise_variance = 0;
  p->batch = batch;
  p->learning_rate = rate;
  return p;
}

}  // namespace

TEST_CASE("exact, block and batch samplers have the law of the naive one: Gaussian noise" *
          doctest::test_suite("slow")) {
  Setting s;
  s.multiplicity = {1, 3};
  s.power = {2, 1};
  s.rate = 0.3;
  for (const double batch : {1.0, 3.0}) {
    s.batch = batch;
    for (const char* sampler : {"exact", "block", "batch"}) check_same_law(problem(s), sampler, 20'000);
  }
  s.batch = 40;
  s.variance = 0;
  for (const char* sampler : {"exact", "block", "batch"}) check_same_law(problem(s), sampler, 5'000);
}

TEST_CASE("exact, block and batch samplers have the law of the naive one: starting at the optimum") {
  Setting s;
  s.multiplicity = {2, 2};
  s.power = {0, 0};
  for (const char* sampler : {"exact", "block", "batch"}) check_same_law(problem(s), sampler, 20'000);
}

TEST_CASE("block and batch samplers have the law of the naive one: other noise, unexplained variance") {
  Setting s;
  s.multiplicity = {1, 4};
  s.power = {2, 1};
  s.rate = 0.3;
  s.gaussian_noise = false;
  s.variance = 1;
  for (const char* sampler : {"block", "batch"}) check_same_law(problem(s), sampler, 20'000);
  s.unexplained = 0.4;
  for (const char* sampler : {"block", "batch"}) check_same_law(problem(s), sampler, 20'000);
}

TEST_CASE("mean and standard deviation of P are those of the theory (case two-A)" * doctest::test_suite("slow")) {
  const auto p = problem({});
  const std::vector<std::uint64_t> at{1, 10, 60};
  const std::array<double, 3> exact_mean{3.725728, 2.2514931109, 0.577371680339};
  const std::array<double, 3> exact_std{0.3034789792, 0.380525416542, 0.124445301863};
  const auto recursed = recursion(*p, at);
  constexpr std::size_t replicas = 20'000;
  for (const char* sampler : {"exact", "block", "batch"}) {
    CAPTURE(sampler);
    const auto seen = sample(p, sampler, at, replicas);
    for (std::size_t t = 0; t < at.size(); ++t) {
      CAPTURE(at[t]);
      CHECK(recursed[t] == Approx(exact_mean[t]).epsilon(1e-9));
      CHECK(std::abs(mean(seen[t][0]) - exact_mean[t]) < z_limit * exact_std[t] / std::sqrt(double{replicas}));
      const double variance = central_moment(seen[t][0], 2);
      const double error = std::sqrt((central_moment(seen[t][0], 4) - variance * variance) / replicas);
      CHECK(std::abs(variance - exact_std[t] * exact_std[t]) < z_limit * error);
    }
  }
}

TEST_CASE("data that are not Gaussian: the mean follows the recursion with the kurtosis term") {
  Setting s;
  s.multiplicity = {1, 6};
  s.power = {2, 3};
  s.rate = 0.25;
  s.batch = 1;
  for (const auto& [law, kurtosis] :
       {std::pair{InputLaw::rademacher, -2.0}, {InputLaw::uniform, -1.2}, {InputLaw::laplace, 3.0}}) {
    s.data = law;
    s.excess_kurtosis = kurtosis;
    s.batch = 2;
    check_mean(problem(s), "naive", {1, 5, 20}, 20'000);
  }
}

TEST_CASE("schedules multiply the learning rate step by step") {
  Setting s;
  s.rate = 0.2;
  auto p = problem(s);
  p->schedule = std::make_shared<Harmonic>();
  for (const char* sampler : {"exact", "block", "batch"}) check_mean(p, sampler, {1, 10, 60}, 5'000);
}

TEST_CASE("the block sampler takes multiplicities of 1e9") {
  Setting s;
  s.multiplicity = {1e9, 3e9};
  s.power = {1, 0.5};
  s.rate = 3e-10;
  s.batch = 1;
  const auto p = problem(s);
  // P fluctuates in spite of the dimension: one chi-square of B = 1 a step acts on the whole drift.
  check_mean(p, "block", {1, 100, 1000}, 400);
  CHECK(simulate_sgd(p, called("auto"))->sampler() == "block");
}

TEST_CASE("an infinite batch is gradient descent, whatever the sampler") {
  Setting s;
  s.batch = infinity;
  s.multiplicity = {5, 2.5};  // real multiplicities do no harm here
  const auto p = problem(s);
  for (const char* sampler : {"auto", "exact", "block", "batch", "naive"}) {
    const auto simulation = simulate_sgd(p, called(sampler));
    CHECK(simulation->sampler() == "gradient descent");
    const auto seen = run(*simulation, 0, {30});
    const double first = 2 * std::pow(1 - 0.08, 60), second = 10 * std::pow(1 - 0.08 * 0.2, 60);
    CHECK(seen[1] == Approx(first + 0.2 * second).epsilon(1e-13));
    CHECK(seen[2] == Approx(first + second).epsilon(1e-13));
  }
}

TEST_CASE("a replica replayed alone, or advanced in pieces, gives the same bits") {
  Setting s;
  s.multiplicity = {3, 100};
  auto p = problem(s);
  p->schedule = std::make_shared<Harmonic>();
  Setting other = s;
  other.gaussian_noise = false;
  other.unexplained = 0.1;
  for (const char* sampler : {"exact", "block", "batch", "naive"}) {
    CAPTURE(sampler);
    const auto simulation = simulate_sgd(sampler == std::string("exact") ? p : problem(other), called(sampler));
    const auto at_once = run(*simulation, 5, {50});
    CHECK(run(*simulation, 5, {50}) == at_once);
    CHECK(run(*simulation, 5, {0, 1, 2, 17, 17, 49, 50}) == at_once);
    CHECK(run(*simulation, 6, {50}) != at_once);
  }
}

TEST_CASE("every instruction set gives the same bits") {
  Setting s;
  s.multiplicity = {3, 130};
  for (const char* sampler : {"exact", "block", "batch", "naive"}) {
    const auto simulation = simulate_sgd(problem(s), called(sampler));
    const auto expected = run(*simulation, 2, {40});
    const auto supported = hwy::SupportedTargets();
    for (int bit = 0; bit < 62; ++bit)
      if (const auto target = std::int64_t{1} << bit; supported & target) {
        hwy::SetSupportedTargetsForTest(target);
        CHECK(run(*simulation, 2, {40}) == expected);
      }
    hwy::SetSupportedTargetsForTest(0);
  }
}

TEST_CASE("a diverging run ends at infinity, without NaN") {
  Setting s;
  s.rate = 50;
  for (const char* sampler : {"exact", "block", "batch", "naive"}) {
    CAPTURE(sampler);
    const auto simulation = simulate_sgd(problem(s), called(sampler));
    const auto seen = run(*simulation, 0, {2000});
    for (const double value : seen) CHECK(value == infinity);
    // Not there yet after few steps: large and finite.
    CHECK(std::isfinite(run(*simulation, 0, {5})[1]));
  }
  s.batch = infinity;
  for (const double value : run(*simulate_sgd(problem(s), called("auto")), 0, {2000})) CHECK(value == infinity);
}

TEST_CASE("nothing to learn: P stays 0 without noise, and grows with it") {
  Setting s;
  s.power = {0, 0};
  for (const char* sampler : {"exact", "block", "batch", "naive"}) {
    CAPTURE(sampler);
    s.variance = 0;
    CHECK(run(*simulate_sgd(problem(s), called(sampler)), 0, {100})[1] == 0);
    s.variance = 0.25;
    const double excess = run(*simulate_sgd(problem(s), called(sampler)), 0, {100})[1];
    CHECK(excess > 0);
    CHECK(excess < 1);
  }
}

TEST_CASE("directions of eigenvalue 0 keep their error") {
  Setting s;
  s.eigenvalue = {1, 0};
  s.multiplicity = {2, 3};
  s.power = {1, 7};
  s.variance = 0;
  s.rate = 0.3;
  for (const char* sampler : {"exact", "block", "batch", "naive"}) {
    const auto start = run(*simulate_sgd(problem(s), called(sampler)), 0, {});
    CHECK(start[1] == Approx(1));
    CHECK(start[2] == Approx(8));
    CHECK(run(*simulate_sgd(problem(s), called(sampler)), 0, {500})[2] == Approx(7).epsilon(1e-12));
  }
}

TEST_CASE("auto picks the cheapest sampler that is exact in law") {
  Setting s;
  s.multiplicity = {1, 1};
  CHECK(simulate_sgd(problem(s), called("auto"))->sampler() == "exact");
  s.multiplicity = {1, 1000};
  CHECK(simulate_sgd(problem(s), called("auto"))->sampler() == "block");
  s.gaussian_noise = false;
  CHECK(simulate_sgd(problem(s), called("auto"))->sampler() == "block");
  s.multiplicity = {1, 2};
  CHECK(simulate_sgd(problem(s), called("auto"))->sampler() == "batch");
  s.data = InputLaw::laplace;
  CHECK(simulate_sgd(problem(s), called("auto"))->sampler() == "naive");
  CHECK(simulate_sgd(problem(s), called("auto"))->observables().size() == 3);
}

TEST_CASE("what cannot be simulated is refused in one line that names the key") {
  const auto message = [](const std::function<void(LeastSquares&)>& change, const std::string& sampler) {
    auto p = problem({});
    change(*p);
    try {
      simulate_sgd(p, called(sampler));
    } catch (const std::invalid_argument& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  const auto nothing = [](LeastSquares&) {};
  CHECK(message([](LeastSquares& p) { p.batch = 1.5; }, "auto") ==
        "optimizer.batch: must be a whole number >= 1, or inf (here 1.5)");
  CHECK(message([](LeastSquares& p) { p.batch = 0; }, "block").starts_with("optimizer.batch:"));
  CHECK(message([](LeastSquares& p) { p.spectrum.multiplicity[1] = 40.5; }, "auto") ==
        "spectrum.multiplicities: must be whole numbers >= 1 to be simulated (mode 2 has 40.5)");
  CHECK(message([](LeastSquares& p) { p.spectrum.compressed = true; }, "block").starts_with("spectrum.compress:"));
  // Padded to 64 normals, of which an uniform input takes one number each, and a Laplace one four; see draw_limits.hpp.
  const auto batch = [&](InputLaw law, double size, const std::string& sampler) {
    return message(
        [&](LeastSquares& p) {
          p.batch = size;
          p.data.law = law;
        },
        sampler);
  };
  const auto too_many = [](const std::string& size, const std::string& most) {
    return "optimizer.batch: " + size + " examples a step are more than can be drawn one by one (at most " + most +
           " here)";
  };
  for (const auto& [size, shown] :
       {std::pair(1.9e19, "1.9e+19"), std::pair(1e20, "1e+20"), std::pair(1e150, "1e+150")}) {
    CHECK(batch(InputLaw::rademacher, size, "auto") == too_many(shown, "1073741823"));
    CHECK(batch(InputLaw::uniform, size, "auto") == too_many(shown, "134217727"));
    CHECK(batch(InputLaw::laplace, size, "naive") == too_many(shown, "33554431"));
    CHECK(batch(InputLaw::gaussian, size, "naive") == too_many(shown, "134217727"));
    CHECK(batch(InputLaw::gaussian, size, "batch") == too_many(shown, "1073741823"));
    CHECK(batch(InputLaw::gaussian, size, "exact") == "accepted");
    CHECK(batch(InputLaw::gaussian, size, "block") == "accepted");
  }
  CHECK(batch(InputLaw::laplace, 33554431, "naive") == "accepted");
  CHECK(batch(InputLaw::laplace, 33554432, "naive") == too_many("33554432", "33554431"));
  CHECK(message(
            [](LeastSquares& p) {
              p.batch = 1e20;
              p.noise = rademacher_noise(1.0);
            },
            "block") == too_many("1e+20", "1073741823"));
  CHECK(message([](LeastSquares& p) { p.spectrum.multiplicity[0] = 1e9; }, "exact")
            .starts_with("spectrum.dimension: 1000000040 coordinates are too many"));
  CHECK(message([](LeastSquares& p) { p.noise = rademacher_noise(1.0); }, "exact")
            .starts_with("monte_carlo.sampler: 'exact' needs Gaussian label noise"));
  for (const char* sampler : {"exact", "block", "batch"})
    CHECK(message([](LeastSquares& p) { p.data.law = InputLaw::laplace; }, sampler)
              .starts_with("monte_carlo.sampler: '" + std::string(sampler) + "' needs data.law = \"gaussian\""));
  CHECK(message(nothing, "rows").starts_with("monte_carlo.sampler: 'rows' needs data.law = \"rows\""));
  CHECK(message([](LeastSquares& p) { p.data.law = InputLaw::rows; }, "naive")
            .starts_with("monte_carlo.sampler: 'naive'"));
}

TEST_CASE("real rows: the first step has exactly the law of one row drawn at random" *
          doctest::skip(!dataset_installed())) {
  const auto p = rows_problem(1, 0.02);
  const auto dataset = spectra::load(*p->dataset);
  const auto measured = spectra::measure(*p->dataset);
  const auto simulation = simulate_sgd(p, called("auto"));
  CHECK(simulation->sampler() == "rows");
  CHECK(run(*simulation, 0, {})[1] == Approx(measured->spectrum.signal()).epsilon(1e-9));
  // theta_0 = 0: after the row x with target y, theta = eta y x; P by averaging over all rows, without the spectrum.
  const std::size_t n = dataset->rows, d = dataset->columns;
  double floor = 0;
  for (std::size_t i = 0; i < n; ++i) {
    double fit = 0;
    for (std::size_t j = 0; j < d; ++j) fit += static_cast<double>(dataset->row(i)[j]) * measured->optimum[j];
    floor += (fit - dataset->targets[i]) * (fit - dataset->targets[i]) / static_cast<double>(n);
  }
  std::vector<double> excess(n), counts(n);
  for (std::size_t r = 0; r < n; ++r) {
    double loss = 0;
    for (std::size_t i = 0; i < n; ++i) {
      double product = 0;
      for (std::size_t j = 0; j < d; ++j)
        product += static_cast<double>(dataset->row(i)[j]) * static_cast<double>(dataset->row(r)[j]);
      const double residual = p->learning_rate * dataset->targets[r] * product - dataset->targets[i];
      loss += residual * residual / static_cast<double>(n);
    }
    excess[r] = loss - floor;
  }
  constexpr std::uint64_t replicas = 2000;
  for (std::uint64_t r = 0; r < replicas; ++r) {
    const double seen = run(*simulation, r, {1})[1];
    std::size_t nearest = 0;
    for (std::size_t i = 0; i < n; ++i)
      if (std::abs(excess[i] - seen) < std::abs(excess[nearest] - seen)) nearest = i;
    CHECK(seen == Approx(excess[nearest]).epsilon(1e-5));
    ++counts[nearest];
  }
  double statistic = 0;
  const double expected = static_cast<double>(replicas) / static_cast<double>(n);
  for (const double c : counts) CHECK(c > 0);  // expected 27 each: e^-27 to miss one
  for (const double c : counts) statistic += (c - expected) * (c - expected) / expected;
  // chi-square of n - 1 degrees of freedom, Wilson and Hilferty's normal approximation.
  const double k = static_cast<double>(n - 1), h = 2 / (9 * k);
  CHECK((std::cbrt(statistic / k) - (1 - h)) / std::sqrt(h) < z_limit);
}

TEST_CASE("real rows: descent with a large batch goes the way of gradient descent" *
          doctest::skip(!dataset_installed())) {
  auto p = rows_problem(4000, 0.01);
  const auto streamed = run(*simulate_sgd(p, called("rows")), 0, {30});
  CHECK(run(*simulate_sgd(p, called("rows")), 0, {7, 30}) == streamed);
  p->batch = infinity;
  const auto descended = run(*simulate_sgd(p, called("rows")), 0, {30});
  CHECK(streamed[1] == Approx(descended[1]).epsilon(0.02));
  CHECK(streamed[2] == Approx(descended[2]).epsilon(0.02));
  // Without an alignment the same powers are set mode by mode: same start, same descent.
  p->alignment.reset();
  const auto unaligned = run(*simulate_sgd(p, called("rows")), 0, {30});
  CHECK(unaligned[1] == Approx(descended[1]).epsilon(1e-9));
  p->batch = 2;
  const auto start = run(*simulate_sgd(p, called("rows")), 0, {});
  CHECK(start[1] == Approx(p->spectrum.signal()).epsilon(1e-9));
  p->learning_rate = 100;
  for (const double value : run(*simulate_sgd(p, called("rows")), 0, {1000})) CHECK(value == infinity);
}

TEST_CASE("rules that move coordinate by coordinate see every one of an eigenspace") {
  // Equal eigenvalues, as multiplicities or one by one, are those that differ in a late digit.
  const auto excess = [](const std::string& spectrum, const std::string& rest) {
    const auto experiment = edgewise::models::read_experiment(edgewise::settings::read_text(
        "model = 'least-squares'\n[spectrum]\nkind = 'list'\n" + spectrum + "\n[time]\nat = [1, 10, 20]\n" + rest,
        "e.toml"));
    const auto problem = edgewise::models::find(experiment).prepare(experiment);
    const auto simulation = problem->simulate();
    std::vector<double> values(simulation->observables().size()), out;
    const auto replica = simulation->replica(1, 0);
    for (const std::uint64_t step : {1u, 10u, 20u}) {
      replica->advance(step);
      replica->observe(values);
      out.push_back(values[1]);
    }
    return out;
  };
  struct Row {
    std::string together, apart, more;
  };
  const Row rows[] = {
      {"eigenvalues = [1, 0.3]\nmultiplicities = [3, 1]\ntarget_power = [1.2, 1]",
       "eigenvalues = [1, 1.0000000001, 1.0000000002, 0.3]\ntarget_power = [0.4, 0.4, 0.4, 1]", ""},
      {"eigenvalues = [1, 1, 0.3]\ntarget_power = [1.21, 0.16, 1]",
       "eigenvalues = [1.0000000001, 1, 0.3]\ntarget_power = [1.21, 0.16, 1]", ""},
      {"eigenvalues = [1, 1, 0.3]", "eigenvalues = [1.0000000001, 1, 0.3]", "[initial]\nerror_power = [1.21, 0.16, 1]"},
      {"eigenvalues = [0.3, 1, 1]", "eigenvalues = [0.3, 1.0000000001, 1]",
       "[initial]\nerror_power = [1, 1.21, 0.16]"}};
  for (const char* rule : {"kind = 'cocob'", "kind = 'nadamw'\nlearning_rate = 0.05\nweight_decay = 0",
                           "kind = 'prodigy-adam'", "kind = 'd-adaptation-adam'", "kind = 'momo-adam'"})
    for (const Row& row : rows) {
      CAPTURE(rule);
      CAPTURE(row.together);
      const std::string rest = "[optimizer]\nbatch = inf\n[rate]\n" + std::string(rule) + "\n" + row.more;
      const std::vector<double> together = excess(row.together, rest), apart = excess(row.apart, rest);
      for (std::size_t i = 0; i < together.size(); ++i) CHECK(together[i] == Approx(apart[i]).epsilon(1e-6));
    }
  // Nodes that stand for many coordinates cannot be moved one by one.
  CHECK_THROWS_WITH_AS(
      excess("eigenvalues = [1]\nmultiplicities = [2.5]", "[optimizer]\nbatch = inf\n[rate]\nkind = 'cocob'"),
      doctest::Contains("spectrum.multiplicities"), std::exception);
}
