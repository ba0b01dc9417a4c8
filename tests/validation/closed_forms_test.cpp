#include "validation/closed_forms.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <stdexcept>

#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using edgewise::tests::Approx;

namespace {

class Fake final : public models::Model {
 public:
  const settings::Description& description() const override { return description_; }
  std::span<const std::string> sections() const override { return {}; }
  std::span<const models::Observable> observables() const override { return {}; }
  std::vector<models::ClosedForm> closed_forms() const override {
    return {
        {"fake/right", "2", "s", 1e-12, [] { return std::pair(2.0, 2.0 + 1e-13); }},
        {"fake/wrong", "2", "s", 1e-12, [] { return std::pair(2.0, 2.1); }},
        {"fake/zero", "0", "s", 1e-12, [] { return std::pair(0.0, 1e-13); }},
        {"fake/nan", "1", "s", 1e12, [] { return std::pair(1.0, std::numeric_limits<double>::quiet_NaN()); }},
        {"fake/infinite", "inf", "s", 0,
         [] { return std::pair(std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()); }},
        {"fake/half-infinite", "inf", "s", 1, [] { return std::pair(std::numeric_limits<double>::infinity(), 1.0); }},
        {"fake/throws", "1", "s", 1,
         []() -> std::pair<double, double> { throw std::runtime_error("no convergence"); }}};
  }
  std::unique_ptr<models::Problem> build(const models::Experiment&) const override { return nullptr; }

 private:
  settings::Description description_;
};

std::vector<ClosedFormResult> run(std::string_view pattern) {
  static const Fake fake;
  static const std::vector<const models::Model*> models{&fake};
  return closed_forms(models, pattern);
}

bool pass(const std::string& name) {
  const auto rows = run(name);
  REQUIRE(rows.size() == 1);
  return rows.front().pass;
}

}  // namespace

TEST_CASE("a closed form passes within its tolerance; a NaN or an exception never does") {
  CHECK(pass("fake/right"));
  CHECK_FALSE(pass("fake/wrong"));
  CHECK(pass("fake/zero"));
  CHECK_FALSE(pass("fake/nan"));
  CHECK(pass("fake/infinite"));
  CHECK_FALSE(pass("fake/half-infinite"));
  CHECK_FALSE(pass("fake/throws"));
  CHECK(run("fake/throws").front().failure == "no convergence");
  CHECK(run("fake/wrong").front().error == Approx(0.05));
}

TEST_CASE("patterns") {
  CHECK(run("").size() == 7);
  CHECK(run("infinite").size() == 2);
  CHECK(run("fake/*infinite").size() == 2);
  CHECK(run("nothing").empty());
  CHECK(fits("least-squares/isotropic-risk", "least-squares/*"));
  CHECK(fits("least-squares/isotropic-risk", "*risk"));
  CHECK(fits("least-squares/isotropic-risk", "*iso*risk*"));
  CHECK(fits("abc", "a?c"));
  CHECK_FALSE(fits("abc", "a?"));
  CHECK_FALSE(fits("abc", "b*"));
  CHECK_FALSE(fits("abc", "*x*"));
  CHECK(fits("", "*"));
}

TEST_CASE("progress reaches one") {
  static const Fake fake;
  const std::vector<const models::Model*> models{&fake};
  double last = 0;
  closed_forms(models, "", [&](double done) {
    CHECK(done > last);
    last = done;
  });
  CHECK(last == 1);
}
