#include "solvers/period_map.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

#include "solvers/mode_sums.hpp"
#include "solvers/noisy_run.hpp"

namespace edgewise::solvers {

namespace {

using Square = std::array<double, max_block * max_block>;

constexpr double too_large = 1e290;

// out = a y a', y symmetric.
void sandwich(const double* a, const double* y, std::size_t r, double* out) {
  Square half{};
  multiply(a, y, r, half.data());
  for (std::size_t i = 0; i < r; ++i)
    for (std::size_t j = i; j < r; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k < r; ++k) sum += half[i * r + k] * a[j * r + k];
      out[i * r + j] = out[j * r + i] = sum;
    }
}

}  // namespace

struct PeriodMap::Impl {
  PeriodicPhases system;  // balanced
  double shared_unit = 1;
  std::vector<double> own;  // response to a mode's own S in A_i
  Coupling modes;
  struct Moment {
    std::size_t block, row, col;
  };
  std::vector<std::vector<std::size_t>> rep;
  std::vector<Moment> unknown;
  std::size_t n = 0, D = 0, rest_column = vanishes;
  std::vector<double> map;     // [mode][D][D], A - 1
  std::vector<double> forces;  // [mode][D]
  std::vector<bool> is_finite;
  bool couples = false;
  mutable std::vector<NoisyRun> runs;
  std::vector<std::size_t> run_of_phase;  // the noisy run of each entry of the period
  // The readout: [mode][D + 1] of what the period begins with, and where it is taken before the last phase, of the noise
  // of each run too, [run][mode][q].
  std::vector<double> seen;
  std::vector<std::vector<double>> seen_noise;
  mutable std::vector<double> g, left, S;

  Impl(const PeriodicPhases& given, bool noise, bool whole, std::shared_ptr<Jumps> jumps) {
    if (!jumps) jumps = std::make_shared<Jumps>();
    BalancedPhases b = balanced(given);
    system = std::move(b.system);
    shared_unit = b.shared_unit;
    n = system.modes.x.size();
    own = system.modes.own;
    modes = {system.modes.weight, system.modes.feedback, std::vector<double>(n, 0.0)};
    for (std::size_t i = 0; i < n; ++i)
      if (own[i] < 0 && !whole) {
        modes.itself[i] = std::max(0.0, own[i] + modes.feedback[i] * modes.weight[i]) - own[i];
        own[i] += modes.itself[i];
      }
    bool any = false;
    for (const PhaseRun& run : system.period) {
      double omega = 0;
      for (const PhaseBlock& block : run.phase.blocks) omega += block.omega;
      any = any || run.phase.noise_scale != 0;
      run_of_phase.push_back(vanishes);
      if (!noise || run.phase.noise_scale == 0) continue;
      if (omega == 0 && !runs.empty()) continue;  // no noise; the first is kept, for p is read there
      run_of_phase.back() = runs.size();
      runs.emplace_back(run, jumps);
      couples = couples || std::ranges::any_of(runs.back().enters, [](double e) { return e != 0; });
    }
    if (!any) throw std::invalid_argument("renewal: the period has no noisy phase");
    couples = couples && std::ranges::any_of(modes.feedback, [](double f) { return f != 0; });
    list_unknowns();
    for (NoisyRun& run : runs) {
      run.step.assign(run.q * run.q * n, 0.0);
      run.in.assign(n * run.q * (D + 1), 0.0);
      run.out.assign(n * D * run.q, 0.0);
      for (const NoisyRun& earlier : runs) {
        if (&earlier == &run) break;
        run.later.emplace_back(n * run.q * earlier.q, 0.0);
      }
    }
    seen.assign(n * (D + 1), 0.0);
    if (system.before_last)
      for (const NoisyRun& run : runs) seen_noise.emplace_back(n * run.q, 0.0);
    map.assign(n * D * D, 0.0);
    forces.assign(n * D, 0.0);
    is_finite.assign(n, true);
    Builder builder(*this);
    for (std::size_t i = 0; i < n; ++i) builder.build(i);
  }

