#include "models/ingredients/noise.hpp"

#include <algorithm>
#include <array>
#include <boost/math/quadrature/gauss.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>

#include "models/ingredients/gamma_rule.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::ingredients {

namespace {

using settings::Description;
using settings::Parameter;
using settings::Values;

/// A smaller scale or variance is none.
constexpr double smallest_scale = 1e-150, smallest_variance = 1e-300;
/// Inverses of the degrees of freedom must remain numbers, and half of them more than 0.
constexpr double smallest_dof = 1e-300;
/// Squares of scales, and what is added to them, must remain numbers.
constexpr double largest_scale = 1e150, largest_variance = 1e300;
/// Variances beyond it are not told apart.
constexpr double farthest_variance = 1e305;
/// Draws are cut here, far beyond all that a run can tell from infinity and with room for their squares.
constexpr double largest_draw = 1e150;

// erfcx(z) = e^{z^2} erfc(z), and log(sqrt(pi) z erfcx(z)), z > 0, which for large z has an asymptotic series.
constexpr double asymptotic = 8;
double log_mills(double z);
double erfcx(double z) {
  return z < asymptotic ? std::exp(z * z) * std::erfc(z) : std::exp(log_mills(z)) / (std::sqrt(pi) * z);
}
double log_mills(double z) {
  if (z < asymptotic) return std::log(std::sqrt(pi) * z * erfcx(z));
  const double inverse = 1 / (2 * z * z);
  double term = 1, sum = 0;
  for (int k = 1; k <= 12; ++k) {
    term *= -(2 * k - 1) * inverse;
    sum += term;
  }
  return std::log1p(sum);
}

// log sqrt(P/(P + V)).
double log_shrinkage(double P, double V) {
  return V < 1e8 * P ? -0.5 * std::log1p(V / P) : 0.5 * (std::log(P) - std::log(P + V));
}

// log E sqrt(P/(P + V)) over nodes of mean 0.
double log_shrinkage(double P, std::span<const MixtureNode> nodes) {
  const double root = std::sqrt(P);
  double sum = 0, deficit = 0;  // of 1
  for (const MixtureNode& node : nodes) {
    const double total = P + node.variance, shrinkage = root / std::sqrt(total);
    sum += node.probability * shrinkage;
    deficit += node.probability * (node.variance / total / (1 + shrinkage));
  }
  return deficit < 0.5 ? std::log1p(-deficit) : std::log(sum);
}

/// What every law shares: its name, E eps^2 and its kurtosis.
class NamedNoise : public Noise {
 public:
  NamedNoise(std::string name, double variance, double kurtosis)
      : name_(std::move(name)), variance_(variance), kurtosis_(kurtosis) {}
  const std::string& name() const override { return name_; }
  double variance() const override { return variance_; }
  double kurtosis() const override { return kurtosis_; }

