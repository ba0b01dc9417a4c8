#include <algorithm>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <stdexcept>

#include "models/ingredients/learning_curves/dot_kernels.hpp"
#include "models/ingredients/learning_curves/harmonics.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::ingredients::learning_curves {

namespace {

using boost::math::tgamma_delta_ratio;

/// Terms of the series in 1 - u, whose ratio is at most 1/2.
constexpr std::size_t biased_terms = 60;

double angle(double u) {
  return std::acos(std::clamp(u, -1.0, 1.0));
}
double arc1_at(double u) {
  return (std::sqrt(std::max(0.0, 1 - u * u)) + u * (pi - angle(u))) / pi;
}

/// w0 arc0 + w1 arc1 + wu u arc0: every kernel of one hidden ReLU layer.
class ReluKernel final : public DotKernel {
 public:
  ReluKernel(double w0, double w1, double wu, bool bias) : DotKernel(bias), w0_(w0), w1_(w1), wu_(wu) {}
  bool exact_zeros() const override { return true; }

  double at(double u) const override { return (w0_ + wu_ * u) * (1 - angle(u) / pi) + w1_ * arc1_at(u); }

  std::vector<double> eigenvalues(double d, std::size_t max_degree) const override {
    const std::size_t size = multiplicities(d, max_degree).size();
    return bias() ? biased(d, size) : plain(d, size);
  }

  std::optional<double> far_eigenvalue(double d, double k) const override {
    if (bias()) return contracted_eigenvalue(d, k, 1);
    const auto square = [&](double degree, double a) {
      if (std::fmod(degree - a, 2) == 0) return 0.0;
      const double mu =
          std::tgamma(d / 2) / (2 * pi * std::pow(2, a)) * tgamma_delta_ratio((degree - a) / 2, a + d / 2);
      return mu * mu;
    };
    return combined(
        d, k, [&](double degree) { return 2 * square(degree, 0); },
        [&](double degree) { return 2 * d * square(degree, 1); });
  }

  std::optional<double> contracted_eigenvalue(double d, double k, double contraction) const override {
    // E y^s P_k as in `biased`, with (-s)_k = Gamma(k - s)/Gamma(-s), Gamma(-1/2) = -2 sqrt(pi); the series in y is
    // asymptotic in 1/k.
    double sum = 0, reflected = -2 * std::sqrt(pi);
    double scale = std::sqrt(contraction) * (std::tgamma(d - 1) / tgamma_delta_ratio((d - 1) / 2, 0.5));
    constexpr std::size_t most_terms = 30;
    for (std::size_t j = 0; j < most_terms; ++j) {
      const double s = static_cast<double>(j) + 0.5;
      const double term = series(j) * tgamma_delta_ratio(k - s, 2 * s + d - 1) * scale / reflected;
      sum += term;
      if (std::abs(term) < 1e-17 * std::abs(sum)) break;
      reflected /= -s - 1;
      scale *= contraction * (s + (d - 1) / 2);
    }
    return sum;
  }

 private:
  /// From the eigenvalues of arc0 and arc1: those of u K are neighbours' by the recursion of P_k.
  template <class Arc0, class Arc1>
  double combined(double d, double k, const Arc0& arc0, const Arc1& arc1) const {
    const double shifted =
        wu_ == 0 ? 0 : (k == 0 ? arc0(1) : ((k + d - 2) * arc0(k + 1) + k * arc0(k - 1)) / (2 * k + d - 2));
    return w0_ * arc0(k) + w1_ * arc1(k) + wu_ * shifted;
  }

