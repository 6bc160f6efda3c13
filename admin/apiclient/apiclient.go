package apiclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"gatehouse/idp"
)

// base is where the API is below the issuer.
const base = "/admin/api/v1"

// agent is how the audit log knows that it was a command.
const agent = "gatehouse-cli"

// answerWithin is how long the provider may take to begin an answer.
const answerWithin = 60 * time.Second

// Config says whom to call, and as whom.
type Config struct {
	// Issuer is the provider's URL: https, or http on loopback.
	Issuer string
	// ClientID and ClientSecret are those of a service client that may ask for the
	// scope gatehouse:admin.
	ClientID, ClientSecret string
	// CAFile names PEM certificates to trust beside the system's. Empty for none.
	CAFile string
}

// Client calls the API. It is safe for concurrent use.
type Client struct {
	base   string
	http   *http.Client
	tokens oauth2.TokenSource
}

// New makes a client. It connects to nothing yet. It fails for an issuer that a secret
// must not be sent to, and for certificates that cannot be read. ctx is that of all
// requests for tokens.
func New(ctx context.Context, cfg Config) (*Client, error) {
	issuer, err := checkIssuer(cfg.Issuer)
	if err != nil {
		return nil, err
	}
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("apiclient: the default transport is another's")
	}
	transport = transport.Clone()
	transport.ResponseHeaderTimeout = answerWithin
	if transport.TLSClientConfig, err = trust(cfg.CAFile); err != nil {
		return nil, err
	}
	c := &Client{base: issuer + base, http: &http.Client{Transport: transport, CheckRedirect: refuseRedirect}}
	credentials := clientcredentials.Config{
		ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret, TokenURL: issuer + "/token",
		Scopes: []string{idp.AdminScope}, AuthStyle: oauth2.AuthStyleInHeader,
	}
	c.tokens = credentials.TokenSource(context.WithValue(ctx, oauth2.HTTPClient, c.http))
	return c, nil
}

// checkIssuer holds that a secret crosses no network in the clear.
func checkIssuer(issuer string) (string, error) {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(issuer, "?# "):
		return "", fmt.Errorf("issuer: %q is not a plain URL such as https://id.example", issuer)
	case u.Scheme == "https" || u.Scheme == "http" && idp.IsLoopback(u.Hostname()):
		return strings.TrimSuffix(issuer, "/"), nil
	}
	return "", fmt.Errorf("issuer: %q must be https: the client secret is sent there (http works on loopback only)", issuer)
}

// trust adds certificates to those of the system.
func trust(file string) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if file == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(file) // #nosec G304 -- who runs this names the file
	if err != nil {
		return nil, fmt.Errorf("read the CA file: %w", err)
	}
	if cfg.RootCAs, err = x509.SystemCertPool(); err != nil {
		cfg.RootCAs = x509.NewCertPool()
	}
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("the CA file %s holds no PEM certificate", file)
	}
	return cfg, nil
}

// refuseRedirect keeps secret and token with the issuer. The API redirects no request.
func refuseRedirect(r *http.Request, _ []*http.Request) error {
	return fmt.Errorf("it answers with a redirect to %s: name the issuer exactly", r.URL.Host)
}

// Request is a call of one operation.
type Request struct {
	Method string
	// Path is that of the document, with its segments filled in by At.
	Path  string
	Query url.Values
	// IfMatch is the ETag that the resource must still have. Empty for operations
	// that take none.
	IfMatch string
	// Body is encoded as JSON. Nil for none.
	Body any
}

// Answer is what the API answered.
type Answer struct {
	// ETag is the resource's version, for IfMatch. Empty where there is none.
	ETag string
	// Body is empty when there is nothing to tell.
	Body json.RawMessage
}

// At joins the segments of a path and escapes them.
func At(segments ...string) string {
	var out strings.Builder
	for _, s := range segments {
		out.WriteString("/" + url.PathEscape(s))
	}
	return out.String()
}

// Do calls an operation. It fails with *Problem when the API refuses, with
// *TokenError when the provider gives no token, or with a cause of the network.
func (c *Client) Do(ctx context.Context, r Request) (Answer, error) {
	res, err := c.send(ctx, r)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return Answer{}, &UnreachableError{fmt.Errorf("the answer broke off: %w", err)}
	}
	return Answer{ETag: res.Header.Get("ETag"), Body: body}, nil
}

// Copy writes an answer of any length to w as it comes. When it fails, what w has got
// is not complete.
func (c *Client) Copy(ctx context.Context, w io.Writer, r Request) error {
	res, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(w, res.Body); err != nil {
		return &UnreachableError{fmt.Errorf("the answer broke off and is not complete: %w", err)}
	}
	return nil
}

// List follows a list through all its pages. field is what the document calls the
// array. It ends with the first error, which Do explains.
func (c *Client) List(ctx context.Context, r Request, field string) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		query := url.Values{}
		for name, values := range r.Query {
			query[name] = values
		}
		r.Query = query
		for {
			items, next, err := c.page(ctx, r, field)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			query.Set("after", next)
		}
	}
}

func (c *Client) page(ctx context.Context, r Request, field string) (items []json.RawMessage, next string, err error) {
	a, err := c.Do(ctx, r)
	if err != nil {
		return nil, "", err
	}
	var page map[string]json.RawMessage
	err = json.Unmarshal(a.Body, &page)
	if err == nil {
		err = json.Unmarshal(page[field], &items)
	}
	if rest, ok := page["next"]; ok && err == nil {
		err = json.Unmarshal(rest, &next)
	}
	if err != nil {
		return nil, "", fmt.Errorf("the answer is no list of %s: %w", field, err)
	}
	return items, next, nil
}

// send sends a request and returns the answer if it is good. The caller closes its
// body.
func (c *Client) send(ctx context.Context, r Request) (*http.Response, error) {
	req, err := c.request(ctx, r)
	if err != nil {
		return nil, err
	}
	token, err := c.tokens.Token()
	if err != nil {
		return nil, refusedToken(err)
	}
	token.SetAuthHeader(req)
	res, err := c.http.Do(req)
	if err != nil {
		return nil, &UnreachableError{fmt.Errorf("call the provider: %w", err)}
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		defer func() { _ = res.Body.Close() }()
		return nil, readProblem(res)
	}
	return res, nil
}

func (c *Client) request(ctx context.Context, r Request) (*http.Request, error) {
	if decoded, err := url.PathUnescape(r.Path); err != nil || path.Clean(decoded) != decoded {
		return nil, fmt.Errorf("%q: an id is empty, or none", r.Path)
	}
	var body io.Reader = http.NoBody
	if r.Body != nil {
		b, err := json.Marshal(r.Body)
		if err != nil {
			return nil, fmt.Errorf("encode the body: %w", err)
		}
		body = bytes.NewReader(b)
	}
	target := c.base + r.Path
	if len(r.Query) > 0 {
		target += "?" + r.Query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, target, body)
	if err != nil {
		return nil, fmt.Errorf("call the provider: %w", err)
	}
	if r.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", agent)
	if r.IfMatch != "" {
		req.Header.Set("If-Match", r.IfMatch)
	}
	return req, nil
}
