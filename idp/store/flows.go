package store

import (
	"context"
	"errors"
	"time"

	"gatehouse/idp"
)

type flowRow struct {
	ID            string `gorm:"primaryKey"`
	RequestID     string
	BrowserHash   []byte
	ClientID      string
	PopulationID  string
	UserID        string
	Kind          string
	Data          []byte
	Proofs        string
	PolicyVersion int64
	SessionID     string
	Version       int64
	CreatedAt     time.Time
	ExpiresAt     time.Time
}

func (flowRow) TableName() string { return "flows" }

func (r flowRow) flow() (idp.Flow, error) {
	proofs, err := decodeProofs(r.Proofs)
	return idp.Flow{
		ID: r.ID, RequestID: r.RequestID, BrowserHash: r.BrowserHash, ClientID: r.ClientID,
		PopulationID: r.PopulationID, UserID: r.UserID, Kind: r.Kind, Data: r.Data, Proofs: proofs,
		PolicyVersion: r.PolicyVersion, SessionID: r.SessionID, Version: r.Version,
		CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
	}, err
}

// CreateFlow stores a flow that begins.
func (s *Store) CreateFlow(ctx context.Context, f idp.Flow) error {
	return written(s.writer(ctx).Create(&flowRow{
		ID: f.ID, RequestID: f.RequestID, BrowserHash: f.BrowserHash, ClientID: f.ClientID,
		PopulationID: f.PopulationID, UserID: f.UserID, Kind: f.Kind, Data: notNil(f.Data),
		Proofs: encodeProofs(f.Proofs), PolicyVersion: f.PolicyVersion, SessionID: f.SessionID,
		Version: f.Version, CreatedAt: f.CreatedAt, ExpiresAt: f.ExpiresAt,
	}).Error, "flow")
}

// Flow reads a flow, expired or not.
func (s *Store) Flow(ctx context.Context, id string) (idp.Flow, error) {
	var row flowRow
	if err := s.reader(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return idp.Flow{}, found(err, "flow")
	}
	return row.flow()
}

// FlowContext is what decides, beside the flow itself, what comes next.
type FlowContext struct {
	Request idp.Request
	// Version is the number of the last change of any policy or override.
	Version    int64
	Population idp.Population // with the policy now in force
	Override   idp.Override   // the client's, now in force
	// Judged and JudgedOverride were in force at the flow's PolicyVersion.
	Judged         idp.Policy
	JudgedOverride idp.Override
	User           idp.User    // empty until a password was accepted
	Session        idp.Session // the one that the flow began with or ended in; empty for none
	// KnownBrowser: the user finished a sign-in in this browser before. OwnBrowser: and
	// proved a second step in one, which a thief of the password did not. AppBrowser:
	// and that was the authenticator or a recovery code, which a thief of the mailbox did
	// not.
	KnownBrowser, OwnBrowser, AppBrowser bool
	// Way is the connection that a proof of the flow came through.
	Way idp.Way
	// Consent is what the person lets the client have, empty for nothing.
	Consent idp.Consent
	// Trusted is this browser, where the person trusts it.
	Trusted idp.TrustedBrowser
}

type flowContextJoin struct {
	Request        requestRow    `gorm:"embedded;embeddedPrefix:r_"`
	Population     populationRow `gorm:"embedded;embeddedPrefix:p_"`
	Policy         policyRow     `gorm:"embedded;embeddedPrefix:y_"`
	Judged         policyRow     `gorm:"embedded;embeddedPrefix:j_"`
	Override       overrideRow   `gorm:"embedded;embeddedPrefix:v_"`
	JudgedOverride overrideRow   `gorm:"embedded;embeddedPrefix:o_"`
	OverrideMin    int64
	Version        int64
	User           userRow    `gorm:"embedded;embeddedPrefix:u_"`
	Session        sessionRow `gorm:"embedded;embeddedPrefix:s_"`
	KnownBrowser   bool
	OwnBrowser     bool
	AppBrowser     bool
	Way            wayJoin     `gorm:"embedded"`
	Consent        consentRow  `gorm:"embedded;embeddedPrefix:x_"`
	Trusted        trustedJoin `gorm:"embedded"`
}