  std::vector<double> plain(double d, std::size_t size) const {
    // mu_k(a) = E t_+^a P_k: mu_{k+2} = mu_k (a - k)/(k + d + a); here |mu_k|, of which the squares count.
    const double ratio = tgamma_delta_ratio(d / 2, 0.5) / std::sqrt(pi);
    std::vector<double> zero{0.5, ratio / 2}, one{ratio / 2, 1 / (2 * d)};
    for (std::size_t i = 0; i <= size; ++i) {
      const auto k = static_cast<double>(i);
      zero.push_back(zero[i] * k / (k + d));
      one.push_back(one[i] * std::abs(k - 1) / (k + d + 1));
    }
    std::vector<double> out;
    const auto of = [](const std::vector<double>& mu, double factor) {
      return [&mu, factor](double k) { return factor * std::pow(mu[static_cast<std::size_t>(k)], 2); };
    };
    for (std::size_t k = 0; k < size; ++k)
      out.push_back(combined(d, static_cast<double>(k), of(zero, 2), of(one, 2 * d)));
    return out;
  }

  /// With y = 1 - u = (1 - t)/2, arccos u = sum a_j y^(j+1/2) and sqrt(1 - u^2) = sum q_j y^(j+1/2): the coefficient of
  /// the kernel at y^(j+1/2). The rest of it is a polynomial of degree 1.
  double series(std::size_t j) const {
    const auto a = [](std::size_t i) {
      double out = std::sqrt(2.0);
      for (std::size_t m = 0; m < i; ++m) out *= static_cast<double>(2 * m + 1) / static_cast<double>(4 * (m + 1));
      return out / static_cast<double>(2 * i + 1);
    };
    double q = std::sqrt(2.0);
    for (std::size_t m = 0; m < j; ++m) q *= (static_cast<double>(m) - 0.5) / static_cast<double>(2 * (m + 1));
    const double product = a(j) - (j > 0 ? a(j - 1) : 0);  // of u arccos u
    return (-w0_ * a(j) + w1_ * (q - product) - wu_ * product) / pi;
  }

  std::vector<double> biased(double d, std::size_t size) const {
    std::vector<double> out(size, 0.0);
    // E y^s P_k = (-s)_k Gamma(s + (d-1)/2) Gamma(d-1)/(Gamma((d-1)/2) Gamma(s + d - 1 + k))
    double start = tgamma_delta_ratio(d - 1, 0.5) / tgamma_delta_ratio((d - 1) / 2, 0.5);
    for (std::size_t j = 0; j < biased_terms; ++j) {
      const double s = static_cast<double>(j) + 0.5, weight = series(j);
      double moment = start;
      for (std::size_t i = 0; i < size; ++i) {
        const auto k = static_cast<double>(i);
        out[i] += weight * moment;
        moment *= (k - s) / (s + d - 1 + k);
      }
      start *= (s + (d - 1) / 2) / (s + d - 1);
    }
    out[0] += w0_ + 0.5 * (w1_ + wu_);
    if (size > 1) out[1] += 0.5 * (w1_ + wu_) / d;
    return out;
  }

  std::vector<double> plain_taylor(std::size_t size) const override {
    std::vector<double> b(size + 3, 0.0);
    b[0] = w0_ / 2 + w1_ / pi;
    b[1] = (w1_ + wu_) / 2;
    double l = 1;  // binom(2j, j)/4^j
    for (std::size_t i = 0; 2 * i + 1 < size + 1; ++i) {
      const auto j = static_cast<double>(i);
      b[2 * i + 1] += w0_ * l / ((2 * j + 1) * pi);
      b[2 * i + 2] += (w1_ / (2 * j + 2) + wu_) * l / ((2 * j + 1) * pi);
      l *= (2 * j + 1) / (2 * j + 2);
    }
    b.resize(size);
    return b;
  }

  double w0_, w1_, wu_;
};

}  // namespace

std::unique_ptr<DotKernel> relu_kernel(const std::string& name, bool bias) {
  const bool tangent = name == "ntk" || name == "ntk1";
  if (!tangent && name != "arc0" && name != "arc1")
    throw std::invalid_argument(name + " is no kernel of one hidden ReLU layer: arc0, arc1, ntk or ntk1");
  return std::make_unique<ReluKernel>(name == "arc0" ? 1 : 0, name == "arc1" || name == "ntk" ? 1 : 0, tangent ? 1 : 0,
                                      bias);
}

}  // namespace edgewise::models::ingredients::learning_curves
