#include "models/noise.hpp"

#include <array>
#include <cmath>
#include <string>

namespace edgewise::models {

namespace {

using settings::Description;
using settings::Parameter;

/// A law given by its kurtosis E eps^4 / (E eps^2)^2 and a sampler of unit variance.
class ScaledNoise final : public Noise {
 public:
  using Sampler = std::function<double(random::Stream&)>;
  ScaledNoise(std::string name, double variance, double kurtosis, Sampler unit)
      : name_(std::move(name)),
        variance_(variance),
        scale_(std::sqrt(variance)),
        fourth_moment_(variance == 0 ? 0 : kurtosis * variance * variance),
        unit_(std::move(unit)) {}

  const std::string& name() const override { return name_; }
  double variance() const override { return variance_; }
  double fourth_moment() const override { return fourth_moment_; }
  bool gaussian() const override { return variance_ == 0 || name_ == "gaussian"; }
  double draw(random::Stream& stream) const override { return variance_ == 0 ? 0 : scale_ * unit_(stream); }

 private:
  std::string name_;
  double variance_, scale_, fourth_moment_;
  Sampler unit_;
};

Parameter variance_parameter() {
  return settings::number("variance", "E eps^2").in("label^2").at_least(0).must();
}

/// Laplace with variance 1: the difference of two exponentials of scale 1/sqrt 2.
double unit_laplace(random::Stream& stream) {
  const double first = stream.exponential();
  return (first - stream.exponential()) / std::sqrt(2.0);
}

double unit_uniform(random::Stream& stream) {
  return std::sqrt(3.0) * (2 * stream.uniform() - 1);
}

double unit_rademacher(random::Stream& stream) {
  return (stream.bits() >> 63) != 0 ? 1.0 : -1.0;
}

NoiseKind simple(std::string name, std::string summary, std::string density, double kurtosis,
                 double (*unit)(random::Stream&)) {
  NoiseKind kind;
  kind.description = Description{
      name, std::move(summary), std::move(density), "theory note sign-and-clip, 0.2", {variance_parameter()}};
  kind.build = [name = std::move(name), kurtosis, unit](const settings::Values& values) {
    return std::make_unique<ScaledNoise>(name, values.number("variance"), kurtosis, unit);
  };
  return kind;
}

NoiseKind no_noise() {
  NoiseKind kind;
  kind.description = Description{"none", "no label noise", "eps = 0", "", {}};
  kind.build = [](const settings::Values&) {
    return std::make_unique<ScaledNoise>("none", 0.0, 0.0, ScaledNoise::Sampler());
  };
  return kind;
}

NoiseKind student() {
  NoiseKind kind;
  kind.description =
      Description{"student-t",
                  "Student's t, heavy-tailed",
                  "eps = s T_dof,  s^2 = variance (dof - 2)/dof;  E eps^4 = 3 variance^2 (dof - 2)/(dof - 4), "
                  "infinite for dof <= 4",
                  "theory note sign-and-clip, 0.2",
                  {variance_parameter(), settings::number("dof", "degrees of freedom").above(2).otherwise(5.0)}};
  kind.build = [](const settings::Values& values) {
    const double dof = values.number("dof");
    const double kurtosis = dof > 4 ? 3 * (dof - 2) / (dof - 4) : std::numeric_limits<double>::infinity();
    const double scale = std::sqrt(dof - 2);  // N / sqrt(chi^2/dof) has variance dof/(dof - 2)
    return std::make_unique<ScaledNoise>("student-t", values.number("variance"), kurtosis,
                                         [dof, scale](random::Stream& stream) {
                                           const double normal = stream.normal();
                                           return scale * normal / std::sqrt(stream.chi_square(dof));
                                         });
  };
  return kind;
}

const std::array<NoiseKind, 6>& kinds() {
  static const std::array<NoiseKind, 6> all{
      no_noise(),
      simple("gaussian", "normal", "density exp(-eps^2/(2 variance)) / sqrt(2 pi variance);  E eps^4 = 3 variance^2", 3,
             [](random::Stream& stream) { return stream.normal(); }),
      simple("laplace", "double exponential", "density exp(-|eps|/b)/(2b), b^2 = variance/2;  E eps^4 = 6 variance^2",
             6, unit_laplace),
      student(),
      simple("uniform", "uniform on an interval", "uniform on [-c, c], c^2 = 3 variance;  E eps^4 = (9/5) variance^2",
             1.8, unit_uniform),
      simple("rademacher", "two values", "eps = +sqrt(variance) or -sqrt(variance), each with probability 1/2", 1,
             unit_rademacher)};
  return all;
}

}  // namespace

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

}  // namespace edgewise::models
