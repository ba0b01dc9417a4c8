/// Loss curves of users: a table is taken, with curves that keep what is promised of them, or refused.
#include <cmath>
#include <string>
#include <vector>

#include "tests/fuzz/reader.hpp"
#include "validation/collapse/loss_curves.hpp"

using namespace edgewise;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<validation::CurveTable> tables{{"input.csv", std::string(fuzz::text_of(data, size))}};
  fuzz::take_or_refuse("input.csv", [&] {
    const validation::LossCurves curves = validation::read_loss_curves(tables);
    fuzz::require(!curves.groups.empty(), "a table that is taken holds a curve");
    for (const validation::CurveGroup& group : curves.groups)
      for (const validation::LossCurve& curve : group.curves) {
        const std::size_t n = curve.step.size();
        fuzz::require(n >= 2 && curve.compute.size() == n && curve.loss.size() == n,
                      "a curve's columns have one length");
        for (const auto* column : {&curve.rate, &curve.noise})
          fuzz::require(column->empty() || column->size() == n, "rates and noise are of every step, or of none");
        fuzz::require(curve.size > 0 && std::isfinite(curve.size), "sizes are positive");
        for (std::size_t i = 0; i < n; ++i) {
          fuzz::require(curve.loss[i] > 0 && std::isfinite(curve.loss[i]) && std::isfinite(curve.compute[i]),
                        "losses are positive, and numbers");
          fuzz::require(i == 0 || (curve.step[i] > curve.step[i - 1] && curve.compute[i] >= curve.compute[i - 1]),
                        "steps increase");
        }
      }
  });
  return 0;
}
