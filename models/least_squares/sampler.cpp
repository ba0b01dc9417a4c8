// Built at -O1: nothing here takes time.
#include "models/least_squares/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "models/least_squares/least_squares.hpp"
#include "numerics/whole.hpp"
#include "spectra/compressed.hpp"

namespace edgewise::models::least_squares {

namespace {

/// Cost of a perpendicular chi-square in the block simulator, in units of one coordinate of the expanded one
/// (measured).
constexpr double block_cost = 8;
/// Beyond this the coordinates of one replica would fill gigabytes.
constexpr double most_coordinates = 1e8;

[[noreturn]] void refuse(Sampler sampler, const std::string& why) {
  throw std::invalid_argument("monte_carlo.sampler: '" + settings::word_of(samplers(), sampler) + "' " + why);
}

Sampler exact_in_law(const LeastSquares& problem, double batch, Sampler asked, bool family) {
  const bool rows = problem.data.rows(), gaussian_data = problem.data.gaussian();
  const bool gaussian_noise = !problem.noise || problem.noise->gaussian();
  const bool automatic = asked == Sampler::automatic;
  if (family) {
    if (rows)
      throw std::invalid_argument(
          "data.law: real rows are simulated for optimizer sgd only; use gaussian, rademacher, uniform or laplace");
    if (asked == Sampler::block || asked == Sampler::rows)
      refuse(asked, "is for optimizer sgd only; accepted here: auto, exact, batch, naive");
  }
  if (asked == Sampler::rows && !rows)
    refuse(asked, "needs data.law = \"rows\" (here \"" + problem.data.name() + "\")");
  if (rows && asked != Sampler::rows && !automatic)
    refuse(asked, "cannot draw data.law = \"rows\"; use rows or auto, or data.law = \"gaussian\"");
  if (!gaussian_data && !rows && !automatic && asked != Sampler::naive)
    refuse(asked, "needs data.law = \"gaussian\" (here \"" + problem.data.name() + "\"); use naive or auto");
  if (!gaussian_noise && asked == Sampler::exact)
    refuse(asked, "needs Gaussian label noise (noise.law is \"" + problem.noise->name() + "\"); use batch, " +
                      (family ? "" : "block, ") + "naive or auto");
  const ingredients::RateNeeds needs = problem.rate_rule ? problem.rate_rule->needs() : ingredients::RateNeeds{};
  const bool each = needs.distance || (problem.rate_rule && problem.rate_rule->averaging() > 0);  // coordinate
  if (std::isinf(batch)) return Sampler::descent;
  if (rows && (needs.nearness || needs.descent))
    throw std::invalid_argument(
        "rate.kind: this rule knows expectations that are not computed for data.law = \"rows\"; use another rule, or "
        "data.law = \"gaussian\"");
  if (asked == Sampler::block && (each || by_coordinates(problem)))
    refuse(asked,
           "does not know the distance from the start, nor averages of gradients, which [rate] needs; use exact, "
           "batch, naive or auto");
  if (!automatic) return asked;
  if (rows) return Sampler::rows;
  if (!gaussian_data) return Sampler::naive;
  const auto& n = problem.spectrum.multiplicity;
  const auto repeated = static_cast<double>(std::ranges::count_if(n, [](double m) { return m > 1; }));
  if (!family && !each && !by_coordinates(problem) &&
      static_cast<double>(n.size()) + block_cost * repeated < problem.spectrum.dimension())
    return Sampler::block;
  return gaussian_noise ? Sampler::exact : Sampler::batch;
}

}  // namespace

const settings::Words<Sampler>& samplers() {
  static const settings::Words<Sampler> words = {{"auto", Sampler::automatic},
                                                 {"exact", Sampler::exact},
                                                 {"block", Sampler::block},
                                                 {"batch", Sampler::batch},
                                                 {"naive", Sampler::naive},
                                                 {"rows", Sampler::rows},
                                                 {"gradient descent", Sampler::descent}};
  return words;
}

Sampler chosen_sampler(const LeastSquares& problem, double batch, Sampler asked, bool family) {
  const spectra::Spectrum& spectrum = problem.spectrum;
  const Sampler sampler = exact_in_law(problem, batch, asked, family);
  const bool descent = sampler == Sampler::descent;
  if (descent && !by_coordinates(problem)) return sampler;
  if (spectrum.compressed) throw std::invalid_argument(spectra::kept_by(spectrum, "cannot be simulated"));
  if (!descent && (!(batch >= 1) || !numerics::is_whole(batch)))
    throw std::invalid_argument("optimizer.batch: must be a whole number >= 1, or inf (here " +
                                settings::text_of(batch) + ")");
  for (std::size_t a = 0; a < spectrum.modes(); ++a)
    if (!(spectrum.multiplicity[a] >= 1) || !numerics::is_whole(spectrum.multiplicity[a]))
      throw std::invalid_argument("spectrum.multiplicities: must be whole numbers >= 1 to be simulated (mode " +
                                  std::to_string(a + 1) + " has " + settings::text_of(spectrum.multiplicity[a]) + ")");
  if (sampler != Sampler::block && sampler != Sampler::rows && spectrum.dimension() > most_coordinates)
    throw std::invalid_argument("spectrum.dimension: " + settings::text_of(spectrum.dimension()) +
                                " coordinates are too many for this sampler (most: 1e8)" +
                                (family ? "" : "; equal eigenvalues allow monte_carlo.sampler = \"block\""));
  return sampler;
}

}  // namespace edgewise::models::least_squares
