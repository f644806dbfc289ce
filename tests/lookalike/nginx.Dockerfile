# Debian's nginx in the layout of nginx:1.x-alpine: busybox alone for a shell, the official entry point
# and user, the JavaScript module and curl, SIGQUIT for a stop.
ARG BASE=localhost/foundry-chat/nginx:1.26
FROM ${BASE} AS root
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends busybox-static libnginx-mod-http-js
COPY alone.sh /
RUN sh /alone.sh /root-of-image nginx:101 /usr/sbin/nginx /usr/bin/curl \
      /usr/lib/nginx/modules/ngx_http_js_module.so \
 && cd /root-of-image \
 && mkdir -p etc/nginx/conf.d var/cache/nginx var/log/nginx usr/share/nginx/html docker-entrypoint.d \
 && ln -s /dev/stdout var/log/nginx/access.log && ln -s /dev/stderr var/log/nginx/error.log \
 && cp /etc/nginx/mime.types etc/nginx/ \
 && printf 'server { listen 80; root /usr/share/nginx/html; }\n' > etc/nginx/conf.d/default.conf \
 && printf 'user nginx;\nevents {}\nhttp { include mime.types; include conf.d/*.conf; }\n' > etc/nginx/nginx.conf \
 && printf '#!/bin/sh\ntouch /etc/nginx/conf.d/default.conf 2> /dev/null || :\nexec "$@"\n' > docker-entrypoint.sh \
 && chmod +x docker-entrypoint.sh

FROM scratch
COPY --from=root /root-of-image /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin NGINX_VERSION=lookalike
ENTRYPOINT ["/docker-entrypoint.sh"]
EXPOSE 80
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
