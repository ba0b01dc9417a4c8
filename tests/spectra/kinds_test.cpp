#include "spectra/kinds.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "settings/settings.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::spectra;
using edgewise::tests::Approx;

namespace {

Spectrum built(const std::string& section) {
  return build(settings::read_text("[spectrum]\n" + section, "experiment.toml"));
}

std::string complaint(const std::string& section) {
  try {
    built(section);
  } catch (const settings::Error& error) {
    const std::string what = error.what(), prefix = "experiment.toml: spectrum";
    return what.starts_with(prefix) ? what.substr(prefix.size()) : what;
  }
  return "no complaint";
}

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

}  // namespace

TEST_CASE("every kind is described, with distinct names and the common key") {
  std::set<std::string> names;
  for (const Kind& kind : kinds()) {
    const auto& d = kind.description;
    CAPTURE(d.name);
    CHECK(names.insert(d.name).second);
    CHECK_FALSE(d.summary.empty());
    CHECK_FALSE(d.equations.empty());
    CHECK_FALSE(d.source.empty());
    CHECK(d.parameters.back().name == "compress");
    for (const auto& p : d.parameters) {
      CAPTURE(p.name);
      CHECK_FALSE(p.doc.empty());
      CHECK((p.required || p.fallback || !p.fallback_text.empty()));
    }
  }
  CHECK(names.size() == kinds().size());
  CHECK(names.size() >= 10);
}

TEST_CASE("isotropic") {
  const Spectrum s = built("kind = \"isotropic\"\ndimension = 1e15\neigenvalue = 2\ntarget_power = 3");
  CHECK(s.modes() == 1);
  CHECK(s.dimension() == 1e15);
  CHECK(s.trace() == 2e15);
  CHECK(s.signal() == 6);
  CHECK(built("kind = \"isotropic\"\ndimension = 7").signal() == 1);
  CHECK(complaint("kind = \"isotropic\"\ndimension = 0").starts_with(".dimension: must be >= 1"));
  CHECK(complaint("kind = \"isotropic\"\ndimension = 2.5") == ".dimension: must be a whole number, got 2.5");
  CHECK(complaint("kind = \"isotropic\"") == ".dimension: is required (a whole number, >= 1 and <= 1000000000000000)");
  CHECK(complaint("kind = \"isotropic\"\ndimension = 2\neigenvalue = -1") == ".eigenvalue: must be > 0, got -1");
  CHECK(complaint("kind = \"isotropic\"\ndimension = 2\neigenvalu = 1") ==
        ".eigenvalu: unknown key, did you mean 'eigenvalue'?");
}

TEST_CASE("power law: every eigenvalue, and the generalised harmonic numbers") {
  const Spectrum s = built("kind = \"power-law\"\ndimension = 200\nalpha = 0.6\nbeta = 0.5");
  CHECK(s.modes() == 200);
  CHECK_FALSE(s.compressed);
  CHECK(s.trace() == Approx(3.85958589792).epsilon(1e-11));   // pl-A: tr K
  CHECK(s.signal() == Approx(1.48910352896).epsilon(1e-11));  // and P(0)
  const Spectrum harmonic = built("kind = \"power-law\"\ndimension = 100\nalpha = 0.5\nbeta = 1");
  CHECK(harmonic.trace() == Approx(5.187377517639621).epsilon(1e-14));  // H_100
  const std::string scaled = "kind = \"power-law\"\ndimension = 200\nalpha = 0.6\nbeta = 0.5\nsignal = 2.5\n";
  for (const char* nodes : {"exact", "compressed"})
    CHECK(built(scaled + "nodes = \"" + nodes + "\"").signal() == Approx(2.5).epsilon(1e-13));
  CHECK(built(scaled).target_power[7] / built(scaled).target_power[0] == Approx(1.0 / 8).epsilon(1e-13));
  CHECK(complaint(scaled + "nodes = \"exact\"\nsigna = 1").starts_with(".signa: unknown key"));
}

