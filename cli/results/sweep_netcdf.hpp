#pragma once
/// \file
/// A sweep as NetCDF-4, readable by xarray: one dimension with its coordinate per axis, one variable per measure, the
/// label as an integer with flag_values and flag_meanings and as text (`label_name`), `state`, `failure` and `seconds`
/// of every cell, the boundaries as lists of points, and the provenance as global attributes.
///
/// Boundaries are `measured_boundary_AXIS(measured_point)` for every axis, with the number of the curve each point is
/// on in `measured_boundary_curve` and the curves' names in `measured_boundary_name`; `predicted_...` likewise. Their
/// distances (validation::BoundaryDistance) are `distance_...`, the agreement of labels global attributes.
#include <string>

#include "validation/sweeps/sweep.hpp"

namespace edgewise::cli {

/// The bytes of the file; `shown` names it in messages. \throws settings::Error when two things have one name.
std::string sweep_netcdf_bytes(const validation::SweepTable& table, const std::string& shown);

/// Whether the file is a sweep of this program, by its attribute `kind`; false when it is no NetCDF.
/// \throws settings::Error when it is damaged in a way that its library does not survive.
bool is_sweep_netcdf(const std::string& path);

/// \throws settings::Error when the file cannot be read or is no sweep of this program.
validation::SweepTable read_sweep_netcdf(const std::string& path);

}  // namespace edgewise::cli
