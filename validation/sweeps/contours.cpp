// Built at -O1: nothing here takes time.
#include "validation/sweeps/contours.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>
#include <utility>

namespace edgewise::validation {
namespace {

/// Corners of a square in order around it: (0,0), (1,0), (1,1), (0,1). Edge k joins the corners k and k+1.
constexpr std::size_t corner_x[] = {0, 1, 1, 0}, corner_y[] = {0, 0, 1, 1};

/// Numbers places on a grid of nx by ny points: horizontal edges, vertical edges, middles of squares.
struct GridPlaces {
  std::size_t nx, ny;
  std::size_t edge(std::size_t ix, std::size_t iy, int k) const {
    const std::size_t squares = nx * ny;
    switch (k) {
      case 0:
        return iy * nx + ix;
      case 2:
        return (iy + 1) * nx + ix;
      case 1:
        return squares + iy * nx + ix + 1;
      default:
        return squares + iy * nx + ix;
    }
  }
  std::size_t middle(std::size_t ix, std::size_t iy) const { return 2 * nx * ny + iy * nx + ix; }
};

/// Pieces between numbered places, joined to curves.
class Pieces {
 public:
  void add(std::size_t a, PlanePoint at_a, std::size_t b, PlanePoint at_b) {
    places_[a].point = at_a;
    places_[b].point = at_b;
    places_[a].pieces.push_back(ends_.size());
    places_[b].pieces.push_back(ends_.size());
    ends_.emplace_back(a, b);
  }

  std::vector<PlaneCurve> joined() const {
    std::vector<PlaneCurve> out;
    std::vector<bool> used(ends_.size(), false);
    // Open curves from their ends first; what is left is closed.
    for (const bool open : {true, false})
      for (const auto& [place, found] : places_) {
        if (open && found.pieces.size() == 2) continue;
        for (const std::size_t piece : found.pieces)
          if (!used[piece]) out.push_back(walk(place, piece, used));
      }
    return out;
  }

 private:
  struct Place {
    PlanePoint point;
    std::vector<std::size_t> pieces;
  };

  PlaneCurve walk(std::size_t place, std::size_t piece, std::vector<bool>& used) const {
    PlaneCurve curve = {places_.at(place).point};
    while (true) {
      used[piece] = true;
      place = ends_[piece].first == place ? ends_[piece].second : ends_[piece].first;
      const Place& here = places_.at(place);
      curve.push_back(here.point);
      if (here.pieces.size() != 2) return curve;
      const std::size_t next = here.pieces[0] == piece ? here.pieces[1] : here.pieces[0];
      if (used[next]) return curve;
      piece = next;
    }
  }

