#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>

#include "models/framework/closed_form_list.hpp"
#include "models/framework/rate_objective.hpp"
#include "models/ingredients/schedule_search/best_rates.hpp"
#include "models/ingredients/schedule_search/families.hpp"
#include "models/least_squares/additive_noise.hpp"
#include "models/least_squares/closed_forms.hpp"
#include "spectra/formulas.hpp"

namespace edgewise::models::least_squares {

namespace {

using ingredients::Optimum;
using ingredients::ScheduleSearch;
using Pair = ClosedFormList::Pair;
using Objective = std::shared_ptr<const RateObjective>;

Objective objective(const std::string& spectrum, double variance, const std::string& optimizer, int steps) {
  return written_problem(
             fmt::format("model = \"least-squares\"\n[spectrum]\n{}\n[noise]\nlaw = \"gaussian\"\nvariance = "
                         "{}\n[optimizer]\nlearning_rate = 1\n{}\n[time]\nsteps = {}\n",
                         spectrum, variance, optimizer, steps))
      ->rate_objective("");
}

std::string power_law(int dimension, double beta) {
  return fmt::format("kind = \"power-law\"\nalpha = 1\nbeta = {}\ndimension = {}", beta, dimension);
}

/// The problem R1 with this optimizer.
Objective r1(const std::string& optimizer) {
  return objective(power_law(100, 0.5), 0.25, optimizer, 300);
}

std::string batch(int size) {
  return fmt::format("batch = {}", size);
}

ScheduleSearch one_start() {
  ScheduleSearch search;
  search.starts = 1;
  return search;
}

Optimum optimum_of(const RateObjective& J, const ScheduleSearch& search = one_start()) {
  return ingredients::best_rates(J, search, [] { return false; });
}

/// The optimum of R1 with this optimizer, found once.
const Optimum& r1_optimum(const std::string& optimizer) {
  static std::mutex mutex;
  static std::map<std::string, Optimum> known;
  const std::lock_guard lock(mutex);
  const auto at = known.find(optimizer);
  return at != known.end() ? at->second : known.emplace(optimizer, optimum_of(*r1(optimizer))).first->second;
}

std::pair<double, double> peak_of(const std::vector<double>& rates) {
  const auto peak = std::ranges::max_element(rates);
  return {*peak, static_cast<double>(peak - rates.begin())};
}

/// base s(x) at x = k/T.
template <class Shape>
std::vector<double> rates(std::uint64_t steps, double base, const Shape& shape) {
  std::vector<double> out;
  for (std::uint64_t k = 0; k < steps; ++k)
    out.push_back(base * shape(static_cast<double>(k) / static_cast<double>(steps)));
  return out;
}

double straight(double x) {
  return 1 - x;
}
double half_cosine(double x) {
  return 0.5 * (1 + std::cos(std::acos(-1.0) * x));
}
double level(double) {
  return 1;
}

double tuned_loss(const RateObjective& J, double (*shape)(double)) {
  return ingredients::best_base(J, rates(J.steps(), 1, shape), INFINITY).loss;
}

/// By how many percent a shape, its base tuned, ends above the optimum.
double gap(const RateObjective& J, const Optimum& best, double (*shape)(double)) {
  return 100 * (tuned_loss(J, shape) / best.loss - 1);
}

void add_fixed(ClosedFormList& table) {
  struct Fixed {
    const char *name, *optimizer;
    double value, base;
    double (*shape)(double);
  };
  const auto root = [](double x) { return x < 0.7 ? 1 : 1 - std::sqrt((x - 0.7) / 0.3); };
  for (const Fixed& f :
       {Fixed{"linear", "", 0.017077786310, 0.2, straight}, Fixed{"cosine", "", 0.017442696504, 0.2, half_cosine},
        Fixed{"constant", "", 0.027521636151, 0.05, level}, Fixed{"cooldown", "", 0.019424032185, 0.2, root},
        Fixed{"weight-decay", "weight_decay = 0.03\ndecoupled = true", 0.024334420690, 0.2, half_cosine},
        Fixed{"momentum", "kind = \"momentum\"\nmomentum = 0.9", 0.018305218658, 0.02, straight}})
    table.printed(fmt::format("fixed-{}", f.name), fmt::format("R1, a fixed schedule, base {}", f.base), "3.5", f.value,
                  12, [f] { return r1(f.optimizer)->value(rates(300, f.base, f.shape)); });
  for (const auto& [k, value, decimals] :
       {std::tuple(0, 1.85928736e-04, 12), {150, -8.70869402e-05, 13}, {299, -7.51634213e-03, 11}})
    table.printed(fmt::format("gradient-{}", k), fmt::format("R1, linear decay from .2: dJ/d eta_{}", k), "3.5", value,
                  decimals, [k = k] {
                    std::vector<double> slope(300);
                    r1("")->gradient(rates(300, 0.2, straight), slope);
                    return slope[static_cast<std::size_t>(k)];
                  });
}

/// Label noise is all the noise: alpha = 1, beta = 1/2, noise .25.
AdditiveNoise of_label_noise(int dimension) {
  const spectra::Spectrum s = spectra::power_law(dimension, 1, 0.5);
  return {s.eigenvalue, s.multiplicity, s.target_power, 0.25};
}

void add_local_slopes(ClosedFormList& table) {
  struct Row {
    const char* name;
    double p, first, second, at_first;
  };
  for (const Row& row :
       {Row{"optimum", -1, -0.6423, -0.6503, 0.00158061}, Row{"constant", 0, -0.4965, -0.4980, 0.00445206},
        Row{"root", 0.5, -0.5793, -0.5845, 0.00234168}, Row{"linear", 1, -0.6175, -0.6243, 0.00183813},
        Row{"square", 2, -0.6441, -0.6501, 0.00164913}, Row{"cube", 3, -0.6522, -0.6571, 0.00169886}}) {
    const auto loss = [p = row.p](double T) {
      static const AdditiveNoise theory = of_label_noise(20000);
      return p < 0 ? theory.optimum(T).loss : theory.polynomial(T, p);
    };
    table.printed(fmt::format("label-noise-{}-loss", row.name), "(1 - t/T)^p of the best base, T = 1e4", "3.4",
                  row.at_first, 8, [loss] { return loss(1e4); });
    table.printed(fmt::format("label-noise-{}-slope-4", row.name), "log10 of loss(1e5)/loss(1e4)", "3.4", row.first, 4,
                  [loss] { return std::log10(loss(1e5) / loss(1e4)); });
    table.printed(fmt::format("label-noise-{}-slope-5", row.name), "log10 of loss(1e6)/loss(1e5)", "3.4", row.second, 4,
                  [loss] { return std::log10(loss(1e6) / loss(1e5)); });
  }
}

void add_optimum(ClosedFormList& table) {
  struct Known {
    int batch;
    double loss, greedy, peak, at;
    std::array<double, 5> rates;
  };
  constexpr std::array one{0.15161491, 0.25113280, 0.17267210, 0.05750790, 0.01115457};
  constexpr std::array eight{0.58508491, 1.09758452, 0.69200868, 0.17793723, 0.01643330};
  for (const Known& known : {Known{1, 0.016118200088, 0.0305600831, 0.26044140, 18, one},
                             Known{8, 0.004147903385, 0.0141888717, 1.0979889, 9, eight}}) {
    const std::string of = fmt::format("R1, B = {}: ", known.batch), tail = fmt::format("-{}", known.batch);
    const std::string optimizer = batch(known.batch);
    table.printed("optimum" + tail, of + "P_T of the optimal schedule", "3.5", known.loss, 12,
                  [optimizer] { return r1_optimum(optimizer).loss; });
    table.printed("greedy" + tail, of + "P_T of the greedy rates", "3.5", known.greedy, 10, [optimizer] {
      std::vector<double> greedy(300);
      return r1(optimizer)->greedy(greedy, INFINITY).value();
    });
    for (std::size_t i = 0; i < 5; ++i) {
      const std::size_t k = std::array<std::size_t, 5>{0, 10, 100, 200, 299}[i];
      table.printed(fmt::format("optimum-rate-{}{}", k, tail), of + fmt::format("eta_{} of the optimum", k), "3.5",
                    known.rates[i], 8, [optimizer, k] { return r1_optimum(optimizer).rates[k]; });
    }
    table.printed("optimum-peak" + tail, of + "largest rate of the optimum", "3.5", known.peak,
                  known.batch == 1 ? 8 : 7, [optimizer] { return peak_of(r1_optimum(optimizer).rates).first; });
    table.add_reference("optimum-peak-step" + tail, of + "its step", "3.5", 1e-12,
                        [optimizer, at = known.at] { return Pair(at, peak_of(r1_optimum(optimizer).rates).second); });
  }
  // h_k over h_{T/2}, constant in the limit of small steps.
  for (const auto& [size, k, value] : {std::tuple(1, 0, .889), {1, 30, .953}, {1, 299, 1.010}, {8, 0, .745}})
    table.printed(fmt::format("first-integral-{}-{}", k, size), fmt::format("R1, B = {}: h_{}/h_150 of (3.5)", size, k),
                  "3.3", value, 3, [size = size, k = k] {
                    const std::vector<double> h = r1(batch(size))->path(r1_optimum(batch(size)).rates).injected;
                    return h[static_cast<std::size_t>(k)] / h[150];
                  });
  using J = const RateObjective&;
  using O = const Optimum&;
  const auto longer = [&](const char* name, double value, int decimals, double (*of)(J, O)) {
    table.printed(fmt::format("optimum-long-{}", name), "the optimum at d = 200, T = 1000, B = 1", "3.5", value,
                  decimals, [of] {
                    static const Objective objective_ = objective(power_law(200, 0.5), 0.25, "", 1000);
                    static const Optimum best = optimum_of(*objective_);
                    return of(*objective_, best);
                  });
  };
  longer("loss", 0.0072679563305, 13, [](J, O best) { return best.loss; });
  longer("peak", 0.2114697, 7, [](J, O best) { return peak_of(best.rates).first; });
  longer("peak-step", 35, 0, [](J, O best) { return peak_of(best.rates).second; });
  longer("first", 0.11136, 5, [](J, O best) { return best.rates.front(); });
  longer("last", 0.00413, 5, [](J, O best) { return best.rates.back(); });
  longer("linear-gap", 7.82, 2, [](J loss, O best) { return gap(loss, best, straight); });
  longer("cosine-gap", 6.62, 2, [](J loss, O best) { return gap(loss, best, half_cosine); });
  longer("constant-gap", 99.1, 1, [](J loss, O best) { return gap(loss, best, level); });
}

/// Section 3.5: the best of every family on its grid.
void add_gaps(ClosedFormList& table) {
  struct Gap {
    const char* family;
    double one, eight;
  };
  for (const Gap& g : {Gap{"cooldown-1-sqrt", 0.016618495, 0.004346406}, Gap{"exponential", 0.016645954, 0.004443234},
                       Gap{"rex", 0.016683082, 0.004341691}, Gap{"polynomial", 0.016816364, 0.004328297},
                       Gap{"linear", 0.016931268, 0.004525253}, Gap{"cosine-power", 0.017069459, 0.004387962},
                       Gap{"cosine", 0.017291909, 0.004387962}, Gap{"cooldown-square", 0.017370425, 0.004352315},
                       Gap{"step", 0.017532613, 0.004836487}, Gap{"inverse-time", 0.018733871, 0.005906962},
                       Gap{"inverse-square-root", 0.022032401, 0.007299182}, Gap{"constant", 0.027070009, 0.009469031}})
    for (const int size : {1, 8})
      table.printed(fmt::format("family-{}-{}", g.family, size),
                    fmt::format("R1, B = {}: P_T of the best of the family on the grids of the page", size), "3.5",
                    size == 1 ? g.one : g.eight, 9, [size, g] {
                      ScheduleSearch search;
                      if (size == 8) search.warmups = {0, 0.1};
                      return ingredients::tune_family(*r1(batch(size)), g.family, search, {}).loss;
                    });
}

/// Section 3.6.
void add_decay_and_momentum(ClosedFormList& table) {
  struct Decayed {
    double w, loss, peak_at, peak, first, middle, late, last, gap_constant, gap_linear, gap_cosine;
  };
  for (const Decayed& d : {Decayed{0.01, 0.0169824063, 0.040, 0.34849, 0.651, 0.3230, 0.0709, 0.0313, 70.6, 6.83, 7.57},
                           Decayed{0.03, 0.0223264617, 0.023, 0.46727, 0.817, 0.1911, 0.0407, 0.0202, 54.4, 7.92, 7.30},
                           Decayed{0.1, 0.0524771303, 0, 0.71887, 1, 0.0447, 0.0133, 0.0085, 17.6, 3.70, 3.45}}) {
    const std::string optimizer = fmt::format("weight_decay = {}\ndecoupled = true", d.w);
    const auto pinned = [&](const std::string& name, double value, int decimals, auto compute) {
      table.printed(fmt::format("weight-decay-{}-{}", d.w, name),
                    fmt::format("R1 with decoupled weight decay {}: {} of the optimum", d.w, name), "3.6", value,
                    decimals, [optimizer, compute] { return compute(optimizer, r1_optimum(optimizer)); });
    };
    const auto over_peak = [](std::size_t k) {
      return [k](const std::string&, const Optimum& o) { return o.rates[k] / peak_of(o.rates).first; };
    };
    const auto gap_of = [](double (*shape)(double)) {
      return [shape](const std::string& of, const Optimum& o) { return gap(*r1(of), o, shape); };
    };
    pinned("loss", d.loss, 10, [](const std::string&, const Optimum& o) { return o.loss; });
    if (d.peak_at > 0)
      pinned("peak-place", d.peak_at, 3,
             [](const std::string&, const Optimum& o) { return peak_of(o.rates).second / 300; });
    pinned("peak", d.peak, 5, [](const std::string&, const Optimum& o) { return peak_of(o.rates).first; });
    pinned("first-over-peak", d.first, 3, over_peak(0));
    pinned("middle-over-peak", d.middle, 4, over_peak(150));
    pinned("late-over-peak", d.late, 4, over_peak(240));
    pinned("last-over-peak", d.last, 4, over_peak(299));
    pinned("gap-constant", d.gap_constant, 1, gap_of(level));
    pinned("gap-linear", d.gap_linear, 2, gap_of(straight));
    pinned("gap-cosine", d.gap_cosine, 2, gap_of(half_cosine));
  }
  struct Heavy {
    double mu, linear, base, constant;
  };
  for (const Heavy& h : {Heavy{0, .01693127, .2313, .02707001}, Heavy{.5, .01705376, .2308, .02687058},
                         Heavy{.9, .01825806, .2164, .02685569}, Heavy{.95, .01973147, .2027, .02697905}}) {
    const std::string optimizer = fmt::format("kind = \"momentum\"\nmomentum = {}", h.mu);
    table.printed(fmt::format("momentum-{}-linear", h.mu), "R1, heavy ball, linear decay, tuned: P_T", "3.6", h.linear,
                  8, [optimizer] { return tuned_loss(*r1(optimizer), straight); });
    table.printed(fmt::format("momentum-{}-constant", h.mu), "R1, heavy ball, constant rate, tuned: P_T", "3.6",
                  h.constant, 8, [optimizer] { return tuned_loss(*r1(optimizer), level); });
  }
}

void add_exact(ClosedFormList& table) {
  const auto isotropic = [] {
    return objective("kind = \"list\"\neigenvalues = [0.7]\nmultiplicities = [50]\n[initial]\nerror_power = [1]", 0.3,
                     batch(2), 200);
  };
  table.add("isotropic-optimum", "K = l I: w = 1/P, w <- w + w/((c - 1) + n w), c = 1 + (d+1)/B, n = d sigma^2/B",
            "3.4", 1e-12, [isotropic] {
              const double c = 1 + 51.0 / 2, n = 50 * 0.3 / 2;
              double w = 1 / 0.7;
              for (int k = 0; k < 200; ++k) w += w / ((c - 1) + n * w);
              return Pair(1 / w, optimum_of(*isotropic()).loss);
            });
  table.printed("isotropic-greedy", "P_200 of the greedy rates on the same, l = .7, d = 50, B = 2, sigma^2 = .3", "3.4",
                5.210447409094e-02, 14, [isotropic] {
                  std::vector<double> greedy(200);
                  return isotropic()->greedy(greedy, INFINITY).value();
                });
  table.add("full-batch-any-order", "B = inf: P_T does not depend on the order of the rates", "3.4", 1e-14, [] {
    const Objective J = r1("batch = inf");
    std::vector<double> forward = rates(300, 0.8, straight), back = forward;
    std::ranges::reverse(back);
    return Pair(J->value(forward), J->value(back));
  });
  table.printed("optimum-rate-rules",
                "d = 400, alpha = beta = 1/4, sigma^2 = 1, B = 40, T = 500: P_T of the optimal schedule", "6.2",
                0.0256316054, 10, [] {
                  return optimum_of(*objective("kind = \"power-law\"\nalpha = 0.25\nbeta = 0.25\ndimension = 400", 1.0,
                                               batch(40), 500))
                      .loss;
                });
  for (const auto& [steps, share] : {std::pair(300, .7567), std::pair(1200, .8375)})
    table.printed(fmt::format("capped-{}", steps),
                  "d = 200, alpha = 1, beta = -.25, sigma^2 = .1, B = 1, eta <= .3: share of the steps at the cap",
                  "3.4", share, 4, [steps = steps] {
                    ScheduleSearch search = one_start();
                    search.max_rate = 0.3;
                    const Optimum best = optimum_of(*objective(power_law(200, -0.25), 0.1, "", steps), search);
                    return static_cast<double>(std::ranges::count(best.rates, 0.3)) / steps;
                  });
}

/// (3.7), and what its rates give in the exact recursion.
void add_additive_noise(ClosedFormList& table) {
  struct Known {
    const char* name;
    int d, steps;
    double loss, run;
  };
  for (const Known& k :
       {Known{"300", 100, 300, 0.01410957, 0.01759127}, Known{"1000", 200, 1000, 0.00672887, 0.00744317}}) {
    table.printed(fmt::format("additive-noise-{}", k.name),
                  fmt::format("(3.7) at d = {}, T = {}, alpha = 1, beta = .5, sigma^2 = .25", k.d, k.steps), "3.4",
                  k.loss, 8, [k] { return of_label_noise(k.d).optimum(k.steps).loss; });
    table.printed(fmt::format("additive-noise-run-{}", k.name),
                  "its rates, in the middle of each step, in the exact recursion (1.1): P_T", "3.4", k.run, 8, [k] {
                    const AdditiveNoise known = of_label_noise(k.d);
                    const AdditiveNoise::Optimum best = known.optimum(k.steps);
                    std::vector<double> eta;
                    for (int i = 0; i < k.steps; ++i) eta.push_back(known.rate(best, k.steps, i + 0.5));
                    return objective(power_law(k.d, 0.5), 0.25, "", k.steps)->value(eta);
                  });
  }
  table.printed("additive-noise-tau", "(3.7) on R1: tau = sum of the best rates", "3.4", 45.35008, 5,
                [] { return of_label_noise(100).optimum(300).tau; });
}

}  // namespace

std::vector<ClosedForm> schedule_closed_forms() {
  ClosedFormList table("least-squares/schedule/", "schedules-and-collapse");
  add_fixed(table);
  add_local_slopes(table);
  add_optimum(table);
  add_gaps(table);
  add_decay_and_momentum(table);
  add_exact(table);
  add_additive_noise(table);
  return table.take();
}

}  // namespace edgewise::models::least_squares
