#pragma once
// What the section [network] of both models of equilibrium networks says where a key is left out.
#include <string>

namespace edgewise::models::equilibrium_network::testing {

/// \param check   of an experiment with these keys: a key, its default and another value
/// \param narrow  keys that end in the section [network], of a width that is quick
template <class Check>
void check_family_defaults(const Check& check, const std::string& narrow) {
  check(narrow, "network.family", "'iid'", "'haar'");
  check(narrow, "network.scale", "0.5", "0.51");
  check(narrow, "network.activation", "'linear'", "'tanh'");
  check(narrow + "family = 'elliptic'\n", "network.tau", "0", "0.1");
  check(narrow + "family = 'bi-invariant'\n", "network.kurtosis", "2", "2.1");
  check(narrow + "activation = 'formula'\nformula = 'max(u - 0.3, 0)'\n", "network.kinks", "[]", "[0.3]");
}

}  // namespace edgewise::models::equilibrium_network::testing
