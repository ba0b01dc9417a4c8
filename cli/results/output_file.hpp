#pragma once
/// \file
/// Files are written whole or not at all: to a temporary neighbour, then renamed.
#include <string>
#include <string_view>

namespace edgewise::cli {

/// \throws settings::Error naming `path` when nothing can be written there. Leaves nothing behind.
void require_writable(const std::string& path);

/// Puts `bytes` in place of what is at `path`, or of what it leads to where it is a symbolic link, which stays one. The
/// mode of a file that was there is kept. A path that is no regular file (a device or a pipe) is written to as it is.
/// \throws settings::Error naming `path`; then what was there is there still, and nothing else.
void write_file(const std::string& path, std::string_view bytes);

/// Whether two paths lead to one file, there or not yet.
bool same_file(const std::string& a, const std::string& b);

/// Ending of the file name, in small letters, with its dot (".csv"); "" when there is none.
std::string ending(const std::string& path);

/// `path` with its ending replaced.
std::string with_ending(const std::string& path, const std::string& new_ending);

}  // namespace edgewise::cli
