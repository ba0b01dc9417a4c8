// Built at -O1: nothing here takes time.
#include "validation/file_digests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <variant>

namespace edgewise::validation {

namespace fs = std::filesystem;

namespace {

/// FNV-1a of what is in a file: guards against mistakes, not against malice.
std::string digest(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::uint64_t hash = 14695981039346656037ULL;
  std::vector<char> buffer(1 << 16);
  while (in) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    for (std::streamsize i = 0; i < in.gcount(); ++i)
      hash = (hash ^ static_cast<unsigned char>(buffer[static_cast<std::size_t>(i)])) * 1099511628211ULL;
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace

void add_digest(const std::string& origin, const std::string& word, FileDigests& out) {
  constexpr std::size_t longest_path = 4096;
  if (word.empty() || word.size() > longest_path) return;
  const fs::path path(word);
  const std::string found = path.is_absolute() ? word : (fs::path(origin).parent_path() / path).string();
  std::error_code ignored;
  if (!fs::is_regular_file(found, ignored)) return;
  if (std::ranges::find(out, word, &FileDigests::value_type::first) == out.end()) out.emplace_back(word, digest(found));
}

void add_digests(const settings::Table& experiment, FileDigests& out) {
  for (const std::string& key : experiment.keys())
    if (const settings::Value* value = experiment.find(key)) {
      if (const auto* word = std::get_if<std::string>(value)) add_digest(experiment.origin(), *word, out);
    } else {
      for (const settings::Table& section : experiment.tables(key)) add_digests(section, out);
    }
}

std::string text_of(const FileDigests& files) {
  std::string out;
  for (const auto& [name, digest] : files) out += name + " " + digest + "\n";
  return out;
}

}  // namespace edgewise::validation
