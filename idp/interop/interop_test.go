//go:build interop

package interop_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/server"
)

// TestLibraries signs in with each library, and lets it do what it offers.
func TestLibraries(t *testing.T) {
	app, ca, certificate := start(t)
	for _, l := range libraries {
		t.Run(l.name, func(t *testing.T) {
			r := l.enter(t, app, certificate)
			switch l.kind {
			case idp.SPAClient:
				r.actInChromium(certificate)
			case idp.NativeClient:
				r.actByItself(ca)
			default:
				r.actOnPages(ca)
			}
		})
	}
}

// start runs the provider on https.
func start(t *testing.T) (*idptest.App, *authority, tls.Certificate) {
	t.Helper()
	ca := newCA(t)
	trust(t, ca)
	certificate := ca.issue(t, "localhost")
	return idptest.StartTLS(t, server.Config{
		DatabaseURL: idptest.SQLite(t), DataDir: t.TempDir(), PrivateNetworks: true,
	}, certificate), ca, certificate
}

// relyingParty is a library's app.
type relyingParty struct {
	library
	client idp.Client
	secret string
	email  string
	port   string
	base   string
	issuer string
	output *idptest.LogText
	// Of an app with FAPI: its key as a JWK, and its certificate with key in a file.
	key, certificate string
	t                *testing.T
}

// enter makes the app at the provider, as the console's form with nothing but its addresses
// would.
func (l library) enter(t *testing.T, app *idptest.App, certificate tls.Certificate) *relyingParty {
	t.Helper()
	port := freePort(t)
	r := &relyingParty{
		library: l, email: "ana-" + port + "@rtx.example", port: port, base: "http://localhost:" + port,
		issuer: app.Issuer, output: &idptest.LogText{}, t: t,
	}
	if l.kind == idp.SPAClient || l.fapi {
		r.base = "https://localhost:" + port
	}
	// Her invitation proved the address.
	idptest.Must(t, app.Store.MarkEmailVerified(t.Context(), app.AddUser(idp.Agents, r.email).ID))
	c := idp.Client{Name: l.name, Kind: l.kind, Populations: []string{idp.Agents}, GrantTypes: l.grants}
	for _, s := range l.settings("http://localhost:" + port) {
		switch s[0] {
		case "redirect_uris":
			c.RedirectURIs = []string{s[1]}
		case "post_logout_redirect_uris":
			c.PostLogoutRedirectURIs = []string{s[1]}
		}
	}
	if l.fapi {
		key := idptest.NewKey(t, jose.ES256)
		c.FAPI, c.JWKS = true, key.JWKS()
		r.key, r.certificate = string(key.JWK()), pemFile(t, certificate)
	}
	var err error
	r.client, r.secret, err = app.Manage.Apps.CreateClient(t.Context(), c)
	idptest.Must(t, err)
	return r
}

// start starts the library's program with what its developer is told. It ends with the test,
// at the latest.
func (r *relyingParty) start(ca *authority, more ...string) (ended <-chan error) {
	r.t.Helper()
	if r.needs != "" {
		if _, err := exec.LookPath(r.needs); err != nil {
			// make interop has installed it or said that it is left out: alone, go test skips it.
			r.t.Skipf("%v: make interop installs it, as root on Debian", err)
		}
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(r.t.Context()))
	scratch := r.t.TempDir()
	command := strings.Fields(strings.ReplaceAll(r.command, "$SCRATCH", scratch))
	run := exec.CommandContext(ctx, command[0], command[1:]...)
	run.Stdout, run.Stderr, run.WaitDelay = r.output, r.output, 5*time.Second
	run.Cancel = func() error { return run.Process.Signal(syscall.SIGTERM) }
	run.Dir = r.home(r.t)
	if r.unprivileged {
		run.Dir, run.SysProcAttr = scratch, r.asNobody(scratch)
	}
	run.Env = append(append(os.Environ(), ca.environment()...),
		"PORT="+r.port, "BASE="+r.base, "ISSUER="+r.issuer, "CLIENT_ID="+r.client.ID, "CLIENT_SECRET="+r.secret, "SCRATCH="+scratch,
		"KEY="+r.key, "CERTIFICATE="+r.certificate)
	run.Env = append(run.Env, more...)
	idptest.Must(r.t, run.Start())
	end := make(chan error, 1)
	over := make(chan struct{})
	go func() { end <- run.Wait(); close(over) }()
	r.t.Cleanup(func() {
		stop()
		<-over
		if r.t.Failed() {
			r.t.Logf("the app said:\n%s", r.output)
			for _, file := range []string{"error.log"} {
				text, _ := os.ReadFile(filepath.Join(scratch, file))
				r.t.Logf("%s", text)
			}
		}
	})
	return end
}

