package password

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1" // #nosec G505 -- within HMAC, of hashes made elsewhere
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	stdhash "hash"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"
)

// Limits of what a stored hash may ask for. They are far above what is in use
// and keep an imported hash from stopping the service: they bound one hash to
// about two seconds and 128 MiB.
const (
	maxMemory       = 128 << 10 // KiB
	maxArgonWork    = 1 << 20   // KiB times passes
	maxThreads      = 16
	maxBcryptCost   = 15
	maxIterations   = 2_000_000
	maxScryptMemory = 128 << 20 // bytes
	maxScryptWork   = 512 << 20 // bytes times p
	// A short digest would match too many passwords, an empty one all.
	minDigest, maxDigest = 16, 64
	minSalt, maxSalt     = 8, 64
)

// Sizes of our own hashes, in bytes.
const (
	saltSize   = 16
	digestSize = 32
)

// hash is a stored hash that was read.
type hash interface {
	// derive computes what want would be if password were the right one.
	derive(password []byte) []byte
	want() []byte
}

// Params are the costs of argon2id (RFC 9106 section 3.1).
type Params struct {
	Memory  uint32 // KiB
	Time    uint32 // passes
	Threads uint8
}

// DefaultParams are the costs of new hashes: 19 MiB, 2 passes, 1 thread, the
// OWASP Password Storage Cheat Sheet's first choice for servers.
func DefaultParams() Params { return Params{Memory: 19456, Time: 2, Threads: 1} }

func (p Params) withDefaults() Params {
	d := DefaultParams()
	if p.Memory == 0 {
		p.Memory = d.Memory
	}
	if p.Time == 0 {
		p.Time = d.Time
	}
	if p.Threads == 0 {
		p.Threads = d.Threads
	}
	return p
}

// parse reads a stored hash without computing anything. Its errors say what is
// wrong and quote nothing: hashes do not belong in logs.
func parse(encoded string) (hash, error) {
	if len(encoded) > 512 {
		return nil, bad("is longer than 512 bytes")
	}
	fields := strings.Split(encoded, "$")
	if len(fields) < 4 || fields[0] != "" {
		return nil, bad("has no known form")
	}
	switch scheme, rest := fields[1], fields[2:]; scheme {
	case "argon2id":
		return parseArgon2id(rest)
	case "argon2i":
		return parseArgon2i(rest)
	case "bcrypt-sha256":
		return parseBcryptSHA256(strings.TrimPrefix(encoded, "$bcrypt-sha256"))
	case "pbkdf2-sha1":
		return parsePBKDF2(sha1.New, rest)
	case "2a", "2b", "2y":
		return parseBcrypt(encoded, rest)
	case "pbkdf2-sha256":
		return parsePBKDF2(sha256.New, rest)
	case "pbkdf2-sha512":
		return parsePBKDF2(sha512.New, rest)
	case "scrypt":
		return parseScrypt(rest)
	}
	return nil, bad("is of an unknown scheme")
}

func bad(what string) error { return fmt.Errorf("%w: it %s", ErrBadHash, what) }

// salted is what all schemes but bcrypt have: the salt and the digest.
type salted struct {
	salt, digest []byte
}

func (s salted) want() []byte { return s.digest }

// check bounds the sizes.
func (s salted) check() error {
	switch {
	case len(s.salt) < minSalt || len(s.salt) > maxSalt:
		return bad("has a salt of an unusable size")
	case len(s.digest) < minDigest || len(s.digest) > maxDigest:
		return bad("has a digest of an unusable size")
	}
	return nil
}

func parseSalted(salt, digest string) (s salted, err error) {
	if s.salt, err = decode(salt); err != nil {
		return s, err
	}
	if s.digest, err = decode(digest); err != nil {
		return s, err
	}
	return s, s.check()
}

// decode reads base64 as the PHC string format has it (no padding), with the
// padding that some add, and with "." for "+" as passlib writes it.
func decode(text string) ([]byte, error) {
	text = strings.TrimRight(strings.ReplaceAll(text, ".", "+"), "=")
	b, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, bad("is not base64")
	}
	return b, nil
}

