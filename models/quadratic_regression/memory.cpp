#include "models/quadratic_regression/memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/constants/constants.hpp>
#include <cmath>
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
constexpr double most_negative_square = -1e-12;  // S(t, t) below it, in units of sz2, is not rounding

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

/// The recursion's state, in the letters of docs/theory/quadratic-regression.md (3.4).
class Recursion {
 public:
  explicit Recursion(const QuadraticMemoryProblem& problem)
      : problem_(problem),
        rates_(problem.learning_rate),
        field_(problem.ensemble),
        C_(problem.steps + 1),
        R_(problem.steps + 1),
        H_(problem.steps + 1),
        M_(problem.steps + 1) {
    if (problem.choose_rate) rates_.assign(problem.steps + 1, 0.0);
    for (auto* v : {&L_, &cc_, &c1_, &down_, &across_, &Y_, &a_, &N_}) v->resize(problem.steps + 1);
  }

  double rate(std::size_t t) const { return rates_[std::min(t, rates_.size() - 1)]; }
  void set_rate(std::size_t t, double eta) { rates_[t] = eta; }

  /// What step t shows, of loss `loss`: the loss after it is a polynomial of fourth degree in its rate, read off four
  /// trials about 1/`bulk_edge`, or shorter ones where those overshoot. Empty where rounding hides its slope.
  std::optional<QuadraticDescent> descent(std::size_t t, double loss, double bulk_edge) {
    const std::vector<double> slopes = c1_;  // of time t; trials overwrite them
    const auto after = [&](double eta) {
      set_rate(t, eta);
      c1_ = slopes;
      parameters(t);
      return residuals(t + 1) / 2 - loss;
    };
    double h = 2 / bulk_edge, far_up = 0, far_down = 0;
    do {
      h /= 2;
      far_up = after(2 * h);
      far_down = after(-2 * h);
    } while (!(std::max(far_up, far_down) <= largest_trial * loss) && h * bulk_edge > shortest_trial);
    QuadraticDescent out;
    out.loss = loss;
    out.q = overlap(t);
    out.along = (C_.row(t + 1)[t] - out.q) / (2 * h);  // of the last trial, -2h
    const double up = after(h), down = after(-h);
    c1_ = slopes;
    const double odd = (up - down) / 2, far_odd = (far_up - far_down) / 2, even = (up + down) / 2,
                 far_even = (far_up + far_down) / 2;
    out.slope = -(8 * odd - far_odd) / (6 * h);
    out.third = (far_odd - 2 * odd) / (6 * h * h * h);
    out.curvature = (16 * even - far_even) / (6 * h * h);
    out.fourth = (far_even - 4 * even) / (12 * h * h * h * h);
    if (!(out.slope * h > smallest_descent * loss)) return std::nullopt;
    return out;
  }
  double overlap(std::size_t t) const { return C_.row(t)[t]; }

  /// Steps 1 to 6 of (3.4) at time t: returns S(t, t).
  double residuals(std::size_t t) {
    const double b = problem_.batch_fraction;
    const double *C = C_.row(t), *R = R_.row(t);
    double* H = H_.row(t);
    for (std::size_t s = 0; s <= t; ++s) {
      cc_[s] = field_(C[s]);
      c1_[s] = field_.derivative(C[s]);
      L_[s] = rate(s) * R[s] * c1_[s];
    }
    // One pass over H gives both L H, hence the new row of H, and X(s, t), s < t.
    triangle_products(H_, t, L_.data(), cc_.data(), down_.data(), across_.data());
    for (std::size_t s = 0; s < t; ++s) {
      H[s] = -b * down_[s];
      Y_[s] = b * across_[s];
    }
    H[t] = 1;
    symmetric_product(M_, t, L_.data(), down_.data(), across_.data());
    double* M = M_.row(t);
    for (std::size_t s = 0; s < t; ++s) {
      Y_[s] -= down_[s];
      M[s] = b * Y_[s];
    }
    const double square = dot(H, cc_.data(), t + 1) - dot(L_.data(), Y_.data(), t);
    M[t] = b * square;
    return square;
  }

  /// Steps 7 and 8: rows t + 1 of R and C.
  void parameters(std::size_t t) {
    const auto& e = problem_.ensemble;
    const double b = problem_.batch_fraction, eta = rate(t);
    const double *H = H_.row(t), *M = M_.row(t), *C = C_.row(t), *R = R_.row(t);
    double *next_R = R_.row(t + 1), *next_C = C_.row(t + 1);
    for (std::size_t s = 0; s <= t; ++s) {
      N_[s] = rate(s) * e.delta * M[s] * c1_[s];  // carries one of the two rates of the noise
      a_[s] = -eta * e.delta * (b * H[s] * c1_[s] - rate(s) * M[s] * e.kappa * R[s]);
    }
    triangle_products(R_, t + 1, a_.data(), N_.data(), down_.data(), across_.data());
    for (std::size_t s = 0; s <= t; ++s) {
      next_R[s] = R[s] + down_[s];
      next_C[s] = C[s] + eta * across_[s];
    }
    next_R[t] += 1;
    symmetric_product(C_, t + 1, a_.data(), down_.data(), across_.data());
    for (std::size_t s = 0; s <= t; ++s) next_C[s] += down_[s];
    next_C[t + 1] = next_C[t] + dot(a_.data(), next_C, t + 1) + eta * dot(N_.data(), next_R, t + 1);
  }

