#include "models/ingredients/curvature_tensor/instance.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <string>
#include <utility>

#include "models/ingredients/curvature_tensor/contraction_kernel.hpp"
#include "models/ingredients/portable_normals.hpp"
#include "numerics/sums.hpp"
#include "random/random.hpp"

namespace edgewise::models::ingredients {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// Columns of a block: enough to read many at a time, little enough that the whole diagonal blocks cost no memory to speak
/// of.
constexpr std::size_t block_columns = 8;

/// Numbers of a block that are used a second time before the cache gives them up.
constexpr std::size_t tile_numbers = 16384;

/// A tensor below it is taken to lie in the core's own cache from step to step.
constexpr double cached_bytes = 2e6;

/// y += a x, a (m x n) with leading dimension `stride`.
void add_product(std::size_t m, std::size_t n, const double* a, std::size_t stride, const double* x, double* y) {
  linear_algebra::multiply(m, 1, n, 1, a, stride, Transposed::no, x, n, Transposed::no, 1, y, m);
}

}  // namespace

CurvatureTensor::CurvatureTensor(const QuadraticLaw& ensemble, std::uint64_t seed, std::uint64_t replica,
                                 Storage storage)
    : outputs_(ensemble.outputs),
      parameters_(ensemble.parameters),
      off_diagonal_std_(std::sqrt(ensemble.curvature) / static_cast<double>(ensemble.parameters)),
      seed_(seed),
      replica_(replica),
      storage_(storage) {
  lay_out();
  if (ensemble.portable && storage_ == Storage::streamed)
    throw std::invalid_argument("a tensor of the portable generator is drawn once and stored");
  // kappa = 0 contracts to zero: nothing to hold.
  if (storage_ == Storage::streamed || off_diagonal_std_ == 0) return;
  data_.resize(blocks_.back().offset + outputs_ * blocks_.back().end * (blocks_.back().end - blocks_.back().begin));
  if (ensemble.portable) {
    draw_portable();
    return;
  }
  for (const Block& block : blocks_) draw(block, data_.data() + block.offset);
}