// costs reads "m=19456,t=2,p=1" into the numbers, which must all be there, once,
// in the order of names.
func costs(text string, names ...string) ([]int, error) {
	parts := strings.Split(text, ",")
	if len(parts) != len(names) {
		return nil, bad("has other parameters than its scheme")
	}
	numbers := make([]int, len(names))
	for i, name := range names {
		digits, ok := strings.CutPrefix(parts[i], name+"=")
		n, err := strconv.ParseUint(digits, 10, 31)
		if !ok || err != nil || n == 0 {
			return nil, bad("has other parameters than its scheme")
		}
		numbers[i] = int(n)
	}
	return numbers, nil
}

// argon2idHash is our own (RFC 9106).
type argon2idHash struct {
	params Params
	salted
}

// newArgon2id makes a hash with a random salt and a digest still to be computed.
func newArgon2id(p Params) *argon2idHash {
	a := &argon2idHash{params: p, salted: salted{make([]byte, saltSize), make([]byte, digestSize)}}
	rand.Read(a.salt) // never fails: crypto/rand ends the program instead
	return a
}

// parseArgon2id reads v=19, costs, salt, digest.
func parseArgon2id(fields []string) (hash, error) {
	if len(fields) != 4 || fields[0] != "v=19" {
		return nil, bad("is of another version of argon2id")
	}
	n, err := costs(fields[1], "m", "t", "p")
	if err != nil {
		return nil, err
	}
	// Compared before the types get narrower.
	if n[0] > maxMemory || n[1] > maxArgonWork || n[2] > maxThreads {
		return nil, bad("asks for too much work")
	}
	a := &argon2idHash{params: Params{Memory: uint32(n[0]), Time: uint32(n[1]), Threads: uint8(n[2])}}
	if a.salted, err = parseSalted(fields[2], fields[3]); err != nil {
		return nil, err
	}
	return a, a.check()
}

// argon2iHash is the previous variant, which PHP made. It is read only.
type argon2iHash struct{ *argon2idHash }

func parseArgon2i(fields []string) (hash, error) {
	h, err := parseArgon2id(fields)
	if err != nil {
		return nil, err
	}
	return argon2iHash{h.(*argon2idHash)}, nil
}

func (a argon2iHash) derive(password []byte) []byte {
	p := a.params
	return argon2.Key(password, a.salt, p.Time, p.Memory, p.Threads, uint32(len(a.digest))) // #nosec G115 -- at most maxDigest
}

// check bounds the costs.
func (a *argon2idHash) check() error {
	p := a.params
	if p.Memory > maxMemory || p.Threads > maxThreads || uint64(p.Memory)*uint64(p.Time) > maxArgonWork {
		return bad("asks for too much work")
	}
	return nil
}

// derive lets argon2 allocate its memory anew each time: a pool would keep it
// resident between sign-ins.
func (a *argon2idHash) derive(password []byte) []byte {
	p := a.params
	return argon2.IDKey(password, a.salt, p.Time, p.Memory, p.Threads, uint32(len(a.digest))) // #nosec G115 -- at most maxDigest
}

// String is the PHC string format.
func (a *argon2idHash) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	p := a.params
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, p.Memory, p.Time, p.Threads, b64(a.salt), b64(a.digest))
}

// bcryptHash keeps the encoding, which the library reads itself.
type bcryptHash struct {
	encoded []byte
}

// maxBcryptPassword is how many bytes of a password bcrypt looks at.
const maxBcryptPassword = 72

// parseBcrypt reads the cost, and salt with digest.
func parseBcrypt(encoded string, fields []string) (hash, error) {
	if len(fields) != 2 || len(encoded) != 60 {
		return nil, bad("is not bcrypt's")
	}
	cost, err := bcrypt.Cost([]byte(encoded))
	if err != nil || cost < bcrypt.MinCost {
		return nil, bad("is not bcrypt's")
	}
	if cost > maxBcryptCost {
		return nil, bad("asks for too much work")
	}
	return bcryptHash{encoded: []byte(encoded)}, nil
}

