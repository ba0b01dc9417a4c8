#include "spectra/random_features.hpp"

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>

#include "random/random.hpp"
#include "settings/settings.hpp"
#include "spectra/kinds.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::spectra;
using edgewise::tests::Approx;

namespace {

/// The matrix of the reference case plrf-A (docs/theory/least-squares-sgd.md, section 13): W_jk = sqrt(2/d) sin(1 + 3j
/// + 7k + jk).
std::vector<double> sine_features(std::size_t v, std::size_t d) {
  std::vector<double> w;
  for (std::size_t k = 1; k <= d; ++k)
    for (std::size_t j = 1; j <= v; ++j)
      w.push_back(std::sqrt(2.0 / static_cast<double>(d)) * std::sin(static_cast<double>(1 + 3 * j + 7 * k + j * k)));
  return w;
}

double label_variance(std::size_t v, double alpha, double beta) {
  double sum = 0;
  for (std::size_t j = 1; j <= v; ++j) sum += std::pow(static_cast<double>(j), -2 * (alpha + beta));
  return sum;
}

Spectrum built(const std::string& section) {
  return build(
      settings::read_text("[spectrum]\nkind = \"random-features\"\nalpha = 0.7\nbeta = 0.6\n" + section, "e.toml"));
}

std::string text_of_rows(const std::vector<double>& w, std::size_t v, std::size_t d) {
  std::string text = "matrix = [";
  for (std::size_t j = 0; j < v; ++j) {
    text += "[";
    for (std::size_t k = 0; k < d; ++k) text += settings::text_of(settings::Value(w[k * v + j])) + ",";
    text += "],";
  }
  return text + "]";
}

}  // namespace

TEST_CASE("reference case plrf-A") {
  const std::vector<double> w = sine_features(60, 12);
  const Spectrum s = random_features(60, 12, 0.7, 0.6, w);
  CHECK(s.unexplained_variance == Approx(.158091837221).epsilon(3e-12));
  CHECK(s.trace() == Approx(2.56361958722).epsilon(3e-12));
  CHECK(s.modes() == 12);
  // At theta = 0 the total excess risk is the variance of the label.
  CHECK(s.unexplained_variance + s.signal() == Approx(1.30459665703).epsilon(3e-12));
  const Spectrum from_file = built(text_of_rows(w, 60, 12));
  CHECK(from_file.eigenvalue == s.eigenvalue);
  CHECK(from_file.target_power == s.target_power);
  CHECK(from_file.unexplained_variance == s.unexplained_variance);
}

TEST_CASE("one step of SGD from zero, plrf-A at k = 1") {
  // eta = .3, B = 2, sigma^2 = .01, F0 joining the noise; the recursion docs/theory/least-squares-sgd.md (1.1).
  const Spectrum s = random_features(60, 12, 0.7, 0.6, sine_features(60, 12));
  const double eta = 0.3, batch = 2, noise = 0.01 + s.unexplained_variance, start = s.signal();
  double after = 0;
  for (std::size_t a = 0; a < s.modes(); ++a) {
    const double l = s.eigenvalue[a], rho = s.target_power[a];
    after +=
        l * ((1 - 2 * eta * l + eta * eta * l * l * (1 + 1 / batch)) * rho + eta * eta / batch * l * (start + noise));
  }
  CHECK(s.unexplained_variance + after == Approx(.958560473693).epsilon(3e-12));
}

TEST_CASE("signal and floor add up to the variance of the label, for any shape") {
  for (const auto& shape : {std::pair<std::size_t, std::size_t>{300, 40}, {300, 150}, {50, 50}, {40, 300}}) {
    const std::size_t v = shape.first, d = shape.second;
    CAPTURE(v);
    CAPTURE(d);
    const Spectrum s = random_features(v, d, 0.8, 0.4, gaussian_features(v, d, 3));
    CHECK(s.signal() + s.unexplained_variance == Approx(label_variance(v, 0.8, 0.4)).epsilon(1e-12));
    CHECK(s.dimension() == static_cast<double>(d));
    if (d >= v) CHECK(s.unexplained_variance < 1e-14);
    if (d > v) CHECK(s.multiplicity.back() == static_cast<double>(d - v));
  }
}

