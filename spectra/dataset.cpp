#include "spectra/dataset.hpp"

#include <Spectra/MatOp/DenseSymMatProd.h>
#include <Spectra/SymEigsSolver.h>
#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <tuple>

#include "spectra/idx.hpp"
#include "spectra/kinds.hpp"
#include "spectra/random_features.hpp"

namespace edgewise::spectra {

namespace {

// Directions with less variance than this share of the largest are rounding of the pixels: they count as null.
constexpr double negligible_eigenvalue = 1e-12;
constexpr unsigned classes = 10;
// Their covariance is a dense matrix, and the features of all rows are kept.
constexpr std::size_t most_features = 5000;

using Key = std::tuple<std::string, std::string, std::string, std::size_t, std::size_t, std::uint64_t>;
Key key_of(const DatasetOptions& o) {
  return {o.name, o.folder, o.target, o.rows, o.features, o.feature_seed};
}

/// One value per set of options, computed once; whoever asks meanwhile waits for it. A failure is not kept.
template <typename T>
class Cache {
 public:
  template <typename Make>
  std::shared_ptr<const T> get(const DatasetOptions& options, Make make) {
    const std::lock_guard lock(mutex_);
    auto& entry = values_[key_of(options)];
    if (!entry) entry = std::make_shared<const T>(make());
    return entry;
  }

