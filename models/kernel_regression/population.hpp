#pragma once
/// \file
/// What kernel regression learns from: the law of the inputs, the kernel's eigenspaces under it, and draws of samples.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/ingredients/learning_curves/kernel_ridge.hpp"
#include "models/ingredients/learning_curves/learning_curve.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::kernel_regression {

class Population {
 public:
  virtual ~Population() = default;
  /// What the theory needs.
  virtual ingredients::learning_curves::Levels levels() const = 0;
  /// E K(x, x), where it is known beside the levels.
  virtual std::optional<double> trace() const { return std::nullopt; }
  /// b_0 .. b_{size-1} of a kernel that is sum b_k <x, x'>^k; empty for others.
  virtual std::vector<double> taylor(std::size_t size) const {
    static_cast<void>(size);
    return {};
  }
  /// Samples and test points of one replica, labels without noise.
  virtual ingredients::learning_curves::RidgeData draw(std::uint64_t seed, std::uint64_t replica, std::size_t samples,
                                                       std::size_t tests) const = 0;
  /// Why so many samples cannot be drawn; empty where they can.
  virtual std::string obstacle(std::size_t samples, std::size_t tests) const = 0;
  virtual std::vector<std::string> warnings() const { return {}; }
  /// Whether `levels` takes a decomposition.
  virtual bool measured() const { return false; }
  /// Samples beyond which the levels are not those of the inputs.
  virtual double most_judged() const { return std::numeric_limits<double>::infinity(); }
  /// Share of the target's power that inputs carry which so many draws are not expected to meet once.
  virtual double rare_share(double draws) const {
    static_cast<void>(draws);
    return 0;
  }
  /// Label noise that comes with the data, e.g. the misfit of a measured spectrum.
  virtual double noise() const { return 0; }
};

/// Keys of sections [data] and [kernel] (beside those of the kernel: the ridge).
const std::vector<settings::Parameter>& data_parameters();
const std::vector<settings::Parameter>& kernel_section_parameters();

/// The population of an experiment. \throws settings::Error
std::unique_ptr<Population> read_population(const settings::Table& experiment);

// One each, in a file of their own; rows are images or those of the user's file.
std::unique_ptr<Population> sphere_population(const settings::Table& experiment, const settings::Values& data,
                                              const settings::Values& kernel);
std::unique_ptr<Population> feature_population(const settings::Table& experiment);
std::unique_ptr<Population> row_population(const settings::Values& data, const settings::Values& kernel, bool images);

}  // namespace edgewise::models::kernel_regression
