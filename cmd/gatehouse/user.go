package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"gatehouse/admin/apiclient"
)

type userCommand struct {
	connection

	List            userList          `cmd:"" help:"Search people."`
	Show            userShow          `cmd:"" help:"Read a person."`
	Create          userCreate        `cmd:"" help:"Add a person."`
	Invite          userInvite        `cmd:"" help:"Mail somebody a link by which they make themselves an account."`
	Invitations     userInvitations   `cmd:"" help:"List invitations that nobody has accepted yet, newest first."`
	Invitation      userInvitation    `cmd:"" help:"One invitation."`
	Edit            userEdit          `cmd:"" help:"Change a person; what is left out stays."`
	Disable         userDisable       `cmd:"" help:"Keep a person out, and sign them out everywhere."`
	Enable          userEnable        `cmd:"" help:"Let a person in again."`
	Delete          userDelete        `cmd:"" help:"Delete a person."`
	Anonymise       userAnonymise     `cmd:"" help:"Take from a person whatever says who they are."`
	Roles           userRoles         `cmd:"" help:"A person's roles."`
	SetPassword     userSetPassword   `cmd:"" help:"Set a person's password, read from standard input."`
	ClearThrottle   userClearThrottle `cmd:"" help:"Forget the wrong passwords counted against a person."`
	Factors         userFactors       `cmd:"" help:"Read a person's second factors."`
	EnableFactor    userEnableFactor  `cmd:"" help:"Enable a factor that was disabled at the cap of failures."`
	ResetMFA        userResetMFA      `cmd:"" name:"reset-mfa" help:"Take all second factors from a person and sign them out."`
	RecoveryCodes   userRecoveryCodes `cmd:"" help:"A person's recovery codes."`
	Identities      userIdentities    `cmd:"" help:"List who a person is at the other end of connections."`
	Link            userLink          `cmd:"" help:"Link a person with who they are at a connection, before they come through it."`
	Unlink          userUnlink        `cmd:"" help:"Unlink a person from a connection, and sign them out everywhere."`
	Sessions        userSessions      `cmd:"" help:"List a person's sessions."`
	TrustedBrowsers userTrusted       `cmd:"" help:"The browsers in which a person is not asked for the second step."`
	Consent         userConsent       `cmd:"" help:"What a person lets apps of other organisations have."`
	Access          userAccess        `cmd:"" help:"The access that apps keep of a person while they are signed out."`
	SignOut         userSignOut       `cmd:"" help:"End all sessions of a person."`
}

// userColumns are those of a table of people.
var userColumns = []string{"id", "population", "email", "name", "roles", "authenticator", "disabled", "last_sign_in_at"}

type userList struct {
	listing

	Population        string `help:"Only of this population." json:"population,omitempty"`
	Prefix            string `help:"What the address, its domain or words of the name begin with, or three letters within a name." json:"prefix,omitempty"`
	Subject           string `help:"Only the person whom apps know by this pairwise subject." json:"subject,omitempty"`
	Role              string `help:"Only holders of this role." json:"role,omitempty"`
	WithoutSecondStep bool   `help:"Only people who have set up no second factor." json:"without_second_step,omitempty"`
	Disabled          *bool  `help:"Only people who are, or are not, disabled." negatable:"" json:"disabled,omitempty"`
}

// Run lists people.
func (c userList) Run(r *remote) error {
	return r.list("/users", "users", c.listing, c, userColumns...)
}

// person is the argument of commands that are about one person.
type person struct {
	User string `arg:"" help:"Id, or email address." json:"-"`
	Of   string `help:"Population of the address, where several have it." name:"of" placeholder:"POPULATION" json:"-"`
}

// at is the path of a person, or below it.
func (p person) at(r *remote, below ...string) (string, error) {
	id := p.User
	if strings.Contains(id, "@") {
		var err error
		if id, err = p.find(r); err != nil {
			return "", err
		}
	}
	return apiclient.At(append([]string{"users", id}, below...)...), nil
}

// maxPrefix is how long a prefix of a search may be.
const maxPrefix = 100

// find looks an address up.
func (p person) find(r *remote) (id string, err error) {
	q := url.Values{"prefix": {p.User[:min(len(p.User), maxPrefix)]}}
	if p.Of != "" {
		q.Set("population", p.Of)
	}
	for item, err := range r.api.List(r.ctx, apiclient.Request{Method: http.MethodGet, Path: "/users", Query: q}, "users") {
		if err != nil {
			return "", err
		}
		var u struct{ ID, Email string }
		if err := json.Unmarshal(item, &u); err != nil {
			return "", fmt.Errorf("read a person: %w", err)
		}
		switch {
		case !strings.EqualFold(u.Email, p.User):
		case id != "":
			return "", fmt.Errorf("%s is in several populations: say which, --of", p.User)
		default:
			id = u.ID
		}
	}
	if id == "" {
		return "", fmt.Errorf("nobody has the address %s", p.User)
	}
	return id, nil
}