var selectFlowContext = "SELECT " + columns(requestRow{}, "r") + ", " +
	columns(populationRow{}, "p") + ", " + columns(policyRow{}, "y") + ", " + columns(policyRow{}, "j") + ", " +
	columns(overrideRow{}, "v") + ", " + columns(overrideRow{}, "o") + ", " +
	columns(userRow{}, "u") + ", " + columns(sessionRow{}, "s") + ", " + columns(consentRow{}, "x") + ", " + wayColumns + ", " + trustedColumns + `,
	c.override_min_version AS override_min,
	(SELECT value FROM policy_sequence WHERE id = 1) AS version,
	EXISTS (SELECT 1 FROM known_browsers k WHERE k.user_id = u.id AND k.browser_hash = @browser) AS known_browser,
	EXISTS (SELECT 1 FROM known_browsers k WHERE k.user_id = u.id AND k.browser_hash = @browser AND k.second_step) AS own_browser,
	EXISTS (SELECT 1 FROM known_browsers k WHERE k.user_id = u.id AND k.browser_hash = @browser AND k.authenticator) AS app_browser
	FROM requests r
	JOIN clients c ON c.id = r.client_id
	JOIN overrides v ON v.client_id = c.id AND v.version = c.override_version
	JOIN populations p ON p.id = @population
	JOIN policies y ON y.population_id = p.id AND y.version = p.policy_version
	LEFT JOIN` + judgedPolicy("@version") + judgedOverride("@version") + `
	LEFT JOIN users u ON u.id = @user
	LEFT JOIN sessions s ON s.id = @session
	LEFT JOIN consents x ON x.user_id = @user AND x.client_id = c.id
	LEFT JOIN trusted_browsers t ON t.user_id = @user AND t.browser_hash = @browser` + joinWay("@connection", "@user") + `
	WHERE r.id = @request`

// FlowContext reads it for a flow as the caller has it, stored or
// not, in one statement.
func (s *Store) FlowContext(ctx context.Context, f idp.Flow) (FlowContext, error) {
	var row flowContextJoin
	err := s.reader(ctx).Raw(selectFlowContext, map[string]any{
		"browser": f.BrowserHash, "population": f.PopulationID, "version": f.PolicyVersion, "user": f.UserID,
		"session": f.SessionID, "request": f.RequestID, "connection": idp.Via(f.Proofs),
	}).Take(&row).Error
	if err != nil {
		return FlowContext{}, found(err, "context of a flow")
	}
	request, errRequest := row.Request.request()
	session, errSession := row.Session.session()
	population, errPopulation := row.Population.population(row.Policy)
	consent, errConsent := row.Consent.consent()
	return FlowContext{
		Request: request, Version: row.Version,
		Population: population, Override: row.Override.override(row.OverrideMin),
		Judged: row.Judged.policy(), JudgedOverride: row.JudgedOverride.override(row.OverrideMin),
		User: row.User.user(), Session: session, KnownBrowser: row.KnownBrowser, OwnBrowser: row.OwnBrowser,
		AppBrowser: row.AppBrowser, Way: row.Way.way(), Consent: consent, Trusted: row.Trusted.trusted(),
	}, errors.Join(errRequest, errSession, errPopulation, errConsent)
}

// AdvanceFlow writes a flow that was read at f.Version and raises its version.
// idp.ErrConflict: another tab was faster, and nothing was written.
func (s *Store) AdvanceFlow(ctx context.Context, f idp.Flow) error {
	return once(s.writer(ctx).Model(&flowRow{}).
		Where("id = ? AND version = ?", f.ID, f.Version).
		UpdateColumns(map[string]any{
			"population_id": f.PopulationID, "user_id": f.UserID, "kind": f.Kind, "data": notNil(f.Data),
			"proofs": encodeProofs(f.Proofs), "policy_version": f.PolicyVersion,
			"session_id": f.SessionID, "version": f.Version + 1, "expires_at": f.ExpiresAt,
		}), "flow", idp.ErrConflict)
}

// DropFlows ends the sign-ins of a user that are under way. It waits for one that is
// just finishing: whatever session that one makes can be ended afterwards.
func (s *Store) DropFlows(ctx context.Context, userID string) error {
	return s.DropOtherFlows(ctx, userID, "")
}

// DropOtherFlows is DropFlows but for one flow.
func (s *Store) DropOtherFlows(ctx context.Context, userID, except string) error {
	return written(s.writer(ctx).Where("user_id = ? AND id <> ?", userID, except).Delete(&flowRow{}).Error, "flows")
}

// notNil stores no bytes as an empty value: SQLite's driver binds nil as NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
