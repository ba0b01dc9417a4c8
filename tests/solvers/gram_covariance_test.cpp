// Means and covariances of Gram matrices against all outcomes of the noise, one by one: every moment that counts is a polynomial
// of degree 8 at most in each normal variable, and Hermite's five nodes are exact to degree 9.
#include "solvers/gram_covariance.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <functional>
#include <random>
#include <stdexcept>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::solvers;
using edgewise::tests::Approx;

namespace {

using Vector = std::vector<double>;

/// A phase, literally: z_i <- (T0 + lambda_i T1) z_i + sum_w n_w noise_wi, noise_w = mean over samples of x (x'v - eps) - E, for
/// every outcome of x and eps with its probability. Modes of one eigenspace follow each other; z is [mode][coordinate].
void each_outcome(const GramPhase& phase, const Vector& lambda, double noise_variance, const Vector& z, double weight,
                  const std::function<void(const Vector&, double)>& use) {
  const std::size_t d = lambda.size(), r = phase.r, sources = phase.e.size();
  const bool labels = noise_variance > 0;
  const auto batch = sources > 0 && std::isfinite(phase.batch) ? static_cast<std::size_t>(phase.batch) : 0;
  const std::size_t per_sample = d + (labels ? 1 : 0), normals = sources * batch * per_sample;
  const double r10 = std::sqrt(10.0);
  const std::array<double, 5> node{0, std::sqrt(5 - r10), -std::sqrt(5 - r10), std::sqrt(5 + r10), -std::sqrt(5 + r10)};
  const double near = (7 + 2 * r10) / 60, far = (7 - 2 * r10) / 60;
  const std::array<double, 5> chance{8.0 / 15, near, near, far, far};
  Vector straight(d * r, 0.0), v(sources * d, 0.0), g(normals), next;
  for (std::size_t i = 0; i < d; ++i)
    for (std::size_t c = 0; c < r; ++c) {
      for (std::size_t k = 0; k < r; ++k)
        straight[i * r + c] += (phase.T0[c * r + k] + lambda[i] * phase.T1[c * r + k]) * z[i * r + k];
      for (std::size_t w = 0; w < sources; ++w) v[w * d + i] += phase.e[w][c] * z[i * r + c];
    }
  std::size_t outcomes = 1;
  for (std::size_t k = 0; k < normals; ++k) outcomes *= 5;
  for (std::size_t outcome = 0; outcome < outcomes; ++outcome) {
    double probability = weight;
    for (std::size_t k = 0, rest = outcome; k < normals; ++k, rest /= 5) {
      g[k] = node[rest % 5];
      probability *= chance[rest % 5];
    }
    next = straight;
    for (std::size_t w = 0; w < sources; ++w)
      for (std::size_t sample = 0; sample < batch; ++sample) {
        const double* x = g.data() + (w * batch + sample) * per_sample;
        double residual = labels ? -std::sqrt(noise_variance) * x[d] : 0.0;
        for (std::size_t i = 0; i < d; ++i) residual += std::sqrt(lambda[i]) * x[i] * v[w * d + i];
        for (std::size_t i = 0; i < d; ++i) {
          const double noise = (std::sqrt(lambda[i]) * x[i] * residual - lambda[i] * v[w * d + i]) / phase.batch;
          for (std::size_t c = 0; c < r; ++c) next[i * r + c] += phase.n[w][c] * noise;
        }
      }
    use(next, probability);
  }
}

/// Entries of the Gram matrices, [entry on or above the diagonal, row by row][eigenspace].
Vector gram_entries(const GramProblem& problem, const Vector& z) {
  const std::size_t r = problem.factor.size();
  Vector out;
  for (std::size_t c = 0; c < r; ++c)
    for (std::size_t e = c; e < r; ++e) {
      std::size_t mode = 0;
      for (const double copies : problem.multiplicity) {
        double sum = 0;
        for (double copy = 0; copy < copies; ++copy, ++mode) sum += z[mode * r + c] * z[mode * r + e];
        out.push_back(sum);
      }
    }
  return out;
}

double value_of(const GramForm& form, const GramProblem& problem, const Vector& entries) {
  const std::size_t r = problem.factor.size(), spaces = problem.eigenvalue.size();
  double sum = 0;
  std::size_t k = 0;
  for (std::size_t c = 0; c < r; ++c)
    for (std::size_t e = c; e < r; ++e, ++k)
      for (std::size_t a = 0; a < spaces; ++a)
        sum += (c == e ? 1 : 2) * form.A[c * r + e] * (form.by_eigenvalue ? problem.eigenvalue[a] : 1) *
               entries[k * spaces + a];
  return sum;
}

void check_against_all_outcomes(const GramProblem& problem, const std::vector<GramPhase>& phases,
                                const std::vector<GramForm>& forms) {
  Vector lambda, start;
  for (std::size_t a = 0; a < problem.eigenvalue.size(); ++a)
    for (double copy = 0; copy < problem.multiplicity[a]; ++copy) {
      lambda.push_back(problem.eigenvalue[a]);
      // However the start lies in its eigenspace: along one of its modes.
      for (const double factor : problem.factor)
        start.push_back(copy == 0 ? factor * std::sqrt(problem.power[a]) : 0.0);
    }
  const std::size_t entries = gram_entries(problem, start).size();
  Vector mean(entries, 0.0);
  std::vector<double> of_form(forms.size(), 0.0), square(forms.size(), 0.0);
  std::vector<Vector> with_entries(forms.size(), Vector(entries, 0.0));
  double certain = 0;
  const std::function<void(std::size_t, const Vector&, double)> follow = [&](std::size_t k, const Vector& z,
                                                                             double weight) {
    if (k < phases.size()) {
      each_outcome(phases[k], lambda, problem.noise_variance, z, weight,
                   [&](const Vector& next, double probability) { follow(k + 1, next, probability); });
      return;
    }
    certain += weight;
    const Vector G = gram_entries(problem, z);
    for (std::size_t i = 0; i < entries; ++i) mean[i] += weight * G[i];
    for (std::size_t f = 0; f < forms.size(); ++f) {
      const double value = value_of(forms[f], problem, G);
      of_form[f] += weight * value;
      square[f] += weight * value * value;
      for (std::size_t i = 0; i < entries; ++i) with_entries[f][i] += weight * value * G[i];
    }
  };
  follow(0, start, 1.0);
  REQUIRE(certain == Approx(1).epsilon(1e-9));

  GramCovariance found(problem);
  for (const GramPhase& phase : phases) found.apply(phase);
  for (std::size_t f = 0; f < forms.size(); ++f) {
    CAPTURE(f);
    CHECK(found.mean(forms[f]) == Approx(of_form[f]).epsilon(1e-9));
    CHECK(found.variance(forms[f]) ==
          Approx(square[f] - of_form[f] * of_form[f]).epsilon(1e-8).scale(square[f] * 1e-3));
    const Vector covariances = found.covariances(forms[f]);
    REQUIRE(covariances.size() == entries);
    for (std::size_t i = 0; i < entries; ++i) {
      CAPTURE(i);
      CHECK(covariances[i] == Approx(with_entries[f][i] - of_form[f] * mean[i])
                                  .epsilon(1e-8)
                                  .scale(1e-3 * std::sqrt(square[f]) * (std::abs(mean[i]) + 1)));
    }
  }
}

/// Two coordinates, each acting on the other.
GramPhase step(double gain, double batch) {
  return {2, {1, 0.3, 0.1, 0.6}, {-gain, 0.05, 0.4, -0.1}, {{1, 0.2}}, {{-gain, 0.7}}, batch};
}

const GramPhase quiet{2, {0.9, -0.2, 0.3, 0.8}, {0.1, 0, 0, -0.2}, {}, {}};

}  // namespace

