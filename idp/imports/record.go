package imports

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gatehouse/idp"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/password"
	"gatehouse/idp/settings"
	"gatehouse/mfa"
)

// Columns are what a file may say about a person: the names in the first line of a
// CSV file and in the objects of JSON lines. Only email must be there.
func Columns() []string {
	return []string{
		"email", "name", "locale", "given_name", "family_name", "zoneinfo", "picture", "population", "roles", "email_verified", "disabled",
		"password_hash", "password_changed_at", "totp", "entra_tid", "entra_oid",
	}
}

// LineError is what is wrong with one line; those behind it can be read. An error without
// a field is about the line as a whole.
type LineError struct {
	Line  int // the first of the record, from 1
	Wrong settings.Errors
}

// Error implements error. It is for logs: people read the texts of the keys.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Wrong) }

// In is the error in the words of text, a catalogue's.
func (e *LineError) In(text func(key string, args ...any) string) string {
	said := fmt.Sprintf("line %d:", e.Line)
	for _, one := range e.Wrong {
		if one.Field != "" {
			said += " " + one.Field + ":"
		}
		said += " " + text(one.Key, one.Args...)
	}
	return said
}

func wrongLine(line int, field, key string, args ...any) *LineError {
	return &LineError{line, settings.Invalid(field, key, args...)}
}

// Record is one person of a file.
type Record struct {
	Line int
	connections.ImportedUser
}

// unknownColumn is why a column is refused.
func unknownColumn(name string) *settings.Error {
	e := &settings.Error{Field: clipped(name), Key: "settings.import.password"}
	if !slices.Contains([]string{"password", "plain_password", "plaintext_password"}, name) {
		e.Key, e.Args = "settings.import.column", []any{clipped(name), strings.Join(Columns(), ", ")}
	}
	return e
}

// guid is how Entra writes the ids of tenants and people.
var guid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// record makes sense of the texts of a line. What manage refuses is left to it.
func record(line int, population string, texts map[string]string) (Record, error) {
	r := Record{Line: line}
	r.Population, r.Email, r.Name, r.Locale = population, texts["email"], idp.PlainName(texts["name"]), texts["locale"]
	r.Profile = idp.Profile{
		GivenName: idp.PlainName(texts["given_name"]), FamilyName: idp.PlainName(texts["family_name"]),
		Zoneinfo: texts["zoneinfo"], Picture: texts["picture"],
	}
	if p := texts["population"]; p != "" {
		r.Population = p
	}
	r.Roles = strings.FieldsFunc(texts["roles"], func(c rune) bool { return unicode.IsSpace(c) || c == ';' || c == '|' || c == ',' })
	slices.Sort(r.Roles)
	r.Roles = slices.Compact(r.Roles)
	r.TenantID, r.ObjectID = strings.ToLower(texts["entra_tid"]), strings.ToLower(texts["entra_oid"])
	wrong := func(field, key string, args ...any) error { return wrongLine(line, field, key, args...) }
	for name, text := range texts {
		if !utf8.ValidString(text) {
			return r, wrong(name, "settings.import.encoding")
		}
	}
	var err error
	if text := texts["password_hash"]; text != "" {
		if r.PasswordHash, err = password.Foreign(text); err != nil {
			return r, wrong("password_hash", "settings.import.unusable", strings.TrimPrefix(err.Error(), "password: "))
		}
	}
	if text := texts["totp"]; text != "" {
		if r.TOTPKey, err = mfa.ReadTOTPKey(text); err != nil {
			return r, wrong("totp", "settings.import.unusable", strings.TrimPrefix(err.Error(), "mfa: "))
		}
	}
	for name, into := range map[string]*bool{"email_verified": &r.EmailVerified, "disabled": &r.Disabled} {
		if *into, err = yesOrNo(texts[name]); err != nil {
			return r, wrong(name, "settings.import.flag", clipped(texts[name]))
		}
	}
	if text := texts["password_changed_at"]; text != "" {
		if r.PasswordChangedAt, err = moment(text); err != nil {
			return r, wrong("password_changed_at", "settings.import.time", clipped(text))
		}
	}
	for name, id := range map[string]string{"entra_tid": r.TenantID, "entra_oid": r.ObjectID} {
		if (r.TenantID != "" || r.ObjectID != "") && !guid.MatchString(id) {
			return r, wrong(name, "settings.import.entra")
		}
	}
	return r, nil
}

// clipped is a text that may be quoted.
func clipped(text string) string {
	if runes := []rune(text); len(runes) > 40 {
		return string(runes[:40]) + "…"
	}
	return text
}

func yesOrNo(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "", "no":
		return false, nil
	case "yes":
		return true, nil
	}
	return strconv.ParseBool(strings.ToLower(text))
}

// moment reads a time or a day, between the first and the last that make sense.
func moment(text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		at, err = time.Parse(time.DateOnly, text)
	}
	if err == nil && (at.Year() < 1970 || at.Year() > 9999) {
		err = fmt.Errorf("year %d", at.Year())
	}
	return at.UTC().Truncate(time.Microsecond), err
}

// textsOf are the values of a JSON object as texts, as a CSV file would have them.
func textsOf(object map[string]json.RawMessage) (texts map[string]string, wrong *settings.Error) {
	texts = map[string]string{}
	for name, raw := range object {
		if !slices.Contains(Columns(), name) {
			return nil, unknownColumn(name)
		}
		var text string
		var list []string
		var flag bool
		switch {
		case string(raw) == "null":
		case json.Unmarshal(raw, &text) == nil:
			texts[name] = strings.TrimSpace(text)
		case name == "roles" && json.Unmarshal(raw, &list) == nil:
			texts[name] = strings.Join(list, " ")
		case (name == "email_verified" || name == "disabled") && json.Unmarshal(raw, &flag) == nil:
			texts[name] = strconv.FormatBool(flag)
		case name == "password_hash" && strings.HasPrefix(string(raw), "{"):
			texts[name] = string(raw)
		default:
			return nil, &settings.Error{Field: name, Key: "settings.import.text"}
		}
	}
	return texts, nil
}
