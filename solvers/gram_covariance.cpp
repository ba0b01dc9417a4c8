#include "solvers/gram_covariance.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace edgewise::solvers {

namespace {

std::size_t entries_of(std::size_t r) {
  return r * (r + 1) / 2;
}

/// Rows and columns of the entries on and above the diagonal, row by row.
std::vector<std::pair<std::size_t, std::size_t>> entry_places(std::size_t r) {
  std::vector<std::pair<std::size_t, std::size_t>> out;
  for (std::size_t c = 0; c < r; ++c)
    for (std::size_t d = c; d < r; ++d) out.emplace_back(c, d);
  return out;
}

/// The entries of (x y' + y x')/2.
std::vector<double> symmetric_entries(std::span<const double> x, std::span<const double> y) {
  std::vector<double> out;
  for (const auto& [c, d] : entry_places(x.size())) out.push_back((x[c] * y[d] + x[d] * y[c]) / 2);
  return out;
}

/// x'Gy by the entries of G.
std::vector<double> bilinear_form(std::span<const double> x, std::span<const double> y) {
  std::vector<double> out = symmetric_entries(x, y);
  std::size_t k = 0;
  for (const auto& [c, d] : entry_places(x.size())) out[k++] *= c == d ? 1 : 2;
  return out;
}

double product(std::span<const double> a, std::span<const double> b) {
  double total = 0;
  for (std::size_t i = 0; i < a.size(); ++i) total += a[i] * b[i];
  return total;
}

void add_to(std::vector<double>& out, double factor, std::span<const double> x) {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += factor * x[i];
}

}  // namespace

GramCovariance::GramCovariance(GramProblem problem) : problem_(std::move(problem)) {
  const std::size_t n = modes(), own = problem_.own;
  r_ = problem_.factor.size();
  if (n == 0 || r_ == 0 || problem_.multiplicity.size() != n || problem_.power.size() != n)
    throw std::invalid_argument("variance of the risk: one multiplicity and power per eigenvalue are needed");
  if (own * problem_.sources > r_) throw std::invalid_argument("variance of the risk: too many sources");
  entries_ = entries_of(r_);
  total_ = entries_ * n;
  for (const double f : symmetric_entries(problem_.factor, problem_.factor))
    for (const double power : problem_.power) mean_.push_back(f * power);

  const auto places = entry_places(r_);
  const std::size_t shared = r_ - own * problem_.sources;
  std::vector<std::size_t> at(r_ * r_);
  for (std::size_t k = 0; k < places.size(); ++k)
    at[places[k].first * r_ + places[k].second] = at[places[k].second * r_ + places[k].first] = k;
  for (const auto& place : places) {
    // The sources in the order in which the entry names them, then the others.
    std::vector<std::size_t> order;
    for (const std::size_t c : {place.first, place.second})
      if (c >= shared && std::ranges::find(order, (c - shared) / own) == order.end())
        order.push_back((c - shared) / own);
    for (std::size_t w = 0; w < problem_.sources; ++w)
      if (std::ranges::find(order, w) == order.end()) order.push_back(w);
    const auto moved = [&](std::size_t c) {
      if (c < shared) return c;
      const auto w = std::ranges::find(order, (c - shared) / own) - order.begin();
      return shared + static_cast<std::size_t>(w) * own + (c - shared) % own;
    };
    Exchange exchange{at[moved(place.first) * r_ + moved(place.second)], {}};
    for (const auto& other : places) exchange.places.push_back(at[moved(other.first) * r_ + moved(other.second)]);
    exchange_.push_back(std::move(exchange));
  }
}

// ---- maps -------------------------------------------------------------------------------------------------------

