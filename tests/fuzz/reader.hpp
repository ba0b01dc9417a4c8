#pragma once
/// What the fuzz targets share. A reader takes its input, or refuses it with a settings::Error that names the file.
/// Whatever else comes is a fault, and the fuzzer reports it: another exception (a library's own words would reach the
/// user), a finding of a sanitizer, memory or time without end.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "settings/settings.hpp"

namespace edgewise::fuzz {

/// What must hold of an input that was taken.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: not so: %s\n", what);
  std::abort();
}

/// \param file  the part of its name that every message must have
template <class Read>
void take_or_refuse(std::string_view file, const Read& read) {
  try {
    read();
  } catch (const settings::Error& e) {
    if (std::string_view(e.what()).find(file) != std::string_view::npos) return;
    std::fprintf(stderr, "fuzz: a message that does not name its file: %s\n", e.what());
    std::abort();
  }
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace edgewise::fuzz
