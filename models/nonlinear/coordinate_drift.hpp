#pragma once
/// \file
/// What single coordinates do at a given state: the mean of their signs at any finite dimension, where the theory of the
/// modes has only its linear response (docs/theory/sign-and-clip.md, sections 2.1 and 3).
#include <optional>
#include <vector>

#include "models/framework/model.hpp"
#include "models/ingredients/noise.hpp"
#include "models/nonlinear/mode_system.hpp"
#include "models/nonlinear/problem.hpp"

namespace edgewise::models::nonlinear {

/// E sign(r x_i) of one example, any noise, exact: with k = (K v)_i/sqrt(K_ii), rho = k/sqrt(P + V) at every node (m, V)
/// of the noise, the sum of 4 T(m/sqrt(P + V), rho/sqrt(1 - rho^2)), T Owen's function; (2/pi) arcsin rho under
/// Gaussian noise. |k| <= sqrt(P).
double one_sign_drift(const ingredients::Noise& noise, double P, double k);
/// E sign of the sum of `batch` independent signs of mean `one`, ties 0.
double majority_of(double one, double batch);
/// E sign of one coordinate of the mean gradient of `batch` examples, Gaussian noise, exact: rho is the correlation of
/// x_i with the residual. 2 T_B(sqrt(B) rho/sqrt(1 - rho^2)) - 1, T_B Student's t distribution function.
double exact_sign_drift(double batch, double rho);

/// E u_i of the problem's own step at excess mse P: of the mean of signs, their majority, or the sign of a mean (with
/// its exponential average after). Empty where it is not known: methods that average before they take signs, and the
/// sign of a mean of more than one example under noise that is not Gaussian (but where k = 0, and E u_i with it).
std::optional<double> exact_drift(const NonlinearProblem& problem, const ingredients::Noise& noise, double P, double k);

/// (K v)_i at the start, v_0 = -theta*.
std::vector<double> initial_pull(const Covariance& covariance);
/// max_i |(K v)_i|/sqrt(K_ii) there, of coordinates that vary.
double largest_pull(const Covariance& covariance);

/// Rows of `edgewise modes`: for residual methods the modes with their rates; for signs the coordinates on which they
/// act, with the drift of every one at the start.
std::vector<ModeColumn> nonlinear_mode_table(const NonlinearProblem& problem, Steps steps);

}  // namespace edgewise::models::nonlinear