GramCovariance::Maps GramCovariance::maps(const GramPhase& phase, std::span<const double> eigenvalue, bool cross) {
  const std::size_t r = phase.r, sources = phase.e.size();
  const auto places = entry_places(r);
  const auto used = [&](std::size_t c, std::size_t i) { return phase.T0[c * r + i] != 0 || phase.T1[c * r + i] != 0; };
  const auto T = [&](std::size_t c, std::size_t i, double lambda) {
    return phase.T0[c * r + i] + lambda * phase.T1[c * r + i];
  };
  Maps out;
  for (std::size_t w = 0; w < sources; ++w) {
    out.nu.push_back(symmetric_entries(phase.n[w], phase.n[w]));
    out.sigma.push_back(bilinear_form(phase.e[w], phase.e[w]));
  }
  out.cross.resize(sources);
  const double inverse_batch = sources > 0 ? 1 / phase.batch : 0.0;
  for (std::size_t row = 0; row < places.size(); ++row)
    for (std::size_t col = 0; col < places.size(); ++col) {
      const std::size_t c = places[row].first, d = places[row].second, i = places[col].first, j = places[col].second;
      double fed = 0;
      for (std::size_t w = 0; w < sources; ++w) fed += inverse_batch * out.nu[w][row] * out.sigma[w][col];
      if (fed != 0 || (used(c, i) && used(d, j)) || (used(c, j) && used(d, i))) {
        Entry entry{row, col, {}};
        for (const double lambda : eigenvalue) {
          const double straight = T(c, i, lambda) * T(d, j, lambda);
          const double crossed = i == j ? 0.0 : T(c, j, lambda) * T(d, i, lambda);
          entry.value.push_back(straight + crossed + fed * lambda * lambda);
        }
        out.own.push_back(std::move(entry));
      }
      if (inverse_batch == 0 || !cross) continue;
      for (std::size_t w = 0; w < sources; ++w) {
        // The entries of x n' + n x', x = lambda T G e, and 2/B of those of lambda^2 e'Ge n n'.
        const auto &e = phase.e[w], &noise = phase.n[w];
        const auto reads = [&](std::size_t of) { return (e[j] != 0 && used(of, i)) || (e[i] != 0 && used(of, j)); };
        if (!(noise[d] != 0 && reads(c)) && !(noise[c] != 0 && reads(d)) && out.nu[w][row] * out.sigma[w][col] == 0)
          continue;
        Entry entry{row, col, {}};
        for (const double lambda : eigenvalue) {
          const auto x = [&](std::size_t of) {
            return T(of, i, lambda) * e[j] + (i == j ? 0.0 : T(of, j, lambda) * e[i]);
          };
          entry.value.push_back(lambda * (x(c) * noise[d] + x(d) * noise[c]) +
                                2 * inverse_batch * lambda * lambda * out.nu[w][row] * out.sigma[w][col]);
        }
        out.cross[w].push_back(std::move(entry));
      }
    }
  return out;
}

std::vector<double> GramCovariance::image(const EntryMap& map, std::span<const double> g) const {
  const std::size_t n = modes();
  std::vector<double> out(total_, 0.0);
  for (const Entry& entry : map)
    for (std::size_t a = 0; a < n; ++a) out[entry.row * n + a] += entry.value[a] * g[entry.col * n + a];
  return out;
}

std::vector<double> GramCovariance::feedback(std::span<const double> nu, double batch) const {
  std::vector<double> out;
  for (const double entry : nu)
    for (std::size_t a = 0; a < modes(); ++a)
      out.push_back(entry * problem_.multiplicity[a] * problem_.eigenvalue[a] / batch);
  return out;
}

std::vector<double> GramCovariance::risk(std::span<const double> sigma) const {
  std::vector<double> out;
  for (const double entry : sigma)
    for (const double lambda : problem_.eigenvalue) out.push_back(entry * lambda);
  return out;
}

std::vector<double> GramCovariance::moved_covariance(std::span<const double> g) const {
  std::vector<double> out(total_, 0.0);
  if (!random_) return out;
  for (std::size_t column = 0; column < total_; ++column)
    if (g[column] != 0) add_to(out, g[column], std::span(covariance_).subspan(column * total_, total_));
  return out;
}

// ---- a phase ----------------------------------------------------------------------------------------------------

