#include "models/equilibrium_network/depth_at_width.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <utility>

#include "models/equilibrium_network/depth_theory.hpp"

namespace edgewise::models::equilibrium_network {

namespace {

constexpr std::size_t pairs = 4096, paths = 2 * pairs;
constexpr double at_rest = 1e-6;  ///< part of a state that is new, below which the iteration has come to rest
using Path = std::vector<double>;
using Rows = std::vector<std::vector<Path>>;  ///< of a symmetric matrix, the lower half: one path an entry

template <class F>
double path_mean(const F& f) {
  double sum = 0;
  for (std::size_t p = 0; p < paths; ++p) sum += f(p);
  return sum / paths;
}

template <class F>
Path path_of(const F& f) {
  Path out(paths);
  for (std::size_t p = 0; p < paths; ++p) out[p] = f(p);
  return out;
}

void subtract(Path& from, double weight, const Path& x) {
  for (std::size_t p = 0; p < paths; ++p) from[p] -= weight * x[p];
}

/// The differential of Cholesky's factor L of the lengths and overlaps: dL = L Phi(L^-1 dC L^-T), Phi the lower half with
/// half the diagonal; row k of L^-1 dC L^-T is `rows`, and of Phi(...) x is `moved`.
struct FactorChange {
  Rows rows;
  std::vector<Path> moved;

  void add_row(const std::vector<Path>& change, const std::vector<std::vector<double>>& factor,
               const std::vector<Path>& x) {
    const std::size_t k = rows.size();
    std::vector<Path> row(change);
    for (std::size_t j = 0; j <= k; ++j) {
      for (std::size_t i = 0; i < j; ++i) subtract(row[j], factor[j][i], row[i]);
      for (double& r : row[j]) r /= factor[j][j];
    }
    for (std::size_t j = 0; j <= k; ++j) {
      for (std::size_t i = 0; i < k; ++i)
        subtract(row[j], factor[k][i], j <= i ? rows[i][j] : j < k ? rows[j][i] : row[i]);
      for (double& r : row[j]) r /= factor[k][k];
    }
    Path sum(paths, 0.0);
    for (std::size_t j = 0; j <= k; ++j)
      subtract(sum, j == k ? -0.5 : -1, path_of([&](std::size_t p) { return row[j][p] * x[j][p]; }));
    rows.push_back(std::move(row));
    moved.push_back(std::move(sum));
  }
  /// Row k of dL x.
  Path of_row(const std::vector<double>& factor_row) const {
    Path out(paths, 0.0);
    for (std::size_t m = 0; m < factor_row.size(); ++m) subtract(out, -factor_row[m], moved[m]);
    return out;
  }
};

/// The walk of (1.6a): depth k at index k - 1.
class WidthWalk {
 public:
  WidthWalk(const Family& family, const StateFunction& phi, double q_h, double g, std::size_t depth)
      : excess_(family.kurtosis - 2),
        phi_(phi),
        q_h_(q_h),
        g_(g),
        g2_(g * g),
        points_(normal_points(pairs, 2 * depth, 1)) {}

  /// The next depth; false once the iteration has come to rest.
  bool advance() {
    const std::size_t k = z_.size();
    const double q = q_h_ + g2_ * length_;
    const std::vector<StateNode> law = state_law(phi_, q, 0);
    // d^m/dq^m E phi^2, by Hermite's polynomials.
    const auto mean = [&](const auto& polynomial) {
      return average(law, [&](const StateNode& a) { return a.z * a.z * polynomial(a.u * a.u / q); });
    };
    const double slope = mean([](double y2) { return y2 - 1; }) / (2 * q);
    const double bend = mean([](double y2) { return y2 * (y2 - 6) + 3; }) / (4 * q * q);

    Path u = path_of([&](std::size_t p) { return std::sqrt(q_h_) * points_(p, 0); });
    if (k > 0)
      for (std::size_t j = 0; j < k; ++j) subtract(u, -g_ * factor_[k - 1][j], fresh_[j]);
    Path z(paths), s(paths);
    std::ranges::transform(u, z.begin(), phi_.value);
    std::ranges::transform(u, s.begin(), phi_.slope);
    double next = g2_ * slope * bias_, next_of_weights = g2_ * slope * bias_of_weights_;
    if (k > 0) {
      const auto square = [](const Path& x) { return path_mean([&](std::size_t p) { return x[p] * x[p]; }); };
      next += g2_ * g2_ * bend / 2 * square(change_[k - 1][k - 1]);
      const Path moved = sampled_.of_row(factor_[k - 1]);
      next += 2 * g_ * path_mean([&](std::size_t p) { return z[p] * s[p] * moved[p]; });
      if (excess_ != 0) {
        next_of_weights += g2_ * g2_ * bend / 2 * square(drive_change_[k - 1][k - 1]);
        const Path turned = of_weights_.of_row(factor_[k - 1]);
        next_of_weights += 2 * g2_ * slope * path_mean([&](std::size_t p) { return turned[p] * mixed_[k - 1][p]; });
      }
    }
    bias_ = next;
    bias_of_weights_ = next_of_weights;
    const double by_input = slope * (1 + g2_ * by_input_);
    input_bend_ = bend * std::pow(1 + g2_ * by_input_, 2) + slope * g2_ * input_bend_;
    by_input_ = by_input;
    length_ = mean([](double) { return 1.0; });
    u_.push_back(std::move(u));
    z_.push_back(std::move(z));
    s_.push_back(std::move(s));
    return add_row(k);
  }