TEST_CASE("gram covariance: one source over two phases, by all outcomes") {
  const std::vector<GramForm> forms{{{1, 0, 0, 0}, true}, {{0.5, -0.3, -0.3, 1.2}, false}};
  SUBCASE("two eigenvalues, label noise, a phase without noise between and behind") {
    const GramProblem problem{{1.3, 0.4}, {1, 1}, {0.8, 2.5}, {1, -0.4}, 0.37, 1, 0};
    check_against_all_outcomes(problem, {quiet, step(0.5, 1), quiet, step(0.3, 1), quiet}, forms);
  }
  SUBCASE("two modes of one eigenvalue") {
    const GramProblem problem{{0.9, 0.5}, {2, 1}, {1.4, 0.7}, {1, 0.6}, 0, 1, 0};
    check_against_all_outcomes(problem, {step(0.5, 1), step(0.8, 1)}, forms);
  }
  SUBCASE("two samples") {
    const GramProblem problem{{1.1, 0.6}, {1, 1}, {0.7, 1.9}, {0.8, 0.5}, 0, 1, 0};
    check_against_all_outcomes(problem, {step(0.5, 2), step(0.4, 2)}, forms);
  }
  SUBCASE("two samples with label noise") {
    const GramProblem problem{{1.1}, {1}, {0.7}, {0.8, 0.5}, 0.6, 1, 0};
    check_against_all_outcomes(problem, {step(0.5, 2), step(0.4, 2)}, forms);
  }
}

