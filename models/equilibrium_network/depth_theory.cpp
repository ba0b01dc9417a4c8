#include "models/equilibrium_network/depth_theory.hpp"

#include <algorithm>
#include <array>
#include <boost/math/special_functions/erf.hpp>
#include <boost/random/sobol.hpp>
#include <cmath>

#include "linear_algebra/dense.hpp"
#include "numerics/constants.hpp"
#include "random/random.hpp"

namespace edgewise::models::equilibrium_network {

namespace {

constexpr double settled = 4e-15;         ///< relative change of what has converged
constexpr double series_residual = 1e-3;  ///< relative; above, it is summed
constexpr double small_residual = 1e-20;  ///< relative; below, a step is moved by its derivative alone

/// A number along depth, and how it last changed.
struct Walked {
  double value = 0, change = 0, ratio = 0;
  void to(double next) {
    ratio = change != 0 ? (next - value) / change : 0;
    change = next - value;
    value = next;
  }
  bool done() const { return std::abs(change) <= settled * std::abs(value); }
  /// So many iterations later, if what is left falls by one factor each.
  double after(double further, double limit) const {
    return further == 0 ? value : limit + (value - limit) * std::pow(std::clamp(ratio, -1.0, 1.0), further);
  }
};

/// Paths of the single state and its Gaussian drive, of one or two inputs.
class Paths {
 public:
  Paths(double tau, const StateFunction& phi, double q_h, double g, std::optional<double> rho_h, std::uint64_t depth,
        std::uint64_t sample)
      : memory_(tau * g * g),
        g2_(g * g),
        q_h_(q_h),
        rho_h_(rho_h),
        phi_(phi),
        inputs_(rho_h ? 2 : 1),
        points_(normal_points(pairs, inputs_ * depth, sample, !phi.odd)),
        paths_(points_.rows()) {}

  struct Depth {
    double length = 0, residual = 0, overlap = 0;
  };

  /// Of depths 0 to `depth`.
  std::vector<Depth> walk(std::uint64_t depth) {
    std::vector<Depth> out(depth + 1);
    bool stopped = false;
    for (std::size_t k = 1; k <= depth; ++k) {
      stopped = stopped || (k > 2 && out[k - 2].residual <= followed_residual * lengths_.back());
      if (stopped) {  // what is left goes on falling as it did
        const double last = out[k - 2].residual;
        out[k] = out[k - 1];
        out[k - 1].residual = last > 0 ? last * (last / out[k - 3].residual) : 0;
        continue;
      }
      for (std::size_t a = 0; a < inputs_; ++a) add(k, a);
      if (inputs_ == 2) correct_overlap(k);
      respond(k);
      out[k].length = lengths_[k];
      if (inputs_ == 2) out[k].overlap = covariance(k, 0, k, 1);
      out[k - 1].residual = difference(k, k - 1);
    }
    return out;
  }

 private:
  static constexpr std::size_t pairs = 4096;
  using Path = std::vector<double>;

  std::size_t place(std::size_t k, std::size_t a) const { return (k - 1) * inputs_ + a; }
  const Path& state(std::size_t k, std::size_t a) const { return z_[place(k, a)]; }
  /// In four sums, none of which waits for the others.
  static double mean_product(const Path& x, const Path& y) {
    std::array<double, 4> sum{};
    for (std::size_t p = 0; p < x.size(); p += 4)
      for (std::size_t i = 0; i < 4; ++i) sum[i] += x[p + i] * y[p + i];
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) / static_cast<double>(x.size());
  }
  /// E z_k z_l of inputs a and b, 0 at depth 0. The sample's states are scaled to their corrected lengths.
  double covariance(std::size_t k, std::size_t a, std::size_t l, std::size_t b) const {
    if (k == 0 || l == 0) return 0;
    const double shift = a == b ? 0 : (overlap_shifts_[k] + overlap_shifts_[l]) / 2;
    return scales_[place(k, a)] * scales_[place(l, b)] * mean_product(state(k, a), state(l, b)) + shift;
  }

