package federation

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"testing"
	"unicode/utf8"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"gatehouse/idp"
)

const (
	fuzzTenant = "11111111-aaaa-4bbb-8ccc-000000000001"
	fuzzClient = "22222222-aaaa-4bbb-8ccc-000000000001"
)

// FuzzIDToken: whatever is signed by the right key, only what belongs to this
// connection is believed, and nothing is concluded that it does not say.
func FuzzIDToken(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
	if err != nil {
		f.Fatal(err)
	}
	d := &description{
		document: document{Issuer: "https://login.example/" + tenantTemplate + "/v2.0"},
		keys:     &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{key.Public()}},
	}
	entra := idp.Connection{
		ID: "c", Kind: idp.EntraConnection, Issuer: "https://login.example", Tenants: []string{fuzzTenant}, ClientID: fuzzClient,
		Trust: idp.Trusted, Context: "c1", Domains: []string{"home.example"},
	}
	now := strconv.FormatInt(idp.Now().Unix(), 10)
	for _, extra := range []string{
		``, `,"xms_edov":true,"acrs":["c1"],"amr":["mfa","x"]`, `,"xms_edov":"1","acrs":"c1","auth_time":"1"`,
		`,"email":"a@home.example","idp":"x"`, `,"groups":["g"],"_claim_names":{"groups":"src1"}`, `,"aud":["` + fuzzClient + `","x"]`,
		`,"iat":99999999999`, `,"tid":"x/y"`, `,"email":"\u0000@home.example"`, `,"sid":"\n"`, `,"sub":"\u0000"`, `,"iat":null`, `,"name":"\ud800"`, `,"auth_time":1e300`,
	} {
		f.Add([]byte(`{"iss":"https://login.example/`+fuzzTenant+`/v2.0","aud":"`+fuzzClient+`","sub":"s","exp":99999999999,"iat":`+now+`,`+
			`"tid":"`+fuzzTenant+`","oid":"o","email":"a@other.example","nonce":"n"`+extra+`}`), true)
	}
	f.Add([]byte(`{"iss":"https://generic.example","aud":"`+fuzzClient+`","sub":"s","exp":99999999999,"iat":`+now+`,"email_verified":true,"email":"a@home.example"}`), false)
	f.Fuzz(func(t *testing.T, payload []byte, isEntra bool) {
		c, about := entra, d
		if !isEntra {
			c.Kind, c.Issuer, c.Tenants = idp.OIDCConnection, "https://generic.example", nil
			about = &description{document: document{Issuer: c.Issuer}, keys: d.keys}
		}
		signed, err := signer.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		said, err := about.read(t.Context(), c, raw)
		if err != nil {
			typed(t, err)
			return
		}
		believed(t, c, payload, said)
	})
}

// typed: every refusal has its reason, and fits a line of the log.
func typed(t *testing.T, err error) {
	t.Helper()
	var refused *idp.FederationError
	if !errors.As(err, &refused) || refused.Reason == "" {
		t.Errorf("%v has no reason", err)
	}
	if len(err.Error()) > 2000 || !utf8.ValidString(err.Error()) {
		t.Errorf("%q does not fit a log", err)
	}
}

func believed(t *testing.T, c idp.Connection, payload []byte, said claims) {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal(payload, &all); err != nil {
		t.Fatalf("believed %q, which is not JSON", payload)
	}
	issued, _ := all["iat"].(float64)
	if text, ok := all["iat"].(string); ok { // some write numbers as text
		issued, _ = strconv.ParseFloat(text, 64)
	}
	if age := float64(idp.Now().Unix()) - issued; age > (tokenAge+clockSkew).Seconds()+60 || age < -clockSkew.Seconds()-60 {
		t.Errorf("believed %q, which was issued %.0f seconds ago", payload, age)
	}
	a, err := said.arrival(c, idp.Ask{MaxAge: idp.NoMaxAge, At: idp.Now()}, idp.Now())
	if err != nil {
		typed(t, err)
		return
	}
	if c.Kind == idp.EntraConnection && said.TenantID != fuzzTenant || said.Subject == "" || a.Subject == "" {
		t.Errorf("believed %q: %+v", payload, said)
	}
	owned := c.OwnsAddress(a.Email) && said.Home == ""
	if a.EmailConfirmed && !owned && !(c.Kind == idp.EntraConnection && bool(said.OwnsDomain)) {
		t.Errorf("%q confirms %q", payload, a.Email)
	}
	if a.Proof.Evidence != "" && !slices.Contains(said.AMR, "mfa") && !slices.Contains(said.Contexts, c.Context) && said.ACR != c.Context {
		t.Errorf("%q proves %s", payload, a.Proof.Evidence)
	}
	for _, text := range append([]string{a.Email, a.Name, a.Department, a.SID, a.Subject}, a.Proof.AMR...) {
		if !utf8.ValidString(text) {
			t.Errorf("%q is no text", text)
		}
	}
}
