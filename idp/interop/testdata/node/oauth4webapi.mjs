// oauth4webapi: each step of the protocol by hand, with its checks.
import * as oauth from 'oauth4webapi'
import { serve, base, issuer, id, secret } from './app.mjs'

const url = new URL(issuer)
const server = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url))
const client = { client_id: id }
const authentication = oauth.ClientSecretPost(secret)
let check, tokens, claims

serve({
  async '/'(request, response) {
    check = { state: oauth.generateRandomState(), nonce: oauth.generateRandomNonce(), verifier: oauth.generateRandomCodeVerifier() }
    const address = new URL(server.authorization_endpoint)
    for (const [name, value] of Object.entries({
      client_id: id, redirect_uri: `${base}/callback`, response_type: 'code', scope: 'openid profile email offline_access',
      state: check.state, nonce: check.nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(check.verifier), code_challenge_method: 'S256',
    })) address.searchParams.set(name, value)
    response.redirect(address)
  },
  async '/callback'(request, response) {
    const answer = oauth.validateAuthResponse(server, client, new URL(request.url, base), check.state)
    const got = await oauth.authorizationCodeGrantRequest(server, client, authentication, answer, `${base}/callback`, check.verifier)
    tokens = await oauth.processAuthorizationCodeResponse(server, client, got, { expectedNonce: check.nonce, requireIdToken: true })
    claims = oauth.getValidatedIdTokenClaims(tokens)
    response.json(claims)
  },
  async '/userinfo'(request, response) {
    const got = await oauth.userInfoRequest(server, client, tokens.access_token)
    response.json(await oauth.processUserInfoResponse(server, client, claims.sub, got))
  },
  async '/refresh'(request, response) {
    const { id_token } = tokens
    const got = await oauth.refreshTokenGrantRequest(server, client, authentication, tokens.refresh_token)
    tokens = { id_token, ...await oauth.processRefreshTokenResponse(server, client, got) }
    response.json({ refreshed: true })
  },
})
