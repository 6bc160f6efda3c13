package links

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/password"
	"gatehouse/ui"
)

// Destination is the app or sign-in to go on to once a link was used. Either may be empty.
type Destination struct {
	ClientID string `json:"client,omitempty"`
	FlowID   string `json:"flow,omitempty"`
}

// linkBody is what belongs to a link beside its address; it is kept sealed.
type linkBody struct {
	Destination
	Name   string   `json:"name,omitempty"`
	Locale string   `json:"locale,omitempty"`
	Roles  []string `json:"roles,omitempty"` // ids
	// Token is an invitation's, which anybody who asks to register its address has sent
	// again, to that address. It goes when the link is used.
	Token string `json:"token,omitempty"`
}

// OpenLink is a link that works, as its page shows it.
type OpenLink struct {
	Kind  idp.LinkKind
	Email string
	// Name is what is known of the person's, may be empty.
	Name        string
	Population  idp.Population
	Destination Destination

	link idp.Link
	body linkBody
	user idp.User // of a reset
	// rules are those of the password that the link sets.
	rules password.Rules
}

// Outcome is what a link came to.
type Outcome struct {
	User        idp.User // without their password's hash
	Population  idp.Population
	Destination Destination
}

// LinkForm is what a person fills in behind a link. A reset does not ask for Name.
type LinkForm struct {
	Name, Password, Locale string
}

// paths are those of links that come by mail, below the issuer.
var paths = map[idp.LinkKind]string{
	idp.ResetLink: "/reset", idp.InvitationLink: "/invitation", idp.RegistrationLink: "/registration",
}

// LinkPath is where links of a kind lead, below the issuer and before the token.
func LinkPath(kind idp.LinkKind) string { return paths[kind] }

func linkAAD(id string) string { return keyring.AAD("links", id, "body") }

// newLink makes a link with its token, which only the mail has.
func (m *Manager) newLink(kind idp.LinkKind, population, email string, lifetime time.Duration, body linkBody) (idp.Link, string, error) {
	now, token := idp.Now(), idp.NewSecret()
	l := idp.Link{
		ID: idp.NewID(), Kind: kind, Hash: idp.HashSecret(token), PopulationID: population, Email: email,
		CreatedAt: now, ExpiresAt: now.Add(lifetime),
	}
	if kind == idp.InvitationLink {
		body.Token = token
	}
	var err error
	l.Body, err = m.sealLinkBody(l.ID, body)
	return l, token, err
}

func (m *Manager) sealLinkBody(id string, body linkBody) ([]byte, error) {
	plain, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("make a link: %w", err)
	}
	return m.Keyring.Seal(plain, linkAAD(id)), nil
}

func (m *Manager) linkBody(l idp.Link) (body linkBody, err error) {
	plain, err := m.Keyring.Open(l.Body, linkAAD(l.ID))
	if errors.Is(err, idp.ErrUnreadable) { // a new link works
		return body, fmt.Errorf("%w: %w", ErrLink, err)
	}
	if err == nil {
		err = json.Unmarshal(plain, &body)
	}
	if err != nil {
		return body, fmt.Errorf("open a link: %w", err)
	}
	return body, nil
}

// linkMail is the mail that carries a link.
func (m *Manager) linkMail(kind ui.MailKind, l idp.Link, token string) ui.Mail {
	return ui.Mail{Kind: kind, URL: m.Issuer + LinkPath(l.Kind) + "/" + token, Until: l.ExpiresAt}
}

// OpenLink reads what a link is about, and uses nothing up: looking at its page, as
// mail scanners do, changes nothing. ErrLink: it was used, has expired, or never
// existed; or what it was for is not open any more.
func (m *Manager) OpenLink(ctx context.Context, kind idp.LinkKind, token string) (OpenLink, error) {
	link, err := m.Store.Link(ctx, kind, idp.HashSecret(token))
	if errors.Is(err, idp.ErrNotFound) || err == nil && !link.Works(idp.Now()) {
		return OpenLink{}, fmt.Errorf("%w: %s", ErrLink, kind)
	}
	if err != nil {
		return OpenLink{}, err
	}
	o := OpenLink{Kind: kind, Email: link.Email, link: link}
	if o.body, err = m.linkBody(link); err != nil {
		return o, err
	}
	o.Name, o.Destination = o.body.Name, o.body.Destination
	if o.Population, err = m.Store.Population(ctx, link.PopulationID); err != nil {
		return o, err
	}
	if !o.Population.Access.Password || kind == idp.RegistrationLink && !o.Population.Registration.Open {
		return o, fmt.Errorf("%w: %s is not open any more", ErrLink, kind)
	}
	if kind == idp.ResetLink {
		if o.user, err = m.resetUser(ctx, link); err != nil {
			return o, err
		}
	}
	o.rules, err = m.People.NewPasswordRules(ctx, o.Population, o.user)
	return o, err
}

