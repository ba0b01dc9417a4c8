#include "cli/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iostream>

namespace edgewise::cli {

Progress::Progress(std::ostream& out, std::string label, bool enabled)
    : out_(out), label_(std::move(label)), enabled_(enabled), start_(Clock::now()), last_(start_) {}

Progress::~Progress() {
  if (drawn_) out_ << "\r\x1b[K" << std::flush;
}

void Progress::update(double fraction, const std::string& note) {
  if (!enabled_) return;
  const std::lock_guard lock(mutex_);
  best_ = std::max(best_, std::clamp(fraction, 0.0, 1.0));
  const auto now = Clock::now();
  if (drawn_ && now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  drawn_ = true;
  out_ << "\r\x1b[K" << progress_line(label_, best_, std::chrono::duration<double>(now - start_).count())
       << (note.empty() ? "" : ", ") << note << std::flush;
}

namespace {

/// "1:05", "2:01:05"
std::string clock_text(double seconds) {
  const auto total = static_cast<long long>(seconds);
  if (total >= 3600) return fmt::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
  return fmt::format("{}:{:02}", total / 60, total % 60);
}

}  // namespace

SignOfLife::SignOfLife(std::ostream& out, std::string what, bool enabled) : out_(out) {
  if (!enabled) return;
  thread_ = std::thread([this, what = std::move(what)] {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    bool drawn = false;
    std::unique_lock lock(mutex_);
    for (auto pause = std::chrono::milliseconds(1000); !ended_.wait_for(lock, pause, [&] { return over_; });
         pause = std::chrono::milliseconds(500)) {
      drawn = true;
      out_ << "\r\x1b[K" << working_line(what, std::chrono::duration<double>(Clock::now() - start).count())
           << std::flush;
    }
    if (drawn) out_ << "\r\x1b[K" << std::flush;
  });
}

SignOfLife::~SignOfLife() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  ended_.notify_all();
  thread_.join();
}

std::string working_line(const std::string& what, double seconds_so_far) {
  return fmt::format("  {}: working, {}", what, clock_text(seconds_so_far));
}

std::string progress_line(const std::string& label, double fraction, double seconds_so_far) {
  constexpr int width = 30;
  const int filled = static_cast<int>(std::floor(fraction * width));
  std::string line =
      fmt::format("  {} [{:#<{}}{:.<{}}] {:3.0f}%", label, "", filled, "", width - filled, std::floor(100 * fraction));
  if (fraction > 0 && fraction < 1)
    line += fmt::format(", {} left", clock_text(std::round(seconds_so_far * (1 - fraction) / fraction)));
  return line;
}

bool is_terminal(const std::ostream& stream) {
  return (&stream == &std::cerr || &stream == &std::clog) && ::isatty(STDERR_FILENO) == 1;
}

}  // namespace edgewise::cli
