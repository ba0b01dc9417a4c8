// Built at -O1: nothing here takes time.
#include "models/framework/axis.hpp"

#include <map>

namespace edgewise::models {

namespace {

/// Whole numbers up to here are exact as doubles, in which the theories count.
constexpr double largest = 9007199254740992.0;

std::vector<settings::Parameter> keys_of(const Axis& axis) {
  return {settings::integer(axis.last, axis.last_doc)
              .in(axis.unit)
              .at_least(0)
              .at_most(largest)
              .computed("the last of `at`"),
          settings::integer(
              "points", "how many " + axis.one + "s are recorded, logarithmically spaced; 0 and the last among them")
              .at_least(2)
              .at_most(1e6)
              .otherwise(std::int64_t{200}),
          settings::numbers("at", "the recorded " + axis.one + "s; 0 and the last are added; overrides `points`")
              .in(axis.unit)
              .at_least(0)
              .at_most(largest)
              .computed("from `" + axis.last + "` and `points`")};
}

}  // namespace

const Axis& step_axis() {
  static const Axis axis{"step",
                         "time",
                         "steps",
                         "step",
                         "optimizer steps",
                         "optimizer steps taken",
                         "optimizer step",
                         "the last step, also the horizon T of schedules"};
  return axis;
}

const Axis& samples_axis() {
  static const Axis axis{"samples", "samples",
                         "max",     "sample count",
                         "samples", "samples in the training set",
                         "samples", "the largest training set"};
  return axis;
}

const Axis& depth_axis() {
  static const Axis axis{"depth",      "depth",
                         "max",        "depth",
                         "iterations", "iterations, or layers of the tied network",
                         "depth",      "the greatest depth"};
  return axis;
}

std::span<const Axis* const> axes() {
  static const Axis* const list[] = {&step_axis(), &samples_axis(), &depth_axis()};
  return list;
}

const Axis* find_axis(std::string_view name) {
  for (const Axis* axis : axes())
    if (axis->name == name) return axis;
  return nullptr;
}

const std::vector<settings::Parameter>& parameters(const Axis& axis) {
  static const auto all = [] {
    std::map<std::string, std::vector<settings::Parameter>> out;
    for (const Axis* a : axes()) out.emplace(a->name, keys_of(*a));
    return out;
  }();
  return all.at(axis.name);
}

}  // namespace edgewise::models
