#include "validation/monte_carlo/monte_carlo.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "models/framework/absent.hpp"
#include "tests/approx.hpp"
#include "tests/validation/verdicts/isotropic_sgd.hpp"
#include "validation/monte_carlo/statistics.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using edgewise::tests::Approx;
using tests::Isotropic;
using tests::IsotropicSimulation;

namespace {

/// Counts steps; replicas divisible by 5 blow up at step 10, and replica 3 throws if asked to.
class Counting : public models::Simulation {
 public:
  explicit Counting(bool diverge, std::atomic<bool>* stop_at_replica_4 = nullptr, bool fail = false)
      : diverge_(diverge), stop_(stop_at_replica_4), fail_(fail) {}
  const std::vector<models::Observable>& observables() const override {
    static const std::vector<models::Observable> all{{"count", "", "how many"}, {"index", "", ""}};
    return all;
  }
  std::unique_ptr<models::Replica> replica(std::uint64_t, std::uint64_t index) const override {
    if (fail_ && index == 3) throw std::runtime_error("replica 3 failed");
    if (stop_ && index == 4) *stop_ = true;
    class One final : public models::Replica {
     public:
      One(std::uint64_t index, bool diverge) : index_(index), diverge_(diverge) {}
      void advance(std::uint64_t step) override {
        if (step <= step_) throw std::logic_error("time must increase");
        step_ = step;
      }
      void observe(std::span<double> out) const override {
        const bool gone = diverge_ && index_ % 5 == 0 && step_ >= 10;
        out[0] = gone ? std::numeric_limits<double>::infinity() : static_cast<double>(step_);
        out[1] = static_cast<double>(index_);
      }

     private:
      std::uint64_t index_, step_ = 0;
      bool diverge_;
    };
    return std::make_unique<One>(index, diverge_);
  }
  std::string sampler() const override { return "counting"; }
  std::vector<std::string> warnings() const override { return {"mind the gap"}; }

 private:
  bool diverge_;
  std::atomic<bool>* stop_;
  bool fail_;
};

class CountingInGroups final : public Counting {
 public:
  CountingInGroups(bool diverge, std::uint64_t size) : Counting(diverge), size_(size) {}
  std::uint64_t group_size() const override { return size_; }

 private:
  std::uint64_t size_;
};

/// The mean of what replica r saw after step 10, r itself; replica 2 never sees anything, and replica 5 leaves the numbers at
/// step 30 by a NaN of its own.
class Late final : public Counting {
 public:
  Late() : Counting(false) {}
  std::unique_ptr<models::Replica> replica(std::uint64_t, std::uint64_t index) const override {
    class One final : public models::Replica {
     public:
      explicit One(std::uint64_t index) : index_(index) {}
      void advance(std::uint64_t step) override { step_ = step; }
      void observe(std::span<double> out) const override {
        const bool gone = index_ == 5 && step_ >= 30;
        out[0] = gone ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(step_);
        out[1] = step_ > 10 && index_ != 2 ? static_cast<double>(index_) : models::absent;
      }

     private:
      std::uint64_t index_, step_ = 0;
    };
    return std::make_unique<One>(index);
  }
};

models::Experiment experiment(std::vector<std::uint64_t> at, std::uint64_t replicas) {
  Isotropic p;
  p.at = std::move(at);
  return p.experiment(replicas, 1);
}

}  // namespace

TEST_CASE("observations are stored by replica, and reduced" * doctest::test_suite("threads")) {
  const Sample sample = run(Counting(false), experiment({0, 3, 1000}, 10), {});
  CHECK(sample.steps == std::vector<std::uint64_t>{0, 3, 1000});
  CHECK(sample.replicas == 10);
  CHECK(sample.sampler == "counting");
  CHECK(sample.warnings == std::vector<std::string>{"mind the gap"});
  CHECK(sample.mean[2] == 1000);
  CHECK(sample.std[2] == 0);
  CHECK(sample.mean[3 + 1] == 4.5);
  CHECK(sample.std[3 + 1] == Approx(std::sqrt(82.5 / 9)));
  CHECK(sample.sem[3 + 1] == Approx(std::sqrt(82.5 / 90)));
  CHECK(sample.q05[3 + 1] == Approx(0.45));
  CHECK(sample.q50[3 + 1] == 4.5);
  CHECK(sample.q95[3 + 1] == Approx(8.55));
  CHECK(sample.values[3 + 1][7] == 7);
  CHECK_FALSE(sample.interrupted);
  CHECK(sample.diverged == 0);
}

