// openid-client 5, which sends the secret in the header and no PKCE unless it is told to.
import { Issuer, generators } from 'openid-client5'
import { serve, base, issuer, id, secret } from './app.mjs'

const provider = await Issuer.discover(issuer)
const client = new provider.Client({ client_id: id, client_secret: secret, redirect_uris: [`${base}/callback`], post_logout_redirect_uris: [`${base}/bye`] })
let check, tokens

serve({
  async '/'(request, response) {
    check = { state: generators.state(), nonce: generators.nonce() }
    response.redirect(client.authorizationUrl({ scope: 'openid profile email offline_access', ...check }))
  },
  async '/callback'(request, response) {
    tokens = await client.callback(`${base}/callback`, client.callbackParams(request), check)
    response.json(tokens.claims())
  },
  async '/userinfo'(request, response) {
    response.json(await client.userinfo(tokens.access_token))
  },
  async '/refresh'(request, response) {
    const { id_token } = tokens
    tokens = { id_token, ...await client.refresh(tokens.refresh_token) }
    response.json({ refreshed: true })
  },
  async '/logout'(request, response) {
    response.redirect(client.endSessionUrl({ id_token_hint: tokens.id_token }))
  },
})
