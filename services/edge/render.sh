#!/bin/sh
# Makes the folder that nginx runs in ($EDGE_RUNTIME, default /tmp/edge): its configuration, and
# beside it what only the start knows. Then becomes the command. Read are
#   BIND_ADDRESS   where the ports are published: whether other machines may ask
#   ALLOWED_HOSTS  further names that are ours, comma-separated; `.lan` means every name below it
#   *_PORT         where each part's port is published, for the menu (menu.list)
#   OPTIONAL_PARTS, COMPOSE_PROFILES
#                  parts that run only where a profile of their name is chosen, and those chosen
# and which name server to ask. No value gets into nginx's configuration as it was written.
set -euf
umask 022
here=$(cd "$(dirname "$0")" && pwd)
runtime=${EDGE_RUNTIME:-/tmp/edge}
mkdir -p "$runtime"
set +f
cp -R "$here"/*.conf "$here/menu.list" "$here/pages" "$runtime/"
# What the edge says itself it says under any name, also one by which no stylesheet may be had.
for page in "$here"/pages/*.html; do
  sed -e "/@import menu/r $here/pages/menu.css" -e "/@import page/r $here/pages/page.css" \
    -e '/@import/d' "$page" > "$runtime/pages/${page##*/}"
done
set -f

# ---- Who may ask ---------------------------------------------------------------------------------
# Ports published on a loopback address are for this machine. But a neighbour that has a route to
# the container's network can skip the published port (Docker Engine before 28 lets it). So the
# edge looks at who it is: on this machine every caller comes by Docker's proxy, or by the bridge,
# and so from the gateway of the default route; a neighbour has an address of its own.
#
# Not where Docker runs in a virtual machine of its own (Docker Desktop, WSL, OrbStack): neighbours
# have no route into that, and its port forwarder has addresses of its own.
case $(cat "${EDGE_KERNEL:-/proc/version}") in
  *[Ll]inux[Kk]it* | *[Mm]icrosoft* | *[Oo]rb[Ss]tack*) own_machine=no ;;
  *) own_machine=yes ;;
esac
LC_ALL=C awk -v own_machine=$own_machine '
function is_decimal(text, most) {
  return text ~ /^[0-9]+$/ && length(text) <= length(most) && text + 0 <= most && text !~ /^0./
}
function is_v4(text,   part, i) {
  if (split(text, part, "[.]") != 4) return 0
  for (i = 1; i <= 4; i++) if (!is_decimal(part[i], 255)) return 0
  return 1
}
# The groups of an IPv6 address without leading zeros, joined by colons; empty when it is none.
function groups_of(text,   part, n, i, before, after, missing, joined, v4) {
  if (text !~ /^[0-9A-Fa-f:.]+$/ || text ~ /:::/ || text !~ /:/) return ""
  if (index(text, ".")) {
    n = split(text, part, ":")
    if (!is_v4(part[n])) return ""
    split(part[n], v4, "[.]")
    text = substr(text, 1, length(text) - length(part[n])) \
      sprintf("%x:%x", v4[1] * 256 + v4[2], v4[3] * 256 + v4[4])
  }
  if (split(text, part, "::") > 2) return ""
  if (index(text, "::")) {
    before = part[1]
    after = part[2]
    missing = 8 - (before == "" ? 0 : split(before, v4, ":")) - (after == "" ? 0 : split(after, v4, ":"))
    if (missing < 1) return ""
    for (i = 1; i <= missing; i++) joined = joined ":0"
    text = before joined (after == "" ? "" : ":" after)
    sub(/^:/, "", text)
  }
  if (split(text, part, ":") != 8) return ""
  joined = ""
  for (i = 1; i <= 8; i++) {
    if (part[i] !~ /^[0-9A-Fa-f]+$/ || length(part[i]) > 4) return ""
    sub(/^0+/, "", part[i])
    joined = joined ":" (part[i] == "" ? "0" : part[i])
  }
  return joined
}
function from_hexadecimal(text,   i, value) {
  for (i = 1; i <= length(text); i++) {
    value = value * 16 + index("0123456789abcdef", tolower(substr(text, i, 1))) - 1
  }
  return value
}
BEGIN {
  address = ENVIRON["BIND_ADDRESS"]
  gsub(/^[ \t\r\n]+|[ \t\r\n]+$/, "", address)
  if (address == "") address = "127.0.0.1"
  if (address ~ /^\[.*\]$/) address = substr(address, 2, length(address) - 2)
  groups = is_v4(address) ? "" : groups_of(address)
  # Docker publishes on no address of a group of machines.
  is_multicast = is_v4(address) ? address ~ /^(22[4-9]|23[0-9])[.]/ \
    : groups ~ /^:([Ff][Ff]|0:0:0:0:0:[Ff][Ff][Ff][Ff]:[Ee][0-9A-Fa-f])[0-9A-Fa-f][0-9A-Fa-f]:/
  if ((!is_v4(address) && groups == "") || is_multicast) {
    print "BIND_ADDRESS: expected an IP address: 127.0.0.1 for this machine only, 0.0.0.0 for your" \
      " network, found something else" > "/dev/stderr"
    exit failed = 1
  }
  is_loopback = address ~ /^127[.]/ || groups == ":0:0:0:0:0:0:0:1" \
    || groups ~ /^:0:0:0:0:0:[Ff][Ff][Ff][Ff]:7[Ff][0-9A-Fa-f][0-9A-Fa-f]:/
  if (!is_loopback || own_machine == "no") {
    print "default 1;"
    exit
  }
  print "default 0;\n127.0.0.1 1;\n::1 1;"
}
# Iface Destination Gateway ...: addresses are hexadecimal, the last byte first.
$2 == "00000000" && $3 ~ /^[0-9A-Fa-f]+$/ && length($3) == 8 && $3 != "00000000" && !seen[$3]++ {
  printf "%d.%d.%d.%d 1;\n", from_hexadecimal(substr($3, 7, 2)), from_hexadecimal(substr($3, 5, 2)), \
    from_hexadecimal(substr($3, 3, 2)), from_hexadecimal(substr($3, 1, 2))
}
END { exit failed }
' "${EDGE_ROUTES:-/proc/net/route}" > "$runtime/clients.geo"

