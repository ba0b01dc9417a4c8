#pragma once
/// \file
/// The best schedule where gradient noise is label noise alone and steps are small (docs/theory/schedules-and-collapse.md,
/// (3.7)): s = int_t^T eta is the time that is left, K(s) = sum n lambda^2 e^(-2 lambda s) how much noise put in then still
/// counts at the end, F(tau) = sum lambda rho e^(-2 lambda tau) what is left of the start.
#include <functional>
#include <vector>

namespace edgewise::models::least_squares {

class AdditiveNoise {
 public:
  /// One entry a mode: lambda > 0, n, rho. \param noise  sigma^2/B > 0
  AdditiveNoise(std::vector<double> eigenvalue, std::vector<double> multiplicity, std::vector<double> power,
                double noise);

  struct Optimum {
    double tau = 0;              ///< int_0^T eta
    double loss = 0;             ///< P_T = F(tau) + noise I(tau)^2/T
    double integral = 0;         ///< I(tau) = int_0^tau sqrt K
    double first = 0, last = 0;  ///< eta at times 0 and T
    double capped = 0;           ///< share of the time at the cap
    double exponent = 0;         ///< -d log P_T/d log T
  };
  /// \param T  steps, any number > 0. \throws std::domain_error where no tau is best (nothing to learn).
  Optimum optimum(double T) const;
  /// The same among rates up to `cap` > 0: eta = min(cap, sqrt(nu/K(s))). `integral` is that up to where the cap begins.
  Optimum optimum(double T, double cap) const;
  /// eta at time t of the optimum: sqrt(nu/K(s)), sqrt nu = I(tau)/T, with T - t = T I(s)/I(tau).
  double rate(const Optimum& optimum, double T, double t) const;
  /// P_T of the best base of (1 - t/T)^p, p >= 0.
  double polynomial(double T, double p) const;

 private:
  double K(double s) const;
  double F(double tau) const;
  double slope_of_F(double tau) const;
  using Function = std::function<double(double)>;
  using Weight = std::function<double(double s, double K)>;
  /// int_0^s of weight(s, K(s)), which up to the first node is `first`; and of sqrt K.
  Function integral(Weight weight, double first) const;
  Function integral_of_root() const;
  /// The tau where `slope`, which rises from below 0, crosses it.
  double crossing(const Function& slope) const;

  std::vector<double> eigenvalue_, multiplicity_, power_;
  double noise_, first_;
  std::vector<double> node_K_;  ///< of every panel's nodes
};

}  // namespace edgewise::models::least_squares
