#pragma once
/// \file
/// Label-noise laws, each an object with sampler, density, moments and the form of a Gaussian mixture.
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

/// The law of the label noise eps, symmetric about 0.
class Noise {
 public:
  virtual ~Noise() = default;
  virtual const std::string& name() const = 0;
  virtual double variance() const = 0;       ///< E eps^2; may be infinite
  virtual double fourth_moment() const = 0;  ///< E eps^4; may be infinite
  /// nu where Pr(|eps| > x) falls like x^(-nu): E |eps|^p is finite for p < nu only. Infinite for lighter tails.
  virtual double tail_index() const { return std::numeric_limits<double>::infinity(); }
  virtual bool gaussian() const { return false; }  ///< includes variance 0
  virtual double draw(random::Stream& stream) const = 0;
  /// Density of eps; of a law with atoms: infinite there and 0 elsewhere.
  virtual double density(double eps) const = 0;
  /// eps as a finite Gaussian mixture (docs/theory/sign-and-clip.md, section 0.2). Averages of functions that are
  /// smooth on the scale `resolution` come out to 1e-13; only laws with a bounded continuous density need it.
  virtual std::vector<MixtureNode> nodes(double resolution = std::numeric_limits<double>::infinity()) const = 0;
  /// G(P) = E exp(-eps^2/(2P)) for P > 0, in closed form (docs/theory/sign-and-clip.md, section 0.2).
  virtual double exponential_average(double P) const = 0;
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
