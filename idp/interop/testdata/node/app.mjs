// What the apps share: what the harness tells them, and a server with routes.
import fs from 'node:fs'
import http from 'node:http'
import https from 'node:https'

export const { PORT: port, BASE: base, ISSUER: issuer, CLIENT_ID: id, CLIENT_SECRET: secret, KEY: key } = process.env

export function serve(routes) {
  routes['/bye'] = (request, response) => response.end('bye')
  const answer = async (request, response) => {
    response.redirect = (url) => response.writeHead(302, { location: String(url) }).end()
    response.json = (value) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value))
    try {
      const route = routes[new URL(request.url, base).pathname]
      if (route) await route(request, response)
      else response.writeHead(404).end()
    } catch (error) {
      response.writeHead(500).end(String(error.stack ?? error) + '\n' + String(error.cause ?? ''))
    }
  }
  const pem = process.env.CERTIFICATE && fs.readFileSync(process.env.CERTIFICATE)
  const server = pem ? https.createServer({ cert: pem, key: pem }, answer) : http.createServer(answer)
  server.listen(port, 'localhost')
}
