#include "spectra/dataset.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <Eigen/Dense>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <stdexcept>
#include <thread>

#include "settings/settings.hpp"
#include "spectra/csv.hpp"
#include "spectra/kinds.hpp"
#include "spectra/random_features.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::spectra;
using edgewise::tests::Approx;

namespace {

/// A small data set in the files of Fashion-MNIST (3 x 2 pixels), removed at the end.
struct Folder {
  // One of its own for each: what was read is kept by its path.
  std::filesystem::path path = std::filesystem::temp_directory_path() /
                               ("edgewise-data-" + std::to_string(::getpid()) + "-" + std::to_string(made++));
  inline static int made = 0;
  std::vector<std::vector<int>> pixels;
  std::vector<int> labels;

  Folder() {
    std::filesystem::create_directories(path);
    for (int i = 0; i < 40; ++i) {
      std::vector<int> row;
      for (int j = 0; j < 5; ++j) row.push_back((i * i * (j + 3) + 17 * i + 31 * j * i) % 256);
      row.push_back(200 - (row[0] + row[1]) / 3);  // nearly a linear function of the others
      pixels.push_back(row);
      labels.push_back((7 * i + i * i / 3) % 10);
    }
    std::string images("\0\0\x08\x03\0\0\0\x28\0\0\0\x03\0\0\0\x02", 16), classes("\0\0\x08\x01\0\0\0\x28", 8);
    for (const auto& row : pixels)
      for (const int p : row) images += static_cast<char>(p);
    for (const int label : labels) classes += static_cast<char>(label);
    std::ofstream(path / "train-images-idx3-ubyte.gz", std::ios::binary) << images;
    std::ofstream(path / "train-labels-idx1-ubyte.gz", std::ios::binary) << classes;
  }
  ~Folder() { std::filesystem::remove_all(path); }

  DatasetOptions options(const std::string& target = "label", std::size_t rows = 0) const {
    DatasetOptions o;
    o.folder = path.string();
    o.target = target;
    o.rows = rows;
    return o;
  }
};

bool installed() {
  return std::filesystem::exists(DatasetOptions{}.folder + "/train-images-idx3-ubyte.gz");
}

std::string complaint(const std::string& section) {
  try {
    build(settings::read_text("[spectrum]\nkind = \"dataset\"\n" + section, "/nowhere/e.toml"));
  } catch (const settings::Error& error) {
    return error.what();
  }
  return "no complaint";
}

}  // namespace

TEST_CASE("rows are centred pixels / 255, targets are standardised or centred indicators") {
  const Folder folder;
  const auto data = load(folder.options());
  CHECK(data->rows == 40);
  CHECK(data->columns == 6);
  for (std::size_t j = 0; j < 6; ++j) {
    double mean = 0, sum = 0;
    for (std::size_t i = 0; i < 40; ++i) mean += folder.pixels[i][j] / 40.0;
    for (std::size_t i = 0; i < 40; ++i) {
      CHECK(data->row(i)[j] == Approx((folder.pixels[i][j] - mean) / 255).epsilon(1e-6));
      sum += data->row(i)[j];
    }
    CHECK(std::abs(sum) < 1e-5);
  }
  double mean = 0, square = 0;
  for (const double y : data->targets) {
    mean += y / 40;
    square += y * y / 40;
  }
  CHECK(std::abs(mean) < 1e-14);
  CHECK(square == Approx(1).epsilon(1e-13));
  const auto indicator = load(folder.options("class-0"));
  for (std::size_t i = 0; i < 40; ++i)
    CHECK(indicator->targets[i] - indicator->targets[0] ==
          Approx((folder.labels[i] == 0 ? 1.0 : -1.0) - (folder.labels[0] == 0 ? 1.0 : -1.0)).epsilon(1e-14));
  CHECK(load(folder.options("label", 15))->rows == 15);
}

