#include "models/ingredients/curvature_tensor/contraction_kernel.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using edgewise::models::ingredients::contract_twice;

TEST_CASE("both sums of a block, in order, at any shape and stride, near and distant") {
  const auto number = [](std::size_t k) { return std::sin(0.7 * static_cast<double>(k) + 0.3); };
  for (const std::size_t d : {1, 2, 7, 8, 9, 16, 37, 257})
    for (const std::size_t rows : {1, 2, 3, 5})
      for (const std::size_t width : {1, 2, 3, 6})
        for (const bool distant : {false, true}) {
          CAPTURE(d);
          CAPTURE(rows);
          CAPTURE(width);
          const std::size_t stride = d * (rows + 2);
          std::vector<double> x(stride * width + 200), column(width), row(rows), w(d * rows), across(d * width);
          for (std::size_t k = 0; k < x.size(); ++k) x[k] = number(k);
          for (std::size_t k = 0; k < width; ++k) column[k] = number(1000 + k);
          for (std::size_t k = 0; k < rows; ++k) row[k] = number(2000 + k);
          for (std::size_t k = 0; k < w.size(); ++k) w[k] = number(3000 + k);
          for (std::size_t k = 0; k < across.size(); ++k) across[k] = number(4000 + k);
          std::vector<double> expected_w = w, expected_across = across;
          for (std::size_t a = 0; a < d; ++a)
            for (std::size_t i = 0; i < rows; ++i)
              for (std::size_t j = 0; j < width; ++j) {
                const double q = x[a + d * i + stride * j];
                expected_w[a + d * i] += q * column[j];
                expected_across[a + d * j] += q * row[i];
              }
          contract_twice(d, rows, width, x.data(), stride, column.data(), row.data(), w.data(), across.data(), distant);
          // The same order of the same products: the same bits.
          CHECK(w == expected_w);
          CHECK(across == expected_across);
        }
}
