/// Sweep files, with the experiment inside.
#include <string>

#include "tests/fuzz/reader.hpp"
#include "validation/sweeps/sweep.hpp"
#include "validation/sweeps/sweep_file.hpp"

using namespace edgewise;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::take_or_refuse("input.toml", [&] {
    validation::SweepPlan plan =
        validation::read_sweep_file(settings::read_text(fuzz::text_of(data, size), "input.toml"));
    const std::string text = plan.text();
    fuzz::require(validation::read_sweep_file(settings::read_text(text, "input.toml")).text() == text,
                  "a sweep's text parses back to the same sweep");
    const validation::Sweep sweep(std::move(plan));
    std::size_t cells = 1;
    for (const validation::SweepAxis& axis : sweep.table().axes) cells *= axis.size();
    fuzz::require(cells == sweep.cells() && cells == sweep.table().cells.size(), "a grid has the cells of its axes");
    // The first and the last cell's experiments can be put together, or are refused.
    sweep.experiment(0, 0);
    sweep.experiment(cells - 1, sweep.plan().variants.size() - 1);
  });
  return 0;
}
