package idptest

import (
	"testing"
	"time"

	"gatehouse/idp"
)

// The samples have a value in every field that a row keeps, so that a test sees
// which one got lost.

// Population is a population with a policy.
func Population(id string) idp.Population {
	return idp.Population{
		ID: id,
		Brand: idp.Brand{
			Name: "Población " + id, BrandColor: "#0a5c36", LogoURL: "https://rtx.example/logo.svg",
			HelpURL: "https://rtx.example/help", PrivacyURL: "https://rtx.example/privacy",
			SupportURL: "https://rtx.example/support", Language: "pt-BR",
		},
		SessionIdle: time.Hour, SessionLifetime: 24 * time.Hour, KeepSignedIn: true, EndOthers: true,
		KeptIdle: 48 * time.Hour, KeptLifetime: 72 * time.Hour,
		Access:            idp.Access{Password: true, Federated: true},
		Passwords:         idp.PasswordRules{MinLength: 8, Upper: true, Lower: true, Digit: true, Special: true, ExpiryDays: 90, NoReuse: 5},
		PasswordsAtSignIn: idp.PasswordRules{MinLength: 7, Upper: true, Lower: true, Digit: true, Special: true, ExpiryDays: 91, NoReuse: 6},
		ExpirySince:       idp.Now(),
		Registration:      idp.Registration{Open: true, Allowed: []string{"rtx.example"}, Denied: []string{"bad.example"}},
		Policy:            idp.Policy{Version: 3, Authenticator: true, IssuerLabel: "RTX ✓", EmailCode: true, Passkey: true, PasskeyForRoles: true, TrustDays: 14, SecurityKeys: "ee882879-721c-4913-9775-3dfcce97072a", SecurityKeyRoots: "PEM", OnlySecurityKeys: true},
		MinVersion:        2,
		Taken:             idp.Taken{"password": 2},
	}
}

// User is a person of a population.
func User(population, email string) idp.User {
	now := idp.Now()
	return idp.User{
		ID: idp.NewID(), PopulationID: population, Email: email, Name: "Maya 玛雅 🔑", Department: "Ventas", Locale: "en-GB",
		PasswordHash: "$argon2id$…", PasswordChangedAt: now, PasswordByMailAt: now, UnprovedAt: now, PasskeyOfferedAt: now, EmailVerified: true,
		CreatedAt: now, UpdatedAt: now.Add(time.Microsecond),
		Profile: idp.Profile{GivenName: "Maya", FamilyName: "玛雅", Zoneinfo: "Europe/Zurich", Picture: "https://rtx.example/maya.png"},
	}
}

// Client is a confidential client of some populations.
func Client(populations ...string) idp.Client {
	return idp.Client{
		ID: idp.NewID(), Name: "Agent portal", Kind: idp.WebClient, AuthMethod: idp.ClientSecretBasic,
		SecretHashes: [][]byte{idp.HashSecret("one"), idp.HashSecret("two")},
		SecretFacts:  []idp.SecretFact{{CreatedAt: idp.Now(), UsedAt: idp.Now()}, {CreatedAt: idp.Now()}}, SecretLifetime: time.Hour,
		JWKS: `{"keys":[]}`, JWKSURI: "https://rtx.example/jwks.json",
		RedirectURIs:           []string{"https://rtx.example/cb", "https://rtx.example/a?b=c&d=\"e\""},
		PostLogoutRedirectURIs: []string{"https://rtx.example/bye"},
		HomeURL:                "https://rtx.example/", LogoURI: "https://rtx.example/logo.png", GrantTypes: []string{"authorization_code", "refresh_token"},
		Scopes: []string{"openid", "email"}, Populations: populations,
		TokenFormat: idp.JWTToken, SigningAlg: idp.ES256, AccessTTL: 5 * time.Minute, RefreshTTL: time.Hour,
		RequirePKCE: true, RequirePushed: true, BackchannelLogoutURI: "https://rtx.example/logout", InitiateLoginURI: "https://rtx.example/start", ThirdParty: true, SubjectType: idp.PairwiseSubject, SectorIdentifierURI: "https://rtx.example/sector.json", PolicyURI: "https://rtx.example/privacy", TosURI: "https://rtx.example/terms", FrontchannelLogoutURI: "https://rtx.example/front?a=b", DPoPBound: true, FAPI: true, ResponseModes: []string{"query", "form_post"},
		Claims:    idp.AppClaims{Roles: idp.RolesAsGroups, InIDToken: true, PlainPopulation: true},
		Resources: []string{"https://api.example/", "urn:example:api"}, DefaultResource: "urn:example:api", Identifier: "urn:example:" + idp.NewID(),
		CreatedAt: idp.Now(),
	}
}

