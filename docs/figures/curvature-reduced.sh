#!/bin/sh
# Draws the figures of docs/curvature.md on reduced models with the program given (default build/release/edgewise).
. "$(dirname "$0")/begin.sh"

orbit="$experiments/self-stabilisation-descent.toml"
steps="time.at=[$(seq -s, 2 2 600)]"
"$program" solve "$orbit" --quiet --set "$steps" -o "$work/map.nc"
"$program" solve "$orbit" --quiet --set "$steps" --set theory.method=flow -o "$work/flow.nc"
"$program" plot "$work/map.nc" "$work/flow.nc" --quiet --title "Self-stabilisation: the map, and its flow" --observable eta_sharpness \
  --observable x_squared -o self-stabilisation.svg
late="$experiments/joint-curvature-late.toml"
"$program" solve "$late" --quiet --set rate.delay=0 --set 'title="at once"' -o "$work/once.nc"
"$program" solve "$late" --quiet --set 'title="one step late"' -o "$work/late.nc"
"$program" solve "$late" --quiet --set rate.delay=4 --set 'title="four steps late"' -o "$work/later.nc"
"$program" solve "$late" --quiet --set rate.sigma=1.9 --set 'title="one step late, sigma = 1.9"' -o "$work/below.nc"
"$program" plot "$work/once.nc" "$work/late.nc" "$work/later.nc" "$work/below.nc" --quiet --title "Tuners on the sharpness" \
  --observable sharpness --observable eta_sharpness -o joint-curvature.svg
for name in self-stabilisation-noise mini-batch-cdat; do
  "$program" sweep "../../data/sweeps/$name.toml" --quiet --store "$work/$name.db" -o "$name.svg"
done
flow="$experiments/quadratic-central-flow.toml"
"$program" solve "$flow" --quiet --set 'title="central flow"' -o "$work/central.nc"
"$program" solve "$flow" --quiet --set 'title="memory, D and P to infinity"' --set theory.method=memory --set time.steps=100 \
  --set 'time.at=[1,2,3,4,6,8,10,14,20,30,40,60,80,100]' -o "$work/memory.nc"
"$program" simulate "$flow" --quiet --set 'title="descent"' -o "$work/descent.nc"
"$program" plot "$work/central.nc" "$work/descent.nc" "$work/memory.nc" --quiet --title "Quadratic regression at its edge" \
  --observable loss --observable parameter_power -o central-flow.svg
