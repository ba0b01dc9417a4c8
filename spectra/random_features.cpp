#include "spectra/random_features.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "linear_algebra/dense.hpp"
#include "random/random.hpp"
#include "spectra/kinds.hpp"

namespace edgewise::spectra {

namespace {

// Singular values below this share of the largest are rounding of the matrix entries, not signal.
constexpr double negligible_singular_value = 1e-14;
constexpr std::size_t most_weights = 100'000'000;

}  // namespace

Spectrum random_features(std::size_t data_dimension, std::size_t features, double alpha, double beta,
                         const std::vector<double>& weights) {
  if (data_dimension == 0 || features == 0 || weights.size() != data_dimension * features)
    throw std::invalid_argument(
        fmt::format("the feature matrix must be {} x {}, got {} numbers", data_dimension, features, weights.size()));
  if (!std::all_of(weights.begin(), weights.end(), [](double w) { return std::isfinite(w); }))
    throw std::invalid_argument("the feature matrix must be finite");
  using linear_algebra::Matrix;
  using linear_algebra::Transposed;
  const std::size_t v = data_dimension, d = features;
  Matrix features_of_data(v, d, weights), target(v, 1);
  std::vector<double> scale(v);
  for (std::size_t j = 0; j < v; ++j) {
    const auto index = static_cast<double>(j + 1);
    scale[j] = std::pow(index, -alpha);
    target(j, 0) = std::pow(index, -alpha - beta);
  }
  for (std::size_t k = 0; k < d; ++k)
    for (std::size_t j = 0; j < v; ++j) features_of_data(j, k) *= scale[j];
  const auto svd = linear_algebra::thin_svd(features_of_data, linear_algebra::SingularVectors::left);
  const Matrix coordinates = linear_algebra::product(svd.u, target, Transposed::yes);

  Spectrum s;
  if (v > d) {
    linear_algebra::multiply(-1, svd.u, Transposed::no, coordinates, Transposed::no, 1, target);
    for (const double rest : target.entries()) s.unexplained_variance += rest * rest;
  }
  const double floor = negligible_singular_value * svd.values[0];
  double zeros = static_cast<double>(d - svd.values.size());
  for (std::size_t k = 0; k < svd.values.size(); ++k) {
    const double sigma = svd.values[k], along = coordinates(k, 0);
    if (sigma <= floor) {
      // What the features cannot resolve, they do not explain.
      zeros += 1;
      s.unexplained_variance += along * along;
      continue;
    }
    s.eigenvalue.push_back(sigma * sigma);
    s.multiplicity.push_back(1);
    s.target_power.push_back(along * along / (sigma * sigma));
  }
  if (zeros > 0) {
    s.eigenvalue.push_back(0);
    s.multiplicity.push_back(zeros);
    s.target_power.push_back(0);
  }
  s.provenance =
      fmt::format("random features, v = {}, d = {}, alpha = {}, beta = {}", data_dimension, features, alpha, beta);
  return checked(std::move(s));
}

std::vector<double> gaussian_features(std::size_t data_dimension, std::size_t features, std::uint64_t seed) {
  std::vector<double> weights(data_dimension * features);
  random::Stream stream(seed, 0, 0, random::Purpose::initial);
  stream.normals(weights);
  const double scale = 1 / std::sqrt(static_cast<double>(features));
  for (double& w : weights) w *= scale;
  return weights;
}

namespace {

std::size_t size_of(const settings::Values& values, const std::string& key) {
  if (!values.given(key)) throw values.error(key, "is required unless a matrix is given");
  return static_cast<std::size_t>(values.integer(key));
}

Spectrum build_random_features(const settings::Values& values) {
  const double alpha = values.number("alpha"), beta = values.number("beta");
  if (values.given("matrix")) {
    const settings::Matrix& rows = values.matrix("matrix");
    const std::size_t v = rows.size(), d = v == 0 ? 0 : rows[0].size();
    if (d == 0) throw values.error("matrix", "must have at least one row and one column");
    for (std::size_t j = 0; j < v; ++j)
      if (rows[j].size() != d)
        throw values.error("matrix", fmt::format("row {} has {} numbers but row 1 has {}", j + 1, rows[j].size(), d));
    for (const auto& [key, size] : {std::pair{"data_dimension", v}, std::pair{"features", d}})
      if (values.given(key) && size_of(values, key) != size)
        throw values.error(key, fmt::format("is {} but the matrix has {}", values.integer(key), size));
    if (values.given("seed")) throw values.error("seed", "is for sampled features, not for a given matrix");
    std::vector<double> weights(v * d);
    for (std::size_t j = 0; j < v; ++j)
      for (std::size_t k = 0; k < d; ++k) weights[k * v + j] = rows[j][k];
    Spectrum s = random_features(v, d, alpha, beta, weights);
    s.provenance += ", matrix given";
    return s;
  }
  const std::size_t v = size_of(values, "data_dimension"), d = size_of(values, "features");
  if (v > most_weights / d)
    throw values.error("features",
                       fmt::format("a {} x {} feature matrix is too large (at most {} entries)", v, d, most_weights));
  const auto seed = static_cast<std::uint64_t>(values.integer("seed"));
  Spectrum s = random_features(v, d, alpha, beta, gaussian_features(v, d, seed));
  s.provenance += fmt::format(", Gaussian with seed {}", seed);
  return s;
}

}  // namespace

Kind random_features_kind() {
  settings::Description d;
  d.name = "random-features";
  d.summary = "Linear random features of power-law data, reduced exactly to an ordinary spectrum with a floor.";
  d.equations =
      "x_j = j^(-alpha) z_j, j = 1..v,  y = <x, b> + noise,  b_j = j^(-beta),  model <W'x, theta>,  W is v x d\n"
      "Khat = W'HW, H = diag(j^(-2 alpha)),  theta* = Khat^(-1) W'H b,  floor F0 = b'Hb - theta*'Khat theta*\n"
      "F0 acts as label noise; the total excess risk is F0 + excess_mse";
  d.source = "docs/theory/least-squares-sgd.md, section 10";
  d.parameters = {
      settings::integer("data_dimension", "dimension v of the data").at_least(1).at_most(1e8).computed("from matrix"),
      settings::integer("features", "number of features d").at_least(1).at_most(1e8).computed("from matrix"),
      settings::number("alpha", "exponent of the data's standard deviations").must().above(0),
      settings::number("beta", "exponent of the target's coefficients").must(),
      settings::integer("seed", "of the features, independent N(0, 1/d)").otherwise(std::int64_t{0}).at_least(0),
      settings::matrix("matrix", "the features W, v rows of d numbers").computed("sampled"),
  };
  return {d, build_random_features};
}

}  // namespace edgewise::spectra
