#!/bin/sh
# Without arguments: migrate the schema, then serve. With arguments: run them, and nothing before.
set -eu
if [ "$#" -gt 0 ]; then
  exec "$@"
fi
timetracker migrate
exec timetracker serve