// UseLink carries out what a link is for: it sets the password of a reset, or makes the
// account of an invitation or registration. Of any number of calls with one token one
// returns nil. ErrLink is as in OpenLink; settings.Errors, and idp.ErrConflict when
// there is an account with the address by now, leave the link as it was.
func (m *Manager) UseLink(ctx context.Context, kind idp.LinkKind, token string, in LinkForm) (Outcome, error) {
	o, err := m.OpenLink(ctx, kind, token)
	if err != nil {
		return Outcome{}, err
	}
	if in.Password == "" {
		return Outcome{}, entry.Invalid("password", "settings.user.need_password")
	}
	done := Outcome{User: o.user, Population: o.Population, Destination: o.Destination}
	switch kind {
	case idp.ResetLink:
		err = m.reset(ctx, o, in)
	case idp.InvitationLink:
		done.User, err = m.makeAccount(ctx, o, in, idp.AuditInvitationAccepted)
	case idp.RegistrationLink:
		done.User, err = m.makeAccount(ctx, o, in, idp.AuditRegistered)
	case idp.SetupLink, idp.EmailLink, idp.BreakGlassLink:
		err = fmt.Errorf("%w: %s", ErrLink, kind)
	}
	done.User.PasswordHash = ""
	return done, err
}

// markUsed consumes a link in the transaction of ctx: ErrLink: it is used already.
func (m *Manager) markUsed(ctx context.Context, l idp.Link) error {
	err := m.Store.UseLink(ctx, l, idp.Now())
	if errors.Is(err, idp.ErrUsed) {
		return fmt.Errorf("%w: %s", ErrLink, l.Kind)
	}
	return err
}

// makeAccount makes an account for the reader of a mail, whose address is proved by that.
func (m *Manager) makeAccount(ctx context.Context, o OpenLink, in LinkForm, kind idp.AuditKind) (idp.User, error) {
	if o.body.Locale != "" {
		in.Locale = o.body.Locale
	}
	roles, err := m.rolesLeft(ctx, o.body.Roles)
	if err != nil {
		return idp.User{}, err
	}
	p, err := m.People.PrepareUser(ctx, people.NewUser{
		Population: o.Population.ID, Email: o.link.Email, Name: in.Name, Locale: in.Locale, Password: in.Password, Roles: roles,
	})
	if err != nil {
		return p.User, err
	}
	p.User.EmailVerified = true
	return p.User, m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.markUsed(ctx, o.link); err != nil {
			return err
		}
		if err := m.People.InsertUser(ctx, idp.AuditEvent{Kind: idp.AuditUserCreated, ActorID: p.User.ID}, p); err != nil {
			return err
		}
		e := idp.AuditEvent{Kind: kind, ActorID: p.User.ID, ClientID: o.Destination.ClientID}
		return m.Authz.AuditOf(ctx, e, p.User)
	})
}

// rolesLeft are those of an invitation that still exist.
func (m *Manager) rolesLeft(ctx context.Context, ids []string) ([]string, error) {
	roles, err := m.Store.RolesByID(ctx, ids...)
	left := make([]string, len(roles))
	for i, r := range roles {
		left[i] = r.ID
	}
	return left, err
}

// Destinations are the home pages of the apps that people of a population may go to: the
// apps made for it first, and never the console.
func (m *Manager) Destinations(ctx context.Context, population string) ([]idp.Client, error) {
	all, err := m.Store.Clients(ctx)
	all = slices.DeleteFunc(slices.Clone(all), func(c idp.Client) bool {
		return idp.OwnClient(c.ID) || c.HomeURL == "" || !slices.Contains(c.Populations, population)
	})
	slices.SortStableFunc(all, func(a, b idp.Client) int {
		return slices.Index(a.Populations, population) - slices.Index(b.Populations, population)
	})
	return all, err
}

// Rules are what the password that the link sets must be, and which of them one that
// was refused breaks.
func (o OpenLink) Rules(broken []password.Reason) []ui.PasswordRule {
	return people.PasswordRuleList(o.rules, false, broken)
}
