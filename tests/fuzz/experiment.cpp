/// Experiment files: read, checked, and prepared where that is cheap.
#include <algorithm>
#include <cmath>
#include <string>
#include <variant>

#include "models/framework/experiment.hpp"
#include "models/framework/model.hpp"
#include "tests/fuzz/reader.hpp"

using namespace edgewise;

namespace {

/// Sizes beyond this only cost time, and texts with a slash may name files of the machine.
constexpr double cheap_size = 200;

bool cheap(double x) {
  return !(std::abs(x) > cheap_size);
}

bool cheap(const settings::Value& value) {
  struct Visit {
    bool operator()(bool) const { return true; }
    bool operator()(std::int64_t x) const { return cheap(static_cast<double>(x)); }
    bool operator()(double x) const { return cheap(x); }
    bool operator()(const std::string& x) const { return x.find('/') == x.npos && x != "dataset"; }
    bool operator()(const std::vector<double>& x) const {
      return cheap(static_cast<double>(x.size())) && std::all_of(x.begin(), x.end(), [](double y) { return cheap(y); });
    }
    bool operator()(const std::vector<std::string>& x) const {
      return std::all_of(x.begin(), x.end(), [this](const std::string& y) { return (*this)(y); });
    }
    bool operator()(const settings::Matrix& x) const {
      return std::all_of(x.begin(), x.end(), [this](const auto& row) { return (*this)(row); });
    }
  };
  return std::visit(Visit{}, value);
}

bool cheap(const settings::Table& table) {
  for (const std::string& key : table.keys()) {
    if (key == "time" || key == "monte_carlo") continue;
    if (const settings::Value* value = table.find(key); value && !cheap(*value)) return false;
    if (const settings::Table* section = table.table(key); section && !cheap(*section)) return false;
    for (const settings::Table& element : table.tables(key))
      if (!cheap(element)) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::take_or_refuse("input.toml", [&] {
    settings::Table table = settings::read_text(fuzz::text_of(data, size), "input.toml");
    const std::string text = table.text();
    fuzz::require(settings::read_text(text, "input.toml").text() == text, "a table's text parses back to itself");
    const models::Experiment experiment = models::read_experiment(std::move(table));
    fuzz::require(std::is_sorted(experiment.time.at.begin(), experiment.time.at.end()) &&
                      experiment.time.at.back() == experiment.time.steps,
                  "recorded steps increase up to the last");
    const models::Model& model = models::find(experiment);
    if (cheap(experiment.table)) model.prepare(experiment)->warnings();
  });
  return 0;
}