 private:
  std::string name_;
  double variance_, kurtosis_;
};

/// eps = 0 always.
class Absent final : public NamedNoise {
 public:
  explicit Absent(std::string name) : NamedNoise(std::move(name), 0, 3) {}
  bool gaussian() const override { return true; }
  double draw(random::Stream&) const override { return 0; }
  double density(double eps) const override { return eps == 0 ? infinity : 0; }
  std::vector<MixtureNode> nodes(const Average&) const override { return {{1, 0, 0}}; }
  double log_exponential_average(double) const override { return 0; }
  std::vector<double> sizes() const override { return {}; }
};

double normal_density(double x, double variance) {
  return std::exp(-x * x / (2 * variance)) / std::sqrt(2 * pi * variance);
}

class Gaussian final : public NamedNoise {
 public:
  explicit Gaussian(double variance, std::string name = "gaussian") : NamedNoise(std::move(name), variance, 3) {}
  bool gaussian() const override { return true; }
  double draw(random::Stream& stream) const override { return std::sqrt(variance()) * stream.normal(); }
  double density(double eps) const override { return normal_density(eps, variance()); }
  std::vector<MixtureNode> nodes(const Average&) const override { return {{1, 0, variance()}}; }
  double log_exponential_average(double P) const override { return log_shrinkage(P, variance()); }
  std::vector<double> sizes() const override { return {std::sqrt(variance())}; }
};

/// Replaces nodes of mean 0 in [first, last), to which what is averaged is a cubic in x = V^power to rounding, by the two of
/// the Gauss rule in x, which averages cubics alike.
void join(std::vector<MixtureNode>& nodes, std::size_t first, std::size_t last, double power) {
  if (last < first + 3) return;
  double largest = 0;
  std::array<double, 4> m{};
  const auto x_of = [power](const MixtureNode& node) {
    return power == 1 ? node.variance : 1 / std::sqrt(node.variance);
  };
  for (std::size_t i = first; i < last; ++i) largest = std::max(largest, x_of(nodes[i]));
  for (std::size_t i = first; i < last; ++i) {
    const double x = x_of(nodes[i]) / largest;
    double term = nodes[i].probability;
    for (double& moment : m) {
      moment += term;
      term *= x;
    }
  }
  // x^2 - sum x + product, orthogonal to 1 and x.
  const double mean = m[1] / m[0], spread = m[2] / m[0] - mean * mean;
  if (!(spread > 1e-8 * mean * mean)) return;
  const double sum = (m[3] - mean * m[2]) / (m[0] * spread), product = sum * mean - m[2] / m[0];
  const double upper = sum / 2 + std::sqrt(std::max(sum * sum / 4 - product, 0.0)), lower = product / upper;
  const double share = (mean - lower) / (upper - lower);
  const auto V_of = [&](double x) { return power == 1 ? x * largest : 1 / (x * largest * (x * largest)); };
  if (!(lower > 0 && share > 0 && share < 1)) return;
  nodes[first] = {m[0] * (1 - share), 0, std::min(V_of(lower), farthest_variance)};
  nodes[first + 1] = {m[0] * share, 0, V_of(upper)};
  nodes.erase(nodes.begin() + static_cast<std::ptrdiff_t>(first) + 2,
              nodes.begin() + static_cast<std::ptrdiff_t>(last));
}

class Laplace final : public NamedNoise {
 public:
  explicit Laplace(double variance) : NamedNoise("laplace", variance, 6), b_(std::sqrt(variance / 2)) {}
  /// The difference of two exponentials.
  double draw(random::Stream& stream) const override {
    const double first = stream.exponential();
    return b_ * std::sqrt(2.0) * ((first - stream.exponential()) / std::sqrt(2.0));
  }
  double density(double eps) const override { return std::exp(-std::abs(eps) / b_) / (2 * b_); }
  std::vector<MixtureNode> nodes(const Average& average) const override {
    std::vector<MixtureNode> nodes;
    // Densities see V^(-1/2) for small V, powers of r see those of V for large ones.
    for (const auto& [u, probability] : log_gamma_rule(1, 0.5, average.growth / 2, -infinity))
      nodes.push_back({probability, 0, variance() * std::exp(u)});
    // Analytic in V where V << P.
    std::size_t small = 0;
    while (small < nodes.size() && nodes[small].variance < 1e-4 * average.width * average.width) ++small;
    join(nodes, 0, small, 1);
    return nodes;
  }
  DensitySlope blurred_density(double width, double place, double away) const override {
    if (b_ < width) return Noise::blurred_density(width, place, away);
    const double r = std::abs(place + away), narrow = width / b_;
    // Of the exponentials of positive and of negative eps: e^(narrow^2/2 -+ r/b) erfc((narrow -+ r/width)/sqrt 2)/(4b).
    const double near = (narrow - r / width) / std::sqrt(2.0), far = (narrow + r / width) / std::sqrt(2.0);
    const double common = std::exp(-(r / width) * (r / width) / 2);
    const double positive = near > 0 ? common * erfcx(near) : std::exp(narrow * narrow / 2 - r / b_) * std::erfc(near);
    const double negative = common > 0 ? common * erfcx(far) : 0;
    return {(positive + negative) / (4 * b_), std::copysign((positive - negative) / (4 * b_) / b_, -(place + away))};
  }
  double log_exponential_average(double P) const override { return log_mills(std::sqrt(P / 2) / b_); }
  std::vector<double> sizes() const override { return {b_}; }

