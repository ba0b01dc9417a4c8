#pragma once
/// \file
/// Many tasks learned by one kernel machine or by one each: the levels of both
/// (docs/theory/networks-and-kernels.md, section 5).
#include <cstddef>
#include <optional>
#include <vector>

#include "models/ingredients/learning_curves/dot_kernels.hpp"
#include "models/ingredients/learning_curves/learning_curve.hpp"

namespace edgewise::models::modular_tasks {

/// Inputs are (code of a task, x uniform on S^(d-1)); the kernel is kap((bias + <c, c'> + <x, x'>)/(2 + bias)).
struct TaskFamily {
  enum class Codes { cluster, tree };
  Codes codes = Codes::cluster;
  double tasks = 1;       ///< T; of a tree 2^depth
  double overlap = 0;     ///< <c_j, c_l> of different clusters
  std::size_t depth = 0;  ///< h of a tree, codes in {+-1}^h/sqrt(h)
  double bias = 0;
  bool parity = false;        ///< tree: one function times the product of the code's signs; else independent functions
  double dimension = 2;       ///< d
  std::vector<double> power;  ///< v_k^2 of every task's function

  /// <c_j, c_l> of tasks numbered from 0.
  double code_overlap(std::size_t j, std::size_t l) const;
};

/// One machine on the mixture of all tasks. Levels of a tree are numbered by degree; (q, k) have the same k. Without a
/// `max_degree` degrees go on after those of all q, one level each, as far as codes do not matter there and the kernel has a
/// formula (one hidden ReLU layer); else to 192.
ingredients::learning_curves::Levels monolithic_levels(const TaskFamily& family,
                                                       const ingredients::learning_curves::DotKernel& kernel,
                                                       std::optional<std::size_t> max_degree);
/// The machine of a single task.
ingredients::learning_curves::Levels single_task_levels(const TaskFamily& family,
                                                        const ingredients::learning_curves::DotKernel& kernel,
                                                        std::optional<std::size_t> max_degree);

/// Kr_q(s) = sum_j (-1)^j binom(s, j) binom(h - s, q - j).
double krawtchouk(std::size_t h, std::size_t q, std::size_t s);

}  // namespace edgewise::models::modular_tasks
