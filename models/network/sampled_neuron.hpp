#pragma once
/// \file
/// The loss of one neuron on drawn examples, of which that of neuron.hpp is the mean.
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/ingredients/networks/activations.hpp"
#include "models/network/neuron.hpp"
#include "random/random.hpp"

namespace edgewise::models::network {

/// mean of (phi(w.x) - phi(w*.x))^2/2 over examples x ~ N(0, I). The neglected part of relu_true, whose phi'' = delta no example
/// sees, is the mean of z x x' at the examples' projections onto w.x = 0, over sqrt(2 pi) |w|: unbiased, too.
class SampledNeuron final : public ingredients::CurvedObjective {
 public:
  SampledNeuron(NeuronKind kind, std::vector<double> teacher, double beta);
  /// Other examples; `move_to` must follow.
  void draw(random::Stream& stream, std::size_t examples);

  std::size_t parameters() const override { return teacher_.size(); }
  double move_to(std::span<const double> w) override;
  void gradient(std::span<double> out) const override;
  void product(ingredients::CurvaturePart part, std::span<const double> v, std::span<double> out) const override;

  struct Traces {
    double gauss_newton = 0, neglected = 0;
    double spread = 0;  ///< standard deviation of the neglected one from example to example
  };
  Traces traces() const;

 private:
  /// An example's weight in NME = mean of weight x x', x projected where the kink has it.
  double neglected(std::span<const double> x, std::size_t i, std::vector<double>& at) const;

  NeuronKind kind_;
  ingredients::networks::Activation phi_;
  std::vector<double> teacher_, w_;
  linear_algebra::Matrix x_;
  std::vector<double> residual_, first_, second_;
};

}  // namespace edgewise::models::network
