#include "models/feature_alignment/free_words.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace edgewise::models::feature_alignment {

namespace {

RatioPolynomial times(const RatioPolynomial& a, const RatioPolynomial& b) {
  RatioPolynomial out;
  for (const auto& [i, x] : a)
    for (const auto& [j, y] : b) out[{i.first + j.first, i.second + j.second}] += x * y;
  return out;
}

std::size_t blocks_of(const std::vector<std::size_t>& block) {
  return block.empty() ? 0 : *std::ranges::max_element(block) + 1;
}

/// Whether the next element would cross a block by joining `joined`: one that began before that block's last element and
/// has gone on since.
bool crosses(const std::vector<std::size_t>& block, std::size_t joined) {
  const std::size_t n = block.size();
  std::size_t last = n;
  while (last-- > 0)
    if (block[last] == joined) break;
  for (std::size_t i = last + 1; i < n; ++i)
    for (std::size_t j = 0; j < last; ++j)
      if (block[i] == block[j]) return true;
  return false;
}

void extend(std::size_t n, std::vector<std::size_t>& block, std::vector<std::vector<std::size_t>>& out) {
  if (block.size() == n) {
    out.push_back(block);
    return;
  }
  const std::size_t blocks = blocks_of(block);
  for (std::size_t b = 0; b <= blocks; ++b) {
    if (b < blocks && crosses(block, b)) continue;
    block.push_back(b);
    extend(n, block, out);
    block.pop_back();
  }
}

/// Its lowest powers, and what is left of it at (c_N, c_m) without them.
struct Factored {
  int i = 0, j = 0;
  double rest = 0;
};

Factored factored(const RatioPolynomial& p, double c_n, double c_m) {
  RatioPolynomial terms;
  for (const auto& [power, x] : p)
    if (x != 0) terms[power] = x;
  if (terms.empty()) return {};
  Factored out{terms.begin()->first.first, 0, 0};  // powers of c_N stand first
  if (c_n == 0) std::erase_if(terms, [&](const auto& term) { return term.first.first != out.i; });
  out.j = std::ranges::min_element(terms, {}, [](const auto& term) { return term.first.second; })->first.second;
  if (c_m == 0) std::erase_if(terms, [&](const auto& term) { return term.first.second != out.j; });
  for (const auto& [power, x] : terms)
    out.rest += x * std::pow(c_n, power.first - out.i) * std::pow(c_m, power.second - out.j);
  return out;
}

}  // namespace

std::vector<std::vector<std::size_t>> non_crossing_partitions(std::size_t n) {
  if (n > 10) throw std::invalid_argument("non-crossing partitions of more than 10 are too many");
  std::vector<std::vector<std::size_t>> out;
  std::vector<std::size_t> block;
  extend(n, block, out);
  return out;
}

RatioPolynomial label_word(const std::string& word, std::span<const double> labels) {
  RatioPolynomial out;
  for (const std::vector<std::size_t>& block : non_crossing_partitions(word.size())) {
    std::vector<std::size_t> letters(blocks_of(block));
    for (std::size_t i = 0; i < word.size(); ++i) letters[block[i]] += word[i] == 'A' ? 1 : 0;
    double weight = 1;
    for (const std::size_t p : letters) weight *= labels[p];
    out[{static_cast<int>(word.size() - letters.size()), 0}] += weight;
  }
  return out;
}

RatioPolynomial semicircular_word(const std::string& word) {
  const auto letters = static_cast<std::size_t>(std::ranges::count(word, 'A'));
  double catalan = letters % 2 == 0 ? 1 : 0;
  for (std::size_t k = 0; k < letters / 2; ++k)
    catalan *= 2 * (2 * static_cast<double>(k) + 1) / (static_cast<double>(k) + 2);
  return {{{0, 0}, catalan}};
}

RatioPolynomial network_word(std::span<const FreeFactor> factors, std::span<const double> readouts,
                             const std::function<RatioPolynomial(const std::string&)>& word) {
  RatioPolynomial out;
  const std::size_t k = factors.size();
  for (const std::vector<std::size_t>& block : non_crossing_partitions(k)) {
    std::vector<std::size_t> power(blocks_of(block));
    for (std::size_t i = 0; i < k; ++i) power[block[i]] += factors[i].power;
    double weight = 1;
    for (const std::size_t p : power) weight *= readouts[p];
    if (weight == 0) continue;
    RatioPolynomial term{{{0, static_cast<int>(k - power.size())}, weight}};
    // The cycles of the Kreweras complement, i -> pi^-1(i + 1): the element before i + 1 in its block, cyclically.
    std::vector<bool> seen(k);
    for (std::size_t i = 0; i < k; ++i) {
      std::string along;
      for (std::size_t at = i; !seen[at];) {
        seen[at] = true;
        along += factors[at].after;
        const std::size_t next = (at + 1) % k;
        at = (next + k - 1) % k;
        while (block[at] != block[next]) at = (at + k - 1) % k;
      }
      if (!along.empty()) term = times(term, word(along));
    }
    for (const auto& [powers, x] : term) out[powers] += x;
  }
  return out;
}

double ratio_at(const RatioPolynomial& p, const RatioPolynomial& q, const RatioPolynomial& r, double c_n, double c_m) {
  const Factored top = factored(p, c_n, c_m), left = factored(q, c_n, c_m), right = factored(r, c_n, c_m);
  if (!(left.rest > 0 && right.rest > 0))
    throw std::domain_error("a correlation with a matrix that is 0 is not defined");
  if (top.rest == 0) return 0;
  const double i = top.i - 0.5 * (left.i + right.i), j = top.j - 0.5 * (left.j + right.j);
  return top.rest / (std::sqrt(left.rest) * std::sqrt(right.rest)) * std::pow(c_n, i) * std::pow(c_m, j);
}

}  // namespace edgewise::models::feature_alignment
