package provider

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"

	"github.com/gin-gonic/gin"
	"github.com/zitadel/oidc/v3/pkg/op"

	"gatehouse/idp"
)

// checkCredentials refuses what does not authenticate here, in whatever way.
func checkCredentials(r *http.Request) *failure {
	if f := checkAssertionForm(r); f != nil {
		return f
	}
	if id, secret, ok := r.BasicAuth(); ok && (badEscape(id) || badEscape(secret)) {
		return fail(invalidClient, "the credentials are not form-urlencoded (RFC 6749 section 2.3.1)")
	}
	return nil
}

func badEscape(s string) bool {
	_, err := url.QueryUnescape(s)
	return err != nil
}

// onlyPost answers every other method at an endpoint that clients call.
func onlyPost(allow string) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Header("Allow", allow)
		answerError(c, http.StatusMethodNotAllowed, fail(invalidRequest, "this endpoint takes POST"))
	}
}

// credentials are what a request says of its client.
type credentials struct {
	id, secret string
	header     http.Header
	form       url.Values
}

// basic tells whether the Authorization header is absent, or of the one scheme that
// authenticates a client here.
func (c credentials) basic() bool {
	_, _, ok := (&http.Request{Header: c.header}).BasicAuth()
	return ok || c.header.Get("Authorization") == ""
}

// VerifyClient authenticates a client for the library.
func (p *Provider) VerifyClient(ctx context.Context, r *op.Request[op.ClientCredentials]) (op.Client, error) {
	client, err := p.verifyClient(ctx, credentials{r.Data.ClientID, r.Data.ClientSecret, r.Header, r.Form})
	if err != nil {
		return nil, toLibrary(err)
	}
	return libraryClient{client}, nil
}

// authenticate finds the client that calls an endpoint of ours, whose form was read
// (RFC 6749 section 2.3).
func (p *Provider) authenticate(r *http.Request) (idp.Client, error) {
	if f := checkCredentials(r); f != nil {
		return idp.Client{}, f
	}
	cred := credentials{r.PostForm.Get("client_id"), r.PostForm.Get("client_secret"), r.Header, r.PostForm}
	if id, secret, ok := r.BasicAuth(); ok {
		if cred.id != "" && cred.secret != "" {
			return idp.Client{}, fail(invalidRequest, "client authentication must not use more than one method")
		}
		cred.id, _ = url.QueryUnescape(id) // checked above
		cred.secret, _ = url.QueryUnescape(secret)
	}
	if cred.id == "" && !r.PostForm.Has("client_assertion") {
		return idp.Client{}, fail(invalidClient, "the client must authenticate")
	}
	return p.verifyClient(r.Context(), cred)
}

// verifyClient authenticates a client that keeps a secret by it, in the header or in the
// body, one that has a key by an assertion, and any other by its id alone (RFC 6749 section
// 2.3).
func (p *Provider) verifyClient(ctx context.Context, cred credentials) (idp.Client, error) {
	if cred.id == "" {
		cred.id = claimedBy(cred.form.Get("client_assertion"))
	}
	client, err := p.client(ctx, cred.id)
	if errors.Is(err, idp.ErrNotFound) {
		return client, fail(invalidClient, "the client is not known").because(err)
	}
	if err != nil {
		return client, err
	}
	reason := refuseClient(client, cred)
	if reason == "" && client.AuthMethod == idp.PrivateKeyJWT {
		reason, err = p.refuseAssertion(ctx, client, cred.form.Get("client_assertion"))
	}
	if err != nil {
		return client, err
	}
	if reason != "" {
		err := p.Store.Audit(ctx, idp.AuditEvent{
			Kind: idp.AuditClientAuthFailed, ClientID: client.ID, Detail: map[string]string{"reason": reason},
		})
		return client, fail(invalidClient, reason).because(err)
	}
	if client.AuthMethod.Secret() {
		p.noteUse(ctx, client, cred.secret)
	}
	return client, nil
}

func refuseClient(client idp.Client, cred credentials) string {
	if id := cred.form.Get("client_id"); id != "" && id != client.ID {
		return "two clients are named"
	}
	switch { // an empty secret is none
	case !cred.basic():
		return "the Authorization header must be Basic, or absent"
	case client.AuthMethod == idp.PrivateKeyJWT && (cred.secret != "" || !cred.form.Has("client_assertion")):
		return "the client must send a client_assertion (private_key_jwt)"
	case client.AuthMethod == idp.PrivateKeyJWT:
		return "" // so far
	case cred.form.Has("client_assertion"):
		return "the client does not authenticate by client_assertion: the app's setting auth_method says how"
	case client.Public() && (cred.secret != "" || cred.form.Has("client_secret")):
		return "the client is public (client authentication none): it sends no client_secret"
	case client.Public():
		return ""
	case cred.secret == "":
		return "the client must send its client_secret (client_secret_basic or client_secret_post)"
	}
	hash := idp.HashSecret(cred.secret)
	for i, live := range client.SecretHashes {
		if subtle.ConstantTimeCompare(hash, live) == 1 {
			return endedSecret(client, i)
		}
	}
	return "the secret is wrong"
}

// endedSecret says that a secret has ended, empty for one that works.
func endedSecret(client idp.Client, i int) string {
	if ends := client.SecretEnds(i); !ends.IsZero() && !idp.Now().Before(ends) {
		return "the secret has expired: the app needs a new one"
	}
	return ""
}

// noteUse notes that a secret was used, where that was not noted for a while. Authentication
// does not depend on it.
func (p *Provider) noteUse(ctx context.Context, client idp.Client, secret string) {
	now := idp.Now()
	i := slices.IndexFunc(client.SecretHashes, func(live []byte) bool { return subtle.ConstantTimeCompare(idp.HashSecret(secret), live) == 1 })
	if i < 0 || now.Sub(client.SecretFact(i).UsedAt) < idp.SecretUse {
		return
	}
	if err := p.Store.UseSecret(ctx, client, i, now); err != nil {
		slog.WarnContext(ctx, "the use of a client secret could not be noted", "client_id", client.ID, "cause", err)
	}
}
