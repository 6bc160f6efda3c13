package manage

import (
	"context"
	"errors"
	"strings"

	"gatehouse/idp"
	"gatehouse/ui"
)

// admits tells whether an address may be registered: a *FieldError when not, whoever
// has it.
func admits(p idp.Population, email string) error {
	if err := checkUser(idp.User{Email: email}); err != nil {
		return err
	}
	domain, err := idp.MailDomain(email)
	if err != nil {
		return invalid("email", "%q is not an email address", email)
	}
	if !p.Registers() || !p.Registration.Admits(domain) {
		return invalid("domain", "nobody registers with an address at %s", domain)
	}
	return nil
}

// carryRegistration mails a link to whoever has no account. Who has one is told so,
// and who is invited gets the invitation again: it may come with roles. Each of these
// mails goes to the address that we know, whatever spelling of it was typed.
func (m *Manager) carryRegistration(ctx context.Context, r LinkRequest, p idp.Population, u idp.User) error {
	outcome := "sent"
	var err error
	switch err = admits(p, r.Email); {
	case err != nil: // the rules changed since it was asked
		outcome, err = "refused: "+err.Error(), nil
	case u.ID != "":
		outcome = "has an account"
		err = m.mailTo(ctx, u, p, ui.Mail{Kind: ui.MailAccountExists})
	default:
		var invited bool
		if invited, err = m.inviteAgain(ctx, p, r.Email); invited {
			outcome = "is invited"
		} else if err == nil {
			err = m.mailRegistration(ctx, r, p)
		}
	}
	if err != nil {
		return err
	}
	return m.Store.Audit(ctx, asked(idp.AuditRegistrationAsked, r, u, outcome))
}

func (m *Manager) mailRegistration(ctx context.Context, r LinkRequest, p idp.Population) error {
	link, token, err := m.newLink(idp.RegistrationLink, p.ID, r.Email, idp.RegistrationLifetime, linkBody{Onward: r.Onward, Locale: r.Lang})
	if err != nil {
		return err
	}
	if err := m.Store.DropPending(ctx, idp.RegistrationLink, p.ID, r.Email); err != nil {
		return err
	}
	if err := m.Store.CreateLink(ctx, link); err != nil {
		return err
	}
	return m.mailTo(ctx, idp.User{Email: r.Email, Locale: r.Lang}, p, m.linkMail(ui.MailRegistration, link, token))
}

// RegistrationChange is who may make themselves an account from now on. Domains may
// come as people write them.
type RegistrationChange struct {
	// Version is the one of the population that the actor saw.
	Version int64
	idp.Registration
}

// maxDomains is how many domains a list holds.
const maxDomains = 500

// SaveRegistration changes who may make themselves an account. A *FieldError says what
// cannot be saved; idp.ErrConflict that somebody else changed the population since the
// actor saw it.
func (m *Manager) SaveRegistration(ctx context.Context, a Actor, population string, c RegistrationChange) (PopulationEntry, error) {
	if err := m.allow(ctx, a, request{op: "SaveRegistration"}); err != nil {
		return PopulationEntry{}, err
	}
	before, err := m.population(ctx, a, population)
	if err != nil {
		return PopulationEntry{}, err
	}
	p := before.Population
	if p.Registration, err = m.registration(p, c.Registration); err != nil {
		return PopulationEntry{}, err
	}
	if before.unchanged(c.Version, p) {
		return before, nil
	}
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.SaveRegistration(ctx, c.Version, p); err != nil {
			return err
		}
		e := a.audit(idp.AuditPopulationChanged, "", map[string]string{
			"from": describeRegistration(before.Registration), "to": describeRegistration(p.Registration),
		})
		e.PopulationID = p.ID
		return m.Store.Audit(ctx, e)
	})
	return PopulationEntry{Population: p, Version: c.Version + 1}, err
}

// registration is a change in the form in which it is kept, if it can be.
func (m *Manager) registration(p idp.Population, r idp.Registration) (_ idp.Registration, err error) {
	switch {
	case r.Open && !p.Access.Password:
		return r, invalid("open", "people of this population have no password with us, so they cannot register")
	case r.Open && m.Mailer == nil:
		return r, invalid("open", "addresses are confirmed by mail, and no mail server is connected")
	}
	if r.Allowed, err = domains("allowed", r.Allowed); err != nil {
		return r, err
	}
	r.Denied, err = domains("denied", r.Denied)
	return r, err
}

// domains are the domains of a list, each once, as they are compared.
func domains(field string, list []string) ([]string, error) {
	var kept []string
	seen := map[string]bool{}
	for _, raw := range list {
		raw = strings.TrimPrefix(strings.TrimSpace(raw), "@")
		if raw == "" {
			continue
		}
		d, err := idp.Domain(raw)
		if errors.Is(err, idp.ErrInvalid) {
			return nil, invalid(field, "%.100q is not a domain such as example.com", raw)
		}
		if err != nil {
			return nil, err
		}
		if !seen[d] {
			seen[d] = true
			kept = append(kept, d)
		}
	}
	if len(kept) > maxDomains {
		return nil, invalid(field, "at most %d domains", maxDomains)
	}
	return kept, nil
}

func describeRegistration(r idp.Registration) string {
	if !r.Open {
		return "registration closed"
	}
	text := "registration open"
	if len(r.Allowed) > 0 {
		text += " to " + strings.Join(r.Allowed, " ")
	}
	if len(r.Denied) > 0 {
		text += " but not to " + strings.Join(r.Denied, " ")
	}
	return text
}
