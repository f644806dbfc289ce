#!/bin/sh
# Makes the folder that nginx runs in ($WEBGPU_RUNTIME, default /tmp/webgpu): nginx.conf, and beside
# it what only the start knows: where to listen, where the gateway is, which name server to ask, and
# the gateway's key, from its file into a file that only this user reads. Then becomes the command.
set -euf
umask 077
here=$(cd "$(dirname "$0")" && pwd)
runtime=${WEBGPU_RUNTIME:-/tmp/webgpu}
mkdir -p "$runtime"
cp -f "$here/nginx.conf" "$here/proxy.conf" "$runtime/"

fail() {
  echo "$1" >&2
  exit 1
}

gateway=${GATEWAY_URL:-http://gateway:8000}
case $gateway in
  http://*[!A-Za-z0-9.:/-]* | http:// | [!h]* ) fail "GATEWAY_URL: '$gateway' is not an address such as http://gateway:8000" ;;
  http://*) ;;
  *) fail "GATEWAY_URL: '$gateway' is not an address such as http://gateway:8000" ;;
esac

key_file=${GATEWAY_API_KEY_FILE:-/run/foundry-chat/gateway/api-key}
[ -r "$key_file" ] || fail "GATEWAY_API_KEY_FILE: cannot read $key_file. It is made by: docker compose up secrets"
key=$(cat "$key_file")
# It becomes a word of nginx's configuration.
case $key in
  '' | *[!A-Za-z0-9._~+/=-]*) fail "GATEWAY_API_KEY_FILE: $key_file holds no usable key: letters, digits and ._~+/=- only" ;;
esac
printf 'proxy_set_header Authorization "Bearer %s";\n' "$key" > "$runtime/gateway-key.conf"

server=$(awk '$1 == "nameserver" { print $2; exit }' /etc/resolv.conf)
case $server in *:*) server="[$server]" ;; esac
# A variable as the address makes nginx look the name up again: it starts before the gateway does,
# and finds it at its new address after a restart.
cat > "$runtime/settings.conf" <<END
resolver ${server:-127.0.0.1} valid=2s ipv6=off;
resolver_timeout 2s;
map "" \$gateway { default "${gateway%/}"; }
map "" \$www { default "${WEBGPU_WWW:-/srv/www}"; }
END
printf 'listen %s;\n' "${WEBGPU_LISTEN:-8080}" > "$runtime/listen.conf"

exec "$@"