  /// As lengths are.
  void correct_overlap(std::size_t k) {
    overlap_shifts_.resize(k + 1, 0);
    const double rho = std::clamp(drive_covariance(k, 0, k, 1) / drive_covariance(k, 0, k, 0), -1.0, 1.0);
    const double corrected = mean_product(state(k, 0), state(k, 1)) - mean_product(plain_[0], plain_[1]) +
                             pair_moments(phi_, drive_covariance(k, 0, k, 0), 0, rho).states;
    overlap_shifts_[k] = corrected - covariance(k, 0, k, 1);
  }

  double drive_covariance(std::size_t k, std::size_t a, std::size_t l, std::size_t b) const {
    return q_h_ * (a == b ? 1 : *rho_h_) + g2_ * covariance(k - 1, a, l - 1, b);
  }
  double difference(std::size_t k, std::size_t l) const {
    if (l == 0) return lengths_[k];
    double sum = 0;
    for (std::size_t p = 0; p < paths_; ++p) sum += std::pow(state(k, 0)[p] - state(l, 0)[p], 2);
    return sum / static_cast<double>(paths_);
  }

  /// The state u_k of one input.
  void add(std::size_t k, std::size_t a) {
    const std::size_t at = place(k, a);
    // The next row of Cholesky's factor of the covariance of the drives.
    std::vector<double> row(at + 1);
    double rest = drive_covariance(k, a, k, a);
    const double variance = rest;
    for (std::size_t j = 0; j < at; ++j) {
      double sum = drive_covariance(k, a, j / inputs_ + 1, j % inputs_);
      for (std::size_t i = 0; i < j; ++i) sum -= row[i] * factor_[j][i];
      row[j] = factor_[j][j] > 0 ? sum / factor_[j][j] : 0;
      rest -= row[j] * row[j];
    }
    row[at] = rest > negligible * variance ? std::sqrt(rest) : 0;
    Path u(paths_, 0.0), z(paths_), plain(paths_);
    for (std::size_t j = 0; j <= at; ++j)
      for (std::size_t p = 0; p < paths_; ++p) u[p] += row[j] * points_(p, j);
    factor_.push_back(std::move(row));
    std::ranges::transform(u, plain.begin(), phi_.value);
    for (std::size_t s = 2; s < k; ++s)
      if (const double weight = memory_ * responses_[k - 1][s]; weight != 0)
        for (std::size_t p = 0; p < paths_; ++p) u[p] += weight * state(s - 1, a)[p];
    std::ranges::transform(u, z.begin(), phi_.value);
    if (a == 0) {
      slopes_.emplace_back(paths_);
      std::ranges::transform(u, slopes_.back().begin(), phi_.slope);
    }
    // What the sample makes of the drive alone is known by an integral: the difference corrects it.
    const double sampled = mean_product(z, z);
    const double corrected = sampled + mean_square_state(phi_, variance) - mean_product(plain, plain);
    scales_.push_back(sampled > 0 && corrected > 0 ? std::sqrt(corrected / sampled) : 1);
    if (a == 0) lengths_.resize(k + 1, corrected);
    z_.push_back(std::move(z));
    plain_[a] = std::move(plain);
  }

  /// R(k, s) = E phi'(u_k) du_k/dv_s, which vanishes unless k - s is even.
  void respond(std::size_t k) {
    const std::vector<double>& slope = slopes_[k - 1];
    moved_.resize(k + 1);
    moved_[k].resize(k + 1);
    responses_.resize(k + 1);
    responses_[k].assign(k + 1, 0);
    for (std::size_t s = k; s >= 1; s = s > 2 ? s - 2 : 0) {
      Path& moved = moved_[k][s];
      moved.assign(paths_, s == k ? 1.0 : 0.0);
      for (std::size_t r = s + 1; r < k; r += 2)
        if (const double weight = memory_ * responses_[k - 1][r]; weight != 0)
          for (std::size_t p = 0; p < paths_; ++p) moved[p] += weight * slopes_[r - 2][p] * moved_[r - 1][s][p];
      responses_[k][s] = mean_product(slope, moved);
    }
  }

  static constexpr double negligible = 1e-14, followed_residual = 1e-13;

