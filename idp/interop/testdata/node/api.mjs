// An API that checks access tokens: with jose those that are JWTs, with oauth4webapi by asking.
import express from 'express'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import { port, issuer, id, secret } from './app.mjs'

const api = process.env.API // its identifier
const url = new URL(issuer)
const server = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url))
const keys = createRemoteJWKSet(new URL(server.jwks_uri))
const client = { client_id: id }

const checks = {
  async jwt(token) {
    return (await jwtVerify(token, keys, { issuer, audience: api, typ: 'at+jwt', requiredClaims: ['exp', 'sub'] })).payload
  },
  async introspection(token) {
    const asked = await oauth.introspectionRequest(server, client, oauth.ClientSecretBasic(secret), token)
    const claims = await oauth.processIntrospectionResponse(server, client, asked)
    if (!claims.active || ![claims.aud].flat().includes(api)) throw new Error('the token is not for this API')
    return claims
  },
}
const app = express()
for (const [way, check] of Object.entries(checks)) {
  app.get(`/${way}`, async (request, response) => {
    try {
      const claims = await check(request.headers.authorization?.replace(/^Bearer /, '') ?? '')
      if (claims.scope?.split(' ').includes('tickets:read')) response.json(claims)
      else response.status(403).set('WWW-Authenticate', 'Bearer error="insufficient_scope"').end()
    } catch (error) {
      response.status(401).set('WWW-Authenticate', 'Bearer error="invalid_token"').end(String(error))
    }
  })
}
app.listen(port, 'localhost')
