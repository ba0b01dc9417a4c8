#include "models/nonlinear/covariance.hpp"

#include <fmt/format.h>

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>
#include <string>

#include "linear_algebra/dense.hpp"
#include "spectra/compressed.hpp"
#include "spectra/coordinates.hpp"
#include "spectra/kinds.hpp"

namespace edgewise::models::nonlinear {

namespace {

using EigenMatrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;
using Index = Eigen::Index;

/// Rounding of a computed correlation or eigenvalue, relative.
constexpr double rounding = 1e-10;
/// Beyond this the dense matrix of a covariance fills gigabytes.
constexpr double most_dense = 20'000;
/// Beyond this the vectors of a diagonal one do.
constexpr double most_coordinates = 1e8;

Eigen::Map<const EigenMatrix> dense(const Covariance& k) {
  const auto d = static_cast<Index>(k.d);
  return {k.matrix.data(), d, d};
}

Eigen::Map<const Vector> vector(const std::vector<double>& v) {
  return {v.data(), static_cast<Index>(v.size())};
}

std::vector<double> copy(const Eigen::Ref<const EigenMatrix>& m) {
  std::vector<double> out(static_cast<std::size_t>(m.size()));
  Eigen::Map<EigenMatrix>(out.data(), m.rows(), m.cols()) = m;
  return out;
}

/// The coordinates of a spectrum, each eigenspace's power spread evenly.
void expand(const spectra::Spectrum& spectrum, std::vector<double>& eigenvalue, std::vector<double>& target) {
  if (spectrum.compressed) throw std::invalid_argument(spectra::kept_by(spectrum, "have no coordinates"));
  if (!spectrum.whole_multiplicities())
    throw std::invalid_argument("spectrum.multiplicities: must be whole numbers, for every coordinate moves by itself");
  if (spectrum.dimension() > most_coordinates)
    throw std::invalid_argument(
        fmt::format("spectrum.dimension: at most {} coordinates, got {}", most_coordinates, spectrum.dimension()));
  spectra::Coordinates of = spectra::coordinates_of(spectrum);
  eigenvalue = std::move(of.eigenvalue);
  for (const double power : of.power) target.push_back(std::sqrt(power));
}

/// \throws std::invalid_argument below -rounding of the largest; else the computed eigenvalues of a matrix, those of
/// rounding size as the 0 that they stand for.
Vector nonnegative(Vector eigenvalue) {
  const double largest = eigenvalue.maxCoeff();
  if (eigenvalue.minCoeff() < -rounding * std::max(largest, 0.0) || !(largest > 0))
    throw std::invalid_argument(fmt::format("covariance: not positive semidefinite (eigenvalues from {:.3g} to {:.3g})",
                                            eigenvalue.minCoeff(), largest));
  const double null = largest * std::numeric_limits<double>::epsilon() * static_cast<double>(eigenvalue.size());
  return (eigenvalue.array() < null).select(0.0, eigenvalue);
}

/// C_ij, clamped to [-1, 1].
double correlation(double k, double ki, double kj) {
  const double c = k / std::sqrt(ki * kj);
  if (!(std::abs(c) <= 1 + rounding))
    throw std::invalid_argument(fmt::format("covariance: a correlation of {}, beyond 1 in magnitude", c));
  return std::clamp(c, -1.0, 1.0);
}

/// What spectra::build says of a slip in the section [spectrum], without building.
void check_spectrum(const settings::Table& experiment) {
  std::vector<const settings::Description*> descriptions;
  for (const auto& kind : spectra::kinds()) descriptions.push_back(&kind.description);
  settings::read_choice(experiment, "spectrum", descriptions, "");
}

}  // namespace

std::vector<double> Covariance::diagonal_entries() const {
  if (diagonal) return eigenvalue;
  std::vector<double> out(d);
  for (std::size_t i = 0; i < d; ++i) out[i] = matrix[i * d + i];
  return out;
}

double Covariance::trace() const {
  const std::vector<double> entries = diagonal_entries();
  double sum = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) sum += copies(i) * entries[i];
  return sum;
}

double Covariance::trace_of_square() const {
  const std::vector<double>& entries = diagonal ? eigenvalue : matrix;
  double sum = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) sum += copies(i) * entries[i] * entries[i];
  return sum;
}

double Covariance::signal() const {
  const auto theta = vector(target);
  if (diagonal) return vector(eigenvalue).dot(theta.cwiseAbs2());
  return theta.dot(dense(*this) * theta);
}

