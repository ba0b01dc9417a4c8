#pragma once
/// \file
/// What a simulation can draw, checked when it is built, before any work.
#include <cstdint>
#include <optional>

#include "models/ingredients/memory.hpp"

namespace edgewise::models::ingredients {

/// Examples a step that can be drawn one by one, each from `words` numbers of a stream, which has nearly 2^33 for a step
/// (see random::Stream). Its label takes up to 8 of another stream: a law with a gamma rejection draws 4 to 5 on average.
double most_examples(double words = 0);

/// Whether a batch can be drawn one by one; every sampler that does so asks here.
/// \param batch  examples a step
/// \param words  numbers of 64 bits that an example takes of the stream of the data
/// \throws std::invalid_argument naming optimizer.batch
void check_examples(double batch, double words = 0);

/// Whether every worker of every replica has random numbers of its own, and the replicas that run at a time have their
/// memory.
/// \param workers    whole, of a replica
/// \param bytes      of one of them
/// \param available  bytes; infinite when the machine does not say
/// \throws std::invalid_argument naming optimizer.workers
void check_workers(double workers, std::uint64_t replicas, double bytes,
                   std::optional<double> available = available_memory());

}  // namespace edgewise::models::ingredients
