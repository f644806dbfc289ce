# Debian's Prometheus in the layout of prom/prometheus: busybox alone, programs in /bin, nobody for a
# user, and /prometheus declared a volume.
ARG BASE=localhost/foundry-chat/prometheus:2.53
FROM ${BASE} AS root
RUN apt-get update -q && apt-get install -y -q --no-install-recommends busybox-static
COPY alone.sh /
RUN sh /alone.sh /root-of-image nobody:65534 /usr/bin/prometheus /usr/bin/promtool \
 && cd /root-of-image \
 && mv usr/bin/prometheus usr/bin/promtool bin/ \
 && mkdir -p etc/prometheus prometheus usr/share \
 && cp -RL /usr/share/prometheus usr/share/ \
 && printf 'scrape_configs: []\n' > etc/prometheus/prometheus.yml \
 && chown -R 65534:65534 etc/prometheus prometheus

FROM scratch
COPY --from=root /root-of-image /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
WORKDIR /prometheus
USER nobody
EXPOSE 9090
VOLUME ["/prometheus"]
ENTRYPOINT ["/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