  void list_unknowns() {
    for (std::size_t b = 0; b < system.sizes.size(); ++b) {
      const std::size_t r = system.sizes[b];
      rep.push_back(representatives(system, b));
      for (std::size_t i = 0; i < r; ++i)
        for (std::size_t j = i; j < r; ++j)
          if (rep[b][i] == i && rep[b][j] == j && !(system.is_constant(b, i) && system.is_constant(b, j)))
            unknown.push_back({b, i, j});
    }
    D = unknown.size();
    // Slow modes stay close to `rest`: its moments must be those of one coordinate and its copies.
    for (std::size_t m = 0; m < D && !system.rest.empty(); ++m) {
      const auto& [b, i, j] = unknown[m];
      const auto& f = system.rest[b];
      if (i != j || f[i] == 0) continue;
      bool alone = true;
      for (std::size_t k = 0; k < f.size(); ++k) alone = alone && f[k] == (rep[b][k] == i ? f[i] : 0);
      for (std::size_t other = 0; other < system.rest.size(); ++other)
        for (const double value : system.rest[other]) alone = alone && (other == b || value == 0);
      if (alone) rest_column = m;
    }
  }

  double constant_value(std::size_t block, std::size_t coordinate) const {
    for (const ConstantCoordinate& c : system.constants)
      if (c.block == block && c.coordinate == coordinate) return c.value;
    return 0;
  }

  /// The maps of one mode after another: columns of unit moments go through the period.
  struct Builder {
    Impl& all;
    std::size_t blocks;
    // Coordinates of one block; of parameters at rest, by how far they are from there.
    struct Vector {
      std::array<double, max_block> moved{};
      bool resting = false;
    };
    // A unit moment is a product of two vectors, and so is what the mean map makes of it. Kept so, an outer rate as large as
    // the inner steps are short makes no rounding of moments larger than what a round has moved.
    struct Column {
      std::vector<Square> moments;  // of each block, full symmetric: beside the product
      std::vector<Vector> product;  // none; v, of which it is v v'; or v and w, of which it is v w' + w v'
      std::size_t block = 0;        // of the product
      std::size_t born = vanishes;  // the run whose noise it is
    };
    std::vector<Column> columns;
    std::vector<double> rest;  // of the block of rest_column, its coordinate there being 1
    std::size_t rest_block = 0;
    std::vector<Square> power, one;
    std::array<double, max_block> moved{}, moved_once{};
    std::vector<double> S, gained, A, product, more, q_values, q_noise;

    explicit Builder(Impl& impl) : all(impl), blocks(impl.system.sizes.size()), power(blocks), one(blocks) {
      if (all.rest_column != vanishes) {
        const auto& at = all.unknown[all.rest_column];
        rest_block = at.block;
        rest = all.system.rest[rest_block];
        const double unit = rest[at.row];
        for (double& f : rest) f /= unit;
      }
    }

    void reset(Column& column) const {
      column.moments.assign(blocks, Square{});
      column.product.clear();
      column.born = vanishes;
    }
    double value(const Vector& v, std::size_t i) const { return v.resting ? rest[i] + v.moved[i] : v.moved[i]; }
    // Moment (i, j) of block b.
    double moment(const Column& column, std::size_t b, std::size_t i, std::size_t j) const {
      double out = column.moments[b][i * all.system.sizes[b] + j];
      if (column.product.empty() || b != column.block) return out;
      const Vector &v = column.product.front(), &w = column.product.back();
      out += value(v, i) * value(w, j);
      return column.product.size() == 1 ? out : out + value(w, i) * value(v, j);
    }

    // The same less 1, of the column that began with it as a unit.
    double change(const Column& column, std::size_t b, std::size_t i, std::size_t j) const {
      const Vector& v = column.product.front();
      if (!(i == j && v.resting)) return moment(column, b, i, j) - 1;
      const double moved_i = v.moved[i];
      return column.moments[b][i * all.system.sizes[b] + j] + moved_i * (2 * rest[i] + moved_i);
    }

    void start() {
      columns.resize(all.D + 1);
      for (Column& column : columns) reset(column);
      for (std::size_t m = 0; m < all.D; ++m) {
        const auto& [b, i, j] = all.unknown[m];
        const auto& places = all.rep[b];
        columns[m].block = b;
        const bool resting = all.rest_column != vanishes && b == rest_block;
        const auto add = [&](std::size_t coordinate) {
          Vector& v = columns[m].product.emplace_back();
          v.resting = resting && coordinate == all.unknown[all.rest_column].row;
          for (std::size_t k = 0; k < places.size() && !v.resting; ++k) v.moved[k] = places[k] == coordinate ? 1 : 0;
        };
        add(i);
        if (j != i) add(j);
      }
      for (std::size_t b = 0; b < blocks; ++b)
        for (std::size_t k = 0; k < all.system.sizes[b]; ++k)
          for (std::size_t l = 0; l < all.system.sizes[b]; ++l)
            columns[all.D].moments[b][k * all.system.sizes[b] + l] =
                all.constant_value(b, k) * all.constant_value(b, l);
    }

