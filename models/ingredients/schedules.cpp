#include "models/ingredients/schedules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <sstream>
#include <utility>

#include "settings/delimited.hpp"
#include "settings/shown.hpp"
#include "settings/text_file.hpp"

namespace edgewise::models::ingredients {

namespace {

using settings::Description;
using settings::Parameter;
using settings::Values;

/// A shape before warm-up: its value at time t (in steps) and the times where it or its slope jumps.
struct Shape {
  std::function<double(double)> at;
  std::vector<double> breaks;
  bool constant = false;
};

/// A shape times the warm-up factor min(1, (t + 1)/(wu T)).
class WarmedShape final : public Schedule {
 public:
  WarmedShape(Shape shape, double warmup_steps) : shape_(std::move(shape)), warmup_(warmup_steps) {
    breaks_ = shape_.breaks;
    if (warmup_ > 1) breaks_.push_back(warmup_ - 1);
    std::sort(breaks_.begin(), breaks_.end());
    breaks_.erase(std::unique(breaks_.begin(), breaks_.end()), breaks_.end());
  }
  double at(double t) const override {
    const double value = shape_.at(t);
    return t + 1 < warmup_ ? value * ((t + 1) / warmup_) : value;
  }
  bool constant() const override { return shape_.constant && warmup_ <= 1; }
  std::vector<double> breaks() const override { return breaks_; }

