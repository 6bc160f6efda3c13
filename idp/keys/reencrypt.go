package keys

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/keyring"
	"gatehouse/idp/store"
)

// Reencrypted is what became of the sealed values.
type Reencrypted struct {
	// Values were sealed again.
	Values int
	// Lost counts those under master keys that the keyring does not have, by the id of
	// the key.
	Lost map[string]int
	// Damaged are those that no key opens: they were damaged, or moved.
	Damaged []string
}

// Whole tells whether nothing is left that the keyring's first key does not open.
func (r Reencrypted) Whole() bool { return len(r.Lost) == 0 && len(r.Damaged) == 0 }

// String says what is left.
func (r Reencrypted) String() string {
	var parts []string
	for _, id := range slices.Sorted(maps.Keys(r.Lost)) {
		parts = append(parts, fmt.Sprintf("%d under master key %s, which is not given", r.Lost[id], id))
	}
	if n := len(r.Damaged); n > 0 {
		parts = append(parts, fmt.Sprintf("%d that no key opens (%s)", n, strings.Join(r.Damaged[:min(n, 10)], ", ")))
	}
	return strings.Join(parts, "; ")
}

// mostPasses is how often Reencrypt looks for what a provider that runs has sealed
// meanwhile under the previous key.
const mostPasses = 5

// Reencrypt seals everything again that is not sealed under the keyring's first key.
// What it cannot open stays as it is, and is counted. It may be interrupted, run
// twice at once and beside providers: each value is replaced by itself, unless it
// changed meanwhile. Afterwards the other keys can be retired once the flows of that
// moment (30 minutes) are over.
func Reencrypt(ctx context.Context, s *store.Store, ring *keyring.Keyring) (Reencrypted, error) {
	var sum Reencrypted
	var err error
	for range mostPasses {
		var pass Reencrypted
		pass, err = reencryptOnce(ctx, s, ring)
		pass.Values += sum.Values
		if again := pass.Values > sum.Values; !again || err != nil {
			sum = pass
			break
		}
		sum = pass
	}
	if sum.Values == 0 && err != nil {
		return sum, err
	}
	return sum, errors.Join(err, s.Audit(context.WithoutCancel(ctx), idp.AuditEvent{
		Kind: idp.AuditSecretsReencrypted, Detail: map[string]string{"values": fmt.Sprint(sum.Values)},
	}))
}

// Check counts what the keyring does not open. It changes nothing.
func Check(ctx context.Context, s *store.Store, ring *keyring.Keyring) (Reencrypted, error) {
	sum := Reencrypted{Lost: map[string]int{}}
	return sum, s.EachSealed(ctx, func(v store.Sealed) error {
		switch _, err := ring.Open(v.Value, v.AAD()); {
		case errors.Is(err, keyring.ErrUnknownKey):
			sum.Lost[keyring.KeyID(v.Value)]++
		case err != nil:
			sum.Damaged = append(sum.Damaged, v.AAD())
		}
		return nil
	})
}

func reencryptOnce(ctx context.Context, s *store.Store, ring *keyring.Keyring) (Reencrypted, error) {
	sum := Reencrypted{Lost: map[string]int{}}
	err := s.EachSealed(ctx, func(v store.Sealed) error {
		if ring.Current(v.Value) {
			return nil
		}
		plain, err := ring.Open(v.Value, v.AAD())
		switch {
		case errors.Is(err, keyring.ErrUnknownKey):
			sum.Lost[keyring.KeyID(v.Value)]++
			return nil
		case err != nil:
			sum.Damaged = append(sum.Damaged, v.AAD())
			return nil
		}
		err = s.ReplaceSealed(ctx, v, ring.Seal(plain, v.AAD()))
		if errors.Is(err, idp.ErrConflict) {
			return nil // the next pass finds what it is now
		}
		if err == nil {
			sum.Values++
		}
		return err
	})
	return sum, err
}
