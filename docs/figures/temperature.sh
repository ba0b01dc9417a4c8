#!/bin/sh
# Draws the figures of docs/temperature.md with the program given (default build/release/edgewise).
. "$(dirname "$0")/begin.sh"

curves=
for s in 0.1 1 3 10 30; do
  "$program" solve ../../data/experiments/temperature-population.toml --quiet --set title="'beta std z_0 = $s'" --set loss.inverse_temperature=1 \
    --set initial.deviation=$s --set time.steps=4000 --set time.points=60 -o "$work/curve$s.nc"
  curves="$curves $work/curve$s.nc"
done
"$program" plot $curves --quiet --title "Population under the softmax loss, T = 0.05 steps" --observable loss --observable accuracy \
  -o temperature-curves.svg
"$program" sweep ../../data/sweeps/temperature-curves.toml --quiet --store "$work/times.db" -o temperature-times.svg
"$program" sweep ../../data/sweeps/temperature-seeds.toml --quiet --store "$work/seeds.db" -o temperature-seeds.svg
for beta in 0.3 1 10; do
  "$program" simulate ../../data/experiments/temperature-network.toml --quiet --set title="'beta = $beta'" --set loss.inverse_temperature=$beta \
    --set monte_carlo.replicas=8 -o "$work/network$beta.nc"
done
"$program" plot "$work"/network*.nc --quiet --title "Two-layer tanh networks, width 1024" --observable kernel_change --observable loss \
  -o temperature-network.svg