TEST_CASE("the same bits for any number of threads, and any replica replayed alone" * doctest::test_suite("threads")) {
  const Isotropic p;
  const IsotropicSimulation simulation(p);
  const auto e = p.experiment(37, 5);
  const Sample one = run(simulation, e, {.threads = 1});
  for (const unsigned threads : {2u, 3u, 8u}) {
    const Sample many = run(simulation, e, {.threads = threads});
    CHECK(many.values == one.values);
    CHECK(many.mean == one.mean);
    CHECK(many.std == one.std);
    CHECK(many.skewness == one.skewness);
    CHECK(many.q05 == one.q05);
  }
  const auto replica = simulation.replica(5, 20);
  std::vector<double> now(2);
  replica->advance(300);
  replica->observe(now);
  CHECK(now[1] == one.values[2 * p.at.size() - 1][20]);
}

TEST_CASE("simulated means and deviations are the exact ones") {
  // 4000 replicas; |z| < 5.5 at 11 steps: false alarm below 1e-6. The deviation's relative standard error is
  // about 1.3%.
  const Isotropic p;
  const auto theory = tests::isotropic_theory(p);
  CHECK(theory.columns[1].value.back() == Approx(0.293914698602).epsilon(1e-11));  // iso-A
  CHECK(theory.columns[1].std.back() == Approx(0.0422290493679).epsilon(1e-10));
  const Sample sample = run(IsotropicSimulation(p), p.experiment(4000, 2), {});
  const std::size_t times = p.at.size();
  CHECK(sample.mean[times] == 1);
  for (std::size_t t = 1; t < times; ++t) {
    const double std = theory.columns[1].std[t];
    CHECK(std::abs(sample.mean[times + t] - theory.columns[1].value[t]) < 5.5 * std / std::sqrt(4000.0));
    CHECK(sample.std[times + t] == Approx(std).epsilon(t < 4 ? 0.15 : 0.08));
  }
}

TEST_CASE("diverged replicas are counted, and the record ends before the first" * doctest::test_suite("threads")) {
  const Sample sample = run(Counting(true), experiment({0, 3, 9, 10, 1000}, 12), {});
  CHECK(sample.diverged == 3);
  CHECK(sample.steps == std::vector<std::uint64_t>{0, 3, 9});
  CHECK(sample.mean.size() == 6);
  CHECK(sample.values.size() == 6);
  CHECK(sample.mean[3 + 2] == 5.5);
  REQUIRE(sample.warnings.size() == 2);
  CHECK(sample.warnings[1] == "3 of 12 replicas diverged, the first by step 10; statistics end before it");
}

TEST_CASE("a run of which nothing can be recorded is an error that names the file") {
  // Every fifth replica is not finite from step 10 on.
  try {
    run(Counting(true), experiment({10, 12}, 10), {});
    FAIL("accepted");
  } catch (const settings::Error& error) {
    const std::string said = error.what();
    CHECK(said.find("2 of 10 replicas are not finite at the first step recorded, 10") != std::string::npos);
    CHECK(said.ends_with("or these runs have no such value: count (how many)"));
  }
}

TEST_CASE("replicas in groups are recorded as those one by one" * doctest::test_suite("threads")) {
  for (const bool diverge : {false, true}) {
    const Sample single = run(Counting(diverge), experiment({0, 3, 10, 1000}, 13), {});
    for (const std::uint64_t size : {2u, 5u, 13u, 50u}) {
      const Sample grouped = run(CountingInGroups(diverge, size), experiment({0, 3, 10, 1000}, 13), {});
      CHECK(grouped.replicas == 13);
      CHECK(grouped.steps == single.steps);
      CHECK(grouped.values == single.values);
      CHECK(grouped.diverged == single.diverged);
    }
  }
}

TEST_CASE("a stop keeps what is finished and marks the result" * doctest::test_suite("threads")) {
  std::atomic<bool> stop{false};
  const Sample sample = run(Counting(false, &stop), experiment({0, 1000}, 10), {.threads = 1, .stop = &stop});
  CHECK(sample.interrupted);
  CHECK(sample.replicas < 10);
  CHECK(sample.values.front().size() == sample.replicas);
  // With one thread replicas run in order, so that those before replica 4 are there, and it is not.
  CHECK(sample.replicas == 4);
  CHECK(sample.values[2] == std::vector<double>{0, 1, 2, 3});
  CHECK(sample.mean[2] == 1.5);

  stop = true;
  const Sample nothing = run(Counting(false), experiment({0, 1000}, 10), {.stop = &stop});
  CHECK(nothing.interrupted);
  CHECK(nothing.replicas == 0);
}

