#!/bin/sh
# Draws the figures of docs/equilibrium-networks.md with the program given (default build/release/edgewise).
. "$(dirname "$0")/begin.sh"

"$program" sweep ../../data/sweeps/equilibrium-phases.toml --quiet --store "$work/phases.db" -o equilibrium-phases.svg
"$program" sweep ../../data/sweeps/equilibrium-training.toml --quiet --store "$work/training.db" -o equilibrium-training.svg
"$program" sweep ../../data/sweeps/equilibrium-training-tanh.toml --quiet --store "$work/tanh.db" -o equilibrium-training-tanh.svg
"$program" validate ../../data/experiments/equilibrium-linear.toml --quiet -o "$work/linear.nc"
"$program" plot "$work/linear.nc" --quiet --observable length --observable overlap --observable residual \
  -o equilibrium-linear.svg