    // The q moments that drive a run's noise, at its start.
    void project(const Column& column, const NoisyRun& run, double* out) const {
      std::fill_n(out, run.q, 0.0);
      for (std::size_t b = 0; b < blocks; ++b) {
        const auto& at = run.where.block[b];
        const std::size_t begin = run.where.joined ? 0 : run.offset[b],
                          width = run.where.joined ? run.where.block[run.where.lead].size() : at.size();
        for (std::size_t i = 0; i < at.size(); ++i)
          for (std::size_t j = i; j < at.size(); ++j)
            out[begin + moment_place(i, j, width)] += moment(column, b, at[i], at[j]);
      }
    }
    // Adds moments of the noise to the blocks.
    void inject(Column& column, const NoisyRun& run, const double* noise) const {
      for (std::size_t b = 0; b < blocks; ++b) {
        const auto& at = run.where.block[b];
        const std::size_t r = all.system.sizes[b], begin = run.where.joined ? 0 : run.offset[b],
                          width = run.where.joined ? run.where.block[run.where.lead].size() : at.size();
        const double share = run.where.joined ? run.share[b] : 1;
        for (std::size_t i = 0; i < at.size(); ++i)
          for (std::size_t j = 0; j < at.size(); ++j)
            column.moments[b][at[i] * r + at[j]] += share * noise[begin + moment_place(i, j, width)];
      }
    }

    // power = T^repeat of every block and moved = its displacement of rest.
    void raise(const PhaseRun& run, double x) {
      Square next{};
      for (std::size_t b = 0; b < blocks; ++b) {
        const PhaseBlock& block = run.phase.blocks[b];
        const std::size_t r = block.r;
        const bool resting = all.rest_column != vanishes && b == rest_block;
        transfer(block, x, one[b].data());
        power[b] = one[b];
        if (resting) {
          displacement(block, rest.data(), x, moved_once.data());
          moved = moved_once;
        }
        const auto carry = [&](const Square& by, const std::array<double, max_block>& extra) {
          std::array<double, max_block> sum = extra;
          for (std::size_t i = 0; i < r; ++i)
            for (std::size_t j = 0; j < r; ++j) sum[i] += by[i * r + j] * moved[j];
          moved = sum;
        };
        for_bits(run.repeat, [&](bool add) {
          if (resting) carry(power[b], moved);
          multiply(power[b].data(), power[b].data(), r, next.data());
          power[b] = next;
          if (!add) return;
          if (resting) carry(one[b], moved_once);
          multiply(one[b].data(), power[b].data(), r, next.data());
          power[b] = next;
        });
      }
    }

    // gained = (own noise included)^repeat - (signal)^repeat of the q moments; the steps of the mode are kept.
    void raise_noise(const PhaseRun& phases, NoisyRun& run, std::size_t mode) {
      const std::size_t q = run.q, size = q * q;
      for (auto* square : {&S, &gained, &A, &product, &more}) square->assign(size, 0.0);
      run.signal(phases, all.system.modes.x[mode], S.data());
      std::vector<double>& S1 = A;
      S1 = S;
      for (std::size_t i = 0; i < q; ++i)
        for (std::size_t j = 0; j < q; ++j) {
          gained[i * q + j] = all.own[mode] * run.enters[i] * run.reads[j];
          run.step[(i * q + j) * all.n + mode] = S[i * q + j] + gained[i * q + j];
        }
      const std::vector<double> D1 = gained;
      // (S + gained)(S' + gained') - S S'
      const auto join = [&](const std::vector<double>& Sa, const std::vector<double>& Da) {
        multiply(Da.data(), gained.data(), q, more.data());
        multiply(Sa.data(), gained.data(), q, product.data());
        for (std::size_t k = 0; k < size; ++k) more[k] += product[k];
        multiply(Da.data(), S.data(), q, product.data());
        for (std::size_t k = 0; k < size; ++k) more[k] += product[k];
        multiply(Sa.data(), S.data(), q, product.data());
        gained = more;
        S = product;
      };
      for_bits(run.repeat, [&](bool add) {
        const std::vector<double> S2 = S, D2 = gained;
        join(S2, D2);
        if (add) join(S1, D1);
      });
    }

