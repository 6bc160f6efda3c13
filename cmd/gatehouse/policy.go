package main

import (
	"net/http"
	"os"

	"gatehouse/admin/apiclient"
)

type policyCommand struct {
	connection

	Show     policyShow     `cmd:"" help:"Read the MFA policy of a population, or of all."`
	Preview  policyPreview  `cmd:"" help:"Count whom a change would concern; changes nothing."`
	Set      policySet      `cmd:"" help:"Change the MFA policy of a population; what is left out stays."`
	Coverage policyCoverage `cmd:"" help:"Count people by their strongest second factor."`
	Remind   policyRemind   `cmd:"" help:"Remind those without a second factor by mail to set one up, at most once in 7 days."`
	Access   policyAccess   `cmd:"" help:"How people sign in: with email and password, through connections, or both."`
}

type policyShow struct {
	Population string `arg:"" help:"Population, such as agents; all without it." optional:""`
}

// Run shows policies.
func (c policyShow) Run(r *remote) error {
	if c.Population != "" {
		return r.do(http.MethodGet, policyAt(c.Population), nil)
	}
	return r.all("/populations", "populations", struct{}{}, "id", "name", "settings.mfa_policy.version", "settings.mfa_policy.authenticator",
		"settings.mfa_policy.passkey", "settings.mfa_policy.email_code", "settings.mfa_policy.issuer_label", "settings.mfa_policy.trust_days")
}

func policyAt(population string, below ...string) string {
	return apiclient.At(append([]string{"populations", population, "mfa-policy"}, below...)...)
}

// policySettings are what can be changed of a policy.
type policySettings struct {
	Authenticator    *bool     `help:"Enable the authenticator app." negatable:"" json:"authenticator,omitempty"`
	Passkey          *bool     `help:"Enable passkeys." negatable:"" json:"passkey,omitempty"`
	EmailCode        *bool     `help:"Enable the email code; the provider needs a mail server." negatable:"" json:"email_code,omitempty"`
	PasskeyForRoles  *bool     `help:"People who hold a permission need a passkey." negatable:"" json:"passkey_for_roles,omitempty"`
	IssuerLabel      *string   `help:"What authenticator apps call the account." json:"issuer_label,omitempty"`
	SecurityKeys     []string  `help:"AAGUIDs of the models of security keys whose makers are asked for their word; empty for none." json:"security_keys,omitzero"`
	SecurityKeyRoots *fileText `help:"File of their makers' certificates, as PEM; empty for none." placeholder:"FILE" json:"security_key_roots,omitempty"`
	OnlySecurityKeys *bool     `help:"No other passkey can be set up." negatable:"" json:"only_security_keys,omitempty"`
	TrustDays        *int      `help:"For how many days people may leave out the second step in a browser that they trust; 0 for never." json:"trust_days,omitempty"`
}

// fileText is what a file has whose name was given.
type fileText string

// UnmarshalText reads the file.
func (f *fileText) UnmarshalText(name []byte) error {
	if len(name) == 0 {
		return nil
	}
	text, err := os.ReadFile(string(name))
	*f = fileText(text)
	return err
}

type policyPreview struct {
	policySettings

	Population string `arg:"" help:"Population, such as agents." json:"-"`
}

// Run counts whom a policy would concern.
func (c policyPreview) Run(r *remote) error {
	current, err := r.api.Do(r.ctx, apiclient.Request{Method: http.MethodGet, Path: policyAt(c.Population)})
	if err != nil {
		return err
	}
	body, err := complete(current.Body, []string{"version"}, c)
	if err != nil {
		return err
	}
	return r.do(http.MethodPost, policyAt(c.Population, "preview"), body)
}

// applying are the flags of every change of a policy.
type applying struct {
	because

	Apply string `help:"When it applies: immediately signs everybody concerned out, next_login leaves sessions as they are." enum:"immediately,next_login" required:"" json:"apply"`
}

type policySet struct {
	versioned
	policySettings
	applying

	Population    string `arg:"" help:"Population, such as agents." json:"-"`
	PasswordAlone bool   `help:"Confirm that the password alone shall do, when no method is enabled." json:"password_alone,omitempty"`
}

// Run changes a policy.
func (c policySet) Run(r *remote) error {
	at := policyAt(c.Population)
	return r.change(c.versioned, change{
		read: at, method: http.MethodPut, write: at, body: c, whole: true, except: []string{"version"},
	})
}
