#include "cli/figures/figures.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "settings/settings.hpp"
#include "tests/approx.hpp"
#include "tests/cli/figures/script_lines.hpp"
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

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

/// One observable at these steps, and its fields in their order; what is left out has none.
Result result_of(ResultKind kind, const std::string& title, std::vector<double> steps,
                 std::vector<std::vector<double>> fields) {
  Result out;
  out.kind = kind;
  out.provenance = {attribute("title", title)};
  out.observables = {{"loss", "", ""}};
  out.steps = std::move(steps);
  out.fields = fields_of(kind);
  fields.resize(out.fields.size());
  for (std::size_t f = 0; f < fields.size(); ++f) out.fields[f].values = {fields[f]};
  return out;
}

/// The ranges, the blocks and what is plotted of them.
std::string plots(const std::string& script) {
  bool inside = false;
  return testing::lines_where(script, [&](const std::string& line) {
    inside = inside || line.starts_with("$") || line.starts_with("plot ");
    return inside || line.starts_with("set xrange") || line.starts_with("set yrange") ||
           line.starts_with("set arrow") || line.starts_with("set label");
  });
}

/// What is plotted of a theory with a band, its first block, that ends at its validity.
const std::string theory_and_band =
    R"(plot $p0s0 using 1:2:3 with filledcurves fc rgb '#0072B2' fs transparent solid 0.2 noborder title "theory, ± 2 s.d. of one run" noenhanced, \
     $p0s1 using 1:2 with lines lw 1.6 dt 2 lc rgb '#0072B2' title "theory, beyond its validity" noenhanced, \
     $p0s2 using 1:2 with lines lw 2 lc rgb '#0072B2' title "theory" noenhanced
)";

/// What is plotted of a simulation whose runs have a band, its first block, and bars, its second.
const std::string runs_and_band =
    R"(plot $p0s0 using 1:2:3 with filledcurves fc rgb '#D55E00' fs transparent solid 0.2 noborder title "simulation, 5–95% of runs" noenhanced, \
     $p0s1 using 1:3:(0):($4-$3) with vectors nohead lw 1.4 lc rgb '#D55E00' notitle, \
     $p0s1 using 1:2 with points pt 7 ps 0.5 lc rgb '#D55E00' title "simulation, mean ± 2 s.e.m." noenhanced
)";

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

