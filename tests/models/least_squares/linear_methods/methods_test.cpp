// Every method of rules against the moments of its definition: all workers' parameters and buffers written out one by one,
// every step and sync a few assignments, second moments of everything with everything (docs/theory/two-phase.md, section 1).
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "models/least_squares/linear_methods/linear_method.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using models::testing::column;
using models::testing::number;

namespace {

const std::vector<double> lambda{1.0, 0.4}, many{2, 3}, power{1.0, 0.5};
constexpr double sigma2 = 0.2;

struct Method {
  std::string optimizer;
  double eta = 0.1, batch = 2;
  double q0 = 1, q1 = 0, b = 0;                        // weights of gradient and buffer, what the buffer keeps
  double coupled = 0, decoupled = 0, independent = 0;  // weight decay
  std::size_t inner = 0, workers = 1;                  // inner = 0: no outer phase
  double xi = 1, p0 = 1, p1 = 0, outer_b = 0;          // of the sync
  bool persistent = false;
  double average = -1;    // what an average keeps; -1: none
  int average_from = -1;  // tail average
  double kurtosis = 0;    // excess of the data
  std::string data = {};
};

/// A sum of coordinates, and of the gradient noise of one worker.
struct Line {
  std::vector<double> of;
  double noise = 0;
  std::size_t worker = 0;
};
Line operator+(Line x, const Line& y) {
  for (std::size_t i = 0; i < x.of.size(); ++i) x.of[i] += y.of[i];
  if (y.noise != 0) x.worker = y.worker;
  x.noise += y.noise;
  return x;
}
Line operator*(double factor, Line x) {
  for (double& c : x.of) c *= factor;
  x.noise *= factor;
  return x;
}

class Literal {
 public:
  Literal(const Method& of, double label_noise) : m_(of), label_noise_(label_noise), size_(4 + 2 * of.workers) {
    for (std::size_t a = 0; a < 2; ++a) {
      // theta_0 = 0: every error is -theta*.
      std::vector<double> start(size_);
      start[V] = start[average] = -1;
      start[target] = 1;
      for (std::size_t i = 0; i < m_.workers; ++i) start[v(i)] = -1;
      moments_.emplace_back(size_ * size_);
      for (std::size_t r = 0; r < size_; ++r)
        for (std::size_t c = 0; c < size_; ++c) moments_[a][r * size_ + c] = power[a] * start[r] * start[c];
    }
    before_ = workers();
  }

  void step() {
    std::vector<double> risk;  // of each worker
    for (std::size_t i = 0; i < m_.workers; ++i) risk.push_back(excess(unit(v(i))));
    for (std::size_t a = 0; a < 2; ++a) {
      std::vector<Line> next;
      for (std::size_t c = 0; c < size_; ++c) next.push_back(unit(c));
      for (std::size_t i = 0; i < m_.workers; ++i) {
        Line g = lambda[a] * unit(v(i));
        g.noise = 1;
        g.worker = i;
        const Line theta = unit(v(i)) + unit(target);
        g = g + m_.coupled * theta;
        next[u(i)] = m_.b * unit(u(i)) + g;
        next[v(i)] =
            unit(v(i)) + -m_.eta * (m_.q0 * g + m_.q1 * next[u(i)]) + -(m_.eta * m_.decoupled + m_.independent) * theta;
      }
      if (m_.average >= 0) next[average] = m_.average * unit(average) + (1 - m_.average) * next[v(0)];
      if (m_.average_from >= 0) {
        const double terms = static_cast<double>(steps_) + 2 - m_.average_from;
        next[average] = terms < 1.5 ? next[v(0)] : (1 - 1 / terms) * unit(average) + (1 / terms) * next[v(0)];
      }
      std::vector<double> noise;
      for (std::size_t i = 0; i < m_.workers; ++i)
        noise.push_back((many[a] * lambda[a] * (risk[i] + label_noise_) +
                         lambda[a] * lambda[a] * (1 + m_.kurtosis) * moments_[a][v(i) * size_ + v(i)]) /
                        m_.batch);
      move(a, next, noise);
    }
    ++steps_;
    before_ = workers();
    if (m_.inner > 0 && steps_ % m_.inner == 0) sync();
  }

  double P() const { return excess(unit(m_.inner > 0 ? V : v(0))); }
  double parameter_error() const {
    double out = 0;
    const std::size_t at = m_.inner > 0 ? V : v(0);
    for (std::size_t a = 0; a < 2; ++a) out += moments_[a][at * size_ + at];
    return out;
  }
  double averaged() const { return excess(unit(average)); }
  /// The mean of the workers' risks, and the risk of their mean, before the last step's sync.
  std::pair<double, double> before_sync() const { return before_; }