TEST_CASE("features that are a projection onto coordinates keep those coordinates") {
  std::vector<double> w(10 * 3, 0.0);
  w[0 * 10 + 1] = w[1 * 10 + 4] = w[2 * 10 + 9] = 1;  // coordinates 2, 5 and 10
  const Spectrum s = random_features(10, 3, 1.0, 0.5, w);
  const double kept[] = {2, 5, 10};
  double floor = 0;
  for (std::size_t k = 0; k < 3; ++k) {
    CHECK(s.eigenvalue[k] == Approx(std::pow(kept[k], -2)).epsilon(1e-14));
    CHECK(s.target_power[k] == Approx(1 / kept[k]).epsilon(1e-13));
    floor -= std::pow(kept[k], -3);
  }
  CHECK(s.unexplained_variance == Approx(floor + label_variance(10, 1.0, 0.5)).epsilon(1e-14));
}

TEST_CASE("accurate when Khat is ill-conditioned") {
  // Condition number of Khat about 1e14: the reference is the same reduction in long double.
  const std::size_t v = 40, d = 12;
  const double alpha = 6.0, beta = 0.5;
  const std::vector<double> w = sine_features(v, d);
  const Spectrum s = random_features(v, d, alpha, beta, w);
  using Matrix = Eigen::Matrix<long double, Eigen::Dynamic, Eigen::Dynamic>;
  Matrix a = Eigen::Map<const Eigen::MatrixXd>(w.data(), v, d).cast<long double>();
  Eigen::Matrix<long double, Eigen::Dynamic, 1> target(v);
  for (int j = 0; j < 40; ++j) {
    a.row(j) *= std::pow(static_cast<long double>(j + 1), -6.0L);
    target[j] = std::pow(static_cast<long double>(j + 1), -6.5L);
  }
  const Eigen::JacobiSVD<Matrix> svd(a, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const Eigen::Matrix<long double, Eigen::Dynamic, 1> along = svd.matrixU().transpose() * target;
  const long double floor = (target - svd.matrixU() * along).squaredNorm();
  CHECK(s.eigenvalue[0] / s.eigenvalue[11] > 1e13);
  for (int k = 0; k < 12; ++k) {
    CAPTURE(k);
    const auto sigma = static_cast<double>(svd.singularValues()[k]);
    CHECK(s.eigenvalue[static_cast<std::size_t>(k)] == Approx(sigma * sigma).epsilon(1e-9));
    const double power = static_cast<double>(along[k]) / sigma;
    CHECK(s.target_power[static_cast<std::size_t>(k)] == Approx(power * power).epsilon(1e-8));
  }
  CHECK(s.unexplained_variance == Approx(static_cast<double>(floor)).epsilon(1e-9));
}

TEST_CASE("sampled features have variance 1/d and depend on the seed") {
  const std::vector<double> w = gaussian_features(200, 50, 1);
  double square = 0;
  for (const double x : w) square += x * x;
  // 10000 / 50 expected, standard deviation sqrt(2 * 10000) / 50: six of them.
  CHECK(std::abs(square - 200) < 6 * std::sqrt(2.0 * 10000) / 50);
  CHECK(w == gaussian_features(200, 50, 1));
  CHECK(w != gaussian_features(200, 50, 2));
  const Spectrum s = built("data_dimension = 30\nfeatures = 5\nseed = 2");
  CHECK(s.eigenvalue == random_features(30, 5, 0.7, 0.6, gaussian_features(30, 5, 2)).eigenvalue);
}

TEST_CASE("bad input") {
  CHECK_THROWS_WITH_AS(built("features = 5"), "e.toml: spectrum.data_dimension: is required unless a matrix is given",
                       settings::Error);
  CHECK_THROWS_WITH_AS(built("matrix = [[1, 2], [3]]"), "e.toml: spectrum.matrix: row 2 has 1 numbers but row 1 has 2",
                       settings::Error);
  CHECK_THROWS_WITH_AS(built("matrix = [[1, 2], [3, 4]]\nfeatures = 3"),
                       "e.toml: spectrum.features: is 3 but the matrix has 2", settings::Error);
  CHECK_THROWS_WITH_AS(built("matrix = [[1, 2], [3, 4]]\nseed = 3"),
                       "e.toml: spectrum.seed: is for sampled features, not for a given matrix", settings::Error);
  CHECK_THROWS_WITH_AS(built("data_dimension = 100000\nfeatures = 100000"),
                       "e.toml: spectrum.features: a 100000 x 100000 feature matrix is too large (at most 100000000 "
                       "entries)",
                       settings::Error);
  CHECK_THROWS_WITH_AS(built("matrix = [[0, 0], [0, 0]]"), "e.toml: spectrum: no eigenvalue is positive",
                       settings::Error);
  CHECK_THROWS_WITH_AS(random_features(2, 2, 1, 1, {1, 2, 3}), "the feature matrix must be 2 x 2, got 3 numbers",
                       std::invalid_argument);
  CHECK_THROWS_AS(random_features(1, 1, 1, 1, {std::nan("")}), std::invalid_argument);
}

TEST_CASE("features that repeat, or are nothing, leave null directions and what they cannot explain") {
  // x_1 = z_1, x_2 = z_2/2: both features are x_1 + x_2, whose variance is 5/4, so that K = (5/4) 1 1' has the eigenvalue
  // 5/2. The target b_1 x_1 + b_2 x_2 with b_2 = 1/sqrt 2 has the covariance 1 + b_2/4 with either.
  const double covariance = 1 + 0.25 * std::sqrt(0.5), label = 1 + 0.125;
  const Spectrum twice = random_features(2, 2, 1, 0.5, {1, 1, 1, 1});
  REQUIRE(twice.modes() == 2);
  CHECK(twice.eigenvalue[0] == Approx(2.5).epsilon(1e-14));
  CHECK(twice.eigenvalue[1] == 0);
  CHECK(twice.multiplicity[1] == 1);
  CHECK(twice.target_power[0] == Approx(covariance * covariance / 1.25 / 2.5).epsilon(1e-14));
  CHECK(twice.target_power[1] == 0);
  CHECK(twice.unexplained_variance == Approx(label - covariance * covariance / 1.25).epsilon(1e-13));
  // One feature, x_1, and two that are 0.
  const Spectrum one = random_features(2, 3, 1, 0.5, {2, 0, 0, 0, 0, 0});
  REQUIRE(one.modes() == 2);
  CHECK(one.eigenvalue[0] == Approx(4).epsilon(1e-14));
  CHECK(one.target_power[0] == Approx(0.25).epsilon(1e-14));
  CHECK(one.multiplicity[1] == 2);
  CHECK(one.unexplained_variance == Approx(0.125).epsilon(1e-13));
  // As many features as coordinates, or more, leave nothing unexplained.
  for (const std::size_t d : {3, 4, 7})
    CHECK(random_features(3, d, 0.5, 1, gaussian_features(3, d, 2)).unexplained_variance == 0);
}

TEST_CASE("sampled features are the normals of their stream over the root of their number") {
  std::vector<double> x(6);
  random::Stream(9, 0, 0, random::Purpose::initial).normals(x);
  const std::vector<double> w = gaussian_features(3, 2, 9);
  REQUIRE(w.size() == 6);
  for (std::size_t i = 0; i < 6; ++i) CHECK(w[i] == Approx(x[i] / std::sqrt(2.0)).epsilon(1e-15));
}

TEST_CASE("sizes beside a matrix, and matrices that are none") {
  CHECK(built("matrix = [[1, 2], [3, 4], [5, 6]]\nfeatures = 2\ndata_dimension = 3").modes() == 2);
  CHECK_THROWS_WITH_AS(built("matrix = [[1, 2], [3, 4], [5, 6]]\ndata_dimension = 2"),
                       "e.toml: spectrum.data_dimension: is 2 but the matrix has 3", settings::Error);
  for (const char* none : {"matrix = [[]]", "matrix = [[], []]"})
    CHECK_THROWS_WITH_AS(built(none), "e.toml: spectrum.matrix: must have at least one row and one column",
                         settings::Error);
  CHECK_THROWS_WITH_AS(built("data_dimension = 5"), "e.toml: spectrum.features: is required unless a matrix is given",
                       settings::Error);
  CHECK_THROWS_WITH_AS(random_features(0, 2, 1, 1, {}), "the feature matrix must be 0 x 2, got 0 numbers",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(random_features(2, 0, 1, 1, {}), "the feature matrix must be 2 x 0, got 0 numbers",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(random_features(1, 1, 1, 1, {INFINITY}), "the feature matrix must be finite",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(
      built("data_dimension = 20001\nfeatures = 5000"),
      "e.toml: spectrum.features: a 20001 x 5000 feature matrix is too large (at most 100000000 entries)",
      settings::Error);
}
