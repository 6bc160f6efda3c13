package authz

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"gatehouse/idp"
	"gatehouse/idp/manage/entry"
)

// rule is what an actor needs for an operation.
type rule struct {
	// name is what the audit log and refusals call it.
	name string
	// fresh: a second step of at most FreshSecondStep ago.
	fresh bool
	// reason: a reason that the audit log keeps.
	reason bool
	// permissions: one of them is enough. What the operation concerns may narrow
	// them down.
	permissions []string
}

// Who may do what, by the name of the method. An operation that is not here is
// refused to everybody.
var rules = func() map[string]rule {
	people := []string{idp.PermissionUsers, idp.PermissionSessions, idp.PermissionAgentRecovery, idp.PermissionContactReset}
	factors := []string{idp.PermissionAgentRecovery, idp.PermissionContactReset}
	only := func(permission string) []string { return []string{permission} }
	authentication, users := only(idp.PermissionAuthentication), only(idp.PermissionUsers)
	roles, clients, sessions := only(idp.PermissionRoles), only(idp.PermissionClients), only(idp.PermissionSessions)
	return map[string]rule{
		"PreviewPolicy":   {"preview a change of the MFA policy", false, false, authentication},
		"PreviewOverride": {"preview a change of an app's MFA policy", false, false, authentication},
		"SavePolicy":      {"change the MFA policy", true, true, authentication},
		"SaveOverride":    {"change an app's MFA policy", true, true, authentication},
		"TestMail":        {"send a test mail", false, false, authentication},
		"Policy":          {"see an MFA policy", false, false, authentication},
		"Override":        {"see an app's MFA policy", false, false, authentication},

		"Populations":   {"see populations", false, false, append([]string{idp.PermissionAuthentication, idp.PermissionClients, idp.PermissionAudit}, people...)},
		"Population":    {"see a population", false, false, append([]string{idp.PermissionAuthentication, idp.PermissionClients, idp.PermissionAudit}, people...)},
		"AddPopulation": {"add a population", true, false, authentication},
		"SaveBrand":     {"change a population's brand", false, false, authentication},

		"Connections":          {"see sign-in connections", false, false, authentication},
		"Connection":           {"see a sign-in connection", false, false, authentication},
		"AddConnection":        {"add a sign-in connection", true, true, authentication},
		"UpdateConnection":     {"change a sign-in connection", true, true, authentication},
		"DeleteConnection":     {"delete a sign-in connection", true, true, authentication},
		"PreviewAccess":        {"preview a change of portal access", false, false, authentication},
		"SaveAccess":           {"change portal access", true, true, authentication},
		"Identities":           {"see connected accounts", false, false, people},
		"LinkIdentity":         {"connect an account", true, true, users},
		"UnlinkIdentity":       {"disconnect an account", true, true, users},
		"Requirements":         {"see password requirements and session configuration", false, false, authentication},
		"PreviewPasswordRules": {"preview a change of the password requirements", false, false, authentication},
		"SavePasswordRules":    {"change the password requirements", true, true, authentication},
		"PreviewSessionRules":  {"preview a change of the session configuration", false, false, authentication},
		"SaveSessionRules":     {"change the session configuration", true, true, authentication},

		"Coverage":         {"see people by their second factors", false, false, append([]string{idp.PermissionAuthentication}, people...)},
		"PreviewReminder":  {"preview a reminder of the second step", false, false, users},
		"RemindSecondStep": {"remind people of the second step", true, true, users},

		"Users":         {"see people", false, false, people},
		"UserDetail":    {"see a person", false, false, people},
		"AddUser":       {"add a person", false, false, users},
		"ImportUser":    {"import people", true, true, users},
		"UpdateUser":    {"change a person", false, false, users},
		"DeleteUser":    {"delete a person", true, true, users},
		"AnonymiseUser": {"anonymise a person", true, true, users},
		"SetPassword":   {"set a password", true, true, users},
		"ClearThrottle": {"clear a throttle", true, true, users},

		"Invite":           {"invite a person", false, false, users},
		"Invitation":       {"see an invitation", false, false, users},
		"Invitations":      {"see invitations", false, false, users},
		"ResendInvitation": {"send an invitation again", false, false, users},
		"RevokeInvitation": {"revoke an invitation", false, false, users},
		"SaveRegistration": {"change who may register", true, false, authentication},

		"ViewRecoveryCodes":       {"view recovery codes", true, true, only(idp.PermissionAgentRecovery)},
		"RegenerateRecoveryCodes": {"generate recovery codes", true, true, factors},
		"ResetMFA":                {"reset MFA", true, true, factors},
		"EnableFactor":            {"enable a factor", true, true, factors},

		"ListSessions":    {"see sessions", false, false, sessions},
		"EndSession":      {"end a session", false, true, sessions},
		"ListGrants":      {"see the access that apps keep", false, false, sessions},
		"EndGrant":        {"end the access that an app keeps", false, true, sessions},
		"ListConsents":    {"see what a person lets apps have", false, false, sessions},
		"WithdrawConsent": {"withdraw what a person lets an app have", false, true, sessions},
		"SignOut":         {"sign a person out", false, true, sessions},

		"ListTrustedBrowsers":  {"see the browsers that a person trusts", false, false, sessions},
		"ForgetTrustedBrowser": {"forget a browser that a person trusts", false, true, sessions},

		"Roles":      {"see roles", false, false, append([]string{idp.PermissionRoles, idp.PermissionClients}, people...)},
		"CreateRole": {"add a role", true, true, roles},
		"UpdateRole": {"change a role", true, true, roles},
		"DeleteRole": {"delete a role", true, true, roles},
		"SetRoles":   {"give roles", true, true, roles},

		"Clients":            {"see apps", false, false, []string{idp.PermissionClients, idp.PermissionAuthentication}},
		"Client":             {"see an app", false, false, []string{idp.PermissionClients, idp.PermissionAuthentication}},
		"AddClient":          {"add an app", false, false, clients},
		"UpdateClient":       {"change an app", false, false, clients},
		"DeleteClient":       {"delete an app", true, true, clients},
		"AddClientSecret":    {"add a secret of an app", true, false, clients},
		"RemoveClientSecret": {"remove a secret of an app", true, false, clients},

		"InitialTokens":        {"see initial access tokens", false, false, clients},
		"InitialToken":         {"see an initial access token", false, false, clients},
		"AddInitialToken":      {"make an initial access token", true, false, clients},
		"WithdrawInitialToken": {"withdraw an initial access token", false, true, clients},
		"ClientRegistration":   {"see how an app registered itself", false, false, []string{idp.PermissionClients, idp.PermissionAuthentication}},

		"Audit":       {"read the audit log", false, false, only(idp.PermissionAudit)},
		"ExportAudit": {"export the audit log", false, false, only(idp.PermissionAudit)},

		"Deliveries":      {"see deliveries", false, false, []string{idp.PermissionDeliveries, idp.PermissionKeys}},
		"RetryDeliveries": {"retry deliveries", false, false, only(idp.PermissionKeys)},
		"TestLogout":      {"send an app a test of its logout notices", false, false, []string{idp.PermissionClients, idp.PermissionKeys}},

		"SigningKeys": {"see signing keys", false, false, only(idp.PermissionKeys)},
		"RotateKeys":  {"rotate signing keys", true, true, only(idp.PermissionKeys)},
		"RevokeKey":   {"revoke a signing key", true, true, only(idp.PermissionKeys)},
	}
}()

