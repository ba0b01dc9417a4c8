#include "models/least_squares/linear_methods/linear_method.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace edgewise::models::least_squares {

namespace {

// Places of the coordinates in the block of the mean: V, m (outer), v, u, a, theta*.
struct Places {
  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  std::size_t V = none, m = none, v = none, u = none, a = none, target = none, size = 0;
  explicit Places(const Rule& rule) {
    const auto next = [&](bool present) { return present ? size++ : none; };
    V = next(rule.has_outer);
    m = next(rule.has_outer_momentum);
    v = next(true);
    u = next(rule.has_momentum);
    a = next(rule.has_average);
    target = next(rule.has_decay);
  }
};

std::vector<double> unit(std::size_t size, std::size_t place) {
  std::vector<double> e(size, 0.0);
  e[place] = 1;
  return e;
}

// The 2 x 2 (or 1 x 1) part of a noisy phase that moves (v, u); the same for mean and deviation.
void descend(const Rule& rule, solvers::PhaseBlock& block, std::size_t v, std::size_t u, std::size_t target) {
  const std::size_t r = block.r;
  const double eta = rule.learning_rate, q = rule.has_momentum ? rule.q0 + rule.q1 : 1;
  const double pulled = eta * (q * rule.coupled_decay + rule.decoupled_decay) + rule.independent_decay;
  block.T0[v * r + v] = 1 - pulled;
  block.T1[v * r + v] = -eta * q;
  block.n[v] = -eta * q;
  if (rule.has_momentum) {
    block.T0[v * r + u] = -eta * rule.q1 * rule.bi;
    block.T0[u * r + u] = rule.bi;
    block.T0[u * r + v] = rule.coupled_decay;
    block.T1[u * r + v] = 1;
    block.n[u] = 1;
  }
  if (target != Places::none) {
    block.T0[v * r + target] = -pulled;
    if (rule.has_momentum) block.T0[u * r + target] = rule.coupled_decay;
  }
  block.e[v] = 1;
}

Layout layout_of(const Rule& rule) {
  const Places at(rule);
  Layout out;
  std::vector<Coordinate> mean(at.size);
  if (rule.has_outer) mean[at.V] = {"outer error", 1, 0, false};
  if (rule.has_outer_momentum) mean[at.m] = {"outer momentum", 0, 0, false};
  mean[at.v] = {"error", 1, 0, false};
  if (rule.has_momentum) mean[at.u] = {"momentum", 0, 0, false};
  if (rule.has_average) mean[at.a] = {"average", 1, 0, false};
  if (rule.has_decay) mean[at.target] = {"target", 0, 1, true};
  out.blocks.push_back(mean);
  std::vector<double> no_deviation;
  if (rule.has_workers) {
    std::vector<Coordinate> deviation{{"deviation of a worker", 0, 0, false}};
    if (rule.has_momentum) deviation.push_back({"deviation of its momentum", 0, 0, false});
    no_deviation.assign(deviation.size(), 0.0);
    out.blocks.push_back(std::move(deviation));
    out.of_worker = {at.v};
    if (rule.has_momentum) out.of_worker.push_back(at.u);
  }
  const auto readout = [&](std::string name, std::string doc, std::size_t place, bool deviation, bool before_sync) {
    Readout one{std::move(name), std::move(doc), {unit(at.size, place)}, before_sync};
    if (rule.has_workers) {
      one.selector.push_back(no_deviation);
      if (deviation) one.selector.back()[0] = 1;
    }
    out.readouts.push_back(std::move(one));
  };
  if (rule.has_outer) {
    readout("", "P of the outer parameters (between syncs: since the last one)", at.V, false, false);
    readout("worker", "mean over workers of the excess risk of their own parameters, before the step's sync", at.v,
            true, true);
    if (rule.has_workers)
      readout("worker_average", "excess risk of the workers' average, before the step's sync", at.v, false, true);
  } else {
    readout("", "P", at.v, false, false);
  }
  if (rule.has_average) readout("average", "excess risk of the averaged parameters", at.a, false, false);
  return out;
}

void step_of(const Rule& rule, solvers::Phase& out) {
  const Places at(rule);
  out.blocks.resize(rule.has_workers ? 2 : 1);
  out.noise_scale = 1;
  const double M = rule.workers;
  solvers::PhaseBlock& mean = out.blocks[0];
  const std::size_t r = at.size;
  mean = {.r = r};
  mean.omega = 1 / (M * rule.batch);
  for (const std::size_t still : {at.V, at.m, at.target})
    if (still != Places::none) mean.T0[still * r + still] = 1;
  descend(rule, mean, at.v, at.u, at.target);
  if (rule.has_average) {
    for (std::size_t c = 0; c < r; ++c) {
      mean.T0[at.a * r + c] = rule.average * mean.T0[at.v * r + c];
      mean.T1[at.a * r + c] = rule.average * mean.T1[at.v * r + c];
    }
    mean.T0[at.a * r + at.a] += 1 - rule.average;
    mean.n[at.a] = rule.average * mean.n[at.v];
  }
  if (rule.has_workers) {
    solvers::PhaseBlock& deviation = out.blocks[1];
    deviation = {.r = rule.has_momentum ? 2u : 1u};
    deviation.omega = (1 - 1 / M) / rule.batch;
    descend(rule, deviation, 0, 1, Places::none);
  }
}

void sync_of(const Rule& rule, solvers::Phase& out) {
  const Places at(rule);
  const std::size_t r = at.size;
  out.blocks.resize(rule.has_workers ? 2 : 1);
  out.noise_scale = 0;
  solvers::PhaseBlock& mean = out.blocks[0];
  mean = {.r = r};
  const double p = rule.has_outer_momentum ? rule.p0 + rule.p1 : 1;
  for (const std::size_t row : {at.V, at.v}) {
    mean.T0[row * r + at.V] = 1 - rule.xi * p;
    mean.T0[row * r + at.v] = rule.xi * p;
    if (rule.has_outer_momentum) mean.T0[row * r + at.m] = rule.xi * rule.p1 * rule.bo;
  }
  if (rule.has_outer_momentum) {
    mean.T0[at.m * r + at.V] = -1;
    mean.T0[at.m * r + at.m] = rule.bo;
    mean.T0[at.m * r + at.v] = 1;
  }
  if (rule.has_momentum && rule.persistent) mean.T0[at.u * r + at.u] = 1;
  if (rule.has_average) mean.T0[at.a * r + at.a] = 1;
  if (rule.has_decay) mean.T0[at.target * r + at.target] = 1;
  if (rule.has_workers) {
    solvers::PhaseBlock& deviation = out.blocks[1];
    deviation = {.r = rule.has_momentum ? 2u : 1u};
    if (rule.has_momentum && rule.persistent) deviation.T0[3] = 1;
  }
}

bool is_number(const settings::Parameter& p) {
  return p.type == settings::Type::number || p.type == settings::Type::integer;
}

bool is_read(const settings::Parameter& p, const settings::Values& values) {
  return p.read_by.empty() || !values.has(p.read_by) ||
         std::ranges::find(p.read_at, values.text(p.read_by)) != p.read_at.end();
}

}  // namespace

