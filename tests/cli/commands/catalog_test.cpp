// Where the program says that its formulas come from.
#include "cli/commands/catalog.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "models/framework/experiment.hpp"
#include "models/framework/model.hpp"
#include "models/framework/sections.hpp"
#include "settings/settings.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/temporary_folder.hpp"

using namespace edgewise::cli;
using edgewise::temporary::Folder;

namespace {

const std::string check = EDGEWISE_TEST_DATA "/../.ci/check_citations";

bool resolve(const std::string& sources) {
  const Folder folder;
  return std::system(("python3 '" + check + "' " + folder.file("sources.txt", sources)).c_str()) == 0;
}

}  // namespace

TEST_CASE("every source that is printed names a page of docs/theory that exists, and sections that it has" *
          doctest::skip(std::system("python3 -c '' 2>/dev/null") != 0)) {
  std::string sources;
  std::size_t forms = 0;
  for (const Entry& entry : catalog()) {
    const std::string& source = entry.description.source;
    sources += source + "\n";
    if (entry.group != "closed-forms") continue;
    ++forms;
    CAPTURE(entry.description.name);
    // By which `edgewise describe` knows that a name may be one's.
    CHECK(entry.description.name.find('/') != source.npos);
    CHECK(source.starts_with("docs/theory/"));
    CHECK((source.find(".md, section") != source.npos || source.find(".md (") != source.npos));
  }
  CHECK(forms > 800);
  CHECK(resolve(sources));
  // Put together here, so that the check does not find them in this file.
  CHECK(!resolve(sources + "docs/theory/" + "sign-and-clip.md, section 99\n"));
  CHECK(!resolve(sources + "theory" + " note sign-and-clip, 2\n"));
}

namespace {

/// Two optimizers of two models, one that they share, and two spectra.
std::vector<Entry> sample() {
  using edgewise::settings::integer;
  using edgewise::settings::number;
  Entry one{"optimizers", {"sgd", "plain, of one", "x' = x - e g", "a page", {}}, {"first"}, {}, {}};
  one.description.parameters = {number("rate", "how far").must().above(0).in("1/curvature"),
                                integer("batch", "").otherwise(std::int64_t{1}),
                                number("decay", "a, b").computed("as rate says").where("kind", {"x"})};
  one.more_parameters = {{"of section [theory]", {edgewise::settings::text("method", "which").one_of({"a", "b"})}}};
  one.details = {{"Observables", {{"risk", "half of it"}, {"excess_mse", ""}}}};
  Entry both{"optimizers", {"sign", "its sign", "", "", {}}, {"first", "second"}, {}, {}},
      other{"optimizers", {"sgd", "", "", "", {}}, {"second"}, {}, {}};
  return {one, both, other, {"spectra", {"list", "as given", "", "", {}}, {}, {}, {}}};
}

}  // namespace

TEST_CASE("what is listed and described, word by word") {
  std::vector<Entry> entries = sample();
  CHECK(list_text({entries.begin(), entries.end() - 1}) == R"(first
  sgd   plain, of one

first, second
  sign  its sign

second
  sgd
)");
  CHECK(list_csv(entries) == R"(group,name,summary
optimizers,sgd,"plain, of one"
optimizers,sign,its sign
optimizers,sgd,
spectra,list,as given
)");
  CHECK(
      list_json(entries).dump() ==
      R"({"optimizers":[{"name":"sgd","summary":"plain, of one","models":["first"]},)"
      R"({"name":"sign","summary":"its sign","models":["first","second"]},{"name":"sgd","summary":"","models":["second"]}],)"
      R"("spectra":[{"name":"list","summary":"as given"}]})");
  CHECK(describe_text(entries[0]) == R"(sgd (optimizer of first)
  plain, of one

Equations
  x' = x - e g

Parameters
  rate  (a number, required, > 0, in 1/curvature)
      how far
  batch  (a whole number, default 1)
  decay  (a number, default as rate says, read where kind = x)
      a, b

Parameters of section [theory]
  method  (text, default none, one of a, b)
      which

Observables
  risk        half of it
  excess_mse

Source
  a page
)");
  CHECK(describe_text(entries[1]) == "sign (optimizer of first, second)\n  its sign\n");
  CHECK(describe_csv(entries[0]) == R"(section,name,type,default,range,unit,meaning
sgd,rate,a number,required,> 0,1/curvature,how far
sgd,batch,a whole number,1,,,
sgd,decay,a number,as rate says,,,"a, b; read where kind = x"
of section [theory],method,text,none,"one of a, b",,which
)");
  CHECK(
      describe_json(entries[0]).dump() ==
      R"({"name":"sgd","group":"optimizers","summary":"plain, of one","equations":"x' = x - e g","source":"a page",)"
      R"("parameters":[{"name":"rate","type":"a number","required":true,"default":null,"range":"> 0","unit":"1/curvature",)"
      R"("doc":"how far"},{"name":"batch","type":"a whole number","required":false,"default":1,"range":"","unit":"","doc":""},)"
      R"({"name":"decay","type":"a number","required":false,"default":null,"default_computed":"as rate says","range":"",)"
      R"("unit":"","where":"kind = x","doc":"a, b"}],"models":["first"],"parameters of section [theory]":[{"name":"method",)"
      R"("type":"text","required":false,"default":null,"range":"one of a, b","accepted":["a","b"],"unit":"","doc":"which"}],)"
      R"("Observables":[{"name":"risk","doc":"half of it"},{"name":"excess_mse","doc":""}]})");
}

