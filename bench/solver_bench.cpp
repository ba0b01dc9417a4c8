// Theory solvers against SUNDIALS CVODE (BDF, SPGMR) on one equation:
//   dq/dt = -A q + b sum q,  power law alpha = 1, beta = 0.75, kappa = 0.5, d = 1e9 in n nodes, t = 1e8, 21 outputs.
// Usage: solver_bench [n ...]; writes the problem to solver_bench_N.csv for solver_scipy.py, which solves the same one.
#include <cvode/cvode.h>
#include <nvector/nvector_serial.h>
#include <sunlinsol/sunlinsol_spgmr.h>

#include <boost/math/quadrature/gauss.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "solvers/contour.hpp"
#include "solvers/integrate.hpp"

namespace {

using namespace edgewise::solvers;
constexpr double rtol = 1e-8;

struct Problem : CoupledModes {
  std::vector<double> A, b, w, q0;
  std::size_t size() const override { return A.size(); }
  std::span<const double> weights(std::size_t) const override { return w; }
  void coefficients(double, std::span<const double> p, std::span<double> rate,
                    std::span<double> source) const override {
    for (std::size_t i = 0; i < A.size(); ++i) {
      rate[i] = A[i];
      source[i] = b[i] * p[0];
    }
  }
  void sensitivity(double, std::span<const double>, std::span<const double>, std::span<double> u) const override {
    std::copy(b.begin(), b.end(), u.begin());
  }
  bool affine() const override { return true; }
  bool autonomous() const override { return true; }

