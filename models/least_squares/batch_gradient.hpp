#pragma once
/// \file
/// Mini-batch gradients of least squares as they are sampled (docs/theory/least-squares-sgd.md, section 2).
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "models/ingredients/batch_weights.hpp"
#include "models/least_squares/least_squares.hpp"
#include "spectra/dataset.hpp"

namespace edgewise::models::least_squares {

/// A gradient times a learning rate, in the coordinates u_i = sqrt(lambda_i) v_i, in which P = |u|^2: the step is
/// u_i <- u_i - lambda_i along_i.
struct Gradient {
  double shrink = 0, noise = 0;
  std::span<const double> z;
  double loss = 0;  ///< of the batch
  double along(std::span<const double> u, std::size_t i) const { return shrink * u[i] + noise * z[i]; }
};

/// Those of one worker of one replica.
class BatchGradient {
 public:
  virtual ~BatchGradient() = default;
  /// Draws the batch of a step at u, of which |u|^2 = `excess`.
  virtual void draw(std::uint64_t step, double batch, std::span<const double> u, double excess) = 0;
  /// Its gradient times `rate`.
  virtual Gradient at(double rate) const = 0;
  /// |g|^2 of what no coordinate shows.
  virtual double perpendicular() const { return 0; }
  /// What a step adds across the error, where u_i stands for a whole eigenspace. \returns |u|^2, which was `square`
  virtual double spread(const Gradient& /*step*/, double square, std::span<double> /*u*/) const { return square; }
};

/// Whether `sampler` can draw a batch of this size. \param size  as of batch_gradient()
/// \throws std::invalid_argument naming optimizer.batch
void check_batch(const LeastSquares& problem, Sampler sampler, std::size_t size, double batch);

/// Bytes of a gradient by sampler exact, batch, naive or descent, roughly. \param size  as of batch_gradient()
double gradient_bytes(const LeastSquares& problem, Sampler sampler, std::size_t size, double batch);

/// By sampler exact, batch, naive or descent. \param size  numbers drawn for u, no fewer than it has: whole blocks of normals
std::unique_ptr<BatchGradient> batch_gradient(const LeastSquares& problem, Sampler sampler, std::size_t size,
                                              std::uint64_t seed, std::uint64_t index);

/// Label noise of one replica. \param unexplained false to leave the unexplained part out (real rows bring their own).
ingredients::LabelNoise label_noise(const LeastSquares& problem, std::uint64_t seed, std::uint64_t replica,
                                    bool unexplained = true);
/// Batch weights of one replica; see ingredients::BatchWeights.
ingredients::BatchWeights batch_weights(const LeastSquares& problem, double batch, bool collapsed, std::uint64_t seed,
                                        std::uint64_t replica);

/// The rows of a data set, which replicas share.
struct Rows {
  std::shared_ptr<const spectra::Dataset> dataset;
  std::shared_ptr<const spectra::Measured> measured;
  std::vector<double> start;  ///< theta_0
  double excess = 0;

  explicit Rows(const LeastSquares& problem);
  /// Excess risk and |v|^2, by rotation into the eigenbasis; infinite where they are no numbers.
  std::array<double, 2> errors(std::span<const double> theta) const;

 private:
  std::span<const double> eigenvector(std::size_t a) const;
};

/// Of rows drawn with replacement, at u = theta with every lambda_i = 1.
std::unique_ptr<BatchGradient> row_gradient(const LeastSquares& problem, const Rows& rows, std::uint64_t seed,
                                            std::uint64_t index);

}  // namespace edgewise::models::least_squares
