// Built at -O1: nothing here takes time.
#include "models/muon/phases.hpp"

#include <algorithm>
#include <cmath>

namespace edgewise::models::muon {

double root_trace(const spectra::Spectrum& s) {
  double sum = 0;
  for (std::size_t a = 0; a < s.modes(); ++a) sum += s.multiplicity[a] * std::sqrt(s.eigenvalue[a]);
  return sum;
}

std::optional<PredictedExponent> predicted_exponent(const MatrixLeastSquares& problem, const PowerLaw& law) {
  const bool svd = problem.map == UpdateMap::signsvd;
  const double alpha = law.alpha, g = law.signal();
  if ((!svd && problem.map != UpdateMap::signsgd) || !(g > 0) || !problem.schedule->constant()) return std::nullopt;
  PredictedExponent out;
  const double unit = problem.time_unit();
  switch (problem.protocol) {
    case Protocol::adaptive: {
      if (!(alpha > 0.5)) return std::nullopt;
      const double memory = svd ? 2 * alpha - 1 : 4 * alpha - 1;
      out.exponent = std::min(g, memory) / (svd ? alpha : 2 * alpha);
      out.limited_by = g <= memory ? "signal" : "noise memory";
      if (svd) {
        const double start = root_trace(problem.spectrum);
        out.from = 30 * start;
        out.to = std::pow(law.n, alpha) * start / 30;
      } else {
        out.from = 100;
        out.to = std::min(1e4, std::pow(law.n, 2 * alpha) / 30);
      }
      break;
    }
    case Protocol::constant_optimal: {
      if (!(alpha > 0.5)) return std::nullopt;
      const double floor = svd ? 2 * alpha : 4 * alpha;
      out.exponent = std::min(g, floor) / (svd ? std::max(1.0, alpha) : 2 * alpha);
      out.limited_by = g <= floor ? "signal" : "noise floor";
      out.from = std::pow(10, 3.5);
      out.to = 1e5;
      break;
    }
    case Protocol::local_equilibrium: {
      // P = J^-g at the time that J modes take.
      const double growth =
          alpha > 0.5 ? (svd ? std::max(1.0, alpha) : 2 * alpha) : (svd ? 2 * alpha : std::min(1.0, 4 * alpha));
      const double last = alpha > 0.5 ? std::pow(law.n, growth) : law.n;
      out.exponent = g / growth;
      out.limited_by = "signal";
      out.conjectured = true;
      out.to = last / 30;
      out.from = std::min(100.0, out.to);
      break;
    }
    case Protocol::constant:
      return std::nullopt;
  }
  out.from *= unit;
  out.to *= unit;
  return out;
}

char predicted_phase(double alpha, double beta, bool deep) {
  if (alpha + beta <= 0.5) return '-';
  if (alpha < 0.5) return 'S';
  if (alpha > 1 && beta < alpha - 0.5) return 'V';
  if (deep) return 'T';
  if (alpha < 1) return 2 * beta > (2 * alpha - 1) * (2 * alpha - 1) ? 'S' : 'T';
  return alpha < 1.5 ? 'S' : 'T';
}

}  // namespace edgewise::models::muon
