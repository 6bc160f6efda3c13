package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

const redirectURI = "http://localhost:1/callback"

// process is a provider that runs as a program of its own.
type process struct {
	t         *testing.T
	binary    string
	flags     []string // of every command: where the data is
	data      string   // the folder of it, where it is not a new one
	address   string
	served    string   // the issuer, where it is not this process's address
	drain     string   // how long it goes on answering once it is told to stop
	more      []string // flags of every command, beside those of the data
	serving   []string // flags of serve alone
	listening []string // where it does, if not on address alone
	log       io.Writer
	service   struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	cmd       *exec.Cmd
	oauth     oauth2.Config
	verifiers map[string]string // by state
}

// built is where the program lies that the tests run.
var built string

func TestMain(m *testing.M) {
	if err := trustTestCertificate(); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(built)
	os.Exit(code)
}

// program builds it once, without the race detector: it is killed and started often.
var program = sync.OnceValues(func() (binary string, err error) {
	if built, err = os.MkdirTemp("", "gatehouse-built-"); err != nil {
		return "", err
	}
	binary = filepath.Join(built, "gatehouse")
	return binary, buildProgram(binary)
})

// buildProgram builds the program as releases have it, static.
func buildProgram(binary string, flags ...string) error {
	build := exec.Command("go", append(append([]string{"build"}, flags...), "-o", binary, ".")...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return nil
}

// installed starts the program and sets up a person and an app by its
// commands.
func installed(t *testing.T, databaseURL string, change ...func(*process)) *process {
	t.Helper()
	binary, err := program()
	idptest.Must(t, err)
	p := &process{t: t, binary: binary, address: freeAddress(t), drain: "0", log: os.Stderr, verifiers: map[string]string{}}
	for _, c := range change {
		c(p)
	}
	if p.data == "" {
		p.data = idptest.Folder(t)
	}
	p.flags = []string{"--data", p.data}
	if !strings.HasPrefix(databaseURL, "sqlite:") {
		p.flags = append(p.flags, "--database-url", databaseURL)
	}
	p.flags = append(p.flags, p.more...)
	p.run("migrate", "up")
	out := p.run("admin", "service-client", "--name", "Set-up", "--role", "admin")
	if err := json.Unmarshal([]byte(out), &p.service); err != nil {
		t.Fatalf("reading %q: %v", out, err)
	}
	p.start()
	p.call(idptest.Password, "user", "create", "--email", "maya@rtx.example", "--population", "agents", "--password-stdin")
	var created struct {
		Client struct{ ID string }
		Secret string
	}
	out = p.call("", "client", "create", "--name", "Agent portal", "--population", "agents", "--redirect-uri", redirectURI)
	if err := json.Unmarshal([]byte(out), &created); err != nil {
		t.Fatalf("reading %q: %v", out, err)
	}
	p.oauth = oauth2.Config{
		ClientID: created.Client.ID, ClientSecret: created.Secret, RedirectURL: redirectURI, Scopes: []string{"openid"},
		Endpoint: oauth2.Endpoint{
			AuthURL: p.issuer() + "/authorize", TokenURL: p.issuer() + "/token", AuthStyle: oauth2.AuthStyleInHeader,
		},
	}
	t.Cleanup(p.kill)
	return p
}

// ports counts the addresses that were handed out.
var ports atomic.Int64

// freeAddress is below the ports that the system gives to outgoing connections: a
// provider that was killed gets its address back.
func freeAddress(t *testing.T) string {
	t.Helper()
	const first, span = 32000, 768
	for range span {
		port := first + (os.Getpid()+int(ports.Add(1)))%span
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			idptest.Must(t, l.Close())
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

func (p *process) issuer() string {
	if p.served != "" {
		return p.served
	}
	return "http://" + p.address
}

// run runs a command on the data to its end.
func (p *process) run(args ...string) string {
	p.t.Helper()
	return p.output(exec.Command(p.binary, append(args, p.flags...)...), "")
}

// call runs a command that goes over the API of this process.
func (p *process) call(stdin string, args ...string) string {
	p.t.Helper()
	cmd := exec.Command(p.binary, append(args, "--issuer", "http://"+p.address, "--client-id", p.service.ID, "--output", "json")...)
	cmd.Env = append(os.Environ(), "GATEHOUSE_CLIENT_SECRET="+p.service.Secret)
	return p.output(cmd, stdin)
}

func (p *process) output(cmd *exec.Cmd, stdin string) string {
	p.t.Helper()
	var complaints strings.Builder
	cmd.Stdin, cmd.Stderr = strings.NewReader(stdin), &complaints
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("%v: %v\n%s", cmd.Args, err, complaints.String())
	}
	return string(out)
}

// start starts the provider and waits until it is ready.
func (p *process) start() {
	p.t.Helper()
	listening := p.listening
	if listening == nil {
		listening = []string{"--listen", p.address}
	}
	args := slices.Concat([]string{"--log-level", "error", "serve", "--issuer", p.issuer(), "--metrics-listen", "", "--drain", p.drain}, listening, p.flags, p.serving)
	p.cmd = exec.Command(p.binary, args...)
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatalf("starting: %v", err)
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+"/readyz", http.NoBody)
		if err != nil {
			p.t.Fatal(err)
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-ctx.Done():
			p.t.Fatal("the provider does not become ready")
		case <-tick.C:
		}
	}
}

