#include "cli/figures/figures.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>

#include "settings/settings.hpp"

using namespace edgewise;
using namespace edgewise::cli;

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

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("theory is a line, simulation points with error bars and a band, axes logarithmic") {
  const std::string script = figure_script({power_law(ResultKind::validation)}, {"a"}, {}, ".svg");
  CHECK(has(script, "with lines"));
  CHECK(has(script, "with vectors nohead"));
  CHECK(has(script, "with filledcurves"));
  CHECK(has(script, "set logscale x"));
  CHECK(has(script, "set logscale y"));
  CHECK(has(script, R"("It's a \140title\140 with_markup" noenhanced)"));
  CHECK(has(script, "\"excess MSE\""));
}

TEST_CASE("bands of the theory: normal, or log-normal") {
  CHECK(predicted_band(1, 0.1, false) == std::pair{0.8, 1.2});
  const auto [low, high] = predicted_band(2, 1, true);
  // Log-normal with mean 2 and variance 1: log-variance ln(5/4).
  const double variance = std::log(1.25), middle = std::log(2.0) - variance / 2;
  CHECK(low == doctest::Approx(std::exp(middle - 2 * std::sqrt(variance))).epsilon(1e-14));
  CHECK(high == doctest::Approx(std::exp(middle + 2 * std::sqrt(variance))).epsilon(1e-14));
  CHECK(low > 0);
}

TEST_CASE("guides, panels, several results") {
  const Result solution = power_law(ResultKind::solution);
  CHECK(has(figure_script({solution}, {"a"}, {{}, {-0.5}, ""}, ".png"), "∝ step^{−0.5}"));
  CHECK(has(figure_script({solution}, {"a"}, {{"excess_mse", "excess_mse"}, {}, ""}, ".pdf"), "layout 1,2"));
  Result other = power_law(ResultKind::validation);
  other.provenance[1] = attribute("title", "other");
  const std::string script = figure_script({solution, other}, {"first", "second"}, {}, ".svg");
  CHECK(has(script, "\"first\""));
  CHECK(has(script, "\"second\""));
}

TEST_CASE("divergence is marked; nothing to draw is an error") {
  Result diverged = power_law(ResultKind::solution);
  diverged.provenance.push_back(attribute("diverged_at", 5000.0));
  diverged.fields[0].values[0].back() = INFINITY;
  CHECK(has(figure_script({diverged}, {"a"}, {}, ".svg"), "diverges at step 5000"));
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
  CHECK_FALSE(has(script, "inf"));
  CHECK_FALSE(has(script, "diverges"));
  CHECK_FALSE(has(script, "`"));
  CHECK_FALSE(has(script, "\n!"));
}

TEST_CASE("gnuplot draws every format" * doctest::skip(std::system("gnuplot --version >/dev/null 2>&1") != 0)) {
  const std::pair<const char*, const char*> formats[] = {{".svg", "<?xml"}, {".png", "\x89PNG"}, {".pdf", "%PDF"}};
  for (const auto& [ending, start] : formats) {
    const std::vector<Result> results = {power_law(ResultKind::validation), power_law(ResultKind::solution)};
    CHECK(drawn(results, {"a", "b"}, {{}, {-0.5}, ""}, ending).starts_with(start));
  }
  CHECK_THROWS_AS(drawn({power_law(ResultKind::solution)}, {"a"}, {}, ".gif"), settings::Error);
}