void GramCovariance::apply(const GramPhase& phase) {
  if (phase.r != r_ || phase.T0.size() != r_ * r_ || phase.T1.size() != r_ * r_ || phase.e.size() != phase.n.size())
    throw std::invalid_argument("variance of the risk: a phase of other coordinates");
  const Maps m = maps(phase, problem_.eigenvalue);
  const bool noisy = !phase.e.empty() && std::isfinite(phase.batch);
  std::vector<std::vector<double>> shared, response;
  std::vector<double> moved = image(m.own, mean_);
  for (std::size_t w = 0; noisy && w < phase.e.size(); ++w) {
    shared.push_back(risk(m.sigma[w]));
    response.push_back(feedback(m.nu[w], phase.batch));
    add_to(moved, product(shared[w], mean_) + problem_.noise_variance, response[w]);
  }
  if (noisy && !random_) {
    covariance_.assign(total_ * total_, 0.0);
    next_.assign(total_ * total_, 0.0);
  }
  if (noisy)
    assemble(m, 1 / phase.batch, added(phase, m, shared, response));
  else if (random_)
    assemble(m, 0, {});
  random_ = random_ || noisy;
  mean_ = std::move(moved);
}

// The terms of (2.7) that are of low rank, or of one mode.
GramCovariance::Added GramCovariance::added(const GramPhase& phase, const Maps& m,
                                            std::span<const std::vector<double>> shared,
                                            std::span<const std::vector<double>> response) const {
  const std::size_t sources = shared.size(), n = modes();
  const double b = 1 / phase.batch;
  Added out;
  out.diagonal.assign(n, std::vector<double>(entries_ * entries_, 0.0));
  const auto square_of = [&](std::vector<double> sigma, std::vector<double> pattern, double factor) {
    std::vector<double> mean(n, 0.0);
    for (std::size_t k = 0; k < entries_; ++k)
      for (std::size_t a = 0; a < n; ++a)
        mean[a] += problem_.eigenvalue[a] * problem_.eigenvalue[a] * sigma[k] * mean_[k * n + a];
    out.squares.push_back({std::move(sigma), std::move(pattern), std::move(mean), factor});
  };
  const auto add_outer = [&](std::vector<double> x, std::vector<double> y) {
    std::vector<bool> any;
    for (std::size_t k = 0; k < entries_; ++k)
      any.push_back(std::any_of(x.begin() + static_cast<std::ptrdiff_t>(k * n),
                                x.begin() + static_cast<std::ptrdiff_t>((k + 1) * n), [](double v) { return v != 0; }));
    out.outer.push_back({std::move(x), std::move(y), std::move(any)});
  };
  std::vector<double> Q(sources);
  std::vector<std::vector<double>> with_P(sources), with_Q(sources);  // covariances and moments with the entries
  for (std::size_t w = 0; w < sources; ++w) {
    Q[w] = product(shared[w], mean_) + problem_.noise_variance;
    with_P[w] = with_Q[w] = moved_covariance(shared[w]);
    add_to(with_Q[w], Q[w], mean_);
  }
  for (std::size_t w = 0; w < sources; ++w) {
    std::vector<double> y = image(m.own, with_P[w]);
    add_to(y, 2 * b, image(m.cross[w], with_Q[w]));
    for (std::size_t k = 0; k < entries_; ++k)
      for (std::size_t a = 0; a < n; ++a) {
        double S = 0;
        for (std::size_t l = 0; l < entries_; ++l) S += m.sigma[w][l] * with_Q[w][l * n + a];
        y[k * n + a] += 2 * b * b * problem_.eigenvalue[a] * problem_.eigenvalue[a] * S * m.nu[w][k];
      }
    for (std::size_t v = 0; v < sources; ++v) add_to(y, product(shared[v], with_P[w]) / 2, response[v]);
    const double squared = product(shared[w], with_P[w]) + Q[w] * Q[w];
    add_to(y, b * (squared + problem_.noise_excess / 2), response[w]);
    add_outer(response[w], std::move(y));
    std::vector<double> z = image(m.cross[w], mean_), half(total_, 0.0);
    add_to(half, b / 2, z);
    add_outer(std::move(z), std::move(half));
    square_of(m.sigma[w], m.nu[w], 2 * b * b * (1 + b));
    add_products(phase, m, w, with_Q[w], squared, out);
    // The products of two sources' noises.
    for (std::size_t v = 0; v < w; ++v) {
      std::vector<double> pattern = symmetric_entries(phase.n[w], phase.n[v]);
      for (double& entry : pattern) entry *= 2;
      square_of(bilinear_form(phase.e[w], phase.e[v]), pattern, b * b);
      const double both = product(shared[v], with_P[w]) + Q[w] * Q[v];
      for (std::size_t a = 0; a < n; ++a) {
        const double lambda = problem_.eigenvalue[a];
        double S = 0;
        for (std::size_t k = 0; k < entries_; ++k)
          S += m.sigma[v][k] * with_Q[w][k * n + a] + m.sigma[w][k] * with_Q[v][k * n + a];
        const double factor = b * b * lambda * lambda * (problem_.multiplicity[a] * both + lambda * S);
        for (std::size_t k = 0; k < entries_; ++k)
          for (std::size_t l = 0; pattern[k] != 0 && l < entries_; ++l)
            out.diagonal[a][k * entries_ + l] += factor * pattern[k] * pattern[l];
      }
    }
  }
  return out;
}

