#include "models/framework/axis.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "models/framework/experiment.hpp"
#include "models/framework/model.hpp"

using namespace edgewise;
using namespace edgewise::models;

TEST_CASE("axes differ in name and section, and each has its keys") {
  std::set<std::string> names, sections;
  for (const Axis* axis : axes()) {
    CAPTURE(axis->name);
    names.insert(axis->name);
    sections.insert(axis->section);
    CHECK(find_axis(axis->name) == axis);
    std::set<std::string> keys;
    for (const settings::Parameter& p : parameters(*axis)) {
      keys.insert(p.name);
      CHECK((p.name == "points" || p.unit == axis->unit));
    }
    CHECK(keys == std::set<std::string>{axis->last, "points", "at"});
  }
  CHECK(names == std::set<std::string>{"step", "samples", "depth"});
  CHECK(sections.size() == names.size());
  CHECK(find_axis("epoch") == nullptr);
}

TEST_CASE("every model reads the section of its own axis and refuses those of others") {
  for (const Model* model : all()) {
    const std::string name = model->description().name;
    CAPTURE(name);
    const Axis& own = model->axis();
    const auto read = [&](const std::string& more) {
      return read_experiment(settings::read_text(
          "model = '" + name + "'\n[" + own.section + "]\n" + own.last + " = 7\nat = [3]\n" + more, "x.toml"));
    };
    const Experiment experiment = read("");
    CHECK(experiment.axis == &own);
    CHECK(experiment.time.steps == 7);
    CHECK(experiment.time.at == std::vector<std::uint64_t>{0, 3, 7});
    for (const Axis* other : axes()) {
      if (other == &own) continue;
      std::string said;
      try {
        model->prepare(read("[" + other->section + "]\nat = [3]\n"));
      } catch (const settings::Error& error) {
        said = error.what();
      }
      CHECK(said == "x.toml: " + other->section + ": model " + name + " runs along its " + own.name +
                        " axis: give the section [" + own.section + "] instead");
    }
  }
}
