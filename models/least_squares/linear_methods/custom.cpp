// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <stdexcept>

#include "models/least_squares/linear_methods/linear_method.hpp"
#include "settings/theory_source.hpp"

namespace edgewise::models::least_squares {

using settings::Parameter;
using settings::Values;

const std::vector<Parameter>& phase_parameters() {
  static const std::vector<Parameter> parameters{
      settings::matrix("T0", "T(lambda) = T0 + lambda T1").must(),
      settings::matrix("T1", "coefficient of lambda; default 0"),
      settings::numbers("n", "how the gradient noise enters the coordinates; absent: a noiseless phase (a sync)"),
      settings::numbers("e", "the combination e.z at which the gradient is taken; needed with n"),
      settings::numbers("omega", "factor on the noise of each block; default 1").at_least(0),
      settings::integer("repeat", "how often the phase is applied in a row")
          .at_least(1)
          .at_most(1e6)
          .otherwise(std::int64_t{1})};
  return parameters;
}

namespace {

// The phases of a custom method, cut into blocks. Noise is scaled by 1/B later.
struct Program {
  std::vector<std::size_t> sizes;
  struct Run {
    solvers::Phase noisy;
    std::uint64_t first = 0, steps = 1;  // its place in the period
    std::optional<solvers::Phase> sync;  // after the last of them
  };
  std::vector<Run> runs;
  std::uint64_t period = 0;

