#include "models/least_squares/rows_replica.hpp"

#include <algorithm>
#include <cmath>

#include "models/ingredients/batch_weights.hpp"
#include "models/ingredients/gradient_kernels.hpp"
#include "models/least_squares/sgd_replica.hpp"
#include "numerics/constants.hpp"
#include "random/random.hpp"

namespace edgewise::models::least_squares {

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
  return {excess_risk, ingredients::dot(std::span<const double>(v), v)};
}

namespace {

/// Rows of the data set, drawn with replacement; state theta in input coordinates.
class RowsReplica final : public SgdReplica {
 public:
  RowsReplica(const LeastSquares& problem, const Rows& rows, std::uint64_t seed, std::uint64_t index)
      : SgdReplica(problem, rows.excess),
        rows_(rows),
        theta_(rows.start),
        gradient_(theta_.size()),
        stream_(seed, index, 0, random::Purpose::batch),
        labels_(label_noise(problem, seed, index, false)),
        eps_(static_cast<std::size_t>(problem.batch)) {}

 private:
  void draw(std::uint64_t step) override {
    const auto& dataset = *rows_.dataset;
    stream_.seek(step);
    labels_.seek(step);
    labels_.fill(eps_);
    std::ranges::fill(gradient_, 0.0);
    squares_ = 0;
    for (const double eps : eps_) {
      const auto row = static_cast<std::size_t>(stream_.below(dataset.rows));
      const double residual = ingredients::dot(dataset.row(row), theta_) - (dataset.targets[row] + eps);
      squares_ += residual * residual;
      ingredients::add_scaled(residual, dataset.row(row), gradient_);
    }
  }

  ingredients::StepObservation seen() override {
    const double scale = 1 / problem_.batch, beta = problem_.rate_rule->averaging();
    ingredients::StepObservation out;
    if (beta > 0) {
      out.weight = direction_.empty() ? 1 : 1 - beta;
      direction_.resize(theta_.size());
      for (std::size_t i = 0; i < theta_.size(); ++i) {
        double& d = direction_[i];
        d += out.weight * (scale * gradient_[i] - d);
        out.squared_direction += d * d;
      }
    }
    out.loss = 0.5 * squares_ * scale;
    for (std::size_t i = 0; i < theta_.size(); ++i) {
      const double back = rows_.start[i] - theta_[i], g = scale * gradient_[i];
      out.squared_gradient += g * g;
      out.squared_distance += back * back;
      out.toward_start += g * back;
    }
    if (!(beta > 0)) out.squared_direction = out.squared_gradient;
    return out;
  }

  double move(double rate) override {
    if (direction_.empty())
      ingredients::add_scaled(-rate / problem_.batch, std::span<const double>(gradient_), theta_);
    else
      ingredients::add_scaled(-rate, std::span<const double>(direction_), theta_);
    return squares_ / problem_.batch;
  }

  double move_whole(ingredients::RateRun& run, double factor) override {
    for (double& g : gradient_) g /= problem_.batch;
    ingredients::add_scaled(-1, std::span<const double>(rows_.start), theta_);
    run.step(gradient_, 0.5 * squares_ / problem_.batch, factor, theta_);
    ingredients::add_scaled(1, std::span<const double>(rows_.start), theta_);
    return squares_ / problem_.batch;
  }

  std::array<double, 2> errors() const override {
    const auto both = rows_.errors(theta_);
    const bool numbers = std::ranges::all_of(both, [](double x) { return std::isfinite(x); });
    return numbers ? both : std::array{infinity, infinity};
  }

  const Rows& rows_;
  std::vector<double> theta_, gradient_, direction_;
  random::Stream stream_;
  ingredients::LabelNoise labels_;
  std::vector<double> eps_;
  double squares_ = 0;
};

}  // namespace

std::unique_ptr<Replica> rows_replica(const LeastSquares& problem, const Rows& rows, std::uint64_t seed,
                                      std::uint64_t index) {
  return std::make_unique<RowsReplica>(problem, rows, seed, index);
}

}  // namespace edgewise::models::least_squares
