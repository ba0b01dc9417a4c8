#include "cli/results/netcdf_file.hpp"

#include <fmt/format.h>

#include "cli/results/netcdf_library.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

NetcdfFile::~NetcdfFile() {
  if (open_) nc_abort(id);
}

void NetcdfFile::create(const std::string& path) {
  check(nc_create(path.c_str(), NC_NETCDF4 | NC_CLOBBER, &id));
  open_ = true;
}

void NetcdfFile::open(const std::string& path) {
  check(nc_open(path.c_str(), NC_NOWRITE, &id));
  open_ = true;
}

void NetcdfFile::close() {
  open_ = false;
  check(nc_close(id));
}

void NetcdfFile::check(int status) const {
  if (status != NC_NOERR) throw settings::Error(fmt::format("{}: NetCDF: {}", shown_, nc_strerror(status)));
}

void put_text(const NetcdfFile& file, int variable, const std::string& name, const std::string& text) {
  file.check(nc_put_att_text(file.id, variable, name.c_str(), text.size(), text.data()));
}

std::string get_text(const NetcdfFile& file, int variable, const std::string& name) {
  std::size_t length = 0;
  nc_type type = 0;
  if (nc_inq_att(file.id, variable, name.c_str(), &type, &length) != NC_NOERR || type != NC_CHAR) return {};
  std::string text(length, '\0');
  if (length > 0) file.check(nc_get_att_text(file.id, variable, name.c_str(), text.data()));
  return text;
}

int define(const NetcdfFile& file, const std::string& name, const std::vector<int>& dimensions, const std::string& unit,
           const std::string& doc) {
  int variable = 0;
  file.check(
      nc_def_var(file.id, name.c_str(), NC_DOUBLE, static_cast<int>(dimensions.size()), dimensions.data(), &variable));
  put_text(file, variable, "units", unit.empty() ? "1" : unit);
  put_text(file, variable, "long_name", doc.empty() ? name : doc);
  return variable;
}

void put(const NetcdfFile& file, int variable, const std::vector<double>& values) {
  if (!values.empty()) file.check(nc_put_var_double(file.id, variable, values.data()));
}

std::vector<double> get(const NetcdfFile& file, int variable, std::size_t count) {
  std::vector<double> out(count);
  if (count > 0) file.check(nc_get_var_double(file.id, variable, out.data()));
  return out;
}

void put_strings(const NetcdfFile& file, int variable, const std::vector<std::string>& texts) {
  std::vector<const char*> pointers;
  for (const std::string& t : texts) pointers.push_back(t.c_str());
  if (!pointers.empty()) file.check(nc_put_var_string(file.id, variable, pointers.data()));
}

std::vector<std::string> get_strings(const NetcdfFile& file, const std::string& name, std::size_t count) {
  int variable = 0;
  file.check(nc_inq_varid(file.id, name.c_str(), &variable));
  std::vector<char*> pointers(count, nullptr);
  std::vector<std::string> out;
  if (count == 0) return out;
  file.check(nc_get_var_string(file.id, variable, pointers.data()));
  for (char* p : pointers) out.emplace_back(p ? p : "");
  nc_free_string(count, pointers.data());
  return out;
}

std::size_t length_of(const NetcdfFile& file, const char* name) {
  int dimension = 0;
  std::size_t length = 0;
  file.check(nc_inq_dimid(file.id, name, &dimension));
  file.check(nc_inq_dimlen(file.id, dimension, &length));
  return length;
}

}  // namespace edgewise::cli
