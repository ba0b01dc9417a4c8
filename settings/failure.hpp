#pragma once
/// \file
/// What went wrong, in words for the user.
#include <exception>
#include <string>

namespace edgewise::settings {

/// What an exception says, where this program threw it. A library's own words, which would tell the user nothing,
/// are replaced by what they most often mean: a number that is out of range on the way, or not enough memory.
std::string said_by(const std::exception& exception);

}  // namespace edgewise::settings
