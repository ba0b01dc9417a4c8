// What files may hold, as it is told: sections of models, and the facts of keys.
#include "cli/commands/file_keys.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "settings/settings.hpp"

using namespace edgewise;
using cli::FileSection;

namespace {

std::string names(const std::vector<settings::Parameter>& parameters) {
  std::string out;
  for (const settings::Parameter& p : parameters) out += (out.empty() ? "" : " ") + p.name;
  return out;
}

/// "name", "[[name]]" or "name(key=usual of COUNT)" of every section.
std::string sections(const std::string& model) {
  std::string out;
  for (const FileSection& s : cli::sections_of(*models::find_model(model))) {
    out += out.empty() ? "" : ", ";
    out += s.repeated ? "[[" + s.name + "]]" : s.name;
    if (!s.kinds.empty()) out += fmt::format("({}={} of {})", s.chosen_by, s.usual, s.kinds.size());
  }
  return out;
}

}  // namespace

TEST_CASE("the sections of a model, in order; a choice has its usual word, or none") {
  CHECK(sections("least-squares") ==
        "spectrum(kind= of 10), noise(law=gaussian of 9), data, optimizer(kind=sgd of 9), [[optimizer.phase]], "
        "rate(kind=constant of 16), schedule(kind=constant of 16), initial, time, theory, monte_carlo, tune, verdict, "
        "schedule_search, collapse");
  // Two of the rules, of which "constant" is one; one rule that is no default; a noise of its own.
  CHECK(sections("sign-sgd") ==
        "spectrum(kind= of 10), noise(law=gaussian of 9), data, optimizer(kind=sign-late of 7), rate(kind=constant of "
        "2), schedule(kind=constant of 16), time, theory, monte_carlo, verdict, schedule_search, collapse");
  CHECK(sections("mini-batch-cdat") ==
        "data, optimizer(kind=sgd of 1), rate(kind= of 1), time, monte_carlo, verdict, collapse");
  CHECK(
      sections("matrix-least-squares") ==
      "spectrum(kind= of 10), noise, data, optimizer(kind=signsvd of 5), schedule(kind=constant of 16), time, theory, "
      "monte_carlo, verdict, collapse");
  // Along other axes there is no collapse; without a simulation nothing is judged.
  CHECK(sections("equilibrium-network") == "network, input, depth, monte_carlo, verdict");
  CHECK(sections("kernel-regression") ==
        "data, kernel, target, noise, spectrum(kind= of 10), samples, theory, monte_carlo, verdict");
  CHECK(sections("sum-of-powers") == "powers, time, collapse");
  const auto section = [](const std::string& model, const std::string& name) {
    for (const FileSection& s : cli::sections_of(*models::find_model(model)))
      if (s.name == name) return s.about + ": " + names(s.parameters);
    return std::string("none");
  };
  CHECK(section("quadratic-map", "data") == "what the inputs are beside their covariance: curvature epsilon");
  CHECK(section("quadratic-map", "time") == "how many optimizer steps, and which are recorded: steps points at");
  CHECK(section("quadratic-map", "theory") == "how the equations are solved: method limit_steps max_period rtol");
  CHECK(section("matrix-least-squares", "noise") == ": law variance relative_variance");
  CHECK(section("least-squares", "monte_carlo") == "replicas of the simulation: replicas seed sampler");
  CHECK(section("least-squares", "optimizer.phase") == ": T0 T1 n e omega repeat");
  CHECK(section("kernel-regression", "samples").starts_with("how many samples, and which are recorded: "));
  CHECK(section("least-squares", "verdict") ==
        "how theory and simulation are compared: false_alarm resolution power allowed dimensions gap_exponent "
        "predictions");
}