    void build(std::size_t mode) {
      start();
      for (std::size_t p = 0; p < all.system.period.size(); ++p) {
        const PhaseRun& phases = all.system.period[p];
        if (p == (all.system.before_last ? all.system.period.size() - 1 : 0)) look(mode);
        raise(phases, all.system.modes.x[mode]);
        NoisyRun* run = all.run_of_phase[p] == vanishes ? nullptr : &all.runs[all.run_of_phase[p]];
        if (run) {
          raise_noise(phases, *run, mode);
          q_values.assign(run->q, 0.0);
          q_noise.assign(run->q, 0.0);
        }
        for (std::size_t c = 0; c < columns.size(); ++c) {
          Column& column = columns[c];
          if (run) {
            project(column, *run, q_values.data());
            record_start(*run, column, c, mode);
          }
          Square next{};
          for (std::size_t b = 0; b < blocks; ++b) {
            const std::size_t r = all.system.sizes[b];
            sandwich(power[b].data(), column.moments[b].data(), r, next.data());
            column.moments[b] = next;
            for (Vector& v : column.product) {
              if (b != column.block) break;
              std::array<double, max_block> next_moved{};
              if (v.resting) next_moved = moved;
              for (std::size_t i = 0; i < r; ++i)
                for (std::size_t j = 0; j < r; ++j) next_moved[i] += power[b][i * r + j] * v.moved[j];
              v.moved = next_moved;
            }
          }
          if (!run) continue;
          for (std::size_t i = 0; i < run->q; ++i) {
            q_noise[i] = 0;
            for (std::size_t j = 0; j < run->q; ++j) q_noise[i] += gained[i * run->q + j] * q_values[j];
          }
          inject(column, *run, q_noise.data());
        }
        if (!run) continue;
        for (std::size_t k = 0; k < run->q; ++k) {
          columns.emplace_back();
          reset(columns.back());
          columns.back().born = all.run_of_phase[p];
          q_values.assign(run->q, 0.0);
          q_values[k] = 1;
          inject(columns.back(), *run, q_values.data());
        }
      }
      read(mode);
    }

    // The readout of every column as it is now.
    void look(std::size_t mode) const {
      for (std::size_t c = 0; c < columns.size(); ++c) {
        const Column& column = columns[c];
        double value = 0;
        for (std::size_t b = 0; b < all.system.readout.size(); ++b) {
          const auto& by = all.system.readout[b];
          for (std::size_t i = 0; i < by.size(); ++i)
            for (std::size_t j = 0; j < by.size(); ++j)
              if (by[i] != 0 && by[j] != 0) value += by[i] * by[j] * moment(column, b, i, j);
        }
        if (column.born == vanishes)
          all.seen[mode * (all.D + 1) + c] = value;
        else
          all.seen_noise[column.born][mode * all.runs[column.born].q + c - first_of(column.born)] = value;
      }
    }

    void record_start(NoisyRun& run, const Column& column, std::size_t c, std::size_t mode) const {
      if (column.born == vanishes) {
        for (std::size_t i = 0; i < run.q; ++i) run.in[(mode * run.q + i) * (all.D + 1) + c] = q_values[i];
        return;
      }
      const std::size_t q = all.runs[column.born].q;
      const std::size_t k = c - first_of(column.born);
      for (std::size_t i = 0; i < run.q; ++i) run.later[column.born][(mode * run.q + i) * q + k] = q_values[i];
    }
    std::size_t first_of(std::size_t born) const {
      std::size_t first = all.D + 1;
      for (std::size_t r = 0; r < born; ++r) first += all.runs[r].q;
      return first;
    }

