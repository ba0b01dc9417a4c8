#pragma once
/// A small sweep whose cells take a fraction of a millisecond, in a folder of its own.
#include <stdexcept>
#include <string>
#include <vector>

#include "settings/settings.hpp"
#include "tests/holds.hpp"
#include "tests/temporary_folder.hpp"
#include "validation/sweeps/sweep.hpp"
#include "validation/sweeps/sweep_file.hpp"

namespace edgewise::validation::testing {

using expected::holds;
using temporary::Folder;

/// Label noise below zero is refused: its cells fail.
inline const char* const small_sweep = R"toml(title = "Small"
[sweep]
do = "solve"
[[axis]]
key = "noise.variance"
name = "noise"
values = [-0.5, 0.01, 0.1]
[[axis]]
key = "optimizer.learning_rate"
name = "eta"
from = 0.001
to = 0.1
count = 5
scale = "log"
[[axis]]
key = "schedule.kind"
values = ["constant", "cosine"]
[[derived]]
key = "time.steps"
value = "round(20 + 100 * abs(noise))"
[[derived]]
name = "product"
value = "steps * eta"
[[variant]]
name = "one"
[[variant]]
name = "four"
set = ["optimizer.batch=4"]
[[measure]]
name = "risk"
observable = "risk"
[[measure]]
name = "gain"
kind = "value"
value = "risk_one / risk_four"
[[label]]
name = "helps"
when = "gain > 1.05"
predicted = "eta > 0.01"
[[label]]
name = "same"
[[boundary]]
name = "eta = 0.01"
zero = "eta - 0.01"
[experiment]
model = "least-squares"
[experiment.spectrum]
kind = "list"
eigenvalues = [1.0, 0.1]
multiplicities = [20, 30]
target_power = [1.0, 1.0]
[experiment.noise]
law = "gaussian"
[experiment.optimizer]
kind = "sgd"
[experiment.time]
points = 8
)toml";

inline Sweep sweep_of(const std::string& text, const std::vector<std::string>& overrides = {},
                      const std::string& origin = "small.toml") {
  return Sweep(read_sweep_file(settings::read_text(text, origin), overrides));
}

/// `text` with the first `from` replaced; throws when there is none.
inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  if (at == std::string::npos) throw std::invalid_argument("not there: " + from);
  return text.replace(at, from.size(), to);
}

/// The message of the settings::Error that `f` throws, or "".
template <class F>
std::string error_of(const F& f) {
  try {
    f();
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace edgewise::validation::testing
