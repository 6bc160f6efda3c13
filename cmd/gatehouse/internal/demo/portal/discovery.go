package portal

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	discoveryLifetime = 10 * time.Minute // so that withdrawn keys and endpoints are forgotten
	discoveryPause    = time.Second      // between attempts that failed
)

// provider is what discovery told about the issuer.
type provider struct {
	oauth2.Config
	verifier *oidc.IDTokenVerifier
	metadata metadata
}

type metadata struct {
	EndSessionEndpoint string   `json:"end_session_endpoint"`
	AuthMethods        []string `json:"token_endpoint_auth_methods_supported"`
	SigningAlgs        []string `json:"id_token_signing_alg_values_supported"`
	IssInResponse      bool     `json:"authorization_response_iss_parameter_supported"`
}

// discovery finds the provider when it is first needed and again now and then.
type discovery struct {
	cfg Config

	mu     sync.Mutex
	found  *provider
	err    error
	before time.Time // what we know stands until then
}

// get answers the provider. When the issuer does not answer, the last known
// provider serves on.
func (d *discovery) get(ctx context.Context) (*provider, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !now().Before(d.before) {
		d.renew(ctx)
	}
	if d.found == nil {
		return nil, d.err
	}
	return d.found, nil
}

func (d *discovery) renew(ctx context.Context) {
	found, err := discover(ctx, d.cfg)
	if err != nil {
		d.err, d.before = err, now().Add(discoveryPause)
		return
	}
	d.found, d.err, d.before = found, nil, now().Add(discoveryLifetime)
}

func discover(ctx context.Context, cfg Config) (*provider, error) {
	op, err := oidc.NewProvider(oidc.ClientContext(ctx, cfg.HTTPClient), cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discovering %s: %w", cfg.Issuer, err)
	}
	found := &provider{
		verifier: op.Verifier(&oidc.Config{ClientID: cfg.ClientID, Now: now}),
		Config: oauth2.Config{
			ClientID:     cfg.ClientID,
			ClientSecret: cfg.ClientSecret,
			Endpoint:     op.Endpoint(),
			RedirectURL:  cfg.BaseURL + "/callback",
			Scopes:       cfg.Scopes,
		},
	}
	if err := op.Claims(&found.metadata); err != nil {
		return nil, fmt.Errorf("reading the discovery document of %s: %w", cfg.Issuer, err)
	}
	found.Endpoint.AuthStyle = found.metadata.authStyle(cfg.ClientSecret)
	return found, nil
}

// authStyle settles how the client authenticates: guessing, as x/oauth2 would,
// sends a code twice, and a provider may take the second time for theft.
func (m metadata) authStyle(secret string) oauth2.AuthStyle {
	basic := len(m.AuthMethods) == 0 || slices.Contains(m.AuthMethods, "client_secret_basic")
	if secret != "" && basic {
		return oauth2.AuthStyleInHeader
	}
	return oauth2.AuthStyleInParams
}
