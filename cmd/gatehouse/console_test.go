package main_test

import (
	"context"
	"net/http"
	"testing"

	"gatehouse/idp/idptest"
)

func TestTheConsoleHasAnAddressOfItsOwn(t *testing.T) {
	t.Parallel()
	outside := freeAddress(t)
	p := installed(t, idptest.SQLite(t), func(p *process) { // which uses the API, at the console's address
		p.address = freeAddress(t)
		p.listening = []string{"--listen", outside, "--console-listen", p.address}
	})
	for address, want := range map[string]int{outside: http.StatusNotFound, p.address: http.StatusUnauthorized} {
		if got := status(t.Context(), t, "http://"+address+"/admin/api/v1/users"); got != want {
			t.Errorf("the API on %s: %d, want %d", address, got, want)
		}
		for _, path := range []string{"/readyz", "/.well-known/openid-configuration"} {
			if got := status(t.Context(), t, "http://"+address+path); got != http.StatusOK {
				t.Errorf("%s on %s: %d", path, address, got)
			}
		}
	}
}

func status(ctx context.Context, t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	idptest.Must(t, err)
	res, err := http.DefaultClient.Do(req)
	idptest.Must(t, err)
	idptest.Must(t, res.Body.Close())
	return res.StatusCode
}
