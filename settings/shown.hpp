#pragma once
/// \file
/// Text from files and command lines, as messages show it.
#include <cstddef>
#include <string>
#include <string_view>

namespace edgewise::settings {

/// `text` in at most `most` bytes, the middle of a longer one replaced by dots. Bytes that are no letter of UTF-8, and
/// those that move a terminal's cursor, are written as \xNN.
std::string shown(std::string_view text, std::size_t most = 64);

/// Bytes of the letter of UTF-8 that begins at `at`; 0 where none does, or a control character.
std::size_t letter_size(std::string_view text, std::size_t at);

}  // namespace edgewise::settings
