#include "models/nonlinear/theory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/constants/constants.hpp>
#include <boost/math/tools/roots.hpp>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "models/nonlinear/criteria.hpp"
#include "solvers/integrate.hpp"
#include "solvers/sde.hpp"

namespace edgewise::models {

namespace {

constexpr double pi = boost::math::constants::pi<double>();
constexpr double divergence_factor = 1e6;

// A table over the steps as a schedule: linear in between, constant after its end.
class Replay final : public Schedule {
 public:
  explicit Replay(std::vector<double> values) : values_(std::move(values)) {}
  double at(double t) const override {
    const double last = static_cast<double>(values_.size() - 1);
    const double x = std::clamp(t, 0.0, last), left = std::floor(x);
    const auto i = static_cast<std::size_t>(left);
    if (i + 1 >= values_.size()) return values_.back();
    return values_[i] + (x - left) * (values_[i + 1] - values_[i]);
  }

 private:
  std::vector<double> values_;
};

}  // namespace

NonlinearFlow::NonlinearFlow(const ModeSystem& modes, const ScalarLaws& laws, const NonlinearProblem& problem)
    : modes_(modes), laws_(laws), problem_(problem), greedy_(problem.greedy), trace_(modes.noise_trace()) {
  for (const double k : modes.kappa) square_.push_back(k * k);
}

double NonlinearFlow::rate(double t, std::span<const double> p, const LawValues& law) const {
  const double eta = problem_.rate_at(t);
  return greedy_ ? eta * law.a * p[1] / (law.b * trace_) : eta;
}

void NonlinearFlow::coefficients(double t, std::span<const double> p, std::span<double> rates,
                                 std::span<double> source) const {
  const LawValues law = laws_(p[0]);
  const double eta = rate(t, p, law);
  for (std::size_t i = 0; i < rates.size(); ++i) {
    rates[i] = 2 * eta * law.a * modes_.kappa[i];
    source[i] = eta * eta * law.b * modes_.s[i];
  }
}

void NonlinearFlow::sensitivity(double t, std::span<const double> p, std::span<const double> M,
                                std::span<double> u) const {
  const LawValues law = laws_(p[0]), slope = laws_.derivative(p[0]);
  const double eta = rate(t, p, law);
  const std::size_t n = size();
  for (std::size_t i = 0; i < n; ++i)
    u[i] = -2 * eta * slope.a * modes_.kappa[i] * M[i] + eta * eta * slope.b * modes_.s[i];
  if (!greedy_) return;
  const double per_P = eta * (slope.a / law.a - slope.b / law.b);
  const double per_Q = problem_.rate_at(t) * law.a / (law.b * trace_);
  for (std::size_t i = 0; i < n; ++i) {
    const double per_rate = -2 * law.a * modes_.kappa[i] * M[i] + 2 * eta * law.b * modes_.s[i];
    u[i] += per_rate * per_P;
    u[n + i] = per_rate * per_Q;
  }
}

NonlinearRecursion::NonlinearRecursion(const ModeSystem& modes, const ScalarLaws& laws, const NonlinearProblem& problem)
    : modes_(modes),
      laws_(laws),
      problem_(problem),
      trace_(modes.noise_trace()),
      P_(modes.excess_mse()),
      sigma2_(effective_noise(problem)->variance()),
      M_(modes.initial) {}

double NonlinearRecursion::drift_power() const {
  double sum = 0;
  for (std::size_t i = 0; i < M_.size(); ++i) sum += modes_.kappa[i] * modes_.kappa[i] * M_[i];
  return sum;
}

LawValues NonlinearRecursion::law() const {
  LawValues law = laws_(P_);
  if (problem_.method != "adam") return law;
  const double beta = problem_.ema_square, total = P_ + sigma2_;
  const double second = (beta * second_ + (1 - beta) * total) / (1 - std::pow(beta, static_cast<double>(steps_ + 1)));
  law.a *= std::sqrt(total / second);
  law.b *= total / second;
  return law;
}

double NonlinearRecursion::rate() const {
  const double eta = problem_.rate_at(static_cast<double>(steps_));
  if (!problem_.greedy) return eta;
  const LawValues law = this->law();
  return eta * law.a * drift_power() / (law.b * trace_);
}

bool NonlinearRecursion::step() {
  const LawValues law = this->law();
  const double eta = rate();
  const double decay = 2 * eta * law.a, curvature = eta * eta * law.c, noise = eta * eta * law.b;
  if (!modes_.kappa.empty()) {
    const double k = modes_.kappa.front();
    if (1 - decay * k + curvature * k * k < 0) return false;
  }
  double P = 0;
  for (std::size_t i = 0; i < M_.size(); ++i) {
    const double k = modes_.kappa[i];
    M_[i] += noise * modes_.s[i] - (decay - curvature * k) * k * M_[i];
    P += k * M_[i];
  }
  second_ = problem_.ema_square * second_ + (1 - problem_.ema_square) * (P_ + sigma2_);
  P_ = P;
  ++steps_;
  return true;
}

ModeSystem modes_of(const NonlinearProblem& problem) {
  return merged(problem.coordinatewise() ? class_two_modes(problem.covariance) : class_one_modes(problem.covariance));
}

std::vector<double> steady_states(const ModeSystem& modes, const ScalarLaws& laws, double eta) {
  const double level = std::log(eta * modes.noise_power());
  // log(2 a P / b) - log(eta sum s): positive where the drift wins.
  const auto excess = [&](double log_P) {
    const LawValues law = laws.exact(std::exp(log_P));
    return std::log(2 * law.a) + log_P - std::log(law.b) - level;
  };
  std::vector<double> roots;
  double left = -80, at_left = excess(left);
  for (double right = left + 0.5; right <= 80; right += 0.5) {
    const double at_right = excess(right);
    if (at_left * at_right <= 0 && std::isfinite(at_left) && std::isfinite(at_right) && at_left != 0) {
      std::uintmax_t iterations = 100;
      const auto found = boost::math::tools::toms748_solve(excess, left, right, at_left, at_right,
                                                           boost::math::tools::eps_tolerance<double>(50), iterations);
      roots.push_back(std::exp((found.first + found.second) / 2));
    }
    left = right;
    at_left = at_right;
  }
  return roots;
}

double localisation(const NonlinearProblem& problem) {
  const Covariance& K = problem.covariance;
  const std::vector<double> diagonal = K.diagonal_entries();
  const double P = K.signal();
  if (P <= 0) return 0;
  // The width of the residual as its density at 0 shows it, so that it exists for every law.
  const double width = 2 / pi / (sign_phi(*effective_noise(problem), P) / std::sqrt(P));
  double most = 0;
  for (std::size_t i = 0; i < K.d; ++i) {
    if (diagonal[i] <= 0) continue;
    double drift = 0;
    if (K.diagonal)
      drift = diagonal[i] * K.target[i];
    else
      for (std::size_t j = 0; j < K.d; ++j) drift += K.matrix[i * K.d + j] * K.target[j];
    most = std::max(most, std::abs(drift) / std::sqrt(diagonal[i]));
  }
  return most / width * std::sqrt(problem.batch);
}

std::shared_ptr<const NonlinearProblem> replayable(std::shared_ptr<const NonlinearProblem> problem,
                                                   const ModeSystem& modes) {
  const bool follows = problem->threshold_rule != "constant";
  if (!problem->greedy && !follows) return problem;
  if (problem->time.steps > 5'000'000)
    throw std::invalid_argument(
        "time.steps: a rate or threshold that follows the risk is replayed from a table of at "
        "most 5e6 steps");
  const ScalarLaws laws = scalar_laws(*problem);
  const std::shared_ptr<const Noise> noise = effective_noise(*problem);
  const double trace = problem->covariance.trace();
  // One law of P, tabulated like the others.
  const ScalarLaws threshold([&](double P) {
    return LawValues{threshold_at_risk(problem->method, problem->threshold_rule, problem->threshold, trace, *noise, P),
                     1, 0};
  });
  NonlinearRecursion recursion(modes, laws, *problem);
  std::vector<double> rates, thresholds;
  for (std::uint64_t k = 0; k <= problem->time.steps; ++k) {
    rates.push_back(recursion.rate());
    if (follows) thresholds.push_back(threshold(recursion.excess_mse()).a);
    if (!recursion.step()) break;
  }
  auto out = std::make_shared<NonlinearProblem>(*problem);
  if (problem->greedy) {
    out->learning_rate = 1;
    out->greedy = false;
    out->schedule = std::make_shared<Replay>(std::move(rates));
  }
  if (follows) out->threshold_schedule = std::make_shared<Replay>(std::move(thresholds));
  return out;
}

namespace {

/// One solve: records what is asked for along the way.
class Solver {
 public:
  Solver(const NonlinearProblem& problem, const ModeSystem& modes, const NonlinearTheory& theory)
      : problem_(problem),
        modes_(modes),
        theory_(theory),
        noise_(effective_noise(problem)),
        laws_(scaled(scalar_laws(problem), theory)),
        limit_(divergence_limit(modes.excess_mse(), *noise_)) {}

