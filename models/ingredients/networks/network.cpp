#include "models/ingredients/networks/network.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace edgewise::models::ingredients::networks {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

void resize(Matrix& m, std::size_t rows, std::size_t columns) {
  if (m.rows() != rows || m.columns() != columns) m = Matrix(rows, columns);
}

/// a o b.
Matrix entrywise(const Matrix& a, const Matrix& b) {
  Matrix out = a;
  for (std::size_t k = 0; k < out.size(); ++k) out.data()[k] *= b.data()[k];
  return out;
}

void add_to_columns(const double* b, Matrix& z) {
  for (std::size_t i = 0; i < z.columns(); ++i)
    for (std::size_t j = 0; j < z.rows(); ++j) z(j, i) += b[j];
}

void row_sums(const Matrix& delta, double* out) {
  std::fill_n(out, delta.rows(), 0.0);
  for (std::size_t i = 0; i < delta.columns(); ++i)
    for (std::size_t j = 0; j < delta.rows(); ++j) out[j] += delta(j, i);
}

std::vector<double> column_squares(const Matrix& m) {
  std::vector<double> out(m.columns());
  for (std::size_t i = 0; i < m.columns(); ++i)
    for (const double x : m.column(i)) out[i] += x * x;
  return out;
}

/// c = alpha W h + beta c for weights that stand in the flat vector.
void apply_weights(double alpha, const double* w, std::size_t width, const Matrix& h, double beta, Matrix& c) {
  linear_algebra::multiply(width, h.columns(), h.rows(), alpha, w, width, Transposed::no, h.data(), h.rows(),
                           Transposed::no, beta, c.data(), width);
}

/// c = alpha W' delta + beta c.
void apply_transposed(double alpha, const double* w, std::size_t fan_in, const Matrix& delta, double beta, Matrix& c) {
  linear_algebra::multiply(fan_in, delta.columns(), delta.rows(), alpha, w, delta.rows(), Transposed::yes, delta.data(),
                           delta.rows(), Transposed::no, beta, c.data(), fan_in);
}

/// w = alpha delta h' + beta w.
void outer_sum(double alpha, const Matrix& delta, const Matrix& h, double beta, double* w) {
  linear_algebra::multiply(delta.rows(), h.rows(), h.columns(), alpha, delta.data(), delta.rows(), Transposed::no,
                           h.data(), h.rows(), Transposed::yes, beta, w, delta.rows());
}

}  // namespace

const std::vector<std::string>& parametrisation_names() {
  static const std::vector<std::string> names{"standard", "ntk", "mean-field"};
  return names;
}

Network::Network(Architecture architecture) : architecture_(std::move(architecture)) {
  const Architecture& a = architecture_;
  if (a.layers.empty()) throw std::invalid_argument("a network needs at least one layer");
  if (a.inputs == 0) throw std::invalid_argument("a network needs at least one input");
  if (!(a.weight_variance >= 0) || !(a.bias_variance >= 0) || !std::isfinite(a.weight_variance + a.bias_variance))
    throw std::invalid_argument("variances of initial parameters must be finite and not negative");
  for (std::size_t l = 0; l < layers(); ++l) {
    if (width(l) == 0) throw std::invalid_argument("a layer needs at least one unit");
    const Activation& phi = a.layers[l].activation;
    if (!(phi.beta > 0) || !std::isfinite(phi.beta)) throw std::invalid_argument("beta of a GELU must be positive");
    offset_.push_back(parameters_);
    parameters_ += width(l) * (fan_in(l) + (bias(l) ? 1 : 0));
  }
}

double Network::multiplier(std::size_t l) const {
  const auto fan = static_cast<double>(fan_in(l));
  if (architecture_.parametrisation == Parametrisation::standard) return 1;
  const bool last = l + 1 == layers();
  return last && architecture_.parametrisation == Parametrisation::mean_field ? 1 / fan : 1 / std::sqrt(fan);
}

std::vector<double> Network::draw(random::Stream& stream) const {
  std::vector<double> theta(parameters_);
  for (std::size_t l = 0; l < layers(); ++l) {
    const bool standard = architecture_.parametrisation == Parametrisation::standard;
    const double weight = std::sqrt(architecture_.weight_variance / (standard ? static_cast<double>(fan_in(l)) : 1.0));
    const double bias_deviation = std::sqrt(architecture_.bias_variance);
    for (std::size_t k = weights_at(l); k < biases_at(l); ++k) theta[k] = weight * stream.normal();
    if (bias(l))
      for (std::size_t j = 0; j < width(l); ++j) theta[biases_at(l) + j] = bias_deviation * stream.normal();
  }
  return theta;
}

