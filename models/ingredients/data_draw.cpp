#include "models/ingredients/data_draw.hpp"

#include <cstdint>
#include <numbers>
#include <stdexcept>

namespace edgewise::models::ingredients {

DataDraw::DataDraw(const std::string& law, std::size_t size) {
  if (law == "gaussian") {
    draw_ = [](random::Stream& s, std::span<double> z, std::span<double>) { s.normals(z); };
  } else if (law == "rademacher") {
    draw_ = [](random::Stream& s, std::span<double> z, std::span<double>) {
      for (std::size_t i = 0; i < z.size(); i += 64)
        for (std::uint64_t bits = s.bits(), j = 0; j < 64; ++j, bits >>= 1) z[i + j] = bits & 1 ? 1 : -1;
    };
  } else if (law == "uniform") {
    draw_ = [](random::Stream& s, std::span<double> z, std::span<double>) {
      s.uniforms(z);
      for (double& x : z) x = 2 * std::numbers::sqrt3 * (x - 0.5);
    };
  } else if (law == "laplace") {
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
    throw std::invalid_argument("data.law: '" + law +
                                "' has no sampler; accepted: gaussian, rademacher, uniform, laplace, rows");
  }
}

}  // namespace edgewise::models::ingredients
