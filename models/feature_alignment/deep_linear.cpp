#include "models/feature_alignment/deep_linear.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "models/feature_alignment/correlation.hpp"
#include "models/framework/divergence.hpp"
#include "models/framework/recorder.hpp"
#include "models/framework/simulation_of.hpp"
#include "models/ingredients/stepping_replica.hpp"
#include "numerics/constants.hpp"
#include "random/random.hpp"
#include "solvers/flow.hpp"

namespace edgewise::models::feature_alignment {

namespace {

using linear_algebra::Matrix;
using linear_algebra::product;
using linear_algebra::Transposed;

/// Of a double, relative; and what it may grow to in singular values, relative to the largest, and in the loss, so that two
/// computations of one run differ by less than what a verdict sees.
constexpr double rounding = 1e-16, max_rounding = 3e-12, max_rounding_of_loss = 3e-11;

double power(double w, std::size_t p) {
  return std::pow(w, static_cast<double>(p));
}

std::vector<double> start_values(const DeepLinear& net) {
  std::vector<double> w;
  for (const double s : net.start) w.push_back(std::pow(s, 1 / static_cast<double>(net.layers)));
  return w;
}

/// (sigma - s) w^(L-1).
double speed(const DeepLinear& net, std::size_t i, double w) {
  const double s = power(w, net.layers);
  // At rest to rounding: a flow takes steps of any length there.
  return std::abs(net.target[i] - s) <= 1e-15 * net.target[i] ? 0 : (net.target[i] - s) * power(w, net.layers - 1);
}

double loss_at(const DeepLinear& net, const std::vector<double>& w) {
  double out = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double residual = power(w[i], net.layers) - net.target[i];
    out += 0.5 * residual * residual;
  }
  return out;
}

/// Cosine of the diagonal matrices x^2 and x^2 k^2, k given as its root.
double diagonal_cosine(std::vector<double> x, std::vector<double> root) {
  for (std::vector<double>* part : {&x, &root}) {
    double size = 0;
    for (const double value : *part) size = std::max(size, std::abs(value));
    if (!(size > 0)) throw std::domain_error("the correlation of a layer that does not move, or is 0, is not defined");
    for (double& value : *part) value /= size;
  }
  double pp = 0, pq = 0, qq = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double p = x[i] * x[i], q = p * root[i] * root[i];
    pp += p * p;
    pq += p * q;
    qq += q * q;
  }
  return pq / (std::sqrt(pp) * std::sqrt(qq));
}

std::vector<double> covariance_root(const DeepLinear& net, std::size_t l, const std::vector<double>& w) {
  std::vector<double> out;
  for (const double x : w) out.push_back(power(x, net.layers - l));
  return out;
}

/// s(t) of two layers or one, which have closed forms; s_0 > 0, sigma >= 0.
double flow_closed_form(std::size_t layers, double sigma, double s0, double time) {
  if (layers == 1) return sigma + (s0 - sigma) * std::exp(-time);
  const double decay = std::exp(-2 * sigma * time);
  const double risen = sigma * time > 0 ? -std::expm1(-2 * sigma * time) / sigma : 2 * time;
  return 1 / (risen + decay / s0);
}

/// Layers' singular values by the flow of three layers or more. x = log(s/|sigma - s|) has the rate L sigma s^(1 - 2/L),
/// which tends to a constant as s comes to sigma: its steps grow, where those of s itself would be held by its decay.
std::vector<std::vector<double>> flown_values(const DeepLinear& net, const std::vector<std::uint64_t>& at) {
  const auto layers = static_cast<double>(net.layers);
  const std::vector<double> w0 = start_values(net);
  std::vector<double> times, x0;
  for (const std::uint64_t t : at) times.push_back(net.learning_rate * static_cast<double>(t));
  std::vector<std::size_t> moving;  // others are at rest, or have sigma = 0
  for (std::size_t i = 0; i < w0.size(); ++i) {
    const double sigma = net.target[i], away = std::abs(sigma - net.start[i]);
    if (sigma == 0 || away <= 1e-15 * sigma) continue;
    moving.push_back(i);
    x0.push_back(std::log(net.start[i] / away));
  }
  const auto value = [&](std::size_t i, double x) {
    return net.target[i] / (net.start[i] < net.target[i] ? 1 + std::exp(-x) : -std::expm1(-x));
  };
  std::vector<std::vector<double>> out(at.size(), w0);
  for (std::size_t t = 0; t < at.size(); ++t)
    for (std::size_t i = 0; i < w0.size(); ++i)  // w^(2 - 2L) grows linearly
      if (net.target[i] == 0)
        out[t][i] =
            w0[i] / std::pow(1 + (2 * layers - 2) * times[t] * std::pow(w0[i], 2 * layers - 2), 1 / (2 * layers - 2));
  if (moving.empty() || at.size() < 2) return out;
  solvers::FlowOptions options;
  options.rtol = 1e-3 * net.rtol;
  options.atol = net.rtol;
  const auto states = solvers::integrate_flow(
                          [&](std::span<const double> x, std::span<double> rate) {
                            for (std::size_t m = 0; m < x.size(); ++m)
                              rate[m] =
                                  layers * net.target[moving[m]] * std::pow(value(moving[m], x[m]), 1 - 2 / layers);
                          },
                          x0, times, options)
                          .states;
  for (std::size_t t = 0; t < states.size(); ++t)
    for (std::size_t m = 0; m < moving.size() && at[t] > 0; ++m)
      out[t][moving[m]] = std::pow(value(moving[m], states[t][m]), 1 / layers);
  out.resize(states.size());
  return out;
}

