#pragma once
/// \file
/// The theory of nonlinear-gradient methods (docs/theory/sign-and-clip.md, sections 1, 2): the unit-step recursion, the
/// limiting ODE, the homogenized SDE, steady states, and rates and thresholds that follow the risk.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "models/nonlinear/laws.hpp"
#include "models/nonlinear/mode_system.hpp"
#include "models/nonlinear/problem.hpp"
#include "solvers/coupled_modes.hpp"
#include "solvers/integrate.hpp"

namespace edgewise::models::nonlinear {

/// P, and where the noise has a variance the risk.
inline const Observable excess_observable{"excess_mse", "label^2", "P = v'Kv"};
inline const Observable risk_observable{"risk", "label^2", "population loss with noise, (P + sigma^2)/2"};

/// Section [theory] of an experiment with a nonlinear gradient.
struct NonlinearTheory {
  std::string method = "recursion";  ///< recursion, ode (without the term in c, which is O(eta kappa)), sde
  solvers::Integrator integrator = solvers::Integrator::automatic;  ///< of the ode: auto, sdirk4, explicit
  bool bands =
      false;  ///< standard deviation of one path: of plain SGD exact, else docs/theory/sign-and-clip.md, section 2.7
  bool effects = false;  ///< the separate effects of the nonlinearity along the trajectory
  bool compare =
      false;  ///< signs against SGD, one effect switched on at a time (docs/theory/sign-and-clip.md, section 2.3)
  bool norm_spread = false;  ///< average over the measured norms of the examples (NonlinearProblem::norm_spread)
  double rtol = 1e-8, atol = 0;
  double scale_drift = 1, scale_noise = 1;  ///< factors on a and b, to see what a run would notice
  std::uint64_t paths = 64;                 ///< of the sde
  double time_step = 1;                     ///< of the sde, in optimizer steps
  std::uint64_t seed = 1;                   ///< of the sde
};

/// a^2 E r^2/(b B), with E r^2 = `mean_square`: progress per example at the best rate over that of SGD.
double efficiency(const LawValues& law, double mean_square, double batch);

/// What the line search is shown: a Q and b S + c T, both over S; of small steps T = 0.
ingredients::StepObservation line_search_view(const LawValues& law, const DriftPowers& powers, double S);
/// The greedy rate, of fastest decrease of P in one step, a Q/(b S + c T).
double greedy_rate(const LawValues& law, const DriftPowers& powers, double S);

/// Q and T at the start, as steps of that size meet them.
DriftPowers start_powers(const ModeSystem& modes, Steps steps);

/// The laws of one run, step by step; those of adam depend on the second moment, which remembers earlier steps.
class RunningLaw {
 public:
  /// All arguments must outlive it.
  RunningLaw(const ScalarLaws& laws, const NonlinearProblem& problem);
  /// Of the next step, which starts from P; at P = 0 without the drift, which has nothing to move there.
  LawValues at(double P) const;
  void step(double P);  ///< takes it

 private:
  const ScalarLaws& laws_;
  const NonlinearProblem& problem_;
  double sigma2_;
  double second_ = 0;  ///< exponential average of P + sigma^2 over the steps so far
  std::uint64_t steps_ = 0;
};

/// The modes with their laws in continuous time, c dropped. Shared scalars: P, and Q where the rate follows the risk.
class NonlinearFlow final : public solvers::CoupledModes {
 public:
  /// eta = rate_at(t), of `greedy` problems times greedy_rate(). All arguments must outlive it.
  NonlinearFlow(const ModeSystem& modes, const ScalarLaws& laws, const NonlinearProblem& problem);
  std::size_t size() const override { return modes_.kappa.size(); }
  std::size_t shared() const override { return greedy_ ? 2 : 1; }
  std::span<const double> weights(std::size_t l) const override { return l == 0 ? modes_.kappa : square_; }
  void coefficients(double t, std::span<const double> p, std::span<double> rate,
                    std::span<double> source) const override;
  void sensitivity(double t, std::span<const double> p, std::span<const double> M, std::span<double> u) const override;
  bool affine() const override { return false; }
  bool autonomous() const override { return problem_.schedule->constant(); }