    void read(std::size_t mode) {
      const std::size_t unknowns = all.D;
      bool finite = true;
      for (std::size_t c = 0; c < columns.size(); ++c)
        for (std::size_t m = 0; m < unknowns; ++m) {
          const auto& [b, i, j] = all.unknown[m];
          double value = c == m ? change(columns[c], b, i, j) : moment(columns[c], b, i, j);
          finite = finite && std::abs(value) < too_large;
          if (c < unknowns) {
            all.map[(mode * unknowns + m) * unknowns + c] = value;
          } else if (c == unknowns) {
            all.forces[mode * unknowns + m] = value;
          } else {
            NoisyRun& run = all.runs[columns[c].born];
            run.out[(mode * unknowns + m) * run.q + c - first_of(columns[c].born)] = value;
          }
        }
      for (const NoisyRun& run : all.runs)
        for (std::size_t k = 0; k < run.q * (unknowns + 1); ++k)
          finite = finite && std::abs(run.in[mode * run.q * (unknowns + 1) + k]) < too_large;
      all.is_finite[mode] = finite;
    }
  };

  // g = the moments at the start of run `which`, from those of the period and the noise of earlier runs.
  void enter(std::size_t which, std::span<const double> y, std::span<const double> power,
             const std::vector<std::vector<double>>& noise) const {
    const NoisyRun& run = runs[which];
    g.assign(run.q * n, 0.0);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t k = 0; k < run.q; ++k) {
        const double* in = run.in.data() + (i * run.q + k) * (D + 1);
        double sum = power.empty() ? 0 : in[D] * power[i];
        for (std::size_t m = 0; m < D; ++m) sum += in[m] * y[i * D + m];
        for (std::size_t e = 0; e < noise.size(); ++e) {
          const std::size_t q = runs[e].q;
          for (std::size_t l = 0; l < q; ++l) sum += run.later[e][(i * run.q + k) * q + l] * noise[e][l * n + i];
        }
        g[k * n + i] = sum;
      }
  }

  // What the noise of each run leaves at its end; false when it leaves the range of doubles.
  bool follow(std::span<const double> y, double source, std::span<const double> power,
              std::vector<std::vector<double>>& noise, double* first) const {
    for (std::size_t r = 0; r < runs.size(); ++r) {
      enter(r, y, power, noise);
      if (r == 0 && first) *first = runs[r].read(modes, g, S);
      if (!runs[r].follow(modes, source / shared_unit, g, left)) return false;
      noise.push_back(left);
    }
    return true;
  }
};

PeriodMap::PeriodMap(const PeriodicPhases& system, bool noise, bool whole, std::shared_ptr<Jumps> jumps)
    : impl_(std::make_unique<Impl>(system, noise, whole, std::move(jumps))) {}
PeriodMap::~PeriodMap() = default;
PeriodMap::PeriodMap(PeriodMap&&) noexcept = default;
PeriodMap& PeriodMap::operator=(PeriodMap&&) noexcept = default;

std::size_t PeriodMap::modes() const {
  return impl_->n;
}
std::size_t PeriodMap::moments() const {
  return impl_->D;
}
bool PeriodMap::finite(std::size_t mode) const {
  return impl_->is_finite[mode];
}
std::span<const double> PeriodMap::own_map(std::size_t mode) const {
  return {impl_->map.data() + mode * impl_->D * impl_->D, impl_->D * impl_->D};
}
std::size_t PeriodMap::rest_moment() const {
  return impl_->rest_column;
}
std::span<const double> PeriodMap::forced(std::size_t mode) const {
  return {impl_->forces.data() + mode * impl_->D, impl_->D};
}
bool PeriodMap::frozen(std::size_t mode) const {
  const Impl& s = *impl_;
  if (s.rest_column == vanishes) return false;
  for (std::size_t m = 0; m < s.D; ++m)
    if (s.map[(mode * s.D + m) * s.D + s.rest_column] != 0) return false;
  // A mode that jumps, to its minimum or beyond, may get its second moment back from noise or by symmetry.
  const std::size_t block = s.unknown[s.rest_column].block;
  const std::vector<double>& rest = s.system.rest[block];
  const std::vector<double> T = mean_map(s.system, block, s.system.modes.x[mode]);
  for (std::size_t i = 0; i < rest.size(); ++i) {
    double moved = -rest[i];
    for (std::size_t j = 0; j < rest.size(); ++j) moved += T[i * rest.size() + j] * rest[j];
    if (std::abs(moved) > 1e-3 * std::abs(rest[i])) return false;
  }
  return true;
}
bool PeriodMap::coupled() const {
  return impl_->couples;
}
bool PeriodMap::splits() const {
  return std::ranges::any_of(impl_->modes.itself, [](double f) { return f != 0; });
}
std::uint64_t PeriodMap::passes() const {
  std::uint64_t sum = 0;
  for (const NoisyRun& run : impl_->runs) sum += run.passes();
  return sum;
}
void PeriodMap::set_coupling(double factor) {
  if (factor == impl_->modes.factor) return;
  impl_->modes.factor = factor;
  for (NoisyRun& run : impl_->runs) run.forget();
}
double PeriodMap::shared_unit() const {
  return impl_->shared_unit;
}
std::span<const double> PeriodMap::weight() const {
  return impl_->system.modes.weight;
}
std::span<const double> PeriodMap::position() const {
  return impl_->system.modes.x;
}