  Trajectory run() {
    out_.exact = false;
    if (theory_.method == "ode")
      ode();
    else if (theory_.method == "sde")
      sde();
    else
      recursion();
    columns();
    if (theory_.bands) bands();
    if (theory_.effects) effects();
    if (theory_.compare) compare();
    return std::move(out_);
  }

 private:
  static ScalarLaws scaled(ScalarLaws laws, const NonlinearTheory& theory) {
    if (theory.scale_drift == 1 && theory.scale_noise == 1) return laws;
    return ScalarLaws([laws = std::move(laws), a = theory.scale_drift, b = theory.scale_noise](double P) {
      const LawValues v = laws.exact(P);
      return LawValues{v.a * a, v.b * b, v.c};
    });
  }

  // Beyond any size that start and noise can explain.
  static double divergence_limit(double P, const Noise& noise) {
    double scale = P;
    if (std::isfinite(noise.variance()))
      scale += noise.variance();
    else if (P > 0)
      scale = std::pow(2 / pi / (sign_phi(noise, P) / std::sqrt(P)), 2);
    return scale > 0 ? divergence_factor * scale : 1e100;
  }

  void record(double step, double P) {
    out_.steps.push_back(step);
    P_.push_back(P);
  }

  void recursion() {
    out_.method = "recursion";
    NonlinearRecursion recursion(modes_, laws_, problem_);
    for (const std::uint64_t target : problem_.time.at) {
      while (recursion.steps() < target) {
        if (!recursion.step()) {
          out_.warnings.push_back(
              fmt::format("unstable-step: at step {} 2 eta a kappa_max exceeds 1, the largest mode would be thrown "
                          "past its optimum; "
                          "the theory of small steps ends here",
                          recursion.steps()));
          return;
        }
        if (!(recursion.excess_mse() <= limit_)) {
          out_.diverged_at = static_cast<double>(recursion.steps());
          return;
        }
      }
      record(static_cast<double>(target), recursion.excess_mse());
    }
    out_.report.emplace_back("iterated_steps", static_cast<double>(recursion.steps()));
  }

