#!/bin/sh
# Draws the figures of docs/alignment.md with the program given (default build/release/edgewise).
. "$(dirname "$0")/begin.sh"

"$program" sweep "$sweeps/alignment-ratios.toml" --quiet --store "$work/ratios.db" -o alignment-ratios.svg
"$program" sweep "$sweeps/alignment-initial-scale.toml" --quiet --store "$work/scale.db" -o "$work/scale.nc"
"$program" plot "$work/scale.nc" --observable rho_c_1,rho_u_1 --observable rho_c_2,rho_u_2 -o alignment-initial-scale.svg

network() {
  name=$1
  shift
  "$program" simulate "$experiments/alignment-network.toml" --quiet --set "title=\"$name\"" "$@" -o "$work/$name.nc"
}
network fast
network slow --set "optimizer.speeds=[0.05, 0.05, 5.0]"
sed -e 's/^kind = "slo"/kind = "gd"/' -e '/^speeds/d' -e 's/^learning_rate.*/learning_rate = 0.1/' -e 's/^title.*/title = "gd"/' \
  "$experiments/alignment-network.toml" > "$work/gd.toml"
"$program" simulate "$work/gd.toml" --quiet -o "$work/gd.nc"
"$program" plot "$work/fast.nc" "$work/gd.nc" "$work/slow.nc" --quiet --title "First layer" --observable rho_c_1 --observable rho_u_1 \
  --observable loss -o alignment-speeds.svg
