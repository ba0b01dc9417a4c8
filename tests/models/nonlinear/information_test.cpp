// The information of the residual's location where noise and risk differ by any factor: limits, and what it costs.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "models/ingredients/noise.hpp"
#include "models/nonlinear/criteria.hpp"
#include "tests/approx.hpp"

using namespace edgewise::models::nonlinear;
using namespace edgewise::models::ingredients;
using edgewise::tests::Approx;

namespace {

/// Counts what is asked of a law.
class Counted final : public Noise {
 public:
  explicit Counted(std::shared_ptr<const Noise> noise) : noise_(std::move(noise)) {}
  const std::string& name() const override { return noise_->name(); }
  double variance() const override { return noise_->variance(); }
  double kurtosis() const override { return noise_->kurtosis(); }
  double draw(edgewise::random::Stream& stream) const override { return noise_->draw(stream); }
  double density(double eps) const override { return noise_->density(eps); }
  DensitySlope blurred_density(double width, double place, double away) const override {
    ++asked;
    return noise_->blurred_density(width, place, away);
  }
  std::vector<MixtureNode> nodes(const Average& average) const override { return noise_->nodes(average); }
  double log_exponential_average(double P) const override { return noise_->log_exponential_average(P); }
  std::vector<double> sizes() const override { return noise_->sizes(); }
  mutable long asked = 0;

 private:
  std::shared_ptr<const Noise> noise_;
};

}  // namespace

TEST_CASE("information of a residual that is far narrower than its noise") {
  // A wide interval informs at its two ends only, each of which gives int phi^2/Phi dx/(2c); separate atoms inform like
  // the risk alone; a smooth law like itself: Laplace 1/b^2, Student's t (dof + 1)/((dof + 3) s^2).
  const double end = 0.90319728557;  // int phi^2/Phi, by quadrature
  for (const double ratio : {1e9, 1e30}) {
    CAPTURE(ratio);
    CHECK(residual_information(*uniform_noise(ratio * ratio / 3), 1) * ratio == Approx(end).epsilon(1e-9));
    CHECK(residual_information(*uniform_noise(1.0 / 3), 1 / ratio / ratio) / ratio == Approx(end).epsilon(1e-9));
    CHECK(residual_information(*rademacher_noise(ratio * ratio), 1) == Approx(1).epsilon(1e-10));
    CHECK(residual_information(*three_point_noise(ratio, 0.1), 1) == Approx(1).epsilon(1e-10));
    // The kink is blurred over 1/ratio: (1/2) int 1 - erf^2(u/sqrt 2) du = 2/sqrt pi.
    CHECK(residual_information(*laplace_noise(2), 1 / ratio / ratio) ==
          Approx(1 - 2 / std::sqrt(std::acos(-1.0)) / ratio).epsilon(1e-11));
    CHECK(residual_information(*student_noise(3, 1), 1 / ratio / ratio) == Approx(4.0 / 6).epsilon(1e-6));
  }
}

TEST_CASE("what the information costs is bounded whatever the noise") {
  const std::function<std::shared_ptr<const Noise>(double)> laws[] = {
      [](double k) { return uniform_noise(k * k); },          [](double k) { return laplace_noise(k * k); },
      [](double k) { return student_noise(2.0001, k); },      [](double k) { return three_point_noise(k, 0.1); },
      [](double k) { return contaminated_noise(1, k, 0.5); }, [](double k) { return cauchy_noise(k); }};
  for (const auto& law : laws)
    for (const double k : {1e6, 1e20}) {
      const Counted noise(law(k));
      CAPTURE(noise.name());
      CAPTURE(k);
      CHECK(std::isfinite(residual_information(noise, 1)));
      CHECK(noise.asked < 15000);
    }
}

TEST_CASE("the density of uniform noise and a normal, in closed form and as a mixture") {
  const auto noise = uniform_noise(4.0 / 3);  // on [-2, 2]
  for (const double width : {1.999, 0.7, 0.05})
    for (const double at : {-3.0, -1.9, 0.0, 0.4, 2.0, 2.1, 5.0}) {
      CAPTURE(width);
      CAPTURE(at);
      const DensitySlope found = noise->blurred_density(width, 0, at),
                         mixed = noise->Noise::blurred_density(width, 0, at);
      CHECK(found.value == Approx(mixed.value).epsilon(1e-12).scale(0.25));
      CHECK(std::abs(found.slope - mixed.slope) < 1e-12 / width);
      CHECK(noise->blurred_density(width, 2, at - 2).value == Approx(found.value).epsilon(1e-12));
    }
}
