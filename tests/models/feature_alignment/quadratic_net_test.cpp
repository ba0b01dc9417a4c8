// Limits of quadratic nets, draws by loops over examples and units.
#include "models/feature_alignment/quadratic_net.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "random/random.hpp"
#include "tests/approx.hpp"
#include "tests/models/feature_alignment/literal_correlation.hpp"

using namespace edgewise;
using namespace edgewise::models::feature_alignment;
using edgewise::tests::Approx;
using linear_algebra::Matrix;

namespace {

/// Whether the mean of draws at d = 250 is the limit to 4 standard errors and .004.
bool alike(const std::vector<StartAlignment>& draws, double limit, double StartAlignment::*of) {
  const auto count = static_cast<double>(draws.size());
  double mean = 0, square = 0;
  for (const StartAlignment& now : draws) mean += now.*of / count;
  for (const StartAlignment& now : draws) square += std::pow(now.*of - mean, 2) / (count - 1);
  CAPTURE(mean - limit);
  return std::abs(mean - limit) < 4 * std::sqrt(square / count) + 0.004;
}

}  // namespace

TEST_CASE("draws of quadratic nets approach their limit, of every law of labels and readouts" *
          doctest::test_suite("slow")) {
  std::vector<QuadraticNet> nets;
  for (const double c_n : {0.0, 0.5, 2.0})
    for (const double c_m : {0.0, 0.5}) {
      QuadraticNet net;
      net.examples_ratio = c_n;
      net.width_ratio = c_m;
      nets.push_back(net);
      net.readout = ReadoutKind::values;
      net.readout_values = {1, 2, -0.5};
      net.label = LabelKind::values;
      net.label_values = {0, 0, 1};
      nets.push_back(net);
      net.readout = ReadoutKind::ones;
      net.label = LabelKind::goe_teacher;
      nets.push_back(net);
    }
  for (QuadraticNet& net : nets) {
    net.dimension = 250;
    CAPTURE(net.examples_ratio);
    CAPTURE(net.width_ratio);
    CAPTURE(static_cast<int>(net.label));
    const StartAlignment theory = limit(net);
    std::vector<StartAlignment> draws;
    for (std::uint64_t r = 0; r < 6; ++r) draws.push_back(draw(net, Correlation::cosine, 3, r));
    CHECK(alike(draws, theory.centred, &StartAlignment::centred));
    CHECK(alike(draws, theory.uncentred, &StartAlignment::uncentred));
  }
}

TEST_CASE("traces of words: polynomials in the ratios") {
  const auto expect = [](const QuadraticNet& net, const std::vector<std::pair<std::string, double>>& values) {
    const auto found = traces(net);
    for (const auto& known : values) {
      const auto at = std::ranges::find(found, "tau_" + known.first, &std::pair<std::string, double>::first);
      CAPTURE(known.first);
      REQUIRE(at != found.end());
      CHECK(at->second == Approx(known.second).epsilon(1e-13));
    }
  };
  QuadraticNet net;  // fair signs
  const double c = net.examples_ratio = 0.3, b = net.width_ratio = 0.7;
  const double c2 = c * c, c3 = c2 * c, c4 = c3 * c, c5 = c4 * c;
  expect(net, {{"AA", c},
               {"B", 1},
               {"AAB", c + c2},
               {"AAAA", 2 * c2 + c3},
               {"AAAAB", 2 * c2 + 4 * c3 + c4},
               {"AABAAB", 2 * c2 + 8 * c3 + 7 * c4 + c5},
               {"MAAMAA", 2 * c2 + c3 + b * c2},
               {"WW", 1 + b}});
  net.readout = ReadoutKind::ones;
  net.examples_ratio = 0;
  expect(net, {{"WSBS", 1 + 3 * b + b * b}, {"WW", 1 + b}, {"SBSSBS", 1 + 6 * b + 6 * b * b + b * b * b}});
  net.readout = ReadoutKind::gaussian;
  net.label = LabelKind::goe_teacher;
  expect(net, {{"AAAA", 2},
               {"MAAMAA", 2 + 3 * b},
               {"MAAMBMAA", 2 + 12 * b + 15 * b * b},
               {"MBMAAMBMAA", 2 + 24 * b + 87 * b * b + 105 * b * b * b}});
  // A teacher of rank one has no trace.
  net.label = LabelKind::rank_one;
  CHECK(traces(net).size() == 4);
  CHECK(limit(net).centred == 1);
}

