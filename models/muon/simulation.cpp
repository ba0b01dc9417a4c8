#include "models/muon/simulation.hpp"

#include "models/framework/divergence.hpp"
#include "models/framework/simulation_of.hpp"
#include "models/ingredients/stepping_replica.hpp"
#include "models/muon/gradient.hpp"
#include "models/muon/learning_rates.hpp"
#include "models/muon/theory.hpp"

namespace edgewise::models::muon {

namespace {

using linear_algebra::Matrix;

/// What replicas share.
struct Shared {
  std::shared_ptr<const MatrixLeastSquares> problem;
  std::shared_ptr<const MatrixDynamics> dynamics;
  MatrixCoordinates coordinates;
  MatrixUpdate update;
  std::vector<std::size_t> spaces;  ///< eigenspaces whose power is observed

  Shared(std::shared_ptr<const MatrixLeastSquares> the_problem, std::shared_ptr<const MatrixDynamics> the_dynamics)
      : problem(std::move(the_problem)),
        dynamics(std::move(the_dynamics)),
        coordinates(*problem),
        update(*problem, coordinates) {}
};

class MatrixReplica final : public ingredients::SteppingReplica {
 public:
  MatrixReplica(const Shared& shared, std::uint64_t seed, std::uint64_t index, double limit)
      : ingredients::SteppingReplica(limit),
        shared_(shared),
        rate_(*shared.problem, shared.dynamics.get()),
        sampler_(*shared.problem, shared.coordinates, seed, index),
        delta_(initial_error(shared.coordinates, seed, index)),
        excess_(shared.coordinates.excess(delta_)) {}

 protected:
  double take_step(std::uint64_t step, bool) override {
    const double eta = rate_.next(static_cast<double>(step), shared_.problem->residual_variance(excess_));
    sampler_.draw(step, &delta_, gradient_);
    if (const double mu = shared_.problem->momentum; mu != 0) {
      gradient_.multiply_out();
      if (velocity_.size() == 0) velocity_ = Matrix(delta_.rows(), delta_.columns());
      for (std::size_t i = 0; i < velocity_.size(); ++i)
        velocity_.data()[i] = mu * velocity_.data()[i] + gradient_.matrix.data()[i];
      gradient_.matrix = velocity_;
    }
    shared_.update.apply(gradient_, step_);
    for (std::size_t i = 0; i < delta_.size(); ++i) delta_.data()[i] -= eta * step_.data()[i];
    excess_ = shared_.coordinates.excess(delta_);
    return excess_;
  }

  void measure(std::span<double> out) const override {
    out[0] = excess_;
    out[1] = shared_.problem->risk(excess_);
    for (std::size_t i = 0; i < shared_.spaces.size(); ++i) {
      double square = 0, count = 0;
      for (std::size_t j = 0; j < delta_.columns(); ++j)
        if (shared_.coordinates.column.mode[j] == shared_.spaces[i]) {
          for (const double x : delta_.column(j)) square += x * x;
          ++count;
        }
      out[2 + i] = square / count;
    }
  }

 private:
  const Shared& shared_;
  LearningRate rate_;
  GradientSampler sampler_;
  Matrix delta_, step_, velocity_;
  MaybeFactored gradient_;
  double excess_;
};

}  // namespace

std::unique_ptr<Simulation> simulate_matrix(std::shared_ptr<const MatrixLeastSquares> problem,
                                            std::shared_ptr<const MatrixDynamics> dynamics,
                                            const std::vector<std::size_t>& powers) {
  check_drawn_batch(*problem);
  const auto shared = std::make_shared<Shared>(std::move(problem), std::move(dynamics));
  for (const std::size_t j : powers) shared->spaces.push_back(eigenspace_of(shared->problem->spectrum, j));
  const double limit = divergence_limit(shared->problem->spectrum.signal() + shared->problem->noise_variance);
  static_cast<void>(LearningRate(*shared->problem, shared->dynamics.get()));  // throws what cannot be run
  return simulation_of({matrix_observables(powers),
                        "batches of examples; the map on the whole gradient, or on its core where the batch is small",
                        [shared, limit](auto seed, auto index) {
                          return std::make_unique<MatrixReplica>(*shared, seed, index, limit);
                        }});
}

}  // namespace edgewise::models::muon