TEST_CASE("one copy per options, also when asked for at the same time" * doctest::test_suite("threads")) {
  const Folder folder;
  std::vector<std::shared_ptr<const Measured>> got(4);
  {
    std::vector<std::jthread> threads;
    for (auto& slot : got) threads.emplace_back([&] { slot = measure(folder.options("class-3")); });
  }
  for (const auto& slot : got) CHECK(slot == got[0]);
  CHECK(load(folder.options()) == load(folder.options()));
  CHECK(load(folder.options()) != load(folder.options("class-1")));
}

TEST_CASE("measured covariance and regression agree with a direct solution") {
  const Folder folder;
  const auto data = load(folder.options());
  const auto measured = measure(folder.options());
  const Spectrum& s = measured->spectrum;
  Eigen::MatrixXd x(40, 6);
  for (int i = 0; i < 40; ++i)
    for (int j = 0; j < 6; ++j) x(i, j) = data->row(static_cast<std::size_t>(i))[static_cast<std::size_t>(j)];
  const Eigen::Map<const Eigen::VectorXd> y(data->targets.data(), 40);
  const Eigen::Map<const Eigen::MatrixXd> vectors(measured->eigenvectors.data(), 6, 6);
  const Eigen::Map<const Eigen::VectorXd> lambda(s.eigenvalue.data(), 6), optimum(measured->optimum.data(), 6);
  CHECK((vectors * lambda.asDiagonal() * vectors.transpose() - x.transpose() * x / 40).norm() < 1e-14);
  const Eigen::VectorXd direct = x.colPivHouseholderQr().solve(y);
  CHECK((optimum - direct).norm() < 1e-8 * direct.norm());
  CHECK(s.unexplained_variance == Approx((y - x * direct).squaredNorm() / 40).epsilon(1e-11));
  CHECK(s.signal() + s.unexplained_variance == Approx(1).epsilon(1e-11));
  for (int k = 0; k < 6; ++k)
    CHECK(s.target_power[static_cast<std::size_t>(k)] == Approx(std::pow(vectors.col(k).dot(direct), 2)).epsilon(1e-7));
  CHECK(s.modes() == 6);
  CHECK(s.eigenvalue[0] > s.eigenvalue[5]);
}

TEST_CASE("leading eigenvalues with a bulk keep the dimension, the trace and the signal") {
  const Folder folder;
  const Spectrum whole = measure(folder.options())->spectrum, s = measure_leading(folder.options(), 2);
  CHECK(s.modes() == 3);
  CHECK(s.multiplicity.back() == 4);
  for (std::size_t a = 0; a < 2; ++a) {
    CHECK(s.eigenvalue[a] == Approx(whole.eigenvalue[a]).epsilon(1e-11));
    CHECK(s.target_power[a] == Approx(whole.target_power[a]).epsilon(1e-9));
  }
  CHECK(s.trace() == Approx(whole.trace()).epsilon(1e-12));
  // The ridge biases the smallest eigendirections by 1e-12 lambda_max / lambda, here 1e-7.
  CHECK(s.signal() == Approx(whole.signal()).epsilon(1e-6));
  CHECK(s.unexplained_variance == Approx(whole.unexplained_variance).epsilon(1e-6));
  CHECK_THROWS_WITH_AS(measure_leading(folder.options(), 6), "leading must be from 1 to 5, got 6", std::runtime_error);
}

