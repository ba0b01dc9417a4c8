#pragma once
/// \file
/// Work on files that may be anybody's, by libraries that a damaged one can crash, is tried in a process of its own.
#include <functional>
#include <string>

namespace edgewise::cli {

/// Whether the memory of a trial is limited: not under sanitizers, which map most of the address space.
extern const bool trial_memory_is_limited;

/// Runs `work` in a copy of this process, with limits on its time and memory that suit a file of so many bytes. Nothing
/// of what it does is kept; the caller does it again.
/// \throws settings::Error with the words of what `work` threw, and "PATH: is damaged ..." when the copy dies.
void try_first(const std::string& path, const std::function<void()>& work);

}  // namespace edgewise::cli
