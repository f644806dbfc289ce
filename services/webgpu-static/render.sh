#!/bin/sh
# Makes the folder that nginx runs in ($WEBGPU_RUNTIME, default /tmp/webgpu): its configuration, and
# beside it what only the start knows: where to listen, where the gateway is, which name server to
# ask, and the gateway's key, from its file into a file that only this user reads. Then becomes the
# command. What becomes part of the configuration is checked to the last character.
set -euf
umask 077
LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")" && pwd)
runtime=${WEBGPU_RUNTIME:-/tmp/webgpu}
mkdir -p "$runtime"
for file in nginx proxy callers errors; do cp -f "$here/$file.conf" "$runtime/"; done

fail() {
  echo "$1" >&2
  exit 1
}

# ---- Where the gateway is ------------------------------------------------------------------------
# Scheme, host and port count; what follows (people paste .../v1 too) does not.
url=${GATEWAY_URL:-http://gateway:8000}
no_gateway="GATEWAY_URL: expected an address such as http://gateway:8000, found something else"
case $url in
  *[!A-Za-z0-9._:/[\]-]*) fail "$no_gateway" ;;
  http://?*) ;;
  *) fail "$no_gateway" ;;
esac
authority=${url#http://}
authority=${authority%%/*}
case $authority in
  \[*\]:*) host=${authority%%\]*}] port=${authority##*:} ;;
  \[*\]) host=$authority port=80 ;;
  *:*) host=${authority%:*} port=${authority##*:} ;;
  *) host=$authority port=80 ;;
esac
case $host in
  \[*\]) case $host in *[!][0-9A-Fa-f:.]* | \[\]) fail "$no_gateway" ;; esac ;;
  '' | *[!A-Za-z0-9._-]* | .* | *. | *..* | -* | *- | *.-* | *-.*) fail "$no_gateway" ;;
esac
case $port in '' | *[!0-9]* | 0* | ??????*) fail "$no_gateway" ;; esac
[ "$port" -le 65535 ] || fail "$no_gateway"

# ---- Its key -------------------------------------------------------------------------------------
# RFC 6750's token68, as the secrets service demands it. It becomes a word of nginx's configuration.
key_file=${GATEWAY_API_KEY_FILE:-/run/foundry-chat/gateway/api-key}
[ -r "$key_file" ] || fail "GATEWAY_API_KEY_FILE: cannot read $key_file. It is made by: docker compose up secrets"
key=$(cat "$key_file")
no_key="GATEWAY_API_KEY_FILE: $key_file holds no usable key: 8 to 200 letters, digits and characters of - . _ ~ + / ="
case $key in *[!A-Za-z0-9._~+/=-]*) fail "$no_key" ;; esac
[ "${#key}" -ge 8 ] && [ "${#key}" -le 200 ] || fail "$no_key"
printf 'proxy_set_header Authorization "Bearer %s";\n' "$key" > "$runtime/gateway-key.conf"

# ---- Where to listen, and the page ---------------------------------------------------------------
listen=${WEBGPU_LISTEN:-8080}
case $listen in *[!0-9A-Fa-f.:[\]]*) fail "WEBGPU_LISTEN: expected a port, or an address and a port" ;; esac
printf 'listen %s;\n' "$listen" > "$runtime/listen.conf"
www=${WEBGPU_WWW:-/srv/www}
case $www in *[!A-Za-z0-9._/-]*) fail "WEBGPU_WWW: expected a path of letters, digits and characters of . _ / -" ;; esac

server=$(awk '$1 == "nameserver" && $2 ~ /^[0-9A-Fa-f:.]+$/ { print $2; exit }' /etc/resolv.conf)
case $server in *:*) server="[$server]" ;; esac
# A variable as the address makes nginx look the name up again: it starts before the gateway does,
# and finds it at its new address after a restart.
cat > "$runtime/settings.conf" <<END
resolver ${server:-127.0.0.1} valid=2s ipv6=off;
resolver_timeout 2s;
map "" \$gateway { default "http://$host:$port"; }
map "" \$www { default "$www"; }
END

# ---- What it may hold: see nginx.conf ------------------------------------------------------------
# nginx has max_headers since 1.29.8.
printf 'max_headers 128;\n' > "$runtime/limits.conf"
printf 'events {}\npid nginx-check.pid;\nhttp {\n  access_log off;\n  max_headers 128;\n}\n' > "$runtime/check.conf"
if ! nginx -t -q -e stderr -p "$runtime" -c check.conf 2> /dev/null; then
  : > "$runtime/limits.conf"
fi
# Of its own memory, in kB. Beyond it a request fails, and nothing else: 64 MB are allowed.
ulimit -d "${WEBGPU_MEMORY_KB:-53248}"
# What was held goes back to the system as soon as it is free: whole pages apart from small pieces,
# and no spare room on top (the GNU C library).
export MALLOC_MMAP_THRESHOLD_=3968 MALLOC_TOP_PAD_=4096 MALLOC_TRIM_THRESHOLD_=16384

exec "$@"