 private:
  Shape shape_;
  double warmup_;
  std::vector<double> breaks_;
};

/// x = t/T in [0, 1]; a horizon of 0 has step 0 only.
double fraction(double t, double horizon) {
  return horizon > 0 ? std::clamp(t / horizon, 0.0, 1.0) : 0.0;
}

Shape smooth(double horizon, std::function<double(double)> of_x) {
  return {[horizon, of_x = std::move(of_x)](double t) { return of_x(fraction(t, horizon)); }, {}, false};
}

Shape polynomial(double horizon, double power, double floor) {
  return smooth(horizon, [=](double x) { return floor + (1 - floor) * std::pow(1 - x, power); });
}

double cosine_half(double x) {
  return 0.5 * (1 + std::cos(std::numbers::pi * x));
}

Shape cooldown(const Values& values, double horizon) {
  const double part = values.number("cooldown");
  const std::string& shape = values.text("shape");
  const double power = values.number("power");
  const double start = 1 - part;
  std::function<double(double)> decay;
  if (shape == "linear") decay = [](double z) { return 1 - z; };
  if (shape == "1-sqrt") decay = [](double z) { return 1 - std::sqrt(z); };
  if (shape == "cosine") decay = cosine_half;
  if (shape == "power") decay = [power](double z) { return std::pow(1 - z, power); };
  if (values.given("power") && shape != "power") throw values.error("power", "belongs to shape = \"power\" only");
  Shape result = smooth(horizon, [=](double x) { return x < start ? 1.0 : decay(std::min(1.0, (x - start) / part)); });
  if (start > 0) result.breaks = {start * horizon};
  return result;
}

Shape inverse_power(double start, double exponent) {
  return {[=](double t) { return std::pow(1 + t / start, -exponent); }, {}, false};
}

Shape stages(double horizon, double factor, std::int64_t count) {
  const auto n = static_cast<double>(count);
  Shape shape;
  // n t is exact at whole t, so that its quotient by T is not rounded below a whole number.
  shape.at = [=](double t) {
    const double stage = horizon > 0 ? std::floor(n * t / horizon) : 0.0;
    return std::pow(factor, std::clamp(stage, 0.0, n - 1));
  };
  for (std::int64_t i = 1; i < count; ++i) shape.breaks.push_back(static_cast<double>(i) * horizon / n);
  return shape;
}

/// Entry i holds from time i T/N to (i+1) T/N.
Shape piecewise_constant(std::vector<double> entries, double horizon) {
  const auto n = static_cast<double>(entries.size());
  Shape shape;
  for (std::size_t i = 1; i < entries.size(); ++i)
    if (entries[i] != entries[i - 1]) shape.breaks.push_back(static_cast<double>(i) * horizon / n);
  shape.constant = shape.breaks.empty() && entries.front() == 1;
  shape.at = [=, entries = std::move(entries)](double t) {
    const double i = horizon > 0 ? std::floor(n * t / horizon) : 0.0;
    return entries[static_cast<std::size_t>(std::clamp(i, 0.0, n - 1))];
  };
  return shape;
}

/// Straight lines through entry i at time i * spacing; the last entry holds afterwards.
Shape piecewise_linear(std::vector<double> entries, double spacing) {
  const auto last = static_cast<double>(entries.size() - 1);
  Shape shape;
  for (std::size_t i = 1; i < entries.size(); ++i) shape.breaks.push_back(static_cast<double>(i) * spacing);
  shape.at = [=, entries = std::move(entries)](double t) {
    const double place = spacing > 0 ? std::clamp(t / spacing, 0.0, last) : 0.0;
    const auto i = static_cast<std::size_t>(place);
    const double beyond = place - static_cast<double>(i);
    return beyond == 0 ? entries[i] : (1 - beyond) * entries[i] + beyond * entries[i + 1];
  };
  return shape;
}

/// `text` with what stands behind a # taken off every line.
std::string without_comments(const std::string& text) {
  std::string out;
  bool comment = false;
  for (const char c : text) {
    comment = c != '\n' && c != '\r' && (comment || c == '#');
    if (!comment) out += c;
  }
  return out;
}

/// Takes the line of names off, and the row numbers of pandas and R with it. \throws Error when several columns are
/// left.
void take_names_off(settings::DelimitedText& table) {
  const auto& first = table.lines.front().cells;
  const bool names = std::none_of(first.begin(), first.end(), [&](const auto& cell) { return table.number(cell); });
  if (names || first.front().empty()) {
    settings::drop_row_names(table);
    if (table.lines.front().cells.size() > 1)
      throw settings::Error(fmt::format("holds the columns {}; keep the one of the multipliers",
                                        settings::shown(settings::join(table.lines.front().cells))));
    table.lines.erase(table.lines.begin());
    return;
  }
  if (table.lines.size() < 2) return;
  for (std::size_t i = 0; i < table.lines.size(); ++i)
    if (table.lines[i].cells.size() != 2 || table.lines[i].cells.front() != std::to_string(i)) return;
  throw settings::Error("holds a first column that counts 0, 1, 2, ...; keep the one of the multipliers");
}

/// Numbers separated by commas, semicolons, white space or line ends; from # to the end of a line is a comment.
std::vector<double> read_numbers(const std::string& path) {
  settings::DelimitedText table = settings::split_delimited(without_comments(settings::read_text_file(path)));
  if (!table.lines.empty()) take_names_off(table);
  std::vector<double> entries;
  double largest = 0;
  for (const settings::DelimitedLine& line : table.lines)
    for (const std::string& cell : line.cells) {
      std::istringstream words(cell);
      for (std::string word; words >> word;) {
        const auto entry = table.number(word);
        if (!entry || !std::isfinite(*entry))
          throw settings::Error(fmt::format("line {}: '{}' is not a number >= 0", line.number, settings::shown(word)));
        entries.push_back(*entry);
        largest = std::max(largest, *entry);
      }
    }
  if (entries.empty()) throw settings::Error("holds no numbers");
  for (double& entry : entries) {
    if (entry < -1e-12 * largest || (entry < 0 && largest == 0))
      throw settings::Error(fmt::format("'{}' is not a number >= 0", settings::text_of(entry)));
    entry = std::max(entry, 0.0);  // what a formula's end leaves below 0 is rounding
  }
  return entries;
}

std::vector<double> read_table(const Values& values) {
  const std::string path = values.resolve(values.text("path"));
  try {
    return read_numbers(path);
  } catch (const settings::Error& error) {
    const std::string said = error.what();
    throw values.error("path", said.find("cannot be read: ") != std::string::npos
                                   ? said
                                   : fmt::format("'{}': {}", settings::shown(path, 300), said));
  }
}

Shape table(const Values& values, double horizon) {
  if (values.given("path") == values.given("values"))
    throw values.error("values", "give either `values` or `path`, one of the two");
  std::vector<double> entries = values.given("path") ? read_table(values) : values.numbers("values");
  if (entries.empty()) throw values.error("values", "must hold at least one number");
  const auto n = static_cast<double>(entries.size());
  if (horizon > 0 && n > horizon)
    throw values.error(values.given("path") ? "path" : "values",
                       fmt::format("holds {} entries, more than the {} steps", entries.size(), horizon));
  if (values.text("interpolate") == "constant" || entries.size() == 1)
    return piecewise_constant(std::move(entries), horizon);
  const double spacing = n == horizon ? 1.0 : horizon / (n - 1);
  return piecewise_linear(std::move(entries), spacing);
}

Parameter floor_parameter() {
  return settings::number("floor", "value f that the decay ends at").at_least(0).at_most(1).otherwise(0.0);
}

using Builder = std::function<Shape(const Values&, double)>;

ScheduleKind kind(std::string name, std::string summary, std::string equations, std::vector<Parameter> parameters,
                  Builder shape) {
  parameters.push_back(
      settings::number("warmup", "fraction wu of the horizon over which the multiplier rises: min(1, (k+1)/(wu T))")
          .at_least(0)
          .below(1)
          .otherwise(0.0));
  ScheduleKind result;
  result.description = Description{std::move(name), std::move(summary), std::move(equations),
                                   "docs/theory/schedules-and-collapse.md, section 2", std::move(parameters)};
  result.build = [shape = std::move(shape)](const Values& values, double horizon) -> std::unique_ptr<Schedule> {
    return std::make_unique<WarmedShape>(shape(values, horizon), values.number("warmup") * horizon);
  };
  return result;
}

std::vector<ScheduleKind> make_kinds() {
  std::vector<ScheduleKind> all;
  all.push_back(kind("constant", "no decay", "s = 1", {}, [](const Values&, double) {
    return Shape{[](double) { return 1.0; }, {}, true};
  }));
  all.push_back(kind("linear", "straight line to a floor", "s(x) = 1 - (1 - f) x,  x = k/T", {floor_parameter()},
                     [](const Values& v, double T) { return polynomial(T, 1, v.number("floor")); }));
  all.push_back(kind("polynomial", "power of the remaining time", "s(x) = f + (1 - f)(1 - x)^p,  x = k/T",
                     {settings::number("power", "exponent p").above(0).otherwise(1.0), floor_parameter()},
                     [](const Values& v, double T) { return polynomial(T, v.number("power"), v.number("floor")); }));
  all.push_back(kind("cosine", "half a cosine, or a power of it", "s(x) = f + (1 - f) ((1 + cos pi x)/2)^p,  x = k/T",
                     {floor_parameter(), settings::number("power", "exponent p").above(0).otherwise(1.0)},
                     [](const Values& v, double T) {
                       const double floor = v.number("floor"), power = v.number("power");
                       return smooth(T,
                                     [=](double x) { return floor + (1 - floor) * std::pow(cosine_half(x), power); });
                     }));
  all.push_back(kind("warmup-stable-decay", "constant, then a cooldown at the end",
                     "s(x) = 1 for x < 1 - c;  else with z = (x - 1 + c)/c:\n"
                     "linear 1 - z,  1-sqrt 1 - sqrt z,  cosine (1 + cos pi z)/2,  power (1 - z)^p;  x = k/T",
                     {settings::number("cooldown", "fraction c of the horizon").above(0).at_most(1).otherwise(0.2),
                      settings::text("shape", "shape of the cooldown")
                          .one_of({"linear", "1-sqrt", "cosine", "power"})
                          .otherwise(std::string("linear")),
                      settings::number("power", "exponent p of shape power").above(0).otherwise(2.0)},
                     cooldown));
  all.push_back(kind("inverse-square-root", "inverse square root of time", "s = (1 + k/t0)^(-1/2)",
                     {settings::number("t0", "time at which the decay sets in").in("optimizer steps").above(0).must()},
                     [](const Values& v, double) { return inverse_power(v.number("t0"), 0.5); }));
  all.push_back(
      kind("inverse-power", "inverse power of time", "s = (1 + k/t0)^(-q)",
           {settings::number("t0", "time at which the decay sets in").in("optimizer steps").above(0).must(),
            settings::number("exponent", "q; 1/2 inverse square root, 1 inverse time").above(0).otherwise(1.0)},
           [](const Values& v, double) { return inverse_power(v.number("t0"), v.number("exponent")); }));
  all.push_back(kind(
      "step", "equal stages, each lower by a factor", "s(x) = f^floor(n x),  x = k/T",
      {settings::number("factor", "f, from one stage to the next").above(0).at_most(1).otherwise(0.1),
       settings::integer("stages", "number n of equal stages").at_least(1).at_most(1e6).otherwise(std::int64_t{3})},
      [](const Values& v, double T) { return stages(T, v.number("factor"), v.integer("stages")); }));
  all.push_back(kind("exponential", "exponential decay", "s(x) = exp(-r x),  x = k/T",
                     {settings::number("rate", "r, per horizon").at_least(0).otherwise(5.0)},
                     [](const Values& v, double T) {
                       return smooth(T, [rate = v.number("rate")](double x) { return std::exp(-rate * x); });
                     }));
  all.push_back(
      kind("rex", "reflected exponential", "s(x) = (1 - x)/(1 - b x),  x = k/T",
           {settings::number("b", "1/2 is the standard one, 0 is linear, below 0 convex").below(1).otherwise(0.5)},
           [](const Values& v, double T) {
             return smooth(T, [b = v.number("b")](double x) { return (1 - x) / (1 - b * x); });
           }));
  all.push_back(kind("table", "multipliers from a list or a file",
                     "As many entries as steps: entry k is the multiplier of step k. Fewer, N of them: interpolate =\n"
                     "constant gives N equal stages, linear draws straight lines through entry i at x = i/(N - 1).\n"
                     "The entries are multipliers as they stand; they may exceed 1.",
                     {settings::numbers("values", "the multipliers").at_least(0).computed("read from `path`"),
                      settings::text("path",
                                     "text file of multipliers separated by commas, spaces or line ends, # starts a "
                                     "comment; relative to the experiment file")
                          .computed("`values` is given instead"),
                      settings::text("interpolate", "between the entries")
                          .one_of({"constant", "linear"})
                          .otherwise(std::string("constant"))},
                     table));
  return all;
}

const std::vector<ScheduleKind>& schedule_kind_list() {
  static const std::vector<ScheduleKind> all = make_kinds();
  return all;
}

}  // namespace

std::span<const ScheduleKind> schedule_kinds() {
  return schedule_kind_list();
}

std::unique_ptr<Schedule> read_schedule(const settings::Table& experiment, const std::string& section, double horizon,
                                        std::span<const std::string> others) {
  std::vector<const Description*> descriptions;
  for (const auto& one : schedule_kind_list()) descriptions.push_back(&one.description);
  const auto dot = section.rfind('.');
  const settings::Table parent =
      dot == std::string::npos ? settings::Table() : experiment.table_or_empty(section.substr(0, dot));
  const auto choice = dot == std::string::npos
                          ? settings::read_choice(experiment, section, descriptions, "constant", others)
                          : settings::read_choice(parent, section.substr(dot + 1), descriptions, "constant", others);
  return schedule_kind_list()[choice.index].build(choice.values, horizon);
}

}  // namespace edgewise::models::ingredients