TEST_CASE("gram covariance: two sources over two phases, by all outcomes") {
  const std::vector<GramForm> forms{{{1, 0, 0, 0, 0, 0, 0, 0, 0}, true},
                                    {{0.4, 0.2, -0.1, 0.2, 1.1, 0.6, -0.1, 0.6, -0.7}, false}};
  SUBCASE("each reads and moves what it likes") {
    const GramPhase phase{3,
                          {1, 0.2, 0, 0.1, 0.7, -0.3, 0.5, 0, 0.8},
                          {-0.3, 0, 0.1, 0, -0.2, 0.4, 0, 0.3, 0},
                          {{1, 0.3, 0}, {0.2, 0, 0.9}},
                          {{-0.4, 0, 0.3}, {0.2, -0.5, 0.1}},
                          1};
    check_against_all_outcomes({{1.2, 0.5}, {1, 1}, {0.6, 1.7}, {1, 0.5, -0.7}, 0, 2, 0}, {phase, phase}, forms);
    check_against_all_outcomes({{1.2}, {1}, {0.6}, {1, 0.5, -0.7}, 0.8, 2, 0}, {phase, phase}, forms);
  }
  SUBCASE("all alike, each with a coordinate of its own") {
    // Coordinate 0 is shared: the mean of the two; then each goes on from it.
    const GramPhase phase{3,
                          {0.6, 0.2, 0.2, 0.1, 0.7, 0, 0.1, 0, 0.7},
                          {-0.2, 0, 0, 0, -0.3, 0, 0, 0, -0.3},
                          {{0.1, 1, 0}, {0.1, 0, 1}},
                          {{0.2, -0.5, 0}, {0.2, 0, -0.5}},
                          1},
        meet{3, {0.2, 0.4, 0.4, 0.5, 0.2, 0.3, 0.5, 0.3, 0.2}, Vector(9, 0.0), {}, {}};
    check_against_all_outcomes({{1.2, 0.5}, {1, 1}, {0.6, 1.7}, {1, 0.5, 0.5}, 0, 2, 1}, {phase, meet, phase}, forms);
    check_against_all_outcomes({{1.2}, {1}, {0.6}, {1, 0.5, 0.5}, 0.8, 2, 1}, {phase, meet, phase}, forms);
  }
}

