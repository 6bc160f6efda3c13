package conformance_test

import (
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// bank is an app with FAPI on, as its developer knows it.
type bank struct {
	id  string
	key *idptest.Key // by which it authenticates
}

// banks are the two clients of the FAPI plan, made when one is asked for.
type banks struct {
	once sync.Once
	list [2]bank
}

// bank is the first or second client of the plan. The first has an RSA key.
func (r *run) bank(i int) bank {
	r.house.banks.once.Do(func() {
		for i, alg := range []jose.SignatureAlgorithm{jose.PS256, jose.ES256} {
			r.house.banks.list[i] = r.registerBank(idp.Client{}, alg)
		}
	})
	return r.house.banks.list[i]
}

// newBank registers a client of the module's own.
func (r *run) newBank(c idp.Client) bank { return r.registerBank(c, jose.ES256) }

func (r *run) registerBank(c idp.Client, alg jose.SignatureAlgorithm) bank {
	key := idptest.NewKey(r, alg)
	c.FAPI, c.JWKS = true, key.JWKS()
	return bank{r.house.register(c).id, key}
}

// how is the way in which an app calls an endpoint. The zero value is the right one: with an
// assertion, and at the token endpoint with a proof.
type how struct {
	assertion map[string]any // claims of it that are other
	by        *idptest.Key   // signs the assertion
	anonymous bool           // without an assertion
	proof     map[string]any // claims of it that are other
	holder    *idptest.Key   // signs the proof
	proven    bool           // with a proof
	unproven  bool           // without a proof
	method    string
}

func one(h []how) how {
	if len(h) == 0 {
		return how{}
	}
	return h[0]
}

// holds is the key that this run's tokens are bound to.
func (r *run) holds() *idptest.Key {
	if r.holder == nil {
		r.holder = idptest.NewKey(r, jose.ES256)
	}
	return r.holder
}

// call calls an endpoint, and once more with the nonce where the provider wants one.
func (r *run) call(b bank, endpoint string, form url.Values, h how) *reply {
	a := r.callOnce(b, endpoint, form, h)
	if a.text("error") == "use_dpop_nonce" {
		r.nonce = a.header.Get("DPoP-Nonce")
		a = r.callOnce(b, endpoint, form, h)
	}
	return a
}

func (r *run) callOnce(b bank, endpoint string, form url.Values, h how) *reply {
	target := r.endpoint(endpoint)
	if h.by == nil {
		h.by = b.key
	}
	form.Del("client_assertion")
	if !h.anonymous {
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", h.by.Assertion(r.house.Issuer, b.id, h.assertion))
	}
	var headers []string
	if h.proven {
		headers = []string{"DPoP", r.proof(http.MethodPost, target, h)}
	}
	if h.method == "" {
		h.method = http.MethodPost
	}
	return r.send(h.method, target, form, headers...)
}

func (r *run) proof(method, target string, h how) string {
	claims := map[string]any{}
	if r.nonce != "" {
		claims["nonce"] = r.nonce
	}
	for name, value := range h.proof {
		claims[name] = value
	}
	if h.holder == nil {
		h.holder = r.holds()
	}
	return h.holder.Proof(method, target, claims)
}

// asks is an authorization request of a bank's that is not pushed yet.
func (r *run) asks(b bank, pairs ...string) request {
	r.app = relyingParty{id: b.id}
	q := r.request()
	q.Set("code_challenge", challenge(q.verifier))
	q.Set("code_challenge_method", "S256")
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			q.Del(pairs[i])
		}
	}
	return q
}

const parEndpoint = "pushed_authorization_request_endpoint"

// push pushes a request.
func (r *run) push(b bank, q request, h ...how) *reply {
	form := url.Values{}
	for name, values := range q.Values {
		form[name] = slices.Clone(values)
	}
	return r.call(b, parEndpoint, form, one(h))
}

// pushed is the request_uri of a request.
func (r *run) pushed(b bank, q request, h ...how) string {
	a := r.push(b, q, h...)
	expires, _ := a.json["expires_in"].(float64)
	if a.status != http.StatusCreated || a.text("request_uri") == "" || expires < 5 || expires >= 600 {
		r.Fatalf("a pushed request is answered with %d %s", a.status, a.body)
	}
	return a.text("request_uri")
}

