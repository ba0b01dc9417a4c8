#pragma once
/// \file
/// Small dense networks with exact derivatives, in double precision and one thread: the same input gives the same bits.
///
/// A batch of n inputs is a matrix with a column per example; layer l makes z_l = m_l W_l h_{l-1} + b_l and h_l =
/// phi_l(z_l) of it, h_0 the inputs, f = h of the last layer the outputs (C x n). The parameters are one flat vector:
/// layer after layer, W_l (width x fan-in) column by column, then b_l.
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/ingredients/networks/activations.hpp"
#include "random/random.hpp"

namespace edgewise::models::ingredients::networks {

/// Where the widths stand, m_l and the variance of W_l at the start, sigma_w^2 = weight_variance:
/// standard m = 1, N(0, sigma_w^2/fan-in); ntk m = 1/sqrt(fan-in), N(0, sigma_w^2); mean_field as ntk, but m = 1/fan-in
/// in the last layer. Biases: N(0, bias_variance).
enum class Parametrisation { standard, ntk, mean_field };
const std::vector<std::string>& parametrisation_names();

struct Layer {
  std::size_t width = 1;
  Activation activation;
  bool bias = true;
};

struct Architecture {
  std::size_t inputs = 1;
  std::vector<Layer> layers;  ///< the last one makes the outputs; at least one
  Parametrisation parametrisation = Parametrisation::standard;
  double weight_variance = 1, bias_variance = 0;
};

/// What is kept of a forward pass, for all products at its parameters. The inputs must outlive it.
struct Pass {
  const linear_algebra::Matrix* inputs = nullptr;
  std::vector<linear_algebra::Matrix> value, first, second;  ///< phi, phi', phi'' of every layer, width x n

  const linear_algebra::Matrix& outputs() const { return value.back(); }
  /// h_{l-1}, what layer l reads.
  const linear_algebra::Matrix& before(std::size_t l) const { return l == 0 ? *inputs : value[l - 1]; }
};

/// Of u . f, u a C x n cotangent: its derivatives by h_l (`pulled`) and z_l (`delta`), all width x n.
struct Backward {
  std::vector<linear_algebra::Matrix> pulled, delta;
};

/// Derivatives of z_l and h_l along a direction v of the parameters.
struct Tangents {
  std::vector<linear_algebra::Matrix> z, h;
};

class Network {
 public:
  /// \throws std::invalid_argument without layers, for a width or number of inputs of 0, and for variances or a beta
  /// out of range.
  explicit Network(Architecture architecture);

  const Architecture& architecture() const { return architecture_; }
  std::size_t parameters() const { return parameters_; }
  std::size_t layers() const { return architecture_.layers.size(); }
  std::size_t outputs() const { return architecture_.layers.back().width; }
  std::size_t fan_in(std::size_t l) const { return l == 0 ? architecture_.inputs : architecture_.layers[l - 1].width; }
  std::size_t width(std::size_t l) const { return architecture_.layers[l].width; }
  bool bias(std::size_t l) const { return architecture_.layers[l].bias; }
  /// m_l.
  double multiplier(std::size_t l) const;
  /// Where W_l, and b_l, begin in the parameters.
  std::size_t weights_at(std::size_t l) const { return offset_[l]; }
  std::size_t biases_at(std::size_t l) const { return offset_[l] + width(l) * fan_in(l); }

  /// Parameters at the start, in the order of the flat vector.
  std::vector<double> draw(random::Stream& stream) const;

  /// `inputs` is inputs x n. \throws std::invalid_argument for shapes that do not fit, as all below.
  void forward(std::span<const double> theta, const linear_algebra::Matrix& inputs, Pass& pass) const;
  Backward backward(std::span<const double> theta, const Pass& pass, const linear_algebra::Matrix& u) const;
  /// J'u = sum_i J_i'u_i into `out`.
  void pull_back(std::span<const double> theta, const Pass& pass, const linear_algebra::Matrix& u,
                 std::span<double> out) const;
  /// The same of a backward pass that is there already.
  void contract(const Pass& pass, const Backward& backward, std::span<double> out) const;
  Tangents tangents(std::span<const double> theta, const Pass& pass, std::span<const double> v) const;
  /// J v, C x n.
  linear_algebra::Matrix push_forward(std::span<const double> theta, const Pass& pass,
                                      std::span<const double> v) const {
    return tangents(theta, pass, v).h.back();
  }
  /// d/dv (J'u) = sum_a u_a (grad^2 f_a) v + J'r into `out`, r the derivative of u along v (C x n). `backward` is that
  /// of u, `tangents` those along v.
  void second_product(std::span<const double> theta, const Pass& pass, const Backward& backward,
                      const Tangents& tangents, std::span<const double> v, const linear_algebra::Matrix& r,
                      std::span<double> out) const;
  /// sum_a u_a tr grad^2 f_a, exactly: a forward and a backward pass for every unit above which a layer is curved.
  double curvature_trace(std::span<const double> theta, const Pass& pass, const Backward& backward) const;

  /// J_i'u_i by column, parameters x n.
  linear_algebra::Matrix per_example(const Pass& pass, const Backward& backward) const;
  /// |J_i'u_i|^2 of every example, without forming it.
  std::vector<double> per_example_squares(const Pass& pass, const Backward& backward) const;
  /// J J' by (output c, example i) at row c + C i.
  linear_algebra::Matrix tangent_kernel(std::span<const double> theta, const Pass& pass) const;

 private:
  void check(std::span<const double> theta, std::size_t inputs) const;
  /// dz_{l+1} and on, given dh_l.
  void carry_up(std::span<const double> theta, const Pass& pass, std::size_t l, Tangents& tangents) const;

  Architecture architecture_;
  std::vector<std::size_t> offset_;
  std::size_t parameters_ = 0;
};

}  // namespace edgewise::models::ingredients::networks
