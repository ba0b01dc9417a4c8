#include "models/ingredients/curvature_part.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace edgewise::models::ingredients {

std::vector<settings::Parameter> penalty_parameters(settings::Parameter rate, std::vector<settings::Parameter> more) {
  std::vector<settings::Parameter> out{
      std::move(rate), settings::number("rho", "strength").at_least(0).must(),
      settings::text("part", "A: full H, its gauss-newton part, or what that neglects")
          .one_of({"full", "gauss-newton", "neglected"})
          .otherwise(std::string("full")),
      settings::boolean("normalised", "rho A g/|g|, the gradient of rho |g|").otherwise(false)};
  std::ranges::move(more, std::back_inserter(out));
  return out;
}

CurvaturePart read_curvature_part(const settings::Values& optimizer, CurvaturePart otherwise) {
  if (!optimizer.has("part")) return otherwise;
  const std::string& part = optimizer.text("part");
  if (part == "full") return CurvaturePart::hessian;
  return part == "neglected" ? CurvaturePart::neglected : CurvaturePart::gauss_newton;
}

settings::Parameter deviation_parameter() {
  return settings::number("deviation", "s").at_least(0).must();
}

std::vector<std::pair<std::string, std::string>> curvature_starts(double rho, double deviation) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const char* kind : {"sam", "functional-sam", "logit-sam", "gradient-penalty"})
    out.emplace_back(kind, fmt::format("optimizer.rho = {}", rho));
  for (const char* kind : {"weight-noise", "gauss-newton-trace", "hessian-trace"})
    out.emplace_back(kind, fmt::format("optimizer.deviation = {}", deviation));
  return out;
}

}  // namespace edgewise::models::ingredients
