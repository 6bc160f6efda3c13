package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"

	"github.com/fxamacker/cbor/v2"

	"gatehouse/idp"
	"gatehouse/idp/store"
)

// rpID is what passkeys of the world belong to.
const rpID = "id.example"

// newPasskeyKey makes the key of all passkeys of a world, as it is kept among its orders.
func newPasskeyKey() ([]byte, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	return der, key, err
}

// addPasskey gives a person a passkey that is synced, and so counts no uses.
func addPasskey(ctx context.Context, st *store.Store, userID string, key *ecdsa.PrivateKey) error {
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return fmt.Errorf("encode a key: %w", err)
	}
	cose, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
	if err != nil {
		return fmt.Errorf("encode a key: %w", err)
	}
	now := idp.Now()
	return st.CreateFactor(ctx, idp.Factor{
		ID: idp.NewID(), UserID: userID, Method: idp.MethodPasskey, Name: "Passkey", CreatedAt: now, LastUsedAt: now,
		Passkey: &idp.Passkey{CredentialID: []byte(userID), PublicKey: cose, AAGUID: make([]byte, 16), Synced: true, BackedUp: true},
	})
}

// assertion is a browser's answer about a passkey (WebAuthn Level 3 section 5.8.3).
type assertion struct {
	ID       string `json:"id"`
	RawID    string `json:"rawId"`
	Type     string `json:"type"`
	Response struct {
		ClientData string `json:"clientDataJSON"`
		AuthData   string `json:"authenticatorData"`
		Signature  string `json:"signature"`
		UserHandle string `json:"userHandle"`
	} `json:"response"`
}

// assert answers a question with the passkey of a person.
func assert(key *ecdsa.PrivateKey, userID, challenge string) (string, error) {
	client := []byte(`{"type":"webauthn.get","challenge":"` + challenge + `","origin":"` + issuer + `","crossOrigin":false}`)
	party := sha256.Sum256([]byte(rpID))
	data := append(party[:], 0x1d, 0, 0, 0, 0) // present, verified, may be backed up and is; no counter
	signature, err := ecdsa.SignASN1(rand.Reader, key, digestOf(data, client))
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString
	a := assertion{ID: text([]byte(userID)), RawID: text([]byte(userID)), Type: "public-key"}
	a.Response.ClientData, a.Response.AuthData, a.Response.Signature, a.Response.UserHandle = text(client), text(data), text(signature), text([]byte(userID))
	b, err := json.Marshal(a)
	return string(b), err
}

func digestOf(data, client []byte) []byte {
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(data[:len(data):len(data)], hash[:]...))
	return digest[:]
}

// postPasskey is what a sign-in by a passkey cannot do without: the check of one signature.
func (f *floor) postPasskey(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	var a assertion
	err := json.Unmarshal([]byte(r.PostForm.Get("credential")), &a)
	var parts [3][]byte
	for i, text := range []string{a.Response.ClientData, a.Response.AuthData, a.Response.Signature} {
		b, errText := base64.RawURLEncoding.DecodeString(text)
		parts[i], err = b, errors.Join(err, errText)
	}
	if err != nil || !ecdsa.VerifyASN1(&f.passkey.PublicKey, digestOf(parts[1], parts[0]), parts[2]) {
		return errors.Join(errors.New("refused passkey"), err)
	}
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: idp.NewSecret(), Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	return f.step(w, r, 2, redirectURI+"?code="+idp.NewSecret())
}

// asked is the question on a page.
var asked = regexp.MustCompile(`data-options="([^"]*)"`)

// questionOn is the challenge on a page. The floor asks none: then it is a constant.
func questionOn(page []byte) (string, error) {
	m := asked.FindSubmatch(page)
	if m == nil {
		return challenge, nil
	}
	var options struct {
		Challenge string `json:"challenge"`
	}
	err := json.Unmarshal([]byte(html.UnescapeString(string(m[1]))), &options)
	return options.Challenge, err
}

// signInByPasskey goes all the way with nothing but a passkey.
func (b *bench) signInByPasskey(c *conn, user int, client benchClient) error {
	user %= len(b.w.Users) // a passkey does what a code does once
	person := newBrowser(c, user)
	a, err := person.ask(question(client))
	if err != nil {
		return err
	}
	flow := a.header.Get("Location")
	if a, err = person.ask(get(flow)); err != nil {
		return err
	}
	asks, err := questionOn(a.body)
	if err != nil {
		return fmt.Errorf("read a question: %w", err)
	}
	answer, err := assert(b.passkey, b.w.IDs[user], asks)
	if err != nil {
		return err
	}
	if a, err = person.ask(post(flow+"/passkey", url.Values{"credential": {answer}})); err != nil {
		return err
	}
	if on := leadsOn.FindStringSubmatch(string(a.body)); on != nil {
		a.header.Set("Location", html.UnescapeString(on[1]))
	}
	_, err = codeOf(a)
	return err
}

// passkeys is a sign-in with nothing but a passkey, which policies allow from then on.
func (b *bench) passkeys(dialect string) operation {
	return operation{
		name: "sign-in by passkey, " + dialect, goal: 0.77, length: 3,
		prepare: func(ctx context.Context) error {
			return execOn(ctx, b.w.Database, "UPDATE policies SET passkey = TRUE")
		},
		do: func(l *lane) error { return b.signInByPasskey(l.conn, int(b.nextUser.Add(1)), b.w.Clients[0]) },
	}
}