// do calls an operation on the person.
func (p person) do(r *remote, method string, body any, below ...string) error {
	path, err := p.at(r, below...)
	if err != nil {
		return err
	}
	return r.do(method, path, body)
}

// change changes the person, with the version as it was read.
func (p person) change(r *remote, v versioned, method string, body any, below ...string) error {
	read, err := p.at(r)
	if err != nil {
		return err
	}
	write := read
	if len(below) > 0 {
		write += apiclient.At(below...)
	}
	return r.change(v, change{read: read, method: method, write: write, body: body})
}

type userShow struct{ person }

// Run shows a person.
func (c userShow) Run(r *remote) error { return c.do(r, http.MethodGet, nil) }

// newcomer is a person who is added.
type newcomer struct {
	Population string   `help:"Population." default:"agents" json:"population"`
	Email      string   `help:"Email address." required:"" json:"email"`
	Name       string   `help:"Name." json:"name,omitempty"`
	Locale     string   `help:"Language, such as en." json:"locale,omitempty"`
	Role       []string `help:"Ids or names of roles." json:"roles,omitempty"`
}

type userCreate struct {
	newcomer

	GivenName     string `help:"First name." json:"given_name,omitempty"`
	FamilyName    string `help:"Last name." json:"family_name,omitempty"`
	Zoneinfo      string `help:"Time zone, such as Europe/Paris." json:"zoneinfo,omitempty"`
	Picture       string `help:"https URL of a picture." json:"picture,omitempty"`
	PasswordStdin bool   `help:"Read a password from standard input; without it the person has none yet." json:"-"`
}

// Run adds a person.
func (c userCreate) Run(r *remote) error {
	body := struct {
		userCreate
		Password string `json:"password,omitempty"`
	}{userCreate: c}
	var err error
	if body.Role, err = r.rolesGiven(c.Role); err == nil && c.PasswordStdin {
		body.Password, err = r.password()
	}
	if err != nil {
		return err
	}
	return r.do(http.MethodPost, "/users", body)
}

// password reads a password. An argument would be in the shell's history.
func (r *remote) password() (string, error) {
	plain, err := io.ReadAll(io.LimitReader(r.in, 8192))
	if err != nil {
		return "", fmt.Errorf("read the password from standard input: %w", err)
	}
	password := strings.TrimRight(string(plain), "\r\n")
	if password == "" {
		return "", errors.New("there is no password on standard input")
	}
	return password, nil
}

type userEdit struct {
	person
	versioned

	Email  *string `help:"Email address." json:"email,omitempty"`
	Name   *string `help:"Name." json:"name,omitempty"`
	Locale *string `help:"Language, such as en." json:"locale,omitempty"`

	GivenName  *string `help:"First name." json:"given_name,omitempty"`
	FamilyName *string `help:"Last name." json:"family_name,omitempty"`
	Zoneinfo   *string `help:"Time zone, such as Europe/Paris." json:"zoneinfo,omitempty"`
	Picture    *string `help:"https URL of a picture." json:"picture,omitempty"`

	Reason string `help:"Why; it goes to the audit log." json:"reason,omitempty"`
}

// Run changes a person.
func (c userEdit) Run(r *remote) error { return c.change(r, c.versioned, http.MethodPatch, c) }

type userDisable struct {
	person
	versioned
	because
}

// Run disables a person.
func (c userDisable) Run(r *remote) error { return c.set(r, true) }

func (c userDisable) set(r *remote, disabled bool) error {
	return c.change(r, c.versioned, http.MethodPatch, map[string]any{"disabled": disabled, "reason": c.Reason})
}

type userEnable struct{ userDisable }

// Run enables a person.
func (c userEnable) Run(r *remote) error { return c.set(r, false) }

// reasonedAction is about a person, and wants a reason.
type reasonedAction struct {
	person
	because
}

type userDelete struct {
	reasonedAction
	versioned
}

// Run deletes a person.
func (c userDelete) Run(r *remote) error { return c.change(r, c.versioned, http.MethodDelete, c) }

type userAnonymise struct{ reasonedAction }

// Run takes from a person whatever says who they are.
func (c userAnonymise) Run(r *remote) error { return c.do(r, http.MethodPost, c, "anonymise") }

type userRoles struct {
	Set userRolesSet `cmd:"" help:"Give a person these roles and no others."`
}

