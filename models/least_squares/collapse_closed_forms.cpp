// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <Eigen/Core>
#include <algorithm>
#include <boost/math/special_functions/zeta.hpp>
#include <cmath>
#include <functional>
#include <utility>

#include "models/framework/closed_form_list.hpp"
#include "models/least_squares/closed_forms.hpp"
#include "models/least_squares/scaling_form.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::least_squares {

namespace {

/// One size of the models of section 4.5, as a user would write it: alpha = 1, beta = .5.
struct SizeP {
  double horizon;  ///< T, to be rounded
  double eta = 0.1;
  bool linear = false;
  double batch = 1, sigma2 = 0;
};

/// (L(x T) - L0)/(L(T) - L0) at the shares x, then L(T) itself.
std::vector<double> normalised_at(int p, const SizeP& how, const std::vector<double>& x) {
  const double T = std::round(how.horizon);
  std::string at;
  for (const double share : x)
    for (const double step : {std::floor(share * T), std::floor(share * T) + 1})
      if (step <= T) at += fmt::format("{:.0f},", step);
  const Trajectory solved =
      written_problem(
          fmt::format(
              "model = 'least-squares'\nspectrum = {{ kind = 'power-law', dimension = {}, alpha = 1, beta = 0.5, "
              "tail = 'noise' }}\nnoise = {{ law = 'gaussian', variance = {} }}\noptimizer = {{ learning_rate = "
              "{}, batch = {} }}\nschedule.kind = '{}'\ntime = {{ steps = {:.0f}, at = [{}] }}\n",
              p, how.sigma2, how.eta, how.batch, how.linear ? "linear" : "constant", T, at))
          ->solve();
  const std::vector<double>& risk = solved.find("risk")->value;
  const double end = risk.back() - how.sigma2 / 2;
  std::vector<double> out;
  for (const double share : x) {
    const double step = share * T, k = std::floor(step);
    std::size_t i = 0;
    while (solved.steps[i] < k) ++i;
    const double loss = risk[i] + (step > k ? (step - k) * (risk[i + 1] - risk[i]) : 0);
    out.push_back((loss - how.sigma2 / 2) / end);
  }
  out.push_back(risk.back());
  return out;
}

/// At the compute-optimal horizon.
SizeP compute_optimal(int p, bool linear) {
  constexpr double z_star = 0.383265888744;
  return {(linear ? 2 : 1) * z_star * p * p / 0.1, 0.1, linear};
}

/// Delta_det at x over the sizes 16, 32, 64, 128.
double spread_at(double x, const std::function<SizeP(int)>& how) {
  std::vector<double> l;
  double mean = 0, squares = 0;
  for (const int p : {16, 32, 64, 128}) {
    l.push_back(normalised_at(p, how(p), {x}).front());
    mean += l.back() / 4;
  }
  for (const double value : l) squares += (value - mean) * (value - mean) / 4;
  return std::sqrt(squares) / mean;
}

/// (4.5) for the case of section 4.4: p = 32, alpha = 1, beta = .5, B = 1, base .15; at the step nearest to x T.
struct GaussianFluctuations {
  double spread, end_spread, correlation;  ///< of P + tail relative to its mean, at x and at the end
  double normalised() const {
    return std::sqrt(spread * spread + end_spread * end_spread - 2 * correlation * spread * end_spread);
  }
};

GaussianFluctuations gaussian_fluctuations(double x, bool linear) {
  using Vector = Eigen::ArrayXd;
  using Matrix = Eigen::ArrayXXd;
  const auto outer = [](const Vector& a, const Vector& b) -> Matrix { return (a.matrix() * b.matrix().transpose()); };
  const int T = linear ? 3414 : 1706, at = static_cast<int>(std::lround(x * T));
  const Vector j = Vector::LinSpaced(32, 1, 32), lambda = j.pow(-2);
  const double tail = boost::math::zeta(3.0) - j.pow(-3).sum();
  Vector m = -j.pow(-0.5), m_at, phi = Vector::Ones(32);
  Matrix M = outer(m, m), C_at;
  const auto loss = [&] { return (lambda * M.matrix().diagonal().array()).sum() + tail; };
  double loss_at = 0;
  for (int k = 0;; ++k) {
    if (k == at) {
      C_at = M - outer(m, m);
      m_at = m;
      loss_at = loss();
    }
    if (k == T) break;
    const double eta = 0.15 * (linear ? 1 - static_cast<double>(k) / T : 1), noise = eta * eta * loss();
    const Vector kept = 1 - eta * lambda;
    M *= outer(kept, kept) + eta * eta * outer(lambda, lambda);
    M.matrix().diagonal().array() += noise * lambda;
    m *= kept;
    if (k >= at) phi *= kept;
  }
  const auto moved = [&](const Matrix& C, const Vector& from, const Vector& to) {
    return (outer(lambda, lambda) * C * (2 * C + 4 * outer(from, to))).sum();
  };
  const double here = moved(C_at, m_at, m_at), end = moved(M - outer(m, m), m, m);
  return {std::sqrt(here) / loss_at, std::sqrt(end) / loss(),
          moved(C_at.rowwise() * phi.transpose(), m_at, m) / std::sqrt(here * end)};
}

/// A problem of section 5: T = 1000, d = 100, beta = .5, sigma^2 = .25, base .1; its schedule as text of an experiment.
struct AcrossSchedules {
  double alpha, batch;
  const char* schedule;
};

/// P at steps 0 .. 1000 by a method of section [theory].
std::vector<double> excess_of(const AcrossSchedules& c, const std::string& theory) {
  const std::string text = fmt::format(
      "model = 'least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 100\nalpha = {}\nbeta = 0.5\n[noise]\nlaw "
      "= "
      "'gaussian'\nvariance = 0.25\n[optimizer]\nlearning_rate = 0.1\nbatch = {}\n[schedule]\n{}\n[time]\nsteps = "
      "1000\npoints = 1000000\n[theory]\n{}\n",
      c.alpha, c.batch, c.schedule, theory);
  return written_problem(text)->solve().find("excess_mse")->value;
}

/// Error of a reduced model against the recursion: the largest from T/10 on, or the last.
double reduced_error(const AcrossSchedules& c, const std::string& kernel, bool last) {
  const std::vector<double> exact = excess_of(c, ""),
                            model = excess_of(c, "method = 'reduced'\nkernel = '" + kernel + "'");
  double largest = 0;
  for (std::size_t k = last ? exact.size() - 1 : 100; k < exact.size(); ++k)
    largest = std::max(largest, std::abs(model[k] / exact[k] - 1));
  return largest;
}

const std::vector<double> shares = {0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9};

}  // namespace