  void ode() {
    const NonlinearFlow flow(modes_, laws_, problem_);
    solvers::Options options;
    options.integrator = solvers::integrator_from_name(theory_.integrator);
    options.rtol = theory_.rtol;
    options.atol = theory_.atol;
    options.breaks = problem_.schedule->breaks();
    options.divergence_limit = limit_ / (modes_.excess_mse() > 0 ? modes_.excess_mse() : 1);
    options.observer = [&](std::size_t, double t, std::span<const double> p, std::span<const double>) {
      record(t, p[0]);
    };
    const std::vector<double> times(problem_.time.at.begin(), problem_.time.at.end());
    const solvers::Solution solution = solvers::integrate(flow, modes_.initial, times, options);
    out_.diverged_at = solution.diverged_at;
    out_.method = fmt::format("ode, {}", theory_.integrator);
    const solvers::Statistics& s = solution.statistics;
    out_.report.insert(out_.report.end(), {{"solver_steps", static_cast<double>(s.steps)},
                                           {"solver_rejected", static_cast<double>(s.rejected)},
                                           {"solver_evaluations", static_cast<double>(s.evaluations)}});
  }

  // dz_i = -eta a kappa_i z_i dt + eta sqrt(b s_i) dW_i, P = sum kappa z^2, in the coordinates that diagonalise the
  // drift; there the noise of class II is taken without its correlations between modes, which the mean does not see.
  void sde() {
    if (problem_.greedy)
      throw std::invalid_argument("theory.method: sde does not follow the risk; use recursion or ode");
    const ModeSystem single =
        problem_.coordinatewise() ? class_two_modes(problem_.covariance) : class_one_modes(problem_.covariance);
    const std::size_t d = single.kappa.size();
    const auto risk = [&](std::span<const double> z) {
      double P = 0;
      for (std::size_t i = 0; i < d; ++i) P += single.kappa[i] * z[i] * z[i];
      return P;
    };
    std::vector<double> start, spread;
    for (std::size_t i = 0; i < d; ++i) {
      start.push_back(std::sqrt(single.initial[i]));
      spread.push_back(std::sqrt(single.s[i]));
    }
    solvers::Sde equation;
    equation.dimension = equation.noises = d;
    equation.drift = [&](double t, std::span<const double> z, std::span<double> out) {
      const double rate = problem_.rate_at(t) * laws_(risk(z)).a;
      for (std::size_t i = 0; i < d; ++i) out[i] = -rate * single.kappa[i] * z[i];
    };
    equation.noise = [&](double t, std::span<const double> z, std::span<const double> w, std::span<double> out) {
      const double level = problem_.rate_at(t) * std::sqrt(laws_(risk(z)).b);
      for (std::size_t i = 0; i < d; ++i) out[i] = level * spread[i] * w[i];
    };
    const std::vector<double> times(problem_.time.at.begin(), problem_.time.at.end());
    const std::size_t count = times.size();
    std::vector<double> sum(count, 0), square(count, 0);
    std::size_t reached = count;
    for (std::uint64_t path = 0; path < theory_.paths; ++path) {
      random::Stream stream(theory_.seed, path, 0, random::Purpose::other);
      std::size_t alive = 0;
      solvers::simulate_path(equation, solvers::SdeScheme::euler_maruyama, start, times, theory_.time_step, stream,
                             [&](std::size_t i, double, std::span<const double> z) {
                               const double P = risk(z);
                               if (!(P <= limit_)) return false;
                               sum[i] += P;
                               square[i] += P * P;
                               alive = i + 1;
                               return true;
                             });
      reached = std::min(reached, alive);
    }
    const double n = static_cast<double>(theory_.paths);
    Column sem{{"excess_mse_sde_sem", "label^2", "standard error of the SDE's mean of P"}, {}, {}};
    for (std::size_t i = 0; i < reached; ++i) {
      const double mean = sum[i] / n;
      record(times[i], mean);
      sem.value.push_back(std::sqrt(std::max(0.0, (square[i] - n * mean * mean) / (n - 1) / n)));
    }
    if (reached < count) out_.diverged_at = times[reached];
    extra_.push_back(std::move(sem));
    out_.method = "sde, euler-maruyama";
    out_.report = {{"sde_paths", n}, {"sde_time_step", theory_.time_step}};
  }