 private:
  double b_;
};

class Student final : public NamedNoise {
 public:
  /// The variance is that of dof and scale, for dof > 2.
  Student(std::string name, double dof, double scale, double variance)
      : NamedNoise(std::move(name), dof > 2 ? variance : infinity, dof > 4 ? 3 * ((dof - 2) / (dof - 4)) : infinity),
        dof_(dof),
        scale_(scale),
        nodes_(mixture(scale, 0)),
        unit_(mixture(1, 0)) {}
  double tail_index() const override { return dof_; }
  double draw(random::Stream& stream) const override {
    const double normal = stream.normal();
    // The square root of a tiny dof's chi square may vanish.
    return std::clamp(scale_ * (std::sqrt(dof_) * normal / std::sqrt(stream.chi_square(dof_))), -largest_draw,
                      largest_draw);
  }
  double density(double eps) const override {
    const double z = eps / scale_;
    // Gamma((dof + 1)/2)/Gamma(dof/2) sqrt(2/dof) -> 1.
    const double peak = boost::math::tgamma_delta_ratio(std::min(dof_, 1e15) / 2, 0.5);
    const double body = dof_ < 1e15 ? std::exp(-(dof_ + 1) / 2 * std::log1p(z * z / dof_)) : std::exp(-z * z / 2);
    return body / (peak * std::sqrt(std::min(dof_, 1e15) * pi) * scale_);
  }
  std::vector<MixtureNode> nodes(const Average& average) const override {
    if (average.growth > 0) return mixture(scale_, average.growth);
    // Beyond the last kink a bounded g is constant, and its average analytic in V^(-1/2) where V is large.
    double reach = average.width * average.width;
    for (const double kink : average.kinks) reach = std::max(reach, kink * kink);
    if (reach == 0 || !average.joints.empty()) return nodes_;
    std::vector<MixtureNode> nodes = nodes_;
    std::size_t large = 0;
    while (large < nodes.size() && nodes[large].variance > 1e7 * reach) ++large;
    join(nodes, 0, large, -0.5);
    return nodes;
  }
  double log_exponential_average(double P) const override {
    return in_units_of_scale(P / scale_ / scale_, std::log(P) - 2 * std::log(scale_));
  }
  double log_exponential_average_at(double log_P) const override {
    const double log_ratio = log_P - 2 * std::log(scale_);
    return in_units_of_scale(std::exp(log_ratio), log_ratio);
  }
  std::vector<double> sizes() const override { return {scale_}; }

 private:
  /// log G(P) by P/scale^2. The variances of the mixture reach the end of the range of doubles, which in units of the scale
  /// is far out, whatever the scale.
  double in_units_of_scale(double ratio, double log_ratio) const {
    constexpr double log_range = 650;
    if (log_ratio > log_range)
      return in_units_of_scale(std::exp(log_range), log_range) *
             std::exp((log_range - log_ratio) * std::min(1.0, dof_ / 2));
    if (log_ratio < -log_range)
      return in_units_of_scale(std::exp(-log_range), -log_range) + (log_ratio + log_range) / 2;
    if (dof_ == 1) {
      const double z = 1 / std::sqrt(2 * ratio);
      if (z > 0.1) return log_mills(z) - std::log(std::sqrt(pi) * z);
    }
    return log_shrinkage(ratio, unit_);
  }
  /// Of t times `scale`.
  std::vector<MixtureNode> mixture(double scale, double growth) const {
    const double square = scale * scale;
    // Powers of V must remain numbers, and the node that stands for the rest lies farther out.
    const double most = std::log(growth > 0 ? 1e250 : farthest_variance) / std::max(1.0, growth / 2);
    std::vector<MixtureNode> nodes;
    for (const auto& [u, probability] : log_gamma_rule(dof_ / 2, growth / 2, 0.5, std::log(square) - most))
      nodes.push_back({probability, 0, std::min(square * std::exp(-u), farthest_variance)});
    return nodes;
  }

