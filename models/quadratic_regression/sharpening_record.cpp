// Built at -O1: nothing here takes time.
#include "models/quadratic_regression/sharpening_record.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "models/quadratic_regression/ntk_eigenvalues.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::quadratic_regression {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

SharpeningRecord::SharpeningRecord(const Matrix& initial, std::size_t modes) : vectors_(initial.rows(), modes) {
  const std::size_t d = initial.rows();
  const linear_algebra::SymmetricEigen kernel =
      linear_algebra::symmetric_eigen(linear_algebra::product(initial, initial, Transposed::no, Transposed::yes));
  for (std::size_t k = 0; k < modes; ++k)
    std::ranges::copy(kernel.vectors.column(d - 1 - k), vectors_.column(k).begin());
  steps_[0] = measured(initial);
}

std::vector<double> SharpeningRecord::measured(const Matrix& jacobian) const {
  std::vector<double> out;
  const Matrix along = linear_algebra::product(jacobian, vectors_, Transposed::yes);
  for (std::size_t k = 0; k < vectors_.columns(); ++k) {
    const std::span<const double> x = along.column(k);
    out.push_back(numerics::squared_norm_in_order(x));
  }
  const std::span<const double> all = jacobian.entries();
  out.push_back(numerics::squared_norm_in_order(all) / static_cast<double>(jacobian.rows()));
  out.push_back(LargestNtkEigenvalues()(jacobian)[0]);
  return out;
}

void SharpeningRecord::note(std::uint64_t step, const Matrix& jacobian) {
  steps_[step] = measured(jacobian);
}

void SharpeningRecord::write(std::span<double> out) const {
  if (steps_[2].empty()) {
    std::ranges::fill(out, absent);
    return;
  }
  const auto first = [&](std::size_t k) { return steps_[1][k] - steps_[0][k]; };
  const auto second = [&](std::size_t k) { return steps_[2][k] - steps_[1][k] - first(k); };
  const std::size_t modes = vectors_.columns(), mean = modes, top = modes + 1;
  std::size_t o = 0;
  for (std::size_t k = 0; k < modes; ++k) out[o++] = first(k);
  for (std::size_t k = 0; k < modes; ++k) out[o++] = second(k);
  out[o++] = first(mean);
  out[o++] = second(mean);
  out[o++] = second(top);
}

std::vector<Observable> sharpening_observables(std::size_t modes) {
  std::vector<Observable> out;
  for (std::size_t k = 1; k <= modes; ++k)
    out.push_back({fmt::format("sharpening_first_{}", k), "1",
                   fmt::format("k(1) - k(0), k(t) = v'K v along eigenvector {} of the initial kernel", k)});
  for (std::size_t k = 1; k <= modes; ++k)
    out.push_back({fmt::format("sharpening_second_{}", k), "1",
                   fmt::format("k(2) - 2 k(1) + k(0) along eigenvector {} of the initial kernel", k)});
  out.push_back({"sharpening_first_ntk_mean", "1", "first difference of tr K/D"});
  out.push_back({"sharpening_second_ntk_mean", "1", "second difference of tr K/D at step 0"});
  out.push_back({"sharpening_second_ntk_max", "1",
                 "second difference of the largest eigenvalue at step 0, repulsion of levels included"});
  return out;
}

}  // namespace edgewise::models::quadratic_regression
