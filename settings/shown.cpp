#include "settings/shown.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace edgewise::settings {

std::size_t letter_size(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(i < text.size() ? text[i] : 0); };
  const unsigned char first = byte(at);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  std::size_t size = 0;
  if (first >= 0xc2 && first <= 0xdf) size = 2;
  if (first >= 0xe0 && first <= 0xef) size = 3;
  if (first >= 0xf0 && first <= 0xf4) size = 4;
  for (std::size_t i = 1; i < size; ++i)
    if ((byte(at + i) & 0xc0U) != 0x80U) return 0;
  if (first == 0xc2 && byte(at + 1) < 0xa0) return 0;                                              // control characters
  if ((first == 0xe0 && byte(at + 1) < 0xa0) || (first == 0xf0 && byte(at + 1) < 0x90)) return 0;  // overlong
  if ((first == 0xed && byte(at + 1) > 0x9f) || (first == 0xf4 && byte(at + 1) > 0x8f)) return 0;  // no letters
  return size;
}

std::string shown(std::string_view text, std::size_t most) {
  std::vector<std::string> pieces;
  // Of a text that is too long only the ends are looked at.
  const auto add = [&](std::string_view part) {
    for (std::size_t at = 0; at < part.size();) {
      const std::size_t size = letter_size(part, at);
      pieces.push_back(size > 0 ? std::string(part.substr(at, size))
                                : fmt::format("\\x{:02x}", static_cast<unsigned char>(part[at])));
      at += std::max<std::size_t>(size, 1);
    }
  };
  constexpr std::string_view dots = "...";
  const bool long_text = text.size() > most;
  add(text.substr(0, most));
  if (long_text) add(text.substr(text.size() - most));
  std::size_t size = 0;
  for (const std::string& piece : pieces) size += piece.size();
  if (!long_text && size <= most) return fmt::format("{}", fmt::join(pieces, ""));
  const std::size_t room = most > dots.size() ? most - dots.size() : 0;
  std::string front, back;
  for (std::size_t i = 0; i < pieces.size() && front.size() + pieces[i].size() <= room - room / 3; ++i)
    front += pieces[i];
  for (std::size_t i = pieces.size(); i > 0 && back.size() + pieces[i - 1].size() <= room / 3; --i)
    back.insert(0, pieces[i - 1]);
  return front + std::string(dots) + back;
}

}  // namespace edgewise::settings
