package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/text/unicode/norm"

	"gatehouse/idp"
)

// MaxBytes is the longest password accepted, in bytes of UTF-8. It bounds the
// work of a request; nothing shorter is ever cut.
const MaxBytes = 4096

var (
	// ErrTooLong: the password has more than MaxBytes bytes. Nothing was hashed.
	ErrTooLong = errors.New("password: longer than 4096 bytes")
	// ErrBadHash: the stored hash cannot be read, or asks for more work than the
	// limits allow (see Verify).
	ErrBadHash = errors.New("password: stored hash is not usable")
)

// Hasher hashes and verifies passwords. It may be used by many goroutines at
// once, and never computes more hashes at a time than there are processors
// (runtime.GOMAXPROCS): more would not be faster, and each holds 19 MiB. Others wait
// in a line that has an end (see queue.go), and beyond it fail with idp.ErrBusy.
type Hasher struct {
	params Params
	// dummy is verified in place of the hash that a person does not have.
	dummy *argon2idHash
	queue queue
	// Observe hears of every turn that was waited for, and of those that did not come
	// (err), for metrics. Optional; set before the first hash.
	Observe func(waited time.Duration, err error)
	// started, when set, is told when a hash begins and returns what to call
	// when it ends: tests count with it.
	started func() (ended func())
}

// New makes a Hasher whose new hashes have the given parameters; fields that are
// zero take the values of DefaultParams. It panics when a parameter exceeds the
// limits of Verify, since it could not verify its own hashes.
func New(p Params) *Hasher {
	p = p.withDefaults()
	h := &Hasher{params: p, dummy: newArgon2id(p), queue: queue{slots: runtime.GOMAXPROCS(0)}}
	// Random in place of computed: no password matches it, and starting is free.
	rand.Read(h.dummy.digest)
	if err := h.dummy.check(); err != nil {
		panic(err)
	}
	return h
}

// Hash encodes a password under the current parameters and a new random salt, as
// a PHC string ($argon2id$v=19$m=19456,t=2,p=1$salt$hash). It fails with
// ErrTooLong, with idp.ErrBusy when it is not its turn in time, or with the context's
// error when that ends while it waits.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	if len(password) > MaxBytes {
		return "", ErrTooLong
	}
	done, err := h.wait(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	fresh := newArgon2id(h.params)
	fresh.digest = h.derive(fresh, normalize(password))
	return fresh.String(), nil
}

// Verify tells whether a password matches an encoded hash, and whether it should
// be hashed again because the hash is not one that Hash would make today.
//
// An empty encoded, of a person who does not exist or has no password, takes the
// same work as a hash of ours and does not match, so that time tells nothing.
// How many hashes are computed depends on the typed password alone: one, or two
// if it is not in normal form and the first did not match.
//
// Besides our own encoding it reads those that other systems export, with these
// limits (about two seconds and 128 MiB), beyond which it fails with ErrBadHash:
//
//	$argon2id$v=19$m=,t=,p=$salt$hash   m ≤ 131072 KiB, m·t ≤ 1 GiB, p ≤ 16; $argon2i$ too
//	$2a$, $2b$, $2y$ (bcrypt)           cost ≤ 15; $bcrypt-sha256$2b$ is Django's
//	$pbkdf2-sha1$, -sha256$, -sha512$   ≤ 2,000,000 iterations
//	$scrypt$ln=,r=,p=$salt$hash         128·N·r ≤ 128 MiB, that · p ≤ 512 MiB
//
// Other errors are ErrTooLong, idp.ErrBusy and the context's.
func (h *Hasher) Verify(ctx context.Context, encoded, password string) (ok, rehash bool, err error) {
	if len(password) > MaxBytes {
		return false, false, ErrTooLong
	}
	var stored hash = h.dummy
	if encoded != "" {
		if stored, err = parse(encoded); err != nil {
			return false, false, err
		}
	}
	done, err := h.wait(ctx)
	if err != nil {
		return false, false, err
	}
	defer done()
	matched := h.match(stored, password)
	if encoded == "" || matched == noForm {
		return false, false, nil
	}
	return true, matched == rawForm || !h.current(stored), nil
}

// form is the form of a typed password that matched.
type form int

const (
	noForm form = iota
	normalForm
	rawForm
)

// match tries the normal form and, where that differs, the bytes as typed: other
// systems hashed those.
func (h *Hasher) match(stored hash, password string) form {
	normal := normalize(password)
	if h.equal(stored, normal) {
		return normalForm
	}
	if raw := []byte(password); string(normal) != password && h.equal(stored, raw) {
		return rawForm
	}
	return noForm
}

func (h *Hasher) equal(stored hash, password []byte) bool {
	return subtle.ConstantTimeCompare(h.derive(stored, password), stored.want()) == 1
}

func (h *Hasher) derive(stored hash, password []byte) []byte {
	if h.started != nil {
		defer h.started()()
	}
	return stored.derive(password)
}

func (h *Hasher) current(stored hash) bool {
	own, ok := stored.(*argon2idHash)
	return ok && own.params == h.params && len(own.salt) == saltSize && len(own.digest) == digestSize
}

// wait takes one of the slots and returns what gives it back.
func (h *Hasher) wait(ctx context.Context) (done func(), err error) {
	begin := idp.Now()
	if err = ctx.Err(); err == nil {
		err = h.queue.enter(ctx)
	}
	if h.Observe != nil {
		h.Observe(idp.Now().Sub(begin), err)
	}
	if err != nil {
		return nil, fmt.Errorf("password: waiting to hash: %w", err)
	}
	return h.queue.leave, nil
}

// normalize is the one place that decides what of a password is hashed: its
// Unicode Normalization Form C, as NIST SP 800-63B-4 section 3.1.1.2 and RFC
// 8265 section 4.2 ask, so that "é" is the same typed on a Mac and on a phone.
// NFKC, which revision 3 asked for, would make passwords equal that people see
// as different ("ﬁ²" and "fi2"). Nothing is trimmed or folded.
func normalize(password string) []byte { return norm.NFC.Bytes([]byte(password)) }
