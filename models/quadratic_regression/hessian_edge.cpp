#include "models/quadratic_regression/hessian_edge.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "linear_algebra/largest_eigenvalues.hpp"
#include "models/ingredients/plateau.hpp"

namespace edgewise::models::quadratic_regression {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

double LargestHessianEigenvalue::operator()(const QuadraticState& state, std::span<const std::size_t> batch,
                                            std::span<const double> P) {
  const Matrix& j = state.jacobian();
  const std::size_t d = j.rows(), p = j.columns();
  // 1 for the outputs that count, then z there.
  std::vector<double> counts(d, batch.empty() ? 1.0 : 0.0);
  for (const std::size_t row : batch) counts[row] = 1;
  weights_ = state.residual();
  for (std::size_t a = 0; a < d; ++a) weights_[a] *= counts[a];
  state.instance().curvature.weigh(weights_, sum_, scratch_);
  pushed_.resize(d);
  scaled_.resize(p);
  // P^-1 H has the eigenvalues of P^(-1/2) H P^(-1/2).
  const auto apply = [&](std::span<const double> in, std::span<double> y) {
    std::ranges::copy(in, scaled_.begin());
    for (std::size_t i = 0; i < P.size(); ++i) scaled_[i] /= std::sqrt(P[i]);
    const std::span<const double> x = scaled_;
    linear_algebra::multiply(d, 1, p, 1, j.data(), d, Transposed::no, x.data(), p, Transposed::no, 0, pushed_.data(),
                             d);
    for (std::size_t a = 0; a < d; ++a) pushed_[a] *= counts[a];
    linear_algebra::multiply(p, 1, p, 1, sum_.data(), p, Transposed::no, x.data(), p, Transposed::no, 0, y.data(), p);
    linear_algebra::multiply(p, 1, d, 1, j.data(), d, Transposed::yes, pushed_.data(), d, Transposed::no, 1, y.data(),
                             p);
    for (std::size_t i = 0; i < P.size(); ++i) y[i] /= std::sqrt(P[i]);
  };
  linear_algebra::LargestEigen top = linear_algebra::largest_eigenvalues(p, 1, apply, start_, {.tolerance = 1e-7});
  start_ = std::move(top.next_start);
  return top.values[0];
}

void EdgeRecord::took(std::uint64_t step, double rate) {
  last_ = rate * sharpness_ / edge_factor_;
  if (step >= burn_in_) products_.push_back(last_);
}

void EdgeRecord::write(const QuadraticState& state, std::span<double> out) const {
  const ingredients::EdgeShare share = ingredients::edge_share(products_);
  out[0] = recorded_(state);
  out[1] = last_;
  out[2] = share.median;
  out[3] = share.below;
}

std::vector<Observable> edge_observables(const ingredients::BaseUpdate& base) {
  const std::string over = base.plain()    ? ""
                           : base.adaptive ? " of P^-1 H (1 - beta1)/(1 + beta1), P of that step,"
                                           : "/(1 + momentum)";
  return {{"sharpness", "1", "lambda, the largest eigenvalue of the loss' Hessian J'J + sum_a z_a Q_a"},
          {"eta_lambda", "1",
           "rate of the last step times lambda" + over + " where it was taken from; absent before the first"},
          {"median_eta_lambda", "1", "of eta_lambda over the steps taken after burn_in; absent before the first"},
          {"share_below_edge", "1", "of those steps, the ones with eta_lambda below 2; absent before the first"}};
}

}  // namespace edgewise::models::quadratic_regression
