#include "models/kernel_regression/targets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "linear_algebra/dense.hpp"
#include "models/ingredients/learning_curves/harmonics.hpp"
#include "models/ingredients/learning_curves/zonal_projection.hpp"
#include "numerics/constants.hpp"
#include "settings/expression.hpp"
#include "settings/section.hpp"

namespace edgewise::models::kernel_regression {

namespace {

using ingredients::learning_curves::gegenbauer;
using ingredients::learning_curves::multiplicities;
using ingredients::learning_curves::ZonalProjection;
using linear_algebra::Matrix;

/// Powers below this share of the largest end a series, which has at most so many degrees.
constexpr double negligible_power = 1e-18;
constexpr double most_degrees = 2e6;
/// What must be reached with so many degrees.
constexpr double least_followed = 1e-12;
/// Far beyond what a double holds, whatever the masses.
constexpr double most_log_power = 1500;
constexpr double largest_radius = 0.99999;
constexpr std::size_t zonal_degrees = 256;
/// Eigenvalues of a matrix of cosines that are rounding.
constexpr double cosine_rounding = 1e-9;

/// Unit vectors of these cosines in coordinates 1 .. : rows are sources, at most `dimension` columns.
Matrix directions(const Sources& s, double dimension) {
  const std::size_t n = s.mass.size();
  Matrix gram = Matrix::identity(n, n);
  if (n > 1) {
    if (s.cosines.size() != n)
      throw std::invalid_argument("several sources need the matrix of their directions' cosines");
    if (!std::ranges::all_of(s.cosines, [n](const auto& row) { return row.size() == n; }))
      throw std::invalid_argument("cosines must be square, a row for every source");
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        gram(i, j) = s.cosines[i][j];
        if (gram(i, j) != s.cosines[j][i] || (i == j && gram(i, j) != 1))
          throw std::invalid_argument("cosines must be symmetric, with ones on the diagonal");
      }
  }
  const linear_algebra::SymmetricEigen eigen = linear_algebra::symmetric_eigen(gram);
  const std::size_t most = dimension < static_cast<double>(n) ? static_cast<std::size_t>(dimension) : n;
  Matrix out(n, most);
  for (std::size_t a = 0; a < n; ++a) {
    const double lambda = eigen.values[n - 1 - a];
    if (a >= most && lambda > cosine_rounding)
      throw std::invalid_argument(fmt::format("cosines are those of unit vectors in more than {} dimensions", most));
    if (lambda < -cosine_rounding)
      throw std::invalid_argument(
          fmt::format("cosines are those of no unit vectors: their matrix has the eigenvalue {:.6g}", lambda));
    for (std::size_t i = 0; i < n && a < most; ++i)
      out(i, a) = std::sqrt(std::max(lambda, 0.0)) * eigen.vectors(i, n - 1 - a);
  }
  return out;
}

/// r^k or k r^(k-1).
double radial(double r, double k, bool force) {
  return force ? (k == 0 ? 0 : k * std::pow(r, k - 1)) : std::pow(r, k);
}

/// log m_k, k = 0 .. until the powers of a source at r are negligible. \throws std::invalid_argument where their sum is
/// no double, or takes too many degrees.
std::vector<double> log_multiplicities(double d, double r, bool force) {
  const double log_negligible = std::log(negligible_power);
  const auto least =
      static_cast<std::size_t>(std::min(most_degrees, 40 + log_negligible / (2 * std::log(r)) * (force ? 2 : 1)));
  std::vector<double> out{0};
  double largest = -infinity;
  for (std::size_t i = 0;; ++i) {
    const auto k = static_cast<double>(i);
    // Of the potential, with the d - 2 of its strength left out; a force's has k^2/r^2 more.
    const double log_power =
        out[i] + 2 * k * std::log(r) - 2 * std::log(k + d / 2) + (force && i > 0 ? 2 * std::log(k / r) : 0);
    largest = std::max(largest, log_power);
    if (largest > most_log_power)
      throw std::invalid_argument("overflows: the target's power E f^2 is no double in this dimension");
    if (i >= least && (log_power < largest + log_negligible || k >= most_degrees)) {
      if (log_power > largest + std::log(least_followed))
        throw std::invalid_argument("the target's power takes more than 2e6 degrees in this dimension");
      return out;
    }
    const auto [first, second] = ingredients::learning_curves::multiplicity_ratio(d, k);
    out.push_back(out[i] + (std::log(first) + std::log(second)));
  }
}

}  // namespace

double SphereTarget::total() const {
  return std::accumulate(power.begin(), power.end(), beyond);
}

