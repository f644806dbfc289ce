# Python 3.13 on Debian, for machines that cannot pull python:3.13-slim-trixie.
FROM foundry-chat/debian:trixie-slim
ENV LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends ca-certificates python3 python3-venv \
 && ln -s python3 /usr/bin/python \
 && rm -rf /var/lib/apt/lists/*
CMD ["python3"]
