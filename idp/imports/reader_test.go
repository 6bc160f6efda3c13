package imports_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/imports"
	"gatehouse/ui"
)

const (
	bcrypt = "$2b$04$abcdefghijklmnopqrstuuhm7h9NqIan65lMDK6JpKTsBMsmvjYTe" // gentle maple corner
	key    = "AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQT"
)

// read reads a whole text: the people, and what is wrong by line.
func read(t testing.TB, text string, format imports.Format) (people []imports.Record, wrong map[int]string) {
	t.Helper()
	r, err := imports.NewReader(strings.NewReader(text), format, idp.Contacts)
	if err != nil {
		t.Fatal(err)
	}
	wrong = map[int]string{}
	for {
		p, err := r.Next()
		var line *imports.LineError
		switch {
		case errors.Is(err, io.EOF):
			return people, wrong
		case errors.As(err, &line):
			wrong[line.Line] += line.In(english(t))
		case err != nil:
			t.Fatal(err)
		default:
			people = append(people, p)
		}
	}
}

// english writes texts as the command line does.
func english(t testing.TB) func(key string, args ...any) string {
	t.Helper()
	return ui.Texts().English
}

func emails(people []imports.Record) []string {
	var list []string
	for _, p := range people {
		list = append(list, fmt.Sprint(p.Line, " ", p.Email))
	}
	return list
}

func TestFilesAreRead(t *testing.T) {
	t.Parallel()
	const bom = "\xef\xbb\xbf"
	for name, c := range map[string]struct {
		text   string
		format imports.Format
		want   []string       // line and address
		wrong  map[int]string // what is said of a line
	}{
		"plain":                {"email,name\na@x.example,A\nb@x.example,B\n", imports.CSV, []string{"2 a@x.example", "3 b@x.example"}, nil},
		"no last end of line":  {"email\na@x.example", imports.CSV, []string{"2 a@x.example"}, nil},
		"byte-order mark":      {bom + "email,name\r\na@x.example,A\r\n", imports.CSV, []string{"2 a@x.example"}, nil},
		"mark and quotes":      {bom + "\"Email\",\"Name\"\n\"a@x.example\",\"Doe, \"\"J\"\"\"\n", imports.CSV, []string{"2 a@x.example"}, nil},
		"semicolons":           {"email;roles\na@x.example;agent\n", imports.CSV, []string{"2 a@x.example"}, nil},
		"tabs":                 {"email\troles\na@x.example\tagent,manager\n", imports.CSV, []string{"2 a@x.example"}, nil},
		"empty lines":          {"email\n\n  \na@x.example\n\n", imports.CSV, []string{"4 a@x.example"}, nil},
		"a field of two lines": {"email,name\na@x.example,\"A\nB\"\nb@x.example,B\n", imports.CSV, []string{"2 a@x.example", "4 b@x.example"}, nil},
		"a quote not closed": {
			"email,name\na@x.example,\"A\nb@x.example,B\nc@x.example,\"C, D\"\n", imports.CSV,
			[]string{"3 b@x.example", "4 c@x.example"},
			map[int]string{2: "A quote is not closed"},
		},
		"two quotes not closed": {
			"email,name\na@x.example,\"A\nb@x.example,B\nc@x.example,\"C\nd@x.example,D\n", imports.CSV,
			[]string{"3 b@x.example", "5 d@x.example"},
			map[int]string{2: "quotes make no sense", 4: "A quote is not closed"},
		},
		"a bare quote":    {"email,name\na@x.example,A \"the\" B\nb@x.example,B\n", imports.CSV, []string{"3 b@x.example"}, map[int]string{2: "quotes make no sense"}},
		"too few fields":  {"email,name\na@x.example\nb@x.example,B\n", imports.CSV, []string{"3 b@x.example"}, map[int]string{2: "1 fields, and the header 2"}},
		"too many fields": {"email\na@x.example,A\nb@x.example\n", imports.CSV, []string{"3 b@x.example"}, map[int]string{2: "2 fields, and the header 1"}},
		"too long a line": {"email\n" + strings.Repeat("x", 70<<10) + "\nb@x.example\n", imports.CSV, []string{"3 b@x.example"}, map[int]string{2: "more than 65536 bytes"}},
		"not UTF-8":       {"email,name\na@x.example,\xff\nb@x.example,B\n", imports.CSV, []string{"3 b@x.example"}, map[int]string{2: "name: It is not UTF-8"}},

		"objects":                {`{"email":"a@x.example"}` + "\n\n" + `{"email":"b@x.example","roles":["agent"],"disabled":true,"name":null}`, imports.JSONLines, []string{"1 a@x.example", "3 b@x.example"}, nil},
		"objects with a mark":    {bom + `{"email":"a@x.example"}`, imports.JSONLines, []string{"1 a@x.example"}, nil},
		"a broken object":        {`{"email":"a@x.example"` + "\n" + `{"email":"b@x.example"}`, imports.JSONLines, []string{"2 b@x.example"}, map[int]string{1: "not a JSON object"}},
		"no object":              {"null\n[]\n7\n\"x\"\n", imports.JSONLines, nil, map[int]string{1: "not a JSON object", 2: "not a JSON object", 3: "not a JSON object", 4: "not a JSON object"}},
		"a list of all":          {`[{"email":"a@x.example"}]`, imports.JSONLines, nil, map[int]string{1: "not a JSON object"}},
		"another type":           {`{"email":7}`, imports.JSONLines, nil, map[int]string{1: "email: It is not a text"}},
		"an unknown name":        {`{"email":"a@x.example","mail":"x"}`, imports.JSONLines, nil, map[int]string{1: "There is no column “mail”"}},
		"a plain password":       {`{"email":"a@x.example","password":"x"}`, imports.JSONLines, nil, map[int]string{1: "imported as hashes"}},
		"a role that is no text": {`{"email":"a@x.example","roles":[7]}`, imports.JSONLines, nil, map[int]string{1: "roles: It is not a text"}},
	} {
		people, wrong := read(t, c.text, c.format)
		if got := emails(people); !slices.Equal(got, c.want) {
			t.Errorf("%s: read %q, want %q", name, got, c.want)
		}
		if len(wrong) != len(c.wrong) {
			t.Errorf("%s: wrong are %v", name, wrong)
		}
		for line, text := range c.wrong {
			if !strings.Contains(wrong[line], text) || !strings.HasPrefix(wrong[line], fmt.Sprintf("line %d: ", line)) {
				t.Errorf("%s: of line %d it says %q, want %q", name, line, wrong[line], text)
			}
		}
	}
}

