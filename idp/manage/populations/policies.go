package populations

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/passkey"
	"gatehouse/idp/settings"
	"gatehouse/idp/store"
	"gatehouse/mfa"
)

// Apply says when a change of a policy applies.
type Apply string

// The choices. The third is for rules of passwords alone.
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

// PolicyFields describe the MFA policy of a population.
func PolicyFields() settings.Fields[idp.Policy] {
	return settings.Fields[idp.Policy]{
		settings.Flag("authenticator", func(p *idp.Policy) *bool { return &p.Authenticator }).Or(true),
		settings.Line("issuer_label", func(p *idp.Policy) *string { return &p.IssuerLabel }).Max(maxIssuerLabel).As(settings.Words).Rule(issuerLabel).Like(`^[^\x00-\x1F\x7F-\x9F:]*$`),
		settings.Flag("passkey", func(p *idp.Policy) *bool { return &p.Passkey }).Since(),
		settings.Flag("email_code", func(p *idp.Policy) *bool { return &p.EmailCode }),
		settings.Flag("passkey_for_roles", func(p *idp.Policy) *bool { return &p.PasskeyForRoles }).Since(),
		settings.WordSet("security_keys", func(p *idp.Policy) *string { return &p.SecurityKeys }).Max(maxSecurityKeys).As(tidyModel).Rule(model).Since(),
		settings.Text("security_key_roots", func(p *idp.Policy) *string { return &p.SecurityKeyRoots }).Max(maxRoots).As(passkey.TidyRoots).Since(),
		settings.Flag("only_security_keys", func(p *idp.Policy) *bool { return &p.OnlySecurityKeys }).Since(),
		settings.Number("trust_days", func(p *idp.Policy) *int { return &p.TrustDays }).Max(idp.MaxTrustDays).Since(),
	}
}

// issuerLabel refuses what authenticator apps read as something else.
func issuerLabel(label string) *settings.Error {
	if strings.Contains(label, ":") {
		return &settings.Error{Key: "settings.mfa.colon"}
	}
	return settings.ShowsName(label)
}

// labelOf makes an issuer label of a name, empty where nothing of it could be shown.
func labelOf(name string) string {
	label := []rune(strings.Map(func(r rune) rune {
		if r == ':' || unicode.IsControl(r) {
			return -1
		}
		return r
	}, name))
	text := string(label[:min(len(label), maxIssuerLabel)])
	if issuerLabel(text) != nil {
		return ""
	}
	return text
}

// CheckPolicy says what is wrong about a policy whenever it applies.
func (m *Manager) CheckPolicy(p *idp.Policy) settings.Errors {
	wrong := PolicyFields().Check(p)
	if p.Authenticator && p.IssuerLabel == "" {
		wrong = wrong.And(settings.Error{Field: "issuer_label", Key: "settings.mfa.need_label"})
	}
	if p.EmailCode && m.Mailer == nil {
		wrong = wrong.And(settings.Error{Field: "email_code", Key: "settings.mfa.no_mail"})
	}
	return wrong.And(checkSecurityKeys(*p)...)
}

// checkSecurityKeys says what is wrong about whose word about security keys counts: models are
// worth nothing without certificates of their makers, and the reverse.
func checkSecurityKeys(p idp.Policy) (wrong settings.Errors) {
	if _, err := passkey.Roots(p.SecurityKeyRoots, idp.Now()); err != nil {
		key, args := rootProblem(err)
		wrong = wrong.And(settings.Error{Field: "security_key_roots", Key: key, Args: args})
	}
	switch {
	case p.SecurityKeys != "" && p.SecurityKeyRoots == "":
		wrong = wrong.And(settings.Error{Field: "security_key_roots", Key: "settings.mfa.need_roots"})
	case p.SecurityKeys == "" && p.SecurityKeyRoots != "":
		wrong = wrong.And(settings.Error{Field: "security_keys", Key: "settings.mfa.need_models"})
	}
	if p.OnlySecurityKeys && p.SecurityKeys == "" {
		wrong = wrong.And(settings.Error{Field: "only_security_keys", Key: "settings.mfa.need_models"})
	}
	return wrong
}

// rootProblem is what to say of a text that has no certificates of makers.
func rootProblem(err error) (string, []any) {
	var bad *passkey.RootError
	if !errors.As(err, &bad) {
		return "settings.mfa.root_pem", nil
	}
	switch bad.Problem {
	case passkey.RootNotCA:
		return "settings.mfa.root_ca", []any{settings.Cut(bad.Name)}
	case passkey.RootExpired:
		return "settings.mfa.root_expired", []any{settings.Cut(bad.Name)}
	case passkey.RootUnreadable:
	}
	return "settings.mfa.root_pem", nil
}

// What of security keys a policy may have.
const (
	maxSecurityKeys = 200
	maxRoots        = 32 << 10 // characters of PEM: a form or a body that holds them is at most web.MaxBody
)

// tidyModel writes an AAGUID as it is kept.
func tidyModel(text string) string {
	if id, ok := passkey.Model(text); ok {
		return id
	}
	return strings.TrimSpace(text)
}