// Operations says for each operation, by the name of its method, which permissions
// allow it: one of them is enough.
func Operations() map[string][]string {
	list := map[string][]string{}
	for op, r := range rules {
		list[op] = slices.Clone(r.permissions)
	}
	return list
}

// CanDo tells whether the actor's permissions allow an operation at all, so that a
// page can leave out what would be refused. Authorize also looks at the person
// concerned, the second step and the reason.
func (a Actor) CanDo(op string) bool {
	return slices.ContainsFunc(rules[op].permissions, a.Can)
}

// Request is one operation that an actor asks for.
type Request struct {
	Op string
	// Permission is the one that counts for what this concerns, empty: any of the
	// rule's.
	Permission string
	// Target is the person concerned, nil for none in particular: they must hold
	// nothing that the actor lacks.
	Target *idp.User
	// Way is the key of waysAround where it is not the operation's name.
	Way string
	// Holds are permissions that the actor must hold as well, since they are given,
	// taken or could be used.
	Holds  []string
	Reason string
	// Fresh asks for a fresh second step even where the rule does not, sensitive for
	// that and a reason.
	Fresh, Sensitive bool
	// Part: this belongs to another operation, and its own reason is not asked for.
	Part bool
}

// Authorize checks everything about an operation, and writes refusals to the audit log.
func (m *Manager) Authorize(ctx context.Context, a Actor, r Request) error {
	err := m.check(ctx, a, r)
	if err == nil {
		noteAllowed(ctx, r)
	}
	if err == nil || !errors.Is(err, ErrForbidden) && !errors.Is(err, ErrStepUp) {
		return err
	}
	return m.refused(ctx, a, r, err)
}