bool is_count(std::string_view name) {
  return name == "batch" || name == "workers" || name == "inner_steps";
}

std::vector<settings::Parameter> numbers_of(const settings::Description& method) {
  std::vector<settings::Parameter> out;
  for (const settings::Parameter& p : method.parameters)
    if (is_number(p) && p.name != "gamma") out.push_back(p);
  return out;
}

Hyperparameters::Hyperparameters(const settings::Description& description, settings::Values values,
                                 settings::Table section)
    : values_(std::move(values)), section_(std::move(section)) {
  for (const settings::Parameter& p : description.parameters) {
    if (!is_number(p) || !values_.has(p.name) || !is_read(p, values_)) continue;
    const double value =
        p.type == settings::Type::integer ? static_cast<double>(values_.integer(p.name)) : values_.number(p.name);
    entries_.push_back({p.name, value, value, nullptr, p.maximum, p.maximum_excluded});
  }
}

const Hyperparameters::Entry* Hyperparameters::find(std::string_view name) const {
  const auto found = std::ranges::find(entries_, name, &Entry::name);
  return found == entries_.end() ? nullptr : &*found;
}

Hyperparameters::Entry* Hyperparameters::find(std::string_view name) {
  const auto found = std::ranges::find(entries_, name, &Entry::name);
  return found == entries_.end() ? nullptr : &*found;
}

void Hyperparameters::schedule(const std::string& name, std::shared_ptr<const ingredients::Schedule> schedule) {
  Entry* entry = find(name);
  if (!entry) throw std::invalid_argument("there is no hyperparameter " + name);
  entry->schedule = schedule && schedule->constant() ? nullptr : std::move(schedule);
}

void Hyperparameters::set(std::string_view name, double value) {
  if (!has(name)) entries_.emplace_back().name = name;
  Entry* entry = find(name);
  entry->base = entry->now = value;
}

