#include "cli/commands/schedule_scores.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

using namespace edgewise;
using cli::ScoredShape;

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

/// Shapes of two families, the best first; the base of the first is the least that was tried.
std::vector<ScoredShape> shapes() {
  return {{"linear", {{{"shape", 3}}, 0.25, 0.5, 2}, {0.125, 0.5, 1.5}, {4, 6, infinite}, 4, 0.125},
          {"linear", {{{"shape", 5}}, 0, 0.75, 2.5}, {0.75}, {5}, 5, 0.75},
          {"cosine", {{}, 0, 0.375, 3}, {0.0625, 0.375, 1}, {infinite, 7, 8}, 7, 0.375},
          {"steps", {{}, 0, 0.5, 9}, {0.25, 0.5}, {infinite, infinite}, infinite, 0.5}};
}

}  // namespace

TEST_CASE("scores are printed of the best shape of every family, against the best of all") {
  CHECK(cli::scores_text(shapes(), 11) ==
        R"(  scores: median of 11 seeds at the best base rate, of every family's best shape
  family                          score                 base       theory   its base
  linear                              4       +0%      0.125            2        0.5  (at the end of the base rates tried)
  cosine                              7      +75%      0.375            3      0.375
  steps                             inf                  0.5            9        0.5  (at the end of the base rates tried)
)");
  // Of one base rate that was tried none is at an end.
  std::vector<ScoredShape> one = shapes();
  one.erase(one.begin());
  one.resize(1);
  CHECK(
      cli::scores_text(one, 3).ends_with("\n  linear                              5       +0%       0.75          "
                                         "2.5       0.75\n"));
  // Against a score of 0 there is no share.
  one.front().score = 0;
  CHECK(
      cli::scores_text(one, 3).ends_with("\n  linear                              0                 0.75          "
                                         "2.5       0.75\n"));
}

TEST_CASE("scores as JSON: every shape, with what was tried") {
  CHECK(cli::scores_json(shapes()) == cli::Json::parse(R"([
    {"family": "linear", "score": 4.0, "base": 0.125, "warmup": 0.25, "theory": 2.0, "theory_base": 0.5,
     "parameters": {"shape": 3.0},
     "bases": [{"base": 0.125, "median": 4.0}, {"base": 0.5, "median": 6.0}, {"base": 1.5, "median": "inf"}]},
    {"family": "linear", "score": 5.0, "base": 0.75, "warmup": 0.0, "theory": 2.5, "theory_base": 0.75,
     "parameters": {"shape": 5.0}, "bases": [{"base": 0.75, "median": 5.0}]},
    {"family": "cosine", "score": 7.0, "base": 0.375, "warmup": 0.0, "theory": 3.0, "theory_base": 0.375,
     "bases": [{"base": 0.0625, "median": "inf"}, {"base": 0.375, "median": 7.0}, {"base": 1.0, "median": 8.0}]},
    {"family": "steps", "score": "inf", "base": 0.5, "warmup": 0.0, "theory": 9.0, "theory_base": 0.5,
     "bases": [{"base": 0.25, "median": "inf"}, {"base": 0.5, "median": "inf"}]}])"));
}

TEST_CASE("scores as they are drawn: of every family all scores, and the base rates of its best over the theory's") {
  const std::vector<cli::ShapeScores> drawn = cli::drawn_scores(shapes());
  using Numbers = std::vector<double>;
  REQUIRE(drawn.size() == 3);
  CHECK(drawn[0].family == "linear");
  CHECK(drawn[0].scores == Numbers{4, 5});
  CHECK(drawn[0].factors == Numbers{0.25, 1, 3});
  CHECK(drawn[0].medians == Numbers{4, 6, infinite});
  CHECK(drawn[1].family == "cosine");
  CHECK(drawn[1].scores == Numbers{7});
  CHECK(drawn[1].factors == Numbers{0.0625 / 0.375, 1, 1 / 0.375});
  CHECK(drawn[2].family == "steps");
  CHECK(drawn[2].scores == Numbers{infinite});
}
