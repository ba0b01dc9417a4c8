#include "spectra/compression.hpp"

#include <fmt/format.h>

#include <Eigen/Core>
#include <algorithm>
#include <cfloat>
#include <cmath>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "linear_algebra/dense.hpp"

namespace edgewise::spectra {

double CompressionError::worst() const {
  return std::max({bias, kernel, sums, rate});
}

namespace {

// Largest number of Gauss nodes per bin; more would only serve bins too wide for the function's own scale.
constexpr std::size_t most_nodes_per_bin = 14;
constexpr std::size_t kept_exactly = 8;
// The errors turn from one sign to the other with the logarithm of the time. Between so many points a decade parabolas find
// their extrema but for a share of `between_times` - 1.
constexpr double points_per_decade = 12;
constexpr double between_times = 1.02;
// The functionals are compared until the slowest mode has fallen by e to this power, nearly all that doubles hold.
constexpr double longest_decay = 600;
// The kernel norm is kept up to this share of the learning rate at which its largest term diverges.
constexpr double nearest_to_threshold = 0.99;
// What the sums of two spectra may differ by for rounding alone.
constexpr double rounding_of_sums = 1e-14;

constexpr std::size_t trace_among_sums = 1;

/// The functionals F, H and the sums of a spectrum, at the times of a grid.
struct Functionals {
  std::vector<double> bias, kernel, sums;
};

/// tau = 0, then logarithmic from 0.1 / largest to longest_decay / smallest.
std::vector<double> times(double largest, double smallest) {
  std::vector<double> tau{0};
  const double first = std::log10(0.1 / largest), last = std::log10(longest_decay / smallest);
  const auto count = static_cast<std::size_t>(std::ceil((last - first) * points_per_decade)) + 1;
  for (std::size_t k = 0; k < count; ++k)
    tau.push_back(std::pow(10, first + (last - first) * static_cast<double>(k) / static_cast<double>(count - 1)));
  return tau;
}

Functionals functionals(const Spectrum& s, const std::vector<double>& bias_times, const std::vector<double>& times) {
  using Array = Eigen::ArrayXd;
  const auto n = static_cast<Eigen::Index>(s.modes());
  const Eigen::Map<const Array> lambda(s.eigenvalue.data(), n), multiplicity(s.multiplicity.data(), n),
      power(s.target_power.data(), n);
  const Array in_bias = lambda * power, in_kernel = multiplicity * lambda.square();
  const double top = s.largest();
  // Modes that have decayed below 1e-304 of themselves are cut off; the exponent is clipped to keep exp out of the slow
  // range of denormal numbers.
  constexpr double last_exponent = 700;
  const auto sum_at = [&](double tau, const Array& start) {
    return (start * (-(tau * lambda).min(last_exponent)).exp()).sum();
  };
  Functionals f;
  for (const double tau : times) f.kernel.push_back(sum_at(tau, in_kernel));
  for (const double tau : bias_times) f.bias.push_back(sum_at(tau, in_bias));
  f.sums = {s.dimension(), s.trace(), s.trace_of_square(), power.sum(), s.signal()};
  for (const double x : {0.5, 0.9, nearest_to_threshold})
    f.sums.push_back((multiplicity * lambda / (1 - x * lambda / top)).sum());
  return f;
}

/// Relative to b, with its sign.
std::vector<double> differences(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> out;
  for (std::size_t k = 0; k < a.size(); ++k) out.push_back((a[k] - b[k]) / std::max(std::abs(b[k]), DBL_MIN));
  return out;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double worst = 0;
  for (const double difference : differences(a, b)) worst = std::max(worst, std::abs(difference));
  return worst;
}

/// The same of curves on a grid, the tops between its points included, by parabolas through three of them.
double largest_difference_of_curves(const std::vector<double>& a, const std::vector<double>& b) {
  double worst = largest_difference(a, b);
  const std::vector<double> e = differences(a, b);
  for (std::size_t k = 2; k + 1 < e.size(); ++k) {  // time 0 is not on the grid's scale
    const double before = std::abs(e[k]) - std::copysign(1.0, e[k]) * e[k - 1],
                 after = std::abs(e[k]) - std::copysign(1.0, e[k]) * e[k + 1];
    if (before < 0 || after < 0 || before + after == 0) continue;
    worst = std::max(worst, std::abs(e[k]) + (before - after) * (before - after) / (8 * (before + after)));
  }
  return worst;
}

/// A reference whose functionals are computed once and compared with many candidates.
class Reference {
 public:
  explicit Reference(const Spectrum& spectrum) {
    double smallest_in_bias = spectrum.largest();
    for (std::size_t a = 0; a < spectrum.modes(); ++a)
      if (spectrum.eigenvalue[a] > 0 && spectrum.target_power[a] > 0)
        smallest_in_bias = std::min(smallest_in_bias, spectrum.eigenvalue[a]);
    times_ = times(spectrum.largest(), spectrum.smallest_positive());
    bias_times_ = times(spectrum.largest(), smallest_in_bias);
    values_ = functionals(spectrum, bias_times_, times_);
  }
  CompressionError compare(const Spectrum& nodes) const {
    const Functionals f = functionals(nodes, bias_times_, times_);
    const double trace = std::abs(f.sums[trace_among_sums] / values_.sums[trace_among_sums] - 1);
    return {largest_difference_of_curves(f.bias, values_.bias), largest_difference_of_curves(f.kernel, values_.kernel),
            largest_difference(f.sums, values_.sums), longest_decay * std::max(trace - rounding_of_sums, 0.0)};
  }

