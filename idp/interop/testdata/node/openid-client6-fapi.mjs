// openid-client 6 with FAPI 2.0: its requests are pushed, it authenticates by a private key, and
// its tokens are bound to another.
import * as client from 'openid-client'
import { serve, base, issuer, id, key } from './app.mjs'

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256' }
const own = await crypto.subtle.importKey('jwk', JSON.parse(key), ecdsa, false, ['sign'])
const config = await client.discovery(new URL(issuer), id, undefined, client.PrivateKeyJwt(own))
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
let check, tokens

serve({
  async '/'(request, response) {
    check = { expectedState: client.randomState(), expectedNonce: client.randomNonce(), idTokenExpected: true }
    check.pkceCodeVerifier = client.randomPKCECodeVerifier()
    response.redirect(await client.buildAuthorizationUrlWithPAR(config, {
      redirect_uri: `${base}/callback`,
      scope: 'openid profile email offline_access',
      state: check.expectedState,
      nonce: check.expectedNonce,
      code_challenge: await client.calculatePKCECodeChallenge(check.pkceCodeVerifier),
      code_challenge_method: 'S256',
    }, { DPoP }))
  },
  async '/callback'(request, response) {
    tokens = await client.authorizationCodeGrant(config, new URL(request.url, base), check, undefined, { DPoP })
    response.json(tokens.claims())
  },
  async '/userinfo'(request, response) {
    response.json(await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP }))
  },
  async '/refresh'(request, response) {
    const { refresh_token } = tokens
    const again = await client.refreshTokenGrant(config, refresh_token, undefined, { DPoP })
    response.json({ refreshed: again.refresh_token === refresh_token && again.access_token !== tokens.access_token })
  },
  async '/logout'(request, response) {
    response.redirect(client.buildEndSessionUrl(config, {
      post_logout_redirect_uri: `${base}/bye`, id_token_hint: tokens.id_token,
    }))
  },
})