// model refuses what is no AAGUID.
func model(text string) *settings.Error {
	if _, ok := passkey.Model(text); !ok {
		return &settings.Error{Key: "settings.mfa.model", Args: []any{settings.Cut(text)}}
	}
	return nil
}

// OverrideFields describe an app's own MFA policy. What goes with required is not looked
// at otherwise.
func OverrideFields() settings.Fields[idp.Override] {
	required := func(o idp.Override) bool { return o.Mode == idp.OverrideRequired }
	return settings.Fields[idp.Override]{
		settings.Choice("mode", func(o *idp.Override) *idp.OverrideMode { return &o.Mode },
			idp.OverrideInherit, idp.OverrideRequired, idp.OverrideOff).Must("console.app.need_mode").Or(idp.OverrideInherit),
		settings.Choice("min_acr", func(o *idp.Override) *idp.ACR { return &o.MinACR }, "", idp.ACRTwoStep, idp.ACRMFA, idp.ACRPasskey, idp.ACRHardware).If(required),
		settings.Flag("federated", func(o *idp.Override) *bool { return &o.Federated }).If(required),
	}
}

// CheckOverride says what is wrong about an override.
func CheckOverride(o *idp.Override) settings.Errors {
	wrong := OverrideFields().Check(o)
	if o.Mode != idp.OverrideRequired && (o.MinACR != "" || o.Federated) {
		wrong = wrong.And(settings.Error{Field: "min_acr", Key: "settings.override.only_required"})
	}
	return wrong
}

// Preview is whom a change concerns.
type Preview struct {
	store.Affected
	// WithoutFactor of the people have no factor that the new policy would take:
	// they are led through set-up at their next sign-in.
	WithoutFactor int64
	// OtherPasskeys of the people have a passkey that the policy's makers of security keys did
	// not vouch for. It goes on working, as one that is in no hardware.
	OtherPasskeys int64
	// Clients are the apps concerned, in the order of their ids.
	Clients []idp.Client
	// JWTFor is how long other servers may go on accepting a JWT access token after
	// "Immediately": the longest lifetime of the apps that have such tokens, zero
	// for none.
	JWTFor time.Duration
}

// PreviewPolicy counts whom a policy of a population would concern. It changes
// nothing, and needs the permission of the change.
func (m *Manager) PreviewPolicy(ctx context.Context, a authz.Actor, population string, p idp.Policy) (Preview, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "PreviewPolicy"}); err != nil {
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
	if mfa.SetsUp(p) && !mailbox(p) { // which everybody has
		preview.WithoutFactor = affected.WithoutAuthenticator
	}
	if p.AttestsKeys() {
		if preview.OtherPasskeys, err = m.Store.WithOtherPasskeys(ctx, population, strings.Fields(p.SecurityKeys)); err != nil {
			return Preview{}, err
		}
	}
	all, err := m.Store.Clients(ctx)
	for _, c := range all {
		if slices.Contains(c.Populations, population) {
			preview.add(c)
		}
	}
	return preview, err
}

// mailbox tells whether a policy has codes to a mailbox.
func mailbox(p idp.Policy) bool {
	return slices.ContainsFunc(mfa.Mailboxes(), func(m idp.Method) bool { return mfa.Of(m).On(p) })
}

func (p *Preview) add(c idp.Client) {
	p.Clients = append(p.Clients, c)
	if c.TokenFormat == idp.JWTToken {
		p.JWTFor = max(p.JWTFor, c.AccessTTL)
	}
}

// PreviewOverride counts whom an override of a client would concern: the people of
// its populations, and the sessions that it has tokens of.
func (m *Manager) PreviewOverride(ctx context.Context, a authz.Actor, clientID string, o idp.Override) (Preview, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "PreviewOverride"}); err != nil {
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
		if preview.WithoutFactor, err = m.withoutFactor(ctx, client, o); err != nil {
			return Preview{}, err
		}
	}
	preview.Sessions, err = m.Store.SessionsAtClient(ctx, clientID, now)
	return preview, err
}

// withoutFactor counts the people of a client's populations who would have to set
// up a factor for its override.
func (m *Manager) withoutFactor(ctx context.Context, c idp.Client, o idp.Override) (int64, error) {
	var total int64
	for _, id := range c.Populations {
		p, err := m.Store.Population(ctx, id)
		if err != nil {
			return 0, err
		}
		if mailbox(p.Policy) && o.MinACR.Rank() <= idp.ACRTwoStep.Rank() {
			continue
		}
		var models []string
		if o.MinACR == idp.ACRHardware {
			models = append([]string{}, strings.Fields(p.Policy.SecurityKeys)...)
		}
		without, err := m.Store.PeopleWithout(ctx, id, mfa.Reaching(o.MinACR), models)
		if err != nil {
			return 0, err
		}
		total += without
	}
	return total, nil
}