TEST_CASE("power law: the target beyond the dimension as noise") {
  const std::string law = "kind = \"power-law\"\ntail = \"noise\"\nalpha = 1\n";
  // sum_{j > d} j^-s = zeta(s) - H(d, s); s = 2 alpha + 2 beta.
  double sum = 1.2020569031595942;
  for (int j = 1; j <= 4; ++j) sum -= std::pow(j, -3);
  CHECK(built(law + "beta = 0.5\ndimension = 4").unexplained_variance == Approx(sum).epsilon(1e-14));
  CHECK(built(law + "beta = 0\ndimension = 1").unexplained_variance ==
        Approx(0.6449340668482264).epsilon(1e-14));  // pi^2/6 - 1
  // Slowly falling, and far out: x^(1-s)/(s-1) at x = d + 1/2 up to (s (s+1)/24) d^-2.
  CHECK(built(law + "beta = -0.49\ndimension = 1e12").unexplained_variance ==
        Approx(std::pow(1e12, -0.02) / 0.02).epsilon(1e-12));
  CHECK(built(law + "beta = 2\ndimension = 29").unexplained_variance + std::pow(29.0, -6) -
            built(law + "beta = 2\ndimension = 28").unexplained_variance ==
        Approx(0).epsilon(1e-22).scale(1));
  // Steep laws, where the series' later terms count: term by term.
  for (const double beta : {2.0, 5.0, 9.0}) {
    CAPTURE(beta);
    long double terms = 0;
    for (int j = 20000; j >= 30; --j)
      terms += std::pow(static_cast<long double>(j), -2 - 2 * static_cast<long double>(beta));
    CHECK(built(law + "dimension = 29\nbeta = " + std::to_string(beta)).unexplained_variance ==
          Approx(static_cast<double>(terms)).epsilon(1e-14));
  }
  CHECK(built("kind = \"power-law\"\nalpha = 1\nbeta = 1\ndimension = 3").unexplained_variance == 0);
  CHECK(complaint(law + "beta = -0.5\ndimension = 3").starts_with(".tail: \"noise\" needs alpha + beta > 1/2"));
}