 private:
  std::vector<double> bias_times_, times_;
  Functionals values_;
};

/// Golub and Welsch (1969): nodes, in [-1, 1], are the eigenvalues of the Jacobi matrix, weights the squared first
/// components of its eigenvectors.
using Rule = linear_algebra::SymmetricEigen;

/// Gauss rule of the uniform measure on `count` equally spaced points that fill [-1, 1] cell by cell (the points are
/// the centres of the cells). Its orthogonal polynomials are those of Gram; count -> infinity gives Gauss-Legendre.
Rule gauss_of_equal_points(double count, std::size_t q) {
  std::vector<double> off_diagonal(q - 1);
  for (std::size_t k = 1; k < q; ++k) {
    const double kk = static_cast<double>(k) * static_cast<double>(k);
    off_diagonal[k - 1] = std::sqrt(kk * (1 - kk / count / count) / (4 * kk - 1));
  }
  return linear_algebra::tridiagonal_eigen(std::vector<double>(q, 0.0), off_diagonal);
}

void append(Spectrum& s, double lambda, double multiplicity, double power) {
  s.eigenvalue.push_back(lambda);
  s.multiplicity.push_back(multiplicity);
  s.target_power.push_back(power);
}

/// Width of a bin in log lambda whose upper end is `above` from the slowest mode: `width`, and near that mode, which alone
/// is left at late times, in proportion to the distance, down to what is still resolved at the last time.
double graded(double width, double above) {
  constexpr double nearest = 1 / longest_decay;
  return std::min(width, width / (1 + width) * (above + nearest));
}

/// A power law, to be cut into bins of indices.
struct Law {
  double dimension, alpha, beta;
  /// Width of a bin in log j in which `most_nodes_per_bin` nodes leave rounding alone.
  double fine_width() const { return std::min(0.5, 1 / alpha); }
};

/// The end of the bin in indices that begins at `first`, `width` wide in log j, before `end` at the latest.
double bin_end(double first, double width, double end) {
  return std::min(std::max(std::floor(first * std::exp(width)), first + 1), end);
}

/// Indices first..next-1 by q nodes, or, where there are no more, as they are.
void add_indices(Spectrum& s, const Law& law, double first, double next, std::size_t q) {
  const auto add = [&](double j, double n) {
    append(s, std::pow(j, -2 * law.alpha), n, n * std::pow(j, -2 * law.beta));
  };
  const double count = next - first;
  if (count <= static_cast<double>(q)) {
    for (double j = first; j < next; ++j) add(j, 1);
    return;
  }
  const Rule rule = gauss_of_equal_points(count, q);
  const double middle = first + (count - 1) / 2;
  for (std::size_t k = 0; k < q; ++k)
    add(middle + rule.values[k] * count / 2, count * rule.vectors(0, k) * rule.vectors(0, k));
}

/// Changes `weight` of the nodes x, in [0, 1], by the shares of the least sum of squares for which sum weight x^k is that
/// of the finer rule, k < 3. Left as it is where a weight would change much.
void keep_moments(std::span<const double> x, std::span<double> weight, std::span<const double> fine_x,
                  std::span<const double> fine_weight) {
  // weight_i change_i is weight_i^2 times a polynomial: by those orthonormal with respect to weight^2, by Stieltjes'
  // recurrence, on both rules at once.
  const auto size = static_cast<Eigen::Index>(x.size()), fine_size = static_cast<Eigen::Index>(fine_x.size());
  using Array = Eigen::ArrayXd;
  Array nodes(size + fine_size), w = Eigen::Map<const Array>(weight.data(), size),
                                 fine_w = Eigen::Map<const Array>(fine_weight.data(), fine_size);
  nodes << Eigen::Map<const Array>(x.data(), size), Eigen::Map<const Array>(fine_x.data(), fine_size);
  const double unit = w.matrix().norm();
  if (!(unit > 0)) return;
  w /= unit;
  fine_w /= unit;
  const Array square = w.square();
  // Weight on nearly one node alone leaves no room for the others.
  constexpr double least_norm = 1e-6, most_change = 0.5;
  Array before = Array::Zero(nodes.size()), p = Array::Ones(nodes.size()), change = Array::Zero(size);
  double norm = 0;
  for (int k = 0; k < 3; ++k) {
    change += ((fine_w * p.tail(fine_size)).sum() - (w * p.head(size)).sum()) * (w * p.head(size));
    const double mean = (square * nodes.head(size) * p.head(size).square()).sum();
    Array next = (nodes - mean) * p - norm * before;
    norm = std::sqrt((square * next.head(size).square()).sum());
    if (!(norm > least_norm)) break;
    before = std::exchange(p, next / norm);
  }
  if (!(change.abs().maxCoeff() < most_change)) return;
  Eigen::Map<Array>(weight.data(), size) *= 1 + change;
}

/// Makes d, tr K and tr K^2 of the nodes from `begin` on those of the indices first..next-1.
/// A learning rate gamma/tr K has the error of tr K, which the bias at late times multiplies by its e-folds.
void keep_traces(Spectrum& s, std::size_t begin, const Law& law, double first, double next) {
  Spectrum fine;
  for (double from = first; from < next;) {
    const double to = bin_end(from, law.fine_width(), next);
    add_indices(fine, law, from, to, most_nodes_per_bin);
    from = to;
  }
  const double unit = fine.eigenvalue[0];
  std::vector<double> x(s.eigenvalue.begin() + static_cast<std::ptrdiff_t>(begin), s.eigenvalue.end());
  for (double& value : x) value /= unit;
  for (double& value : fine.eigenvalue) value /= unit;
  keep_moments(x, std::span(s.multiplicity).subspan(begin), fine.eigenvalue, fine.multiplicity);
}

/// The power law cut into bins of `width` in log j; bins of at most q indices are kept as they are.
Spectrum power_law_rule(const Law& law, double width, std::size_t q) {
  Spectrum s;
  const double end = law.dimension + 1, in_lambda = 2 * law.alpha;
  for (double first = 1; first < end;) {
    double next = bin_end(first, graded(in_lambda * width, in_lambda * std::log(end / first)) / in_lambda, end);
    // A short remainder joins the last bin: a bin of its own would cost q nodes for nothing.
    if (end - next < 0.1 * (next - first)) next = end;
    const std::size_t begin = s.modes();
    add_indices(s, law, first, next, q);
    if (next - first > static_cast<double>(q)) keep_traces(s, begin, law, first, next);
    first = next;
  }
  return s;
}

/// The modes first..last-1 of one bin by the Gauss rule of their multiplicities, which keeps the sums of n lambda^k up
/// to k = 2q-1; the target power goes to the same nodes by interpolation, which keeps the sums of rho lambda^k up to
/// k = q-1. Empty when a weight is not positive (the target is too rough for the bin).
std::optional<Spectrum> gauss_of_modes(const Spectrum& s, std::size_t first, std::size_t last, std::size_t q) {
  const auto count = static_cast<Eigen::Index>(last - first), size = static_cast<Eigen::Index>(q);
  const Eigen::Map<const Eigen::ArrayXd> lambda(s.eigenvalue.data() + first, count),
      multiplicity(s.multiplicity.data() + first, count), power(s.target_power.data() + first, count);
  const double high = lambda[0], low = lambda[count - 1], middle = (high + low) / 2, half = (high - low) / 2;
  const Eigen::ArrayXd x = (lambda - middle) / half;
  const double total = multiplicity.sum();
  const Eigen::ArrayXd root = (multiplicity / total).sqrt();
  Eigen::MatrixXd basis(count, size);
  std::vector<double> diagonal(q), off_diagonal(q - 1);
  basis.col(0) = root;
  for (Eigen::Index k = 0; k < size; ++k) {
    Eigen::VectorXd next = x * basis.col(k).array();
    diagonal[static_cast<std::size_t>(k)] = basis.col(k).dot(next);
    if (k + 1 == size) break;
    // Lanczos loses orthogonality unless every vector is cleaned of all earlier ones, twice.
    for (int pass = 0; pass < 2; ++pass) next -= basis.leftCols(k + 1) * (basis.leftCols(k + 1).transpose() * next);
    const double norm = next.norm();
    if (!(norm > 1e-10)) return std::nullopt;
    off_diagonal[static_cast<std::size_t>(k)] = norm;
    basis.col(k + 1) = next / norm;
  }
  const Rule rule = linear_algebra::tridiagonal_eigen(diagonal, off_diagonal);
  const Eigen::VectorXd moments = basis.transpose() * (power / root).matrix();
  const double bin_power = power.sum();
  constexpr double rounding = 1e-15;  // of all the bin's power
  Spectrum out;
  for (std::size_t k = q; k-- > 0;) {
    const double n = total * rule.vectors(0, k) * rule.vectors(0, k);
    double rho =
        rule.vectors(0, k) * Eigen::Map<const Eigen::VectorXd>(rule.vectors.column(k).data(), size).dot(moments);
    if (rho < 0 && rho > -rounding * bin_power) rho = 0;
    const double node = middle + half * rule.values[k];
    if (!(n > 0) || !(rho >= 0) || !(node > 0)) return std::nullopt;
    append(out, node, n, rho);
  }
  return out;
}

void add_bin(Spectrum& out, const Spectrum& s, std::size_t first, std::size_t last, std::size_t q) {
  if (last - first > q) {
    if (const auto nodes = gauss_of_modes(s, first, last, q)) {
      for (std::size_t a = 0; a < nodes->modes(); ++a)
        append(out, nodes->eigenvalue[a], nodes->multiplicity[a], nodes->target_power[a]);
      return;
    }
    const double middle = std::sqrt(s.eigenvalue[first]) * std::sqrt(s.eigenvalue[last - 1]);
    const auto begin = s.eigenvalue.begin();
    auto cut =
        static_cast<std::size_t>(std::lower_bound(begin + static_cast<std::ptrdiff_t>(first),
                                                  begin + static_cast<std::ptrdiff_t>(last), middle, std::greater<>()) -
                                 begin);
    cut = std::clamp(cut, first + 1, last - 1);
    add_bin(out, s, first, cut, q);
    add_bin(out, s, cut, last, q);
    return;
  }
  for (std::size_t a = first; a < last; ++a) append(out, s.eigenvalue[a], s.multiplicity[a], s.target_power[a]);
}

/// Bins have equal width in log(lambda / (pole - lambda)). Far below the pole that is log lambda; near the largest
/// eigenvalue it narrows the bins as the kernel norm close to the stability threshold needs.
/// `s` has distinct positive eigenvalues, largest first.
Spectrum rule_of_modes(const Spectrum& s, double width, std::size_t q) {
  Spectrum out;
  const std::size_t kept = std::min(kept_exactly, s.modes());
  for (std::size_t a = 0; a < kept; ++a) append(out, s.eigenvalue[a], s.multiplicity[a], s.target_power[a]);
  const double pole = s.eigenvalue[0] / nearest_to_threshold;
  // The slowest mode of all, and the slowest that the bias has.
  double slowest_in_bias = s.eigenvalue[0];
  for (std::size_t a = 0; a < s.modes(); ++a)
    if (s.target_power[a] > 0) slowest_in_bias = s.eigenvalue[a];
  std::size_t first = kept;
  while (first < s.modes()) {
    const double lambda = s.eigenvalue[first];
    double bin = graded(width, std::log(lambda / s.eigenvalue.back()));
    if (lambda > slowest_in_bias) bin = std::min(bin, graded(width, std::log(lambda / slowest_in_bias)));
    const double odds = lambda / (pole - lambda) * std::exp(-bin);
    const double low = pole * odds / (1 + odds);
    std::size_t last = first + 1;
    while (last < s.modes() && s.eigenvalue[last] > low) ++last;
    add_bin(out, s, first, last, q);
    first = last;
  }
  return out;
}

std::size_t nodes_per_bin(double tolerance) {
  const double digits = -std::log10(tolerance);
  return std::clamp(static_cast<std::size_t>(std::lround(0.9 * digits + 1)), std::size_t{3}, most_nodes_per_bin);
}

void check_tolerance(double tolerance) {
  if (!(tolerance > 0 && tolerance < 1))
    throw std::invalid_argument(fmt::format("compress must be > 0 and < 1, got {}", tolerance));
}

/// Shrinks the bins until the measured error is small enough, then widens them again to within a few percent.
/// Returns nothing when the rule would not be shorter than `limit` modes.
template <typename MakeRule>
std::optional<Compressed> search(const Reference& reference, double tolerance, double width, std::size_t limit,
                                 MakeRule make_rule) {
  std::optional<Compressed> best;
  double good = 0, bad = width * 1.5;
  while (!best) {
    Spectrum nodes = make_rule(width);
    if (nodes.modes() >= limit) return std::nullopt;
    const CompressionError error = reference.compare(nodes);
    if (between_times * error.worst() <= tolerance) {
      best = Compressed{std::move(nodes), error};
      good = width;
    } else {
      bad = width;
      width /= 1.5;
    }
  }
  for (int k = 0; k < 3; ++k) {
    width = std::sqrt(good * bad);
    Spectrum nodes = make_rule(width);
    const CompressionError error = reference.compare(nodes);
    if (between_times * error.worst() <= tolerance) {
      good = width;
      if (nodes.modes() < best->spectrum.modes()) best = Compressed{std::move(nodes), error};
    } else {
      bad = width;
    }
  }
  return best;
}

}  // namespace

CompressionError compression_error(const Spectrum& nodes, const Spectrum& reference) {
  return Reference(reference).compare(nodes);
}

Compressed compress(const Spectrum& spectrum, double tolerance) {
  check_tolerance(tolerance);
  const Spectrum whole = merged(spectrum);
  Spectrum positive = whole;
  const bool singular = whole.eigenvalue.back() == 0;
  if (singular) {
    positive.eigenvalue.pop_back();
    positive.multiplicity.pop_back();
    positive.target_power.pop_back();
  }
  const std::size_t q = nodes_per_bin(tolerance);
  auto found = search(Reference(positive), tolerance, 3.0, positive.modes(),
                      [&](double width) { return rule_of_modes(positive, width, q); });
  if (!found) return {whole, {}};
  Spectrum& s = found->spectrum;
  if (singular) append(s, 0, whole.multiplicity.back(), whole.target_power.back());
  s = checked(std::move(s));
  s.unexplained_variance = whole.unexplained_variance;
  s.compressed = true;
  s.provenance = fmt::format("{}; {} eigenvalues compressed to {} nodes, relative error {:.1e}", whole.provenance,
                             whole.modes(), s.modes(), between_times * found->error.worst());
  return std::move(*found);
}

Compressed power_law_nodes(double dimension, double alpha, double beta, double tolerance) {
  check_tolerance(tolerance);
  if (!(dimension >= 1 && dimension <= 1e15 && dimension == std::floor(dimension)))
    throw std::invalid_argument(fmt::format("dimension must be a whole number from 1 to 1e15, got {}", dimension));
  if (!(alpha > 0)) throw std::invalid_argument(fmt::format("alpha must be > 0, got {}", alpha));
  const Law law{dimension, alpha, beta};
  const auto rule = [&](double width, std::size_t q) { return power_law_rule(law, width, q); };
  const double fine_width = law.fine_width();
  const Spectrum fine = rule(fine_width, most_nodes_per_bin);
  const std::size_t q = nodes_per_bin(tolerance);
  auto found = search(Reference(fine), tolerance, 3 / std::max(alpha, 0.5), fine.modes(),
                      [&](double width) { return rule(width, q); });
  // Rounding limits what can be asked; below that the reference itself is returned, with its own measured error.
  Compressed result =
      found ? std::move(*found) : Compressed{fine, compression_error(fine, rule(fine_width / 2, most_nodes_per_bin))};
  Spectrum& s = result.spectrum;
  s = checked(std::move(s));
  s.compressed = static_cast<double>(s.modes()) < dimension;
  s.provenance = fmt::format("power law j^(-2 alpha), alpha = {}, beta = {}, d = {}", alpha, beta, dimension);
  if (s.compressed)
    s.provenance +=
        fmt::format("; compressed to {} nodes, relative error {:.1e}", s.modes(), between_times * result.error.worst());
  return result;
}

}  // namespace edgewise::spectra
