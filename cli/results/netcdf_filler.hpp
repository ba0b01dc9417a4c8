#pragma once
/// \file
/// Writing the variables of a NetCDF file.
#include <string>
#include <utility>
#include <vector>

#include "cli/results/netcdf_file.hpp"

namespace edgewise::cli {

/// Variables are defined first, then filled: what is to be filled waits here.
class NetcdfFiller {
 public:
  explicit NetcdfFiller(const NetcdfFile& file) : file_(file) {}
  void numbers(const std::string& name, const std::vector<int>& dimensions, const std::string& doc,
               std::vector<double> values, const std::string& unit = "1");
  int integers(const std::string& name, const std::vector<int>& dimensions, const std::string& doc,
               std::vector<int> values);
  int texts(const std::string& name, const std::vector<int>& dimensions, const std::string& doc,
            std::vector<std::string> values);
  int dimension(const std::string& name, std::size_t length);
  void fill();

 private:
  const NetcdfFile& file_;
  std::vector<std::pair<int, std::vector<double>>> numbers_;
  std::vector<std::pair<int, std::vector<int>>> integers_;
  std::vector<std::pair<int, std::vector<std::string>>> texts_;
};

}  // namespace edgewise::cli
