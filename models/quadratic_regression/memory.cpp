#include "models/quadratic_regression/memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/constants/constants.hpp>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "models/quadratic_regression/memory_kernels.hpp"
#include "numerics/constants.hpp"
#include "numerics/roots.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::quadratic_regression {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// Trials of a step that chooses its rate: how far the loss may rise on them, relative, and how short they may become.
constexpr double largest_trial = 100, shortest_trial = 1e-12;
/// Log of the growth of the bulk edge's modes from which on few of them carry a run whose rate goes above and below the edge.
const double lasting = std::log(10.0);
/// S(t, t) below -S(t - 1, t - 1) times this is not rounding.
constexpr double rounding = 1e-12;

/// What a step along a mode takes its size by, late: the larger root of r^2 - (1 + momentum - x) r + momentum = 0, x = eta
/// lambda; |1 - x| without momentum.
double step_factor(double x, double momentum) {
  const double half = 0.5 * (1 + momentum - x), square = half * half - momentum;
  return square > 0 ? std::abs(half) + std::sqrt(square) : std::sqrt(momentum);
}

void check(const QuadraticEnsemble& e) {
  const auto positive = [](const char* name, double value) {
    if (!(value > 0) || !std::isfinite(value))
      throw std::invalid_argument(fmt::format("{} must be positive and finite, not {}", name, value));
  };
  positive("delta (outputs per parameter)", e.delta);
  positive("the variance of the initial residuals", e.residual_variance);
  positive("the variance of the initial Jacobian", e.jacobian_variance);
  if (!(e.kappa >= 0) || !std::isfinite(e.kappa))
    throw std::invalid_argument(fmt::format("kappa must be finite and not negative, not {}", e.kappa));
}

void check(const QuadraticMemoryProblem& p) {
  check(p.ensemble);
  if (!(p.momentum >= 0) || !(p.momentum < 1))
    throw std::invalid_argument(fmt::format("the momentum must lie in [0, 1), not {}", p.momentum));
  if (!(p.batch_fraction > 0) || p.batch_fraction > 1)
    throw std::invalid_argument(fmt::format("the batch fraction must lie in (0, 1], not {}", p.batch_fraction));
  if (p.choose_rate) {
    if (p.batch_fraction != 1) throw std::invalid_argument("a rate is chosen with all outputs a step only");
  } else if (p.learning_rate.size() != 1 && (p.learning_rate.empty() || p.learning_rate.size() < p.steps))
    throw std::invalid_argument(
        fmt::format("one learning rate, or one for each of the {} steps, not {}", p.steps, p.learning_rate.size()));
  for (const double eta : p.choose_rate ? std::vector<double>{1} : p.learning_rate)
    if (!(eta > 0) || !std::isfinite(eta))
      throw std::invalid_argument(
          fmt::format("optimizer.learning_rate: must be positive and finite at every step, not {}", eta));
  // Beyond this the byte count itself could overflow.
  constexpr std::size_t most_steps = std::size_t{1} << 28;
  if (p.steps > most_steps || quadratic_memory_bytes(p.steps, p.two_time) > p.memory_limit)
    throw std::invalid_argument(fmt::format(
        "time.steps: a memory of {} steps needs {:.3g} GiB, more than the limit of {:.3g} GiB", p.steps,
        p.steps > most_steps ? HUGE_VAL : static_cast<double>(quadratic_memory_bytes(p.steps, p.two_time)) / gibibyte,
        static_cast<double>(p.memory_limit) / gibibyte));
}

/// The covariance of the residual field and its derivative.
struct Field {
  explicit Field(const QuadraticEnsemble& e)
      : c0(e.residual_variance), slope(e.jacobian_variance), curvature(e.kappa) {}
  double operator()(double q) const { return c0 + q * (slope + 0.5 * curvature * q); }
  double derivative(double q) const { return slope + curvature * q; }
  double c0, slope, curvature;
};