  double dof_, scale_;
  std::vector<MixtureNode> nodes_, unit_;
};

class Uniform final : public NamedNoise {
 public:
  explicit Uniform(double variance) : NamedNoise("uniform", variance, 1.8), half_(std::sqrt(3 * variance)) {}
  double draw(random::Stream& stream) const override { return half_ * (2 * stream.uniform() - 1); }
  double density(double eps) const override { return std::abs(eps) <= half_ ? 1 / (2 * half_) : 0; }
  std::vector<MixtureNode> nodes(const Average& average) const override {
    // Panels that widen with the distance from a kink; beyond 8.5 widths only the polynomials are left.
    std::vector<double> cuts;
    for (const double kink : average.kinks)
      for (const double away : {-8.5, -4.0, -2.0, 0.0, 2.0, 4.0, 8.5}) cuts.push_back(kink + away * average.width);
    cuts.insert(cuts.end(), average.joints.begin(), average.joints.end());
    for (std::size_t i = cuts.size(); i-- > 0;) cuts.push_back(-cuts[i]);
    std::ranges::sort(cuts);
    std::vector<double> edges{-half_};
    for (const double cut : cuts)
      if (cut - edges.back() > 0.5 * average.width && half_ - cut > 0.5 * average.width) edges.push_back(cut);
    edges.push_back(half_);
    using Rule = boost::math::quadrature::gauss<double, 20>;
    std::vector<MixtureNode> nodes;
    for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
      const double width = (edges[i + 1] - edges[i]) / 2, middle = edges[i] + width;
      for (std::size_t j = 0; j < Rule::abscissa().size(); ++j) {
        const double probability = Rule::weights()[j] * (width / half_) / 2;
        nodes.push_back({probability, middle + width * Rule::abscissa()[j], 0});
        nodes.push_back({probability, middle - width * Rule::abscissa()[j], 0});
      }
    }
    return nodes;
  }
  DensitySlope blurred_density(double width, double place, double away) const override {
    if (half_ < width) return Noise::blurred_density(width, place, away);
    if (place + away < 0) {
      const DensitySlope mirrored = blurred_density(width, -place, -away);
      return {mirrored.value, -mirrored.slope};
    }
    // Between both edges, in widths; far out the difference is that of what is left beyond either.
    const double low = ((place - half_) + away) / width, high = ((place + half_) + away) / width;
    const double share = low > 0 ? std::erfc(low / std::sqrt(2.0)) - std::erfc(high / std::sqrt(2.0))
                                 : std::erf(high / std::sqrt(2.0)) - std::erf(low / std::sqrt(2.0));
    return {share / (4 * half_), (normal_density(high, 1) - normal_density(low, 1)) / (2 * half_) / width};
  }
  double log_exponential_average(double P) const override {
    const double x = half_ / std::sqrt(2 * P);
    if (x > 0.3) return std::log(std::sqrt(pi) / 2 * std::erf(x) / x);
    double term = 1, sum = 0;
    for (int k = 1; k <= 10; ++k) {
      term *= -x * x / k;
      sum += term / (2 * k + 1);
    }
    return std::log1p(sum);
  }
  std::vector<double> sizes() const override { return {half_}; }

 private:
  double half_;
};

class ThreePoint final : public NamedNoise {
 public:
  ThreePoint(std::string name, double scale, double probability, double variance)
      : NamedNoise(std::move(name), variance, 1 / probability), scale_(scale), probability_(probability) {}
  double draw(random::Stream& stream) const override {
    if (probability_ < 1 && stream.uniform() >= probability_) return 0;
    return (stream.bits() >> 63) != 0 ? scale_ : -scale_;
  }
  double density(double eps) const override {
    return std::abs(eps) == scale_ || (eps == 0 && probability_ < 1) ? infinity : 0;
  }
  std::vector<MixtureNode> nodes(const Average&) const override {
    std::vector<MixtureNode> nodes{{probability_ / 2, scale_, 0}, {probability_ / 2, -scale_, 0}};
    if (probability_ < 1) nodes.push_back({1 - probability_, 0, 0});
    return nodes;
  }
  double log_exponential_average(double P) const override {
    const double exponent = -scale_ / P * scale_ / 2;
    return probability_ == 1 ? exponent : std::log1p(probability_ * std::expm1(exponent));
  }
  std::vector<double> sizes() const override { return {scale_}; }

 private:
  double scale_, probability_;
};

