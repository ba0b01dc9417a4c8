#include "models/ingredients/noise.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <string>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise;
using edgewise::tests::Approx;

namespace {

std::unique_ptr<models::ingredients::Noise> parse(const std::string& text) {
  return models::ingredients::read_noise(settings::read_text(text, "x.toml"));
}

std::string error_of(const std::string& text) {
  try {
    parse(text);
  } catch (const settings::Error& error) {
    return error.what();
  }
  return "no error";
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("defaults: none without the section, gaussian with it") {
  CHECK(parse("")->name() == "none");
  CHECK(parse("")->variance() == 0);
  CHECK(parse("")->gaussian());
  CHECK(parse("[noise]\nvariance = 2\n")->name() == "gaussian");
  CHECK(parse("[noise]\nlaw = 'none'\n")->name() == "none");
  CHECK(parse("[noise]\nlaw = 'laplace'\nvariance = 0\n")->gaussian());
}

TEST_CASE("each law has the moments it states, and draws them") {
  // Moments of 2^18 draws, seed fixed. E eps^2 and E eps^4 to 6 standard errors (two-sided p < 2e-9 each); the 4th
  // moment only where the 8th is finite.
  struct Case {
    std::string text;
    double fourth, eighth;
  };
  const std::vector<Case> cases{
      {"law = 'gaussian'", 3, 105},
      {"law = 'laplace'", 6, 2520},
      {"law = 'uniform'", 1.8, 9},
      {"law = 'rademacher'", 1, 1},
      {"law = 'student-t'\ndof = 20", 3 * 18.0 / 16, 105 * std::pow(18, 3) / (16 * 14 * 12.0)},
      {"law = 'student-t'", 9, INFINITY}};
  const double variance = 0.3;
  for (const auto& one : cases) {
    CAPTURE(one.text);
    const auto noise = parse("[noise]\nvariance = 0.3\n" + one.text);
    CHECK(noise->variance() == variance);
    CHECK(noise->fourth_moment() == Approx(one.fourth * variance * variance).epsilon(1e-14));
    random::Stream stream(11, 0);
    const int n = 1 << 18;
    double s1 = 0, s2 = 0, s4 = 0;
    for (int i = 0; i < n; ++i) {
      const double unit = noise->draw(stream) / std::sqrt(variance);
      s1 += unit;
      s2 += unit * unit;
      s4 += unit * unit * unit * unit;
    }
    CHECK(std::abs(s1 / n) < 6 / std::sqrt(n));
    CHECK(std::abs(s2 / n - 1) <= 6 * std::sqrt((one.fourth - 1) / n) + 1e-12);
    if (std::isfinite(one.eighth))
      CHECK(std::abs(s4 / n - one.fourth) <= 6 * std::sqrt((one.eighth - one.fourth * one.fourth) / n) + 1e-12);
  }
  CHECK(std::isinf(parse("[noise]\nlaw='student-t'\nvariance=1\ndof=3.5\n")->fourth_moment()));
}

namespace {

std::vector<std::unique_ptr<models::ingredients::Noise>> every_law() {
  std::vector<std::unique_ptr<models::ingredients::Noise>> laws;
  laws.push_back(models::ingredients::no_noise());
  laws.push_back(models::ingredients::gaussian_noise(0.3));
  laws.push_back(models::ingredients::laplace_noise(0.5));
  laws.push_back(models::ingredients::student_noise(5, 0.7));
  laws.push_back(models::ingredients::student_noise(1.5, 0.4));
  laws.push_back(models::ingredients::student_noise(0.6, 1.3));
  laws.push_back(models::ingredients::cauchy_noise(0.5));
  laws.push_back(models::ingredients::uniform_noise(1.0 / 3));
  laws.push_back(models::ingredients::rademacher_noise(0.25));
  laws.push_back(models::ingredients::contaminated_noise(0.2, 5, 0.1));
  laws.push_back(models::ingredients::three_point_noise(2, 0.25));
  return laws;
}

}  // namespace

TEST_CASE("the mixture has the closed averages of the law") {
  for (const auto& noise : every_law())
    for (const double P : {1e-6, 1e-3, 0.3, 10.0, 1e4}) {
      CAPTURE(noise->name());
      CAPTURE(P);
      double total = 0, average = 0;
      const double kink = 0;
      for (const auto& node : noise->nodes({.width = std::sqrt(P), .kinks = std::span(&kink, 1)})) {
        total += node.probability;
        average += node.probability * std::sqrt(P / (P + node.variance)) *
                   std::exp(-node.mean * node.mean / (2 * (P + node.variance)));
      }
      CHECK(total == Approx(1).epsilon(1e-13));
      CHECK(average == Approx(noise->exponential_average(P)).epsilon(1e-12));
    }
}

TEST_CASE("sampler and density of every law agree with its averages") {
  // E exp(-eps^2/2) of 2^18 draws to 6 standard errors: p < 2e-9 each, at a fixed seed.
  for (const auto& noise : every_law()) {
    CAPTURE(noise->name());
    random::Stream stream(5, 1);
    const int n = 1 << 18;
    double s1 = 0, s2 = 0;
    for (int i = 0; i < n; ++i) {
      const double eps = noise->draw(stream), f = std::exp(-eps * eps / 2);
      s1 += f;
      s2 += f * f;
    }
    const double mean = s1 / n, error = std::sqrt(std::max(0.0, s2 / n - mean * mean) / n);
    CHECK(std::abs(mean - noise->exponential_average(1)) <= 6 * error + 1e-12);
    if (std::isinf(noise->density(0)) || std::isinf(noise->density(2)) || std::isinf(noise->density(0.5))) continue;
    // Midpoint rule; the integrand is smooth but for the ends of the uniform law, which fall on cell edges.
    double integral = 0;
    const double step = 1e-3;
    for (double eps = -10 + step / 2; eps < 10; eps += step)
      integral += step * noise->density(eps) * std::exp(-eps * eps / 2);
    CHECK(integral == Approx(noise->exponential_average(1)).epsilon(1e-6));
  }
}

TEST_CASE("densities are infinite at atoms, and nowhere else") {
  using namespace models::ingredients;
  CHECK(std::isinf(no_noise()->density(0)));
  CHECK(no_noise()->density(0.1) == 0);
  // +-1/2, never 0; with errors at every draw the three points are these two.
  for (const auto& two : {rademacher_noise(0.25), three_point_noise(0.5, 1)}) {
    CHECK(two->density(0) == 0);
    CHECK(std::isinf(two->density(0.5)));
    CHECK(std::isinf(two->density(-0.5)));
    CHECK(two->density(0.25) == 0);
  }
  const auto three = three_point_noise(2, 0.25);
  for (const double at : {-2.0, 0.0, 2.0}) CHECK(std::isinf(three->density(at)));
  CHECK(three->density(1) == 0);
  const auto mostly_exact = contaminated_noise(0, 2, 0.3);
  CHECK(std::isinf(mostly_exact->density(0)));
  CHECK(mostly_exact->density(1) == Approx(0.3 * std::exp(-0.125) / std::sqrt(8 * M_PI)).epsilon(1e-14));
  CHECK(uniform_noise(3)->density(3) == Approx(1 / 6.0).epsilon(1e-14));
  CHECK(uniform_noise(3)->density(-3.001) == 0);
}

TEST_CASE("moments, tails and sizes of the laws") {
  using namespace models::ingredients;
  const auto three = three_point_noise(2, 0.25);
  CHECK(three->variance() == Approx(1).epsilon(1e-15));
  CHECK(three->fourth_moment() == Approx(4).epsilon(1e-15));
  const auto mixed = contaminated_noise(0.5, 3, 0.1);
  CHECK(mixed->variance() == Approx(0.9 * 0.25 + 0.9).epsilon(1e-15));
  CHECK(mixed->fourth_moment() == Approx(3 * (0.9 * 0.0625 + 8.1)).epsilon(1e-15));
  // One scale alone is a normal law.
  for (const auto& one : {contaminated_noise(2, 5, 0), contaminated_noise(5, 2, 1), contaminated_noise(2, 2, 0.4)}) {
    CHECK(one->gaussian());
    CHECK(one->name() == "contaminated");
    CHECK(one->variance() == 4);
  }
  // Up to 2 and 4 degrees of freedom the second and the fourth moment are infinite.
  CHECK(std::isinf(student_noise(2, 1)->variance()));
  CHECK(student_noise(2.5, 1)->variance() == Approx(5).epsilon(1e-14));
  CHECK(std::isinf(student_noise(4, 1)->fourth_moment()));
  CHECK(student_noise(6, 2)->fourth_moment() == Approx(3 * 36 * 2).epsilon(1e-14));
  CHECK(student_noise(6, 2)->tail_index() == 6);
  for (const double dof : {0.99e15, 1e15, 1e18, 1e300})  // the normal law to 1/dof
    for (const double z : {0.0, 0.5, -3.0})
      CHECK(student_noise(dof, 2)->density(2 * z) ==
            Approx(std::exp(-z * z / 2) / std::sqrt(8 * std::numbers::pi)).epsilon(1e-13));
  CHECK(std::isinf(cauchy_noise(1)->variance()));
  CHECK(cauchy_noise(1)->tail_index() == 1);
  CHECK(gaussian_noise(4)->sizes() == std::vector<double>{2});
  CHECK(laplace_noise(8)->sizes() == std::vector<double>{2});
  CHECK(uniform_noise(3)->sizes() == std::vector<double>{3});
  CHECK(student_noise(3, 0.7)->sizes() == std::vector<double>{0.7});
  CHECK(mixed->sizes() == std::vector<double>{0.5, 3});
  CHECK(no_noise()->sizes().empty());
}

TEST_CASE("a law with normal noise on top: moments, draws, density and averages") {
  for (auto& law : every_law()) {
    CAPTURE(law->name());
    const std::shared_ptr<const models::ingredients::Noise> noise = std::move(law);
    const auto blurred = models::ingredients::blurred_noise(noise, 0.09);
    CHECK(blurred->tail_index() == noise->tail_index());
    if (std::isfinite(noise->variance())) CHECK(blurred->variance() == Approx(noise->variance() + 0.09).epsilon(1e-14));
    // E (e + z)^4 = E e^4 + 6 E e^2 E z^2 + 3 (E z^2)^2.
    if (std::isfinite(noise->fourth_moment()))
      CHECK(blurred->fourth_moment() ==
            Approx(noise->fourth_moment() + 6 * noise->variance() * 0.09 + 3 * 0.0081).epsilon(1e-14));
    if (!noise->gaussian()) CHECK(blurred->sizes().back() == Approx(0.3).epsilon(1e-15));
    // Widths add up in squares: the mean of exp(-(e + z)^2/(2 P)) over z is sqrt(P/(P + V)) exp(-e^2/(2 (P + V))).
    for (const double P : {0.01, 2.0})
      CHECK(blurred->exponential_average(P) ==
            Approx(std::sqrt(P / (P + 0.09)) * noise->exponential_average(P + 0.09)).epsilon(1e-12));
    // E exp(-e^2/2) of 2^16 draws to 6 standard errors: p < 2e-9 each, at a fixed seed.
    random::Stream stream(9, 2);
    const int n = 1 << 16;
    double s1 = 0, s2 = 0;
    for (int i = 0; i < n; ++i) {
      const double eps = blurred->draw(stream), f = std::exp(-eps * eps / 2);
      s1 += f;
      s2 += f * f;
    }
    CHECK(std::abs(s1 / n - blurred->exponential_average(1)) <= 6 * std::sqrt((s2 / n - s1 / n * s1 / n) / n));
    // The density integrates to that average too, and its slope is its derivative.
    double integral = 0;
    const double step = 4e-3;
    for (double eps = -8 + step / 2; eps < 8; eps += step)
      integral += step * blurred->density(eps) * std::exp(-eps * eps / 2);
    CHECK(integral == Approx(blurred->exponential_average(1)).epsilon(1e-6));
    for (const double at : {-1.3, 0.2, 0.9}) {
      const auto here = blurred->blurred_density(0.4, at, 0);  // of width .5 in all
      CHECK(here.value == Approx(noise->blurred_density(0.5, at, 0).value).epsilon(1e-9));
      const double h = 1e-4;
      const double rise = blurred->blurred_density(0.4, at, h).value - blurred->blurred_density(0.4, at, -h).value;
      CHECK(here.slope == Approx(rise / (2 * h)).epsilon(1e-5).scale(1e-3));
    }
  }
}

TEST_CASE(
    "nodes serve averages that grow, with kinks and joints: absolute moments, and a ramp that normal noise blurs") {
  using namespace models::ingredients;
  // E |eps|^3: 6 b^3, and s^3 nu^(3/2) Gamma((nu - 3)/2)/(sqrt(pi) Gamma(nu/2)); of N(0, V) 2 sqrt(2/pi) V^(3/2).
  const auto third = [](const Noise& noise) {
    double sum = 0;
    for (const auto& node : noise.nodes({.growth = 3}))
      sum += node.probability * 2 * std::sqrt(2 / M_PI) * std::pow(node.variance, 1.5);
    return sum;
  };
  CHECK(third(*laplace_noise(0.5)) == Approx(6 * 0.125).epsilon(1e-11));
  for (const double dof : {3.5, 5.0, 40.0})
    CHECK(third(*student_noise(dof, 0.7)) == Approx(std::pow(0.7, 3) * std::pow(dof, 1.5) * std::tgamma((dof - 3) / 2) /
                                                    std::sqrt(M_PI) / std::tgamma(dof / 2))
                                                 .epsilon(1e-11));
  // Tails of every law, by E max(z - eps - k, 0) with z ~ N(0, w^2): at a given N(m, V) of eps with d = m + k, t^2 = V + w^2,
  // t phi(d/t) - d Phi(-d/t); in all, the density integrated.
  const auto ramp = [](double d, double t) {
    return t * std::exp(-d * d / (2 * t * t)) / std::sqrt(2 * M_PI) - d / 2 * std::erfc(d / t / std::sqrt(2.0));
  };
  for (const double width : {0.03, 0.4, 5.0})
    for (const double kink : {0.0, 0.6, -0.9}) {
      CAPTURE(width);
      CAPTURE(kink);
      const double turned = -kink;
      for (const auto& noise : {uniform_noise(1.0 / 3), uniform_noise(27)}) {
        double found = 0, known = 0;
        for (const auto& node : noise->nodes({.width = width, .kinks = std::span(&turned, 1)}))
          found += node.probability * ramp(node.mean + kink, width);
        const double half = noise->sizes()[0];
        constexpr int cells = 40000;
        for (int i = 0; i < cells; ++i) known += ramp(half * (2 * (i + 0.5) / cells - 1) + kink, width) / cells;
        CHECK(found == Approx(known).epsilon(1e-7));
      }
    }
  // A joint: |x|^3 about it, smooth enough for panels that end there and for no others.
  const double joint = 0.37, half = std::sqrt(3 * 0.25);
  double found = 0;
  for (const auto& node : uniform_noise(0.25)->nodes({.width = 0.01, .joints = std::span(&joint, 1)}))
    found += node.probability * std::pow(std::abs(node.mean - joint), 3);
  CHECK(found == Approx((std::pow(half - joint, 4) + std::pow(half + joint, 4)) / (8 * half)).epsilon(1e-13));
}

TEST_CASE("blurred uniform noise: its density and slope on either side, at its edges, far out and under wide normals") {
  const double half = 1.5;
  const auto noise = models::ingredients::uniform_noise(half * half / 3);
  const auto above = [](double x) { return 0.5 * std::erfc(x / std::sqrt(2.0)); };
  const auto phi = [](double x) { return std::exp(-x * x / 2) / std::sqrt(2 * M_PI); };
  for (const double width : {0.02, 0.6, 2.5})
    for (const double place : {0.0, half, -half})
      for (const double away : {-2.0 * width, -0.3 * width, 0.0, 0.7 * width, 6 * width, -6 * width}) {
        const double at = place + away, low = (at - half) / width, high = (at + half) / width;
        CAPTURE(width);
        CAPTURE(at);
        const auto found = noise->blurred_density(width, place, away);
        // By the nearer tails, which keep their digits.
        const double value = at > 0 ? above(low) - above(high) : above(-high) - above(-low);
        CHECK(found.value == Approx(value / (2 * half)).epsilon(1e-9));
        CHECK(found.slope == Approx((phi(high) - phi(low)) / (2 * half * width)).epsilon(1e-9).scale(1e-6));
      }
}

TEST_CASE("blurred Laplace noise: its density and slope in the middle, far out, under narrow and wide normals") {
  // By the convolution, a sum of fine steps on either side of the kink.
  const double b = 1.5;
  const auto noise = models::ingredients::laplace_noise(2 * b * b);
  for (const double width : {1e-3, 0.1, 1.0, 1.49, 1.51, 6.0})
    for (const double at : {0.0, 0.3 * width, -2 * width, 0.7, -1.5, 4.0, 20.0}) {
      CAPTURE(width);
      CAPTURE(at);
      double value = 0, slope = 0;
      constexpr int cells = 20000;
      const double from = at - 12 * width, to = at + 12 * width;
      const auto add = [&](double low, double high) {
        for (int i = 0; i < cells && low < high; ++i) {
          const double step = (high - low) / cells, eps = low + (i + 0.5) * step, z = (at - eps) / width;
          const double mass = std::exp(-std::abs(eps) / b - z * z / 2) / (2 * b * width * std::sqrt(2 * M_PI)) * step;
          value += mass;
          slope -= z / width * mass;
        }
      };
      add(from, std::clamp(0.0, from, to));
      add(std::clamp(0.0, from, to), to);
      const auto found = noise->blurred_density(width, at, 0);
      CHECK(found.value == Approx(value).epsilon(1e-6));
      CHECK(found.slope == Approx(slope).epsilon(1e-5).scale(1e-7));
    }
  // Units: of any size, and of a width that is nothing beside it.
  for (const double unit : {1e-140, 1e140}) {
    const auto large = models::ingredients::laplace_noise(2 * b * b * unit * unit);
    CHECK(large->blurred_density(unit, 0.7 * unit, 0).value * unit ==
          Approx(noise->blurred_density(1, 0.7, 0).value).epsilon(1e-12));
    CHECK(large->blurred_density(unit, 0.7 * unit, 0).slope * unit * unit ==
          Approx(noise->blurred_density(1, 0.7, 0).slope).epsilon(1e-12));
  }
  const auto sharp = noise->blurred_density(1e-150, b, 0);
  CHECK(sharp.value == Approx(std::exp(-1.0) / (2 * b)).epsilon(1e-14));
  CHECK(sharp.slope == Approx(-std::exp(-1.0) / (2 * b * b)).epsilon(1e-14));
}

TEST_CASE("variance zero draws zero") {
  random::Stream stream(1, 0);
  for (const auto& kind : models::ingredients::noise_kinds()) {
    const std::string name = kind.description.name;
    std::string values;
    for (const auto& parameter : kind.description.parameters)
      if (parameter.name == "variance" || (parameter.required && parameter.name != "probability"))
        values += parameter.name + " = 0\n";
      else if (parameter.name == "probability")
        values += "probability = 0.5\n";
    if (name == "student-t") values = "variance = 0\n";
    const auto noise = parse("[noise]\nlaw = '" + name + "'\n" + values);
    CHECK(noise->draw(stream) == 0);
    CHECK(noise->fourth_moment() == 0);
  }
}

TEST_CASE("bad input") {
  CHECK(holds(error_of("[noise]\nvariance = -1\n"), "x.toml: noise.variance: must be >= 0 and <= 1e+300, got -1"));
  CHECK(holds(error_of("[noise]\nvariance = inf\n"), "x.toml: noise.variance: must be >= 0 and <= 1e+300, got inf"));
  CHECK(holds(error_of("[noise]\nlaw = 'gaussian'\n"), "x.toml: noise.variance: is required"));
  CHECK(holds(error_of("[noise]\nlaw = 'none'\nvariance = 1\n"), "x.toml: noise.variance: law \"none\" has no"));
  CHECK(holds(error_of("[noise]\nlaw = 'gausian'\nvariance = 1\n"), "did you mean 'gaussian'?"));
  CHECK(holds(error_of("[noise]\nlaw = 'student-t'\nvariance = 1\ndof = 2\n"),
              "x.toml: noise.variance: the variance is infinite for dof <= 2: give `scale` instead"));
  CHECK(holds(error_of("[noise]\nlaw = 'student-t'\nscale = 1\ndof = 0\n"),
              "x.toml: noise.dof: must be >= 1e-300, got 0"));
  CHECK(
      holds(error_of("[noise]\nlaw = 'student-t'\nscale = 1\ndof = 5e-324\n"), "x.toml: noise.dof: must be >= 1e-300"));
  // The least has a density, and draws, nearly all of which are cut.
  const auto least = parse("[noise]\nlaw = 'student-t'\nscale = 1\ndof = 1e-300\n");
  edgewise::random::Stream stream(3, 0);
  CHECK(least->density(1) > 0);
  CHECK(std::abs(least->draw(stream)) == 1e150);
  CHECK(holds(error_of("[noise]\nlaw = 'student-t'\nscale = 1\nvariance = 1\n"), "give either scale or variance"));
  CHECK(holds(error_of("[noise]\nlaw = 'student-t'\n"), "x.toml: noise.variance: is required"));
  CHECK(holds(error_of("[noise]\nlaw = 'cauchy'\n"), "x.toml: noise.scale: is required"));
  CHECK(holds(error_of("[noise]\nlaw = 'three-point'\nscale = 1\nprobability = 2\n"),
              "x.toml: noise.probability: must be >= 0 and <= 1, got 2"));
  CHECK(holds(error_of("[noise]\nvarience = 1\n"), "x.toml: noise.varience: unknown key, did you mean 'variance'?"));
  CHECK(holds(error_of("[noise]\nlaw = 'cauchy'\nscale = 1e300\n"),
              "noise.scale: must be >= 0 and <= 1e+150, got 1e+300"));
  CHECK(holds(error_of("noise = 3\n"), "x.toml: noise: must be a section"));
}

TEST_CASE("a kurtosis knows no scale, however small or large") {
  using namespace models::ingredients;
  for (const double s : {1e-140, 1e-80, 1.0, 1e80, 1e140}) {
    CAPTURE(s);
    const auto check = [](std::shared_ptr<const Noise> noise, double kurtosis) {
      CAPTURE(noise->name());
      CHECK(noise->kurtosis() == Approx(kurtosis).epsilon(1e-13));
      // A normal part of three times the variance: of the excess a sixteenth is left.
      CHECK(blurred_noise(noise, 3 * noise->variance())->kurtosis() == Approx(3 + (kurtosis - 3) / 16).epsilon(1e-13));
    };
    check(gaussian_noise(s * s), 3);
    check(laplace_noise(s * s), 6);
    check(uniform_noise(s * s), 1.8);
    check(student_noise(6, s), 6);
    check(three_point_noise(s, 0.2), 5);
    check(contaminated_noise(s, 3 * s, 0.1), 3 * (0.9 + 8.1) / (1.8 * 1.8));
  }
}
