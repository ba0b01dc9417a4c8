#include "spectra/idx.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

using namespace edgewise::spectra;

namespace {

/// A file of its own for every test, removed at the end. Plain bytes: zlib passes them through uncompressed.
struct File {
  std::string path = (std::filesystem::temp_directory_path() / ("edgewise-idx-" + std::to_string(::getpid()))).string();
  explicit File(const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }
  ~File() { std::filesystem::remove(path); }
};

const std::string header("\0\0\x08\x02\0\0\0\x03\0\0\0\x02", 12);  // 3 x 2 bytes

std::string complaint(const std::string& bytes, std::size_t rows = 0) {
  const File file(bytes);
  try {
    read_idx(file.path, rows);
  } catch (const std::runtime_error& error) {
    std::string what = error.what();
    const auto at = what.find(file.path);
    return at == std::string::npos ? what : what.replace(at, file.path.size(), "FILE");
  }
  return "no complaint";
}

/// CRC-32 of `bytes`, least significant byte first, bit by bit.
std::string checksum(const std::string& bytes) {
  std::uint32_t crc = 0xffffffffU;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int k = 0; k < 8; ++k) crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
  }
  crc = ~crc;
  std::string out;
  for (unsigned k = 0; k < 4; ++k) out += static_cast<char>(crc >> (8 * k) & 0xffU);
  return out;
}

}  // namespace

TEST_CASE("shape and bytes, all rows and the first ones") {
  const File file(header + std::string("\x01\x02\x03\x04\x05\xff", 6));
  const IdxArray all = read_idx(file.path);
  CHECK(all.shape == std::vector<std::size_t>{3, 2});
  CHECK(all.bytes == std::vector<std::uint8_t>{1, 2, 3, 4, 5, 255});
  const IdxArray two = read_idx(file.path, 2);
  CHECK(two.shape == std::vector<std::size_t>{2, 2});
  CHECK(two.bytes == std::vector<std::uint8_t>{1, 2, 3, 4});
}

TEST_CASE("compressed files: checksum and structure are checked") {
  const std::string body = header + "123456", gzip("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
  // One stored block of 18 bytes, then CRC-32 and length.
  const std::string stored = gzip + std::string("\x01\x12\x00\xed\xff", 5) + body;
  const std::string length("\x12\0\0\0", 4);
  const File good(stored + checksum(body) + length);
  CHECK(read_idx(good.path).bytes == std::vector<std::uint8_t>{'1', '2', '3', '4', '5', '6'});
  CHECK(complaint(stored + std::string("\1\2\3\4", 4) + length).starts_with("'FILE' is damaged: "));
  CHECK(complaint(stored).starts_with("'FILE' is damaged: "));
  CHECK(complaint(stored.substr(0, 25)) == "'FILE' ends early: the file is truncated");
  CHECK(complaint(gzip + std::string("\x07\x12\x00\xed\xff", 5) + body).starts_with("'FILE' is damaged: "));
}

TEST_CASE("faults") {
  CHECK(complaint(header + "1234567") == "'FILE' holds more bytes than its shape says");
  CHECK(complaint(header + "12345") == "'FILE' ends early: the file is truncated");
  CHECK(complaint(header.substr(0, 7)) == "'FILE' ends early: the file is truncated");
  CHECK(complaint("") == "'FILE' ends early: the file is truncated");
  CHECK(complaint("<!DOCTYPE html>") == "'FILE' is not an IDX file of bytes (magic number 0x3c21444f)");
  CHECK(complaint(header + "123456", 4) == "'FILE' holds 3 rows, 4 were asked for");
  CHECK(complaint(std::string("\0\0\x08\x01\0\0\0\0", 8)) == "'FILE' claims an impossible shape");
  CHECK(complaint(std::string("\0\0\x08\x03\x7f\0\0\0\x7f\0\0\0\x7f\0\0\0", 16)) ==
        "'FILE' claims an impossible shape");
  CHECK_THROWS_WITH_AS(read_idx("/nonexistent/x.gz"), "cannot read '/nonexistent/x.gz': No such file or directory",
                       std::runtime_error);
}
