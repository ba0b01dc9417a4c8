#include "spectra/dataset.hpp"

#include <fmt/format.h>

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

#include "linear_algebra/dense.hpp"
#include "linear_algebra/largest_eigenvalues.hpp"
#include "settings/shown.hpp"
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
    throw std::runtime_error(
        fmt::format("target '{}' is not one of label, class-0 .. class-{}", settings::shown(target), classes - 1));
  return k;
}

constexpr const char* images_file = "train-images-idx3-ubyte";
constexpr const char* labels_file = "train-labels-idx1-ubyte";

/// Where the file may be, packed or unpacked.
std::vector<std::string> places(const DatasetOptions& options, const char* file) {
  const std::string path = (std::filesystem::path(options.folder) / file).string();
  return {path + ".gz", path};
}

std::string present_file(const DatasetOptions& options, const char* file) {
  const std::vector<std::string> all = places(options, file);
  std::error_code ignored;
  for (const std::string& found : all)
    if (std::filesystem::exists(found, ignored)) return found;
  throw std::runtime_error(
      fmt::format("data set {}: '{}' does not exist, nor does it without .gz; install it with: apt-get install "
                  "dataset-fashion-mnist",
                  options.name, settings::shown(all.front(), 200)));
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
  if (!(square > 0))
    throw std::runtime_error(fmt::format("all {} targets '{}' are equal", labels.size(), settings::shown(target)));
  if (!chosen)
    for (double& value : y) value /= std::sqrt(square);
  return y;
}

