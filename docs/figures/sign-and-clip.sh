#!/bin/sh
# Draws the figures of docs/sign-and-clip.md with the program given (default build/release/edgewise).
. "$(dirname "$0")/begin.sh"

"$program" solve "$experiments/sign-effects.toml" --quiet -o "$work/effects.csv"
grep -E '^[0-9]' "$work/effects.csv" > "$work/effects"
gnuplot <<PLOT
set terminal svg size 640,440 enhanced font "Helvetica,14" background "white"
set output "sign-effects.svg"
set datafile separator ","
set logscale xy
set format y "10^{%T}"
set xlabel "optimizer step"
set ylabel "excess risk P"
set key bottom left
plot "$work/effects" using (column(1) + 1):8 with lines lw 2 title "SGD, same rate", \
  "" using (column(1) + 1):9 with lines lw 2 title "SGD, the sign's effective rate", \
  "" using (column(1) + 1):10 with lines lw 2 title "and its preconditioner", \
  "" using (column(1) + 1):2 with lines lw 3 lc "black" title "signSGD"
PLOT

# A map over (x, P): finding $1 of the experiment $2 at P = 10^-3 .. 10, parameter $3 at the values that follow.
map() {
  finding=$1 experiment=$2 key=$3
  shift 3
  for value in "$@"; do
    for i in $(seq 0 16); do
      P=$(awk "BEGIN { print 10 ^ (-3 + $i / 4) }")
      result=$("$program" stability "$experiment" --format csv --set $key=$value --set spectrum.target_power=$P |
        awk -F, -v f="$finding" '$1 == f { print $2 }')
      echo "$value $P $result"
    done
    echo
  done
}

cat > "$work/clip.toml" <<END
model = "residual-sgd"
[spectrum]
kind = "isotropic"
dimension = 500
[noise]
law = "student-t"
scale = 1.0
dof = 3.0
[optimizer]
kind = "huber"
threshold = 1.0
learning_rate = 0.001
[time]
steps = 1
END
map clipping_gain "$work/clip.toml" noise.dof 2.2 2.5 3 3.5 4 5 6 8 10 14 20 28 40 > "$work/clip"
gnuplot <<PLOT
set terminal svg size 640,440 enhanced font "Helvetica,14" background "white"
set output "clipping-gain.svg"
set logscale xycb
set xlabel "degrees of freedom of the noise"
set ylabel "excess risk P, in squared noise scales"
set cblabel "gain of the best clipping over SGD (lines: 1.05, 1.2, 1.5, 2)"
set xtics (3, 5, 10, 20, 40)
set cbtics (1, 1.2, 1.5, 2, 3)
set palette defined (0 "#26456e", 1 "#3a8eb5", 2 "#a8d5ba", 3 "#fde724")
set format y "10^{%T}"
set view map
set pm3d interpolate 2,2
set xrange [2.2:40]
set yrange [1e-3:10]
unset key
set contour base
set cntrparam levels discrete 1.05, 1.2, 1.5, 2
set cntrlabel onecolor
splot "$work/clip" using 1:2:3 with pm3d, "" using 1:2:3 with lines lc "white" lw 1.5 nosurface
PLOT

sed -e 's/residual-sgd/sign-sgd/' -e 's/student-t/contaminated/' -e 's/^scale.*/scale = 0.2/' \
  -e 's/^dof.*/outlier_scale = 5.0\nprobability = 0.1/' -e '/^kind = "huber"/d' -e '/^threshold/d' "$work/clip.toml" > "$work/sign.toml"
map noise_compression "$work/sign.toml" noise.probability 0.001 0.002 0.004 0.008 0.016 0.032 0.064 0.128 0.256 0.512 > "$work/sign"
gnuplot <<PLOT
set terminal svg size 640,440 enhanced font "Helvetica,14" background "white"
set output "sign-placement.svg"
set logscale xycb
set xlabel "share of outliers"
set ylabel "excess risk P"
set cblabel "noise compression by the sign"
set cbtics (1, 1.5, 3, 10, 30)
set palette defined (0 "#26456e", 1 "#3a8eb5", 2 "#a8d5ba", 3 "#fde724")
set format x "10^{%T}"
set format y "10^{%T}"
set view map
set pm3d interpolate 2,2
set xrange [0.001:0.512]
set yrange [1e-3:10]
unset key
set contour base
set cntrparam levels discrete 1.5707963
set label 1 "sign every example" at 0.03, 0.05 front
set label 2 "sign the mean" at 0.0015, 4 front tc "white"
splot "$work/sign" using 1:2:3 with pm3d, "" using 1:2:3 with lines lc "white" lw 2 nosurface
PLOT
