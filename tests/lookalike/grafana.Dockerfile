# The shape of grafana/grafana and nothing of Grafana: its folders, its user, its entry point. What
# starts here reads the administrator's password as grafana.ini says, and answers as healthy. No
# package of Grafana exists, so that the real one starts is proved nowhere (docs/images.md).
ARG BASE=foundry-chat-lookalike/nginx:1.26
FROM ${BASE} AS busybox

FROM scratch
COPY --from=busybox /bin /bin
COPY --from=busybox /etc/passwd /etc/group /etc/
RUN mkdir -p -m 0777 /tmp /var/lib/grafana /var/log/grafana \
 && mkdir -p /usr/share/grafana /etc/grafana/provisioning/datasources \
      /etc/grafana/provisioning/dashboards /etc/grafana/provisioning/plugins \
 && chown 472:0 /var/lib/grafana /var/log/grafana && touch /etc/grafana/grafana.ini
COPY grafana.sh /run.sh
ENV PATH=/usr/share/grafana/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    GF_PATHS_CONFIG=/etc/grafana/grafana.ini GF_PATHS_DATA=/var/lib/grafana
WORKDIR /usr/share/grafana
EXPOSE 3000
USER 472
ENTRYPOINT ["/bin/sh", "/run.sh"]
