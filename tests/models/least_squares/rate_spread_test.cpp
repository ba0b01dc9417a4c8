// The spread of rates over runs: against its covariance written out, with the derivatives of the closure by hand, and the
// estimate of the closure's error that the theory makes of it.
#include "models/least_squares/rate_spread.hpp"

#include <doctest/doctest.h>

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "models/least_squares/rate_theory.hpp"
#include "tests/approx.hpp"
#include "tests/models/least_squares/linear_methods/support.hpp"

using namespace edgewise;
using namespace edgewise::tests;
using edgewise::tests::Approx;

namespace {

/// Weights of what a linear rule reads.
struct Weights {
  double square = 0, loss = 0, distance = 0, toward = 0, direction = 0, excess = 0, mean_square = 0, slope = 0,
         curvature = 0;
  double of(const StepObservation& now) const {
    return square * now.squared_gradient + loss * now.loss + distance * now.squared_distance +
           toward * now.toward_start + direction * now.squared_direction + excess * now.excess_mse +
           mean_square * now.mean_squared_gradient + slope * now.slope + curvature * now.curvature;
  }
};

/// eta = constant + weights . observation + by_memory . memory;  memory_i <- kept memory_i + remembered_i . observation +
/// by_step_i eta.
class LinearRule final : public RateRule {
 public:
  double constant = 1, kept = 0.8;
  Weights weights;
  std::array<double, 2> by_memory{}, by_step{};
  std::array<Weights, 2> remembered;
  LinearRule() { columns.resize(2); }
  RateNeeds needs() const override { return {.gradient = true, .distance = true, .nearness = true, .descent = true}; }
  double rate(std::span<const double> memory, const StepObservation& now) const override {
    return constant + weights.of(now) + by_memory[0] * memory[0] + by_memory[1] * memory[1];
  }
  void update(std::span<double> memory, const StepObservation& now, double step) const override {
    for (std::size_t i = 0; i < 2; ++i) memory[i] = kept * memory[i] + remembered[i].of(now) + by_step[i] * step;
  }
};

std::shared_ptr<LeastSquares> problem(double label_noise = 0.3) {
  spectra::Spectrum s;
  s.eigenvalue = {2, 0.7, 0.2};
  s.multiplicity = {1, 2, 4};
  s.target_power = {1, 1, 1};
  auto out = data_of(spectra::checked(std::move(s)), label_noise);
  out->batch = 5;
  out->data.excess_kurtosis = 0.5;
  return out;
}

/// What an eigenspace adds: its eigenvalue, and of v and delta the sums of E v^2, of (E v)^2, of E delta^2 and E v delta.
void add_excess(StepSums& to, double l, double D, double of_mean) {
  to.excess += l * D;
  to.slope += l * l * D;
  to.curvature += l * l * l * D;
  to.excess_of_mean += l * of_mean;
  to.slope_of_mean += l * l * of_mean;
}
void add_distance(StepSums& to, double l, double Q, double product) {
  to.distance += Q;
  to.distance_excess += l * Q;
  to.distance_slope += l * l * Q;
  to.distance_curvature += l * l * l * Q;
  to.product += l * product;
  to.slope_product += l * l * product;
  to.curvature_product += l * l * l * product;
}

/// Sums over three modes of given means and covariances of v and delta.
StepSums sums(const std::array<double, 3>& v, const std::array<double, 3>& random, const std::array<double, 3>& delta) {
  constexpr double lambda[3] = {2, 0.7, 0.2};
  StepSums out;
  for (std::size_t a = 0; a < 3; ++a) {
    add_excess(out, lambda[a], v[a] * v[a] + random[a], v[a] * v[a]);
    add_distance(out, lambda[a], delta[a] * delta[a] + random[a], v[a] * delta[a] + random[a]);
  }
  out.slope_spread = 0.11;
  out.curvature_with_slope = 0.13;
  out.curvature_spread = 0.17;
  return out;
}

/// Four steps of a run: one of everything, one at the start, where no distance is yet, and two along an average.
std::vector<StepSums> steps() {
  std::vector<StepSums> out{sums({1, 0.8, 1.3}, {0, 0, 0}, {0, 0, 0}),
                            sums({0.7, 0.7, 1.2}, {0.1, 0.07, 0.02}, {-0.3, -0.1, -0.1}),
                            sums({0.4, 0.6, 1.1}, {0.15, 0.1, 0.05}, {-0.6, -0.2, -0.2}),
                            sums({0.3, 0.5, 1.05}, {0.16, 0.12, 0.06}, {-0.7, -0.3, -0.25})};
  return out;
}

struct By {
  double share = 1;                                 // of the rate's deviation that the step takes
  double scatter = 0, by_excess = 0, by_slope = 0;  // of a rate that is a mean over batches
  bool mean = false;
};

/// The covariance of state and noise, moved by derivatives.
class Written {
 public:
  enum { excess, product, time, distance, direction, memory, states = memory + 2 };
  enum { scale = states, norm, gradient, way, pull, along, slope, curvature, own, all };
  using Row = Eigen::Matrix<double, 1, all>;
  Written(const LinearRule& rule, const BatchLaw& law) : rule_(rule), law_(law) {}