// opens sends the browser with a request_uri. As the suite does it repeats what OpenID Connect
// Core 1.0 section 6.2 wants there.
func (r *run) opens(b bank, uri string, pairs ...string) *idptest.Page {
	q := url.Values{
		"client_id": {b.id}, "request_uri": {uri}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {callback},
	}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			q.Del(pairs[i])
		}
	}
	return r.open(request{Values: q})
}

// comesBack signs in where that is asked for.
func (r *run) comesBack(page *idptest.Page) *idptest.Page {
	if asksForPassword(page) {
		page = r.signIn(page)
	}
	return page
}

// pushedCode is the code of a request.
func (r *run) pushedCode(b bank, q request, h ...how) string {
	uri := r.pushed(b, q, h...)
	values := r.answer(r.comesBack(r.opens(b, uri)), q)
	if values.Get("code") == "" {
		r.Fatalf("the app is told %v: want a code", values)
	}
	return values.Get("code")
}

// exchange calls the token endpoint, with a proof.
func (r *run) exchange(b bank, form url.Values, h ...how) *reply {
	right := one(h)
	right.proven = !right.unproven
	return r.call(b, "token_endpoint", form, right)
}

// redeems redeems a code.
func (r *run) redeems(b bank, q request, code string, h ...how) tokens {
	a := r.exchange(b, codeForm(code, "code_verifier", q.verifier), h...)
	if a.status != http.StatusOK {
		r.Fatalf("the code is answered with %d %s", a.status, a.body)
	}
	got := tokens{a, a.text("access_token"), a.text("id_token"), r.verified(a.text("id_token"))}
	if nonce, _ := got.claims["nonce"].(string); nonce != q.Get("nonce") {
		r.Errorf("nonce %q, want %q", nonce, q.Get("nonce"))
	}
	if a.text("token_type") != "DPoP" {
		r.Errorf("token_type %q", a.text("token_type"))
	}
	return got
}

// whole signs in, and looks at userinfo.
func (r *run) whole(b bank, pairs ...string) tokens {
	q := r.asks(b, pairs...)
	got := r.redeems(b, q, r.pushedCode(b, q))
	r.wantClaims(r.presents(got.access), got.claims["sub"])
	return got
}

// presents asks userinfo with a proof.
func (r *run) presents(access string, h ...how) *reply {
	return r.presentsAs("DPoP", access, h...)
}

func (r *run) presentsAs(scheme, access string, h ...how) *reply {
	right := one(h)
	claims := map[string]any{"ath": challenge(access)} // S256, too
	for name, value := range right.proof {
		claims[name] = value
	}
	right.proof = claims
	target := r.endpoint("userinfo_endpoint")
	return r.send(http.MethodGet, target, nil, "Authorization", scheme+" "+access, "DPoP", r.proof(http.MethodGet, target, right))
}

// refusedBy: an answer is one of some errors, with a status that clients understand.
func (r *run) refusedBy(a *reply, errors ...string) {
	if a.status != http.StatusBadRequest && a.status != http.StatusUnauthorized || !slices.Contains(errors, a.text("error")) {
		r.Errorf("answer %d %s: want one of %v", a.status, a.body, errors)
	}
}

// refusedThere: the browser ends on a page of the provider's, or the app is told one of some
// errors.
func (r *run) refusedThere(page *idptest.Page, errors ...string) {
	values := r.told(page)
	switch {
	case values == nil && page.Status >= http.StatusBadRequest && page.Status < http.StatusInternalServerError:
	case values != nil && slices.Contains(errors, values.Get("error")) && !values.Has("code"):
	default:
		r.Errorf("%d %q, the app is told %v: want one of %v", page.Status, page.Heading(), values, errors)
	}
}

// exec changes rows the way time does.
func (r *run) exec(statement string) {
	_, err := idptest.Outside(r, r.house.database).ExecContext(r.Context(), statement)
	idptest.Must(r, err)
}