// What one source's noise adds to a mode's covariance with itself: the entries of (x n' + n x') (x n' + n x') with
// Sigma in place of x x'.
void GramCovariance::add_products(const GramPhase& phase, const Maps& m, std::size_t w, std::span<const double> with_Q,
                                  double squared, Added& out) const {
  const std::size_t n = modes(), r = r_;
  const double b = 1 / phase.batch;
  const auto& noise = phase.n[w];
  const auto places = entry_places(r);
  std::vector<std::size_t> touched;
  for (std::size_t k = 0; k < entries_; ++k)
    if (noise[places[k].first] != 0 || noise[places[k].second] != 0) touched.push_back(k);
  std::vector<double> G(r * r), T(r * r), TG(r * r), q(r), Sigma(r * r);
  for (std::size_t a = 0; a < n; ++a) {
    const double lambda = problem_.eigenvalue[a];
    double S = 0;
    for (std::size_t k = 0; k < entries_; ++k) {
      G[places[k].first * r + places[k].second] = G[places[k].second * r + places[k].first] = with_Q[k * n + a];
      S += m.sigma[w][k] * with_Q[k * n + a];
    }
    for (std::size_t i = 0; i < r * r; ++i) T[i] = phase.T0[i] + lambda * phase.T1[i];
    for (std::size_t c = 0; c < r; ++c) {
      q[c] = 0;
      for (std::size_t d = 0; d < r; ++d) {
        TG[c * r + d] = 0;
        for (std::size_t k = 0; k < r; ++k) TG[c * r + d] += T[c * r + k] * G[k * r + d];
        q[c] += TG[c * r + d] * phase.e[w][d];
      }
    }
    const double of_noise =
        (1 + 6 * b) * b * b * lambda * lambda * lambda * S +
        ((1 + 2 * b) * squared + b * problem_.noise_excess) * b * b / 2 * problem_.multiplicity[a] * lambda * lambda;
    for (std::size_t c = 0; c < r; ++c)
      for (std::size_t d = 0; d < r; ++d) {
        double moved = 0;
        for (std::size_t k = 0; k < r; ++k) moved += TG[c * r + k] * T[d * r + k];
        Sigma[c * r + d] = b * lambda * moved + 2 * b * b * lambda * lambda * (q[c] * noise[d] + q[d] * noise[c]) +
                           of_noise * noise[c] * noise[d];
      }
    for (const std::size_t k : touched)
      for (const std::size_t l : touched) {
        const auto [c, d] = places[k];
        const auto [i, j] = places[l];
        out.diagonal[a][k * entries_ + l] +=
            Sigma[c * r + i] * noise[d] * noise[j] + Sigma[d * r + i] * noise[c] * noise[j] +
            Sigma[c * r + j] * noise[d] * noise[i] + Sigma[d * r + j] * noise[c] * noise[i];
      }
  }
}