  double memory_, g2_, q_h_;
  std::optional<double> rho_h_;
  const StateFunction& phi_;
  std::size_t inputs_;
  linear_algebra::Matrix points_;  ///< a column a drive; of odd functions one of each pair is enough
  std::size_t paths_;
  std::vector<std::vector<double>> factor_;     ///< rows
  std::vector<Path> z_;                         ///< by place
  std::vector<Path> slopes_;                    ///< phi'(u_k) of the first input
  std::vector<std::vector<Path>> moved_;        ///< du_k/dv_s
  std::vector<std::vector<double>> responses_;  ///< R(k, s)
  std::array<Path, 2> plain_;                   ///< phi of the drives v_k
  std::vector<double> scales_, lengths_ = {0.0}, overlap_shifts_ = {0.0};
};

/// Bi-invariant weights: at depth k, the law of u_{k+1} and what follows from it.
class MemorylessWalk {
 public:
  MemorylessWalk(const StateFunction& phi, double q_h, double g, std::optional<double> rho_h, const DepthLimit& limit)
      : phi_(phi), q_h_(q_h), g2_(g * g), rho_h_(rho_h), limit_(limit), state_(law(q_h)) {
    residual_ = mean_square_state(phi, q_h);
  }

  void to(std::uint64_t depth) {
    for (; depth_ < std::min(depth, longest_walk) && !done(); ++depth_) advance();
  }
  bool done() const {
    // The last step was by the derivative: differences of states lose half their digits there.
    return depth_ > 0 && length_.done() && overlap_.done() && residual_ <= fall_ * small_residual * length_.value;
  }
  double length(std::uint64_t depth) const { return length_.after(further(depth), limit_.length); }
  double overlap(std::uint64_t depth) const { return overlap_.after(further(depth), limit_.overlap); }
  double residual(std::uint64_t depth) const { return residual_ * std::pow(fall_, further(depth)); }

 private:
  double further(std::uint64_t depth) const { return static_cast<double>(depth - depth_); }

  /// Of phi(u), u ~ N(0, q).
  DriveSeries law(double q) const {
    return {state_law(phi_, q, 0), q, 0, [](const StateNode& a) { return a.z; }};
  }

  void advance() {
    const double q = q_h_ + g2_ * length_.value, step = g2_ * residual_;
    if (rho_h_) {
      const double rho = std::clamp((q_h_ * *rho_h_ + g2_ * overlap_.value) / q, -1.0, 1.0);
      const double by_series = state_.overlap(rho);
      overlap_.to(std::isnan(by_series) ? pair_moments(phi_, q, 0, rho).states : by_series);
    }
    // Once the length has come to rest, so has the law.
    const bool rests = depth_ > 0 && length_.done();
    length_.to(rests ? length_.value : mean_square_state(phi_, q));
    const double next = q_h_ + g2_ * length_.value;
    DriveSeries moved_on = rests ? DriveSeries() : law(next), &state = rests ? state_ : moved_on;
    double moved = nan;
    if (residual_ <= small_residual * length_.value)
      moved = step * average(state_law(phi_, next, 0), [](const StateNode& a) { return a.slope * a.slope; });
    else if (phi_.smooth() && residual_ > series_residual * length_.value)
      moved = DriveSeries::square_distance(
          state_, state,
          (step - std::pow((next - q) / (std::sqrt(q) + std::sqrt(next)), 2)) / (2 * std::sqrt(q) * std::sqrt(next)));
    if (std::isnan(moved)) {
      // u_{k+2} = (1 + drift) u_{k+1} + an independent part.
      const double drift = (g2_ * length_.change - step) / (2 * q);
      moved = mean_square_change(phi_, q, drift, std::sqrt(std::max(0.0, step - drift * drift * q)));
    }
    fall_ = residual_ > 0 ? moved / residual_ : 0;
    residual_ = moved;
    if (!rests) state_ = std::move(moved_on);
  }

