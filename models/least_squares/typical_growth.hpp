#pragma once
/// \file
/// How single runs of SGD grow, where the mean over runs is carried by rare ones (docs/theory/least-squares-sgd.md,
/// section 11). K = lambda I_d, Gaussian data, no label noise.

namespace edgewise::models::least_squares {

/// E log(|v'|^2/|v|^2) of a step: the almost sure growth of log P per step. Below the logarithm of the mean's factor.
/// \param x eta lambda
double typical_log_growth(double x, double batch, double dimension);
/// The x above `mean_threshold`, that of the mean, at which it reaches 0.
double typical_threshold(double batch, double dimension, double mean_threshold);

}  // namespace edgewise::models::least_squares