TEST_CASE("the overview: models with their summaries, names once each, lines of at most 112 letters") {
  std::vector<Entry> entries = sample();
  entries.insert(entries.begin(), {"models", {"first", "a model", "", "", {}}, {}, {}, {}});
  entries.insert(entries.begin() + 1, {"models", {"the second", "another", "", "", {}}, {}, {}, {}});
  entries.push_back({"closed-forms", {"first/a", "", "", "", {}}, {}, {}, {}});
  entries.push_back({"sections", {"data", "", "", "", {}}, {}, {}, {}});
  CHECK(overview_text(entries) == R"(models
  first       a model
  the second  another
optimizers    sgd, sign
rates        )"
                                  "\n"
                                  R"(spectra       list
noise        )"
                                  "\n"
                                  R"(schedules    )"
                                  "\n"
                                  R"(closed-forms  1 of them
`edgewise list GROUP` tells what each is, `edgewise describe NAME` (or MODEL/NAME) all about it.
)");
  // Words that end at 112 stay on the line, at 113 they do not.
  for (const std::size_t letters : {92u, 93u}) {
    std::vector<Entry> two = {{"spectra", {std::string(letters, 'x'), "", "", "", {}}, {}, {}, {}},
                              {"spectra", {"list", "", "", "", {}}, {}, {}, {}}};
    const std::string indent(13, ' ');
    CHECK(overview_text(two).find("spectra       " + std::string(letters, 'x') + "," +
                                  (letters == 92 ? " list\n" : "\n" + indent + " list\n")) != std::string::npos);
  }
}

TEST_CASE("the catalog: every section once, with the models whose keys it has, and what can be chosen") {
  std::string sections, kinds;
  for (const Entry& e : catalog(false)) {
    if (e.group.find("sections") == std::string::npos) continue;
    std::string models, chosen;
    for (const auto& [title, parameters] : e.more_parameters) {
      REQUIRE(title.starts_with("of model "));
      models += (models.empty() ? "" : " ") + title.substr(9);
    }
    sections += e.description.name + (models.empty() ? "" : ": " + models) + "\n";
    for (const Entry::Detail& d : e.details)
      kinds += e.description.name + ": " + d.title.substr(0, d.title.find(' ')) + " " + std::to_string(d.items.size()) +
               " " + d.items.front().first + " ... " + d.items.back().first + "\n";
  }
  CHECK(sections == R"(experiment
spectrum
noise: matrix-least-squares kernel-regression modular-tasks
rate: least-squares residual-sgd sign-sgd self-stabilisation mini-batch-cdat
schedule
optimizer: least-squares
time
samples
depth
theory: least-squares residual-sgd sign-sgd matrix-least-squares finite-data quadratic-map quadratic-regression network self-stabilisation feature-alignment kernel-regression softmax-temperature modular-tasks
monte_carlo: least-squares residual-sgd sign-sgd finite-data quadratic-map quadratic-regression network single-neuron equilibrium-network self-stabilisation mini-batch-cdat kernel-regression softmax-temperature modular-tasks
verdict
schedule_search
collapse
data: least-squares residual-sgd sign-sgd matrix-least-squares finite-data quadratic-map quadratic-regression network single-neuron mini-batch-cdat feature-alignment kernel-regression modular-tasks
initial: least-squares quadratic-map self-stabilisation softmax-temperature
tune: least-squares
network: network equilibrium-network feature-alignment equilibrium-training
loss: network softmax-temperature
neuron: single-neuron
powers: sum-of-powers
input: equilibrium-network
landscape: self-stabilisation
alignment: feature-alignment
kernel: kernel-regression modular-tasks
target: kernel-regression
task: softmax-temperature
tasks: modular-tasks
training: equilibrium-training
sweep
axis
derived
variant
measure
label
boundary
compare
workload
method
)");
  CHECK(kinds == R"(experiment: model 18 least-squares ... equilibrium-training
spectrum: kind 10 isotropic ... dataset
noise: law 9 none ... three-point
rate: kind 19 constant ... inverse-sharpness
schedule: kind 16 constant ... grid
optimizer: kind 65 least-squares/sgd ... equilibrium-training/gd
measure: kind 17 final ... value
)");
  const std::vector<Entry> all = catalog(false);
  const auto summary = [&](const std::string& name) {
    const auto found =
        std::ranges::find_if(all, [&](const Entry& e) { return e.group == "sections" && e.description.name == name; });
    REQUIRE(found != all.end());
    return found->description.summary;
  };
  CHECK(summary("network") ==
        "[network]: read by network, equilibrium-network, feature-alignment, equilibrium-training");
  CHECK(summary("data") == "[data]: what the inputs are beside their covariance");
  CHECK(summary("depth").starts_with("[depth]: how many "));
  CHECK(summary("schedule") ==
        "[schedule]: how the learning rate changes with the step; [schedule.NAME]: another number of the optimizer");
  std::vector<std::string> titles;
  for (const Entry::Detail& d : all.front().details) titles.push_back(d.title);
  CHECK(titles == std::vector<std::string>{"Observables", "Optimizers", "Sections that it reads"});
}

