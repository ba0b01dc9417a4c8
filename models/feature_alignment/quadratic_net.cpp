#include "models/feature_alignment/quadratic_net.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "models/feature_alignment/free_words.hpp"
#include "random/random.hpp"

namespace edgewise::models::feature_alignment {

namespace {

using linear_algebra::Matrix;
using linear_algebra::product;
using linear_algebra::Transposed;

constexpr std::size_t label_powers = 4, readout_powers = 8;

/// E (s z)^p of normal z, s^2 = 1.
std::vector<double> normal_moments(std::size_t powers) {
  std::vector<double> out{1, 0};
  for (std::size_t p = 2; p <= powers; ++p) out.push_back(p % 2 == 0 ? static_cast<double>(p - 1) * out[p - 2] : 0);
  return out;
}

std::vector<double> moments_of(std::span<const double> values, std::size_t powers) {
  double size = 0;
  for (const double x : values) size = std::max(size, std::abs(x));
  std::vector<double> out(powers);
  for (const double x : values)
    for (std::size_t p = 0; p < powers; ++p)
      out[p] += size > 0 ? std::pow(x / size, static_cast<double>(p + 1)) / static_cast<double>(values.size()) : 0;
  return unit_moments(out);
}

Matrix normals(random::Stream& stream, std::size_t rows, std::size_t columns) {
  Matrix out(rows, columns);
  stream.normals(out.entries());
  return out;
}

/// Symmetric, entries of variance 1.
Matrix semicircular(random::Stream& stream, std::size_t d) {
  Matrix out = normals(stream, d, d);
  for (std::size_t i = 0; i < d; ++i) {
    out(i, i) *= std::sqrt(2.0);
    for (std::size_t j = 0; j < i; ++j) out(j, i) = out(i, j);
  }
  return out;
}

Matrix scaled_identity(std::size_t d, double factor) {
  Matrix out = Matrix::identity(d, d);
  for (double& x : out.entries()) x *= factor;
  return out;
}

/// (1/n) sum_i weight_i x_i x_i'.
Matrix weighted_square(const Matrix& x, std::span<const double> weight) {
  Matrix scaled = x;
  for (std::size_t i = 0; i < x.columns(); ++i)
    for (double& value : scaled.column(i)) value *= weight[i] / static_cast<double>(x.columns());
  return product(scaled, x, Transposed::no, Transposed::yes);
}

std::size_t count_of(std::size_t d, double ratio) {
  return std::max<std::size_t>(1, static_cast<std::size_t>(std::llround(static_cast<double>(d) / ratio)));
}

std::vector<double> draw_labels(const QuadraticNet& net, const Matrix& x, random::Stream& stream) {
  const std::size_t d = x.rows(), n = x.columns();
  std::vector<double> y(n);
  if (net.label == LabelKind::goe_teacher) {
    const Matrix teacher = semicircular(stream, d), tx = product(teacher, x);
    for (std::size_t i = 0; i < n; ++i) {
      y[i] = -trace(teacher);
      for (std::size_t k = 0; k < d; ++k) y[i] += x(k, i) * tx(k, i);
    }
    return y;
  }
  const Matrix theta = normals(stream, net.label == LabelKind::rank_one ? d : 0, 1);
  for (std::size_t i = 0; i < n; ++i) switch (net.label) {
      case LabelKind::signs:
        y[i] = stream.uniform() < 0.5 ? -1 : 1;
        break;
      case LabelKind::gaussian:
        y[i] = stream.normal();
        break;
      case LabelKind::values:
        y[i] = net.label_values[stream.below(net.label_values.size())];
        break;
      case LabelKind::rank_one: {
        double along = 0, square = 0;
        for (std::size_t k = 0; k < d; ++k) {
          along += theta(k, 0) * x(k, i);
          square += theta(k, 0) * theta(k, 0);
        }
        y[i] = along * along - square;
        break;
      }
      default:
        throw std::invalid_argument("labels known by their moments alone cannot be drawn; take label_values");
    }
  return y;
}

/// A of the whole population, up to a factor.
Matrix population_moment(const QuadraticNet& net, random::Stream& stream) {
  const std::size_t d = net.dimension;
  if (net.label == LabelKind::rank_one) {
    const Matrix theta = normals(stream, d, 1);
    return product(theta, theta, Transposed::no, Transposed::yes);
  }
  // Labels of mean 0 leave what fluctuates, which is a GOE matrix.
  return net.label == LabelKind::goe_teacher || label_moments(net)[1] == 0 ? semicircular(stream, d)
                                                                           : Matrix::identity(d, d);
}

std::vector<double> draw_readouts(const QuadraticNet& net, std::size_t m, random::Stream& stream) {
  std::vector<double> a(m, 1.0);
  for (double& x : a) {
    if (net.readout == ReadoutKind::signs) x = stream.uniform() < 0.5 ? -1 : 1;
    if (net.readout == ReadoutKind::gaussian) x = stream.normal();
    if (net.readout == ReadoutKind::values) x = net.readout_values[stream.below(net.readout_values.size())];
  }
  return a;
}

/// Limits of traces of words in A, B, W, S and M.
class Words {
 public:
  explicit Words(const QuadraticNet& net)
      : population_(net.examples_ratio == 0 &&
                    (net.label == LabelKind::goe_teacher || net.label == LabelKind::rank_one)),
        of_one_rank_(population_ && net.label == LabelKind::rank_one),
        labels_(label_moments(net)),
        readouts_(readout_moments(net)) {}
  /// Whether A is: it has no trace in the limit.
  bool of_one_rank() const { return of_one_rank_; }

