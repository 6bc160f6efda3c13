//go:build verifiers

package keys_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/keys"
)

// What libraries of other languages say of our keys and tokens at every stage of a
// rotation: make verifiers.
func TestVerifiersOfOtherLanguagesAcceptEveryStage(t *testing.T) {
	t.Parallel()
	db := idptest.Alone(t)
	k := open(t, db.Store)
	payload, err := json.Marshal(map[string]any{"iss": "https://id.example", "sub": "maya", "exp": idp.Now().Add(1000 * time.Hour).Unix()})
	idptest.Must(t, err)
	issued := func() map[idp.Algorithm]string {
		tokens := map[idp.Algorithm]string{}
		for _, alg := range idp.Algorithms() {
			if tokens[alg], err = k.Sign(alg, keys.IDToken, payload); err != nil {
				t.Fatal(err)
			}
		}
		return tokens
	}
	first := issued()
	accepted(t, "the first keys", k, first)
	rotate(t, k, true, all)
	accepted(t, "a successor is published", k, first)
	pass(t, db, k, keys.PublishAhead)
	second := issued()
	accepted(t, "the successor signs", k, second)
	accepted(t, "the successor signs, a token of the old one", k, first)
	for _, token := range second {
		idptest.Must(t, k.Revoke(t.Context(), kid(t, token)))
	}
	accepted(t, "after a revocation", k, issued())
	if said := verdicts(t, k, second); len(said) != 2 || !strings.Contains(said[0], "PyJWT RS256") || !strings.Contains(said[1], "jose 6 RS256") {
		t.Errorf("tokens of a revoked key are good: %q", said)
	}
}

func accepted(t *testing.T, stage string, k *keys.Keys, tokens map[idp.Algorithm]string) {
	t.Helper()
	for _, said := range verdicts(t, k, tokens) {
		if said != "" {
			t.Errorf("%s: %s", stage, said)
		}
	}
}

// verdicts are what each language's script says failed.
func verdicts(t *testing.T, k *keys.Keys, tokens map[idp.Algorithm]string) []string {
	t.Helper()
	document, _ := k.Document()
	in, err := json.Marshal(map[string]any{"keys": json.RawMessage(document), "tokens": tokens})
	idptest.Must(t, err)
	home, err := filepath.Abs(filepath.Join("..", "..", "bin", "verifiers"))
	idptest.Must(t, err)
	var said []string
	for _, command := range [][]string{{filepath.Join(home, "venv", "bin", "python"), "verify.py"}, {"node", "verify.mjs"}} {
		run := exec.CommandContext(t.Context(), command[0], command[1])
		run.Dir, run.Stdin = home, bytes.NewReader(in)
		out, err := run.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command[1], err, out)
		}
		said = append(said, strings.TrimSpace(string(out)))
	}
	return said
}