TEST_CASE("columns that never vary hold no target power") {
  const Folder folder;
  std::string images("\0\0\x08\x03\0\0\0\x28\0\0\0\x03\0\0\0\x02", 16);
  for (const auto& row : folder.pixels)
    for (std::size_t j = 0; j < 6; ++j) images += static_cast<char>(j == 2 ? 9 : row[j]);
  std::ofstream(folder.path / "train-images-idx3-ubyte.gz", std::ios::binary) << images;
  const Spectrum s = measure(folder.options("class-5"))->spectrum;
  CHECK(s.eigenvalue.back() == 0);
  CHECK(s.target_power.back() == 0);
  CHECK(s.target_power[4] > 0);

  // One column alone varies: the others read as 0, whether they are asked for one by one or are the bulk.
  std::string one("\0\0\x08\x03\0\0\0\x28\0\0\0\x03\0\0\0\x02", 16);
  double mean = 0, square = 0;
  for (const auto& row : folder.pixels) {
    for (std::size_t j = 0; j < 6; ++j) one += static_cast<char>(j == 4 ? row[j] : 7);
    mean += row[4] / 255.0 / 40;
  }
  for (const auto& row : folder.pixels) square += std::pow(row[4] / 255.0 - mean, 2) / 40;
  std::ofstream(folder.path / "train-images-idx3-ubyte.gz", std::ios::binary) << one;
  const Spectrum all = measure(folder.options("class-2"))->spectrum;
  for (const std::size_t leading : {1, 3, 5}) {
    const Spectrum top = measure_leading(folder.options("class-2"), leading);
    CHECK(top.eigenvalue[0] == Approx(square).epsilon(1e-6));
    CHECK(top.target_power[0] == Approx(all.target_power[0]).epsilon(1e-9));
    for (std::size_t a = 1; a < top.modes(); ++a) {
      CHECK(top.eigenvalue[a] == 0);
      CHECK(top.target_power[a] == 0);
    }
    CHECK(top.signal() == Approx(all.signal()).epsilon(1e-9));
  }
}

TEST_CASE("columns that are multiples of each other leave one mode, and none is left where nothing varies") {
  const Folder folder;
  const auto write = [&](const auto& pixel) {
    std::string images("\0\0\x08\x03\0\0\0\x28\0\0\0\x03\0\0\0\x02", 16);
    for (int i = 0; i < 40; ++i)
      for (int j = 0; j < 6; ++j) images += static_cast<char>(pixel(i, j));
    std::ofstream(folder.path / "train-images-idx3-ubyte.gz", std::ios::binary) << images;
  };
  double mean = 0, square = 0;
  const auto base = [](int i) { return i * i % 37; };
  for (int i = 0; i < 40; ++i) mean += base(i) / 40.0;
  for (int i = 0; i < 40; ++i) square += std::pow((base(i) - mean) / 255, 2) / 40;
  write([&](int i, int j) { return (j + 1) * base(i); });
  // 1 + 4 + ... + 36 times the variance of one; what the others have is rounding.
  for (const std::string target : {"class-2", "class-4"})
    for (const std::size_t leading : {1, 2, 3, 4, 5}) {
      CAPTURE(leading);
      const Spectrum s = measure_leading(folder.options(target), leading);
      CHECK(s.eigenvalue[0] == Approx(91 * square).epsilon(1e-6));
      for (std::size_t a = 1; a < s.modes(); ++a) {
        CHECK(s.eigenvalue[a] == 0);
        CHECK(s.target_power[a] == 0);
      }
    }
  const Spectrum all = measure(folder.options("class-2"))->spectrum;
  CHECK(all.eigenvalue[0] == Approx(91 * square).epsilon(1e-6));
  for (std::size_t a = 1; a < 6; ++a) {
    CHECK(all.eigenvalue[a] == 0);
    CHECK(all.target_power[a] == 0);
  }

  write([](int, int) { return 9; });
  CHECK_THROWS_WITH_AS(measure(folder.options("class-6")), "no eigenvalue is positive", std::invalid_argument);
  CHECK_THROWS_WITH_AS(measure_leading(folder.options("class-6"), 2), "no eigenvalue is positive",
                       std::invalid_argument);
}