 private:
  static constexpr std::size_t V = 0, outer = 1, average = 2, target = 3;
  std::size_t v(std::size_t i) const { return 4 + i; }
  std::size_t u(std::size_t i) const { return 4 + m_.workers + i; }
  Line unit(std::size_t at) const {
    Line out{std::vector<double>(size_), 0, 0};
    out.of[at] = 1;
    return out;
  }
  double excess(const Line& of) const {
    double out = 0;
    for (std::size_t a = 0; a < 2; ++a)
      for (std::size_t r = 0; r < size_; ++r)
        for (std::size_t c = 0; c < size_; ++c) out += lambda[a] * of.of[r] * of.of[c] * moments_[a][r * size_ + c];
    return out;
  }
  Line mean_worker() const {
    Line out = 0 * unit(0);
    for (std::size_t i = 0; i < m_.workers; ++i) out = out + 1 / static_cast<double>(m_.workers) * unit(v(i));
    return out;
  }
  std::pair<double, double> workers() const {
    double own = 0;
    for (std::size_t i = 0; i < m_.workers; ++i) own += excess(unit(v(i))) / static_cast<double>(m_.workers);
    return {own, excess(mean_worker())};
  }
  void sync() {
    std::vector<Line> next;
    for (std::size_t c = 0; c < size_; ++c) next.push_back(unit(c));
    const Line moved = mean_worker() + -1 * unit(V);
    next[outer] = m_.outer_b * unit(outer) + moved;
    next[V] = unit(V) + m_.xi * (m_.p0 * moved + m_.p1 * next[outer]);
    for (std::size_t i = 0; i < m_.workers; ++i) {
      next[v(i)] = next[V];
      if (!m_.persistent) next[u(i)] = 0 * unit(0);
    }
    for (std::size_t a = 0; a < 2; ++a) move(a, next, std::vector<double>(m_.workers));
  }
  void move(std::size_t a, const std::vector<Line>& next, const std::vector<double>& noise) {
    std::vector<double> half(size_ * size_), out(size_ * size_);
    for (std::size_t r = 0; r < size_; ++r)
      for (std::size_t k = 0; k < size_; ++k)
        if (next[r].of[k] != 0)
          for (std::size_t c = 0; c < size_; ++c) half[r * size_ + c] += next[r].of[k] * moments_[a][k * size_ + c];
    for (std::size_t r = 0; r < size_; ++r)
      for (std::size_t c = 0; c < size_; ++c) {
        for (std::size_t k = 0; k < size_; ++k) out[r * size_ + c] += half[r * size_ + k] * next[c].of[k];
        if (next[r].noise != 0 && next[c].noise != 0 && next[r].worker == next[c].worker)
          out[r * size_ + c] += next[r].noise * next[c].noise * noise[next[r].worker];
      }
    moments_[a] = out;
  }

