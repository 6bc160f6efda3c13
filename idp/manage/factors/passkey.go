package factors

import (
	"errors"
	"slices"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/passkey"
	"gatehouse/ui"
)

// ErrPasskeyTaken: that passkey is registered already, for this person or another.
var ErrPasskeyTaken = errors.New("the passkey is registered already")

// NewPasskey reads a browser's answer about a new passkey, for a person under a policy;
// hardware: only one that its maker vouches for will do. verified: its authenticator checked who made it. It stores nothing; an error is a
// *passkey.RefusedError.
func (m *Manager) NewPasskey(p idp.Policy, hardware bool, answer string, challenge []byte) (key idp.Passkey, verified bool, err error) {
	return m.Passkeys.Created(answer, challenge, passkey.TrustOf(p, hardware))
}

// AskForPasskey is what a browser is asked for to make a passkey, as JSON, for a person under a
// policy who has what enrolment says; hardware is that of NewPasskey. Authenticators that have
// one are left out, but for those whose makers were not asked when it was made: there the new
// one takes its place.
func (m *Manager) AskForPasskey(p idp.Policy, hardware bool, challenge []byte, of passkey.Person, enrolment idp.Enrolment) string {
	trust := passkey.TrustOf(p, hardware)
	var have []idp.Passkey
	for _, f := range enrolment.Of(idp.MethodPasskey) {
		if f.Passkey != nil && (!trust.Only || f.Passkey.Hardware(p)) {
			have = append(have, *f.Passkey)
		}
	}
	return m.Passkeys.Creation(challenge, of, have, trust.Asks())
}

// OnlyModels says which authenticators a set-up takes, nil for any.
func OnlyModels(p idp.Policy, hardware bool) *ui.Message {
	if !hardware && !p.OnlySecurityKeys {
		return nil
	}
	var names []string
	for id := range strings.FieldsSeq(p.SecurityKeys) {
		if name := passkey.ModelName(id); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ui.MsgPasskeyOnly.With()
	}
	return ui.MsgPasskeyModels.With(strings.Join(names, ", "))
}
