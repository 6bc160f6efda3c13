package store

import (
	"context"
	"errors"
	"time"

	"gatehouse/idp"
	"gatehouse/mfa"
)

type policySequenceRow struct {
	ID    int64 `gorm:"primaryKey;autoIncrement:false"`
	Value int64
}

func (policySequenceRow) TableName() string { return "policy_sequence" }

// PolicyVersion reads the number of the last change of any policy or override
// and, in a transaction, keeps all further changes waiting until it ends: what is
// judged by the policies of this moment is judged by the newest.
func (s *Store) PolicyVersion(ctx context.Context) (int64, error) {
	query := "SELECT value FROM policy_sequence WHERE id = 1"
	if s.dialect == "postgres" {
		query += " FOR SHARE" // SQLite has one writer anyway
	}
	var version int64
	err := s.writer(ctx).Raw(query).Take(&version).Error
	return version, found(err, "policy version")
}

// NextPolicyVersion takes the number for a change. It waits for sign-ins that are
// about to finish, and those that come after it see the change or fail to.
func (s *Store) NextPolicyVersion(ctx context.Context) (int64, error) {
	var version int64
	err := s.writer(ctx).Raw("UPDATE policy_sequence SET value = value + 1 WHERE id = 1 RETURNING value").Take(&version).Error
	return version, found(err, "policy version")
}

// raisePolicyVersion makes the sequence at least version.
func (s *Store) raisePolicyVersion(ctx context.Context, version int64) error {
	return written(s.writer(ctx).Model(&policySequenceRow{}).Where("id = 1 AND value < ?", version).
		UpdateColumn("value", version).Error, "policy version")
}

// SavePolicy puts a policy in force, provided that base still is the version in force; min
// becomes the population's MinVersion unless it is zero. idp.ErrConflict: it was changed
// meanwhile.
func (s *Store) SavePolicy(ctx context.Context, population string, base int64, p idp.Policy, min int64, at time.Time) error {
	return s.Do(ctx, func(ctx context.Context) error {
		change := map[string]any{"policy_version": p.Version}
		if min > 0 {
			change["min_version"] = min
		}
		r := s.writer(ctx).Model(&populationRow{}).
			Where("id = ? AND policy_version = ?", population, base).UpdateColumns(change)
		if err := once(r, "policy", idp.ErrConflict); err != nil {
			return err
		}
		return s.insertPolicy(ctx, population, p, at)
	})
}

type overrideRow struct {
	ClientID  string `gorm:"primaryKey"`
	Version   int64  `gorm:"primaryKey;autoIncrement:false"`
	Mode      string
	MinACR    string `gorm:"column:min_acr"`
	Federated bool
	CreatedAt time.Time
}

func (overrideRow) TableName() string { return "overrides" }

// override takes the client's MinVersion, which is no part of a version.
func (r overrideRow) override(min int64) idp.Override {
	return idp.Override{
		Version: r.Version, MinVersion: min, Mode: idp.OverrideMode(r.Mode), MinACR: idp.ACR(r.MinACR), Federated: r.Federated,
	}
}

func (s *Store) insertOverride(ctx context.Context, clientID string, o idp.Override, at time.Time) error {
	return written(s.writer(ctx).Create(&overrideRow{
		ClientID: clientID, Version: o.Version, Mode: string(o.Mode), MinACR: string(o.MinACR),
		Federated: o.Federated, CreatedAt: at,
	}).Error, "override")
}

// Override reads a client's override as it stands.
func (s *Store) Override(ctx context.Context, clientID string) (idp.Override, error) {
	var row struct {
		Override overrideRow `gorm:"embedded"`
		Min      int64
	}
	err := s.reader(ctx).Raw(`SELECT o.*, c.override_min_version AS min FROM clients c
		JOIN overrides o ON o.client_id = c.id AND o.version = c.override_version WHERE c.id = ?`, clientID).Take(&row).Error
	return row.Override.override(row.Min), found(err, "override")
}

// SaveOverride puts a client's override in force with its MinVersion, provided that base
// still is the version in force. idp.ErrConflict: it was changed meanwhile.
func (s *Store) SaveOverride(ctx context.Context, clientID string, base int64, o idp.Override, at time.Time) error {
	return s.Do(ctx, func(ctx context.Context) error {
		r := s.writer(ctx).Model(&clientRow{}).Where("id = ? AND override_version = ?", clientID, base).
			UpdateColumns(map[string]any{"override_version": o.Version, "override_min_version": o.MinVersion})
		if err := once(r, "override", idp.ErrConflict); err != nil {
			return err
		}
		return s.insertOverride(ctx, clientID, o, at)
	})
}

// Affected counts whom a change of policy concerns.
type Affected struct {
	People               int64 // who may sign in
	WithoutAuthenticator int64 // of those, without an authenticator app
	Sessions             int64 // that live now
}

