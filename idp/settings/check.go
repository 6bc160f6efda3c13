package settings

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Check writes t as it is kept, and returns all that is wrong about it.
func (fs Fields[T]) Check(t *T) (wrong Errors) {
	for _, f := range fs {
		f.neaten(t)
	}
	for _, f := range fs {
		if f.counts != nil && !f.counts(*t) {
			continue
		}
		if e := f.check(f.get(t)); e != nil {
			e.Field = f.Name
			wrong = append(wrong, *e)
		}
	}
	return wrong
}

// neaten writes texts as they are kept; a list has none that are empty or there twice.
func (f Field[T]) neaten(t *T) {
	if f.tidy == nil {
		return
	}
	switch v := f.get(t).(type) {
	case string:
		f.set(t, f.tidy(v))
	case []string:
		var kept []string
		for _, one := range v {
			if one = f.tidy(one); one != "" && !slices.Contains(kept, one) {
				kept = append(kept, one)
			}
		}
		f.set(t, kept)
	}
}

func empty(value any) bool {
	switch v := value.(type) {
	case string:
		return v == ""
	case bool:
		return !v
	case int:
		return v == 0
	case time.Duration:
		return v == 0
	case []string:
		return len(v) == 0
	}
	return value == nil
}

func wrong(key string, args ...any) *Error { return &Error{Key: key, Args: args} }

func (f Field[T]) check(value any) *Error {
	if f.Required() && empty(value) {
		return wrong(f.Missing)
	}
	switch v := value.(type) {
	case int:
		if !f.within(int64(v)) {
			return wrong("settings.between", int(f.Least), int(f.Most))
		}
	case time.Duration:
		if !f.within(int64(v)) {
			return wrong("settings.lasts", time.Duration(f.Least), time.Duration(f.Most))
		}
	case string:
		return f.checkLine(v)
	case []string:
		return f.checkList(v)
	}
	return nil
}

func (f Field[T]) within(n int64) bool {
	return f.Least == 0 && f.Most == 0 || f.Least <= n && n <= f.Most
}

func (f Field[T]) checkLine(v string) *Error {
	if v == "" && f.Values == nil {
		return nil
	}
	if f.Longest > 0 && utf8.RuneCountInString(v) > f.Longest {
		return wrong("settings.long", f.Longest)
	}
	if (f.Kind == KindLine || f.Kind == KindText) && f.Most > 0 && int64(utf8.RuneCountInString(v)) > f.Most {
		return wrong("settings.long", int(f.Most))
	}
	return f.checkText(v)
}

// checkText checks a text, or one of a list.
func (f Field[T]) checkText(v string) *Error {
	switch {
	case f.Values != nil && !slices.Contains(f.Values, v):
		return wrong("settings.choice", Cut(v), strings.Join(f.Values, ", "))
	case !utf8.ValidString(v) || strings.ContainsFunc(v, f.isControl):
		return wrong("settings.text")
	case f.rule == nil:
		return nil
	}
	return f.rule(v)
}

// isControl tells whether a text may not have a character: a line's end is for texts of several.
func (f Field[T]) isControl(r rune) bool {
	return unicode.IsControl(r) && (f.Kind != KindText || r != '\n')
}

func (f Field[T]) checkList(list []string) *Error {
	if !f.within(int64(len(list))) {
		return wrong("settings.many", int(f.Most))
	}
	for _, v := range list {
		if f.Longest > 0 && utf8.RuneCountInString(v) > f.Longest {
			return wrong("settings.long_each", f.Longest)
		}
		if e := f.checkText(v); e != nil {
			return e
		}
	}
	return nil
}

// Cut bounds what a text repeats of a value.
func Cut(v string) string {
	const most = 100
	if runes := []rune(strings.ToValidUTF8(v, "\uFFFD")); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return strings.ToValidUTF8(v, "\uFFFD")
}
