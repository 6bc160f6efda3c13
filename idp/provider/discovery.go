package provider

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/dpop"
	"gatehouse/idp/keyset"
	"gatehouse/idp/store"
)

// document is something public that is encoded once.
type document struct {
	body []byte
	etag string
}

// metadata is OpenID Connect Discovery 1.0 section 3 and RFC 8414. What is not
// built is absent.
type metadata struct {
	Issuer                string             `json:"issuer"`
	AuthorizationEndpoint string             `json:"authorization_endpoint"`
	TokenEndpoint         string             `json:"token_endpoint"`
	UserinfoEndpoint      string             `json:"userinfo_endpoint"`
	EndSessionEndpoint    string             `json:"end_session_endpoint"`
	IntrospectionEndpoint string             `json:"introspection_endpoint"`
	DeviceEndpoint        string             `json:"device_authorization_endpoint"` // RFC 8628 section 4
	RevocationEndpoint    string             `json:"revocation_endpoint"`
	PAREndpoint           string             `json:"pushed_authorization_request_endpoint"`
	JWKSURI               string             `json:"jwks_uri"`
	RegistrationEndpoint  string             `json:"registration_endpoint,omitempty"`
	Scopes                []string           `json:"scopes_supported"`
	ResponseTypes         []string           `json:"response_types_supported"`
	ResponseModes         []idp.ResponseMode `json:"response_modes_supported"`
	GrantTypes            []string           `json:"grant_types_supported"`
	ACRValues             []idp.ACR          `json:"acr_values_supported"`
	SubjectTypes          []string           `json:"subject_types_supported"`
	IDTokenAlgs           []idp.Algorithm    `json:"id_token_signing_alg_values_supported"`
	DPoPAlgs              []string           `json:"dpop_signing_alg_values_supported"` // RFC 9449 section 5.1
	TokenAuthMethods      []string           `json:"token_endpoint_auth_methods_supported"`
	IntrospectionMethods  []string           `json:"introspection_endpoint_auth_methods_supported"`
	RevocationMethods     []string           `json:"revocation_endpoint_auth_methods_supported"`
	TokenAuthAlgs         []string           `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAuthAlgs []string           `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevocationAuthAlgs    []string           `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	UILocales             []string           `json:"ui_locales_supported"`
	ClaimTypes            []string           `json:"claim_types_supported"`
	Claims                []string           `json:"claims_supported"`
	CodeChallengeMethods  []string           `json:"code_challenge_methods_supported"`
	PromptValues          []string           `json:"prompt_values_supported"`
	PARRequired           bool               `json:"require_pushed_authorization_requests"`
	ISSParameter          bool               `json:"authorization_response_iss_parameter_supported"`
	ClaimsParameter       bool               `json:"claims_parameter_supported"`
	// OpenID Connect Back-Channel Logout 1.0 section 2.1.
	BackchannelLogout        bool `json:"backchannel_logout_supported"`
	BackchannelLogoutSession bool `json:"backchannel_logout_session_supported"`
	// OpenID Connect Front-Channel Logout 1.0 section 3.
	FrontchannelLogout        bool `json:"frontchannel_logout_supported"`
	FrontchannelLogoutSession bool `json:"frontchannel_logout_session_supported"`
	RequestParameter          bool `json:"request_parameter_supported"`
	RequestURIParameter       bool `json:"request_uri_parameter_supported"`
}

func (p *Provider) discoveryDocument() (document, error) {
	confidential := []string{string(idp.ClientSecretBasic), string(idp.ClientSecretPost), string(idp.PrivateKeyJWT)}
	all := append(slices.Clone(confidential), string(idp.NoClientAuth))
	body, err := json.Marshal(metadata{
		Issuer:                p.Issuer,
		AuthorizationEndpoint: p.Issuer + authorizePath,
		TokenEndpoint:         p.Issuer + tokenPath,
		UserinfoEndpoint:      p.Issuer + userinfoPath,
		EndSessionEndpoint:    p.Issuer + endSessionPath,
		IntrospectionEndpoint: p.Issuer + introspectPath,
		DeviceEndpoint:        p.Issuer + deviceAuthorizationPath,
		RevocationEndpoint:    p.Issuer + revokePath,
		PAREndpoint:           p.Issuer + parPath,
		JWKSURI:               p.Issuer + keysPath,
		RegistrationEndpoint:  p.RegistrationEndpoint,
		Scopes:                append(idp.PersonScopes(), idp.AdminScope),
		ResponseTypes:         []string{"code"},
		ResponseModes:         idp.ResponseModes(),
		GrantTypes:            grantTypes(),
		ACRValues:             idp.ACRs(),
		SubjectTypes:          []string{string(idp.PublicSubject), string(idp.PairwiseSubject)},
		IDTokenAlgs:           idp.Algorithms(),
		DPoPAlgs:              dpop.Algorithms(),
		TokenAuthMethods:      all,
		TokenAuthAlgs:         keyset.OfClients().Algorithms,
		IntrospectionMethods:  confidential,
		IntrospectionAuthAlgs: keyset.OfClients().Algorithms,
		RevocationMethods:     all,
		RevocationAuthAlgs:    keyset.OfClients().Algorithms,
		UILocales:             idp.Languages(),
		ClaimTypes:            []string{"normal"},
		Claims:                claimNames(),
		ClaimsParameter:       true, BackchannelLogout: true, BackchannelLogoutSession: true, FrontchannelLogout: true, FrontchannelLogoutSession: true,
		CodeChallengeMethods: []string{"S256"},
		PromptValues:         []string{"none", "login", "select_account", "consent", "create"},
		ISSParameter:         true,
	})
	if err != nil {
		return document{}, fmt.Errorf("encode the discovery document: %w", err)
	}
	sum := sha256.Sum256(body)
	return document{body, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}, nil
}

func (p *Provider) serveDiscovery(c *gin.Context) { serve(c, p.discovery.body, p.discovery.etag) }

func (p *Provider) serveKeys(c *gin.Context) {
	body, etag := p.Signer.Document()
	serve(c, body, etag)
}

// publicMaxAge is how long others may keep discovery and keys: shorter than a
// new key is published before it signs.
const publicMaxAge = 15 * time.Minute

var publicCaching = "public, max-age=" + strconv.Itoa(int(publicMaxAge/time.Second))

func serve(c *gin.Context, body []byte, etag string) {
	h := c.Writer.Header()
	h["Etag"] = []string{etag}
	h["Cache-Control"] = []string{publicCaching}
	if c.GetHeader("If-None-Match") == etag {
		c.Status(http.StatusNotModified)
		return
	}
	h["Content-Type"] = []string{"application/json"}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	if _, err := c.Writer.Write(body); err != nil {
		c.Abort() // the caller went away
	}
}

// Shared by all answers: nothing changes one in place.
var anyOrigin, crossOrigin = []string{"*"}, []string{"cross-origin"}

// allowAnyOrigin: public documents are for everybody, after a preflight too, which some
// libraries cause with headers of their own.
func (p *Provider) allowAnyOrigin(c *gin.Context) {
	h := c.Writer.Header()
	h["Access-Control-Allow-Origin"] = anyOrigin
	h["Cross-Origin-Resource-Policy"] = crossOrigin
	if c.Request.Method == http.MethodOptions {
		c.Header("Access-Control-Allow-Methods", "GET")
		c.Header("Access-Control-Allow-Headers", "*")
		c.Header("Access-Control-Max-Age", "600")
		c.AbortWithStatus(http.StatusNoContent)
	}
}

// allowRegisteredOrigins lets single-page apps that are registered call token
// and userinfo, without cookies; everybody else's browser refuses.
func (p *Provider) allowRegisteredOrigins(c *gin.Context) {
	origin := c.GetHeader("Origin")
	c.Header("Vary", "Origin")
	if origin != "" && p.origins.has(c, origin) {
		c.Header("Access-Control-Allow-Origin", origin)
		c.Header("Access-Control-Allow-Methods", "GET, POST")
		c.Header("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
		c.Header("Access-Control-Expose-Headers", "DPoP-Nonce, WWW-Authenticate")
		c.Header("Access-Control-Max-Age", "600")
	}
	if c.Request.Method == http.MethodOptions {
		c.AbortWithStatus(http.StatusNoContent)
	}
}

// originCache knows the origins of single-page apps, as fresh as clients are.
type originCache struct {
	store *store.Store
	mu    sync.Mutex
	read  time.Time
	known map[string]bool
}

func newOriginCache(s *store.Store) *originCache { return &originCache{store: s} }

func (o *originCache) has(c *gin.Context, origin string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := idp.Now(); now.Sub(o.read) >= store.ClientStaleness {
		uris, err := o.store.RedirectURIs(c.Request.Context(), idp.SPAClient)
		if err != nil {
			return false // a browser then reports the failure; nothing is opened
		}
		o.read, o.known = now, map[string]bool{}
		for _, uri := range uris {
			o.known[originOf(uri)] = true
		}
	}
	return o.known[origin]
}

// originOf is the scheme and authority of a URL.
func originOf(uri string) string {
	scheme, rest, _ := strings.Cut(uri, "://")
	authority, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + authority
}