// reachable refuses an override that none of the client's people could ever meet.
func (m *Manager) reachable(ctx context.Context, clientID string, o idp.Override) (settings.Errors, error) {
	if o.Mode != idp.OverrideRequired || o.MinACR != idp.ACRHardware {
		return nil, nil
	}
	client, err := m.Store.Client(ctx, clientID)
	if err != nil {
		return nil, err
	}
	all, err := m.Store.Populations(ctx)
	for _, p := range all {
		if slices.Contains(client.Populations, p.ID) && mfa.Reaches(p.Policy, o.MinACR) {
			return nil, err
		}
	}
	return settings.Invalid("min_acr", "settings.override.no_keys"), err
}

// SavePolicy puts a population's policy in force, as save says, and returns it with its
// version. The version that the actor saw is To.Version. A policy with the values that it
// has keeps its version, and ends nothing.
func (m *Manager) SavePolicy(ctx context.Context, a authz.Actor, c Change[idp.Policy]) (idp.Policy, error) {
	c.Version = c.To.Version
	e, err := setting[idp.Policy]{
		op: "SavePolicy", kind: idp.AuditPolicyChanged, fields: PolicyFields(), applies: []Apply{Immediately, OnNextLogin},
		version: func(e PopulationEntry) int64 { return e.Policy.Version },
		of:      func(p idp.Population) idp.Policy { return p.Policy },
		onto:    func(p *idp.Population, c Change[idp.Policy]) { p.Policy = c.To },
		check: func(m *Manager, _ idp.Population, c *Change[idp.Policy]) settings.Errors {
			wrong := m.CheckPolicy(&c.To)
			if !c.To.SecondStep() && !c.PasswordAlone {
				wrong = wrong.And(settings.Error{Field: "password_alone", Key: "console.error.alone"})
			}
			return wrong
		},
		write: func(ctx context.Context, m *Manager, w written) error {
			w.after.Policy.Version = w.number
			return m.Store.SavePolicy(ctx, w.after.ID, w.version, w.after.Policy, w.least, idp.Now())
		},
	}.save(ctx, m, a, c)
	return e.Policy, err
}

// SaveOverride puts a client's override in force and returns it with its version, as
// SavePolicy does. "Immediately" ends the client's grants, and at this client proofs of
// before no longer count; sessions go on elsewhere.
func (m *Manager) SaveOverride(ctx context.Context, a authz.Actor, c Change[idp.Override]) (idp.Override, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "SaveOverride", Reason: c.Reason}); err != nil {
		return idp.Override{}, err
	}
	if idp.OwnClient(c.ID) {
		return idp.Override{}, entry.Invalid("client_id", "settings.override.own")
	}
	wrong := CheckOverride(&c.To)
	if !slices.Contains([]Apply{Immediately, OnNextLogin}, c.Apply) {
		wrong = wrong.And(settings.Error{Field: "apply", Key: "console.error.choice"})
	}
	unreachable, err := m.reachable(ctx, c.ID, c.To)
	if err != nil {
		return idp.Override{}, err
	}
	if wrong = wrong.And(unreachable...); len(wrong) > 0 {
		return idp.Override{}, wrong
	}
	saved := c.To
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		before, err := m.Store.Override(ctx, c.ID)
		if err != nil {
			return err
		}
		again := saved
		if again.Version, again.MinVersion = before.Version, before.MinVersion; again == before {
			done := c.To.Version == before.Version
			if !done && a.Repeats {
				done, err = m.carriedOut(ctx, c.Apply, store.AuditQuery{Kind: idp.AuditOverrideChanged, ClientID: c.ID})
			}
			if done || err != nil {
				saved = before
				return err
			}
		}
		saved.MinVersion = before.MinVersion
		if saved.Version, err = m.Store.NextPolicyVersion(ctx); err != nil {
			return err
		}
		if c.Apply == Immediately {
			saved.MinVersion = saved.Version
		}
		if err := m.Store.SaveOverride(ctx, c.ID, c.To.Version, saved, idp.Now()); err != nil {
			return err
		}
		detail := OverrideFields().Diff(before, saved)
		detail["apply"], detail["version"] = string(c.Apply), strconv.FormatInt(saved.Version, 10)
		e := a.Audit(idp.AuditOverrideChanged, c.Reason, detail)
		e.ClientID = c.ID
		m.Store.AfterCommit(ctx, m.reapSoon(c.Apply))
		return m.Store.Audit(ctx, e)
	})
	return saved, err
}

// reapSoon is what to do once a change is committed.
func (m *Manager) reapSoon(apply Apply) func() {
	return func() {
		if apply == Immediately && m.Reap != nil {
			m.Reap()
		}
	}
}

// Policy reads the MFA policy of a population.
func (m *Manager) Policy(ctx context.Context, a authz.Actor, population string) (idp.Policy, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "Policy"}); err != nil {
		return idp.Policy{}, err
	}
	p, err := m.Store.Population(ctx, population)
	return p.Policy, err
}

// Override reads a client's own MFA policy.
func (m *Manager) Override(ctx context.Context, a authz.Actor, clientID string) (idp.Override, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "Override"}); err != nil {
		return idp.Override{}, err
	}
	return m.Store.Override(ctx, clientID)
}