TEST_CASE("a draw is the network's own gradient, example by example") {
  QuadraticNet net;
  net.dimension = 5;
  net.examples_ratio = 5.0 / 7;
  net.width_ratio = 5.0 / 3;
  net.readout = ReadoutKind::gaussian;
  for (const LabelKind label : {LabelKind::signs, LabelKind::rank_one, LabelKind::goe_teacher}) {
    net.label = label;
    random::Stream stream(9, 2, 0, random::Purpose::data);
    Matrix x(5, 7), w(5, 3);
    stream.normals(x.entries());
    std::vector<double> y(7), a(3);
    if (label == LabelKind::signs)
      for (double& v : y) v = stream.uniform() < 0.5 ? -1 : 1;
    if (label == LabelKind::rank_one) {
      std::vector<double> theta(5);
      stream.normals(theta);
      for (std::size_t i = 0; i < 7; ++i) {
        double along = 0, square = 0;
        for (std::size_t k = 0; k < 5; ++k) {
          along += theta[k] * x(k, i);
          square += theta[k] * theta[k];
        }
        y[i] = along * along - square;
      }
    }
    if (label == LabelKind::goe_teacher) {
      Matrix t(5, 5);
      stream.normals(t.entries());
      for (std::size_t i = 0; i < 7; ++i)
        for (std::size_t j = 0; j < 5; ++j)
          for (std::size_t k = 0; k < 5; ++k) {
            const double entry = j == k ? std::sqrt(2.0) * t(j, j) : t(std::max(j, k), std::min(j, k));
            y[i] += entry * (x(j, i) * x(k, i) - (j == k ? 1 : 0));
          }
    }
    stream.seek(0, random::Purpose::initial);
    stream.normals(w.entries());
    for (double& v : a) v = stream.normal();
    // f = sum_j a_j (w_j.x)^2/2, loss sum (f - f_0 - y)^2/2: Wdot_j = sum_i y_i a_j h_ij x_i, g_ij = a_j h_ij.
    Matrix moved(3, 5), gradient(3, 7);
    for (std::size_t i = 0; i < 7; ++i)
      for (std::size_t j = 0; j < 3; ++j) {
        double h = 0;
        for (std::size_t k = 0; k < 5; ++k) h += w(k, j) * x(k, i);
        gradient(j, i) = a[j] * h;
        for (std::size_t k = 0; k < 5; ++k) moved(j, k) += y[i] * gradient(j, i) * x(k, i);
      }
    const auto feature = [&](auto weight, bool through_gradients) {
      Matrix out(5, 5);
      for (std::size_t p = 0; p < 5; ++p)
        for (std::size_t q = 0; q < 5; ++q)
          for (std::size_t j = 0; j < 3; ++j) {
            if (!through_gradients) out(p, q) += weight(j, p) * weight(j, q);
            for (std::size_t l = 0; through_gradients && l < 3; ++l)
              for (std::size_t i = 0; i < 7; ++i)
                out(p, q) += weight(j, p) * gradient(j, i) * gradient(l, i) * weight(l, q);
          }
      return out;
    };
    const auto change = [&](std::size_t j, std::size_t k) { return moved(j, k); };
    const auto whole = [&](std::size_t j, std::size_t k) { return w(k, j); };
    for (const bool pearson : {false, true}) {
      const StartAlignment now = draw(net, pearson ? Correlation::pearson : Correlation::cosine, 9, 2);
      CHECK(now.centred ==
            Approx(literal::correlation(feature(change, false), feature(change, true), pearson)).epsilon(1e-10));
      CHECK(now.uncentred ==
            Approx(literal::correlation(feature(whole, false), feature(whole, true), pearson)).epsilon(1e-10));
    }
  }
}

TEST_CASE("moments are those of a law, in any unit") {
  const std::vector<double> small = unit_moments(std::vector<double>{1e-60, 1e-120, 1e-180, 1e-240});
  for (const double m : small) CHECK(m == Approx(1));
  CHECK_THROWS_AS(unit_moments(std::vector<double>{0, 1, 0, 0.5}), std::invalid_argument);
  CHECK_THROWS_AS(unit_moments(std::vector<double>{0, 0, 0, 0}), std::invalid_argument);
  QuadraticNet net;
  net.label = LabelKind::moments;
  net.label_moments = {0, 4, 0, 16};
  const QuadraticNet signs;
  CHECK(limit(net).centred == Approx(limit(signs).centred));
  net.examples_ratio = 0.5;
  CHECK_THROWS_AS(draw(net, Correlation::cosine, 1, 0), std::invalid_argument);
  net.examples_ratio = net.width_ratio = 1e12;
  CHECK(std::isfinite(limit(net).centred));
  net.examples_ratio = net.width_ratio = 1e-60;
  CHECK(limit(net).centred == Approx(1));
}

