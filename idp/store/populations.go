package store

import (
	"context"
	"time"

	"gorm.io/gorm/clause"

	"gatehouse/idp"
)

type populationRow struct {
	ID                string `gorm:"primaryKey"`
	Name              string
	BrandColor        string
	LogoURL           string
	HelpURL           string
	PrivacyURL        string
	SessionIdle       int64
	SessionLifetime   int64
	PolicyVersion     int64
	MinVersion        int64
	CreatedAt         time.Time
	Version           int64
	AccessPassword    bool
	AccessFederated   bool
	Passwords         passwordRules `gorm:"serializer:json"`
	PasswordsAtSignIn passwordRules `gorm:"serializer:json"`
	EndOthers         bool
	KeepSignedIn      bool
	Registration      registration `gorm:"serializer:json"`
	KeptIdle          int64
	KeptLifetime      int64
	ExpirySince       *time.Time
	Taken             taken `gorm:"serializer:json"`
	Settings          string
}

func (populationRow) TableName() string { return "populations" }

func (r populationRow) population(p policyRow) (idp.Population, error) {
	population := idp.Population{
		ID: r.ID,
		Brand: idp.Brand{
			Name: r.Name, BrandColor: r.BrandColor, LogoURL: r.LogoURL, HelpURL: r.HelpURL, PrivacyURL: r.PrivacyURL,
		},
		SessionIdle: duration(r.SessionIdle), SessionLifetime: duration(r.SessionLifetime),
		KeepSignedIn: r.KeepSignedIn, EndOthers: r.EndOthers,
		KeptIdle: duration(r.KeptIdle), KeptLifetime: duration(r.KeptLifetime),
		Access:    idp.Access{Password: r.AccessPassword, Federated: r.AccessFederated},
		Passwords: idp.PasswordRules(r.Passwords), PasswordsAtSignIn: idp.PasswordRules(r.PasswordsAtSignIn),
		Registration: idp.Registration(r.Registration), ExpirySince: orZero(r.ExpirySince),
		Policy: p.policy(), MinVersion: r.MinVersion, Taken: r.Taken.vocabulary(),
	}
	return population, brandFields.FromColumn(r.Settings, &population.Brand)
}

// registration is how it is stored.
type registration struct {
	Open    bool     `json:"open,omitempty"`
	Allowed []string `json:"allowed,omitempty"`
	Denied  []string `json:"denied,omitempty"`
}

// passwordRules is how rules are stored.
type passwordRules struct {
	MinLength  int  `json:"min_length,omitempty"`
	Upper      bool `json:"upper,omitempty"`
	Lower      bool `json:"lower,omitempty"`
	Digit      bool `json:"digit,omitempty"`
	Special    bool `json:"special,omitempty"`
	ExpiryDays int  `json:"expiry_days,omitempty"`
	NoReuse    int  `json:"no_reuse,omitempty"`
}

type policyRow struct {
	PopulationID    string `gorm:"primaryKey"`
	Version         int64  `gorm:"primaryKey;autoIncrement:false"`
	Authenticator   bool
	IssuerLabel     string
	EmailCode       bool
	Passkey         bool
	PasskeyForRoles bool
	TrustDays       int64
	CreatedAt       time.Time

	SecurityKeys, SecurityKeyRoots string
	OnlySecurityKeys               bool
}

func (policyRow) TableName() string { return "policies" }

func (r policyRow) policy() idp.Policy {
	return idp.Policy{
		Version: r.Version, Authenticator: r.Authenticator,
		IssuerLabel: r.IssuerLabel, EmailCode: r.EmailCode, Passkey: r.Passkey, PasskeyForRoles: r.PasskeyForRoles, TrustDays: int(r.TrustDays),
		SecurityKeys: r.SecurityKeys, SecurityKeyRoots: r.SecurityKeyRoots, OnlySecurityKeys: r.OnlySecurityKeys,
	}
}