/// Of normal values of two sizes, the second with this probability.
double mixed_kurtosis(double scale, double outlier_scale, double probability) {
  const double unit = std::max(scale, outlier_scale);
  const double a = std::pow(scale / unit, 2), b = std::pow(outlier_scale / unit, 2);
  const double variance = (1 - probability) * a + probability * b;
  return 3 * ((1 - probability) * a * a + probability * b * b) / (variance * variance);
}

class Contaminated final : public NamedNoise {
 public:
  Contaminated(double scale, double outlier_scale, double probability)
      : NamedNoise("contaminated", (1 - probability) * scale * scale + probability * outlier_scale * outlier_scale,
                   mixed_kurtosis(scale, outlier_scale, probability)),
        scale_(scale),
        outlier_scale_(outlier_scale),
        probability_(probability) {}
  double draw(random::Stream& stream) const override {
    const bool outlier = stream.uniform() < probability_;
    return (outlier ? outlier_scale_ : scale_) * stream.normal();
  }
  double density(double eps) const override {
    const auto part = [eps](double probability, double scale) {
      if (probability == 0) return 0.0;
      if (scale == 0) return eps == 0 ? infinity : 0.0;
      return probability * normal_density(eps, scale * scale);
    };
    return part(1 - probability_, scale_) + part(probability_, outlier_scale_);
  }
  std::vector<MixtureNode> nodes(const Average&) const override {
    return {{1 - probability_, 0, scale_ * scale_}, {probability_, 0, outlier_scale_ * outlier_scale_}};
  }
  double log_exponential_average(double P) const override { return log_shrinkage(P, nodes({})); }
  std::vector<double> sizes() const override { return {scale_, outlier_scale_}; }

 private:
  double scale_, outlier_scale_, probability_;
};

/// Of a law and normal noise beside it; both of a finite variance, else infinite.
double blurred_kurtosis(const Noise& noise, double variance) {
  if (!std::isfinite(noise.kurtosis())) return infinity;
  const double share = noise.variance() / (noise.variance() + variance), rest = 1 - share;
  return noise.kurtosis() * share * share + 3 * rest * (2 * share + rest);
}

class Blurred final : public NamedNoise {
 public:
  Blurred(std::shared_ptr<const Noise> noise, double variance)
      : NamedNoise(noise->name(), noise->variance() + variance, blurred_kurtosis(*noise, variance)),
        noise_(std::move(noise)),
        variance_(variance) {}
  double tail_index() const override { return noise_->tail_index(); }
  double draw(random::Stream& stream) const override {
    const double eps = noise_->draw(stream);
    return eps + std::sqrt(variance_) * stream.normal();
  }
  double density(double eps) const override { return noise_->blurred_density(std::sqrt(variance_), eps, 0).value; }
  DensitySlope blurred_density(double width, double place, double away) const override {
    return noise_->blurred_density(std::hypot(std::sqrt(variance_), width), place, away);
  }
  std::vector<MixtureNode> nodes(const Average& average) const override {
    Average wider = average;
    wider.width = std::hypot(std::sqrt(variance_), average.width);
    std::vector<MixtureNode> nodes = noise_->nodes(wider);
    for (MixtureNode& node : nodes) node.variance += variance_;
    return nodes;
  }
  double log_exponential_average(double P) const override {
    // exp(-(e + z)^2/(2P)), averaged over z, is again of that form in e, with P + variance.
    return log_shrinkage(P, variance_) + noise_->log_exponential_average(P + variance_);
  }
  std::vector<double> sizes() const override {
    std::vector<double> sizes = noise_->sizes();
    sizes.push_back(std::sqrt(variance_));
    return sizes;
  }

 private:
  std::shared_ptr<const Noise> noise_;
  double variance_;
};

constexpr const char* page_of_laws = "docs/theory/sign-and-clip.md, section 0.2";

Parameter variance_parameter() {
  return settings::number("variance", "E eps^2").in("label^2").at_least(0).at_most(largest_variance).must();
}
Parameter scale_parameter(const std::string& name, const std::string& doc) {
  return settings::number(name, doc).in("label").at_least(0).at_most(largest_scale).must();
}
Parameter probability_parameter(const std::string& doc) {
  return settings::number("probability", doc).at_least(0).at_most(1).must();
}

