#pragma once
/// \file
/// Libraries that few commands need, loaded when the first of their functions is called: NetCDF and MPI bring 45 further
/// ones, which take four fifths of the time that a short command runs.
#include <string>

namespace edgewise::cli {

/// A shared library that is looked for at its first use.
class LateLibrary {
 public:
  /// \param file its file name, e.g. "libnetcdf.so.19", looked for as the dynamic linker does.
  explicit LateLibrary(std::string file) : file_(std::move(file)) {}
  /// Address of a symbol. \throws settings::Error when the library or the symbol is not to be had.
  void* symbol(const char* name) const;

 private:
  std::string file_;
};

/// A function of the library, as `type` (a pointer to it).
template <class Pointer>
Pointer late_function(const LateLibrary& library, const char* name) {
  return reinterpret_cast<Pointer>(library.symbol(name));
}

}  // namespace edgewise::cli

/// The function `name`, declared by its header, out of `library`; looked up once.
#define EDGEWISE_LATE(library, name)                                                             \
  ([]() {                                                                                        \
    static const auto address = ::edgewise::cli::late_function<decltype(&name)>(library, #name); \
    return address;                                                                              \
  }())
