#pragma once
/// \file
/// Label-noise laws, each an object with sampler and moments.
#include <functional>
#include <memory>
#include <span>

#include "random/random.hpp"
#include "settings/settings.hpp"

namespace edgewise::models {

/// The law of the label noise eps, symmetric about 0.
class Noise {
 public:
  virtual ~Noise() = default;
  virtual const std::string& name() const = 0;
  virtual double variance() const = 0;             ///< E eps^2; may be infinite
  virtual double fourth_moment() const = 0;        ///< E eps^4; may be infinite
  virtual bool gaussian() const { return false; }  ///< includes variance 0
  virtual double draw(random::Stream& stream) const = 0;
};

struct NoiseKind {
  settings::Description description;
  std::function<std::unique_ptr<Noise>(const settings::Values&)> build;
};

std::span<const NoiseKind> noise_kinds();

/// Reads the section [noise]: key `law` names the kind, `variance` its variance; none when absent.
std::unique_ptr<Noise> read_noise(const settings::Table& experiment);

}  // namespace edgewise::models
