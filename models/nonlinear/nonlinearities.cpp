#include "models/nonlinear/nonlinearities.hpp"

#include <algorithm>
#include <array>
#include <boost/math/quadrature/gauss.hpp>
#include <cmath>

#include "numerics/constants.hpp"

namespace edgewise::models::nonlinear {

namespace {

constexpr std::array<double, 1> zero{0};
/// Standard deviations beyond which a normal density is nothing beside 1.
constexpr double far = 40;

double normal_pdf(double x) {
  return std::exp(-x * x / 2) / std::sqrt(2 * pi);
}
double upper_tail(double x) {
  return std::erfc(x / std::sqrt(2.0)) / 2;
}

/// Of r ~ N(mean, s^2) inside [-h, h].
struct Truncated {
  double mass = 0, outside = 0;  ///< probability inside and outside
  double second = 0;             ///< E r^2 1{|r| < h}
  double edges = 0;              ///< p(h) + p(-h)
  double slopes = 0;             ///< p'(h) - p'(-h)
  double drift = 0;              ///< -E r p'/p 1{|r| < h} = mass - h edges, which cancels where the interval is narrow
};

/// Of r ~ N(0, s^2): one exponential and one error function, for mixtures ask it hundreds of times.
Truncated centred(double s, double h) {
  Truncated t;
  const double z = h / s;
  if (z > far) return {1, 0, s * s, 0, 0, 1};
  const double density = normal_pdf(z);
  t.edges = 2 * density / s;
  t.slopes = -2 * z * density / (s * s);
  if (z < 0.5) {
    // int_{-z}^{z} u^2 phi(u) du = z^3 sqrt(2/pi) sum_k (-z^2/2)^k / (k! (2k + 3)), where the closed form cancels.
    t.mass = std::erf(z / std::sqrt(2.0));
    t.outside = 1 - t.mass;
    const double x = -z * z / 2;
    double term = 1, sum = 0;
    for (int k = 0; k < 10; ++k) {
      sum += term / (2 * k + 3);
      term *= x / (k + 1);
    }
    t.drift = z * z * z * std::sqrt(2 / pi) * sum;
    t.second = s * s * t.drift;
  } else {
    t.outside = std::erfc(z / std::sqrt(2.0));
    t.mass = 1 - t.outside;
    t.drift = t.mass - 2 * z * density;
    t.second = s * s * t.drift;
  }
  return t;
}

Truncated truncated(double mean, double s, double h) {
  if (mean == 0) return centred(s, h);
  Truncated t;
  const double m = std::abs(mean);  // every part is even in the mean
  const double upper = (h - m) / s, lower = (-h - m) / s;
  if (upper < -far) return {0, 1, 0, 0, 0, 0};
  if (upper > far && lower < -far) return {1, 0, m * m + s * s, 0, 0, 1};
  const double at_upper = normal_pdf(upper), at_lower = normal_pdf(lower);
  t.edges = (at_upper + at_lower) / s;
  t.slopes = (-upper * at_upper + lower * at_lower) / (s * s);
  t.outside = upper_tail(upper) + upper_tail(-lower);
  if (h < s / 2) {
    // The closed forms cancel where the interval is narrow; there the density is smooth on it.
    using Rule = boost::math::quadrature::gauss<double, 20>;
    t.mass = Rule::integrate([&](double r) { return normal_pdf((r - m) / s) / s; }, -h, h);
    t.second = Rule::integrate([&](double r) { return r * r * normal_pdf((r - m) / s) / s; }, -h, h);
    t.drift = Rule::integrate([&](double r) { return r * ((r - m) / s) * normal_pdf((r - m) / s) / (s * s); }, -h, h);
  } else {
    t.mass = upper > 0 ? 1 - t.outside : upper_tail(-upper) - upper_tail(-lower);
    t.second =
        (m * m + s * s) * t.mass - 2 * m * s * (at_upper - at_lower) - s * s * (upper * at_upper - lower * at_lower);
    t.drift = t.mass - h * t.edges;
  }
  return t;
}

/// What does something to r inside [-h, h] and something else outside; h = infinity leaves r as it is.
class Cut : public ResidualNonlinearity {
 public:
  explicit Cut(double h) : h_(h), kinks_{-h, h} {}
  bool identity() const final { return std::isinf(h_); }
  std::span<const double> kinks() const final { return std::span(kinks_).first(identity() ? 0 : 2); }
  double growth() const final { return identity() ? 1 : 0; }
  ResidualCoefficients gaussian(double mean, double variance) const final {
    if (identity()) return {1, mean * mean + variance, 2};
    return coefficients(truncated(mean, std::sqrt(variance), h_));
  }

 protected:
  virtual ResidualCoefficients coefficients(const Truncated& t) const = 0;
  double h_;

 private:
  std::array<double, 2> kinks_;
};

class Huber final : public Cut {
 public:
  using Cut::Cut;
  double operator()(double r) const override { return std::clamp(r, -h_, h_); }