/// Gradient descent on the matrices.
class DeepLinearReplica final : public ingredients::SteppingReplica {
 public:
  DeepLinearReplica(const DeepLinear& net, std::uint64_t seed, std::uint64_t index)
      : SteppingReplica(divergence_limit(std::max(loss_at(net, start_values(net)), 1e-300))), net_(net) {
    random::Stream stream(seed, index, 0, random::Purpose::initial);
    std::vector<Matrix> basis;
    for (std::size_t l = 0; l <= net.layers; ++l) {
      Matrix g(net.width, net.target.size());
      stream.normals(g.entries());
      basis.push_back(orthonormal_columns(g));
    }
    const auto between = [&](const Matrix& left, const std::vector<double>& values, const Matrix& right) {
      Matrix scaled = left;
      for (std::size_t i = 0; i < values.size(); ++i)
        for (double& x : scaled.column(i)) x *= values[i];
      return product(scaled, right, Transposed::no, Transposed::yes);
    };
    for (std::size_t l = 0; l < net.layers; ++l) weights_.push_back(between(basis[l + 1], start_values(net), basis[l]));
    target_ = between(basis.back(), net.target, basis.front());
    right_ = basis.front();
    left_ = basis.back();
    start_ = weights_;
  }

 private:
  /// W_L ... W_(l+1) (l = 0: all of them), and W_(l-1) ... W_1.
  Matrix above(std::size_t l) const {
    Matrix out = Matrix::identity(net_.width, net_.width);
    for (std::size_t k = net_.layers; k > l; --k) out = product(out, weights_[k - 1]);
    return out;
  }
  Matrix below(std::size_t l) const {
    Matrix out = Matrix::identity(net_.width, net_.width);
    for (std::size_t k = 1; k < l; ++k) out = product(weights_[k - 1], out);
    return out;
  }
  Matrix residual() const {
    Matrix out = above(0);
    for (std::size_t k = 0; k < out.size(); ++k) out.data()[k] -= target_.data()[k];
    return out;
  }
  double loss() const {
    const Matrix r = residual();
    double out = 0;
    for (const double x : r.entries()) out += 0.5 * x * x;
    return out;
  }
  Matrix gradient(std::size_t l, const Matrix& residual) const {
    return product(product(above(l), residual, Transposed::yes), below(l), Transposed::no, Transposed::yes);
  }
  double take_step(std::uint64_t, bool) override {
    const Matrix r = residual();
    std::vector<Matrix> gradients;
    for (std::size_t l = 1; l <= net_.layers; ++l) gradients.push_back(gradient(l, r));
    for (std::size_t l = 0; l < net_.layers; ++l)
      for (std::size_t k = 0; k < r.size(); ++k) weights_[l].data()[k] -= net_.learning_rate * gradients[l].data()[k];
    return loss();
  }
  void measure(std::span<double> out) const override {
    const Matrix r = residual();
    out[0] = loss();
    for (std::size_t l = 1; l <= net_.layers; ++l) {
      Matrix change = gradient(l, r);
      if (!std::ranges::equal(weights_[l - 1].entries(), start_[l - 1].entries()))
        for (std::size_t k = 0; k < change.size(); ++k)
          change.data()[k] = weights_[l - 1].data()[k] - start_[l - 1].data()[k];
      const Matrix gradients = product(above(l), Matrix::identity(net_.width, net_.width), Transposed::yes);
      out[l] = correlation_of(Correlation::cosine, feature_matrices(change, {&gradients, 1}), l, true);
      out[net_.layers + l] =
          correlation_of(Correlation::cosine, feature_matrices(weights_[l - 1], {&gradients, 1}), l, false);
    }
    const Matrix f = product(above(0), right_);
    for (std::size_t i = 0; i < net_.target.size(); ++i) {
      double& s = out[1 + 2 * net_.layers + i];
      s = 0;
      for (std::size_t k = 0; k < net_.width; ++k) s += left_(k, i) * f(k, i);
    }
    if (net_.layers > 1) out.back() = imbalance();
  }
  double imbalance() const {
    double largest = 0;
    for (std::size_t l = 0; l + 1 < net_.layers; ++l) {
      const Matrix above = product(weights_[l + 1], weights_[l + 1], Transposed::yes),
                   below = product(weights_[l], weights_[l], Transposed::no, Transposed::yes);
      double sum = 0;
      for (std::size_t k = 0; k < above.size(); ++k) sum += std::pow(above.data()[k] - below.data()[k], 2);
      largest = std::max(largest, std::sqrt(sum));
    }
    return largest;
  }

