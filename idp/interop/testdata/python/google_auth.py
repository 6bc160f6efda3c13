# google-auth-oauthlib in a program on the person's machine, at a provider that is not Google.
import os

import requests
from google.auth.transport.requests import AuthorizedSession, Request
from google_auth_oauthlib.flow import InstalledAppFlow

server = requests.get(os.environ["ISSUER"] + "/.well-known/openid-configuration").json()
config = {
    "client_id": os.environ["CLIENT_ID"],
    "client_secret": "",  # the library wants the word; the program has none
    "auth_uri": server["authorization_endpoint"],
    "token_uri": server["token_endpoint"],
}
flow = InstalledAppFlow.from_client_config({"installed": config}, scopes=["openid", "profile", "email", "offline_access"])
credentials = flow.run_local_server(port=0, open_browser=False, authorization_prompt_message="open {url}")
print("userinfo", AuthorizedSession(credentials).get(server["userinfo_endpoint"]).json()["email"])
before = credentials.token
credentials.refresh(Request())
if credentials.token != before:
    print("refreshed")
