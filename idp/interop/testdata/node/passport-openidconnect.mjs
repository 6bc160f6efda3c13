// passport-openidconnect in Express: no PKCE, the secret in the body. By itself it reads the
// ID token alone, which has no name and no email.
import express from 'express'
import session from 'express-session'
import passport from 'passport'
import Strategy from 'passport-openidconnect'
import { port, base, issuer, id, secret } from './app.mjs'

const discovered = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()
passport.use(new Strategy({
  issuer,
  authorizationURL: discovered.authorization_endpoint,
  tokenURL: discovered.token_endpoint,
  userInfoURL: discovered.userinfo_endpoint,
  clientID: id,
  clientSecret: secret,
  callbackURL: `${base}/callback`,
  scope: ['profile', 'email'],
  skipUserProfile: false,
}, (issuer, profile, done) => done(null, profile)))
passport.serializeUser((user, done) => done(null, user))
passport.deserializeUser((user, done) => done(null, user))

const app = express()
app.use(session({ secret: 'test', resave: false, saveUninitialized: false }))
app.use(passport.authenticate('session'))
app.get('/', passport.authenticate('openidconnect'))
app.get('/callback', passport.authenticate('openidconnect', { failWithError: true }), (request, response) => response.json(request.user))
// The strategy asked userinfo: the person's email comes from nowhere else.
app.get('/userinfo', (request, response) => response.json({ email: request.user.emails[0].value }))
app.listen(port, 'localhost')
