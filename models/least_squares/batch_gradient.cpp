#include "models/least_squares/batch_gradient.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "models/ingredients/data_draw.hpp"
#include "models/ingredients/draw_limits.hpp"
#include "models/ingredients/gradient_kernels.hpp"
#include "numerics/constants.hpp"
#include "random/random.hpp"

namespace edgewise::models::least_squares {

namespace {

/// B = infinity: v <- (1 - eta K) v.
class FullGradient final : public BatchGradient {
 public:
  explicit FullGradient(const LeastSquares& problem) : noise_variance_(problem.noise_variance()) {}
  void draw(std::uint64_t, double, std::span<const double> u, double excess) override {
    u_ = u;
    loss_ = 0.5 * (excess + noise_variance_);
  }
  Gradient at(double rate) const override { return {.shrink = rate, .z = u_, .loss = loss_}; }

 private:
  double noise_variance_, loss_ = 0;
  std::span<const double> u_;  // any numbers: there is no noise
};

/// One N(0,1) per coordinate whatever the batch: (2.1), or the form with general weights.
class GaussianGradient final : public BatchGradient {
 public:
  GaussianGradient(const LeastSquares& problem, bool collapsed, std::size_t size, std::uint64_t seed,
                   std::uint64_t index)
      : problem_(problem), collapsed_(collapsed), seed_(seed), index_(index), stream_(seed, index), z_(size) {}

  void draw(std::uint64_t step, double batch, std::span<const double> u, double excess) override {
    if (!weights_ || batch != batch_)
      weights_.emplace(batch_weights(problem_, batch_ = batch, collapsed_, seed_, index_));
    weights_->draw(step, excess);
    stream_.seek(step);
    // Chunks of normals that are still in the nearest cache when they are multiplied.
    constexpr std::size_t chunk = 64 * random::Stream::normal_granularity;
    y_ = 0;
    for (std::size_t first = 0; first < u.size(); first += chunk) {
      const auto z = std::span(z_).subspan(first, std::min(chunk, z_.size() - first));
      stream_.normals(z);
      const auto here = u.subspan(first, std::min(chunk, u.size() - first));
      y_ += ingredients::dot(here, z.first(here.size()));
    }
  }

  Gradient at(double rate) const override {
    const auto [shrink, noise] = weights_->scalars(rate, y_);
    return {.shrink = shrink, .noise = noise, .z = z_, .loss = weights_->loss()};
  }

 private:
  const LeastSquares& problem_;
  bool collapsed_;
  std::uint64_t seed_, index_;
  random::Stream stream_;
  std::vector<double> z_;
  double batch_ = 0, y_ = 0;  // y: <v, h> of the step
  std::optional<ingredients::BatchWeights> weights_;
};

/// Of explicit samples.
class SampledGradient : public BatchGradient {
 public:
  SampledGradient(ingredients::LabelNoise labels, random::Stream stream, std::size_t size)
      : stream_(stream), sum_(size), labels_(std::move(labels)) {}

  void draw(std::uint64_t step, double batch, std::span<const double> u, double) final {
    stream_.seek(step);
    labels_.seek(step);
    batch_ = batch;
    std::ranges::fill(sum_, 0.0);
    squares_ = 0;
    labels_.each(batch, [&](double eps) {
      const double residual = add_sample(u, eps);
      squares_ += residual * residual;
    });
  }
  Gradient at(double rate) const final { return {.noise = rate / batch_, .z = sum_, .loss = 0.5 * squares_ / batch_}; }

 protected:
  /// Adds the next sample, whose label noise is eps, times its residual; returns that.
  virtual double add_sample(std::span<const double> u, double eps) = 0;

  random::Stream stream_;
  std::vector<double> sum_;

 private:
  ingredients::LabelNoise labels_;
  double batch_ = 1, squares_ = 0;
};

/// B x d numbers of the data's law.
class NaiveGradient final : public SampledGradient {
 public:
  NaiveGradient(const LeastSquares& problem, std::size_t size, std::uint64_t seed, std::uint64_t index)
      : SampledGradient(label_noise(problem, seed, index), random::Stream(seed, index, 0, random::Purpose::data), size),
        draw_(problem.data.law, size),
        z_(size) {}

 private:
  double add_sample(std::span<const double> u, double eps) override {
    draw_(stream_, z_);
    const auto z = std::span<const double>(z_).first(u.size());
    const double residual = ingredients::dot(z, u) - eps;
    ingredients::add_scaled(residual, z, std::span(sum_).first(u.size()));
    return residual;
  }

  ingredients::DataDraw draw_;
  std::vector<double> z_;
};

class RowGradient final : public SampledGradient {
 public:
  RowGradient(const LeastSquares& problem, const Rows& rows, std::uint64_t seed, std::uint64_t index)
      : SampledGradient(label_noise(problem, seed, index, false),
                        random::Stream(seed, index, 0, random::Purpose::batch), rows.start.size()),
        dataset_(*rows.dataset) {}