// asNobody copies the program's files to where it works, and takes root from it, which
// servers do not serve as.
func (r *relyingParty) asNobody(scratch string) *syscall.SysProcAttr {
	r.t.Helper()
	idptest.Must(r.t, os.CopyFS(scratch, os.DirFS(r.home(r.t))))
	if os.Getuid() != 0 {
		return nil
	}
	const nobody = 65534
	idptest.Must(r.t, os.Chmod(filepath.Dir(scratch), 0o755))
	idptest.Must(r.t, os.Chown(scratch, nobody, nobody))
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}

// actOnPages has a library on a server do all that it does, in a browser without scripts.
func (r *relyingParty) actOnPages(ca *authority) {
	r.t.Helper()
	ended := r.start(ca)
	r.await(ended)
	b := idptest.NewBrowser(r.t)
	r.signIn(b)
	if a, does := r.find(userinfo); does {
		r.expect(b, a.path, r.email)
	}
	if a, does := r.find(refresh); does {
		r.expect(b, a.path, a.says)
	}
	if a, does := r.find(signOut); does {
		r.signOut(b, a)
	}
}

var userCode = regexp.MustCompile(`\b[A-Z]{4}-[A-Z]{4}\b`)

// actByItself has a program of a terminal do all that it does, once the person signed in at
// the address that it wrote.
func (r *relyingParty) actByItself(ca *authority) {
	r.t.Helper()
	ended := r.start(ca)
	b := idptest.NewBrowser(r.t)
	page := b.Get(r.written(ended))
	if _, _, asks := page.Form("/device"); asks {
		page = b.Submit(page, "/device", "user_code", userCode.FindString(r.output.String()))
		r.toApp(b, page) // approves the device, too
	} else {
		r.enrol(b, page)
	}
	select {
	case err := <-ended:
		idptest.Must(r.t, err)
	case <-time.After(time.Minute):
		r.t.Fatal("the program does not end")
	}
	for _, a := range r.acts {
		says := a.says
		if a.name == userinfo.name {
			says = "userinfo " + r.email
		}
		if !strings.Contains(r.output.String(), says) {
			r.t.Errorf("%s: the program does not say %q", a.name, says)
		}
	}
}

