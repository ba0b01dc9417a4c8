// `edgewise learnability` from the command line.
#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "tests/approx.hpp"
#include "tests/cli/program_run.hpp"

using namespace edgewise::cli;
using namespace edgewise::cli::testing;
using edgewise::tests::Approx;

TEST_CASE("learnability: text, CSV and JSON, several formulas, strata, norms") {
  const Run text = run({"learnability", "s + s*e"});
  CHECK(text.status == done);
  CHECK(text.out.find("zeta          9 ") != std::string::npos);
  CHECK(text.out.find("a constant C that is not known") != std::string::npos);
  const Run json = run({"learnability", "0.1*e", "s + 0.1*e", "1/(1 - x)", "--format", "json"});
  REQUIRE(json.status == done);
  const auto parsed = nlohmann::json::parse(json.out);
  CHECK(parsed["formulas"][0]["zeta"].get<double>() == Approx(0.01));
  CHECK(parsed["formulas"][1]["zeta_ratio"].get<double>() == Approx(121));
  CHECK(parsed["formulas"][2]["zeta"] == "inf");
  CHECK(parsed["formulas"][2]["remarks"].size() == 1);
  CHECK(parsed.contains("constant"));
  const Run csv = run({"learnability", "x", "3*x", "--weight", "0.5", "--weight", "0.5", "--format", "csv"});
  CHECK(csv.out.find("3*x,share,") != std::string::npos);
  const Run norms = run({"learnability", "(1.25 - x)^(-1/2)", "--kernel", "ntk", "--bias", "--format", "json"});
  CHECK(nlohmann::json::parse(norms.out)["formulas"][0]["norm_squared"].get<double>() == Approx(2.85844).epsilon(1e-5));
}

TEST_CASE("learnability: every item under its name, by hand") {
  // f~ = 2 + 3 x + x^2: 2, 6, slope 5. In exp(t - 1), sum e^-1 t^k/k!: H of a series a_k of x along one direction.
  const auto json_of = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "learnability");
    arguments.insert(arguments.end(), {"--format", "json"});
    const Run r = run(arguments);
    REQUIRE(r.status == done);
    return nlohmann::json::parse(r.out)["formulas"];
  };
  const auto plain = json_of({"2 - 3*x + x^2", "x"});
  const auto value = [](const nlohmann::json& of, const char* name) { return of.at(name).get<double>(); };
  CHECK(value(plain[0], "at_0") == Approx(2));
  CHECK(value(plain[0], "at_1") == Approx(6));
  CHECK(value(plain[0], "slope_at_1") == Approx(5));
  CHECK(value(plain[0], "sqrt_zeta") == Approx(7));
  CHECK(value(plain[0], "zeta") == Approx(49));
  CHECK(!plain[0].contains("zeta_ratio"));
  CHECK(value(plain[1], "zeta_ratio") == Approx(1. / 49));
  CHECK(!plain[0].contains("norm_bound_1"));
  // Shares minimise the sum of weights times sqrt((zeta + log(strata/delta))/share): in proportion to (w sqrt(..))^(2/3).
  const auto shares = json_of({"x", "2*x", "--weight", "0.3", "--weight", "0.6", "--delta", "0.1"});
  const double a = std::pow(.3 * std::sqrt(1 + std::log(20.)), 2. / 3),
               b = std::pow(.6 * std::sqrt(4 + std::log(20.)), 2. / 3);
  CHECK(value(shares[0], "share") == Approx(a / (a + b)).epsilon(1e-12));
  CHECK(value(shares[1], "share") == Approx(b / (a + b)).epsilon(1e-12));
  // The kernel exp has power series b_k > 0: B2 = sum a_k^2/b_k, B1 = (sum |a_k|/sqrt b_k)^2 of two terms.
  const auto norms = json_of({"x", "x^2", "3*x + 4*x^2", "--kernel", "exp"});
  const double one = value(norms[0], "norm_bound_2"), two = value(norms[1], "norm_bound_2");
  CHECK(value(norms[0], "norm_bound_1") == Approx(one).epsilon(1e-12));
  CHECK(value(norms[2], "norm_bound_2") == Approx(9 * one + 16 * two).epsilon(1e-12));
  CHECK(value(norms[2], "norm_bound_1") == Approx(std::pow(3 * std::sqrt(one) + 4 * std::sqrt(two), 2)).epsilon(1e-12));
  CHECK(value(norms[2], "norm_squared") <= value(norms[2], "norm_bound_2") * (1 + 1e-12));
  CHECK(value(norms[0], "norm_squared") > 0);
}

