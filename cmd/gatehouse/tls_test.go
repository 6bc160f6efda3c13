package main_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// pair is a certificate for localhost and its key, in PEM.
type pair struct{ chain, key []byte }

// testCertificate is one for all tests, which all requests of this package trust.
var testCertificate = sync.OnceValues(func() (pair, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: idp.Now().Add(-time.Hour), NotAfter: idp.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return pair{}, err
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	return pair{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}),
	}, err
})

// trustTestCertificate is for TestMain, before anything is asked.
func trustTestCertificate() error {
	c, err := testCertificate()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.chain)
	http.DefaultTransport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots} // #nosec G402 -- the default is 1.2
	return err
}

// certified writes the test's certificate and its key.
func certified(t *testing.T, folder string) (certificate, key string) {
	t.Helper()
	c, err := testCertificate()
	idptest.Must(t, err)
	certificate, key = filepath.Join(folder, "id.example.crt"), filepath.Join(folder, "id.example.key")
	for name, text := range map[string][]byte{certificate: c.chain, key: c.key, filepath.Join(folder, "id.example.pem"): append(bytes.Clone(c.chain), c.key...)} {
		idptest.Must(t, os.WriteFile(name, text, 0o600))
	}
	return certificate, key
}

// One machine, no proxy: https from the first byte, HTTP/2, at the console's own address too,
// and the numbers say when the certificate ends.
func TestServeSpeaksTLSByItself(t *testing.T) {
	t.Parallel()
	binary, err := program()
	idptest.Must(t, err)
	folder := idptest.Folder(t)
	certificate, key := certified(t, folder)
	address, console, metrics := freeAddress(t), freeAddress(t), freeAddress(t)
	issuer := "https://localhost:" + strings.Split(address, ":")[1]
	cmd := exec.Command(binary, "--log-level", "error", "serve", "--issuer", issuer, "--listen", address, "--console-listen", console,
		"--metrics-listen", metrics, "--data", folder, "--tls-cert", certificate, "--tls-key", key, "--drain", "0")
	idptest.Must(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		out, err := exec.Command(binary, "healthcheck", "--url", "https://"+address+"/readyz").CombinedOutput()
		if err == nil {
			break
		}
		if n > 400 {
			t.Fatalf("it does not get healthy: %s", out)
		}
		<-tick.C
	}
	res, err := http.Get(issuer + "/.well-known/openid-configuration")
	idptest.Must(t, err)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK || res.ProtoMajor != 2 || res.Header.Get("Strict-Transport-Security") != "max-age=31536000" {
		t.Errorf("%s %s %v", res.Proto, res.Status, res.Header)
	}
	for at, want := range map[string]int{console: http.StatusUnauthorized, address: http.StatusNotFound} {
		res, err := http.Get("https://localhost:" + strings.Split(at, ":")[1] + "/admin/api/v1/users")
		idptest.Must(t, err)
		_ = res.Body.Close()
		if res.StatusCode != want || res.ProtoMajor != 2 {
			t.Errorf("the API on %s: %s %s, want %d", at, res.Proto, res.Status, want)
		}
	}
	res, err = http.Get("http://" + metrics + "/metrics")
	idptest.Must(t, err)
	text, err := io.ReadAll(res.Body)
	idptest.Must(t, err)
	_ = res.Body.Close()
	if !strings.Contains(string(text), "\ngatehouse_certificate_expiry_timestamp_seconds 1.") {
		t.Error("the numbers do not tell when the certificate ends")
	}
}

func TestAWrongTLSConfigurationIsRefusedWhole(t *testing.T) {
	t.Parallel()
	binary, err := program()
	idptest.Must(t, err)
	certificate, key := certified(t, idptest.Folder(t))
	for want, flags := range map[string][]string{
		"tls-cert, tls-key: both":    {"--tls-cert", certificate},
		"tls-cert: read":             {"--tls-cert", key, "--tls-key", certificate},
		"must be https: this":        {"--tls-cert", certificate, "--tls-key", key, "--issuer", "http://localhost:1"},
		"acme: leave it out":         {"--tls-cert", certificate, "--tls-key", key, "--acme"},
		"acme: is missing":           {"--acme-email", "ops@rtx.example"},
		"trusted-proxies: \"every\"": {"--tls-cert", certificate, "--trusted-proxies", "every"},
	} {
		for _, command := range [][]string{{"serve"}, {"config", "check"}} {
			args := append(append(command, "--issuer", "https://id.example", "--data", idptest.Folder(t)), flags...)
			if out, err := exec.Command(binary, args...).CombinedOutput(); err == nil || !strings.Contains(string(out), want) {
				t.Errorf("%v: %v %s, want %q", args, err, out, want)
			}
		}
	}
}
