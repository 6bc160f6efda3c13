package federation

import (
	"encoding/json"
	"log/slog"

	"gatehouse/idp/keyring"
)

// The longest that goes into the address of a sign-out, in bytes: servers refuse longer
// ones.
const (
	maxTokenHint = 4 << 10
	maxHint      = 1 << 10
)

// signOut is what the other side is told when a person signs out: whom it means (OpenID
// Connect RP-Initiated Logout 1.0 section 2). Without it Entra asks which account.
type signOut struct {
	Token string `json:"token,omitempty"` // its ID token
	Hint  string `json:"hint,omitempty"`  // its claim login_hint
}

// sealSignOut seals it, without what is too long; empty for nothing.
func (f *Federation) sealSignOut(s signOut, aad string) []byte {
	if len(s.Token) > maxTokenHint {
		s.Token = ""
	}
	if len(s.Hint) > maxHint {
		s.Hint = ""
	}
	if s == (signOut{}) {
		return nil
	}
	plain, _ := json.Marshal(s) // always marshals
	return f.cfg.Keyring.Seal(plain, aad)
}

// openSignOut reads it again; nothing where it cannot be read: the other side then asks.
func (f *Federation) openSignOut(sealed []byte, aad string) (s signOut) {
	if len(sealed) == 0 {
		return s
	}
	plain, err := f.cfg.Keyring.Open(sealed, aad)
	if err == nil {
		err = json.Unmarshal(plain, &s)
	}
	if err != nil {
		slog.Warn("read what another provider is told at sign-out", "cause", err)
	}
	return s
}

func sessionAAD(id string) string { return keyring.AAD("sessions", id, "upstream_sign_out") }

// Keep seals for a session what the other side is told at its end, as it came with the
// sign-in's Assertion.
func (f *Federation) Keep(connectionID, sessionID string, sealed []byte) []byte {
	return f.sealSignOut(f.openSignOut(sealed, keyring.AAD("flows", connectionID, "upstream_sign_out")), sessionAAD(sessionID))
}