// CreatePopulation adds a population with the first version of its policy. It
// changes nothing when the population exists and then returns false.
func (s *Store) CreatePopulation(ctx context.Context, p idp.Population, now time.Time) (created bool, err error) {
	row := populationRow{
		ID: p.ID, Name: p.Name, BrandColor: p.BrandColor, LogoURL: p.LogoURL,
		HelpURL: p.HelpURL, PrivacyURL: p.PrivacyURL,
		SessionIdle: seconds(p.SessionIdle), SessionLifetime: seconds(p.SessionLifetime),
		KeepSignedIn: p.KeepSignedIn, EndOthers: p.EndOthers,
		KeptIdle: seconds(p.KeptIdle), KeptLifetime: seconds(p.KeptLifetime),
		AccessPassword: p.Access.Password, AccessFederated: p.Access.Federated,
		Passwords: passwordRules(p.Passwords), PasswordsAtSignIn: passwordRules(p.PasswordsAtSignIn),
		Registration: registration(p.Registration), ExpirySince: orNull(p.ExpirySince),
		PolicyVersion: p.Policy.Version, MinVersion: p.MinVersion, CreatedAt: now, Version: 1, Taken: rowOfTaken(p.Taken),
	}
	if row.Settings, err = brandFields.ToColumn("", p.Brand); err != nil {
		return false, err
	}
	err = s.Do(ctx, func(ctx context.Context) error {
		r := s.writer(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
		if r.Error != nil || r.RowsAffected == 0 {
			return written(r.Error, "population")
		}
		created = true
		if err := s.raisePolicyVersion(ctx, p.Policy.Version); err != nil {
			return err
		}
		return s.insertPolicy(ctx, p.ID, p.Policy, now)
	})
	return created, err
}

func (s *Store) insertPolicy(ctx context.Context, population string, p idp.Policy, now time.Time) error {
	return written(s.writer(ctx).Create(&policyRow{
		PopulationID: population, Version: p.Version, Authenticator: p.Authenticator,
		IssuerLabel: p.IssuerLabel, EmailCode: p.EmailCode, Passkey: p.Passkey, PasskeyForRoles: p.PasskeyForRoles, TrustDays: int64(p.TrustDays), CreatedAt: now,
		SecurityKeys: p.SecurityKeys, SecurityKeyRoots: p.SecurityKeyRoots, OnlySecurityKeys: p.OnlySecurityKeys,
	}).Error, "policy")
}

type populationJoin struct {
	Population populationRow `gorm:"embedded;embeddedPrefix:p_"`
	Policy     policyRow     `gorm:"embedded;embeddedPrefix:y_"`
}

var selectPopulations = "SELECT " + columns(populationRow{}, "p") + ", " + columns(policyRow{}, "y") +
	" FROM populations p JOIN policies y ON y.population_id = p.id AND y.version = p.policy_version"

// Population reads one population with the policy now in force.
func (s *Store) Population(ctx context.Context, id string) (idp.Population, error) {
	var row populationJoin
	if err := s.reader(ctx).Raw(selectPopulations+" WHERE p.id = ?", id).Take(&row).Error; err != nil {
		return idp.Population{}, found(err, "population")
	}
	return row.Population.population(row.Policy)
}

// Populations reads all populations, in the order of their ids.
func (s *Store) Populations(ctx context.Context) ([]idp.Population, error) {
	var rows []populationJoin
	if err := s.reader(ctx).Raw(selectPopulations + " ORDER BY p.id").Scan(&rows).Error; err != nil {
		return nil, found(err, "populations")
	}
	list := make([]idp.Population, len(rows))
	for i, r := range rows {
		var err error
		if list[i], err = r.Population.population(r.Policy); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// VersionedPopulation is a population with the version that a change of its brand
// is compared with.
type VersionedPopulation struct {
	Population idp.Population
	Version    int64
}

// VersionedPopulations reads all populations, or the one of an id, in the order of
// their ids.
func (s *Store) VersionedPopulations(ctx context.Context, id string) ([]VersionedPopulation, error) {
	var rows []populationJoin
	err := s.reader(ctx).Raw(selectPopulations+" WHERE ? = '' OR p.id = ? ORDER BY p.id", id, id).Scan(&rows).Error
	if err != nil {
		return nil, found(err, "populations")
	}
	list := make([]VersionedPopulation, len(rows))
	for i, r := range rows {
		list[i].Version = r.Population.Version
		if list[i].Population, err = r.Population.population(r.Policy); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// SaveRegistration writes who may make themselves an account. idp.ErrConflict: the
// version is not that of now.
func (s *Store) SaveRegistration(ctx context.Context, version int64, p idp.Population) error {
	// An embedded row: GORM runs serializers on fields of structs, not on maps.
	row := populationRow{Registration: registration(p.Registration), Version: version + 1}
	return once(s.writer(ctx).Model(&populationRow{}).Where("id = ? AND version = ?", p.ID, version).
		Select("registration", "version").UpdateColumns(&row), "population", idp.ErrConflict)
}

// SaveBrand writes what a population shows of itself: name, colour, logo and links.
// idp.ErrConflict: the version is not that of now.
func (s *Store) SaveBrand(ctx context.Context, version int64, p idp.Population) error {
	return s.Do(ctx, func(ctx context.Context) error {
		var before populationRow
		err := s.writer(ctx).Select("settings").Where("id = ? AND version = ?", p.ID, version).Take(&before).Error
		if err != nil {
			return changedSince(err, "population")
		}
		column, err := brandFields.ToColumn(before.Settings, p.Brand)
		if err != nil {
			return err
		}
		return once(s.writer(ctx).Model(&populationRow{}).Where("id = ? AND version = ?", p.ID, version).
			UpdateColumns(map[string]any{
				"name": p.Name, "brand_color": p.BrandColor, "logo_url": p.LogoURL, "help_url": p.HelpURL,
				"privacy_url": p.PrivacyURL, "settings": column, "version": version + 1,
			}), "population", idp.ErrConflict)
	})
}

// SavePasswordRules writes what passwords must be; min becomes the population's
// MinVersion unless it is zero. idp.ErrConflict: the version is not that of now.
func (s *Store) SavePasswordRules(ctx context.Context, version int64, p idp.Population, min int64) error {
	now, then := passwordRules(p.Passwords), passwordRules(p.PasswordsAtSignIn)
	row := populationRow{
		Passwords: now, PasswordsAtSignIn: then, ExpirySince: orNull(p.ExpirySince), MinVersion: min, Version: version + 1,
	}
	columns := []string{"passwords", "passwords_at_sign_in", "expiry_since", "version"}
	if min > 0 {
		columns = append(columns, "min_version")
	}
	return once(s.writer(ctx).Model(&populationRow{}).Where("id = ? AND version = ?", p.ID, version).
		Select(columns).UpdateColumns(row), "population", idp.ErrConflict)
}

// SaveSessionRules writes how long sessions last. Sessions that had ended by the earlier
// limits stay ended when one is raised. idp.ErrConflict: the version is not that of now.
func (s *Store) SaveSessionRules(ctx context.Context, version int64, before, p idp.Population, now time.Time) error {
	return s.Do(ctx, func(ctx context.Context) error {
		if err := s.saveSessionRules(ctx, version, p); err != nil {
			return err
		}
		lives, args := living(before, now)
		return written(s.writer(ctx).Exec("UPDATE sessions AS s SET ended_at = ? WHERE s.population_id = ? AND s.ended_at IS NULL AND NOT ("+lives+")",
			append([]any{now, p.ID}, args...)...).Error, "sessions")
	})
}

func (s *Store) saveSessionRules(ctx context.Context, version int64, p idp.Population) error {
	return once(s.writer(ctx).Model(&populationRow{}).Where("id = ? AND version = ?", p.ID, version).
		UpdateColumns(map[string]any{
			"session_idle": seconds(p.SessionIdle), "session_lifetime": seconds(p.SessionLifetime),
			"kept_idle": seconds(p.KeptIdle), "kept_lifetime": seconds(p.KeptLifetime),
			"keep_signed_in": p.KeepSignedIn, "end_others": p.EndOthers, "version": version + 1,
		}), "population", idp.ErrConflict)
}

// living is the condition that a session s of a population lives, as Session.Alive
// has it, with what goes into it.
func living(p idp.Population, now time.Time) (string, []any) {
	idle, lifetime := p.Limits(false)
	keptIdle, keptLifetime := p.Limits(true)
	return `s.population_id = ? AND s.ended_at IS NULL AND s.expires_at > ? AND s.policy_version >= ? AND (
			(NOT s.kept AND s.last_seen_at > ? AND s.created_at > ?) OR (s.kept AND s.last_seen_at > ? AND s.created_at > ?))`,
		[]any{p.ID, now, p.MinVersion, now.Add(-idle), now.Add(-lifetime), now.Add(-keptIdle), now.Add(-keptLifetime)}
}
