// SGD on real rows against its steps written out, on a data set of forty images of three pixels.
#include "models/least_squares/batch_gradient.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "models/framework/experiment.hpp"
#include "models/framework/model.hpp"
#include "models/ingredients/rate_rules.hpp"
#include "random/random.hpp"
#include "spectra/dataset.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models;
using edgewise::tests::Approx;

namespace {

constexpr std::size_t rows = 40, d = 3, batch = 3;
using Vector = std::array<double, d>;

/// In the files of Fashion-MNIST, removed at the end.
struct Folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("edgewise-rows-replica-" + std::to_string(::getpid()));
  Folder() {
    std::filesystem::create_directories(path);
    std::string images("\0\0\x08\x03\0\0\0\x28\0\0\0\x01\0\0\0\x03", 16), labels("\0\0\x08\x01\0\0\0\x28", 8);
    for (int i = 0; i < static_cast<int>(rows); ++i) {
      for (const int pixel : {37 * i % 256, (i * i * 3 + 11) % 200, (90 + 53 * i * i * i) % 256})
        images += static_cast<char>(pixel);
      labels += static_cast<char>((i * i / 3 + i) % 10);
    }
    std::ofstream(path / "train-images-idx3-ubyte.gz", std::ios::binary) << images;
    std::ofstream(path / "train-labels-idx1-ubyte.gz", std::ios::binary) << labels;
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

double inner(const Vector& a, const Vector& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

struct Data {
  std::vector<Vector> x;
  std::vector<double> y;
  Vector covariance[d] = {}, optimum{};
  double unexplained = 0;

  explicit Data(const spectra::Dataset& of) {
    Vector cross{};
    for (std::size_t i = 0; i < rows; ++i) {
      x.push_back({of.row(i)[0], of.row(i)[1], of.row(i)[2]});
      y.push_back(of.targets[i]);
      for (std::size_t j = 0; j < d; ++j) {
        cross[j] += x[i][j] * y[i] / rows;
        for (std::size_t k = 0; k < d; ++k) covariance[j][k] += x[i][j] * x[i][k] / rows;
      }
    }
    // Cramer's rule.
    const auto determinant = [](const Vector(&m)[d]) {
      return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
             m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
    };
    for (std::size_t k = 0; k < d; ++k) {
      Vector replaced[d];
      for (std::size_t j = 0; j < d; ++j) {
        replaced[j] = covariance[j];
        replaced[j][k] = cross[j];
      }
      optimum[k] = determinant(replaced) / determinant(covariance);
    }
    for (std::size_t i = 0; i < rows; ++i) unexplained += std::pow(y[i] - inner(x[i], optimum), 2) / rows;
  }
  double excess(const Vector& v) const {
    double sum = 0;
    for (std::size_t j = 0; j < d; ++j) sum += v[j] * inner(covariance[j], v);
    return sum;
  }
};

}  // namespace

TEST_CASE("real rows: every step by hand, plain, under rules, along averages and by whole vectors, from any start") {
  const Folder folder;
  spectra::DatasetOptions options;
  options.folder = folder.path.string();
  const Data data(*spectra::load(options));
  for (const std::string rate :
       {"", "kind = 'dog'\nr_eps = 0.3", "kind = 'stochastic-polyak'\nc = 1.0\neta_max = 2.0",
        "kind = 'adagrad-norm'\nb0 = 0.5", "kind = 'momo'\nbeta = 0.6\neta_max = 3.0", "kind = 'cocob'\nalpha = 5.0"})
    for (const double scale : {0.0, 0.5}) {
      CAPTURE(rate);
      CAPTURE(scale);
      const std::string text =
          "model = 'least-squares'\n[spectrum]\nkind = 'dataset'\nfolder = '" + folder.path.string() +
          "'\n[data]\nlaw = 'rows'\n[noise]\nvariance = 0.04\n[initial]\nscale = " + settings::text_of(scale) +
          "\n[optimizer]\nbatch = 3\n" + (rate.empty() ? "learning_rate = 0.8\n" : "[rate]\n" + rate + "\n") +
          "[schedule]\nkind = 'linear'\n[time]\nat = [1, 2, 9]\nsteps = 10\n";
      const Experiment experiment = read_experiment(settings::read_text(text, "x.toml"));
      const auto problem = find(experiment).prepare(experiment);
      CHECK(problem->warnings().front() ==
            "the data are real rows: the theory takes them as Gaussian with the same covariance");
      const auto simulation = problem->simulate();
      const auto replica = simulation->replica(7, 2);

      const auto rule =
          ingredients::read_rate_rule(experiment.table, scale * std::sqrt(inner(data.optimum, data.optimum)));
      std::optional<ingredients::RateRun> run;
      if (rule) run.emplace(*rule);
      random::Stream choice(7, 2, 0, random::Purpose::batch);
      ingredients::LabelNoise labels(nullptr, 0.04, 7, 2);
      Vector theta, start, direction{};
      for (std::size_t j = 0; j < d; ++j) theta[j] = start[j] = scale * data.optimum[j];
      std::vector<double> out(simulation->observables().size()), eps(batch);
      for (std::uint64_t k = 0; k < 10; ++k) {
        const double s = 1 - static_cast<double>(k) / 10;
        choice.seek(k);
        labels.seek(k);
        labels.fill(eps);
        Vector g{};
        ingredients::StepObservation now;
        for (std::size_t b = 0; b < batch; ++b) {
          const std::size_t row = choice.below(rows);
          const double residual = inner(data.x[row], theta) - data.y[row] - eps[b];
          now.loss += residual * residual / (2.0 * batch);
          for (std::size_t j = 0; j < d; ++j) g[j] += residual * data.x[row][j] / batch;
        }
        if (run && run->whole_vector()) {
          std::vector<double> moved(d);
          for (std::size_t j = 0; j < d; ++j) moved[j] = theta[j] - start[j];
          run->step(std::vector<double>(g.begin(), g.end()), now.loss, s, moved);
          for (std::size_t j = 0; j < d; ++j) theta[j] = start[j] + moved[j];
        } else {
          const double beta = rule ? rule->averaging() : 0;
          now.weight = beta > 0 && k > 0 ? 1 - beta : 1;
          for (std::size_t j = 0; j < d; ++j) {
            direction[j] = (1 - now.weight) * direction[j] + now.weight * g[j];
            now.squared_distance += std::pow(theta[j] - start[j], 2);
            now.toward_start += g[j] * (start[j] - theta[j]);
          }
          now.squared_gradient = inner(g, g);
          now.squared_direction = inner(direction, direction);
          const double eta = run ? run->step(now, s) : 0.8 * s;
          for (std::size_t j = 0; j < d; ++j) theta[j] -= eta * direction[j];
        }
        replica->advance(k + 1);
        replica->observe(out);
        Vector v;
        for (std::size_t j = 0; j < d; ++j) v[j] = theta[j] - data.optimum[j];
        CHECK(out[0] == Approx((data.excess(v) + data.unexplained + 0.04) / 2).epsilon(1e-5));
        CHECK(out[1] == Approx(data.excess(v)).epsilon(1e-4));
        CHECK(out[2] == Approx(inner(v, v)).epsilon(1e-4));
        if (run) {
          std::vector<double> memory(out.size() - 3);
          run->observe(memory);
          for (std::size_t m = 0; m < memory.size(); ++m)
            CHECK(out[3 + m] == Approx(memory[m]).epsilon(1e-4).scale(1e-6));
        }
      }
    }
}

TEST_CASE("real rows: a start by its power in every eigenspace") {
  const Folder folder;
  const std::string text = "model = 'least-squares'\n[spectrum]\nkind = 'dataset'\nfolder = '" + folder.path.string() +
                           "'\n[data]\nlaw = 'rows'\n[initial]\nerror_power = [0.5, 2.0, 0.125]\n[optimizer]\n"
                           "learning_rate = 0.1\n[time]\nat = [1]\n";
  const Experiment experiment = read_experiment(settings::read_text(text, "x.toml"));
  const auto problem = find(experiment).prepare(experiment);
  const auto simulation = problem->simulate();
  const auto replica = simulation->replica(1, 0);
  std::vector<double> out(3);
  replica->observe(out);
  const auto theory = problem->solve();
  CHECK(out[1] == Approx(theory.find("excess_mse")->value[0]).epsilon(1e-6));
  CHECK(out[2] == Approx(2.625).epsilon(1e-9));
}

TEST_CASE("real rows: a batch that no stream has numbers for is refused") {
  const Folder folder;
  const std::string text =
      "model = 'least-squares'\n[spectrum]\nkind = 'dataset'\nfolder = '" + folder.path.string() +
      "'\n[data]\nlaw = 'rows'\n[optimizer]\nlearning_rate = 0.1\nbatch = 1e20\n[time]\nat = [1]\n";
  const Experiment experiment = read_experiment(settings::read_text(text, "x.toml"));
  CHECK_THROWS_WITH(
      find(experiment).prepare(experiment)->simulate(),
      "x.toml: optimizer.batch: 1e+20 examples a step are more than can be drawn one by one (at most 1073741823 here)");
}

TEST_CASE("of real rows no theory is exact, and none whose coefficients are scaled; as of no rate that a batch sets") {
  const Folder folder;
  const std::string text = "model = 'least-squares'\n[spectrum]\nkind = 'dataset'\nfolder = '" + folder.path.string() +
                           "'\n[time]\nat = [3]\n";
  const auto exact = [&](std::vector<std::string> overrides) {
    settings::Table table = settings::read_text(text, "x.toml");
    for (const std::string& assignment : overrides) settings::override_value(table, assignment);
    const Experiment experiment = read_experiment(std::move(table));
    return find(experiment).prepare(experiment)->solve().exact;
  };
  const std::string rate = "optimizer.learning_rate=0.1";
  for (const std::vector<std::string>& optimizer :
       {std::vector<std::string>{rate},
        {rate, "optimizer.kind=momentum", "optimizer.momentum=0.5"},
        {rate, "optimizer.kind=la-diloco", "optimizer.inner_steps=2", "optimizer.workers=2"},
        {"rate.kind=adagrad-norm", "optimizer.batch=inf"}}) {
    const auto with = [&](const std::string& more) {
      std::vector<std::string> all = optimizer;
      if (!more.empty()) all.push_back(more);
      return exact(all);
    };
    CAPTURE(optimizer.back());
    CHECK(with(""));
    CHECK_FALSE(with("data.law=rows"));
    CHECK_FALSE(with("theory.scale_label_noise=1.1"));
  }
  CHECK_FALSE(exact({"rate.kind=adagrad-norm", "optimizer.batch=2"}));
}

TEST_CASE("real rows: a run that diverges is infinite from then on, and never no number") {
  const Folder folder;
  const Experiment experiment = read_experiment(
      settings::read_text("model = 'least-squares'\n[spectrum]\nkind = 'dataset'\nfolder = '" + folder.path.string() +
                              "'\n[data]\nlaw = 'rows'\n[optimizer]\ngamma = 1e140\n[time]\nat = [1, 2, 3]\n",
                          "x.toml"));
  const auto problem = find(experiment).prepare(experiment);
  const auto simulation = problem->simulate();
  const auto replica = simulation->replica(1, 0);
  std::vector<double> out(3);
  for (const std::uint64_t step : {1u, 2u, 3u}) {
    replica->advance(step);
    replica->observe(out);
    for (const double x : out) CHECK(std::isfinite(x) == (step == 1));
    for (const double x : out) CHECK_FALSE(std::isnan(x));
  }
}
