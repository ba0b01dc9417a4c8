#pragma once
/// \file
/// Numbers of things, as messages tell them.
#include <cstddef>
#include <string>
#include <string_view>

namespace edgewise::settings {

/// "1 cell", "3 cells": `count` of what `one` names, with an s where it is not one.
std::string counted(std::size_t count, std::string_view one);

}  // namespace edgewise::settings
