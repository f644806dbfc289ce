# Prometheus on Debian, for machines that cannot pull prom/prometheus:v3.5.5. Debian ships it with
# the server's older pages, at /classic/, and without the newer ones.
ARG DEBIAN_IMAGE=localhost/foundry-chat/debian:trixie-slim
FROM ${DEBIAN_IMAGE}
# Nothing may start while it is installed: a service would run on during the build.
RUN printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d \
 && apt-get update -q \
 && apt-get install -y -q --no-install-recommends prometheus \
 && rm -rf /var/lib/apt/lists/*
# Two flaws of the package. Its pages load Popper as a script, but link to the module of that name.
# And where the newer pages would be (/alerts, /graph, which alerts link to) it apologises for their
# absence: lead on to the older page of the same name.
RUN ln -sfn /usr/share/nodejs/popper.js/dist/umd /usr/share/prometheus/web/static/popper.js \
 && printf '%s\n' '<!doctype html><title>Prometheus</title><script>' \
      'location.replace(location.pathname.replace(/^\/*/, "/classic/") + location.search)' \
      '</script><a href="/classic/graph">Graph</a> <a href="/classic/alerts">Alerts</a>' \
      > /usr/share/prometheus/web/no-ui/index.html
CMD ["prometheus"]
