// What an update adds to the Hessian at the edge, and where replicas start.
#include "models/network/problem.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <utility>
#include <vector>

#include "models/framework/perturbed.hpp"

using namespace edgewise;
using namespace edgewise::models::network;
using models::ingredients::CurvaturePart;

TEST_CASE("updates that ascend, and the part of the Hessian that they see") {
  NetworkProblem p;
  p.rule.part = CurvaturePart::gauss_newton;
  struct Row {
    UpdateKind kind;
    bool ascent;
    CurvaturePart part;
  };
  for (const Row& row : {Row{UpdateKind::plain, false, CurvaturePart::hessian},
                         {UpdateKind::sam, true, CurvaturePart::hessian},
                         {UpdateKind::functional_sam, true, CurvaturePart::neglected},
                         {UpdateKind::logit_sam, true, CurvaturePart::gauss_newton},
                         {UpdateKind::penalty, true, CurvaturePart::gauss_newton},
                         {UpdateKind::weight_noise, false, CurvaturePart::hessian}}) {
    p.rule.kind = row.kind;
    CAPTURE(static_cast<int>(row.kind));
    CHECK(p.has_ascent() == row.ascent);
    CHECK(p.ascent_part() == row.part);
  }
  p.rule.part = CurvaturePart::hessian;
  p.rule.kind = UpdateKind::penalty;
  CHECK(p.ascent_part() == CurvaturePart::hessian);
}

TEST_CASE("replicas start from their own draw, or that of replica 0, moved by the perturbation") {
  using models::ingredients::networks::Network;
  NetworkProblem p;
  p.network = std::make_shared<const Network>(models::ingredients::networks::Architecture{2, {{3, {}}, {1, {}}}});
  const auto drawn = [&](std::uint64_t replica) {
    random::Stream stream(5, replica, 0, random::Purpose::initial);
    return p.network->draw(stream);
  };
  CHECK(p.start(5, 2) == drawn(2));
  p.perturbation = 0.25;
  for (const bool shared : {false, true}) {
    p.shared_start = shared;
    std::vector<double> expected = drawn(shared ? 0 : 2);
    const std::vector<double> by = models::perturbation(expected.size(), 0.25, 5);
    for (std::size_t k = 0; k < by.size(); ++k) expected[k] += by[k];
    CHECK(p.start(5, 2) == expected);
  }
}