  double bias(bool gaussian_input) const {
    return bias_ + excess_ * bias_of_weights_ - (gaussian_input ? 0 : q_h_ * q_h_ * input_bend_);
  }
  double variance(bool gaussian_input) const {
    const auto square = [&](const Path& x) { return path_mean([&](std::size_t p) { return x[p] * x[p]; }); };
    return square(change_.back().back()) + (excess_ != 0 ? excess_ * square(weight_change_.back().back()) : 0) -
           (gaussian_input ? 0 : 2 * std::pow(q_h_ * by_input_, 2));
  }

 private:
  double product(const Path& x, const Path& y) const {
    return path_mean([&](std::size_t p) { return x[p] * y[p]; });
  }

  bool add_row(std::size_t k) {
    std::vector<Path> change, weight_change;
    std::vector<double> overlap, row;
    double rest = 0;
    for (std::size_t l = 0; l <= k; ++l) {
      overlap.push_back(product(z_[k], z_[l]));
      // What the overlap depends on: that of the states before, and their lengths.
      const double slopes = product(s_[k], s_[l]), covariance = product(u_[k], u_[l]);
      const auto by_length = [&](std::size_t a, std::size_t b) {
        return g2_ / 2 *
               (path_mean([&](std::size_t p) { return s_[a][p] * u_[a][p] * z_[b][p]; }) - covariance * slopes) /
               product(u_[a], u_[a]);
      };
      const double by_first = k > 0 ? by_length(k, l) : 0, by_second = l > 0 ? by_length(l, k) : 0;
      const auto propagated = [&](const Rows& rows, Path to) {
        if (k > 0) subtract(to, -by_first, rows[k - 1][k - 1]);
        if (l > 0) {
          subtract(to, -by_second, rows[l - 1][l - 1]);
          subtract(to, -g2_ * slopes, rows[k - 1][l - 1]);
        }
        return to;
      };
      change.push_back(propagated(change_, path_of([&](std::size_t p) { return z_[k][p] * z_[l][p] - overlap[l]; })));
      if (excess_ != 0) weight_change.push_back(propagated(drive_change_, Path(paths, 0.0)));
    }
    rest = overlap[k];
    for (std::size_t j = 0; j < k; ++j) {
      double sum = overlap[j];
      for (std::size_t i = 0; i < j; ++i) sum -= row[i] * factor_[j][i];
      row.push_back(sum / factor_[j][j]);
      rest -= row[j] * row[j];
    }
    const bool goes_on = rest > at_rest * overlap[k];
    row.push_back(std::sqrt(std::max(rest, 0.0)));
    factor_.push_back(row);
    if (goes_on) {
      const auto column = [&](std::size_t j) { return path_of([&](std::size_t p) { return points_(p, j); }); };
      fresh_.push_back(column(1 + k));
      sampled_.add_row(change, factor_, fresh_);
      if (excess_ != 0) {
        weights_.push_back(column(points_.columns() - 1 - k));
        of_weights_.add_row(weight_change, factor_, weights_);
        Path mixed(paths, 0.0);
        for (std::size_t j = 0; j <= k; ++j) subtract(mixed, -row[j], weights_[j]);
        mixed_.push_back(std::move(mixed));
        drive_change_.push_back(weight_change);
        for (std::size_t l = 0; l <= k; ++l)
          for (std::size_t p = 0; p < paths; ++p) drive_change_[k][l][p] += mixed_[k][p] * mixed_[l][p] - overlap[l];
      }
    }
    change_.push_back(std::move(change));
    if (excess_ != 0) weight_change_.push_back(std::move(weight_change));
    return goes_on;
  }

  double excess_;  ///< kurtosis - 2 of the weights
  const StateFunction& phi_;
  double q_h_, g_, g2_;
  linear_algebra::Matrix points_;  ///< a column of the input, then of each drive; from the end those of weights
  double length_ = 0, bias_ = 0, bias_of_weights_ = 0, by_input_ = 0, input_bend_ = 0;
  std::vector<Path> u_, z_, s_, fresh_, weights_, mixed_;
  std::vector<std::vector<double>> factor_;  ///< L, rows
  /// First-order changes of the overlaps C: by the sample of units; by the weights' W'W, and that of z'W'W z/g^2.
  Rows change_, weight_change_, drive_change_;
  FactorChange sampled_, of_weights_;
};

}  // namespace

double DepthAtWidth::continued(const std::vector<double>& values, double last, std::uint64_t depth) const {
  if (depth < values.size()) return values[depth];
  return last + (values.back() - last) * std::pow(rate, static_cast<double>(depth - (values.size() - 1)));
}

DepthAtWidth depth_at_width(const Family& family, const StateFunction& phi, double q_h, bool gaussian_input,
                            const Equilibrium& at, std::uint64_t depth) {
  if (!family.bi_invariant()) throw std::invalid_argument("curves at width: the weights are not bi-invariant");
  const std::uint64_t last = std::min(depth, longest_at_width);
  const WidthMoments rest = width_moments(family, phi, q_h, gaussian_input, at);
  DepthAtWidth out{{0.0}, {0.0}, at.stability, rest.bias, std::max(0.0, rest.variance)};
  if (last == 0) return out;
  WidthWalk walk(family, phi, q_h, at.g, last);
  for (std::uint64_t k = 1; k <= last; ++k) {
    const bool goes_on = walk.advance();
    out.bias.push_back(walk.bias(gaussian_input));
    out.variance.push_back(std::max(0.0, walk.variance(gaussian_input)));
    if (!goes_on) break;
  }
  return out;
}

}  // namespace edgewise::models::equilibrium_network
