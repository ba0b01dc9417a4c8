#include "models/ingredients/data_draw.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <stdexcept>
#include <vector>

using namespace edgewise;
using models::ingredients::DataDraw;

namespace {

std::vector<double> drawn(const std::string& law, std::size_t times, std::size_t size = 4096) {
  DataDraw draw(settings::value_of(models::ingredients::input_laws(), law), size);
  std::vector<double> z(size), all;
  for (std::size_t k = 0; k < times; ++k) {
    random::Stream stream(7, 3, k);
    draw(stream, z);
    all.insert(all.end(), z.begin(), z.end());
  }
  return all;
}

double moment(const std::vector<double>& z, int power) {
  double sum = 0;
  for (const double x : z) sum += std::pow(x, power);
  return sum / static_cast<double>(z.size());
}

}  // namespace

TEST_CASE("every law has mean 0, variance 1 and its own fourth moment; neighbours are uncorrelated") {
  struct Law {
    const char* name;
    double fourth, eighth;
  };
  // 262144 draws, each of five sums within 5 of its standard deviations: a false alarm in 100000 seeds (one is fixed).
  for (const Law& law : {Law{"gaussian", 3, 105}, {"rademacher", 1, 1}, {"uniform", 1.8, 9}, {"laplace", 6, 2520}}) {
    CAPTURE(law.name);
    const std::vector<double> z = drawn(law.name, 64);
    const double root = std::sqrt(static_cast<double>(z.size()));
    CHECK(std::abs(moment(z, 1)) < 5 / root);
    CHECK(std::abs(moment(z, 2) - 1) <= 5 * std::sqrt(law.fourth - 1) / root);
    CHECK(std::abs(moment(z, 4) - law.fourth) <= 5 * std::sqrt(law.eighth - law.fourth * law.fourth) / root);
    for (const std::size_t lag : {std::size_t{1}, std::size_t{64}}) {
      double sum = 0;
      for (std::size_t i = lag; i < z.size(); ++i) sum += z[i] * z[i - lag];
      CHECK(std::abs(sum) < 5 * root);
    }
  }
}

TEST_CASE("the range and the distribution of each law") {
  for (const double x : drawn("rademacher", 1)) CHECK(std::abs(x) == 1);
  for (const double x : drawn("uniform", 1)) CHECK(std::abs(x) < std::numbers::sqrt3);
  // P(|z| > 2): erfc(sqrt 2), 0, 0 and exp(-2 sqrt 2); 262144 draws, 5 standard deviations.
  const auto beyond = [](const char* law) {
    double count = 0;
    const std::vector<double> z = drawn(law, 64);
    for (const double x : z) count += std::abs(x) > 2 ? 1 : 0;
    return count / static_cast<double>(z.size());
  };
  const auto near = [](double share) { return 5 * std::sqrt(share / 262144); };
  const double gaussian = std::erfc(std::numbers::sqrt2), laplace = std::exp(-2 * std::numbers::sqrt2);
  CHECK(std::abs(beyond("gaussian") - gaussian) < near(gaussian));
  CHECK(std::abs(beyond("laplace") - laplace) < near(laplace));
}

TEST_CASE("a law without a sampler is refused") {
  CHECK_THROWS_WITH_AS(DataDraw(models::ingredients::InputLaw::rows, 64),
                       doctest::Contains("rows are drawn from their data set"), std::invalid_argument);
}

TEST_CASE("the even moments of each law are those of what is drawn") {
  for (const auto& entry : models::ingredients::input_laws()) {
    const std::string& word = entry.first;
    const models::ingredients::InputLaw law = entry.second;
    CAPTURE(word);
    if (law == models::ingredients::InputLaw::rows) continue;
    const models::ingredients::EvenMoments known = models::ingredients::even_moments(law);
    const std::vector<double> z = drawn(word, 64);
    for (const auto& moments : {std::pair(4, known.fourth), {6, known.sixth}, {8, known.eighth}}) {
      const int power = moments.first;
      const double value = moments.second;
      CAPTURE(power);
      // Five standard deviations of the mean, the sample's own; of +-1 there is none.
      const double mean = moment(z, power), error = std::sqrt((moment(z, 2 * power) - mean * mean) / 262144);
      CHECK(std::abs(mean - value) <= 5 * error + 1e-12);
    }
  }
  // Laplace's are (2k)!/2^k.
  const auto laplace = models::ingredients::even_moments(models::ingredients::InputLaw::laplace);
  CHECK(laplace.fourth == 6);
  CHECK(laplace.sixth == 90);
  CHECK(laplace.eighth == 2520);
}
