#!/bin/sh
# Writes the two settings that only the start knows into $EDGE_RUNTIME (default /tmp/edge), then
# becomes the command: which Host names are ours (ALLOWED_HOSTS, comma-separated; `.lan` means
# every name below it) and which name server to ask.
set -euf
runtime=${EDGE_RUNTIME:-/tmp/edge}
mkdir -p "$runtime"

for host in $(printf %s "${ALLOWED_HOSTS:-}" | tr ',' ' '); do
  # `map` would read a leading ~ as a regular expression and a ; as the end of its line.
  case $host in
    *[!A-Za-z0-9._-]*)
      echo "ALLOWED_HOSTS: '$host' is not a host name. Give names only, without scheme or port," \
        "separated by commas, such as: chat.example.lan,.home.arpa" >&2
      exit 1 ;;
  esac
  printf '%s 1;\n' "$host"
done > "$runtime/allowed-hosts.map"

server=$(awk '$1 == "nameserver" { print $2; exit }' /etc/resolv.conf)
case $server in *:*) server="[$server]" ;; esac
# Short: a service that has just been started again must be found at its new address.
printf 'resolver %s valid=2s ipv6=off;\nresolver_timeout 2s;\n' "$server" > "$runtime/resolver.conf"

exec "$@"