bool PeriodMap::respond(std::span<const double> y, double source, std::span<const double> power, std::span<double> out,
                        double* first) const {
  const Impl& s = *impl_;
  std::ranges::fill(out, 0.0);
  std::vector<std::vector<double>> noise;
  if (!s.follow(y, source, power, noise, first)) return false;
  for (std::size_t r = 0; r < s.runs.size(); ++r) {
    const NoisyRun& run = s.runs[r];
    for (std::size_t i = 0; i < s.n; ++i)
      for (std::size_t m = 0; m < s.D; ++m) {
        double sum = 0;
        for (std::size_t k = 0; k < run.q; ++k) sum += run.out[(i * s.D + m) * run.q + k] * noise[r][k * s.n + i];
        out[i * s.D + m] += sum;
      }
  }
  return all_finite(out);
}

double PeriodMap::shared(std::span<const double> y) const {
  impl_->enter(0, y, {}, {});
  return impl_->runs[0].read(impl_->modes, impl_->g, impl_->S);
}

std::vector<double> PeriodMap::observed(std::span<const double> y, std::span<const double> power, double source) const {
  const Impl& s = *impl_;
  std::vector<double> out(s.n, 0.0);
  std::vector<std::vector<double>> noise;
  if (s.system.before_last && !s.follow(y, source, power, noise, nullptr))
    out.assign(s.n, std::numeric_limits<double>::infinity());
  for (std::size_t i = 0; i < s.n; ++i) {
    const double* by = s.seen.data() + i * (s.D + 1);
    for (std::size_t m = 0; m < s.D; ++m) out[i] += by[m] * y[i * s.D + m];
    if (!power.empty()) out[i] += by[s.D] * power[i];
    for (std::size_t r = 0; r < noise.size(); ++r)
      for (std::size_t k = 0; k < s.runs[r].q; ++k)
        out[i] += s.seen_noise[r][i * s.runs[r].q + k] * noise[r][k * s.n + i];
  }
  return out;
}

std::vector<double> PeriodMap::interior(double excess) const {
  const Impl& s = *impl_;
  std::vector<double> y(s.n * s.D, 0.0);
  for (std::size_t m = 0; m < s.D; ++m)
    if (s.unknown[m].row == s.unknown[m].col)
      for (std::size_t i = 0; i < s.n; ++i) {
        const double decay = std::abs(s.map[(i * s.D + m) * s.D + m]) + std::abs(excess);
        y[i * s.D + m] = m == s.rest_column ? std::clamp(decay, 1e-280, 1.0) : 1;
      }
  return y;
}

bool PeriodMap::positive(std::span<const double> y, std::size_t mode) const {
  const Impl& s = *impl_;
  const double* moments = y.data() + mode * s.D;
  // Pivots of rounding size are 0.
  constexpr double rounding = 1e-11;
  for (std::size_t b = 0; b < s.system.sizes.size(); ++b) {
    std::vector<std::size_t> at;
    for (std::size_t i = 0; i < s.system.sizes[b]; ++i)
      if (s.rep[b][i] == i && !s.system.is_constant(b, i)) at.push_back(i);
    const std::size_t k = at.size();
    Square m{};
    for (std::size_t u = 0; u < s.D; ++u) {
      if (s.unknown[u].block != b) continue;
      const auto row = std::ranges::find(at, s.unknown[u].row), col = std::ranges::find(at, s.unknown[u].col);
      if (row == at.end() || col == at.end()) continue;
      const auto i = static_cast<std::size_t>(row - at.begin()), j = static_cast<std::size_t>(col - at.begin());
      m[i * k + j] = m[j * k + i] = moments[u];
    }
    std::array<double, max_block> size{};
    for (std::size_t i = 0; i < k; ++i) {
      if (!(m[i * k + i] > 0)) return false;
      size[i] = std::sqrt(m[i * k + i]);
    }
    for (std::size_t i = 0; i < k; ++i)
      for (std::size_t j = 0; j < k; ++j) m[i * k + j] = m[i * k + j] / size[i] / size[j];
    for (std::size_t p = 0; p < k; ++p) {
      const double pivot = m[p * k + p];
      if (!(pivot > -rounding)) return false;
      if (pivot <= rounding) {
        for (std::size_t j = p + 1; j < k; ++j)
          if (!(std::abs(m[p * k + j]) < std::sqrt(rounding))) return false;
        continue;
      }
      for (std::size_t i = p + 1; i < k; ++i)
        for (std::size_t j = p + 1; j < k; ++j) m[i * k + j] -= m[i * k + p] * m[p * k + j] / pivot;
    }
  }
  return true;
}

