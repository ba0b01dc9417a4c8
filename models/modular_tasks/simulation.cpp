#include "models/modular_tasks/simulation.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "models/ingredients/learning_curves/harmonics.hpp"
#include "models/ingredients/learning_curves/kernel_ridge.hpp"

namespace edgewise::models::modular_tasks {

namespace {

using namespace ingredients::learning_curves;
using linear_algebra::Matrix;
using linear_algebra::Transposed;

class TaskReplica final : public Replica {
 public:
  TaskReplica(std::shared_ptr<const TaskSetting> setting, std::uint64_t seed, std::uint64_t index)
      : setting_(std::move(setting)), family_(setting_->family), stream_(seed, index, 0, random::Purpose::data) {
    const auto d = static_cast<std::size_t>(family_.dimension), tasks = static_cast<std::size_t>(family_.tasks);
    const std::size_t samples = setting_->time.steps, tests = setting_->tests;
    coefficient_ = multiplicities(family_.dimension, family_.power.size() - 1);
    coefficient_.resize(family_.power.size(), 0.0);
    for (std::size_t k = 0; k < coefficient_.size(); ++k)
      coefficient_[k] = std::sqrt(coefficient_[k] * family_.power[k]);
    directions_ = uniform_points(stream_, d, family_.parity ? 1 : tasks);
    std::vector<std::size_t> task(samples), test_task(tests);
    for (std::vector<std::size_t>* all : {&task, &test_task})
      for (std::size_t& j : *all) j = stream_.below(tasks);
    mixture_ = draw(task, test_task);
    for (std::size_t j = 0; j < tasks; ++j)
      alone_.push_back(draw(std::vector<std::size_t>(samples / tasks, j),
                            std::vector<std::size_t>(std::max<std::size_t>(1, tests / tasks), j)));
  }

  void advance(std::uint64_t n) override { samples_ = n; }
  void observe(std::span<double> out) const override {
    out[0] = ridge_errors(mixture_, samples_, setting_->ridge).excess;
    out[1] = 0;
    for (const RidgeData& task : alone_)
      out[1] +=
          ridge_errors(task, samples_ / alone_.size(), setting_->ridge).excess / static_cast<double>(alone_.size());
  }

 private:
  double value(std::size_t task, std::span<const double> x) const {
    const auto w = directions_.column(family_.parity ? 0 : task);
    std::vector<double> p(coefficient_.size());
    gegenbauer(family_.dimension, std::inner_product(x.begin(), x.end(), w.begin(), 0.0), p);
    const double f = std::inner_product(p.begin(), p.end(), coefficient_.begin(), 0.0);
    if (!family_.parity) return f;
    bool odd = false;  // the product of the signs
    for (std::size_t bits = task; bits > 0; bits >>= 1U) odd = odd != ((bits & 1U) != 0);
    return odd ? -f : f;
  }

  double kernel(std::size_t j, std::size_t l, double product) const {
    return setting_->kernel->at((family_.bias + family_.code_overlap(j, l) + product) / (2 + family_.bias));
  }

  RidgeData draw(const std::vector<std::size_t>& task, const std::vector<std::size_t>& test_task) {
    const auto d = static_cast<std::size_t>(family_.dimension);
    const Matrix x = uniform_points(stream_, d, task.size()), z = uniform_points(stream_, d, test_task.size());
    RidgeData out{
        linear_algebra::product(x, x, Transposed::yes), linear_algebra::product(x, z, Transposed::yes), {}, {}};
    for (std::size_t j = 0; j < task.size(); ++j)
      for (std::size_t i = j; i < task.size(); ++i)
        out.gram(i, j) = i == j ? setting_->kernel->at(1) : kernel(task[i], task[j], out.gram(i, j));
    for (std::size_t j = 0; j < test_task.size(); ++j) {
      for (std::size_t i = 0; i < task.size(); ++i) out.cross(i, j) = kernel(task[i], test_task[j], out.cross(i, j));
      out.truth.push_back(value(test_task[j], z.column(j)));
    }
    for (std::size_t i = 0; i < task.size(); ++i)
      out.labels.push_back(value(task[i], x.column(i)) + std::sqrt(setting_->noise) * stream_.normal());
    return out;
  }

  std::shared_ptr<const TaskSetting> setting_;
  const TaskFamily& family_;
  random::Stream stream_;
  std::vector<double> coefficient_;
  Matrix directions_;
  RidgeData mixture_;
  std::vector<RidgeData> alone_;
  std::size_t samples_ = 0;
};

}  // namespace

std::unique_ptr<Replica> task_replica(std::shared_ptr<const TaskSetting> setting, std::uint64_t seed,
                                      std::uint64_t index) {
  return std::make_unique<TaskReplica>(std::move(setting), seed, index);
}

}  // namespace edgewise::models::modular_tasks
