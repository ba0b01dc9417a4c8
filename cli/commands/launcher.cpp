#include "cli/commands/launcher.hpp"

#include <algorithm>
#include <cstdlib>

namespace edgewise::cli {

namespace {

int number_in(const char* variable, int otherwise) {
  const char* value = std::getenv(variable);
  return value ? std::max(0, std::atoi(value)) : otherwise;
}

}  // namespace

Launch launch() {
  // Open MPI; MPICH's Hydra and Slurm's PMI-2; PMIx has no variable for the size, but sets its namespace and rank.
  if (std::getenv("OMPI_COMM_WORLD_SIZE"))
    return {std::max(1, number_in("OMPI_COMM_WORLD_SIZE", 1)), number_in("OMPI_COMM_WORLD_RANK", -1)};
  if (std::getenv("PMI_SIZE")) return {std::max(1, number_in("PMI_SIZE", 1)), number_in("PMI_RANK", -1)};
  if (std::getenv("PMIX_NAMESPACE"))
    return {std::max(1, number_in("SLURM_NTASKS", 1)), number_in("PMIX_RANK", number_in("SLURM_PROCID", -1))};
  return {};
}

}  // namespace edgewise::cli
