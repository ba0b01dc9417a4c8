#pragma once
/// \file
/// Limits of traces of products of random matrices as sums over non-crossing partitions
/// (docs/theory/networks-and-kernels.md, (2.4)), as polynomials in the ratios of dimensions.
#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace edgewise::models::feature_alignment {

/// sum over (i, j) of coefficient c_N^i c_m^j.
using RatioPolynomial = std::map<std::pair<int, int>, double>;

/// The blocks of every non-crossing partition of 0..n-1, n <= 10: `block[i]` is the number of element i's block, numbered
/// as they begin.
std::vector<std::vector<std::size_t>> non_crossing_partitions(std::size_t n);

/// tau of a word in A = (1/N) sum y_i x_i x_i' and B = (1/N) sum x_i x_i', x ~ N(0, I_d) independent of the labels y.
/// \param word  of letters 'A' and 'B'; the empty one has trace 1
/// \param labels  E y^p, p = 0, 1, ...: at least as many as the word has letters A
RatioPolynomial label_word(const std::string& word, std::span<const double> labels);
/// The same where A is semicircular of variance 1 (a GOE matrix) and B = I.
RatioPolynomial semicircular_word(const std::string& word);

/// One factor of a word that alternates between W_e = (1/m) sum_j a_j^e w_j w_j', w ~ N(0, I_d), and what is free of it.
struct FreeFactor {
  std::size_t power = 0;  ///< e
  std::string after;      ///< word in A and B
};
/// tau(W_e1 P_1 W_e2 P_2 ...), where `word` is the trace of the words P.
/// \param readouts  E a^p, p = 0, 1, ...
RatioPolynomial network_word(std::span<const FreeFactor> factors, std::span<const double> readouts,
                             const std::function<RatioPolynomial(const std::string&)>& word);

/// p/sqrt(q r) at c_N and c_m >= 0; where one is 0, the limit there, c_N first.
/// \throws std::domain_error where q or r vanishes.
double ratio_at(const RatioPolynomial& p, const RatioPolynomial& q, const RatioPolynomial& r, double c_n, double c_m);

}  // namespace edgewise::models::feature_alignment
