#!/bin/sh
# oauth2-proxy before an app that knows nothing of OpenID Connect. It asks for a new access
# token at each request here; an app takes minutes.
exec ./oauth2-proxy --provider=oidc --oidc-issuer-url="$ISSUER" --provider-ca-file="$CA_FILE" \
  --client-id="$CLIENT_ID" --client-secret="$CLIENT_SECRET" --redirect-url="$BASE/oauth2/callback" \
  --scope="openid profile email offline_access" --code-challenge-method=S256 --skip-provider-button \
  --email-domain="*" --cookie-secret=0123456789abcdef0123456789abcdef --cookie-secure=false --cookie-refresh=1ns \
  --whitelist-domain="localhost:*" --http-address="localhost:$PORT" --upstream=static://200 --skip-auth-route="GET=^/bye$"
