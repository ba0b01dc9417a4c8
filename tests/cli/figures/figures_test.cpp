#include "cli/figures/figures.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <functional>

#include "settings/settings.hpp"
#include "tests/approx.hpp"
#include "tests/holds.hpp"

using namespace edgewise;
using namespace edgewise::cli;
using edgewise::expected::holds;
using edgewise::tests::Approx;

namespace {

Result power_law(ResultKind kind) {
  Result out;
  out.kind = kind;
  out.provenance = {attribute("kind", name(kind)), attribute("title", "It's a `title` with_markup")};
  out.observables = {{"excess_mse", "", "P"}};
  out.fields = fields_of(kind);
  for (Field& f : out.fields) f.values.resize(1);
  for (double step = 0; step <= 4096; step = step == 0 ? 1 : 2 * step) {
    out.steps.push_back(step);
    const double y = std::pow(1 + step, -0.5);
    for (Field& f : out.fields) {
      double value = y;
      if (f.name == "std") value = 0.4 * y;
      if (f.name.ends_with("sem")) value = 0.02 * y;
      if (f.name.ends_with("q05")) value = 0.7 * y;
      if (f.name.ends_with("q95")) value = 1.4 * y;
      f.values[0].push_back(value);
    }
  }
  return out;
}

}  // namespace

