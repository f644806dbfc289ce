# Debian's Python, for machines that cannot pull the official images: 3.13 on Debian 13, and for
# Open WebUI, which does not run on 3.13 yet, 3.11 on Debian 12.
ARG DEBIAN_IMAGE=foundry-chat/debian:trixie-slim
FROM ${DEBIAN_IMAGE}
ENV LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends ca-certificates python3 python3-venv \
 && ln -s python3 /usr/bin/python \
 && rm -rf /var/lib/apt/lists/*
CMD ["python3"]