 private:
  ResidualCoefficients coefficients(const Truncated& t) const override {
    return {t.mass, t.second + h_ * (h_ * t.outside), 2 * t.drift};
  }
};

class Rejection final : public Cut {
 public:
  using Cut::Cut;
  double operator()(double r) const override { return std::abs(r) < h_ ? r : 0; }

 private:
  ResidualCoefficients coefficients(const Truncated& t) const override {
    return {t.drift, t.second, 2 * t.drift + h_ * (h_ * t.slopes)};
  }
};

/// A constant below 0, at 0 and above.
class Step final : public ResidualNonlinearity {
 public:
  Step(double below, double at, double above) : below_(below), at_(at), above_(above) {}
  double operator()(double r) const override { return r > 0 ? above_ : r < 0 ? below_ : at_; }
  std::span<const double> kinks() const override { return zero; }
  ResidualCoefficients gaussian(double mean, double variance) const override {
    const double s = std::sqrt(variance), z = mean / s, density = normal_pdf(z) / s;
    const double over = above_ * above_, under = below_ * below_;
    return {(above_ - below_) * density, over * upper_tail(-z) + under * upper_tail(z),
            (under - over) * z / s * density};
  }

 private:
  double below_, at_, above_;
};

class General final : public ResidualNonlinearity {
 public:
  General(std::function<double(double)> chi, std::vector<double> kinks, double growth)
      : chi_(std::move(chi)), kinks_(std::move(kinks)), growth_(growth) {
    std::ranges::sort(kinks_);
  }
  double operator()(double r) const override { return chi_(r); }
  std::span<const double> kinks() const override { return kinks_; }
  double growth() const override { return growth_; }
  ResidualCoefficients gaussian(double mean, double variance) const override {
    return gaussian_average<20>(chi_, kinks_, mean, variance);
  }

 private:
  std::function<double(double)> chi_;
  std::vector<double> kinks_;
  double growth_;
};

}  // namespace

template <unsigned points>
ResidualCoefficients gaussian_average(const std::function<double(double)>& chi, std::span<const double> edges,
                                      double mean, double variance, bool half) {
  using Rule = boost::math::quadrature::gauss<double, points>;
  constexpr double reach = 12;
  // In standard deviations: r itself may not resolve them. Of z and z^2 - 1, whose averages are 0, a constant of chi is left out.
  const double s = std::sqrt(variance), level = half ? 0 : chi(mean);
  ResidualCoefficients out;
  const auto add = [&](double a, double b) {
    const double middle = (a + b) / 2, width = (b - a) / 2;
    const auto at = [&](double x, double weight) {
      const double z = middle + width * x, value = chi(mean + s * z);
      const double mass = weight * width * std::exp(-z * z / 2);
      out.mu += mass * (value - level) * z;
      out.q += mass * value * value;
      out.c2 += mass * (value - level) * (value + level) * (z * z - 1);
    };
    for (std::size_t i = 0; i < Rule::abscissa().size(); ++i) {
      const double x = Rule::abscissa()[i], weight = Rule::weights()[i];
      at(x, weight);
      if (x != 0) at(-x, weight);
    }
  };
  double left = half ? 0 : -reach;
  for (auto edge = std::ranges::upper_bound(edges, mean + s * left); left < reach;) {
    const double piece = edge != edges.end() ? std::clamp((*edge - mean) / s, left, reach) : reach;
    const double parts = std::ceil((piece - left) / 2);
    for (double part = 0; part < parts; ++part)
      add(left + (piece - left) * part / parts, left + (piece - left) * (part + 1) / parts);
    left = piece;
    if (edge != edges.end()) ++edge;
  }
  const double scale = (half ? 2 : 1) / std::sqrt(2 * pi);
  return {out.mu * (scale / s), out.q * scale, out.c2 * (scale / variance)};
}

template ResidualCoefficients gaussian_average<20>(const std::function<double(double)>&, std::span<const double>,
                                                   double, double, bool);
template ResidualCoefficients gaussian_average<30>(const std::function<double(double)>&, std::span<const double>,
                                                   double, double, bool);

std::unique_ptr<ResidualNonlinearity> identity_nonlinearity() {
  return huber_nonlinearity(infinity);
}
std::unique_ptr<ResidualNonlinearity> huber_nonlinearity(double h) {
  return std::make_unique<Huber>(h);
}
std::unique_ptr<ResidualNonlinearity> sign_nonlinearity() {
  return std::make_unique<Step>(-1, 0, 1);
}
std::unique_ptr<ResidualNonlinearity> quantile_nonlinearity(double tau) {
  return std::make_unique<Step>(-tau, -tau, 1 - tau);
}
std::unique_ptr<ResidualNonlinearity> rejection_nonlinearity(double h) {
  return std::make_unique<Rejection>(h);
}
std::unique_ptr<ResidualNonlinearity> general_nonlinearity(std::function<double(double)> chi, std::vector<double> kinks,
                                                           double growth) {
  return std::make_unique<General>(std::move(chi), std::move(kinks), growth);
}

}  // namespace edgewise::models::nonlinear