TEST_CASE("theory is a line, simulation points with error bars and a band, axes logarithmic") {
  const std::string script = figure_script({power_law(ResultKind::validation)}, {"a"}, {}, ".svg");
  CHECK(holds(script, "with lines"));
  CHECK(holds(script, "with vectors nohead"));
  CHECK(holds(script, "with filledcurves"));
  CHECK(holds(script, "set logscale x"));
  CHECK(holds(script, "set logscale y"));
  CHECK(holds(script, R"("It's a \140title\140 with_markup" noenhanced)"));
  CHECK(holds(script, "\"excess MSE\""));
}

TEST_CASE("no legend speaks of what is not drawn") {
  // Judged at step 0 alone, which has no place on a logarithmic axis: all that is seen of the theory is beyond its validity.
  Result result = power_law(ResultKind::validation);
  CHECK(holds(figure_script({result}, {"a"}, {}, ".svg"), "title \"theory\""));
  result.provenance.push_back(attribute("theory_valid_until", "0"));
  const std::string script = figure_script({result}, {"a"}, {}, ".svg");
  CHECK_FALSE(holds(script, "title \"theory\""));
  CHECK(holds(script, "title \"theory, beyond its validity\""));
  // Runs that are all the same have no band.
  Result same = power_law(ResultKind::simulation);
  for (Field& f : same.fields) f.values[0] = same.fields.front().values[0];
  CHECK_FALSE(holds(figure_script({same}, {"a"}, {}, ".svg"), "with filledcurves"));
  // Of one step there is neither a line nor a band.
  Result one = power_law(ResultKind::simulation);
  one.steps.resize(1);
  for (Field& f : one.fields) f.values[0].resize(1);
  CHECK_FALSE(holds(figure_script({one}, {"a"}, {}, ".svg"), "with filledcurves"));
}

TEST_CASE("the first panel is of an observable that has a theory") {
  Result result = power_law(ResultKind::validation);
  result.observables.insert(result.observables.begin(), {"loss", "", ""});
  for (Field& f : result.fields) {
    f.values.insert(f.values.begin(), f.values[0]);
    if (f.name == "theory") f.values[0].assign(result.steps.size(), std::nan(""));
  }
  CHECK(holds(figure_script({result}, {"a"}, {}, ".svg"), "set ylabel \"excess MSE\""));
  for (Field& f : result.fields)
    if (f.name == "theory") f.values[1] = f.values[0];
  CHECK(holds(figure_script({result}, {"a"}, {}, ".svg"), "set ylabel \"loss\""));
}

TEST_CASE("bands of the theory: normal, or log-normal") {
  CHECK(predicted_band(1, 0.1, false) == std::pair{0.8, 1.2});
  const auto [low, high] = predicted_band(2, 1, true);
  // Log-normal with mean 2 and variance 1: log-variance ln(5/4).
  const double variance = std::log(1.25), middle = std::log(2.0) - variance / 2;
  CHECK(low == Approx(std::exp(middle - 2 * std::sqrt(variance))).epsilon(1e-14));
  CHECK(high == Approx(std::exp(middle + 2 * std::sqrt(variance))).epsilon(1e-14));
  CHECK(low > 0);
}

TEST_CASE("guides, panels, several results") {
  const Result solution = power_law(ResultKind::solution);
  CHECK(holds(figure_script({solution}, {"a"}, {{}, {-0.5}, ""}, ".png"), "∝ step^{−0.5}"));
  CHECK(holds(figure_script({solution}, {"a"}, {{"excess_mse", "excess_mse"}, {}, ""}, ".pdf"), "layout 1,2"));
  Result other = power_law(ResultKind::validation);
  other.provenance[1] = attribute("title", "other");
  const std::string script = figure_script({solution, other}, {"first", "second"}, {}, ".svg");
  CHECK(holds(script, "\"first\""));
  CHECK(holds(script, "\"second\""));
}

TEST_CASE("the legend stands in the first corner, or middle of a side, that no curve goes through, else below") {
  // Shapes in shares of the plane, logarithmic upwards; two entries of a letter take a box of 0.15 by 0.16.
  const auto place = [](const std::vector<std::function<double(double)>>& shapes, int pieces = 100,
                        std::size_t letters = 1) {
    std::vector<Result> results;
    std::vector<std::string> labels;
    for (const auto& shape : shapes) {
      Result r = power_law(ResultKind::solution);
      r.provenance[1] = attribute("title", std::to_string(results.size()));
      r.steps.clear();
      for (Field& f : r.fields) f.values[0].assign(static_cast<std::size_t>(pieces) + 1, NAN);
      for (int i = 0; i <= pieces; ++i) {
        const double share = static_cast<double>(i) / pieces;
        r.steps.push_back(1000 + 100 * share);
        r.fields[0].values[0][static_cast<std::size_t>(i)] = std::pow(10, 2 * shape(share));
      }
      results.push_back(r);
      labels.emplace_back(letters, static_cast<char>('a' + labels.size()));
    }
    const std::string s = figure_script(results, labels, {}, ".svg");
    const std::size_t at = s.find("set key ");
    REQUIRE(at != std::string::npos);
    return s.substr(at + 8, s.find('\n', at) - at - 8);
  };
  const auto up = [](double x) { return x; };
  const auto down = [](double x) { return 1 - x; };
  const auto arch = [](double x) { return 4 * x * (1 - x); };
  const auto valley = [](double x) { return 1 - 4 * x * (1 - x); };
  const auto waves = [](double x) { return 0.5 + 0.5 * std::cos(314.159265358979 * x); };
  CHECK(place({down, down}).starts_with("inside top right "));
  CHECK(place({up, up}).starts_with("inside top left "));
  CHECK(place({arch, arch}).starts_with("inside top right "));
  CHECK(place({valley, valley}).starts_with("inside bottom left "));
  CHECK(place({up, down}).starts_with("at graph 0.98, graph 0.5 right center "));
  CHECK(place({up, [](double x) { return x < 0.5 ? 1 - x : 0.5; }}).starts_with("inside bottom right "));
  CHECK(place({waves, waves}).starts_with("outside center bottom "));
  // Lines between points that are far from each other: through the corner that none of the points is in.
  const auto peak = [](double x) { return x < 0.75 ? 2 * x : 0.8; };
  CHECK(place({peak, peak}, 2, 14).starts_with("inside top left "));
  const auto tent = [](double x) { return x < 0.75 ? 2 * x : 0; };
  CHECK(place({tent, tent, tent}, 2).starts_with("inside top right "));
}

TEST_CASE("a solution of one step is a point") {
  Result one = power_law(ResultKind::solution);
  one.steps.resize(1);
  for (Field& f : one.fields) f.values[0].resize(1);
  const std::string script = figure_script({one}, {"a"}, {}, ".svg");
  CHECK(holds(script, "plot $"));
  CHECK(holds(script, "title \"theory\""));
}

TEST_CASE("divergence is marked; nothing to draw is an error") {
  Result diverged = power_law(ResultKind::solution);
  diverged.provenance.push_back(attribute("diverged_at", 5000.0));
  diverged.fields[0].values[0].back() = INFINITY;
  CHECK(holds(figure_script({diverged}, {"a"}, {}, ".svg"), "diverges at step 5000"));
  for (double& y : diverged.fields[0].values[0]) y = NAN;
  CHECK_THROWS_AS(figure_script({diverged}, {"a"}, {}, ".svg"), settings::Error);
  CHECK_THROWS_WITH_AS(
      figure_script({diverged}, {"a"}, {{"excess_mze"}, {}, ""}, ".svg"),
      "a: --observable: it has no observable 'excess_mze', did you mean 'excess_mse'?; it has excess_mse",
      settings::Error);
}

TEST_CASE("what a file says is no script") {
  Result hostile = power_law(ResultKind::validation);
  hostile.provenance.push_back(attribute("diverged_at", "nan"));
  hostile.provenance.push_back(attribute("theory_valid_until", "`touch x`"));
  hostile.provenance[1] = attribute("title", "'; !touch x; \"`touch x`\\");
  hostile.observables[0].name = "a`touch x`\"{/*9 ^_";
  hostile.observables[0].unit = "'\n!touch x";
  hostile.steps[3] = INFINITY;
  hostile.steps[4] = NAN;
  const std::string script = figure_script({hostile}, {"l`touch x`"}, {}, ".svg");
  CHECK_FALSE(holds(script, "inf"));
  CHECK_FALSE(holds(script, "diverges"));
  CHECK_FALSE(holds(script, "`"));
  CHECK_FALSE(holds(script, "\n!"));
}

TEST_CASE("gnuplot draws every format" * doctest::skip(std::system("gnuplot --version >/dev/null 2>&1") != 0)) {
  const std::pair<const char*, const char*> formats[] = {{".svg", "<?xml"}, {".png", "\x89PNG"}, {".pdf", "%PDF"}};
  for (const auto& [ending, start] : formats) {
    const std::vector<Result> results = {power_law(ResultKind::validation), power_law(ResultKind::solution)};
    CHECK(drawn(results, {"a", "b"}, {{}, {-0.5}, ""}, ending).starts_with(start));
  }
  CHECK_THROWS_AS(drawn({power_law(ResultKind::solution)}, {"a"}, {}, ".gif"), settings::Error);
}
