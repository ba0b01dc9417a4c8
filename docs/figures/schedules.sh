#!/bin/sh
# Draws the figures of docs/schedules.md, and the table that data/experiments/schedule-optimum.toml runs, with the program
# given (default build/release/edgewise).
. "$(dirname "$0")/begin.sh"
"$program" schedule "$experiments/schedule-label-noise.toml" --quiet -o schedule-label-noise.svg \
  -o ../../data/schedules/label-noise.csv
for name in weight-decay workers finite-data; do
  "$program" schedule "$experiments/schedule-$name.toml" --quiet -o "schedule-$name.svg"
done

"$program" schedule "$experiments/schedule-label-noise.toml" --quiet --set 'title="Shapes scored by simulation"' \
  --set 'schedule_search.families=["linear", "cosine", "constant", "cooldown-linear", "cooldown-1-sqrt", "rex", "exponential", "stick-breaking-linear"]' \
  --set schedule_search.starts=1 --set schedule_search.score=simulated --set schedule_search.replicas=15 \
  --set schedule_search.scored_shapes=12 --set schedule_search.scored_bases=9 -o schedule-scores.svg

# Shapes against weight decay, horizon and momentum, by the fraction of the run.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
shape() {
  out=$1
  shift
  "$program" schedule "$experiments/schedule-label-noise.toml" --quiet --set 'schedule_search.families=["linear"]' \
    --set schedule_search.starts=1 "$@" -o "$work/$out.csv"
  grep -E '^[0-9]' "$work/$out.csv" | cut -d, -f1,2 | tr , ' ' > "$work/$out"
}
for w in 0 0.01 0.03 0.1; do shape "w$w" --set optimizer.weight_decay=$w --set optimizer.decoupled=true; done
for T in 100 300 1000 3000; do shape "T$T" --set time.steps=$T; done
for mu in 0 0.5 0.9; do shape "mu$mu" --set optimizer.kind=momentum --set optimizer.momentum=$mu; done
gnuplot <<PLOT
set terminal svg size 1200,420 enhanced font "Helvetica,14" background "white"
set output "schedule-effects.svg"
set multiplot layout 1,3
set xlabel "step / T"
set ylabel "learning rate"
set key top right
set logscale y
set format y "10^{%T}"
set title "decoupled weight decay w"
plot for [w in "0 0.01 0.03 0.1"] "$work/w".w using (\$1/300):2 with lines lw 2 title "w = ".w
set title "horizon T"
plot for [T in "100 300 1000 3000"] "$work/T".T using (\$1/T):2 with lines lw 2 title "T = ".T
set title "momentum, η/(1 - μ)"
plot for [mu in "0 0.5 0.9"] "$work/mu".mu using (\$1/300):(\$2/(1-mu)) with lines lw 2 title "μ = ".mu
PLOT

"$program" sweep "$sweeps/schedule-exponents.toml" --quiet --store "$work/exponents.db" -o schedule-exponents.svg
