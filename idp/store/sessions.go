package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm/clause"

	"gatehouse/idp"
	"gatehouse/mfa"
)

type sessionRow struct {
	ID            string `gorm:"primaryKey"`
	TokenHash     []byte
	BrowserHash   []byte
	UserID        string
	PopulationID  string
	PolicyVersion int64
	Proofs        string
	Address       string
	UserAgent     string
	CreatedAt     time.Time
	LastSeenAt    time.Time
	ExpiresAt     time.Time
	EndedAt       *time.Time
	Kept          bool
	ConnectionID  string
	UpstreamSID   string `gorm:"column:upstream_sid"`
	// UpstreamSignOut is sealed.
	UpstreamSignOut []byte
}

func (sessionRow) TableName() string { return "sessions" }

func (r sessionRow) session() (idp.Session, error) {
	if r.ID == "" {
		return idp.Session{}, nil // an outer join without a match
	}
	proofs, err := decodeProofs(r.Proofs)
	return idp.Session{
		ID: r.ID, TokenHash: r.TokenHash, BrowserHash: r.BrowserHash, UserID: r.UserID,
		PopulationID: r.PopulationID, PolicyVersion: r.PolicyVersion, Proofs: proofs,
		Address: r.Address, UserAgent: r.UserAgent, CreatedAt: r.CreatedAt.UTC(),
		LastSeenAt: r.LastSeenAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(), EndedAt: orZero(r.EndedAt),
		Kept: r.Kept, ConnectionID: r.ConnectionID, UpstreamSID: r.UpstreamSID, UpstreamSignOut: orNil(r.UpstreamSignOut),
	}, err
}

// SessionState is a session with everything that decides whether it counts.
type SessionState struct {
	Session    idp.Session
	User       idp.User
	Population idp.Population
	// Judged is the policy that was in force when the session was created, and
	// Override what the client that asks had then, with its MinVersion of now.
	Judged   idp.Policy
	Override idp.Override
	// Way is the connection that the person came through.
	Way idp.Way
	// Trusted is the session's browser, where the person trusts it.
	Trusted idp.TrustedBrowser
}

// Worth is the session with the proofs that count now, and whether it lives by them.
func (s SessionState) Worth() (SessionState, bool) {
	proofs, lessened := s.Way.Worth(s.Session.Proofs, s.Population)
	s.Session.Proofs = proofs
	return s, !lessened || mfa.HasFirstStep(proofs)
}

type sessionJoin struct {
	Session    sessionRow    `gorm:"embedded;embeddedPrefix:s_"`
	User       userRow       `gorm:"embedded;embeddedPrefix:u_"`
	Population populationRow `gorm:"embedded;embeddedPrefix:p_"`
	Policy     policyRow     `gorm:"embedded;embeddedPrefix:y_"`
	Judged     policyRow     `gorm:"embedded;embeddedPrefix:j_"`
	Override   overrideRow   `gorm:"embedded;embeddedPrefix:o_"`
	Way        wayJoin       `gorm:"embedded"`
	Trusted    trustedJoin   `gorm:"embedded"`
	Min        int64         `gorm:"column:override_min"`
}

var selectSessions = "SELECT " + columns(sessionRow{}, "s") + ", " + columns(userRow{}, "u") + ", " +
	columns(populationRow{}, "p") + ", " + columns(policyRow{}, "y") + ", " + columns(policyRow{}, "j") + ", " +
	columns(overrideRow{}, "o") + ", " + wayColumns + ", " + trustedColumns + ", COALESCE(c.override_min_version, 0) AS override_min" +
	` FROM sessions s
	JOIN users u ON u.id = s.user_id
	JOIN populations p ON p.id = s.population_id
	JOIN policies y ON y.population_id = p.id AND y.version = p.policy_version
	JOIN` + judgedPolicy("s.policy_version") + `
	LEFT JOIN clients c ON c.id = ?` + judgedOverride("s.policy_version") + joinWay("s.connection_id", "s.user_id") + `
	LEFT JOIN trusted_browsers t ON t.user_id = s.user_id AND t.browser_hash = s.browser_hash`

// judgedPolicy, after JOIN, takes as j the population's policy that was in force at the
// version given.
func judgedPolicy(version string) string {
	return ` policies j ON j.population_id = p.id AND j.version =
		(SELECT MAX(version) FROM policies WHERE population_id = p.id AND version <= ` + version + `)`
}

// judgedOverride joins as o the client's override that was in force at the version
// given; the first one counts for whatever was there before the client.
func judgedOverride(version string) string {
	return `
	LEFT JOIN overrides o ON o.client_id = c.id AND o.version =
		(SELECT MAX(version) FROM overrides WHERE client_id = c.id AND version <= ` + version + `)`
}

