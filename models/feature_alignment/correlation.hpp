#pragma once
/// \file
/// How alike two matrices are (docs/theory/networks-and-kernels.md, section 2.1).
#include <optional>
#include <span>

#include "linear_algebra/dense.hpp"

namespace edgewise::models::feature_alignment {

/// cosine: tr(P'Q)/(|P| |Q|); pearson: the same of P and Q less their mean entries.
enum class Correlation { cosine, pearson };

/// Of two matrices of one shape; empty where it is not defined: one of them is 0, or constant for pearson.
std::optional<double> correlation(Correlation kind, const linear_algebra::Matrix& p, const linear_algebra::Matrix& q);

/// Entries over the largest one, in size; 0 stays.
linear_algebra::Matrix to_unit_size(linear_algebra::Matrix m);

/// A' A and A' K A of a layer: K = (1/n) sum over outputs c of `gradients[c]` `gradients[c]'`.
struct FeatureMatrices {
  linear_algebra::Matrix features, gradient_products;
};
/// `a` is the layer's weights or their change, m x d, `gradients` derivatives of the outputs by the pre-activations, m x
/// n each. Both come out times unknown factors: entries of any size neither overflow nor vanish.
FeatureMatrices feature_matrices(const linear_algebra::Matrix& a, std::span<const linear_algebra::Matrix> gradients);

/// Their correlation. \throws std::domain_error, naming the layer (from 1), where it is not defined, or entries are not finite.
double correlation_of(Correlation kind, const FeatureMatrices& matrices, std::size_t layer, bool centred);

}  // namespace edgewise::models::feature_alignment
