// Covariances with a basis: identities of docs/theory/sign-and-clip.md, section 9, and its reference values R6, R7.
#include "models/nonlinear/covariance.hpp"

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <stdexcept>
#include <string>

#include "tests/approx.hpp"
#include "tests/models/nonlinear/dense_covariance.hpp"

using namespace edgewise::models;
using namespace edgewise::models::nonlinear;
using edgewise::models::testing::dense_covariance;
using edgewise::tests::Approx;
namespace spectra = edgewise::spectra;

namespace {

spectra::Spectrum power_law(std::size_t d, double alpha, double beta) {
  spectra::Spectrum s;
  for (std::size_t j = 1; j <= d; ++j) {
    s.eigenvalue.push_back(std::pow(static_cast<double>(j), -2 * alpha));
    s.target_power.push_back(std::pow(static_cast<double>(j), -2 * beta));
    s.multiplicity.push_back(1);
  }
  return s;
}

double sum(const std::vector<double>& a) {
  return std::accumulate(a.begin(), a.end(), 0.0);
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

double relative(double a, double b) {
  return std::abs(a / b - 1);
}

/// tr(K K_sigma), element by element.
double sign_trace(const Covariance& k) {
  const auto signs = noise_covariance(k);
  if (!k.diagonal) return dot(k.matrix, signs);
  double total = 0;
  for (std::size_t i = 0; i < k.d; ++i) total += k.eigenvalue[i] * signs[i * k.d + i];
  return total;
}

void check_identities(const Covariance& k) {
  double roots = 0;
  for (const double v : k.diagonal_entries()) roots += std::sqrt(v);
  const ModeSystem one = class_one_modes(k), two = class_two_modes(k);
  CHECK(relative(sum(two.s), roots) < 1e-12);
  CHECK(relative(dot(two.kappa, two.s), sign_trace(k)) < 1e-12);
  CHECK(relative(dot(two.kappa, two.initial), k.signal()) < 1e-11);
  CHECK(relative(dot(one.kappa, one.initial), k.signal()) < 1e-11);
  CHECK(relative(sum(one.kappa), k.trace()) < 1e-12);
  CHECK(relative(dot(one.kappa, one.s), k.trace_of_square()) < 1e-12);
  CHECK(one.kappa == one.s);
  for (const auto* modes : {&one, &two}) {
    CHECK(modes->kappa.size() == modes->s.size());
    CHECK(modes->kappa.size() == modes->initial.size());
    CHECK(std::ranges::is_sorted(modes->kappa, std::greater()));
  }
}

template <class F>
std::string message(F f) {
  try {
    f();
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "nothing thrown";
}

}  // namespace

TEST_CASE("Reference R6: autoregressive covariance") {
  const Covariance k = autoregressive_covariance({300, 0.3, 0.6, 1});
  const ModeSystem modes = class_two_modes(k);
  CHECK(relative(k.signal(), 0.290395618315) < 1e-11);
  CHECK(relative(dot(modes.kappa, modes.s), 38.9805562896) < 1e-11);
  CHECK(relative(modes.kappa[0], 2.25251014514) < 1e-11);
  check_identities(k);
}

TEST_CASE("Reference R7: power law along the cosine basis") {
  const Covariance k = cosine_covariance(power_law(300, 0.25, 0.5));
  const ModeSystem modes = class_two_modes(k);
  CHECK(relative(k.signal(), 2.49700143971) < 1e-11);
  CHECK(relative(dot(modes.kappa, modes.s), 48.2885348670) < 1e-11);
  check_identities(k);
}

TEST_CASE("A diagonal covariance: kappa^2 = lambda, s = kappa, S = tr K") {
  spectra::Spectrum s = power_law(20, 0.4, 0.7);
  s.multiplicity[3] = 5;
  const Covariance k = diagonal_covariance(s);
  CHECK(k.d == 24);
  const ModeSystem modes = class_two_modes(k);
  for (std::size_t i = 0; i < k.d; ++i) {
    CHECK(relative(modes.kappa[i] * modes.kappa[i], k.eigenvalue[i]) < 1e-15);
    CHECK(modes.s[i] == modes.kappa[i]);
  }
  CHECK(relative(dot(modes.kappa, modes.s), s.trace()) < 1e-13);
  CHECK(relative(k.signal(), s.signal()) < 1e-13);
  check_identities(k);
}

TEST_CASE("A diagonal covariance written as a dense one has the same modes") {
  const Covariance k = diagonal_covariance(power_law(30, 0.4, 0.7));
  std::vector<double> matrix(k.d * k.d, 0.0);
  for (std::size_t i = 0; i < k.d; ++i) matrix[i * k.d + i] = k.eigenvalue[i];
  const Covariance same = dense_covariance(matrix, k.target);
  const ModeSystem a = class_two_modes(k), b = class_two_modes(same);
  const ModeSystem c = class_one_modes(k), e = class_one_modes(same);
  for (std::size_t i = 0; i < k.d; ++i) {
    CHECK(relative(a.kappa[i], b.kappa[i]) < 1e-12);
    CHECK(relative(a.s[i], b.s[i]) < 1e-12);
    CHECK(relative(a.initial[i], b.initial[i]) < 1e-12);
    CHECK(relative(c.kappa[i], e.kappa[i]) < 1e-12);
    CHECK(relative(c.initial[i], e.initial[i]) < 1e-12);
  }
}

TEST_CASE(
    "The cosine basis with equal eigenvalues is the isotropic "
    "covariance, rotated") {
  const Covariance k = cosine_covariance(power_law(64, 0, 0.5));
  for (std::size_t j = 0; j < k.d; ++j)
    for (std::size_t i = 0; i < k.d; ++i) CHECK(std::abs(k.matrix[j * k.d + i] - (i == j ? 1 : 0)) < 1e-13);
  CHECK(relative(sum(class_two_modes(k).s), 64) < 1e-12);
  check_identities(k);
}

TEST_CASE(
    "H is similar to Dg^(-1/2) K: the modes' P decays as that of the "
    "linear flow") {
  // exp(-t Dg^(-1/2) K) applied to v, against sum kappa M(0) exp(-2 kappa t).
  const Covariance k = autoregressive_covariance({40, 0.3, 0.6, 1});
  const ModeSystem modes = class_two_modes(k);
  const auto d = static_cast<Eigen::Index>(k.d);
  const Eigen::Map<const Eigen::MatrixXd> matrix(k.matrix.data(), d, d);
  const Eigen::MatrixXd drift = matrix.diagonal().cwiseSqrt().cwiseInverse().asDiagonal() * matrix;
  Eigen::VectorXd v = Eigen::Map<const Eigen::VectorXd>(k.target.data(), d), term = v;
  const double t = 0.7;
  for (int n = 1; n < 60; ++n) {
    term = -t / n * (drift * term);
    v += term;
  }
  double expected = 0;
  for (std::size_t i = 0; i < k.d; ++i)
    expected += modes.kappa[i] * modes.initial[i] * std::exp(-2 * modes.kappa[i] * t);
  CHECK(relative(v.dot(matrix * v), expected) < 1e-11);
}

TEST_CASE("Coordinates without variance are left out of the signs' modes") {
  const Covariance k = dense_covariance({1, 0, 0.5, 0, 0, 0, 0.5, 0, 2}, {1, 3, -1});
  const ModeSystem modes = class_two_modes(k);
  CHECK(modes.kappa.size() == 2);
  CHECK(relative(sum(modes.s), 1 + std::numbers::sqrt2) < 1e-14);
  CHECK(relative(dot(modes.kappa, modes.initial), k.signal()) < 1e-14);
  CHECK(class_one_modes(k).kappa.size() == 3);
  CHECK(class_one_modes(k).kappa[2] == Approx(0));
  spectra::Spectrum s = power_law(3, 0.5, 0);
  s.eigenvalue[2] = 0;
  CHECK(class_two_modes(diagonal_covariance(s)).kappa.size() == 2);
}

TEST_CASE("A fully correlated covariance: K_sigma is 1 everywhere") {
  const Covariance k = dense_covariance({4, 2, 2, 1}, {1, 1});
  const auto signs = noise_covariance(k);
  for (const double x : signs) CHECK(x == Approx(1).epsilon(1e-7));
  CHECK(class_two_modes(k).kappa[1] == Approx(0));
}

TEST_CASE("What is no covariance is refused") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(message([] { autoregressive_covariance({0, 0.3, 0.6, 1}); }).find("dimension") != std::string::npos);
  CHECK(message([] { autoregressive_covariance({10, 0.3, 1, 1}); }).find("between -1 and 1") != std::string::npos);
  CHECK(message([=] { autoregressive_covariance({10, nan, 0.5, 1}); }).find("alpha") != std::string::npos);
  // Correlations of -0.9 between three coordinates cannot be.
  const Covariance k = dense_covariance({1, -.9, -.9, -.9, 1, -.9, -.9, -.9, 1}, {1, 1, 1});
  CHECK(message([&] { class_one_modes(k); }).find("positive semidefinite") != std::string::npos);
  CHECK(message([&] { class_two_modes(k); }).find("positive semidefinite") != std::string::npos);
  spectra::Spectrum s = power_law(3, 0.5, 0);
  s.multiplicity[1] = 1.5;
  CHECK(message([&] { cosine_covariance(s); }).find("whole") != std::string::npos);
  s.multiplicity[1] = 1;
  s.compressed = true;
  CHECK(message([&] { cosine_covariance(s); }) ==
        "spectrum.compress: the nodes of a compressed spectrum have no coordinates; remove the key compress");
}

TEST_CASE("Covariances are read from experiments") {
  const auto read = [](const std::string& spectrum, const std::string& data) {
    return read_covariance(edgewise::settings::read_text("[spectrum]\n" + spectrum + "\n[data]\n" + data, "test.toml"));
  };
  const std::string power = "kind = \"power-law\"\ndimension = 12\nalpha = 0.25\nbeta = 0.5";
  const std::string autoregressive = "kind = \"autoregressive\"\ndimension = 12\ncorrelation = 0.6\nalpha = 0.3";
  CHECK(read(power, "").diagonal);
  CHECK(read(power, "law = \"gaussian\"").eigenvalue == diagonal_covariance(power_law(12, 0.25, 0.5)).eigenvalue);
  CHECK(read(power, "basis = \"cosine\"").matrix == cosine_covariance(power_law(12, 0.25, 0.5)).matrix);
  CHECK(read(autoregressive, "").matrix == autoregressive_covariance({12, 0.3, 0.6, 1}).matrix);
  const Covariance rotated = read(autoregressive, "basis = \"eigen\"");
  CHECK(rotated.diagonal);
  CHECK(relative(rotated.signal(), read(autoregressive, "").signal()) < 1e-12);
  CHECK_THROWS_AS(read(power, "basis = \"wavelet\""), edgewise::settings::Error);
  CHECK_THROWS_AS(read("kind = \"dataset\"\ndimension = 12", ""), edgewise::settings::Error);
  CHECK_THROWS_AS(read(autoregressive + "\nbeta = 1", ""), edgewise::settings::Error);
  CHECK_THROWS_AS(read("kind = \"isotropic\"\ndimension = 1000000000", ""), edgewise::settings::Error);
}

TEST_CASE("Where coordinates are not whole an entry stands for several, and the sums are the spectrum's") {
  spectra::Spectrum s = power_law(3, 0.5, 0);
  s.multiplicity = {2.5, 1, 7};
  s.target_power = {1, 4, 0.25};
  const Covariance k = diagonal_covariance(s);
  CHECK(k.d == 3);
  CHECK(k.trace() == Approx(s.trace()));
  CHECK(k.trace_of_square() == Approx(s.trace_of_square()));
  CHECK(k.signal() == Approx(s.signal()));
  const ModeSystem one = class_one_modes(k), two = class_two_modes(k);
  CHECK(one.noise_power() == Approx(s.trace()));
  CHECK(one.excess_mse() == Approx(s.signal()));
  CHECK(one.count == s.multiplicity);
  CHECK(two.noise_power() == Approx(2.5 + std::sqrt(0.5) + 7 * std::sqrt(1.0 / 3)));
  CHECK(two.excess_mse() == Approx(s.signal()));
}