double PeriodMap::log_growth_by_iteration() const {
  const PeriodicPhases& s = impl_->system;
  LinearPhases state(s.modes, s.sizes);
  state.set_source(0);
  const auto each = [&](auto act) {
    for (std::size_t b = 0; b < s.sizes.size(); ++b)
      for (std::size_t i = 0; i < s.sizes[b]; ++i)
        for (std::size_t j = i; j < s.sizes[b]; ++j) act(b, i, j, state.moment(b, i, j));
  };
  each([&](std::size_t b, std::size_t i, std::size_t j, std::span<double> values) {
    if (i == j && !s.is_constant(b, i)) std::ranges::fill(values, 1.0);
  });
  const auto shrink = [&] {
    double most = 0;
    each([&](std::size_t, std::size_t, std::size_t, std::span<double> values) {
      for (const double v : values) most = std::max(most, std::abs(v));
    });
    each([&](std::size_t, std::size_t, std::size_t, std::span<double> values) {
      for (double& v : values) v /= most;
    });
    return std::log(most);
  };
  std::vector<double> before, now;
  // Whether moments of unit size stand where they stood when this was asked last.
  const auto stands = [&] {
    now.clear();
    each([&](std::size_t, std::size_t, std::size_t, std::span<double> values) {
      now.insert(now.end(), values.begin(), values.end());
    });
    bool still = before.size() == now.size();
    for (std::size_t k = 0; still && k < now.size(); ++k) still = std::abs(now[k] - before[k]) <= 1e-14;
    before.swap(now);
    return still;
  };
  // The phase over its largest entry, the logarithm of whose square it returns: squares of larger ones are no doubles.
  const auto tame = [](Phase& phase) {
    constexpr double large = 1e60;
    double largest = 0;
    for (const PhaseBlock& block : phase.blocks)
      for (std::size_t k = 0; k < max_block * max_block; ++k)
        largest = std::max(
            {largest, std::abs(block.T0[k]), std::abs(block.T1[k]), k < max_block ? std::abs(block.n[k]) : 0.0});
    if (!(largest > large) || !std::isfinite(largest)) return 0.0;
    for (PhaseBlock& block : phase.blocks) {
      for (double& t : block.T0) t /= largest;
      for (double& t : block.T1) t /= largest;
      for (double& value : block.n) value /= largest;
    }
    return 2 * std::log(largest);
  };
  double log_scale = 0;
  constexpr int periods = 4;
  for (int k = 0; k < periods; ++k) {
    log_scale = 0;
    for (const PhaseRun& run : s.period) {
      before.clear();
      Phase phase = run.phase;
      const double tamed = tame(phase);
      const std::uint64_t stride = tamed > 0 ? 1 : 8;  // a step may multiply moments by 1e30
      for (std::uint64_t j = 0; j < run.repeat;) {
        const std::uint64_t end = std::min(j + stride, run.repeat);
        const bool whole = end == j + stride;
        for (; j < end; ++j) state.apply(phase);
        const double grown = shrink() + tamed;
        log_scale += grown;
        // The direction that grows fastest is reached: the rest of a long run multiplies it as this stride did.
        if (!whole || !stands()) continue;
        const std::uint64_t more = (run.repeat - j) / stride;
        log_scale += static_cast<double>(more) * grown;
        j += more * stride;
      }
    }
  }
  return log_scale;
}

}  // namespace edgewise::solvers
