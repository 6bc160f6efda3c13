package main_test

import (
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
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// certified writes a certificate for localhost and its key, and returns who trusts it.
func certified(t *testing.T, folder string) (certificate, key string, roots *x509.CertPool) {
	t.Helper()
	certificate, key = filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	idptest.Must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: idp.Now().Add(-time.Hour), NotAfter: idp.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	idptest.Must(t, err)
	text, err := x509.MarshalPKCS8PrivateKey(private)
	idptest.Must(t, err)
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	idptest.Must(t, os.WriteFile(certificate, chain, 0o600))
	idptest.Must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}), 0o600))
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(chain)
	return certificate, key, roots
}

// One machine, no proxy: https from the first byte, HTTP/2, and the numbers say when the
// certificate ends.
func TestServeSpeaksTLSByItself(t *testing.T) {
	t.Parallel()
	binary, err := program()
	idptest.Must(t, err)
	folder := idptest.Folder(t)
	certificate, key, roots := certified(t, folder)
	address, metrics := freeAddress(t), freeAddress(t)
	issuer := "https://localhost:" + strings.Split(address, ":")[1]
	cmd := exec.Command(binary, "--log-level", "error", "serve", "--issuer", issuer, "--listen", address, "--metrics-listen", metrics,
		"--data", folder, "--tls-cert", certificate, "--tls-key", key, "--drain", "0")
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
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	res, err := client.Get(issuer + "/.well-known/openid-configuration")
	idptest.Must(t, err)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK || res.ProtoMajor != 2 || res.Header.Get("Strict-Transport-Security") != "max-age=31536000" {
		t.Errorf("%s %s %v", res.Proto, res.Status, res.Header)
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
	certificate, key, _ := certified(t, idptest.Folder(t))
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
