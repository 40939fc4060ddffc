# shellcheck shell=bash
# Configure, build and stage the release preset, with progress. To be sourced after root.sh and steps.sh.

# shellcheck disable=SC2154 # source_root is root.sh's
build_root=$source_root/build/release

build() { # TARGET…
    step configure "Configuring" cmake -S "$source_root" --preset release
    (($#)) || return 0
    step build "Building" cmake --build "$build_root" --target "$@"
}

# The installed program, as a user of `cmake --install` gets it: what e2e tests and the demo run.
stage() {
    step stage "Staging the installed program" cmake --install "$build_root" --prefix "$build_root/stage"
}