Covariance diagonal_covariance(const spectra::Spectrum& spectrum) {
  Covariance k;
  if (spectrum.compressed || !spectrum.whole_multiplicities()) {
    k.eigenvalue = spectrum.eigenvalue;
    k.count = spectrum.multiplicity;
    k.obstacle = spectrum.compressed ? spectra::kept_by(spectrum, "cannot be simulated")
                                     : "spectrum.multiplicities: must be whole numbers to be simulated";
    for (const double power : spectrum.target_power) k.target.push_back(std::sqrt(power));
  } else {
    expand(spectrum, k.eigenvalue, k.target);
  }
  k.d = k.eigenvalue.size();
  k.unexplained_variance = spectrum.unexplained_variance;
  return k;
}

Covariance cosine_covariance(const spectra::Spectrum& spectrum) {
  if (spectrum.dimension() > most_dense)
    throw std::invalid_argument(
        fmt::format("spectrum.dimension: a dense covariance takes at most {} coordinates, got {}", most_dense,
                    spectrum.dimension()));
  Covariance k;
  expand(spectrum, k.eigenvalue, k.target);
  k.d = k.eigenvalue.size();
  k.diagonal = false;
  k.unexplained_variance = spectrum.unexplained_variance;
  const auto d = static_cast<Index>(k.d);
  const double dimension = static_cast<double>(d);
  EigenMatrix q(d, d);
  for (Index j = 0; j < d; ++j) {
    const double scale = std::sqrt((j == 0 ? 1 : 2) / dimension);
    for (Index i = 0; i < d; ++i)
      q(i, j) =
          scale * std::cos(std::numbers::pi * (static_cast<double>(i) + 0.5) * static_cast<double>(j) / dimension);
  }
  Vector signed_target = vector(k.target);
  for (Index j = 0; j < d; ++j) {
    const double turns = (std::numbers::phi - 1) * static_cast<double>((j + 1) * (j + 1));
    if (turns - std::floor(turns) >= 0.5) signed_target[j] = -signed_target[j];
  }
  const EigenMatrix matrix = q * vector(k.eigenvalue).asDiagonal() * q.transpose();
  k.matrix = copy(0.5 * (matrix + matrix.transpose()));
  k.target = copy(q * signed_target);
  k.eigenvectors = copy(q);
  return k;
}

Covariance autoregressive_covariance(const spectra::Autoregressive& model) {
  const spectra::Autoregressive sound = spectra::checked(model);
  Covariance k;
  k.d = sound.dimension;
  k.diagonal = false;
  k.matrix = sound.matrix();
  k.target = sound.target();
  return k;
}

Covariance dataset_covariance(const spectra::DatasetOptions& options) {
  const auto measured = spectra::measure(options);
  Covariance k;
  k.d = measured->optimum.size();
  k.diagonal = false;
  k.eigenvalue = measured->spectrum.eigenvalue;
  k.eigenvectors = measured->eigenvectors;
  k.target = measured->optimum;
  k.unexplained_variance = measured->spectrum.unexplained_variance;
  const auto d = static_cast<Index>(k.d);
  const Eigen::Map<const EigenMatrix> vectors(k.eigenvectors.data(), d, d);
  const EigenMatrix root = vectors * vector(k.eigenvalue).cwiseSqrt().asDiagonal();
  EigenMatrix matrix = EigenMatrix::Zero(d, d);
  matrix.selfadjointView<Eigen::Lower>().rankUpdate(root);
  k.matrix = copy(EigenMatrix(matrix.selfadjointView<Eigen::Lower>()));
  return k;
}

const std::vector<settings::Parameter>& basis_parameters() {
  static const std::vector<settings::Parameter> parameters{
      settings::text("basis",
                     "coordinates on which the optimizer acts. natural: pixels of a data set, coordinates of "
                     "autoregressive, else the eigenbasis; eigen: the eigenbasis; cosine: the discrete cosine basis")
          .one_of({"natural", "eigen", "cosine"})
          .otherwise(std::string("natural"))};
  return parameters;
}

Covariance read_covariance(const settings::Table& experiment) {
  const settings::Table section = experiment.table_or_empty("data");
  const settings::Values values = settings::read(section, basis_parameters(), section.keys());
  const std::string& basis = values.text("basis");
  try {
    if (basis == "natural") {
      check_spectrum(experiment);
      const auto dataset = spectra::dataset_of(experiment);
      if (dataset && experiment.table("spectrum")->has("leading"))
        throw experiment.table("spectrum")
            ->error("leading", "a data set in its own coordinates keeps every eigenvalue");
      if (dataset) return dataset_covariance(*dataset);
      if (const auto model = spectra::autoregressive_of(experiment)) return autoregressive_covariance(*model);
    }
    const spectra::Spectrum spectrum = spectra::build(experiment);
    return basis == "cosine" ? cosine_covariance(spectrum) : diagonal_covariance(spectrum);
  } catch (const std::invalid_argument& error) {
    throw experiment.error("", error.what());
  }
}