double dot(const double* a, const double* b, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

/// The recursion's state, in the letters of docs/theory/quadratic-regression.md (3.7): (3.4) in increments, v_t = theta_(t+1)
/// - theta_t, e_t = xi_t - xi_(t-1), y_t = z_t - z_(t-1), all of which vanish as training ends. What is computed is a sum of
/// terms no larger than itself, where (3.4) takes the late loss for the difference of numbers of the size of the first.
class Recursion {
 public:
  explicit Recursion(const QuadraticMemoryProblem& problem)
      : problem_(problem),
        field_(problem.ensemble),
        D_(problem.steps + 1),
        R_(problem.steps + 1),
        H_(problem.steps + 1),
        M_(problem.steps + 1) {
    for (auto* v : {&theta_, &next_theta_, &pull_, &response_, &shift_, &u_, &last_u_, &u_response_, &last_response_,
                    &L_, &field_steps_, &down_, &across_, &Y_, &A_, &N_})
      v->resize(problem.steps + 2);
  }

  /// S(t, t), the row of C at t being known; step t - 1 must have been taken.
  double residuals(std::size_t t) {
    const double b = problem_.batch_fraction;
    double *H = H_.row(t), *M = M_.row(t);
    H[t] = 1;
    if (t == 0) {
      M[0] = b * field_.c0;
      change_ = 0;
      return square_ = field_.c0;
    }
    const double *D = D_.row(t - 1), *R = R_.row(t - 1), *last = M_.row(t - 1);
    // L(t, u) - L(t - 1, u), and E e_t e_s from the second difference of the covariance; xi_0 is at theta = 0.
    field_steps_[0] = 0;
    for (std::size_t s = 0; s < t; ++s) {
      L_[s] = R[s] * field_.derivative(next_theta_[s]) + response_[s] * field_.curvature * shift_[s];
      const double pulled = s + 1 < t ? pull_[s] : shift_[s];
      field_steps_[s + 1] =
          D[s] * field_.slope + field_.curvature * (shift_[s] * pulled + D[s] * (next_theta_[s + 1] - 0.5 * D[s]));
    }
    triangle_products(H_, t, L_.data(), field_steps_.data(), down_.data(), across_.data());
    const double* before = H_.row(t - 1);
    for (std::size_t s = 0; s < t; ++s) H[s] = before[s] - b * down_[s];
    const double e_z = across_[t - 1];
    symmetric_product(M_, t, L_.data(), down_.data(), Y_.data());
    // E z_(t-1) m_s z_s, then E z_t m_s z_s; and y_t on both.
    double on_last = e_z, on_now = dot(H, field_steps_.data(), t + 1);
    for (std::size_t s = 0; s < t; ++s) {
      Y_[s] = s + 1 < t ? last[s] / b : last[s];
      on_last -= L_[s] * Y_[s];
      Y_[s] += b * across_[s] - down_[s];
      on_now -= L_[s] * Y_[s];
      M[s] = b * Y_[s];
    }
    change_ = on_last + on_now;
    const double square = square_of_last_ + change_;
    M[t] = b * square;
    return square_ = square;
  }
  /// S(t, t) - S(t - 1, t - 1) of the last call.
  double change() const { return change_; }
  /// What S(t, t) is taken for.
  void set_square(std::size_t t, double square) {
    square_of_last_ = square;
    M_.row(t)[t] = problem_.batch_fraction * square;
  }
  /// C(t, t) of the last call.
  double overlap(std::size_t t) const { return next_theta_[t]; }

  /// What step t moves along, u_t = momentum u_(t-1) - g_t.
  void direct(std::size_t t) {
    const auto& e = problem_.ensemble;
    const double b = problem_.batch_fraction, momentum = problem_.momentum;
    if (t > 0) arrive(t);
    const double *H = H_.row(t), *M = M_.row(t);
    // A(t, r) = sum_(s > r) a(t, s), where -g_t = sum_s a(t, s) theta_s + noise = sum_r A(t, r) v_r + noise.
    double carried = 0, damped = 0;
    for (std::size_t r = t; r-- > 0;) {
      const std::size_t s = r + 1;
      damped += M[s] * field_.curvature * (s < t ? response_[s] : 0);
      A_[r] = -e.delta * (b * (H[s] * field_.derivative(theta_[s]) + carried) - damped);
      carried += H[s] * field_.curvature * pull_[r];
    }
    for (std::size_t s = 0; s <= t; ++s) N_[s] = e.delta * M[s] * field_.derivative(theta_[s]);
    triangle_products(R_, t, A_.data(), N_.data(), down_.data(), across_.data());
    u_.swap(last_u_);
    u_response_.swap(last_response_);
    if (t > 0) last_u_[t - 1] = rates_.back() * u_square_;
    for (std::size_t s = 0; s < t; ++s) {
      u_response_[s] = momentum * last_response_[s] + down_[s];
      u_[s] = momentum * last_u_[s] + across_[s];
    }
    u_response_[t] = 1;
    symmetric_product(D_, t, A_.data(), down_.data(), across_.data());
    for (std::size_t s = 0; s < t; ++s) u_[s] += down_[s];
    const double on_last = t > 0 ? dot(A_.data(), last_u_.data(), t) + dot(N_.data(), last_response_.data(), t) : 0;
    along_ = dot(A_.data(), u_.data(), t) + dot(N_.data(), u_response_.data(), t + 1);
    gradient_square_ = along_ - momentum * on_last;
    u_square_ = along_ + momentum * (on_last + momentum * u_square_);
  }

  /// theta_(t+1) = theta_t + eta u_t; may be taken back by another.
  void step(std::size_t t, double eta) {
    double *D = D_.row(t), *R = R_.row(t);
    double sum = 0;
    for (std::size_t s = 0; s <= t; ++s) {
      shift_[s] = sum;  // v_t.theta_s/P
      D[s] = s < t ? eta * u_[s] : eta * eta * u_square_;
      R[s] = eta * u_response_[s];
      next_theta_[s] = theta_[s] + sum;
      if (s < t) sum += D[s];
    }
    next_theta_[t + 1] = next_theta_[t] + (sum + D[t]);
    rates_.resize(t + 1);
    rates_[t] = eta;
  }

  /// What step t shows, of loss `loss`: the loss after it is a polynomial of fourth degree in its rate, read off four
  /// trials about 1/`bulk_edge`, or shorter ones where those overshoot. Empty where rounding hides its slope.
  std::optional<QuadraticDescent> descent(std::size_t t, double loss, double bulk_edge) {
    const auto after = [&](double eta) {
      step(t, eta);
      residuals(t + 1);
      return change_ / 2;
    };
    QuadraticDescent out;
    out.loss = loss;
    out.q = theta_[t];
    for (std::size_t s = 0; s < t; ++s) out.along -= u_[s];
    out.squared_gradient = gradient_square_ / problem_.ensemble.delta;
    out.slope = along_ / problem_.ensemble.delta;
    double h = 2 / bulk_edge, far_up = 0, far_down = 0;
    do {
      h /= 2;
      far_up = after(2 * h);
      far_down = after(-2 * h);
    } while (!(std::max(far_up, far_down) <= largest_trial * loss) && h * bulk_edge > shortest_trial);
    const double up = after(h), down = after(-h);
    const double odd = (up - down) / 2, far_odd = (far_up - far_down) / 2, even = (up + down) / 2,
                 far_even = (far_up + far_down) / 2;
    out.third = (far_odd - 2 * odd) / (6 * h * h * h);
    out.curvature = (16 * even - far_even) / (6 * h * h);
    out.fourth = (far_even - 4 * even) / (12 * h * h * h * h);
    if (!(out.squared_gradient * h > smallest_descent * loss)) return std::nullopt;
    return out;
  }

  /// Two-time functions of the first n steps.
  QuadraticTwoTime two_time(std::size_t n) const {
    QuadraticTwoTime f;
    for (Matrix* m : {&f.overlap, &f.response, &f.residual_response, &f.masked_residual}) *m = Matrix(n, n);
    Matrix cc(n, n), L(n, n), Y(n, n);
    for (std::size_t t = 0; t < n; ++t) {
      double shift = 0;  // v_(t-1).theta_s/P
      for (std::size_t s = 0; s <= t; ++s) {
        double kicked = 0;
        if (s < t) {
          f.overlap(t, s) = f.overlap(t - 1, s) + shift;
          shift += D_.row(t - 1)[s];
          kicked = (s + 1 < t ? f.response(t - 1, s) * rates_[s] : 0) + R_.row(t - 1)[s];
          f.response(t, s) = kicked / rates_[s];
        } else if (t > 0) {
          f.overlap(t, t) = f.overlap(t, t - 1) + shift;
        }
        const double C = f.overlap(s, t) = f.overlap(t, s), M = M_.row(t)[s];
        f.residual_response(t, s) = H_.row(t)[s] - (s < t ? H_.row(t)[s + 1] : 0);
        f.masked_residual(t, s) = f.masked_residual(s, t) = M;
        cc(t, s) = cc(s, t) = field_(C);
        L(t, s) = kicked * field_.derivative(C);
        if (s < t) Y(t, s) = M / problem_.batch_fraction;
      }
    }
    // S = H cc - Y L' below and on the diagonal (steps 3 and 5).
    linear_algebra::multiply(1, f.residual_response, Transposed::no, cc, Transposed::no, 0, f.residual);
    linear_algebra::multiply(-1, Y, Transposed::no, L, Transposed::yes, 1, f.residual);
    for (std::size_t t = 0; t < n; ++t)
      for (std::size_t s = 0; s < t; ++s) f.residual(s, t) = f.residual(t, s);
    return f;
  }

 private:
  /// theta_t and what is kept of it, once its step is final.
  void arrive(std::size_t t) {
    const double *D = D_.row(t - 1), *R = R_.row(t - 1);
    for (std::size_t s = 0; s < t; ++s) {
      pull_[s] = (s + 1 < t ? pull_[s] : shift_[s]) + D[s];
      response_[s] = (s + 1 < t ? response_[s] : 0) + R[s];
    }
    std::copy_n(next_theta_.begin(), t + 1, theta_.begin());
  }

  const QuadraticMemoryProblem& problem_;
  std::vector<double> rates_;
  Field field_;
  PackedTriangle D_, R_, H_, M_;
  std::vector<double> theta_, next_theta_;  // C(t, s), C(t + 1, s)
  std::vector<double> pull_, response_;     // theta_t.v_s/P, and the response of theta_t to the noise of step s
  std::vector<double> shift_;               // v_t.theta_s/P
  std::vector<double> u_, last_u_, u_response_, last_response_;  // u_t.v_s/P, u_(t-1).v_s/P, and the responses of both
  std::vector<double> L_, field_steps_, down_, across_, Y_, A_, N_;
  double square_ = 0, square_of_last_ = 0, change_ = 0, u_square_ = 0, along_ = 0, gradient_square_ = 0;
};

}  // namespace