 private:
  double rate(double t, std::span<const double> p, const LawValues& law) const;
  const ModeSystem& modes_;
  const ScalarLaws& laws_;
  const NonlinearProblem& problem_;
  bool greedy_;
  double trace_;  ///< S
  std::vector<double> square_;
};

/// M(k+1) = M(k) + RHS, with c: the better comparison to a simulation.
class NonlinearRecursion {
 public:
  NonlinearRecursion(const ModeSystem& modes, const ScalarLaws& laws, const NonlinearProblem& problem);
  /// One step; false where a mode would be reflected beyond its optimum (2 eta a kappa > 1), and nothing is done.
  bool step();
  /// True when the last step has changed nothing and, by a constant rate and laws without memory, none will.
  bool at_rest() const { return at_rest_; }
  /// So many steps at rest.
  void rest(std::uint64_t steps);
  double excess_mse() const { return P_; }
  DriftPowers drift_powers() const { return nonlinear::drift_powers(modes_.kappa, M_); }
  std::uint64_t steps() const { return steps_; }
  double rate() const;                             ///< eta of the next step
  double last_rate() const { return last_rate_; }  ///< of the last step; 0 before the first
  LawValues law() const { return law_.at(P_); }    ///< of the next step
  std::span<const double> state() const { return M_; }
  double pull() const { return pull_; }  ///< sum of eta a over the steps so far

 private:
  const ModeSystem& modes_;
  RunningLaw law_;
  const NonlinearProblem& problem_;
  double trace_, P_;
  std::vector<double> M_;
  double pull_ = 0, last_rate_ = 0;
  std::uint64_t steps_ = 0;
  bool at_rest_ = false;
};

/// Against which divergence is measured (framework/divergence.hpp), in theory and in simulation: the excess at the start
/// and the noise; where that has no variance, the square of the residual's width.
double divergence_scale(const ingredients::Noise& noise, double excess);

/// sqrt(B) max |rho_i| beyond which coordinates feel the residual too much for linear response
/// (docs/theory/sign-and-clip.md, section 7).
constexpr double localised = 0.5;
/// Share of sqrt(n) above which Adam's floor is felt.
constexpr double felt_floor = 0.05;

/// Whether the theory is exact at finite dimension: the moments of plain SGD close, for its laws are linear in P.
bool is_exact(const NonlinearProblem& problem, const NonlinearTheory& theory);

/// Solves at the recorded steps (solve.cpp). \throws std::invalid_argument where the theory does not cover the problem.
Trajectory solve_nonlinear(const NonlinearProblem& problem, const ModeSystem& modes, const NonlinearTheory& theory);

/// eta b s_i/(2 a - eta c kappa_i), the part kappa_i M_i of the excess that every mode has where the laws stay at `law`;
/// infinite where it grows. Small steps: without c.
std::vector<double> steady_parts(const NonlinearProblem& problem, const ModeSystem& modes, const LawValues& law,
                                 Steps steps);

/// Roots P of P = sum_i steady_parts at the problem's learning rate, of small steps 2 a(P) P = eta b(P) sum_i s_i: the
/// fixed points (any covariance), increasing; more than one is possible for residual methods, none means divergence. 0
/// where nothing makes noise at P = 0 and the drift wins near it, or where P would be below the range of numbers. A pair
/// closer than a factor exp(1/2) can be missed.
std::vector<double> steady_states(const NonlinearProblem& problem, const ModeSystem& modes, const ScalarLaws& laws,
                                  Steps steps = Steps::small);

/// The problem as a simulation can run it: a threshold that follows the risk becomes a table over the steps, computed along
/// the theory's own trajectory. Unchanged where none does.
std::shared_ptr<const NonlinearProblem> replayable(std::shared_ptr<const NonlinearProblem> problem,
                                                   const ModeSystem& modes);

/// The modes of the problem's class, merged. One eigendecomposition.
ModeSystem modes_of(const NonlinearProblem& problem);

/// The root of the number of examples whose gradients the argument of a sign averages, B: of sign-ema, whose average over
/// (1 + beta)/(1 - beta) steps has as much less noise, B (1 + beta)/(1 - beta).
double root_of_averaged_examples(const NonlinearProblem& problem);
/// The name of localisation's value, "sqrt(B) max |rho_i|" with these examples for B.
std::string localisation_name(const NonlinearProblem& problem);
/// max_i |rho_i| root_of_averaged_examples at the start, rho_i the correlation of x_i with the residual: signs respond
/// linearly where this is small (docs/theory/sign-and-clip.md, section 3).
double localisation(const NonlinearProblem& problem);
/// The same along a trajectory, the root of the largest mean square over runs, from the modes M at excess mse P. Off
/// the diagonal, of a start whose mean decayed by exp(-kappa pull), the modes' fluctuations taken without correlations.
double localisation(const NonlinearProblem& problem, const ModeSystem& modes, std::span<const double> M, double pull,
                    double P);
/// The standard deviation of a Gaussian residual with the density at 0 of this one, so that it exists for every law.
double residual_width(const ingredients::Noise& noise, double P);

}  // namespace edgewise::models::nonlinear