CurvatureTensor::CurvatureTensor(std::size_t outputs, std::size_t parameters, const Matrix& rows)
    : outputs_(outputs), parameters_(parameters), off_diagonal_std_(1) {
  if (rows.rows() != outputs * parameters || rows.columns() != parameters)
    throw std::invalid_argument("the curvature needs " + std::to_string(outputs * parameters) + " rows of " +
                                std::to_string(parameters) + " numbers, one symmetric matrix per output");
  lay_out();
  data_.resize(blocks_.back().offset + outputs * blocks_.back().end * (blocks_.back().end - blocks_.back().begin));
  for (std::size_t a = 0; a < outputs; ++a) {
    double largest = 0;
    for (std::size_t i = 0; i < parameters; ++i)
      for (std::size_t j = 0; j < parameters; ++j) {
        const double q = rows(a * parameters + i, j);
        if (!std::isfinite(q)) throw std::invalid_argument("the curvature has an entry that is not finite");
        largest = std::max(largest, std::abs(q));
      }
    for (std::size_t i = 0; i < parameters; ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (std::abs(rows(a * parameters + i, j) - rows(a * parameters + j, i)) > 1e-12 * largest)
          throw std::invalid_argument("the curvature of output " + std::to_string(a + 1) +
                                      " is not symmetric: entries (" + std::to_string(i + 1) + ", " +
                                      std::to_string(j + 1) + ") and (" + std::to_string(j + 1) + ", " +
                                      std::to_string(i + 1) + ") differ");
  }
  for (const Block& block : blocks_)
    for (std::size_t j = block.begin; j < block.end; ++j)
      for (std::size_t i = 0; i < block.end; ++i)
        for (std::size_t a = 0; a < outputs; ++a)
          block_entry(data_.data() + block.offset, block, i, j)[a] = rows(a * parameters + i, j);
}

void CurvatureTensor::lay_out() {
  if (outputs_ == 0 || parameters_ == 0) throw std::invalid_argument("a model needs outputs and parameters");
  std::size_t offset = 0;
  for (std::size_t begin = 0; begin < parameters_; begin += block_columns) {
    const std::size_t end = std::min(parameters_, begin + block_columns);
    blocks_.push_back({begin, end, offset});
    offset += outputs_ * end * (end - begin);
  }
}

double CurvatureTensor::bytes(std::size_t outputs, std::size_t parameters, Storage storage) {
  const auto d = static_cast<double>(outputs), p = static_cast<double>(parameters);
  const auto width = static_cast<double>(std::min(block_columns, parameters));
  return 8 * d * p * (storage == Storage::stored ? 0.5 * (p + width) : width);
}

double* CurvatureTensor::block_entry(double* data, const Block& block, std::size_t i, std::size_t j) const {
  return data + outputs_ * (i + block.end * (j - block.begin));
}

void CurvatureTensor::draw(const Block& block, double* out) const {
  random::Stream stream(seed_, replica_, 0, random::Purpose::data);
  for (std::size_t j = block.begin; j < block.end; ++j) {
    stream.seek(j);
    const std::span<double> column(block_entry(out, block, 0, j), outputs_ * (j + 1));
    stream.normals(column);
    for (double& q : column) q *= off_diagonal_std_;
    for (double& q : column.last(outputs_)) q *= std::numbers::sqrt2;
  }
  for (std::size_t j = block.begin; j < block.end; ++j)
    for (std::size_t i = j + 1; i < block.end; ++i)
      std::copy_n(block_entry(out, block, j, i), outputs_, block_entry(out, block, i, j));
}

void CurvatureTensor::draw_portable() {
  ingredients::PortableNormals next(seed_ + replica_);
  for (std::size_t k = 0; k < outputs_ * (1 + parameters_); ++k) next();  // z0 and J0
  for (std::size_t a = 0; a < outputs_; ++a)
    for (std::size_t i = 0; i < parameters_; ++i)
      for (std::size_t j = i; j < parameters_; ++j) {
        const Block& block = blocks_[j / block_columns];
        const double q = off_diagonal_std_ * next();
        block_entry(data_.data() + block.offset, block, i, j)[a] = q;
        if (i >= block.begin) block_entry(data_.data() + block.offset, block, j, i)[a] = q;
      }
}

const double* CurvatureTensor::numbers(const Block& block, std::vector<double>& scratch) const {
  if (storage_ == Storage::stored) return data_.data() + block.offset;
  scratch.resize(outputs_ * parameters_ * std::min(block_columns, parameters_));
  draw(block, scratch.data());
  return scratch.data();
}

void CurvatureTensor::weigh(std::span<const double> z, Matrix& h, std::vector<double>& scratch) const {
  if (z.size() != outputs_) throw std::invalid_argument("the weights of the curvature have the wrong length");
  h = Matrix(parameters_, parameters_);
  if (off_diagonal_std_ == 0) return;
  std::vector<double> sums;
  for (const Block& block : blocks_) {
    const double* q = numbers(block, scratch);
    sums.resize(block.end * (block.end - block.begin));
    linear_algebra::multiply(sums.size(), 1, outputs_, 1, q, outputs_, Transposed::yes, z.data(), outputs_,
                             Transposed::no, 0, sums.data(), sums.size());
    for (std::size_t j = block.begin; j < block.end; ++j)
      for (std::size_t i = 0; i < block.end; ++i) h(i, j) = h(j, i) = sums[i + block.end * (j - block.begin)];
  }
}

void CurvatureTensor::contract(std::span<const double> v, Matrix& w, std::vector<double>& scratch) const {
  if (v.size() != parameters_) throw std::invalid_argument("the vector to contract has the wrong length");
  if (w.rows() != outputs_ || w.columns() != parameters_) w = Matrix(outputs_, parameters_);
  const double* from = v.data();
  double* to = w.data();
  contract({&from, 1}, {&to, 1}, scratch);
}

void CurvatureTensor::contract(std::span<const double* const> v, std::span<double* const> w,
                               std::vector<double>& scratch) const {
  if (v.size() != w.size()) throw std::invalid_argument("as many results as vectors are needed");
  for (double* out : w) std::fill_n(out, outputs_ * parameters_, 0.0);
  if (off_diagonal_std_ == 0) return;
  const bool distant = 8.0 * static_cast<double>(data_.size()) > cached_bytes;
  for (const Block& block : blocks_) {
    const std::size_t width = block.end - block.begin;
    const double* q = numbers(block, scratch);
    const std::size_t stride = outputs_ * block.end;
    // Above the diagonal block Q_aji = Q_aij: a number serves both.
    const std::size_t tile =
        v.size() == 1 ? block.begin : 2 * std::max<std::size_t>(1, tile_numbers / (2 * outputs_ * width));
    for (std::size_t first = 0; first < block.begin; first += tile) {
      const std::size_t rows = std::min(block.begin - first, tile);
      for (std::size_t r = 0; r < v.size(); ++r)
        contract_twice(outputs_, rows, width, q + outputs_ * first, stride, v[r] + block.begin, v[r] + first,
                       w[r] + outputs_ * first, w[r] + outputs_ * block.begin, distant && r == 0);
    }
    for (std::size_t r = 0; r < v.size(); ++r)
      add_product(outputs_ * width, width, q + outputs_ * block.begin, stride, v[r] + block.begin,
                  w[r] + outputs_ * block.begin);
  }
}

void CurvatureTensor::pair(const Matrix& m, std::span<double> out, std::vector<double>& scratch) const {
  if (m.rows() != outputs_ || m.columns() != parameters_ || out.size() != parameters_)
    throw std::invalid_argument("the matrix to pair with the curvature has the wrong shape");
  std::ranges::fill(out, 0.0);
  if (off_diagonal_std_ == 0) return;
  for (const Block& block : blocks_) {
    const double* q = numbers(block, scratch);
    for (std::size_t j = block.begin; j < block.end; ++j)
      for (std::size_t i = 0; i < block.end; ++i, q += outputs_) {
        const std::span<const double> row(q, outputs_);
        out[i] += numerics::dot_in_order(row, m.column(j));
        if (i < block.begin) out[j] += numerics::dot_in_order(row, m.column(i));
      }
  }
}

CurvatureTensor::Invariants CurvatureTensor::invariants(std::vector<double>& scratch) const {
  Invariants out{std::vector<double>(outputs_), 0};
  if (off_diagonal_std_ == 0) return out;
  for (const Block& block : blocks_) {
    const double* q = numbers(block, scratch);
    for (std::size_t j = block.begin; j < block.end; ++j)
      for (std::size_t i = 0; i < block.end; ++i, q += outputs_) {
        out.squares += (i < block.begin ? 2 : 1) * numerics::squared_norm_in_order({q, outputs_});
        if (i != j) continue;
        for (std::size_t a = 0; a < outputs_; ++a) out.traces[a] += q[a];
      }
  }
  return out;
}

double CurvatureTensor::at(std::size_t a, std::size_t i, std::size_t j) const {
  if (storage_ == Storage::streamed) throw std::logic_error("a streamed tensor holds no entries");
  if (off_diagonal_std_ == 0) return 0;
  const auto [low, high] = std::minmax(i, j);
  const Block& block = blocks_[high / block_columns];
  return data_[block.offset + a + outputs_ * (low + block.end * (high - block.begin))];
}

QuadraticStart draw_start(const QuadraticLaw& ensemble, std::uint64_t seed, std::uint64_t replica) {
  QuadraticStart out{std::vector<double>(ensemble.outputs), Matrix(ensemble.outputs, ensemble.parameters)};
  const double entry = std::sqrt(ensemble.jacobian_variance / static_cast<double>(ensemble.parameters));
  if (ensemble.portable) {
    ingredients::PortableNormals next(seed + replica);
    for (double& z : out.z0) z = std::sqrt(ensemble.residual_variance) * next();
    for (std::size_t a = 0; a < ensemble.outputs; ++a)
      for (std::size_t i = 0; i < ensemble.parameters; ++i) out.j0(a, i) = entry * next();
    return out;
  }
  random::Stream stream(seed, replica, 0, random::Purpose::initial);
  stream.normals(out.z0);
  double scale = std::sqrt(ensemble.residual_variance);
  if (ensemble.fix_residual_norm) {
    double square = 0;
    for (const double z : out.z0) square += z * z;
    scale *= std::sqrt(static_cast<double>(ensemble.outputs) / square);
  }
  for (double& z : out.z0) z *= scale;
  stream.seek(1);
  const std::span<double> j0(out.j0.data(), out.j0.size());
  stream.normals(j0);
  for (double& j : j0) j *= entry;
  return out;
}

QuadraticInstance draw_instance(const QuadraticLaw& ensemble, std::uint64_t seed, std::uint64_t replica,
                                CurvatureTensor::Storage storage) {
  QuadraticStart start = draw_start(ensemble, seed, replica);
  return {std::move(start.z0), std::move(start.j0), CurvatureTensor(ensemble, seed, replica, storage)};
}

}  // namespace edgewise::models::ingredients
