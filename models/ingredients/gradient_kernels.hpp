#pragma once
/// \file
/// The inner loops of simulated mini-batch SGD, vectorised. Sums run over 32 partial sums, element i into sum i mod 32,
/// joined in a fixed order, and nothing is fused, so the bits do not depend on the instruction set.
#include <cstddef>
#include <span>

namespace edgewise::models::ingredients {

/// sum_i a_i b_i.
double dot(std::span<const double> a, std::span<const double> b);
double dot(std::span<const float> a, std::span<const double> b);

/// out += scale * x.
void add_scaled(double scale, std::span<const double> x, std::span<double> out);
void add_scaled(double scale, std::span<const float> x, std::span<double> out);

/// u <- u - curvature * (shrink * u + noise * z), element by element; returns the new sum of u^2.
double descend(std::span<const double> curvature, double shrink, double noise, std::span<const double> z,
               std::span<double> u);

/// out += scale * sign(x), with sign(0) = 0.
void add_signs(double scale, std::span<const double> x, std::span<double> out);
void add_signs(double scale, std::span<const float> x, std::span<double> out);

/// u <- u - step * sign(shrink * u + noise * z), element by element, with sign(0) = 0; returns the new sum of u^2.
double descend_by_sign(std::span<const double> step, double shrink, double noise, std::span<const double> z,
                       std::span<double> u);

}  // namespace edgewise::models::ingredients