  const DeepLinear& net_;
  std::vector<Matrix> weights_, start_;
  Matrix target_, left_, right_;
};

}  // namespace

std::vector<Observable> deep_linear_observables(const DeepLinear& net) {
  std::vector<Observable> out{{"loss", "1", "|W_L ... W_1 - T|^2/2"}};
  for (const char* kind : {"c", "u"})
    for (std::size_t l = 1; l <= net.layers; ++l)
      out.push_back({fmt::format("rho_{}_{}", kind, l), "1",
                     fmt::format("{} correlation of layer {}", *kind == 'c' ? "centred" : "uncentred", l)});
  for (std::size_t i = 1; i <= net.target.size(); ++i)
    out.push_back({fmt::format("s_{}", i), "1", fmt::format("singular value {} of W_L ... W_1", i)});
  if (net.layers > 1)
    out.push_back(
        {"imbalance", "1", "largest |W_(l+1)'W_(l+1) - W_l W_l'|, invariants of the flow: 0 of balanced layers"});
  return out;
}

std::vector<std::vector<double>> layer_values(const DeepLinear& net, const std::vector<std::uint64_t>& at) {
  std::vector<std::vector<double>> out;
  std::vector<double> w = start_values(net);
  if (net.flow && net.layers > 2) return flown_values(net, at);
  std::uint64_t step = 0;
  for (const std::uint64_t target : at) {
    if (net.flow) {
      for (std::size_t i = 0; i < w.size(); ++i)
        w[i] = std::pow(
            flow_closed_form(net.layers, net.target[i], net.start[i], net.learning_rate * static_cast<double>(target)),
            1 / static_cast<double>(net.layers));
    } else {
      bool moves = true;
      for (; step < target && moves; ++step) {
        moves = false;
        for (std::size_t i = 0; i < w.size(); ++i) {
          const double next = w[i] + net.learning_rate * speed(net, i, w[i]);
          moves = moves || next != w[i];
          w[i] = next;
        }
      }
      step = target;
    }
    if (!std::ranges::all_of(w, [](double x) { return std::isfinite(x); })) break;
    out.push_back(w);
  }
  return out;
}

double deep_uncentred(const DeepLinear& net, std::size_t l, const std::vector<double>& w) {
  return diagonal_cosine(w, covariance_root(net, l, w));
}

double deep_centred(const DeepLinear& net, std::size_t l, const std::vector<double>& w) {
  const std::vector<double> w0 = start_values(net);
  std::vector<double> change;
  for (std::size_t i = 0; i < w.size(); ++i) change.push_back(w == w0 ? speed(net, i, w[i]) : w[i] - w0[i]);
  if (w == w0 && (net.start == net.target || std::ranges::all_of(change, [](double x) { return x == 0; })))
    throw std::invalid_argument(
        "alignment.start: is the target, where nothing moves and no layer has a correlation; give another");
  return diagonal_cosine(change, covariance_root(net, l, w));
}

namespace {

/// What rounding adds to the layers grows by the linearised step, in the bases in which they are diagonal: E_l are its
/// matrices, and also say what happens between singular values and, in one more row and column of value 0, beyond them.
class RoundingGrowth {
 public:
  explicit RoundingGrowth(const DeepLinear& net)
      : net_(net),
        values_(net.target.size() + (net.width > net.target.size() ? 1 : 0)),
        errors_(net.layers, Matrix(values_, values_)),
        fresh_(errors_) {
    target_.resize(values_, 0.0);
    random::Stream stream(0, 0);
    for (Matrix& e : fresh_) stream.normals(e.entries());
  }

