#include "solvers/linear_phases.hpp"

#include <algorithm>
#include <stdexcept>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "solvers/linear_phases.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace edgewise::solvers {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Eight partial sums whatever the vector length, so that every instruction set rounds alike.
using Tag = hn::CappedTag<double, 8>;
using Vec = hn::Vec<Tag>;

inline double sum_of_eight(const double* partial) {
  return ((partial[0] + partial[4]) + (partial[2] + partial[6])) +
         ((partial[1] + partial[5]) + (partial[3] + partial[7]));
}

HWY_NOINLINE double dot_padded(const double* a, const double* b, std::size_t count) {
  const Tag d;
  constexpr std::size_t lanes = hn::MaxLanes(Tag()), parts = 8 / lanes;
  HWY_ALIGN double partial[8] = {};
  Vec total[parts];
  for (Vec& part : total) part = hn::Zero(d);
  for (std::size_t i = 0; i < count; i += 8)
    for (std::size_t k = 0; k < parts; ++k)
      total[k] = hn::Add(total[k], hn::Mul(hn::LoadU(d, a + i + k * lanes), hn::LoadU(d, b + i + k * lanes)));
  for (std::size_t k = 0; k < parts; ++k) hn::Store(total[k], d, partial + k * lanes);
  return sum_of_eight(partial);
}

// S_i = sum of factor * moment_i over so many moments; returns sum weight_i S_i, as dot_padded has it.
HWY_NOINLINE double read_sources(const double* const* moment, const double* factor, std::size_t terms,
                                 const double* weight, double* S, std::size_t count) {
  const Tag d;
  constexpr std::size_t lanes = hn::MaxLanes(Tag()), parts = 8 / lanes;
  HWY_ALIGN double partial[8];
  Vec total[parts];
  for (Vec& part : total) part = hn::Zero(d);
  for (std::size_t start = 0; start < count; start += 8)
    for (std::size_t k = 0; k < parts; ++k) {
      const std::size_t i = start + k * lanes;
      Vec sum = hn::Zero(d);
      for (std::size_t m = 0; m < terms; ++m)
        sum = hn::Add(sum, hn::Mul(hn::Set(d, factor[m]), hn::LoadU(d, moment[m] + i)));
      hn::StoreU(sum, d, S + i);
      total[k] = hn::Add(total[k], hn::Mul(hn::LoadU(d, weight + i), sum));
    }
  for (std::size_t k = 0; k < parts; ++k) hn::Store(total[k], d, partial + k * lanes);
  return sum_of_eight(partial);
}

// Sigma_i <- T Sigma_i T' + omega C_i n n', with C_i = scale * (own_i S_i + feedback_i * drive)
template <std::size_t r>
void move_r(const double* sigma, double* to, const PhaseBlock& block, const double* x, const double* S,
            const double* own, const double* feedback, double scale, double drive, std::size_t count) {
  const Tag d;
  const bool noisy = scale != 0;
  // Most entries of T are zero in methods with many coordinates; the branches below are the same for every mode.
  bool used[r][r];
  for (std::size_t row = 0; row < r; ++row)
    for (std::size_t col = 0; col < r; ++col)
      used[row][col] = block.T0[row * r + col] != 0 || block.T1[row * r + col] != 0;
  for (std::size_t i = 0; i < count; i += hn::Lanes(d)) {
    const Vec xi = hn::LoadU(d, x + i);
    Vec T[r][r], old[r][r], half[r][r];
    std::size_t m = 0;
    for (std::size_t row = 0; row < r; ++row)
      for (std::size_t col = 0; col < r; ++col)
        T[row][col] = hn::Add(hn::Set(d, block.T0[row * r + col]), hn::Mul(xi, hn::Set(d, block.T1[row * r + col])));
    for (std::size_t row = 0; row < r; ++row)
      for (std::size_t col = row; col < r; ++col, ++m)
        old[row][col] = old[col][row] = hn::LoadU(d, sigma + m * count + i);
    for (std::size_t row = 0; row < r; ++row)
      for (std::size_t col = 0; col < r; ++col) {
        half[row][col] = hn::Zero(d);
        for (std::size_t k = 0; k < r; ++k)
          if (used[row][k]) half[row][col] = hn::Add(half[row][col], hn::Mul(T[row][k], old[k][col]));
      }
    Vec noise = hn::Zero(d);
    if (noisy)
      noise = hn::Mul(hn::Set(d, scale * block.omega), hn::Add(hn::Mul(hn::LoadU(d, own + i), hn::LoadU(d, S + i)),
                                                               hn::Mul(hn::LoadU(d, feedback + i), hn::Set(d, drive))));
    m = 0;
    for (std::size_t row = 0; row < r; ++row)
      for (std::size_t col = row; col < r; ++col, ++m) {
        Vec moved = hn::Zero(d);
        for (std::size_t k = 0; k < r; ++k)
          if (used[col][k]) moved = hn::Add(moved, hn::Mul(half[row][k], T[col][k]));
        if (noisy) moved = hn::Add(moved, hn::Mul(noise, hn::Set(d, block.n[row] * block.n[col])));
        hn::StoreU(moved, d, to + m * count + i);
      }
  }
}

