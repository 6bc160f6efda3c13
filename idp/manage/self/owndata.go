package self

import (
	"context"
	"maps"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/system"
	"gatehouse/idp/store"
)

// maxOwnEvents is how many events a person takes with them at most, the newest.
const maxOwnEvents = 10_000

// OwnData is what is kept about a person, for them to take along: no secrets, and not what
// others wrote for the audit log.
type OwnData struct {
	TakenAt    time.Time     `json:"taken_at"`
	Account    OwnAccount    `json:"account"`
	SecondStep OwnSecondStep `json:"second_step"`
	Sessions   []OwnSession  `json:"sessions"`
	Activity   []OwnEvent    `json:"activity"`
	Identities []OwnIdentity `json:"identities,omitempty"`
	Consents   []OwnConsent  `json:"connected_apps,omitempty"`
	Trusted    []OwnTrusted  `json:"trusted_browsers,omitempty"`
}

// OwnAccount is who they are here.
type OwnAccount struct {
	ID                string    `json:"id"`
	Population        string    `json:"population"`
	Email             string    `json:"email"`
	EmailVerified     bool      `json:"email_verified"`
	Name              string    `json:"name"`
	GivenName         string    `json:"given_name,omitempty"`
	FamilyName        string    `json:"family_name,omitempty"`
	TimeZone          string    `json:"time_zone,omitempty"`
	Picture           string    `json:"picture,omitempty"`
	Language          string    `json:"language"`
	Roles             []string  `json:"roles"`
	CreatedAt         time.Time `json:"created_at"`
	PasswordSet       bool      `json:"password_set"`
	PasswordChangedAt time.Time `json:"password_changed_at,omitzero"`
}

// OwnSecondStep is how they prove more than a password.
type OwnSecondStep struct {
	Factors           []OwnFactor `json:"factors"`
	RecoveryCodesLeft int         `json:"recovery_codes_left"`
}

// OwnFactor is one of their second factors.
type OwnFactor struct {
	Method     idp.Method `json:"method"`
	Name       string     `json:"name,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt time.Time  `json:"last_used_at,omitzero"`
}

// OwnSession is where they are signed in.
type OwnSession struct {
	ID         string    `json:"id"`
	Address    string    `json:"address"`
	Browser    string    `json:"browser"`
	CreatedAt  time.Time `json:"created_at"`
	LastSeenAt time.Time `json:"last_seen_at"`
	Apps       []string  `json:"apps"`
}

// OwnEvent is something that happened to their account.
type OwnEvent struct {
	At      time.Time         `json:"at"`
	Kind    idp.AuditKind     `json:"kind"`
	App     string            `json:"app,omitempty"`
	Address string            `json:"address,omitempty"`
	Browser string            `json:"browser,omitempty"`
	Detail  map[string]string `json:"detail,omitempty"`
}

// OwnIdentity is an account elsewhere through which they sign in.
type OwnIdentity struct {
	Provider string    `json:"provider"`
	Account  string    `json:"account"`
	LinkedAt time.Time `json:"linked_at"`
}

// OwnTrusted is a browser that they trust.
type OwnTrusted struct {
	Browser    string    `json:"browser"`
	Address    string    `json:"address"`
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	LastUsedAt time.Time `json:"last_used_at,omitzero"`
}

// OwnConsent is what they let a third-party app have.
type OwnConsent struct {
	App       string    `json:"app"`
	Terms     idp.Terms `json:"terms"`
	CreatedAt time.Time `json:"created_at"`
	ChangedAt time.Time `json:"changed_at"`
}

// TakeOwnData collects what is kept about a person, after a fresh second step
// (ErrStepUp), and writes to the audit log that they asked for it.
func (m *Manager) TakeOwnData(ctx context.Context, s Self) (OwnData, error) {
	if err := m.fresh(ctx, s, "take the data along"); err != nil {
		return OwnData{}, err
	}
	own, err := m.Own(ctx, s)
	if err != nil {
		return OwnData{}, err
	}
	data := OwnData{
		TakenAt: idp.Now(), Sessions: []OwnSession{}, Activity: []OwnEvent{},
		Account: OwnAccount{
			ID: own.ID, Population: own.PopulationID, Email: own.Email, EmailVerified: own.EmailVerified, Name: own.Name,
			GivenName: own.GivenName, FamilyName: own.FamilyName, TimeZone: own.Zoneinfo, Picture: own.Picture,
			Language: own.Locale, Roles: []string{}, CreatedAt: own.CreatedAt, PasswordSet: own.PasswordSet, PasswordChangedAt: own.PasswordChangedAt,
		},
		SecondStep: OwnSecondStep{Factors: []OwnFactor{}, RecoveryCodesLeft: own.RecoveryLeft},
	}
	for _, r := range own.Roles {
		data.Account.Roles = append(data.Account.Roles, r.Name)
	}
	for _, f := range own.Factors {
		data.SecondStep.Factors = append(data.SecondStep.Factors, OwnFactor{Method: f.Method, Name: f.Name, CreatedAt: f.CreatedAt, LastUsedAt: f.LastUsedAt})
	}
	sessions, err := m.OwnSessions(ctx, s)
	if err != nil {
		return OwnData{}, err
	}
	for _, e := range sessions {
		data.Sessions = append(data.Sessions, OwnSession{
			ID: e.ID, Address: e.Address, Browser: e.UserAgent, CreatedAt: e.CreatedAt, LastSeenAt: e.LastSeenAt, Apps: append([]string{}, e.Clients...),
		})
	}
	consents, err := m.OwnConsents(ctx, s)
	if err != nil {
		return OwnData{}, err
	}
	for _, c := range consents {
		data.Consents = append(data.Consents, OwnConsent{App: c.App.Name, Terms: c.Terms, CreatedAt: c.CreatedAt, ChangedAt: c.ChangedAt})
	}
	trusted, err := m.OwnTrusted(ctx, s)
	if err != nil {
		return OwnData{}, err
	}
	for _, b := range trusted {
		data.Trusted = append(data.Trusted, OwnTrusted{Browser: b.UserAgent, Address: b.Address, CreatedAt: b.CreatedAt, ExpiresAt: b.Until(), LastUsedAt: b.LastUsedAt})
	}
	if err := m.ownEvents(ctx, s, &data); err != nil {
		return OwnData{}, err
	}
	return data, m.Store.Do(ctx, func(ctx context.Context) error {
		return m.Authz.AuditOf(ctx, s.actor().Audit(idp.AuditDataTaken, "", nil), own.User)
	})
}

func (m *Manager) ownEvents(ctx context.Context, s Self, data *OwnData) error {
	query := store.AuditQuery{UserID: s.UserID, Limit: system.ExportBatch}
	for len(data.Activity) < maxOwnEvents {
		events, err := m.Store.AuditPage(ctx, query)
		if err != nil {
			return err
		}
		for _, e := range events {
			data.Activity = append(data.Activity, ownEvent(e))
		}
		if len(events) < system.ExportBatch {
			return nil
		}
		last := events[len(events)-1]
		query.BeforeAt, query.BeforeID = last.At, last.ID
	}
	return nil
}

// ownEvent leaves out why another person did something, and from where.
func ownEvent(e idp.AuditEvent) OwnEvent {
	own := OwnEvent{At: e.At, Kind: e.Kind, App: e.ClientID, Detail: maps.Clone(e.Detail)}
	delete(own.Detail, "reason")
	if e.ActorID == "" || e.ActorID == e.UserID {
		own.Address, own.Browser = e.Address, e.UserAgent
	}
	return own
}