  /// The step from w; what it adds of its own is of size |w|, in a fixed direction and of random sign.
  void step(std::vector<double> w) {
    w.resize(values_, 0.0);
    const std::size_t layers = net_.layers;
    Matrix powers(layers + 1, values_);
    std::vector<double> residual(values_, 0.0);
    for (std::size_t i = 0; i < values_; ++i) {
      for (std::size_t k = 0; k <= layers; ++k) powers(k, i) = k == 0 ? 1 : powers(k - 1, i) * w[i];
      residual[i] = powers(layers, i) - target_[i];
    }
    // a_l = d(W_L .. W_(l+1)), b_l = d(W_(l-1) .. W_1); a_0 is that of the whole.
    std::vector<Matrix> a(layers + 1, Matrix(values_, values_)), b(a);
    for (std::size_t l = layers; l >= 1; --l)
      for_pairs([&](std::size_t i, std::size_t j) {
        a[l - 1](i, j) = a[l](i, j) * powers(1, j) + powers(layers - l, i) * errors_[l - 1](i, j);
      });
    for (std::size_t l = 1; l < layers; ++l)
      for_pairs([&](std::size_t i, std::size_t j) {
        b[l + 1](i, j) = powers(1, i) * b[l](i, j) + errors_[l - 1](i, j) * powers(l - 1, j);
      });
    // Terms that a step adds up, and entries of the layers.
    double rounded = 0, largest = 0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double x = std::abs(w[i]);
      largest = std::max(largest, x);
      rounded = std::max(rounded, net_.learning_rate * (power(x, layers) + target_[i]) * power(x, layers - 1));
    }
    const double sign = (signs_.uniform() < 0.5 ? -1 : 1) * std::max(largest, rounded);
    double square = 0;
    for (std::size_t l = 1; l <= layers; ++l)
      for_pairs([&](std::size_t i, std::size_t j) {
        const double above = powers(layers - l, i), below = powers(l - 1, j);
        double& error = errors_[l - 1](i, j);
        error += sign * fresh_[l - 1](i, j) -
                 net_.learning_rate *
                     (a[l](j, i) * residual[j] * below + above * a[0](i, j) * below + above * residual[i] * b[l](j, i));
        square = std::max(square, std::pow(error / largest, 2));
      });
    size_ = std::sqrt(square);
  }
  /// The largest entry, in roundings of the largest singular value.
  double size() const { return size_; }

 private:
  template <class Work>
  void for_pairs(const Work& work) const {
    for (std::size_t i = 0; i < values_; ++i)
      for (std::size_t j = 0; j < values_; ++j) work(i, j);
  }

  const DeepLinear& net_;
  std::size_t values_;
  std::vector<double> target_ = net_.target;  // and 0 beyond it
  std::vector<Matrix> errors_, fresh_;
  random::Stream signs_{0, 1};
  double size_ = 0;
};

/// Of singular values of W_L ... W_1 relative to the largest, as the recorded steps of gradient descent are come to; it
/// ends beyond what is followed. `beyond` is the step then, else infinite.
struct SingularRounding {
  std::vector<double> at;
  double beyond = infinity;
};
SingularRounding singular_rounding(const DeepLinear& net, const std::vector<std::uint64_t>& at) {
  const double unit = static_cast<double>(net.layers) * rounding;
  SingularRounding out;
  std::vector<double> w = start_values(net);
  RoundingGrowth growth(net);
  bool moves = true;
  std::uint64_t step = 0;
  for (const std::uint64_t target : at) {
    for (; step < target && moves; ++step) {
      growth.step(w);
      if (!std::isfinite(growth.size())) return out;
      if (growth.size() * unit > max_rounding) {
        out.beyond = static_cast<double>(step + 1);
        return out;
      }
      moves = false;
      for (std::size_t i = 0; i < w.size(); ++i) {
        const double next = w[i] + net.learning_rate * speed(net, i, w[i]);
        moves = moves || next != w[i];
        w[i] = next;
      }
    }
    double size = std::max(1.0, growth.size()) * unit;
    if (step < target) {  // at rest: what is of the largest curvature grows, or nothing does
      double factor = 1;
      for (const double x : w)
        factor = std::max(
            factor, std::abs(1 - net.learning_rate * static_cast<double>(net.layers) * power(x * x, net.layers - 1)));
      const double further = std::ceil(std::log(max_rounding / size) / std::log(factor));
      if (factor > 1 && static_cast<double>(step) + further <= static_cast<double>(target)) {
        out.beyond = static_cast<double>(step) + further;
        return out;
      }
      size *= std::pow(factor, static_cast<double>(target - step));
    }
    out.at.push_back(size);
  }
  return out;
}

}  // namespace

