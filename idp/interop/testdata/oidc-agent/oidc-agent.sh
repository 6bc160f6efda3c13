#!/bin/sh
# oidc-agent gets tokens for programs of a terminal. The flow is code or device.
set -e
export OIDC_CONFIG_DIR="$SCRATCH"
eval "$(oidc-agent)"
trap 'oidc-agent --kill' EXIT
until oidc-agent --status >/dev/null 2>&1; do sleep 0.1; done
oidc-gen gatehouse --manual --issuer="$ISSUER" --cert-path="$CA_FILE" --client-id="$CLIENT_ID" --client-secret= \
  --scope="openid profile email offline_access" --redirect-uri="$BASE" --flow="$1" \
  --no-url-call --no-scheme --confirm-default --pw-cmd="echo a secret of this test alone"
# A token that is to live longer than any does has the agent refresh.
oidc-token --force-new gatehouse >/dev/null && echo refreshed