TEST_CASE("learnability: what makes a number infinite is a remark, in every form; without a reason there is none") {
  const auto remarks = [](const std::vector<std::string>& formula) {
    std::vector<std::string> all = {"learnability"};
    all.insert(all.end(), formula.begin(), formula.end());
    all.insert(all.end(), {"--format", "json"});
    return nlohmann::json::parse(run(all).out)["formulas"][0]["remarks"];
  };
  CHECK(remarks({"x", "--kernel", "exp"}).empty());
  CHECK(remarks({"x"}).empty());
  // Every even power of arc0 beyond x^0 has the coefficient 0.
  const auto infinite = remarks({"x^2", "--kernel", "arc0"});
  REQUIRE(infinite.size() == 1);
  const std::string said = infinite[0];
  CHECK(said.starts_with("infinite norm: "));
  CHECK(said.size() > std::string("infinite norm: ").size());
  CHECK(run({"learnability", "x^2", "--kernel", "arc0"}).out.find("\n  " + said + "\n") != std::string::npos);
  const Run csv = run({"learnability", "x^2", "--kernel", "arc0", "--format", "csv"});
  CHECK(csv.out.find("\nx^2,norm_squared,inf,") != std::string::npos);
  CHECK(csv.out.find("\nx^2,remark,,") != std::string::npos);
}