  void columns() {
    const double sigma2 = noise_->variance();
    out_.columns.push_back({{"excess_mse", "label^2", "P = v'Kv"}, P_, {}});
    if (std::isfinite(sigma2)) {
      Column risk{{"risk", "label^2", "population loss with noise, (P + sigma^2)/2"}, {}, {}};
      for (const double P : P_) risk.value.push_back((P + sigma2) / 2);
      out_.columns.push_back(std::move(risk));
    }
    for (Column& column : extra_) out_.columns.push_back(std::move(column));
  }

  // One path's variance, V' = (1 + f'(P))^2 V + Dm(P) (note 2.7), for one eigenvalue.
  void bands() {
    const bool sign = problem_.coordinatewise() && problem_.method != "sign-ema" && problem_.method != "ema-sign" &&
                      problem_.method != "adam";
    const bool plain = problem_.method == "sgd" && problem_.batch == 1 && noise_->gaussian();
    if (modes_.kappa.size() != 1 || !(sign || plain) || problem_.greedy)
      throw std::invalid_argument(
          "theory.bands: known for an isotropic covariance and signs, or SGD with batch 1 and Gaussian noise");
    if (theory_.method != "recursion") throw std::invalid_argument("theory.bands: needs method = \"recursion\"");
    const double k = modes_.kappa[0], d = modes_.s[0] / k;
    NonlinearRecursion recursion(modes_, laws_, problem_);
    double V = 0;
    std::vector<double> std;
    for (const double target : out_.steps) {
      while (static_cast<double>(recursion.steps()) < target) {
        const double P = recursion.excess_mse(), eta = recursion.rate();
        const LawValues law = laws_(P), slope = laws_.derivative(P);
        double f = 0, kick = 0;
        if (sign) {
          // P falls by 2 eta u'Kv, u the sign with second moment b K_sigma + c along v; K = k^2 I here.
          f = -2 * eta * k * (law.a + slope.a * P) + eta * eta * modes_.s[0] * k * slope.b +
              eta * eta * k * k * (law.c + slope.c * P);
          kick = 4 * eta * eta * k * k * (law.b * P + (law.c - law.a * law.a) * P * P);
        } else {
          const double x = eta * k, total = P + noise_->variance();
          f = -2 * x + x * x * d;
          kick = 2 * std::pow(x * x * d * total - 2 * x * P, 2) + 4 * x * x * P * noise_->variance();
        }
        V = (1 + f) * (1 + f) * V + kick;
        recursion.step();
      }
      std.push_back(std::sqrt(V));
    }
    for (Column& column : out_.columns) {
      if (column.observable.name == "excess_mse") column.std = std;
      if (column.observable.name == "risk") {
        for (const double s : std) column.std.push_back(s / 2);
      }
    }
  }