  /// The row of derivatives of the rate without its limits; moves on.
  double variance(const StepSums& s, double factor, double eta, const By& by = {}) {
    const double B = law_.batch, sigma2 = law_.noise_variance, P = s.excess, Q = P + sigma2, own_noise = law_.own_noise;
    Eigen::MatrixXd cov = Eigen::MatrixXd::Zero(all, all);
    cov.topLeftCorner(states, states) = state_;
    const double p = P / Q;
    cov(scale, scale) = (3 * p * p + 6 * p * (1 - p) + law_.label_kurtosis * (1 - p) * (1 - p) - 1) / B;
    cov(norm, norm) = (1 + own_noise) * law_.trace2 / (law_.trace * law_.trace);
    cov(own, own) = 1;
    cov(slope, slope) = s.slope_spread * s.slope_spread;
    cov(slope, curvature) = cov(curvature, slope) = s.slope_spread * s.curvature_with_slope;
    cov(curvature, curvature) =
        s.curvature_with_slope * s.curvature_with_slope + s.curvature_spread * s.curvature_spread;
    if (s.direction)
      cov(along, along) =
          (Q * s.direction->excess_before + s.direction->descent_before * s.direction->descent_before) / B;
    const double c[3][3] = {{s.curvature, s.slope_product, s.curvature_product},
                            {s.slope_product, s.distance_excess, s.distance_slope},
                            {s.curvature_product, s.distance_slope, s.distance_curvature}};
    const double mean[3] = {s.slope, s.product, s.slope_product};
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j) cov(gradient + i, gradient + j) = (Q * c[i][j] + mean[i] * mean[j]) / B;

    const auto unit = [](int i) -> Row { return Row::Unit(i); };
    // What a step shows.
    const double mean_product = s.product - (P - s.excess_of_mean);
    const double mean_slope_product = s.slope_product - (s.slope - s.slope_of_mean);
    const Row dP = unit(excess) - 2 * s.slope_of_mean * unit(time);
    const Row dS = s.slope / P * dP + unit(slope), dS3 = s.curvature / P * dP + unit(curvature);
    const Row d_product = unit(product) - (s.slope_of_mean + mean_slope_product) * unit(time);
    const Row d_distance = unit(distance) - 2 * mean_product * unit(time);
    const Row dG = (1 + own_noise / B) * dS + law_.trace / B * dP + 2 * unit(gradient) +
                   (own_noise * s.slope + law_.trace * Q) / B * unit(scale) + law_.trace / B * Q * unit(norm);
    Row d_direction = dG;
    if (const auto& d = s.direction)
      d_direction = (1 - d->weight) * (1 - d->weight) * unit(direction) + d->weight * d->weight * dG +
                    2 * (1 - d->weight) * d->weight * (d->descent_before / P * dP + unit(along));
    const auto read = [&](const Weights& w) -> Row {
      return w.square * dG + w.loss / 2 * (dP + Q * unit(scale)) + w.distance * d_distance +
             w.toward * (-d_product - unit(way)) + w.direction * d_direction + w.excess * dP +
             w.mean_square * ((1 + own_noise / B) * dS + law_.trace / B * dP) + w.slope * dS +
             w.curvature * ((1 + own_noise / B) * dS3 + law_.trace2 / B * dP);
    };
    Row rate = factor * rule_.multiplier *
               (read(rule_.weights) + rule_.by_memory[0] * unit(memory) + rule_.by_memory[1] * unit(memory + 1));
    if (by.mean) rate = eta * (by.by_excess / P * dP + by.by_slope / s.slope * dS);
    const double result = (rate * cov * rate.transpose())(0);
    const Row more = by.share * rate + eta * by.scatter * unit(own);

