#!/bin/sh
# Draws the figures of docs/linear-family.md with the program given (default build/release/edgewise).
set -e
program=$(realpath "${1:-build/release/edgewise}")
cd "$(dirname "$0")"
experiments=../../data/experiments
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for name in sgd-label-noise lookahead-label-noise diloco-excess-noise diloco-repaired stacked-momentum; do
  "$program" solve "$experiments/$name.toml" --quiet -o "$work/$name.csv"
done
"$program" plot "$work/sgd-label-noise.csv" "$work/lookahead-label-noise.csv" --observable excess_mse \
  --title "Lookahead and SGD under label noise" -o lookahead-label-noise.svg
"$program" plot "$work/diloco-excess-noise.csv" "$work/diloco-repaired.csv" --observable excess_mse \
  --title "Four workers: excess noise, and its repair" -o diloco-excess-noise.svg
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
set xlabel "outer learning rate {/Symbol x}"
set ylabel "learning rate {/Symbol h}"
set title "Stable below the curve: lookahead on the spectrum j^{-1.4}, d = 200, B = 1"
set key top right
set yrange [0:*]
plot "$work/H2" with lines lw 2 title "H = 2", "$work/H8" with lines lw 2 title "H = 8", \
     "$work/H64" with lines lw 2 title "H = 64", 0.5040572394 with lines dt 2 lc "black" title "SGD"
PLOT