  /// Two-time functions of the first n steps.
  QuadraticTwoTime two_time(std::size_t n) const {
    QuadraticTwoTime f;
    for (Matrix* m : {&f.overlap, &f.response, &f.residual_response, &f.masked_residual}) *m = Matrix(n, n);
    Matrix cc(n, n), L(n, n), Y(n, n);
    for (std::size_t t = 0; t < n; ++t)
      for (std::size_t s = 0; s <= t; ++s) {
        const double C = C_.row(t)[s], R = R_.row(t)[s], M = M_.row(t)[s];
        f.overlap(t, s) = f.overlap(s, t) = C;
        f.response(t, s) = R;
        f.residual_response(t, s) = H_.row(t)[s];
        f.masked_residual(t, s) = f.masked_residual(s, t) = M;
        cc(t, s) = cc(s, t) = field_(C);
        L(t, s) = rate(s) * R * field_.derivative(C);
        if (s < t) Y(t, s) = M / problem_.batch_fraction;
      }
    // S = H cc - Y L' below and on the diagonal (steps 3 and 5).
    linear_algebra::multiply(1, f.residual_response, Transposed::no, cc, Transposed::no, 0, f.residual);
    linear_algebra::multiply(-1, Y, Transposed::no, L, Transposed::yes, 1, f.residual);
    for (std::size_t t = 0; t < n; ++t)
      for (std::size_t s = 0; s < t; ++s) f.residual(s, t) = f.residual(t, s);
    return f;
  }

 private:
  const QuadraticMemoryProblem& problem_;
  std::vector<double> rates_;  // one for all steps, or one each
  Field field_;
  PackedTriangle C_, R_, H_, M_;
  std::vector<double> L_, cc_, c1_, down_, across_, Y_, a_, N_;
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
  for (std::size_t t = 0; t <= problem.steps; ++t) {
    const double square = recursion.residuals(t), loss = square / 2, q = recursion.overlap(t);
    if (!(square >= most_negative_square * problem.ensemble.residual_variance) || !(loss <= problem.largest_loss) ||
        !std::isfinite(q)) {
      solution.diverged_at = t;
      break;
    }
    solution.loss.push_back(loss);
    solution.q.push_back(q);
    solution.kernel_mean.push_back(quadratic_kernel_mean(problem.ensemble, q));
    solution.bulk_edge.push_back(quadratic_bulk_edge(problem.ensemble, q));
    if (problem.choose_rate && t < problem.steps) {
      // Once it is not asked it is not asked again.
      std::optional<QuadraticDescent> now;
      if (solution.chosen.size() == t && loss > smallest_descent * solution.loss.front())
        now = recursion.descent(t, loss, solution.bulk_edge.back());
      if (!now && t == 0)
        throw std::invalid_argument(
            "the loss falls too little along its first step for a rate to be chosen: Jacobian and curvature are too "
            "far "
            "apart");
      const double eta = now ? problem.choose_rate(t, *now) : recursion.rate(t - 1);
      if (!(eta >= 0) || !std::isfinite(eta))
        throw std::invalid_argument(fmt::format("the rate chosen at step {} is {}, no number >= 0", t, eta));
      if (now) solution.chosen.push_back(eta);
      recursion.set_rate(t, eta);
    }
    const double edge = recursion.rate(t) * solution.bulk_edge.back();
    if (problem.choose_rate) growth = std::max(growth, 0.0) + std::log(std::abs(1 - edge));
    if (!solution.post_eos && problem.batch_fraction == 1 && (problem.choose_rate ? growth > lasting : edge > 2))
      solution.post_eos = t;
    if (t < problem.steps) recursion.parameters(t);
  }
  if (problem.two_time) solution.two_time = recursion.two_time(solution.loss.size());
  return solution;
}

std::vector<double> quadratic_linear_loss(const QuadraticMemoryProblem& problem) {
  check(problem);
  const QuadraticEnsemble& e = problem.ensemble;
  if (e.kappa != 0 || problem.choose_rate)
    throw std::invalid_argument("the closed form of the linear model needs kappa = 0, and rates that are given");
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
  std::vector<double> loss;
  for (std::size_t t = 0; t <= problem.steps; ++t) {
    // The total mass is 1, the rest of it at lambda = 0, where nothing is learned.
    double square = e.residual_variance;
    for (std::size_t k = 0; k < n; ++k) square += weight[k] * (p[k] - e.residual_variance);
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
  // Neville's scheme for the value at eta = 0 from runs of eta / n, the error of which is a series in eta. Row j holds
  // the extrapolants that end at run j, order rising.
  std::vector<std::size_t> refinements;
  std::vector<std::vector<double>> loss_row, q_row;
  const auto extend = [&](std::vector<std::vector<double>>& row, const std::vector<double>& value) {
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
        error = std::max(error, std::abs(next.back()[i] - next[next.size() - 2][i]));
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
    flow.loss_error = extend(loss_row, run.loss);
    flow.q_error = extend(q_row, run.q);
    flow.steps = run.steps;
    if (base == 0 || (flow.loss_error <= options.tolerance * scale && flow.q_error <= options.tolerance)) break;
  }
  if (refinements.empty() || (base > 0 && refinements.size() < 2))
    throw std::invalid_argument(fmt::format(
        "time.steps: a flow to time {} needs recursions of more than the {} steps allowed", last, options.most_steps));
  if (base == 0) flow.loss_error = flow.q_error = 0;
  flow.loss = loss_row.back();
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
