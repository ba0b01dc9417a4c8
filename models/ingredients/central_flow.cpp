#include "models/ingredients/central_flow.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "linear_algebra/largest_eigenvalues.hpp"
#include "models/framework/window_means.hpp"
#include "numerics/constants.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::ingredients {

namespace {

using linear_algebra::Matrix;

/// An optimizer step is cut into so many: modes at the edge are then followed at eta lambda = 1/2.
constexpr int substeps = 4;
/// Eigenvalues this near to 2/eta, relative, may be pushed over it by what holds the others.
constexpr double margin = 0.002;
/// Where eta times the sharpness is below it, once a step is often enough to look.
constexpr double far_below = 1.6;
/// Parameters up to which the Hessian is written out.
constexpr std::size_t small = 128;
/// Of the second difference of the gradient, relative to the parameters and a step of descent; exact where the loss is of
/// fourth order.
constexpr double difference = 1e-3;

/// By how much the mean square of the oscillation can miss what the flow takes it for; a claim is wider by that.
constexpr double most_unsettled = 0.6;
/// Of the oscillation about its edge while half of the loss falls, where a claim is not widened.
constexpr double fewest_turns = 1;
/// Of descent begun on the flow at its edge, over the flow's loss from there on: outside, descent leaves the flow.
constexpr double least_followed = 0.7, most_followed = 1.4;
/// In parts of the flow's own oscillation: its size is reached from almost nothing, from either side.
constexpr double displacements[] = {1, -1, 0.1, -0.1, 0.01, -0.01};
/// Of a path that has not diverged.
constexpr double largest_reading = 1e100;

/// Steps at the edge among which the flow takes up its oscillation.
constexpr std::size_t first_at_edge = 6;

double norm_of(std::span<const double> x) {
  return std::sqrt(numerics::squared_norm_in_order(x));
}

/// The part of a symmetric matrix with eigenvalues above 0.
Matrix positive_part(const Matrix& a) {
  const linear_algebra::SymmetricEigen eigen = linear_algebra::symmetric_eigen(a);
  Matrix out(a.rows(), a.rows());
  for (std::size_t k = 0; k < a.rows(); ++k)
    for (std::size_t i = 0; i < a.rows(); ++i)
      for (std::size_t j = 0; j < a.rows(); ++j)
        out(i, j) += std::max(0.0, eigen.values[k]) * eigen.vectors(i, k) * eigen.vectors(j, k);
  return out;
}

/// The least of <X, T X>/2 - <B, X> over X >= 0; T acts on m x m matrices, as an m^2 x m^2 one. By projected gradients
/// with momentum, which for one eigenvalue is exact at once.
Matrix held_by(const Matrix& T, const Matrix& B, const Matrix& from) {
  const std::size_t m = B.rows();
  const double size = std::sqrt(numerics::squared_norm_in_order(T.entries()));
  if (!(size > 0)) throw std::runtime_error("the sharpness at the edge does not depend on the parameters");
  Matrix X = from, Y = from;
  double t = 1;
  for (int k = 0; k < (m == 1 ? 1 : 400); ++k) {
    Matrix slope = B;
    for (std::size_t q = 0; q < m * m; ++q)
      for (std::size_t p = 0; p < m * m; ++p) slope.data()[p] -= T(p, q) * Y.data()[q];
    for (std::size_t p = 0; p < m * m; ++p) slope.data()[p] = Y.data()[p] + slope.data()[p] / size;
    const Matrix next = positive_part(slope);
    const double later = (1 + std::sqrt(1 + 4 * t * t)) / 2;
    for (std::size_t p = 0; p < m * m; ++p)
      Y.data()[p] = next.data()[p] + (t - 1) / later * (next.data()[p] - X.data()[p]);
    double moved = 0, largest = 0;
    for (std::size_t p = 0; p < m * m; ++p) {
      moved = std::max(moved, std::abs(next.data()[p] - X.data()[p]));
      largest = std::max(largest, std::abs(next.data()[p]));
    }
    X = next;
    t = later;
    if (moved <= 1e-6 * largest) break;
  }
  return X;
}

}  // namespace

