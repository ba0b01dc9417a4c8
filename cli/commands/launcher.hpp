#pragma once
/// \file
/// What mpirun, srun and their like say of the processes that they start, without asking MPI.

namespace edgewise::cli {

struct Launch {
  int size = 0;   ///< how many processes were started; 0 without a launcher
  int rank = -1;  ///< which of them this is; -1 where that is not said
};
Launch launch();

}  // namespace edgewise::cli