  const Method& m_;
  double label_noise_;
  std::size_t size_, steps_ = 0;
  std::vector<std::vector<double>> moments_;
  std::pair<double, double> before_;
};

const std::vector<Method>& methods() {
  static const std::vector<Method> all = [] {
    std::vector<Method> out;
    const auto add = [&](const std::string& optimizer, const auto& change) {
      Method one;
      one.optimizer = optimizer;
      change(one);
      out.push_back(one);
    };
    add("kind = 'sgd'\nweight_decay = 0.3", [](Method& m) { m.coupled = 0.3; });
    add("kind = 'sgd'\nweight_decay = 0.3\ndecoupled = true", [](Method& m) { m.decoupled = 0.3; });
    add("kind = 'sgd'\nweight_decay = 0.2\nindependent = true", [](Method& m) { m.independent = 0.2; });
    add("kind = 'momentum'\nmomentum = 0.6", [](Method& m) { m.q0 = 0, m.q1 = 1, m.b = 0.6; });
    add("kind = 'momentum'\nmomentum = 0.6\nmomentum_kind = 'nesterov'\nweight_decay = 0.3",
        [](Method& m) { m.q0 = 1, m.q1 = m.b = 0.6, m.coupled = 0.3; });
    add("kind = 'momentum'\nmomentum = 0.6\nmomentum_kind = 'nesterov'\nweight_decay = 0.3\ndecoupled = true",
        [](Method& m) { m.q0 = 1, m.q1 = m.b = 0.6, m.decoupled = 0.3; });
    add("kind = 'momentum'\nmomentum = 0.6\nmomentum_kind = 'custom'\ngradient_weight = 0.3\nbuffer_weight = 0.7",
        [](Method& m) { m.q0 = 0.3, m.q1 = 0.7, m.b = 0.6; });
    add("kind = 'momentum'\nmomentum_kind = 'none'", [](Method&) {});
    add("kind = 'momentum'\nmomentum = 0.6",
        [](Method& m) { m.q0 = 0, m.q1 = 1, m.b = 0.6, m.kurtosis = -2, m.data = "[data]\nlaw = 'rademacher'\n"; });
    add("kind = 'ema'\naverage_decay = 0.7", [](Method& m) { m.average = 0.7; });
    add("kind = 'ema'\naverage_decay = 0.7\nmomentum_kind = 'heavy-ball'\nmomentum = 0.5",
        [](Method& m) { m.average = 0.7, m.q0 = 0, m.q1 = 1, m.b = 0.5; });
    add("kind = 'tail-average'\naverage_from = 3", [](Method& m) { m.average_from = 3; });
    add("kind = 'tail-average'", [](Method& m) { m.average_from = 0; });
    add("kind = 'lookahead'\ninner_steps = 3\nouter_learning_rate = 0.6", [](Method& m) { m.inner = 3, m.xi = 0.6; });
    add("kind = 'la-diloco'\ninner_steps = 2\nouter_learning_rate = 0.6\nworkers = 3\nweight_decay = 0.3",
        [](Method& m) { m.inner = 2, m.xi = 0.6, m.workers = 3, m.coupled = 0.3; });
    add("kind = 'sla'\ninner_steps = 3\nouter_learning_rate = 0.6\nmomentum_kind = 'heavy-ball'\nmomentum = 0.5\n"
        "outer_momentum_kind = 'nesterov'\nouter_momentum = 0.4\nworkers = 2",
        [](Method& m) {
          m.inner = 3, m.xi = 0.6, m.q0 = 0, m.q1 = 1, m.b = 0.5, m.p1 = m.outer_b = 0.4, m.workers = 2;
        });
    add("kind = 'sla'\ninner_steps = 3\nouter_learning_rate = 0.6\nmomentum_kind = 'heavy-ball'\nmomentum = 0.5\n"
        "outer_momentum_kind = 'custom'\nouter_momentum = 0.4\nouter_gradient_weight = 0.3\nouter_buffer_weight = 0.8\n"
        "persistent = true",
        [](Method& m) {
          m.inner = 3, m.xi = 0.6, m.q0 = 0, m.q1 = 1, m.b = 0.5, m.p0 = 0.3, m.p1 = 0.8, m.outer_b = 0.4;
          m.persistent = true;
        });
    add("kind = 'diloco'\ninner_steps = 2\nouter_learning_rate = 0.5\nmomentum = 0.5\nouter_momentum = 0.3\nworkers = "
        "2",
        [](Method& m) {
          m.inner = 2, m.xi = 0.5, m.q1 = m.b = 0.5, m.p1 = m.outer_b = 0.3, m.workers = 2, m.persistent = true;
        });
    add("kind = 'diloco'\ninner_steps = 2\nouter_learning_rate = 0.5\nmomentum = 0.5\nouter_momentum = 0.3\nworkers = "
        "2\n"
        "persistent = false\nweight_decay = 0.3\ndecoupled = true",
        [](Method& m) {
          m.inner = 2, m.xi = 0.5, m.q1 = m.b = 0.5, m.p1 = m.outer_b = 0.3, m.workers = 2, m.decoupled = 0.3;
        });
    return out;
  }();
  return all;
}

std::unique_ptr<models::Problem> problem(const Method& m) {
  return models::testing::prepare(fmt::format(
      "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.4]\nmultiplicities = [2, 3]\n"
      "target_power = [1.0, 0.5]\n[noise]\nlaw = 'gaussian'\nvariance = {}\n[time]\nat = [1, 2, 3, 4, 5, 6, 7, "
      "8, 9]\n{}[optimizer]\nlearning_rate = {}\nbatch = {}\n{}\n",
      sigma2, m.data, m.eta, m.batch, m.optimizer));
}

}  // namespace

