package passkey

import (
	_ "embed"
	"encoding/json"

	"github.com/google/uuid"
)

// namesFile has what kinds of authenticators are called, by AAGUID: from the list that those
// who make passkey providers keep (github.com/passkeydeveloper/passkey-authenticator-aaguids),
// and from what makers of security keys publish.
//
//go:embed names.json
var namesFile []byte

var names = func() (list map[string]string) {
	if err := json.Unmarshal(namesFile, &list); err != nil {
		panic(err) // a mistake in the file, which a test reads
	}
	return list
}()

// Name is what people call the kind of authenticator that an AAGUID says, empty for one that
// is not known. It is for people to tell their passkeys apart: nothing rests on it, since
// without an attestation an authenticator may say what it likes.
func Name(aaguid []byte) string {
	id, err := uuid.FromBytes(aaguid)
	if err != nil {
		return ""
	}
	return names[id.String()]
}