HWY_NOINLINE void move(const double* sigma, double* to, const PhaseBlock& block, const double* x, const double* S,
                       const double* own, const double* feedback, double scale, double drive, std::size_t count) {
  switch (block.r) {
    case 1:
      return move_r<1>(sigma, to, block, x, S, own, feedback, scale, drive, count);
    case 2:
      return move_r<2>(sigma, to, block, x, S, own, feedback, scale, drive, count);
    case 3:
      return move_r<3>(sigma, to, block, x, S, own, feedback, scale, drive, count);
    case 4:
      return move_r<4>(sigma, to, block, x, S, own, feedback, scale, drive, count);
    case 5:
      return move_r<5>(sigma, to, block, x, S, own, feedback, scale, drive, count);
    default:
      return move_r<6>(sigma, to, block, x, S, own, feedback, scale, drive, count);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace edgewise::solvers
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace edgewise::solvers {

HWY_EXPORT(dot_padded);
HWY_EXPORT(read_sources);
HWY_EXPORT(move);

namespace {
std::size_t triangle(std::size_t r) {
  return r * (r + 1) / 2;
}

void pad(std::vector<double>& values, std::size_t count, std::size_t padded, const char* name) {
  if (values.size() != count) throw std::invalid_argument(std::string("linear modes: ") + name + " has a wrong length");
  values.resize(padded, 0.0);
}
}  // namespace

double dot(std::span<const double> a, std::span<const double> b) {
  const std::size_t whole = a.size() / 8 * 8;
  double total = HWY_DYNAMIC_DISPATCH(dot_padded)(a.data(), b.data(), whole);
  for (std::size_t i = whole; i < a.size(); ++i) total += a[i] * b[i];
  return total;
}

LinearPhases::LinearPhases(LinearModes modes, std::vector<std::size_t> sizes)
    : modes_(std::move(modes)), sizes_(std::move(sizes)), count_(modes_.x.size()), padded_((count_ + 7) / 8 * 8) {
  if (count_ == 0 || sizes_.empty()) throw std::invalid_argument("linear modes: there are none");
  std::size_t moments = 0;
  for (const std::size_t r : sizes_) {
    if (r == 0 || r > max_block) throw std::invalid_argument("linear modes: a block has 1 to 6 coordinates");
    offset_.push_back(moments);
    moments += triangle(r);
  }
  pad(modes_.x, count_, padded_, "x");
  pad(modes_.weight, count_, padded_, "weight");
  pad(modes_.feedback, count_, padded_, "feedback");
  pad(modes_.own, count_, padded_, "own");
  state_.assign(moments * padded_, 0.0);
  source_of_noise_.assign(padded_, 0.0);
}

std::size_t LinearPhases::index(std::size_t block, std::size_t row, std::size_t col) const {
  if (row > col) std::swap(row, col);
  const std::size_t r = sizes_.at(block);
  return (offset_[block] + row * r - row * (row + 1) / 2 + col) * padded_;
}

std::span<double> LinearPhases::moment(std::size_t block, std::size_t row, std::size_t col) {
  return {state_.data() + index(block, row, col), count_};
}
std::span<const double> LinearPhases::moment(std::size_t block, std::size_t row, std::size_t col) const {
  return {state_.data() + index(block, row, col), count_};
}

double LinearPhases::sum(std::size_t block, std::size_t row, std::size_t col, std::span<const double> weights) const {
  return dot(moment(block, row, col), weights);
}

const double* LinearPhases::sources(const Phase& phase, std::span<const double> moments, std::vector<double>& room,
                                    double* p) const {
  room.resize(padded_);
  thread_local std::vector<const double*> at;
  thread_local std::vector<double> factors;
  at.clear();
  factors.clear();
  for (std::size_t b = 0; b < sizes_.size(); ++b) {
    const std::array<double, max_block>& e = phase.blocks[b].e;
    const double* moment = moments.data() + offset_[b] * padded_;
    for (std::size_t row = 0; row < sizes_[b]; ++row)
      for (std::size_t col = row; col < sizes_[b]; ++col, moment += padded_)
        if (const double factor = e[row] * e[col] * (row == col ? 1 : 2); factor != 0) {
          at.push_back(moment);
          factors.push_back(factor);
        }
  }
  if (at.size() == 1 && factors[0] == 1) {  // one coordinate is the source: no copy
    if (p) *p = HWY_DYNAMIC_DISPATCH(dot_padded)(modes_.weight.data(), at[0], padded_);
    return at[0];
  }
  const double sum = HWY_DYNAMIC_DISPATCH(read_sources)(at.data(), factors.data(), at.size(), modes_.weight.data(),
                                                        room.data(), padded_);
  if (p) *p = sum;
  return room.data();
}

double LinearPhases::shared(const Phase& phase) const {
  std::vector<double> room;
  double p = 0;
  sources(phase, state_, room, &p);
  return p;
}

double LinearPhases::apply(const Phase& phase) {
  return apply(phase, state_.data(), state_.data());
}

double LinearPhases::apply(const Phase& phase, const double* from, double* to) {
  double p = 0;
  const double* S = nullptr;
  if (phase.noise_scale != 0) {
    S = sources(phase, {from, state_.size()}, source_of_noise_, &p);
  }
  move_all(phase, S, p + modes_.source, from, to);
  return p;
}

double LinearPhases::apply_driven(const Phase& phase, double drive) {
  const double p = phase.noise_scale != 0 ? shared(phase) : 0;
  apply_driven(phase, drive, state_.data(), state_.data());
  return p;
}

void LinearPhases::apply_driven(const Phase& phase, double drive, const double* from, double* to) {
  move_all(phase, phase.noise_scale != 0 ? sources(phase, {from, state_.size()}, source_of_noise_) : nullptr, drive,
           from, to);
}

void LinearPhases::move_all(const Phase& phase, const double* S, double drive, const double* from, double* to) const {
  for (std::size_t b = 0; b < sizes_.size(); ++b) HWY_DYNAMIC_DISPATCH(move)
  (from + offset_[b] * padded_, to + offset_[b] * padded_, phase.blocks[b], modes_.x.data(), S, modes_.own.data(),
   modes_.feedback.data(), phase.noise_scale, drive, padded_);
}

}  // namespace edgewise::solvers
#endif