// AffectedByPopulation counts the people and living sessions of populations.
func (s *Store) AffectedByPopulation(ctx context.Context, now time.Time, populations ...string) (Affected, error) {
	var total Affected
	for _, id := range populations {
		p, err := s.Population(ctx, id)
		if errors.Is(err, idp.ErrNotFound) {
			continue // it is empty
		}
		if err != nil {
			return total, err
		}
		var a Affected
		lives, args := living(p, now)
		err = s.reader(ctx).Raw(`SELECT
			(SELECT COUNT(*) FROM users u WHERE u.population_id = ? AND NOT u.disabled) AS people,
			(SELECT COUNT(*) FROM users u WHERE u.population_id = ? AND NOT u.disabled AND NOT EXISTS
				(SELECT 1 FROM factors f WHERE f.user_id = u.id AND f.method IN ?)) AS without_authenticator,
			(SELECT COUNT(*) FROM sessions s WHERE `+lives+`) AS sessions`,
			append([]any{id, id, mfa.OwnFactors()}, args...)...).Take(&a).Error
		if err != nil {
			return total, found(err, "what a policy affects")
		}
		total.People += a.People
		total.WithoutAuthenticator += a.WithoutAuthenticator
		total.Sessions += a.Sessions
	}
	return total, nil
}

// PeopleWithout counts the people of a population who may sign in and have no factor of some
// methods; of models that makers vouched for, unless models is nil.
func (s *Store) PeopleWithout(ctx context.Context, population string, methods []idp.Method, models []string) (int64, error) {
	has, args := "f.method IN ?", []any{population, methods}
	if models != nil {
		has += " AND f.attested_as IN ?"
		args = append(args, models)
	}
	var n int64
	err := s.reader(ctx).Raw(`SELECT COUNT(*) FROM users u WHERE u.population_id = ? AND NOT u.disabled AND NOT EXISTS
		(SELECT 1 FROM factors f WHERE f.user_id = u.id AND `+has+`)`, args...).Scan(&n).Error
	return n, found(err, "people without a factor")
}

// WithOtherPasskeys counts the people of a population who may sign in and have a passkey that
// no maker vouched for as one of some models.
func (s *Store) WithOtherPasskeys(ctx context.Context, population string, models []string) (int64, error) {
	var n int64
	err := s.reader(ctx).Raw(`SELECT COUNT(*) FROM users u WHERE u.population_id = ? AND NOT u.disabled AND EXISTS
		(SELECT 1 FROM factors f WHERE f.user_id = u.id AND f.method = ? AND f.attested_as NOT IN ?)`,
		population, idp.MethodPasskey, models).Scan(&n).Error
	return n, found(err, "people with other passkeys")
}

// SessionsAtClient counts the living sessions that have a grant of a client that
// still counts.
func (s *Store) SessionsAtClient(ctx context.Context, clientID string, now time.Time) (int64, error) {
	populations, err := s.Populations(ctx)
	if err != nil {
		return 0, err
	}
	var total int64
	for _, p := range populations {
		var n int64
		lives, args := living(p, now)
		err := s.reader(ctx).Raw(`SELECT COUNT(DISTINCT s.id) FROM grants g
			JOIN clients c ON c.id = g.client_id
			JOIN sessions s ON s.id = g.session_id
			WHERE g.client_id = ? AND g.revoked_at IS NULL AND g.policy_version >= c.override_min_version
				AND `+lives, append([]any{clientID}, args...)...).Scan(&n).Error
		if err != nil {
			return 0, found(err, "sessions of a client")
		}
		total += n
	}
	return total, nil
}

// LivingSessionsOf counts the sessions of a population that live, by its limits.
func (s *Store) LivingSessionsOf(ctx context.Context, p idp.Population, now time.Time) (int64, error) {
	lives, args := living(p, now)
	var n int64
	err := s.reader(ctx).Raw("SELECT COUNT(*) FROM sessions s WHERE "+lives, args...).Take(&n).Error
	return n, found(err, "living sessions")
}

// AffectedPasswords counts whom a change of the rules of passwords concerns.
type AffectedPasswords struct {
	People    int64 // who may sign in with a password
	Expired   int64 // of those, whose password was set before a moment
	Elsewhere int64 // who may sign in and have no password here
	Sessions  int64 // that live now
}

// AffectedByPasswords counts the people of a population by their passwords, and its
// living sessions. Passwords set before the time given are expired; the zero time
// counts none.
func (s *Store) AffectedByPasswords(ctx context.Context, p idp.Population, expired, now time.Time) (AffectedPasswords, error) {
	lives, args := living(p, now)
	var a AffectedPasswords
	err := s.reader(ctx).Raw(`SELECT
		(SELECT COUNT(*) FROM users WHERE population_id = ? AND NOT disabled AND password_hash <> '') AS people,
		(SELECT COUNT(*) FROM users WHERE population_id = ? AND NOT disabled AND password_hash <> ''
			AND COALESCE(password_changed_at, created_at) < ?) AS expired,
		(SELECT COUNT(*) FROM users WHERE population_id = ? AND NOT disabled AND password_hash = '') AS elsewhere,
		(SELECT COUNT(*) FROM sessions s WHERE `+lives+`) AS sessions`,
		append([]any{p.ID, p.ID, expired, p.ID}, args...)...).Take(&a).Error
	return a, found(err, "whom rules of passwords affect")
}