void Network::check(std::span<const double> theta, std::size_t inputs) const {
  if (theta.size() != parameters_) throw std::invalid_argument("the network has another number of parameters");
  if (inputs != architecture_.inputs) throw std::invalid_argument("the network has another number of inputs");
}

void Network::forward(std::span<const double> theta, const Matrix& inputs, Pass& pass) const {
  check(theta, inputs.rows());
  const std::size_t n = inputs.columns();
  pass.inputs = &inputs;
  for (auto* part : {&pass.value, &pass.first, &pass.second}) part->resize(layers());
  for (std::size_t l = 0; l < layers(); ++l) {
    for (auto* part : {&pass.value, &pass.first, &pass.second}) resize((*part)[l], width(l), n);
    Matrix& h = pass.value[l];
    apply_weights(multiplier(l), theta.data() + weights_at(l), width(l), pass.before(l), 0, h);
    if (bias(l)) add_to_columns(theta.data() + biases_at(l), h);
    for (std::size_t k = 0; k < h.size(); ++k) {
      const ActivationValues phi = evaluate(architecture_.layers[l].activation, h.data()[k]);
      h.data()[k] = phi.value;
      pass.first[l].data()[k] = phi.first;
      pass.second[l].data()[k] = phi.second;
    }
  }
}

Backward Network::backward(std::span<const double> theta, const Pass& pass, const Matrix& u) const {
  check(theta, pass.inputs->rows());
  if (u.rows() != outputs() || u.columns() != pass.inputs->columns())
    throw std::invalid_argument("a cotangent needs one number per output and example");
  Backward out;
  out.pulled.resize(layers());
  out.delta.resize(layers());
  out.pulled.back() = u;
  for (std::size_t l = layers(); l-- > 0;) {
    out.delta[l] = entrywise(out.pulled[l], pass.first[l]);
    if (l == 0) break;
    out.pulled[l - 1] = Matrix(fan_in(l), u.columns());
    apply_transposed(multiplier(l), theta.data() + weights_at(l), fan_in(l), out.delta[l], 0, out.pulled[l - 1]);
  }
  return out;
}

void Network::contract(const Pass& pass, const Backward& backward, std::span<double> out) const {
  check(out, pass.inputs->rows());
  for (std::size_t l = 0; l < layers(); ++l) {
    outer_sum(multiplier(l), backward.delta[l], pass.before(l), 0, out.data() + weights_at(l));
    if (bias(l)) row_sums(backward.delta[l], out.data() + biases_at(l));
  }
}

void Network::pull_back(std::span<const double> theta, const Pass& pass, const Matrix& u, std::span<double> out) const {
  contract(pass, backward(theta, pass, u), out);
}

void Network::carry_up(std::span<const double> theta, const Pass& pass, std::size_t l, Tangents& t) const {
  for (std::size_t k = l + 1; k < layers(); ++k) {
    t.z[k] = Matrix(width(k), pass.inputs->columns());
    apply_weights(multiplier(k), theta.data() + weights_at(k), width(k), t.h[k - 1], 0, t.z[k]);
    t.h[k] = entrywise(t.z[k], pass.first[k]);
  }
}

Tangents Network::tangents(std::span<const double> theta, const Pass& pass, std::span<const double> v) const {
  check(theta, pass.inputs->rows());
  check(v, pass.inputs->rows());
  Tangents out;
  out.z.resize(layers());
  out.h.resize(layers());
  for (std::size_t l = 0; l < layers(); ++l) {
    Matrix& z = out.z[l] = Matrix(width(l), pass.inputs->columns());
    apply_weights(multiplier(l), v.data() + weights_at(l), width(l), pass.before(l), 0, z);
    if (l > 0) apply_weights(multiplier(l), theta.data() + weights_at(l), width(l), out.h[l - 1], 1, z);
    if (bias(l)) add_to_columns(v.data() + biases_at(l), z);
    out.h[l] = entrywise(z, pass.first[l]);
  }
  return out;
}

