#!/bin/sh
# Draws the figures of docs/rates.md with the program given (default build/release/edgewise).
. "$(dirname "$0")/begin.sh"

"$program" compare "$data/comparisons/learning-rate-free.toml" --quiet -o learning-rate-free.svg

# run NAME TITLE BATCH STEPS KEY=VALUE...: the problem of dog.toml under another rule
run() {
  name=$1 title=$2 batch=$3 steps=$4
  shift 4
  settings=""
  for assignment in "$@"; do settings="$settings --set $assignment"; done
  sed -e '/^r_eps/d' -e '/^kind = "dog"/d' -e '/^\[verdict\]/d' -e '/^allowed/d' "$data/experiments/dog.toml" > "$work/rule.toml"
  "$program" validate "$work/rule.toml" --set "title=$title" --set optimizer.batch=$batch --set time.steps=$steps \
    --set monte_carlo.replicas=200 $settings --quiet -o "$work/$name.csv" || test $? = 1
}
for batch in 40 1; do
  steps=1500
  test $batch = 40 && steps=500
  run adagrad-$batch "AdaGrad-norm" $batch $steps rate.kind=adagrad-norm rate.eta0=2 rate.b0=20
  run polyak-$batch "Polyak (oracle)" $batch $steps rate.kind=polyak
  run dog-$batch "DoG" $batch $steps rate.kind=dog rate.r_eps=0.01
  run prodigy-$batch "Prodigy" $batch $steps rate.kind=prodigy rate.d0=0.01
  run momo-$batch "MoMo" $batch $steps rate.kind=momo
  "$program" plot "$work/adagrad-$batch.csv" "$work/polyak-$batch.csv" "$work/dog-$batch.csv" "$work/prodigy-$batch.csv" \
    "$work/momo-$batch.csv" --observable excess_mse --observable learning_rate --title "Rules at B = $batch" --quiet \
    -o rates-batch-$batch.svg
done
