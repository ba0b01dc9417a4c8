#include "cli/commands/launcher.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

using edgewise::cli::Launch;
using edgewise::cli::launch;

namespace {

/// What is said where these variables are set, and no others of launchers.
Launch with(const std::vector<std::pair<std::string, std::string>>& variables) {
  const std::vector<std::string> known = {
      "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMI_SIZE", "PMI_RANK", "PMIX_NAMESPACE", "PMIX_RANK",
      "SLURM_NTASKS",         "SLURM_PROCID"};
  std::vector<std::pair<std::string, std::string>> before;
  for (const std::string& name : known) {
    if (const char* value = std::getenv(name.c_str())) before.emplace_back(name, value);
    ::unsetenv(name.c_str());
  }
  for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
  const Launch out = launch();
  for (const std::string& name : known) ::unsetenv(name.c_str());
  for (const auto& [name, value] : before) ::setenv(name.c_str(), value.c_str(), 1);
  return out;
}

void check(const Launch& launch, int size, int rank) {
  CHECK(launch.size == size);
  CHECK(launch.rank == rank);
}

}  // namespace

TEST_CASE("what each launcher says of size and rank") {
  check(with({}), 0, -1);
  check(with({{"OMPI_COMM_WORLD_SIZE", "4"}, {"OMPI_COMM_WORLD_RANK", "2"}, {"PMI_SIZE", "7"}}), 4, 2);
  check(with({{"OMPI_COMM_WORLD_SIZE", "4"}}), 4, -1);
  check(with({{"PMI_SIZE", "7"}, {"PMI_RANK", "6"}, {"PMIX_NAMESPACE", "x"}}), 7, 6);
  check(with({{"PMIX_NAMESPACE", "x"}, {"PMIX_RANK", "1"}, {"SLURM_NTASKS", "3"}, {"SLURM_PROCID", "2"}}), 3, 1);
  check(with({{"PMIX_NAMESPACE", "x"}, {"SLURM_PROCID", "2"}}), 1, 2);
  check(with({{"SLURM_NTASKS", "3"}, {"SLURM_PROCID", "2"}}), 0, -1);
  // What is no number is none.
  check(with({{"OMPI_COMM_WORLD_SIZE", "many"}, {"OMPI_COMM_WORLD_RANK", "-3"}}), 1, 0);
}
