#pragma once
/// \file
/// An open NetCDF file, and reading and writing what this program keeps in one.
#include <string>
#include <vector>

namespace edgewise::cli {

/// A file that closes itself. `shown` names it in messages.
class NetcdfFile {
 public:
  explicit NetcdfFile(std::string shown) : shown_(std::move(shown)) {}
  NetcdfFile(const NetcdfFile&) = delete;
  NetcdfFile& operator=(const NetcdfFile&) = delete;
  ~NetcdfFile();
  /// \throws settings::Error when the library fails; so do all functions below.
  void create(const std::string& path);
  void open(const std::string& path);
  void close();
  void check(int status) const;
  int id = -1;

 private:
  std::string shown_;
  bool open_ = false;
};

/// `variable` may be NC_GLOBAL.
void put_text(const NetcdfFile& file, int variable, const std::string& name, const std::string& text);
/// "" where there is no such attribute of text.
std::string get_text(const NetcdfFile& file, int variable, const std::string& name);

/// Defines a variable of doubles. \return its number.
int define(const NetcdfFile& file, const std::string& name, const std::vector<int>& dimensions, const std::string& unit,
           const std::string& doc);

void put(const NetcdfFile& file, int variable, const std::vector<double>& values);
std::vector<double> get(const NetcdfFile& file, int variable, std::size_t count);

void put_strings(const NetcdfFile& file, int variable, const std::vector<std::string>& texts);
std::vector<std::string> get_strings(const NetcdfFile& file, const std::string& name, std::size_t count);

std::size_t length_of(const NetcdfFile& file, const char* dimension);

}  // namespace edgewise::cli
