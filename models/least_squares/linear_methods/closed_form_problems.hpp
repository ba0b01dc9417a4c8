#pragma once
/// \file
/// Problems of the linear family whose numbers are known, and the list of closed forms that their parts add to.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/framework/closed_form_list.hpp"
#include "models/least_squares/linear_methods/linear_theory.hpp"
#include "settings/theory_source.hpp"

namespace edgewise::models::least_squares::linear_forms {

using Pair = ClosedFormList::Pair;
using Data = std::shared_ptr<const LeastSquares>;

/// Gaussian noise of variance sigma2, from theta = 0.
Data data_of(spectra::Spectrum spectrum, double sigma2);
/// lambda_j = j^(-2 alpha), theta*_j = j^(-beta), j = 1..d.
Data power_law(std::int64_t d, double alpha, double beta, double sigma2);
Data isotropic(double d, double sigma2, double power = 1, double eigenvalue = 1);
/// Problem R of docs/theory/two-phase.md, section 10.
Data problem_R(double sigma2 = 0.05);
/// `optimizer`: the section [optimizer] of an experiment file, without its kind.
LinearProblem problem_of(Data data, const std::string& method, const std::string& optimizer);

/// Observable `column` after `step` steps.
double observed(const LinearProblem& problem, std::uint64_t step, std::size_t column = 1);
/// Excess risk of the steady state.
double steady(const LinearProblem& problem);
/// Kernel norm.
double perron(const LinearProblem& problem);

/// Sections of docs/theory/two-phase.md and docs/theory/least-squares-sgd.md.
inline std::string two_phase(std::string_view sections) {
  return settings::theory_source("two-phase", sections);
}
inline std::string spine(std::string_view sections) {
  return settings::theory_source("least-squares-sgd", sections);
}

/// Mean maps (docs/theory/two-phase.md, section 4), momentum, decay and averages (docs/theory/least-squares-sgd.md,
/// sections 5, 6); in momentum_closed_forms.cpp.
void add_momentum_forms(ClosedFormList& table);

}  // namespace edgewise::models::least_squares::linear_forms
