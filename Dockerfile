# The gateway, the reaper, what announces a gateway to its routers, and (for docker-compose.yml and
# the tests) the hosts and routers around them:
#   docker build --target gateway|reaper|routing|lab .
#
# Debian with Node 24; where no image can be pulled, tools/images makes one of the machine's own packages.
ARG NODE_IMAGE=node:24-bookworm-slim
# The same with npm; apart, so that a base for running needs none.
ARG NPM_IMAGE=${NODE_IMAGE}

# --- the packages, with their dependencies for production alone: npm keeps some of those beside a package
FROM ${NPM_IMAGE} AS manifests
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY packages packages
COPY apps apps
# npm ci wants every workspace that the lockfile names; of these no more than the name is needed.
COPY tools tools

FROM manifests AS gateway-modules
RUN npm ci --omit=dev --workspace=@flowstore/gateway --include-workspace-root=false

FROM manifests AS reaper-modules
# The compiler is an optional peer of one of them (valibot): so npm keeps it, and nobody needs it.
RUN npm ci --omit=dev --workspace=@flowstore/reaper --include-workspace-root=false \
  && rm -rf node_modules/typescript node_modules/@typescript

# --- what runs: Node, and a user that is nobody special
FROM ${NODE_IMAGE} AS runtime
WORKDIR /app
ENV NODE_ENV=production
RUN id node > /dev/null 2>&1 || useradd --create-home node
# bash's /dev/tcp: asking takes 3 ms, starting a Node for it takes 50.
COPY deploy/container/healthy /usr/local/bin/healthy

FROM runtime AS network
# A base that brings them (tools/images) is taken as it is.
RUN command -v setcap > /dev/null && command -v ip > /dev/null && command -v ping > /dev/null \
  || (apt-get update && apt-get install -y --no-install-recommends libcap2-bin iproute2 iputils-ping \
  && rm -rf /var/lib/apt/lists/*)
# Who runs as nobody special has a capability only through a file that bears it. Node itself should
# not: then every script would. So a setpriv of our own has the two, and hands them to what it starts.
RUN cp "$(command -v setpriv)" /usr/local/bin/net-setpriv \
  && setcap cap_net_admin,cap_net_raw=eip /usr/local/bin/net-setpriv
COPY deploy/container/with-network /usr/local/bin/with-network

FROM network AS gateway
COPY --from=gateway-modules /app/node_modules node_modules
COPY --from=gateway-modules /app/packages packages
COPY --from=gateway-modules /app/apps/gateway apps/gateway
USER node
# In a container nobody else is at 127.0.0.1.
ENV FLOWSTORE_HTTP_HOST=0.0.0.0
EXPOSE 9464 9465/udp
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 CMD ["healthy", "9464"]
STOPSIGNAL SIGTERM
# Of V8's young generation a program keeps what it once grew to, 64 MB and more.
ENTRYPOINT ["with-network", "node", "--max-semi-space-size=8", "apps/gateway/src/main.ts"]

FROM runtime AS reaper
COPY --from=reaper-modules /app/node_modules node_modules
COPY --from=reaper-modules /app/packages packages
COPY --from=reaper-modules /app/apps/reaper apps/reaper
USER node
ENV FLOWSTORE_HTTP_HOST=0.0.0.0
EXPOSE 9465
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 CMD ["healthy", "9465"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "--max-semi-space-size=8", "apps/reaper/src/main.ts"]

FROM runtime AS routing
RUN command -v bird > /dev/null \
  || (apt-get update && apt-get install -y --no-install-recommends bird2 && rm -rf /var/lib/apt/lists/*)
RUN mkdir -p /run/bird && chown root:root /run/bird
COPY deploy/container/announce deploy/container/announced /usr/local/bin/
HEALTHCHECK --interval=2s --timeout=3s --start-period=60s --retries=3 CMD ["announced"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["announce"]

# --- clients, servers, routers and machines of the topologies in containers: no part of a deployment
FROM network AS lab
RUN command -v bird > /dev/null && command -v vtysh > /dev/null && command -v redis-sentinel > /dev/null \
  || (apt-get update && apt-get install -y --no-install-recommends \
  bird2 frr procps redis-server redis-sentinel && rm -rf /var/lib/apt/lists/*)
COPY tools/lab/src tools/lab/src
COPY tools/compose/src tools/compose/src
COPY tools/lab/package.json tools/lab/
USER node
STOPSIGNAL SIGTERM
ENTRYPOINT ["with-network", "node"]
