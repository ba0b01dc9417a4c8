#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "models/kernel_regression/population.hpp"
#include "spectra/dataset.hpp"

namespace edgewise::models::kernel_regression {

namespace {

using namespace ingredients::learning_curves;
using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// Images as unit vectors. The first `measured` give the kernel's eigenvalues and the labels' power along its
/// eigenvectors; samples and test points are drawn from the others.
class ImagePopulation final : public Population {
 public:
  ImagePopulation(std::shared_ptr<const spectra::Dataset> set, std::unique_ptr<DotKernel> kernel, std::size_t measured)
      : set_(std::move(set)), kernel_(std::move(kernel)), measured_(measured) {}

  Levels levels() const override {
    std::vector<std::size_t> first(measured_);
    std::iota(first.begin(), first.end(), std::size_t{0});
    const Matrix x = unit_columns(first);
    Matrix gram = linear_algebra::product(x, x, Transposed::yes);
    apply_kernel(*kernel_, true, gram);
    const auto n = static_cast<double>(measured_);
    for (double& entry : gram.entries()) entry /= n;
    const linear_algebra::SymmetricEigen eigen = linear_algebra::symmetric_eigen(gram);
    Levels out;
    for (std::size_t a = measured_; a-- > 0;) {
      const auto u = eigen.vectors.column(a);
      double along = 0;
      for (std::size_t i = 0; i < measured_; ++i) along += u[i] * set_->targets[i];
      out.eigenvalue.push_back(std::max(0.0, eigen.values[a]));
      out.multiplicity.push_back(1);
      out.power.push_back(along * along / n);
      out.degree.push_back(static_cast<double>(measured_ - 1 - a));
    }
    return out;
  }

  RidgeData draw(std::uint64_t seed, std::uint64_t replica, std::size_t samples, std::size_t tests) const override {
    random::Stream stream(seed, replica, 0, random::Purpose::data);
    std::vector<std::size_t> order(set_->rows - measured_);
    std::iota(order.begin(), order.end(), measured_);
    for (std::size_t k = 0; k < samples + tests; ++k) std::swap(order[k], order[k + stream.below(order.size() - k)]);
    const std::span<const std::size_t> all(order);
    const Matrix x = unit_columns(all.first(samples)), z = unit_columns(all.subspan(samples, tests));
    RidgeData out{
        linear_algebra::product(x, x, Transposed::yes), linear_algebra::product(x, z, Transposed::yes), {}, {}};
    apply_kernel(*kernel_, true, out.gram);
    apply_kernel(*kernel_, false, out.cross);
    for (std::size_t i = 0; i < samples + tests; ++i)
      (i < samples ? out.labels : out.truth).push_back(set_->targets[order[i]]);
    return out;
  }

  std::string obstacle(std::size_t samples, std::size_t tests) const override {
    if (samples + tests > set_->rows - measured_)
      return fmt::format("{} samples and {} test images are more than the {} that were not measured", samples, tests,
                         set_->rows - measured_);
    return {};
  }
  std::vector<std::string> warnings() const override {
    return {fmt::format("the spectrum is that of {} images: good for numbers of samples well below that", measured_)};
  }

 private:
  Matrix unit_columns(std::span<const std::size_t> rows) const {
    Matrix x(set_->columns, rows.size());
    for (std::size_t j = 0; j < rows.size(); ++j) {
      const auto row = set_->row(rows[j]);
      double norm = 0;
      for (const float value : row) norm += static_cast<double>(value) * value;
      for (std::size_t i = 0; i < row.size(); ++i) x(i, j) = norm > 0 ? row[i] / std::sqrt(norm) : 0;
    }
    return x;
  }

  std::shared_ptr<const spectra::Dataset> set_;
  std::unique_ptr<DotKernel> kernel_;
  std::size_t measured_;
};

}  // namespace

std::unique_ptr<Population> image_population(const settings::Values& data, const settings::Values& kernel) {
  if (kernel.given("max_degree")) throw kernel.error("max_degree", "belongs to data.kind = \"sphere\"");
  spectra::DatasetOptions options;
  options.rows = static_cast<std::size_t>(data.integer("rows"));
  options.target = data.text("target");
  if (data.given("folder")) options.folder = data.resolve(data.text("folder"));
  const auto measured = static_cast<std::size_t>(data.integer("measured"));
  if (measured >= options.rows) throw data.error("measured", "must be below `rows`, the images that are read");
  std::shared_ptr<const spectra::Dataset> set;
  try {
    set = spectra::load(options);
  } catch (const std::runtime_error& e) {
    throw data.error("kind", e.what());
  }
  if (measured >= set->rows)
    throw data.error("measured", fmt::format("must be below the {} images there are", set->rows));
  return std::make_unique<ImagePopulation>(std::move(set), read_kernel(kernel), measured);
}

}  // namespace edgewise::models::kernel_regression
