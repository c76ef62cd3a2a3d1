#!/bin/sh
# Writes the secrets that compose.yaml mounts, unless they exist. The client secret is that of realm.json; write your own for
# another provider.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
chmod 700 secrets
# The containers run as other users, which read the mounted files but not this folder.
umask 022
for name in session-secret redis-password; do
  [ -s "secrets/$name" ] || head -c 32 /dev/urandom | base64 | tr -d '\n=+/' > "secrets/$name"
done
[ -s secrets/client-secret ] || printf %s example-client-secret-of-the-demo-realm > secrets/client-secret
ls -l secrets
