package password

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// maxForeign is the longest hash of another system that is read, in bytes.
const maxForeign = 4096

// Foreign reads a hash as another system keeps it and returns it in an encoding that
// Verify reads, with nothing computed. It knows, besides those encodings:
//
//	Django       pbkdf2_sha256$…, pbkdf2_sha1$…, argon2$argon2id$…, bcrypt$$2b$…,
//	             bcrypt_sha256$$2b$…, scrypt$…
//	Werkzeug     pbkdf2:sha256:600000$salt$hex, scrypt:32768:8:1$salt$hex
//	Keycloak     the JSON of a credential: pbkdf2, pbkdf2-sha256, pbkdf2-sha512, argon2
//	ASP.NET      the base64 of Identity version 3
//	PHP          what password_hash makes: $2y$, $argon2i$, $argon2id$
//
// It fails with ErrBadHash, as Verify would, for what it cannot read and what asks for
// too much work.
func Foreign(text string) (encoded string, err error) {
	text = strings.TrimSpace(text)
	if len(text) > maxForeign {
		return "", bad(fmt.Sprintf("is longer than %d bytes", maxForeign))
	}
	switch name, rest, _ := strings.Cut(text, "$"); {
	case strings.HasPrefix(text, "{"):
		encoded, err = keycloak(text)
	case name == "" && text != "":
		encoded = text
	case strings.HasPrefix(name, "pbkdf2:"), strings.HasPrefix(name, "scrypt:"):
		encoded, err = werkzeug(name, rest)
	case rest != "":
		encoded, err = django(name, rest)
	default:
		encoded, err = aspnet(text)
	}
	if err != nil {
		return "", err
	}
	_, err = parse(encoded)
	return encoded, err
}

// b64 is base64 as the PHC string format has it.
func b64(b []byte) string { return base64.RawStdEncoding.EncodeToString(b) }

// django reads what stands behind the name of an algorithm. Its salts are text, and
// are hashed as text.
func django(name, rest string) (string, error) {
	fields := strings.Split(rest, "$")
	switch {
	case name == "argon2" || name == "bcrypt":
		return "$" + strings.TrimPrefix(rest, "$"), nil
	case name == "bcrypt_sha256":
		return "$bcrypt-sha256$" + strings.TrimPrefix(rest, "$"), nil
	case (name == "pbkdf2_sha256" || name == "pbkdf2_sha1") && len(fields) == 3:
		scheme := strings.Replace(name, "_", "-", 1)
		return fmt.Sprintf("$%s$i=%s$%s$%s", scheme, fields[0], b64([]byte(fields[1])), fields[2]), nil
	case name == "scrypt" && len(fields) == 5:
		return scryptOf(fields[0], fields[2], fields[3], []byte(fields[1]), fields[4])
	}
	return "", bad("is of an unknown scheme")
}

// scryptOf writes the cost as its exponent, which it must have.
func scryptOf(n, r, p string, salt []byte, digest string) (string, error) {
	cost, err := strconv.ParseUint(n, 10, 31)
	if err != nil || cost < 2 || cost&(cost-1) != 0 {
		return "", bad("has other parameters than its scheme")
	}
	exponent := 0
	for cost > 1 {
		cost, exponent = cost>>1, exponent+1
	}
	return fmt.Sprintf("$scrypt$ln=%d,r=%s,p=%s$%s$%s", exponent, r, p, b64(salt), digest), nil
}

// werkzeug reads what Flask's helper makes: "pbkdf2:sha256:600000$salt$hex".
func werkzeug(method, rest string) (string, error) {
	salt, digest, ok := strings.Cut(rest, "$")
	raw, err := hex.DecodeString(digest)
	if !ok || err != nil {
		return "", bad("is not hexadecimal")
	}
	switch parts := strings.Split(method, ":"); {
	case parts[0] == "pbkdf2" && len(parts) == 3:
		return fmt.Sprintf("$pbkdf2-%s$i=%s$%s$%s", parts[1], parts[2], b64([]byte(salt)), b64(raw)), nil
	case parts[0] == "scrypt" && len(parts) == 4:
		return scryptOf(parts[1], parts[2], parts[3], []byte(salt), b64(raw))
	}
	return "", bad("has other parameters than its scheme")
}

// keycloakCredential is a credential of Keycloak's export: of today, with two texts
// that are JSON themselves, or of old, with their fields in it.
type keycloakCredential struct {
	SecretData, CredentialData string

	Value, Salt    string
	Algorithm      string
	HashIterations int
	// Of argon2, each a list of one text.
	AdditionalParameters map[string][]string
}

func keycloak(text string) (string, error) {
	var c keycloakCredential
	for _, part := range []*string{&text, &c.SecretData, &c.CredentialData} {
		if *part == "" {
			continue
		}
		if err := json.Unmarshal([]byte(*part), &c); err != nil {
			return "", bad("is not Keycloak's")
		}
	}
	parameter := func(name string) string {
		if list := c.AdditionalParameters[name]; len(list) > 0 {
			return list[0]
		}
		return ""
	}
	switch c.Algorithm {
	case "pbkdf2", "pbkdf2-sha256", "pbkdf2-sha512":
		scheme := c.Algorithm
		if scheme == "pbkdf2" {
			scheme = "pbkdf2-sha1"
		}
		return fmt.Sprintf("$%s$i=%d$%s$%s", scheme, c.HashIterations, c.Salt, c.Value), nil
	case "argon2":
		if parameter("version") != "1.3" {
			return "", bad("is of another version of argon2")
		}
		return fmt.Sprintf("$argon2%s$v=19$m=%s,t=%d,p=%s$%s$%s", parameter("type"), parameter("memory"), c.HashIterations,
			parameter("parallelism"), c.Salt, c.Value), nil
	}
	return "", bad("is of an unknown scheme")
}

// aspnet reads ASP.NET Core Identity's third version: a byte 1, then as big-endian
// numbers of 32 bits which hash, iterations and the salt's size, then salt and digest.
func aspnet(text string) (string, error) {
	const head = 13
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) < head || raw[0] != 1 {
		return "", bad("has no known form")
	}
	scheme, known := map[uint32]string{0: "sha1", 1: "sha256", 2: "sha512"}[binary.BigEndian.Uint32(raw[1:])]
	iterations, size := binary.BigEndian.Uint32(raw[5:]), binary.BigEndian.Uint32(raw[9:])
	if !known || size > maxSalt || head+int(size) > len(raw) {
		return "", bad("has other parameters than its scheme")
	}
	return fmt.Sprintf("$pbkdf2-%s$i=%d$%s$%s", scheme, iterations, b64(raw[head:head+size]), b64(raw[head+size:])), nil
}
