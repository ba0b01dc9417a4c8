#pragma once
/// \file
/// The margin u = beta (z_y - z_other) of one point under the softmax loss, in closed form
/// (docs/theory/networks-and-kernels.md, sections 3.3 and 3.4).
///
/// T = eta beta^2 k t. `classes` = 1 is the binary logit form, du/dT = 1/(1 + e^u), u = beta y z; of C >= 2 classes with
/// equal wrong logits du/dT = C/(C - 1 + e^u).
#include <cstdint>
#include <span>
#include <vector>

namespace edgewise::models::softmax_temperature {

/// The u with u + e^u = c, c - W(e^c), for any c: nothing overflows.
double log_lambert(double c);

/// u(T) from u(0) = u_0; T >= 0.
double margin_after(double T, double u0, double classes);
/// The same by gradient descent in `steps` steps of g = eta beta^2 k each.
double margin_descended(std::uint64_t steps, double g, double u0, double classes);

/// log(1 + e^-u), or log(1 + (C-1) e^-u).
double loss_of_margin(double u, double classes);

/// What is averaged over points with u_0 ~ N(0, s^2).
struct PopulationPoint {
  double loss = 0;            ///< mean over points
  double accuracy = 0;        ///< P(u > 0)
  double loss_deviation = 0;  ///< standard, of one point's loss
};
/// At rescaled time T by the flow. s = 0: all points at u_0 = 0, which counts as wrong.
PopulationPoint population_at(double T, double s, double classes);
/// At the recorded steps of gradient descent with g.
std::vector<PopulationPoint> population_descended(std::span<const std::uint64_t> steps, double g, double s,
                                                  double classes);

/// T at which the accuracy of the population reaches A in [1/2, 1).
double time_to_accuracy(double accuracy, double s, double classes);

/// The largest stable eta beta^2 lambda_max(K) of gradient descent near uniform outputs: 2C, or 8 of the binary form.
double stability_threshold(double classes);

}  // namespace edgewise::models::softmax_temperature
