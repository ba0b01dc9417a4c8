#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>

#include "cli/commands/commands.hpp"
#include "cli/results/csv.hpp"
#include "cli/results/json.hpp"
#include "models/ingredients/learnability/bound.hpp"
#include "models/ingredients/learnability/kernel_norms.hpp"
#include "models/ingredients/learning_curves/dot_kernels.hpp"
#include "numerics/whole.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"

namespace edgewise::cli {

namespace {

using models::ingredients::learnability::Bound;
using models::ingredients::learnability::KernelNorms;
using settings::Error;
using settings::text_of;
namespace learning_curves = models::ingredients::learning_curves;

/// Terms of a function's series that norms are summed from.
constexpr std::size_t norm_terms = 1500;
constexpr double usual_delta = 0.05, usual_dimension = 3, usual_layers = 2, most_layers = 20;
constexpr const char* unknown_constant =
    "n <= C (zeta + log(1/delta))/eps^2 for a 1-Lipschitz loss, with a constant C that is not known: zeta compares "
    "functions, "
    "it is no number of samples";

struct Row {
  std::string formula;
  Bound bound;
  std::optional<double> share;
  std::optional<KernelNorms> norms;
};

/// Name, value and meaning of everything that is said of a formula.
struct Item {
  const char* name;
  double value;
  const char* doc;
};
std::vector<Item> items(const Row& row, const Row& first) {
  std::vector<Item> out = {{"at_0", row.bound.zero, "f~(0)"},
                           {"at_1", row.bound.one, "f~(1): bounds |f|"},
                           {"slope_at_1", row.bound.slope, "f~'(1)"},
                           {"sqrt_zeta", row.bound.sqrt_zeta(), "f~'(1) + f~(0)"},
                           {"zeta", row.bound.zeta(), "samples in proportion"}};
  const double base = first.bound.zeta();
  if (&row != &first && base > 0 && std::isfinite(base))
    out.push_back({"zeta_ratio", row.bound.zeta() / base, "to that of the first formula"});
  if (row.share) out.push_back({"share", *row.share, "of all samples, as a stratum"});
  if (row.norms) {
    out.push_back({"norm_squared", row.norms->exact, "H, the squared norm in the kernel's space"});
    out.push_back({"norm_bound_2", row.norms->second, "B2 = sum a_k^2/b_k >= H"});
    out.push_back({"norm_bound_1", row.norms->first, "B1 = (sum |a_k|/sqrt b_k)^2 >= B2"});
  }
  return out;
}

std::unique_ptr<learning_curves::DotKernel> kernel_of(const LearnabilityOptions& options) {
  const std::vector<std::string> known = {"arc0", "arc1", "ntk", "ntk1", "deep-ntk", "gauss", "exp", "taylor"};
  if (std::ranges::find(known, options.kernel) == known.end())
    throw Error(fmt::format("--kernel: must be one of {}, got '{}'{}", settings::join(known),
                            settings::shown(options.kernel), settings::suggestion(options.kernel, known)));
  const auto in = [](const char* option, double value, double low, double high) {
    if (!(value >= low) || !(value <= high))
      throw Error(fmt::format("{}: must be from {:g} to {:g}, got {}", option, low, high, text_of(value)));
  };
  in("--dimension", options.dimension.value_or(usual_dimension), 2, 1e9);
  in("--s2", options.s2.value_or(1), 0.01, 1e6);
  in("--length", options.length.value_or(1), 1e-12, 1e12);
  const auto only = [&](const char* option, bool given, std::initializer_list<const char*> kernels) {
    if (given && std::ranges::find(kernels, options.kernel) == kernels.end())
      throw Error(fmt::format("{}: is read with --kernel {} only", option, fmt::join(kernels, " or ")));
  };
  only("--s2", options.s2.has_value(), {"gauss", "exp"});
  only("--layers", options.layers.has_value(), {"deep-ntk"});
  only("--coefficient", !options.coefficients.empty(), {"taylor"});
  if (options.kernel == "deep-ntk") {
    const double layers = options.layers.value_or(usual_layers);
    in("--layers", layers, 1, most_layers);
    if (!numerics::is_whole(layers)) throw Error("--layers: must be whole");
    return learning_curves::deep_tangent_kernel(static_cast<std::size_t>(layers), options.bias);
  }
  if (options.kernel == "taylor") {
    if (options.coefficients.empty()) throw Error("--coefficient: is required with --kernel taylor, once for each");
    double sum = 0;
    for (const double b : options.coefficients) {
      in("--coefficient", b, 0, 1e150);
      sum += b;
    }
    if (!(sum > 0)) throw Error("--coefficient: all are 0");
    return learning_curves::taylor_kernel(options.coefficients, options.bias);
  }
  return learning_curves::kernel_named(options.kernel, options.bias, options.s2.value_or(1));
}

void check(const std::vector<std::string>& formulas, const LearnabilityOptions& options) {
  if (!options.weights.empty() && options.weights.size() != formulas.size())
    throw Error(
        fmt::format("--weight: {} for {} formulas; give one each, or none", options.weights.size(), formulas.size()));
  for (const double w : options.weights)
    if (!(w > 0) || !std::isfinite(w)) throw Error(fmt::format("--weight: must be > 0, got {}", text_of(w)));
  if (const double delta = options.delta.value_or(usual_delta); !(delta > 0) || !(delta < 1))
    throw Error(fmt::format("--delta: must be above 0 and below 1, got {}", text_of(delta)));
  const auto belongs = [](const char* option, bool given, const char* other) {
    if (given) throw Error(fmt::format("{}: is read with {} only", option, other));
  };
  belongs("--delta", options.weights.empty() && options.delta, "--weight");
  belongs("--bias", options.kernel.empty() && options.bias, "--kernel");
  belongs("--dimension", options.kernel.empty() && options.dimension, "--kernel");
  belongs("--length", options.kernel.empty() && options.length, "--kernel");
  belongs("--s2", options.kernel.empty() && options.s2, "--kernel gauss or exp");
  belongs("--layers", options.kernel.empty() && options.layers, "--kernel deep-ntk");
  belongs("--coefficient", options.kernel.empty() && !options.coefficients.empty(), "--kernel taylor");
}

}  // namespace

Status learnability(const Context& context, const std::vector<std::string>& formulas,
                    const LearnabilityOptions& options) {
  const Targets targets = targets_of(context, {"csv", "json", "txt"}, {"csv", "json", "txt"}, "txt");
  check(formulas, options);
  const auto kernel = options.kernel.empty() ? nullptr : kernel_of(options);
  std::vector<Row> rows;
  for (const std::string& text : formulas) {
    try {
      const auto formula = models::ingredients::learnability::read_formula(text);
      Row row{text, models::ingredients::learnability::bound(formula), {}, {}};
      if (kernel) {
        row.norms = models::ingredients::learnability::kernel_norms(
            models::ingredients::learnability::taylor_series(formula, options.length.value_or(1), norm_terms), *kernel,
            options.dimension.value_or(usual_dimension));
        if (row.norms->bounded_only)
          row.bound.remarks.push_back(
              "norm_squared: its sum does not end within the terms; the bound B2 stands for it");
        if (!row.norms->infinite_because.empty())
          row.bound.remarks.push_back("infinite norm: " + row.norms->infinite_because);
      }
      rows.push_back(std::move(row));
    } catch (const std::invalid_argument& e) {
      throw Error(fmt::format("formula '{}': {}", settings::shown(text, 200), e.what()));
    }
  }
  if (!options.weights.empty()) {
    std::vector<double> zeta;
    for (const Row& row : rows) {
      zeta.push_back(row.bound.zeta());
      if (!std::isfinite(zeta.back()))
        throw Error(fmt::format("formula '{}': zeta is infinite, so that no share of the samples is enough",
                                settings::shown(row.formula, 200)));
    }
    const std::vector<double> share =
        models::ingredients::learnability::allocation(options.weights, zeta, options.delta.value_or(usual_delta));
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i].share = share[i];
  }
  const auto as_text = [&] {
    std::string out;
    for (const Row& row : rows) {
      out += settings::shown(row.formula, 200) + "\n";
      for (const Item& item : items(row, rows.front()))
        out += fmt::format("  {:<13} {:<22} {}\n", item.name, text_of(item.value), item.doc);
      for (const std::string& remark : row.bound.remarks) out += "  " + remark + "\n";
    }
    return out + unknown_constant + "\n";
  };
  const auto as_csv = [&] {
    std::string out = "formula,name,value,meaning\n";
    for (const Row& row : rows) {
      const std::string formula = csv_quoted(row.formula);
      for (const Item& item : items(row, rows.front()))
        out += fmt::format("{},{},{},{}\n", formula, item.name, text_of(item.value), csv_quoted(item.doc));
      for (const std::string& remark : row.bound.remarks)
        out += fmt::format("{},remark,,{}\n", formula, csv_quoted(remark));
    }
    return out + "# " + unknown_constant + "\n";
  };
  const auto as_json = [&] {
    Json out = {{"formulas", Json::array()}, {"constant", unknown_constant}};
    for (const Row& row : rows) {
      Json entry = {{"formula", row.formula}};
      for (const Item& item : items(row, rows.front())) entry[item.name] = json_number(item.value);
      entry["remarks"] = row.bound.remarks;
      out["formulas"].push_back(std::move(entry));
    }
    return json_text(out);
  };
  write_all(context, targets, [&](const Target& target) {
    return target.form == "json" ? as_json() : (target.form == "csv" ? as_csv() : as_text());
  });
  return done;
}

}  // namespace edgewise::cli
