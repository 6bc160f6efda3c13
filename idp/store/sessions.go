package store

import (
	"context"
	"time"

	"gorm.io/gorm/clause"

	"gatehouse/idp"
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
	}, err
}

// SessionStanding is a session with everything that decides whether it counts.
type SessionStanding struct {
	Session    idp.Session
	User       idp.User
	Population idp.Population
	// Judged is the policy that was in force when the session was created.
	Judged idp.Policy
}

type sessionJoin struct {
	Session    sessionRow    `gorm:"embedded;embeddedPrefix:s_"`
	User       userRow       `gorm:"embedded;embeddedPrefix:u_"`
	Population populationRow `gorm:"embedded;embeddedPrefix:p_"`
	Policy     policyRow     `gorm:"embedded;embeddedPrefix:y_"`
	Judged     policyRow     `gorm:"embedded;embeddedPrefix:j_"`
}

var selectSessions = "SELECT " + columns(sessionRow{}, "s") + ", " + columns(userRow{}, "u") + ", " +
	columns(populationRow{}, "p") + ", " + columns(policyRow{}, "y") + ", " + columns(policyRow{}, "j") +
	` FROM sessions s
	JOIN users u ON u.id = s.user_id
	JOIN populations p ON p.id = s.population_id
	JOIN policies y ON y.population_id = p.id AND y.version = p.policy_version
	JOIN policies j ON j.population_id = p.id AND j.version = s.policy_version`

// SessionsByToken reads the sessions behind the cookies that a browser sent, in
// one statement. Ended and expired ones are among them.
func (s *Store) SessionsByToken(ctx context.Context, tokenHashes [][]byte) ([]SessionStanding, error) {
	if len(tokenHashes) == 0 {
		return nil, nil
	}
	var rows []sessionJoin
	err := s.reader(ctx).Raw(selectSessions+" WHERE s.token_hash IN ?", tokenHashes).Scan(&rows).Error
	if err != nil {
		return nil, found(err, "sessions")
	}
	list := make([]SessionStanding, len(rows))
	for i, r := range rows {
		session, err := r.Session.session()
		if err != nil {
			return nil, err
		}
		list[i] = SessionStanding{
			Session: session, User: r.User.user(),
			Population: r.Population.population(r.Policy), Judged: r.Judged.policy(),
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

// EndSession ends a session. It returns false when it had ended before.
func (s *Store) EndSession(ctx context.Context, id string, at time.Time) (bool, error) {
	r := s.writer(ctx).Model(&sessionRow{}).
		Where("id = ? AND ended_at IS NULL", id).UpdateColumn("ended_at", at)
	return r.RowsAffected == 1, written(r.Error, "session")
}

// EndSessionByToken ends the session whose cookie is about to be replaced by
// another person's. It returns an empty session when there was none.
func (s *Store) EndSessionByToken(ctx context.Context, tokenHash []byte, at time.Time) (idp.Session, error) {
	var rows []sessionRow
	err := s.writer(ctx).Model(&rows).Clauses(clause.Returning{}).
		Where("token_hash = ? AND ended_at IS NULL", tokenHash).UpdateColumn("ended_at", at).Error
	if err != nil || len(rows) == 0 {
		return idp.Session{}, written(err, "session")
	}
	return rows[0].session()
}