TEST_CASE("every method's risks, step by step, by its moments written out") {
  for (const Method& m : methods()) {
    CAPTURE(m.optimizer);
    const models::Trajectory t = problem(m)->solve();
    CHECK(t.exact);
    Literal by_hand(m, sigma2);
    REQUIRE(t.steps.size() == 10);
    for (std::size_t k = 0; k < 10; ++k) {
      CAPTURE(k);
      if (k > 0) by_hand.step();
      CHECK(column(t, "excess_mse")[k] == Approx(by_hand.P()).epsilon(1e-11));
      CHECK(column(t, "risk")[k] == Approx((by_hand.P() + sigma2) / 2).epsilon(1e-11));
      CHECK(column(t, "parameter_error")[k] == Approx(by_hand.parameter_error()).epsilon(1e-11));
      if (m.inner > 0) CHECK(column(t, "worker_excess_mse")[k] == Approx(by_hand.before_sync().first).epsilon(1e-11));
      if (m.workers > 1)
        CHECK(column(t, "worker_average_excess_mse")[k] == Approx(by_hand.before_sync().second).epsilon(1e-11));
      if (m.average >= 0 || m.average_from >= 0)
        CHECK(column(t, "average_excess_mse")[k] == Approx(by_hand.averaged()).epsilon(1e-11));
    }
  }
}

TEST_CASE("every method's steady state and noise amplification, by iterating its moments") {
  for (const Method& m : methods()) {
    if (m.average_from >= 0) continue;  // never settles into a period
    CAPTURE(m.optimizer);
    const auto of = problem(m);
    const auto findings = of->stability();
    Literal noisy(m, sigma2), silent(m, 0);
    for (int k = 0; k < 1800; ++k) {
      noisy.step();
      silent.step();
    }
    const double P = noisy.P();
    CHECK(number(findings, "steady_excess_mse") == Approx(P).epsilon(1e-9));
    CHECK(number(findings, "steady_risk") == Approx((P + sigma2) / 2).epsilon(1e-9));
    CHECK(number(findings, "period") == static_cast<double>(std::max<std::size_t>(m.inner, 1)));
    // Of label noise sigma^2 it makes an excess of (Lambda - 1) sigma^2.
    if (models::testing::there(findings, "noise_amplification"))
      CHECK(number(findings, "noise_amplification") == Approx(1 + (P - silent.P()) / sigma2).epsilon(1e-8));
    double total = 0;
    const auto modes = of->mode_table();
    for (std::size_t a = 0; a < 2; ++a) {
      const double excess = column(modes, "stationary_excess_mse")[a];
      CHECK(column(modes, "eigenvalue")[a] == lambda[a]);
      CHECK(column(modes, "multiplicity")[a] == many[a]);
      CHECK(excess == Approx(lambda[a] * column(modes, "stationary_power")[a]).epsilon(1e-13));
      total += excess;
    }
    CHECK(total == Approx(P).epsilon(1e-9));
  }
}

TEST_CASE("what an optimizer is where nothing is said: plain SGD's parts, and each method's own") {
  // Name, key, default. A kind of momentum that is none still has a value, for whoever only names the kind.
  struct Default {
    const char *method, *key;
    double value;
  };
  for (const Default& d : {Default{"momentum", "momentum", 0.9},
                           {"ema", "momentum", 0.9},
                           {"ema", "average_decay", 0.99},
                           {"tail-average", "momentum", 0.9},
                           {"tail-average", "average_from", 0},
                           {"lookahead", "outer_learning_rate", 0.5},
                           {"lookahead", "inner_steps", 8},
                           {"la-diloco", "outer_learning_rate", 0.5},
                           {"la-diloco", "inner_steps", 8},
                           {"la-diloco", "workers", 4},
                           {"sla", "momentum", 0.9},
                           {"sla", "outer_momentum", 0.9},
                           {"sla", "outer_learning_rate", 0.5},
                           {"sla", "inner_steps", 8},
                           {"sla", "workers", 1},
                           {"diloco", "momentum", 0.9},
                           {"diloco", "outer_momentum", 0.9},
                           {"diloco", "outer_learning_rate", 0.7},
                           {"diloco", "inner_steps", 16},
                           {"diloco", "workers", 4}}) {
    CAPTURE(d.method);
    CAPTURE(d.key);
    const auto& parameters = models::least_squares::linear_method(d.method).description.parameters;
    const auto found = std::ranges::find(parameters, d.key, &settings::Parameter::name);
    REQUIRE(found != parameters.end());
    REQUIRE(found->fallback);
    const auto* whole = std::get_if<std::int64_t>(&*found->fallback);
    CHECK((whole ? static_cast<double>(*whole) : std::get<double>(*found->fallback)) == d.value);
  }
  for (const models::least_squares::LinearMethod& method : models::least_squares::linear_methods())
    for (const auto& [key, value] : {std::pair{"batch", 1.0},
                                     {"weight_decay", 0.0},
                                     {"gradient_weight", 1.0},
                                     {"buffer_weight", 0.0},
                                     {"outer_gradient_weight", 1.0},
                                     {"outer_buffer_weight", 0.0}})
      for (const settings::Parameter& p : method.description.parameters)
        if (p.name == key) CHECK(std::get<double>(p.fallback.value()) == value);
}
