#pragma once
/// \file
/// The methods of nonlinear gradients (docs/theory/sign-and-clip.md, sections 1, 3, 4, 5).
#include <concepts>
#include <string>
#include <string_view>

namespace edgewise::models::nonlinear {

/// A method, by its kind or by the word that stands for it in experiment files.
class Method {
 public:
  /// Class I: sgd; clip (per example, by the norm ||g_b|| at the threshold); huber (|r| at the threshold); lad (chi = sign
  /// r); quantile (chi = 1{r > 0} - threshold); reject (chi = r 1{|r| < threshold}); custom (chi of one's own); mean-clip
  /// (the mini-batch mean clipped at norm threshold).
  /// Class II: sign-late (sign of the mean gradient), sign-early (mean of the signs), sign-majority (sign of the sum of
  /// the signs), sign-ema (sign of an exponential average of the mean gradient), ema-sign (exponential average of the
  /// signs of the mean gradient), adam (m and n exponential averages of the mean gradient and of its square, with bias
  /// correction; step m/(sqrt(n) + floor)), per-example-adam (n the average of gbar^2 + (zeta - 1/B) Vhat, or of Vhat
  /// alone for infinite zeta, Vhat the variance of the gradient over the examples; step gbar/(sqrt(n) + floor)).
  enum Kind {
    sgd,
    clip,
    huber,
    lad,
    quantile,
    reject,
    custom,
    mean_clip,
    sign_late,
    sign_early,
    sign_majority,
    sign_ema,
    ema_sign,
    adam,
    per_example_adam
  };

  Method(Kind kind) : kind_(kind) {}  // NOLINT: a kind is a method
  /// \throws std::invalid_argument with a suggestion.
  template <std::convertible_to<std::string_view> Word>
  Method(const Word& word) : kind_(kind_of(word)) {}  // NOLINT: so is a word
  operator Kind() const { return kind_; }             // NOLINT

  std::string word() const;
  /// Class II: what a step does depends on the coordinates.
  bool coordinatewise() const { return kind_ >= sign_late; }
  /// Denominators are averages of squares.
  bool averages_squares() const { return kind_ >= adam; }
  /// Whether a step needs more of an example than its weight in the mini-batch gradient.
  bool needs_examples() const;

 private:
  static Kind kind_of(std::string_view word);
  Kind kind_;
};

}  // namespace edgewise::models::nonlinear
