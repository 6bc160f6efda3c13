// openid-client 6: a small app on node:http.
import * as client from 'openid-client'
import { serve, base, issuer, id, secret } from './app.mjs'

const config = await client.discovery(new URL(issuer), id, secret)
let check, tokens

serve({
  async '/'(request, response) {
    check = { expectedState: client.randomState(), expectedNonce: client.randomNonce(), idTokenExpected: true }
    check.pkceCodeVerifier = client.randomPKCECodeVerifier()
    response.redirect(client.buildAuthorizationUrl(config, {
      redirect_uri: `${base}/callback`,
      scope: 'openid profile email offline_access',
      state: check.expectedState,
      nonce: check.expectedNonce,
      code_challenge: await client.calculatePKCECodeChallenge(check.pkceCodeVerifier),
      code_challenge_method: 'S256',
    }))
  },
  async '/callback'(request, response) {
    tokens = await client.authorizationCodeGrant(config, new URL(request.url, base), check)
    response.json(tokens.claims())
  },
  async '/userinfo'(request, response) {
    response.json(await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub))
  },
  async '/refresh'(request, response) {
    const { id_token } = tokens
    tokens = { id_token, ...await client.refreshTokenGrant(config, tokens.refresh_token) }
    response.json({ refreshed: true })
  },
  async '/logout'(request, response) {
    response.redirect(client.buildEndSessionUrl(config, {
      post_logout_redirect_uri: `${base}/bye`, id_token_hint: tokens.id_token,
    }))
  },
})
