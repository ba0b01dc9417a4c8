#include "cli/results/netcdf_filler.hpp"

#include "cli/results/netcdf_library.hpp"

namespace edgewise::cli {

void NetcdfFiller::numbers(const std::string& name, const std::vector<int>& dimensions, const std::string& doc,
                           std::vector<double> values, const std::string& unit) {
  numbers_.emplace_back(define(file_, name, dimensions, unit, doc), std::move(values));
}

int NetcdfFiller::integers(const std::string& name, const std::vector<int>& dimensions, const std::string& doc,
                           std::vector<int> values) {
  int variable = 0;
  file_.check(
      nc_def_var(file_.id, name.c_str(), NC_INT, static_cast<int>(dimensions.size()), dimensions.data(), &variable));
  put_text(file_, variable, "long_name", doc);
  integers_.emplace_back(variable, std::move(values));
  return variable;
}

int NetcdfFiller::texts(const std::string& name, const std::vector<int>& dimensions, const std::string& doc,
                        std::vector<std::string> values) {
  int variable = 0;
  file_.check(
      nc_def_var(file_.id, name.c_str(), NC_STRING, static_cast<int>(dimensions.size()), dimensions.data(), &variable));
  put_text(file_, variable, "long_name", doc);
  texts_.emplace_back(variable, std::move(values));
  return variable;
}

int NetcdfFiller::dimension(const std::string& name, std::size_t length) {
  int id = 0;
  file_.check(nc_def_dim(file_.id, name.c_str(), length, &id));
  return id;
}

void NetcdfFiller::fill() {
  file_.check(nc_enddef(file_.id));
  for (const auto& [variable, values] : numbers_) put(file_, variable, values);
  for (const auto& [variable, values] : integers_)
    if (!values.empty()) file_.check(nc_put_var_int(file_.id, variable, values.data()));
  for (const auto& [variable, values] : texts_) put_strings(file_, variable, values);
}

}  // namespace edgewise::cli
