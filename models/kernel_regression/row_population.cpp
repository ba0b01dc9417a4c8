#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "models/kernel_regression/population.hpp"
#include "settings/delimited.hpp"
#include "settings/shown.hpp"
#include "settings/text_file.hpp"
#include "spectra/dataset.hpp"

namespace edgewise::models::kernel_regression {

namespace {

/// Of inputs, whose rows are scaled, and of labels, which are squared.
constexpr double largest_entry = 1e300, largest_label = 1e100;
/// What rounding leaves of equal numbers, relative.
constexpr double equal_numbers = 1e-12;
/// Samples to which a measured spectrum is taken for that of all inputs, per measured row (measured, Gaussian rows of 6 and 20
/// coordinates: the excess by 200 rows is 3 to 8% below that by 1500 at n = 10, 15% at 25, 22 to 25% at 50).
constexpr double judged_share = 0.1;

using namespace ingredients::learning_curves;
using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// Rows of a data set as unit vectors. The first `measured` give the kernel's eigenvalues and the labels' power along its
/// eigenvectors; samples and test points are drawn from the others.
class RowPopulation final : public Population {
 public:
  RowPopulation(std::shared_ptr<const spectra::Dataset> set, std::unique_ptr<DotKernel> kernel, std::size_t measured)
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
      return fmt::format(
          "{} samples and {} test points (monte_carlo.test_samples) are more than the {} rows that were not measured "
          "(data.measured)",
          samples, tests, set_->rows - measured_);
    return {};
  }
  bool measured() const override { return true; }
  double most_judged() const override { return judged_share * static_cast<double>(measured_); }
  std::vector<std::string> warnings() const override {
    return {fmt::format("the spectrum is that of {} rows: good for numbers of samples well below that", measured_)};
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

/// A table of numbers, the label last, columns and label centred as those of the images are.
std::shared_ptr<const spectra::Dataset> read_rows(const std::string& path) {
  settings::DelimitedText table = settings::split_delimited(settings::read_text_file(path));
  const auto no_number = [&](const std::string& cell) { return !table.number(cell); };
  const bool named = !table.lines.empty() && std::ranges::all_of(table.lines.front().cells, no_number);
  if (named) settings::drop_row_names(table);
  if (const std::string remark = named ? table.row_names_remark() : ""; !remark.empty())
    throw std::runtime_error(fmt::format("'{}' holds a column more than names{}", path, remark));
  const std::size_t first = named ? 1 : 0, rows = table.lines.size() - std::min(first, table.lines.size());
  if (rows < 4) throw std::runtime_error(fmt::format("'{}' holds {} rows, at least 4 are needed", path, rows));
  const std::size_t width = table.lines[first].cells.size();
  if (width < 2) throw std::runtime_error(fmt::format("'{}' needs inputs and, in its last column, a label", path));
  auto set = std::make_shared<spectra::Dataset>();
  set->rows = rows;
  set->columns = width - 1;
  Matrix values(width, rows);
  for (std::size_t i = 0; i < rows; ++i) {
    const settings::DelimitedLine& line = table.lines[first + i];
    if (line.cells.size() != width)
      throw std::runtime_error(
          fmt::format("{}:{}: has {} columns, the first row {}", path, line.number, line.cells.size(), width));
    for (std::size_t c = 0; c < width; ++c) {
      const auto value = table.number(line.cells[c]);
      if (!value || !(std::abs(*value) <= (c + 1 < width ? largest_entry : largest_label)))
        throw std::runtime_error(fmt::format("{}:{}: '{}' is not a number up to {:g}", path, line.number,
                                             settings::shown(line.cells[c]),
                                             c + 1 < width ? largest_entry : largest_label));
      values(c, i) = *value;
    }
  }
  for (std::size_t c = 0; c < width; ++c) {
    double mean = 0;
    for (std::size_t i = 0; i < rows; ++i) mean += values(c, i) / static_cast<double>(rows);
    double size = 0, left = 0;
    for (std::size_t i = 0; i < rows; ++i) {
      size = std::max(size, std::abs(values(c, i)));
      left = std::max(left, std::abs(values(c, i) -= mean));
    }
    if (left > equal_numbers * size) continue;
    if (c + 1 == width)
      throw std::runtime_error(
          fmt::format("'{}' has equal labels: centred, they are 0 and nothing can be learned", path));
    for (std::size_t i = 0; i < rows; ++i) values(c, i) = 0;
  }
  for (std::size_t i = 0; i < rows; ++i) {
    // A row is a direction, in single precision: by its largest entry, whatever the units.
    double largest = 0;
    for (std::size_t c = 0; c + 1 < width; ++c) largest = std::max(largest, std::abs(values(c, i)));
    if (largest == 0)
      throw std::runtime_error(fmt::format("{}:{}: is the mean of all rows: centred, it is 0 and has no direction",
                                           path, table.lines[first + i].number));
    for (std::size_t c = 0; c + 1 < width; ++c) set->inputs.push_back(static_cast<float>(values(c, i) / largest));
    set->targets.push_back(values(width - 1, i));
  }
  return set;
}

}  // namespace

std::unique_ptr<Population> row_population(const settings::Values& data, const settings::Values& kernel, bool images) {
  if (kernel.given("max_degree")) throw kernel.error("max_degree", "belongs to data.kind = \"sphere\"");
  std::shared_ptr<const spectra::Dataset> set;
  try {
    if (images) {
      spectra::DatasetOptions options;
      options.rows = static_cast<std::size_t>(data.integer("rows"));
      options.target = data.text("target");
      if (data.given("folder")) options.folder = data.resolve(data.text("folder"));
      set = spectra::load(options);
    } else {
      set = read_rows(data.file("path"));
    }
  } catch (const std::runtime_error& e) {
    throw data.error(images ? "kind" : "path", e.what());
  }
  const std::size_t usual = std::min<std::size_t>(1500, set->rows / 2);
  const auto measured = data.given("measured") ? static_cast<std::size_t>(data.integer("measured")) : usual;
  if (measured < 2 || measured >= set->rows)
    throw data.error("measured", fmt::format("must be at least 2 and below the {} rows there are", set->rows));
  return std::make_unique<RowPopulation>(std::move(set), read_kernel(kernel), measured);
}

}  // namespace edgewise::models::kernel_regression