std::vector<bool> GramCovariance::needed(const EntryMap& map) const {
  std::vector<bool> out(entries_, false);
  for (const Entry& entry : map)
    if (exchange_[entry.row].to == entry.row) out[entry.col] = true;
  return out;
}

// (2.7) mode by mode: what is below the modes' diagonal, of columns that no exchange of sources makes of others.
void GramCovariance::assemble(const Maps& m, double b, const Added& more) {
  const std::size_t n = modes(), t = entries_;
  std::vector<std::pair<const EntryMap*, double>> congruences;
  if (random_) {  // else there is nothing yet to be moved
    congruences.emplace_back(&m.own, 1.0);
    for (const EntryMap& map : m.cross) congruences.emplace_back(&map, b);
  }
  std::vector<std::vector<bool>> columns;
  std::vector<std::vector<std::size_t>> rows(congruences.size());  // that a map leaves anything in
  for (std::size_t i = 0; i < congruences.size(); ++i) {
    columns.push_back(needed(*congruences[i].first));
    for (const Entry& entry : *congruences[i].first)
      if (rows[i].empty() || rows[i].back() != entry.row) rows[i].push_back(entry.row);
  }
  const auto represents = [&](std::size_t col) { return exchange_[col].to == col; };
  std::vector<double> half(t * t * n), s(n);
  for (std::size_t at = 0; at < n; ++at) {
    const std::size_t left = n - at;
    // Places of the entries (row, mode >= at) of the column (col, at), in the matrices and in `half`.
    const auto place = [&](std::size_t row, std::size_t col) { return (col * n + at) * total_ + row * n + at; };
    for (std::size_t col = 0; col < t; ++col)
      for (std::size_t row = 0; represents(col) && row < t; ++row)
        std::fill_n(next_.data() + place(row, col), left, 0.0);
    for (std::size_t i = 0; i < congruences.size(); ++i) {
      const EntryMap& map = *congruences[i].first;
      for (std::size_t col = 0; col < t; ++col) {
        if (!columns[i][col]) continue;
        for (const std::size_t row : rows[i]) std::fill_n(half.data() + (col * t + row) * left, left, 0.0);
        for (const Entry& entry : map) {
          const double *from = covariance_.data() + place(entry.col, col), *value = entry.value.data() + at;
          double* to = half.data() + (col * t + entry.row) * left;
          for (std::size_t a = 0; a < left; ++a) to[a] += value[a] * from[a];
        }
      }
      for (const Entry& entry : map) {
        if (!represents(entry.row)) continue;
        const double value = congruences[i].second * entry.value[at];
        for (const std::size_t row : rows[i]) {
          const double* from = half.data() + (entry.col * t + row) * left;
          double* to = next_.data() + place(row, entry.row);
          for (std::size_t a = 0; a < left; ++a) to[a] += value * from[a];
        }
      }
    }
    for (const Added::Square& square : more.squares) {
      for (std::size_t a = 0; a < left; ++a) s[a] = square.mean[at + a] * square.mean[at];
      for (std::size_t col = 0; random_ && col < t; ++col)
        for (std::size_t row = 0; row < t; ++row) {
          const double both = square.sigma[row] * square.sigma[col];
          if (both == 0) continue;
          const double *from = covariance_.data() + place(row, col), *lambda = problem_.eigenvalue.data() + at;
          const double here = both * lambda[0] * lambda[0];
          for (std::size_t a = 0; a < left; ++a) s[a] += here * lambda[a] * lambda[a] * from[a];
        }
      for (std::size_t col = 0; col < t; ++col)
        for (std::size_t row = 0; represents(col) && row < t; ++row) {
          const double both = square.factor * square.pattern[row] * square.pattern[col];
          if (both == 0) continue;
          double* to = next_.data() + place(row, col);
          for (std::size_t a = 0; a < left; ++a) to[a] += both * s[a];
        }
    }
    for (std::size_t col = 0; col < t; ++col) {
      if (!represents(col)) continue;
      for (const auto& [x, y, any] : more.outer)
        for (std::size_t row = 0; row < t; ++row) {
          const double *xs = x.data() + row * n + at, *ys = y.data() + row * n + at;
          const double x_at = x[col * n + at], y_at = y[col * n + at];
          double* to = next_.data() + place(row, col);
          if (x_at != 0)
            for (std::size_t a = 0; a < left; ++a) to[a] += ys[a] * x_at;
          if (y_at != 0 && any[row])
            for (std::size_t a = 0; a < left; ++a) to[a] += xs[a] * y_at;
        }
      for (std::size_t row = 0; !more.diagonal.empty() && row < t; ++row)
        next_[place(row, col)] += more.diagonal[at][row * t + col];
    }
    for (std::size_t col = 0; col < t; ++col)
      for (std::size_t row = 0; !represents(col) && row < t; ++row)
        std::copy_n(next_.data() + place(exchange_[col].places[row], exchange_[col].to), left,
                    next_.data() + place(row, col));
  }
  // The rest by symmetry, in squares that fit a cache.
  constexpr std::size_t side = 16;
  for (std::size_t col = 0; col < t; ++col)
    for (std::size_t row = 0; row < t; ++row)
      for (std::size_t b0 = 0; b0 < n; b0 += side)
        for (std::size_t a0 = b0; a0 < n; a0 += side)
          for (std::size_t at = b0; at < std::min(b0 + side, n); ++at)
            for (std::size_t a = std::max(a0, at + 1); a < std::min(a0 + side, n); ++a)
              next_[(row * n + a) * total_ + col * n + at] = next_[(col * n + at) * total_ + row * n + a];
  covariance_.swap(next_);
}

