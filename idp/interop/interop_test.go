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
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/server"
)

// TestLibraries signs in with each library, and lets it do what it offers.
func TestLibraries(t *testing.T) {
	ca := newCA(t)
	trust(t, ca)
	app := idptest.StartTLS(t, server.Config{
		DatabaseURL: idptest.SQLite(t), DataDir: t.TempDir(), PrivateNetworks: true,
	}, ca.issue(t, "localhost"))
	for _, l := range libraries {
		t.Run(l.name+" "+l.version, func(t *testing.T) {
			r := l.start(t, app, ca)
			b := idptest.NewBrowser(t)
			r.signIn(b)
			for _, act := range []struct{ name, path, says string }{
				{userinfo, "/userinfo", r.email}, {refresh, "/refresh", "refreshed"},
			} {
				if l.does(act.name) {
					r.expect(b.Get(r.base+act.path), act.says)
				}
			}
			if l.does(signOut) {
				r.signOut(b)
			}
		})
	}
}

// relyingParty is a library's app while it runs.
type relyingParty struct {
	library
	email  string
	base   string
	issuer string
	output *idptest.LogText
	t      *testing.T
}

// start makes the app at the provider as the console would, and starts the library's
// program with what its developer is told.
func (l library) start(t *testing.T, app *idptest.App, ca *authority) *relyingParty {
	t.Helper()
	port := freePort(t)
	r := &relyingParty{library: l, email: "ana-" + port + "@rtx.example", base: "http://localhost:" + port, issuer: app.Issuer, output: &idptest.LogText{}, t: t}
	app.AddUser(idp.Agents, r.email)
	c := idp.Client{
		Name: l.name, Kind: l.kind, Populations: []string{idp.Agents},
		RedirectURIs: []string{r.base + l.callback}, PostLogoutRedirectURIs: []string{r.base + "/bye"},
	}
	client, secret, err := app.Manage.Apps.CreateClient(t.Context(), c)
	idptest.Must(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	run := exec.CommandContext(ctx, l.command[0], l.command[1:]...)
	run.Dir, run.Stdout, run.Stderr = l.home(t), r.output, r.output
	run.WaitDelay = 5 * time.Second
	run.Env = append(os.Environ(), append(ca.environment(),
		"PORT="+port, "BASE="+r.base, "ISSUER="+app.Issuer, "CLIENT_ID="+client.ID, "CLIENT_SECRET="+secret, "SCRATCH="+t.TempDir())...)
	idptest.Must(t, run.Start())
	ended := make(chan struct{})
	go func() { _ = run.Wait(); close(ended) }()
	t.Cleanup(func() {
		stop()
		<-ended
		if t.Failed() {
			t.Logf("the app said:\n%s", r.output)
		}
	})
	r.await(port, ended)
	return r
}

// await waits until the app listens.
func (r *relyingParty) await(port string, ended <-chan struct{}) {
	r.t.Helper()
	for begin := time.Now(); time.Since(begin) < time.Minute; {
		if conn, err := net.Dial("tcp", "localhost:"+port); err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ended:
			r.t.Fatal("the app ended before it listened")
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

// signIn signs in at the app for the first time, with password and authenticator.
func (r *relyingParty) signIn(b *idptest.Browser) {
	r.t.Helper()
	page := r.follow(b, b.Get(r.base+"/"))
	if !strings.HasPrefix(page.URL.String(), r.issuer) {
		r.t.Fatalf("the app answers %d and leads to %s instead of the provider:\n%s", page.Status, page.URL, page.Body)
	}
	page = b.Submit(page, "/password", "email", r.email, "password", idptest.Password)
	page = b.Submit(page, "/enrol", "code", idptest.Scan(r.t, page).Code(0))
	page = r.follow(b, b.Submit(page, "/saved", "saved", "yes"))
	if page.Status != http.StatusOK || !strings.HasPrefix(page.URL.String(), r.base) {
		r.t.Fatalf("the sign-in ends at %s with %d:\n%s", page.URL, page.Status, page.Body)
	}
}

func (r *relyingParty) expect(page *idptest.Page, says string) {
	r.t.Helper()
	if page.Status != http.StatusOK || !strings.Contains(page.Body, says) {
		r.t.Errorf("%s answers %d without %q:\n%s", page.URL, page.Status, says, page.Body)
	}
}

// signOut must end back at the app, and the next sign-in asks for a password.
func (r *relyingParty) signOut(b *idptest.Browser) {
	r.t.Helper()
	page := r.follow(b, b.Get(r.base+"/logout"))
	if !strings.HasPrefix(page.URL.String(), r.base+"/bye") {
		r.t.Fatalf("signing out ends at %s (%q)", page.URL, page.Heading())
	}
	if page := r.follow(b, b.Get(r.base+"/")); !strings.HasPrefix(page.URL.String(), r.issuer) {
		r.t.Errorf("after signing out the app leads to %s", page.URL)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	idptest.Must(t, err)
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
	idptest.Must(t, os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
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
	http.DefaultTransport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
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
