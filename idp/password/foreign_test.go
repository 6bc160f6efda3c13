package password

import (
	"errors"
	"strings"
	"testing"
)

// foreign are hashes of "gentle maple corner" (of "password" for the last two, which
// are the reference implementation's), computed with Python's hashlib and crypt.
var foreign = map[string]string{
	"bcrypt":               "$2b$04$abcdefghijklmnopqrstuuhm7h9NqIan65lMDK6JpKTsBMsmvjYTe",
	"bcrypt of PHP":        "$2y$04$abcdefghijklmnopqrstuuhm7h9NqIan65lMDK6JpKTsBMsmvjYTe",
	"Django bcrypt":        "bcrypt$$2b$04$abcdefghijklmnopqrstuuhm7h9NqIan65lMDK6JpKTsBMsmvjYTe",
	"Django bcrypt_sha256": "bcrypt_sha256$$2b$04$abcdefghijklmnopqrstuu45wtAqm7j.ZNrs90uWtFoFLUXpoycTa",
	"Django pbkdf2_sha256": "pbkdf2_sha256$1000$abcdefghijkl$RScRruYH87woOxq407Qmg86HcvCJNBpxeLMiepg9jds=",
	"Django pbkdf2_sha1":   "pbkdf2_sha1$1000$abcdefghijkl$rd63LJPEWHO7LAeViD9ulPATnXg=",
	"Django scrypt":        "scrypt$1024$abcdefghijkl$8$1$01Nqi2MhaoNm6zgrIbGccdMWkH92XPHkMtV1lT1TEqTb9IOZ3AhJ/no/0JI1y6OhWcYgenQ94xXXUYQV1ZirQA==",
	"Werkzeug pbkdf2":      "pbkdf2:sha256:1000$abcdefgh$dec3dde71dd27cd8865db8af19a750c0570d3c93166765495c52d8c27f97064e",
	"Werkzeug scrypt": "scrypt:1024:8:1$abcdefgh$2f4a9631efe4f3ed7d8fa2717d39963ec3614aa617bdde8e0547fb046fd26e65" +
		"6b1bf2753e29fe9eb3da01a4966a6bdcea16ca0d39edc3610ca7deb3503098c2",
	"Keycloak": `{"type":"password","secretData":"{\"value\":\"QU7GqzFU7iREoiXP41tT6Q8gS7Lc5zZ/lZ4lXF8AC3jYv7n1Fc0mQrOwA0iA48uh4kojLmkYCIdBuP5X6nZhmA==\",` +
		`\"salt\":\"AAECAwQFBgcICQoLDA0ODw==\",\"additionalParameters\":{}}",` +
		`"credentialData":"{\"hashIterations\":1000,\"algorithm\":\"pbkdf2-sha512\",\"additionalParameters\":{}}"}`,
	"Keycloak of old": `{"algorithm":"pbkdf2-sha512","hashIterations":1000,"salt":"AAECAwQFBgcICQoLDA0ODw==",` +
		`"value":"QU7GqzFU7iREoiXP41tT6Q8gS7Lc5zZ/lZ4lXF8AC3jYv7n1Fc0mQrOwA0iA48uh4kojLmkYCIdBuP5X6nZhmA=="}`,
	"ASP.NET":             "AQAAAAEAAAPoAAAAEAABAgMEBQYHCAkKCwwNDg+4phURj9FYEnnMpUDHwxm0E+1meGf1HjOXE0TuIjkGag==",
	"ASP.NET, SHA-512":    "AQAAAAIAAAPoAAAAEAABAgMEBQYHCAkKCwwNDg9BTsarMVTuJESiJc/jW1PpDyBLstznNn+VniVcXwALeA==",
	"surrounded by space": "\t$2b$04$abcdefghijklmnopqrstuuhm7h9NqIan65lMDK6JpKTsBMsmvjYTe \n",

	"Django argon2": "argon2$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
	"argon2i":       "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
	"Keycloak argon2": `{"secretData":"{\"value\":\"CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc=\",\"salt\":\"c29tZXNhbHQ=\"}",` +
		`"credentialData":"{\"hashIterations\":2,\"algorithm\":\"argon2\",\"additionalParameters\":` +
		`{\"hashLength\":[\"32\"],\"memory\":[\"65536\"],\"type\":[\"id\"],\"version\":[\"1.3\"],\"parallelism\":[\"1\"]}}"}`,
}

