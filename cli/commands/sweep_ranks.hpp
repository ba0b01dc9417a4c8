#pragma once
/// \file
/// The processes that mpirun (or srun) starts together share one sweep: rank 0 owns the store, hands out cells and
/// computes as well; the others compute and send back what they find.
#include <memory>
#include <string>

#include "validation/sweeps/sweep.hpp"
#include "validation/sweeps/sweep_run.hpp"

namespace edgewise::cli {

/// All ranks of this run; a single one when no launcher has started the program. MPI comes to life with the first one
/// and ends with it.
class Ranks {
 public:
  /// \throws settings::Error when a launcher started several of a program that is built without MPI.
  Ranks();
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  int rank() const;
  int size() const;
  /// Threads for this rank: those asked for, else its share of the machine's cores.
  unsigned threads(unsigned asked) const;

  /// To be called by all ranks, with what went wrong in each ("" when nothing) and the definition of the sweep that it
  /// has read. True when all is well everywhere. \throws settings::Error on rank 0 alone, otherwise.
  bool agree(const std::string& failure, const std::string& definition) const;

  /// On rank 0: the others. As it ends they are told to stop. Null when there are none.
  std::unique_ptr<validation::SweepPeers> others(const validation::Sweep& sweep) const;
  /// On every other rank: computes what rank 0 hands out, until it says that there is no more.
  void work(const validation::Sweep& sweep, unsigned threads) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace edgewise::cli