 private:
  std::mutex mutex_;
  std::map<Key, std::shared_ptr<const T>> values_;
};

/// The class K of target "class-K"; nothing for "label".
std::optional<unsigned> class_of(const std::string& target) {
  if (target == "label") return std::nullopt;
  constexpr std::string_view prefix = "class-";
  unsigned k = classes;
  if (target.starts_with(prefix)) {
    const char* end = target.data() + target.size();
    const auto [stop, error] = std::from_chars(target.data() + prefix.size(), end, k);
    if (error != std::errc{} || stop != end) k = classes;
  }
  if (k >= classes)
    throw std::runtime_error(fmt::format("target '{}' is not one of label, class-0 .. class-{}", target, classes - 1));
  return k;
}

std::string found_file(const DatasetOptions& options, const std::string& file) {
  const auto path = std::filesystem::path(options.folder) / file;
  if (!std::filesystem::exists(path))
    throw std::runtime_error(
        fmt::format("data set {}: '{}' does not exist; install it with: "
                    "apt-get install dataset-fashion-mnist",
                    options.name, path.string()));
  return path.string();
}

std::vector<double> centred_targets(const std::vector<std::uint8_t>& labels, const std::string& target) {
  const auto n = static_cast<double>(labels.size());
  const auto chosen = class_of(target);
  std::vector<double> y(labels.size());
  double mean = 0, square = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    y[i] = chosen ? (labels[i] == *chosen ? 1.0 : -1.0) : static_cast<double>(labels[i]);
    mean += y[i] / n;
  }
  for (double& value : y) {
    value -= mean;
    square += value * value / n;
  }
  if (!(square > 0)) throw std::runtime_error(fmt::format("all {} targets '{}' are equal", labels.size(), target));
  if (!chosen)
    for (double& value : y) value /= std::sqrt(square);
  return y;
}

Dataset read_pixels(const DatasetOptions& options) {
  if (options.name != "fashion-mnist")
    throw std::runtime_error(fmt::format("unknown data set '{}', known: fashion-mnist", options.name));
  class_of(options.target);
  const std::string image_path = found_file(options, "train-images-idx3-ubyte.gz");
  const std::string label_path = found_file(options, "train-labels-idx1-ubyte.gz");
  const IdxArray labels = read_idx(label_path, options.rows);
  const IdxArray images = read_idx(image_path, options.rows);
  if (images.shape.size() != 3 || labels.shape.size() != 1 || images.shape[0] != labels.shape[0])
    throw std::runtime_error(fmt::format("'{}' and '{}' do not hold as many images as labels", image_path, label_path));
  Dataset data;
  data.name = options.name;
  data.rows = images.shape[0];
  data.columns = images.shape[1] * images.shape[2];
  data.targets = centred_targets(labels.bytes, options.target);
  std::vector<std::uint64_t> sums(data.columns, 0);
  for (std::size_t i = 0; i < data.rows; ++i)
    for (std::size_t j = 0; j < data.columns; ++j) sums[j] += images.bytes[i * data.columns + j];
  std::vector<double> means(data.columns);
  for (std::size_t j = 0; j < data.columns; ++j)
    means[j] = static_cast<double>(sums[j]) / static_cast<double>(data.rows);
  data.inputs.resize(data.rows * data.columns);
  for (std::size_t i = 0; i < data.rows; ++i)
    for (std::size_t j = 0; j < data.columns; ++j) {
      const std::size_t at = i * data.columns + j;
      data.inputs[at] = static_cast<float>((images.bytes[at] - means[j]) / 255);
    }
  return data;
}

/// Calls work(block) for block = 0..blocks-1 on all cores. What a block computes must not depend on who computes it.
void in_parallel(std::size_t blocks, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  const auto run = [&] {
    for (std::size_t block = next++; block < blocks; block = next++) work(block);
  };
  const std::size_t others = std::min<std::size_t>(std::max(1U, std::thread::hardware_concurrency()), blocks) - 1;
  std::vector<std::jthread> threads;
  for (std::size_t k = 0; k < others; ++k) threads.emplace_back(run);
  run();
}

// Fixed, so that the sums do not depend on the number of cores.
constexpr std::size_t blocks = 8;
constexpr std::size_t rows_at_once = 256;

using Rows = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

/// Calls use(X, y) for consecutive pieces of block `block`: X is columns x (rows of the piece), in double precision.
template <typename Use>
void for_pieces(const Dataset& data, std::size_t block, Use use) {
  const std::size_t first = data.rows * block / blocks, last = data.rows * (block + 1) / blocks;
  for (std::size_t row = first; row < last; row += rows_at_once) {
    const auto count = static_cast<Eigen::Index>(std::min(rows_at_once, last - row));
    const Rows rows(data.inputs.data() + row * data.columns, count, static_cast<Eigen::Index>(data.columns));
    const Eigen::MatrixXd x = rows.transpose().cast<double>();
    use(x, Eigen::Map<const Eigen::VectorXd>(data.targets.data() + row, count));
  }
}

/// relu(W'x) of every row, centred.
Dataset random_features_of(const Dataset& pixels, const DatasetOptions& options) {
  const auto d = static_cast<Eigen::Index>(pixels.columns), n = static_cast<Eigen::Index>(options.features);
  const std::vector<double> entries = gaussian_features(pixels.columns, options.features, options.feature_seed);
  const Eigen::MatrixXd weights = Eigen::Map<const Eigen::MatrixXd>(entries.data(), d, n) *
                                  std::sqrt(static_cast<double>(n) / static_cast<double>(d));
  Dataset out;
  out.name = pixels.name;
  out.rows = pixels.rows;
  out.columns = options.features;
  out.targets = pixels.targets;
  out.inputs.resize(out.rows * out.columns);
  std::vector<Eigen::VectorXd> sums(blocks, Eigen::VectorXd::Zero(n));
  in_parallel(blocks, [&](std::size_t block) {
    float* to = out.inputs.data() + pixels.rows * block / blocks * out.columns;
    for_pieces(pixels, block, [&](const Eigen::MatrixXd& x, const auto&) {
      const Eigen::MatrixXd piece = (weights.transpose() * x).cwiseMax(0.0);
      sums[block] += piece.rowwise().sum();
      Eigen::Map<Eigen::MatrixXf>(to, piece.rows(), piece.cols()) = piece.cast<float>();
      to += piece.size();
    });
  });
  for (std::size_t block = 1; block < blocks; ++block) sums[0] += sums[block];
  const Eigen::VectorXf mean = (sums[0] / static_cast<double>(out.rows)).cast<float>();
  Eigen::Map<Eigen::MatrixXf>(out.inputs.data(), n, static_cast<Eigen::Index>(out.rows)).colwise() -= mean;
  return out;
}

Dataset read(const DatasetOptions& options) {
  if (options.features == 0) return read_pixels(options);
  if (options.features > most_features)
    throw std::runtime_error(fmt::format("features: at most {}, got {}", most_features, options.features));
  return random_features_of(read_pixels(options), options);
}

struct Moments {
  Eigen::MatrixXd covariance;  ///< X'X / rows
  Eigen::VectorXd cross;       ///< X'y / rows
};

Moments compute_moments(const Dataset& data) {
  const auto d = static_cast<Eigen::Index>(data.columns);
  std::vector<Moments> parts(blocks, {Eigen::MatrixXd::Zero(d, d), Eigen::VectorXd::Zero(d)});
  in_parallel(blocks, [&](std::size_t block) {
    for_pieces(data, block, [&](const Eigen::MatrixXd& x, const auto& y) {
      parts[block].covariance.selfadjointView<Eigen::Lower>().rankUpdate(x);
      parts[block].cross += x * y;
    });
  });
  Moments sum = std::move(parts[0]);
  for (std::size_t block = 1; block < blocks; ++block) {
    sum.covariance += parts[block].covariance;
    sum.cross += parts[block].cross;
  }
  const double scale = 1 / static_cast<double>(data.rows);
  sum.covariance = Eigen::MatrixXd(sum.covariance.selfadjointView<Eigen::Lower>()) * scale;
  sum.cross *= scale;
  return sum;
}

/// Mean squared residual of y - X theta.
double misfit(const Dataset& data, const Eigen::VectorXd& theta) {
  std::vector<double> parts(blocks, 0.0);
  in_parallel(blocks, [&](std::size_t block) {
    for_pieces(data, block, [&](const Eigen::MatrixXd& x, const auto& y) {
      parts[block] += (y - x.transpose() * theta).squaredNorm();
    });
  });
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum / static_cast<double>(data.rows);
}

std::shared_ptr<const Moments> moments(const DatasetOptions& options) {
  static Cache<Moments> cache;
  return cache.get(options, [&] { return compute_moments(*load(options)); });
}

std::string provenance(const DatasetOptions& options, const Dataset& data) {
  const std::string inputs = options.features > 0
                                 ? fmt::format("random features relu(W'x) of the pixels, seed {}", options.feature_seed)
                                 : "pixels / 255";
  return fmt::format("measured covariance of {}, {} rows of {} {}, centred; target {}", options.name, data.rows,
                     data.columns, inputs, options.target);
}

Measured compute_measured(const DatasetOptions& options) {
  const auto data = load(options);
  const auto m = moments(options);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(m->covariance);
  if (solver.info() != Eigen::Success) throw std::runtime_error("the eigendecomposition did not converge");
  const Eigen::VectorXd lambda = solver.eigenvalues().reverse();
  const Eigen::MatrixXd vectors = solver.eigenvectors().rowwise().reverse();
  const Eigen::VectorXd along = vectors.transpose() * m->cross;
  Eigen::VectorXd coordinates = Eigen::VectorXd::Zero(lambda.size());
  Measured out;
  for (Eigen::Index i = 0; i < lambda.size(); ++i) {
    const bool null = lambda[i] < negligible_eigenvalue * lambda[0];
    if (!null) coordinates[i] = along[i] / lambda[i];
    out.spectrum.eigenvalue.push_back(null ? 0.0 : lambda[i]);
    out.spectrum.multiplicity.push_back(1);
    out.spectrum.target_power.push_back(coordinates[i] * coordinates[i]);
  }
  const Eigen::VectorXd optimum = vectors * coordinates;
  out.spectrum.unexplained_variance = misfit(*data, optimum);
  out.spectrum.provenance = provenance(options, *data);
  out.spectrum = checked(std::move(out.spectrum));
  out.eigenvectors.assign(vectors.data(), vectors.data() + vectors.size());
  out.optimum.assign(optimum.data(), optimum.data() + optimum.size());
  return out;
}

}  // namespace

