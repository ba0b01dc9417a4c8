#include "models/ingredients/noise.hpp"

#include <algorithm>
#include <array>
#include <boost/math/constants/constants.hpp>
#include <boost/math/quadrature/exp_sinh.hpp>
#include <boost/math/quadrature/gauss.hpp>
#include <cmath>

namespace edgewise::models::ingredients {

namespace {

using settings::Description;
using settings::Parameter;
using settings::Values;

constexpr double pi = boost::math::constants::pi<double>();
constexpr double infinity = std::numeric_limits<double>::infinity();
// Nodes of less probability cannot move a bounded average by a rounding error.
constexpr double negligible = 1e-19;

// e^{x^2} erfc(x) for x >= 0: directly, and for large x by its asymptotic series, which there is exact to rounding.
double erfcx(double x) {
  if (x < 20) return std::exp(x * x) * std::erfc(x);
  const double inverse = 1 / (2 * x * x);
  double term = 1, sum = 1;
  for (int k = 1; k <= 12; ++k) {
    term *= -(2 * k - 1) * inverse;
    sum += term;
  }
  return sum / (x * std::sqrt(pi));
}

/// What every law shares: its name, E eps^2 and E eps^4.
class NamedNoise : public Noise {
 public:
  NamedNoise(std::string name, double variance, double fourth_moment)
      : name_(std::move(name)), variance_(variance), fourth_moment_(fourth_moment) {}
  const std::string& name() const override { return name_; }
  double variance() const override { return variance_; }
  double fourth_moment() const override { return fourth_moment_; }

 private:
  std::string name_;
  double variance_, fourth_moment_;
};

/// eps = 0 always.
class Absent final : public NamedNoise {
 public:
  explicit Absent(std::string name) : NamedNoise(std::move(name), 0, 0) {}
  bool gaussian() const override { return true; }
  double draw(random::Stream&) const override { return 0; }
  double density(double eps) const override { return eps == 0 ? infinity : 0; }
  std::vector<MixtureNode> nodes(double) const override { return {{1, 0, 0}}; }
  double exponential_average(double) const override { return 1; }
};

double normal_density(double x, double variance) {
  return std::exp(-x * x / (2 * variance)) / std::sqrt(2 * pi * variance);
}

class Gaussian final : public NamedNoise {
 public:
  explicit Gaussian(double variance) : NamedNoise("gaussian", variance, 3 * variance * variance) {}
  bool gaussian() const override { return true; }
  double draw(random::Stream& stream) const override { return std::sqrt(variance()) * stream.normal(); }
  double density(double eps) const override { return normal_density(eps, variance()); }
  std::vector<MixtureNode> nodes(double) const override { return {{1, 0, variance()}}; }
  double exponential_average(double P) const override { return std::sqrt(P / (P + variance())); }
};

/// E f(V) for V = V(Y), e^Y ~ Gamma(shape): the trapezoid rule in y is spectrally accurate.
template <class Variance>
std::vector<MixtureNode> log_gamma_nodes(double shape, Variance variance) {
  constexpr double step = 0.1;
  const double last = std::log(60 + 3 * shape), log_gamma = std::lgamma(shape);
  std::vector<MixtureNode> nodes;
  double total = 0;
  for (double y = -45 / shape; y <= last; y += step) {
    const double probability = step * std::exp(shape * y - std::exp(y) - log_gamma);
    if (probability < negligible) continue;
    nodes.push_back({probability, 0, variance(y)});
    total += probability;
  }
  for (MixtureNode& node : nodes) node.probability /= total;
  return nodes;
}

class Laplace final : public NamedNoise {
 public:
  explicit Laplace(double variance)
      : NamedNoise("laplace", variance, 6 * variance * variance), b_(std::sqrt(variance / 2)) {}
  /// The difference of two exponentials.
  double draw(random::Stream& stream) const override {
    const double first = stream.exponential();
    return b_ * std::sqrt(2.0) * ((first - stream.exponential()) / std::sqrt(2.0));
  }
  double density(double eps) const override { return std::exp(-std::abs(eps) / b_) / (2 * b_); }
  std::vector<MixtureNode> nodes(double) const override {
    return log_gamma_nodes(1, [this](double y) { return variance() * std::exp(y); });
  }
  double exponential_average(double P) const override {
    return std::sqrt(pi * P / 2) / b_ * erfcx(std::sqrt(P / 2) / b_);
  }