ModeSystem class_one_modes(const Covariance& k) {
  ModeSystem modes;
  if (k.diagonal) {
    modes.kappa = modes.s = k.eigenvalue;
    for (std::size_t i = 0; i < k.d; ++i) modes.s[i] *= k.copies(i);
    modes.initial = copy(vector(k.target).cwiseAbs2());
    modes.count = k.count;
    return modes;
  }
  const auto d = static_cast<Index>(k.d);
  const bool known = !k.eigenvectors.empty();
  linear_algebra::SymmetricEigen eigen;
  if (!known) eigen = linear_algebra::symmetric_eigen({k.d, k.d, std::span<const double>(k.matrix)});
  const Eigen::Map<const EigenMatrix> vectors(known ? k.eigenvectors.data() : eigen.vectors.data(), d, d);
  modes.kappa = copy(nonnegative(vector(known ? k.eigenvalue : eigen.values)));
  modes.initial = copy((vectors.transpose() * vector(k.target)).cwiseAbs2());
  if (!known) {
    std::ranges::reverse(modes.kappa);
    std::ranges::reverse(modes.initial);
  }
  modes.s = modes.kappa;
  return modes;
}

double arcsine_kernel(double c) {
  return 2 / std::numbers::pi * std::asin(c);
}

std::vector<double> noise_covariance(const Covariance& k, const NoiseKernel& kernel) {
  std::vector<double> out(k.d * k.d, 0.0);
  const std::vector<double> variance = k.diagonal_entries();
  for (std::size_t j = 0; j < k.d; ++j) {
    if (!(variance[j] > 0)) continue;
    out[j * k.d + j] = 1;
    if (k.diagonal) continue;
    for (std::size_t i = 0; i < j; ++i)
      if (variance[i] > 0)
        out[j * k.d + i] = out[i * k.d + j] = kernel(correlation(k.matrix[j * k.d + i], variance[i], variance[j]));
  }
  return out;
}

ModeSystem class_two_modes(const Covariance& k, const NoiseKernel& kernel) {
  ModeSystem modes;
  const std::vector<double> variance = k.diagonal_entries();
  if (k.diagonal) {
    for (std::size_t i = 0; i < k.d; ++i) {
      if (!(variance[i] > 0)) continue;
      modes.kappa.push_back(std::sqrt(variance[i]));
      modes.s.push_back(modes.kappa.back() * k.copies(i));
      modes.initial.push_back(modes.kappa.back() * k.target[i] * k.target[i]);
      modes.count.push_back(k.copies(i));
    }
    return modes;
  }
  std::vector<Index> kept;
  for (std::size_t i = 0; i < k.d; ++i)
    if (variance[i] > 0) kept.push_back(static_cast<Index>(i));
  if (kept.empty()) throw std::invalid_argument("covariance: every K_ii is 0");
  const std::size_t n = kept.size();
  const Vector root = vector(variance)(kept).cwiseSqrt(), fourth_root = root.cwiseSqrt();
  const auto d = static_cast<Index>(k.d);
  const EigenMatrix h =
      fourth_root.cwiseInverse().asDiagonal() * dense(k)(kept, kept) * fourth_root.cwiseInverse().asDiagonal();
  const auto eigen = linear_algebra::symmetric_eigen({n, n, std::span<const double>(h.data(), n * n)});
  const Eigen::Map<const EigenMatrix> vectors(eigen.vectors.data(), h.rows(), h.cols());
  auto at = std::make_shared<SignCoordinates>();
  at->scale = copy(root);
  at->rotation = {n, n};
  Eigen::Map<EigenMatrix> rotation(at->rotation.data(), h.rows(), h.cols());
  rotation = fourth_root.asDiagonal() * vectors.rowwise().reverse();
  const std::vector<double> all = noise_covariance(k, kernel);
  at->noise = {n, n};
  Eigen::Map<EigenMatrix> noise(at->noise.data(), h.rows(), h.cols());
  noise = Eigen::Map<const EigenMatrix>(all.data(), d, d)(kept, kept);
  at->start = copy(rotation.transpose() * -vector(k.target)(kept));
  modes.kappa = copy(nonnegative(vector(eigen.values).reverse()));
  modes.s = copy(rotation.cwiseProduct(noise * rotation).colwise().sum().transpose());
  modes.initial = copy(vector(at->start).cwiseAbs2());
  modes.coordinates = std::move(at);
  return modes;
}

}  // namespace edgewise::models::nonlinear