TEST_CASE("learnability: text and CSV, word by word; what is told and refused at the ends of options") {
  const std::string said =
      "n <= C (zeta + log(1/delta))/eps^2 for a 1-Lipschitz loss, with a constant C that is not known: zeta compares "
      "functions, it is no number of samples\n";
  CHECK(run({"learnability", "0.5 + x", "1 - 2*x, "}).status == failed);
  CHECK(run({"learnability", "0.5 + x", "1 - 2*x"}).out == R"(0.5 + x
  at_0          0.5                    f~(0)
  at_1          1.5                    f~(1): bounds |f|
  slope_at_1    1                      f~'(1)
  sqrt_zeta     1.5                    f~'(1) + f~(0)
  zeta          2.25                   samples in proportion
1 - 2*x
  at_0          1                      f~(0)
  at_1          3                      f~(1): bounds |f|
  slope_at_1    2                      f~'(1)
  sqrt_zeta     3                      f~'(1) + f~(0)
  zeta          9                      samples in proportion
  zeta_ratio    4                      to that of the first formula
)" + said);
  CHECK(run({"learnability", "2*x", "x", "--format", "csv"}).out == R"(formula,name,value,meaning
2*x,at_0,0,f~(0)
2*x,at_1,2,f~(1): bounds |f|
2*x,slope_at_1,2,f~'(1)
2*x,sqrt_zeta,2,f~'(1) + f~(0)
2*x,zeta,4,samples in proportion
x,at_0,0,f~(0)
x,at_1,1,f~(1): bounds |f|
x,slope_at_1,1,f~'(1)
x,sqrt_zeta,1,f~'(1) + f~(0)
x,zeta,1,samples in proportion
x,zeta_ratio,0.25,to that of the first formula
# )" + said);
  // Against a zeta of 0 there is no ratio.
  CHECK(run({"learnability", "0*x", "x"}).out.find("zeta_ratio") == std::string::npos);
  CHECK(run({"learnability", "1/(1 - x)", "x"}).out.find("zeta_ratio") == std::string::npos);
  const auto told = [](std::vector<std::string> options) {
    options.insert(options.begin(), {"learnability", "x"});
    const Run r = run(options);
    return r.status == done ? "" : r.err;
  };
  const auto range = [&](const std::string& kernel, const std::string& option, const std::string& value,
                         const std::string& ends) {
    CAPTURE(option);
    CAPTURE(value);
    CHECK(told({"--kernel", kernel, option, value}) ==
          (ends.empty() ? "" : "edgewise: " + option + ": must be from " + ends + ", got " + value + "\n"));
  };
  range("ntk", "--dimension", "2", "");
  range("ntk", "--dimension", "1.99", "2 to 1e+09");
  range("ntk", "--dimension", "1000000000", "");
  range("ntk", "--dimension", "1000000001", "2 to 1e+09");
  range("gauss", "--s2", "0.01", "");
  range("exp", "--s2", "0.0099", "0.01 to 1e+06");
  range("exp", "--s2", "1000000", "");
  range("gauss", "--s2", "1000001", "0.01 to 1e+06");
  range("ntk", "--length", "1e-12", "");
  range("ntk", "--length", "9e-13", "1e-12 to 1e+12");
  range("ntk", "--length", "1000000000000", "");
  range("ntk", "--length", "1000000000001", "1e-12 to 1e+12");
  CHECK(told({"--kernel", "ntk", "--s2", "1"}) == "edgewise: --s2: is read with --kernel gauss or exp only\n");
  CHECK(told({"--kernel", "nkt"})
            .starts_with("edgewise: --kernel: must be one of arc0, arc1, ntk, ntk1, deep-ntk, gauss, exp, taylor, got "
                         "'nkt', did you mean 'ntk'"));
  CHECK(told({"--delta", "0.1"}) == "edgewise: --delta: is read with --weight only\n");
  for (const char* option : {"--dimension", "--length"})
    CHECK(told({option, "3"}) == std::string("edgewise: ") + option + ": is read with --kernel only\n");
  CHECK(told({"--bias"}) == "edgewise: --bias: is read with --kernel only\n");
  CHECK(told({"--s2", "1"}) == "edgewise: --s2: is read with --kernel gauss or exp only\n");
  CHECK(told({"--weight", "0.5", "--delta", "1"}) == "edgewise: --delta: must be above 0 and below 1, got 1\n");
  CHECK(told({"--weight", "0.5", "--delta", "0"}) == "edgewise: --delta: must be above 0 and below 1, got 0\n");
  CHECK(told({"--weight", "0"}) == "edgewise: --weight: must be > 0, got 0\n");
  CHECK(told({"--weight", "inf"}) == "edgewise: --weight: must be > 0, got inf\n");
  CHECK(told({"--weight", "1", "--weight", "2"}) == "edgewise: --weight: 2 for 1 formulas; give one each, or none\n");
}

TEST_CASE("learnability: what options are where they are not given") {
  const auto same = [](std::vector<std::string> options, const std::vector<std::string>& usual) {
    options.insert(options.begin(), "learnability");
    const std::string out = run(options).out;
    options.insert(options.end(), usual.begin(), usual.end());
    return !out.empty() && run(options).out == out;
  };
  const std::vector<std::string> strata = {"x", "2*x", "--weight", "0.3", "--weight", "0.6"},
                                 norm = {"x + x^2", "--kernel", "gauss"};
  CHECK(same(strata, {"--delta", "0.05"}));
  CHECK_FALSE(same(strata, {"--delta", "0.051"}));
  CHECK(same(norm, {"--dimension", "3", "--length", "1", "--s2", "1"}));
  CHECK_FALSE(same(norm, {"--dimension", "4"}));
  CHECK_FALSE(same(norm, {"--length", "1.01"}));
  CHECK_FALSE(same(norm, {"--s2", "1.01"}));
}

TEST_CASE("learnability: bad input is one line and status 2") {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"x +"},
                                             {"x*y", "--kernel", "ntk"},
                                             {"x", "--kernel", "ntkk"},
                                             {"x", "--kernel", "ntk", "--dimension", "1"},
                                             {"x", "--kernel", "ntk", "--dimension", "many"},
                                             {"x", "--kernel", "exp", "--s2", "1e-9"},
                                             {"x", "--weight", "1", "--weight", "2"},
                                             {"x", "--weight", "-1"},
                                             {"x", "--weight", "1", "--delta", "2"},
                                             {"1/(1-x)", "--weight", "1"},
                                             {"x", "--delta", "0.1"},
                                             // The usual values too.
                                             {"x", "--delta", "0.05"},
                                             {"x", "--dimension", "3"},
                                             {"x", "--length", "1"},
                                             {"x", "--s2", "1"},
                                             {"x", "--kernel", "ntk", "--s2", "1"},
                                             {"x", "--bias"},
                                             {"x", "--dimension", "5"},
                                             {"x", "--length", "2"},
                                             {"x", "--s2", "2"},
                                             {"x", "--kernel", "ntk", "--s2", "2"},
                                             {"x^5000", "--kernel", "ntk"},
                                             {"x", "--format", "nc"}}) {
    std::vector<std::string> all = {"learnability"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Run r = run(all);
    CAPTURE(r.err);
    CHECK(r.status == failed);
    CHECK(r.one_line());
  }
}