double quadratic_kernel_mean(const QuadraticEnsemble& e, double q) {
  return e.jacobian_variance + e.kappa * q;
}

double quadratic_bulk_edge(const QuadraticEnsemble& e, double q) {
  const double root = 1 + std::sqrt(e.delta);
  return quadratic_kernel_mean(e, q) * root * root;
}

std::size_t quadratic_memory_bytes(std::size_t steps, bool two_time) {
  const std::size_t n = steps + 1;
  return sizeof(double) * (4 * (n * (n + 1) / 2) + (two_time ? 8 * n * n : 0));
}

QuadraticMemorySolution solve_quadratic_memory(const QuadraticMemoryProblem& problem) {
  check(problem);
  QuadraticMemorySolution solution;
  Recursion recursion(problem);
  double growth = 0;  // of the bulk edge's modes since they were least, its logarithm
  const double edge_of_momentum = 2 * (1 + problem.momentum);
  double last = problem.ensemble.residual_variance, eta = 0;
  for (std::size_t t = 0; t <= problem.steps; ++t) {
    double square = recursion.residuals(t);
    const double q = recursion.overlap(t);
    // All of S(t - 1, t - 1) may go in one step, but for the rounding of that.
    if (square < 0 && square >= -rounding * last) square = 0;
    const double loss = square / 2;
    if (!(square >= 0) || !(loss <= problem.largest_loss) || !std::isfinite(q)) {
      solution.diverged_at = t;
      break;
    }
    recursion.set_square(t, last = square);
    solution.loss.push_back(loss);
    solution.q.push_back(q);
    solution.kernel_mean.push_back(quadratic_kernel_mean(problem.ensemble, q));
    solution.bulk_edge.push_back(quadratic_bulk_edge(problem.ensemble, q));
    if (t < problem.steps) recursion.direct(t);
    if (!problem.choose_rate) {
      eta = problem.learning_rate[std::min(t, problem.learning_rate.size() - 1)];
    } else if (t < problem.steps && solution.chosen.size() == t) {  // once it is not asked it is not asked again
      const std::optional<QuadraticDescent> now = recursion.descent(t, loss, solution.bulk_edge.back());
      if (!now && t == 0)
        throw std::invalid_argument(
            "[rate]: the loss falls too little along its first step for a rate to be chosen: Jacobian and curvature "
            "are too "
            "far "
            "apart");
      if (now) {
        eta = problem.choose_rate(t, *now);
        if (!(eta >= 0) || !std::isfinite(eta))
          throw std::invalid_argument(fmt::format("[rate]: the rate chosen at step {} is {}, no number >= 0", t, eta));
        solution.chosen.push_back(eta);
      }
    }
    const double edge = eta * solution.bulk_edge.back();
    if (problem.choose_rate) growth = std::max(growth, 0.0) + std::log(step_factor(edge, problem.momentum));
    if (!solution.post_eos && problem.batch_fraction == 1 &&
        (problem.choose_rate ? growth > lasting : edge > edge_of_momentum))
      solution.post_eos = t;
    if (t < problem.steps) recursion.step(t, eta);
  }
  if (problem.two_time) solution.two_time = recursion.two_time(solution.loss.size());
  return solution;
}

