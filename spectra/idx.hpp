#pragma once
/// \file
/// The IDX format of the MNIST family: gzip-compressed arrays of bytes.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace edgewise::spectra {

/// An array of bytes with its shape, row-major.
struct IdxArray {
  std::vector<std::size_t> shape;
  std::vector<std::uint8_t> bytes;
};

/// Reads a (gzip-compressed or plain) IDX file of unsigned bytes.
/// \param rows keeps only the first so many entries of the first axis; 0 for all.
/// \throws std::runtime_error naming the file: cannot be opened, is not IDX, damaged, ends early, or has too few rows.
IdxArray read_idx(const std::string& path, std::size_t rows = 0);

}  // namespace edgewise::spectra
