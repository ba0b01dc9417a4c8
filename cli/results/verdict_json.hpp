#pragma once
/// \file
/// A verdict as `validate --format json` prints it.
#include "cli/results/json.hpp"
#include "cli/results/results.hpp"
#include "validation/verdicts/verdict.hpp"

namespace edgewise::cli {

/// \param result  what is written of it, for the provenance
Json verdict_json(const validation::Verdict& verdict, const Result& result);

}  // namespace edgewise::cli