Dataset read_pixels(const DatasetOptions& options) {
  if (options.name != "fashion-mnist")
    throw std::runtime_error(fmt::format("unknown data set '{}', known: fashion-mnist", settings::shown(options.name)));
  class_of(options.target);
  const std::string image_path = present_file(options, images_file);
  const std::string label_path = present_file(options, labels_file);
  const IdxArray labels = read_idx(label_path, options.rows);
  const IdxArray images = read_idx(image_path, options.rows);
  if (images.shape.size() != 3 || labels.shape.size() != 1 || images.shape[0] != labels.shape[0])
    throw std::runtime_error(fmt::format("'{}' and '{}' do not hold as many images as labels", image_path, label_path));
  Dataset data;
  data.name = options.name;
  data.rows = images.shape[0];
  data.columns = images.shape[1] * images.shape[2];
  data.targets = centred_targets(labels.bytes, options.target);
  data.labels = labels.bytes;
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

using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// Calls use(x, y) for consecutive pieces of block `block`: x is columns x (rows of the piece), in double precision.
template <typename Use>
void for_pieces(const Dataset& data, std::size_t block, Use use) {
  const std::size_t first = data.rows * block / blocks, last = data.rows * (block + 1) / blocks;
  for (std::size_t row = first; row < last; row += rows_at_once) {
    const std::size_t count = std::min(rows_at_once, last - row);
    Matrix x(data.columns, count);
    std::copy_n(data.inputs.data() + row * data.columns, x.size(), x.data());
    use(x, Matrix(count, 1, std::span<const double>(data.targets.data() + row, count)));
  }
}

/// relu(W'x) of every row, centred.
Dataset random_features_of(const Dataset& pixels, const DatasetOptions& options) {
  const std::size_t d = pixels.columns, n = options.features;
  Matrix weights(d, n, gaussian_features(d, n, options.feature_seed));
  const double scale = std::sqrt(static_cast<double>(n) / static_cast<double>(d));
  for (double& w : weights.entries()) w *= scale;
  Dataset out;
  out.name = pixels.name;
  out.rows = pixels.rows;
  out.columns = n;
  out.targets = pixels.targets;
  out.labels = pixels.labels;
  out.inputs.resize(out.rows * out.columns);
  std::vector<std::vector<double>> sums(blocks, std::vector<double>(n, 0.0));
  in_parallel(blocks, [&](std::size_t block) {
    float* to = out.inputs.data() + pixels.rows * block / blocks * out.columns;
    for_pieces(pixels, block, [&](const Matrix& x, const Matrix&) {
      const Matrix piece = linear_algebra::product(weights, x, Transposed::yes);
      for (std::size_t i = 0; i < piece.columns(); ++i)
        for (std::size_t j = 0; j < n; ++j) {
          const double feature = std::max(piece(j, i), 0.0);
          sums[block][j] += feature;
          *to++ = static_cast<float>(feature);
        }
    });
  });
  std::vector<float> mean(n);
  for (std::size_t j = 0; j < n; ++j) {
    double sum = 0;
    for (const auto& part : sums) sum += part[j];
    mean[j] = static_cast<float>(sum / static_cast<double>(out.rows));
  }
  for (std::size_t i = 0; i < out.rows; ++i)
    for (std::size_t j = 0; j < n; ++j) out.inputs[i * n + j] -= mean[j];
  return out;
}

Dataset read(const DatasetOptions& options) {
  if (options.features == 0) return read_pixels(options);
  if (options.features > most_features)
    throw std::runtime_error(fmt::format("features: at most {}, got {}", most_features, options.features));
  return random_features_of(read_pixels(options), options);
}

struct Moments {
  Matrix covariance;  ///< X'X / rows
  Matrix cross;       ///< X'y / rows
};

Moments compute_moments(const Dataset& data) {
  const std::size_t d = data.columns;
  std::vector<Moments> parts(blocks, {Matrix(d, d), Matrix(d, 1)});
  in_parallel(blocks, [&](std::size_t block) {
    for_pieces(data, block, [&](const Matrix& x, const Matrix& y) {
      linear_algebra::rank_update(1, x, Transposed::no, parts[block].covariance);
      linear_algebra::multiply(1, x, Transposed::no, y, Transposed::no, 1, parts[block].cross);
    });
  });
  Moments sum = std::move(parts[0]);
  const auto add = [](Matrix& to, const Matrix& part) {
    for (std::size_t i = 0; i < to.size(); ++i) to.data()[i] += part.data()[i];
  };
  for (std::size_t block = 1; block < blocks; ++block) {
    add(sum.covariance, parts[block].covariance);
    add(sum.cross, parts[block].cross);
  }
  const double scale = 1 / static_cast<double>(data.rows);
  for (Matrix* m : {&sum.covariance, &sum.cross})
    for (double& x : m->entries()) x *= scale;
  linear_algebra::fill_upper(sum.covariance);
  return sum;
}

/// Mean squared residual of y - X theta.
double misfit(const Dataset& data, const Matrix& theta) {
  std::vector<double> parts(blocks, 0.0);
  in_parallel(blocks, [&](std::size_t block) {
    for_pieces(data, block, [&](const Matrix& x, Matrix y) {
      linear_algebra::multiply(-1, x, Transposed::yes, theta, Transposed::no, 1, y);
      for (const double r : y.entries()) parts[block] += r * r;
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
  auto [lambda, vectors] = linear_algebra::symmetric_eigen(m->covariance);
  const std::size_t d = lambda.size();
  std::ranges::reverse(lambda);
  for (std::size_t j = 0; j < d / 2; ++j) std::ranges::swap_ranges(vectors.column(j), vectors.column(d - 1 - j));
  const Matrix along = linear_algebra::product(vectors, m->cross, Transposed::yes);
  Matrix coordinates(d, 1);
  Measured out;
  for (std::size_t i = 0; i < d; ++i) {
    const bool null = lambda[i] <= negligible_eigenvalue * lambda[0];
    if (!null) coordinates(i, 0) = along(i, 0) / lambda[i];
    out.spectrum.eigenvalue.push_back(null ? 0.0 : lambda[i]);
    out.spectrum.multiplicity.push_back(1);
    out.spectrum.target_power.push_back(coordinates(i, 0) * coordinates(i, 0));
  }
  const Matrix optimum = linear_algebra::product(vectors, coordinates);
  out.spectrum.unexplained_variance = misfit(*data, optimum);
  out.spectrum.provenance = provenance(options, *data);
  out.spectrum = checked(std::move(out.spectrum));
  out.eigenvectors.assign(vectors.entries().begin(), vectors.entries().end());
  out.optimum.assign(optimum.entries().begin(), optimum.entries().end());
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
  const std::size_t d = m->covariance.rows(), k = leading;
  const auto apply = [&](std::span<const double> x, std::span<double> y) {
    linear_algebra::multiply(d, 1, d, 1, m->covariance.data(), d, Transposed::no, x.data(), d, Transposed::no, 0,
                             y.data(), d);
  };
  const auto top = linear_algebra::largest_eigenvalues(d, k, apply, {}, {.tolerance = 1e-13});
  const std::vector<double>& lambda = top.values;
  const Matrix along = linear_algebra::product(top.vectors, m->cross, Transposed::yes);
  // A ridge at the level of the negligible eigenvalues does what leaving them out does in `measure`.
  Matrix ridged = m->covariance, optimum = m->cross;
  for (std::size_t i = 0; i < d; ++i)
    ridged(i, i) += std::max(negligible_eigenvalue * lambda[0], std::numeric_limits<double>::min());
  linear_algebra::cholesky_solve(linear_algebra::cholesky(ridged), optimum.entries());
  Spectrum s;
  const Matrix moved = linear_algebra::product(m->covariance, optimum);
  double trace = 0, signal = 0;
  for (std::size_t i = 0; i < d; ++i) {
    trace += m->covariance(i, i);
    signal += optimum(i, 0) * moved(i, 0);
  }
  for (std::size_t i = 0; i < k; ++i) {
    const bool null = lambda[i] <= negligible_eigenvalue * lambda[0];
    const double coordinate = null ? 0 : along(i, 0) / lambda[i];
    s.eigenvalue.push_back(null ? 0 : lambda[i]);
    s.multiplicity.push_back(1);
    s.target_power.push_back(coordinate * coordinate);
    trace -= s.eigenvalue.back();
    signal -= s.eigenvalue.back() * s.target_power.back();
  }
  if (trace <= negligible_eigenvalue * lambda[0]) trace = 0;
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

std::vector<std::string> files_of(const DatasetOptions& options) {
  std::vector<std::string> out;
  for (const char* file : {images_file, labels_file})
    for (std::string& place : places(options, file)) out.push_back(std::move(place));
  return out;
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