CentralFlow::CentralFlow(CurvedObjective& objective, std::span<const double> start, double learning_rate)
    : objective_(objective),
      learning_rate_(learning_rate),
      theta_(start.begin(), start.end()),
      gradient_(start.size()),
      moved_(start.size()) {
  objective_.move_to(theta_);
  sharpness_ = largest_curvature(objective_, CurvaturePart::hessian).value;
}

void CentralFlow::step() {
  for (int k = 0; k < substeps; ++k) {
    descend(learning_rate_ / substeps);
    if (learning_rate_ * sharpness_ > far_below || k + 1 == substeps) hold(learning_rate_ / substeps);
  }
}

/// By the midpoint, with X as it was.
void CentralFlow::descend(double time) {
  std::vector<double> there = theta_, slope(theta_.size());
  for (const double part : {0.5, 1.0}) {
    objective_.move_to(there);
    objective_.gradient(slope);
    for (const auto& w : oscillation_) {
      const std::vector<double> push = curvature_slope(there, w);
      for (std::size_t i = 0; i < slope.size(); ++i) slope[i] += 0.5 * push[i];
    }
    for (std::size_t i = 0; i < theta_.size(); ++i) there[i] = theta_[i] - part * time * slope[i];
  }
  theta_ = there;
}

/// grad (v'H v), the second derivative of the gradient along v.
std::vector<double> CentralFlow::curvature_slope(std::span<const double> at, std::span<const double> along) {
  objective_.move_to(at);
  objective_.gradient(gradient_);
  // The origin of the parameters is nowhere special: near it a step is the scale.
  const double length = norm_of(at) + learning_rate_ * norm_of(gradient_);
  const double h = difference * (length > 0 ? length : 1) / norm_of(along);
  std::vector<double> out(theta_.size());
  for (std::size_t i = 0; i < theta_.size(); ++i) out[i] = -2 * gradient_[i] / (h * h);
  for (const double side : {1.0, -1.0}) {
    for (std::size_t i = 0; i < theta_.size(); ++i) moved_[i] = at[i] + side * h * along[i];
    objective_.move_to(moved_);
    objective_.gradient(gradient_);
    for (std::size_t i = 0; i < theta_.size(); ++i) out[i] += gradient_[i] / (h * h);
  }
  return out;
}

