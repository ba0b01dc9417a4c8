#include "models/ingredients/networks/training_data.hpp"

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>

#include "random/random.hpp"
#include "spectra/dataset.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models::ingredients::networks;
using edgewise::tests::Approx;
using linear_algebra::Matrix;

namespace {

TrainingData read(const std::string& keys) {
  return read_training_data(settings::read_text("[data]\n" + keys, "e.toml"));
}

std::string refusal(const std::string& keys) {
  try {
    read(keys);
  } catch (const settings::Error& error) {
    return error.what();
  }
  return "accepted";
}

using View = Eigen::Map<const Eigen::MatrixXd>;
View view(const linear_algebra::Matrix& m) {
  return {m.data(), static_cast<Eigen::Index>(m.rows()), static_cast<Eigen::Index>(m.columns())};
}
View inputs(const TrainingData& data) {
  return view(data.train->inputs);
}
View targets(const TrainingData& data) {
  return view(data.train->targets);
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

}  // namespace

TEST_CASE("Gaussian inputs: variances j^(-2 decay), one factor, a seed") {
  const std::string keys = "inputs = 3\ndecay = 0.5\nnoise = 0.1\n";
  const TrainingData data = read(keys + "examples = 4000\n");
  CHECK(!data.test);
  CHECK(!data.classes);
  for (int j = 0; j < 3; ++j) {
    CAPTURE(j);
    // 5 standard deviations of the mean and of the variance: a false alarm in 3e5.
    CHECK(std::abs(inputs(data).row(j).mean()) < 5 / std::sqrt(4000 * (j + 1.0)));
    CHECK(inputs(data).row(j).squaredNorm() / 4000 * (j + 1) == Approx(1).epsilon(5 * std::sqrt(2 / 4000.0) / 2));
  }
  const TrainingData scaled = read(keys + "examples = 4000\ninput_scale = 2.5\n");
  CHECK((inputs(scaled) - 2.5 * inputs(data)).norm() < 1e-10);
  CHECK(targets(scaled) == targets(data));
  CHECK(inputs(read(keys + "examples = 4000\nseed = 2\n")) != inputs(data));
}

TEST_CASE("targets: linear, noisy, scaled, the classes of them, and a product") {
  const std::string keys = "inputs = 4\ndecay = 1\nexamples = 300\noutputs = 3\n";
  const double trace = 1 + 1 / 4.0 + 1 / 9.0 + 1 / 16.0;
  const TrainingData linear = read(keys);
  const Eigen::MatrixXd x = inputs(linear), y = targets(linear);
  const Eigen::MatrixXd W = x.transpose().colPivHouseholderQr().solve(y.transpose());
  CHECK((x.transpose() * W - y.transpose()).norm() < 1e-11);
  const TrainingData many = read("inputs = 4\ndecay = 1\nexamples = 5\noutputs = 1000\n");
  // 4000 normal weights: their mean square is 1 within 5 standard deviations.
  const Eigen::MatrixXd weights =
      inputs(many).topLeftCorner(4, 4).transpose().inverse() * targets(many).leftCols(4).transpose() * std::sqrt(trace);
  CHECK(weights.squaredNorm() / 4000 == Approx(1).epsilon(5 * std::sqrt(2 / 4000.0) / 2));

  const Eigen::MatrixXd one = targets(read(keys + "noise = 1\n")) - y;
  CHECK(one.squaredNorm() / 900 == Approx(1).epsilon(5 * std::sqrt(2 / 900.0) / 2));
  CHECK((targets(read(keys + "noise = 0.04\n")) - y - 0.2 * one).norm() < 1e-12);
  CHECK((targets(read(keys + "target_scale = 3\n")) - 3 * y).norm() < 1e-12);

  const TrainingData classes = read(keys + "targets = 'classes'\n");
  CHECK(classes.classes);
  const TrainingData signs = read("inputs = 4\nexamples = 300\ntargets = 'classes'\n");
  const Eigen::MatrixXd of_signs = targets(read("inputs = 4\nexamples = 300\n"));
  const TrainingData random = read(keys + "targets = 'random-classes'\n");
  Eigen::VectorXd count = Eigen::VectorXd::Zero(3);
  for (Eigen::Index i = 0; i < 300; ++i) {
    Eigen::Index largest = 0;
    y.col(i).maxCoeff(&largest);
    CHECK(targets(classes).col(i) == Eigen::VectorXd::Unit(3, largest));
    CHECK(targets(signs)(0, i) == (of_signs(0, i) > 0 ? 1 : -1));
    CHECK(targets(random).col(i).sum() == 1);
    CHECK(targets(random).col(i).maxCoeff() == 1);
    count += targets(random).col(i);
  }
  // Thirds of 300 within 5 standard deviations.
  for (const double c : count) CHECK(std::abs(c - 100) < 5 * std::sqrt(300 * 2 / 9.0));
  const TrainingData coin = read("examples = 300\ntargets = 'random-classes'\n");
  CHECK(targets(coin).cwiseAbs().minCoeff() == 1);
  CHECK(std::abs(targets(coin).sum()) < 5 * std::sqrt(300.0));

  const TrainingData product = read("inputs = 4\nexamples = 50\ntargets = 'product'\n");
  for (Eigen::Index i = 0; i < 50; ++i) {
    const auto at = inputs(product).col(i);
    CHECK(targets(product)(0, i) == Approx(at(0) * at(1) + at(2) / 2).epsilon(1e-14));
  }
  CHECK(refusal("inputs = 2\ntargets = 'product'\n").find("data.targets: product is of three inputs") !=
        std::string::npos);
  CHECK(refusal("outputs = 2\ntargets = 'product'\n").find("data.outputs: product is one output") != std::string::npos);
}

TEST_CASE("a teacher's targets are A tanh(W x/sqrt(tr K))/sqrt(width) of its normals") {
  const TrainingData data =
      read("inputs = 2\ndecay = 1\nexamples = 20\noutputs = 2\ntargets = 'teacher'\nteacher_width = 3\nseed = 7\n");
  random::Stream stream(7, 0, 0, random::Purpose::data);
  Eigen::MatrixXd W(3, 2), A(2, 3);
  for (double& w : W.reshaped()) w = stream.normal();
  for (double& a : A.reshaped()) a = stream.normal();
  const Eigen::MatrixXd hidden = (W * inputs(data) / std::sqrt(1.25)).array().tanh().matrix();
  CHECK((targets(data) - A * hidden / std::sqrt(3.0)).norm() < 1e-13);
}

TEST_CASE("images: pixels, one factor, principal components, whitened") {
  const spectra::DatasetOptions options{.rows = 60};
  if (!std::filesystem::exists(options.folder)) {
    MESSAGE("Fashion-MNIST is not installed");
    return;
  }
  const auto set = spectra::load(options);
  Eigen::MatrixXd pixels(784, 60);
  std::ranges::copy(set->inputs, pixels.data());
  // Centred by those that are trained on.
  const Eigen::VectorXd mean = pixels.leftCols(40).rowwise().mean();
  pixels.colwise() -= mean;
  const auto of = [](const std::string& keys) {
    return read("kind = 'fashion-mnist'\nexamples = 40\ntest_examples = 20\n" + keys);
  };
  const TrainingData plain = of("scaling = 'pixels'\n"), standard = of("");
  CHECK(plain.classes);
  CHECK((inputs(plain) - pixels.leftCols(40)).norm() < 1e-4);
  CHECK((view(plain.test->inputs) - pixels.rightCols(20)).norm() < 1e-4);
  const double factor = std::sqrt(784 * 40 / pixels.leftCols(40).squaredNorm());
  CHECK((inputs(standard) - factor * pixels.leftCols(40)).norm() < 1e-10);
  CHECK((view(standard.test->inputs) - factor * pixels.rightCols(20)).norm() < 1e-10);
  const TrainingData third = of("target = 'class-3'\n");
  for (Eigen::Index i = 0; i < 40; ++i) {
    const auto label = static_cast<Eigen::Index>(set->labels[static_cast<std::size_t>(i)]);
    CHECK(targets(plain).col(i) == Eigen::VectorXd::Unit(10, label));
    CHECK(targets(third)(0, i) == (label == 3 ? 1 : -1));
  }

  const Eigen::VectorXd power = Eigen::BDCSVD<Eigen::MatrixXd>(pixels.leftCols(40)).singularValues().array().square();
  const TrainingData leading = of("scaling = 'pca'\ncomponents = 5\n");
  const Eigen::MatrixXd gram = inputs(leading) * inputs(leading).transpose();
  CHECK(gram.trace() == Approx(5 * 40).epsilon(1e-12));
  CHECK((gram - Eigen::MatrixXd(gram.trace() / power.head(5).sum() * power.head(5).asDiagonal())).norm() < 1e-9);
  const TrainingData white = of("scaling = 'whitened'\ncomponents = 5\n");
  CHECK((inputs(white) * inputs(white).transpose() / 40 - Eigen::MatrixXd::Identity(5, 5)).norm() < 1e-10);
  // The same components for those that it is not trained on.
  for (int a = 0; a < 5; ++a)
    CHECK(view(white.test->inputs)(a, 3) / view(leading.test->inputs)(a, 3) ==
          Approx(inputs(white)(a, 0) / inputs(leading)(a, 0)).epsilon(1e-9));
  // Centred: one less than there are.
  CHECK(refusal("kind = 'fashion-mnist'\nexamples = 40\nscaling = 'pca'\ncomponents = 40\n")
            .find("data.components: must be at most 39, the rank of the 40 images") != std::string::npos);
}

TEST_CASE("held-out examples are further ones of the same teacher") {
  const TrainingData data = read("inputs = 3\nexamples = 9\ntest_examples = 6\noutputs = 2\n");
  REQUIRE(data.test);
  const Eigen::MatrixXd x = inputs(data), y = targets(data), held = view(data.test->inputs);
  const Eigen::MatrixXd W = x.transpose().colPivHouseholderQr().solve(y.transpose());
  CHECK((held.transpose() * W - view(data.test->targets).transpose()).norm() < 1e-12);
  for (Eigen::Index i = 0; i < 6; ++i) CHECK((x.colwise() - held.col(i)).colwise().norm().minCoeff() > 1e-3);
}

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

TEST_CASE("a key that the targets do not read is refused") {
  CHECK(refusal("targets = 'random-classes'\nnoise = 0.1\n") ==
        "e.toml: data.noise: is read where targets = linear or teacher or classes or product, and here it is "
        "random-classes; leave it out");
  CHECK(refusal("targets = 'classes'\nnoise = 0.1\n") == "accepted");
  for (const char* classes : {"classes", "random-classes"})
    CHECK(refusal("targets = '" + std::string(classes) + "'\ntarget_scale = 2.0\n")
              .starts_with("e.toml: data.target_scale: is read where targets = linear or teacher or product"));
  CHECK(refusal("teacher_width = 3\n").starts_with("e.toml: data.teacher_width: is read where targets = teacher"));
}
