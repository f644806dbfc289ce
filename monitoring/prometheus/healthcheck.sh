#!/bin/sh
# Whether Prometheus does its work: a sample of its own, two scrapes old at most, can be read
# back. A server that answers but cannot store, as with a full disk, is not well.
promtool query instant "${1:-http://127.0.0.1:9090}" \
  'time() - timestamp(up{job="prometheus"}) < 130' | grep -q '=>'
