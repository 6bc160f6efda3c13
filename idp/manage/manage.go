package manage

import (
	"context"
	"errors"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/mail"
	"gatehouse/idp/outbox"
	"gatehouse/idp/password"
	"gatehouse/idp/session"
	"gatehouse/idp/settings"
	"gatehouse/idp/store"
	"gatehouse/ui"
)

// Manager carries out operations.
type Manager struct {
	Store    *store.Store
	Hasher   *password.Hasher
	Keyring  *keyring.Keyring
	Sessions *session.Manager
	Outbox   *outbox.Outbox
	// RecoveryKey is the HMAC key under which recovery codes are found.
	RecoveryKey []byte
	// Mailer sends mail at once, nil where no server is configured: then email codes
	// cannot be offered. Write puts a mail into words.
	Mailer Mailer
	Write  func(ui.Mail) (ui.Letter, error)
	// Issuer is the provider's: links in mails lead below it.
	Issuer string
	// AccountURL is where people look after their account, for links in mails.
	AccountURL string
	// PrivateNetworks: back-channel logout may go to addresses that are not public,
	// by http too.
	PrivateNetworks bool
	// Throttles counts mails and forgets counted failures. *throttle.Limiter does.
	Throttles Throttles
	// Rotation rotates signing keys. Optional: without it RotateKeys fails.
	Rotation Rotation
	// Reap is called when something was ended "Immediately": the clean-up can begin.
	// It must not block. Optional.
	Reap func()
}

// Mailer sends one mail. *mail.Sender is one.
type Mailer interface {
	Send(ctx context.Context, m mail.Message) error
}

// Throttles counts mails, and forgets the failures that were counted against people.
type Throttles interface {
	// ClearAccount forgets those of a password, from browsers that the account does
	// not know.
	ClearAccount(ctx context.Context, population, email string) error
	// ClearFactor forgets those of a method of second step of a person, from all browsers.
	ClearFactor(ctx context.Context, userID string, method idp.Method) error
	// Mailing counts a mail to an address that nobody has proved to be theirs, and says
	// how long it has to wait, zero for not at all.
	Mailing(ctx context.Context, sender, email string) (wait time.Duration, err error)
}

// said is an error about fields as settings has it; nil is none.
func said(err error) (wrong settings.Errors) {
	errors.As(err, &wrong)
	return wrong
}

// invalid says why a field cannot be saved as it is. Texts of a request are cut.
func invalid(field, key string, args ...any) error {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = settings.Cut(text)
		}
	}
	return settings.Invalid(field, key, args...)
}

// EnsureDefaults makes the populations and system roles that every installation
// has. What exists stays as it is, but system roles get the permissions of today,
// and people who cannot be searched yet become so.
func (m *Manager) EnsureDefaults(ctx context.Context) error {
	err := m.Store.Do(ctx, func(ctx context.Context) error {
		for _, p := range BuiltInPopulations() {
			created, err := m.Store.CreatePopulation(ctx, p, idp.Now())
			if err != nil {
				return err
			}
			if created && p.ID == idp.Agents { // the database is new
				if err := m.Store.KeepAudit(ctx, DefaultAuditRetention); err != nil {
					return err
				}
			}
		}
		for _, r := range systemRoles() {
			if err := m.Store.CreateRole(ctx, r); err != nil {
				return err
			}
			if err := m.Store.RefreshRole(ctx, r); err != nil {
				return err
			}
		}
		return nil
	})
	// People whom another program added, or an older version, cannot be searched yet.
	for err == nil {
		var n int
		if n, err = m.Store.IndexUsers(ctx, indexBatch); n < indexBatch {
			break
		}
	}
	return err
}

// DefaultAuditRetention is how long a database that is new keeps audit events, unless
// the configuration says otherwise. One of before keeps them until that says so.
const DefaultAuditRetention = 400 * 24 * time.Hour

// indexBatch is how many people are made searchable in one transaction.
const indexBatch = 500

// NewPopulation is a population as it begins: with the defaults of the descriptions, and
// an authenticator as second step. A provider that is safe only once somebody has found
// the switch is not safe.
func NewPopulation(id, name, issuerLabel string) idp.Population {
	p := idp.Population{ID: id, Brand: idp.Brand{Name: name}, Policy: idp.Policy{Version: 1, IssuerLabel: issuerLabel}}
	AccessFields().Defaults(&p.Access)
	PasswordFields().Defaults(&p.Passwords)
	PolicyFields().Defaults(&p.Policy)
	settings.Brand().Defaults(&p.Brand)
	var rules SessionRules
	SessionFields().Defaults(&rules)
	p = rules.of(p)
	p.KeptIdle, p.KeptLifetime = rules.KeptIdle, rules.KeptLifetime
	return p
}

// BuiltInPopulations follow REQUIREMENTS: contacts stay signed in for longer than agents.
func BuiltInPopulations() []idp.Population {
	contacts := NewPopulation(idp.Contacts, "Contacts", "Support portal")
	contacts.SessionIdle, contacts.SessionLifetime = 7*24*time.Hour, 30*24*time.Hour
	return []idp.Population{NewPopulation(idp.Agents, "Agents", "Agent portal"), contacts}
}

func systemRoles() []idp.Role {
	return []idp.Role{
		{ID: idp.RoleAdmin, Name: "Admin", System: true, Permissions: idp.Permissions()},
		{ID: idp.RoleManager, Name: "Manager", System: true, Permissions: []string{
			idp.PermissionUsers, idp.PermissionSessions, idp.PermissionContactReset,
		}},
		{ID: idp.RoleAgent, Name: "Agent", System: true},
	}
}

