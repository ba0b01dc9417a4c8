// Three modes under Gaussian noise, for rules whose algorithms tests write out.
#pragma once

#include <array>
#include <string>

namespace edgewise::tests::three_modes {

using Vector = std::array<double, 3>;
inline constexpr Vector lambda{1, 0.5, 0.2}, start{1, 0.8, 1.3};
inline const std::string problem_text = R"(
model = "least-squares"
[spectrum]
kind = "list"
eigenvalues = [1.0, 0.5, 0.2]
target_power = [1.0, 0.64, 1.69]
[noise]
law = "gaussian"
variance = 0.25
[time]
at = [1, 4]
)";
/// Keys of [rate].
inline const std::string momo = "kind = \"momo\"\nbeta = 0.7\neta_max = 1.5\nf_min = 0.02";

inline double inner(const Vector& a, const Vector& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

}  // namespace edgewise::tests::three_modes
