#include "spectra/idx.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

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

TEST_CASE("sizes: shapes of every byte, pieces, and the largest that are tried") {
  const auto shape = [](std::initializer_list<std::uint32_t> axes) {
    std::string out("\0\0\x08", 3);
    out += static_cast<char>(axes.size());
    for (const std::uint32_t n : axes)
      for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(n >> shift & 0xffU);
    return out;
  };
  // 2^24 + 2^16 + 2^8 + 5 bytes, a little more than a piece, each by its place.
  constexpr std::uint32_t large = 0x01010105;
  std::string body(large, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 2654435761U >> 24U);
  {
    const File file(shape({large, 1}) + body);
    const IdxArray all = read_idx(file.path), most = read_idx(file.path, large - 1);
    CHECK(all.shape == std::vector<std::size_t>{large, 1});
    CHECK(std::equal(all.bytes.begin(), all.bytes.end(), body.begin(), body.end(),
                     [](std::uint8_t a, char b) { return a == static_cast<std::uint8_t>(b); }));
    CHECK(most.shape == std::vector<std::size_t>{large - 1, 1});
    CHECK(most.bytes.size() == large - 1);
    CHECK(std::equal(most.bytes.begin(), most.bytes.end(), all.bytes.begin()));
  }
  CHECK(complaint(shape({3, 2}) + "123456", 3) == "no complaint");
  // All rows, asked for by their number: the file's end is looked at.
  CHECK(complaint(shape({3, 2}) + "1234567", 3) == "'FILE' holds more bytes than its shape says");
  CHECK(complaint(shape({3, 2}) + "1234567", 2) == "no complaint");
  CHECK(complaint(shape({2, 1, 1, 1}) + "12") == "no complaint");
  CHECK(complaint(shape({}) + "1") == "'FILE' is not an IDX file of bytes (magic number 0x00000800)");
  CHECK(complaint(shape({1, 1, 1, 1, 1}) + "1") == "'FILE' is not an IDX file of bytes (magic number 0x00000805)");
  CHECK(complaint(std::string("\0\0\x09\x01\0\0\0\x01x", 9)) ==
        "'FILE' is not an IDX file of bytes (magic number 0x00000901)");
  // Up to 2^33 bytes a claim is believed until the file ends.
  const std::string early = "'FILE' ends early: the file is truncated",
                    impossible = "'FILE' claims an impossible shape";
  CHECK(complaint(shape({0xffffffffU})) == early);
  CHECK(complaint(shape({4, 0x80000000U})) == early);
  CHECK(complaint(shape({5, 0x80000000U})) == impossible);
  CHECK(complaint(shape({5, 0x80000000U}), 4) == early);
  CHECK(complaint(shape({1, 0x80000000U, 4})) == early);
  CHECK(complaint(shape({1, 0x80000000U, 5})) == impossible);
  CHECK(complaint(shape({2, 0, 3})) == impossible);
}
