#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/commands/catalog.hpp"
#include "cli/commands/commands.hpp"
#include "models/framework/model.hpp"
#include "settings/settings.hpp"
#include "tests/cli/program_run.hpp"

using namespace edgewise;
using cli::testing::run;
using nlohmann::json;

TEST_CASE("list without a word fits a screen and leads on") {
  const auto overview = run({"list"});
  CHECK(overview.status == 0);
  const auto lines = std::count(overview.out.begin(), overview.out.end(), '\n');
  CHECK(lines <= 36);
  std::size_t longest = 0;
  for (std::size_t at = 0; at < overview.out.size();) {
    const std::size_t end = overview.out.find('\n', at);
    longest = std::max(longest, end - at);
    at = end + 1;
  }
  CHECK(longest <= 120);
  std::size_t forms = 0;
  for (const models::Model* model : models::all()) {
    CHECK(overview.out.find("  " + model->description().name + " ") != std::string::npos);
    forms += model->closed_forms().size();
    for (const auto* optimizer : model->optimizers()) CHECK(overview.out.find(optimizer->name) != std::string::npos);
  }
  CHECK(overview.out.find("closed-forms  " + std::to_string(forms) + " of them") != std::string::npos);
  for (const char* name : {"power-law", "student-t", "cosine", "edgewise describe NAME"})
    CHECK(overview.out.find(name) != std::string::npos);
  // For programs everything is there, as before.
  CHECK(json::parse(run({"list", "--format", "json"}).out).at("closed-forms").size() == forms);
}

TEST_CASE("optimizers stand under their models, and MODEL/NAME picks one of several") {
  const std::string listed = run({"list", "optimizers"}).out;
  std::size_t with_sgd = 0;
  for (const models::Model* model : models::all()) {
    const std::string& name = model->description().name;
    const std::size_t title = listed.find(name + "\n");
    for (const auto* optimizer : model->optimizers()) {
      CAPTURE(name);
      CAPTURE(optimizer->name);
      CHECK(title != std::string::npos);
      CHECK(listed.find("  " + optimizer->name + " ", title) != std::string::npos);
      const auto one = run({"describe", name + "/" + optimizer->name, "--format", "json"});
      CHECK(one.status == 0);
      const json described = json::parse(one.out);
      CHECK(described.is_object());
      CHECK(described.at("summary") == optimizer->summary);
      CHECK(described.at("models").at(0) == name);
      with_sgd += optimizer->name == "sgd" ? 1 : 0;
    }
  }
  CHECK(with_sgd > 2);
  CHECK(json::parse(run({"describe", "sgd", "--format", "json"}).out).size() == with_sgd);
  CHECK(run({"describe", "sgd"}).out.find("sgd (optimizer of least-squares)") != std::string::npos);
  CHECK(run({"describe", "least-squares/sdg"}).says("did you mean 'least-squares/sgd'?"));
}

TEST_CASE("groups of the overview are lists with commas between, wrapped behind their titles") {
  const std::string text = run({"list"}).out;
  const json all = json::parse(run({"list", "--format", "json"}).out);
  for (const char* group : {"optimizers", "rates", "spectra", "noise", "schedules"}) {
    CAPTURE(group);
    std::vector<std::string> names;
    for (const auto& one : all.at(group)) {
      const std::string name = one.at("name");
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
    const std::size_t from = text.find(std::string("\n") + group + " ") + 1;
    REQUIRE(from != 0);
    // Its lines: those that are indented below the first.
    std::size_t to = text.find('\n', from);
    while (text[to + 1] == ' ') to = text.find('\n', to + 1);
    std::string listed;
    for (const char c : text.substr(from + std::string(group).size(), to - from - std::string(group).size()))
      if (c != '\n' && c != ' ') listed += c;
    CHECK(listed == settings::join(names, ","));
    for (std::size_t at = text.find('\n', from); at < to; at = text.find('\n', at + 1)) {
      CHECK(text[at - 1] == ',');
      CHECK(text.substr(at + 1, 14).find_first_not_of(' ') == std::string::npos);
    }
  }
}

TEST_CASE("list: one group as text, CSV and JSON") {
  const json all = json::parse(run({"list", "spectra", "--format", "json"}).out);
  REQUIRE(all.size() == 1);
  const std::string text = run({"list", "spectra"}).out, csv = run({"list", "spectra", "--format", "csv"}).out;
  std::size_t width = 0;
  for (const auto& one : all.at("spectra")) width = std::max(width, one.at("name").get<std::string>().size());
  std::string expected;
  for (const auto& one : all.at("spectra")) {
    const std::string name = one.at("name"), summary = one.at("summary");
    expected += name + std::string(width - name.size() + 2, ' ') + summary + "\n";
    const bool quoted = summary.find(',') != std::string::npos;
    CHECK(csv.find("\nspectra," + name + "," + (quoted ? '"' + summary + '"' : summary) + "\n") != std::string::npos);
  }
  CHECK(text == expected);
  CHECK(csv.starts_with("group,name,summary\n"));
}

TEST_CASE("describe takes a section in brackets, and tells several of a name one behind the other") {
  const auto out = [](const std::string& name, const std::string& format) {
    const auto r = run({"describe", name, "--format", format});
    CHECK(r.status == 0);
    return r.out;
  };
  for (const std::string format : {"txt", "csv", "json"}) CHECK(out("[time]", format) == out("time", format));
  for (const std::string name : {"[tiem]", "[]", "[time", "time]"}) {
    const auto r = run({"describe", name});
    CHECK(r.status == 2);
    CHECK(r.err.starts_with("edgewise: describe: there is no '" + name + "'"));
    CHECK(r.err.ends_with("; `edgewise list` shows every name\n"));
  }
  CHECK(run({"describe", "[tiem]"}).says("did you mean 'time'?"));
  std::string text, csv;
  json all = json::array();
  for (const models::Model* model : models::all())
    for (const auto* optimizer : model->optimizers())
      if (optimizer->name == "sgd") {
        const std::string name = model->description().name + "/sgd";
        text += (text.empty() ? "" : "\n") + out(name, "txt");
        csv += out(name, "csv");
        all.push_back(json::parse(out(name, "json")));
      }
  CHECK(out("sgd", "txt") == text);
  CHECK(out("sgd", "csv") == csv);
  CHECK(json::parse(out("sgd", "json")) == all);
  CHECK(
      run({"list", "spectrum"}).err ==
      "edgewise: list: there is no 'spectrum', did you mean 'spectra'?; accepted: models, optimizers, rates, spectra, "
      "noise, schedules, closed-forms\n");
  const json overview = json::parse(run({"list", "--format", "json"}).out);
  CHECK(overview.size() == 7);
  CHECK_FALSE(overview.contains("sections"));
  const json closed = json::parse(run({"list", "closed-forms", "--format", "json"}).out);
  CHECK(closed.size() == 1);
  CHECK(closed.at("closed-forms") == overview.at("closed-forms"));
}
