// Base updates against their definition, at gradients of 0, and on their edge.
#include "models/ingredients/base_update.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::models::ingredients;
using edgewise::tests::Approx;

TEST_CASE("base updates are their definition, step by step") {
  const std::vector<std::vector<double>> gradients{{.3, -2, 0}, {-.1, 1, 0}, {4, 0, 1e-9}, {0, -1e-3, 2}};
  for (const BaseUpdate& base :
       {BaseUpdate{}, BaseUpdate{.momentum = .7}, BaseUpdate{true, 0, 0, .9, .01}, BaseUpdate{true, 0, .8, .9, 1e-8}}) {
    CAPTURE(base.adaptive);
    CAPTURE(base.beta1);
    BaseRun run(base, 3);
    CHECK(run.preconditioner().empty());
    std::vector<double> m(3), v(3);
    for (std::size_t k = 0; k < gradients.size(); ++k) {
      std::vector<double> along = gradients[k];
      run.turn(along);
      const double steps = static_cast<double>(k) + 1;
      for (std::size_t i = 0; i < 3; ++i) {
        const double g = gradients[k][i];
        if (!base.adaptive) {
          m[i] = base.momentum * m[i] + g;
          CHECK(along[i] == Approx(m[i]).epsilon(1e-14));
          continue;
        }
        m[i] = base.beta1 * m[i] + (1 - base.beta1) * g;
        v[i] = base.beta2 * v[i] + (1 - base.beta2) * g * g;
        const double P = std::sqrt(v[i] / (1 - std::pow(base.beta2, steps))) + base.epsilon;
        CHECK(along[i] == Approx(m[i] / (1 - std::pow(base.beta1, steps)) / P).epsilon(1e-13));
        CHECK(run.preconditioner()[i] == Approx(P).epsilon(1e-13));
      }
      CHECK(run.preconditioner().empty() == !base.adaptive);
    }
  }
}

TEST_CASE("where there was no gradient a base update does not move, without a division by 0") {
  for (const BaseUpdate& base : {BaseUpdate{}, BaseUpdate{.momentum = .7}, BaseUpdate{true, 0, .9, .999, 1e-300}}) {
    BaseRun run(base, 2);
    for (int k = 0; k < 3; ++k) {
      std::vector<double> along{0, 0};
      run.turn(along);
      CHECK(along == std::vector<double>{0, 0});
    }
  }
}

TEST_CASE("a mode of curvature 1 is stable under a base update's own edge, and not above") {
  for (const BaseUpdate& base : {BaseUpdate{}, BaseUpdate{.momentum = .9}, BaseUpdate{true, 0, .9, .999, 1e-8}})
    for (const double side : {.99, 1.01}) {
      // A preconditioner that stays is units: x' = x - eta m.
      const double eta = 2 * base.edge_factor() * side, kept = base.adaptive ? base.beta1 : base.momentum;
      double x = 1, m = 0;
      for (int k = 0; k < 4000; ++k) x -= eta * (m = kept * m + (base.adaptive ? 1 - kept : 1) * x);
      CHECK((std::abs(x) < 1) == (side < 1));
    }
  CHECK(BaseUpdate{}.plain());
  CHECK(!BaseUpdate{.momentum = .1}.plain());
  CHECK(!BaseUpdate{.adaptive = true}.plain());
}