void CentralFlow::hold(double time) {
  const double edge = 2 / learning_rate_;
  const auto apply = [&](std::span<const double> x, std::span<double> y) {
    objective_.product(CurvaturePart::hessian, x, y);
  };
  objective_.move_to(theta_);
  const std::size_t P = theta_.size();
  // Eigenvalues held at the edge are as good as repeated: small problems are decomposed, others asked for one more than
  // there were.
  const std::size_t most = std::min(P, most_critical + 1);
  linear_algebra::LargestEigen top;
  std::size_t m = 0;  // critical eigenvalues
  for (std::size_t asked = P <= small ? most : std::min(most, oscillation_.size() + 1); asked <= most; ++asked) {
    top = linear_algebra::largest_eigenvalues(P, asked, apply, start_,
                                              {.tolerance = 1e-5, .subspace = P <= small ? P : 0});
    start_ = top.next_start;
    m = static_cast<std::size_t>(
        std::ranges::count_if(top.values, [&](double value) { return value >= edge * (1 - margin); }));
    if (m < asked) break;
  }
  sharpness_ = top.values[0];
  const std::vector<std::vector<double>> before = std::exchange(oscillation_, {});
  if (!(sharpness_ > edge) && before.empty()) return;
  m = std::max<std::size_t>(m, 1);
  if (m > most_critical) throw std::runtime_error("more eigenvalues are at the edge than the central flow follows");

  // theta(X) = theta - time sum_ij (X - X before)_ij G_ij/2, G_ij = grad (u_i'H u_j), u_i the critical eigenvectors.
  std::vector<std::vector<double>> G(m * m);
  std::vector<double> sum(P);
  for (std::size_t i = 0; i < m; ++i) G[i * m + i] = curvature_slope(theta_, top.vectors.column(i));
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < i; ++j) {
      for (std::size_t p = 0; p < P; ++p) sum[p] = top.vectors(p, i) + top.vectors(p, j);
      G[i * m + j] = curvature_slope(theta_, sum);
      for (std::size_t p = 0; p < P; ++p) G[i * m + j][p] = (G[i * m + j][p] - G[i * m + i][p] - G[j * m + j][p]) / 2;
      G[j * m + i] = G[i * m + j];
    }
  Matrix T(m * m, m * m), X(m, m);
  for (std::size_t p = 0; p < m * m; ++p)
    for (std::size_t q = 0; q < m * m; ++q) T(p, q) = time / 2 * numerics::dot_in_order(G[p], G[q]);
  for (const auto& w : before)
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < m; ++j)
        X(i, j) += numerics::dot_in_order(top.vectors.column(i), w) * numerics::dot_in_order(top.vectors.column(j), w);
  const Matrix kept = X;
  // Newton's method: u_i'H u_j - 2/eta at theta(X) is linearised.
  std::vector<double> there = theta_;
  for (int round = 0; round < 2; ++round) {
    objective_.move_to(there);
    Matrix B(m, m);
    for (std::size_t i = 0; i < m; ++i) {
      apply(top.vectors.column(i), sum);
      for (std::size_t j = 0; j < m; ++j)
        B(i, j) = numerics::dot_in_order(top.vectors.column(j), sum) - (i == j ? edge : 0);
    }
    for (std::size_t p = 0; p < m * m; ++p)
      for (std::size_t q = 0; q < m * m; ++q) B.data()[p] += T(p, q) * X.data()[q];
    X = held_by(T, B, X);
    there = theta_;
    for (std::size_t q = 0; q < m * m; ++q)
      for (std::size_t p = 0; p < P; ++p) there[p] -= time / 2 * (X.data()[q] - kept.data()[q]) * G[q][p];
  }
  theta_ = there;
  const linear_algebra::SymmetricEigen eigen = linear_algebra::symmetric_eigen(X);
  for (std::size_t k = 0; k < m; ++k) {
    if (!(eigen.values[k] > 1e-12 * std::abs(eigen.values[m - 1]))) continue;
    std::vector<double> w(P);
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t p = 0; p < P; ++p) w[p] += std::sqrt(eigen.values[k]) * eigen.vectors(i, k) * top.vectors(p, i);
    oscillation_.push_back(std::move(w));
  }
  if (!oscillation_.empty()) sharpness_ = edge;
}

double CentralFlow::mean_square() const {
  double sum = 0;
  for (const auto& w : oscillation_) sum += numerics::squared_norm_in_order(w);
  return sum;
}

double CentralFlow::turns() {
  if (oscillation_.empty()) return 0;
  const std::vector<double>& w = oscillation_.back();
  const std::vector<double> slope = curvature_slope(theta_, w);
  return learning_rate_ * std::sqrt(numerics::squared_norm_in_order(slope) / numerics::squared_norm_in_order(w)) /
         (2 * pi);
}

double CentralFlow::beyond_cubic() {
  if (oscillation_.empty()) return 0;
  const std::vector<double>& w = oscillation_.back();
  std::vector<double> odd(theta_.size());
  objective_.move_to(theta_);
  objective_.product(CurvaturePart::hessian, w, odd);
  for (const double side : {1.0, -1.0}) {
    for (std::size_t i = 0; i < theta_.size(); ++i) moved_[i] = theta_[i] + side * w[i];
    objective_.move_to(moved_);
    objective_.gradient(gradient_);
    for (std::size_t i = 0; i < theta_.size(); ++i) odd[i] -= side / 2 * gradient_[i];
  }
  return learning_rate_ / 2 * norm_of(odd) / norm_of(w);
}

double unsettled_part(double turns, double start) {
  if (!(turns > 0) || !(start > 0)) return infinity;
  const double p = start * start;
  return std::sqrt(std::max(0.0, p - 1 - std::log(p)) / 2) / (pi * turns);
}

double CentralFlow::average(const std::function<double(std::span<const double>)>& f) const {
  const double centre = f(theta_);
  double out = centre;
  std::vector<double> there(theta_.size());
  for (const auto& w : oscillation_)
    for (const double side : {1.0, -1.0}) {
      for (std::size_t i = 0; i < there.size(); ++i) there[i] = theta_[i] + side * w[i];
      out += 0.5 * (f(there) - centre);
    }
  return out;
}

