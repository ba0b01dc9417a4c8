#pragma once
/// \file
/// The words that stand for the values of an enumeration.
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace edgewise::settings {

/// As keys of experiment files take them and results say them, in the order in which they are listed.
template <class Enum>
using Words = std::vector<std::pair<std::string, Enum>>;

template <class Enum>
const std::string& word_of(const Words<Enum>& all, Enum value) {
  for (const auto& [word, of] : all)
    if (of == value) return word;
  throw std::logic_error("a value of an enumeration has no word");
}

/// \throws std::logic_error for a word that no check has let through.
template <class Enum>
Enum value_of(const Words<Enum>& all, std::string_view word) {
  for (const auto& [of, value] : all)
    if (of == word) return value;
  throw std::logic_error("no value of an enumeration has the word " + std::string(word));
}

template <class Enum>
std::vector<std::string> words_of(const Words<Enum>& all) {
  std::vector<std::string> out;
  for (const auto& entry : all) out.push_back(entry.first);
  return out;
}

}  // namespace edgewise::settings
