#pragma once
/// \file
/// Lookahead and local SGD on K = I in closed form, at finite dimension and in the limit (docs/theory/two-phase.md,
/// section 3.1).

namespace edgewise::models::least_squares {

/// One round on K = I: P' = growth P + generated.
struct IsotropicRound {
  double growth = 0;      ///< Gf
  double generated = 0;   ///< what label noise adds per round
  double xi_max = 0;      ///< outer rate at which growth reaches 1
  double xi_fastest = 0;  ///< xi_max / 2, where growth is least
  double steady() const { return generated / (1 - growth); }
};

/// At finite dimension d; eta per step, batch B, H inner steps, M workers.
IsotropicRound isotropic_round(double d, double eta, double batch, double inner_steps, double xi, double workers,
                               double sigma2);
/// d -> infinity at gamma = eta d / B and tau = eta H fixed.
IsotropicRound isotropic_limit(double gamma, double tau, double xi, double workers, double sigma2);

}  // namespace edgewise::models::least_squares
