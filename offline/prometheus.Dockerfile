# Prometheus on Debian, for machines that cannot pull prom/prometheus:v3.5.0. Debian ships it with
# the server's older pages, at /classic/, and without the newer ones.
ARG DEBIAN_IMAGE=foundry-chat/debian:trixie-slim
FROM ${DEBIAN_IMAGE}
# Nothing may start while it is installed: a service would run on during the build.
RUN printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d \
 && apt-get update -q \
 && apt-get install -y -q --no-install-recommends prometheus \
 && rm -rf /var/lib/apt/lists/*
CMD ["prometheus"]
