#pragma once
/// \file
/// MPI's functions, loaded at the first call. Include this instead of <mpi.h>.
#include <mpi.h>

#include "cli/late_library.hpp"

namespace edgewise::cli {

inline const LateLibrary& mpi_library() {
  static const LateLibrary library(EDGEWISE_MPI_LIBRARY);
  return library;
}

}  // namespace edgewise::cli

#define EDGEWISE_LATE_MPI(name) EDGEWISE_LATE(::edgewise::cli::mpi_library(), name)
#define MPI_Abort EDGEWISE_LATE_MPI(MPI_Abort)
#define MPI_Allgather EDGEWISE_LATE_MPI(MPI_Allgather)
#define MPI_Bcast EDGEWISE_LATE_MPI(MPI_Bcast)
#define MPI_Comm_free EDGEWISE_LATE_MPI(MPI_Comm_free)
#define MPI_Comm_rank EDGEWISE_LATE_MPI(MPI_Comm_rank)
#define MPI_Comm_size EDGEWISE_LATE_MPI(MPI_Comm_size)
#define MPI_Comm_split_type EDGEWISE_LATE_MPI(MPI_Comm_split_type)
#define MPI_Finalize EDGEWISE_LATE_MPI(MPI_Finalize)
#define MPI_Get_count EDGEWISE_LATE_MPI(MPI_Get_count)
#define MPI_Init_thread EDGEWISE_LATE_MPI(MPI_Init_thread)
#define MPI_Initialized EDGEWISE_LATE_MPI(MPI_Initialized)
#define MPI_Iprobe EDGEWISE_LATE_MPI(MPI_Iprobe)
#define MPI_Recv EDGEWISE_LATE_MPI(MPI_Recv)
#define MPI_Send EDGEWISE_LATE_MPI(MPI_Send)

#ifdef OPEN_MPI
// Open MPI's handles are addresses of objects in the library.
#undef MPI_COMM_WORLD
#define MPI_COMM_WORLD static_cast<MPI_Comm>(::edgewise::cli::mpi_library().symbol("ompi_mpi_comm_world"))
#undef MPI_BYTE
#define MPI_BYTE static_cast<MPI_Datatype>(::edgewise::cli::mpi_library().symbol("ompi_mpi_byte"))
#undef MPI_UINT64_T
#define MPI_UINT64_T static_cast<MPI_Datatype>(::edgewise::cli::mpi_library().symbol("ompi_mpi_uint64_t"))
#undef MPI_INFO_NULL
#define MPI_INFO_NULL static_cast<MPI_Info>(::edgewise::cli::mpi_library().symbol("ompi_mpi_info_null"))
#endif
