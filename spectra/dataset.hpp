#pragma once
/// \file
/// Real data: images streamed as rows, their measured covariance spectrum and the regression of labels on pixels.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "settings/settings.hpp"
#include "spectra/spectrum.hpp"

namespace edgewise::spectra {

/// Rows of centred inputs with centred targets.
struct Dataset {
  std::string name;
  std::size_t rows = 0, columns = 0;
  std::vector<float> inputs;         ///< row-major rows x columns, column means removed
  std::vector<double> targets;       ///< length rows, mean removed
  std::vector<std::uint8_t> labels;  ///< class numbers, length rows
  std::span<const float> row(std::size_t i) const { return {inputs.data() + i * columns, columns}; }
};

/// Which data set, and how it is read.
struct DatasetOptions {
  std::string name = "fashion-mnist";
  std::string folder = "/usr/share/datasets/fashion-mnist";  ///< of Debian's package dataset-fashion-mnist
  std::string target = "label";  ///< "label" (class number, standardised) or "class-K" (indicator of class K, +-1)
  std::size_t rows = 0;          ///< the first so many; 0 for all
  /// Random features relu(W'x) of the centred pixels instead of the pixels, W with N(0, 1/pixels) entries; 0 for none.
  std::size_t features = 0;
  std::uint64_t feature_seed = 0;
};

/// The files that hold it, packed or unpacked, there or not.
std::vector<std::string> files_of(const DatasetOptions& options);

/// Reads it: pixels / 255, or random features of them, centred. Cached: one copy per process and options. \throws
/// std::runtime_error naming the missing file and the package that holds it.
std::shared_ptr<const Dataset> load(const DatasetOptions& options);

/// The measured second-order statistics of a data set.
struct Measured {
  Spectrum spectrum;                 ///< one mode per column; unexplained_variance = misfit of the regression
  std::vector<double> eigenvectors;  ///< column-major columns x columns, in the order of the spectrum
  std::vector<double> optimum;       ///< theta* in input coordinates
};

/// Covariance (1/rows) X'X, its full eigendecomposition and the least-squares fit of the targets. Directions with less
/// than 1e-12 of the largest variance count as null: eigenvalue 0, no target power. Cached like `load`.
std::shared_ptr<const Measured> measure(const DatasetOptions& options);

/// The `leading` largest eigenvalues with the target's power along each, and one bulk mode for the rest, which has the
/// remaining coordinates, the remaining trace (so its eigenvalue is their mean) and the remaining signal
/// theta*'K theta* (so its power is that over the eigenvalue). Costs no full eigendecomposition.
Spectrum measure_leading(const DatasetOptions& options, std::size_t leading);

/// The data set that an experiment's section [spectrum] names, if it is of kind "dataset".
std::optional<DatasetOptions> dataset_of(const settings::Table& experiment);

}  // namespace edgewise::spectra
