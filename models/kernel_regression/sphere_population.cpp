#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "models/kernel_regression/population.hpp"
#include "models/kernel_regression/targets.hpp"
#include "numerics/whole.hpp"

namespace edgewise::models::kernel_regression {

namespace {

using namespace ingredients::learning_curves;
using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// Entries of a matrix of inputs.
constexpr double most_entries = 2e9;

class SpherePopulation final : public Population {
 public:
  SpherePopulation(double d, std::unique_ptr<DotKernel> kernel, SphereTarget target,
                   std::optional<std::size_t> max_degree)
      : dimension_(d), kernel_(std::move(kernel)), target_(std::move(target)), max_degree_(max_degree) {}

  Levels levels() const override {
    const double total = target_.total();
    std::size_t least = 0;
    for (std::size_t k = 0; k < std::min<std::size_t>(target_.power.size(), 10001); ++k)
      if (target_.power[k] > 1e-14 * total) least = k;
    const SphereSpectrum s = sphere_spectrum(*kernel_, dimension_, max_degree_, least);
    Levels out{s.eigenvalue, s.multiplicity, {}, s.degree, s.tail, 0, !s.finite_rank};
    double listed = 0;
    for (std::size_t i = 0; i < s.degree.size(); ++i) {
      // A node stands for `degrees` of one parity around its own.
      const double first = s.degree[i] - (s.degrees[i] - 1);
      double power = 0;
      for (double j = 0; j < s.degrees[i] && first + 2 * j < static_cast<double>(target_.power.size()); ++j)
        power += target_.power[static_cast<std::size_t>(first + 2 * j)];
      out.power.push_back(power);
      listed += power;
    }
    out.power_beyond = std::max(0.0, total - listed);
    if (out.power_beyond < 1e-13 * total) out.power_beyond = 0;
    return out;
  }

  std::optional<double> trace() const override { return (*kernel_)(1); }
  std::vector<double> taylor(std::size_t size) const override { return kernel_->taylor(size); }

  RidgeData draw(std::uint64_t seed, std::uint64_t replica, std::size_t samples, std::size_t tests) const override {
    random::Stream stream(seed, replica, 0, random::Purpose::data);
    const auto d = static_cast<std::size_t>(dimension_);
    const Matrix x = uniform_points(stream, d, samples), z = uniform_points(stream, d, tests);
    RidgeData out{
        linear_algebra::product(x, x, Transposed::yes), linear_algebra::product(x, z, Transposed::yes), {}, {}};
    apply_kernel(*kernel_, true, out.gram);
    apply_kernel(*kernel_, false, out.cross);
    for (std::size_t i = 0; i < samples; ++i) out.labels.push_back(target_.value(x.column(i)));
    for (std::size_t i = 0; i < tests; ++i) out.truth.push_back(target_.value(z.column(i)));
    return out;
  }

  double rare_share(double draws) const override {
    return target_.rare_share && target_.total() > 0 ? target_.rare_share(1 / draws) : 0;
  }

  std::string obstacle(std::size_t samples, std::size_t tests) const override {
    if (!numerics::is_whole(dimension_)) return "data.dimension must be whole for a simulation";
    if (dimension_ * static_cast<double>(samples + tests) > most_entries)
      return fmt::format("data.dimension times samples must be at most {:g} for a simulation", most_entries);
    return {};
  }

 private:
  double dimension_;
  std::unique_ptr<DotKernel> kernel_;
  SphereTarget target_;
  std::optional<std::size_t> max_degree_;
};

}  // namespace

std::unique_ptr<Population> sphere_population(const settings::Table& experiment, const settings::Values& data,
                                              const settings::Values& kernel) {
  if (!data.given("dimension")) throw data.error("dimension", "is required for kind = \"sphere\"");
  const double d = data.number("dimension");
  const settings::Values target = settings::read(experiment.table_or_empty("target"), target_parameters());
  std::optional<std::size_t> max_degree;
  if (kernel.given("max_degree")) max_degree = static_cast<std::size_t>(kernel.integer("max_degree"));
  return std::make_unique<SpherePopulation>(d, read_kernel(kernel), read_target(target, d), max_degree);
}

}  // namespace edgewise::models::kernel_regression
