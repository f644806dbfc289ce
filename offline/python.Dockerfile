# Debian's Python, for machines that cannot pull the official images: 3.13 on Debian 13, and 3.11 on
# Debian 12 for Open WebUI. That does not run on 3.13 yet, and no Debian release has the 3.12 of its
# own image.
ARG DEBIAN_IMAGE=localhost/foundry-chat/debian:trixie-slim
FROM ${DEBIAN_IMAGE}
ENV LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends ca-certificates python3 python3-venv \
 && ln -s python3 /usr/bin/python \
 && rm -rf /var/lib/apt/lists/*
CMD ["python3"]