func TestFilesThatAreRefusedAsAWhole(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                              "empty",
		"\xef\xbb\xbf":                  "empty",
		"\xff\xfee\x00m\x00":            "UTF-16",
		"\xfe\xff\x00e\x00m":            "UTF-16",
		"name\nA\n":                     "no column email",
		"email,email\nA,B\n":            "there twice",
		"email,passwort\nA,B\n":         "no column “passwort”",
		"email,password\nA,B\n":         "imported as hashes",
		"email,\"na\nme\"\nA,B\n":       "not the names of columns",
		strings.Repeat("email,", 20000): "not the names of columns",
	} {
		_, err := imports.NewReader(strings.NewReader(text), imports.CSV, idp.Contacts)
		if err == nil {
			t.Fatalf("%.40q is read", text)
		}
		said := err.Error()
		var line *imports.LineError
		if errors.As(err, &line) {
			said = line.In(english(t))
		}
		if !strings.Contains(said, want) {
			t.Errorf("%.40q: %s, want %s", text, said, want)
		}
	}
	if _, err := imports.NewReader(strings.NewReader(""), "xlsx", idp.Contacts); err == nil {
		t.Error("there is a third format")
	}
}

func TestEverythingAboutAPersonIsRead(t *testing.T) {
	t.Parallel()
	const tenant, object = "11111111-2222-3333-4444-555555555555", "AAAAAAAA-2222-3333-4444-555555555555"
	csv := "Email,Name,Given Name,Family Name,Zoneinfo,Picture,Locale,Population,Roles,Email Verified,Disabled,Password Hash,Password Changed At,TOTP,Entra TID,Entra OID\n" +
		"maya@rtx.example,\u202eMaya\u202c,\u202eMay\u202c,R,Europe/Paris,https://a.example/p,de-CH,agents,manager; agent,yes,true," + bcrypt + ",2025-03-29,aaaq eaye auda ocaj bifq ydio b4ib ceqt," + tenant + "," + object + "\n"
	object2 := fmt.Sprintf(`{"email":"maya@rtx.example","name":"\u2066Maya\u2069","given_name":"May","family_name":"R","zoneinfo":"Europe/Paris","picture":"https://a.example/p","locale":"de-CH","population":"agents","roles":["manager","agent"],"email_verified":true,`+
		`"disabled":"true","password_hash":%q,"password_changed_at":"2025-03-29T00:00:00Z","totp":"otpauth://totp/RTX:maya?secret=%s&issuer=RTX","entra_tid":%q,"entra_oid":%q}`,
		bcrypt, key, tenant, object)
	for format, text := range map[imports.Format]string{imports.CSV: csv, imports.JSONLines: object2} {
		people, wrong := read(t, text, format)
		if len(people) != 1 {
			t.Fatalf("%s: %d people, %v", format, len(people), wrong)
		}
		p := people[0]
		if p.Email != "maya@rtx.example" || p.Name != "Maya" || p.Locale != "de-CH" || p.Population != idp.Agents ||
			!slices.Equal(p.Roles, []string{"agent", "manager"}) || !p.EmailVerified || !p.Disabled || p.PasswordHash != bcrypt ||
			!p.PasswordChangedAt.Equal(time.Date(2025, 3, 29, 0, 0, 0, 0, time.UTC)) || len(p.TOTPKey) != 20 ||
			p.TenantID != tenant || p.ObjectID != strings.ToLower(object) {
			t.Errorf("%s: %+v", format, p)
		}
		if p.Profile != (idp.Profile{GivenName: "May", FamilyName: "R", Zoneinfo: "Europe/Paris", Picture: "https://a.example/p"}) {
			t.Errorf("%s: profile %+v", format, p.Profile)
		}
	}
	keycloak := `{"email":"a@x.example","password_hash":{"algorithm":"pbkdf2-sha256","hashIterations":1000,"salt":"AAECAwQFBgcICQoLDA0ODw==","value":"4KYVEY/RWBJ5zKVAx8MZtBPtZnhn9R4zlxNE7iI5Bmo="}}`
	if people, wrong := read(t, keycloak, imports.JSONLines); len(people) != 1 || !strings.HasPrefix(people[0].PasswordHash, "$pbkdf2-sha256$") || people[0].Population != idp.Contacts {
		t.Errorf("Keycloak's hash: %+v %v", people, wrong)
	}
}