    // Where it leads.
    const double fluctuation = eta * eta * law_.trace2 / B, forget = 1 - eta * law_.trace3 / law_.trace2;
    const double G = (1 + own_noise / B) * s.slope + law_.trace / B * Q;
    const double descent = s.direction ? s.direction->descent : s.slope;
    const double square = s.direction ? s.direction->excess : (1 + own_noise / B) * s.curvature + law_.trace2 / B * Q;
    const double response = 2 * eta * square - 2 * descent;
    Eigen::MatrixXd to(static_cast<int>(states), static_cast<int>(all));
    to.row(excess) = (forget * forget + fluctuation) * unit(excess) - 2 * eta * unit(gradient) +
                     fluctuation * Q * unit(scale) + (response + 2 * s.slope_of_mean) * more;
    to.row(product) = (forget * forget + fluctuation) * unit(product) - eta * unit(gradient) - eta * unit(pull) +
                      fluctuation * Q * unit(scale) +
                      (response + s.slope - s.slope_product + s.slope_of_mean + mean_slope_product) * more;
    to.row(time) = unit(time) + more;
    to.row(distance) = unit(distance) - 2 * eta * (unit(product) + unit(way)) - 2 * (P - s.excess_of_mean) * more +
                       2 * eta * G * more + eta * eta * dG;
    to.row(direction) = s.direction ? d_direction : Row(Row::Zero());
    for (std::size_t i = 0; i < 2; ++i)
      to.row(memory + static_cast<int>(i)) =
          rule_.kept * unit(memory + static_cast<int>(i)) + read(rule_.remembered[i]) + rule_.by_step[i] * more;
    state_ = to * cov * to.transpose();
    return result;
  }

 private:
  const LinearRule& rule_;
  const BatchLaw& law_;
  Eigen::MatrixXd state_ = Eigen::MatrixXd::Zero(states, states);
};

/// Rules that each read one thing of a step, one of each memory, and all at once.
std::vector<LinearRule> linear_rules() {
  std::vector<LinearRule> out;
  for (double Weights::*part :
       {&Weights::square, &Weights::loss, &Weights::distance, &Weights::toward, &Weights::direction, &Weights::excess,
        &Weights::mean_square, &Weights::slope, &Weights::curvature}) {
    LinearRule& reads = out.emplace_back();
    reads.weights.*part = 0.2;
    LinearRule& remembers = out.emplace_back();
    remembers.by_memory[1] = 0.3;
    remembers.remembered[1].*part = 0.5;
    remembers.remembered[1].slope += 0.02;  // so that no rate is certain
  }
  LinearRule& all = out.emplace_back();
  all.weights = {0.02, -0.03, 0.05, 0.04, 0.01, 0.02, -0.01, 0.03, -0.02};
  all.by_memory = {0.2, -0.1};
  all.by_step = {0.5, -0.7};
  all.remembered[0] = {0.1, 0.05, -0.1, 0.03, 0.02, 0.01, 0.02, -0.03, 0.02};
  all.remembered[1] = {0.02, 0.1, 0.03, -0.2, 0.04, -0.02, 0.01, 0.05, -0.01};
  all.multiplier = 1.7;
  return out;
}

/// The closure of means by eigenspaces: E v^2, E v d and E d^2 (d the average of gradients), E v and E d over v_0. It has
/// what the theory's factors change.
struct Closure {
  const LeastSquares& problem;
  const LeastSquaresTheory& theory;
  BatchLaw law;
  std::vector<double> D = problem.initial_power, C, V, m, n;

  Closure(const LeastSquares& of, const LeastSquaresTheory& by) : problem(of), theory(by), law(of) {
    law.noise_variance *= theory.scale_label_noise;
    C = V = n = std::vector<double>(D.size(), 0.0);
    m = std::vector<double>(D.size(), 1.0);
  }
  double lambda(std::size_t a) const { return problem.spectrum.eigenvalue[a]; }
  double feedback(std::size_t a, double Q) const {
    return theory.scale_feedback * problem.spectrum.multiplicity[a] * lambda(a) * Q;
  }

