#pragma once
/// \file
/// One neuron f = phi(w.x) that learns a teacher phi(w*.x), x ~ N(0, I_d), in closed form
/// (docs/theory/curvature-dynamics.md, section 5.3). The population loss E(f - f*)^2/2 is a function l(q, r) of
/// q = |w|^2 and r = w.w*, t = |w*|^2 fixed, and the Gauss-Newton part one of q:
///
///     g = 2 l_q w + l_r w*,   H = GGN + NME,   GGN = a I + 2 a_q ww',  a = E phi'^2,   NME = E (phi(w.x) - phi(w*.x)) phi''(w.x) x x'
///
/// (for relu l has poles at parallel w and w*; its Hessian is (5.4) instead). NME is averaged by itself: as H - GGN, of sharp phi, it
/// would be a difference of numbers that are ten decades larger.
#include <span>
#include <vector>

#include "models/ingredients/curved_objective.hpp"

namespace edgewise::models::network {

/// relu: the neglected part as automatic differentiation sees it, 0; relu_true: with the distributional phi'' = delta.
enum class NeuronKind { erf, relu, relu_true, beta_gelu };

class NeuronLoss final : public ingredients::CurvedObjective {
 public:
  /// \param beta  of beta_gelu; 1 is GELU. \throws std::invalid_argument for lengths that differ, w* = 0 and beta <= 0.
  NeuronLoss(NeuronKind kind, std::vector<double> teacher, double beta = 1);

  std::size_t parameters() const override { return teacher_.size(); }
  /// \throws std::domain_error at w = 0 for relu, which has no gradient there.
  double move_to(std::span<const double> w) override;
  void gradient(std::span<double> out) const override;
  void product(ingredients::CurvaturePart part, std::span<const double> v, std::span<double> out) const override;
  /// E (f^2 + f*^2)/2: next to the teacher the loss is what its terms, so large, leave.
  double size_of_terms() const { return size_; }

 private:
  bool is_relu() const { return kind_ == NeuronKind::relu || kind_ == NeuronKind::relu_true; }
  double move_relu();
  void set_neglected();
  void relu_product(ingredients::CurvaturePart part, std::span<const double> v, std::span<double> out) const;

  NeuronKind kind_;
  std::vector<double> teacher_, w_, across_;  // across: the teacher's part across w
  double beta_, t_ = 0;
  double q_ = 0, r_ = 0, size_ = 0;
  double lq_ = 0, lr_ = 0;  // derivatives of the loss
  double a_ = 0, aq_ = 0;
  /// NME: along w/|w|, along across_/|across_| (folded), between the two over |across_| (mixed), and elsewhere (rest).
  double along_ = 0, folded_ = 0, mixed_ = 0, rest_ = 0;
};

/// The standard deviation of z phi''(w.x) |x|^2, an example's tr NME, z = phi(w.x) - phi(w*.x); 0 for relu. By the trapezoid rule
/// in the plane of w and w*, to 1e-9. \throws std::invalid_argument for relu_true, whose phi'' no example sees.
double neglected_spread(NeuronKind kind, double beta, std::span<const double> w, std::span<const double> teacher);

}  // namespace edgewise::models::network
