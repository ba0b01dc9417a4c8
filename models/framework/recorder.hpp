#pragma once
/// \file
/// How a theory records what it reads along its way, and notices that it has diverged.
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "models/framework/divergence.hpp"
#include "models/framework/model.hpp"

namespace edgewise::models {

/// Collects observables by handle, row after row along the steps, into a Trajectory.
class Recorder {
 public:
  /// Of an observable of this recorder.
  struct Handle {
    std::size_t index = 0;
  };

  /// \param scale  of the observable that `alive` is asked about: its start, or what noise alone makes of it
  explicit Recorder(double scale) : limit_(divergence_limit(scale)) {}

  Handle add(Observable observable) {
    out_.columns.push_back({std::move(observable), {}, {}});
    return {out_.columns.size() - 1};
  }
  /// A new row at `step`; every observable is then set once.
  void row(double step) { out_.steps.push_back(step); }
  void set(Handle handle, double value) { out_.columns[handle.index].value.push_back(value); }
  /// The predicted standard deviation of one replica.
  void set_std(Handle handle, double value) { out_.columns[handle.index].std.push_back(value); }

  /// False when `size` has diverged, which is then noted at `step`; no row may follow.
  bool alive(double step, double size) {
    if (std::abs(size) <= limit_) return true;
    if (!out_.diverged_at) out_.diverged_at = step;
    return false;
  }
  double limit() const { return limit_; }

  /// Method, report, labels, warnings and the rest are the caller's to fill in.
  Trajectory& trajectory() { return out_; }
  Trajectory take() { return std::move(out_); }

 private:
  double limit_;
  Trajectory out_;
};

}  // namespace edgewise::models
