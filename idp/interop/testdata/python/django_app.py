# mozilla-django-oidc in a Django project of one file.
import os
import sys
from urllib.parse import urlencode

import django
from django.conf import settings

BASE, ISSUER = os.environ["BASE"], os.environ["ISSUER"]
settings.configure(
    DEBUG=True,
    SECRET_KEY="a secret of this test alone",
    ROOT_URLCONF="django_app",
    ALLOWED_HOSTS=["localhost"],
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "mozilla_django_oidc"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["SCRATCH"] + "/django.db"}},
    AUTHENTICATION_BACKENDS=["mozilla_django_oidc.auth.OIDCAuthenticationBackend"],
    OIDC_RP_CLIENT_ID=os.environ["CLIENT_ID"],
    OIDC_RP_CLIENT_SECRET=os.environ["CLIENT_SECRET"],
    OIDC_RP_SIGN_ALGO="RS256",
    OIDC_OP_AUTHORIZATION_ENDPOINT=ISSUER + "/authorize",
    OIDC_OP_TOKEN_ENDPOINT=ISSUER + "/token",
    OIDC_OP_USER_ENDPOINT=ISSUER + "/userinfo",
    OIDC_OP_JWKS_ENDPOINT=ISSUER + "/keys",
    OIDC_STORE_ID_TOKEN=True,
    OIDC_OP_LOGOUT_URL_METHOD="django_app.end_session",
    ALLOW_LOGOUT_GET_METHOD=True,
    LOGIN_REDIRECT_URL="/userinfo",
    LOGOUT_REDIRECT_URL="/bye",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()

from django.core.management import call_command, execute_from_command_line  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.shortcuts import redirect  # noqa: E402
from django.urls import include, path  # noqa: E402


def userinfo(request):
    # The library makes the account of what userinfo says.
    return JsonResponse({"email": request.user.email} if request.user.is_authenticated else {}, status=200)


def end_session(request):
    query = {"id_token_hint": request.session["oidc_id_token"], "post_logout_redirect_uri": BASE + "/bye"}
    return ISSUER + "/end_session?" + urlencode(query)


urlpatterns = [
    path("oidc/", include("mozilla_django_oidc.urls")),
    path("userinfo", userinfo),
    path("bye", lambda request: JsonResponse({})),
    path("", lambda request: redirect("oidc_authentication_init")),
]

if __name__ == "__main__":
    sys.modules["django_app"] = sys.modules["__main__"]
    call_command("migrate", verbosity=0)
    execute_from_command_line(["django", "runserver", "--noreload", "localhost:" + os.environ["PORT"]])
