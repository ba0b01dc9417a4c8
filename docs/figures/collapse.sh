#!/bin/sh
# Draws the figures of docs/collapse.md with the program given (default build/release/edgewise).
. "$(dirname "$0")/begin.sh"
"$program" collapse "$experiments/collapse-linear.toml" --quiet -o collapse-linear.svg
"$program" collapse "$experiments/collapse-constant.toml" --quiet -o collapse-constant.svg
# Label noise that does not fall with the size: broken, status 1.
"$program" collapse "$experiments/collapse-linear.toml" --quiet --set collapse.simulate=false \
  --set 'collapse.set=["noise.variance = 0.05"]' --set 'title=Label noise at a fixed batch' -o collapse-label-noise.svg || test $? = 1
