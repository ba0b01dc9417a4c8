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

/// Gaussian examples of one teacher.
class GaussianData {
 public:
  explicit GaussianData(const Values& data)
      : data_(data),
        targets_(data.text("targets")),
        stream_(static_cast<std::uint64_t>(data.integer("seed")), 0, 0, random::Purpose::data) {
    const std::size_t d = data.whole("inputs"), outputs = data.whole("outputs");
    labels_ = targets_ == "classes" || targets_ == "random-classes";
    if (targets_ == "product" && d < 3) throw data.error("targets", "product is of three inputs or more");
    if (targets_ == "product" && outputs != 1) throw data.error("outputs", "product is one output");
    first_ = normals(targets_ == "teacher" ? data.whole("teacher_width") : outputs, d);
    if (targets_ == "teacher") second_ = normals(outputs, first_.rows());
  }

  /// The next n of them.
  Examples draw(std::size_t n) {
    const std::size_t d = data_.whole("inputs");
    Matrix x = normals(d, n);
    const double alpha = data_.number("decay");
    double trace = 0;
    for (std::size_t j = 0; j < d; ++j) {
      const double deviation = std::pow(static_cast<double>(j + 1), -alpha);
      trace += deviation * deviation;
      for (std::size_t i = 0; i < n; ++i) x(j, i) *= deviation;
    }
    Matrix y = linear_algebra::product(first_, x);  // of variance tr K each
    for (double& value : y.entries()) value /= std::sqrt(trace);
    if (targets_ == "teacher") {
      for (double& value : y.entries()) value = std::tanh(value);
      y = linear_algebra::product(second_, y);
      for (double& value : y.entries()) value /= std::sqrt(static_cast<double>(first_.rows()));
    } else if (targets_ == "product") {
      for (std::size_t i = 0; i < n; ++i) y(0, i) = x(0, i) * x(1, i) + 0.5 * x(2, i);
    }
    const double deviation = std::sqrt(data_.number("noise"));
    for (double& value : y.entries()) value += deviation * stream_.normal();
    if (labels_) return {std::move(x), as_targets(labels_of(y), y.rows())};
    for (double& value : y.entries()) value *= data_.number("target_scale");
    return {std::move(x), std::move(y)};
  }

 private:
  Matrix normals(std::size_t rows, std::size_t columns) {
    Matrix m(rows, columns);
    for (double& x : m.entries()) x = stream_.normal();
    return m;
  }
  std::vector<std::size_t> labels_of(const Matrix& y) {
    std::vector<std::size_t> label(y.columns());
    for (std::size_t i = 0; i < label.size(); ++i) {
      const auto column = y.column(i);
      if (targets_ == "random-classes")
        label[i] = stream_.below(std::max<std::size_t>(y.rows(), 2));
      else
        label[i] = y.rows() == 1 ? (column[0] > 0 ? 1 : 0)
                                 : static_cast<std::size_t>(std::ranges::max_element(column) - column.begin());
    }
    return label;
  }

  const Values& data_;
  std::string targets_;
  bool labels_ = false;
  random::Stream stream_;
  Matrix first_, second_;
};

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

/// Less the mean of the first `train` columns.
void centre(Matrix& x, std::size_t train) {
  std::vector<double> mean(x.rows());
  for (std::size_t i = 0; i < train; ++i)
    for (std::size_t j = 0; j < mean.size(); ++j) mean[j] += x(j, i) / static_cast<double>(train);
  for (std::size_t i = 0; i < x.columns(); ++i)
    for (std::size_t j = 0; j < mean.size(); ++j) x(j, i) -= mean[j];
}

/// Train and test images together.
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
  if (n > train) centre(x, train);  // the data set is centred by all n
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
          .where("targets", {"linear", "teacher", "classes", "product"})
          .at_least(0)
          .otherwise(0.0),
      settings::number("target_scale", "factor on gaussian targets that are no classes")
          .where("targets", {"linear", "teacher", "product"})
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

TrainingData read_training_data(const settings::Table& experiment, std::span<const settings::Parameter> keys) {
  const Values data = settings::read(experiment.table_or_empty("data"), keys);
  const bool from_images = data.text("kind") == "fashion-mnist";
  const std::size_t train = data.whole("examples"), test = data.has("test_examples") ? data.whole("test_examples") : 0;
  TrainingData out;
  out.classes = from_images || data.text("targets").ends_with("classes");
  const auto keep = [&](Examples&& part) {
    for (double& x : part.inputs.entries()) x *= data.number("input_scale");
    return std::make_shared<const Examples>(std::move(part));
  };
  // What is trained on is the same whatever is held out.
  if (from_images) {
    const Examples all = images(data, train, train + test);
    const auto part = [&](std::size_t first, std::size_t count) {
      return keep({columns_of(all.inputs, first, count), columns_of(all.targets, first, count)});
    };
    out.train = part(0, train);
    if (test > 0) out.test = part(train, test);
  } else {
    GaussianData gaussian(data);
    out.train = keep(gaussian.draw(train));
    if (test > 0) out.test = keep(gaussian.draw(test));
  }
  return out;
}

}  // namespace edgewise::models::ingredients::networks
