#pragma once
/// \file
/// NetCDF files, and reading and writing what this program keeps in one. What a file says of itself is believed only as
/// far as it fits: types, numbers of dimensions and lengths are looked at before anything is read.
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace edgewise::cli {

/// A file that closes itself. `shown` names it in messages.
class NetcdfFile {
 public:
  explicit NetcdfFile(std::string shown) : shown_(std::move(shown)) {}
  NetcdfFile(const NetcdfFile&) = delete;
  NetcdfFile& operator=(const NetcdfFile&) = delete;
  ~NetcdfFile();
  /// Begins a file in memory, where the library meets no full disk, which it does not survive.
  /// \throws settings::Error when the library fails; so do all functions below.
  void create();
  void open(const std::string& path);
  /// Closes a file that was created. \return its bytes.
  std::string finish();
  void check(int status) const;
  /// \throws settings::Error "SHOWN: is damaged, or no file of edgewise: WHAT".
  [[noreturn]] void refuse(std::string_view what) const;
  /// \throws settings::Error when so many values cannot be in the file, were they compressed ever so well.
  void require_room(double values) const;
  int id = -1;

 private:
  std::string shown_;
  int descriptor_ = -1;
  double size_ = 0;  ///< bytes of a file that was opened
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
void put_strings(const NetcdfFile& file, int variable, const std::vector<std::string>& texts);

/// Number of the variable of that name. \throws settings::Error when there is none.
int variable_named(const NetcdfFile& file, const std::string& name);
std::string name_of(const NetcdfFile& file, int variable);
std::string dimension_name(const NetcdfFile& file, int dimension);
/// Of the file's own attributes.
std::string attribute_name(const NetcdfFile& file, int number);
/// Lengths of a variable's dimensions.
std::vector<std::size_t> shape_of(const NetcdfFile& file, int variable);
/// All values of a variable of numbers, which must have these lengths.
std::vector<double> get(const NetcdfFile& file, int variable, const std::vector<std::size_t>& shape);
/// All texts of a variable, which must have these lengths.
std::vector<std::string> get_strings(const NetcdfFile& file, const std::string& name,
                                     const std::vector<std::size_t>& shape);
bool holds_strings(const NetcdfFile& file, int variable);

bool has_dimension(const NetcdfFile& file, const char* name);
std::size_t length_of(const NetcdfFile& file, const char* dimension);

}  // namespace edgewise::cli
