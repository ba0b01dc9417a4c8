#include "models/least_squares/rows.hpp"

#include <cmath>

#include "models/ingredients/gradient_kernels.hpp"

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

}  // namespace edgewise::models::least_squares