TEST_CASE("progress increases to one" * doctest::test_suite("threads")) {
  double last = 0;
  std::mutex mutex;
  RunOptions options;
  options.progress = [&](double done) {
    const std::lock_guard lock(mutex);
    CHECK(done >= last);
    last = done;
  };
  run(IsotropicSimulation(Isotropic{}), Isotropic{}.experiment(200, 1), options);
  CHECK(last == 1);
}

TEST_CASE("a run that would not fit in memory is refused before it starts") {
  CHECK_THROWS_WITH_AS(
      run(Counting(false), experiment({0, 1}, 4000000000u), {}),
      doctest::Contains("isotropic.toml: monte_carlo.replicas: 4000000000 replicas of 2 observables at "
                        "2 steps need 119.2 GiB"),
      settings::Error);
}

TEST_CASE("an error inside a replica comes out" * doctest::test_suite("threads")) {
  CHECK_THROWS_WITH(run(Counting(false, nullptr, true), experiment({0, 1}, 10), {.threads = 2}), "replica 3 failed");
}

TEST_CASE("a replica that memory does not hold is an error that names the file") {
  class Large final : public Counting {
   public:
    Large() : Counting(false) {}
    std::unique_ptr<models::Replica> replica(std::uint64_t, std::uint64_t) const override { throw std::bad_alloc(); }
  };
  CHECK_THROWS_WITH_AS(run(Large(), experiment({0, 1}, 2), {.threads = 1}),
                       doctest::Contains("isotropic.toml: needs more memory than there is"), settings::Error);
}

TEST_CASE("heavy tails are named") {
  class Heavy final : public models::Simulation {
   public:
    explicit Heavy(double unit) : unit_(unit) {}
    const std::vector<models::Observable>& observables() const override {
      static const std::vector<models::Observable> all{{"x", "", ""}};
      return all;
    }
    std::unique_ptr<models::Replica> replica(std::uint64_t seed, std::uint64_t index) const override {
      class One final : public models::Replica {
       public:
        One(std::uint64_t seed, std::uint64_t index, double unit) : stream_(seed, index), unit_(unit), x_(unit) {}
        void advance(std::uint64_t) override { x_ = unit_ * std::exp(4 * stream_.normal()); }
        void observe(std::span<double> out) const override { out[0] = x_; }

       private:
        random::Stream stream_;
        double unit_, x_;
      };
      return std::make_unique<One>(seed, index, unit_);
    }
    std::string sampler() const override { return "heavy"; }

   private:
    double unit_;
  };
  // Also where squares of the values are no doubles.
  const Sample sample = run(Heavy(1), experiment({0, 1}, 200), {});
  REQUIRE(sample.warnings.size() == 1);
  CHECK(sample.warnings[0].find("heavy tails: at step 1") == 0);
  for (const double unit : {1e-200, 1e180})
    CHECK(run(Heavy(unit), experiment({0, 1}, 200), {}).warnings == sample.warnings);
  CHECK(run(IsotropicSimulation(Isotropic{}), Isotropic{}.experiment(200, 1), {}).warnings.empty());
}

TEST_CASE("a value that is absent ends no run, and statistics are of the replicas that have one" *
          doctest::test_suite("threads")) {
  const Sample sample = run(Late(), experiment({0, 10, 20}, 5), {});
  CHECK(sample.diverged == 0);
  CHECK(sample.warnings == std::vector<std::string>{"mind the gap"});
  CHECK(sample.mean[2] == 20);
  for (const std::size_t t : {0u, 1u})
    for (const auto* column :
         {&sample.mean, &sample.sem, &sample.std, &sample.skewness, &sample.q05, &sample.q50, &sample.q95})
      CHECK(std::isnan((*column)[3 + t]));
  // Of 0, 1, 3, 4.
  CHECK(sample.mean[5] == 2);
  CHECK(sample.std[5] == Approx(std::sqrt(10.0 / 3)));
  CHECK(sample.sem[5] == Approx(std::sqrt(10.0 / 12)));
  CHECK(sample.q50[5] == 2);
  const std::vector<std::string> names{"count", "index"};
  const models::RecordedReplica never = record_of(sample, names, 2);
  CHECK_FALSE(never.diverged);
  CHECK(never.steps.size() == 3);
  CHECK(models::is_absent(never.values("index").back()));

  const Sample broken = run(Late(), experiment({20, 40}, 6), {});
  CHECK(broken.diverged == 1);
  CHECK(record_of(broken, names, 5).diverged);
  CHECK_FALSE(record_of(broken, names, 2).diverged);
}