  RatioPolynomial operator()(std::string_view word) const {
    const auto data = [this](const std::string& letters) {
      return population_ ? semicircular_word(letters) : label_word(letters, labels_);
    };
    std::vector<FreeFactor> factors;
    std::string before;
    for (const char letter : word)
      if (const std::size_t e = std::string_view("WSM").find(letter); e != std::string_view::npos)
        factors.push_back({e, ""});
      else
        (factors.empty() ? before : factors.back().after) += letter;
    return factors.empty() ? data(before) : network_word(factors, readouts_, data);
  }

 private:
  bool population_, of_one_rank_;
  std::vector<double> labels_, readouts_;
};

}  // namespace

std::vector<double> unit_moments(std::span<const double> moments) {
  std::vector<double> out{1};
  const double square = moments.size() > 1 ? moments[1] : 0;
  if (!(square > 0)) throw std::invalid_argument("needs a positive mean square");
  for (std::size_t p = 1; p <= moments.size(); ++p)
    out.push_back(moments[p - 1] / std::pow(square, 0.5 * static_cast<double>(p)));
  const std::size_t half = moments.size() / 2 + 1;
  Matrix hankel(half, half);
  for (std::size_t i = 0; i < half; ++i)
    for (std::size_t j = 0; j < half; ++j) hankel(i, j) = out[i + j];
  if (!std::ranges::all_of(out, [](double x) { return std::isfinite(x); }) ||
      symmetric_eigenvalues(hankel).front() < -1e-12 * trace(hankel))
    throw std::invalid_argument("are the moments of no law");
  return out;
}

std::vector<double> label_moments(const QuadraticNet& net) {
  switch (net.label) {
    case LabelKind::signs:
      return {1, 0, 1, 0, 1};
    case LabelKind::values:
      return moments_of(net.label_values, label_powers);
    case LabelKind::moments:
      return unit_moments(net.label_moments);
    case LabelKind::rank_one:  // z^2 - 1 over sqrt 2
      return {1, 0, 1, std::sqrt(8.0), 15};
    default:
      return normal_moments(label_powers);
  }
}

std::vector<double> readout_moments(const QuadraticNet& net) {
  switch (net.readout) {
    case ReadoutKind::signs:
      return {1, 0, 1, 0, 1, 0, 1, 0, 1};
    case ReadoutKind::ones:
      return std::vector<double>(readout_powers + 1, 1.0);
    case ReadoutKind::gaussian:
      return normal_moments(readout_powers);
    default:
      return moments_of(net.readout_values, readout_powers);
  }
}

StartAlignment limit(const QuadraticNet& net) {
  const double c_n = net.examples_ratio, c_m = net.width_ratio;
  const Words words(net);
  StartAlignment out;
  out.centred = words.of_one_rank() ? 1 : ratio_at(words("MAAMBMAA"), words("MAAMAA"), words("MBMAAMBMAA"), c_n, c_m);
  out.uncentred = ratio_at(words("WSBS"), words("WW"), words("SBSSBS"), c_n, c_m);
  return out;
}

std::vector<std::pair<std::string, double>> traces(const QuadraticNet& net) {
  const Words words(net);
  std::vector<std::pair<std::string, double>> out;
  for (const char* word :
       {"AA", "B", "AAB", "AAAA", "AAAAB", "AABAAB", "MAAMBMAA", "MAAMAA", "MBMAAMBMAA", "WSBS", "WW", "SBSSBS"}) {
    if (words.of_one_rank() && std::string_view(word).find('A') != std::string_view::npos) continue;
    double sum = 0;
    for (const auto& [powers, coefficient] : words(word))
      sum += coefficient * std::pow(net.examples_ratio, powers.first) * std::pow(net.width_ratio, powers.second);
    out.emplace_back(std::string("tau_") + word, sum);
  }
  return out;
}

StartAlignment draw(const QuadraticNet& net, Correlation kind, std::uint64_t seed, std::uint64_t index) {
  const std::size_t d = net.dimension;
  random::Stream stream(seed, index, 0, random::Purpose::data);
  Matrix a, b = Matrix::identity(d, d);
  if (net.examples_ratio == 0) {
    a = population_moment(net, stream);
  } else {
    const Matrix x = normals(stream, d, count_of(d, net.examples_ratio));
    a = weighted_square(x, draw_labels(net, x, stream));
    b = weighted_square(x, std::vector<double>(x.columns(), 1.0));
  }
  // (1/m) sum_j a_j^e w_j w_j' for e = 0, 1, 2.
  Matrix network[3];
  stream.seek(0, random::Purpose::initial);
  if (net.width_ratio == 0) {
    const std::vector<double> moments = readout_moments(net);
    for (std::size_t e = 0; e < 3; ++e) network[e] = scaled_identity(d, moments[e]);
    if (moments[1] == 0) network[1] = semicircular(stream, d);  // what fluctuates
  } else {
    const Matrix w = normals(stream, d, count_of(d, net.width_ratio));
    const std::vector<double> readout = draw_readouts(net, w.columns(), stream);
    for (std::size_t e = 0; e < 3; ++e) {
      std::vector<double> weight(readout);
      for (double& x : weight) x = std::pow(x, static_cast<double>(e));
      network[e] = weighted_square(w, weight);
    }
  }
  const auto around = [](const Matrix& outer, const Matrix& inner) { return product(product(outer, inner), outer); };
  StartAlignment out;
  out.centred = correlation_of(kind, {around(a, network[2]), around(a, around(network[2], b))}, 1, true);
  out.uncentred = correlation_of(kind, {network[0], around(network[1], b)}, 1, false);
  return out;
}

}  // namespace edgewise::models::feature_alignment
