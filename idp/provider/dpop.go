package provider

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/dpop"
)

// proven is the proof that came with a request, checked but for what its use decides
// (RFC 9449).
type proven struct {
	dpop.Proof
	taken bool // it was used up by this very request
}

type provenKey struct{}

// provenIn is the proof of a request, nil for none.
func provenIn(ctx context.Context) *proven {
	proof, _ := ctx.Value(provenKey{}).(*proven)
	return proof
}

// withProof reads the proof of a request to an endpoint, if it has one, into its context.
func (p *Provider) withProof(c *gin.Context, path string) *failure {
	proof, f := p.readProof(c.Request, path)
	if proof != nil || f != nil {
		c.Header(nonceHeader, p.nonce(idp.Now()))
	}
	if proof != nil {
		c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), provenKey{}, proof))
	}
	return f
}

// readProof reads the proof of a request, nil for none. It is for the address that we are
// known by: a proxy may call us by another.
func (p *Provider) readProof(r *http.Request, path string) (*proven, *failure) {
	sent := r.Header["Dpop"]
	switch {
	case len(sent) == 0:
		return nil, nil
	case len(sent) > 1:
		return nil, fail(invalidProof, "there is more than one DPoP header")
	}
	proof, err := dpop.Read(sent[0], dpop.For{Method: r.Method, URL: p.Issuer + path, Now: idp.Now()})
	if err != nil {
		return nil, fail(invalidProof, "the DPoP proof is refused: "+strings.TrimPrefix(err.Error(), idp.ErrInvalid.Error()+": "))
	}
	return &proven{Proof: proof}, nil
}

const nonceHeader = "DPoP-Nonce"

// nonceStep is how long a nonce is given out; it is taken for as long again.
const nonceStep = 2 * time.Minute

