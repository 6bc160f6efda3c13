package manage

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gatehouse/idp"
	"gatehouse/idp/store"
)

// Apply says when a change of a policy applies.
type Apply string

// The choices (DESIGN section 2, "Changing a policy"); the third is for rules of
// passwords alone.
const (
	// Immediately signs everybody concerned out, on every replica, as soon as the
	// change is saved.
	Immediately Apply = "immediately"
	// OnNextLogin leaves sessions that exist as they are until they end.
	OnNextLogin Apply = "next_login"
	// OnlyNew leaves passwords in use as they are.
	OnlyNew Apply = "new_passwords"
)

// maxIssuerLabel is how long an authenticator's issuer label may be, in
// characters: apps cut what is longer.
const maxIssuerLabel = 64

// PolicyChange is a population's new MFA policy. Policy.Version is the version that
// the admin saw.
type PolicyChange struct {
	Population string
	Policy     idp.Policy
	Apply      Apply
	// PasswordAlone confirms a policy without any second step.
	PasswordAlone bool
	Reason        string
}

// OverrideChange is a client's new override. Override.Version is the version that
// the admin saw.
type OverrideChange struct {
	ClientID string
	Override idp.Override
	Apply    Apply
	Reason   string
}

// Preview is whom a change concerns.
type Preview struct {
	store.Affected
	// WithoutFactor of the people have no factor that the new policy would take:
	// they are led through set-up at their next sign-in.
	WithoutFactor int64
	// Clients are the apps concerned, in the order of their ids.
	Clients []idp.Client
	// JWTFor is how long other servers may go on accepting a JWT access token after
	// "Immediately": the longest lifetime of the apps that have such tokens, zero
	// for none.
	JWTFor time.Duration
}

// PreviewPolicy counts whom a policy of a population would concern. It changes
// nothing, and needs the permission of the change.
func (m *Manager) PreviewPolicy(ctx context.Context, a Actor, population string, p idp.Policy) (Preview, error) {
	if err := m.allow(ctx, a, request{op: "PreviewPolicy"}); err != nil {
		return Preview{}, err
	}
	if _, err := m.Store.Population(ctx, population); err != nil {
		return Preview{}, err
	}
	affected, err := m.Store.AffectedByPopulation(ctx, idp.Now(), population)
	if err != nil {
		return Preview{}, err
	}
	preview := Preview{Affected: affected}
	if p.Authenticator && !p.EmailCode { // a mailbox everybody has
		preview.WithoutFactor = affected.WithoutAuthenticator
	}
	all, err := m.Store.Clients(ctx)
	for _, c := range all {
		if slices.Contains(c.Populations, population) {
			preview.add(c)
		}
	}
	return preview, err
}

func (p *Preview) add(c idp.Client) {
	p.Clients = append(p.Clients, c)
	if c.TokenFormat == idp.JWTToken {
		p.JWTFor = max(p.JWTFor, c.AccessTTL)
	}
}

// PreviewOverride counts whom an override of a client would concern: the people of
// its populations, and the sessions that it has tokens of.
func (m *Manager) PreviewOverride(ctx context.Context, a Actor, clientID string, o idp.Override) (Preview, error) {
	if err := m.allow(ctx, a, request{op: "PreviewOverride"}); err != nil {
		return Preview{}, err
	}
	client, err := m.Store.Client(ctx, clientID)
	if err != nil {
		return Preview{}, err
	}
	now := idp.Now()
	affected, err := m.Store.AffectedByPopulation(ctx, now, client.Populations...)
	if err != nil {
		return Preview{}, err
	}
	preview := Preview{Affected: affected}
	preview.add(client)
	if o.Mode == idp.OverrideRequired {
		if preview.WithoutFactor, err = m.withoutFactor(ctx, client, o, now); err != nil {
			return Preview{}, err
		}
	}
	preview.Sessions, err = m.Store.SessionsAtClient(ctx, clientID, now)
	return preview, err
}

// withoutFactor counts the people of a client's populations who would have to set
// up an authenticator for its override.
func (m *Manager) withoutFactor(ctx context.Context, c idp.Client, o idp.Override, now time.Time) (int64, error) {
	var total int64
	for _, id := range c.Populations {
		p, err := m.Store.Population(ctx, id)
		if err != nil {
			return 0, err
		}
		if p.Policy.EmailCode && o.MinACR.Rank() <= idp.ACRTwoStep.Rank() {
			continue
		}
		affected, err := m.Store.AffectedByPopulation(ctx, now, id)
		if err != nil {
			return 0, err
		}
		total += affected.WithoutAuthenticator
	}
	return total, nil
}

// SavePolicy puts a population's policy in force and returns it with its version.
// A *FieldError says what cannot be saved, idp.ErrConflict that somebody else has
// changed the policy since the actor saw it. A policy with the values that it has keeps
// its version, and ends nothing. "Immediately" is one write, however
// many sessions there are: whatever an older version judged is refused from then
// on.
func (m *Manager) SavePolicy(ctx context.Context, a Actor, c PolicyChange) (idp.Policy, error) {
	if err := m.allow(ctx, a, request{op: "SavePolicy", reason: c.Reason}); err != nil {
		return idp.Policy{}, err
	}
	c.Policy.IssuerLabel = strings.Join(strings.Fields(c.Policy.IssuerLabel), " ")
	if err := m.checkPolicy(c); err != nil {
		return idp.Policy{}, err
	}
	saved := c.Policy
	err := m.Store.Do(ctx, func(ctx context.Context) error {
		before, err := m.Store.Population(ctx, c.Population)
		if err != nil || saved == before.Policy {
			return err
		}
		if saved.Version, err = m.Store.NextPolicyVersion(ctx); err != nil {
			return err
		}
		least := int64(0)
		if c.Apply == Immediately {
			least = saved.Version
		}
		if err := m.Store.SavePolicy(ctx, c.Population, c.Policy.Version, saved, least, idp.Now()); err != nil {
			return err
		}
		e := a.audit(idp.AuditPolicyChanged, c.Reason, map[string]string{
			"from": describePolicy(before.Policy), "to": describePolicy(saved), "apply": string(c.Apply),
			"version": strconv.FormatInt(saved.Version, 10),
		})
		e.PopulationID = c.Population
		m.Store.AfterCommit(ctx, m.reapSoon(c.Apply))
		return m.Store.Audit(ctx, e)
	})
	return saved, err
}

