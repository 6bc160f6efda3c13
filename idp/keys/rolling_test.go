package keys_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"gatehouse/idp/idptest"
	"gatehouse/idp/keyring"
	"gatehouse/idp/keys"
)

// At each step of the documented rotation, replicas before and after it open what
// the other seals.
func TestMasterKeysRotateOverARollingRestart(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../../docs/operate.md")
	idptest.Must(t, err)
	for _, step := range []string{"Append the new key on all replicas (`old,new`)", "move it to the front (`new,old`)", "run `gatehouse keys reencrypt`"} {
		if !strings.Contains(string(manual), step) {
			t.Errorf("docs/operate.md does not say: %s", step)
		}
	}
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		steps := []*keyring.Keyring{ring(t, "a"), ring(t, "a", "b"), ring(t, "b", "a"), ring(t, "b")}
		for i := 1; i < len(steps); i++ {
			if i == 3 {
				if sum, err := keys.Reencrypt(t.Context(), db.Store, steps[2]); err != nil || !sum.Whole() {
					t.Fatalf("%+v (%v)", sum, err)
				}
			}
			for turn, r := range []*keyring.Keyring{steps[i-1], steps[i]} {
				other := []*keyring.Keyring{steps[i], steps[i-1]}[turn]
				purpose := keys.Purpose(fmt.Sprint("step ", i, " turn ", turn))
				if !bytes.Equal(secret(t, db.Store, r, purpose), secret(t, db.Store, other, purpose)) {
					t.Errorf("%s: the replicas disagree", purpose)
				}
			}
			if i == 3 {
				continue
			}
			secret(t, db.Store, steps[i], keys.ForRefresh)
		}
		secret(t, db.Store, steps[3], keys.ForRefresh)
	})
}
