# One image for every service; the command chooses the app:
#   docker run … kvstore apps/gateway/dist/main.js
# Without a command it is one durable node. Data belongs into the volume /data.
FROM node:24-slim AS build
WORKDIR /app
COPY . .
# The image has Node.js already; the pinned copy of it would double its size.
RUN npm ci \
 && npx tsc -b apps/standalone apps/consensus apps/storage apps/gateway \
 && npm prune --omit=dev \
 && rm -rf node_modules/node node_modules/.bin/node

FROM node:24-slim
WORKDIR /app
ENV NODE_ENV=production
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/libs libs
COPY --from=build /app/apps apps
COPY proto proto
COPY deploy deploy
COPY scripts/compose-secrets.ts scripts/
# Empty volumes take over these owners.
RUN mkdir /data /secrets && chown node:node /data /secrets && chmod 700 /data /secrets
USER node
ENV KVSTORE_DATA_DIR=/data
ENTRYPOINT ["node", "--use-largepages=silent"]
CMD ["apps/standalone/dist/main.js"]