// Connection is a connection of a population to an organisation at Entra.
func Connection(population string) idp.Connection {
	return idp.Connection{
		ID: idp.NewID(), PopulationID: population, Kind: idp.EntraConnection, Name: "Microsoft", Enabled: true,
		Issuer: idp.EntraAuthority, Tenants: []string{"4fa1f7d2-6c5c-4d6d-9b64-0f9e6d1b2c3a"}, AnyTenant: true, PersonalAccounts: true,
		ClientID: "2b1e5a4c-3a70-4a6a-9df1-7a0c5b0f4c11", Secret: []byte{1}, Key: []byte{2}, Certificate: "-----BEGIN CERTIFICATE-----",
		Trust: idp.EvidenceRequired, Context: "c1", Domains: []string{"rtx.example"}, CreateUsers: true,
		Claims:      idp.ClaimNames{Name: "given_name", Email: "mail", Department: "dept"},
		Roles:       []idp.RoleMapping{{Claim: "groups", Value: "g-1", RoleID: "manager"}},
		EndUpstream: true, DomainHint: "rtx.example", OwnRedirect: true, UndatedSince: idp.Now(), CreatedAt: idp.Now(), Version: 3,
	}
}

// Proofs are those of a sign-in with a password and an authenticator.
func Proofs() []idp.Proof {
	now := idp.Now()
	return []idp.Proof{
		{Method: idp.MethodPassword, At: now.Add(-time.Second), Version: 2},
		{Method: idp.MethodTOTP, At: now, AMR: []string{"hwk"}, Evidence: idp.ACRMFA},
		{Method: idp.MethodPasskey, At: now, AMR: []string{"swk"}, Verified: true, First: true},
		{Method: idp.MethodFederated, At: now, Via: "entra", Issuer: "https://idp.example", Subject: "4fa1/9b2c", Version: 2, LocalStep: true, CanProve: idp.ACRMFA, UpstreamAt: now.Add(-time.Hour), Undated: true},
	}
}

// Passkey is one with a credential id.
func Passkey(id string) *idp.Passkey {
	return &idp.Passkey{
		CredentialID: []byte(id), PublicKey: []byte{0xa1, 0, 255}, AAGUID: []byte("0123456789abcdef"), SignCount: 1<<32 - 1,
		Synced: true, BackedUp: true, Attested: true, Transports: []string{"hybrid", "internal"},
	}
}

// Session is a session of a person in a browser, and its token.
func Session(u idp.User, p idp.Population) (s idp.Session, token string) {
	now, token := idp.Now(), idp.NewSecret()
	return idp.Session{
		ID: idp.NewID(), TokenHash: idp.HashSecret(token), BrowserHash: idp.HashSecret("browser"),
		UserID: u.ID, PopulationID: p.ID, PolicyVersion: p.Policy.Version, Proofs: Proofs(),
		Address: "192.0.2.1", UserAgent: "Mozilla/5.0 (日本)",
		CreatedAt: now, LastSeenAt: now.Add(time.Microsecond), ExpiresAt: now.Add(p.SessionLifetime),
		Kept: true, ConnectionID: "entra", UpstreamSID: "sid-1", UpstreamSignOut: []byte{0, 1, 255},
	}, token
}

// Grant is what a client got from a session, and its code.
func Grant(c idp.Client, s idp.Session) (g idp.Grant, code string) {
	now, code := idp.Now(), idp.NewSecret()
	resource := "" // of apps that have none, as parties have
	if len(c.Resources) > 0 {
		resource = c.Resources[0]
	}
	return idp.Grant{
		ID: idp.NewID(), ClientID: c.ID, UserID: s.UserID, Subject: "pairwise-" + s.UserID, SessionID: s.ID, PopulationID: s.PopulationID,
		PolicyVersion: s.PolicyVersion,
		RedirectURI:   c.RedirectURIs[0], Scopes: []string{"openid", "offline_access"}, Nonce: "nønce", Resource: resource,
		CodeChallenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", CodeHash: idp.HashSecret(code),
		CodeExpiresAt: now.Add(idp.CodeLifetime), Proofs: s.Proofs, ACR: idp.ACRMFA, Offline: true,
		Claims:       idp.AskedClaims{IDToken: []string{"email"}, Userinfo: []string{"name", "zoneinfo"}},
		GivenVersion: 3, ConnectionID: "entra", Address: s.Address, UserAgent: s.UserAgent,
		CreatedAt: now, ExpiresAt: now.Add(c.RefreshTTL),
	}, code
}