std::vector<double> quadratic_linear_loss(const QuadraticMemoryProblem& problem) {
  check(problem);
  const QuadraticEnsemble& e = problem.ensemble;
  if (e.kappa != 0 || problem.choose_rate || problem.momentum != 0)
    throw std::invalid_argument(
        "the closed form of the linear model needs kappa = 0, no momentum, and rates that are given");
  const double b = problem.batch_fraction;
  // lambda = 1 + delta + 2 sqrt(delta) cos(phi) turns the law into 2 sin^2(phi) / (pi lambda) dphi, for which equal
  // steps of phi are a Gauss rule of degree 2 n - 1 for polynomials divided by lambda.
  const std::size_t n = problem.steps + 1;
  std::vector<double> lambda(n), weight(n), p(n, e.residual_variance);
  for (std::size_t k = 0; k < n; ++k) {
    const double phi = boost::math::constants::pi<double>() * static_cast<double>(k + 1) / static_cast<double>(n + 1);
    const double unit = 1 + e.delta + 2 * std::sqrt(e.delta) * std::cos(phi), sine = std::sin(phi);
    lambda[k] = e.jacobian_variance * unit;
    weight[k] = 2 / static_cast<double>(n + 1) * sine * sine / unit;
  }
  // The total mass is 1, and the rule's rest of it stands at lambda = 0, where nothing is learned: the law's own atom, and
  // what the rule misses of 1 itself, r^n/(1 + r + ... + r^n), r = min(delta, 1/delta).
  const double r = std::min(e.delta, 1 / e.delta);
  double geometric = 0;
  for (std::size_t k = 0; k <= n; ++k) geometric = geometric * r + 1;
  const double missed = std::pow(r, static_cast<double>(n)) / geometric;
  const double rest = e.delta <= 1 ? missed : (e.delta - 1 + missed) / e.delta;
  std::vector<double> loss;
  for (std::size_t t = 0; t <= problem.steps; ++t) {
    double square = rest * e.residual_variance;
    for (std::size_t k = 0; k < n; ++k) square += weight[k] * p[k];
    loss.push_back(square / 2);
    const double eta = problem.learning_rate[std::min(t, problem.learning_rate.size() - 1)];
    for (std::size_t k = 0; k < n; ++k) {
      const double x = eta * lambda[k], decay = 1 - b * x;
      p[k] = decay * decay * p[k] + b * (1 - b) * x * x * square;
    }
  }
  return loss;
}

