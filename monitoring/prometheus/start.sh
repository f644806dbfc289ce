#!/bin/sh
# Checks the settings, writes the configuration for them into $PROMETHEUS_RUNTIME and becomes
# Prometheus; with the argument `check` it becomes promtool, which checks what was written.
#
#   PROMETHEUS_SCRAPE_INTERVAL  how often everything is read: 5s to 60s (15s)
#   PROMETHEUS_RETENTION        how long samples are kept (15d)
#   PROMETHEUS_RETENTION_SIZE   how much disk they may take (1GB)
#   PROMISE_FIRST_TOKEN_SECONDS  within how many seconds 95 % of the answers are to begin (2.56)
#   PROMETHEUS_WITHOUT          jobs that are away on purpose, comma-separated: no target, no alert
#   BIND_ADDRESS, PROMETHEUS_PORT, HEALTHCHECK_PORT
#                               where browsers find this and the health probe (9090, 9180)
#   PROMETHEUS_LISTEN, PROMETHEUS_DATA, PROMETHEUS_RUNTIME  for running it outside its container
set -euf
source=$(cd "$(dirname "$0")" && pwd)
runtime=${PROMETHEUS_RUNTIME:-/tmp/prometheus}
interval=${PROMETHEUS_SCRAPE_INTERVAL:-15s}
retention=${PROMETHEUS_RETENTION:-15d}
size=${PROMETHEUS_RETENTION_SIZE:-1GB}
promise=${PROMISE_FIRST_TOKEN_SECONDS:-2.56}
without=$(printf %s "${PROMETHEUS_WITHOUT:-}" | tr ',' ' ')

refuse() {
  echo "$1" >&2
  exit 1
}

# Whether $1 is a number of at most six digits, without a leading zero, and one of the units of $2.
is_amount() {
  number=${1%%[!0-9]*}
  unit=${1#"$number"}
  case $number in '' | 0* | ???????*) return 1 ;; esac
  case $unit in '' | *[!A-Za-z]*) return 1 ;; esac
  case " $2 " in *" $unit "*) ;; *) return 1 ;; esac
}

for port in "${PROMETHEUS_PORT:-9090}" "${HEALTHCHECK_PORT:-9180}"; do
  case $port in '' | *[!0-9]*) refuse "PROMETHEUS_PORT, HEALTHCHECK_PORT: '$port' is no port." ;; esac
done
# Published on one address alone, ports are at no other. What is none the edge refuses.
here=${BIND_ADDRESS:-127.0.0.1}
here=${here#[}
here=${here%]}
case $here in
  127.0.0.1 | 0.0.0.0 | ::1 | :: | *[!0-9A-Fa-f:.]*) here=localhost ;;
  *:*) here="[$here]" ;;
esac
is_amount "$interval" s || refuse \
  "PROMETHEUS_SCRAPE_INTERVAL: '$interval' is not a number of seconds. Give one from 5s to 60s, such as: 15s"
seconds=${interval%s}
# Slower, and the five-minute windows of the alerts hold too few samples.
if [ "$seconds" -lt 5 ] || [ "$seconds" -gt 60 ]; then
  refuse "PROMETHEUS_SCRAPE_INTERVAL: '$interval' is out of range. Give one from 5s to 60s, such as: 15s"
fi
is_amount "$retention" 'h d w y' || refuse \
  "PROMETHEUS_RETENTION: '$retention' is not a time. Give a number and h, d, w or y, such as: 15d"
case $retention in
  *h) hours=1 ;;
  *d) hours=24 ;;
  *w) hours=168 ;;
  *y) hours=8760 ;;
esac
# Prometheus counts nanoseconds, and from 293 years on refuses to start.
[ "$((${retention%[hdwy]} * hours))" -le 876000 ] || refuse \
  "PROMETHEUS_RETENTION: '$retention' is out of range. Give at most 100y, such as: 15d"
is_amount "$size" 'MB GB TB' || refuse \
  "PROMETHEUS_RETENTION_SIZE: '$size' is not a size. Give a number and MB, GB or TB, such as: 1GB"
# Only what is counted apart can be promised: the bounds of the gateway's histogram.
bounds='0.32 0.64 1.28 2.56 5.12 10.24 20.48 40.96 81.92 163.84'
case " $bounds " in *" $promise "*) ;; *) promise_is_known=no ;; esac
case $promise in *' '*) promise_is_known=no ;; esac
[ -z "${promise_is_known:-}" ] || refuse \
  "PROMISE_FIRST_TOKEN_SECONDS: '$promise' is not counted apart. Give one of: $bounds"
for job in $without; do
  grep -Fqx -- "  - job_name: $job" "$source/prometheus.yml" || refuse \
    "PROMETHEUS_WITHOUT: there is no job '$job'. There are: $(
      sed -n 's/^  - job_name: //p' "$source/prometheus.yml" | tr '\n' ' ')"
done

# A scrape may not take longer than the time to the next one.
timeout=10
[ "$seconds" -ge "$timeout" ] || timeout=$seconds

mkdir -p "$runtime"
rm -rf "$runtime/rules"
mkdir "$runtime/rules"
for file in $(cd "$source/rules" && ls); do
  sed "s/2\\.56/$promise/g; s,localhost:9180,$here:${HEALTHCHECK_PORT:-9180},g" "$source/rules/$file" > "$runtime/rules/$file"
done
awk -v interval="$interval" -v timeout="${timeout}s" -v without=" $without " '
  /^  scrape_interval:/ { sub(/:.*/, ": " interval) }
  /^  scrape_timeout:/ { sub(/:.*/, ": " timeout) }
  /^  - job_name:/ { left_out = index(without, " " $3 " ") }
  !left_out
' "$source/prometheus.yml" > "$runtime/prometheus.yml"

if [ "${1:-}" = check ]; then
  exec promtool check config "$runtime/prometheus.yml"
fi
# No page of another origin may read answers (the default allows every one).
#
# What may be asked at once fits the container's 512 MB (GOMEMLIMIT in the Dockerfile leaves the
# rest to what Go does not count). A query holds about 60 bytes a sample while it is worked out, and
# its answer is kept in memory, 16 bytes a sample and 40 of JSON, until the caller has read it. So
# it is the connections that multiply: 16 x 500,000 samples, the garbage of six queries on top; 350
# MB were measured. A board's panel over 15 days takes 1,900 points of some 250 series.
# Nobody here uses remote read. It cannot be switched off, but 0 would mean no limit.
exec prometheus \
  --config.file="$runtime/prometheus.yml" \
  --web.listen-address="${PROMETHEUS_LISTEN:-0.0.0.0:9090}" \
  --web.external-url="http://$here:${PROMETHEUS_PORT:-9090}/" \
  --web.route-prefix=/ \
  --web.cors.origin=none \
  --web.max-connections=16 \
  --web.read-timeout=30s \
  --storage.tsdb.path="${PROMETHEUS_DATA:-/prometheus}" \
  --storage.tsdb.retention.time="$retention" \
  --storage.tsdb.retention.size="$size" \
  --storage.remote.read-sample-limit=1 \
  --storage.remote.read-concurrent-limit=1 \
  --storage.remote.read-max-bytes-in-frame=65536 \
  --query.max-concurrency=6 \
  --query.max-samples=500000 \
  --query.timeout=10s
