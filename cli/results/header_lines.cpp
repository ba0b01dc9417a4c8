#include "cli/results/header_lines.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace edgewise::cli {

namespace {

std::string_view without_trailing(std::string_view text, std::string_view characters) {
  const std::size_t last = text.find_last_not_of(characters);
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}

}  // namespace

void append_header_line(std::string& out, const std::string& name, const std::string& text) {
  if (text != "|" && text.find('\n') == std::string::npos) {
    out += fmt::format("# {}: {}\n", name, text);
    return;
  }
  out += fmt::format("# {}: |\n", name);
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += "#   " + text.substr(at, end - at) + "\n";
    at = end + 1;
  }
}

std::vector<HeaderLine> header_lines(const settings::DelimitedText& table) {
  std::vector<std::string_view> lines;
  for (const auto& comment : table.comments)
    if (table.lines.empty() || comment.number < table.lines.front().number) lines.emplace_back(comment.text);
  constexpr std::string_view separators = ",;\t";
  if (!lines.empty() && lines.front().find_last_of(separators) == lines.front().size() - 1)
    for (std::string_view& line : lines) line = without_trailing(line, separators);
  std::vector<HeaderLine> out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!lines[i].starts_with("# ")) continue;
    const std::string_view line = lines[i].substr(2);
    const std::size_t colon = line.find(": ");
    if (colon == std::string_view::npos) {
      // A text that is empty, whose blank an editor has taken off.
      if (line.ends_with(':')) out.push_back({std::string(line.substr(0, line.size() - 1)), ""});
      continue;
    }
    HeaderLine read{std::string(line.substr(0, colon)), std::string(line.substr(colon + 2))};
    if (read.text == "|") {
      read.text.clear();
      for (bool first = true; i + 1 < lines.size(); first = false) {
        const bool empty = lines[i + 1] == "#" || lines[i + 1] == "# ";
        if (!empty && !lines[i + 1].starts_with("#   ")) break;
        read.text += (first ? "" : "\n") + std::string(empty ? "" : lines[i + 1].substr(4));
        ++i;
      }
    }
    out.push_back(std::move(read));
  }
  return out;
}

}  // namespace edgewise::cli