TEST_CASE("gram covariance: phases that leave out what they like, of one to three sources, by all outcomes") {
  std::mt19937_64 generator(5);
  const auto uniform = [&] { return static_cast<double>(generator() >> 11) * 0x1p-53; };
  const auto sparse = [&](std::size_t count, double share) {
    Vector out(count, 0.0);
    for (double& x : out)
      if (uniform() < share) x = 2 * uniform() - 1;
    return out;
  };
  for (std::size_t k = 0; k < 30; ++k) {
    CAPTURE(k);
    const std::size_t sources = 1 + k % 3;
    std::vector<GramPhase> phases;
    for (int step = 0; step < 2; ++step) {
      GramPhase& phase = phases.emplace_back(GramPhase{3, sparse(9, 0.4), sparse(9, 0.2), {}, {}, 1});
      if (k % 2 == 0)  // coordinates that forget what they were, or that nothing reads
        for (std::size_t i = 0; i < 3; ++i) {
          if (k % 4 == 0) phase.T0[3 + i] = phase.T1[3 + i] = 0;
          if (k % 4 == 2) phase.T0[3 * i] = phase.T1[3 * i] = 0;
        }
      for (std::size_t w = 0; w < sources; ++w) {
        phase.e.push_back(sparse(3, 0.6));
        phase.n.push_back(sparse(3, 0.6));
        if (k % 4 == 2) phase.e[w][0] = 0;
      }
    }
    const GramForm form{{1, 0.3, -0.2, 0.3, 0.7, 0.5, -0.2, 0.5, 1.1}, false};
    if (sources == 1)
      check_against_all_outcomes({{1.2, 0.5}, {1, 1}, {0.6, 1.7}, {1, 0.5, -0.7}, 0.3, 1, 0}, phases, {form});
    else
      check_against_all_outcomes({{1.2}, {1}, {0.6}, {1, 0.5, -0.7}, 0, sources, 0}, phases, {form});
  }
}

TEST_CASE("gram covariance: three sources of two coordinates each are the same, told apart or not") {
  constexpr std::size_t r = 7, own = 2, sources = 3;
  GramPhase phase{r, Vector(r * r, 0.0), Vector(r * r, 0.0), {}, {}, 3}, meet = phase;
  const auto at = [](std::size_t i, std::size_t j) { return i * r + j; };
  phase.T0[at(0, 0)] = 1;
  for (std::size_t w = 0; w < sources; ++w) {
    const std::size_t v = 1 + own * w, m = v + 1;
    phase.T0[at(v, v)] = 1;
    phase.T0[at(v, m)] = -0.2;
    phase.T0[at(m, m)] = 0.6;
    phase.T1[at(v, v)] = -0.3;
    phase.T1[at(m, v)] = 0.9;
    phase.e.emplace_back(r, 0.0)[v] = 1;
    Vector& n = phase.n.emplace_back(r, 0.0);
    n[v] = -0.3;
    n[m] = 0.9;
    for (std::size_t other = 0; other < sources; ++other) meet.T0[at(v, 1 + own * other)] += 0.5 / sources;
    meet.T0[at(0, v)] = 0.5 / sources;
    meet.T0[at(v, 0)] = 0.5;
    meet.T0[at(m, m)] = 0.3;
  }
  meet.T0[at(0, 0)] = 0.5;
  const GramProblem apart{{1, 0.4, 0.1}, {1, 3, 20}, {0.5, 1, 2}, {1, 1, 0, 1, 0, 1, 0}, 0.2, sources, 0};
  GramProblem alike = apart;
  alike.own = own;
  GramCovariance a(apart), b(alike);
  for (int k = 0; k < 3; ++k)
    for (const GramPhase* next : {&phase, &phase, &meet}) {
      a.apply(*next);
      b.apply(*next);
    }
  for (std::size_t i = 0; i < r; ++i)
    for (std::size_t j = i; j < r; ++j) {
      CAPTURE(i);
      CAPTURE(j);
      GramForm form{Vector(r * r, 0.0), i % 2 == 0};
      form.A[at(i, j)] = form.A[at(j, i)] = 1;
      const Vector of_a = a.covariances(form), of_b = b.covariances(form);
      for (std::size_t k = 0; k < of_a.size(); ++k) CHECK(of_b[k] == Approx(of_a[k]).epsilon(1e-12).scale(1e-6));
    }
  CHECK(b.work(phase) < a.work(phase));
}

