// Built at -O1: nothing here takes time.
#include "models/ingredients/learnability/graded_series.hpp"

#include <cmath>
#include <complex>
#include <map>

#include "numerics/whole.hpp"

namespace edgewise::models::ingredients::learnability {

namespace {

constexpr std::size_t most_monomials = 900;
constexpr std::size_t highest_degree = 200;

}  // namespace

Monomials::Monomials(std::size_t variables) {
  // Exponents, eight bits a variable, so that products are sums; the first variable has the lowest bits.
  std::vector<std::uint64_t> key{0};
  degree_ = {0};
  first_ = {0, 1};
  while (first_.size() - 1 <= highest_degree) {
    const std::size_t from = first_[first_.size() - 2], to = key.size();
    std::vector<std::uint64_t> next;
    // Each once: by variables from the last that it has on.
    for (std::size_t i = from; i < to; ++i)
      for (std::size_t v = 0; v < variables; ++v)
        if (v + 1 >= variables || (key[i] >> (8 * (v + 1))) == 0)
          next.push_back(key[i] + (std::uint64_t{1} << (8 * v)));
    if (first_.size() > 2 && key.size() + next.size() > most_monomials) break;
    key.insert(key.end(), next.begin(), next.end());
    degree_.resize(key.size(), first_.size() - 1);
    first_.push_back(key.size());
  }
  std::map<std::uint64_t, std::uint32_t> place;
  for (std::size_t i = 0; i < key.size(); ++i) place[key[i]] = static_cast<std::uint32_t>(i);
  for (std::size_t i = 0; i < key.size(); ++i) {
    times_.emplace_back();
    for (std::size_t j = 0; j < first_[last_degree() - degree_[i] + 1]; ++j)
      times_.back().push_back(place.at(key[i] + key[j]));
  }
}

template <class Visit>
void Monomials::for_products(std::size_t m, const Visit& visit) const {
  for (std::size_t k = 1; k <= m; ++k)
    for (std::size_t i = first_[k]; i < first_[k + 1]; ++i)
      for (std::size_t j = first_[m - k]; j < first_[m - k + 1]; ++j) visit(i, j, times_[i][j]);
}

Monomials::Series<double> Monomials::constant(double value) const {
  Series<double> out(size(), 0.0);
  out[0] = value;
  return out;
}

Monomials::Series<double> Monomials::product(const Series<double>& a, const Series<double>& b) const {
  Series<double> out(size(), 0.0);
  for (std::size_t i = 0; i < size(); ++i)
    if (a[i] != 0)
      for (std::size_t j = 0; j < times_[i].size(); ++j) out[times_[i][j]] += a[i] * b[j];
  return out;
}

template <class Value>
Monomials::Series<Value> Monomials::exponential_of(const Series<Value>& a) const {
  Series<Value> out(size(), Value(0));
  out[0] = std::exp(a[0]);
  for (std::size_t m = 1; m <= last_degree(); ++m) {
    for_products(m, [&](std::size_t i, std::size_t j, std::size_t at) {
      out[at] += static_cast<double>(degree_[i]) * a[i] * out[j];
    });
    for (std::size_t at = first_[m]; at < first_[m + 1]; ++at) out[at] /= static_cast<double>(m);
  }
  return out;
}
template Monomials::Series<double> Monomials::exponential_of(const Series<double>&) const;

Monomials::Series<double> Monomials::function(const std::string& name, const Series<double>& a) const {
  if (name == "log") return logarithm(a);
  const bool even = name == "cos" || name == "cosh";
  const std::complex<double> unit = name == "sin" || name == "cos" ? std::complex<double>(0, 1) : 1;
  Series<std::complex<double>> turned(a.begin(), a.end());
  for (std::complex<double>& x : turned) x *= unit;
  const auto up = exponential_of(turned);
  for (std::complex<double>& x : turned) x = -x;
  const auto down = exponential_of(turned);
  Series<double> out(size());
  for (std::size_t k = 0; k < size(); ++k) out[k] = ((even ? up[k] + down[k] : (up[k] - down[k]) / unit) / 2.0).real();
  return out;
}

Monomials::Series<double> Monomials::logarithm(const Series<double>& a) const {
  Series<double> out(size(), 0.0);
  out[0] = std::log(a[0]);
  for (std::size_t m = 1; m <= last_degree(); ++m) {
    for_products(m, [&](std::size_t i, std::size_t j, std::size_t at) {
      if (degree_[i] < m) out[at] -= static_cast<double>(degree_[i]) * out[i] * a[j];
    });
    for (std::size_t at = first_[m]; at < first_[m + 1]; ++at)
      out[at] = (a[at] + out[at] / static_cast<double>(m)) / a[0];
  }
  return out;
}

Monomials::Series<double> Monomials::power(const Series<double>& a, double p) const {
  if (p >= 0 && numerics::is_whole(p) && (a[0] == 0 || p <= 4)) {
    Series<double> out = constant(1), square = a;
    for (double left = p; left > 0; left = std::floor(left / 2)) {
      if (std::fmod(left, 2) == 1) out = product(out, square);
      square = product(square, square);
    }
    return out;
  }
  Series<double> out(size(), 0.0);
  out[0] = std::pow(a[0], p);
  for (std::size_t m = 1; m <= last_degree(); ++m) {
    for_products(m, [&](std::size_t i, std::size_t j, std::size_t at) {
      out[at] += ((p + 1) * static_cast<double>(degree_[i]) - static_cast<double>(m)) * a[i] * out[j];
    });
    for (std::size_t at = first_[m]; at < first_[m + 1]; ++at) out[at] /= static_cast<double>(m) * a[0];
  }
  return out;
}

}  // namespace edgewise::models::ingredients::learnability
