/// NetCDF files of any shape, made of the names that the readers look for: dimensions of any length, variables over any
/// of them, of any type, and attributes likewise. (HDF5's own bytes are not mutated: that would try HDF5.)
#include <fuzzer/FuzzedDataProvider.h>
#include <netcdf.h>

#include <string>
#include <vector>

#include "cli/commands/sweep_input.hpp"
#include "cli/context.hpp"
#include "cli/results/csv.hpp"
#include "cli/results/sweep_output.hpp"
#include "tests/fuzz/reader.hpp"
#include "tests/temporary_folder.hpp"

using namespace edgewise;

namespace {

const std::vector<std::string> dimension_names = {"step", "observable", "a", "b", "label_rule", "boundary_rule"};
const std::vector<std::string> variable_names = {"step",
                                                 "observable",
                                                 "observable_units",
                                                 "observable_long_name",
                                                 "a",
                                                 "b",
                                                 "theory",
                                                 "mc_mean",
                                                 "z",
                                                 "risk",
                                                 "label",
                                                 "label_name",
                                                 "failure",
                                                 "state",
                                                 "seconds",
                                                 "label_rule",
                                                 "label_rule_when",
                                                 "label_rule_predicted",
                                                 "boundary_rule",
                                                 "boundary_rule_zero",
                                                 "slope",
                                                 "boundary_rule_when"};
const std::vector<std::string> attribute_names = {"kind",      "title", "sweep", "units", "observable", "field",
                                                  "long_name", "role",  "key",   "scale", "version"};
const std::vector<std::string> texts = {"solution", "simulation", "validation",      "sweep", "measure", "log", "std",
                                        "mean",     "",           "title = \"t\"\n", "risk",  "axis",    "1"};
const std::vector<nc_type> types = {NC_DOUBLE, NC_STRING, NC_INT, NC_CHAR, NC_FLOAT, NC_INT64, NC_BYTE, NC_UINT64};

const std::string& one_of(FuzzedDataProvider& bytes, const std::vector<std::string>& words) {
  return words[bytes.ConsumeIntegralInRange<std::size_t>(0, words.size() - 1)];
}

/// One of the words, or anything.
std::string text(FuzzedDataProvider& bytes, const std::vector<std::string>& words) {
  return bytes.ConsumeIntegral<std::uint8_t>() < 240 ? one_of(bytes, words) : bytes.ConsumeRandomLengthString(40);
}

void put_attributes(FuzzedDataProvider& bytes, int file, int variable) {
  for (int count = bytes.ConsumeIntegralInRange(0, 5); count > 0; --count) {
    const std::string name = text(bytes, attribute_names);
    if (bytes.ConsumeIntegral<std::uint8_t>() < 200) {
      const std::string value = text(bytes, texts);
      nc_put_att_text(file, variable, name.c_str(), value.size(), value.data());
    } else if (bytes.ConsumeBool()) {
      const double values[2] = {bytes.ConsumeFloatingPoint<double>(), 1};
      nc_put_att_double(file, variable, name.c_str(), NC_DOUBLE, bytes.ConsumeIntegralInRange<std::size_t>(0, 2),
                        values);
    } else {
      const char* value = "text";
      nc_put_att_string(file, variable, name.c_str(), 1, &value);
    }
  }
}

void write(FuzzedDataProvider& bytes, const std::string& path) {
  int file = 0;
  if (nc_create(path.c_str(), (bytes.ConsumeIntegral<std::uint8_t>() < 230 ? NC_NETCDF4 : 0) | NC_CLOBBER, &file) !=
      NC_NOERR)
    return;
  put_attributes(bytes, file, NC_GLOBAL);
  std::vector<int> dimensions;
  std::vector<std::size_t> lengths;
  for (int count = bytes.ConsumeIntegralInRange(0, 6); count > 0; --count) {
    const std::string name = text(bytes, dimension_names);
    const auto kind = bytes.ConsumeIntegral<std::uint8_t>();
    const std::size_t length = kind < 240   ? bytes.ConsumeIntegralInRange<std::size_t>(0, 4)
                               : kind < 248 ? std::size_t{1} << bytes.ConsumeIntegralInRange(5, 62)
                                            : bytes.ConsumeIntegral<std::size_t>();
    int dimension = 0;
    if (nc_def_dim(file, name.c_str(), length, &dimension) != NC_NOERR) continue;
    dimensions.push_back(dimension);
    lengths.push_back(length);
  }
  for (int count = bytes.ConsumeIntegralInRange(0, 12); count > 0; --count) {
    const std::string name = text(bytes, variable_names);
    const nc_type type = types[bytes.ConsumeIntegralInRange<std::size_t>(0, types.size() - 1)];
    std::vector<int> along;
    std::size_t size = 1;
    for (int rank = bytes.ConsumeIntegralInRange(0, 3); rank > 0 && !dimensions.empty(); --rank) {
      const auto d = bytes.ConsumeIntegralInRange<std::size_t>(0, dimensions.size() - 1);
      along.push_back(dimensions[d]);
      size *= std::min<std::size_t>(lengths[d], 1000);
    }
    int variable = 0;
    if (nc_def_var(file, name.c_str(), type, static_cast<int>(along.size()), along.data(), &variable) != NC_NOERR)
      continue;
    put_attributes(bytes, file, variable);
    if (size == 0 || size > 200 || bytes.ConsumeBool()) continue;
    nc_enddef(file);
    if (type == NC_STRING) {
      std::vector<std::string> words;
      for (std::size_t i = 0; i < size; ++i) words.push_back(text(bytes, texts));
      std::vector<const char*> pointers;
      for (const std::string& word : words) pointers.push_back(word.c_str());
      nc_put_var_string(file, variable, pointers.data());
    } else {
      std::vector<double> values;
      for (std::size_t i = 0; i < size; ++i)
        values.push_back(bytes.ConsumeBool() ? bytes.ConsumeIntegralInRange(-2, 5)
                                             : bytes.ConsumeFloatingPoint<double>());
      nc_put_var_double(file, variable, values.data());
    }
    nc_redef(file);
  }
  nc_close(file);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const temporary::Folder folder;
  const std::string path = folder / "input.nc";
  FuzzedDataProvider bytes(data, size);
  write(bytes, path);
  fuzz::take_or_refuse("input.nc", [&] {
    if (cli::is_sweep(path))
      cli::sweep_csv_text(cli::read_sweep(path));
    else
      cli::csv_text(cli::read_result(path));
  });
  return 0;
}
