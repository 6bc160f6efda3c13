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

// thrift is what providers of tests save: hashes cost little, and the first RSA key
// of each provider is the same.
func thrift() server.Thrift {
	var once sync.Once
	return server.Thrift{Passwords: CheapPasswords, NewKey: func(alg idp.Algorithm) (key crypto.Signer, err error) {
		if alg == idp.RS256 {
			once.Do(func() { key, err = rsaKey() })
		}
		if key != nil || err != nil {
			return key, err
		}
		return keys.Generate(alg)
	}}
}

// rsaKey is one for the whole process: making one takes as long as several tests.
var rsaKey = sync.OnceValues(func() (crypto.Signer, error) { return keys.Generate(idp.RS256) })
