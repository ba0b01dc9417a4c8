#pragma once
/// \file
/// Mean-square stability of SGD on a fixed data set (docs/theory/least-squares-sgd.md, section 9): how the noise of the
/// batches feeds on itself, at three levels of the theory.
#include "models/finite_data/finite_data.hpp"

namespace edgewise::models::finite_data {

/// Levels of the kernel norm: exact; closure (doubly stochastic C_ab = sum_i V_ia^2 V_ib^2); mean-field (C = 1/N);
/// trace (eta tr Theta/(2B)).
enum class NormLevel { exact, closure, mean_field, trace };

/// The kernel norm at a learning rate; infinite where a mode alone is unstable.
double kernel_norm(const FiniteData& data, const Kernel& kernel, NormLevel level, double learning_rate);
/// The learning rate at which it reaches 1; 2/mu_max at full batch.
double threshold(const FiniteData& data, const Kernel& kernel, NormLevel level);
/// Growth per step of the second moments (9.1) on the modes that are not null: the largest r for which the noise kernel
/// of weights eta^2 c1 mu_a mu_b/(r - L_ab), L_ab = 1 - eta (mu_a + mu_b) + eta^2 c2 mu_a mu_b, has norm 1.
double growth_factor(const FiniteData& data, const Kernel& kernel);

/// C_ab = sum_i V_ia^2 V_ib^2 of all modes.
linear_algebra::Matrix overlaps(const Kernel& kernel);

}  // namespace edgewise::models::finite_data