TEST_CASE("gram covariance: what is read of the start, and derivatives by it") {
  const GramForm form{{0.5, -0.3, -0.3, 1.2}, true};
  const GramPhase phase = step(0.5, 4);
  for (const Vector& factor : {Vector{1, 0}, {0, 1}, {1, 1}, {0.4, -2}})
    for (const Vector& power : {Vector{1, 0}, {0, 1}, {0.7, 3}}) {
      const GramProblem problem{{1.3, 0.4}, {2, 5}, power, factor, 0, 1, 0};
      GramCovariance gram(problem);
      const double quadratic = 0.5 * factor[0] * factor[0] - 0.6 * factor[0] * factor[1] + 1.2 * factor[1] * factor[1];
      CHECK(gram.mean(form) == Approx(quadratic * (1.3 * power[0] + 0.4 * power[1])).epsilon(1e-14));
      CHECK(gram.mean({form.A, false}) == Approx(quadratic * (power[0] + power[1])).epsilon(1e-14));
      CHECK(gram.variance(form) == 0);
      const Vector after = gram.sensitivity(form), before = gram.sensitivity_before(phase, after);
      REQUIRE(before.size() == 6);
      double expected = 0;
      for (std::size_t a = 0; a < 2; ++a)
        expected += power[a] * (before[a] * factor[0] * factor[0] + before[2 + a] * factor[0] * factor[1] +
                                before[4 + a] * factor[1] * factor[1]);
      gram.apply(phase);
      CHECK(gram.mean(form) == Approx(expected).epsilon(1e-13));
    }
}

TEST_CASE("gram covariance: its cost, and where it overflows") {
  // Two dense congruences of 3 x 3 entries for every pair of modes, one side after the other, half of them by symmetry.
  const GramProblem problem{{1, 0.5, 0.2, 0.1}, {1, 1, 1, 1}, {1, 1, 1, 1}, {1, 0.5}, 0.1, 1, 0};
  GramCovariance gram(problem);
  CHECK(gram.work(step(0.5, 1)) == (2 * 2 * 27 / 2.0 + 2 * 9) * 16);
  CHECK(gram.work(quiet) == (2 * 27 / 2.0 + 2 * 9) * 16);
  CHECK(GramCovariance::size(3, 5) == 900);
  GramPhase huge = step(0.5, 1);
  for (double& t : huge.T0) t *= 1e90;
  const GramForm form{{1, 0, 0, 0}, true};
  gram.apply(step(0.5, 1));
  CHECK(std::isfinite(gram.variance(form)));
  gram.apply(huge);
  CHECK(std::isinf(gram.variance(form)));
}

TEST_CASE("gram covariance: lengths that do not fit are refused") {
  const char* lengths = "variance of the risk: one multiplicity and power per eigenvalue are needed";
  using G = GramCovariance;
  CHECK_THROWS_WITH_AS(G({{}, {}, {}, {1}}), lengths, std::invalid_argument);
  CHECK_THROWS_WITH_AS(G({{1}, {1}, {1}, {}}), lengths, std::invalid_argument);
  CHECK_THROWS_WITH_AS(G({{1}, {1, 1}, {1}, {1}}), lengths, std::invalid_argument);
  CHECK_THROWS_WITH_AS(G({{1}, {1}, {}, {1}}), lengths, std::invalid_argument);
  CHECK_THROWS_WITH_AS(G({{1}, {1}, {1}, {1, 1, 1}, 0, 2, 2}), "variance of the risk: too many sources",
                       std::invalid_argument);
  CHECK_NOTHROW(G({{1}, {1}, {1}, {1, 1, 1, 1}, 0, 2, 2}));
  G gram({{1}, {1}, {1}, {1, 1}});
  const char* other = "variance of the risk: a phase of other coordinates";
  GramPhase phase = step(0.5, 1);
  CHECK_NOTHROW(gram.apply(phase));
  phase.n.clear();
  CHECK_THROWS_WITH_AS(gram.apply(phase), other, std::invalid_argument);
  phase = step(0.5, 1);
  phase.r = 3;
  CHECK_THROWS_WITH_AS(gram.apply(phase), other, std::invalid_argument);
  phase = step(0.5, 1);
  phase.T1.pop_back();
  CHECK_THROWS_WITH_AS(gram.apply(phase), other, std::invalid_argument);
  phase = step(0.5, 1);
  phase.T0.pop_back();
  CHECK_THROWS_WITH_AS(gram.apply(phase), other, std::invalid_argument);
}
