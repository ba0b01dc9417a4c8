#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/exponential.hpp>
#include <boost/math/distributions/gamma.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <numeric>
#include <span>
#include <stdexcept>
#include <vector>

#include "random/box_muller.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"
#include "tests/goodness_of_fit.hpp"

using edgewise::random::Purpose;
using edgewise::random::Stream;
namespace ew = edgewise::random;
using namespace edgewise::tests;
using edgewise::tests::Approx;

namespace {

constexpr std::uint64_t seed = 20240917;

std::vector<double> normals(std::size_t n, std::uint64_t the_seed = seed, std::uint64_t replica = 0,
                            std::uint64_t step = 0, Purpose purpose = Purpose::gradient) {
  std::vector<double> out(n);
  Stream(the_seed, replica, step, purpose).normals(out);
  return out;
}

template <class Draw>
std::vector<double> draws(std::size_t n, Draw draw) {
  std::vector<double> out(n);
  for (double& x : out) x = draw();
  return out;
}

/// z-scores of the raw moments of orders 1..6 against those of N(0,1), each with its exact standard deviation.
std::array<double, 6> normal_moment_scores(const std::vector<double>& x) {
  constexpr std::array<double, 13> moment{1, 0, 1, 0, 3, 0, 15, 0, 105, 0, 945, 0, 10395};
  std::array<double, 6> sum{}, z{};
  for (const double value : x) {
    double power = 1;
    for (double& s : sum) s += power *= value;
  }
  const double n = static_cast<double>(x.size());
  for (std::size_t k = 1; k <= 6; ++k)
    z[k - 1] = (sum[k - 1] / n - moment[k]) / std::sqrt((moment[2 * k] - moment[k] * moment[k]) / n);
  return z;
}

}  // namespace