// written waits for the address that a program tells the person to open.
func (r *relyingParty) written(ended <-chan error) string {
	r.t.Helper()
	address := regexp.MustCompile(regexp.QuoteMeta(r.issuer) + `/(authorize\?|device\b)\S*`)
	for begin := time.Now(); time.Since(begin) < time.Minute; {
		if found := address.FindString(r.output.String()); found != "" {
			return found
		}
		select {
		case err := <-ended:
			r.t.Fatalf("the program ended before it wrote an address: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	r.t.Fatal("the program writes no address")
	return ""
}

// await waits until the app listens.
func (r *relyingParty) await(ended <-chan error) {
	r.t.Helper()
	for begin := time.Now(); time.Since(begin) < 3*time.Minute; { // Java on a busy machine
		if conn, err := net.Dial("tcp", "localhost:"+r.port); err == nil {
			_ = conn.Close()
			return
		}
		select {
		case err := <-ended:
			r.t.Fatalf("the app ended before it listened: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	r.t.Fatal("the app does not listen")
}

// follow goes along redirects and pages that lead on, between app and provider, to the first page
// that stays.
func (r *relyingParty) follow(b *idptest.Browser, page *idptest.Page) *idptest.Page {
	r.t.Helper()
	for range 10 {
		if page.Left == nil {
			return page
		}
		page = b.Get(page.Left.String())
	}
	r.t.Fatalf("redirects without end, at %s", page.URL)
	return nil
}

// ownSignIn is the form of an app's own sign-in page.
var ownSignIn = regexp.MustCompile(`<form[^>]*action="[^"]*(/signin/[a-z]+)"`)

// signIn signs in at the app for the first time, with password and authenticator.
func (r *relyingParty) signIn(b *idptest.Browser) {
	r.t.Helper()
	page := r.follow(b, b.Get(r.base+"/"))
	if form := ownSignIn.FindStringSubmatch(page.Body); form != nil && strings.HasPrefix(page.URL.String(), r.base) {
		page = r.follow(b, b.Submit(page, form[1]))
	}
	page = r.enrol(b, page)
	if page.Status != http.StatusOK || !strings.HasPrefix(page.URL.String(), r.base) {
		r.t.Fatalf("the sign-in ends at %s with %d:\n%s", page.URL, page.Status, page.Body)
	}
}

// enrol goes from the provider's first page back to the app.
func (r *relyingParty) enrol(b *idptest.Browser, page *idptest.Page) *idptest.Page {
	r.t.Helper()
	if !strings.HasPrefix(page.URL.String(), r.issuer) {
		r.t.Fatalf("the app answers %d and leads to %s instead of the provider:\n%s", page.Status, page.URL, page.Body)
	}
	return r.follow(b, r.toApp(b, page))
}

// toApp goes from the provider's first page to the one that leads to the app.
func (r *relyingParty) toApp(b *idptest.Browser, page *idptest.Page) *idptest.Page {
	r.t.Helper()
	page = b.Submit(page, "/password", "email", r.email, "password", idptest.Password)
	page = b.Submit(page, "/enrol", "code", idptest.Scan(r.t, page).Code(0))
	page = b.Submit(page, "/saved", "saved", "yes")
	if _, _, asks := page.Form("/approve"); asks {
		page = b.Submit(page, "/approve") // a native app without an address of its own gets no code silently
	}
	return page
}

// expect reads on a page, or in what the program wrote, that an act was done. What is done on
// the way, such as the refresh of a token that is a second old, may take more than one visit.
func (r *relyingParty) expect(b *idptest.Browser, path, says string) {
	r.t.Helper()
	page := r.follow(b, b.Get(r.base+path))
	for begin := time.Now(); page.Status == http.StatusOK && !r.said(page, says) && time.Since(begin) < 5*time.Second; {
		time.Sleep(250 * time.Millisecond) // a program of other people's, which tells nobody when it is done
		page = r.follow(b, b.Get(r.base+path))
	}
	if page.Status != http.StatusOK || !r.said(page, says) || strings.Contains(r.output.String(), "Unable to refresh") {
		r.t.Errorf("%s answers %d without %q:\n%s", page.URL, page.Status, says, page.Body)
	}
}

func (r *relyingParty) said(page *idptest.Page, says string) bool {
	return strings.Contains(page.Body, says) || strings.Contains(r.output.String(), says)
}

// signOut must end back at the app, and the next sign-in asks for a password. Who does
// not say whose session ends has the person asked.
func (r *relyingParty) signOut(b *idptest.Browser, a act) {
	r.t.Helper()
	end := r.issuer + "/end_session?" + url.Values{"client_id": {r.client.ID}, "post_logout_redirect_uri": {r.base + "/bye"}}.Encode()
	page := r.follow(b, b.Get(r.base+strings.ReplaceAll(a.path, "$END", url.QueryEscape(end))))
	if _, _, asks := page.Form("/confirm"); asks {
		page = r.follow(b, b.Submit(page, "/confirm"))
	}
	if !strings.HasPrefix(page.URL.String(), r.base+"/bye") {
		r.t.Fatalf("signing out ends at %s (%q)", page.URL, page.Heading())
	}
	page = r.follow(b, b.Get(r.base+"/"))
	if _, _, asks := page.Form("/password"); !asks || !strings.HasPrefix(page.URL.String(), r.issuer) {
		r.t.Errorf("after signing out the app leads to %s", page.URL)
	}
}

// pemFile is a certificate with its key, as programs read it.
func pemFile(t *testing.T, certificate tls.Certificate) string {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	idptest.Must(t, err)
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	file := filepath.Join(t.TempDir(), "app.pem")
	idptest.Must(t, os.WriteFile(file, text, 0o600))
	return file
}

func listen(t *testing.T, port string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:"+port)
	idptest.Must(t, err)
	return l
}

func freePort(t *testing.T) string {
	t.Helper()
	l := listen(t, "0")
	defer func() { _ = l.Close() }()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// authority is a CA of the harness's own: no library knows it but by its file.
type authority struct {
	file string
	// javaStore is the same for Java 17, which reads no PEM.
	javaStore string
	cert      *x509.Certificate
	key       *ecdsa.PrivateKey
}

func newCA(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	idptest.Must(t, err)
	a := &authority{key: key, file: filepath.Join(t.TempDir(), "ca.pem"), cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Interop CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: idp.Now().Add(-time.Hour), NotAfter: idp.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}}
	der := a.sign(t, a.cert, &key.PublicKey)
	a.cert, err = x509.ParseCertificate(der)
	idptest.Must(t, err)
	// Programs of other users read it.
	idptest.Must(t, os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644))
	idptest.Must(t, os.Chmod(filepath.Dir(filepath.Dir(a.file)), 0o755))
	if _, err := exec.LookPath("keytool"); err != nil {
		return a // no Java
	}
	a.javaStore = filepath.Join(filepath.Dir(a.file), "ca.p12")
	out, err := exec.CommandContext(t.Context(), "keytool", "-importcert", "-noprompt", "-file", a.file,
		"-keystore", a.javaStore, "-storepass", javaPassword, "-storetype", "PKCS12").CombinedOutput()
	if err != nil {
		t.Fatalf("keytool: %v\n%s", err, out)
	}
	return a
}

// javaPassword is that of a store which holds no secret; Java wants one.
const javaPassword = "changeit"

func (a *authority) sign(t *testing.T, template *x509.Certificate, key *ecdsa.PublicKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key, a.key)
	idptest.Must(t, err)
	return der
}

// issue makes a server's certificate.
func (a *authority) issue(t *testing.T, host string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	idptest.Must(t, err)
	der := a.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, &key.PublicKey)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// environment names the CA's file in the words of each language.
func (a *authority) environment() []string {
	return []string{
		"JAVA_TOOL_OPTIONS=-Djavax.net.ssl.trustStore=" + a.javaStore + " -Djavax.net.ssl.trustStorePassword=" + javaPassword,
		"CA_FILE=" + a.file, "SSL_CERT_FILE=" + a.file, "NODE_EXTRA_CA_CERTS=" + a.file, "REQUESTS_CA_BUNDLE=" + a.file,
	}
}

// trust makes this process, and so the browser, trust the CA.
func trust(t *testing.T, a *authority) {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	before := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = before })
	http.DefaultTransport = pages{&http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
}

// pages asks for pages, as browsers do: some libraries begin no sign-in otherwise.
type pages struct{ http.RoundTripper }

func (p pages) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Accept", "text/html,*/*;q=0.8")
	return p.RoundTripper.RoundTrip(req)
}

// home is where the library's program runs: its files beside what its language's package
// manager laid there.
func (l library) home(t *testing.T) string {
	t.Helper()
	home, err := filepath.Abs(filepath.Join("..", "..", "bin", "interop", l.language))
	idptest.Must(t, err)
	if _, err := os.Stat(home); err != nil {
		t.Fatalf("%v: make interop installs what the libraries need", err)
	}
	return home
}
