// Auth.js in Express. Its sign-in page posts; name and email come from userinfo.
import express from 'express'
import { ExpressAuth, getSession } from '@auth/express'
import { port, issuer, id, secret } from './app.mjs'

const config = {
  trustHost: true,
  secret: 'a long secret of this test alone',
  providers: [{
    id: 'gatehouse', name: 'Gatehouse', type: 'oidc', issuer, clientId: id, clientSecret: secret,
    authorization: { params: { scope: 'openid profile email' } },
    idToken: false,
  }],
}
const app = express()
app.use('/auth', ExpressAuth(config))
app.get('/', async (request, response) => {
  const session = await getSession(request, config)
  if (session) response.json(session)
  else response.redirect('/auth/signin')
})
app.get('/userinfo', async (request, response) => response.json(await getSession(request, config)))
app.listen(port, 'localhost')
