# What every script of this folder begins with: the program, given or build/release/edgewise, the places of experiments and
# sweeps, and a folder for what is not kept.
set -e
program=$(realpath "${1:-build/release/edgewise}")
cd "$(dirname "$0")"
data=../../data
experiments=$data/experiments
sweeps=$data/sweeps
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
