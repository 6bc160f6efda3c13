package keyring

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"gatehouse/idp"
)

// KeySize is the size of a master key in bytes: AES-256.
const KeySize = 32

// The parts of a sealed value, in this order:
//
//	1 byte    format, 0x01
//	4 bytes   id of the master key: the first bytes of its SHA-256
//	12 bytes  random nonce (NIST SP 800-38D section 8.2.2)
//	n bytes   ciphertext, as long as the plaintext
//	16 bytes  tag
//
// Format and key id are authenticated together with the caller's data.
const (
	formatAESGCM = 0x01
	idSize       = 4
	headerSize   = 1 + idSize
)

// Overhead is by how many bytes a sealed value is longer than its plaintext.
const Overhead = headerSize + 12 + 16

// What Open can answer besides the plaintext. Both are idp.ErrUnreadable.
var (
	// ErrUnknownKey: the value was sealed under a master key that this keyring
	// does not have. The error's text names the key's id in hex.
	ErrUnknownKey = fmt.Errorf("keyring: no master key with this id: %w", idp.ErrUnreadable)
	// ErrCorrupt: the value is not what Seal made, or not for this additional
	// data: it was damaged, forged, or moved from another row.
	ErrCorrupt = fmt.Errorf("keyring: sealed value is corrupt or belongs elsewhere: %w", idp.ErrUnreadable)
)

type keyID [idSize]byte

func (id keyID) String() string { return hex.EncodeToString(id[:]) }

type masterKey struct {
	id   keyID
	aead cipher.AEAD
}

// Keyring holds the master keys: the first encrypts, all decrypt. It does not
// change and may be used by many goroutines at once.
//
// Nonces are random, so one key should seal fewer than 2^32 values (NIST SP
// 800-38D section 8.3); rotate long before.
type Keyring struct {
	keys []masterKey
}

// Parse reads GATEHOUSE_MASTER_KEYS: base64 keys of KeySize bytes, separated by
// commas, in the standard or the URL alphabet, padded or not. White space
// around a key is ignored. An error names the position of the key (from 1) and
// never anything of its content, because errors end in logs.
func Parse(masterKeys string) (*Keyring, error) {
	k := &Keyring{}
	for i, text := range strings.Split(masterKeys, ",") {
		raw, err := decodeKey(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("keyring: master key %d %w", i+1, err)
		}
		key, err := newMasterKey(raw)
		if err != nil {
			return nil, fmt.Errorf("keyring: master key %d: %w", i+1, err)
		}
		if at := k.index(key.id); at >= 0 {
			return nil, fmt.Errorf("keyring: master key %d is the same as key %d", i+1, at+1)
		}
		k.keys = append(k.keys, key)
	}
	return k, nil
}

// alphabet turns the URL alphabet of base64 into the standard one (RFC 4648
// section 5), so that one decoder serves both.
var alphabet = strings.NewReplacer("-", "+", "_", "/")

// decodeKey reads one key. The decoder's own errors quote positions and bytes
// of the input, so they are not passed on.
func decodeKey(text string) ([]byte, error) {
	if text == "" {
		return nil, errors.New("is empty")
	}
	text = strings.TrimRight(alphabet.Replace(text), "=")
	raw, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errors.New("is not base64")
	}
	if len(raw) != KeySize {
		return nil, fmt.Errorf("has %d bytes and not %d", len(raw), KeySize)
	}
	return raw, nil
}

func newMasterKey(raw []byte) (masterKey, error) {
	block, err := aes.NewCipher(raw)
	if err != nil {
		return masterKey{}, err
	}
	// The AEAD draws the nonce itself: no code of ours can repeat one.
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return masterKey{}, err
	}
	sum := sha256.Sum256(raw)
	return masterKey{id: keyID(sum[:idSize]), aead: aead}, nil
}

func (k *Keyring) index(id keyID) int {
	for i := range k.keys {
		if k.keys[i].id == id {
			return i
		}
	}
	return -1
}

// AAD makes the additional data that binds a sealed value to its place:
// "table/id/column". A value that someone with write access to the database
// copies into another row or column does not open there.
func AAD(table, id, column string) string {
	return table + "/" + id + "/" + column
}

// Seal encrypts plaintext under the first key and binds it to aad, which by
// convention is AAD(table, id, column) of the row that will hold it. The result
// is Overhead bytes longer than the plaintext. It cannot fail: crypto/rand ends
// the program rather than to return no randomness.
func (k *Keyring) Seal(plaintext []byte, aad string) []byte {
	key := k.keys[0]
	sealed := make([]byte, 0, len(plaintext)+Overhead)
	sealed = append(sealed, formatAESGCM)
	sealed = append(sealed, key.id[:]...)
	return key.aead.Seal(sealed, nil, plaintext, additionalData(sealed, aad)) // #nosec G407 -- the AEAD draws the nonce
}

// Open decrypts what Seal made with the same aad. It fails with ErrUnknownKey
// or ErrCorrupt, to be told apart with errors.Is.
func (k *Keyring) Open(sealed []byte, aad string) ([]byte, error) {
	id, ok := sealedUnder(sealed)
	if !ok {
		return nil, ErrCorrupt
	}
	at := k.index(id)
	if at < 0 {
		return nil, fmt.Errorf("%w: %s", ErrUnknownKey, id)
	}
	header := sealed[:headerSize]
	plaintext, err := k.keys[at].aead.Open(nil, nil, sealed[headerSize:], additionalData(header, aad))
	if err != nil {
		return nil, ErrCorrupt
	}
	return plaintext, nil
}

// Current tells whether a value is sealed under the first key. One that is not
// should be opened and sealed again, so that the older key can be retired.
func (k *Keyring) Current(sealed []byte) bool {
	id, ok := sealedUnder(sealed)
	return ok && id == k.keys[0].id
}

// KeyID is the id, in hex, of the master key that a value is sealed under; empty for
// what is no sealed value.
func KeyID(sealed []byte) string {
	id, ok := sealedUnder(sealed)
	if !ok {
		return ""
	}
	return id.String()
}

// KeyIDs lists the ids of the keys in hex, the encrypting one first. They are
// public: logs and the keys command show them.
func (k *Keyring) KeyIDs() []string {
	ids := make([]string, len(k.keys))
	for i, key := range k.keys {
		ids[i] = key.id.String()
	}
	return ids
}

// String shows the ids of the keys. Together with GoString and LogValue it
// keeps a keyring that lands in a log from showing its key schedules.
func (k *Keyring) String() string { return "keyring" + fmt.Sprint(k.KeyIDs()) }

// GoString is String, for the verb %#v.
func (k *Keyring) GoString() string { return k.String() }

// LogValue is String, for log/slog.
func (k *Keyring) LogValue() slog.Value { return slog.StringValue(k.String()) }

// sealedUnder reads the header of a sealed value.
func sealedUnder(sealed []byte) (keyID, bool) {
	if len(sealed) < Overhead || sealed[0] != formatAESGCM {
		return keyID{}, false
	}
	return keyID(sealed[1:headerSize]), true
}

// additionalData puts the header before the caller's data. Without it, a later
// format could be passed off as this one.
func additionalData(header []byte, aad string) []byte {
	return append(bytes.Clone(header), aad...)
}