type userRolesSet struct {
	person
	versioned
	because

	Role []string `help:"Ids or names of roles; none takes all away." json:"-"`
}

// Run changes the roles of a person.
func (c userRolesSet) Run(r *remote) error {
	roles, err := r.rolesGiven(append([]string{}, c.Role...))
	if err != nil {
		return err
	}
	return c.change(r, c.versioned, http.MethodPut, map[string]any{"roles": roles, "reason": c.Reason}, "roles")
}

type userSetPassword struct{ reasonedAction }

// Run sets a password.
func (c userSetPassword) Run(r *remote) error {
	password, err := r.password()
	if err != nil {
		return err
	}
	return c.do(r, http.MethodPut, map[string]string{"password": password, "reason": c.Reason}, "password")
}

type userClearThrottle struct{ reasonedAction }

// Run forgets wrong passwords.
func (c userClearThrottle) Run(r *remote) error { return c.do(r, http.MethodPost, c, "clear-throttle") }

type userFactors struct{ person }

// Run shows second factors.
func (c userFactors) Run(r *remote) error { return c.do(r, http.MethodGet, nil, "factors") }

type userEnableFactor struct {
	reasonedAction

	Factor string `arg:"" help:"Id of the factor, or of the recovery codes." json:"-"`
}

// Run enables a factor.
func (c userEnableFactor) Run(r *remote) error {
	return c.do(r, http.MethodPost, c, "factors", c.Factor, "enable")
}

type userResetMFA struct{ reasonedAction }

// Run takes all second factors from a person.
func (c userResetMFA) Run(r *remote) error { return c.do(r, http.MethodPost, c, "reset-mfa") }

type userRecoveryCodes struct {
	View       userCodesView       `cmd:"" help:"View an agent's recovery codes; the agent gets a mail."`
	Regenerate userCodesRegenerate `cmd:"" help:"Replace a person's recovery codes."`
}

type userCodesView struct{ reasonedAction }

// Run views recovery codes.
func (c userCodesView) Run(r *remote) error {
	return c.do(r, http.MethodPost, c, "recovery-codes", "view")
}

type userCodesRegenerate struct{ reasonedAction }

// Run replaces recovery codes.
func (c userCodesRegenerate) Run(r *remote) error {
	return c.do(r, http.MethodPost, c, "recovery-codes", "regenerate")
}

type userSessions struct {
	person
	listing
}

// Run lists the sessions of a person.
func (c userSessions) Run(r *remote) error {
	path, err := c.at(r, "sessions")
	if err != nil {
		return err
	}
	return r.list(path, "sessions", c.listing, struct{}{}, sessionColumns...)
}

type userAccess struct {
	List userAccessList `cmd:"" help:"List the access that apps keep of a person."`
	End  userAccessEnd  `cmd:"" help:"End the access that an app keeps."`
}

type userConsent struct {
	List     userConsentList     `cmd:"" help:"List what a person lets apps have."`
	Withdraw userConsentWithdraw `cmd:"" help:"Withdraw what a person lets an app have: its tokens end at once."`
}

type userConsentList struct{ person }

// Run lists what a person lets apps have.
func (c userConsentList) Run(r *remote) error {
	path, err := c.at(r, "consents")
	if err != nil {
		return err
	}
	return r.all(path, "consents", struct{}{}, "id", "client_id", "client_name", "scopes", "claims", "created_at", "changed_at")
}

type userConsentWithdraw struct {
	reasonedAction

	Consent string `arg:"" help:"Id of the consent." json:"-"`
}

// Run withdraws what a person lets an app have.
func (c userConsentWithdraw) Run(r *remote) error {
	return c.do(r, http.MethodDelete, c, "consents", c.Consent)
}

// accessColumns are those of a table of access that apps keep.
var accessColumns = []string{"id", "client_id", "scopes", "address", "created_at", "last_used_at"}

type userAccessList struct{ person }

// Run lists the access that apps keep of a person.
func (c userAccessList) Run(r *remote) error {
	path, err := c.at(r, "offline-access")
	if err != nil {
		return err
	}
	return r.all(path, "offline_access", struct{}{}, accessColumns...)
}

type userAccessEnd struct {
	reasonedAction

	Access string `arg:"" help:"Id of the access." json:"-"`
}

// Run ends the access that an app keeps.
func (c userAccessEnd) Run(r *remote) error {
	return c.do(r, http.MethodDelete, c, "offline-access", c.Access)
}

type userSignOut struct {
	reasonedAction

	OfflineAccess bool `help:"Also end the access that apps keep." default:"true" negatable:"" json:"offline_access"`
}

// Run ends all sessions of a person.
func (c userSignOut) Run(r *remote) error { return c.do(r, http.MethodPost, c, "sign-out") }