NoiseKind simple(std::string name, std::string summary, std::string density,
                 std::unique_ptr<Noise> (*of_variance)(double)) {
  return {{std::move(name), std::move(summary), std::move(density), page_of_laws, {variance_parameter()}},
          [of_variance](const Values& values) { return of_variance(values.number("variance")); }};
}

NoiseKind none_kind() {
  return {{"none", "no label noise", "eps = 0", "", {}}, [](const Values&) { return no_noise(); }};
}

std::unique_ptr<Noise> read_student(const Values& values) {
  const double dof = values.number("dof");
  if (values.given("scale") && values.given("variance"))
    throw values.error("scale", "give either scale or variance, not both");
  if (values.given("scale")) return student_noise(dof, values.number("scale"));
  if (dof <= 2)
    throw values.error(values.given("variance") ? "variance" : "scale",
                       "the variance is infinite for dof <= 2: give `scale` instead of `variance`");
  if (!values.given("variance"))
    throw values.error("variance", "is required (a number, >= 0), unless `scale` is given");
  const double variance = values.number("variance"), scale = std::sqrt(variance * ((dof - 2) / dof));
  if (scale < smallest_scale) return student_noise(dof, 0);
  return std::make_unique<Student>("student-t", dof, scale, variance);
}

NoiseKind student_kind() {
  return {{"student-t",
           "Student's t, heavy-tailed",
           "eps = s T_dof,  s = scale, or s^2 = variance (dof - 2)/dof;  E eps^2 is infinite for dof <= 2, "
           "E eps^4 = 3 variance^2 (dof - 2)/(dof - 4), infinite for dof <= 4",
           page_of_laws,
           {settings::number("variance", "E eps^2, for dof > 2; or instead `scale`")
                .in("label^2")
                .at_least(0)
                .at_most(largest_variance),
            settings::number("scale", "s; or instead `variance`").in("label").at_least(0).at_most(largest_scale),
            settings::number("dof", "degrees of freedom").at_least(smallest_dof).otherwise(5.0)}},
          read_student};
}

NoiseKind cauchy_kind() {
  return {{"cauchy",
           "Cauchy: neither mean nor variance exists",
           "density 1/(pi s (1 + (eps/s)^2)), s = scale",
           page_of_laws,
           {scale_parameter("scale", "half width at half maximum")}},
          [](const Values& values) { return cauchy_noise(values.number("scale")); }};
}

NoiseKind contaminated_kind() {
  return {{"contaminated",
           "normal, with rare outliers of another scale",
           "N(0, scale^2), or with `probability` N(0, outlier_scale^2)",
           page_of_laws,
           {scale_parameter("scale", "standard deviation of the bulk"),
            scale_parameter("outlier_scale", "standard deviation of the outliers"),
            probability_parameter("share of outliers")}},
          [](const Values& values) {
            return contaminated_noise(values.number("scale"), values.number("outlier_scale"),
                                      values.number("probability"));
          }};
}

NoiseKind three_point_kind() {
  return {{"three-point",
           "often none at all, sometimes a large error",
           "eps = 0, or with `probability` +scale or -scale, equally likely",
           page_of_laws,
           {scale_parameter("scale", "size of an error"), probability_parameter("how often one comes")}},
          [](const Values& values) { return three_point_noise(values.number("scale"), values.number("probability")); }};
}

const std::array<NoiseKind, 9>& noise_kind_list() {
  static const std::array<NoiseKind, 9> all{
      none_kind(),
      simple("gaussian", "normal", "density exp(-eps^2/(2 variance)) / sqrt(2 pi variance);  E eps^4 = 3 variance^2",
             gaussian_noise),
      simple("laplace", "double exponential", "density exp(-|eps|/b)/(2b), b^2 = variance/2;  E eps^4 = 6 variance^2",
             laplace_noise),
      student_kind(),
      cauchy_kind(),
      simple("uniform", "uniform on an interval", "uniform on [-c, c], c^2 = 3 variance;  E eps^4 = (9/5) variance^2",
             uniform_noise),
      simple("rademacher", "two values", "eps = +sqrt(variance) or -sqrt(variance), each with probability 1/2",
             rademacher_noise),
      contaminated_kind(),
      three_point_kind()};
  return all;
}

}  // namespace

