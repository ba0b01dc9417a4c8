#pragma once
/// \file
/// A progress bar with an estimate of the time left.
#include <chrono>
#include <mutex>
#include <ostream>
#include <string>

namespace edgewise::cli {

/// Draws on one line of a terminal and erases it at the end. Silent when not enabled.
class Progress {
 public:
  Progress(std::ostream& out, std::string label, bool enabled);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `fraction` in 0..1; `note` stands behind the bar. May be called from several threads; draws at most ten times a
  /// second.
  void update(double fraction, const std::string& note = "");

 private:
  using Clock = std::chrono::steady_clock;
  std::ostream& out_;
  std::string label_;
  bool enabled_, drawn_ = false;
  double best_ = 0;
  Clock::time_point start_, last_;
  std::mutex mutex_;
};

/// "  label [#####...............]  25%, 1:05 left"
std::string progress_line(const std::string& label, double fraction, double seconds_so_far);

/// True when `stream` is the program's standard error and that is a terminal.
bool is_terminal(const std::ostream& stream);

}  // namespace edgewise::cli
