#pragma once
/// \file
/// NetCDF's functions, loaded at the first call. Include this instead of <netcdf.h>.
#include <netcdf.h>
#include <netcdf_mem.h>

#include "cli/late_library.hpp"

namespace edgewise::cli {

inline const LateLibrary& netcdf_library() {
  static const LateLibrary library(EDGEWISE_NETCDF_LIBRARY);
  return library;
}

}  // namespace edgewise::cli

#define EDGEWISE_NETCDF(name) EDGEWISE_LATE(::edgewise::cli::netcdf_library(), name)
#define nc_abort EDGEWISE_NETCDF(nc_abort)
#define nc_close_memio EDGEWISE_NETCDF(nc_close_memio)
#define nc_def_dim EDGEWISE_NETCDF(nc_def_dim)
#define nc_def_var EDGEWISE_NETCDF(nc_def_var)
#define nc_enddef EDGEWISE_NETCDF(nc_enddef)
#define nc_free_string EDGEWISE_NETCDF(nc_free_string)
#define nc_get_att_double EDGEWISE_NETCDF(nc_get_att_double)
#define nc_get_att_text EDGEWISE_NETCDF(nc_get_att_text)
#define nc_get_var_double EDGEWISE_NETCDF(nc_get_var_double)
#define nc_get_var_string EDGEWISE_NETCDF(nc_get_var_string)
#define nc_inq_att EDGEWISE_NETCDF(nc_inq_att)
#define nc_inq_attname EDGEWISE_NETCDF(nc_inq_attname)
#define nc_inq_dimid EDGEWISE_NETCDF(nc_inq_dimid)
#define nc_inq_dimlen EDGEWISE_NETCDF(nc_inq_dimlen)
#define nc_inq_dimname EDGEWISE_NETCDF(nc_inq_dimname)
#define nc_inq_natts EDGEWISE_NETCDF(nc_inq_natts)
#define nc_inq_nvars EDGEWISE_NETCDF(nc_inq_nvars)
#define nc_inq_vardimid EDGEWISE_NETCDF(nc_inq_vardimid)
#define nc_inq_varid EDGEWISE_NETCDF(nc_inq_varid)
#define nc_inq_varname EDGEWISE_NETCDF(nc_inq_varname)
#define nc_inq_varndims EDGEWISE_NETCDF(nc_inq_varndims)
#define nc_inq_vartype EDGEWISE_NETCDF(nc_inq_vartype)
#define nc_open EDGEWISE_NETCDF(nc_open)
#define nc_open_memio EDGEWISE_NETCDF(nc_open_memio)
#define nc_put_att_double EDGEWISE_NETCDF(nc_put_att_double)
#define nc_put_att_int EDGEWISE_NETCDF(nc_put_att_int)
#define nc_put_att_text EDGEWISE_NETCDF(nc_put_att_text)
#define nc_put_var_double EDGEWISE_NETCDF(nc_put_var_double)
#define nc_put_var_int EDGEWISE_NETCDF(nc_put_var_int)
#define nc_redef EDGEWISE_NETCDF(nc_redef)
#define nc_put_var_string EDGEWISE_NETCDF(nc_put_var_string)