namespace {

void descend_once(CurvedObjective& objective, std::vector<double>& theta, double learning_rate) {
  std::vector<double> gradient(theta.size());
  objective.move_to(theta);
  objective.gradient(gradient);
  for (std::size_t i = 0; i < theta.size(); ++i) theta[i] -= learning_rate * gradient[i];
}

/// The sum of a reading over so many steps of descent; infinite where it diverges.
double descended(CurvedObjective& objective, std::vector<double> from, double learning_rate, std::size_t steps,
                 const AveragedReading& reading) {
  double sum = 0;
  for (std::size_t k = 0; k < steps; ++k) {
    sum += reading.value(from);
    if (!(sum < largest_reading)) return infinity;
    descend_once(objective, from, learning_rate);
  }
  return sum;
}

}  // namespace

Trajectory follow_central_flow(CurvedObjective& objective, std::span<const double> start, double learning_rate,
                               const Time& time, const std::vector<AveragedReading>& readings) {
  CentralFlow flow(objective, start, learning_rate);
  if (flow.sharpness() * learning_rate > 2)
    throw std::invalid_argument(
        "theory.method: the central flow begins below the edge, and eta times the sharpness is above 2 at the start");
  Trajectory out;
  out.method = "central flow";
  for (const AveragedReading& r : readings) out.columns.push_back({r.observable, {}, {}});
  for (const AveragedReading& r : readings) out.columns.push_back({window_mean_of(r.observable), {}, {}});
  out.columns.push_back({{"eta_sharpness", "1", "eta times the largest eigenvalue of H at the mean path"}, {}, {}});
  out.columns.push_back({{"oscillation", "parameter^2", "tr X, mean square displacement from the mean path"}, {}, {}});
  const std::size_t n = readings.size();
  std::vector<double> now(n), sum(n);
  const auto read = [&] {
    for (std::size_t k = 0; k < n; ++k) now[k] = flow.average(readings[k].value);
  };
  read();
  sum = now;
  std::uint64_t step = 0, last = 0;
  std::vector<double> turns, losses;   // up to a step, after the edge
  double beyond = 0;                   // beyond_cubic, summed with the loss
  std::vector<double> at_edge, swing;  // where it is reached: the mean and the largest oscillation
  // Descent itself up to there, and the last of its steps: half of that along w is how far it then is from its mean.
  std::vector<double> descent(start.begin(), start.end()), moved(start.size());
  double along = 0, largest = 0;  // that, and the largest oscillation of the first steps at the edge
  try {
    for (const std::uint64_t at : time.at) {
      if (at > 0) std::ranges::fill(sum, 0);
      for (; step < at; ++step) {
        flow.step();
        read();
        if (losses.empty()) {
          moved = descent;
          descend_once(objective, descent, learning_rate);
        }
        for (std::size_t k = 0; k < n; ++k) sum[k] += now[k] / static_cast<double>(at - last);
        if (!std::isfinite(now[0]) || now[0] > largest_reading) throw std::runtime_error("it has diverged");
        if (losses.empty() && !(flow.mean_square() > 0)) continue;
        if (losses.empty()) {
          at_edge = flow.mean();
          swing = flow.oscillation().back();
          for (std::size_t i = 0; i < swing.size(); ++i) along += 0.5 * (descent[i] - moved[i]) * swing[i];
          along = std::abs(along) / norm_of(swing);
        }
        if (losses.size() < first_at_edge)
          largest = std::max(largest, (flow.oscillation().empty() ? 0 : norm_of(flow.oscillation().back())));
        beyond += now[0] * flow.beyond_cubic();
        turns.push_back((turns.empty() ? 0 : turns.back()) + flow.turns());
        losses.push_back((losses.empty() ? 0 : losses.back()) + now[0]);
      }
      last = at;
      out.steps.push_back(static_cast<double>(at));
      for (std::size_t k = 0; k < n; ++k) {
        out.columns[k].value.push_back(now[k]);
        out.columns[n + k].value.push_back(sum[k]);
      }
      out.columns[2 * n].value.push_back(learning_rate * flow.sharpness());
      out.columns[2 * n + 1].value.push_back(flow.mean_square());
    }
  } catch (const std::runtime_error& error) {
    // Where the path itself is finite, what ends is the method.
    const auto number = [](double x) { return std::isfinite(x); };
    if (number(now[0]) && now[0] <= largest_reading && std::ranges::all_of(flow.mean(), number))
      out.valid_until = static_cast<double>(step);
    else
      out.diverged_at = static_cast<double>(step + 1);
    out.warnings.push_back(fmt::format("the central flow ends after step {}: {}", step, error.what()));
  }
  const auto& held = out.find("oscillation")->value;
  const auto first = std::ranges::find_if(held, [](double x) { return x > 0; });
  out.labels.emplace_back("edge", first == held.end() ? "not reached" : "held");
  if (losses.empty()) return out;
  const auto half = std::ranges::lower_bound(losses, 0.5 * losses.back()) - losses.begin();
  const double turned = turns[static_cast<std::size_t>(half)];
  out.report.emplace_back("turns", turned);
  const double unsettled = unsettled_part(turned, along / largest);
  out.report.emplace_back("unsettled", unsettled);
  if (!(unsettled <= most_unsettled))
    out.warnings.push_back(fmt::format(
        "while half of the loss after the edge falls the oscillation turns {:.2g} times about it, from {:.2g} of its "
        "size: its mean square is not settled to better than {:.2g}, and descent can have a late burst in place of "
        "this mean",
        turned, along / largest, unsettled));
  out.report.emplace_back("beyond_cubic", beyond / losses.back());
  double least = infinity, most = 0;
  std::vector<double> parts(std::begin(displacements), std::end(displacements));
  for (const double side : {1.0, -1.0}) parts.push_back(side * along / norm_of(swing));
  for (const double part : parts) {
    std::vector<double> from = at_edge;
    for (std::size_t i = 0; i < from.size(); ++i) from[i] += part * swing[i];
    const double ratio =
        descended(objective, std::move(from), learning_rate, losses.size(), readings[0]) / losses.back();
    least = std::min(least, ratio);
    most = std::max(most, ratio);
  }
  out.report.emplace_back("descent_least", least);
  out.report.emplace_back("descent_most", most);
  if (least < least_followed || most > most_followed)
    out.warnings.push_back(fmt::format(
        "descent begun on the flow at its edge leaves it: it has {:.2g} to {:.2g} times the flow's loss", least, most));
  return out;
}