TEST_CASE("before a theory claims to hold it is dashed as beyond") {
  Result r = result_of(ResultKind::solution, "t", {100, 200, 300}, {{6, 5, 4}, {}});
  const std::string name = r.observables[0].name;
  r.provenance.push_back(attribute("theory_valid_from", "x" + name + " 300, " + name + " 200"));
  const std::string later = figure_script({r}, {"a"}, {}, ".svg");
  CHECK(holds(later, "EOD\n100 6\n200 5\nEOD"));  // joined to what holds
  CHECK(holds(later, "EOD\n200 5\n300 4\nEOD"));
  CHECK(holds(later, "title \"theory\""));
  CHECK(holds(later, "title \"theory, shown, not judged\""));
  r.provenance.back() = attribute("theory_valid_from", name + " inf");
  const std::string never = figure_script({r}, {"a"}, {}, ".svg");
  CHECK_FALSE(holds(never, "title \"theory\""));
  CHECK(holds(never, "EOD\n100 6\n200 5\n300 4\nEOD"));
  const std::string two = figure_script({r, r}, {"a", "b"}, {}, ".svg");
  CHECK(holds(two, "title \"theory, shown, not judged\""));
  CHECK_FALSE(holds(two, "beyond its validity"));
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

TEST_CASE("a theory with a grid of its own: line, band, where it no longer holds, and where it diverges") {
  Result r = result_of(ResultKind::solution, "t", {100, 200, 300}, {{6, 5, 4}, {0.1, 0.1, 0.1}});
  r.curve = TheoryCurve{{100, 150, 200, 250, 300}, {{6, 5.5, 5, 4.5, 4}}, {{0.1, 0.2, unknown, 0.4, 0.5}}};
  r.provenance.push_back(attribute("theory_valid_until", 200.0));
  r.provenance.push_back(attribute("diverged_at", 400.0));
  CHECK(plots(figure_script({r}, {"a"}, {}, ".svg")) == R"(set xrange [0:406]
set yrange [2.808:6.392]
set arrow from 400, graph 0 to 400, graph 1 nohead dt 2 lw 1.2 lc rgb '#555555'
set label 'diverges at step 400' at 400, graph 0.05 right offset -0.7,0 tc rgb '#555555'
$p0s0 << EOD
100 5.8 6.2
150 5.1 5.9
250 3.7 5.3
300 3 5
EOD
$p0s1 << EOD
200 5
250 4.5
300 4
EOD
$p0s2 << EOD
100 6
150 5.5
200 5
EOD
)" + theory_and_band);
  // Without one the recorded steps are drawn; divergence in the left half is told to its right.
  r.curve.reset();
  r.provenance.back() = attribute("diverged_at", 150.0);
  CHECK(plots(figure_script({r}, {"a"}, {}, ".svg")) == R"(set xrange [96:304]
set yrange [3.6559999999999997:6.344]
set arrow from 150, graph 0 to 150, graph 1 nohead dt 2 lw 1.2 lc rgb '#555555'
set label 'diverges at step 150' at 150, graph 0.05 left offset 0.7,0 tc rgb '#555555'
$p0s0 << EOD
100 5.8 6.2
200 4.8 5.2
300 3.8 4.2
EOD
$p0s1 << EOD
200 5
300 4
EOD
$p0s2 << EOD
100 6
200 5
EOD
)" + theory_and_band);
  // That of a validation is the runs' own band.
  Result v = result_of(ResultKind::validation, "t", {100, 300}, {{6, 4}, {}, {}, {}, {0.1, 0.1}});
  v.curve = TheoryCurve{{100, 200, 300}, {{6, 5, 4}}, {{0.1, 0.2, 0.3}}};
  CHECK(plots(figure_script({v}, {"a"}, {}, ".svg")) == R"(set xrange [96:304]
set yrange [3.88:6.12]
$p0s0 << EOD
100 6
200 5
300 4
EOD
plot $p0s0 using 1:2 with lines lw 2 lc rgb '#0072B2' title "theory" noenhanced
)");
}

TEST_CASE("a field that only some observables have is drawn of these") {
  Result r = result_of(ResultKind::solution, "t", {100, 200, 300}, {{6, 5, 4}, {0.1, 0.1, 0.1}});
  r.observables.push_back({"width", "", ""});
  r.fields[0].values.push_back({3, 2.5, 2});
  const auto band = [&](const std::string& name) {
    return holds(figure_script({r}, {"a"}, {{name}, {}, ""}, ".svg"), "with filledcurves");
  };
  r.fields[1].values = {{0.1, 0.1, 0.1}, {}};
  CHECK(band("loss"));
  CHECK_FALSE(band("width"));
  r.fields[1].values = {{}, {0.1, 0.1, 0.1}};
  CHECK_FALSE(band("loss"));
  CHECK(band("width"));
  r.fields[1].values = {{0.1, 0.1, 0.1}};
  CHECK_FALSE(band("width"));
}

TEST_CASE("beyond 30% of the mean anywhere the band is that of a log-normal law") {
  const auto log_normal = [](double std) {
    const Result r = result_of(ResultKind::solution, "t", {100, 200, 300}, {{6, 5, 4}, {0.1, std, 0.1}});
    const std::string s = figure_script({r}, {"a"}, {}, ".svg");
    CHECK(holds(s, "title \"theory, 95% of runs\"") != holds(s, "title \"theory, ± 2 s.d. of one run\""));
    const auto [low, high] = predicted_band(6, 0.1, std > 1.5 && std < 2);
    CHECK(holds(s, "\n100 " + settings::text_of(low) + " " + settings::text_of(high) + "\n"));
    return holds(s, "95% of runs");
  };
  CHECK(log_normal(1.52));
  CHECK_FALSE(log_normal(1.48));
  CHECK_FALSE(log_normal(INFINITY));
}

TEST_CASE("runs are points, some apart from each other, with two standard errors, on a band of their quantiles") {
  // The axis runs from 96 to 304: points are 208/36 = 5.78 apart.
  const std::vector<double> steps = {100, 105.7, 105.9, 111.5, 200, 290, 295.7, 300};
  const Result r = result_of(ResultKind::simulation, "t", steps,
                             {{6, 5.9, 5.8, 5.7, unknown, 5, 4.9, 4},
                              {0.5, 0.25, 0.125, 0.1, 0.1, unknown, 0.2, 0.0625},
                              {5, 5, unknown, 5, 4.5, 4, 4, 3},
                              {},
                              {7, 7, 7, 7, 6.5, 6, unknown, 5}});
  CHECK(plots(figure_script({r}, {"a"}, {}, ".svg")) == R"(set xrange [96:304]
set yrange [2.76:7.24]
$p0s0 << EOD
100 5 7
105.7 5 7
111.5 5 7
200 4.5 6.5
290 4 6
300 3 5
EOD
$p0s1 << EOD
100 6 5 7
105.9 5.8 5.55 6.05
290 5 5 5
300 4 3.875 4.125
EOD
)" + runs_and_band);
  Result counted = r;
  counted.provenance.push_back(attribute("replicas", "1"));
  CHECK(holds(figure_script({counted}, {"a"}, {}, ".svg"), "title \"simulation, mean ± 2 s.e.m. (1 run)\""));
  counted.provenance.back() = attribute("replicas", "64");
  CHECK(holds(figure_script({counted}, {"a"}, {}, ".svg"), "title \"simulation, mean ± 2 s.e.m. (64 runs)\""));
}

TEST_CASE("several results have a colour each, and the legend tells marks apart") {
  const std::vector<double> steps = {100, 200, 300};
  Result solved = result_of(ResultKind::solution, "one", steps, {{6, 5, 4}, {0.1, 0.1, 0.1}}),
         validated = result_of(ResultKind::validation, "two", steps,
                               {{5, 4, 3}, {5, 4, 3}, {0, 0, 0}, {}, {}, {4, 3, 2}, {}, {6, 5, 4}}),
         simulated = result_of(ResultKind::simulation, "three", steps, {{7, 6, 5}, {0, 0, 0}}),
         beyond = result_of(ResultKind::solution, "four", steps, {{3, 2, 1}}),
         alone = result_of(ResultKind::solution, "five", {200}, {{2}});
  beyond.provenance.push_back(attribute("theory_valid_until", 0.0));
  CHECK(plots(figure_script({solved, validated, simulated, beyond, alone}, {"a", "b", "c", "d", "e"}, {}, ".svg")) ==
        R"(set xrange [96:304]
set yrange [0:7.36]
$p0s0 << EOD
100 5.8 6.2
200 4.8 5.2
300 3.8 4.2
EOD
$p0s1 << EOD
100 4 6
200 3 5
300 2 4
EOD
$p0s2 << EOD
100 5 5 5
200 4 4 4
300 3 3 3
EOD
$p0s3 << EOD
100 7 7 7
200 6 6 6
300 5 5 5
EOD
$p0s4 << EOD
200 2 2 2
EOD
$p0s5 << EOD
100 3
200 2
300 1
EOD
$p0s6 << EOD
100 6
200 5
300 4
EOD
$p0s7 << EOD
100 5
200 4
300 3
EOD
$p0s8 << EOD
NaN NaN NaN NaN
EOD
$p0s9 << EOD
NaN NaN NaN NaN
EOD
$p0s10 << EOD
NaN NaN NaN NaN
EOD
$p0s11 << EOD
NaN NaN NaN
EOD
$p0s12 << EOD
NaN NaN NaN
EOD
plot $p0s0 using 1:2:3 with filledcurves fc rgb '#0072B2' fs transparent solid 0.2 noborder notitle, \
     $p0s1 using 1:2:3 with filledcurves fc rgb '#D55E00' fs transparent solid 0.2 noborder notitle, \
     $p0s2 using 1:3:(0):($4-$3) with vectors nohead lw 1.4 lc rgb '#D55E00' notitle, \
     $p0s2 using 1:2 with points pt 7 ps 0.5 lc rgb '#D55E00' notitle, \
     $p0s3 using 1:3:(0):($4-$3) with vectors nohead lw 1.4 lc rgb '#009E73' notitle, \
     $p0s3 using 1:2 with points pt 7 ps 0.5 lc rgb '#009E73' title "c" noenhanced, \
     $p0s4 using 1:3:(0):($4-$3) with vectors nohead lw 1.4 lc rgb '#E69F00' notitle, \
     $p0s4 using 1:2 with points pt 7 ps 0.5 lc rgb '#E69F00' title "e" noenhanced, \
     $p0s5 using 1:2 with lines lw 1.6 dt 2 lc rgb '#CC79A7' title "d" noenhanced, \
     $p0s6 using 1:2 with lines lw 2 lc rgb '#0072B2' title "a" noenhanced, \
     $p0s7 using 1:2 with lines lw 2 lc rgb '#D55E00' title "b" noenhanced, \
     $p0s8 using 1:2 with lines lw 2 lc rgb '#555555' title "theory" noenhanced, \
     $p0s9 using 1:2 with lines lw 1.6 dt 2 lc rgb '#555555' title "theory, beyond its validity" noenhanced, \
     $p0s10 using 1:3:(0):($4-$3) with vectors nohead lw 1.4 lc rgb '#555555' notitle, \
     $p0s10 using 1:2 with points pt 7 ps 0.5 lc rgb '#555555' title "simulation, mean ± 2 s.e.m." noenhanced, \
     $p0s11 using 1:2:3 with filledcurves fc rgb '#555555' fs transparent solid 0.2 noborder title "simulation, 5–95% of runs" noenhanced, \
     $p0s12 using 1:2:3 with filledcurves fc rgb '#555555' fs transparent solid 0.2 noborder title "theory, 95% of runs" noenhanced
)");
  // Kinds that differ are one experiment, if they have one title; two of a kind are two.
  Result other = simulated;
  other.provenance[0].text = "one";
  CHECK(holds(figure_script({solved, other}, {"a", "b"}, {}, ".svg"), "title \"theory\""));
  CHECK_FALSE(holds(figure_script({solved, solved}, {"a", "b"}, {}, ".svg"), "title \"theory\""));
  CHECK(holds(figure_script({solved, simulated}, {"a", "b"}, {}, ".svg"), "title \"a\""));
  // A file whose axis is another one is named.
  simulated.axis = models::axes().back();
  CHECK_THROWS_WITH_AS(figure_script({solved, simulated}, {"a", "b"}, {{}, {}, "", {"a.csv", "b.csv"}}, ".svg"),
                       "b.csv: runs along depth, and a.csv along step: they have no axis in common", settings::Error);
}

TEST_CASE("guides are lines of their slope, 1.7 times above the last curve in the middle of its last decade or two") {
  const auto guide = [](const Result& r) {
    const std::string s = figure_script({r}, {"a"}, {{}, {-0.5, 1}, ""}, ".svg");
    const std::size_t first = s.find("$p0s1 << EOD\n") + 13, last = s.find("EOD\n", first) - 1;
    const std::string block = s.substr(first, last - first);
    CHECK(std::count(block.begin(), block.end(), '\n') == 60);
    CHECK(holds(s, "$p0s1 using 1:2 with lines lw 1.6 dt 2 lc rgb '#555555' title \"∝ step^{−0.5}\""));
    CHECK(holds(s, "$p0s2 using 1:2 with lines lw 1.6 dt 3 lc rgb '#555555' title \"∝ step^{1}\""));
    std::istringstream rows(block.substr(0, block.find('\n')) + " " + block.substr(block.rfind('\n')));
    std::vector<double> out(4);
    for (double& x : out) rows >> x;
    return out;
  };
  const auto near = [](const std::vector<double>& a, const std::vector<double>& b) {
    for (std::size_t i = 0; i < 4; ++i) CHECK(a[i] == Approx(b[i]).epsilon(1e-9));
  };
  // Linear: the middle is sqrt(100 200) = 141; nearest to it is 150, where the curve is 4.
  near(guide(result_of(ResultKind::solution, "t", {0, 100, 110, 150, 200}, {{9, 8, 7, 4, 2}})),
       {100, 6.8 * std::sqrt(1.5), 200, 6.8 * std::sqrt(0.75)});
  // A whole decade is linear still; nearest to its middle, by ratio, is 14.
  near(guide(result_of(ResultKind::solution, "t", {0, 10, 14, 90, 100}, {{9, 8, 3, 4, 2}})),
       {10, 5.1 * std::sqrt(1.4), 100, 5.1 * std::sqrt(0.14)});
  // Logarithmic: two decades, from 10; the middle is 100, and what is not positive does not count.
  near(guide(result_of(ResultKind::solution, "t", {1, 20, 90, 99, 1000, 2000}, {{8, 7, 6, -1, 5, -2}})),
       {10, 10.2 * 3, 1000, 10.2 * 0.3});
}

TEST_CASE("predictions about whole runs are levels of the observable that they name") {
  Result r = result_of(ResultKind::validation, "t", {100, 200, 300}, {{4, 5, 6}, {4, 5, 6}, {0, 0, 0}});
  r.provenance.push_back(attribute("predictions", "one, two, three, again, of_other, unknown"));
  const auto predict = [&](const std::string& name, const std::string& of, double nominal, double low, double high) {
    r.provenance.push_back(attribute("prediction_" + name + "_observable", of));
    r.provenance.push_back(attribute("prediction_" + name + "_nominal", nominal));
    r.provenance.push_back(attribute("prediction_" + name + "_low", low));
    r.provenance.push_back(attribute("prediction_" + name + "_high", high));
  };
  predict("one", "loss", 5.5, 5, 6);
  predict("two", "loss", -1.25, -INFINITY, 0);
  predict("three", "loss", 4.5, 4, INFINITY);
  predict("again", "loss", 5.50001, 5, 6);
  predict("of_other", "none", 1, 0, 2);
  predict("unknown", "loss", unknown, 0, 2);
  CHECK(plots(figure_script({r}, {"a"}, {}, ".svg")) == R"(set xrange [96:304]
set yrange [-1.685:6.435]
$p0s0 << EOD
96 5.5
304 5.5
EOD
$p0s1 << EOD
96 -1.25
304 -1.25
EOD
$p0s2 << EOD
96 4.5
304 4.5
EOD
$p0s3 << EOD
100 4 4 4
200 5 5 5
300 6 6 6
EOD
$p0s4 << EOD
100 4
200 5
300 6
EOD
plot $p0s0 using 1:2 with lines lw 0.9 lc rgb '#444444' title "predicted: 5.5" noenhanced, \
     $p0s1 using 1:2 with lines lw 0.9 lc rgb '#444444' title "predicted: ≤ −1.25" noenhanced, \
     $p0s2 using 1:2 with lines lw 0.9 lc rgb '#444444' title "predicted: ≥ 4.5" noenhanced, \
     $p0s3 using 1:3:(0):($4-$3) with vectors nohead lw 1.4 lc rgb '#D55E00' notitle, \
     $p0s3 using 1:2 with points pt 7 ps 0.5 lc rgb '#D55E00' title "simulation, mean ± 2 s.e.m." noenhanced, \
     $p0s4 using 1:2 with lines lw 2 lc rgb '#0072B2' title "theory" noenhanced
)");
}

TEST_CASE("on logarithmic axes what is not positive has no place, and bands end at the edge") {
  const Result r = result_of(
      ResultKind::simulation, "t", {0, 1, 10, 100, 1000},
      {{200, 100, 10, 1, 0.5}, {1, 60, 0.25, 0.125, 0.0625}, {100, 50, 5, -1, 0.25}, {}, {400, 200, 20, 2, 1}});
  CHECK(plots(figure_script({r}, {"a"}, {}, ".svg")) == R"(set xrange [0.8709635899560806:1148.1536214968828]
set yrange [0.1673996745992899:298.68636315863006]
$p0s0 << EOD
1 50 200
10 5 20
100 0.1673996745992899 2
1000 0.25 1
EOD
$p0s1 << EOD
1 100 0.1673996745992899 220
10 10 9.5 10.5
100 1 0.75 1.25
1000 0.5 0.375 0.625
EOD
)" + runs_and_band);
  const Result negative = result_of(ResultKind::solution, "t", {0, 1, 10, 100, 1000}, {{7, 1, -1, 2, 1e300}});
  CHECK(plots(figure_script({negative}, {"a"}, {}, ".svg")) == R"(set xrange [0.9120108393559097:109.64781961431851]
set yrange [-1.18:2.18]
$p0s0 << EOD
1 1
10 -1
100 2
EOD
plot $p0s0 using 1:2 with lines lw 2 lc rgb '#0072B2' title "theory" noenhanced
)");
}

TEST_CASE("units stand behind names, and titles above the panels") {
  Result r = result_of(ResultKind::solution, "t", {100, 200}, {{6, 5}});
  const auto label = [&](const std::string& name, const std::string& unit) {
    r.observables[0] = {name, unit, ""};
    const std::string s = figure_script({r}, {"a"}, {}, ".svg"), start = "set ylabel \"";
    const std::size_t at = s.find(start) + start.size();
    return s.substr(at, s.find('"', at) - at);
  };
  CHECK(label("loss", "") == "loss");
  CHECK(label("loss", "1") == "loss");
  CHECK(label("eta_1", "label^2 x^3 y^2") == "η 1 [label² x³ y²]");
  CHECK(holds(figure_script({r}, {"a"}, {}, ".svg"), "\nset title \"t\" noenhanced offset 0,-0.3\n"));
  CHECK(holds(figure_script({r}, {"a"}, {{}, {}, "u"}, ".svg"), "\nset title \"u\" noenhanced offset 0,-0.3\n"));
  CHECK(holds(figure_script({r}, {"a"}, {{"eta_1", "eta_1"}, {}, ""}, ".svg"),
              " size 1200,420 font 'Helvetica,Arial,sans-serif,14' background 'white'\nset border 3 lw 1 lc rgb "
              "'#222222'\nset tics out nomirror scale 0.7,0.35\nset multiplot layout 1,2 title \"t\" noenhanced\n"));
  r.provenance[0].text.clear();
  CHECK_FALSE(holds(figure_script({r}, {"a"}, {}, ".svg"), "set title"));
  CHECK(holds(figure_script({r}, {"a"}, {{"eta_1", "eta_1"}, {}, ""}, ".svg"), "\nset multiplot layout 1,2\n"));
  CHECK_THROWS_WITH_AS(figure_script({}, {}, {}, ".svg"), "plot: no results given", settings::Error);
  r.observables.clear();
  CHECK_THROWS_WITH_AS(figure_script({r}, {"a"}, {}, ".svg"), "a: has no observables to draw", settings::Error);
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

namespace {

std::string legend_place(const std::string& script) {
  const std::size_t at = script.find("set key ");
  REQUIRE(at != std::string::npos);
  return script.substr(at + 8, script.find(" Left", at) - at - 8);
}

}  // namespace

TEST_CASE("the places of the legend, in turn: each the first that no point is in") {
  // One entry of 27 letters: 0.13 + 27 0.0155 = 0.5485 by 0.096. The axes run from 998 to 1102, and from 0.94 to 2.06.
  struct Point {
    double x, y, error;
  };
  const auto place = [](std::vector<Point> points) {
    std::ranges::sort(points, {}, &Point::x);
    Result r = result_of(ResultKind::simulation, "t", {1000}, {{1}, {0}});
    for (const Point& p : points) {
      r.steps.push_back(998 + 104 * p.x);
      r.fields[0].values[0].push_back(0.94 + 1.12 * p.y);
      r.fields[1].values[0].push_back(0.56 * p.error);
    }
    r.steps.push_back(1100);
    r.fields[0].values[0].push_back(2);
    r.fields[1].values[0].push_back(0);
    return legend_place(figure_script({r}, {"a"}, {}, ".svg"));
  };
  std::vector<Point> points;
  CHECK(place(points) == "inside top left");
  points.push_back({0.1, 0.95, 0});
  CHECK(place(points) == "inside bottom right");
  points.push_back({0.9, 0.05, 0});
  CHECK(place(points) == "at graph 0.98, graph 0.5 right center");
  // Half of the height, 0.452, on either side; an error bar ends in it.
  for (const auto& [y, error, blocks] : std::vector<std::tuple<double, double, bool>>{{0.451, 0, false},
                                                                                      {0.453, 0, true},
                                                                                      {0.549, 0, false},
                                                                                      {0.547, 0, true},
                                                                                      {0.4, 0.053, true},
                                                                                      {0.4, 0.051, false},
                                                                                      {0.6, 0.053, true},
                                                                                      {0.6, 0.051, false}}) {
    points.push_back({0.85, y, error});
    CHECK((place(points) == "at graph 0.02, graph 0.5 left center") == blocks);
    // To the left of the box.
    points.back().x = 0.45;
    CHECK((place(points) == "at graph 0.98, graph 0.5 right center"));
    points.back().x = 0.453;
    CHECK((place(points) == "at graph 0.98, graph 0.5 right center") == !blocks);
    points.pop_back();
  }
  points.push_back({0.85, 0.5, 0});
  CHECK(place(points) == "at graph 0.02, graph 0.5 left center");
  points.push_back({0.15, 0.5, 0});
  CHECK(place(points).starts_with("at graph 0.98, graph 0.2288"));
  points.push_back({0.8, 0.2288, 0});
  CHECK(place(points).starts_with("at graph 0.02, graph 0.2288"));
  CHECK(place(points).ends_with(" left center"));
  points.push_back({0.2, 0.2288, 0});
  CHECK(place(points).starts_with("at graph 0.98, graph 0.771"));
  points.push_back({0.75, 0.7712, 0});
  CHECK(place(points).starts_with("at graph 0.02, graph 0.771"));
  points.push_back({0.25, 0.7712, 0});
  CHECK(place(points) == "outside center bottom horizontal maxcols 2");
}

TEST_CASE("no legend stands in the way of a line that falls through its box between two points") {
  // The one falls at the right, from above the box in the middle to below it; the other lies at the bottom.
  const Result falls = result_of(ResultKind::solution, "1", {1000, 1090, 1100}, {{2, 1.95, 1.05}}),
               lies = result_of(ResultKind::solution, "2", {1000, 1100}, {{1, 1}});
  CHECK(legend_place(figure_script({falls, lies}, {"a", "b"}, {}, ".svg")) == "at graph 0.02, graph 0.5 left center");
}

TEST_CASE("the legend's box: a height for every entry, a width for every letter, and the mark of a divergence") {
  // "theory" takes 0.13 + 6 0.0155 = 0.223 of the width, so that the box begins at 0.777 of it.
  const auto beside = [](double share) {
    Result r = result_of(ResultKind::solution, "t", {1000, 1100}, {{1, 1.01}});
    r.fields[0].values[0] = {1.5, 1.5};
    r.provenance.push_back(attribute("diverged_at", 998 + 104 * share));
    return legend_place(figure_script({r}, {"a"}, {}, ".svg"));
  };
  CHECK(beside(0.775) == "inside top right");
  CHECK(beside(0.779) == "inside bottom left");
  // And 0.03 + 0.066 = 0.096 of the height, so that it begins at 0.904 of that.
  const auto below = [](double share) {
    const double y = 0.94 + 1.12 * share;
    const Result r = result_of(ResultKind::solution, "t", {1000, 1001, 1002, 1100}, {{2, 1, y, y}});
    return legend_place(figure_script({r}, {"a"}, {}, ".svg"));
  };
  CHECK(below(0.9034) == "inside top right");
  CHECK(below(0.9046) == "inside bottom right");
  // A line is in the way where one of eight places along it is: the seventh lies at 0.870, the sixth before the box, at 0.760.
  const auto along = [](double end) {
    const Result r = result_of(ResultKind::solution, "t", {1000, 1001, 1008, 1100}, {{1, 1, 2, end}});
    return legend_place(figure_script({r}, {"a"}, {}, ".svg"));
  };
  CHECK(along(2 - 0.0525 * 1.12) == "inside top right");
  CHECK(along(2 - 0.0475 * 1.12) == "inside bottom right");
  // Above 0.8 of the width and 0.7 of the height there is no room inside.
  const auto of = [](std::size_t letters, std::size_t entries) {
    std::vector<Result> results;
    std::vector<std::string> labels;
    for (std::size_t i = 0; i < entries; ++i) {
      results.push_back(result_of(ResultKind::solution, std::to_string(i), {1000, 1100}, {{1, 1}}));
      labels.emplace_back(letters, 'x');
    }
    return legend_place(figure_script(results, labels, {}, ".svg"));
  };
  CHECK(of(43, 2) == "inside top right");
  CHECK(of(44, 2).starts_with("outside"));
  CHECK(of(1, 11).starts_with("outside"));
}

TEST_CASE("of several results the first tells the observable; a title is that of all, or the one given") {
  Result one = result_of(ResultKind::solution, "t", {100, 200}, {{6, 5}}), other = one;
  one.observables = {{"risk", "", ""}, {"width", "", ""}};
  one.fields[0].values = {{6, 5}, {3, 2}};
  other.observables = {{"width", "", ""}, {"risk", "", ""}};
  other.fields[0].values = {{3, 2}, {6, 5}};
  const auto script = [](const std::vector<Result>& results, const std::string& title = "") {
    return figure_script(results, std::vector<std::string>(results.size(), "x"), {{}, {}, title, {"a.csv", "b.csv"}},
                         ".svg");
  };
  CHECK(holds(script({one, other}), "set ylabel \"risk\""));
  CHECK(holds(script({other, one}), "set ylabel \"width\""));
  CHECK(holds(script({one, other}), "set title \"t\" noenhanced"));
  CHECK(holds(script({one, other}, "mine"), "set title \"mine\" noenhanced"));
  other.provenance[0].text = "u";
  CHECK_FALSE(holds(script({one, other}), "set title"));
  CHECK_FALSE(holds(script({other, one}), "set title"));
  CHECK_FALSE(holds(script({one, other, one}), "set title"));
  one.observables.clear();
  CHECK_THROWS_WITH_AS(script({one, other}), "a.csv: has no observables to draw", settings::Error);
  CHECK_THROWS_WITH_AS(script({other, one}), doctest::Contains("b.csv: --observable: it has no observable 'width'"),
                       settings::Error);
}

TEST_CASE("guides stand at the last of several curves; a result of claims alone shows the first") {
  const Result high = result_of(ResultKind::solution, "1", {100, 140, 200}, {{8, 8, 8}}),
               low = result_of(ResultKind::solution, "2", {100, 140, 200}, {{2, 2, 2}});
  const auto guide = [](const std::vector<Result>& results) {
    const std::string s = figure_script(results, {"a", "b"}, {{}, {-1}, ""}, ".svg");
    const std::size_t at = s.find("$p0s2 << EOD\n");
    REQUIRE(at != std::string::npos);
    double x = 0, y = 0;
    std::istringstream(s.substr(at + 13)) >> x >> y;
    CHECK(x == 100);
    return y;
  };
  // 1.7 times the curve at the point nearest to the middle, 140.
  CHECK(guide({high, low}) == Approx(1.7 * 2 * 1.4).epsilon(1e-12));
  CHECK(guide({low, high}) == Approx(1.7 * 8 * 1.4).epsilon(1e-12));
  Result claims = result_of(ResultKind::validation, "t", {100, 200}, {{6, 5}, {6, 5}, {0, 0}});
  claims.observables = {{"edge", "", ""}, {"plateau", "", ""}};
  for (Field& f : claims.fields) f.values.push_back(f.values[0]);
  claims.provenance.push_back(attribute("predictions", std::string_view("edge, plateau")));
  CHECK(holds(figure_script({claims}, {"a"}, {}, ".svg"), "set ylabel \"edge\""));
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
