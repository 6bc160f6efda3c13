package entra

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	maxBody = 64 << 10
	maxKept = 10_000 // of each kind of thing that a browser or app can make

	tokenLifetime = time.Hour
)

// Tenant is a running simulation. It is safe for concurrent use.
type Tenant struct {
	base        string
	console     bool
	directories []Directory
	handler     http.Handler
	pages       *pages
	keys        *keyring

	mu       sync.Mutex
	apps     []App
	people   []Person
	browsers *shelf[*browser]
	flows    *shelf[*flow]
	codes    *shelf[*grant]
	access   *shelf[*grant]
	used     *shelf[struct{}] // jti of client assertions
	consents map[string]bool
	seen     []Request
	faults   *faults // guards itself
}

// Request is one that the simulation got: which endpoint, and its parameters
// without secrets.
type Request struct {
	Endpoint string // authorize, token, logout, userinfo, keys or discovery
	Params   url.Values
}

// New makes a simulation out of its configuration. Keys are made when first needed.
func New(c Config) (*Tenant, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("configuring the simulated Entra: %w", err)
	}
	pages, err := loadPages()
	if err != nil {
		return nil, fmt.Errorf("loading the pages of the simulated Entra: %w", err)
	}
	t := &Tenant{
		base: strings.TrimSuffix(c.BaseURL, "/"), console: c.Console, directories: slices.Clone(c.Directories),
		pages: pages, keys: &keyring{}, apps: slices.Clone(c.Apps),
		browsers: newShelf[*browser](), flows: newShelf[*flow](), codes: newShelf[*grant](),
		access: newShelf[*grant](), used: newShelf[struct{}](), consents: map[string]bool{}, faults: newFaults(),
	}
	for _, p := range c.People {
		t.people = append(t.people, p.clone())
	}
	t.handler = t.routes()
	return t, nil
}

// ServeHTTP serves all directories, the generic provider and the sign-in pages.
func (t *Tenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	t.handler.ServeHTTP(w, r)
}

func (t *Tenant) routes() http.Handler {
	mux := http.NewServeMux()
	for _, prefix := range []string{"/{authority}/oauth2/v2.0", "/" + Generic} {
		mux.HandleFunc("GET "+prefix+"/authorize", t.authorize)
		mux.HandleFunc("POST "+prefix+"/authorize", t.authorize)
		mux.HandleFunc("POST "+prefix+"/token", t.token)
		mux.HandleFunc("GET "+prefix+"/logout", t.logout)
		mux.HandleFunc("POST "+prefix+"/logout", t.logout)
	}
	mux.HandleFunc("GET /{authority}/v2.0/.well-known/openid-configuration", t.discovery)
	mux.HandleFunc("GET /"+Generic+"/.well-known/openid-configuration", t.discovery)
	mux.HandleFunc("GET /{authority}/discovery/v2.0/keys", t.jwks)
	mux.HandleFunc("GET /"+Generic+"/keys", t.jwks)
	mux.HandleFunc("GET /oidc/userinfo", t.userinfo)
	mux.HandleFunc("POST /oidc/userinfo", t.userinfo)
	mux.HandleFunc("GET /"+Generic+"/userinfo", t.userinfo)
	mux.HandleFunc("GET /error", t.explain)
	mux.Handle("GET /assets/{file}", t.pages.assets())
	own := http.NewCrossOriginProtection() // these forms are our own pages' alone
	mux.Handle("GET /flow/{id}", http.HandlerFunc(t.showFlow))
	mux.Handle("POST /flow/{id}", own.Handler(http.HandlerFunc(t.moveFlow)))
	if t.console {
		mux.HandleFunc("GET /{$}", t.showConsole)
		mux.Handle("POST /switches", own.Handler(http.HandlerFunc(t.setSwitch)))
		mux.Handle("POST /people", own.Handler(http.HandlerFunc(t.setPerson)))
	}
	return mux
}

// Issuer is the issuer of a directory's tokens, given its GUID or Generic.
func (t *Tenant) Issuer(directory string) string {
	if directory == Generic {
		return t.base + "/" + Generic
	}
	return t.base + "/" + directory + "/v2.0"
}

// errNobody says that there is no such person.
var errNobody = errors.New("the simulated Entra has no such person")

// Person looks an account up by its directory and what they type to sign in.
func (t *Tenant) Person(directory, username string) (Person, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.people {
		if p.Directory == directory && p.answersTo(username) {
			return p.clone(), nil
		}
	}
	return Person{}, errNobody
}

// ChangePerson changes an account while the simulation runs: a new email, another
// role, a group more. Directory and object id stay as they are. Sessions stay.
func (t *Tenant) ChangePerson(directory, username string, change func(*Person)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, p := range t.people {
		if p.Directory == directory && p.answersTo(username) {
			changed := p.clone()
			change(&changed)
			changed.Directory, changed.OID = p.Directory, p.OID
			t.people[i] = changed
			return nil
		}
	}
	return errNobody
}

// AddPerson adds an account.
func (t *Tenant) AddPerson(p Person) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.people = append(t.people, p.clone())
}

// ChangeApp changes an app registration while the simulation runs, such as its
// secrets or optional claims.
func (t *Tenant) ChangeApp(clientID string, change func(*App)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.apps {
		if t.apps[i].ClientID == clientID {
			change(&t.apps[i])
			t.apps[i].ClientID = clientID
			return nil
		}
	}
	return fmt.Errorf("the simulated Entra has no app %q", clientID)
}

// Requests are those that an endpoint got, oldest first; the last 1,000 of all
// endpoints are remembered.
func (t *Tenant) Requests(endpoint string) []Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found []Request
	for _, r := range t.seen {
		if r.Endpoint == endpoint {
			found = append(found, Request{r.Endpoint, maps.Clone(r.Params)})
		}
	}
	return found
}

// remember notes a request.
func (t *Tenant) remember(endpoint string, params url.Values) {
	const most = 1000
	params = maps.Clone(params)
	delete(params, "client_secret")
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = append(t.seen, Request{endpoint, params})
	if over := len(t.seen) - most; over > 0 {
		t.seen = slices.Delete(t.seen, 0, over)
	}
}

// app looks a registration up.
func (t *Tenant) app(clientID string) (App, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.apps, func(a App) bool { return a.ClientID == clientID })
	if i < 0 {
		return App{}, false
	}
	return t.apps[i], true
}

// byKey looks a person up by Person.key.
func (t *Tenant) byKey(key string) (Person, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.people, func(p Person) bool { return p.key() == key })
	if i < 0 {
		return Person{}, false
	}
	return t.people[i].clone(), true
}

// answersTo reports whether a person signs in with this name.
func (p Person) answersTo(username string) bool {
	return strings.EqualFold(p.PreferredUsername, username)
}