std::shared_ptr<const Dataset> load(const DatasetOptions& options) {
  static Cache<Dataset> cache;
  return cache.get(options, [&] { return read(options); });
}

std::shared_ptr<const Measured> measure(const DatasetOptions& options) {
  static Cache<Measured> cache;
  return cache.get(options, [&] { return compute_measured(options); });
}

Spectrum measure_leading(const DatasetOptions& options, std::size_t leading) {
  const auto data = load(options);
  if (leading == 0 || leading >= data->columns)
    throw std::runtime_error(fmt::format("leading must be from 1 to {}, got {}", data->columns - 1, leading));
  const auto m = moments(options);
  const Eigen::Index d = m->covariance.rows(), k = static_cast<Eigen::Index>(leading);
  Spectra::DenseSymMatProd<double> product(m->covariance);
  Spectra::SymEigsSolver<Spectra::DenseSymMatProd<double>> solver(product, k,
                                                                  std::min(d, std::max<Eigen::Index>(2 * k + 1, 20)));
  solver.init();
  solver.compute(Spectra::SortRule::LargestAlge, 1000, 1e-13);
  if (solver.info() != Spectra::CompInfo::Successful)
    throw std::runtime_error(fmt::format("the {} largest eigenvalues did not converge", leading));
  const Eigen::VectorXd lambda = solver.eigenvalues();
  const Eigen::VectorXd along = solver.eigenvectors(k).transpose() * m->cross;
  // A ridge at the level of the negligible eigenvalues does what leaving them out does in `measure`.
  Eigen::MatrixXd ridged = m->covariance;
  ridged.diagonal().array() += negligible_eigenvalue * lambda[0];
  const Eigen::VectorXd optimum = ridged.llt().solve(m->cross);
  Spectrum s;
  double trace = m->covariance.trace(), signal = optimum.dot(m->covariance * optimum);
  for (Eigen::Index i = 0; i < k; ++i) {
    s.eigenvalue.push_back(lambda[i]);
    s.multiplicity.push_back(1);
    s.target_power.push_back(along[i] * along[i] / (lambda[i] * lambda[i]));
    trace -= lambda[i];
    signal -= along[i] * along[i] / lambda[i];
  }
  const auto rest = static_cast<double>(d - k);
  s.eigenvalue.push_back(std::max(trace, 0.0) / rest);
  s.multiplicity.push_back(rest);
  s.target_power.push_back(trace > 0 ? std::max(signal, 0.0) * rest / trace : 0.0);
  s.unexplained_variance = misfit(*data, optimum);
  s.provenance = fmt::format("{}; {} leading eigenvalues and one bulk mode", provenance(options, *data), leading);
  return checked(std::move(s));
}

