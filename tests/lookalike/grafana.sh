#!/bin/sh
# What stands in for Grafana: takes the password from the file that grafana.ini names, or ends.
set -eu
file=$(sed -n 's/^admin_password = \$__file{\(.*\)}$/\1/p' "$GF_PATHS_CONFIG")
password=$(cat "$file") || exit 1
[ -n "$password" ] || exit 1
echo "the administrator's password has ${#password} characters"
mkdir -p "$GF_PATHS_DATA/pages/api"
echo '{"database": "ok"}' > "$GF_PATHS_DATA/pages/api/health"
exec httpd -f -p 3000 -h "$GF_PATHS_DATA/pages"
