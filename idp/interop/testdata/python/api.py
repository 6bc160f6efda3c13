# An API that checks access tokens with Authlib: those that are JWTs, and by asking.
import os

import requests
from authlib.integrations.flask_oauth2 import ResourceProtector, current_token
from authlib.oauth2.rfc7662 import IntrospectTokenValidator
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from flask import Flask, jsonify
from joserfc.jwk import KeySet

ISSUER, API = os.environ["ISSUER"], os.environ["API"]  # API is its identifier
server = requests.get(ISSUER + "/.well-known/openid-configuration").json()


class ByKeys(JWTBearerTokenValidator):
    def get_jwks(self):
        return KeySet.import_key_set(requests.get(server["jwks_uri"]).json())


class ByAsking(IntrospectTokenValidator):
    def introspect_token(self, token):
        credentials = (os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])
        answer = requests.post(server["introspection_endpoint"], data={"token": token}, auth=credentials).json()
        audience = answer.get("aud", [])
        return answer if API in ([audience] if isinstance(audience, str) else audience) else {"active": False}


app = Flask(__name__)
jwt, introspection = ResourceProtector(), ResourceProtector()
jwt.register_token_validator(ByKeys(issuer=ISSUER, resource_server=API))
introspection.register_token_validator(ByAsking())


@app.get("/jwt")
@jwt("tickets:read")
def by_jwt():
    return jsonify(dict(current_token))


@app.get("/introspection")
@introspection("tickets:read")
def by_introspection():
    return jsonify(dict(current_token))


app.run("localhost", int(os.environ["PORT"]))