// kill ends the process without a word, as a power cut does.
func (p *process) kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		p.cmd = nil
	}
}

// restart kills it and starts it again on the same data.
func (p *process) restart() {
	p.t.Helper()
	p.kill()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	p.start()
}

// begin is the URL of a new authorization request.
func (p *process) begin() string {
	state, verifier := idp.NewSecret(), oauth2.GenerateVerifier()
	p.verifiers[state] = verifier
	return p.oauth.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))
}

// redeem exchanges the code that a page left with.
func (p *process) redeem(page *idptest.Page) *oauth2.Token {
	p.t.Helper()
	if page.Left == nil || page.Left.Query().Get("code") == "" {
		p.t.Fatalf("page %q (status %d) did not lead to the app with a code", page.Heading(), page.Status)
	}
	q := page.Left.Query()
	token, err := p.oauth.Exchange(p.t.Context(), q.Get("code"), oauth2.VerifierOption(p.verifiers[q.Get("state")]))
	if err != nil {
		p.t.Fatalf("exchanging: %v", err)
	}
	return token
}

func TestKillingTheProcessLosesNoAcknowledgedStep(t *testing.T) {
	t.Parallel()
	idptest.EmptyDatabases(t, func(t *testing.T, db *idptest.Database) {
		p, b := installed(t, db.URL), idptest.NewBrowser(t)

		page := b.Get(p.begin())
		p.restart()
		page = b.Submit(page, "/password", "email", "maya@rtx.example", "password", idptest.Password)
		phone := idptest.Scan(t, page)
		p.restart()
		page = b.Get(page.URL.String())
		if idptest.Scan(t, page).Code(0) != phone.Code(0) {
			t.Fatal("the authenticator's key changed by the restart")
		}
		page = b.Submit(page, "/enrol", "code", phone.Code(0))
		codes := idptest.RecoveryCodes(page)
		p.restart()
		page = b.Get(page.URL.String())
		if again := idptest.RecoveryCodes(page); len(again) != 10 || strings.Join(again, " ") != strings.Join(codes, " ") {
			t.Fatalf("the recovery codes changed by the restart: %d, were %d", len(again), len(codes))
		}
		page = b.Submit(page, "/saved", "saved", "yes")
		p.restart()
		token := p.redeem(page)
		p.restart()
		wantSameKeys(t, p, token)
		refreshed, err := p.oauth.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
		if err != nil || refreshed.RefreshToken == "" {
			t.Fatalf("refreshing after a restart: %v", err)
		}
		p.redeem(b.Get(p.begin())) // single sign-on goes on
	})
}