namespace {

/// Two observables of prescribed values: `value(observable, step, replica)`.
class Prescribed final : public models::Simulation {
 public:
  using Value = std::function<double(std::size_t, std::uint64_t, std::uint64_t)>;
  explicit Prescribed(Value value) : value_(std::move(value)) {}
  const std::vector<models::Observable>& observables() const override {
    static const std::vector<models::Observable> all{{"one", "", ""}, {"two", "", ""}};
    return all;
  }
  std::unique_ptr<models::Replica> replica(std::uint64_t, std::uint64_t index) const override {
    class One final : public models::Replica {
     public:
      One(const Value& value, std::uint64_t index) : value_(value), index_(index) {}
      void advance(std::uint64_t step) override { step_ = step; }
      void observe(std::span<double> out) const override {
        for (std::size_t o = 0; o < 2; ++o) out[o] = value_(o, step_, index_);
      }

     private:
      const Value& value_;
      std::uint64_t index_, step_ = 0;
    };
    return std::make_unique<One>(value_, index);
  }
  std::string sampler() const override { return "prescribed"; }

 private:
  Value value_;
};

}  // namespace

TEST_CASE("a record is cut before the first replica that diverged in any observable, and what comes later is kept") {
  // Replica 3 loses the second observable at step 20, replica 5 the first at step 40.
  const Prescribed simulation([](std::size_t o, std::uint64_t step, std::uint64_t r) {
    if (o == 1 && r == 3 && step >= 20) return INFINITY * 1.0;
    if (o == 0 && r == 5 && step >= 40) return -INFINITY * 1.0;
    return static_cast<double>(1000 * o + step + r);
  });
  const Sample sample = run(simulation, experiment({0, 10, 20, 30, 40}, 7), {.threads = 1});
  CHECK(sample.diverged == 2);
  CHECK(sample.steps == std::vector<std::uint64_t>{0, 10});
  CHECK(sample.later_steps == std::vector<std::uint64_t>{20, 30, 40});
  CHECK(sample.warnings ==
        std::vector<std::string>{"2 of 7 replicas diverged, the first by step 20; statistics end before it"});
  REQUIRE(sample.values.size() == 4);
  REQUIRE(sample.later_values.size() == 6);
  for (std::size_t o = 0; o < 2; ++o)
    for (std::size_t t = 0; t < 5; ++t) {
      const std::vector<double>& cell = t < 2 ? sample.values[2 * o + t] : sample.later_values[3 * o + t - 2];
      for (std::size_t r = 0; r < 7; ++r) {
        CAPTURE(o);
        CAPTURE(t);
        CAPTURE(r);
        const std::size_t gone = r == 3 ? 2 : r == 5 ? 4 : 9;
        if (t < gone)
          CHECK(cell[r] == static_cast<double>(1000 * o + 10 * t + r));
        else if (t > gone)
          CHECK(std::isnan(cell[r]));
      }
    }
  CHECK(sample.later_values[3][3] == INFINITY);
  CHECK(sample.later_values[2][5] == -INFINITY);
  CHECK(sample.mean[3] == 1013);
  const std::vector<std::string> names{"one", "two"};
  const models::RecordedReplica third = record_of(sample, names, 3), fifth = record_of(sample, names, 5),
                                whole = record_of(sample, names, 6);
  CHECK(third.diverged);
  CHECK(third.steps == std::vector<double>{0, 10});
  CHECK(third.values("two").back() == 1013);
  CHECK(fifth.diverged);
  CHECK(fifth.steps == std::vector<double>{0, 10, 20, 30});
  CHECK(fifth.values("one").back() == 35);
  CHECK_FALSE(whole.diverged);
  CHECK(whole.steps.size() == 5);
  CHECK(whole.values("two").back() == 1046);
}

