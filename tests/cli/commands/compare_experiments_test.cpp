// `edgewise compare` of experiments whose optimum is known by hand.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/approx.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/holds.hpp"

using namespace edgewise;
using cli::testing::contents;
using cli::testing::Folder;
using cli::testing::run;
using edgewise::expected::holds;
using edgewise::tests::Approx;
using nlohmann::json;

namespace {

/// One step of SGD in three equal directions from P = 1, noise 1/2. P after it, (1 - e)^2 + e^2 (1 + 3 (1 + 1/2))/B, is
/// least at e = 1/(1 + 5.5/B), where it is 1 - e.
std::string one_step(const std::string& title, double batch, const std::string& more = "",
                     const std::string& rate = "learning_rate = 0.1\n") {
  return fmt::format(
      "title = '{}'\nmodel = 'least-squares'\n[spectrum]\nkind = 'isotropic'\ndimension = 3\n[noise]\nlaw = "
      "'gaussian'\nvariance = 0.5\n[time]\nsteps = 1\n{}[optimizer]\nbatch = {}\n{}",
      title, more, batch, rate);
}
double optimum(double batch) {
  return 1 / (1 + 5.5 / batch);
}

}  // namespace

TEST_CASE("compare: the best of every experiment, its ratio to the best of all, and what was tuned") {
  const Folder folder;
  const std::string one = folder.file("one.toml", one_step("one", 1)),
                    four = folder.file("four, batch.toml", one_step("batch 4", 4)),
                    tuned = folder.file("tuned.toml",
                                        one_step("tuned", 4, "[tune]\nlearning_rate = [0.01, 2]\nevaluations = 200\n")),
                    ruled = folder.file("ruled.toml", one_step("ruled", 4, "[rate]\nkind = 'polyak'\n", "")),
                    constant = folder.file("constant.toml", one_step("constant", 1, "[rate]\nkind = 'constant'\n"));
  const json out = json::parse(run({"compare", one, four, tuned, constant, "--format", "json"}).out);
  REQUIRE(out.size() == 4);
  const double batches[] = {1, 4, 4, 1};
  const double best = 1 - optimum(4);
  for (std::size_t i = 0; i < 4; ++i) {
    CAPTURE(i);
    // The search by samples of [tune] ends near the optimum, that by derivatives at it.
    const double near = i == 2 ? 0.02 : 1e-6;
    CHECK(out[i]["tuned"]["learning_rate"].get<double>() == Approx(optimum(batches[i])).epsilon(i == 2 ? 0.2 : 1e-3));
    CHECK(out[i]["value"].get<double>() == Approx(1 - optimum(batches[i])).epsilon(near));
    CHECK(out[i]["ratio"].get<double>() == Approx((1 - optimum(batches[i])) / best).epsilon(near));
    CHECK(out[i]["observable"] == "excess_mse");
    CHECK(out[i]["untuned"] == "");
  }
  CHECK(out[1]["experiment"] == four);
  CHECK(out[1]["title"] == "batch 4");
  const auto text = run({"compare", one, four, "--observable", "risk"});
  CHECK(text.status == 0);
  // 5.5/6.5 and 5.5/9.5; the risk is that and the noise, 1/2, both halved.
  const double first = (5.5 / 6.5 + 0.5) / 2, second = (5.5 / 9.5 + 0.5) / 2;  // .67307692..., .53947368...
  CHECK(text.out.starts_with("risk at the end, each at its optimum\n"));
  CHECK(holds(text.out, "\n  one      0.673076"));
  CHECK(holds(text.out, "\n  batch 4  0.539473"));
  CHECK(holds(text.out, fmt::format("  x {:.4g}  learning_rate = 0.15", first / second)));
  CHECK(holds(text.out, "        x 1  learning_rate = 0.42"));
  CHECK(text.says("compared 2 experiments, "));
  const auto alone = run({"compare", ruled, "--format", "csv"});
  CHECK(alone.says("compared one experiment, "));
  CHECK(alone.out.starts_with("experiment,title,observable,value,ratio,tuned\n" + ruled + ",ruled,excess_mse,"));
  CHECK(alone.out.ends_with(",1,as it is: a rule sets its rate\n"));
  const auto csv = run({"compare", four, "--format", "csv"}).out;
  CHECK(holds(csv, "\n\"" + four + "\",batch 4,excess_mse,"));
}

