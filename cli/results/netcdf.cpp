#include "cli/results/netcdf.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "cli/results/netcdf_file.hpp"
#include "cli/results/netcdf_library.hpp"
#include "cli/results/trial_run.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

using settings::Error;

namespace {

std::string long_name(const models::Observable& o, const Field& field) {
  if (field.name.empty()) return o.doc;
  return fmt::format("{}: {}", o.name, field.doc);
}

void read_validation(const NetcdfFile& file, Result& result, std::size_t times) {
  const std::size_t count = length_of(file, "observable");
  const auto names = get_strings(file, "observable", {count}), units = get_strings(file, "observable_units", {count}),
             docs = get_strings(file, "observable_long_name", {count});
  file.require_room(static_cast<double>(count) * static_cast<double>(times));
  for (std::size_t o = 0; o < count; ++o) result.observables.push_back({names[o], units[o], docs[o]});
  for (Field& field : result.fields) {
    int variable = 0;
    field.values.assign(count, std::vector<double>(times, std::numeric_limits<double>::quiet_NaN()));
    if (nc_inq_varid(file.id, field.name.c_str(), &variable) != NC_NOERR) continue;
    const std::vector<double> flat = get(file, variable, {count, times});
    for (std::size_t i = 0; i < flat.size(); ++i) field.values[i / times][i % times] = flat[i];
  }
}

void read_columns(const NetcdfFile& file, Result& result, std::size_t times) {
  int variables = 0;
  file.check(nc_inq_nvars(file.id, &variables));
  for (int v = 0; v < variables; ++v) {
    const std::string observable = get_text(file, v, "observable");
    if (observable.empty()) continue;
    const std::string field_name = get_text(file, v, "field");
    int o = result.index(observable);
    if (o < 0) {
      o = static_cast<int>(result.observables.size());
      std::string unit = get_text(file, v, "units");
      if (unit == "1") unit.clear();
      result.observables.push_back({observable, unit, get_text(file, v, "observable_long_name")});
    }
    for (Field& field : result.fields) {
      field.values.resize(result.observables.size());
      if (field.name == field_name) field.values[static_cast<std::size_t>(o)] = get(file, v, {times});
    }
  }
  std::erase_if(result.fields, [](const Field& f) {
    return f.name == "std" && std::all_of(f.values.begin(), f.values.end(), [](const auto& v) { return v.empty(); });
  });
}

}  // namespace

std::string netcdf_bytes(const Result& result, const std::string& shown) {
  NetcdfFile file(shown);
  file.create();
  for (const Attribute& a : result.provenance) {
    if (a.number) {
      const double value = std::strtod(a.text.c_str(), nullptr);
      file.check(nc_put_att_double(file.id, NC_GLOBAL, a.name.c_str(), NC_DOUBLE, 1, &value));
    } else {
      put_text(file, NC_GLOBAL, a.name, a.text);
    }
  }
  put_text(file, NC_GLOBAL, "Conventions", "CF-1.10");

  const models::Axis& axis = *result.axis;
  int step_dimension = 0, observable_dimension = 0;
  // Length 0 would make the dimension unlimited, which reads back the same.
  file.check(nc_def_dim(file.id, axis.name.c_str(), result.steps.size(), &step_dimension));
  const int step = define(file, axis.name, {step_dimension}, "1", axis.doc);

  if (result.kind == ResultKind::validation) {
    std::vector<std::string> names, units, docs;
    for (const models::Observable& o : result.observables) {
      names.push_back(o.name);
      units.push_back(o.unit);
      docs.push_back(o.doc);
    }
    file.check(nc_def_dim(file.id, "observable", names.size(), &observable_dimension));
    int ids[3] = {};
    const char* labels[3] = {"observable", "observable_units", "observable_long_name"};
    for (int i = 0; i < 3; ++i)
      file.check(nc_def_var(file.id, labels[i], NC_STRING, 1, &observable_dimension, &ids[i]));
    std::vector<int> variables;
    for (const Field& field : result.fields)
      variables.push_back(define(file, field.name, {observable_dimension, step_dimension},
                                 field.dimensionless ? "1" : "of the observable", field.doc));
    file.check(nc_enddef(file.id));
    put_strings(file, ids[0], names);
    put_strings(file, ids[1], units);
    put_strings(file, ids[2], docs);
    for (std::size_t f = 0; f < result.fields.size(); ++f) {
      std::vector<double> flat;
      for (const auto& row : result.fields[f].values) flat.insert(flat.end(), row.begin(), row.end());
      put(file, variables[f], flat);
    }
  } else {
    std::vector<std::pair<int, const std::vector<double>*>> variables;
    for (std::size_t o = 0; o < result.observables.size(); ++o)
      for (const Field& field : result.fields) {
        if (field.values[o].empty() && !(field.name.empty() && result.steps.empty())) continue;
        const models::Observable& observable = result.observables[o];
        const int v = define(file, column_name(observable, field), {step_dimension}, observable.unit,
                             long_name(observable, field));
        put_text(file, v, "observable", observable.name);
        put_text(file, v, "field", field.name);
        put_text(file, v, "observable_long_name", observable.doc);
        variables.emplace_back(v, &field.values[o]);
      }
    file.check(nc_enddef(file.id));
    for (const auto& [v, values] : variables) put(file, v, *values);
  }
  put(file, step, result.steps);
  return file.finish();
}

namespace {

Result read_now(const std::string& path) {
  NetcdfFile file(path);
  file.open(path);
  Result result;
  const std::string kind = get_text(file, NC_GLOBAL, "kind");
  bool known = false;
  for (const ResultKind k : {ResultKind::solution, ResultKind::simulation, ResultKind::validation})
    if (name(k) == kind) {
      result.kind = k;
      known = true;
    }
  if (!known)
    throw Error(fmt::format("{}: is no result of edgewise (it has no attribute 'kind' that names one)", path));

  int attributes = 0;
  file.check(nc_inq_natts(file.id, &attributes));
  for (int i = 0; i < attributes; ++i) {
    const std::string label = attribute_name(file, i);
    nc_type type = 0;
    std::size_t length = 0;
    file.check(nc_inq_att(file.id, NC_GLOBAL, label.c_str(), &type, &length));
    if (label == "Conventions") continue;
    if (type == NC_CHAR) {
      result.provenance.push_back(attribute(label, get_text(file, NC_GLOBAL, label)));
    } else if (type == NC_DOUBLE && length == 1) {
      double value = 0;
      file.check(nc_get_att_double(file.id, NC_GLOBAL, label.c_str(), &value));
      result.provenance.push_back(attribute(label, value));
    }
  }
  for (const models::Axis* axis : models::axes())
    if (has_dimension(file, axis->name.c_str())) result.axis = axis;
  const std::size_t times = length_of(file, result.axis->name.c_str());
  result.steps = get(file, variable_named(file, result.axis->name), {times});
  result.fields = fields_of(result.kind);
  if (result.kind == ResultKind::validation)
    read_validation(file, result, times);
  else
    read_columns(file, result, times);
  return result;
}

}  // namespace

Result read_netcdf(const std::string& path) {
  try_first(path, [&] { read_now(path); });
  return read_now(path);
}

}  // namespace edgewise::cli