namespace {

/// Loss and q at the times of a flow, by steps of at most `density` / lambda_+(0) each, whole within every interval.
struct FlowRun {
  std::vector<double> loss, q;
  std::size_t steps = 0;
  bool finished = false;
};

/// Steps of each interval between the times, the first of which starts at 0.
std::vector<std::size_t> flow_grid(const QuadraticEnsemble& e, std::span<const double> time) {
  std::vector<std::size_t> count;
  double last = 0;
  for (const double t : time) {
    count.push_back(t > last ? static_cast<std::size_t>(std::ceil(2 * quadratic_bulk_edge(e, 0) * (t - last))) : 0);
    last = t;
  }
  return count;
}

FlowRun run_flow(const QuadraticEnsemble& e, std::span<const double> time, const std::vector<std::size_t>& grid,
                 std::size_t refinement) {
  QuadraticMemoryProblem problem;
  problem.ensemble = e;
  problem.learning_rate.clear();
  std::vector<std::size_t> at;
  double last = 0;
  for (std::size_t k = 0; k < time.size(); ++k) {
    const std::size_t n = grid[k] * refinement;
    problem.learning_rate.insert(problem.learning_rate.end(), n, (time[k] - last) / static_cast<double>(n));
    at.push_back(problem.learning_rate.size());
    last = time[k];
  }
  FlowRun run;
  run.steps = problem.steps = problem.learning_rate.size();
  if (problem.steps == 0) problem.learning_rate = {1};
  problem.largest_loss = 10 * e.residual_variance;  // the flow's loss never grows
  const QuadraticMemorySolution solution = solve_quadratic_memory(problem);
  run.finished = !solution.diverged_at;
  if (run.finished)
    for (const std::size_t t : at) {
      run.loss.push_back(solution.loss[t]);
      run.q.push_back(solution.q[t]);
    }
  return run;
}

}  // namespace

