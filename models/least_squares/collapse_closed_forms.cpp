// Built at -O1: nothing here takes time.
#include "models/least_squares/collapse_closed_forms.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "models/framework/closed_form_list.hpp"
#include "models/least_squares/scaling_form.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::least_squares {

namespace {

/// One size of the models of section 4.5, as a user would write it: alpha = 1, beta = .5.
struct SizeP {
  double eta = 0.1;
  bool linear = false;
  double batch = 1, sigma2 = 0;
};

/// (L(x T) - L0)/(L(T) - L0) at the shares x, then L(T) itself. \param horizon  T, to be rounded
std::vector<double> normalised_at(int p, double horizon, const SizeP& how, const std::vector<double>& x) {
  settings::Table table("closed form", "");
  table.set("model", std::string("least-squares"));
  settings::Table& spectrum = table.make_table("spectrum");
  spectrum.set("kind", std::string("power-law"));
  spectrum.set("dimension", std::int64_t{p});
  spectrum.set("alpha", 1.0);
  spectrum.set("beta", 0.5);
  spectrum.set("tail", std::string("noise"));
  settings::Table& noise = table.make_table("noise");
  noise.set("law", std::string("gaussian"));
  noise.set("variance", how.sigma2);
  settings::Table& optimizer = table.make_table("optimizer");
  optimizer.set("learning_rate", how.eta);
  optimizer.set("batch", how.batch);
  if (how.linear) table.make_table("schedule").set("kind", std::string("linear"));
  const double T = std::round(horizon);
  std::vector<double> at;
  for (const double share : x)
    for (const double step : {std::floor(share * T), std::floor(share * T) + 1})
      if (step <= T) at.push_back(step);
  settings::Table& time = table.make_table("time");
  time.set("steps", static_cast<std::int64_t>(T));
  time.set("at", at);
  const Experiment experiment = read_experiment(std::move(table));
  const Trajectory solved = find(experiment).prepare(experiment)->solve();
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

constexpr double z_star = 0.383265888744;

/// Delta_det at x over the sizes 16, 32, 64, 128.
double spread_at(double x, const std::function<double(double)>& horizon, const std::function<SizeP(double)>& how) {
  std::vector<double> l;
  double mean = 0, squares = 0;
  for (const int p : {16, 32, 64, 128}) {
    l.push_back(normalised_at(p, horizon(p), how(p), {x}).front());
    mean += l.back() / 4;
  }
  for (const double value : l) squares += (value - mean) * (value - mean) / 4;
  return std::sqrt(squares) / mean;
}

const std::vector<double> shares = {0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9};

}  // namespace

std::vector<ClosedForm> collapse_closed_forms() {
  ClosedFormList list("least-squares/collapse-", "schedules-and-collapse.md");
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
    const double horizon = (c.linear ? 2 : 1) * z_star * c.p * c.p / 0.1;
    const SizeP how{0.1, c.linear, 1, 0};
    for (std::size_t i = 0; i < shares.size(); ++i)
      list.printed(fmt::format("{}-{}", name, shares[i]), "(L(x T) - L0)/(L(T) - L0), exact at size p", "4.5",
                   c.values[i], 5,
                   [c, horizon, how, x = shares[i]] { return normalised_at(c.p, horizon, how, {x}).front(); });
    list.add_reference(name + "-loss", "L(T) = (P + tail)/2", "4.5", 1e-10,
                       [c, horizon, how] { return std::pair(c.loss, normalised_at(c.p, horizon, how, {}).back()); });
  }
  const struct {
    bool linear;
    double values[7];
  } spreads[] = {{false, {.0137, .0114, .0101, .0087, .0062, .0037, .0012}},
                 {true, {.0079, .0067, .0047, .0030, .0004, .0011, .0010}}};
  for (const auto& s : spreads)
    for (std::size_t i = 0; i < shares.size(); ++i)
      list.printed(fmt::format("spread-{}-{}", s.linear ? "linear" : "constant", shares[i]),
                   "std over p = 16, 32, 64, 128 of l, over its mean", "4.5", s.values[i], 4, [s, x = shares[i]] {
                     return spread_at(
                         x, [s](double p) { return (s.linear ? 2 : 1) * z_star * p * p / 0.1; },
                         [s](double) {
                           return SizeP{0.1, s.linear, 1, 0};
                         });
                   });
  // What breaks it: eta = .3, T = .25 p^2/eta (twice that under linear decay), altered so that p = 64 stays what it was.
  const auto T = [](double p) { return 0.25 * p * p / 0.3; };
  const auto twice = [T](double p) { return 2 * T(p); };
  const auto plain = [](double) { return SizeP{0.3, false, 1, 0}; };
  const struct {
    const char* name;
    std::function<double(double)> horizon;
    std::function<SizeP(double)> how;
    double values[4];
    int decimals[4];
  } broken[] = {{"good", T, plain, {.034, .017, .011, .006}, {3, 3, 3, 3}},
                {"steps-p1", [T](double p) { return T(64) * p / 64; }, plain, {.215, .190, .143, .087}, {3, 3, 3, 3}},
                {"steps-fixed", [T](double) { return T(64); }, plain, {.520, .399, .264, .144}, {3, 3, 3, 3}},
                {"steps-p2.5",
                 [T](double p) { return T(64) * std::pow(p / 64, 2.5); },
                 plain,
                 {.093, .065, .048, .030},
                 {3, 3, 3, 3}},
                {"rate-falls",
                 twice,
                 [](double p) {
                   return SizeP{0.3 / std::sqrt(p / 64), true, 1, 0};
                 },
                 {.960, .301, .114, .040},
                 {3, 3, 3, 3}},
                {"label-noise",
                 T,
                 [](double) {
                   return SizeP{0.3, false, 1, 0.05};
                 },
                 {.479, .165, .074, .032},
                 {3, 3, 3, 3}},
                {"label-noise-linear",
                 twice,
                 [](double) {
                   return SizeP{0.3, true, 1, 0.05};
                 },
                 {.654, .727, .718, .666},
                 {3, 3, 3, 3}},
                {"label-noise-batch",
                 T,
                 [](double p) {
                   return SizeP{0.3, false, std::max(1.0, p * p / 256), 0.05};
                 },
                 {.015, .0024, .0024, .0014},
                 {3, 4, 4, 4}}};
  const double at[] = {0.1, 0.3, 0.5, 0.7};
  for (const auto& b : broken)
    for (std::size_t i = 0; i < 4; ++i)
      list.printed(fmt::format("breaking-{}-{}", b.name, at[i]), "Delta_det(x), p = 16, 32, 64, 128", "4.5",
                   b.values[i], b.decimals[i], [b, x = at[i]] { return spread_at(x, b.horizon, b.how); });
  return list.take();
}

}  // namespace edgewise::models::least_squares
