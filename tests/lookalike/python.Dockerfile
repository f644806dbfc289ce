# Debian's Python in the layout of python:3.x-slim: below /usr/local, with no bytecode of anything.
ARG BASE=localhost/foundry-chat/python:3.13
FROM ${BASE}
# Debian's Python looks for packages in `dist-packages`.
RUN set -eu; \
    name=$(python3 -c 'import sys; print("python%d.%d" % sys.version_info[:2])'); \
    rm -f /usr/bin/python /usr/bin/python3; \
    mv "/usr/bin/$name" /usr/local/bin/; \
    rm -rf "/usr/local/lib/$name"; \
    mv "/usr/lib/$name" /usr/local/lib/; \
    mkdir "/usr/local/lib/$name/site-packages"; \
    ln -s site-packages "/usr/local/lib/$name/dist-packages"; \
    ln -s "$name" /usr/local/bin/python3; \
    ln -s python3 /usr/local/bin/python; \
    find /usr -xdev -name '*.pyc' -delete
ENV PYTHONDONTWRITEBYTECODE= PYTHON_VERSION=lookalike
CMD ["python3"]
