#include "numerics/simplex.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

namespace edgewise::numerics {

namespace {

/// The widths of a simplex that begins anew, over those of the one before.
constexpr double narrower = 0.3;

struct Vertex {
  std::vector<double> at;
  double value;
};

class Simplex {
 public:
  Simplex(const std::function<double(std::span<const double>)>& f, int most_evaluations)
      : f_(f), left_(most_evaluations) {}

  Vertex vertex(std::vector<double> at) {
    for (double& x : at) x = std::clamp(x, 0.0, 1.0);
    const double value = f_(at);
    --left_;
    return {std::move(at), std::isnan(value) ? std::numeric_limits<double>::infinity() : value};
  }

  /// From `start` with a vertex along every free variable, until the values agree to `tolerance`.
  Vertex descend(const Vertex& start, std::span<const double> width, double tolerance) {
    vertices_ = {start};
    for (std::size_t i = 0; i < width.size(); ++i) {
      if (!(width[i] > 0)) continue;
      std::vector<double> at = start.at;
      at[i] += at[i] + width[i] <= 1 ? width[i] : -width[i];
      vertices_.push_back(vertex(std::move(at)));
    }
    const auto n = std::max(2.0, static_cast<double>(vertices_.size() - 1));
    while (vertices_.size() > 1 && left_ > 0) {
      std::ranges::stable_sort(vertices_, {}, &Vertex::value);
      const double least = vertices_.front().value, most = vertices_.back().value;
      if (least == most || most - least <= tolerance * std::abs(least)) break;
      step(n);
    }
    return *std::ranges::min_element(vertices_, {}, &Vertex::value);
  }

  bool exhausted() const { return left_ <= 0; }
  int left() const { return left_; }

 private:
  void step(double n) {
    const double expand = 1 + 2 / n, contract = 0.75 - 0.5 / n;
    Vertex& worst = vertices_.back();
    const double second = vertices_[vertices_.size() - 2].value;
    const Vertex reflected = along(1);
    if (reflected.value < vertices_.front().value) {
      Vertex further = along(expand);
      worst = further.value < reflected.value ? std::move(further) : reflected;
    } else if (reflected.value < second) {
      worst = reflected;
    } else {
      const bool outside = reflected.value < worst.value;
      Vertex nearer = along(outside ? contract : -contract);
      if (nearer.value <= std::min(reflected.value, worst.value) && nearer.value < worst.value)
        worst = std::move(nearer);
      else
        shrink(1 - 1 / n);
    }
  }

  /// From the centre of all but the worst, away from the worst by `factor` times its distance.
  Vertex along(double factor) {
    const std::vector<double>& worst = vertices_.back().at;
    std::vector<double> at(worst.size());
    for (std::size_t i = 0; i < at.size(); ++i) {
      double centre = 0;
      for (std::size_t j = 0; j + 1 < vertices_.size(); ++j) centre += vertices_[j].at[i];
      centre /= static_cast<double>(vertices_.size() - 1);
      at[i] = centre + factor * (centre - worst[i]);
    }
    return vertex(std::move(at));
  }

  void shrink(double factor) {
    for (std::size_t j = 1; j < vertices_.size(); ++j) {
      std::vector<double> at = vertices_[j].at;
      for (std::size_t i = 0; i < at.size(); ++i) at[i] = vertices_[0].at[i] + factor * (at[i] - vertices_[0].at[i]);
      vertices_[j] = vertex(std::move(at));
    }
  }

  const std::function<double(std::span<const double>)>& f_;
  int left_;
  std::vector<Vertex> vertices_;
};

}  // namespace

SimplexMinimum simplex_minimum(const std::function<double(std::span<const double>)>& f, std::vector<double> start,
                               std::vector<double> width, double tolerance, int most_evaluations) {
  Simplex simplex(f, most_evaluations);
  Vertex best = simplex.vertex(std::move(start));
  while (!simplex.exhausted()) {
    const double before = best.value;
    best = simplex.descend(best, width, tolerance);
    if (!(before - best.value > tolerance * std::abs(best.value))) break;
    for (double& w : width) w *= narrower;
  }
  return {std::move(best.at), best.value, most_evaluations - simplex.left()};
}

}  // namespace edgewise::numerics
