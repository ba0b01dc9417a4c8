#include "cli/results/sweep_netcdf.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cli/results/netcdf_file.hpp"
#include "cli/results/netcdf_filler.hpp"
#include "cli/results/netcdf_library.hpp"
#include "cli/results/trial_run.hpp"
#include "settings/settings.hpp"
#include "validation/sweeps/boundaries.hpp"
#include "validation/sweeps/sweep_file.hpp"

namespace edgewise::cli {

using settings::Error;
using validation::Boundary;
using validation::CellResult;
using validation::CellState;
using validation::SweepAxis;
using validation::SweepTable;

namespace {

constexpr const char* kind = "sweep";
constexpr int no_label = -1;
/// Global attributes that are not provenance.
const std::set<std::string> own_attributes = {"Conventions",     "kind",           "title", "comparison",
                                              "labels_agreeing", "labels_compared"};
/// Attribute that says what a variable is to the reader: "measure".
constexpr const char* role = "role";

std::string one_word(std::string text) {
  std::replace(text.begin(), text.end(), ' ', '_');
  return text;
}

void put_flags(const NetcdfFile& file, int variable, const std::vector<std::string>& meanings) {
  std::vector<int> values;
  std::vector<std::string> words;
  for (const std::string& meaning : meanings) {
    values.push_back(static_cast<int>(values.size()));
    words.push_back(one_word(meaning));
  }
  if (values.empty()) return;
  file.check(nc_put_att_int(file.id, variable, "flag_values", NC_INT, values.size(), values.data()));
  put_text(file, variable, "flag_meanings", settings::join(words, " "));
}

void add_axes(const NetcdfFile& file, NetcdfFiller& filler, const SweepTable& table, std::vector<int>& dimensions) {
  for (const SweepAxis& axis : table.axes) dimensions.push_back(filler.dimension(axis.name, axis.size()));
  for (std::size_t a = 0; a < table.axes.size(); ++a) {
    const SweepAxis& axis = table.axes[a];
    if (axis.words.empty())
      filler.numbers(axis.name, {dimensions[a]}, axis.key, axis.numbers);
    else
      filler.texts(axis.name, {dimensions[a]}, axis.key, axis.words);
    int variable = 0;
    file.check(nc_inq_varid(file.id, axis.name.c_str(), &variable));
    put_text(file, variable, "key", axis.key);
    put_text(file, variable, "scale", axis.log ? "log" : "linear");
  }
}

void add_cells(const NetcdfFile& file, NetcdfFiller& filler, const SweepTable& table, const std::vector<int>& grid) {
  for (std::size_t m = 0; m < table.measures.size(); ++m) {
    std::vector<double> values;
    for (const CellResult& cell : table.cells)
      values.push_back(m < cell.measures.size() ? cell.measures[m] : std::numeric_limits<double>::quiet_NaN());
    const validation::MeasureInfo& info = table.measures[m];
    filler.numbers(info.name, grid, info.doc, std::move(values), info.unit);
    int variable = 0;
    file.check(nc_inq_varid(file.id, info.name.c_str(), &variable));
    put_text(file, variable, role, "measure");
  }
  std::vector<std::string> names, texts, failures;
  for (const validation::LabelRule& rule : table.labels) names.push_back(rule.name);
  std::vector<int> labels, states;
  std::vector<double> seconds;
  for (const CellResult& cell : table.cells) {
    const auto found = std::find(names.begin(), names.end(), cell.label);
    labels.push_back(found == names.end() ? no_label : static_cast<int>(found - names.begin()));
    texts.push_back(cell.label);
    states.push_back(static_cast<int>(cell.state));
    failures.push_back(cell.failure);
    seconds.push_back(cell.seconds);
  }
  const int label = filler.integers("label", grid, "first label whose rule holds", labels);
  put_flags(file, label, names);
  file.check(nc_put_att_int(file.id, label, "_FillValue", NC_INT, 1, &no_label));
  filler.texts("label_name", grid, "first label whose rule holds", texts);
  put_flags(file, filler.integers("state", grid, "what became of the cell", states), {"pending", "finished", "failed"});
  filler.texts("failure", grid, "why the cell failed", failures);
  filler.numbers("seconds", grid, "wall time of the cell", seconds, "s");
}

void add_rules(NetcdfFiller& filler, const SweepTable& table) {
  if (!table.labels.empty()) {
    const int dimension = filler.dimension("label_rule", table.labels.size());
    std::vector<std::string> names, whens, predicted;
    for (const validation::LabelRule& rule : table.labels) {
      names.push_back(rule.name);
      whens.push_back(rule.when);
      predicted.push_back(rule.predicted);
    }
    filler.texts("label_rule", {dimension}, "name of the label", names);
    filler.texts("label_rule_when", {dimension}, "rule of the label, in axes and measures", whens);
    filler.texts("label_rule_predicted", {dimension}, "where the theory puts the label", predicted);
  }
  if (!table.boundaries.empty()) {
    const int dimension = filler.dimension("boundary_rule", table.boundaries.size());
    std::vector<std::string> names, zeros, whens;
    for (const validation::PredictedBoundary& rule : table.boundaries) {
      names.push_back(rule.name);
      zeros.push_back(rule.zero);
      whens.push_back(rule.when);
    }
    filler.texts("boundary_rule", {dimension}, "name of the predicted boundary", names);
    filler.texts("boundary_rule_zero", {dimension}, "formula whose zeros it is", zeros);
    filler.texts("boundary_rule_when", {dimension}, "where it is", whens);
  }
}

void add_boundaries(NetcdfFiller& filler, const SweepTable& table, bool predicted) {
  const std::string prefix = predicted ? "predicted" : "measured";
  std::vector<std::vector<double>> places(table.axes.size());
  std::vector<int> curves;
  std::vector<std::string> names;
  for (const validation::Plane& plane : validation::planes(table))
    for (const Boundary& boundary :
         predicted ? validation::predicted_boundaries(table, plane) : validation::measured_boundaries(table, plane)) {
      for (std::size_t i = 0; i < boundary.x.size(); ++i) {
        curves.push_back(static_cast<int>(names.size()));
        for (std::size_t a = 0; a < table.axes.size(); ++a) {
          if (a == plane.horizontal)
            places[a].push_back(boundary.x[i]);
          else if (plane.vertical == a)
            places[a].push_back(boundary.y[i]);
          else
            places[a].push_back(validation::AxisScale(table.axes[a]).value(plane.place[a]));
        }
      }
      names.push_back(boundary.name);
    }
  if (names.empty()) return;
  const int points = filler.dimension(prefix + "_point", curves.size()),
            curve = filler.dimension(prefix + "_curve", names.size());
  for (std::size_t a = 0; a < table.axes.size(); ++a)
    filler.numbers(fmt::format("{}_boundary_{}", prefix, table.axes[a].name), {points},
                   fmt::format("{} of the {} boundaries", table.axes[a].name, prefix), places[a]);
  filler.integers(prefix + "_boundary_curve", {points}, "number of the curve that the point is on", curves);
  filler.texts(prefix + "_boundary_name", {curve}, predicted ? "the predicted boundary" : "the labels on either side",
               names);
}

void add_comparison(const NetcdfFile& file, NetcdfFiller& filler, const SweepTable& table) {
  const validation::DiagramComparison comparison = validation::compare(table);
  put_text(file, NC_GLOBAL, "comparison", settings::join(comparison.lines(), "\n"));
  if (comparison.agreement) {
    const auto& all = comparison.agreement->counts.front();
    const double agreeing = static_cast<double>(all.agreeing), compared = static_cast<double>(all.cells);
    file.check(nc_put_att_double(file.id, NC_GLOBAL, "labels_agreeing", NC_DOUBLE, 1, &agreeing));
    file.check(nc_put_att_double(file.id, NC_GLOBAL, "labels_compared", NC_DOUBLE, 1, &compared));
  }
  if (comparison.distances.empty()) return;
  const int dimension = filler.dimension("distance", comparison.distances.size());
  std::vector<std::string> names, of;
  std::vector<double> mean_cells, max_cells, mean_share, max_share;
  for (const validation::BoundaryDistance& d : comparison.distances) {
    names.push_back(d.name);
    of.emplace_back(d.predicted ? "predicted" : "measured");
    mean_cells.push_back(d.mean_cells);
    max_cells.push_back(d.max_cells);
    mean_share.push_back(d.mean_share);
    max_share.push_back(d.max_share);
  }
  filler.texts("distance_boundary", {dimension}, "the boundary whose points are looked at", names);
  filler.texts("distance_of", {dimension}, "measured: from the predicted ones; predicted: from the measured ones", of);
  filler.numbers("distance_mean_cells", {dimension}, "mean distance to the nearest of them", mean_cells, "grid cells");
  filler.numbers("distance_max_cells", {dimension}, "largest distance to the nearest of them", max_cells, "grid cells");
  filler.numbers("distance_mean_share", {dimension}, "mean distance to the nearest of them", mean_share,
                 "lengths of the axes");
  filler.numbers("distance_max_share", {dimension}, "largest distance to the nearest of them", max_share,
                 "lengths of the axes");
}

void check_names(const SweepTable& table, const std::string& path) {
  std::set<std::string> names = {"label",   "label_name", "state",      "failure",
                                 "seconds", "distance",   "label_rule", "boundary_rule"};
  const auto add = [&](const std::string& name) {
    if (!names.insert(name).second)
      throw Error(fmt::format("{}: NetCDF: two things of the sweep are named '{}'", path, name));
  };
  for (const SweepAxis& axis : table.axes) add(axis.name);
  for (const validation::MeasureInfo& measure : table.measures) add(measure.name);
}

}  // namespace

std::string sweep_netcdf_bytes(const SweepTable& table, const std::string& shown) {
  check_names(table, shown);
  NetcdfFile file(shown);
  file.create();
  put_text(file, NC_GLOBAL, "Conventions", "CF-1.10");
  put_text(file, NC_GLOBAL, "kind", kind);
  put_text(file, NC_GLOBAL, "title", table.title);
  for (const auto& [name, text] : table.provenance)
    if (!own_attributes.contains(name)) put_text(file, NC_GLOBAL, name, text);
  NetcdfFiller filler(file);
  std::vector<int> grid;
  add_axes(file, filler, table, grid);
  add_cells(file, filler, table, grid);
  add_rules(filler, table);
  add_boundaries(filler, table, false);
  add_boundaries(filler, table, true);
  add_comparison(file, filler, table);
  filler.fill();
  return file.finish();
}

namespace {

// ---- reading --------------------------------------------------------------------------------------------------------

/// The axes are the dimensions of the labels, in order.
void read_axes(const NetcdfFile& file, SweepTable& table) {
  const int label = variable_named(file, "label");
  const std::vector<std::size_t> shape = shape_of(file, label);
  std::vector<int> dimensions(shape.size());
  if (!shape.empty()) file.check(nc_inq_vardimid(file.id, label, dimensions.data()));
  for (std::size_t a = 0; a < shape.size(); ++a) {
    const std::string name = dimension_name(file, dimensions[a]);
    const int variable = variable_named(file, name);
    SweepAxis axis{name, get_text(file, variable, "key"), get_text(file, variable, "scale") == "log", {}, {}};
    if (holds_strings(file, variable))
      axis.words = get_strings(file, name, {shape[a]});
    else
      axis.numbers = get(file, variable, {shape[a]});
    table.axes.push_back(std::move(axis));
  }
}

void read_cells(const NetcdfFile& file, SweepTable& table) {
  std::vector<std::size_t> shape;
  double count = 1;
  for (const SweepAxis& axis : table.axes) {
    shape.push_back(axis.size());
    count *= static_cast<double>(axis.size());
  }
  file.require_room(count);
  const auto cells = static_cast<std::size_t>(count);
  table.cells.assign(cells, {});
  int variables = 0;
  file.check(nc_inq_nvars(file.id, &variables));
  for (int v = 0; v < variables; ++v) {
    if (get_text(file, v, role) != "measure") continue;
    std::string unit = get_text(file, v, "units");
    if (unit == "1") unit.clear();
    std::string doc = get_text(file, v, "long_name");
    if (doc == name_of(file, v)) doc.clear();
    table.measures.push_back({name_of(file, v), unit, doc});
    const std::vector<double> values = get(file, v, shape);
    for (std::size_t c = 0; c < cells; ++c) table.cells[c].measures.push_back(values[c]);
  }
  const std::vector<std::string> labels = get_strings(file, "label_name", shape),
                                 failures = get_strings(file, "failure", shape);
  const std::vector<double> states = get(file, variable_named(file, "state"), shape),
                            seconds = get(file, variable_named(file, "seconds"), shape);
  for (std::size_t c = 0; c < cells; ++c) {
    CellResult& cell = table.cells[c];
    cell.label = labels[c];
    cell.failure = failures[c];
    cell.seconds = seconds[c];
    cell.state = states[c] == 1 ? CellState::finished : states[c] == 2 ? CellState::failed : CellState::pending;
    if (cell.state == CellState::pending) cell.measures.clear();
  }
}

void read_rules(const NetcdfFile& file, SweepTable& table) {
  if (has_dimension(file, "label_rule")) {
    const std::size_t count = length_of(file, "label_rule");
    const auto names = get_strings(file, "label_rule", {count}), whens = get_strings(file, "label_rule_when", {count}),
               predicted = get_strings(file, "label_rule_predicted", {count});
    for (std::size_t i = 0; i < count; ++i) table.labels.push_back({names[i], whens[i], predicted[i]});
  }
  if (has_dimension(file, "boundary_rule")) {
    const std::size_t count = length_of(file, "boundary_rule");
    const auto names = get_strings(file, "boundary_rule", {count}),
               zeros = get_strings(file, "boundary_rule_zero", {count}),
               whens = get_strings(file, "boundary_rule_when", {count});
    for (std::size_t i = 0; i < count; ++i) table.boundaries.push_back({names[i], zeros[i], whens[i]});
  }
}

void read_provenance(const NetcdfFile& file, SweepTable& table) {
  int attributes = 0;
  file.check(nc_inq_natts(file.id, &attributes));
  for (int i = 0; i < attributes; ++i) {
    const std::string name = attribute_name(file, i);
    if (!own_attributes.contains(name)) table.provenance.emplace_back(name, get_text(file, NC_GLOBAL, name));
  }
}

bool says_sweep(const std::string& path) {
  try {
    NetcdfFile file(path);
    file.open(path);
    return get_text(file, NC_GLOBAL, "kind") == kind;
  } catch (const Error&) {
    return false;
  }
}

SweepTable read_sweep_now(const std::string& path) {
  NetcdfFile file(path);
  file.open(path);
  if (get_text(file, NC_GLOBAL, "kind") != kind)
    throw Error(fmt::format("{}: is no sweep of edgewise (its attribute 'kind' is not '{}')", path, kind));
  SweepTable table;
  table.title = get_text(file, NC_GLOBAL, "title");
  read_axes(file, table);
  read_cells(file, table);
  read_rules(file, table);
  read_provenance(file, table);
  for (const auto& [name, text] : table.provenance)
    if (name == "sweep") table.panels = validation::read_panels(validation::read_kept(text, path));
  validation::check_table(table, path);
  return table;
}

}  // namespace

bool is_sweep_netcdf(const std::string& path) {
  try_first(path, [&] { says_sweep(path); });
  return says_sweep(path);
}

SweepTable read_sweep_netcdf(const std::string& path) {
  try_first(path, [&] { read_sweep_now(path); });
  return read_sweep_now(path);
}

}  // namespace edgewise::cli