TEST_CASE("random features: relu of the weighted centred pixels, centred") {
  const Folder folder;
  DatasetOptions options = folder.options();
  const auto pixels = load(options);
  options.features = 5;
  options.feature_seed = 3;
  const auto features = load(options);
  REQUIRE(features->columns == 5);
  REQUIRE(features->rows == pixels->rows);
  CHECK(features->targets == pixels->targets);
  const auto weights = gaussian_features(6, 5, 3);
  std::vector<double> mean(5, 0.0), raw(5 * pixels->rows);
  for (std::size_t i = 0; i < pixels->rows; ++i)
    for (std::size_t k = 0; k < 5; ++k) {
      double sum = 0;
      for (std::size_t j = 0; j < 6; ++j)
        sum += weights[k * 6 + j] * std::sqrt(5.0 / 6) * static_cast<double>(pixels->row(i)[j]);
      raw[i * 5 + k] = std::max(sum, 0.0);
      mean[k] += raw[i * 5 + k] / static_cast<double>(pixels->rows);
    }
  for (std::size_t i = 0; i < pixels->rows; ++i)
    for (std::size_t k = 0; k < 5; ++k)
      CHECK(features->row(i)[k] == Approx(raw[i * 5 + k] - mean[k]).epsilon(1e-5).scale(1));
  const auto measured = measure(options);
  CHECK(measured->spectrum.dimension() == 5);
  CHECK(measured->spectrum.provenance.find("random features relu(W'x) of the pixels, seed 3") != std::string::npos);
  options.feature_seed = 4;
  CHECK(load(options)->inputs != features->inputs);
  const std::string where = "folder = \"" + folder.path.string() + "\"\n";
  CHECK(complaint(where + "features = 5001").find("features") != std::string::npos);
  CHECK(complaint(where + "feature_seed = 1").find("give `features` too") != std::string::npos);
}

