// Built at -O1: nothing here takes time.
#include "models/least_squares/linear_methods/isotropic.hpp"

#include <cmath>

namespace edgewise::models::least_squares {

namespace {

// g: contraction of a round before the sync; n: variance it generates; s: label noise it generates per sigma^2.
IsotropicRound round_of(double g, double n, double s, double xi, double workers, double sigma2) {
  IsotropicRound out;
  out.growth = (1 - xi * g) * (1 - xi * g) + xi * xi / workers * n;
  out.generated = xi * xi / workers * s * sigma2;
  out.xi_max = 2 * g / (g * g + n / workers);
  out.xi_fastest = out.xi_max / 2;
  return out;
}

}  // namespace

IsotropicRound isotropic_round(double d, double eta, double batch, double inner_steps, double xi, double workers,
                               double sigma2) {
  const double r = 1 - eta, rho = r * r + eta * eta * (d + 1) / batch, H = inner_steps;
  const double rounds = rho == 1 ? H : (1 - std::pow(rho, H)) / (1 - rho);
  return round_of(1 - std::pow(r, H), std::pow(rho, H) - std::pow(r, 2 * H), eta * eta * d / batch * rounds, xi,
                  workers, sigma2);
}

IsotropicRound isotropic_limit(double gamma, double tau, double xi, double workers, double sigma2) {
  const double decay = (2 - gamma) * tau;
  const double s = decay == 0 ? gamma * tau : gamma * tau * (-std::expm1(-decay) / decay);
  return round_of(-std::expm1(-tau), std::exp(-decay) - std::exp(-2 * tau), s, xi, workers, sigma2);
}

}  // namespace edgewise::models::least_squares