 private:
  double b_;
};

class Student final : public NamedNoise {
 public:
  Student(std::string name, double dof, double scale)
      : NamedNoise(std::move(name), dof > 2 ? scale * scale * dof / (dof - 2) : infinity,
                   dof > 4 ? 3 * std::pow(scale, 4) * dof * dof / ((dof - 2) * (dof - 4)) : infinity),
        dof_(dof),
        scale_(scale) {}
  double tail_index() const override { return dof_; }
  double draw(random::Stream& stream) const override {
    const double normal = stream.normal();
    return scale_ * std::sqrt(dof_) * normal / std::sqrt(stream.chi_square(dof_));
  }
  double density(double eps) const override {
    const double z = eps / scale_;
    return std::exp(std::lgamma((dof_ + 1) / 2) - std::lgamma(dof_ / 2) - (dof_ + 1) / 2 * std::log1p(z * z / dof_)) /
           (std::sqrt(dof_ * pi) * scale_);
  }
  std::vector<MixtureNode> nodes(double) const override {
    return log_gamma_nodes(dof_ / 2, [this](double y) { return scale_ * scale_ * dof_ / 2 * std::exp(-y); });
  }
  double exponential_average(double P) const override {
    if (dof_ == 1) return erfcx(scale_ / std::sqrt(2 * P));
    // Gamma((nu+1)/2)/Gamma(nu/2) U(1/2, 1 - nu/2, z), with U by its integral
    // U(a, b, z) = 1/Gamma(a) int_0^inf e^{-z t} t^{a-1} (1+t)^{b-a-1} dt and t = u^2 / z to take the root out.
    const double z = dof_ * scale_ * scale_ / (2 * P), power = -(dof_ + 1) / 2;
    boost::math::quadrature::exp_sinh<double> rule;
    const double integral = rule.integrate([&](double u) { return std::exp(-u * u) * std::pow(1 + u * u / z, power); });
    return std::exp(std::lgamma((dof_ + 1) / 2) - std::lgamma(dof_ / 2)) * 2 * integral / std::sqrt(pi * z);
  }

 private:
  double dof_, scale_;
};

class Uniform final : public NamedNoise {
 public:
  explicit Uniform(double variance)
      : NamedNoise("uniform", variance, 1.8 * variance * variance), half_(std::sqrt(3 * variance)) {}
  double draw(random::Stream& stream) const override { return half_ * (2 * stream.uniform() - 1); }
  double density(double eps) const override { return std::abs(eps) <= half_ ? 1 / (2 * half_) : 0; }
  std::vector<MixtureNode> nodes(double resolution) const override {
    // 200 Gauss-Legendre nodes resolve Gaussians of width 1/50 of half the interval.
    using Rule = boost::math::quadrature::gauss<double, 200>;
    const double panels = std::clamp(std::ceil(half_ / (50 * resolution)), 1.0, 1e4);
    const double width = half_ / panels;  // half of a panel's
    std::vector<MixtureNode> nodes;
    for (double panel = 0; panel < panels; ++panel) {
      const double middle = -half_ + (2 * panel + 1) * width;
      for (std::size_t i = 0; i < Rule::abscissa().size(); ++i) {
        const double probability = Rule::weights()[i] / (2 * panels);
        nodes.push_back({probability, middle + width * Rule::abscissa()[i], 0});
        nodes.push_back({probability, middle - width * Rule::abscissa()[i], 0});
      }
    }
    return nodes;
  }
  double exponential_average(double P) const override {
    return std::sqrt(pi * P / 2) / half_ * std::erf(half_ / std::sqrt(2 * P));
  }

 private:
  double half_;
};

class ThreePoint final : public NamedNoise {
 public:
  ThreePoint(std::string name, double scale, double probability, double variance)
      : NamedNoise(std::move(name), variance, scale * scale * variance), scale_(scale), probability_(probability) {}
  double draw(random::Stream& stream) const override {
    if (probability_ < 1 && stream.uniform() >= probability_) return 0;
    return (stream.bits() >> 63) != 0 ? scale_ : -scale_;
  }
  double density(double eps) const override {
    return std::abs(eps) == scale_ || (eps == 0 && probability_ < 1) ? infinity : 0;
  }
  std::vector<MixtureNode> nodes(double) const override {
    std::vector<MixtureNode> nodes{{probability_ / 2, scale_, 0}, {probability_ / 2, -scale_, 0}};
    if (probability_ < 1) nodes.push_back({1 - probability_, 0, 0});
    return nodes;
  }
  double exponential_average(double P) const override {
    return (1 - probability_) + probability_ * std::exp(-scale_ * scale_ / (2 * P));
  }

