package federation

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"gatehouse/idp"
)

// AuthURL is where to send the browser to ask another provider who the person is (code
// flow, OpenID Connect Core 1.0 section 3.1, with PKCE).
func (f *Federation) AuthURL(ctx context.Context, c idp.Connection, ask idp.Ask) (string, error) {
	d, err := f.provider(ctx, c)
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(ask.Nonce), oauth2.S256ChallengeOption(ask.Verifier), param("response_mode", "query")}
	for name, value := range extras(c, ask) {
		if value != "" {
			options = append(options, param(name, value))
		}
	}
	return f.client(d, c, ask).AuthCodeURL(ask.State, options...), nil
}

// extras are the optional parameters of a question.
func extras(c idp.Connection, ask idp.Ask) map[string]string {
	list := map[string]string{"login_hint": ask.LoginHint, "ui_locales": ask.UILocales, "domain_hint": c.DomainHint}
	switch {
	case ask.Anew:
		list["prompt"] = "login"
	case ask.Choose:
		list["prompt"] = "select_account"
	}
	switch {
	case ask.MaxAge >= 0:
		list["max_age"] = strconv.Itoa(int(ask.MaxAge / time.Second))
	case ask.Anew && c.Kind != idp.EntraConnection: // which has the answer say when, too (section 2, auth_time)
		list["max_age"] = "0"
	}
	if ask.SecondStep && c.Context != "" {
		if c.Kind == idp.EntraConnection {
			list["claims"] = contextRequest(c.Context)
		} else {
			list["acr_values"] = c.Context
		}
	}
	return list
}

// contextRequest asks Entra for an authentication context (OpenID Connect Core 1.0
// section 5.5; Microsoft: "Developers' guide to Conditional Access authentication
// context").
func contextRequest(name string) string {
	type wish struct {
		Essential bool   `json:"essential"`
		Value     string `json:"value"`
	}
	b, _ := json.Marshal(map[string]map[string]wish{"id_token": {"acrs": {Essential: true, Value: name}}}) // always marshals
	return string(b)
}

func param(name, value string) oauth2.AuthCodeOption { return oauth2.SetAuthURLParam(name, value) }

// client is who we are at the other side.
func (f *Federation) client(d *description, c idp.Connection, ask idp.Ask) *oauth2.Config {
	return &oauth2.Config{
		ClientID: c.ClientID, RedirectURL: strings.TrimRight(f.cfg.Issuer, "/") + ask.Callback,
		Scopes:   []string{oidc.ScopeOpenID, "profile", "email"},
		Endpoint: oauth2.Endpoint{AuthURL: d.Authorization, TokenURL: d.Token},
	}
}
