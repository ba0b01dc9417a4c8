#pragma once
/// \file
/// What a terminal shows while something takes long: a bar with an estimate of the time left, or a sign of life.
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <ostream>
#include <string>
#include <thread>

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

/// Says on one line of a terminal that something unmeasured is at work, and for how long: once it has taken a second,
/// then twice a second. The line is erased at the end. Silent when not enabled.
class SignOfLife {
 public:
  SignOfLife(std::ostream& out, std::string what, bool enabled);
  ~SignOfLife();
  SignOfLife(const SignOfLife&) = delete;
  SignOfLife& operator=(const SignOfLife&) = delete;

 private:
  std::ostream& out_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;
  std::thread thread_;
};

/// "  stability: working, 1:05"
std::string working_line(const std::string& what, double seconds_so_far);

/// True when `stream` is the program's standard error and that is a terminal.
bool is_terminal(const std::ostream& stream);

}  // namespace edgewise::cli