func TestWhatIsWrongWithAFieldIsSaid(t *testing.T) {
	t.Parallel()
	for column, values := range map[string]map[string]string{
		"email_verified":      {"perhaps": "neither true nor false"},
		"disabled":            {"2": "neither true nor false"},
		"password_hash":       {"hunter2": "no known form", "$argon2id$v=19$m=10485760,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc": "too much work"},
		"password_changed_at": {"yesterday": "no time", "0001-01-01": "no time", "29.03.2025": "no time"},
		"totp":                {"AAAQEAYEAUDAOCAJ": "fewer than 128 bits", "otpauth://hotp/x?secret=" + key: "no otpauth URL"},
		"entra_oid":           {"maya@rtx.example": "belong together", "11111111-2222-3333-4444-555555555555": "belong together"},
	} {
		for value, want := range values {
			_, wrong := read(t, "email,"+column+"\na@x.example,\""+value+"\"\n", imports.CSV)
			if !strings.Contains(wrong[2], want) || strings.Contains(wrong[2], "CTFhFdXP") || strings.Contains(wrong[2], "hunter2") {
				t.Errorf("%s %s: %v, want %q", column, value, wrong, want)
			}
		}
	}
}

// One broken line among many is reported with its line, and all others are read.
func TestBrokenLineFarDown(t *testing.T) {
	t.Parallel()
	const lines, broken = 60_000, 57_123
	for _, bad := range []string{"\"never closed,A", "a,b,c,d", "x@y.example,\"A\"B"} {
		var text strings.Builder
		text.WriteString("\xef\xbb\xbfemail,name\r\n")
		for n := 2; n <= lines; n++ {
			if n == broken {
				fmt.Fprintf(&text, "%s\r\n", bad)
			} else {
				fmt.Fprintf(&text, "person%d@x.example,\"Person, %d\"\r\n", n, n)
			}
		}
		people, wrong := read(t, text.String(), imports.CSV)
		if len(people) != lines-2 || len(wrong) != 1 || !strings.HasPrefix(wrong[broken], "line 57123: ") {
			t.Errorf("%s: %d people, wrong are %v", bad, len(people), wrong)
		}
		if last := people[len(people)-1]; last.Line != lines || last.Email != "person60000@x.example" {
			t.Errorf("%s: the last is %+v", bad, last)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add("email,name\na@x.example,\"A\nB\"\nb@x.example,\"\n", true)
	f.Add("\xef\xbb\xbfemail;roles\na@x.example;agent|manager\n", true)
	f.Add(`{"email":"a@x.example","roles":["agent"],"password_hash":{"algorithm":"argon2"}}`+"\n{", false)
	f.Add("email\n\"\"\"\n\"\n", true)
	f.Fuzz(func(t *testing.T, text string, csv bool) {
		format := imports.JSONLines
		if csv {
			format = imports.CSV
		}
		r, err := imports.NewReader(strings.NewReader(text), format, idp.Contacts)
		if err != nil {
			return
		}
		lines, before := strings.Count(text, "\n")+1, 0
		for {
			p, err := r.Next()
			var wrong *imports.LineError
			if errors.As(err, &wrong) {
				p.Line = wrong.Line
			} else if err != nil {
				return
			}
			if p.Line <= before || p.Line > lines {
				t.Fatalf("line %d after %d of %d", p.Line, before, lines)
			}
			before = p.Line
		}
	})
}
