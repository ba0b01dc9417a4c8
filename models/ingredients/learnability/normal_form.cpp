// Built at -O1: nothing here takes time.
#include "models/ingredients/learnability/normal_form.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "numerics/constants.hpp"
#include "numerics/whole.hpp"

namespace edgewise::models::ingredients::learnability {

namespace {

/// To which sums are multiplied out.
constexpr std::size_t max_terms = 1000;
/// Of exponents, as a third of a third of nine.
constexpr double exponent_rounding = 1e-13;
/// Of a bound: less is rounding.
constexpr double least_cancelled = 1e-12;

/// 0 times infinity is 0: what is not there bounds nothing.
double times(double a, double b) {
  return a == 0 || b == 0 ? 0 : a * b;
}

bool counts(double p) {
  return p >= 0 && numerics::is_whole(p);
}

double snapped(double p) {
  return std::abs(p - std::round(p)) <= exponent_rounding * std::max(1.0, std::abs(p)) ? std::round(p) : p;
}

void add_to(Sum& sum, const Product& product, double coefficient) {
  if (coefficient == 0) return;
  const auto [at, fresh] = sum.try_emplace(product, coefficient);
  if (!fresh && (at->second += coefficient) == 0) sum.erase(at);
}

Product merged(Product a, const Product& b, double power = 1) {
  for (const auto& [factor, exponent] : b)
    if (double& e = a[factor]; (e = snapped(e + power * exponent)) == 0) a.erase(factor);
  return a;
}

std::string key_of(const Sum& sum) {
  std::string out;
  for (const auto& [product, coefficient] : sum) {
    out += fmt::format("{}", coefficient);
    for (const auto& [factor, exponent] : product) out += fmt::format(" {}^{}", factor, exponent);
    out += ';';
  }
  return out;
}

/// sum |binom(p, l)| v^l less its first term, and its derivative: from l = ceil(p) on the terms of (1 - v)^p have one sign.
double absolute_binomial(double p, double v, bool slope) {
  double head = 0, rest = slope ? -p * std::pow(1 - v, p - 1) : std::expm1(p * std::log1p(-v)), binomial = p;
  for (double l = 1; l < p; ++l) {
    const double term = slope ? l * std::pow(v, l - 1) : std::pow(v, l);
    head += std::abs(binomial) * term;
    rest -= (std::fmod(l, 2) == 0 ? 1 : -1) * binomial * term;
    binomial *= (p - l) / (l + 1);
  }
  return head + std::abs(rest);
}

double elementary(const std::string& name, double c) {
  if (name == "exp") return std::exp(c);
  if (name == "log") return std::log(c);
  if (name == "sin") return std::sin(c);
  if (name == "cos") return std::cos(c);
  return name == "sinh" ? std::sinh(c) : std::cosh(c);
}

std::invalid_argument no_series(double p) {
  return std::invalid_argument(
      fmt::format("the power {:g} of a function that is 0 at the origin has no series there", p));
}

}  // namespace

double Jet::one() const {
  return std::abs(origin) + rise;
}

Jet scaled(double c, const Jet& f) {
  return {times(c, f.origin), times(std::abs(c), f.rise), times(std::abs(c), f.slope)};
}

Jet product(const Jet& f, const Jet& g) {
  return {times(f.origin, g.origin),
          times(f.rise, g.rise) + times(std::abs(f.origin), g.rise) + times(f.rise, std::abs(g.origin)),
          times(f.slope, g.one()) + times(f.one(), g.slope)};
}

Jet whole_power(const Jet& f, double p) {
  if (p == 0) return {1, 0, 0};
  const double all = std::pow(f.one(), p), share = std::abs(f.origin) / f.one();
  return {std::pow(f.origin, p),
          f.rise == 0 ? 0
          : share > 0 ? -all * std::expm1(p * std::log(share))
                      : all,
          times(p * std::pow(f.one(), p - 1), f.slope)};
}

Sum Algebra::number(double value) {
  Sum out;
  add_to(out, {}, value);
  return out;
}

Sum Algebra::variable(const std::string& name) {
  return factor({Factor::Kind::variable, name, {}, {}, 0});
}

Sum Algebra::opaque(const Jet& jet) {
  return factor({Factor::Kind::opaque, std::to_string(factors_.size()), {}, jet, jet.origin});
}

bool Algebra::constant(const Sum& a) {
  return a.empty() || (a.size() == 1 && a.begin()->first.empty());
}

std::size_t Algebra::place(Factor factor) {
  std::string key = fmt::format("{} {} {}", static_cast<int>(factor.kind), factor.name, key_of(factor.argument));
  const auto [at, fresh] = places_.try_emplace(std::move(key), factors_.size());
  if (fresh) factors_.push_back(std::move(factor));
  return at->second;
}

Sum Algebra::sum(const Sum& a, const Sum& b, double scale) {
  Sum out = multiplied_out(a);
  for (const auto& [product, coefficient] : multiplied_out(b)) add_to(out, product, scale * coefficient);
  return out;
}

Sum Algebra::product(const Sum& a, const Sum& b) {
  if (a.empty() || b.empty()) return {};
  const Term left = one_term(a), right = one_term(b);
  Sum out;
  add_to(out, merged(left.product, right.product), left.coefficient * right.coefficient);
  return out;
}

Sum Algebra::power(const Sum& a, double p) {
  if (p == 0) return number(1);
  if (a.empty() && p < 0) throw no_series(p);
  if (a.empty()) return {};
  Term term = one_term(a);
  const bool whole = numerics::is_whole(p);
  const auto any_at = [&](auto&& test) {
    return std::ranges::any_of(term.product, [&](const auto& f) { return test(factors_[f.first].origin); });
  };
  if (!counts(p) && any_at([](double at) { return at == 0; })) throw no_series(p);
  if (!whole) {
    if (!(term.coefficient * origin(term.product) > 0))
      throw std::invalid_argument(fmt::format("the power {:g} of a function that is negative at the origin", p));
    if (any_at([](double at) { return at < 0; })) term = as_factor(a);
  }
  Sum out;
  add_to(out, merged({}, term.product, p), std::pow(term.coefficient, p));
  return out;
}

Sum Algebra::function(const std::string& name, const Sum& a) {
  if (name == "sqrt") return power(a, 0.5);
  if (name == "log") return logarithm(a);
  if (constant(a)) return number(elementary(name, origin(a)));
  if (name == "exp") return exponential(a);
  return factor({Factor::Kind::function, name, multiplied_out(a), {}, elementary(name, origin(a))});
}

Sum Algebra::exponential(const Sum& a) {
  double coefficient = 1;
  Product out;
  for (const auto& [term, c] : multiplied_out(a)) {
    if (term.empty()) {
      coefficient = std::exp(c);
      continue;
    }
    const Factor& only = factors_[term.begin()->first];
    if (term.size() == 1 && term.begin()->second == 1 && only.kind == Factor::Kind::function && only.name == "log")
      out = merged(std::move(out), only.argument.begin()->first, c);
    else
      out = merged(std::move(out),
                   {{place({Factor::Kind::exponential, "", {{term, 1.0}}, {}, std::exp(origin(term))}), 1}}, c);
  }
  return {{std::move(out), coefficient}};
}

Sum Algebra::logarithm(const Sum& a) {
  if (!(origin(a) > 0)) throw std::invalid_argument("the logarithm of a function that is not above 0 at the origin");
  Term term = one_term(a);
  if (std::ranges::any_of(term.product, [this](const auto& f) { return factors_[f.first].origin < 0; }))
    term = as_factor(a);
  Sum out = number(std::log(term.coefficient));
  for (const auto& [at, exponent] : term.product) {
    const Factor f = factors_[at];
    if (f.kind == Factor::Kind::exponential)
      add_to(out, f.argument.begin()->first, exponent);
    else
      add_to(out, {{place({Factor::Kind::function, "log", {{{{at, 1.0}}, 1.0}}, {}, std::log(f.origin)}), 1.0}},
             exponent);
  }
  return out;
}

Algebra::Term Algebra::one_term(const Sum& a) {
  if (a.size() == 1) return {a.begin()->second, a.begin()->first};
  // What vanishes at the origin may be in every term.
  Product common;
  for (const auto& [at, exponent] : a.begin()->first) {
    double least = exponent;
    for (const auto& [product, coefficient] : a) {
      const auto found = product.find(at);
      least = std::min(least, found == product.end() ? 0 : found->second);
    }
    if (least > 0 && factors_[at].origin == 0) common[at] = least;
  }
  if (common.empty()) return as_factor(a);
  Sum rest;
  for (const auto& [product, coefficient] : a) add_to(rest, merged(product, common, -1), coefficient);
  Term out = as_factor(rest);
  out.product = merged(std::move(out.product), common);
  return out;
}

Algebra::Term Algebra::as_factor(const Sum& a) {
  const double at_origin = origin(a), unit = at_origin != 0 && std::isfinite(at_origin) ? at_origin : a.begin()->second;
  Sum scaled_sum;
  for (const auto& [product, coefficient] : a) add_to(scaled_sum, product, coefficient / unit);
  return {unit, {{place({Factor::Kind::sum, "", std::move(scaled_sum), {}, at_origin / unit}), 1.0}}};
}

Sum Algebra::multiplied_out(const Sum& a) const {
  Sum out;
  for (const auto& [product, coefficient] : a)
    if (!multiply_out(product, coefficient, out) || out.size() > max_terms) return a;
  return out;
}

bool Algebra::multiply_out(const Product& p, double coefficient, Sum& out) const {
  Sum terms;
  Product rest;
  std::vector<std::pair<const Sum*, double>> sums;
  for (const auto& [at, exponent] : p) {
    const Factor& f = factors_[at];
    if (f.kind == Factor::Kind::sum && counts(exponent))
      sums.emplace_back(&f.argument, exponent);
    else
      rest[at] = exponent;
  }
  terms[rest] = coefficient;
  for (const auto& [sum, exponent] : sums) {
    if (exponent > static_cast<double>(max_terms)) return false;
    for (double k = 0; k < exponent; ++k) {
      Sum next;
      for (const auto& [left, a] : terms)
        for (const auto& [right, b] : *sum) add_to(next, merged(left, right), a * b);
      terms = std::move(next);
      if (terms.size() > max_terms) return false;
    }
  }
  for (const auto& [product, c] : terms) {
    // A sum within a sum.
    const bool done = std::ranges::none_of(
        product, [this](const auto& f) { return factors_[f.first].kind == Factor::Kind::sum && counts(f.second); });
    if (done)
      add_to(out, product, c);
    else if (!multiply_out(product, c, out))
      return false;
  }
  return true;
}

double Algebra::origin(const Product& p) const {
  double out = 1;
  for (const auto& [at, exponent] : p) out *= std::pow(factors_[at].origin, exponent);
  return out;
}

double Algebra::origin(const Sum& a) const {
  double out = 0;
  for (const auto& [product, coefficient] : a) out += times(coefficient, origin(product));
  return out;
}

Jet Algebra::jet(const Sum& a) {
  const Sum terms = multiplied_out(a);
  std::set<std::size_t> forms;
  collect(terms, forms);
  variables_.clear();
  for (const std::size_t at : forms) variables_.try_emplace(at, variables_.size());
  series_.clear();
  monomials_.reset();
  if (!forms.empty() && forms.size() <= Monomials::most_variables) monomials_.emplace(forms.size());
  return jet_of_sum(terms);
}

Jet Algebra::jet_of_sum(const Sum& a) {
  const Jet terms = jet_of_terms(a);
  return monomials_ && form_size_ == 1 ? without_cancelled(a, terms) : terms;
}

void Algebra::collect(const Sum& a, std::set<std::size_t>& variables) const {
  for (const auto& [product, coefficient] : a)
    for (const auto& [at, exponent] : product) {
      if (factors_[at].kind == Factor::Kind::variable) variables.insert(at);
      collect(factors_[at].argument, variables);
    }
}

const Algebra::Series& Algebra::series(std::size_t factor, double p) {
  const std::pair<std::size_t, double> key{factor, p};
  if (const auto known = series_.find(key); known != series_.end()) return known->second;
  const Factor f = factors_[factor];
  Series out;
  if (f.kind == Factor::Kind::variable) {
    out = monomials_->constant(0);
    out[monomials_->variable(variables_.at(factor))] = 1;
    out = monomials_->power(out, p);
  } else if (f.kind != Factor::Kind::opaque) {
    out = series(f.argument);
    if (out.empty()) return series_[key] = {};
    if (f.kind == Factor::Kind::exponential) {
      for (double& x : out) x *= p;
      out = monomials_->exponential(out);
    } else {
      if (f.kind == Factor::Kind::function) out = monomials_->function(f.name, std::move(out));
      out = monomials_->power(out, p);
    }
  }
  return series_[key] = std::move(out);
}

Algebra::Series Algebra::series(const Sum& a) {
  Series out = monomials_->constant(0);
  for (const auto& [product, coefficient] : a) {
    Series term = monomials_->constant(coefficient);
    for (const auto& [at, exponent] : product) {
      const Series& factor = series(at, exponent);
      if (factor.empty()) return {};
      term = monomials_->product(term, factor);
    }
    for (std::size_t k = 0; k < out.size(); ++k) out[k] += term[k];
  }
  return out;
}

Jet Algebra::without_cancelled(const Sum& a, const Jet& terms) {
  const Series known = series(a);
  double rise = 0, slope = 0;
  for (std::size_t k = 1; k < known.size(); ++k) {
    rise += std::abs(known[k]);
    slope += static_cast<double>(monomials_->degree(k)) * std::abs(known[k]);
  }
  const double enough = 1 - least_cancelled;
  if (known.empty() || (!(rise < enough * terms.rise) && !(slope < enough * terms.slope))) return terms;
  double rest = infinity, rest_of_slope = infinity;
  const std::vector<std::string> remarks = remarks_;
  for (const double size : {1.01, 1.02, 1.04, 1.07, 1.1, 1.15, 1.2, 1.3, 1.4, 1.6, 2.0, 3.0, 4.0, 6.0, 10.0}) {
    form_size_ = size;
    const Jet all = jet_of_terms(a);
    const double share = std::pow(size, -1 - static_cast<double>(monomials_->last_degree()));
    if (std::isfinite(all.rise)) rest = std::min(rest, share * all.rise);
    if (std::isfinite(all.slope)) rest_of_slope = std::min(rest_of_slope, share * all.slope);
  }
  form_size_ = 1;
  remarks_ = remarks;
  return {terms.origin, std::min(terms.rise, rise + rest), std::min(terms.slope, slope + rest_of_slope)};
}

Jet Algebra::jet_of_terms(const Sum& a) {
  Jet out;
  for (const auto& [product, coefficient] : a) {
    const Jet term = scaled(coefficient, jet(product));
    out = {out.origin + term.origin, out.rise + term.rise, out.slope + term.slope};
  }
  return out;
}

Jet Algebra::jet(const Product& p) {
  Jet out{1, 0, 0};
  for (const auto& [at, exponent] : p) {
    const std::tuple key{at, exponent, form_size_};
    if (!jets_.contains(key)) {
      const Factor f = factors_[at];
      const Jet jet = factor_power(f, exponent);
      jets_[key] = jet;
    }
    out = learnability::product(out, jets_.at(key));
  }
  return out;
}

/// h(f) by the series of h about f(0).
template <class Rise, class Slope>
Jet Algebra::composed(const Jet& f, double at_origin, double radius, const std::string& name, const Rise& rise,
                      const Slope& slope) {
  const double u = f.rise;
  const auto remark = [this](std::string text) {
    if (std::ranges::find(remarks_, text) == remarks_.end()) remarks_.push_back(std::move(text));
  };
  if (u > radius || std::isnan(u)) {
    remark(fmt::format("infinite: {} is taken up to {:.6g}, its series converges below {:.6g}", name, u, radius));
    return {at_origin, infinity, infinity};
  }
  if (u == radius && std::isfinite(u) && !std::isfinite(rise(u) + slope(u)))
    remark(fmt::format("infinite: {} is taken up to {:.6g}, where its series ends", name, u));
  return {at_origin, rise(u), times(slope(u), f.slope)};
}

Jet Algebra::factor_power(const Factor& f, double p) {
  if (f.kind == Factor::Kind::variable) return {0, std::pow(form_size_, p), p * std::pow(form_size_, p)};
  if (f.kind == Factor::Kind::exponential) {
    const Jet inner = scaled(p, jet(f.argument.begin()->first));
    return composed(
        inner, std::exp(inner.origin), infinity, "exp",
        [&](double u) { return std::exp(inner.origin) * std::expm1(u); },
        [&](double u) { return std::exp(inner.origin + u); });
  }
  Jet base = f.known;
  if (f.kind == Factor::Kind::sum) base = jet_of_sum(f.argument);
  if (f.kind == Factor::Kind::function) {
    const Jet inner = jet_of_sum(f.argument);
    const double c = inner.origin;
    if (f.name == "log") {
      base = composed(
          inner, std::log(c), c, "log", [c](double u) { return -std::log1p(-u / c); },
          [c](double u) { return 1 / (c - u); });
    } else {  // and its derivative: even and odd part at c
      const bool circular = f.name == "sin" || f.name == "cos", sine = f.name == "sin" || f.name == "sinh";
      const double s = circular ? std::sin(c) : std::sinh(c), k = circular ? std::cos(c) : std::cosh(c);
      const double even = std::abs(sine ? s : k), odd = std::abs(sine ? k : s);
      base = composed(
          inner, sine ? s : k, infinity, f.name,
          [=](double u) { return times(even, 2 * std::pow(std::sinh(u / 2), 2)) + times(odd, std::sinh(u)); },
          [=](double u) { return times(even, std::sinh(u)) + times(odd, std::cosh(u)); });
    }
  }
  if (counts(p)) return whole_power(base, p);
  const double c = std::abs(base.origin), scale = std::pow(c, p);
  return composed(
      base, std::pow(base.origin, p), c, "a power",
      [&](double u) { return scale * absolute_binomial(p, u / c, false); },
      [&](double u) { return scale / c * absolute_binomial(p, u / c, true); });
}

}  // namespace edgewise::models::ingredients::learnability
