#include "models/equilibrium_network/families.hpp"

#include <algorithm>
#include <cmath>

#include "numerics/sums.hpp"
#include "random/random.hpp"

namespace edgewise::models::equilibrium_network {

namespace {

using linear_algebra::Matrix;

Matrix gaussian_matrix(std::size_t n, random::Stream& stream) {
  Matrix a(n, n);
  stream.normals(a.entries());
  return a;
}

/// Q of a Gaussian matrix, with the signs that make R's diagonal positive: uniform on O(n).
Matrix uniform_orthogonal(std::size_t n, random::Stream& stream) {
  const Matrix a = gaussian_matrix(n, stream);
  Matrix q = linear_algebra::orthonormal_columns(a);
  for (std::size_t j = 0; j < n; ++j)
    if (numerics::dot_in_order(q.column(j), a.column(j)) < 0)
      for (double& x : q.column(j)) x = -x;
  return q;
}

/// scale (A + sign A').
void add_symmetrised(const Matrix& a, double sign, double scale, Matrix& out) {
  for (std::size_t j = 0; j < a.columns(); ++j)
    for (std::size_t i = 0; i < a.rows(); ++i) out(i, j) += scale * (a(i, j) + sign * a(j, i));
}

}  // namespace

const std::vector<std::string>& family_names() {
  static const std::vector<std::string> names{"iid", "haar", "goe", "anti", "elliptic", "bi-invariant"};
  return names;
}

Family family_of(FamilyKind kind, double tau, double kurtosis) {
  switch (kind) {
    case FamilyKind::iid:
      return {kind, 0, 2};
    case FamilyKind::haar:
      return {kind, 0, 1};
    case FamilyKind::goe:
      return {kind, 1, 2};
    case FamilyKind::anti:
      return {kind, -1, 2};
    case FamilyKind::elliptic:
      return {kind, tau, 2};
    case FamilyKind::bi_invariant:
      return {kind, 0, kurtosis};
  }
  return {};
}

double spectral_radius(const Family& family) {
  return 1 + std::abs(family.tau);
}

Matrix draw(const Family& family, std::size_t n, double g, std::uint64_t seed, std::uint64_t replica,
            std::uint64_t draw) {
  random::Stream stream(seed, replica, 2 * draw, random::Purpose::initial);
  if (family.kind == FamilyKind::haar) {
    Matrix w = uniform_orthogonal(n, stream);
    for (double& x : w.entries()) x *= g;
    return w;
  }
  if (family.kind == FamilyKind::bi_invariant) {
    // A projection on m dimensions between two uniform orthogonal matrices, |W|_F^2 = n g^2; where n/kurtosis is not whole one of
    // its m squared singular values is less than the others, `less` and `others` of their mean n g^2/m.
    const auto size = static_cast<double>(n);
    const auto m = std::clamp<std::size_t>(static_cast<std::size_t>(std::ceil(size / family.kurtosis - 1e-9)), 1, n);
    const auto rank = static_cast<double>(m);
    const double spread = std::sqrt(std::max((rank * family.kurtosis / size - 1) * (rank - 1), 0.0));
    Matrix u = uniform_orthogonal(n, stream);
    if (spread > 1e-9) {
      const double less = std::max(1 - spread, 0.0), others = 1 + spread / (rank - 1);
      for (std::size_t j = 0; j < m; ++j)
        for (double& x : u.column(j)) x *= std::sqrt(j == 0 ? less : others);
    }
    stream.seek(2 * draw + 1);
    const Matrix v = uniform_orthogonal(n, stream);
    Matrix w(n, n);
    linear_algebra::multiply(n, n, m, g * std::sqrt(size / rank), u.data(), n, linear_algebra::Transposed::no, v.data(),
                             n, linear_algebra::Transposed::yes, 0, w.data(), n);
    return w;
  }
  const double scale = g / std::sqrt(static_cast<double>(n));
  Matrix a = gaussian_matrix(n, stream);
  if (family.tau == 0) {
    for (double& x : a.entries()) x *= scale;
    return a;
  }
  Matrix w(n, n);
  add_symmetrised(a, 1, scale * std::sqrt((1 + family.tau) / 4), w);
  if (family.tau < 1) {
    stream.seek(2 * draw + 1);
    add_symmetrised(gaussian_matrix(n, stream), -1, scale * std::sqrt((1 - family.tau) / 4), w);
  }
  return w;
}

}  // namespace edgewise::models::equilibrium_network
