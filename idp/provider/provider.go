package provider

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/zitadel/oidc/v3/pkg/op"

	"gatehouse/idp"
	"gatehouse/idp/keys"
	"gatehouse/idp/session"
	"gatehouse/idp/store"
	"gatehouse/idp/throttle"
	"gatehouse/idp/web"
)

// The endpoints, below the issuer.
const (
	discoveryPath  = "/.well-known/openid-configuration"
	metadataPath   = "/.well-known/oauth-authorization-server" // RFC 8414
	keysPath       = "/keys"
	authorizePath  = "/authorize"
	tokenPath      = "/token"
	userinfoPath   = "/userinfo"
	endSessionPath = "/end_session"
	introspectPath = "/introspect"
	revokePath     = "/revoke"
	parPath        = "/par"
	devicePath     = "/device"

	deviceAuthorizationPath = "/device_authorization"
)

// Config is what a provider is made of.
type Config struct {
	Issuer   string
	Store    *store.Store
	Web      *web.Web
	Sessions *session.Manager
	Signer   *keys.Keys
	// Limiter counts the codes of devices that are tried.
	Limiter *throttle.Limiter
	// RefreshKey is the HMAC key of refresh tokens' successors.
	RefreshKey []byte
	// NonceKey is the HMAC key of nonces of proofs of possession.
	NonceKey []byte
	// Fetch gets the keys that clients publish: see idp/fetch.
	Fetch *http.Client
	// RegistrationEndpoint is where apps register themselves, empty where they cannot.
	RegistrationEndpoint string
	// Upstreams signs people out where they came from. Optional.
	Upstreams Upstreams
	// Observe hears of every token request, for metrics: of its grant type, "other" for one
	// that is not ours, and of its outcome, "ok" or the error's code. Optional.
	Observe func(grantType, outcome string)
}

// Upstreams are the providers that people come through. *federation.Federation is it.
type Upstreams interface {
	// EndURL is where to send the browser to sign out there as well, on the way to
	// location; empty where sign-out ends here.
	EndURL(ctx context.Context, s idp.Session, location string) string
}

// Provider is an OpenID provider.
type Provider struct {
	op.UnimplementedServer
	Config

	library   http.Handler
	discovery document
	origins   *originCache
	keySets   keySets
}

// New makes a provider.
func New(cfg Config) (*Provider, error) {
	p := &Provider{Config: cfg, origins: newOriginCache(cfg.Store)}
	var err error
	if p.discovery, err = p.discoveryDocument(); err != nil {
		return nil, err
	}
	// The library's CORS reflects any origin with credentials: ours replaces it.
	p.library = op.RegisterServer(p, op.Endpoints{
		Authorization: op.NewEndpoint(authorizePath),
		Token:         op.NewEndpoint(tokenPath),
		Userinfo:      op.NewEndpoint(userinfoPath),
		EndSession:    op.NewEndpoint(endSessionPath),
	}, op.WithServerCORSOptions(nil), op.WithDecoder(lenientDecoder{}))
	return p, nil
}

// Endpoints are the paths below the issuer's that answer clients and speak JSON.
func Endpoints() []string {
	return []string{discoveryPath, metadataPath, keysPath, tokenPath, userinfoPath, introspectPath, revokePath, parPath, deviceAuthorizationPath}
}

// Routes registers the endpoints by explicit paths: nothing else of the library
// is reachable. The group is the issuer's path, the site all of it: RFC 8414 section 3 puts
// the path of the issuer behind that of the metadata.
func (p *Provider) Routes(site, r *gin.RouterGroup) {
	public, registered := p.allowAnyOrigin, p.allowRegisteredOrigins
	both := []string{http.MethodGet, http.MethodPost}
	asking := []string{http.MethodGet, http.MethodOptions}

	r.Match(asking, discoveryPath, public, p.serveDiscovery)
	r.Match(asking, metadataPath, public, p.serveDiscovery)
	if base := p.Web.Base(); base != "" {
		site.Match(asking, metadataPath+base, public, p.serveDiscovery)
	}
	r.Match(asking, keysPath, public, p.serveKeys)

	r.Match(both, authorizePath, p.Web.Handle(p.authorizeGate))
	r.Match(both, endSessionPath, p.Web.Handle(p.endSessionGate))
	r.POST(endSessionPath+"/confirm", p.Web.SameOrigin(), p.Web.Handle(p.confirmEndSession))

	r.OPTIONS(tokenPath, registered)
	r.POST(tokenPath, registered, p.tokenGate)
	r.GET(tokenPath, onlyPost("POST, OPTIONS"))
	r.OPTIONS(revokePath, registered)
	r.POST(revokePath, registered, p.revoke)
	r.GET(revokePath, onlyPost("POST, OPTIONS"))
	r.OPTIONS(parPath, registered)
	r.POST(parPath, registered, p.push)
	r.GET(parPath, onlyPost("POST, OPTIONS"))
	r.POST(introspectPath, p.introspect)
	r.GET(introspectPath, onlyPost("POST"))
	r.POST(deviceAuthorizationPath, p.serveDeviceAuthorization)
	r.GET(deviceAuthorizationPath, onlyPost("POST"))
	device := r.Group(devicePath, p.Web.SameOrigin())
	device.GET("", p.Web.Handle(p.showDevice))
	device.POST("", p.Web.Handle(p.postDevice))
	device.GET("/:request/:session", p.Web.Handle(p.confirmDevice))
	device.POST("/:request/:session/approve", p.Web.Handle(p.decideDevice(p.approveDevice, false)))
	device.POST("/:request/:session/deny", p.Web.Handle(p.decideDevice(p.denyDevice, true)))
	r.OPTIONS(userinfoPath, registered)
	r.Match(both, userinfoPath, registered, p.userinfoGate)
}

// client finds a client by an id that was sent.
func (p *Provider) client(ctx context.Context, id string) (idp.Client, error) {
	if !isText(id) {
		return idp.Client{}, idp.ErrNotFound
	}
	return p.Store.Client(ctx, id)
}

// forward hands a request to the library, which knows our paths without the
// issuer's.
func (p *Provider) forward(w http.ResponseWriter, r *http.Request, path string) {
	u := *r.URL
	u.Path, u.RawPath = path, ""
	clone := *r
	clone.URL = &u
	p.library.ServeHTTP(w, &clone)
}
