// Built at -O1: nothing here takes time.
#include "models/network/problem.hpp"

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
  return network->draw(stream);
}

}  // namespace edgewise::models::network
