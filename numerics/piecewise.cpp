#include "numerics/piecewise.hpp"

#include <algorithm>
#include <boost/math/quadrature/gauss.hpp>

namespace edgewise::numerics {

namespace {

template <unsigned points>
std::vector<WeightedNode> gauss_nodes(std::span<const double> edges) {
  using Rule = boost::math::quadrature::gauss<double, points>;
  std::vector<WeightedNode> out;
  for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
    const double middle = (edges[i] + edges[i + 1]) / 2, half = (edges[i + 1] - edges[i]) / 2;
    for (std::size_t k = 0; k < Rule::abscissa().size(); ++k) {
      const double x = half * Rule::abscissa()[k], weight = half * Rule::weights()[k];
      out.push_back({middle - x, weight});
      if (x != 0) out.push_back({middle + x, weight});
    }
  }
  return out;
}

}  // namespace

std::vector<double> piece_edges(double low, double high, std::span<const double> cuts, double width, double widest) {
  std::vector<double> starts;
  for (const double cut : cuts)
    if (cut > low && cut < high) starts.push_back(cut);
  std::sort(starts.begin(), starts.end());
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
  std::vector<double> edges{low};
  // Between neighbouring starts from both sides inwards; the ends of the range are no starts.
  const auto fill = [&](double a, double b, bool from_a, bool from_b) {
    std::vector<double> up, down;
    double left = a, right = b, step_a = width, step_b = width;
    for (;;) {
      const bool from_left = from_a && (!from_b || step_a <= step_b);
      const double step = from_a || from_b ? (from_left ? step_a : step_b) : widest;
      if (!(right - left > 1.5 * step)) break;
      if (from_left || !from_b) {
        up.push_back(left += step);
        step_a = std::min(2 * step_a, widest);
      } else {
        down.push_back(right -= step);
        step_b = std::min(2 * step_b, widest);
      }
    }
    edges.insert(edges.end(), up.begin(), up.end());
    edges.insert(edges.end(), down.rbegin(), down.rend());
    edges.push_back(b);
  };
  double last = low;
  for (std::size_t i = 0; i <= starts.size(); ++i) {
    const double next = i < starts.size() ? starts[i] : high;
    fill(last, next, i > 0, i < starts.size());
    last = next;
  }
  return edges;
}

std::vector<WeightedNode> piecewise_gauss(std::span<const double> edges, GaussPoints points) {
  switch (points) {
    case GaussPoints::ten:
      return gauss_nodes<10>(edges);
    case GaussPoints::twenty:
      return gauss_nodes<20>(edges);
    case GaussPoints::thirty:
      return gauss_nodes<30>(edges);
  }
  return {};
}

}  // namespace edgewise::numerics
