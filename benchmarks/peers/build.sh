#!/bin/sh
# Usage: build.sh prometheus | statsd_exporter [there]
# Builds what Debian has not (statsd_exporter) or has only in a version without an OTLP receiver
# (prometheus) from the Go module proxy, once, and prints the path of its binary. It is kept outside of
# the repository, in a directory named for its version. Prometheus takes minutes; with `there` nothing is
# built, and nothing printed if nothing is there.
set -eu

case ${1:-} in
prometheus)
    # It counts its modules otherwise than itself. Without discovery of targets in clouds, which is most
    # of the building and has no part in receiving.
    package=github.com/prometheus/prometheus/cmd/prometheus
    version=v0.313.5 shown=3.13.5 tags=remove_all_sd
    ;;
statsd_exporter)
    package=github.com/prometheus/statsd_exporter
    version=v0.31.0 shown=0.31.0 tags=
    ;;
*)
    echo "build.sh: prometheus or statsd_exporter?" >&2
    exit 2
    ;;
esac

cache=${XDG_CACHE_HOME:-$HOME/.cache}/portless/$1-$version
if [ ! -x "$cache/$1" ]; then
    [ "${2:-}" != there ] || exit 0
    if ! command -v go >/dev/null 2>&1; then
        echo "build.sh: Go is not installed, and building $1 needs it" >&2
        exit 1
    fi
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/work.XXXXXX") # two builds at once do not meet
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    echo "build.sh: building $1 $shown in $cache; the first time takes a while" >&2
    cd "$work" # `go install` refuses modules that exclude others, so there is one around it
    go mod init portless.invalid/peer >&2 # never published
    go get "$package@$version" >&2
    go build -trimpath -tags "$tags" -o built \
        -ldflags "-s -w -X github.com/prometheus/common/version.Version=$shown" "$package" >&2
    mv built "$cache/$1"
fi
echo "$cache/$1"