TEST_CASE("without closed forms the catalog is what is left of it") {
  std::vector<std::string> all, without;
  for (const Entry& entry : catalog())
    if (entry.group != "closed-forms") all.push_back(describe_text(entry));
  for (const Entry& entry : catalog(false)) without.push_back(describe_text(entry));
  CHECK(without == all);
}

TEST_CASE("describe keeps every word, in order, and wraps what is long") {
  // Spaces and line ends are one space.
  const auto squeezed = [](const std::string& text) {
    std::string out;
    for (const char c : text) {
      const bool space = c == ' ' || c == '\n';
      if (!space || (!out.empty() && out.back() != ' ')) out += space ? ' ' : c;
    }
    while (!out.empty() && out.back() == ' ') out.pop_back();
    return out;
  };
  std::size_t wrapped = 0;
  for (const Entry& entry : catalog()) {
    if (entry.group == "closed-forms") continue;
    const auto run = testing::run({"describe", entry.description.name});
    CAPTURE(entry.description.name);
    REQUIRE(run.status == 0);
    const std::string out = squeezed(run.out);
    // A name may stand in two groups.
    CHECK(out.find(squeezed(entry.description.summary)) != std::string::npos);
    CHECK(out.find(squeezed(entry.description.equations)) != std::string::npos);
    CHECK(out.find(squeezed(entry.description.source)) != std::string::npos);
    for (const auto& p : entry.description.parameters) CHECK(out.find(squeezed(p.doc)) != std::string::npos);
    for (std::size_t at = 0; at < entry.description.equations.size();) {
      const std::size_t end = std::min(entry.description.equations.find('\n', at), entry.description.equations.size());
      wrapped += end - at > 110;
      at = end + 1;
    }
  }
  CHECK(wrapped > 0);
}

