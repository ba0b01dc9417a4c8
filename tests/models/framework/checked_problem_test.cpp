// Results hold numbers: what overflows is divergence, what is none from the start an error that names the file.
#include "models/framework/checked_problem.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>

#include "tests/models/framework/experiment_text.hpp"

using namespace edgewise;
using namespace edgewise::models;

namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();

Trajectory trajectory(std::vector<double> first, std::vector<double> second) {
  Trajectory out;
  for (std::size_t k = 0; k < first.size(); ++k) out.steps.push_back(10.0 * static_cast<double>(k));
  out.columns = {{{"one", "", ""}, std::move(first), {}}, {{"two", "", ""}, std::move(second), {}}};
  return out;
}

class Fixed final : public Problem {
 public:
  explicit Fixed(Trajectory t, bool fails = false) : trajectory_(std::move(t)), fails_(fails) {}
  Trajectory solve() const override { return trajectory_; }
  std::unique_ptr<Simulation> simulate() const override { return nullptr; }
  std::vector<Finding> stability() const override {
    if (fails_) throw std::domain_error("no root");
    return {{"found", 3.0, ""}};
  }
  std::vector<ModeColumn> mode_table() const override { throw settings::Error("x.toml: said already"); }
  std::vector<Prediction> predictions() const override { return {std::vector<Prediction>().at(1)}; }
  std::vector<std::string> warnings() const override { return {"careful"}; }

 private:
  Trajectory trajectory_;
  bool fails_;
};

}  // namespace

TEST_CASE("a trajectory ends before the first step at which a number is lost") {
  const Trajectory whole = up_to_overflow(trajectory({1, 2, 3}, {4, 5, 6}));
  CHECK(whole.steps.size() == 3);
  CHECK_FALSE(whole.diverged_at);
  for (const double lost : {none, inf, -inf}) {
    const Trajectory cut = up_to_overflow(trajectory({1, 2, 3, 4}, {4, 5, lost, 7}));
    CHECK(cut.steps == std::vector<double>{0, 10});
    CHECK(cut.diverged_at == 20);
    for (const Column& column : cut.columns) CHECK(column.value.size() == 2);
  }
  // The earliest of all columns, and of what the model noticed itself.
  CHECK(up_to_overflow(trajectory({1, 2, 3, inf}, {4, inf, 6, 7})).diverged_at == 10);
  Trajectory noticed = trajectory({1, 2, 3, inf}, {4, 5, 6, 7});
  noticed.diverged_at = 25;
  CHECK(up_to_overflow(noticed).diverged_at == 25);
  CHECK(up_to_overflow(noticed).steps.size() == 3);
  noticed.diverged_at = 45;
  CHECK(up_to_overflow(noticed).diverged_at == 30);
  // An unknown standard deviation is none that is finite.
  Trajectory banded = trajectory({1, 2, 3}, {4, 5, 6});
  banded.columns[0].std = {0, 1, none};
  CHECK(up_to_overflow(banded).columns[0].std == std::vector<double>{0, 1, inf});
}

