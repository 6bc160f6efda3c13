package outbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/store"
	"gatehouse/ui"
)

// MailLane is the lane of all mails; that of a client's logout tokens is the
// client's id.
const MailLane = "mail"

// RequestLane is the lane of requests without a sign-in. They are looked into after they
// were answered, so that the answer tells nothing.
const RequestLane = "requests"

// LogoutKind is the kind of a logout token's delivery; that of a mail is the
// mail's.
const LogoutKind = "logout"

const (
	// NoticeLifetime is how long a mail that only informs may be late.
	NoticeLifetime = 24 * time.Hour
	// LogoutLifetime is how long a relying party that is down is told again.
	LogoutLifetime = 24 * time.Hour
	// RequestLifetime is how late a request makes sense: the person has asked again by
	// then.
	RequestLifetime = time.Hour
)

// Outbox stores deliveries.
type Outbox struct {
	store *store.Store
	ring  *keyring.Keyring
	woken chan struct{}
	// Trace tells what is done under a context is traced as, for what is stored there.
	// Optional.
	Trace func(context.Context) string
	// Issuer is the provider's own: notices lead to pages below it. Empty for no links.
	Issuer string
}

// New makes an outbox on a database. A Worker carries out what is stored.
func New(s *store.Store, ring *keyring.Keyring) *Outbox {
	return &Outbox{store: s, ring: ring, woken: make(chan struct{}, 1)}
}

// Letter is a mail to one person.
type Letter struct {
	ID     string // made up when empty
	To     string
	UserID string
	Mail   ui.Mail
	// Lifetime is how long the mail makes sense; NoticeLifetime when zero.
	Lifetime time.Duration
}

// letterBody is what is sealed until the mail is sent.
type letterBody struct {
	To   string  `json:"to"`
	Mail ui.Mail `json:"mail"`
}

// Mail stores a mail in the transaction of ctx; it is sent as soon as that is
// committed.
func (o *Outbox) Mail(ctx context.Context, l Letter) error {
	if l.ID == "" {
		l.ID = idp.NewID()
	}
	if l.Lifetime == 0 {
		l.Lifetime = NoticeLifetime
	}
	body, err := json.Marshal(letterBody{To: l.To, Mail: o.complete(l.Mail)})
	if err != nil {
		return fmt.Errorf("store a mail: %w", err)
	}
	now := idp.Now()
	return o.enqueue(ctx, store.Delivery{
		ID: l.ID, Lane: MailLane, Destination: placeOf(l.To), Kind: string(l.Mail.Kind), UserID: l.UserID, Body: body,
		CreatedAt: now, NextAt: now, ExpiresAt: now.Add(l.Lifetime),
	})
}

// placeOf is what mails to one domain share. It does not name the domain.
func placeOf(address string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])))
	return hex.EncodeToString(sum[:8])
}

// Notify tells a person by mail what happened to their account. Address, browser
// and time are those of the present visit, the brand is the population's.
func (o *Outbox) Notify(ctx context.Context, u idp.User, p idp.Population, m ui.Mail) error {
	m.MailFrame = FrameFor(ctx, u, p)
	return o.Mail(ctx, Letter{To: u.Email, UserID: u.ID, Mail: m})
}

// FrameFor is what a mail to a person says of itself: who sends it, to whom, and
// where what it tells of came from.
func FrameFor(ctx context.Context, u idp.User, p idp.Population) ui.MailFrame {
	visit := idp.VisitFrom(ctx)
	f := ui.MailFrame{
		Lang: strings.TrimSpace(strings.Join([]string{u.Locale, visit.Language, p.Language}, " ")), Zone: u.Zoneinfo, Population: p.ID, Staff: p.ID == idp.Agents, Name: u.Name, Account: u.Email, HelpURL: p.HelpURL, At: idp.Now(),
		Brand:   ui.Brand{Name: p.Name, LogoURL: p.LogoURL, Color: p.BrandColor},
		Address: visit.Address, UserAgent: visit.UserAgent,
	}
	for _, l := range p.Links() {
		if l.Mails {
			f.Links = append(f.Links, ui.FooterLink{Label: ui.Key(l.Text), URL: l.URL})
		}
	}
	return f
}

// Ask stores a request of a kind; Worker.Request is told of it. body becomes JSON.
func (o *Outbox) Ask(ctx context.Context, kind string, body any) error {
	plain, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("store a request: %w", err)
	}
	now := idp.Now()
	return o.enqueue(ctx, store.Delivery{
		ID: idp.NewID(), Lane: RequestLane, Kind: kind, Body: plain, CreatedAt: now, NextAt: now, ExpiresAt: now.Add(RequestLifetime),
	})
}

// SignedOut stores a logout token for every party, in the transaction that ends
// their sessions (OpenID Connect Back-Channel Logout 1.0). It is signed when it is
// sent: what is stored is no credential.
func (o *Outbox) SignedOut(ctx context.Context, parties ...store.Party) error {
	now := idp.Now()
	list := make([]store.Delivery, len(parties))
	for i, p := range parties {
		list[i] = store.Delivery{
			ID: idp.NewID(), Lane: p.ClientID, Kind: LogoutKind, UserID: p.UserID, SessionID: p.SessionID,
			CreatedAt: now, NextAt: now, ExpiresAt: now.Add(LogoutLifetime),
		}
	}
	return o.enqueue(ctx, list...)
}

func (o *Outbox) enqueue(ctx context.Context, list ...store.Delivery) error {
	if len(list) == 0 {
		return nil
	}
	for i := range list {
		list[i].Body = o.ring.Seal(list[i].Body, aad(list[i].ID))
		if o.Trace != nil {
			list[i].Trace = o.Trace(ctx)
		}
	}
	if err := o.store.Enqueue(ctx, list...); err != nil {
		return err
	}
	o.store.AfterCommit(ctx, o.wake)
	return nil
}

func aad(id string) string { return keyring.AAD("outbox", id, "body") }

// wake makes this process's worker look at once; those of other replicas look
// every second.
func (o *Outbox) wake() {
	select {
	case o.woken <- struct{}{}:
	default: // it is awake already
	}
}