// Every encoding is read, takes the right password and no other, and is to be made
// anew at the first sign-in.
func TestForeignHashesAreReadAndUpgraded(t *testing.T) {
	h := New(cheap)
	for name, text := range foreign {
		encoded, err := Foreign(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		right := "gentle maple corner"
		if strings.Contains(name, "argon2") {
			right = "password"
		}
		if ok, rehash := verify(t, h, encoded, right); !ok || !rehash {
			t.Errorf("%s: the right password: ok %t, to be upgraded %t", name, ok, rehash)
		}
		for _, wrong := range []string{"", right + " ", strings.ToUpper(right), strings.Repeat("x", MaxBytes)} {
			if ok, _ := verify(t, h, encoded, wrong); ok {
				t.Errorf("%s: %.10q is taken", name, wrong)
			}
		}
		if again, err := Foreign(encoded); err != nil || again != encoded {
			t.Errorf("%s: read again it is %s (%v)", name, again, err)
		}
	}
}

// unreadable are what is no hash, of no known scheme, or asks for too much.
var unreadable = append([]string{
	"", " ", "password", "hunter2!", "{}", "{", `{"algorithm":"bcrypt"}`, `{"secretData":"no"}`,
	`{"algorithm":"argon2","additionalParameters":{"version":["1.0"]}}`,
	`{"algorithm":"pbkdf2-sha256","hashIterations":100000000,"salt":"AAECAwQFBgcICQoLDA0ODw==","value":"4KYVEY/RWBJ5zKVAx8MZtBPtZnhn9R4zlxNE7iI5Bmo="}`,
	"md5$abcdefgh$0cc175b9c0f1b6a831c399e269772661", "sha1$a$b", "pbkdf2_sha256$1000$salt", "pbkdf2_sha256$99999999$abcdefghijkl$RScRruYH87woOxq407Qmg86HcvCJNBpxeLMiepg9jds=",
	"pbkdf2_sha256$1000$short$RScRruYH87woOxq407Qmg86HcvCJNBpxeLMiepg9jds=",
	"scrypt$1000$abcdefghijkl$8$1$01Nqi2MhaoNm6zgrIbGccQ==", "scrypt$1073741824$abcdefghijkl$8$1$01Nqi2MhaoNm6zgrIbGccdMWkH92XPHkMtV1lT1TEqQ=",
	"scrypt$0$abcdefghijkl$8$1$01Nqi2MhaoNm6zgrIbGccQ==", "pbkdf2:md5:1000$abcdefgh$00112233445566778899aabbccddeeff", "pbkdf2:sha256$x$y",
	"argon2$argon2id$v=19$m=10485760,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", // 10 GB
	"bcrypt$$2b$31$abcdefghijklmnopqrstuuhm7h9NqIan65lMDK6JpKTsBMsmvjYTe", "bcrypt_sha256$", "bcrypt$",
	"AQAAAAEAAAPo", "AAAAAAEAAAPoAAAAEAABAgMEBQYHCAkKCwwNDg+4phURj9FYEnnMpUDHwxm0E+1meGf1HjOXE0TuIjkGag==",
	"AQAAAAEAAAPoAAD//wABAgMEBQYHCAkKCwwNDg+4phURj9FYEnnMpUDHwxm0E+1meGf1HjOXE0TuIjkGag==",
	"AQAAAAkAAAPoAAAAEAABAgMEBQYHCAkKCwwNDg+4phURj9FYEnnMpUDHwxm0E+1meGf1HjOXE0TuIjkGag==",
	strings.Repeat("A", maxForeign+1),
}, hostile...)

func TestUnreadableForeignHashesAreRefused(t *testing.T) {
	for _, text := range unreadable {
		if encoded, err := Foreign(text); !errors.Is(err, ErrBadHash) || encoded != "" && strings.HasPrefix(encoded, "{") {
			t.Errorf("%.60q: %s, %v", text, encoded, err)
		}
	}
}

func FuzzForeign(f *testing.F) {
	for _, text := range foreign {
		f.Add(text)
	}
	for _, text := range unreadable {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		encoded, err := Foreign(text)
		if err != nil {
			if !errors.Is(err, ErrBadHash) {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		if again, err := Foreign(encoded); err != nil || again != encoded {
			t.Errorf("%q becomes %q, and that %q (%v)", text, encoded, again, err)
		}
	})
}