TEST_CASE("a start that is no number is an error") {
  CHECK_THROWS_WITH_AS(up_to_overflow(trajectory({none, 2}, {1, 1})),
                       "the theory's one is not a number at the start: the parameters are out of range",
                       std::runtime_error);
  CHECK_THROWS_WITH_AS(up_to_overflow(trajectory({1}, {inf})),
                       "the theory's two overflows at the start: the parameters are out of range", std::runtime_error);
  // What is defined from a later step on, as an exponent is, begins there.
  CHECK(up_to_overflow(trajectory({1, 2, 3}, {none, 1, 2})).steps.size() == 3);
  CHECK(up_to_overflow(trajectory({1, 2, 3}, {none, 1, inf})).diverged_at == 20);
  // What is claimed from a later step on, or never, may be undefined before; overflow is none of that, nor is it of what
  // is solved for.
  Trajectory partly = trajectory({1, 2, 3, 4}, {4, none, 6, none});
  partly.columns[1].valid_from = inf;
  CHECK(up_to_overflow(partly).steps.size() == 4);
  CHECK_FALSE(up_to_overflow(partly).diverged_at);
  partly.columns[1].valid_from = 20;
  CHECK(up_to_overflow(partly).diverged_at == 30);
  partly.columns[1] = {{"two", "", ""}, {4, 5, -inf, 7}, {}};
  partly.columns[1].valid_from = inf;
  CHECK(up_to_overflow(partly).diverged_at == 20);
  partly = trajectory({1, 2, none, 4}, {4, 5, 6, 7});
  partly.columns[0].valid_from = inf;
  CHECK(up_to_overflow(partly).diverged_at == 20);
  Trajectory at_once = trajectory({}, {});
  at_once.diverged_at = 0;
  CHECK_THROWS_WITH_AS(up_to_overflow(at_once), "the theory diverges at its start: the parameters are out of range",
                       std::runtime_error);
  // Nothing at all, as where predictions alone are judged, is none.
  CHECK(up_to_overflow(Trajectory{}).steps.empty());
}

TEST_CASE("a checked problem is the problem, and its errors name the experiment") {
  const settings::Table table("some/x.toml", "");
  const auto good = checked(std::make_unique<Fixed>(trajectory({1, inf}, {2, 3})), table);
  CHECK(good->solve().diverged_at == 10);
  CHECK(good->reference().diverged_at == 10);
  CHECK(good->stability().at(0).name == "found");
  CHECK(good->warnings().at(0) == "careful");
  CHECK(good->solve().warnings.empty());
  const auto scaled = checked(std::make_unique<Fixed>(trajectory({1}, {2})), table, true);
  CHECK(scaled->solve().warnings.size() == 1);
  CHECK(scaled->reference().warnings.size() == 1);
  CHECK_THROWS_WITH_AS(good->predictions(),
                       "some/x.toml: a number on the way is too large, too small or not defined; are all of the file's "
                       "values meant so?",
                       settings::Error);
  CHECK_THROWS_WITH_AS(good->mode_table(), "x.toml: said already", settings::Error);
  CHECK_THROWS_WITH_AS(checked(std::make_unique<Fixed>(trajectory({1}, {2}), true), table)->stability(),
                       "some/x.toml: no root", settings::Error);
  CHECK_THROWS_WITH_AS(checked(std::make_unique<Fixed>(trajectory({none}, {2})), table)->solve(),
                       "some/x.toml: the theory's one is not a number at the start: the parameters are out of range",
                       settings::Error);
}

TEST_CASE("where memory does not suffice the error names the file and its largest numbers") {
  class Hungry final : public Problem {
   public:
    Trajectory solve() const override { throw std::bad_alloc(); }
    std::unique_ptr<Simulation> simulate() const override { throw std::bad_alloc(); }
    std::vector<Finding> stability() const override { throw std::bad_alloc(); }
  };
  const auto said = [](const std::string& text) {
    const auto problem = checked(std::make_unique<Hungry>(), settings::read_text(text, "dir/x.toml"));
    std::string out;
    for (const auto& work : std::vector<std::function<void()>>{[&] { problem->solve(); }, [&] { problem->simulate(); },
                                                               [&] { problem->stability(); }}) {
      try {
        work();
      } catch (const settings::Error& error) {
        if (!out.empty()) CHECK(out == error.what());
        out = error.what();
      }
    }
    return out;
  };
  CHECK(said("[time]\nsteps = 20\n") == "dir/x.toml: needs more memory than there is");
  CHECK(said("[network]\nwidth = 100000\nseed = 7000\n[time]\nsteps = 2000\nat = [5000]\n[data]\nrate = 1500.5\n"
             "samples = 2e9\n[data.more]\nrows = 1000\nname = 'x'\n") ==
        "dir/x.toml: needs more memory than there is; its largest numbers are data.samples = 2000000000, "
        "network.width = 100000, time.steps = 2000");
}