  StepSums sums() const {
    StepSums out;
    double shape[7] = {};  // Cov(v'K^p v, v'K^q v) by p + q
    for (std::size_t a = 0; a < D.size(); ++a) {
      const double l = lambda(a), start = problem.initial_power[a], M = m[a] * m[a] * start, random = D[a] - M;
      add_excess(out, l, D[a], M);
      for (int r = 2; r <= 6; ++r)
        shape[r] += std::pow(l, r) * (2 * random * random + 4 * M * random) / problem.spectrum.multiplicity[a];
      if (problem.rate_rule->needs().distance)
        add_distance(out, l, D[a] - 2 * m[a] * start + start, D[a] - m[a] * start);
    }
    if (!(shape[2] > 1e-12)) return out;
    // What of S2 and S3 does not go with P.
    const double slope = shape[4] - shape[3] * shape[3] / shape[2], both = shape[5] - shape[3] * shape[4] / shape[2];
    const double curvature = shape[6] - shape[4] * shape[4] / shape[2];
    out.slope_spread = std::sqrt(slope);
    out.curvature_with_slope = both / out.slope_spread;
    out.curvature_spread = std::sqrt(std::max(curvature - both * both / slope, 0.0));
    return out;
  }

  StepSums::Direction average(double w, double Q) {
    StepSums::Direction out;
    out.weight = w;
    for (std::size_t a = 0; a < D.size(); ++a) {
      const double l = lambda(a);
      out.descent_before += l * C[a];
      out.excess_before += l * V[a];
      V[a] = (1 - w) * (1 - w) * V[a] + 2 * (1 - w) * w * l * C[a] +
             w * w * ((1 + law.own_noise / law.batch) * l * l * D[a] + feedback(a, Q) / law.batch);
      C[a] = (1 - w) * C[a] + w * l * D[a];
      n[a] = (1 - w) * n[a] + w * l * m[a];
      out.square += V[a];
      out.descent += l * C[a];
      out.excess += l * V[a];
    }
    return out;
  }

  void follow(double eta) {
    for (std::size_t a = 0; a < D.size(); ++a) {
      D[a] += eta * eta * V[a] - theory.scale_contraction * 2 * eta * C[a];
      C[a] -= eta * V[a];
      m[a] -= eta * n[a];
    }
  }

  void step(const MeanMove& move, double Q) {
    for (std::size_t a = 0; a < D.size(); ++a) {
      const double x = lambda(a) * move.rate_at(lambda(a)), own = lambda(a) * lambda(a) * move.scatter_at(lambda(a));
      D[a] += -theory.scale_contraction * (2 * x - x * x - own) * D[a] + feedback(a, Q) * move.feedback_at(lambda(a));
      m[a] *= 1 - x;
    }
  }
};

}  // namespace

TEST_CASE("small fluctuations: the covariance of the closure's derivatives, by hand, step after step") {
  const BatchLaw law(*problem());
  const std::vector<double> memory{0.3, -0.2};
  for (const bool averaged : {false, true})
    for (LinearRule rule : linear_rules()) {
      RateSpread spread(rule, law);
      Written written(rule, law);
      double factor = 1;
      for (StepSums at : steps()) {
        if (averaged) {
          const double weight = factor == 1 ? 1 : 0.4;
          at.direction = StepSums::Direction{weight, 1.9, 1.1, 0.8, 0.9 * (1 - weight), 0.7 * (1 - weight)};
        }
        // A rate of 0.15, by the constant.
        rule.constant = 0;
        rule.constant = 0.15 / (factor * rule.multiplier) - rule.rate(memory, law.observation(at));
        const double variance = written.variance(at, factor, 0.15);
        CAPTURE(averaged);
        CAPTURE(factor);
        CHECK(spread.step(at, memory, factor, 0.15) == Approx(std::sqrt(variance) / 0.15).epsilon(1e-7).scale(1e-3));
        CHECK(spread.bias() == 0);
        factor *= 0.8;
      }
    }
}