// AppOf is what of a client decides what its grants are worth.
func AppOf(c idp.Client) idp.App {
	return idp.App{Kind: c.Kind, GrantTypes: c.GrantTypes, Scopes: c.Scopes, Populations: c.Populations, Claims: c.Claims, Resources: c.Resources, NeedsProof: c.NeedsProof(), FAPI: c.FAPI}
}

// Request is an authorization request of a client.
func Request(c idp.Client) idp.Request {
	now := idp.Now()
	return idp.Request{
		ID: idp.NewID(), BrowserHash: idp.HashSecret("browser"), ClientID: c.ID, RedirectURI: c.RedirectURIs[0],
		Scopes: []string{"openid", "email"}, State: "st{a}te 🔑", Nonce: "nønce",
		Claims:        idp.AskedClaims{IDToken: []string{"email", "name"}, Userinfo: []string{"zoneinfo"}},
		CodeChallenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", ResponseMode: idp.FormPostMode, Resource: "https://api.example/",
		Pushed: idp.HashSecret("pushed"), WasPushed: true,
		Demand: idp.Demand{
			ACRValues: []idp.ACR{idp.ACRMFA, idp.ACRTwoStep}, MaxAge: time.Hour, Since: now, UserID: "someone", Subject: "their subject", Choose: true, Consent: true,
		},
		LoginHint: "maya@rtx.example", UILocales: "de en", CreatedAt: now, ExpiresAt: now.Add(idp.FlowLifetime),
	}
}

// Flow is a sign-in in progress for a request.
func Flow(r idp.Request, s idp.Session) idp.Flow {
	return idp.Flow{
		ID: idp.NewID(), RequestID: r.ID, BrowserHash: r.BrowserHash, ClientID: r.ClientID,
		PopulationID: s.PopulationID, UserID: s.UserID, Kind: "challenge", Data: []byte("{\"a\":\x00\xff}"),
		Proofs: Proofs(), PolicyVersion: 3, SessionID: s.ID, Version: 7,
		CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt,
	}
}

// World is one person of one population who signed in at one client.
type World struct {
	Population idp.Population
	User       idp.User
	Client     idp.Client
	Session    idp.Session
	Grant      idp.Grant
	Consent    idp.Consent // by which the grant was made
	// Token is the session's, Code the grant's.
	Token, Code string
}

// World stores one.
func (d *Database) World(tb testing.TB) World {
	tb.Helper()
	var w World
	w.Population = Population(idp.Agents)
	w.User = User(w.Population.ID, "Maya@RTX.example")
	w.Client = Client(w.Population.ID)
	w.Session, w.Token = Session(w.User, w.Population)
	w.Grant, w.Code = Grant(w.Client, w.Session)
	ctx := tb.Context()
	_, err := d.CreatePopulation(ctx, w.Population, idp.Now())
	Must(tb, err)
	Must(tb, d.CreateUser(ctx, w.User))
	Must(tb, d.CreateClient(ctx, w.Client))
	Must(tb, d.CreateSession(ctx, w.Session))
	asked := idp.Request{Scopes: w.Grant.Scopes, Claims: w.Grant.Claims, Resource: w.Grant.Resource}
	Must(tb, d.GiveConsent(ctx, idp.Consent{}, w.User.ID, w.Client.ID, asked.Terms(), idp.Now()))
	w.Consent, err = d.Consent(ctx, w.User.ID, w.Client.ID)
	Must(tb, err)
	w.Grant.ConsentID = w.Consent.ID
	Must(tb, d.CreateGrant(ctx, w.Grant))
	return w
}

// Must ends the test when a step that is not what it is about fails.
func Must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// Race calls fn n times at once and returns what came of each call.
func Race[T any](n int, fn func(i int) T) []T {
	results := make([]T, n)
	start, done := make(chan struct{}), make(chan int, n)
	for i := range n {
		go func() {
			<-start
			results[i] = fn(i)
			done <- i
		}()
	}
	close(start)
	for range n {
		<-done
	}
	return results
}

// TrustedBrowser is one that a person trusts for a week, with the authenticator.
func TrustedBrowser(userID string) idp.TrustedBrowser {
	now := idp.Now()
	return idp.TrustedBrowser{
		ID: idp.NewID(), UserID: userID, BrowserHash: idp.HashSecret(idp.NewSecret()), ACR: idp.ACRMFA, PolicyVersion: 1 << 40,
		UserAgent: "Mozilla/5.0", Address: "203.0.113.7", CreatedAt: now, ExpiresAt: now.Add(7 * 24 * time.Hour), LeastDays: -1,
	}
}