std::vector<ClosedForm> collapse_closed_forms() {
  ClosedFormList list("least-squares/collapse-", "schedules-and-collapse");
  const struct {
    double alpha, beta, z;
  } roots[] = {
      {1, 0.5, 0.383265888744}, {1, 0.25, 0.337079220208}, {0.75, 0.5, 0.442038467519}, {1.5, 0.5, 0.312209884421}};
  for (const auto& r : roots)
    list.printed(fmt::format("horizon-{}-{}", r.alpha, r.beta), "z*: z f'(z)/f(z) = -b/(1 + 2 alpha)", "4.2", r.z, 12,
                 [r] {
                   return ScalingForm{r.alpha, r.beta}.horizon();
                 });
  const char* limit = "(4.3): f(z s(x)) (1 - rho(1))/[f(z) (1 - rho(x))]";
  const struct {
    const char* name;
    bool linear;
    double values[7];
  } limits[] = {{"constant", false, {16.2567, 8.1457, 4.1066, 2.7739, 1.7299, 1.3011, 1.0753}},
                {"linear", true, {9.0614, 4.6634, 2.4992, 1.8038, 1.2849, 1.0939, 1.0151}}};
  for (const auto& l : limits)
    for (std::size_t i = 0; i < shares.size(); ++i)
      list.printed(fmt::format("limit-{}-{}", l.name, shares[i]), limit, "4.5", l.values[i], 4, [l, x = shares[i]] {
        const ScalingForm form{1, 0.5};
        const double rho = 0.1 * std::pow(pi, 2) / 12, left = l.linear ? 1 - x : 1;
        return form.normalised(form.horizon(), l.linear ? 1 - left * left : x, rho * left, l.linear ? 0 : rho);
      });
  const struct {
    int p;
    bool linear;
    double values[7], loss;
  } finite[] = {{32, false, {16.68972, 8.32810, 4.18154, 2.81661, 1.74823, 1.30911, 1.07745}, 4.2696545379e-04},
                {128, false, {16.40360, 8.20436, 4.12943, 2.78653, 1.73516, 1.30337, 1.07592}, 2.6838282930e-05},
                {32, true, {9.25511, 4.74225, 2.52749, 1.81651, 1.28606, 1.09118, 1.01216}, 3.9216422048e-04},
                {128, true, {9.15948, 4.70357, 2.51391, 1.81071, 1.28612, 1.09313, 1.01388}, 2.4528726748e-05}};
  for (const auto& c : finite) {
    const std::string name = fmt::format("{}-p{}", c.linear ? "linear" : "constant", c.p);
    const SizeP how = compute_optimal(c.p, c.linear);
    for (std::size_t i = 0; i < shares.size(); ++i)
      list.printed(fmt::format("{}-{}", name, shares[i]), "(L(x T) - L0)/(L(T) - L0), exact at size p", "4.5",
                   c.values[i], 5, [c, how, x = shares[i]] { return normalised_at(c.p, how, {x}).front(); });
    list.add_reference(name + "-loss", "L(T) = (P + tail)/2", "4.5", 1e-10,
                       [c, how] { return std::pair(c.loss, normalised_at(c.p, how, {}).back()); });
  }
  const struct {
    bool linear;
    double values[7];
  } spreads[] = {{false, {.0137, .0114, .0101, .0087, .0062, .0037, .0012}},
                 {true, {.0079, .0067, .0047, .0030, .0004, .0011, .0010}}};
  for (const auto& s : spreads)
    for (std::size_t i = 0; i < shares.size(); ++i)
      list.printed(fmt::format("spread-{}-{}", s.linear ? "linear" : "constant", shares[i]),
                   "std over p = 16, 32, 64, 128 of l, over its mean", "4.5", s.values[i], 4,
                   [s, x = shares[i]] { return spread_at(x, [s](int p) { return compute_optimal(p, s.linear); }); });
  // What breaks it: eta = .3, T = .25 p^2/eta (twice that under linear decay), altered so that p = 64 stays what it was.
  const struct {
    const char* name;
    double steps, rate;  ///< powers of p/64
    bool linear, larger_batch;
    double sigma2, values[4];
  } broken[] = {{"good", 2, 0, false, false, 0, {.034, .017, .011, .006}},
                {"steps-p1", 1, 0, false, false, 0, {.215, .190, .143, .087}},
                {"steps-fixed", 0, 0, false, false, 0, {.520, .399, .264, .144}},
                {"steps-p2.5", 2.5, 0, false, false, 0, {.093, .065, .048, .030}},
                {"rate-falls", 2, -0.5, true, false, 0, {.960, .301, .114, .040}},
                {"label-noise", 2, 0, false, false, 0.05, {.479, .165, .074, .032}},
                {"label-noise-linear", 2, 0, true, false, 0.05, {.654, .727, .718, .666}},
                {"label-noise-batch", 2, 0, false, true, 0.05, {.015, .0024, .0024, .0014}}};
  const double at[] = {0.1, 0.3, 0.5, 0.7};
  for (const auto& b : broken)
    for (std::size_t i = 0; i < 4; ++i)
      list.printed(fmt::format("breaking-{}-{}", b.name, at[i]), "Delta_det(x), p = 16, 32, 64, 128", "4.5",
                   b.values[i], b.values[i] < 0.005 ? 4 : 3, [b, x = at[i]] {
                     return spread_at(x, [b](int p) {
                       const double size = p / 64.0, horizon = 0.25 * 64 * 64 / 0.3 * std::pow(size, b.steps);
                       return SizeP{(b.linear ? 2 : 1) * horizon, 0.3 * std::pow(size, b.rate), b.linear,
                                    b.larger_batch ? std::max(1.0, p * p / 256.0) : 1, b.sigma2};
                     });
                   });
  const char* schedules[][2] = {{"constant", "kind = 'constant'"},
                                {"linear", "kind = 'linear'"},
                                {"cosine", "kind = 'cosine'"},
                                {"wsd", "kind = 'warmup-stable-decay'\ncooldown = 0.2\nshape = 'linear'"},
                                {"step", "kind = 'step'\nfactor = 0.2\nstages = 3"}};
  const struct {
    double alpha, batch;
    double exact[5], largest[5][3], last[5][3], gflow[5];
  } tables[] = {{1,
                 1,
                 {0.02596594, 0.00838488, 0.00839498, 0.01010355, 0.00927364},
                 {{.005, .040, .040}, {.002, .135, .408}, {.003, .172, .411}, {.005, .214, .720}, {.004, .200, .620}},
                 {{.005, .040, .040}, {.000, .135, .408}, {.000, .172, .411}, {.000, .214, .720}, {.000, .200, .264}},
                 {.91, .41, .41, .73, .35}},
                {0.6,
                 4,
                 {0.01375605, 0.00850603, 0.00871415, 0.00801431, 0.01048019},
                 {{.013, .048, .041}, {.007, .145, .340}, {.008, .177, .357}, {.012, .252, .710}, {.009, .197, .434}},
                 {{.013, .001, .001}, {.001, .145, .340}, {.002, .177, .357}, {.003, .252, .710}, {.002, .197, .264}},
                 {0, 0, 0, 0, 0}}};
  const char* kernels[] = {"volterra", "oneexp", "adiabatic"};
  for (const auto& t : tables)
    for (std::size_t s = 0; s < 5; ++s) {
      const AcrossSchedules c{t.alpha, t.batch, schedules[s][1]};
      const std::string name = fmt::format("reduced-{}-{}", t.alpha, schedules[s][0]);
      list.printed(name + "-exact", "P after 1000 steps", "5", t.exact[s], 8, [c] { return excess_of(c, "").back(); });
      for (std::size_t k = 0; k < 3; ++k)
        for (const bool last : {false, true}) {
          const double value = last ? t.last[s][k] : t.largest[s][k];
          // Of errors below .0005 three decimals show nothing.
          list.add_reference(
              fmt::format("{}-{}-{}", name, kernels[k], last ? "last" : "largest"),
              "|P of the reduced model/P - 1|, to .0006", "5", value == 0 ? 6e-4 : 6e-4 / value,
              [c, value, last, kernel = kernels[k]] { return std::pair(value, reduced_error(c, kernel, last)); });
        }
      if (t.gflow[s] > 0)
        list.printed(name + "-gflow-last", "|F/P - 1|", "5", t.gflow[s], 2,
                     [c] { return reduced_error(c, "gflow", true); });
    }
  const double times[] = {0.1, 0.3, 0.5, 0.7, 0.9, 1};
  const struct {
    bool linear;
    double spread[6], correlation[6], normalised[6];
  } fluctuations[] = {
      {false, {.182, .150, .142, .138, .135, .135}, {.03, .07, .08, .08, .08, 1}, {.223, .195, .188, .184, .183, 0}},
      {true, {.148, .104, .075, .054, .040, .039}, {.21, .42, .56, .74, .95, 1}, {.145, .094, .063, .036, .013, 0}}};
  for (const auto& f : fluctuations)
    for (std::size_t i = 0; i < 6; ++i) {
      const std::string name = fmt::format("gaussian-{}-{}", f.linear ? "linear" : "constant", times[i]);
      const auto of = [linear = f.linear, x = times[i]] { return gaussian_fluctuations(x, linear); };
      list.printed(name + "-spread", "s_x by (4.5)", "4.4", f.spread[i], 3, [of] { return of().spread; });
      list.printed(name + "-correlation", "c_x by (4.5)", "4.4", f.correlation[i], 2,
                   [of] { return of().correlation; });
      if (times[i] < 1)
        list.printed(name + "-normalised", "sqrt(s_x^2 + s_1^2 - 2 c_x s_x s_1)", "4.4", f.normalised[i], 3,
                     [of] { return of().normalised(); });
    }
  return list.take();
}

}  // namespace edgewise::models::least_squares