void Hyperparameters::seek(double step, bool period_begins) {
  for (Entry& entry : entries_) {
    if (!entry.schedule) continue;
    const bool count = is_count(entry.name);
    if (!period_begins && count && entry.name != "batch") continue;
    entry.now = entry.base * entry.schedule->at(step);
    if (count && std::isfinite(entry.now)) entry.now = std::max(1.0, std::round(entry.now));
    if (entry.maximum_excluded ? entry.now >= entry.maximum : entry.now > entry.maximum)
      throw std::invalid_argument(
          fmt::format("schedule.{0}: takes optimizer.{0} to {1} at step {2}; it must be {3} {4}", entry.name, entry.now,
                      step, entry.maximum_excluded ? "<" : "<=", entry.maximum));
  }
}

bool Hyperparameters::has(std::string_view name) const {
  return find(name) != nullptr;
}

double Hyperparameters::operator()(std::string_view name) const {
  const Entry* entry = find(name);
  if (!entry) throw std::invalid_argument("there is no hyperparameter " + std::string(name));
  return entry->now;
}

double Hyperparameters::base(std::string_view name) const {
  const Entry* entry = find(name);
  return entry ? entry->base : 0;
}

bool Hyperparameters::scheduled(std::string_view name) const {
  const Entry* entry = find(name);
  return entry && entry->schedule;
}

bool Hyperparameters::constant() const {
  return std::ranges::none_of(entries_, [](const Entry& e) { return e.schedule != nullptr; });
}

bool Hyperparameters::flag_or(std::string_view name, bool fallback) const {
  return values_.has(name) ? values_.flag(name) : fallback;
}

void refuse_unread(const settings::Table& section, const settings::Description& optimizer, const Hyperparameters& h) {
  for (const settings::Parameter& p : optimizer.parameters)
    if (section.has(p.name) && !is_read(p, h.values()))
      throw section.error(p.name, "is read where optimizer." + p.where_text() + ", and here it is " +
                                      h.values().text(p.read_by) + "; leave it out");
}

double effective_learning_rate(const Rule& rule) {
  const auto H = static_cast<double>(rule.has_outer ? rule.inner_steps : 1);
  const bool reset = rule.has_outer && !rule.persistent;
  // A unit gradient at every step: what it has moved by H steps later, per step; of the buffer, sum_h (1 - b^h)/(1 - b).
  const double kept = reset ? (H - rule.bi * (1 - std::pow(rule.bi, H)) / (1 - rule.bi)) / H : 1;
  const double inner = rule.has_momentum ? rule.q0 + rule.q1 * kept / (1 - rule.bi) : 1;
  const double outer = rule.has_outer_momentum ? rule.p0 + rule.p1 / (1 - rule.bo) : 1;
  return rule.learning_rate * inner * (rule.has_outer ? rule.xi * outer : 1);
}

std::vector<std::size_t> Layout::sizes() const {
  std::vector<std::size_t> out;
  for (const auto& block : blocks) out.push_back(block.size());
  return out;
}

LinearMethod method_of_rule(settings::Description description,
                            std::function<Rule(const Hyperparameters&, std::uint64_t)> rule, bool time_invariant) {
  LinearMethod method;
  method.description = std::move(description);
  method.rule = rule;
  method.time_invariant = time_invariant;
  method.layout = [rule](const Hyperparameters& h) { return layout_of(rule(h, 0)); };
  method.period = [rule](const Hyperparameters& h) { return rule(h, 0).inner_steps; };
  method.repeats = [rule](const Hyperparameters& h, std::uint64_t position) {
    return rule(h, 0).inner_steps - position;
  };
  method.phases = [rule](const Hyperparameters& h, std::uint64_t step, std::uint64_t position, StepPhases& out) {
    const Rule now = rule(h, step);
    step_of(now, out.noisy);
    out.has_sync = now.has_outer && position + 1 >= now.inner_steps;
    if (out.has_sync) sync_of(now, out.sync);
  };
  return method;
}

std::vector<const settings::Description*> linear_method_descriptions() {
  std::vector<const settings::Description*> out;
  for (const LinearMethod& method : linear_methods()) out.push_back(&method.description);
  return out;
}

const LinearMethod& linear_method(std::string_view name) {
  for (const LinearMethod& method : linear_methods())
    if (method.description.name == name) return method;
  throw std::invalid_argument("there is no linear method " + std::string(name));
}

}  // namespace edgewise::models::least_squares
