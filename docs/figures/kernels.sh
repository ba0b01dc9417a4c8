#!/bin/sh
# Draws the figures of docs/kernels.md with the program given (default build/release/edgewise).
. "$(dirname "$0")/begin.sh"

"$program" validate "$experiments/kernel-ntk.toml" --quiet -o "$work/ntk.csv"
"$program" plot "$work/ntk.csv" --observable excess_mse --observable train_mse -o kernel-ntk.svg
"$program" validate "$experiments/kernel-fashion-mnist.toml" --quiet -o "$work/images.csv"
"$program" plot "$work/images.csv" --observable excess_mse -o kernel-fashion-mnist.svg
"$program" sweep "$sweeps/kernel-degrees.toml" --quiet --store "$work/degrees.db" -o "$work/degrees.nc"
"$program" plot "$work/degrees.nc" --observable excess,degree_1,degree_2,degree_3,degree_4 -o kernel-degrees.svg
"$program" sweep "$sweeps/modular-penalty.toml" --quiet --store "$work/penalty.db" -o modular-penalty.svg
"$program" sweep "$sweeps/modular-trees.toml" --quiet --store "$work/trees.db" -o "$work/trees.nc"
"$program" plot "$work/trees.nc" --observable samples_leaves,samples_parity,separate_leaves -o modular-trees.svg