// nonce is that of a moment: nothing about it is stored, and all replicas give out the same.
func (p *Provider) nonce(at time.Time) string {
	var step [8]byte
	binary.BigEndian.PutUint64(step[:], uint64(at.Unix()/int64(nonceStep/time.Second)))
	mac := hmac.New(sha256.New, p.NonceKey)
	mac.Write([]byte("dpop nonce\x00"))
	mac.Write(step[:])
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// ours tells whether a nonce is one that we give out about now: the clocks of replicas may
// differ a little.
func (p *Provider) ours(nonce string, now time.Time) bool {
	for _, at := range []time.Time{now, now.Add(-nonceStep), now.Add(nonceStep)} {
		if hmac.Equal([]byte(nonce), []byte(p.nonce(at))) {
			return true
		}
	}
	return false
}

// bind is the key that the tokens of a request to the token endpoint are bound to, empty for
// none: where the client sends a proof, they are. It uses the proof up, so it comes last.
func (p *Provider) bind(ctx context.Context, client idp.Client) (jkt string, err error) {
	proof := provenIn(ctx)
	switch {
	case proof == nil && client.NeedsProof():
		return "", fail(invalidProof, "the app's setting "+setting(client.FAPI, "dpop_bound_access_tokens")+" asks for a DPoP proof")
	case proof == nil:
		return "", nil
	case client.FAPI && !proof.ofFAPI():
		return "", fail(invalidProof, notOfFAPI)
	case client.NeedsProof() && proof.Nonce == "":
		return "", fail(useNonce, "the proof must have the nonce of the DPoP-Nonce header")
	}
	return proof.JKT, p.use(ctx, proof)
}

// ofFAPI tells whether the proof is signed as FAPI 2.0 wants it.
func (p *proven) ofFAPI() bool { return idp.Algorithm(p.Alg).OfFAPI() }

const notOfFAPI = "the app's setting fapi takes DPoP proofs that are signed with PS256, ES256 or EdDSA"

// setting names what asks for something: fapi, or a setting of its own.
func setting(fapi bool, own string) string {
	if fapi {
		return "fapi"
	}
	return own
}

// use takes a proof, once.
func (p *Provider) use(ctx context.Context, proof *proven) error {
	if proof.taken {
		return nil
	}
	if proof.Nonce != "" && !p.ours(proof.Nonce, idp.Now()) {
		return fail(useNonce, "the nonce of the proof is too old, or none of ours")
	}
	err := p.Store.UseProof(ctx, proof.ID, proof.Expires())
	if errors.Is(err, idp.ErrUsed) {
		return fail(invalidProof, "the proof was used before").because(err)
	}
	return err
}

// bindCode is bind for a code, which may ask for a key of its own (RFC 9449 section 10).
func (p *Provider) bindCode(ctx context.Context, client idp.Client, g idp.Grant) (string, error) {
	if proof := provenIn(ctx); g.JKT != "" && (proof == nil || proof.JKT != g.JKT) {
		return "", fail(invalidGrant, "the code is bound to the key of dpop_jkt: a DPoP proof of that key must come with it")
	}
	return p.bind(ctx, client)
}

// bindPushed binds the code of a pushed request to the key of the proof that came with it,
// as dpop_jkt does, with which it has to agree (RFC 9449 section 10.1). bind uses the proof up.
func bindPushed(ctx context.Context, form url.Values) *failure {
	proof := provenIn(ctx)
	if proof == nil {
		return nil
	}
	if form.Has("dpop_jkt") && form.Get("dpop_jkt") != proof.JKT {
		return fail(invalidProof, "dpop_jkt is not the key of the DPoP proof (RFC 9449 section 10.1)")
	}
	form.Set("dpop_jkt", proof.JKT)
	return nil
}

// bindRefresh is bind for a refresh token, which may be bound itself.
func (p *Provider) bindRefresh(ctx context.Context, client idp.Client, t idp.Token) (string, error) {
	if proof := provenIn(ctx); t.JKT != "" && (proof == nil || proof.JKT != t.JKT) {
		return "", fail(invalidGrant, "the refresh token is bound to a key: a DPoP proof of that key must come with it")
	}
	return p.bind(ctx, client)
}

// tokenType is how an access token is presented.
func tokenType(jkt string) string {
	if jkt != "" {
		return "DPoP"
	}
	return "Bearer"
}

// confirmation is the key that a token is bound to (RFC 9449 section 6).
type confirmation struct {
	JKT string `json:"jkt"`
}

func confirmationOf(jkt string) *confirmation {
	if jkt == "" {
		return nil
	}
	return &confirmation{jkt}
}

// possessed checks that who presents an access token holds the key that it is bound to, and
// that a token without a key does not come as if it had one. It uses the proof up. An error
// is an *idp.ProofError, or a fault of ours.
func (p *Provider) possessed(ctx context.Context, a access, token string) error {
	proof := provenIn(ctx)
	switch {
	case a.jkt == "" && proof == nil:
		return nil
	case a.jkt == "":
		return p.unproven(fail(invalidToken, "the access token is bound to no key: its scheme is Bearer"))
	case proof == nil:
		return p.unproven(fail(invalidToken, "the access token is bound to a key: its scheme is DPoP, with a proof"))
	case proof.JKT != a.jkt || !proof.OfToken(token):
		return p.unproven(fail(invalidToken, "the DPoP proof is of another key or access token"))
	case a.fapi && !proof.ofFAPI():
		return p.unproven(fail(invalidProof, notOfFAPI))
	}
	err := p.use(ctx, proof)
	if f, ok := failureOf(err); ok && f.code != temporarilyUnavailable {
		return p.unproven(f)
	}
	proof.taken = err == nil
	return err
}

// unproven says what a bound token needs (RFC 9449 section 7.1).
func (p *Provider) unproven(f *failure) *idp.ProofError {
	return &idp.ProofError{
		Why: f.description, Nonce: p.nonce(idp.Now()),
		Challenge: `DPoP error="` + string(f.code) + `", algs="` + strings.Join(dpop.Algorithms(), " ") + `"`,
	}
}

// present reads the proof of a request that presents an access token into its context: one
// goes with the scheme DPoP, and counts with no other.
func (p *Provider) present(r *http.Request, path string) (context.Context, error) {
	name, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(name, "DPoP") {
		return r.Context(), nil
	}
	proof, f := p.readProof(r, path)
	if proof == nil && f == nil {
		f = fail(invalidProof, "the scheme DPoP goes with a DPoP header")
	}
	if f != nil {
		return nil, p.unproven(f)
	}
	return context.WithValue(r.Context(), provenKey{}, proof), nil
}

// Prove is present for the admin API.
func (p *Provider) Prove(r *http.Request) (context.Context, error) {
	return p.present(r, strings.TrimPrefix(r.URL.Path, p.Web.Base()))
}
