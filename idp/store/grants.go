package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"gatehouse/idp"
)

type grantRow struct {
	ID            string `gorm:"primaryKey"`
	ClientID      string
	UserID        string
	SessionID     string
	PopulationID  string
	PolicyVersion int64
	RedirectURI   string `gorm:"column:redirect_uri"`
	Scope         string
	Nonce         string
	CodeChallenge string
	CodeHash      []byte
	CodeExpiresAt time.Time
	CodeUsedAt    *time.Time
	Proofs        string
	ACR           string `gorm:"column:acr"`
	Offline       bool
	CreatedAt     time.Time
	ExpiresAt     time.Time
	RevokedAt     *time.Time
	GivenVersion  int64
	ConnectionID  string
	Address       string
	UserAgent     string
	Claims        string
	Resource      string
	ConsentID     string
	FromDevice    bool
	JKT           string `gorm:"column:jkt"`
	Subject       string
}

func (grantRow) TableName() string { return "grants" }

func (r grantRow) grant() (idp.Grant, error) {
	proofs, err := decodeProofs(r.Proofs)
	return idp.Grant{
		ID: r.ID, ClientID: r.ClientID, UserID: r.UserID, SessionID: r.SessionID,
		PopulationID: r.PopulationID, PolicyVersion: r.PolicyVersion,
		RedirectURI: r.RedirectURI, Scopes: fromWords(r.Scope), Nonce: r.Nonce, CodeChallenge: r.CodeChallenge,
		CodeHash: r.CodeHash, CodeExpiresAt: r.CodeExpiresAt.UTC(), CodeUsedAt: orZero(r.CodeUsedAt),
		Proofs: proofs, ACR: idp.ACR(r.ACR), Offline: r.Offline, CreatedAt: r.CreatedAt.UTC(),
		ExpiresAt: r.ExpiresAt.UTC(), RevokedAt: orZero(r.RevokedAt),
		GivenVersion: r.GivenVersion, ConnectionID: r.ConnectionID, Address: r.Address, UserAgent: r.UserAgent,
		Claims: askedClaims(r.Claims), Resource: r.Resource, ConsentID: r.ConsentID, FromDevice: r.FromDevice, JKT: r.JKT, Subject: r.Subject,
	}, err
}

// The places of claims that are asked for, as a grant keeps them.
const (
	inIDToken  = "id_token:"
	atUserinfo = "userinfo:"
)

func askedClaims(text string) (c idp.AskedClaims) {
	for _, word := range fromWords(text) {
		if name, ok := strings.CutPrefix(word, inIDToken); ok {
			c.IDToken = append(c.IDToken, name)
		} else if name, ok := strings.CutPrefix(word, atUserinfo); ok {
			c.Userinfo = append(c.Userinfo, name)
		}
	}
	return c
}

func claimWords(c idp.AskedClaims) string {
	var list []string
	for _, name := range c.IDToken {
		list = append(list, inIDToken+name)
	}
	for _, name := range c.Userinfo {
		list = append(list, atUserinfo+name)
	}
	return words(list)
}

// CreateGrant stores a grant with its code, provided that its session has not ended.
// idp.ErrExpired: it has. On PostgreSQL a transaction that ends the session waits for that
// of ctx, and then finds the grant.
func (s *Store) CreateGrant(ctx context.Context, g idp.Grant) error {
	names, values := namesAndValues(ctx, &grantRow{
		ID: g.ID, ClientID: g.ClientID, UserID: g.UserID, SessionID: g.SessionID,
		PopulationID: g.PopulationID, PolicyVersion: g.PolicyVersion,
		RedirectURI: g.RedirectURI, Scope: words(g.Scopes), Nonce: g.Nonce, CodeChallenge: g.CodeChallenge,
		CodeHash: g.CodeHash, CodeExpiresAt: g.CodeExpiresAt, CodeUsedAt: orNull(g.CodeUsedAt),
		Proofs: encodeProofs(g.Proofs), ACR: string(g.ACR), Offline: g.Offline, CreatedAt: g.CreatedAt,
		ExpiresAt: g.ExpiresAt, RevokedAt: orNull(g.RevokedAt),
		GivenVersion: g.GivenVersion, ConnectionID: g.ConnectionID, Address: g.Address, UserAgent: g.UserAgent,
		Claims: claimWords(g.Claims), Resource: g.Resource, ConsentID: g.ConsentID, FromDevice: g.FromDevice, JKT: g.JKT, Subject: g.Subject,
	})
	statement := "INSERT INTO grants (" + strings.Join(names, ", ") + ") SELECT " + placeholders(names, "given_version", numberNow) +
		" FROM sessions WHERE id = ? AND ended_at IS NULL"
	if s.dialect == "postgres" {
		statement += " FOR SHARE"
	}
	return once(s.writer(ctx).Exec(statement, append(values, g.SessionID)...), "grant", idp.ErrExpired)
}