SphereTarget zonal_powers(double d, std::vector<double> powers) {
  std::vector<double> coefficient = multiplicities(d, powers.empty() ? 0 : powers.size() - 1);
  if (coefficient.size() < powers.size()) throw std::invalid_argument("so high a degree has more than 1e280 harmonics");
  for (std::size_t k = 0; k < powers.size(); ++k) coefficient[k] = std::sqrt(coefficient[k] * powers[k]);
  SphereTarget out;
  out.power = std::move(powers);
  out.value = [d, coefficient](std::span<const double> x) {
    std::vector<double> p(coefficient.size());
    gegenbauer(d, x[0], p);
    return std::inner_product(p.begin(), p.end(), coefficient.begin(), 0.0);
  };
  return out;
}

SphereTarget zonal_function(double d, std::size_t max_degree, std::function<double(double)> g) {
  ZonalProjection found = ingredients::learning_curves::zonal_projection(d, max_degree, g);
  SphereTarget out;
  const double all = found.mean_square;
  out.power = found.coefficient;
  const std::vector<double> m = multiplicities(d, max_degree);
  for (std::size_t k = 0; k < out.power.size(); ++k) out.power[k] *= m[k] * out.power[k];
  out.beyond = std::max(0.0, all - out.total());
  if (out.beyond < 1e-12 * all) out.beyond = 0;
  out.rare_share = [found = std::move(found)](double probability) { return found.rare_share(probability); };
  out.value = [g = std::move(g)](std::span<const double> x) { return g(x[0]); };
  return out;
}

SphereTarget point_sources(double d, const Sources& s) {
  const std::size_t n = s.mass.size();
  if (n == 0 || s.radius.size() != n) throw std::invalid_argument("masses and radii must be one for each source");
  double largest = 0;
  for (const double r : s.radius) {
    if (!(r > 0) || !(r <= largest_radius)) throw std::invalid_argument("radii must be above 0 and at most 0.99999");
    largest = std::max(largest, r);
  }
  auto b = std::make_shared<Matrix>(directions(s, d));
  const double strength = d == 2 ? 1 : d - 2;
  const std::vector<double> log_m = log_multiplicities(d, largest, s.force);
  const std::vector<double> m = multiplicities(d, log_m.size() - 1);
  const std::size_t listed = m.size();
  SphereTarget out;
  out.power.assign(log_m.size(), 0.0);
  std::vector<double> p(log_m.size(), 1.0);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      if (i != j) gegenbauer(d, std::clamp(s.cosines[i][j], -1.0, 1.0), p);
      for (std::size_t k = 0; k < log_m.size(); ++k) {
        if (d == 2 && k == 0) continue;  // -log(1 + r^2 - 2 r t)/2 = sum r^k cos(k theta)/k
        const auto degree = static_cast<double>(k);
        const double share = strength / (2 * degree + d - 2);
        const double signed_mass = (i == j ? 1 : 2 * p[k]) * s.mass[i] * s.mass[j];
        if (k < listed) {
          out.power[k] += signed_mass * radial(s.radius[i], degree, s.force) * radial(s.radius[j], degree, s.force) *
                          m[k] * share * share;
          continue;
        }
        // Neither harmonics nor powers of a radius are doubles here, their product is.
        const double log_term = log_m[k] + (degree - (s.force ? 1 : 0)) * std::log(s.radius[i] * s.radius[j]) +
                                2 * std::log(share * (s.force ? degree : 1));
        out.power[k] += signed_mass * std::exp(log_term);
      }
      if (i != j) std::ranges::fill(p, 1.0);
    }
  for (double& x : out.power) {
    if (!std::isfinite(x))
      throw std::invalid_argument("overflows: the target's power E f^2 is no double in this dimension");
    x = std::max(x, 0.0);
  }
  for (std::size_t k = listed; k < out.power.size(); ++k) out.beyond += out.power[k];
  out.power.resize(listed);
  // Each source by itself, as if they did not share their places.
  out.rare_share = [s, d, strength, largest](double probability) {
    double rare = 0, all = 0;
    for (std::size_t i = 0; i < s.mass.size(); ++i) {
      const double r = s.radius[i], q = s.mass[i];
      // In units of its largest value, which alone may be no double.
      const auto field = [=](double t) {
        const double square = 1 + r * r - 2 * r * t, log_size = std::log(square) - 2 * std::log1p(-r);
        if (s.force) return strength * (t - r) * std::exp(-d / 2 * log_size);
        return d == 2 ? -0.5 * std::log(square) : std::exp(-strength / 2 * log_size);
      };
      try {
        const ZonalProjection found = ingredients::learning_curves::zonal_projection(d, 0, field);
        const double units = s.force ? d : d == 2 ? 0 : strength;
        const double power = q * q * found.mean_square * std::exp(-2 * units * (std::log1p(-r) - std::log1p(-largest)));
        rare += power * found.rare_share(probability);
        all += power;
      } catch (const std::invalid_argument&) {  // too steep to be told
        return 1.0;
      }
    }
    return all > 0 ? rare / all : 0;
  };
  out.value = [s, b, d, strength](std::span<const double> x) {
    double sum = 0;
    for (std::size_t i = 0; i < s.mass.size(); ++i) {
      double t = 0;
      for (std::size_t a = 0; a < b->columns(); ++a) t += (*b)(i, a) * x[a];
      const double r = s.radius[i], square = 1 + r * r - 2 * r * t;
      const double potential = d == 2 ? -0.5 * std::log(square) : std::pow(square, -strength / 2);
      sum += s.mass[i] * (s.force ? strength * (t - r) * std::pow(square, -d / 2) : potential);
    }
    return sum;
  };
  return out;
}

