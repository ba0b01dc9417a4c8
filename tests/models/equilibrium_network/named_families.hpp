#pragma once
/// \file
/// Families of weights by what tells them apart.
#include "models/equilibrium_network/families.hpp"

namespace edgewise::models::equilibrium_network::testing {

inline Family elliptic(double tau) {
  return family_of(FamilyKind::elliptic, tau, 2);
}

/// One that its kind alone names.
inline Family named(FamilyKind kind) {
  return family_of(kind, 0, 2);
}

}  // namespace edgewise::models::equilibrium_network::testing
