// express-openid-connect with a client secret, and the code flow.
import express from 'express'
import connect from 'express-openid-connect'
import { port, base, issuer, id, secret } from './app.mjs'

const { auth, requiresAuth } = connect
const app = express()
app.use(auth({
  issuerBaseURL: issuer, baseURL: base, clientID: id, clientSecret: secret, secret: 'a long secret of this test alone',
  authRequired: false, idpLogout: true, authorizationParams: { response_type: 'code', scope: 'openid profile email offline_access' },
  routes: { postLogoutRedirect: '/bye' },
}))
app.get('/', requiresAuth(), (request, response) => response.json(request.oidc.idTokenClaims))
app.get('/userinfo', async (request, response) => response.json(await request.oidc.fetchUserInfo()))
app.get('/refresh', async (request, response) => {
  await request.oidc.accessToken.refresh()
  response.json({ refreshed: true })
})
app.get('/bye', (request, response) => response.send('bye'))
app.listen(port, 'localhost')