TEST_CASE("compare: what has no learning rate is compared as it is; gamma is tuned where it is what is given") {
  const Folder folder;
  const std::string kernel = folder.file("kernel.toml", run({"new", "kernel-regression"}).out);
  const auto text = run({"compare", kernel});
  CHECK(text.status == 0);
  CHECK(holds(text.out, "        x 1  as it is: it has no learning rate of its own\n"));
  const json out = json::parse(run({"compare", kernel, "--format", "json"}).out);
  CHECK(out[0]["tuned"].empty());
  CHECK(out[0]["untuned"] == "it has no learning rate of its own");
  // gamma is the rate over the largest stable one, so that the optimum is the same.
  const std::string gamma = folder.file("gamma.toml", one_step("gamma", 4, "", "gamma = 0.01\n"));
  const json tuned = json::parse(run({"compare", gamma, "--format", "json"}).out);
  CHECK(tuned[0]["value"].get<double>() == Approx(1 - optimum(4)).epsilon(1e-6));
  CHECK(tuned[0]["tuned"].contains("gamma"));
  CHECK_FALSE(tuned[0]["tuned"].contains("learning_rate"));
}

TEST_CASE(
    "compare: rates are searched within a factor 300, widened by 300^3 on either side; an optimum beyond is told") {
  const Folder folder;
  const double reach = 300 * std::pow(300.0, 3);
  for (const bool above : {true, false}) {
    CAPTURE(above);
    // The optimum of one step, 1/6.5, is far from what is given.
    const double given = above ? 1e-12 : 1e10, edge = above ? given * reach : given / reach;
    const std::string path =
        folder.file("far.toml", one_step("far", 1, "", fmt::format("learning_rate = {:.17g}\n", given)));
    const auto r = run({"compare", path, "--format", "json"});
    CHECK(json::parse(r.out)[0]["tuned"]["learning_rate"].get<double>() == Approx(edge).epsilon(1e-3));
    CHECK(r.says("warning: far: the best learning_rate lies on the edge of what was searched\n"));
  }
  CHECK_FALSE(run({"compare", folder.file("one.toml", one_step("one", 1))}).says("edge"));
}

TEST_CASE("compare: what differs beside the optimizer is told, section by section") {
  const Folder folder;
  const std::string one = folder.file("one.toml", one_step("one", 1));
  const auto warned = [&](const std::string& key, const std::string& from, const std::string& to) {
    std::string text = one_step("other", 1);
    text.replace(text.find(from), from.size(), to);
    const std::string other = folder.file("other.toml", text);
    const auto r = run({"compare", one, other});
    CAPTURE(key);
    CHECK(r.status == 0);
    CHECK(
        r.says(fmt::format("warning: {} and {} differ in {}: these are different problems, and the ratios are not of "
                           "the optimizers alone\n",
                           one, other, key)));
  };
  warned("[spectrum]", "dimension = 3", "dimension = 4");
  warned("[noise]", "variance = 0.5", "variance = 0.6");
  warned("[time]", "steps = 1", "steps = 2");
  warned("[initial]", "[time]", "[initial]\nscale = 0.5\n[time]");
  CHECK_FALSE(run({"compare", one, folder.file("same.toml", one_step("other", 2))}).says("differ"));
}

TEST_CASE("compare: an observable of its own, which all must share") {
  const Folder folder;
  const std::string one = folder.file("one.toml", one_step("one", 1)),
                    risk = folder.file("risk.toml",
                                       one_step("risk", 1, "[tune]\nlearning_rate = [0.01, 2]\nobservable = 'risk'\n"));
  const auto mixed = run({"compare", one, risk});
  CHECK(mixed.status == 2);
  CHECK(mixed.err == fmt::format("edgewise: {}: would be compared by risk, {} by excess_mse; --observable chooses one "
                                 "for all\n",
                                 risk, one));
  CHECK(run({"compare", one, risk, "--observable", "risk", "--quiet"}).status == 0);
  const auto unknown = run({"compare", one, "--observable", "nothing"});
  CHECK(unknown.says("one.toml: there is no observable 'nothing'"));
  CHECK(unknown.says("known: risk, excess_mse, parameter_error"));
}