std::vector<Prediction> central_flow_predictions(const Trajectory& flow, double low, double high, bool widened) {
  const auto& held = flow.find("oscillation")->value;
  const auto first =
      static_cast<std::size_t>(std::ranges::find_if(held, [](double x) { return x > 0; }) - held.begin());
  if (flow.diverged_at || flow.valid_until || first == held.size() || !(flow.steps[first] <= 0.75 * flow.steps.back()))
    return {};
  double unsettled = infinity, turns = 0;
  for (const auto& [name, value] : flow.report) {
    if (name == "unsettled") unsettled = value;
    if (name == "turns") turns = value;
    if ((name == "descent_least" && value < least_followed) || (name == "descent_most" && value > most_followed))
      return {};
  }
  if (widened ? !(unsettled <= most_unsettled) : turns < fewest_turns) return {};
  const double wider = widened ? 1 + unsettled : 1;
  // Over windows after the first at the edge.
  const auto mean_of = [first](std::span<const double> steps, std::span<const double> means) {
    double sum = 0;
    for (std::size_t k = first + 1; k < steps.size(); ++k) sum += (steps[k] - steps[k - 1]) * means[k];
    return sum / (steps.back() - steps[first]);
  };
  const double own = mean_of(flow.steps, flow.find("mean_loss")->value);
  if (!(own > 0)) return {};
  Prediction out;
  out.name = "central_loss";
  out.statement = "averaged over its oscillation at the edge, descent follows the central flow";
  out.source = "docs/theory/curvature-dynamics.md, section 8";
  out.quantity = "mean loss of the steps after the flow has reached the edge";
  out.runs = "did not diverge";
  out.observable = "mean_loss";
  out.nominal = own;
  out.low = low / wider * own;
  out.high = high * wider * own;
  out.statistic = [mean_of](const RecordedReplica& run) -> std::optional<double> {
    if (run.diverged) return std::nullopt;
    return mean_of(run.steps, run.values("mean_loss"));
  };
  return {std::move(out)};
}

}  // namespace edgewise::models::ingredients
