#pragma once
/// \file
/// A run of one noisy phase in which all modes act on each other: part of solvers/period_map.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "solvers/coupled_power.hpp"
#include "solvers/periodic_phases.hpp"

namespace edgewise::solvers {

/// Place of moment (i, j) among those of r coordinates.
std::size_t moment_place(std::size_t i, std::size_t j, std::size_t r);

/// How modes act on each other: noise_i = factor (feedback_i p - itself_i S_i) + feedback_i source.
struct Coupling {
  std::vector<double> weight, feedback, itself;
  double factor = 1;
};

/// A long run of coupled modes all at once: what the noise leaves of moments g is
/// gained g + power g + source power.driven().
struct Jump {
  std::uint64_t repeat = 1;
  ModeBlocks step;                      ///< of one phase
  ModeBlocks own;                       ///< what the coupling adds to it that stays within a mode
  std::vector<double> drives, reading;  ///< and between modes: drives reading'
  ModeBlocks gained;                    ///< (step + own)^repeat - step^repeat
  CoupledPower power;
};
/// The last few jumps, for systems that differ in what surrounds their runs alone.
class Jumps {
 public:
  /// Made, or found.
  std::shared_ptr<const Jump> of(std::uint64_t repeat, ModeBlocks step, ModeBlocks own, std::vector<double> drives,
                                 std::vector<double> reading);

 private:
  std::deque<std::shared_ptr<const Jump>> known_;
};

/// The noise of a run is driven by q moments of each mode: of the coordinates of NoiseCoordinates, summed over the blocks
/// where these are joined. They move by `step` a phase, are fed by `enters` times the noise, and S = reads . them.
class NoisyRun {
 public:
  explicit NoisyRun(const PhaseRun& run, std::shared_ptr<Jumps> jumps = std::make_shared<Jumps>());

  std::uint64_t repeat = 1;
  NoiseCoordinates where;
  std::vector<std::size_t> offset;  ///< of each block among the q moments; unused where they are joined
  std::vector<double> share;        ///< of each block in the noise, where they are joined
  std::size_t q = 0;
  std::vector<double> enters, reads;
  std::vector<double> step;                ///< [q * q][mode]
  std::vector<double> in;                  ///< [mode][q][D + 1]: the moments at its start, from those of the period
  std::vector<double> out;                 ///< [mode][D][q]: what moments at its end leave at the end of the period
  std::vector<std::vector<double>> later;  ///< of each earlier run: [mode][q][q there]

  /// The map of the q moments at mode coordinate x in one phase of `run` without its noise, row-major q x q.
  void signal(const PhaseRun& run, double x, double* map) const;
  /// S of every mode; returns p, of moments [q][mode].
  double read(const Coupling& modes, const std::vector<double>& moments, std::vector<double>& S) const;
  /// v = what the noise leaves at the run's end, from the moments g at its start, which are used up. False when it leaves
  /// the range of doubles. Long runs cost their logarithm.
  bool follow(const Coupling& modes, double source, std::vector<double>& g, std::vector<double>& v);
  /// To be called when the coupling changes.
  void forget();
  /// Passes over all modes since the beginning: single phases and strides.
  std::uint64_t passes() const { return passes_; }

 private:
  bool worth_a_jump(std::size_t modes) const;
  void make_jump(const Coupling& modes);
  bool walk(const Coupling& modes, double source, std::vector<double>& g, std::vector<double>& v);
  void move(std::vector<double>& moments);
  bool make_stride(const Coupling& modes);
  bool walk_by_strides(const Coupling& modes, double source, std::vector<double>& g, std::vector<double>& v);
  /// `stride` phases at once for many modes: within them p answers to the moments at their start and to its own past, and
  /// its kernels are those of the modes' own maps. The memory that this takes does not grow with the length of the run.
  static constexpr std::size_t stride = 32;
  struct Stride {
    std::vector<double> seen;    ///< [stride][q][mode]: weight reads (step - own coupling)^k
    std::vector<double> left;    ///< [stride][q][mode]: (step - own coupling)^k enters feedback
    std::vector<double> kernel;  ///< [stride]: of p now in p k + 1 phases later
    struct Power {
      std::vector<double> signal;  ///< [q * q][mode]: step^k
      std::vector<double> own;     ///< [q * q][mode]: (step - own coupling)^k - step^k
    } full, rest;                  ///< k = stride; k = what the run leaves over
  };
  Stride strides_;
  bool stride_tried_ = false, stride_made_ = false;
  std::shared_ptr<Jumps> jumps_;
  std::shared_ptr<const Jump> jump_;
  std::vector<double> S_, noise_, next_;
  bool jump_tried_ = false;
  std::uint64_t passes_ = 0;
};

}  // namespace edgewise::solvers