  const StateFunction& phi_;
  double q_h_, g2_;
  std::optional<double> rho_h_;
  DepthLimit limit_;
  DriveSeries state_;  ///< phi(u_{k+1})
  Walked length_, overlap_;
  double residual_ = 0, fall_ = 0;
  std::uint64_t depth_ = 0;
};

}  // namespace

linear_algebra::Matrix normal_points(std::size_t pairs, std::size_t dimensions, std::uint64_t sample, bool both) {
  linear_algebra::Matrix half(pairs, dimensions);
  boost::random::sobol points(dimensions);
  std::vector<double> shift(dimensions);
  random::Stream stream(sample, 0);
  for (double& x : shift) x = stream.uniform();
  constexpr double unit = 0x1p-64;
  using Doubles = boost::math::policies::policy<boost::math::policies::promote_double<false>>;
  for (std::size_t i = 0; i < pairs; ++i)
    for (std::size_t j = 0; j < dimensions; ++j) {
      double u = shift[j] + (i == 0 ? 0 : static_cast<double>(points()) * unit);  // the engine leaves 0 out
      u -= std::floor(u);
      half(i, j) = std::sqrt(2.0) * boost::math::erf_inv(std::clamp(2 * u - 1, -1 + 1e-15, 1 - 1e-15), Doubles());
    }
  // Whitened, so that second moments are those of normals: each column less what the ones before have of it.
  linear_algebra::Matrix moments = linear_algebra::product(half, half, linear_algebra::Transposed::yes);
  for (double& x : moments.entries()) x /= static_cast<double>(pairs);
  const linear_algebra::Matrix factor = linear_algebra::cholesky(moments);
  for (std::size_t j = 0; j < dimensions; ++j) {
    const auto column = half.column(j);
    for (std::size_t l = 0; l < j; ++l) {
      const auto before = half.column(l);
      const double part = factor(j, l);
      for (std::size_t i = 0; i < pairs; ++i) column[i] -= part * before[i];
    }
    for (double& x : column) x /= factor(j, j);
  }
  if (!both) return half;
  linear_algebra::Matrix out(2 * pairs, dimensions);
  for (std::size_t j = 0; j < dimensions; ++j)
    for (std::size_t i = 0; i < pairs; ++i) {
      out(2 * i, j) = half(i, j);
      out(2 * i + 1, j) = -half(i, j);
    }
  return out;
}

DepthCurves depth_curves(const StateFunction& phi, double q_h, double g, std::optional<double> rho_h,
                         const DepthLimit& limit, const std::vector<std::uint64_t>& depths) {
  DepthCurves out;
  MemorylessWalk walk(phi, q_h, g, rho_h, limit);
  for (const std::uint64_t depth : depths) {
    walk.to(depth);
    out.length.push_back(walk.length(depth));
    out.residual.push_back(walk.residual(depth));
    out.extrapolated = depth > longest_walk && !walk.done();
    if (rho_h) out.overlap.push_back(walk.overlap(depth));
  }
  return out;
}

DepthCurves depth_curves_with_memory(double tau, const StateFunction& phi, double q_h, double g,
                                     std::optional<double> rho_h, const std::vector<std::uint64_t>& depths) {
  DepthCurves out;
  if (depths.empty()) return out;
  // One further depth for the residual of the last.
  const std::uint64_t last = depths.back() + 1;
  const auto one = Paths(tau, phi, q_h, g, rho_h, last, 1).walk(last),
             other = Paths(tau, phi, q_h, g, rho_h, last, 2).walk(last);
  for (const std::uint64_t k : depths) {
    const auto add = [&](double Paths::Depth::*of, std::vector<double>& values, double& error) {
      const double a = one[k].*of, b = other[k].*of;
      values.push_back((a + b) / 2);
      if (one[k].length > 0)
        error = std::max(error, std::abs(a - b) / std::abs(of == &Paths::Depth::overlap ? 2 * one[k].length : a + b));
    };
    add(&Paths::Depth::length, out.length, out.sampling_error);
    if (rho_h) add(&Paths::Depth::overlap, out.overlap, out.sampling_error);
    add(&Paths::Depth::residual, out.residual, out.residual_error);
  }
  return out;
}

}  // namespace edgewise::models::equilibrium_network
