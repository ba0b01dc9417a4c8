// Built at -O1: nothing here takes time.
#include "models/network/problem.hpp"

#include "models/framework/perturbed.hpp"

namespace edgewise::models::network {

using ingredients::CurvaturePart;

bool NetworkProblem::has_ascent() const {
  switch (rule.kind) {
    case UpdateKind::sam:
    case UpdateKind::functional_sam:
    case UpdateKind::logit_sam:
    case UpdateKind::penalty:
      return true;
    default:
      return false;
  }
}

CurvaturePart NetworkProblem::ascent_part() const {
  switch (rule.kind) {
    case UpdateKind::functional_sam:
      return CurvaturePart::neglected;
    case UpdateKind::logit_sam:
      return CurvaturePart::gauss_newton;
    case UpdateKind::penalty:
      return rule.part;
    default:
      return CurvaturePart::hessian;
  }
}

std::vector<double> NetworkProblem::start(std::uint64_t of_seed, std::uint64_t replica) const {
  random::Stream stream(of_seed, shared_start ? 0 : replica, 0, random::Purpose::initial);
  std::vector<double> theta = network->draw(stream);
  if (perturbation == 0) return theta;
  const std::vector<double> moved = models::perturbation(theta.size(), perturbation, of_seed);
  for (std::size_t k = 0; k < theta.size(); ++k) theta[k] += moved[k];
  return theta;
}

}  // namespace edgewise::models::network
