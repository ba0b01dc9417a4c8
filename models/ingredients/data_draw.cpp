#include "models/ingredients/data_draw.hpp"

#include <cstdint>
#include <numbers>
#include <stdexcept>

namespace edgewise::models::ingredients {

const settings::Words<InputLaw>& input_laws() {
  static const settings::Words<InputLaw> words = {{"gaussian", InputLaw::gaussian},
                                                  {"rademacher", InputLaw::rademacher},
                                                  {"uniform", InputLaw::uniform},
                                                  {"laplace", InputLaw::laplace},
                                                  {"rows", InputLaw::rows}};
  return words;
}

EvenMoments even_moments(InputLaw law) {
  switch (law) {
    case InputLaw::rademacher:
      return {1, 1, 1};
    case InputLaw::uniform:  // 3^k/(2k + 1)
      return {9. / 5, 27. / 7, 9};
    case InputLaw::laplace:  // (2k)!/2^k
      return {6, 90, 2520};
    default:
      return {};
  }
}

double words_of(InputLaw law) {
  if (law == InputLaw::rademacher) return 1.0 / 64;
  return law == InputLaw::laplace ? 4 : 1;
}

DataDraw::DataDraw(InputLaw law, std::size_t size) {
  if (law == InputLaw::gaussian) {
    draw_ = [](random::Stream& s, std::span<double> z, std::span<double>) { s.normals(z); };
  } else if (law == InputLaw::rademacher) {
    draw_ = [](random::Stream& s, std::span<double> z, std::span<double>) {
      for (std::size_t i = 0; i < z.size(); i += 64)
        for (std::uint64_t bits = s.bits(), j = 0; j < 64; ++j, bits >>= 1) z[i + j] = bits & 1 ? 1 : -1;
    };
  } else if (law == InputLaw::uniform) {
    draw_ = [](random::Stream& s, std::span<double> z, std::span<double>) {
      s.uniforms(z);
      for (double& x : z) x = 2 * std::numbers::sqrt3 * (x - 0.5);
    };
  } else if (law == InputLaw::laplace) {
    // z1 z2 + z3 z4 of four normals has the Laplace law of variance 2.
    scratch_.resize(3 * size);
    draw_ = [](random::Stream& s, std::span<double> z, std::span<double> more) {
      s.normals(z);
      s.normals(more);
      const std::size_t n = z.size();
      for (std::size_t i = 0; i < n; ++i)
        z[i] = (z[i] * more[i] + more[n + i] * more[2 * n + i]) * (1 / std::numbers::sqrt2);
    };
  } else {
    throw std::invalid_argument("data.law: rows are drawn from their data set, not one by one");
  }
}

}  // namespace edgewise::models::ingredients