TEST_CASE("unpacked files are read as packed ones are") {
  const Folder folder;
  const auto packed = load(folder.options("class-3"));
  for (const char* name : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"})
    std::filesystem::rename(folder.path / (std::string(name) + ".gz"), folder.path / name);
  // Another number of rows, for the data are kept by their options.
  const auto unpacked = load(folder.options("class-3", 40));
  CHECK(unpacked != packed);
  CHECK(unpacked->inputs == packed->inputs);
  CHECK(unpacked->targets == packed->targets);
}

TEST_CASE("bad input") {
  CHECK(complaint("folder = \"missing\"") ==
        "/nowhere/e.toml: spectrum: data set fashion-mnist: '/nowhere/missing/train-images-idx3-ubyte.gz' does not "
        "exist, nor does it without .gz; install it with: apt-get install dataset-fashion-mnist");
  CHECK(complaint("target = \"class-10\"") ==
        "/nowhere/e.toml: spectrum.target: target 'class-10' is not one of label, class-0 .. class-9");
  CHECK(complaint("target = \"class-x\"").find("is not one of label") != std::string::npos);
  CHECK(complaint("name = \"mnist\"").find("'mnist' is not one of fashion-mnist") != std::string::npos);
  CHECK(complaint("rows = -1") == "/nowhere/e.toml: spectrum.rows: must be >= 0, got -1");
  const Folder folder;
  const std::string where = "folder = \"" + folder.path.string() + "\"\n";
  CHECK(complaint(where + "rows = 41").find("holds 40 rows, 41 were asked for") != std::string::npos);
  CHECK(complaint(where + "leading = 9").find("leading must be from 1 to 5, got 9") != std::string::npos);
  CHECK(complaint(where + "target = \"class-9\"\nrows = 1").find("all 1 targets 'class-9' are equal") !=
        std::string::npos);
  std::filesystem::resize_file(folder.path / "train-images-idx3-ubyte.gz", 100);
  CHECK(complaint(where + "target = \"class-8\"").find("ends early: the file is truncated") != std::string::npos);
}

TEST_CASE("a truncated gzip file is named" * doctest::skip(!installed())) {
  const Folder folder;
  const auto copy = folder.path / "train-images-idx3-ubyte.gz";
  const DatasetOptions original;
  std::ifstream in(original.folder + "/train-images-idx3-ubyte.gz", std::ios::binary);
  std::string bytes(20'000, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  std::ofstream(copy, std::ios::binary) << bytes;
  CHECK_THROWS_WITH_AS(load(folder.options("class-7")),
                       ("'" + copy.string() + "' ends early: the file is truncated").c_str(), std::runtime_error);
}

TEST_CASE("the shipped spectrum is the measured one" * doctest::skip(!installed())) {
  const Spectrum measured = measure({})->spectrum, shipped = read_csv(EDGEWISE_TEST_DATA "/fashion-mnist.csv");
  REQUIRE(shipped.modes() == measured.modes());
  CHECK(shipped.unexplained_variance == Approx(measured.unexplained_variance).epsilon(1e-9));
  // Backward errors of a symmetric eigensolver are absolute: 1e-15 of the largest eigenvalue.
  for (std::size_t a = 0; a < shipped.modes(); ++a)
    CHECK(std::abs(shipped.eigenvalue[a] - measured.eigenvalue[a]) < 1e-12 * shipped.eigenvalue[0]);
  for (std::size_t a = 0; a < 100; ++a)
    CHECK(shipped.target_power[a] == Approx(measured.target_power[a]).epsilon(1e-6));
  CHECK(load({})->rows == 60000);
}

TEST_CASE("rows, labels and targets of the first images, to the letter") {
  const Folder folder;
  const std::size_t n = 15;
  const auto data = load(folder.options("label", n));
  REQUIRE(data->rows == n);
  REQUIRE(data->targets.size() == n);
  REQUIRE(data->inputs.size() == n * 6);
  CHECK(data->name == "fashion-mnist");
  double mean = 0, square = 0, ones = 0;
  for (std::size_t i = 0; i < n; ++i) {
    CHECK(data->labels[i] == folder.labels[i]);
    mean += folder.labels[i];
    ones += folder.labels[i] == 4 ? 1 : -1;
  }
  mean /= n;
  for (std::size_t i = 0; i < n; ++i) square += std::pow(folder.labels[i] - mean, 2) / n;
  const auto four = load(folder.options("class-4", n));
  for (std::size_t i = 0; i < n; ++i) {
    CHECK(data->targets[i] == Approx((folder.labels[i] - mean) / std::sqrt(square)).epsilon(1e-13));
    CHECK(four->targets[i] == Approx((folder.labels[i] == 4 ? 1 : -1) - ones / n).epsilon(1e-13));
    for (std::size_t j = 0; j < 6; ++j) {
      double pixels = 0;
      for (std::size_t k = 0; k < n; ++k) pixels += folder.pixels[k][j] / 15.0;
      CHECK(data->row(i)[j] == static_cast<float>((folder.pixels[i][j] - pixels) / 255));
    }
  }
  // As many threads as there are, and blocks of unlike sizes: the same sums as row by row.
  const Spectrum s = measure(folder.options("label", n))->spectrum;
  double trace = 0;
  for (const float x : data->inputs) trace += static_cast<double>(x) * static_cast<double>(x) / n;
  CHECK(s.trace() == Approx(trace).epsilon(1e-13));
  CHECK(s.provenance == "measured covariance of fashion-mnist, 15 rows of 6 pixels / 255, centred; target label");
}

TEST_CASE("the bulk mode: mean of the other eigenvalues, and power that holds their signal") {
  const Folder folder;
  const Spectrum whole = measure(folder.options("class-1"))->spectrum,
                 s = measure_leading(folder.options("class-1"), 3);
  double trace = 0, signal = 0;
  for (std::size_t a = 3; a < 6; ++a) {
    trace += whole.eigenvalue[a];
    signal += whole.eigenvalue[a] * whole.target_power[a];
  }
  REQUIRE(s.modes() == 4);
  CHECK(s.multiplicity == std::vector<double>{1, 1, 1, 3});
  CHECK(s.eigenvalue[3] == Approx(trace / 3).epsilon(1e-11));
  // The ridge biases the smallest eigendirections by 1e-12 lambda_max / lambda, here 1e-7.
  CHECK(s.target_power[3] == Approx(signal * 3 / trace).epsilon(1e-5));
  CHECK(
      s.provenance ==
      "measured covariance of fashion-mnist, 40 rows of 6 pixels / 255, centred; target class-1; 3 leading eigenvalues "
      "and one bulk mode");
  CHECK_THROWS_WITH_AS(measure_leading(folder.options("class-1"), 0), "leading must be from 1 to 5, got 0",
                       std::runtime_error);
  CHECK(measure_leading(folder.options("class-1"), 5).modes() == 6);
}

TEST_CASE("the data set of an experiment, its files, and targets that are none") {
  const auto experiment = [](const std::string& text) { return settings::read_text(text, "/far/e.toml"); };
  CHECK(!dataset_of(experiment("title = 'x'")));
  CHECK(!dataset_of(experiment("[spectrum]\ndimension = 3")));
  CHECK(!dataset_of(experiment("[spectrum]\nkind = 'list'\neigenvalues = [1]")));
  const auto plain = dataset_of(experiment("[spectrum]\nkind = 'dataset'"));
  REQUIRE(plain.has_value());
  CHECK(plain->name == "fashion-mnist");
  CHECK(plain->folder == "/usr/share/datasets/fashion-mnist");
  CHECK(plain->target == "label");
  CHECK(plain->rows == 0);
  CHECK(plain->features == 0);
  const auto all = dataset_of(experiment(
      "[spectrum]\nkind = 'dataset'\nfolder = 'here'\ntarget = 'class-9'\nrows = 7\nfeatures = 5\nfeature_seed = 3\n"
      "leading = 2\ncompress = 0.1"));
  REQUIRE(all.has_value());
  CHECK(all->folder == "/far/here");
  CHECK(all->target == "class-9");
  CHECK(all->rows == 7);
  CHECK(all->features == 5);
  CHECK(all->feature_seed == 3);
  CHECK(files_of(*all) ==
        std::vector<std::string>{"/far/here/train-images-idx3-ubyte.gz", "/far/here/train-images-idx3-ubyte",
                                 "/far/here/train-labels-idx1-ubyte.gz", "/far/here/train-labels-idx1-ubyte"});
  for (const std::string target : {"class-10", "class-", "class-3x", "class--1", "class3", "labels"})
    CHECK(complaint("target = '" + target + "'") ==
          "/nowhere/e.toml: spectrum.target: target '" + target + "' is not one of label, class-0 .. class-9");
  CHECK(complaint("feature_seed = 0") ==
        "/nowhere/e.toml: spectrum.feature_seed: is for random features; give `features` too");
  DatasetOptions other;
  other.name = "mnist";
  CHECK_THROWS_WITH_AS(load(other), "unknown data set 'mnist', known: fashion-mnist", std::runtime_error);
  other = DatasetOptions();
  other.features = 5001;
  CHECK_THROWS_WITH_AS(load(other), "features: at most 5000, got 5001", std::runtime_error);
  // Images and labels that do not go together.
  const Folder folder;
  std::ofstream(folder.path / "train-labels-idx1-ubyte.gz", std::ios::binary)
      << std::string("\0\0\x08\x01\0\0\0\x03\1\2\3", 11);
  const std::string images = (folder.path / "train-images-idx3-ubyte.gz").string(),
                    labels = (folder.path / "train-labels-idx1-ubyte.gz").string();
  CHECK_THROWS_WITH_AS(load(folder.options("class-4")),
                       ("'" + images + "' and '" + labels + "' do not hold as many images as labels").c_str(),
                       std::runtime_error);
  std::ofstream(labels, std::ios::binary) << std::string("\0\0\x08\x02\0\0\0\x28\0\0\0\1", 12) + std::string(40, '\1');
  CHECK_THROWS_AS(load(folder.options("class-4")), std::runtime_error);
}
