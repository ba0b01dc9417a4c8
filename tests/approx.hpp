#pragma once
/// \file
/// Numbers that are nearly equal.
#include <doctest/doctest.h>

namespace edgewise::tests {

/// doctest::Approx whose epsilon is relative, however small the numbers are; exact zeros are equal. doctest's own adds 1
/// to their size, so that a value of 1e-6 "within 1e-4" may be anything. Where what is compared is the small difference
/// of larger numbers, scale() says how large these are.
inline doctest::Approx Approx(double value) {
  return doctest::Approx(value).scale(1e-300);
}

}  // namespace edgewise::tests
