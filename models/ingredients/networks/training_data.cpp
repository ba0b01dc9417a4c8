#include "models/ingredients/networks/training_data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "linear_algebra/dense.hpp"
#include "numerics/sums.hpp"
#include "numerics/whole.hpp"
#include "random/random.hpp"
#include "spectra/dataset.hpp"

namespace edgewise::models::ingredients::networks {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;
using settings::Values;

constexpr std::size_t image_classes = 10;

/// Columns first .. first + count - 1.
Matrix columns_of(const Matrix& m, std::size_t first, std::size_t count) {
  return {m.rows(), count, m.entries().subspan(first * m.rows(), count * m.rows())};
}

/// One-hot columns; of two classes (one output) +1 for the second and -1 for the first.
Matrix as_targets(const std::vector<std::size_t>& label, std::size_t outputs) {
  Matrix y(outputs, label.size());
  for (std::size_t i = 0; i < label.size(); ++i) {
    if (outputs == 1)
      y(0, i) = label[i] == 1 ? 1 : -1;
    else
      y(label[i], i) = 1;
  }
  return y;
}

/// Inputs and targets of train and test examples together.
Examples gaussian(const Values& data, std::size_t n) {
  const std::size_t d = data.whole("inputs"), outputs = data.whole("outputs");
  random::Stream stream(static_cast<std::uint64_t>(data.integer("seed")), 0, 0, random::Purpose::data);
  const auto normals = [&](std::size_t rows, std::size_t columns) {
    Matrix m(rows, columns);
    for (double& x : m.entries()) x = stream.normal();
    return m;
  };
  const std::string& targets = data.text("targets");
  const bool labels = targets == "classes" || targets == "random-classes";
  if (labels && data.given("target_scale"))
    throw data.error("target_scale", "is of targets that are no classes; leave it out");
  if (targets == "random-classes" && data.given("noise"))
    throw data.error("noise", "is of targets that the inputs decide; leave it out");
  const auto hidden = static_cast<double>(data.whole("teacher_width"));
  const Matrix first = normals(targets == "teacher" ? data.whole("teacher_width") : outputs, d);
  const Matrix second = targets == "teacher" ? normals(outputs, first.rows()) : Matrix();
  Matrix x = normals(d, n);
  const double alpha = data.number("decay");
  double trace = 0;
  for (std::size_t j = 0; j < d; ++j) {
    const double deviation = std::pow(static_cast<double>(j + 1), -alpha);
    trace += deviation * deviation;
    for (std::size_t i = 0; i < n; ++i) x(j, i) *= deviation;
  }
  Matrix y = linear_algebra::product(first, x);  // of variance tr K each
  for (double& value : y.entries()) value /= std::sqrt(trace);
  if (targets == "teacher") {
    for (double& value : y.entries()) value = std::tanh(value);
    y = linear_algebra::product(second, y);
    for (double& value : y.entries()) value /= std::sqrt(hidden);
  } else if (targets == "product") {
    if (d < 3) throw data.error("targets", "product is of three inputs or more");
    if (outputs != 1) throw data.error("outputs", "product is one output");
    for (std::size_t i = 0; i < n; ++i) y(0, i) = x(0, i) * x(1, i) + 0.5 * x(2, i);
  }
  const double deviation = std::sqrt(data.number("noise"));
  for (double& value : y.entries()) value += deviation * stream.normal();
  if (labels) {
    std::vector<std::size_t> label(n);
    for (std::size_t i = 0; i < n; ++i) {
      const auto column = y.column(i);
      if (targets == "random-classes")
        label[i] = stream.below(std::max<std::size_t>(outputs, 2));
      else
        label[i] = outputs == 1 ? (column[0] > 0 ? 1 : 0)
                                : static_cast<std::size_t>(std::ranges::max_element(column) - column.begin());
    }
    y = as_targets(label, outputs);
  } else {
    for (double& value : y.entries()) value *= data.number("target_scale");
  }
  return {std::move(x), std::move(y)};
}

/// Inputs on their leading principal components, by the first `train` examples; whitened, or as they are.
Matrix on_components(const Values& data, const Matrix& pixels, std::size_t train, bool whitened) {
  const std::size_t k = data.whole("components");
  const linear_algebra::Svd svd =
      linear_algebra::thin_svd(columns_of(pixels, 0, train), linear_algebra::SingularVectors::left);
  std::size_t rank = 0;
  while (rank < svd.values.size() && svd.values[rank] > 1e-6 * svd.values[0]) ++rank;
  if (k > rank)
    throw data.error("components", fmt::format("must be at most {}, the rank of the {} images", rank, train));
  Matrix basis = columns_of(svd.u, 0, k);
  if (whitened)
    for (std::size_t a = 0; a < k; ++a)
      for (double& x : basis.column(a)) x *= std::sqrt(static_cast<double>(train)) / svd.values[a];
  return linear_algebra::product(basis, pixels, Transposed::yes);
}

Examples images(const Values& data, std::size_t train, std::size_t n) {
  const std::string& target = data.text("target");
  spectra::DatasetOptions options;
  options.rows = n;
  if (target != "classes") options.target = target;
  std::shared_ptr<const spectra::Dataset> set;
  try {
    set = spectra::load(options);
  } catch (const std::runtime_error& e) {
    throw data.error("kind", e.what());
  }
  Matrix x(set->columns, n);
  std::ranges::copy(set->inputs, x.data());
  const std::string& scaling = data.text("scaling");
  if (scaling == "pca" || scaling == "whitened") x = on_components(data, x, train, scaling == "whitened");
  if (scaling == "pca" || scaling == "standardised") {
    const double square = numerics::squared_norm_in_order(x.entries().first(x.rows() * train));
    const double factor = std::sqrt(static_cast<double>(x.rows() * train) / square);
    for (double& value : x.entries()) value *= factor;
  }
  std::vector<std::size_t> label(set->labels.begin(), set->labels.end());
  if (target == "classes") return {std::move(x), as_targets(label, image_classes)};
  const auto chosen = static_cast<std::size_t>(target.back() - '0');
  for (std::size_t& l : label) l = l == chosen ? 1 : 0;
  return {std::move(x), as_targets(label, 1)};
}

}  // namespace