// SessionsByToken reads the sessions behind the cookies that a browser sent, as
// they stand for a client (empty: none in particular), in one statement. Ended and
// expired ones are among them.
func (s *Store) SessionsByToken(ctx context.Context, clientID string, tokenHashes [][]byte) ([]SessionState, error) {
	if len(tokenHashes) == 0 {
		return nil, nil
	}
	return s.sessionStates(ctx, " WHERE s.token_hash IN ?", clientID, tokenHashes)
}

// SessionState reads a session by its public id as it stands for a client, ended or
// not. idp.ErrNotFound: there is none.
func (s *Store) SessionState(ctx context.Context, clientID, id string) (SessionState, error) {
	list, err := s.sessionStates(ctx, " WHERE s.id = ?", clientID, id)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("session: %w", idp.ErrNotFound)
	}
	if err != nil {
		return SessionState{}, err
	}
	return list[0], nil
}

// UnendedSessions reads up to limit sessions of a population that have not ended, after the
// one given, in the order of their ids.
func (s *Store) UnendedSessions(ctx context.Context, population, after string, limit int) ([]SessionState, error) {
	return s.sessionStates(ctx, " WHERE s.population_id = ? AND s.ended_at IS NULL AND s.id > ? ORDER BY s.id LIMIT ?", "", population, after, limit)
}

func (s *Store) sessionStates(ctx context.Context, where string, args ...any) ([]SessionState, error) {
	var rows []sessionJoin
	err := s.reader(ctx).Raw(selectSessions+where, args...).Scan(&rows).Error
	if err != nil {
		return nil, found(err, "sessions")
	}
	list := make([]SessionState, len(rows))
	for i, r := range rows {
		session, err := r.Session.session()
		if err != nil {
			return nil, err
		}
		population, err := r.Population.population(r.Policy)
		if err != nil {
			return nil, err
		}
		list[i] = SessionState{
			Session: session, User: r.User.user(),
			Population: population, Judged: r.Judged.policy(),
			Override: r.Override.override(r.Min), Way: r.Way.way(), Trusted: r.Trusted.trusted(),
		}
	}
	return list, nil
}

// Session reads a session by its public id, ended or not.
func (s *Store) Session(ctx context.Context, id string) (idp.Session, error) {
	var row sessionRow
	if err := s.reader(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return idp.Session{}, found(err, "session")
	}
	return row.session()
}

// CreateSession stores a new session.
func (s *Store) CreateSession(ctx context.Context, v idp.Session) error {
	return written(s.writer(ctx).Create(&sessionRow{
		ID: v.ID, TokenHash: v.TokenHash, BrowserHash: v.BrowserHash, UserID: v.UserID,
		PopulationID: v.PopulationID, PolicyVersion: v.PolicyVersion, Proofs: encodeProofs(v.Proofs),
		Address: v.Address, UserAgent: v.UserAgent, CreatedAt: v.CreatedAt,
		LastSeenAt: v.LastSeenAt, ExpiresAt: v.ExpiresAt, EndedAt: orNull(v.EndedAt),
		Kept: v.Kept, ConnectionID: v.ConnectionID, UpstreamSID: v.UpstreamSID, UpstreamSignOut: notNil(v.UpstreamSignOut),
	}).Error, "session")
}

// RenewSession replaces a living session's token, its proofs and the policy
// version it is judged by: a rise in privilege. idp.ErrExpired: it ended.
func (s *Store) RenewSession(ctx context.Context, v idp.Session) error {
	return once(s.writer(ctx).Model(&sessionRow{}).
		Where("id = ? AND ended_at IS NULL", v.ID).
		UpdateColumns(map[string]any{
			"token_hash": v.TokenHash, "proofs": encodeProofs(v.Proofs),
			"policy_version": v.PolicyVersion, "last_seen_at": v.LastSeenAt,
			"connection_id": v.ConnectionID, "upstream_sid": v.UpstreamSID, "upstream_sign_out": notNil(v.UpstreamSignOut),
		}), "session", idp.ErrExpired)
}

// TouchInterval is how coarsely a session's activity is recorded.
const TouchInterval = time.Minute

// TouchSession records activity of a session, when the last record is older
// than TouchInterval.
func (s *Store) TouchSession(ctx context.Context, v idp.Session, now time.Time) error {
	if v.ID == "" || now.Sub(v.LastSeenAt) < TouchInterval {
		return nil
	}
	return written(s.writer(ctx).Model(&sessionRow{}).
		Where("id = ? AND last_seen_at < ?", v.ID, now).
		UpdateColumn("last_seen_at", now).Error, "session")
}

// EndSessions ends sessions and returns those that had not ended before.
func (s *Store) EndSessions(ctx context.Context, at time.Time, ids ...string) ([]idp.Session, error) {
	return s.endSessions(ctx, at, "id IN ?", ids)
}