double GramCovariance::work(const GramPhase& phase) const {
  const double one[] = {1.0};
  const Maps m = maps(phase, one);
  std::vector<const EntryMap*> all{&m.own};
  for (const EntryMap& map : m.cross) all.push_back(&map);
  double products = 0;
  for (const EntryMap* map : all) {
    const auto columns = needed(*map);
    const auto self =
        std::ranges::count_if(*map, [&](const Entry& entry) { return exchange_[entry.row].to == entry.row; });
    products += static_cast<double>(map->size()) * static_cast<double>(std::ranges::count(columns, true)) +
                static_cast<double>(self) * static_cast<double>(entries_);
  }
  products = products / 2 + 2 * static_cast<double>(entries_ * entries_);  // with what is copied
  return products * static_cast<double>(modes()) * static_cast<double>(modes());
}

// ---- what is read -----------------------------------------------------------------------------------------------

std::vector<double> GramCovariance::sensitivity(const GramForm& form) const {
  std::vector<double> out;
  for (const auto& [c, d] : entry_places(r_))
    for (const double lambda : problem_.eigenvalue)
      out.push_back((c == d ? 1 : 2) * form.A[c * r_ + d] * (form.by_eigenvalue ? lambda : 1));
  return out;
}

std::vector<double> GramCovariance::sensitivity_before(const GramPhase& phase, std::span<const double> after) const {
  const std::size_t n = modes();
  const Maps m = maps(phase, problem_.eigenvalue, false);
  std::vector<double> out(total_, 0.0);
  for (const Entry& entry : m.own)
    for (std::size_t a = 0; a < n; ++a) out[entry.col * n + a] += entry.value[a] * after[entry.row * n + a];
  for (std::size_t w = 0; w < phase.e.size(); ++w)
    add_to(out, product(feedback(m.nu[w], phase.batch), after), risk(m.sigma[w]));
  return out;
}

double GramCovariance::mean(const GramForm& form) const {
  return product(sensitivity(form), mean_);
}

std::vector<double> GramCovariance::covariances(const GramForm& form) const {
  return moved_covariance(sensitivity(form));
}

double GramCovariance::variance(const GramForm& form) const {
  const std::vector<double> by = sensitivity(form);
  const double variance = product(moved_covariance(by), by);
  return std::isfinite(variance) ? std::max(0.0, variance) : std::numeric_limits<double>::infinity();
}

double GramCovariance::size(double r, double modes) {
  const double total = r * (r + 1) / 2 * modes;
  return total * total;
}

}  // namespace edgewise::solvers