  void effects() {
    Column rate{{"effective_learning_rate", "", "eta a(P): the learning rate of SGD with the same drift"}, {}, {}};
    Column second{{"effective_noise", "", "b(P): what takes the place of (P + sigma^2)/B in the noise"}, {}, {}};
    Column efficiency{{"efficiency", "1", "a^2 (P + sigma^2)/(b B) per sample: SGD has 1"}, {}, {}};
    Column compression{{"noise_compression", "1", "(pi^2/4) phi^2 (P + sigma^2)/P: 1 for Gaussian noise"}, {}, {}};
    Column variance{{"variance_reduction", "1", "nu = q/(P + sigma^2) of the clipped residual"}, {}, {}};
    Column gain{{"clipping_gain", "1", "mu^2/nu: progress at the best rate over that of SGD"}, {}, {}};
    Column faster{{"learning_rate_gain", "1", "mu/nu: the largest stable rate over that of SGD"}, {}, {}};
    const bool finite = std::isfinite(noise_->variance());
    const bool example_wise = !problem_.coordinatewise() && problem_.method != "mean-clip";
    for (std::size_t i = 0; i < P_.size(); ++i) {
      const double P = std::max(P_[i], 1e-300), total = P + noise_->variance();
      const LawValues law = laws_(P);
      rate.value.push_back(problem_.rate_at(out_.steps[i]) * law.a);
      second.value.push_back(law.b);
      if (!finite) continue;
      efficiency.value.push_back(law.a * law.a * total / (law.b * problem_.batch));
      if (problem_.coordinatewise()) compression.value.push_back(noise_compression(*noise_, P));
      if (example_wise) {
        const double nu = law.b * problem_.batch / total;
        variance.value.push_back(nu);
        gain.value.push_back(law.a * law.a / nu);
        faster.value.push_back(law.a / nu);
      }
    }
    if (!problem_.greedy) out_.columns.push_back(std::move(rate));
    out_.columns.push_back(std::move(second));
    for (Column* column : {&efficiency, &compression, &variance, &gain, &faster})
      if (!column->value.empty()) out_.columns.push_back(std::move(*column));
  }