TEST_CASE("draws where examples or units are many: their moments, or what fluctuates about a mean of 0") {
  constexpr std::size_t d = 6;
  const auto semicircle = [](random::Stream& stream) {
    Matrix g(d, d), out(d, d);
    stream.normals(g.entries());
    for (std::size_t i = 0; i < d; ++i)
      for (std::size_t j = 0; j < d; ++j)
        out(i, j) = i == j ? std::sqrt(2.0) * g(i, i) : g(std::max(i, j), std::min(i, j));
    return out;
  };
  const auto times = [](const Matrix& a, const Matrix& b) {
    Matrix out(d, d);
    for (std::size_t i = 0; i < d; ++i)
      for (std::size_t j = 0; j < d; ++j)
        for (std::size_t k = 0; k < d; ++k) out(i, j) += a(i, k) * b(k, j);
    return out;
  };
  QuadraticNet net;
  net.dimension = d;
  net.label_values = {0, 0, 1};
  net.readout_values = {1, 2, -0.5};
  for (const double c_n : {0.0, 0.5})
    for (const double c_m : {0.0, 0.75})
      for (const LabelKind label :
           {LabelKind::signs, LabelKind::gaussian, LabelKind::values, LabelKind::rank_one, LabelKind::goe_teacher})
        for (const ReadoutKind readout :
             {ReadoutKind::signs, ReadoutKind::gaussian, ReadoutKind::values, ReadoutKind::ones}) {
          if (c_n > 0 && (label == LabelKind::rank_one || label == LabelKind::goe_teacher)) continue;  // above
          net.examples_ratio = c_n;
          net.width_ratio = c_m;
          net.label = label;
          net.readout = readout;
          CAPTURE(c_n);
          CAPTURE(c_m);
          CAPTURE(static_cast<int>(label));
          CAPTURE(static_cast<int>(readout));
          random::Stream stream(5, 3, 0, random::Purpose::data);
          Matrix A(d, d), B(d, d);
          if (c_n == 0) {
            B = Matrix::identity(d, d);
            std::vector<double> theta(d);
            if (label == LabelKind::rank_one) stream.normals(theta);
            if (label == LabelKind::values) A = B;  // of mean 1/3
            if (label == LabelKind::signs || label == LabelKind::gaussian || label == LabelKind::goe_teacher)
              A = semicircle(stream);
            for (std::size_t i = 0; label == LabelKind::rank_one && i < d; ++i)
              for (std::size_t j = 0; j < d; ++j) A(i, j) = theta[i] * theta[j];
          } else {
            Matrix x(d, 12);
            stream.normals(x.entries());
            for (std::size_t n = 0; n < 12; ++n) {
              const double y = label == LabelKind::signs      ? (stream.uniform() < 0.5 ? -1 : 1)
                               : label == LabelKind::gaussian ? stream.normal()
                                                              : net.label_values[stream.below(3)];
              for (std::size_t i = 0; i < d; ++i)
                for (std::size_t j = 0; j < d; ++j) {
                  A(i, j) += y * x(i, n) * x(j, n);
                  B(i, j) += x(i, n) * x(j, n);
                }
            }
          }
          stream.seek(0, random::Purpose::initial);
          // N_e = (1/m) sum_j a_j^e w_j w_j'; of infinitely many units E a^e, or a semicircle where E a = 0.
          Matrix N[3] = {Matrix(d, d), Matrix(d, d), Matrix(d, d)};
          if (c_m == 0) {
            N[0] = N[2] = Matrix::identity(d, d);
            N[1] = readout == ReadoutKind::signs || readout == ReadoutKind::gaussian ? semicircle(stream)
                                                                                     : Matrix::identity(d, d);
          } else {
            Matrix w(d, 8);
            stream.normals(w.entries());
            for (std::size_t m = 0; m < 8; ++m) {
              const double a = readout == ReadoutKind::signs      ? (stream.uniform() < 0.5 ? -1 : 1)
                               : readout == ReadoutKind::gaussian ? stream.normal()
                               : readout == ReadoutKind::values   ? net.readout_values[stream.below(3)]
                                                                  : 1;
              for (std::size_t i = 0; i < d; ++i)
                for (std::size_t j = 0; j < d; ++j)
                  for (int e = 0; e < 3; ++e) N[e](i, j) += std::pow(a, e) * w(i, m) * w(j, m);
            }
          }
          const Matrix middle = times(times(A, N[2]), A);
          const Matrix gradients = times(times(times(A, N[2]), B), times(N[2], A));
          for (const bool pearson : {false, true}) {
            const StartAlignment now = draw(net, pearson ? Correlation::pearson : Correlation::cosine, 5, 3);
            CHECK(now.centred == Approx(literal::correlation(middle, gradients, pearson)).epsilon(1e-10));
            CHECK(now.uncentred ==
                  Approx(literal::correlation(N[0], times(times(N[1], B), N[1]), pearson)).epsilon(1e-10));
          }
        }
}
