package fetch_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/fetch"
)

func TestPrivateAndLocalAddressesAreRefused(t *testing.T) {
	for _, address := range []string{
		"127.0.0.1:443", "127.8.9.10:443", "[::1]:443", // loopback
		"0.0.0.0:443", "0.1.2.3:443", "[::]:443", // this host
		"10.0.0.1:443", "172.16.0.1:443", "172.31.255.255:443", "192.168.1.1:443", // private
		"[fc00::1]:443", "[fd12:3456:789a::1]:443",
		"169.254.1.1:443", "169.254.169.254:80", "[fe80::1]:443", "[fe80::1%eth0]:443", // link-local; clouds' metadata
		"[fd00:ec2::254]:80",
		"100.64.0.1:443", "100.127.255.255:443", // carriers' shared space
		"192.0.0.1:443", "198.18.0.1:443", "198.19.255.255:443", "240.0.0.1:443", "255.255.255.255:443",
		"[::ffff:127.0.0.1]:443", "[::ffff:10.0.0.1]:443", "[::ffff:a9fe:a9fe]:80", // IPv4 in IPv6
		"[64:ff9b::7f00:1]:443", "[64:ff9b::10.0.0.1]:443", "[64:ff9b:1::a00:1]:443", // NAT64
		"[2002:7f00:1::]:443", "[2002:a00:1::1]:443", // 6to4
		"[fec0::1]:443",
		"224.0.0.1:443", "239.255.255.255:443", "[ff02::1]:443", "[ff05::1:3]:443", // multicast
		// A zone means nothing beyond link-local, and changes nothing.
		"[64:ff9b::7f00:1%lo]:443", "[2002:7f00:1::%lo]:443", "[fec0::1%eth0]:443", "[fd00::1%eth0]:443", "[::1%lo]:443",
	} {
		if err := fetch.CheckAddress(address); !errors.Is(err, fetch.ErrAddress) || !errors.Is(err, idp.ErrInvalid) {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"", "127.0.0.1", "localhost:443", "[127.0.0.1:443", "0177.0.0.1:443", "2130706433:443"} {
		if err := fetch.CheckAddress(address); err == nil {
			t.Errorf("%q is allowed", address)
		}
	}
}

func TestPublicAddressesAreAllowed(t *testing.T) {
	for _, address := range []string{
		"93.184.215.14:443", "8.8.8.8:8443", "1.1.1.1:443", "172.15.255.255:443", "172.32.0.1:443", "100.63.255.255:443",
		"100.128.0.1:443", "169.253.1.1:443", "192.0.1.1:443", "198.17.255.255:443", "198.20.0.1:443", "223.255.255.255:443",
		"[2606:4700:4700::1111]:443", "[2a00:1450:4001:80b::200e]:443", "[2003::1]:443", "[::ffff:8.8.8.8]:443",
	} {
		if err := fetch.CheckAddress(address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// client makes a client whose connections end with the test.
func client(t *testing.T, private bool) *http.Client {
	t.Helper()
	c := fetch.NewClient(private)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// listener counts who connects.
func listener(t *testing.T, server *httptest.Server) *atomic.Int64 {
	t.Helper()
	connections := new(atomic.Int64)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	return connections
}

func get(t *testing.T, c *http.Client, target string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Do(req)
}

// The check sees what a name resolved to, so that no name leads around it; the
// server sees no connection at all.
func TestNameThatResolvesToLoopbackIsRefused(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	connections := listener(t, server)
	server.StartTLS()
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, false)
	for _, host := range []string{"localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0"} {
		res, err := get(t, c, "https://"+host+":"+port+"/")
		if err == nil {
			_ = res.Body.Close()
		}
		if !errors.Is(err, idp.ErrInvalid) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

func TestOnlyHTTPSIsFetched(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	connections := listener(t, server)
	server.Start()
	t.Cleanup(server.Close)
	for _, target := range []string{server.URL, "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "//example.com"} {
		res, err := get(t, client(t, false), target)
		if err == nil {
			_ = res.Body.Close()
		}
		if err == nil || !errors.Is(err, idp.ErrInvalid) || errors.Is(err, fetch.ErrAddress) {
			t.Errorf("%s: %v", target, err)
		}
	}
	for _, target := range []string{"ftp://example.com/", "file:///etc/passwd"} {
		if res, err := get(t, client(t, true), target); err == nil {
			_ = res.Body.Close()
			t.Errorf("%s is fetched where private networks are allowed", target)
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
	res, err := get(t, client(t, true), server.URL)
	if err != nil {
		t.Fatalf("a private network's http: %v", err)
	}
	defer func() { _ = res.Body.Close() }()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "hello" {
		t.Errorf("read %q (%v)", body, err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	t.Cleanup(server.Close)
	res, err := get(t, client(t, true), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusTemporaryRedirect || asked.Load() != 1 {
		t.Errorf("status %d after %d requests", res.StatusCode, asked.Load())
	}
}

func TestCertificatesAreChecked(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	res, err := get(t, client(t, true), server.URL)
	if err == nil {
		_ = res.Body.Close()
	}
	var unverified *tls.CertificateVerificationError
	if !errors.As(err, &unverified) {
		t.Errorf("a certificate of nobody's: %v", err)
	}
}

func TestNoProxyIsUsed(t *testing.T) {
	proxy := httptest.NewUnstartedServer(http.NotFoundHandler())
	connections := listener(t, proxy)
	proxy.Start()
	t.Cleanup(proxy.Close)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	c := client(t, true)
	c.Timeout = 100 * time.Millisecond
	for _, target := range []string{"http://192.0.2.1/", "https://192.0.2.1/"} { // an address of nobody's, RFC 5737
		if res, err := get(t, c, target); err == nil {
			_ = res.Body.Close()
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections to the proxy", n)
	}
}

// A server that never ends its answer is read to the limit and no further.
func TestLongAnswersAreCut(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		piece := []byte(strings.Repeat("x", fetch.MaxBody))
		for r.Context().Err() == nil {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	res, err := get(t, client(t, true), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || len(body) != fetch.MaxBody {
		t.Errorf("read %d bytes (%v)", len(body), err)
	}
}

func TestLongHeadersAreRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 2*fetch.MaxBody))
	}))
	t.Cleanup(server.Close)
	if res, err := get(t, client(t, true), server.URL); err == nil {
		_ = res.Body.Close()
		t.Error("an endless header is read")
	}
}

// The limit is of the whole exchange: a server that answers at once and then
// drips is cut off as well.
func TestSlowServersAreGivenUp(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/drip" {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	done := make(chan struct{}, 2)
	for _, path := range []string{"/silent", "/drip"} {
		go func() {
			defer func() { done <- struct{}{} }()
			begin := idp.Now()
			res, err := get(t, client(t, true), server.URL+path)
			if err == nil {
				_, err = io.ReadAll(res.Body)
				_ = res.Body.Close()
			}
			var network net.Error
			if took := idp.Now().Sub(begin); !errors.As(err, &network) || !network.Timeout() || took > 2*fetch.Timeout {
				t.Errorf("%s: %v after %s", path, err, took)
			}
		}()
	}
	<-done
	<-done
}