 private:
  double scale_, probability_;
};

class Contaminated final : public NamedNoise {
 public:
  Contaminated(double scale, double outlier_scale, double probability)
      : NamedNoise("contaminated", (1 - probability) * scale * scale + probability * outlier_scale * outlier_scale,
                   3 * ((1 - probability) * std::pow(scale, 4) + probability * std::pow(outlier_scale, 4))),
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
  std::vector<MixtureNode> nodes(double) const override {
    return {{1 - probability_, 0, scale_ * scale_}, {probability_, 0, outlier_scale_ * outlier_scale_}};
  }
  double exponential_average(double P) const override {
    return (1 - probability_) * std::sqrt(P / (P + scale_ * scale_)) +
           probability_ * std::sqrt(P / (P + outlier_scale_ * outlier_scale_));
  }

 private:
  double scale_, outlier_scale_, probability_;
};

class Blurred final : public NamedNoise {
 public:
  Blurred(std::shared_ptr<const Noise> noise, double variance)
      : NamedNoise(noise->name(), noise->variance() + variance,
                   noise->fourth_moment() + 6 * noise->variance() * variance + 3 * variance * variance),
        noise_(std::move(noise)),
        variance_(variance) {}
  double tail_index() const override { return noise_->tail_index(); }
  double draw(random::Stream& stream) const override {
    const double eps = noise_->draw(stream);
    return eps + std::sqrt(variance_) * stream.normal();
  }
  double density(double eps) const override {
    double sum = 0;
    for (const MixtureNode& node : nodes(std::sqrt(variance_)))
      sum += node.probability * normal_density(eps - node.mean, node.variance);
    return sum;
  }
  std::vector<MixtureNode> nodes(double resolution) const override {
    std::vector<MixtureNode> nodes = noise_->nodes(std::hypot(std::sqrt(variance_), resolution));
    for (MixtureNode& node : nodes) node.variance += variance_;
    return nodes;
  }
  double exponential_average(double P) const override {
    // exp(-(e + z)^2/(2P)), averaged over z, is again of that form in e, with P + variance.
    return std::sqrt(P / (P + variance_)) * noise_->exponential_average(P + variance_);
  }

