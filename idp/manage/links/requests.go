package links

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"gatehouse/idp"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/outbox"
	"gatehouse/ui"
)

// LinkRequest asks for a link by mail without a sign-in. Whether there is an account is
// looked up after the request was answered.
type LinkRequest struct {
	Population  string      `json:"population"`
	Email       string      `json:"email"`
	Lang        string      `json:"lang,omitempty"` // of mails to who has no account
	Destination Destination `json:"onward"`
	Visit       idp.Visit   `json:"visit"` // filled in
}

// The kinds of requests, as the outbox calls them.
const (
	askReset        = "reset"
	askRegistration = "registration"
)

// AskReset takes a request for a new password. It writes the same for everybody, and
// nothing about accounts; CarryOut does the rest.
func (m *Manager) AskReset(ctx context.Context, r LinkRequest) error { return m.ask(ctx, askReset, r) }

// AskRegistration takes the address of a person who wants an account. settings.Errors says
// that the population takes no such address. Otherwise it writes the same whether there is
// an account or not.
func (m *Manager) AskRegistration(ctx context.Context, r LinkRequest) error {
	population, err := m.Store.Population(ctx, r.Population)
	if err != nil {
		return err
	}
	r.Email = entry.KeptEmail(r.Email)
	if err := populations.Admits(population, r.Email); err != nil {
		return err
	}
	return m.ask(ctx, askRegistration, r)
}

func (m *Manager) ask(ctx context.Context, kind string, r LinkRequest) error {
	r.Email, r.Visit = entry.KeptEmail(r.Email), idp.VisitFrom(ctx)
	return m.Outbox.Ask(ctx, kind, r)
}

// CarryOut looks into a request that was taken. It may be called again for one that
// was carried out: then another link replaces the first.
func (m *Manager) CarryOut(ctx context.Context, kind string, body []byte) error {
	var r LinkRequest
	if err := json.Unmarshal(body, &r); err != nil {
		return fmt.Errorf("read a request: %w", err)
	}
	population, err := m.Store.Population(ctx, r.Population)
	if err != nil {
		return err
	}
	ctx = idp.WithVisit(ctx, &r.Visit)
	return m.Store.Do(ctx, func(ctx context.Context) error {
		user, err := m.Store.UserByEmail(ctx, r.Population, r.Email)
		if err != nil && !errors.Is(err, idp.ErrNotFound) {
			return err
		}
		switch kind {
		case askReset:
			return m.carryReset(ctx, r, population, user)
		case askRegistration:
			return m.carryRegistration(ctx, r, population, user)
		}
		return fmt.Errorf("%w: a request of kind %.40q", idp.ErrInvalid, kind)
	})
}

// asked is the event of a request; without a person it says which address was typed.
func asked(kind idp.AuditKind, r LinkRequest, u idp.User, outcome string) idp.AuditEvent {
	return idp.AuditEvent{
		Kind: kind, UserID: u.ID, PopulationID: r.Population, ClientID: r.Destination.ClientID,
		Detail: map[string]string{"outcome": outcome, "email": idp.MaskEmail(r.Email)},
	}
}

// mailTo mails a link, or another answer to a request, to an address whose owner is not
// known yet.
func (m *Manager) mailTo(ctx context.Context, u idp.User, p idp.Population, mail ui.Mail) error {
	mail.MailFrame = outbox.FrameFor(ctx, u, p)
	return m.Outbox.Mail(ctx, outbox.Letter{To: u.Email, UserID: u.ID, Mail: mail})
}

// carryRegistration mails a link to a person without an account. A person with one is told
// so, and a person who is invited gets the invitation again: it may come with roles. Each
// of these mails goes to the address that we know, whatever spelling of it was typed.
func (m *Manager) carryRegistration(ctx context.Context, r LinkRequest, p idp.Population, u idp.User) error {
	outcome := "sent"
	var err error
	switch err = populations.Admits(p, r.Email); {
	case err != nil: // the rules changed since it was asked
		outcome, err = "refused: "+err.Error(), nil
	case u.ID != "":
		outcome = "has_account"
		err = m.mailTo(ctx, u, p, ui.Mail{Kind: ui.MailAccountExists})
	default:
		var invited bool
		if invited, err = m.inviteAgain(ctx, p, r.Email); invited {
			outcome = "is_invited"
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
	link, token, err := m.newLink(idp.RegistrationLink, p.ID, r.Email, idp.RegistrationLifetime, linkBody{Destination: r.Destination, Locale: r.Lang})
	if err != nil {
		return err
	}
	if err := m.Store.KeepNewestLinks(ctx, idp.RegistrationLink, p.ID, r.Email, idp.LivingLinks-1); err != nil {
		return err
	}
	if err := m.Store.CreateLink(ctx, link); err != nil {
		return err
	}
	return m.mailTo(ctx, idp.User{Email: r.Email, Locale: r.Lang}, p, m.linkMail(ui.MailRegistration, link, token))
}
