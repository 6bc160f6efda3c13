package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"gatehouse/admin/apiclient"
)

type connectionCommand struct {
	connection

	List        connectionList        `cmd:"" help:"List connections, in the order in which they were made."`
	Show        connectionShow        `cmd:"" help:"Read a connection."`
	Create      connectionCreate      `cmd:"" help:"Add a connection. It is for nobody until policy access lets people in through connections."`
	Edit        connectionEdit        `cmd:"" help:"Change a connection; what is left out stays."`
	Delete      connectionDelete      `cmd:"" help:"Delete a connection, and unlink whoever is linked through it."`
	Certificate connectionCertificate `cmd:"" help:"Write the certificate to upload at the other side as PEM, whatever the output is."`
}

type connectionList struct {
	Population string `help:"Only of this population." json:"population,omitempty"`
}

// Run lists connections.
func (c connectionList) Run(r *remote) error {
	return r.all("/connections", "connections", c, "id", "population", "kind", "name", "enabled", "trust", "linked", "certificate_expires_at", "version")
}

// upstream is the argument of commands that are about one connection.
type upstream struct {
	Connection string `arg:"" help:"Id of the connection." json:"-"`
}

func (u upstream) at(below ...string) string {
	return apiclient.At(append([]string{"connections", u.Connection}, below...)...)
}

type connectionShow struct{ upstream }

// Run shows a connection.
func (c connectionShow) Run(r *remote) error { return r.do(http.MethodGet, c.at(), nil) }

// connectionSettings are what can be changed of a connection.
type connectionSettings struct {
	Enabled          *bool         `help:"Offer it to people." negatable:"" json:"enabled,omitempty"`
	Authority        *string       `help:"Issuer of the other provider. Of Entra its authority; empty for the worldwide cloud." placeholder:"URL" json:"issuer,omitempty"`
	Tenant           []string      `help:"At Entra: ids of the organisations whose people may come." json:"tenants,omitzero"`
	AnyTenant        *bool         `help:"At Entra: people of any organisation may come." negatable:"" json:"any_tenant,omitempty"`
	PersonalAccounts *bool         `help:"Personal Microsoft accounts may come." negatable:"" json:"personal_accounts,omitempty"`
	Trust            *string       `help:"What a sign-in counts for: trusted, evidence or local. Without it, what suits the kind." json:"trust,omitempty"`
	Context          *string       `help:"With evidence, at Entra: the authentication context to ask for, c1 to c99." json:"context,omitempty"`
	Domain           []string      `help:"Email domains that belong to this directory alone." json:"domains,omitzero"`
	CreateUsers      *bool         `help:"Whoever comes for the first time gets an account." negatable:"" json:"create_users,omitempty"`
	NameClaim        *string       `help:"Claim that holds the name." json:"name_claim,omitempty"`
	EmailClaim       *string       `help:"Claim that holds the email address." json:"email_claim,omitempty"`
	DepartmentClaim  *string       `help:"Claim that holds the department." json:"department_claim,omitempty"`
	Role             []roleMapping `help:"Roles that follow the other side: groups:VALUE=ROLE or roles:VALUE=ROLE, by ids. All of them from now on; empty for none." placeholder:"CLAIM:VALUE=ROLE" json:"roles,omitzero"`
	EndUpstream      *bool         `help:"Signing out here signs out there as well." negatable:"" json:"end_upstream,omitempty"`
	DomainHint       *string       `help:"Entra goes straight to the sign-in of this domain." json:"domain_hint,omitempty"`
}

// roleMapping says which role a person with a value there has here.
type roleMapping struct {
	Claim string `json:"claim"`
	Value string `json:"value"`
	Role  string `json:"role_id"`
}

// UnmarshalText reads CLAIM:VALUE=ROLE. The value may hold both characters, the others
// have neither.
func (m *roleMapping) UnmarshalText(text []byte) error {
	claim, rest, named := strings.Cut(string(text), ":")
	end := strings.LastIndex(rest, "=")
	if !named || end < 0 {
		return fmt.Errorf("%q is not like groups:VALUE=ROLE", text)
	}
	*m = roleMapping{Claim: claim, Value: rest[:end], Role: rest[end+1:]}
	return nil
}