# ---- Names that are ours -------------------------------------------------------------------------
# A name is labels of letters, digits, - and _, separated by single dots: each of 1 to 63
# characters, not beginning or ending with -, and at most 253 in all. A leading dot means every
# name below. Case does not matter; names of this machine and repeats are harmless.
LC_ALL=C awk '
function is_name(text,   label, n, i) {
  sub(/^[.]/, "", text)
  n = split(text, label, "[.]")
  for (i = 1; i <= n; i++) {
    if (label[i] == "" || length(label[i]) > 63) return 0
    if (label[i] ~ /[^A-Za-z0-9_-]/ || label[i] ~ /^-/ || label[i] ~ /-$/) return 0
  }
  return n > 0 && length(text) <= 253
}
BEGIN {
  n = split(ENVIRON["ALLOWED_HOSTS"], found, ",")
  for (i = 1; i <= n; i++) {
    name = tolower(found[i])
    gsub(/^[ \t\r\n\f\v]+|[ \t\r\n\f\v]+$/, "", name)
    if (name == "" || seen[name]++) continue
    if (!is_name(name)) {
      print "ALLOWED_HOSTS: \047" substr(name, 1, 60) "\047 is not a host name. Give names only, without" \
        " scheme or port, separated by commas, such as: chat.example.lan,.home.arpa" > "/dev/stderr"
      exit 1
    }
    below = sub(/^[.]/, "", name)
    gsub(/[.]/, "\\.", name)
    # Regular expressions: however names overlap, nginx takes the first and finds no conflict.
    printf "\"~*^%s%s(?::\\d{1,5})?\\z\" 1;\n", below ? "(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\\.)+" : "", name
  }
}' > "$runtime/allowed-hosts.map"

# ---- The menu ------------------------------------------------------------------------------------
# Finished when it is asked for: which page this is, and by which name the reader found it.
LC_ALL=C awk -F '\t' '
function chosen(part, setting,   word, n, i) {
  n = split(ENVIRON[setting], word, ",")
  for (i = 1; i <= n; i++) {
    gsub(/^[ \t\r\n]+|[ \t\r\n]+$/, "", word[i])
    if (word[i] == part || (word[i] == "*" && setting == "COMPOSE_PROFILES")) return 1
  }
  return 0
}
/^#/ { next }
{
  port = ENVIRON[$2]
  gsub(/^[ \t\r\n]+|[ \t\r\n]+$/, "", port)
  if (port == "") port = $3
  if (port !~ /^[0-9]+$/ || length(port) > 5 || port + 0 < 1 || port + 0 > 65535) {
    print $2 ": expected a port, 1 to 65535, found something else" > "/dev/stderr"
    exit failed = 1
  }
  variable = $1
  gsub(/-/, "_", variable)
  address = "//$own_name:" port + 0 "/"
  printf "map $own_name $%s_address { default \042%s\042; }\n", variable, address
  if (chosen($1, "OPTIONAL_PARTS") && !chosen($1, "COMPOSE_PROFILES")) {
    left_out = left_out "  " $1 " 1;\n"
    next
  }
  printf "map $server_name $%s_link {\n  default \047href=\042%s\042\047;\n", variable, address
  printf "  %s \047href=\042/\042 aria-current=\042page\042\047;\n}\n", $1
  links = links "<li><a $" variable "_link>" $4 "</a></li>"
}
END {
  if (failed) exit 1
  printf "map $server_name $is_left_out {\n  default 0;\n%s}\n", left_out
  printf "map $own_name $menu_links {\n  default \042\042;\n  \042~.\042 \047%s\047;\n}\n", links
}
' "$here/menu.list" > "$runtime/menu.map"

# ---- Where services are --------------------------------------------------------------------------
server=$(awk '$1 == "nameserver" && $2 ~ /^[0-9A-Fa-f:.]+$/ { print $2; exit }' /etc/resolv.conf)
case $server in *:*) server="[$server]" ;; esac
# Short: a service that has just been started again must be found at its new address.
printf 'resolver %s valid=2s ipv6=off;\nresolver_timeout 2s;\n' "${server:-127.0.0.1}" \
  > "$runtime/resolver.conf"

# ---- What it may hold: see nginx.conf ------------------------------------------------------------
# nginx has max_headers since 1.29.8.
printf 'max_headers 128;\n' > "$runtime/limits.conf"
printf 'events {}\npid nginx-check.pid;\nhttp {\n  access_log off;\n  max_headers 128;\n}\n' > "$runtime/check.conf"
if ! nginx -t -q -e stderr -p "$runtime" -c check.conf 2> /dev/null; then
  : > "$runtime/limits.conf"
fi
# Of its own memory, in kB. Beyond it a request fails, and nothing else: 256 MB are allowed.
ulimit -d "${EDGE_MEMORY_KB:-239616}"
# What was held goes back to the system as soon as it is free: whole pages apart from small pieces,
# and no spare room on top (the GNU C library).
export MALLOC_MMAP_THRESHOLD_=3968 MALLOC_TOP_PAD_=4096 MALLOC_TRIM_THRESHOLD_=16384

exec "$@"
