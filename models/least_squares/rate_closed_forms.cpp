// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "models/framework/closed_form_list.hpp"
#include "models/least_squares/closed_forms.hpp"
#include "numerics/roots.hpp"

namespace edgewise::models::least_squares {

namespace {

using Pair = ClosedFormList::Pair;

Trajectory solved(std::initializer_list<std::string> lines) {
  std::string text = "model = \"least-squares\"\n";
  for (const std::string& line : lines) text += line + "\n";
  return written_problem(text)->solve();
}

/// The last value of an observable of the experiment in these lines.
double last(const std::string& observable, std::initializer_list<std::string> lines) {
  return solved(lines).find(observable)->value.back();
}

std::string isotropic(double lambda, double d, double power) {
  return fmt::format(
      "[spectrum]\nkind = \"list\"\neigenvalues = [{}]\nmultiplicities = [{}]\n[initial]\nerror_power = [{}]", lambda,
      d, power);
}

std::string labels(double variance) {
  return fmt::format("[noise]\nlaw = \"gaussian\"\nvariance = {}", variance);
}

std::string batch(const std::string& size) {
  return "[optimizer]\nbatch = " + size;
}

std::string steps(std::uint64_t k) {
  return fmt::format("[time]\nsteps = {}\npoints = 2", k);
}

const char* const compared_spectrum = "[spectrum]\nkind = \"power-law\"\ndimension = 400\nalpha = 0.25\nbeta = 0.25";

/// The problem of section 6.2, B = 40, T = 500: P at the end.
double compared(const std::string& rule, const std::string& schedule) {
  return last("excess_mse", {compared_spectrum, labels(1), batch("40"), steps(500), "[rate]\n" + rule,
                             "[schedule]\nkind = \"" + schedule + "\""});
}

/// The same problem: the largest |P - value| at T/10, T/4, T/2 and T.
double largest_gap(const std::string& rule, const std::string& size, int T, const std::array<double, 4>& values) {
  const Trajectory run =
      solved({compared_spectrum, labels(1), batch(size),
              fmt::format("[time]\nat = [{}, {}, {}, {}]", T / 10, T / 4, T / 2, T), "[rate]\n" + rule});
  const std::vector<double>& P = run.find("excess_mse")->value;
  double gap = 0;
  for (std::size_t i = 0; i < 4; ++i) gap = std::max(gap, std::abs(P.at(P.size() - 4 + i) - values[i]));
  return gap;
}

/// d eta after 20 d steps of noiseless AdaGrad-norm, eta0 = 1, b0 = d (6.1).
double scaled_limit(int d) {
  double sum = 0;
  for (int j = 1; j <= d; ++j) sum += std::pow(j, -0.25);
  std::string eigenvalues, power;
  for (int j = 1; j <= d; ++j) {
    eigenvalues += fmt::format("{},", std::pow(j, -0.25) * d / sum);
    power += fmt::format("{},", 1.0 / d);
  }
  return d * last("learning_rate",
                  {"[spectrum]\nkind = \"list\"\neigenvalues = [" + eigenvalues + "]",
                   "[initial]\nerror_power = [" + power + "]", batch("1"), steps(static_cast<std::uint64_t>(20 * d)),
                   fmt::format("[rate]\nkind = \"adagrad-norm\"\neta0 = 1\nb0 = {}", d)});
}

/// The same as d -> infinity by (6.2): N = 0 at sqrt S = s d, where 1 = 4 (s - 1) - 2 ln s.
double limit_of_adagrad() {
  return 1 / numerics::root([](double s) { return 4 * (s - 1) - 2 * std::log(s) - 1; }, 1, 2);
}

}  // namespace

std::vector<ClosedForm> rate_closed_forms() {
  ClosedFormList table("least-squares/rate/", "schedules-and-collapse");

  // f = (x1^2 + .25 x2^2 + .04 x3^2)/2 from (1, 1, 1) by exact gradients.
  struct Quadratic {
    int step;
    double dog, momo;
    int dog_decimals, momo_decimals;
  };
  for (const Quadratic& q : {Quadratic{1, .634732203, .1865886817, 9, 10},
                             {2, .627562797, .178393615, 9, 9},
                             {10, .4228124643, .1220931704, 10, 10},
                             {50, .007281733032, .01350415538, 12, 11},
                             {200, 2.765005066e-5, 5.801813954e-7, 14, 16}}) {
    const auto at = [k = q.step](const std::string& rule) {
      return last("risk", {"[spectrum]\nkind = \"list\"\neigenvalues = [1, 0.25, 0.04]", batch("inf"),
                           steps(static_cast<std::uint64_t>(k)), "[rate]\n" + rule});
    };
    table.printed(fmt::format("dog-quadratic-{}", q.step),
                  "DoG, r_eps = 1e-2, f = (x1^2 + .25 x2^2 + .04 x3^2)/2 from (1,1,1)", "6", q.dog, q.dog_decimals,
                  [at] { return at("kind = \"dog\"\nr_eps = 1e-2"); });
    table.printed(fmt::format("momo-quadratic-{}", q.step), "MoMo, eta_max = 1, beta = .9, f_min = 0, on the same",
                  "What the papers themselves do", q.momo, q.momo_decimals, [at] { return at("kind = \"momo\""); });
  }

  struct Compared {
    const char *name, *rule;
    double constant, cosine;
  };
  for (const Compared& c :
       {Compared{"adagrad-norm", "kind = \"adagrad-norm\"\neta0 = 2\nb0 = 20", 0.04755559, 0.14697802},
        Compared{"polyak", "kind = \"polyak\"", 0.02672019, 0.04296894},
        Compared{"stochastic-polyak", "kind = \"stochastic-polyak\"\nc = 0.5", 1.00910339, 0.06251770},
        Compared{"line-search", "kind = \"line-search\"", 0.03411882, 0.06599291},
        Compared{"dog", "kind = \"dog\"\nr_eps = 1e-2", 0.11136647, 0.03992815},
        Compared{"dowg", "kind = \"dowg\"\nr_eps = 1e-2", 0.16202252, 0.04167413},
        Compared{"d-adaptation", "kind = \"d-adaptation\"\nd0 = 1e-2", 0.27287760, 1.85742432},
        Compared{"prodigy", "kind = \"prodigy\"\nd0 = 1e-2", 0.05652484, 0.04996102}})
    for (const bool cosine : {false, true})
      table.printed(
          fmt::format("{}{}", c.name, cosine ? "-cosine" : ""),
          fmt::format("P after 500 steps, d = 400, lambda_j = j^-.5, theta*_j = j^-.25, sigma^2 = 1, B = 40{}",
                      cosine ? ", cosine on top" : ""),
          "6.2", cosine ? c.cosine : c.constant, 8,
          [c, cosine] { return compared(c.rule, cosine ? "cosine" : "constant"); });

  // The closure's columns of the table of theory against simulation; DoWG at B = 1 diverges, which the table says too.
  struct Followed {
    const char *name, *rule;
    std::array<double, 4> large, one;
  };
  for (const Followed& f :
       {Followed{"adagrad-norm",
                 "kind = \"adagrad-norm\"\neta0 = 2\nb0 = 20",
                 {1.3734, .4980, .1620, .0476},
                 {3.0203, 1.9725, 1.2628, .6944}},
        Followed{"dog", "kind = \"dog\"\nr_eps = 1e-2", {2.8647, .3763, .1356, .1114}, {6.0891, 4.7553, 2.6128, .9769}},
        Followed{"dowg", "kind = \"dowg\"\nr_eps = 1e-2", {1.0822, .3610, .2357, .1620}, {}},
        Followed{"d-adaptation",
                 "kind = \"d-adaptation\"\nd0 = 1e-2",
                 {6.1613, 4.5332, 1.7449, .2729},
                 {6.5032, 6.4582, 6.3627, 6.0509}},
        Followed{"prodigy",
                 "kind = \"prodigy\"\nd0 = 1e-2",
                 {5.1164, .5009, .1093, .0565},
                 {6.5032, 6.4523, 6.2077, 4.0468}}}) {
    table.add_reference(fmt::format("{}-followed-batch-40", f.name),
                        "P at T/10, T/4, T/2, T = 500 less the table's: largest", "6.2", 0.51e-4,
                        [f] { return Pair(0, largest_gap(f.rule, "40", 500, f.large)); });
    if (f.one[0] > 0)
      table.add_reference(fmt::format("{}-followed-batch-1", f.name), "the same, B = 1, T = 1500", "6.2", 0.51e-4,
                          [f] { return Pair(0, largest_gap(f.rule, "1", 1500, f.one)); });
  }
  table.printed("dog-ramp", "log(r/r_eps) after 4000 steps, r_eps = 1e-6, B = 1, sigma = 0, the same spectrum", "6.1",
                13.65, 2, [] {
                  return std::log(last("max_distance", {compared_spectrum, batch("1"), steps(4000),
                                                        "[rate]\nkind = \"dog\"\nr_eps = 1e-6"}) /
                                  1e-6);
                });

  table.add("polyak-noiseless", "K = l I, sigma = 0: P_k = P_0 (1 - 1/c)^k, c = 1 + (d+1)/B", "3.4", 1e-12, [] {
    const double c = 1 + 51.0 / 2;
    return Pair(0.7 * std::pow(1 - 1 / c, 60),
                last("excess_mse", {isotropic(0.7, 50, 1), batch("2"), steps(60), "[rate]\nkind = \"polyak\""}));
  });
  const auto polyak = [] {
    return last("excess_mse",
                {isotropic(0.7, 50, 1), labels(0.3), batch("2"), steps(200), "[rate]\nkind = \"polyak\""});
  };
  table.add("polyak-isotropic", "w = 1/P: w <- w + w/((c - 1) + n w), c = 1 + (d+1)/B, n = d sigma^2/B", "3.4", 1e-12,
            [polyak] {
              const double c = 1 + 51.0 / 2, n = 50 * 0.3 / 2;
              double w = 1 / 0.7;
              for (int k = 0; k < 200; ++k) w += w / ((c - 1) + n * w);
              return Pair(1 / w, polyak());
            });
  table.add_reference("polyak-isotropic-reference", "P_200 of the same", "3.4", 1e-12,
                      [polyak] { return Pair(5.210447409094e-02, polyak()); });
  // The gamma law of |x|^2 is exact, and what of the move goes with it up to 1/d^2.
  for (const double c : {0.5, 2.0})
    table.add(fmt::format("stochastic-polyak-isotropic-{}", c),
              "K = l I, B = 1: P <- P (1 - (1/c - 1/4c^2)/d) + sigma^2/(4c^2 (d - 2)), d = 400", "6.4", 5e-5, [c] {
                double P = 0.7;
                for (int k = 0; k < 200; ++k) P += -P * (1 / c - 1 / (4 * c * c)) / 400 + 0.3 / (4 * c * c * 398);
                return Pair(P, last("excess_mse", {isotropic(0.7, 400, 1), labels(0.3), batch("1"), steps(200),
                                                   fmt::format("[rate]\nkind = \"stochastic-polyak\"\nc = {}", c)}));
              });
  table.add("stochastic-polyak-floor", "d = 1e6: P -> sigma^2/(4c - 1), whatever B", "6.1", 2e-5, [] {
    return Pair(0.3, last("excess_mse", {isotropic(0.7, 1e6, 0.3 / 0.7), labels(0.3), batch("3"), steps(20),
                                         "[rate]\nkind = \"stochastic-polyak\"\nc = 0.5"}));
  });
  const auto adagrad = [](const std::string& observable) {
    return last(observable, {isotropic(1, 200, 1), labels(1), batch("1"), steps(40000),
                             "[rate]\nkind = \"adagrad-norm\"\neta0 = 3\nb0 = 1e-4"});
  };
  table.printed("adagrad-norm-label-noise", "K = I, d = 200, eta0 = 3, sigma = 1: P at step 40000", "6.1", 0.101375, 6,
                [adagrad] { return adagrad("excess_mse"); });
  table.printed("adagrad-norm-label-noise-rate",
                "the same by rho/(1 - rho) sigma^2, rho = eta tr K/(2B) of the last rate", "6.1", 0.100581, 6,
                [adagrad] {
                  const double rho = adagrad("learning_rate") * 200 / 2;
                  return rho / (1 - rho);
                });
  for (const auto& [d, value] : {std::pair(200, .696810), std::pair(800, .699330), std::pair(3200, .699964)})
    table.printed(fmt::format("adagrad-norm-noiseless-{}", d), "d eta after 20 d steps, eta0 = 1, b0 = d, tr K = d",
                  "6.1", value, 6, [d = d] { return scaled_limit(d); });
  table.printed("adagrad-norm-noiseless-invariant", "d eta_inf, d -> infinity: N = 0 in (6.2)", "6.1", .700176, 6,
                limit_of_adagrad);
  table.add("adagrad-norm-noiseless-limit", "N + (4 eta0 B/tr K) sqrt S - eta0^2 ln S = const", "6.1", 2e-5, [] {
    // What is missing falls like 1/d.
    return Pair(limit_of_adagrad(), (4 * scaled_limit(800) - scaled_limit(200)) / 3);
  });
  return table.take();
}

}  // namespace edgewise::models::least_squares
