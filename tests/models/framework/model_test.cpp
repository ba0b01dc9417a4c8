// What the framework does for every model: it refuses what the model does not read.
#include "models/framework/model.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/framework/sections.hpp"
#include "models/ingredients/rate_rules.hpp"
#include "spectra/dataset.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"
#include "tests/temporary_folder.hpp"

using namespace edgewise;
using namespace edgewise::models;

namespace {

std::string error_of(const std::string& text) {
  try {
    const Experiment experiment = read_experiment(settings::read_text(text, "f.toml"));
    find(experiment).prepare(experiment);
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "";
}

const char* const needed = "\n[time]\nsteps = 1\n";
/// The same on the model's own axis.
std::string needed_by(const Model& model) {
  return "\n[" + model.axis().section + "]\n" + model.axis().last + " = 1\n";
}

}  // namespace

TEST_CASE("a section that the model does not read is an error, whatever the model") {
  const std::vector<std::string> sections = {"spectrum", "noise", "data", "optimizer", "schedule", "initial", "tune"};
  std::size_t refused = 0;
  for (const Model* model : all()) {
    const auto read = model->sections();
    for (const std::string& section : sections) {
      if (std::ranges::find(read, section) != read.end()) continue;
      ++refused;
      const std::string& name = model->description().name;
      CHECK(error_of("model = \"" + name + "\"\n[" + section + "]\nx = 1" + needed_by(*model)) ==
            "f.toml: " + section + ": model " + name + " does not read this section; leave it out");
    }
  }
  CHECK(refused >= 12);
}

TEST_CASE("sections of commands are read where the model has what the command needs, and else are errors") {
  const auto readers = [](const char* section) {
    std::vector<std::string> out;
    for (const Model* model : all()) {
      CAPTURE(model->description().name);
      const std::string error =
          error_of("model = \"" + model->description().name + "\"\n[" + section + "]" + needed_by(*model));
      const bool refused = error.starts_with(std::string("f.toml: ") + section + ": model ");
      CHECK(refused != reads_section(*model, section));
      if (!refused) out.push_back(model->description().name);
    }
    return out;
  };
  // With a rate_objective.
  CHECK(readers("schedule_search") ==
        std::vector<std::string>{"least-squares", "residual-sgd", "sign-sgd", "finite-data"});
  // A formula has no replicas.
  CHECK(readers("monte_carlo").size() == all().size() - 1);
  CHECK(readers("verdict").size() == all().size() - 1);
  CHECK(
      error_of("model = \"sum-of-powers\"\n[monte_carlo]\nseed = 2" + std::string(needed)) ==
      "f.toml: monte_carlo: model sum-of-powers is not simulated: there is no replica, seed or verdict; leave it out");
  // Curves along steps.
  for (const std::string& name : readers("collapse")) CHECK(&find_model(name)->axis() == &step_axis());
  CHECK(error_of("model = \"kernel-regression\"\n[collapse]\n[samples]\nmax = 1") ==
        "f.toml: collapse: model kernel-regression does not read this section; leave it out");
}

TEST_CASE("a model that declares which rate rules it takes gets no other") {
  std::size_t some = 0;
  for (const Model* model : all())
    for (const settings::Parameter& p : model->description().parameters) {
      if (p.name != "rate.kind") continue;
      const std::string& name = model->description().name;
      CAPTURE(name);
      ++some;
      for (const ingredients::RateRuleKind& kind : ingredients::rate_rule_kinds()) {
        const std::string& word = kind.description.name;
        const std::string error = error_of("model = \"" + name + "\"\n[rate]\nkind = \"" + word + "\"" + needed);
        const bool refused = error.starts_with("f.toml: rate.kind: '" + word + "' is not one of ");
        CHECK(refused == (std::ranges::count(p.accepted, word) == 0));
      }
    }
  CHECK(some == 5);
}

TEST_CASE("nobody reads [output]") {
  CHECK(error_of(std::string("model = \"least-squares\"\n[output]\nx = 1") + needed).find("output: unknown") !=
        std::string::npos);
}

TEST_CASE("unknown keys of [monte_carlo] and [theory] are errors, whatever the model") {
  for (const Model* model : all())
    for (const char* section : {"monte_carlo", "theory"}) {
      if (!reads_section(*model, section)) continue;
      CAPTURE(model->description().name);
      const std::string error =
          error_of("model = \"" + model->description().name + "\"\n[" + section + "]\nrplicas = 1" + needed_by(*model));
      CHECK(error.find(std::string("f.toml: ") + section + ".rplicas: unknown key") == 0);
    }
}

TEST_CASE("scaled coefficients are warned of, whatever the model") {
  std::size_t keys = 0;
  for (const Model* model : all())
    for (const settings::Parameter& p : model->theory_parameters()) {
      if (!p.name.starts_with("scale_")) continue;
      ++keys;
      const std::string& name = model->description().name;
      CAPTURE(name);
      CAPTURE(p.name);
      const auto warnings = [&](const char* factor) {
        const std::string text = "model = \"" + name +
                                 "\"\n[spectrum]\nkind = \"isotropic\"\ndimension = 4\n[optimizer]\n" +
                                 (name == "matrix-least-squares" ? "kind = \"signsvd\"\n" : "") +
                                 "learning_rate = 0.01\n[theory]\n" + p.name + " = " + factor + needed;
        const Experiment experiment = read_experiment(settings::read_text(text, "f.toml"));
        const Trajectory out = find(experiment).prepare(experiment)->solve();
        return std::ranges::count_if(out.warnings, [](const std::string& w) {
          return w.find("theory.scale_*: this is not the theory") != std::string::npos;
        });
      };
      CHECK(warnings("1.1") == 1);
      CHECK(warnings("1") == 0);
    }
  CHECK(keys >= 7);
}

TEST_CASE("tuning is refused by a model that has none") {
  for (const Model* model : all()) {
    const auto read = model->sections();
    if (std::ranges::find(read, "tune") != read.end()) continue;
    const Experiment experiment = read_experiment(
        settings::read_text("model = \"" + model->description().name + "\"" + needed_by(*model), "f.toml"));
    CHECK_THROWS_WITH_AS(model->tune(experiment),
                         ("f.toml: tune: tuning is not offered for model " + model->description().name).c_str(),
                         settings::Error);
  }
}

TEST_CASE("claims begin no earlier than at a step, of all columns or of some") {
  Trajectory t;
  for (const char* name : {"excess_mse", "risk", "rate"}) t.columns.push_back({{name, "1", ""}, {}, {}});
  t.columns[1].valid_from = 7;
  t.claim_from(5, std::array<std::string_view, 2>{"risk", "rate"});
  CHECK(t.find("excess_mse")->valid_from == 0);
  CHECK(t.find("risk")->valid_from == 7);
  CHECK(t.find("rate")->valid_from == 5);
  t.claim_from(6);
  CHECK(t.find("excess_mse")->valid_from == 6);
  CHECK(t.find("risk")->valid_from == 7);
  CHECK(t.find("rate")->valid_from == 6);
}

TEST_CASE("keys of a data set reach every model that streams it: power, trace and modes from the pixels") {
  // 70 images of 3 x 2 pixels in the files of Fashion-MNIST.
  const temporary::Folder folder;
  constexpr std::size_t all = 70, pixels = 6;
  std::string images("\0\0\x08\x03\0\0\0\x46\0\0\0\x03\0\0\0\x02", 16), classes("\0\0\x08\x01\0\0\0\x46", 8);
  for (std::size_t i = 0; i < all; ++i) {
    for (std::size_t j = 0; j < pixels; ++j) images += static_cast<char>((i * i * (j + 3) + 17 * i + 31 * j * i) % 256);
    classes += static_cast<char>((7 * i + i * i / 3) % 10);
  }
  std::ofstream(folder / "train-images-idx3-ubyte.gz", std::ios::binary) << images;
  std::ofstream(folder / "train-labels-idx1-ubyte.gz", std::ios::binary) << classes;
  const auto trace_of = [&](std::size_t rows) {
    double sum = 0;
    for (std::size_t j = 0; j < pixels; ++j) {
      double mean = 0, square = 0;
      for (std::size_t i = 0; i < rows; ++i) {
        const double x = static_cast<unsigned char>(images[16 + i * pixels + j]) / 255.0;
        mean += x / static_cast<double>(rows);
        square += x * x / static_cast<double>(rows);
      }
      sum += square - mean * mean;
    }
    return sum;
  };
  const auto share_of = [&](std::size_t rows, int of) {
    double count = 0;
    for (std::size_t i = 0; i < rows; ++i) count += classes[8 + i] == of;
    return count / static_cast<double>(rows);
  };
  struct Row {
    std::string keys;
    double power, trace;  // of the centred targets; of K
    std::size_t modes;
  };
  spectra::DatasetOptions random;
  random.folder = folder / "";
  random.features = 5;
  random.feature_seed = 3;
  const double three = share_of(all, 3), of_40 = share_of(40, 3);
  const std::vector<Row> rows = {
      {"target = 'label'", 1, trace_of(all), pixels},
      {"target = 'class-3'", 4 * three * (1 - three), trace_of(all), pixels},
      {"target = 'class-3'\nrows = 40", 4 * of_40 * (1 - of_40), trace_of(40), pixels},
      {"target = 'label'\nleading = 2", 1, trace_of(all), 3},
      {"target = 'label'\nfeatures = 5\nfeature_seed = 3", 1, spectra::measure(random)->spectrum.trace(), 5}};
  for (const std::string model : {"least-squares", "residual-sgd", "sign-sgd"})
    for (const Row& row : rows) {
      // In coordinates of its own a data set keeps every eigenvalue.
      if (model != "least-squares" && row.keys.find("leading") != std::string::npos) continue;
      CAPTURE(model);
      const std::string keys = row.keys;
      CAPTURE(keys);
      const auto problem = [&](const std::string& rate) {
        return testing::prepare("model = '" + model + "'\n[spectrum]\nkind = 'dataset'\nfolder = '" + (folder / "") +
                                "'\n" + row.keys + "\n[noise]\nvariance = 0.3\n[optimizer]\n" + rate +
                                "\n[time]\nat = [3]\n");
      };
      const auto given = problem("gamma = 0.02");
      const Trajectory by_trace = given->solve(),
                       by_hand = problem(fmt::format("learning_rate = {:.17g}", 0.02 / row.trace))->solve();
      // What the pixels leave unexplained of the labels is noise: P + sigma^2 is all of them.
      CHECK(testing::column(by_trace, "risk").front() == tests::Approx((row.power + 0.3) / 2).epsilon(1e-5));
      CHECK(testing::column(by_trace, "excess_mse").back() ==
            tests::Approx(testing::column(by_hand, "excess_mse").back()).epsilon(1e-5));
      CHECK(given->mode_table().front().value.size() == row.modes);
    }
  // Every row drawn into a fixed data set: the loss at the start is the power of the targets, tr Theta is tr K.
  for (const Row& row : rows) {
    const std::string keys = row.keys;
    if (keys.find("leading") != std::string::npos) continue;
    CAPTURE(keys);
    const auto problem = [&](const std::string& rate) {
      return testing::prepare(
          "model = 'finite-data'\n[spectrum]\nkind = 'dataset'\nfolder = '" + (folder / "") + "'\n" + keys +
          "\n[data]\nlaw = 'rows'\nsamples = " + (keys.find("rows") == std::string::npos ? "70" : "40") +
          "\n[optimizer]\n" + rate + "\n[time]\nat = [3]\n");
    };
    const Trajectory by_trace = problem("gamma = 0.02")->solve(),
                     by_hand = problem(fmt::format("learning_rate = {:.17g}", 0.02 / row.trace))->solve();
    CHECK(testing::column(by_trace, "loss").front() == tests::Approx(row.power / 2).epsilon(1e-5));
    CHECK(testing::column(by_trace, "loss").back() ==
          tests::Approx(testing::column(by_hand, "loss").back()).epsilon(1e-5));
  }
}

TEST_CASE("keys of noise laws and spectra reach every model that streams: the risk before a step") {
  // theta = 0: (|theta*|_K^2 + E eps^2)/2. Of a power law |theta*|_K^2 = sum j^(-2 alpha - 2 beta).
  double signal = 0;
  for (int j = 1; j <= 9; ++j) signal += std::pow(j, -2 * (0.6 + 0.3));
  const std::pair<std::string, double> laws[] = {
      {"law = 'gaussian'\nvariance = 0.2", 0.2},
      {"law = 'contaminated'\nscale = 0.3\nprobability = 0.1\noutlier_scale = 4.0", 0.9 * 0.09 + 1.6},
      {"law = 'three-point'\nscale = 0.7\nprobability = 0.3", 0.3 * 0.49},
      {"law = 'student-t'\nscale = 0.3\ndof = 6", 0.09 * 6 / 4},
      {"law = 'laplace'\nvariance = 0.4", 0.4}};
  for (const std::string model : {"least-squares", "residual-sgd", "sign-sgd"})
    for (const auto& [keys, variance] : laws) {
      CAPTURE(model);
      const std::string law = keys;
      CAPTURE(law);
      const Trajectory found = testing::prepare("model = '" + model +
                                                "'\n[spectrum]\nkind = 'power-law'\ndimension = 9\nalpha = 0.6\n"
                                                "beta = 0.3\n[noise]\n" +
                                                law + "\n[optimizer]\nlearning_rate = 0.01\n[time]\nat = [1]\n")
                                   ->solve();
      CHECK(testing::column(found, "risk").front() == tests::Approx((signal + variance) / 2).epsilon(1e-9));
    }
}