// EndSessionByToken ends the session whose cookie is about to be replaced by
// another's. It returns none when there was none.
func (s *Store) EndSessionByToken(ctx context.Context, tokenHash []byte, at time.Time) ([]idp.Session, error) {
	return s.endSessions(ctx, at, "token_hash = ?", tokenHash)
}

// EndSessionsOf ends all sessions of a user but one (empty: none is spared), and
// returns those that had not ended before.
func (s *Store) EndSessionsOf(ctx context.Context, userID, except string, at time.Time) ([]idp.Session, error) {
	return s.endSessions(ctx, at, "user_id = ? AND id <> ?", userID, except)
}

// EndSessionsThrough ends the sessions of the people who came through a connection.
func (s *Store) EndSessionsThrough(ctx context.Context, connectionID string, at time.Time) ([]idp.Session, error) {
	return s.endSessions(ctx, at, "connection_id = ?", connectionID)
}

// EndSessionsBelow ends up to limit sessions of a population that an older policy
// judged. They were dead before; this is for those who are told.
func (s *Store) EndSessionsBelow(ctx context.Context, population string, version int64, at time.Time, limit int) ([]idp.Session, error) {
	// The order keeps PostgreSQL to the index: of sessions that ended and those of an
	// older policy it knows how many there are, and not that they are the same. It
	// would look through the whole table to find that none is left.
	dead := s.writer(ctx).Model(&sessionRow{}).Select("id").
		Where("population_id = ? AND policy_version < ? AND ended_at IS NULL", population, version).
		Order("policy_version").Limit(limit)
	return s.endSessions(ctx, at, "id IN (?)", dead)
}

// EndSessionsExpired ends up to limit sessions of a population, kept ones or others, that
// were not used for idle, and those of it beyond their absolute limit. They could not be
// used before; this is for those who are told.
func (s *Store) EndSessionsExpired(ctx context.Context, population string, kept bool, idle time.Duration, at time.Time, limit int) ([]idp.Session, error) {
	// In this order for the reason of EndSessionsBelow.
	unused := s.writer(ctx).Model(&sessionRow{}).Select("id").
		Where("population_id = ? AND kept = ? AND last_seen_at <= ? AND ended_at IS NULL", population, kept, at.Add(-idle)).
		Order("last_seen_at").Limit(limit)
	// Said twice: who uses one meanwhile keeps it.
	ended, err := s.endSessions(ctx, at, "id IN (?) AND last_seen_at <= ?", unused, at.Add(-idle))
	if err != nil {
		return nil, err
	}
	over := s.writer(ctx).Model(&sessionRow{}).Select("id").
		Where("expires_at <= ? AND ended_at IS NULL AND population_id = ? AND kept = ?", at, population, kept).
		Order("expires_at").Limit(limit)
	more, err := s.endSessions(ctx, at, "id IN (?)", over)
	return append(ended, more...), err
}

