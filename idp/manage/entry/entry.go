package entry

import (
	"errors"
	"strings"

	"gatehouse/idp"
	"gatehouse/idp/settings"
)

// Said is an error about fields as settings has it; nil is none.
func Said(err error) (wrong settings.Errors) {
	errors.As(err, &wrong)
	return wrong
}

// Invalid says why a field cannot be saved as it is. Texts of a request are cut.
func Invalid(field, key string, args ...any) error {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = settings.Cut(text)
		}
	}
	return settings.Invalid(field, key, args...)
}

// KeptEmail is an address in the form in which it is kept, of every entry: what people
// type, what files and other programs say. What is none stays as it came, for checkUser
// to refuse.
func KeptEmail(text string) string {
	if kept, err := idp.ParseEmail(text); err == nil {
		return kept
	}
	return strings.TrimSpace(text)
}
