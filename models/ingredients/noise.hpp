#pragma once
/// \file
/// Label-noise laws, each an object with sampler, density, moments and the form of a Gaussian mixture.
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "random/random.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::ingredients {

/// One Gaussian N(mean, variance) of a mixture, with its probability.
struct MixtureNode {
  double probability = 0, mean = 0, variance = 0;
};

/// What is to be averaged over the noise: f(eps) = E g(z - eps) over a normal z. Between its kinks and joints g is a
/// polynomial to rounding; across a joint it is smooth.
struct Average {
  double width = 0;                           ///< standard deviation of z
  std::span<const double> kinks{}, joints{};  ///< of g
  double growth = 0;                          ///< |g(r)| grows like |r|^growth
};

/// A density, and its derivative.
struct DensitySlope {
  double value = 0, slope = 0;
};

/// The law of the label noise eps, symmetric about 0. Scales are 0 or from 1e-150 to 1e150, variances 0 or from 1e-300
/// to 1e300; smaller ones are taken as none.
class Noise {
 public:
  virtual ~Noise() = default;
  virtual const std::string& name() const = 0;
  virtual double variance() const = 0;  ///< E eps^2; may be infinite
  /// E eps^4/(E eps^2)^2, at any scale; may be infinite. Of no noise 3.
  virtual double kurtosis() const = 0;
  double fourth_moment() const { return kurtosis() * variance() * variance(); }  ///< E eps^4; may be infinite
  /// nu where Pr(|eps| > x) falls like x^(-nu): E |eps|^p is finite for p < nu only. Infinite for lighter tails.
  virtual double tail_index() const { return std::numeric_limits<double>::infinity(); }
  virtual bool gaussian() const { return false; }  ///< includes variance 0
  virtual double draw(random::Stream& stream) const = 0;
  /// Density of eps; of a law with atoms: infinite there and 0 elsewhere.
  virtual double density(double eps) const = 0;
  /// Density of eps + N(0, width^2), width > 0, and its slope, at place + away: of a place among `sizes` or at 0, however
  /// far away that is from it beside its own size.
  virtual DensitySlope blurred_density(double width, double place, double away) const;
  /// eps as a finite Gaussian mixture that serves the averages E f(eps) which `average` describes (docs/theory/sign-and-clip.md,
  /// section 0.2), to a relative 1e-12 of E |f|. At most some ten thousand nodes, mostly a few hundred, whatever
  /// the law's parameters and the average's scale.
  virtual std::vector<MixtureNode> nodes(const Average& average) const = 0;
  /// log G(P), G(P) = E exp(-eps^2/(2P)), for P > 0, in closed form (docs/theory/sign-and-clip.md, section 0.2). Its relative error
  /// is that of rounding as G -> 1, too.
  virtual double log_exponential_average(double P) const = 0;
  /// The same by log P, for P beyond all numbers, too, where it falls like P^-1 or with the law's tail.
  virtual double log_exponential_average_at(double log_P) const;
  double exponential_average(double P) const { return std::exp(log_exponential_average(P)); }  ///< G(P)
  /// Sizes of |eps| at which the law has its features: standard deviations of its normal parts, places of its atoms and
  /// edges, scales of its tails. Empty where eps = 0.
  virtual std::vector<double> sizes() const = 0;
};

struct NoiseKind {
  settings::Description description;
  std::function<std::unique_ptr<Noise>(const settings::Values&)> build;
};

std::span<const NoiseKind> noise_kinds();

/// Reads the section [noise]: key `law` names the kind, beside its parameters; none when absent.
std::unique_ptr<Noise> read_noise(const settings::Table& experiment);

// The laws by their own parameters; every scale and variance >= 0, and 0 gives no noise.
std::unique_ptr<Noise> no_noise();
std::unique_ptr<Noise> gaussian_noise(double variance);
std::unique_ptr<Noise> laplace_noise(double variance);           ///< b^2 = variance/2
std::unique_ptr<Noise> student_noise(double dof, double scale);  ///< eps = scale * T_dof, dof > 0
std::unique_ptr<Noise> cauchy_noise(double scale);               ///< student_noise(1, scale) by its name
std::unique_ptr<Noise> uniform_noise(double variance);           ///< on [-c, c], c^2 = 3 variance
std::unique_ptr<Noise> rademacher_noise(double variance);        ///< +-sqrt(variance)
/// N(0, scale^2), or with `probability` N(0, outlier_scale^2).
std::unique_ptr<Noise> contaminated_noise(double scale, double outlier_scale, double probability);
/// 0, or with `probability` +-scale.
std::unique_ptr<Noise> three_point_noise(double scale, double probability);
/// eps plus an independent N(0, variance).
std::unique_ptr<Noise> blurred_noise(std::shared_ptr<const Noise> noise, double variance);

}  // namespace edgewise::models::ingredients