// GivenVersion is the number of the last change of any policy, app or connection.
func (s *Store) GivenVersion(ctx context.Context) (version int64, err error) {
	err = s.reader(ctx).Raw("SELECT value FROM policy_sequence WHERE id = 1").Take(&version).Error
	return version, found(err, "policy version")
}

// numberNow is the number given, or where that is 0, the one of the last change of any
// policy, app or connection.
const numberNow = "COALESCE(NULLIF(?, 0), (SELECT value FROM policy_sequence WHERE id = 1))"

type grantStateJoin struct {
	App        appRow        `gorm:"embedded;embeddedPrefix:c_"`
	Way        wayJoin       `gorm:"embedded"`
	Consent    consentRow    `gorm:"embedded;embeddedPrefix:x_"`
	Grant      grantRow      `gorm:"embedded;embeddedPrefix:g_"`
	Session    sessionRow    `gorm:"embedded;embeddedPrefix:s_"`
	User       userRow       `gorm:"embedded;embeddedPrefix:u_"`
	Population populationRow `gorm:"embedded;embeddedPrefix:p_"`
	Policy     policyRow     `gorm:"embedded;embeddedPrefix:y_"`
	// OverrideMin is the client's, fresh: a client from the cache is too old to
	// judge by.
	OverrideMin int64 `gorm:"column:override_min_version"`
	// Roles are the ids of the person's, a word each, NULL for none.
	Roles *string `gorm:"column:held_roles"`
}

// heldRoles are the roles of the person in the statement that reads the grant: what is told
// of them costs none of its own.
const heldRoles = "(SELECT string_agg(h.role_id, ' ') FROM user_roles h WHERE h.user_id = g.user_id) AS held_roles"

var grantStateJoins = joinWay("g.connection_id", "g.user_id") + `
	JOIN users u ON u.id = g.user_id
	JOIN clients c ON c.id = g.client_id
	JOIN populations p ON p.id = g.population_id
	JOIN policies y ON y.population_id = p.id AND y.version = p.policy_version
	LEFT JOIN sessions s ON s.id = g.session_id
	LEFT JOIN consents x ON x.id = g.consent_id`

var (
	grantStateColumns = columns(grantRow{}, "g") + ", " + columns(sessionRow{}, "s") + ", " +
		columns(userRow{}, "u") + ", " + columns(populationRow{}, "p") + ", " + columns(policyRow{}, "y") +
		", c.override_min_version AS override_min_version, " + heldRoles + ", " + columns(appRow{}, "c") + ", " + columns(consentRow{}, "x") + ", " + wayColumns
	selectGrantState = "SELECT " + grantStateColumns + " FROM grants g" + grantStateJoins
)

func (r grantStateJoin) state() (idp.GrantState, error) {
	grant, errGrant := r.Grant.grant()
	session, errSession := r.Session.session()
	population, errPopulation := r.Population.population(r.Policy)
	app, errApp := r.App.app()
	consent, errConsent := r.Consent.consent()
	s := idp.GrantState{
		Grant: grant, Session: session, User: r.User.user(),
		Population: population, OverrideMin: r.OverrideMin, App: app, Way: r.Way.way(), Consent: consent,
	}
	if r.Roles != nil {
		s.Roles = fromWords(*r.Roles)
		slices.Sort(s.Roles)
	}
	return s, errors.Join(errGrant, errSession, errPopulation, errApp, errConsent)
}

// GrantStateByCode reads the grant of an authorization code, used or not.
func (s *Store) GrantStateByCode(ctx context.Context, codeHash []byte) (idp.GrantState, error) {
	return s.grantState(ctx, " WHERE g.code_hash = ?", codeHash)
}

// GrantState reads a grant by its id, revoked or not.
func (s *Store) GrantState(ctx context.Context, id string) (idp.GrantState, error) {
	return s.grantState(ctx, " WHERE g.id = ?", id)
}

func (s *Store) grantState(ctx context.Context, where string, arg any) (idp.GrantState, error) {
	var row grantStateJoin
	if err := s.reader(ctx).Raw(selectGrantState+where, arg).Take(&row).Error; err != nil {
		return idp.GrantState{}, found(err, "grant")
	}
	return row.state()
}

// UseCode consumes the code of a grant. Of any number of calls one returns nil,
// the others idp.ErrUsed.
func (s *Store) UseCode(ctx context.Context, grantID string, at time.Time) error {
	return once(s.writer(ctx).Model(&grantRow{}).
		Where("id = ? AND code_used_at IS NULL AND revoked_at IS NULL", grantID).
		UpdateColumn("code_used_at", at), "code", idp.ErrUsed)
}

// RevokeGrant ends a grant and everything that came of it. It returns false when
// it had been revoked before.
func (s *Store) RevokeGrant(ctx context.Context, id string, at time.Time) (bool, error) {
	r := s.writer(ctx).Model(&grantRow{}).
		Where("id = ? AND revoked_at IS NULL", id).UpdateColumn("revoked_at", at)
	return r.RowsAffected == 1, written(r.Error, "grant")
}