TEST_CASE("learnability: norms in the spaces of a deep tangent kernel and of a series of one's own") {
  const auto norms = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "learnability");
    arguments.insert(arguments.end(), {"--format", "json"});
    const Run r = run(arguments);
    REQUIRE(r.status == done);
    return nlohmann::json::parse(r.out)["formulas"][0];
  };
  // sum a_k^2/b_k of a linear function; 1/2 + 1/3 and (1/sqrt 2 + 1/sqrt 3)^2.
  const auto own = norms({"1 + x", "--kernel", "taylor", "--coefficient", "2", "--coefficient", "3"});
  CHECK(own["norm_squared"].get<double>() == Approx(5. / 6).epsilon(1e-12));
  CHECK(own["norm_bound_2"].get<double>() == Approx(5. / 6).epsilon(1e-12));
  CHECK(own["norm_bound_1"].get<double>() == Approx(5. / 6 + 2 / std::sqrt(6.)).epsilon(1e-12));
  CHECK(norms({"x^2", "--kernel", "taylor", "--coefficient", "1"})["norm_bound_2"] == "inf");
  // One layer is ntk; b_0 = 1/pi, b_1 = 1, b_2 = 3/(2 pi).
  const auto one = norms({"1 + x + x^2", "--kernel", "deep-ntk", "--layers", "1"}),
             same = norms({"1 + x + x^2", "--kernel", "ntk"});
  CHECK(one["norm_bound_2"].get<double>() == Approx(std::acos(-1) * 5 / 3 + 1).epsilon(1e-12));
  CHECK(one["norm_squared"].get<double>() == Approx(same["norm_squared"].get<double>()).epsilon(1e-9));
  for (const std::vector<std::string>& refused : {std::vector<std::string>{"--kernel", "ntk", "--layers", "2"},
                                                  {"--kernel", "deep-ntk", "--layers", "1.5"},
                                                  {"--kernel", "taylor"},
                                                  {"--kernel", "taylor", "--coefficient", "-1"},
                                                  {"--kernel", "taylor", "--coefficient", "0"},
                                                  {"--kernel", "ntk", "--coefficient", "1"},
                                                  {"--layers", "2"}}) {
    std::vector<std::string> arguments{"learnability", "x"};
    arguments.insert(arguments.end(), refused.begin(), refused.end());
    CHECK(run(arguments).status == failed);
  }
}
