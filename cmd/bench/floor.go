package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"gatehouse/idp"
	"gatehouse/idp/password"
)

// floor is a bare handler for each operation. It checks what decides whether the
// answer may be given, and nothing more: no routing table, no headers beyond the
// protocol's, no metrics, no log.
type floor struct {
	orders
	pool    *pgxpool.Pool // nil on SQLite, where it serves sign-ins alone
	steps   steps
	hasher  *password.Hasher
	clients map[string]benchClient
	es256   *ecdsa.PrivateKey
	rs256   *rsa.PrivateKey
	passkey *ecdsa.PrivateKey
}

func serveFloor(ctx context.Context, o orders, listener net.Listener) error {
	f := &floor{orders: o, hasher: password.New(password.DefaultParams()), clients: map[string]benchClient{}}
	for _, c := range o.World.Clients {
		f.clients[c.ID] = c
	}
	var errEC, errRSA error
	f.es256, errEC = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	f.rs256, errRSA = rsa.GenerateKey(rand.Reader, 2048)
	var errKey error
	f.passkey, errKey = x509.ParseECPrivateKey(o.World.PasskeyKey)
	if err := errors.Join(errEC, errRSA, errKey, f.open(ctx)); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", static(o.Discovery, o.Headers))
	mux.HandleFunc("GET /keys", static(o.Keys, o.Headers))
	mux.HandleFunc("GET /authorize", answering(f.authorize))
	mux.HandleFunc("POST /token", answering(f.token))
	mux.HandleFunc("GET /userinfo", answering(f.userinfo))
	mux.HandleFunc("GET /login/{flow}", page)
	mux.HandleFunc("POST /login/{flow}/password", answering(f.postPassword))
	mux.HandleFunc("POST /login/{flow}/totp", answering(f.postCode))
	mux.HandleFunc("POST /login/{flow}/passkey", answering(f.postPasskey))
	// The provider's limits: without them one slow caller holds a connection.
	srv := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
	}
	go func() {
		<-ctx.Done()
		if err := srv.Close(); err != nil {
			slog.Error("close the floor", "cause", err)
		}
	}()
	fmt.Println(listener.Addr())
	if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the floor: %w", err)
	}
	return f.close()
}

// answering turns an error into a status, which ends the measurement.
func answering(h func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

// withHeaders is the query that asks static for the provider's headers. The
// provider does not look at it.
const withHeaders = "headers"

func static(body []byte, headers map[string][]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.RawQuery == withHeaders {
			maps.Copy(w.Header(), headers)
		}
		_, _ = w.Write(body) // the load sees a short answer by itself
	}
}

func (f *floor) client(r *http.Request) (benchClient, error) {
	id, secret, _ := r.BasicAuth()
	c, ok := f.clients[id]
	if !ok || string(idp.HashSecret(secret)) != string(idp.HashSecret(c.Secret)) {
		return c, errors.New("unknown client")
	}
	return c, nil
}

// issue makes the tokens: claims encoded once, one hash, one signature each.
func (f *floor) issue(c benchClient, s *grantState, refresh string, now time.Time) (response, error) {
	out := response{TokenType: "Bearer", ExpiresIn: 900, Scope: s.scope, RefreshToken: refresh}
	var proofs []struct {
		Method string `json:"m"`
		At     int64  `json:"t"`
	}
	if err := json.Unmarshal([]byte(s.proofs), &proofs); err != nil || len(proofs) == 0 {
		return out, errors.Join(errors.New("a grant without proofs"), err)
	}
	claims := claims{
		Issuer: issuer, Audience: c.ID, Expires: now.Add(5 * time.Minute).Unix(), IssuedAt: now.Unix(), Subject: s.userID,
		AuthTime: proofs[0].At / 1e6, ACR: s.acr, AMR: []string{"pwd", "otp", "mfa"}, SID: s.sessionID, Population: idp.Agents,
	}
	var err error
	if out.AccessToken = idp.NewSecret(); c.Format == idp.JWTToken {
		access := claims
		access.Audience, access.ID, access.Scope, access.ClientID = issuer, s.grantID+"."+idp.NewID(), s.scope, c.ID
		if out.AccessToken, err = f.sign(c.Alg, "at+jwt", access); err != nil {
			return out, err
		}
	}
	sum := sha256.Sum256([]byte(out.AccessToken))
	claims.AtHash, claims.Nonce = base64.RawURLEncoding.EncodeToString(sum[:16]), s.nonce
	claims.Name, claims.Locale, claims.Email, claims.UpdatedAt = s.name, s.locale, s.email, s.updatedAt.Unix()
	out.IDToken, err = f.sign(c.Alg, "JWT", claims)
	return out, err
}

// response is a token response.
type response struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	Scope        string `json:"scope"`
}

// claims are those of both kinds of token.
type claims struct {
	Issuer     string   `json:"iss"`
	Audience   string   `json:"aud"`
	Expires    int64    `json:"exp"`
	IssuedAt   int64    `json:"iat"`
	Nonce      string   `json:"nonce,omitempty"`
	AtHash     string   `json:"at_hash,omitempty"`
	AuthTime   int64    `json:"auth_time"`
	ACR        string   `json:"acr"`
	AMR        []string `json:"amr"`
	SID        string   `json:"sid"`
	Subject    string   `json:"sub"`
	Population string   `json:"population"`
	ID         string   `json:"jti,omitempty"`
	ClientID   string   `json:"client_id,omitempty"`
	Scope      string   `json:"scope,omitempty"`
	Name       string   `json:"name,omitempty"`
	Locale     string   `json:"locale,omitempty"`
	UpdatedAt  int64    `json:"updated_at,omitempty"`
	Email      string   `json:"email,omitempty"`
}

func (f *floor) sign(alg idp.Algorithm, typ string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	const kid = "0198f7a2-0000-7000-8000-000000000000"
	token := base64.RawURLEncoding.AppendEncode(nil, []byte(`{"alg":"`+string(alg)+`","kid":"`+kid+`","typ":"`+typ+`"}`))
	token = base64.RawURLEncoding.AppendEncode(append(token, '.'), payload)
	sum := sha256.Sum256(token)
	var signature []byte
	if alg == idp.RS256 {
		signature, err = rsa.SignPKCS1v15(nil, f.rs256, crypto.SHA256, sum[:])
	} else {
		signature, err = signES256(f.es256, sum[:])
	}
	return string(base64.RawURLEncoding.AppendEncode(append(token, '.'), signature)), err
}

// signES256 is RFC 7518 section 3.4: both numbers in 32 bytes each.
func signES256(key *ecdsa.PrivateKey, sum []byte) ([]byte, error) {
	r, s, err := ecdsa.Sign(rand.Reader, key, sum)
	if err != nil {
		return nil, err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signature, nil
}

func writeJSON(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(v)
}
