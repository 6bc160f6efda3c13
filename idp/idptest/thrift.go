package idptest

import (
	"crypto"
	"sync"

	"gatehouse/idp"
	"gatehouse/idp/keys"
	"gatehouse/idp/password"
	"gatehouse/idp/server"
)

// CheapPasswords are costs of hashes for tests that are not about hashing.
var CheapPasswords = password.Params{Memory: 64, Time: 1, Threads: 1}

// thrift is what providers of tests save: hashes cost little, and the first RSA keys
// of each provider are the same.
func thrift() server.Thrift {
	var rs256, ps256 sync.Once
	return server.Thrift{Passwords: CheapPasswords, NewKey: func(alg idp.Algorithm) (key crypto.Signer, err error) {
		switch alg {
		case idp.RS256:
			rs256.Do(func() { key, err = rs256Key() })
		case idp.PS256:
			ps256.Do(func() { key, err = ps256Key() })
		case idp.ES256, idp.EdDSA:
		}
		if key != nil || err != nil {
			return key, err
		}
		return keys.Generate(alg)
	}}
}

// The RSA keys are the same for the whole process: making one takes as long as several tests.
var (
	rs256Key = sync.OnceValues(func() (crypto.Signer, error) { return keys.Generate(idp.RS256) })
	ps256Key = sync.OnceValues(func() (crypto.Signer, error) { return keys.Generate(idp.PS256) })
)