namespace {

DatasetOptions options_of(const settings::Values& values) {
  DatasetOptions options;
  options.name = values.text("name");
  if (values.given("folder")) options.folder = values.resolve(values.text("folder"));
  options.target = values.text("target");
  options.rows = static_cast<std::size_t>(values.integer("rows"));
  options.features = static_cast<std::size_t>(values.integer("features"));
  if (values.given("feature_seed") && options.features == 0)
    throw values.error("feature_seed", "is for random features; give `features` too");
  options.feature_seed = static_cast<std::uint64_t>(values.integer("feature_seed"));
  try {
    class_of(options.target);
  } catch (const std::runtime_error& error) {
    throw values.error("target", error.what());
  }
  return options;
}

}  // namespace

Kind dataset_kind() {
  const DatasetOptions defaults;
  settings::Description d;
  d.name = "dataset";
  d.summary = "Measured covariance of a real data set or of random features of it, with the labels regressed on them.";
  d.equations =
      "K = X'X / rows (X centred, pixels / 255),  theta* = K^(-1) X'y / rows,\n"
      "unexplained_variance = mean (y - X theta*)^2; directions below 1e-12 lambda_max count as null";
  d.source = "Fashion-MNIST: Xiao, Rasul and Vollgraf, arXiv:1708.07747; Debian package dataset-fashion-mnist";
  d.parameters = {
      settings::text("name", "the data set").otherwise(defaults.name).one_of({"fashion-mnist"}),
      settings::text("folder", "where its files are, relative to the experiment file").otherwise(defaults.folder),
      settings::text("target",
                     "label: the class number, standardised; class-K: +1 for class K, -1 for the others, centred")
          .otherwise(defaults.target),
      settings::integer("rows", "use the first so many rows; 0 for all").otherwise(std::int64_t{0}).at_least(0),
      settings::integer("features",
                        "use so many random features relu(W'x) of the centred pixels instead, W with independent "
                        "N(0, 1/pixels) entries; 0 for the pixels themselves")
          .otherwise(std::int64_t{0})
          .at_least(0)
          .at_most(most_features),
      settings::integer("feature_seed", "of the random features").otherwise(std::int64_t{0}).at_least(0),
      settings::integer("leading",
                        "keep the so many largest eigenvalues and join the rest to one bulk mode with their "
                        "trace and signal; 0 keeps all")
          .otherwise(std::int64_t{0})
          .at_least(0),
  };
  return {d, [](const settings::Values& values) {
            const DatasetOptions options = options_of(values);
            const auto leading = static_cast<std::size_t>(values.integer("leading"));
            return leading > 0 ? measure_leading(options, leading) : measure(options)->spectrum;
          }};
}

std::optional<DatasetOptions> dataset_of(const settings::Table& experiment) {
  const settings::Table* section = experiment.table("spectrum");
  if (!section) return std::nullopt;
  const settings::Value* kind = section->find("kind");
  if (!kind || *kind != settings::Value(std::string("dataset"))) return std::nullopt;
  const std::vector<std::string> every_key = section->keys();
  return options_of(settings::read(*section, dataset_kind().description.parameters, every_key));
}

}  // namespace edgewise::spectra
