// Built at -O1: nothing here takes time.
#include "models/framework/closed_form_list.hpp"

#include <cmath>

#include "settings/theory_source.hpp"

namespace edgewise::models {

void ClosedFormList::add(std::string_view name, std::string formula, std::string_view section, double tolerance,
                         std::function<Pair()> evaluate) {
  forms_.push_back(
      {.name = prefix_ + std::string(name),
       .formula = std::move(formula),
       .source = section.starts_with("docs/") ? std::string(section) : settings::theory_source(page_, section),
       .tolerance = tolerance,
       .evaluate = std::move(evaluate)});
}

void ClosedFormList::add_reference(std::string_view name, std::string formula, std::string_view section,
                                   double tolerance, std::function<Pair()> evaluate) {
  add(name, std::move(formula), section, tolerance, std::move(evaluate));
  forms_.back().reference = true;
}

void ClosedFormList::printed(std::string_view name, std::string formula, std::string_view section, double value,
                             int decimals, std::function<double()> compute) {
  add_reference(name, std::move(formula), section, 0.6 * std::pow(10.0, -decimals) / std::abs(value),
                [value, compute = std::move(compute)] { return Pair(value, compute()); });
}

std::unique_ptr<Problem> written_problem(const std::string& text) {
  const Experiment experiment = read_experiment(settings::read_text(text, "closed form"));
  return find(experiment).prepare(experiment);
}

}  // namespace edgewise::models
