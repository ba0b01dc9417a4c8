#include "models/ingredients/sam_mean_square.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "linear_algebra/largest_eigenvalues.hpp"
#include "models/ingredients/kernel_stability.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::ingredients {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// E N Z N for symmetric Z.
Matrix averaged(const Matrix& k, double rho, std::size_t batch, const Matrix& z) {
  const std::size_t d = k.rows();
  // q[m]: the chance that m different rows are all in the batch.
  double q[5] = {1, 0, 0, 0, 0};
  for (std::size_t m = 1; m <= std::min<std::size_t>(4, d); ++m)
    q[m] = m > batch ? 0 : q[m - 1] * static_cast<double>(batch - m + 1) / static_cast<double>(d - m + 1);
  // E p_i p_j ... as a sum over partitions of the indices into blocks within which they are equal (between which they
  // may be, too): the weights of a partition by Moebius inversion.
  const double two = q[1] - q[2];
  const double three1 = q[2] - q[3], three = q[1] - 3 * q[2] + 2 * q[3];
  const double four1 = q[3] - q[4], four2 = q[2] - 2 * q[3] + q[4], four3 = q[2] - 3 * q[3] + 2 * q[4],
               four = q[1] - 7 * q[2] + 12 * q[3] - 6 * q[4];
  const Matrix kz = linear_algebra::product(k, z), kzk = linear_algebra::product(kz, k);
  Matrix scaled(d, d), squares(d, 1);  // K diag(Z) K, sum_b K_ab^2 Z_bb
  for (std::size_t c = 0; c < d; ++c)
    for (std::size_t a = 0; a < d; ++a) {
      scaled(a, c) = k(a, c) * z(c, c);
      squares(a, 0) += k(a, c) * k(a, c) * z(c, c);
    }
  const Matrix kdk = linear_algebra::product(scaled, k);
  Matrix noise(d, d);
  for (std::size_t c = 0; c < d; ++c)
    for (std::size_t a = 0; a < d; ++a) {
      // K and Z are symmetric: (Z K)_ac = (K Z)_ca.
      double once = q[3] * (kz(c, a) + kz(a, c)) +
                    three1 * (z(a, a) * k(a, c) + z(a, c) * k(c, c) + k(a, a) * z(a, c) + k(a, c) * z(c, c));
      double twice =
          q[4] * kzk(a, c) +
          four1 * (k(a, a) * kz(c, a) + kz(a, c) * k(c, c) + kdk(a, c) + kz(a, a) * k(a, c) + k(a, c) * kz(c, c)) +
          four2 * (k(a, a) * z(a, c) * k(c, c) + k(a, c) * k(a, c) * z(a, c)) +
          four3 * (k(a, a) * z(a, a) * k(a, c) + k(a, c) * z(c, c) * k(c, c));
      double none = q[2] * z(a, c);
      if (a == c) {
        none += two * z(a, a);
        once += 2 * (three1 * kz(a, a) + three * z(a, a) * k(a, a));
        twice += four1 * kzk(a, a) + four2 * squares(a, 0) + 2 * four3 * k(a, a) * kz(a, a) +
                 four * k(a, a) * k(a, a) * z(a, a);
      }
      noise(a, c) = none + rho * (once + rho * twice);
    }
  return noise;
}

/// z - eta (a + a') + eta^2 b.
Matrix stepped(const Matrix& z, double eta, const Matrix& a, const Matrix& b) {
  const std::size_t d = z.rows();
  Matrix out(d, d);
  for (std::size_t c = 0; c < d; ++c)
    for (std::size_t r = 0; r < d; ++r) out(r, c) = z(r, c) - eta * (a(r, c) + a(c, r)) + eta * eta * b(r, c);
  return out;
}

/// R with K = R R', a column for each eigenvalue that is not rounding of 0.
Matrix square_root(const Matrix& kernel) {
  const linear_algebra::SymmetricEigen eigen = linear_algebra::symmetric_eigen(kernel);
  const std::size_t d = kernel.rows();
  const double null = static_cast<double>(d) * std::numeric_limits<double>::epsilon() * eigen.values.back();
  const auto first = static_cast<std::size_t>(std::ranges::upper_bound(eigen.values, null) - eigen.values.begin());
  Matrix root(d, d - first);
  for (std::size_t k = first; k < d; ++k)
    for (std::size_t a = 0; a < d; ++a) root(a, k - first) = std::sqrt(eigen.values[k]) * eigen.vectors(a, k);
  return root;
}

