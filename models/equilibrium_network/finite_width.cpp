#include "models/equilibrium_network/finite_width.hpp"

#include <algorithm>
#include <cmath>

namespace edgewise::models::equilibrium_network {

namespace {

/// Cumulants at scale 1 of words of an elliptic matrix: single(i, j) = E tr W^i W'^j, and pair(m, i, j), the covariance of that
/// trace with tr W^m. Integration by parts over the first W of a word, E W_ab W_cd = (d_ac d_bd + tau d_ad d_bc)/n, leaves
/// words of the same kind and two letters fewer; third cumulants, of relative size n^-4, are left out.
class Words {
 public:
  Words(double tau, double n, std::size_t letters)
      : tau_(tau), n_(n), side_(letters + 1), single_(side_ * side_, 0.0), pair_(side_ * side_ * side_, 0.0) {
    single_[0] = n;
    for (std::size_t total = 2; total <= letters; total += 2)
      for (std::size_t m = 0; m <= total; ++m)
        for (std::size_t i = 1; i + m <= total; ++i) {
          const std::size_t j = total - m - i;
          if (j > i) continue;
          double& first = m == 0 ? single_[i * side_ + j] : pair_[(m * side_ + i) * side_ + j];
          first = (m == 0 ? single_of(i, j) : pair_of(m, i, j)) / n_;
          (m == 0 ? single_[j * side_ + i] : pair_[(m * side_ + j) * side_ + i]) = first;
        }
  }

  double single(std::size_t i, std::size_t j) const { return single_[i * side_ + j]; }

 private:
  double pair(std::size_t m, std::size_t i, std::size_t j) const { return pair_[(m * side_ + i) * side_ + j]; }

  /// E tr W^a tr W^i W'^j.
  double product(std::size_t a, std::size_t i, std::size_t j) const {
    return single(a, 0) * single(i, j) + (a > 0 ? pair(a, i, j) : 0);
  }
  /// Its covariance with tr W^m.
  double product_with(std::size_t m, std::size_t a, std::size_t i, std::size_t j) const {
    return single(a, 0) * pair(m, i, j) + (a > 0 ? pair(m, a, 0) * single(i, j) : 0);
  }

  double single_of(std::size_t i, std::size_t j) const {
    double sum = 0;
    for (std::size_t a = 0; a + 2 <= i; ++a)
      sum += single(i - 2 - a, a + j) + (tau_ == 0 ? 0 : tau_ * product(a, i - 2 - a, j));
    for (std::size_t d = 0; d < j; ++d)
      sum += product(d, i - 1, j - 1 - d) + (tau_ == 0 ? 0 : tau_ * single(j - 1 - d, i - 1 + d));
    return sum;
  }
  double pair_of(std::size_t m, std::size_t i, std::size_t j) const {
    double sum = static_cast<double>(m) * (single(j + m - 1, i - 1) + tau_ * single(i + m - 2, j));
    for (std::size_t a = 0; a + 2 <= i; ++a)
      sum += pair(m, i - 2 - a, a + j) + (tau_ == 0 ? 0 : tau_ * product_with(m, a, i - 2 - a, j));
    for (std::size_t d = 0; d < j; ++d)
      sum += product_with(m, d, i - 1, j - 1 - d) + (tau_ == 0 ? 0 : tau_ * pair(m, j - 1 - d, i - 1 + d));
    return sum;
  }

  double tau_, n_;
  std::size_t side_;
  std::vector<double> single_, pair_;
};

}  // namespace

WidthCurves curves_at_width(const Family& family, double g, double n, std::uint64_t deepest) {
  WidthCurves out{{0}, {1}};
  const bool gaussian = family.gaussian();
  const Words words(family.tau, n, gaussian ? 2 * deepest : 0);
  const auto correlation = [&](std::uint64_t i, std::uint64_t j) {
    if ((i + j) % 2 == 1) return 0.0;
    const double size = std::pow(g, static_cast<double>(i + j));
    if (gaussian) return size * words.single(i, j) / n;
    return i == j ? size : size * (1 + (family.kurtosis - 1) * static_cast<double>(std::min(i, j))) / n;
  };
  for (std::uint64_t k = 1; k <= deepest; ++k) {
    double length = out.length.back() + out.residual.back();
    for (std::uint64_t i = 0; i + 1 < k; ++i) length += 2 * correlation(i, k - 1);
    out.length.push_back(length);
    out.residual.push_back(correlation(k, k));
  }
  return out;
}

std::uint64_t known_depth(const Family& family, double n) {
  const auto deepest = static_cast<std::uint64_t>(std::min(std::sqrt(n), static_cast<double>(deepest_at_width)));
  if (family.gaussian()) return deepest;
  const std::vector<double> bound =
      curves_at_width(family_of(FamilyKind::iid, 0, 2), 1, n / (family.kurtosis - 1), deepest).residual;
  return static_cast<std::uint64_t>(std::ranges::find_if(bound, [](double r) { return r > 1.005; }) - bound.begin()) -
         1;
}

double orthogonal_length(double g, double n, std::uint64_t k) {
  // Sums of g^2i over i < k, and of g^i over the even and the odd ones.
  const auto sum = [g](double terms) { return g == 1 ? terms : std::expm1(2 * terms * std::log(g)) / (g * g - 1); };
  const auto steps = static_cast<double>(k);
  const double all = sum(steps), even = sum(std::ceil(steps / 2)), odd = g * sum(std::floor(steps / 2));
  return k == 0 || g == 0 ? std::min(steps, 1.0) : all + (even * even + odd * odd - all) / n;
}

}  // namespace edgewise::models::equilibrium_network
