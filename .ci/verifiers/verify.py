# Verifies tokens with the libraries that Python services use. Standard input is
# {"keys": a key document, "tokens": {algorithm: token}}; it prints what failed.
import json, sys
import jwt
from authlib.jose import JsonWebKey, JsonWebToken
from jose import jwt as python_jose

given = json.load(sys.stdin)
failed = []


def attempt(name, verify):
    try:
        verify()
    except Exception as error:
        failed.append(f"{name}: {type(error).__name__}: {error}")


for alg, token in given["tokens"].items():
    kid = jwt.get_unverified_header(token)["kid"]
    attempt(f"PyJWT {alg}", lambda: jwt.decode(token, jwt.PyJWKSet.from_dict(given["keys"])[kid].key, [alg], options={"verify_aud": False}))
    attempt(f"Authlib {alg}", lambda: JsonWebToken([alg]).decode(token, JsonWebKey.import_key_set(given["keys"])))
    # python-jose gives up at the first key of another type, whatever its kid: given the
    # whole document it reads RS256 alone, whose keys come first.
    if alg == "RS256":
        attempt(f"python-jose {alg}", lambda: python_jose.decode(token, given["keys"], [alg], options={"verify_aud": False}))
print("\n".join(failed))