  /// The first eigenvalues verbatim, the rest of d = 1e9 in 8-point Gauss bins (docs/theory/least-squares-sgd.md,
  /// section 7b), n in all.
  explicit Problem(std::size_t n) {
    constexpr double alpha = 1, beta = 0.75, kappa = 0.5, d = 1e9;
    const std::size_t bins = 13, verbatim = n - 8 * bins;
    std::vector<double> lambda, count;
    const auto node = [&](double j, double multiplicity) {
      lambda.push_back(std::pow(j, -2 * alpha));
      count.push_back(multiplicity);
      q0.push_back(multiplicity * std::pow(j, -2 * alpha - 2 * beta));
    };
    for (std::size_t j = 1; j <= verbatim; ++j) node(static_cast<double>(j), 1);
    const double low = std::log(static_cast<double>(verbatim) + 0.5), width = (std::log(d + 0.5) - low) / bins;
    using Gauss = boost::math::quadrature::gauss<double, 8>;
    for (std::size_t k = 0; k < bins; ++k)
      for (std::size_t i = 0; i < 8; ++i) {
        const double x = i < 4 ? Gauss::abscissa()[i] : -Gauss::abscissa()[i - 4];
        const double j = std::exp(low + width * (static_cast<double>(k) + (x + 1) / 2));
        node(j, Gauss::weights()[i % 4] * width / 2 * j);
      }
    double trace = 0;
    for (std::size_t i = 0; i < n; ++i) trace += count[i] * lambda[i];
    const double eta = 2 * kappa / trace;
    for (std::size_t i = 0; i < n; ++i) {
      A.push_back(2 * eta * lambda[i]);
      b.push_back(eta * eta * count[i] * lambda[i] * lambda[i]);
    }
    w.assign(n, 1.0);
  }
};

struct Run {
  double seconds = std::numeric_limits<double>::infinity();
  long steps = 0;
  std::vector<double> P;
};

Run ours(const Problem& problem, const std::vector<double>& times, Integrator integrator, double tolerance) {
  Run run;
  for (int repeat = 0; repeat < 7; ++repeat) {
    Options options;
    options.integrator = integrator;
    options.rtol = tolerance;
    const auto start = std::chrono::steady_clock::now();
    const Solution solution = integrate(problem, problem.q0, times, options);
    run.seconds =
        std::min(run.seconds, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    run.steps = static_cast<long>(solution.statistics.steps);
    run.P.clear();
    for (const auto& p : solution.shared) run.P.push_back(p[0]);
  }
  return run;
}

int cvode_rhs(realtype, N_Vector y, N_Vector ydot, void* data) {
  const Problem& problem = *static_cast<const Problem*>(data);
  const double* q = N_VGetArrayPointer(y);
  double* f = N_VGetArrayPointer(ydot);
  const std::size_t n = problem.size();
  double P = 0;
  for (std::size_t i = 0; i < n; ++i) P += q[i];
  for (std::size_t i = 0; i < n; ++i) f[i] = problem.b[i] * P - problem.A[i] * q[i];
  return 0;
}

int cvode_jacobian(N_Vector v, N_Vector Jv, realtype t, N_Vector, N_Vector, void* data, N_Vector) {
  return cvode_rhs(t, v, Jv, data);  // the equation is linear
}

// (1 + gamma A)^-1: the diagonal part of the Newton matrix, all that a user could supply without deriving more.
int cvode_precondition(realtype, N_Vector, N_Vector, N_Vector r, N_Vector z, realtype gamma, realtype, int,
                       void* data) {
  const Problem& problem = *static_cast<const Problem*>(data);
  for (std::size_t i = 0; i < problem.size(); ++i)
    N_VGetArrayPointer(z)[i] = N_VGetArrayPointer(r)[i] / (1 + gamma * problem.A[i]);
  return 0;
}

Run by_contour(const Problem& problem, const std::vector<double>& times, double tolerance) {
  Run run;
  for (int repeat = 0; repeat < 7; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    const Contour contour({RankOneSystem::Kind::flow, problem.A, problem.b, problem.w, problem.q0, 0}, tolerance);
    run.P.assign(1, 0.0);
    for (const double q : problem.q0) run.P[0] += q;
    for (std::size_t i = 1; i < times.size(); ++i) run.P.push_back(contour.shared(times[i]));
    run.seconds =
        std::min(run.seconds, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    run.steps = static_cast<long>(contour.evaluations());
  }
  return run;
}

Run cvode(Problem& problem, const std::vector<double>& times, bool preconditioned, double tolerance) {
  Run run;
  SUNContext context = nullptr;
  SUNContext_Create(nullptr, &context);
  const auto n = static_cast<sunindextype>(problem.size());
  N_Vector y = N_VNew_Serial(n, context);
  std::copy(problem.q0.begin(), problem.q0.end(), N_VGetArrayPointer(y));
  const auto start = std::chrono::steady_clock::now();
  void* memory = CVodeCreate(CV_BDF, context);
  CVodeInit(memory, cvode_rhs, 0.0, y);
  // P falls to 7e-11: what a thousand modes may miss by at this rtol is 1e-22 each.
  CVodeSStolerances(memory, tolerance, 1e-22);
  CVodeSetUserData(memory, &problem);
  CVodeSetMaxNumSteps(memory, 100000000);
  SUNLinearSolver solver = SUNLinSol_SPGMR(y, preconditioned ? SUN_PREC_LEFT : SUN_PREC_NONE, 0, context);
  CVodeSetLinearSolver(memory, solver, nullptr);
  CVodeSetJacTimes(memory, nullptr, cvode_jacobian);
  if (preconditioned) CVodeSetPreconditioner(memory, nullptr, cvode_precondition);
  double sum = 0;
  for (const double q : problem.q0) sum += q;
  run.P.push_back(sum);
  for (std::size_t i = 1; i < times.size(); ++i) {
    realtype reached = 0;
    const int flag = CVode(memory, times[i], y, &reached, CV_NORMAL);
    sum = 0;
    for (sunindextype k = 0; k < n; ++k) sum += N_VGetArrayPointer(y)[k];
    run.P.push_back(flag < 0 ? std::nan("") : sum);
    if (flag < 0) break;
  }
  run.P.resize(times.size(), std::nan(""));
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  CVodeGetNumSteps(memory, &run.steps);
  CVodeFree(&memory);
  SUNLinSolFree(solver);
  N_VDestroy(y);
  SUNContext_Free(&context);
  return run;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::size_t> sizes;
  for (int i = 1; i < argc; ++i) sizes.push_back(std::strtoul(argv[i], nullptr, 10));
  if (sizes.empty()) sizes = {1000, 10000};
  std::vector<double> times{0};
  for (int i = 0; i < 21; ++i) times.push_back(std::pow(10, 8.0 * i / 20));
  for (const std::size_t n : sizes) {
    if (n < 200) {
      std::fprintf(stderr, "solver_bench: n = %zu is too small, at least 200\n", n);
      return 2;
    }
    Problem problem(n);
    const Run reference = ours(problem, times, Integrator::etd, 1e-13);
    {
      std::ofstream file("solver_bench_" + std::to_string(n) + ".csv");
      file.precision(17);
      file << "A,b,q0\n";
      for (std::size_t i = 0; i < n; ++i) file << problem.A[i] << ',' << problem.b[i] << ',' << problem.q0[i] << '\n';
      std::ofstream values("solver_bench_" + std::to_string(n) + "_reference.csv");
      values.precision(17);
      values << "t,P\n";
      for (std::size_t i = 0; i < times.size(); ++i) values << times[i] << ',' << reference.P[i] << '\n';
    }
    std::printf("n = %zu, t = 1e8, rtol = %g, 21 outputs\n%-28s %12s %9s %12s %9s\n", n, rtol, "solver", "time [ms]",
                "steps", "max error", "ratio");
    const Run peer = cvode(problem, times, false, rtol);
    const auto print = [&](const char* name, const Run& run) {
      double worst = 0;
      for (std::size_t i = 0; i < times.size(); ++i) {
        const double error = std::abs(run.P[i] / reference.P[i] - 1);
        worst = std::isnan(error) ? error : std::max(worst, error);
      }
      std::printf("%-28s %12.3f %9ld %12.2e %9.1f\n", name, 1e3 * run.seconds, run.steps, worst,
                  peer.seconds / run.seconds);
      std::fflush(stdout);
    };
    print("CVODE BDF SPGMR", peer);
    print("CVODE, diagonal precond.", cvode(problem, times, true, rtol));
    print("edgewise contour", by_contour(problem, times, 1e-11));
    print("edgewise sdirk4", ours(problem, times, Integrator::sdirk4, rtol));
    print("edgewise etd", ours(problem, times, Integrator::etd, rtol));
    // The reference and an independent method at its best.
    print("(sdirk4 at rtol 1e-12)", ours(problem, times, Integrator::sdirk4, 1e-12));
  }
  return 0;
}