/// Growth at many learning rates of one kernel, in the directions in which it does not vanish: the others stand still,
/// and would hide growth near 1.
class Growth {
 public:
  Growth(const Matrix& kernel, double rho, std::size_t batch)
      : kernel_(kernel), rho_(rho), batch_(batch), root_(square_root(kernel)) {
    mean_ = linear_algebra::product(
        linear_algebra::product(root_, sam_mean_ascent(kernel, rho, batch), Transposed::yes), root_);
    const std::size_t rank = root_.columns();
    start_ = Matrix(rank * rank, 1);
    for (std::size_t a = 0; a < rank; ++a) start_(a * (rank + 1), 0) = 1;
  }

  double operator()(double eta) {
    const std::size_t d = root_.columns();
    if (d == 0) return 1;
    Matrix w(d, d);
    const auto apply = [&](std::span<const double> x, std::span<double> y) {
      // What is not symmetric in x is orthogonal to all that matters: it is taken to 0.
      for (std::size_t c = 0; c < d; ++c)
        for (std::size_t a = 0; a < d; ++a) w(a, c) = 0.5 * (x[a + c * d] + x[c + a * d]);
      const Matrix z =
          linear_algebra::product(linear_algebra::product(root_, w), root_, Transposed::no, Transposed::yes);
      const Matrix noise = linear_algebra::product(
          linear_algebra::product(root_, averaged(kernel_, rho_, batch_, z), Transposed::yes), root_);
      const Matrix next = stepped(w, eta, linear_algebra::product(mean_, w), noise);
      std::ranges::copy(next.entries(), y.begin());
    };
    linear_algebra::LargestOptions options;
    options.tolerance = 1e-11;  // modes that hardly decay are near 1 as well
    const linear_algebra::LargestEigen top = linear_algebra::largest_eigenvalues(d * d, 1, apply, start_, options);
    start_ = top.next_start;
    return top.values[0];
  }
  bool null_modes() const { return root_.columns() < root_.rows(); }

 private:
  const Matrix& kernel_;
  double rho_;
  std::size_t batch_;
  Matrix root_, mean_, start_;
};

}  // namespace

Matrix sam_second_moment_step(const Matrix& kernel, double learning_rate, double rho, std::size_t batch,
                              const Matrix& second_moment) {
  check_learning_rate(learning_rate);
  const std::size_t d = kernel.rows();
  if (kernel.columns() != d || second_moment.rows() != d || second_moment.columns() != d)
    throw std::invalid_argument("the kernel and the second moment must be square and of one size");
  const Matrix descent = linear_algebra::product(sam_mean_descent(kernel, rho, batch), second_moment);
  const Matrix noise =
      linear_algebra::product(linear_algebra::product(kernel, averaged(kernel, rho, batch, second_moment)), kernel);
  return stepped(second_moment, learning_rate, descent, noise);
}

double sam_mean_square_growth(const Matrix& kernel, double learning_rate, double rho, std::size_t batch) {
  check_learning_rate(learning_rate);
  sam_mean_descent(kernel, rho, batch);  // which checks the rest
  Growth growth(kernel, rho, batch);
  return growth.null_modes() ? std::max(1.0, growth(learning_rate)) : growth(learning_rate);
}

double sam_mean_square_rate(const Matrix& kernel, double rho, std::size_t batch) {
  // The mean square grows wherever the mean does.
  double high = 2 / sam_mean_rate(kernel, 1, rho, batch), low = 0;
  if (batch == kernel.rows()) return high;  // nothing is random
  Growth growth(kernel, rho, batch);
  while (high - low > 1e-9 * high) {
    const double middle = 0.5 * (low + high);
    (growth(middle) > 1 ? high : low) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace edgewise::models::ingredients