double Noise::log_exponential_average_at(double log_P) const {
  constexpr double farthest = 1e306;
  const double beyond = log_P - std::log(farthest);
  if (beyond <= 0) return log_exponential_average(std::exp(log_P));
  return log_exponential_average(farthest) * std::exp(-beyond * std::min(1.0, tail_index() / 2));
}

DensitySlope Noise::blurred_density(double width, double place, double away) const {
  DensitySlope out;
  const double r = place + away;
  for (const MixtureNode& node : nodes({.width = width, .kinks = std::span(&r, 1)})) {
    const double variance = width * width + node.variance, z = (place + node.mean) + away;
    const double density = node.probability * normal_density(z, variance);
    out.value += density;
    out.slope -= z / variance * density;
  }
  return out;
}

std::unique_ptr<Noise> no_noise() {
  return std::make_unique<Absent>("none");
}

std::unique_ptr<Noise> gaussian_noise(double variance) {
  if (variance < smallest_variance) return std::make_unique<Absent>("gaussian");
  return std::make_unique<Gaussian>(variance);
}

std::unique_ptr<Noise> laplace_noise(double variance) {
  if (variance < smallest_variance) return std::make_unique<Absent>("laplace");
  return std::make_unique<Laplace>(variance);
}

std::unique_ptr<Noise> student_noise(double dof, double scale) {
  if (scale < smallest_scale) return std::make_unique<Absent>("student-t");
  return std::make_unique<Student>("student-t", dof, scale, scale * scale * (dof / (dof - 2)));
}

std::unique_ptr<Noise> cauchy_noise(double scale) {
  if (scale < smallest_scale) return std::make_unique<Absent>("cauchy");
  return std::make_unique<Student>("cauchy", 1.0, scale, infinity);
}

std::unique_ptr<Noise> uniform_noise(double variance) {
  if (variance < smallest_variance) return std::make_unique<Absent>("uniform");
  return std::make_unique<Uniform>(variance);
}

std::unique_ptr<Noise> rademacher_noise(double variance) {
  if (variance < smallest_variance) return std::make_unique<Absent>("rademacher");
  return std::make_unique<ThreePoint>("rademacher", std::sqrt(variance), 1.0, variance);
}

std::unique_ptr<Noise> contaminated_noise(double scale, double outlier_scale, double probability) {
  if (scale < smallest_scale) scale = 0;
  if (outlier_scale < smallest_scale) outlier_scale = 0;
  // One scale alone.
  if (probability == 0 || probability == 1 || scale == outlier_scale) {
    const double only = probability == 1 ? outlier_scale : scale;
    if (only == 0) return std::make_unique<Absent>("contaminated");
    return std::make_unique<Gaussian>(only * only, "contaminated");
  }
  return std::make_unique<Contaminated>(scale, outlier_scale, probability);
}

std::unique_ptr<Noise> three_point_noise(double scale, double probability) {
  if (scale < smallest_scale || probability == 0) return std::make_unique<Absent>("three-point");
  return std::make_unique<ThreePoint>("three-point", scale, probability, probability * scale * scale);
}

std::unique_ptr<Noise> blurred_noise(std::shared_ptr<const Noise> noise, double variance) {
  if (noise->gaussian()) return gaussian_noise(noise->variance() + variance);
  return std::make_unique<Blurred>(std::move(noise), variance);
}

std::span<const NoiseKind> noise_kinds() {
  return noise_kind_list();
}

std::unique_ptr<Noise> read_noise(const settings::Table& experiment) {
  const settings::Table section = experiment.table_or_empty("noise");
  const bool present = experiment.has("noise");
  if (const auto* law = section.find("law"); law && section.has("variance"))
    if (const auto* word = std::get_if<std::string>(law); word && *word == "none")
      throw section.error("variance", "law \"none\" has no variance; leave it out, or choose a law such as gaussian");
  std::vector<const Description*> descriptions;
  for (const auto& kind : noise_kind_list()) descriptions.push_back(&kind.description);
  const auto choice =
      settings::read_choice(experiment, "noise", descriptions, present ? "gaussian" : "none", {}, "law");
  return noise_kind_list()[choice.index].build(choice.values);
}

}  // namespace edgewise::models::ingredients
