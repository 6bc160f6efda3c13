package password

import (
	"errors"
	"strings"
	"testing"
)

const (
	someSalt   = "AAECAwQFBgcICQoLDA0ODw"
	someDigest = "0AuQxA+RjPiJeA19Op7DwrFxnfh9xeTU2T6mFj2wThc"
)

// hostile are encodings that ask for minutes, gigabytes or a match of anything.
var hostile = []string{
	"plain",
	"$",
	"$1$salt$hash",
	"$bcrypt-sha256$",
	"$bcrypt-sha256$2b$31$cothbgfQIkuLEqCwZx9JMuokuFoAT.WYMltEm8xZtKZz1EeAuaFum",
	"$bcrypt-sha256$v=2,t=2b,r=12$cothbgfQIkuLEqCwZx9JMu$okuFoAT.WYMltEm8xZtKZz1EeAuaFum",
	"$2x$04$cothbgfQIkuLEqCwZx9JMuokuFoAT.WYMltEm8xZtKZz1EeAuaFum",
	"$2b$16$cothbgfQIkuLEqCwZx9JMuokuFoAT.WYMltEm8xZtKZz1EeAuaFum",
	"$2b$31$cothbgfQIkuLEqCwZx9JMuokuFoAT.WYMltEm8xZtKZz1EeAuaFum",
	"$2b$03$cothbgfQIkuLEqCwZx9JMuokuFoAT.WYMltEm8xZtKZz1EeAuaFum",
	"$2b$04$short",
	"$argon2d$v=19$m=64,t=1,p=1$" + someSalt + "$" + someDigest,
	"$argon2id$v=16$m=64,t=1,p=1$" + someSalt + "$" + someDigest,
	"$argon2id$m=64,t=1,p=1$" + someSalt + "$" + someDigest,
	"$argon2id$v=19$m=2097152,t=1,p=1$" + someSalt + "$" + someDigest,
	"$argon2id$v=19$m=131072,t=9,p=1$" + someSalt + "$" + someDigest,
	"$argon2id$v=19$m=64,t=2147483647,p=1$" + someSalt + "$" + someDigest,
	"$argon2id$v=19$m=64,t=1,p=255$" + someSalt + "$" + someDigest,
	"$argon2id$v=19$m=64,t=1,p=0$" + someSalt + "$" + someDigest,
	"$argon2id$v=19$m=64,t=0,p=1$" + someSalt + "$" + someDigest,
	"$argon2id$v=19$t=1,m=64,p=1$" + someSalt + "$" + someDigest,
	"$argon2id$v=19$m=-64,t=1,p=1$" + someSalt + "$" + someDigest,
	"$argon2id$v=19$m=99999999999999999999,t=1,p=1$" + someSalt + "$" + someDigest,
	"$argon2id$v=19$m=64,t=1,p=1$" + someSalt + "$",
	"$argon2id$v=19$m=64,t=1,p=1$" + someSalt + "$AAAA",
	"$argon2id$v=19$m=64,t=1,p=1$$" + someDigest,
	"$argon2id$v=19$m=64,t=1,p=1$" + someSalt + "$" + strings.Repeat("A", 100),
	"$argon2id$v=19$m=64,t=1,p=1$" + someSalt + "$" + someDigest + "$more",
	"$pbkdf2-sha256$i=2000001$" + someSalt + "$" + someDigest,
	"$pbkdf2-sha256$i=0$" + someSalt + "$" + someDigest,
	"$pbkdf2-sha256$i=1000,l=64$" + someSalt + "$" + someDigest,
	"$pbkdf2-sha224$i=1000$" + someSalt + "$" + someDigest,
	"$scrypt$ln=31,r=8,p=1$" + someSalt + "$" + someDigest,
	"$scrypt$ln=18,r=8,p=1$" + someSalt + "$" + someDigest,
	"$scrypt$ln=17,r=8,p=5$" + someSalt + "$" + someDigest,
	"$scrypt$ln=1,r=2147483647,p=1$" + someSalt + "$" + someDigest,
	"$scrypt$ln=1,r=1,p=2147483647$" + someSalt + "$" + someDigest,
	"$scrypt$ln=14,r=8,p=1$" + someSalt + "$not base64!",
	"$pbkdf2-sha256$1000$" + someSalt + "$" + strings.Repeat("A", 600),
}

func TestHostileHashesAreRefusedBeforeAnyWork(t *testing.T) {
	h, count := counting(cheap)
	for _, encoded := range hostile {
		_, _, err := h.Verify(t.Context(), encoded, "x")
		if !errors.Is(err, ErrBadHash) {
			t.Errorf("%s: %v", encoded, err)
		}
		if err != nil && strings.Contains(err.Error(), someDigest) {
			t.Errorf("the error quotes the hash: %v", err)
		}
	}
	if count.Load() != 0 {
		t.Errorf("%d hashes were computed", count.Load())
	}
}

func FuzzParse(f *testing.F) {
	for _, encoded := range hostile {
		f.Add(encoded)
	}
	f.Add("$argon2id$v=19$m=64,t=1,p=1$" + someSalt + "$" + someDigest)
	f.Add("$pbkdf2-sha512$1000$" + someSalt + "$" + someDigest)
	f.Add("$scrypt$ln=4,r=1,p=1$" + someSalt + "$" + someDigest)
	f.Add("$2b$04$cothbgfQIkuLEqCwZx9JMuokuFoAT.WYMltEm8xZtKZz1EeAuaFum")
	f.Fuzz(func(t *testing.T, encoded string) {
		stored, err := parse(encoded)
		if err != nil {
			if !errors.Is(err, ErrBadHash) {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		if !affordable(stored) {
			return
		}
		if got, want := len(stored.derive([]byte("x"))), len(stored.want()); got != want || want == 0 {
			t.Errorf("derived %d bytes to compare with %d", got, want)
		}
	})
}

// affordable tells whether fuzzing can compute a hash thousands of times.
func affordable(stored hash) bool {
	switch s := stored.(type) {
	case *argon2idHash:
		return s.params.Memory*s.params.Time <= 4096
	case *pbkdf2Hash:
		return s.iterations <= 4096
	case *scryptHash:
		return s.n*s.r*s.p <= 4096
	case argon2iHash:
		return s.params.Memory*s.params.Time <= 4096
	case bcryptSHA256Hash:
		return string(s.encoded[4:6]) == "04"
	case bcryptHash:
		return string(s.encoded[4:6]) == "04"
	}
	return false
}
