package mfa_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"gatehouse/mfa"
)

const (
	sixteen = "AAAQEAYEAUDAOCAJBIFQYDIOB4"       // 0 to 15
	twenty  = "AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQT" // 0 to 19
)

func TestKeysOfOtherSystemsAreRead(t *testing.T) {
	for text, want := range map[string]int{
		sixteen:                                    16,
		sixteen + "======":                         16,
		strings.ToLower(sixteen):                   16,
		" aaaq eaye auda ocaj bifq ydio b4 ":       16,
		"AAAQ-EAYE-AUDA-OCAJ-BIFQ-YDIO-B4IB-CEQT":  20,
		"otpauth://totp/RTX:maya?secret=" + twenty: 20,
		"otpauth://totp/maya?secret=" + twenty + "&issuer=RTX&algorithm=SHA1&digits=6&period=30": 20,
		strings.Repeat(twenty, 3): 60,
	} {
		key, err := mfa.ReadTOTPKey(text)
		if err != nil || len(key) != want {
			t.Errorf("%s: %d bytes, %v", text, len(key), err)
		}
		for i, b := range key {
			if int(b) != i%20 {
				t.Errorf("%s: %x", text, key)
				break
			}
		}
	}
}

func TestKeysThatMakeOtherCodesAreRefused(t *testing.T) {
	for _, text := range []string{
		"", "no key", "AAAQEAYEAUDAOCAJ", // 80 bits
		"AAAQEAYEAUDAOCAJBIFQYDIOB40", "https://totp/maya?secret=" + twenty, "otpauth://hotp/maya?secret=" + twenty + "&counter=1",
		"otpauth://totp/maya", "otpauth://totp/maya?secret=" + twenty + "&digits=8", "otpauth://totp/maya?secret=" + twenty + "&period=60",
		"otpauth://totp/maya?secret=" + twenty + "&algorithm=SHA256", "otpauth://%zz", strings.Repeat(twenty, 4), strings.Repeat("A", 2000),
	} {
		key, err := mfa.ReadTOTPKey(text)
		if !errors.Is(err, mfa.ErrTOTPKey) || key != nil {
			t.Errorf("%.60s: %x, %v", text, key, err)
		}
		if err != nil && strings.Contains(err.Error(), "AAAQEAYE") {
			t.Errorf("the error quotes the key: %v", err)
		}
	}
}

func FuzzReadTOTPKey(f *testing.F) {
	for _, text := range []string{sixteen, "otpauth://totp/maya?secret=" + twenty + "&period=30", "aaaq eaye", "otpauth://totp/?secret=%00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := mfa.ReadTOTPKey(text)
		if err != nil {
			if !errors.Is(err, mfa.ErrTOTPKey) {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		if again, err := mfa.ReadTOTPKey(mfa.TOTPKeyText(key)); err != nil || !bytes.Equal(again, key) {
			t.Errorf("%q becomes %x, and that %x (%v)", text, key, again, err)
		}
	})
}