// wantSameKeys verifies an earlier ID token with the keys of now.
func wantSameKeys(t *testing.T, p *process, token *oauth2.Token) {
	t.Helper()
	provider, err := oidc.NewProvider(t.Context(), p.issuer())
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := token.Extra("id_token").(string)
	if _, err := provider.Verifier(&oidc.Config{ClientID: p.oauth.ClientID}).Verify(t.Context(), raw); err != nil {
		t.Errorf("an ID token from before the restart: %v", err)
	}
}

// TestKilledWhileAStepIsUnderWay fires each form and kills the process at once:
// whether it got through or not, the same form once more leads on.
func TestKilledWhileAStepIsUnderWay(t *testing.T) {
	t.Parallel()
	idptest.EmptyDatabases(t, func(t *testing.T, db *idptest.Database) {
		p, b := installed(t, db.URL), idptest.NewBrowser(t)
		again := func(page *idptest.Page, action string, pairs ...string) *idptest.Page {
			t.Helper()
			fired := make(chan struct{})
			go func() { defer close(fired); b.Fire(page, action, pairs...) }()
			p.restart()
			<-fired
			return b.Submit(page, action, pairs...)
		}
		page := again(b.Get(p.begin()), "/password", "email", "maya@rtx.example", "password", idptest.Password)
		phone := idptest.Scan(t, b.Get(page.URL.String()))
		page = again(b.Get(page.URL.String()), "/enrol", "code", phone.Code(0))
		codes := idptest.RecoveryCodes(page)
		p.redeem(again(page, "/saved", "saved", "yes"))

		// Elsewhere, with a recovery code: it is used up once, and to effect.
		b = idptest.NewBrowser(t)
		page = b.Submit(b.Get(p.begin()), "/password", "email", "maya@rtx.example", "password", idptest.Password)
		page = b.Submit(page, "/method")
		page = again(page, "/recovery", "code", codes[0])
		if !strings.Contains(page.Body, "9") {
			t.Errorf("page %q does not say that 9 codes are left", page.Heading())
		}
		p.redeem(again(page, "/told"))
	})
}

func TestStoppingFinishesAndAWrongConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	p := installed(t, idptest.SQLite(t))
	p.stop()
	out, err := exec.Command(p.binary, "serve", "--issuer", "http://id.example/", "--trusted-proxies", "everybody").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "issuer: ") || !strings.Contains(string(out), "trusted-proxies: ") {
		t.Errorf("a wrong configuration: error %v, output %q: want both fields", err, out)
	}
}

// After a restore, or when the database got into wrong hands.
func TestSigningEveryoneOutReachesAProviderThatRuns(t *testing.T) {
	t.Parallel()
	idptest.EmptyDatabases(t, func(t *testing.T, db *idptest.Database) {
		p := installed(t, db.URL)
		p.call("", "policy", "set", "agents", "--no-authenticator", "--password-alone", "--apply", "next_login", "--reason", "a test")
		b := idptest.NewBrowser(t)
		token := p.redeem(b.Submit(b.Get(p.begin()), "/password", "email", "maya@rtx.example", "password", idptest.Password))
		args := append([]string{"admin", "sign-out-everyone", "--reason", "a test"}, p.flags...)
		if out, err := exec.Command(p.binary, args...).CombinedOutput(); err == nil || !strings.Contains(string(out), "1 people are signed in") {
			t.Errorf("without --yes: %v %s", err, out)
		}
		if got := p.silently(b); got != "" {
			t.Errorf("without --yes the session has ended: %q", got)
		}
		if out := p.run("admin", "sign-out-everyone", "--reason", "a test", "--yes"); out != "1 people are signed out\n" {
			t.Errorf("it says %q", out)
		}
		if _, failed := p.refresh(token.RefreshToken); failed != "invalid_grant" {
			t.Errorf("the refresh token: %q", failed)
		}
		if status := p.userinfo(token.AccessToken); status != http.StatusUnauthorized {
			t.Errorf("the access token: %d", status)
		}
		if got := p.silently(b); got != "login_required" {
			t.Errorf("the session: %q", got)
		}
		if out := p.call("", "audit", "list", "--kind", "session.ended"); !strings.Contains(out, `"reason":"a test"`) {
			t.Errorf("the audit log: %s", out)
		}
	})
}
