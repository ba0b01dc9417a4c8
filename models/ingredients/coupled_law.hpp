#pragma once
/// \file
/// A learning problem whose second moments are coupled modes (solvers/coupled_modes.hpp), followed from one set of
/// coefficients: as the exact recursion, as the flow, by a jump to any step, or as the mean over paths of a stochastic
/// equation.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/framework/experiment.hpp"
#include "models/framework/model.hpp"
#include "models/ingredients/schedules.hpp"
#include "settings/words.hpp"
#include "solvers/contour.hpp"
#include "solvers/coupled_modes.hpp"
#include "solvers/integrate.hpp"

namespace edgewise::models::ingredients {

/// M_i' = M_i - rate_i(k, p) M_i + source_i(k, p), p = W M, and what is read from p and M.
struct CoupledLaw {
  /// What is read: a function of p and M, or sum weights_i M_i, or where neither is given p_0.
  struct Reading {
    Observable observable;
    std::function<double(std::span<const double> p, std::span<const double> M)> value = {};
    std::vector<double> weights = {};
  };

  std::shared_ptr<const solvers::CoupledModes> modes;
  std::vector<double> start;         ///< M(0)
  std::vector<double> multiplicity;  ///< coordinates of each mode: M_i = sum of so many squares; needed by sde alone
  std::vector<double> breaks;        ///< steps at which the coefficients jump
  double scale = 0;                  ///< of p_0, at which divergence is measured (divergence.hpp)
  std::vector<Reading> readings;
  bool exact = false;  ///< the recursion holds at finite dimension
  /// The system with constant coefficients, one shared scalar and source_i proportional to it, as the contour jumps
  /// through it, by steps (a map) or in continuous time (a flow); empty where the law is not of that kind.
  std::optional<solvers::RankOneSystem> rank_one;
  std::string why_no_jump = "the coefficients change along the way";  ///< where `rank_one` is empty
};

/// Rate and input of one mode.
struct ModeCoefficients {
  double rate = 0, input = 0;
};

/// The commonest law, driven by the risk alone: p = sum weight_i M_i and
///
///     M_i' = (1 - rate_i(eta_k)) M_i + input_i(eta_k) (p + source),      eta_k = learning_rate * schedule.at(k).
///
/// It jumps where the schedule is constant. Readings, scale and the rest are the caller's to fill in.
/// \param coefficients  of a mode, or of all of them, at a learning rate
CoupledLaw risk_driven_law(std::vector<double> weight, std::vector<double> start, double source, double learning_rate,
                           std::shared_ptr<const Schedule> schedule,
                           std::function<ModeCoefficients(std::size_t mode, double eta)> coefficients);
CoupledLaw risk_driven_law(std::vector<double> weight, std::vector<double> start, double source, double learning_rate,
                           std::shared_ptr<const Schedule> schedule,
                           std::function<void(double eta, std::span<ModeCoefficients> out)> coefficients);

/// How a law is followed: the keys of section [theory] that such a model reads.
struct Following {
  enum class Method { recursion, ode, jump, sde };
  Method method = Method::recursion;
  solvers::Integrator integrator = solvers::Integrator::automatic;  ///< of the ode
  double rtol = 1e-8, atol = 0;
  std::uint64_t paths = 256;  ///< of the sde
  double time_step = 1;       ///< of the sde
  std::uint64_t seed = 1;     ///< of the sde
};

/// The parameters of section [theory] that `read_following` reads.
const std::vector<settings::Parameter>& following_parameters();
/// \throws settings::Error.
Following read_following(const Experiment& experiment);

/// The law along the recorded steps of `time`. The sde has
///
///     dz = -(rate_i/2) z dt + sqrt(source_i/n_i) dW      for each of the n_i coordinates of mode i,
///
/// whose E sum z^2 follows the flow where rates and sources are affine in p.
/// \throws std::invalid_argument where the method does not fit the law.
Trajectory follow(const CoupledLaw& law, const Time& time, const Following& how);

}  // namespace edgewise::models::ingredients
