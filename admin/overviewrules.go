package admin

import (
	"context"

	"gatehouse/idp"
	"gatehouse/ui"
)

// The overview names a few of the first apps; all are on their own page.
const appsRead, appsShown = 25, 8

// rules fills in what is asked at sign-in, of each user group and at the apps. Each leads to where
// it is changed.
func (v *visit) rules(ctx context.Context, page *ui.ConsoleOverview) error {
	populations, err := v.console.Store.Populations(ctx)
	if err != nil {
		return err
	}
	clients, err := v.console.Store.VersionedClients(ctx, "", appsRead)
	if err != nil {
		return err
	}
	for _, p := range populations {
		at := v.path("/authentication/" + p.ID)
		page.Groups = append(page.Groups, ui.GroupRules{
			Name:      v.populationName(p),
			Access:    *ui.Key("console.access.access." + wayOf(p.Access)).With(),
			AccessURL: at + "/access",
			Methods:   methodLabels(p.Policy),
			PolicyURL: at + "/mfa",
			Passwords: *ui.Key("console.passwords.min_length_is").With(p.Passwords.MinLength), PasswordsURL: at + "/passwords",
		})
	}
	for _, c := range clients {
		if len(page.Apps) < appsShown && !idp.OwnClient(c.Client.ID) && c.Client.Kind.SignsIn() {
			page.Apps = append(page.Apps, ui.AppRow{Name: c.Client.Name, Rule: *ruleOf(c.Override).With(), URL: v.path("/apps/" + c.Client.ID + "/mfa")})
		}
	}
	page.AppsURL = v.open("/apps")
	return nil
}

// methodLabels name the second steps that a policy has on.
func methodLabels(p idp.Policy) (list []ui.Message) {
	for _, m := range []struct {
		on  bool
		key ui.Key
	}{
		{p.Authenticator, "console.policy.authenticator"},
		{p.Passkey, "console.policy.passkey"},
		{p.EmailCode, "console.policy.email_code"},
	} {
		if m.on {
			list = append(list, *m.key.With())
		}
	}
	return list
}