func (s *Store) endSessions(ctx context.Context, at time.Time, where string, args ...any) ([]idp.Session, error) {
	var rows []sessionRow
	err := s.writer(ctx).Model(&rows).Clauses(clause.Returning{}).
		Where(where, args...).Where("ended_at IS NULL").
		UpdateColumns(map[string]any{"ended_at": at, "upstream_sign_out": []byte{}}).Error
	if err != nil {
		return nil, written(err, "session")
	}
	list := make([]idp.Session, len(rows))
	for i, r := range rows {
		if list[i], err = r.session(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Party is a client that has tokens of a session and wants to be told when it
// ends.
type Party struct {
	ClientID, UserID, SessionID string
}

// Parties lists the clients of sessions that are to be told of their end: those
// with a back-channel logout URI that redeemed a code.
func (s *Store) Parties(ctx context.Context, sessionIDs ...string) ([]Party, error) {
	var list []Party
	err := s.reader(ctx).Raw(`SELECT DISTINCT g.client_id, g.user_id, g.session_id FROM grants g
		JOIN clients c ON c.id = g.client_id AND c.backchannel_logout_uri <> ''
		WHERE g.session_id IN ? AND g.code_used_at IS NOT NULL`, sessionIDs).Scan(&list).Error
	return list, found(err, "parties of sessions")
}

// PartiesInBrowser lists the clients of sessions that redeemed a code.
func (s *Store) PartiesInBrowser(ctx context.Context, sessionIDs ...string) ([]Party, error) {
	var list []Party
	err := s.reader(ctx).Raw(`SELECT DISTINCT client_id, user_id, session_id FROM grants
		WHERE session_id IN ? AND code_used_at IS NOT NULL ORDER BY client_id, session_id`, sessionIDs).Scan(&list).Error
	return list, found(err, "parties of sessions")
}

// RevokeGrantsBelow revokes up to limit grants of a client that an older override
// judged, and returns whom to tell: the sessions that got no newer grant of this
// client since. revoked is how many grants there were.
func (s *Store) RevokeGrantsBelow(ctx context.Context, clientID string, version int64, at time.Time, limit int) (revoked int, told []Party, err error) {
	// In this order for the reason of EndSessionsBelow.
	dead := s.writer(ctx).Model(&grantRow{}).Select("id").
		Where("client_id = ? AND policy_version < ? AND revoked_at IS NULL", clientID, version).
		Order("policy_version").Limit(limit)
	var rows []grantRow
	err = s.writer(ctx).Model(&rows).Clauses(clause.Returning{}).
		Where("id IN (?) AND revoked_at IS NULL", dead).UpdateColumn("revoked_at", at).Error
	if err != nil || len(rows) == 0 {
		return 0, nil, written(err, "grant")
	}
	var sessions []string
	for _, r := range rows {
		sessions = append(sessions, r.SessionID)
	}
	err = s.reader(ctx).Raw(`SELECT DISTINCT g.client_id, g.user_id, g.session_id FROM grants g
		JOIN clients c ON c.id = g.client_id AND c.backchannel_logout_uri <> ''
		WHERE g.client_id = ? AND g.session_id IN ? AND g.code_used_at IS NOT NULL AND g.policy_version < ?
			AND NOT EXISTS (SELECT 1 FROM grants n WHERE n.session_id = g.session_id AND n.client_id = g.client_id
				AND n.policy_version >= ? AND n.revoked_at IS NULL)`,
		clientID, sessions, version, version).Scan(&told).Error
	return len(rows), told, found(err, "parties of grants")
}

// RevokeGrantsThrough revokes all grants of the people who are linked to a connection.
func (s *Store) RevokeGrantsThrough(ctx context.Context, connectionID string, at time.Time) error {
	return written(s.writer(ctx).Model(&grantRow{}).
		Where("user_id IN (SELECT user_id FROM identities WHERE connection_id = ?) AND revoked_at IS NULL", connectionID).
		UpdateColumn("revoked_at", at).Error, "grants")
}

// RevokeGrantsOf revokes all grants of a user, those with offline access too.
func (s *Store) RevokeGrantsOf(ctx context.Context, userID string, at time.Time) error {
	return written(s.writer(ctx).Model(&grantRow{}).Where("user_id = ? AND revoked_at IS NULL", userID).
		UpdateColumn("revoked_at", at).Error, "grants")
}

// RevokeOfflineOf revokes the grants with offline access of a user, and returns how many
// there were.
func (s *Store) RevokeOfflineOf(ctx context.Context, userID string, at time.Time) (int, error) {
	r := s.writer(ctx).Model(&grantRow{}).Where("user_id = ? AND offline AND revoked_at IS NULL AND expires_at > ?", userID, at).
		UpdateColumn("revoked_at", at)
	return int(r.RowsAffected), written(r.Error, "grants")
}

// RevokeGrantsByPassword revokes what outlives sessions of a user who changed their
// password, and with others also what other sessions than the one given had.
func (s *Store) RevokeGrantsByPassword(ctx context.Context, userID, except string, others bool, at time.Time) error {
	return written(s.writer(ctx).Model(&grantRow{}).
		Where("user_id = ? AND revoked_at IS NULL AND (offline OR ? AND session_id <> ?)", userID, others, except).
		UpdateColumn("revoked_at", at).Error, "grants")
}

// PoliciesApplied lists the populations and clients whose MinVersion was ever
// raised.
func (s *Store) PoliciesApplied(ctx context.Context) (populations, clients map[string]int64, err error) {
	var rows []struct {
		ID       string
		Version  int64
		IsClient bool
	}
	err = s.reader(ctx).Raw(`SELECT id, min_version AS version, FALSE AS is_client FROM populations WHERE min_version > 0
		UNION ALL SELECT id, override_min_version AS version, TRUE AS is_client FROM clients WHERE override_min_version > 0`).
		Scan(&rows).Error
	populations, clients = map[string]int64{}, map[string]int64{}
	for _, r := range rows {
		if r.IsClient {
			clients[r.ID] = r.Version
		} else {
			populations[r.ID] = r.Version
		}
	}
	return populations, clients, found(err, "policies")
}

// PeopleWithAccess lists who is signed in somewhere, has a sign-in under way, or gave apps
// access that has not ended.
func (s *Store) PeopleWithAccess(ctx context.Context) (ids []string, err error) {
	err = s.reader(ctx).Raw(`SELECT user_id FROM sessions WHERE ended_at IS NULL
		UNION SELECT user_id FROM grants WHERE revoked_at IS NULL
		UNION SELECT user_id FROM flows WHERE user_id <> '' ORDER BY user_id`).Scan(&ids).Error
	return ids, found(err, "people with access")
}