TEST_CASE("Philox4x32-10 gives the published known answers") {
  using Words = std::array<std::uint32_t, 4>;
  CHECK(ew::philox({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  constexpr std::uint32_t ones = 0xffffffff;
  CHECK(ew::philox({ones, ones, ones, ones}, {ones, ones}) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(ew::philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("bits are the words of counter (block, step, step | purpose, replica) under the seed") {
  Stream stream(0x299f31d0a4093822u, 0x03707344u, (std::uint64_t{0x198a} << 32) | 0x85a308d3u, Purpose::labels);
  for (std::uint32_t block = 0; block < 3; ++block) {
    const auto words = ew::philox({block, 0x85a308d3u, 0x0002198au, 0x03707344u}, {0xa4093822u, 0x299f31d0u});
    CHECK(stream.bits() == (std::uint64_t{words[0]} << 32 | words[1]));
    CHECK(stream.bits() == (std::uint64_t{words[2]} << 32 | words[3]));
  }
}

TEST_CASE("draws one by one, by a rendering of their algorithms elsewhere") {
  // Philox, Box-Muller, Lemire and Marsaglia & Tsang written out in another language, with its own log, sin and cos.
  Stream stream(0x0123456789abcdefu, 7, (std::uint64_t{3} << 32) | 5, Purpose::labels);
  const auto same = [](double drawn, double expected) { CHECK(drawn == Approx(expected).epsilon(1e-14)); };
  same(stream.uniform(), 0.32664222716452784);
  same(stream.normal(), -0.8726119943515656);
  same(stream.exponential(), 0.3862569629102128);
  same(stream.normal(), 0.5631230287410184);  // the second of the pair, whatever was drawn between
  same(stream.uniform(), 0.9156403800785532);
  CHECK(stream.below(6) == 3);
  CHECK(stream.below(1000) == 233);
  CHECK(stream.below(std::uint64_t{3} << 62) == 8104344346221833720u);
  CHECK(stream.below(1'000'000'000'000'000'009u) == 28523512535941910u);
  same(stream.gamma(0.3), 0.05136362650662923);
  same(stream.gamma(2.7), 5.599007286912818);
  same(stream.gamma(40), 45.20957267047325);
  same(stream.chi_square(1), 0.3384279347731875);
  same(stream.chi_square(2), 1.3673183407779077);
  same(stream.chi_square(3), 0.943080670265191);
  same(stream.chi_square(0.5), 0.35789935858189015);
  same(stream.uniform(), 0.05189472916947524);
}

TEST_CASE("a sequence depends on its key alone") {
  Stream stream(seed, 3, 5);
  std::vector<double> ignored(100);
  stream.normals(ignored);
  stream.normal();
  stream.bits();
  stream.seek(9, Purpose::data);
  Stream fresh(seed, 3, 9, Purpose::data);
  for (int i = 0; i < 10; ++i) {
    CHECK(stream.normal() == fresh.normal());
    CHECK(stream.bits() == fresh.bits());
  }
  stream.seek(11);
  Stream later(seed, 3, 11, Purpose::data);
  CHECK(stream.bits() == later.bits());
}

TEST_CASE("normals do not depend on how the range is cut") {
  const auto whole = normals(1024);
  for (const std::size_t cut : {64u, 128u, 640u}) {
    std::vector<double> pieces(1024);
    Stream stream(seed, 0);
    stream.normals(std::span(pieces).first(cut));
    stream.normals(std::span(pieces).subspan(cut));
    CHECK(pieces == whole);
  }
  for (const std::size_t n : {1u, 63u, 65u, 1000u}) {
    const auto start = normals(n);
    CHECK(std::equal(start.begin(), start.end(), whole.begin()));
  }
  std::vector<double> long_uniforms(256), short_uniforms(100);
  Stream(seed, 0).uniforms(long_uniforms);
  Stream(seed, 0).uniforms(short_uniforms);
  CHECK(std::equal(short_uniforms.begin(), short_uniforms.end(), long_uniforms.begin()));
}

TEST_CASE("vectorised normals: moments to order 6 and Kolmogorov-Smirnov") {
  const auto x = normals(4'000'000);
  for (const double z : normal_moment_scores(x)) CHECK(std::abs(z) < z_limit);
  const boost::math::normal law;
  CHECK(ks_test(std::vector(x.begin(), x.begin() + 500'000), [&](double v) { return cdf(law, v); }) > false_alarm);
}

TEST_CASE("vectorised normals: the tails hold as many as they must") {
  const auto x = normals(20'000'000, seed, 1);
  const boost::math::normal law;
  for (const double threshold : {3.0, 3.5, 4.0, 4.5, 5.0}) {
    const double p = cdf(complement(law, threshold)), n = static_cast<double>(x.size());
    for (const int sign : {1, -1}) {
      const auto count = std::ranges::count_if(x, [&](double v) { return sign * v > threshold; });
      // Poisson at p n >= 5.7, |z| limit 7: below 1e-6 for such means.
      CHECK(std::abs(static_cast<double>(count) - p * n) < 7 * std::sqrt(p * n));
    }
  }
}

TEST_CASE("vectorised normals: the two numbers of a counter, and neighbours, are uncorrelated to all low orders") {
  const auto x = normals(1 << 20);
  for (const std::size_t lag : {1u, 2u, 4u, 8u, 16u, 32u, 64u}) {
    std::vector<double> a(x.begin(), x.end() - static_cast<std::ptrdiff_t>(lag));
    std::vector<double> b(x.begin() + static_cast<std::ptrdiff_t>(lag), x.end());
    CHECK(std::abs(correlation_z(a, b)) < z_limit);
    for (double& v : a) v *= v;
    CHECK(std::abs(correlation_z(a, b)) < z_limit);
    for (double& v : b) v *= v;
    CHECK(std::abs(correlation_z(a, b)) < z_limit);
  }
  // Within a block place i and 32 + i share a radius: their squares sum to an exponential of mean 2.
  std::vector<double> radius;
  for (std::size_t block = 0; block < 4000; ++block)
    for (std::size_t i = 0; i < 32; ++i)
      radius.push_back(0.5 * (x[64 * block + i] * x[64 * block + i] + x[64 * block + 32 + i] * x[64 * block + 32 + i]));
  CHECK(ks_test(radius, [](double v) { return -std::expm1(-v); }) > false_alarm);
}

TEST_CASE("streams of other seeds, replicas, steps and purposes are uncorrelated") {
  constexpr std::size_t n = 1 << 18;
  const auto base = normals(n);
  const std::vector<std::vector<double>> others{normals(n, seed + 1),
                                                normals(n, seed + (std::uint64_t{1} << 32)),
                                                normals(n, seed, 1),
                                                normals(n, seed, 1u << 31),
                                                normals(n, seed, 0, 1),
                                                normals(n, seed, 0, std::uint64_t{1} << 40),
                                                normals(n, seed, 0, 0, Purpose::batch),
                                                normals(n, seed, 0, 0, Purpose::data)};
  for (const auto& other : others) {
    CHECK(std::abs(correlation_z(base, other)) < z_limit);
    auto squares = other, base_squares = base;
    for (double& v : squares) v *= v;
    for (double& v : base_squares) v *= v;
    CHECK(std::abs(correlation_z(base_squares, squares)) < z_limit);
  }
  // Across many short streams, as the simulation uses them: first numbers of consecutive steps and replicas.
  std::vector<double> steps, replicas;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    steps.push_back(Stream(seed, 7, i).normal());
    replicas.push_back(Stream(seed, i, 7).normal());
  }
  const boost::math::normal law;
  for (const auto& x : {steps, replicas}) {
    CHECK(ks_test(x, [&](double v) { return cdf(law, v); }) > false_alarm);
    CHECK(std::abs(correlation_z({x.begin(), x.end() - 1}, {x.begin() + 1, x.end()})) < z_limit);
  }
}

TEST_CASE("uniforms are uniform") {
  std::vector<double> x(500'000);
  Stream stream(seed, 2);
  stream.uniforms(x);
  CHECK(ks_test(x, [](double v) { return v; }) > false_alarm);
  CHECK(std::abs(correlation_z({x.begin(), x.end() - 1}, {x.begin() + 1, x.end()})) < z_limit);
  CHECK(ks_test(draws(200'000, [&] { return stream.uniform(); }), [](double v) { return v; }) > false_alarm);
}

TEST_CASE("scalar normals and exponentials follow their laws") {
  Stream stream(seed, 4);
  const auto x = draws(400'000, [&] { return stream.normal(); });
  for (const double z : normal_moment_scores(x)) CHECK(std::abs(z) < z_limit);
  const boost::math::normal normal_law;
  CHECK(ks_test(x, [&](double v) { return cdf(normal_law, v); }) > false_alarm);
  const boost::math::exponential exponential_law;
  CHECK(ks_test(draws(200'000, [&] { return stream.exponential(); }),
                [&](double v) { return cdf(exponential_law, v); }) > false_alarm);
}

TEST_CASE("gamma variates follow their law") {
  std::uint64_t replica = 100;
  for (const double shape : {0.05, 0.3, 0.5, 1.0, 1.5, 2.7, 10.0, 1000.0, 1e6}) {
    CAPTURE(shape);
    Stream stream(seed, replica++);
    const boost::math::gamma_distribution<> law(shape);
    const auto x = draws(50'000, [&] { return stream.gamma(shape); });
    CHECK(ks_test(x, [&](double v) { return v > 0 ? cdf(law, v) : 0.0; }) > false_alarm);
  }
}

TEST_CASE("chi-square variates follow their law for few and many degrees of freedom") {
  std::uint64_t replica = 200;
  for (const double degrees : {1.0, 2.0, 3.0, 4.5, 16.0, 999.0, 1e5}) {
    CAPTURE(degrees);
    Stream stream(seed, replica++);
    const boost::math::chi_squared law(degrees);
    const auto x = draws(100'000, [&] { return stream.chi_square(degrees); });
    CHECK(ks_test(x, [&](double v) { return cdf(law, v); }) > false_alarm);
    const double n = static_cast<double>(x.size());
    CHECK(std::abs(mean(x) - degrees) < z_limit * std::sqrt(2 * degrees / n));
    // Var of the sample variance: (mu_4 - mu_2^2)/n = (8 k^2 + 48 k)/n.
    CHECK(std::abs(central_moment(x, 2) - 2 * degrees) <
          z_limit * std::sqrt((8 * degrees * degrees + 48 * degrees) / n));
  }
  Stream stream(seed, replica);
  CHECK(stream.chi_square(0) == 0);
}

TEST_CASE("chi-square with huge degrees of freedom is normal with the right mean and variance") {
  std::uint64_t replica = 300;
  for (const double degrees : {1e9, 1e12, 1e15, 1e18}) {
    CAPTURE(degrees);
    Stream stream(seed, replica++);
    const auto z = draws(200'000, [&] { return (stream.chi_square(degrees) - degrees) / std::sqrt(2 * degrees); });
    const boost::math::normal law;
    // Skewness sqrt(8/degrees) <= 9e-5 and, at 1e18, values rounded to multiples of 128: both far below resolution.
    CHECK(ks_test(z, [&](double v) { return cdf(law, v); }) > false_alarm);
    for (const double score : normal_moment_scores(z)) CHECK(std::abs(score) < z_limit);
  }
}

TEST_CASE("the acceptance test of gamma agrees with the ratio of densities") {
  // In extended precision, where the plain form keeps enough digits.
  for (const double shape : {1.0, 1.7, 30.0, 1e4, 1e6}) {
    const ew::GammaRejection rejection(shape);
    for (double x = -4; x <= 4; x += 0.37) {
      const long double d = static_cast<long double>(shape) - 1.0L / 3;
      const long double root = 1 + x / std::sqrt(9 * d), v = root * root * root;
      if (root <= 0) {
        CHECK(!rejection.accepts(x, 1e-300));
        continue;
      }
      const auto threshold = static_cast<double>(std::exp(0.5L * x * x + d * (1 - v + std::log(v))));
      const double squeeze = 1 - 0.0331 * x * x * x * x;
      if (threshold * (1 + 1e-9) < 1) CHECK(!rejection.accepts(x, threshold * (1 + 1e-9)));
      CHECK(rejection.accepts(x, threshold * (1 - 1e-9)));
      CHECK(squeeze <= threshold * (1 + 1e-9));
      CHECK(rejection.value(x) == Approx(static_cast<double>(d * v)).epsilon(1e-12));
    }
  }
}

TEST_CASE("below(n) is uniform, exactly") {
  Stream stream(seed, 5);
  for (const std::uint64_t n : {1u, 2u, 6u, 37u}) {
    std::vector<double> count(n);
    constexpr double total = 200'000;
    for (int i = 0; i < static_cast<int>(total); ++i) ++count.at(stream.below(n));
    double statistic = 0;
    const double expected = total / static_cast<double>(n);
    for (const double c : count) statistic += (c - expected) * (c - expected) / expected;
    if (n > 1) CHECK(cdf(complement(boost::math::chi_squared(static_cast<double>(n - 1)), statistic)) > false_alarm);
  }
  // n = 3 * 2^62: multiplying without rejection would favour a third of the values two to one.
  const std::uint64_t n = std::uint64_t{3} << 62;
  double residue_counts[3] = {0, 0, 0};
  for (int i = 0; i < 90'000; ++i) {
    const auto value = stream.below(n);
    REQUIRE(value < n);
    ++residue_counts[value % 3];
  }
  for (const double c : residue_counts) CHECK(std::abs(c - 30'000) < z_limit * std::sqrt(20'000.0));
}

TEST_CASE("below(n) draws anew where the low half of bits * n is too low") {
  __extension__ using Wide = unsigned __int128;
  for (const std::uint64_t n : {(std::uint64_t{1} << 63) + 1, (std::uint64_t{1} << 63) + (std::uint64_t{1} << 61),
                                std::uint64_t{3} << 62, std::uint64_t{6148914691236517207}}) {
    CAPTURE(n);
    Stream drawn(seed, 7), words(seed, 7);
    int rejected = 0;
    for (int i = 0; i < 200; ++i) {
      Wide product = 0;
      // 2^64 mod n of the 2^64 low halves are one too many.
      const auto surplus = static_cast<std::uint64_t>((Wide{1} << 64) % n);
      for (product = static_cast<Wide>(words.bits()) * n; static_cast<std::uint64_t>(product) < surplus; ++rejected)
        product = static_cast<Wide>(words.bits()) * n;
      CHECK(drawn.below(n) == static_cast<std::uint64_t>(product >> 64));
    }
    CHECK(rejected > 20);
  }
}

TEST_CASE("bad arguments are refused") {
  CHECK_THROWS_WITH_AS(Stream(seed, std::uint64_t{1} << 32), "random stream: replica must be below 2^32",
                       std::out_of_range);
  CHECK_THROWS_WITH_AS(Stream(seed, 0, std::uint64_t{1} << 48), "random stream: step must be below 2^48",
                       std::out_of_range);
  Stream stream(seed, 0);
  CHECK_THROWS_AS(stream.below(0), std::invalid_argument);
  CHECK_THROWS_AS(stream.gamma(0), std::invalid_argument);
  CHECK_THROWS_AS(stream.gamma(std::nan("")), std::invalid_argument);
  CHECK_THROWS_AS(stream.chi_square(-1), std::invalid_argument);
}

TEST_CASE("gamma and chi-square take their normal and uniform numbers from the stream in this order, and no others") {
  const auto by_rejection = [](Stream& stream, double shape) {
    const ew::GammaRejection rejection(shape);
    for (;;) {
      const double x = stream.normal(), u = stream.uniform();
      if (rejection.accepts(x, u)) return rejection.value(x);
    }
  };
  for (std::uint64_t replica = 0; replica < 20; ++replica) {
    Stream one(seed, replica), other(seed, replica);
    for (const double shape : {1.0, 2.7, 0.3}) {
      CAPTURE(shape);
      double expected = by_rejection(other, shape < 1 ? shape + 1 : shape);
      if (shape < 1) expected *= std::exp(std::log(other.uniform()) / shape);
      CHECK(one.gamma(shape) == Approx(expected).epsilon(1e-13));
    }
    const double z = other.normal();
    CHECK(one.chi_square(1) == z * z);
    CHECK(one.chi_square(2) == 2 * other.exponential());
    CHECK(one.chi_square(6) == 2 * by_rejection(other, 3));
    CHECK(one.chi_square(0) == 0);
    CHECK(one.uniform() == other.uniform());
  }
}

TEST_CASE("no more than 2^32 blocks of a sequence") {
  // The range is never written to: there is no room for its counters.
  double any = 0;
  const std::span<double> endless(&any, std::size_t{1} << 33);
  const char* const said = "random stream: more than 2^32 blocks drawn for one (seed, replica, step, purpose)";
  Stream stream(seed, 0);
  CHECK_THROWS_WITH_AS(stream.normals(endless), said, std::length_error);
  CHECK_THROWS_WITH_AS(stream.uniforms(endless), said, std::length_error);
  Stream fresh(seed, 0);
  for (int i = 0; i < 64; ++i) CHECK(stream.bits() == fresh.bits());
  // 32 blocks are gone: 2^32 - 32 more are too many, and nothing is used up.
  CHECK_THROWS_WITH_AS(stream.normals(endless.first((std::size_t{1} << 33) - 64)), said, std::length_error);
  std::vector<double> x(70), y(70);
  stream.normals(x);
  fresh.normals(y);
  CHECK(x == y);
}

TEST_CASE("ranges filled in between: they begin at the next counter, and what follows at the one behind") {
  for (const std::size_t n : {1u, 63u, 64u, 65u, 130u}) {
    CAPTURE(n);
    Stream stream(seed, 3, 7, Purpose::data);
    stream.bits();    // half of block 0
    stream.normal();  // the rest of it, block 1 and a spare
    std::vector<double> normals(n), uniforms(n);
    stream.normals(normals);
    stream.uniforms(uniforms);
    const std::uint64_t next = stream.bits();
    const std::uint32_t used = 32 * static_cast<std::uint32_t>((n + 63) / 64);
    const auto words = [&](std::uint32_t block) {
      return ew::philox({block, 7, std::uint32_t{3} << 16, 3},
                        {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
    };
    const auto joined = [](const std::array<std::uint32_t, 4>& w, std::size_t i) {
      return std::uint64_t{w[i]} << 32 | w[i + 1];
    };
    for (std::size_t i = 0; i < n; ++i) {
      // Places i and i + 32 of 64 share a counter.
      const auto counter = static_cast<std::uint32_t>(32 * (i / 64) + i % 32);
      const auto w = words(2 + counter), v = words(2 + used + counter);
      const auto [first, second] = ew::box_muller(joined(w, 0), joined(w, 2));
      CHECK(normals[i] == (i % 64 < 32 ? first : second));
      CHECK(uniforms[i] == ew::uniform_of(joined(v, i % 64 < 32 ? 0 : 2)));
    }
    CHECK(next == joined(words(2 + 2 * used), 0));
  }
}

TEST_CASE("arguments at their ends, and the texts of those beyond") {
  CHECK(Stream(seed, 0xffffffffu, (std::uint64_t{1} << 48) - 1).uniform() > 0);
  Stream stream(seed, 0);
  CHECK_THROWS_WITH_AS(stream.seek(std::uint64_t{1} << 48), "random stream: step must be below 2^48",
                       std::out_of_range);
  CHECK_THROWS_WITH_AS(stream.below(0), "random stream: below(0) has no value to give", std::invalid_argument);
  CHECK_THROWS_WITH_AS(stream.gamma(0), "random stream: the shape of a gamma law must be > 0", std::invalid_argument);
  CHECK_THROWS_WITH_AS(stream.gamma(-1), "random stream: the shape of a gamma law must be > 0", std::invalid_argument);
  CHECK_THROWS_WITH_AS(stream.chi_square(-1), "random stream: the degrees of freedom must be >= 0",
                       std::invalid_argument);
  CHECK_THROWS_AS(stream.chi_square(std::nan("")), std::invalid_argument);
  CHECK(stream.below(1) == 0);
  CHECK(stream.gamma(INFINITY) == INFINITY);
  CHECK(stream.chi_square(INFINITY) == INFINITY);
}