TEST_CASE("a rate that eta_max holds: a normal variate held below it, whose runs below it alone still move") {
  const BatchLaw law(*problem());
  const std::vector<double> memory{0.3, -0.2};
  for (const double cut : {-0.6, -0.1, 0.4, 2.5}) {
    LinearRule rule = linear_rules().back();
    RateSpread spread(rule, law);
    Written written(rule, law);
    CAPTURE(cut);
    for (const StepSums& at : steps()) {
      rule.constant = 0;
      rule.constant = 0.5 / (0.8 * rule.multiplier) - rule.rate(memory, law.observation(at));
      rule.largest.reset();
      const double sd = std::sqrt(Written(written).variance(at, 0.8, 0.5)), most = 0.5 + cut * sd;
      rule.largest = most / (0.8 * rule.multiplier);
      const double eta = std::min(0.5, most);
      // Of min(U, most): sums over U's law.
      double share = 0, mean = 0, square = 0;
      constexpr int cells = 20000;
      for (int i = 0; i < cells; ++i) {
        const double y = -9 + 18 * (i + 0.5) / cells, weight = std::exp(-y * y / 2) / std::sqrt(2 * M_PI) * 18 / cells;
        const double held = std::min(0.5 + sd * y, most);
        mean += weight * held;
        square += weight * held * held;
      }
      share = 0.5 * std::erfc(-cut / std::sqrt(2.0));
      written.variance(at, 0.8, eta, {.share = share});
      CHECK(spread.step(at, memory, 0.8, eta) == Approx(std::sqrt(square - mean * mean) / eta).epsilon(1e-4));
      CHECK(spread.bias() == Approx(std::abs(mean / eta - 1)).epsilon(1e-3).scale(0.01));
    }
  }
}

TEST_CASE("a rate averaged over its batch: what moves its mean, and a third of what the norms give it") {
  const BatchLaw law(*problem());
  const std::vector<double> memory{0.3, -0.2};
  LinearRule rule = linear_rules().back();
  rule.weights = {.square = -0.05, .loss = 0.3};
  rule.by_memory = {0.2, 0.1};
  RateSpread spread(rule, law);
  Written written(rule, law);
  RateAverage average;
  average.variance = 0.2;
  average.norm_variance = 0.03;
  for (const StepSums& at : steps()) {
    const auto rate = [&](double StepSums::*part, double change) {
      StepSums there = at;
      there.*part *= 1 + change;
      return std::log(rate_average(rule, law, there, memory, 0.8).move.rate_at(at.curvature / at.slope));
    };
    const auto derivative = [&](double StepSums::*part) { return (rate(part, 1e-4) - rate(part, -1e-4)) / 2e-4; };
    const double variance = written.variance(at, 0.8, 0.15,
                                             {.scatter = std::sqrt(0.2),
                                              .by_excess = derivative(&StepSums::excess),
                                              .by_slope = derivative(&StepSums::slope),
                                              .mean = true});
    CHECK(spread.step(at, memory, 0.8, 0.15, &average) ==
          Approx(std::sqrt(variance / (0.15 * 0.15) + average.norm_variance / 3)).epsilon(2e-4));
    average.norm_variance = 1e-4;  // so that the next steps tell the first part
  }
}

TEST_CASE("nothing to step along, and what is no number any more") {
  const BatchLaw law(*problem()), silent(*problem(0));
  LinearRule rule = linear_rules().back();
  CHECK(RateSpread(rule, silent).step(StepSums{}, std::vector<double>(2), 1, 0.1) == 0);
  RateSpread lost(rule, law);
  CHECK(lost.step(steps()[0], std::vector<double>(2), 1, 0) == 0);
  rule.by_step[0] = std::numeric_limits<double>::infinity();
  CHECK(std::isinf(lost.step(steps()[0], std::vector<double>(2), 1, 0.1)));
  rule.by_step[0] = 0;
  CHECK(std::isinf(lost.step(steps()[1], std::vector<double>(2), 1, 0.1)));
}