  std::map<std::size_t, Place> places_;
  std::vector<std::pair<std::size_t, std::size_t>> ends_;
};

/// Shrinks [a, b] to where g changes sign, 0 <= a < b <= 1. \return the place, or a negative number where g jumps there
/// without a zero.
double bisected(const std::function<double(double)>& g, double at_0, double at_1) {
  constexpr int halvings = 48;
  double low = 0, high = 1, at_low = at_0, at_high = at_1;
  for (int i = 0; i < halvings; ++i) {
    const double middle = (low + high) / 2, value = g(middle);
    if (!std::isfinite(value)) return -1;
    if ((value < 0) == (at_low < 0)) {
      low = middle;
      at_low = value;
    } else {
      high = middle;
      at_high = value;
    }
  }
  const bool jumps = std::abs(at_high - at_low) > 1e-6 * (std::abs(at_0) + std::abs(at_1));
  return jumps ? -1 : (low + high) / 2;
}

void check_grid(std::size_t values, std::span<const double> x, std::span<const double> y) {
  if (values != x.size() * y.size()) throw std::invalid_argument("contours: one value per point of the grid is needed");
}

/// Keeps the parts of a curve where `inside` holds.
void cut(const PlaneCurve& curve, const std::function<bool(double, double)>& inside, std::vector<PlaneCurve>& out) {
  const auto holds = [&](const PlanePoint& p) { return inside(p.x, p.y); };
  const auto edge_between = [&](PlanePoint in, PlanePoint outer) {
    for (int i = 0; i < 48; ++i) {
      const PlanePoint middle{(in.x + outer.x) / 2, (in.y + outer.y) / 2};
      (holds(middle) ? in : outer) = middle;
    }
    return in;
  };
  PlaneCurve part;
  const auto finish = [&] {
    if (part.size() > 1) out.push_back(std::move(part));
    part.clear();
  };
  for (std::size_t i = 0; i < curve.size(); ++i) {
    const bool now = holds(curve[i]), before = !part.empty();
    if (now && i > 0 && !before) part.push_back(edge_between(curve[i], curve[i - 1]));
    if (now) part.push_back(curve[i]);
    if (!now && before) {
      part.push_back(edge_between(curve[i - 1], curve[i]));
      finish();
    }
  }
  finish();
}

}  // namespace

std::vector<PlaneCurve> trace_zeros(const std::function<double(double, double)>& f, std::span<const double> x,
                                    std::span<const double> y, const std::function<bool(double, double)>& inside) {
  const std::size_t nx = x.size(), ny = y.size();
  std::vector<double> values;
  for (const double at_y : y)
    for (const double at_x : x) values.push_back(f(at_x, at_y));

  const GridPlaces places{nx, ny};
  Pieces pieces;
  for (std::size_t iy = 0; iy + 1 < ny; ++iy)
    for (std::size_t ix = 0; ix + 1 < nx; ++ix) {
      double corner[4];
      bool finite = true;
      for (int k = 0; k < 4; ++k) {
        corner[k] = values[(iy + corner_y[k]) * nx + ix + corner_x[k]];
        finite = finite && std::isfinite(corner[k]);
      }
      if (!finite) continue;
      // Zeros count as positive, so that a curve through corners is met once.
      std::vector<std::pair<std::size_t, PlanePoint>> crossings;
      for (int k = 0; k < 4; ++k) {
        const int next = (k + 1) % 4;
        if ((corner[k] < 0) == (corner[next] < 0)) continue;
        const auto point = [&](double t) {
          const double from_x = x[ix + corner_x[k]], from_y = y[iy + corner_y[k]];
          return PlanePoint{from_x + t * (x[ix + corner_x[next]] - from_x),
                            from_y + t * (y[iy + corner_y[next]] - from_y)};
        };
        const double t = bisected(
            [&](double at) {
              const PlanePoint p = point(at);
              return f(p.x, p.y);
            },
            corner[k], corner[next]);
        if (t >= 0) crossings.emplace_back(places.edge(ix, iy, k), point(t));
      }
      for (std::size_t i = 0; i + 1 < crossings.size(); i += 2)
        pieces.add(crossings[i].first, crossings[i].second, crossings[i + 1].first, crossings[i + 1].second);
    }
  std::vector<PlaneCurve> curves = pieces.joined();
  if (!inside) return curves;
  std::vector<PlaneCurve> out;
  for (const PlaneCurve& curve : curves) cut(curve, inside, out);
  return out;
}

std::vector<double> find_zeros(const std::function<double(double)>& f, std::span<const double> x) {
  std::vector<double> out;
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    const double a = f(x[i]), b = f(x[i + 1]);
    if (!std::isfinite(a) || !std::isfinite(b) || (a < 0) == (b < 0)) continue;
    const double width = x[i + 1] - x[i];
    const double t = bisected([&](double at) { return f(x[i] + at * width); }, a, b);
    if (t >= 0) out.push_back(x[i] + t * width);
  }
  return out;
}

std::vector<LabelBorder> trace_labels(std::span<const int> labels, std::span<const double> x,
                                      std::span<const double> y) {
  check_grid(labels.size(), x, y);
  const std::size_t nx = x.size(), ny = y.size();
  const GridPlaces places{nx, ny};
  std::map<std::pair<int, int>, Pieces> borders;
  struct Crossing {
    std::size_t place;
    PlanePoint point;
  };
  for (std::size_t iy = 0; iy + 1 < ny; ++iy)
    for (std::size_t ix = 0; ix + 1 < nx; ++ix) {
      int corner[4];
      for (int k = 0; k < 4; ++k) corner[k] = labels[(iy + corner_y[k]) * nx + ix + corner_x[k]];
      std::map<std::pair<int, int>, std::vector<Crossing>> crossings;
      for (int k = 0; k < 4; ++k) {
        const int a = corner[k], b = corner[(k + 1) % 4];
        if (a == b || a < 0 || b < 0) continue;
        const std::size_t from = static_cast<std::size_t>(k), next = (from + 1) % 4;
        const PlanePoint middle{(x[ix + corner_x[from]] + x[ix + corner_x[next]]) / 2,
                                (y[iy + corner_y[from]] + y[iy + corner_y[next]]) / 2};
        crossings[std::minmax(a, b)].push_back({places.edge(ix, iy, k), middle});
      }
      const PlanePoint middle{(x[ix] + x[ix + 1]) / 2, (y[iy] + y[iy + 1]) / 2};
      for (auto& [pair, list] : crossings) {
        Pieces& pieces = borders[pair];
        if (list.size() == 2) {
          pieces.add(list[0].place, list[0].point, list[1].place, list[1].point);
        } else if (list.size() == 4) {
          // A saddle: the corners with the lower label are cut off one by one.
          const int first = corner[0] == pair.first ? 3 : 0;
          for (int i = 0; i < 2; ++i) {
            const auto &a = list[static_cast<std::size_t>((first + 2 * i) % 4)],
                       &b = list[static_cast<std::size_t>((first + 2 * i + 1) % 4)];
            pieces.add(a.place, a.point, b.place, b.point);
          }
        } else {
          for (const Crossing& c : list) pieces.add(c.place, c.point, places.middle(ix, iy), middle);
        }
      }
    }
  std::vector<LabelBorder> out;
  for (const auto& [pair, pieces] : borders) out.push_back({pair.first, pair.second, pieces.joined()});
  return out;
}

}  // namespace edgewise::validation
