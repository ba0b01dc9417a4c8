#include "models/least_squares/product_variance.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "spectra/compression.hpp"

namespace edgewise::models::least_squares {

namespace {

/// Coefficients by which moments of a batch's mean come from those of its examples, b = 1/B: E mean^k is the sum over
/// the ways to share k factors among distinct examples.
struct OfMean {
  double b, two, three, four;
  explicit OfMean(double batch) : b(1 / batch), two(1 - b), three(two * (1 - 2 * b)), four(three * (1 - 3 * b)) {}
};

/// What the moments of one step are linear in, of a coordinate or of a pair; A = sum of w_k^2 over all others + sigma^2.
struct Others {
  double square;   // E A^2
  double fourths;  // sum of E w_k^4 over all others
};

}  // namespace

ProductVariance::ProductVariance(const ProductVarianceProblem& problem) : problem_(problem) {
  const VarianceProblem& m = problem_.modes;
  for (std::size_t a = 0; a < m.eigenvalue.size(); ++a)
    second_.push_back(m.eigenvalue[a] * m.initial_power[a] / m.multiplicity[a]);
  for (const double x : second_) fourth_.push_back(x * x);
  for (const double x : second_)
    for (const double y : second_) pairs_.push_back(x * y);
}

void ProductVariance::step(double eta) {
  const std::vector<double>& n = problem_.modes.multiplicity;
  const std::size_t modes = n.size();
  const double sigma2 = problem_.modes.noise_variance, k4 = problem_.data.fourth, k6 = problem_.data.sixth,
               k8 = problem_.data.eighth;
  const auto [b, two, three, four] = OfMean(problem_.modes.batch);
  // E w_i^2 (P + sigma^2), by mode, and E (P + sigma^2)^2.
  std::vector<double> row(modes, 0.0);
  double mean = 0, fourths = 0;
  for (std::size_t a = 0; a < modes; ++a) {
    for (std::size_t c = 0; c < modes; ++c) row[a] += n[c] * pair(a, c);
    row[a] += fourth_[a] - pair(a, a) + sigma2 * second_[a];
    mean += n[a] * second_[a];
    fourths += n[a] * fourth_[a];
  }
  double square = sigma2 * (mean + sigma2);
  for (std::size_t a = 0; a < modes; ++a) square += n[a] * row[a];
  const double noise = problem_.noise_fourth - 3 * sigma2 * sigma2;
  // E rho^4 of what the other coordinates and the noise give the residual.
  const auto residual = [&](const Others& o) { return 3 * o.square + (k4 - 3) * o.fourths + noise; };

  std::vector<double> x(modes), second(modes), fourth(modes), pairs(pairs_.size());
  for (std::size_t a = 0; a < modes; ++a) x[a] = eta * problem_.modes.eigenvalue[a];
  for (std::size_t a = 0; a < modes; ++a) {
    const double p = x[a], D = second_[a], F = fourth_[a], A = row[a] - F;
    second[a] = D * (1 - 2 * p + p * p * two) + p * p * b * ((k4 - 1) * D + mean + sigma2);
    // E w^2 m2, E w m3, E m4 with m_k = E (z r)^k given w.
    const Others others{square - 2 * row[a] + F, fourths - F};
    const double wm2 = k4 * F + A, wm3 = k6 * F + 3 * k4 * A;
    const double m4 = k8 * F + 6 * k6 * A + k4 * residual(others);
    const double m2m2 = k4 * k4 * F + 2 * k4 * A + others.square;
    fourth[a] = F * (1 - 4 * p) + 6 * p * p * (b * wm2 + two * F) -
                4 * p * p * p * (b * b * wm3 + 3 * b * two * wm2 + three * F) +
                p * p * p * p * (b * b * b * m4 + b * b * two * (4 * wm3 + 3 * m2m2) + 6 * b * three * wm2 + four * F);
  }
  for (std::size_t a = 0; a < modes; ++a)
    for (std::size_t c = 0; c <= a; ++c) {
      const double p = x[a], q = x[c], X = pair(a, c), Fi = fourth_[a], Fj = fourth_[c];
      const double Ai = row[a] - Fi - X, Aj = row[c] - Fj - X;
      const Others others{square - 2 * (row[a] + row[c]) + Fi + Fj + 2 * X, fourths - Fi - Fj};
      const double both = p * q;
      const double of_i = k4 * X + Fj + Aj, of_j = k4 * X + Fi + Ai;                      // E w_j^2 m_ii, E w_i^2 m_jj
      const double iij = k4 * Fj + 3 * (k4 * X + Aj), ijj = k4 * Fi + 3 * (k4 * X + Ai);  // E w_j m_iij, E w_i m_ijj
      const double iijj = k6 * (Fi + Fj) + 6 * k4 * k4 * X + 6 * k4 * (Ai + Aj) + residual(others);
      const double ii_jj = k4 * (Fi + Fj) + (k4 * k4 + 1) * X + (k4 + 1) * (Ai + Aj) + others.square;
      pairs[a * modes + c] = pairs[c * modes + a] =
          X * (1 - 2 * p - 2 * q) + p * p * (b * of_i + two * X) + q * q * (b * of_j + two * X) +
          4 * both * (1 + b) * X - 2 * both * p * (b * b * iij + b * two * (of_i + 4 * X) + three * X) -
          2 * both * q * (b * b * ijj + b * two * (of_j + 4 * X) + three * X) +
          both * both *
              (b * b * b * iijj + b * b * two * (2 * iij + 2 * ijj + ii_jj + 8 * X) +
               b * three * (of_i + of_j + 8 * X) + four * X);
    }
  second_ = std::move(second);
  fourth_ = std::move(fourth);
  pairs_ = std::move(pairs);
}

double ProductVariance::excess_mse() const {
  double sum = 0;
  for (std::size_t a = 0; a < second_.size(); ++a) sum += problem_.modes.multiplicity[a] * second_[a];
  return sum;
}

double ProductVariance::variance(const std::vector<double>& weight) const {
  const std::vector<double>& n = problem_.modes.multiplicity;
  double sum = 0;
  for (std::size_t a = 0; a < weight.size(); ++a) {
    sum += n[a] * weight[a] * weight[a] * (fourth_[a] - pair(a, a));
    for (std::size_t c = 0; c < weight.size(); ++c)
      sum += n[a] * weight[a] * n[c] * weight[c] * (pair(a, c) - second_[a] * second_[c]);
  }
  return std::isfinite(sum) ? std::max(0.0, sum) : std::numeric_limits<double>::infinity();
}

double ProductVariance::excess_mse_variance() const {
  return variance(std::vector<double>(second_.size(), 1.0));
}

double ProductVariance::parameter_error_variance() const {
  std::vector<double> weight;
  for (const double lambda : problem_.modes.eigenvalue) weight.push_back(1 / lambda);
  return variance(weight);
}

double unlike_squares(const spectra::Spectrum& nodes, const spectra::Spectrum& start) {
  const auto sum = [](const spectra::Spectrum& of, double by) {
    double out = 0;
    const double largest = *std::ranges::max_element(of.eigenvalue);
    for (std::size_t a = 0; a < of.modes(); ++a)
      out += of.target_power[a] * (of.target_power[a] / of.multiplicity[a]) * std::pow(of.eigenvalue[a] / largest, by);
    return out;
  };
  double worst = 0;
  for (const double by : {0.0, 2.0})
    if (const double whole = sum(start, by); whole > 0) worst = std::max(worst, std::abs(sum(nodes, by) / whole - 1));
  return worst;
}

spectra::Spectrum modes_of_variance(spectra::Spectrum start, bool gaussian_inputs) {
  spectra::Spectrum nodes = spectra::compress(start, 1e-7).spectrum;
  return gaussian_inputs || unlike_squares(nodes, start) <= alike_squares ? nodes : start;
}

}  // namespace edgewise::models::least_squares
