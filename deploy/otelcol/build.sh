#!/bin/sh
# Builds the OpenTelemetry Collector of manifest.yaml once and prints the path of its binary.
# The result is kept outside the repository, in a directory named for the manifest's content,
# so that a changed manifest is another build and an unchanged one costs nothing.
set -eu

builder_version=v0.161.0 # the same release as the components: the builder insists on it

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
manifest=$here/manifest.yaml
hash=$(cksum <"$manifest" | tr ' ' -)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/portless/otelcol-$hash

if [ ! -x "$cache/otelcol" ]; then
    if ! command -v go >/dev/null 2>&1; then
        echo "build.sh: Go is not installed, and building the OpenTelemetry Collector needs it" >&2
        exit 1
    fi
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/work.XXXXXX") # two builds at once do not meet
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    echo "build.sh: building the OpenTelemetry Collector in $cache; the first time takes minutes" >&2
    GOBIN=$work go install "go.opentelemetry.io/collector/cmd/builder@$builder_version" >&2
    (cd "$work" && ./builder --config="$manifest") >&2
    mv "$work/build/otelcol" "$cache/otelcol"
fi
echo "$cache/otelcol"