TEST_CASE(
    "statistics of every cell are those of its values, and one replica that carries half of a variance is named") {
  // The second observable at step 4: replica 2 off by `far`, the others by +-1.
  const auto sample_of = [](double far, std::uint64_t replicas) {
    return run(Prescribed([=](std::size_t o, std::uint64_t step, std::uint64_t r) {
                 const double sign = r % 2 ? 1 : -1;
                 if (o == 1 && step == 4) return r == 2 ? far : sign;
                 return (1 + static_cast<double>(o)) * std::sqrt(1 + static_cast<double>(r * r % 11)) +
                        static_cast<double>(step);
               }),
               experiment({0, 4, 9}, replicas), {.threads = 1});
  };
  const Sample sample = sample_of(4, 40);
  REQUIRE(sample.mean.size() == 6);
  for (std::size_t c = 0; c < 6; ++c) {
    const Moments m = moments(sample.values[c]);
    CHECK(sample.mean[c] == m.mean);
    CHECK(sample.std[c] == m.std);
    CHECK(sample.sem[c] == m.sem);
    CHECK(sample.skewness[c] == Approx(m.skewness).epsilon(1e-12));
    std::vector<double> sorted = sample.values[c];
    std::ranges::sort(sorted);
    // At 39 gaps: places 1.95, 19.5 and 37.05.
    CHECK(sample.q05[c] == Approx(sorted[1] + 0.95 * (sorted[2] - sorted[1])).epsilon(1e-12));
    CHECK(sample.q50[c] == Approx((sorted[19] + sorted[20]) / 2).epsilon(1e-12));
    CHECK(sample.q95[c] == Approx(sorted[37] + 0.05 * (sorted[38] - sorted[37])).epsilon(1e-12));
  }
  CHECK(sample.warnings.empty());
  const auto share = [&](double far, std::uint64_t replicas) {
    const auto n = static_cast<double>(replicas);
    // n/2 of +1 and n/2 - 1 of -1 beside it.
    const double mean = (1 + far) / n, own = std::pow(far - mean, 2);
    return own / (own + n / 2 * std::pow(1 - mean, 2) + (n / 2 - 1) * std::pow(1 + mean, 2));
  };
  double low = 4, high = 20;
  for (int i = 0; i < 60; ++i) (share((low + high) / 2, 40) < 0.5 ? low : high) = (low + high) / 2;
  CHECK(sample_of(0.99 * low, 40).warnings.empty());
  CHECK(sample_of(1.01 * low, 40).warnings.size() == 1);
  const Sample heavy = sample_of(20, 40);
  CHECK(heavy.warnings ==
        std::vector<std::string>{"heavy tails: at step 4 one replica of 40 carries " +
                                 std::to_string(static_cast<int>(std::round(100 * share(20, 40)))) +
                                 "% of the variance of two; prefer the quantiles to means and standard errors"});
  CHECK(sample_of(20, 30).warnings.size() == 1);
  CHECK(sample_of(20, 28).warnings.empty());
}

TEST_CASE("groups that do not divide the replicas, and no replicas or no steps at all") {
  for (const std::uint64_t size : {0U, 1U, 4U, 6U}) {
    class InGroups final : public models::Simulation {
     public:
      InGroups(const models::Simulation& one, std::uint64_t group) : one_(one), group_(group) {}
      const std::vector<models::Observable>& observables() const override { return one_.observables(); }
      std::unique_ptr<models::Replica> replica(std::uint64_t seed, std::uint64_t index) const override {
        return one_.replica(seed, index);
      }
      std::uint64_t group_size() const override { return group_; }
      std::string sampler() const override { return "grouped"; }

     private:
      const models::Simulation& one_;
      std::uint64_t group_;
    };
    const Prescribed one([](std::size_t o, std::uint64_t step, std::uint64_t r) {
      return static_cast<double>(100 * o + 10 * step + r);
    });
    const Sample sample = run(InGroups(one, size), experiment({0, 3}, 10), {.threads = 1});
    CHECK(sample.replicas == 10);
    CHECK(sample.sampler == "grouped");
    for (std::size_t o = 0; o < 2; ++o)
      for (std::size_t t = 0; t < 2; ++t)
        for (std::size_t r = 0; r < 10; ++r)
          CHECK(sample.values[2 * o + t][r] == static_cast<double>(100 * o + 30 * t + r));
  }
  models::Experiment none = experiment({0, 3}, 5);
  none.monte_carlo.replicas = 0;
  const Sample empty = run(Counting(false), none, {});
  CHECK(empty.replicas == 0);
  CHECK(empty.values.empty());
  models::Experiment nowhere = experiment({0, 3}, 5);
  nowhere.time.at.clear();
  const Sample unseen = run(Counting(false), nowhere, {});
  CHECK(unseen.replicas == 0);
  CHECK(unseen.observables.size() == 2);
  // Two bytes more than 2 GiB: 4 numbers of 2^26 + 1 replicas.
  CHECK_THROWS_WITH_AS(run(Counting(false), experiment({0, 1}, (1U << 26U) + 1), {}),
                       doctest::Contains("need 2.0 GiB, more than the 2 GiB allowed"), settings::Error);
}
