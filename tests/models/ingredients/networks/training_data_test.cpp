// What networks are trained on, against its definitions.
#include "models/ingredients/networks/training_data.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>

#include "settings/settings.hpp"
#include "spectra/dataset.hpp"

using namespace edgewise;
using namespace edgewise::models::ingredients::networks;
using doctest::Approx;
using linear_algebra::Matrix;

namespace {

TrainingData read(const std::string& keys) {
  return read_training_data(settings::read_text("[data]\n" + keys, "test"));
}

bool same(const Matrix& a, const Matrix& b) {
  return std::ranges::equal(a.entries(), b.entries());
}

/// Largest difference of two matrices of one shape.
double apart(const Matrix& a, const Matrix& b) {
  double out = 0;
  for (std::size_t k = 0; k < a.size(); ++k) out = std::max(out, std::abs(a.data()[k] - b.data()[k]));
  return out;
}

TrainingData data_of(const std::string& keys, int examples = 50) {
  const std::string head = "[data]\ninputs = 4\nexamples = " + std::to_string(examples) + "\n";
  return read_training_data(settings::read_text(head + keys, "f.toml"));
}

std::string error_of(const std::string& keys) {
  try {
    data_of(keys);
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("what is trained on does not depend on what is held out") {
  for (const char* targets : {"linear", "teacher", "classes", "random-classes", "product"}) {
    CAPTURE(targets);
    const std::string keys = std::string("targets = '") + targets + "'\nexamples = 7\ninputs = 4\n" +
                             (std::string(targets) == "random-classes" ? "" : "noise = 0.5\n");
    const TrainingData none = read(keys), some = read(keys + "test_examples = 3\n");
    CHECK(!none.test);
    CHECK(same(none.train->inputs, some.train->inputs));
    CHECK(same(none.train->targets, some.train->targets));
    REQUIRE(some.test->size() == 3);
    CHECK(!same(some.test->inputs, read(keys + "test_examples = 3\nseed = 2\n").test->inputs));
  }
}

TEST_CASE("images are centred and scaled by those that are trained on" *
          doctest::skip(!std::filesystem::exists(spectra::DatasetOptions{}.folder))) {
  for (const char* scaling : {"'standardised'", "'pixels'", "'pca'\ncomponents = 3", "'whitened'\ncomponents = 3"}) {
    CAPTURE(scaling);
    const std::string keys = std::string("kind = 'fashion-mnist'\nexamples = 12\nscaling = ") + scaling + "\n";
    const TrainingData none = read(keys), some = read(keys + "test_examples = 9\n");
    // To the single precision that the set keeps.
    CHECK(apart(none.train->inputs, some.train->inputs) < 1e-4);
    CHECK(same(none.train->targets, some.train->targets));
    CHECK(some.test->size() == 9);
    for (std::size_t j = 0; j < some.train->inputs.rows(); j += 100) {
      double mean = 0;
      for (std::size_t i = 0; i < 12; ++i) mean += some.train->inputs(j, i) / 12;
      CHECK(std::abs(mean) < 1e-6);
    }
  }
}

TEST_CASE("Gaussian targets are what they are called") {
  const TrainingData product = read("targets = 'product'\nexamples = 9\ninputs = 5\ntarget_scale = 3\n");
  for (std::size_t i = 0; i < 9; ++i) {
    const auto x = product.train->inputs.column(i);
    CHECK(product.train->targets(0, i) == Approx(3 * (x[0] * x[1] + x[2] / 2)).epsilon(1e-14));
  }
  CHECK(!product.classes);
  // Classes: the largest of the linear targets that the same seed has; one output: its sign.
  for (const char* outputs : {"outputs = 4\n", "outputs = 1\n"}) {
    const std::string keys = std::string("examples = 20\ninputs = 3\nnoise = 0.3\ndecay = 0.5\n") + outputs;
    const TrainingData linear = read(keys), classes = read(keys + "targets = 'classes'\n");
    CHECK(classes.classes);
    CHECK(same(linear.train->inputs, classes.train->inputs));
    for (std::size_t i = 0; i < 20; ++i) {
      const auto y = linear.train->targets.column(i), label = classes.train->targets.column(i);
      if (y.size() == 1)
        CHECK(label[0] == (y[0] > 0 ? 1 : -1));
      else
        for (std::size_t c = 0; c < y.size(); ++c) CHECK(label[c] == (y[c] == *std::ranges::max_element(y) ? 1 : 0));
    }
  }
  // Coordinate j of variance j^(-2 decay), and y of variance 1 per output: 4000 examples, 6 standard errors.
  const TrainingData many = read("examples = 4000\ninputs = 3\ndecay = 1\noutputs = 40\n");
  for (std::size_t j = 0; j < 3; ++j) {
    double square = 0;
    for (std::size_t i = 0; i < 4000; ++i) square += std::pow(many.train->inputs(j, i), 2) / 4000;
    CHECK(square == Approx(std::pow(static_cast<double>(j + 1), -2)).epsilon(6 * std::sqrt(2 / 4000.0)));
  }
}

TEST_CASE("held-out examples come after those trained on, of the same teacher") {
  const TrainingData both = data_of("test_examples = 10\n"), all = data_of("", 60);
  REQUIRE(both.test);
  for (std::size_t i = 0; i < 10; ++i) CHECK(both.test->targets(0, i) == all.train->targets(0, 50 + i));
  CHECK_FALSE(data_of("").test);
}

TEST_CASE("a key that the targets do not read is refused") {
  CHECK(error_of("targets = 'random-classes'\nnoise = 0.1\n") ==
        "f.toml: data.noise: is read where targets = linear or teacher or classes or product, and here it is "
        "random-classes; leave it out");
  CHECK(error_of("targets = 'classes'\nnoise = 0.1\n").empty());
  for (const char* classes : {"classes", "random-classes"})
    CHECK(error_of("targets = '" + std::string(classes) + "'\ntarget_scale = 2.0\n")
              .starts_with("f.toml: data.target_scale: is read where targets = linear or teacher or product"));
  CHECK(error_of("teacher_width = 3\n").starts_with("f.toml: data.teacher_width: is read where targets = teacher"));
}