TEST_CASE("sections that choose: their words are a key of its own") {
  std::string all;
  for (const FileSection& s : cli::shared_choices()) {
    const settings::Parameter choice = s.choice();
    CHECK(choice.accepted.size() == s.kinds.size());
    CHECK(choice.accepted.back() == s.kinds.back()->name);
    CHECK(s.kind(choice.accepted[1]) == s.kinds[1]);
    CHECK(s.kind("none of them") == nullptr);
    all += fmt::format("{}.{}: {}, {}; ", s.name, choice.name, choice.doc, cli::default_text(choice));
  }
  CHECK(all ==
        "spectrum.kind: which one, required; noise.law: which one, \"gaussian\"; rate.kind: which one, \"constant\"; "
        "schedule.kind: which one, \"constant\"; ");
  CHECK(cli::section_summary("tune") == "what `edgewise tune` searches, and at what cost");
  CHECK(cli::section_summary("verdict").empty());
  for (const char* name : {"verdict", "schedule_search", "collapse"}) CHECK(cli::is_common(name));
  CHECK_FALSE(cli::is_common("tune"));
  std::string files;
  for (const auto* of : {&cli::sweep_file_sections(), &cli::comparison_sections()})
    for (const FileSection& s : *of) files += s.repeated ? "[[" + s.name + "]] " : s.name + " ";
  CHECK(files ==
        "sweep [[axis]] [[derived]] [[variant]] [[measure]] [[label]] [[boundary]] compare [[workload]] [[method]] ");
}

TEST_CASE("the facts of a key in one line") {
  CHECK(cli::facts_text(settings::number("a", "")) == "a number, default none");
  CHECK(cli::facts_text(settings::number("a", "").must().above(0)) == "a number, required, > 0");
  CHECK(cli::facts_text(settings::integer("a", "").otherwise(std::int64_t{3}).in("steps").where("kind", {"b", "c"})) ==
        "a whole number, default 3, in steps, read where kind = b or c");
  CHECK(cli::facts_text(settings::text("a", "").computed("as b says").one_of({"x", "y"})) ==
        "text, default as b says, one of x, y");
}

TEST_CASE("paragraphs are wrapped at blanks; what is indented, or has no blank, is kept") {
  CHECK(cli::paragraph("", "> ") == "");
  CHECK(cli::paragraph("a b c", "> ", 3) == "> a b\n> c\n");
  CHECK(cli::paragraph("a b c", "> ", 4) == "> a b\n> c\n");
  CHECK(cli::paragraph("a b c", "> ", 5) == "> a b c\n");
  CHECK(cli::paragraph("ab\n\ncd ef", "> ", 3) == "> ab\n\n> cd\n> ef\n");
  CHECK(cli::paragraph("  ab cd\nabcd ef", "> ", 3) == ">   ab cd\n> abcd ef\n");
  CHECK(cli::paragraph("one\n", "") == "one\n");
}

TEST_CASE("a slip in a section of a command is told where the experiment is read") {
  const auto said = [](const std::string& text) {
    try {
      cli::check_command_sections(settings::read_text(text, "e.toml"));
    } catch (const settings::Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  const std::string model = "model = 'least-squares'\n";
  CHECK(said(model + "[verdict]\nresolution = 0.1\n[verdict.scaling.optimizer]\nlearning_rate = -1\n").empty());
  CHECK(said(model + "[verdict]\nresolutoin = 0.1\n").starts_with("e.toml: verdict.resolutoin: unknown key"));
  CHECK(said(model + "[collapse]\nsizse = 1\n").starts_with("e.toml: collapse.sizse: unknown key"));
  CHECK(said(model + "[collapse.scaling]\n").starts_with("e.toml: collapse.scaling: "));
  CHECK(said(model + "[schedule_search]\nstart = 1\n").starts_with("e.toml: schedule_search.start: unknown key"));
  CHECK(said(model + "[tune]\nevaluation = 1\n").starts_with("e.toml: tune.evaluation: unknown key"));
  // What else stands in a file is for its model to refuse.
  CHECK(said("model = 'network'\n[tune]\nevaluation = 1\n").empty());
  CHECK(said("model = 3\n[tune]\nevaluation = 1\n").empty());
  CHECK(said("model = 'none'\n[spectrum]\nx = 1\n").empty());
}