  // Each column switches on one effect more: SGD; SGD with the sign's effective rate; and with its preconditioner;
  // the sign itself is excess_mse.
  void compare() {
    if (!problem_.coordinatewise() || theory_.method != "recursion")
      throw std::invalid_argument("theory.compare: is for signs, and needs method = \"recursion\"");
    const double sigma2 = noise_->variance();
    if (!std::isfinite(sigma2))
      throw std::invalid_argument("theory.compare: SGD has no theory under noise of infinite variance");
    const ModeSystem plain = merged(class_one_modes(problem_.covariance));
    ModeSystem pre = modes_;
    pre.s = pre_noise();
    const double batch = problem_.batch;
    std::vector<double> sgd = plain.initial, matched = plain.initial, preconditioned = pre.initial;
    const auto risk = [](const ModeSystem& m, const std::vector<double>& M) {
      double P = 0;
      for (std::size_t i = 0; i < M.size(); ++i) P += m.kappa[i] * M[i];
      return P;
    };
    const auto move = [](const ModeSystem& m, std::vector<double>& M, double eta, double second) {
      for (std::size_t i = 0; i < M.size(); ++i) M[i] += eta * eta * second * m.s[i] - 2 * eta * m.kappa[i] * M[i];
    };
    NonlinearRecursion recursion(modes_, laws_, problem_);
    Column c1{{"excess_mse_sgd", "label^2", "P of SGD at the same learning rate"}, {}, {}};
    Column c2{{"excess_mse_matched_rate", "label^2", "P of SGD at the sign's effective rate eta a(P)"}, {}, {}};
    Column c3{{"excess_mse_preconditioned", "label^2", "P of SGD at that rate with preconditioner Dg^(-1/2)"}, {}, {}};
    for (const double target : out_.steps) {
      while (static_cast<double>(recursion.steps()) < target) {
        const double eta = recursion.rate(), effective = eta * recursion.law().a;
        move(plain, sgd, eta, (risk(plain, sgd) + sigma2) / batch);
        move(plain, matched, effective, (risk(plain, matched) + sigma2) / batch);
        move(pre, preconditioned, effective, (risk(pre, preconditioned) + sigma2) / batch);
        if (!recursion.step()) break;
      }
      c1.value.push_back(risk(plain, sgd));
      c2.value.push_back(risk(plain, matched));
      c3.value.push_back(risk(pre, preconditioned));
    }
    for (Column* column : {&c1, &c2, &c3}) out_.columns.push_back(std::move(*column));
  }

  // The preconditioned gradient has covariance Dg^(-1/2) K Dg^(-1/2): kappa per mode, as often as the mode occurs.
  std::vector<double> pre_noise() const {
    ModeSystem single = class_two_modes(problem_.covariance);
    single.s = single.kappa;
    return merged(single).s;
  }

  const NonlinearProblem& problem_;
  const ModeSystem& modes_;
  const NonlinearTheory& theory_;
  std::shared_ptr<const Noise> noise_;
  ScalarLaws laws_;
  double limit_;
  Trajectory out_;
  std::vector<double> P_;
  std::vector<Column> extra_;
};

}  // namespace

Trajectory solve_nonlinear(const NonlinearProblem& problem, const ModeSystem& modes, const NonlinearTheory& theory) {
  return Solver(problem, modes, theory).run();
}

}  // namespace edgewise::models