TEST_CASE("the error of the closure: the spread of the rate, times how much P hangs on it, at its largest") {
  for (const std::string rate :
       {"adagrad-norm\"\neta0 = 0.7\nb0 = 0.5", "polyak\"", "line-search\"", "dog\"\nr_eps = 0.2",
        "prodigy\"\nd0 = 0.1", "momo\"\nbeta = 0.7\neta_max = 0.9\nf_min = 0.02",
        "stochastic-polyak\"\nc = 1.0\neta_max = 0.6"})
    for (const bool scaled : {false, true})
      for (const double batch : {2.0, 60.0}) {
        auto data = problem();
        data->batch = batch;
        data->learning_rate = 0.9;
        data->time.at = {0, 1, 2, 3, 5, 8, 13, 21, 40};
        data->time.steps = 40;
        data->rate_rule =
            read_rate_rule(edgewise::settings::read_text("[rate]\nkind = \"" + rate, "f.toml"), std::sqrt(3.0));
        LeastSquaresTheory theory;
        if (scaled) {
          theory.scale_contraction = 0.93;
          theory.scale_feedback = 1.1;
          theory.scale_label_noise = 1.2;
        }
        CAPTURE(rate);
        CAPTURE(scaled);
        CAPTURE(batch);
        const Trajectory solved = solve_rate_rule(*data, theory);

        Closure closure(*data, theory);
        const BatchLaw& law = closure.law;
        const RateRule& rule = *data->rate_rule;
        RateRun run(rule);
        RateSpread spreads(rule, law);
        StepSums sums = closure.sums();
        double largest = 0, lost = -1, parts[4] = {};
        std::vector<double> P{sums.excess}, spread{0};
        for (int k = 0; k < 40; ++k) {
          const double Q = sums.excess + law.noise_variance;
          if (rule.averaging() > 0) sums.direction = closure.average(k == 0 ? 1 : 1 - rule.averaging(), Q);
          const std::vector<double> memory(run.memory().begin(), run.memory().end());
          double eta = 0;
          MeanMove move;
          if (rule.by_batch_alone()) {
            const RateAverage average = rate_average(rule, law, sums, memory, 0.9);
            move = average.move;
            eta = move.rate_at(sums.curvature / sums.slope);
            spread.push_back(spreads.step(sums, memory, 0.9, eta, &average));
          } else {
            eta = run.step(law.observation(sums), 0.9);
            move = move_at(eta, law);
            spread.push_back(spreads.step(sums, memory, 0.9, eta));
          }
          const StepSums before = sums;
          if (rule.averaging() > 0)
            closure.follow(eta);
          else
            closure.step(move, Q);
          sums = closure.sums();
          P.push_back(sums.excess);
          const auto& d = before.direction;
          const double fall = 2 * eta * (d ? d->descent : before.slope);
          const double rise = eta * eta * (d ? d->excess : law.gradient_curvature(before.excess, before.curvature));
          const double past = (k + 1) * std::abs(P[k + 1] - P[k]) / std::min(P[k], P[k + 1]);
          const double held = (1 - before.excess_of_mean / before.excess) * std::min(1.0, rise / fall);
          const double leverage = std::max({past, held, (fall + rise) / P[k + 1]});
          ++parts[leverage == past ? 0 : leverage == held ? 1 : 2];
          const double moved = std::sqrt(std::pow(leverage * spread.back(), 2) + leverage * spreads.bias());
          if (lost < 0 && moved > 0.45) lost = k;
          largest = std::max(largest, moved);
        }
        CHECK(solved.report.front().second == Approx(largest).epsilon(1e-6));
        CHECK(solved.labels.front().second == (lost >= 0 ? "no, simulation only" : "yes"));
        CHECK(solved.valid_until.has_value() == (lost >= 0));
        double until = 0, claimed = std::numeric_limits<double>::infinity();
        bool small = true;
        for (std::size_t i = data->time.at.size(); i-- > 0;) {
          const auto at = data->time.at[i];
          CHECK(solved.find("excess_mse")->value[i] == Approx(P[at]).epsilon(1e-10));
          if (static_cast<double>(at) <= lost) until = std::max(until, static_cast<double>(at));
          small = small && spread[at] <= 0.15;
          if (small) claimed = static_cast<double>(at);
        }
        if (lost >= 0) CHECK(*solved.valid_until == until);
        // What the rule itself shows comes after the three of every run.
        REQUIRE(solved.columns.size() > 3);
        for (std::size_t c = 0; c < solved.columns.size(); ++c)
          CHECK(solved.columns[c].valid_from == (c < 3 ? 0 : claimed));
      }
}
