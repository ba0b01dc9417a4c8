#pragma once
/// \file
/// Results as NetCDF-4: dimensions with coordinates, units and long names on every variable, provenance as global
/// attributes. xarray opens them with `open_dataset`.
///
/// A solution or a simulation has the dimension `step` and variables named as the columns of the CSV. A validation has
/// the dimensions `observable` and `step`, and one variable per field.
#include <string>

#include "cli/results/results.hpp"

namespace edgewise::cli {

/// The bytes of the file; `shown` names it in messages. \throws settings::Error when the library fails.
std::string netcdf_bytes(const Result& result, const std::string& shown);

/// \throws settings::Error when the file cannot be read or is no result of this program.
Result read_netcdf(const std::string& path);

}  // namespace edgewise::cli