func (b bcryptHash) want() []byte { return []byte{1} }

// derive answers 1 for a match. A password beyond what bcrypt looks at never
// matches, whatever its first 72 bytes are: the rest of it was never hashed, so
// any ending would do. It takes the same time.
func (b bcryptHash) derive(password []byte) []byte {
	matches := bcrypt.CompareHashAndPassword(b.encoded, password) == nil
	if matches && len(password) <= maxBcryptPassword {
		return []byte{1}
	}
	return []byte{0}
}

// bcryptSHA256Hash is bcrypt of the hexadecimal SHA-256 of a password, which Django
// makes so that no end of a long one is left out.
type bcryptSHA256Hash struct{ bcryptHash }

func parseBcryptSHA256(encoded string) (hash, error) {
	fields := strings.Split(encoded, "$")
	if len(fields) < 2 || (fields[1] != "2a" && fields[1] != "2b" && fields[1] != "2y") {
		return nil, bad("is not bcrypt's")
	}
	h, err := parseBcrypt(encoded, fields[2:])
	if err != nil {
		return nil, err
	}
	return bcryptSHA256Hash{h.(bcryptHash)}, nil
}

func (b bcryptSHA256Hash) derive(password []byte) []byte {
	sum := sha256.Sum256(password)
	return b.bcryptHash.derive([]byte(hex.EncodeToString(sum[:])))
}

// pbkdf2Hash is of RFC 8018 section 5.2.
type pbkdf2Hash struct {
	newHash    func() stdhash.Hash
	iterations int
	salted
}

// parsePBKDF2 reads the iterations ("29000" as passlib writes them, or
// "i=29000", or "i=29000,l=32"), salt and digest.
func parsePBKDF2(newHash func() stdhash.Hash, fields []string) (hash, error) {
	if len(fields) != 3 {
		return nil, bad("is not PBKDF2's")
	}
	iterations, length, _ := strings.Cut(fields[0], ",")
	n, err := costs("i="+strings.TrimPrefix(iterations, "i="), "i")
	if err != nil {
		return nil, err
	}
	if n[0] > maxIterations {
		return nil, bad("asks for too much work")
	}
	s, err := parseSalted(fields[1], fields[2])
	if err != nil {
		return nil, err
	}
	if length != "" && length != "l="+strconv.Itoa(len(s.digest)) {
		return nil, bad("has a digest of an unusable size")
	}
	return &pbkdf2Hash{newHash: newHash, iterations: n[0], salted: s}, nil
}

// derive answers nothing, which matches nothing, where the library refuses.
func (p *pbkdf2Hash) derive(password []byte) []byte {
	key, err := pbkdf2.Key(p.newHash, string(password), p.salt, p.iterations, len(p.digest))
	if err != nil {
		return nil
	}
	return key
}

// scryptHash is of RFC 7914.
type scryptHash struct {
	n, r, p int
	salted
}

// parseScrypt reads ln=,r=,p=, salt and digest.
func parseScrypt(fields []string) (hash, error) {
	if len(fields) != 3 {
		return nil, bad("is not scrypt's")
	}
	n, err := costs(fields[0], "ln", "r", "p")
	if err != nil {
		return nil, err
	}
	// Each bounded first, so that the products below cannot overflow.
	ln, r, p := n[0], n[1], n[2]
	if ln > 20 || r > 64 || p > 64 {
		return nil, bad("asks for too much work")
	}
	if memory := 128 * r << ln; memory > maxScryptMemory || memory*p > maxScryptWork {
		return nil, bad("asks for too much work")
	}
	s, err := parseSalted(fields[1], fields[2])
	if err != nil {
		return nil, err
	}
	return &scryptHash{n: 1 << ln, r: r, p: p, salted: s}, nil
}

// derive answers nothing, which matches nothing, where the library refuses.
func (s *scryptHash) derive(password []byte) []byte {
	key, err := scrypt.Key(password, s.salt, s.n, s.r, s.p, len(s.digest))
	if err != nil {
		return nil
	}
	return key
}
