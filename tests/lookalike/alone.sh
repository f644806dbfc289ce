#!/bin/sh
# Makes the root of an image without a distribution: busybox, and programs with what they load.
#
#   alone.sh ROOT USER:UID PROGRAM-OR-LIBRARY...
set -eu
root=$1 user=$2
shift 2
mkdir -p "$root/bin" "$root/etc" "$root/proc" "$root/run" "$root/sys" "$root/dev" "$root/var/log"
mkdir -m 1777 "$root/tmp"
cp "$(command -v busybox)" "$root/bin/busybox"
for applet in $(busybox --list); do ln -s busybox "$root/bin/$applet" 2> /dev/null || :; done
printf 'root:x:0:0:root:/root:/bin/sh\n%s:x:%s:%s::/:/bin/false\n' \
  "${user%:*}" "${user#*:}" "${user#*:}" > "$root/etc/passwd"
printf 'root:x:0:\n%s:x:%s:\n' "${user%:*}" "${user#*:}" > "$root/etc/group"
for file; do
  loaded=$(ldd "$file" 2> /dev/null | awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^\//) print $i }')
  for part in "$file" $loaded; do
    mkdir -p "$root$(dirname "$part")"
    cp -L "$part" "$root$part"
  done
done