TEST_CASE("power law: nodes") {
  const std::string law = "kind = \"power-law\"\nalpha = 1\nbeta = 0.5\n";
  CHECK(built(law + "dimension = 200000").modes() == 200'000);
  const Spectrum big = built(law + "dimension = 1000000000");
  CHECK(big.compressed);
  CHECK(big.modes() < 300);
  CHECK(big.dimension() == Approx(1e9).epsilon(1e-12));
  CHECK(built(law + "dimension = 1000\nnodes = \"compressed\"").compressed);
  CHECK(built(law + "dimension = 1000\ncompress = 1e-3").modes() <
        built(law + "dimension = 1000\ncompress = 1e-9").modes());
  CHECK(built(law + "dimension = 300000\nnodes = \"exact\"").modes() == 300'000);
  CHECK(complaint(law + "dimension = 1000000000\nnodes = \"exact\"") ==
        ".nodes: \"exact\" keeps every eigenvalue and is limited to dimension <= 100000000, got 1000000000; use "
        "\"compressed\"");
  CHECK(complaint(law + "dimension = 10\nnodes = \"exact\"\ncompress = 1e-3") ==
        ".compress: contradicts nodes = \"exact\"");
  CHECK(complaint(law + "dimension = 10\ncompress = 0") == ".compress: must be > 0 and < 1, got 0");
  CHECK(complaint(law + "dimension = 10\nnodes = \"exat\"") ==
        ".nodes: 'exat' is not one of auto, exact, compressed, did you mean 'exact'?");
  CHECK(complaint("kind = \"power-law\"\ndimension = 9\nalpha = 0\nbeta = 1") == ".alpha: must be > 0, got 0");
  CHECK(complaint("kind = \"power-law\"\ndimension = 9\nalpha = 1") == ".beta: is required (a number)");
  CHECK(complaint("kind = \"power-law\"\ndimension = 1000000\nalpha = 30\nbeta = 1")
            .find("leaves the range of double precision") != std::string::npos);
}

TEST_CASE("two-point") {
  const Spectrum s =
      built("kind = \"two-point\"\nlarge = 1\nsmall = 0.2\nmultiplicities = [5, 40]\ntarget_power = [2, 10]");
  CHECK(s.trace() == Approx(13).epsilon(1e-15));
  CHECK(s.signal() == Approx(4).epsilon(1e-15));
  const Spectrum f = built("kind = \"two-point\"\nsmall = 0.5\ndimension = 10\nfraction = 0.31");
  CHECK(f.multiplicity == std::vector<double>{3, 7});
  CHECK(sum(f.target_power) == Approx(1).epsilon(1e-15));
  CHECK(f.target_power[0] == Approx(0.3).epsilon(1e-15));
  const std::string two = "kind = \"two-point\"\nsmall = 0.5\n";
  CHECK(complaint(two) == ".dimension: give dimension (with fraction) or multiplicities");
  CHECK(complaint(two + "multiplicities = [1, 2]\ndimension = 3") ==
        ".multiplicities: give either multiplicities or dimension (with fraction), not both");
  CHECK(complaint(two + "multiplicities = [1, 2, 3]") == ".multiplicities: must be two numbers, got 3");
  CHECK(complaint(two + "multiplicities = [1, 0]") == ".multiplicities: must be > 0, got 0");
  CHECK(complaint(two + "dimension = 3\ntarget_power = [1]") == ".target_power: must be two numbers, got 1");
  CHECK(complaint(two + "dimension = 10\nfraction = 0.01") ==
        ".fraction: 0.01 of 10 coordinates leaves one of the two eigenspaces empty");
  CHECK(complaint("kind = \"two-point\"\nlarge = 0.1\nsmall = 0.5\ndimension = 4") ==
        ".small: must be at most large = 0.1, got 0.5");
}

TEST_CASE("spiked") {
  const Spectrum s = built("kind = \"spiked\"\ndimension = 100\nspikes = [4, 9]\nbulk_power = 0.5");
  CHECK(s.eigenvalue == std::vector<double>{9, 4, 1});
  CHECK(s.multiplicity == std::vector<double>{1, 1, 98});
  CHECK(s.target_power == std::vector<double>{0.5, 0.5, 0.5});
  CHECK(built("kind = \"spiked\"\ndimension = 3\nspikes = [4, 9]\nspike_power = [1, 2]").target_power ==
        std::vector<double>{2, 1, 0});
  CHECK(built("kind = \"spiked\"\ndimension = 3\nspikes = []").modes() == 1);
  CHECK(complaint("kind = \"spiked\"\ndimension = 2\nspikes = [4, 9]") ==
        ".spikes: 2 spikes leave no bulk at dimension 2");
  CHECK(complaint("kind = \"spiked\"\ndimension = 5\nspikes = [4, 9]\nspike_power = [1]") ==
        ".spike_power: has 1 numbers but spikes has 2");
}

TEST_CASE("list") {
  const Spectrum s = built("kind = \"list\"\neigenvalues = [0.5, 2]\nmultiplicities = [3, 1]\ntarget_power = [7, 8]");
  CHECK(s.eigenvalue == std::vector<double>{2, 0.5});
  CHECK(s.multiplicity == std::vector<double>{1, 3});
  CHECK(s.target_power == std::vector<double>{8, 7});
  const Spectrum plain = built("kind = \"list\"\neigenvalues = [3]\nunexplained_variance = 0.5");
  CHECK(plain.multiplicity == std::vector<double>{1});
  CHECK(plain.target_power == std::vector<double>{1});
  CHECK(plain.unexplained_variance == 0.5);
  CHECK(complaint("kind = \"list\"\neigenvalues = [3, 2]\nmultiplicities = [1]") ==
        ".multiplicities: has 1 numbers but eigenvalues has 2");
  CHECK(complaint("kind = \"list\"\neigenvalues = [3, 2]\ntarget_power = [1, 2, 3]") ==
        ".target_power: has 3 numbers but eigenvalues has 2");
  CHECK(complaint("kind = \"list\"\neigenvalues = [3, -2]") == ".eigenvalues: must be >= 0, got -2");
  CHECK(complaint("kind = \"list\"\neigenvalues = [0, 0]") == ": no eigenvalue is positive");
  CHECK(complaint("kind = \"list\"\neigenvalues = []") == ": the spectrum is empty");
}

TEST_CASE("compress applies to every kind") {
  const Spectrum s = built("kind = \"marchenko-pastur\"\ndimension = 5000\nratio = 0.5\ncompress = 1e-5");
  CHECK(s.compressed);
  CHECK(s.modes() <= 60);
  CHECK(s.provenance.find("compressed to") != std::string::npos);
  CHECK_FALSE(built("kind = \"isotropic\"\ndimension = 5000\ncompress = 1e-5").compressed);
}

TEST_CASE("kind") {
  CHECK(complaint("kind = \"isotropc\"\ndimension = 1").find("did you mean 'isotropic'?") != std::string::npos);
  CHECK(complaint("dimension = 1").starts_with(".kind: is required"));
}

TEST_CASE("where a spectrum is from, to the letter") {
  const auto from = [](const std::string& section) { return built(section).provenance; };
  CHECK(from("kind = 'isotropic'\ndimension = 7\neigenvalue = 2\ntarget_power = 3") ==
        "isotropic, d = 7, eigenvalue 2, target power 3");
  const std::string law = "kind = 'power-law'\ndimension = 3\nalpha = 0.5\nbeta = 0.25\n";
  CHECK(from(law) == "power law j^(-2 alpha), alpha = 0.5, beta = 0.25, d = 3");
  CHECK(from(law + "tail = 'noise'\nsignal = 2") ==
        "power law j^(-2 alpha), alpha = 0.5, beta = 0.25, d = 3, the target beyond as noise, target scaled to sum "
        "lambda "
        "theta*^2 = 2");
  CHECK(from("kind = 'two-point'\nlarge = 1\nsmall = 0.25\nmultiplicities = [5, 40]") ==
        "two-point, eigenvalues 1 and 0.25 with multiplicities 5 and 40");
  CHECK(from("kind = 'spiked'\ndimension = 10\nspikes = [4, 9]\nbulk = 0.5") ==
        "spiked, d = 10, bulk eigenvalue 0.5, spikes [4.0, 9.0]");
  CHECK(from("kind = 'list'\neigenvalues = [1, 2]") == "list of 2 eigenvalues");
  const std::string ratio = "kind = 'marchenko-pastur'\ndimension = 4\nratio = 0.5\n";
  CHECK(from(ratio) == "Marchenko-Pastur, ratio d/n = 0.5, d = 4, quantiles");
  CHECK(from(ratio + "method = 'sample'\nseed = 5") == "Marchenko-Pastur, ratio d/n = 0.5, d = 4, sampled with seed 5");
  CHECK(from("kind = 'autoregressive'\ndimension = 2\nalpha = 0.25\ncorrelation = -0.5") ==
        "autoregressive, d = 2, alpha = 0.25, correlation = -0.5");
  const std::string features = "kind = 'random-features'\nalpha = 1\nbeta = 0.5\n";
  CHECK(from(features + "matrix = [[1, 2], [3, 4], [5, 6]]") ==
        "random features, v = 3, d = 2, alpha = 1, beta = 0.5, matrix given");
  CHECK(from(features + "data_dimension = 3\nfeatures = 2\nseed = 4") ==
        "random features, v = 3, d = 2, alpha = 1, beta = 0.5, Gaussian with seed 4");
  const Spectrum nodes = built("kind = 'power-law'\ndimension = 3000\nalpha = 0.5\nbeta = 0.25\ncompress = 1e-3");
  const std::string start = "power law j^(-2 alpha), alpha = 0.5, beta = 0.25, d = 3000; compressed to " +
                            std::to_string(nodes.modes()) + " nodes, relative error ";
  REQUIRE(nodes.provenance.starts_with(start));
  CHECK(std::stod(nodes.provenance.substr(start.size())) <= 1e-3);
}

TEST_CASE("formulas written out: every value of every kind") {
  // Eigenvalues, multiplicities, target powers and what no linear function explains, as the describing equations say.
  const auto same = [](const Spectrum& s, const std::vector<double>& lambda, const std::vector<double>& n,
                       const std::vector<double>& rho, double unexplained = 0) {
    CAPTURE(s.provenance);
    REQUIRE(s.modes() == lambda.size());
    for (std::size_t a = 0; a < lambda.size(); ++a) {
      CHECK(s.eigenvalue[a] == Approx(lambda[a]).epsilon(1e-14));
      CHECK(s.multiplicity[a] == n[a]);
      CHECK(s.target_power[a] == Approx(rho[a]).epsilon(1e-14));
    }
    CHECK(s.unexplained_variance == Approx(unexplained).epsilon(1e-13));
  };
  same(built("kind = 'isotropic'\ndimension = 7\neigenvalue = 2\ntarget_power = 3"), {2}, {7}, {3});
  const std::string law = "kind = 'power-law'\ndimension = 3\nalpha = 1\nbeta = 0.5\n";
  const double zeta_3 = 1.2020569031595943, signal = 1 + 1.0 / 8 + 1.0 / 27;
  same(built(law), {1, 1.0 / 4, 1.0 / 9}, {1, 1, 1}, {1, 1.0 / 2, 1.0 / 3});
  same(built(law + "tail = 'noise'"), {1, 1.0 / 4, 1.0 / 9}, {1, 1, 1}, {1, 1.0 / 2, 1.0 / 3}, zeta_3 - signal);
  // Where the target is scaled, so is what lies beyond.
  for (const char* nodes : {"exact", "compressed"}) {
    const double scale = 0.5 / signal;
    same(built(law + "tail = 'noise'\nsignal = 0.5\nnodes = '" + nodes + "'"), {1, 1.0 / 4, 1.0 / 9}, {1, 1, 1},
         {scale, scale / 2, scale / 3}, scale * (zeta_3 - signal));
  }
  same(built("kind = 'two-point'\nsmall = 0.25\ndimension = 8\nfraction = 0.3"), {1, 0.25}, {2, 6}, {0.25, 0.75});
  same(built("kind = 'two-point'\nlarge = 3\nsmall = 3\nmultiplicities = [1.5, 2.5]"), {3, 3}, {1.5, 2.5},
       {0.375, 0.625});
  same(built("kind = 'two-point'\nlarge = 3\nsmall = 0\ndimension = 2"), {3, 0}, {1, 1}, {0.5, 0.5});
  same(built("kind = 'spiked'\ndimension = 10\nspikes = [4, 0.25]\nbulk = 0.5\nbulk_power = 6"), {4, 0.5, 0.25},
       {1, 8, 1}, {0.5, 6, 0.5});
  same(built("kind = 'spiked'\ndimension = 4\nspikes = [9, 4, 16]\nspike_power = [1, 2, 3]"), {16, 9, 4, 1},
       {1, 1, 1, 1}, {3, 1, 2, 0});
  same(built("kind = 'list'\neigenvalues = [1, 3]\nmultiplicities = [2, 0.5]\ntarget_power = [0, 4]\n"
             "unexplained_variance = 0.75"),
       {3, 1}, {0.5, 2}, {4, 0}, 0.75);
  // Counts that round to none, to all, or just not.
  const std::string two = "kind = 'two-point'\nsmall = 0.5\ndimension = 10\n";
  CHECK(built(two + "fraction = 0.05").multiplicity == std::vector<double>{1, 9});
  CHECK(built(two + "fraction = 0.94").multiplicity == std::vector<double>{9, 1});
  CHECK(complaint(two + "fraction = 0.04").find("leaves one of the two") != std::string::npos);
  CHECK(complaint(two + "fraction = 0.96").find("leaves one of the two") != std::string::npos);
  CHECK(complaint(two + "multiplicities = [1, 2]\nfraction = 0.5").starts_with(".multiplicities: give either"));
  CHECK(complaint("kind = 'two-point'\nsmall = 0.5\nmultiplicities = [1, 2]\nfraction = 0.5")
            .starts_with(".multiplicities: give either"));
}

TEST_CASE("keys that are left out, written out") {
  const char* const pairs[][2] = {
      {"kind = 'isotropic'\ndimension = 7\n", "eigenvalue = 1\ntarget_power = 1"},
      {"kind = 'power-law'\ndimension = 9\nalpha = 1\nbeta = 0.5\n", "nodes = 'auto'\ntail = 'none'"},
      {"kind = 'two-point'\nsmall = 0.2\ndimension = 1000\n", "large = 1\nfraction = 0.5\ntarget_power = [0.5, 0.5]"},
      {"kind = 'spiked'\ndimension = 9\nspikes = [4, 2]\n", "bulk = 1\nspike_power = [0.5, 0.5]\nbulk_power = 0"},
      {"kind = 'list'\neigenvalues = [3, 2]\n",
       "multiplicities = [1, 1]\ntarget_power = [1, 1]\nunexplained_variance = 0"},
      {"kind = 'marchenko-pastur'\ndimension = 9\nratio = 0.5\n",
       "method = 'quantiles'\nseed = 0\nvariance = 1\ntarget_power = 1"},
      {"kind = 'autoregressive'\ndimension = 5\ncorrelation = 0.4\n", "alpha = 0\ntarget_power = 1"},
      {"kind = 'random-features'\nalpha = 1\nbeta = 0.5\ndata_dimension = 5\nfeatures = 3\n", "seed = 0"}};
  for (const auto& [asked, rest] : pairs) {
    const Spectrum s = built(asked), whole = built(std::string(asked) + rest);
    CAPTURE(s.provenance);
    CHECK(s.eigenvalue == whole.eigenvalue);
    CHECK(s.multiplicity == whole.multiplicity);
    CHECK(s.target_power == whole.target_power);
    CHECK(s.unexplained_variance == whole.unexplained_variance);
  }
}

TEST_CASE("eigenvalues in the order of the file, before they are sorted") {
  const auto given = [](const std::string& section) {
    return eigenvalues_as_given(settings::read_text("[spectrum]\n" + section, "e.toml"));
  };
  CHECK(given("kind = 'list'\neigenvalues = [0.5, 2, 0.5]") == std::vector<double>{0.5, 2, 0.5});
  CHECK(given("kind = 'spiked'\ndimension = 4\nspikes = [4, 9]") == std::vector<double>{4, 9, 1});
  CHECK_THROWS_WITH_AS(given("kind = 'list'\neigenvalues = [-2]"), "e.toml: spectrum.eigenvalues: must be >= 0, got -2",
                       settings::Error);
}

TEST_CASE("powers that leave the range of doubles are refused, those at its end are not") {
  const auto law = [](const std::string& dimension, const std::string& alpha, const std::string& beta) {
    return complaint("kind = 'power-law'\nnodes = 'exact'\ndimension = " + dimension + "\nalpha = " + alpha +
                     "\nbeta = " + beta);
  };
  CHECK(law("1000", "50", "1") == "no complaint");  // 1e-300
  CHECK(law("1000", "1", "-49") == "no complaint");
  CHECK(law("1000", "50.2", "1") ==
        ".dimension: d^(-2 alpha) or d^(-2 beta) leaves the range of double precision at d = 1000, alpha = 50.2, beta "
        "= 1");
  CHECK(law("1000", "1", "-50.2").find("leaves the range") != std::string::npos);
  CHECK(law("1000", "1", "50.2").find("leaves the range") != std::string::npos);
}

TEST_CASE("every eigenvalue up to d = 200000 unless nodes or a tolerance ask for fewer") {
  const std::string law = "kind = 'power-law'\nalpha = 1\nbeta = 0.5\n";
  CHECK(built(law + "dimension = 200000").modes() == 200'000);
  CHECK(built(law + "dimension = 200001").compressed);
  CHECK(built(law + "dimension = 5000\nnodes = 'exact'").modes() == 5000);
  // The default is 1e-8, and a tolerance that is asked for goes before it.
  const auto nodes = [&](const std::string& more) { return built(law + "dimension = 5000\n" + more).modes(); };
  CHECK(nodes("nodes = 'compressed'") == nodes("compress = 1e-8"));
  CHECK(nodes("nodes = 'compressed'\ncompress = 1e-3") == nodes("compress = 1e-3"));
  CHECK(nodes("compress = 1e-3") < nodes("compress = 1e-8"));
}
