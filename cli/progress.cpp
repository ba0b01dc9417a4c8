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

std::string progress_line(const std::string& label, double fraction, double seconds_so_far) {
  constexpr int width = 30;
  const int filled = static_cast<int>(std::floor(fraction * width));
  std::string line =
      fmt::format("  {} [{:#<{}}{:.<{}}] {:3.0f}%", label, "", filled, "", width - filled, std::floor(100 * fraction));
  if (fraction > 0 && fraction < 1) {
    const auto left = static_cast<long long>(std::llround(seconds_so_far * (1 - fraction) / fraction));
    if (left >= 3600)
      line += fmt::format(", {}:{:02}:{:02} left", left / 3600, left / 60 % 60, left % 60);
    else
      line += fmt::format(", {}:{:02} left", left / 60, left % 60);
  }
  return line;
}

bool is_terminal(const std::ostream& stream) {
  return (&stream == &std::cerr || &stream == &std::clog) && ::isatty(STDERR_FILENO) == 1;
}

}  // namespace edgewise::cli