// refused writes a refusal to the audit log, and returns it.
func (m *Manager) refused(ctx context.Context, a Actor, r Request, err error) error {
	e := idp.AuditEvent{
		Kind: idp.AuditOperationRefused, ActorID: a.UserID,
		Detail: map[string]string{"operation": rules[r.Op].name, "reason": "forbidden", "cause": err.Error()},
	}
	if errors.Is(err, ErrStepUp) {
		e.Detail["reason"] = "second_step"
	}
	if a.Service != "" {
		e.Detail["service"] = a.Service
	}
	if r.Target != nil {
		e.UserID, e.PopulationID = r.Target.ID, r.Target.PopulationID
	}
	return errors.Join(err, m.Store.Audit(ctx, e))
}

// Forbid refuses an operation for a cause that is no rule's.
func (m *Manager) Forbid(ctx context.Context, a Actor, r Request, cause string) error {
	return m.refused(ctx, a, r, fmt.Errorf("%w: %s", ErrForbidden, cause))
}

func (m *Manager) check(ctx context.Context, a Actor, r Request) error {
	rule, known := rules[r.Op]
	if !known {
		return fmt.Errorf("%w: %s has no rule", ErrForbidden, r.Op)
	}
	enough := rule.permissions
	if r.Permission != "" {
		enough = []string{r.Permission}
	}
	if !slices.ContainsFunc(enough, a.Can) {
		return fmt.Errorf("%w: %s needs permission %s", ErrForbidden, rule.name, strings.Join(enough, " or "))
	}
	if r.Target != nil && !a.System {
		if err := m.notUpward(ctx, a, *r.Target); err != nil {
			return err
		}
		way := r.Op
		if r.Way != "" {
			way = r.Way
		}
		if err := m.notAround(ctx, a, way, *r.Target); err != nil {
			return err
		}
	}
	for _, p := range r.Holds {
		if !a.Can(p) {
			return fmt.Errorf("%w: %s would need permission %s as well", ErrForbidden, rule.name, p)
		}
	}
	if a.System {
		return nil
	}
	if (rule.fresh || r.Fresh || r.Sensitive) && (a.SecondStepAt.IsZero() || idp.Now().Sub(a.SecondStepAt) > FreshSecondStep) {
		return fmt.Errorf("%w: %s", ErrStepUp, rule.name)
	}
	if rule.reason && !r.Part || r.Sensitive {
		return checkReason(r.Reason)
	}
	return nil
}

func checkReason(reason string) error {
	reason = strings.TrimSpace(reason)
	switch {
	case reason == "":
		return entry.Invalid("reason", "settings.reason")
	case utf8.RuneCountInString(reason) > maxReason:
		return entry.Invalid("reason", "settings.long", maxReason)
	}
	return entry.IsText("reason", strings.NewReplacer("\r", " ", "\n", " ", "\t", " ").Replace(reason))
}
