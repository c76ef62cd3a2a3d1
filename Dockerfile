FROM node:24.21.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY scripts/pinned-node ./scripts/pinned-node
# Install scripts stay off: no package needs one.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN node node_modules/typescript/bin/tsc -p tsconfig.build.json \
  && cp src/admin/console.html dist/admin/ \
  && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24.21.0-bookworm-slim
# The last is of src/performance/glibc.ts.
ENV NODE_ENV=production LISTEN=0.0.0.0:3000 MALLOC_TRIM_THRESHOLD_=131072
WORKDIR /app
COPY package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY config ./config
# The user `node`, by its number: Kubernetes checks no name when it must not run as root.
USER 1000:1000
EXPOSE 3000 9464
# By bash, because a Node.js of its own would cost each check more than a request costs the gateway.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["bash", "-c", "admin=${ADMIN_LISTEN:-127.0.0.1:9464}; host=${admin%:*}; host=${host#[}; exec 3<>\"/dev/tcp/${host%]}/${admin##*:}\" && printf 'GET /livez HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r line <&3 && [[ $line == *' 200 '* ]]"]
# Exec form: the gateway is process 1 and gets SIGTERM itself. It writes no file, so --read-only is fine.
# The V8 flags are those of src/performance/v8-flags.ts; cluster workers inherit them.
ENTRYPOINT ["node", \
  "--no-allocation-site-pretenuring", \
  "--no-parallel-scavenge", \
  "--heap-growing-percent=50", \
  "--scavenger-max-new-space-capacity-mb=4", \
  "dist/main.js"]
CMD ["--config", "config/default.yaml"]
