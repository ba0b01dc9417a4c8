#pragma once
/// \file
/// Text files as people's programs write them, read whole.
#include <string>
#include <string_view>

namespace edgewise::settings {

/// The bytes of a file, a pipe or a device. \throws Error "PATH: ..." when there is no such file, it is a folder, may
/// not be read, or holds more than `largest` bytes.
std::string read_bytes(const std::string& path, std::size_t largest);

/// The text of a file without a byte order mark. \throws Error "PATH: ..." as read_bytes, and when it is no text that
/// can be read here: UTF-16 (what some programs call Unicode), or no text at all.
std::string read_text_file(const std::string& path);

/// `text` without UTF-8's byte order mark, which spreadsheets put in front.
std::string_view without_byte_order_mark(std::string_view text);

}  // namespace edgewise::settings