namespace {

enum class TargetKind { powers, zonal, newton, radial_force };
struct TargetWords {
  TargetKind kind = TargetKind::powers;
};
const settings::Section<TargetWords>& target_words() {
  static const settings::Section<TargetWords> words([](settings::Section<TargetWords>& s) {
    s.words("kind", &TargetWords::kind,
            "powers: zonal, of `powers` by degree; zonal: `formula`; newton: the potential sum q (1 + r^2 - 2 r "
            "<b, x>)^(-(d-2)/2) of point sources; radial-force: its derivative by r",
            {{"powers", TargetKind::powers},
             {"zonal", TargetKind::zonal},
             {"newton", TargetKind::newton},
             {"radial-force", TargetKind::radial_force}});
  });
  return words;
}

}  // namespace

const std::vector<settings::Parameter>& target_parameters() {
  static const std::vector<std::string> sources{"newton", "radial-force"};
  static const std::vector<settings::Parameter> keys = {
      target_words().parameters().front(),
      settings::numbers("powers", "v_0^2, v_1^2, .. of one direction")
          .at_least(0)
          .computed("required for powers")
          .where("kind", {"powers"}),
      settings::text("formula", "g(t) of zonal, t = <b, x>, e.g. \"exp(t) - 1\"")
          .computed("required for zonal")
          .where("kind", {"zonal"}),
      settings::numbers("masses", "q of newton and radial-force, one a source")
          .computed("1, one source")
          .where("kind", sources),
      settings::numbers("radii", "r of newton and radial-force, one a source")
          .above(0)
          .below(1)
          .computed("0.5")
          .where("kind", sources),
      settings::matrix("cosines", "<b_i, b_j> of the sources' directions")
          .computed("needed for several sources")
          .where("kind", sources),
      settings::number("power", "rescale the target so that E f^2 is this").above(0).computed("as it is")};
  return keys;
}

SphereTarget read_target(const settings::Values& v, double d) {
  const TargetKind kind = target_words().from(v).kind;
  SphereTarget out;
  if (kind == TargetKind::powers) {
    if (!v.given("powers")) throw v.error("powers", "is required for kind = \"powers\"");
    if (v.numbers("powers").empty() || v.numbers("powers").size() > 10001)
      throw v.error("powers", "must list 1 to 10001 numbers");
    for (const double x : v.numbers("powers"))
      if (!std::isfinite(x)) throw v.error("powers", "must be finite");
    out = settings::naming(v, "powers", [&] { return zonal_powers(d, v.numbers("powers")); });
  } else if (kind == TargetKind::zonal) {
    if (!v.given("formula")) throw v.error("formula", "is required for kind = \"zonal\"");
    out = settings::naming(v, "formula", [&] {
      auto g = std::make_shared<settings::Expression>(v.text("formula"), std::vector<std::string>{"t"});
      return zonal_function(d, zonal_degrees, [g](double t) { return (*g)(std::span<const double>(&t, 1)); });
    });
  } else {
    Sources s;
    s.force = kind == TargetKind::radial_force;
    s.mass = v.given("masses") ? v.numbers("masses")
                               : std::vector<double>(v.given("radii") ? v.numbers("radii").size() : 1, 1.0);
    s.radius = v.given("radii") ? v.numbers("radii") : std::vector<double>(s.mass.size(), 0.5);
    if (v.given("cosines")) s.cosines = v.matrix("cosines");
    for (const double q : s.mass)
      if (!std::isfinite(q)) throw v.error("masses", "must be finite");
    out = settings::naming(v, s.mass.size() > 1 ? "cosines" : "radii", [&] { return point_sources(d, s); });
  }
  const double total = out.total();
  if (!std::isfinite(total)) throw v.error("kind", "the target's power E f^2 is not a finite number in this dimension");
  if (v.given("power")) {
    if (!(total > 0)) throw v.error("power", "the target is 0 and cannot be rescaled");
    const double factor = v.number("power") / total;
    for (double& x : out.power) x *= factor;
    out.beyond *= factor;
    out.value = [inner = std::move(out.value), root = std::sqrt(factor)](std::span<const double> x) {
      return root * inner(x);
    };
  }
  return out;
}

}  // namespace edgewise::models::kernel_regression
