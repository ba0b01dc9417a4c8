#include "models/finite_data/population.hpp"

namespace edgewise::models::finite_data {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

double population_excess(const Population& population, std::span<const double> theta) {
  double sum = 0;
  for (std::size_t j = 0; j < theta.size(); ++j) {
    const double v = theta[j] - population.target[j];
    sum += population.eigenvalue[j] * v * v;
  }
  return sum;
}

PopulationRisk::PopulationRisk(const FiniteData& data, const Kernel& kernel)
    : population_(*data.population), features_(linear_algebra::product(data.inputs, kernel.vectors)) {
  const auto N = static_cast<double>(data.samples());
  for (double& x : features_.entries()) x /= N;
  // Null modes move no parameter.
  for (std::size_t a = kernel.rank; a < data.samples(); ++a)
    for (double& x : features_.column(a)) x = 0;
  Matrix scaled = features_;
  for (std::size_t a = 0; a < scaled.columns(); ++a)
    for (std::size_t j = 0; j < scaled.rows(); ++j) scaled(j, a) *= population_.eigenvalue[j];
  curvature_ = linear_algebra::product(features_, scaled, Transposed::yes);
}

double PopulationRisk::excess_of(std::span<const double> mean) const {
  std::vector<double> theta(features_.rows(), 0.0);
  for (std::size_t a = 0; a < mean.size(); ++a)
    for (std::size_t j = 0; j < theta.size(); ++j) theta[j] += features_(j, a) * mean[a];
  return population_excess(population_, theta);
}

double PopulationRisk::excess(std::span<const double> mean, const Matrix& covariance) const {
  double spread = 0;
  for (std::size_t b = 0; b < mean.size(); ++b)
    for (std::size_t a = 0; a < mean.size(); ++a) spread += curvature_(a, b) * covariance(a, b);
  return excess_of(mean) + spread;
}

double PopulationRisk::excess(std::span<const double> mean, std::span<const double> variance) const {
  double spread = 0;
  for (std::size_t a = 0; a < variance.size(); ++a) spread += curvature_(a, a) * variance[a];
  return excess_of(mean) + spread;
}

}  // namespace edgewise::models::finite_data
