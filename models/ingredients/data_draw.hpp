#pragma once
/// \file
/// Draws of the whitened data z of x = K^(1/2) z.
#include <cstddef>
#include <span>
#include <vector>

#include "random/random.hpp"
#include "settings/words.hpp"

namespace edgewise::models::ingredients {

/// Law of the independent z, each of mean 0 and variance 1; or real rows of a data set, which no DataDraw draws.
enum class InputLaw { gaussian, rademacher, uniform, laplace, rows };
const settings::Words<InputLaw>& input_laws();
/// E z^4, E z^6, E z^8.
struct EvenMoments {
  double fourth = 3, sixth = 15, eighth = 105;
};
/// Of the law; of rows those of a Gaussian, as which the theory takes them.
EvenMoments even_moments(InputLaw law);

/// Numbers of 64 bits of a random::Stream that a DataDraw takes for a number.
double words_of(InputLaw law);

/// Fills z with iid numbers of mean 0 and variance 1 of the data law, whole blocks of normals at a time.
class DataDraw {
 public:
  /// \param size of every z that will be filled, a multiple of random::Stream::normal_granularity.
  /// \throws std::invalid_argument for rows.
  DataDraw(InputLaw law, std::size_t size);
  void operator()(random::Stream& stream, std::span<double> z) { draw_(stream, z, scratch_); }

 private:
  void (*draw_)(random::Stream&, std::span<double>, std::span<double>);
  std::vector<double> scratch_;
};

}  // namespace edgewise::models::ingredients