 private:
  double add_sample(std::span<const double> u, double eps) override {
    const auto row = static_cast<std::size_t>(stream_.below(dataset_.rows));
    const double residual = ingredients::dot(dataset_.row(row), u) - (dataset_.targets[row] + eps);
    ingredients::add_scaled(residual, dataset_.row(row), sum_);
    return residual;
  }

  const spectra::Dataset& dataset_;
};

bool gaussian_noise(const LeastSquares& problem) {
  return !problem.noise || problem.noise->gaussian();
}

}  // namespace

void check_batch(const LeastSquares& problem, Sampler sampler, std::size_t size, double batch) {
  switch (sampler) {
    case Sampler::naive:
      return ingredients::check_examples(batch, static_cast<double>(size) * ingredients::words_of(problem.data.law));
    case Sampler::rows:
      return ingredients::check_examples(batch, 1);
    case Sampler::batch:
      return ingredients::check_examples(batch);
    case Sampler::block:
      if (!gaussian_noise(problem)) ingredients::check_examples(batch);
      return;
    default:
      return;  // whatever its size
  }
}

double gradient_bytes(const LeastSquares& problem, Sampler sampler, std::size_t size, double batch) {
  const double numbers = 8 * static_cast<double>(size), object = 768;
  const double chunk = 8 * std::min(batch, ingredients::label_chunk);
  switch (sampler) {
    case Sampler::descent:
      return object;
    case Sampler::naive:
      return object + chunk + (problem.data.law == ingredients::InputLaw::laplace ? 5 : 2) * numbers;
    case Sampler::batch:
      return object + 2 * chunk + numbers;
    default:
      return object + numbers;
  }
}

std::unique_ptr<BatchGradient> batch_gradient(const LeastSquares& problem, Sampler sampler, std::size_t size,
                                              std::uint64_t seed, std::uint64_t index) {
  if (sampler == Sampler::descent) return std::make_unique<FullGradient>(problem);
  if (sampler == Sampler::naive) return std::make_unique<NaiveGradient>(problem, size, seed, index);
  return std::make_unique<GaussianGradient>(problem, sampler == Sampler::exact, size, seed, index);
}

std::unique_ptr<BatchGradient> row_gradient(const LeastSquares& problem, const Rows& rows, std::uint64_t seed,
                                            std::uint64_t index) {
  return std::make_unique<RowGradient>(problem, rows, seed, index);
}

ingredients::LabelNoise label_noise(const LeastSquares& problem, std::uint64_t seed, std::uint64_t replica,
                                    bool unexplained) {
  const bool gaussian = gaussian_noise(problem);
  return ingredients::LabelNoise(
      gaussian ? nullptr : problem.noise.get(),
      (gaussian ? problem.label_noise_variance : 0.0) + (unexplained ? problem.spectrum.unexplained_variance : 0.0),
      seed, replica);
}

ingredients::BatchWeights batch_weights(const LeastSquares& problem, double batch, bool collapsed, std::uint64_t seed,
                                        std::uint64_t replica) {
  return ingredients::BatchWeights(batch, problem.noise_variance(), label_noise(problem, seed, replica), collapsed,
                                   seed, replica);
}

Rows::Rows(const LeastSquares& problem)
    : dataset(spectra::load(*problem.dataset)), measured(spectra::measure(*problem.dataset)) {
  const std::size_t columns = dataset->columns;
  const auto& optimum = measured->optimum;
  start = optimum;
  if (problem.alignment) {
    for (double& theta : start) theta *= 1 + *problem.alignment;
  } else {
    // Power rho_a spread evenly over the columns of eigenspace a, in the order of the spectrum.
    std::size_t column = 0;
    for (std::size_t a = 0; a < problem.spectrum.modes(); ++a) {
      const double copies = problem.spectrum.multiplicity[a];
      const double error = std::sqrt(problem.initial_power[a] / copies);
      for (double c = 0; c < copies && column < columns; ++c, ++column)
        ingredients::add_scaled(error, eigenvector(column), start);
    }
  }
  excess = errors(start)[0];
}

std::span<const double> Rows::eigenvector(std::size_t a) const {
  return {measured->eigenvectors.data() + a * dataset->columns, dataset->columns};
}

std::array<double, 2> Rows::errors(std::span<const double> theta) const {
  std::vector<double> v(theta.begin(), theta.end());
  ingredients::add_scaled(-1, std::span<const double>(measured->optimum), v);
  double excess_risk = 0;
  for (std::size_t a = 0; a < dataset->columns; ++a) {
    const double component = ingredients::dot(eigenvector(a), v);
    excess_risk += measured->spectrum.eigenvalue[a] * component * component;
  }
  const double squares = ingredients::dot(std::span<const double>(v), v);
  if (!std::isfinite(excess_risk) || !std::isfinite(squares)) return {infinity, infinity};
  return {excess_risk, squares};
}

}  // namespace edgewise::models::least_squares
