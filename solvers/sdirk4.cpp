#include "solvers/sdirk4.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "solvers/sdirk4_engine.hpp"

namespace edgewise::solvers {

Sdirk4::Sdirk4() : engine_(std::make_unique<Engine>()) {}
Sdirk4::~Sdirk4() = default;
Sdirk4::Sdirk4(const Sdirk4& other) : engine_(std::make_unique<Engine>(*other.engine_)) {}
Sdirk4& Sdirk4::operator=(const Sdirk4& other) {
  if (this != &other) engine_ = std::make_unique<Engine>(*other.engine_);
  return *this;
}
Sdirk4::Sdirk4(Sdirk4&&) noexcept = default;
Sdirk4& Sdirk4::operator=(Sdirk4&&) noexcept = default;

void Sdirk4::reset() {
  engine_->reset();
}
void Sdirk4::begin(const CoupledModes& system, std::span<const double> M, double t) {
  engine_->begin(system, M, t);
}
bool Sdirk4::attempt(double h, const Tolerances& tolerances) {
  return engine_->attempt(h, tolerances);
}
void Sdirk4::read_before(double t) {
  engine_->latest_ = std::nextafter(t, -std::numeric_limits<double>::infinity());
}
double Sdirk4::error_ratio() const {
  return engine_->ratio_;
}
void Sdirk4::accept() {
  engine_->accept();
}
double Sdirk4::time() const {
  return engine_->time_;
}
std::span<const double> Sdirk4::state() const {
  return {engine_->q_.data(), engine_->n_};
}
std::span<const double> Sdirk4::shared() const {
  return engine_->p_;
}
std::span<const double> Sdirk4::magnitude() const {
  return engine_->magnitude_;
}
void Sdirk4::interpolate(double t, std::span<double> M) const {
  engine_->interpolate(t, M);
}
void Sdirk4::interpolate_shared(double t, std::span<double> p) const {
  engine_->interpolate_shared(t, p);
}
void Sdirk4::error(std::span<double> out) const {
  engine_->error(out);
}
double Sdirk4::suggest_step() const {
  return engine_->suggest_step();
}
Statistics& Sdirk4::statistics() {
  return engine_->stats_;
}
const Statistics& Sdirk4::statistics() const {
  return engine_->stats_;
}

void Sdirk4::do_step(const CoupledModes& system, const state_type& M, double t, state_type& out, double dt,
                     state_type& error_estimate) {
  begin(system, M, t);
  // Newton's method stops where it can do no better: the caller gave no tolerance.
  if (!attempt(dt, {1e-26, 0}))
    throw std::runtime_error(fmt::format("sdirk4: no stable step of size {} at t = {}; take a smaller one", dt, t));
  error_estimate.resize(M.size());
  error(error_estimate);
  accept();
  const auto x = state();
  out.assign(x.begin(), x.end());
}
void Sdirk4::do_step(const CoupledModes& system, state_type& M, double t, double dt, state_type& error_estimate) {
  do_step(system, M, t, M, dt, error_estimate);
}
void Sdirk4::do_step(const CoupledModes& system, const state_type& M, double t, state_type& out, double dt) {
  state_type unused;
  do_step(system, M, t, out, dt, unused);
}
void Sdirk4::do_step(const CoupledModes& system, state_type& M, double t, double dt) {
  do_step(system, M, t, M, dt);
}

StepResult Sdirk4Controlled::try_step(const CoupledModes& system, state_type& M, double& t, double& dt) {
  stepper_.begin(system, M, t);
  if (!stepper_.attempt(dt, tolerances_)) {
    ++stepper_.statistics().rejected;
    dt *= 0.25;
    return {false};
  }
  if (stepper_.error_ratio() > 1) {
    ++stepper_.statistics().rejected;
    dt = control_.rejected(dt, stepper_.error_ratio());
    return {false};
  }
  stepper_.accept();
  const auto x = stepper_.state();
  M.assign(x.begin(), x.end());
  t += dt;
  dt = control_.accepted(dt, stepper_.error_ratio());
  return {true};
}

void Sdirk4Controlled::reset() {
  stepper_.reset();
  control_.reset();
}

void Sdirk4DenseOutput::initialize(const state_type& M, double t, double dt) {
  initial_ = M;
  control_.start(t, dt);
  started_ = false;
}

void Sdirk4DenseOutput::reset() {
  stepper_.reset();
  control_.reset();
}

std::pair<double, double> Sdirk4DenseOutput::do_step(const CoupledModes& system) {
  if (!started_) {
    stepper_.begin(system, initial_, control_.time());
    if (!(control_.next_step() > 0)) control_.set_next_step(stepper_.suggest_step());
    started_ = true;
  }
  control_.advance(
      [this](double h) {
        return stepper_.attempt(h, tolerances_) ? std::optional(stepper_.error_ratio()) : std::nullopt;
      },
      stepper_.statistics());
  stepper_.accept();
  return {control_.previous_time(), control_.time()};
}

void Sdirk4DenseOutput::calc_state(double t, state_type& M) const {
  if (!started_) {
    M = initial_;
    return;
  }
  M.resize(initial_.size());
  stepper_.interpolate(t, M);
}

const Sdirk4DenseOutput::state_type& Sdirk4DenseOutput::current_state() const {
  if (!started_) return initial_;
  const auto x = stepper_.state();
  current_.assign(x.begin(), x.end());
  return current_;
}

const Sdirk4DenseOutput::state_type& Sdirk4DenseOutput::previous_state() const {
  calc_state(control_.previous_time(), previous_);
  return previous_;
}

}  // namespace edgewise::solvers