void Network::second_product(std::span<const double> theta, const Pass& pass, const Backward& backward,
                             const Tangents& tangents, std::span<const double> v, const Matrix& r,
                             std::span<double> out) const {
  check(out, pass.inputs->rows());
  Matrix pulled = r;  // what comes down, and its derivative along v
  for (std::size_t l = layers(); l-- > 0;) {
    Matrix delta = entrywise(pulled, pass.first[l]);
    const Matrix &p = backward.pulled[l], &second = pass.second[l], &z = tangents.z[l];
    for (std::size_t k = 0; k < delta.size(); ++k) delta.data()[k] += p.data()[k] * second.data()[k] * z.data()[k];
    double* weights = out.data() + weights_at(l);
    outer_sum(multiplier(l), delta, pass.before(l), 0, weights);
    if (l > 0) outer_sum(multiplier(l), backward.delta[l], tangents.h[l - 1], 1, weights);
    if (bias(l)) row_sums(delta, out.data() + biases_at(l));
    if (l == 0) break;
    pulled = Matrix(fan_in(l), delta.columns());
    apply_transposed(multiplier(l), theta.data() + weights_at(l), fan_in(l), delta, 0, pulled);
    apply_transposed(multiplier(l), v.data() + weights_at(l), fan_in(l), backward.delta[l], 1, pulled);
  }
}

double Network::curvature_trace(std::span<const double> theta, const Pass& pass, const Backward& backward) const {
  check(theta, pass.inputs->rows());
  const std::size_t n = pass.inputs->columns();
  double trace = 0;
  bool curved_above = false;
  for (std::size_t l = layers(); l-- > 0;) {
    // W_l and b_l act through z_l alone: the trace by them is sum_j d2(u.f)/dz_j^2 (m^2 |h|^2 + 1).
    std::vector<double> weight = column_squares(pass.before(l));
    const double m = multiplier(l);
    for (double& w : weight) w = m * m * w + (bias(l) ? 1 : 0);
    for (std::size_t j = 0; j < width(l); ++j) {
      for (std::size_t i = 0; i < n; ++i) trace += weight[i] * backward.pulled[l](j, i) * pass.second[l](j, i);
      if (!curved_above) continue;
      Tangents t;
      t.z.resize(layers());
      t.h.resize(layers());
      t.h[l] = Matrix(width(l), n);
      for (std::size_t i = 0; i < n; ++i) t.h[l](j, i) = pass.first[l](j, i);
      carry_up(theta, pass, l, t);
      Matrix pulled(outputs(), n);
      for (std::size_t k = layers(); --k > l;) {
        Matrix delta = entrywise(pulled, pass.first[k]);
        for (std::size_t e = 0; e < delta.size(); ++e)
          delta.data()[e] += backward.pulled[k].data()[e] * pass.second[k].data()[e] * t.z[k].data()[e];
        pulled = Matrix(fan_in(k), n);
        apply_transposed(multiplier(k), theta.data() + weights_at(k), fan_in(k), delta, 0, pulled);
      }
      for (std::size_t i = 0; i < n; ++i) trace += weight[i] * pulled(j, i) * pass.first[l](j, i);
    }
    curved_above = curved_above || !architecture_.layers[l].activation.piecewise_linear();
  }
  return trace;
}

Matrix Network::per_example(const Pass& pass, const Backward& backward) const {
  Matrix out(parameters_, pass.inputs->columns());
  for (std::size_t i = 0; i < out.columns(); ++i)
    for (std::size_t l = 0; l < layers(); ++l) {
      const auto delta = backward.delta[l].column(i), h = pass.before(l).column(i);
      double* to = out.column(i).data() + weights_at(l);
      const double m = multiplier(l);
      for (const double x : h)
        for (const double d : delta) *to++ = m * x * d;
      if (bias(l)) std::ranges::copy(delta, to);
    }
  return out;
}

std::vector<double> Network::per_example_squares(const Pass& pass, const Backward& backward) const {
  std::vector<double> out(pass.inputs->columns());
  for (std::size_t l = 0; l < layers(); ++l) {
    const std::vector<double> h = column_squares(pass.before(l)), delta = column_squares(backward.delta[l]);
    const double m = multiplier(l);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += delta[i] * (m * m * h[i] + (bias(l) ? 1 : 0));
  }
  return out;
}

Matrix Network::tangent_kernel(std::span<const double> theta, const Pass& pass) const {
  const std::size_t c = outputs(), n = pass.inputs->columns();
  Matrix rows(parameters_, c * n);
  for (std::size_t k = 0; k < c; ++k) {
    Matrix u(c, n);
    for (std::size_t i = 0; i < n; ++i) u(k, i) = 1;
    const Matrix gradients = per_example(pass, backward(theta, pass, u));
    for (std::size_t i = 0; i < n; ++i) std::ranges::copy(gradients.column(i), rows.column(k + c * i).begin());
  }
  return linear_algebra::product(rows, rows, Transposed::yes, Transposed::no);
}

}  // namespace edgewise::models::ingredients::networks
