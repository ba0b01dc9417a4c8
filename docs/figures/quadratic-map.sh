#!/bin/sh
# Draws the figures of docs/quadratic-map.md with the program given (default build/release/edgewise).
. "$(dirname "$0")/begin.sh"

"$program" sweep "$sweeps/quadratic-map-basin.toml" --quiet --store "$work/basin.db" -o quadratic-map-basin.svg
"$program" sweep "$sweeps/quadratic-map-bifurcation.toml" --quiet --store "$work/bifurcation.db" -o "$work/bifurcation.nc"
"$program" plot "$work/bifurcation.nc" --observable z_low,z_high --observable lyapunov -o quadratic-map-bifurcation.svg
"$program" sweep "$sweeps/sam-limit.toml" --quiet --store "$work/sam.db" -o "$work/sam.nc"
"$program" plot "$work/sam.nc" --observable slope,predicted_slope -o sam-limit.svg