func (m *Manager) checkPolicy(c PolicyChange) error {
	label := c.Policy.IssuerLabel
	switch {
	case c.Apply != Immediately && c.Apply != OnNextLogin:
		return invalid("apply", "say when it applies: %s or %s", Immediately, OnNextLogin)
	case c.Policy.Authenticator && label == "":
		return invalid("issuer_label", "the authenticator app needs a name to show for the account")
	case label != "" && !idp.Shows(label):
		return invalid("issuer_label", "this name shows nothing: it needs a letter, a digit or a sign")
	case utf8.RuneCountInString(label) > maxIssuerLabel:
		return invalid("issuer_label", "at most %d characters: apps cut what is longer", maxIssuerLabel)
	case strings.ContainsFunc(label, func(r rune) bool { return unicode.IsControl(r) || r == ':' }) || !utf8.ValidString(label):
		return invalid("issuer_label", "no colon and no control characters: apps read them as something else")
	case c.Policy.EmailCode && m.Mailer == nil:
		return invalid("email_code", "no mail server is configured, so that no code would arrive (docs/operate.md, Mail)")
	case !c.Policy.SecondStep() && !c.PasswordAlone:
		return invalid("password_alone", "no method is enabled: people would sign in with the password alone; confirm that this is meant")
	}
	return nil
}

func describePolicy(p idp.Policy) string {
	return fmt.Sprintf("authenticator %s, email code %s, issuer label %q", onOff(p.Authenticator), onOff(p.EmailCode), p.IssuerLabel)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// SaveOverride puts a client's override in force and returns it with its version.
// Errors are those of SavePolicy. "Immediately" ends the client's grants, and at
// this client proofs of before no longer count; sessions go on elsewhere.
func (m *Manager) SaveOverride(ctx context.Context, a Actor, c OverrideChange) (idp.Override, error) {
	if err := m.allow(ctx, a, request{op: "SaveOverride", reason: c.Reason}); err != nil {
		return idp.Override{}, err
	}
	if idp.OwnClient(c.ClientID) {
		return idp.Override{}, invalid("client_id", "our own pages have no rules but their own")
	}
	if err := checkOverride(c); err != nil {
		return idp.Override{}, err
	}
	saved := c.Override
	err := m.Store.Do(ctx, func(ctx context.Context) error {
		before, err := m.Store.Override(ctx, c.ClientID)
		if err != nil {
			return err
		}
		if saved.MinVersion = before.MinVersion; saved == before {
			return nil
		}
		if saved.Version, err = m.Store.NextPolicyVersion(ctx); err != nil {
			return err
		}
		if c.Apply == Immediately {
			saved.MinVersion = saved.Version
		}
		if err := m.Store.SaveOverride(ctx, c.ClientID, c.Override.Version, saved, idp.Now()); err != nil {
			return err
		}
		e := a.audit(idp.AuditOverrideChanged, c.Reason, map[string]string{
			"from": describeOverride(before), "to": describeOverride(saved), "apply": string(c.Apply),
			"version": strconv.FormatInt(saved.Version, 10),
		})
		e.ClientID = c.ClientID
		m.Store.AfterCommit(ctx, m.reapSoon(c.Apply))
		return m.Store.Audit(ctx, e)
	})
	return saved, err
}

func checkOverride(c OverrideChange) error {
	o := c.Override
	switch {
	case c.Apply != Immediately && c.Apply != OnNextLogin:
		return invalid("apply", "say when it applies: %s or %s", Immediately, OnNextLogin)
	case !slices.Contains([]idp.OverrideMode{idp.OverrideInherit, idp.OverrideOff, idp.OverrideRequired}, o.Mode):
		return invalid("mode", "%q is neither inherit, off nor required", o.Mode)
	case o.Mode != idp.OverrideRequired && (o.MinACR != "" || o.Federated):
		return invalid("min_acr", "a least acr, and asking federated sign-ins too, go with required only")
	case o.MinACR != "" && !slices.Contains([]idp.ACR{idp.ACRTwoStep, idp.ACRMFA}, o.MinACR):
		return invalid("min_acr", "%q is neither %s nor %s", o.MinACR, idp.ACRTwoStep, idp.ACRMFA)
	}
	return nil
}

func describeOverride(o idp.Override) string {
	if o.Mode != idp.OverrideRequired {
		return string(o.Mode)
	}
	text := "required"
	if o.MinACR != "" {
		text += ", at least " + string(o.MinACR)
	}
	if o.Federated {
		text += ", also federated"
	}
	return text
}

// reapSoon is what to do once a change is committed.
func (m *Manager) reapSoon(apply Apply) func() {
	return func() {
		if apply == Immediately && m.Reap != nil {
			m.Reap()
		}
	}
}