const std::vector<settings::Parameter>& data_parameters() {
  static const std::vector<settings::Parameter> keys{
      settings::text("kind", "gaussian: x ~ N(0, diag j^(-2 decay)); fashion-mnist: its first images")
          .one_of({"gaussian", "fashion-mnist"})
          .otherwise(std::string("gaussian")),
      settings::number("examples", "n, trained on; whole").at_least(1).at_most(1e5).otherwise(100.0),
      settings::number("test_examples", "held out; of images those that follow; whole")
          .at_least(0)
          .at_most(1e5)
          .otherwise(0.0),
      settings::number("inputs", "d, of gaussian; whole")
          .where("kind", {"gaussian"})
          .at_least(1)
          .at_most(1e5)
          .otherwise(10.0),
      settings::number("decay", "alpha: coordinate j of gaussian inputs has variance j^(-2 alpha)")
          .where("kind", {"gaussian"})
          .at_least(0)
          .otherwise(0.0),
      settings::text("targets",
                     "of gaussian inputs: linear y = W x/sqrt(tr K), W ~ N(0, 1); teacher: A tanh(that)/sqrt(width); "
                     "classes: the largest of the linear y (one output: its sign, +-1); random-classes: any; product: "
                     "x_1 x_2 + x_3/2")
          .where("kind", {"gaussian"})
          .one_of({"linear", "teacher", "classes", "random-classes", "product"})
          .otherwise(std::string("linear")),
      settings::number("outputs", "C, of gaussian targets; whole")
          .where("kind", {"gaussian"})
          .at_least(1)
          .at_most(1000)
          .otherwise(1.0),
      settings::number("teacher_width", "hidden units of the teacher; whole")
          .where("targets", {"teacher"})
          .at_least(1)
          .at_most(1e4)
          .otherwise(10.0),
      settings::number("noise", "variance of what is added to the y of gaussian inputs")
          .where("kind", {"gaussian"})
          .at_least(0)
          .otherwise(0.0),
      settings::number("target_scale", "factor on gaussian targets that are no classes")
          .where("kind", {"gaussian"})
          .above(0)
          .otherwise(1.0),
      settings::number("input_scale", "factor on all inputs").above(0).otherwise(1.0),
      settings::integer("seed", "of gaussian data, which all replicas share")
          .where("kind", {"gaussian"})
          .at_least(0)
          .otherwise(std::int64_t{1}),
      settings::text("target",
                     "of images: classes, ten one-hot outputs; class-K, one output, +1 for class K and -1 for others")
          .where("kind", {"fashion-mnist"})
          .one_of({"classes", "class-0", "class-1", "class-2", "class-3", "class-4", "class-5", "class-6", "class-7",
                   "class-8", "class-9"})
          .otherwise(std::string("classes")),
      settings::text(
          "scaling",
          "of images: pixels/255, centred; standardised: times one factor, mean square 1 a pixel; pca: on the "
          "leading principal components, times one factor; whitened: each component of variance 1")
          .where("kind", {"fashion-mnist"})
          .one_of({"pixels", "standardised", "pca", "whitened"})
          .otherwise(std::string("standardised")),
      settings::number("components", "of pca and whitened; whole")
          .where("scaling", {"pca", "whitened"})
          .at_least(1)
          .at_most(784)
          .otherwise(50.0)};
  return keys;
}

TrainingData read_training_data(const settings::Table& experiment) {
  const Values data = settings::read(experiment.table_or_empty("data"), data_parameters());
  const bool from_images = data.text("kind") == "fashion-mnist";
  const std::size_t train = data.whole("examples"), test = data.whole("test_examples");
  Examples all = from_images ? images(data, train, train + test) : gaussian(data, train + test);
  for (double& x : all.inputs.entries()) x *= data.number("input_scale");
  TrainingData out;
  out.classes = from_images || data.text("targets").ends_with("classes");
  const auto part = [&](std::size_t first, std::size_t count) {
    return std::make_shared<const Examples>(
        Examples{columns_of(all.inputs, first, count), columns_of(all.targets, first, count)});
  };
  out.train = part(0, train);
  if (test > 0) out.test = part(train, test);
  return out;
}

}  // namespace edgewise::models::ingredients::networks
