#!/bin/sh
# Draws the figures of docs/linear-family.md with the program given (default build/release/edgewise).
. "$(dirname "$0")/begin.sh"

for name in sgd-label-noise lookahead-label-noise stacked-momentum; do
  "$program" solve "$experiments/$name.toml" --quiet -o "$work/$name.csv"
done
"$program" plot "$work/sgd-label-noise.csv" "$work/lookahead-label-noise.csv" --observable excess_mse \
  --title "Lookahead and SGD under label noise" -o lookahead-label-noise.svg

# Excess risk of four workers over one worker with their batches joined, at eta = .2/f and xi = .5 f.
rounds=$(seq -s, 6 6 240)
for f in 1 2 4 16; do
  for workers in 4 1; do
    "$program" solve "$experiments/diloco-excess-noise.toml" --quiet --set "time.at=[$rounds]" \
      --set optimizer.workers=$workers --set optimizer.batch=$((4 / workers)) \
      --set optimizer.learning_rate=$(awk "BEGIN { print .2 / $f }") \
      --set optimizer.outer_learning_rate=$(awk "BEGIN { print .5 * $f }") -o "$work/M$workers.csv"
    grep -E '^[0-9]' "$work/M$workers.csv" | cut -d, -f1,3 > "$work/M$workers"
  done
  paste -d, "$work/M4" "$work/M1" | awk -F, '$1 > 0 { print $1 / 6, $2 / $4 - 1 }' > "$work/f$f"
done
gnuplot <<PLOT
set terminal svg size 640,440 enhanced font "Helvetica,14" background "white"
set output "diloco-excess-noise.svg"
set xlabel "round"
set ylabel "excess over one worker with batch 4"
set title "Noise of four workers, repaired by η/f inside and f ξ outside"
set logscale y
set format y "10^{%T}"
set key top right horizontal
set yrange [*:4e-2]
plot for [f in "1 2 4 16"] "$work/f".f with lines lw 2 title "f = ".f
PLOT
# The best that SGD can do at 256 samples, on the spectrum of stacked-momentum.toml.
"$program" solve "$experiments/sgd-label-noise.toml" --quiet --set spectrum.dimension=60 \
  --set optimizer.learning_rate=0.0706 --set 'time.at=[8,16,32,64,96,128,192,256]' --set 'title="SGD, tuned"' \
  -o "$work/sgd-60.csv"
"$program" plot "$work/sgd-60.csv" "$work/stacked-momentum.csv" --observable excess_mse \
  --title "Acceleration on a power law, 256 samples" -o stacked-momentum.svg

# eta_max against xi for several lengths of the round.
for steps in 2 8 64; do
  for xi in 0.05 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1.0 1.1 1.2 1.3 1.4 1.5 1.6 1.7 1.8 1.9 2.0; do
    "$program" stability "$experiments/stability-region.toml" --quiet --format csv \
      --set optimizer.inner_steps=$steps --set optimizer.outer_learning_rate=$xi |
      sed -n "s/^eta_max,\([^,]*\),.*/$xi \1/p"
  done > "$work/H$steps"
done
gnuplot <<PLOT
set terminal svg size 640,440 enhanced font "Helvetica,14" background "white"
set output "stability-region.svg"
set xlabel "outer learning rate ξ"
set ylabel "learning rate η"
set title "Stable below the curve: lookahead on the spectrum j^{-1.4}, d = 200, B = 1"
set key top right
set yrange [0:*]
plot "$work/H2" with lines lw 2 title "H = 2", "$work/H8" with lines lw 2 title "H = 8", \
     "$work/H64" with lines lw 2 title "H = 64", 0.5040572394 with lines dt 2 lc "black" title "SGD"
PLOT

# How far single runs of DiLoCo stray.
"$program" solve "$experiments/diloco-bands.toml" --quiet --set "time.at=[$(seq -s, 8 8 256)]" -o "$work/bands.csv"
"$program" plot "$work/bands.csv" --observable excess_mse -o diloco-bands.svg
