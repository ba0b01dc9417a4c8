#include "spectra/idx.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>

namespace edgewise::spectra {

namespace {

constexpr std::size_t largest_array = std::size_t{1} << 33;

class File {
 public:
  explicit File(const std::string& path) : path_(path), file_(gzopen(path.c_str(), "rb"), gzclose) {
    if (!file_) throw std::runtime_error(fmt::format("cannot read '{}': {}", path, std::strerror(errno)));
    gzbuffer(file_.get(), 1U << 18U);
  }

  /// \param size  below 2^31
  void read(std::uint8_t* out, std::size_t size) {
    const int got = gzread(file_.get(), out, static_cast<unsigned>(size));
    if (got < 0) fail();
    if (static_cast<std::size_t>(got) < size) {
      int code = Z_OK;
      gzerror(file_.get(), &code);
      if (code != Z_OK && code != Z_BUF_ERROR) fail();
      throw std::runtime_error(fmt::format("'{}' ends early: the file is truncated", path_));
    }
  }

  /// Reads on to the end, where zlib compares the checksum.
  void finish() {
    std::uint8_t byte = 0;
    const int got = gzread(file_.get(), &byte, 1);
    if (got > 0) throw std::runtime_error(fmt::format("'{}' holds more bytes than its shape says", path_));
    int code = Z_OK;
    gzerror(file_.get(), &code);
    if (got < 0 || code != Z_OK) fail();
  }

  std::size_t big_endian() {
    std::uint8_t b[4];
    read(b, 4);
    return std::size_t{b[0]} << 24U | std::size_t{b[1]} << 16U | std::size_t{b[2]} << 8U | std::size_t{b[3]};
  }

 private:
  [[noreturn]] void fail() { throw std::runtime_error(fmt::format("'{}' is damaged: it cannot be unpacked", path_)); }

  std::string path_;
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file_;
};

}  // namespace

IdxArray read_idx(const std::string& path, std::size_t rows) {
  File file(path);
  const std::size_t magic = file.big_endian();
  const std::size_t axes = magic & 0xffU;
  if ((magic & ~std::size_t{0xff}) != 0x0800U || axes < 1 || axes > 4)
    throw std::runtime_error(fmt::format("'{}' is not an IDX file of bytes (magic number {:#010x})", path, magic));
  IdxArray array;
  std::size_t row_size = 1;
  for (std::size_t k = 0; k < axes; ++k) {
    array.shape.push_back(file.big_endian());
    if (k > 0) row_size *= array.shape[k];
    if (array.shape[k] == 0 || row_size > largest_array)
      throw std::runtime_error(fmt::format("'{}' claims an impossible shape", path));
  }
  if (rows > array.shape[0])
    throw std::runtime_error(fmt::format("'{}' holds {} rows, {} were asked for", path, array.shape[0], rows));
  const bool all = rows == 0 || rows == array.shape[0];
  if (!all) array.shape[0] = rows;
  if (row_size > largest_array / array.shape[0])
    throw std::runtime_error(fmt::format("'{}' claims an impossible shape", path));
  // Piece by piece: a file that claims to be large takes no more memory than it fills.
  const std::size_t size = array.shape[0] * row_size;
  constexpr std::size_t piece = std::size_t{1} << 24U;
  for (std::size_t at = 0; at < size; at = array.bytes.size()) {
    array.bytes.resize(at + std::min(piece, size - at));
    file.read(array.bytes.data() + at, array.bytes.size() - at);
  }
  if (all) file.finish();
  return array;
}

}  // namespace edgewise::spectra
