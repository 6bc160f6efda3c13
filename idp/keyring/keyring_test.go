package keyring_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gatehouse/idp/keyring"
)

// key makes a distinct master key of 32 bytes whose base64 has characters that
// differ between the two alphabets.
func key(n byte) []byte {
	return append([]byte{0xfb, 0xff, 0xbf}, bytes.Repeat([]byte{n}, 29)...)
}

func std(n byte) string { return base64.StdEncoding.EncodeToString(key(n)) }

func mustParse(t interface{ Fatal(...any) }, keys ...string) *keyring.Keyring {
	k, err := keyring.Parse(strings.Join(keys, ","))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestParseAcceptsEveryBase64(t *testing.T) {
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		k, err := keyring.Parse("  " + e.EncodeToString(key(1)) + " , " + std(2) + "\n")
		if err != nil {
			t.Fatal(err)
		}
		sum1, sum2 := sha256.Sum256(key(1)), sha256.Sum256(key(2))
		want := []string{hex.EncodeToString(sum1[:4]), hex.EncodeToString(sum2[:4])}
		if diff := cmp.Diff(want, k.KeyIDs()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestParseNamesThePositionAndNotTheKey(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"empty":     {"", "keyring: master key 1 is empty"},
		"gap":       {std(1) + ",", "keyring: master key 2 is empty"},
		"base64":    {std(1) + ",SECRET*SECRET", "keyring: master key 2 is not base64"},
		"short":     {"U0VDUkVU", "keyring: master key 1 has 6 bytes and not 32"},
		"long":      {std(1) + "," + base64.StdEncoding.EncodeToString(make([]byte, 33)), "keyring: master key 2 has 33 bytes and not 32"},
		"duplicate": {std(1) + "," + std(2) + "," + base64.RawURLEncoding.EncodeToString(key(1)), "keyring: master key 3 is the same as key 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := keyring.Parse(c.in)
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestRotation(t *testing.T) {
	aad := keyring.AAD("factors", "7", "secret")
	old := mustParse(t, std(1))
	sealed := old.Seal([]byte("totp"), aad)
	if !old.Current(sealed) {
		t.Error("not current under its only key")
	}
	both := mustParse(t, std(2), std(1))
	got, err := both.Open(sealed, aad)
	if err != nil || string(got) != "totp" {
		t.Fatalf("got %q, %v", got, err)
	}
	if both.Current(sealed) {
		t.Error("current under the older key")
	}
	if again := both.Seal(got, aad); !both.Current(again) {
		t.Error("not current after sealing again")
	}
	_, err = mustParse(t, std(2)).Open(sealed, aad)
	if !errors.Is(err, keyring.ErrUnknownKey) || !strings.Contains(err.Error(), old.KeyIDs()[0]) {
		t.Errorf("got %v, want ErrUnknownKey with the id", err)
	}
}

func TestOpenRefusesWhatIsDamaged(t *testing.T) {
	k := mustParse(t, std(1))
	sealed := k.Seal([]byte("secret"), "a/b/c")
	for i := range sealed {
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 1
		_, err := k.Open(damaged, "a/b/c")
		want := keyring.ErrCorrupt
		if 1 <= i && i <= 4 {
			want = keyring.ErrUnknownKey
		}
		if !errors.Is(err, want) {
			t.Errorf("byte %d: got %v, want %v", i, err, want)
		}
	}
	for n := range len(sealed) {
		if _, err := k.Open(sealed[:n], "a/b/c"); !errors.Is(err, keyring.ErrCorrupt) {
			t.Errorf("cut to %d bytes: got %v", n, err)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	k := mustParse(t, std(1), std(2))
	rapid.Check(t, func(t *rapid.T) {
		plaintext := rapid.SliceOf(rapid.Byte()).Draw(t, "plaintext")
		aad := rapid.String().Draw(t, "aad")
		sealed := k.Seal(plaintext, aad)
		if len(sealed) != len(plaintext)+keyring.Overhead {
			t.Fatalf("%d bytes became %d", len(plaintext), len(sealed))
		}
		got, err := k.Open(sealed, aad)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("got %x, %v", got, err)
		}
		if bytes.Equal(sealed, k.Seal(plaintext, aad)) {
			t.Fatal("sealed twice to the same bytes")
		}
	})
}

func TestAnotherRowsValueDoesNotOpen(t *testing.T) {
	k := mustParse(t, std(1))
	rapid.Check(t, func(t *rapid.T) {
		aad := rapid.String().Draw(t, "aad")
		other := rapid.String().Filter(func(s string) bool { return s != aad }).Draw(t, "other")
		if _, err := k.Open(k.Seal([]byte("secret"), aad), other); !errors.Is(err, keyring.ErrCorrupt) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestKeyringDoesNotPrintItsKeys(t *testing.T) {
	k := mustParse(t, std(1))
	want := "keyring[" + k.KeyIDs()[0] + "]"
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("start", "keyring", k)
	if !strings.Contains(log.String(), "keyring="+want) {
		t.Errorf("log: %s", log.String())
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, k); got != want {
			t.Errorf("%s: %s", verb, got)
		}
	}
}

func FuzzOpen(f *testing.F) {
	k := mustParse(f, std(1), std(2))
	f.Add(k.Seal([]byte("secret"), "a/b/c"), "a/b/c")
	f.Add(mustParse(f, std(3)).Seal(nil, ""), "")
	f.Add([]byte{1}, "")
	f.Fuzz(func(t *testing.T, sealed []byte, aad string) {
		_, err := k.Open(sealed, aad)
		if err != nil && !errors.Is(err, keyring.ErrCorrupt) && !errors.Is(err, keyring.ErrUnknownKey) {
			t.Errorf("untyped error %v", err)
		}
		if errors.Is(err, keyring.ErrUnknownKey) && k.Current(sealed) {
			t.Error("sealed under an unknown key and current")
		}
	})
}
