#pragma once
/// A NetCDF file as text, so that a test can say all that it must hold: dimensions, variables and global attributes in the
/// order of the file.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <netcdf.h>

#include <cstddef>
#include <string>
#include <vector>

namespace edgewise::cli::testing {

/// Lines "size = 2", "double loss(size, x): 1 2 3 4", "string name(size): 'a' 'b'", attributes behind two blanks as
/// "  units: 'steps'" or "  floor: 0.5".
inline std::string netcdf_text(const std::string& path) {
  int file = 0, dimensions = 0, variables = 0, attributes = 0;
  REQUIRE(nc_open(path.c_str(), NC_NOWRITE, &file) == NC_NOERR);
  REQUIRE(nc_inq(file, &dimensions, &variables, &attributes, nullptr) == NC_NOERR);
  const auto numbers_text = [](const auto& values) {
    std::string out;
    for (const auto x : values) out += fmt::format(" {:.12g}", static_cast<double>(x));
    return out;
  };
  std::string out;
  const auto add_attributes = [&](int variable, int count) {
    for (int i = 0; i < count; ++i) {
      char name[NC_MAX_NAME + 1] = {};
      nc_type type = 0;
      std::size_t length = 0;
      REQUIRE(nc_inq_attname(file, variable, i, name) == NC_NOERR);
      REQUIRE(nc_inq_att(file, variable, name, &type, &length) == NC_NOERR);
      std::string value;
      if (type == NC_CHAR) {
        std::string text(length, '\0');
        if (length > 0) REQUIRE(nc_get_att_text(file, variable, name, text.data()) == NC_NOERR);
        value = " '" + text + "'";
      } else {
        std::vector<double> values(length);
        REQUIRE(nc_get_att_double(file, variable, name, values.data()) == NC_NOERR);
        value = numbers_text(values);
      }
      out += fmt::format("  {}:{}\n", name, value);
    }
  };
  std::vector<std::string> names;
  std::vector<std::size_t> lengths;
  for (int d = 0; d < dimensions; ++d) {
    char name[NC_MAX_NAME + 1] = {};
    std::size_t length = 0;
    REQUIRE(nc_inq_dim(file, d, name, &length) == NC_NOERR);
    out += fmt::format("{} = {}\n", name, length);
    names.emplace_back(name);
    lengths.push_back(length);
  }
  for (int v = 0; v < variables; ++v) {
    char name[NC_MAX_NAME + 1] = {};
    nc_type type = 0;
    int rank = 0, of[NC_MAX_VAR_DIMS], count = 0;
    REQUIRE(nc_inq_var(file, v, name, &type, &rank, of, &count) == NC_NOERR);
    std::string along, values;
    std::size_t size = 1;
    for (int d = 0; d < rank; ++d) {
      const auto at = static_cast<std::size_t>(of[d]);
      along += (d > 0 ? ", " : "") + names[at];
      size *= lengths[at];
    }
    if (type == NC_STRING) {
      std::vector<char*> texts(size, nullptr);
      REQUIRE(nc_get_var_string(file, v, texts.data()) == NC_NOERR);
      for (const char* text : texts) values += fmt::format(" '{}'", text);
      nc_free_string(size, texts.data());
    } else {
      std::vector<double> numbers(size);
      REQUIRE(nc_get_var_double(file, v, numbers.data()) == NC_NOERR);
      values = numbers_text(numbers);
    }
    const char* kind = type == NC_STRING ? "string" : type == NC_INT ? "int" : type == NC_DOUBLE ? "double" : "other";
    out += fmt::format("{} {}({}):{}\n", kind, name, along, values);
    add_attributes(v, count);
  }
  add_attributes(NC_GLOBAL, attributes);
  nc_close(file);
  return out;
}

/// Of netcdf_text a variable with a long name, and a unit unless that is empty; `head` as "double loss(size, x): 1 2 3 4".
inline std::string variable(const std::string& head, const std::string& long_name, const std::string& units = "") {
  return head + "\n" + (units.empty() ? "" : fmt::format("  units: '{}'\n", units)) +
         fmt::format("  long_name: '{}'\n", long_name);
}

}  // namespace edgewise::cli::testing
