package federation_test

import (
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

// One key that cannot be used ended every sign-in through its connection (RFC 7517
// section 5: it is ignored).
func TestAKeyThatCannotBeUsedEndsNoSignIn(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), nil)
	odd := []any{
		nil, 5,
		map[string]any{},
		map[string]any{"kty": "LATTICE"},
		map[string]any{"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
		map[string]any{"kty": "RSA", "use": "enc", "e": "AQAB"},
		map[string]any{"kty": "oct", "k": "c2VjcmV0"},
	}
	h.entra.MutateKeys(func(keys []any) []any { return slices.Concat(odd, keys, odd) })
	h.signIn(idptest.NewBrowser(t), idptest.Alice)
}

// A key set without a usable key is the provider's fault, and the page says so.
func TestAKeySetWithoutAUsableKeyIsNamedAsTheCause(t *testing.T) {
	t.Parallel()
	h := open(t, idptest.Alone(t), nil)
	h.entra.MutateKeys(func([]any) []any { return []any{map[string]any{"kty": "oct", "k": "c2VjcmV0"}} })
	p := h.come(idptest.NewBrowser(t), h.party.Begin(), idptest.Alice)
	h.refused(p, badGateway, idp.FederationKeys)
	if !strings.Contains(alert(p), "publishes no key") {
		t.Errorf("the page says %q", alert(p))
	}
}
