// The tables of docs/theory/curvature-dynamics.md, section 1.
#include <fmt/format.h>

#include <array>
#include <boost/math/special_functions/lambert_w.hpp>
#include <cmath>
#include <functional>
#include <memory>
#include <mutex>

#include "models/framework/closed_form_list.hpp"
#include "models/self_stabilization/closed_forms.hpp"
#include "models/self_stabilization/dynamics.hpp"
#include "models/self_stabilization/normal_form.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::self_stabilization {

namespace {

/// eta = 1, beta = 2 alpha: x^2 = p, lambda - 2 = Y, alpha = eps.
Landscape in_units(double eps, double n = 0) {
  Landscape land;
  land.sharpening = eps;
  land.stabilization = 2 * eps;
  land.noise = n;
  return land;
}

struct FirstOrbit {
  double p_max = 0, period = 0, energy_gain = 0;
};
/// Of the map from (p, 0), p < 1: the largest p before Y turns positive again, when it does (by linear interpolation), and
/// the energy gained in `flow_period` steps, to the nearest.
FirstOrbit first_orbit(double eps, double p, double flow_period) {
  Orbit orbit(in_units(eps), {std::sqrt(p), 2, 0}, 1, nullptr);
  FirstOrbit out;
  double before = 0, gained_at = std::round(flow_period);
  for (int k = 0; k < 100000; ++k) {
    const double x = orbit.state().x, Y = orbit.state().sharpness - 2;
    if (k == gained_at) out.energy_gain = energy(eps, x * x, Y) - energy(eps, p, 0);
    if (k > 1 && before < 0 && Y >= 0) {
      if (out.period == 0) out.period = k - 1 - before / (Y - before);
      if (k > gained_at) break;
    }
    if (out.period == 0) out.p_max = std::max(out.p_max, x * x);
    before = Y;
    orbit.step();
  }
  return out;
}

void add_reference_map(ClosedFormList& table) {
  Landscape land;
  land.sharpening = .01;
  land.stabilization = 4;
  const State start{.05, 3.99, 0};
  struct Point {
    int k;
    double x, y;
  };
  for (const Point& at : {Point{1, -.04975, -.0075},
                          {2, .0495634375, -.0049750625},
                          {10, .0503518141177, .0153633563517},
                          {50, .0974466542417, -.00282272054726},
                          {100, .0452095202824, .0153746187417},
                          {200, .044267081284, .0441710381589}}) {
    const auto state = [=] {
      Orbit orbit(land, start, .5, nullptr);
      for (int k = 0; k < at.k; ++k) orbit.step();
      return orbit.state();
    };
    table.add_reference(fmt::format("map-{}-x", at.k), "x of the reference map", "1.3", 1e-11,
                        [=] { return std::pair(at.x, state().x); });
    table.add_reference(fmt::format("map-{}-y", at.k), "lambda - 2/eta of the reference map", "1.3", 2e-11,
                        [=] { return std::pair(at.y, state().sharpness - 4); });
  }
  table.add(
      "origin", "the map is gradient descent on (S0 + b m) x^2/2 - a m: largest difference in 200 steps", "1.1", 1e-14,
      [=] {
        Orbit orbit(land, start, .5, nullptr);
        double x = .05, m = 0, apart = 0;
        const double b = 2, a = .01 / 2, S0 = 3.99;
        for (int k = 0; k < 200; ++k) {
          const double dx = (S0 + b * m) * x, dm = b * x * x / 2 - a;
          x -= .5 * dx;
          m -= .5 * dm;
          orbit.step();
          apart = std::max({apart, std::abs(x - orbit.state().x), std::abs(S0 + b * m - orbit.state().sharpness)});
        }
        return std::pair(0.0, apart);
      });
}

/// det of a step's Jacobian in (log p, Y), by central differences.
double area_growth(bool late, double eps, double p, double Y) {
  const double h = 1e-5;
  const auto image = [&](double q, double y) {
    Landscape land = in_units(eps);
    land.x_first = late;
    const State next = stepped(land, {std::exp(q / 2), 2 + y, 0}, 1);
    return std::pair(2 * std::log(std::abs(next.x)), next.sharpness);
  };
  const double q = std::log(p);
  const auto right = image(q + h, Y), left = image(q - h, Y), up = image(q, Y + h), down = image(q, Y - h);
  return ((right.first - left.first) * (up.second - down.second) -
          (up.first - down.first) * (right.second - left.second)) /
         (4 * h * h);
}

void add_orbits(ClosedFormList& table) {
  struct Row {
    double eps, p, E, p_max, period, map_p_max, map_period, map_gain, gain;
    int digits, map_digits;  // decimals of the periods
  };
  for (const Row& r : {Row{1e-4, .5, 1.9314718e-5, 1.7564312, 451.467, 1.77683, 451.828, 1.808e-6, 1.730e-6, 3, 3},
                       {1e-4, 1e-2, 3.6151702e-4, 6.4846004, 579.646, 6.70863, 586.626, 3.922e-5, 3.704e-5, 3, 3},
                       {1e-5, 1e-2, 3.6151702e-5, 6.4846004, 1833.01, 6.55443, 1839.78, 1.193e-6, 1.171e-6, 2, 2},
                       {1e-3, 1e-2, 3.6151702e-3, 6.4846004, 183.289, 7.23333, 190.995, 1.414e-3, 1.171e-3, 3, 3}}) {
    const auto flow = [r] { return *closed_orbit(r.eps, energy(r.eps, r.p, 0)); };
    const auto map = [r, flow] { return first_orbit(r.eps, r.p, flow().period); };
    const std::string name = fmt::format("orbit-{:g}-{:g}-", r.eps, r.p);
    table.add_reference(name + "energy", "E at (p, Y = 0)", "1.3", 3e-8,
                        [r] { return std::pair(r.E, energy(r.eps, r.p, 0)); });
    table.printed(name + "p_max", "p_max of the flow", "1.3", r.p_max, 7, [flow] { return flow().p_max; });
    table.printed(name + "period", "T by quadrature", "1.3", r.period, r.digits, [flow] { return flow().period; });
    table.printed(name + "map-p_max", "p_max of the map's first orbit", "1.3", r.map_p_max, 5,
                  [map] { return map().p_max; });
    table.printed(name + "map-period", "of the map's first orbit", "1.3", r.map_period, r.map_digits,
                  [map] { return map().period; });
    table.add_reference(name + "map-gain", "E gained by the map in round(T) steps", "1.3", 4.3e-4,
                        [r, map] { return std::pair(r.map_gain, map().energy_gain); });
    table.add_reference(name + "gain", "4 eps^(3/2) int e^q sqrt(e - (e^q - 1 - q)) dq", "1.3", 4e-4,
                        [r, flow] { return std::pair(r.gain, flow().energy_gain); });
  }
  for (const double e : {1e-3, 1.0, 300.0}) {
    table.add(fmt::format("p_max-{:g}", e), "-W_-1(-exp(-1 - E/eps))", "1.3", 1e-9, [e] {
      return std::pair(-boost::math::lambert_wm1(-std::exp(-1 - e)), closed_orbit(1e-3, 1e-3 * e)->p_max);
    });
    table.add(fmt::format("p_min-{:g}", e), "-W_0(-exp(-1 - E/eps))", "1.3", 1e-9, [e] {
      return std::pair(-boost::math::lambert_w0(-std::exp(-1 - e)), closed_orbit(1e-3, 1e-3 * e)->p_min);
    });
  }
  table.add("small-period", "T = 2 pi/sqrt(2 eps) as E -> 0", "1.3", 1e-6,
            [] { return std::pair(2 * pi / std::sqrt(2e-3), closed_orbit(1e-3, 1e-9)->period); });
  table.add("small-gain", "dE = 2 eps E T as E -> 0", "1.3", 1e-5, [] {
    const auto orbit = *closed_orbit(1e-3, 1e-9);
    return std::pair(2e-3 * 1e-9 * orbit.period, orbit.energy_gain);
  });
  table.add("large-gain", "dE = 2 eps Ym + (8/3) Ym^3, Ym = sqrt E, at large E/eps", "1.3", 1e-3, [] {
    const double eps = 1e-9, E = 1e-3, Y = std::sqrt(E);
    return std::pair(2 * eps * Y + 8 * Y * Y * Y / 3, closed_orbit(eps, E)->energy_gain);
  });
}

/// The means over 200 replicas of 12000 steps after 4000.
std::array<double, 4> noisy_means(double eps, double n) {
  const auto simulation = simulate_descent(in_units(eps, n), {1, 2, 0}, 1, nullptr, 4000);
  std::array<double, 4> out{};
  for (std::uint64_t r = 0; r < 200; ++r) {
    const auto replica = simulation->replica(7, r);
    replica->advance(16000);
    double values[8];
    replica->observe(values);
    for (std::size_t k = 0; k < 4; ++k) out[k] += values[4 + k] / 200;
  }
  return out;
}

/// The same, computed by whoever asks first.
std::function<std::array<double, 4>()> shared_noisy_means(double eps, double n) {
  struct Means {
    std::once_flag once;
    std::array<double, 4> values{};
  };
  return [eps, n, means = std::make_shared<Means>()] {
    std::call_once(means->once, [&] { means->values = noisy_means(eps, n); });
    return means->values;
  };
}

void add_noise(ClosedFormList& table) {
  struct Row {
    double eps, n, monte_carlo, error, identity, mean_field, variance;
    // Standard errors of 200 runs, from 1600: of the two sides' difference (sqrt(n/(200 T)) to leading order), of Var p.
    double identity_error, variance_error;
  };
  for (const Row& r : {Row{1e-4, .05, -.025392, 7.2e-5, -.025471, -.025463, 2.03, 1.41e-4, .0143},
                       {1e-4, .10, -.051449, 1.0e-4, -.051469, -.051400, 2.01, 1.98e-4, .0109},
                       {1e-3, .10, -.053057, 1.0e-4, -.052929, -.052750, 2.10, 2.00e-4, .0105},
                       {1e-3, .20, -.107026, 1.5e-4, -.107163, -.106500, 2.05, 2.77e-4, .0075},
                       {1e-3, .05, -.026906, 7.6e-5, -.026946, -.026813, 2.15, 1.44e-4, .0133}}) {
    const auto means = shared_noisy_means(r.eps, r.n);
    const std::string name = fmt::format("noise-{:g}-{:g}-", r.eps, r.n);
    table.printed(name + "mean-field", "-(n + 3 eps + n^2/4)/2", "1.4", r.mean_field, 6,
                  [r] { return mean_offset(r.eps, r.n); });
    // Theirs of 800 replicas, ours of 200: the difference has sqrt(5) of their standard error.
    table.add_reference(name + "mean-Y", "E Y of 200 simulated runs, within four standard errors", "1.4",
                        4 * std::sqrt(5.0) * r.error / -r.monte_carlo,
                        [=] { return std::pair(r.monte_carlo, means()[1]); });
    table.add(name + "identity",
              "E Y = -(n + eps Var p + E Y^2 p)/2, E p = 1, of 200 simulated runs, within four standard errors", "1.4",
              4 * r.identity_error / -r.identity, [=] {
                const auto m = means();
                return std::pair(-(r.n + r.eps * (m[2] - 1) + m[3]) / 2, m[1]);
              });
    // And half a unit of the two decimals.
    table.add_reference(name + "variance", "Var p of 200 simulated runs, within four standard errors", "1.4",
                        (4 * std::sqrt(1.25) * r.variance_error + .005) / r.variance,
                        [=] { return std::pair(r.variance, means()[2] - 1); });
  }
  table.add("noise-threshold", "the 2-cycle is neutral at n = 2 eps (sqrt(1 + eps^2) - eps)", "1.4", 1e-14,
            [] { return std::pair(1.0, fixed_point(.03, noise_threshold(.03)).modulus); });
  table.add("noise-threshold-root", "n = 2 eps sqrt(1 - n) there", "1.4", 1e-14, [] {
    const double n = noise_threshold(.03);
    return std::pair(.06 * std::sqrt(1 - n), n);
  });
}

}  // namespace

std::vector<ClosedForm> normal_form_closed_forms() {
  ClosedFormList table("self-stabilisation/", "curvature-dynamics");
  add_reference_map(table);
  table.add("unstable-spiral", "modulus^2 = 1 + 2 eps of the 2-cycle", "1.2", 1e-14,
            [] { return std::pair(1.002, std::norm(fixed_point(1e-3, 0).multiplier)); });
  table.add("spiral-angle", "multipliers 1 +- i sqrt(2 eps)", "1.2", 1e-13,
            [] { return std::pair(std::sqrt(2e-3), std::abs(fixed_point(1e-3, 0).multiplier.imag())); });
  table.add("area", "det in (log p, Y) = 1 + 2 eps p/(1 + Y)", "1.2", 1e-9,
            [] { return std::pair(1 + .02 * 3 / 1.2, area_growth(false, .01, 3, .2)); });
  table.add("gauss-seidel-area", "Y by p': det = 1", "1.2", 1e-9,
            [] { return std::pair(1.0, area_growth(true, .01, 3, .2)); });
  add_orbits(table);
  add_noise(table);
  return table.take();
}

}  // namespace edgewise::models::self_stabilization
