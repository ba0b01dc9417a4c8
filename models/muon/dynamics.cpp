#include "models/muon/dynamics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "models/muon/sign_coefficients.hpp"
#include "models/muon/spectral_coefficients.hpp"
#include "numerics/constants.hpp"
#include "numerics/sums.hpp"
#include "spectra/coordinates.hpp"

namespace edgewise::models::muon {

namespace {

constexpr double arcsine_limit = 2048;      // inputs up to which an O(n^3) table of correlations is made
constexpr double grid_per_decade = 8;       // of V, for maps with a scale
constexpr double least_share_of_V = 1e-12;  // of the first V, where no noise ends the grid sooner

WeightLaw weight_law(const MatrixLeastSquares& problem) {
  return problem.labels == Labels::vector ? WeightLaw::vector : WeightLaw::bilinear;
}

double drift_factor_of_signs(const MatrixLeastSquares& problem) {
  return problem.labels == Labels::vector ? sign_drift_factor_vector(problem.batch) : sign_drift_factor(problem.batch);
}

}  // namespace

MatrixDynamics::MatrixDynamics(const MatrixLeastSquares& problem, const CoefficientOptions& options)
    : problem_(problem) {
  if (problem.momentum != 0)
    throw std::invalid_argument("optimizer.momentum: there is no verified theory of momentum; simulate it, or set 0");
  if (problem.labels == Labels::vector && !(problem.noise_variance > 0))
    throw std::invalid_argument(
        "data.labels: without label noise the gradient of vector labels, Delta times the sample covariance, is all "
        "signal, out of the theory's scope; give [noise] a variance well above P/m, use bilinear labels, or simulate");
  const bool measured = options.source == CoefficientSource::null;
  if (!(problem.rank() >= 1)) throw std::invalid_argument("spectrum: the theory needs an input of positive variance");
  const bool entrywise = problem.map == UpdateMap::signsgd || problem.map == UpdateMap::sgd;
  if (!entrywise && std::min({problem.outputs, MatrixLeastSquares::positive(problem.spectrum), problem.batch}) < 2)
    throw std::invalid_argument(
        "optimizer.kind: the theory of spectral maps needs gradients of rank 2 or more, and the least of data.outputs, "
        "the inputs of positive variance and optimizer.batch is 1; it can be simulated");
  if (options.source == CoefficientSource::idealised && problem.map != UpdateMap::signsvd &&
      problem.map != UpdateMap::signsgd)
    throw std::invalid_argument("theory.coefficients: idealised is known for signsvd and signsgd");
  if (problem.map == UpdateMap::sgd && !measured) {
    build_sgd();
  } else if (measured || problem.map == UpdateMap::newton_schulz || problem.map == UpdateMap::general) {
    if (!measured)
      throw std::invalid_argument("theory.coefficients: this map's are known from null draws only; use \"null\"");
    build_measured(options);
  } else if (problem.map == UpdateMap::signsvd && !problem.isotropic_outputs) {
    build_pairs(options);
  } else if (problem.map == UpdateMap::signsvd) {
    build_spectral(options);
  } else {
    build_signs(options);
  }
}

void MatrixDynamics::by_inputs() {
  const spectra::Spectrum& s = problem_.spectrum;
  weight = s.eigenvalue;
  count = s.multiplicity;
  initial = s.target_power;
  inputs = true;
}

void MatrixDynamics::build_sgd() {
  if (!problem_.isotropic_outputs) throw std::invalid_argument("optimizer.kind: sgd needs isotropic outputs here");
  by_inputs();
  degree_ = 1;
  drift = problem_.spectrum.eigenvalue;
  const double m = problem_.outputs, B = problem_.batch;
  const bool bilinear = problem_.labels == Labels::bilinear;
  for (std::size_t a = 0; a < size(); ++a) {
    const double lambda = weight[a];
    noise.push_back(count[a] * m * lambda / B);
    noise_by_excess.push_back(count[a] * (bilinear ? 2 : 1) * lambda / B);
    noise_by_power.push_back(((bilinear ? 2 * (m + 2) : 2) / B + (1 - 1 / B)) * lambda * lambda);
  }
  description = "sgd, exact second moments";
}

void MatrixDynamics::build_spectral(const CoefficientOptions& options) {
  by_inputs();
  const spectra::Spectrum& e = problem_.spectrum;
  if (options.source == CoefficientSource::idealised) {
    for (const double lambda : weight) drift.push_back(std::sqrt(problem_.batch * lambda / problem_.outputs));
    for (std::size_t a = 0; a < size(); ++a) noise.push_back(weight[a] > 0 ? count[a] : 0);
    description = "idealised: hhat = sqrt(B lambda/m), Q = 1 (large batch, m >= n)";
    return;
  }
  drift = signsvd_drift(e, problem_.outputs, problem_.batch, weight_law(problem_));
  noise = signsvd_noise(e, problem_.rank());
  for (std::size_t a = 0; a < size(); ++a) noise[a] *= count[a];
  ridge = effective_ridge(e, problem_.rank());
  description = "fixed point of the deterministic equivalent";
}

void MatrixDynamics::build_pairs(const CoefficientOptions& options) {
  if (options.source == CoefficientSource::idealised)
    throw std::invalid_argument("theory.coefficients: idealised needs isotropic outputs");
  if (problem_.rank() < 2)
    throw std::invalid_argument(
        "data.output_alpha: the deterministic equivalent needs gradients of rank 2 or more, and all outputs but one "
        "have a variance of 0 to rounding; theory.coefficients = \"null\" measures them");
  // The drift is known; the noise of a pair is not a product, and is measured (docs/theory/muon-phases.md, section
  // 3.4).
  build_measured(options);
  const spectra::Spectrum &s = problem_.spectrum, &o = problem_.output_spectrum;
  drift = signsvd_drift_matrix(s, o, problem_.batch, weight_law(problem_));
  ridge = effective_ridge(s, problem_.rank());
  description = fmt::format("drift by the fixed point, noise from {} null draws", options.draws);
}

void MatrixDynamics::build_signs(const CoefficientOptions& options) {
  if (!problem_.isotropic_outputs)
    throw std::invalid_argument(
        "theory.coefficients: the signs' fixed point needs isotropic outputs; use coefficients = \"null\"");
  const spectra::Spectrum& s = problem_.spectrum;
  const double n = problem_.inputs(), m = problem_.outputs, mean = s.trace() / n;
  const bool idealised = options.source == CoefficientSource::idealised;
  sign_factor = idealised ? std::sqrt(2 / pi) : drift_factor_of_signs(problem_);
  const double factor = std::sqrt(problem_.batch) * sign_factor;
  if (problem_.rotation == Rotation::none && !idealised) {
    // Dg = K: modes sqrt(lambda) of Delta K^(1/4).
    by_inputs();
    for (const double lambda : weight) drift.push_back(factor * std::sqrt(lambda));
    for (std::size_t a = 0; a < size(); ++a) noise.push_back(weight[a] > 0 ? m * count[a] : 0);  // sign(0) = 0
    description = "signs on a diagonal covariance";
    return;
  }
  if (problem_.rotation == Rotation::haar && !idealised) {
    const MatrixCoordinates coordinates(problem_);
    if (n > arcsine_limit)
      throw std::invalid_argument(
          fmt::format("data.rotation: haar takes O(n^3) and is limited to {} inputs", arcsine_limit));
    const SignModes modes =
        sign_modes(coordinates.column.eigenvalue, haar_basis(coordinates.column.size(), problem_.rotation_seed));
    weight = modes.kappa;
    count.assign(weight.size(), 1.0);
    initial.assign(weight.size(), 0.0);
    for (std::size_t j = 0; j < weight.size(); ++j) {
      drift.push_back(factor * modes.kappa[j]);
      noise.push_back(m * modes.noise[j]);
      for (std::size_t i = 0; i < weight.size(); ++i) initial[j] += modes.from(i, j) * coordinates.column.power[i];
    }
    inputs = false;
    description = "signs in a random basis, exact arcsine noise";
    return;
  }
  by_inputs();
  for (const double lambda : weight) drift.push_back(factor * lambda / std::sqrt(mean));
  const bool possible = problem_.has_hadamard_basis() && n <= 1 << 24;
  const bool exact = !idealised && options.sign_noise != "linear" && possible;
  if (options.sign_noise == "arcsine" && !exact)
    throw std::invalid_argument(
        "theory.sign_noise: arcsine needs a Hadamard basis: a power of two inputs, not compressed");
  if (exact) {
    const std::vector<double> q = hadamard_sign_noise(spectra::coordinates_of(s).eigenvalue);
    std::size_t j = 0;
    for (const double c : count) {
      double sum = 0;
      for (double i = 0; i < c; ++i) sum += q[j++];
      noise.push_back(m * sum);
    }
    description = "signs in the Hadamard basis, exact arcsine noise";
  } else {
    for (std::size_t a = 0; a < size(); ++a) noise.push_back(m * count[a] * linear_sign_noise(weight[a], mean));
    description = idealised ? "idealised: hhat = sqrt(2B/pi) lambda/sqrt(mean lambda), linearised noise (large batch)"
                            : "signs in a flat basis, linearised noise";
  }
}

void MatrixDynamics::build_measured(const CoefficientOptions& options) {
  const spectra::Spectrum &s = problem_.spectrum, &o = problem_.output_spectrum;
  if (problem_.map == UpdateMap::signsgd && problem_.rotation == Rotation::haar)
    throw std::invalid_argument(
        "theory.coefficients: null draws are diagonal in the eigenbasis, which signs in a "
        "random basis are not; use fixed-point");
  description = fmt::format("{} null draws", options.draws);
  const auto of_modes = [&](MeasuredCoefficients c) {
    for (std::size_t i = 0; i < c.noise.size(); ++i) c.noise[i] *= count[i];
    return c;
  };
  if (problem_.isotropic_outputs) {
    by_inputs();
  } else {
    inputs = false;
    for (std::size_t k = 0; k < o.modes(); ++k)
      for (std::size_t j = 0; j < s.modes(); ++j) {
        weight.push_back(o.eigenvalue[k] * s.eigenvalue[j]);
        count.push_back(o.multiplicity[k] * s.multiplicity[j]);
        initial.push_back(s.target_power[j] * o.multiplicity[k] / problem_.outputs);
      }
    if (!problem_.scale_free())
      throw std::invalid_argument("data.output_alpha: a map with a scale needs isotropic outputs");
  }
  if (problem_.scale_free()) {
    MeasuredCoefficients c = of_modes(null_coefficients(problem_, options.draws, options.seed, 1.0));
    drift = std::move(c.drift);
    noise = std::move(c.noise);
  } else {
    // At V = 0 there is no gradient, and any grid will do.
    const double P = excess(initial), first = problem_.residual_variance(P), top = 4 * (first > 0 ? first : 1);
    const double bottom = std::max(problem_.noise_variance, least_share_of_V * top) / 1.01;
    const auto points =
        static_cast<std::size_t>(std::max(4.0, std::ceil(grid_per_decade * std::log10(top / bottom)) + 1));
    std::vector<double> V;
    for (std::size_t i = 0; i < points; ++i) {
      log_v_.push_back(std::log(bottom) +
                       std::log(top / bottom) * static_cast<double>(i) / static_cast<double>(points - 1));
      V.push_back(std::exp(log_v_.back()));
    }
    for (MeasuredCoefficients& c : null_coefficients(problem_, options.draws, options.seed, V))
      table_.push_back(of_modes(std::move(c)));
    drift.resize(size());
    noise.resize(size());
    at(first > 0 ? first : 1, drift, noise);
  }
  if (problem_.map != UpdateMap::signsgd && !no_dressing())
    bare_polar_ = signsvd_drift(s, problem_.outputs, problem_.batch, weight_law(problem_));
}

double MatrixDynamics::excess(std::span<const double> M) const {
  return numerics::dot_in_order(weight, M);
}

void MatrixDynamics::at(double V, std::span<double> h, std::span<double> q) const {
  if (!table_.empty()) {
    // Four-point interpolation in log V; held beyond the ends.
    const double x = std::clamp(std::log(V), log_v_.front(), log_v_.back());
    const double spacing = log_v_[1] - log_v_[0];
    const auto last = static_cast<double>(log_v_.size() - 4);
    const auto first = static_cast<std::size_t>(std::clamp(std::floor((x - log_v_[0]) / spacing) - 1, 0.0, last));
    double share[4];
    for (std::size_t i = 0; i < 4; ++i) {
      share[i] = 1;
      for (std::size_t k = 0; k < 4; ++k)
        if (k != i) share[i] *= (x - log_v_[first + k]) / (log_v_[first + i] - log_v_[first + k]);
    }
    for (std::size_t a = 0; a < h.size(); ++a) {
      h[a] = q[a] = 0;
      for (std::size_t i = 0; i < 4; ++i) {
        h[a] += share[i] * table_[first + i].drift[a];
        q[a] += share[i] * table_[first + i].noise[a];
      }
    }
    return;
  }
  const double root = degree_ == 0 ? 1 : std::sqrt(V), square = degree_ == 0 ? 1 : V;
  for (std::size_t a = 0; a < h.size(); ++a) {
    h[a] = root * drift[a];
    q[a] = square * noise[a];
  }
}

double MatrixDynamics::noise_to_drift() const {
  double N = 0;
  for (std::size_t i = 0; i < size(); ++i)
    if (weight[i] > 0) N += weight[i] * noise[i] / drift[i];
  return N;
}

std::optional<std::string> MatrixDynamics::no_dressing() const {
  if (problem_.labels == Labels::vector) return "vector labels";
  if (!problem_.isotropic_outputs) return "anisotropic outputs";
  if (problem_.map == UpdateMap::sgd) return "sgd, which needs none";
  if (problem_.map == UpdateMap::signsgd && problem_.rotation == Rotation::haar) return "signs in a random basis";
  return std::nullopt;
}

void MatrixDynamics::inflation(std::span<const double> M, double V, std::span<double> f) const {
  if (V == 0) {
    std::ranges::fill(f, 0.0);
    return;
  }
  const double strength = 2 + problem_.batch / problem_.outputs;
  const bool shared = problem_.map == UpdateMap::signsgd && problem_.rotation == Rotation::hadamard;
  double psi = 0;
  for (std::size_t i = 0; i < size(); ++i) {
    const double phi = weight[i] * M[i] / (count[i] * V);
    f[i] = strength * phi;
    psi += count[i] * weight[i] * phi;
  }
  if (shared) std::fill(f.begin(), f.end(), strength * psi / problem_.spectrum.trace());
}

void MatrixDynamics::dress(std::span<const double> f, std::span<double> h) const {
  if (problem_.map == UpdateMap::signsgd) {
    for (std::size_t i = 0; i < size(); ++i) h[i] /= std::sqrt(1 + f[i]);
    return;
  }
  std::vector<double> inflated(weight);
  for (std::size_t i = 0; i < size(); ++i) inflated[i] *= 1 + f[i];
  const std::vector<double> polar =
      signsvd_drift({inflated, count}, problem_.outputs, problem_.batch, weight_law(problem_), 0.5);
  for (std::size_t i = 0; i < size(); ++i)
    if (weight[i] > 0) h[i] *= polar[i] / (1 + f[i]) / (bare_polar_.empty() ? drift[i] : bare_polar_[i]);
}

double MatrixDynamics::signal_to_noise(std::span<const double> M, double V) const {
  if (V == 0) return 0;
  const double strength = 2 + problem_.batch / problem_.outputs;
  double largest = 0;
  for (std::size_t i = 0; i < size(); ++i) largest = std::max(largest, weight[i] * M[i] / (count[i] * V));
  return strength * largest;
}

}  // namespace edgewise::models::muon