  const Run& at(std::uint64_t position) const {
    return *std::prev(std::ranges::upper_bound(runs, position, {}, &Run::first));
  }
};

// Noiseless phases in a row are one only where T does not depend on lambda.
solvers::Phase product(const solvers::Phase& second, const solvers::Phase& first) {
  solvers::Phase out = second;
  for (std::size_t b = 0; b < out.blocks.size(); ++b) {
    const auto &x = first.blocks[b], &y = second.blocks[b];
    auto& z = out.blocks[b];
    const std::size_t r = z.r;
    for (const double t : x.T1)
      if (t != 0)
        throw std::invalid_argument("optimizer.phase: of noiseless phases in a row, only the last may have T1");
    z.T0 = z.T1 = {};
    for (std::size_t i = 0; i < r; ++i)
      for (std::size_t j = 0; j < r; ++j)
        for (std::size_t k = 0; k < r; ++k) {
          z.T0[i * r + j] += y.T0[i * r + k] * x.T0[k * r + j];
          z.T1[i * r + j] += y.T1[i * r + k] * x.T0[k * r + j];
        }
  }
  return out;
}

// `repeat` of them, by squaring.
solvers::Phase power(solvers::Phase phase, std::uint64_t repeat) {
  std::optional<solvers::Phase> out;
  for (;; phase = product(phase, phase)) {
    if (repeat & 1) out = out ? product(*out, phase) : phase;
    repeat >>= 1;
    if (repeat == 0) return *out;
  }
}

std::vector<std::size_t> block_sizes(const Hyperparameters& h) {
  const std::size_t coordinates = h.values().numbers("start").size();
  std::vector<std::size_t> sizes;
  if (!h.values().has("blocks")) {
    sizes = {coordinates};
  } else {
    std::size_t total = 0;
    for (const double r : h.values().numbers("blocks")) {
      sizes.push_back(static_cast<std::size_t>(r));
      total += sizes.back();
      if (r != static_cast<double>(sizes.back())) throw h.values().error("blocks", "must be whole numbers");
    }
    if (total != coordinates)
      throw h.values().error("blocks", fmt::format("sum to {}, but `start` has {} coordinates", total, coordinates));
  }
  for (const std::size_t r : sizes)
    if (r == 0 || r > solvers::max_block)
      throw h.values().error("blocks", fmt::format("a block has 1 to {} coordinates, here {}", solvers::max_block, r));
  return sizes;
}

void copy_matrix(const Values& values, const char* key, const std::vector<std::size_t>& sizes, std::size_t total,
                 solvers::Phase& phase, bool constant) {
  if (!values.has(key)) return;
  const settings::Matrix& matrix = values.matrix(key);
  if (matrix.size() != total || std::ranges::any_of(matrix, [&](const auto& row) { return row.size() != total; }))
    throw values.error(key, fmt::format("must be a {0} x {0} matrix", total));
  std::size_t first = 0;
  for (std::size_t b = 0; b < sizes.size(); first += sizes[b++]) {
    for (std::size_t i = 0; i < sizes[b]; ++i)
      for (std::size_t j = 0; j < total; ++j) {
        const double value = matrix[first + i][j];
        if (j < first || j >= first + sizes[b]) {
          if (value != 0) throw values.error(key, "must be zero between different blocks");
          continue;
        }
        auto& block = phase.blocks[b];
        (constant ? block.T0 : block.T1)[i * sizes[b] + j - first] = value;
      }
  }
}

Program program_of(const Hyperparameters& h) {
  Program out;
  out.sizes = block_sizes(h);
  const std::size_t total = h.values().numbers("start").size();
  const auto tables = h.section().tables("phase");
  if (tables.empty()) throw h.values().error("phase", "a custom method needs at least one table [[optimizer.phase]]");
  for (const settings::Table& table : tables) {
    const Values values = settings::read(table, phase_parameters());
    solvers::Phase phase;
    for (const std::size_t r : out.sizes) {
      phase.blocks.emplace_back();
      phase.blocks.back().r = r;
    }
    copy_matrix(values, "T0", out.sizes, total, phase, true);
    copy_matrix(values, "T1", out.sizes, total, phase, false);
    const bool noisy = values.has("n");
    if (noisy != values.has("e")) throw values.error(noisy ? "e" : "n", "n and e belong together");
    if (noisy) {
      phase.noise_scale = 1;
      for (const char* key : {"n", "e"}) {
        const auto& entries = values.numbers(key);
        if (entries.size() != total) throw values.error(key, fmt::format("must hold {} numbers", total));
        std::size_t at = 0;
        for (auto& block : phase.blocks)
          for (std::size_t i = 0; i < block.r; ++i) (*key == 'n' ? block.n : block.e)[i] = entries[at++];
      }
    }
    if (values.has("omega")) {
      const auto& omega = values.numbers("omega");
      if (omega.size() != out.sizes.size()) throw values.error("omega", "must hold one number per block");
      for (std::size_t b = 0; b < omega.size(); ++b) phase.blocks[b].omega = omega[b];
    }
    const auto repeat = static_cast<std::uint64_t>(values.integer("repeat"));
    if (noisy) {
      out.runs.push_back({phase, out.period, repeat, {}});
      out.period += repeat;
    } else if (out.runs.empty()) {
      throw values.error("n", "the first phase must be a noisy one: an optimizer step");
    } else {
      auto& sync = out.runs.back().sync;
      const solvers::Phase all = power(phase, repeat);
      sync = sync ? product(all, *sync) : all;
    }
  }
  return out;
}

const Program* compiled(const Hyperparameters& h) {
  if (!h.compiled()) h.compiled() = std::make_shared<const Program>(program_of(h));
  return static_cast<const Program*>(h.compiled().get());
}

}  // namespace

LinearMethod custom_method() {
  LinearMethod method;
  method.description = {
      "custom",
      "any linear method, by its matrices: tables [[optimizer.phase]] with T0, T1, n, e, omega, repeat",
      "noisy phase (one optimizer step): z <- (T0 + lambda T1) z + n xi,  xi the gradient noise at e.z\n"
      "noiseless phase (no n, e): z <- (T0 + lambda T1) z\n"
      "z_0 = start v_0 + start_target theta*,   P = risk of readout.z",
      settings::theory_source("two-phase", "2"),
      {settings::number("batch", "B, samples per step").in("samples").at_least(1).or_infinite().otherwise(1.0),
       settings::numbers("start", "coordinates at the start, in units of v_0 = theta_0 - theta*").must(),
       settings::numbers("start_target", "what each coordinate has of theta* itself; default 0"),
       settings::numbers("readout", "the combination of coordinates whose risk is observed").must(),
       settings::numbers("blocks", "coordinates per independent block; default: one block").at_least(1)}};
  method.layout = [](const Hyperparameters& h) {
    const auto program = compiled(h);
    const auto& start = h.values().numbers("start");
    const auto& readout = h.values().numbers("readout");
    if (readout.size() != start.size())
      throw h.values().error("readout", fmt::format("must hold {} numbers, as `start`", start.size()));
    std::vector<double> target(start.size(), 0.0);
    if (h.values().has("start_target")) target = h.values().numbers("start_target");
    if (target.size() != start.size())
      throw h.values().error("start_target", fmt::format("must hold {} numbers, as `start`", start.size()));
    Layout out;
    Readout main{"", "P of the readout", {}, false};
    std::size_t at = 0;
    for (const std::size_t r : program->sizes) {
      const std::size_t block = out.blocks.size();
      out.blocks.emplace_back();
      main.selector.emplace_back();
      for (std::size_t i = 0; i < r; ++i, ++at) {
        bool still = true;
        const auto untouched = [&](const solvers::Phase& phase) {
          const auto& b = phase.blocks[block];
          for (std::size_t j = 0; j < r; ++j)
            if (b.T0[i * r + j] != (i == j ? 1 : 0) || b.T1[i * r + j] != 0) return false;
          return b.n[i] == 0;
        };
        for (const auto& run : program->runs)
          still = still && untouched(run.noisy) && (!run.sync || untouched(*run.sync));
        out.blocks.back().push_back({fmt::format("z{}", at + 1), start[at], target[at], still});
        main.selector.back().push_back(readout[at]);
      }
    }
    out.readouts.push_back(std::move(main));
    return out;
  };
  method.period = [](const Hyperparameters& h) { return compiled(h)->period; };
  method.repeats = [](const Hyperparameters& h, std::uint64_t position) {
    const auto& run = compiled(h)->at(position);
    return run.first + run.steps - position;
  };
  method.phases = [](const Hyperparameters& h, std::uint64_t, std::uint64_t position, StepPhases& out) {
    const auto& run = compiled(h)->at(position);
    out.noisy = run.noisy;
    for (auto& block : out.noisy.blocks) block.omega /= h("batch");
    out.has_sync = run.sync && position + 1 == run.first + run.steps;
    if (out.has_sync) out.sync = *run.sync;
  };
  return method;
}

}  // namespace edgewise::models::least_squares
