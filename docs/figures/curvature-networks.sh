#!/bin/sh
# Draws the figures of docs/curvature.md on networks with the program given (default build/release/edgewise).
. "$(dirname "$0")/begin.sh"

"$program" validate "$experiments/network-edge.toml" --quiet -o "$work/edge.nc"
"$program" plot "$work/edge.nc" --quiet -o network-edge.svg
"$program" validate "$experiments/network-stochastic-edge.toml" --quiet -o "$work/stochastic.nc"
"$program" plot "$work/stochastic.nc" --quiet -o network-stochastic-edge.svg
for name in edge sam-edge functional-sam; do
  "$program" simulate "$experiments/network-$name.toml" --quiet -o "$work/$name.nc"
done
"$program" plot "$work/edge.nc" "$work/sam-edge.nc" "$work/functional-sam.nc" --quiet --title "Gradient descent, SAM, functional SAM" \
  --observable sharpness --observable edge --observable loss -o network-sam.svg
"$program" sweep ../../data/sweeps/network-sam-edge.toml --quiet --store "$work/sam.db" -o network-sam-map.svg
"$program" sweep ../../data/sweeps/network-cdat.toml --quiet --store "$work/cdat.db" -o network-cdat-map.svg
for name in gelu relu; do
  "$program" simulate "$experiments/network-penalty-$name.toml" --quiet -o "$work/$name.nc"
done
"$program" plot "$work/gelu.nc" "$work/relu.nc" --quiet --title "Gradient penalty" --observable nme_trace --observable ggn_trace --observable edge \
  -o network-penalty.svg
"$program" sweep ../../data/sweeps/network-tuners.toml --quiet --store "$work/tuners.db" -o network-tuners.svg
"$program" simulate "$experiments/network-rmsprop-edge.toml" --quiet -o "$work/rmsprop.nc"
"$program" plot "$work/rmsprop.nc" --quiet --observable edge --observable preconditioned_sharpness --observable sharpness \
  -o network-rmsprop-edge.svg
