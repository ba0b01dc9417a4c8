/// Files of comparisons, with the experiments that they make.
#include <string>

#include "tests/fuzz/reader.hpp"
#include "validation/comparisons/comparison_file.hpp"

using namespace edgewise;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::take_or_refuse("input.toml", [&] {
    const validation::ComparisonPlan plan =
        validation::read_comparison(settings::read_text(fuzz::text_of(data, size), "input.toml"));
    for (const validation::ComparedMethod& method : plan.methods) {
      fuzz::require(!method.settings.empty(), "a method has something to run");
      for (const validation::ComparedSetting& setting : method.settings)
        fuzz::require(setting.experiments.size() == plan.workloads.size(),
                      "every setting has one experiment a workload");
    }
  });
  return 0;
}