// proof is how this provider proves to the other side who it is. A secret is no flag,
// as that of the service client is none.
type proof struct {
	SecretFile     string `help:"File with the client secret from the other side." name:"secret-file" placeholder:"FILE" xor:"proof" json:"-"`
	SecretEnv      string `help:"Environment variable with it." name:"secret-env" placeholder:"VARIABLE" xor:"proof" json:"-"`
	NewCertificate bool   `help:"Make a key here instead, and a certificate to upload there." xor:"proof" json:"new_certificate,omitempty"`
}

// secret is empty when none is named.
func (p proof) secret() (string, error) {
	secret, from := "", p.SecretFile
	switch {
	case p.SecretFile != "":
		var err error
		if secret, err = secretIn(p.SecretFile); err != nil {
			return "", err
		}
	case p.SecretEnv != "":
		secret, from = os.Getenv(p.SecretEnv), p.SecretEnv
	default:
		return "", nil
	}
	if secret == "" {
		return "", fmt.Errorf("there is no client secret in %s", from)
	}
	return secret, nil
}

type connectionCreate struct {
	because
	connectionSettings
	proof

	Population string `help:"Whose people come through it." default:"agents" json:"population"`
	Kind       string `help:"entra, or oidc for any other OpenID provider." enum:"entra,oidc" default:"entra" json:"kind"`
	Name       string `help:"What stands on the button, after “Sign in with”." required:"" json:"name"`
	AppID      string `help:"client_id that the other side gave this provider; at Entra Application (client) ID." name:"app-id" required:"" json:"client_id"`
}

// Run adds a connection.
func (c connectionCreate) Run(r *remote) error {
	body := struct {
		connectionCreate
		ClientSecret string `json:"client_secret,omitempty"`
	}{connectionCreate: c}
	var err error
	if body.ClientSecret, err = c.secret(); err != nil {
		return err
	}
	return r.do(http.MethodPost, "/connections", body)
}

type connectionEdit struct {
	upstream
	versioned
	because
	connectionSettings
	proof

	Name  *string `help:"What stands on the button, after “Sign in with”." json:"name,omitempty"`
	AppID *string `help:"client_id that the other side gave this provider." name:"app-id" json:"client_id,omitempty"`

	OwnRedirectURI *bool `help:"Have people come back to an address that no other connection has: /federation/callback/ and its id, below the issuer. Register that at the other side first." name:"own-redirect-uri" negatable:"" json:"own_redirect_uri,omitempty"`
}

// Run changes a connection.
func (c connectionEdit) Run(r *remote) error {
	body := struct {
		connectionEdit
		ClientSecret string `json:"client_secret,omitempty"`
	}{connectionEdit: c}
	var err error
	if body.ClientSecret, err = c.secret(); err != nil {
		return err
	}
	return r.change(c.versioned, change{
		read: c.at(), method: http.MethodPut, write: c.at(), body: body, whole: true,
		except: []string{"id", "population", "kind", "has_secret", "redirect_uri", "certificate", "certificate_expires_at", "linked", "created_at", "version"},
	})
}

type connectionDelete struct {
	upstream
	versioned
	because

	Yes bool `help:"Do it, although people are linked through it." json:"-"`
}

// Run deletes a connection.
func (c connectionDelete) Run(r *remote) error {
	return r.change(c.versioned, change{read: c.at(), method: http.MethodDelete, write: c.at(), body: c, check: c.sure})
}

// sure asks once more for what it takes from people.
func (c connectionDelete) sure(current json.RawMessage) error {
	var now struct{ Linked bool }
	if err := json.Unmarshal(current, &now); err != nil {
		return fmt.Errorf("read the connection: %w", err)
	}
	if now.Linked && !c.Yes {
		return errors.New("people are linked through it: they are unlinked, and their sessions that began with it end; if you mean it, say --yes")
	}
	return nil
}

type connectionCertificate struct{ upstream }

// Run writes the certificate.
func (c connectionCertificate) Run(r *remote) error {
	return r.api.Copy(r.ctx, r.out, apiclient.Request{Method: http.MethodGet, Path: c.at("certificate")})
}