Trajectory solve_deep_linear(const DeepLinear& net, const std::vector<std::uint64_t>& at) {
  const std::vector<std::vector<double>> values = layer_values(net, at);
  Recorder recorder(std::max(loss_at(net, values.front()), 1e-300));
  std::vector<Recorder::Handle> handles;
  for (const Observable& observable : deep_linear_observables(net)) handles.push_back(recorder.add(observable));
  for (std::size_t t = 0; t < values.size(); ++t) {
    const std::vector<double>& w = values[t];
    const auto step = static_cast<double>(at[t]);
    if (!recorder.alive(step, loss_at(net, w))) break;
    recorder.row(step);
    std::size_t o = 0;
    recorder.set(handles[o++], loss_at(net, w));
    for (std::size_t l = 1; l <= net.layers; ++l) recorder.set(handles[o++], deep_centred(net, l, w));
    for (std::size_t l = 1; l <= net.layers; ++l) recorder.set(handles[o++], deep_uncentred(net, l, w));
    for (const double x : w) recorder.set(handles[o++], power(x, net.layers));
    if (net.layers > 1) recorder.set(handles[o++], 0);
  }
  Trajectory out = recorder.take();
  if (values.size() < at.size() && !out.diverged_at) out.diverged_at = static_cast<double>(at[values.size()]);
  out.method = !net.flow ? "gradient descent" : net.layers > 2 ? "flow, integrated" : "flow, closed form";
  out.exact = !net.flow;
  // Residuals, and what has moved, that are small against s and w are rounding in either.
  const std::vector<double> w0 = start_values(net);
  const double target = *std::ranges::max_element(net.target), start = *std::ranges::max_element(w0);
  out.valid_until = 0;
  const SingularRounding rounded =
      net.flow ? SingularRounding{std::vector<double>(at.size(), rounding), infinity} : singular_rounding(net, at);
  if (std::isfinite(rounded.beyond))
    out.warnings.push_back(
        fmt::format("chaotic: by step {:g} rounding has grown to what two computations of one run differ by; nothing "
                    "is claimed beyond",
                    rounded.beyond));
  double moves_from = infinity;
  for (std::size_t t = 0; t < out.steps.size(); ++t) {
    if (t < rounded.at.size() && target * rounded.at[t] < max_rounding_of_loss * std::sqrt(out.columns[0].value[t]))
      out.valid_until = out.steps[t];
    for (std::size_t i = 0; i < net.start.size(); ++i)
      if (std::abs(values[t][i] - w0[i]) > 1e-6 * std::max(start, values[t][i]))
        moves_from = std::min(moves_from, out.steps[t]);
  }
  // A product of matrices is rounded as its largest entries are, and what the layers were rounded by is of the largest w.
  for (std::size_t t = 0; t < std::min(out.steps.size(), rounded.at.size()) && out.steps[t] <= out.valid_until; ++t) {
    double largest = 0;
    for (const double w : values[t]) largest = std::max(largest, std::abs(w));
    const double of_product = static_cast<double>(net.layers) * rounding * power(largest, net.layers);
    for (std::size_t i = 0; i < net.start.size(); ++i) {
      double& all = out.columns[1 + 2 * net.layers + i].rounding;
      const double of_layers = rounded.at[t] * largest * power(std::abs(values[t][i]), net.layers - 1);
      all = std::max(all, of_product + of_layers);
    }
    if (net.layers > 1) {
      double& all = out.columns.back().rounding;
      const double entries = std::sqrt(static_cast<double>(net.width)) * rounding;
      all = std::max(all, 8 * (entries + rounded.at[t]) * largest * largest);
    }
  }
  for (std::size_t l = 1; l <= net.layers; ++l) out.columns[l].valid_from = moves_from;
  return out;
}

std::unique_ptr<Simulation> simulate_deep_linear(const DeepLinear& net) {
  return simulation_of(
      {deep_linear_observables(net), "gradient descent on the matrices, in random bases",
       [&net](auto seed, auto index) { return std::make_unique<DeepLinearReplica>(net, seed, index); }});
}

}  // namespace edgewise::models::feature_alignment
