# nginx on Debian, for machines that cannot pull nginx:1.30-alpine.
ARG DEBIAN_IMAGE=localhost/foundry-chat/debian:trixie-slim
FROM ${DEBIAN_IMAGE}
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends curl nginx-light \
 && rm -rf /var/lib/apt/lists/*
CMD ["nginx", "-g", "daemon off;"]