namespace {

using edgewise::settings::Table;
namespace models = edgewise::models;

constexpr const char* nobodys = "zzzzzzzzzzzzzzzz";

/// What is said against the experiment where this section of it is read; empty where it is good.
std::string complaint(const models::Model& model, const Table& table, const std::string& section) {
  try {
    const models::Experiment experiment = models::read_experiment(table);
    if (section == "tune")
      model.tune(experiment);
    else
      model.prepare(experiment);
  } catch (const std::exception& e) {
    return e.what();
  }
  return "";
}

/// The words of "...KEY: INTRODUCTION a, b, c"; empty where it says something else.
std::vector<std::string> listed(const std::string& said, const std::string& key, const std::string& introduction) {
  std::vector<std::string> out;
  if (said.find(": " + key + ": ") == said.npos) return out;
  std::size_t at = said.find(introduction);
  if (at == said.npos) return out;
  for (at += introduction.size(); at < said.size();) {
    const std::size_t end = std::min(said.find(", ", at), said.size());
    out.push_back(said.substr(at, end - at));
    at = end + 2;
  }
  return out;
}

/// The experiment with this in the place of a section.
Table with_section(const Table& experiment, const std::string& name, const Table& section) {
  Table out(experiment.origin(), "");
  for (const std::string& key : experiment.keys())
    if (const auto* value = experiment.find(key))
      out.set(key, *value);
    else if (key != name)
      out.make_table(key) = experiment.table_or_empty(key);
  out.make_table(name) = section;
  return out;
}

/// Whether `edgewise describe SECTION`, or that of a kind of it, tells the key.
bool is_described(const std::vector<Entry>& entries, const std::string& model, const std::string& section,
                  const std::string& kind, const std::string& key) {
  const auto has = [&](const std::vector<edgewise::settings::Parameter>& all, const std::string& name) {
    return std::ranges::find(all, name, &edgewise::settings::Parameter::name) != all.end();
  };
  for (const Entry& e : entries) {
    if (e.group == "sections" && e.description.name == section) {
      if (has(e.description.parameters, key)) return true;
      for (const auto& [title, parameters] : e.more_parameters)
        if (title == "of model " + model && (has(parameters, key) || has(parameters, section + "." + key))) return true;
      // [[optimizer.phase]]: a table, of which every key is told.
      for (const auto& [title, parameters] : e.more_parameters)
        if (title == "of model " + model &&
            std::ranges::any_of(parameters, [&](const auto& p) { return p.name.starts_with(key + "."); }))
          return true;
      // Which of its kinds: "kind = ..." stands above them.
      for (const Entry::Detail& detail : e.details)
        if (detail.title.starts_with(key + " = ")) return true;
    }
    const bool own = e.models.empty() || std::ranges::find(e.models, model) != e.models.end();
    // [schedule.NAME] is that of a number of the optimizer.
    if (own && has(e.description.parameters, key) &&
        (e.description.name == kind || (section == "schedule" && e.group == "optimizers")))
      return true;
  }
  return false;
}

}  // namespace

TEST_CASE("every key that an experiment may hold is described: what each section of each model says that it knows" *
          doctest::test_suite("slow")) {
  const std::vector<Entry> entries = catalog(false);
  std::map<std::string, Table> bases;
  for (const auto& file : std::filesystem::directory_iterator(EDGEWISE_TEST_DATA "/experiments"))
    if (file.path().extension() == ".toml")
      bases.emplace(file.path().stem(), edgewise::settings::read_file(file.path()));
  std::size_t keys = 0;
  for (const models::Model* model : models::all()) {
    const std::string& name = model->description().name;
    std::vector<std::string> sections(model->sections().begin(), model->sections().end());
    for (const char* common : {"theory", "monte_carlo"})
      if (std::ranges::find(sections, common) == sections.end()) sections.emplace_back(common);
    sections.push_back(model->axis().section);
    // Those of commands are read by the commands (check_test.cpp).
    std::erase_if(sections, [&](const std::string& section) {
      return section == "schedule_search" || section == "collapse" || !models::reads_section(*model, section);
    });
    for (const std::string& section : sections) {
      std::set<std::string> probed;
      for (const auto& [stem, base] : bases) {
        if (models::find_model(std::get<std::string>(*base.find("model"))) != model) continue;
        const auto probe = [&](const std::string& kind, const Table& with) {
          if (probed.contains(kind)) return;
          Table table = with;
          table.make_table(section).set(nobodys, 1.0);
          const std::string said = complaint(*model, table, section), key = section + "." + nobodys;
          const std::vector<std::string> known = listed(said, key, "unknown key; known here: ");
          if (known.empty() && said.find("nothing is read here") == said.npos) return;
          probed.insert(kind);
          for (const std::string& one : known) {
            CAPTURE(name);
            CAPTURE(section);
            CAPTURE(kind);
            CAPTURE(one);
            CHECK(is_described(entries, name, section, kind, one));
            ++keys;
          }
        };
        bool of_kinds = false;
        for (const char* which : {"kind", "law"}) {
          Table wrong(base.origin(), section);
          wrong.set(which, std::string(nobodys));
          std::vector<std::string> kinds = listed(complaint(*model, with_section(base, section, wrong), section),
                                                  section + "." + which, " is not one of ");
          of_kinds = of_kinds || !kinds.empty();
          for (const std::string& kind : kinds) {
            Table right(base.origin(), section);
            right.set(which, kind);
            probe(kind, with_section(base, section, right));
          }
        }
        if (!of_kinds) probe("", base);
      }
      CAPTURE(name);
      CAPTURE(section);
      CHECK(!probed.empty());
    }
  }
  CHECK(keys > 1000);
}
