package passkey

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"slices"
	"strings"

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

// Model reads an AAGUID, as it is written among others. That of authenticators which do not say
// what they are is none.
func Model(text string) (string, bool) {
	id, err := uuid.Parse(strings.TrimSpace(text))
	return id.String(), err == nil && id != uuid.Nil
}

// ModelName is what people call a model, empty for one that is not known.
func ModelName(aaguid string) string { return names[aaguid] }

// KeyModel is a model of security keys.
type KeyModel struct{ ID, Name string }

// KeyModels are the models of security keys that are known, by name.
func KeyModels() (list []KeyModel) {
	for id, name := range names {
		if strings.Contains(name, "Key") && !strings.Contains(name, "Keychain") && !strings.HasPrefix(name, "KeePass") {
			list = append(list, KeyModel{id, name})
		}
	}
	slices.SortFunc(list, func(a, b KeyModel) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return list
}

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