 private:
  std::shared_ptr<const Noise> noise_;
  double variance_;
};

constexpr const char* source = "docs/theory/sign-and-clip.md, section 0.2";

Parameter variance_parameter() {
  return settings::number("variance", "E eps^2").in("label^2").at_least(0).must();
}
Parameter scale_parameter(const std::string& doc) {
  return settings::number("scale", doc).in("label").at_least(0).must();
}
Parameter probability_parameter(const std::string& doc) {
  return settings::number("probability", doc).at_least(0).at_most(1).must();
}

NoiseKind simple(std::string name, std::string summary, std::string density,
                 std::unique_ptr<Noise> (*of_variance)(double)) {
  NoiseKind kind;
  kind.description =
      Description{std::move(name), std::move(summary), std::move(density), source, {variance_parameter()}};
  kind.build = [of_variance](const Values& values) { return of_variance(values.number("variance")); };
  return kind;
}

NoiseKind none_kind() {
  NoiseKind kind;
  kind.description = Description{"none", "no label noise", "eps = 0", "", {}};
  kind.build = [](const Values&) { return no_noise(); };
  return kind;
}

NoiseKind student_kind() {
  NoiseKind kind;
  kind.description =
      Description{"student-t",
                  "Student's t, heavy-tailed",
                  "eps = s T_dof,  s = scale, or s^2 = variance (dof - 2)/dof;  E eps^2 is infinite for dof <= 2, "
                  "E eps^4 = 3 variance^2 (dof - 2)/(dof - 4), infinite for dof <= 4",
                  source,
                  {settings::number("variance", "E eps^2, for dof > 2; or instead `scale`").in("label^2").at_least(0),
                   settings::number("scale", "s; or instead `variance`").in("label").at_least(0),
                   settings::number("dof", "degrees of freedom").above(0).otherwise(5.0)}};
  kind.build = [](const Values& values) {
    const double dof = values.number("dof");
    if (values.given("scale") && values.given("variance"))
      throw values.error("scale", "give either scale or variance, not both");
    if (values.given("scale")) return student_noise(dof, values.number("scale"));
    if (dof <= 2)
      throw values.error(values.given("variance") ? "variance" : "scale",
                         "the variance is infinite for dof <= 2: give `scale` instead of `variance`");
    if (!values.given("variance"))
      throw values.error("variance", "is required (a number, >= 0), unless `scale` is given");
    return student_noise(dof, std::sqrt(values.number("variance") * (dof - 2) / dof));
  };
  return kind;
}

NoiseKind cauchy_kind() {
  NoiseKind kind;
  kind.description = Description{"cauchy",
                                 "Cauchy: neither mean nor variance exists",
                                 "density 1/(pi s (1 + (eps/s)^2)), s = scale",
                                 source,
                                 {scale_parameter("half width at half maximum")}};
  kind.build = [](const Values& values) { return cauchy_noise(values.number("scale")); };
  return kind;
}

NoiseKind contaminated_kind() {
  NoiseKind kind;
  kind.description = Description{
      "contaminated",
      "normal, with rare outliers of another scale",
      "N(0, scale^2), or with `probability` N(0, outlier_scale^2)",
      source,
      {scale_parameter("standard deviation of the bulk"),
       settings::number("outlier_scale", "standard deviation of the outliers").in("label").at_least(0).must(),
       probability_parameter("share of outliers")}};
  kind.build = [](const Values& values) {
    return contaminated_noise(values.number("scale"), values.number("outlier_scale"), values.number("probability"));
  };
  return kind;
}

NoiseKind three_point_kind() {
  NoiseKind kind;
  kind.description = Description{"three-point",
                                 "often none at all, sometimes a large error",
                                 "eps = 0, or with `probability` +scale or -scale, equally likely",
                                 source,
                                 {scale_parameter("size of an error"), probability_parameter("how often one comes")}};
  kind.build = [](const Values& values) {
    return three_point_noise(values.number("scale"), values.number("probability"));
  };
  return kind;
}

const std::array<NoiseKind, 9>& kinds() {
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

std::unique_ptr<Noise> no_noise() {
  return std::make_unique<Absent>("none");
}

std::unique_ptr<Noise> gaussian_noise(double variance) {
  if (variance == 0) return std::make_unique<Absent>("gaussian");
  return std::make_unique<Gaussian>(variance);
}

std::unique_ptr<Noise> laplace_noise(double variance) {
  if (variance == 0) return std::make_unique<Absent>("laplace");
  return std::make_unique<Laplace>(variance);
}

std::unique_ptr<Noise> student_noise(double dof, double scale) {
  if (scale == 0) return std::make_unique<Absent>("student-t");
  return std::make_unique<Student>("student-t", dof, scale);
}

std::unique_ptr<Noise> cauchy_noise(double scale) {
  if (scale == 0) return std::make_unique<Absent>("cauchy");
  return std::make_unique<Student>("cauchy", 1.0, scale);
}

std::unique_ptr<Noise> uniform_noise(double variance) {
  if (variance == 0) return std::make_unique<Absent>("uniform");
  return std::make_unique<Uniform>(variance);
}

std::unique_ptr<Noise> rademacher_noise(double variance) {
  if (variance == 0) return std::make_unique<Absent>("rademacher");
  return std::make_unique<ThreePoint>("rademacher", std::sqrt(variance), 1.0, variance);
}

std::unique_ptr<Noise> contaminated_noise(double scale, double outlier_scale, double probability) {
  if (outlier_scale == scale || probability == 0) {
    if (scale == 0) return std::make_unique<Absent>("contaminated");
  }
  return std::make_unique<Contaminated>(scale, outlier_scale, probability);
}

std::unique_ptr<Noise> three_point_noise(double scale, double probability) {
  if (scale == 0 || probability == 0) return std::make_unique<Absent>("three-point");
  return std::make_unique<ThreePoint>("three-point", scale, probability, probability * scale * scale);
}

std::unique_ptr<Noise> blurred_noise(std::shared_ptr<const Noise> noise, double variance) {
  if (noise->gaussian()) return gaussian_noise(noise->variance() + variance);
  return std::make_unique<Blurred>(std::move(noise), variance);
}

std::span<const NoiseKind> noise_kinds() {
  return kinds();
}

std::unique_ptr<Noise> read_noise(const settings::Table& experiment) {
  const settings::Table section = experiment.table_or_empty("noise");
  const bool present = experiment.has("noise");
  if (const auto* law = section.find("law"); law && section.has("variance"))
    if (const auto* word = std::get_if<std::string>(law); word && *word == "none")
      throw section.error("variance", "law \"none\" has no variance; leave it out, or choose a law such as gaussian");
  std::vector<const Description*> descriptions;
  for (const auto& kind : kinds()) descriptions.push_back(&kind.description);
  const auto choice =
      settings::read_choice(experiment, "noise", descriptions, present ? "gaussian" : "none", {}, "law");
  return kinds()[choice.index].build(choice.values);
}

}  // namespace edgewise::models::ingredients
