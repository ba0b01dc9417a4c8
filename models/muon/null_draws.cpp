#include "models/muon/null_draws.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

#include "numerics/sums.hpp"

namespace edgewise::models::muon {

namespace {

using linear_algebra::Matrix;

// Null draws are no replica of any simulation.
constexpr std::uint64_t null_replica = 0xFFFFFFFEu, regression_replica = 0xFFFFFFFFu;

/// Means and standard errors of several quantities over draws (Welford).
class Moments {
 public:
  explicit Moments(std::size_t size) : mean_(size), square_(size) {}
  void add(const std::vector<double>& x) {
    ++count_;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double off = x[i] - mean_[i];
      mean_[i] += off / count_;
      square_[i] += off * (x[i] - mean_[i]);
    }
  }
  const std::vector<double>& mean() const { return mean_; }
  std::vector<double> error() const {
    std::vector<double> out;
    for (const double s : square_) out.push_back(std::sqrt(s / (count_ * std::max(count_ - 1, 1.0))));
    return out;
  }

 private:
  double count_ = 0;
  std::vector<double> mean_, square_;
};

/// Sums of S o Ghat / rows and S o S over an eigenspace, averaged over its coordinates.
class Accumulator {
 public:
  Accumulator(const MatrixLeastSquares& problem, const MatrixCoordinates& coordinates)
      : coordinates_(coordinates),
        pairs_(!problem.isotropic_outputs),
        spaces_(problem.spectrum.modes()),
        cells_(pairs_ ? problem.output_spectrum.modes() * spaces_ : spaces_),
        size_(cells_),
        drift_(cells_),
        noise_(cells_) {
    const auto& columns = problem.spectrum.multiplicity;
    for (std::size_t cell = 0; cell < cells_; ++cell)
      size_[cell] = columns[cell % spaces_] * (pairs_ ? problem.output_spectrum.multiplicity[cell / spaces_] : 1.0);
  }

  /// Of s and what it is paired with, entry by entry: `other`.
  void add(const Matrix& s, const Matrix& other, const std::vector<double>& column_factor) {
    std::vector<double> drift(cells_), noise(cells_);
    for (std::size_t j = 0; j < s.columns(); ++j) {
      const auto a = s.column(j), b = other.column(j);
      const std::size_t space = coordinates_.column.mode[j];
      for (std::size_t k = 0; k < s.rows(); ++k) {
        const std::size_t cell = pairs_ ? coordinates_.row.mode[k] * spaces_ + space : space;
        drift[cell] += a[k] * b[k] * column_factor[j];
        noise[cell] += a[k] * a[k];
      }
    }
    finish(drift, noise);
  }

  void finish(std::vector<double>& drift, std::vector<double>& noise) {
    for (std::size_t c = 0; c < cells_; ++c) {
      drift[c] /= size_[c];
      noise[c] /= size_[c];
    }
    drift_.add(drift);
    noise_.add(noise);
  }

  MeasuredCoefficients result() const { return {drift_.mean(), drift_.error(), noise_.mean(), noise_.error()}; }

 private:
  const MatrixCoordinates& coordinates_;
  bool pairs_;
  std::size_t spaces_, cells_;
  std::vector<double> size_;
  Moments drift_, noise_;
};

void check(std::uint64_t draws, const std::string& key = "null_draws") {
  if (draws < 2) throw std::invalid_argument("theory." + key + ": at least 2 draws are needed for a standard error");
}

}  // namespace

MeasuredCoefficients null_coefficients(const MatrixLeastSquares& problem, std::uint64_t draws, std::uint64_t seed,
                                       double V) {
  check(draws);
  const MatrixCoordinates coordinates(problem);
  GradientSampler sampler(problem, coordinates, seed, null_replica);
  const MatrixUpdate update(problem, coordinates);
  Accumulator out(problem, coordinates);
  const std::vector<double> factor(coordinates.column.size(), problem.isotropic_outputs ? 1 / problem.outputs : 1.0);
  MaybeFactored g;
  Matrix ghat, s;
  for (std::uint64_t draw = 0; draw < draws; ++draw) {
    sampler.draw(draw, nullptr, g);
    MaybeFactored whole = g;
    whole.multiply_out();
    ghat = whole.matrix;
    if (!problem.scale_free()) {
      g = std::move(whole);
      for (double& entry : g.matrix.entries()) entry *= std::sqrt(V) / problem.batch;
    }
    update.apply(g, s);
    out.add(s, ghat, factor);
  }
  return out.result();
}

std::vector<MeasuredCoefficients> null_coefficients(const MatrixLeastSquares& problem, std::uint64_t draws,
                                                    std::uint64_t seed, const std::vector<double>& V) {
  check(draws);
  const MatrixCoordinates coordinates(problem);
  GradientSampler sampler(problem, coordinates, seed, null_replica);
  std::vector<Accumulator> out(V.size(), Accumulator(problem, coordinates));
  MaybeFactored g;
  for (std::uint64_t draw = 0; draw < draws; ++draw) {
    sampler.draw(draw, nullptr, g);
    g.multiply_out();
    const SingularTriples t = singular_triples(g.matrix);
    const double square = numerics::squared_norm_in_order(t.values);
    for (std::size_t v = 0; v < V.size(); ++v) {
      const double scale = std::sqrt(V[v]) / problem.batch;
      std::vector<double> drift(problem.spectrum.modes()), noise(problem.spectrum.modes());
      for (std::size_t i = 0; i < t.values.size(); ++i) {
        const double s = spectral_value(problem, scale * t.values[i], scale * std::sqrt(square));
        for (std::size_t j = 0; j < coordinates.column.size(); ++j) {
          const double share = t.right(j, i) * t.right(j, i);
          drift[coordinates.column.mode[j]] += s * t.values[i] * share / problem.outputs;
          noise[coordinates.column.mode[j]] += s * s * share;
        }
      }
      out[v].finish(drift, noise);
    }
  }
  std::vector<MeasuredCoefficients> results;
  for (const Accumulator& a : out) results.push_back(a.result());
  return results;
}

MeasuredCoefficients regressed_coefficients(const MatrixLeastSquares& problem, std::uint64_t draws,
                                            std::uint64_t seed) {
  check(draws, "regression_draws");
  if (!problem.isotropic_outputs)
    throw std::invalid_argument("theory.regression_draws: known for isotropic outputs only");
  check_drawn_batch(problem);
  const MatrixCoordinates coordinates(problem);
  GradientSampler sampler(problem, coordinates, seed, regression_replica);
  const MatrixUpdate update(problem, coordinates);
  const Matrix delta = initial_error(coordinates, seed, regression_replica);
  const double V = problem.residual_variance(coordinates.excess(delta));
  std::vector<double> factor(coordinates.column.size());
  for (std::size_t j = 0; j < coordinates.column.size(); ++j) {
    const double square = numerics::squared_norm_in_order(delta.column(j));
    factor[j] = square > 0 ? std::sqrt(V) / square : 0;
  }
  Accumulator out(problem, coordinates);
  MaybeFactored g;
  Matrix s;
  for (std::uint64_t draw = 0; draw < draws; ++draw) {
    sampler.draw(draw, &delta, g);
    update.apply(g, s);
    out.add(s, delta, factor);
  }
  return out.result();
}

}  // namespace edgewise::models::muon
