#!/bin/sh
# Start a server or Sentinel with a configuration that it may rewrite when roles change: a copy, made when it first
# starts.
#
#   rewritable.sh FILE [SETTING...]
set -e
[ -e own.conf ] || cp "$1" own.conf
shift
exec docker-entrypoint.sh own.conf "$@"
