package main

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/mail"
	"gatehouse/idp/password"
	"gatehouse/idp/server"
	"gatehouse/idp/store"
	"gatehouse/mfa"
)

const (
	issuer      = "https://id.example"
	redirectURI = "https://app.example/callback"
	plain       = "bright copper meadow"
	// verifier and challenge are of RFC 7636 appendix B.
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	scope     = "openid profile email offline_access"
)

// world is what stands in the database of a measurement, and how to reach it.
type world struct {
	Data     string
	Database string // empty: SQLite in Data
	Mail     string // address of the mail server; empty: none
	Clients  []benchClient
	// Users have the same password and the same authenticator key.
	Users   []string
	IDs     []string
	TOTPKey string
	// PasswordHash is theirs, for the floor to verify against.
	PasswordHash string
	// PasskeyKey is of all their passkeys.
	PasskeyKey []byte
}

// benchClient is an app of the world.
type benchClient struct {
	ID, Secret string
	Alg        idp.Algorithm
	Format     idp.TokenFormat
}

func (w world) config() server.Config {
	c := server.Config{
		Issuer: issuer, DataDir: w.Data, DatabaseURL: w.Database,
		// The load names another address for every person, as a proxy in front
		// would: people who sign in at once are not one address.
		TrustedProxies: []string{"127.0.0.1"},
	}
	if w.Mail != "" {
		c.Mail = mail.Config{Server: w.Mail, Security: mail.Plain, From: "Agent portal <no-reply@app.example>"}
	}
	return c
}

// usersPerRound bounds the sign-ins of a round: a person's code works once.
const usersPerRound = 120

// newWorld fills an empty database.
func newWorld(ctx context.Context, data, database string, o options) (world, error) {
	w := world{Data: data, Database: database}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return w, fmt.Errorf("make a folder: %w", err)
	}
	srv, err := server.Open(ctx, w.config())
	if err != nil {
		return w, err
	}
	return w, errors.Join(w.fill(ctx, srv, o), srv.Close())
}

func (w *world) fill(ctx context.Context, srv *server.Server, o options) error {
	for _, alg := range []idp.Algorithm{idp.ES256, idp.RS256} {
		for _, format := range []idp.TokenFormat{idp.OpaqueToken, idp.JWTToken} {
			c, secret, err := srv.Manage.Apps.CreateClient(ctx, idp.Client{
				Name: "Agent portal", Populations: []string{idp.Agents}, RedirectURIs: []string{redirectURI},
				HomeURL: "https://app.example/", SigningAlg: alg, TokenFormat: format,
			})
			if err != nil {
				return err
			}
			w.Clients = append(w.Clients, benchClient{c.ID, secret, alg, format})
		}
	}
	hash, err := password.New(password.DefaultParams()).Hash(ctx, plain)
	if err != nil {
		return err
	}
	ring, err := w.config().Keyring(ctx, srv.Store)
	if err != nil {
		return err
	}
	passkeyKey, passkey, err := newPasskeyKey()
	if err != nil {
		return err
	}
	w.PasskeyKey = passkeyKey
	key := mfa.NewTOTPKey()
	w.PasswordHash, w.TOTPKey = hash, base32.StdEncoding.EncodeToString(key)
	return srv.Store.Do(ctx, func(ctx context.Context) error {
		for i := range o.workers + (o.rounds+1)*usersPerRound {
			email := fmt.Sprintf("person%d@app.example", i)
			id, err := createPerson(ctx, srv.Store, ring, email, hash, key)
			if err := errors.Join(err, addPasskey(ctx, srv.Store, id, passkey)); err != nil {
				return err
			}
			w.Users, w.IDs = append(w.Users, email), append(w.IDs, id)
		}
		return nil
	})
}

// createPerson makes a person who is enrolled, without hashing the password anew.
func createPerson(ctx context.Context, st *store.Store, ring *keyring.Keyring, email, hash string, key []byte) (id string, err error) {
	now, factor := idp.Now(), idp.NewID()
	u := idp.User{
		ID: idp.NewID(), PopulationID: idp.Agents, Email: email, Name: "Maya Example", Locale: "en",
		PasswordHash: hash, CreatedAt: now, UpdatedAt: now,
	}
	return u.ID, errors.Join(st.CreateUser(ctx, u), st.CreateFactor(ctx, idp.Factor{
		ID: factor, UserID: u.ID, Method: idp.MethodTOTP, Name: "Agent portal",
		Secret: ring.Seal(key, keyring.AAD("factors", factor, "secret")), CreatedAt: now, LastUsedAt: now,
	}))
}

// newSchema makes a schema of our own, and what removes it.
func newSchema(ctx context.Context, cluster string) (database string, drop func() error, err error) {
	u, err := url.Parse(cluster)
	if err != nil {
		return "", nil, errors.New("the PostgreSQL URL is not one") // url.Error quotes the password
	}
	schema := "bench_" + strings.ToLower(rand.Text())
	if err := execOn(ctx, cluster, "CREATE SCHEMA "+schema); err != nil {
		return "", nil, err
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String(), func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		return execOn(ctx, cluster, "DROP SCHEMA "+schema+" CASCADE")
	}, nil
}

func execOn(ctx context.Context, database, statement string, args ...any) error {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return fmt.Errorf("reach PostgreSQL: %w", err)
	}
	_, err = conn.Exec(ctx, statement, args...)
	return errors.Join(err, conn.Close(ctx))
}
