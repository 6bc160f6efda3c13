# Authlib in Flask, as its documentation has it.
import os

from authlib.integrations.flask_client import OAuth
from flask import Flask, jsonify, session

BASE, ISSUER = os.environ["BASE"], os.environ["ISSUER"]
app = Flask(__name__)
app.secret_key = "a secret of this test alone"
oauth = OAuth(app)
provider = oauth.register(
    "gatehouse",
    server_metadata_url=ISSUER + "/.well-known/openid-configuration",
    client_id=os.environ["CLIENT_ID"],
    client_secret=os.environ["CLIENT_SECRET"],
    client_kwargs={"scope": "openid profile email offline_access"},
)
kept = {}  # the cookie has no room for tokens


@app.get("/")
def sign_in():
    return provider.authorize_redirect(BASE + "/callback")


@app.get("/callback")
def callback():
    token = kept["token"] = provider.authorize_access_token()
    session["sub"] = token["userinfo"]["sub"]  # of the ID token
    return jsonify(token["userinfo"])


@app.get("/userinfo")
def userinfo():
    return jsonify(provider.userinfo(token=kept["token"]))


@app.get("/refresh")
def refresh():
    with provider._get_oauth_client() as client:
        endpoint = provider.load_server_metadata()["token_endpoint"]
        client.refresh_token(endpoint, refresh_token=kept["token"]["refresh_token"])
    return jsonify(refreshed=True)


@app.get("/logout")
def logout():
    return provider.logout_redirect(BASE + "/bye", id_token_hint=kept["token"]["id_token"])


@app.get("/bye")
def bye():
    return jsonify(provider.validate_logout_response())


app.run("localhost", int(os.environ["PORT"]))
