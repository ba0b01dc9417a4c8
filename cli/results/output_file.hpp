#pragma once
/// \file
/// Files are written whole or not at all: to a temporary neighbour, then renamed.
#include <functional>
#include <string>

namespace edgewise::cli {

/// \throws settings::Error naming `path` when nothing can be written there. Leaves nothing behind.
void require_writable(const std::string& path);

/// Calls `write` with the path to write to, and puts the outcome in place of `path` when it returns normally.
/// A path that exists and is no regular file (a device or a pipe) is handed to `write` as it is.
/// \throws settings::Error naming `path` when the file cannot be created or renamed; what `write` throws.
void write_atomically(const std::string& path, const std::function<void(const std::string& temporary)>& write);

/// Writes `text` so. \throws settings::Error naming `path`, also when the disk is full.
void write_text(const std::string& path, const std::string& text);

/// Ending of the file name, in small letters, with its dot (".csv"); "" when there is none.
std::string ending(const std::string& path);

/// `path` with its ending replaced.
std::string with_ending(const std::string& path, const std::string& new_ending);

}  // namespace edgewise::cli
