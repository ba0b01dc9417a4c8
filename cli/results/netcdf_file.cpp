#include "cli/results/netcdf_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

#include "cli/results/netcdf_library.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"

namespace edgewise::cli {

namespace {

/// No compression of HDF5 makes more of a byte than this many values.
constexpr double most_values_per_byte = 1100;
constexpr double always_room = 1e6;
/// A file without anything in it, as HDF5 1.8 and later read it, that tracks the order of what is put into it, as one that
/// the NetCDF library begins in memory would not. A superblock and the root group, which begins with these bytes, ...
constexpr unsigned char empty_file[] = {
    0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a, 0x02, 0x08, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xef, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x30, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x94, 0x33, 0x45, 0x0f, 0x4f, 0x48, 0x44, 0x52, 0x02, 0x0c,
    0xb4, 0x02, 0x22, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0x0a, 0x02, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x7e};
/// ... goes on with zeros, and ends with its checksum.
constexpr std::size_t empty_file_size = 239;
constexpr unsigned char checksum[] = {0x63, 0x28, 0xac, 0x1c};
/// Where the superblock of HDF5 (version 2) says how long the file is.
constexpr std::size_t end_of_file = 28;

std::string path_of(int descriptor) {
  return fmt::format("/proc/self/fd/{}", descriptor);
}

/// What an error of the library means for the user, who knows neither its words nor HDF5's.
std::string meaning(int status) {
  if (status > 0) return std::strerror(status);
  switch (status) {
    case NC_ENOMEM:
      return "there is not enough memory for it";
    case NC_EHDFERR:
      return "it is damaged or cut short";
    case NC_EBADNAME:
    case NC_EMAXNAME:
    case NC_ENAMEINUSE:
      return "a name in it cannot stand in NetCDF, or stands there twice";
    case NC_ENOTNC:
    case NC_EINVAL:
      return "it is no NetCDF file, or damaged";
    case NC_ENOTVAR:
    case NC_EBADDIM:
    case NC_ENOTATT:
      return "a part of it is missing";
    default:
      return fmt::format("it is damaged, or no file that this program writes (NetCDF's number {})", status);
  }
}

double count_of(const std::vector<std::size_t>& shape) {
  double count = 1;
  for (const std::size_t length : shape) count *= static_cast<double>(length);
  return count;
}

nc_type type_of(const NetcdfFile& file, int variable) {
  nc_type type = 0;
  file.check(nc_inq_vartype(file.id, variable, &type));
  return type;
}

/// The name that an inquiry writes. The library does not end those that are as long as a name may be.
template <class Inquiry>
std::string name_by(const Inquiry& inquire) {
  constexpr std::size_t capacity = 1024;
  std::string name(capacity, '\0');
  inquire(name.data());
  name.resize(std::min<std::size_t>(name.find('\0'), NC_MAX_NAME));
  return name;
}

void require_shape(const NetcdfFile& file, int variable, const std::vector<std::size_t>& shape) {
  if (shape_of(file, variable) != shape)
    file.refuse(fmt::format("'{}' has other lengths than it must", settings::shown(name_of(file, variable))));
  file.require_room(count_of(shape));
}

}  // namespace

NetcdfFile::~NetcdfFile() {
  if (open_) nc_abort(id);
  if (descriptor_ >= 0) ::close(descriptor_);
}

void NetcdfFile::create() {
  NC_memio memory{};
  memory.size = empty_file_size;
  memory.memory = std::calloc(1, memory.size);  // the library frees or enlarges it
  if (!memory.memory) throw std::bad_alloc();
  std::memcpy(memory.memory, empty_file, sizeof empty_file);
  std::memcpy(static_cast<char*>(memory.memory) + empty_file_size - sizeof checksum, checksum, sizeof checksum);
  check(nc_open_memio("edgewise", NC_WRITE | NC_NETCDF4, &memory, &id));
  open_ = true;
  check(nc_redef(id));
}

void NetcdfFile::open(const std::string& path) {
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat about {};
  if (descriptor_ < 0 || ::fstat(descriptor_, &about) != 0)
    throw settings::Error(fmt::format("{}: cannot be read: {}", shown_, std::strerror(errno)));
  if (!S_ISREG(about.st_mode)) throw settings::Error(fmt::format("{}: cannot be read: it is no regular file", shown_));
  size_ = static_cast<double>(about.st_size);
  // By its descriptor, for the library takes some paths for addresses of the web.
  check(nc_open(path_of(descriptor_).c_str(), NC_NOWRITE, &id));
  open_ = true;
}

std::string NetcdfFile::finish() {
  NC_memio memory{};
  open_ = false;
  check(nc_close_memio(id, &memory));
  const auto* bytes = static_cast<const unsigned char*>(memory.memory);
  // The file's own idea of its length; the library rounds it up to 64 KiB.
  std::size_t size = 0;
  for (std::size_t i = end_of_file + 8; i > end_of_file; --i) size = size << 8U | bytes[i - 1];
  std::string out(static_cast<const char*>(memory.memory), std::min(size, memory.size));
  std::free(memory.memory);
  return out;
}

void NetcdfFile::check(int status) const {
  if (status != NC_NOERR) throw settings::Error(fmt::format("{}: {}", shown_, meaning(status)));
}

void NetcdfFile::refuse(std::string_view what) const {
  throw settings::Error(fmt::format("{}: is damaged, or no file of edgewise: {}", shown_, what));
}

void NetcdfFile::require_room(double values) const {
  if (!(values <= always_room + most_values_per_byte * size_))
    refuse(fmt::format("it claims to hold {:.3g} values", values));
}

void put_text(const NetcdfFile& file, int variable, const std::string& name, const std::string& text) {
  file.check(nc_put_att_text(file.id, variable, name.c_str(), text.size(), text.data()));
}

std::string get_text(const NetcdfFile& file, int variable, const std::string& name) {
  std::size_t length = 0;
  nc_type type = 0;
  if (nc_inq_att(file.id, variable, name.c_str(), &type, &length) != NC_NOERR || type != NC_CHAR) return {};
  file.require_room(static_cast<double>(length));
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

void put_strings(const NetcdfFile& file, int variable, const std::vector<std::string>& texts) {
  std::vector<const char*> pointers;
  for (const std::string& t : texts) pointers.push_back(t.c_str());
  if (!pointers.empty()) file.check(nc_put_var_string(file.id, variable, pointers.data()));
}

int variable_named(const NetcdfFile& file, const std::string& name) {
  int variable = 0;
  if (nc_inq_varid(file.id, name.c_str(), &variable) != NC_NOERR)
    file.refuse(fmt::format("there is no variable '{}'", settings::shown(name)));
  return variable;
}

std::string name_of(const NetcdfFile& file, int variable) {
  return name_by([&](char* name) { file.check(nc_inq_varname(file.id, variable, name)); });
}

std::string dimension_name(const NetcdfFile& file, int dimension) {
  return name_by([&](char* name) { file.check(nc_inq_dimname(file.id, dimension, name)); });
}

std::string attribute_name(const NetcdfFile& file, int number) {
  return name_by([&](char* name) { file.check(nc_inq_attname(file.id, NC_GLOBAL, number, name)); });
}

std::vector<std::size_t> shape_of(const NetcdfFile& file, int variable) {
  int count = 0;
  file.check(nc_inq_varndims(file.id, variable, &count));
  std::vector<int> dimensions(static_cast<std::size_t>(count));
  if (count > 0) file.check(nc_inq_vardimid(file.id, variable, dimensions.data()));
  std::vector<std::size_t> shape(dimensions.size());
  for (std::size_t i = 0; i < shape.size(); ++i) file.check(nc_inq_dimlen(file.id, dimensions[i], &shape[i]));
  return shape;
}

std::vector<double> get(const NetcdfFile& file, int variable, const std::vector<std::size_t>& shape) {
  const nc_type type = type_of(file, variable);
  if (type == NC_CHAR || type < NC_BYTE || type > NC_UINT64)
    file.refuse(fmt::format("'{}' holds no numbers", settings::shown(name_of(file, variable))));
  require_shape(file, variable, shape);
  std::vector<double> out(static_cast<std::size_t>(count_of(shape)));
  if (!out.empty()) file.check(nc_get_var_double(file.id, variable, out.data()));
  return out;
}

bool holds_strings(const NetcdfFile& file, int variable) {
  return type_of(file, variable) == NC_STRING;
}

std::vector<std::string> get_strings(const NetcdfFile& file, const std::string& name,
                                     const std::vector<std::size_t>& shape) {
  const int variable = variable_named(file, name);
  if (!holds_strings(file, variable)) file.refuse(fmt::format("'{}' holds no texts", settings::shown(name)));
  require_shape(file, variable, shape);
  std::vector<char*> pointers(static_cast<std::size_t>(count_of(shape)), nullptr);
  std::vector<std::string> out;
  if (pointers.empty()) return out;
  file.check(nc_get_var_string(file.id, variable, pointers.data()));
  for (const char* p : pointers) out.emplace_back(p ? p : "");
  nc_free_string(pointers.size(), pointers.data());
  return out;
}

bool has_dimension(const NetcdfFile& file, const char* name) {
  int dimension = 0;
  return nc_inq_dimid(file.id, name, &dimension) == NC_NOERR;
}

std::size_t length_of(const NetcdfFile& file, const char* name) {
  int dimension = 0;
  std::size_t length = 0;
  if (nc_inq_dimid(file.id, name, &dimension) != NC_NOERR)
    file.refuse(fmt::format("there is no dimension '{}'", settings::shown(name)));
  file.check(nc_inq_dimlen(file.id, dimension, &length));
  file.require_room(static_cast<double>(length));
  return length;
}

}  // namespace edgewise::cli