QuadraticFlow solve_quadratic_flow(const QuadraticEnsemble& e, std::span<const double> time,
                                   const QuadraticFlowOptions& options) {
  check(e);
  double last = 0;
  for (const double t : time) {
    if (!(t >= last) || !std::isfinite(t))
      throw std::invalid_argument("times of a flow must be finite, >= 0 and increasing");
    last = t;
  }
  const std::vector<std::size_t> grid = flow_grid(e, time);
  std::size_t base = 0;
  for (const std::size_t n : grid) base += n;
  if (4 * base > options.most_steps)
    throw std::invalid_argument(
        fmt::format("time.steps: a flow to time {} needs recursions of at least {} steps, more than the {} allowed",
                    last, 4 * base, options.most_steps));
  QuadraticFlow flow;
  flow.time.assign(time.begin(), time.end());
  // Neville's scheme for the value at eta = 0 from runs of eta / n, the error of which is a series in eta: of q, and of the
  // loss' logarithm, of which (1 - eta lambda)^(t/eta) makes a series however late it is. Row j holds the extrapolants that
  // end at run j, order rising.
  std::vector<std::size_t> refinements;
  std::vector<std::vector<double>> loss_row, q_row;
  const auto extend = [&](std::vector<std::vector<double>>& row, const std::vector<double>& value, const auto& shown) {
    std::vector<std::vector<double>> next = {value};
    for (std::size_t k = 1; k <= row.size(); ++k) {
      const double ratio =
          static_cast<double>(refinements.back()) / static_cast<double>(refinements[refinements.size() - 1 - k]);
      std::vector<double> x = next[k - 1];
      for (std::size_t i = 0; i < x.size(); ++i) x[i] += (x[i] - row[k - 1][i]) / (ratio - 1);
      next.push_back(std::move(x));
    }
    double error = HUGE_VAL;
    if (!row.empty()) {
      error = 0;
      for (std::size_t i = 0; i < value.size(); ++i)
        error = std::max(error, std::abs(shown(next.back()[i]) - shown(next[next.size() - 2][i])));
    }
    row = std::move(next);
    return error;
  };
  flow.loss_error = flow.q_error = HUGE_VAL;
  const double scale = e.residual_variance / 2;
  for (std::size_t n = 1; n * base <= options.most_steps; n += n < 4 ? 1 : n / 4 + 1) {
    const FlowRun run = run_flow(e, time, grid, n);
    if (!run.finished) continue;  // steps too coarse to be stable
    refinements.push_back(n);
    std::vector<double> logs;
    for (const double loss : run.loss) logs.push_back(std::log(std::max(loss, std::numeric_limits<double>::min())));
    flow.loss_error = extend(loss_row, logs, [](double log) { return std::exp(log); });
    flow.q_error = extend(q_row, run.q, [](double q) { return q; });
    flow.steps = run.steps;
    if (base == 0 || (flow.loss_error <= options.tolerance * scale && flow.q_error <= options.tolerance)) break;
  }
  if (refinements.empty() || (base > 0 && refinements.size() < 2))
    throw std::invalid_argument(fmt::format(
        "time.steps: a flow to time {} needs recursions of more than the {} steps allowed", last, options.most_steps));
  if (base == 0) flow.loss_error = flow.q_error = 0;
  for (const double log : loss_row.back()) flow.loss.push_back(std::exp(log));
  flow.q = q_row.back();
  for (const double q : flow.q) {
    flow.kernel_mean.push_back(quadratic_kernel_mean(e, q));
    flow.bulk_edge.push_back(quadratic_bulk_edge(e, q));
  }
  return flow;
}

double quadratic_divergence_threshold(const QuadraticEnsemble& e, const QuadraticDivergence& options) {
  QuadraticMemoryProblem problem;
  problem.ensemble = e;
  problem.batch_fraction = options.batch_fraction;
  problem.steps = options.steps;
  check(problem);
  if (options.steps == 0 || !(options.growth > 1) || !(options.tolerance > 0))
    throw std::invalid_argument(
        "a threshold of divergence needs at least one step, a growth above 1 and a tolerance above 0");
  problem.largest_loss = options.growth * e.residual_variance / 2;
  const auto diverges = [&](double eta) {
    problem.learning_rate = {eta};
    return solve_quadratic_memory(problem).diverged_at.has_value();
  };
  double low = 0, high = 2 / quadratic_bulk_edge(e, 0);
  while (!diverges(high)) {
    low = high;
    high *= 2;
  }
  return numerics::threshold(diverges, low, high, options.tolerance);
}

}  // namespace edgewise::models::quadratic_regression