// NewUser is what a user is created from.
type NewUser struct {
	Population, Email, Name, Locale string
	// Password may be empty: then there is no sign-in by password.
	Password string
	Roles    []string
}

// NewUserFields describe somebody who is not there yet, but for the password.
func NewUserFields() settings.Fields[NewUser] {
	return settings.Fields[NewUser]{
		settings.Line("email", func(n *NewUser) *string { return &n.Email }).Must("settings.user.need_email"),
		settings.Line("name", func(n *NewUser) *string { return &n.Name }),
		settings.Line("population", func(n *NewUser) *string { return &n.Population }),
		settings.Set("roles", func(n *NewUser) *[]string { return &n.Roles }),
	}
}

// CreateUser adds a person. settings.Errors say what cannot be saved;
// idp.ErrConflict that the population has that address.
func (m *Manager) CreateUser(ctx context.Context, n NewUser) (idp.User, error) {
	return m.createUser(ctx, System(), idp.AuditEvent{Kind: idp.AuditUserCreated}, n)
}

func (m *Manager) createUser(ctx context.Context, a Actor, e idp.AuditEvent, n NewUser) (idp.User, error) {
	p, err := m.prepareUser(ctx, n)
	if err != nil {
		return p.user, err
	}
	p.user.UnprovedAt = a.madeFor(idp.User{}, p.user.PasswordChangedAt) // zero without a password
	return p.user, m.Store.Do(ctx, func(ctx context.Context) error { return m.insertUser(ctx, e, p) })
}

// preparedUser is somebody who can be added, with the ids of their roles.
type preparedUser struct {
	user  idp.User
	roles []string
}

// prepareUser checks who is to be added and hashes their password, which takes too
// long for a transaction.
func (m *Manager) prepareUser(ctx context.Context, n NewUser) (p preparedUser, err error) {
	population, err := m.Store.Population(ctx, n.Population)
	var wrong settings.Errors
	switch {
	case errors.Is(err, idp.ErrNotFound):
		wrong = said(invalid("population", "settings.no_population", n.Population))
	case err != nil:
		return p, err
	}
	now := idp.Now()
	p.roles = n.Roles
	p.user = idp.User{
		ID: idp.NewID(), PopulationID: n.Population, Email: n.Email, Name: n.Name, Locale: n.Locale, CreatedAt: now, UpdatedAt: now,
	}
	if wrong = PersonFields().Check(&p.user).And(wrong...); len(wrong) > 0 {
		if reasons := password.Judge(n.Password, NewPasswordRules(population, p.user)); n.Password != "" && len(reasons) > 0 {
			wrong = wrong.And(said(&PasswordError{reasons})...)
		}
		return p, wrong
	}
	if p.user.PasswordHash, err = m.hash(password.ForKnown(ctx), population, p.user, n.Password); p.user.PasswordHash != "" {
		p.user.PasswordChangedAt = now
	}
	return p, err
}

// insertUser adds somebody in the transaction of ctx. Links by which the address could
// get an account otherwise stop working.
func (m *Manager) insertUser(ctx context.Context, e idp.AuditEvent, p preparedUser) error {
	if err := m.Store.CreateUser(ctx, p.user); err != nil {
		return err
	}
	for _, kind := range []idp.LinkKind{idp.InvitationLink, idp.RegistrationLink} {
		if err := m.Store.DropPending(ctx, kind, p.user.PopulationID, p.user.Email); err != nil {
			return err
		}
	}
	if err := m.giveRoles(ctx, p.user.ID, p.roles); err != nil {
		return err
	}
	return m.auditOf(ctx, e, p.user)
}

// giveRoles gives a new person roles, in the transaction of ctx.
func (m *Manager) giveRoles(ctx context.Context, userID string, roles []string) error {
	for _, role := range roles {
		if role == idp.RoleAdmin { // whoever has a link to set up is not needed any more
			if err := m.Store.DropLinks(ctx, idp.SetupLink, ""); err != nil {
				return err
			}
		}
		err := m.Store.GiveRole(ctx, userID, role)
		if errors.Is(err, idp.ErrNotFound) {
			return invalid("roles", "settings.no_role", role)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

const maxName = 200

// keptEmail is an address in the form in which it is kept, of every entry: what people
// type, what files and other programs say. What is none stays as it came, for checkUser
// to refuse.
func keptEmail(text string) string {
	if kept, err := idp.ParseEmail(text); err == nil {
		return kept
	}
	return strings.TrimSpace(text)
}

// PersonFields describe who somebody is.
func PersonFields() settings.Fields[idp.User] {
	type user = idp.User
	return settings.Fields[user]{
		settings.Line("email", func(u *user) *string { return &u.Email }).Must("settings.user.need_email").Each(idp.MaxEmail).As(keptEmail).Rule(email),
		settings.Line("name", func(u *user) *string { return &u.Name }).Max(maxName).Rule(settings.ShowsName),
		settings.Line("locale", func(u *user) *string { return &u.Locale }).Each(maxLocale).Rule(locale),
	}
}

func email(text string) *settings.Error {
	if kept, err := idp.ParseEmail(text); err != nil || kept != text {
		return &settings.Error{Key: "settings.user.email", Args: []any{settings.Cut(text)}}
	}
	return nil
}

func locale(tag string) *settings.Error {
	if strings.Trim(tag, localeChars) != "" {
		return &settings.Error{Key: "settings.user.locale", Args: []any{settings.Cut(tag)}}
	}
	return nil
}

// checkUser says what is wrong about who somebody is.
func checkUser(u idp.User) error { return PersonFields().Check(&u).Err() }

// What a language tag may look like (RFC 5646 section 4.4.1).
const (
	maxLocale   = 35
	localeChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
)
